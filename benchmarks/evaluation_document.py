"""Write `docs/evaluation.md` from a report of `xherald evaluate`.

``python -m benchmarks.evaluation_document evaluation/evaluation.json docs/evaluation.md``
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.evaluation_goals import goal_table, goals
from xherald.evaluation.labels import (
    METHODS,
    SAMPLES,
    Table,
    efficiency_table,
    ordered,
    percent,
    range_words,
    rows_where,
)
from xherald.evaluation.report import read_report

__all__ = ["PREFACE", "markdown"]

PREFACE: Final = """\
# Evaluation

Written by `python -m benchmarks.evaluation_document evaluation/evaluation.json docs/evaluation.md`; do not edit. The
same seed gives the same numbers.

```
xherald evaluate --quick
xherald evaluate --seed 1 --data ../shared/data --out evaluation
```

## What is measured

Sources with known truth are tested by the detector and by every baseline. There are two samples:

- **Grid**: steady sources of 10 to 500 photons (log-uniform) in the simulator's exposures, gaps, frames and backgrounds
  of Chandra ACIS-I, XMM MOS1, Swift XRT, eROSITA (pointed) and Einstein Probe WXT, into which events are injected.
  Flares: Gaussian, exponential decay, power-law decay, flat, double; T90 log-uniform from three frames (at least 10 s)
  to half of the livetime; 5 to 90 % of the net counts, log-uniform; spectrum that of the source, harder or softer.
  Dips: flat, V-shaped, absorbed (soft photons are lost first); 1/64 to 1/2 of the livetime, log-uniform; 40 to 100 %
  deep. The middle of an event is uniform over the livetime. Many of these events cannot be detected by any method: the
  "limit of timing" is the likelihood ratio averaged over the priors from which the events were drawn. Photons have
  places in the point spread; the detector and the averaged likelihood ratio weigh them, the limit of timing cannot.
- **Classes**: the simulator's populations of the same telescopes, half of the sources variable, 10 to 500 photons, with
  seeds that were not used in training. Pulsars and active nuclei count neither as steady nor as transient.

Each method has its own threshold: in each bin of counts (10, 20, 50, 100, 200, 500) at most the stated fraction of the
sample's steady sources lies above it. Errors are Wilson intervals, 68 %; differences are paired (McNemar). "5 σ" are
events whose counts are expected to deviate by that much.

