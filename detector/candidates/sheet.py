"""The plot sheet of a candidate, for a decision in ten seconds: `draw_sheet`.

At the top are the kind, the false-alarm probability and the vetoes; below them the light curve and the photon energies,
whole and close up; then hardness, images inside and outside the interval, and the position among known transients; at
the right all measurements. No display is needed.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons import EventList
from xherald.photons.probabilities import format_percent
from xherald.photons.sky_links import describe_position, make_vet_command

from .drawing import INK, MARK, PHOTONS, GoodTimeAxis, close_up, draw_light_curve, label_good_time, mark_times
from .evidence_lines import Line, format_evidence
from .formatting import (
    format_headline,
    format_length,
    format_position,
    format_significance,
    format_source_name,
    format_warnings,
)
from .sheet_panels import Image, draw_growth, draw_hardness, draw_image, draw_map, get_span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from xherald.detector.results.row_types import Evidence
    from xherald.detector.scoring.detections import Detections

__all__ = ["DPI", "draw_sheet"]


DPI: Final = 150
SIZE: Final = (15.5, 9.6)
"""Inches: at 150 dpi a little more than a full-HD screen."""

FOOTER: Final = 0.02
"""Height of the footer, in figure units."""

ALARM: Final = "#c1121f"
SOFT, HARD = "#d98324", "#355f9e"
MAX_WARNING_LINES: Final = 6
WARNING_WIDTH: Final = 72
"""Characters of a line of flags, at the top right."""
LINE_WIDTH: Final = 46
"""Characters of label and value that fit side by side at full size."""


def draw_sheet(
    detections: Detections, index: int, evidence: Evidence, figure_type: type[Figure] | None = None
) -> Figure:
    """Plot sheet of one source.

    Parameters
    ----------
    detections : Detections
    index : int
        Index of the source.
    evidence : Evidence
        Of that source, see `make_evidence`.
    figure_type : type, optional
        Class of the figure, matplotlib's `Figure` by default.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved at `DPI`.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = (figure_type or Figure)(figsize=SIZE)
    FigureCanvasAgg(figure)
    top = _draw_headline(figure, evidence)
    _draw_footer(figure, evidence)
    layout = ConstrainedLayoutEngine(rect=(0, FOOTER, 1, top - FOOTER), w_pad=0.05, h_pad=0.05)
    figure.set_layout_engine(layout)
    left, right = figure.subfigures(1, 2, width_ratios=(3.35, 1.0), squeeze=False)[0]
    upper, lower = left.subfigures(2, 1, height_ratios=(1.72, 1.0), squeeze=False)[:, 0]
    _draw_times(upper, detections, index, evidence)
    _draw_below(lower, detections, index, evidence)
    _draw_lines(right.subplots(), format_evidence(evidence))
    for place in figure.axes:
        place.tick_params(which="both", colors=INK, labelsize=8.5)
        place.spines[:].set_color(INK)
    return figure


# --- the headline ----------------------------------------------------------------------------------------------------


def _draw_headline(figure: Figure, evidence: Evidence) -> float:
    """Write kind, significance, names and vetoes; return the height, in figure units, below which panels begin."""
    height = SIZE[1]

    def write(inches: float, text: str, size: float, x: float = 0.012, **style: Any) -> None:
        figure.text(x, 1.0 - inches / height, text, fontsize=size, va="top", **{"color": INK, **style})

    mark = {"boxstyle": "round,pad=0.35", "fc": MARK[evidence["direction"]], "ec": "none"}
    write(0.17, format_headline(evidence), 14, x=0.018, weight="bold", bbox=mark)
    write(0.62, format_significance(evidence), 14, weight="bold")
    p_astro = evidence["p_astro"]
    variability = "" if p_astro is None else f"   ·   probability of variability {format_percent(p_astro)}"
    write(0.97, f"{format_source_name(evidence)}   ·   {_describe_position(evidence)}{variability}", 10.5)
    write(0.17, evidence["candidate_id"], 13, x=0.988, ha="right", family="monospace")
    if evidence["long_term_reason"]:
        write(1.16, evidence["long_term_reason"], 10.5)
    lines = [
        line for one in format_warnings(evidence) for line in wrap(f"⚑ {one}", WARNING_WIDTH, subsequent_indent="   ")
    ]
    if len(lines) > MAX_WARNING_LINES:
        lines[MAX_WARNING_LINES - 1 :] = ["… and more"]
    for number, one in enumerate(lines):
        write(0.50 + 0.19 * number, one, 9.5, x=0.988, ha="right", color=ALARM)
    if not lines:
        write(0.50, "no flags", 9.5, x=0.988, ha="right", color="#5b7f5b")
    return 1.0 - max(1.43 if evidence["long_term_reason"] else 1.27, 0.50 + 0.19 * len(lines) + 0.1) / height


