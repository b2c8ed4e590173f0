"""Three small inputs whose transients are known, for the tests of the command line: Chandra, Swift-XRT, a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, PlacedSource, SourceModel
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.response import record
from xherald.simulation.spectra import absorbed_power_law
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import write_exposure

SEED = 20260101
SPECTRUM = absorbed_power_law(1.7, 0.1)
Change = tuple[float, float, float]
"""Start and stop, s, and the factor on the rate between them."""

# East and north of the pointing, arcsec; counts/s; change.
CHANDRA: tuple[tuple[float, float, float, Change | None], ...] = (
    (0, 0, 0.004, (9_000, 10_500, 12.0)),  # a flare of 1.5 ks
    (-70, 60, 0.0006, (4_000, 4_100, 400.0)),  # a burst of 100 s, hardly a source else
    (120, -70, 0.025, (14_000, 17_500, 0.04)),  # an eclipse
    (60, 110, 0.004, None),
    (-60, -120, 0.012, None),
    (180, -30, 0.002, None),
    (30, -40, 0.03, None),
)
SWIFT: tuple[tuple[float, float, float, Change | None], ...] = (
    (10, -20, 0.02, (11_600, 12_000, 10.0)),
    (-220, 160, 0.05, None),
    (150, 240, 0.02, None),
)


def box(duration: float, change: Change | None) -> LightCurve:
    """A constant rate, with a step up or down and back."""
    if change is None:
        return LightCurve.constant(0.0, duration)
    start, stop, factor = change
    return LightCurve([0, start, start, stop, stop, duration], [1, 1, factor, factor, 1, 1])


def chandra_file(folder: Path) -> Path:
    """20 ks of ACIS-S, aimed at S3."""
    return _file(folder, "chandra-acis-s", CHANDRA, (150.1, 2.2), 20_000, 180.0, "90001")


def swift_file(folder: Path) -> Path:
    """Four snapshots of XRT."""
    return _file(folder, "swift-xrt", SWIFT, (210.5, -11.3), 4_440, 0.0, "00099001001")


def _file(
    folder: Path,
    name: str,
    wanted: tuple[tuple[float, float, float, Change | None], ...],
    aim: tuple[float, float],
    duration: float,
    roll: float,
    obs_id: str,
) -> Path:
    telescope = TELESCOPES[name]
    observing = observe(
        telescope, ra=aim[0], dec=aim[1], duration=duration, roll=roll, rng=stream(SEED, name), start=7.0e8
    )
    area = float(SPECTRUM @ telescope.area_cm2)
    sources = tuple(
        PlacedSource(
            f"S{number}",
            aim[0] + east / 3600 / np.cos(np.radians(aim[1])),
            aim[1] + north / 3600,
            SourceModel("constant", "", (Component(box(observing.duration, change), SPECTRUM),)),
            rate / area,
        )
        for number, (east, north, rate, change) in enumerate(wanted)
    )
    events = record(telescope, observing, sources, SEED)
    exposure = SimulatedExposure(telescope, observing, sources, events, obs_id, SEED)
    return write_exposure(exposure, folder, source_list=False).events


def photon_table(folder: Path) -> Path:
    """Photons of 300 sources in the published form (obsreg_id, time in s, energy in eV), good times beside them."""
    rng = np.random.default_rng(SEED)
    events, intervals = folder / "eventfiles_table.csv", folder / "eventfiles_table_gti.csv"
    transients = {7: (3_000.0, 3_400.0, 40.0), 130: (12_000.0, 12_060.0, 150.0), 222: (8_000.0, 8_900.0, 15.0)}
    gti = np.array([[0.0, 9_000.0], [10_500.0, 18_000.0]])
    with events.open("w") as photons, intervals.open("w") as good:
        photons.write("obsreg_id,time,energy\n")
        good.write("obsreg_id,start,stop\n")
        for number in range(300):
            rate = float(np.exp(rng.normal(np.log(0.002), 0.8)))
            name, start = f"9{number:04d}_1", 1e8 + 1e5 * number
            time = box(18_000.0, transients.get(number)).arrivals(gti, rate, rng)
            ev = np.minimum(500 + 900 * rng.gamma(1.6, 1.0, len(time)), 6_900)
            photons.writelines(f"{name},{start + t:.3f},{e:.1f}\n" for t, e in zip(time, ev, strict=True))
            good.writelines(f"{name},{start + a:.1f},{start + b:.1f}\n" for a, b in gti)
    return events
