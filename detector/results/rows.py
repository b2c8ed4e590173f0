"""What is told of a source: one row a source, in JSON's own types, built from a scan's flat arrays.

`COLUMNS` says the same once more for flat tables: name, unit and meaning (UCD) of every column, where its value stands
in the row, and its description; writers and the documentation read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from xherald.detector.candidates.evidence import (
    KINDS,
    Evidence,
    Kind,
    SimilarTransient,
    classes_to_json,
    evidence_of,
    similar_transients,
)
from xherald.detector.scoring.veto_flags import RaisedFlag, flag_rows
from xherald.photons.statistics.result import STEADY, Hardness, Intervals, TestColumns, Timing

from .json_columns import Interval, Value68, by_name, intervals_to_json, nan_to_none, values_to_json
from .version import code_version

if TYPE_CHECKING:
    from xherald.detector.scan import Scan
    from xherald.detector.scoring.detections import Detections
    from xherald.photons import EventBatch

__all__ = [
    "COLUMNS",
    "Column",
    "SourceRow",
    "flat_columns",
    "significance",
    "source_rows",
    "value_at",
]


class SourceRow(TypedDict):
    """One source of one observation; None stands where nothing is known."""

    file: str
    mission: str
    instrument: str
    obs_id: str
    detection_id: str
    ra: float | None
    dec: float | None
    pos_err_arcsec: float | None
    off_axis_arcmin: float | None
    counts: int
    background_counts: float | None
    background_error: float | None
    livetime_s: float
    candidate: bool
    candidate_id: str | None
    kind: Kind
    false_alarm_probability: float | None
    expected_false_alarms_per_1000: float | None
    far_hz: float | None
    p_astro: float | None
    score: float | None
    likely_class: str | None
    class_probabilities: dict[str, float]
    similar_to: list[SimilarTransient]
    vetoes: list[RaisedFlag]
    interval: Interval | None
    peak: Interval | None
    p_value: float | None
    tests: dict[str, float | None]
    best_test: str | None
    variability_index: int | None
    log10_odds: float | None
    hardness: dict[str, Value68 | None]
    flags: list[str]
    aperture_origin: str
    aperture_radius_arcsec: float | None
    evidence: Evidence | None
    xherald: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of flat tables: where its value stands in a row, its numpy kind, unit, UCD and description."""

    name: str
    path: str
    kind: type
    unit: str
    ucd: str
    description: str


