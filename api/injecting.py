"""`inject`: a simulated transient added to a real event file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from xherald.simulation.injection import Injection

__all__ = ["InjectedFile", "inject"]


@dataclass(frozen=True, eq=False, repr=False)
class InjectedFile:
    """An event file with a simulated transient in it.

    Parameters
    ----------
    path : Path
    injection : xherald.simulation.injection.Injection
        What was added: kind, position, photons, start and stop.
    """

    path: Path
    injection: Injection

    @property
    def photons(self) -> int:
        """Photons that were added."""
        return self.injection.photons

    @property
    def truth(self) -> dict[str, object]:
        """What was added, in the form of every simulated file's truth."""
        return self.injection.truth()

    def __repr__(self) -> str:
        return f"<InjectedFile {self.path}: {self.injection.kind}, {self.photons} photons>"

    def _repr_html_(self) -> str:
        from xherald.html import html_table

        rows = [(name, str(value)) for name, value in self.truth["sources"][0].items()]  # type: ignore[index]
        return html_table(repr(self)[1:-1], rows, heading=False)


def inject(
    path: str | Path,
    out: str | Path,
    *,
    kind: str = "fast_transient",
    counts: float,
    at: str | SkyCoord | tuple[float, float],
    start_s: float | None = None,
    duration_s: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> InjectedFile:
    """Add the photons of a transient to an event file and leave every other byte as it was.

    Parameters
    ----------
    path : str or Path
        Event file of a mission that can be simulated.
    out : str or Path
        File that is written; compressed if its name says so. Its truth is written beside it.
    kind : str
        Class of the transient (`xherald.simulate.options`).
    counts : float
        Counts that it is expected to add.
    at : str, SkyCoord or (float, float)
        Position (`positions.to_position`).
    start_s, duration_s : float, optional
        Seconds since the first good time, and length, s; drawn if not given.
    seed : int
    overwrite : bool

    Returns
    -------
    InjectedFile

    Raises
    ------
    ConfigError
        An argument cannot be used.
    FileError
        The file cannot be read, or the result not written.
    """
    from xherald.positions import to_position
    from xherald.simulation.injection import inject as inject_photons

    ra, dec = to_position(at)
    injection = inject_photons(
        Path(path),
        Path(out),
        source=kind,
        counts=counts,
        ra=ra,
        dec=dec,
        start=start_s,
        duration=duration_s,
        seed=seed,
        overwrite=overwrite,
    )
    return InjectedFile(Path(out), injection)