def _draw_footer(figure: Figure, evidence: Evidence) -> None:
    """Write the position in other notations, and how to record a verdict, below the panels."""
    notations = [value for _, value in describe_position(evidence["ra_deg"], evidence["dec_deg"])]
    words = "   ·   ".join([*notations, make_vet_command(evidence["candidate_id"])])
    figure.text(0.012, 0.005, words, fontsize=8, va="bottom", color=INK)


def _describe_position(evidence: Evidence) -> str:
    position = format_position(evidence["ra_deg"], evidence["dec_deg"])
    if not position:
        return "position unknown"
    error = "" if evidence["pos_err_arcsec"] is None else f" ±{evidence['pos_err_arcsec']:.1f}″"
    angle = "" if evidence["off_axis_arcmin"] is None else f", {evidence['off_axis_arcmin']:.1f}′ off axis"
    return f"{position}{error}{angle}".replace("-", "−")


# --- light curve and energies ----------------------------------------------------------------------------------------


def _draw_times(figure: SubFigure, detections: Detections, index: int, evidence: Evidence) -> None:
    """Draw the light curve above the photon energies, whole and, where the interval is short, close up."""
    source, timing = detections.detection_batch.batch[index], detections.detection_batch.timing
    axis = GoodTimeAxis.of(source.exposure.gti)
    span = get_span(evidence)
    around = close_up(axis, span)
    places = figure.subplots(
        2, 2 if around else 1, height_ratios=(1.5, 1.0), width_ratios=(1.55, 1.0) if around else None, squeeze=False
    )
    rows = slice(timing.block_offsets[index], timing.block_offsets[index + 1])
    blocks = timing.block_edges[rows], timing.block_rates[rows]
    colour = MARK[evidence["direction"]]
    for column, limits in zip(places.T, (None, around), strict=False):
        curve, energies = column
        at, tops = draw_light_curve(
            curve, source, axis, span, blocks, colour=colour, label=_interval_label(evidence),
            background=evidence["background_counts"] or 0.0,
        )  # fmt: skip
        _draw_energies(energies, source, axis, span, colour)
        for place in (curve, energies):
            label_good_time(place, source, axis, limits)
        curve.set_xlabel("")
        curve.set_xticklabels([])
        if limits is not None:
            curve.set_title("around the interval", fontsize=9, color=INK)
            highest = tops[(at >= limits[0]) & (at <= limits[1])].max(initial=0.0)
            if highest > 0:
                curve.set_ylim(0, 1.08 * highest)
    whole, energies = places[:, 0]
    whole.set_ylabel("counts s$^{-1}$", color=INK)
    energies.set_ylabel("energy (keV)", color=INK)
    _put_above(whole, 4)
    _put_above(energies, 2)


def _put_above(place: Axes, columns: int) -> None:
    """Put the legend above the frame, where it hides no photon, in the space of an empty title."""
    place.set_title(" ", fontsize=9)
    legend = place.legend(
        fontsize=8, ncols=columns, columnspacing=1.2, handlelength=1.4, handletextpad=0.4, loc="lower left",
        bbox_to_anchor=(0.0, 1.0), frameon=False, borderaxespad=0.1,
    )  # fmt: skip
    legend.set_in_layout(False)


