"""Goals of the detector compared with what an evaluation measured.

Goals apply to sources that were not used in training; differences are paired, on the same sources.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from xherald.evaluation.labels import Table
from xherald.evaluation.method_scores import DETECTOR, ORACLE

__all__ = ["SIMPLE", "goal_table", "goals"]

SIMPLE: Final = {
    "flare": ("flare_scan", "bayesian_blocks", "ks", "gregory_loredo", "halves_quarters"),
    "dip": ("dip_scan", "longest_gap", "bayesian_blocks", "ks", "gregory_loredo", "halves_quarters"),
}
"""Tests that are neither averaged nor learned, by direction."""

ABOVE_SCAN, ABOVE_SCAN_FAINT, ABOVE_DIP_TESTS = 0.03, 0.07, 0.06
BELOW_LIMIT, ABOVE_LIMIT_FAINT = 0.005, 0.03
CLASSES, FALSE_FRACTION = 0.85, 0.10
MIN_ALLOWED: Final = 3.0
"""Smallest number of steady sources of a bin above its threshold for which a comparison is decided."""

WHOLE: Final = [10, 501]

VETO_GOALS: Final[Mapping[str, float]] = {"artefact": 0.95, "cosmic_ray": 0.985, "transient": 0.985, "clean": 0.005}
"""Smallest fraction of each group to be rejected or kept; for clean sources, the largest that may be flagged.

The pipeline of Einstein Probe reaches 93 %, 98.2 %, 98.3 % and 0.75 %.
"""


def goals(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of goal (text), sample, measured, error, wanted (text) and reached (None if it cannot be decided).

    Parameters
    ----------
    report : mapping
        From `run.evaluate`.
    """
    rows: list[dict[str, Any]] = []
    for name, sample in report["samples"].items():
        rows += _flares(name, sample["efficiencies"])
        rows += _dips(name, sample["efficiencies"])
        rows += _gain_of_weights(name, sample["by"])
        rows.append(_false_alarms(name, sample["false_alarms"]))
    for table in report["confusion"]:
        if table["counts"][0] == 50:
            reached = None if table["accuracy"] is None else table["accuracy"] >= CLASSES
            error = 0.5 * (table["high"] - table["low"])
            rows.append(
                _row("class right, above 50 counts", "classes", table["accuracy"], error, f"≥ {CLASSES}", reached)
            )
    stream = report["stream"]
    rows.append(
        _row(
            "false discoveries along a stream",
            "grid",
            stream["false_fraction"],
            stream["error"],
            f"≤ {FALSE_FRACTION:.2f}",
            stream["false_fraction"] <= FALSE_FRACTION,
        )
    )
    if report["vetoes"] is not None:
        rows += _vetoes(report["vetoes"]["rows"])
    return rows


