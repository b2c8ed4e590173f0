"""Wavelets: a light curve taken apart by time scale, and what each scale holds as features.

A representation and an extractor for one case of a reference. The stationary Haar transform (Nason & Silverman 1995,
Lecture Notes in Statistics 103, 281) is that of PyWavelets; it is done on the square roots of counts in even bins of
livetime, whose Poisson noise is the same whatever the counts (Anscombe 1948, Biometrika 35, 246).
"""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins import FeatureExtractor, Representation, hookimpl

from .energy import WaveletEnergyExtractor, WaveletEnergyOptions
from .scales import WaveletOptions, WaveletRepresentation

__all__ = [
    "XHERALD_CONTRACT",
    "WaveletEnergyExtractor",
    "WaveletEnergyOptions",
    "WaveletOptions",
    "WaveletRepresentation",
    "register_extractors",
    "register_representations",
]

XHERALD_CONTRACT = "2.0"


@hookimpl
def register_representations(register: Callable[[Representation], None]) -> None:
    """Register the representation."""
    register(WaveletRepresentation())


@hookimpl
def register_extractors(register: Callable[[FeatureExtractor], None]) -> None:
    """Register the extractor."""
    register(WaveletEnergyExtractor())
