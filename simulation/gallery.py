"""Plot of a simulated source of a class: model rate, photons and energies: `show_class`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError

from .classes import CLASSES, class_named
from .energies import EDGES_KEV, MIDDLE_KEV, draw_energies
from .field import telescope_named
from .model import Component, SourceModel
from .random_streams import stream
from .telescope import Telescope
from .write_errors import file_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["figure_of", "photons_of", "show_class"]


INK, PHOTONS, MODEL, EVENT = "#22303c", "#4c78a8", "#d1495b", "#f4a259"
MAP_SHAPE = (24, 16)

FORMATS = (".pdf", ".png")


def photons_of(
    model: SourceModel, telescope: Telescope, duration: float, counts: float, rng: np.random.Generator
) -> tuple[F64, F64]:
    """Times, s, and measured energies, keV, of a source observed on axis without interruption, sorted by time.

    Parameters
    ----------
    model : SourceModel
    telescope : Telescope
    duration : float — s
    counts : float — expected number of photons in the band
    rng : numpy.random.Generator
    """
    whole = np.array([[0.0, duration]])
    expected = [one.light_curve.integral(whole) * area for one, area in _seen(model, telescope)]
    scale = counts / sum(expected)
    times, energies = [], []
    for component in model.components:
        weights = component.spectrum * telescope.area_cm2
        arrivals = component.light_curve.arrivals(whole, scale * float(weights.sum()), rng)
        times.append(arrivals)
        energies.append(draw_energies(weights, len(arrivals), rng))
    time, energy = np.concatenate(times), telescope.measured(np.concatenate(energies), rng)
    kept = (energy >= telescope.band[0]) & (energy <= telescope.band[1])
    order = np.argsort(time[kept], kind="stable")
    return time[kept][order], energy[kept][order]


def show_class(
    kind: str, path: Path, *, telescope: str = "chandra", counts: float = 300.0, duration: float = 30_000.0, seed: int
) -> None:
    """Plot one source of a class to a PNG or PDF file.

    Parameters
    ----------
    kind : str — as for `classes.class_named`
    path : Path — ends in .png or .pdf
    telescope : str — or mission
    counts, duration, seed
        Expected counts, s, int.

    Raises
    ------
    ConfigError
        The class, telescope or file format is unknown.
    FileError
        The file cannot be written.
    """
    chosen, instrument = class_named(kind), telescope_named(telescope)
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path}: unknown image format; use a file name that ends in {' or '.join(FORMATS)}")
    model = chosen.draw(stream(seed, "show", chosen.name), duration)
    time, energy = photons_of(model, instrument, duration, counts, stream(seed, "show photons", chosen.name))
    figure = figure_of(model, instrument, time, energy, duration, counts)
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=90)


def figure_of(
    model: SourceModel, telescope: Telescope, time: F64, energy: F64, duration: float, counts: float
) -> Figure:
    """Light curve (also of the event alone), energy–time map and spectra of simulated photons."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 6.2), layout="constrained")
    FigureCanvasAgg(figure)
    places = figure.subplots(2, 2, width_ratios=(1.5, 1))
    _light_curve(places[0, 0], model, telescope, time, (0.0, duration), duration, counts)
    if model.interval is None:
        window = (0.0, min(duration, 0.1 * duration))
        title = "first tenth"
    else:
        margin = max(0.5 * (model.interval[1] - model.interval[0]), 10 * telescope.frame_time)
        window = (max(model.interval[0] - margin, 0.0), min(model.interval[1] + margin, duration))
        title = "event"
    _light_curve(places[0, 1], model, telescope, time, window, duration, counts)
    places[0, 1].set_title(title, fontsize=9, color=INK)
    _map(places[1, 0], telescope, time, energy, duration)
    _spectra(places[1, 1], model, telescope, time, energy)
    parameters = ", ".join(f"{name} {value:.3g}" for name, value in list(model.parameters.items())[:7])
    figure.suptitle(
        f"{model.kind}: {CLASSES[model.kind].summary}\n{telescope.name}, {len(time)} photons; {parameters}",
        fontsize=10, color=INK,
    )  # fmt: skip
    return figure


