"""One picture a source: light curve, energy–time map, hardness and the image with its aperture. No screen is needed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.photons import Annulus, Aperture, Ellipse, EventList, Observation, Polygon, SkyProjection

from .rows import SourceRow, significance

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from xherald.detector.scan import Scan

__all__ = ["GoodTimeAxis", "draw_scan", "draw_source", "light_curve_edges"]

F64 = NDArray[np.float64]

INK, PHOTONS, BLOCKS, GAP = "#22303c", "#4c78a8", "#d1495b", "#d9dde1"
MARK = {"flare": "#f4a259", "dip": "#7fb7be", "steady": "#b8b8b8"}
MAP_SHAPE = (24, 16)
"""Bins in time and in log energy of the published E–t maps (Dillmann et al. 2025)."""


def draw_scan(scan: Scan, rows: Sequence[SourceRow], folder: Path, most: int | None) -> int:
    """Draw the sources of a scanned file into a folder and answer how many.

    Parameters
    ----------
    scan : Scan
    rows : sequence of SourceRow
        In the order of the scan's batch.
    folder : Path
        Made if it is not there.
    most : int or None
        Draw at most so many flares and dips, the most significant; None draws every source.
    """
    chosen = sorted(range(len(rows)), key=lambda index: significance(rows[index]))
    if most is not None:
        chosen = [index for index in chosen if rows[index]["kind"] != "steady"][:most]
    folder.mkdir(parents=True, exist_ok=True)
    for index in chosen:
        figure = draw_source(scan, index, rows[index])
        figure.savefig(folder / _file_name(scan.photons.path, rows[index]), dpi=110)
    return len(chosen)


def draw_source(scan: Scan, index: int, row: SourceRow) -> Figure:
    """Picture of one source.

    Parameters
    ----------
    scan : Scan
    index : int
        Its place in the scan's batch.
    row : SourceRow
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    source = scan.photons.batch[index]
    axis = GoodTimeAxis.of(source.exposure.gti)
    blocks = slice(scan.timing.block_offsets[index], scan.timing.block_offsets[index + 1])
    figure = Figure(figsize=(11.5, 7.4), layout="constrained")
    FigureCanvasAgg(figure)
    has_image = scan.photons.observation is not None and scan.photons.observation.projection is not None
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.15, 1.0), squeeze=False)[:, 0]
    places = lower.subplots(1, 3 if has_image else 2, width_ratios=(1.25, 0.8, 1.0)[: 3 if has_image else 2])
    edges, rates = scan.timing.block_edges[blocks], scan.timing.block_rates[blocks]
    close_up = _close_up(row, axis)
    curves = upper.subplots(1, 2, width_ratios=(1.7, 1), squeeze=False)[0] if close_up else [upper.subplots()]
    for place, limits in zip(curves, (None, close_up), strict=False):
        _draw_light_curve(place, source, row, axis, edges, rates)
        _label_good_time(place, source, axis, limits)
    curves[0].set_ylabel("counts s$^{-1}$", color=INK)
    curves[0].legend(fontsize=8, frameon=False, loc="best")
    _draw_map(places[0], source, row)
    _draw_hardness(places[1], row)
    if has_image and scan.photons.observation is not None:
        _draw_image(places[2], scan.photons.observation, scan.photons.apertures[index], row)
    for place in figure.axes:
        place.tick_params(colors=INK, labelsize=9)
        place.spines[:].set_color(INK)
    figure.suptitle(_title(row), color=INK, fontsize=11, x=0.01, ha="left")
    return figure


