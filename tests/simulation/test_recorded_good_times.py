"""Good times of recorded events: of each chip, and where they cut frames."""

from __future__ import annotations

import dataclasses

import numpy as np
from toy_telescope import FAST_FRAME_S, FLAT, LINE, chip, exposure, steady, toy, with_gti

from xherald.photons.gti import gti_contains
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component
from xherald.simulation.response import record


def test_each_chip_has_its_own_good_times() -> None:
    telescope = toy(frame_time=FAST_FRAME_S, chips=(chip(0), chip(1, module=1)), particle_background=FLAT * 1e-3)
    observing = exposure(telescope)
    rows = {0: (0.0, 200.0), 1: (100.0, 1000.0)}
    gti = {number: observing.start + np.array([row]) for number, row in rows.items()}
    events = record(telescope, dataclasses.replace(observing, gti=gti), [steady(observing, 2000)], 23)
    for number, (begin, end) in rows.items():
        own = events.select(events.detector == number)
        assert gti_contains(gti[number], own.time).all()
        mean = 2 * (end - begin)
        assert abs((own.origin == 0).sum() - mean) < 5 * np.sqrt(mean)


def test_events_of_cut_frames_are_within_good_times() -> None:
    telescope = toy(frame_time=3.0)
    observing = with_gti(exposure(telescope), (2.0, 7.0), (13.0, 32.0))
    events = record(telescope, observing, [steady(observing, 3000)], 24)
    # Middles of frames: 1.5, 4.5, 7.5, 10.5, 13.5, …
    assert set(events.time - observing.start) == {4.5, *np.arange(13.5, 32, 3)}


def test_photons_before_good_time_are_not_recorded() -> None:
    telescope = toy(frame_time=3.0, chips=(chip(0), chip(1, module=1)))
    observing = exposure(telescope)
    early = {number: observing.start + np.array([[begin, 30.0]]) for number, begin in ((0, 1.2), (1, 0.0))}
    source = steady(observing, 3000)
    burst = dataclasses.replace(source.model, components=(Component(LightCurve.constant(0.0, 1.0), LINE),))
    source = dataclasses.replace(source, model=burst, flux=1.0)
    events = record(telescope, dataclasses.replace(observing, gti=early), [source], 25)
    assert set(events.detector) == {1}


def test_chips_without_good_times_record_nothing() -> None:
    telescope = toy(chips=(chip(0), chip(1, module=1)), particle_background=FLAT * 1e-2)
    observing = exposure(telescope)
    one_chip = dataclasses.replace(observing, gti={1: observing.gti[1]})
    events = record(telescope, one_chip, [steady(observing, 500)], 19)
    assert set(events.detector) == {1}
    assert set(events.origin) == {-2, 0}
