"""Writes the files that `make demo` scans: a Chandra exposure, a Swift-XRT one and a table of photons, with transients.

Usage: python demo_files.py FOLDER. Everything is drawn from Poisson statistics with a fixed seed; the files follow the
layout of the missions' own (columns, keywords, good times per detector, frame times). `FOLDER/FILES` lists them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

SEED = 20260101
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A point source of constant rate with, perhaps, one boxcar change.

    Parameters
    ----------
    east, north : float — arcsec from the pointing
    rate : float — counts/s
    change : (float, float, float) or None
        Start and stop, s since the first good time, and the factor on the rate between them.
    """

    east: float
    north: float
    rate: float
    change: tuple[float, float, float] | None = None

    def times(self, rng: np.random.Generator, gti: F64) -> F64:
        """Arrival times in the good times, s."""
        peak = self.rate * (max(1.0, self.change[2]) if self.change else 1.0)
        length = gti[-1, 1] - gti[0, 0]
        time = gti[0, 0] + np.sort(rng.uniform(0, length, rng.poisson(peak * length)))
        rate = np.full(len(time), self.rate)
        if self.change:
            start, stop, factor = self.change
            rate[(time - gti[0, 0] >= start) & (time - gti[0, 0] < stop)] *= factor
        time = time[rng.uniform(0, peak, len(time)) < rate]
        row = np.searchsorted(gti[:, 0], time, side="right") - 1
        return time[time < gti[row, 1]]


CHANDRA = (
    Source(0, 0, 0.004, (9_000, 10_500, 12.0)),  # a flare of 1.5 ks
    Source(-95, 60, 0.0006, (4_000, 4_030, 1_500.0)),  # a burst of 30 s, hardly a source else
    Source(120, -70, 0.025, (14_000, 17_500, 0.04)),  # an eclipse
    Source(60, 110, 0.004),
    Source(-60, -120, 0.012),
    Source(-140, -30, 0.002),
    Source(30, -40, 0.03),
)
SWIFT = (Source(10, -20, 0.02, (11_600, 12_000, 10.0)), Source(-220, 160, 0.05), Source(150, 240, 0.02))


def sky_photons(
    rng: np.random.Generator, sources: Sequence[Source], gti: F64, blur: float, side: float, background: float
) -> dict[str, F64]:
    """Photons of sources and a flat background, sorted by time.

    Parameters
    ----------
    blur : float — arcsec, sigma of the point spread in each direction
    side : float — arcsec, side of the field
    background : float — counts/s over the whole field
    """
    times = [one.times(rng, gti) for one in sources]
    east = [one.east + rng.normal(0, blur, len(t)) for one, t in zip(sources, times, strict=True)]
    north = [one.north + rng.normal(0, blur, len(t)) for one, t in zip(sources, times, strict=True)]
    flat = Source(0, 0, background).times(rng, gti)
    time = np.concatenate([*times, flat])
    order = np.argsort(time, kind="stable")
    half = side / 2
    return {
        "time": time[order],
        "east": np.concatenate([*east, rng.uniform(-half, half, len(flat))])[order],
        "north": np.concatenate([*north, rng.uniform(-half, half, len(flat))])[order],
        "kev": np.minimum(0.5 + rng.gamma(1.6, 0.9, len(time)), 6.9)[order],
    }


def fits_events(name: str, columns: dict[str, tuple[str, str, F64]], header: dict[str, object]) -> fits.BinTableHDU:
    """Binary table from {column: (format, unit, values)}."""
    cards = [fits.Column(key, fmt, unit or None, array=values) for key, (fmt, unit, values) in columns.items()]
    table = fits.BinTableHDU.from_columns(cards, name=name)
    table.header.update(header)
    return table


def good_times(gti: F64, header: dict[str, object]) -> fits.BinTableHDU:
    """Good-time table."""
    return fits_events("GTI", {"START": ("1D", "s", gti[:, 0]), "STOP": ("1D", "s", gti[:, 1])}, header)


def sky_keywords(x: int, y: int, ra: float, dec: float, centre: float, step: float) -> dict[str, object]:
    """Tangent-plane keywords of columns number x and y."""
    return {
        f"TCTYP{x}": "RA---TAN", f"TCRVL{x}": ra, f"TCRPX{x}": centre, f"TCDLT{x}": -step, f"TCUNI{x}": "deg",
        f"TCTYP{y}": "DEC--TAN", f"TCRVL{y}": dec, f"TCRPX{y}": centre, f"TCDLT{y}": step, f"TCUNI{y}": "deg",
    }  # fmt: skip


