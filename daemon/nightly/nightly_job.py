"""The nightly job: the drift check and, if configured, the rebuild of the references: `run_nightly_job`.

Of the daemons and commands that share a store, one runs the job at a time, and once for each scheduled time. Who runs
it, and its last outcome, is a shared state.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from xherald.catalog_store.ledger.records import Json
from xherald.photons.errors import XheraldError

from .calibration_versions import get_configured_calibration, with_active_calibration
from .drift import DriftReport, check_drift

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

    from .reference_rebuild import RebuildResult

__all__ = ["NIGHTLY_STATE", "NightlyResult", "has_ended", "mark_ended", "run_nightly_job"]

NIGHTLY_STATE: Final = "nightly"
"""Name of the shared state with the process that runs the job and its last outcome."""


@dataclass(frozen=True, slots=True)
class NightlyResult:
    """Result of a nightly job.

    Parameters
    ----------
    drift : DriftReport
    rebuilt : RebuildResult or None — None without a rebuild
    seconds : float
    """

    drift: DriftReport
    rebuilt: RebuildResult | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON types."""
        rebuilt = None if self.rebuilt is None else self.rebuilt.as_dict()
        return {"drift": self.drift.as_dict(), "rebuilt": rebuilt, "seconds": self.seconds}


def run_nightly_job(
    store: Store,
    configuration: Configuration,
    *,
    due: datetime | None = None,
    with_rebuild: bool | None = None,
    stage: Stage = lambda _: None,
) -> NightlyResult | None:
    """Run the nightly job, unless another process is running it.

    Parameters
    ----------
    store : Store
    configuration : Configuration
    due : datetime, optional
        Scheduled time; the job runs once for each. Without it, the job runs in any case.
    with_rebuild : bool, optional
        Whether the references are rebuilt; ``daemon.rebuild`` by default.
    stage : callable, optional
        Called with a line of progress.

    Returns
    -------
    NightlyResult or None
        None if another process is running the job, or has run it for this time.

    Raises
    ------
    XheraldError
        The job failed; the error is stored in the shared state, too.
    """
    from .reference_rebuild import rebuild_references

    begin = datetime.now(UTC)
    if not _mark_begun(store, due, begin, configuration.settings.daemon.nightly_timeout_s):
        return None
    error, summary = "the process was killed", None
    try:
        stage("drift check")
        active = with_active_calibration(configuration, store)
        drift = check_drift(store, active)
        is_wanted = configuration.settings.daemon.rebuild if with_rebuild is None else with_rebuild
        configured = get_configured_calibration(configuration)
        rebuilt = rebuild_references(store, active, configured, stage) if is_wanted else None
        if rebuilt is not None:
            summary = {name: getattr(rebuilt, name) for name in ("name", "activated", "reason")}
        error = ""
    except XheraldError as fault:
        error = str(fault)
        raise
    finally:
        mark_ended(store, error, summary)
    return NightlyResult(drift, rebuilt, round((datetime.now(UTC) - begin).total_seconds(), 1))


def has_ended(state: Json, now: datetime) -> bool:
    """Whether a job without an end in its state cannot be running any more."""
    if now >= datetime.fromisoformat(state["until"]):
        return True
    if state["by"]["host"] != socket.gethostname():
        return False
    try:
        os.kill(state["by"]["process"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def mark_ended(store: Store, error: str, rebuilt: Json | None = None) -> None:
    """Record the end of the job, with its error, if any."""
    ended = datetime.now(UTC).isoformat(timespec="seconds")

    def change(state: Json | None) -> Json | None:
        return None if state is None else {**state, "ended": ended, "error": error or None, "rebuilt": rebuilt}

    store.update_shared_state(NIGHTLY_STATE, change)


def _mark_begun(store: Store, due: datetime | None, now: datetime, timeout_s: float) -> bool:
    """Record the begin of the job; returns whether this process is to run it."""
    process = {"host": socket.gethostname(), "process": os.getpid()}

    def change(state: Json | None) -> Json | None:
        last = state or {}
        is_running = bool(last) and last.get("ended") is None and not has_ended(last, now)
        was_run = due is not None and last.get("due") is not None and datetime.fromisoformat(last["due"]) >= due
        if is_running or (was_run and last.get("ended") is not None):
            return None
        return {
            "by": process,
            "begun": now.isoformat(timespec="seconds"),
            "until": (now + timedelta(seconds=timeout_s)).isoformat(timespec="seconds"),
            "due": last.get("due") if due is None else due.isoformat(),
            "ended": None,
            "error": None,
            "rebuilt": None,
        }

    return store.update_shared_state(NIGHTLY_STATE, change) is not None
