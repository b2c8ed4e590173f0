"""Encoder files in the format of Keras 2: `KerasFile`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

MAP = (6, 4, 1)


def lambda_layer(code: str, name: str = "lambda") -> dict:
    settings = {"name": name, "function": [code, None, None], "function_type": "lambda", "arguments": {}}
    return {"class_name": "Lambda", "config": settings}


def leaky_relu() -> dict:
    return {"class_name": "LeakyReLU", "config": {"name": "leaky", "alpha": 0.1}}


def layers_of_a_map() -> list[dict]:
    common = {"dtype": "float32", "trainable": True}
    conv = {"padding": "same", "data_format": "channels_last", "dilation_rate": [1, 1], "groups": 1, "use_bias": True}
    return [
        {
            "class_name": "InputLayer",
            "config": {"name": "input", "batch_input_shape": [None, *MAP], "dtype": "float32"},
        },
        {
            "class_name": "Conv2D",
            "config": common
            | conv
            | {
                "name": "conv",
                "filters": 5,
                "kernel_size": [3, 2],
                "strides": [2, 1],
                "activation": leaky_relu(),
            },
        },
        {"class_name": "BatchNormalization", "config": common | {"name": "norm", "axis": [3], "epsilon": 0.001}},
        {"class_name": "Dropout", "config": {"name": "dropout", "rate": 0.5}},
        {"class_name": "Flatten", "config": {"name": "flatten", "data_format": "channels_last"}},
        {"class_name": "Dense", "config": common | {"name": "dense", "units": 3, "activation": "relu"}},
    ]


def weights_of_a_map() -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(3)

    def draw(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32)

    norm = {name: draw(5) for name in ("gamma", "beta", "moving_mean")} | {"moving_variance": draw(5) ** 2}
    return {
        "conv": {"kernel": draw(3, 2, 1, 5), "bias": draw(5)},
        "norm": norm,
        "dense": {"kernel": draw(60, 3), "bias": draw(3)},
    }


def chained(layers: list[dict]) -> dict:
    names = [layer["config"]["name"] for layer in layers]
    for before, layer in zip([None, *names], layers, strict=False):
        layer["name"] = layer["config"]["name"]
        layer["inbound_nodes"] = [] if before is None else [[[before, 0, 0, {}]]]
    ends = {"input_layers": [[names[0], 0, 0]], "output_layers": [[names[-1], 0, 0]]}
    return {"class_name": "Functional", "config": {"name": "model", "layers": layers, **ends}}


class KerasFile:
    """Content of a file, which a test may change before it is written."""

    def __init__(self) -> None:
        self.layers = layers_of_a_map()
        self.weights = weights_of_a_map()
        self.version = "2.12.0"

    def settings(self, name: str) -> dict:
        return next(layer["config"] for layer in self.layers if layer["config"]["name"] == name)

    def write(self, path: Path, model: dict | None = None) -> Path:
        import h5py

        with h5py.File(path, "w") as file:
            file.attrs["keras_version"] = self.version
            file.attrs["model_config"] = json.dumps(chained(self.layers) if model is None else model)
            for layer, weights in self.weights.items():
                group = file.create_group(f"model_weights/{layer}")
                group.attrs["weight_names"] = [f"{layer}/{name}:0" for name in weights]
                for name, values in weights.items():
                    group.create_dataset(f"{layer}/{name}:0", data=values)
        return path
