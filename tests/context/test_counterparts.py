"""Counterparts of X-ray sources in imported catalogues, on skies whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from xherald.context.catalogues.catalogue import Catalogue
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.import_catalogue import ImportOptions, import_catalogue
from xherald.context.class_context import COUNTERPARTS_OF_CLASSES, weigh_classes
from xherald.context.counterparts import Counterpart, Counterparts, find_counterparts, needed_radius_arcsec
from xherald.context.interest import InterestFacts, rate_interest
from xherald.context.object_types import CATEGORIES, categorise
from xherald.context.providers import match_catalogue

CENTRE = (83.8, -5.4)
SIDE_DEG = 1.0
ERROR_ARCSEC = 1.0

ROLES = {
    "name": "name",
    "ra": "ra[deg]",
    "dec": "dec[deg]",
    "pos_err": "err[arcsec]",
    "pmra": "pmra[mas/yr]",
    "pmdec": "pmdec[mas/yr]",
    "epoch": "2016.0[yr]",
    "type": "type",
    "parallax": "plx[mas]",
    "parallax_err": "eplx[mas]",
}


def make_catalogue(folder: Path, name: str, positions: np.ndarray, types: list[str], **columns: float) -> Catalogue:
    """A catalogue with the given positions, deg."""
    n = len(positions)
    table = Table(
        {
            "name": [f"{name} {i}" for i in range(n)],
            "ra": positions[:, 0],
            "dec": positions[:, 1],
            "err": np.full(n, 0.1),
            "type": types,
            **{key: np.full(n, columns.get(key, 0.0)) for key in ("pmra", "pmdec", "plx")},
            "eplx": np.full(n, 0.1),
        }
    )
    table.write(folder / f"{name}.ecsv", format="ascii.ecsv")
    import_catalogue(folder / f"{name}.ecsv", folder / name, name, ImportOptions(ColumnMap(roles=ROLES)))
    return Catalogue.open(folder / name)


def ask(
    ra: np.ndarray, dec: np.ndarray, error: np.ndarray, catalogues: list[Catalogue], epoch_yr: float | None = None
) -> list[Counterparts]:
    """Counterparts in some catalogues."""
    ra, dec, error = (np.atleast_1d(np.asarray(one, dtype=float)) for one in (ra, dec, error))
    matches = [match_catalogue(one, ra, dec, needed_radius_arcsec(error), epoch_yr) for one in catalogues]
    return find_counterparts(ra, dec, error, matches)


@pytest.mark.parametrize("density_deg2", [1_000.0, 40_000.0])
def test_stated_probabilities_are_the_fractions_that_are_right(density_deg2: float, tmp_path: Path) -> None:
    """Half of the sources have a counterpart, among unrelated stars of a sparse or of a crowded field."""
    random = np.random.default_rng(4)
    number, sources = random.poisson(density_deg2 * SIDE_DEG**2), 600
    scale = np.cos(np.radians(CENTRE[1]))
    field = np.column_stack(
        [
            CENTRE[0] + random.uniform(-0.5, 0.5, number) * SIDE_DEG / scale,
            CENTRE[1] + random.uniform(-0.5, 0.5, number),
        ]
    )
    truth = np.column_stack(
        [CENTRE[0] + random.uniform(-0.4, 0.4, sources) / scale, CENTRE[1] + random.uniform(-0.4, 0.4, sources)]
    )
    has = random.random(sources) < 0.5
    catalogue = make_catalogue(tmp_path, "stars", np.concatenate([field, truth[has]]), ["*"] * (number + has.sum()))
    # The 68 % radius of a normal distribution is 1.51 standard deviations of one coordinate.
    shift = random.normal(0.0, ERROR_ARCSEC / 1.5096, (sources, 2)) / 3600.0
    seen = truth + shift / [scale, 1.0]
    found = ask(seen[:, 0], seen[:, 1], np.full(sources, ERROR_ARCSEC), [catalogue])
    stated = np.array([1.0 - one.p_none for one in found if one.p_none is not None])
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 0.95), (0.95, 1.0)):
        some = (stated >= low) & (stated <= high)
        if some.sum() < 20:
            continue
        error = np.sqrt(max((stated[some] * (1 - stated[some])).sum(), 0.5)) / some.sum()
        assert has[some].mean() == pytest.approx(stated[some].mean(), abs=3.5 * error)
    names = {f"stars {number + i}": source for i, source in enumerate(np.flatnonzero(has).tolist())}
    best = [(i, one.found[0]) for i, one in enumerate(found) if one.found and one.found[0].probability > 0.95]
    right = np.mean([names.get(row.name) == i for i, row in best])
    assert len(best) > 40
    assert right > 0.93


def test_proper_motion_decides_which_star_it_is(tmp_path: Path) -> None:
    """A star that moved by 5 arcsec since the epoch of the catalogue is found where it is now."""
    position = np.array([[10.0, 20.0]])
    catalogue = make_catalogue(tmp_path, "fast", position, ["PM*"], pmdec=1000.0, plx=50.0)
    moved = (10.0, 20.0 + 5.0 / 3600.0)
    (now,) = ask(*moved, 1.0, [catalogue], epoch_yr=2021.0)
    (then,) = ask(*moved, 1.0, [catalogue], epoch_yr=2016.0)
    assert now.found[0].probability > 0.9
    assert now.found[0].separation_arcsec < 0.05
    assert now.found[0].distance_pc == pytest.approx(20.0, rel=1e-3)
    assert not then.found
    assert then.p_none > 0.99


def test_the_same_object_in_two_catalogues_is_no_second_witness(tmp_path: Path) -> None:
    position = np.array([[150.0, 2.0]])
    two = [make_catalogue(tmp_path, name, position, ["QSO"]) for name in ("first", "second")]
    (alone,), (both,) = (ask(150.0, 2.0002, 1.0, some) for some in (two[:1], two))
    assert both.p_none == pytest.approx(alone.p_none)
    assert both.evidence == pytest.approx(alone.evidence)
    assert [one.catalogue for one in both.found] == ["first", "second"]
    assert both.found[0].category == "agn"


def test_without_catalogues_nothing_is_claimed() -> None:
    (one,) = ask(150.0, 2.0, 1.0, [])
    assert (one.found, one.searched, one.p_none) == ((), (), None)


@pytest.mark.parametrize(
    ("written", "scheme", "category"),
    [
        ("Er*", "simbad", "active_star"),
        ("V*", "simbad", "star"),
        ("Ge*", "simbad", "star"),
        ("Sy1", "simbad", "agn"),
        ("LXB", "", "x_ray_binary"),
        ("QSO?", "", "agn"),
        ("UGSU+E", "vsx", "cataclysmic_variable"),
        ("XB/E", "vsx", "x_ray_binary"),
        ("RRAB", "vsx", "star"),
        ("Seyfert 2 galaxy", "", "agn"),
        ("flare star", "", "active_star"),
        ("group of galaxies", "", "galaxy_cluster"),
        ("supergiant fast X-ray transient", "", "x_ray_binary"),
        ("fast X-ray transient", "", "x_ray_source"),
        ("X-ray outburst of the supernova SN 2008D", "", "supernova"),
        ("nova", "", "cataclysmic_variable"),
        ("quasi-periodic eruptions of a galactic nucleus", "", "galaxy"),
        ("low-mass X-ray binary, bursting pulsar", "", "x_ray_binary"),
        ("magnetar", "", "pulsar"),
        ("ultraluminous supersoft X-ray source", "", "x_ray_binary"),
        ("", "", "other"),
        ("\x1b[31m=1+1", "", "other"),
    ],
)
def test_types_are_understood(written: str, scheme: str, category: str) -> None:
    assert categorise(written, scheme) == category


@given(st.text(max_size=300), st.sampled_from(["", "simbad", "vsx"]))
def test_any_type_has_a_category(written: str, scheme: str) -> None:
    assert categorise(written, scheme) in CATEGORIES


def test_a_star_at_the_position_makes_a_stellar_flare_likely() -> None:
    photons = {"stellar_flare": 0.3, "fast_transient": 0.5, "other_flare": 0.2}
    weighed = weigh_classes(photons, {"star": 3_000.0})
    # 0.3 × 0.6 against 0.2 × 0.2 of other flares and 0.5 × 0.01 of fast transients.
    assert weighed["stellar_flare"] == pytest.approx(0.180 / 0.225, abs=0.002)
    assert next(iter(weighed)) == "stellar_flare"
    assert sum(weighed.values()) == pytest.approx(1.0)
    empty = weigh_classes(photons, {})
    assert empty["fast_transient"] > 0.75
    assert weigh_classes(photons, None) == pytest.approx(photons)


def test_expected_counterparts_are_probabilities() -> None:
    for shares in COUNTERPARTS_OF_CLASSES.values():
        assert set(shares) <= set(CATEGORIES)
        assert 0.0 < sum(shares.values()) < 1.0


def star(probability: float = 0.97) -> Counterpart:
    return Counterpart(
        "gaia", "V1229 Ori", "active_star", "Or*", probability, 83.8, -5.4, 0.3, 0.4, 11.0, 400.0, None, None
    )


def test_a_hostless_burst_is_more_interesting_than_a_flaring_star() -> None:
    common = {
        "false_alarm_probability": 1e-6,
        "threshold": 1e-3,
        "kind": "flare",
        "searched": ("gaia", "simbad"),
        "completeness": 0.75,
    }
    burst = rate_interest(InterestFacts(**common, class_set=("fast_transient", "stellar_flare"), p_none=0.99))
    flare = rate_interest(InterestFacts(**common, class_set=("stellar_flare",), counterparts=(star(),), p_none=0.03))
    assert burst.score > 0.9
    assert flare.score < 0.6
    assert "ordinary for V1229 Ori" in flare.reasons[0].text
    known = rate_interest(
        InterestFacts(**common, class_set=("stellar_flare",), counterparts=(star(),), verdicts=("known",))
    )
    assert known.score < flare.score
    watched = rate_interest(InterestFacts(**common, class_set=("stellar_flare",), watch_lists=("orion",)))
    assert watched.score > flare.score


@given(
    st.floats(1e-300, 1.0),
    st.floats(1e-300, 1.0),
    st.sampled_from(["flare", "dip", "stochastic", "steady", "new"]),
    st.floats(0.0, 1.0),
)
def test_interest_is_a_score_that_does_not_fall_with_significance(
    first: float, second: float, kind: str, probability: float
) -> None:
    scores = [
        rate_interest(
            InterestFacts(p, 1e-3, kind, ("agn",), counterparts=(star(probability),), searched=("gaia",), p_none=0.5)
        ).score
        for p in sorted((first, second))
    ]
    assert 0.0 <= scores[1] <= scores[0] <= 1.0