def write_chandra(folder: Path, rng: np.random.Generator) -> Path:
    """ACIS level-2 list: one CCD, 20 ks in 3.14104 s frames."""
    frame, start, ra, dec = 3.14104, 700_000_000.0, 150.1, 2.2
    gti = np.array([[start, start + 20_000.0]])
    seen = sky_photons(rng, CHANDRA, gti, blur=0.5, side=490.0, background=0.12)
    number = np.floor((seen["time"] - start) / frame)
    x, y = 4096.5 - seen["east"] / 0.492, 4096.5 + seen["north"] / 0.492
    chip_x, chip_y = np.clip(x - 3584, 2, 1023), np.clip(y - 3584, 2, 1023)
    zero = np.zeros(len(x))
    ev = seen["kev"] * 1e3
    columns = {
        "time": ("1D", "s", start + (number + 0.5) * frame),
        "ccd_id": ("1I", "", zero + 7), "node_id": ("1I", "", np.floor(chip_x / 256)), "expno": ("1J", "", number),
        "chipx": ("1I", "pixel", chip_x), "chipy": ("1I", "pixel", chip_y),
        "tdetx": ("1I", "pixel", chip_x + 3916), "tdety": ("1I", "pixel", chip_y + 1701),
        "detx": ("1E", "pixel", x), "dety": ("1E", "pixel", y), "x": ("1E", "pixel", x), "y": ("1E", "pixel", y),
        "pha": ("1J", "adu", ev / 4.0), "pha_ro": ("1J", "adu", ev / 4.0), "energy": ("1E", "eV", ev),
        "pi": ("1J", "chan", np.floor(ev / 14.6) + 1), "fltgrade": ("1I", "", zero), "grade": ("1I", "", zero),
        "status": ("32X", "", np.zeros((len(x), 32), dtype=bool)),
    }  # fmt: skip
    common: dict[str, object] = {
        "MISSION": "AXAF", "TELESCOP": "CHANDRA", "INSTRUME": "ACIS", "MJDREF": 50814.0, "TIMESYS": "TT",
        "TIMEUNIT": "s", "TIMEZERO": 0.0, "TSTART": start, "TSTOP": start + 20_000.0,
    }  # fmt: skip
    header = common | sky_keywords(11, 12, ra, dec, 4096.5, 0.492 / 3600) | {
        "TIMEPIXR": 0.5, "TIMEDEL": frame, "EXPTIME": 3.1, "DETNAM": "ACIS-7", "DATAMODE": "FAINT", "READMODE": "TIMED",
        "OBS_MODE": "POINTING", "GRATING": "NONE", "OBJECT": "simulated field", "OBS_ID": "90001", "RADESYS": "ICRS",
        "RA_PNT": ra, "DEC_PNT": dec, "RA_NOM": ra, "DEC_NOM": dec, "ROLL_PNT": 0.0, "CONTENT": "EVT2",
        "ONTIME": 20_000.0, "ONTIME7": 20_000.0, "LIVETIME": 19_740.0, "LIVTIME7": 19_740.0, "EXPOSURE": 19_740.0,
        "DTCOR": 0.987,
    }  # fmt: skip
    lists = [fits.PrimaryHDU(), fits_events("EVENTS", columns, header), good_times(gti, common | {"CCD_ID": 7})]
    lists[2].header["EXTVER"] = 7
    return _written(lists, folder / "acisf90001N001_evt2.fits.gz")


