"""Clusters of embeddings of any size: DBSCAN's radius follows the density, HDBSCAN needs none."""

from __future__ import annotations

import numpy as np
import pytest

from xherald.detector.references.clustering import DENSITY_FACTOR, find_clusters, radius_of_density
from xherald.plugins.cases import Clustering


def field(sources: int) -> tuple[np.ndarray, np.ndarray]:
    """Ordinary sources uniform on a disc of unit density, and a tenth as many in a clump four times as dense, apart."""
    random = np.random.default_rng(3)
    few = sources // 10

    def disc(n: int, density: float) -> np.ndarray:
        radius, angle = np.sqrt(n / density / np.pi * random.random(n)), 2 * np.pi * random.random(n)
        return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])

    clump = disc(few, 4.0) + np.array([3.0 * np.sqrt(sources / np.pi), 0.0])
    return np.concatenate([disc(sources, 1.0), clump]), np.repeat([0, 1], [sources, few])


@pytest.mark.parametrize("sources", [1_000, 8_000])
@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_clump_is_one_cluster_whatever_the_number_of_sources_and_the_scale(sources: int, scale: float) -> None:
    positions, is_clump = field(sources)
    cluster = find_clusters(scale * positions, Clustering(eps="density"))
    name = np.bincount(cluster[is_clump == 1]).argmax()
    assert name > 0
    assert (cluster[is_clump == 1] == name).mean() > 0.9
    assert not (cluster[is_clump == 0] == name).any()


@pytest.mark.parametrize("sources", [1_000, 8_000])
@pytest.mark.parametrize("scale", [0.2, 5.0])
def test_leaves_of_hdbscan_do_not_mix_the_clump_with_others(sources: int, scale: float) -> None:
    positions, is_clump = field(sources)
    cluster = find_clusters(scale * positions, Clustering(method="hdbscan"))
    in_clump = np.unique(cluster[(is_clump == 1) & (cluster > 0)])
    assert len(in_clump) > 0
    assert not np.isin(cluster[is_clump == 0], in_clump).any()
    assert np.bincount(cluster)[in_clump].min() >= 25


def test_radius_of_density_is_proportional_to_the_spacing() -> None:
    positions, _ = field(4_000)
    # Of a uniform density of 1 the 25th neighbour is at sqrt(25 / π); a tenth of the sources are closer, the edge is
    # farther: the median is within a few per cent.
    expected = DENSITY_FACTOR * np.sqrt(25 / np.pi)
    assert radius_of_density(positions, 25) == pytest.approx(expected, rel=0.08)
    assert radius_of_density(3.0 * positions, 25) == pytest.approx(3.0 * radius_of_density(positions, 25))


@pytest.mark.parametrize("settings", [Clustering(method="hdbscan"), Clustering(eps="density")])
@pytest.mark.parametrize("positions", [np.zeros((3, 2)), np.ones((40, 2))])
def test_few_or_equal_sources_have_clusters(settings: Clustering, positions: np.ndarray) -> None:
    assert find_clusters(positions, settings).shape == (len(positions),)


def test_published_cases_use_dbscan_with_the_published_radius() -> None:
    from sklearn.cluster import DBSCAN

    from xherald.plugins.cases import DEFAULT_CASES

    positions, _ = field(1_000)
    for name in ("2D-PCA", "3D-PCA", "2D-AE", "3D-AE"):
        clustering = DEFAULT_CASES[name].clustering
        assert np.array_equal(
            find_clusters(positions, clustering), DBSCAN(eps=2.5, min_samples=25).fit_predict(positions) + 1
        )
