"""Encoders at work and in training: what layers are defined to give, whatever the batch; what is kept comes back."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from cli_result import CliResult
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_encoder import evaluate
from scipy.sparse import csr_array

from xherald.encoders.inference import SHIPPED, Encoder, encoder_folder
from xherald.encoders.network import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Network,
    load_network,
    save_network,
    write_encoder,
)
from xherald.encoders.training import Trained, TrainingSettings, train
from xherald.photons import EventBatch
from xherald.photons.errors import ArtefactError, ConfigError, ReferenceDataError
from xherald.plugins import PluginHost, Sample
from xherald.plugins.extractors.autoencoder import AutoencoderExtractor, AutoencoderOptions

SHAPES = {"et_map_12": (24, 16), "etdt_cube_24": (24, 16, 16)}
FEATURES = {"et_map_12": 12, "etdt_cube_24": 24}
REPRESENTATIONS = {"et_map_12": "et_map", "etdt_cube_24": "etdt_cube"}


def sparse_values(count: int, shape: tuple[int, ...], seed: int = 1, mean: float = 0.1) -> np.ndarray:
    """Counts of which most are zero, brought to [0, 1] as representations are."""
    counts = np.random.default_rng(seed).poisson(mean, (count, *shape)).astype(np.float32)
    return counts / np.maximum(counts.max(axis=tuple(range(1, counts.ndim)), keepdims=True), 1)


def as_csr(values: np.ndarray) -> csr_array:
    return csr_array(values.reshape(len(values), -1))


# --- what layers give ------------------------------------------------------------------------------------------------


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Networks of every kind of layer in any order that fits, on small arrays."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    input_shape: tuple[int, ...] = draw(
        st.one_of(
            st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
            st.tuples(st.integers(1, 40)),
        )
    )

    def weights(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(max(np.prod(shape[:-1]), 1)))

    def slope() -> float:
        return draw(st.sampled_from([1.0, 0.1, 0.0]))

    def normalisation(channels: int) -> BatchNormalization:
        return BatchNormalization(*(weights(channels) for _ in range(3)), weights(channels) ** 2 + np.float32(0.1))

    layers: list = []
    shape = input_shape
    for kind in draw(st.lists(st.sampled_from(["conv", "norm", "activation"]), max_size=4)):
        if kind == "conv" and len(shape) == 3:
            padding = draw(st.sampled_from(["same", "valid"]))
            size = [
                draw(st.integers(1, 3)) if padding == "same" else draw(st.integers(1, min(3, n))) for n in shape[:2]
            ]
            filters = draw(st.integers(1, 20))
            stride = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
            layers.append(Conv2D(weights(*size, shape[2], filters), weights(filters), stride, padding, slope()))
        elif kind == "norm":
            layers.append(normalisation(shape[-1]))
        else:
            layers.append(Activation(slope()))
        shape = layers[-1].shape_after(shape)
    layers.append(Flatten())
    (width,) = layers[-1].shape_after(shape)
    if draw(st.booleans()):
        layers.append(normalisation(width))
    units = draw(st.integers(1, 20))
    layers.append(Dense(weights(width, units), weights(units), slope()))
    if draw(st.booleans()):
        layers.append(normalisation(units))
    return Network(input_shape, input_shape, tuple(layers))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(networks(), st.integers(1, 9))
def test_a_network_gives_what_its_layers_are_defined_to_give(network: Network, count: int) -> None:
    values = sparse_values(count, network.shape, mean=0.4)
    expected = evaluate(network, values)
    # Six layers at most, of sums of at most some hundred terms of order one, in float32.
    tolerance = 1e-5 * (1 + np.abs(expected).max())
    encoder = Encoder.of(network)
    assert np.abs(encoder.encode(values) - expected).max() < tolerance
    assert np.array_equal(encoder.encode(as_csr(values)), encoder.encode(values))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(networks(), st.integers(1, 9), st.integers(0, 8))
def test_features_are_those_of_the_source_alone(network: Network, count: int, chosen: int) -> None:
    encoder, values = Encoder.of(network), sparse_values(count, network.shape)
    chosen %= count
    assert np.array_equal(encoder.encode(values[chosen : chosen + 1])[0], encoder.encode(values)[chosen])


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_encoder_gives_the_same_bits_in_any_batch(name: str) -> None:
    encoder, values = Encoder.load(encoder_folder(name)), sparse_values(1500, SHAPES[name], mean=0.02)
    together = encoder.encode(values, threads=1)
    assert together.shape == (1500, FEATURES[name])
    assert together.dtype == np.float32
    for threads in (2, 3):
        assert np.array_equal(encoder.encode(values, threads), together)
    assert np.array_equal(encoder.encode(as_csr(values)), together)
    assert np.array_equal(encoder.encode(values[::-1])[::-1], together)
    for size in (1, 2, 3, 5, 17):
        assert np.array_equal(encoder.encode(values[700 : 700 + size]), together[700 : 700 + size])
    assert np.abs(together[:100] - evaluate(encoder.network, values[:100])).max() < 1e-5 * np.abs(together).max()


def test_order_and_doubles_of_a_sparse_row_do_not_matter() -> None:
    encoder = Encoder.load(encoder_folder("etdt_cube_24"))
    tidy = csr_array(([0.5, 1.0, 0.25], ([0, 0, 0], [7, 900, 901])), shape=(1, 6144), dtype=np.float32)
    untidy = csr_array(
        (np.float32([0.25, 1.0, 0.25, 0.25]), np.array([901, 900, 7, 7]), np.array([0, 4])), shape=(1, 6144)
    )
    assert np.array_equal(encoder.encode(untidy), encoder.encode(tidy))
    assert untidy.indices.tolist() == [901, 900, 7, 7], "what was given stays as it was"


def test_no_sources_have_no_features() -> None:
    assert Encoder.load(encoder_folder("et_map_12")).encode(np.empty((0, 24, 16), np.float32)).shape == (0, 12)


@pytest.mark.parametrize("shape", [(16, 24), (24, 16, 1), (384,), (24, 17)])
def test_arrays_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    encoder = Encoder.load(encoder_folder("et_map_12"))
    with pytest.raises(ReferenceDataError, match=r"\(24, 16\)"):
        encoder.encode(np.zeros((3, *shape), np.float32))
    if shape != (384,):
        return
    with pytest.raises(ReferenceDataError, match=r"383 values for an encoder of \(24, 16\)"):
        encoder.encode(csr_array((3, 383), dtype=np.float32))


def test_values_that_give_no_features_are_refused() -> None:
    values = np.zeros((5, 24, 16), np.float32)
    values[3, 2, 1] = np.inf
    with pytest.raises(ReferenceDataError, match="source 3"):
        Encoder.load(encoder_folder("et_map_12")).encode(values)


# --- what is kept ----------------------------------------------------------------------------------------------------


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_a_network_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, network: Network) -> None:
    folder = tmp_path_factory.mktemp("encoder")
    save_network(network, folder)
    back = load_network(folder)
    assert (back.shape, back.input_shape, len(back.layers)) == (network.shape, network.input_shape, len(network.layers))
    for one, other in zip(network.layers, back.layers, strict=True):
        assert type(one) is type(other)
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.weights)
        assert all(getattr(one, name) == getattr(other, name) for name in one.settings)


def test_rounded_kernels_take_half_the_space_and_come_back(tmp_path: Path) -> None:
    kernel = np.random.default_rng(1).normal(size=(1000, 8)).astype(np.float32)
    network = Network((1000,), (1000,), (Dense(kernel, np.full(8, 1 / 3, np.float32)),))
    sizes = []
    for name, one in (("whole", network), ("rounded", network.rounded())):
        write_encoder(tmp_path / name, one, {})
        sizes.append((tmp_path / name / "weights.npz").stat().st_size)
        back = Encoder.load(tmp_path / name).network
        assert np.array_equal(back.layers[0].kernel, one.layers[0].kernel)
        assert np.array_equal(back.layers[0].bias, network.layers[0].bias)
    assert sizes[1] < 0.6 * sizes[0]
    # Half precision keeps 11 bits.
    assert np.abs(network.rounded().layers[0].kernel / kernel - 1).max() <= 2**-11


def dense(inputs: int, units: int) -> Dense:
    return Dense(np.ones((inputs, units), np.float32), np.zeros(units, np.float32))


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ((dense(3, 2),), r"layer 0 \(dense\): kernel of shape \(3, 2\) on values of shape \(4,\)"),
        ((dense(4, 2), dense(3, 2)), r"layer 1 \(dense\)"),
        ((Dense(np.ones((4, 2), np.float32), np.zeros(3, np.float32)),), "bias of shape"),
        ((Dense(np.full((4, 2), np.nan, np.float32), np.zeros(2, np.float32)),), "not finite"),
        ((BatchNormalization(*np.ones((3, 4), np.float32), -np.ones(4, np.float32)),), "variance below zero"),
        ((Flatten(),), "no layer with weights"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers: tuple, reason: str) -> None:
    with pytest.raises(ArtefactError, match=reason):
        Network((4,), (4,), layers)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda facts: facts.update(form=2), "form 2"),
        (lambda facts: facts.pop("shape"), "lacks shape"),
        (lambda facts: facts.update(shape=[5]), r"arrays of shape \(5,\)"),
        (lambda facts: facts.update(input_shape=["4"]), "whole numbers above zero"),
        (lambda facts: facts["layers"].append({"kind": "lambda"}), "layer 1: no layer of a known kind"),
        (lambda facts: facts["layers"].append({"kind": ["dense"]}), "layer 1: no layer of a known kind"),
        (lambda facts: facts["layers"].append({"kind": "dense", "negative_slope": 1.0}), "has no kernel"),
        (lambda facts: facts["layers"][0].update(negative_slope="1"), "negative_slope is '1'"),
        (lambda facts: facts["layers"][0].update(surprise=1), "settings"),
        (lambda facts: facts["layers"].clear(), "no layer with weights"),
    ],
)
def test_a_list_of_layers_that_is_none_is_refused(change: Callable[[dict], None], reason: str, tmp_path: Path) -> None:
    save_network(Network((4,), (4,), (dense(4, 2),)), tmp_path)
    facts = json.loads((tmp_path / "encoder.json").read_text())
    change(facts)
    (tmp_path / "encoder.json").write_text(json.dumps(facts))
    with pytest.raises(ArtefactError, match=reason):
        load_network(tmp_path)


def test_a_changed_artefact_is_not_loaded(tmp_path: Path) -> None:
    write_encoder(tmp_path / "one", Network((4,), (4,), (dense(4, 2),)), {})
    path = tmp_path / "one" / "weights.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"weights\.npz: changed"):
        Encoder.load(tmp_path / "one")
    with pytest.raises(ArtefactError, match="et_map_12, etdt_cube_24"):
        encoder_folder("nowhere")


# --- what is shipped -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_encoder_says_how_it_was_made(name: str) -> None:
    about = Encoder.load(encoder_folder(name)).about
    assert about["representation"]["name"] == REPRESENTATIONS[name]
    assert about["representation"]["normalise"] is True
    assert {"simulated", "mission", "seed"} <= set(about["population"])
    told = about["training"]
    assert told["best_validation_loss"] == min(told["validation_losses"]) < told["mean_array_validation_loss"]


@pytest.fixture(scope="module")
def population():
    """Sources of a seed that no shipped encoder was trained on, every third of them variable."""
    from xherald.simulation.population.population import simulate_population

    return simulate_population(3000, seed=77, variable_fraction=0.35)


@pytest.mark.parametrize("name", SHIPPED)
def test_neighbours_of_flares_are_flares_more_often_than_chance(name: str, population) -> None:
    plugin = PluginHost().representations[REPRESENTATIONS[name]]
    options = plugin.options_model(normalise=True)
    values = plugin.transform(population.batch, options)
    features = Encoder.load(encoder_folder(name)).encode(values).astype(np.float64)
    truth = population.truth
    flare = np.array(truth["is_bona_fide"]) & (np.array(truth["direction"].to_pylist(), object) == "flare")
    distance = np.square(features[flare, None] - features[None]).sum(axis=-1)
    distance[np.arange(flare.sum()), np.flatnonzero(flare)] = np.inf
    nearest = np.argsort(distance, axis=1)[:, :10]
    found, chance = flare[nearest].mean(), flare.mean()
    # Ten neighbours each: the rate of flares among them is known to its square root of a binomial, widened by ten for
    # neighbours that many share.
    error = np.sqrt(10 * chance * (1 - chance) / nearest.size)
    assert flare.sum() > 50
    assert found > 2 * chance
    assert found > chance + 5 * error


# --- as an extractor -------------------------------------------------------------------------------------------------


def sample_of(batch: EventBatch, name: str, *, normalise: bool = True) -> Sample:
    plugin = PluginHost().representations[name]
    options = plugin.options_model(normalise=normalise)
    return Sample(batch, plugin.transform(batch, options), plugin.shape(options))


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("standardise", [False, True])
def test_a_fitted_extractor_stands_alone(name: str, standardise: bool, population, tmp_path: Path) -> None:
    extractor = PluginHost().extractors["autoencoder"]
    sample = sample_of(population.batch, REPRESENTATIONS[name])
    folder = tmp_path / "encoder"
    source = Encoder.load(encoder_folder(name))
    write_encoder(folder, source.network, {})
    fitted, features = extractor.fit(sample, AutoencoderOptions(encoder=str(folder), standardise=standardise))
    if standardise:
        varies = source.encode(sample.values).std(axis=0) > 0
        assert np.allclose(features.mean(axis=0), 0, atol=1e-4)
        assert np.allclose(features.std(axis=0)[varies], 1, atol=1e-4)
    else:
        assert np.array_equal(features, source.encode(sample.values))
    (tmp_path / "kept").mkdir()
    fitted.save(tmp_path / "kept")
    for path in (*folder.iterdir(), folder):
        path.rmdir() if path.is_dir() else path.unlink()
    back = extractor.load(tmp_path / "kept")
    assert back.width == fitted.width == FEATURES[name]
    assert np.array_equal(back.transform(sample), features)
    few = sample_of(population.batch.select([5, 3]), REPRESENTATIONS[name])
    assert np.array_equal(back.transform(few), features[[5, 3]])
    back.save(tmp_path / "kept")
    assert np.array_equal(extractor.load(tmp_path / "kept").transform(few), features[[5, 3]])


def test_an_extractor_says_what_does_not_fit(population, tmp_path: Path) -> None:
    extractor, few = AutoencoderExtractor(), population.batch.select(np.arange(20))
    cubes = sample_of(few, "etdt_cube")
    with pytest.raises(ReferenceDataError, match=r"arrays of shape \(24, 16, 16\) for an encoder of \(24, 16\)"):
        extractor.fit(cubes, AutoencoderOptions(encoder="et_map_12"))
    fitted, _ = extractor.fit(cubes, AutoencoderOptions(encoder="etdt_cube_24"))
    with pytest.raises(ReferenceDataError, match=r"arrays of shape \(24, 16\) for an encoder of \(24, 16, 16\)"):
        fitted.transform(sample_of(few, "et_map"))
    with pytest.raises(ReferenceDataError, match="normalise: true"):
        fitted.transform(sample_of(few, "etdt_cube", normalise=False))
    with pytest.raises(ReferenceDataError, match="no sources"):
        extractor.fit(sample_of(few.select([]), "et_map"), AutoencoderOptions())
    with pytest.raises(ReferenceDataError, match="name one in the case"):
        extractor.fit(Sample(few), AutoencoderOptions())
    with pytest.raises(ArtefactError, match="nowhere"):
        extractor.fit(cubes, AutoencoderOptions(encoder=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("change", ["scaling", "extractor", "weights"])
def test_what_was_not_saved_by_an_extractor_is_not_loaded(change: str, population, tmp_path: Path) -> None:
    extractor = AutoencoderExtractor()
    fitted, _ = extractor.fit(sample_of(population.batch.select(np.arange(20)), "et_map"), AutoencoderOptions())
    fitted.save(tmp_path)
    if change == "scaling":
        np.savez(tmp_path / "scaling.npz", mean=np.zeros(3), scale=np.ones(3))
    elif change == "extractor":
        (tmp_path / "autoencoder.json").write_text('{"extractor": "pca"}')
    else:
        np.savez(tmp_path / "weights.npz", **{"0.kernel": np.zeros((3, 3), np.float32)})
    with pytest.raises(ArtefactError, match=str(tmp_path)):
        extractor.load(tmp_path)


def test_encoding_imports_neither_tensorflow_nor_h5py() -> None:
    code = """
