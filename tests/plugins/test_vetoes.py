"""Vetoes: what a detector or the field did is rejected, what a source did is kept, and a broken veto harms no other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from handmade_exposures import expected
from hypothesis import given
from hypothesis import strategies as st
from read_files import observe
from scipy.stats import binom, poisson
from simulated_fields import CHANDRA, MIDDLE, simulated_field
from variable_sources import simulated_source

from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import ExtractedSources, extract_sources
from xherald.detector.scoring.veto_flags import apply_vetoes, flag_rows, rejected
from xherald.evaluation.veto_trials import make_detection_batch, veto_trials
from xherald.photons import (
    EventBatch,
    EventList,
    Exposure,
    FieldEvents,
    Identity,
    Observation,
    PixelLayout,
    PointSpread,
    Screening,
)
from xherald.photons.apertures import aperture_at
from xherald.photons.errors import ConfigError
from xherald.photons.extraction import extract, extract_with_rows
from xherald.photons.statistics import TimingSettings, assess
from xherald.plugins import DetectionBatch, Flags, Options, PluginHost, Veto

HOST = PluginHost()
REJECTING = {
    "afterglow", "background_flare", "bright_neighbour", "chip_edge", "cosmic_ray_track", "hot_pixel", "lobster_arm",
    "readout_streak",
}  # fmt: skip
TELLING = {"extended", "pile_up", "truncated"}
FRAME, PIXEL = CHANDRA.frame_time, CHANDRA.pixel
TURN = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]]) / PIXEL
"""Detector pixels of an arcsec on the sky: the detector is turned."""

WIDE = PointSpread("wide", (0.0,), (1.5,), ((10.0,),), ((30.0,),), astrometry_arcsec=1.0)
"""Many pixels across, as a lobster eye's."""


def dither(time):
    """Where the telescope pointed, arcsec, as Chandra's does."""
    return np.column_stack([8 * np.sin(2 * np.pi * time / 1000), 8 * np.sin(2 * np.pi * time / 707)])


@dataclass
class Sky:
    """Photons of a field of 500 arcsec seen through a turned, dithering detector; places in arcsec from its middle."""

    seed: int
    time: list = field(default_factory=list)
    place: list = field(default_factory=list)
    energy: list = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def put(self, time, place, energy=None):
        time = (np.floor(np.asarray(time) / FRAME) + 0.5) * FRAME
        self.time.append(time)
        self.place.append(np.broadcast_to(place, (len(time), 2)))
        self.energy.append(np.full(len(time), 1.5) if energy is None else np.asarray(energy))

    def background(self, n, start=0.0, stop=20_000.0):
        self.put(self.rng.uniform(start, stop, n), self.rng.uniform(-250, 250, (n, 2)))

    def source(self, x, y, time, wider=1.0, spread=CHANDRA.point_spread):
        """Photons through the point spread."""
        core, slope = spread.king(np.hypot(x, y) / 60)
        radius = wider * core * np.sqrt((1 - self.rng.random(len(time))) ** (-1 / slope) - 1)
        turn = self.rng.uniform(0, 2 * np.pi, len(time))
        self.put(time, np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)]))

    def pixel(self, x, y, time, energy=None):
        """Events of the one pixel that (x, y) falls on at the first of them, wherever the telescope points later."""
        time = (np.floor(np.asarray(time) / FRAME) + 0.5) * FRAME
        self.put(time, np.array([x, y]) - dither(time[:1]) + dither(time), energy)

    def observation(self, layout=None, spread=CHANDRA.point_spread) -> Observation:
        time, energy = np.concatenate(self.time), np.concatenate(self.energy)
        place = np.concatenate(self.place)
        inside = (abs(place) < 250).all(axis=1) & (time > 0) & (time < 20_000)
        order = np.flatnonzero(inside)[np.argsort(time[inside], kind="stable")]
        time, place, energy = time[order], place[order], energy[order]
        pixels = np.rint((place - dither(time)) @ TURN.T).astype(np.int32) + 600
        n = len(time)
        events = FieldEvents(
            time=time,
            x=(MIDDLE + place[:, 0] / PIXEL).astype(np.float32),
            y=(MIDDLE + place[:, 1] / PIXEL).astype(np.float32),
            energy=energy.astype(np.float32),
            detector=np.zeros(n, dtype=np.int16),
            row=np.arange(n, dtype=np.int32),
            screening=Screening(n, n, {}),
        )
        return replace(
            simulated_field(0, 100),
            pixels=layout or PixelLayout(("px", "py")),
            point_spread=spread,
            detector_pixel_arcsec=PIXEL,
            load_events=lambda: events,
            load_columns=lambda *names: tuple(pixels[:, ("px", "py").index(name)] for name in names),
        )


