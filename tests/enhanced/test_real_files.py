"""`dicomeread` on real files, against pydicom."""

from __future__ import annotations

import hashlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mrdock
from mrdock.enhanced.plan import plan_of
from mrdock.errors import ChoiceError, UnsuitableError

from .support import REAL, check_indexes, check_planes, displayed, floating, group, philips, read, stored

pytestmark = pytest.mark.real_data

MERGED = "diffusion_b_value_x_diffusion_gradient_orientation"
EXPECTED: dict[str, tuple[tuple[int, ...], list[str], list[str]]] = {
    "1901_3DpCASL_real": ((96, 96, 40), ["in_stack_position_number"], ["In-Stack Position Number"]),
    "2001_fcMRI_Field_Mapping": (
        (80, 80, 53, 2, 2),
        ["in_stack_position_number", "image_type_mr", "effective_echo_time"],
        ["In-Stack Position Number", "ImageTypeMR", "Effective Echo Time"],
    ),
    "201_pCASL_real": ((128, 128, 16), ["in_stack_position_number"], ["In-Stack Position Number"]),
    "402_SOURCE_3D_pCASL_6mm": (
        (80, 80, 14, 8, 2),
        ["in_stack_position_number", "temporal_position_index", "label_type"],
        ["In-Stack Position Number", "Temporal Position Index", "Label Type"],
    ),
    "dti": (
        (128, 128, 8, 4),
        ["in_stack_position_number", MERGED],
        ["In-Stack Position Number", "Diffusion b-value/Diffusion Gradient Orientation"],
    ),
    "fmri": (
        (64, 64, 8, 4),
        ["in_stack_position_number", "temporal_position_index"],
        ["In-Stack Position Number", "Temporal Position Index"],
    ),
    "anatomical": ((256, 256, 8), ["in_stack_position_number"], ["In-Stack Position Number"]),
}


@pytest.mark.parametrize("name", REAL)
def test_names_shapes_and_every_plane(real_data: Path, name: str) -> None:
    path = real_data / name
    data_set = read(path)
    image = mrdock.dicomeread(str(path))
    shape, dims, labels = EXPECTED[path.stem]
    assert image.shape == shape
    assert list(image.dims) == ["row", "column", *dims]
    assert list(image.matlab_names) == ["Column", "Row", *labels]
    assert [len(each) for each in image.matlab_indexes] == list(shape)
    assert all(len(image.coords[dim]) == size for dim, size in zip(image.dims, shape, strict=True))
    check_planes(image, floating(data_set))
    check_indexes(image, data_set)
    assert not any("scale" in note.lower() for note in image.notes)


@pytest.mark.parametrize("name", REAL)
def test_stored_and_displayed_values(real_data: Path, name: str) -> None:
    data_set = read(real_data / name)
    check_planes(mrdock.dicomeread(str(real_data / name), scale=False), stored(data_set))
    check_planes(mrdock.dicomeread(str(real_data / name), scale="display"), displayed(data_set))


@pytest.mark.parametrize("name", REAL)
def test_floating_point_values_are_those_of_a_par_file(real_data: Path, name: str) -> None:
    data_set = read(real_data / name)
    planes = stored(data_set).astype(np.float64)
    image = mrdock.dicomeread(str(real_data / name))
    for frame in range(len(planes)):
        item = group(data_set, frame, "PixelValueTransformationSequence")
        assert item is not None
        slope = philips(data_set, frame).private_block(0x2005, "Philips MR Imaging DD 001")[0x0E].value
        par = (planes[frame] * item.RescaleSlope + item.RescaleIntercept) / (float(item.RescaleSlope) * slope)
        (cell,) = np.argwhere(image.items == frame + 1)
        ours = image.data[(..., *cell)]
        assert np.allclose(ours, par, rtol=2e-7, atol=2e-7 * np.abs(par).max())


@pytest.mark.parametrize("name", REAL)
def test_affines_lead_to_plane_positions(real_data: Path, name: str) -> None:
    data_set = read(real_data / name)
    image = mrdock.dicomeread(str(real_data / name))
    assert image.affine is not None
    for cell in itertools.product(*map(range, image.items.shape)):
        frame = int(image.items[cell]) - 1
        position, orientation, measures = (
            group(data_set, frame, f"{word}Sequence") for word in ("PlanePosition", "PlaneOrientation", "PixelMeasures")
        )
        assert position is not None
        assert orientation is not None
        assert measures is not None
        start = np.array(position.ImagePositionPatient, dtype=float)
        axes = np.array(orientation.ImageOrientationPatient, dtype=float).reshape(2, 3)
        spacing = np.array(measures.PixelSpacing, dtype=float)
        for row, column in ((0, 0), (5, 0), (0, 7)):
            expected = start + axes[1] * row * spacing[0] + axes[0] * column * spacing[1]
            found = image.affine @ [row, column, cell[0], 1]
            assert np.allclose(found[:3], expected, atol=1e-4)
    assert image.affine_ras is not None
    assert np.array_equal(image.affine_ras, np.diag([-1, -1, 1, 1]) @ image.affine)


