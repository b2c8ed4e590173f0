"""Every tutorial runs from top to bottom, each cell, in a kernel of its own; and is stored as it ran."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))

nbformat = pytest.importorskip("nbformat", reason="tutorials need nbclient: pip install 'xherald[notebook]'")
nbclient = pytest.importorskip("nbclient", reason="tutorials need nbclient: pip install 'xherald[notebook]'")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=280, resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_is_stored_as_it_ran(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert len(outputs) >= 3
    assert cells[-1].outputs, "the last cell shows a result"


def test_there_are_the_tutorials_that_the_documents_name() -> None:
    assert len(TUTORIALS) == 4
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert all(f"tutorials/{path.name}" in navigation for path in TUTORIALS)
