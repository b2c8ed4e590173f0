"""What vetoes reject and keep on simulated fields with artefacts, cosmic rays and transients: `veto_trials`.

Fields of every telescope are written in the mission's format, read, searched, tested and vetted. `detection_origins`
finds by its photons what each detection is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.processes import process_pool
from xherald.plugins.scoring import DetectionBatch

from .detection_origins import SIGNIFICANT_P, TRANSIENTS, classify_detection, find_main_detections, match_origins

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources
    from xherald.photons.statistics.result import Timing
    from xherald.simulation.exposure import SimulatedExposure
    from xherald.simulation.field import FieldRequest

__all__ = ["COUNTED", "FIELDS", "VetoCount", "VetoTrials", "make_detection_batch", "veto_trials"]


POINTING: Final = ("flare_averaged", "flare_scan", "dip_averaged", "dip_scan", "longest_gap")
"""Tests that give a direction and an interval; the one with the smallest p is vetted."""

FIELDS: Final = 60
QUICK_FIELDS: Final = 2
"""Fields of each telescope."""

ARTEFACTS: Final[Mapping[str, Sequence[str]]] = {
    "chandra": (*["afterglow"] * 5, *["edge_source"] * 2, "truncated_burst"),
    "xmm": (*["hot_pixel"] * 2, *["flickering_pixel"] * 3, "truncated_burst"),
    "swift": (*["hot_pixel"] * 2, *["flickering_pixel"] * 3),
    "erosita": (*["hot_pixel"] * 2, *["flickering_pixel"] * 3),
    "ep": tuple(["flickering_pixel"] * 4),
}
"""Artefacts in every field of a mission. Fields of WXT also have cosmic rays, and every second field of the missions
in `FLARING` a background flare."""

COSMIC_RAYS: Final = 8
FLARING: Final = ("chandra", "xmm", "erosita")
SPARSE_MISSIONS: Final = ("ep", "swift")
"""Missions whose fields hold fewer sources."""

OF_MANY_SOURCES = ("many_candidates", "simultaneous")
"""Vetoes that judge the sources of an observation together."""

COUNTED: Final[Mapping[str, str]] = {
    "artefact": "rejected",
    "cosmic_ray": "rejected",
    "transient": "kept",
    "clean": "flagged",
}
"""What is counted in each group."""


class VetoCount(TypedDict):
    """Sources of one kind on one telescope ("" for all): `counted` of `trials`, with 95 % limits (Clopper–Pearson)."""

    group: str
    kind: str
    telescope: str
    what: str
    counted: int
    trials: int
    part: float
    low: float
    high: float


class VetoTrials(TypedDict):
    """The whole table, with what is needed to make it again."""

    seed: int
    fields: int
    significant_p: float
    rows: list[VetoCount]
    flags: dict[str, dict[str, int]]
    failures: list[str]


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One source: what it is, whether it was rejected, and by which flags."""

    group: str
    kind: str
    telescope: str
    rejected: bool
    flags: tuple[str, ...]


def veto_trials(
    seed: int, quick: bool = False, *, workers: int = 1, fields: int | None = None, telescopes: Iterable[str] = ("all",)
) -> VetoTrials:
    """Count what the vetoes reject and keep on simulated fields.

    Parameters
    ----------
    seed : int
    quick : bool
        Two fields of each telescope in place of sixty.
    workers : int
        Processes; the table is the same for any number of them.
    fields : int, optional
        Fields of each telescope.
    telescopes : iterable of str
        Telescopes or missions, "all" for every one.

    Returns
    -------
    VetoTrials
        Plain JSON values.

    Raises
    ------
    ConfigError
        Unknown telescope.
    """
    from xherald.simulation.field import telescopes_named

    names = list(dict.fromkeys(name for word in telescopes for name in telescopes_named(word)))
    many = fields or (QUICK_FIELDS if quick else FIELDS)
    jobs = [(seed, name, number) for number in range(many) for name in names]
    if workers > 1:
        with process_pool(workers) as pool:
            done = list(pool.map(_field_trial, jobs, chunksize=4))
    else:
        done = [_field_trial(job) for job in jobs]
    outcomes = [one for found, _ in done for one in found]
    failures = sorted({line for _, lines in done for line in lines})
    return {
        "seed": seed,
        "fields": many,
        "significant_p": SIGNIFICANT_P,
        "rows": _count_outcomes(outcomes),
        "flags": _flag_counts(outcomes),
        "failures": failures,
    }


def make_detection_batch(photons: ExtractedSources, timing: Timing) -> DetectionBatch:
    """Detections as the timing tests see them: the direction and interval of the best test that has both.

    Parameters
    ----------
    photons : ExtractedSources
    timing : Timing — of its batch
    """
    from xherald.photons.statistics.result import STEADY, Intervals

    tests = [test for test in timing.tests if test.name in POINTING]
    n = len(photons.batch)
    p = np.array([np.where(np.isfinite(test.p), test.p, np.inf) for test in tests]).reshape(len(tests), n)
    best, column = np.argmin(p, axis=0), np.arange(n)
    tested = np.isfinite(p[best, column])
    target_kind = np.array([test.target_kind for test in tests])

    def taken(name: str) -> F64:
        values: F64 = np.array([getattr(test.intervals, name) for test in tests]).reshape(len(tests), n)[best, column]
        return np.where(tested, values, np.nan)

    return DetectionBatch(
        batch=photons.batch,
        timing=timing,
        direction=np.where(tested, target_kind[best], STEADY).astype(np.int8),
        intervals=Intervals(*(taken(name) for name in ("start", "stop", "livetime", "counts", "expected"))),
        observation=photons.observation,
        apertures=photons.apertures,
        rows=photons.rows,
    )


