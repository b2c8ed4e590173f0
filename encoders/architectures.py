"""Autoencoders as Keras models, and the conversion of their encoders to `Network`.

Convolutional for E–t maps, with the layers of the published encoder (Dillmann et al. 2025, MNRAS 537, 931) and a
mirrored decoder, since none was published; dense for E–t–dt cubes. Functions import TensorFlow when they are called.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons.errors import ConfigError

from .network import Activation, BatchNormalization, Conv2D, Dense, Flatten, Layer, Network, Shape

if TYPE_CHECKING:
    import keras

__all__ = ["Autoencoder", "build_autoencoder", "convert_network", "import_keras"]

SLOPE: Final = 0.1
"""Negative slope of all leaky rectifiers, as in the model configuration of the published file."""

MOMENTUM: Final = 0.9
EPSILON: Final = 1e-3
"""Momentum and epsilon of batch normalisations, as in the published file."""

BOTTLENECK_L2: Final = 1e-4
"""L2 regularisation of the last layer of a map encoder. The published file has 0.1, which in a test with 18,000 maps
dominated the loss for the first seven epochs."""

HIDDEN_MAP: Final = (192, 48)
HIDDEN_CUBE: Final = (256,)
"""Units of the dense layers before the features. Cubes have one layer: with two or three (256, 64; 256, 128, 64) the
reconstruction is worse after the same number of steps, 5 % below the error of the mean cube instead of 7 %."""


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """An autoencoder and its encoder.

    Parameters
    ----------
    model, encoder : keras.Model
    shape : tuple of int
        Shape of one source's array.
    input_shape : tuple of int
        Shape of the same values for the models.
    """

    model: keras.Model
    encoder: keras.Model
    shape: Shape
    input_shape: Shape


def import_keras() -> Any:
    """Import Keras with the TensorFlow backend, without its log messages.

    Raises
    ------
    ConfigError
        Keras or TensorFlow is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        import keras
        import tensorflow as tf
    except ImportError as error:
        raise ConfigError(
            f"training encoders needs {error.name or 'tensorflow'}; run pip install 'xherald[train]'"
        ) from error
    # The remapper cannot fuse leaky rectifiers, and logs an error for each.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    return keras


def build_autoencoder(shape: Shape, latent: int) -> Autoencoder:
    """Build an autoencoder: convolutional for maps, dense for other shapes.

    Parameters
    ----------
    shape : tuple of int
        Shape of one source's array.
    latent : int
        Number of features.

    Raises
    ------
    ConfigError
        The sides of a map are not multiples of 4, or Keras is not installed.
    """
    if latent < 1:
        raise ConfigError(f"latent is {latent}; it must be 1 or more")
    if len(shape) != 2:
        return _dense(shape, latent)
    if any(size % 4 for size in shape):
        raise ConfigError(f"maps of shape {shape} are not supported; their sides must be multiples of 4")
    return _convolutional(shape, latent)


def _convolutional(shape: Shape, latent: int) -> Autoencoder:
    keras = import_keras()
    layers = keras.layers
    rows, columns = shape

    def leaky() -> Any:
        return layers.LeakyReLU(negative_slope=SLOPE)

    def convolution(filters: int, size: int, *, up: bool = False) -> Any:
        kind = layers.Conv2DTranspose if up else layers.Conv2D
        stride = 2 if size == 2 else 1
        return kind(filters, size, strides=stride, padding="same", activation=leaky(), kernel_initializer="he_normal")

    encoder = keras.Sequential(
        [
            keras.Input((rows, columns, 1)),
            convolution(32, 3),
            _normalisation(layers),
            convolution(32, 2),
            convolution(16, 3),
            _normalisation(layers),
            convolution(16, 2),
            layers.Flatten(),
            *_dense_layers(layers, HIDDEN_MAP),
            _bottleneck(keras, latent, BOTTLENECK_L2),
        ],
        name="encoder",
    )
    decoder = [
        *_dense_layers(layers, (*reversed(HIDDEN_MAP), rows * columns)),
        layers.Reshape((rows // 4, columns // 4, 16)),
        convolution(16, 2, up=True),
        _normalisation(layers),
        convolution(32, 3, up=True),
        convolution(32, 2, up=True),
        _normalisation(layers),
        layers.Conv2D(1, 3, padding="same", activation="linear"),
    ]
    return _assemble(keras, encoder, decoder, shape, (rows, columns, 1))


def _dense(shape: Shape, latent: int) -> Autoencoder:
    keras = import_keras()
    layers = keras.layers
    bins = prod(shape)

    encoder = keras.Sequential(
        [keras.Input((bins,)), *_dense_layers(layers, HIDDEN_CUBE), _bottleneck(keras, latent)], name="encoder"
    )
    decoder = [*_dense_layers(layers, tuple(reversed(HIDDEN_CUBE))), layers.Dense(bins, activation="linear")]
    return _assemble(keras, encoder, decoder, shape, (bins,))


def _normalisation(layers: Any) -> Any:
    return layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON)


def _dense_layers(layers: Any, units: tuple[int, ...]) -> list[Any]:
    return [
        layers.Dense(count, activation=layers.LeakyReLU(negative_slope=SLOPE), kernel_initializer="he_normal")
        for count in units
    ]


def _bottleneck(keras: Any, latent: int, weight: float = 0.0) -> Any:
    return keras.layers.Dense(
        latent,
        activation=keras.layers.LeakyReLU(negative_slope=SLOPE),
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(weight) if weight else None,
        name="bottleneck",
    )


def _assemble(keras: Any, encoder: Any, decoder: list[Any], shape: Shape, input_shape: Shape) -> Autoencoder:
    model = keras.Sequential([keras.Input(input_shape), encoder, *decoder], name="autoencoder")
    return Autoencoder(model, encoder, shape, input_shape)


def convert_network(encoder: keras.Model, shape: Shape) -> Network:
    """Convert a Keras encoder.

    Parameters
    ----------
    encoder : keras.Model
        From `build_autoencoder`.
    shape : tuple of int
        Shape of one source's array.
    """
    return Network(shape, tuple(encoder.input_shape[1:]), tuple(_convert_layer(layer) for layer in encoder.layers))


def _convert_layer(layer: Any) -> Layer:
    kind = type(layer).__name__
    weights = [np.asarray(weight, np.float32) for weight in layer.get_weights()]
    if kind == "Conv2D":
        kernel, bias = weights
        return Conv2D(kernel, bias, tuple(layer.strides), layer.padding, _get_slope(layer.activation))
    if kind == "Dense":
        kernel, bias = weights
        return Dense(kernel, bias, _get_slope(layer.activation))
    if kind == "BatchNormalization":
        gamma, beta, mean, variance = weights
        return BatchNormalization(gamma, beta, mean, variance, float(layer.epsilon))
    if kind == "LeakyReLU":
        return Activation(_get_slope(layer))
    if kind == "Flatten":
        return Flatten()
    raise ConfigError(f"layer {layer.name}: {kind} cannot be converted")


def _get_slope(activation: Any) -> float:
    slope = getattr(activation, "negative_slope", None)
    if slope is None and getattr(activation, "__name__", "") != "linear":
        raise ConfigError(f"activation {activation!r} cannot be converted")
    return 1.0 if slope is None else float(slope)
