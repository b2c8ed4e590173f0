"""Models of a light curve on the null clock, and which of them explains the photons best."""

from .kinds import KINDS, KindProbabilities, compare_kinds
from .red_noise_null import red_noise_probability

__all__ = ["KINDS", "KindProbabilities", "compare_kinds", "red_noise_probability"]
