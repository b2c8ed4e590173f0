"""Maps keep neighbours, repeat themselves, refuse what cannot be mapped; new sources land among their neighbours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from xherald.photons.errors import ReferenceDataError
from xherald.plugins import PluginHost
from xherald.plugins.embedders.exact_neighbours import find_nearest, find_nearest_others, make_tiles
from xherald.plugins.embedding import interpolate_positions

EMBEDDERS = PluginHost().embedders
QUICK = {
    "tsne": {"perplexity": 20, "max_iter": 300},
    "fast_tsne": {"perplexity": 20},
    "umap": {"neighbours": 15, "epochs": 100},
}
by_name = pytest.mark.parametrize("name", ["tsne", "fast_tsne", "umap"])


def mapped(name: str, features: np.ndarray, **options: object) -> np.ndarray:
    """A map by an embedder, quick unless said otherwise."""
    kind = EMBEDDERS[name]
    return kind.fit(features, kind.options_model(**(QUICK[name] | options)))


def blobs(each: int, seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Three groups of sources, ten widths apart, in six features; and which group each is of."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(3), each)
    centres = 10 * np.eye(3, 6)
    return (centres[group] + random.normal(size=(3 * each, 6))).astype(np.float32), group


# --- maps ---


def test_built_in_embedders_are_registered() -> None:
    assert set(EMBEDDERS) >= set(QUICK)
    assert all(EMBEDDERS[name].__doc__ for name in QUICK)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_published_embedder_equals_the_scikit_learn_call(precision: type) -> None:
    from sklearn.manifold import TSNE

    features = blobs(70)[0].astype(precision)
    plain = TSNE(
        n_components=2,
        perplexity=50,
        learning_rate=100,
        max_iter=1000,
        early_exaggeration=1,
        init="random",
        random_state=11,
    ).fit_transform(features)
    kind = EMBEDDERS["tsne"]
    ours = kind.fit(features, kind.options_model())
    assert ours.dtype == np.float64
    assert np.array_equal(ours, plain)


@by_name
def test_groups_stay_together(name: str) -> None:
    features, group = blobs(100)
    embedding = mapped(name, features)
    assert embedding.shape == (300, 2)
    assert embedding.dtype == np.float64
    near, _ = find_nearest_others(embedding.astype(np.float32), 5)
    # Groups are ten widths apart: no source has its neighbours in another, unless a map tears one of a hundred away.
    assert (group[near] == group[:, None]).mean() > 0.99


@by_name
def test_seed_determines_the_embedding(name: str) -> None:
    features, _ = blobs(50)
    first = mapped(name, features, random_state=3)
    assert np.array_equal(first, mapped(name, features, random_state=3))
    assert not np.array_equal(first, mapped(name, features, random_state=4))


def test_embedding_does_not_depend_on_threads() -> None:
    features, _ = blobs(3400)  # beyond 10,000 sources forces are interpolated
    one, two = (mapped("fast_tsne", features, threads=threads, iterations=30) for threads in (1, 2))
    assert np.array_equal(one, two)


def test_fast_embedding_is_as_trustworthy_as_the_published_one() -> None:
    from sklearn.manifold import trustworthiness

    features = np.random.default_rng(8).gamma(0.5, size=(1500, 8)).astype(np.float32)
    published, fast = (EMBEDDERS[name].fit(features, EMBEDDERS[name].options_model()) for name in ("tsne", "fast_tsne"))
    worth = [trustworthiness(features, embedding, n_neighbors=12) for embedding in (published, fast)]
    assert worth[1] > worth[0] - 0.01
    assert 0.5 < fast.std() / published.std() < 2


@pytest.mark.parametrize("name", ["fast_tsne", "umap"])
def test_sources_with_equal_features_are_embedded(name: str) -> None:
    features = np.random.default_rng(1).integers(0, 3, (400, 2)).astype(np.float32)
    embedding = mapped(name, features)
    assert np.isfinite(embedding).all()
    assert embedding.std() > 0.1


def test_approximate_neighbours_give_an_embedding() -> None:
    features, group = blobs(100)
    embedding = mapped("fast_tsne", features, neighbours="approximate", initialisation="random")
    near, _ = find_nearest_others(embedding.astype(np.float32), 5)
    assert (group[near] == group[:, None]).mean() > 0.99


@by_name
def test_too_few_sources_are_refused(name: str) -> None:
    setting = {"neighbours": 12} if name == "umap" else {"perplexity": 12}
    features, _ = blobs(4)
    with pytest.raises(ReferenceDataError, match=r"12 sources are too few for .*12"):
        mapped(name, features, **setting)


@by_name
def test_unusable_features_are_refused(name: str) -> None:
    features, _ = blobs(20)
    broken = features.copy()
    broken[7, 2] = np.nan
    with pytest.raises(ReferenceDataError, match=r"not finite, the first in row 7"):
        mapped(name, broken)
    with pytest.raises(ReferenceDataError, match="shape"):
        mapped(name, features[:, 0])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("tsne", {"perplexity": 0}),
        ("tsne", {"max_iter": 100}),
        ("tsne", {"early_exaggeration": 0.5}),
        ("fast_tsne", {"learning_rate": "fast"}),
        ("fast_tsne", {"initialisation": "spectral"}),
        ("fast_tsne", {"threads": -1}),
        ("umap", {"neighbours": 1}),
        ("umap", {"min_distance": 0.1}),
    ],
)
def test_options_out_of_range_are_refused(name: str, options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EMBEDDERS[name].options_model(**options)


def test_embedders_import_only_what_they_need() -> None:
    code = """
