"""Results of a scanned file as they are stored: observations with detections, candidates, tested sources: `FileResult`.

The workers make them; they are plain data, sent to the daemon, which alone writes to the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, MapTile, ObservationRecord, Run
from xherald.detector.results.version import code_version
from xherald.photons.errors import PhotonError

from .list_contents import find_part, find_processing_version, measure_coverage, read_keywords

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.results.row_types import DetectionRow
    from xherald.detector.scan import Scan

    from .joint_results import JointResults

__all__ = ["FileResult", "compute_settings_hash", "make_file_result"]


@dataclass(frozen=True, slots=True)
class FileResult:
    """Results of a file.

    Parameters
    ----------
    observations : tuple of ObservationRecord
    candidates : tuple of CandidateRecord
    tested : tuple of (int, float)
        Index among all detections and p-value of each source that was tested and not rejected by a veto, in order: the
        input of false-discovery control.
    run : Run
    file : str — path
    """

    observations: tuple[ObservationRecord, ...]
    candidates: tuple[CandidateRecord, ...]
    tested: tuple[tuple[int, float], ...]
    run: Run
    file: str = ""


def compute_settings_hash(configuration: Configuration) -> str:
    """SHA-256 of the settings that results depend on, hexadecimal."""
    sections = {"read", "source_detection", "apertures", "extraction", "timing", "detection", "adapters", "plugins"}
    values = _settings_adapter().dump_python(configuration.settings, mode="json", include=sections)
    values["timing"].pop("threads")
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def make_file_result(scan: Scan, configuration: Configuration, joint: JointResults | None = None) -> FileResult:
    """Make the stored results of a scan.

    The sources of a table of photons are grouped by the observation that they name. Detections keep the results of the
    file; a source that was tested together with other cameras is a candidate by that test only.

    Parameters
    ----------
    scan : Scan
    configuration : Configuration
    joint : JointResults, optional
    """
    from xherald.detector.results.rows import make_rows
    from xherald.detector.scoring.veto_flags import rejected

    rows, detections = make_rows(scan), scan.detections
    order, observations = _make_observations(scan, rows, configuration)
    p = detections.tail_probability.copy()
    is_tested = np.isfinite(p) & ~rejected(detections.vetoes, len(p))
    judged: list[DetectionRow] = list(rows)
    for index, (row, joint_p) in (joint.results if joint is not None else {}).items():
        judged[index], p[index] = row, joint_p
    return FileResult(
        observations=observations,
        candidates=tuple(
            _make_candidate(judged[row], index) for index, row in enumerate(order) if judged[row]["is_candidate"]
        ),
        tested=tuple((index, float(p[row])) for index, row in enumerate(order) if is_tested[row]),
        run=_make_run(scan, configuration),
        file=str(scan.photons.path),
    )


def _make_observations(
    scan: Scan, rows: Sequence[DetectionRow], configuration: Configuration
) -> tuple[list[int], tuple[ObservationRecord, ...]]:
    """Row indices in the order of the detections, and the observations of a file."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault((row["mission"], row["instrument"], row["obs_id"]), []).append(index)
    observation = scan.photons.observation
    if observation is None:
        order = [index for group in groups.values() for index in group]
        # A table holds some of the sources of an observation, so another table does not supersede it.
        part = scan.photons.path.name.partition(".")[0]
        return order, tuple(
            ObservationRecord(*names, part=part, detections=tuple(_make_detection(rows[index]) for index in group))
            for names, group in groups.items()
        )
    header = read_keywords(scan.photons.path, configuration)
    start, stop = (datetime.fromisoformat(observation.time_reference.utc(end)) for end in observation.span)
    ra, dec = observation.pointing or (None, None)
    record = ObservationRecord(
        observation.mission,
        observation.instrument,
        observation.obs_id,
        part=find_part(scan.photons, header),
        processing_version=find_processing_version(header),
        start=start,
        stop=stop,
        exposure_s=_finite_or_none(observation.exposure),
        ra_deg=None if ra is None else ra % 360.0,
        dec_deg=dec,
        details={"mode": observation.mode, "object": observation.object_name, "notes": list(scan.photons.notes)},
        detections=_make_detections(scan, rows, configuration),
        tiles=_make_map_tiles(scan, configuration),
        coverage=measure_coverage(observation),
    )
    return list(range(len(rows))), (record,)


