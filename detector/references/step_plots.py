"""Plots of single steps of the published method: representations of sources, and embeddings coloured by a property."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import ReferenceDataError

from .plot_style import INK, KIND_COLOURS, KIND_MARKERS, PALETTE, UNKNOWN, make_figure, marker_alpha, marker_area
from .step_files import EmbeddingTable, SavedRepresentations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_embedding_table", "plot_representations"]

MAX_PANELS: Final = 24
"""Representations in one figure."""

MAX_CATEGORIES: Final = len(PALETTE)
"""Values of a property that have colours of their own; the most frequent ones."""


def plot_representations(representations: SavedRepresentations, names: Sequence[str] = ()) -> Figure:
    """Representations of some sources; axes beyond time and energy are summed.

    Parameters
    ----------
    representations : SavedRepresentations
    names : sequence of str, optional
        Sources; by default the first `MAX_PANELS`.

    Raises
    ------
    ReferenceDataError
        A source has no representation in the file, or there are more than `MAX_PANELS` of them.
    """
    from matplotlib.colors import PowerNorm

    rows = {name: row for row, name in enumerate(representations.names)}
    chosen = list(names) or list(representations.names[:MAX_PANELS])
    if absent := [name for name in chosen if name not in rows]:
        raise ReferenceDataError(f"{absent[0]} has no representation in this file")
    if len(chosen) > MAX_PANELS:
        raise ReferenceDataError(f"{len(chosen)} sources are too many for one figure; choose up to {MAX_PANELS}")
    across = min(len(chosen), 6)
    down = -(-len(chosen) // across)
    figure = make_figure((2.0 * across + 0.4, 1.9 * down + 0.5))
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(panels, chosen, strict=False):
        array = representations.dense(rows[name]).astype(np.float64)
        flat = array.reshape(*array.shape[:2], -1).sum(axis=-1) if array.ndim > 1 else array[:, None]
        axes.pcolormesh(flat.T, cmap="viridis", norm=PowerNorm(0.5, 0, max(float(flat.max()), 1e-9)))
        axes.set(xticks=[], yticks=[])
        axes.set_title(name, fontsize=8, color=INK)
    for axes in panels[len(chosen) :]:
        axes.remove()
    for axes in panels[: len(chosen) : across]:
        axes.set_ylabel("log E →", fontsize=9, color=INK)
    for axes in panels[max(len(chosen) - across, 0) : len(chosen)]:
        axes.set_xlabel("τ →", fontsize=9, color=INK)
    return figure


def plot_embedding_table(
    embedding: EmbeddingTable,
    colour_by: str = "",
    values: NDArray[Any] | None = None,
    transients: Mapping[str, str] | None = None,
) -> Figure:
    """An embedding, coloured by a property.

    Parameters
    ----------
    embedding : EmbeddingTable
    colour_by : str
        Label of the values; "cluster" takes those of the embedding if no values are given.
    values : ndarray, shape (n,), optional
        Numbers (NaN where unknown) or strings ("" where unknown).
    transients : mapping of str to str, optional
        Kind of bona-fide transients by name, marked on top.

    Raises
    ------
    ReferenceDataError
        Colours by cluster are wanted of an embedding without clusters.
    """
    if values is None and colour_by == "cluster":
        if embedding.cluster is None:
            raise ReferenceDataError("the embedding has no clusters; add them with `xherald reference cluster`")
        values = np.where(embedding.cluster == 0, "", embedding.cluster.astype(np.str_))
    figure = make_figure((8.2, 7.0))
    axes = figure.subplots()
    if values is None:
        _scatter(axes, embedding, np.arange(len(embedding.names)), color=PALETTE[0])
    elif values.dtype.kind == "f":
        _draw_numbers(axes, embedding, values, colour_by)
    else:
        _draw_categories(axes, embedding, values, colour_by)
    for kind, marker in KIND_MARKERS.items():
        rows = [row for row, name in enumerate(embedding.names) if (transients or {}).get(name) == kind]
        if rows:
            _scatter(
                axes, embedding, np.array(rows), color=KIND_COLOURS[kind], marker=marker, s=70, alpha=1.0,
                linewidths=0.9, edgecolors="black", zorder=3, label=f"bona-fide {kind} ({len(rows):,})",
            )  # fmt: skip
    axes.set(xlabel="tsne1", ylabel="tsne2", aspect="equal")
    axes.tick_params(colors=INK, labelsize=9)
    axes.set_title(f"{len(embedding.names):,} sources", fontsize=10, color=INK)
    handles, _ = axes.get_legend_handles_labels()
    if handles:
        axes.legend(fontsize=8, loc="best", framealpha=0.85)
    return figure


def _draw_numbers(axes: Axes, embedding: EmbeddingTable, values: NDArray[Any], label: str) -> None:
    known = np.isfinite(values)
    _scatter(axes, embedding, np.flatnonzero(~known), color=UNKNOWN)
    order = np.argsort(values, kind="stable")[: known.sum()]
    points = _scatter(axes, embedding, order, c=values[order], cmap="viridis_r")
    bar = axes.figure.colorbar(points, ax=axes)
    bar.set_label(label, color=INK)
    if bar.solids is not None:
        bar.solids.set_alpha(1.0)


def _draw_categories(axes: Axes, embedding: EmbeddingTable, values: NDArray[Any], label: str) -> None:
    found, sizes = np.unique(values[values != ""], return_counts=True)
    shown = found[np.argsort(-sizes, kind="stable")][:MAX_CATEGORIES]
    _scatter(axes, embedding, np.flatnonzero(~np.isin(values, shown)), color=UNKNOWN)
    for number, value in enumerate(shown):
        rows = np.flatnonzero(values == value)
        _scatter(axes, embedding, rows, color=PALETTE[number], label=f"{label} {value} ({len(rows):,})")


def _scatter(axes: Axes, embedding: EmbeddingTable, rows: NDArray[Any], **style: Any) -> Any:
    total = len(embedding.names)
    merged = {"s": marker_area(total), "alpha": marker_alpha(total), "linewidths": 0} | style
    return axes.scatter(embedding.positions[rows, 0], embedding.positions[rows, 1], rasterized=True, **merged)
