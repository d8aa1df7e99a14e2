"""The NIfTI images of real files, against those of dcm2niix."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel import Nifti1Image

import mrdock
from mrdock.errors import ChoiceError
from tests.conftest import NeedTool

from .support import REAL

pytestmark = [pytest.mark.real_data, pytest.mark.peer]


def theirs(need_tool: NeedTool, path: Path, folder: Path) -> list[Nifti1Image]:
    words = [need_tool("dcm2niix"), "-s", "y", "-f", "out", "-o", str(folder), str(path)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return [nibabel.load(each) for each in sorted(folder.glob("*.nii"))]


def volumes(image: Nifti1Image) -> list[np.ndarray]:
    """Volumes in the closest canonical orientation: dcm2niix turns rows, and sagittal scans, to other directions."""
    turned = nibabel.as_closest_canonical(image)
    data = turned.get_fdata()
    return [data[(..., *cell)] for cell in itertools.product(*map(range, data.shape[3:]))]


def unscaled(image: Nifti1Image) -> Nifti1Image:
    return Nifti1Image(np.asarray(image.dataobj.get_unscaled()), image.affine)


@pytest.mark.parametrize("name", REAL)
def test_geometry_and_volumes_equal_dcm2niix(real_data: Path, tmp_path: Path, need_tool: NeedTool, name: str) -> None:
    images = theirs(need_tool, real_data / name, tmp_path)
    ours = mrdock.dicomeread(str(real_data / name)).to_nifti()
    canonical = nibabel.as_closest_canonical(ours)
    for image in images:
        other = nibabel.as_closest_canonical(image)
        assert other.shape[:3] == canonical.shape[:3]
        thick = np.full((4, 4), 2e-4)
        thick[:, :3] = 6e-4  # without Spacing Between Slices it takes Slice Thickness, which is rounded
        assert (np.abs(other.affine - canonical.affine) < thick).all()
        assert np.allclose(other.header.get_qform(), canonical.header.get_qform(), atol=2e-3)
    expected = [(volume, image) for image in images for volume in volumes(unscaled(image))]
    pixels = volumes(mrdock.dicomeread(str(real_data / name), scale=False).to_nifti())
    found = volumes(ours)
    assert len(found) == len(pixels) == len(expected)
    left = list(range(len(found)))
    for volume, image in expected:  # 2001 comes in four files, 402 in another order
        match = next(at for at in left if np.array_equal(pixels[at], volume))
        left.remove(match)
        if image.dataobj.inter == 0:  # the slope that it gives to phase images is 7e-5 off that of the header
            assert np.allclose(found[match], volume * image.dataobj.slope, rtol=1e-6)


@pytest.mark.parametrize("name", ["dti", "fmri"])
def test_volumes_and_time_steps_in_order(real_data: Path, tmp_path: Path, need_tool: NeedTool, name: str) -> None:
    path = real_data / "dicom2nifti" / "enhanced" / f"{name}.dcm"
    (image,) = theirs(need_tool, path, tmp_path)
    ours = mrdock.dicomeread(str(path)).to_nifti()
    assert ours.header.get_zooms() == pytest.approx(image.header.get_zooms(), abs=6e-4)
    assert ours.header.get_xyzt_units() == ("mm", "sec")
    for one, other in zip(volumes(ours), volumes(image), strict=True):
        assert np.allclose(one, other, rtol=1e-6)


def test_time_comes_fourth_whatever_the_order(real_data: Path) -> None:
    path = str(real_data / REAL[3])
    image = mrdock.dicomeread(path, order=[1, 2, 5, 3, 4])
    nifti = image.to_nifti()
    assert nifti.shape == (80, 80, 14, 8, 2)
    assert nifti.header.get_zooms()[3] == pytest.approx(237.108 / 7)
    assert np.array_equal(np.asarray(nifti.dataobj)[:, :, 3, 5, 1], image.data[:, :, 1, 3, 5].T)


def test_other_axes_have_no_time(real_data: Path) -> None:
    nifti = mrdock.dicomeread(str(real_data / REAL[1])).to_nifti()
    assert nifti.shape == (80, 80, 53, 2, 2)
    assert nifti.header.get_xyzt_units() == ("mm", "unknown")


def test_a_transpose_does_not_change_the_image(real_data: Path) -> None:
    path = str(real_data / REAL[0])
    one, other = (mrdock.dicomeread(path, order=order).to_nifti() for order in (None, [2, 1, 3]))
    assert np.array_equal(one.affine, other.affine)
    assert np.array_equal(one.get_fdata(), other.get_fdata())


def test_merged_slices_are_refused(real_data: Path) -> None:
    image = mrdock.dicomeread(str(real_data / REAL[1]), combine=[0, 0, 0, 1, 0])
    with pytest.raises(ChoiceError, match="slices on an axis of their own"):
        image.to_nifti()
