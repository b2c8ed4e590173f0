"""Instruments without an image, and bits of event flags: what a mission's table can say beyond imaging cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_fields import on_two_detectors, simulated_field

from xherald.adapters import FieldOfView, Rule
from xherald.adapters.reading.field_of_view import whole_field
from xherald.photons import Aperture, Ellipse, Observation
from xherald.photons.errors import FileError, UnreadableFileError
from xherald.photons.extraction import extract, extract_with_rows

SECOND = np.array([[0.0, 5_000.0]])
SEEN = Ellipse.circle(150.0, 2.0, 185.4)


@pytest.fixture
def blind() -> Observation:
    """Two detectors that look at the same; the second for the first 5 of 20 ks, 90 % of it live."""
    imaging = on_two_detectors(simulated_field(6, 6_000), SECOND)
    return replace(imaging, projection=None, point_spread=None, pointing=None, field_of_view=SEEN)


def test_all_photons_belong_to_one_source(blind: Observation) -> None:
    batch, rows = extract_with_rows(blind, whole_field(blind))
    np.testing.assert_array_equal(rows, np.arange(len(blind.events)))
    np.testing.assert_array_equal(batch.time, blind.events.time)
    np.testing.assert_array_equal(batch.energy, blind.events.energy)
    (who,) = batch.identities
    assert (who.ra, who.dec, who.pos_err_arcsec, who.off_axis_arcmin) == (150.0, 2.0, None, None)
    assert who.flags == ("no_image", "no_background")


def test_detectors_share_the_exposure(blind: Observation) -> None:
    batch = extract(blind, whole_field(blind))
    np.testing.assert_array_equal(batch.gti, [[0.0, 5_000.0], [5_000.0, 20_000.0]])
    np.testing.assert_allclose(batch.gti_fraction, [1.0, 0.5])
    # 20 ks of the first at 1, 5 ks of the second at 0.9.
    assert batch.live_fraction[0] == pytest.approx((20.0 * 1.0 + 5.0 * 0.9) / 25.0)
    assert batch.livetime[0] == pytest.approx(12_500.0 * batch.live_fraction[0])


def test_instrument_with_images_has_no_field_source() -> None:
    assert whole_field(simulated_field(6, 100)) == []


def test_other_aperture_is_refused(blind: Observation) -> None:
    smaller = Aperture("one", 150.0, 2.0, Ellipse.circle(150.0, 2.0, 60.0))
    with pytest.raises(FileError, match="its only source is the whole field"):
        extract(blind, [smaller])


def test_extraction_needs_positions_or_a_field_of_view(blind: Observation) -> None:
    nowhere = replace(blind, field_of_view=None, projection_fault="no columns X, Y")
    with pytest.raises(FileError, match="no columns X, Y"):
        extract(nowhere, [Aperture("one", 150.0, 2.0, SEEN)])


def test_first_available_position_is_used() -> None:
    field = FieldOfView(3.0, (("RA_TGT", "DEC_TGT"), ("RA_OBJ", "DEC_OBJ")))
    known = {"RA_TGT": 10.0, "DEC_TGT": -95.0, "RA_OBJ": 20.0, "DEC_OBJ": 5.0}
    assert field.read_region(known, Path("a.evt")) == Ellipse.circle(20.0, 5.0, 180.0)
    with pytest.raises(UnreadableFileError, match="add RA_TGT, DEC_TGT or RA_OBJ, DEC_OBJ"):
        field.read_region({}, Path("a.evt"))


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_bit_columns_agree_with_integers(flags: list[int], clear: int, set_: int) -> None:
    """In an integer column and in a bit column, whose bytes stand with the most significant first."""
    rule = Rule("FLAGS", "unfit", clear_bits=clear, set_bits=set_)
    wanted = [flag & clear == 0 and flag & set_ == set_ for flag in flags]
    numbers = np.array(flags, dtype=">i4")
    cells = np.array([[flag >> 8, flag & 0xFF] for flag in flags], dtype=np.uint8)
    assert rule.select(numbers).tolist() == wanted
    assert rule.select(cells).tolist() == wanted


def test_single_byte_of_bits_is_read() -> None:
    cells = np.array([[0b011000], [0b011001], [0b001000]], dtype=np.uint8)
    assert Rule("FLAGS", "unfit", clear_bits=0b000111, set_bits=0b010000).select(cells).tolist() == [True, False, False]
