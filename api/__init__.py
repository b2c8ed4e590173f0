"""xherald: transients in X-ray event files, each with a stated false-alarm probability.

    import xherald as xh

    scan = xh.scan("acisf29128N001_evt2.fits.gz")
    scan.table                        # every source, most significant first
    best = scan.candidates[0]
    best.plot()                       # light curve, energies, images, similar transients
    best.similar(10)                  # the ten nearest known transients

`scan` finds and tests the sources of event files; `Reference` opens a reference catalogue, `open_store` the daemon's
database; `simulate`, `inject` and `evaluate` make event data with known truth and measure what is found in them. All
names are imported when they are first used: ``import xherald`` itself is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xherald import simulate
    from xherald.catalog_store.ledger.states import VettingDecision
    from xherald.detector.configuration.configuration import Configuration, load_configuration
    from xherald.evaluating import EvaluationReport, evaluate
    from xherald.explorer import Explorer
    from xherald.injecting import InjectedFile, inject
    from xherald.light_curves import LightCurve
    from xherald.photons.errors import XheraldError
    from xherald.reference_catalogues import Member, Reference
    from xherald.results import ScanResult
    from xherald.scanning import scan
    from xherald.similarity import SimilarTransient, SimilarTransients
    from xherald.sources import Source
    from xherald.stores import CandidateList, StoreView, open_store

__all__ = [
    "CandidateList",
    "Configuration",
    "EvaluationReport",
    "Explorer",
    "InjectedFile",
    "LightCurve",
    "Member",
    "Reference",
    "ScanResult",
    "SimilarTransient",
    "SimilarTransients",
    "Source",
    "StoreView",
    "VettingDecision",
    "XheraldError",
    "__version__",
    "evaluate",
    "inject",
    "load_configuration",
    "open_store",
    "scan",
    "simulate",
]

_MODULES = {
    "xherald.catalog_store.ledger.states": ("VettingDecision",),
    "xherald.detector.configuration.configuration": ("Configuration", "load_configuration"),
    "xherald.evaluating": ("EvaluationReport", "evaluate"),
    "xherald.explorer": ("Explorer",),
    "xherald.injecting": ("InjectedFile", "inject"),
    "xherald.light_curves": ("LightCurve",),
    "xherald.photons.errors": ("XheraldError",),
    "xherald.reference_catalogues": ("Member", "Reference"),
    "xherald.results": ("ScanResult",),
    "xherald.scanning": ("scan",),
    "xherald.similarity": ("SimilarTransient", "SimilarTransients"),
    "xherald.sources": ("Source",),
    "xherald.stores": ("CandidateList", "StoreView", "open_store"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("xherald")
    if name == "simulate":
        return importlib.import_module("xherald.simulate")
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
