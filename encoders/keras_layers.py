"""Layers of a Keras 2 HDF5 file, read with their weights; what is not supported is refused by name.

A ``Lambda`` layer holds a marshalled Python code object. Keras unmarshals and runs it; here its bytes are only hashed.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons.arrays import F32
from xherald.photons.errors import ArtefactError

from .network import MAX_WEIGHTS, Activation, BatchNormalization, Conv2D, Dense, Flatten, Layer, Shape, parse_finite

if TYPE_CHECKING:
    import h5py

__all__ = ["KerasLayer", "is_identity"]

IDENTITY_CODES: Final[Mapping[int, str]] = {
    30: "5f4b750dbf85ffe2392fcfdccb587d7d54cbbe6d4ebe6a8951abb92ed8afa22f",
    34: "18781a8094fc939bdda7c5fa81f89b5616ecff533647b60ad483e9c30cedc3d0",
    32: "902a4f897b3b6eea953d6350f8dfa7e4700e96ba6862d1eb57ffadf2e5758140",
}
"""SHA-256 of the first bytes of ``marshal.dumps((lambda x: x).__code__)``, by their number.

These bytes are the argument counts, stack size, compiler flags and bytecode, which decide what a call does. The rest
(names, file name, line numbers) differs between notebooks and is not hashed. Where the hashes come from:

- 30 bytes: an identity serialized by Python 3.6, the same by 3.7.
- 34 bytes: layer ``lambda_5`` of the published ``encoder_et.h5`` (Keras 2.12.0); Python 3.8 to 3.10 write the same.
- 32 bytes: an identity serialized by Python 3.11, the last version that Keras 2 ran on.
"""

REQUIRED: Final[Mapping[str, Mapping[str, object]]] = {
    "Lambda": {"function_type": "lambda", "arguments": {}},
    "Conv2D": {"data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "use_bias": True},
    "Dense": {"use_bias": True},
    "BatchNormalization": {"center": True, "scale": True},
    "Flatten": {"data_format": "channels_last"},
}
"""The only supported value of settings, which is also Keras's default for one that is absent."""


def is_identity(code: bytes) -> bool:
    """Whether a marshalled code object is that of ``lambda x: x``, by the hash of its first bytes."""
    return any(hashlib.sha256(code[:size]).hexdigest() == digest for size, digest in IDENTITY_CODES.items())


