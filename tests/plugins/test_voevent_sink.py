"""VOEvent packets against the schema, and their sink."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alert_servers import web_server
from example_alerts import ALERT_EXAMPLES, flare_alert, send, validate_options

from xherald.photons.errors import ConfigError, SinkUnavailableError
from xherald.plugins.alerts import Alert
from xherald.plugins.sinks.voevent_packet import voevent

STREAM = "ivo://org.example/xherald"


@pytest.fixture(scope="session")
def voevent_schema(data: Path) -> Any:
    from lxml import etree

    return etree.XMLSchema(etree.parse(data / "voevent" / "VOEvent-v2.0.xsd"))


@pytest.mark.parametrize("alert", ALERT_EXAMPLES, ids=lambda one: one.id)
def test_voevent_packets_are_valid(alert: Alert, voevent_schema: Any) -> None:
    from lxml import etree

    known = replace(alert, previous=("earlier",), headline=alert.headline + " <&> \x00\u2603")
    author = {"title": "A", "shortName": "B", "contactName": "C", "contactEmail": "d@example.org"}
    root = etree.fromstring(voevent(known, STREAM, author))
    voevent_schema.assertValid(root)
    assert root.get("role") == (
        "utility" if alert.members else "test" if alert.alert_tense == "test" else "observation"
    )
    cited = {one.get("cite"): one.text for one in root.iter("EventIVORN")}
    expected = {"update": "supersedes", "retraction": "retraction"}.get(alert.alert_type)
    assert cited == ({expected: f"{STREAM}#earlier"} if expected else {})


def test_voevent_packet_has_time_position_and_probabilities(voevent_schema: Any) -> None:
    from lxml import etree

    root = etree.fromstring(voevent(flare_alert(), STREAM, {}))
    assert root.get("ivorn") == f"{STREAM}#{flare_alert().id}"
    assert root.findtext(".//ISOTime") == "2026-02-27T12:00:00.000"
    assert [float(root.findtext(f".//{tag}")) for tag in ("C1", "C2")] == [83.8333, -5.42058]
    assert float(root.findtext(".//Error2Radius")) == pytest.approx(0.9 / 3600)
    values = {one.get("name"): one.get("value") for one in root.iter("Param")}
    assert (float(values["far_hz"]), float(values["p_astro"])) == (1e-7, 0.98)
    assert [one.get("probability") for one in root.iter("Inference")] == ["0.98", "0.75", "0.25"]
    # Without an error there is no circle; the position is in the description.
    unsure = etree.fromstring(voevent(flare_alert(ra_deg=1.0, dec_deg=2.0, pos_err_arcsec=None), STREAM, {}))
    voevent_schema.assertValid(unsure)
    assert unsure.find(".//Position2D") is None
    assert "RA 1.000000" in unsure.findtext("WhereWhen/Description")


def test_voevent_packets_are_written_to_a_folder_and_a_broker(tmp_path: Path) -> None:
    with web_server() as hook:
        both = {"folder": tmp_path, "url": hook.url, "stream": STREAM}
        assert not send("voevent", flare_alert(), **both).repeated
        hook.answers.append((409, {}, b""))
        assert send("voevent", flare_alert(), **both).repeated
    assert [one.name for one in tmp_path.iterdir()] == [f"{flare_alert().id}.xml"]
    headers, body = hook.requests[0]
    assert headers["Content-Type"] == "application/xml"
    assert (tmp_path / f"{flare_alert().id}.xml").read_bytes() == body
    with pytest.raises(SinkUnavailableError, match="No such file"):
        send("voevent", flare_alert(), folder=tmp_path / "missing", stream=STREAM)
    with pytest.raises(ConfigError, match="give a folder"):
        validate_options("voevent", stream=STREAM)
    with pytest.raises(ConfigError, match="stream"):
        validate_options("voevent", folder=tmp_path, stream="https://example.org/x")
