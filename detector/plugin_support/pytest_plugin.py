"""Pytest fixtures for authors of plugins, registered by the entry point ``pytest11``.

    def test_conforms(xherald_plugin, xherald_kit):
        xherald_kit.check(xherald_plugin, files=["tests/data/good.fits"]).require()

`xherald_plugin` is each plugin of the entry points that the ini option ``xherald_plugins`` names, by default of all.
Pytest loads this module in every project where xherald is installed, so xherald is imported only when a test uses a
fixture.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xherald.plugins import Plugin

__all__ = ["pytest_addoption", "pytest_generate_tests", "xherald_kit"]

INI = "xherald_plugins"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option `xherald_plugins`."""
    parser.addini(INI, "entry points whose plugins the fixture xherald_plugin gives; default: all", "args")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize the fixture `xherald_plugin`."""
    if "xherald_plugin" in metafunc.fixturenames:
        plugins = _plugins(tuple(metafunc.config.getini(INI)))
        metafunc.parametrize("xherald_plugin", plugins.values(), ids=list(plugins))


@pytest.fixture(scope="session")
def xherald_kit() -> ModuleType:
    """Module with the conformance rules of every plugin kind."""
    from xherald.detector.plugin_support import conformance

    return conformance


def _plugins(wanted: tuple[str, ...]) -> dict[str, Plugin]:
    """Registered plugins by kind and name."""
    from xherald.plugins import PluginHost

    host = PluginHost()
    return {
        f"{kind}-{name}": host.registered(kind)[name]
        for record in host.records
        if not wanted or record.name in wanted
        for kind, names in record.registered.items()
        for name in names
    }
