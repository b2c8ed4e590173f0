"""The representation: wavelet coefficients of a light curve over livetime."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from xherald.photons import EventBatch
from xherald.plugins import Options, Representation

__all__ = ["WaveletOptions", "WaveletRepresentation"]

F32 = NDArray[np.float32]


class WaveletOptions(Options):
    """Options of the representation."""

    levels: int = Field(default=5, ge=1, le=12, description="of details, each twice as coarse as the one before")
    bins: int = Field(default=64, ge=2, le=8192, description="of livetime; a multiple of 2^levels")

    @model_validator(mode="after")
    def _whole(self) -> WaveletOptions:
        if self.bins % 2**self.levels:
            raise ValueError(f"bins = {self.bins} is no multiple of 2^levels = {2**self.levels}")
        return self


class WaveletRepresentation(Representation[WaveletOptions]):
    """Stationary Haar transform of the square root of counts over livetime, the ends of the light curve joined.

    The first row is the smooth rest, the others are details from the coarsest to the finest. The transform keeps the
    sum of squares. A source without a photon is 0 everywhere.
    """

    name = "wavelet"

    def shape(self, options: WaveletOptions) -> tuple[int, ...]:
        """Scale, livetime."""
        return options.levels + 1, options.bins

    def transform(self, batch: EventBatch, options: WaveletOptions) -> F32:
        """Coefficients of every source, shape (n, levels + 1, bins), float32."""
        if not len(batch):
            return np.zeros((0, *self.shape(options)), dtype=np.float32)
        import pywt

        from .kernels import light_curves

        curves = np.sqrt(light_curves(batch, options.bins))
        parts = pywt.swt(curves, "haar", level=options.levels, axis=-1, trim_approx=True, norm=True)
        return np.stack(parts, axis=1).astype(np.float32)
