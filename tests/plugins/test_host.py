"""The plugin host: failing plugins are isolated, duplicate names are errors, one adapter claims a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from xherald.photons.errors import ConfigError, PluginError, UnclaimedFileError
from xherald.plugins import PluginHost

PLUGIN = """
from xherald.plugins import InstrumentAdapter, Options, hookimpl

class Settings(Options):
    gain: float = 1.0

class Adapter(InstrumentAdapter[Settings]):
    name = "{name}"
    def claims(self, path, header):
        return {claims}
    def read(self, path, options, limits):
        raise AssertionError("not read here")

@hookimpl
def {hook}(register):
    register(Adapter())
"""


@pytest.fixture
def written(tmp_path: Path):
    def write(
        file: str, text: str = PLUGIN, name: str = "", claims: str = "True", hook: str = "register_adapters"
    ) -> Path:
        path = tmp_path / f"{file}.py"
        path.write_text(text.replace("{name}", name or file).replace("{claims}", claims).replace("{hook}", hook))
        return path

    return write


def host(*files: Path, disabled: tuple[str, ...] = ()) -> PluginHost:
    return PluginHost(disabled, files, sources=())


def test_a_local_file_is_a_plugin(written) -> None:
    one = host(written("mine"))
    assert list(one.adapters) == ["mine"]
    assert one.failures == []
    (record,) = one.records
    assert (record.name, record.hooks, record.registered) == ("mine", ("register_adapters",), {"adapters": ("mine",)})
    assert one.find_adapter(Path("x.fits"), {}) is one.adapters["mine"]


@pytest.mark.parametrize(
    ("text", "hook", "reason"),
    [
        ("import nowhere_to_be_found", "", "ModuleNotFoundError"),
        ("raise RuntimeError('at import')", "", "at import"),
        (PLUGIN, "regster_adapters", "regster_adapters"),
        (
            PLUGIN.replace("register(Adapter())", "raise ValueError('at registration')"),
            "register_adapters",
            "at registration",
        ),
    ],
)
def test_failing_plugin_is_recorded_and_others_are_loaded(written, text: str, hook: str, reason: str) -> None:
    one = host(written("broken", text, hook=hook), written("sound"))
    assert list(one.adapters) == ["sound"]
    (failure,) = one.failures
    assert failure.name == "broken"
    assert reason in failure.reason


def test_adapter_that_fails_in_claims_is_disabled(written) -> None:
    one = host(written("broken", claims="header['NONE']"), written("sound"))
    for _ in range(2):
        assert one.find_adapter(Path("x.fits"), {}).name == "sound"
    (failure,) = one.failures
    assert failure.name == "broken"
    assert "x.fits" in failure.reason
    assert "KeyError" in failure.reason


def test_duplicate_names_are_an_error(written) -> None:
    first, second = written("first", name="same"), written("second", name="same")
    with pytest.raises(PluginError, match="same") as caught:
        host(first, second)
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_no_claim_and_two_claims_are_errors(written) -> None:
    one = host(written("first"), written("second"))
    with pytest.raises(UnclaimedFileError, match=r"several adapters claim this file.*first, second"):
        one.find_adapter(Path("x.fits"), {})
    with pytest.raises(UnclaimedFileError, match="NICER XTI is not supported; available adapters: shy"):
        host(written("shy", claims="False")).find_adapter(Path("x.fits"), {"TELESCOP": "NICER", "INSTRUME": "XTI"})


def test_disabled_plugins_are_not_loaded() -> None:
    one = PluginHost(disabled=("swift",))
    assert "swift" not in one.adapters
    assert "chandra" in one.adapters
    assert [(failure.name, failure.package) for failure in one.failures] == [("swift", "xherald")]


def test_options_are_validated_by_the_model(written) -> None:
    one = host(written("mine"))
    adapter = one.adapters["mine"]
    assert one.validate_options(adapter, {"gain": 2.0}).model_dump() == {"gain": 2.0}
    with pytest.raises(ConfigError, match=r"adapters\.mine\.gian"):
        one.validate_options(adapter, {"gian": 2.0})


def test_hook_calls_can_be_traced(written, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("XHERALD_TRACE_HOOKS", "1")
    host(written("mine"))
    assert "register_adapters" in capsys.readouterr().err


def test_a_missing_local_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"absent\.py: not a Python file; fix plugins\.files"):
        host(tmp_path / "absent.py")
