"""Where images stand in an array."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.parrec.cells import Cells, arrange
from mrdock.parrec.reading import read
from mrdock.parrec.table import KEYS
from tests.parrec.support import NIBABEL, Table, table_of

REAL = {
    "phantom_EPI_asc_CLEAR_2_1": "dynamic_scan_number 3 slice_number 9",
    "NA": "slice_number 9",
    "ASL_3D_Multiecho": "dynamic_scan_number 2 label_type 2 echo_number 3 slice_number 8",
    "T1_3echo_mag_real_imag_phase": "image_type_mr 4 echo_number 3 slice_number 30",
    "fieldmap": "image_type_mr/scanning_sequence 2 slice_number 10",
    "DTI": "diffusion_b_value_number/gradient_orientation_number 8 slice_number 10",
    "DTIv40": "repetition 8 slice_number 10",
    "umass_anonymized": "image_type_mr 2 slice_number 37",
}


@pytest.mark.parametrize("name", REAL)
def test_scans_have_the_dimensions_that_a_user_expects(name: str) -> None:
    par = read(str(NIBABEL / f"{name}.PAR"))
    words = [f"{dim} {size}" for dim, size in zip(par.cells.dims, par.cells.images.shape, strict=True)]
    assert " ".join(words) == REAL[name]
    in_place(par.columns, par.cells)


def test_the_directions_of_a_diffusion_scan() -> None:
    coords = read(str(NIBABEL / "DTI.PAR")).coords
    pairs = zip(coords["diffusion_b_value_number"], coords["gradient_orientation_number"], strict=True)
    assert list(pairs) == [(1, 7), *((2, direction) for direction in range(1, 8))]


def in_place(table: Table, cells: Cells) -> None:
    """Every image stands once, where its keys are the coordinates."""
    assert sorted(cells.images.ravel().tolist()) == list(range(len(table["slice_number"])))
    for axis, dim in enumerate(cells.dims):
        for key in dim.split("/"):
            if key != "repetition":
                along = [1] * cells.images.ndim
                along[axis] = -1
                assert (table[key][cells.images] == cells.coords[key].reshape(along)).all()


def test_one_image_has_no_dimension() -> None:
    cells = arrange(table_of())
    assert (cells.dims, cells.images.shape, cells.coords) == ((), (), {})


def test_a_full_grid_is_found_in_any_order() -> None:
    table = table_of(dynamic_scan_number=3, echo_number=2, slice_number=5)
    order = np.random.default_rng(1).permutation(30)
    shuffled = {key: values[order] for key, values in table.items()}
    cells = arrange(shuffled)
    assert cells.dims == ("dynamic_scan_number", "echo_number", "slice_number")
    assert np.array_equal(order[cells.images], np.arange(30).reshape(3, 2, 5))
    in_place(shuffled, cells)


def test_a_stopped_scan_has_dynamics_and_slices_on_one_axis() -> None:
    whole = table_of(dynamic_scan_number=3, echo_number=2, slice_number=5)
    cut = {key: values[:-2] for key, values in whole.items()}
    assert arrange(cut).dims == ("dynamic_scan_number/echo_number/slice_number",)
    both_echoes = [number for number in range(30) if number % 5 < 3 or number < 20]
    stopped = {key: values[both_echoes] for key, values in whole.items()}
    cells = arrange(stopped)
    assert cells.dims == ("dynamic_scan_number/slice_number", "echo_number")
    assert cells.images.shape == (13, 2)
    in_place(stopped, cells)


def test_images_that_no_key_tells_apart_are_counted() -> None:
    """Two mixes have no column of their own."""
    once = table_of(slice_number=4)
    twice = {key: np.concatenate([values, values]) for key, values in once.items()}
    cells = arrange(twice)
    assert cells.dims == ("repetition", "slice_number")
    assert cells.images.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert cells.coords["repetition"].tolist() == [1, 2]
    uneven = {key: values[:-1] for key, values in twice.items()}
    assert arrange(uneven).dims == ("repetition/slice_number",)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=1, max_size=30),
    st.permutations(range(len(KEYS))).map(lambda order: order[:3]),
)
def test_every_image_has_its_cell(values: list[list[int]], keys: list[int]) -> None:
    table = {key: np.ones(len(values), np.int64) for key in KEYS}
    for at, key in enumerate(keys):
        table[KEYS[key]] = np.array([each[at] for each in values])
    cells = arrange(table)
    in_place(table, cells)
    assert all(size > 1 for size in cells.images.shape)
