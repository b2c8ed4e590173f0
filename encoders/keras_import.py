"""Safe import of encoders that Keras 2 kept as HDF5, as the published one is.

Architecture and weights are read with h5py; nothing in the file is executed. A ``Lambda`` layer passes only if the
bytes of its function are those of the identity (`bytecode`). What the importer does not know, it refuses by the layer's
name: an encoder that gives slightly other features than its author meant is worse than none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from math import prod
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons.artefact_folders import sha256_of
from xherald.photons.errors import ArtefactError, ConfigError, UnreadableFileError, XheraldError

from .legacy import LegacyLayer
from .network import MOST_WEIGHTS, Layer, Network, Shape, write_encoder

if TYPE_CHECKING:
    import h5py

__all__ = ["import_encoder", "read_keras"]

Settings = Mapping[str, Any]


def import_encoder(path: Path, out: Path, shape: Shape | None = None) -> dict[str, Any]:
    """Import a legacy Keras 2 HDF5 encoder as an artefact.

    It is read by a process of its own, since a damaged file can bring the HDF5 library down.

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
    network = _read_apart(path, shape)
    facts = {"made_by": "import", "source": {"file": path.name, "sha256": sha256_of(path)}}
    write_encoder(out, network, facts)
    return {"shape": list(network.shape), "latent": network.latent, "weights": network.weights, **facts}


def _read_apart(path: Path, shape: Shape | None) -> Network:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            network, fault = pool.submit(_answer, read_keras, path, shape).result()
        except BrokenProcessPool as broken:
            raise UnreadableFileError(path, "the HDF5 library broke down on it: it is damaged; get it anew") from broken
    if network is None:
        raise UnreadableFileError(path, fault[1]) if fault[0] is UnreadableFileError else fault[0](fault[1])
    return network


def _answer(
    read: Callable[[Path, Shape | None], Network], path: Path, shape: Shape | None
) -> tuple[Network | None, tuple[type[XheraldError], str]]:
    """What reading gives, or what kind of error and why: a file's error does not survive the way between processes."""
    try:
        return read(path, shape), (XheraldError, "")
    except UnreadableFileError as fault:
        return None, (UnreadableFileError, fault.reason)
    except (ArtefactError, ConfigError) as fault:
        return None, (type(fault), str(fault))


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
        source = LegacyLayer(file, kind, settings, now, left)
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