def _seen(model: SourceModel, telescope: Telescope) -> list[tuple[Component, float]]:
    """Components, each with its spectrum times effective area in the band, cm²."""
    inside = (telescope.band[0] <= MIDDLE_KEV) & (telescope.band[1] >= MIDDLE_KEV)
    return [(one, float((one.spectrum * telescope.area_cm2)[inside].sum())) for one in model.components]


def _light_curve(
    axes: Axes,
    model: SourceModel,
    telescope: Telescope,
    time: F64,
    window: tuple[float, float],
    duration: float,
    counts: float,
) -> None:
    inside = time[(time >= window[0]) & (time <= window[1])]
    bins = int(np.clip(len(inside) / 8, 12, 100))
    edges = np.linspace(*window, bins + 1)
    seen = np.histogram(inside, edges)[0]
    middle, width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
    grid = np.linspace(*window, 2_000)
    seen_by, whole = _seen(model, telescope), np.array([[0.0, duration]])
    total = sum(area * one.light_curve.integral(whole) for one, area in seen_by)
    shares = [area * one.light_curve.at(grid) for one, area in seen_by]
    rate = np.sum(shares, axis=0) * counts / total
    if model.interval:
        axes.axvspan(*model.interval, color=EVENT, alpha=0.2, lw=0)
    axes.errorbar(middle, seen / width, np.sqrt(seen) / width, fmt=".", ms=4, lw=0.8, color=PHOTONS)
    axes.plot(grid, rate, color=MODEL, lw=1)
    axes.plot(inside, np.full(len(inside), -0.02 * max(float(rate.max()), 1e-12)), "|", ms=4, color=INK, alpha=0.4)
    axes.set(xlim=window, xlabel="s", ylabel="counts/s")


def _map(axes: Axes, telescope: Telescope, time: F64, energy: F64, duration: float) -> None:
    across = np.linspace(0, duration, MAP_SHAPE[0] + 1)
    up = np.geomspace(*telescope.band, MAP_SHAPE[1] + 1)
    counted = np.histogram2d(time, energy, (across, up))[0]
    axes.pcolormesh(across, up, counted.T, cmap="magma")
    axes.set(yscale="log", xlabel="s", ylabel="keV")
    _mark_energies(axes.yaxis, telescope)


def _spectra(axes: Axes, model: SourceModel, telescope: Telescope, time: F64, energy: F64) -> None:
    up = np.geomspace(*telescope.band, 25)
    inside = np.zeros(len(time), bool)
    if model.interval:
        inside = (time >= model.interval[0]) & (time <= model.interval[1])
    for chosen, label, colour in ((~inside, "rest", PHOTONS), (inside, "event", EVENT)):
        if chosen.any():
            axes.stairs(np.histogram(energy[chosen], up)[0] / chosen.sum(), up, color=colour, label=label)
    folded = sum(one.spectrum * one.light_curve.integral(np.array([[0.0, np.inf]])) for one in model.components)
    reached = np.concatenate([[0.0], np.cumsum(folded * telescope.area_cm2)])
    model_part = np.diff(np.interp(up, EDGES_KEV, reached))
    axes.stairs(model_part / model_part.sum(), up, color=MODEL, lw=0.8, label="model")
    axes.set(xscale="log", xlabel="keV", ylabel="fraction of photons")
    _mark_energies(axes.xaxis, telescope)
    axes.legend(frameon=False, fontsize=8)


def _mark_energies(axis: Axis, telescope: Telescope) -> None:
    """Label a few energies of the band with plain numbers."""
    from matplotlib.ticker import NullLocator

    marks = [mark for mark in (0.2, 0.5, 1, 2, 5, 10) if telescope.band[0] <= mark <= telescope.band[1]]
    axis.set_ticks(marks, [f"{mark:g}" for mark in marks])
    axis.set_minor_locator(NullLocator())
