"""`dcms2e --classic`: an Enhanced file from the classic images of all dynamics."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import FileDataset

from mrdock.convert.dcms2e import convert_classic
from mrdock.errors import MrdockError
from tests.builders import part10
from tests.convert.dcms2e_support import DYNAMICS, SLICES, Case, case_in, images_of, same_as


@pytest.fixture
def case(tmp_path: Path) -> Case:
    """All images in one directory, in no order."""
    images = images_of()
    case = case_in(tmp_path, images)
    for path in case.folder.iterdir():
        path.unlink()
    random.Random(1).shuffle(images)
    case.save(images)
    return case


def refusal(case: Case, *, drop_partial: bool = False) -> str:
    with pytest.raises(MrdockError) as caught:
        convert_classic(str(case.folder), drop_partial=drop_partial)
    assert not case.result.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("seed", range(3))
def test_names_and_instance_numbers_do_not_count(case: Case, seed: int) -> None:
    for path in case.folder.iterdir():
        path.unlink()
    order = random.Random(seed)
    numbers = list(range(1, len(case.images) + 1))
    order.shuffle(numbers)
    for image, number in zip(case.images, numbers, strict=True):
        image.InstanceNumber = number
    order.shuffle(case.images)
    case.save(case.images, lambda number: f"{number % 3}/IM_{number}")  # in directories of the directory
    result = convert_classic(str(case.folder), check=True)
    assert (result.slices, result.dynamics, result.verified) == (SLICES, DYNAMICS, True)
    same_as(case, case.result)


def test_each_frame_keeps_what_its_image_says(case: Case) -> None:
    convert_classic(str(case.folder))
    by_uid: dict[str, FileDataset] = {image.SOPInstanceUID: image for image in case.images}
    for item in dcmread(case.result).PerFrameFunctionalGroupsSequence:
        private = item.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
        image = by_uid.pop(private.SOPInstanceUID)
        assert item.FrameVOILUTSequence[0].WindowCenter == image.WindowCenter
        assert item.PlanePositionSequence[0].ImagePositionPatient == image.ImagePositionPatient
        assert item.FrameContentSequence[0].FrameAcquisitionDateTime == image.AcquisitionDate + image.AcquisitionTime
        assert item.FrameContentSequence[0].TemporalPositionIndex == image.TemporalPositionIdentifier
    assert not by_uid


def test_slices_without_philips_number_go_by_position(case: Case) -> None:
    for image in case.images:
        del image.private_block(0x2001, "Philips Imaging DD 001")[0x0A]
    expected = {
        (image.TemporalPositionIdentifier, image.ImagePositionPatient[2]): image.PixelData for image in case.images
    }
    case.save(case.images)
    convert_classic(str(case.folder))
    result = dcmread(case.result)
    heights = sorted({height for _, height in expected})
    size = len(result.PixelData) // len(expected)
    for number, item in enumerate(result.PerFrameFunctionalGroupsSequence):
        content = item.FrameContentSequence[0]
        height = heights[content.InStackPositionNumber - 1]
        assert result.PixelData[number * size :][:size] == expected[content.TemporalPositionIndex, height]


def place(case: Case, slice_number: int, dynamic: int) -> Path:
    """The file of an image."""
    for path in case.folder.iterdir():
        image = dcmread(path, stop_before_pixels=True)
        if (image[0x2001, 0x100A].value, image.TemporalPositionIdentifier) == (slice_number, dynamic):
            return path
    raise AssertionError


def drop(*places: tuple[int, int]) -> Callable[[Case], None]:
    def change(case: Case) -> None:
        for each in places:
            place(case, *each).unlink()

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drop((2, 2)), "of dynamic 2 slice 2 is missing"),
        (drop((2, 2), (3, 4)), "of dynamic 2 slice 2 is missing, and 1 more dynamics lack some"),
        (drop((1, 3), (2, 3), (3, 3)), "of dynamic 3 slices 1 to 3 are missing"),
    ],
)
@pytest.mark.parametrize("drop_partial", [False, True])
def test_missing_images(case: Case, change: Callable[[Case], None], expected: str, drop_partial: bool) -> None:
    change(case)
    assert refusal(case, drop_partial=drop_partial) == f"{case.folder}: {expected}"


def test_a_partial_last_dynamic(case: Case) -> None:
    drop((3, 4), (2, 4))(case)
    hint = "--drop-partial leaves out what is incomplete at the end"
    assert refusal(case) == f"{case.folder}: of dynamic 4 slices 2 and 3 are missing; {hint}"
    result = convert_classic(str(case.folder), drop_partial=True, check=True)
    assert (result.dynamics, result.dropped) == (3, (4,))
    same_as(case, case.result, dynamics=3)


def test_fewer_dynamics_than_planned(case: Case) -> None:
    drop((1, 4), (2, 4), (3, 4))(case)
    result = convert_classic(str(case.folder))
    assert result.remarks == (f"{case.folder}: 4 dynamics were planned; 3 are there",)
    same_as(case, case.result, dynamics=3)


def test_one_dynamic(case: Case) -> None:
    drop(*((number, dynamic) for number in (1, 2, 3) for dynamic in (2, 3, 4)))(case)
    assert "holds one dynamic; dcms2e converts only scans of several dynamics" in refusal(case)


def test_an_image_twice(case: Case) -> None:
    (case.folder / "again").write_bytes(place(case, 2, 3).read_bytes())
    assert "are copies of one image" in refusal(case)
    image = dcmread(place(case, 2, 3))
    image.SOPInstanceUID = "1.2.3"
    (case.folder / "again").write_bytes(part10(image))
    assert "are both slice 2 of dynamic 3" in refusal(case)


def test_pixels_that_are_cut(case: Case) -> None:
    image = dcmread(place(case, 2, 3))
    image.PixelData = image.PixelData[:-2]
    place(case, 2, 3).write_bytes(part10(image))
    assert "bytes" in refusal(case)


def test_absurd_numbers(case: Case) -> None:
    image = dcmread(place(case, 2, 3))
    image.TemporalPositionIdentifier = 2_000_000_000
    place(case, 2, 3).write_bytes(part10(image))
    assert "holds 12 images of 3 slices and 2000000000 dynamics" in refusal(case)


def test_a_remark_that_is_true_of_all_images_is_made_once(case: Case) -> None:
    for image in case.images:
        image.TextValue = "long " * 20_000
    case.save(case.images)
    (remark,) = convert_classic(str(case.folder)).remarks
    assert "is too long for a classic MR image and was left out (and in 11 more files)" in remark


def test_slices_that_motion_correction_moved(case: Case) -> None:
    """Each frame keeps the position of its image."""
    for image in case.images:
        x, y, z = image.ImagePositionPatient
        image.ImagePositionPatient = [x, y, z + 0.2 * image.TemporalPositionIdentifier]
    case.save(case.images)
    convert_classic(str(case.folder), check=True)
    same_as(case, case.result)
    positions = {tuple(image.ImagePositionPatient) for image in case.images}
    frames = dcmread(case.result).PerFrameFunctionalGroupsSequence
    assert {tuple(item.PlanePositionSequence[0].ImagePositionPatient) for item in frames} == positions
