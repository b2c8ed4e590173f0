"""A fast substitute for the pipeline in tests of the daemon, and small drops for it: tables of photons.

The content of a file determines its result: more than 20 photons are a candidate; the name of the source selects an
error.
"""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, ObservationRecord, Run
from xherald.daemon.jobs.drop_results import FileResult
from xherald.daemon.jobs.processing import Fault, Job, JobResult
from xherald.detector.configuration.configuration import Configuration, load_configuration

RUN = Run("test", "test", "test@1", "test@1")
BURST = 21


def light(job: Job, _configuration: Any) -> JobResult:
    """Process a file of `drop_file` in a worker."""
    lines = job.path.read_text().splitlines()[1:]
    name = lines[0].split(",")[0]
    match name:
        case "killer":
            os.kill(os.getpid(), signal.SIGKILL)
        case "slow":
            time.sleep(1.0)
        case "bad":
            return JobResult(job.drop_id, None, Fault.FILE, f"{job.path}: invalid photons")
        case "defect":
            return JobResult(job.drop_id, None, Fault.DEFECT, f"{job.path}: ZeroDivisionError: x", "Traceback …")
        case "obstructed":
            # Fails until the obstacle is removed.
            if (job.path.parent / ".obstacle").exists():
                return JobResult(job.drop_id, None, Fault.TRANSIENT, "no space left")
    obs_id, _, version = job.path.stem.partition("_v")
    found = DetectionRecord(name, 10.0, 20.0, len(lines), 1e3, "flare", false_alarm_probability=1e-9, far_hz=1e-9)
    exposure = ObservationRecord("TEST", "CAMERA", obs_id, processing_version=version or "1", detections=(found,))
    candidate_id = f"XH-{job.path.stem}"
    evidence = {"candidate_id": candidate_id, "kind": "flare", "obs_id": obs_id}
    candidates = (CandidateRecord(candidate_id, 0, "flare", far_hz=1e-9, evidence=evidence),)
    is_burst = len(lines) >= BURST
    return JobResult(
        job.drop_id, FileResult((exposure,), candidates if is_burst else (), ((0, 1e-9 if is_burst else 0.7),), RUN)
    )


def light_camera(job: Job, _configuration: Any) -> JobResult:
    """Process a file named after its camera and observation; the details list the other cameras that came with it."""
    camera, _, obs_id = job.path.stem.partition("_")
    start = datetime(2026, 3, 1, tzinfo=UTC)
    exposure = ObservationRecord(
        "TEST",
        camera,
        obs_id,
        start=start,
        stop=start + timedelta(hours=3),
        details={"siblings": sorted(path.stem for path in job.siblings)},
    )
    return JobResult(job.drop_id, FileResult((exposure,), (), (), RUN))


def drop_file(folder: Path, name: str, source: str = "plain", *, burst: bool = False, offset: float = 0.0) -> Path:
    """Write a table of photons at once; each name has different content."""
    path = folder / f"{name}.csv"
    count, seed = (BURST if burst else 5), zlib.crc32(name.encode())
    rows = "".join(f"{source},{offset + seed + 3.7 * i:.2f},{1000 + 10 * i}\n" for i in range(count))
    part = folder / f".{name}.part"
    part.write_text(f"obsreg_id,time,energy\n{rows}")
    os.utime(part, (1.7e9, 1.7e9))
    part.replace(path)
    return path


def configured(
    folder: Path,
    sink: Path | Mapping[str, Any] | None,
    context: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Configuration:
    """A configuration that watches a folder, with short delays; alerts go to a file, or to sinks by name."""
    import json

    quick = {"stable_after_s": 0.1, "companions_wait_s": 0.3, "incomplete_wait_s": 0.3, "workers": 1}
    quick |= {"retry_delay_s": 0.1, "metrics_port": 0, "spool_folder": str(folder.parent / "spool")}
    source = {"kind": "folder", "path": str(folder), "interval_s": 0.3}
    environment = {
        "XHERALD_DAEMON__SOURCES": json.dumps({"here": source}),
        **{f"XHERALD_DAEMON__{key.upper()}": json.dumps(value) for key, value in (quick | settings).items()},
    }
    for key, value in (context or {}).items():
        environment[f"XHERALD_CONTEXT__{key.upper()}"] = json.dumps(value)
    if sink is not None:
        sinks = {"file": {"kind": "jsonl", "path": str(sink)}} if isinstance(sink, Path) else dict(sink)
        environment["XHERALD_ALERTS__SINKS"] = json.dumps(sinks)
    return load_configuration(None, environment)
