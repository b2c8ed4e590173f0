"""Autoencoders to train, as Keras models, and the way from their encoders to `Network`.

Convolutional for E–t maps, as the published encoder is (Dillmann et al. 2025, MNRAS 537, 931); its decoder, of which no
file was published, is its mirror. Dense for E–t–dt cubes. TensorFlow is imported by what is called, never before.
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

__all__ = ["Autoencoder", "autoencoder", "keras_module", "network_of"]

SLOPE: Final = 0.1
"""Of all leaky rectifiers; this and what follows is in the published file's own model configuration."""

MOMENTUM: Final = 0.9
EPSILON: Final = 1e-3
"""Of the batch normalisations."""

BOTTLENECK_L2: Final = 1e-4
"""Weight of the squared weights of a map encoder's last layer in the loss. The published file says 0.1: with that,
in a trial on 18,000 maps, most of the loss was these weights for the first seven epochs."""

HIDDEN_MAP: Final = (192, 48)
HIDDEN_CUBE: Final = (256,)
"""Units of the dense layers before the features. A cube gets one: its few photons are mostly noise, and with two or
three in a row (256, 64; 256, 128, 64) the reconstruction is worse after the same number of steps, 5 % below the error
of the mean cube instead of 7 %."""


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """A model that gives back what it is given, and the part of it that makes features.

    Parameters
    ----------
    model, encoder : keras.Model
    shape : tuple of int
        Of one source's array.
    input_shape : tuple of int
        Of the same values for the models.
    """

    model: keras.Model
    encoder: keras.Model
    shape: Shape
    input_shape: Shape


def keras_module() -> Any:
    """Keras on TensorFlow, its chatter silenced.

    Raises
    ------
    ConfigError
        They are not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        import keras
        import tensorflow as tf
    except ImportError as fault:
        raise ConfigError(
            f"{fault.name or 'tensorflow'} is not installed, and encoders are trained with it: "
            "pip install 'xherald[train]'"
        ) from fault
    # It cannot fuse leaky rectifiers, and says so on standard error each time it tries.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    return keras


def autoencoder(shape: Shape, latent: int) -> Autoencoder:
    """Autoencoder for arrays of a shape: convolutional for maps, dense for all others.

    Parameters
    ----------
    shape : tuple of int
        Of one source's array.
    latent : int
        Features.

    Raises
    ------
    ConfigError
        A map whose sides the two strides of 2 do not divide, or Keras is not installed.
    """
    if latent < 1:
        raise ConfigError(f"latent: {latent} features; give 1 or more")
    if len(shape) != 2:
        return _dense(shape, latent)
    if any(size % 4 for size in shape):
        raise ConfigError(f"maps of shape {shape}: the convolutions need sides that 4 divides")
    return _convolutional(shape, latent)


def _convolutional(shape: Shape, latent: int) -> Autoencoder:
    keras = keras_module()
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
    return _joined(keras, encoder, decoder, shape, (rows, columns, 1))


def _dense(shape: Shape, latent: int) -> Autoencoder:
    keras = keras_module()
    layers = keras.layers
    bins = prod(shape)

    encoder = keras.Sequential(
        [keras.Input((bins,)), *_dense_layers(layers, HIDDEN_CUBE), _bottleneck(keras, latent)], name="encoder"
    )
    decoder = [*_dense_layers(layers, tuple(reversed(HIDDEN_CUBE))), layers.Dense(bins, activation="linear")]
    return _joined(keras, encoder, decoder, shape, (bins,))


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


def _joined(keras: Any, encoder: Any, decoder: list[Any], shape: Shape, input_shape: Shape) -> Autoencoder:
    model = keras.Sequential([keras.Input(input_shape), encoder, *decoder], name="autoencoder")
    return Autoencoder(model, encoder, shape, input_shape)


def network_of(encoder: keras.Model, shape: Shape) -> Network:
    """A Keras encoder's layers and weights.

    Parameters
    ----------
    encoder : keras.Model
        As `autoencoder` makes them.
    shape : tuple of int
        Of one source's array.
    """
    return Network(shape, tuple(encoder.input_shape[1:]), tuple(_layer_of(layer) for layer in encoder.layers))


def _layer_of(layer: Any) -> Layer:
    kind = type(layer).__name__
    weights = [np.asarray(weight, np.float32) for weight in layer.get_weights()]
    if kind == "Conv2D":
        kernel, bias = weights
        return Conv2D(kernel, bias, tuple(layer.strides), layer.padding, _slope_of(layer.activation))
    if kind == "Dense":
        kernel, bias = weights
        return Dense(kernel, bias, _slope_of(layer.activation))
    if kind == "BatchNormalization":
        gamma, beta, mean, variance = weights
        return BatchNormalization(gamma, beta, mean, variance, float(layer.epsilon))
    if kind == "LeakyReLU":
        return Activation(_slope_of(layer))
    if kind == "Flatten":
        return Flatten()
    raise ConfigError(f"layer {layer.name}: {kind} is none that an encoder can be exported with")


def _slope_of(activation: Any) -> float:
    slope = getattr(activation, "negative_slope", None)
    if slope is None and getattr(activation, "__name__", "") != "linear":
        raise ConfigError(f"activation {activation!r} is none that an encoder can be exported with")
    return 1.0 if slope is None else float(slope)