import sys
import numpy as np
from xherald.photons import EventBatch
from xherald.plugins import PluginHost, Sample
from xherald.encoders.inference import Encoder, encoder_folder
assert Encoder.load(encoder_folder("et_map_12")).encode(np.zeros((1, 24, 16), np.float32)).shape == (1, 12)
extractor = PluginHost().extractors["autoencoder"]
assert "numba" in sys.modules
sys.stdout.write(" ".join(name for name in ("tensorflow", "keras", "h5py", "sklearn", "umap") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


# --- training --------------------------------------------------------------------------------------------------------

TINY = TrainingSettings(latent=4, epochs=2, batch=64, seed=5)


@pytest.fixture(scope="module")
def keras() -> ModuleType:
    """Keras, imported once: it takes seconds, and warns about its own dependencies."""
    pytest.importorskip("tensorflow", reason="training needs TensorFlow: pip install 'xherald[train]'")
    from xherald.encoders.architectures import keras_module

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return keras_module()


@pytest.fixture(scope="module")
def trained(keras: ModuleType) -> Trained:
    return train(as_csr(sparse_values(400, (8, 4), mean=0.5)), (8, 4), TINY)


@pytest.mark.parametrize("shape", [(24, 16), (4, 3, 5)])
def test_our_arithmetic_is_that_of_keras(keras: ModuleType, shape: tuple[int, ...]) -> None:
    from xherald.encoders.architectures import autoencoder, network_of

    keras.utils.set_random_seed(3)
    model = autoencoder(shape, 7)
    random = np.random.default_rng(3)
    # As they are at first, normalisations do next to nothing and biases are zero: weights as training might leave them.
    model.encoder.set_weights(
        [np.abs(w + random.normal(0, 0.2, w.shape)) if w.ndim == 1 else w for w in model.encoder.get_weights()]
    )
    values = sparse_values(100, shape)
    expected = model.encoder.predict(values.reshape(-1, *model.input_shape), verbose=0)
    network = network_of(model.encoder, shape)
    assert (network.shape, network.latent) == (shape, 7)
    assert np.abs(Encoder.of(network).encode(values) - expected).max() < 1e-5 * np.abs(expected).max()
    assert model.model.output_shape == model.model.input_shape


def test_the_architecture_of_maps_is_the_published_one(keras: ModuleType, data: Path, tmp_path: Path) -> None:
    from xherald.encoders.architectures import autoencoder, network_of
    from xherald.encoders.keras_import import read_keras

    published = read_keras(data / "published" / "encoder_et.h5")
    model = autoencoder((24, 16), 12)
    ours = network_of(model.encoder, (24, 16))
    assert [type(layer) for layer in ours.layers] == [type(layer) for layer in published.layers]
    assert ours.shapes == published.shapes
    for one, other in zip(ours.layers, published.layers, strict=True):
        assert [getattr(one, name).shape for name in one.weights] == [
            getattr(other, name).shape for name in one.weights
        ]
        assert all(
            getattr(one, name) == pytest.approx(getattr(other, name)) for name in one.settings if name != "padding"
        )
    # The published weights, in Keras, give what they give without it.
    weights = [getattr(layer, name) for layer in published.layers for name in layer.weights]
    model.encoder.set_weights(weights)
    values = sparse_values(100, (24, 16))
    expected = model.encoder.predict(values[..., None], verbose=0)
    assert np.abs(Encoder.of(published).encode(values) - expected).max() < 1e-5


def test_one_seed_gives_the_same_weights_dense_or_sparse(trained: Trained) -> None:
    values = sparse_values(400, (8, 4), mean=0.5)
    again = train(values, (8, 4), TINY)
    assert (again.loss, again.validation_loss) == (trained.loss, trained.validation_loss)
    for one, other in zip(trained.network.layers, again.network.layers, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.weights)
    cubes = sparse_values(300, (4, 3, 2), mean=0.5)
    first, other = (train(cubes, (4, 3, 2), TrainingSettings(latent=2, epochs=1, seed=seed)) for seed in (5, 6))
    assert first.loss != other.loss


def test_the_weights_of_the_best_epoch_are_kept(keras: ModuleType) -> None:
    # Noise alone, of few sources: what is learned of it soon makes others worse.
    from xherald.encoders import training

    values, models = np.random.default_rng(9).random((250, 4, 3, 2), dtype=np.float32), []
    build = training.autoencoder

    def remember(*words: object) -> object:
        models.append(build(*words))
        return models[-1]

    long = TrainingSettings(latent=12, epochs=60, patience=3, batch=16, learning_rate=1e-2, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "autoencoder", remember)
        result = train(values, (4, 3, 2), long)
    held = np.sort(np.random.default_rng(5).permutation(250)[:25])
    kept = values[held].reshape(25, 24)
    loss = float(np.mean((models[0].model.predict(kept, verbose=0) - kept) ** 2))
    assert result.sources == (225, 25)
    assert loss == pytest.approx(result.validation_loss[result.best], rel=1e-4)
    assert result.best == int(np.argmin(result.validation_loss)) < len(result.loss) - 1 < 59
    mean = np.delete(values, held, axis=0).mean(axis=0)
    assert result.baseline == pytest.approx(float(np.mean((values[held] - mean) ** 2)), rel=1e-5)


def test_training_learns_what_there_is_to_learn(keras: ModuleType) -> None:
    """Cubes that are one of four patterns: two features tell them, and the mean of all is far off."""
    random = np.random.default_rng(2)
    patterns = random.random((4, 5, 4, 3)).astype(np.float32)
    values = patterns[random.integers(4, size=1200)]
    result = train(values, (5, 4, 3), TrainingSettings(latent=2, epochs=12, batch=32, learning_rate=3e-3))
    assert result.validation_loss[result.best] < 0.1 * result.baseline
    features = Encoder.of(result.network).encode(patterns)
    assert np.unique(features.round(3), axis=0).shape == (4, 2)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (sparse_values(150, (8, 4)), "150 sources"),
        (sparse_values(400, (4, 8)), r"shape \(4, 8\), not \(8, 4\)"),
        (3 * sparse_values(400, (8, 4)), "not between 0 and 1"),
        (np.full((400, 8, 4), np.nan, np.float32), "not between 0 and 1"),
    ],
)
def test_what_nothing_can_be_learned_from_is_refused(values: np.ndarray, reason: str) -> None:
    with pytest.raises(ReferenceDataError, match=reason):
        train(values, (8, 4), TINY)


