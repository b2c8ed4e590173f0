"""Coarse sky maps of observations, from which upper limits follow where nothing was detected: table `map_tiles`.

A map is cut into tiles of 64 x 64 HEALPix pixels, so that a position needs one or a few of them, whatever the field.
Tiles of all orders are numbered in the UNIQ scheme (IVOA MOC 2.0, 2022, section 4.3.1: pixel + 4 * 4^order).
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
from xherald.photons.sky_map import MAX_ORDER, MIN_ORDER, SkyMap, healpix_index, pixel_side_arcsec

from .records import Json, MapTile

__all__ = ["find_overlapping_tiles", "find_tile_numbers", "is_readable", "join_tiles", "make_tiles", "tile_range"]

TILE_ORDERS: Final = 6
"""Orders by which a tile is coarser than its pixels."""

PIXELS: Final = 4**TILE_ORDERS

STEPS_PER_FACTOR_OF_TWO: Final = 24
"""Background and live time are stored in one byte each, as logarithms relative to the tile's maximum, to 1.5 %."""

EMPTY_CODE: Final = 255

TILE_BYTES: Final = 6 * PIXELS
"""Per pixel four bytes for the counts, one each for background and live time."""


def make_tiles(sky: SkyMap, energy_kev: float) -> tuple[MapTile, ...]:
    """Cut a sky map into tiles.

    Parameters
    ----------
    sky : SkyMap
    energy_kev : float
        Energy at which its point spread is stored, keV.
    """
    spread = sky.point_spread
    radii = [spread.r50_and_r90(angle, energy_kev) for angle in spread.off_axis_arcmin]
    point_spread = {
        "off_axis_arcmin": list(spread.off_axis_arcmin),
        "r50_arcsec": [r50 for r50, _ in radii],
        "r90_arcsec": [r90 for _, r90 in radii],
        "pointing": None if sky.pointing is None else list(sky.pointing),
    }
    tiles, begins = np.unique(sky.pixels >> 2 * TILE_ORDERS, return_index=True)
    ends = np.append(begins[1:], len(sky.pixels))
    rows = [slice(begin, end) for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    return tuple(_tile(sky, tile, mine, point_spread) for tile, mine in zip(tiles.tolist(), rows, strict=True))


def join_tiles(tiles: Iterable[MapTile]) -> SkyMap:
    """Join the tiles of one observation.

    Raises
    ------
    StoreError
        A tile is damaged, or there are no tiles.
    """
    some = sorted(tiles, key=lambda one: one.uniq)
    if not some:
        raise StoreError("a sky map needs at least one tile")
    order, _ = _split(some[0].uniq)
    parts = [_unpack(one) for one in some]
    stored = some[0].point_spread
    spread = PointSpread(
        "stored",
        tuple(stored["off_axis_arcmin"]),
        (1.0,),
        (tuple(stored["r50_arcsec"]),),
        (tuple(stored["r90_arcsec"]),),
        0.0,
    )
    first = np.array([_split(one.uniq)[1] << 2 * TILE_ORDERS for one in some], dtype=np.int64)
    counts, background, livetime = (np.concatenate(column) for column in zip(*parts, strict=True))
    pixels = (first[:, None] + np.arange(PIXELS)).ravel()
    seen = livetime > 0
    pointing = None if stored["pointing"] is None else (float(stored["pointing"][0]), float(stored["pointing"][1]))
    return SkyMap(
        order + TILE_ORDERS,
        pixels[seen],
        counts[seen].astype(np.int32),
        background[seen],
        livetime[seen],
        spread,
        pointing,
    )


def find_tile_numbers(ra_deg: float, dec_deg: float) -> list[int]:
    """UNIQ numbers of all tiles, of every order, that may be needed for a position.

    The point spread extends a few pixels from the position: near the edge of a tile, its neighbour is needed, too.
    """
    found: set[int] = set()
    for order in range(MIN_ORDER, MAX_ORDER + 1):
        reach = 6.0 * pixel_side_arcsec(order) / 3600.0
        angle = np.radians(np.arange(0, 360, 45))
        lat = np.clip(dec_deg + reach * np.append(np.sin(angle), 0.0), -90.0, 90.0)
        lon = (ra_deg + reach * np.append(np.cos(angle), 0.0) / np.maximum(np.cos(np.radians(lat)), 1e-9)) % 360.0
        found.update((healpix_index(lon, lat, order - TILE_ORDERS) + 4 * 4 ** (order - TILE_ORDERS)).tolist())
    return sorted(found)


def find_overlapping_tiles(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ranges of UNIQ numbers, first and last, of the tiles of every order that overlap with some tiles."""
    found: set[tuple[int, int]] = set()
    for number in numbers:
        own, pixel = _split(number)
        for order in range(MIN_ORDER - TILE_ORDERS, MAX_ORDER - TILE_ORDERS + 1):
            finer = 2 * (order - own)
            first, last = (
                (pixel << finer, ((pixel + 1) << finer) - 1) if finer >= 0 else (pixel >> -finer, pixel >> -finer)
            )
            found.add((first + 4 * 4**order, last + 4 * 4**order))
    return sorted(found)


def tile_range(number: int, order: int) -> tuple[int, int]:
    """First and last pixel of a finer HEALPix order in a tile."""
    own, pixel = _split(number)
    finer = 2 * (order - own)
    return pixel << finer, ((pixel + 1) << finer) - 1


def _split(number: int) -> tuple[int, int]:
    """Order and pixel of a UNIQ number."""
    order = (number.bit_length() - 3) // 2
    return order, number - 4 * 4**order


def is_readable(tile: MapTile) -> bool:
    """Whether a tile is undamaged."""
    try:
        _unpack(tile)
    except StoreError:
        return False
    return True


def _tile(sky: SkyMap, tile: int, rows: slice, point_spread: Json) -> MapTile:
    index = sky.pixels[rows] - (tile << 2 * TILE_ORDERS)
    counts = np.zeros(PIXELS, dtype="<u4")
    counts[index] = sky.counts[rows]
    peaks, coded = [], []
    for values in (sky.background[rows], sky.livetime[rows]):
        peak = float(values.max())
        codes = np.full(PIXELS, EMPTY_CODE, dtype=np.uint8)
        with np.errstate(divide="ignore"):
            steps = (
                np.round(-STEPS_PER_FACTOR_OF_TWO * np.log2(values / peak))
                if peak > 0
                else np.full(len(values), np.inf)
            )
        codes[index] = np.where(values > 0, np.minimum(steps, EMPTY_CODE - 1), EMPTY_CODE).astype(np.uint8)
        peaks.append(peak)
        coded.append(codes.tobytes())
    content = zlib.compress(counts.tobytes() + b"".join(coded), 9)
    return MapTile(tile + 4 * 4 ** (sky.order - TILE_ORDERS), peaks[0], peaks[1], content, point_spread)


def _unpack(tile: MapTile) -> tuple[NDArray[np.uint32], F64, F64]:
    """Counts, background and live time of the 4096 pixels of a tile."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(tile.content, TILE_BYTES + 1)
    except zlib.error as fault:
        raise StoreError(f"map tile {tile.uniq}: damaged ({fault}); restore it from a backup") from fault
    if len(content) != TILE_BYTES or not unpacker.eof:
        raise StoreError(f"map tile {tile.uniq}: damaged (wrong length or checksum); restore it from a backup")
    counts = np.frombuffer(content, "<u4", PIXELS)
    codes = np.frombuffer(content, np.uint8, 2 * PIXELS, 4 * PIXELS).reshape(2, PIXELS)
    factor = np.where(codes == EMPTY_CODE, 0.0, 2.0 ** (-codes.astype(np.float64) / STEPS_PER_FACTOR_OF_TWO))
    return counts.astype(np.uint32), tile.background_peak * factor[0], tile.livetime_peak * factor[1]
