"""A simulated population and settings for building reference catalogues."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference_builds import SETTINGS, SOURCES


@pytest.fixture(scope="module")
def reference_population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated population, half of it variable, as one file and as the published tables beside it."""
    from xherald.simulation.population.population import write_population

    folder = tmp_path_factory.mktemp("population")
    file = folder / "population.parquet"
    write_population(file, SOURCES, seed=31, variable_fraction=0.5, published=folder / "published")
    return file


@pytest.fixture(scope="module")
def reference_settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings of cases, with a folder of references of its own for each module."""
    folder = tmp_path_factory.mktemp("settings")
    path = folder / "my.yaml"
    path.write_text(SETTINGS.format(folder=folder / "references"))
    return path