def test_values_of_the_entries(real_data: Path) -> None:
    image = mrdock.dicomeread(str(real_data / REAL[1]))
    assert image.coords["effective_echo_time"].tolist() == [2.3, 4.6]
    assert image.coords["image_type_mr"].tolist() == ["M", "P"]
    assert image.coords["in_stack_position_number"].tolist() == list(range(1, 54))
    assert image.matlab_indexes[3:] == (("M", "P"), ("2.3", "4.6"))
    assert image.units == {"effective_echo_time": "ms"}
    image = mrdock.dicomeread(str(real_data / REAL[3]))
    assert image.coords["label_type"].tolist() == ["CONTROL", "LABEL"]
    assert image.coords["temporal_position_index"].tolist() == list(range(1, 9))
    assert image.time_step_s == pytest.approx(237.108 / 7)


def test_diffusion_entries_have_b_values_and_directions(real_data: Path) -> None:
    data_set = read(real_data / "dicom2nifti/enhanced/dti.dcm")
    image = mrdock.dicomeread(str(real_data / "dicom2nifti/enhanced/dti.dcm"))
    assert image.coords["diffusion_b_value"].tolist() == [1300, 1300, 1300, 0]
    assert image.coords[MERGED].dtype.names == ("diffusion_b_value", "diffusion_gradient_orientation")
    directions = image.coords["diffusion_gradient_orientation"]
    for entry in range(4):
        for item in image.items[:, entry]:
            diffusion = data_set.PerFrameFunctionalGroupsSequence[item - 1].MRDiffusionSequence[0]
            if diffusion.DiffusionDirectionality == "NONE":
                assert np.isnan(directions[entry]).all()
                assert image.matlab_indexes[3][entry] == "0/"
            else:
                expected = diffusion.DiffusionGradientDirectionSequence[0].DiffusionGradientOrientation
                assert directions[entry].tolist() == list(expected)
    assert image.matlab_indexes[3][:2] == ("1300/1 0 0", "1300/0 -1 0")


def test_a_full_grid_of_a_diffusion_scan(real_data: Path) -> None:
    path = str(real_data / "dicom2nifti/enhanced/dti.dcm")
    image = mrdock.dicomeread(path, missing="mask")
    assert image.dims[2:] == ("in_stack_position_number", "diffusion_b_value", "diffusion_gradient_orientation")
    assert image.shape == (128, 128, 8, 2, 4)
    assert image.mask is not None
    assert image.mask.sum() == 8 * 4
    check_planes(image, floating(read(path)))
    check_planes(mrdock.dicomeread(path, missing="mask", scale=False), stored(read(path)))


def test_without_a_dimension_index_sequence_the_arrays_are_the_same(real_data: Path, tmp_path: Path) -> None:
    for name in REAL[:4]:
        data_set = read(real_data / name)
        expected = mrdock.dicomeread(str(real_data / name))
        del data_set.DimensionIndexSequence
        data_set.save_as(tmp_path / "without.dcm")
        image = mrdock.dicomeread(str(tmp_path / "without.dcm"))
        assert np.array_equal(image.data, expected.data)
        private = {"image_type_mr": "dimension_3", "label_type": "dimension_4"}
        assert image.dims == tuple(private.get(dim, dim) for dim in expected.dims)


