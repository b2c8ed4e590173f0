"""An encoder as data: its layers and their weights, checked against each other, kept as JSON and npz.

What is trained (`training`) and what is imported (`importing`) ends here; what runs it (`inference`) begins here.
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
    "finite_number",
    "load_network",
    "save_network",
    "write_encoder",
]


KIND: Final = "encoder"
"""Kind of an encoder's artefact, in its manifest."""

LAYERS_FILE: Final = "encoder.json"
WEIGHTS_FILE: Final = "weights.npz"
FILES: Final = (LAYERS_FILE, WEIGHTS_FILE)
"""What an encoder's folder holds beside its manifest."""

FORM: Final = 1
"""Version of the layer list."""

MAX_WEIGHTS: Final = 100_000_000
"""Weights that a network may have; a file that claims more is not an encoder of photon lists."""

LARGEST: Final = float(np.finfo(np.float32).max)

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
        As TensorFlow pads: of an odd number of cells, the greater part at the end.
    negative_slope : float
        What values below zero are multiplied by: 1 leaves all as they are, 0 is the plain rectifier.
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
            raise ArtefactError(f"padding {self.padding!r}; there are 'same' and 'valid'")
        if len(self.stride) != 2 or not all(type(step) is int and step >= 1 for step in self.stride):
            raise ArtefactError(f"stride {self.stride}; give two whole numbers above zero")
        if self.kernel.ndim != 4 or self.bias.shape != self.kernel.shape[3:]:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} with a bias of shape {self.bias.shape}")
        if len(shape) != 3 or shape[2] != self.kernel.shape[2]:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} on values of shape {shape}")
        sides = [
            -(-size // step) if self.padding == "same" else (size - taps) // step + 1
            for size, taps, step in zip(shape[:2], self.kernel.shape[:2], self.stride, strict=True)
        ]
        if min(sides) < 1:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} is larger than values of shape {shape}")
        return (*sides, self.kernel.shape[3])

    def pad_before(self, shape: Shape) -> tuple[int, int]:
        """Rows above and columns left of the values that count as zeros."""
        down, across = self._padded(shape)
        return down // 2, across // 2

    def is_padded(self, shape: Shape) -> bool:
        """Whether any cell beyond the values is looked at."""
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
            raise ArtefactError(f"kernel of shape {self.kernel.shape} with a bias of shape {self.bias.shape}")
        if shape != self.kernel.shape[:1]:
            raise ArtefactError(f"kernel of shape {self.kernel.shape} on values of shape {shape}")
        return (self.kernel.shape[1],)


@dataclass(frozen=True, slots=True, eq=False)
class BatchNormalization:
    """Values of each channel scaled by what training saw: ``gamma (x - mean) / sqrt(variance + epsilon) + beta``.

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
                raise ArtefactError(f"{name} of shape {getattr(self, name).shape} on values of shape {shape}")
        if not self.epsilon >= 0 or not np.all(self.variance + self.epsilon > 0):
            raise ArtefactError("variance below zero")
        return shape


@dataclass(frozen=True, slots=True, eq=False)
class Activation:
    """A leaky rectifier of its own; see `Conv2D` for ``negative_slope``."""

    kind: ClassVar[str] = "activation"
    weights: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ("negative_slope",)

    negative_slope: float = 1.0

    def shape_after(self, shape: Shape) -> Shape:
        """Shape of one source's values after this layer."""
        return shape


@dataclass(frozen=True, slots=True, eq=False)
class Flatten:
    """Values in a row, the last axis fastest."""

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
    """Layers one after another.

    Parameters
    ----------
    shape : tuple of int
        Of one source's array, as its representation gives it.
    input_shape : tuple of int
        Of the same values for the first layer: (rows, columns, channels), or (bins,).
    layers : tuple of Layer

    Raises
    ------
    ArtefactError
        A layer does not fit on the one before, has a weight that is not finite, or the last does not give a row of
        features.
    """

    shape: Shape
    input_shape: Shape
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        for shape in (self.shape, self.input_shape):
            if not shape or not all(type(size) is int and 1 <= size <= MAX_WEIGHTS for size in shape):
                raise ArtefactError(f"encoder: input of shape {shape}; give whole numbers above zero")
        if prod(self.shape) != prod(self.input_shape):
            raise ArtefactError(f"encoder: arrays of shape {self.shape} for a first layer of {self.input_shape}")
        if not self.weights:
            raise ArtefactError("encoder: has no layer with weights")
        shape = self.input_shape
        for index, layer in enumerate(self.layers):
            where = f"encoder: layer {index} ({layer.kind})"
            try:
                shape = layer.shape_after(shape)
            except ArtefactError as fault:
                raise ArtefactError(f"{where}: {fault}") from fault
            for name in layer.weights:
                if not np.isfinite(getattr(layer, name)).all():
                    raise ArtefactError(f"{where}: {name} holds values that are not finite; train or export it anew")
        if len(shape) != 1:
            raise ArtefactError(f"encoder: gives values of shape {shape}; the last layer must give a row of features")

    @property
    def latent(self) -> int:
        """Features a source."""
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

    def rounded(self) -> Network:
        """The same with kernels rounded to 16 bits, so that it takes half the space."""
        return replace(self, layers=tuple(_rounded(layer) for layer in self.layers))


