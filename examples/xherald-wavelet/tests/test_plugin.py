"""Both plugins do what each owes, and find a burst on its own time scale."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.errors import ReferenceDataError
from xherald.plugins import Sample
from xherald.plugins.testing import check_extractor, check_representation, sample_batch
from xherald_wavelet import WaveletEnergyExtractor, WaveletRepresentation

REPRESENTATION, EXTRACTOR = WaveletRepresentation(), WaveletEnergyExtractor()
SECONDS = 6_400.0


def photons(time: NDArray[np.float64], gti: NDArray[np.float64] | None = None) -> EventBatch:
    """One source."""
    exposure = Exposure(np.array([[0.0, SECONDS]]) if gti is None else gti)
    identity = Identity("MINE", "CAMERA", "1", "1")
    energy = np.ones(len(time), dtype=np.float32)
    return EventBatch.from_lists([EventList(np.sort(time), energy, exposure, identity, 0.0, (0.5, 7.0))])


def sample_of(batch: EventBatch, **options: int) -> Sample:
    chosen = REPRESENTATION.options_model(**options)
    return Sample(batch, REPRESENTATION.transform(batch, chosen), REPRESENTATION.shape(chosen))


def test_both_keep_the_contract() -> None:
    check_representation(REPRESENTATION).require()
    check_representation(REPRESENTATION, options={"levels": 2, "bins": 16}).require()
    check_extractor(EXTRACTOR, representation=REPRESENTATION).require()


def test_the_transform_keeps_the_sum_of_squares() -> None:
    batch = sample_batch()
    values = REPRESENTATION.transform(batch, REPRESENTATION.options_model()).astype(np.float64)
    # Squares of square roots of counts are counts.
    np.testing.assert_allclose((values**2).sum(axis=(1, 2)), batch.counts, rtol=1e-5, atol=1e-9)


def test_a_source_that_does_not_vary_has_no_details() -> None:
    even = photons((np.arange(640) + 0.5) * SECONDS / 640)
    values = REPRESENTATION.transform(even, REPRESENTATION.options_model())[0]
    np.testing.assert_allclose(values[1:], 0.0, atol=1e-6)
    assert values[0].min() > 0


def test_gaps_are_closed() -> None:
    time = np.random.default_rng(2).uniform(0, SECONDS, 500)
    late = time >= SECONDS / 2
    with_gap = photons(time + np.where(late, 50_000.0, 0.0), np.array([[0.0, 3_200.0], [53_200.0, 56_400.0]]))
    np.testing.assert_array_equal(sample_of(with_gap).values, sample_of(photons(time)).values)


@pytest.mark.parametrize(("seconds", "scale"), [(100.0, 5), (1_600.0, 1)])
def test_a_burst_shows_on_its_own_scale(seconds: float, scale: int) -> None:
    """64 bins of 100 s: scale 5 is the finest, scale 1 compares stretches of 1,600 s."""
    rng = np.random.default_rng(5)
    burst = photons(np.concatenate([rng.uniform(0, SECONDS, 300), rng.uniform(3_200, 3_200 + seconds, 200)]))
    values = REPRESENTATION.transform(burst, REPRESENTATION.options_model())[0].astype(np.float64)
    noise = 0.25 / 2.0 ** np.arange(5, 0, -1)
    largest = (values[1:] ** 2).max(axis=1) / noise
    assert largest[scale - 1] > 4 * largest[5 - scale]


def test_energies_are_those_of_the_noise_where_nothing_varies() -> None:
    rng = np.random.default_rng(6)
    steady = EventBatch.concatenate([photons(rng.uniform(0, SECONDS, 6_400)) for _ in range(200)])
    fitted, _ = EXTRACTOR.fit(sample_of(steady), EXTRACTOR.options_model())
    over_noise = 10.0 ** fitted.centre[:5] - 1.0
    # The mean of a logarithm lies below the logarithm of the mean, most where few coefficients are independent.
    assert (over_noise > 0.6).all()
    assert (over_noise < 1.1).all()
    assert over_noise[-1] == pytest.approx(1.0, abs=0.05)


def test_bins_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        REPRESENTATION.options_model(bins=48, levels=5)


def test_another_representation_is_refused() -> None:
    batch = sample_batch()
    fitted, _ = EXTRACTOR.fit(sample_of(batch), EXTRACTOR.options_model(fewest=2))
    with pytest.raises(ReferenceDataError, match="learned from arrays of shape"):
        fitted.transform(sample_of(batch, bins=128))
    with pytest.raises(ReferenceDataError, match="name representation wavelet"):
        EXTRACTOR.fit(Sample(batch), EXTRACTOR.options_model(fewest=2))
