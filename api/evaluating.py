"""`evaluate`: injection and recovery, the detector beside simpler methods on the same sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.progress_bars import shown_stages
from xherald.scanning import configuration_from

if TYPE_CHECKING:
    from astropy.table import QTable

    from xherald.detector.configuration.configuration import Configuration

__all__ = ["EvaluationReport", "evaluate"]


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationReport:
    """What an evaluation measured.

    Parameters
    ----------
    facts : mapping
        Everything, in JSON's own types: samples, efficiencies, false alarms, stream, real files, vetoes.
    """

    facts: Mapping[str, Any]

    @property
    def efficiencies(self) -> QTable:
        """Fraction of events found, for each sample, method, direction, false-positive rate and range of counts."""
        from astropy.table import QTable

        rows = [{"sample": name, **row} for name, one in self.facts["samples"].items() for row in one["efficiencies"]]
        names = list(dict.fromkeys(key for row in rows for key in row))
        return QTable({name: [_cell(row.get(name)) for row in rows] for name in names})

    def write(self, folder: str | Path) -> list[Path]:
        """Write evaluation.json and pages of plots into a folder.

        Raises
        ------
        FileError
            A file cannot be written.
        """
        from xherald.evaluation.report import write_report

        return write_report(self.facts, Path(folder))

    def __repr__(self) -> str:
        return f"<EvaluationReport of {self.facts['detector']}: seed {self.facts['seed']}>"

    def _repr_html_(self) -> str:
        from xherald.evaluation.labels import SAMPLES, efficiency_table
        from xherald.html import html_table

        parts = []
        for name, sample in self.facts["samples"].items():
            for direction in ("flare", "dip"):
                heads, rows = efficiency_table(sample, direction, 0.01)
                title = f"{SAMPLES.get(name, name)}: {direction}s found at 1 % false positives, per cent, by counts"
                parts.append(html_table(title, [heads, *rows]))
        return "".join(parts)


def evaluate(
    *,
    quick: bool = True,
    seed: int = 1,
    data: str | Path | None = None,
    config: str | Path | Mapping[str, Any] | Configuration | None = None,
    progress: bool | None = None,
) -> EvaluationReport:
    """Measure how many transients are found at which false-positive rate, beside simpler methods.

    Parameters
    ----------
    quick : bool
        A small sample in about a minute, or the full one in most of an hour.
    seed : int
    data : str or Path, optional
        Folder of real quiet event files into which flares are injected.
    config : str, Path, mapping or Configuration, optional
        Settings, as in `xherald.scan`.
    progress : bool, optional
        Whether to show progress; by default in terminals and notebooks.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    ConfigError
        A setting or the seed cannot be used.
    """
    from xherald.evaluation.detector_under_test import calibrated_detector
    from xherald.evaluation.run import FULL, QUICK
    from xherald.evaluation.run import evaluate as run_evaluation

    configuration = configuration_from(config)
    with shown_stages(shown=progress) as stage:
        facts = run_evaluation(
            calibrated_detector(configuration),
            "xherald",
            configuration,
            sizes=QUICK if quick else FULL,
            seed=seed,
            data=None if data is None else Path(data),
            stage=stage,
        )
    return EvaluationReport(facts)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "–".join(str(part) for part in value)
    return float("nan") if value is None else value
