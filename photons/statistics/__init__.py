"""Timing tests: whether a source varies significantly, when, and by how much."""

from .assess import TESTS, TimingSettings, assess, raw_statistics
from .blocks import bayesian_blocks
from .clock import accumulated_livetime
from .hardness import hardness_change, hardness_posterior
from .null_distributions import MIN_PHOTONS, NullTables, load_null_tables
from .result import DIP, FLARE, STEADY, Hardness, Intervals, TestColumns, Timing

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
    "accumulated_livetime",
    "assess",
    "bayesian_blocks",
    "hardness_change",
    "hardness_posterior",
    "load_null_tables",
    "raw_statistics",
]
