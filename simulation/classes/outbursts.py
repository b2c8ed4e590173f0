"""Outbursts of accreting and burning compact objects: supergiant transients, disruptions, novae, dwarf novae."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.model import SourceModel
from xherald.simulation.spectra import absorbed_power_law, black_body, thermal_plasma

from .base import ModelRequest, SourceClass
from .columns import MAX_COLUMN, draw_column
from .events import EventPlacement, FlarePhysics, flare_model, progress, relative_rate
from .shapes import pulse, pulse_train, random_shape

__all__ = ["DWARF_NOVA", "NOVA", "SFXT", "TIDAL_DISRUPTION"]


JETTED: Final = 0.1
"""Fraction of disruptions with a jet towards us: about one in a hundred (Andreoni et al. 2022, Nature 612, 430), but
brighter."""


def _sfxt(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Supergiant fast X-ray transient: clumps of wind accreted by a neutron star, hard, in one to six flares.

    Photon indices 0 to 1.5, dynamic ranges 10 to 1,000 (Sguera et al. 2006, ApJ 646, 452; Romano 2015, JHEAp 7, 126);
    the wind adds 1e21 to 1e23 cm⁻² to the line of sight (Bozzo et al. 2017, A&A 608, A128).
    """
    number = int(rng.integers(1, 7))
    decays = 0.05 * 10.0 ** rng.random(number)
    own = pulse_train(rng.random(number), decays * rng.uniform(0.2, 1.5, number), decays, rng.uniform(0.1, 1.0, number))
    drawn: Mapping[str, float] = {
        "flares": float(number),
        "photon_index": rng.uniform(0.0, 1.5),
        "quiet_photon_index": rng.uniform(0.8, 2.0),
        "nh_1e22": min(draw_column(rng) + 0.1 * 100.0 ** rng.random(), MAX_COLUMN),
        "peak_ratio": 10.0 * 100.0 ** rng.random(),
    }

    def spectrum(index: float) -> F64:
        return absorbed_power_law(index, drawn["nh_1e22"])

    def index(placed: EventPlacement) -> F64:
        value: F64 = drawn["quiet_photon_index"] + (
            drawn["photon_index"] - drawn["quiet_photon_index"]
        ) * relative_rate(placed)
        return value

    physics = FlarePhysics(spectrum, index, drawn["peak_ratio"], 1.0, spectrum(drawn["quiet_photon_index"]))
    return flare_model("sfxt", request, request.shape or own, physics, drawn)


def _tidal_disruption(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A star torn apart by a black hole: a soft, slow rise or decay, or the flaring jet of one in ten.

    Black bodies of 40 to 200 eV (Saxton et al. 2020, Space Sci. Rev. 216, 85); jets have photon indices of 1.5 to 2
    and flare by a factor of ten within hours (Sw J1644+57: Burrows et al. 2011, Nature 476, 421).
    """
    jetted = rng.random() < JETTED
    own = random_shape(rng, "noisy") if jetted else pulse(rng.uniform(0.2, 1.5), 1.0)
    drawn: Mapping[str, float] = {
        "jet": float(jetted),
        "kt_kev": 0.04 * 5.0 ** rng.random(),
        "photon_index": rng.uniform(1.5, 2.0),
        "nh_1e22": draw_column(rng, soft=not jetted),
        "peak_ratio": 3.0 * 30.0 ** rng.random(),
    }
    shape = request.shape or own

    def spectrum(value: float) -> F64:
        return absorbed_power_law(value, drawn["nh_1e22"]) if jetted else black_body(value, drawn["nh_1e22"])

    value = drawn["photon_index"] if jetted else drawn["kt_kev"]
    physics = FlarePhysics(
        spectrum, lambda placed: value + np.zeros(len(placed.shape_time)), drawn["peak_ratio"], 1.0, spectrum(value)
    )
    return flare_model("tidal_disruption", request, shape, physics, drawn)


def _nova(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Fireball flash at the start of a nova: a black body of 25 to 100 eV for hours, out of nothing.

    YZ Ret had 28 eV and lasted less than eight hours (König et al. 2022, Nature 605, 248); models give up to 100 eV
    (Kato et al. 2022, ApJ 935, L15).
    """
    hot = 0.025 * 4.0 ** rng.random()
    drawn: Mapping[str, float] = {
        "peak_kt_kev": hot,
        "late_kt_kev": hot * rng.uniform(0.6, 1.0),
        "nh_1e22": draw_column(rng, soft=True) * 0.3,
        "persistent_level": 1e-4 * 30.0 ** rng.random(),
    }
    shape = request.shape or random_shape(rng, "plateau")

    def cooling(placed: EventPlacement) -> F64:
        kt: F64 = hot + (drawn["late_kt_kev"] - hot) * progress(placed, shape)
        return kt

    def spectrum(kt: float) -> F64:
        return black_body(kt, drawn["nh_1e22"])

    level = drawn["persistent_level"]
    physics = FlarePhysics(spectrum, cooling, 1.0, level, thermal_plasma(3.0, drawn["nh_1e22"]))
    return flare_model("nova", request, shape, physics, drawn)


def _dwarf_nova(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A dwarf nova at the onset or end of its outburst: the boundary layer, 2 to 10 keV, brightens and cools.

    Factors of 2 to 10 over hours to a day (SS Cyg: Wheatley et al. 2003, MNRAS 345, 49; U Gem: Güver et al. 2006,
    MNRAS 372, 450).
    """
    drawn: Mapping[str, float] = {
        "quiet_kt_kev": 3.0 * 5.0 ** rng.random(),
        "peak_kt_kev": 2.0 * 5.0 ** rng.random(),
        "nh_1e22": draw_column(rng),
        "peak_ratio": 2.0 * 5.0 ** rng.random(),
    }
    shape = request.shape or pulse(rng.uniform(0.1, 1.5), 1.0)

    def spectrum(kt: float) -> F64:
        return thermal_plasma(kt, drawn["nh_1e22"])

    def temperature(placed: EventPlacement) -> F64:
        kt: F64 = drawn["quiet_kt_kev"] + (drawn["peak_kt_kev"] - drawn["quiet_kt_kev"]) * relative_rate(placed)
        return kt

    physics = FlarePhysics(spectrum, temperature, drawn["peak_ratio"], 1.0, spectrum(drawn["quiet_kt_kev"]))
    return flare_model("dwarf_nova", request, shape, physics, drawn)


SFXT: Final = SourceClass(
    "sfxt",
    "Supergiant fast X-ray transient: hard, absorbed flares of a neutron star in the wind of a supergiant",
    "flare",
    _sfxt,
    (100.0, 20_000.0),
)
TIDAL_DISRUPTION: Final = SourceClass(
    "tidal_disruption",
    "Tidal disruption: slow and soft, or the flaring jet of one",
    "flare",
    _tidal_disruption,
    (5_000.0, 86_400.0),
)
NOVA: Final = SourceClass(
    "nova", "Fireball flash of a nova: supersoft, for hours, out of nothing", "flare", _nova, (300.0, 30_000.0)
)
DWARF_NOVA: Final = SourceClass(
    "dwarf_nova",
    "Dwarf nova: the boundary layer brightens or fades by a few times over hours",
    "flare",
    _dwarf_nova,
    (3_000.0, 86_400.0),
    "cataclysmic_variable",
)
