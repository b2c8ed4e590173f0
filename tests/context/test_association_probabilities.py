"""Probabilities of counterparts: against NWAY, against formulae evaluated independently, on skies of known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.association import associate_sky, figures, magnitude_prior, reliability, simulate
from xherald.context.association import (
    CatalogueRows,
    MagnitudePrior,
    PositionErrors,
    associate,
    estimate_completeness,
    search_radius_arcsec,
)

# nway 4.8.0 (PyPI), nwaylib.nway_match with match_radius 20 and prior_completeness 0.8: 12 sources and 9,000 rows
# (numpy.random.default_rng(42)) in 0.215959 square degrees, with a magnitude histogram. Sources: RA, Dec, sigma.
NWAY_AREA_DEG2, NWAY_ROWS, NWAY_COMPLETENESS = 0.21595887630109892, 9000, 0.8
NWAY_SOURCES = {
    2: (150.429299, 30.221707, 1.67),
    5: (150.487811, 30.031909, 2.21),
    6: (150.380570, 30.413816, 2.36),
    8: (150.064057, 30.379044, 1.31),
    9: (150.225193, 30.177263, 1.43),
    11: (150.463382, 30.446561, 0.97),
}
# Source, RA, Dec, sigma, ratio of magnitudes, log10 Bayes factor, p_any and p_i by position, both with magnitudes; rows
# of p_i below 1e-9 are left out.
NWAY_RESULTS = np.array([
    (2, 150.428559, 30.221782, 0.45, 5.0, 10.064069, 0.8655055, 0.8379513, 0.9663312, 0.9394101),
    (2, 150.428620, 30.220800, 0.42, 5 / 3, 9.350376, 0.8655055, 0.1620040, 0.9663312, 0.0605398),
    (2, 150.431576, 30.220772, 0.25, 5.0, 5.791289, 0.8655055, 0.0000447, 0.9663312, 0.0000501),
    (5, 150.490098, 30.032611, 0.47, 3.75, 7.789118, 0.3377046, 0.0561498, 0.5786068, 0.0781931),
    (5, 150.486418, 30.029484, 0.32, 5.0, 6.092400, 0.3377046, 0.0011288, 0.5786068, 0.0020960),
    (5, 150.490452, 30.034553, 0.17, 0.15, 3.239685, 0.3377046, 0.0000016, 0.5786068, 0.0000001),
    (5, 150.487049, 30.030297, 0.11, 0.05, 8.496286, 0.3377046, 0.2860986, 0.5786068, 0.0053122),
    (5, 150.487108, 30.033353, 0.40, 3.75, 8.857085, 0.3377046, 0.6566212, 0.5786068, 0.9143986),
    (6, 150.381819, 30.413877, 0.33, 5.0, 9.598814, 0.7817602, 0.5156908, 0.9235517, 0.7645494),
    (6, 150.381295, 30.414737, 0.32, 5 / 3, 9.561323, 0.7817602, 0.4730409, 0.9235517, 0.2337726),
    (6, 150.376885, 30.413986, 0.42, 5 / 3, 5.210100, 0.7817602, 0.0000211, 0.9235517, 0.0000104),
    (6, 150.383017, 30.414117, 0.39, 0.5, 7.937461, 0.7817602, 0.0112470, 0.9235517, 0.0016675),
    (6, 150.376555, 30.415291, 0.29, 10 / 3, 3.126986, 0.7817602, 0.0000002, 0.9235517, 0.0000002),
    (8, 150.064147, 30.378520, 0.19, 0.05, 10.235615, 0.8889434, 1.0000000, 0.2858276, 0.9999967),
    (8, 150.066463, 30.378212, 0.30, 3.75, 2.881311, 0.8889434, 0.0000000, 0.2858276, 0.0000033),
    (9, 150.226596, 30.177334, 0.29, 5 / 3, 8.650564, 0.6574742, 0.1084160, 0.8581853, 0.0573149),
    (9, 150.225843, 30.177951, 0.33, 10 / 3, 9.565633, 0.6574742, 0.8915840, 0.8581853, 0.9426851),
    (11, 150.461673, 30.446391, 0.45, 5.0, 5.457818, 0.1144536, 0.0010330, 0.0070728, 0.0937188),
    (11, 150.464465, 30.446400, 0.28, 0.05, 8.443254, 0.1144536, 0.9989670, 0.0070728, 0.9062812),
])  # fmt: skip


def rows_of(table: np.ndarray, ratio: np.ndarray | None) -> CatalogueRows:
    """NWAY's rows, with its density (N + 1) / area."""
    counts = [int((table[:, 0] == source).sum()) for source in NWAY_SOURCES]
    return CatalogueRows(
        np.concatenate([[0], np.cumsum(counts)]), table[:, 1], table[:, 2], PositionErrors.circular(table[:, 3]),
        np.full(len(counts), (NWAY_ROWS + 1) / NWAY_AREA_DEG2), ratio,
    )  # fmt: skip


