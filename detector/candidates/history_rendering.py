"""A place's history in words: one sentence for alerts, lines of label and value for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .formatting import UNKNOWN, length, measured

if TYPE_CHECKING:
    from .position_history import History, Seen

__all__ = ["format_history", "format_probability", "format_seen", "history_rows"]

SURE: Final = 1e-3
"""Chance, trials counted, below which a rate is called another."""

LEAST_CHANCE: Final = 1e-20
"""What lies below is not told: systematic errors of the rates are larger."""

SHOWN: Final = 6
"""Observations that are listed in words."""

KILO: Final = 1e3


def format_history(history: History | None) -> str:
    """One sentence on what other observations saw at the place; empty where none looked at it."""
    if history is None:
        return ""
    if not history["compared"]:
        if history["total"]:
            return f"looked at before in {_times(history['total'])}, but not apart from a neighbour"
        return _elsewhere_to_json(history)
    before = _is_first_after(history)
    chance = format_probability(history["p_after_trials"])
    if history["mean_upper_limit"] is not None:
        limit = f"below {history['mean_upper_limit']:.2g} counts/s (95 %)"
        when = f"{_exposure(history['exposure_s'])}{_of_observations(history)}"
        where = "before" if before else "in other observations"
        return f"not seen {where}: {limit} in {when}; now {history['rate']['value']:.2g} counts/s, {chance}"
    ratio = history["ratio"]
    times = f"{measured(ratio)} times the mean of {_times(history['compared'])}{_dates(history)}, {chance}"
    return f"{_how(history, before)}: {times}"


def history_rows(history: History) -> list[tuple[str, str]]:
    """Lines of label and value."""
    rows = [("this observation", measured(history["rate"], "ct/s"))]
    if history["mean_rate"] is not None:
        rows.append((f"mean of {_times(history['compared'])}", measured(history["mean_rate"], "ct/s")))
    elif history["mean_upper_limit"] is not None:
        rows.append((f"limit of {_times(history['compared'])}", f"<{history['mean_upper_limit']:.2g} ct/s (95 %)"))
    if history["ratio"] is not None:
        rows.append(("ratio", measured(history["ratio"])))
    elif history["ratio_at_least"] is not None:
        rows.append(("ratio", f">{history['ratio_at_least']:.2g} (95 %)"))
    if history["p_value"] is not None:
        rows.append(("constant rate", format_probability(history["p_after_trials"])))
    rows += [format_seen(one) for one in history["observations"][:SHOWN]]
    left = history["total"] - min(len(history["observations"]), SHOWN)
    if left > 0:
        rows.append(("and earlier ones", f"{left:,}"))
    rows += [
        (_date(one["start_utc"]) or UNKNOWN, f"{one['mission']} {one['instrument']} {one['obs_id']} has it, too")
        for one in history["seen_elsewhere"][:SHOWN]
    ]
    return rows


def format_seen(one: Seen) -> tuple[str, str]:
    """An observation and what it saw."""
    label = " ".join(part for part in (_date(one["start_utc"]), one["obs_id"]) if part) or UNKNOWN
    if one["rate"] is not None:
        return label, measured(one["rate"], "ct/s")
    crowded = ", with a neighbour's" if one["crowded"] else ""
    return label, f"<{one['upper_limit']:.2g} ct/s in {_exposure(one['exposure_s'])}{crowded}"


def format_probability(chance: float | None) -> str:
    """A chance as "p 2e-9"."""
    if chance is None:
        return f"p {UNKNOWN}"
    if chance < LEAST_CHANCE:
        return f"p < {LEAST_CHANCE:.0e}"
    return f"p {chance:.2g}" if chance >= 0.01 else f"p {chance:.0e}".replace("e-0", "e-")


def _exposure(seconds: float) -> str:
    """A length of exposure, in ks where that is shorter."""
    return f"{seconds / KILO:.3g} ks" if seconds >= KILO else length(seconds)


def _how(history: History, before: bool) -> str:
    ratio, chance = history["ratio"], history["p_after_trials"]
    assert ratio is not None
    than = "before" if before else "in other observations"
    if chance is None or chance >= SURE:
        return f"as bright as {than}"
    word = "brighter" if ratio["value"] > 1 else "fainter"
    ever = " ever" if before and history["extreme"] is not None else ""
    return f"{word} than{ever} {than}"


def _is_first_after(history: History) -> bool:
    """Whether all that it is compared with was earlier."""
    now = history["start_utc"]
    starts = [one["start_utc"] for one in history["observations"] if not one["crowded"]]
    return now is not None and all(one is not None and one < now for one in starts)


def _of_observations(history: History) -> str:
    return _dates(history) if history["compared"] == 1 else f" of {_times(history['compared'])}{_dates(history)}"


def _dates(history: History) -> str:
    starts = sorted(_date(one["start_utc"]) for one in history["observations"] if not one["crowded"])
    first, last = (starts[0], starts[-1]) if starts else ("", "")
    if not first:
        return ""
    if history["compared"] == 1:
        return f" on {first}"
    return f" since {first}" if _is_first_after(history) else f", {first} to {last}"


def _elsewhere_to_json(history: History) -> str:
    if not history["seen_elsewhere"]:
        return ""
    one = history["seen_elsewhere"][0]
    name = " ".join(part for part in (one["mission"], one["instrument"], one["obs_id"]) if part)
    date = _date(one["start_utc"])
    return f"never looked at by this instrument; seen by {name}" + (f" on {date}" if date else "")


def _times(number: int) -> str:
    return f"{number:,} observation" + ("" if number == 1 else "s")


def _date(utc: str | None) -> str:
    return "" if utc is None else utc[:10]
