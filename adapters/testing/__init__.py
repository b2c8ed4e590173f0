"""Conformance rules of instrument adapters: `check_adapter`.

from xherald.adapters.testing import check_adapter

def test_conformance() -> None:
check_adapter(MyMission(), ["tests/data/good.fits"]).require()
"""

from . import refusal_rules as _refusal_rules  # noqa: F401 - adds the rules on invalid files
from .adapter_rules import ADAPTER_RULES, check_adapter

__all__ = ["ADAPTER_RULES", "check_adapter"]
