"""Every surface that shows results has the names, types and units of the schema, and no others."""

from __future__ import annotations

import json
import types
import typing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io import fits
from astropy.io.votable import parse_single_table
from astropy.io.votable.ucd import parse_ucd
from astropy.table import QTable, Table
from astropy.time import Time
from handmade_detections import detections_of, scan_of, table_of
from lxml import etree
from paths import ROOT
from variable_sources import simulated_source

from xherald.catalog_store.ledger import tables as store_tables
from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, StoredCandidate
from xherald.catalog_store.ledger.states import CandidateState
from xherald.daemon.alerts.payload import alert_of, facts_of
from xherald.detector.candidates.evidence import make_evidence
from xherald.detector.results import candidate_table, row_types, schema_markdown, writers
from xherald.detector.results.row_types import DetectionRow, Evidence
from xherald.detector.results.rows import make_rows
from xherald.detector.results.schema import (
    ALERT_FIELDS,
    COLUMNS,
    EVIDENCE_FIELDS,
    ROW_FIELDS,
    STORE_FIELDS,
    Field,
    all_fields,
    get_field,
)
from xherald.detector.results.tables import to_qtable
from xherald.photons import EventBatch
from xherald.photons.probabilities import format_probability
from xherald.photons.statistics import TESTS
from xherald.plugins.alerts import Facts
from xherald.plugins.sinks.alert_text import text
from xherald.plugins.sinks.voevent_packet import PARAMETERS, voevent

NAMES = {one.name for one in all_fields()}
ROW_NAMES = [one.name for one in ROW_FIELDS if not one.path or one.path.startswith(one.name)]
"""Keys of a JSON row; columns taken from inside another key have a path."""

EVIDENCE_NAMES = [
    *row_types.SharedFields.__annotations__,
    "candidate_id",
    "kind",
    *(one.name for one in EVIDENCE_FIELDS),
]

SUFFIXES = {
    "_deg": "deg", "_arcsec": "arcsec", "_arcmin": "arcmin", "_ct_s": "ct / s", "_s": "s", "_hz": "Hz", "_kev": "keV",
    "_counts": "ct", "_counts_low": "ct", "_counts_high": "ct", "_counts_error": "ct",
    "_erg_cm2_s": "erg / (cm2 s)", "_cm2": "cm-2",
}  # fmt: skip

PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "utc": (str,), "int": (int,), "float": (float, int), "bool": (bool,),
}  # fmt: skip

BURST = (7_000.0, 7_400.0, 0.2)


@pytest.fixture(scope="module")
def rows() -> list[DetectionRow]:
    lists = [simulated_source("flare", 1, 0.004, BURST), simulated_source("steady", 2, 0.01)]
    lists.append(simulated_source("undated", 5, 0.004, BURST, dated=False))
    return make_rows(scan_of(table_of(EventBatch.from_lists(lists))))


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    source = simulated_source("flare", 1, 0.004, BURST)
    (one,) = make_evidence(detections_of(table_of(EventBatch.from_lists([source]))), [0])
    return one


def stored(evidence: Evidence) -> StoredCandidate:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    values: dict[str, Any] = dict.fromkeys(StoredCandidate.__dataclass_fields__)
    shared = {name: value for name, value in evidence.items() if name in values}
    return StoredCandidate(
        **{
            **values,
            **shared,
            "id": evidence["candidate_id"],
            "state": CandidateState.STANDING,
            "created": now,
            "updated": now,
            "evidence": evidence,
            "observation_id": 1,
            "drop_id": 1,
            "url": "/drop/a.fits",
        }
    )


# The schema itself


def test_every_quantity_is_declared_once() -> None:
    declared = [one.name for one in all_fields()]
    assert len(declared) == len(set(declared))


@pytest.mark.parametrize("one", tuple(all_fields()), ids=lambda one: one.name)
def test_fields_have_units_ucds_and_descriptions(one: Field) -> None:
    units.Unit(one.unit)
    parse_ucd(one.ucd, check_controlled_vocabulary=True, has_colon=False)
    assert one.description
    assert one.description.isascii()
    suffix = next((end for end in sorted(SUFFIXES, key=len, reverse=True) if one.name.endswith(end)), None)
    if suffix is not None and one.name != "counts":
        assert one.unit == SUFFIXES[suffix]
    assert not (one.unit and suffix is None and one.name != "counts"), "a unit without its suffix"
    assert one.dtype != "utc" or one.name.endswith("_utc")


def test_every_timing_test_has_its_column() -> None:
    columns = [one.name for one in COLUMNS if one.description.startswith("p-value of the timing test ")]
    assert columns == [f"p_{name}" for name, _ in TESTS]


# Rows and evidence


UNIONS = (types.UnionType, typing.Union)


