"""Encoders evaluated by their definition, in float64 and without a trick: what the compiled ones are held against."""

from __future__ import annotations

import numpy as np

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
