"""Context providers: built-in ones, those of plugins, and one that fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from catalogue_files import ROLES, small_table, write_table
from cli_result import CliResult

from xherald.context.catalogues.catalogue_store import CatalogueStore
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.import_catalogue import ImportOptions
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.context_search import search_context
from xherald.photons.errors import ConfigError

PLUGIN = """
import numpy as np
from xherald.plugins import ContextMatches, ContextProvider, hookimpl
XHERALD_CONTRACT = "2.2"

class Everywhere(ContextProvider):
    "A source at every position."
    name = "everywhere"
    def find(self, ra_deg, dec_deg, radius_arcsec, epoch_yr, options):
        {body}
        n = len(ra_deg)
        return [ContextMatches("everywhere", np.arange(n + 1), ("thing",) * n, ("star",) * n, ra_deg, dec_deg,
                               np.ones(n), np.zeros(n))]

@hookimpl
def register_context(register):
    register(Everywhere())
"""

Command = Callable[..., CliResult]


def configured(folder: Path, body: str = "") -> Configuration:
    """A folder of catalogues with one of sixty sources, and a plugin."""
    table = write_table(small_table(60), folder, "csv")
    options = ImportOptions(ColumnMap.model_validate({"roles": ROLES}))
    CatalogueStore(folder / "catalogues").add(str(table), "mine", options)
    plugin = folder / "everywhere.py"
    plugin.write_text(PLUGIN.format(body=body))
    given = {"context": {"folder": folder / "catalogues"}, "plugins": {"files": [str(plugin)]}}
    return load_configuration(None, {}, given)


def test_all_providers_are_asked(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    table = small_table(60)
    crab = (83.63322, 22.01446)
    found = search_context(configuration, [crab[0], table["RAJ"][7]], [crab[1], table["DEJ"][7]], 5.0)
    by_name = {one.catalogue: one for one in found.matches}
    assert set(by_name) == {"known_sources", "mine", "everywhere"}
    assert by_name["known_sources"].names == ("Crab pulsar",)
    assert by_name["mine"].names == (table["Name"][7],)
    assert by_name["mine"].offsets.tolist() == [0, 0, 1]
    assert by_name["everywhere"].names == ("thing", "thing")
    assert found.failures == ()


def test_a_provider_that_fails_is_named_and_the_others_are_asked(tmp_path: Path) -> None:
    configuration = configured(tmp_path, "raise KeyError('broken')")
    found = search_context(configuration, [10.0], [20.0], 5.0)
    assert {one.catalogue for one in found.matches} == {"known_sources", "mine"}
    (failure,) = found.failures
    assert "everywhere" in failure
    assert "KeyError" in failure
    assert configuration.host.failure_counts == {("context", "everywhere"): 1}


def test_a_damaged_catalogue_is_named(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    (tmp_path / "catalogues" / "mine" / "1" / "dataset" / "_metadata").write_bytes(b"nothing")
    found = search_context(configuration, [10.0], [20.0], 5.0)
    assert {one.catalogue for one in found.matches if not one.failure} == {"known_sources", "everywhere"}
    assert "import the catalogue again" in found.failures[0]


def test_options_of_providers_are_checked(tmp_path: Path) -> None:
    given = {"context": {"folder": tmp_path, "providers": {"catalogues": {"name": ["mine"]}}}}
    with pytest.raises(ConfigError, match=r"context\.providers\.catalogues"):
        search_context(load_configuration(None, {}, given), [10.0], [20.0], 5.0)


def test_catalogues_can_be_chosen(tmp_path: Path) -> None:
    configured(tmp_path)
    given = {"context": {"folder": tmp_path / "catalogues", "catalogues": ["other"]}}
    # A catalogue may be removed while a daemon runs: that stops no search.
    found = search_context(load_configuration(None, {}, given), [10.0], [20.0], 5.0)
    assert "no catalogue 'other'" in found.failures[0]
    assert "mine" not in {one.catalogue for one in found.matches}


def test_the_command_shows_what_is_known(xherald: Command, tmp_path: Path) -> None:
    environment = {"XHERALD_CONTEXT__FOLDER": str(tmp_path)}
    done = xherald(
        "context", "search", "--at", "217.4,-62.68", "--radius", 120, "--epoch", 2016, "--json", environment=environment
    )
    (row,) = json.loads(done.stdout)
    assert (row["name"], row["type"]) == ("Proxima Centauri", "flare star")
    assert row["ra_deg"] == pytest.approx(217.39232, abs=1e-4)
    assert np.isclose(row["separation_arcsec"], 19.0, atol=1.0)
    shown = xherald("context", "search", "--at", "217.4,-62.68", "--radius", 120, environment=environment)
    assert "Proxima Centauri" in shown.stdout
    empty = xherald("context", "search", "--at", "10,10", environment=environment)
    assert empty.stdout == "Nothing within 10″ in known_sources.\n"
    assert xherald("context", "search", "--at", "10,100", environment=environment).exit_code == 2
