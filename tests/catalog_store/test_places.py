"""Mutes and watch lists on both databases: where they apply, until when, who changed them, and the commands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from cli_result import CliResult
from store_rows import NOW, RUN, candidate, claimed, detection, observation, store_errors

import xherald as xh
from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.place_records import MarkedPlace, PlaceRemoval
from xherald.catalog_store.ledger.states import PlacePurpose
from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import ConfigError, FileError, StoreError

ARCSEC = 1 / 3600
DAY = timedelta(days=1)


def make_mute(ra_deg: float = 83.8, dec_deg: float = -5.4, radius_arcsec: float = 10.0, **more: object) -> MarkedPlace:
    return MarkedPlace(PlacePurpose.MUTE, ra_deg, dec_deg, radius_arcsec, "Ann", **more)  # type: ignore[arg-type]


def muted_at(store: Store, ra_deg: float, dec_deg: float) -> list[int]:
    return [one.id for one in store.place_notes((ra_deg, dec_deg, ARCSEC), NOW).mutes]


@pytest.mark.parametrize(
    ("ra_deg", "dec_deg"), [(83.8, -5.4), (0.0, 0.0), (359.9999, 45.0), (10.0, 90.0), (200.0, -90.0)]
)
def test_a_mute_applies_inside_its_circle(store: Store, ra_deg: float, dec_deg: float) -> None:
    (mute,) = store.mark_places([make_mute(ra_deg, dec_deg)], NOW)
    store.mark_places([make_mute(100.0, 30.0, 3600.0)], NOW)  # a wide one elsewhere
    centre = SkyCoord(ra_deg, dec_deg, unit="deg")
    for angle in range(0, 360, 45):
        inside, outside = (centre.directional_offset_by(angle * u.deg, r * u.arcsec) for r in (9.9, 10.1))
        assert muted_at(store, inside.ra.deg, inside.dec.deg) == [mute.id]
        assert muted_at(store, outside.ra.deg, outside.dec.deg) == []


def test_a_mute_ends(store: Store) -> None:
    (short, forever) = store.mark_places([make_mute(ends=NOW + DAY), make_mute()], NOW)
    near = (83.8, -5.4, ARCSEC)
    # The latest first.
    assert [one.id for one in store.place_notes(near, NOW + 0.99 * DAY).mutes] == [forever.id, short.id]
    assert [one.id for one in store.place_notes(near, NOW + DAY).mutes] == [forever.id]
    assert [one.id for one in store.marked_places(PlacePurpose.MUTE, now=NOW + DAY)] == [forever.id]
    assert len(store.marked_places(PlacePurpose.MUTE, include_ended=True, now=NOW + DAY)) == 2
    with pytest.raises(ConfigError, match="has passed already"):
        store.mark_places([make_mute(ends=NOW)], NOW)


def test_marking_and_removing_can_be_repeated_and_is_recorded(store: Store) -> None:
    place = make_mute(comment="flare\x1b star", ends=NOW + DAY)
    (first,), (again,) = store.mark_places([place], NOW), store.mark_places([place], NOW + DAY / 2)
    assert again == first
    assert first.place.comment == "flare star"
    for author in ("Bob", "Cid"):  # the first removal stays
        (gone,) = store.unmark_places([first.id], PlacePurpose.MUTE, PlaceRemoval(author, NOW, "paper is out"))
        assert gone.removal == PlaceRemoval("Bob", NOW, "paper is out")
    assert store.marked_places(PlacePurpose.MUTE, now=NOW) == []
    assert store.marked_places(PlacePurpose.MUTE, include_ended=True, now=NOW) == [gone]
    assert muted_at(store, 83.8, -5.4) == []
    (anew,) = store.mark_places([place], NOW)  # after its removal it is a new one
    assert anew.id != first.id
    assert store_errors(store) == []


def test_a_removal_needs_an_existing_place_of_the_same_purpose(store: Store) -> None:
    (mute,) = store.mark_places([make_mute()], NOW)
    removal = PlaceRemoval("Bob", NOW)
    for ids, purpose in (([mute.id, 99], PlacePurpose.MUTE), ([mute.id], PlacePurpose.WATCH)):
        with pytest.raises(StoreError, match="not in the store"):
            store.unmark_places(ids, purpose, removal)
    assert muted_at(store, 83.8, -5.4) == [mute.id]
    with pytest.raises(StoreError, match="candidate x: not in the store"):
        store.mark_places([make_mute(candidate_id="x")], NOW)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"radius_arcsec": 0.0}, "radius"),
        ({"radius_arcsec": 3601.0}, "at most 3600"),
        ({"radius_arcsec": float("nan")}, "radius"),
        ({"ra_deg": float("nan")}, "not a position"),
        ({"dec_deg": -91.0}, "not a position"),
        ({"name": "n" * 101}, "name: 101 characters"),
        ({"ends": NOW.replace(tzinfo=None)}, "no time zone"),
    ],
)
def test_invalid_places_are_refused(values: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        make_mute(**values)  # type: ignore[arg-type]


def test_watch_lists_in_python(store: Store, tmp_path: Path) -> None:
    view = xh.StoreView(store)
    view.watch("magnetars", SkyCoord([10, 20], [30, 40], unit="deg"), author="Ann", names=["A", "B"])
    view.watch("stars", "05:35:17.2 -05:23:28", author="Ann", radius_arcsec=5)
    table = Table({"id": ["A", "C"], "ra": [10.0, 50.0], "dec": [30.0, 60.0], "radius_arcsec": [10.0, 3.0]})
    table.write(tmp_path / "list.fits")
    for given in (table, tmp_path / "list.fits"):  # A is there already, and then C, too
        added = view.watch("magnetars", given, author="Ann")
        assert [one.place.radius_arcsec for one in added] == [10.0, 3.0]
    assert view.watch_lists() == {"magnetars": 3, "stars": 1}
    assert list(view.watch_list("magnetars").table["name"]) == ["A", "B", "C"]
    assert view.watch_list("magnetars").table["radius_arcsec"].unit == u.arcsec
    notes = store.place_notes((50.0, 60.0 + 2 * ARCSEC, ARCSEC))
    assert [one.place.list_name for one in notes.watched] == ["magnetars"]
    (entry, *_) = view.watch_list("magnetars")
    view.unwatch("magnetars", [entry.id], author="Bob", comment="a star")
    assert [one.place.name for one in view.watch_list("magnetars")] == ["B", "C"]
    assert view.watch_list("magnetars", include_removed=True)[0].removal.author == "Bob"
    view.unwatch("magnetars", author="Bob")
    assert view.watch_lists() == {"stars": 1}


def test_invalid_watch_lists_are_refused_as_a_whole(store: Store, tmp_path: Path) -> None:
    view = xh.StoreView(store)
    (tmp_path / "list.csv").write_text("name,ra,dec\nA,10,20\nB,30,95\n")
    (tmp_path / "list.txt").write_text("")
    for error, name, positions, more in (
        (ConfigError, "two words", "10,20", {}),
        (ConfigError, "", "10,20", {}),
        (ConfigError, "ok", "10,95", {}),
        (ConfigError, "ok", "10,20", {"names": ["A", "B"]}),
        (ConfigError, "ok", "10,20", {"radius_arcsec": -1.0}),
        (ConfigError, "ok", tmp_path / "list.txt", {}),
        (FileError, "ok", tmp_path / "list.csv", {}),
        (FileError, "ok", tmp_path / "missing.csv", {}),
    ):
        with pytest.raises(error):
            view.watch(name, positions, author="Ann", **more)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="watch list ok: has no entries"):
        view.unwatch("ok", author="Ann")
    assert view.watch_lists() == {}


# Command line


@pytest.fixture
def command(xherald: Callable[..., CliResult], store: Store) -> Callable[..., CliResult]:
    return lambda *words: xherald(*words, "--store", store.name)


def test_mute_commands(command: Callable[..., CliResult]) -> None:
    place = "05:35:17.2 -05:23:28"
    (row,) = command("candidate", "mute", place, "--for", "1y", "--comment", "a star", "--by", "Ann", "--json").rows
    assert (row["radius_arcsec"], row["author"], row["comment"]) == (10.0, "Ann", "a star")
    assert (row["ra_deg"], row["dec_deg"]) == pytest.approx((83.821667, -5.391111), abs=1e-6)
    command("candidate", "mute", "gal:10,20", "--radius", "1arcmin", "--until", "2999-01-01")
    first, second = command("candidate", "mutes", "--json").rows
    assert (second["radius_arcsec"], second["ends_utc"]) == (60.0, "2999-01-01T00:00:00.000Z")
    done = command("candidate", "unmute", first["place_id"], "--comment", "done", "--by", "Bob")
    assert done.stdout.rstrip().endswith(": a star  removed by Bob on " + done.stdout.rstrip()[-16:-6] + ": done")
    assert len(command("candidate", "mutes", "--json").rows) == 1
    assert len(command("candidate", "mutes", "--all").stdout.splitlines()) == 2
    assert command("candidate", "unmute", 99).exit_code == 1
    for words in (("5,5",), ("5,5", "--for", "soon"), ("5,5", "--until", "2001-01-01"), ("5,95", "--for", "1d")):
        assert command("candidate", "mute", *words).exit_code == 2
    assert command("candidate", "mute", "5,5", "--for", "1d", "--radius", "5").exit_code == 2


def test_vetting_can_mute_the_place(command: Callable[..., CliResult], store: Store) -> None:
    (drop,) = claimed(store, "a")
    found = [detection(), detection("s2", None, None)]
    names = DropOutcome([candidate("a"), candidate("nowhere", 1)])
    store.commit_result(drop.id, RUN, [observation("1", detections=found)], names, NOW)
    words = ("--as", "stellar_flare", "--comment", "V1229 Ori", "--mute", "1y", "--by", "Ann")
    told = command("candidate", "vet", "a", *words).stdout
    assert told.startswith("a: stellar flare by Ann; muted until 20")
    assert told.endswith(" by Ann: V1229 Ori\n")
    (mute,) = store.marked_places(PlacePurpose.MUTE)
    assert (mute.place.candidate_id, mute.place.ra_deg, mute.place.radius_arcsec) == ("a", 83.8, 10.0)
    assert store.candidate("a").candidate.state.value == "standing"
    shown = command("candidate", "list", "--near", "83.8,-5.4,1arcsec", "--json").rows
    assert [(one["candidate_id"], one["sexagesimal"]) for one in shown] == [("a", "05:35:12.00 -05:24:00.0")]
    sky = SkyCoord(83.8, -5.4, unit="deg").galactic
    assert (shown[0]["galactic_longitude_deg"], shown[0]["galactic_latitude_deg"]) == pytest.approx(
        (sky.l.deg, sky.b.deg)
    )
    # Nothing is recorded if the place cannot be muted.
    failed = command("candidate", "vet", "nowhere", *words)
    assert (failed.exit_code, store.candidate("nowhere").vettings) == (2, ())
    assert "has no position" in failed.stderr


def test_watch_list_commands(command: Callable[..., CliResult], tmp_path: Path) -> None:
    (table := tmp_path / "list.csv").write_text("name,ra,dec,radius_arcsec\nA,10,20,5\nB,30,40,\n")
    added = command("watchlist", "add", "stars", "--file", table, "--by", "Ann", "--radius", "20arcsec", "--json").rows
    assert [(one["name"], one["radius_arcsec"]) for one in added] == [("A", 5.0), ("B", 20.0)]
    command("watchlist", "add", "stars", "gal:1,2", "--name", "C")
    assert command("watchlist", "list", "--json").rows == [{"list_name": "stars", "entries": 3}]
    shown = command("watchlist", "show", "stars", "--json").rows
    assert [one["name"] for one in shown] == ["A", "B", "C"]
    assert command("watchlist", "remove", "stars", shown[0]["place_id"]).exit_code == 0
    assert command("watchlist", "remove", "stars", shown[0]["place_id"]).exit_code == 2  # it is gone
    assert command("watchlist", "remove", "stars").exit_code == 2
    assert command("watchlist", "remove", "stars", "--all").exit_code == 0
    assert command("watchlist", "list").stdout == "No watch lists\n"
    assert len(command("watchlist", "show", "stars", "--all", "--json").rows) == 3
    for words in (("x y", "1,2"), ("x",), ("x", "1,2", "--file", table), ("x", "--file", table, "--name", "A")):
        assert command("watchlist", "add", *words).exit_code == 2
