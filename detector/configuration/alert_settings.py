"""Settings of alerts: where they go, which candidates each sink is told of, and how often it is tried."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from xherald.plugins.alerts import AlertTense

__all__ = ["AlertSettings", "SinkSettings"]


class SinkSettings(BaseModel):
    """One sink: its kind, what it is told of, and beside these the options of its kind.

    Parameters
    ----------
    kind : str
        Of the alert sinks that `xherald plugins` lists.
    far_hz_below : float or None
        Hz; it is told of candidates with a false-alarm rate below this only.
    expected_false_alarms_per_1000_below : float or None
        The same of the false alarms expected among 1,000 sources.
    tenses : tuple of str
        What it is told of: current, archival, injection, test.
    rate_per_minute : int or None
        Most messages in a minute; the others wait.
    per_day : int or None
        Most candidates announced in a day, those with the lowest false-alarm rates; the others go into one digest at
        the day's end. Retractions are always sent.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    far_hz_below: float | None = Field(default=None, gt=0)
    expected_false_alarms_per_1000_below: float | None = Field(default=None, gt=0)
    tenses: tuple[AlertTense, ...] = ("current", "archival")
    rate_per_minute: int | None = Field(default=None, ge=1)
    per_day: int | None = Field(default=None, ge=1)

    @property
    def options(self) -> dict[str, Any]:
        """Options as given; the sink's own model checks them."""
        return dict(self.model_extra or {})


class AlertSettings(BaseModel):
    """Alerts: sinks by name, and what holds for all of them.

    Parameters
    ----------
    sinks : mapping of str to SinkSettings
    archival_after_days : float
        An observation that ended longer ago is archival, not current.
    digest_hour_utc : int
        When days end, and their digests are sent.
    retry_first_s, retry_most_s : float
        s; a sink that fails is left alone for about the first, then twice as long each time, up to the second.
    give_up_after_days : float
        An alert that no try has brought out for so long has failed; `xherald alert replay` sends it anew.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sinks: dict[str, SinkSettings] = Field(default_factory=dict)
    archival_after_days: float = Field(default=30.0, gt=0)
    digest_hour_utc: int = Field(default=0, ge=0, le=23)
    retry_first_s: float = Field(default=5.0, gt=0)
    retry_most_s: float = Field(default=900.0, gt=0)
    give_up_after_days: float = Field(default=7.0, gt=0)
