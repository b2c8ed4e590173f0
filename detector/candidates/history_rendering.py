"""History of a position as text: one sentence for alerts, lines of label and value for terminals and plot sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xherald.photons.probabilities import UNKNOWN, format_probability

from .formatting import format_length, format_measurement

if TYPE_CHECKING:
    from xherald.detector.results.json_columns import Value68

    from .position_history import History, ObservationRate

__all__ = ["format_history", "history_rows"]

MAX_P_OF_CHANGE: Final = 1e-3
"""Largest p-value, trials counted, at which a rate is said to have changed."""

MAX_LISTED: Final = 6
"""Observations that are listed one by one."""

KILO: Final = 1e3


def format_history(history: History | None) -> str:
    """One sentence on other observations of the position; empty where there is none."""
    if history is None:
        return ""
    if not history["compared"]:
        if history["total"]:
            return f"observed before in {_observations(history['total'])}, but blended with a neighbour"
        return _format_elsewhere(history)
    before = _is_latest(history)
    p_value = _format_p(history)
    limit = history["mean_upper_limit_ct_s"]
    if limit is not None:
        exposure = f"{_exposure(history['exposure_s'])}{_of_observations(history)}"
        where = "before" if before else "in other observations"
        rate = history["rate_ct_s"]["value"]
        return f"not detected {where}: {_limit(history, limit)} in {exposure}; now {rate:.2g} ct/s ({p_value})"
    mean = f"the mean of {_observations(history['compared'])}{_dates(history)}"
    return f"{_comparison(history, before)}: {_measurement(history['ratio'])} times {mean} ({p_value})"


def _limit(history: History, limit_ct_s: float) -> str:
    """Upper limit of the mean rate, and of the flux where it is known."""
    flux = history.get("mean_upper_limit_erg_cm2_s")
    return f"< {limit_ct_s:.2g} ct/s{'' if flux is None else f' or {flux:.2g} erg/cm2/s'} (95 %)"


def history_rows(history: History) -> list[tuple[str, str]]:
    """Lines of label and value."""
    rows = [("this observation", _measurement(history["rate_ct_s"], "ct/s"))]
    limit = history["mean_upper_limit_ct_s"]
    if history["mean_rate_ct_s"] is not None:
        mean = _measurement(history["mean_rate_ct_s"], "ct/s")
        rows.append((f"mean of {_observations(history['compared'])}", mean))
    elif limit is not None:
        rows.append((f"limit of {_observations(history['compared'])}", _limit(history, limit)))
    if history["ratio"] is not None:
        rows.append(("ratio", _measurement(history["ratio"])))
    elif history["ratio_at_least"] is not None:
        rows.append(("ratio", f"> {history['ratio_at_least']:.2g} (95 %)"))
    if history["p_value"] is not None:
        rows.append(("constant rate", _format_p(history)))
    if history["p_long_term"] is not None:
        change = f" ({history['change']})" if history["change"] else ""
        rows.append(("ordinary source", f"p = {format_probability(history['p_long_term'])}{change}"))
    rows += [_format_observation(one) for one in history["observations"][:MAX_LISTED]]
    hidden = history["total"] - min(len(history["observations"]), MAX_LISTED)
    if hidden > 0:
        rows.append(("earlier observations", f"{hidden:,}"))
    rows += [
        (_date(one["start_utc"]) or UNKNOWN, f"detected by {one['mission']} {one['instrument']} {one['obs_id']}")
        for one in history["seen_elsewhere"][:MAX_LISTED]
    ]
    return rows


def _format_observation(one: ObservationRate) -> tuple[str, str]:
    """One observation and its rate, or the limit where nothing was detected."""
    label = " ".join(part for part in (_date(one["start_utc"]), one["obs_id"]) if part) or UNKNOWN
    if one["rate_ct_s"] is not None:
        return label, _measurement(one["rate_ct_s"], "ct/s")
    blended = ", blended with a neighbour" if one["crowded"] else ""
    return label, f"< {one['upper_limit_ct_s']:.2g} ct/s in {_exposure(one['exposure_s'])}{blended}"


def _format_p(history: History) -> str:
    text = format_probability(history["p_after_trials"])
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def _measurement(value: Value68 | None, unit: str = "") -> str:
    if value is None:
        return UNKNOWN
    return format_measurement(value["value"], value["low"], value["high"], unit)


def _exposure(seconds: float) -> str:
    """Length of an exposure, in ks where it is that long."""
    return f"{seconds / KILO:.3g} ks" if seconds >= KILO else format_length(seconds)


def _comparison(history: History, before: bool) -> str:
    ratio, p_value = history["ratio"], history["p_after_trials"]
    than = "before" if before else "in other observations"
    if ratio is None or p_value is None or p_value >= MAX_P_OF_CHANGE:
        return f"as bright as {than}"
    word = "brighter" if ratio["value"] > 1 else "fainter"
    ever = " ever" if before and history["extreme"] is not None else ""
    return f"{word} than{ever} {than}"


def _is_latest(history: History) -> bool:
    """Whether all observations that it is compared with were earlier."""
    now = history["start_utc"]
    starts = [one["start_utc"] for one in history["observations"] if not one["crowded"]]
    return now is not None and all(one is not None and one < now for one in starts)


def _of_observations(history: History) -> str:
    return _dates(history) if history["compared"] == 1 else f" of {_observations(history['compared'])}{_dates(history)}"


def _dates(history: History) -> str:
    starts = sorted(_date(one["start_utc"]) for one in history["observations"] if not one["crowded"])
    first, last = (starts[0], starts[-1]) if starts else ("", "")
    if not first:
        return ""
    if history["compared"] == 1:
        return f" on {first}"
    return f" since {first}" if _is_latest(history) else f", {first} to {last}"


def _format_elsewhere(history: History) -> str:
    if not history["seen_elsewhere"]:
        return ""
    one = history["seen_elsewhere"][0]
    name = " ".join(part for part in (one["mission"], one["instrument"], one["obs_id"]) if part)
    date = _date(one["start_utc"])
    return f"not observed before by this instrument; detected by {name}" + (f" on {date}" if date else "")


def _observations(number: int) -> str:
    return f"{number:,} observation" + ("" if number == 1 else "s")


def _date(utc: str | None) -> str:
    return "" if utc is None else utc[:10]
