"""What tests share: the real data where it is at hand, a command line to call, a few files with known transients."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_result import CliResult
from click.testing import CliRunner
from hypothesis import settings
from paths import DATA, ROOT

if TYPE_CHECKING:
    from xherald.simulation.exposure import SimulatedExposure
    from xherald.simulation.writers import WrittenFiles

# Tests run side by side: scikit-learn's threads, as many as there are cores in each, would wait for one another.
# Libraries read this when they are first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Kernels compile inside the first example of a test: its time says nothing about the example. A change must not fail
# for an example that it has nothing to do with: continuous integration draws the same ones each time.
settings.register_profile("xherald", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("xherald")


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the project."""
    return ROOT


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real event files; tests that need it are skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"real data are not at {DATA}")
    return DATA


@pytest.fixture
def xherald() -> Callable[..., CliResult]:
    """Call the command line inside this process: ``xherald("scan", path, "--json")``."""
    from xherald.cli import main

    def call(*words: object, environment: dict[str, str] | None = None) -> CliResult:
        result = CliRunner().invoke(main, [str(word) for word in words], env=environment or {})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return CliResult(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files with known transients in them: Chandra, Swift-XRT and a table of photons, in that order."""
    from demo_files import chandra_file, photon_table, swift_file

    folder = tmp_path_factory.mktemp("demo")
    return [make(folder) for make in (chandra_file, swift_file, photon_table)]


@pytest.fixture(scope="session")
def exposures() -> dict[str, SimulatedExposure]:
    """An exposure of every telescope, its events made by hand."""
    from handmade_exposures import NAMES, exposure_of

    return {name: exposure_of(name) for name in NAMES}


@pytest.fixture(scope="session")
def written(
    exposures: dict[str, SimulatedExposure], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, WrittenFiles]:
    """Their files."""
    from xherald.simulation import write_exposure

    return {name: write_exposure(one, tmp_path_factory.mktemp(name)) for name, one in exposures.items()}
