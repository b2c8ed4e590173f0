"""Import of Keras 2 HDF5 encoders: features agree with the weights, and nothing in the file is executed."""

from __future__ import annotations

import base64
import copy
import marshal
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli_result import CliResult
from hypothesis import given
from hypothesis import strategies as st
from keras_files import MAP, KerasFile, chained, lambda_layer
from plain_encoder import conv2d, evaluate, leaky, normalise, sparse_values

from xherald.encoders import keras_import
from xherald.encoders.inference import Encoder
from xherald.encoders.keras_import import import_encoder, read_keras
from xherald.encoders.keras_layers import IDENTITY_CODES, is_identity
from xherald.photons.errors import ArtefactError, UnreadableFileError

h5py = pytest.importorskip("h5py", reason="importing needs h5py: pip install 'xherald[train]'")

# `marshal.dumps((lambda x: x).__code__)` of Python 3.6, 3.8 and 3.11; "published" is that of `encoder_et.h5`.
IDENTITIES = {
    "3.6": (
        "4wEAAAAAAAAAAQAAAAEAAABDAAAAcwQAAAB8AFMAKQFOqQApAdoBeHIBAAAAcgEAAADaCDxzdHJpbmc+2gg8bGFtYmRhPgIAAABzAAAAAA=="
    ),
    "3.8": (
        "4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkAKQHaAXhyAQAAAHIBAAAA2gg8c3RyaW5nPtoIPGxhbWJkYT4CAAAA8wAA"
        "AAA="
    ),
    "3.11": (
        "4wEAAAAAAAAAAAAAAAEAAAADAAAA8wYAAACXAHwAUwApAU6pACkB2gF4cwEAAAAg+gg8c3RyaW5nPvoIPGxhbWJkYT5yBQAAAAIAAABzBgAA"
        "AIAAqAGAAPMAAAAA"
    ),
    "published": (
        "4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkBTqkAKQHaAXhyAQAAAHIBAAAA+kwvdmFyL2ZvbGRlcnMvcTEvamJ4N3FqN3Mw"
        "ZHhiaDdudjAybmZ2YzY4MDAwMGduL1QvaXB5a2VybmVsXzc5OS8zMTExNDYwNDE3LnB52gg8bGFtYmRhPhwAAADzAAAAAA=="
    ),
}


@pytest.fixture
def file() -> KerasFile:
    return KerasFile()


# --- supported files ------------------------------------------------------------------------------------------------


def test_features_of_an_imported_network_agree_with_its_layers(file: KerasFile, tmp_path: Path) -> None:
    network = read_keras(file.write(tmp_path / "encoder.h5"))
    assert (network.shape, network.input_shape, network.latent) == ((6, 4), MAP, 3)
    values = sparse_values(50, (6, 4))
    conv, norm, dense = (file.weights[name] for name in ("conv", "norm", "dense"))
    after = leaky(conv2d(values[..., None].astype(float), conv["kernel"], conv["bias"], (2, 1)), 0.1)
    after = normalise(after, *norm.values(), 0.001).reshape(50, -1) @ dense["kernel"] + dense["bias"]
    assert np.allclose(Encoder.from_network(network).encode(values), np.maximum(after, 0), rtol=1e-5, atol=1e-5)


def test_sequential_and_functional_models_agree(file: KerasFile, tmp_path: Path) -> None:
    chain = read_keras(file.write(tmp_path / "chain.h5"))
    layers = copy.deepcopy(file.layers)
    sequence = read_keras(
        file.write(tmp_path / "sequence.h5", {"class_name": "Sequential", "config": {"layers": layers}})
    )
    values = sparse_values(9, (6, 4))
    assert np.array_equal(Encoder.from_network(chain).encode(values), Encoder.from_network(sequence).encode(values))