COLUMNS = (
    Column("file", "file", str, "", "meta.file", "event file"),
    Column("mission", "mission", str, "", "meta.id;instr.obsty", "mission as the file names it"),
    Column("instrument", "instrument", str, "", "meta.id;instr", "instrument as the file names it"),
    Column("obs_id", "obs_id", str, "", "meta.id;obs", "observation"),
    Column("detection_id", "detection_id", str, "", "meta.id;src", "source within the observation"),
    Column("ra", "ra", float, "deg", "pos.eq.ra;meta.main", "right ascension, ICRS"),
    Column("dec", "dec", float, "deg", "pos.eq.dec;meta.main", "declination, ICRS"),
    Column("pos_err", "pos_err_arcsec", float, "arcsec", "stat.error.sys;pos.eq", "68 % radius with the astrometry's"),
    Column("off_axis", "off_axis_arcmin", float, "arcmin", "pos.angDistance;instr.fov", "angle from the pointing"),
    Column("counts", "counts", int, "ct", "phot.count;em.X-ray", "photons in the aperture"),
    Column("background_counts", "background_counts", float, "ct", "instr.background", "background expected among them"),
    Column("background_error", "background_error", float, "ct", "stat.error;instr.background", "its 68 % error"),
    Column("livetime", "livetime_s", float, "s", "time.duration;obs.exposure", "good time less dead time"),
    Column("candidate", "candidate", bool, "", "meta.code.status", "whether it is a candidate"),
    Column("candidate_id", "candidate_id", str, "", "meta.id", "id of the candidate"),
    Column("kind", "kind", str, "", "meta.code.class;src.var", "flare, dip or steady"),
    Column(
        "false_alarm_probability",
        "false_alarm_probability",
        float,
        "",
        "stat.probability",
        "chance that a source like it that does not vary comes out so high",
    ),
    Column(
        "expected_false_alarms_per_1000",
        "expected_false_alarms_per_1000",
        float,
        "",
        "stat.mean",
        "false alarms so high among 1,000 sources",
    ),
    Column("far", "far_hz", float, "Hz", "stat.mean;arith.rate", "rate of such false alarms in the stream"),
    Column(
        "p_astro", "p_astro", float, "", "stat.probability;src.var", "chance that it varies, given how often they do"
    ),
    Column("score", "score", float, "", "stat.fit.goodness", "combined score"),
    Column("class", "likely_class", str, "", "src.class", "likeliest class, given that it varies"),
    Column("similar_to", "similar_to.0.name", str, "", "meta.id.cross", "nearest bona-fide transient"),
    Column("similar_distance", "similar_to.0.distance", float, "", "arith.diff", "its distance in feature space"),
    Column("vetoes", "vetoes.*.veto", str, "", "meta.code.qual", "what else could have made it, separated by ;"),
    Column("start_utc", "interval.start_utc", str, "", "time.start", "start of the interval, UTC"),
    Column("stop_utc", "interval.stop_utc", str, "", "time.end", "end of the interval, UTC"),
    Column("start", "interval.start_s", float, "s", "time.start", "start of the interval, mission seconds"),
    Column("stop", "interval.stop_s", float, "s", "time.end", "end of the interval, mission seconds"),
    Column("duration", "interval.duration_s", float, "s", "time.duration", "stop less start, gaps included"),
    Column("interval_livetime", "interval.livetime_s", float, "s", "time.duration", "good time in the interval"),
    Column("interval_counts", "interval.counts", float, "ct", "phot.count", "photons in the interval"),
    Column("interval_expected", "interval.expected", float, "ct", "phot.count;stat.mean", "expected if steady"),
    Column("peak_start_utc", "peak.start_utc", str, "", "time.start", "start of the brightest Bayesian block, UTC"),
    Column("peak_duration", "peak.duration_s", float, "s", "time.duration", "its length"),
    Column("peak_counts", "peak.counts", float, "ct", "phot.count", "photons in it"),
    Column("p_value", "p_value", float, "", "stat.probability", "chance of the timing tests alone, all trials counted"),
    Column("best_test", "best_test", str, "", "meta.id", "test that the interval comes from"),
    Column("variability_index", "variability_index", int, "", "src.var.index", "Gregory-Loredo index, 0 to 10"),
    Column("log10_odds", "log10_odds", float, "", "stat.likelihood;src.var", "log10 odds of a variable source"),
    *(
        Column(f"hardness_{when}{end}", f"hardness.{when}.{part}", float, "", ucd, f"hardness {when} interval{what}")
        for when in ("before", "inside", "after")
        for end, part, ucd, what in (
            ("", "value", "phot.color;em.X-ray", ""),
            ("_low", "low", "stat.min;phot.color", ", 68 % from"),
            ("_high", "high", "stat.max;phot.color", ", 68 % to"),
        )
    ),
    Column("flags", "flags", str, "", "meta.code", "what to know of it, separated by ;"),
    Column("aperture_origin", "aperture_origin", str, "", "meta.note", "how the source was found"),
    Column(
        "aperture_radius",
        "aperture_radius_arcsec",
        float,
        "arcsec",
        "phys.angSize",
        "its farthest edge from the centre",
    ),
    Column("xherald", "xherald", str, "", "meta.version;meta.software", "version of the code"),
)


