"""What is catalogued at the positions of candidates reaches their evidence; what fails there stops no scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from xherald.context.catalogues.catalogue_store import CatalogueStore
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.import_catalogue import ImportOptions
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.results.context_fields import make_context_fields, make_interest_fields
from xherald.detector.scoring.known_objects import find_known_objects, find_objects_at
from xherald.photons import EventBatch, EventList, Exposure, Identity

POSITION = (83.8186, -5.3897)


def source_at(ra: float | None, dec: float | None, error: float | None = 1.0) -> EventList:
    identity = Identity("CHANDRA", "ACIS", "1", "1", ra=ra, dec=dec, pos_err_arcsec=error)
    energy = np.full(3, 1.5, np.float32)
    return EventList(np.array([1.0, 2.0, 3.0]), energy, Exposure(np.array([[0.0, 4.0]])), identity, 0.0, (0.5, 7.0))


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """A catalogue with a young star at the position, and unrelated stars around."""
    random = np.random.default_rng(2)
    ra = np.append(POSITION[0], POSITION[0] + random.uniform(-0.5, 0.5, 400))
    dec = np.append(POSITION[1], POSITION[1] + random.uniform(-0.5, 0.5, 400))
    names = ["V1 Ori", *(f"star {i}" for i in range(400))]
    table = Table({"name": names, "ra": ra, "dec": dec, "type": ["TT*"] + ["*"] * 400})
    table.write(tmp_path / "stars.csv", format="ascii.csv")
    roles = {"name": "name", "ra": "ra[deg]", "dec": "dec[deg]", "pos_err": "0.2[arcsec]", "type": "type"}
    columns = ColumnMap(roles=roles, types="simbad")
    CatalogueStore(tmp_path / "catalogues").add(str(tmp_path / "stars.csv"), "stars", ImportOptions(columns))
    return load_configuration(None, given={"context": {"folder": str(tmp_path / "catalogues")}})


def test_counterparts_of_sources_with_a_position(configuration: Configuration) -> None:
    batch = EventBatch.from_lists([source_at(*POSITION), source_at(None, None, None), source_at(10.0, 80.0)])
    found = find_known_objects(batch, [0, 1, 2], configuration)
    assert set(found) == {0, 2}
    assert (found[0].found[0].name, found[0].found[0].category) == ("V1 Ori", "active_star")
    assert found[0].found[0].probability > 0.95
    assert found[0].searched == ("known_sources", "stars")
    assert not found[2].found
    fields = make_context_fields(found[0], {"stellar_flare": 0.4, "fast_transient": 0.6}, -19.0)
    assert fields["known_source"] == "V1 Ori"
    assert fields["class_probabilities_in_context"]["stellar_flare"] > 0.9
    assert fields["association_probability"] == pytest.approx(1.0 - found[0].p_none)


def test_a_damaged_catalogue_is_named_and_the_others_are_asked(configuration: Configuration) -> None:
    folder = configuration.settings.context.folder
    assert folder is not None
    next(folder.rglob("Npix=*.parquet")).write_bytes(b"PAR1" + b"\0" * 100)
    known = find_objects_at(*POSITION, 1.0, 2020.0, configuration)
    assert known.searched == ("known_sources",)
    assert [one.partition(":")[0] for one in known.failures] == ["stars"]
    context = {"folder": str(folder), "catalogues": ["stars", "gaia"]}
    failures = find_objects_at(*POSITION, 1.0, None, load_configuration(None, given={"context": context})).failures
    assert any("no catalogue 'gaia'" in one for one in failures)


def test_without_catalogues_the_evidence_says_so() -> None:
    fields = make_context_fields(None, {"stellar_flare": 1.0}, None)
    assert (fields["counterparts"], fields["association_probability"], fields["known_source"]) == (None, None, None)


def test_interest_is_rated_from_evidence_of_any_completeness(configuration: Configuration) -> None:
    known = find_objects_at(*POSITION, 1.0, None, configuration)
    evidence = {
        "false_alarm_probability": 1e-5,
        "kind": "flare",
        "class_set": ["stellar_flare"],
        "novelty": 0.2,
        **make_context_fields(known, {"stellar_flare": 0.8}, -19.4),
    }
    bare = make_interest_fields({"kind": "flare", "false_alarm_probability": 1e-5}, 1e-3)
    rated = make_interest_fields(evidence, 1e-3)
    assert rated["interest"] is not None
    assert bare["interest"] is not None
    assert rated["interest"] < bare["interest"]
    assert any("ordinary for V1 Ori" in one["text"] for one in rated["interest_reasons"])


def test_the_default_configuration_searches_the_shipped_table_only() -> None:
    known = find_objects_at(24.75683, -17.95028, 2.0, 2000.0, load_configuration(None))
    assert "known_sources" in known.searched
    assert known.found[0].name == "UV Cet"
    assert known.found[0].category == "active_star"
