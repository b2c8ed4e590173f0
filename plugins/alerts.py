"""What alert sinks are given and give back: `Alert`, `Facts`, `Receipt`, and the base class `AlertSink`.

On the road sinks stand at the very end. The outbox hands an alert to each of them at least once, under an id that is
the same for all tries; a sink that can look at what it has, such as a file, takes it once.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final, Literal, Self

from xherald.photons.errors import AlertRefusedError

from .contract import Options, Plugin

__all__ = ["Alert", "AlertKind", "AlertSink", "AlertTense", "Facts", "Receipt"]

AlertKind = Literal["initial", "update", "retraction", "digest"]
"""What an alert says of its candidate, in GCN's words; a digest tells of several that were too many for a day."""

AlertTense = Literal["current", "archival", "injection", "test"]
"""Whether it tells of the sky now, of the sky long ago, of a simulated source put into real data, or of nothing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is measured of a candidate, as far as it is known, in the terms that alert formats share.

    Parameters
    ----------
    kind : str — flare or dip
    mission, instrument, obs_id, detection_id : str
    ra, dec : float or None — deg, ICRS
    error_deg : float or None — deg, radius that holds it with 68 %, astrometry included
    start_utc, stop_utc : str or None — of the flare or dip, ISO 8601, ending in Z
    duration_s : float or None — good time in it, s
    band_kev : (float, float) or None — of the photons counted
    net_count_rate : float or None — counts/s beyond what the rest of the exposure predicts; below zero for a dip
    background_count_rate : float or None — counts/s that the rest of the exposure predicts
    rate_snr : float or None — the counts beyond over their 68 % uncertainty
    t90_s, t90_low_s, t90_high_s : float or None — of a flare, good time, with the limits that hold 68 %
    observation_livetime_s : float or None
    far_hz : float or None — rate of false alarms as significant
    false_alarms_per_1000 : float or None — expected among 1,000 sources that do not vary
    p_astro : float or None — chance that it varies
    classes : mapping of str to float — probabilities, the likeliest first
    similar_to : tuple of str — known transients that it is like, nearest first
    history : str — a sentence on what other observations saw at the place; empty where none is known
    flags : tuple of str — what else is to be known, by name
    """

    kind: str = ""
    mission: str = ""
    instrument: str = ""
    obs_id: str = ""
    detection_id: str = ""
    ra: float | None = None
    dec: float | None = None
    error_deg: float | None = None
    start_utc: str | None = None
    stop_utc: str | None = None
    duration_s: float | None = None
    band_kev: tuple[float, float] | None = None
    net_count_rate: float | None = None
    background_count_rate: float | None = None
    rate_snr: float | None = None
    t90_s: float | None = None
    t90_low_s: float | None = None
    t90_high_s: float | None = None
    observation_livetime_s: float | None = None
    far_hz: float | None = None
    false_alarms_per_1000: float | None = None
    p_astro: float | None = None
    classes: Mapping[str, float] = field(default_factory=dict)
    similar_to: tuple[str, ...] = ()
    history: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """What a sink is to announce.

    Parameters
    ----------
    id : str
        The same for all tries and for every sink; of letters, digits and ``- . + _ ~``.
    candidate_id : str — empty for a digest
    alert_type : AlertKind
    alert_tense : AlertTense
    created : str — when it was put into the outbox, ISO 8601, ending in Z
    headline : str — one line
    facts : Facts
    evidence : mapping
        All that is known, in JSON's types (docs/candidates.md); empty for a digest.
    reason : str — why it is retracted; empty otherwise
    previous : tuple of str — ids of what this sink was sent of the candidate before, the first one first
    sheet : str or None — path of the plot sheet, a PNG, for sinks that want it; it may not be there
    members : tuple of Alert — of a digest, what it tells of
    """

    id: str
    candidate_id: str
    alert_type: AlertKind
    alert_tense: AlertTense
    created: str
    headline: str
    facts: Facts = Facts()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    previous: tuple[str, ...] = ()
    sheet: str | None = None
    members: tuple[Alert, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The alert in JSON's own types, its id first."""
        told: dict[str, Any] = {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in ("facts", "members")
        }
        told |= {"facts": asdict(self.facts), "evidence": dict(self.evidence), "previous": list(self.previous)}
        told["facts"] = {
            key: list(value) if isinstance(value, tuple) else value for key, value in told["facts"].items()
        }
        if self.members:
            told["members"] = [one.as_json() for one in self.members]
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote; what another version wrote beyond that is left out.

        Raises
        ------
        AlertRefusedError
            It lacks what every alert has.
        """
        known = {one.name for one in fields(cls)}
        values = {key: value for key, value in told.items() if key in known}
        facts = values.get("facts") or {}
        own = {one.name for one in fields(Facts)}
        measured: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in facts.items() if key in own
        }
        values["facts"] = Facts(**measured)
        values["previous"] = tuple(values.get("previous", ()))
        values["members"] = tuple(cls.from_json(one) for one in values.get("members", ()))
        if lacking := sorted(_NEEDED - set(values)):
            name = told.get("id", "without an id")
            raise AlertRefusedError(f"alert {name}: its payload lacks {', '.join(lacking)}; it was pruned or is none")
        return cls(**values)


_NEEDED: Final = {"id", "candidate_id", "alert_type", "alert_tense", "created", "headline"}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a sink answers.

    Parameters
    ----------
    where : str — what took the alert, without secrets: a file, an address, a topic with partition and offset
    repeated : bool — whether it was there already, so that nothing was done
    note : str — what else is to be known; empty mostly
    """

    where: str
    repeated: bool = False
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The receipt in JSON's own types."""
        return asdict(self)


class AlertSink(Plugin):
    """Where alerts go.

    It holds no state between calls. The same id may come again, after a crash between sending and writing that down:
    a sink that can look at what it has takes it once and answers a receipt that is `repeated`; one that cannot hands
    the id on, so that whoever receives it can.
    """

    @abstractmethod
    def send(self, alert: Alert, options: Options) -> Receipt:
        """Send an alert, and come back when it is taken.

        Raises
        ------
        SinkUnavailableError
            It was not taken for now; the same alert is tried again later.
        AlertRefusedError
            It will never be taken as it is.
        ConfigError
            The options lead nowhere, such as to a secret that is not there; tried again as well.
        """

    def wants_sheet(self, options: Options) -> bool:
        """Whether alerts are to bring the plot sheet: it is drawn only then, and an alert waits for it a little."""
        return False

    def secrets(self, options: Options) -> Sequence[str]:
        """Passwords, keys and the like that the options lead to; blotted out of whatever is told of the sink.

        Raises
        ------
        ConfigError
            They cannot be read.
        """
        return ()
