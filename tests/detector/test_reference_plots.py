"""Pictures of a reference: what is known is marked where it lies, what is unknown is grey, whatever else is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray
from small_reference import CANDIDATES, KNOWN, SOURCES, WIDTH, small_reference, with_sources

from xherald.detector.references.reference_plots import (
    MAX_CLUSTERS,
    clusters_figure,
    embedding_figure,
    plot_reference,
    scree_figure,
)
from xherald.photons.errors import ConfigError, FileError
from xherald.plugins.reference import Reference, ReferenceCase

GREY = "#c3c8cd"


@pytest.fixture(scope="module")
def reference() -> Reference:
    return small_reference()


@pytest.fixture(scope="module")
def figure(reference: Reference) -> Figure:
    return embedding_figure(reference, reference.cases["2D-PCA"])


def panel(figure: Figure, name: str) -> Axes:
    (place,) = [place for place in figure.axes if place.get_label() == name]
    return place


def points(place: Axes, label: str) -> PathCollection:
    (found,) = [one for one in place.collections if str(one.get_label()).startswith(label)]
    assert isinstance(found, PathCollection)
    return found


def places_of(found: PathCollection) -> NDArray[np.float64]:
    return np.ma.getdata(found.get_offsets())


def bare(reference: Reference, **changes: object) -> ReferenceCase:
    return replace(reference.cases["2D-PCA"], **changes)


# --- files -----------------------------------------------------------------------------------------------------------


def test_three_plots_are_written(reference: Reference, tmp_path: Path) -> None:
    paths = plot_reference(reference, "2D-PCA", tmp_path / "new" / "plots")
    assert [path.name for path in paths] == ["2D-PCA_embedding.png", "2D-PCA_scree.png", "2D-PCA_clusters.png"]
    for path in paths:
        high, wide, _ = imread(path).shape
        assert 300 < high < 3_000
        assert 300 < wide < 3_000
        assert len(np.unique(imread(path).reshape(-1, 4), axis=0)) > 20


def test_plots_without_data_are_left_out(reference: Reference, tmp_path: Path) -> None:
    class Blind:
        width = WIDTH

    less = replace(reference, cases={"a/b c": bare(reference, extractor=Blind(), means=None)})
    assert [path.name for path in plot_reference(less, "a/b c", tmp_path)] == ["a_b_c_embedding.png"]


def test_plot_errors_name_the_cause(reference: Reference, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no case '3D-AE'; available: 2D-PCA"):
        plot_reference(reference, "3D-AE", tmp_path)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(FileError, match=r"2D-PCA_embedding.png: cannot be written: "):
        plot_reference(reference, "2D-PCA", tmp_path / "file")


# --- the map ---------------------------------------------------------------------------------------------------------


def test_panels_show_the_same_square(figure: Figure) -> None:
    names = ["transients", "clusters", "counts", "hardness", "variability", "class"]
    assert [place.get_label() for place in figure.axes] == names
    figure.canvas.draw()
    assert len({(place.get_xlim(), place.get_ylim(), place.get_aspect()) for place in figure.axes}) == 1
    assert figure.axes[0].get_aspect() == 1.0
    for place in figure.axes:
        box = place.get_window_extent()
        assert box.width == pytest.approx(box.height)
        inside = [place.viewLim.contains(*one) for found in place.collections for one in places_of(found)]
        assert inside
        assert all(inside)


def test_transients_are_drawn_over_candidates_over_sources(reference: Reference, figure: Figure) -> None:
    place, embedding = panel(figure, "transients"), reference.cases["2D-PCA"].embedding
    for kind, mark in (("flare", 3), ("dip", 3), ("other", 10)):
        rows = [row for row, known in KNOWN.items() if known == kind]
        found = points(place, f"bona-fide {kind}")
        assert np.array_equal(places_of(found), embedding[rows])
        assert len(found.get_paths()[0].vertices) == mark + 1
        assert f"({len(rows)})" in str(found.get_label())
    for kind in ("flare", "dip"):
        rows = [row for row, (like, *_) in CANDIDATES.items() if like == kind]
        assert np.array_equal(places_of(points(place, f"candidates like {kind}s")), embedding[rows])
    order = [str(one.get_label()).split()[0] for one in sorted(place.collections, key=lambda one: one.get_zorder())]
    assert order == ["sources", "candidates", "candidates", "bona-fide", "bona-fide", "bona-fide"]
    flare, dip = points(place, "bona-fide flare"), points(place, "bona-fide dip")
    assert flare.get_paths()[0].vertices[:, 1].argmax() == 0  # points up
    assert dip.get_paths()[0].vertices[:, 1].argmin() == 0  # points down
    assert len({to_hex(one.get_facecolor()[0]) for one in (flare, dip, points(place, "bona-fide other"))}) == 3


def test_outliers_are_grey(reference: Reference, figure: Figure) -> None:
    place, case = panel(figure, "clusters"), reference.cases["2D-PCA"]
    outliers, inside = points(place, "outliers"), points(place, "clusters")
    assert np.array_equal(places_of(outliers), case.embedding[case.cluster == 0])
    assert {to_hex(colour) for colour in outliers.get_facecolor()} == {GREY}
    colours = {}
    for number, colour in zip(case.cluster[case.cluster > 0], inside.get_facecolor(), strict=True):
        colours.setdefault(number, set()).add(to_hex(colour))
    assert len({colour for (colour,) in colours.values()} | {GREY}) == 4
    assert {text.get_text() for text in place.texts} == {"1", "2", "3"}


@pytest.mark.parametrize(("name", "column"), [("hardness", "hardness"), ("variability", "variability_index")])
def test_unknown_values_are_grey(reference: Reference, figure: Figure, name: str, column: str) -> None:
    values = np.array(
        [np.nan if v is None or v == -1 else v for v in reference.sources[column].to_pylist()], dtype=float
    )
    missing = np.isnan(values)
    embedding = reference.cases["2D-PCA"].embedding
    unknown, known = points(panel(figure, name), "unknown"), points(panel(figure, name), "known")
    assert np.array_equal(places_of(unknown), embedding[missing])
    assert {to_hex(colour) for colour in unknown.get_facecolor()} == {GREY}
    by_place = dict(zip(map(tuple, embedding), values, strict=True))
    assert [by_place[tuple(place)] for place in places_of(known)] == np.asarray(known.get_array()).tolist()
    assert np.array_equal(known.get_array(), np.sort(values[~missing]))  # the largest are drawn last


def test_colour_bars_are_labelled(figure: Figure) -> None:
    labels = {place.get_label(): [child.get_ylabel() for child in place.child_axes] for place in figure.axes}
    assert labels["counts"] == ["photons in the aperture (ct)"]
    assert labels["hardness"] == ["(H − S) / (H + S), soft red, hard blue"]
    assert labels["variability"] == ["Gregory–Loredo index; 6 and more: variable"]
    assert points(panel(figure, "hardness"), "known").get_clim() == (-1, 1)


def test_rare_classes_are_drawn_last(reference: Reference) -> None:
    names = np.array(["star"] * 200 + ["agn"] * 90 + [""] * 9 + ["fast_transient"])
    odd = with_sources(reference, **{"class": names.tolist()})
    place = panel(embedding_figure(odd, odd.cases["2D-PCA"]), "class")
    drawn = [str(one.get_label()) for one in place.collections]
    assert drawn[1:] == ["star (200)", "agn (90)", "fast_transient (1)"]
    assert np.array_equal(places_of(place.collections[0]), odd.cases["2D-PCA"].embedding[names == ""])
    sizes = [one.get_sizes()[0] for one in place.collections[1:]]
    assert sizes[0] < sizes[2]


def test_many_classes_have_distinct_markers(reference: Reference) -> None:
    odd = with_sources(reference, **{"class": [f"class {n % 30}" for n in range(SOURCES)]})
    place = panel(embedding_figure(odd, odd.cases["2D-PCA"]), "class")
    looks = {(to_hex(one.get_facecolor()[0]), len(one.get_paths()[0].vertices)) for one in place.collections[1:]}
    assert len(looks) >= 16
    assert "6 more" in place.get_title()


@pytest.mark.parametrize("clusters", [0, 1])
def test_plots_of_a_reference_with_few_data(tmp_path: Path, clusters: int) -> None:
    little = small_reference(clusters, candidates=False, classes=False)
    little = with_sources(little, bona_fide=[""] * SOURCES, hardness=[None] * SOURCES, variability_index=[-1] * SOURCES)
    figure = embedding_figure(little, little.cases["2D-PCA"])
    assert [place.get_label() for place in figure.axes] == [
        "transients",
        "clusters",
        "counts",
        "hardness",
        "variability",
    ]
    assert len(places_of(points(panel(figure, "hardness"), "unknown"))) == SOURCES
    assert len(plot_reference(little, "2D-PCA", tmp_path)) == 3


def test_markers_shrink_with_the_number_of_sources(reference: Reference) -> None:
    case, times = reference.cases["2D-PCA"], 40
    many = bare(
        reference,
        embedding=np.repeat(case.embedding, times, axis=0),
        cluster=np.repeat(case.cluster, times),
    )
    few_points = points(panel(embedding_figure(reference, case), "transients"), "sources")
    crowd = replace(reference, sources=reference.sources.take(np.repeat(np.arange(SOURCES), times)))
    many_points = points(panel(embedding_figure(crowd, many), "transients"), "sources")
    assert many_points.get_sizes()[0] < few_points.get_sizes()[0] / 3
    assert many_points.get_alpha() < few_points.get_alpha()


# --- scree and gallery -----------------------------------------------------------------------------------------------


def test_scree_shows_each_and_cumulative_variance(reference: Reference) -> None:
    figure = scree_figure(reference, reference.cases["2D-PCA"])
    assert figure is not None
    each, summed = (place.lines[0].get_ydata() for place in figure.axes)
    np.testing.assert_allclose(each, 0.5 ** np.arange(1, WIDTH + 1))
    np.testing.assert_allclose(summed, 1 - 0.5 ** np.arange(1, WIDTH + 1))


def test_scree_of_one_component(reference: Reference, tmp_path: Path) -> None:
    extractor = replace(reference.cases["2D-PCA"].extractor, explained_variance_ratio=np.array([0.7]))
    figure = scree_figure(reference, bare(reference, extractor=extractor))
    assert figure is not None
    figure.savefig(tmp_path / "one.png")


def test_cluster_means_are_shown_with_their_transients(reference: Reference) -> None:
    case = reference.cases["2D-PCA"]
    figure = clusters_figure(reference, case)
    assert figure is not None
    titles = {place.get_title().split(":")[0]: place for place in figure.axes}
    assert set(titles) == {"outliers", "cluster 1", "cluster 2", "cluster 3"}
    assert case.means is not None
    for number, name in enumerate(("outliers", "cluster 1", "cluster 2", "cluster 3")):
        (mesh,) = titles[name].collections
        assert isinstance(mesh, QuadMesh)
        assert np.array_equal(np.asarray(mesh.get_array()), case.means[number].T)  # time to the right, energy up
    known = {int(number): kind for number, kind in enumerate(case.clusters["dominant"].to_pylist())}
    framed = {number for number in (1, 2, 3) if titles[f"cluster {number}"].spines["left"].get_linewidth() > 2}
    assert framed == {number for number, kind in known.items() if kind}
    assert framed
    sources, flares = case.clusters["sources"].to_pylist(), case.clusters["flares"].to_pylist()
    assert titles["cluster 3"].get_title().startswith(f"cluster 3: {sources[3]} sources\n{flares[3]} flare")
    assert titles["outliers"].get_ylabel() == "log E →"
    assert figure.axes[-1].get_xlabel() == "τ →"


@pytest.mark.parametrize("shape", [(24, 16, 16), (24, 16), (24,)])
def test_axes_beyond_time_and_energy_are_summed(reference: Reference, shape: tuple[int, ...]) -> None:
    means = np.arange(4 * np.prod(shape), dtype=np.float32).reshape(4, *shape)
    figure = clusters_figure(reference, bare(reference, means=means))
    assert figure is not None
    (mesh,) = figure.axes[0].collections
    assert isinstance(mesh, QuadMesh)
    expected = means[0].sum(axis=2) if len(shape) == 3 else means[0].reshape(24, -1)
    np.testing.assert_allclose(np.asarray(mesh.get_array()), expected.T)


def test_small_dominant_clusters_are_shown() -> None:
    clusters = 60
    many = small_reference(clusters)
    case = many.cases["2D-PCA"]
    sizes = np.bincount(case.cluster)
    dominant = [number for number, kind in enumerate(case.clusters["dominant"].to_pylist()) if kind]
    few = np.isin(case.cluster, dominant) & (np.arange(SOURCES) > 90)
    smallest = replace(case, cluster=np.where(few, 0, case.cluster))
    assert np.bincount(smallest.cluster)[dominant].max() < sizes[1:].max()
    figure = clusters_figure(many, smallest)
    assert figure is not None
    names = [place.get_title().split(":")[0] for place in figure.axes]
    assert len(names) == MAX_CLUSTERS + 1
    assert {f"cluster {number}" for number in dominant} < set(names)
