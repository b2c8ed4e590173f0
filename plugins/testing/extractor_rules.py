"""Rules of feature extractors: `check_extractor`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from xherald.photons import EventBatch
from xherald.photons.arrays import F32
from xherald.photons.artefact_folders import load_arrays, save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.contract import (
    FeatureExtractor,
    Features,
    FittedExtractor,
    Options,
    Representation,
    Sample,
    Values,
)

from .common_rules import (
    ArraySnapshot,
    add_common_rules,
    add_stateless_rule,
    default_options,
    describe_state,
    is_identical,
    measure_seconds,
    require_speed,
)
from .rules import Report, Rules, Violation, require
from .sample_photons import sample_batch, sample_population

__all__ = ["EXTRACTOR_RULES", "check_extractor"]

MIN_SOURCES_PER_SECOND: Final = 50
SHAPE: Final = (24, 16)


@dataclass(frozen=True)
class ExtractorCase:
    """An extractor, its options, and the population it is fitted to."""

    plugin: FeatureExtractor
    options: Options
    represent: Callable[[EventBatch], Sample]
    initial_state: str
    batch: EventBatch = field(default_factory=sample_population)

    @cached_property
    def sample(self) -> Sample:
        """The population."""
        return self.represent(self.batch)

    @cached_property
    def fitted(self) -> tuple[FittedExtractor, Features]:
        """The fitted extractor and the features of the population."""
        return self.plugin.fit(self.sample, self.options)

    @contextmanager
    def saved(self) -> Iterator[Path]:
        """A temporary folder with the saved extractor."""
        with tempfile.TemporaryDirectory(prefix="xherald-kit-") as name:
            self.fitted[0].save(Path(name))
            yield Path(name)


EXTRACTOR_RULES: Final[Rules[ExtractorCase]] = Rules("extractors")
rule = EXTRACTOR_RULES.rule
add_common_rules(EXTRACTOR_RULES)


@rule("fits", "fit returns a FittedExtractor and the features of the population.", essential=True)
def _fits(case: ExtractorCase) -> None:
    answer = case.fitted
    sound = isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], FittedExtractor)
    require(sound, f"fit returned {type(answer).__name__}, expected (FittedExtractor, features)")
    width = answer[0].width
    require(isinstance(width, int) and width > 0, f"width is {width!r}, expected the number of features")


@rule("features", "Features are finite float32 or float64 of shape (n, width).", essential=True)
def _features(case: ExtractorCase) -> None:
    fitted, own = case.fitted
    for what, features in (("fit", own), ("transform", fitted.transform(case.sample))):
        wanted = (len(case.sample), fitted.width)
        require(isinstance(features, np.ndarray), f"{what} returned {type(features).__name__}, expected an array")
        require(
            features.dtype in (np.float32, np.float64), f"{what} returned {features.dtype}, expected float32 or float64"
        )
        require(features.shape == wanted, f"{what} returned shape {features.shape}, expected {wanted}")
        require(
            np.isfinite(features).all(),
            f"{what} returned features that are not finite; raise ReferenceDataError",
        )


@rule("same-features", "transform gives the population the features that fit returned, within 1 % of their scatter.")
def _same_features(case: ExtractorCase) -> None:
    fitted, own = case.fitted
    spread = np.maximum(own.std(axis=0), np.finfo(np.float32).tiny)
    away = float((np.abs(fitted.transform(case.sample) - own) / spread).max())
    require(away < 1e-2, f"features of fit and transform differ by up to {away:.2g} standard deviations")


@rule("batch-single", "The features of a source do not depend on the other sources in the sample.")
def _batch_single(case: ExtractorCase) -> None:
    fitted, _ = case.fitted
    together = fitted.transform(case.sample)
    for chosen in ([0], [len(together) - 1, 3], list(range(40, 60))):
        few = fitted.transform(case.represent(case.batch.select(chosen)))
        require(
            is_identical(few, together[chosen]),
            f"sources {chosen[:2]}… have other features in a sample of {len(chosen)} than among all",
        )


@rule("few-photons", "Sources of none, one and two photons have finite features, or raise ReferenceDataError.")
def _few_photons(case: ExtractorCase) -> None:
    try:
        features = case.fitted[0].transform(case.represent(sample_batch()))
    except ReferenceDataError:
        return
    require(
        np.isfinite(features).all(),
        "features of sources with few photons are not finite; raise ReferenceDataError",
    )


@rule("deterministic", "The same population and options give identical features.")
def _deterministic(case: ExtractorCase) -> None:
    fitted, own = case.fitted
    _, again = case.plugin.fit(case.sample, case.options)
    require(
        is_identical(again, own), "fitting the same population twice gave different features; seed the random numbers"
    )
    first, second = fitted.transform(case.sample), fitted.transform(case.sample)
    require(is_identical(first, second), "transforming the same sources twice gave different features")


@rule("refuses-empty", "fit raises ReferenceDataError for a population of no sources.")
def _refuses_empty(case: ExtractorCase) -> None:
    try:
        case.plugin.fit(case.represent(EventBatch.from_lists([])), case.options)
    except ReferenceDataError:
        return
    raise Violation("fit accepted no sources; raise ReferenceDataError and state how many are needed")


@rule("saves-plain", "save writes only JSON and npz files without pickled objects.")
def _saves_plain(case: ExtractorCase) -> None:
    with case.saved() as folder:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        require(files, "save wrote nothing")
        for path in files:
            name = path.name
            require(path.suffix in (".json", ".npz"), f"save wrote {name}, expected only JSON and npz files")
            try:
                if path.suffix == ".json":
                    json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
                else:
                    load_arrays(path)
            except (ValueError, ArtefactError) as fault:
                raise Violation(f"{name}: {fault}; write it with xherald.photons.artefact_folders") from fault


@rule("save-load", "A loaded extractor has the same width and gives identical features.")
def _save_load(case: ExtractorCase) -> None:
    fitted, _ = case.fitted
    with case.saved() as folder:
        again = case.plugin.load(folder)
    require(again.width == fitted.width, f"width is {fitted.width} before saving, {again.width} after loading")
    require(
        is_identical(again.transform(case.sample), fitted.transform(case.sample)),
        "the loaded extractor gives other features",
    )


@rule("load-refuses", "load raises ArtefactError for an incomplete or damaged folder.")
def _load_refuses(case: ExtractorCase) -> None:
    with tempfile.TemporaryDirectory(prefix="xherald-kit-") as name:
        _require_refusal(case, Path(name), "an empty folder")
    with case.saved() as folder:
        for path in sorted([*folder.rglob("*.json"), *folder.rglob("*.npz")]):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            _require_refusal(case, folder, f"a truncated {path.name}")
            path.unlink()
            _require_refusal(case, folder, f"a folder without {path.name}")
            path.write_bytes(whole)
            if path.suffix == ".npz":
                _spoil_arrays(case, folder, path)
                path.write_bytes(whole)
            else:
                save_json(path, {})
                _require_refusal(case, folder, f"an empty {path.name}")
                path.write_bytes(whole)


def _spoil_arrays(case: ExtractorCase, folder: Path, path: Path) -> None:
    whole = load_arrays(path)
    for name, array in whole.items():
        save_arrays(path, **{key: value for key, value in whole.items() if key != name})
        _require_refusal(case, folder, f"{path.name} without {name}")
        if array.dtype.kind == "f" and array.size:
            save_arrays(path, **{**whole, name: np.full_like(array, np.nan)})
            _require_refusal(case, folder, f"{path.name} with NaN in {name}")


def _require_refusal(case: ExtractorCase, folder: Path, what: str) -> None:
    try:
        case.plugin.load(folder)
    except ArtefactError:
        return
    except Exception as fault:
        raise Violation(f"{what} raised {type(fault).__name__}: {fault}; raise ArtefactError") from fault
    raise Violation(f"{what} was loaded; raise ArtefactError")


@rule("input-unchanged", "Arguments are not modified.")
def _input_unchanged(case: ExtractorCase) -> None:
    values = case.sample.values
    snapshot = ArraySnapshot.take(case.batch, *([values] if isinstance(values, np.ndarray) else []))
    case.plugin.fit(case.sample, case.options)[0].transform(case.sample)
    snapshot.require_unchanged()


@rule("speed", f"At least {MIN_SOURCES_PER_SECOND} sources per second.", is_performance=True)
def _speed(case: ExtractorCase) -> None:
    fitted, _ = case.fitted
    require_speed(
        measure_seconds(lambda: fitted.transform(case.sample)), len(case.sample), MIN_SOURCES_PER_SECOND, "sources"
    )


add_stateless_rule(EXTRACTOR_RULES)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not valid JSON")


def sample_maps(batch: EventBatch) -> F32:
    """Histograms of time and energy scaled to [0, 1], for extractors that name no representation."""
    values = np.zeros((len(batch), *SHAPE), dtype=np.float32)
    for index, one in enumerate(batch):
        if len(one):
            part = (one.time - one.time[0]) / max(float(np.ptp(one.time)), 1e-9)
            high = np.log(one.energy / one.band[0]) / np.log(one.band[1] / one.band[0])
            places = [np.clip((axis * n).astype(int), 0, n - 1) for axis, n in zip((part, high), SHAPE, strict=True)]
            np.add.at(values[index], tuple(places), 1.0)
            values[index] /= values[index].max()
    return values


def check_extractor(
    plugin: FeatureExtractor,
    *,
    options: Options | Mapping[str, Any] | None = None,
    representation: Representation | None = None,
    representation_options: Options | Mapping[str, Any] | None = None,
    enforce_performance: bool = False,
) -> Report:
    """Check a feature extractor against its contract.

    Parameters
    ----------
    plugin : FeatureExtractor
    options : Options or mapping, optional — defaults if not given
    representation : Representation, optional
        Its input; histograms of 24 × 16 bins scaled to [0, 1] if not given.
    representation_options : Options or mapping, optional
    enforce_performance : bool — whether a broken performance rule is a failure, not a warning

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """

    def represent(batch: EventBatch) -> Sample:
        if representation is None:
            return Sample(batch, sample_maps(batch), SHAPE)
        chosen = default_options(representation_options, representation)
        values: Values = representation.transform(batch, chosen)
        return Sample(batch, values, representation.shape(chosen))

    case = ExtractorCase(plugin, default_options(options, plugin), represent, describe_state(plugin))
    return EXTRACTOR_RULES.run(case, plugin.name, enforce_performance=enforce_performance)
