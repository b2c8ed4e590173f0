"""What an event list holds of an exposure: the part that names it, and its coverage: `find_part`, `measure_coverage`.

Two lists with another part are products of another kind, such as a field, a source that was cut out of it and its
background. Facts in the file decide; its name only where it has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.catalog_store.ledger.coverage import make_coverage
from xherald.photons.gti import gti_union
from xherald.photons.source_detection.cut_lists import cut_radius_arcsec

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources
    from xherald.photons import Observation
    from xherald.photons.arrays import F64

__all__ = ["find_part", "find_processing_version", "measure_coverage", "read_keywords"]

REVISION_KEYWORD: Final = "REVISION"
"""FITS keyword with which Chandra's archive numbers the processings of an observation."""

VERSION_KEYWORDS: Final = ("PPSVERS", "PROCVER", "PROCVERS", "PIPEVER", "SEQPNUM")
"""FITS keywords of the versions of pipelines (XMM, Swift, eROSITA and others), and of the number of runs (NASA's)."""

PART_KEYWORDS: Final = ("EXPIDSTR", "OBI_NUM", "CYCLE", "DATAMODE", "OBS_MODE", "HDUCLAS2")
"""FITS keywords that distinguish event lists of one observation and instrument: exposures, modes, all or accepted
photons. Single chips are distinguished, too."""

MAX_SELECTIONS: Final = 30
SELECTION_TYPES: Final = ("GRADE", "PATTERN", "STATUS", "PI", "PHA", "ENERGY")
"""Data subspace keywords (DSTYPn, DSVALn) that are read, and the columns whose selection makes another product: the
unfiltered list of an observation has more grades than its cleaned list."""

MAX_CUT_ARCSEC: Final = 300.0
"""Lists that were cut with a smaller region hold a part of the field; larger regions are outlines of fields."""

UNFILTERED_NAME: Final = re.compile(r"(_uf|_ufa|_unfilt\w*)(?=[._])", re.IGNORECASE)
"""Names of unfiltered lists, where the file has no selections."""

EXTENT_PERCENTILES: Final = (1.0, 99.0)


def read_keywords(path: Path, configuration: Configuration) -> dict[str, str]:
    """Keywords of a file's event table that name the processing and the part."""
    from xherald.adapters.reading.fits_files import read_header

    header = read_header(path, configuration.settings.read)
    selections = [f"{name}{n}" for n in range(1, MAX_SELECTIONS + 1) for name in ("DSTYP", "DSVAL")]
    wanted = (REVISION_KEYWORD, *VERSION_KEYWORDS, *PART_KEYWORDS, *selections)
    return {key: str(header[key]).strip() for key in wanted if key in header}


def find_processing_version(header: Mapping[str, str]) -> str:
    """Processing version of a file; empty if it names none."""
    return header.get(REVISION_KEYWORD) or " ".join(header[key] for key in VERSION_KEYWORDS if header.get(key))


def find_part(sources: ExtractedSources, header: Mapping[str, str]) -> str:
    """The part of an exposure that a file holds: the region of a source, or chips, modes and selections."""
    observation = sources.observation
    assert observation is not None
    if observation.per_source_id:
        return observation.per_source_id
    values = [header[key] for key in PART_KEYWORDS if header.get(key)]
    chips = [one.name for one in observation.detectors] if len(observation.detectors) == 1 else []
    selections = _find_selections(header)
    if not selections and UNFILTERED_NAME.search(observation.path.name):
        selections = ["unfiltered"]
    return " ".join(dict.fromkeys([*values, *chips, *selections, *_find_region(sources, observation)]))


def _find_selections(header: Mapping[str, str]) -> list[str]:
    """Selections of events by grade or energy, such as "GRADE 0:12"."""
    kinds = ((header.get(f"DSTYP{n}", "").upper(), header.get(f"DSVAL{n}", "")) for n in range(1, MAX_SELECTIONS + 1))
    return [f"{kind} {value}" for kind, value in kinds if kind in SELECTION_TYPES and value.upper() != "TABLE"]


def _find_region(sources: ExtractedSources, observation: Observation) -> list[str]:
    """The region that a list was cut with, or the source that all its events are of."""
    cut, radius = observation.cut_region, cut_radius_arcsec(observation)
    if cut is not None and radius is not None and (cut.is_hollow or radius <= MAX_CUT_ARCSEC):
        kind = "background region" if cut.is_hollow else "region"
        return [f"{kind} {cut.shape.ra:.3f} {cut.shape.dec:+.3f} {radius:.0f} arcsec"]
    return [f"source {one.ra:.3f} {one.dec:+.3f}" for one in sources.apertures if one.origin == "whole list"]


def measure_coverage(observation: Observation) -> dict[str, Any]:
    """Good times of each detector and extent of the events on the sky."""
    good_times = {
        one.name: _to_utc(observation, gti_union(one.gti)) for one in observation.detectors if len(one.gti) > 0
    }
    return make_coverage(good_times, _measure_extent(observation))


def _to_utc(observation: Observation, gti: F64) -> F64:
    seconds: F64 = np.asarray(observation.time_reference.to_time(gti.ravel()).utc.unix, dtype=np.float64)
    return seconds.reshape(-1, 2)


def _measure_extent(observation: Observation) -> float | None:
    """Side of a square of the area that has most events, arcsec; None without events or positions."""
    events, projection = observation.events, observation.projection
    if projection is None or not len(events):
        return None
    sides = [float(np.ptp(np.percentile(one, EXTENT_PERCENTILES))) for one in (events.x, events.y)]
    return float(np.sqrt(sides[0] * sides[1])) * projection.pixel_arcsec
