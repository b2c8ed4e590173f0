"""Elements of plots of sources: the good-time axis, light curves over it, outlines of regions on the sky."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons import Annulus, Ellipse, EventList, Polygon, SkyProjection
from xherald.photons.arrays import F64

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLOCKS",
    "GAP",
    "INK",
    "MARK",
    "PHOTONS",
    "GoodTimeAxis",
    "close_up",
    "draw_light_curve",
    "draw_outline",
    "label_good_time",
    "light_curve_edges",
    "mark_times",
]


INK, PHOTONS, BLOCKS, GAP = "#22303c", "#4c78a8", "#d1495b", "#d9dde1"
MARK: Final = {"brighter": "#f4a259", "fainter": "#7fb7be", None: "#b8b8b8"}
"""Colour of an interval by its direction."""


@dataclass(frozen=True, slots=True, eq=False)
class GoodTimeAxis:
    """Axis of good time with a narrow strip for each gap.

    Parameters
    ----------
    time : ndarray, shape (2 m,) — mission seconds of the GTI edges
    place : ndarray, shape (2 m,) — s, where they are drawn
    """

    time: F64
    place: F64

    @classmethod
    def of(cls, gti: F64) -> GoodTimeAxis:
        """Axis over good-time intervals; a gap is drawn at its length, but at most 2 % of the good time wide."""
        good, gaps = gti[:, 1] - gti[:, 0], gti[1:, 0] - gti[:-1, 1]
        # All strips together stay below a third of the plot, however many orbits there are.
        widest = good.sum() * min(0.02, 0.3 / max(len(gaps), 1))
        steps = np.empty(2 * len(gti))
        steps[0], steps[1::2], steps[2::2] = 0.0, good, np.minimum(gaps, widest)
        return cls(gti.ravel(), np.cumsum(steps))

    def at(self, time: ArrayLike) -> F64:
        """Positions of mission times on the axis, s."""
        placed: F64 = np.interp(np.asarray(time, dtype=np.float64), self.time, self.place)
        return placed

    @property
    def gaps(self) -> F64:
        """Strips of gaps, shape (m - 1, 2), s on the axis."""
        return self.place[1:-1].reshape(-1, 2)


def light_curve_edges(source: EventList, interval: tuple[float, float] | None, per_bin: int = 6) -> F64:
    """Bin edges in live time, s: bins of equal width outside the interval, of equal counts inside.

    Parameters
    ----------
    source : EventList
    interval : (float, float) or None
        Mission seconds; its ends are edges.
    per_bin : int
        Photons in a bin: on average outside the interval, exactly (as far as frames allow) inside.
    """
    total = source.exposure.livetime
    edges = np.linspace(0.0, total, int(np.clip(len(source) / per_bin, 8, 80)) + 1)
    if interval is None:
        return edges
    start, stop = source.exposure.livetime_at(np.array(interval))
    if stop <= start:
        return edges
    inside = source.time[(source.time >= interval[0]) & (source.time <= interval[1])]
    # Edges halfway between photons: on a photon they would bias the narrower bin.
    last, following = inside[per_bin - 1 : -1 : per_bin], inside[per_bin::per_bin]
    fine = source.exposure.livetime_at(0.5 * (last + following[: len(last)]))
    fine = fine[np.diff(fine, prepend=start) >= source.frame_time]
    width = stop - start
    away = edges[(edges < start - 0.1 * width) | (edges > stop + 0.1 * width)]
    merged = np.unique(np.concatenate([[0.0, start], fine, [stop, total], away]))
    wide: F64 = merged[np.append(np.diff(merged) > 1e-6 * total, True)]
    return wide


def draw_light_curve(
    place: Axes,
    source: EventList,
    axis: GoodTimeAxis,
    interval: tuple[float, float] | None,
    blocks: tuple[F64, F64],
    *,
    colour: str,
    label: str,
    background: float,
) -> tuple[F64, F64]:
    """Draw counts, Bayesian blocks, background, gaps and the interval over good time.

    Parameters
    ----------
    place : Axes
    source : EventList
    axis : GoodTimeAxis
    interval : (float, float) or None
        Mission seconds.
    blocks : (ndarray, ndarray)
        Edges, mission seconds, and rates right of them, counts/s; the last rate is not read.
    colour, label : str
        Of the interval.
    background : float
        Expected in the aperture, counts.

    Returns
    -------
    at, top : ndarray, shape (k,)
        Upper ends of error bars and of blocks, counts/s, and their positions: what a close-up has to include.
    """
    from astropy.stats import poisson_conf_interval

    bins = light_curve_edges(source, interval)
    counts = np.histogram(source.exposure.livetime_at(source.time), bins)[0]
    widths = np.diff(bins) * source.live_fraction
    # Gehrels limits: a bin without photons has an upper limit, too.
    low, high = poisson_conf_interval(counts, interval="frequentist-confidence")
    left, right = source.exposure.time_at(bins[:-1], side="right"), source.exposure.time_at(bins[1:])
    middle = axis.at(source.exposure.time_at(0.5 * (bins[1:] + bins[:-1])))
    mark_times(place, axis, interval, colour, label)
    place.errorbar(
        middle,
        counts / widths,
        xerr=np.maximum([middle - axis.at(left), axis.at(right) - middle], 0),
        yerr=np.maximum([counts - low, high - counts], 0) / widths,
        fmt="o",
        ms=3,
        color=PHOTONS,
        ecolor=PHOTONS,
        elinewidth=0.9,
        label="counts, 68 %",
    )
    edges, rates = blocks
    if len(edges) > 1:
        place.stairs(rates[:-1], axis.at(edges), baseline=None, color=BLOCKS, lw=1.6, label="Bayesian blocks")
    if background > 0:
        level = background / source.livetime
        place.axhline(level, color=INK, lw=0.9, ls=":", label="background")
    place.vlines(axis.at(source.time), 0, 0.025, transform=place.get_xaxis_transform(), color=INK, lw=0.4, alpha=0.6)
    place.set_ylim(bottom=0)
    ends = axis.at(edges)
    return np.concatenate([middle, 0.5 * (ends[1:] + ends[:-1])]), np.concatenate([high / widths, rates[:-1]])


def mark_times(
    place: Axes, axis: GoodTimeAxis, interval: tuple[float, float] | None, colour: str, label: str = ""
) -> None:
    """Shade gaps in grey and the interval in its colour."""
    for start, stop in axis.gaps:
        place.axvspan(start, stop, color=GAP, lw=0)
    if interval:
        begin, end = axis.at(interval)
        place.axvspan(begin, end, color=colour, alpha=0.35, lw=0, label=label or None)


def close_up(axis: GoodTimeAxis, interval: tuple[float, float] | None) -> tuple[float, float] | None:
    """Range to draw around an interval too short for the whole light curve; None where it is long enough."""
    if interval is None:
        return None
    start, stop = axis.at(interval)
    margin = max(0.6 * (stop - start), 1e-3 * axis.place[-1])
    short = stop - start < 0.15 * axis.place[-1]
    return (max(start - margin, 0.0), min(stop + margin, axis.place[-1])) if short else None


def label_good_time(place: Axes, source: EventList, axis: GoodTimeAxis, limits: tuple[float, float] | None) -> None:
    """Put ticks at round good times, on an axis that also has strips for gaps."""
    from matplotlib.ticker import MaxNLocator

    scale, unit = (1e3, "ks") if source.exposure.livetime >= 2e3 else (1.0, "s")
    begin, end = limits or (axis.place[0], axis.place[-1])
    first, last = np.interp([begin, end], axis.place, source.exposure.livetime_at(axis.time)) / scale
    ticks = [value for value in MaxNLocator(6).tick_values(first, last) if first <= value <= last]
    place.set_xticks(axis.at(source.exposure.time_at(np.array(ticks) * scale)), [f"{value:.10g}" for value in ticks])
    place.set_xlim(begin, end)
    strips = ", gaps grey" if len(axis.gaps) else ""
    reference = source.identity.time_reference
    since = f" since {reference.utc(float(axis.time[0]), 0)[:-1].replace('T', ' ')} UTC" if reference else ""
    place.set_xlabel(f"good time ({unit})" + (", around the interval" if limits else since + strips), color=INK)


def draw_outline(
    place: Axes, sky: SkyProjection, shape: Ellipse | Annulus | Polygon, centre: tuple[float, float], **style: Any
) -> None:
    """Outline of a region in arcsec from the centre pixel, on the pixel grid in which regions are tested."""
    from matplotlib import patches

    def offset(ra: ArrayLike, dec: ArrayLike) -> tuple[F64, F64]:
        x, y = sky.to_pixel(ra, dec)
        return (x - centre[0]) * sky.pixel_arcsec, (y - centre[1]) * sky.pixel_arcsec

    if isinstance(shape, Polygon):
        corners = np.column_stack(offset(*np.array(shape.vertices).T))
        place.add_patch(patches.Polygon(corners, fill=False, **style))
        return
    x, y = (float(v) for v in offset(shape.ra, shape.dec))
    if isinstance(shape, Ellipse):
        axes = (2 * shape.semi_axis_1, 2 * shape.semi_axis_2)
        place.add_patch(patches.Ellipse((x, y), *axes, angle=shape.angle, fill=False, **style))
        return
    for radius in (shape.inner, shape.outer):
        place.add_patch(patches.Circle((x, y), radius, fill=False, **style))