def write_encoder(folder: Path, network: Network, about: Mapping[str, Any]) -> None:
    """Write an encoder's artefact.

    Parameters
    ----------
    folder : Path
        Must not exist.
    network : Network
    about : mapping
        Where it came from, in JSON's own types; shapes and sizes are added.

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
    """Write an encoder's two files into an existing folder."""
    layers: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for index, layer in enumerate(network.layers):
        layers.append({"kind": layer.kind, **{name: getattr(layer, name) for name in layer.settings}})
        arrays |= {f"{index}.{name}": _compact(getattr(layer, name)) for name in layer.weights}
    shapes = {"shape": list(network.shape), "input_shape": list(network.input_shape)}
    save_json(folder / LAYERS_FILE, {"form": FORM, **shapes, "layers": layers})
    save_arrays(folder / WEIGHTS_FILE, **arrays)


def load_network(folder: Path) -> Network:
    """Read what `save_network` wrote.

    Raises
    ------
    ArtefactError
        It is not what `save_network` wrote.
    """
    path = folder / LAYERS_FILE
    content = load_json(path)
    if content.get("form") != FORM:
        raise ArtefactError(f"{path}: form {content.get('form')!r} of encoder, where {FORM} is known; make it anew")
    shape, input_shape, listed = (content.get(name) for name in ("shape", "input_shape", "layers"))
    if not isinstance(shape, list) or not isinstance(input_shape, list) or not isinstance(listed, list):
        raise ArtefactError(f"{path}: lacks shape, input_shape or layers; make the encoder anew")
    arrays = load_arrays(folder / WEIGHTS_FILE)
    try:
        layers = tuple(_layer(index, facts, arrays) for index, facts in enumerate(listed))
        network = Network(tuple(shape), tuple(input_shape), layers)
    except ArtefactError as fault:
        raise ArtefactError(f"{folder}: {fault}") from fault
    if stray := sorted(arrays):
        raise ArtefactError(f"{folder / WEIGHTS_FILE}: array {stray[0]} belongs to no layer; make the encoder anew")
    return network


def finite_number(value: object) -> float | None:
    """A number that was read from JSON; None if it is none, or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST:
        return None
    return float(value)


def _layer(index: int, facts: object, arrays: dict[str, NDArray[Any]]) -> Layer:
    """One layer of the list, its weights taken out of the arrays."""
    where = f"encoder: layer {index}"
    if not isinstance(facts, dict) or not isinstance(facts.get("kind"), str) or facts["kind"] not in KINDS:
        raise ArtefactError(f"{where}: no layer of a known kind ({', '.join(KINDS)})")
    kind = KINDS[facts["kind"]]
    if set(facts) != {"kind", *kind.settings}:
        raise ArtefactError(f"{where} ({kind.kind}): settings {sorted(set(facts) - {'kind'})}, not {kind.settings}")
    values: dict[str, Any] = {}
    for name in kind.settings:
        value = tuple(facts[name]) if isinstance(facts[name], list) else facts[name]
        if name in ("negative_slope", "epsilon"):
            value = finite_number(value)
            if value is None:
                raise ArtefactError(f"{where} ({kind.kind}): {name} is {facts[name]!r}, no number")
        values[name] = value
    for name in kind.weights:
        array = arrays.pop(f"{index}.{name}", None)
        if array is None or array.dtype not in (np.float16, np.float32):
            raise ArtefactError(f"{where} ({kind.kind}): has no {name} of 32 or 16 bits; make the encoder anew")
        values[name] = array.astype(np.float32)
    return kind(**values)


def _rounded(layer: Layer) -> Layer:
    if not isinstance(layer, Conv2D | Dense):
        return layer
    with np.errstate(over="ignore"):
        kernel = layer.kernel.astype(np.float16).astype(np.float32)
    return replace(layer, kernel=kernel)


def _compact(weights: F32) -> NDArray[np.floating[Any]]:
    """The same numbers in half the space, where they allow it."""
    with np.errstate(over="ignore"):
        half = weights.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), weights) else weights
