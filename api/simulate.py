"""Simulated event data with known truth: a field, an archive drop, a population of sources.

import xherald as xh

field = xh.simulate.field("xmm", transients=["stellar_flare"], seed=1)
xh.scan(field.path)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.table import Table

    from xherald.simulation.population import Population
    from xherald.simulation.writers.written_files import WrittenFiles

__all__ = ["SimulatedFile", "drop", "field", "options", "population"]


@dataclass(frozen=True, eq=False, repr=False)
class SimulatedFile:
    """A simulated event file in its mission's own format.

    Parameters
    ----------
    path : Path
        The event file.
    companions : tuple of Path
        What the mission delivers beside it, such as a source list.
    truth_path : Path
        JSON file of what was put in.
    """

    path: Path
    companions: tuple[Path, ...]
    truth_path: Path

    @cached_property
    def truth(self) -> dict[str, Any]:
        """What was put in and how much of it a reader can find, in JSON's own types."""
        from xherald.simulation.writers import read_truth

        return dict(read_truth(self.truth_path))

    @property
    def sources(self) -> Table:
        """The sources that were put in: name, class, position, counts."""
        from astropy.table import Table

        columns = ("name", "class", "direction", "ra_deg", "dec_deg", "counts_expected", "counts_kept")
        rows = self.truth["sources"]
        return Table({name: [row.get(name) for row in rows] for name in columns if any(name in row for row in rows)})

    def __repr__(self) -> str:
        return f"<SimulatedFile {self.path}: {len(self.truth['sources'])} sources>"

    def _repr_html_(self) -> str:
        from xherald.html import html_table

        table = self.sources
        return html_table(repr(self), [tuple(table.colnames), *(tuple(str(cell) for cell in row) for row in table)])


def field(
    mission: str = "chandra",
    *,
    sources: int = 10,
    transients: Sequence[str] = (),
    artefacts: Sequence[str] = (),
    counts: float | None = None,
    duration_s: float | None = None,
    ra_deg: float | None = None,
    dec_deg: float | None = None,
    pattern: str | None = None,
    obs_id: str | None = None,
    seed: int = 0,
    folder: str | Path = ".",
) -> SimulatedFile:
    """Simulate one exposure of a field and write it as its mission would.

    Parameters
    ----------
    mission : str
        Mission or telescope (`options`).
    sources : int
        Sources without an event.
    transients, artefacts : sequence of str
        Classes of further sources, one for each name, and kinds of artefacts (`options`).
    counts : float, optional
        Expected counts of each transient; drawn if not given.
    duration_s : float, optional
        Good time, s.
    ra_deg, dec_deg : float, optional
        Pointing, ICRS.
    pattern : str, optional
        Observing pattern; the telescope's usual one if not given.
    obs_id : str, optional
    seed : int
        The same seed gives the same bytes.
    folder : str or Path
        Where the files are written; made if it does not exist.

    Raises
    ------
    ConfigError
        A name is unknown.
    FileError
        The folder cannot be written to.
    """
    from xherald.simulation.field import FieldRequest, simulate_field
    from xherald.simulation.writers import write_exposure

    request = FieldRequest(
        telescope=mission,
        sources=sources,
        transients=tuple(transients),
        artefacts=tuple(artefacts),
        duration=duration_s,
        ra=ra_deg,
        dec=dec_deg,
        pattern=pattern,
        counts=counts,
    )
    return _simulated_file(write_exposure(simulate_field(request, seed=seed, obs_id=obs_id), Path(folder)))


def drop(
    folder: str | Path, *, missions: Sequence[str] = ("all",), files: int | None = None, seed: int = 0
) -> list[SimulatedFile]:
    """Simulate an archive drop: native event files of several missions in one folder.

    Parameters
    ----------
    folder : str or Path
    missions : sequence of str
        Missions or telescopes, taken in turn; "all" for every telescope.
    files : int, optional
        How many; one for each telescope if not given.
    seed : int

    Raises
    ------
    ConfigError
        A mission is unknown.
    FileError
        The folder cannot be written to.
    """
    from xherald.simulation.drop import simulate_drop

    chosen = (missions,) if isinstance(missions, str) else missions
    return [_simulated_file(one) for one in simulate_drop(Path(folder), missions=chosen, files=files, seed=seed)]


def population(
    sources: int, *, mission: str = "chandra-acis-i", variable_fraction: float = 0.05, seed: int = 0
) -> Population:
    """Simulate photon lists of single sources, distributed as those of the Chandra Source Catalog.

    Parameters
    ----------
    sources : int
    mission : str
        Telescope, or mission: then its first telescope.
    variable_fraction : float
        Fraction of sources that flare, dip or pulsate.
    seed : int

    Returns
    -------
    xherald.simulation.population.Population
        ``batch`` holds the photons, ``truth`` a row for each source.

    Raises
    ------
    ConfigError
        The telescope cannot be simulated, or a number is out of its range.
    """
    from xherald.progress_bars import shown_stages
    from xherald.simulation.field import telescope_named
    from xherald.simulation.population import simulate_population

    telescope = telescope_named(mission).name
    with shown_stages() as stage:
        done = 0

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            stage(f"simulating: {done:,} of {sources:,} sources")

        return simulate_population(
            sources, telescope=telescope, seed=seed, variable_fraction=variable_fraction, advance=advance
        )


def options() -> dict[str, dict[str, str]]:
    """Names that can be simulated, with a summary each: classes, telescopes, patterns, artefacts."""
    from xherald.simulation.artefact_models import ARTEFACTS
    from xherald.simulation.classes import CLASSES
    from xherald.simulation.field import COMPOSED_ARTEFACTS
    from xherald.simulation.observing import PATTERNS
    from xherald.simulation.telescopes import TELESCOPES

    return {
        "classes": {name: one.summary for name, one in CLASSES.items()},
        "telescopes": {name: f"mission {one.mission}, pattern {one.pattern}" for name, one in TELESCOPES.items()},
        "patterns": dict(PATTERNS),
        "artefacts": {name: one.summary for name, one in ARTEFACTS.items()} | dict(COMPOSED_ARTEFACTS),
    }


def _simulated_file(written: WrittenFiles) -> SimulatedFile:
    return SimulatedFile(written.events, written.companions, written.truth)