def test_features_of_the_published_encoder_agree_with_its_weights(data: Path, tmp_path: Path) -> None:
    path = data / "published" / "encoder_et.h5"
    facts = import_encoder(path, tmp_path / "published")
    encoder = Encoder.load(tmp_path / "published")
    assert (encoder.shape, encoder.latent, facts["source"]["file"]) == ((24, 16), 12, "encoder_et.h5")
    assert encoder.about["source"]["sha256"] == facts["source"]["sha256"]
    with h5py.File(path) as source:
        weights = {
            name: {key.split(":")[0]: array[()].astype(np.float64) for key, array in group[name].items()}
            for name, group in source["model_weights"].items()
            if name in group
        }
    values = sparse_values(200, (24, 16))
    # In the order of README's description: two pairs of convolutions with a normalisation between, then three products.
    now = values[..., np.newaxis].astype(np.float64)
    for first, norm, second in (
        ("conv2d_41", "batch_normalization_24", "conv2d_42"),
        ("conv2d_43", "batch_normalization_25", "conv2d_44"),
    ):
        now = leaky(conv2d(now, weights[first]["kernel"], weights[first]["bias"]), 0.1)
        terms = (weights[norm][name] for name in ("gamma", "beta", "moving_mean", "moving_variance"))
        now = normalise(now, *terms, 0.001)
        now = leaky(conv2d(now, weights[second]["kernel"], weights[second]["bias"], (2, 2)), 0.1)
    now = now.reshape(200, 384)
    for name in ("dense_27", "dense_28", "bottleneck"):
        now = leaky(now @ weights[name]["kernel"] + weights[name]["bias"], 0.1)
    assert np.abs(encoder.encode(values) - now).max() < 1e-5
    assert now.std(axis=0).min() > 1e-4, "features that do not vary would prove nothing"


