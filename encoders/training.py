"""Training of autoencoders on the representations of a population.

Arrays are dense or CSR, normalised to [0, 1]; sparse ones are expanded in batches. Training monitors the reconstruction
error on validation sources and keeps the weights of the best epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from xherald.photons.arrays import F32, I64
from xherald.photons.errors import ConfigError, ReferenceDataError

from .architectures import Autoencoder, build_autoencoder, convert_network, import_keras
from .network import Network, Shape

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["TrainingResult", "TrainingSettings", "train"]


Values: TypeAlias = "F32 | csr_array"
Advance: TypeAlias = Callable[[int, int, str], object]

MIN_SOURCES: Final = 200
"""Smallest number of sources."""

MAP_BINS: Final = 24 * 16
"""Bins of a published map. The loss is the error of the whole array in this unit, so that Adam's epsilon and the
regularisation have the same effect for any number of bins."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Settings of the training.

    Parameters
    ----------
    latent : int
        Number of features.
    epochs : int
        Largest number of epochs.
    patience : int
        Epochs without improvement on the validation sources after which training ends.
    batch : int
        Sources per step.
    learning_rate : float
        Initial learning rate of Adam (Kingma & Ba 2015), with cosine decay to zero over the epochs (Loshchilov & Hutter
        2017).
    validation : float
        Fraction of the sources used for validation.
    seed : int
        Seed of initial weights, order, and selection of validation sources.
    half : bool
        Whether to round kernels to 16 bits after training.

    Raises
    ------
    ConfigError
        A setting is out of range.
    """

    latent: int = 12
    epochs: int = 50
    patience: int = 5
    batch: int = 256
    learning_rate: float = 1e-3
    validation: float = 0.1
    seed: int = 1
    half: bool = False

    def __post_init__(self) -> None:
        for name, minimum in (("latent", 1), ("epochs", 1), ("patience", 1), ("batch", 1), ("seed", 0)):
            if getattr(self, name) < minimum:
                raise ConfigError(f"training: {name} is {getattr(self, name)}; it must be {minimum} or more")
        if not 0 < self.validation < 1:
            raise ConfigError(f"training: validation is {self.validation}; it must be between 0 and 1")
        if not 0 < self.learning_rate < np.inf:
            raise ConfigError(f"training: learning_rate is {self.learning_rate}; it must be above 0")


@dataclass(frozen=True, slots=True, eq=False)
class TrainingResult:
    """A trained encoder with its losses.

    Parameters
    ----------
    network : Network
    loss, validation_loss : tuple of float
        Mean squared error per bin after each epoch.
    best : int
        Index of the epoch whose weights were kept.
    baseline : float
        Validation loss of the mean of the training sources as reconstruction.
    sources : tuple of int
        Numbers of training and validation sources.
    """

    network: Network
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best: int
    baseline: float
    sources: tuple[int, int]


def train(
    values: Values, shape: Shape, settings: TrainingSettings, advance: Advance = lambda _done, _most, _line: None
) -> TrainingResult:
    """Train an autoencoder.

    Weights are reproducible for a seed on the same machine.

    Parameters
    ----------
    values : ndarray or csr_array
        Dense of shape (n, *shape), or CSR of shape (n, product of shape), between 0 and 1.
    shape : tuple of int
    settings : TrainingSettings
    advance : callable, optional
        Called after each batch with the number of batches done, their largest number, and a status line.

    Raises
    ------
    ReferenceDataError
        There are too few sources, values outside [0, 1], or a loss that is not finite.
    ConfigError
        Keras is not installed.
    """
    n, bins = values.shape[0], prod(shape)
    _validate(values, shape)
    n_validation = round(n * settings.validation)
    if min(n, n_validation * 10) < MIN_SOURCES:
        raise ReferenceDataError(
            f"{n} sources, {n_validation} of them for validation, are too few; "
            f"training needs {MIN_SOURCES}, {MIN_SOURCES // 10} of them for validation"
        )
    order = np.random.default_rng(settings.seed).permutation(n)
    training, validation = np.sort(order[n_validation:]), np.sort(order[:n_validation])
    flat: Values = values.reshape(n, bins) if isinstance(values, np.ndarray) else values
    keras = import_keras()
    keras.utils.set_random_seed(settings.seed)
    model = build_autoencoder(shape, settings.latent)
    history = _fit(keras, model, flat, training, validation, settings, advance)
    network = convert_network(model.encoder, shape)
    validation_loss = history["val_mean_squared_error"]
    return TrainingResult(
        network=network.round_kernels() if settings.half else network,
        loss=tuple(history["mean_squared_error"]),
        validation_loss=tuple(validation_loss),
        best=int(np.argmin(validation_loss)),
        baseline=_baseline(flat, training, validation),
        sources=(len(training), len(validation)),
    )


def _validate(values: Values, shape: Shape) -> None:
    dense = isinstance(values, np.ndarray)
    expected = shape if dense else (prod(shape),)
    if values.shape[1:] != expected:
        raise ReferenceDataError(f"arrays have shape {values.shape[1:]}, expected {expected}")
    data = values if isinstance(values, np.ndarray) else values.data
    if data.size and not (data.min() >= 0 and data.max() <= 1):
        raise ReferenceDataError("values are not between 0 and 1; use a normalised representation")


def _fit(
    keras: Any,
    model: Autoencoder,
    flat: Values,
    training: I64,
    validation: I64,
    settings: TrainingSettings,
    advance: Advance,
) -> dict[str, list[float]]:
    """Train the model, which then has its best weights; returns losses by epoch."""
    steps = -(-len(training) // settings.batch) * settings.epochs
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="mse",
        loss_weights=[prod(model.shape) / MAP_BINS],
        metrics=["mean_squared_error"],
    )
    monitor = {"monitor": "val_mean_squared_error", "mode": "min"}
    batches = _make_batch_class(keras)
    fit = model.model.fit(
        batches(flat, training, model.input_shape, settings.batch, np.random.default_rng(settings.seed)),
        validation_data=batches(flat, validation, model.input_shape, settings.batch),
        epochs=settings.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(**monitor, patience=settings.patience, restore_best_weights=True),
            keras.callbacks.TerminateOnNaN(),
            _make_reporter(keras, advance, settings),
        ],
    )
    history: dict[str, list[float]] = {name: [float(x) for x in losses] for name, losses in fit.history.items()}
    losses = np.array([history["mean_squared_error"], history["val_mean_squared_error"]])
    if not np.isfinite(losses).all():
        epoch = int(np.flatnonzero(~np.isfinite(losses).all(axis=0))[0]) + 1
        raise ReferenceDataError(
            f"training diverged in epoch {epoch}: the loss is not finite; decrease the learning rate"
        )
    return history


def _make_batch_class(keras: Any) -> Any:
    """Keras dataset class that expands batches on demand."""

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        """Batches of selected sources, shuffled every epoch if a generator is given."""

        def __init__(
            self, flat: Values, chosen: I64, shape: Shape, size: int, random: np.random.Generator | None = None
        ) -> None:
            super().__init__()
            self._flat, self._chosen, self._shape, self._size, self._random = flat, chosen, shape, size, random
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(self._chosen) // self._size)

        def __getitem__(self, index: int) -> tuple[F32, F32]:
            rows = _expand(self._flat, self._chosen[index * self._size : (index + 1) * self._size])
            batch = rows.reshape(-1, *self._shape)
            return batch, batch

        def on_epoch_end(self) -> None:
            if self._random is not None:
                self._chosen = self._random.permutation(self._chosen)

    return Batches


def _make_reporter(keras: Any, advance: Advance, settings: TrainingSettings) -> Any:
    """Keras callback for progress reports."""

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
        """Reports batches done and the last validation loss."""

        done = 0
        line = f"epoch 1 of {settings.epochs}"

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.done += 1
            advance(self.done, self.params["steps"] * settings.epochs, self.line)

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            loss = (logs or {})["val_mean_squared_error"]
            self.line = f"epoch {epoch + 2} of {settings.epochs}, validation loss {loss:.5f}"

    return Reporter()


def _expand(flat: Values, chosen: I64) -> F32:
    rows = flat[chosen]
    dense: F32 = rows if isinstance(rows, np.ndarray) else rows.toarray()
    return dense.astype(np.float32, copy=False)


def _baseline(flat: Values, training: I64, validation: I64) -> float:
    """Mean squared error per bin of the mean training source on the validation sources; sparse arrays stay sparse."""
    mean = np.asarray(flat[training].sum(axis=0), np.float64).ravel() / len(training)
    rest = flat[validation]
    total = np.asarray(rest.sum(axis=0), np.float64).ravel()
    data = rest if isinstance(rest, np.ndarray) else rest.data
    squares = float(np.sum(np.square(data, dtype=np.float64)))
    return float((squares - 2 * total @ mean + len(validation) * mean @ mean) / (len(validation) * len(mean)))