def judged(observation: Observation, places, *, background: bool = True) -> DetectionBatch:
    """The sources at these places, tested."""
    projection = observation.require_projection()
    apertures = []
    for number, (x, y) in enumerate(places):
        ra, dec = (float(v) for v in projection.to_sky(MIDDLE + x / PIXEL, MIDDLE + y / PIXEL))
        aperture = aperture_at(observation, ra, dec, str(number), "placed")
        apertures.append(aperture if background else replace(aperture, background=None))
    batch, rows = extract_with_rows(observation, apertures)
    photons = ExtractedSources(Path("simulated"), observation, tuple(apertures), batch, (), rows)
    return make_detection_batch(photons, assess(batch, TimingSettings(threads=1)))


def raised(detection_batch: DetectionBatch, host: PluginHost = HOST) -> dict[str, list[int]]:
    """Sources flagged by each veto that spoke."""
    flags = apply_vetoes(detection_batch, host.vetoes, {}, host)
    assert host.failures == []
    return {one.name: np.flatnonzero(one.flags.raised).tolist() for one in flags if one.flags.raised.any()}


def rejections(detection_batch: DetectionBatch) -> dict[str, list[int]]:
    return {name: found for name, found in raised(detection_batch).items() if name in REJECTING}


def test_every_veto_is_registered() -> None:
    assert {name for name, veto in HOST.vetoes.items() if veto.rejects} == REJECTING
    assert {name for name, veto in HOST.vetoes.items() if not veto.rejects} == TELLING


@given(st.integers(0, 200), st.floats(1e-3, 150.0))
def test_chances_of_counts_are_poisson_s(count: int, mean: float) -> None:
    from xherald.plugins.vetoes.count_probability import poisson_at_least, poisson_at_most

    assert poisson_at_least(count, mean) == pytest.approx(poisson.sf(count - 1, mean), rel=1e-8, abs=1e-15)
    assert poisson_at_most(count, mean) == pytest.approx(poisson.cdf(count, mean), rel=1e-8, abs=1e-15)


@given(st.integers(1, 150), st.floats(1e-4, 0.6), st.floats(0, 1))
def test_rare_chances_of_parts_are_binomial_s(trials: int, share: float, part: float) -> None:
    from xherald.plugins.vetoes.count_probability import binomial_at_least

    count = int(np.ceil(trials * share + part * (trials - trials * share)))
    if count > trials * share:
        assert binomial_at_least(count, trials, share) == pytest.approx(binom.sf(count - 1, trials, share), rel=1e-7)


def test_rows_say_which_event_each_photon_is() -> None:
    sky = Sky(2)
    sky.background(3_000)
    sky.source(30, 30, sky.rng.uniform(0, 20_000, 80))
    detection_batch = judged(sky.observation(), [(30, 30), (-80, 10), (33, 31)])
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
def test_adapters_say_on_which_pixel_an_event_fell(name: str, exposures, written) -> None:
    observation, truth = observe(written[name].events), expected(exposures[name])
    first = 1 if name in ("swift-xrt", "ep-fxt") else 0  # raw pixels counted from 0
    pixels = observation.event_pixels
    assert pixels.shape == (len(observation.events), 2)
    assert len(truth) > 500
    for axis, sought in enumerate((truth.chip_x, truth.chip_y)):
        assert np.array_equal(np.sort(pixels[:, axis]), np.sort(sought.astype(np.int32) - first))


def test_an_afterglow_is_rejected_and_a_burst_like_it_is_kept() -> None:
    sky = Sky(3)
    sky.background(3_000)
    frames = 5_000 + FRAME * np.arange(10)
    sky.pixel(60, 60, frames, energy=4.0 * np.exp(-0.2 * np.arange(10)))
    sky.source(-60, 60, frames)
    sky.pixel(60, -60, frames + 3_000, energy=1.0 + 0.3 * np.arange(10))
    detection_batch = judged(sky.observation(), [(60, 60), (-60, 60), (60, -60)])
    assert (detection_batch.timing.p_value < 1e-6).all()
    # Rising energies are no afterglow's, whatever the pixel.
    assert rejections(detection_batch) == {"hot_pixel": [0, 2], "afterglow": [0]}


