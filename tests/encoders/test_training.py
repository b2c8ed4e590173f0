"""Training of encoders, and its command."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cli_result import CliResult
from plain_encoder import as_csr, sparse_values

from xherald.encoders.inference import Encoder
from xherald.encoders.training import TrainingResult, TrainingSettings, train
from xherald.photons.errors import ConfigError, ReferenceDataError

TINY = TrainingSettings(latent=4, epochs=2, batch=64, seed=5)


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    """Keras, imported once without its warnings."""
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'xherald[train]'")
    from xherald.encoders.architectures import import_keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_keras()


@pytest.fixture(scope="module")
def trained(keras: ModuleType) -> TrainingResult:
    return train(as_csr(sparse_values(400, (8, 4), mean=0.5)), (8, 4), TINY)


@pytest.mark.parametrize("shape", [(24, 16), (4, 3, 5)])
def test_inference_agrees_with_keras(keras: ModuleType, shape: tuple[int, ...]) -> None:
    from xherald.encoders.architectures import build_autoencoder, convert_network

    keras.utils.set_random_seed(3)
    model = build_autoencoder(shape, 7)
    random = np.random.default_rng(3)
    # Random weights, since initial normalisations have almost no effect and initial biases are zero.
    model.encoder.set_weights(
        [np.abs(w + random.normal(0, 0.2, w.shape)) if w.ndim == 1 else w for w in model.encoder.get_weights()]
    )
    values = sparse_values(100, shape)
    expected = model.encoder.predict(values.reshape(-1, *model.input_shape), verbose=0)
    network = convert_network(model.encoder, shape)
    assert (network.shape, network.latent) == (shape, 7)
    assert np.abs(Encoder.from_network(network).encode(values) - expected).max() < 1e-5 * np.abs(expected).max()
    assert model.model.output_shape == model.model.input_shape


def test_map_architecture_is_the_published_one(keras: ModuleType, data: Path, tmp_path: Path) -> None:
    from xherald.encoders.architectures import build_autoencoder, convert_network
    from xherald.encoders.keras_import import read_keras

    published = read_keras(data / "published" / "encoder_et.h5")
    model = build_autoencoder((24, 16), 12)
    ours = convert_network(model.encoder, (24, 16))
    assert [type(layer) for layer in ours.layers] == [type(layer) for layer in published.layers]
    assert ours.shapes == published.shapes
    for one, other in zip(ours.layers, published.layers, strict=True):
        assert [getattr(one, name).shape for name in one.weights] == [
            getattr(other, name).shape for name in one.weights
        ]
        assert all(
            getattr(one, name) == pytest.approx(getattr(other, name)) for name in one.settings if name != "padding"
        )
    # Keras gives the same features with the published weights.
    weights = [getattr(layer, name) for layer in published.layers for name in layer.weights]
    model.encoder.set_weights(weights)
    values = sparse_values(100, (24, 16))
    expected = model.encoder.predict(values[..., None], verbose=0)
    assert np.abs(Encoder.from_network(published).encode(values) - expected).max() < 1e-5


def test_training_is_reproducible(trained: TrainingResult) -> None:
    values = sparse_values(400, (8, 4), mean=0.5)
    again = train(values, (8, 4), TINY)
    assert (again.loss, again.validation_loss) == (trained.loss, trained.validation_loss)
    for one, other in zip(trained.network.layers, again.network.layers, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.weights)
    cubes = sparse_values(300, (4, 3, 2), mean=0.5)
    first, other = (train(cubes, (4, 3, 2), TrainingSettings(latent=2, epochs=1, seed=seed)) for seed in (5, 6))
    assert first.loss != other.loss


def test_weights_of_the_best_epoch_are_kept(keras: ModuleType) -> None:
    # Pure noise of few sources: training soon overfits.
    from xherald.encoders import training

    values, models = np.random.default_rng(9).random((250, 4, 3, 2), dtype=np.float32), []
    build = training.build_autoencoder

    def remember(*words: object) -> object:
        models.append(build(*words))
        return models[-1]

    long = TrainingSettings(latent=12, epochs=60, patience=3, batch=16, learning_rate=1e-2, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "build_autoencoder", remember)
        result = train(values, (4, 3, 2), long)
    held = np.sort(np.random.default_rng(5).permutation(250)[:25])
    kept = values[held].reshape(25, 24)
    loss = float(np.mean((models[0].model.predict(kept, verbose=0) - kept) ** 2))
    assert result.sources == (225, 25)
    assert loss == pytest.approx(result.validation_loss[result.best], rel=1e-4)
    assert result.best == int(np.argmin(result.validation_loss)) < len(result.loss) - 1 < 59
    mean = np.delete(values, held, axis=0).mean(axis=0)
    assert result.baseline == pytest.approx(float(np.mean((values[held] - mean) ** 2)), rel=1e-5)


def test_training_learns_patterns(keras: ModuleType) -> None:
    """Cubes with one of four patterns, which two features distinguish."""
    random = np.random.default_rng(2)
    patterns = random.random((4, 5, 4, 3)).astype(np.float32)
    values = patterns[random.integers(4, size=1200)]
    result = train(values, (5, 4, 3), TrainingSettings(latent=2, epochs=12, batch=32, learning_rate=3e-3))
    assert result.validation_loss[result.best] < 0.1 * result.baseline
    features = Encoder.from_network(result.network).encode(patterns)
    assert np.unique(features.round(3), axis=0).shape == (4, 2)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (sparse_values(150, (8, 4)), "150 sources"),
        (sparse_values(400, (4, 8)), r"shape \(4, 8\), expected \(8, 4\)"),
        (3 * sparse_values(400, (8, 4)), "not between 0 and 1"),
        (np.full((400, 8, 4), np.nan, np.float32), "not between 0 and 1"),
    ],
)
def test_unsuitable_training_data_are_refused(values: np.ndarray, reason: str) -> None:
    with pytest.raises(ReferenceDataError, match=reason):
        train(values, (8, 4), TINY)


@pytest.mark.parametrize(
    "setting", [{"epochs": 0}, {"latent": 0}, {"validation": 1.0}, {"learning_rate": float("nan")}]
)
def test_settings_out_of_range_are_refused(setting: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        TrainingSettings(**setting)


def test_map_sides_must_be_multiples_of_four() -> None:
    with pytest.raises(ConfigError, match="multiples of 4"):
        train(sparse_values(400, (6, 4)), (6, 4), TINY)


def test_diverging_training_is_an_error(keras: ModuleType) -> None:
    wild = TrainingSettings(latent=4, epochs=3, batch=16, learning_rate=1e20)
    with pytest.raises(ReferenceDataError, match=r"diverged in epoch 1: the loss is not finite"):
        train(sparse_values(400, (4, 3, 2)), (4, 3, 2), wild)


def test_missing_tensorflow_is_a_one_line_error(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
from xherald.cli import main
main(["encoder", "train", "--simulate", "300", "--out", {str(tmp_path / "out")!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'xherald[train]'" in done.stderr
    assert not list(tmp_path.iterdir())


def test_command_trains_an_encoder(keras: ModuleType, xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    words = ("encoder", "train", "--representation", "etdt_cube", "--epochs", 1, "--latent", 3, "--seed", 4)
    population = tmp_path / "population.parquet"
    xherald("simulate", "population", 250, "--seed", 4, "--out", population)
    out, curves = tmp_path / "mine", tmp_path / "curves.png"
    answer = xherald(*words, "--from", population, "--out", out, "--plot", curves, "--json")
    assert (answer.exit_code, answer.stderr) == (0, "")
    facts = answer.rows[0]
    assert facts["population"]["file"] == "population.parquet"
    assert curves.read_bytes().startswith(b"\x89PNG")
    encoder = Encoder.load(out)
    assert (encoder.shape, encoder.latent) == ((24, 16, 16), 3)
    assert encoder.about["training"] == facts["training"]
    simulated = xherald(*words, "--simulate", 250, "--out", tmp_path / "other", "--json").rows[0]
    assert simulated["training"]["losses"] == facts["training"]["losses"], "simulated sources are those of the file"
    again = xherald(*words, "--simulate", 250, "--out", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("--simulate", 300, "--representation", "none"), 2, "no representation is named 'none'; available"),
        ((), 2, "--from FILE or --simulate N"),
        (("--simulate", 20), 1, "20 sources"),
        (("--from", "absent.parquet"), 1, "absent.parquet"),
    ],
)
def test_command_reports_invalid_training_in_one_line(
    words: tuple, code: int, reason: str, xherald: Callable[..., CliResult], tmp_path: Path
) -> None:
    answer = xherald("encoder", "train", *words, "--out", tmp_path / "out")
    assert answer.exit_code == code
    assert reason in answer.stderr
    assert not (tmp_path / "out").exists()
