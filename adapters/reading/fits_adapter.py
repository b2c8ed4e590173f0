"""Adapter of FITS event lists that are described by a `MissionTable`: `FitsAdapter`.

An instrument that needs more than the table overrides single methods. The adapters of xherald are written like this:

    class MyAdapter(FitsAdapter):
        '''Instrument, passband, notes, references.'''
        name = "mine"
        mission = MissionTable(telescop="MINE", instruments=(Instrument(...),))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from xherald.photons import Aperture, DetectorUnit, Observation, PixelLayout, PointSpread, SkyProjection
from xherald.photons.errors import FileError, GtiError, UnreadableFileError
from xherald.plugins.contract import InstrumentAdapter, OptionsT, ReadLimits

from .data_subspace import cut_region, grating
from .energies import Energy
from .exposure_tables import read_attitude, read_bad_pixels, read_live_curves
from .field_of_view import whole_field
from .fits_files import FitsFile, Hdu, load_fits, open_fits
from .gti_tables import find_gti_tables, live_fraction, read_good_times, require_intervals
from .headers import get_first_number, get_number, get_sky_position, get_text
from .mission_table import Instrument, MissionTable
from .pixel_list_wcs import sky_projection
from .screening import EventReader, is_position
from .time_keywords import is_barycentric, read_time_reference, require_seconds

__all__ = ["FitsAdapter", "PhotonColumns"]


@dataclass(frozen=True, slots=True, eq=False)
class PhotonColumns:
    """Columns of a file that describe a photon.

    Parameters
    ----------
    events : Hdu
    time : str — column
    time_shift : float
        s, from the column to the time in `FieldEvents`: TIMEZERO, and the shift to the middle of the frame.
    timed_by_frame : bool
        Whether all photons of a frame have the same time.
    x, y : str — columns of sky pixels
    energies : tuple of Energy
        All energy columns of the file, the one in use first.
    """

    events: Hdu
    time: str
    time_shift: float
    timed_by_frame: bool
    x: str
    y: str
    energies: tuple[Energy, ...]


class FitsAdapter(InstrumentAdapter[OptionsT]):
    """Reader of the event lists described by `mission`."""

    mission: ClassVar[MissionTable]

    def claims(self, path: Path, header: Mapping[str, object]) -> bool:
        """Claim files by TELESCOP and INSTRUME."""
        instruments = {name.upper() for one in self.mission.instruments for name in one.instrume}
        is_ours = get_text(header, "TELESCOP").upper() == self.mission.telescop.upper()
        return is_ours and get_text(header, "INSTRUME").upper() in instruments

    def instruments(self) -> Mapping[str, tuple[str, ...]]:
        """Instruments of the mission table."""
        return {self.mission.telescop: tuple(name for one in self.mission.instruments for name in one.instrume)}

    def read(self, path: Path, options: OptionsT, limits: ReadLimits) -> Observation:
        """Read headers and good times; photons are read at first use."""
        file = load_fits(path, limits, verify=True)
        try:
            return self._observe(file, options, limits)
        except BaseException:
            file.release()
            raise

    def photon_columns(self, path: Path, options: OptionsT, limits: ReadLimits) -> PhotonColumns:
        """Columns that describe a photon, for writing rows of the same file (injection).

        Raises
        ------
        UnreadableFileError
            See `read`.
        """
        with open_fits(path, limits) as file:
            if file.events.parts:
                raise UnreadableFileError(
                    path, "has several events tables; photons can be added to files with one only"
                )
            instrument = self.instrument_for(file)
            header = file.events.header.over(file.primary.header)
            timezero = get_number(header, "TIMEZERO", path) or 0.0
            read = self.energy_for(file, instrument, options)
            others = (one for one in instrument.energies if one.column.upper() != read.column.upper())
            return PhotonColumns(
                events=file.events,
                time=instrument.time,
                time_shift=timezero + self._shift_to_frame_middle(file, instrument, self._frame_time(file, instrument)),
                timed_by_frame=instrument.timed_by_frame,
                x=instrument.x,
                y=instrument.y,
                energies=(read, *(one for one in others if one.column.upper() in file.events.columns)),
            )

    def apertures(self, observation: Observation) -> list[Aperture]:
        """The whole field for an instrument without images; else none, so that sources are detected."""
        return whole_field(observation)

    # Methods to override.

    def instrument_for(self, file: FitsFile) -> Instrument:
        """Instrument of the mission table that describes this file."""
        found = get_text(file.events.header.over(file.primary.header), "INSTRUME").upper()
        for instrument in self.mission.instruments:
            if found in {name.upper() for name in instrument.instrume}:
                return instrument
        raise UnreadableFileError(
            file.path, f"INSTRUME = {found!r} is not a supported instrument of {self.mission.telescop}"
        )

    def energy_for(self, file: FitsFile, instrument: Instrument, options: OptionsT) -> Energy:
        """Energy column of this file."""
        for energy in instrument.energies:
            if energy.column.upper() in file.events.columns:
                return energy
        wanted = " or ".join(energy.column for energy in instrument.energies)
        raise UnreadableFileError(file.path, f"table {file.events.name} has no energy column {wanted}")

    def gti_tables(self, file: FitsFile, instrument: Instrument) -> dict[int | None, list[Hdu]]:
        """GTI tables by detector; key None for tables of all detectors."""
        layout, tables = find_gti_tables(file, instrument.gti)
        owners: dict[int | None, list[Hdu]] = {}
        for table in tables:
            owners.setdefault(layout.detector(table) if layout else None, []).append(table)
        if None in owners and len(owners) > 1:
            named = owners[None][0].name
            raise UnreadableFileError(file.path, f"GTI table {named} does not name its detector; add the keyword")
        return owners

    def single_detector(self, file: FitsFile, instrument: Instrument) -> tuple[int, str]:
        """Number and name of the only detector of an instrument."""
        return 0, get_text(file.events.header, "DETNAM", "INSTRUME")

    def detectors(self, file: FitsFile, instrument: Instrument, timezero: float) -> tuple[DetectorUnit, ...]:
        """Detectors with their good times; `timezero` is TIMEZERO of the events, s."""
        owners = self.gti_tables(file, instrument)
        if instrument.detector_column is None:
            number_, name = self.single_detector(file, instrument)
            named = {number_: (name, [table for tables in owners.values() for table in tables])}
        else:
            numbers = _detector_numbers(file, instrument) if set(owners) <= {None} else set(owners)
            named = {
                n: (instrument.detector_name.format(n=n), owners.get(n) or owners.get(None, []))
                for n in sorted(n for n in numbers if n is not None)
            }
        found = tuple(
            self._detector(file, instrument, n, name, tables, timezero) for n, (name, tables) in named.items()
        )
        # An empty list may have empty good times.
        if owners and file.events.rows:
            require_intervals(file.path, (one.gti for one in found))
        curves = read_live_curves(file, timezero)
        return tuple(replace(one, live_curve=curves[one.number]) if one.number in curves else one for one in found)

    def live_fraction(self, file: FitsFile, instrument: Instrument, detector: int, tables: list[Hdu]) -> float:
        """Livetime over good time of a detector."""
        headers = [file.events.header, *(table.header for table in tables), file.primary.header]
        return live_fraction(headers, instrument.live_keywords, detector, file.path)

    def point_spread_for(self, file: FitsFile, instrument: Instrument) -> PointSpread | None:
        """Point spread of this exposure."""
        return instrument.point_spread

    def pointing(self, file: FitsFile) -> tuple[float, float] | None:
        """Optical axis, ICRS deg, from RA_PNT and DEC_PNT, not RA_OBJ and DEC_OBJ."""
        return get_sky_position(file.events.header.over(file.primary.header), "RA_PNT", "DEC_PNT", file.path)

    def is_scan(self, file: FitsFile) -> bool:
        """Whether the telescope moves over the sky during the good times."""
        return False

    def per_source_id(self, path: Path) -> str:
        """Detection id of a file with a single source; "" for a field."""
        return ""

    def exposure_files(self, path: Path) -> list[Path]:
        """Companions that may have tables of attitude or bad pixels."""
        return []

    # From file to observation.

    @contextmanager
    def _files_beside(self, file: FitsFile, limits: ReadLimits) -> Iterator[list[FitsFile]]:
        """The `exposure_files`; those that cannot be read are noted."""
        with ExitStack() as stack:
            opened = []
            for path in self.exposure_files(file.path):
                try:
                    opened.append(stack.enter_context(open_fits(path, limits)))
                except FileError as fault:
                    file.note(f"{path.name} beside it was left out: {fault.reason}")
            yield opened

    def _observe(self, file: FitsFile, options: OptionsT, limits: ReadLimits) -> Observation:
        events, path = file.events, file.path
        header = events.header.over(file.primary.header)
        instrument = self.instrument_for(file)
        events.require(instrument.time)
        require_seconds(events, (instrument.time,))
        timezero = get_number(header, "TIMEZERO", path) or 0.0
        frame_time = self._frame_time(file, instrument)
        detectors = self._detectors(file, instrument, timezero)
        span = self._span(file, detectors, timezero)
        reference = read_time_reference(file, span, self.mission.telescop, self.mission.launch)
        file.require_intact()
        projection, fault = self._projection(file, instrument)
        field = instrument.field_of_view if projection is None else None
        pixels = self._pixels(file, instrument)
        with self._files_beside(file, limits) as beside:
            attitude = read_attitude((file, *beside), timezero)
            numbers = [one.number for one in detectors]
            bad_pixels = read_bad_pixels((file, *beside), pixels.columns, numbers) if pixels else {}
        reader = EventReader(
            file=file,
            limits=limits,
            events=events,
            detectors=detectors,
            time_shift=timezero + self._shift_to_frame_middle(file, instrument, frame_time),
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
            mission=get_text(header, "TELESCOP"),
            instrument=get_text(header, "INSTRUME"),
            mode=" ".join(value for key in instrument.mode_keywords if (value := get_text(header, key))),
            obs_id=get_text(header, "OBS_ID"),
            object_name=get_text(header, "OBJECT"),
            time_reference=reference,
            span=span,
            frame_time=frame_time,
            band=instrument.band,
            hardness_split=instrument.hardness_split,
            detectors=detectors,
            exposure=get_number(header, "EXPOSURE", path),
            pointing=self.pointing(file),
            projection=projection,
            projection_fault=fault,
            field_of_view=field.read_region(header, path) if field else None,
            point_spread=self.point_spread_for(file, instrument),
            load_events=reader.load,
            load_columns=reader.columns,
            per_source_id=self.per_source_id(path),
            companions=tuple(self.companion_paths(path)),
            detector_pixel_arcsec=instrument.detector_pixel_arcsec,
            cut_region=cut_region(file, projection) if projection else None,
            grating=grating(header),
            pixels=pixels,
            layout=instrument.layout if pixels else None,
            attitude=attitude,
            bad_pixels=bad_pixels,
            is_scan=self.is_scan(file),
            notes=file.notes,
            header_flags=("barycentric_times",) if is_barycentric(header) else (),
        )

    def _detectors(self, file: FitsFile, instrument: Instrument, timezero: float) -> tuple[DetectorUnit, ...]:
        """Detectors; invalid good times of a damaged file are reported as damage."""
        try:
            return self.detectors(file, instrument, timezero)
        except GtiError as fault:
            file.require_intact()
            raise UnreadableFileError(file.path, str(fault)) from fault

    def _frame_time(self, file: FitsFile, instrument: Instrument) -> float:
        # All headers, since XMM has the frame time only in those of exposure and GTI tables.
        headers = [file.events.header, *(hdu.header for hdu in file.hdus)]
        for key, seconds in instrument.frame_keywords:
            found = get_first_number(headers, key, file.path)
            if found is not None and found > 0:
                return found * seconds
        return instrument.frame_default

    def _shift_to_frame_middle(self, file: FitsFile, instrument: Instrument, frame_time: float) -> float:
        """Shift from TIME to the middle of its frame, s."""
        position = get_number(file.events.header, "TIMEPIXR", file.path) if instrument.timed_by_frame else None
        if position is None:
            return 0.0
        if not 0 <= position <= 1:
            raise UnreadableFileError(file.path, f"header keyword TIMEPIXR = {position} is not in [0, 1]")
        return (0.5 - position) * frame_time

    def _detector(
        self, file: FitsFile, instrument: Instrument, n: int, name: str, tables: list[Hdu], timezero: float
    ) -> DetectorUnit:
        gti = read_good_times(file, tables, name, timezero)
        gti.setflags(write=False)
        return DetectorUnit(n, name, gti, self.live_fraction(file, instrument, n, tables))

    def _projection(self, file: FitsFile, instrument: Instrument) -> tuple[SkyProjection | None, str]:
        """Sky projection, or None and the reason."""
        header = file.events.header.over(file.primary.header)
        for mode in instrument.no_image:
            if get_text(header, mode.keyword).upper().startswith(mode.value):
                return None, mode.reason
        if any(name.upper() not in file.events.columns for name in (instrument.x, instrument.y)):
            return None, f"no columns {instrument.x}, {instrument.y}, so events have no sky positions"
        projection = sky_projection(file.events, instrument.x, instrument.y, file.primary.header)
        null, tnull = instrument.position_null, file.events.require(instrument.x).null
        if (null is None and tnull is None) or not file.events.rows:
            return projection, ""
        # One position is enough, so that usually only the first block is read.
        if any(is_position(rows.column(instrument.x), null, tnull).any() for rows in file.blocks(file.events)):
            return projection, ""
        return None, f"column {instrument.x} is null in all rows, so events have no sky positions"

    def _pixels(self, file: FitsFile, instrument: Instrument) -> PixelLayout | None:
        """Columns of detector pixels, if the file has them."""
        pixels = instrument.pixels
        return pixels if pixels and all(name.upper() in file.events.columns for name in pixels.columns) else None

    def _span(self, file: FitsFile, detectors: tuple[DetectorUnit, ...], timezero: float) -> tuple[float, float]:
        sets = [one.gti for one in detectors if len(one.gti)]
        if sets:
            return float(min(gti[0, 0] for gti in sets)), float(max(gti[-1, 1] for gti in sets))
        header = file.events.header.over(file.primary.header)
        start, stop = get_number(header, "TSTART", file.path), get_number(header, "TSTOP", file.path)
        if start is None or stop is None:
            raise UnreadableFileError(
                file.path, "no time span: it has neither good-time intervals nor TSTART and TSTOP"
            )
        return start + timezero, stop + timezero


def _detector_numbers(file: FitsFile, instrument: Instrument) -> set[int | None]:
    """Numbers in the detector column, for files whose GTI tables do not name detectors."""
    assert instrument.detector_column is not None
    numbers: set[int | None] = set()
    for rows in file.blocks(file.events):
        found = np.unique(rows.column(instrument.detector_column).astype(np.int64))
        numbers.update(int(n) % instrument.detector_modulo if instrument.detector_modulo else int(n) for n in found)
    return numbers