@pytest.mark.parametrize(
    "setting", [{"epochs": 0}, {"latent": 0}, {"validation": 1.0}, {"learning_rate": float("nan")}]
)
def test_settings_out_of_range_are_refused(setting: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        TrainingSettings(**setting)


def test_a_map_that_the_convolutions_cannot_halve_is_refused() -> None:
    with pytest.raises(ConfigError, match="that 4 divides"):
        train(sparse_values(400, (6, 4)), (6, 4), TINY)


def test_training_that_breaks_down_is_an_error(keras: ModuleType) -> None:
    wild = TrainingSettings(latent=4, epochs=3, batch=16, learning_rate=1e20)
    with pytest.raises(ReferenceDataError, match=r"broke down in epoch 1: the loss is not finite"):
        train(sparse_values(400, (4, 3, 2)), (4, 3, 2), wild)


def test_without_tensorflow_one_line_says_what_to_install(tmp_path: Path) -> None:
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


def test_the_command_trains_and_keeps(keras: ModuleType, xherald: Callable[..., CliResult], tmp_path: Path) -> None:
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
    assert simulated["training"]["losses"] == facts["training"]["losses"], "the same sources, file or not"
    again = xherald(*words, "--simulate", 250, "--out", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (("--simulate", 300, "--representation", "none"), 2, "no representation 'none'; there are"),
        ((), 2, "--from FILE or --simulate N"),
        (("--simulate", 20), 1, "20 sources"),
        (("--from", "absent.parquet"), 1, "absent.parquet"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(
    words: tuple, code: int, reason: str, xherald: Callable[..., CliResult], tmp_path: Path
) -> None:
    answer = xherald("encoder", "train", *words, "--out", tmp_path / "out")
    assert answer.exit_code == code
    assert reason in answer.stderr
    assert not (tmp_path / "out").exists()
