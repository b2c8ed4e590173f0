"""An encoder at work, without TensorFlow: what the road calls with representations and gets features from.

Batch normalisations are folded into the layer after them where no padding lies between, which is exact; what is left is
convolutions and products, in compiled kernels (`steps`, `kernels`), some sources at a time in every thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from xherald.photons.arrays import F32
from xherald.photons.artefact_folders import open_artefact
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.photons.threads import run_in_threads

from .kernels import ROWS
from .network import KIND, Network, Shape, load_network
from .steps import ProductOfFew, Rows, Step, steps_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["SHIPPED", "Encoder", "encoder_folder"]


Values: TypeAlias = "F32 | csr_array"

WEIGHTS: Final = Path(__file__).with_name("weights")

SHIPPED: Final = ("et_map_12", "etdt_cube_24")
"""Encoders that come with xherald, by name."""

BLOCK: Final = 1 << 17
"""Values of one layer that a thread holds at a time: half a MiB, which stays in a core's cache."""


def encoder_folder(name: str) -> Path:
    """Folder of an encoder that comes with xherald, or of anybody's.

    Parameters
    ----------
    name : str
        Of `SHIPPED`, or a path.

    Raises
    ------
    ArtefactError
        Neither.
    """
    folder = WEIGHTS / name if name in SHIPPED else Path(name)
    if not folder.is_dir():
        raise ArtefactError(f"{name}: no encoder; give one that comes with xherald ({', '.join(SHIPPED)}) or a folder")
    return folder


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """An encoder ready to run; `load` it, or make it `of` a network.

    Parameters
    ----------
    network : Network
    about : mapping
        Facts of its manifest; empty if it has none.
    steps : tuple of Step
        What is done with a block of sources.
    """

    network: Network
    about: Mapping[str, Any]
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, network: Network, about: Mapping[str, Any] = MappingProxyType({})) -> Encoder:
        """Encoder of a network."""
        return cls(network, about, steps_of(network))

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Read an encoder's artefact.

        Raises
        ------
        ArtefactError
            It is not finished, was changed, or is no encoder.
        """
        manifest = open_artefact(folder, KIND)
        return cls.of(load_network(folder), manifest.about)

    @property
    def shape(self) -> Shape:
        """Shape of one source's array."""
        return self.network.shape

    @property
    def latent(self) -> int:
        """Features a source."""
        return self.network.latent

    def encode(self, values: Values, threads: int = 0) -> F32:
        """Features of every source.

        A source's are the same to the last bit whatever else is in ``values``, dense or CSR, in however many threads.

        Parameters
        ----------
        values : ndarray or csr_array
            Dense of shape (n, *shape), or CSR of shape (n, product of shape).
        threads : int
            0 takes every core.

        Returns
        -------
        ndarray, shape (n, latent), float32

        Raises
        ------
        ReferenceDataError
            Arrays of another shape than the encoder was made for, or values that are not finite or so large that no
            features come of them.
        """
        rows = self._checked(values)
        n = values.shape[0]
        features = np.empty((n, self.latent), np.float32)
        block = max(BLOCK // max(prod(shape) for shape in self.network.shapes[1:]) // ROWS * ROWS, ROWS)

        def work(first: int, stop: int) -> None:
            for start in range(first * block, min(stop * block, n), block):
                end = min(start + block, n)
                features[start:end] = self._block(rows, start, end)

        if n:
            run_in_threads(work, np.arange(-(-n // block) + 1), threads)
        if not np.isfinite(features).all():
            bad = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise ReferenceDataError(f"source {bad}: values not finite, or too large to encode; normalise them")
        return features

    def _checked(self, values: Values) -> F32 | Rows:
        """Values as the steps take them, once it is sure that they are of the right shape."""
        expected = self.network.shape
        if isinstance(values, np.ndarray):
            if values.shape[1:] != expected:
                raise ReferenceDataError(f"arrays of shape {values.shape[1:]} for an encoder of {expected}")
            return np.ascontiguousarray(values, np.float32).reshape(-1, *self.network.input_shape)
        if len(values.shape) != 2 or values.shape[1] != prod(expected):
            raise ReferenceDataError(f"sparse rows of {values.shape[-1]} values for an encoder of {expected}")
        return Rows.of(values)

    def _block(self, values: F32 | Rows, start: int, end: int) -> F32:
        """Features of the sources start to end - 1."""
        first, *others = self.steps
        if isinstance(values, np.ndarray):
            part = first.run(values[start:end])
        elif isinstance(first, ProductOfFew):
            part = first.run_rows(values, start, end)
        else:
            part = first.run(values.dense(start, end).reshape(-1, *self.network.input_shape))
        for step in others:
            part = step.run(part)
        return part
