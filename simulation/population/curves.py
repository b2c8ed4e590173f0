"""Light curves and measured spectra of the sources of a chunk, as flat arrays, and their expected counts.

Each source has its components and, last, the background in its aperture. Spectra are folded with the effective area and
resolution of the telescope here, so that measured energies are drawn directly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from scipy.special import ndtr, xlogy

from xherald.photons import Exposure
from xherald.photons.arrays import F64, I64
from xherald.simulation.energies import EDGES_KEV, MIDDLE_KEV
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import SourceModel
from xherald.simulation.telescope import Telescope

from .population_kernels import folded, good_integrals
from .population_settings import ENCIRCLED, LEAST_RADIUS_PIXELS

__all__ = ["Curves", "SourceExposures", "curves_of", "event_sigma", "expected_counts", "offsets_of"]


LEAST_CHANCE: Final = 1e-12
"""Chances of a photon to be measured in a bin below this are none: beyond 7 sigma of the resolution."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceExposures:
    """When each source was looked at.

    Parameters
    ----------
    start, duration : ndarray, shape (n,) — s; of the source's exposure
    good : list of Exposure, length n — mission seconds
    gti, fraction : ndarray, shape (intervals, 2) and (intervals,) — s since the start, flat
    offsets : ndarray, shape (n + 1,)
    """

    start: F64
    duration: F64
    good: list[Exposure]
    gti: F64
    fraction: F64
    offsets: I64

    def of(self, source: int) -> Exposure:
        """Good times of one source, s since the start of its exposure."""
        rows = slice(self.offsets[source], self.offsets[source + 1])
        return Exposure(self.gti[rows], self.fraction[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Curves:
    """Light curves of a chunk, c of them for n sources, those of each source together.

    Parameters
    ----------
    time, rate : ndarray, shape (knots,) — s since the start of the exposure; relative to what `spectrum` says
    offsets : ndarray, shape (c + 1,)
    source : ndarray, shape (c,)
    background : ndarray, shape (n,) — number of each source's background, the last of its curves
    spectrum : ndarray, shape (c, 400) — counts s⁻¹ in each bin's part in the band for a rate of 1, as measured
    """

    time: F64
    rate: F64
    offsets: I64
    source: I64
    background: I64
    spectrum: F64


def offsets_of(counts: I64) -> I64:
    """Where each of some runs of a flat array begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def curves_of(telescope: Telescope, models: Sequence[SourceModel], seen: SourceExposures, angle: F64) -> Curves:
    """Components of all sources, each followed by its background."""
    curves: list[LightCurve] = []
    spectra: list[F64] = []
    for model, duration in zip(models, seen.duration.tolist(), strict=True):
        curves += [component.light_curve for component in model.components]
        curves.append(LightCurve.constant(0.0, duration))
        spectra += [component.spectrum for component in model.components]
        spectra.append(telescope.sky_background)
    count = np.array([len(model.components) + 1 for model in models])
    of, last = np.repeat(np.arange(len(models)), count), np.cumsum(count) - 1
    spectrum = np.array(spectra)
    passed = telescope.vignetting_at(angle[:, None], MIDDLE_KEV)
    area = _aperture_arcmin2(telescope, angle)[:, None]
    # A lobster eye sends a part of a source's photons into the arms of its cross, out of the aperture.
    caught = np.full((len(of), 1), ENCIRCLED * (1.0 - telescope.arm_fraction))
    caught[last] = area
    measured = folded(caught * spectrum * telescope.area_cm2 * passed[of], *_redistribution(telescope))
    direct = telescope.particle_background + telescope.proton_background * passed
    measured[last] += area * direct * _part_in_band(telescope)
    return Curves(
        time=np.concatenate([curve.time for curve in curves]),
        rate=np.concatenate([curve.rate for curve in curves]),
        offsets=offsets_of(np.array([len(curve.time) for curve in curves])),
        source=of,
        background=last,
        spectrum=measured * len(telescope.modules) * telescope.live_fraction,
    )


def _aperture_arcmin2(telescope: Telescope, angle: F64) -> F64:
    """Area of each source's aperture: a circle of 90 % encircled energy, or of some pixels where that is smaller."""
    spread = telescope.point_spread
    nodes = np.array(spread.off_axis_arcmin)
    r90 = np.interp(angle, nodes, [spread.r50_and_r90(node)[1] for node in nodes.tolist()])
    radius = np.maximum(r90, LEAST_RADIUS_PIXELS * telescope.chips[0].pixel_arcsec)
    area: F64 = np.pi * radius**2 / 3600.0
    return area


def _part_in_band(telescope: Telescope) -> F64:
    """Part of each energy bin that lies in the band, shape (400,)."""
    part: F64 = np.diff(np.clip(EDGES_KEV, *telescope.band)) / np.diff(EDGES_KEV)
    return part


@cache
def _redistribution(telescope: Telescope) -> tuple[F64, I64, I64]:
    """Chance of a photon of each true bin to be measured in each bin's part in the band, and which columns matter.

    The Gaussian of `Telescope.measured`, averaged over four places in the true bin, cut where it is next to nothing.
    """
    noise, fano = telescope.resolution_ev
    edges = np.clip(EDGES_KEV, *telescope.band)
    places = []
    for place in (0.125, 0.375, 0.625, 0.875):
        true = (EDGES_KEV[:-1] + place * np.diff(EDGES_KEV))[:, None]
        sigma = np.sqrt(noise**2 + fano * true) * 1e-3 / 2.354820045
        places.append(np.diff(ndtr((edges - true) / sigma), axis=1))
    chance = np.mean(places, axis=0)
    matters = chance > LEAST_CHANCE
    first = np.where(matters.any(axis=1), matters.argmax(axis=1), 0)
    stop = np.where(matters.any(axis=1), len(MIDDLE_KEV) - matters[:, ::-1].argmax(axis=1), 0)
    return chance, first, stop


def expected_counts(curves: Curves, seen: SourceExposures, window: F64 | None = None) -> F64:
    """Counts expected of each curve in good time for a rate of 1, shape (c,).

    Parameters
    ----------
    curves : Curves
    seen : SourceExposures
    window : ndarray, shape (n, 2), optional
        s since the start; only good time within it is used.
    """
    if window is None:
        window = np.tile((-np.inf, np.inf), (len(seen.start), 1))
    shone = good_integrals(
        curves.time, curves.rate, curves.offsets, curves.source, seen.gti, seen.fraction, seen.offsets, window
    )
    expected: F64 = shone * curves.spectrum.sum(axis=1)
    return expected


def event_sigma(curves: Curves, seen: SourceExposures, models: Sequence[SourceModel], scale: F64) -> F64:
    """Expected significance of events compared with the rest of their exposures, in sigma, shape (n,).

    Root of the likelihood ratio of two rates, inside and outside the event, against one, for the expected counts
    themselves (the "Asimov data set", Cowan et al. 2011, EPJ C 71, 1554); 0 without an event, if the rate inside
    changes in the other direction, or if all good time is inside or outside.

    Parameters
    ----------
    curves : Curves
    seen : SourceExposures
    models : sequence of SourceModel, length n
    scale : ndarray, shape (c,) — factor on the rate of each curve
    """
    windows = np.array([one.interval or (0.0, 0.0) for one in models])
    (inside, short), (whole, long) = (
        (np.bincount(curves.source, expected * scale), expected[curves.background])
        for expected in (expected_counts(curves, seen, windows), expected_counts(curves, seen))
    )
    # The background is steady, so its fraction of counts is the fraction of good time.
    part = short / long
    defined = (part > 0) & (part < 1)
    part = np.where(defined, part, 0.5)
    outside = np.maximum(whole - inside, 0.0)
    ratio = xlogy(inside, inside / (whole * part)) + xlogy(outside, outside / (whole * (1.0 - part)))
    rises = inside > whole * part
    wanted = np.array([one.direction == "flare" for one in models])
    return np.where(defined & (rises == wanted), np.sqrt(2.0 * np.maximum(ratio, 0.0)), 0.0)
