"""Rules of instrument adapters on invalid copies of files, and requirements of speed and memory."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.adapters.reading.headers import get_number
from xherald.photons import EventBatch, Observation
from xherald.photons.errors import OversizeFileError, XheraldError
from xherald.plugins.contract import ReadLimits
from xherald.plugins.testing.common_rules import (
    add_stateless_rule,
    measure_peak_bytes,
    measure_seconds,
    require_memory,
    require_speed,
)
from xherald.plugins.testing.rules import Skipped, Violation, require

from .adapter_case import AdapterCase, GoodFile
from .adapter_rules import ADAPTER_RULES

__all__: list[str] = []

MIN_EVENTS_PER_SECOND: Final = 50_000
MAX_MEMORY_RATIO: Final = 20
LONG_COPY_ROWS: Final = 200_000
"""Rows of the copies on which speed and memory are measured."""

SHIFT_S: Final = -1.5

rule = ADAPTER_RULES.rule


@rule("unsorted", "Rows in any order give the same sorted photons.")
def _unsorted(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        before = one.observation.events

        def shuffled(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return rows[np.random.default_rng(1).permutation(len(rows))]

        path = one.copy.with_rows(one.folder("unsorted"), shuffled)
        content = one.read_or_refuse(path, "with its rows in another order")
        if not isinstance(content, Observation):
            raise Violation(f"{path.name} with its rows in another order was refused; sort the photons")
        after = content.events
        require((np.diff(after.time) >= 0).all(), f"{path.name} with its rows in another order: photons are not sorted")
        equal = len(after) == len(before) and bool((after.time == before.time).all())
        require(equal, f"{path.name} with its rows in another order gives other photons")

    case.for_each_file(check)


@rule("timezero", "TIMEZERO applies to photons and good times.")
def _timezero(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        before, copy = one.observation, one.copy
        places = {0, copy.index, *copy.good_time_indices}
        cards: dict[int, dict[str, str | None]] = {}
        for place in places:
            hdu = copy.file.hdus[place]
            cards[place] = {"TIMEZERO": repr((get_number(hdu.header, "TIMEZERO", hdu.path) or 0.0) + SHIFT_S)}
        path = copy.with_cards(one.folder("timezero"), cards)
        content = one.read_or_refuse(path, "with another TIMEZERO")
        if not isinstance(content, Observation):
            raise Violation(f"{path.name} with another TIMEZERO was refused; apply it to photons and good times")
        off = float(np.abs(content.events.time - before.events.time - SHIFT_S).max())
        require(off < 1e-5, f"{path.name}: TIMEZERO does not apply to photons")
        for ours, theirs in zip(before.detectors, content.detectors, strict=True):
            off = float(np.abs(theirs.gti - ours.gti - SHIFT_S).max(initial=0.0))
            require(off < 1e-5, f"{path.name}: TIMEZERO does not apply to the good times of {ours.name}")

    case.for_each_file(check)


@rule("nulls", "Rows with a null sky position (NaN or TNULL) are rejected and counted.")
def _nulls(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        rows = one.observation.events.row[:5]
        column = one.sky_columns[0]
        assert column.dtype is not None
        if column.dtype.kind != "f" and column.null is None:
            raise Skipped(f"column {column.name} has no TNULL; set it in a test file to check this rule")
        null = np.nan if column.dtype.kind == "f" else column.null

        def changed(stored: NDArray[Any]) -> NDArray[Any]:
            stored[rows] = null
            return stored

        content = one.read_or_refuse(one.copy.with_values(one.folder("nulls"), column, changed), "with null positions")
        if isinstance(content, Observation):
            kept = int(np.isin(content.events.row, rows).sum())
            require(
                not kept, f"{one.path.name}: {kept} photons with a null {column.name} are kept; reject and count them"
            )

    case.for_each_file(check)


@rule("refuses-truncated", "A truncated file is refused.")
def _truncated(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        folder = one.folder("cut")
        if one.is_fits:
            one.must_refuse(one.copy.cut(folder), "truncated in the middle of its photons")
        elif one.path.suffix.lower() == ".csv":
            raise Skipped("truncated text is still valid")
        else:
            one.must_refuse(one.table.cut(folder), "truncated in the middle")

    case.for_each_file(check)


@rule("refuses-no-times", "A file without its time column is refused.")
def _no_times(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        folder = one.folder("no-times")
        if one.is_fits:
            card: dict[str, str | None] = {f"TTYPE{one.time_column.number}": "'GONE    '"}
            one.must_refuse(one.copy.with_cards(folder, {one.copy.index: card}), "without its time column")
        else:
            one.must_refuse(one.table.without(folder, _time_of(one)), "without its time column")

    case.for_each_file(check)


@rule("refuses-nan-times", "Times that are not finite are refused, or rejected and counted.")
def _nan_times(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        what = "with a NaN time"
        if one.is_fits:
            if one.time_column.dtype is None or one.time_column.dtype.kind != "f":
                raise Skipped("times are integers, which cannot be NaN")

            kept = one.observation.events.row
            row = kept[len(kept) // 2]

            def changed(stored: NDArray[Any]) -> NDArray[Any]:
                stored[row] = np.nan
                return stored

            content = one.read_or_refuse(one.copy.with_values(one.folder("nan"), one.time_column, changed), what)
        else:
            content = one.read_or_refuse(one.table.with_nan(one.folder("nan"), _time_of(one)), what)
        if isinstance(content, Observation):
            lost = content.events.screening.kept < one.observation.events.screening.kept
            require(
                lost and np.isfinite(content.events.time).all(),
                f"{one.path.name} {what}: the photon was kept; refuse the file",
            )
        elif content is not None:
            assert isinstance(one.content, EventBatch)
            require(
                len(content.time) < len(one.content.time) and np.isfinite(content.time).all(),
                f"{one.path.name} {what}: the photon was kept; leave it out or refuse the file",
            )

    case.for_each_file(check)


@rule("refuses-wrong-units", "Energies a thousand times too large are refused or rejected.")
def _wrong_units(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        column = one.energy_column
        assert column.dtype is not None
        folder, place = one.folder("units"), one.copy.index
        if column.dtype.kind == "f":
            path = one.copy.with_values(folder, column, lambda stored: stored * 1000)
        else:
            path = one.copy.with_cards(folder, {place: {f"TSCAL{column.number}": repr(1000.0 * column.scale)}})
        content = one.read_or_refuse(path, "with energies a thousand times too large")
        if isinstance(content, Observation):
            low, high = content.band
            most = float(content.events.energy.max(initial=low))
            require(most <= high + 1e-4, f"{path.name}: energies up to {most:g} keV are kept; screen them for the band")

    case.for_each_file(check)


@rule("refuses-no-good-times", "A file without good times is refused, or its detectors have none.")
def _no_good_times(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        places = [place for place in one.copy.good_time_indices if place != one.copy.index]
        if not places:
            raise Skipped("no table has columns START and STOP")
        content = one.read_or_refuse(one.copy.without(one.folder("no-gti"), places), "without its good times")
        if isinstance(content, Observation):
            made_up = [detector.name for detector in content.detectors if len(detector.gti)]
            require(
                not made_up,
                f"{one.path.name}: {', '.join(made_up)} have good times that the file lacks; leave them empty",
            )

    case.for_each_file(check)


@rule("refuses-nonsense-sky", "An invalid sky projection is refused, or reported in projection_fault.")
def _nonsense_sky(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        across, up = one.sky_columns
        wrong: tuple[tuple[str, dict[str, str | None]], ...] = (
            ("with text in TCRVL", {f"TCRVL{across.number}": "'nonsense'"}),
            ("without TCRVL", {f"TCRVL{up.number}": None}),
            ("with a TCDLT of zero", {f"TCDLT{across.number}": "0.0"}),
        )
        for what, card in wrong:
            content = one.read_or_refuse(one.copy.with_cards(one.folder("sky"), {one.copy.index: card}), what)
            if isinstance(content, Observation):
                is_reported = content.projection is None and content.projection_fault
                require(is_reported, f"{one.path.name} {what} has a projection; refuse it")

    case.for_each_file(check)


@rule("refusals-say-where", "Errors are single lines that name the file.")
def _say_where(case: AdapterCase) -> None:
    for one in case.files:
        path = one.folder("named") / one.path.name
        path.write_bytes(one.path.read_bytes()[:100])
        try:
            content = one.read(path)
            _ = content.events if isinstance(content, Observation) else content
        except XheraldError as error:
            message = str(error)
            require(path.name in message, f"the error {message!r} does not name {path.name}")
            require("\n" not in message, f"the error for {path.name} has several lines: {message!r}")
        except Exception as error:
            raise Violation(f"the first 100 bytes of {path.name} raised {type(error).__name__}: {error}") from error


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
        raise Violation(f"{one.path.name} was read though it has more than max_events = {photons - 1}")


@rule("speed", f"At least {MIN_EVENTS_PER_SECOND:,} events per second are read.", is_performance=True)
def _speed(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        rows, _, read = _long(one)
        require_speed(measure_seconds(read), rows, MIN_EVENTS_PER_SECOND, f"events of {one.path.name}")

    case.for_each_file(check)


@rule("memory", f"At most {MAX_MEMORY_RATIO} times the size of the table plus 64 MiB are used.", is_performance=True)
def _memory(case: AdapterCase) -> None:
    def check(one: GoodFile) -> None:
        _, size, read = _long(one)
        require_memory(measure_peak_bytes(read), size, MAX_MEMORY_RATIO, f"table of {one.path.name}")

    case.for_each_file(check)


add_stateless_rule(ADAPTER_RULES)


def _long(one: GoodFile) -> tuple[int, int, Any]:
    """Rows and bytes of a long copy, and a function that reads it."""
    if one.is_fits:
        hdu = one.copy.events
        times = -(-LONG_COPY_ROWS // hdu.rows)
        path = one.copy.with_rows(one.folder("long"), lambda rows: np.tile(rows, (times, 1)))
        rows, size = times * hdu.rows, times * hdu.rows * hdu.row_bytes
    else:
        assert isinstance(one.content, EventBatch)
        path, rows, size = one.path, len(one.content.time), one.path.stat().st_size
        if rows < LONG_COPY_ROWS:
            raise Skipped(f"{path.name} has {rows:,} photons; give a table of {LONG_COPY_ROWS:,} for speed and memory")

    def read() -> None:
        content = one.read(path)
        if isinstance(content, Observation):
            _ = content.events

    return rows, size, read


def _time_of(one: GoodFile) -> str:
    assert isinstance(one.content, EventBatch)
    name = one.table.time_column(one.content)
    if name is None:
        raise Skipped("no column of the table corresponds to the times")
    return name
