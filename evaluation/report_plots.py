"""Pages of a report: efficiency against counts and length, ROC, stated against measured false alarms, the stream.

Colours are Okabe and Ito's (2008), which the colour-blind tell apart; the detector is black and thick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .labels import METHODS, SAMPLES, ordered, range_words, rows_where
from .method_scores import DETECTOR, DIRECTIONS, ORACLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_report"]

INK: Final = "#22303c"
COLOURS: Final = {
    DETECTOR: "#000000",
    ORACLE: "#8c96a0",
    "flare_averaged": "#009E73",
    "dip_averaged": "#009E73",
    "flare_scan": "#0072B2",
    "dip_scan": "#0072B2",
    "longest_gap": "#CC79A7",
    "bayesian_blocks": "#E69F00",
    "gregory_loredo": "#56B4E9",
    "ks": "#B2A400",
    "halves_quarters": "#D55E00",
    "2D-PCA 1-NN": "#8C6BB1",
    "2D-PCA kNN ratio": "#8C6BB1",
    "3D-PCA 1-NN": "#7A4B3A",
    "3D-PCA kNN ratio": "#7A4B3A",
}
PALETTE: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHED: Final = {ORACLE: "--", "2D-PCA 1-NN": ":", "3D-PCA 1-NN": ":"}
PLURALS: Final = {"flare": "flares", "dip": "dips"}


def draw_report(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw all pages of a report as PNG into a folder that is there.

    Returns
    -------
    list of Path
        ``efficiency_<sample>.png``, ``roc_<sample>.png`` and ``false_alarms_<sample>.png`` of each sample, and
        ``stream.png``.
    """
    pages: dict[str, Figure] = {}
    for name, sample in report["samples"].items():
        pages[f"efficiency_{name}"] = _efficiency_page(name, sample)
        pages[f"roc_{name}"] = _roc_page(name, sample)
        pages[f"false_alarms_{name}"] = _false_alarm_page(name, sample)
    pages["stream"] = _stream_page(report["stream"])
    paths = []
    for name, figure in pages.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=110)
    return paths


def _figure(size: tuple[float, float], title: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, color=INK, fontsize=12)
    return figure


def _style(method: str) -> dict[str, Any]:
    return {
        "color": COLOURS.get(method, INK),
        "ls": DASHED.get(method, "-"),
        "lw": 2.6 if method == DETECTOR else 1.3,
        "label": METHODS.get(method, method),
        "zorder": 5 if method == DETECTOR else 4 if method == ORACLE else 3,
    }


def _efficiency_page(name: str, sample: Mapping[str, Any]) -> Figure:
    figure = _figure(
        (15.0, 9.4), f"{SAMPLES.get(name, name)}: fraction of the events found at 1 % false positives, 68 % errors"
    )
    places = figure.subplots(2, 2, sharey="row", width_ratios=(1.0, 1.15))
    for row, direction in enumerate(DIRECTIONS):
        rows = rows_where(sample["efficiencies"], direction=direction, rate=0.01, group="all")
        bins = [one for one in dict.fromkeys(tuple(r["counts"]) for r in rows) if one[1] / one[0] < 3]
        lengths = rows_where(sample["by"], direction=direction, by="duration")
        for method in ordered(r["method"] for r in rows):
            _draw_bins(
                places[row, 0], method, [r for r in rows_where(rows, method=method) if tuple(r["counts"]) in bins]
            )
            _draw_bins(places[row, 1], method, rows_where(lengths, method=method), of="value")
        places[row, 0].set_xscale("log")
        places[row, 0].set_xticks([10, 20, 50, 100, 200, 500], ["10", "20", "50", "100", "200", "500"])
        places[row, 0].minorticks_off()
        places[row, 0].set(xlabel="photons", ylabel=f"fraction of the {PLURALS[direction]} found")
        places[row, 1].set_xscale("log", base=2)
        places[row, 1].set(xlabel="length of the event (T90 of a flare), fraction of the live time")
        places[row, 1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        for place in places[row]:
            place.set_ylim(0, None if direction == "dip" else 1.02)
            place.grid(alpha=0.3)
    return figure


def _draw_bins(place: Axes, method: str, rows: Sequence[Mapping[str, Any]], of: str = "counts") -> None:
    rows = [row for row in rows if row["efficiency"] is not None]
    if not rows:
        return
    edges = np.array([row[of] for row in rows], dtype=float)
    middle = np.sqrt(np.maximum(edges[:, 0], edges[:, 1] / 4.0) * edges[:, 1])
    value, low, high = (np.array([row[key] for row in rows]) for key in ("efficiency", "low", "high"))
    bars = np.maximum([value - low, high - value], 0.0)
    place.errorbar(middle, value, yerr=bars, marker="o", ms=3, elinewidth=0.9, **_style(method))


def _roc_page(name: str, sample: Mapping[str, Any]) -> Figure:
    figure = _figure((14.0, 7.6), f"{SAMPLES.get(name, name)}: receiver operating characteristic, 10–500 counts")
    for place, direction in zip(figure.subplots(1, 2, width_ratios=(1.0, 1.0)), DIRECTIONS, strict=True):
        rows = rows_where(sample["roc"], direction=direction)
        for method in ordered(row["method"] for row in rows):
            (row,) = rows_where(rows, method=method)
            place.plot(row["rate"], row["efficiency"], **_style(method))
        left = min(row["rate"][0] for row in rows)
        chance = np.geomspace(left, 1.0, 100)
        place.plot(chance, chance, color=INK, lw=0.8, ls="-.", label="chance")
        place.set_xscale("log")
        place.set(xlim=(left, 1.0), ylim=(0, 1.02), xlabel="fraction of the steady sources found (false positives)")
        place.set_ylabel(f"fraction of the {PLURALS[direction]} found")
        place.axvline(0.01, color=INK, lw=0.6, ls=":")
        place.grid(alpha=0.3)
        place.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)
    return figure


