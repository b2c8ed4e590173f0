"""Steady neighbours of a burst: background regions avoid its wings, apertures expect the photons that reach them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bright_skies import LOBSTER, MIRROR, BrightSky, Telescope

from xherald.detector.extraction.extracted_sources import ExtractedSources
from xherald.detector.scoring.veto_flags import apply_vetoes, rejected
from xherald.evaluation.veto_trials import make_detection_batch
from xherald.photons import Annulus, Aperture, Observation, PixelLayout, Polygon
from xherald.photons.apertures import aperture_at
from xherald.photons.extraction import extract_with_rows
from xherald.photons.source_detection.stray_photons import add_strays, avoid_stray_photons
from xherald.photons.statistics import assess
from xherald.plugins import PluginHost

HOST = PluginHost()
ARMS = PixelLayout(("px", "py"), arms=0.5)


def places(telescope: Telescope, rings: tuple[float, ...]) -> list[tuple[float, float]]:
    """A burst in the middle and steady sources around it, at distances in units of the 90 % radius."""
    turns = np.arange(6) * np.pi / 3
    r90 = telescope.enclosing(0.9)
    around = [(ring * r90 * np.cos(a + ring), ring * r90 * np.sin(a + ring)) for ring in rings for a in turns]
    return [(0.0, 0.0), *around]


def burst_next_door(telescope: Telescope, seed: int, burst: int, rings: tuple[float, ...]) -> BrightSky:
    sky = BrightSky(telescope, seed, roll=15.0).flat(2_000 if telescope is LOBSTER else 8_000)
    span = (0.40 * telescope.exposure, 0.43 * telescope.exposure)
    sky.star(0.0, 0.0, burst, span).star(0.0, 0.0, 200)
    if telescope is LOBSTER:
        sky.cross(0.0, 0.0, burst, 2_400.0, span)
    for x, y in places(telescope, rings)[1:]:
        sky.star(x, y, 120)
    return sky


def apertures_at(observation: Observation, telescope: Telescope, at: list[tuple[float, float]]) -> list[Aperture]:
    projection = observation.require_projection()
    found = []
    for number, (x, y) in enumerate(at):
        pixels = projection.x_reference + x / telescope.pixel, projection.y_reference + y / telescope.pixel
        ra, dec = projection.to_sky(*pixels)
        found.append(aperture_at(observation, float(ra), float(dec), str(number), "placed"))
    return found


@pytest.mark.parametrize(
    ("telescope", "layout", "burst", "rings"),
    [
        (MIRROR, None, 5_000, (1.2,)),
        (MIRROR, None, 1_000, (1.6,)),
        (MIRROR, None, 5_000, (2.5, 4.0, 6.0)),
        (LOBSTER, ARMS, 600, (1.2,)),
        (LOBSTER, ARMS, 600, (2.5, 4.0, 6.0)),
        (LOBSTER, ARMS, 3_000, (2.5, 4.0, 6.0)),
    ],
)
def test_steady_neighbours_of_a_burst_are_steady(telescope, layout, burst: int, rings) -> None:
    candidates, bursts = 0, 0
    for seed in range(3):
        observation = burst_next_door(telescope, seed, burst, rings).observation(layout)
        placed = apertures_at(observation, telescope, places(telescope, rings))
        apertures, strays = avoid_stray_photons(observation, placed)
        batch, rows = extract_with_rows(observation, apertures)
        batch = add_strays(batch, strays)
        timing = assess(batch)
        photons = ExtractedSources(Path("drawn"), observation, tuple(apertures), batch, (), rows)
        flags = apply_vetoes(make_detection_batch(photons, timing), HOST.vetoes, {}, HOST)
        varies = (timing.p_value < 1e-3) & ~rejected(flags)
        bursts += int(varies[0])
        candidates += int(varies[1:].sum())
    assert bursts == 3
    assert candidates <= 1


def test_background_regions_leave_out_the_wings_of_a_burst() -> None:
    observation = burst_next_door(MIRROR, 1, 20_000, (4.0,)).observation()
    before = apertures_at(observation, MIRROR, places(MIRROR, (4.0,)))
    after, _ = avoid_stray_photons(observation, before)
    assert after[0] == before[0]
    projection, events = observation.require_projection(), observation.events
    burst = (events.time > 0.4 * MIRROR.exposure) & (events.time < 0.43 * MIRROR.exposure)
    for old, new in zip(before[1:], after[1:], strict=True):
        assert isinstance(old.background, Annulus)
        assert isinstance(new.background, Polygon)
        held = [
            np.count_nonzero(shape.contains(projection, events.x[burst], events.y[burst])) / shape.area
            for shape in (old.background, new.background)
        ]
        assert held[1] < 0.6 * held[0]


def test_sectors_of_an_annulus_are_its_parts() -> None:
    observation = burst_next_door(MIRROR, 1, 20_000, (4.0,)).observation()
    projection = observation.require_projection()
    before = apertures_at(observation, MIRROR, places(MIRROR, (4.0,)))
    after, _ = avoid_stray_photons(observation, before)
    x, y = np.random.default_rng(1).uniform(1500, 2500, (2, 1_000_000))
    old, new = before[1].background, after[1].background
    assert isinstance(old, Annulus)
    assert new is not None
    px, py = projection.to_pixel(old.ra, old.dec)
    away = np.hypot(x - px, y - py) * MIRROR.pixel
    inside = new.contains(projection, x, y)
    assert inside.any()
    assert (away[inside] >= 0.99 * old.inner).all()
    # The shoelace area and the area inside agree, whatever joins the sectors.
    counted = np.count_nonzero(inside) / len(x) * (1000 * MIRROR.pixel) ** 2
    assert counted == pytest.approx(new.area, rel=0.1)


def test_isolated_sources_keep_their_annuli() -> None:
    sky = BrightSky(MIRROR, 2).flat(8_000).star(-400.0, 0.0, 300).star(400.0, 0.0, 300)
    observation = sky.observation()
    before = apertures_at(observation, MIRROR, [(-400.0, 0.0), (400.0, 0.0)])
    after, strays = avoid_stray_photons(observation, before)
    assert after == before
    assert not len(strays.source)
