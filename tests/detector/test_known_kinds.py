"""The generator by another hand makes sources that can be tested, and shares nothing with the simulation."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.known_kinds import KNOWN, TELESCOPES, UNKNOWN, draw_kinds
from xherald.photons.statistics import TimingSettings, assess


@pytest.mark.parametrize("telescope", TELESCOPES)
def test_every_kind_is_drawn_and_many_are_significant(telescope: str) -> None:
    drawn = draw_kinds(telescope, 40, 3, KNOWN | UNKNOWN, counts=(200.0, 400.0))
    assert set(drawn.kinds) <= set(KNOWN) | set(UNKNOWN)
    assert len(set(drawn.kinds)) > 8
    for one in drawn.batch:  # the constructor refuses photons outside good times or band, and what is not sorted
        assert one.band == TELESCOPES[telescope].band
    timing = assess(drawn.batch, TimingSettings(threads=1))
    assert np.mean(timing.p_value < 1e-3) > 0.4


@pytest.mark.parametrize("module", ["known_kinds", "known_kinds_models"])
def test_the_generator_imports_nothing_of_the_simulation(module: str) -> None:
    code = Path(sys.modules[f"benchmarks.{module}"].__file__ or "").read_text()
    assert "import" in code
    assert "from xherald.simulation" not in code
