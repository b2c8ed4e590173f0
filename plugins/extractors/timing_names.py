"""Names of the timing features, apart from their arithmetic so that options can be checked without it."""

from __future__ import annotations

from typing import Final

__all__ = ["NAMES"]

NAMES: Final = (
    "flare_averaged",
    "flare_scan",
    "dip_averaged",
    "dip_scan",
    "longest_gap",
    "ks",
    "kuiper",
    "bayesian_blocks",
    "gregory_loredo",
    "p_value",
    "log10_counts",
    "log10_livetime",
    "interval_livetime",
    "interval_counts",
    "hardness",
    "hardness_change",
    "variability_index",
)
"""Names of the features, in the order of the columns.

The tests' names and "p_value" (all tests together): −log10 of the probability, capped; of tests that look for flares
and dips alike, and of "p_value", negative where their interval is fainter than the rest. 0 for sources with too few
photons to be tested. "interval_livetime", "interval_counts": parts of the livetime and of the photons in the best
interval; both 1 where there is none. "hardness": of all photons, its posterior's median. "hardness_change": inside the
best interval less outside, over its error; 0 where either holds no photon. "variability_index": 0 for untested sources.
"""
