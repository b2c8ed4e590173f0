"""False-discovery control along a stream: as seldom false as it says, and its state is all there is to it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.detector.scoring.false_discovery import Control, next_level, run, start, step
from xherald.photons.errors import ArtefactError, ConfigError

chances = st.lists(st.one_of(st.floats(0, 1), st.floats(0, 1e-3)), max_size=60)


@given(chances, st.floats(0.01, 0.5))
def test_many_at_once_are_decided_as_one_by_one(p: list[float], level: float) -> None:
    state = start(level)
    decisions, levels = [], []
    for one in p:
        levels.append(next_level(state))
        announced, state = step(one, state)
        decisions.append(announced)
    at_once, held, after = run(np.array(p), start(level))
    assert held == pytest.approx(levels, rel=1e-12)
    # A p within rounding of its level may fall on either side.
    close = np.isclose(p, levels, rtol=1e-9, atol=0) if p else np.zeros(0, bool)
    if not close.any():
        assert at_once.tolist() == decisions
        assert after == state


@given(chances, chances)
def test_a_stream_goes_on_from_its_state_in_json(before: list[float], after: list[float]) -> None:
    whole, levels, end = run(np.array(before + after), start())
    first, _, state = run(np.array(before), start())
    state = Control.from_dict(json.loads(json.dumps(state.as_dict())))
    second, later, stop = run(np.array(after), state)
    assert (end, whole.tolist()) == (stop, first.tolist() + second.tolist())
    assert levels[len(before) :] == pytest.approx(later, rel=1e-12)


def published_lord(p: list[float], level: float) -> list[float]:
    """Levels of LORD++ as its equation stands: all earlier discoveries by the time of each."""
    j = np.arange(1, len(p) + 2)
    log = np.log(np.maximum(j, 2))
    gamma = np.concatenate([[0], 0.0790819 * log / (j * np.exp(np.sqrt(np.log(j))))])
    found: list[int] = []
    levels = []
    for t, one in enumerate(p, start=1):
        value = 0.5 * level * gamma[t] + sum(level * gamma[t - tau] for tau in found[1:])
        value += 0.5 * level * gamma[t - found[0]] if found else 0.0
        levels.append(value)
        found += [t] if one <= value else []
    return levels


def test_levels_are_the_published_ones() -> None:
    rng = np.random.default_rng(3)
    p = np.where(rng.random(400) < 0.1, 1e-6 * rng.random(400), rng.random(400))
    announced, levels, state = run(p, start(0.2))
    assert levels == pytest.approx(published_lord(p.tolist(), 0.2), rel=1e-6)
    assert announced.sum() == len(state.discoveries) > 10


def test_of_what_is_announced_no_more_is_false_than_said() -> None:
    """Mean false fraction over streams, with its own error: three of them above the level would be a defect."""
    rng = np.random.default_rng(8)
    fractions, power = [], []
    for _ in range(200):
        event = rng.random(3000) < 0.05
        p = np.where(event, 1e-3 * rng.random(3000) ** 4, rng.random(3000))
        announced, _, _ = run(p, start(0.1))
        fractions.append((announced & ~event).sum() / max(announced.sum(), 1))
        power.append(announced[event].mean())
    assert np.mean(fractions) < 0.1 + 3 * np.std(fractions) / np.sqrt(len(fractions))
    assert np.mean(power) > 0.5


def test_nothing_but_steady_sources_seldom_gives_any_alarm() -> None:
    """With no true event, every discovery is false: the chance of any is at most the level."""
    rng = np.random.default_rng(9)
    any_alarm = np.mean([run(rng.random(1000), start(0.1))[0].any() for _ in range(600)])
    assert any_alarm < 0.1 + 3 * np.sqrt(0.09 / 600)


def test_the_budget_is_never_overdrawn() -> None:
    """Without discoveries all levels together stay below the first wealth."""
    wealth = 0.05
    _, levels, _ = run(np.full(20_000, 0.9), start(0.1))
    assert 0.4 * wealth < levels.sum() < wealth
    assert (np.diff(levels) <= 0).all()


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"level": 0.1, "tested": 3, "discoveries": [4]},
        {"level": 0.1, "tested": 3, "discoveries": [2, 1]},
        {"level": 0.1, "tested": 3, "discoveries": [2, 2]},
        {"level": 0.1, "tested": 3.5, "discoveries": []},
        {"level": 1.5, "tested": 0, "discoveries": []},
    ],
)
def test_a_broken_state_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ArtefactError):
        Control.from_dict(broken)


def test_what_is_no_probability_is_refused() -> None:
    for p in (float("nan"), -0.1, 1.1):
        with pytest.raises(ConfigError):
            step(p, start())
        with pytest.raises(ConfigError):
            run(np.array([0.5, p]), start())
    with pytest.raises(ConfigError):
        start(1.0)
