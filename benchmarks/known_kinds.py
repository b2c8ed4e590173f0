"""Events of eight known and six unknown kinds, by another hand than `simulation`: `draw_kinds`.

Nothing of `xherald.simulation` is imported: light curves are other functions than those of its classes, spectra other
formulas with another absorption law, telescopes smooth curves instead of tables, and photons are drawn by thinning in
bins. What a detector learned from the one generator is measured on the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity

from .known_kinds_models import GRID, KNOWN, STEPS, UNKNOWN, Kind

__all__ = ["KNOWN", "TELESCOPES", "UNKNOWN", "Kinds", "draw_kinds"]

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Telescope:
    """A telescope as a smooth curve: low-energy turn-on, mirror cut-off, a dip at the gold edge."""

    mission: str
    instrument: str
    frame: float
    band: tuple[float, float]
    turn_on: float
    cut_off: float
    snapshots: bool
    live: float = 1.0

    def area(self) -> F64:
        area: F64 = (1 - np.exp(-((GRID / self.turn_on) ** 2))) * np.exp(-((GRID / self.cut_off) ** 2.5))
        area *= np.where(GRID > 2.2, 0.75, 1.0)
        return area * ((self.band[0] <= GRID) & (self.band[1] >= GRID))


TELESCOPES = {
    "chandra": Telescope("CHANDRA", "ACIS", 3.14104, (0.5, 7.0), 1.1, 6.8, False, 0.987),
    "xmm": Telescope("XMM", "EMOS1", 2.6, (0.2, 12.0), 0.6, 7.5, False, 0.985),
    "swift": Telescope("SWIFT", "XRT", 2.5073, (0.3, 10.0), 0.7, 6.5, True),
    "erosita": Telescope("eROSITA", "merged", 0.0500584, (0.2, 10.0), 0.5, 3.0, False),
    "wxt": Telescope("EP", "WXT", 0.05, (0.5, 4.0), 0.8, 3.0, True),
    "fxt": Telescope("EP", "FXT", 0.05, (0.3, 10.0), 0.5, 4.5, True),
}

# --- photons ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kinds:
    """Photon lists and the kind of each."""

    batch: EventBatch
    kinds: NDArray[np.str_]


def draw_kinds(
    telescope: str, n: int, seed: int, kinds: dict[str, Kind], counts: tuple[float, float] = (20.0, 800.0)
) -> Kinds:
    """Draw n sources of random kinds.

    Parameters
    ----------
    telescope : str — of `TELESCOPES`
    n, seed : int
    kinds : dict — of `KNOWN` or `UNKNOWN`
    counts : (float, float) — expected net counts, log-uniform
    """
    one, names = TELESCOPES[telescope], list(kinds)
    rng = np.random.default_rng([seed, len(telescope), n])
    chosen = rng.integers(len(names), size=n)
    # Dips need more photons to be found.
    expected = counts[0] * (counts[1] / counts[0]) ** rng.random(n)
    lists = [
        _source(one, kinds[names[k]], rng, float(number) * (4 if "dip" in names[k] or "eclipse" in names[k] else 1), i)
        for i, (k, number) in enumerate(zip(chosen, expected, strict=True))
    ]
    return Kinds(EventBatch.from_lists(lists), np.array(names)[chosen])


def _source(telescope: Telescope, kind: Kind, rng: np.random.Generator, counts: float, number: int) -> EventList:
    duration = float(np.exp(rng.uniform(np.log(6_000), np.log(60_000))))
    gti = _good_times(telescope, rng, duration)
    edges = np.linspace(0.0, duration, STEPS + 1)
    middle, width = 0.5 * (edges[1:] + edges[:-1]), duration / STEPS
    is_good = ((middle[:, None] >= gti[:, 0]) & (middle[:, None] < gti[:, 1])).any(axis=1)
    area = telescope.area()
    for _ in range(100):
        drawn = kind(rng, middle, duration)
        folded = drawn.spectra * area
        mean = drawn.rates * is_good * folded.sum(axis=1)[:, None]
        # Drawn again if the event was in a gap, or its photons are all outside the band.
        if (
            mean.sum() > 0
            and np.ptp((drawn.rates * folded.sum(axis=1)[:, None]).sum(axis=0)[is_good]) > 0.2 * mean.sum(axis=0).max()
        ):
            break
    photons = rng.poisson(mean * counts / mean.sum())
    times, energies = [], []
    for part, row in zip(folded, photons, strict=True):
        if not row.any():
            continue
        times.append(np.repeat(edges[:-1], row) + width * rng.random(row.sum()))
        energies.append(
            np.exp(rng.normal(0, 0.5 * np.log(GRID[1] / GRID[0]), row.sum()))
            * rng.choice(GRID, row.sum(), p=part / part.sum())
        )
    share, ratio = 0.02 * 10.0 ** rng.random(), 0.1
    level = share * counts / is_good.sum()
    inside, outside = rng.poisson(level * is_good), rng.poisson(level / ratio * is_good)
    around = np.sort(np.repeat(edges[:-1], outside) + width * rng.random(outside.sum()))
    times.append(np.repeat(edges[:-1], inside) + width * rng.random(inside.sum()))
    energies.append(_background_energies(telescope, rng, int(inside.sum())))
    time, energy = np.concatenate(times), np.concatenate(energies)
    energy = energy * (1 + rng.normal(0, 0.03, len(energy)) / np.sqrt(np.maximum(energy, 0.1)))
    kept = (energy > telescope.band[0]) & (energy < telescope.band[1]) & _within(time, gti)
    time, energy = time[kept], energy[kept]
    time = np.clip((np.floor(time / telescope.frame) + 0.5) * telescope.frame, *_nearest(time, gti).T)
    order = np.argsort(time, kind="stable")
    around = around[_within(around, gti)]
    return EventList(
        time=time[order],
        energy=energy[order].astype(np.float32),
        exposure=Exposure(gti),
        identity=Identity(telescope.mission, telescope.instrument, f"{number}", "1"),
        frame_time=telescope.frame,
        band=telescope.band,
        live_fraction=telescope.live,
        background=Background(around, _background_energies(telescope, rng, len(around)).astype(np.float32), ratio),
    )


def _good_times(telescope: Telescope, rng: np.random.Generator, duration: float) -> F64:
    if not telescope.snapshots:
        return np.array([[0.0, duration]])
    starts = np.arange(0.0, duration, 5_700.0)
    stops = np.minimum(starts + rng.uniform(1_000, 2_500, len(starts)), duration)
    return np.column_stack([starts, stops])[stops - starts > 100.0]


def _within(time: F64, gti: F64) -> NDArray[np.bool_]:
    return np.asarray(((time[:, None] >= gti[:, 0]) & (time[:, None] <= gti[:, 1])).any(axis=1))


def _nearest(time: F64, gti: F64) -> F64:
    return gti[np.clip(np.searchsorted(gti[:, 0], time, side="right") - 1, 0, len(gti) - 1)]


def _background_energies(telescope: Telescope, rng: np.random.Generator, n: int) -> F64:
    low, high = telescope.band
    flat = rng.random(n) < 0.6
    return np.where(flat, rng.uniform(low, high, n), low * (high / low) ** rng.random(n))
