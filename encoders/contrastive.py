"""Supervised contrastive training: sources of a class are brought together, others apart, over changed copies of each.

The loss is that of Khosla et al. 2020 (NeurIPS 33, 18661, eq. 2) with negative squared Euclidean distances for the
similarities, since neighbours in a reference are found by Euclidean distance; it is the sum of one over classes and one
over kinds of variability. Copies differ in what a look-alike may differ in: brightness, background, response, column,
time scale, and the part of the event in the exposure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import I64
from xherald.photons.errors import ConfigError, ReferenceDataError

from .architectures import SLOPE, convert_network, import_keras
from .network import Network

__all__ = ["ContrastiveResult", "ContrastiveSettings", "train_contrastive"]

Advance: TypeAlias = Callable[[int, int, str], object]

HIDDEN: Final = (384, 192)
"""Units of the dense layers before the features."""

UNLABELLED: Final = -1

FEATURE_PENALTY: Final = 1e-3
"""Weight of the mean squared norm of the features in the loss, which keeps their scale from growing without end."""


@dataclass(frozen=True, slots=True)
class ContrastiveSettings:
    """Settings of the training.

    Parameters
    ----------
    latent : int — number of features
    epochs : int — passes over the sources, each with one copy of every source
    batch : int — sources per step
    learning_rate : float — of Adam, initially, with cosine decay to zero
    temperature : float — squared distance that reduces the similarity by a factor of e
    kind_weight : float — weight of the loss over kinds, relative to that over classes
    dropout : float — part of the inputs that are replaced by those of no change in each step
    validation : float — fraction of the sources used for validation
    seed : int
    half : bool — round kernels to 16 bits after training
    """

    latent: int = 16
    epochs: int = 80
    batch: int = 1024
    learning_rate: float = 2e-3
    temperature: float = 1.0
    kind_weight: float = 1.0
    dropout: float = 0.05
    validation: float = 0.1
    seed: int = 1
    half: bool = True

    def __post_init__(self) -> None:
        for name, least in (("latent", 1), ("epochs", 1), ("batch", 8), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"training: {name} is {getattr(self, name)}; it must be {least} or more")
        for name in ("dropout", "validation"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"training: {name} is {getattr(self, name)}; it must be from 0 to below 1")
        for name in ("learning_rate", "temperature"):
            if not 0 < getattr(self, name) < np.inf:
                raise ConfigError(f"training: {name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True, slots=True, eq=False)
class ContrastiveResult:
    """A trained encoder with its losses by epoch."""

    network: Network
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    sources: tuple[int, int]


def train_contrastive(
    views: NDArray[np.floating[Any]],
    classes: I64,
    kinds: I64,
    settings: ContrastiveSettings,
    advance: Advance = lambda _done, _most, _line: None,
) -> ContrastiveResult:
    """Train an encoder.

    Parameters
    ----------
    views : ndarray, shape (copies, n, values), float16 or float32 — copies of each source, between 0 and 1
    classes, kinds : ndarray, shape (copies, n), int64 — labels of each copy; -1 for none, where the event was lost
    settings : ContrastiveSettings
    advance : callable, optional — called after each epoch with those done, their number, and a status line

    Raises
    ------
    ReferenceDataError
        The loss is not finite.
    ConfigError
        Keras is not installed.
    """
    keras = import_keras()
    import tensorflow as tf

    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    copies, n, width = views.shape
    order = rng.permutation(n)
    split = round(n * settings.validation)
    held_out, used = order[:split], order[split:]
    model = _build(keras, width, settings.latent)
    steps = -(-len(used) // settings.batch) * settings.epochs
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps))

    def loss_of(x: Any, own: Any, kind: Any, training: bool) -> Any:
        features = model(x, training=training)
        total = _loss(tf, features, own, settings.temperature)
        total += settings.kind_weight * _loss(tf, features, kind, settings.temperature)
        return total + FEATURE_PENALTY * tf.reduce_mean(tf.reduce_sum(features * features, axis=1))

    @tf.function(reduce_retracing=True)
    def step(x: Any, own: Any, kind: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss_of(x, own, kind, True)
        optimizer.apply_gradients(
            zip(tape.gradient(value, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return value

    losses, validation = [], []
    for epoch in range(settings.epochs):
        found = []
        shuffled = rng.permutation(used)
        for first in range(0, len(shuffled), settings.batch):
            rows = shuffled[first : first + settings.batch]
            copy = rng.integers(0, copies, len(rows))
            x = views[copy, rows].astype(np.float32)
            x[rng.random(x.shape) < settings.dropout] = 0.5
            found.append(float(step(x, classes[copy, rows], kinds[copy, rows])))
        losses.append(float(np.mean(found)))
        if len(held_out):
            validation.append(
                float(loss_of(views[0, held_out].astype(np.float32), classes[0, held_out], kinds[0, held_out], False))
            )
        if not np.isfinite(losses[-1]):
            raise ReferenceDataError(f"training diverged in epoch {epoch + 1}; decrease the learning rate")
        line = f", validation {validation[-1]:.3f}" if validation else ""
        advance(epoch + 1, settings.epochs, f"loss {losses[-1]:.3f}{line}")
    network = convert_network(model, (width,))
    return ContrastiveResult(
        network.round_kernels() if settings.half else network,
        tuple(losses),
        tuple(validation),
        (len(used), len(held_out)),
    )


def _build(keras: Any, width: int, latent: int) -> Any:
    layers = keras.layers
    dense = [layers.Dense(units, activation=layers.LeakyReLU(negative_slope=SLOPE)) for units in HIDDEN]
    return keras.Sequential([keras.Input((width,)), *dense, layers.Dense(latent)], name="encoder")


def _loss(tf: Any, features: Any, labels: Any, temperature: float) -> Any:
    """Mean over labelled sources of −log of the share of each other of their class among all others.

    Sources weigh as the inverse root of the number in their class, so that the steady ones do not decide.
    """
    labels = tf.cast(labels, tf.int32)
    norm = tf.reduce_sum(features * features, axis=1)
    squared = tf.maximum(norm[:, None] + norm[None, :] - 2.0 * tf.matmul(features, features, transpose_b=True), 0.0)
    known = tf.not_equal(labels, UNLABELLED)
    other = tf.cast(tf.logical_not(tf.eye(tf.shape(labels)[0], dtype=tf.bool)) & known[None, :], tf.float32)
    logits = -squared / temperature - 1e9 * (1.0 - other)
    log_share = logits - tf.reduce_logsumexp(logits, axis=1, keepdims=True)
    same = tf.cast(tf.equal(labels[:, None], labels[None, :]), tf.float32) * other
    number = tf.reduce_sum(same, axis=1)
    each = tf.math.divide_no_nan(tf.reduce_sum(same * tf.maximum(log_share, -1e4), axis=1), number)
    counted = tf.math.divide_no_nan(tf.cast(known, tf.float32), tf.sqrt(number))
    return -tf.math.divide_no_nan(tf.reduce_sum(each * counted), tf.reduce_sum(counted))
