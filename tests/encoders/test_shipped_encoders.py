"""The shipped encoders, and the extractor that runs encoders."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from xherald.encoders.inference import SHIPPED, Encoder, find_encoder
from xherald.encoders.network import (
    write_encoder,
)
from xherald.photons import EventBatch
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins import PluginHost, Sample
from xherald.plugins.extractors.autoencoder import AutoencoderExtractor, AutoencoderOptions

SHAPES = {"et_map_12": (24, 16), "etdt_cube_24": (24, 16, 16), "event_map_16": (140,)}
FEATURES = {"et_map_12": 12, "etdt_cube_24": 24, "event_map_16": 16}
REPRESENTATIONS = {"et_map_12": "et_map", "etdt_cube_24": "etdt_cube", "event_map_16": "event_map"}
AUTOENCODERS = ("et_map_12", "etdt_cube_24")


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_encoder_documents_its_training(name: str) -> None:
    about = Encoder.load(find_encoder(name)).about
    assert about["representation"]["name"] == REPRESENTATIONS[name]
    assert {"simulated", "seed"} <= set(about["population"])
    training = about["training"]
    losses = training["validation_losses"]
    if name in AUTOENCODERS:
        assert about["representation"]["normalise"] is True
        assert training["best_validation_loss"] == min(losses) < training["mean_array_validation_loss"]
    else:
        assert losses[-1] < losses[0]


@pytest.fixture(scope="module")
def population():
    """Sources that no shipped encoder was trained on, every third of them variable."""
    from xherald.simulation.population.population import simulate_population

    return simulate_population(3000, seed=77, variable_fraction=0.35)


@pytest.mark.parametrize("name", SHIPPED)
def test_flares_are_neighbours_of_flares(name: str, population) -> None:
    values = sample_of(population.batch, REPRESENTATIONS[name]).values
    features = Encoder.load(find_encoder(name)).encode(values).astype(np.float64)
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


def sample_of(batch: EventBatch, name: str, *, normalise: bool = True) -> Sample:
    plugin = PluginHost().representations[name]
    options = plugin.options_model(**({"normalise": normalise} if name != "event_map" else {}))
    return Sample(batch, plugin.transform(batch, options), plugin.shape(options))


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("standardise", [False, True])
def test_fitted_extractor_does_not_need_the_encoder_folder(
    name: str, standardise: bool, population, tmp_path: Path
) -> None:
    extractor = PluginHost().extractors["autoencoder"]
    sample = sample_of(population.batch, REPRESENTATIONS[name])
    folder = tmp_path / "encoder"
    source = Encoder.load(find_encoder(name))
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


def test_extractor_refuses_other_representations(population, tmp_path: Path) -> None:
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
def test_invalid_extractor_folder_is_refused(change: str, population, tmp_path: Path) -> None:
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


def test_inference_does_not_import_tensorflow_or_h5py() -> None:
    code = """
import sys
import numpy as np
from xherald.photons import EventBatch
from xherald.plugins import PluginHost, Sample
from xherald.encoders.inference import Encoder, find_encoder
assert Encoder.load(find_encoder("et_map_12")).encode(np.zeros((1, 24, 16), np.float32)).shape == (1, 12)
extractor = PluginHost().extractors["autoencoder"]
assert "numba" in sys.modules
sys.stdout.write(" ".join(name for name in ("tensorflow", "keras", "h5py", "sklearn", "umap") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
