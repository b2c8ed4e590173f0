"""Later lists of an observation: a reprocessed one replaces it, a fragment or a cut of it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from xherald.catalog_store.ledger.coverage import holds, make_coverage, name_camera
from xherald.catalog_store.ledger.states import AlertState, AlertType, DropState
from xherald.catalog_store.ledger.store import Store
from xherald.daemon.alerts.alert_builder import make_alert_builder
from xherald.daemon.jobs.decisions import make_decision
from xherald.daemon.jobs.processing import Job, process_file
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.detector.configuration.configuration import load_configuration

SETTINGS = AlertSettings.model_validate({"sinks": {"file": {"kind": "stdout"}}})


def commit_file(store: Store, path: Path, siblings: tuple[Path, ...] = ()) -> str:
    """Process a file and commit it, as the daemon does; returns the state of its drop."""
    from store_rows import sighting

    (seen,) = store.record_sightings([sighting(path.name, path.stat().st_size)])
    store.mark_stable(seen.id, f"{hash(path.read_bytes()):064d}"[:64])
    (drop,) = store.claim("w", 1)
    result = process_file(Job(drop.id, path, "local", siblings), load_configuration(None, {}))
    assert result.result is not None, result.reason
    build = make_alert_builder(SETTINGS, path.name)
    decide = make_decision(result.result, 0.5, 1e-3, build)
    done = store.commit_result(drop.id, result.result.run, result.result.observations, decide)
    for alert in store.take_due_alerts("d", 100):
        store.mark_sent(alert.id, alert.sink)
    return done.drop.state.value


def edit(
    source: Path,
    path: Path,
    keep: Callable[[np.ndarray, np.ndarray], np.ndarray],
    keywords: Sequence[tuple[str, object]] = (),
    until: float | None = None,
) -> Path:
    """A copy of a list with the events chosen by sky pixels (columns X and Y) and by time, and further keywords."""
    with fits.open(source) as hdus:
        events = hdus["EVENTS"]
        chosen = keep(events.data["X"].astype(float), events.data["Y"].astype(float))
        for hdu in hdus[2:]:
            if until is not None and "START" in (hdu.columns.names if hasattr(hdu, "columns") else ()):
                hdu.data = hdu.data[hdu.data["START"] < until]
                hdu.data["STOP"] = np.minimum(hdu.data["STOP"], until)
        if until is not None:
            chosen &= events.data["TIME"] <= until
        events.data = events.data[chosen]
        events.header.update(dict(keywords))
        hdus.writeto(path, overwrite=True, checksum=True)
    return path


def everything(x: np.ndarray, _y: np.ndarray) -> np.ndarray:
    return np.ones(len(x), dtype=bool)


@pytest.fixture
def whole(store: Store, demo_files: list[Path]) -> Path:
    """A list of a field with two flares and a dip, already in the store."""
    path = next(one for one in demo_files if one.name.startswith("acis"))
    commit_file(store, path)
    assert len(store.candidates()) == 3
    return path


def test_fragment_and_cuts_retract_nothing(store: Store, whole: Path, tmp_path: Path) -> None:
    names = {one.id for one in store.candidates()}
    with fits.open(whole) as hdus:
        data = hdus["EVENTS"].data
        begin, end = data["TIME"].min(), data["TIME"].max()
        x0, y0 = float(np.median(data["X"])), float(np.median(data["Y"]))

    def ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.abs(np.hypot(x - x0, y - y0) - 100) < 30

    def disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.hypot(x - x0 - 90, y - y0) < 40

    cuts = [
        edit(whole, tmp_path / "fragment.fits", everything, until=begin + 0.3 * (end - begin)),
        edit(whole, tmp_path / "all_uf.fits", everything, [("DSTYP1", "GRADE"), ("DSVAL1", "0:32")]),
        edit(whole, tmp_path / "a_src.fits", disc, [("DSTYP1", "sky"), ("DSVAL1", f"circle({x0 + 90},{y0},40)")]),
        edit(whole, tmp_path / "a_bkg.fits", ring, [("DSTYP1", "sky"), ("DSVAL1", f"annulus({x0},{y0},70,130)")]),
        edit(whole, tmp_path / "unnamed.fits", disc),
    ]
    for path in cuts:
        commit_file(store, path)
        assert names <= {one.id for one in store.candidates()}, path.name
        assert not [one for one in store.alerts() if one.alert_type is AlertType.RETRACTION], path.name


def test_reprocessed_list_without_changes_sends_nothing(store: Store, whole: Path, tmp_path: Path) -> None:
    before = [(one.id, one.state) for one in store.alerts()]
    names = {one.id for one in store.candidates()}
    assert {state for _, state in before} == {AlertState.SENT}
    commit_file(store, edit(whole, tmp_path / "again.fits", everything, [("REVISION", 2), ("ORIGIN", "again")]))
    assert {one.id for one in store.candidates()} == names
    assert {Path(one.url).name for one in store.candidates()} == {"again.fits"}
    assert [(one.id, one.state) for one in store.alerts()] == before


def test_reprocessed_list_without_the_sources_retracts_them(store: Store, whole: Path, tmp_path: Path) -> None:
    def thin(x: np.ndarray, _y: np.ndarray) -> np.ndarray:
        return np.random.default_rng(5).random(len(x)) < 0.1

    commit_file(store, edit(whole, tmp_path / "thin.fits", thin, [("REVISION", 2)]))
    kept = {one.id for one in store.candidates()}
    sent = [one for one in store.alerts() if one.alert_type is AlertType.RETRACTION]
    assert len(sent) == 3 - len(kept) > 0


def test_empty_observation_has_no_sources(store: Store, demo_files: list[Path], tmp_path: Path) -> None:
    path = next(one for one in demo_files if one.name.startswith("acis"))
    empty = edit(path, tmp_path / "empty.fits", everything, [("OBS_ID", "12345")])
    with fits.open(empty) as hdus:
        events = hdus["EVENTS"]
        events.data = events.data[:1]
        hdus.writeto(tmp_path / "one.fits", checksum=True)
    assert commit_file(store, tmp_path / "one.fits") == DropState.PROCESSED
    assert store.drops()[0].reason is None
    assert store.candidates() == []


def test_event_in_another_observation_joins_the_candidate(store: Store, whole: Path, tmp_path: Path) -> None:
    names = {one.id for one in store.candidates()}
    tile = edit(whole, tmp_path / "tile.fits", everything, [("OBS_ID", "90002"), ("OBI_NUM", 2)])
    commit_file(store, tile)
    assert {one.id for one in store.candidates()} == names
    assert {one.alert_type for one in store.alerts()} == {AlertType.INITIAL}
    assert len(store.alerts()) == 3
    assert [error.name for error in store.check() if error.is_error] == []
    for one in store.candidates():
        assert {row["obs_id"] for row in one.evidence["detections"]} == {"90001", "90002"}
        assert one.ra_deg is not None
        assert one.dec_deg is not None
        near = store.detections_near(one.ra_deg, one.dec_deg, 1 / 3600)
        assert {detection.candidate_id for detection in near} == {one.id}
    # What is left of an event when one of its lists is replaced stays a candidate.
    commit_file(store, edit(whole, tmp_path / "gone.fits", lambda x, _y: np.arange(len(x)) < 50, [("REVISION", 2)]))
    assert {one.id for one in store.candidates()} == names
    assert {one.alert_type for one in store.alerts()} == {AlertType.INITIAL}


@pytest.mark.parametrize(
    ("good", "extent", "expected"),
    [
        ([(0.0, 1000.0)], 100.0, True),
        ([(0.0, 995.0)], 100.0, True),
        ([(0.0, 400.0), (450.0, 1000.0)], 100.0, False),
        ([(2000.0, 3000.0)], 100.0, False),
        ([(-50.0, 2000.0)], 100.0, True),
        ([(0.0, 1000.0)], 50.0, False),
        ([(0.0, 1000.0)], None, False),
    ],
)
def test_coverage_is_compared_by_good_time_and_extent(
    good: list[tuple[float, float]], extent: float | None, expected: bool
) -> None:
    old = make_coverage({"CCD 1": np.array([[0.0, 1000.0]])}, 100.0)
    assert holds(make_coverage({"CCD 1": np.array(good)}, extent), old) is expected
    assert holds({}, old)
    assert holds(old, {})
    assert not holds(make_coverage({"CCD 2": np.array([[0.0, 1000.0]])}, 100.0), old)


def test_modules_named_after_their_instrument_are_cameras() -> None:
    assert name_camera("FXT", ["FXTA"]) != name_camera("FXT", ["FXTB"])
    assert name_camera("ACIS", ["CCD 7"]) == name_camera("ACIS", ["CCD 3", "CCD 7"]) == "ACIS"
    assert name_camera("EMOS1", []) != name_camera("EMOS2", ())
