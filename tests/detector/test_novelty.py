"""Novelty: densities of class columns, ranks that hold for known events, and events that no class explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, multivariate_normal

from xherald.detector.calibration.build_novelty import fit_novelty
from xherald.detector.calibration.calibration import cached_calibration
from xherald.detector.scoring.class_features import CLASS_COLUMNS
from xherald.detector.scoring.class_model import ClassModel
from xherald.detector.scoring.classify import classify
from xherald.detector.scoring.novelty import (
    CONDITIONS,
    DENSITY_COLUMNS,
    ENERGIES,
    OTHERS,
    Densities,
    Novelty,
    combine_parts,
    fit_densities,
)
from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ArtefactError
from xherald.photons.statistics import TimingSettings, assess

NAMES = ("nova", "other_dip", "other_flare", "qpe", "sfxt")
KNOWN = 3


def events(rng: np.random.Generator, n: int) -> tuple[dict[str, F64], I64]:
    """Columns of three classes, half of them following the brightness; one event in ten has no dip."""
    labels = rng.integers(0, KNOWN, n)
    table = rng.normal(0.0, 1.0, (n, len(CLASS_COLUMNS))) + 0.7 * labels[:, None]
    columns = dict(zip(CLASS_COLUMNS, table.T, strict=True))
    for name in CLASS_COLUMNS[::2]:
        columns[name] += columns["log10_counts"]
    columns["dip_sigma"] = np.where(rng.random(n) < 0.1, np.nan, columns["dip_sigma"])
    return columns, labels


def undecided(n: int) -> F64:
    """Probabilities that tell nothing."""
    return np.full((n, len(NAMES)), 1.0 / len(NAMES))


@pytest.fixture(scope="module")
def novelty() -> Novelty:
    rng = np.random.default_rng(1)
    columns, labels = events(rng, 6_000)
    truth = np.array([0, 3, 4])[labels]
    return fit_novelty(columns, undecided(6_000), truth, NAMES, rng.integers(0, 4, 6_000))


def rank(novelty: Novelty, columns: dict[str, F64]) -> F64:
    return novelty.rank(columns, undecided(len(columns["log10_counts"])), NAMES)


def share_of_novel(novelty: Novelty, columns: dict[str, F64]) -> float:
    return float((rank(novelty, columns) > 0.85).mean())


def test_ranks_of_new_events_of_known_classes_are_those_of_the_calibration(novelty: Novelty) -> None:
    columns, _ = events(np.random.default_rng(2), 8_000)
    # Binomial errors of 0.15 in both samples.
    margin = 5.0 * np.sqrt(0.15 * 0.85 * (1 / 6_000 + 1 / 8_000))
    assert share_of_novel(novelty, columns) == pytest.approx(0.15, abs=margin)


def test_energies_that_no_class_has_are_novel_whatever_the_trees_say(novelty: Novelty) -> None:
    columns, _ = events(np.random.default_rng(3), 2_000)
    moved = {name: values + (2.0 if name in ENERGIES else 0.0) for name, values in columns.items()}
    assert share_of_novel(novelty, moved) > 0.9


def test_an_unusual_observation_is_not_an_unusual_event(novelty: Novelty) -> None:
    """Columns that follow the brightness are judged given the brightness."""
    columns, _ = events(np.random.default_rng(4), 8_000)
    follow = set(CLASS_COLUMNS[::2]) | {"log10_counts"}
    bright = {name: values + (3.0 if name in follow else 0.0) for name, values in columns.items()}
    assert share_of_novel(novelty, bright) < 0.3
    alone = {name: values + (3.0 if name == "dip_sigma" else 0.0) for name, values in bright.items()}
    assert rank(novelty, alone).mean() > rank(novelty, bright).mean()


def test_surprise_is_the_conditional_density_of_the_columns() -> None:
    columns, _ = events(np.random.default_rng(5), 3_000)
    columns["dip_sigma"] = np.nan_to_num(columns["dip_sigma"])
    densities = fit_densities(columns, np.zeros(3_000, dtype=np.int64), 1)
    values = densities.standardise(columns)
    inverse = densities.factors[0].astype(np.float64)
    root = np.linalg.inv(inverse)
    covariance = root @ root.T

    def minus_twice_ln(size: int) -> F64:
        normal = multivariate_normal(densities.means[0, :size], covariance[:size, :size])
        return np.asarray(-2.0 * normal.logpdf(values[:, :size]) - size * np.log(2.0 * np.pi))

    first, energies, every = len(CONDITIONS), len(ENERGIES), len(DENSITY_COLUMNS)
    given = minus_twice_ln(first)
    expected = (minus_twice_ln(first + energies) - given) / energies + (minus_twice_ln(every) - given) / (every - first)
    np.testing.assert_allclose(densities.surprise(columns, np.ones((3_000, 1))), expected, rtol=1e-6, atol=1e-6)


def test_a_class_of_one_event_has_a_density() -> None:
    columns, labels = events(np.random.default_rng(6), 200)
    labels[:] = 0
    labels[7] = 1
    columns["energy_background"] = np.full(200, np.nan)
    densities = fit_densities(columns, labels, 2)
    assert np.isfinite(densities.surprise(columns, np.full((200, 2), 0.5))).all()


def test_each_part_alone_makes_an_event_novel() -> None:
    quantiles = np.tile(np.linspace(0.0, 1.0, 1_001), (2, 1))
    usual, trees, density, both = combine_parts(
        np.array([[0.5, 0.5], [0.99, 0.5], [0.5, 0.99], [0.99, 0.99]]), quantiles
    )
    assert usual < trees == density < both


def test_columns_of_densities_are_all_class_columns() -> None:
    assert sorted(DENSITY_COLUMNS) == sorted(CLASS_COLUMNS)


# The shipped model


@pytest.fixture(scope="module")
def model() -> ClassModel:
    return cached_calibration().class_model


def usual_columns(model: ClassModel, name: str) -> dict[str, F64]:
    """Columns of an event in the middle of a class."""
    densities = model.novelty.densities
    known = [one for one in model.names if one not in OTHERS]
    middle = densities.middle + densities.scale * np.sinh(densities.means[known.index(name)])
    return {column: np.array([value]) for column, value in zip(DENSITY_COLUMNS, middle, strict=True)}


@pytest.mark.parametrize("name", ["stellar_flare", "eclipse", "qpe"])
def test_what_no_class_explains_is_novel(model: ClassModel, name: str) -> None:
    k = len(model.names)
    known, other = np.full(k, 0.001), np.full(k, 0.001)
    known[model.names.index(name)] = 1.0
    other[[model.names.index(one) for one in OTHERS]] = 1.0
    columns = usual_columns(model, name)
    ranks = [model.rank_novelty(columns, one[None] / one.sum())[0] for one in (known, np.full(k, 1.0 / k), other)]
    assert ranks[0] < 0.3
    assert ranks[0] < ranks[1] <= ranks[2]


def draw_flares(rng: np.random.Generator, n: int, *, line: bool) -> EventBatch:
    """Flares that cool on a soft, steady source; with `line`, of photons of 2.5 keV only."""
    duration, lists = 30_000.0, []
    for number in range(n):
        event = 8_000.0 + np.sort(rng.exponential(2_500.0, 120))
        event = event[event < 28_000.0]
        hot = np.exp(rng.normal(np.log(2.2 - (event - 8_000.0) / 20_000.0), 0.4))
        energy = rng.normal(2.5, 0.06, len(event)) if line else hot
        energy = np.concatenate([energy, np.exp(rng.normal(0.0, 0.3, 30))])
        times = np.concatenate([event, rng.uniform(0.0, duration, 30)])
        order = np.argsort(times)
        around = np.sort(rng.uniform(0.0, duration, 20))
        lists.append(
            EventList(
                time=times[order],
                energy=np.clip(energy[order], 0.5, 7.0).astype(np.float32),
                exposure=Exposure(np.array([[0.0, duration]])),
                identity=Identity("CHANDRA", "ACIS", "1", f"{number}"),
                frame_time=0.0,
                band=(0.5, 7.0),
                background=Background(around, rng.uniform(0.5, 7.0, 20).astype(np.float32), 0.05),
            )
        )
    return EventBatch.from_lists(lists)


def test_flares_of_one_energy_are_novel_and_flares_that_cool_are_not(model: ClassModel) -> None:
    rng = np.random.default_rng(7)
    novel = []
    for line in (False, True):
        batch = draw_flares(rng, 40, line=line)
        found = classify(model, batch, assess(batch, TimingSettings(threads=1)), np.full(40, True))
        novel.append(int((found.novelty > 0.85).sum()))
    # 0.07 of stellar flares and 0.95 of lines by another hand (docs/classes.md): for one chance in 1e5.
    assert novel[0] <= binom.isf(1e-5, 40, 0.15)
    assert novel[1] >= binom.ppf(1e-5, 40, 0.75)


def test_densities_that_do_not_fit_are_refused(model: ClassModel) -> None:
    arrays = model.to_arrays()
    with pytest.raises(ArtefactError, match="class_novelty_factors is missing"):
        ClassModel.from_arrays(
            model.names,
            model.telescopes,
            model.trees.inputs,
            {name: array for name, array in arrays.items() if name != "class_novelty_factors"},
        )
    densities = model.novelty.densities
    narrow = Densities(densities.middle[:-1], densities.scale[:-1], densities.means[:, :-1], densities.factors)
    wrong = replace(model, novelty=replace(model.novelty, densities=narrow)).to_arrays()
    with pytest.raises(ArtefactError, match="densities are not those of the classes"):
        ClassModel.from_arrays(model.names, model.telescopes, model.trees.inputs, wrong)
