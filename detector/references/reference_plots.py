"""Plots of a reference catalogue: its embedding in six panels, scree plot, mean representations of its clusters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.catalog_store.references.export import candidate_rows
from xherald.photons.arrays import F64, I64
from xherald.plugins.reference import BONA_FIDE_KINDS, Reference, ReferenceCase

from .plot_style import (
    INK,
    KIND_COLOURS,
    KIND_MARKERS,
    PALE,
    PALETTE,
    UNKNOWN,
    make_figure,
    marker_alpha,
    marker_area,
    save_figure,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["MAX_CLUSTERS", "clusters_figure", "embedding_figure", "plot_reference", "scree_figure"]


CLASS_MARKERS: Final = ("o", "s", "D")
MIN_VARIABLE_INDEX: Final = 6
"""Gregory–Loredo index of definitely variable sources (Evans et al. 2010, ApJS 189, 37, table 9)."""

MAX_CLASSES: Final = len(PALETTE) * len(CLASS_MARKERS)
MAX_CLUSTERS: Final = 24
"""Clusters whose means are drawn, and clusters that are numbered in the embedding."""


def plot_reference(reference: Reference, case_name: str, folder: Path) -> list[Path]:
    """Plot a case into a folder.

    Parameters
    ----------
    reference : Reference
    case_name : str
    folder : Path
        Created if needed.

    Returns
    -------
    list of Path
        ``<case>_embedding.png``; ``<case>_scree.png`` if the extractor knows the explained variance;
        ``<case>_clusters.png`` if the case has mean representations.

    Raises
    ------
    ConfigError
        The reference has no such case.
    FileError
        A plot cannot be written.
    ArtefactError
        A candidate is not among the sources.
    """
    case = reference.case(case_name)
    figures = {
        "embedding": embedding_figure(reference, case),
        "scree": scree_figure(reference, case),
        "clusters": clusters_figure(reference, case),
    }
    stem = re.sub(r"[^\w.+-]+", "_", case_name)
    return [
        save_figure(figure, folder / f"{stem}_{name}.png") for name, figure in figures.items() if figure is not None
    ]


# --- embedding -------------------------------------------------------------------------------------------------------


def embedding_figure(reference: Reference, case: ReferenceCase) -> Figure:
    """Embedding of a case: known transients and candidates; clusters, counts, hardness, variability, classes if known.

    Parameters
    ----------
    reference : Reference
    case : ReferenceCase
        A case of the reference.
    """
    sources = reference.sources
    panels: list[tuple[str, Callable[[Axes], None]]] = [
        ("clusters", lambda axes: _draw_clusters(axes, case)),
        ("counts", lambda axes: _draw_counts(axes, case, _numbers(sources, "counts"))),
        ("hardness", lambda axes: _draw_hardness(axes, case, _numbers(sources, "hardness"))),
        ("variability", lambda axes: _draw_variability(axes, case, _numbers(sources, "variability_index"))),
    ]
    classes = np.array(sources["class"].to_pylist(), dtype=np.str_)
    if (classes != "").any():
        panels.append(("class", lambda axes: _draw_classes(axes, case, classes)))
    across = (len(panels) + 1) // 2
    figure = make_figure((7.9 + 4.35 * across, 8.0))
    grid = figure.add_gridspec(2, 2 + across)
    wide = figure.add_subplot(grid[:, :2], label="transients")
    _draw_transients(wide, reference, case)
    wide.set(xlabel="tsne1", ylabel="tsne2")
    for number, (name, draw) in enumerate(panels):
        axes = figure.add_subplot(grid[number // across, 2 + number % across], label=name)
        draw(axes)
        axes.set(xticks=[], yticks=[])
    for axes in figure.axes:
        _frame(axes, case.embedding)
    clusters, outliers = int(case.cluster.max(initial=0)), int((case.cluster == 0).sum())
    facts = f"{clusters:,} clusters, {outliers:,} outliers, {case.candidates.num_rows:,} candidates"
    _title(figure, reference, case, facts)
    return figure


def _frame(axes: Axes, embedding: F64) -> None:
    """Show the same square of the embedding in every panel."""
    lower, upper = embedding.min(axis=0), embedding.max(axis=0)
    (x, y), half = 0.5 * (lower + upper), 0.54 * max(float((upper - lower).max()), 1e-9)
    axes.set(xlim=(x - half, x + half), ylim=(y - half, y + half), aspect="equal")
    axes.tick_params(colors=INK, labelsize=9)
    axes.spines[:].set_color(INK)


def _draw_transients(axes: Axes, reference: Reference, case: ReferenceCase) -> None:
    rows = candidate_rows(reference, case)
    candidate = np.array(case.candidates["kind"].to_pylist(), dtype=np.str_)
    known = np.array(reference.sources["bona_fide"].to_pylist(), dtype=np.str_)
    _scatter(axes, case, np.arange(len(reference)), color=UNKNOWN, label=f"sources ({len(reference):,})")
    size = float(np.clip(4 * marker_area(len(reference)), 14, 30))
    for kind in BONA_FIDE_KINDS:
        chosen = rows[candidate == kind]
        if len(chosen):
            _scatter(
                axes, case, chosen, color=KIND_COLOURS[kind], s=size, alpha=0.75,
                label=f"candidates like {'dips' if kind == 'dip' else kind + 's'} ({len(chosen):,})",
            )  # fmt: skip
    for kind in BONA_FIDE_KINDS:
        chosen = np.flatnonzero(known == kind)
        if len(chosen):
            _scatter(
                axes, case, chosen, color=KIND_COLOURS[kind], marker=KIND_MARKERS[kind], alpha=1.0,
                s=130 if kind == "other" else 70, linewidths=0.9, edgecolors="black", zorder=3,
                label=f"bona-fide {kind}{'' if len(chosen) == 1 else 's'} ({len(chosen):,})",
            )  # fmt: skip
    axes.set_title("bona-fide transients and candidates", fontsize=11, color=INK)
    _opaque(axes.legend(loc="best", fontsize=9, framealpha=0.85, edgecolor=PALE))


def _draw_clusters(axes: Axes, case: ReferenceCase) -> None:
    from matplotlib.patheffects import withStroke

    inside = np.flatnonzero(case.cluster > 0)
    _scatter(axes, case, np.flatnonzero(case.cluster == 0), color=UNKNOWN, label="outliers")
    colours = np.array(PALETTE)[(case.cluster[inside] - 1) % len(PALETTE)]
    if len(inside):
        _scatter(axes, case, inside, c=colours, label="clusters")
    dominant = case.clusters["dominant"].to_pylist()
    for number in _shown(case):
        x, y = np.median(case.embedding[case.cluster == number], axis=0).tolist()
        kind = dominant[number]
        axes.text(
            x, y, str(number), ha="center", va="center", fontsize=8, color=KIND_COLOURS.get(kind, INK),
            fontweight="bold" if kind else "normal", path_effects=[withStroke(linewidth=2.2, foreground="white")],
        )  # fmt: skip
    clusters = int(case.cluster.max(initial=0))
    axes.set_title(
        f"clusters ({'some' if clusters > MAX_CLUSTERS else 'all'} numbered, outliers grey)", fontsize=10, color=INK
    )


def _draw_classes(axes: Axes, case: ReferenceCase, classes: NDArray[np.str_]) -> None:
    names, sizes = np.unique(classes[classes != ""], return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    shown = names[order][:MAX_CLASSES]
    _scatter(axes, case, np.flatnonzero(~np.isin(classes, shown)), color=UNKNOWN, alpha=0.5)
    for number, name in enumerate(shown):  # most frequent first, so that rare classes are on top
        chosen = np.flatnonzero(classes == name)
        rarity = float(np.clip(0.3 * len(classes) / len(chosen), 1, 8)) ** 0.8
        _scatter(
            axes, case, chosen, color=PALETTE[number % len(PALETTE)], label=f"{name} ({len(chosen):,})",
            marker=CLASS_MARKERS[number // len(PALETTE)], s=rarity * marker_area(len(classes)),
            alpha=0.5 if rarity == 1 else 0.9,
        )  # fmt: skip
    rest = "unknown" if len(names) == len(shown) else f"unknown or of {len(names) - len(shown)} more"
    axes.set_title(f"class ({rest}: grey)", fontsize=10, color=INK)
    legend = axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=8, frameon=False, handletextpad=0.2)
    legend.set_in_layout(False)  # the cell beside it is empty
    _opaque(legend)


def _opaque(legend: Legend) -> None:
    """Make markers of the legend visible, however small and pale they are in the plot."""
    from matplotlib.collections import PathCollection

    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set(alpha=1.0, sizes=np.maximum(handle.get_sizes(), 25))


def _draw_counts(axes: Axes, case: ReferenceCase, counts: F64) -> None:
    from matplotlib.colors import LogNorm

    shown = np.maximum(counts, 1)
    norm = LogNorm(max(float(np.nanmin(shown)), 1), max(float(np.nanmax(shown)), 10))
    _draw_numbers(axes, case, shown, "photons in the aperture (ct)", cmap="viridis", norm=norm)
    axes.set_title("counts", fontsize=10, color=INK)


def _draw_hardness(axes: Axes, case: ReferenceCase, hardness: F64) -> None:
    _draw_numbers(axes, case, hardness, "(H − S) / (H + S), soft red, hard blue", cmap="RdYlBu", vmin=-1, vmax=1)
    axes.set_title("hardness ratio (unknown: grey)", fontsize=10, color=INK)


def _draw_variability(axes: Axes, case: ReferenceCase, index: F64) -> None:
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, ListedColormap

    colours = ListedColormap(colormaps["YlOrRd"](np.linspace(0.12, 1, 11)))
    _draw_numbers(
        axes, case, np.where(index < 0, np.nan, index), "Gregory–Loredo index; 6 and more: variable",
        cmap=colours, norm=BoundaryNorm(np.arange(-0.5, 11), 11), ticks=range(11), emphasis=index >= MIN_VARIABLE_INDEX,
    )  # fmt: skip
    axes.set_title("variability index (untested: grey)", fontsize=10, color=INK)


def _draw_numbers(
    axes: Axes,
    case: ReferenceCase,
    values: F64,
    label: str,
    *,
    ticks: Sequence[int] | None = None,
    emphasis: NDArray[np.bool_] | None = None,
    **colours: Any,
) -> None:
    """Sources coloured by a number, the largest on top; those without one in grey below."""
    known = np.isfinite(values)
    _scatter(axes, case, np.flatnonzero(~known), color=UNKNOWN, label="unknown")
    order = np.argsort(values, kind="stable")[: known.sum()]
    size = marker_area(len(values)) * (1.0 if emphasis is None else np.where(emphasis[order], 3.0, 1.0))
    points = _scatter(axes, case, order, c=values[order], s=size, label="known", **colours)
    bar = axes.figure.colorbar(points, cax=axes.inset_axes((1.025, 0, 0.045, 1)), ticks=ticks)
    bar.set_label(label, fontsize=8, color=INK)
    bar.ax.tick_params(colors=INK, labelsize=8)
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)


def _scatter(axes: Axes, case: ReferenceCase, rows: I64, **style: Any) -> PathCollection:
    """Markers of some sources, sized by the number of all."""
    total = len(case.embedding)
    merged = {"s": marker_area(total), "alpha": marker_alpha(total), "linewidths": 0} | style
    return axes.scatter(case.embedding[rows, 0], case.embedding[rows, 1], rasterized=True, **merged)


# --- the features ----------------------------------------------------------------------------------------------------


def scree_figure(reference: Reference, case: ReferenceCase) -> Figure | None:
    """Explained and cumulative variance of the features; None if the extractor does not know it."""
    ratio = getattr(case.extractor, "explained_variance_ratio", None)
    if ratio is None:
        return None
    ratio = np.asarray(ratio, dtype=np.float64)
    figure = make_figure((9.5, 4.0))
    each, cumulative = figure.subplots(1, 2)
    number = np.arange(1, len(ratio) + 1)
    each.plot(number, ratio, "o-", color=PALETTE[0], ms=4, lw=1)
    each.set(yscale="log", ylabel="explained variance ratio")
    total = np.cumsum(ratio)
    cumulative.plot(number, total, "o-", color=PALETTE[5], ms=4, lw=1)
    cumulative.axhline(1, color=INK, lw=0.7, ls=":")
    cumulative.set(ylim=(0, 1.05), ylabel="cumulative")
    cumulative.annotate(f"{total[-1]:.3f}", (number[-1], total[-1]), (0, -14), textcoords="offset points", ha="right")
    for axes in (each, cumulative):
        _integer_ticks(axes)
        axes.set_xlabel("component")
        axes.grid(color=PALE, lw=0.6)
    _title(figure, reference, case, f"{len(ratio)} components")
    return figure


def _integer_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


# --- the clusters ----------------------------------------------------------------------------------------------------


def clusters_figure(reference: Reference, case: ReferenceCase) -> Figure | None:
    """Mean representation of the outliers and of up to `MAX_CLUSTERS` clusters; None if the case has none.

    Axes beyond time and energy are summed. Transient-dominant clusters are framed and always drawn; the largest of the
    others fill up.
    """
    if case.means is None:
        return None
    from matplotlib.colors import PowerNorm

    padded = case.means.reshape(*case.means.shape, *(1,) * (3 - case.means.ndim))
    means = padded.reshape(*padded.shape[:3], -1).sum(axis=-1, dtype=np.float64)
    numbers = [0, *_shown(case)]
    across = min(len(numbers), 5)
    down = -(-len(numbers) // across)
    figure = make_figure((2.35 * across + 0.4, 2.2 * down + 0.75))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    facts = case.clusters.to_pylist()
    for axes, number in zip(panels, numbers, strict=False):
        axes.pcolormesh(means[number].T, cmap="viridis", norm=PowerNorm(0.5, 0, max(float(means[number].max()), 1e-9)))
        axes.set(xticks=[], yticks=[])
        axes.set_title(_cluster_title(facts[number]), fontsize=8, color=INK)
        kind = facts[number]["dominant"]
        axes.spines[:].set(color=KIND_COLOURS.get(kind, INK), linewidth=3.5 if kind else 0.8)
    for axes in panels[len(numbers) :]:
        axes.remove()
    for axes in panels[: len(numbers) : across]:
        axes.set_ylabel("log E →", fontsize=9, color=INK)
    for axes in panels[max(len(numbers) - across, 0) : len(numbers)]:
        axes.set_xlabel("τ →", fontsize=9, color=INK)
    shown = f"means of outliers and of {len(numbers) - 1} of {len(facts) - 1} clusters, the largest first"
    scaled = "each to its own maximum, square-root scale; framed: more known transients than expected by chance"
    _title(figure, reference, case, f"{shown}\n{scaled}")
    return figure


def _cluster_title(facts: dict[str, Any]) -> str:
    name = f"cluster {facts['cluster']}" if facts["cluster"] else "outliers"
    known = ", ".join(
        f"{facts[plural]} {plural if facts[plural] != 1 else plural[:-1]}"
        for plural in ("flares", "dips", "others")
        if facts[plural]
    )
    return f"{name}: {facts['sources']:,} sources\n{known or 'no known transients'}"


# --- shared ----------------------------------------------------------------------------------------------------------


def _shown(case: ReferenceCase) -> list[int]:
    """Numbers of the clusters to show, largest first: the transient-dominant ones, then the largest of the others."""
    sizes = np.bincount(case.cluster, minlength=case.clusters.num_rows)[1:]
    plain = np.array([kind == "" for kind in case.clusters["dominant"].to_pylist()], dtype=bool)[1:]
    chosen = np.lexsort((-sizes, plain))[:MAX_CLUSTERS]
    numbers: list[int] = (chosen[np.argsort(-sizes[chosen], kind="stable")] + 1).tolist()
    return numbers


def _numbers(sources: pa.Table, name: str) -> F64:
    """A column as floats, NaN where it is null."""
    import pyarrow as pa

    values: F64 = sources[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values


def _title(figure: Figure, reference: Reference, case: ReferenceCase, facts: str) -> None:
    whole = f"{reference.name} {reference.version} · {case.name}\n{len(reference):,} sources, {facts}"
    figure.suptitle(whole, fontsize=11, color=INK, x=0.01, ha="left")
