"""Services on the web: asked in time or not waited for, named where they fail, and not asked again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sky_server import SkyServer, sky_server

from xherald.context.service_cache import AnswerCache
from xherald.context.services import ServiceOptions, ServiceProvider
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.context_search import search_context
from xherald.photons.errors import ConfigError
from xherald.plugins import ContextMatches

CRAB = (83.63322, 22.01446)


@pytest.fixture
def sky() -> Iterator[SkyServer]:
    with sky_server() as server:
        yield server


def service(sky: SkyServer, path: str, **changes: Any) -> dict[str, Any]:
    return {"kind": "cone", "url": sky.url + path, "columns": sky.columns, **changes}


def ask(
    services: dict[str, Any],
    folder: Path,
    *,
    ra: float = CRAB[0],
    dec: float = CRAB[1],
    radius: float = 10.0,
    epoch: float | None = None,
    deadline_s: float = 20.0,
) -> list[ContextMatches]:
    options = ServiceOptions(services=services, cache_folder=folder, deadline_s=deadline_s)
    where = (np.array([ra]), np.array([dec]), np.array([radius]))
    return list(ServiceProvider().find(*where, epoch, options))


def test_cone_searches_and_tap_are_spoken(sky: SkyServer, tmp_path: Path) -> None:
    services = {"cone": service(sky, "/cone"), "tap": service(sky, "/tap", kind="tap", table="public.basic")}
    for one in ask(services, tmp_path):
        assert one.names == ("Crab pulsar",), one.failure
        assert one.types == ("Psr",)
        assert one.pos_err_arcsec.tolist() == [1.0]
        assert one.failure == ""
    (query,) = [one["QUERY"] for one in sky.requests if "QUERY" in one]
    assert "SELECT TOP 1000 main_id, ra, dec, pmra, pmdec, otype FROM public.basic" in query


def test_names_in_queries_are_quoted(sky: SkyServer, tmp_path: Path) -> None:
    columns = {"roles": {"name": "2RXS", "ra": 'R"A[deg]', "dec": "DE[deg]"}, "default_pos_err_arcsec": 1.0}
    ask({"tap": service(sky, "/tap", kind="tap", table="J/A+A/588/A103/cat2rxs", columns=columns)}, tmp_path)
    assert 'SELECT TOP 1000 "2RXS", "R""A", DE FROM "J/A+A/588/A103/cat2rxs" WHERE' in sky.requests[0]["QUERY"]


def test_motion_is_carried_and_the_radius_holds(sky: SkyServer, tmp_path: Path) -> None:
    """The star moves by 20 arcsec in 20 years."""
    moved = 83.9 + 20.0 / 3600 / np.cos(np.radians(22.0))
    (then,) = ask({"sky": service(sky, "/cone")}, tmp_path, ra=moved, dec=22.0, radius=1.0, epoch=2020.0)
    assert then.names == ("Moving star",)
    assert then.separation_arcsec[0] < 0.01
    (now,) = ask({"sky": service(sky, "/cone")}, tmp_path, ra=moved, dec=22.0, radius=1.0, epoch=2000.0)
    assert now.names == ()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/down", "HTTP 500"),
        ("/page", "not a VOTable"),
        ("/cut", "not a VOTable"),
        ("/refused", "no such table"),
        ("/strange", "no column is named 'main_id'"),
        ("/huge", "larger than 16 MiB"),
    ],
)
def test_wrong_answers_are_named_and_others_are_used(path: str, why: str, sky: SkyServer, tmp_path: Path) -> None:
    wrong, good = ask({"wrong": service(sky, path), "good": service(sky, "/cone")}, tmp_path)
    assert why in wrong.failure
    assert wrong.names == ()
    assert good.names == ("Crab pulsar",)
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_service_that_is_not_there_is_named(tmp_path: Path, sky: SkyServer) -> None:
    (one,) = ask({"gone": service(sky, "", url="http://127.0.0.1:9/cone")}, tmp_path)
    assert "ConnectError" in one.failure


@pytest.mark.parametrize("path", ["/slow", "/drip"])
def test_nobody_waits_beyond_the_deadline(path: str, sky: SkyServer, tmp_path: Path) -> None:
    """The deadline and the time of a busy machine to start threads."""
    start = time.monotonic()
    slow, good = ask({"slow": service(sky, path), "good": service(sky, "/cone")}, tmp_path, deadline_s=3.0)
    assert time.monotonic() - start < 6.0
    assert "deadline" in slow.failure
    assert good.names == ("Crab pulsar",)


def test_answers_are_kept(sky: SkyServer, tmp_path: Path) -> None:
    services = {"sky": service(sky, "/cone")}
    first, again = ask(services, tmp_path), ask(services, tmp_path)
    assert again[0].names == first[0].names == ("Crab pulsar",)
    assert len(sky.requests) == 1
    ask(services, tmp_path, ra=CRAB[0] + 1)
    assert len(sky.requests) == 2
    for path in tmp_path.glob("*.json"):
        os.utime(path, (0, 0))
    ask(services, tmp_path)
    assert len(sky.requests) == 3
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_damaged_answers_are_asked_for_again(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers", 1.0)
    assert cache.get(["a"]) is None
    cache.put(["a"], [{"name": "x"}])
    assert cache.get(["a"]) == [{"name": "x"}]
    (path,) = (tmp_path / "answers").glob("*.json")
    for content in ("", "[]", '{"request": ["b"], "rows": []}'):
        path.write_text(content)
        assert cache.get(["a"]) is None


def test_no_service_is_asked_by_default(sky: SkyServer) -> None:
    found = search_context(load_configuration(None, {}), [CRAB[0]], [CRAB[1]], 5.0)
    assert "services" not in {one.catalogue for one in found.matches}
    assert sky.requests == []


def test_failures_reach_the_user(sky: SkyServer, tmp_path: Path) -> None:
    options = {"services": {"mine": service(sky, "/down")}, "cache_folder": str(tmp_path)}
    given = {"context": {"folder": tmp_path / "none", "providers": {"services": options}}}
    found = search_context(load_configuration(None, {}, given), [CRAB[0]], [CRAB[1]], 5.0)
    assert any("HTTP 500" in one for one in found.failures)
    assert "Crab pulsar" in {name for one in found.matches for name in one.names}


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "tap"},
        {"table": "basic"},
        {"preset": "simbad"},
        {"columns": {"roles": {"ra": "ra"}}},
        {"url": "file:///etc"},
    ],
)
def test_services_are_checked(changes: dict[str, Any], sky: SkyServer, tmp_path: Path) -> None:
    given = {"context": {"providers": {"services": {"services": {"mine": service(sky, "/cone", **changes)}}}}}
    with pytest.raises(ConfigError, match=r"context\.providers\.services"):
        search_context(load_configuration(None, {}, given), [CRAB[0]], [CRAB[1]], 5.0)
