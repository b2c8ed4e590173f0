"""Flares and transients found by xherald and by wavelets in place and time, at the same rate of false detections.

``python -m benchmarks.statix --fields 2 --null-fields 4 --seed 1`` prints the tables of docs/sources.md and takes a
minute of one core. Fields of `statix_fields` are searched by both: by xherald from the photons to probabilities, with
its own source detection, and by the wavelets of `statix_wavelets`, whose coefficients or blocks are ranked. The
threshold of each method is the one that `FALSE_PER_FIELD` detections exceed in fields of the same kind without flares.
Vetoes are not applied: fields have no artefacts, and more variable sources than the veto for many candidates allows.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .statix_fields import (
    DURATIONS,
    EXPOSURE_S,
    R80,
    SIDE,
    SOURCES,
    SPREADS,
    DrawnField,
    Kind,
    draw_field,
    to_observation,
)
from .statix_wavelets import (
    PIXEL,
    BandTails,
    block_significance,
    count_cube,
    find_peaks,
    transform,
)

COUNTS, SHARES = (12.0, 25.0, 50.0), (0.1, 0.5, 0.7)
FLARES = 32
"""Variable sources of a field."""
TRANSIENT_COUNTS = (5.0, 8.0, 12.0)
FALSE_PER_FIELD = 0.01 * SOURCES
"""One for a hundred steady sources."""
MIN_STEADY = 3.0
"""Coefficients of the whole exposure, in standard deviations, from which a place has its light curve divided."""
RESAMPLED = 300
AREA_FRACTION = 0.7
"""Of the photons, in the apertures of light curves, as in STATiX."""


@dataclass(frozen=True)
class Found:
    """Detections of one method in a field: places, arcsec from the middle, shape (k, 2), and their rank."""

    places: np.ndarray
    rank: np.ndarray
    in_slices: np.ndarray

    def rank_at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rank of the highest detection within `R80` of each place, -inf for none, and whether only slices had it."""
        if not len(self.rank):
            return np.full(len(places), -np.inf), np.zeros(len(places), bool)
        apart = np.hypot(*(places[:, None, :] - self.places).transpose(2, 0, 1))
        rank = np.where(apart <= R80, self.rank, -np.inf)
        best = rank.argmax(axis=1)
        return rank[np.arange(len(places)), best], self.in_slices[best]


def search_xherald(drawn: DrawnField, rng: np.random.Generator) -> Found:
    """Detected sources, ranked by -log10 of their probability among the pooled null sources of the calibration.

    Null hypotheses of a source's own make this probability exact, and cost most of the time of a scan. They are left
    out, since the threshold is measured on steady fields.
    """
    from xherald.detector.calibration.calibration import cached_calibration
    from xherald.detector.configuration.configuration import load_configuration
    from xherald.detector.scoring.score_columns import make_detection_batch, score_columns
    from xherald.photons.extraction import extract_with_rows
    from xherald.photons.source_detection import detect_sources
    from xherald.photons.source_detection.stray_photons import add_strays, avoid_stray_photons
    from xherald.photons.statistics import assess

    configuration, observation = load_configuration(), to_observation(drawn, rng)
    settings, host = configuration.settings, configuration.host
    apertures = detect_sources(observation, settings.source_detection, settings.apertures).apertures
    if not apertures:
        return Found(np.empty((0, 2)), np.empty(0), np.empty(0, bool))
    apertures, strays = avoid_stray_photons(observation, apertures, settings.apertures)
    batch, _ = extract_with_rows(observation, apertures, settings.extraction)
    if strays is not None:
        batch = add_strays(batch, strays)
    timing, calibration = assess(batch, settings.timing), cached_calibration()
    group = calibration.find_group(observation.mission, observation.instrument)
    prepared = make_detection_batch(batch, timing, calibration.load_reference(group, host), host)
    columns = score_columns(prepared, host, settings.detection.scorers)
    ranks = calibration.compute_ranks(calibration.compute_scores(columns, len(batch)), batch.counts, group)
    _, p = calibration.compute_probabilities(ranks, columns, group)
    projection = observation.require_projection()
    ra, dec = (np.array([getattr(one, name) for one in apertures]) for name in ("ra", "dec"))
    places = np.column_stack(projection.to_pixel(ra, dec)) - [projection.x_reference, projection.y_reference]
    in_slices = np.array(["slices" in one.origin for one in apertures])

    # As in a scan: a source found in time slices is at most as significant as its burst.
    limited = np.maximum(p, np.fmin(batch.selection_p, timing.p_value))
    return Found(places, np.where(np.isnan(p), -np.inf, -np.log10(np.maximum(limited, 1e-300))), in_slices)


