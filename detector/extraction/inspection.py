"""Summary of a file before any test: `xherald inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xherald.detector.extraction.extracted_sources import open_file
from xherald.photons import EventBatch, Observation

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["describe", "describe_observation", "describe_table"]

NO_POINTING: Final = "not given: off-axis angles are unknown, the point-spread function on the axis is used"


def describe(path: Path, configuration: Configuration) -> dict[str, Any]:
    """Facts of a file in JSON's own types; photons are read to count those lost to screening.

    Raises
    ------
    FileError, PhotonError
        With the reason why the file cannot be read.
    """
    adapter, content = open_file(path, configuration)
    facts = describe_table(content) if isinstance(content, EventBatch) else describe_observation(content)
    companions = sorted(str(one) for one in adapter.companion_paths(path))
    return {"file": str(path), "adapter": adapter.name, **facts, "companions": companions}


def describe_observation(observation: Observation) -> dict[str, Any]:
    """Facts of one exposure."""
    reference, (start, stop) = observation.time_reference, observation.span
    screening, pointing = observation.events.screening, observation.pointing
    return {
        "mission": observation.mission,
        "instrument": observation.instrument,
        "mode": observation.mode,
        "obs_id": observation.obs_id,
        "object": observation.object_name,
        "start_utc": reference.utc(start),
        "stop_utc": reference.utc(stop),
        "span_s": stop - start,
        "rows": screening.rows,
        "events": screening.kept,
        "screening_losses": dict(screening.losses),
        "band_kev": list(observation.band),
        "exposure_s": observation.exposure,
        "frame_time_s": observation.frame_time,
        "pointing": {"ra_deg": pointing[0], "dec_deg": pointing[1]} if pointing else None,
        "pointing_fault": None if pointing or observation.projection is None else NO_POINTING,
        "grating": observation.grating or None,
        "cut_region": _cut_region(observation),
        "wcs": _projection(observation),
        "wcs_fault": observation.projection_fault or None,
        "point_spread": observation.point_spread.source if observation.point_spread else None,
        "detectors": [
            {
                "name": one.name,
                "gtis": len(one.gti),
                "good_time_s": one.good_time,
                "livetime_s": one.livetime,
                "live_fraction": one.live_fraction,
            }
            for one in observation.detectors
        ],
    }


def describe_table(batch: EventBatch) -> dict[str, Any]:
    """Facts of a table of photons with at least one photon."""
    names = {(one.mission, one.instrument, one.time_reference) for one in batch.identities}
    mission, instrument, reference = next(iter(names)) if len(names) == 1 else ("several", "several", None)
    dates = [reference.utc(float(end)) for end in (batch.time.min(), batch.time.max())] if reference else [None, None]
    return {
        "mission": mission,
        "instrument": instrument,
        "mode": "table of photons",
        "sources": len(batch),
        "start_utc": dates[0],
        "stop_utc": dates[1],
        "events": len(batch.time),
        "band_kev": [float(batch.band[:, 0].min()), float(batch.band[:, 1].max())],
        "sources_with_good_times": int(batch.good_times_known.sum()),
        "good_time_intervals": len(batch.gti),
        "frame_time_s": float(batch.frame_time.max()),
        "livetime_s": {"shortest": float(batch.livetime.min()), "longest": float(batch.livetime.max())},
    }


def _projection(observation: Observation) -> dict[str, Any] | None:
    sky = observation.projection
    if sky is None:
        return None
    return {
        "projection": sky.kind,
        "ra_deg": sky.ra,
        "dec_deg": sky.dec,
        "reference_pixel": [sky.x_reference, sky.y_reference],
        "pixel_arcsec": sky.pixel_arcsec,
    }


def _cut_region(observation: Observation) -> dict[str, Any] | None:
    """Region that the list was cut with."""
    cut = observation.cut_region
    if cut is None:
        return None
    return {
        "shape": type(cut.shape).__name__.lower(),
        "ra_deg": cut.shape.ra,
        "dec_deg": cut.shape.dec,
        "extent_arcsec": cut.shape.extent,
        "area_arcsec2": cut.area,
    }