Baselines: Poisson scan, deficit scan, longest gap, Bayesian Blocks, Kolmogorov–Smirnov, Gregory–Loredo, the averaged
likelihood ratio alone, the halves-and-quarters test of Yang et al. 2019 (MNRAS 487, 4721) without its factor of five,
and the published features (Dillmann et al. 2025: 2D-PCA, 3D-PCA) with the distance to the nearest bona-fide transient
and with the ratio of the distances to the fifth nearest ordinary source and transient.
"""

PENDING: Final = "\nNo run has been released yet.\n"


def markdown(report: Mapping[str, Any] | None) -> str:
    """Document of a report; without one, only the description of the evaluation.

    Parameters
    ----------
    report : mapping or None
        From `run.evaluate`.
    """
    if report is None:
        return PREFACE + PENDING
    parts = [PREFACE, _run(report), _titled("## Goals", goal_table(goals(report)))]
    for name, sample in report["samples"].items():
        parts += [f"## {SAMPLES.get(name, name)}", _format_counts(sample["sources"])]
        for direction, plural in (("flare", "Flares"), ("dip", "Dips")):
            for rate, words in ((0.01, "1 %"), (0.001, "0.1 %")):
                title = f"### {plural} found at {words} false positives, per cent"
                parts.append(_titled(title, efficiency_table(sample, direction, rate)))
            title = f"### {plural} expected at 5 σ, found at 1 % false positives, per cent"
            parts.append(_titled(title, efficiency_table(sample, direction, 0.01, "5 sigma")))
            parts.append(_titled(f"### {plural} by property, 1 % false positives, per cent", _by(sample, direction)))
        parts.append(_titled("### Stated false-alarm probability against measured", _false_alarms(sample)))
    parts += ["## Classes of recovered transients", *(_confusion(table) for table in report["confusion"])]
    parts += [_titled("## False discoveries along a stream", _stream(report["stream"])), _real(report["real"])]
    if report["vetoes"] is not None:
        parts.append(_titled("## Vetoes on simulated fields", _vetoes(report["vetoes"]["rows"])))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _run(report: Mapping[str, Any]) -> str:
    sizes = ", ".join(f"{key} {value:,}" for key, value in report["sizes"].items())
    seconds = ", ".join(f"{key} {value:.0f} s" for key, value in report["seconds"].items())
    versions = ", ".join(f"{key} {value}" for key, value in report["versions"].items())
    return (
        f"## This run\n\nDetector: {report['detector']}. Seed {report['seed']}, {report['created_utc']}.\n"
        f"Sizes: {sizes}.\nTook: {seconds}.\nVersions: {versions}."
    )


def _format_counts(sources: Mapping[str, int]) -> str:
    return "Sources: " + ", ".join(f"{number:,} {kind}" for kind, number in sources.items()) + "."


def _titled(title: str, table: Table) -> str:
    return f"{title}\n\n{_table(table)}"


def _table(table: Table) -> str:
    heads, rows = table
    if not rows:
        return "No data."
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _by(sample: Mapping[str, Any], direction: str) -> Table:
    rows = rows_where(sample["by"], direction=direction)
    methods = ordered(row["method"] for row in rows)
    groups: list[tuple[str, Any]] = []
    for row in rows:
        if (row["by"], row["value"]) not in groups:
            groups.append((row["by"], row["value"]))
    out = []
    for by, value in groups:
        own = {row["method"]: row for row in rows_where(rows, by=by, value=value)}
        name = f"{_part(value[0])} to {_part(value[1])} of livetime" if by == "duration" else str(value)
        name += ", 10–50 counts" if by == "faint" else ""
        out.append([name, f"{next(iter(own.values()))['events']:,}", *(percent(own[one]) for one in methods)])
    return ["events", "number", *(METHODS.get(one, one) for one in methods)], out


def _part(value: float) -> str:
    return "0" if value == 0 else "1" if value == 1 else f"1/{1 / value:.0f}"


def _false_alarms(sample: Mapping[str, Any]) -> Table:
    rows = []
    for row in sample["false_alarms"]:
        value = row["value"]
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = f"{value[0]:g} to {value[1]:g}" if value[1] is not None else f"{value[0]:g} and more"
        ratio = f"{row['ratio']:.2f} ({row['low']:.2f}–{row['high']:.2f})"
        holds = ("yes" if row["holds"] else "no") if row["tells"] else "too few"
        rows.append(
            [row["by"], str(value), f"{row['nominal']:g}", f"{row['expected']:.1f}", str(row["found"]), ratio, holds]
        )
    return ["by", "range", "stated", "expected", "found", "measured / stated (68 %)", "within 20 %"], rows


def _confusion(table: Mapping[str, Any]) -> str:
    accuracy = "accuracy unknown" if table["accuracy"] is None else f"{100 * table['accuracy']:.1f} % correct"
    words = f"### {range_words(table['counts'])} counts: {table['recovered']:,} recovered, {accuracy}"
    rows = [
        [name, *(str(number) for number in row)] for name, row in zip(table["classes"], table["table"], strict=True)
    ]
    return _titled(words, (["true class", *(f"as {answer}" for answer in table["answers"])], rows))


def _stream(stream: Mapping[str, Any]) -> Table:
    heads = ["control", "sources × replays", "level", "false fraction", "worst along", "without control", "power"]
    error = "" if stream["error"] is None else f" ± {stream['error']:.3f}"
    row = [
        "LORD++",
        f"{stream['sources']:,} × {stream['replays']}",
        f"{stream['level']:.2f}",
        f"{stream['false_fraction']:.3f}{error}",
        f"{stream['worst']:.3f}",
        f"{stream['false_fraction_without_control']:.3f}",
        f"{stream['power']:.3f}",
    ]
    return heads, [row]


def _vetoes(counts: Iterable[Mapping[str, Any]]) -> Table:
    heads = ["what", "kind", "counted", "of", "fraction (95 %)"]
    return heads, [
        [
            f"{one['group'].replace('_', ' ')}, {one['what']}",
            one["kind"] or "all",
            f"{one['counted']:,}",
            f"{one['trials']:,}",
            f"{100 * one['part']:.2f} % ({100 * one['low']:.2f}–{100 * one['high']:.2f})",
        ]
        for one in counts
        if not one["telescope"]
    ]


def _real(real: Mapping[str, Any]) -> str:
    parts = ["## Real quiet files"]
    if real["skipped"]:
        parts.append("Skipped: " + "; ".join(f"{one['file']} ({one['reason']})" for one in real["skipped"]) + ".")
    rows = []
    for file in real["files"]:
        own = rows_where(real["injections"], file=file["file"])
        rows.append(
            [
                file["file"],
                str(file["tested"]),
                f"{file['found']} ({file['expected']:.2f} expected)",
                str(len(own)),
                str(sum(one["placed"] for one in own)),
                str(sum(one["recovered"] for one in own)),
            ]
        )
    heads = ["file", "sources", f"at or below {real['threshold']:g}", "injections", "with a source", "recovered"]
    parts.append(_table((heads, rows)))
    return "\n\n".join(parts)


def main() -> None:
    """Write the document; the arguments are the report and the document."""
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m benchmarks.evaluation_document EVALUATION.json DOCUMENT.md")
    report, document = (Path(name) for name in sys.argv[1:])
    document.write_text(markdown(read_report(report)), encoding="utf-8")


if __name__ == "__main__":
    main()