# --- the time axis ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class GoodTimeAxis:
    """Good time with a narrow strip for each pause: what the light curve is drawn over.

    Parameters
    ----------
    time : ndarray, shape (2 m,) — mission seconds of the GTI edges
    place : ndarray, shape (2 m,) — s, where they are drawn
    """

    time: F64
    place: F64

    @classmethod
    def of(cls, gti: F64) -> GoodTimeAxis:
        """Axis over good-time intervals; a pause is drawn at its length, at most 2 % of the good time wide."""
        good, pauses = gti[:, 1] - gti[:, 0], gti[1:, 0] - gti[:-1, 1]
        # All strips together stay below a third of the picture, however many orbits there are.
        widest = good.sum() * min(0.02, 0.3 / max(len(pauses), 1))
        steps = np.empty(2 * len(gti))
        steps[0], steps[1::2], steps[2::2] = 0.0, good, np.minimum(pauses, widest)
        return cls(gti.ravel(), np.cumsum(steps))

    def at(self, time: ArrayLike) -> F64:
        """Where mission times are drawn, s."""
        placed: F64 = np.interp(np.asarray(time, dtype=np.float64), self.time, self.place)
        return placed

    @property
    def pauses(self) -> F64:
        """Strips without good time, shape (m - 1, 2), s as drawn."""
        return self.place[1:-1].reshape(-1, 2)


def light_curve_edges(source: EventList, interval: tuple[float, float] | None, per_bin: int = 6) -> F64:
    """Bin edges in livetime, s: even ones outside the interval, inside it such that each bin has as many photons.

    Parameters
    ----------
    source : EventList
    interval : (float, float) or None
        Mission seconds; its ends are edges.
    per_bin : int
        Photons a bin holds on average outside and, as far as frames allow, exactly inside.
    """
    total = source.exposure.livetime
    edges = np.linspace(0.0, total, int(np.clip(len(source) / per_bin, 8, 80)) + 1)
    if interval is None:
        return edges
    start, stop = source.exposure.livetime_at(np.array(interval))
    if stop <= start:
        return edges
    inside = source.time[(source.time >= interval[0]) & (source.time <= interval[1])]
    # Edges halfway between photons: on a photon they would favour the narrower bin.
    last, following = inside[per_bin - 1 : -1 : per_bin], inside[per_bin::per_bin]
    fine = source.exposure.livetime_at(0.5 * (last + following[: len(last)]))
    fine = fine[np.diff(fine, prepend=start) >= source.frame_time]
    width = stop - start
    away = edges[(edges < start - 0.1 * width) | (edges > stop + 0.1 * width)]
    merged = np.unique(np.concatenate([[0.0, start], fine, [stop, total], away]))
    wide: F64 = merged[np.append(np.diff(merged) > 1e-6 * total, True)]
    return wide


def _draw_light_curve(
    place: Axes, source: EventList, row: SourceRow, axis: GoodTimeAxis, edges: F64, rates: F64
) -> None:
    from astropy.stats import poisson_conf_interval

    interval = row["interval"]
    bins = light_curve_edges(source, (interval["start_s"], interval["stop_s"]) if interval else None)
    counts = np.histogram(source.exposure.livetime_at(source.time), bins)[0]
    widths = np.diff(bins) * source.live_fraction
    # Gehrels' upper and lower limits: a bin without photons still says something.
    low, high = poisson_conf_interval(counts, interval="frequentist-confidence")
    left, right = source.exposure.time_at(bins[:-1], side="right"), source.exposure.time_at(bins[1:])
    middle = axis.at(source.exposure.time_at(0.5 * (bins[1:] + bins[:-1])))
    for start, stop in axis.pauses:
        place.axvspan(start, stop, color=GAP, lw=0)
    if interval:
        begin, end = axis.at([interval["start_s"], interval["stop_s"]])
        place.axvspan(begin, end, color=MARK[row["kind"]], alpha=0.35, lw=0, label=_interval_label(row))
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
        label="counts, 68 % Poisson",
    )
    if len(edges) > 1:
        place.stairs(rates[:-1], axis.at(edges), baseline=None, color=BLOCKS, lw=1.6, label="Bayesian blocks")
    if row["background_counts"] > 0:
        level = row["background_counts"] / row["livetime_s"]
        place.axhline(level, color=INK, lw=0.9, ls=":", label="background in the aperture")
    place.vlines(axis.at(source.time), 0, 0.025, transform=place.get_xaxis_transform(), color=INK, lw=0.4, alpha=0.6)
    place.set_ylim(bottom=0)