def test_fast_bursts_lose_no_more_than_the_options_say() -> None:
    sky = Sky(4)
    sky.background(2_000)
    places = [(x, y) for x in np.linspace(-200, 200, 12) for y in np.linspace(-200, 200, 12)]
    for number, (x, y) in enumerate(places):
        sky.source(x, y, 100 + 120 * number + sky.rng.uniform(0, 15, 7))
    detection_batch = judged(sky.observation(), places)
    assert np.count_nonzero(detection_batch.timing.p_value < 1e-3) > 130
    lost = {one for found in rejections(detection_batch).values() for one in found}
    # hot_pixel and afterglow allow 1 % and, where energies fall, 5 %: a bound, for the union of all pixels is taken.
    assert len(lost) <= binom.ppf(0.9999, len(places), 0.01)


def test_a_hot_pixel_on_a_flaring_star_hides_no_flare() -> None:
    sky = Sky(5)
    sky.background(3_000)
    for x in (60, -60):
        sky.pixel(x, 0, 8_000 + FRAME * np.arange(12))
    sky.source(60, 0, sky.rng.uniform(7_950, 8_150, 60))
    detection_batch = judged(sky.observation(), [(60, 0), (-60, 0)])
    assert rejections(detection_batch) == {"hot_pixel": [1]}


def test_a_steady_source_under_a_flickering_pixel_is_no_candidate() -> None:
    sky = Sky(6)
    sky.background(3_000)
    sky.source(50, 50, sky.rng.uniform(0, 20_000, 60))
    for start in (3_000, 9_000):
        sky.pixel(50.3, 50.2, start + FRAME * np.arange(8))
    detection_batch = judged(sky.observation(), [(50, 50)])
    assert detection_batch.timing.p_value[0] < 1e-4
    assert 0 in rejections(detection_batch)["hot_pixel"]


def test_a_track_is_rejected_and_a_crowded_frame_is_not() -> None:
    sky = Sky(7)
    sky.background(3_000)
    along = np.arange(8)[:, None] * np.linalg.inv(TURN)[:, 0][None, :]
    sky.put(np.full(8, 6_000.0), np.array([150.0, 0.0]) + along - along.mean(axis=0))
    sky.source(-150, 0, np.full(8, 6_000.0), spread=WIDE)
    detection_batch = judged(sky.observation(spread=WIDE), [(150, 0), (-150, 0)])
    assert (detection_batch.timing.p_value < 1e-3).all()
    assert rejections(detection_batch) == {"cosmic_ray_track": [0]}


def test_what_the_whole_field_does_is_no_flare_of_one_source() -> None:
    sky = Sky(8)
    sky.background(40_000)
    sky.background(20_000, 9_000, 10_000)
    sky.source(-150, 150, sky.rng.uniform(9_400, 9_500, 800), spread=WIDE)
    # Without a background region the tests cannot know of the field.
    places = [(150, 150), (150, -150), (-150, 150)]
    detection_batch = judged(sky.observation(spread=WIDE), places, background=False)
    assert (detection_batch.timing.p_value < 1e-4).all()
    assert rejections(detection_batch) == {"background_flare": [0, 1]}


def test_a_dip_of_the_whole_field_is_no_dip_of_one_source() -> None:
    sky = Sky(9)
    sky.background(60_000, 0, 9_000)
    sky.background(60_000, 11_000, 20_000)
    sky.background(2_000, 9_000, 11_000)
    for x, on in ((100, (0, 9_000)), (100, (11_000, 20_000)), (-100, (0, 14_000)), (-100, (16_000, 20_000))):
        sky.source(x, 0, sky.rng.uniform(*on, int((on[1] - on[0]) / 60)))
    detection_batch = judged(sky.observation(), [(100, 0), (-100, 0)])
    assert (detection_batch.timing.p_value[:1] < 1e-4).all()
    assert rejections(detection_batch)["background_flare"] == [0]


