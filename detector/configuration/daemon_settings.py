"""Settings of the daemon: drop sources, intake, workers, false-discovery control, nightly job, metrics and log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xherald.plugins.kafka_connection import KafkaConnection

__all__ = ["DaemonSettings", "NoticeSettings", "SourceSettings"]


class NoticeSettings(KafkaConnection):
    """Kafka topic with notices of new data; further parameters are those of every connection to Kafka.

    Parameters
    ----------
    topic : str
    group : str
        Consumer group. Daemons of one group share the notices, so each store needs a group of its own.
    """

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    group: str = Field(default="xherald", min_length=1)


class SourceSettings(BaseModel):
    """A drop source; further keys are options of its kind (docs/daemon.md).

    Parameters
    ----------
    kind : str — a drop source plugin: folder, http, fsspec, or another one
    interval_s : float — s between polls, unless `cron` is given
    cron : str or None — five fields: minute, hour, day, month, weekday; UTC
    jitter_s : float — each poll is delayed by a random time up to this, so that daemons do not poll at the same time
    notices : tuple of str — facilities whose notices of new data trigger a poll, such as Swift
    adapters : mapping of str to mapping — options of adapters for files of this source, which override the general ones
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    interval_s: float = Field(default=60.0, gt=0)
    cron: str | None = None
    jitter_s: float = Field(default=0.0, ge=0)
    notices: tuple[str, ...] = ()
    adapters: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _require_five_fields(self) -> SourceSettings:
        if self.cron is not None and len(self.cron.split()) != 5:
            raise ValueError("cron needs five fields: minute hour day month weekday")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Options of its kind."""
        return dict(self.model_extra or {})


class DaemonSettings(BaseModel):
    """Settings of `xherald watch`, `ingest`, `nightly` and `status`.

    Parameters
    ----------
    sources : mapping of str to SourceSettings — by a name of your choice
    notices : NoticeSettings or None — notices of new data; None to read none
    stable_after_s : float — s for which the size and time of a file must be unchanged
    companions_wait_s : float — s that a file waits for its companions, and that a companion waits for its file
    incomplete_wait_s : float — s after which an unchanged but incomplete file is quarantined
    workers : int — worker processes; 0 for one per core
    files_per_worker : int — a worker process is replaced after this many files
    worker_memory_gib : float — resident memory above which a worker is replaced; at 1.5 times this it is killed
    file_timeout_s : float — longest time for one file, s; then its worker is killed and the attempt has failed
    max_attempts : int — attempts at a file before it is quarantined
    retry_delay_s : float — s before the second attempt, doubled for each further one
    spool_folder : Path or None — for files fetched over the network; None for the user's cache folder
    sheets_folder : Path or None — for plot sheets of candidates; None for the user's data folder
    sheets_keep_days : float — how long plot sheets are kept
    false_discovery_level : float — largest expected fraction of false alarms among announced candidates
    nightly_cron : str or None — schedule of the nightly job in UTC: minute, hour, day, month, weekday; None for never
    nightly_timeout_s : float — s after which the nightly job is killed
    drift_window_days : float — the drift check covers detections of this many days
    drift_alarm_level : float — probability of a false drift alarm, over all instruments
    rebuild : bool — whether the nightly job rebuilds the references, and uses them if no quality figure is worse
    rebuild_sources : int — real sources of each instrument that are added to the simulated ones
    rebuild_files : int — latest files in which they are searched
    rebuild_nulls : int — null sources simulated for each telescope, for the new calibration
    rebuild_test_sources : int — simulated sources on which the old and the new calibration are compared
    calibrations_folder : Path or None — for rebuilt calibrations; None for the user's data folder
    metrics_port : int — port on localhost of /metrics and /health; 0 for none
    log_format : {"pretty", "json"}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, SourceSettings] = Field(default_factory=dict)
    notices: NoticeSettings | None = None
    stable_after_s: float = Field(default=2.0, ge=0)
    companions_wait_s: float = Field(default=600.0, ge=0)
    incomplete_wait_s: float = Field(default=3600.0, ge=0)
    workers: int = Field(default=0, ge=0)
    files_per_worker: int = Field(default=5000, ge=1)
    worker_memory_gib: float = Field(default=4.0, gt=0)
    file_timeout_s: float = Field(default=3600.0, gt=0)
    max_attempts: int = Field(default=5, ge=1)
    retry_delay_s: float = Field(default=30.0, ge=0)
    spool_folder: Path | None = None
    sheets_folder: Path | None = None
    sheets_keep_days: float = Field(default=90.0, gt=0)
    false_discovery_level: float = Field(default=0.1, gt=0, lt=1)
    nightly_cron: str | None = "30 3 * * *"
    nightly_timeout_s: float = Field(default=14_400.0, gt=0)
    drift_window_days: float = Field(default=1.0, gt=0)
    drift_alarm_level: float = Field(default=1e-3, gt=0, lt=1)
    rebuild: bool = False
    rebuild_sources: int = Field(default=2000, ge=1)
    rebuild_files: int = Field(default=500, ge=1)
    rebuild_nulls: int = Field(default=16_000, ge=100)
    rebuild_test_sources: int = Field(default=24_000, ge=100)
    calibrations_folder: Path | None = None
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    log_format: Literal["pretty", "json"] = "pretty"

    @model_validator(mode="after")
    def _require_notices_connection(self) -> DaemonSettings:
        subscribed = [name for name, one in self.sources.items() if one.notices]
        if subscribed and self.notices is None:
            raise ValueError(f"sources.{subscribed[0]} uses notices, but the section notices is missing")
        return self
