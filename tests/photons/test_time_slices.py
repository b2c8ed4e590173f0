"""Sources found in time slices: chance finds stay chance, and bursts stay decisive, whatever the field around them."""

from __future__ import annotations

import numpy as np
import pytest
from bright_skies import LOBSTER, MIRROR, BrightSky, Telescope

from xherald.photons import Aperture, Observation, PixelLayout
from xherald.photons.extraction import extract
from xherald.photons.source_detection import SourceDetectionSettings, find_sources
from xherald.photons.source_detection.field_model import Field
from xherald.photons.source_detection.surroundings import Surroundings
from xherald.photons.statistics import assess

ARMS = PixelLayout(("px", "py"), arms=0.5)


def slices_of(observation: Observation, false_sources: float = 1.0) -> list[Aperture]:
    found = find_sources(observation, SourceDetectionSettings(false_sources=false_sources))
    return [one for one in found if "slices" in one.origin]


@pytest.mark.parametrize(("telescope", "background"), [(MIRROR, 20_000), (LOBSTER, 3_000)])
def test_noise_slices_of_empty_fields_are_no_candidates(telescope: Telescope, background: int) -> None:
    p: list[float] = []
    for seed in range(5):
        observation = BrightSky(telescope, 300 + seed).flat(background).observation()
        found = slices_of(observation, false_sources=10.0)
        p += assess(extract(observation, found)).p_value.tolist() if found else []
    assert len(p) >= 5
    assert min(p) > 1e-3


def test_a_burst_found_in_slices_is_decisive() -> None:
    seen = 0
    for seed in range(4):
        sky = BrightSky(MIRROR, seed).flat(60_000).star(100.0, 0.0, 25, (9_000.0, 9_010.0))
        observation = sky.observation()
        found = [one for one in slices_of(observation) if sky.away(one.ra, one.dec, 100.0, 0.0) < 20.0]
        if found:
            seen += 1
            assert assess(extract(observation, found)).p_value[0] < 1e-6
            assert found[0].selection_trials == pytest.approx(3.0 * len(observation.events))
    assert seen >= 2


def test_the_photons_of_a_burst_are_not_the_field_it_is_compared_with() -> None:
    # A small field in which most photons are of one burst, half of them on the arms.
    sky = BrightSky(LOBSTER, 5, roll=20.0).flat(200)
    sky.star(0.0, 0.0, 300, (1_000.0, 1_050.0)).cross(0.0, 0.0, 300, 2_400.0, (1_000.0, 1_050.0))
    observation = sky.observation(ARMS)
    time = observation.events.time
    window = slice(int(np.searchsorted(time, 1_000.0)), int(np.searchsorted(time, 1_050.0)))
    centre = observation.require_projection().x_reference
    within, rest = Surroundings(Field(observation, 1.5)).count(centre, centre, window)
    assert window.stop - window.start > 400
    # One part in sixty of the live time.
    assert within <= 20
    assert rest < 300


def test_the_search_is_one_for_all_sources_of_a_field() -> None:
    """Its probability is stated per source, as all are: in a field of many sources a tenth of their false alarms."""
    sky = BrightSky(MIRROR, 11).flat(30_000)
    for east in range(-5, 6):
        for north in range(-2, 3):
            sky.star(90.0 * east, 90.0 * north, 60)
    sky.star(45.0, 45.0, 12, (9_000.0, 9_010.0))
    observation = sky.observation()
    found = find_sources(observation, SourceDetectionSettings(false_sources=1.0))
    burst = next(one for one in found if "slices" in one.origin and sky.away(one.ra, one.dec, 45.0, 45.0) < 20.0)
    others = sum("image" in one.origin for one in found)
    assert others > 40
    assert burst.selection_trials == pytest.approx(3.0 * len(observation.events) / (0.1 * others))
