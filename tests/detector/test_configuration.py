"""Settings: the shipped file equals the defaults; what is wrong is named with file, line and key; origins are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_result import CliResult
from paths import ROOT

from xherald.detector.configuration.configuration import load_configuration
from xherald.photons.errors import ConfigError


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "my.yaml"
        path.write_text(text)
        return path

    return write


def test_the_shipped_file_holds_every_setting_at_its_default() -> None:
    shipped = load_configuration(ROOT / "config.yaml", {})
    defaults = load_configuration(None, {})
    assert shipped.settings.model_copy(update={"adapters": {}}) == defaults.settings
    given = {path for path in shipped.origins if len(path) == 2}
    assert given == {path for path, _, _ in defaults.listed() if path[0] != "adapters"} | {
        ("adapters", name) for name, adapter in defaults.host.adapters.items() if adapter.options_model.model_fields
    }


def test_the_shipped_file_holds_every_adapter_option_at_its_default() -> None:
    shipped = load_configuration(ROOT / "config.yaml", {})
    for name, adapter in shipped.host.adapters.items():
        given = shipped.settings.adapters.get(name, {})
        assert shipped.host.validate_options(adapter, given) == adapter.options_model()
        assert set(given) == set(adapter.options_model.model_fields)


def test_the_shipped_file_means_the_same_to_any_yaml_reader() -> None:
    text = (ROOT / "config.yaml").read_text()
    strict = yaml.safe_load(text.replace("1e-3", "1.0e-3"))
    assert strict["timing"]["significance"] == 1e-3
    assert set(strict) == set(type(load_configuration(None, {}).settings).model_fields)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("timing:\n  signifcance: 1e-4\n", 2, "unknown key 'timing.signifcance'; allowed: blocks_p0, significance"),
        ("timimg:\n  significance: 1e-4\n", 1, "unknown key 'timimg'; allowed: adapters, alerts, apertures"),
        ("timing:\n  significance: much\n", 2, "timing.significance: Input should be a valid number, got 'much'"),
        ("timing:\n  blocks_p0: 0.1\n  significance: 2\n", 3, "significance must lie between 0 and 1"),
        ("timing:\n  threads: 1.5\n", 2, "timing.threads: Input should be a valid integer"),
        ("timing:\n  threads: true\n", 2, "timing.threads: Input should be a valid integer"),
        ("output:\n  rows: 0\n", 2, "output.rows: Input should be greater than or equal to 1, got 0"),
        ("timing: 5\n", 1, "timing: Input should be an object"),
        ("plugins:\n  disabled: [xmm, no]\n", 2, "YAML reads no as False"),
        ("source_detection:\n  shortest_slice_s: 1:30\n", 2, "YAML reads 1:30 as a number in base 60"),
        ("read:\n  max_events: 0100\n", 2, "YAML reads 0100 as a number in base 8"),
        ("read:\n  max_events: 2024-01-01\n", 2, "YAML reads 2024-01-01 as a date"),
        ("timing:\n  threads: 1\n  threads: 2\n", 3, "'threads' is given twice"),
        ("- timing\n", 1, "expected sections, got list"),
        ("timing: [1\n", 2, "expected"),
        ("source_detection:\n  apertures: {}\n", 2, "unknown key 'source_detection.apertures'"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(
    written: Callable[[str], Path], text: str, line: int, expected: str
) -> None:
    path = written(text)
    with pytest.raises(ConfigError) as caught:
        load_configuration(path, {})
    assert f"{path}:{line}: " in str(caught.value)
    assert expected in str(caught.value)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.yaml: the configuration cannot be read: No such file"):
        load_configuration(tmp_path / "nowhere.yaml", {})


def test_the_environment_stands_over_the_file(written: Callable[[str], Path]) -> None:
    path = written("timing:\n  significance: 1e-4\n  threads: 1\n")
    loaded = load_configuration(path, {"XHERALD_TIMING__SIGNIFICANCE": "1e-6", "XHERALD_CONFIG": "elsewhere"})
    assert (loaded.settings.timing.significance, loaded.settings.timing.threads) == (1e-6, 1)
    listed = {path: (value, origin) for path, value, origin in loaded.listed()}
    assert listed["timing", "significance"] == (1e-6, "environment XHERALD_TIMING__SIGNIFICANCE")
    assert listed["timing", "threads"] == (1, f"{path}:3")
    assert listed["timing", "blocks_p0"] == (0.01, "default")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("XHERALD_TIMING__SIGNIFICANCE", "no", "environment XHERALD_TIMING__SIGNIFICANCE: YAML reads no as False"),
        ("XHERALD_TIMING__SIGNIFICANCE", "big", "environment XHERALD_TIMING__SIGNIFICANCE: timing.significance: Input"),
        ("XHERALD_TIMING__SIGNIFIC", "1", "environment XHERALD_TIMING__SIGNIFIC: unknown key 'timing.signific'"),
        ("XHERALD_TIMING_SIGNIFICANCE", "1", "joined by two underscores"),
    ],
)
def test_a_wrong_variable_is_named(variable: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_configuration(None, {variable: value})
    assert expected in str(caught.value)


def test_options_of_no_adapter_are_refused(written: Callable[[str], Path]) -> None:
    path = written("adapters:\n  chandrra: {}\n")
    with pytest.raises(ConfigError, match=r"my.yaml:2: no adapter is named 'chandrra'; allowed: "):
        _ = load_configuration(path, {}).host


def test_a_wrong_adapter_option_is_named(written: Callable[[str], Path]) -> None:
    path = written("adapters:\n  chandra:\n    colour: red\n")
    with pytest.raises(ConfigError, match=r"my.yaml:3: unknown key .adapters.chandra.colour.; allowed: region_band"):
        _ = load_configuration(path, {}).host


def test_config_show_tells_values_and_origins(
    xherald: Callable[..., CliResult], written: Callable[[str], Path]
) -> None:
    path = written("timing:\n  significance: 1e-4\n")
    answer = xherald("config", "show", "--json", "--config", path, environment={"XHERALD_OUTPUT__ROWS": "7"})
    shown: dict[str, Any] = answer.rows[0]
    assert shown["timing.significance"] == {"value": 1e-4, "origin": f"{path}:2"}
    assert shown["output.rows"] == {"value": 7, "origin": "environment XHERALD_OUTPUT__ROWS"}
    assert shown["read.max_events"]["origin"] == "default"
    text = xherald("--config", path, "config", "show").stdout
    assert f"({path}:2)" in text


def test_a_wrong_setting_ends_the_run_with_one_line(
    xherald: Callable[..., CliResult], written: Callable[[str], Path]
) -> None:
    answer = xherald("scan", "--config", written("timing:\n  signif: 1\n"), "nothing.fits")
    assert answer.exit_code == 2
    assert answer.stderr.count("\n") == 1
    assert "my.yaml:2: unknown key 'timing.signif'" in answer.stderr


SINK = "alerts:\n  sinks:\n    team:\n"
CASE = "cases:\n  c:\n    embedder: {name: tsne}\n"


@pytest.mark.parametrize(
    ("text", "line", "key", "nearest"),
    [
        (f"{SINK}      kind: webhok\n", 4, "alerts.sinks.team.kind", "webhook"),
        (f"{SINK}      kind: webhook\n      urll: x\n", 5, "alerts.sinks.team.urll", "url"),
        ("detection:\n  vetoes:\n    none_such: {}\n", 3, "detection.vetoes.none_such", ""),
        (f"{CASE}    extractor: {{name: pcaa}}\n", 4, "cases.c.extractor.name", "pca"),
        (f"{CASE}    extractor: {{name: pca, component: 3}}\n", 4, "cases.c.extractor.component", "components"),
    ],
)
def test_plugin_options_are_checked(tmp_path: Path, text: str, line: int, key: str, nearest: str) -> None:
    from xherald.detector.configuration.plugin_options import check_plugin_options

    file = tmp_path / "given.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="allowed: ") as caught:
        check_plugin_options(load_configuration(file, {}))
    message = str(caught.value)
    assert message.startswith(f"{file}:{line}: ")
    assert key in message
    assert message.endswith(f"did you mean {nearest!r}?") or not nearest


def test_default_plugin_options_are_valid() -> None:
    from xherald.detector.configuration.plugin_options import check_plugin_options

    check_plugin_options(load_configuration(None, {}))
