"""Injection of flares into real event files without known transients, and their recovery by source detection and scan.

Missing files are reported as skipped, with the reason. The files without injections are a test of false alarms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .detector_under_test import DetectorResults, DetectorUnderTest

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.extraction.extracted_sources import ExtractedSources

__all__ = ["QUIET", "evaluate_files"]


QUIET: Final = (
    "chandra/755_7_evt2_05_8keV.fits.gz",
    "xmm/0201901401_mos1_exp1_clean_evts.fits.gz",
    "xmm/0201901401_mos2_exp1_clean_evts.fits.gz",
    "xmm/0201903501_mos1_exp1_clean_evts.fits.gz",
)
"""Real event files without known variable sources, relative to the data folder."""

CLASSES: Final = ("stellar_flare", "fast_transient", "magnetar_burst", "xray_burst", "qpe")
COUNTS: Final = (10.0, 200.0)
"""Range of the expected counts of an injection, log-uniform."""

THRESHOLD: Final = 1e-3
"""Largest false-alarm probability at which a source counts as found."""

NEAR_ARCSEC: Final = 4.0
"""A source within this distance, or the extent of its aperture, counts as the injected one."""


@dataclass(frozen=True, slots=True)
class _Place:
    ra: float
    dec: float


def evaluate_files(
    data: Path | None,
    injections: int,
    seed: int,
    detector: DetectorUnderTest,
    configuration: Configuration,
    stage: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Judge real files as they are and with flares in them.

    Parameters
    ----------
    data : Path or None
        Folder with the files `QUIET`.
    injections : int — into each file, one at a time
    seed : int
    detector : DetectorUnderTest
    configuration : Configuration
    stage : callable, optional

    Returns
    -------
    dict
        skipped (a reason for each missing file), files (file, sources, expected and found: number of sources at or
        below `THRESHOLD`), injections (file, class, counts, photons, placed: whether a source was detected,
        false_alarm_probability, recovered).
    """
    report: dict[str, Any] = {"threshold": THRESHOLD, "skipped": [], "files": [], "injections": []}
    for number, name in enumerate(QUIET):
        path = None if data is None else data / name
        if path is None or not path.is_file():
            reason = "no --data DIR was given" if path is None else f"{path} does not exist"
            report["skipped"].append({"file": name, "reason": reason})
            continue
        stage(f"{name}: without injections")
        photons, verdicts = _score_sample(path, detector, configuration)
        p = verdicts.false_alarm_probability
        report["files"].append(
            {
                "file": name,
                "sources": len(p),
                "tested": int(np.isfinite(p).sum()),
                "expected": THRESHOLD * int(np.isfinite(p).sum()),
                "found": int((p <= THRESHOLD).sum()),
                "least": float(np.nanmin(p)) if np.isfinite(p).any() else None,
            }
        )
        for injection in range(injections):
            stage(f"{name}: injection {injection + 1} of {injections}")
            report["injections"].append(
                {"file": name, **_inject(path, photons, (seed, number, injection), detector, configuration)}
            )
    return report


def _score_sample(
    path: Path, detector: DetectorUnderTest, configuration: Configuration
) -> tuple[ExtractedSources, DetectorResults]:
    from xherald.detector.extraction.extracted_sources import extract_sources
    from xherald.photons.statistics import assess

    photons = extract_sources(path, configuration)
    timing = assess(photons.batch, configuration.settings.timing)
    return photons, detector(photons.batch, timing)


def _inject(
    path: Path,
    as_it_is: ExtractedSources,
    label: tuple[int, int, int],
    detector: DetectorUnderTest,
    configuration: Configuration,
) -> Mapping[str, Any]:
    from xherald.simulation.injection import inject
    from xherald.simulation.random_streams import stream

    seed, number, injection = label
    rng = stream(seed, "evaluation", "real", number, injection)
    place = _place(as_it_is, rng)
    kind = CLASSES[int(rng.integers(0, len(CLASSES)))]
    counts = COUNTS[0] * (COUNTS[1] / COUNTS[0]) ** rng.random()
    with TemporaryDirectory() as folder:
        out = Path(folder) / path.name
        done = inject(
            path,
            out,
            source=kind,
            counts=counts,
            ra=place.ra,
            dec=place.dec,
            seed=int(rng.integers(0, 2**31)),
            host=configuration.host,
            options=configuration.settings.adapters,
            limits=configuration.settings.read,
        )
        photons, verdicts = _score_sample(out, detector, configuration)
    nearest = _nearest(photons, place)
    p = float("nan") if nearest is None else float(verdicts.false_alarm_probability[nearest])
    return {
        "class": kind,
        "ra_deg": place.ra,
        "dec_deg": place.dec,
        "counts": counts,
        "photons": done.photons,
        "placed": nearest is not None,
        "false_alarm_probability": p if np.isfinite(p) else None,
        "recovered": bool(p <= THRESHOLD),
    }


def _place(photons: ExtractedSources, rng: np.random.Generator) -> _Place:
    """Position of a random real event, so that positions follow the exposure."""
    observation = photons.observation
    assert observation is not None, "quiet files are event files"
    events = observation.events
    one = int(rng.integers(0, len(events)))
    ra, dec = observation.require_projection().to_sky(events.x[one : one + 1], events.y[one : one + 1])
    return _Place(float(ra[0]) % 360.0, float(dec[0]))


def _nearest(photons: ExtractedSources, place: _Place) -> int | None:
    """The nearest source whose aperture contains a position; None if there is none."""
    from xherald.photons.projection import separation_deg

    if not photons.apertures:
        return None
    ra, dec = (np.array([getattr(one, name) for one in photons.apertures]) for name in ("ra", "dec"))
    distance = 3600.0 * separation_deg(ra, dec, place.ra, place.dec)
    reach = np.array([max(one.region.extent, NEAR_ARCSEC) for one in photons.apertures])
    near = np.where(distance <= reach, distance, np.inf)
    return int(near.argmin()) if np.isfinite(near).any() else None
