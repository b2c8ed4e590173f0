"""Settings of the stream: where drops come from, when a file is whole, how many workers, what the daemon tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from xherald.plugins.kafka_connection import KafkaConnection

__all__ = ["NoticeSettings", "SourceSettings", "StreamSettings"]


class NoticeSettings(KafkaConnection):
    """Where notices of new data in archives come from, beside what every connection to Kafka has.

    Parameters
    ----------
    topic : str
    group : str
        Consumer group: daemons of one group share the notices, so each store has one of its own.
    """

    topic: str = Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")
    group: str = Field(default="xherald", min_length=1)


class SourceSettings(BaseModel):
    """One drop source; keys beside these are options of its kind (docs/daemon.md).

    Parameters
    ----------
    kind : str — a drop source plugin: folder, http, fsspec, or somebody's own
    every_s : float — s from one look to the next, where no `cron` is given
    cron : str or None — five fields of minute, hour, day, month, weekday, UTC
    jitter_s : float — each look is put off by a random time up to this, so that daemons do not come all at once
    notices : tuple of str — facilities whose notices of new data have it looked at at once, such as Swift
    adapters : mapping of str to mapping — options of adapters for files of this source, over those of the run
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    every_s: float = Field(default=60.0, gt=0)
    cron: str | None = None
    jitter_s: float = Field(default=0.0, ge=0)
    notices: tuple[str, ...] = ()
    adapters: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _refuse_no_schedule(self) -> SourceSettings:
        if self.cron is not None and len(self.cron.split()) != 5:
            raise ValueError("cron has five fields: minute hour day month weekday")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """Options of its kind."""
        return dict(self.model_extra or {})


class StreamSettings(BaseModel):
    """What `xherald watch` and `ingest` go by.

    Parameters
    ----------
    sources : mapping of str to SourceSettings — by a name of the user's own
    notices : NoticeSettings or None — where notices of new data come from; None for nowhere
    settle_s : float — s for which size and time of a file have to stand
    companions_wait_s : float — s that a file waits for what belongs to it, and what belongs to none waits for its file
    incomplete_wait_s : float — s after which a steady file that is not whole is set aside
    workers : int — processes on the road; 0 for one a core
    files_per_worker : int — a worker is replaced after so many
    worker_gib : float — resident memory beyond which a worker is replaced; half as much again ends it at once
    longest_file_s : float — s that a file may take; then its worker is ended, and the attempt lost
    attempts : int — of a file, then it is set aside
    retry_s : float — s before the second attempt, doubled from one to the next
    spool : Path or None — what is fetched over the network lies here meanwhile; None for the user's cache folder
    sheets : Path or None — plot sheets of candidates for sinks that want them; None for the user's data folder
    sheets_days : float — how long they are kept
    false_discovery_method : {"saffron", "lord"}
    false_discovery_level : float — part of the announcements that may be false on average
    nightly : str or None
        When the nightly job is done: five fields of minute, hour, day, month, weekday, UTC; None leaves it.
    nightly_longest_s : float — s that it may take; then it is ended
    drift_days : float — days up to now whose detections the drift watch looks at
    drift_level : float — chance of a drift alarm for nothing, over all instruments
    rebuild : bool — whether the nightly job rebuilds the references, and takes them into use if they are no worse
    rebuild_sources : int — real sources of each instrument that join the simulated ones
    rebuild_files : int — files, the latest ones, that they are sought in
    rebuild_nulls : int — null sources simulated of each telescope, to calibrate what is rebuilt
    rebuild_judged : int — simulated sources that old and new are judged on
    calibrations : Path or None — where what is rebuilt is kept; None for the user's data folder
    metrics_port : int — port on localhost of /metrics and /health; 0 for none
    log : {"pretty", "json"}
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, SourceSettings] = Field(default_factory=dict)
    notices: NoticeSettings | None = None
    settle_s: float = Field(default=2.0, ge=0)
    companions_wait_s: float = Field(default=600.0, ge=0)
    incomplete_wait_s: float = Field(default=3600.0, ge=0)
    workers: int = Field(default=0, ge=0)
    files_per_worker: int = Field(default=5000, ge=1)
    worker_gib: float = Field(default=4.0, gt=0)
    longest_file_s: float = Field(default=3600.0, gt=0)
    attempts: int = Field(default=5, ge=1)
    retry_s: float = Field(default=30.0, ge=0)
    spool: Path | None = None
    sheets: Path | None = None
    sheets_days: float = Field(default=90.0, gt=0)
    false_discovery_method: Literal["saffron", "lord"] = "lord"
    false_discovery_level: float = Field(default=0.1, gt=0, lt=1)
    nightly: str | None = "30 3 * * *"
    nightly_longest_s: float = Field(default=14_400.0, gt=0)
    drift_days: float = Field(default=1.0, gt=0)
    drift_level: float = Field(default=1e-3, gt=0, lt=1)
    rebuild: bool = False
    rebuild_sources: int = Field(default=2000, ge=1)
    rebuild_files: int = Field(default=500, ge=1)
    rebuild_nulls: int = Field(default=16_000, ge=100)
    rebuild_judged: int = Field(default=24_000, ge=100)
    calibrations: Path | None = None
    metrics_port: int = Field(default=9464, ge=0, le=65535)
    log: Literal["pretty", "json"] = "pretty"

    @model_validator(mode="after")
    def _refuse_deaf_sources(self) -> StreamSettings:
        listening = [name for name, one in self.sources.items() if one.notices]
        if listening and self.notices is None:
            raise ValueError(f"sources.{listening[0]} listens for notices, but notices says nowhere to get them from")
        return self
