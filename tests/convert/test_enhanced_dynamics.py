"""The builder on a real fMRI scan (2101 of release 5.7.1: 63 slices, 6 dynamics): classic files of the first dynamic.

What it says of the other dynamics is compared with the scanner's own classic files of them.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pytest
from nibabel import Nifti1Image
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import FileDataset

import mrdock
from mrdock.convert.enhanced_build import BuildReport, build
from mrdock.convert.enhanced_frames import Frame
from mrdock.convert.enhanced_source import ClassicImage, read_pixels
from tests.conftest import NeedTool

from .enhanced_support import NOW, read_all

pytestmark = [pytest.mark.real_data, pytest.mark.peer]

DYNAMIC, SLICE, BEGIN, WINDOW = 0x00200100, 0x2001100A, 0x200510A0, (0x00281050, 0x00281051)
ITEM = 0x2005140F
SCANNERS = (
    "philips_r57/enhanced/1901_3DpCASL_real.dcm",
    "philips_r57/enhanced/2001_fcMRI_Field_Mapping.dcm",
    "philips_asl/enhanced/402_SOURCE_3D_pCASL_6mm.dcm",
)


class Scan(NamedTuple):
    """The classic images, and the file built from those of the first dynamic and the pixels of all."""

    images: list[ClassicImage]
    pixels: NDArray[np.uint16]
    path: Path
    report: BuildReport


@pytest.fixture(scope="module")
def classic(real_data: Path) -> Path:
    return real_data / "philips_r57" / "classic" / "2101"


@pytest.fixture(scope="module")
def scan(classic: Path, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    images = read_all(sorted(classic.iterdir()))
    first = {image.whole(SLICE, 0): image for image in images if image.whole(DYNAMIC, 0) == 1}
    pixels = np.stack([np.frombuffer(read_pixels(image), "<u2").reshape(96, 96) for image in images])
    frames = [frame_of(image, first[image.whole(SLICE, 0)]) for image in images]
    path = tmp_path_factory.mktemp("enhanced") / "2101.dcm"
    with path.open("xb") as stream:
        report = build(frames, lambda numbers: pixels[numbers], stream, now=NOW)
    return Scan(images, pixels, path, report)


def frame_of(image: ClassicImage, source: ClassicImage) -> Frame:
    """What a PAR line tells of an image that is not one of the first dynamic."""
    if image is source:
        return Frame(source)
    begin, *window = (image.number(tag) for tag in (BEGIN, *WINDOW))
    assert begin is not None
    assert window[0] is not None
    assert window[1] is not None
    return Frame(
        source, own=False, temporal=image.whole(DYNAMIC, 0), begin_s=round(begin, 3), window=(window[0], window[1])
    )


@pytest.fixture(scope="module")
def built(scan: Scan) -> FileDataset:
    return dcmread(scan.path)


def test_dimensions_and_order_are_those_of_an_fmri_scan(scan: Scan, built: FileDataset) -> None:
    assert scan.report.dimensions == ("Stack ID", "In-Stack Position Number", "Temporal Position Index")
    assert (scan.report.frames, scan.report.remarks) == (378, ())
    assert scan.report.sop_instance_uid == built.SOPInstanceUID == built.file_meta.MediaStorageSOPInstanceUID
    pointers = [(item.DimensionIndexPointer, item.FunctionalGroupPointer) for item in built.DimensionIndexSequence]
    assert pointers == [(0x00209056, 0x00209111), (0x00209057, 0x00209111), (0x00209128, 0x00209111)]
    content = [frame.FrameContentSequence[0] for frame in built.PerFrameFunctionalGroupsSequence]
    expected = [[1, slice_, dynamic] for slice_ in range(1, 64) for dynamic in range(1, 7)]
    assert [list(item.DimensionIndexValues) for item in content] == expected
    assert [[int(item.StackID), item.InStackPositionNumber, item.TemporalPositionIndex] for item in content] == expected


def test_every_frame_is_its_scanners_image(scan: Scan, built: FileDataset) -> None:
    """By value: what the private item has of each frame equals what the scanner's classic file of that image has."""
    images = {(image.whole(SLICE, 0), image.whole(DYNAMIC, 0)): number for number, image in enumerate(scan.images)}
    differing: set[int] = set()
    pairs = list(zip(built.PerFrameFunctionalGroupsSequence, built.pixel_array, strict=True))
    for frame, stored in pairs[::5]:  # all dynamics, most slices
        content, item = frame.FrameContentSequence[0], frame[ITEM].value[0]
        number = images[content.InStackPositionNumber, content.TemporalPositionIndex]
        theirs = dcmread(scan.images[number].path, stop_before_pixels=True)
        assert np.array_equal(stored, scan.pixels[number])
        assert str(content.FrameAcquisitionDateTime)[:8] == theirs.AcquisitionDate
        later = float(str(content.FrameAcquisitionDateTime)[8:]) - float(theirs.AcquisitionTime)
        assert abs(later) < 0.0101  # the first dynamic's time, to which the begin is added, is rounded to 10 ms
        for tag in WINDOW:
            assert frame.FrameVOILUTSequence[0][tag].value == theirs[tag].value
        differing.update(
            each.tag for each in theirs if each.tag in item and str(item[each.tag].value) != str(each.value)
        )
    assert differing == {
        0x00080018,  # SOP Instance UID: the classic files of the later dynamics are not known
        0x00080033,  # Content Time: to 10 ms
        0x00200032,  # Image Position: half a pixel further out in the private item
        0x2001100B,  # slice orientation: empty in Enhanced files
        0x2005100B,  # the largest and the smallest value before the image was written with 12 bits
        0x2005100C,
    }


