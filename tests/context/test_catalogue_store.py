"""Catalogues by name: added, replaced, updated and removed, complete at any time; origins on the web."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from catalogue_files import ROLES, small_table, write_table

from xherald.context.catalogues.catalogue_store import CatalogueStore
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.import_catalogue import ImportOptions
from xherald.photons.errors import ConfigError, DropError, FileError

OPTIONS = ImportOptions(ColumnMap(roles=ROLES))


@pytest.fixture
def store(tmp_path: Path) -> CatalogueStore:
    return CatalogueStore(tmp_path / "catalogues")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_table(small_table(60), tmp_path, "csv")


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    handler = partial(_Silent, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_catalogue_is_added_found_and_removed(store: CatalogueStore, file: Path) -> None:
    assert store.names() == []
    assert len(store.add(str(file), "mine", OPTIONS)) == 60
    assert store.names() == ["mine"]
    assert store.open("mine", verify=True).about["origin"] == str(file)
    store.remove("mine")
    assert store.names() == []
    with pytest.raises(ConfigError, match="xherald context import"):
        store.open("mine")


def test_a_name_is_taken_only_once(store: CatalogueStore, file: Path) -> None:
    store.add(str(file), "mine", OPTIONS)
    with pytest.raises(ConfigError, match="--replace"):
        store.add(str(file), "mine", OPTIONS)
    assert store.add(str(file), "mine", OPTIONS, replace=True).about["version"] == 2
    assert [path.name for path in (store.folder / "mine").iterdir()] == ["2"]
    with pytest.raises(ConfigError, match="not a valid name"):
        store.add(str(file), "../mine", OPTIONS)


def test_a_failed_import_leaves_the_earlier_version(store: CatalogueStore, file: Path, tmp_path: Path) -> None:
    store.add(str(file), "mine", OPTIONS)
    broken = tmp_path / "broken"
    broken.mkdir()
    table = small_table(60)
    table["DEJ"][3] = 95.0
    with pytest.raises(FileError, match="row 4"):
        store.add(str(write_table(table, broken, "csv")), "mine", OPTIONS, replace=True)
    with pytest.raises(FileError, match="row 4"):
        store.update("mine", str(broken / "catalogue.csv"))
    assert [path.name for path in (store.folder / "mine").iterdir()] == ["1"]
    assert len(store.open("mine", verify=True)) == 60


def test_a_failed_first_import_leaves_nothing(store: CatalogueStore, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"nothing\.csv"):
        store.add(str(tmp_path / "nothing.csv"), "mine", OPTIONS)
    assert list(store.folder.iterdir()) == []


def test_an_update_imports_what_has_changed(store: CatalogueStore, file: Path, tmp_path: Path) -> None:
    store.add(str(file), "mine", OPTIONS, preset="none")
    assert store.update("mine")[1] is False
    file.unlink()
    write_table(small_table(80, seed=2), tmp_path, "csv")
    catalogue, is_new = store.update("mine")
    assert is_new
    assert len(catalogue) == 80
    assert catalogue.about["preset"] == "none"
    assert [path.name for path in (store.folder / "mine").iterdir()] == ["2"]
    file.unlink()
    with pytest.raises(FileError, match="--from"):
        store.update("mine")


def test_catalogues_are_fetched_from_the_web(store: CatalogueStore, file: Path, url: str) -> None:
    catalogue = store.add(f"{url}/{file.name}", "web", OPTIONS)
    assert len(catalogue) == 60
    assert catalogue.about["origin"] == f"{url}/{file.name}"
    assert store.update("web")[1] is False
    assert sorted(path.name for path in store.folder.iterdir()) == ["web"]
    with pytest.raises(DropError, match="404"):
        store.add(f"{url}/nothing.csv", "other", OPTIONS)
    assert store.names() == ["web"]
