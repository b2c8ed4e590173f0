"""Features of encoders: agreement with the definition of the layers, in any batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_encoder import as_csr, evaluate, networks, sparse_values
from scipy.sparse import csr_array

from xherald.encoders.inference import SHIPPED, Encoder, find_encoder
from xherald.encoders.network import (
    Network,
)
from xherald.photons.errors import ReferenceDataError

SHAPES = {"et_map_12": (24, 16), "etdt_cube_24": (24, 16, 16), "event_map_16": (140,)}
FEATURES = {"et_map_12": 12, "etdt_cube_24": 24, "event_map_16": 16}
REPRESENTATIONS = {"et_map_12": "et_map", "etdt_cube_24": "etdt_cube"}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(networks(), st.integers(1, 9))
def test_network_agrees_with_its_definition(network: Network, count: int) -> None:
    values = sparse_values(count, network.shape, mean=0.4)
    expected = evaluate(network, values)
    # Six layers at most, of sums of at most some hundred terms of order one, in float32.
    tolerance = 1e-5 * (1 + np.abs(expected).max())
    encoder = Encoder.from_network(network)
    assert np.abs(encoder.encode(values) - expected).max() < tolerance
    assert np.array_equal(encoder.encode(as_csr(values)), encoder.encode(values))


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(networks(), st.integers(1, 9), st.integers(0, 8))
def test_features_do_not_depend_on_other_sources(network: Network, count: int, chosen: int) -> None:
    encoder, values = Encoder.from_network(network), sparse_values(count, network.shape)
    chosen %= count
    assert np.array_equal(encoder.encode(values[chosen : chosen + 1])[0], encoder.encode(values)[chosen])


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_encoder_is_identical_in_any_batch(name: str) -> None:
    encoder, values = Encoder.load(find_encoder(name)), sparse_values(1500, SHAPES[name], mean=0.02)
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


def test_sparse_rows_may_be_unsorted_with_duplicates() -> None:
    encoder = Encoder.load(find_encoder("etdt_cube_24"))
    tidy = csr_array(([0.5, 1.0, 0.25], ([0, 0, 0], [7, 900, 901])), shape=(1, 6144), dtype=np.float32)
    untidy = csr_array(
        (np.float32([0.25, 1.0, 0.25, 0.25]), np.array([901, 900, 7, 7]), np.array([0, 4])), shape=(1, 6144)
    )
    assert np.array_equal(encoder.encode(untidy), encoder.encode(tidy))
    assert untidy.indices.tolist() == [901, 900, 7, 7], "the input is not modified"


def test_empty_input_gives_no_features() -> None:
    assert Encoder.load(find_encoder("et_map_12")).encode(np.empty((0, 24, 16), np.float32)).shape == (0, 12)


@pytest.mark.parametrize("shape", [(16, 24), (24, 16, 1), (384,), (24, 17)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    encoder = Encoder.load(find_encoder("et_map_12"))
    with pytest.raises(ReferenceDataError, match=r"\(24, 16\)"):
        encoder.encode(np.zeros((3, *shape), np.float32))
    if shape != (384,):
        return
    with pytest.raises(ReferenceDataError, match=r"383 values, the encoder expects \(24, 16\)"):
        encoder.encode(csr_array((3, 383), dtype=np.float32))


def test_infinite_values_are_refused() -> None:
    values = np.zeros((5, 24, 16), np.float32)
    values[3, 2, 1] = np.inf
    with pytest.raises(ReferenceDataError, match="source 3"):
        Encoder.load(find_encoder("et_map_12")).encode(values)