def _close_up(row: SourceRow, axis: GoodTimeAxis) -> tuple[float, float] | None:
    """Drawn range around an interval too short to be seen in the whole; None where it can be."""
    interval = row["interval"]
    if interval is None or row["kind"] == "steady":
        return None
    start, stop = axis.at([interval["start_s"], interval["stop_s"]])
    margin = max(0.6 * (stop - start), 1e-3 * axis.place[-1])
    short = stop - start < 0.15 * axis.place[-1]
    return (max(start - margin, 0.0), min(stop + margin, axis.place[-1])) if short else None


def _label_good_time(place: Axes, source: EventList, axis: GoodTimeAxis, limits: tuple[float, float] | None) -> None:
    """Put ticks at round good times; places are good time but for the strips of pauses."""
    from matplotlib.ticker import MaxNLocator

    scale, unit = (1e3, "ks") if source.exposure.livetime >= 2e3 else (1.0, "s")
    begin, end = limits or (axis.place[0], axis.place[-1])
    first, last = np.interp([begin, end], axis.place, source.exposure.livetime_at(axis.time)) / scale
    ticks = [value for value in MaxNLocator(6).tick_values(first, last) if first <= value <= last]
    place.set_xticks(axis.at(source.exposure.time_at(np.array(ticks) * scale)), [f"{value:.10g}" for value in ticks])
    place.set_xlim(begin, end)
    strips = ", pauses grey" if len(axis.pauses) else ""
    reference = source.identity.time_reference
    since = f" since {reference.utc(float(axis.time[0]), 0)[:-1].replace('T', ' ')} UTC" if reference else ""
    place.set_xlabel(f"good time ({unit})" + (", around the interval" if limits else since + strips), color=INK)


# --- energy, hardness, image -----------------------------------------------------------------------------------------


def _draw_map(place: Axes, source: EventList, row: SourceRow) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    low, high = max(source.band[0], 0.05), source.band[1]
    time = source.exposure.livetime_at(source.time)
    scale, unit = (1e3, "ks") if source.exposure.livetime >= 2e3 else (1.0, "s")
    ends = (0.0, source.exposure.livetime / scale)
    bins = (np.linspace(*ends, MAP_SHAPE[0] + 1), np.geomspace(low, high, MAP_SHAPE[1] + 1))
    counts = np.histogram2d(time / scale, source.energy, bins)[0]
    shown = np.ma.masked_equal(counts.T, 0)  # white, so that a single photon stands out
    mesh = place.pcolormesh(*bins, shown, cmap="YlOrRd", vmin=0, vmax=max(counts.max(), 1))
    place.figure.colorbar(mesh, ax=place, pad=0.01, label="counts")
    interval = row["interval"]
    if interval:
        edges = source.exposure.livetime_at(np.array([interval["start_s"], interval["stop_s"]])) / scale
        place.vlines(edges, low, high, color=INK, lw=0.9, ls="--")
    place.set_yscale("log")
    ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if low <= tick <= high]
    place.yaxis.set_major_locator(FixedLocator(ticks))
    place.yaxis.set_major_formatter(ScalarFormatter())
    place.yaxis.set_minor_formatter(NullFormatter())
    place.set_xlabel(f"good time ({unit})", color=INK)
    place.set_ylabel("energy (keV)", color=INK)


