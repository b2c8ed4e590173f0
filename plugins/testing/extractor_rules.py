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

from .common_rules import Kept, add_common, add_stateless, default_options, require_speed, same, seconds_of, state_of
from .rules import Report, Rules, Violation, require
from .sample_photons import population, sample_batch

__all__ = ["EXTRACTOR_RULES", "check_extractor"]

SOURCES_A_SECOND: Final = 50
SHAPE: Final = (24, 16)


@dataclass(frozen=True)
class ExtractorCase:
    """An extractor, its options, and the population that it learns from."""

    plugin: FeatureExtractor
    options: Options
    represent: Callable[[EventBatch], Sample]
    before: str
    batch: EventBatch = field(default_factory=population)

    @cached_property
    def sample(self) -> Sample:
        """The population."""
        return self.represent(self.batch)

    @cached_property
    def learned(self) -> tuple[FittedExtractor, Features]:
        """What was learned, and the population's features."""
        return self.plugin.fit(self.sample, self.options)

    @contextmanager
    def saved(self) -> Iterator[Path]:
        """A folder with what was learned, for as long as it is looked at."""
        with tempfile.TemporaryDirectory(prefix="xherald-kit-") as name:
            self.learned[0].save(Path(name))
            yield Path(name)


EXTRACTOR_RULES: Final[Rules[ExtractorCase]] = Rules("extractors")
rule = EXTRACTOR_RULES.rule
add_common(EXTRACTOR_RULES)


@rule(
    "fits", "fit learns from a population and gives a FittedExtractor with the population's features.", essential=True
)
def _fits(case: ExtractorCase) -> None:
    answer = case.learned
    sound = isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], FittedExtractor)
    require(sound, f"fit gives {type(answer).__name__}; give (FittedExtractor, features)")
    width = answer[0].width
    require(isinstance(width, int) and width > 0, f"width is {width!r}; give the number of features of a source")


@rule("features", "Features are float32 or float64 of shape (n, width), finite.", essential=True)
def _features(case: ExtractorCase) -> None:
    fitted, own = case.learned
    for what, features in (("fit", own), ("transform", fitted.transform(case.sample))):
        wanted = (len(case.sample), fitted.width)
        require(isinstance(features, np.ndarray), f"{what} gives {type(features).__name__}; give an array")
        require(features.dtype in (np.float32, np.float64), f"{what} gives {features.dtype}; give float32 or float64")
        require(features.shape == wanted, f"{what} gives shape {features.shape}; give {wanted}")
        require(np.isfinite(features).all(), f"{what} gives features that are not finite; refuse such sources by name")


@rule("same-features", "transform gives the population the features that fit gave it.")
def _same_features(case: ExtractorCase) -> None:
    fitted, own = case.learned
    spread = np.maximum(own.std(axis=0), np.finfo(np.float32).tiny)
    away = float((np.abs(fitted.transform(case.sample) - own) / spread).max())
    require(away < 1e-2, f"features of fit and transform differ by up to {away:.2g} standard deviations")


@rule("batch-single", "A source's features do not depend on what else is in the sample, to the last bit.")
def _batch_single(case: ExtractorCase) -> None:
    fitted, _ = case.learned
    together = fitted.transform(case.sample)
    for chosen in ([0], [len(together) - 1, 3], list(range(40, 60))):
        few = fitted.transform(case.represent(case.batch.select(chosen)))
        require(
            same(few, together[chosen]), f"sources {chosen[:2]}… have other features among {len(chosen)} than among all"
        )


@rule("few-photons", "Sources of no, one and two photons have finite features too, or are refused by name.")
def _few_photons(case: ExtractorCase) -> None:
    try:
        features = case.learned[0].transform(case.represent(sample_batch()))
    except ReferenceDataError:
        return
    require(np.isfinite(features).all(), "features of sources with few photons are not finite; refuse them by name")


@rule("deterministic", "The same population and options give the same features, to the last bit.")
def _deterministic(case: ExtractorCase) -> None:
    fitted, own = case.learned
    _, again = case.plugin.fit(case.sample, case.options)
    require(same(again, own), "learning twice from the same population gave different features; seed what is drawn")
    first, second = fitted.transform(case.sample), fitted.transform(case.sample)
    require(same(first, second), "transforming the same sources twice gave different features")


@rule("refuses-nothing", "A population of no sources is refused with a ReferenceDataError.")
def _refuses_nothing(case: ExtractorCase) -> None:
    try:
        case.plugin.fit(case.represent(EventBatch.from_lists([])), case.options)
    except ReferenceDataError:
        return
    raise Violation("fit learned from no sources; raise ReferenceDataError and say how many are needed")


