"""Rules of instrument adapters on wrong copies of good files, and the floors of reading; entered after `adapters`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.adapters.reading.headers import number
from xherald.photons import EventBatch, Observation
from xherald.photons.errors import OversizeFileError, XheraldError
from xherald.plugins.contract import ReadLimits
from xherald.plugins.testing.common_rules import add_stateless, peak_of, require_memory, require_speed, seconds_of
from xherald.plugins.testing.rules import Skipped, Violation, require

from .adapter_case import AdapterCase, GoodFile
from .adapter_rules import ADAPTER_RULES

__all__: list[str] = []

EVENTS_A_SECOND: Final = 50_000
TIMES_THE_TABLE: Final = 20
LONG: Final = 200_000
"""Rows of the copies that speed and memory are measured on."""

SHIFT_S: Final = -1.5

rule = ADAPTER_RULES.rule


@rule("unsorted", "Rows may come in any order: the same photons come out, sorted.")
def _unsorted(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        before = one.observation.events

        def shuffled(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return rows[np.random.default_rng(1).permutation(len(rows))]

        path = one.copy.with_rows(one.folder("unsorted"), shuffled)
        content = one.refused(path, "with its rows in another order")
        if not isinstance(content, Observation):
            raise Violation(f"{path.name} with its rows in another order was refused; sort them")
        after = content.events
        require((np.diff(after.time) >= 0).all(), f"{path.name} with its rows in another order: photons are not sorted")
        equal = len(after) == len(before) and bool((after.time == before.time).all())
        require(equal, f"{path.name} with its rows in another order gives other photons")

    case.each(look)


@rule("timezero", "TIMEZERO is added to photons and good times alike.")
def _timezero(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        before, copy = one.observation, one.copy
        places = {0, copy.place, *copy.good_time_places}
        cards: dict[int, dict[str, str | None]] = {}
        for place in places:
            hdu = copy.file.hdus[place]
            cards[place] = {"TIMEZERO": repr((number(hdu.header, "TIMEZERO", hdu.path) or 0.0) + SHIFT_S)}
        path = copy.with_cards(one.folder("timezero"), cards)
        content = one.refused(path, "with another TIMEZERO")
        if not isinstance(content, Observation):
            raise Violation(f"{path.name} with another TIMEZERO was refused; add it to photons and good times")
        off = float(np.abs(content.events.time - before.events.time - SHIFT_S).max())
        require(off < 1e-5, f"{path.name}: photons do not move with TIMEZERO")
        for ours, theirs in zip(before.detectors, content.detectors, strict=True):
            off = float(np.abs(theirs.gti - ours.gti - SHIFT_S).max(initial=0.0))
            require(off < 1e-5, f"{path.name}: good times of {ours.name} do not move with TIMEZERO")

    case.each(look)


@rule("nulls", "Rows whose sky position is null (NaN, or TNULL) are lost, and counted.")
def _nulls(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        rows = one.observation.events.row[:5]
        column = one.sky_columns[0]
        assert column.dtype is not None
        if column.dtype.kind != "f" and column.null is None:
            raise Skipped(f"column {column.name} states no null; set TNULL in a test file to have it checked")
        null = np.nan if column.dtype.kind == "f" else column.null

        def changed(stored: NDArray[Any]) -> NDArray[Any]:
            stored[rows] = null
            return stored

        content = one.refused(one.copy.with_values(one.folder("nulls"), column, changed), "with null positions")
        if isinstance(content, Observation):
            kept = int(np.isin(content.events.row, rows).sum())
            require(
                not kept, f"{one.path.name}: {kept} photons whose {column.name} is null are kept; drop and count them"
            )

    case.each(look)


@rule("refuses-truncated", "A file that is cut off is refused.")
def _truncated(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        folder = one.folder("cut")
        if one.is_fits:
            one.must_refuse(one.copy.cut(folder), "cut off in the middle of its photons")
        elif one.path.suffix.lower() == ".csv":
            raise Skipped("nobody can tell that text is cut off")
        else:
            one.must_refuse(one.table.cut(folder), "cut off in the middle")

    case.each(look)


@rule("refuses-no-times", "A file without its column of times is refused.")
def _no_times(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        folder = one.folder("no-times")
        if one.is_fits:
            card: dict[str, str | None] = {f"TTYPE{one.time_column.number}": "'GONE    '"}
            one.must_refuse(one.copy.with_cards(folder, {one.copy.place: card}), "without its column of times")
        else:
            one.must_refuse(one.table.without(folder, _time_of(one)), "without its column of times")

    case.each(look)


@rule("refuses-nan-times", "Times that are not finite are refused, or lost and counted; never kept.")
def _nan_times(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        what = "with a time that is NaN"
        if one.is_fits:
            if one.time_column.dtype is None or one.time_column.dtype.kind != "f":
                raise Skipped("times are whole numbers, which cannot be NaN")

            def changed(stored: NDArray[Any]) -> NDArray[Any]:
                stored[len(stored) // 2] = np.nan
                return stored

            content = one.refused(one.copy.with_values(one.folder("nan"), one.time_column, changed), what)
        else:
            content = one.refused(one.table.with_nan(one.folder("nan"), _time_of(one)), what)
        if isinstance(content, Observation):
            lost = content.events.screening.kept < one.observation.events.screening.kept
            require(
                lost and np.isfinite(content.events.time).all(), f"{one.path.name} {what}: it was kept; refuse the file"
            )
        elif content is not None:
            raise Violation(f"{one.path.name} {what} was read as if nothing were wrong; refuse it")

    case.each(look)


@rule("refuses-wrong-units", "Energies a thousand times too large are refused or lost, never kept outside the band.")
def _wrong_units(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        column = one.energy_column
        assert column.dtype is not None
        folder, place = one.folder("units"), one.copy.place
        if column.dtype.kind == "f":
            path = one.copy.with_values(folder, column, lambda stored: stored * 1000)
        else:
            path = one.copy.with_cards(folder, {place: {f"TSCAL{column.number}": repr(1000.0 * column.scale)}})
        content = one.refused(path, "with energies a thousand times too large")
        if isinstance(content, Observation):
            low, high = content.band
            most = float(content.events.energy.max(initial=low))
            require(most <= high + 1e-4, f"{path.name}: energies up to {most:g} keV are kept; screen them by the band")

    case.each(look)


@rule(
    "refuses-no-good-times", "Without good times a file is refused, or its detectors have none; they are never made up."
)
def _no_good_times(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        places = [place for place in one.copy.good_time_places if place != one.copy.place]
        if not places:
            raise Skipped("no table has columns START and STOP")
        content = one.refused(one.copy.without(one.folder("no-gti"), places), "without its good times")
        if isinstance(content, Observation):
            made_up = [detector.name for detector in content.detectors if len(detector.gti)]
            require(
                not made_up, f"{one.path.name}: good times of {', '.join(made_up)} came from nowhere; leave them empty"
            )

    case.each(look)


@rule("refuses-nonsense-sky", "A sky projection that is nonsense is refused, or there is none and the reason is told.")
def _nonsense_sky(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        across, up = one.sky_columns
        wrong: tuple[tuple[str, dict[str, str | None]], ...] = (
            ("with a text for TCRVL", {f"TCRVL{across.number}": "'nonsense'"}),
            ("with no TCRVL", {f"TCRVL{up.number}": None}),
            ("with a pixel of no size", {f"TCDLT{across.number}": "0.0"}),
        )
        for what, card in wrong:
            content = one.refused(one.copy.with_cards(one.folder("sky"), {one.copy.place: card}), what)
            if isinstance(content, Observation):
                told = content.projection is None and content.projection_fault
                require(told, f"{one.path.name} {what}: a projection was made of it; refuse it")

    case.each(look)


@rule("refusals-say-where", "A refusal is one line that names the file.")
def _say_where(case: AdapterCase) -> None:
    for one in case.files:
        path = one.folder("named") / one.path.name
        path.write_bytes(one.path.read_bytes()[:100])
        try:
            content = one.read(path)
            _ = content.events if isinstance(content, Observation) else content
        except XheraldError as fault:
            said = str(fault)
            require(path.name in said, f"the refusal {said!r} does not name {path.name}")
            require("\n" not in said, f"the refusal of {path.name} has several lines: {said!r}")
        except Exception as fault:
            raise Violation(f"the first 100 bytes of {path.name} raised {type(fault).__name__}: {fault}") from fault


@rule("limits", "A file with more events than the limit is refused with an OversizeFileError.")
def _limits(case: AdapterCase) -> None:
    for one in case.files:
        content = one.content
        photons = len(content.time) if isinstance(content, EventBatch) else content.events.screening.rows
        try:
            read = one.read(one.path, ReadLimits(max_events=max(photons - 1, 0)))
            _ = read.events if isinstance(read, Observation) else read
        except OversizeFileError:
            continue
        raise Violation(f"{one.path.name} was read though it holds more than max_events = {photons - 1}")


@rule("speed", f"At least {EVENTS_A_SECOND:,} events read a second.", floor=True)
def _speed(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        rows, _, read = _long(one)
        require_speed(seconds_of(read), rows, EVENTS_A_SECOND, f"events of {one.path.name}")

    case.each(look)


@rule("memory", f"At most {TIMES_THE_TABLE} times the table, and 64 MiB.", floor=True)
def _memory(case: AdapterCase) -> None:
    def look(one: GoodFile) -> None:
        _, size, read = _long(one)
        require_memory(peak_of(read), size, TIMES_THE_TABLE, f"table of {one.path.name}")

    case.each(look)


add_stateless(ADAPTER_RULES)


def _long(one: GoodFile) -> tuple[int, int, Any]:
    """Rows and bytes of a long copy, and what reads it whole."""
    if one.is_fits:
        hdu = one.copy.events
        times = -(-LONG // hdu.rows)
        path = one.copy.with_rows(one.folder("long"), lambda rows: np.tile(rows, (times, 1)))
        rows, size = times * hdu.rows, times * hdu.rows * hdu.row_bytes
    else:
        assert isinstance(one.content, EventBatch)
        path, rows, size = one.path, len(one.content.time), one.path.stat().st_size
        if rows < LONG:
            raise Skipped(f"{path.name} holds {rows:,} photons; give a table of {LONG:,} for speed and memory")

    def read() -> None:
        content = one.read(path)
        if isinstance(content, Observation):
            _ = content.events

    return rows, size, read


def _time_of(one: GoodFile) -> str:
    assert isinstance(one.content, EventBatch)
    name = one.table.time_column(one.content)
    if name is None:
        raise Skipped("no column of the table goes with the times, so none can be spoilt")
    return name
