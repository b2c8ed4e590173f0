"""Layers and weights of an encoder, stored as JSON and npz: `Network`.

`training` and `keras_import` create networks, `inference` runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F32
from xherald.photons.artefact_folders import load_arrays, load_json, new_artefact, save_arrays, save_json
from xherald.photons.errors import ArtefactError

__all__ = [
    "FILES",
    "KIND",
    "Activation",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "Flatten",
    "Layer",
    "Network",
    "load_network",
    "parse_finite",
    "save_network",
    "write_encoder",
]


KIND: Final = "encoder"
"""Kind of artefact in the manifest."""

LAYERS_FILE: Final = "encoder.json"
WEIGHTS_FILE: Final = "weights.npz"
FILES: Final = (LAYERS_FILE, WEIGHTS_FILE)
"""Files of an encoder folder besides the manifest."""

FORMAT: Final = 1
"""Version of the layer list."""

MAX_WEIGHTS: Final = 100_000_000
"""Largest number of weights of a network."""

MAX_FLOAT32: Final = float(np.finfo(np.float32).max)

Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Conv2D:
    """Convolution over the first two axes of (rows, columns, channels), then a leaky rectifier.

    Parameters
    ----------
    kernel : ndarray, shape (height, width, channels, filters), float32
    bias : ndarray, shape (filters,), float32
    stride : tuple of int
    padding : "same" or "valid"
        As in TensorFlow: an odd number of cells has the larger part at the end.
    negative_slope : float
        Factor of negative values: 1 for a linear activation, 0 for the plain rectifier.
    """

    kind: ClassVar[str] = "conv2d"
    weights: ClassVar[tuple[str, ...]] = ("kernel", "bias")
    settings: ClassVar[tuple[str, ...]] = ("stride", "padding", "negative_slope")

    kernel: F32
    bias: F32
    stride: tuple[int, int] = (1, 1)
    padding: Literal["same", "valid"] = "same"
    negative_slope: float = 1.0

    def shape_after(self, shape: Shape) -> Shape:
        """Shape of one source's values after this layer."""
        if self.padding not in ("same", "valid"):
            raise ArtefactError(f"padding {self.padding!r} is not supported, only 'same' and 'valid'")
        if len(self.stride) != 2 or not all(type(step) is int and step >= 1 for step in self.stride):
            raise ArtefactError(f"stride {self.stride} is not a pair of positive integers")
        if self.kernel.ndim != 4 or self.bias.shape != self.kernel.shape[3:]:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} does not match bias of shape {self.bias.shape}")
        if len(shape) != 3 or shape[2] != self.kernel.shape[2]:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} does not match values of shape {shape}")
        sides = [
            -(-size // step) if self.padding == "same" else (size - taps) // step + 1
            for size, taps, step in zip(shape[:2], self.kernel.shape[:2], self.stride, strict=True)
        ]
        if min(sides) < 1:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} is larger than values of shape {shape}")
        return (*sides, self.kernel.shape[3])

    def pad_before(self, shape: Shape) -> tuple[int, int]:
        """Numbers of zero rows above and zero columns left of the values."""
        down, across = self._padded(shape)
        return down // 2, across // 2

    def is_padded(self, shape: Shape) -> bool:
        """Whether the values are padded."""
        return any(self._padded(shape))

    def _padded(self, shape: Shape) -> list[int]:
        if self.padding == "valid":
            return [0, 0]
        return [
            max((-(-size // step) - 1) * step + taps - size, 0)
            for size, taps, step in zip(shape[:2], self.kernel.shape[:2], self.stride, strict=True)
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Dense:
    """Matrix product, then a leaky rectifier.

    Parameters
    ----------
    kernel : ndarray, shape (inputs, units), float32
    bias : ndarray, shape (units,), float32
    negative_slope : float
        See `Conv2D`.
    """

    kind: ClassVar[str] = "dense"
    weights: ClassVar[tuple[str, ...]] = ("kernel", "bias")
    settings: ClassVar[tuple[str, ...]] = ("negative_slope",)

    kernel: F32
    bias: F32
    negative_slope: float = 1.0

    def shape_after(self, shape: Shape) -> Shape:
        """Shape of one source's values after this layer."""
        if self.kernel.ndim != 2 or self.bias.shape != self.kernel.shape[1:]:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} does not match bias of shape {self.bias.shape}")
        if shape != self.kernel.shape[:1]:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} does not match values of shape {shape}")
        return (self.kernel.shape[1],)


@dataclass(frozen=True, slots=True, eq=False)
class BatchNormalization:
    """Normalisation of each channel: ``gamma (x - mean) / sqrt(variance + epsilon) + beta``.

    Parameters
    ----------
    gamma, beta, mean, variance : ndarray, shape (channels,), float32
    epsilon : float
    """

    kind: ClassVar[str] = "batch_normalization"
    weights: ClassVar[tuple[str, ...]] = ("gamma", "beta", "mean", "variance")
    settings: ClassVar[tuple[str, ...]] = ("epsilon",)

    gamma: F32
    beta: F32
    mean: F32
    variance: F32
    epsilon: float = 1e-3

    def shape_after(self, shape: Shape) -> Shape:
        """Shape of one source's values after this layer."""
        for name in self.weights:
            if getattr(self, name).shape != shape[-1:]:
                raise ArtefactError(
                    f"{name} of shape {getattr(self, name).shape} does not match values of shape {shape}"
                )
        if not self.epsilon >= 0 or not np.all(self.variance + self.epsilon > 0):
            raise ArtefactError("negative variance")
        return shape


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """A leaky rectifier; see `Conv2D` for ``negative_slope``."""

    kind: ClassVar[str] = "activation"
    weights: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ("negative_slope",)

    negative_slope: float = 1.0

    def shape_after(self, shape: Shape) -> Shape:
        """Shape of one source's values after this layer."""
        return shape


@dataclass(frozen=True, slots=True, eq=False)
class Flatten:
    """Flattening of values in C order."""

    kind: ClassVar[str] = "flatten"
    weights: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ()

    def shape_after(self, shape: Shape) -> Shape:
        """Shape of one source's values after this layer."""
        return (prod(shape),)


Layer: TypeAlias = Conv2D | Dense | BatchNormalization | Activation | Flatten

KINDS: Final[Mapping[str, type[Layer]]] = {
    kind.kind: kind for kind in (Conv2D, Dense, BatchNormalization, Activation, Flatten)
}


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A sequence of layers.

    Parameters
    ----------
    shape : tuple of int
        Shape of one source's array, as in the representation.
    input_shape : tuple of int
        Shape of the same values for the first layer: (rows, columns, channels) or (bins,).
    layers : tuple of Layer

    Raises
    ------
    ArtefactError
        A layer does not match the previous one, a weight is not finite, or the output is not one-dimensional.
    """

    shape: Shape
    input_shape: Shape
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        for shape in (self.shape, self.input_shape):
            if not shape or not all(type(size) is int and 1 <= size <= MAX_WEIGHTS for size in shape):
                raise ArtefactError(f"encoder: input shape {shape} is invalid")
        if prod(self.shape) != prod(self.input_shape):
            raise ArtefactError(
                f"encoder: arrays of shape {self.shape} do not match the first layer with {self.input_shape}"
            )
        if not self.weights:
            raise ArtefactError("encoder: no layer has weights")
        shape = self.input_shape
        for index, layer in enumerate(self.layers):
            where = f"encoder: layer {index} ({layer.kind})"
            try:
                shape = layer.shape_after(shape)
            except ArtefactError as error:
                raise ArtefactError(f"{where}: {error}") from error
            for name in layer.weights:
                if not np.isfinite(getattr(layer, name)).all():
                    raise ArtefactError(f"{where}: {name} has values that are not finite; train or export it again")
        if len(shape) != 1:
            raise ArtefactError(f"encoder: output of shape {shape} is not one-dimensional")

    @property
    def latent(self) -> int:
        """Number of features."""
        return self.shapes[-1][0]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape of one source's values before the first layer, and after each."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.shape_after(shapes[-1]))
        return tuple(shapes)

    @property
    def weights(self) -> int:
        """Number of weights."""
        return sum(getattr(layer, name).size for layer in self.layers for name in layer.weights)

    def round_kernels(self) -> Network:
        """The same network with kernels rounded to 16 bits, which need half the space."""
        return replace(self, layers=tuple(_round_kernel(layer) for layer in self.layers))


def write_encoder(folder: Path, network: Network, about: Mapping[str, Any]) -> None:
    """Write an encoder folder.

    Parameters
    ----------
    folder : Path
        Must not exist.
    network : Network
    about : mapping
        JSON-serializable facts about its origin; shapes and sizes are added.

    Raises
    ------
    ArtefactError
        The folder exists, or cannot be written.
    """
    with new_artefact(folder, KIND) as (part, facts):
        save_network(network, part)
        facts.update(
            version=version("xherald"),
            shape=list(network.shape),
            latent=network.latent,
            weights=network.weights,
            **about,
        )


def save_network(network: Network, folder: Path) -> None:
    """Write the files of a network to an existing folder."""
    layers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(network.layers):
        layers.append({"kind": layer.kind, **{name: getattr(layer, name) for name in layer.settings}})
        arrays |= {f"{index}.{name}": _compress(getattr(layer, name)) for name in layer.weights}
    shapes = {"shape": list(network.shape), "input_shape": list(network.input_shape)}
    save_json(folder / LAYERS_FILE, {"form": FORMAT, **shapes, "layers": layers})
    save_arrays(folder / WEIGHTS_FILE, **arrays)


def load_network(folder: Path) -> Network:
    """Load a network written by `save_network`.

    Raises
    ------
    ArtefactError
        The files are invalid.
    """
    path = folder / LAYERS_FILE
    content = load_json(path)
    if content.get("form") != FORMAT:
        raise ArtefactError(
            f"{path}: encoder format {content.get('form')!r} is not supported, only {FORMAT}; create it again"
        )
    shape, input_shape, listed = (content.get(name) for name in ("shape", "input_shape", "layers"))
    if not isinstance(shape, list) or not isinstance(input_shape, list) or not isinstance(listed, list):
        raise ArtefactError(f"{path}: lacks shape, input_shape or layers; create the encoder again")
    arrays = load_arrays(folder / WEIGHTS_FILE)
    try:
        layers = tuple(_parse_layer(index, facts, arrays) for index, facts in enumerate(listed))
        network = Network(tuple(shape), tuple(input_shape), layers)
    except ArtefactError as error:
        raise ArtefactError(f"{folder}: {error}") from error
    if stray := sorted(arrays):
        raise ArtefactError(
            f"{folder / WEIGHTS_FILE}: array {stray[0]} does not belong to a layer; create the encoder again"
        )
    return network


def parse_finite(value: object) -> float | None:
    """Value as a float; None if it is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MAX_FLOAT32:
        return None
    return float(value)


def _parse_layer(index: int, facts: object, arrays: dict[str, NDArray[Any]]) -> Layer:
    """Parse one layer, and remove its weights from the arrays."""
    where = f"encoder: layer {index}"
    if not isinstance(facts, dict) or not isinstance(facts.get("kind"), str) or facts["kind"] not in KINDS:
        raise ArtefactError(f"{where}: unknown kind of layer; supported: {', '.join(KINDS)}")
    kind = KINDS[facts["kind"]]
    if set(facts) != {"kind", *kind.settings}:
        raise ArtefactError(
            f"{where} ({kind.kind}): settings {sorted(set(facts) - {'kind'})}, expected {kind.settings}"
        )
    values: dict[str, Any] = {}
    for name in kind.settings:
        value = tuple(facts[name]) if isinstance(facts[name], list) else facts[name]
        if name in ("negative_slope", "epsilon"):
            value = parse_finite(value)
            if value is None:
                raise ArtefactError(f"{where} ({kind.kind}): {name} is {facts[name]!r}, expected a finite number")
        values[name] = value
    for name in kind.weights:
        array = arrays.pop(f"{index}.{name}", None)
        if array is None or array.dtype not in (np.float16, np.float32):
            raise ArtefactError(f"{where} ({kind.kind}): has no 32-bit or 16-bit {name}; create the encoder again")
        values[name] = array.astype(np.float32)
    return kind(**values)


def _round_kernel(layer: Layer) -> Layer:
    if not isinstance(layer, Conv2D | Dense):
        return layer
    with np.errstate(over="ignore"):
        kernel = layer.kernel.astype(np.float16).astype(np.float32)
    return replace(layer, kernel=kernel)


def _compress(weights: F32) -> NDArray[np.floating[Any]]:
    """Weights with 16 bits if that is exact."""
    with np.errstate(over="ignore"):
        half = weights.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), weights) else weights