def edge_list(time, name: str) -> EventList:
    """A source said to be half off its chip, every second 500 s."""
    starts = np.arange(0, 20_000, 500.0)
    exposure = Exposure(np.column_stack([starts, starts + 500]), np.where(np.arange(len(starts)) < 8, 0.2, 1.0))
    time = np.sort(time)
    return EventList(
        time, np.full(len(time), 1.5, np.float32), exposure, Identity("SIM", "CCD", "1", name), 0.0, (0.5, 7.0)
    )


def test_an_edge_that_explains_a_flare_rejects_it() -> None:
    rng = np.random.default_rng(10)
    even = rng.uniform(0, 20_000, 300)
    batch = EventBatch.from_lists(
        [edge_list(even, "even"), edge_list(np.concatenate([even[:60], rng.uniform(1_000, 1_100, 40)]), "burst")]
    )
    timing = assess(batch, TimingSettings(threads=1))
    assert (timing.p_value < 1e-6).all()
    # The photons of the first are even in time, as if it had never been near an edge.
    assert raised(make_detection_batch(ExtractedSources(Path("x"), None, (), batch), timing))["chip_edge"] == [0]


def test_a_burst_that_the_exposure_cuts_off_is_told() -> None:
    sky = Sky(11)
    sky.background(3_000)
    sky.source(100, 0, sky.rng.uniform(19_900, 20_000, 25))
    sky.source(-100, 0, sky.rng.uniform(9_900, 10_000, 25))
    detection_batch = judged(sky.observation(), [(100, 0), (-100, 0)])
    flags = apply_vetoes(detection_batch, HOST.vetoes, {}, HOST)
    assert not rejected(flags).any()
    assert [row["veto"] for row in flag_rows(flags, 0) if row["veto"] == "truncated"] == ["truncated"]
    assert not [row for row in flag_rows(flags, 1) if row["veto"] == "truncated"]


@pytest.mark.parametrize(
    ("name", "layout", "step"),
    [
        ("readout_streak", PixelLayout(("px", "py"), out_of_time=0.3), (0, 1)),
        ("lobster_arm", PixelLayout(("px", "py"), arms=0.5), (1, 0)),
    ],
)
def test_photons_that_strayed_from_a_bright_flare_are_no_flare_of_their_own(name, layout, step) -> None:
    sky = Sky(12)
    sky.background(3_000)
    # 100 pixels along the detector's column, or row, from the bright one; and as far off it.
    along = np.linalg.inv(TURN) @ (200 * np.array(step))
    across = np.array([-along[1], along[0]])
    off = (along + across) * 0.9
    sky.source(0, 0, sky.rng.uniform(6_000, 6_200, 8_000))
    for place in (along, off):
        sky.source(*place, sky.rng.uniform(6_000, 6_200, 12))
    detection_batch = judged(sky.observation(layout), [(0, 0), tuple(along), tuple(off)])
    assert (detection_batch.timing.p_value < 1e-6).all()
    assert rejections(detection_batch)[name] == [1]
    # Without the layout nothing strays that way.
    assert name not in raised(judged(sky.observation(), [(0, 0), tuple(along), tuple(off)]))


def test_wings_of_a_flare_are_rejected_and_its_halves_do_not_reject_each_other() -> None:
    sky = Sky(13)
    sky.background(3_000)
    sky.source(150, 0, sky.rng.uniform(6_000, 6_200, 3_000))
    found = rejections(judged(sky.observation(), [(150, 0), (153, 1.8), (151.5, 1)]))
    assert 1 in found["bright_neighbour"]
    assert 0 not in found["bright_neighbour"]


def test_pile_up_and_extent_are_told() -> None:
    sky = Sky(14)
    sky.background(3_000)
    sky.source(0, 0, sky.rng.uniform(0, 20_000, 3_000))
    sky.source(150, 0, sky.rng.uniform(0, 20_000, 400))
    sky.source(-150, 0, sky.rng.uniform(0, 20_000, 6_000), wider=8.0)
    # The annulus would lie on the wide one itself.
    found = raised(judged(sky.observation(), [(0, 0), (150, 0), (-150, 0)], background=False))
    assert found["pile_up"] == [0]
    assert found["extended"] == [2]
    assert not REJECTING & set(found)


def test_a_table_of_photons_raises_nothing_that_needs_a_detector() -> None:
    batch = EventBatch.from_lists([simulated_source("a", 1, 0.01, burst=(2_000.0, 2_100.0, 0.5))])
    detection_batch = make_detection_batch(
        ExtractedSources(Path("t.csv"), None, (), batch), assess(batch, TimingSettings(threads=1))
    )
    assert detection_batch.timing.p_value[0] < 1e-3
    assert not REJECTING & set(raised(detection_batch))


