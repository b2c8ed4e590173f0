"""A night in which a known star flares again, and a burst goes off beside it: from event files to alerts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from announced_candidates import read_alerts
from astropy.table import Table
from cli_result import CliResult
from demo_files import SPECTRUM, box
from fast_pipeline import configured

from xherald.catalog_store.ledger.states import AlertState
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.alerts.dispatch import Dispatcher
from xherald.daemon.daemon import Daemon
from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.model import Component, PlacedSource, SourceModel
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.response import record
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import write_exposure

AIM = 210.5, -11.3
SEED = 20261130
STAR, BURST, STEADY = (20.0, -30.0), (-50.0, 10.0), (-220.0, 160.0)
"""East and north of the aim point, arcsec: the burst is 80 arcsec from the star."""

FLARE = (6_000.0, 6_400.0, 60.0)
OUTBURST = (6_900.0, 7_100.0, 4_000.0)
"""Start and stop, s, and factor of the rate."""


def place(east: float, north: float) -> tuple[float, float]:
    return AIM[0] + east / 3600 / np.cos(np.radians(AIM[1])), AIM[1] + north / 3600


def observe_night(folder: Path, obs_id: str, start: float, *, with_burst: bool) -> Path:
    """Snapshots of XRT: the star flares, a source is steady, and a burst goes off where nothing is seen otherwise."""
    telescope = TELESCOPES["swift-xrt"]
    observing = observe(
        telescope, ra=AIM[0], dec=AIM[1], duration=4_440, roll=0.0, rng=stream(SEED, "same roll"), start=start
    )
    area = float(SPECTRUM @ telescope.area_cm2)
    wanted = (
        (STAR, 0.02, FLARE),
        (BURST, 1e-4, OUTBURST if with_burst else None),
        (STEADY, 0.05, None),
    )
    sources = tuple(
        PlacedSource(
            f"S{number}",
            *place(*where),
            SourceModel("constant", "", (Component(box(observing.duration, change), SPECTRUM),)),
            rate / area,
        )
        for number, (where, rate, change) in enumerate(wanted)
    )
    events = record(telescope, observing, sources, SEED + int(start))
    exposure = SimulatedExposure(telescope, observing, sources, events, obs_id, SEED)
    made = write_exposure(exposure, folder.parent / obs_id, source_list=False).events
    return made.rename(folder / made.name)


def test_known_flaring_star_is_muted_and_the_burst_beside_it_announced_first(
    tmp_path: Path, xherald: Callable[..., CliResult]
) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    quiet, digest = tmp_path / "quiet.jsonl", tmp_path / "digest.jsonl"
    url = f"sqlite:///{tmp_path}/store.sqlite"
    sinks = {
        "quiet": {"kind": "jsonl", "path": str(quiet)},
        "digest": {"kind": "jsonl", "path": str(digest), "muted": "digest"},
        "stars": {"kind": "jsonl", "path": str(tmp_path / "stars.jsonl"), "watch_list": "stars", "muted": "send"},
    }
    configuration = configured(folder, sinks)
    ra, dec = place(*STAR)
    observe_night(folder, "00099002001", 6.6e8, with_burst=False)
    with open_store(url) as store:
        assert Daemon(configuration, store).once().processed == 1
        (first,) = store.candidates()
        # The duty scientist finds that it is a star, mutes it for a year, and watches it.
        words = ("--as", "stellar_flare", "--comment", "V1229 Ori", "--mute", "1y", "--by", "Ann", "--store", url)
        assert xherald("candidate", "vet", first.id, *words).exit_code == 0
        position = f"{ra:.5f},{dec:.5f}"
        assert xherald("watchlist", "add", "stars", position, "--name", "V1229 Ori", "--store", url).exit_code == 0
        observe_night(folder, "00099002002", 7.0e8, with_burst=True)
        assert Daemon(configuration, store).once().processed == 1
        found = {one.id: one for one in store.candidates()}
        # Both are candidates, and the star has not lost its verdict.
        assert len(found) == 3
        again, burst = sorted(
            (one for one in found.values() if one.id != first.id), key=lambda one: abs((one.dec_deg or 0.0) - dec)
        )
        assert [one["candidate_id"] for one in again.evidence["verdicts"]] == [first.id]
        assert again.evidence["mute"]["comment"] == "V1229 Ori"
        assert (burst.evidence["verdicts"], burst.evidence["mute"]) == ([], None)
        # The sink that skips muted places hears of the burst only, and so does the other until the day ends.
        assert [one.candidate_id for one in read_alerts(quiet)] == [first.id, burst.id]
        assert [one.candidate_id for one in read_alerts(digest)] == [first.id, burst.id]
        (skipped,) = [one for one in store.alerts(candidate_id=again.id) if one.sink == "quiet"]
        assert skipped.state is AlertState.WITHDRAWN
        assert (skipped.error or "").endswith(" by Ann: V1229 Ori")
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        Dispatcher(store, configuration.settings.alerts, configuration.host, "d").send_due(now=tomorrow)
        *_, late = read_alerts(digest)
        assert (late.alert_type, [one.candidate_id for one in late.members]) == ("digest", [again.id])
        assert late.members[0].headline.endswith(", source vetted before as stellar flare")
        # The list of stars has its own sink, which the burst does not reach.
        (watched,) = read_alerts(tmp_path / "stars.jsonl")
        assert (watched.candidate_id, watched.facts.watch_lists) == (again.id, ("stars",))
        assert watched.facts.verdict_summary.startswith("vetted before as stellar flare by Ann on 20")
        assert watched.facts.verdict_summary.endswith(": V1229 Ori")
        assert [one.name for one in store.check() if one.is_error] == []
    shown = xherald("candidate", "show", again.id, "--store", url)
    assert "Verdicts at the position" in shown.stdout
    assert "stellar flare: V1229 Ori" in shown.stdout
    assert "muted until 20" in shown.stdout
    listed = xherald("alert", "list", "--state", "withdrawn", "--store", url).stdout
    assert "withdrawn  muted until 20" in listed
    row = json.loads(xherald("candidate", "show", again.id, "--json", "--store", url).stdout)
    assert (row["state"], row["watch_lists"], row["verdicts"][0]["source_class"]) == (
        "standing",
        ["stars"],
        "stellar_flare",
    )


def test_catalogued_star_comes_after_the_burst_beside_it(
    tmp_path: Path, xherald: Callable[..., CliResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has vetted anything: the catalogue alone says which of both deserves a look."""
    folder, url = tmp_path / "drop", f"sqlite:///{tmp_path}/store.sqlite"
    folder.mkdir()
    random = np.random.default_rng(3)
    field = [place(*random.uniform(-900, 900, 2)) for _ in range(60)]
    ra, dec = np.transpose([place(*STAR), *field])
    names = ["V1229 Ori", *(f"star {number}" for number in range(len(field)))]
    Table({"name": names, "ra": ra, "dec": dec, "type": ["Er*", *["*"] * len(field)]}).write(tmp_path / "stars.csv")
    monkeypatch.setenv("XHERALD_CONTEXT__FOLDER", str(tmp_path / "catalogues"))
    columns = "name=name,ra=ra[deg],dec=dec[deg],pos_err=0.1[arcsec],type=type"
    done = xherald("context", "import", tmp_path / "stars.csv", "--name", "stars", "--columns", columns)
    assert done.exit_code == 0
    sinks = {
        "all": {"kind": "jsonl", "path": str(tmp_path / "all.jsonl")},
        "bursts": {"kind": "jsonl", "path": str(tmp_path / "bursts.jsonl"), "exclude_counterparts": ["active_star"]},
        "best": {"kind": "jsonl", "path": str(tmp_path / "best.jsonl"), "min_interest": 0.8},
    }
    configuration = configured(folder, sinks, context={"folder": str(tmp_path / "catalogues")})
    observe_night(folder, "00099002002", 7.0e8, with_burst=True)
    with open_store(url) as store:
        assert Daemon(configuration, store).once().processed == 1
        burst, star = store.candidates(by_interest=True)
        assert (star.evidence["known_source"], burst.evidence["known_source"]) == ("V1229 Ori", None)
        assert star.evidence["counterparts"][0]["category"] == "active_star"
        assert star.evidence["association_probability"] > 0.9
        assert burst.evidence["association_probability"] < 0.1
        assert burst.evidence["interest"] > star.evidence["interest"] + 0.2
        context = star.evidence["class_probabilities_in_context"]
        assert context["stellar_flare"] > star.evidence["class_probabilities"]["stellar_flare"]
        # Both are candidates at their own false-alarm probability, which the catalogue does not change.
        assert max(one.false_alarm_probability or 1.0 for one in (burst, star)) <= 1e-3
        assert [one.id for one in store.candidates(min_interest=0.8)] == [burst.id]
    assert {one.candidate_id for one in read_alerts(tmp_path / "all.jsonl")} == {burst.id, star.id}
    assert [one.candidate_id for one in read_alerts(tmp_path / "bursts.jsonl")] == [burst.id]
    (best,) = read_alerts(tmp_path / "best.jsonl")
    assert best.facts.interest == burst.evidence["interest"]
    (of_star,) = [one for one in read_alerts(tmp_path / "all.jsonl") if one.candidate_id == star.id]
    assert "V1229 Ori" in of_star.headline
    assert of_star.facts.counterparts[0].startswith("V1229 Ori (active star) ")
    first, second = xherald("candidate", "list", "--sort", "interest", "--store", url).stdout.splitlines()
    assert burst.id in first
    assert second.endswith("V1229 Ori")
    assert "Counterparts" in xherald("candidate", "show", star.id, "--store", url).stdout
