"""What the vetoes are worth: simulated fields with artefacts, cosmic rays and real transients in them: `veto_trials`.

A field of every telescope after the other is written as its mission would, read, searched, tested and vetted; which
photons of a detection came from what, the simulation knows. Of each significant detection the photons that make it so
say what it is: an artefact's, a source's at that place, or those of a brighter source that strayed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.processes import process_pool
from xherald.plugins.scoring import DetectionBatch

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources
    from xherald.photons import Observation
    from xherald.photons.statistics.result import Timing
    from xherald.simulation.exposure import SimulatedExposure
    from xherald.simulation.field import FieldRequest

__all__ = ["FIELDS", "GOALS", "SIGNIFICANT_P", "VetoCount", "VetoTrials", "make_detection_batch", "veto_trials"]


SIGNIFICANT_P: Final = 1e-3
"""Timing p-value at which a detection would come out as a candidate without vetoes."""

POINTING: Final = ("flare_averaged", "flare_scan", "dip_averaged", "dip_scan", "longest_gap")
"""Tests that name a direction and an interval; the one with the smallest p is the one that is vetted."""

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
"""What every field of a mission holds; WXT's hold cosmic rays besides, and background flares every second one of the
telescopes that have particles to flare."""

COSMIC_RAYS: Final = 8
FLARING: Final = ("chandra", "xmm", "erosita")
TRANSIENTS: Final = ("fast_transient", "stellar_flare", "magnetar_burst", "xray_burst", "eclipse", "dip", "qpe")
FEW: Final = ("ep", "swift")
"""Missions whose fields hold fewer sources."""

LEAST_PART: Final = 0.5
"""A detection is of an origin that sent this part of a flare's excess at least, or of a dip's photons."""

GOALS: Final[Mapping[str, tuple[str, float]]] = {
    "artefact": ("rejected", 0.95),
    "cosmic_ray": ("rejected", 0.985),
    "transient": ("kept", 0.985),
    "clean": ("flagged", 0.005),
}
"""What is counted of each group and the goal: at least, or for clean sources at most, this part. The figures of the
pipeline of Einstein Probe are 93 %, 98.2 %, 98.3 % and 0.75 %."""


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

    few = mission in FEW
    kinds = list(ARTEFACTS[mission])
    if telescope == "ep-wxt":
        kinds += ["wxt_cosmic_ray"] * COSMIC_RAYS
    if number % 2 and mission in FLARING:
        kinds.append("background_flare")
    # Every class has its turn where there is no room for all.
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
    flags = apply_vetoes(detection_batch, configuration.host.vetoes, {}, configuration.host)
    gone = rejected(flags, len(detection_batch))
    origin = _origins(exposure, detection_batch.observation)[detection_batch.rows]
    main = _main_sources(exposure, detection_batch, origin)
    found = []
    for index in range(len(detection_batch)):
        told = tuple(one.name for one in flags if one.flags.raised[index])
        for group, kind in _groups(exposure, detection_batch, origin, main, index):
            found.append(_Outcome(group, kind, exposure.telescope.name, bool(gone[index]), told))
    return found


def _origins(exposure: SimulatedExposure, observation: Observation) -> I64:
    """Origin of each event that was read, found again by its time and pixel; −1, background, where that fails."""
    pixels = observation.event_pixels
    assert pixels is not None
    events = exposure.events

    def keys(time: F64, x: NDArray[np.integer], y: NDArray[np.integer]) -> I64:
        milliseconds = np.round((time - exposure.observing.start) * 1e3).astype(np.int64)
        return (milliseconds << 28) + ((x.astype(np.int64) + 1024) << 14) + y.astype(np.int64) + 1024

    best = np.full(len(pixels), -1, dtype=np.int64)
    most = -1
    for first in (0, 1):  # missions count pixels from 0 or from 1
        known = keys(events.time, events.chip_x - 1 + first, events.chip_y - 1 + first)
        order = np.argsort(known, kind="stable")
        sought = keys(observation.events.time, pixels[:, 0], pixels[:, 1])
        place = np.clip(np.searchsorted(known[order], sought), 0, len(known) - 1)
        same = known[order][place] == sought
        if np.count_nonzero(same) > most:
            most = int(np.count_nonzero(same))
            best = np.where(same, events.origin[order][place], -1).astype(np.int64)
    return best


def _main_sources(exposure: SimulatedExposure, detection_batch: DetectionBatch, origin: I64) -> dict[int, int]:
    """The detection that holds the most photons of each source."""
    source = np.repeat(np.arange(len(detection_batch)), detection_batch.batch.counts)
    main = {}
    for number in range(len(exposure.sources)):
        own = np.bincount(source[origin == number], minlength=len(detection_batch))
        if own.any():
            main[number] = int(np.argmax(own))
    return main


def _groups(
    exposure: SimulatedExposure, detection_batch: DetectionBatch, origin: I64, main: Mapping[int, int], index: int
) -> list[tuple[str, str]]:
    """Group and kind of a detection; none where it is nothing that is counted."""
    from xherald.photons.statistics.result import FLARE

    artefacts = {_whole(one["origin"]): str(one["kind"]) for one in exposure.artefacts if "source" not in one}
    composed = {str(one["source"]): str(one["kind"]) for one in exposure.artefacts if "source" in one}
    offsets, intervals = detection_batch.batch.offsets, detection_batch.intervals
    photons = slice(offsets[index], offsets[index + 1])
    own, time = origin[photons], detection_batch.batch.time[photons]
    here = [number for number, detection in main.items() if detection == index]
    found = []
    if not np.isin(own, list(artefacts)).any() and any(_is_clean(exposure, one, composed) for one in here):
        found.append(("clean", "constant"))
    if not detection_batch.timing.p_value[index] < SIGNIFICANT_P:
        return found
    if detection_batch.direction[index] == FLARE:
        told = own[(time >= intervals.start[index]) & (time <= intervals.stop[index])]
        least = LEAST_PART * max(len(told) - intervals.expected[index], 1.0)
    else:
        told, least = own, LEAST_PART * len(own)
    numbers, counts = np.unique(told[(told >= 0) | np.isin(told, list(artefacts))], return_counts=True)
    if not len(numbers) or counts.max() < least:
        return found
    top = int(numbers[np.argmax(counts)])
    if top in artefacts:
        kind = artefacts[top]
        found.append(("cosmic_ray" if kind == "wxt_cosmic_ray" else "artefact", kind))
    elif _far(exposure, detection_batch, top, index):
        found.append(("artefact", "stray"))
    elif top in here:
        found += _of_source(exposure, detection_batch, top, index, composed)
    return found


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value


def _is_clean(exposure: SimulatedExposure, number: int, composed: Mapping[str, str]) -> bool:
    source = exposure.sources[number]
    return source.model.kind == "constant" and source.name not in composed


def _far(exposure: SimulatedExposure, detection_batch: DetectionBatch, number: int, index: int) -> bool:
    """Whether a source lies outside the aperture, by more than pointings differ from snapshot to snapshot."""
    from xherald.photons.projection import separation_deg

    source, aperture = exposure.sources[number], detection_batch.apertures[index]
    apart = float(separation_deg(aperture.ra, aperture.dec, source.ra, source.dec)) * 3600
    return apart > 1.5 * aperture.region.extent


def _of_source(
    exposure: SimulatedExposure, detection_batch: DetectionBatch, number: int, index: int, composed: Mapping[str, str]
) -> list[tuple[str, str]]:
    """A transient whose event the interval meets, or an artefact that is a matter of where a source is."""
    source, intervals = exposure.sources[number], detection_batch.intervals
    kind = composed.get(source.name, source.model.kind)
    if kind == "edge_source":
        return [("artefact", kind)]
    event = source.model.interval
    if event is None or kind not in (*TRANSIENTS, "truncated_burst"):
        return []
    start, stop = (exposure.observing.start + edge for edge in event)
    meets = intervals.start[index] <= stop and intervals.stop[index] >= start
    # Eruptions and eclipses come again: the truth names one of them.
    return [("transient", kind)] if meets or kind in ("qpe", "eclipse", "dip") else []


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
    what = GOALS[key[0]][0]
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
    """How often each veto spoke, by group and kind."""
    counts: dict[str, dict[str, int]] = {}
    for one in outcomes:
        for name in one.flags:
            of = counts.setdefault(name, {})
            key = f"{one.group} {one.kind}"
            of[key] = of.get(key, 0) + 1
    return {name: dict(sorted(of.items())) for name, of in sorted(counts.items())}