class Broken(Veto):
    """Breaks."""

    name = "broken"
    reason = "never"

    def flags(self, detection_batch: DetectionBatch, options: Options) -> Flags:
        raise RuntimeError("out of order")


class Careless(Veto):
    """Answers for one source, whatever it is asked."""

    name = "careless"
    reason = "{nothing:.1f}"

    def flags(self, detection_batch: DetectionBatch, options: Options) -> Flags:
        return Flags(np.ones(1, dtype=np.bool_), {})


def test_a_broken_veto_is_named_and_counted_and_the_others_go_on() -> None:
    host = PluginHost()
    sky = Sky(15)
    sky.background(3_000)
    sky.pixel(60, 60, 5_000 + FRAME * np.arange(10))
    detection_batch = judged(sky.observation(), [(60, 60), (-60, 60)])
    vetoes = {"broken": Broken(), "careless": Careless(), **host.vetoes}
    for _ in range(2):
        flags = apply_vetoes(detection_batch, vetoes, {}, host)
    assert [one.name for one in flags] == list(host.vetoes)
    assert rejected(flags).tolist() == [True, False]
    assert [(one.name, one.times) for one in host.failures] == [("broken", 2), ("careless", 2)]
    assert "out of order" in host.failures[0].reason
    with pytest.raises(ConfigError, match=r"vetoes\.hot_pixel"):
        apply_vetoes(detection_batch, host.vetoes, {"hot_pixel": Options()}, host)


def test_what_is_told_is_plain_and_rejections_come_first() -> None:
    sky = Sky(16)
    sky.background(3_000)
    sky.pixel(60, 60, 19_960 + FRAME * np.arange(10))
    flags = apply_vetoes(judged(sky.observation(), [(60, 60)]), HOST.vetoes, {}, HOST)
    rows = flag_rows(flags, 0)
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0]["veto"] == "hot_pixel"
    assert [row["rejects"] for row in rows] == sorted((row["rejects"] for row in rows), reverse=True)
    assert "10 of 10 photons lie on one detector pixel" in rows[0]["reason"]
    assert rejected((), 3).tolist() == [False] * 3


def test_trials_are_counted_and_the_same_again() -> None:
    first = veto_trials(3, fields=1, telescopes=("chandra-acis-i", "swift-xrt"))
    assert json.loads(json.dumps(first)) == first
    assert first == veto_trials(3, fields=1, telescopes=("chandra-acis-i", "swift-xrt"))
    groups = {row["group"]: row for row in first["rows"] if not row["kind"]}
    assert {"artefact", "clean", "transient"} <= set(groups)
    assert first["failures"] == []
    for row in first["rows"]:
        assert row["low"] <= row["part"] == row["counted"] / row["trials"] <= row["high"]
    # Two fields prove no rate, but show that artefacts go and sources stay.
    assert groups["artefact"]["part"] > 0.6
    assert groups["transient"]["part"] > 0.8


def real(path: Path) -> DetectionBatch:
    configuration = load_configuration(None, {})
    photons = extract_sources(path, configuration)
    return make_detection_batch(photons, assess(photons.batch, configuration.settings.timing))


@pytest.mark.parametrize("name", ["acisf23022_000N027_r0122_regevt3.fits.gz", "acisf23022_0.3-7_evt2_filtered.fits"])
def test_xrt_200515_is_kept_though_a_frame_holds_dozens(data: Path, name: str) -> None:
    detection_batch = real(data / "chandra" / name)
    assert detection_batch.timing.p_value[0] < 1e-9
    assert rejections(detection_batch) == {}


def test_the_flares_of_orion_are_kept(data: Path) -> None:
    detection_batch = real(data / "chandra" / "acisf29128N001_evt2.fits.gz")
    flags = apply_vetoes(detection_batch, HOST.vetoes, {}, HOST)
    away = [
        np.hypot((one.ra - 83.833298) * np.cos(np.radians(one.dec)), one.dec + 5.420581)
        for one in detection_batch.apertures
    ]
    flare = int(np.argmin(away))
    assert away[flare] * 3600 < 2
    significant = detection_batch.timing.p_value < 1e-3
    assert significant[flare]
    assert not (rejected(flags) & significant).any()