def _interval_label(evidence: Evidence) -> str:
    counts, expected = evidence["interval_counts"], evidence["interval_expected_counts"]
    seconds = evidence["interval_livetime_s"]
    if seconds is None:
        seconds = evidence["interval_duration_s"]
    if counts is None or expected is None or seconds is None:
        return evidence["kind"]
    return f"{counts:.0f} counts in {format_length(seconds)}, {expected:.1f} expected"


def _draw_energies(
    place: Axes, source: EventList, axis: GoodTimeAxis, interval: tuple[float, float] | None, colour: str
) -> None:
    """Draw one dot for each photon over good time, soft and hard ones in different colours."""
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    low, high = max(source.band[0], 0.05), source.band[1]
    mark_times(place, axis, interval, colour)
    at, hard = axis.at(source.time), source.energy >= source.hardness_split
    size, alpha = (14, 0.9) if len(source) < 400 else (5, 0.5)
    for chosen, ink, name in ((~hard, SOFT, "soft"), (hard, HARD, "hard")):
        place.scatter(
            at[chosen], np.maximum(source.energy[chosen], low), s=size, alpha=alpha, color=ink, lw=0,
            label=f"{name} ({np.count_nonzero(chosen)} photons)", zorder=3,
        )  # fmt: skip
    place.axhline(source.hardness_split, color=INK, lw=0.7, ls=":")
    place.set_yscale("log")
    place.set_ylim(low * 0.93, high * 1.07)
    place.yaxis.set_major_locator(FixedLocator([tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10) if low <= tick <= high]))
    place.yaxis.set_major_formatter(ScalarFormatter())
    place.yaxis.set_minor_formatter(NullFormatter())


# --- lower panels ----------------------------------------------------------------------------------------------------


def _draw_below(figure: SubFigure, detections: Detections, index: int, evidence: Evidence) -> None:
    """Draw hardness, images (cumulative counts without an image), and the reference's map if there is one."""
    detection_batch = detections.detection_batch
    observation, reference = detection_batch.observation, detection_batch.reference
    embedding = evidence["embedding"]
    seen = observation is not None and observation.projection is not None and bool(detection_batch.apertures)
    mapped = reference is not None and embedding is not None and embedding["case"] in reference.cases
    widths = [0.7, *((1.0, 1.0) if seen else (1.5,)), *((1.15,) if mapped else ())]
    places = list(figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0])
    draw_hardness(places.pop(0), evidence)
    if seen and observation is not None:
        image = Image.of(observation, detection_batch.apertures[index], get_span(evidence))
        draw_image(places.pop(0), image, evidence, inside=True)
        draw_image(places.pop(0), image, evidence, inside=False)
    else:
        draw_growth(places.pop(0), detection_batch.batch[index], evidence)
    if mapped and reference is not None and embedding is not None:
        draw_map(places.pop(0), reference, embedding, evidence["similar_to"])


# --- measurements ----------------------------------------------------------------------------------------------------


def _draw_lines(place: Axes, lines: list[Line]) -> None:
    """Write label and value, a line each; headings in bold."""
    place.set_axis_off()
    step = 1.0 / max(len(lines) + 1, 36)
    for number, line in enumerate(lines):
        y = 1.0 - (number + 0.5) * step
        if not line.value:
            place.text(0.0, y, line.label, fontsize=9.5, weight="bold", color=PHOTONS, va="center")
            place.plot([0, 1], [y - 0.5 * step, y - 0.5 * step], color="#d9dde1", lw=0.8, clip_on=False)
            continue
        size = 9 * min(1.0, LINE_WIDTH / (len(line.label) + len(line.value)))
        label = place.text(0.0, y, line.label, fontsize=size, color=INK, va="center", alpha=0.75)
        value = place.text(1.0, y, line.value, fontsize=size, color=INK, va="center", ha="right")
        for text in (label, value):
            text.set_in_layout(False)
    place.set_xlim(0, 1)
    place.set_ylim(0, 1)
