"""Store on SQLite with a million detections: queries, and ingest compared with an empty store."""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import (
    AlertRecord,
    CandidateRecord,
    DetectionRecord,
    ObservationRecord,
    Run,
    Sighting,
)
from xherald.catalog_store.ledger.states import AlertType
from xherald.catalog_store.ledger.store import Store, open_store

__all__ = ["bench_store"]

DROPS = 1_000
SOURCES = 1_000
CANDIDATES = 10
"""A drop in which one source in a hundred is a candidate, far more than expected in practice."""

COMPARED = 60
YEAR_DAYS = 365.0
RUN = Run("bench", "bench", "bench@1", "bench@1")
CLASSES = ("stellar flare", "GRB", "XRF", "FXT", "magnetar")
FEATURES = tuple(f"feature_{i}" for i in range(12))


def bench_store() -> dict[str, float]:
    """Fill a store with 1,000 drops of 1,000 detections, query it, and continue to fill it and an empty one.

    Drops of the full and the empty store take turns, so that what else the machine does falls on both.
    """
    random = np.random.default_rng(6)
    start = datetime.now(UTC) - timedelta(days=YEAR_DAYS)
    with tempfile.TemporaryDirectory() as folder:
        full = open_store(f"sqlite:///{folder}/full.sqlite")
        centres = _centres(random, DROPS)
        began = time.perf_counter()
        for number, centre in enumerate(centres):
            _ingest(full, number, centre, SOURCES, random, start + timedelta(days=YEAR_DAYS * number / DROPS))
        filling = time.perf_counter() - began
        figures = {
            "detections": float(full.row_counts()["detections"]),
            "filled_detections_per_s": DROPS * SOURCES / filling,
            "file_gib": Path(f"{folder}/full.sqlite").stat().st_size / 2**30,
            **_questions(full, centres),
        }
        empty = open_store(f"sqlite:///{folder}/empty.sqlite")
        for name, sources in (("drop_of_1000", SOURCES), ("drop_of_1", 1)):
            times: dict[str, list[float]] = {"full": [], "empty": []}
            for turn, centre in enumerate(_centres(random, COMPARED)):
                number = DROPS + COMPARED * SOURCES * (sources == 1) + turn
                for which, store in (("empty", empty), ("full", full)):
                    times[which].append(_ingest(store, number, centre, sources, random, datetime.now(UTC)))
            figures[f"{name}_ms"] = 1e3 * statistics.median(times["full"])
            figures[f"{name}_against_empty"] = statistics.median(times["full"]) / statistics.median(times["empty"])
        began = time.perf_counter()
        faults = [one for one in full.check() if one.is_error]
        figures |= {"check_s": time.perf_counter() - began, "inconsistencies": float(len(faults))}
        began = time.perf_counter()
        full.backup(Path(folder) / "backup.sqlite")
        figures["backup_s"] = time.perf_counter() - began
        full.close()
        empty.close()
    return figures


def _centres(random: np.random.Generator, count: int) -> np.ndarray:
    """Pointings on the sky."""
    return np.column_stack([random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-0.99, 0.99, count)))])


def _ingest(
    store: Store, number: int, centre: np.ndarray, sources: int, random: np.random.Generator, now: datetime
) -> float:
    """Process one drop from sighting to outbox; returns the time of the store, s."""
    ra = (centre[0] + random.normal(0, 0.1, sources) / np.cos(np.radians(centre[1]))) % 360
    dec = np.clip(centre[1] + random.normal(0, 0.1, sources), -90, 90)
    features = random.normal(size=(sources, len(FEATURES))).tolist()
    found = tuple(
        DetectionRecord(
            f"s{i}",
            float(ra[i]),
            float(dec[i]),
            30,
            2e4,
            "flare" if i < CANDIDATES else "steady",
            2.5,
            0.6,
            1.5,
            1e-3,
            1e-5,
            dict(zip(FEATURES, features[i], strict=True)),
        )
        for i in range(sources)
    )
    exposure = ObservationRecord("BENCH", "CAMERA", f"{number}", "", "1", now, now, 2e4, *centre.tolist(), {}, found)
    rates = 10 ** random.uniform(-10, -4, CANDIDATES)
    chosen = [
        CandidateRecord(f"{number}-{i}", i, "flare", CLASSES[i % 5], 3.5, float(rates[i]), {"neighbours": ["a", "b"]})
        for i in range(min(CANDIDATES, sources))
    ]
    alerts = [AlertRecord(f"{one.id}-1", one.id, "file", AlertType.INITIAL, {"far": one.far_hz}) for one in chosen]
    began = time.perf_counter()
    (drop,) = store.record_sightings([Sighting("bench", f"/drop/{number}", number)], now)
    store.mark_stable(drop.id, hashlib.sha256(str(number).encode()).hexdigest(), now)
    (drop,) = store.claim("bench", now=now)
    store.commit_result(drop.id, RUN, [exposure], DropOutcome(chosen, alerts), now)
    for out in store.take_due_alerts("bench", now=now):
        store.mark_sent(out.id, out.sink, None, now)
    return time.perf_counter() - began


def _questions(store: Store, centres: np.ndarray) -> dict[str, float]:
    """Median and slowest time of each query at 40 positions, ms."""
    now = datetime.now(UTC)

    def asked(question: Callable[[float, float], object]) -> tuple[float, float]:
        taken = []
        for ra, dec in centres[:40].tolist():
            began = time.perf_counter()
            question(ra, dec)
            taken.append(1e3 * (time.perf_counter() - began))
        return statistics.median(taken), max(taken)

    questions: dict[str, Callable[[float, float], object]] = {
        "all_at_once": lambda ra, dec: store.candidates(
            since=now - timedelta(days=30), near=(ra, dec, 5.0), kind="flare", far_below=1e-6
        ),
        "two_days": lambda _ra, _dec: store.candidates(since=now - timedelta(days=2), kind="flare", far_below=1e-6),
        "cone_30_arcsec": lambda ra, dec: store.candidates(near=(ra, dec, 30 / 3600)),
        "class_latest_100": lambda _ra, _dec: store.candidates(likely_class="GRB", far_below=1e-8, limit=100),
        "history_30_arcsec": lambda ra, dec: store.detections_near(ra, dec, 30 / 3600),
    }
    figures: dict[str, float] = {}
    for name, question in questions.items():
        figures[f"{name}_ms"], figures[f"{name}_slowest_ms"] = asked(question)
    return figures
