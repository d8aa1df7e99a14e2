"""`dcms2e` on a real fMRI series, release 5.7.1, seen with other programs: dciodvfy, dcm2niix, pydicom, dicomeread."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nibabel
import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from mrdock import dicomeread
from mrdock.commands.dcms2e import command
from mrdock.convert.dcms2e import convert_classic
from mrdock.convert.dcms2e_diffs import DIFFERENCES
from mrdock.convert.par_convert import Options, convert
from tests.builders.par_of_classic import ParRec, par_of_classic
from tests.conftest import NeedTool

pytestmark = [pytest.mark.real_data, pytest.mark.peer]

SLICES, DYNAMICS = 63, 6


class Converted(NamedTuple):
    """A directory of the first dynamic with a shuffled PAR/REC of all six beside it, and what was made of them."""

    images: list[FileDataset]
    pair: ParRec
    folder: Path
    result: Path
    printed: Result


@pytest.fixture(scope="module")
def converted(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    place = tmp_path_factory.mktemp("fmri")
    folder = place / "02_Resting"
    folder.mkdir()
    files = sorted((real_data / "philips_r57" / "classic" / "2101").iterdir())
    images = [dcmread(path) for path in files]
    for path, image in zip(files, images, strict=True):
        if image.TemporalPositionIdentifier == 1:
            shutil.copy(path, folder)
    pair = par_of_classic(images)
    pair.shuffle(2101)
    pair.write(place / "02_RESTING", ".par", ".rec")
    printed = CliRunner().invoke(command, ["--verify", "--json", str(folder)], prog_name="dcms2e")
    return Converted(images, pair, folder, place / "02_Resting.dcm", printed)


def test_what_is_said(converted: Converted) -> None:
    assert converted.printed.exit_code == 0
    (record,) = json.loads(converted.printed.stdout)
    assert (record["slices"], record["dynamics"], record["verified"]) == (SLICES, DYNAMICS, True)
    par = converted.folder.with_name("02_RESTING.par")
    assert converted.printed.stderr == f"dcms2e: {par}: 75 dynamics were planned; 6 are there\n"


def errors(program: str, path: Path) -> set[str]:
    """What dciodvfy calls errors in a file, without the numbers of frames and items."""
    done = subprocess.run([program, str(path)], capture_output=True, text=True, check=False, errors="replace")
    return {re.sub(r"\d+", "#", line) for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")}


def test_dciodvfy_finds_no_errors_but_the_scanners(converted: Converted, real_data: Path, need_tool: NeedTool) -> None:
    program = need_tool("dciodvfy")
    theirs: set[str] = set()
    for path in [*real_data.glob("philips_r57/enhanced/*.dcm"), *real_data.glob("philips_asl/enhanced/*.dcm")]:
        theirs |= errors(program, path)
    assert theirs
    inner = converted.images[0].private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
    assert inner.ParallelAcquisitionTechnique == "MBSENSE"  # the scanner's own word, which DICOM does not define
    found = {error for error in errors(program, converted.result) - theirs if "<MBSENSE>" not in error}
    assert found == set()


def nifti(program: str, source: Path, place: Path, *words: str) -> Any:
    place.mkdir()
    subprocess.run([program, *words, "-f", "out", "-o", place, source], check=True, capture_output=True)
    (found,) = place.glob("*.nii")
    return nibabel.load(found)


def test_dcm2niix_makes_the_same_volumes(
    converted: Converted, real_data: Path, tmp_path: Path, need_tool: NeedTool
) -> None:
    program = need_tool("dcm2niix")
    ours = nifti(program, converted.result, tmp_path / "enhanced", "-s", "y")
    theirs = nifti(program, real_data / "philips_r57" / "classic" / "2101", tmp_path / "classic")
    assert ours.shape == (96, 96, SLICES, DYNAMICS)
    np.testing.assert_array_equal(np.asanyarray(ours.dataobj), np.asanyarray(theirs.dataobj))
    np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-5)
    assert ours.header.get_zooms() == theirs.header.get_zooms()
    described = [json.loads((tmp_path / kind / "out.json").read_text()) for kind in ("enhanced", "classic")]
    for name in ("EchoTime", "RepetitionTime", "FlipAngle", "PhilipsScaleSlope", "PhilipsRescaleSlope", "ProtocolName"):
        assert described[0][name] == described[1][name], name


def pixels_of(images: list[FileDataset], slice_number: int, dynamic: int) -> NDArray[np.uint16]:
    (found,) = (
        image.pixel_array
        for image in images
        if (image[0x2001, 0x100A].value, image.TemporalPositionIdentifier) == (slice_number, dynamic)
    )
    return found


def test_dicomeread(converted: Converted) -> None:
    image = dicomeread(str(converted.result), scale=False)
    assert image.shape == (96, 96, SLICES, DYNAMICS)
    assert image.dims == ("row", "column", "in_stack_position_number", "temporal_position_index")
    for slice_number, dynamic in ((1, 1), (1, 6), (17, 3), (63, 1), (63, 6)):
        own = pixels_of(converted.images, slice_number, dynamic)
        np.testing.assert_array_equal(image.data[:, :, slice_number - 1, dynamic - 1], own)


def test_each_frame_against_its_classic_image(converted: Converted) -> None:
    """Every dynamic's classic file is at hand here, as it is not for a user: times, windows, places, values."""
    by_place = {(image[0x2001, 0x100A].value, image.TemporalPositionIdentifier): image for image in converted.images}
    for item in dcmread(converted.result).PerFrameFunctionalGroupsSequence:
        content = item.FrameContentSequence[0]
        image = by_place.pop((content.InStackPositionNumber, content.TemporalPositionIndex))
        assert item.PlanePositionSequence[0].ImagePositionPatient == image.ImagePositionPatient
        assert item.FrameVOILUTSequence[0].WindowCenter == image.WindowCenter
        assert item.FrameVOILUTSequence[0].WindowWidth == image.WindowWidth
        assert item.PixelValueTransformationSequence[0].RescaleSlope == image.RescaleSlope
        began, own = float(content.FrameAcquisitionDateTime[8:]), float(image.AcquisitionTime)
        assert abs(began - own) < 0.0101  # classic files have two decimals
        inner = item.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
        philips, theirs = (each.private_block(0x2005, "Philips MR Imaging DD 001") for each in (inner, image))
        assert philips[0x0E].value == theirs[0x0E].value
        assert abs(philips[0xA0].value - theirs[0xA0].value) < 0.00051
    assert not by_place


