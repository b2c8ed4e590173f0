"""Spectra and red noise of simulated sources are what physics and the papers say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError
from xherald.simulation import spectra
from xherald.simulation.classes.steady import noisy_light_curve
from xherald.simulation.energies import EDGES_KEV, MIDDLE_KEV, WIDTH_KEV
from xherald.simulation.random_streams import stream
from xherald.simulation.red_noise import bending_power_law, lognormal, red_noise


@pytest.mark.parametrize("energy", [0.25, 1.0, 5.0])
def test_cross_section_is_that_of_morrison_and_mccammon(energy: float) -> None:
    # σE³ of their Figure 1 and Table 2, 1e-24 cm² keV³
    expected = {0.25: 71.8, 1.0: 242.2, 5.0: 440.65}[energy]
    assert spectra.cross_section(np.array([energy]))[0] * energy**3 / 1e-24 == pytest.approx(expected, abs=0.1)


def test_cross_section_only_rises_at_edges() -> None:
    energy = np.geomspace(0.03, 15.0, 200_000)
    jump = np.diff(np.log(spectra.cross_section(energy)))
    edges = energy[1:][jump > 0]
    # C, N, O, Fe L, Ne, Mg, Si, S, Ar, Ca, Fe and Ni; at 0.1 keV a joint of the fit.
    known = np.array([0.1, 0.284, 0.4, 0.532, 0.707, 0.867, 1.303, 1.84, 2.471, 3.21, 4.038, 7.111, 8.331])
    assert (np.abs(edges[:, None] - known).min(axis=1) < 1e-3).all()
    assert jump.min() > -1e-3
    assert (jump > 0.3).sum() == 2  # O and Fe


MADE: dict[str, Callable[[float], F64]] = {
    "power law": lambda nh: spectra.absorbed_power_law(1.7, nh),
    "black body": lambda nh: spectra.black_body(0.6, nh),
    "disk": lambda nh: spectra.disk_black_body(1.1, nh),
    "plasma": lambda nh: spectra.thermal_plasma(0.8, nh),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
@given(nh=st.floats(0.0, 50.0))
def test_spectra_are_distributions_and_absorption_hardens_them(make: Callable[[float], F64], nh: float) -> None:
    free, behind = make(0.0), make(nh)
    assert behind.shape == (400,)
    assert behind.sum() == pytest.approx(1.0)
    assert (behind >= 0).all()
    assert np.isfinite(behind).all()
    assert behind @ MIDDLE_KEV >= free @ MIDDLE_KEV * (1 - 1e-12)
    ratio = free * spectra.absorption(nh)
    np.testing.assert_allclose(behind, ratio / ratio.sum(), atol=1e-15)


def test_a_power_law_has_its_index() -> None:
    density = spectra.absorbed_power_law(2.3, 0.0) / WIDTH_KEV
    np.testing.assert_allclose(np.diff(np.log(density)) / np.diff(np.log(MIDDLE_KEV)), -2.3, rtol=1e-9)


@pytest.mark.parametrize("kt", [0.5, 1.0, 1.5])
def test_a_black_body_has_planck_mean_energy(kt: float) -> None:
    # ζ(4)Γ(4)/(ζ(3)Γ(3)) = 2.7012; the grid from 0.1 to 15 keV cuts less than 3 %.
    assert spectra.black_body(kt, 0.0) @ MIDDLE_KEV == pytest.approx(2.7012 * kt, rel=0.03)


def test_a_disc_is_flat_below_its_temperature_and_wien_above() -> None:
    density = spectra.disk_black_body(2.0, 0.0) / WIDTH_KEV
    slope = np.diff(np.log(density)) / np.diff(np.log(MIDDLE_KEV))
    # Photons as E^−2/3 between the temperatures of the edges (energy as E^1/3).
    assert slope[(MIDDLE_KEV[1:] > 0.2) & (MIDDLE_KEV[1:] < 0.4)].mean() == pytest.approx(-2 / 3, abs=0.08)
    assert density[-1] / density.max() < 1e-2


def test_a_hot_plasma_shows_iron_k_and_a_cool_one_does_not() -> None:
    def contrast(kt: float, at: tuple[float, float], beside: tuple[float, float]) -> float:
        density = spectra.thermal_plasma(kt, 0.0) / WIDTH_KEV
        inside, outside = ((low < MIDDLE_KEV) & (high > MIDDLE_KEV) for low, high in (at, beside))
        return float(density[inside].mean() / density[outside].mean())

    assert contrast(5.0, (6.6, 6.8), (6.2, 6.5)) > 2
    assert contrast(0.7, (0.8, 1.1), (1.6, 1.8)) > 20
    assert contrast(0.7, (0.8, 1.1), (1.6, 1.8)) > 3 * contrast(8.0, (0.8, 1.1), (1.6, 1.8))
    # Equivalent width of the Fe XXV complex at 5 keV, about 0.7–0.9 keV at solar abundances (Rothenflug & Arnaud 1985).
    density = spectra.thermal_plasma(5.0, 0.0) / WIDTH_KEV
    line = np.searchsorted(EDGES_KEV, 6.68) - 1
    beside = 0.5 * (density[line - 2] + density[line + 2])
    assert 0.5 < (density[line] / beside - 1) * WIDTH_KEV[line] < 1.1


@given(kt=st.floats(0.1, 9.0))
def test_hotter_plasma_is_harder(kt: float) -> None:
    assert spectra.thermal_plasma(1.1 * kt, 0.0) @ MIDDLE_KEV > spectra.thermal_plasma(kt, 0.0) @ MIDDLE_KEV


@pytest.mark.parametrize(
    ("make", "word"),
    [
        pytest.param(lambda: spectra.absorbed_power_law(2.0, -0.1), "nh_1e22", id="negative column"),
        pytest.param(lambda: spectra.absorbed_power_law(2.0, np.nan), "nh_1e22", id="nan column"),
        pytest.param(lambda: spectra.absorbed_power_law(np.nan, 0.1), "photon index", id="nan index"),
        pytest.param(lambda: spectra.black_body(0.0, 0.1), "kt_kev", id="no temperature"),
        pytest.param(lambda: spectra.disk_black_body(-1.0, 0.1), "kt_kev", id="negative temperature"),
        pytest.param(lambda: spectra.thermal_plasma(1e3, 0.1), "kt_kev", id="temperature in the wrong unit"),
        pytest.param(lambda: spectra.black_body(0.05, 1e6), "completely absorbed", id="nothing comes through"),
    ],
)
def test_impossible_spectra_are_refused(make: Callable[[], F64], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        make()


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0, 3.0])
def test_red_noise_has_its_power_spectrum(slope: float) -> None:
    n, step, tries, rng = 2048, 3.0, 200, stream(1, "red", int(slope))
    frequency = np.arange(1, n // 2) / (n * step)

    def power(f: F64) -> F64:
        return 5.0 * (f / 1e-3) ** -slope

    signals = np.array([red_noise(n, step, power, rng) for _ in range(tries)])
    periodogram = 2 * step / n * np.abs(np.fft.rfft(signals)[:, 1:-1]) ** 2
    ratio = periodogram / power(frequency)
    # Each is exponential of mean 1: so are means over decades of frequency and over tries, with their 1/√N.
    for band in np.array_split(np.arange(len(frequency)), np.geomspace(2, len(frequency), 8).astype(int)[:-1]):
        assert abs(ratio[:, band].mean() - 1) < 5 / np.sqrt(tries * len(band))
    assert stats.kstest(ratio[:, :20].ravel(), "expon").pvalue > 1e-4
    variance = power(np.arange(1, n // 2 + 1) / (n * step)).sum() / (n * step)
    spread = np.std(signals.var(axis=1)) / np.sqrt(tries)
    assert abs(signals.var(axis=1).mean() - variance) < 5 * spread


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.0), (1.1, 3.0)])
def test_a_bend_runs_between_its_slopes(low: float, high: float) -> None:
    f = np.array([1e-9, 2e-9, 1.0, 2.0])
    value = bending_power_law(f, 1e-4, low, high)
    assert np.log2(value[0] / value[1]) == pytest.approx(low, abs=1e-3)
    assert np.log2(value[2] / value[3]) == pytest.approx(high, abs=1e-3)


@pytest.mark.parametrize("slope", [0.0, 1.0, 1.5])
def test_noisy_light_curves_keep_slope_mean_and_rms(slope: float) -> None:
    tries, rng, duration, rms = 300, stream(2, "noisy", int(10 * slope)), 1e4, 0.3
    curves = [noisy_light_curve(lambda f: f**-slope, rms, duration, rng, 256) for _ in range(tries)]
    rates = np.array([curve.rate for curve in curves])
    assert (rates > 0).all()
    means = rates.mean(axis=1)
    assert abs(means.mean() - 1) < 5 * means.std() / np.sqrt(tries)
    logs = np.log(rates)
    variance = logs.var(axis=1)
    assert abs(variance.mean() - rms**2) < 5 * variance.std() / np.sqrt(tries)
    frequency = np.fft.rfftfreq(256)[1:]
    periodogram = (np.abs(np.fft.rfft(logs)[:, 1:]) ** 2).mean(axis=0)
    used = (frequency > 0.02) & (frequency < 0.25)
    fitted = stats.linregress(np.log(frequency[used]), np.log(periodogram[used]))
    # The slope's error is that of the ensemble; 0.1 is allowed for the leak.
    assert fitted.slope == pytest.approx(-slope, abs=0.1 + 5 * fitted.stderr)


def test_exponentiated_noise_has_mean_one() -> None:
    signal = 0.8 * stream(3, "log").standard_normal(400_000)
    rates = lognormal(signal, 0.64)
    assert abs(rates.mean() - 1) < 5 * rates.std() / np.sqrt(len(rates))


@pytest.mark.parametrize(("n", "step"), [(3, 1.0), (5, 1.0), (8, 0.0), (8, np.nan)], ids=str)
def test_impossible_noise_is_refused(n: int, step: float) -> None:
    with pytest.raises(ConfigError, match="red noise"):
        red_noise(n, step, np.ones_like, stream(4))
