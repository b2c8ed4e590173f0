"""Rows and detector pixels of the photons of a source."""

from __future__ import annotations

import numpy as np
import pytest
from dithering_field import DitheringField, extract_at
from handmade_exposures import expected
from read_files import observe

from xherald.photons.extraction import extract, extract_with_rows


def test_rows_are_those_of_each_photon() -> None:
    sky = DitheringField(2)
    sky.add_background(3_000)
    sky.add_source(30, 30, sky.rng.uniform(0, 20_000, 80))
    detection_batch = extract_at(sky.make_observation(), [(30, 30), (-80, 10), (33, 31)])
    events, batch = detection_batch.observation.events, detection_batch.batch
    assert np.array_equal(events.time[detection_batch.rows], batch.time)
    assert np.array_equal(events.energy[detection_batch.rows], batch.energy)
    projection = detection_batch.observation.require_projection()
    for one, aperture in enumerate(detection_batch.apertures):
        own = detection_batch.rows[batch.offsets[one] : batch.offsets[one + 1]]
        assert aperture.region.contains(projection, events.x[own], events.y[own]).all()
    assert np.array_equal(extract(detection_batch.observation, detection_batch.apertures).time, batch.time)
    assert len(extract_with_rows(detection_batch.observation, [])[1]) == 0


@pytest.mark.parametrize("name", ["chandra-acis-i", "xmm-pn", "swift-xrt", "erosita", "ep-wxt", "ep-fxt"])
def test_event_pixels_are_read_by_adapters(name: str, exposures, written) -> None:
    observation, truth = observe(written[name].events), expected(exposures[name])
    first = 1 if name in ("swift-xrt", "ep-fxt") else 0  # raw pixels are counted from 0
    pixels = observation.event_pixels
    assert pixels.shape == (len(observation.events), 2)
    assert len(truth) > 500
    for axis, sought in enumerate((truth.chip_x, truth.chip_y)):
        assert np.array_equal(np.sort(pixels[:, axis]), np.sort(sought.astype(np.int32) - first))
