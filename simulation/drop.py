"""Simulate an archive drop with native files of many missions, one after another: `simulate_drop`."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from .exposure import SimulatedExposure
from .field import FieldRequest, simulate_field, telescopes_named
from .random_streams import stream
from .write_errors import file_errors
from .writers import WrittenFiles, write_exposure

__all__ = ["drop_request", "simulate_drop"]

ARTEFACTS_OF: Final[Mapping[str, Sequence[str]]] = {
    "chandra": ("afterglow", "edge_source", "truncated_burst"),
    "xmm": ("hot_pixel", "background_flare", "truncated_burst"),
    "swift": ("hot_pixel", "flickering_pixel"),
    "erosita": ("background_flare",),
    "ep": ("flickering_pixel",),
}
"""Possible artefacts by mission; cosmic rays of the lobster eye are added by telescope."""

TRANSIENTS: Final = ("fast_transient", "stellar_flare", "magnetar_burst", "xray_burst", "eclipse", "dip", "qpe")


def drop_request(telescope: str, mission: str, seed: int) -> FieldRequest:
    """Contents of an exposure: steady sources, up to two transients, and an artefact in every second exposure."""
    rng = stream(seed, "drop", telescope)
    transients = [str(kind) for kind in rng.choice(TRANSIENTS, int(rng.integers(0, 3)), replace=False)]
    kinds = [*ARTEFACTS_OF[mission], *(["wxt_cosmic_ray"] if telescope == "ep-wxt" else [])]
    artefacts = [str(rng.choice(kinds))] if rng.random() < 0.5 else []
    few = mission in ("ep", "swift")
    sources = int(rng.integers(2, 5) if few else rng.integers(6, 16))
    return FieldRequest(telescope=telescope, sources=sources, transients=transients, artefacts=artefacts)


def simulate_drop(
    folder: Path,
    *,
    missions: Sequence[str] = ("all",),
    files: int | None = None,
    seed: int,
    rate_per_minute: float | None = None,
    compress: bool = True,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[WrittenFiles]:
    """Write native files into a folder as an archive delivers them; each appears complete, under its final name.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    missions : sequence of str
        Missions or telescopes, "all" for every telescope; used in turn.
    files : int or None
        Number of files; default: one for each telescope.
    seed : int
        File k does not depend on the other files.
    rate_per_minute : float or None
        Mean rate of files, at random (exponential) intervals; default: without pauses.
    compress : bool
    wait : callable
        Waits some seconds.

    Yields
    ------
    WrittenFiles
        When its files are in the folder.

    Raises
    ------
    ConfigError
        A mission or telescope is unknown.
    FileError
        The folder cannot be written to.
    """
    from .telescopes import TELESCOPES

    names = list(dict.fromkeys(name for word in missions for name in telescopes_named(word)))
    with file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    pauses = stream(seed, "drop intervals")
    for number in range(len(names) if files is None else files):
        name = names[number % len(names)]
        own = int(stream(seed, "drop file", number).integers(2**31))
        if rate_per_minute is not None and number:
            wait(float(pauses.exponential(60.0 / rate_per_minute)))
        exposure = simulate_field(drop_request(name, TELESCOPES[name].mission, own), seed=own)
        yield _dropped(folder, exposure, compress)


def _dropped(folder: Path, exposure: SimulatedExposure, compress: bool) -> WrittenFiles:
    """Write to a hidden subfolder, then move all files, companions before the event file."""
    with file_errors(folder):
        scratch = Path(tempfile.mkdtemp(prefix=".dropping-", dir=folder))
        try:
            made = write_exposure(exposure, scratch, compress=compress)
            for path in (made.truth, *made.companions, made.events):
                path.replace(folder / path.name)
        finally:
            shutil.rmtree(scratch)
    return WrittenFiles(
        folder / made.events.name, tuple(folder / path.name for path in made.companions), folder / made.truth.name
    )
