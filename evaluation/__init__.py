"""Injection and recovery: the fraction of transients found at each false-alarm rate, compared with baselines.

    from xherald.evaluation import FULL, QUICK, EvaluationSizes, evaluate, read_report, write_report

`run.evaluate` draws samples with known truth (`samples`), scores them with the detector and with every baseline
(`baselines`, `timing_limit`), and computes efficiencies (`metrics`), false alarms (`reliability`) and the false
discoveries of a replayed stream (`stream_replay`). `report` and `report_plots` write the result.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .report import read_report, write_report
    from .run import FULL, QUICK, EvaluationSizes, evaluate

__all__ = ["FULL", "QUICK", "EvaluationSizes", "evaluate", "read_report", "write_report"]

_MODULES = {
    "report": ("read_report", "write_report"),
    "run": ("FULL", "QUICK", "EvaluationSizes", "evaluate"),
}


def __getattr__(name: str) -> Any:
    # Imported at first use, so that the package itself stays light.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
