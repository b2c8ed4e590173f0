"""Write what the build measured of classes into `docs/classes.md`: ``python -m benchmarks.classes_document``.

Replaces the part between `HEADING` and the next heading by tables of the calibration in use, and draws the reliability
diagram beside it (``docs/gallery/class_reliability.svg``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["HEADING", "draw_reliability", "with_tables"]

HEADING: Final = "## Measured across shapes"
"""What follows this heading, up to the next of its level, is replaced."""

PREFACE: Final = """
`xherald calibration show --json` gives these figures for the calibration in use (`classes_measured`, with the
reliability curves); `python -m benchmarks.classes_document` writes them here. Every class has the same weight; "right"
is the fraction whose most probable class is the true one. Neither the trees nor the temperatures and thresholds have
seen the family of random shapes of the event that they judge, or, for the half of events with a shape of their class,
the event. "Untrained" is the coverage with temperature and thresholds of the five other telescopes.
"""

FIGURE: Final = """
![Fraction right against stated probability, by telescope](gallery/class_reliability.svg)

Reliability: fraction of events whose most probable class is right, in tenths of its stated probability, with binomial
68 % errors.
"""


def with_tables(text: str, measured: Mapping[str, Any]) -> str:
    """The document with the tables of a calibration.

    Parameters
    ----------
    text : str — the document, with `HEADING`
    measured : mapping — `classes_measured` of a manifest
    """
    before, _, rest = text.partition(HEADING + "\n")
    after = rest[rest.index("\n## ") :]
    tables = (_telescope_table(measured["telescopes"]), _class_table(measured["classes"]))
    return before + HEADING + "\n" + PREFACE + "".join(f"\n{table}\n" for table in tables) + FIGURE + after


def _telescope_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ("telescope", "events", "right", "expected calibration error", "class in the set", "set size", "untrained")
    return _markdown(
        heads,
        (
            (
                name,
                f"{one['events']}",
                f"{one['right']:.2f}",
                f"{one['expected_calibration_error']:.3f}",
                f"{one['coverage']:.3f}",
                f"{one['mean_set_size']:.2f}",
                f"{one['untrained_coverage']:.3f}",
            )
            for name, one in rows.items()
        ),
    )


def _class_table(rows: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ("class", "events", "in the set", "set size", "in a set of ≤ 3", "one wrong class")
    return _markdown(
        heads,
        (
            (
                f"`{name}`",
                f"{one['events']}",
                f"{one['coverage']:.2f}",
                f"{one['mean_set_size']:.2f}",
                f"{one['within_three']:.2f}",
                f"{one['single_wrong']:.3f}",
            )
            for name, one in rows.items()
        ),
    )


def _markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in [heads, ["---"] * len(heads), *rows])


def draw_reliability(measured: Mapping[str, Any], path: Path) -> None:
    """Draw the fraction right against the stated probability, a panel for each telescope, as SVG."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    for place, (name, one) in zip(panels, measured["telescopes"].items(), strict=False):
        curve = one["reliability"]
        stated, right, events = (np.array([row[key] for row in curve]) for key in ("stated", "right", "events"))
        error = np.sqrt(np.maximum(right * (1.0 - right), 0.25 / events) / events)
        place.plot([0, 1], [0, 1], color="#8c96a0", lw=0.8, ls="--")
        place.errorbar(stated, right, yerr=error, marker="o", ms=3, lw=1.2, elinewidth=0.9, color="#0072B2")
        place.set_title(f"{name}, ECE {one['expected_calibration_error']:.3f}", fontsize=9)
        place.set(xlim=(0, 1), ylim=(0, 1))
        place.grid(alpha=0.3)
    figure.supxlabel("stated probability of the most probable class", fontsize=9)
    figure.supylabel("fraction right", fontsize=9)
    with mpl.rc_context({"svg.hashsalt": "reliability", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Write the document and the figure."""
    from xherald.detector.calibration.calibration import cached_calibration

    measured = cached_calibration().about["classes_measured"]
    document = Path("docs/classes.md")
    document.write_text(with_tables(document.read_text(), measured))
    draw_reliability(measured, Path("docs/gallery/class_reliability.svg"))


if __name__ == "__main__":
    main()