def test_extremes_are_the_floating_point_values_of_the_pixels(scan: Scan, built: FileDataset) -> None:
    for frame, stored in zip(built.PerFrameFunctionalGroupsSequence, built.pixel_array, strict=True):
        item, scale = frame[ITEM].value[0], frame[ITEM].value[0][0x2005, 0x100E].value
        if frame.FrameContentSequence[0].TemporalPositionIndex == 1:
            continue
        assert item[0x2005, 0x100B].value == pytest.approx(stored.max() / scale, rel=1e-6)
        assert item[0x2005, 0x100C].value == pytest.approx(stored.min() / scale, rel=1e-6)
    for image, stored in zip(scan.images, scan.pixels, strict=True):  # how good an estimate that is
        highest, scale = image.number(0x2005100B), image.number(0x2005100E)
        assert highest is not None
        assert scale is not None
        assert stored.max() / scale == pytest.approx(highest, rel=0.1)


def test_uids_are_all_different(built: FileDataset) -> None:
    uids = [frame[ITEM].value[0].SOPInstanceUID for frame in built.PerFrameFunctionalGroupsSequence]
    uids += [built.SOPInstanceUID, built.DimensionOrganizationSequence[0].DimensionOrganizationUID]
    assert len(set(uids)) == 378 + 2
    assert all(len(uid) <= 64 for uid in uids)


def test_dciodvfy_finds_no_error_that_scanners_files_have_not(scan: Scan, real_data: Path, need_tool: NeedTool) -> None:
    tool = need_tool("dciodvfy")
    known = set.union(*(errors(tool, real_data / name) for name in SCANNERS))
    assert known
    assert errors(tool, scan.path) <= known


def errors(tool: str, path: Path) -> set[str]:
    done = subprocess.run([tool, str(path)], capture_output=True, text=True, errors="replace", timeout=60, check=False)
    return {line for line in done.stderr.splitlines() if line.startswith("Error")}


def test_dcm2niix_makes_the_same_volumes_of_it_as_of_the_classic_files(
    scan: Scan, classic: Path, tmp_path: Path, need_tool: NeedTool
) -> None:
    ours, theirs = (by_dcm2niix(need_tool, path, tmp_path / name) for name, path in (("e", scan.path), ("c", classic)))
    assert ours.shape == theirs.shape == (96, 96, 63, 6)
    assert np.array_equal(ours.get_fdata(), theirs.get_fdata())
    assert np.allclose(ours.affine, theirs.affine, atol=1e-5)
    assert ours.header.get_zooms() == pytest.approx(theirs.header.get_zooms(), rel=1e-5)


def by_dcm2niix(need_tool: NeedTool, path: Path, folder: Path) -> Nifti1Image:
    folder.mkdir()
    single = ["-s", "y"] if path.is_file() else []
    words = [need_tool("dcm2niix"), *single, "-f", "out", "-o", str(folder), str(path)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    (found,) = folder.glob("*.nii")
    image = nibabel.load(found)
    assert isinstance(image, Nifti1Image)
    return image


def test_dicomeread_gives_slices_and_dynamics(scan: Scan) -> None:
    image = mrdock.dicomeread(str(scan.path), scale=False)
    assert image.shape == (96, 96, 63, 6)
    assert np.array_equal(np.sort(image.data, axis=None), np.sort(scan.pixels, axis=None))


def test_dcmdump_reads_it_to_its_end(scan: Scan, need_tool: NeedTool) -> None:
    words = [need_tool("dcmdump"), "-q", "+L", "+W", str(scan.path.parent), str(scan.path)]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    assert done.returncode == 0
    assert not re.findall(r"^[EW]: .*", done.stderr + done.stdout, re.MULTILINE)
