"""Several stacks in one file, and slices that make no regular grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

import mrdock
from mrdock.errors import ChoiceError
from tests.builders import StudyIdentity, enhanced_mr

from .support import check_indexes, check_planes, floating, read


def placed(frame: Dataset, stack: int, position: int, place: list[float], across: list[float]) -> None:
    content = frame.FrameContentSequence[0]
    content.StackID, content.InStackPositionNumber = str(stack), position
    content.DimensionIndexValues = [stack, position]
    frame.PlanePositionSequence[0].ImagePositionPatient = place
    frame.PlaneOrientationSequence[0].ImageOrientationPatient = across


def survey(path: Path, *, slices: tuple[int, int] = (3, 3), bend: float = 0.0) -> Path:
    """A transverse stack and a sagittal one; ``bend`` puts the last slice off its grid."""
    enhanced_mr(StudyIdentity(), slices=sum(slices), dynamics=1, rows=4, columns=5).save_as(path)
    data_set = read(path)
    frames = data_set.PerFrameFunctionalGroupsSequence
    for at in range(slices[0]):
        placed(frames[at], 1, at + 1, [-10, -20, 5.0 * at], [1, 0, 0, 0, 1, 0])
    for at in range(slices[1]):
        place = 7.0 * at + (bend if at == slices[1] - 1 else 0)
        placed(frames[slices[0] + at], 2, at + 1, [-30 + place, -20, 40], [0, 1, 0, 0, 0, -1])
    data_set.save_as(path)
    return path


def test_each_stack_has_its_affine(tmp_path: Path) -> None:
    path = survey(tmp_path / "survey.dcm")
    image = mrdock.dicomeread(str(path))
    assert image.dims[2:] == ("stack_id", "in_stack_position_number")
    assert image.affine is not None
    assert image.affine.shape == (2, 4, 4)
    assert (image.affine[0] @ [0, 0, 2, 1])[:3].tolist() == [-10, -20, 10]
    assert (image.affine[1] @ [0, 0, 2, 1])[:3].tolist() == [-16, -20, 40]
    check_planes(image, floating(read(path)))
    check_indexes(image, read(path))
    with pytest.raises(ChoiceError, match="NIfTI holds one stack, there are 2: 1, 2"):
        image.to_nifti()
    for stack, number in ((1, 1), ("2", 1), ("1", 0)):
        nifti = image.to_nifti(stack=stack)
        assert nifti.shape == (5, 4, 3)
        assert np.array_equal(np.asarray(nifti.dataobj), image.data[:, :, number].transpose(1, 0, 2))
        ras = nifti.affine @ [2, 1, 1, 1]
        assert np.allclose(ras[:3] * [-1, -1, 1], (image.affine[number] @ [1, 2, 1, 1])[:3])


def test_stacks_of_different_sizes(tmp_path: Path) -> None:
    path = survey(tmp_path / "survey.dcm", slices=(3, 2))
    image = mrdock.dicomeread(str(path))
    assert image.dims[2:] == ("stack_id_x_in_stack_position_number",)
    assert [stack.note for stack in image.stacks] == ["", ""]
    with pytest.raises(ChoiceError, match="merged"):
        image.to_nifti(stack=0)
    image = mrdock.dicomeread(str(path), missing="mask")
    assert image.mask is not None
    assert image.mask.sum() == 1
    check_planes(image, floating(read(path)))
    assert np.isnan(np.asarray(image.to_nifti(stack="2").dataobj)[:, :, 2]).all()


def test_uneven_slices_are_no_nifti(tmp_path: Path) -> None:
    path = survey(tmp_path / "survey.dcm", bend=1.5)
    image = mrdock.dicomeread(str(path))
    assert any("off the even grid" in note for note in image.notes)
    assert image.to_nifti(stack=0).shape == (5, 4, 3)
    with pytest.raises(ChoiceError, match=r"regular slices: frame 5 lies 0\.75 mm off the even grid"):
        image.to_nifti(stack=1)


def test_isotropic_diffusion_frames(tmp_path: Path) -> None:
    path = tmp_path / "trace.dcm"
    enhanced_mr(StudyIdentity(), slices=2, dynamics=3, rows=4, columns=4, dimension_index=False).save_as(path)
    data_set = read(path)
    for frame in data_set.PerFrameFunctionalGroupsSequence:
        content = frame.FrameContentSequence[0]
        volume = content.TemporalPositionIndex
        diffusion = Dataset()
        diffusion.DiffusionDirectionality = ("NONE", "DIRECTIONAL", "ISOTROPIC")[volume - 1]
        if volume > 1:
            diffusion.DiffusionBValue = 1000.0
        if volume == 2:
            direction = Dataset()
            direction.DiffusionGradientOrientation = [0.6, 0.0, -0.8]
            diffusion.DiffusionGradientDirectionSequence = [direction]
        frame.MRDiffusionSequence = [diffusion]
        content.TemporalPositionIndex = 1
        content.DimensionIndexValues = [1, content.InStackPositionNumber, min(volume, 2), volume]
    data_set.save_as(path)
    image = mrdock.dicomeread(str(path))
    assert image.dims[3] == "diffusion_b_value_x_diffusion_gradient_orientation"
    assert image.matlab_indexes[3] == ("0/", "1000/0.6 0 -0.8", "1000/iso")
    assert image.coords["diffusion_b_value"].tolist() == [0, 1000, 1000]
    assert np.isnan(image.coords["diffusion_gradient_orientation"][[0, 2]]).all()
    check_planes(image, floating(read(path)))
