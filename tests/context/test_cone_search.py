"""Cone searches find what a comparison of all pairs finds, at the poles and across RA = 0, at any epoch."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.time import Time
from catalogue_files import ROLES, import_table, random_sky, small_table
from hypothesis import given, settings
from hypothesis import strategies as st

from xherald.context.catalogues import catalogue as catalogue_module
from xherald.context.catalogues import hats_files
from xherald.context.catalogues import import_catalogue as importing
from xherald.context.catalogues.catalogue import Catalogue
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.local_density import measure_density
from xherald.photons.errors import ConfigError
from xherald.photons.projection import separation_deg

SPECIAL = ((0.0, 90.0), (123.0, -90.0), (0.0, 0.0), (359.9999, 30.0), (45.0, 41.8103149), (90.0, -41.8103149))
"""Poles, RA = 0, and corners at which only seven HEALPix pixels meet."""


@pytest.fixture(scope="module")
def table() -> Table:
    """The whole sky, and clusters around the special places on all angular scales."""
    random = np.random.default_rng(8)
    ra, dec = random_sky(6_000, 7)
    clusters = []
    for place_ra, place_dec in SPECIAL:
        centre = SkyCoord(place_ra, place_dec, unit="deg")
        distance = 10 ** random.uniform(-5, 1, 400) * units.deg
        around = centre.directional_offset_by(random.uniform(0, 360, 400) * units.deg, distance)
        clusters.append((around.ra.deg, around.dec.deg))
    ra = np.concatenate([ra, *(one[0] for one in clusters)])
    dec = np.concatenate([dec, *(one[1] for one in clusters)])
    table = small_table(len(ra))
    table["RAJ"], table["DEJ"] = ra * units.deg, dec * units.deg
    table["pmra"] = random.normal(0, 500, len(ra)) * units.mas / units.yr
    table["pmdec"] = random.normal(0, 500, len(ra)) * units.mas / units.yr
    table["pmra"][::5] = np.nan
    table["ep"] = random.uniform(1991, 2016, len(ra)) * units.yr
    return table


@pytest.fixture(scope="module")
def catalogue(table: Table, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """In many small partitions and row groups, read in many batches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "MAX_PARTITION_ROWS", 200)
        patch.setattr(hats_files, "ROW_GROUP_ROWS", 32)
        columns = ColumnMap(roles=ROLES | {"pmra": "pmra", "pmdec": "pmdec", "epoch": "ep"})
        return import_table(table, tmp_path_factory.mktemp("catalogue"), columns)


def pairs(found: catalogue_module.ConeMatches) -> set[tuple[int, str]]:
    return set(zip(found.position.tolist(), found.text("name"), strict=True))


positions = st.one_of(
    st.sampled_from(SPECIAL),
    st.tuples(st.floats(0, 360), st.floats(-1, 1).map(lambda z: float(np.degrees(np.arcsin(z))))),
    st.tuples(st.floats(0, 360), st.sampled_from([89.9999, -89.9999, 89.0])),
    st.tuples(st.sampled_from([0.0, 1e-9, 359.999999999, 360.0]), st.floats(-90, 90)),
)


@settings(max_examples=60)
@given(cones=st.lists(st.tuples(positions, st.floats(-1, 5.8)), min_size=1, max_size=8))
def test_a_search_finds_what_a_comparison_of_all_pairs_finds(
    cones: list[tuple[tuple[float, float], float]], catalogue: Catalogue, table: Table
) -> None:
    ra, dec = np.array([one[0] for one in cones]).T
    radius = 10 ** np.array([one[1] for one in cones])  # 0.1 arcsec to the whole sky
    radius = np.minimum(radius, 180 * 3600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue_module, "MAX_BATCH_ROWS", 1_000)
        patch.setattr(catalogue_module, "MAX_PAIRS", 3_000)
        found = catalogue.search(ra, dec, radius, columns=["name"])
        number = catalogue.count(ra, dec, 0.0, radius)
    separation = 3600 * separation_deg(
        ra[:, np.newaxis], dec[:, np.newaxis], np.array(table["RAJ"]), np.array(table["DEJ"])
    )
    near = separation <= radius[:, np.newaxis]
    names = np.array(table["Name"])
    assert pairs(found) == {(i, str(names[j])) for i, j in zip(*np.nonzero(near), strict=True)}
    assert np.diff(found.offsets).tolist() == near.sum(axis=1).tolist()
    assert (number == (near & (separation > 0)).sum(axis=1)).all()
    for i in range(len(ra)):
        part = found.separation_arcsec[found.offsets[i] : found.offsets[i + 1]]
        np.testing.assert_allclose(part, np.sort(separation[i][near[i]]), rtol=0, atol=1e-9)


