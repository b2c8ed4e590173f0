"""Safe import of encoders that Keras 2 kept as HDF5, as the published one is.

Architecture and weights are read with h5py; nothing in the file is executed. A ``Lambda`` layer passes only if the
bytes of its function are those of the identity (`bytecode`). What the importer does not know, it refuses by the layer's
name: an encoder that gives slightly other features than its author meant is worse than none.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.artefacts import sha256_of
from xherald.photons.errors import ArtefactError, ConfigError, UnreadableFileError

from .bytecode import is_identity
from .network import (
    MOST_WEIGHTS,
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    Network,
    Shape,
    finite_number,
    write_encoder,
)

if TYPE_CHECKING:
    import h5py

__all__ = ["import_encoder", "read_keras"]

F32 = NDArray[np.float32]

Settings = Mapping[str, Any]

CHANNELS_LAST: Final = "channels_last"


def import_encoder(path: Path, out: Path, shape: Shape | None = None) -> dict[str, Any]:
    """Import a legacy Keras 2 HDF5 encoder as an artefact.

    Parameters
    ----------
    path : Path
    out : Path
        Folder to make; must not exist.
    shape : tuple of int, optional
        See `read_keras`.

    Returns
    -------
    dict
        What the manifest says, in JSON's own types.

    Raises
    ------
    UnreadableFileError, ArtefactError, ConfigError
        See `read_keras`; or ``out`` exists or cannot be written.
    """
    network = read_keras(path, shape)
    facts = {"made_by": "import", "source": {"file": path.name, "sha256": sha256_of(path)}}
    write_encoder(out, network, facts)
    return {"shape": list(network.shape), "latent": network.latent, "weights": network.weights, **facts}


def read_keras(path: Path, shape: Shape | None = None) -> Network:
    """Read a legacy Keras 2 HDF5 encoder: one input, one output, layers one after another.

    Parameters
    ----------
    path : Path
    shape : tuple of int, optional
        Of one source's array, where the file says only how many values its first layer takes; as the file says, less an
        axis of one channel, if not given.

    Raises
    ------
    UnreadableFileError
        It is no HDF5 file, or breaks off.
    ArtefactError
        It holds something that cannot be imported; the message names the layer.
    ConfigError
        h5py is not installed.
    """
    try:
        import h5py
    except ImportError as fault:
        raise ConfigError(
            "h5py is not installed, and encoders are imported with it: pip install 'xherald[train]'"
        ) from (fault)
    if not path.is_file():
        raise UnreadableFileError(path, "no such file")
    try:
        with h5py.File(path, "r") as file:
            return _network(file, shape)
    except ArtefactError as fault:
        raise ArtefactError(f"{path}: {fault}") from fault
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as fault:
        # h5py's own errors, of what is no HDF5 file or a damaged one, are of these kinds.
        raise UnreadableFileError(path, f"no sound HDF5 file: {fault}") from fault


def _network(file: h5py.File, shape: Shape | None) -> Network:
    version = _text(file.attrs.get("keras_version"), "keras_version")
    if not version.startswith("2."):
        raise ArtefactError(f"written by Keras {version}; models of Keras 2 are imported, others are trained anew")
    try:
        model = json.loads(_text(file.attrs.get("model_config"), "model_config"))
    except (ValueError, RecursionError) as fault:
        raise ArtefactError("model_config is no JSON; export the encoder anew") from fault
    named = _chain(model)
    input_shape = _input_shape(named[0][1])
    layers: list[Layer] = []
    now = input_shape
    left = MOST_WEIGHTS
    for kind, settings in named:
        source = _Source(file, kind, settings, now, left)
        try:
            layer = source.layer()
            now = layer.shape_after(now) if layer is not None else now
        except ArtefactError as fault:
            raise ArtefactError(f"layer {settings['name']} ({kind}): {fault}") from fault
        if layer is not None:
            layers.append(layer)
            left -= sum(getattr(layer, name).size for name in layer.weights)
    plain = input_shape[:-1] if len(input_shape) == 3 and input_shape[-1] == 1 else input_shape
    return Network(shape or plain, input_shape, tuple(layers))


def _text(value: object, what: str) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise ArtefactError(
            f"has no {what}: it is no Keras 2 model; a file of weights alone does not say what they are"
        )
    return value


# --- which layers, in which order -------------------------------------------------------------------------------


def _chain(model: object) -> list[tuple[str, dict[str, Any]]]:
    """Kind and settings of each layer, first to last, once it is sure that each follows on the one before."""
    kind, config = _named(model, "model")
    if kind not in ("Functional", "Model", "Sequential"):
        raise ArtefactError(f"is a {kind}; models of layers one after another are imported")
    listed = config.get("layers")
    if not isinstance(listed, list) or not listed:
        raise ArtefactError("the model has no layers")
    named = []
    for index, one in enumerate(listed):
        of_layer, settings = _named(one, f"layer {index}")
        if not isinstance(settings.get("name"), str):
            raise ArtefactError(f"layer {index} ({of_layer}) has no name")
        named.append((of_layer, settings))
    if kind != "Sequential":
        names = [settings["name"] for _, settings in named]
        for before, name, one in zip([None, *names[:-1]], names, listed, strict=True):
            _require_only(one.get("inbound_nodes"), before, name)
        if _ends(config.get("input_layers")) != names[0] or _ends(config.get("output_layers")) != names[-1]:
            raise ArtefactError("the model has several inputs or outputs; export the encoder alone")
    return named


def _named(one: object, what: str) -> tuple[str, dict[str, Any]]:
    if isinstance(one, dict) and isinstance(one.get("class_name"), str) and isinstance(one.get("config"), dict):
        return one["class_name"], one["config"]
    raise ArtefactError(f"{what} has no class_name and config; export the encoder anew")


def _require_only(nodes: object, before: str | None, name: str) -> None:
    """Refuse a layer that is not called once, on the layer before it alone."""
    expected = [] if before is None else [[[before, 0, 0, {}]]]
    if nodes != expected:
        raise ArtefactError(f"layer {name}: is not called once on the layer before it; only chains are imported")


def _ends(listed: object) -> object:
    """Name of the one input or output."""
    if isinstance(listed, list) and len(listed) == 3 and isinstance(listed[0], str):
        return listed[0]
    if isinstance(listed, list) and len(listed) == 1 and isinstance(listed[0], list) and listed[0]:
        return listed[0][0]
    return None


def _input_shape(settings: Settings) -> Shape:
    shape = settings.get("batch_input_shape")
    first, *sizes = shape if isinstance(shape, list) and shape else [None]
    if not sizes or first is not None or not all(type(size) is int and size > 0 for size in sizes):
        raise ArtefactError(f"layer {settings['name']}: input of shape {shape}; it must be (None, sizes…)")
    if prod(sizes) > MOST_WEIGHTS:
        raise ArtefactError(f"layer {settings['name']}: input of shape {shape} is larger than any representation")
    return tuple(sizes)


# --- one layer --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Source:
    """A layer in the file.

    Parameters
    ----------
    file : h5py.File
    kind : str
    settings : mapping
    before : tuple of int
        Shape of one source's values before it.
    most : int
        Weights that it may have.
    """

    file: h5py.File
    kind: str
    settings: Settings
    before: Shape
    most: int

    def layer(self) -> Layer | None:
        """The layer; None for one that changes nothing when features are made."""
        if self.settings.get("dtype", "float32") != "float32":
            raise ArtefactError(f"dtype {self.settings['dtype']!r}; float32 is imported")
        for kind, read in self._readers():
            if kind == self.kind:
                return read()
        known = ", ".join(kind for kind, _ in self._readers())
        raise ArtefactError(f"no layer of this kind is imported ({known})")

    def _readers(self) -> Iterator[tuple[str, Callable[[], Layer | None]]]:
        yield "InputLayer", self._nothing
        yield "Lambda", self._identity
        yield "Dropout", self._nothing
        yield "Conv2D", self._conv2d
        yield "BatchNormalization", self._batch_normalization
        yield "LeakyReLU", self._leaky
        yield "Activation", self._activation
        yield "Flatten", self._flatten
        yield "Dense", self._dense

    def _nothing(self) -> None:
        return None

    def _identity(self) -> None:
        self._must("function_type", "lambda")
        self._must("arguments", {}, {})
        function = self.settings.get("function")
        if isinstance(function, dict) and function.get("class_name") == "__lambda__":
            config = function.get("config")
            parts = [config.get(name) for name in ("code", "defaults", "closure")] if isinstance(config, dict) else []
        else:
            parts = function if isinstance(function, list) else []
        if len(parts) != 3 or not isinstance(parts[0], str) or parts[1] is not None or parts[2] is not None:
            raise ArtefactError(
                "its function is no plain lambda; only the identity is imported, and nothing is executed"
            )
        try:
            payload = base64.b64decode("".join(parts[0].split()), validate=True)
        except (binascii.Error, ValueError) as fault:
            raise ArtefactError("its function is damaged; export the encoder anew") from fault
        if not is_identity(payload):
            raise ArtefactError("holds Python code other than the identity, which is not executed; remove the layer")

    def _conv2d(self) -> Layer:
        self._must("data_format", CHANNELS_LAST)
        self._must("dilation_rate", [1, 1], [1, 1])
        self._must("groups", 1, 1)
        if len(self.before) != 3:
            raise ArtefactError(f"stands on values of shape {self.before}, not (rows, columns, channels)")
        filters = self._whole(self.settings.get("filters"), "filters")
        height, width = self._pair("kernel_size")
        padding = self.settings.get("padding")
        if padding not in ("same", "valid"):
            raise ArtefactError(f"padding {padding!r}; 'same' and 'valid' are imported")
        return Conv2D(
            self._read("kernel", (height, width, self.before[2], filters)),
            self._bias(filters),
            self._pair("strides"),
            padding,
            _slope(self.settings.get("activation")),
        )

    def _dense(self) -> Layer:
        units = self._whole(self.settings.get("units"), "units")
        if len(self.before) != 1:
            raise ArtefactError(f"stands on values of shape {self.before}; flatten them before")
        kernel = self._read("kernel", (*self.before, units))
        return Dense(kernel, self._bias(units), _slope(self.settings.get("activation")))

    def _batch_normalization(self) -> Layer:
        axis = self.settings.get("axis")
        if axis not in (-1, [-1], len(self.before), [len(self.before)]):
            raise ArtefactError(f"axis {axis}; normalisation of the last axis is imported")
        epsilon = finite_number(self.settings.get("epsilon"))
        if epsilon is None:
            raise ArtefactError(f"epsilon {self.settings.get('epsilon')!r} is no number")
        one = self.before[-1:]
        gamma = self._read("gamma", one) if self.settings.get("scale", True) else np.ones(one, np.float32)
        beta = self._read("beta", one) if self.settings.get("center", True) else np.zeros(one, np.float32)
        mean, variance = self._read("moving_mean", one), self._read("moving_variance", one)
        return BatchNormalization(gamma, beta, mean, variance, epsilon)

    def _leaky(self) -> Layer:
        return Activation(_slope({"class_name": "LeakyReLU", "config": self.settings}))

    def _activation(self) -> Layer:
        return Activation(_slope(self.settings.get("activation")))

    def _flatten(self) -> Layer:
        self._must("data_format", CHANNELS_LAST, CHANNELS_LAST)
        return Flatten()

    def _must(self, name: str, value: object, otherwise: object = None) -> None:
        found = self.settings.get(name, otherwise)
        if found != value:
            raise ArtefactError(f"{name} {found!r}; {value!r} is imported")

    def _whole(self, value: object, name: str) -> int:
        if type(value) is not int or not 0 < value <= MOST_WEIGHTS:
            raise ArtefactError(f"{name} {value!r}; it must be a whole number above zero")
        return value

    def _pair(self, name: str) -> tuple[int, int]:
        value = self.settings.get(name)
        if not isinstance(value, list) or len(value) != 2:
            raise ArtefactError(f"{name} {value!r}; it must be two whole numbers")
        return self._whole(value[0], name), self._whole(value[1], name)

    def _bias(self, units: int) -> F32:
        return self._read("bias", (units,)) if self.settings.get("use_bias", True) else np.zeros(units, np.float32)

    def _read(self, name: str, shape: Shape) -> F32:
        """A weight, once it is sure that it lies in this file and is as large as the settings say."""
        if prod(shape) > self.most:
            raise ArtefactError(f"{name} of shape {shape} is larger than any encoder's")
        group = _within(self.file, f"model_weights/{self.settings['name']}")
        listed = group.attrs.get("weight_names") if group is not None else None
        names = [one.decode() if isinstance(one, bytes) else str(one) for one in ([] if listed is None else listed)]
        paths = [one for one in names if one.rsplit("/", 1)[-1] in (name, f"{name}:0")]
        dataset = _within(group, paths[0]) if len(paths) == 1 else None
        if dataset is None or not hasattr(dataset, "is_virtual"):
            raise ArtefactError(f"has no {name} in the file; export the encoder anew")
        if dataset.is_virtual or dataset.external:
            raise ArtefactError(f"{name} lies in another file, which is not read; export the encoder anew")
        if dataset.shape != shape or dataset.dtype != np.float32:
            raise ArtefactError(f"{name} is {dataset.dtype} of shape {dataset.shape}, not float32 of {shape}")
        weights: F32 = dataset[()]
        return weights


def _within(group: Any, path: str) -> Any:
    """What lies at a path, by hard links alone: no other link can lead out of the file or in a circle."""
    import h5py

    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            return None
        group = group[part]
    return group


def _slope(activation: object) -> float:
    """Slope below zero of an activation."""
    if activation in ("linear", None):
        return 1.0
    if activation == "relu":
        return 0.0
    if isinstance(activation, dict) and activation.get("class_name") == "LeakyReLU":
        config = activation.get("config")
        given = config.get("alpha", config.get("negative_slope")) if isinstance(config, dict) else None
        slope = finite_number(given)
        if slope is not None:
            return slope
    raise ArtefactError(f"activation {activation!r}; linear, relu and LeakyReLU are imported")
