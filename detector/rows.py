"""What is told of a source: one row a source, in JSON's own types, built from a scan's flat arrays.

`COLUMNS` says the same once more for flat tables: name, unit and meaning (UCD) of every column, where its value stands
in the row, and its description; writers and the documentation read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from xherald.photons.statistics.result import DIP, FLARE, STEADY, Intervals, Timing

if TYPE_CHECKING:
    from xherald.detector.scan import Scan
    from xherald.photons import EventBatch

__all__ = [
    "COLUMNS",
    "Column",
    "Interval",
    "SourceRow",
    "Value68",
    "flat_columns",
    "significance",
    "source_rows",
    "value_at",
]

Kind = Literal["flare", "dip", "steady"]
KINDS: dict[int, Kind] = {FLARE: "flare", DIP: "dip", STEADY: "steady"}


class Interval(TypedDict):
    """A stretch of time: what the verdict points at, or the peak; `livetime_s` is the good time inside, gaps closed."""

    start_utc: str | None
    stop_utc: str | None
    start_s: float
    stop_s: float
    duration_s: float
    livetime_s: float | None
    counts: float | None
    expected: float | None


class Value68(TypedDict):
    """A value with the interval that holds 68 % of the probability."""

    value: float
    low: float | None
    high: float | None


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
    background_counts: float
    background_error: float
    livetime_s: float
    p_value: float | None
    kind: Kind
    interval: Interval | None
    peak: Interval | None
    tests: dict[str, float | None]
    best_test: str | None
    variability_index: int | None
    log10_odds: float | None
    hardness: dict[str, Value68 | None]
    flags: list[str]
    aperture_origin: str
    aperture_radius_arcsec: float | None
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
    Column("p_value", "p_value", float, "", "stat.probability", "chance that it is steady, all trials counted"),
    Column("kind", "kind", str, "", "meta.code.class;src.var", "flare, dip or steady"),
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


def significance(row: SourceRow) -> tuple[bool, float]:
    """Sorting key: flares and dips before steady sources, then by p-value, untested ones last."""
    p = row["p_value"]
    return row["kind"] == "steady", 2.0 if p is None else p


def flat_columns(tests: Sequence[str]) -> tuple[Column, ...]:
    """`COLUMNS` with one more for each test's p-value, after the interval."""
    place = next(i for i, column in enumerate(COLUMNS) if column.name == "variability_index")
    extra = tuple(Column(f"p_{t}", f"tests.{t}", float, "", "stat.probability", f"p-value of test {t}") for t in tests)
    return COLUMNS[:place] + extra + COLUMNS[place:]


def value_at(row: SourceRow, path: str) -> Any:
    """Value of a column in a row; None where any step of the path is None."""
    return reduce(lambda place, key: None if place is None else place.get(key), path.split("."), row)  # type: ignore[arg-type,return-value]


def _columns(scan: Scan) -> dict[str, list[Any]]:
    batch, timing = scan.photons.batch, scan.timing
    n, identities = len(batch), batch.identities
    background = np.diff(batch.background_offsets)
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
        "background_counts": batch.background_counts.tolist(),
        "background_error": (np.sqrt(background + 0.5) * batch.area_ratio).tolist(),
        "livetime_s": batch.livetime.tolist(),
        "p_value": _known(timing.p_value),
        "kind": [KINDS[code] for code in timing.kind.tolist()],
        "interval": _intervals(batch, timing.intervals),
        "peak": _intervals(batch, timing.peak),
        "tests": _by_name({test.name: _known(test.p) for test in timing.tests}, n),
        "best_test": [timing.tests[index].name if index >= 0 else None for index in timing.best.tolist()],
        "variability_index": [index if index >= 0 else None for index in timing.variability_index.tolist()],
        "log10_odds": _known(timing.log10_odds),
        "hardness": _hardness(timing),
        "flags": [list(one.flags) for one in identities],
        "aperture_origin": [one.origin for one in scan.photons.apertures] or ["photon table"] * n,
        "aperture_radius_arcsec": [one.region.extent for one in scan.photons.apertures] or [None] * n,
        "xherald": [version("xherald")] * n,
    }


def _known(array: NDArray[np.float64]) -> list[float | None]:
    """Values as Python numbers, None for what is not finite: JSON has no NaN, and nobody wants one."""
    return [value if known else None for value, known in zip(array.tolist(), np.isfinite(array).tolist(), strict=True)]


def _by_name(columns: dict[str, list[Any]], n: int) -> list[dict[str, Any]]:
    """Rows of a nested object from its columns."""
    if not columns:
        return [{} for _ in range(n)]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _intervals(batch: EventBatch, found: Intervals) -> list[Interval | None]:
    rows = _by_name(
        {
            "start_utc": _utc(batch, found.start),
            "stop_utc": _utc(batch, found.stop),
            "start_s": _known(found.start),
            "stop_s": _known(found.stop),
            "duration_s": _known(found.stop - found.start),
            "livetime_s": _known(found.livetime),
            "counts": _known(found.counts),
            "expected": _known(found.expected),
        },
        len(batch),
    )
    pointed = np.isfinite(found.stop - found.start).tolist()
    told: Iterable[Any] = (row if known else None for row, known in zip(rows, pointed, strict=True))
    return list(told)


def _utc(batch: EventBatch, seconds: NDArray[np.float64]) -> list[str | None]:
    """UTC dates to the millisecond, one astropy call a time reference rather than one a source."""
    dates: list[str | None] = [None] * len(batch)
    references = [one.time_reference for one in batch.identities]
    for reference in set(references) - {None}:
        chosen = np.flatnonzero(np.array([one == reference for one in references]) & np.isfinite(seconds))
        if reference is None or not chosen.size:
            continue
        time = reference.to_time(seconds[chosen]).utc
        time.precision = 3
        for index, date in zip(chosen.tolist(), time.isot.tolist(), strict=True):
            dates[index] = f"{date}Z"
    return dates


def _hardness(timing: Timing) -> list[dict[str, Value68 | None]]:
    ratio = timing.hardness
    columns: dict[str, list[Any]] = {}
    for place, when in enumerate(("before", "inside", "after")):
        parts = {"value": ratio.value[:, place], "low": ratio.low[:, place], "high": ratio.high[:, place]}
        rows = _by_name({name: _known(part) for name, part in parts.items()}, len(timing.p_value))
        columns[when] = [row if row["value"] is not None else None for row in rows]
    return _by_name(columns, len(timing.p_value))
