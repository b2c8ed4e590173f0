"""Rules of instrument adapters on valid files: `check_adapter`.

`refusal_rules` adds the rules on invalid copies of these files.
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
from xherald.plugins.folder_names import FolderNames
from xherald.plugins.testing.common_rules import add_common_rules, default_options, describe_state, is_identical
from xherald.plugins.testing.rules import Report, Rules, Skipped, Violation, require

from .adapter_case import AdapterCase, GoodFile, open_case

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
"""Values of TELESCOP and INSTRUME for tests of `claims`."""

MAX_OFFSET_PIXELS: Final = 0.1
"""Largest difference of positions, sky pixels: more than the single precision of a pixel coordinate."""

MAX_OFF_AXIS_DEG: Final = 20.0
"""Largest off-axis angle of an X-ray telescope."""

ADAPTER_RULES: Final[Rules[AdapterCase]] = Rules("adapters")
rule = ADAPTER_RULES.rule
add_common_rules(ADAPTER_RULES)


# Claims


@rule("claims-own", "claims returns True for the adapter's own files.", essential=True)
def _claims_own(case: AdapterCase) -> None:
    if not case.files:
        raise Skipped("no files were given; give valid files of the mission")
    for one in case.files:
        answer = case.plugin.claims(one.path, one.header)
        require(answer is True, f"claims returned {answer!r} for {one.path.name}; return True")


@rule("claims-no-other", "claims returns False for other missions and other kinds of files.")
def _claims_no_other(case: AdapterCase) -> None:
    own = {str(one.header.get("TELESCOP", "")).strip().upper() for one in case.files}
    for telescop, instrume in MISSIONS:
        if telescop.upper() not in own:
            header = {"TELESCOP": telescop, "INSTRUME": instrume, "NAXIS2": 5}
            claimed = case.plugin.claims(Path("/nowhere/events.fits"), header)
            require(not claimed, f"it claims events of {telescop} / {instrume}; check TELESCOP and INSTRUME")
    for name, text in (("notes.txt", "nothing\n"), ("other.csv", "a,b\n1,2\n"), ("none.fits", "no FITS")):
        path = case.scratch / name
        path.write_text(text)
        require(
            not case.plugin.claims(path, {}), f"it claims {name}, which has no events; return False without a header"
        )
    for path in case.foreign:
        claimed = case.plugin.claims(path, read_header(path, ReadLimits()))
        require(not claimed, f"it claims {path.name}, which belongs to another adapter")


@rule("claims-by-header", "claims needs only the path and the header.")
def _claims_by_header(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        path = one.copy.headers_only(one.folder("headers"))
        try:
            claimed = case.plugin.claims(path, one.header)
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise Violation(
                f"claims failed for {path.name} without its photons ({what}); use only the header"
            ) from error
        require(claimed, f"claims returned False for {path.name} without its photons; use only the header")

    case.for_each_file(check)


# Reading


@rule("reads", "read returns an Observation with photons, or an EventBatch for a table of photons.", essential=True)
def _reads(case: AdapterCase) -> None:
    for one in case.files:
        try:
            content = one.content
            n = len(content.events) if isinstance(content, Observation) else len(content)
        except XheraldError as error:
            raise Violation(f"{one.path.name} was refused: {error}") from error
        require(
            isinstance(content, Observation | EventBatch),
            f"read returned {type(content).__name__}, expected an Observation",
        )
        require(n > 0, f"no photons of {one.path.name} are left")


@rule("lazy", "read does not read the photons; they are read at first use.")
def _lazy(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        before = one.observation.events.time
        path = one.copy.write(one.folder("lazy"), one.copy.content)
        fresh = one.read(path)
        require("events" not in vars(fresh), f"{path.name}: read accessed the photons")
        events, size = one.copy.events, one.copy.events.rows * one.copy.events.row_bytes
        first = one.copy.content[events.offset : events.offset + events.row_bytes]
        with path.open("r+b") as file:
            file.seek(events.offset)
            file.write((first * events.rows)[:size])
        try:
            after = fresh.events.time if isinstance(fresh, Observation) else before
        except XheraldError:
            return
        unchanged = is_identical(after, before) and len(np.unique(before)) > 1
        require(not unchanged, f"{path.name}: read loaded the photons; read them in load_events")

    case.for_each_file(check)


@rule("sorted", "Photons are sorted by time, finite, in arrays of equal length, with their rows in the file.")
def _sorted(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            _check_batch(one)
            continue
        events = one.observation.events
        for name in ("time", "x", "y", "energy", "detector", "row"):
            array = getattr(events, name)
            require(array.shape == (len(events),), f"{name} has shape {array.shape} for {len(events)} photons")
        require(events.time.dtype == np.float64, f"time is {events.time.dtype}, expected float64 in s")
        require(np.isfinite(events.time).all(), "some times are not finite")
        require((np.diff(events.time) >= 0).all(), "photons are not sorted by time; sort them stably")
        rows = events.screening.rows
        is_valid = len(np.unique(events.row)) == len(events) and bool(
            (events.row >= 0).all() and (events.row < rows).all()
        )
        require(is_valid, "rows are not the distinct rows of the photons in the file, counted from 0")


@rule("screening", "Every row is kept or counted under the reason of its rejection.")
def _screening(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        screening = one.observation.events.screening
        require(
            screening.kept == len(one.observation.events),
            f"kept is {screening.kept} for {len(one.observation.events)} photons",
        )
        lost = sum(screening.losses.values())
        require(
            screening.rows - screening.kept == lost,
            f"{screening.rows} rows, {screening.kept} kept, but {lost} losses; count all reasons",
        )

    case.for_each_file(check)


@rule("units", "Energies are float32 in keV inside the band, frame times in s.")
def _units(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            _check_batch(one)
            continue
        observation = one.observation
        low, high = observation.band
        require(
            0 <= low < observation.hardness_split < high <= 200,
            f"invalid band {low}–{high} keV with hardness split {observation.hardness_split} keV",
        )
        events = observation.events
        require(events.energy.dtype == np.float32, f"energy is {events.energy.dtype}, expected float32 in keV")
        least, most = float(events.energy.min()), float(events.energy.max())
        inside = low - 1e-4 <= least and most <= high + 1e-4
        require(inside, f"energies from {least:g} to {most:g} in a band of {low:g}–{high:g} keV; screen them in keV")
        frame = observation.frame_time
        require(0 <= frame < 1e3, f"frame time {frame} s; check its unit")


@rule("good-times", "Each detector has sorted, disjoint good times that include its photons.")
def _good_times(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            _check_batch(one)
            continue
        observation, events = one.observation, one.observation.events
        numbers = [detector.number for detector in observation.detectors]
        require(len(set(numbers)) == len(numbers) > 0, f"detector numbers {numbers} are not unique")
        unknown = sorted(set(np.unique(events.detector).tolist()) - set(numbers))
        require(not unknown, f"photons have detectors {unknown}, but only {numbers} exist")
        require(any(len(detector.gti) for detector in observation.detectors), "no detector has good times")
        for detector in observation.detectors:
            require(0 < detector.live_fraction <= 1, f"{detector.name}: live fraction {detector.live_fraction}")
            own = events.time[events.detector == detector.number]
            if len(detector.gti):
                gti = as_gti(detector.gti, where=detector.name)
                out = int(np.count_nonzero(~gti_contains(gti, own)))
                require(
                    not out,
                    f"{out} photons of {detector.name} lie outside its good times; use the good times of the detector",
                )
            else:
                require(not len(own), f"{len(own)} photons are on {detector.name}, which has no good times")
        first, last = observation.span
        spanned = first - 1e-3 <= events.time[0] and events.time[-1] <= last + 1e-3
        require(spanned, f"span {first}–{last} does not include all photons")


@rule("identity", "Mission and instrument are named, and mission time has dates.")
def _identity(case: AdapterCase) -> None:
    for one in case.files:
        if isinstance(one.content, EventBatch):
            names = [(who.obs_id, who.detection_id) for who in one.content.identities]
            require(
                len(set(names)) == len(names),
                "two sources have the same name; detection_id must be unique in an observation",
            )
            continue
        observation = one.observation
        for name in ("mission", "instrument", "obs_id"):
            value = getattr(observation, name)
            require(isinstance(value, str), f"{name} is {value!r}, expected text")
        require(observation.mission and observation.instrument, "mission or instrument is empty")
        for moment in observation.span:
            date = observation.time_reference.utc(moment)
            require(
                date[4:5] == "-" and date.endswith("Z") and "1970" < date[:4] < "2100",
                f"{moment} s is {date}; check MJDREF",
            )


@rule(
    "sky",
    "Sky positions round-trip, agree with the WCS keywords of the file, and lie near the pointing.",
)
def _sky(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        observation = one.observation
        projection, events = observation.projection, observation.events
        if projection is None:
            require(observation.projection_fault, "there is neither a projection nor a reason in projection_fault")
            raise Skipped(f"no sky positions: {observation.projection_fault}")
        require(
            np.isfinite(events.x).all() and np.isfinite(events.y).all(), "some sky pixels are not finite; reject nulls"
        )
        ra, dec = projection.to_sky(events.x, events.y)
        x, y = projection.to_pixel(ra, dec)
        off = max(float(np.abs(x - events.x).max()), float(np.abs(y - events.y).max()))
        require(off < MAX_OFFSET_PIXELS, f"sky positions and back are {off:.3g} pixels off")
        if observation.pointing is not None:
            from xherald.photons.projection import separation_deg

            away = float(np.median(separation_deg(ra, dec, *observation.pointing)))
            require(
                away < MAX_OFF_AXIS_DEG,
                f"the median photon lies {away:.1f} deg from the pointing; check TCRVL and TCDLT",
            )
        _compare_with_keywords(one, ra, dec, projection.pixel_arcsec / 3600.0)

    case.for_each_file(check)


def _compare_with_keywords(one: GoodFile, ra: Any, dec: Any, pixel_deg: float) -> None:
    """Compare positions with those of astropy from the same keywords and columns."""
    try:
        across, up = one.sky_columns
    except Skipped:
        return
    from xherald.adapters.reading.pixel_list_wcs import pixel_list_wcs
    from xherald.photons.projection import separation_deg

    rows = one.observation.events.row
    axes = pixel_list_wcs(one.copy.events.header, across.number, up.number)
    x, y = (one.copy.file.column(one.copy.events, column.name)[rows].astype(np.float64) for column in (across, up))
    away = float(separation_deg(ra, dec, *axes.wcs_pix2world(x, y, 1)).max())
    off = away / pixel_deg
    require(off < MAX_OFFSET_PIXELS, f"positions differ by {off:.3g} pixels from those of the WCS keywords")


@rule("columns", "Further columns are returned for the photons in order.")
def _columns(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        name = one.time_column.name
        (values,) = one.observation.columns(name)
        events = one.observation.events
        require(values.shape[:1] == (len(events),), f"column {name} has shape {values.shape} for {len(events)} photons")
        shift = events.time - values.astype(np.float64)
        spread = float(np.ptp(shift))
        require(spread < 1e-3 + 0.02 * float(np.ptp(events.time)), f"column {name} is not in the order of the photons")

    case.for_each_file(check)


@rule("companions", "companions returns names of other files in the folder, and depends on names alone.")
def _companions(case: AdapterCase) -> None:
    for one in case.files:
        name, siblings = one.path.name, FolderNames.in_folder(one.path.parent)
        found = list(case.plugin.companions(name, siblings))
        wrong = [other for other in found if other == name or other not in siblings]
        require(not wrong, f"companions of {name} includes {wrong[:1]!r}, which is not another file in its folder")
        unlisted = list(case.plugin.companions(name, FolderNames([])))
        require(not unlisted, f"companions of {name} are {unlisted} although siblings is empty")
        expects = case.plugin.expects_companions(name)
        require(isinstance(expects, bool), f"expects_companions returned {expects!r}, expected True or False")


@rule("apertures", "apertures returns a list of apertures with unique names, possibly empty.")
def _apertures(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        found = case.plugin.apertures(one.observation)
        require(isinstance(found, list), f"apertures returned {type(found).__name__}, expected a list")
        others = [item for item in found if not isinstance(item, Aperture)]
        require(not others, f"apertures returned {others[:1]!r}, expected Aperture")
        names = [item.detection_id for item in found]
        require(len(set(names)) == len(names), "two apertures have the same name")

    case.for_each_file(check)


@rule("deterministic", "Reading a file twice gives identical photons.")
def _deterministic(case: AdapterCase) -> None:
    for one in case.files:
        again, first = one.read(one.path), one.content
        if isinstance(first, EventBatch) or isinstance(again, EventBatch):
            equal = is_identical(first, again)
        else:
            equal = is_identical(first.events, again.events) and is_identical(
                tuple(detector.gti for detector in first.detectors), tuple(detector.gti for detector in again.detectors)
            )
        require(equal, f"{one.path.name} read twice gave different photons")


def _check_batch(one: GoodFile) -> None:
    """Validate the sources of a table as `EventList`."""
    batch = one.content
    assert isinstance(batch, EventBatch)
    try:
        for source in batch:
            require(isinstance(source, EventList), "a source is not an EventList")
    except XheraldError as error:
        raise Violation(f"{one.path.name}: {error}") from error


def check_adapter(
    plugin: InstrumentAdapter,
    files: Iterable[Path | str],
    *,
    options: Options | Mapping[str, Any] | None = None,
    foreign: Iterable[Path | str] = (),
    enforce_performance: bool = False,
) -> Report:
    """Check that an adapter conforms to the contract.

    Parameters
    ----------
    plugin : InstrumentAdapter
    files : iterable of Path
        Valid files of its mission, with some thousand photons each; invalid copies are made of them.
    options : Options or mapping, optional — default: the default options
    foreign : iterable of Path
        Files of others, which it must not claim.
    enforce_performance : bool — whether a broken performance rule is a failure, not a warning

    Returns
    -------
    Report
        `Report.require` raises an error for violated rules.
    """
    settings = default_options(options, plugin)
    paths = tuple(Path(one) for one in files)
    with open_case(plugin, paths, settings, tuple(Path(one) for one in foreign), describe_state(plugin)) as case:
        return ADAPTER_RULES.run(case, plugin.name, enforce_performance=enforce_performance)
