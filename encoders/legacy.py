"""One layer of a legacy Keras 2 HDF5 file, read with its weights or refused: what `importing` calls layer by layer."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons.arrays import F32
from xherald.photons.errors import ArtefactError

from .bytecode import is_identity
from .network import MOST_WEIGHTS, Activation, BatchNormalization, Conv2D, Dense, Flatten, Layer, Shape, finite_number

if TYPE_CHECKING:
    import h5py

__all__ = ["LegacyLayer"]


CHANNELS_LAST: Final = "channels_last"


@dataclass(frozen=True, slots=True)
class LegacyLayer:
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
    settings: Mapping[str, Any]
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