@pytest.mark.parametrize("with_magnitudes", [False, True])
def test_probabilities_are_those_of_nway(with_magnitudes: bool) -> None:
    ra, dec, sigma = np.array(list(NWAY_SOURCES.values())).T
    rows = rows_of(NWAY_RESULTS, NWAY_RESULTS[:, 4] if with_magnitudes else None)
    # NWAY weighs "no counterpart" with 1 where this module has 1 - c.
    c = NWAY_COMPLETENESS / (1.0 + NWAY_COMPLETENESS)
    found = associate(ra, dec, PositionErrors.circular(sigma), rows, c)
    p_any, p_i = NWAY_RESULTS[:, 8 if with_magnitudes else 6], NWAY_RESULTS[:, 9 if with_magnitudes else 7]
    # Positions are rounded to 1e-6 deg in the table, as for NWAY; its numbers to the digits given.
    assert found.ln_bayes_factor / np.log(10) == pytest.approx(NWAY_RESULTS[:, 5], abs=2e-6)
    assert found.p_any[rows.source] == pytest.approx(p_any, abs=2e-6)
    assert found.p_i == pytest.approx(p_i, abs=2e-6)


def test_elliptical_errors_agree_with_a_normal_distribution_in_two_dimensions() -> None:
    from scipy.stats import multivariate_normal

    def covariance(major: float, minor: float, angle: float) -> np.ndarray:
        # Columns are unit vectors (east, north) along both axes; position angles run from north through east.
        t = np.radians(angle)
        axes = np.array([[np.sin(t), np.cos(t)], [np.cos(t), -np.sin(t)]])
        return axes @ np.diag([major**2, minor**2]) @ axes.T

    one, two = (3.0, 1.0, 30.0), (0.8, 0.5, 100.0)
    east, north = 2.1, 2.9
    density, c = 5e4, 0.6
    rows = CatalogueRows(
        np.array([0, 1]), np.array([10.0 + east / 3600.0]), np.array([north / 3600.0]),
        PositionErrors(*(np.array([v]) for v in two)), np.array([density]),
    )  # fmt: skip
    found = associate(10.0, 0.0, PositionErrors(*(np.array([v]) for v in one)), rows, c)
    likelihood = multivariate_normal(cov=covariance(*one) + covariance(*two)).pdf([east, north])
    odds = c / (1 - c) * likelihood / (density / 3600.0**2)
    assert found.p_any[0] == pytest.approx(odds / (1 + odds), rel=1e-6)
    assert found.p_none[0] == pytest.approx(1 / (1 + odds), rel=1e-6)
    turned = associate(10.0, 0.0, PositionErrors(*(np.array([v]) for v in (3.0, 1.0, 120.0))), rows, c)
    likelihood = multivariate_normal(cov=covariance(3.0, 1.0, 120.0) + covariance(*two)).pdf([east, north])
    odds = c / (1 - c) * likelihood / (density / 3600.0**2)
    assert turned.p_any[0] == pytest.approx(odds / (1 + odds), rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    ra=st.floats(0, 360),
    dec=st.floats(-89.99, 89.99),
    distance=st.floats(0, 20),
    angle=st.floats(0, 360),
)
def test_separations_hold_at_poles_and_across_zero_of_right_ascension(
    ra: float, dec: float, distance: float, angle: float
) -> None:
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    here = SkyCoord(ra, dec, unit="deg")
    there = here.directional_offset_by(angle * u.deg, distance * u.arcsec)
    rows = CatalogueRows(
        np.array([0, 1]), np.array([there.ra.deg]), np.array([there.dec.deg]), PositionErrors.circular([0.5]),
        np.array([1e3]),
    )  # fmt: skip
    found = associate(ra, dec, PositionErrors.circular([1.0]), rows, 0.5)
    assert found.separation_arcsec[0] == pytest.approx(here.separation(there).arcsec, abs=2e-5)
    assert found.separation_sigma[0] == pytest.approx(found.separation_arcsec[0] / np.hypot(1.0, 0.5))


