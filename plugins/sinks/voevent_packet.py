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
"""Times are at the spacecraft."""

UNPRINTABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow."""

ARCSEC_PER_DEGREE: Final = 3600.0

CITED: Final = {"update": "supersedes", "retraction": "retraction"}

PARAMETERS: Final[Mapping[str, tuple[str, str, str]]] = {
    "kind": ("string", "", "meta.code.class;src.var"),
    "instrument": ("string", "", "meta.id;instr"),
    "obs_id": ("string", "", "meta.id;obs"),
    "detection_id": ("string", "", "meta.id;src"),
    "interval_livetime_s": ("float", "s", "time.duration;obs.exposure"),
    "interval_net_rate_ct_s": ("float", "ct / s", "arith.rate;phot.count"),
    "interval_expected_rate_ct_s": ("float", "ct / s", "arith.rate;phot.count;stat.mean"),
    "signal_to_noise": ("float", "", "stat.snr"),
    "t90_s": ("float", "s", "time.duration"),
    "t90_low_s": ("float", "s", "time.duration;stat.min"),
    "t90_high_s": ("float", "s", "time.duration;stat.max"),
    "livetime_s": ("float", "s", "time.duration;obs.exposure"),
    "peak_flux_broad_erg_cm2_s": ("float", "erg / (cm2 s)", "phot.flux;em.X-ray"),
    "peak_flux_broad_low_erg_cm2_s": ("float", "erg / (cm2 s)", "phot.flux;em.X-ray;stat.min"),
    "peak_flux_broad_high_erg_cm2_s": ("float", "erg / (cm2 s)", "phot.flux;em.X-ray;stat.max"),
    "flux_broad_erg_cm2_s": ("float", "erg / (cm2 s)", "phot.flux;em.X-ray"),
    "flux_broad_low_erg_cm2_s": ("float", "erg / (cm2 s)", "phot.flux;em.X-ray;stat.min"),
    "flux_broad_high_erg_cm2_s": ("float", "erg / (cm2 s)", "phot.flux;em.X-ray;stat.max"),
    "limiting_flux_broad_erg_cm2_s": ("float", "erg / (cm2 s)", "phot.flux;em.X-ray;stat.max"),
    "nh_cm2": ("float", "cm-2", "phys.columnDensity"),
    "nh_source": ("string", "", "meta.note"),
    "false_alarm_probability": ("float", "", "stat.probability"),
    "extrapolated": ("string", "", "meta.code.qual"),
    "ranking_statistic": ("float", "", "stat.value"),
    "expected_false_alarms_per_1000": ("float", "", "meta.number;stat.mean"),
    "far_hz": ("float", "Hz", "arith.rate;stat.mean"),
    "p_astro": ("float", "", "stat.probability;src.var"),
    "likely_class": ("string", "", "src.class"),
    "class_coverage": ("float", "", "stat.probability"),
    "novelty": ("float", "", "stat.rank;src.class"),
    "long_term_change": ("string", "", "meta.code.class;src.var"),
    "long_term_false_alarm_probability": ("float", "", "stat.probability"),
    "long_term_far_hz": ("float", "Hz", "arith.rate;stat.mean"),
    "long_term_reason": ("string", "", "meta.note"),
}
"""Facts that become Params: type, unit, UCD, as in the schema of results."""


def ivorn(stream: str, alert_id: str) -> str:
    """Identifier of a packet: that of the stream, then the alert's id."""
    return f"{stream}#{quote(alert_id, safe='-._~+')}"


def voevent(alert: Alert, stream: str, author: Mapping[str, str]) -> bytes:
    """Make the packet, encoded in UTF-8.

    Parameters
    ----------
    alert : Alert
    stream : str — ``ivo://authority/stream``
    author : mapping
        Elements of ``Who/Author``: title, shortName, contactName, contactEmail.

    Returns
    -------
    bytes
        ``Citations`` name the earlier alerts that an update supersedes or a retraction retracts. ``Position2D``
        needs a position and its error and is left out without them.
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
    _list(what, "vetoes", alert.facts.vetoes)


def _where_when(place: Element, facts: Facts) -> None:
    location = _below(place, "ObsDataLocation")
    _below(location, "ObservatoryLocation", id=facts.mission or "unknown")
    seen = _below(location, "ObservationLocation")
    _below(seen, "AstroCoordSystem", id=COORDINATES)
    coordinates = _below(seen, "AstroCoords", coord_system_id=COORDINATES)
    if facts.interval_start_utc is not None:
        instant = _below(_below(coordinates, "Time", unit="s"), "TimeInstant")
        _below(instant, "ISOTime", _moment(facts.interval_start_utc))
    if facts.ra_deg is None or facts.dec_deg is None:
        return
    if facts.pos_err_arcsec is not None:
        position = _below(coordinates, "Position2D", unit="deg")
        _below(position, "Name1", "RA")
        _below(position, "Name2", "Dec")
        value = _below(position, "Value2")
        _below(value, "C1", repr(float(facts.ra_deg)))
        _below(value, "C2", repr(float(facts.dec_deg)))
        _below(position, "Error2Radius", repr(float(facts.pos_err_arcsec) / ARCSEC_PER_DEGREE))
    else:
        _below(place, "Description", f"RA {facts.ra_deg:.6f}, Dec {facts.dec_deg:.6f} (deg, ICRS), error unknown")


def _why(root: Element, facts: Facts) -> None:
    if not facts.class_set and facts.p_astro is None:
        return
    why = _below(root, "Why")
    if facts.p_astro is not None:
        varies = _below(why, "Inference", probability=repr(min(max(float(facts.p_astro), 0.0), 1.0)))
        _below(varies, "Concept", "stat.variability")
    for name in facts.class_set:
        probability = min(max(float(facts.class_probabilities.get(name, 0.0)), 0.0), 1.0)
        likely = _below(why, "Inference", probability=repr(probability), relation="classified")
        _below(likely, "Name", name)


def _below(parent: Element, tag: str, content: str | None = None, /, **attributes: str) -> Element:
    from lxml import etree

    child = etree.SubElement(parent, tag, {key: _plain(value) for key, value in attributes.items()})
    if content is not None:
        child.text = _plain(content)
    return child


def _param(what: Element, name: str, value: Any, kind: str, unit: str, ucd: str) -> None:
    if isinstance(value, bool):
        value = str(value).lower()
    content = value if isinstance(value, str) else repr(float(value))
    attributes = {"unit": unit, "ucd": ucd}
    given = {key: one for key, one in attributes.items() if one}
    _below(what, "Param", name=name, value=content, dataType=kind, **given)


def _list(what: Element, name: str, values: Iterable[str]) -> None:
    items = list(values)
    if items:
        group = _below(what, "Group", name=name)
        for one in items:
            _param(group, name, one, "string", "", "")


def _moment(date: str) -> str:
    """A date in the form of VOEvent: UTC without a suffix."""
    return date.removesuffix("Z").removesuffix("+00:00")


def _plain(value: str) -> str:
    return UNPRINTABLE.sub("", value)
