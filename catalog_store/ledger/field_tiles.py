"""Coarse maps of observations, kept so that a place can be asked for where nothing was found: rows of table `fields`.

A map is cut into tiles, patches of 64 x 64 HEALPix pixels, so that a place is answered by reading one or a few of them,
whatever the field. A tile is found by its number in the UNIQ scheme, which is one for all orders (IVOA MOC 2.0, 2022,
section 4.3.1: pixel + 4 * 4^order).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64
from xherald.photons.errors import StoreError
from xherald.photons.pointspread import PointSpread
from xherald.photons.sky_map import COARSEST, FINEST, SkyMap, pixel_of, pixel_side_arcsec

from .history_records import FieldTile
from .records import Json

__all__ = ["is_whole", "map_of", "tiles_about", "tiles_of"]


TILE: Final = 6
"""Orders by which a tile is coarser than its pixels."""

PIXELS: Final = 4**TILE

STEPS_A_FACTOR_OF_TWO: Final = 24
"""Background and livetime are kept to 1.5 %, as logarithms below the tile's largest, in one byte each."""

NOTHING: Final = 255

SIZE: Final = 6 * PIXELS
"""Bytes of a tile: counts in four bytes a pixel, background and livetime in one each."""


def tiles_of(sky: SkyMap, energy_kev: float) -> tuple[FieldTile, ...]:
    """Cut a map into tiles.

    Parameters
    ----------
    sky : SkyMap
    energy_kev : float
        At which its point spread is kept, keV.
    """
    spread = sky.point_spread
    radii = [spread.half_and_ninety(angle, energy_kev) for angle in spread.off_axis_arcmin]
    told = {
        "off_axis_arcmin": list(spread.off_axis_arcmin),
        "r50_arcsec": [r50 for r50, _ in radii],
        "r90_arcsec": [r90 for _, r90 in radii],
        "pointing": None if sky.pointing is None else list(sky.pointing),
    }
    tiles, begins = np.unique(sky.pixels >> 2 * TILE, return_index=True)
    ends = np.append(begins[1:], len(sky.pixels))
    rows = [slice(begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return tuple(_tile(sky, tile, mine, told) for tile, mine in zip(tiles.tolist(), rows, strict=True))


def map_of(tiles: Iterable[FieldTile]) -> SkyMap:
    """Put tiles of one observation together again.

    Raises
    ------
    StoreError
        A tile is damaged, or there is none.
    """
    some = sorted(tiles, key=lambda one: one.uniq)
    if not some:
        raise StoreError("a map has at least one tile")
    order = (some[0].uniq.bit_length() - 3) // 2
    parts = [_unpacked(one) for one in some]
    told = some[0].spread
    spread = PointSpread(
        "as kept",
        tuple(told["off_axis_arcmin"]),
        (1.0,),
        (tuple(told["r50_arcsec"]),),
        (tuple(told["r90_arcsec"]),),
        0.0,
    )
    first = np.array([(one.uniq - 4 * 4**order) << 2 * TILE for one in some], dtype=np.int64)
    counts, background, livetime = (np.concatenate(column) for column in zip(*parts, strict=True))
    pixels = (first[:, None] + np.arange(PIXELS)).ravel()
    seen = livetime > 0
    pointing = None if told["pointing"] is None else (float(told["pointing"][0]), float(told["pointing"][1]))
    return SkyMap(
        order + TILE, pixels[seen], counts[seen].astype(np.int32), background[seen], livetime[seen], spread, pointing
    )


def tiles_about(ra: float, dec: float) -> list[int]:
    """UNIQ numbers of all tiles, of whatever order, that a look at a place may read.

    The point spread reaches a few pixels beyond the place: where a tile ends within that many, its neighbour is one.
    """
    found: set[int] = set()
    for order in range(COARSEST, FINEST + 1):
        reach = 6.0 * pixel_side_arcsec(order) / 3600.0
        turn = np.radians(np.arange(0, 360, 45))
        lat = np.clip(dec + reach * np.append(np.sin(turn), 0.0), -90.0, 90.0)
        lon = (ra + reach * np.append(np.cos(turn), 0.0) / np.maximum(np.cos(np.radians(lat)), 1e-9)) % 360.0
        found.update((pixel_of(lon, lat, order - TILE) + 4 * 4 ** (order - TILE)).tolist())
    return sorted(found)


def is_whole(tile: FieldTile) -> bool:
    """Whether a tile can be read."""
    try:
        _unpacked(tile)
    except StoreError:
        return False
    return True


def _tile(sky: SkyMap, tile: int, rows: slice, spread: Json) -> FieldTile:
    places = sky.pixels[rows] - (tile << 2 * TILE)
    counts = np.zeros(PIXELS, dtype="<u4")
    counts[places] = sky.counts[rows]
    peaks, coded = [], []
    for values in (sky.background[rows], sky.livetime[rows]):
        peak = float(values.max())
        codes = np.full(PIXELS, NOTHING, dtype=np.uint8)
        with np.errstate(divide="ignore"):
            steps = (
                np.round(-STEPS_A_FACTOR_OF_TWO * np.log2(values / peak)) if peak > 0 else np.full(len(values), np.inf)
            )
        codes[places] = np.where(values > 0, np.minimum(steps, NOTHING - 1), NOTHING).astype(np.uint8)
        peaks.append(peak)
        coded.append(codes.tobytes())
    content = zlib.compress(counts.tobytes() + b"".join(coded), 9)
    return FieldTile(tile + 4 * 4 ** (sky.order - TILE), peaks[0], peaks[1], content, spread)


def _unpacked(tile: FieldTile) -> tuple[NDArray[np.uint32], F64, F64]:
    """Counts, background and livetime of the 4096 pixels of a tile."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(tile.content, SIZE + 1)
    except zlib.error as fault:
        raise StoreError(f"field tile {tile.uniq}: damaged ({fault}); restore it from a backup") from fault
    if len(content) != SIZE or not unpacker.eof:
        raise StoreError(
            f"field tile {tile.uniq}: damaged (not {SIZE} bytes and a check sum); restore it from a backup"
        )
    counts = np.frombuffer(content, "<u4", PIXELS)
    codes = np.frombuffer(content, np.uint8, 2 * PIXELS, 4 * PIXELS).reshape(2, PIXELS)
    factor = np.where(codes == NOTHING, 0.0, 2.0 ** (-codes.astype(np.float64) / STEPS_A_FACTOR_OF_TWO))
    return counts.astype(np.uint32), tile.background_peak * factor[0], tile.livetime_peak * factor[1]
