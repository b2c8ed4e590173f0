"""Rules of instrument adapters: `check_adapter`. What must be refused is made of the author's own good files.

This module holds what is owed on good files; `refusals` holds what is owed on bad ones, in the same table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from xherald.adapters.reading.fits_files import read_header
from xherald.photons import Aperture, EventBatch, EventList, Observation
from xherald.photons.errors import XheraldError
from xherald.photons.gti import as_gti, gti_contains
from xherald.plugins.contract import InstrumentAdapter, Options, ReadLimits
from xherald.plugins.testing.common_rules import add_common, default_options, same, state_of
from xherald.plugins.testing.rules import Report, Rules, Skipped, Violation, require

from .adapter_case import AdapterCase, GoodFile, case_of

__all__ = ["ADAPTER_RULES", "check_adapter"]

MISSIONS: Final = (
    ("CHANDRA", "ACIS"),
    ("XMM", "EMOS1"),
    ("SWIFT", "XRT"),
    ("eROSITA", "TM1"),
    ("EP", "WXT"),
    ("NUSTAR", "FPMA"),
    ("NICER", "XTI"),
    ("ASCA", "GIS2"),
    ("NOWHERE", "NOTHING"),
)
"""TELESCOP and INSTRUME that adapters are asked about."""

PIXEL_OFF: Final = 0.1
"""Sky pixels by which positions may differ: single precision of a pixel of 5 digits, and more."""

FAR_DEG: Final = 20.0
"""No X-ray telescope sees so far off its axis."""

ADAPTER_RULES: Final[Rules[AdapterCase]] = Rules("adapters")
rule = ADAPTER_RULES.rule
add_common(ADAPTER_RULES)


# Claims


@rule("claims-own", "claims says yes to the adapter's own files.", essential=True)
def _claims_own(case: AdapterCase) -> None:
    if not case.files:
        raise Skipped("no file was given; give good files of the mission")
    for one in case.files:
        answer = case.plugin.claims(one.path, one.header)
        require(answer is True, f"claims of {one.path.name} is {answer!r}; say True")


@rule("claims-no-other", "claims says no to other missions, and to files of other kinds.")
def _claims_no_other(case: AdapterCase) -> None:
    own = {str(one.header.get("TELESCOP", "")).strip().upper() for one in case.files}
    for telescop, instrume in MISSIONS:
        if telescop.upper() not in own:
            header = {"TELESCOP": telescop, "INSTRUME": instrume, "NAXIS2": 5}
            claimed = case.plugin.claims(Path("/nowhere/events.fits"), header)
            require(not claimed, f"it claims events of {telescop} / {instrume}; look at TELESCOP and INSTRUME")
    for name, text in (("notes.txt", "nothing\n"), ("other.csv", "a,b\n1,2\n"), ("none.fits", "no FITS")):
        path = case.scratch / name
        path.write_text(text)
        require(not case.plugin.claims(path, {}), f"it claims {name}, which holds no events; say no without a header")
    for path in case.foreign:
        claimed = case.plugin.claims(path, read_header(path, ReadLimits()))
        require(not claimed, f"it claims {path.name}, which is not its own")


@rule("claims-by-header", "claims works with the path and the header alone: it is asked for every file that comes.")
def _claims_by_header(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        path = one.copy.headers_only(one.folder("headers"))
        try:
            claimed = case.plugin.claims(path, one.header)
        except Exception as fault:
            what = f"{type(fault).__name__}: {fault}"
            raise Violation(
                f"claims broke on {path.name} without its photons ({what}); look at the header alone"
            ) from fault
        require(claimed, f"claims of {path.name} is no without its photons; look at the header alone")

    case.each(look)


# Reading


@rule("reads", "read gives an Observation with photons, or an EventBatch of a table of photons.", essential=True)
def _reads(case: AdapterCase) -> None:
    for one in case.files:
        try:
            content = one.content
            n = len(content.events) if isinstance(content, Observation) else len(content)
        except XheraldError as fault:
            raise Violation(f"{one.path.name} was refused: {fault}") from fault
        require(
            isinstance(content, Observation | EventBatch), f"read gives {type(content).__name__}; give an Observation"
        )
        require(n > 0, f"nothing is left of {one.path.name}")


@rule("lazy", "read leaves the photons in the file; they are read when they are asked for.")
def _lazy(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        before = one.observation.events.time
        path = one.copy.write(one.folder("lazy"), one.copy.content)
        fresh = one.read(path)
        require("events" not in vars(fresh), f"{path.name}: the photons were asked for while it was read")
        events, size = one.copy.events, one.copy.events.rows * one.copy.events.row_bytes
        first = one.copy.content[events.offset : events.offset + events.row_bytes]
        with path.open("r+b") as file:
            file.seek(events.offset)
            file.write((first * events.rows)[:size])
        try:
            after = fresh.events.time if isinstance(fresh, Observation) else before
        except XheraldError:
            return
        unchanged = same(after, before) and len(np.unique(before)) > 1
        require(not unchanged, f"{path.name}: read took the photons into memory; read them in load_events")

    case.each(look)


@rule("sorted", "Photons are sorted by time, finite, in arrays of one length, each with its row in the file.")
def _sorted(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            _lists_of(one)
            continue
        events = one.observation.events
        for name in ("time", "x", "y", "energy", "detector", "row"):
            array = getattr(events, name)
            require(array.shape == (len(events),), f"{name} has shape {array.shape} for {len(events)} photons")
        require(events.time.dtype == np.float64, f"time is {events.time.dtype}; give float64 seconds")
        require(np.isfinite(events.time).all(), "some times are not finite")
        require((np.diff(events.time) >= 0).all(), "photons are not sorted by time; sort them stably")
        rows = events.screening.rows
        whole = len(np.unique(events.row)) == len(events) and bool(
            (events.row >= 0).all() and (events.row < rows).all()
        )
        require(whole, "rows are not each photon's own row of the file, counted from 0")


@rule("screening", "Every row is kept or lost for a reason that is counted.")
def _screening(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        told = one.observation.events.screening
        require(
            told.kept == len(one.observation.events), f"kept is {told.kept} of {len(one.observation.events)} photons"
        )
        lost = sum(told.losses.values())
        require(
            told.rows - told.kept == lost, f"{told.rows} rows, {told.kept} kept, but {lost} losses; count every reason"
        )

    case.each(look)


@rule("units", "Energies are float32 keV inside the band, frame times seconds, detectors whole numbers.")
def _units(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            _lists_of(one)
            continue
        observation = one.observation
        low, high = observation.band
        require(
            0 <= low < observation.hardness_split < high <= 200,
            f"band {low}–{high} keV, split {observation.hardness_split}",
        )
        events = observation.events
        require(events.energy.dtype == np.float32, f"energy is {events.energy.dtype}; give float32 keV")
        least, most = float(events.energy.min()), float(events.energy.max())
        inside = low - 1e-4 <= least and most <= high + 1e-4
        require(inside, f"energies from {least:g} to {most:g} for a band of {low:g}–{high:g} keV; screen them, in keV")
        frame = observation.frame_time
        require(0 <= frame < 1e3, f"frame time {frame} s; mind milliseconds")


@rule("good-times", "Each detector has good times of its own, in order and apart, and its photons lie in them.")
def _good_times(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            _lists_of(one)
            continue
        observation, events = one.observation, one.observation.events
        numbers = [detector.number for detector in observation.detectors]
        require(len(set(numbers)) == len(numbers) > 0, f"detectors are numbered {numbers}; number each once")
        unknown = sorted(set(np.unique(events.detector).tolist()) - set(numbers))
        require(not unknown, f"photons are on detectors {unknown}, of which nothing is known; it has {numbers}")
        require(any(len(detector.gti) for detector in observation.detectors), "no detector has good times")
        for detector in observation.detectors:
            require(0 < detector.live_fraction <= 1, f"{detector.name}: live fraction {detector.live_fraction}")
            own = events.time[events.detector == detector.number]
            if len(detector.gti):
                gti = as_gti(detector.gti, where=detector.name)
                out = int(np.count_nonzero(~gti_contains(gti, own)))
                require(not out, f"{out} photons of {detector.name} lie outside its good times; use those of its own")
            else:
                require(not len(own), f"{len(own)} photons are on {detector.name}, which has no good times")
        first, last = observation.span
        spanned = first - 1e-3 <= events.time[0] and events.time[-1] <= last + 1e-3
        require(spanned, f"span {first}–{last} does not hold the photons")


@rule("identity", "Mission, instrument and observation are told, and seconds have dates.")
def _identity(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            names = [(who.obs_id, who.detection_id) for who in one.content.identities]
            require(
                len(set(names)) == len(names), "two sources bear one name; detection_id is unique in an observation"
            )
            continue
        observation = one.observation
        for name in ("mission", "instrument", "obs_id"):
            value = getattr(observation, name)
            require(isinstance(value, str), f"{name} is {value!r}; give text")
        require(observation.mission and observation.instrument, "mission or instrument is empty; name them")
        for moment in observation.span:
            told = observation.time_reference.utc(moment)
            require(
                told[4:5] == "-" and told.endswith("Z") and "1970" < told[:4] < "2100",
                f"{moment} s is {told}; mind MJDREF",
            )


@rule(
    "sky",
    "Sky pixels go to the sky and back, are those of the file's own keywords, and lie where the telescope looked.",
)
def _sky(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        observation = one.observation
        projection, events = observation.projection, observation.events
        if projection is None:
            require(observation.projection_fault, "there is no projection, and projection_fault does not say why")
            raise Skipped(f"no sky image: {observation.projection_fault}")
        require(
            np.isfinite(events.x).all() and np.isfinite(events.y).all(), "some sky pixels are not finite; drop nulls"
        )
        ra, dec = projection.to_sky(events.x, events.y)
        x, y = projection.to_pixel(ra, dec)
        off = max(float(np.abs(x - events.x).max()), float(np.abs(y - events.y).max()))
        require(off < PIXEL_OFF, f"pixels come back from the sky {off:.3g} pixels off")
        if observation.pointing is not None:
            from xherald.photons.projection import separation_deg

            away = float(np.median(separation_deg(ra, dec, *observation.pointing)))
            require(away < FAR_DEG, f"photons lie {away:.1f} deg from the pointing in the median; mind TCRVL and TCDLT")
        _hold_against_keywords(one, ra, dec, projection.pixel_arcsec / 3600.0)

    case.each(look)


def _hold_against_keywords(one: GoodFile, ra: Any, dec: Any, pixel_deg: float) -> None:
    """Against astropy's reading of the same keywords and columns."""
    try:
        across, up = one.sky_columns
    except Skipped:
        return
    from xherald.adapters.reading.headers import pixel_list_wcs
    from xherald.photons.projection import separation_deg

    rows = one.observation.events.row
    axes = pixel_list_wcs(one.copy.events.header, across.number, up.number)
    x, y = (one.copy.file.column(one.copy.events, column.name)[rows].astype(np.float64) for column in (across, up))
    away = float(separation_deg(ra, dec, *axes.wcs_pix2world(x, y, 1)).max())
    off = away / pixel_deg
    require(off < PIXEL_OFF, f"positions are {off:.3g} pixels from those of the columns' WCS keywords")


