"""`inject`: a simulated transient added to a real event file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from xherald.simulation.injection import Injection

__all__ = ["inject"]


def inject(
    path: str | Path,
    out: str | Path,
    *,
    kind: str = "fast_transient",
    counts: float,
    at: SkyCoord | tuple[float, float],
    start_s: float | None = None,
    duration_s: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Injection:
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
    at : SkyCoord or (float, float)
        Position; numbers are right ascension and declination, ICRS deg.
    start_s, duration_s : float, optional
        Seconds since the first good time, and length, s; drawn if not given.
    seed : int
    overwrite : bool

    Returns
    -------
    xherald.simulation.injection.Injection

    Raises
    ------
    ConfigError
        An argument cannot be used.
    FileError
        The file cannot be read, or the result not written.
    """
    from xherald.simulation.injection import inject as inject_photons

    ra, dec = at if isinstance(at, tuple) else (float(at.icrs.ra.deg), float(at.icrs.dec.deg))
    return inject_photons(
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
