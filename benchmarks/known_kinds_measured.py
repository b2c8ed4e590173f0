"""Classes of the calibration in use, measured on events by another hand: ``python -m benchmarks.known_kinds_measured``.

Draws `known_kinds` with every telescope, keeps what the timing tests find at p ≤ 0.001, and prints for each kind, and
for each telescope, how often the set contains the class, how large it is, and how the stated probabilities compare with
the fraction right. For kinds of no known class the right answer is one of `class_model.OTHERS`. Takes ten minutes on
two cores with the default numbers.

Stated probabilities are those of all classes with equal priors, but the population has half of the classes only. How
well probabilities are calibrated is therefore measured with the priors of the population, too: equal for its kinds, and
0 for all other classes, as `detection.class_priors` would state them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from .known_kinds import KNOWN, TELESCOPES, UNKNOWN, draw_kinds

SIGNIFICANT = 1e-3


def measure(telescope: str, n: int, seed: int, kinds: dict) -> NDArray:  # type: ignore[type-arg]
    """One row for each significant source: kind, telescope, covered, set size, right, stated probability, novelty.

    The last two are as `right` and `stated`, with priors of the kinds of the population.
    """
    from xherald.detector.calibration.calibration import cached_calibration
    from xherald.detector.scoring.class_model import OTHERS
    from xherald.detector.scoring.classify import classify
    from xherald.photons.statistics import assess

    drawn, calibration = draw_kinds(telescope, n, seed, kinds), cached_calibration()
    group = calibration.find_group(TELESCOPES[telescope].mission, TELESCOPES[telescope].instrument).name
    timing = assess(drawn.batch)
    significant = timing.p_value <= SIGNIFICANT
    found = classify(calibration.class_model, drawn.batch, timing, significant, telescope=group)
    present = [found.names.index(name) for name in kinds if name in found.names]
    rows = []
    for i in np.flatnonzero(significant):
        kind = str(drawn.kinds[i])
        wanted = [found.names.index(name) for name in ((kind,) if kind in KNOWN else OTHERS)]
        best = int(found.probabilities[i].argmax())
        covered, size = bool(found.members[i, wanted].any()), int(found.members[i].sum())
        among = found.probabilities[i, present]
        likely = (present[among.argmax()] in wanted, among.max() / among.sum()) if present else (False, np.nan)
        stated = found.probabilities[i, best]
        rows.append((kind, telescope, covered, size, best in wanted, stated, found.novelty[i], *likely))
    return np.array(
        rows,
        dtype=[
            ("kind", "U20"),
            ("telescope", "U10"),
            ("covered", bool),
            ("size", int),
            ("right", bool),
            ("stated", float),
            ("novelty", float),
            ("right_among", bool),
            ("stated_among", float),
        ],
    )


def calibration_error(stated: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error in tenths of the stated probability."""
    tenth = np.minimum((stated * 10).astype(int), 9)
    parts = (tenth == number for number in range(10))
    return float(sum(own.mean() * abs(stated[own].mean() - right[own].mean()) for own in parts if own.any()))


def table(rows: NDArray, by: str) -> Iterable[str]:  # type: ignore[type-arg]
    """Lines of a Markdown table; errors are binomial, 68 %."""
    columns = (
        "events",
        "class in the set",
        "set size",
        "right",
        "stated",
        "one wrong class",
        "right within 3",
        "novelty > 0.85",
    )
    yield f"| {' | '.join((by, *columns))} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name in [*np.unique(rows[by]), "all"]:
        own = rows if name == "all" else rows[rows[by] == name]
        n, share = len(own), own["covered"].mean()
        error = np.sqrt(max(share * (1 - share), 0.25 / n) / n)
        wrong = ((own["size"] == 1) & ~own["covered"]).mean()
        yield (
            f"| {name} | {n} | {share:.3f} ± {error:.3f} | {own['size'].mean():.2f} | {own['right'].mean():.2f} "
            f"| {own['stated'].mean():.2f} | {wrong:.3f} | {((own['size'] <= 3) & own['covered']).mean():.2f} "
            f"| {(own['novelty'] > 0.85).mean():.2f} |"
        )
    yield f"\nExpected calibration error: {calibration_error(rows['stated'], rows['right']):.3f}"
    if np.isfinite(rows["stated_among"]).all():
        yield (
            "With priors of these kinds: "
            f"{calibration_error(rows['stated_among'], rows['right_among']):.3f} "
            f"(right {rows['right_among'].mean():.3f}, stated {rows['stated_among'].mean():.3f})"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=300, help="simulated sources of each telescope and sample")
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    for title, kinds in (("Known kinds", KNOWN), ("Unknown kinds", UNKNOWN)):
        rows = np.concatenate([measure(one, options.sources, options.seed, kinds) for one in TELESCOPES])
        for by in ("kind", "telescope"):
            print(f"\n### {title}, by {by}\n")
            print("\n".join(table(rows, by)))


if __name__ == "__main__":
    main()
