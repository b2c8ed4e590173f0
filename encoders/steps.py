"""Steps of inference from a network's layers: weights in the layout of the kernels, batch normalisations folded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.arrays import F32, F64, I32, I64

from . import kernels
from .kernels import PANEL, ROWS, STEPS
from .network import Activation, BatchNormalization, Conv2D, Dense, Flatten, Network, Shape

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["SparseProduct", "SparseRows", "Step", "make_steps"]


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """Rows of a sparse array, for the kernels.

    Parameters
    ----------
    data, columns : ndarray, shape (values,) — float32, int32; columns ascend within a row without duplicates
    starts : ndarray, shape (n + 1,), int64
    width : int
    """

    data: F32
    columns: I32
    starts: I64
    width: int

    @classmethod
    def from_csr(cls, values: csr_array) -> SparseRows:
        """Rows of a CSR array, which is not modified."""
        if not values.has_canonical_format:
            values = values.copy()
            values.sum_duplicates()
        return cls(
            np.ascontiguousarray(values.data, np.float32),
            np.ascontiguousarray(values.indices, np.int32),
            np.ascontiguousarray(values.indptr, np.int64),
            int(values.shape[1]),
        )

    def to_dense(self, first: int, stop: int) -> F32:
        """Rows first to stop - 1 as a dense array."""
        span = slice(self.starts[first], self.starts[stop])
        out = np.zeros((stop - first, self.width), np.float32)
        out[np.repeat(np.arange(stop - first), np.diff(self.starts[first : stop + 1])), self.columns[span]] = self.data[
            span
        ]
        return out


class Step(ABC):
    """Operation on a block of sources."""

    @abstractmethod
    def run(self, values: F32) -> F32:
        """Apply the operation; the input may be overwritten."""


@dataclass(frozen=True, slots=True, eq=False)
class Reshape(Step):
    """Change of shape."""

    shape: Shape

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        return values.reshape(len(values), *self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Rectify(Step):
    """Leaky rectifier."""

    slope: np.float32

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        out = np.array(values)
        kernels.rectify(out.reshape(-1), self.slope)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Scale(Step):
    """Linear scaling of each channel: a batch normalisation that could not be folded."""

    factor: F32
    shift: F32

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        return values * self.factor + self.shift


@dataclass(frozen=True, slots=True, eq=False)
class Convolution(Step):
    """Convolution and leaky rectifier."""

    panels: F32
    bias: F32
    slope: np.float32
    window: tuple[int, int, int, int, int, int]
    shape: Shape
    """Shape of one source's output."""
    is_sparse: bool
    """Whether the values have one channel and are mostly zero."""

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        out = np.empty((len(values), *self.shape), np.float32)
        kernel = kernels.convolve_sparse if self.is_sparse else kernels.convolve
        kernel(values, self.panels, self.bias, self.slope, self.window, out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Product(Step):
    """Matrix product and leaky rectifier."""

    panels: F32
    bias: F32
    slope: np.float32
    units: int

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        n, depth = len(values), self.panels.shape[1]
        rows = values
        if n % ROWS or values.shape[1] != depth:
            rows = np.zeros((-(-n // ROWS) * ROWS, depth), np.float32)
            rows[:n, : values.shape[1]] = values
        out = np.empty((n, self.units), np.float32)
        kernels.multiply(rows, self.panels, self.bias, self.slope, out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class SparseProduct(Step):
    """Matrix product and leaky rectifier of mostly zero values, as in a first layer."""

    panels: F32
    bias: F32
    slope: np.float32
    units: int

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        out = np.empty((len(values), self.units), np.float32)
        kernels.multiply_nonzero(values, self.panels, self.bias, self.slope, out)
        return out

    def run_rows(self, rows: SparseRows, first: int, stop: int) -> F32:
        """Apply to the rows first to stop - 1 of a sparse array."""
        out = np.empty((stop - first, self.units), np.float32)
        starts = rows.starts[first : stop + 1]
        kernels.multiply_rows(rows.data, rows.columns, starts, self.panels, self.bias, self.slope, out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Scaling:
    """Batch normalisations to be folded: ``factor x + shift`` for each channel."""

    factor: F64
    shift: F64

    @classmethod
    def from_layer(cls, layer: BatchNormalization) -> _Scaling:
        factor = layer.gamma.astype(np.float64) / np.sqrt(layer.variance.astype(np.float64) + layer.epsilon)
        return cls(factor, layer.beta - layer.mean * factor)

    def then(self, other: _Scaling | None) -> _Scaling:
        if other is None:
            return self
        return _Scaling(self.factor * other.factor, self.shift * other.factor + other.shift)

    def step(self) -> Scale:
        return Scale(self.factor.astype(np.float32), self.shift.astype(np.float32))


def make_steps(network: Network) -> tuple[Step, ...]:
    """Steps equivalent to the layers, up to rounding."""
    return tuple(_steps(network))


def _steps(network: Network) -> Iterator[Step]:
    pending: _Scaling | None = None
    is_first = True
    for layer, before, after in zip(network.layers, network.shapes, network.shapes[1:], strict=False):
        if isinstance(layer, BatchNormalization):
            pending = _Scaling.from_layer(layer) if pending is None else pending.then(_Scaling.from_layer(layer))
            continue
        if isinstance(layer, Flatten):
            # Channels repeat, since the last axis is the fastest.
            if pending is not None:
                repeats = prod(before) // len(pending.factor)
                pending = _Scaling(np.tile(pending.factor, repeats), np.tile(pending.shift, repeats))
            if before != after:
                yield Reshape(after)
            continue
        if pending is not None and (isinstance(layer, Activation) or _has_padding(layer, before)):
            # Padding is zero after the normalisation, which therefore cannot be folded.
            yield pending.step()
            pending, is_first = None, False
        if isinstance(layer, Activation):
            yield Rectify(np.float32(layer.negative_slope))
        elif isinstance(layer, Conv2D):
            yield _make_convolution(layer, before, after, pending, is_sparse=is_first and before[2] == 1)
        else:
            yield _make_product(layer, pending, is_sparse=is_first and pending is None)
        pending, is_first = None, False
    if pending is not None:
        yield pending.step()


def _has_padding(layer: Conv2D | Dense | Activation, shape: Shape) -> bool:
    return isinstance(layer, Conv2D) and layer.is_padded(shape)


def _make_convolution(
    layer: Conv2D, before: Shape, after: Shape, scaling: _Scaling | None, *, is_sparse: bool
) -> Convolution:
    height, width, channels, filters = layer.kernel.shape
    kernel, bias = layer.kernel.astype(np.float64), layer.bias.astype(np.float64)
    if scaling is not None:
        bias = bias + np.einsum("yxcf,c->f", kernel, scaling.shift)
        kernel = kernel * scaling.factor[:, np.newaxis]
    return Convolution(
        _panels(kernel.reshape(-1, filters)),
        _panels(bias[np.newaxis])[:, 0].copy(),
        np.float32(layer.negative_slope),
        (height, width, *layer.stride, *layer.pad_before(before)),
        after,
        is_sparse and scaling is None and channels == 1,
    )


def _make_product(layer: Dense, scaling: _Scaling | None, *, is_sparse: bool) -> Product | SparseProduct:
    kernel, bias = layer.kernel.astype(np.float64), layer.bias.astype(np.float64)
    if scaling is not None:
        bias = bias + scaling.shift @ kernel
        kernel = kernel * scaling.factor[:, np.newaxis]
    kind = SparseProduct if is_sparse else Product
    return kind(_panels(kernel), _panels(bias[np.newaxis])[:, 0].copy(), np.float32(layer.negative_slope), len(bias))


def _panels(matrix: F64) -> F32:
    """A matrix in panels of `kernels.PANEL` columns, shape (panels, depth, PANEL), padded with zeros."""
    depth, filters = matrix.shape
    count = -(-filters // PANEL)
    padded = np.zeros((-(-depth // STEPS) * STEPS, count * PANEL), np.float32)
    padded[:depth, :filters] = matrix
    return np.ascontiguousarray(padded.reshape(-1, count, PANEL).transpose(1, 0, 2))
