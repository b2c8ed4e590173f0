"""Events of no known kind, `other_flare` and `other_dip`: random shapes and spectra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.energies import MIDDLE_KEV
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.spectra import absorbed_power_law, black_body, disk_black_body, thermal_plasma

from .base import ModelRequest, SourceClass
from .columns import draw_column
from .events import EventPlacement, FlarePhysics, flare_model, place, progress, relative_rate
from .shapes import SHAPE_FAMILIES, random_shape

__all__ = ["OTHER_DIP", "OTHER_FLARE"]


def _random_spectrum(rng: np.random.Generator, column: float) -> F64:
    """One of four continua of any hardness, tilted and curved at random."""
    choice = int(rng.integers(4))
    if choice == 0:
        bare = absorbed_power_law(rng.uniform(-0.5, 5.0), column)
    else:
        make = (black_body, thermal_plasma, disk_black_body)[choice - 1]
        kt = 0.1 * 100.0 ** rng.random()
        bare = make(kt, min(column, 0.5) if kt < 0.3 else column)
    energy = np.log(MIDDLE_KEV)
    bent = bare * np.exp(rng.normal(0.0, 0.5) * energy - np.abs(rng.normal(0.0, 0.3)) * energy**2)
    spectrum: F64 = bent / bent.sum()
    return spectrum


def _any_shape(rng: np.random.Generator, request: ModelRequest) -> LightCurve:
    return request.shape or random_shape(rng, list(SHAPE_FAMILIES)[int(rng.integers(len(SHAPE_FAMILIES)))])


def _other_flare(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Any shape; spectra at the peak, at the end and of the persistent emission that need have nothing in common."""
    column = draw_column(rng)
    ends = [_random_spectrum(rng, column) for _ in range(2)]
    drawn: Mapping[str, float] = {
        "nh_1e22": column,
        "persistent_level": 1e-4 * 5e3 ** rng.random() if rng.random() < 0.7 else 0.0,
        "evolution": float(rng.integers(3)),
    }
    shape = _any_shape(rng, request)
    tracks: tuple[Callable[[EventPlacement], F64], ...] = (
        lambda placed: np.ones(len(placed.shape_time)),
        lambda placed: progress(placed, shape),
        relative_rate,
    )

    def spectrum(share: float) -> F64:
        mixed: F64 = share * ends[0] + (1.0 - share) * ends[1]
        return mixed

    track = tracks[int(drawn["evolution"])]
    physics = FlarePhysics(spectrum, track, 1.0, drawn["persistent_level"], _random_spectrum(rng, column))
    return flare_model("other_flare", request, shape, physics, drawn)


def _other_dip(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Any shape of the missing part; what remains may have another spectrum, softer or harder."""
    column = draw_column(rng)
    bright, faint = (_random_spectrum(rng, column) for _ in range(2))
    drawn: Mapping[str, float] = {"nh_1e22": column, "depth": rng.uniform(0.3, 1.0), "changes": float(rng.integers(2))}
    shape = _any_shape(rng, request)
    placed = place(shape, request.start, request.length, request.duration, "other_dip", drawn["depth"])
    rest = request.persistent * np.maximum(1.0 - placed.curve.rate, 0.0)
    share = placed.curve.rate / drawn["depth"] if drawn["changes"] else np.zeros(len(rest))
    components = [Component(LightCurve(placed.curve.time, rest * (1.0 - share)), bright)]
    if (rest * share).any():
        components.append(Component(LightCurve(placed.curve.time, rest * share), faint))
    parameters = {**drawn, "start_s": request.start, "length_s": request.length}
    return SourceModel("other_dip", "dip", tuple(components), placed.interval, parameters)


OTHER_FLARE: Final = SourceClass(
    "other_flare",
    "Flare of no known kind: random shape, spectrum and persistent emission",
    "flare",
    _other_flare,
    (10.0, 86_400.0),
)
OTHER_DIP: Final = SourceClass(
    "other_dip", "Dip of no known kind: random shape and spectra", "dip", _other_dip, (50.0, 30_000.0)
)