def _draw_hardness(place: Axes, row: SourceRow) -> None:
    place.axhline(0, color=INK, lw=0.6, ls=":")
    for number, when in enumerate(("before", "inside", "after")):
        ratio = row["hardness"].get(when)
        if ratio is None or ratio["low"] is None or ratio["high"] is None:
            place.text(number, 0.03, "no photons", ha="center", va="bottom", fontsize=8, color=INK)
            continue
        value = ratio["value"]
        bars = np.maximum([[value - ratio["low"]], [ratio["high"] - value]], 0)
        color = MARK[row["kind"]] if when == "inside" else PHOTONS
        place.errorbar(number, value, yerr=bars, fmt="o", ms=6, color=color, ecolor=color, capsize=3)
    place.set_xticks(range(3), ["before", "inside", "after"])
    place.set_xlim(-0.5, 2.5)
    place.set_ylim(-1.05, 1.05)
    place.set_ylabel("hardness (H − S) / (H + S), 68 %", color=INK)


def _draw_image(place: Axes, observation: Observation, aperture: Aperture, row: SourceRow) -> None:
    from matplotlib.colors import PowerNorm

    sky, events = observation.require_projection(), observation.events
    x0, y0 = (float(v) for v in sky.to_pixel(aperture.ra, aperture.dec))
    scale = sky.pixel_arcsec
    half = 1.15 * max(3.0 * aperture.region.extent, aperture.background.extent if aperture.background else 0.0)
    dx, dy = (events.x - x0) * scale, (events.y - y0) * scale
    near = (np.abs(dx) < half) & (np.abs(dy) < half)
    # Bins of whole pixels, or the pixel grid itself shows as stripes.
    side = scale * max(1, round(2 * half / 60 / scale))
    edges = (np.arange(-np.ceil(half / side), np.ceil(half / side) + 1)) * side
    image = np.histogram2d(dy[near], dx[near], (edges, edges))[0]
    place.pcolormesh(edges, edges, image, cmap="Greys", norm=PowerNorm(0.5, 0, max(image.max(), 1)))
    interval = row["interval"]
    if interval and row["kind"] == "flare":
        during = near & (events.time >= interval["start_s"]) & (events.time <= interval["stop_s"])
        place.plot(dx[during], dy[during], ".", ms=2.5, color="#e07a1f", alpha=0.9)
        place.set_title("orange: photons of the interval", fontsize=9, color=INK)
    _draw_shape(place, sky, aperture.region, (x0, y0), color=BLOCKS, lw=1.4)
    if aperture.background is not None:
        _draw_shape(place, sky, aperture.background, (x0, y0), color=PHOTONS, lw=1.0, ls="--")
    place.set_xlim(-half, half)
    place.set_ylim(-half, half)
    place.set_aspect("equal")
    place.set_xlabel("arcsec, west is right" if sky.x_step < 0 else "arcsec, east is right", color=INK)


def _draw_shape(
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


# --- words -----------------------------------------------------------------------------------------------------------


def _title(row: SourceRow) -> str:
    names = " ".join(part for part in (row["mission"], row["instrument"], row["obs_id"]) if part)
    where = ""
    if row["ra"] is not None and row["dec"] is not None:
        error = row["pos_err_arcsec"]
        where = f"   RA {row['ra']:.5f} Dec {row['dec']:+.5f}" + (f" ± {error:.1f}″" if error is not None else "")
    chance = "not testable" if row["p_value"] is None else f"p = {row['p_value']:.1e}"
    counts = f"{row['counts']} counts, {row['background_counts']:.1f} background"
    return f"{names} · {row['detection_id']}{where}\n{row['kind']}, {chance}   {counts} in {row['livetime_s']:.0f} s"


def _interval_label(row: SourceRow) -> str:
    interval = row["interval"]
    if interval is None or interval["counts"] is None or interval["expected"] is None:
        return row["kind"]
    seconds = interval["duration_s"] if interval["livetime_s"] is None else interval["livetime_s"]
    return f"{interval['counts']:.0f} counts in {seconds:.4g} s livetime, {interval['expected']:.1f} expected"


def _file_name(path: Path, row: SourceRow) -> str:
    return re.sub(r"[^\w.+-]+", "_", f"{path.name.split('.')[0]}_{row['detection_id']}") + ".png"