def leaves(data_set: Dataset, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Every element by the tags and item numbers that lead to it; a sequence has its number of items for a value."""
    for element in data_set:
        place = (*path, int(element.tag))
        if element.VR != "SQ":
            yield place, element.value
            continue
        yield place, len(element.value)
        for number, item in enumerate(element.value):
            yield from leaves(item, (*place, number))


def test_classic_files_alone_make_the_same(converted: Converted, tmp_path: Path) -> None:
    """Under names that are mixed up; what differs is what --diffs says of later dynamics, and UIDs."""
    folder = tmp_path / "all"
    folder.mkdir()
    names = list(range(len(converted.images)))
    random.Random(1).shuffle(names)
    for name, image in zip(names, converted.images, strict=True):
        assert image.filename is not None
        shutil.copy(str(image.filename), folder / f"IM_{name:04d}")
    convert_classic(str(folder), check=True)
    ours, theirs = dcmread(converted.result), dcmread(tmp_path / "all.dcm")
    assert ours.PixelData == theirs.PixelData
    for data_set in (ours, theirs):  # of the frames some: pydicom takes its time
        data_set.PerFrameFunctionalGroupsSequence = data_set.PerFrameFunctionalGroupsSequence[::17]
    one, other = dict(leaves(ours)), dict(leaves(theirs))
    assert one.keys() == other.keys()
    differing = {place[-1] for place in one if one[place] != other[place]}
    assert differing == {0x00080013, 0x00080018, 0x00080033, 0x00189074, 0x00209164, 0x2005100B, 0x2005100C}
    assert differing <= {tag for difference in DIFFERENCES for tag in difference.tags}


def test_dcm2par_gives_back_the_pair(converted: Converted, tmp_path: Path) -> None:
    """Every character of the PAR: the six dynamics are all that it can count, where the scanner prints the 75."""
    back = convert(str(converted.result), str(tmp_path / "02_Resting"), Options(check=True))
    assert back.found == ()
    expected = par_of_classic(converted.images, counted=True)
    expected.name = "02_Resting"
    assert (tmp_path / "02_Resting.PAR").read_bytes() == expected.par()
    assert (tmp_path / "02_Resting.REC").read_bytes() == expected.rec()
