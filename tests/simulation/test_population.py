"""Populations: distributions as said, truth that agrees with the photons, the same bytes whoever makes them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from read_files import batch as read_by_host
from scipy.stats import binom, kstest, poisson

from xherald.adapters.photon_lists import ABOUT, read_batch
from xherald.photons import EventBatch
from xherald.photons.errors import ConfigError
from xherald.photons.statistics import assess
from xherald.simulation.classes import CLASSES
from xherald.simulation.energies import MIDDLE_KEV, draw_energies
from xherald.simulation.population.population import (
    LEAST_COUNTS,
    Population,
    simulate_population,
    write_population,
)
from xherald.simulation.population.population_files import published_tables
from xherald.simulation.population.population_settings import COUNTS, SETTINGS, STEADY, VARIABLE
from xherald.simulation.random_streams import stream
from xherald.simulation.spectra import absorbed_power_law
from xherald.simulation.telescopes import TELESCOPES

N = 4000
LEAST_P = 1e-4
SIGMAS = 5.0
"""How far a mean may stray from what is expected of it, in its own standard deviations."""


@pytest.fixture(scope="module")
def chandra() -> Population:
    return simulate_population(N, telescope="chandra-acis-i", seed=11)


def truth(population: Population, name: str) -> np.ndarray:
    return np.array(population.truth.column(name).to_pylist())


def of_class(population: Population, kind: str) -> np.ndarray:
    return np.flatnonzero(truth(population, "class") == kind)


def same(one: EventBatch, other: EventBatch) -> bool:
    arrays = [name for name in EventBatch.__slots__ if name != "identities"]
    return one.identities == other.identities and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


# What is distributed as said.


def test_counts_are_those_of_a_catalogue(chandra: Population) -> None:
    counts = chandra.batch.counts
    assert 28 < np.median(counts) < 38
    assert 85 < counts.mean() < 120
    assert counts.min() == LEAST_COUNTS
    expected = truth(chandra, "expected_counts")
    assert COUNTS[2] <= expected.min()
    assert expected.max() <= COUNTS[3]


def test_counts_scatter_about_their_expectation_as_poisson_numbers_of_at_least_five(chandra: Population) -> None:
    mean = truth(chandra, "expected_counts") + truth(chandra, "background_expected")
    # Moments of a Poisson number given that it is not below the least: n (n − 1) … move the sum down by one each.
    tail = [poisson.sf(LEAST_COUNTS - 1 - k, mean) for k in range(3)]
    first = mean * tail[1] / tail[0]
    variance = mean**2 * tail[2] / tail[0] + first - first**2
    pull = (chandra.batch.counts - first) / np.sqrt(variance)
    assert abs(pull.mean()) < SIGMAS / np.sqrt(N)
    assert abs((pull**2).mean() - 1) < SIGMAS * (pull**2).std() / np.sqrt(N)


def test_background_regions_hold_what_the_truth_expects_in_their_area(chandra: Population) -> None:
    batch = chandra.batch
    mean = truth(chandra, "background_expected") / batch.area_ratio
    pull = (np.diff(batch.background_offsets) - mean) / np.sqrt(mean)
    assert abs(pull.mean()) < SIGMAS / np.sqrt(N)
    assert abs((pull**2).mean() - 1) < SIGMAS * (pull**2).std() / np.sqrt(N)


def test_arrivals_of_constant_sources_are_even_in_livetime(chandra: Population) -> None:
    batch = chandra.batch.select(of_class(chandra, "constant"))
    part = [one.exposure.livetime_at(one.time) / one.exposure.livetime for one in batch]
    around = [one.exposure.livetime_at(one.background.time) / one.exposure.livetime for one in batch if one.background]
    assert kstest(np.concatenate(part), "uniform").pvalue > LEAST_P
    assert kstest(np.concatenate(around), "uniform").pvalue > LEAST_P


@pytest.mark.parametrize("telescope", ["chandra-acis-i", "erosita"])
def test_energies_are_those_of_the_folded_and_measured_spectrum(telescope: str) -> None:
    population = simulate_population(400, telescope=telescope, seed=21)
    batch, instrument = population.batch, TELESCOPES[telescope]
    parameters = [json.loads(one) for one in population.truth.column("parameters").to_pylist()]
    laws = [i for i in of_class(population, "constant") if "photon_index" in parameters[i]]
    clean = truth(population, "background_expected") / truth(population, "expected_counts") < 0.01
    brightest = sorted((i for i in laws if clean[i]), key=lambda i: -int(batch.counts[i]))[:3]
    assert batch.counts[brightest[-1]] > 300
    rng = stream(4, telescope)
    for i in brightest:
        spectrum = absorbed_power_law(parameters[i]["photon_index"], parameters[i]["nh_1e22"])
        passed = instrument.vignetting_at(batch.identities[i].off_axis_arcmin, MIDDLE_KEV)
        true = draw_energies(spectrum * instrument.area_cm2 * passed, 200_000, rng)
        measured = instrument.measured(true, rng)
        low, high = instrument.band
        wanted = measured[(measured >= low) & (measured <= high)]
        assert kstest(batch[int(i)].energy, wanted).pvalue > LEAST_P


def test_the_flux_gives_the_counts(chandra: Population) -> None:
    """Photons of a constant source worked out by hand: flux, area in the band, vignetting, aperture, livetime."""
    telescope = TELESCOPES["chandra-acis-i"]
    rng = stream(5, "flux")
    for i in of_class(chandra, "constant")[:200]:
        parameters = json.loads(chandra.truth.column("parameters")[int(i)].as_py())
        if "photon_index" not in parameters:
            continue
        spectrum = absorbed_power_law(parameters["photon_index"], parameters["nh_1e22"])
        true = draw_energies(spectrum, 20_000, rng)
        area = np.interp(true, MIDDLE_KEV, telescope.area_cm2)
        area *= telescope.vignetting_at(chandra.batch.identities[i].off_axis_arcmin, true)
        measured = telescope.measured(true, rng)
        kept = area * ((measured >= 0.5) & (measured <= 7.0))
        livetime = truth(chandra, "livetime_s")[i]
        counts = truth(chandra, "flux")[i] * kept.mean() * 0.9 * livetime
        error = truth(chandra, "flux")[i] * kept.std() / np.sqrt(len(kept)) * 0.9 * livetime
        assert abs(counts - truth(chandra, "expected_counts")[i]) < SIGMAS * error


def test_variable_sources_and_classes_come_as_often_as_asked_for(chandra: Population) -> None:
    kinds = Counter(truth(chandra, "class").tolist())
    for shares, part in ((VARIABLE, 0.05), (STEADY, 0.95)):
        assert sum(shares.values()) == pytest.approx(1.0)
        for kind, share in shares.items():
            low, high = binom.ppf([LEAST_P / 20, 1 - LEAST_P / 20], N, part * share)
            assert low <= kinds[kind] <= high, kind
    assert set(VARIABLE) | set(STEADY) == set(CLASSES)


@pytest.mark.parametrize(("fraction", "shares"), [(0.0, STEADY), (1.0, VARIABLE)], ids=["none", "all"])
def test_none_or_all_may_vary(fraction: float, shares: dict[str, float]) -> None:
    population = simulate_population(60, seed=2, variable_fraction=fraction)
    assert set(truth(population, "class")) <= set(shares)


# What is true of every source.


@pytest.mark.parametrize("telescope", list(TELESCOPES))
def test_every_telescope_gives_lists_that_can_be_true(telescope: str) -> None:
    assert list(SETTINGS) == list(TELESCOPES)
    instrument, setting = TELESCOPES[telescope], SETTINGS[telescope]
    population = simulate_population(2 * setting.sources, telescope=telescope, seed=3)
    batch = population.batch
    phases = []
    for one in batch:  # the constructor refuses photons outside good times or band, and what is not sorted
        assert len(one) >= LEAST_COUNTS
        assert one.background is not None
        assert one.frame_time == instrument.frame_time
        row = np.searchsorted(one.exposure.gti[:, 0], one.time, side="right") - 1
        phases.append((one.time - one.exposure.gti[row, 0]) / one.frame_time % 1.0)
    if instrument.stamp == "middle":
        # A second of a mission is known to about 1e-7 s.
        np.testing.assert_allclose(np.concatenate(phases), 0.5, atol=3e-7 / instrument.frame_time)
    else:
        assert kstest(np.concatenate(phases), "uniform").pvalue > LEAST_P
    assert len({one.obs_id for one in batch.identities}) == 2
    assert {(one.mission, one.instrument) for one in batch.identities} == {(setting.mission, setting.instrument)}
    assert all(one.time_reference is not None for one in batch.identities)
    low, high = setting.exposure_s[2:]
    good = truth(population, "exposure_s")
    assert low * 0.9 < good.min()
    assert good.max() < high * 1.5 + 50


def test_truth_agrees_with_the_classes_and_with_itself(chandra: Population) -> None:
    rows = chandra.truth.to_pylist()
    for row, one in zip(rows, chandra.batch.identities, strict=True):
        assert row["obsreg_id"] == one.detection_id
        assert row["direction"] == CLASSES[row["class"]].direction
        assert row["is_bona_fide"] == (row["event_sigma"] >= 5.0)
        assert (row["event_start_s"] is None) == (row["event_stop_s"] is None) == (row["direction"] == "")
        assert row["direction"] or not row["is_bona_fide"]
        assert row["flux"] > 0
        assert json.loads(row["parameters"])
    exposures = {}
    for row, one in zip(rows, chandra.batch, strict=True):
        gti = one.exposure.gti
        exposures.setdefault(one.identity.obs_id, []).append(gti)
        assert row["livetime_s"] == pytest.approx(one.livetime)
        if row["direction"]:
            assert row["event_start_s"] < row["event_stop_s"]
            assert row["event_stop_s"] > gti[0, 0]
            assert row["event_start_s"] < gti[-1, 1]
    assert {len(sets) for sets in exposures.values()} == {SETTINGS["chandra-acis-i"].sources}
    # Sources of one exposure were looked at within the same hours.
    assert all(np.ptp([gti[0, 0] for gti in sets]) < 100 for sets in exposures.values())


def test_hardness_is_that_of_the_photons(chandra: Population) -> None:
    for i in range(0, N, 97):
        energy = chandra.batch[i].energy
        soft, hard = np.count_nonzero(energy < 1.2), np.count_nonzero(energy >= 2.0)
        told = chandra.truth.column("hard_hs")[i].as_py()
        assert told is None if soft + hard == 0 else told == pytest.approx((hard - soft) / (hard + soft))


def test_bona_fide_transients_stand_out_of_their_exposures(chandra: Population) -> None:
    """Counted by hand inside and outside the event that the truth names."""
    known = np.flatnonzero(truth(chandra, "is_bona_fide"))
    assert len(known) > 20
    rows = chandra.truth.to_pylist()
    right = 0
    for i in known.tolist():
        one, row = chandra.batch[i], rows[i]
        inside = np.count_nonzero((one.time >= row["event_start_s"]) & (one.time <= row["event_stop_s"]))
        ends = one.exposure.livetime_at([row["event_start_s"], row["event_stop_s"]])
        steady = len(one) * float(np.ptp(ends)) / one.exposure.livetime
        right += inside > steady + 2 * np.sqrt(steady) if row["direction"] == "flare" else inside < steady
    assert right >= 0.95 * len(known)


def test_bona_fide_transients_are_found_and_constant_sources_are_not(chandra: Population) -> None:
    known, constant = np.flatnonzero(truth(chandra, "is_bona_fide")), of_class(chandra, "constant")[:500]
    found = assess(chandra.batch.select(known)).p_value
    assert np.mean(found < 1e-3) > 0.8
    false = assess(chandra.batch.select(constant)).p_value
    assert np.count_nonzero(false < 1e-2) <= binom.ppf(1 - LEAST_P, len(constant), 1e-2)


# The same bytes.


def test_workers_change_no_byte(tmp_path: Path) -> None:
    done: list[int] = []
    for workers in (1, 2):
        facts = write_population(tmp_path / f"{workers}.parquet", 2100, seed=9, workers=workers, advance=done.append)
    assert done == [1000, 1000, 100] * 2
    one, two = (tmp_path / f"{workers}.parquet" for workers in (1, 2))
    assert one.read_bytes() == two.read_bytes()
    file = pq.ParquetFile(one)
    about = json.loads(file.schema_arrow.metadata[ABOUT])
    assert (about["seed"], about["telescope"], about["sources"]) == (9, "chandra-acis-i", 2100)
    batch = read_batch(one)
    in_memory = simulate_population(2100, seed=9, workers=1)
    assert all(
        np.array_equal(getattr(batch, name), getattr(in_memory.batch, name))
        for name in EventBatch.__slots__
        if name != "identities"
    )
    kinds = file.read(columns=["truth_class"]).column(0).to_pylist()
    assert facts["sources"] == 2100
    assert facts["photons"] == len(batch.time)
    assert facts["background_photons"] == len(batch.background_time)
    assert facts["variable"] == sum(kind in VARIABLE for kind in kinds)
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.parametrize("telescope", ["chandra-acis-i", "xmm-mos1", "erosita"])
def test_the_first_sources_are_the_same_however_many_follow(telescope: str) -> None:
    few, many = (simulate_population(n, telescope=telescope, seed=6) for n in (37, 140))
    assert same(few.batch, many.batch.select(np.arange(37)))
    assert (
        few.truth.equals(many.truth.slice(0, 37).combine_chunks())
        or few.truth.to_pylist() == many.truth.slice(0, 37).to_pylist()
    )


def test_another_seed_or_telescope_is_another_population() -> None:
    usual, other, elsewhere = (
        simulate_population(20, seed=seed, telescope=name).batch.time
        for seed, name in ((1, "chandra-acis-i"), (2, "chandra-acis-i"), (1, "chandra-acis-s"))
    )
    assert not set(usual) & set(other)
    assert not set(usual) & set(elsewhere)


# Files.


def test_a_population_is_read_by_the_host(tmp_path: Path, chandra: Population) -> None:
    path = tmp_path / "population.parquet"
    write_population(path, 300, seed=11)
    batch = read_by_host(path)
    first = chandra.batch.select(np.arange(300))
    np.testing.assert_array_equal(batch.time, first.time)
    np.testing.assert_array_equal(batch.energy, first.energy)
    np.testing.assert_array_equal(batch.gti, first.gti)
    assert batch.identities[0].time_reference == first.identities[0].time_reference
    back = Population.from_table(pq.read_table(path), path)
    assert back.truth.to_pylist() == chandra.truth.slice(0, 300).to_pylist()


def test_the_published_form_holds_the_same_photons(tmp_path: Path, chandra: Population) -> None:
    bona_fide = truth(chandra, "is_bona_fide")
    chosen = np.concatenate([np.flatnonzero(~bona_fide)[:100], np.flatnonzero(bona_fide)])
    part = Population(chandra.batch.select(chosen), chandra.truth.take(chosen))
    with published_tables(tmp_path / "tables") as tables:
        tables.add(part.batch, part.truth)
    batch = read_by_host(tmp_path / "tables" / "eventfiles_table.csv")
    ids = [one.detection_id for one in part.batch.identities]
    assert [one.detection_id for one in batch.identities] == ids
    for name in ("time", "energy", "offsets", "gti", "gti_offsets"):
        np.testing.assert_array_equal(getattr(batch, name), getattr(part.batch, name), err_msg=name)
    assert batch.good_times_known.all()
    with (tmp_path / "tables" / "properties_table.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["obsreg_id"] for row in rows] == ids
    assert [f"{row['obsid']}_{row['region_id']}" for row in rows] == ids
    assert [int(row["cnts_aper_b"]) for row in rows] == part.batch.counts.tolist()
    index = np.array([int(row["var_index_b"]) for row in rows])
    steady = truth(part, "class")[:100] == "constant"
    assert (index >= 0).all()
    assert (index[:100][steady] <= 5).mean() > 0.95
    assert (index[100:] >= 6).mean() > 0.7
    known = json.loads((tmp_path / "tables" / "bonafide_transients.json").read_text())
    assert list(known) == ["Known Dips", "Known Flares", "Others"]
    listed = {name for names in known.values() for name in names}
    rows_known = [row for row in part.truth.to_pylist() if row["is_bona_fide"]]
    assert listed == {row["obsreg_id"] for row in rows_known}
    assert set(known["Known Dips"]) == {row["obsreg_id"] for row in rows_known if row["direction"] == "dip"}
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        "bonafide_transients.json", "eventfiles_table.csv", "eventfiles_table_gti.csv", "properties_table.csv",
    ]  # fmt: skip


def test_the_published_form_is_written_chunk_by_chunk_too(tmp_path: Path) -> None:
    facts = write_population(None, 1010, seed=4, published=tmp_path)
    batch = read_by_host(tmp_path / "eventfiles_table.csv")
    assert (len(batch), len(batch.time)) == (1010, facts["photons"])
    assert facts["files"] == [str(tmp_path)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"telescope": "hubble"}, "unknown telescope 'hubble'; choose from chandra-acis-i"),
        ({"n": 0}, "sources is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"variable_fraction": 1.5}, "variable_fraction is 1.5"),
        ({"variable_fraction": float("nan")}, "variable_fraction is nan"),
        ({"bona_fide_sigma": 0.0}, "bona_fide_sigma is 0.0"),
    ],
    ids=["telescope", "n", "workers", "seed", "fraction", "nan", "sigma"],
)
def test_what_cannot_be_made_is_refused_before_anything_is(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    asked: dict[str, object] = {"n": 5, "telescope": "chandra-acis-i", "seed": 1, **change}
    with pytest.raises(ConfigError, match=said):
        write_population(tmp_path / "a.parquet", asked.pop("n"), **asked)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_population(tmp_path / "a.parquet", 5, seed=1, published=tmp_path / "tables", advance=stop)
    assert not list(tmp_path.rglob("*.parquet"))
    assert not list((tmp_path / "tables").iterdir())
