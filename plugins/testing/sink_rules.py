"""Rules of alert sinks: `check_sink`. What is sent is of the tense "test"."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from xherald.photons.errors import AlertError, ConfigError
from xherald.plugins.alerts import Alert, AlertSink, Facts, Receipt
from xherald.plugins.contract import Options

from .common_rules import add_common, add_stateless, default_options, state_of
from .rules import Report, Rules, Skipped, Violation, require

__all__ = ["SINK_RULES", "check_sink", "sample_alerts"]

CREATED: Final = "2024-05-01T12:00:00.000Z"


@dataclass(frozen=True)
class SinkCase:
    """A sink, options that lead somewhere and options that lead nowhere, and what tells which ids arrived."""

    plugin: AlertSink
    given: Options | Mapping[str, Any] | None
    nowhere: Options | Mapping[str, Any] | None
    held: Callable[[], Collection[str]] | None
    before: str

    @cached_property
    def options(self) -> Options:
        """Options that lead somewhere."""
        if self.given is None:
            raise Skipped("sends alerts of the tense test: give options that lead to a place for them")
        return default_options(self.given, self.plugin)

    def send(self, alert: Alert) -> Receipt:
        """What it answers."""
        return self.plugin.send(alert, self.options)


SINK_RULES: Final[Rules[SinkCase]] = Rules("alert_sinks")
rule = SINK_RULES.rule
add_common(SINK_RULES)


@rule(
    "takes-every-kind",
    "Initial alerts, updates, retractions and digests are taken, however little is known.",
    essential=True,
)
def _takes(case: SinkCase) -> None:
    for alert in sample_alerts():
        try:
            receipt = case.send(alert)
        except AlertError as fault:
            raise Violation(f"alert {alert.id} ({alert.alert_type}) was not taken: {fault}") from fault
        require(isinstance(receipt, Receipt), f"send gives {type(receipt).__name__}; give a Receipt")


@rule("receipt", "A receipt says in one line what took the alert, and holds no secret.")
def _receipt(case: SinkCase) -> None:
    receipt = case.send(sample_alerts()[0])
    require(receipt.where and "\n" not in receipt.where, f"where is {receipt.where!r}; name a file, address or topic")
    require(isinstance(receipt.repeated, bool), f"repeated is {receipt.repeated!r}; say True or False")
    json.dumps(receipt.as_json())
    secrets = case.plugin.secrets(case.options)
    shown = [one for one in secrets if one and one in f"{receipt.where} {receipt.note}"]
    require(not shown, "the receipt shows a secret of the options; leave it out")


@rule("again", "The same id may come again: it is taken once, or handed on under the same id.")
def _again(case: SinkCase) -> None:
    alert = replace(sample_alerts()[0], id="kit-again")
    first, second = case.send(alert), case.send(alert)
    require(not first.repeated, "the first of two tries was answered as repeated")
    if case.held is None:
        require(isinstance(second, Receipt), "the second try was not answered with a Receipt")
        return
    held = list(case.held())
    require("kit-again" in held, "the alert's id is not where the options lead; hand the id on")
    if second.repeated:
        require(held.count("kit-again") == 1, f"answered as repeated, and there are {held.count('kit-again')} of it")


@rule("secrets", "secrets gives texts, and what they lead to is read when it is asked for.")
def _secrets(case: SinkCase) -> None:
    secrets = case.plugin.secrets(case.options)
    sound = not isinstance(secrets, str) and all(isinstance(one, str) for one in secrets)
    require(sound, "secrets gives something else than texts; give a tuple of them")


@rule("nowhere", "Where options lead nowhere, SinkUnavailableError, AlertRefusedError or ConfigError says so.")
def _nowhere(case: SinkCase) -> None:
    if case.nowhere is None:
        raise Skipped("no options were given that lead nowhere")
    options = default_options(case.nowhere, case.plugin)
    try:
        case.plugin.send(sample_alerts()[0], options)
    except (AlertError, ConfigError) as fault:
        require("\n" not in str(fault), f"the reason has several lines: {str(fault)!r}")
        return
    raise Violation("an alert was taken where the options lead nowhere")


add_stateless(SINK_RULES)


def sample_alerts() -> tuple[Alert, ...]:
    """One alert of every kind, of the tense "test", full of facts and bare."""
    facts = Facts(
        kind="flare",
        mission="KIT",
        instrument="CCD",
        obs_id="1",
        detection_id="burst",
        ra_deg=150.0,
        dec_deg=2.0,
        pos_err_arcsec=1.0,
        interval_start_utc="2024-05-01T11:00:00.000Z",
        interval_stop_utc="2024-05-01T11:03:20.000Z",
        interval_livetime_s=200.0,
        band_kev=(0.5, 7.0),
        interval_net_rate_ct_s=0.2,
        interval_expected_rate_ct_s=0.01,
        signal_to_noise=6.0,
        livetime_s=9.5e3,
        false_alarm_probability=1e-4,
        extrapolated=True,
        ranking_statistic=7.5,
        expected_false_alarms_per_1000=0.1,
        far_hz=1e-9,
        p_astro=0.99,
        likely_class="stellar_flare",
        class_probabilities={"stellar_flare": 0.8, "other": 0.2},
        similar_to=("XRT 200515",),
        flags=("background_poor",),
        vetoes=("truncated",),
    )
    initial = Alert("kit-1", "kit-c1", "initial", "test", CREATED, "Test of an alert sink", facts, {"kit": True})
    update = replace(initial, id="kit-2", alert_type="update", previous=("kit-1",))
    gone = replace(initial, id="kit-3", alert_type="retraction", reason="a test", previous=("kit-1", "kit-2"))
    bare = Alert("kit-4", "kit-c2", "initial", "test", CREATED, "Test with nothing known")
    digest = Alert("kit-5", "", "digest", "test", CREATED, "Test of a digest", members=(initial, bare))
    return initial, update, gone, bare, digest


def check_sink(
    plugin: AlertSink,
    *,
    options: Options | Mapping[str, Any] | None = None,
    nowhere: Options | Mapping[str, Any] | None = None,
    held: Callable[[], Collection[str]] | None = None,
) -> Report:
    """Hold an alert sink to its contract; with options that lead somewhere, alerts of the tense "test" are sent there.

    Parameters
    ----------
    plugin : AlertSink
    options : Options or mapping, optional
        That lead to a place for tests; without them nothing is sent.
    nowhere : Options or mapping, optional
        That lead to no place.
    held : callable, optional
        Answers the ids that arrived, one for each time.

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """
    case = SinkCase(plugin, options, nowhere, held, state_of(plugin))
    return SINK_RULES.run(case, plugin.name)