def _vetoes(counts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for count in counts:
        if count["kind"] or count["telescope"]:
            continue
        what, goal = count["what"], VETO_GOALS[count["group"]]
        most = what == "flagged"
        reached = count["part"] <= goal if most else count["part"] >= goal
        words = f"{count['group'].replace('_', ' ')}: {what} ({count['counted']:,} of {count['trials']:,})"
        error = 0.25 * (count["high"] - count["low"])  # limits are of 95 %
        rows.append(_row(words, "fields", count["part"], error, f"{'≤' if most else '≥'} {goal:g}", reached))
    return rows


def _flares(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for counts, least, words in ((WHOLE, ABOVE_SCAN, "10–500 counts"), ([10, 50], ABOVE_SCAN_FAINT, "below 50 counts")):
        scan = _find(rows, "flare", 0.01, counts, "flare_scan")
        above = -scan["difference"]
        out.append(
            _row(
                f"flares at 1 % false, {words}: above the scan",
                name,
                above,
                scan["difference_error"],
                f"≥ {least:.2f}",
                above >= least,
            )
        )
    out += _against_timing(name, "flare", rows)
    bins = [
        row
        for row in rows
        if row["direction"] == "flare" and row["rate"] == 0.001 and row["group"] == "all"
        if row["method"] not in (DETECTOR, ORACLE, "flare_averaged")
        and row["counts"] not in (WHOLE, [10, 50], [50, 501])
        if row["events"]
    ]
    if bins:
        closest = max(bins, key=lambda row: row["difference"])
        where = f"{closest['method']}, {closest['counts'][0]}–{closest['counts'][1] - 1}"
        out.append(
            _row(
                f"flares at 0.1 % false: above every baseline in every bin (closest: {where})",
                name,
                -closest["difference"],
                closest["difference_error"],
                "> 0",
                closest["difference"] < 0 if min(row["steady"] for row in bins) * 0.001 >= MIN_ALLOWED else None,
            )
        )
    return out


def _dips(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    simple = [_find(rows, "dip", 0.01, WHOLE, method) for method in SIMPLE["dip"]]
    best = max((row for row in simple if row), key=lambda row: row["efficiency"] or 0.0)
    above = -best["difference"]
    return [
        *_against_timing(name, "dip", rows),
        _row(
            f"dips at 1 % false: above the best simple test ({best['method']})",
            name,
            above,
            best["difference_error"],
            f"≥ {ABOVE_DIP_TESTS:.2f}",
            above >= ABOVE_DIP_TESTS,
        ),
    ]


def _against_timing(name: str, direction: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The limit of timing over all counts; nothing in a sample for which it is not computed."""
    limit = _find(rows, direction, 0.01, WHOLE, ORACLE)
    if not limit:
        return []
    lacking, error = limit["difference"], limit["difference_error"]
    goal = f"{direction}s at 1 % false, 10–500 counts: below the limit of timing"
    return [_row(goal, name, lacking, error, f"≤ {BELOW_LIMIT:g}", lacking <= BELOW_LIMIT)]


def _gain_of_weights(name: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the detector finds above the limit of timing among faint flares, by telescope."""
    return [
        _row(
            f"flares at 1 % false, 10–50 counts, {row['value']}: above the limit of timing",
            name,
            -row["difference"],
            row["difference_error"],
            f"≥ {ABOVE_LIMIT_FAINT:g}",
            -row["difference"] >= ABOVE_LIMIT_FAINT,
        )
        for row in rows
        if (row["direction"], row["by"], row["method"]) == ("flare", "faint", ORACLE)
    ]


def _false_alarms(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    telling = [row for row in rows if row["tells"]]
    holding = sum(row["holds"] for row in telling)
    part = holding / len(telling) if telling else None
    words = f"stated false-alarm rate within ±20 % ({holding} of {len(telling)} bins)"
    return _row(words, name, part, None, "all", None if part is None else part == 1.0)


def _find(
    rows: Sequence[Mapping[str, Any]], direction: str, rate: float, counts: Sequence[int], method: str
) -> Mapping[str, Any]:
    """The row of a method; empty if there is none."""
    for row in rows:
        same = (row["direction"], row["rate"], row["group"], row["method"]) == (direction, rate, "all", method)
        if same and list(row["counts"]) == list(counts):
            return row
    return {}


def _row(
    goal: str, sample: str, measured: float | None, error: float | None, wanted: str, reached: bool | None
) -> dict[str, Any]:
    return {
        "goal": goal,
        "sample": sample,
        "measured": measured,
        "error": error,
        "wanted": wanted,
        "reached": None if reached is None else bool(reached),
    }


def goal_table(goals: Iterable[Mapping[str, Any]]) -> Table:
    """Table of the goals and the measured values."""

    def number(row: Mapping[str, Any]) -> str:
        if row["measured"] is None:
            return "–"
        error = "" if row["error"] is None else f" ± {row['error']:.3f}"
        return f"{row['measured']:.3f}{error}"

    answer = {True: "yes", False: "no", None: "not measured"}
    return (
        ["goal", "sample", "measured", "wanted", "reached"],
        [[row["goal"], row["sample"], number(row), row["wanted"], answer[row["reached"]]] for row in goals],
    )
