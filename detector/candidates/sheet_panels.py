"""Lower panels of the plot sheet: hardness, images inside and outside the interval, cumulative counts, the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64
from xherald.photons.probabilities import UNKNOWN
from xherald.plugins.reference import BONA_FIDE_KINDS

from .drawing import BLOCKS, INK, MARK, PHOTONS, draw_outline
from .formatting import format_length

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xherald.detector.results.row_types import EmbeddingPosition, Evidence, SimilarTransient
    from xherald.photons import Aperture, EventList, Observation, SkyProjection
    from xherald.plugins.reference import Reference

__all__ = ["Image", "draw_growth", "draw_hardness", "draw_image", "draw_map", "get_span"]


MAX_DRAWN: Final = 20_000
"""Ordinary sources on the map; larger references are thinned evenly, or their dots would merge."""

KIND_COLOURS: Final = {"flare": "#D55E00", "dip": "#0072B2", "other": "#8C6BB1"}
KIND_MARKS: Final = {"flare": "^", "dip": "v", "other": "*"}


def get_span(evidence: Evidence) -> tuple[float, float] | None:
    """Start and stop of the interval, mission seconds; None where there is none."""
    start, stop = evidence["interval_start_s"], evidence["interval_stop_s"]
    return None if start is None or stop is None else (start, stop)


def draw_hardness(place: Axes, evidence: Evidence) -> None:
    """Draw hardness outside and inside the interval with 68 % limits, and the significance of the change."""
    place.axhline(0, color=INK, lw=0.6, ls=":")
    one = evidence
    outside = (one["hardness_outside"], one["hardness_outside_low"], one["hardness_outside_high"])
    inside = (one["hardness_inside"], one["hardness_inside_low"], one["hardness_inside_high"])
    labels = []
    for number, (name, (value, low, high), colour) in enumerate(
        (("outside", outside, PHOTONS), ("inside", inside, _darker(MARK[one["direction"]])))
    ):
        if value is None or low is None or high is None:
            place.text(number, 0.03, "no photons", ha="center", va="bottom", fontsize=8, color=INK)
            labels.append(f"{name}\n{UNKNOWN}")
            continue
        up, down = max(high - value, 0.0), max(value - low, 0.0)
        place.errorbar(number, value, yerr=[[down], [up]], fmt="o", ms=7, color=colour, capsize=4, lw=1.6)
        labels.append(f"{name}\n{value:+.2f}\n+{up:.2f} −{down:.2f}".replace("-", "−"))
    sigma = one["hardness_change_sigma"]
    if sigma is not None:
        change = f"{abs(sigma):.1f} σ {'harder' if sigma > 0 else 'softer'} inside" if abs(sigma) >= 1 else "no change"
        place.set_title(change, fontsize=9, color=INK)
    place.set_xticks(range(2), labels)
    place.set_xlim(-0.6, 1.6)
    place.set_ylim(-1.05, 1.05)
    place.set_ylabel("hardness (H − S) / (H + S)", color=INK)


def _darker(colour: str) -> str:
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = to_rgb(colour)
    return to_hex((0.75 * red, 0.75 * green, 0.75 * blue))


def draw_growth(place: Axes, source: EventList, evidence: Evidence) -> None:
    """Draw cumulative counts over good time and those of a steady source; dashed lines bound the T90 of a flare."""
    total = source.exposure.livetime
    scale, unit = (1e3, "ks") if total >= 2e3 else (1.0, "s")
    at = source.exposure.livetime_at(source.time) / scale
    span, t90 = get_span(evidence), (evidence["t90_start_s"], evidence["t90_stop_s"])
    if span is not None:
        edges = source.exposure.livetime_at(np.array(span)) / scale
        place.axvspan(*edges, color=MARK[evidence["direction"]], alpha=0.35, lw=0)
    place.step([0.0, *at, total / scale], [*range(len(at) + 1), len(at)], where="post", color=PHOTONS, lw=1.4)
    place.plot([0, total / scale], [0, len(at)], color=INK, lw=0.8, ls=":")
    has_t90 = t90[0] is not None
    if has_t90:
        ends = source.exposure.livetime_at(np.array(t90)) / scale
        place.vlines(ends, 0, len(at), color=BLOCKS, lw=1.2, ls="--")
    place.set(xlim=(0, total / scale), ylim=(0, len(at) * 1.03))
    place.set_title(
        "cumulative counts; dotted: steady source" + ("; dashed: T90" if has_t90 else ""), fontsize=9, color=INK
    )
    place.set_xlabel(f"good time ({unit})", color=INK)
    place.set_ylabel("counts", color=INK)


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """Photons about a source, cut out of the field.

    Parameters
    ----------
    sky : SkyProjection
    aperture : Aperture
    centre : (float, float) — sky pixels
    half, side : float — arcsec, half of the cutout and one bin
    x, y : ndarray, shape (k,) — arcsec from the source on the pixel grid
    inside : ndarray, shape (k,), bool — whether it arrived within the interval
    """

    sky: SkyProjection
    aperture: Aperture
    centre: tuple[float, float]
    half: float
    side: float
    x: F64
    y: F64
    inside: NDArray[np.bool_]

    @classmethod
    def of(cls, observation: Observation, aperture: Aperture, span: tuple[float, float] | None) -> Image:
        """Cut out the source, its background region if that is near, and a margin."""
        sky, events = observation.require_projection(), observation.events
        x0, y0 = (float(v) for v in sky.to_pixel(aperture.ra, aperture.dec))
        around = aperture.background.extent if aperture.background else 0.0
        # A wide background region would make the source a dot.
        half = 1.15 * float(np.clip(around, 3.0 * aperture.region.extent, 6.0 * aperture.region.extent))
        scale = sky.pixel_arcsec
        dx = (events.x.astype(np.float64) - x0) * scale
        dy = (events.y.astype(np.float64) - y0) * scale
        near = (np.abs(dx) < half) & (np.abs(dy) < half)
        time = events.time[near]
        during = np.zeros(len(time), dtype=np.bool_) if span is None else (time >= span[0]) & (time <= span[1])
        # Bins of whole pixels, or the pixel grid itself shows as stripes.
        side = scale * max(1, round(2 * half / 48 / scale))
        return cls(sky, aperture, (x0, y0), half, side, dx[near], dy[near], during)


def draw_image(place: Axes, image: Image, evidence: Evidence, *, inside: bool) -> None:
    """Draw the field around the source inside or outside the interval, with aperture and background region."""
    from matplotlib.colors import PowerNorm

    chosen = image.inside == inside
    reach = np.ceil(image.half / image.side)
    edges = np.arange(-reach, reach + 1) * image.side
    counts = np.histogram2d(image.y[chosen], image.x[chosen], (edges, edges))[0]
    place.pcolormesh(edges, edges, counts, cmap="Greys", norm=PowerNorm(0.5, 0, max(counts.max(), 1)))
    draw_outline(place, image.sky, image.aperture.region, image.centre, color=BLOCKS, lw=1.5)
    if image.aperture.background is not None:
        draw_outline(place, image.sky, image.aperture.background, image.centre, color=PHOTONS, lw=1.0, ls="--")
    seconds = evidence["interval_livetime_s"]
    when = "inside" if inside else "outside"
    if seconds is not None and not inside:
        seconds = max(evidence["livetime_s"] - seconds, 0.0)
    place.set_title(
        f"{when} the interval" + ("" if seconds is None else f", {format_length(seconds)}"), fontsize=9, color=INK
    )
    place.set_xlim(-image.half, image.half)
    place.set_ylim(-image.half, image.half)
    place.set_aspect("equal")
    if image.sky.wcs is not None:
        label = "arcsec along sky pixels X"
    else:
        label = "arcsec, west is right" if image.sky.x_step < 0 else "arcsec, east is right"
    place.set_xlabel(label, color=INK)
    if inside:
        for edge in place.spines.values():
            edge.set_linewidth(2.2)


def draw_map(place: Axes, reference: Reference, where: EmbeddingPosition, similar: Sequence[SimilarTransient]) -> None:
    """Draw the reference's map with known transients by kind, the nearest of them ringed, and the source as a cross."""
    from matplotlib.patheffects import withStroke

    case = reference.case(where["case"])
    at = case.embedding
    kinds = np.array(reference.sources["bona_fide"].to_pylist(), dtype=np.str_)
    names = np.array(reference.sources["obsreg_id"].to_pylist(), dtype=np.str_)
    thinned = at[:: max(1, -(-len(at) // MAX_DRAWN))]
    place.scatter(
        thinned[:, 0],
        thinned[:, 1],
        s=float(np.clip(6e3 / len(thinned), 1.0, 9.0)),
        color="#c3c8cd",
        lw=0,
        rasterized=True,
    )
    for kind in BONA_FIDE_KINDS:
        chosen = kinds == kind
        if chosen.any():
            place.scatter(
                at[chosen, 0], at[chosen, 1], s=80 if kind == "other" else 26, color=KIND_COLOURS[kind],
                marker=KIND_MARKS[kind], lw=0.5, edgecolors="white",
                label=f"known {kind}{'' if chosen.sum() == 1 else 's'}",
            )  # fmt: skip
    near = at[np.isin(names, [one["name"] for one in similar])]
    if len(near):
        place.scatter(near[:, 0], near[:, 1], s=95, facecolors="none", edgecolors=INK, lw=1.1, label="nearest")
    cross = place.plot(where["x"], where["y"], "P", ms=11, color="black", mec="white", mew=1.2, label="this source")
    cross[0].set_path_effects([withStroke(linewidth=2.5, foreground="white")])
    place.set(xticks=[], yticks=[])
    place.set_title(f"map {where['reference']} {where['case']}", fontsize=9, color=INK)
    legend = place.legend(
        fontsize=7.5, ncols=3, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=0.3,
        handletextpad=0.2, columnspacing=0.8,
    )  # fmt: skip
    legend.set_in_layout(False)
