"""Speed of the shipped encoders without TensorFlow, compared with Keras and the same weights in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from xherald.encoders.inference import Encoder, find_encoder
from xherald.plugins.representations import EtdtCube, EtMap

__all__ = ["bench_encoders"]

SOURCES = 20_000
KERAS_BATCH = 1024
SINGLE = 500


def bench_encoders() -> dict[str, float]:
    """Maps and cubes per second, and the time for one map, of simulated Chandra sources; Keras on the same maps.

    The largest difference between the two's features is given beside the speeds, over the largest feature.
    """
    from xherald.simulation.population.population import simulate_population

    batch = simulate_population(SOURCES, seed=8, workers=2).batch
    maps = EtMap().transform(batch, EtMap.options_model(normalise=True))
    cubes = EtdtCube().transform(batch, EtdtCube.options_model(normalise=True))
    of_maps, of_cubes = (Encoder.load(find_encoder(name)) for name in ("et_map_12", "etdt_cube_24"))
    ours_s = _median(lambda: of_maps.encode(maps), 7)
    one_thread_s = _median(lambda: of_maps.encode(maps, threads=1), 5)
    cubes_s = _median(lambda: of_cubes.encode(cubes), 7)
    single_s = statistics.median(_once(lambda row=row: of_maps.encode(maps[row : row + 1])) for row in range(SINGLE))
    keras_s, difference = _keras(of_maps, maps)
    return {
        "maps_per_s": SOURCES / ours_s,
        "maps_per_s_one_thread": SOURCES / one_thread_s,
        "maps_per_s_keras": SOURCES / keras_s,
        "times_faster": keras_s / ours_s,
        "largest_difference": difference,
        "single_map_ms": 1e3 * single_s,
        "cubes_per_s": SOURCES / cubes_s,
    }


def _keras(encoder: Encoder, maps: np.ndarray) -> tuple[float, float]:
    """Time of Keras for all maps, s, and the largest relative difference of the features."""
    from xherald.encoders.architectures import build_autoencoder

    model = build_autoencoder(encoder.shape, encoder.latent).encoder
    model.set_weights([getattr(layer, name) for layer in encoder.network.layers for name in layer.weights])
    images = maps[..., np.newaxis]

    def predict() -> np.ndarray:
        features: np.ndarray = model.predict(images, batch_size=KERAS_BATCH, verbose=0)
        return features

    ours, theirs = encoder.encode(maps), predict()
    return _median(predict, 3), float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def _median(work: Callable[[], object], repeats: int) -> float:
    work()
    return statistics.median(_once(work) for _ in range(repeats))


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
