"""Figures of sources, known transients and embeddings; each is a matplotlib `Figure` that notebooks show by itself."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from xherald.et_maps import energy_edges_kev
from xherald.photons.errors import ReferenceDataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xherald.light_curves import LightCurve
    from xherald.photons.arrays import F64
    from xherald.reference_catalogues import Member, Reference
    from xherald.results import ScanResult
    from xherald.similarity import SimilarTransient, SimilarTransients
    from xherald.sources import Source

__all__ = [
    "NotebookFigure",
    "plot_beside",
    "plot_embedding",
    "plot_embedding_of",
    "plot_light_curve",
    "plot_member",
    "plot_similar",
    "plot_source",
]

INK, COUNTS = "#22303c", "#4c78a8"
SHADES: Final = {"flare": "#f4a259", "dip": "#7fb7be", "steady": "#b8b8b8"}
KIND_COLOURS: Final = {"flare": "#d1495b", "dip": "#2a7f9e", "other": "#edae49"}
MAX_NAMED: Final = 12
"""Candidates named on a map; more would cover one another."""


class NotebookFigure(Figure):
    """A figure that notebooks show as a picture whether or not pyplot was imported."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=80)
        return buffer.getvalue()


def plot_source(source: Source) -> Figure:
    """The plot sheet of a source (`detector.candidates.sheet`)."""
    from xherald.detector.candidates.sheet import draw_sheet

    return draw_sheet(source.scan.detections, source.index, source.evidence, NotebookFigure)


def plot_light_curve(
    curve: LightCurve, title: str = "", interval: tuple[float, float] | None = None, kind: str = "steady"
) -> Figure:
    """A binned light curve with 68 % limits.

    Parameters
    ----------
    curve : LightCurve
    title : str
    interval : (float, float), optional
        Mission seconds, shaded.
    kind : str
        "flare", "dip" or "steady": colour of the shade.
    """
    figure = NotebookFigure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    start = np.asarray(curve["time_s"].value)
    width = np.asarray(curve["time_bin_size"].to_value("s"))
    low, rate, high = (np.asarray(curve[name].value) for name in ("rate_low", "rate", "rate_high"))
    zero = start[0]
    axes.errorbar(
        start - zero + 0.5 * width,
        rate,
        xerr=0.5 * width,
        yerr=[rate - low, high - rate],
        fmt=".",
        color=COUNTS,
        elinewidth=0.9,
        label="counts, 68 %",
    )
    if "background_counts" in curve.colnames:
        level = np.asarray((curve["background_counts"] / curve["exposure"]).value)
        axes.plot(start - zero + 0.5 * width, level, ":", color=INK, lw=1, label="background")
    if interval is not None:
        axes.axvspan(interval[0] - zero, interval[1] - zero, color=SHADES[kind], alpha=0.35, lw=0, label=kind)
    axes.set_ylim(bottom=0)
    axes.set(xlabel=f"time since mission time {zero:.1f} s (s)", ylabel="ct/s", title=title)
    axes.legend(frameon=False, fontsize=8)
    return figure