@dataclass(frozen=True, slots=True)
class KerasLayer:
    """One layer of the file; ``input_shape`` is that of one source's values before it."""

    file: h5py.File
    kind: str
    settings: Mapping[str, Any]
    input_shape: Shape
    max_weights: int

    def read(self) -> Layer | None:
        """Read the layer and its weights; None for a layer that does nothing at inference."""
        readers: dict[str, Callable[[], Layer | None]] = {
            "InputLayer": lambda: None,
            "Lambda": self._check_identity,
            "Dropout": lambda: None,
            "Conv2D": self._read_conv2d,
            "BatchNormalization": self._read_batch_normalization,
            "LeakyReLU": lambda: Activation(_parse_leaky_slope(self.settings)),
            "Activation": lambda: Activation(self._parse_slope()),
            "Flatten": lambda: Flatten(),
            "Dense": self._read_dense,
        }
        for name, supported in {"dtype": "float32", **REQUIRED.get(self.kind, {})}.items():
            if (value := self.settings.get(name, supported)) != supported:
                raise ArtefactError(f"{name} {value!r} is not supported, only {supported!r}")
        if self.kind not in readers:
            raise ArtefactError(f"layers of this kind are not supported; supported: {', '.join(readers)}")
        return readers[self.kind]()

    def _check_identity(self) -> None:
        function = self.settings.get("function")
        code, *others = function if isinstance(function, list) and function else [None]
        if not isinstance(code, str) or others != [None, None]:
            raise ArtefactError("the function is not a lambda without defaults and closure; export without this layer")
        try:
            marshalled = base64.b64decode("".join(code.split()), validate=True)
        except ValueError as error:
            raise ArtefactError("the function is damaged; export the encoder again") from error
        if not is_identity(marshalled):
            raise ArtefactError("the function is not the identity and is not executed; export without this layer")

    def _read_conv2d(self) -> Layer:
        if len(self.input_shape) != 3:
            raise ArtefactError(f"input of shape {self.input_shape} is not (rows, columns, channels)")
        filters = self._parse_size(self.settings.get("filters"), "filters")
        height, width = self._parse_pair("kernel_size")
        padding = self.settings.get("padding")
        if padding not in ("same", "valid"):
            raise ArtefactError(f"padding {padding!r} is not supported, only 'same' and 'valid'")
        kernel = self._read_weight("kernel", (height, width, self.input_shape[2], filters))
        bias = self._read_weight("bias", (filters,))
        return Conv2D(kernel, bias, self._parse_pair("strides"), padding, self._parse_slope())

    def _read_dense(self) -> Layer:
        units = self._parse_size(self.settings.get("units"), "units")
        if len(self.input_shape) != 1:
            raise ArtefactError(f"input of shape {self.input_shape} is not flat; add a Flatten layer")
        kernel = self._read_weight("kernel", (*self.input_shape, units))
        return Dense(kernel, self._read_weight("bias", (units,)), self._parse_slope())

    def _read_batch_normalization(self) -> Layer:
        axis = self.settings.get("axis")
        if axis not in (-1, [-1], len(self.input_shape), [len(self.input_shape)]):
            raise ArtefactError(f"axis {axis} is not supported, only the last")
        if (epsilon := parse_finite(self.settings.get("epsilon"))) is None:
            raise ArtefactError(f"epsilon {self.settings.get('epsilon')!r} is not a finite number")
        shape = self.input_shape[-1:]
        gamma, beta, mean, variance = (
            self._read_weight(name, shape) for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return BatchNormalization(gamma, beta, mean, variance, epsilon)

    def _parse_slope(self) -> float:
        """Negative slope of the activation: 1 for linear, 0 for relu."""
        activation = self.settings.get("activation")
        if activation in ("linear", None):
            return 1.0
        if activation == "relu":
            return 0.0
        if isinstance(activation, dict) and activation.get("class_name") == "LeakyReLU":
            return _parse_leaky_slope(activation.get("config"))
        raise ArtefactError(f"activation {activation!r} is not supported, only linear, relu and LeakyReLU")

    def _parse_size(self, value: object, name: str) -> int:
        if type(value) is not int or not 0 < value <= MAX_WEIGHTS:
            raise ArtefactError(f"{name} {value!r} is not a positive integer, or too large")
        return value

    def _parse_pair(self, name: str) -> tuple[int, int]:
        value = self.settings.get(name)
        if not isinstance(value, list) or len(value) != 2:
            raise ArtefactError(f"{name} {value!r} is not a pair of integers")
        return self._parse_size(value[0], name), self._parse_size(value[1], name)

    def _read_weight(self, name: str, shape: Shape) -> F32:
        """Read a weight once its shape, type and storage in this very file are verified."""
        if prod(shape) > self.max_weights:
            raise ArtefactError(f"{name} of shape {shape} is larger than any encoder's")
        group = _follow_hard_links(self.file, f"model_weights/{self.settings['name']}")
        listed = group.attrs.get("weight_names") if group is not None else None
        names = [one.decode() if isinstance(one, bytes) else str(one) for one in ([] if listed is None else listed)]
        paths = [one for one in names if one.rsplit("/", 1)[-1] in (name, f"{name}:0")]
        dataset = _follow_hard_links(group, paths[0]) if len(paths) == 1 else None
        if dataset is None or not hasattr(dataset, "is_virtual"):
            raise ArtefactError(f"the file has no {name} for it; export the encoder again")
        if dataset.is_virtual or dataset.external:
            raise ArtefactError(f"{name} is stored in another file, which is not read; export the encoder again")
        if dataset.shape != shape or dataset.dtype != np.float32:
            raise ArtefactError(f"{name} is {dataset.dtype} of shape {dataset.shape}, expected float32 of {shape}")
        weights: F32 = dataset[()]
        return weights


def _follow_hard_links(group: Any, path: str) -> Any:
    """Object at a path, None if there is none; soft and external links, which may leave the file, are not followed."""
    import h5py

    for part in path.split("/"):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(part, getlink=True), h5py.HardLink):
            return None
        group = group[part]
    return group


def _parse_leaky_slope(settings: object) -> float:
    slope = parse_finite(settings.get("alpha")) if isinstance(settings, dict) else None
    if slope is None:
        raise ArtefactError("activation LeakyReLU has no finite alpha")
    return slope
