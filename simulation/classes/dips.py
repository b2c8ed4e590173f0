"""Occulted sources: eclipses by a companion, absorbing clouds, transits of small bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.spectra import absorbed_power_law, absorption, disk_black_body

from .base import ModelRequest, SourceClass
from .columns import draw_column
from .events import EventPlacement, place

__all__ = ["DIP", "ECLIPSE", "TRANSIT", "covered_part"]


MAX_ECLIPSES: Final = 40
"""Largest number of eclipses in an exposure."""

DIP_KNOTS: Final = 200
TRANSIT_KNOTS: Final = 121


def _eclipse(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A binary eclipsed by its companion: sharp ingress and egress, total or partial, once per orbit.

    Ingress takes 5 to 60 s, at most a fifth of the eclipse; the residual, up to a fifth, is scattered by a corona or
    wind; an eclipse takes 4 to 20 % of the orbit, so that a long exposure has many (EXO 0748−676: 500 s every 3.8 h,
    Parmar et al. 1986, ApJ 308, 199; Wolff et al. 2009, ApJS 183, 156).
    """
    partial = rng.random() < 0.3
    ingress = min(5.0 * 12.0 ** rng.random(), 0.2 * request.length)
    drawn: dict[str, float] = {
        "photon_index": rng.normal(1.8, 0.3),
        "nh_1e22": draw_column(rng),
        "depth": rng.uniform(0.5, 0.8) if partial else 1.0 - 0.2 * rng.random() ** 2,
        "ingress_s": ingress,
        "period_s": max(request.length / (0.04 * 5.0 ** rng.random()), request.duration / MAX_ECLIPSES),
    }
    shape = LightCurve(np.cumsum([0.0, ingress, request.length, ingress]), [0.0, 1.0, 1.0, 0.0])
    before = np.floor(max(request.start + 2.0 * request.length, 0.0) / drawn["period_s"])
    after = np.floor((request.duration - request.start) / drawn["period_s"])
    starts = request.start + drawn["period_s"] * np.arange(-before, after + 1)
    placed = place(shape, starts, request.length, request.duration, "eclipse", drawn["depth"], int(before))
    drawn["ingress_s"] *= placed.stretch
    spectrum = absorbed_power_law(drawn["photon_index"], drawn["nh_1e22"])
    return _dimmed("eclipse", placed, spectrum, request, drawn)