def test_a_source_without_rows_has_no_counterpart_and_does_not_disturb_its_neighbours() -> None:
    errors = PositionErrors.circular([1.0, 1.0, 1.0])
    position = np.array([10.0, 20.0, 30.0]), np.zeros(3)
    rows = CatalogueRows(
        np.array([0, 2, 2, 3]), np.array([10.0, 10.0 + 1 / 3600, 30.0]), np.zeros(3),
        PositionErrors.circular([0.1] * 3), np.full(3, 100.0),
    )  # fmt: skip
    found = associate(*position, errors, rows, 0.5)
    assert found.p_any[1] == 0.0
    assert found.p_none[1] == 1.0
    assert found.p_match[:2].sum() == pytest.approx(found.p_any[0])
    assert found.p_any + found.p_none == pytest.approx(np.ones(3))
    assert found.rows_of(0).tolist() == [0, 1]
    assert found.rows_of(1).tolist() == []
    # Ambiguity stays: the second row, at one sigma, is nearly as likely.
    assert found.p_i[1] / found.p_i[0] == pytest.approx(np.exp(-0.5 / (1 + 0.01)), rel=1e-6)


def test_a_crowded_field_makes_the_same_row_less_probable() -> None:
    def p_any(density: float) -> float:
        rows = CatalogueRows(np.array([0, 1]), np.array([0.0]), np.array([1 / 3600]), PositionErrors.circular([0.1]),
                             np.array([density]))  # fmt: skip
        return float(associate(0.0, 0.0, PositionErrors.circular([2.0]), rows, 0.7).p_any[0])

    # Odds: 7/3 for any counterpart, times the density 0.03501 per square arcsec of the offset, over that of the rows.
    assert p_any(1e3) == pytest.approx(1 / (1 + 3 / 7 * (1e3 / 3600**2) / 0.035037), rel=1e-4)
    assert p_any(1e6) == pytest.approx(1 / (1 + 3 / 7 * (1e6 / 3600**2) / 0.035037), rel=1e-3)


def test_rows_beyond_the_search_radius_do_not_matter() -> None:
    sky = simulate(1e5, 2.0, 3, n=2000)
    found = associate(sky.ra, sky.dec, sky.errors, sky.rows, 0.7)
    near = found.separation_arcsec < 0.95 * search_radius_arcsec(sky.errors, 0.1)[sky.rows.source]
    assert near.mean() < 0.95
    assert found.p_match[~near].max() < 1e-3


def test_magnitude_ratios_are_those_of_the_distributions() -> None:
    edges = np.array([10.0, 12.0, 14.0, 16.0])
    prior = MagnitudePrior(edges, np.array([600.0, 300.0, 100.0]) * 1e6, np.array([100.0, 200.0, 700.0]) * 1e6)
    ratio = prior.ratio([11.0, 12.0, 15.9, 9.0, 17.0, np.nan])
    assert ratio == pytest.approx([6.0, 1.5, 1 / 7, 6.0, 1 / 7, 1.0], rel=1e-6)
    # A bin without counterparts in a small sample excludes nothing.
    small = MagnitudePrior(edges, np.array([5.0, 0.0, 0.0]), np.array([10.0, 10.0, 10.0]))
    assert small.ratio([13.0])[0] == pytest.approx(1 / 6)


