"""The declarative engine: a mission as a table, and the adapter that turns table and file into an `Observation`.

Most missions are a `MissionTable` and nothing else; one that is odd overrides the one method of `FitsAdapter` that its
oddity touches. The adapters built into xherald are written so, and a third party's can be:

    class MyAdapter(FitsAdapter):
        '''What it is, its passband, notes, references.'''
        name = "mine"
        mission = MissionTable(telescop="MINE", instruments=(Instrument(...),))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from xherald.photons import Aperture, ChipLayout, DetectorUnit, Observation, PixelLayout, PointSpread, SkyProjection
from xherald.photons.errors import UnreadableFileError
from xherald.plugins.contract import InstrumentAdapter, OptionsT, ReadLimits

from .field_of_view import FieldOfView, whole_field
from .fits_files import FitsFile, Hdu, load_fits, open_fits
from .gti_tables import GtiLayout, good_times, live_fraction, matching_tables, refuse_empty
from .headers import first_number, number, pair, sky_projection, text, time_reference
from .screening import Energy, EventReader, Rule, is_position

__all__ = ["FitsAdapter", "Instrument", "MissionTable", "NoImage", "PhotonColumns"]


@dataclass(frozen=True, slots=True)
class NoImage:
    """A mode whose events have no position on the sky: keyword, its value, and what to tell the user."""

    keyword: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """All that differs between instruments, as data.

    Parameters
    ----------
    instrume : tuple of str
        Values of INSTRUME, upper case.
    energies : tuple of Energy
        In order of preference; the first whose column the file has is used.
    band : (float, float) — keV, photons kept
    band_open : bool — whether the ends of the band are left out
    hardness_split : float — keV
    gti : tuple of GtiLayout — in order of preference
    frame_default : float — s; of an instrument without frames, how sharply it tells times
    frame_keywords : tuple of (str, float) — keyword and what makes seconds of its value
    timed_by_frame : bool
        Whether TIME is a property of the frame, so that TIMEPIXR says where in it; False where times are randomised.
    detector_column : str or None
        None for an instrument of one detector, and where several share good times and livetime: the background of a
        source is taken from the detectors that its aperture touches alone.
    detector_modulo : int or None
    detector_name : str — "{n}" standing for the number
    rules : tuple of Rule — the standard filter, in order
    time, x, y : str — columns
    position_null : float or None — value of X or Y without a position, where TNULL does not say
    live_keywords : tuple of (str, str)
        Names of the keywords that hold a detector's livetime and good time, "{n}" standing for its number; DTCOR, DEADC
        and LIVETIME over ONTIME are looked at without.
    mode_keywords : tuple of str
    no_image : tuple of NoImage
    point_spread : PointSpread or None — None for an instrument without an image
    field_of_view : FieldOfView or None — of an instrument without an image, whose one source is all that it sees
    detector_pixel_arcsec : float or None
    chips : ChipLayout or None — for telescopes that dither over chip edges
    pixels : PixelLayout or None — on which pixel an event fell
    """

    instrume: tuple[str, ...]
    energies: tuple[Energy, ...]
    band: tuple[float, float]
    hardness_split: float
    gti: tuple[GtiLayout, ...]
    frame_default: float
    point_spread: PointSpread | None = None
    field_of_view: FieldOfView | None = None
    frame_keywords: tuple[tuple[str, float], ...] = (("TIMEDEL", 1.0),)
    timed_by_frame: bool = True
    band_open: bool = False
    detector_column: str | None = None
    detector_modulo: int | None = None
    detector_name: str = "{n}"
    rules: tuple[Rule, ...] = ()
    time: str = "TIME"
    x: str = "X"
    y: str = "Y"
    position_null: float | None = None
    live_keywords: tuple[tuple[str, str], ...] = ()
    mode_keywords: tuple[str, ...] = ("DATAMODE",)
    no_image: tuple[NoImage, ...] = ()
    detector_pixel_arcsec: float | None = None
    chips: ChipLayout | None = None
    pixels: PixelLayout | None = None


@dataclass(frozen=True, slots=True)
class MissionTable:
    """A mission: its value of TELESCOP, in upper or lower case, and its instruments."""

    telescop: str
    instruments: tuple[Instrument, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PhotonColumns:
    """Where the rows of one file say what a photon is.

    Parameters
    ----------
    events : Hdu
    time : str — column
    time_shift : float
        s from the column to the time of `FieldEvents`: TIMEZERO, and to the middle of the frame.
    timed_by_frame : bool
        Whether photons of a frame share its time.
    x, y : str — columns of sky pixels
    energies : tuple of Energy
        Every column of energies that the file has, first the one that is read.
    """

    events: Hdu
    time: str
    time_shift: float
    timed_by_frame: bool
    x: str
    y: str
    energies: tuple[Energy, ...]


class FitsAdapter(InstrumentAdapter[OptionsT]):
    """Reads event lists of the mission in `mission`."""

    mission: ClassVar[MissionTable]

    def claims(self, path: Path, header: Mapping[str, object]) -> bool:
        """By TELESCOP and INSTRUME."""
        known = {name.upper() for one in self.mission.instruments for name in one.instrume}
        is_ours = text(header, "TELESCOP").upper() == self.mission.telescop.upper()
        return is_ours and text(header, "INSTRUME").upper() in known

    def read(self, path: Path, options: OptionsT, limits: ReadLimits) -> Observation:
        """Read headers and good times; the photons when they are asked for."""
        file = load_fits(path, limits)
        try:
            return self._observe(file, options, limits)
        except BaseException:
            file.release()
            raise

    def photon_columns(self, path: Path, options: OptionsT, limits: ReadLimits) -> PhotonColumns:
        """Where a file's rows say what a photon is, for whoever writes rows of the same file.

        Raises
        ------
        UnreadableFileError
            As `read`.
        """
        with open_fits(path, limits) as file:
            instrument = self.instrument_for(file)
            header = file.events.header.over(file.primary.header)
            timezero = number(header, "TIMEZERO", path) or 0.0
            read = self.energy_for(file, instrument, options)
            others = (one for one in instrument.energies if one.column.upper() != read.column.upper())
            return PhotonColumns(
                events=file.events,
                time=instrument.time,
                time_shift=timezero + self._to_frame_middle(file, instrument, self._frame_time(file, instrument)),
                timed_by_frame=instrument.timed_by_frame,
                x=instrument.x,
                y=instrument.y,
                energies=(read, *(one for one in others if one.column.upper() in file.events.columns)),
            )

    def apertures(self, observation: Observation) -> list[Aperture]:
        """The whole field where the instrument makes no image; else none, so that sources are looked for."""
        return whole_field(observation)

    # What an odd mission overrides.

    def instrument_for(self, file: FitsFile) -> Instrument:
        """The row of the table that describes this file."""
        found = text(file.events.header.over(file.primary.header), "INSTRUME").upper()
        for instrument in self.mission.instruments:
            if found in {name.upper() for name in instrument.instrume}:
                return instrument
        raise UnreadableFileError(file.path, f"INSTRUME = {found!r} is no instrument of {self.mission.telescop}")

    def energy_for(self, file: FitsFile, instrument: Instrument, options: OptionsT) -> Energy:
        """How energies are read from this file."""
        for energy in instrument.energies:
            if energy.column.upper() in file.events.columns:
                return energy
        wanted = " or ".join(energy.column for energy in instrument.energies)
        raise UnreadableFileError(file.path, f"no energies: table {file.events.name} has no column {wanted}")

    def gti_tables(self, file: FitsFile, instrument: Instrument) -> dict[int | None, list[Hdu]]:
        """GTI tables by detector, None standing for every detector."""
        layout, tables = matching_tables(file, instrument.gti)
        owners: dict[int | None, list[Hdu]] = {}
        for table in tables:
            owners.setdefault(layout.detector(table) if layout else None, []).append(table)
        if None in owners and len(owners) > 1:
            named = owners[None][0].name
            raise UnreadableFileError(
                file.path, f"GTI table {named} does not say which detector it is of; add its keyword"
            )
        return owners

    def single_detector(self, file: FitsFile, instrument: Instrument) -> tuple[int, str]:
        """Number and name of the detector of an instrument that has one."""
        return 0, text(file.events.header, "DETNAM", "INSTRUME")

    def detectors(self, file: FitsFile, instrument: Instrument, timezero: float) -> tuple[DetectorUnit, ...]:
        """Detectors with their good times; `timezero` is that of the events, s."""
        owners = self.gti_tables(file, instrument)
        if instrument.detector_column is None:
            number_, name = self.single_detector(file, instrument)
            named = {number_: (name, [table for tables in owners.values() for table in tables])}
        else:
            numbers = _detectors_of_events(file, instrument) if set(owners) <= {None} else set(owners)
            named = {
                n: (instrument.detector_name.format(n=n), owners.get(n) or owners.get(None, []))
                for n in sorted(n for n in numbers if n is not None)
            }
        found = tuple(
            self._detector(file, instrument, n, name, tables, timezero) for n, (name, tables) in named.items()
        )
        if owners:
            refuse_empty(file.path, (one.gti for one in found))
        return found

    def live_fraction(self, file: FitsFile, instrument: Instrument, detector: int, tables: list[Hdu]) -> float:
        """Livetime over good time of a detector."""
        headers = [file.events.header, *(table.header for table in tables), file.primary.header]
        return live_fraction(headers, instrument.live_keywords, detector, file.path)

    def point_spread_for(self, file: FitsFile, instrument: Instrument) -> PointSpread | None:
        """The point spread of this exposure."""
        return instrument.point_spread

    def pointing(self, file: FitsFile) -> tuple[float, float] | None:
        """Optical axis, ICRS deg; never RA_OBJ, DEC_OBJ."""
        return pair(file.events.header.over(file.primary.header), "RA_PNT", "DEC_PNT", file.path)

    def per_source_id(self, path: Path) -> str:
        """Detection id of a file that holds one source only."""
        return ""

    # The road from file to observation.

    def _observe(self, file: FitsFile, options: OptionsT, limits: ReadLimits) -> Observation:
        events, path = file.events, file.path
        if events.rows == 0:
            raise UnreadableFileError(path, f"table {events.name} holds no events")
        header = events.header.over(file.primary.header)
        instrument = self.instrument_for(file)
        events.require(instrument.time)
        reference = time_reference((events.header, file.primary.header), path)
        timezero = number(header, "TIMEZERO", path) or 0.0
        frame_time = self._frame_time(file, instrument)
        detectors = self.detectors(file, instrument, timezero)
        projection, fault = self._projection(file, instrument)
        field = instrument.field_of_view if projection is None else None
        reader = EventReader(
            file=file,
            limits=limits,
            events=events,
            detectors=detectors,
            time_shift=timezero + self._to_frame_middle(file, instrument, frame_time),
            time_column=instrument.time,
            x_column=instrument.x if projection else None,
            y_column=instrument.y if projection else None,
            position_null=instrument.position_null,
            detector_column=instrument.detector_column,
            detector_modulo=instrument.detector_modulo,
            energy=self.energy_for(file, instrument, options),
            rules=instrument.rules,
            band=instrument.band,
            band_open=instrument.band_open,
        )
        return Observation(
            path=path,
            mission=text(header, "TELESCOP"),
            instrument=text(header, "INSTRUME"),
            mode=" ".join(said for key in instrument.mode_keywords if (said := text(header, key))),
            obs_id=text(header, "OBS_ID"),
            object_name=text(header, "OBJECT"),
            time_reference=reference,
            span=self._span(file, detectors, timezero),
            frame_time=frame_time,
            band=instrument.band,
            hardness_split=instrument.hardness_split,
            detectors=detectors,
            exposure=number(header, "EXPOSURE", path),
            pointing=self.pointing(file),
            projection=projection,
            projection_fault=fault,
            field_of_view=field.about(header, path) if field else None,
            point_spread=self.point_spread_for(file, instrument),
            load_events=reader.load,
            load_columns=reader.columns,
            per_source_id=self.per_source_id(path),
            companions=tuple(self.companions(path)),
            detector_pixel_arcsec=instrument.detector_pixel_arcsec,
            chips=self._chips(file, instrument),
            pixels=self._pixels(file, instrument),
        )

    def _frame_time(self, file: FitsFile, instrument: Instrument) -> float:
        # XMM states its frame time in the headers of exposure and GTI tables only, so every header is asked.
        headers = [file.events.header, *(hdu.header for hdu in file.hdus)]
        for key, seconds in instrument.frame_keywords:
            found = first_number(headers, key, file.path)
            if found is not None and found > 0:
                return found * seconds
        return instrument.frame_default

    def _to_frame_middle(self, file: FitsFile, instrument: Instrument, frame_time: float) -> float:
        """What moves TIME to the middle of its frame, s."""
        where = number(file.events.header, "TIMEPIXR", file.path) if instrument.timed_by_frame else None
        if where is None:
            return 0.0
        if not 0 <= where <= 1:
            raise UnreadableFileError(file.path, f"header keyword TIMEPIXR = {where} is not in a frame (0 to 1)")
        return (0.5 - where) * frame_time

    def _detector(
        self, file: FitsFile, instrument: Instrument, n: int, name: str, tables: list[Hdu], timezero: float
    ) -> DetectorUnit:
        gti = good_times(file, tables, name, timezero)
        gti.setflags(write=False)
        return DetectorUnit(n, name, gti, self.live_fraction(file, instrument, n, tables))

    def _projection(self, file: FitsFile, instrument: Instrument) -> tuple[SkyProjection | None, str]:
        """The sky grid, or why there is none."""
        header = file.events.header.over(file.primary.header)
        for mode in instrument.no_image:
            if text(header, mode.keyword).upper().startswith(mode.value):
                return None, mode.reason
        if any(name.upper() not in file.events.columns for name in (instrument.x, instrument.y)):
            return None, f"no columns {instrument.x}, {instrument.y}: its events have no sky position"
        projection = sky_projection(file.events, instrument.x, instrument.y)
        null, stated = instrument.position_null, file.events.require(instrument.x).null
        if null is None and stated is None:
            return projection, ""
        # Any one position will do, so as a rule this reads the first block only.
        if any(is_position(rows.column(instrument.x), null, stated).any() for rows in file.blocks(file.events)):
            return projection, ""
        return None, f"column {instrument.x} is null in every row: its events have no sky position"

    def _chips(self, file: FitsFile, instrument: Instrument) -> ChipLayout | None:
        """Where the events fell on their chips, unless the columns were cut away."""
        chips = instrument.chips
        needed = (*chips.chip, *chips.focal) if chips else ()
        return chips if all(name.upper() in file.events.columns for name in needed) else None

    def _pixels(self, file: FitsFile, instrument: Instrument) -> PixelLayout | None:
        """On which pixels the events fell, unless the columns were cut away."""
        pixels = instrument.pixels
        return pixels if pixels and all(name.upper() in file.events.columns for name in pixels.columns) else None

    def _span(self, file: FitsFile, detectors: tuple[DetectorUnit, ...], timezero: float) -> tuple[float, float]:
        sets = [one.gti for one in detectors if len(one.gti)]
        if sets:
            return float(min(gti[0, 0] for gti in sets)), float(max(gti[-1, 1] for gti in sets))
        header = file.events.header.over(file.primary.header)
        start, stop = number(header, "TSTART", file.path), number(header, "TSTOP", file.path)
        if start is None or stop is None:
            raise UnreadableFileError(file.path, "neither good-time intervals nor TSTART and TSTOP: no time span")
        return start + timezero, stop + timezero


def _detectors_of_events(file: FitsFile, instrument: Instrument) -> set[int | None]:
    """Numbers in the detector column, for files whose GTIs do not name detectors."""
    assert instrument.detector_column is not None
    numbers: set[int | None] = set()
    for rows in file.blocks(file.events):
        found = np.unique(rows.column(instrument.detector_column).astype(np.int64))
        numbers.update(int(n) % instrument.detector_modulo if instrument.detector_modulo else int(n) for n in found)
    return numbers
