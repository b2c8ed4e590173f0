"""Settings of populations: exposures, counts, classes and apertures of each telescope, with references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from xherald.simulation.classes import CLASSES

__all__ = [
    "CHUNK",
    "CLASS_MIX",
    "COUNTS",
    "DETECTION_SIGMA",
    "ENCIRCLED",
    "FIRST_OBS_ID",
    "LEAST_COUNTS",
    "LEAST_RADIUS_PIXELS",
    "OFF_AXIS_ARCMIN",
    "SETTINGS",
    "STEADY",
    "VARIABLE",
    "PopulationRequest",
    "Setting",
    "SourceMix",
]

CHUNK: Final = 1000
"""Sources that are drawn together; the result for a seed depends on it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Exposures of a telescope, and its name in the adapter.

    Parameters
    ----------
    mission, instrument : str — TELESCOP and INSTRUME
    hardness_split : float — keV
    exposure_s : (float, float, float, float)
        Good time of an exposure: median and width (of its logarithm) of a log-normal, and its limits.
    sources : int — sources per exposure; a divisor of `CHUNK`
    area_ratio : float — area of the aperture over that of the background region
    """

    mission: str
    instrument: str
    hardness_split: float
    exposure_s: tuple[float, float, float, float]
    sources: int
    area_ratio: float = 0.1


_POINTING: Final = (25_000.0, 0.9, 1_000.0, 100_000.0)
_LONG: Final = (25_000.0, 0.7, 5_000.0, 100_000.0)
_STRETCHES: Final = (4_000.0, 0.8, 1_000.0, 40_000.0)

SETTINGS: Final[Mapping[str, Setting]] = {
    "chandra-acis-i": Setting("CHANDRA", "ACIS", 2.0, _POINTING, 20),
    "chandra-acis-s": Setting("CHANDRA", "ACIS", 2.0, _POINTING, 20),
    "xmm-mos1": Setting("XMM", "EMOS1", 2.0, _LONG, 50, 0.25),
    "xmm-mos2": Setting("XMM", "EMOS2", 2.0, _LONG, 50, 0.25),
    "xmm-pn": Setting("XMM", "EPN", 2.0, _LONG, 50, 0.25),
    "swift-xrt": Setting("SWIFT", "XRT", 2.0, (4_000.0, 1.0, 1_000.0, 100_000.0), 5),
    "erosita": Setting("eROSITA", "merged", 2.3, (300.0, 0.8, 80.0, 4_000.0), 20),
    "erosita-pointed": Setting("eROSITA", "merged", 2.3, _LONG, 50, 0.25),
    "ep-wxt": Setting("EP", "WXT", 1.5, _STRETCHES, 5, 0.25),
    "ep-fxt": Setting("EP", "FXT", 2.0, _STRETCHES, 5),
}
"""By telescope. Pointings of 1 to 100 ks, mostly about 25 ks (Chandra: Evans et al. 2010, ApJS 189, 37; XMM: Webb et
al. 2020, A&A 641, A136), snapshots of Swift (Evans et al. 2020, ApJS 247, 54), one eROSITA survey (Merloni et al.
2024, A&A 682, A34), intervals between occultations of EP; numbers of sources per field are of the order of those in
these catalogues."""

COUNTS: Final = (6.0, 2.05, 5.0, 1e4)
"""Expected net counts: median and width (of the logarithm) of a log-normal, and its limits; the lower limit increases
with the background. For Chandra the photons in the aperture have a median of about 33 and a mean of about 100, of the
order of detections in the catalogue (Evans et al. 2010, ApJS 189, 37; 2024, ApJS 274, 22) from which the published
lists are taken (Dillmann et al. 2025, MNRAS 537, 931)."""

DETECTION_SIGMA: Final = 3.0
"""Smallest ratio of expected net counts to the noise of the background; fainter sources would not be detected."""

LEAST_COUNTS: Final = 5
"""Fewest photons of a source in the aperture, including background."""

STEADY: Final[Mapping[str, float]] = {"constant": 0.80, "agn": 0.17, "supersoft": 0.03}
VARIABLE: Final[Mapping[str, float]] = {
    "stellar_flare": 0.20,
    "fast_transient": 0.04,
    "xray_flash": 0.03,
    "afterglow": 0.03,
    "shock_breakout": 0.03,
    "magnetar_burst": 0.04,
    "xray_burst": 0.07,
    "sfxt": 0.04,
    "tidal_disruption": 0.02,
    "nova": 0.02,
    "dwarf_nova": 0.03,
    "qpe": 0.04,
    "eclipse": 0.10,
    "dip": 0.09,
    "transit": 0.07,
    "pulsator": 0.06,
    "intermediate_polar": 0.04,
    "ulx_pulsar": 0.02,
    "other_flare": 0.02,
    "other_dip": 0.01,
}
"""Fractions of the classes among steady and variable sources. Stellar flares are the most frequent variables of pointed
surveys; the others are much more frequent than on the sky."""


@dataclass(frozen=True, slots=True)
class SourceMix:
    """Variable sources of a population in place of `VARIABLE`.

    Parameters
    ----------
    shares : mapping of str to float — by class; they add to 1
    counts : (float, float, float, float) — as `COUNTS`
    random_shapes : float — fraction of events with a random shape (`classes.shapes`)
    outside : float
        Fraction of events of any length that may begin before the exposure or end after it; the others are as
        `SourceClass.draw` places them.
    tilt : float
        Scatter of a random tilt and curvature, in powers of energy, of each source's spectra: spectra of a class vary
        more than its formulas, and responses are known to some accuracy only.
    """

    shares: Mapping[str, float]
    counts: tuple[float, float, float, float]
    random_shapes: float
    outside: float
    tilt: float


FAMILY_WEIGHTS: Final[Mapping[str, float]] = {
    "dip": 4.0,
    "pulsator": 3.0,
    "agn": 2.0,
    "cataclysmic_variable": 2.0,
    "eclipse": 2.0,
    "other_dip": 4.0,
    "other_flare": 3.0,
    "stellar_flare": 2.0,
    "transit": 2.0,
    "xray_burst": 2.0,
}
"""Families that are more frequent than others in `CLASS_MIX`: fewer of them are found, or they have more variants."""


def _family_shares() -> dict[str, float]:
    """Shares of classes: each family by its weight, the classes of a family alike."""
    kinds = {name: one.family for name, one in CLASSES.items() if name in VARIABLE or name == "agn"}
    members = Counter(kinds.values())
    parts = {name: FAMILY_WEIGHTS.get(family, 1.0) / members[family] for name, family in kinds.items()}
    total = sum(parts.values())
    return {name: part / total for name, part in parts.items()}


CLASS_MIX: Final = SourceMix(_family_shares(), (120.0, 1.5, 8.0, 5e3), 0.5, 0.3, 0.25)
"""What the classes of a calibration are trained on: all families, bright enough to be found, half of the events with
random shapes, three in ten cut off by the exposure, all with somewhat other spectra."""

OFF_AXIS_ARCMIN: Final = 10.0
"""Sources are uniform in area out to this angle."""

ENCIRCLED: Final = 0.9
"""Fraction of the photons of a source in its aperture, as in scans."""

LEAST_RADIUS_PIXELS: Final = 1.5
"""Smallest radius of an aperture, detector pixels, as in scans."""
FIRST_OBS_ID: Final = 900_000
"""Simulated observations are numbered from this, outside the numbers of missions; sources from 1 in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationRequest:
    """Request for a population.

    Parameters
    ----------
    telescope : str — of `TELESCOPES`
    seed : int
    variable_fraction : float — probability that a source is of a class of `VARIABLE`
    bona_fide_sigma : float — smallest expected significance of a bona-fide transient
    mix : SourceMix or None — other variable sources than those of `VARIABLE`
    """

    telescope: str
    seed: int
    variable_fraction: float
    bona_fide_sigma: float
    mix: SourceMix | None = None
