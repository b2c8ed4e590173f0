"""Counts to fluxes: against factors of other codes, Kraft, Burrows & Nousek, published columns, and by frequency."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from xherald.context.fluxes.build_conversion import build_table, detected, energy_flux, telescope_area
from xherald.context.fluxes.conversion import TABLE_PATH, Factors, load_conversion
from xherald.context.fluxes.flux_ratio import MeasuredCounts, MeasuredFlux, flux_ratio
from xherald.context.fluxes.galactic_column import galactic_columns
from xherald.context.fluxes.measure import flux_limits, luminosity_distance_mpc, luminosity_erg_s, measure_fluxes
from xherald.photons.errors import ArtefactError, UnreadableFileError
from xherald.simulation.spectra import absorbed_power_law
from xherald.simulation.telescopes import TELESCOPES

POWER_LAW = "power law, photon index 1.7"


def test_shipped_table_is_the_one_that_the_code_builds() -> None:
    assert json.loads(TABLE_PATH.read_text()) == build_table()


# ecfxa 1.0 (PyPI; XSPEC with TBabs and the responses of the calibration databases): 1e11 counts cm² / erg of a power
# law in one band. XMM: XMMEPIC(camera, filter)(nh, gamma), geometric mean of Thin and Medium; Swift: SwiftXRT("pc",
# "012", date="2016-01-01"); eROSITA(). None of these bands and spectra is among those to which areas are scaled.
ECFXA = [
    ("xmm-pn", (0.5, 2.0), 3e20, 2.0, 6.839),
    ("xmm-pn", (2.0, 10.0), 3e21, 2.0, 1.330),
    ("xmm-pn", (0.2, 12.0), 1e22, 1.7, 1.496),
    ("xmm-pn", (0.2, 12.0), 1e20, 1.7, 3.315),
    ("xmm-mos1", (0.5, 2.0), 1e20, 2.0, 1.907),
    ("xmm-mos2", (0.2, 12.0), 3e21, 2.0, 0.876),
    ("swift-xrt", (0.3, 10.0), 1e22, 2.0, 0.178),
    ("swift-xrt", (0.5, 2.0), 3e21, 1.7, 0.532),
    ("erosita", (0.5, 2.0), 1e22, 2.0, 9.575),
    ("erosita", (2.0, 10.0), 3e20, 2.0, 1.009),
    ("erosita", (0.2, 5.0), 3e21, 1.7, 4.965),
]


@pytest.mark.parametrize(("name", "band", "nh", "photon_index", "expected"), ECFXA)
def test_folded_counts_agree_with_another_code(
    name: str, band: tuple[float, float], nh: float, photon_index: float, expected: float
) -> None:
    telescope = TELESCOPES[name]
    photons = absorbed_power_law(photon_index, nh / 1e22)
    counts = (photons * detected(telescope, telescope_area(telescope), *band)).sum()
    # 6 %: other cross-sections (Morrison & McCammon, TBabs) and areas smooth within bands.
    assert counts / energy_flux(photons, *band) / 1e11 == pytest.approx(expected, rel=0.06)


def test_factors_are_those_of_an_integration_by_hand() -> None:
    from scipy.integrate import quad

    # A power law of photon index 1.7 in 2 to 10 over 0.5 to 2 keV, before absorption.
    factors = load_conversion().telescopes["swift-xrt"].of_spectrum(POWER_LAW, 3e20, unabsorbed=True)
    soft, hard = (quad(lambda e: e * e**-1.7, *band)[0] for band in ((0.5, 2.0), (2.0, 10.0)))
    assert factors[1] / factors[0] == pytest.approx(hard / soft, rel=2e-3)
    # The reference of Swift's light curves: about 4e-11 erg cm-2 for each count (Evans et al. 2007, A&A 469, 379).
    assert factors[2] == pytest.approx(4e-11, rel=0.1)


def test_absorption_lowers_observed_fluxes_less_than_it_does_the_source() -> None:
    one = load_conversion().telescopes["xmm-pn"]
    observed, source = (one.of_spectrum(POWER_LAW, [1e20, 1e22], unabsorbed=kind) for kind in (False, True))
    assert (source > observed).all()
    assert (source / observed)[1, 0] > 3.0
    assert (source / observed)[0, 1] == pytest.approx(1.0, abs=2e-3)
    with pytest.raises(ValueError, match="available: power law"):
        one.of_spectrum("power law", 1e20)


@pytest.mark.parametrize("name", sorted(TELESCOPES))
def test_true_factors_are_within_the_stated_errors_as_often_as_stated(name: str) -> None:
    one = load_conversion().telescopes[name]
    rng = np.random.default_rng(5)
    n, fine = 1500, np.round(np.arange(19.5, 23.01, 0.1), 2)
    # Sources as the prior has them: any spectrum, half of them with absorption of their own.
    spectrum = rng.integers(0, len(one.spectra), n)
    galactic = rng.uniform(20.0, 21.5, n)
    column = galactic + 0.2 * rng.standard_normal(n)
    column = np.where(rng.random(n) < 0.5, column, rng.uniform(galactic, 23.0))
    column = fine[np.argmin(np.abs(fine - column[:, None]), axis=1)]
    soft_fraction = np.array(
        [np.interp(c, one.log10_nh, one.soft_fraction[s]) for s, c in zip(spectrum, column, strict=True)]
    )
    true = np.array([one.of_spectrum(one.spectra[s], 10.0**c) for s, c in zip(spectrum, column, strict=True)])
    counts = rng.integers(5, 300, n)
    soft = rng.binomial(counts, soft_fraction)
    found = one.of_photons(soft, counts - soft, 0.0, 0.0, galactic, 0.2)
    for band in range(3):
        inside = ((true[:, band] >= found.low[:, band] * 0.999) & (true[:, band] <= found.high[:, band] * 1.001)).mean()
        # 68 % intervals over a coarse grid of six spectra cover more rather than less.
        assert 0.64 < inside < 0.90, (band, inside)
    # Many photons narrow the error.
    few, many = (one.of_photons(0.7 * k, 0.3 * k, 0.0, 0.0, 20.5, 0.2) for k in (10, 3000))
    assert (many.high / many.low < few.high / few.low)[0, 2]


def test_background_photons_do_not_harden_the_spectrum() -> None:
    one = load_conversion().telescopes["xmm-pn"]
    clean = one.of_photons(80, 20, 0, 0, 20.5, 0.2)
    # As many hard background photons again, which are expected.
    noisy = one.of_photons(90, 110, 10, 90, 20.5, 0.2)
    ignored = one.of_photons(90, 110, 0, 0, 20.5, 0.2)
    assert noisy.value[0, 2] == pytest.approx(clean.value[0, 2], rel=0.15)
    assert ignored.value[0, 2] > 1.3 * clean.value[0, 2]


def test_fluxes_have_poisson_limits_and_the_errors_of_the_factor() -> None:
    exact = Factors(np.ones((3, 1)), np.ones((3, 1)), np.ones((3, 1)), ["x"] * 3)
    found = measure_fluxes([5, 0, 98], [2.5, 1.0, 3.8], 10.0, exact, 0.0)
    assert found.value[:, 0] == pytest.approx([0.25, 0.0, 9.42])
    # Kraft, Burrows & Nousek 1991 at 68.27 %, from astropy.stats.poisson_conf_interval(kraft-burrows-nousek).
    from astropy.stats import poisson_conf_interval

    low, high = poisson_conf_interval(
        [5, 98], "kraft-burrows-nousek", background=[2.5, 3.8], confidence_level=0.6826894921370859
    )
    # Without counts the posterior is exponential for any background; astropy finds no root there.
    low, high = np.insert(low, 1, 0.0), np.insert(high, 1, -np.log(1 - 0.6826894921370859))
    assert found.low[:, 0] == pytest.approx(low / 10, rel=1e-3, abs=1e-4)
    assert found.high[:, 0] == pytest.approx(high / 10, rel=1e-3)
    wide = Factors(np.full((3, 1), 1.0), np.full((3, 1), 0.5), np.full((3, 1), 2.0), ["x"] * 3)
    spread = measure_fluxes([5, 0, 98], [2.5, 1.0, 3.8], 10.0, wide, 0.1)
    expected = 9.42 * np.exp(np.sqrt(np.log(high[2] / 94.2) ** 2 + np.log(2.0) ** 2 + 0.01))
    assert spread.high[2, 0] == pytest.approx(expected, rel=1e-3)
    assert spread.low[1, 0] == 0.0
    assert np.isnan(measure_fluxes(5, 1.0, 0.0, Factors(*[np.ones((1, 1))] * 3, ["x"]), 0.1).value).all()


def test_limits_are_those_of_kraft_burrows_and_nousek() -> None:
    exact = Factors(np.full((1, 1), 2e-12), np.ones((1, 1)), np.ones((1, 1)), ["x"])
    # Without counts the limit is -ln(1 - level) for any background.
    assert flux_limits(0, 3.0, 1000.0, exact, 0.9973)[0, 0] == pytest.approx(-np.log(0.0027) * 2e-15, rel=1e-6)
    # Their table 1: 5 counts over 2.5, 99 % below 10.67, an interval that begins at 0.
    assert flux_limits(5, 2.5, 1.0, exact, 0.99)[0, 0] == pytest.approx(10.67 * 2e-12, rel=1e-3)


def test_luminosities_are_isotropic() -> None:
    from scipy.integrate import quad

    # 1e-12 erg cm-2 s-1 at 100 Mpc.
    assert luminosity_erg_s(1e-12, 100.0) == pytest.approx(1.196e42, rel=1e-3)
    assert luminosity_distance_mpc(1.3, 0.5) == 1.3e-6
    # A flat universe with H0 = 67.66 and matter 0.3097, integrated here.
    comoving = quad(lambda z: 299_792.458 / 67.66 / np.sqrt(0.3097 * (1 + z) ** 3 + 0.6903), 0.0, 0.1)[0]
    assert luminosity_distance_mpc(None, 0.1) == pytest.approx(1.1 * comoving, rel=1e-3)
    # Hubble's law at small redshifts; none of peculiar velocities alone.
    assert luminosity_distance_mpc(None, 0.004) == pytest.approx(0.004 * 299_792.458 / 67.66, rel=0.01)
    assert luminosity_distance_mpc(None, 0.001) is None
    assert luminosity_distance_mpc(None, None) is None


# Columns of the LAB survey (Kalberla et al. 2005) or as generally adopted in X-ray papers, 1e20 cm-2.
KNOWN_COLUMNS = [
    (187.278, 2.052, 1.8), (187.706, 12.391, 1.9), (194.953, 27.981, 0.9), (166.114, 38.209, 1.9),
    (329.717, -30.226, 1.5), (214.498, 25.137, 1.6), (150.1, 2.2, 2.6), (53.117, -27.808, 0.9), (163.0, 57.5, 0.6),
    (49.951, 41.512, 13.8), (10.685, 41.269, 6.7), (201.365, -43.019, 8.4), (83.633, 22.014, 30.0),
    (299.590, 35.202, 70.0),
]  # fmt: skip


def test_layer_agrees_with_known_columns_within_its_error() -> None:
    ra, dec, known = np.array(KNOWN_COLUMNS).T
    found = galactic_columns(ra, dec)
    assert found.source == "plane-parallel layer"
    pulls = np.log10(found.nh_cm2 / (1e20 * known)) / found.error_dex
    assert 0.3 < np.sqrt((pulls**2).mean()) < 1.3
    assert np.abs(pulls).max() < 3.0


def write_map(path: Path, values: np.ndarray, **keywords: object) -> Path:
    table = fits.BinTableHDU.from_columns([fits.Column("NHI", "D", array=values)])
    table.header.update({"PIXTYPE": "HEALPIX", "NSIDE": 16, "ORDERING": "RING", "COORDSYS": "G", **keywords})
    table.writeto(path)
    return path


@pytest.mark.parametrize("ordering", ["RING", "NESTED"])
@pytest.mark.parametrize("frame", ["G", "C"])
def test_maps_are_read_in_their_ordering_and_frame(tmp_path: Path, ordering: str, frame: str) -> None:
    from astropy.coordinates import SkyCoord
    from astropy_healpix import HEALPix

    place = SkyCoord(83.633, 22.014, unit="deg")
    healpix = HEALPix(nside=16, order=ordering.lower())
    where = (place.galactic.l, place.galactic.b) if frame == "G" else (place.ra, place.dec)
    values = np.full(healpix.npix, 2e20)
    values[healpix.lonlat_to_healpix(*where)] = 3.1e21
    path = write_map(tmp_path / "nhi.fits", values, ORDERING=ordering, COORDSYS=frame)
    found = galactic_columns([83.633, 187.278], [22.014, 2.052], path)
    assert found.nh_cm2 == pytest.approx([3.1e21, 2e20])
    assert found.source == "nhi.fits"
    assert (found.error_dex < 0.2).all()


@pytest.mark.parametrize(
    ("values", "keywords", "message"),
    [
        (np.full(3072, 2e20), {"PIXTYPE": "OTHER"}, "not a HEALPix table"),
        (np.full(100, 2e20), {}, "a map of the whole sky is needed"),
        (np.full(3072, 2.0), {}, "not a column in cm"),
        (np.full(3072, 2e20), {"COORDSYS": "E"}, "are supported"),
    ],
)
def test_other_files_are_refused_as_maps(
    tmp_path: Path, values: np.ndarray, keywords: dict[str, object], message: str
) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        galactic_columns([0.0], [0.0], write_map(tmp_path / "map.fits", values, **keywords))


def test_a_modified_table_is_refused(tmp_path: Path) -> None:
    content = json.loads(TABLE_PATH.read_text())
    content["telescopes"]["xmm-pn"]["calibration_error"] = 0.0
    (tmp_path / "table.json").write_text(json.dumps(content))
    with pytest.raises(ArtefactError, match="modified"):
        load_conversion(tmp_path / "table.json")


def power_law_fluxes(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    low, high = 1e-15, 1e-10
    return low * (1 - rng.random(n) * (1 - (high / low) ** -slope)) ** (-1 / slope)


def test_probabilities_of_ratios_are_frequencies_and_naive_ratios_are_not() -> None:
    rng = np.random.default_rng(3)
    n, slope, per_flux = 1500, 1.0, 2e14
    new, old = power_law_fluxes(rng, n, slope), power_law_fluxes(rng, n, slope)
    counts = rng.poisson(per_flux * new + 0.5).astype(float)
    error = np.full(n, 3e-15)
    catalogue = old + error * rng.standard_normal(n)
    found = flux_ratio(
        MeasuredCounts(counts, np.full(n, 0.5), np.full(n, per_flux)), MeasuredFlux(catalogue, error), slope=slope,
        min_flux=1e-15,
    )  # fmt: skip
    is_above = new / old > 5.0
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 1.0)):
        inside = (found.p_above > low) & (found.p_above <= high)
        p = found.p_above[inside]
        assert abs(is_above[inside].sum() - p.sum()) < 4.0 * np.sqrt((p * (1 - p)).sum()) + 1.0
    # The ratio of the measured numbers, of sources that have both, exceeds 5 far more often than the true one.
    naive = (counts - 0.5) / per_flux / catalogue
    chosen = (naive > 5.0) & (catalogue > 0)
    assert is_above[chosen].mean() < 0.75
    inside = ((new / old > found.low) & (new / old < found.high)).mean()
    assert abs(inside - 0.683) < 4 * np.sqrt(0.683 * 0.317 / n) + 0.02  # grid of 2.7 %


def test_eddington_bias_and_systematic_errors_lower_the_probability_of_a_change() -> None:
    new = MeasuredCounts(np.array([6.0]), np.array([0.1]), np.array([1e13]))
    catalogue = MeasuredFlux(np.array([7e-14]), np.array([0.5e-14]))
    flat = flux_ratio(new, catalogue, slope=0.0).p_above[0]
    steep = flux_ratio(new, catalogue, slope=1.5).p_above[0]
    uncertain = flux_ratio(new, catalogue, slope=0.0, systematic_error=1.0)
    assert steep < flat
    assert uncertain.high[0] / uncertain.low[0] > 2 * np.exp(1.0)
    bright = flux_ratio(MeasuredCounts(np.array([100.0]), np.array([0.1]), np.array([1e13])), catalogue)
    assert bright.p_above[0] > 0.999
    assert bright.median[0] == pytest.approx(100.0 / 1e13 / 7e-14, rel=0.05)
    gone = flux_ratio(MeasuredCounts(np.array([0.0]), np.array([0.1]), np.array([1e15])), catalogue)
    assert gone.p_below[0] > 0.999
