"""Inference without TensorFlow: features from representations.

Batch normalisations are folded into the next layer if there is no padding in between, which is exact; convolutions and
matrix products run in compiled kernels (`steps`, `kernels`), in blocks of sources in several threads.
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
from .steps import SparseProduct, SparseRows, Step, make_steps

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["SHIPPED", "Encoder", "find_encoder"]


Values: TypeAlias = "F32 | csr_array"

WEIGHTS: Final = Path(__file__).with_name("weights")

SHIPPED: Final = ("et_map_12", "etdt_cube_24", "event_map_16")
"""Names of the shipped encoders."""

MAX_BLOCK_VALUES: Final = 1 << 17
"""Largest number of values of a layer per thread: half a MiB, for the cache of a core."""


def find_encoder(name: str) -> Path:
    """Folder of a shipped encoder, or a path.

    Parameters
    ----------
    name : str
        One of `SHIPPED`, or a path.

    Raises
    ------
    ArtefactError
        It is neither.
    """
    folder = WEIGHTS / name if name in SHIPPED else Path(name)
    if not folder.is_dir():
        raise ArtefactError(f"{name} is not an encoder; give a shipped one ({', '.join(SHIPPED)}) or a folder")
    return folder


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """An encoder; see `load` and `from_network`.

    Parameters
    ----------
    network : Network
    about : mapping
        Facts of its manifest, if any.
    steps : tuple of Step
        Operations on a block of sources.
    """

    network: Network
    about: Mapping[str, Any]
    steps: tuple[Step, ...]

    @classmethod
    def from_network(cls, network: Network, about: Mapping[str, Any] = MappingProxyType({})) -> Encoder:
        """Prepare a network."""
        return cls(network, about, make_steps(network))

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Load an encoder folder.

        Raises
        ------
        ArtefactError
            It is incomplete, modified, or not an encoder.
        """
        manifest = open_artefact(folder, KIND)
        return cls.from_network(load_network(folder), manifest.about)

    @property
    def shape(self) -> Shape:
        """Shape of one source's array."""
        return self.network.shape

    @property
    def latent(self) -> int:
        """Number of features."""
        return self.network.latent

    def encode(self, values: Values, threads: int = 0) -> F32:
        """Features of every source.

        They are identical for any other sources in ``values``, dense or CSR, and any number of threads.

        Parameters
        ----------
        values : ndarray or csr_array
            Dense of shape (n, *shape), or CSR of shape (n, product of shape).
        threads : int
            0 uses all cores.

        Returns
        -------
        ndarray, shape (n, latent), float32

        Raises
        ------
        ReferenceDataError
            The arrays have another shape than the encoder's, or values that are not finite or too large.
        """
        rows = self._validate(values)
        n = values.shape[0]
        features = np.empty((n, self.latent), np.float32)
        block = max(MAX_BLOCK_VALUES // max(prod(shape) for shape in self.network.shapes[1:]) // ROWS * ROWS, ROWS)

        def work(first: int, stop: int) -> None:
            for start in range(first * block, min(stop * block, n), block):
                end = min(start + block, n)
                features[start:end] = self._encode_block(rows, start, end)

        if n:
            run_in_threads(work, np.arange(-(-n // block) + 1), threads)
        if not np.isfinite(features).all():
            bad = int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])
            raise ReferenceDataError(f"source {bad}: features are not finite; normalise the values")
        return features

    def _validate(self, values: Values) -> F32 | SparseRows:
        """Values in the form of the steps, with their shape verified."""
        expected = self.network.shape
        if isinstance(values, np.ndarray):
            if values.shape[1:] != expected:
                raise ReferenceDataError(f"arrays have shape {values.shape[1:]}, the encoder expects {expected}")
            return np.ascontiguousarray(values, np.float32).reshape(-1, *self.network.input_shape)
        if len(values.shape) != 2 or values.shape[1] != prod(expected):
            raise ReferenceDataError(f"sparse rows have {values.shape[-1]} values, the encoder expects {expected}")
        return SparseRows.from_csr(values)

    def _encode_block(self, values: F32 | SparseRows, start: int, end: int) -> F32:
        """Features of the sources start to end - 1."""
        first, *others = self.steps
        if isinstance(values, np.ndarray):
            part = first.run(values[start:end])
        elif isinstance(first, SparseProduct):
            part = first.run_rows(values, start, end)
        else:
            part = first.run(values.to_dense(start, end).reshape(-1, *self.network.input_shape))
        for step in others:
            part = step.run(part)
        return part