def write_swift(folder: Path, rng: np.random.Generator) -> Path:
    """XRT photon-counting list: four snapshots in 96-minute orbits, 2.5073 s frames."""
    frame, start, ra, dec, step = 2.5073, 600_000_000.0, 210.5, -11.3, 6.548089e-4
    gti = start + np.array([[0, 1_100.0], [5_760, 6_900.0], [11_520, 12_600.0], [17_280, 18_400.0]])
    seen = sky_photons(rng, SWIFT, gti, blur=7.5, side=1_100.0, background=0.08)
    x, y = (np.floor(500.5 + sign * seen[axis] / 3600 / step + 0.5) for sign, axis in ((-1, "east"), (1, "north")))
    raw_x, raw_y = np.clip(x - 200, 1, 599), np.clip(y - 200, 1, 599)
    zero, channel = np.zeros(len(x)), np.floor(seen["kev"] * 100)
    columns = {
        "TIME": ("1D", "s", start + np.floor((seen["time"] - start) / frame) * frame),
        "X": ("1I", "pixel", x), "Y": ("1I", "pixel", y),
        "RAWX": ("1I", "pixel", raw_x), "RAWY": ("1I", "pixel", raw_y),
        "DETX": ("1I", "pixel", raw_x), "DETY": ("1I", "pixel", raw_y), "PHA": ("1J", "chan", channel),
        "PI": ("1J", "chan", channel), "GRADE": ("1I", "", zero), "STATUS": ("16X", "", np.zeros((len(x), 16), bool)),
    }  # fmt: skip
    # A frame is stamped with its start, which may fall just before the snapshot's.
    columns["TIME"] = ("1D", "s", np.maximum(columns["TIME"][2], gti[np.searchsorted(gti[:, 0], seen["time"]) - 1, 0]))
    common: dict[str, object] = {
        "TELESCOP": "SWIFT", "INSTRUME": "XRT", "DATAMODE": "PHOTON", "OBS_ID": "00099001001", "OBJECT": "simulated",
        "MJDREFI": 51910, "MJDREFF": 7.4287037e-4, "TIMESYS": "TT", "TIMEUNIT": "s", "TIMEZERO": 0.0,
        "TSTART": gti[0, 0], "TSTOP": gti[-1, 1],
    }  # fmt: skip
    header = common | sky_keywords(2, 3, ra, dec, 500.5, step) | {
        "TIMEPIXR": 0.0, "TIMEDEL": frame, "OBS_MODE": "POINTING", "XRTMODE": 7, "RADECSYS": "FK5", "EQUINOX": 2000.0,
        "RA_NOM": ra, "DEC_NOM": dec, "RA_PNT": ra, "DEC_PNT": dec, "PA_PNT": 0.0, "RA_OBJ": ra, "DEC_OBJ": dec,
        "TNULL2": -1, "TNULL3": -1, "TNULL9": -4095, "ONTIME": 4_440.0, "LIVETIME": 4_440.0, "EXPOSURE": 4_440.0,
        "DEADC": 1.0, "TELAPSE": 18_400.0,
    }  # fmt: skip
    lists = [fits.PrimaryHDU(), fits_events("EVENTS", columns, header), good_times(gti, common)]
    return _written(lists, folder / "sw00099001001xpcw3po_cl.evt.gz")


def write_table(folder: Path, rng: np.random.Generator) -> Path:
    """Photons of 300 sources in the published form (obsreg_id, time in s, energy in eV), good times beside them."""
    events, intervals = folder / "eventfiles_table.csv", folder / "eventfiles_table_gti.csv"
    transients = {7: (3_000.0, 3_400.0, 40.0), 130: (12_000.0, 12_060.0, 150.0), 222: (8_000.0, 8_900.0, 15.0)}
    gti = np.array([[0.0, 9_000.0], [10_500.0, 18_000.0]])
    with events.open("w") as photons, intervals.open("w") as good:
        photons.write("obsreg_id,time,energy\n")
        good.write("obsreg_id,start,stop\n")
        for number in range(300):
            source = Source(0, 0, float(np.exp(rng.normal(np.log(0.002), 0.8))), transients.get(number))
            name, start = f"9{number:04d}_1", 1e8 + 1e5 * number
            time = source.times(rng, gti)
            ev = np.minimum(500 + 900 * rng.gamma(1.6, 1.0, len(time)), 6_900)
            photons.writelines(f"{name},{start + t:.3f},{e:.1f}\n" for t, e in zip(time, ev, strict=True))
            good.writelines(f"{name},{start + a:.1f},{start + b:.1f}\n" for a, b in gti)
    return events


def _written(lists: list[fits.BinTableHDU], path: Path) -> Path:
    fits.HDUList(lists).writeto(path, overwrite=True)
    return path


def main(folder: Path) -> None:
    """Write all files into a folder and list them in FILES."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    paths = [write(folder, rng) for write in (write_chandra, write_swift, write_table)]
    (folder / "FILES").write_text("\n".join(map(str, paths)) + "\n")
    hidden = sum(one.change is not None for one in CHANDRA + SWIFT) + 3
    sys.stdout.write(f"Wrote {len(paths)} files with {hidden} transients in them to {folder}.\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