import sys
import numpy as np
from xherald.plugins import PluginHost
embedders = PluginHost().embedders
heavy = ("numba", "sklearn", "openTSNE", "umap", "pynndescent", "tensorflow")
print([name for name in heavy if name in sys.modules])
umap = embedders["umap"]
umap.fit(np.eye(30, dtype=np.float32), umap.options_model(neighbours=5, epochs=1))
print("tensorflow" in sys.modules, "umap.parametric_umap" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "False False"]


# --- exact neighbours ---


@st.composite
def tables(draw, least: int = 1):
    """Features on a coarse lattice, so that many sources are at one distance, or of any size."""
    n, d, seed = draw(st.integers(least, 600)), draw(st.integers(1, 9)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    if draw(st.booleans()):
        return random.integers(-2, 3, (n, d)).astype(np.float32)
    return (random.normal(size=(n, d)) * draw(st.sampled_from([1e-30, 1e-3, 1.0, 1e6, 1e30]))).astype(np.float32)


def by_going_through(features: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances of all sources for each query, nearest first, equal ones by row."""
    apart = queries[:, None].astype(np.float64) - features[None].astype(np.float64)
    squares = np.zeros(apart.shape[:2])
    for c in range(features.shape[1]):
        squares += apart[:, :, c] ** 2
    rows = np.argsort(squares, axis=1, kind="stable")
    return rows, np.sqrt(np.take_along_axis(squares, rows, axis=1))


@given(tables(), st.data())
def test_neighbours_and_their_order_are_exact(features: np.ndarray, data: st.DataObject) -> None:
    k, threads = data.draw(st.integers(1, len(features))), data.draw(st.sampled_from([1, 2]))
    queries = features[::3] * np.float32(data.draw(st.sampled_from([1.0, 1.25])))
    rows, distances = find_nearest(make_tiles(features), queries, k, threads=threads)
    true, away = by_going_through(features, queries)
    assert np.array_equal(distances, away[:, :k])
    assert np.array_equal(rows, true[:, :k])


@given(tables(least=2), st.data())
def test_source_is_not_its_own_neighbour(features: np.ndarray, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(features) - 1))
    rows, _ = find_nearest_others(features, k)
    true, _ = by_going_through(features, features)
    others = true[true != np.arange(len(features))[:, None]].reshape(len(features), -1)
    assert np.array_equal(rows, others[:, :k])


def test_wrong_neighbour_queries_are_refused() -> None:
    among = make_tiles(np.zeros((5, 2), dtype=np.float32))
    query = np.zeros((1, 2), dtype=np.float32)
    with pytest.raises(ReferenceDataError, match="k = 6 neighbours among 5"):
        find_nearest(among, query, 6)
    with pytest.raises(ReferenceDataError, match="0 neighbours"):
        find_nearest(among, query, 0)
    with pytest.raises(ReferenceDataError, match="k = 5 neighbours among 4"):
        find_nearest_others(np.zeros((5, 2), dtype=np.float32), 5)
    with pytest.raises(ReferenceDataError, match="queries have 3 features, the sources have 2"):
        find_nearest(among, np.zeros((1, 3), dtype=np.float32), 1)
    with pytest.raises(ReferenceDataError, match="source 0 are not finite"):
        find_nearest(among, np.array([[0, np.inf]], dtype=np.float32), 1)


# --- placement ---

coordinate = st.floats(-1e3, 1e3)


@st.composite
def surroundings(draw, sources: int | None = None):
    """Ascending distances, zeros and equal ones among them, and places, some in one spot or line."""
    n, k = sources or draw(st.integers(1, 6)), draw(st.integers(1, 12))
    one = st.one_of(st.floats(0, 1e3), st.sampled_from([0.0, 1.0, 1e-300]))
    distances = np.sort(np.array(draw(st.lists(one, min_size=n * k, max_size=n * k))).reshape(n, k), axis=1)
    spot = st.one_of(st.sampled_from([-1.0, 0.0, 7.0]), coordinate)
    positions = np.array(draw(st.lists(spot, min_size=2 * n * k, max_size=2 * n * k))).reshape(n, k, 2)
    return distances, positions


@given(surroundings())
def test_positions_are_inside_the_hull_of_neighbours(around: tuple[np.ndarray, np.ndarray]) -> None:
    distances, positions = around
    places = interpolate_positions(distances, positions)
    assert places.shape == (len(distances), 2)
    angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    directions = np.array([np.cos(angles), np.sin(angles)])
    extent = np.abs(positions).max()
    assert ((places @ directions) <= (positions @ directions).max(axis=1) + 1e-12 * extent).all()


@given(surroundings())
def test_position_does_not_depend_on_the_batch(around: tuple[np.ndarray, np.ndarray]) -> None:
    distances, positions = around
    alone = np.concatenate([interpolate_positions(distances[[i]], positions[[i]]) for i in range(len(distances))])
    assert np.array_equal(interpolate_positions(distances, positions), alone)


@given(st.integers(0, 2**32 - 1), st.integers(1, 15))
def test_equal_distances_give_the_geometric_median(seed: int, k: int) -> None:
    random = np.random.default_rng(seed)
    positions = random.normal(size=(1, k, 2))

    def away(place: np.ndarray) -> float:
        return float(np.linalg.norm(positions[0] - place, axis=1).sum())

    place = interpolate_positions(np.ones((1, k)), positions)[0]
    tried = np.concatenate(
        [positions[0], place + np.outer(10.0 ** -random.uniform(0, 6, 200), [1, 1]) * (random.normal(size=(200, 2)))]
    )
    assert away(place) <= min(away(one) for one in tried) * (1 + 1e-9)


def test_copy_of_a_member_gets_its_position() -> None:
    random = np.random.default_rng(2)
    positions = random.normal(size=(100, 10, 2))
    distances = np.sort(random.uniform(1, 2, (100, 10)), axis=1)
    distances[:50, 0] = 0
    distances[50:, 0] = 0.05
    assert np.array_equal(interpolate_positions(distances, positions), positions[:, 0])


def test_source_between_groups_joins_the_larger() -> None:
    random = np.random.default_rng(3)
    for _ in range(50):
        island = random.permutation([0] * 7 + [100] * 3)
        positions = random.normal(size=(1, 10, 2)) + island[None, :, None]
        distances = np.sort(random.uniform(1.0, 1.02, (1, 10)), axis=1)
        place = interpolate_positions(distances, positions)[0]
        # The larger island's places stray by one: three standard deviations and what three neighbours afar pull.
        assert np.linalg.norm(place) < 5


def test_held_out_sources_are_near_their_neighbours() -> None:
    features, group = blobs(150)
    held_out = np.arange(0, len(features), 10)
    rest = np.setdiff1d(np.arange(len(features)), held_out)
    embedding = mapped("fast_tsne", features[rest])
    rows, distances = find_nearest(make_tiles(features[rest]), features[held_out], 10)
    kind = EMBEDDERS["fast_tsne"]
    places = kind.place(distances, embedding[rows])
    near, _ = find_nearest(make_tiles(embedding.astype(np.float32)), places.astype(np.float32), 12)
    assert (group[rest][near] == group[held_out][:, None]).all()
    true, _ = find_nearest(make_tiles(features[rest]), features[held_out], 50)
    kept = np.mean([np.isin(a, b).mean() for a, b in zip(near, true, strict=True)])
    # A place at random within the right group of 135 would keep 50 of 135.
    assert kept > 1.3 * 50 / 135


def test_invalid_distances_and_positions_are_refused() -> None:
    distances, positions = np.ones((2, 3)), np.zeros((2, 3, 2))
    with pytest.raises(ReferenceDataError, match="do not match positions"):
        interpolate_positions(distances, positions[:, :2])
    with pytest.raises(ReferenceDataError, match="do not match positions"):
        interpolate_positions(distances[:, :0], positions[:, :0])
    with pytest.raises(ReferenceDataError, match="finite"):
        interpolate_positions(distances * np.nan, positions)
    with pytest.raises(ReferenceDataError, match="ascend"):
        interpolate_positions(-distances, positions)
    with pytest.raises(ReferenceDataError, match="ascend"):
        interpolate_positions(distances * [3, 2, 1], positions)
    assert interpolate_positions(np.empty((0, 4)), np.empty((0, 4, 2))).shape == (0, 2)