def test_command_imports_an_encoder(xherald: Callable[..., CliResult], file: KerasFile, tmp_path: Path) -> None:
    path, out = file.write(tmp_path / "mine.h5"), tmp_path / "mine"
    answer = xherald("encoder", "import", path, "--out", out, "--json")
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert (answer.rows[0]["shape"], answer.rows[0]["latent"]) == ([6, 4], 3)
    again = xherald("encoder", "import", path, "--out", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    shown = xherald("encoder", "show", out, "--json").rows[0]
    assert (shown["made_by"], shown["source"]["file"]) == ("import", "mine.h5")


def test_command_takes_the_shape_of_a_flat_encoder(
    xherald: Callable[..., CliResult], file: KerasFile, tmp_path: Path
) -> None:
    file.layers = [file.layers[0], file.layers[-1]]
    file.settings("input")["batch_input_shape"] = [None, 60]
    path = file.write(tmp_path / "flat.h5")
    assert read_keras(path).shape == (60,)
    answer = xherald("encoder", "import", path, "--out", tmp_path / "cube", "--shape", "5,4,3")
    assert answer.exit_code == 0
    encoder = Encoder.load(tmp_path / "cube")
    values = sparse_values(7, (5, 4, 3))
    assert np.allclose(encoder.encode(values), evaluate(encoder.network, values), atol=1e-5)
    refused = xherald("encoder", "import", path, "--out", tmp_path / "other", "--shape", "5,4,4")
    assert refused.exit_code == 1
    assert "(5, 4, 4)" in refused.stderr


# --- Lambda layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("python", IDENTITIES)
def test_identity_lambda_is_skipped(python: str, file: KerasFile, tmp_path: Path) -> None:
    plain = read_keras(file.write(tmp_path / "plain.h5"))
    file.layers.insert(1, lambda_layer(IDENTITIES[python]))
    with_identity = read_keras(file.write(tmp_path / "lambda.h5"))
    values = sparse_values(5, (6, 4))
    assert np.array_equal(
        Encoder.from_network(plain).encode(values), Encoder.from_network(with_identity).encode(values)
    )


OTHERS = {
    "adds": lambda x: x + 1,
    "negates": lambda x: -x,
    "calls": lambda x: exec(x),
    "constant": lambda x: None,
    "attribute": lambda x: x.T,
    "several": lambda *x: x,
    "keywords": lambda **x: x,
    "keyword": lambda *, x: x,
    "second": lambda y, x: x,
    "yields": lambda x: (yield x),
    "global": lambda x: np,
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_code_is_refused_by_layer_name(name: str, file: KerasFile, tmp_path: Path) -> None:
    code = base64.b64encode(marshal.dumps(OTHERS[name].__code__)).decode()
    file.layers.insert(1, lambda_layer(code, "doubtful"))
    with pytest.raises(
        ArtefactError, match=r"encoder\.h5: layer doubtful \(Lambda\): the function is not the identity"
    ):
        read_keras(file.write(tmp_path / "encoder.h5"))


def test_code_is_never_unmarshalled(file: KerasFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("unmarshalled")

    file.layers.insert(1, lambda_layer(IDENTITIES["3.8"]))
    path = file.write(tmp_path / "encoder.h5")
    monkeypatch.setattr(marshal, "loads", fail)
    monkeypatch.setattr(marshal, "load", fail)
    assert read_keras(path).latent == 3


@given(st.sampled_from(sorted(IDENTITIES)), st.data())
def test_any_changed_bit_of_the_hashed_bytes_is_refused(python: str, data: st.DataObject) -> None:
    payload = bytearray(base64.b64decode(IDENTITIES[python]))
    size = min(size for size in IDENTITY_CODES if is_identity(bytes(payload[:size])))
    payload[data.draw(st.integers(0, size - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not is_identity(bytes(payload))


@given(st.binary(max_size=200), st.sampled_from(sorted(IDENTITIES)), st.integers(0, 29))
def test_other_bytes_are_not_the_identity(noise: bytes, python: str, length: int) -> None:
    assert not is_identity(noise)
    assert not is_identity(base64.b64decode(IDENTITIES[python])[:length])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"function": [IDENTITIES["3.8"], [1], None]}, "not a lambda without defaults and closure"),
        ({"function": [IDENTITIES["3.8"], None, [1]]}, "not a lambda without defaults and closure"),
        ({"function": "identity", "function_type": "function"}, "function_type 'function'"),
        ({"function": ["@@@", None, None]}, "damaged"),
        ({"arguments": {"y": 1}}, "arguments"),
    ],
)
def test_lambda_with_more_than_code_is_refused(change: dict, reason: str, file: KerasFile, tmp_path: Path) -> None:
    layer = lambda_layer(IDENTITIES["3.8"])
    layer["config"] |= change
    file.layers.insert(1, layer)
    with pytest.raises(ArtefactError, match=f"layer lambda .*{reason}"):
        read_keras(file.write(tmp_path / "encoder.h5"))


# --- refusals -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "change", "reason"),
    [
        ("conv", {"padding": "causal"}, "padding 'causal'"),
        ("conv", {"activation": "tanh"}, "activation 'tanh'"),
        ("conv", {"activation": {"class_name": "LeakyReLU", "config": {"alpha": "0.1"}}}, "activation"),
        ("conv", {"activation": {"class_name": "LeakyReLU", "config": {"alpha": float("nan")}}}, "activation"),
        ("conv", {"dtype": "float64"}, "dtype 'float64'"),
        ("conv", {"data_format": "channels_first"}, "channels_first"),
        ("conv", {"dilation_rate": [2, 2]}, "dilation_rate"),
        ("conv", {"groups": 5}, "groups 5"),
        ("conv", {"filters": 6}, r"kernel is float32 of shape \(3, 2, 1, 5\)"),
        ("conv", {"filters": 10**9}, "filters 1000000000"),
        ("conv", {"filters": "5"}, "filters '5'"),
        ("conv", {"kernel_size": [3]}, "kernel_size"),
        ("conv", {"strides": [0, 1]}, "strides 0"),
        ("norm", {"axis": [1]}, r"axis \[1\]"),
        ("norm", {"epsilon": None}, "epsilon"),
        ("norm", {"epsilon": 10**400}, "epsilon"),
        ("dense", {"units": True}, "units True"),
        ("dense", {"units": 4}, r"shape \(60, 3\)"),
        ("input", {"batch_input_shape": [None, -1, 4, 1]}, "input of shape"),
        ("input", {"batch_input_shape": [None, 10**6, 10**6, 1]}, "larger than any"),
    ],
)
def test_unsupported_setting_is_refused(layer: str, change: dict, reason: str, file: KerasFile, tmp_path: Path) -> None:
    file.settings(layer).update(change)
    with pytest.raises(ArtefactError, match=f"layer {layer}.*{reason}"):
        read_keras(file.write(tmp_path / "encoder.h5"))


@pytest.mark.parametrize("kind", ["LSTM", "Functional", "Conv2DTranspose", "MyLayer"])
def test_unsupported_layer_is_refused(kind: str, file: KerasFile, tmp_path: Path) -> None:
    file.layers[1]["class_name"] = kind
    with pytest.raises(ArtefactError, match=rf"layer conv \({kind}\): layers of this kind are not supported"):
        read_keras(file.write(tmp_path / "encoder.h5"))


def lacks_weight(file: KerasFile) -> None:
    del file.weights["dense"]["bias"]


def lacks_layer(file: KerasFile) -> None:
    del file.weights["dense"]


def double(file: KerasFile) -> None:
    file.weights["dense"]["bias"] = file.weights["dense"]["bias"].astype(np.float64)


def not_finite(file: KerasFile) -> None:
    file.weights["dense"]["bias"][1] = np.nan


def negative_variance(file: KerasFile) -> None:
    file.weights["norm"]["moving_variance"][:] = -1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lacks_weight, r"layer dense \(Dense\): the file has no bias"),
        (lacks_layer, r"layer dense \(Dense\): the file has no kernel"),
        (double, r"layer dense \(Dense\): bias is float64"),
        (not_finite, "bias has values that are not finite"),
        (negative_variance, "negative variance"),
    ],
)
def test_invalid_weights_are_refused(
    change: Callable[[KerasFile], None], reason: str, file: KerasFile, tmp_path: Path
) -> None:
    change(file)
    with pytest.raises(ArtefactError, match=reason):
        read_keras(file.write(tmp_path / "encoder.h5"))


