"""A simulated field seen by a rotated, dithering detector, and what the vetoes flag in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from simulated_fields import CHANDRA, MIDDLE, simulated_field

from xherald.detector.extraction.extracted_sources import ExtractedSources
from xherald.detector.scoring.veto_flags import apply_vetoes
from xherald.evaluation.veto_trials import make_detection_batch
from xherald.photons import FieldEvents, Observation, PixelLayout, PointSpread, Screening
from xherald.photons.apertures import aperture_at
from xherald.photons.extraction import extract_with_rows
from xherald.photons.statistics import TimingSettings, assess
from xherald.plugins import DetectionBatch, PluginHost

HOST = PluginHost()

REJECTING_VETOES = {
    "afterglow", "background_flare", "bright_neighbour", "chip_edge", "cosmic_ray_track", "good_times_unknown",
    "hot_pixel", "lobster_arm",
    "many_candidates", "simultaneous",
    "readout_streak",
}  # fmt: skip

WARNING_VETOES = {"extended", "pile_up", "truncated"}
FRAME_S, PIXEL_ARCSEC = CHANDRA.frame_time, CHANDRA.pixel
PIXEL_PER_ARCSEC = np.array([[np.cos(0.6), -np.sin(0.6)], [np.sin(0.6), np.cos(0.6)]]) / PIXEL_ARCSEC
"""Detector pixels per arcsec on the sky; the detector is rotated."""

WIDE_SPREAD = PointSpread("wide", (0.0,), (1.5,), ((10.0,),), ((30.0,),), astrometry_arcsec=1.0)
"""A point spread of many pixels, like that of a lobster-eye telescope."""


def dither(time):
    """Offset of the pointing in arcsec, as in Chandra's dither."""
    return np.column_stack([8 * np.sin(2 * np.pi * time / 1000), 8 * np.sin(2 * np.pi * time / 707)])


@dataclass
class DitheringField:
    """Photons of a field of 500 arcsec on a rotated, dithering detector; positions in arcsec from its middle."""

    seed: int
    time: list = field(default_factory=list)
    position: list = field(default_factory=list)
    energy: list = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def add_photons(self, time, position, energy=None):
        """Add photons at these positions, with times at middles of frames."""
        time = (np.floor(np.asarray(time) / FRAME_S) + 0.5) * FRAME_S
        self.time.append(time)
        self.position.append(np.broadcast_to(position, (len(time), 2)))
        self.energy.append(np.full(len(time), 1.5) if energy is None else np.asarray(energy))

    def add_background(self, n, start=0.0, stop=20_000.0):
        """Add uniform background."""
        self.add_photons(self.rng.uniform(start, stop, n), self.rng.uniform(-250, 250, (n, 2)))

    def add_source(self, x, y, time, wider=1.0, spread=CHANDRA.point_spread):
        """Add photons of a source, spread by the point spread function."""
        core, slope = spread.king(np.hypot(x, y) / 60)
        radius = wider * core * np.sqrt((1 - self.rng.random(len(time))) ** (-1 / slope) - 1)
        turn = self.rng.uniform(0, 2 * np.pi, len(time))
        self.add_photons(time, np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)]))

    def add_pixel(self, x, y, time, energy=None):
        """Add events of one pixel: the one at (x, y) at the time of the first event, whatever the dither later."""
        time = (np.floor(np.asarray(time) / FRAME_S) + 0.5) * FRAME_S
        self.add_photons(time, np.array([x, y]) - dither(time[:1]) + dither(time), energy)

    def make_observation(self, layout=None, spread=CHANDRA.point_spread) -> Observation:
        time, energy = np.concatenate(self.time), np.concatenate(self.energy)
        position = np.concatenate(self.position)
        inside = (abs(position) < 250).all(axis=1) & (time > 0) & (time < 20_000)
        order = np.flatnonzero(inside)[np.argsort(time[inside], kind="stable")]
        time, position, energy = time[order], position[order], energy[order]
        pixels = np.rint((position - dither(time)) @ PIXEL_PER_ARCSEC.T).astype(np.int32) + 600
        n = len(time)
        events = FieldEvents(
            time=time,
            x=(MIDDLE + position[:, 0] / PIXEL_ARCSEC).astype(np.float32),
            y=(MIDDLE + position[:, 1] / PIXEL_ARCSEC).astype(np.float32),
            energy=energy.astype(np.float32),
            detector=np.zeros(n, dtype=np.int16),
            row=np.arange(n, dtype=np.int32),
            screening=Screening(n, n, {}),
        )
        return replace(
            simulated_field(0, 100),
            pixels=layout or PixelLayout(("px", "py")),
            point_spread=spread,
            detector_pixel_arcsec=PIXEL_ARCSEC,
            load_events=lambda: events,
            load_columns=lambda *names: tuple(pixels[:, ("px", "py").index(name)] for name in names),
        )


def extract_at(observation: Observation, positions, *, background: bool = True) -> DetectionBatch:
    """Extract and test the sources at these positions."""
    projection = observation.require_projection()
    apertures = []
    for number, (x, y) in enumerate(positions):
        ra, dec = (float(v) for v in projection.to_sky(MIDDLE + x / PIXEL_ARCSEC, MIDDLE + y / PIXEL_ARCSEC))
        aperture = aperture_at(observation, ra, dec, str(number), "placed")
        apertures.append(aperture if background else replace(aperture, background=None))
    batch, rows = extract_with_rows(observation, apertures)
    # Sources whose background varied unseen are not tested; here they are, for the vetoes.
    identities = [replace(one, flags=tuple(set(one.flags) - {"background_unknown"})) for one in batch.identities]
    batch = replace(batch, identities=tuple(identities))
    photons = ExtractedSources(Path("simulated"), observation, tuple(apertures), batch, (), rows)
    return make_detection_batch(photons, assess(batch, TimingSettings(threads=1)))


def find_flags(detection_batch: DetectionBatch, host: PluginHost = HOST) -> dict[str, list[int]]:
    """Indices of the sources that each veto flags; vetoes that flag none are left out."""
    flags = apply_vetoes(detection_batch, host.vetoes, {}, host)
    assert host.failures == []
    return {one.name: np.flatnonzero(one.flags.raised).tolist() for one in flags if one.flags.raised.any()}


def find_rejections(detection_batch: DetectionBatch) -> dict[str, list[int]]:
    """The same for vetoes that reject."""
    return {name: found for name, found in find_flags(detection_batch).items() if name in REJECTING_VETOES}
