"""Statistics on photon lists: does a source vary beyond what chance allows, when, and how sure is that."""

from .blocks import bayesian_blocks
from .null import MIN_PHOTONS, NullTables, load_null_tables
from .result import DIP, FLARE, STEADY, Hardness, Intervals, TestColumns, Timing
from .suite import TESTS, TimingSettings, assess, raw_statistics

__all__ = [
    "DIP",
    "FLARE",
    "MIN_PHOTONS",
    "STEADY",
    "TESTS",
    "Hardness",
    "Intervals",
    "NullTables",
    "TestColumns",
    "Timing",
    "TimingSettings",
    "assess",
    "bayesian_blocks",
    "load_null_tables",
    "raw_statistics",
]