def field_request(telescope: str, mission: str, number: int) -> FieldRequest:
    """What the field of a number holds."""
    from xherald.simulation.field import FieldRequest

    few = mission in SPARSE_MISSIONS
    kinds = list(ARTEFACTS[mission])
    if telescope == "ep-wxt":
        kinds += ["wxt_cosmic_ray"] * COSMIC_RAYS
    if number % 2 and mission in FLARING:
        kinds.append("background_flare")
    # Fields with few sources take the classes in turn.
    order = [TRANSIENTS[(number + k) % len(TRANSIENTS)] for k in range(4 if few else len(TRANSIENTS))]
    return FieldRequest(telescope=telescope, sources=4 if few else 12, transients=order, artefacts=kinds)


def _field_trial(job: tuple[int, str, int]) -> tuple[list[_Outcome], list[str]]:
    """Simulate, read, test and vet one field."""
    from xherald.detector.configuration.configuration import load_configuration
    from xherald.detector.extraction.extracted_sources import extract_sources
    from xherald.photons.statistics import TimingSettings, assess
    from xherald.simulation import write_exposure
    from xherald.simulation.field import simulate_field
    from xherald.simulation.random_streams import stream
    from xherald.simulation.telescopes import TELESCOPES

    seed, telescope, number = job
    own = int(stream(seed, "veto trials", telescope, number).integers(2**31))
    exposure = simulate_field(field_request(telescope, TELESCOPES[telescope].mission, number), seed=own)
    configuration = load_configuration(None, {})
    with tempfile.TemporaryDirectory() as folder:
        # Without its source list: pipelines list real sources, and it is what else is found that vetoes are for.
        written = write_exposure(exposure, Path(folder), compress=False, source_list=False)
        photons = extract_sources(written.events, configuration)
        assert photons.observation is not None
        timing = assess(photons.batch, TimingSettings(threads=1))
        detection_batch = make_detection_batch(photons, timing)
        outcomes = _outcomes(exposure, detection_batch, configuration) if len(detection_batch) else []
    return outcomes, [f"{one.name}: {one.reason}" for one in configuration.host.failures]


def _outcomes(
    exposure: SimulatedExposure, detection_batch: DetectionBatch, configuration: Configuration
) -> list[_Outcome]:
    from xherald.detector.scoring.veto_flags import apply_vetoes, rejected

    assert detection_batch.observation is not None
    assert detection_batch.rows is not None
    # These fields are crowded with what varies: vetoes of too many such sources would reject all of it.
    vetoes = {name: veto for name, veto in configuration.host.vetoes.items() if name not in OF_MANY_SOURCES}
    flags = apply_vetoes(detection_batch, vetoes, {}, configuration.host)
    gone = rejected(flags, len(detection_batch))
    origin = match_origins(exposure, detection_batch.observation)[detection_batch.rows]
    main = find_main_detections(exposure, detection_batch, origin)
    found = []
    for index in range(len(detection_batch)):
        names = tuple(one.name for one in flags if one.flags.raised[index])
        for group, kind in classify_detection(exposure, detection_batch, origin, main, index):
            found.append(_Outcome(group, kind, exposure.telescope.name, bool(gone[index]), names))
    return found


def _count_outcomes(outcomes: Sequence[_Outcome]) -> list[VetoCount]:
    """Rows by group; by kind; by kind and telescope."""
    views: tuple[Callable[[_Outcome], tuple[str, str, str]], ...] = (
        lambda one: (one.group, "", ""),
        lambda one: (one.group, one.kind, ""),
        lambda one: (one.group, one.kind, one.telescope),
    )
    rows = []
    for view in views:
        keys = [view(one) for one in outcomes]
        for key in sorted(set(keys)):
            these = [one for one, its in zip(outcomes, keys, strict=True) if its == key]
            rows.append(_row(key, these))
    return rows


def _row(key: tuple[str, str, str], outcomes: Sequence[_Outcome]) -> VetoCount:
    what = COUNTED[key[0]]
    trials, gone = len(outcomes), sum(one.rejected for one in outcomes)
    counted = trials - gone if what == "kept" else gone
    low, high = _limits(counted, trials)
    return {
        "group": key[0],
        "kind": key[1],
        "telescope": key[2],
        "what": what,
        "counted": counted,
        "trials": trials,
        "part": counted / trials,
        "low": low,
        "high": high,
    }


def _limits(counted: int, trials: int) -> tuple[float, float]:
    """95 % limits of a binomial part (Clopper & Pearson 1934, Biometrika 26, 404)."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, counted, trials - counted + 1)) if counted else 0.0
    high = float(beta.ppf(0.975, counted + 1, trials - counted)) if counted < trials else 1.0
    return low, high


def _flag_counts(outcomes: Sequence[_Outcome]) -> dict[str, dict[str, int]]:
    """How often each veto raised its flag, by group and kind."""
    counts: dict[str, dict[str, int]] = {}
    for one in outcomes:
        for name in one.flags:
            of = counts.setdefault(name, {})
            key = f"{one.group} {one.kind}"
            of[key] = of.get(key, 0) + 1
    return {name: dict(sorted(of.items())) for name, of in sorted(counts.items())}