@pytest.mark.parametrize("kind", ["external link", "soft link", "external data"])
def test_weights_outside_the_file_are_not_read(kind: str, file: KerasFile, tmp_path: Path) -> None:
    path = file.write(tmp_path / "encoder.h5")
    other = file.write(tmp_path / "other.h5")
    place = "model_weights/dense/dense/bias:0"
    with h5py.File(path, "a") as open_file:
        del open_file[place]
        if kind == "external link":
            open_file[place] = h5py.ExternalLink(other, place)
        elif kind == "soft link":
            open_file[place] = h5py.SoftLink("/model_weights/conv/conv/bias:0")
        else:
            secret = tmp_path / "secret"
            secret.write_bytes(b"secret of 12")
            open_file.create_dataset(place, (3,), np.float32, external=[(str(secret), 0, 12)])
    with pytest.raises(
        ArtefactError, match=r"layer dense \(Dense\): (the file has no bias|bias is stored in another file)"
    ):
        read_keras(path)


def test_branching_model_is_refused(file: KerasFile, tmp_path: Path) -> None:
    model = chained(file.layers)
    model["config"]["layers"][4]["inbound_nodes"] = [[["conv", 0, 0, {}]]]
    with pytest.raises(ArtefactError, match="layer flatten: its only input must be the previous layer"):
        read_keras(file.write(tmp_path / "encoder.h5", model))
    model = chained(file.layers)
    model["config"]["output_layers"] = [["dense", 0, 0], ["flatten", 0, 0]]
    with pytest.raises(ArtefactError, match="several inputs or outputs"):
        read_keras(file.write(tmp_path / "encoder.h5", model))


@pytest.mark.parametrize("model", [[], {}, {"class_name": "Functional"}, {"class_name": "Sequential", "config": {}}, 3])
def test_invalid_model_config_is_refused(model: object, file: KerasFile, tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"encoder\.h5: "):
        read_keras(file.write(tmp_path / "encoder.h5", model))


def test_keras_3_and_weights_alone_are_refused(file: KerasFile, tmp_path: Path) -> None:
    file.version = "3.3.0"
    with pytest.raises(ArtefactError, match=r"written by Keras 3\.3\.0"):
        read_keras(file.write(tmp_path / "encoder.h5"))
    with h5py.File(tmp_path / "weights.h5", "w") as weights:
        weights["dense/kernel"] = np.zeros((3, 2))
    with pytest.raises(ArtefactError, match="it has no keras_version"):
        read_keras(tmp_path / "weights.h5")


def test_truncated_file_is_refused(file: KerasFile, tmp_path: Path) -> None:
    whole = file.write(tmp_path / "encoder.h5").read_bytes()
    broken = tmp_path / "broken.h5"
    for part in np.linspace(0, 0.99, 12):
        broken.write_bytes(whole[: int(part * len(whole))])
        with pytest.raises(UnreadableFileError, match=r"broken\.h5"):
            read_keras(broken)
    with pytest.raises(UnreadableFileError, match="no such file"):
        read_keras(tmp_path / "absent.h5")


def crash(path: Path, shape: tuple[int, ...] | None) -> None:
    os.abort()


def test_crash_of_the_hdf5_library_is_an_error(
    file: KerasFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keras_import, "read_keras", crash)
    with pytest.raises(UnreadableFileError, match=r"encoder\.h5: damaged, the HDF5 library crashed"):
        import_encoder(file.write(tmp_path / "encoder.h5"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no HDF5"])
def test_command_refuses_other_files(content: bytes, xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    (tmp_path / "encoder.h5").write_bytes(content)
    answer = xherald("encoder", "import", tmp_path / "encoder.h5", "--out", tmp_path / "out")
    assert (answer.exit_code, answer.stderr.count("\n")) == (1, 1)
    assert "encoder.h5: not a valid HDF5 file" in answer.stderr


def test_refused_import_leaves_no_files(xherald: Callable[..., CliResult], file: KerasFile, tmp_path: Path) -> None:
    file.settings("conv")["activation"] = "tanh"
    answer = xherald("encoder", "import", file.write(tmp_path / "encoder.h5"), "--out", tmp_path / "out")
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    assert "layer conv (Conv2D): activation 'tanh'" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.h5"]
