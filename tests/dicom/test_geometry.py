"""Positions along the normal, and slice numbers from them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dicom import geometry


@pytest.mark.real_data
def test_real_slices_lie_in_the_order_of_their_numbers(real_data: Path) -> None:
    at = {}
    for path in sorted((real_data / "philips_r57" / "classic" / "2201").iterdir()):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        along = geometry.normal(list(header.ImageOrientationPatient))
        assert along is not None
        number = int(header.private_block(0x2001, "Philips Imaging DD 001")[0x0A].value)
        at[number] = geometry.position_mm(list(header.ImagePositionPatient), along)
    positions = [at[number] for number in sorted(at)]
    assert len(at) == 82
    assert np.allclose(np.abs(np.diff(positions)), 2.0, atol=1e-3)
    found = geometry.slice_numbers(positions, 2.0)
    assert found in (list(range(1, 83)), list(range(82, 0, -1)))


def test_normals_of_the_three_planes() -> None:
    assert geometry.normal((1, 0, 0, 0, 1, 0)) == (0, 0, 1)
    assert geometry.normal((0, 1, 0, 0, 0, -1)) == (-1, 0, 0)
    assert geometry.normal((1, 0, 0, 0, 0, -1)) == (0, 1, 0)


@pytest.mark.parametrize("axes", [(1, 0, 0, 1, 0, 0), (0, 0, 0, 0, 1, 0), (math.nan, 0, 0, 0, 1, 0), (0,) * 6])
def test_axes_that_span_no_plane_have_no_normal(axes: tuple[float, ...]) -> None:
    assert geometry.normal(axes) is None


def test_parallel_is_the_same_way_within_half_a_degree() -> None:
    slant = math.radians(0.4)
    assert geometry.parallel((0, 0, 1), (0, math.sin(slant), math.cos(slant)))
    assert not geometry.parallel((0, 0, 1), (0, math.sin(3 * slant), math.cos(3 * slant)))
    assert not geometry.parallel((0, 0, 1), (0, 0, -1))


def test_a_missing_slice_leaves_its_number_free_on_a_grid() -> None:
    assert geometry.slice_numbers([10.0, 2.5, 5.001], 2.5) == [4, 1, 2]
    assert geometry.slice_numbers([10.0, 2.5, 5.001]) == [3, 1, 2]


@pytest.mark.parametrize("spacing", [0.0, -3.0, 1e-9, 1e300, 7.0])
def test_a_spacing_that_does_not_fit_counts_for_nothing(spacing: float) -> None:
    assert geometry.slice_numbers([0.0, 3.0, 9.0, 3.0], spacing) == [1, 2, 3, 2]


def test_a_finer_grid_than_the_slices_leaves_no_gaps() -> None:
    assert geometry.slice_numbers([0.0, 5.0, 10.0], 2.5) == [1, 2, 3]


@given(st.lists(st.floats(-1e4, 1e4), max_size=40), st.none() | st.floats(allow_nan=True))
def test_numbers_ascend_with_positions_and_tell_slices_apart(positions: list[float], spacing: float | None) -> None:
    numbers = geometry.slice_numbers(positions, spacing)
    assert len(numbers) == len(positions)
    for a, one in zip(positions, numbers, strict=True):
        for b, other in zip(positions, numbers, strict=True):
            if b - a >= geometry.NEAR_MM:
                assert one < other
            elif a == b:
                assert one == other
    assert not numbers or min(numbers) == 1


def test_near_positions_are_one_slice() -> None:
    assert geometry.distinct([1.0, 1.0004, 0.0, 1.02]) == [1, 1, 0, 2]
    assert geometry.distinct([]) == []