def plot_member(member: Member) -> Figure:
    """E–t map and light curve of a reference's member."""
    figure = NotebookFigure(figsize=(9, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw_member(left, right, member)
    figure.suptitle(f"{member.name} ({member.kind.replace('_', ' ')})", fontsize=10)
    return figure


def plot_beside(similar: SimilarTransient) -> Figure:
    """A source above the known transient that it resembles."""
    return _stacked(similar.source, [similar])


def plot_similar(similar: SimilarTransients) -> Figure:
    """A source above the known transients that it resembles."""
    return _stacked(similar.source, list(similar))


def plot_embedding(reference: Reference, case: str | None = None, colour_by: str = "bona_fide") -> Figure:
    """The embedding of a reference, members coloured by a column.

    Parameters
    ----------
    reference : Reference
    case : str, optional
        By default the first.
    colour_by : str
        Column of `Reference.sources`, or "cluster".
    """
    figure = NotebookFigure(figsize=(7.5, 6.5), layout="constrained")
    _draw_embedding(figure, figure.subplots(), reference, case, colour_by)
    return figure


def plot_embedding_of(result: ScanResult) -> Figure:
    """The embedding of the reference that sources were compared with, the sources on it.

    Raises
    ------
    ReferenceDataError
        No file has a reference of its instrument and band.
    """
    from xherald.reference_catalogues import Reference

    compared = [scan for scan in result.scans if scan.detections.neighbours is not None and len(scan.detections)]
    if not compared:
        raise ReferenceDataError(
            "no reference covers the instrument and band of a scanned file, so its sources have no embedding"
        )
    held = compared[0].detections.detection_batch.reference
    neighbours = compared[0].detections.neighbours
    if held is None or neighbours is None:
        raise ReferenceDataError(
            "no reference covers the instrument and band of a scanned file, so its sources have no embedding"
        )
    figure = NotebookFigure(figsize=(8, 7), layout="constrained")
    axes = figure.subplots()
    _draw_embedding(figure, axes, Reference(held), neighbours.case, "bona_fide")
    shown = [one for one in result.sources if one.scan.detections.detection_batch.reference is held]
    at = np.array([_position_on_map(one) for one in shown])
    candidate = np.array([one.is_candidate for one in shown])
    axes.plot(*at[~candidate].T, "+", ms=5, color=INK, alpha=0.6, label="scanned sources")
    axes.plot(*at[candidate].T, "P", ms=11, color="black", mec="white", label="candidates")
    for source, where in [pair for pair in zip(shown, at, strict=True) if pair[0].is_candidate][:MAX_NAMED]:
        axes.annotate(source.name, where, xytext=(6, 6), textcoords="offset points", fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _position_on_map(source: Source) -> F64:
    neighbours = source.scan.detections.neighbours
    if neighbours is None:
        return np.full(2, np.nan)
    row: F64 = neighbours.places[source.index]
    return row


def _draw_embedding(figure: Figure, axes: Axes, reference: Reference, case: str | None, colour_by: str) -> None:
    table = reference.embedding_of(case)
    x, y, values = np.asarray(table["x"]), np.asarray(table["y"]), np.asarray(table[colour_by])
    size = float(np.clip(2e4 / max(len(x), 1), 2.0, 12.0))
    if colour_by == "bona_fide":
        axes.scatter(x, y, s=size, color="#c3c8cd", lw=0, rasterized=True)
        for kind, colour in KIND_COLOURS.items():
            chosen = values == kind
            if chosen.any():
                axes.scatter(
                    x[chosen], y[chosen], s=22, color=colour, lw=0.4, edgecolors="white", label=f"known {kind}s"
                )
    elif values.dtype.kind in "fiu":
        drawn = axes.scatter(x, y, s=size, c=values, cmap="viridis", lw=0, rasterized=True)
        figure.colorbar(drawn, ax=axes, label=colour_by.replace("_", " "))
    else:
        for name in np.unique(values):
            chosen = values == name
            axes.scatter(x[chosen], y[chosen], s=size, lw=0, label=str(name) or "unknown", rasterized=True)
    axes.set(xticks=[], yticks=[], title=f"{reference.name}@{reference.version}, case {table.meta['case']}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)


def _stacked(source: Source, similar: list[SimilarTransient]) -> Figure:
    rows = 1 + len(similar)
    figure = NotebookFigure(figsize=(9, 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, 2, squeeze=False)
    _draw_map(axes[0, 0], source.et_map(), f"{source.name} (this source)")
    events = source.event_list
    edges = np.linspace(0.0, events.exposure.livetime, 49)
    counts = np.histogram(events.exposure.livetime_at(events.time), edges)[0]
    elapsed = events.exposure.time_at(edges) - events.exposure.gti[0, 0]
    _draw_steps(axes[0, 1], elapsed, counts / (np.diff(edges) * events.live_fraction))
    for row, one in enumerate(similar, start=1):
        _draw_member(axes[row, 0], axes[row, 1], one.member)
        axes[row, 0].set_title(
            f"{one.name}: {one.kind.replace('_', ' ')}, distance {one.distance:.2g}", fontsize=9, color=INK
        )
    return figure


def _draw_member(left: Axes, right: Axes, member: Member) -> None:
    _draw_map(left, member.et_map, member.name)
    curve = member.light_curve
    _draw_steps(right, np.append(curve["start_s"], curve["stop_s"][-1:]), curve["rate"])


def _draw_map(axes: Axes, counts: Any, title: str) -> None:
    edges = np.linspace(0.0, 1.0, len(counts) + 1)
    axes.pcolormesh(edges, energy_edges_kev(), np.asarray(counts).T, cmap="magma")
    axes.set_yscale("log")
    axes.set(yticks=[0.5, 1, 2, 5], yticklabels=["0.5", "1", "2", "5"])
    axes.minorticks_off()
    axes.set_xlabel("time, first to last photon", fontsize=8)
    axes.set_ylabel("energy (keV)", fontsize=8)
    axes.set_title(title, fontsize=9, color=INK)


def _draw_steps(axes: Axes, edges: Any, rate: Any) -> None:
    axes.stairs(np.asarray(rate, dtype=np.float64), np.asarray(edges, dtype=np.float64), color=COUNTS, lw=1.2)
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("time since the start (s)", fontsize=8)
    axes.set_ylabel("ct/s", fontsize=8)
