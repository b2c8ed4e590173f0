"""Folders that tests read."""

from __future__ import annotations

from pathlib import Path

__all__ = ["DATA", "ROOT"]

ROOT = Path(__file__).resolve().parents[2]
"""Root of the project."""

DATA = ROOT.parent / "shared" / "data"
"""Real event files; tests that need them are skipped where the folder does not exist."""
