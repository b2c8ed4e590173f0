"""Bursts of neutron stars: magnetar bursts with oscillating tails, and thermonuclear bursts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.spectra import absorbed_power_law, black_body, disk_black_body
from xherald.simulation.templates import spike_and_tail

from .base import ModelRequest, SourceClass
from .columns import draw_column
from .events import evolving, middle_90, place, progress, relative_rate
from .shapes import pulse

__all__ = ["MAGNETAR_BURST", "XRAY_BURST"]

MAX_CYCLES: Final = 300
"""Largest number of oscillations in a tail, which a few thousand knots can represent."""

THERMAL: Final = 0.5
"""Fraction of magnetar bursts with thermal spikes (Israel et al. 2008, ApJ 685, 1114), and of accretors that are seen
as discs rather than power laws (soft and hard states)."""

ROUNDS: Final = 6
LONGEST_TAIL: Final = 6.0
"""Longest tail, in lengths of the event."""


def _magnetar_burst(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A hard spike of 1 to 10 s and a softening tail that oscillates with the rotation of the star, like XRT 200515.

    Spikes have a hard power law, or hot black bodies of 2 to 10 keV that cool to a third. Periods are 2 to 12 s,
    tails oscillate by 20 to 80 %; the tail begins at 2 to 10 % of the peak (Dillmann et al. 2025, MNRAS 537, 931;
    Mereghetti 2008, A&A Rev. 15, 225; Olausen & Kaspi 2014, ApJS 212, 6). A spike is at most a tenth of the whole
    event, a period at least 1/300 of the tail.
    """
    drawn: Mapping[str, float] = {
        "spike_s": min(10.0 ** rng.random(), 0.1 * request.length),
        "tail_ratio": 0.02 * 5.0 ** rng.random(),
        "tail_bend": rng.uniform(0.8, 2.0),
        "swing": rng.uniform(0.2, 0.8),
        "spike_photon_index": rng.normal(0.3, 0.2),
        "softening": rng.uniform(0.8, 1.8),
        "nh_1e22": draw_column(rng),
        "persistent_level": 10.0 ** rng.uniform(-4.5, -3.0),
        "hot_kt_kev": 2.0 * 5.0 ** rng.random() if rng.random() < THERMAL else 0.0,
    }
    own, tail, period = _spike_and_tail(rng, drawn, request.length)
    shape = request.shape or own
    placed = place(shape, request.start, request.length, request.duration, "magnetar_burst")
    spike = drawn["spike_s"]
    if request.shape is None:
        later = np.clip((placed.shape_time - spike) / (0.6 * tail), 0.0, 1.0)
        softer = np.where(placed.shape_time < spike, 0.0, 0.3 + 0.7 * later)
    else:
        softer = progress(placed, shape)
    hot, column = drawn["hot_kt_kev"], drawn["nh_1e22"]
    if hot:
        components = evolving(placed.curve, hot * (1.0 - 0.7 * softer), lambda kt: black_body(kt, column), nodes=4)
    else:
        index = drawn["spike_photon_index"] + drawn["softening"] * softer
        components = evolving(placed.curve, index, lambda value: absorbed_power_law(value, column), nodes=4)
    level = drawn["persistent_level"] * request.persistent
    if level:
        quiet = LightCurve.constant(0.0, request.duration, level)
        components.append(Component(quiet, black_body(0.5, drawn["nh_1e22"])))
    return SourceModel(
        "magnetar_burst",
        "flare",
        tuple(components),
        placed.interval,
        {
            **drawn,
            "spike_s": spike * placed.stretch,
            "tail_s": tail * placed.stretch,
            "period_s": period * placed.stretch,
            "start_s": request.start,
            "length_s": request.length,
        },
    )


def _spike_and_tail(
    rng: np.random.Generator, drawn: Mapping[str, float], length: float
) -> tuple[LightCurve, float, float]:
    """Shape of the requested length, duration of its tail and its period, s.

    The duration of the tail for which 90 % of all photons take the given time depends on the fraction in the spike; it
    is found by iteration.
    """
    tail = 1.35 * length
    for _ in range(ROUNDS):
        first, last = middle_90(spike_and_tail(drawn["spike_s"], tail, drawn["tail_ratio"], drawn["tail_bend"]))
        tail = min(tail * length / (last - first), LONGEST_TAIL * length)
    period = max(2.0 * 6.0 ** rng.random(), tail / MAX_CYCLES)
    shape = spike_and_tail(
        drawn["spike_s"],
        tail,
        drawn["tail_ratio"],
        drawn["tail_bend"],
        period=period,
        swing=drawn["swing"],
        phase=rng.uniform(0.0, 2 * np.pi),
    )
    return shape, tail, period


def _xray_burst(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A thermonuclear burst: fast rise, exponential decay, black body cooling from 2–3 to about 1 keV, on an accretor.

    Rises are 3 to 30 % of the decay time, peaks 5 to 100 times the persistent level (Galloway et al. 2020, ApJS 249,
    32; Lewin, van Paradijs & Taam 1993, Space Sci. Rev. 62, 223). Lengths of 5 s to 1 ks include intermediate bursts.
    """
    drawn: Mapping[str, float] = {
        "peak_kt_kev": rng.uniform(2.0, 3.0),
        "late_kt_kev": rng.uniform(0.8, 1.3),
        "nh_1e22": draw_column(rng),
        "peak_ratio": 5.0 * 20.0 ** rng.random(),
        "disk_kt_kev": rng.uniform(0.8, 1.8) if rng.random() < THERMAL else 0.0,
        "photon_index": rng.uniform(1.2, 2.5),
    }
    rise = 0.03 * 10.0 ** rng.random()  # in decay times
    placed = place(request.shape or pulse(rise, 1.0), request.start, request.length, request.duration, "xray_burst")
    extra = placed.curve.scaled(drawn["peak_ratio"])
    # A photosphere of constant radius, whose photon rate falls as about the third power of the temperature, cools.
    cooling = relative_rate(placed) ** (2.0 / 3.0)
    kt = drawn["late_kt_kev"] + (drawn["peak_kt_kev"] - drawn["late_kt_kev"]) * cooling
    components = evolving(extra, kt, lambda value: black_body(value, drawn["nh_1e22"]))
    if request.persistent:
        accretion = LightCurve.constant(0.0, request.duration, request.persistent)
        disk, column = drawn["disk_kt_kev"], drawn["nh_1e22"]
        persistent = disk_black_body(disk, column) if disk else absorbed_power_law(drawn["photon_index"], column)
        components.append(Component(accretion, persistent))
    return SourceModel(
        "xray_burst",
        "flare",
        tuple(components),
        placed.interval,
        {
            **drawn,
            "rise_s": rise * placed.stretch,
            "decay_s": placed.stretch,
            "start_s": request.start,
            "length_s": request.length,
        },
    )


MAGNETAR_BURST: Final = SourceClass(
    "magnetar_burst",
    "Burst of a magnetar like XRT 200515: hard spike of 1-10 s, oscillating tail that softens",
    "flare",
    _magnetar_burst,
    (10.0, 1_500.0),
)
XRAY_BURST: Final = SourceClass(
    "xray_burst",
    "Thermonuclear burst: fast rise, exponential decay, cooling black body, on an accreting neutron star",
    "flare",
    _xray_burst,
    (5.0, 1_000.0),
)
