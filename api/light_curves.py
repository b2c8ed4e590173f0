"""Binned light curves with exposure and errors (`light_curve_of`), and photons as tables (`event_table`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from astropy import units as u
from astropy.table import QTable
from astropy.timeseries import BinnedTimeSeries

from xherald.photons.errors import ConfigError

if TYPE_CHECKING:
    from xherald.photons import EventList
    from xherald.photons.arrays import F64

__all__ = ["LightCurve", "event_table", "light_curve_of"]

COUNTS_PER_BIN: Final = 10.0
"""Photons that a bin holds on average where no length is given."""

MAX_BINS: Final = 1_000_000
"""Bins beyond which a light curve is refused: a length in the wrong unit, most often."""

LightCurve: TypeAlias = QTable
"""An astropy `BinnedTimeSeries`, which is a `QTable`; without a date in the file a plain one, in mission seconds."""


def light_curve_of(source: EventList, bin_s: float | None = None) -> LightCurve:
    """Bin a source's photons in time.

    Bins without exposure are left out. Errors are 68 % limits: of the counts after Gehrels (1986, ApJ 303, 336), of the
    net rate after Kraft, Burrows & Nousek (1991, ApJ 374, 344) with the background taken as steady and known.

    Parameters
    ----------
    source : EventList
    bin_s : float, optional
        Length of a bin, s.

    Returns
    -------
    LightCurve
        Columns time_bin_start, time_bin_size, exposure (live time under the aperture, s), counts, rate, rate_low,
        rate_high (ct/s, background included), and where the background is known background_counts, net_rate,
        net_rate_low, net_rate_high (ct/s). Mission seconds of the bins stand in ``time_s``.

    Raises
    ------
    ConfigError
        The length is not positive, or there would be more than a million bins.
    """
    from astropy.stats import poisson_conf_interval

    from xherald.photons.statistics.rates import source_interval

    edges = _edges(source, bin_s)
    exposure = np.diff(source.exposure.livetime_at(edges)) * source.live_fraction
    counts = np.histogram(source.time, edges)[0]
    seen = (exposure > 0) | (counts > 0)
    start, size, exposure, counts = edges[:-1][seen], np.diff(edges)[seen], exposure[seen], counts[seen]
    low, high = poisson_conf_interval(counts, interval="frequentist-confidence")
    columns = {
        "time_s": start * u.s,
        "exposure": exposure * u.s,
        "counts": counts * u.ct,
        "rate": counts / exposure * (u.ct / u.s),
        "rate_low": low / exposure * (u.ct / u.s),
        "rate_high": high / exposure * (u.ct / u.s),
    }
    if source.background is not None:
        level = len(source.background.time) * source.background.area_ratio / source.livetime
        expected = level * exposure
        net_low, net_high = source_interval(counts, expected)
        columns |= {
            "background_counts": expected * u.ct,
            "net_rate": (counts - expected) / exposure * (u.ct / u.s),
            "net_rate_low": net_low / exposure * (u.ct / u.s),
            "net_rate_high": net_high / exposure * (u.ct / u.s),
        }
    identity = source.identity
    meta = {
        "OBJECT": f"{identity.obs_id}/{identity.detection_id}",
        "TELESCOP": identity.mission,
        "INSTRUME": identity.instrument,
        "ENERGY": f"{source.band[0]:g}-{source.band[1]:g} keV",
        "CREATOR": "xherald",
    }
    if identity.time_reference is None:
        return QTable({"time_bin_start": start * u.s, "time_bin_size": size * u.s, **columns}, meta=meta)
    return BinnedTimeSeries(
        time_bin_start=identity.time_reference.to_time(start), time_bin_size=size * u.s, data=columns, meta=meta
    )


def event_table(source: EventList) -> QTable:
    """Photons in the aperture of a source.

    Returns
    -------
    QTable
        Columns time (astropy `Time`; only where the file is dated), time_s (mission seconds) and energy (keV).
    """
    reference = source.identity.time_reference
    dated = {} if reference is None else {"time": reference.to_time(source.time)}
    return QTable({**dated, "time_s": source.time * u.s, "energy": source.energy * u.keV})


def _edges(source: EventList, bin_s: float | None) -> F64:
    gti = source.exposure.gti
    first, span = float(gti[0, 0]), float(gti[-1, 1] - gti[0, 0])
    if bin_s is None:
        average = source.exposure.livetime * COUNTS_PER_BIN / max(len(source), 1)
        bin_s = float(np.clip(average, max(source.frame_time, span / 2000), span))
    if not bin_s > 0:
        raise ConfigError(f"bin_s: the length of a bin is positive, got {bin_s} s")
    bins = int(np.ceil(span / bin_s * (1 - 1e-12)))
    if bins > MAX_BINS:
        raise ConfigError(f"bin_s: {bin_s:g} s gives {bins:,} bins over {span:,.0f} s; the most is {MAX_BINS:,}")
    return np.asarray(first + bin_s * np.arange(bins + 1), dtype=np.float64)