def test_orders_and_combinations(real_data: Path) -> None:
    path = str(real_data / REAL[1])
    plain = mrdock.dicomeread(path)
    planes = floating(read(path))
    orders: list[tuple[Any, tuple[int, ...]]] = [
        ([1, 2, 5, 3, 4], (0, 1, 4, 2, 3)),
        ([0, 1, 3, 2, 4], (0, 1, 3, 2, 4)),
        ("2,1,3,4,5", (1, 0, 2, 3, 4)),
        (["Row", "Column", "Effective Echo Time", "imagetypemr", "In-Stack Position Number"], (1, 0, 4, 3, 2)),
        ("row,column,image_type_mr,effective_echo_time,in_stack_position_number", (0, 1, 3, 4, 2)),
    ]
    for order, axes in orders:
        image = mrdock.dicomeread(path, order=order)
        assert image.dims == tuple(plain.dims[axis] for axis in axes)
        assert image.matlab_names == tuple(plain.matlab_names[axis] for axis in axes)
        assert np.array_equal(image.data, plain.data.transpose(axes))
        check_planes(image, planes)
    image = mrdock.dicomeread(path, combine=[0, 0, 0, 1, 0])
    assert image.dims[2:] == ("in_stack_position_number_x_image_type_mr", "effective_echo_time")
    assert image.matlab_names[2] == "In-Stack Position NumberxImageTypeMR"
    assert image.matlab_indexes[2][:2] == ("1/M", "2/M")
    assert image.matlab_indexes[2][53] == "1/P"
    assert np.array_equal(image.data[:, :, 53 + 7, 1], plain.data[:, :, 7, 1, 1])
    check_planes(image, planes)
    image = mrdock.dicomeread(path, order=[1, 2, 4, 5, 3], combine="effective_echo_time,in_stack_position_number")
    assert image.shape == (80, 80, 212)
    assert np.array_equal(image.data[:, :, 1 + 2 * 1 + 4 * 9], plain.data[:, :, 9, 1, 1])
    check_planes(image, planes)


def test_combine_after_a_merge_and_of_slices_only(real_data: Path) -> None:
    path = str(real_data / "dicom2nifti/enhanced/dti.dcm")
    image = mrdock.dicomeread(path, combine=[0, 0, 0, 1])
    assert image.shape == (128, 128, 32)
    assert image.matlab_names[2] == "In-Stack Position NumberxDiffusion b-value/Diffusion Gradient Orientation"
    assert image.matlab_indexes[2][8] == "1/1300/0 -1 0"
    check_planes(image, floating(read(path)))
    slices = str(real_data / "dicom2nifti/enhanced/anatomical.dcm")
    assert mrdock.dicomeread(slices, order=[2, 1, 3]).dims[:2] == ("column", "row")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"order": [1, 2, 3]}, "no permutation"),
        ({"order": [1, 3, 2, 4, 5]}, "away from the front"),
        ({"order": "row,column,echo,a,b"}, "echo is none of the axes"),
        ({"order": [1, 2, 3, 4, 4]}, "no permutation"),
        ({"order": [1.5, 2, 3, 4, 5]}, "1.5 is none of the axes"),
        ({"order": []}, "of nothing"),
        ({"combine": [0, 0, 1, 0, 0]}, "axis of the picture"),
        ({"combine": [0, 1, 0, 0, 0]}, "axis of the picture"),
        ({"combine": [0, 0, 0, 1]}, "4 flags, there are 5 axes"),
        ({"combine": "in_stack_position_number"}, "axis of the picture"),
        ({"scale": "FP"}, "not 'FP'"),
        ({"missing": "drop"}, "not 'drop'"),
    ],
)
def test_arguments_that_do_not_fit(real_data: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ChoiceError, match=words):
        plan_of(str(real_data / REAL[1]), **arguments)


def test_the_affine_follows_a_transpose(real_data: Path) -> None:
    path = str(real_data / REAL[0])
    one, other = mrdock.dicomeread(path), mrdock.dicomeread(path, order=[2, 1, 3])
    assert one.affine is not None
    assert other.affine is not None
    assert np.array_equal(one.affine @ [3, 8, 5, 1], other.affine @ [8, 3, 5, 1])


def test_the_header_has_no_pixels(real_data: Path) -> None:
    image = mrdock.dicomeread(str(real_data / REAL[0]))
    assert image.header.NumberOfFrames == 40
    assert "PixelData" not in image.header


def test_classic_files_get_a_word(real_data: Path) -> None:
    path = real_data / "philips_r57/classic/1901/1901_0001.dcm"
    with pytest.raises(UnsuitableError, match="a classic MR image, one frame a file") as caught:
        mrdock.dicomeread(str(path))
    assert str(caught.value).startswith(str(path))


def test_the_planes_lie_in_one_piece(real_data: Path) -> None:
    image = mrdock.dicomeread(str(real_data / REAL[1]))
    assert image.data[:, :, 4, 1, 0].flags.c_contiguous
    digest = hashlib.sha256(np.ascontiguousarray(image.data).data).hexdigest()
    assert digest == hashlib.sha256(image.data.tobytes()).hexdigest()