def _make_detections(
    scan: Scan, rows: Sequence[DetectionRow], configuration: Configuration
) -> tuple[DetectionRecord, ...]:
    """Detections of an exposure, with the fraction of the point spread in each aperture."""
    from xherald.photons.source_detection.map_field import enclosed_fractions

    observation = scan.photons.observation
    assert observation is not None
    enclosed = enclosed_fractions(observation, scan.photons.apertures, configuration.settings.apertures.energy_kev)
    fractions: list[float | None] = [None] * len(rows) if enclosed is None else enclosed.tolist()
    return tuple(_make_detection(row, fraction) for row, fraction in zip(rows, fractions, strict=True))


def _make_map_tiles(scan: Scan, configuration: Configuration) -> tuple[MapTile, ...]:
    """Coarse sky map of an exposure; empty without an image."""
    from xherald.catalog_store.ledger.map_tiles import make_tiles
    from xherald.photons.source_detection.map_field import map_field

    observation, batch = scan.photons.observation, scan.photons.batch
    assert observation is not None
    energy = configuration.settings.apertures.energy_kev
    sky = map_field(observation, scan.photons.apertures, batch.counts, batch.background_counts, energy)
    return () if sky is None else make_tiles(sky, energy)


def _make_detection(row: DetectionRow, psf_fraction: float | None = None) -> DetectionRecord:
    ra_deg, dec_deg = row["ra_deg"], row["dec_deg"]
    has_position = ra_deg is not None and dec_deg is not None
    return DetectionRecord(
        detection_id=row["detection_id"],
        ra_deg=ra_deg % 360.0 if has_position and ra_deg is not None else None,
        dec_deg=dec_deg if has_position else None,
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
            "background_counts_error": row["background_counts_error"],
            "psf_fraction": psf_fraction,
            "erg_cm2_per_count": _energy_conversion(row, psf_fraction),
            "raised_flags": row["vetoes"],
            "flags": row["flags"],
        },
    )


def _energy_conversion(row: DetectionRow, psf_fraction: float | None) -> float | None:
    """Flux in 0.3-10 keV of a source with a count rate of 1 at this place, all of its point spread counted."""
    flux, rate = row["flux_broad_erg_cm2_s"], row["net_rate_ct_s"]
    return flux * (psf_fraction or 1.0) / rate if flux and rate is not None and rate > 0 else None


def _make_candidate(row: DetectionRow, index: int) -> CandidateRecord:
    evidence = row["evidence"]
    if evidence is None:
        raise PhotonError(f"{row['file']}: source {row['detection_id']} is a candidate without evidence")
    return CandidateRecord(
        id=evidence["candidate_id"],
        detection_index=index,
        kind=row["kind"],
        likely_class=row["likely_class"],
        score=row["score"],
        far_hz=row["far_hz"],
        evidence=evidence,
    )


def _make_run(scan: Scan, configuration: Configuration) -> Run:
    reference = scan.detections.detection_batch.reference
    return Run(
        code_version=code_version(),
        settings_hash=compute_settings_hash(configuration),
        calibration=scan.detections.calibration,
        reference="" if reference is None else f"{reference.name}@{reference.version}",
    )


@cache
def _settings_adapter() -> TypeAdapter[Any]:
    """Serializer of the settings, cached because creating it takes longer than using it."""
    from xherald.detector.configuration.configuration import Settings

    return TypeAdapter(Settings)


def _finite_or_none(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
