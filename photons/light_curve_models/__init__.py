"""Models of a light curve on the null clock, and which of them explains the photons best."""

from .kinds import KINDS, KindProbabilities, compare_kinds

__all__ = ["KINDS", "KindProbabilities", "compare_kinds"]
