"""Training an autoencoder on a population's representations; its encoder is what is kept.

Arrays go in as the road makes them, dense or CSR, brought to [0, 1]; a sparse one is written out a batch at a time.
What is watched is the error of the reconstruction on sources that are not trained on, and the weights that were best at
it are the ones that are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from xherald.photons.arrays import F32, I64
from xherald.photons.errors import ConfigError, ReferenceDataError

from .architectures import Autoencoder, autoencoder, keras_module, network_of
from .network import Network, Shape

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Trained", "TrainingSettings", "train"]


Values: TypeAlias = "F32 | csr_array"
Advance: TypeAlias = Callable[[int, int, str], object]

FEWEST: Final = 200
"""Sources to train on."""

MAP_BINS: Final = 24 * 16
"""Bins of a published map. What is made small is the error of the whole array in this unit, so that Adam's epsilon and
the term of the weights count alike however many bins there are."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How to train.

    Parameters
    ----------
    latent : int
        Features.
    epochs : int
        At most.
    patience : int
        Epochs without a gain on the validation sources after which training ends.
    batch : int
        Sources a step.
    learning_rate : float
        Of Adam (Kingma & Ba 2015) to begin with; falls to zero over the epochs as half a cosine (Loshchilov & Hutter
        2017), so that few epochs end where many would.
    validation : float
        Part of the sources that are not trained on.
    seed : int
        Of first weights, of order, and of which sources are for validation.
    half : bool
        Whether kernels are rounded to 16 bits in the end.

    Raises
    ------
    ConfigError
        A number out of its range.
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
        for name, least in (("latent", 1), ("epochs", 1), ("patience", 1), ("batch", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"training: {name} is {getattr(self, name)}; give {least} or more")
        if not 0 < self.validation < 1:
            raise ConfigError(f"training: validation is {self.validation}; give a part, between 0 and 1")
        if not 0 < self.learning_rate < np.inf:
            raise ConfigError(f"training: learning_rate is {self.learning_rate}; give a number above zero")


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """An encoder and how its training went.

    Parameters
    ----------
    network : Network
    loss, validation_loss : tuple of float
        Mean squared error of a bin after each epoch.
    best : int
        Epoch whose weights were kept, from 0.
    baseline : float
        Validation loss of giving back the mean of the training sources, whatever comes.
    sources : tuple of int
        Trained on, and validated on.
    """

    network: Network
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    best: int
    baseline: float
    sources: tuple[int, int]


def train(
    values: Values, shape: Shape, settings: TrainingSettings, advance: Advance = lambda _done, _most, _line: None
) -> Trained:
    """Train an autoencoder.

    With one seed, on one machine, the weights come out the same.

    Parameters
    ----------
    values : ndarray or csr_array
        Dense of shape (n, *shape), or CSR of shape (n, product of shape), between 0 and 1.
    shape : tuple of int
    settings : TrainingSettings
    advance : callable, optional
        Told after each batch how many were done, how many there are at most, and where training stands.

    Raises
    ------
    ReferenceDataError
        Too few sources, values that are not between 0 and 1, or a loss that is not finite.
    ConfigError
        Keras is not installed.
    """
    n, bins = values.shape[0], prod(shape)
    _refuse(values, shape)
    held = round(n * settings.validation)
    if min(n, held * 10) < FEWEST:
        raise ReferenceDataError(
            f"{n} sources, {held} of them for validation: an encoder needs {FEWEST}, with {FEWEST // 10} for validation"
        )
    order = np.random.default_rng(settings.seed).permutation(n)
    fitted, kept = np.sort(order[held:]), np.sort(order[:held])
    flat: Values = values.reshape(n, bins) if isinstance(values, np.ndarray) else values
    keras = keras_module()
    keras.utils.set_random_seed(settings.seed)
    model = autoencoder(shape, settings.latent)
    history = _fit(keras, model, flat, fitted, kept, settings, advance)
    network = network_of(model.encoder, shape)
    validation = history["val_mean_squared_error"]
    return Trained(
        network=network.rounded() if settings.half else network,
        loss=tuple(history["mean_squared_error"]),
        validation_loss=tuple(validation),
        best=int(np.argmin(validation)),
        baseline=_baseline(flat, fitted, kept),
        sources=(len(fitted), len(kept)),
    )


def _refuse(values: Values, shape: Shape) -> None:
    dense = isinstance(values, np.ndarray)
    expected = shape if dense else (prod(shape),)
    if values.shape[1:] != expected:
        raise ReferenceDataError(f"arrays of shape {values.shape[1:]}, not {expected}")
    data = values if isinstance(values, np.ndarray) else values.data
    if data.size and not (data.min() >= 0 and data.max() <= 1):
        raise ReferenceDataError("values that are not between 0 and 1; use a representation that is normalised")


def _fit(
    keras: Any,
    model: Autoencoder,
    flat: Values,
    fitted: I64,
    kept: I64,
    settings: TrainingSettings,
    advance: Advance,
) -> dict[str, list[float]]:
    """Losses by epoch; the model has its best weights then."""
    steps = -(-len(fitted) // settings.batch) * settings.epochs
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.model.compile(
        optimizer=keras.optimizers.Adam(rate),
        loss="mse",
        loss_weights=[prod(model.shape) / MAP_BINS],
        metrics=["mean_squared_error"],
    )
    watched = {"monitor": "val_mean_squared_error", "mode": "min"}
    batches = _batches(keras)
    fit = model.model.fit(
        batches(flat, fitted, model.input_shape, settings.batch, np.random.default_rng(settings.seed)),
        validation_data=batches(flat, kept, model.input_shape, settings.batch),
        epochs=settings.epochs,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(**watched, patience=settings.patience, restore_best_weights=True),
            keras.callbacks.TerminateOnNaN(),
            _reporter(keras, advance, settings),
        ],
    )
    history: dict[str, list[float]] = {name: [float(x) for x in losses] for name, losses in fit.history.items()}
    losses = np.array([history["mean_squared_error"], history["val_mean_squared_error"]])
    if not np.isfinite(losses).all():
        epoch = int(np.flatnonzero(~np.isfinite(losses).all(axis=0))[0]) + 1
        raise ReferenceDataError(
            f"training broke down in epoch {epoch}: the loss is not finite; lower the learning rate"
        )
    return history


def _batches(keras: Any) -> Any:
    """Class of datasets whose batches are written out when they are asked for."""

    class Batches(keras.utils.PyDataset):  # type: ignore[misc]
        """Batches of some sources, in a new order every epoch where they are given what draws it."""

        def __init__(
            self, flat: Values, chosen: I64, shape: Shape, size: int, random: np.random.Generator | None = None
        ) -> None:
            super().__init__()
            self._flat, self._chosen, self._shape, self._size, self._random = flat, chosen, shape, size, random
            self.on_epoch_end()

        def __len__(self) -> int:
            return -(-len(self._chosen) // self._size)

        def __getitem__(self, index: int) -> tuple[F32, F32]:
            rows = _written_out(self._flat, self._chosen[index * self._size : (index + 1) * self._size])
            batch = rows.reshape(-1, *self._shape)
            return batch, batch

        def on_epoch_end(self) -> None:
            if self._random is not None:
                self._chosen = self._random.permutation(self._chosen)

    return Batches


def _reporter(keras: Any, advance: Advance, settings: TrainingSettings) -> Any:
    """Keras callback that tells how training goes."""

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc]
        """Tells of batches done and of the last epoch's validation loss."""

        done = 0
        line = f"epoch 1 of {settings.epochs}"

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            self.done += 1
            advance(self.done, self.params["steps"] * settings.epochs, self.line)

        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            loss = (logs or {})["val_mean_squared_error"]
            self.line = f"epoch {epoch + 2} of {settings.epochs}, validation loss {loss:.5f}"

    return Reporter()


def _written_out(flat: Values, chosen: I64) -> F32:
    rows = flat[chosen]
    dense: F32 = rows if isinstance(rows, np.ndarray) else rows.toarray()
    return dense.astype(np.float32, copy=False)


def _baseline(flat: Values, fitted: I64, kept: I64) -> float:
    """Mean squared error of a bin, on sources kept, of the mean of those fitted; sparse arrays stay sparse."""
    mean = np.asarray(flat[fitted].sum(axis=0), np.float64).ravel() / len(fitted)
    rest = flat[kept]
    total = np.asarray(rest.sum(axis=0), np.float64).ravel()
    data = rest if isinstance(rest, np.ndarray) else rest.data
    squares = float(np.sum(np.square(data, dtype=np.float64)))
    return float((squares - 2 * total @ mean + len(kept) * mean @ mean) / (len(kept) * len(mean)))
