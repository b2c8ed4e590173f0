"""Safe import of encoders that Keras 2 saved as HDF5, like the published ones.

Architecture and weights are read with h5py; nothing in the file is executed. Anything that the importer does not
support is an error that names the layer: an encoder with slightly wrong features is worse than none.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from math import prod
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons.artefact_folders import compute_sha256
from xherald.photons.errors import ArtefactError, ConfigError, UnreadableFileError

from .keras_layers import KerasLayer
from .network import MAX_WEIGHTS, Layer, Network, Shape, write_encoder

if TYPE_CHECKING:
    import h5py

__all__ = ["import_encoder", "read_keras"]


def import_encoder(path: Path, out: Path, shape: Shape | None = None) -> dict[str, Any]:
    """Import a Keras 2 HDF5 encoder as a new encoder folder ``out``; see `read_keras`.

    The file is read in a separate process, since a damaged one can crash the HDF5 library.

    Returns
    -------
    dict
        Facts of the folder's manifest.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            network = pool.submit(read_keras, path, shape).result()
        except BrokenProcessPool as error:
            raise UnreadableFileError(path, "damaged, the HDF5 library crashed on it; fetch it again") from error
    facts = {"made_by": "import", "source": {"file": path.name, "sha256": compute_sha256(path)}}
    write_encoder(out, network, facts)
    return {"shape": list(network.shape), "latent": network.latent, "weights": network.weights, **facts}


def read_keras(path: Path, shape: Shape | None = None) -> Network:
    """Read a Keras 2 HDF5 encoder: a chain of layers with one input and one output.

    Parameters
    ----------
    path : Path
    shape : tuple of int, optional
        Shape of one source's array, for a file whose first layer takes a flat array. Default: the file's input shape
        without a last axis of size one.

    Raises
    ------
    UnreadableFileError
        It is not an HDF5 file, or truncated.
    ArtefactError
        It contains something that is not supported; the message names the layer.
    ConfigError
        h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ConfigError("importing encoders needs h5py; run pip install 'xherald[train]'") from error
    if not path.is_file():
        raise UnreadableFileError(path, "no such file")
    try:
        with h5py.File(path, "r") as file:
            return _read_network(file, shape)
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}") from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        # All kinds of error that h5py raises for a damaged file.
        raise UnreadableFileError(path, f"not a valid HDF5 file: {error}") from error


def _read_network(file: h5py.File, shape: Shape | None) -> Network:
    version = _read_text(file, "keras_version")
    if not version.startswith("2."):
        raise ArtefactError(f"written by Keras {version}; only models of Keras 2 can be imported")
    try:
        model = json.loads(_read_text(file, "model_config"))
    except (ValueError, RecursionError) as error:
        raise ArtefactError("model_config is not valid JSON; export the encoder again") from error
    chain = _parse_chain(model)
    input_shape = _parse_input_shape(chain[0][1])
    layers: list[Layer] = []
    current_shape, max_weights = input_shape, MAX_WEIGHTS
    for kind, settings in chain:
        try:
            layer = KerasLayer(file, kind, settings, current_shape, max_weights).read()
            current_shape = layer.shape_after(current_shape) if layer is not None else current_shape
        except ArtefactError as error:
            raise ArtefactError(f"layer {settings['name']} ({kind}): {error}") from error
        if layer is not None:
            layers.append(layer)
            max_weights -= sum(getattr(layer, name).size for name in layer.weights)
    one_channel = len(input_shape) == 3 and input_shape[-1] == 1
    return Network(shape or (input_shape[:-1] if one_channel else input_shape), input_shape, tuple(layers))


def _read_text(file: h5py.File, name: str) -> str:
    value = file.attrs.get(name)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise ArtefactError(f"not a Keras 2 model, it has no {name}; save the whole model, not its weights alone")
    return text


def _parse_chain(model: object) -> list[tuple[str, dict[str, Any]]]:
    """Class name and settings of each layer, first to last, once verified that they form a chain."""
    kind, config = _parse_object(model, "model_config")
    if kind not in ("Functional", "Model", "Sequential"):
        raise ArtefactError(f"{kind} models are not supported, only chains of layers")
    listed = config.get("layers")
    if not isinstance(listed, list) or not listed:
        raise ArtefactError("the model has no layers")
    chain = [_parse_object(one, f"layer {index}") for index, one in enumerate(listed)]
    for index, (layer_kind, settings) in enumerate(chain):
        if not isinstance(settings.get("name"), str):
            raise ArtefactError(f"layer {index} ({layer_kind}) has no name")
    if kind != "Sequential":
        names = [settings["name"] for _, settings in chain]
        for previous, name, one in zip([None, *names[:-1]], names, listed, strict=True):
            if one.get("inbound_nodes") != ([] if previous is None else [[[previous, 0, 0, {}]]]):
                raise ArtefactError(
                    f"layer {name}: its only input must be the previous layer; branches are not supported"
                )
        if _end(config.get("input_layers")) != names[0] or _end(config.get("output_layers")) != names[-1]:
            raise ArtefactError("the model has several inputs or outputs; export the encoder alone")
    return chain


def _parse_object(value: object, where: str) -> tuple[str, dict[str, Any]]:
    if isinstance(value, dict) and isinstance(value.get("class_name"), str) and isinstance(value.get("config"), dict):
        return value["class_name"], value["config"]
    raise ArtefactError(f"{where} has no class_name and config; export the encoder again")


def _end(listed: object) -> object:
    """Name in ``[name, 0, 0]`` or ``[[name, 0, 0]]``; None if there are several."""
    if isinstance(listed, list) and len(listed) == 1:
        listed = listed[0]
    return listed[0] if isinstance(listed, list) and len(listed) == 3 and isinstance(listed[0], str) else None


def _parse_input_shape(settings: dict[str, Any]) -> Shape:
    shape = settings.get("batch_input_shape")
    batch, *sizes = shape if isinstance(shape, list) and shape else [None]
    if not sizes or batch is not None or not all(type(size) is int and size > 0 for size in sizes):
        raise ArtefactError(f"layer {settings['name']}: input of shape {shape} is not (None, sizes…)")
    if prod(sizes) > MAX_WEIGHTS:
        raise ArtefactError(f"layer {settings['name']}: input of shape {shape} is larger than any representation")
    return tuple(sizes)
