"""The interactive embedding: what a click, a lasso, a choice or a button does, without a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

import xherald as xh
from xherald.photons.errors import ConfigError, FileError

pytest.importorskip("plotly", reason="the explorer needs plotly: pip install 'xherald[notebook]'")
pytest.importorskip("anywidget", reason="the explorer needs anywidget: pip install 'xherald[notebook]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def reference() -> xh.Reference:
    return xh.Reference("swift-xrt")


@pytest.fixture
def explorer(reference: xh.Reference) -> xh.Explorer:
    return xh.Explorer(reference)


def test_the_embedding_is_drawn_as_it_is(explorer: xh.Explorer, reference: xh.Reference) -> None:
    points = explorer.figure.data[0]
    assert np.array_equal(points.x, reference.embedding["x"])
    assert np.array_equal(points.y, reference.embedding["y"])
    assert "0 of" in repr(explorer)


def test_a_selection_shows_light_curves_and_maps(explorer: xh.Explorer, reference: xh.Reference) -> None:
    rows = [3, 5, 8]
    # What plotly calls after a lasso.
    from plotly.callbacks import Points

    for call in explorer.figure.data[0]._select_callbacks:
        call(explorer.figure.data[0], Points(point_inds=rows, xs=[], ys=[], trace_name="", trace_index=0), None)
    assert [member.index for member in explorer.selection] == rows
    assert len(explorer.curves.data) == 3
    expected = np.mean([np.asarray(reference[row].et_map, dtype=float) for row in rows], axis=0)
    assert np.allclose(explorer.map.data[0].z, expected.T)
    explorer.select(range(50))
    assert len(explorer.curves.data) == 8


def test_points_are_coloured_by_columns_and_properties(reference: xh.Reference, tmp_path: Path) -> None:
    names = reference.sources["obsreg_id"]
    table = Table({"obsreg_id": names[:10], "flux": np.arange(10.0), "spectral_type": ["M"] * 5 + ["K"] * 5})
    table.write(tmp_path / "properties_table.csv", format="ascii.csv")
    explorer = xh.Explorer(reference, properties=tmp_path / "properties_table.csv")
    explorer.colour_choice.value = "flux"
    colours = np.asarray(explorer.figure.data[0].marker.color, dtype=float)
    assert np.array_equal(colours[:10], np.arange(10.0))
    assert np.isnan(colours[10:]).all()
    explorer.colour_choice.value = "spectral_type"
    assert list(explorer.figure.data[0].marker.colorbar.ticktext) == ["unknown", "K", "M"]
    with pytest.raises(ConfigError, match=r"no column .x_ray."):
        explorer.colour_by("x_ray")


def test_wrong_properties_are_refused(reference: xh.Reference, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no column obsreg_id"):
        xh.Explorer(reference, properties=Table({"name": ["a"]}))
    with pytest.raises(FileError, match=r"none\.csv"):
        xh.Explorer(reference, properties=tmp_path / "none.csv")


def test_analogues_are_the_nearest_members(explorer: xh.Explorer, reference: xh.Reference) -> None:
    name = reference.transients[0].name
    explorer.analogue_choice.value = name
    expected = reference[name].similar(10, explorer.case)
    assert [(one.name, d) for one, d in explorer.analogues] == [(one.name, d) for one, d in expected]
    assert len(explorer.figure.data[1].x) == 11
    assert name in explorer.message.value
    explorer.analogue_choice.value = ""
    assert len(explorer.figure.data[1].x) == 0


def test_a_selection_is_saved_as_csv(explorer: xh.Explorer, reference: xh.Reference, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing is selected"):
        explorer.save(tmp_path / "empty.csv")
    explorer.select([1, 2])
    explorer.file_name.value = str(tmp_path / "chosen.csv")
    explorer.save_button.click()
    saved = Table.read(tmp_path / "chosen.csv", format="ascii.csv")
    assert [str(name) for name in saved["obsreg_id"]] == [reference[1].name, reference[2].name]
    assert np.allclose(saved["x"], reference.embedding["x"][[1, 2]])
    explorer.file_name.value = str(tmp_path / "no" / "folder.csv")
    explorer.save_button.click()
    assert "cannot be written" in explorer.message.value
