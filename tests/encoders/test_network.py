"""Networks on disk: saving, loading, refusal of invalid files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from plain_encoder import networks

from xherald.encoders.inference import Encoder, find_encoder
from xherald.encoders.network import (
    BatchNormalization,
    Dense,
    Flatten,
    Network,
    load_network,
    save_network,
    write_encoder,
)
from xherald.photons.errors import ArtefactError


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_saved_network_is_restored(tmp_path_factory: pytest.TempPathFactory, network: Network) -> None:
    folder = tmp_path_factory.mktemp("encoder")
    save_network(network, folder)
    back = load_network(folder)
    assert (back.shape, back.input_shape, len(back.layers)) == (network.shape, network.input_shape, len(network.layers))
    for one, other in zip(network.layers, back.layers, strict=True):
        assert type(one) is type(other)
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.weights)
        assert all(getattr(one, name) == getattr(other, name) for name in one.settings)


def test_rounded_kernels_need_half_the_space(tmp_path: Path) -> None:
    kernel = np.random.default_rng(1).normal(size=(1000, 8)).astype(np.float32)
    network = Network((1000,), (1000,), (Dense(kernel, np.full(8, 1 / 3, np.float32)),))
    sizes = []
    for name, one in (("whole", network), ("rounded", network.round_kernels())):
        write_encoder(tmp_path / name, one, {})
        sizes.append((tmp_path / name / "weights.npz").stat().st_size)
        back = Encoder.load(tmp_path / name).network
        assert np.array_equal(back.layers[0].kernel, one.layers[0].kernel)
        assert np.array_equal(back.layers[0].bias, network.layers[0].bias)
    assert sizes[1] < 0.6 * sizes[0]
    # Half precision keeps 11 bits.
    assert np.abs(network.round_kernels().layers[0].kernel / kernel - 1).max() <= 2**-11


def dense(inputs: int, units: int) -> Dense:
    return Dense(np.ones((inputs, units), np.float32), np.zeros(units, np.float32))


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ((dense(3, 2),), r"layer 0 \(dense\): kernel of shape \(3, 2\) does not match values of shape \(4,\)"),
        ((dense(4, 2), dense(3, 2)), r"layer 1 \(dense\)"),
        ((Dense(np.ones((4, 2), np.float32), np.zeros(3, np.float32)),), "bias of shape"),
        ((Dense(np.full((4, 2), np.nan, np.float32), np.zeros(2, np.float32)),), "not finite"),
        ((BatchNormalization(*np.ones((3, 4), np.float32), -np.ones(4, np.float32)),), "negative variance"),
        ((Flatten(),), "no layer has weights"),
    ],
)
def test_inconsistent_layers_are_refused(layers: tuple, reason: str) -> None:
    with pytest.raises(ArtefactError, match=reason):
        Network((4,), (4,), layers)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda facts: facts.update(form=2), "encoder format 2"),
        (lambda facts: facts.pop("shape"), "lacks shape"),
        (lambda facts: facts.update(shape=[5]), r"arrays of shape \(5,\)"),
        (lambda facts: facts.update(input_shape=["4"]), "input shape"),
        (lambda facts: facts["layers"].append({"kind": "lambda"}), "layer 1: unknown kind of layer"),
        (lambda facts: facts["layers"].append({"kind": ["dense"]}), "layer 1: unknown kind of layer"),
        (
            lambda facts: facts["layers"].append({"kind": "dense", "negative_slope": 1.0}),
            "has no 32-bit or 16-bit kernel",
        ),
        (lambda facts: facts["layers"][0].update(negative_slope="1"), "negative_slope is '1'"),
        (lambda facts: facts["layers"][0].update(surprise=1), "settings"),
        (lambda facts: facts["layers"].clear(), "no layer has weights"),
    ],
)
def test_invalid_layer_list_is_refused(change: Callable[[dict], None], reason: str, tmp_path: Path) -> None:
    save_network(Network((4,), (4,), (dense(4, 2),)), tmp_path)
    facts = json.loads((tmp_path / "encoder.json").read_text())
    change(facts)
    (tmp_path / "encoder.json").write_text(json.dumps(facts))
    with pytest.raises(ArtefactError, match=reason):
        load_network(tmp_path)


def test_modified_folder_is_not_loaded(tmp_path: Path) -> None:
    write_encoder(tmp_path / "one", Network((4,), (4,), (dense(4, 2),)), {})
    path = tmp_path / "one" / "weights.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"weights\.npz: modified"):
        Encoder.load(tmp_path / "one")
    with pytest.raises(ArtefactError, match="et_map_12, etdt_cube_24"):
        find_encoder("nowhere")