@rule("columns", "Further columns are given whole, and for the photons in their order.")
def _columns(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        name = one.time_column.name
        (values,) = one.observation.columns(name)
        events = one.observation.events
        require(values.shape[:1] == (len(events),), f"column {name} has shape {values.shape} for {len(events)} photons")
        shift = events.time - values.astype(np.float64)
        spread = float(np.ptp(shift))
        require(spread < 1e-3 + 0.02 * float(np.ptp(events.time)), f"column {name} is not in the order of the photons")

    case.each(look)


@rule("companions", "companions gives files that lie beside, and finds nothing wrong with a name alone.")
def _companions(case: AdapterCase) -> None:
    for one in case.files:
        for path in case.plugin.companions(one.path):
            beside = path.is_file() and path.parent == one.path.parent and path != one.path
            require(beside, f"companion {path} of {one.path.name} is no other file beside it")
        away = list(case.plugin.companions(Path("/nowhere") / one.path.name))
        require(not away, f"companions of a file in an empty folder are {away}")
        expects = case.plugin.expects_companions(Path("/nowhere") / one.path.name)
        require(isinstance(expects, bool), f"expects_companions is {expects!r}; say True or False")


@rule("apertures", "apertures gives sources with names of their own, none where there are none.")
def _apertures(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        found = case.plugin.apertures(one.observation)
        require(
            isinstance(found, list), f"apertures gives {type(found).__name__}; give a list, empty where none is named"
        )
        strange = [item for item in found if not isinstance(item, Aperture)]
        require(not strange, f"apertures gives {strange[:1]!r}; give Aperture")
        names = [item.detection_id for item in found]
        require(len(set(names)) == len(names), "two apertures bear one name")

    case.each(look)


@rule("deterministic", "Reading a file twice gives the same photons, to the last bit.")
def _deterministic(case: AdapterCase) -> None:
    for one in case.files:
        again, first = one.read(one.path), one.content
        if isinstance(first, EventBatch) or isinstance(again, EventBatch):
            equal = same(first, again)
        else:
            equal = same(first.events, again.events) and same(
                tuple(detector.gti for detector in first.detectors), tuple(detector.gti for detector in again.detectors)
            )
        require(equal, f"{one.path.name} read twice gave different photons")


def _lists_of(one: GoodFile) -> None:
    """Hold a table's sources to what an EventList refuses: times, energies, bands, good times."""
    batch = one.content
    assert isinstance(batch, EventBatch)
    try:
        for source in batch:
            require(isinstance(source, EventList), "a source is no EventList")
    except XheraldError as fault:
        raise Violation(f"{one.path.name}: {fault}") from fault


def check_adapter(
    plugin: InstrumentAdapter,
    files: Iterable[Path | str],
    *,
    options: Options | Mapping[str, Any] | None = None,
    foreign: Iterable[Path | str] = (),
    floors: bool = False,
) -> Report:
    """Hold an adapter to its contract.

    Parameters
    ----------
    plugin : InstrumentAdapter
    files : iterable of Path
        Good files of its mission, some thousand photons each; what must be refused is made of copies of them.
    options : Options or mapping, optional — its defaults if not given
    foreign : iterable of Path
        Files that it must not claim.
    floors : bool — whether to fail where a floor of speed or memory is missed

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """
    chosen = default_options(options, plugin)
    paths = tuple(Path(one) for one in files)
    with case_of(plugin, paths, chosen, tuple(Path(one) for one in foreign), state_of(plugin)) as case:
        return ADAPTER_RULES.run(case, plugin.name, floors=floors)
