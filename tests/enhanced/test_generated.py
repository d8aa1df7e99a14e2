"""`dicomeread` on generated files of every kind and encoding, against pydicom."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

import mrdock
from mrdock.enhanced.image import EnhancedImage
from mrdock.enhanced.plan import read_cells
from mrdock.errors import MalformedError
from tests.builders import StudyIdentity, enhanced_mr
from tests.conftest import NeedTool

from .support import DD1, check_indexes, check_planes, displayed, floating, philips, read, stored


def saved(data_set: Any, path: Path, syntax: str | None = None) -> Path:
    """The file, in another transfer syntax where one is given."""
    if syntax:
        data_set.file_meta.TransferSyntaxUID = syntax
    data_set.save_as(path, enforce_file_format=True)
    return path


def opened(path: Path, **arguments: Any) -> EnhancedImage:
    return mrdock.dicomeread(str(path), **arguments)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    slices=st.integers(1, 4),
    dynamics=st.integers(1, 3),
    echoes=st.integers(1, 2),
    types=st.sampled_from([("M",), ("P",), ("M", "P")]),
    labels=st.sampled_from([(), ("CONTROL", "LABEL")]),
    gone=st.sets(st.integers(0, 11), max_size=3),
    dimension_index=st.booleans(),
    missing=st.sampled_from(["merge", "mask"]),
    scale=st.sampled_from(["float", "display", "stored"]),
    data=st.data(),
)
def test_every_plane_is_the_one_that_items_names(
    tmp_path: Path,
    slices: int,
    dynamics: int,
    echoes: int,
    types: tuple[str, ...],
    labels: tuple[str, ...],
    gone: set[int],
    dimension_index: bool,
    missing: str,
    scale: str,
    data: st.DataObject,
) -> None:
    cells = [(s, d) for d in range(1, dynamics + 1) for s in range(1, slices + 1)]
    holes = {cells[at] for at in gone if at < len(cells)}
    if len(holes) == len(cells):
        holes = set()
    path = saved(
        enhanced_mr(
            StudyIdentity(),
            slices=slices,
            dynamics=dynamics,
            rows=4,
            columns=6,
            echoes=echoes,
            types=types,
            labels=labels,
            missing=holes,
            dimension_index=dimension_index,
        ),
        tmp_path / "made.dcm",
    )
    data_set = read(path)
    planes = {"float": floating, "display": displayed, "stored": stored}[scale](data_set)
    plain = opened(path, scale=scale, missing=missing)
    check_planes(plain, planes)
    check_indexes(plain, data_set)
    axes = [*data.draw(st.permutations(range(2))), *data.draw(st.permutations(range(2, plain.data.ndim)))]
    turned = opened(path, scale=scale, missing=missing, order=axes)
    assert np.array_equal(turned.data, plain.data.transpose(axes), equal_nan=scale != "stored")
    check_planes(turned, planes)
    flags = [at > 2 and data.draw(st.booleans()) for at in range(plain.data.ndim)]
    merged = opened(path, scale=scale, missing=missing, order=axes, combine=flags)
    check_planes(merged, planes)
    assert [len(each) for each in merged.matlab_indexes] == list(merged.shape)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian], ids=lambda uid: uid.name)
def test_every_uncompressed_syntax(tmp_path: Path, syntax: str) -> None:
    made = enhanced_mr(StudyIdentity(), rows=4, columns=6, types=("M", "P"))
    expected = opened(saved(made, tmp_path / "explicit.dcm"))
    image = opened(saved(read(tmp_path / "explicit.dcm"), tmp_path / "other.dcm", syntax))
    assert np.array_equal(image.data, expected.data)
    assert image.dims == expected.dims
    assert opened(tmp_path / "other.dcm", scale=False).data.dtype == np.uint16


@pytest.mark.peer
def test_big_endian_of_another_program(tmp_path: Path, need_tool: NeedTool) -> None:
    path = saved(enhanced_mr(StudyIdentity(), rows=4, columns=6, types=("M", "P")), tmp_path / "plain.dcm")
    turned = tmp_path / "turned.dcm"
    subprocess.run([need_tool("dcmconv"), "+tb", str(path), str(turned)], check=True, capture_output=True, timeout=60)
    image = opened(turned)
    assert np.array_equal(image.data, opened(path).data)
    assert image.dims == opened(path).dims
    stored_type = opened(turned, scale=False).data.dtype
    assert stored_type == np.uint16
    assert stored_type.isnative


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless], ids=lambda uid: uid.name)
def test_compressed_pixels(tmp_path: Path, syntax: str) -> None:
    made = enhanced_mr(StudyIdentity(), slices=5, dynamics=3, rows=72, columns=64)
    expected = opened(saved(made, tmp_path / "plain.dcm"))
    made.compress(syntax, generate_instance_uid=False)
    path = saved(made, tmp_path / "compressed.dcm")
    image = opened(path)
    assert np.array_equal(image.data, expected.data)
    lazily = xarray.open_dataarray(path, engine="mrdock")
    assert np.array_equal(lazily.isel(temporal_position_index=2, row=[5, 2]).values, expected.data[[5, 2], :, :, 2])
    check_planes(opened(path, scale=False), stored(read(path)))


@pytest.mark.peer
def test_lossless_jpeg_of_another_program(tmp_path: Path, need_tool: NeedTool) -> None:
    path = saved(enhanced_mr(StudyIdentity(), rows=16, columns=16), tmp_path / "plain.dcm")
    packed = tmp_path / "packed.dcm"
    subprocess.run([need_tool("dcmcjpeg"), str(path), str(packed)], check=True, capture_output=True, timeout=60)
    assert np.array_equal(opened(packed).data, opened(path).data)


def changed(data_set: FileDataset, change: Any, tmp_path: Path) -> Path:
    path = saved(data_set, tmp_path / "before.dcm")
    again = read(path)
    for frame in range(len(again.PerFrameFunctionalGroupsSequence)):
        change(again.PerFrameFunctionalGroupsSequence[frame], philips(again, frame), frame)
    return saved(again, tmp_path / "changed.dcm")


def test_without_philips_scale_the_values_are_displayed_ones(tmp_path: Path) -> None:
    def strip(frame: Dataset, private: Dataset, _: int) -> None:
        block = private.private_block(0x2005, DD1)
        del block[0x0D]
        del block[0x0E]

    path = changed(enhanced_mr(StudyIdentity(), rows=4, columns=4), strip, tmp_path)
    image = opened(path)
    assert image.notes == ("no MRScaleSlope: the values are displayed values, by Rescale Slope",)
    check_planes(image, displayed(read(path)))

    def more(frame: Dataset, private: Dataset, number: int) -> None:
        strip(frame, private, number)
        del frame.PixelValueTransformationSequence

    path = changed(enhanced_mr(StudyIdentity(), rows=4, columns=4), more, tmp_path)
    image = opened(path, scale="float")
    assert "stored values" in image.notes[0]
    check_planes(image, stored(read(path)).astype(np.float32))


@pytest.mark.parametrize("slope", [0.0, None, 1.7e38])
def test_a_frame_without_a_slope_is_named(tmp_path: Path, slope: float | None) -> None:
    def change(_: Dataset, private: Dataset, number: int) -> None:
        if number == 4:
            block = private.private_block(0x2005, DD1)
            if slope is None:
                del block[0x0E]
            else:
                block[0x0E].value = slope

    path = changed(enhanced_mr(StudyIdentity(), rows=4, columns=4), change, tmp_path)
    with pytest.raises(MalformedError, match=r"the slope of frame 5 is (0|missing)"):
        opened(path)
    check_planes(opened(path, scale=False), stored(read(path)))


def test_each_frame_has_its_own_scale(tmp_path: Path) -> None:
    def change(_: Dataset, private: Dataset, number: int) -> None:
        block = private.private_block(0x2005, DD1)
        block[0x0E].value = 0.1 + number
        block[0x0D].value = number * 3.7 - 5

    path = changed(enhanced_mr(StudyIdentity(), rows=4, columns=4), change, tmp_path)
    check_planes(opened(path), floating(read(path)))


def test_two_frames_of_one_cell_are_named(tmp_path: Path) -> None:
    def change(frame: Dataset, _: Dataset, number: int) -> None:
        frame.FrameContentSequence[0].DimensionIndexValues = [1, 1 + number // 2, 1]
        frame.FrameContentSequence[0].TemporalPositionIndex = 1
        frame.FrameContentSequence[0].InStackPositionNumber = 1
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 0]

    path = changed(enhanced_mr(StudyIdentity(), slices=2, dynamics=3, rows=4, columns=4), change, tmp_path)
    with pytest.raises(MalformedError, match="frames 1 and 2 have the same Dimension Index Values"):
        opened(path)


def test_other_attributes_tell_frames_apart_whose_index_values_do_not(tmp_path: Path) -> None:
    def change(frame: Dataset, _: Dataset, number: int) -> None:
        del frame.FrameContentSequence[0].DimensionIndexValues

    made = enhanced_mr(StudyIdentity(), slices=3, dynamics=2, rows=4, columns=4, types=("M", "P"))
    expected = opened(saved(made, tmp_path / "plain.dcm"))
    image = opened(changed(made, change, tmp_path))
    assert image.dims[2:] == ("in_stack_position_number", "temporal_position_index", "complex_image_component")
    assert np.array_equal(image.data, expected.data)


def test_groups_may_be_shared_and_other_vendors_have_none_of_philips(tmp_path: Path) -> None:
    path = saved(enhanced_mr(StudyIdentity(), rows=4, columns=4), tmp_path / "before.dcm")
    expected = opened(path, scale="display")
    data_set = read(path)
    data_set.Manufacturer = "Siemens Healthineers"
    shared = data_set.SharedFunctionalGroupsSequence[0]
    first = data_set.PerFrameFunctionalGroupsSequence[0]
    moved = ("PixelMeasuresSequence", "PlaneOrientationSequence", "PixelValueTransformationSequence")
    for keyword in moved:
        setattr(shared, keyword, Sequence([first[keyword].value[0]]))
    for frame in data_set.PerFrameFunctionalGroupsSequence:
        for keyword in moved:
            delattr(frame, keyword)
        for element in [element for element in frame if element.tag.is_private]:
            del frame[element.tag]
    for element in [element for element in data_set if element.tag.is_private]:
        del data_set[element.tag]
    path = saved(data_set, tmp_path / "other.dcm")
    image = opened(path)
    assert np.array_equal(image.data, expected.data)
    assert image.dims == expected.dims
    assert np.array_equal(image.affine, expected.affine)  # type: ignore[arg-type]


def test_bits_above_bits_stored_are_cleared(tmp_path: Path) -> None:
    made = enhanced_mr(StudyIdentity(), slices=1, dynamics=1, rows=4, columns=4)
    pixels = np.frombuffer(made.PixelData, np.uint16) | 0xA000
    made.PixelData = pixels.tobytes()
    path = saved(made, tmp_path / "overlay.dcm")
    check_planes(opened(path, scale=False), stored(read(path)))
    made.PixelRepresentation = 1
    made.PixelData = (pixels | 0x0800).astype(np.uint16).tobytes()
    path = saved(made, tmp_path / "signed.dcm")
    image = opened(path, scale=False)
    check_planes(image, stored(read(path)))
    assert image.data.dtype == np.int16
    assert (image.data < 0).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floating_point_pixels(tmp_path: Path, kind: type[np.floating[Any]]) -> None:
    made = enhanced_mr(StudyIdentity(), slices=2, dynamics=1, rows=4, columns=4)
    pixels = np.linspace(-1, 1, 32).astype(kind)
    del made.PixelData
    for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
        delattr(made, keyword)
    made.BitsAllocated = 8 * pixels.itemsize
    setattr(made, "FloatPixelData" if kind is np.float32 else "DoubleFloatPixelData", pixels.tobytes())
    image = opened(saved(made, tmp_path / "floats.dcm"), scale=False)
    check_planes(image, pixels.reshape(2, 4, 4))


def test_one_frame_has_rows_and_columns_only(tmp_path: Path) -> None:
    path = saved(enhanced_mr(StudyIdentity(), slices=1, dynamics=1, rows=4, columns=6), tmp_path / "one.dcm")
    image = opened(path)
    assert image.dims == ("row", "column")
    assert image.shape == (4, 6)
    assert image.items.tolist() == 1
    assert opened(path, order=[2, 1]).shape == (6, 4)
    assert image.to_nifti().shape == (6, 4, 1)


def test_several_threads_make_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(enhanced_mr(StudyIdentity(), slices=5, dynamics=7, rows=4, columns=4), tmp_path / "made.dcm")
    monkeypatch.setattr("mrdock.enhanced.plan._LARGE", 1)
    monkeypatch.setattr("mrdock.enhanced.plan.os.cpu_count", lambda: 3)
    check_planes(opened(path), floating(read(path)))
    whole = path.read_bytes()
    lazily = opened(path).plan
    path.write_bytes(whole[:-1])
    with pytest.raises(MalformedError, match="was changed"):
        read_cells(lazily, lazily.cells)
