"""One test of each source in all cameras of an observation: `scan_together`, and rows of the result: `make_event_rows`.

The result of each camera stays a row; the candidate is what the joint test finds. An event that several files show is
one candidate, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.catalog_store.ledger.coverage import name_camera
from xherald.detector.extraction.extracted_sources import ExtractedSources
from xherald.detector.scan import Scan
from xherald.photons import EventBatch
from xherald.photons.gti import gti_intersection, gti_total, gti_union

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.results.row_types import DetectionRow, Evidence
    from xherald.photons import Observation
    from xherald.photons.arrays import F64, I64

__all__ = [
    "JointScan",
    "find_camera_files",
    "find_observation_key",
    "make_event_rows",
    "make_joint_rows",
    "merge_events",
    "scan_together",
]

MIN_COMMON_FRACTION: Final = 0.1
"""Cameras are joined if they have this part of the shorter good time in common."""

SINGLE_CAMERA_SHARE: Final = 0.2
"""Share of the stated false-alarm rate that single cameras may add to that of the joint test: a flare that one camera
happens to have most photons of is not lost in the sum."""


@dataclass(frozen=True, slots=True, eq=False)
class JointScan:
    """Joint results of the sources of several cameras of an observation.

    Parameters
    ----------
    scan : Scan
        Of the merged photons; its file is that of the camera with most counts of the first source.
    members : tuple of tuple of (int, int)
        For each source, the index of the scan of each camera and of the source within it; most counts first.
    is_decided_alone : tuple of bool
        Whether the joint test finds no variability of a source, but that of a single camera does in spite of its
        trials (`SINGLE_CAMERA_SHARE`).
    """

    scan: Scan
    members: tuple[tuple[tuple[int, int], ...], ...]
    is_decided_alone: tuple[bool, ...]


def find_observation_key(path: Path, configuration: Configuration) -> str:
    """Equal for files of one mission and observation, by the header alone; the path where that names none."""
    from xherald.adapters.reading.fits_files import read_header
    from xherald.photons.errors import XheraldError

    try:
        header = read_header(path, configuration.settings.read)
    except (XheraldError, OSError):
        return str(path)
    names = [str(header.get(key) or "").strip() for key in ("TELESCOP", "OBS_ID")]
    return " ".join(names).upper() if all(names) else str(path)


def find_camera_files(evidence: Evidence) -> list[Path]:
    """Files of the cameras in whose photons a candidate was found, that of most counts first."""
    own = evidence["mission"], evidence["obs_id"]
    cameras = evidence["instrument"].split("+")
    files = [
        one["file"]
        for one in evidence["detections"]
        if (one["mission"], one["obs_id"]) == own and one["instrument"] in cameras
    ]
    return [Path(name) for name in dict.fromkeys([evidence["file"], *(files if len(cameras) > 1 else ())])]


def scan_together(scans: Sequence[Scan], configuration: Configuration) -> tuple[list[Scan], list[JointScan]]:
    """Test the sources of an observation in the photons of all its cameras.

    A source that a camera did not detect is extracted from it at the position of the others (`add_forced_sources`). Of
    several files of one camera, the one with most good time is used. Detections that a veto rejects are left out.

    Parameters
    ----------
    scans : sequence of Scan
        Of files of any number of observations.
    configuration : Configuration

    Returns
    -------
    list of Scan
        The same, with the sources that were extracted at positions of other cameras.
    list of JointScan
        One for each observation and camera with most counts; empty where no source is in two cameras.
    """
    from xherald.detector.scoring.joint_cameras import ABSENT, main_cameras, match_cameras

    completed, found = list(scans), list[JointScan]()
    for cameras in _group_cameras(scans):
        detected = match_cameras([_without_rejected(scans[index]) for index in cameras])
        main = main_cameras([scans[index].photons.batch for index in cameras], detected)
        matches = detected.copy()
        for camera, index in enumerate(cameras):
            wanted = np.flatnonzero(detected[:, camera] == ABSENT)
            batch = _select_detected([scans[each].photons.batch for each in cameras], detected[wanted], main[wanted])
            completed[index], matches[wanted, camera] = _force_sources(scans[index], batch, configuration)
        is_joint = (matches != ABSENT).sum(axis=1) > 1
        for camera in np.unique(main[is_joint]).tolist():
            own = matches[is_joint & (main == camera)]
            order = [camera, *(other for other in range(len(cameras)) if other != camera)]
            members = tuple(
                tuple((cameras[each], row[each]) for each in order if row[each] != ABSENT) for row in own.tolist()
            )
            scan = _score_joined([completed[index] for index in cameras], own, camera, configuration)
            threshold = SINGLE_CAMERA_SHARE * configuration.settings.detection.false_alarms_per_1000 / 1000.0
            found.append(JointScan(scan, members, _find_decided_alone(completed, scan, members, threshold)))
    return completed, found


def _find_decided_alone(
    scans: Sequence[Scan], joint: Scan, members: Sequence[Sequence[tuple[int, int]]], threshold: float
) -> tuple[bool, ...]:
    """Whether a single camera finds what the joint test does not, at a threshold for all cameras of a source."""
    return tuple(
        not is_significant
        and any(
            scans[camera].detections.candidate[index]
            and scans[camera].detections.tail_probability[index] <= threshold / len(own)
            for camera, index in own
        )
        for own, is_significant in zip(members, joint.detections.significant.tolist(), strict=True)
    )


def _select_detected(batches: Sequence[EventBatch], matches: I64, main: I64) -> EventBatch:
    """Sources as detected by the camera with most counts, at the best position of all cameras."""
    from xherald.detector.scoring.joint_cameras import ABSENT, best_position

    chosen = []
    for row, camera in zip(matches.tolist(), main.tolist(), strict=True):
        detected = [batch.identities[index] for batch, index in zip(batches, row, strict=True) if index != ABSENT]
        source = batches[camera][row[camera]]
        best = best_position(detected, source.identity)
        place = replace(source.identity, ra=best.ra, dec=best.dec, pos_err_arcsec=best.pos_err_arcsec)
        chosen.append(replace(source, identity=place))
    return EventBatch.from_lists(chosen)


def _force_sources(scan: Scan, wanted: EventBatch, configuration: Configuration) -> tuple[Scan, I64]:
    """Add sources of other cameras to the scan of a camera, with their indices in it.

    `ABSENT` is the index of those that the camera does not see or that a veto rejects there.
    """
    from xherald.detector.extraction.forced_sources import add_forced_sources
    from xherald.detector.scan import score_files
    from xherald.detector.scoring.joint_cameras import ABSENT
    from xherald.detector.scoring.veto_flags import rejected

    index = np.full(len(wanted), ABSENT, dtype=np.int64)
    photons, seen = add_forced_sources(scan.photons, wanted, configuration.settings)
    if not seen.any():
        return scan, index
    (completed,) = score_files([photons], configuration)
    added = np.arange(len(scan.photons.batch), len(photons.batch))
    bad = np.asarray(rejected(completed.detections.vetoes, len(photons.batch)))[added]
    index[seen] = np.where(bad, ABSENT, added)
    return completed, index


def _group_cameras(scans: Sequence[Scan]) -> list[list[int]]:
    """Indices of the scans of different cameras that observed the same field at the same time."""
    groups: dict[object, list[int]] = defaultdict(list)
    for index, scan in enumerate(scans):
        observation = scan.photons.observation
        if observation is not None and observation.obs_id:
            reference = observation.time_reference
            groups[observation.mission, observation.obs_id, reference, observation.band].append(index)
    found: list[list[int]] = []
    for group in groups.values():
        longest: dict[str, tuple[float, int]] = {}
        for index in group:
            observation = scans[index].photons.observation
            assert observation is not None
            camera = name_camera(observation.instrument, [one.name for one in observation.detectors])
            good_time = gti_total(_good_time(observation))
            if good_time > longest.get(camera, (0.0, -1))[0]:
                longest[camera] = good_time, index
        chosen = [index for _, index in sorted(longest.values(), key=lambda one: one[1])]
        chosen = [index for index in chosen if any(_overlap(scans, index, other) for other in chosen if other != index)]
        if len(chosen) > 1:
            found.append(chosen)
    return found


def _good_time(observation: Observation) -> F64:
    return gti_union(*(one.gti for one in observation.detectors))


def _overlap(scans: Sequence[Scan], one: int, other: int) -> bool:
    observations = [scans[index].photons.observation for index in (one, other)]
    times = [_good_time(each) for each in observations if each is not None]
    common = gti_total(gti_intersection(*times))
    return common >= MIN_COMMON_FRACTION * min(gti_total(each) for each in times)


def _without_rejected(scan: Scan) -> EventBatch:
    """The batch with the positions of rejected detections removed, so that they match nothing."""
    from xherald.detector.scoring.veto_flags import rejected

    batch, is_rejected = scan.photons.batch, rejected(scan.detections.vetoes, len(scan.photons.batch))
    identities = [
        replace(one, ra=None, dec=None) if bad else one
        for one, bad in zip(batch.identities, np.asarray(is_rejected).tolist(), strict=True)
    ]
    return replace(batch, identities=tuple(identities))


def _score_joined(scans: Sequence[Scan], matches: I64, camera: int, configuration: Configuration) -> Scan:
    """Scan of the joined photons of sources with most counts in one camera."""
    from xherald.context.fluxes.flux_scale import join_scales
    from xherald.detector.scoring.detect import score_batch
    from xherald.detector.scoring.joint_cameras import join_cameras
    from xherald.photons.statistics import assess

    main = scans[camera]
    joined = join_cameras([one.photons.batch for one in scans], matches)
    names = joined.identities
    # Calibrations are measured for single instruments: that of the camera with most counts applies.
    instrument = main.photons.batch.identities[0].instrument
    scored = replace(joined, identities=tuple(replace(one, instrument=instrument) for one in names))
    timing = assess(scored, configuration.settings.timing)
    detections = score_batch(scored, timing, configuration)
    batch = replace(joined, identities=names)
    order = [camera, *(other for other in range(len(scans)) if other != camera)]
    scale = join_scales([scans[other].detections.flux_scale for other in order], matches[:, order])
    detections = replace(detections, detection_batch=replace(detections.detection_batch, batch=batch), flux_scale=scale)
    index = matches[:, camera].tolist()
    apertures = tuple(main.photons.apertures[i] for i in index) if main.photons.apertures else ()
    return Scan(ExtractedSources(main.photons.path, None, apertures, batch), timing, detections)


def make_event_rows(scans: Sequence[Scan], joint: Sequence[JointScan]) -> tuple[list[list[DetectionRow]], ...]:
    """`make_joint_rows` with one candidate for each event (`merge_events`)."""
    rows, joint_rows = make_joint_rows(scans, joint)
    merge_events([row for some in (*joint_rows, *rows) for row in some])
    return rows, joint_rows


def make_joint_rows(scans: Sequence[Scan], joint: Sequence[JointScan]) -> tuple[list[list[DetectionRow]], ...]:
    """Rows of the cameras' scans and of the joint ones.

    A source that was tested jointly is a candidate by that test, unless a single camera decides; its detections in the
    cameras are no candidates, but have its ``candidate_id``.

    Returns
    -------
    rows, joint_rows : list of list of DetectionRow
        For each scan; in the order of its batch.
    """
    from xherald.detector.results.rows import make_rows

    rows, joint_rows = [make_rows(scan) for scan in scans], [make_rows(one.scan) for one in joint]
    for one, some in zip(joint, joint_rows, strict=True):
        for members, row, is_alone in zip(one.members, some, one.is_decided_alone, strict=True):
            if row["p_value"] is None or is_alone:
                continue  # the cameras' own tests stand
            _demote_members([rows[scan][index] for scan, index in members], row)
    return rows, joint_rows


def merge_events(rows: Sequence[DetectionRow]) -> None:
    """Leave one candidate of each event among the rows: the most significant; it lists the detections of the others."""
    from xherald.detector.candidates.same_event import group_events
    from xherald.detector.results.rows import significance_key

    ranked = sorted((row for row in rows if row["evidence"] is not None), key=significance_key)
    evidence = [row["evidence"] for row in ranked if row["evidence"] is not None]
    for group in group_events(evidence):
        first = evidence[group[0]]
        for index in group[1:]:
            first["detections"] += evidence[index]["detections"]
            name = ranked[index]["candidate_id"]
            for row in rows:
                if row["candidate_id"] == name:
                    row["candidate_id"] = first["candidate_id"]
            ranked[index]["is_candidate"], ranked[index]["evidence"] = False, None


def _demote_members(members: Sequence[DetectionRow], row: DetectionRow) -> None:
    """Make the rows of the cameras detections of the joint one."""
    evidence = row["evidence"]
    for one in members:
        one["is_candidate"], one["evidence"], one["candidate_id"] = False, None, row["candidate_id"]
    if evidence is not None:
        from xherald.detector.candidates.evidence import summarize_detection

        evidence["detections"] = [summarize_detection(one) for one in members]