@pytest.mark.parametrize("epoch", [1950.0, 2026.9])
def test_proper_motion_is_carried_to_the_epoch(epoch: float, catalogue: Catalogue, table: Table) -> None:
    motion = table["pmra"].filled(np.nan) if hasattr(table["pmra"], "filled") else table["pmra"]
    known = np.isfinite(np.array(motion, dtype=float))
    start = SkyCoord(
        table["RAJ"],
        table["DEJ"],
        pm_ra_cosdec=np.where(known, motion, 0) * units.mas / units.yr,
        pm_dec=np.where(known, table["pmdec"], 0) * units.mas / units.yr,
        distance=np.full(len(table), 1.0) * units.pc,  # slow, so that relativity does not matter
        obstime=Time(np.array(table["ep"], dtype=np.float32).astype(float), format="jyear", scale="tcb"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ERFA remarks on years far from today
        moved = start.apply_space_motion(Time(epoch, format="jyear", scale="tcb"))
    ra, dec = moved.ra.deg, moved.dec.deg
    some = np.random.default_rng(4).choice(len(table), 300, replace=False)
    found = catalogue.search(ra[some], dec[some], 0.02, epoch_yr=epoch)
    own = {(number, str(table["Name"][row])) for number, row in enumerate(some)}
    assert own <= pairs(found)
    by_name = {str(name): row for row, name in enumerate(table["Name"])}
    rows = [by_name[name] for name in found.text("name")]
    assert (3600 * separation_deg(found.ra_deg, found.dec_deg, ra[rows], dec[rows])).max() < 5e-3


def test_nothing_is_found_where_nothing_is(catalogue: Catalogue) -> None:
    found = catalogue.search([10.0, 20.0], [5.0, 5.0], 1e-6)
    assert found.offsets.tolist() == [0, 0, 0]
    assert found.table.column_names == list(catalogue.columns)
    assert catalogue.search([], [], 5.0).offsets.tolist() == [0]
    assert np.isnan(found.numbers("redshift")).all()


@pytest.mark.parametrize(
    ("ra", "dec", "radius"), [(-1, 0, 1), (361, 0, 1), (0, 91, 1), (np.nan, 0, 1), (0, 0, -1), (0, 0, np.nan)]
)
def test_cones_off_the_sky_are_refused(ra: float, dec: float, radius: float, catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match="not on the sky"):
        catalogue.search(ra, dec, radius)


def test_unknown_columns_are_refused(catalogue: Catalogue) -> None:
    with pytest.raises(ConfigError, match="no column 'colour'"):
        catalogue.search(0, 0, 1, columns=["colour"])


def test_density_agrees_with_the_truth(tmp_path: Path) -> None:
    """68 % limits must hold the true density in 68 % of positions: 250 of them, within 4 sigma of the binomial."""
    rows = 200_000
    ra, dec = random_sky(rows, 31)
    sky = Table({"Name": np.arange(rows), "RAJ": ra * units.deg, "DEJ": dec * units.deg})
    columns = ColumnMap(roles={"name": "Name", "ra": "RAJ", "dec": "DEJ"}, default_pos_err_arcsec=1.0)
    truth = rows / (4 * np.pi * (180 / np.pi) ** 2)
    catalogue = import_table(sky, tmp_path, columns)
    # Few annuli are enlarged, which would bias counts: those that stop at a threshold are too high.
    density = measure_density(catalogue, *random_sky(250, 32), 30.0, min_count=2)
    inside = np.mean((density.low_per_deg2 <= truth) & (truth <= density.high_per_deg2))
    assert inside > 0.68 - 4 * np.sqrt(0.68 * 0.32 / 250)
    assert density.per_deg2.mean() == pytest.approx(truth, rel=4 / np.sqrt(density.count.sum()))
    wide = measure_density(catalogue, *random_sky(250, 33), 30.0)
    assert (wide.count >= 25).all()
    assert wide.per_deg2.mean() == pytest.approx(truth, rel=0.1)
