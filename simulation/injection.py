"""Injection of a transient into a real event file without changing its other bytes: `inject`.

The file is read by its adapter, which also gives the columns of time, position and energy. A new row is a copy of the
real event nearest in time on the same detector, in which these columns, and those that depend on them, are replaced. So
grades, flags and other columns have plausible values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.adapters import FitsAdapter, read_header
from xherald.photons import DetectorUnit, Exposure, Observation
from xherald.photons.apertures import off_axis_arcmin
from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError, FileError, ProjectionError, UnreadableFileError
from xherald.photons.footprint import field_footprint
from xherald.photons.gti import gti_contains
from xherald.plugins import PluginHost, ReadLimits
from xherald.simulation.writers.truth import TRUTH_VERSION, truth_path, write_truth

from .classes import CLASSES, class_named
from .energies import MIDDLE_KEV, draw_energies
from .fits_rows import insert_rows, packed, unpacked
from .injection_rows import RowMaker
from .mirror_spread import scatter
from .model import SourceModel
from .random_streams import stream
from .telescopes import telescope_of
from .write_errors import file_errors, is_compressed

__all__ = ["Injection", "inject"]


@dataclass(frozen=True, slots=True)
class Injection:
    """Result of an injection.

    Parameters
    ----------
    file, source_file : str
    kind : str — class of the transient
    ra_deg, dec_deg : float
    expected_counts : float — requested
    photons : int — added
    lost_off_detector, lost_outside_band : int
        Drawn, but not in the file: outside the detectors or their good times, or measured outside the band.
    start_s, stop_s : float — mission seconds of the event, 5 % to 95 % of its photons
    start_utc, stop_utc : str
    seed : int
    parameters : mapping of str to float
    """

    file: str
    source_file: str
    kind: str
    ra_deg: float
    dec_deg: float
    expected_counts: float
    photons: int
    lost_off_detector: int
    lost_outside_band: int
    start_s: float
    stop_s: float
    start_utc: str
    stop_utc: str
    seed: int
    parameters: Mapping[str, float]

    def truth(self) -> dict[str, object]:
        """Truth of the injection, in the form of simulated files (`writers.truth`)."""
        event = {name: getattr(self, name) for name in ("start_s", "stop_s", "start_utc", "stop_utc")}
        source = {
            "name": "injected",
            "ra_deg": self.ra_deg,
            "dec_deg": self.dec_deg,
            "class": self.kind,
            "direction": "flare",
            "counts_expected": self.expected_counts,
            "counts_recorded": self.photons + self.lost_outside_band,
            "counts_kept": self.photons,
            "event": event,
            "parameters": dict(self.parameters),
        }
        return {
            "schema_version": TRUTH_VERSION,
            "file": self.file,
            "source_file": self.source_file,
            "seed": self.seed,
            "sources": [source],
            "lost_off_detector": self.lost_off_detector,
            "lost_outside_band": self.lost_outside_band,
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Photons:
    """Photons on the sky grid of the file: s (`FieldEvents.time`), sky pixels, keV, detector numbers."""

    time: F64
    x: F64
    y: F64
    energy: F64
    detector: NDArray[np.int64]

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> _Photons:
        return _Photons(*(getattr(self, name)[chosen] for name in self.__slots__))


def inject(
    path: Path,
    out: Path,
    *,
    source: str | SourceModel,
    counts: float,
    ra: float,
    dec: float,
    start: float | None = None,
    duration: float | None = None,
    seed: int,
    overwrite: bool = False,
    host: PluginHost | None = None,
    options: Mapping[str, Mapping[str, object]] | None = None,
    limits: ReadLimits | None = None,
) -> Injection:
    """Add a transient to a real event file and write the result with a truth file.

    Parameters
    ----------
    path, out : Path
        Input and output; the output is compressed if its name ends in .gz or .FTZ.
    source : str or SourceModel
        A class of flares (`classes.class_named`), drawn without persistent emission; or a model in s since the first
        good time.
    counts : float
        Expected counts in the band and the whole point spread, without losses at chip edges.
    ra, dec : float — ICRS deg
    start : float or None — s after the first good time; random within good time if None
    duration : float or None — s between 5 % and 95 % of its photons; random if None
    seed : int
    overwrite : bool
    host, options, limits
        Of the configuration: plugins, options by adapter name, read limits.

    Raises
    ------
    FileError
        The file cannot be read, has no sky image or good times, or the position is outside its field; `out` exists
        or cannot be written.
    ConfigError
        The class is unknown or a dip, or duration or start are impossible.
    """
    host, limits = host or PluginHost(), limits or ReadLimits()
    _refuse_targets(path, out, overwrite)
    adapter = host.find_adapter(path, read_header(path, limits))
    if not isinstance(adapter, FitsAdapter):
        raise FileError(
            path, f"photons can only be added to FITS event files, and adapter {adapter.name} reads another format"
        )
    chosen = host.validate_options(adapter, (options or {}).get(adapter.name, {}))
    observation = adapter.read(path, chosen, limits)
    if not any(len(one.gti) for one in observation.detectors):
        raise UnreadableFileError(
            path, "no good-time intervals, so photons cannot be placed in time; add a GTI extension"
        )
    observation.require_projection()
    good = _good(observation, (ra, dec)) - observation.span[0]
    model = _model(source, observation, good, start, duration, seed)
    drawn, outside_band = _draw(observation, model, good, counts, (ra, dec), seed)
    maker = RowMaker.of(observation, adapter.photon_columns(path, chosen, limits))
    stamped = replace(drawn, time=maker.stamped(drawn.time, drawn.detector))
    kept = stamped.select(_in_good_time(observation, stamped))
    kept = kept.select(np.argsort(kept.time, kind="stable"))
    content = unpacked(path)
    rows, before = maker.rows(content, kept.time, kept.x, kept.y, kept.energy, kept.detector)
    injected = packed(insert_rows(content, maker.columns.events, rows, before), compress=is_compressed(out))
    interval = model.interval or (float(model.components[0].light_curve.time[0]), observation.span[1])
    begin, end = (observation.span[0] + edge for edge in interval)
    done = Injection(
        file=out.name,
        source_file=path.name,
        kind=model.kind,
        ra_deg=ra,
        dec_deg=dec,
        expected_counts=counts,
        photons=len(kept.time),
        lost_off_detector=len(drawn.time) - len(kept.time),
        lost_outside_band=outside_band,
        start_s=begin,
        stop_s=end,
        start_utc=observation.time_reference.utc(begin),
        stop_utc=observation.time_reference.utc(end),
        seed=seed,
        parameters=dict(model.parameters),
    )
    with file_errors(out):
        out.write_bytes(injected)
        write_truth(truth_path(out), done.truth())
    return done


def _refuse_targets(path: Path, out: Path, overwrite: bool) -> None:
    if out.exists() and path.exists() and out.samefile(path):
        raise FileError(out, "is the input file itself; write to another file")
    if out.exists() and not overwrite:
        raise FileError(out, "exists already; use --overwrite to replace it")


def _model(
    source: str | SourceModel,
    observation: Observation,
    good: F64,
    start: float | None,
    duration: float | None,
    seed: int,
) -> SourceModel:
    """The event alone, in s since the first good time; starts in good time unless the start is given."""
    if isinstance(source, SourceModel):
        return source
    kind = class_named(source)
    if kind.direction != "flare":
        flares = ", ".join(name for name, one in CLASSES.items() if one.direction == "flare")
        raise ConfigError(f"{kind.name} only removes photons, so it cannot be injected; choose from {flares}")
    span = observation.span[1] - observation.span[0]
    if start is None:
        exposure = Exposure(good)
        start = float(exposure.time_at(stream(seed, "inject start").uniform(0.0, 0.95) * exposure.livetime))
    return kind.build(stream(seed, "inject"), span, start=start, length=duration, persistent=0.0)


def _draw(
    observation: Observation,
    model: SourceModel,
    gti: F64,
    counts: float,
    place: tuple[float, float],
    seed: int,
) -> tuple[_Photons, int]:
    """Photons on the detectors, and the number of those measured outside the band."""
    rng = stream(seed, "inject photons")
    telescope = telescope_of(observation)
    inside = (telescope.band[0] <= MIDDLE_KEV) & (telescope.band[1] >= MIDDLE_KEV)
    folded = [float((one.spectrum * telescope.area_cm2)[inside].sum()) for one in model.components]
    expected = sum(a * one.light_curve.integral(gti) for a, one in zip(folded, model.components, strict=True))
    if not expected > 0:
        raise ConfigError(
            f"{observation.path}: the event is outside the good times of its detector; choose another start"
        )
    times, energies = [], []
    for component in model.components:
        weights = component.spectrum * telescope.area_cm2
        arrivals = component.light_curve.arrivals(gti, counts / expected * float(weights.sum()), rng)
        times.append(arrivals)
        energies.append(draw_energies(weights, len(arrivals), rng))
    true = np.concatenate(energies)
    axis = observation.pointing
    angle = float(off_axis_arcmin(observation, *place) or 0.0) if axis else 0.0
    du, dv = scatter(telescope, np.full(len(true), angle), true, rng)
    projection = observation.require_projection()
    x, y = (float(value) for value in projection.to_pixel(*place))
    measured = telescope.measured(true, rng)
    drawn = _Photons(
        np.concatenate(times) + observation.span[0],
        x - du / 3600 / projection.x_step,
        y + dv / 3600 / projection.y_step,
        measured,
        np.zeros(len(true), dtype=np.int64),
    )
    in_band = (measured > observation.band[0]) & (measured < observation.band[1])
    drawn = drawn.select(in_band)
    return replace(drawn, detector=_detectors(observation, drawn, rng)), int(np.count_nonzero(~in_band))


def _good(observation: Observation, place: tuple[float, float]) -> F64:
    """Good times of the detector in which the position is farthest from the edge."""
    footprint = field_footprint(observation)
    x, y = (np.atleast_1d(value) for value in observation.require_projection().to_pixel(*place))
    depth = footprint.depth(x, y)[:, 0] if footprint.numbers else np.empty(0)
    if not np.isfinite(depth).all():
        raise ProjectionError(f"{observation.path}: {place[0]:.5f} {place[1]:+.5f} is on the opposite side of the sky")
    if not len(depth) or depth.max() < 0:
        raise UnreadableFileError(
            observation.path,
            f"{place[0]:.5f} {place[1]:+.5f} is outside the field of view (see `xherald inspect`)",
        )
    good: F64 = observation.detector(footprint.numbers[int(depth.argmax())]).gti
    return good


def _detectors(observation: Observation, photons: _Photons, rng: np.random.Generator) -> NDArray[np.int64]:
    """Detector of each photon; a random one if several observe the position; −1 outside all of them."""
    footprint = field_footprint(observation)
    on = footprint.depth(photons.x, photons.y) >= 0
    draw = np.where(on, rng.random(on.shape), -1.0)
    numbers = np.array(footprint.numbers, dtype=np.int64)[draw.argmax(axis=0)]
    return np.where(on.any(axis=0), numbers, -1)


def _in_good_time(observation: Observation, photons: _Photons) -> NDArray[np.bool_]:
    good = np.zeros(len(photons.time), dtype=np.bool_)
    detectors: tuple[DetectorUnit, ...] = observation.detectors
    for one in detectors:
        own = photons.detector == one.number
        good[own] = gti_contains(one.gti, photons.time[own])
    return good
