"""Where images lie, against what the scanner says of the same images in DICOM, and both ways."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.parrec.geometry import (
    CORONAL,
    ORIENTATIONS,
    SAGITTAL,
    TRANSVERSE,
    affines,
    angulation_of,
    axes,
    from_lps,
    offcentre_order,
    orientation_by_steps,
    to_lps,
)
from mrdock.parrec.reading import read
from tests.parrec.support import NIBABEL, RELEASE_11, SCANNERS, table_of, write_pair

ANGLES = st.tuples(st.floats(-80, 80), st.floats(-179, 179), st.floats(-179, 179))


@given(st.sampled_from([*ORIENTATIONS]), ANGLES)
def test_axes_give_their_angles_back(orientation: int, angles: tuple[float, float, float]) -> None:
    found = axes(orientation, angles)
    turned = np.stack(found)
    assert np.allclose(turned @ turned.T, np.eye(3), atol=1e-12)
    assert np.allclose(np.cross(found.row, found.column), found.normal, atol=1e-12)
    assert np.allclose(angulation_of(orientation, found.row, found.column), angles, atol=1e-6)


def test_without_angles_the_axes_are_those_of_the_patient() -> None:
    left, back, head = np.eye(3)
    expected = {
        TRANSVERSE: (left, back, head),
        SAGITTAL: (back, -head, -left),
        CORONAL: (left, -head, back),
    }
    for code, axes_of in expected.items():
        assert np.array_equal(np.stack(axes(code, (0, 0, 0))), np.stack(axes_of))
    assert to_lps((1, 2, 3)).tolist() == [3, 1, 2]
    assert from_lps(to_lps((1, 2, 3))).tolist() == [1, 2, 3]


def test_many_images_at_once_are_as_each_by_itself() -> None:
    codes = np.array([1, 2, 3, 1])
    angles = np.random.default_rng(3).uniform(-70, 70, (4, 3))
    for together, apart in zip(
        axes(codes, angles), zip(*(axes(c, a) for c, a in zip(codes, angles, strict=True)), strict=True), strict=True
    ):
        assert np.allclose(together, np.stack(apart), atol=1e-15)


# Philips' classic images say both: (2005,1000) to (2005,1002) are the angles along ap, fh and rl, (2005,1008) to
# (2005,100A) the offcentre, which PAR files print; Image Position and Orientation (Patient) are the standard's.


@pytest.mark.real_data
@pytest.mark.parametrize("series", ["1901", "2001", "2101", "2201"])
def test_formulas_give_the_position_of_the_scanner_s_own_images(real_data: Path, series: str) -> None:
    files = sorted(path for path in (real_data / "philips_r57" / "classic").rglob("*") if path.is_file())
    files = [path for path in files if series in str(path.relative_to(real_data))][::40]
    assert files
    for path in files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = pydicom.dcmread(path, stop_before_pixels=True)
        mr = image.private_block(0x2005, "Philips MR Imaging DD 001")
        angles = [mr[element].value for element in (0x00, 0x01, 0x02)]
        centre = [mr[element].value for element in (0x08, 0x09, 0x0A)]
        code = {"TRANSVERSAL": 1, "SAGITTAL": 2, "CORONAL": 3}[slice_orientation(image)]
        matrix = affines(code, angles, centre, image.PixelSpacing[::-1], 1.0, (image.Rows, image.Columns))
        assert np.abs(matrix[:3, 3] - image.ImagePositionPatient).max() < 1e-4
        found = axes(code, angles)
        assert np.abs(np.concatenate([found.row, found.column]) - image.ImageOrientationPatient).max() < 1e-6
        spacing = np.linalg.norm(matrix[:3, :2], axis=0)
        assert np.allclose(spacing, image.PixelSpacing)


def slice_orientation(image: Any) -> str:
    value: str = image.private_block(0x2001, "Philips Imaging DD 001")[0x0B].value
    return value


@pytest.mark.parametrize("name", SCANNERS)
def test_slices_follow_each_other_along_their_normal(name: str) -> None:
    """(thickness + gap) x normal from slice to slice, in transverse, sagittal and coronal scans."""
    par = read(str(NIBABEL / f"{name}.PAR"))
    columns, orientations = par.columns, par.columns["slice_orientation"]
    assert par.orientation.tolist() == orientations.tolist()
    for code in set(orientations.tolist()):
        own = np.flatnonzero(orientations == code)
        first, last = own[columns["slice_number"][own].argmin()], own[columns["slice_number"][own].argmax()]
        way = to_lps(columns["image_offcentre_mm"][last]) - to_lps(columns["image_offcentre_mm"][first])
        steps = columns["slice_number"][last] - columns["slice_number"][first]
        step = columns["slice_thickness_mm"][first] + columns["slice_gap_mm"][first]
        normal = axes(code, columns["image_angulation_deg"][first]).normal
        assert np.abs(way - normal * steps * step).max() < 0.05


# ---- files that contradict themselves ----


@pytest.mark.parametrize(
    ("first", "last", "order"),
    [
        ((-10.0, 5.0, 30.0), (10.0, 5.0, 30.0), "ap,fh,rl"),
        ((30.0, -10.0, 5.0), (30.0, 10.0, 5.0), "rl,ap,fh"),
        ((-9.3, 5.0, 30.0), (10.0, 5.0, 30.0), "ap,fh,rl"),
        ((50.0, 60.0, 70.0), (50.0, 60.0, 70.0), "ap,fh,rl"),
    ],
)
def test_the_order_of_the_offcentre(
    first: tuple[float, float, float], last: tuple[float, float, float], order: str
) -> None:
    assert offcentre_order((0.0, 5.0, 30.0), first, last) == order


def test_the_way_from_slice_to_slice_decides_the_order_of_the_offcentre() -> None:
    along_head, along_left = [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]
    first, last = (0.0, -20.0, 0.0), (0.0, 20.0, 0.0)  # along the head as written, to the back reordered
    for midslice in (None, (0.0, 0.0, 0.0)):
        assert offcentre_order(midslice, first, last, along_head) == "ap,fh,rl"
        assert offcentre_order(midslice, (0, 0, -20), (0, 0, 20), along_head) == "rl,ap,fh"
        assert offcentre_order(midslice, (0, 0, -20), (0, 0, 20), along_left) == "ap,fh,rl"
    # a midslice that is not that of these slices, and by chance is when they are reordered
    assert offcentre_order((0.0, 0.0, 8.0), (8.0, -20, 0.0), (8.0, 20, 0.0), along_head) == "ap,fh,rl"
    assert offcentre_order((0.0, 0.0, 8.0), (8.0, -20, 0.0), (8.0, 20, 0.0)) == "rl,ap,fh"


@pytest.mark.parametrize(
    "name", ["Phantom_EPI_3mm_cor_SENSE_8_1", "Phantom_EPI_3mm_sag_15AP_SENSE_13_1", "T1", "phantom_EPI_asc_CLEAR_2_1"]
)
def test_an_old_file_with_another_order_reads_right(tmp_path: Path, name: str) -> None:
    """Some of these are at the isocentre, where only the steps between the slices tell."""
    par = read(str(NIBABEL / f"{name}.PAR"))
    table = dict(par.columns)
    table["image_offcentre_mm"] = par.columns["image_offcentre_mm"][:, [2, 0, 1]]
    old = read(str(write_pair(tmp_path, table, par.general)))
    assert old.remarks == ("has the offcentre of its images in the order rl,ap,fh",)
    assert np.array_equal(old.offcentre_mm, par.offcentre_mm)
    assert old.affine is not None
    assert par.affine is not None
    assert np.array_equal(old.affine, par.affine)
    assert np.array_equal(old.affines, par.affines)


def test_release_11_calls_coronal_slices_transverse() -> None:
    par = read(str(NIBABEL / f"{RELEASE_11}.PAR"))
    assert par.remarks == ("calls its slices transverse; their positions are coronal",)
    assert set(par.orientation.tolist()) == {CORONAL}
    assert par.affine is not None
    assert np.allclose(par.affine[:3, 2], [0, 1, 0])
    extent = np.abs(par.affine[:3, :3]) @ [par.layout.rows, par.layout.columns, len(par.lines)]
    assert from_lps(extent).tolist() == list(par.general.fov_mm)


def test_the_orientation_stays_where_steps_say_nothing() -> None:
    assert orientation_by_steps(TRANSVERSE, (0, 0, 0), (0, 0, 0)) == TRANSVERSE
    assert orientation_by_steps(TRANSVERSE, (0, 0, 0), (10, 10, 0)) == TRANSVERSE
    assert orientation_by_steps(TRANSVERSE, (0, 0, 0), (0, 0, -50)) == TRANSVERSE
    assert orientation_by_steps(TRANSVERSE, (0, 0, 0), (-50, 0, 0)) == SAGITTAL


# ---- the affine of a stack ----


def test_the_affine_is_that_of_the_slices(tmp_path: Path) -> None:
    table = table_of(4, 6, slice_number=5, dynamic_scan_number=2)
    par = read(str(write_pair(tmp_path, table)))
    assert par.affine is not None
    expected = [[0, 3, 0, -7.5], [3, 0, 0, -4.5], [0, 0, 2.5, -5], [0, 0, 0, 1]]
    assert par.affine.tolist() == expected
    assert np.allclose(par.affines[par.cells.images[0]][:, :3, 3], (par.affine @ at_slices(5))[:3].T)


def at_slices(count: int) -> Any:
    found = np.zeros((4, count))
    found[2], found[3] = np.arange(count), 1
    return found


@pytest.mark.parametrize("slices", [1, 2, 5])
def test_without_general_geometry_the_lines_give_it(tmp_path: Path, slices: int) -> None:
    table = table_of(slice_number=slices)
    table["image_offcentre_mm"] += 40.0
    table["image_angulation_deg"][:] = 0, 0, 90
    table["image_offcentre_mm"] = 40.0 + (table["slice_number"][:, np.newaxis] - 1) * [2.5, 0, 0]
    table["slice_orientation"][:] = CORONAL
    table["image_angulation_deg"][:] = 0
    par = read(str(write_pair(tmp_path, table)))
    assert par.affine is not None
    assert par.affine[:3, 2].tolist() == [0, 2.5, 0]
    assert np.array_equal(par.affine, par.affines[0])


def test_what_the_general_lines_do_not_give_is_not_taken_for_zero(tmp_path: Path) -> None:
    table = table_of(slice_number=1)
    table["image_angulation_deg"][:] = 0.05
    table["image_offcentre_mm"][:] = 0.1
    path = write_pair(tmp_path, table)
    full = read(str(path)).affine
    path.write_bytes(re.sub(rb"^\.    (Angulation|Off Centre) .*\r\n", b"", path.read_bytes(), flags=re.M))
    par = read(str(path))
    assert {"angulation_deg", "off_centre_mm"} < set(par.missing)
    assert par.affine is not None
    assert full is not None
    assert np.array_equal(par.affine, par.affines[0])
    assert not np.array_equal(par.affine, full)


def test_without_pixel_spacing_there_is_no_affine(tmp_path: Path) -> None:
    table = table_of(slice_number=2)
    table["pixel_spacing_mm"][:] = 0
    assert read(str(write_pair(tmp_path, table))).affine is None


@pytest.mark.parametrize("key", ["image_offcentre_mm", "image_angulation_deg", "pixel_spacing_mm"])
def test_an_uneven_stack_has_no_affine(tmp_path: Path, key: str) -> None:
    table = table_of(slice_number=5)
    table[key][2] += 1.0
    par = read(str(write_pair(tmp_path, table)))
    assert par.affine is None
    assert par.affines.shape == (5, 4, 4)


def test_a_survey_of_three_stacks_has_no_affine() -> None:
    par = read(str(NIBABEL / "NA.PAR"))
    assert par.affine is None
    assert len({tuple(np.rint(normal)) for normal in par.affines[:, :3, 2]}) == 3


def test_slices_that_lie_anywhere_keep_the_orientation_that_is_written(tmp_path: Path) -> None:
    """One slice far off along the other axis makes no coronal scan."""
    table = table_of(slice_number=3)
    table["image_offcentre_mm"][2, 0] = -2241.0
    par = read(str(write_pair(tmp_path, table)))
    assert par.remarks == ()
    assert (par.orientation == 1).all()
    assert par.affine is None
