"""Plugins that each break one rule of their contract: what the conformance kit itself is held to.

`BROKEN` names for every rule of every kind what breaks it. Each is a sound plugin but for one thing.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict, Field

from xherald.adapters.chandra import ChandraAdapter
from xherald.adapters.reading.fits_files import open_fits
from xherald.adapters.reading.headers import get_number
from xherald.photons import Observation, SkyProjection
from xherald.photons.artefact_folders import load_arrays, load_json, save_arrays, save_json
from xherald.photons.errors import (
    AlertRefusedError,
    DropError,
    FileError,
    OversizeFileError,
    ReferenceDataError,
    XheraldError,
)
from xherald.plugins import (
    AlertSink,
    DropSource,
    Embedder,
    FeatureExtractor,
    FittedExtractor,
    Flags,
    InstrumentAdapter,
    Listing,
    Options,
    Plugin,
    ReadLimits,
    Receipt,
    Representation,
    Scorer,
    SourceOptions,
    Veto,
)

calls = itertools.count()
"""What changes from call to call, for plugins that do not repeat themselves."""


class LooseOptions(Options):
    model_config = ConfigDict(extra="allow", frozen=True)


class SilentOptions(Options):
    unsaid: int = 1


def spoilt(base: type[Any], **changes: Any) -> Any:
    """A sound plugin with other attributes."""
    return type(base.__name__, (base,), {"__doc__": base.__doc__, **changes})()


def common(base: type[Plugin], options: type[Options] = Options) -> dict[str, Any]:
    """What breaks the rules of every kind."""
    loose = type("Loose", (options,), {"model_config": LooseOptions.model_config})
    silent = type("Silent", (options,), {"__annotations__": {"unsaid": int}, "unsaid": 1})
    return {
        "named": spoilt(base, name="not a name"),
        "documented": spoilt(base, __doc__=None),
        "options": spoilt(base, options_model=loose),
        "options-described": spoilt(base, options_model=silent),
    }


# --- representations ---


class Total(Representation):
    """Photons over two halves of the time, and their number."""

    name = "total"

    def shape(self, options: Options) -> tuple[int, ...]:
        return (3,)

    def transform(self, batch, options):
        made = np.zeros((len(batch), 3), dtype=np.float32)
        for index, one in enumerate(batch):
            if len(one):
                late = one.time > 0.5 * (one.time[0] + one.time[-1])
                made[index] = (np.count_nonzero(~late), np.count_nonzero(late), len(one))
        return made


def transforming(change: Callable[[np.ndarray, Any], Any]) -> Any:
    """A representation of which the arrays are changed afterwards."""
    return spoilt(Total, transform=lambda self, batch, options: change(Total.transform(self, batch, options), batch))


def with_nan(made: np.ndarray, batch: Any) -> np.ndarray:
    made[batch.counts == 0] = np.nan
    return made


def writing(made: np.ndarray, batch: Any) -> np.ndarray:
    if len(batch.energy):
        batch.energy.setflags(write=True)
        batch.energy[0] += np.float32(1e-3)
        batch.energy.setflags(write=False)
    return made


class Counting(Total):
    """Counts its calls."""

    calls = 0

    def transform(self, batch, options):
        self.calls += 1
        return super().transform(batch, options)


REPRESENTATIONS = {
    **common(Total),
    "shape": spoilt(Total, shape=lambda self, options: [3]),
    "layout": transforming(lambda made, batch: made.astype(np.float64)),
    "finite": transforming(with_nan),
    "no-sources": transforming(lambda made, batch: made if len(batch) else np.zeros((1, 3), np.float32)),
    "batch-single": transforming(lambda made, batch: made / np.float32(max(made.max(initial=0), 1))),
    "deterministic": transforming(lambda made, batch: made + np.float32(len(batch) > 10) * next(calls)),
    "input-unchanged": transforming(writing),
    "stateless": Counting(),
}


# --- extractors ---


class FittedMean(FittedExtractor):
    """Values less their mean over a population."""

    width = 2

    def __init__(self, mean: np.ndarray) -> None:
        self.mean = mean

    def transform(self, sample):
        counts = sample.batch.counts.astype(np.float64)
        return np.column_stack([np.log1p(counts), np.sqrt(counts)]) - self.mean

    def save(self, folder: Path) -> None:
        save_json(folder / "mean.json", {"extractor": "mean"})
        save_arrays(folder / "mean.npz", mean=self.mean)


class Mean(FeatureExtractor):
    """The number of photons, two ways, about its mean."""

    name = "mean"
    made = FittedMean

    def fit(self, sample, options, advance=lambda _: None):
        if not len(sample):
            raise ReferenceDataError("no sources to learn a mean from")
        plain = type(self).made(np.zeros(2)).transform(sample)
        fitted = type(self).made(plain.mean(axis=0))
        return fitted, fitted.transform(sample)

    def load(self, folder: Path) -> FittedMean:
        from xherald.photons.errors import ArtefactError

        if load_json(folder / "mean.json").get("extractor") != "mean":
            raise ArtefactError(f"{folder}: was written by another")
        mean = load_arrays(folder / "mean.npz", "mean")["mean"]
        if not np.isfinite(mean).all():
            raise ArtefactError(f"{folder}: mean is not finite")
        return type(self).made(mean)


def fitted(**changes: Any) -> Any:
    """An extractor that learns something spoilt."""
    return spoilt(Mean, made=type("Spoilt", (FittedMean,), changes))


def pickled(self: FittedMean, folder: Path) -> None:
    FittedMean.save(self, folder)
    (folder / "all.pkl").write_bytes(pickle.dumps(self.mean))


class Remembering(Mean):
    """Keeps what it learned."""

    def fit(self, sample, options, advance=lambda _: None):
        fitted, features = super().fit(sample, options)
        self.last = len(sample)
        return fitted, features


def learning_from_nothing(self: Mean, sample: Any, options: Options, advance: Any = None) -> Any:
    return (FittedMean(np.zeros(2)), np.zeros((0, 2))) if not len(sample) else Mean.fit(self, sample, options)


def writing_photons(self: FittedMean, sample: Any) -> np.ndarray:
    writing(np.empty(0), sample.batch)
    return FittedMean.transform(self, sample)


EXTRACTORS = {
    **common(Mean),
    "fits": spoilt(Mean, fit=lambda self, sample, options, advance=None: None),
    "features": fitted(transform=lambda self, sample: FittedMean.transform(self, sample).astype(np.float16)),
    "same-features": spoilt(
        Mean,
        fit=lambda self, sample, options, advance=None: (lambda pair: (pair[0], pair[1] + 1.0),)[0](
            Mean.fit(self, sample, options)
        ),
    ),
    "batch-single": fitted(transform=lambda self, sample: FittedMean.transform(self, sample) + 1e-9 * len(sample)),
    "few-photons": fitted(
        transform=lambda self, sample: (
            FittedMean.transform(self, sample) + np.where(sample.batch.counts == 0, np.nan, 0.0)[:, None]
        )
    ),
    "deterministic": fitted(
        transform=lambda self, sample: FittedMean.transform(self, sample) + (len(sample) > 100) * 1e-12 * next(calls)
    ),
    "refuses-empty": spoilt(Mean, fit=learning_from_nothing),
    "saves-plain": fitted(save=pickled),
    "save-load": spoilt(Mean, load=lambda self, folder: FittedMean(Mean.load(self, folder).mean + 1.0)),
    "load-refuses": spoilt(
        Mean, load=lambda self, folder: Mean.load(self, folder) if (folder / "mean.npz").exists() else FittedMean(0.0)
    ),
    "input-unchanged": fitted(transform=writing_photons),
    "stateless": Remembering(),
}


# --- embedders ---


class Plane(Embedder):
    """The first two features."""

    name = "plane"

    def fit(self, features, options, advance=lambda _: None):
        if len(features) < 3 or not np.isfinite(features).all() or (features == features[0]).all():
            raise ReferenceDataError("map: sources are few, not finite, or all alike")
        return features[:, :2].astype(np.float64)

    def place(self, distances, positions):
        return positions[:, 0].copy()


def mapping(change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """An embedder of which the map is changed afterwards."""
    return spoilt(Plane, fit=lambda self, features, options, advance=None: change(Plane.fit(self, features, options)))


def writing_places(self: Plane, distances: np.ndarray, positions: np.ndarray) -> np.ndarray:
    distances += 1.0
    return positions[:, 0].copy()


class Embedded(Plane):
    """Keeps the number of sources."""

    def fit(self, features, options, advance=lambda _: None):
        self.sources = len(features)
        return super().fit(features, options)


EMBEDDERS = {
    **common(Plane),
    "fits": mapping(lambda places: places.astype(np.float32)),
    "deterministic": mapping(lambda places: places + next(calls)),
    "refuses": spoilt(
        Plane, fit=lambda self, features, options, advance=None: np.nan_to_num(features[:, :2]).astype(np.float64)
    ),
    "places": spoilt(Plane, place=lambda self, distances, positions: positions[:, 0, :1]),
    "batch-single": spoilt(Plane, place=lambda self, distances, positions: positions[:, 0] + len(distances)),
    "input-unchanged": spoilt(Plane, place=writing_places),
    "stateless": Embedded(),
}


# --- scorers ---


class Rate(Scorer):
    """Counts a second."""

    name = "rate"

    def score(self, detection_batch, options):
        return {"rate": detection_batch.batch.counts / np.maximum(detection_batch.batch.livetime, 1.0)}

    def inputs(self, direction, options):
        return {"rate": 1}


def scoring(change: Callable[[np.ndarray, Any], Mapping[str, Any]]) -> Any:
    """A scorer of which the columns are changed afterwards."""
    return spoilt(
        Rate,
        score=lambda self, detection_batch, options: change(
            Rate.score(self, detection_batch, options)["rate"], detection_batch
        ),
    )


def writing_subjects(rate: np.ndarray, detection_batch: Any) -> Mapping[str, Any]:
    writing(rate, detection_batch.batch)
    return {"rate": rate}


class Remembered(Rate):
    """Keeps the last rates."""

    def score(self, detection_batch, options):
        self.last = len(detection_batch)
        return super().score(detection_batch, options)


SCORERS = {
    **common(Rate),
    "columns": scoring(
        lambda rate, detection_batch: {"rate": np.where(detection_batch.batch.counts == 0, np.inf, rate)}
    ),
    "same-columns": scoring(lambda rate, detection_batch: {"rate": rate} | ({"more": rate} if len(rate) > 1 else {})),
    "batch-single": scoring(lambda rate, detection_batch: {"rate": rate / max(rate.max(initial=0), 1e-9)}),
    "inputs": spoilt(Rate, inputs=lambda self, direction, options: {"speed": 1}),
    "deterministic": scoring(lambda rate, detection_batch: {"rate": rate + (len(rate) == 11) * 1e-9 * next(calls)}),
    "input-unchanged": scoring(writing_subjects),
    "stateless": Remembered(),
}


# --- vetoes ---


class Bright(Veto):
    """More photons than a source should have."""

    name = "bright"
    reason = "{counts:.0f} photons"

    def flags(self, detection_batch, options):
        return Flags(detection_batch.batch.counts > 100, {"counts": detection_batch.batch.counts.astype(np.float64)})


def flagging(change: Callable[[Flags, Any], Any]) -> Any:
    """A veto of which the answer is changed afterwards."""
    return spoilt(
        Bright,
        flags=lambda self, detection_batch, options: change(
            Bright.flags(self, detection_batch, options), detection_batch
        ),
    )


def writing_flags(flags: Flags, detection_batch: Any) -> Flags:
    writing(flags.raised, detection_batch.batch)
    return flags


class Learned(Bright):
    """Keeps how many it flagged."""

    def flags(self, detection_batch, options):
        self.flagged = len(detection_batch)
        return super().flags(detection_batch, options)


VETOES = {
    **common(Bright),
    "answers": flagging(lambda flags, detection_batch: flags.raised),
    "flags": flagging(lambda flags, detection_batch: replace(flags, raised=flags.raised.astype(np.int8))),
    "reason": spoilt(Bright, reason="{photons:.0f} photons"),
    "deterministic": flagging(
        lambda flags, _: replace(flags, numbers={"counts": flags.numbers["counts"] + next(calls)})
    ),
    "input-unchanged": flagging(writing_flags),
    "stateless": Learned(),
}


# --- alert sinks ---


class FileOptions(Options):
    path: Path = Field(description="the file")
    secret: str = Field(default="tell-nobody", description="a key")


class Lines(AlertSink[FileOptions]):
    """Ids in a file, each once."""

    name = "lines"

    def send(self, alert, options):
        held = ids(options.path)
        if alert.id in held:
            return Receipt(str(options.path), repeated=True)
        self.append(alert.id, options.path)
        return Receipt(str(options.path))

    @staticmethod
    def append(word: str, path: Path) -> None:
        try:
            with path.open("a") as file:
                file.write(word + "\n")
        except OSError as fault:
            raise AlertRefusedError(f"{path}: {fault.strerror}") from fault

    def secrets(self, options):
        return (options.secret,)


def ids(path: Path) -> list[str]:
    """What a file of `Lines` holds."""
    return path.read_text().split() if path.exists() else []


def no_digests(self: Lines, alert: Any, options: Any) -> Receipt:
    if alert.alert_type == "digest":
        raise AlertRefusedError("digests are beyond me")
    return Lines.send(self, alert, options)


def twice(self: Lines, alert: Any, options: Any) -> Receipt:
    repeated = alert.id in ids(options.path)
    Lines.append(alert.id, options.path)
    return Receipt(str(options.path), repeated=repeated)


class Sending(Lines):
    """Keeps the last id."""

    def send(self, alert, options):
        self.last = alert.id
        return super().send(alert, options)


SINKS = {
    **common(Lines, FileOptions),
    "accepts-every-kind": spoilt(Lines, send=no_digests),
    "receipt": spoilt(
        Lines, send=lambda self, alert, options: replace(Lines.send(self, alert, options), note=f"key {options.secret}")
    ),
    "repeated": spoilt(Lines, send=twice),
    "secrets": spoilt(Lines, secrets=lambda self, options: "tell-nobody"),
    "unreachable": spoilt(
        Lines,
        send=lambda self, alert, options: (
            Lines.send(self, alert, options) if options.path.parent.is_dir() else Receipt("nowhere")
        ),
    ),
    "stateless": Sending(),
}


# --- drop sources ---


class PlaceOptions(SourceOptions):
    path: Path = Field(description="the folder")


class Place(DropSource[PlaceOptions]):
    """A folder."""

    name = "place"

    def poll(self, options):
        if not options.path.is_dir():
            raise DropError(f"{options.path}: is gone")
        for one in sorted(options.path.iterdir()):
            if options.wants(one.name):
                yield Listing(str(one), one.name, one.stat().st_size, one.stat().st_mtime)

    def fetch(self, listing, into, options):
        return Path(listing.url)

    def watched_folder(self, options):
        return options.path


def listing(change: Callable[[Listing], Listing]) -> Any:
    """A source of which the listings are changed afterwards."""
    return spoilt(Place, poll=lambda self, options: [change(one) for one in Place.poll(self, options)])


class BareOptions(Options):
    path: Path = Field(description="the folder")
    include: tuple[str, ...] = Field(default=("*",), description="wanted")
    exclude: tuple[str, ...] = Field(default=(), description="not wanted")

    wants = SourceOptions.wants


def everything(self: Place, options: Any) -> Any:
    return Place.poll(self, PlaceOptions(path=options.path))


def first_there(self: Place, listing: Listing, into: Path, options: Any) -> Path:
    path = Path(listing.url)
    return path if path.exists() else sorted(path.parent.iterdir())[0]


def other_bytes(self: Place, listing: Listing, into: Path, options: Any) -> Path:
    path = into / listing.file_name
    path.write_bytes(next(calls).to_bytes(listing.size or 8, "big"))
    if not Path(listing.url).exists():
        raise DropError("gone")
    return path


def renamed(self: Place, listing: Listing, into: Path, options: Any) -> Path:
    if not Path(listing.url).exists():
        raise DropError("gone")
    (into / "other").write_bytes(Path(listing.url).read_bytes())
    return into / "other"


class Polled(Place):
    """Keeps how often it looked."""

    looks = 0

    def poll(self, options):
        self.looks += 1
        return super().poll(options)


SOURCES = {
    **common(Place, PlaceOptions),
    "patterns": spoilt(Place, options_model=BareOptions),
    "lists": spoilt(Place, poll=lambda self, options: list(Place.poll(self, options)) * 2),
    "listings": listing(lambda one: replace(one, mtime=-1.0)),
    "wanted": spoilt(Place, poll=everything),
    "fetches": spoilt(Place, fetch=renamed),
    "fetches-again": spoilt(Place, fetch=other_bytes),
    "gone": spoilt(Place, fetch=first_there),
    "unreachable": spoilt(
        Place, poll=lambda self, options: list(Place.poll(self, options)) if options.path.is_dir() else []
    ),
    "watched": spoilt(Place, watched_folder=lambda self, options: str(options.path)),
    "deterministic": listing(lambda one: replace(one, etag=str(next(calls)))),
    "stateless": Polled(),
}


# --- adapters ---


def made(observation: Observation, **changes: Any) -> Observation:
    """The same exposure with some facts changed, its photons read when asked for unless they are changed."""
    told = {one.name: getattr(observation, one.name) for one in fields(Observation)}
    return Observation(**(told | changes))


@dataclass
class Bent:
    """What becomes of the photons when they are asked for."""

    load: Callable[[], Any]
    change: Callable[[Any], Any]

    def __call__(self) -> Any:
        return self.change(self.load())


def reading(change: Callable[[Any], Any], *, of: str = "") -> Any:
    """An adapter of which the photons are changed afterwards; of copies in folders of that name only, where given."""

    def read(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
        one = ChandraAdapter.read(self, path, options, limits)
        wanted = not of or path.parent.name.endswith(f".{of}")
        return made(one, load_events=Bent(one.load_events, change)) if wanted else one

    return spoilt(ChandraAdapter, read=read)


def telling(**changes: Callable[[Observation], Any]) -> Any:
    """An adapter that tells other facts."""

    def read(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
        one = ChandraAdapter.read(self, path, options, limits)
        return made(one, **{name: change(one) for name, change in changes.items()})

    return spoilt(ChandraAdapter, read=read)


def never_refusing(copy: str, energy: Callable[[Any], Any] = lambda energy: energy) -> Any:
    """An adapter that gives the good file's photons for a copy in folders of that name."""

    def changed(events: Any) -> Any:
        return replace(events, energy=energy(events.energy))

    def read(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
        if not path.parent.name.endswith(f".{copy}"):
            return ChandraAdapter.read(self, path, options, limits)
        one = ChandraAdapter.read(self, GOOD[path.name], options, limits)
        return made(one, load_events=Bent(one.load_events, changed))

    return spoilt(ChandraAdapter, read=read)


GOOD: dict[str, Path] = {}
"""Good files by name; whoever tries an adapter enters his."""


def select(events: Any, chosen: Any) -> Any:
    parts = {name: getattr(events, name)[chosen] for name in ("time", "x", "y", "energy", "detector", "row")}
    n = len(parts["time"])
    return replace(events, **parts, screening=replace(events.screening, kept=n))


def claiming_by_content(self: ChandraAdapter, path: Path, header: Mapping[str, object]) -> bool:
    if not ChandraAdapter.claims(self, path, header):
        return False
    with open_fits(path, ReadLimits()) as file:
        return file.events.rows > 0


def eager(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    one = ChandraAdapter.read(self, path, options, limits)
    try:
        events = one.load_events()
    except XheraldError:
        return one
    return made(one, load_events=lambda: events)


def blind(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    raise FileError(path, "seen nothing")


def in_file_order(events: Any) -> Any:
    return select(events, np.argsort(events.row, kind="stable"))


def with_lost_rows(events: Any) -> Any:
    """Rows that were lost, in the place of some that were not."""
    lost = np.setdiff1d(np.arange(events.screening.rows), events.row)[: len(events)]
    row = events.row.copy()
    row[: len(lost)] = lost
    return replace(events, row=row)


def without_timezero(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    from xherald.adapters.reading.fits_files import read_header

    one = ChandraAdapter.read(self, path, options, limits)
    shift = get_number(read_header(path, limits), "TIMEZERO", path) or 0.0
    return made(one, load_events=Bent(one.load_events, lambda events: replace(events, time=events.time - shift)))


def elsewhere(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    try:
        return ChandraAdapter.read(self, path, options, limits)
    except OversizeFileError:
        raise
    except FileError:
        raise FileError("somewhere", "something is wrong") from None


def unlimited(self: ChandraAdapter, path: Path, options: Options, limits: ReadLimits) -> Observation:
    return ChandraAdapter.read(self, path, options, ReadLimits())


def turned(projection: SkyProjection | None) -> SkyProjection | None:
    return None if projection is None else replace(projection, x_step=-projection.x_step)


class Reading(ChandraAdapter):
    """Keeps the last path."""

    def read(self, path, options, limits):
        self.last = str(path)
        return super().read(path, options, limits)


ADAPTERS: dict[str, InstrumentAdapter] = {
    **common(ChandraAdapter),
    "claims-own": spoilt(ChandraAdapter, claims=lambda self, path, header: False),
    "claims-no-other": spoilt(ChandraAdapter, claims=lambda self, path, header: True),
    "claims-by-header": spoilt(ChandraAdapter, claims=claiming_by_content),
    "reads": spoilt(ChandraAdapter, read=blind),
    "lazy": spoilt(ChandraAdapter, read=eager),
    "sorted": reading(lambda events: select(events, slice(None, None, -1)), of=""),
    "screening": reading(lambda events: replace(events, screening=replace(events.screening, losses={}))),
    "units": reading(lambda events: replace(events, energy=events.energy * np.float32(1e3))),
    "good-times": telling(detectors=lambda one: tuple(replace(d, gti=d.gti[:1]) for d in one.detectors)),
    "identity": telling(mission=lambda one: ""),
    "sky": telling(projection=lambda one: turned(one.projection)),
    "columns": telling(load_columns=lambda one: lambda *names: tuple(c[::-1] for c in one.load_columns(*names))),
    "companions": spoilt(ChandraAdapter, companions=lambda self, name, siblings: [name]),
    "apertures": spoilt(ChandraAdapter, apertures=lambda self, observation: ()),
    "deterministic": reading(lambda events: replace(events, x=events.x + np.float32(0.01) * (next(calls) % 2))),
    "unsorted": reading(in_file_order, of="unsorted"),
    "timezero": spoilt(ChandraAdapter, read=without_timezero),
    "nulls": reading(with_lost_rows, of="nulls"),
    "refuses-truncated": never_refusing("cut"),
    "refuses-no-times": never_refusing("no-times"),
    "refuses-nan-times": never_refusing("nan"),
    "refuses-wrong-units": never_refusing("units", energy=lambda energy: energy * np.float32(1000.0)),
    "refuses-no-good-times": never_refusing("no-gti"),
    "refuses-nonsense-sky": never_refusing("sky"),
    "refusals-say-where": spoilt(ChandraAdapter, read=elsewhere),
    "limits": spoilt(ChandraAdapter, read=unlimited),
    "stateless": Reading(),
}

SOUND: dict[str, Plugin] = {
    "adapters": ChandraAdapter(),
    "representations": Total(),
    "extractors": Mean(),
    "embedders": Plane(),
    "scorers": Rate(),
    "vetoes": Bright(),
    "alert_sinks": Lines(),
    "drop_sources": Place(),
}
"""What the broken ones are made of."""

BROKEN: dict[str, dict[str, Any]] = {
    "adapters": ADAPTERS,
    "representations": REPRESENTATIONS,
    "extractors": EXTRACTORS,
    "embedders": EMBEDDERS,
    "scorers": SCORERS,
    "vetoes": VETOES,
    "alert_sinks": SINKS,
    "drop_sources": SOURCES,
}
"""By kind and rule."""

ALSO: dict[tuple[str, str], set[str]] = {
    ("adapters", "sorted"): {"unsorted"},
    ("representations", "deterministic"): {"batch-single"},
    ("extractors", "deterministic"): {"batch-single", "save-load"},
    ("scorers", "deterministic"): {"batch-single"},
    ("alert_sinks", "secrets"): {"receipt"},
}
"""Rules that cannot but break together with another, by kind and rule."""
