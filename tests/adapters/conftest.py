"""The shared small inputs that once came out wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from paths import ROOT


@pytest.fixture(scope="session")
def cases() -> Path:
    """Folder of small inputs with known right answers; tests that need it are skipped where it is absent."""
    folder = ROOT.parent / "shared" / "cases"
    if not folder.is_dir():
        pytest.skip(f"the shared cases are not at {folder}")
    return folder