@rule("saves-plain", "save writes JSON and npz alone, without pickled objects: nothing that is read can execute.")
def _saves_plain(case: ExtractorCase) -> None:
    with case.saved() as folder:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        require(files, "save wrote nothing")
        for path in files:
            name = path.name
            require(path.suffix in (".json", ".npz"), f"save wrote {name}; write JSON and npz alone")
            try:
                if path.suffix == ".json":
                    json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
                else:
                    load_arrays(path)
            except (ValueError, ArtefactError) as fault:
                raise Violation(
                    f"{name} is not plain: {fault}; write it with xherald.photons.artefact_folders"
                ) from fault


@rule("save-load", "What was saved is loaded as it was: the same width, the same features to the last bit.")
def _save_load(case: ExtractorCase) -> None:
    fitted, _ = case.learned
    with case.saved() as folder:
        again = case.plugin.load(folder)
    require(again.width == fitted.width, f"width {fitted.width} was saved, {again.width} loaded")
    require(same(again.transform(case.sample), fitted.transform(case.sample)), "what was loaded gives other features")


@rule("load-refuses", "What save did not write, or somebody spoilt, is refused with an ArtefactError.")
def _load_refuses(case: ExtractorCase) -> None:
    with tempfile.TemporaryDirectory(prefix="xherald-kit-") as name:
        _refused(case, Path(name), "an empty folder")
    with case.saved() as folder:
        for path in sorted([*folder.rglob("*.json"), *folder.rglob("*.npz")]):
            whole = path.read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
            _refused(case, folder, f"{path.name} cut in half")
            path.unlink()
            _refused(case, folder, f"no {path.name}")
            path.write_bytes(whole)
            if path.suffix == ".npz":
                _spoil_arrays(case, folder, path)
                path.write_bytes(whole)
            else:
                save_json(path, {})
                _refused(case, folder, f"{path.name} with nothing in it")
                path.write_bytes(whole)


def _spoil_arrays(case: ExtractorCase, folder: Path, path: Path) -> None:
    whole = load_arrays(path)
    for name, array in whole.items():
        save_arrays(path, **{key: value for key, value in whole.items() if key != name})
        _refused(case, folder, f"{path.name} without {name}")
        if array.dtype.kind == "f" and array.size:
            save_arrays(path, **{**whole, name: np.full_like(array, np.nan)})
            _refused(case, folder, f"{path.name} with NaN in {name}")


def _refused(case: ExtractorCase, folder: Path, what: str) -> None:
    try:
        case.plugin.load(folder)
    except ArtefactError:
        return
    except Exception as fault:
        raise Violation(f"{what} raised {type(fault).__name__}: {fault}; raise ArtefactError") from fault
    raise Violation(f"{what} was loaded; raise ArtefactError")


@rule("input-kept", "What a plugin is given is not written into.")
def _input_kept(case: ExtractorCase) -> None:
    values = case.sample.values
    kept = Kept.of(case.batch, *([values] if isinstance(values, np.ndarray) else []))
    case.plugin.fit(case.sample, case.options)[0].transform(case.sample)
    kept.require()


@rule("speed", f"Features of at least {SOURCES_A_SECOND} sources a second.", floor=True)
def _speed(case: ExtractorCase) -> None:
    fitted, _ = case.learned
    require_speed(seconds_of(lambda: fitted.transform(case.sample)), len(case.sample), SOURCES_A_SECOND, "sources")


add_stateless(EXTRACTOR_RULES)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def plain_maps(batch: EventBatch) -> F32:
    """Photons over time and energy, brought to [0, 1]: what an extractor is given that names no representation."""
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
    floors: bool = False,
) -> Report:
    """Hold a feature extractor to its contract.

    Parameters
    ----------
    plugin : FeatureExtractor
    options : Options or mapping, optional — its defaults if not given
    representation : Representation, optional
        What it works on; plain maps of 24 × 16 from 0 to 1 if not given.
    representation_options : Options or mapping, optional
    floors : bool — whether to fail where a floor of speed is missed

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """

    def represent(batch: EventBatch) -> Sample:
        if representation is None:
            return Sample(batch, plain_maps(batch), SHAPE)
        chosen = default_options(representation_options, representation)
        values: Values = representation.transform(batch, chosen)
        return Sample(batch, values, representation.shape(chosen))

    case = ExtractorCase(plugin, default_options(options, plugin), represent, state_of(plugin))
    return EXTRACTOR_RULES.run(case, plugin.name, floors=floors)
