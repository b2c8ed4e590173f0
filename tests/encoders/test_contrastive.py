"""Contrastive training brings sources of a class together whatever else they differ in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xherald.encoders.contrastive import ContrastiveSettings, train_contrastive
from xherald.encoders.inference import Encoder
from xherald.photons.errors import ConfigError


def test_classes_are_neighbours_where_the_inputs_hide_them() -> None:
    pytest.importorskip("tensorflow")
    random = np.random.default_rng(4)
    classes = np.repeat([0, 1, 2], 300)
    # The class is in three values of small scatter, and twenty others scatter more.
    signal = 0.5 + 0.08 * np.eye(3)[classes] + 0.02 * random.normal(size=(2, 900, 3))
    noise = np.clip(0.5 + 0.2 * random.normal(size=(2, 900, 20)), 0, 1)
    views = np.clip(np.concatenate([signal, noise], axis=2), 0, 1).astype(np.float32)
    kinds = np.minimum(classes, 1)
    settings = ContrastiveSettings(latent=4, epochs=20, batch=300, seed=3)
    labels = np.stack([classes, classes]), np.stack([kinds, kinds])
    trained = train_contrastive(views, *labels, settings)
    features = Encoder.from_network(trained.network).encode(views[1])

    def precision(values: np.ndarray) -> float:
        squared = np.square(values[:, None].astype(float) - values[None]).sum(axis=2)
        np.fill_diagonal(squared, np.inf)
        return float((classes[np.argsort(squared, axis=1)[:, :10]] == classes[:, None]).mean())

    assert precision(views[1]) < 0.55
    assert precision(features) > 0.9
    assert trained.loss[-1] < trained.loss[0]
    first, again = (train_contrastive(views, *labels, replace(settings, epochs=1)).network for _ in range(2))
    assert all(np.array_equal(a.kernel, b.kernel) for a, b in zip(first.layers, again.layers, strict=True))


@pytest.mark.parametrize(("name", "value"), [("latent", 0), ("dropout", 1.0), ("learning_rate", 0.0), ("batch", 1)])
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        ContrastiveSettings(**{name: value})
