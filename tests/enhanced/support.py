"""Enhanced MR files as pydicom reads them, to compare an array with."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from mrdock.enhanced.image import EnhancedImage

DD1, DD5 = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"

REAL = (
    "philips_r57/enhanced/1901_3DpCASL_real.dcm",
    "philips_r57/enhanced/2001_fcMRI_Field_Mapping.dcm",
    "philips_asl/enhanced/201_pCASL_real.dcm",
    "philips_asl/enhanced/402_SOURCE_3D_pCASL_6mm.dcm",
    "dicom2nifti/enhanced/dti.dcm",
    "dicom2nifti/enhanced/fmri.dcm",
    "dicom2nifti/enhanced/anatomical.dcm",
)


def read(path: str | Path) -> Dataset:
    """The file by pydicom, pixels included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def stored(data_set: Dataset) -> NDArray[Any]:
    """(frames, rows, columns) by pydicom."""
    pixels = data_set.pixel_array
    return pixels.reshape(-1, data_set.Rows, data_set.Columns)


def group(data_set: Dataset, frame: int, keyword: str) -> Dataset | None:
    """The item of a functional group of a frame, its own or the shared one."""
    for around in (data_set.PerFrameFunctionalGroupsSequence[frame], data_set.SharedFunctionalGroupsSequence[0]):
        found = around.get(keyword)
        if found:
            return found[0]  # type: ignore[no-any-return]
    return None


def philips(data_set: Dataset, frame: int) -> Dataset:
    """The private item of a frame."""
    item = data_set.PerFrameFunctionalGroupsSequence[frame]
    return item.private_block(0x2005, DD5)[0x0F].value[0]  # type: ignore[no-any-return]


def floating(data_set: Dataset) -> NDArray[np.float32]:
    """FP of all frames, in float64 up to the last step."""
    planes = stored(data_set).astype(np.float64)
    for frame in range(len(planes)):
        block = philips(data_set, frame).private_block(0x2005, DD1)
        planes[frame] = (planes[frame] - float(block[0x0D].value)) / float(block[0x0E].value)
    return planes.astype(np.float32)


def displayed(data_set: Dataset) -> NDArray[np.float32]:
    """DV of all frames."""
    planes = stored(data_set).astype(np.float64)
    for frame in range(len(planes)):
        item = group(data_set, frame, "PixelValueTransformationSequence")
        assert item is not None
        planes[frame] = planes[frame] * float(item.RescaleSlope) + float(item.RescaleIntercept)
    return planes.astype(np.float32)


def check_planes(image: EnhancedImage, planes: NDArray[Any]) -> None:
    """Each plane of the array is the one that `items` names, bit by bit, and each frame stands in one cell."""
    assert image.data.shape == image.shape
    assert image.data.dtype == planes.dtype.newbyteorder("=")
    assert image.items.shape == image.shape[2:]
    transposed = image.dims[0] == "column"
    seen = []
    for cell in itertools.product(*map(range, image.items.shape)):
        plane = np.asarray(image.data.transpose(*range(2, image.data.ndim), 0, 1)[cell])
        item = int(image.items[cell])
        if not item:
            assert np.isnan(plane).all() if plane.dtype.kind == "f" else not plane.any()
            continue
        expected = planes[item - 1]
        assert np.array_equal(plane.T if transposed else plane, expected)
        seen.append(item)
    assert sorted(seen) == list(range(1, len(planes) + 1))


def check_indexes(image: EnhancedImage, data_set: Dataset) -> None:
    """Frames of one entry of an axis have one combination of index values, those of two entries two."""
    frames = data_set.PerFrameFunctionalGroupsSequence
    index = np.array([frame.FrameContentSequence[0].DimensionIndexValues for frame in frames]).reshape(len(frames), -1)
    varying = [at for at in range(index.shape[1]) if len(set(index[:, at].tolist())) > 1]
    axes = range(2, len(image.dims))
    parts = [parts for parts in image.plan.parts if parts]
    assert sorted(part for each in parts for part in each) == varying
    for axis, each in zip(axes, parts, strict=True):
        found = []
        for entry in range(image.shape[axis]):
            items = image.items.take(entry, axis=axis - 2).reshape(-1)
            rows = {tuple(index[item - 1, list(each)].tolist()) for item in items.tolist() if item}
            assert len(rows) <= 1
            found += list(rows)
        assert len(set(found)) == len(found)
        assert found == sorted(found, key=lambda row: row[::-1])
