"""Colours, sizes and figures that the plots of references share.

Colours can be told apart by the colour-blind (Okabe and Ito 2008; RdYlBu, YlOrRd, viridis).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons.errors import FileError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "INK",
    "KIND_COLOURS",
    "KIND_MARKERS",
    "PALE",
    "PALETTE",
    "UNKNOWN",
    "make_figure",
    "marker_alpha",
    "marker_area",
    "save_figure",
]

INK, UNKNOWN, PALE = "#22303c", "#c3c8cd", "#dfe2e5"
PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#B2A400")
"""Okabe and Ito's colours without black and yellow, with violet and olive; neighbours on the list differ most."""

KIND_COLOURS: Final = {"flare": "#D55E00", "dip": "#0072B2", "other": "#8C6BB1"}
KIND_MARKERS: Final = {"flare": "^", "dip": "v", "other": "*"}


def make_figure(size: tuple[float, float]) -> Figure:
    """An empty figure, inches, that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def marker_area(sources: int) -> float:
    """Area of a marker, square points; the total of all grows slowly with the number of sources."""
    return float(np.clip(16.0 * (300 / max(sources, 1)) ** 0.55, 0.6, 20.0))


def marker_alpha(sources: int) -> float:
    """Opacity of a marker."""
    return float(np.clip(2.6 * max(sources, 1) ** -0.15, 0.45, 0.9))


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure, making the folder if needed.

    Raises
    ------
    FileError
        It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
        raise FileError(path, f"cannot be written: {reason}") from fault
    return path