def search_wavelets(changes: np.ndarray, steady: np.ndarray, drawn: DrawnField, tails: BandTails) -> Iterator[Found]:
    """Peaks of the coefficients, ranked by how rare they are in steady fields; then by their brightest block."""
    from scipy.spatial import KDTree

    rarity = tails.rarity(changes)
    rows, columns = find_peaks(rarity)
    yield _found(rows, columns, rarity[rows, columns])
    excess = steady - np.median(steady, axis=(1, 2), keepdims=True)
    noise = 1.4826 * np.median(np.abs(excess), axis=(1, 2), keepdims=True)
    constant = (excess / noise).max(axis=0)
    more_rows, more_columns = find_peaks(constant)
    is_source = constant[more_rows, more_columns] > MIN_STEADY
    is_rare = rarity[rows, columns] > 0
    rows = np.concatenate([rows[is_rare], more_rows[is_source]])
    columns = np.concatenate([columns[is_rare], more_columns[is_source]])
    places = _found(rows, columns, np.zeros(len(rows))).places
    radius = SPREADS[drawn.spread].radius(AREA_FRACTION, 0.0)
    inside = KDTree(np.column_stack([drawn.x, drawn.y])).query_ball_point(places, radius, return_sorted=True)
    rank = [block_significance(drawn.time[own], EXPOSURE_S) for own in inside]
    # Two peaks of one source are one detection.
    yield _without_duplicates(_found(rows, columns, np.array(rank)))


def _found(rows: np.ndarray, columns: np.ndarray, rank: np.ndarray) -> Found:
    places = (np.column_stack([columns, rows]) + 0.5) * PIXEL - SIDE / 2
    return Found(places, rank, np.zeros(len(rank), bool))


def _without_duplicates(found: Found) -> Found:
    """The highest of detections within `R80` of each other."""
    order = np.argsort(-found.rank, kind="stable")
    kept: list[int] = []
    for i in order:
        if all(np.hypot(*(found.places[i] - found.places[k])) > R80 for k in kept):
            kept.append(int(i))
    return Found(found.places[kept], found.rank[kept], found.in_slices[kept])


@dataclass(frozen=True)
class SteadyFields:
    """What was found in fields of steady sources.

    Parameters
    ----------
    limits : ndarray, shape (methods,)
        Rank that `FALSE_PER_FIELD` detections of each method exceed.
    resampled_limits : ndarray, shape (RESAMPLED, methods)
        The same with detections resampled.
    tails : BandTails
    """

    limits: np.ndarray
    resampled_limits: np.ndarray
    tails: BandTails


def search_steady(kind: Kind, fields: int, rng: np.random.Generator) -> SteadyFields:
    """Search fields of steady sources."""
    drawn = [draw_field(rng, kind, 0) for _ in range(fields)]
    transformed = [_transform(one) for one in drawn]
    tails = BandTails.measure([changes for changes, _ in transformed])
    results = [
        (search_xherald(one, rng), *search_wavelets(changes, steady, one, tails))
        for one, (changes, steady) in zip(drawn, transformed, strict=True)
    ]
    limits, resampled = [], []
    for found in zip(*results, strict=True):
        ranks = np.sort(np.concatenate([one.rank for one in found]))[::-1]
        limits.append(_limit(ranks, np.ones(len(ranks)), fields))
        resampled.append([_limit(ranks, rng.poisson(1, len(ranks)), fields) for _ in range(RESAMPLED)])
    return SteadyFields(np.array(limits), np.array(resampled).T, tails)


def _limit(ranks: np.ndarray, weights: np.ndarray, fields: int) -> float:
    """Rank, of descending ones, which the allowed number of detections exceeds: between its neighbours."""
    above = np.cumsum(weights)
    if not len(ranks) or above[-1] <= FALSE_PER_FIELD * fields:
        return -np.inf
    return float(np.interp(FALSE_PER_FIELD * fields, above - weights / 2, ranks))


def _transform(drawn: DrawnField) -> tuple[np.ndarray, np.ndarray]:
    return transform(count_cube(drawn.x, drawn.y, drawn.time, SIDE, EXPOSURE_S))


@dataclass(frozen=True)
class Variable:
    """Variable sources, n of them.

    Parameters
    ----------
    ranks : ndarray, shape (n, methods)
    durations : ndarray, shape (n,), str
    in_slices : ndarray, shape (n,), bool — whether only its search in time slices gave the rank of xherald
    """

    ranks: np.ndarray
    durations: np.ndarray
    in_slices: np.ndarray


