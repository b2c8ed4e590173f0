"""Sources that three cameras see at once, each with its frames, gaps and background; apart from the simulator.

`python tests/helpers/three_cameras.py` prints how many flares and dips one test of all
cameras finds, and the best of three.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity

__all__ = ["NAMES", "three_cameras"]

SPAN = 30_000.0
NAMES = ("EMOS1", "EMOS2", "EPN")
PARTS, FRAMES, LIVE, RATIOS = (0.25, 0.25, 0.5), (2.6, 2.6, 0.0734), (1.0, 0.98, 0.9), (0.05, 0.1, 0.2)


def three_cameras(
    count: int,
    seed: int,
    *,
    flares: bool = False,
    dips: bool = False,
    burst_counts: tuple[float, float] = (12.0, 60.0),
    background: float = 0.2,
    least: float = 20.0,
    most: float = 600.0,
) -> list[EventBatch]:
    """A batch for each camera, with the same sources in the same order.

    Parameters
    ----------
    count, seed : int
    flares : bool
        Add to each source a burst in 0.3 to 10 % of the time.
    dips : bool
        Take from each source 60 to 100 % of its photons in 5 to 20 % of the time.
    burst_counts : (float, float)
        Least and most photons expected of the burst in all cameras together.
    background : float
        Largest part of the photons that are background.
    least, most : float
        Photons expected of all cameras together, apart from the burst.
    """
    random = np.random.default_rng(seed)
    lists: list[list[EventList]] = [[], [], []]
    for number in range(count):
        expected = np.exp(random.uniform(np.log(least), np.log(most)))
        noise = random.uniform(0.0, background)
        burst = np.exp(random.uniform(*np.log(burst_counts))) if flares else 0.0
        length = SPAN * np.exp(random.uniform(np.log(0.003), np.log(0.1)))
        begin = random.uniform(3_000.0, SPAN - length)
        depth, dip_length = random.uniform(0.6, 1.0), SPAN * random.uniform(0.05, 0.2)
        dip_begin = random.uniform(0.0, SPAN - dip_length)
        for camera, part in enumerate(PARTS):
            exposure = _exposure(random, camera)
            times = [_uniform(random, exposure, expected * part * exposure.livetime / SPAN)]
            if dips:
                inside = (times[0] > dip_begin) & (times[0] < dip_begin + dip_length)
                times[0] = times[0][~inside | (random.random(len(times[0])) > depth)]
            if burst:
                extra = begin + length * random.random(random.poisson(burst * part))
                times.append(extra[exposure.livetime_at(extra + 1e-9) > exposure.livetime_at(extra - 1e-9)])
            around = _uniform(random, exposure, expected * part * noise / RATIOS[camera] * exposure.livetime / SPAN)
            hidden = _uniform(random, exposure, expected * part * noise * exposure.livetime / SPAN)
            time = _in_frames(np.concatenate([*times, hidden]), exposure, FRAMES[camera])
            around = _in_frames(around, exposure, FRAMES[camera])
            lists[camera].append(
                EventList(
                    time=time,
                    energy=random.uniform(0.6, 6.0, len(time)).astype(np.float32),
                    exposure=exposure,
                    identity=Identity("XMM", NAMES[camera], "1", f"{number}", 10.0 + 0.01 * number, 0.0, 1.0),
                    frame_time=FRAMES[camera],
                    band=(0.5, 7.0),
                    live_fraction=LIVE[camera],
                    background=Background(
                        around, random.uniform(0.6, 6.0, len(around)).astype(np.float32), RATIOS[camera]
                    ),
                )
            )
    return [EventBatch.from_lists(one) for one in lists]


def _exposure(random: np.random.Generator, camera: int) -> Exposure:
    """Good times of a camera: it starts late (as pn does), and has a gap of its own."""
    start = random.uniform(0.0, 2_500.0) if camera == 2 else 0.0
    gap = random.uniform(start + 1_000.0, SPAN - 3_000.0)
    after = gap + random.uniform(50.0, 1_500.0)
    return Exposure([[start, gap], [after, SPAN]], [1.0, random.uniform(0.7, 1.0)])


def _uniform(random: np.random.Generator, exposure: Exposure, expected: float) -> np.ndarray:
    live = random.uniform(0.0, exposure.livetime, random.poisson(expected))
    return np.asarray(exposure.time_at(live))


def _in_frames(time: np.ndarray, exposure: Exposure, frame: float) -> np.ndarray:
    """Times in the middle of their frames; frames that are cut by the end of an interval are moved into it."""
    framed = np.sort((np.floor(time / frame) + 0.5) * frame)
    row = np.clip(np.searchsorted(exposure.gti[:, 0], framed + 0.5 * frame, side="right") - 1, 0, None)
    return np.sort(np.clip(framed, exposure.gti[row, 0], exposure.gti[row, 1]))


def measure_efficiencies(count: int, seed: int, false: float = 0.01) -> dict[str, float]:
    """Parts of flares and dips found at a rate of false ones, by one test of all cameras and by the best of three."""
    from xherald.detector.scoring.joint_cameras import join_cameras
    from xherald.photons.statistics import assess

    every = np.repeat(np.arange(count)[:, None], 3, axis=1)
    limits: dict[str, float] = {}
    found: dict[str, float] = {}
    for kind, own_seed in (("steady", seed), ("flares", seed + 1), ("dips", seed + 2)):
        cameras = three_cameras(count, own_seed, flares=kind == "flares", dips=kind == "dips")
        values = {
            "joint": assess(join_cameras(cameras, every)).p_value,
            "best of three": np.nanmin([assess(one).p_value for one in cameras], axis=0),
        }
        total: Sequence[int] = np.sum([one.counts for one in cameras], axis=0)
        for name, p in values.items():
            p = np.nan_to_num(p, nan=1.0)
            if kind == "steady":
                limits[name] = float(np.quantile(p, false))
                found[f"{name}: steady at p <= {false:g}"] = float(np.mean(p <= false))
            else:
                found[f"{name}: {kind}"] = float(np.mean(p <= limits[name]))
                if kind == "flares":
                    faint = np.asarray(total) < 50
                    found[f"{name}: flares below 50 counts"] = float(np.mean(p[faint] <= limits[name]))
    return found


if __name__ == "__main__":
    import sys

    for name, value in measure_efficiencies(int(sys.argv[1]) if len(sys.argv) > 1 else 2000, 7).items():
        sys.stdout.write(f"{name:<40} {value:.4f}\n")