def _false_alarm_page(name: str, sample: Mapping[str, Any]) -> Figure:
    rows = sample["false_alarms"]
    groups = list(dict.fromkeys(row["by"] for row in rows))
    figure = _figure(
        (15.0, 8.0), f"{SAMPLES.get(name, name)}: measured over stated false-alarm probability, 68 % errors"
    )
    places = figure.subplots(2, -(-len(groups) // 2), sharey=True, squeeze=False).ravel()
    for place, by in zip(places, groups, strict=False):
        own = rows_where(rows, by=by)
        values = []
        for row in own:
            if row["value"] not in values:
                values.append(row["value"])
        for number, value in enumerate(values):
            line = [row for row in own if row["value"] == value]
            shift = 1.0 + 0.05 * (number - 0.5 * (len(values) - 1))
            ratio, low, high = (np.array([row[key] for row in line]) for key in ("ratio", "low", "high"))
            place.errorbar(
                [row["nominal"] * shift for row in line],
                np.maximum(ratio, 0.02),
                yerr=np.maximum([ratio - low, high - ratio], 0.0),
                fmt="o-",
                ms=4,
                lw=0.8,
                color=PALETTE[number],
                label=_named(by, value),
            )
        place.axhspan(0.8, 1.2, color="#dfe2e5", lw=0)
        place.axhline(1.0, color=INK, lw=0.8)
        place.set_xscale("log")
        place.set_yscale("log")
        place.set_ylim(0.1, 10.0)
        place.set_yticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1", "0.2", "0.5", "1", "2", "5", "10"])
        place.set_title(by.replace("_s", " (s)"), color=INK, fontsize=10)
        place.set_xlabel("stated")
        place.legend(fontsize=7.5, frameon=False)
    for place in places[len(groups) :]:
        place.set_axis_off()
    for place in places[:: -(-len(groups) // 2)]:
        place.set_ylabel("measured / stated")
    return figure


def _named(by: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if by == "counts":
        return range_words(value)
    return f"{value[0]:g} to {value[1]:g}" if value[1] is not None else f"{value[0]:g} and more"


def _stream_page(stream: Mapping[str, Any]) -> Figure:
    figure = _figure((9.0, 5.0), "False fraction of all that was announced so far, mean over replays")
    place = figure.subplots()
    label = f"LORD++: {stream['discoveries']:.0f} announced, power {stream['power']:.2f}"
    place.plot(stream["at"], stream["along"], color="#0072B2", lw=1.8, label=label)
    place.axhline(stream["level"], color=INK, lw=1.0, ls="--", label="nominal level")
    uncontrolled = stream["false_fraction_without_control"]
    place.axhline(uncontrolled, color=INK, lw=0.8, ls=":", label=f"fixed threshold: {uncontrolled:.2f}")
    place.set_title(f"{100 * stream['prevalence']:g} % of the sources vary", color=INK, fontsize=10)
    place.set_ylim(0, None)
    place.set(xlabel="sources seen", ylabel="false fraction")
    place.grid(alpha=0.3)
    place.legend(fontsize=9, frameon=False)
    return figure