def source_rows(scan: Scan) -> list[SourceRow]:
    """Rows of one scanned file, in the order of its batch.

    The loop only puts finished columns together; nothing is computed a source at a time.
    """
    columns = _columns(scan)
    keys = tuple(columns)
    rows: list[Any] = [dict(zip(keys, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return rows


def significance(row: SourceRow) -> tuple[int, float, float]:
    """Sorting key: candidates, then other flares and dips, then the rest, each by the chance of a false alarm.

    What ties there is told apart by the timing tests; untested sources come last.
    """
    chance, p = row["false_alarm_probability"], row["p_value"]
    late = 2.0 if p is None else p
    return 0 if row["candidate"] else 1 if row["kind"] != "steady" else 2, late if chance is None else chance, late


def flat_columns(tests: Sequence[str]) -> tuple[Column, ...]:
    """`COLUMNS` with one more for each test's p-value, after the interval."""
    place = next(i for i, column in enumerate(COLUMNS) if column.name == "variability_index")
    extra = tuple(Column(f"p_{t}", f"tests.{t}", float, "", "stat.probability", f"p-value of test {t}") for t in tests)
    return COLUMNS[:place] + extra + COLUMNS[place:]


def value_at(row: SourceRow, path: str) -> Any:
    """Value of a column in a row; None where any step of the path is None.

    Steps are keys, or places in a list; ``*`` gives the rest of the path in every element of a list.
    """
    place: Any = row
    steps = path.split(".")
    for number, step in enumerate(steps):
        if place is None:
            return None
        if step == "*":
            return [value_at(one, ".".join(steps[number + 1 :])) for one in place]
        place = dict(enumerate(place)).get(int(step)) if isinstance(place, list) else place.get(step)
    return place


def _columns(scan: Scan) -> dict[str, list[Any]]:
    batch, timing, detections = scan.photons.batch, scan.timing, scan.detections
    n, identities, detection_batch = len(batch), batch.identities, detections.detection_batch
    around = np.where(batch.area_ratio > 0, np.diff(batch.background_offsets), np.nan)
    kind = np.where(detections.significant, detection_batch.direction, STEADY)
    return {
        "file": [str(scan.photons.path)] * n,
        "mission": [one.mission for one in identities],
        "instrument": [one.instrument for one in identities],
        "obs_id": [one.obs_id for one in identities],
        "detection_id": [one.detection_id for one in identities],
        "ra": [one.ra for one in identities],
        "dec": [one.dec for one in identities],
        "pos_err_arcsec": [one.pos_err_arcsec for one in identities],
        "off_axis_arcmin": [one.off_axis_arcmin for one in identities],
        "counts": batch.counts.tolist(),
        "background_counts": nan_to_none(around * batch.area_ratio),
        "background_error": nan_to_none(np.sqrt(around + 0.5) * batch.area_ratio),
        "livetime_s": batch.livetime.tolist(),
        **_verdict(detections),
        "kind": [KINDS[code] for code in kind.tolist()],
        "interval": intervals_to_json(batch, detection_batch.intervals),
        "peak": intervals_to_json(batch, timing.peak),
        "p_value": nan_to_none(timing.p_value),
        "tests": by_name({test.name: nan_to_none(test.p) for test in timing.tests}, n),
        "best_test": _best_tests(timing, detection_batch.intervals),
        "variability_index": [index if index >= 0 else None for index in timing.variability_index.tolist()],
        "log10_odds": nan_to_none(timing.log10_odds),
        "hardness": _hardness(_hardness_at(batch, timing, detection_batch.intervals)),
        "flags": [list(one.flags) for one in identities],
        "aperture_origin": [one.origin for one in scan.photons.apertures] or ["photon table"] * n,
        "aperture_radius_arcsec": [one.region.extent for one in scan.photons.apertures] or [None] * n,
        "xherald": [code_version()] * n,
    }


def _verdict(detections: Detections) -> dict[str, list[Any]]:
    """What the calibrated verdict says of every source."""
    n = len(detections)
    every = np.arange(n)
    classes = classes_to_json(detections, every)
    evidence = _evidence(detections)
    return {
        "candidate": detections.candidate.tolist(),
        "candidate_id": [one["candidate_id"] if one else None for one in evidence],
        "false_alarm_probability": nan_to_none(detections.false_alarm_probability),
        "expected_false_alarms_per_1000": nan_to_none(1e3 * detections.false_alarm_probability),
        "far_hz": nan_to_none(detections.far_hz),
        "p_astro": nan_to_none(detections.p_astro),
        "score": nan_to_none(detections.score),
        "likely_class": [next(iter(one), None) for one in classes],
        "class_probabilities": classes,
        "similar_to": similar_transients(detections, every),
        "vetoes": [flag_rows(detections.vetoes, index) for index in range(n)],
        "evidence": evidence,
    }


def _evidence(detections: Detections) -> list[Evidence | None]:
    """Evidence of the candidates, None for all others."""
    out: list[Evidence | None] = [None] * len(detections)
    chosen = np.flatnonzero(detections.candidate)
    for index, evidence in zip(chosen.tolist(), evidence_of(detections, chosen), strict=True):
        out[index] = evidence
    return out


def _best_tests(timing: Timing, intervals: Intervals) -> list[str | None]:
    """The most significant test that points at just that interval; None where no test does."""
    if not timing.tests:
        return [None] * len(timing.p_value)

    def chance(test: TestColumns) -> NDArray[np.float64]:
        same = (test.intervals.start == intervals.start) & (test.intervals.stop == intervals.stop)
        return np.where(same & np.isfinite(test.p), test.p, np.inf)

    chances = np.array([chance(test) for test in timing.tests])
    best, found = np.argmin(chances, axis=0).tolist(), np.isfinite(chances.min(axis=0)).tolist()
    return [timing.tests[index].name if there else None for index, there in zip(best, found, strict=True)]


def _hardness_at(batch: EventBatch, timing: Timing, intervals: Intervals) -> Hardness:
    """Hardness about the given intervals, worked out anew only where they are not the timing tests' own."""
    from xherald.photons.statistics.intervals import interval_hardness

    own = timing.intervals
    other = np.flatnonzero(
        np.isfinite(intervals.start) & ((intervals.start != own.start) | (intervals.stop != own.stop))
    )
    if not other.size:
        return timing.hardness
    fields = (intervals.start, intervals.stop, intervals.livetime, intervals.counts, intervals.expected)
    anew = interval_hardness(batch.select(other), Intervals(*(field[other] for field in fields)))
    parts = [part.copy() for part in (timing.hardness.value, timing.hardness.low, timing.hardness.high)]
    for part, values in zip(parts, (anew.value, anew.low, anew.high), strict=True):
        part[other] = values
    return Hardness(*parts)


def _hardness(ratio: Hardness) -> list[dict[str, Value68 | None]]:
    columns = {
        when: values_to_json(ratio.value[:, place], ratio.low[:, place], ratio.high[:, place])
        for place, when in enumerate(("before", "inside", "after"))
    }
    return by_name(columns, len(ratio.value))
