"""Encoders evaluated by their definition in float64, for comparison with the compiled kernels; random networks."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_array

from xherald.encoders.network import Activation, BatchNormalization, Conv2D, Dense, Flatten, Network


def leaky(values: np.ndarray, slope: float) -> np.ndarray:
    return np.where(values > 0, values, slope * values)


def conv2d(values: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride=(1, 1), padding="same") -> np.ndarray:
    """Convolution as TensorFlow defines it: (n, rows, columns, channels) with (height, width, channels, filters)."""
    height, width = kernel.shape[:2]
    pads = []
    for size, taps, step in zip(values.shape[1:3], (height, width), stride, strict=True):
        missing = max((int(np.ceil(size / step)) - 1) * step + taps - size, 0) if padding == "same" else 0
        pads.append((missing // 2, missing - missing // 2))
    padded = np.pad(values, ((0, 0), *pads, (0, 0)))
    rows = [
        [
            np.einsum("nyxc,yxcf->nf", padded[:, y : y + height, x : x + width], kernel) + bias
            for x in range(0, padded.shape[2] - width + 1, stride[1])
        ]
        for y in range(0, padded.shape[1] - height + 1, stride[0])
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def normalise(values: np.ndarray, gamma, beta, mean, variance, epsilon: float) -> np.ndarray:
    return gamma * (values - mean) / np.sqrt(variance + epsilon) + beta


def evaluate(network: Network, values: np.ndarray) -> np.ndarray:
    """Features of values of shape (n, *network.shape)."""
    values = np.asarray(values, dtype=np.float64).reshape(len(values), *network.input_shape)
    for layer in network.layers:
        weights = [getattr(layer, name).astype(np.float64) for name in layer.weights]
        if isinstance(layer, Conv2D):
            values = leaky(conv2d(values, *weights, layer.stride, layer.padding), layer.negative_slope)
        elif isinstance(layer, Dense):
            values = leaky(values @ weights[0] + weights[1], layer.negative_slope)
        elif isinstance(layer, BatchNormalization):
            values = normalise(values, *weights, layer.epsilon)
        elif isinstance(layer, Activation):
            values = leaky(values, layer.negative_slope)
        else:
            assert isinstance(layer, Flatten)
            values = values.reshape(len(values), -1)
    return values


def sparse_values(count: int, shape: tuple[int, ...], seed: int = 1, mean: float = 0.1) -> np.ndarray:
    """Mostly zero counts, normalised to [0, 1] like representations."""
    counts = np.random.default_rng(seed).poisson(mean, (count, *shape)).astype(np.float32)
    return counts / np.maximum(counts.max(axis=tuple(range(1, counts.ndim)), keepdims=True), 1)


def as_csr(values: np.ndarray) -> csr_array:
    return csr_array(values.reshape(len(values), -1))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Networks of all kinds of layers in any valid order, on small arrays."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    input_shape: tuple[int, ...] = draw(
        st.one_of(
            st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
            st.tuples(st.integers(1, 40)),
        )
    )

    def weights(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(max(np.prod(shape[:-1]), 1)))

    def slope() -> float:
        return draw(st.sampled_from([1.0, 0.1, 0.0]))

    def normalisation(channels: int) -> BatchNormalization:
        return BatchNormalization(*(weights(channels) for _ in range(3)), weights(channels) ** 2 + np.float32(0.1))

    layers: list = []
    shape = input_shape
    for kind in draw(st.lists(st.sampled_from(["conv", "norm", "activation"]), max_size=4)):
        if kind == "conv" and len(shape) == 3:
            padding = draw(st.sampled_from(["same", "valid"]))
            size = [
                draw(st.integers(1, 3)) if padding == "same" else draw(st.integers(1, min(3, n))) for n in shape[:2]
            ]
            filters = draw(st.integers(1, 20))
            stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
            layers.append(Conv2D(weights(*size, shape[2], filters), weights(filters), stride, padding, slope()))
        elif kind == "norm":
            layers.append(normalisation(shape[-1]))
        else:
            layers.append(Activation(slope()))
        shape = layers[-1].shape_after(shape)
    layers.append(Flatten())
    (width,) = layers[-1].shape_after(shape)
    if draw(st.booleans()):
        layers.append(normalisation(width))
    units = draw(st.integers(1, 20))
    layers.append(Dense(weights(width, units), weights(units), slope()))
    if draw(st.booleans()):
        layers.append(normalisation(units))
    return Network(input_shape, input_shape, tuple(layers))