def search_variable(
    kind: Kind, fields: int, null: SteadyFields, rng: np.random.Generator, transient_counts: float | None = None
) -> Variable:
    """Search fields in which half of the sources flare, or are transients of so many photons."""
    ranks, durations, in_slices = [], [], []
    for _ in range(fields):
        if transient_counts is None:
            drawn = draw_field(rng, kind, FLARES)
        else:
            drawn = draw_field(rng, kind, 0, transient_counts, FLARES)
        own = drawn.durations != ""
        results = (search_xherald(drawn, rng), *search_wavelets(*_transform(drawn), drawn, null.tails))
        at = [found.rank_at(drawn.places[own]) for found in results]
        ranks.append(np.column_stack([rank for rank, _ in at]))
        in_slices.append(at[0][1])
        durations.append(drawn.durations[own])
    return Variable(np.concatenate(ranks), np.concatenate(durations), np.concatenate(in_slices))


@dataclass(frozen=True)
class Recall:
    """Fractions found by each method, shape (methods,), and with sources and limits resampled, (RESAMPLED, methods)."""

    found: np.ndarray
    resampled: np.ndarray


def measure_recall(null: SteadyFields, variable: Variable, rng: np.random.Generator, duration: str = "") -> Recall:
    """Recall at the common rate of false detections, of flares of one duration or of all."""
    ranks = variable.ranks[variable.durations == duration] if duration else variable.ranks
    n = len(ranks)
    again = [(ranks[rng.integers(0, n, n)] > limits).mean(axis=0) for limits in null.resampled_limits]
    return Recall((ranks > null.limits).mean(axis=0), np.array(again))


def average(recalls: Sequence[Recall]) -> Recall:
    """Mean over kinds of fields."""
    found, resampled = ([getattr(one, name) for one in recalls] for name in ("found", "resampled"))
    return Recall(np.mean(found, axis=0), np.mean(resampled, axis=0))


def row(label: str, recall: Recall) -> str:
    """One line of a table: recall of each method, and of xherald less each other, paired."""
    cells = zip(recall.found, recall.resampled.std(axis=0), strict=True)
    apart = zip(recall.found[0] - recall.found, (recall.resampled[:, :1] - recall.resampled).std(axis=0), strict=True)
    words = [f"{value:.2f} ± {error:.2f}" for value, error in cells]
    words += [f"{value:+.2f} ± {error:.2f}" for value, error in list(apart)[1:]]
    return f"| {label} | {' | '.join(words)} |"


HEADER = "xherald | coefficients | blocks | xherald − coefficients | xherald − blocks |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=2, help="of each kind, with flares")
    parser.add_argument("--null-fields", type=int, default=4, help="of each kind, with steady sources only")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    everything: dict[str, list[Recall]] = {name: [] for name in ("", *DURATIONS)}
    transients: dict[str, list[Recall]] = {name: [] for name in everything}
    lines = []
    print(f"| point spread | counts | background | {HEADER}\n{'|---' * 8}|", flush=True)
    for spread, counts, share in itertools.product(SPREADS, COUNTS, SHARES):
        kind = Kind(counts, share, spread)
        rng = np.random.default_rng([options.seed, len(spread), int(counts), int(100 * share)])
        null = search_steady(kind, options.null_fields, rng)
        flaring = search_variable(kind, options.fields, null, rng)
        _add(everything, null, flaring, rng)
        print(row(f"{spread} | {counts:.0f} | {share}", everything[""][-1]), flush=True)
        if spread == "King" and counts == 25.0:
            for photons in TRANSIENT_COUNTS:
                found = search_variable(kind, (options.fields + 1) // 2, null, rng, photons)
                _add(transients, null, found, rng)
                line = row(f"{share} | {photons:.0f}", transients[""][-1])
                lines.append(f"{line} {_slices_only(null, found):.2f} |")
    print(row("all | | ", average(everything[""])))
    print(f"\n| background | photons of a transient | {HEADER} found in slices only |\n{'|---' * 8}|")
    print("\n".join(lines))
    for title, recalls in (("flares", everything), ("transients", transients)):
        print(f"\n| {title} | {HEADER}\n{'|---' * 6}|")
        for name, share in DURATIONS.items():
            print(row(f"{name}, {share:.0%} of the exposure", average(recalls[name])))


def _add(recalls: dict[str, list[Recall]], null: SteadyFields, variable: Variable, rng: np.random.Generator) -> None:
    """Append the recall of all sources, and that of each duration."""
    for name, own in recalls.items():
        own.append(measure_recall(null, variable, rng, name))


def _slices_only(null: SteadyFields, variable: Variable) -> float:
    """Fraction of the sources found by xherald that only its search in time slices detected."""
    found = variable.ranks[:, 0] > null.limits[0]
    return float((found & variable.in_slices).sum() / max(found.sum(), 1))


if __name__ == "__main__":
    main()
