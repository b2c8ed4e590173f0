"""What is kept of one scanned file: observations with their detections, candidates, and what was tested: `Result`.

This runs in the workers; what it makes is plain data that goes to the daemon, which alone writes the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import TypeAdapter

from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, MapTile, ObservationRecord, Run
from xherald.detector.results.version import code_version
from xherald.photons.errors import PhotonError

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.results.row_types import DetectionRow
    from xherald.detector.scan import Scan

__all__ = ["Result", "result_of", "settings_hash"]

REVISION: Final = "REVISION"
"""Keyword by which Chandra's archive numbers the processings of an observation."""

VERSIONS: Final = ("PPSVERS", "PROCVER", "PROCVERS", "PIPEVER", "SEQPNUM")
"""Keywords of pipelines' versions (XMM, Swift, eROSITA and others), and of how often one of them ran (NASA's)."""

PARTS: Final = ("EXPIDSTR", "OBI_NUM", "CYCLE", "DATAMODE", "OBS_MODE", "HDUCLAS2")
"""Keywords that tell apart what there can be of one observation and instrument: exposures, modes, all or accepted
photons; single chips come besides."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the road made of a file.

    Parameters
    ----------
    observations : tuple of ObservationRecord
    candidates : tuple of CandidateRecord
    tested : tuple of (int, float)
        Place among all detections and false-alarm probability of each that was tested and no flag rejects, in their
        order: what false-discovery control is asked about.
    run : Run
    """

    observations: tuple[ObservationRecord, ...]
    candidates: tuple[CandidateRecord, ...]
    tested: tuple[tuple[int, float], ...]
    run: Run


def settings_hash(configuration: Configuration) -> str:
    """SHA-256 of the settings that results depend on, hexadecimal."""
    sections = {"read", "source_detection", "apertures", "extraction", "timing", "detection", "adapters", "plugins"}
    told = _teller().dump_python(configuration.settings, mode="json", include=sections)
    told["timing"].pop("threads")
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def result_of(scan: Scan, configuration: Configuration) -> Result:
    """What is kept of a scan.

    Sources without a position of one exposure, or of a table of photons, are grouped by the observation that they name.
    """
    from xherald.detector.results.rows import make_rows
    from xherald.detector.scoring.veto_flags import rejected

    rows, detections = make_rows(scan), scan.detections
    order, observations = _observations(scan, rows, configuration)
    asked = np.isfinite(detections.tail_probability) & ~rejected(detections.vetoes)
    p = detections.tail_probability
    return Result(
        observations=observations,
        candidates=tuple(
            _candidate(rows[index], place) for place, index in enumerate(order) if rows[index]["is_candidate"]
        ),
        tested=tuple((place, float(p[index])) for place, index in enumerate(order) if asked[index]),
        run=_run(scan, configuration),
    )


def _observations(
    scan: Scan, rows: Sequence[DetectionRow], configuration: Configuration
) -> tuple[list[int], tuple[ObservationRecord, ...]]:
    """Observations of a file, and the batch's sources in the order of their detections."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row["mission"], row["instrument"], row["obs_id"]), []).append(index)
    observation = scan.photons.observation
    if observation is None:
        order = [index for group in groups.values() for index in group]
        # A table holds some sources of an observation: another table of it takes nothing's place.
        part = scan.photons.path.name.partition(".")[0]
        return order, tuple(
            ObservationRecord(*names, part=part, detections=tuple(_detection(rows[index]) for index in group))
            for names, group in groups.items()
        )
    header = _header(scan.photons.path, configuration)
    first, last = (_date(observation.time_reference.utc(end)) for end in observation.span)
    ra, dec = observation.pointing or (None, None)
    record = ObservationRecord(
        observation.mission,
        observation.instrument,
        observation.obs_id,
        part=_part(scan, header),
        processing_version=header.get(REVISION) or " ".join(header[key] for key in VERSIONS if header.get(key)),
        start=first,
        stop=last,
        exposure_s=_known(observation.exposure),
        ra_deg=None if ra is None else ra % 360.0,
        dec_deg=dec,
        details={"mode": observation.mode, "object": observation.object_name, "notes": list(scan.photons.notes)},
        detections=_detections(scan, rows, configuration),
        tiles=_tiles(scan, configuration),
    )
    return list(range(len(rows))), (record,)


def _detections(scan: Scan, rows: Sequence[DetectionRow], configuration: Configuration) -> tuple[DetectionRecord, ...]:
    """Detections of an exposure, with the part of a point source's photons that each aperture holds."""
    from xherald.photons.source_detection.map_field import enclosed_fractions

    observation = scan.photons.observation
    assert observation is not None
    held = enclosed_fractions(observation, scan.photons.apertures, configuration.settings.apertures.energy_kev)
    parts: list[float | None] = [None] * len(rows) if held is None else held.tolist()
    return tuple(_detection(row, part) for row, part in zip(rows, parts, strict=True))