def _dip(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Clouds at the rim of an accretion disc: soft photons are absorbed most, so that the source hardens as it fades.

    A dip has one to five irregular troughs; columns are 1e22 to 3e23 cm⁻² and cover half of the source or more (Díaz
    Trigo et al. 2006, A&A 445, 179; White & Swank 1982, ApJ 253, L61).
    """
    drawn: Mapping[str, float] = {
        **_accretor(rng),
        "nh_1e22": draw_column(rng),
        "cloud_nh_1e22": 30.0 ** rng.random(),
        "covering": rng.uniform(0.5, 1.0),
        "troughs": float(rng.integers(1, 6)),
    }
    shape = request.shape or _troughs(rng, int(drawn["troughs"]))
    placed = place(shape, request.start, request.length, request.duration, "dip")
    hidden = drawn["covering"] * placed.curve.rate
    open_sky = _accretor_spectrum(drawn)
    behind = open_sky * absorption(drawn["cloud_nh_1e22"])
    passed = float(behind.sum())
    components = (
        Component(LightCurve(placed.curve.time, request.persistent * (1.0 - hidden)), open_sky),
        Component(LightCurve(placed.curve.time, request.persistent * passed * hidden), behind / passed),
    )
    parameters = {
        **drawn,
        "depth": drawn["covering"] * (1.0 - passed),
        "start_s": request.start,
        "length_s": request.length,
    }
    return SourceModel("dip", "dip", components, placed.interval, parameters)


def _accretor(rng: np.random.Generator) -> dict[str, float]:
    """A disc of 0.8 to 2 keV, or a power law of photon index 1 to 2.5, for each half of the sources."""
    has_disk = rng.random() < 0.5
    return {"disk_kt_kev": rng.uniform(0.8, 2.0) if has_disk else 0.0, "photon_index": rng.uniform(1.0, 2.5)}


def _accretor_spectrum(drawn: Mapping[str, float]) -> F64:
    disk, column = drawn["disk_kt_kev"], drawn["nh_1e22"]
    return disk_black_body(disk, column) if disk else absorbed_power_law(drawn["photon_index"], column)


def _troughs(rng: np.random.Generator, number: int) -> LightCurve:
    """Covered fraction as a function of time: overlapping Gaussian troughs of unequal width and depth, at most 1."""
    middle = rng.uniform(0.0, 0.5, number)
    width = rng.uniform(0.04, 0.12, number)
    depth = rng.uniform(0.4, 1.0, number)
    time = np.linspace((middle - 2.5 * width).min(), (middle + 2.5 * width).max(), DIP_KNOTS)
    clear = 1.0 - depth[:, None] * np.exp(-0.5 * ((time - middle[:, None]) / width[:, None]) ** 2)
    covered = 1.0 - clear.prod(axis=0)
    covered[[0, -1]] = 0.0
    return LightCurve(time - time[0], covered / covered.max())


def _transit(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A planet or small star in front of a compact source of similar size: U- or V-shaped, the same at all energies.

    After M51-ULX-1b (Di Stefano et al. 2021, Nature Astron. 5, 1297): a total dip of about 3 h with long ingress and
    egress. The covered fraction is the overlap of two discs, of radius ratio 0.6 to 2.5 and impact 0 to 0.6 of the sum
    of the radii; lengths are 1 to 15 ks.
    """
    ratio = rng.uniform(0.6, 2.5)
    impact = rng.uniform(0.0, 0.6)
    x = np.linspace(-1.0, 1.0, TRANSIT_KNOTS)
    apart = (1.0 + ratio) * np.hypot(x * np.sqrt(1.0 - impact**2), impact)
    covered = covered_part(apart, ratio)
    covered[[0, -1]] = 0.0
    drawn: Mapping[str, float] = {
        "radius_ratio": ratio,
        "impact": impact,
        "depth": float(covered.max()),
        **_accretor(rng),
        "nh_1e22": draw_column(rng),
    }
    placed = place(LightCurve(x + 1.0, covered), request.start, request.length, request.duration, "transit")
    spectrum = _accretor_spectrum(drawn)
    return _dimmed("transit", placed, spectrum, request, drawn)


def covered_part(apart: F64, ratio: float) -> F64:
    """Fraction of a uniform disc of radius 1 that is covered by another disc.

    Parameters
    ----------
    apart : ndarray — distance of their centres
    ratio : float — radius of the one in front

    Notes
    -----
    Overlap of two circles (Mandel & Agol 2002, ApJ 580, L171, eq. 1, with the roles of the radii kept general).
    """
    d = np.maximum(apart, 1e-12)
    near = np.arccos(np.clip((d**2 + 1.0 - ratio**2) / (2.0 * d), -1.0, 1.0))
    far = np.arccos(np.clip((d**2 + ratio**2 - 1.0) / (2.0 * d * ratio), -1.0, 1.0))
    kite = (1.0 + ratio - d) * (d + 1.0 - ratio) * (d + ratio - 1.0) * (d + 1.0 + ratio)
    overlap = near + ratio**2 * far - 0.5 * np.sqrt(np.maximum(kite, 0.0))
    covered: F64 = np.clip(overlap / np.pi, 0.0, 1.0)
    return covered


def _dimmed(
    kind: str, placed: EventPlacement, spectrum: F64, request: ModelRequest, drawn: Mapping[str, float]
) -> SourceModel:
    """A steady source without the covered fraction, the same at all energies."""
    seen = np.maximum(1.0 - placed.curve.rate, 0.0)
    curve = LightCurve(placed.curve.time, request.persistent * seen)
    parameters = {**drawn, "start_s": request.start, "length_s": request.length}
    return SourceModel(kind, "dip", (Component(curve, spectrum),), placed.interval, parameters)


ECLIPSE: Final = SourceClass(
    "eclipse",
    "Binary eclipsed by its companion, total or partial, with sharp edges, once per orbit",
    "dip",
    _eclipse,
    (100.0, 10_000.0),
)
DIP: Final = SourceClass(
    "dip", "Absorption dip: clouds at the rim of the disc absorb soft photons most", "dip", _dip, (100.0, 5_000.0)
)
TRANSIT: Final = SourceClass(
    "transit", "Transit like M51-ULX-1b: U- or V-shaped, the same at all energies", "dip", _transit, (1_000.0, 15_000.0)
)
