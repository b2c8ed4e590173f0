"""Which clusters stand out, which sources are candidates, and lists of bona-fide transients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from xherald.catalog_store.references.neighbour_index import FeatureIndex
from xherald.detector.configuration.reference_settings import AssociationSettings
from xherald.detector.references.association import select_candidates, summarise_clusters
from xherald.detector.references.bona_fide import BonaFideList, parse_kind, read_bona_fide
from xherald.photons.errors import FileError, ReferenceDataError, UnreadableFileError

SETTINGS = AssociationSettings()


def laid_out(n: int, clusters: int, seed: int = 3) -> tuple[np.ndarray, list[str]]:
    """Clusters drawn at random; 30 of cluster 2 are flares, 25 of cluster 3 dips."""
    random = np.random.default_rng(seed)
    cluster = random.integers(0, clusters + 1, n)
    kinds = np.full(n, "", dtype="<U5")
    kinds[random.choice(np.flatnonzero(cluster == 2), 30, replace=False)] = "flare"
    kinds[random.choice(np.flatnonzero(cluster == 3), 25, replace=False)] = "dip"
    return cluster, kinds.tolist()


def test_clusters_with_more_transients_than_chance_are_dominant() -> None:
    cluster, kinds = laid_out(2000, 8)
    table = summarise_clusters(cluster, kinds, SETTINGS).to_pydict()
    assert [(number, kind) for number, kind in zip(table["cluster"], table["dominant"], strict=True) if kind] == [
        (2, "flare"),
        (3, "dip"),
    ]
    size = int((cluster == 2).sum())
    assert table["sources"] == np.bincount(cluster).tolist()
    assert table["enrichment"][2] == pytest.approx(30 / (size * 30 / 2000))
    # Eight clusters, two kinds: sixteen looks.
    assert table["p_value"][2] == pytest.approx(16 * binom.sf(29, size, 30 / 2000))


def test_other_transients_count_as_flares() -> None:
    cluster, kinds = laid_out(2000, 8)
    kinds = ["other" if kind == "flare" else kind for kind in kinds]
    table = summarise_clusters(cluster, kinds, SETTINGS).to_pydict()
    assert table["dominant"][2] == "flare"
    assert (table["flares"][2], table["others"][2]) == (0, 30)


def test_outliers_are_never_dominant() -> None:
    cluster, kinds = laid_out(2000, 8)
    assert summarise_clusters(np.where(cluster == 2, 0, cluster), kinds, SETTINGS).to_pydict()["dominant"][0] == ""


@given(st.integers(0, 2**32 - 1))
def test_random_transients_rarely_make_a_cluster_dominant(seed: int) -> None:
    # p times the looks is at most 1e-3, so that in the mean of all seeds one run in a thousand may fail at 1e-3; the
    # threshold here is a million times lower than any of the hundred examples can reach by chance.
    random = np.random.default_rng(seed)
    kinds = np.where(random.random(3000) < 0.05, "flare", "")
    settings = AssociationSettings(max_p_value=1e-9)
    table = summarise_clusters(random.integers(0, 20, 3000), kinds.tolist(), settings).to_pydict()
    assert set(table["dominant"]) == {""}
    assert all(0 <= p <= 1 for p in table["p_value"])


def test_candidates_are_cluster_members_and_neighbours() -> None:
    random = np.random.default_rng(5)
    cluster, kinds = laid_out(2000, 8)
    features = random.normal(size=(2000, 4)).astype(np.float32)
    names = [f"s{i:04d}" for i in range(2000)]
    clusters = summarise_clusters(cluster, kinds, SETTINGS)
    table = select_candidates(names, kinds, features, cluster, clusters, FeatureIndex(features), SETTINGS).to_pydict()
    known = [i for i, kind in enumerate(kinds) if kind]
    apart = np.linalg.norm(features[:, None] - features[known][None], axis=2)
    near = {j for i in known for j in np.argsort(np.linalg.norm(features - features[i], axis=1))[1:6] if not kinds[j]}
    members = {i for i in range(2000) if cluster[i] in (2, 3) and not kinds[i]}
    rows = [int(name[1:]) for name in table["obsreg_id"]]
    assert set(rows) == near | members
    assert table["through"] == [
        "both" if i in near & members else "cluster" if i in members else "neighbour" for i in rows
    ]
    assert table["distance"] == pytest.approx(apart[rows].min(axis=1), rel=1e-5)
    assert table["distance"] == sorted(table["distance"])
    nearest = [known[j] for j in apart[rows].argmin(axis=1)]
    assert table["nearest"] == [names[i] for i in nearest]
    expected = [
        {2: "flare", 3: "dip"}[cluster[i]] if how == "cluster" else kinds[j]
        for i, how, j in zip(rows, table["through"], nearest, strict=True)
    ]
    assert table["kind"] == expected


def test_no_neighbours_and_no_dominant_clusters_give_no_candidates() -> None:
    features = np.random.default_rng(1).normal(size=(50, 3)).astype(np.float32)
    kinds = ["flare", "dip", *[""] * 48]
    cluster = np.zeros(50, dtype=np.int64)
    settings = AssociationSettings(neighbours=0)
    clusters = summarise_clusters(cluster, kinds, settings)
    names = [str(i) for i in range(50)]
    table = select_candidates(names, kinds, features, cluster, clusters, FeatureIndex(features), settings)
    assert table.num_rows == 0
    assert table.column_names == ["obsreg_id", "kind", "through", "cluster", "nearest", "distance"]


def test_published_list_is_read_with_its_duplicates(data: Path) -> None:
    listed = read_bona_fide(data / "published" / "bonafide_transients.json")
    assert listed.kinds["23022_122"] == "other"
    assert listed.kinds["13814_567"] == "dip"
    assert listed.kinds["4062_31"] == "flare"
    assert set(listed.duplicates) == {"4062_31", "13454_56", "20635_58", "24604_8", "10556_6687", "15214_29"}


@pytest.mark.parametrize(
    ("key", "kind"), [("Known Dips", "dip"), ("known flares", "flare"), ("Others", "other"), ("XRT", "other")]
)
def test_kind_follows_from_the_key(key: str, kind: str) -> None:
    assert parse_kind(key) == kind


def test_unknown_names_are_an_error() -> None:
    listed = BonaFideList({"a": "flare", "b": "dip", "x": "dip"}, ("a",), "list.json")
    with pytest.raises(
        ReferenceDataError, match=r"1 of 3 bona-fide transients are not in the population: x; .*once: a"
    ):
        listed.restrict_to(["a", "b", "c"])
    kept, notes = listed.restrict_to(["a", "b", "c"], skip_unknown=True)
    assert kept.kinds == {"a": "flare", "b": "dip"}
    assert len(notes) == 2


@pytest.mark.parametrize(("kinds", "missing"), [({"a": "flare"}, "dip"), ({"a": "dip"}, "flare")])
def test_missing_kind_is_an_error(kinds: dict[str, str], missing: str) -> None:
    with pytest.raises(ReferenceDataError, match=f"no bona-fide {missing} among 2 sources"):
        BonaFideList(kinds, (), "list.json").restrict_to(["a", "b"])


def test_files_of_other_forms_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    with pytest.raises(FileError, match="cannot be read"):
        read_bona_fide(path)
    for text, message in (
        ("{", "is not JSON"),
        ("[1]", "is not an object"),
        (json.dumps({"Flares": ["a"], "Dips": ["a"]}), "a: listed under different kinds"),
    ):
        path.write_text(text)
        with pytest.raises(UnreadableFileError, match=message):
            read_bona_fide(path)
