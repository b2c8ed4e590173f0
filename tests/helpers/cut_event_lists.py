"""Event lists cut out around one source, as XSELECT, SAS and CIAO leave them; shares nothing with the simulator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

__all__ = ["PIXEL_ARCSEC", "write_wide_field_list"]

PIXEL_ARCSEC, MIDDLE, START = 8.14, 5000.0, 1.3e8


def write_wide_field_list(
    path: Path,
    x: np.ndarray,
    y: np.ndarray,
    time: np.ndarray,
    *,
    exposure: float = 500.0,
    keywords: Sequence[tuple[str, object]] = (),
    regions: Sequence[tuple[str, float, float, tuple[float, ...], float]] = (),
) -> Path:
    """Write photons of a lobster-eye telescope.

    Parameters
    ----------
    path : Path
    x, y : ndarray — arcsec from the middle of the field, along sky x and y
    time : ndarray — s from the start
    exposure : float — s
    keywords : sequence of (str, object)
        Further keywords of the events.
    regions : sequence of (shape, x, y, sizes, angle)
        Rows of a table ``REG00101``, in arcsec from the middle.
    """
    order = np.argsort(time, kind="stable")
    px, py = MIDDLE + x[order] / PIXEL_ARCSEC, MIDDLE + y[order] / PIXEL_ARCSEC
    columns = [
        fits.Column("TIME", "D", "s", array=START + np.round(time[order] / 0.05) * 0.05),
        fits.Column("RAWX", "I", array=np.round(px - 3000)),
        fits.Column("RAWY", "I", array=np.round(py - 3000)),
        fits.Column("X", "E", "pixel", array=px),
        fits.Column("Y", "E", "pixel", array=py),
        fits.Column("GRADE", "I", array=np.zeros(len(px))),
        fits.Column("PI", "J", array=np.full(len(px), 120)),
    ]
    events = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    cards = {
        "TELESCOP": "EP", "INSTRUME": "WXT", "DETNAM": "CMOS44", "DATAMODE": "PHOTON", "OBS_ID": "00000000007",
        "MJDREFI": 58849, "MJDREFF": 0.00080074, "TIMESYS": "TT", "TIMEUNIT": "s", "TIMEZERO": 0.0,
        "TSTART": START, "TSTOP": START + exposure, "RA_PNT": 80.0, "DEC_PNT": 25.5,
        "TCTYP4": "RA---TAN", "TCRPX4": MIDDLE, "TCRVL4": 80.0, "TCDLT4": -PIXEL_ARCSEC / 3600, "TCUNI4": "deg",
        "TCTYP5": "DEC--TAN", "TCRPX5": MIDDLE, "TCRVL5": 25.5, "TCDLT5": PIXEL_ARCSEC / 3600, "TCUNI5": "deg",
    }  # fmt: skip
    events.header.update(cards)
    events.header.update(dict(keywords))
    good = [
        fits.Column("START", "D", "s", array=[START - 1.0]),
        fits.Column("STOP", "D", "s", array=[START + exposure + 1]),
    ]
    hdus = [fits.PrimaryHDU(), events, fits.BinTableHDU.from_columns(good, name="GTI")]
    if regions:
        size = max(len(one[3]) for one in regions)
        radii = np.zeros((len(regions), size))
        for row, one in zip(radii, regions, strict=True):
            row[: len(one[3])] = np.array(one[3]) / PIXEL_ARCSEC
        table = [
            fits.Column("SHAPE", "16A", array=[one[0] for one in regions]),
            fits.Column("X", "E", array=[MIDDLE + one[1] / PIXEL_ARCSEC for one in regions]),
            fits.Column("Y", "E", array=[MIDDLE + one[2] / PIXEL_ARCSEC for one in regions]),
            fits.Column("R", f"{size}E", array=radii),
            fits.Column("ROTANG", "E", array=[one[4] for one in regions]),
        ]
        hdus.append(fits.BinTableHDU.from_columns(table, name="REG00101"))
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path
