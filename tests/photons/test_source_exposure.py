"""Sources that a telescope moves over a chip's edge stay steady; its path follows from the events alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paths import DATA
from read_files import observe
from simulated_fields import CHANDRA, PointSource, simulated_field

from xherald.photons import DetectorLayout, Observation, PixelLayout
from xherald.photons.apertures import aperture_at
from xherald.photons.exposure.pointing_path import measure_pointing_path
from xherald.photons.extraction import extract
from xherald.photons.statistics import assess

AMPLITUDE = 16 / 0.492
PERIODS = 1000.0, 707.0
TURN = math.radians(33.0)
EDGE = 250.0
"""Half the side of the simulated chip, pixels."""


def aim(time: np.ndarray) -> np.ndarray:
    """Chandra's Lissajous figure, sky pixels."""
    return AMPLITUDE * np.column_stack([np.sin(2 * np.pi * time / period) for period in PERIODS])


def dithered(sources: list[PointSource], seed: int = 1) -> Observation:
    """A field seen through one chip under a dithering telescope: only events on the chip are kept."""
    whole = simulated_field(seed, 6000.0, sources, layout=replace(CHANDRA, side=320.0))
    events = whole.events
    sky = np.column_stack([events.x, events.y]).astype(np.float64) - 4096.5
    turn = np.array([[math.cos(TURN), -math.sin(TURN)], [math.sin(TURN), math.cos(TURN)]])
    focal = (sky - aim(events.time)) @ turn
    on = (np.abs(focal) < EDGE).all(axis=1)
    chip = np.floor(focal[on] + EDGE) + 1
    columns = {"chipx": chip[:, 0], "chipy": chip[:, 1]}
    kept = replace(
        events,
        **{name: getattr(events, name)[on] for name in ("time", "x", "y", "energy", "detector")},
        row=np.arange(np.count_nonzero(on), dtype=np.int32),
    )
    return replace(
        whole,
        load_events=lambda: kept,
        load_columns=lambda *names: tuple(columns[name] for name in names),
        pixels=PixelLayout(("chipx", "chipy")),
        layout=DetectorLayout((1, 1), (int(2 * EDGE), int(2 * EDGE))),
    )


def at_edge(along: float, depth: float) -> tuple[float, float]:
    """Place, arcsec from the middle, so many pixels along an edge of the chip and within it."""
    turn = np.array([[math.cos(TURN), -math.sin(TURN)], [math.sin(TURN), math.cos(TURN)]])
    x, y = (np.array([EDGE - depth, along]) @ turn.T) * 0.492
    return float(x), float(y)


def verdicts(observation: Observation, places: list[tuple[float, float]]) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    projection = observation.require_projection()
    apertures = []
    for i, (x, y) in enumerate(places):
        ra, dec = projection.to_sky(4096.5 + x / 0.492, 4096.5 + y / 0.492)
        apertures.append(aperture_at(observation, float(ra), float(dec), str(i), "test"))
    batch = extract(observation, apertures)
    return assess(batch).p_value, [one.flags for one in batch.identities]


def test_measured_path_follows_the_aim_point() -> None:
    observation = dithered([])
    path = measure_pointing_path(observation)
    assert path is not None
    time = np.linspace(*observation.span, 2000)[1:-1]
    position, _ = path.at(time)
    off = np.column_stack([position.real, position.imag]) - aim(time)
    # The path's zero is arbitrary; 16 s of dither at its fastest are 4 pixels.
    assert np.abs(off - off.mean(axis=0)).max() < 4.0
    assert np.abs(off - off.mean(axis=0)).std() < 1.0


def test_steady_sources_at_chip_edges_are_not_dips() -> None:
    places = [at_edge(along, depth) for along, depth in ((-120, 5), (-40, 15), (40, 25), (120, 32))]
    observation = dithered([PointSource(x, y, 400) for x, y in places])
    known, flags = verdicts(observation, places)
    unknown, _ = verdicts(replace(observation, pixels=None), places)
    assert all("crosses_chip_edge" in one for one in flags)
    # The deeper within the chip, the shorter it is off; not to know of the edge makes a dip of the first at least.
    assert unknown.min() < 1e-6
    assert (unknown < 0.1).all()
    assert (known > 1e-3).all()


def test_sources_far_from_edges_keep_their_exposure() -> None:
    observation = dithered([PointSource(10.0, -20.0, 100)])
    known, ((*flags,),) = verdicts(observation, [(10.0, -20.0)])
    unknown, _ = verdicts(replace(observation, pixels=None), [(10.0, -20.0)])
    assert "crosses_chip_edge" not in flags
    assert known == pytest.approx(unknown)


