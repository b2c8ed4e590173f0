"""Vetoes of what many sources of an observation do together."""

from __future__ import annotations

import numpy as np
from dithering_field import HOST, DitheringField, extract_at

from xherald.detector.scoring.veto_flags import apply_vetoes, flag_rows, observation_notes

PLACES = [(x, y) for x in (-180.0, -90.0, 0.0, 90.0, 180.0) for y in (-180.0, -60.0, 60.0, 180.0)]


def field(seed: int) -> DitheringField:
    sky = DitheringField(seed)
    sky.add_background(3_000)
    for x, y in PLACES:
        sky.add_source(x, y, sky.rng.uniform(0, 20_000, 60))
    return sky


def raised(sky: DitheringField, name: str) -> list[int]:
    flags = apply_vetoes(extract_at(sky.make_observation(), PLACES), HOST.vetoes, {}, HOST)
    return np.flatnonzero(next(one for one in flags if one.name == name).flags.raised).tolist()


def test_sources_that_flare_in_the_same_seconds_are_rejected() -> None:
    sky = field(1)
    for place in (1, 7, 12, 18):
        sky.add_source(*PLACES[place], sky.rng.uniform(6_000, 6_100, 25))
    sky.add_source(*PLACES[4], sky.rng.uniform(12_000, 12_100, 25))
    assert raised(sky, "simultaneous") == [1, 7, 12, 18]
    assert raised(sky, "many_candidates") == []


def test_flares_at_different_times_are_kept() -> None:
    sky = field(2)
    for number, place in enumerate((1, 4, 7, 12, 18)):
        start = 2_000 + 3_000 * number
        sky.add_source(*PLACES[place], sky.rng.uniform(start, start + 100, 25))
    assert raised(sky, "simultaneous") == []
    assert raised(sky, "many_candidates") == []


def test_a_bright_flare_is_not_rejected_for_what_strays_from_it() -> None:
    sky = field(3)
    sky.add_source(*PLACES[9], sky.rng.uniform(6_000, 6_100, 2_000))
    for place in (1, 7, 12, 18):
        sky.add_source(*PLACES[place], sky.rng.uniform(6_000, 6_100, 25))
    assert 9 not in raised(sky, "simultaneous")


def test_an_observation_in_which_a_third_of_the_sources_vary_is_rejected_with_one_message() -> None:
    sky = field(4)
    for number, place in enumerate((0, 2, 5, 8, 11, 14, 17)):
        start = 1_000 + 2_500 * number
        sky.add_source(*PLACES[place], sky.rng.uniform(start, start + 200, 30))
    flags = apply_vetoes(extract_at(sky.make_observation(), PLACES), HOST.vetoes, {}, HOST)
    many = next(one for one in flags if one.name == "many_candidates")
    assert np.flatnonzero(many.flags.raised).tolist() == [0, 2, 5, 8, 11, 14, 17]
    (note,) = observation_notes(flags)
    assert note.startswith("7 of 20 tested sources vary")
    assert "many_candidates" in [row["veto"] for row in flag_rows(flags, 5)]