def plain_type(annotation: Any) -> tuple[tuple[Any, ...], bool]:
    """Types of an annotation without None, and whether None is allowed."""
    parts = typing.get_args(annotation) if typing.get_origin(annotation) in UNIONS else (annotation,)
    return tuple(part for part in parts if part is not type(None)), type(None) in parts


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (DetectionRow, ROW_NAMES),
        (Evidence, EVIDENCE_NAMES),
    ],
    ids=["DetectionRow", "Evidence"],
)
def test_typed_rows_are_those_of_the_schema(kind: Any, names: list[str]) -> None:
    hints = typing.get_type_hints(kind, localns=_types_of_rows())
    assert set(hints) == set(names)
    for name, annotation in hints.items():
        (plain, *_), _ = plain_type(annotation)
        one = get_field(name)
        if one.dtype in PYTHON_TYPES and not one.path and name not in ("flags", "class_set"):
            base = str if typing.get_origin(plain) is typing.Literal else plain
            assert base in PYTHON_TYPES[one.dtype], name


def _types_of_rows() -> dict[str, Any]:
    from xherald.detector.candidates.position_history import History
    from xherald.detector.scoring.veto_flags import RaisedFlag

    return {"History": History, "RaisedFlag": RaisedFlag}


def test_rows_have_the_names_and_types_of_the_schema(rows: list[DetectionRow]) -> None:
    for row in rows:
        assert set(row) == set(ROW_NAMES)
        check_values(row)


def test_evidence_has_the_names_and_types_of_the_schema(evidence: Evidence, rows: list[DetectionRow]) -> None:
    assert set(evidence) <= NAMES
    check_values(evidence)
    flare = rows[0]["evidence"]
    assert flare is not None
    shared = set(flare) & set(rows[0])
    assert len(shared) > 40
    assert {name: flare[name] for name in shared} == {name: rows[0][name] for name in shared}  # type: ignore[literal-required]


def check_values(record: Any) -> None:
    for name, value in record.items():
        one = get_field(name)
        if value is None or one.dtype == "object" or one.path or isinstance(value, list):
            continue
        assert isinstance(value, PYTHON_TYPES[one.dtype]), name
        if one.dtype == "utc":
            assert value.endswith("Z")


# Tables


def test_qtable_has_the_columns_of_the_schema(rows: list[DetectionRow]) -> None:
    check_qtable(to_qtable(rows), COLUMNS)


def check_qtable(table: QTable, fields: typing.Sequence[Field]) -> None:
    assert table.colnames == [one.name for one in fields]
    for one in fields:
        column = table[one.name]
        assert (column.info.description, column.info.meta["ucd"]) == (one.description, one.ucd)
        assert (column.unit if one.unit else None) == (units.Unit(one.unit) if one.unit else None), one.name
        assert isinstance(column, Time) == (one.dtype == "utc"), one.name
        if one.dtype in ("int", "float", "bool"):
            kind = np.asarray(column.value if one.unit else column).dtype.kind
            assert kind == one.dtype[0], one.name


