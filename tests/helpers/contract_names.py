"""Names of the contract, including the parameters of its functions.

``python tests/helpers/contract_names.py`` records those of the current version, with which later versions are compared;
see docs/contract.md.
"""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from pathlib import Path

from xherald.plugins import CONTRACT_VERSION

MODULES = (
    "xherald.photons",
    "xherald.photons.arrays",
    "xherald.photons.artefact_folders",
    "xherald.photons.errors",
    "xherald.photons.probabilities",
    "xherald.photons.sky_links",
    "xherald.photons.statistics",
    "xherald.plugins",
    "xherald.plugins.testing",
    "xherald.adapters",
    "xherald.adapters.testing",
)
RECORDS = Path(__file__).parent.parent / "contract"


def public_names() -> set[str]:
    """``module.Name``, ``module.Name.method`` and ``module.Name.method(parameter)``, and the hooks."""
    names: set[str] = set()
    for module in MODULES:
        for name in import_module(module).__all__:
            thing = getattr(import_module(module), name)
            place = f"{module}.{name}"
            names.add(place)
            if inspect.isclass(thing):
                names |= _of_class(place, thing)
            elif inspect.isfunction(thing):
                names |= _parameters(place, thing)
    hooks = import_module("xherald.plugins.hookspecs")
    return names | {f"hook {name}" for name in vars(hooks) if name.startswith("register_")}


def _of_class(place: str, thing: type) -> set[str]:
    names = _parameters(place, thing.__init__) if thing.__init__ is not object.__init__ else set()
    for base in thing.__mro__:
        if not base.__module__.startswith("xherald."):
            continue
        for name, value in vars(base).items():
            if name.startswith("_"):
                continue
            names.add(f"{place}.{name}")
            function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if inspect.isfunction(function):
                names |= _parameters(f"{place}.{name}", function)
    return names


def _parameters(place: str, function: object) -> set[str]:
    parameters = inspect.signature(function).parameters  # type: ignore[arg-type]
    return {f"{place}({name})" for name in parameters if name not in ("self", "cls") and not name.startswith("_")}


def recorded() -> dict[str, set[str]]:
    """Recorded names by version."""
    return {path.stem: set(path.read_text().splitlines()) for path in sorted(RECORDS.glob("*.txt"))}


if __name__ == "__main__":
    record = RECORDS / f"{CONTRACT_VERSION}.txt"
    record.write_text("\n".join(sorted(public_names())) + "\n")
    sys.stdout.write(f"{record}\n")
