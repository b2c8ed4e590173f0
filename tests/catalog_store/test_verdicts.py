"""Verdicts on candidates, on both databases: states, the place they are kept for, texts, and those of older stores."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from cli_result import CliResult
from paths import ROOT
from sqlalchemy import create_engine, text
from store_rows import DATABASES, NOW, RUN, candidate, claimed, detection, fresh_url, observation, store_errors

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.states import CandidateState, VettingDecision
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.photons.errors import ConfigError

ARCSEC = 1 / 3600


def store_candidate(store: Store, name: str, dec_deg: float = -5.4, version: str = "1") -> None:
    (drop,) = claimed(store, f"{name}-{version}")
    found = [detection(dec_deg=dec_deg, pos_err_arcsec=1.0)]
    store.commit_result(drop.id, RUN, [observation(name, version, found)], DropOutcome([candidate(name)]), NOW)


def state_of(store: Store, name: str) -> CandidateState:
    return store.candidate(name).candidate.state


@pytest.mark.parametrize("decision", list(VettingDecision))
def test_state_follows_the_verdict(store: Store, decision: VettingDecision) -> None:
    store_candidate(store, "a")
    store.record_vetting("a", "Ann", decision, "why", now=NOW)
    expected = CandidateState.RETRACTED if decision.retracts else CandidateState.STANDING
    assert state_of(store, "a") is expected
    # Who finds the event real after all restores it; nothing else does.
    store.record_vetting("a", "Bob", VettingDecision.UNSURE, now=NOW)
    assert state_of(store, "a") is expected
    store.record_vetting("a", "Bob", VettingDecision.KNOWN, now=NOW)
    assert state_of(store, "a") is CandidateState.STANDING
    assert [one.author for one in store.candidate("a").vettings] == ["Ann", "Bob", "Bob"]
    assert store_errors(store) == []


def test_restored_candidate_without_a_current_file_is_superseded(store: Store) -> None:
    store_candidate(store, "a")
    store.record_vetting("a", "Ann", VettingDecision.ARTEFACT, "hot pixel", now=NOW)
    (later,) = claimed(store, "later")
    store.commit_result(later.id, RUN, [observation("a", "2")], now=NOW)
    assert state_of(store, "a") is CandidateState.RETRACTED
    store.record_vetting("a", "Ann", VettingDecision.REAL, now=NOW)
    assert state_of(store, "a") is CandidateState.SUPERSEDED
    assert store_errors(store) == []


def test_verdicts_are_found_by_place(store: Store) -> None:
    store_candidate(store, "a")
    store_candidate(store, "b", dec_deg=-5.4 + 20 * ARCSEC)
    store_candidate(store, "far", dec_deg=-5.3)
    for number, name in enumerate(("a", "b", "far", "a")):
        when = NOW + timedelta(hours=number)
        store.record_vetting(name, f"person {number}", VettingDecision.REAL, now=when, source_class="stellar_flare")
    found = store.place_notes((83.8, -5.4, 30 * ARCSEC)).vettings
    assert [(one.vetting.author, one.vetting.candidate_id) for one in found] == [
        ("person 3", "a"),
        ("person 1", "b"),
        ("person 0", "a"),
    ]
    assert [one.separation_arcsec for one in found] == pytest.approx([0, 20, 0], abs=1e-6)
    assert {(one.pos_err_arcsec, one.vetting.source_class) for one in found} == {(1.0, "stellar_flare")}
    assert len(store.place_notes((83.8, -5.4, 5 * ARCSEC)).vettings) == 2


def test_texts_of_persons_are_one_printable_line(store: Store) -> None:
    store_candidate(store, "a")
    hostile = "fla\x1b[31mre\n of\x00 V1229\u202e Ori \udc80 ★"
    store.record_vetting("a", "Ann\x07 \r\n Bee", VettingDecision.REAL, hostile, now=NOW)
    (one,) = store.candidate("a").vettings
    assert (one.author, one.comment) == ("Ann Bee", "fla[31mre of V1229 Ori ★")


@pytest.mark.parametrize(
    ("author", "verdict", "comment", "source_class", "reason"),
    [
        ("", "real", "", None, "author: is empty"),
        ("\x1b\n", "real", "", None, "author: is empty"),
        ("A" * 101, "real", "", None, "author: 101 characters; at most 100"),
        ("Ann", "real", "x" * 1001, None, "comment: 1,001 characters; at most 1,000"),
        ("Ann", "real", "", "Stellar Flare", "not a name such as stellar_flare"),
        ("Ann", "artefact", "hot", "stellar_flare", "only real events have one"),
    ],
)
def test_invalid_verdicts_change_nothing(
    store: Store, author: str, verdict: str, comment: str, source_class: str | None, reason: str
) -> None:
    store_candidate(store, "a")
    with pytest.raises(ConfigError, match=reason):
        store.record_vetting("a", author, VettingDecision(verdict), comment, source_class=source_class)
    assert store.candidate("a").vettings == ()
    assert state_of(store, "a") is CandidateState.STANDING


@pytest.mark.parametrize("database", DATABASES)
def test_verdicts_of_an_older_store_are_kept(database: str, tmp_path: Path) -> None:
    url = fresh_url(database, tmp_path)
    config = Config()
    config.set_main_option("script_location", str(ROOT / "catalog_store" / "ledger" / "migrations"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("INSERT INTO runs VALUES (1, 'd', 'v', 's', 'c', 'r', 0)"))
        names = "id, source, url, size, mtime, etag, state, attempts, first_seen, unchanged_since, updated"
        connection.execute(text(f"INSERT INTO drops ({names}) VALUES (1, 's', 'u', 1, 1, '', 'seen', 0, 0, 0, 0)"))
        connection.execute(
            text(
                "INSERT INTO observations (id, drop_id, run_id, mission, instrument, obs_id, part, processing_version, "
                "details, coverage, detection_count, created, is_current) "
                "VALUES (1, 1, 1, 'm', 'i', 'o', '', '', '{}', '{}', 1, 0, true)"
            )
        )
        connection.execute(
            text(
                "INSERT INTO detections (observation_id, number, run_id, detection_id, counts, background_counts, "
                "livetime_s, kind, details) VALUES (1, 0, 1, 's', 9, 0, 1, 'flare', '{}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO candidates (id, observation_id, detection_number, run_id, state, kind, evidence, created, "
                "updated) VALUES ('a', 1, 0, 1, 'retracted', 'flare', '{}', 0, 0)"
            )
        )
        for number, verdict in enumerate(("unsure", "confirmed", "rejected"), start=1):
            row = f"({number}, 'a', 'Ann', {number}, '{verdict}', 'why')"
            connection.execute(text(f"INSERT INTO vettings VALUES {row}"))
        # Texts had no limits.
        connection.execute(text(f"INSERT INTO vettings VALUES (9, 'a', ' ', 9, 'unsure', '{5000 * 'x'}')"))
    engine.dispose()
    with open_store(url, upgrade=True) as store:
        assert [(one.verdict.value, one.author, one.comment) for one in store.candidate("a").vettings] == [
            ("unsure", "Ann", "why"),
            ("real", "Ann", "why"),
            ("rejected", "Ann", "why"),
            ("unsure", "unknown", 1000 * "x"),
        ]
        store.record_vetting("a", "Bob", VettingDecision.KNOWN)  # ids continue
        assert len(store.candidate("a").vettings) == 5


def test_candidate_vet_records_a_verdict(store: Store, xherald: Callable[..., CliResult]) -> None:
    def vet(*words: object) -> CliResult:
        return xherald("candidate", "vet", *words, "--store", store.name)

    store_candidate(store, "a")
    done = vet("a", "--as", "stellar-flare", "--comment", "of V1229 Ori", "--by", "Ann", "--json")
    (row,) = done.rows
    assert (done.exit_code, row["verdict"], row["source_class"], row["author"]) == (0, "real", "stellar_flare", "Ann")
    assert (row["comment"], row["retractions"], row["candidate_id"]) == ("of V1229 Ori", 0, "a")
    assert vet("a", "--as", "known", "--by", "Ann").stdout == "a: known by Ann\n"
    typo = vet("a", "--as", "artifact", "--comment", "x")
    assert (typo.exit_code, typo.stdout) == (2, "")
    assert "'artifact' is neither a decision nor a class; known: real, known, artefact, " in typo.stderr
    assert vet("a", "--as", "artefact").exit_code == 2  # no reason
    assert state_of(store, "a") is CandidateState.STANDING
    assert vet("nothing", "--as", "real").exit_code == 1
    assert vet("a", "--as", "artefact", "--comment", "hot pixel").exit_code == 0
    assert state_of(store, "a") is CandidateState.RETRACTED
