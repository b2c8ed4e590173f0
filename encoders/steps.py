"""From a network's layers to the steps that run it: weights laid out for the kernels, batch normalisations folded."""

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

__all__ = ["ProductOfFew", "Rows", "Step", "steps_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of a sparse array, for the kernels.

    Parameters
    ----------
    data, columns : ndarray, shape (values,) — float32, int32; columns ascend within a row and are there once
    starts : ndarray, shape (n + 1,), int64
    width : int
    """

    data: F32
    columns: I32
    starts: I64
    width: int

    @classmethod
    def of(cls, values: csr_array) -> Rows:
        """Rows of a CSR array, which stays as it is."""
        if not values.has_canonical_format:
            values = values.copy()
            values.sum_duplicates()
        return cls(
            np.ascontiguousarray(values.data, np.float32),
            np.ascontiguousarray(values.indices, np.int32),
            np.ascontiguousarray(values.indptr, np.int64),
            int(values.shape[1]),
        )

    def dense(self, first: int, stop: int) -> F32:
        """Rows first to stop - 1, zeros written out."""
        span = slice(self.starts[first], self.starts[stop])
        out = np.zeros((stop - first, self.width), np.float32)
        out[np.repeat(np.arange(stop - first), np.diff(self.starts[first : stop + 1])), self.columns[span]] = self.data[
            span
        ]
        return out


class Step(ABC):
    """Something done with a block of sources."""

    @abstractmethod
    def run(self, values: F32) -> F32:
        """Values after it; those given are not needed afterwards."""


@dataclass(frozen=True, slots=True, eq=False)
class Reshape(Step):
    """Values in another shape."""

    shape: Shape

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        return values.reshape(len(values), *self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Rectify(Step):
    """Values below zero times a slope."""

    slope: np.float32

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        out = np.array(values)
        kernels.rectify(out.reshape(-1), self.slope)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Scale(Step):
    """Values of each channel times one number plus another: a batch normalisation that nothing could take up."""

    factor: F32
    shift: F32

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        return values * self.factor + self.shift


@dataclass(frozen=True, slots=True, eq=False)
class Convolution(Step):
    """Convolution, rectified."""

    panels: F32
    bias: F32
    slope: np.float32
    window: tuple[int, int, int, int, int, int]
    shape: Shape
    """Of one source's values after it."""
    few: bool
    """Whether the values have one channel, most of which is zero."""

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        out = np.empty((len(values), *self.shape), np.float32)
        kernel = kernels.convolve_sparse if self.few else kernels.convolve
        kernel(values, self.panels, self.bias, self.slope, self.window, out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Product(Step):
    """Matrix product, rectified."""

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
class ProductOfFew(Step):
    """Matrix product, rectified, of values that most are zero: a network's first layer."""

    panels: F32
    bias: F32
    slope: np.float32
    units: int

    def run(self, values: F32) -> F32:
        """See `Step.run`."""
        out = np.empty((len(values), self.units), np.float32)
        kernels.multiply_nonzero(values, self.panels, self.bias, self.slope, out)
        return out

    def run_rows(self, rows: Rows, first: int, stop: int) -> F32:
        """The same for the rows first to stop - 1 of a sparse array."""
        out = np.empty((stop - first, self.units), np.float32)
        starts = rows.starts[first : stop + 1]
        kernels.multiply_rows(rows.data, rows.columns, starts, self.panels, self.bias, self.slope, out)
        return out


@dataclass(frozen=True, slots=True, eq=False)
class _Scaling:
    """Batch normalisations not taken up yet: ``factor x + shift`` of each channel."""

    factor: F64
    shift: F64

    @classmethod
    def of(cls, layer: BatchNormalization) -> _Scaling:
        factor = layer.gamma.astype(np.float64) / np.sqrt(layer.variance.astype(np.float64) + layer.epsilon)
        return cls(factor, layer.beta - layer.mean * factor)

    def then(self, other: _Scaling | None) -> _Scaling:
        if other is None:
            return self
        return _Scaling(self.factor * other.factor, self.shift * other.factor + other.shift)

    def step(self) -> Scale:
        return Scale(self.factor.astype(np.float32), self.shift.astype(np.float32))


def steps_of(network: Network) -> tuple[Step, ...]:
    """Steps that give what the layers one after another give, up to rounding."""
    return tuple(_steps(network))


def _steps(network: Network) -> Iterator[Step]:
    waiting: _Scaling | None = None
    nothing_yet = True
    for layer, before, after in zip(network.layers, network.shapes, network.shapes[1:], strict=False):
        if isinstance(layer, BatchNormalization):
            waiting = _Scaling.of(layer) if waiting is None else waiting.then(_Scaling.of(layer))
            continue
        if isinstance(layer, Flatten):
            # The last axis is the fastest, so channels repeat.
            if waiting is not None:
                repeats = prod(before) // len(waiting.factor)
                waiting = _Scaling(np.tile(waiting.factor, repeats), np.tile(waiting.shift, repeats))
            if before != after:
                yield Reshape(after)
            continue
        if waiting is not None and (isinstance(layer, Activation) or _sees_padding(layer, before)):
            # Padding is zero after the normalisation, not before it, so it cannot go into the kernel.
            yield waiting.step()
            waiting, nothing_yet = None, False
        if isinstance(layer, Activation):
            yield Rectify(np.float32(layer.negative_slope))
        elif isinstance(layer, Conv2D):
            yield _convolution(layer, before, after, waiting, few=nothing_yet and before[2] == 1)
        else:
            yield _product(layer, waiting, few=nothing_yet and waiting is None)
        waiting, nothing_yet = None, False
    if waiting is not None:
        yield waiting.step()


def _sees_padding(layer: Conv2D | Dense | Activation, shape: Shape) -> bool:
    return isinstance(layer, Conv2D) and layer.is_padded(shape)


def _convolution(layer: Conv2D, before: Shape, after: Shape, scaling: _Scaling | None, *, few: bool) -> Convolution:
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
        few and scaling is None and channels == 1,
    )


def _product(layer: Dense, scaling: _Scaling | None, *, few: bool) -> Product | ProductOfFew:
    kernel, bias = layer.kernel.astype(np.float64), layer.bias.astype(np.float64)
    if scaling is not None:
        bias = bias + scaling.shift @ kernel
        kernel = kernel * scaling.factor[:, np.newaxis]
    kind = ProductOfFew if few else Product
    return kind(_panels(kernel), _panels(bias[np.newaxis])[:, 0].copy(), np.float32(layer.negative_slope), len(bias))


def _panels(matrix: F64) -> F32:
    """A matrix in panels of `kernels.PANEL` columns, shape (panels, depth, PANEL), padded with zeros."""
    depth, filters = matrix.shape
    count = -(-filters // PANEL)
    padded = np.zeros((-(-depth // STEPS) * STEPS, count * PANEL), np.float32)
    padded[:depth, :filters] = matrix
    return np.ascontiguousarray(padded.reshape(-1, count, PANEL).transpose(1, 0, 2))