@pytest.mark.parametrize("with_magnitudes", [False, True])
@pytest.mark.parametrize("density", [1e3, 1e5])
def test_probabilities_are_frequencies(density: float, with_magnitudes: bool) -> None:
    prior = magnitude_prior() if with_magnitudes else None
    expected, true, variance = 0.0, 0, 0.0
    for sigma in (0.5, 2.0, 5.0):
        sky = simulate(density, sigma, 100 + int(10 * sigma), n=4000, prior=prior)
        found = associate(sky.ra, sky.dec, sky.errors, sky.rows, 0.7)
        for _, _, is_true, mean, error in reliability(sky, found):
            # 1e-4 for each of 84 bins in all; the prior's own sampling adds 5 %.
            assert abs(is_true - mean) < 4.0 * error + 0.05 * error**2 / max(mean, 1.0) + 3.0
        expected, true = expected + found.p_match.sum(), true + sky.is_true.sum()
        variance += (found.p_any * found.p_none).sum()
    assert abs(true - expected) < 4.0 * np.sqrt(variance)


def test_completeness_is_recovered_and_its_error_is_that_of_repetitions() -> None:
    skies = [simulate(1e5, 2.0, seed, n=1500) for seed in range(30)]
    found = [associate_sky(sky) for sky in skies]
    values, errors = np.array([(one[1], one[2]) for one in found]).T
    pulls = (values - 0.7) / errors
    assert abs(pulls.mean()) < 4.0 / np.sqrt(30)
    assert 0.6 < pulls.std() < 1.5  # 99.9 % of standard deviations of 30 normal numbers
    pooled, error = estimate_completeness([one[0] for one in found])
    assert error == pytest.approx(errors.mean() / np.sqrt(30), rel=0.1)
    assert abs(pooled - 0.7) < 4 * error


def test_magnitudes_make_associations_more_complete_and_more_reliable() -> None:
    plain, informed = (
        figures(sky, associate_sky(sky)[0])
        for sky in (simulate(1e5, 2.0, 5, n=4000), simulate(1e5, 2.0, 5, n=4000, prior=magnitude_prior()))
    )
    assert informed[0] > plain[0] + 0.1
    assert informed[1] > plain[1] + 0.05
    # More reliable than the nearest row.
    assert informed[1] > informed[2] + 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density_deg2": np.array([0.0])}, "density of rows must be positive"),
        ({"offsets": np.array([0, 2])}, "offsets must ascend"),
        ({"dec_deg": np.zeros(2)}, "1 right ascensions"),
    ],
)
def test_invalid_rows_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    arguments = {
        "offsets": np.array([0, 1]), "ra_deg": np.zeros(1), "dec_deg": np.zeros(1),
        "errors": PositionErrors.circular([0.1]), "density_deg2": np.array([1.0]),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        CatalogueRows(**{**arguments, **change})  # type: ignore[arg-type]


def test_positions_without_any_error_are_refused() -> None:
    rows = CatalogueRows(np.array([0, 1]), np.zeros(1), np.zeros(1), PositionErrors.circular([0.0]), np.ones(1))
    with pytest.raises(ValueError, match="have no error of position"):
        associate(0.0, 0.0, PositionErrors.circular([0.0]), rows, 0.5)
    with pytest.raises(ValueError, match="completeness must be"):
        associate(0.0, 0.0, PositionErrors.circular([1.0]), rows, 1.0)
    with pytest.raises(ValueError, match="major_arcsec of position 1"):
        PositionErrors.circular([1.0, -1.0])


def test_radii_of_error_become_standard_deviations() -> None:
    # 68 % of a circular normal distribution lie within 1.51 sigma, 95 % within 2.45.
    assert PositionErrors.from_radius([1.5096], 0.68).major_arcsec[0] == pytest.approx(1.0, abs=1e-4)
    assert PositionErrors.from_radius([2.4477], 0.95).major_arcsec[0] == pytest.approx(1.0, abs=1e-4)
