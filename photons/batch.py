"""Photons of many sources in flat arrays: `EventBatch`, the input of all kernels.

Source i is the slice ``offsets[i]:offsets[i + 1]``. Only the constructors loop over sources in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.photons.arrays import F32, F64, I64

from .errors import PhotonError
from .events import NOT_TESTABLE, Background, EventList, FieldBackground, Identity, Wings
from .gti import Exposure

__all__ = ["EventBatch", "unweighted"]


def _offsets(lengths: Iterable[int]) -> I64:
    return np.concatenate([[0], np.cumsum(np.fromiter(lengths, dtype=np.int64))]).astype(np.int64)


def _concatenate(arrays: Sequence[NDArray[Any]], dtype: type[np.generic], width: int = 0) -> NDArray[Any]:
    if arrays:
        return np.concatenate(arrays).astype(dtype, copy=False)
    return np.empty((0, width) if width else 0, dtype=dtype)


def unweighted(photons: int, sources: int) -> dict[str, Any]:
    """Weights, wings and field of a batch of sources whose photons have no known places: all count the same."""
    nothing = np.empty(0)
    return {
        "weight": np.ones(photons, dtype=np.float32),
        "wing_time": nothing,
        "wing_energy": nothing.astype(np.float32),
        "wing_weight": nothing.astype(np.float32),
        "wing_offsets": np.zeros(sources + 1, dtype=np.int64),
        "field_start": nothing,
        "field_rate": nothing,
        "field_offsets": np.zeros(sources + 1, dtype=np.int64),
    }


@dataclass(frozen=True, slots=True, eq=False)
class EventBatch:
    """Many sources' photons, good times and backgrounds in flat arrays.

    Parameters
    ----------
    time, energy : ndarray, shape (photons,) — s (float64, sorted within each source), keV (float32)
    offsets : ndarray, shape (n + 1,), int64
    gti : ndarray, shape (intervals, 2), float64 — s
    gti_fraction : ndarray, shape (intervals,), float64 — live fraction of the aperture
    gti_offsets : ndarray, shape (n + 1,), int64
    background_time, background_energy : ndarray, shape (background photons,) — s, keV
    background_offsets : ndarray, shape (n + 1,), int64
    area_ratio : ndarray, shape (n,), float64 — source over background area; 0 without a background region
    frame_time : ndarray, shape (n,), float64 — s
    live_fraction : ndarray, shape (n,), float64
    good_times_known : ndarray, shape (n,), bool
    band : ndarray, shape (n, 2), float64 — keV
    hardness_split : ndarray, shape (n,), float64 — keV, boundary of soft and hard band
    selection_p, selection_trials : ndarray, shape (n,), float64 — see `Aperture`; 0 and infinity for most
    weight : ndarray, shape (photons,), float32
        Probability of each photon to be the source's rather than the background's; 1 where its place is unknown.
    wing_time, wing_energy, wing_weight : ndarray, shape (wing photons,)
        Photons beyond the edges of the apertures that may be the sources', sorted by time within each source.
    wing_offsets : ndarray, shape (n + 1,), int64
    field_start, field_rate : ndarray, shape (k,)
        Light curve of the background of the whole field, see `FieldBackground`; none for most sources.
    field_offsets : ndarray, shape (n + 1,), int64
    identities : tuple of Identity, length n
    """

    time: F64
    energy: F32
    offsets: I64
    gti: F64
    gti_fraction: F64
    gti_offsets: I64
    background_time: F64
    background_energy: F32
    background_offsets: I64
    area_ratio: F64
    frame_time: F64
    live_fraction: F64
    good_times_known: NDArray[np.bool_]
    band: F64
    hardness_split: F64
    selection_p: F64
    selection_trials: F64
    weight: F32
    wing_time: F64
    wing_energy: F32
    wing_weight: F32
    wing_offsets: I64
    field_start: F64
    field_rate: F64
    field_offsets: I64
    identities: tuple[Identity, ...]

    def __post_init__(self) -> None:
        n = len(self.identities)
        for name in ("offsets", "gti_offsets", "background_offsets", "wing_offsets", "field_offsets"):
            if len(getattr(self, name)) != n + 1:
                raise PhotonError(
                    f"batch: {name} has {len(getattr(self, name))} elements, expected {n + 1} for {n} sources"
                )
        ends = (
            (self.offsets, self.time),
            (self.gti_offsets, self.gti),
            (self.background_offsets, self.background_time),
            (self.wing_offsets, self.wing_time),
            (self.field_offsets, self.field_start),
            (self.offsets, self.weight),
        )
        if any(offsets[-1] != len(flat) for offsets, flat in ends):
            raise PhotonError("batch: the last offsets are not the lengths of the flat arrays")
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @classmethod
    def from_lists(cls, lists: Iterable[EventList]) -> EventBatch:
        """Concatenate event lists, in order."""
        lists = list(lists)
        backgrounds = [one.background for one in lists]
        wings, fields = [one.wings for one in lists], [one.field_background for one in lists]
        empty = np.empty(0)
        return cls(
            time=_concatenate([one.time for one in lists], np.float64),
            energy=_concatenate([one.energy for one in lists], np.float32),
            offsets=_offsets(len(one) for one in lists),
            gti=_concatenate([one.exposure.gti for one in lists], np.float64, 2),
            gti_fraction=_concatenate([one.exposure.fraction for one in lists], np.float64),
            gti_offsets=_offsets(len(one.exposure.gti) for one in lists),
            background_time=_concatenate([b.time if b else empty for b in backgrounds], np.float64),
            background_energy=_concatenate([b.energy if b else empty for b in backgrounds], np.float32),
            background_offsets=_offsets(len(b.time) if b else 0 for b in backgrounds),
            area_ratio=np.array([b.area_ratio if b else 0.0 for b in backgrounds], dtype=np.float64),
            frame_time=np.array([one.frame_time for one in lists], dtype=np.float64),
            live_fraction=np.array([one.live_fraction for one in lists], dtype=np.float64),
            good_times_known=np.array([one.good_times_known for one in lists], dtype=np.bool_),
            band=np.array([one.band for one in lists], dtype=np.float64).reshape(len(lists), 2),
            hardness_split=np.array([one.hardness_split for one in lists], dtype=np.float64),
            selection_p=np.array([one.selection_p for one in lists], dtype=np.float64),
            selection_trials=np.array([one.selection_trials for one in lists], dtype=np.float64),
            weight=_concatenate([one.known_weight for one in lists], np.float32),
            wing_time=_concatenate([w.time if w else empty for w in wings], np.float64),
            wing_energy=_concatenate([w.energy if w else empty for w in wings], np.float32),
            wing_weight=_concatenate([w.weight if w else empty for w in wings], np.float32),
            wing_offsets=_offsets(len(w.time) if w else 0 for w in wings),
            field_start=_concatenate([f.start if f else empty for f in fields], np.float64),
            field_rate=_concatenate([f.rate if f else empty for f in fields], np.float64),
            field_offsets=_offsets(len(f.start) if f else 0 for f in fields),
            identities=tuple(one.identity for one in lists),
        )

    def __len__(self) -> int:
        return len(self.identities)

    def __getitem__(self, index: int) -> EventList:
        """One source as an `EventList`."""
        index = range(len(self))[index]
        photons = slice(self.offsets[index], self.offsets[index + 1])
        intervals = slice(self.gti_offsets[index], self.gti_offsets[index + 1])
        background_photons = slice(self.background_offsets[index], self.background_offsets[index + 1])
        wing = slice(int(self.wing_offsets[index]), int(self.wing_offsets[index + 1]))
        field = slice(int(self.field_offsets[index]), int(self.field_offsets[index + 1]))
        ratio = float(self.area_ratio[index])
        background = (
            Background(self.background_time[background_photons], self.background_energy[background_photons], ratio)
            if ratio
            else None
        )
        return EventList(
            time=self.time[photons],
            energy=self.energy[photons],
            exposure=Exposure(self.gti[intervals], self.gti_fraction[intervals]),
            identity=self.identities[index],
            frame_time=float(self.frame_time[index]),
            band=(float(self.band[index, 0]), float(self.band[index, 1])),
            live_fraction=float(self.live_fraction[index]),
            hardness_split=float(self.hardness_split[index]),
            background=background,
            good_times_known=bool(self.good_times_known[index]),
            selection_p=float(self.selection_p[index]),
            selection_trials=float(self.selection_trials[index]),
            weight=self.weight[photons],
            wings=Wings(self.wing_time[wing], self.wing_energy[wing], self.wing_weight[wing])
            if wing.stop > wing.start
            else None,
            field_background=FieldBackground(self.field_start[field], self.field_rate[field])
            if field.stop > field.start
            else None,
        )

    def __iter__(self) -> Iterator[EventList]:
        return (self[index] for index in range(len(self)))

    @property
    def is_testable(self) -> NDArray[np.bool_]:
        """Whether the exposure and the background of each source are known, shape (n,)."""
        flags = (one.flags for one in self.identities)
        return np.fromiter((NOT_TESTABLE.isdisjoint(one) for one in flags), np.bool_, len(self.identities))

    @property
    def counts(self) -> I64:
        """Number of photons in each aperture, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def background_counts(self) -> F64:
        """Expected background counts in each aperture, shape (n,); 0 without a background region."""
        return np.diff(self.background_offsets) * self.area_ratio

    @property
    def livetime(self) -> F64:
        """Livetime of each source, dead time excluded, s, shape (n,)."""
        widths = (self.gti[:, 1] - self.gti[:, 0]) * self.gti_fraction
        if not len(self):
            return np.empty(0)
        # Every exposure has an interval, so no slice is empty. Sums by source, unlike differences of cumulative sums,
        # do not depend on the other sources of the batch.
        summed: F64 = np.add.reduceat(widths, self.gti_offsets[:-1]) * self.live_fraction
        return summed

    def select(self, chosen: ArrayLike) -> EventBatch:
        """Sources with the given indices, in that order, or of a boolean mask."""
        chosen = np.asarray(chosen)
        index = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen.astype(np.int64)

        def rows(offsets: I64) -> tuple[I64, I64]:
            lengths = np.diff(offsets)[index]
            new = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
            flat = np.arange(new[-1], dtype=np.int64) + np.repeat(offsets[index] - new[:-1], lengths)
            return flat, new

        photons, offsets = rows(self.offsets)
        intervals, gti_offsets = rows(self.gti_offsets)
        background_photons, background_offsets = rows(self.background_offsets)
        wing_photons, wing_offsets = rows(self.wing_offsets)
        field_rows, field_offsets = rows(self.field_offsets)
        return EventBatch(
            time=self.time[photons],
            energy=self.energy[photons],
            offsets=offsets,
            gti=self.gti[intervals],
            gti_fraction=self.gti_fraction[intervals],
            gti_offsets=gti_offsets,
            background_time=self.background_time[background_photons],
            background_energy=self.background_energy[background_photons],
            background_offsets=background_offsets,
            area_ratio=self.area_ratio[index],
            frame_time=self.frame_time[index],
            live_fraction=self.live_fraction[index],
            good_times_known=self.good_times_known[index],
            band=self.band[index],
            hardness_split=self.hardness_split[index],
            selection_p=self.selection_p[index],
            selection_trials=self.selection_trials[index],
            weight=self.weight[photons],
            wing_time=self.wing_time[wing_photons],
            wing_energy=self.wing_energy[wing_photons],
            wing_weight=self.wing_weight[wing_photons],
            wing_offsets=wing_offsets,
            field_start=self.field_start[field_rows],
            field_rate=self.field_rate[field_rows],
            field_offsets=field_offsets,
            identities=tuple(self.identities[i] for i in index),
        )

    @classmethod
    def concatenate(cls, batches: Sequence[EventBatch]) -> EventBatch:
        """Concatenate batches."""
        if not batches:
            return cls.from_lists([])

        def flat(name: str) -> NDArray[np.generic]:
            return np.concatenate([getattr(batch, name) for batch in batches])

        def concatenate_offsets(name: str) -> I64:
            return _offsets(int(n) for batch in batches for n in np.diff(getattr(batch, name)))

        arrays = {
            name: concatenate_offsets(name) if name.endswith("offsets") else flat(name)
            for name in cls.__slots__
            if name != "identities"
        }
        return cls(**arrays, identities=tuple(i for batch in batches for i in batch.identities))  # type: ignore[arg-type]
