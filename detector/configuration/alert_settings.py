"""Settings of alerts: sinks, which candidates each of them receives, budgets and retries."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from xherald.context.object_types import Category
from xherald.plugins.alerts import AlertTense

__all__ = ["AlertSettings", "SinkSettings"]


class SinkSettings(BaseModel):
    """A sink; further keys are options of its kind.

    Parameters
    ----------
    kind : str
        An alert sink listed by `xherald plugins`.
    far_hz_below : float or None
        Only candidates with a false-alarm rate below this are sent, Hz.
    expected_false_alarms_per_1000_below : float or None
        Only candidates with fewer expected false alarms per 1,000 sources are sent.
    tenses : tuple of str
        Tenses that are sent: current, archival, injection, test.
    watch_list : str or None
        Only candidates on this watch list are sent; see `xherald watchlist`.
    exclude_verdicts : tuple of str
        Candidates are not sent whose source has one of these as its last verdict: a decision or a class of source.
    min_interest : float or None
        Only candidates of at least this interest are sent, 0 to 1 (docs/interest.md).
    exclude_counterparts : tuple of str
        Candidates are not sent that are known as an object of one of these categories, such as active_star.
    muted : str
        First alerts of muted places: skip, digest (one message at the end of the day) or send.
    rate_per_minute : int or None
        Largest number of messages per minute; others wait.
    per_day : int or None
        Largest number of candidates per day, the most interesting first, then those with the lowest false-alarm rates;
        the others are sent as one digest at the end of the day. Retractions are always sent.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    far_hz_below: float | None = Field(default=None, gt=0)
    expected_false_alarms_per_1000_below: float | None = Field(default=None, gt=0)
    tenses: tuple[AlertTense, ...] = ("current", "archival")
    watch_list: str | None = None
    exclude_verdicts: tuple[str, ...] = ()
    min_interest: float | None = Field(default=None, ge=0, le=1)
    exclude_counterparts: tuple[Category, ...] = ()
    muted: Literal["skip", "digest", "send"] = "skip"
    rate_per_minute: int | None = Field(default=None, ge=1)
    per_day: int | None = Field(default=None, ge=1)

    @property
    def options(self) -> dict[str, Any]:
        """Options of its kind, which the sink's own model validates."""
        return dict(self.model_extra or {})


class AlertSettings(BaseModel):
    """Sinks by name, and settings of all sinks.

    Parameters
    ----------
    sinks : mapping of str to SinkSettings
    archival_after_days : float
        Observations that ended longer ago are archival, not current.
    digest_hour_utc : int
        Hour at which days end and their digests are sent.
    retry_delay_s, retry_max_delay_s : float
        s; after a failure a sink is not used for the first, doubled for each further failure, up to the second.
    give_up_after_days : float
        An alert that could not be delivered for this long has failed; `xherald alert replay` sends it again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sinks: dict[str, SinkSettings] = Field(default_factory=dict)
    archival_after_days: float = Field(default=30.0, gt=0)
    digest_hour_utc: int = Field(default=0, ge=0, le=23)
    retry_delay_s: float = Field(default=5.0, gt=0)
    retry_max_delay_s: float = Field(default=900.0, gt=0)
    give_up_after_days: float = Field(default=7.0, gt=0)