@pytest.mark.parametrize("suffix", writers.WRITERS)
def test_files_have_the_columns_and_units_of_the_schema(rows: list[DetectionRow], tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"rows{suffix}"
    writers.write(rows, target)
    names = [one.name for one in COLUMNS]
    if suffix == ".jsonl":
        assert [set(json.loads(line)) for line in target.read_text().splitlines()] == 3 * [set(ROW_NAMES)]
        return
    read = {".csv": read_csv, ".ecsv": read_ecsv, ".fits": read_fits, ".parquet": read_parquet}.get(
        suffix, read_votable
    )
    found = read(target)
    assert list(found) == names
    for one in COLUMNS:
        unit, ucd, description = found[one.name]
        if suffix != ".csv":
            assert (units.Unit(unit or ""), ucd, description) == (units.Unit(one.unit), one.ucd, one.description)


About = dict[str, tuple[str | None, str | None, str | None]]


def read_csv(path: Path) -> About:
    return dict.fromkeys(Table.read(path).colnames, (None, None, None))


def read_ecsv(path: Path) -> About:
    table = Table.read(path)
    return {
        name: (str(table[name].unit or ""), table[name].meta["ucd"], table[name].description) for name in table.colnames
    }


def read_fits(path: Path) -> About:
    header = fits.getheader(path, "SOURCES")
    return {
        header[f"TTYPE{n}"]: (header.get(f"TUNIT{n}"), header[f"TUCD{n}"], header[f"TCOMM{n}"])
        for n in range(1, header["TFIELDS"] + 1)
    }


def read_votable(path: Path) -> About:
    fields = parse_single_table(path).fields
    return {one.name: (str(one.unit or ""), one.ucd, " ".join(one.description.split())) for one in fields}


def read_parquet(path: Path) -> About:
    schema = pq.read_schema(path)
    for one in COLUMNS:
        expected = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
        assert schema.field(one.name).type == expected.get(one.dtype, pa.timestamp("ms", tz="UTC"))
    return {
        one.name: tuple(one.metadata[key].decode() for key in (b"unit", b"ucd", b"description"))  # type: ignore[misc]
        for one in schema
    }


# Store, exports, alerts, documents


@pytest.mark.parametrize("table", [store_tables.detections, store_tables.candidates], ids=lambda table: table.name)
def test_store_columns_are_those_of_the_schema(table: Any) -> None:
    own = {"id", "observation_id", "run_id", "detection_index", "detection_number", "number", "healpix", "details"}
    own |= {"muted"}
    own |= {"created", "updated"}  # instants, which exports call created_utc and updated_utc
    kinds = {"float": "DOUBLE", "int": "BIGINT", "str": ("TEXT", "VARCHAR"), "bool": "BOOLEAN", "object": "JSON"}
    for column in table.columns:
        if column.name not in own:
            assert str(column.type).startswith(kinds[get_field(column.name).dtype]), column.name


@pytest.mark.parametrize("record", [DetectionRecord, CandidateRecord])
def test_store_records_are_those_of_the_schema(record: Any) -> None:
    own = {"id", "detection_index", "details"}
    assert {name for name in record.__dataclass_fields__ if name not in own} <= NAMES


def test_exported_candidates_are_those_of_the_schema(evidence: Evidence) -> None:
    one = stored(evidence)
    row = candidate_table.to_json_row(one)
    assert set(row) == {*(field.name for field in candidate_table.FIELDS), "evidence"}
    assert {field.name for field in STORE_FIELDS} <= set(row)
    check_values(row)
    check_qtable(candidate_table.to_qtable([one]), candidate_table.FIELDS)
    plain = candidate_table.to_table([one])
    for one_field in candidate_table.FIELDS:
        assert str(plain[one_field.name].unit or "") == one_field.unit


def test_alert_facts_are_those_of_the_schema(evidence: Evidence) -> None:
    assert set(Facts.__dataclass_fields__) <= NAMES
    assert {one.name for one in ALERT_FIELDS} <= set(Facts.__dataclass_fields__)
    facts = facts_of(evidence)
    for name in Facts.__dataclass_fields__:
        value = getattr(facts, name)
        if name in evidence and not isinstance(value, tuple):
            assert value == evidence[name], name  # type: ignore[literal-required]


def test_voevent_params_are_those_of_the_schema(evidence: Evidence) -> None:
    for name, (_, unit, ucd) in PARAMETERS.items():
        assert (unit, ucd) == (get_field(name).unit, get_field(name).ucd), name
    alert = alert_of(evidence, "initial", "current", "drop", datetime(2026, 3, 1, tzinfo=UTC))
    root = etree.fromstring(voevent(alert, "ivo://example.org/xherald", {}))
    params = {one.get("name") for one in root.iterfind("What/Param")}
    assert params <= NAMES | {"alert_id", "alert_tense", "reason"}


@pytest.mark.parametrize("document", ["output.md", "candidates.md", "alerts.md"])
def test_tables_in_documents_are_made_from_the_schema(document: str) -> None:
    text = (ROOT / "docs" / document).read_text()
    assert schema_markdown.BLOCK.search(text)
    assert text == schema_markdown.update_document(text), (
        f"run `python -m xherald.detector.results.schema_markdown docs/{document}`"
    )


# One floor for probabilities


def test_all_surfaces_state_the_same_probability(evidence: Evidence) -> None:
    from xherald.cli.scan_table import COLUMNS as PRINTED
    from xherald.detector.candidates.formatting import format_significance

    source = simulated_source("flare", 1, 0.004, (7_000.0, 7_400.0, 1.0))
    scan = scan_of(table_of(EventBatch.from_lists([source])))
    assert scan.detections.tail_probability[0] < scan.detections.probability_floor
    (row,) = make_rows(scan)
    floor = scan.detections.probability_floor
    assert (row["false_alarm_probability"], row["extrapolated"]) == (floor, True)
    words = format_probability(floor, extrapolated=True)
    assert words == "< 1e-5"
    candidate = row["evidence"]
    assert candidate is not None
    alert = alert_of(candidate, "initial", "current", "drop", datetime(2026, 3, 1, tzinfo=UTC))
    shown = [
        next(one for one in PRINTED if one.title == "FAP").cell(row),
        format_significance(candidate),
        alert.headline,
        text(alert),
    ]
    assert all(words in one for one in shown), shown
    packet = etree.fromstring(voevent(alert, "ivo://example.org/xherald", {}))
    values = {one.get("name"): one.get("value") for one in packet.iterfind("What/Param")}
    assert (float(values["false_alarm_probability"]), values["extrapolated"]) == (floor, "true")
