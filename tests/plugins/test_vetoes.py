"""Application of vetoes: registration, failing plugins, rows of flags and trials."""

from __future__ import annotations

import json

import numpy as np
import pytest
from dithering_field import FRAME_S, HOST, REJECTING_VETOES, WARNING_VETOES, DitheringField, extract_at

from xherald.detector.scoring.veto_flags import apply_vetoes, flag_rows, rejected
from xherald.evaluation.veto_trials import veto_trials
from xherald.photons.errors import ConfigError
from xherald.plugins import DetectionBatch, Flags, Options, PluginHost, Veto


def test_every_veto_is_registered() -> None:
    assert {name for name, veto in HOST.vetoes.items() if veto.rejects} == REJECTING_VETOES
    assert {name for name, veto in HOST.vetoes.items() if not veto.rejects} == WARNING_VETOES


class FailingVeto(Veto):
    """Raises an error."""

    name = "broken"
    reason = "never"

    def flags(self, detection_batch: DetectionBatch, options: Options) -> Flags:
        raise RuntimeError("out of order")


class InvalidVeto(Veto):
    """Returns flags for one source, whatever the number of sources."""

    name = "careless"
    reason = "{nothing:.1f}"

    def flags(self, detection_batch: DetectionBatch, options: Options) -> Flags:
        return Flags(np.ones(1, dtype=np.bool_), {})


def test_failing_vetoes_are_recorded_and_others_are_applied() -> None:
    host = PluginHost()
    sky = DitheringField(15)
    sky.add_background(3_000)
    sky.add_pixel(60, 60, 5_000 + FRAME_S * np.arange(10))
    detection_batch = extract_at(sky.make_observation(), [(60, 60), (-60, 60)])
    vetoes = {"broken": FailingVeto(), "careless": InvalidVeto(), **host.vetoes}
    for _ in range(2):
        flags = apply_vetoes(detection_batch, vetoes, {}, host)
    assert [one.name for one in flags] == list(host.vetoes)
    assert rejected(flags).tolist() == [True, False]
    assert [(one.name, one.times) for one in host.failures] == [("broken", 2), ("careless", 2)]
    assert "out of order" in host.failures[0].reason
    with pytest.raises(ConfigError, match=r"vetoes\.hot_pixel"):
        apply_vetoes(detection_batch, host.vetoes, {"hot_pixel": Options()}, host)


def test_flag_rows_are_json_with_rejections_first() -> None:
    sky = DitheringField(16)
    sky.add_background(3_000)
    sky.add_pixel(60, 60, 19_960 + FRAME_S * np.arange(10))
    flags = apply_vetoes(extract_at(sky.make_observation(), [(60, 60)]), HOST.vetoes, {}, HOST)
    rows = flag_rows(flags, 0)
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0]["veto"] == "hot_pixel"
    assert [row["rejects"] for row in rows] == sorted((row["rejects"] for row in rows), reverse=True)
    assert "10 of 10 photons are on one detector pixel" in rows[0]["reason"]
    assert rejected((), 3).tolist() == [False] * 3


def test_veto_trials_are_counted_and_reproducible() -> None:
    first = veto_trials(3, fields=1, telescopes=("chandra-acis-i", "swift-xrt"))
    assert json.loads(json.dumps(first)) == first
    assert first == veto_trials(3, fields=1, telescopes=("chandra-acis-i", "swift-xrt"))
    groups = {row["group"]: row for row in first["rows"] if not row["kind"]}
    assert {"artefact", "clean", "transient"} <= set(groups)
    assert first["failures"] == []
    for row in first["rows"]:
        assert row["low"] <= row["part"] == row["counted"] / row["trials"] <= row["high"]
    # Two fields do not measure a rate, but show that artefacts are rejected and sources are kept.
    assert groups["artefact"]["part"] > 0.6
    assert groups["transient"]["part"] > 0.8
