"""An alert as a VOEvent 2.0 packet (Seaman et al. 2011, IVOA Recommendation), in XML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from xherald.plugins.alerts import Alert, Facts

from .alert_text import lines, subject, text

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

__all__ = ["ivorn", "voevent"]

NAMESPACE: Final = "http://www.ivoa.net/xml/VOEvent/v2.0"
COORDINATES: Final = "UTC-ICRS-TOPO"
"""Times are those at the spacecraft."""

UNPRINTABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Signs that XML 1.0 has no place for."""

CITED: Final = {"update": "supersedes", "retraction": "retraction"}

PARAMETERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "kind": ("string", "", "meta.code.class"),
    "instrument": ("string", "", "instr"),
    "obs_id": ("string", "", "obs.id"),
    "detection_id": ("string", "", "meta.id"),
    "duration_s": ("float", "s", "time.duration"),
    "net_count_rate": ("float", "ct/s", "phot.count;arith.rate;em.X-ray"),
    "background_count_rate": ("float", "ct/s", "phot.count;arith.rate;em.X-ray"),
    "rate_snr": ("float", "", "stat.snr"),
    "t90_s": ("float", "s", "time.duration"),
    "t90_low_s": ("float", "s", "time.duration;stat.min"),
    "t90_high_s": ("float", "s", "time.duration;stat.max"),
    "observation_livetime_s": ("float", "s", "time.duration;obs.exposure"),
    "far_hz": ("float", "Hz", "arith.rate;stat.falsealarm"),
    "false_alarms_per_1000": ("float", "", "stat.falsealarm"),
    "p_astro": ("float", "", "stat.probability"),
}
"""Facts that become Params: type, unit, UCD."""


def ivorn(stream: str, alert_id: str) -> str:
    """Name of a packet: the stream's, then what is its own."""
    return f"{stream}#{quote(alert_id, safe='-._~+')}"


def voevent(alert: Alert, stream: str, author: Mapping[str, str]) -> bytes:
    """The packet, UTF-8.

    Parameters
    ----------
    alert : Alert
    stream : str — ``ivo://authority/stream``
    author : mapping
        Of the elements of ``Who/Author``: title, shortName, contactName, contactEmail.

    Returns
    -------
    bytes
        An update supersedes what was sent before, a retraction retracts it, in ``Citations``. Without a position and
        its error there is no ``Position2D``, which must have both.
    """
    from lxml import etree

    role = "test" if alert.alert_tense in ("test", "injection") else "utility" if alert.members else "observation"
    root = etree.Element(
        f"{{{NAMESPACE}}}VOEvent",
        {"version": "2.0", "role": role, "ivorn": ivorn(stream, alert.id)},
        nsmap={"voe": NAMESPACE},
    )
    who = _below(root, "Who")
    _below(who, "AuthorIVORN", stream.partition("#")[0])
    _below(who, "Date", _moment(alert.created))
    if author:
        person = _below(who, "Author")
        for key, value in author.items():
            _below(person, key, value)
    what = _below(root, "What")
    _what(what, alert)
    if not alert.members:
        _where_when(_below(root, "WhereWhen"), alert.facts)
        _why(root, alert.facts)
    cited = CITED.get(alert.alert_type)
    if cited is not None and alert.previous:
        citations = _below(root, "Citations")
        for one in alert.previous:
            _below(citations, "EventIVORN", ivorn(stream, one), cite=cited)
    _below(root, "Description", text(alert) if not alert.members else subject(alert))
    packet: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return packet


def _what(what: Element, alert: Alert) -> None:
    _below(what, "Description", subject(alert))
    for name, value in (
        ("alert_id", alert.id),
        ("candidate_id", alert.candidate_id),
        ("alert_type", alert.alert_type),
        ("alert_tense", alert.alert_tense),
        ("reason", alert.reason),
    ):
        if value:
            _param(what, name, value, "string", "", "")
    if alert.members:
        table = _below(what, "Table", name="members")
        for field in ("candidate_id", "headline"):
            _below(table, "Field", name=field, dataType="string")
        data = _below(table, "Data")
        for candidate_id, headline in lines(alert):
            row = _below(data, "TR")
            _below(row, "TD", candidate_id)
            _below(row, "TD", headline)
        return
    for name, (kind, unit, ucd) in PARAMETERS.items():
        value = getattr(alert.facts, name)
        if value not in (None, ""):
            _param(what, name, value, kind, unit, ucd)
    _list(what, "similar_to", alert.facts.similar_to)
    _list(what, "flags", alert.facts.flags)


def _where_when(place: Element, facts: Facts) -> None:
    location = _below(place, "ObsDataLocation")
    _below(location, "ObservatoryLocation", id=facts.mission or "unknown")
    seen = _below(location, "ObservationLocation")
    _below(seen, "AstroCoordSystem", id=COORDINATES)
    coordinates = _below(seen, "AstroCoords", coord_system_id=COORDINATES)
    if facts.start_utc is not None:
        instant = _below(_below(coordinates, "Time", unit="s"), "TimeInstant")
        _below(instant, "ISOTime", _moment(facts.start_utc))
    if facts.ra is not None and facts.dec is not None and facts.error_deg is not None:
        position = _below(coordinates, "Position2D", unit="deg")
        _below(position, "Name1", "RA")
        _below(position, "Name2", "Dec")
        value = _below(position, "Value2")
        _below(value, "C1", repr(float(facts.ra)))
        _below(value, "C2", repr(float(facts.dec)))
        _below(position, "Error2Radius", repr(float(facts.error_deg)))
    elif facts.ra is not None and facts.dec is not None:
        _below(place, "Description", f"RA {facts.ra:.6f}, Dec {facts.dec:.6f} (deg, ICRS), error unknown")


def _why(root: Element, facts: Facts) -> None:
    if not facts.classes and facts.p_astro is None:
        return
    why = _below(root, "Why")
    if facts.p_astro is not None:
        varies = _below(why, "Inference", probability=repr(min(max(float(facts.p_astro), 0.0), 1.0)))
        _below(varies, "Concept", "stat.variability")
    for name, chance in facts.classes.items():
        likely = _below(why, "Inference", probability=repr(min(max(float(chance), 0.0), 1.0)), relation="classified")
        _below(likely, "Name", name)


def _below(parent: Element, tag: str, content: str | None = None, /, **attributes: str) -> Element:
    from lxml import etree

    child = etree.SubElement(parent, tag, {key: _plain(value) for key, value in attributes.items()})
    if content is not None:
        child.text = _plain(content)
    return child


def _param(what: Element, name: str, value: Any, kind: str, unit: str, ucd: str) -> None:
    told = value if isinstance(value, str) else repr(float(value))
    known = {"unit": unit, "ucd": ucd}
    _below(what, "Param", name=name, value=told, dataType=kind, **{key: one for key, one in known.items() if one})


def _list(what: Element, name: str, values: Iterable[str]) -> None:
    told = list(values)
    if told:
        group = _below(what, "Group", name=name)
        for one in told:
            _param(group, name, one, "string", "", "")


def _moment(date: str) -> str:
    """A date as VOEvent has it: UTC without saying so."""
    return date.removesuffix("Z").removesuffix("+00:00")


def _plain(value: str) -> str:
    return UNPRINTABLE.sub("", value)