def _tiles(scan: Scan, configuration: Configuration) -> tuple[MapTile, ...]:
    """The coarse map of an exposure; none of one without an image."""
    from xherald.catalog_store.ledger.map_tiles import make_tiles
    from xherald.photons.source_detection.map_field import map_field

    observation, batch = scan.photons.observation, scan.photons.batch
    assert observation is not None
    energy = configuration.settings.apertures.energy_kev
    sky = map_field(observation, scan.photons.apertures, batch.counts, batch.background_counts, energy)
    return () if sky is None else make_tiles(sky, energy)


def _part(scan: Scan, header: Mapping[str, str]) -> str:
    """What of an exposure a file holds: a source's list, or chips and modes."""
    observation = scan.photons.observation
    assert observation is not None
    if observation.per_source_id:
        return observation.per_source_id
    words = [header[key] for key in PARTS if header.get(key)]
    chips = [one.name for one in observation.detectors] if len(observation.detectors) == 1 else []
    return " ".join(dict.fromkeys([*words, *chips]))


def _header(path: Path, configuration: Configuration) -> dict[str, str]:
    from xherald.adapters.reading.fits_files import read_header

    header = read_header(path, configuration.settings.read)
    return {key: str(header[key]).strip() for key in (REVISION, *VERSIONS, *PARTS) if key in header}


def _detection(row: DetectionRow, psf_fraction: float | None = None) -> DetectionRecord:
    placed = row["ra_deg"] is not None and row["dec_deg"] is not None
    return DetectionRecord(
        detection_id=row["detection_id"],
        ra_deg=row["ra_deg"] % 360.0 if placed and row["ra_deg"] is not None else None,
        dec_deg=row["dec_deg"] if placed else None,
        counts=row["counts"],
        livetime_s=row["livetime_s"],
        kind=row["kind"],
        background_counts=row["background_counts"] or 0.0,
        pos_err_arcsec=row["pos_err_arcsec"],
        score=row["score"],
        false_alarm_probability=row["false_alarm_probability"],
        extrapolated=row["extrapolated"],
        far_hz=row["far_hz"],
        details={
            **{name: value for name, value in row.items() if name.startswith("p_") and name != "p_astro"},
            "variability_index": row["variability_index"],
            "p_astro": row["p_astro"],
            "psf_fraction": psf_fraction,
            "vetoes": [one["veto"] for one in row["vetoes"]],
            "flags": row["flags"],
        },
    )


def _candidate(row: DetectionRow, place: int) -> CandidateRecord:
    evidence = row["evidence"]
    if evidence is None:
        raise PhotonError(f"{row['file']}: source {row['detection_id']} is a candidate without evidence")
    return CandidateRecord(
        id=evidence["candidate_id"],
        detection_index=place,
        kind=row["kind"],
        likely_class=row["likely_class"],
        score=row["score"],
        far_hz=row["far_hz"],
        evidence=evidence,
    )


def _run(scan: Scan, configuration: Configuration) -> Run:
    reference = scan.detections.detection_batch.reference
    return Run(
        code_version=code_version(),
        settings_hash=settings_hash(configuration),
        calibration=scan.detections.calibration,
        reference="" if reference is None else f"{reference.name}@{reference.version}",
    )


@cache
def _teller() -> TypeAdapter[Any]:
    """What tells of settings in JSON's types; it takes longer to make than settings to tell."""
    from xherald.detector.configuration.configuration import Settings

    return TypeAdapter(Settings)


def _date(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _known(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