def test_burst_at_a_chip_edge_is_detected() -> None:
    x, y = at_edge(0, 20)
    observation = dithered([PointSource(x, y, 100), PointSource(x, y, 40, start=9000.0, stop=9600.0)])
    (p,), _ = verdicts(observation, [(x, y)])
    assert p < 1e-6


def test_too_few_events_have_no_path() -> None:
    observation = dithered([])
    names = ("time", "x", "y", "energy", "detector", "row")
    few = replace(observation.events, **{name: getattr(observation.events, name)[:40] for name in names})
    assert measure_pointing_path(replace(observation, load_events=lambda: few)) is None
    assert measure_pointing_path(replace(observation, pixels=None)) is None


def test_orion_stars_at_chip_edges_are_not_dips(data: Path) -> None:
    # Bright stars of ObsID 29128 that lose all their photons for 450 to 930 s while off CCD 3.
    observation = observe(data / "chandra" / "acisf29128N001_evt2.fits.gz")
    places = [(83.79448, -5.39565), (83.73294, -5.38681), (83.82631, -5.37699)]
    apertures = [aperture_at(observation, ra, dec, str(i), "test") for i, (ra, dec) in enumerate(places)]
    aware = assess(extract(observation, apertures))
    events = observation.events
    unaware = assess(extract(replace(observation, pixels=None, load_events=lambda: events), apertures))
    assert (unaware.p_value < 1e-6).all()
    assert (aware.p_value > 1e-3).all()


CASES = DATA.parent / "cases"


def _require_cases() -> Path:
    if not CASES.is_dir():
        pytest.skip(f"cases are not at {CASES}")
    return CASES


@pytest.mark.parametrize("tile", ["900111", "900112", "900113"])
def test_steady_sources_of_survey_tiles_are_not_eclipses(tile: str) -> None:
    path = _require_cases() / "erosita_survey" / f"em01_{tile}_020_EventList_c010.fits.gz"
    observation = observe(path)
    truth = json.loads(Path(str(path).replace(".fits.gz", ".truth.json")).read_text("utf-8"))
    apertures = [aperture_at(observation, s["ra_deg"], s["dec_deg"], s["name"], "test") for s in truth["sources"]]
    batch = extract(observation, apertures)
    assert not any("exposure_unknown" in one.flags for one in batch.identities)
    # 8 sources a tile; the chance of one below is 1 in 125.
    assert assess(batch).p_value.min() > 1e-3


@pytest.mark.parametrize(("name", "ra", "dec"), [("dip", 185.91120, 15.80981), ("flare", 185.50632, 15.84891)])
def test_steady_swift_source_that_leaves_the_detector_is_steady(name: str, ra: float, dec: float) -> None:
    observation = observe(_require_cases() / "swift" / f"swift_edge_{name}.evt")
    batch = extract(observation, [aperture_at(observation, ra, dec, "1", "test")])
    assert assess(batch).p_value[0] > 0.05
    assert "crosses_chip_edge" in batch.identities[0].flags


def test_real_swift_source_at_the_edge_in_one_snapshot_is_steady(data: Path) -> None:
    observation = observe(data / "swift" / "sw00011337002xpcw3po_cl.evt.gz")
    batch = extract(observation, [aperture_at(observation, 185.87875, 15.75136, "2", "test")])
    assert assess(batch).p_value[0] > 0.05
    # The first snapshot, in which the source has DETX = -18, is not good time.
    assert batch.gti[0, 0] > observation.span[0] + 5_000.0


def test_list_cut_around_a_source_has_no_edges_of_its_own() -> None:
    whole = dithered([PointSource(10.0, -20.0, 300)])
    events = whole.events
    near = np.hypot(events.x - 4096.5 - 10.0 / 0.492, events.y - 4096.5 + 20.0 / 0.492) < 25.0
    cut = replace(
        events, **{name: getattr(events, name)[near] for name in ("time", "x", "y", "energy", "detector", "row")}
    )
    observation = replace(whole, load_events=lambda: cut, detector_pixel_arcsec=0.492)
    assert measure_pointing_path(observation) is not None
    ra, dec = observation.require_projection().to_sky(4096.5 + 10.0 / 0.492, 4096.5 - 20.0 / 0.492)
    batch = extract(observation, [aperture_at(observation, float(ra), float(dec), "1", "test")])
    assert (batch.gti_fraction == 1.0).all()
