"""Rules of alert sinks: `check_sink`. All alerts sent are marked as tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from xherald.photons.errors import AlertError, ConfigError
from xherald.plugins.alerts import Alert, AlertSink, Facts, Receipt
from xherald.plugins.contract import Options

from .common_rules import add_common_rules, add_stateless_rule, default_options, describe_state
from .rules import Report, Rules, Skipped, Violation, require

__all__ = ["SINK_RULES", "check_sink", "sample_alerts"]

CREATED: Final = "2024-05-01T12:00:00.000Z"


@dataclass(frozen=True)
class SinkCase:
    """A sink, options of a test destination and of an unreachable one, and a function that lists received ids."""

    plugin: AlertSink
    given: Options | Mapping[str, Any] | None
    unreachable: Options | Mapping[str, Any] | None
    received: Callable[[], Collection[str]] | None
    initial_state: str

    @cached_property
    def options(self) -> Options:
        """Options of a test destination."""
        if self.given is None:
            raise Skipped("sends test alerts: give options of a destination for tests")
        return default_options(self.given, self.plugin)

    def send(self, alert: Alert) -> Receipt:
        """Send an alert with these options."""
        return self.plugin.send(alert, self.options)


SINK_RULES: Final[Rules[SinkCase]] = Rules("alert_sinks")
rule = SINK_RULES.rule
add_common_rules(SINK_RULES)


@rule(
    "accepts-every-kind",
    "send accepts initial alerts, updates, retractions and digests, also without optional facts.",
    essential=True,
)
def _accepts(case: SinkCase) -> None:
    for alert in sample_alerts():
        try:
            receipt = case.send(alert)
        except AlertError as fault:
            raise Violation(f"alert {alert.id} ({alert.alert_type}) was not accepted: {fault}") from fault
        require(isinstance(receipt, Receipt), f"send returned {type(receipt).__name__}, expected a Receipt")


@rule("receipt", "The receipt names the destination in one line and contains no secret.")
def _receipt(case: SinkCase) -> None:
    receipt = case.send(sample_alerts()[0])
    require(receipt.where and "\n" not in receipt.where, f"where is {receipt.where!r}; give a file, address or topic")
    require(isinstance(receipt.repeated, bool), f"repeated is {receipt.repeated!r}, expected True or False")
    json.dumps(receipt.as_json())
    secrets = case.plugin.secrets(case.options)
    shown = [one for one in secrets if one and one in f"{receipt.where} {receipt.note}"]
    require(not shown, "the receipt contains a secret of the options; leave it out")


@rule("repeated", "An alert with an id that was sent before is ignored, or sent on with the same id.")
def _repeated(case: SinkCase) -> None:
    alert = replace(sample_alerts()[0], id="kit-repeated")
    first, second = case.send(alert), case.send(alert)
    require(not first.repeated, "the first of two alerts with the same id was reported as repeated")
    if case.received is None:
        require(isinstance(second, Receipt), "send returned no Receipt for the second alert with the same id")
        return
    received = list(case.received())
    require("kit-repeated" in received, "the destination did not receive the id of the alert; send it")
    if second.repeated:
        require(
            received.count("kit-repeated") == 1,
            f"reported as repeated, but received {received.count('kit-repeated')} times",
        )


@rule("secrets", "secrets returns a sequence of strings.")
def _secrets(case: SinkCase) -> None:
    secrets = case.plugin.secrets(case.options)
    sound = not isinstance(secrets, str) and all(isinstance(one, str) for one in secrets)
    require(sound, "secrets returned something else than strings, expected a tuple of strings")


@rule(
    "unreachable",
    "send raises an AlertError or ConfigError if the destination is unreachable.",
)
def _unreachable(case: SinkCase) -> None:
    if case.unreachable is None:
        raise Skipped("no options of an unreachable destination were given")
    options = default_options(case.unreachable, case.plugin)
    try:
        case.plugin.send(sample_alerts()[0], options)
    except (AlertError, ConfigError) as fault:
        require("\n" not in str(fault), f"the message has several lines: {str(fault)!r}")
        return
    raise Violation("send accepted an alert for an unreachable destination")


add_stateless_rule(SINK_RULES)


def sample_alerts() -> tuple[Alert, ...]:
    """One test alert of every kind, with all facts and with none."""
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
        class_set=("stellar_flare", "other_flare"),
        class_coverage=0.9,
        novelty=0.4,
        class_probabilities={"stellar_flare": 0.8, "other_flare": 0.2},
        similar_to=("XRT 200515",),
        flags=("background_poor",),
        vetoes=("truncated",),
    )
    initial = Alert("kit-1", "kit-c1", "initial", "test", CREATED, "Test of an alert sink", facts, {"kit": True})
    update = replace(initial, id="kit-2", alert_type="update", previous=("kit-1",))
    gone = replace(initial, id="kit-3", alert_type="retraction", reason="a test", previous=("kit-1", "kit-2"))
    bare = Alert("kit-4", "kit-c2", "initial", "test", CREATED, "Test without facts")
    digest = Alert("kit-5", "", "digest", "test", CREATED, "Test of a digest", members=(initial, bare))
    return initial, update, gone, bare, digest


def check_sink(
    plugin: AlertSink,
    *,
    options: Options | Mapping[str, Any] | None = None,
    unreachable: Options | Mapping[str, Any] | None = None,
    received: Callable[[], Collection[str]] | None = None,
) -> Report:
    """Check an alert sink against its contract; with options, test alerts are sent.

    Parameters
    ----------
    plugin : AlertSink
    options : Options or mapping, optional
        Of a destination for tests; without them nothing is sent.
    unreachable : Options or mapping, optional
        Of a destination that does not exist.
    received : callable, optional
        Returns the ids that the destination received, repeated ones repeatedly.

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """
    case = SinkCase(plugin, options, unreachable, received, describe_state(plugin))
    return SINK_RULES.run(case, plugin.name)
