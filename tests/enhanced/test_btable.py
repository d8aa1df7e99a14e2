"""B-tables of real files, and of files made from them, as dcm2niix has them."""

from __future__ import annotations

import math
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import FileDataset
from pydicom.sequence import Sequence

from mrdock.enhanced.btable import b_table, save
from mrdock.errors import DicomError, MalformedError, PlaceError, UnsuitableError
from tests.builders import StudyIdentity, enhanced_mr, part10
from tests.conftest import NeedTool
from tests.enhanced.shortacq_support import read

DIRECTIONS = [(1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (-0.02599947154521942, -0.6491867899894714, 0.7601845264434814)]
ZERO = (0.0, 0.0, 0.0)


@pytest.fixture
def dti(real_data: Path) -> Path:
    return real_data / "dicom2nifti" / "enhanced" / "dti.dcm"


@pytest.mark.real_data
def test_table(dti: Path) -> None:
    table = b_table(str(dti))
    assert table.rows == (*((1300.0, direction) for direction in DIRECTIONS), (0.0, ZERO))
    assert table.lines() == [
        "1300 1 0 0",
        "1300 0 -1 0",
        "1300 -0.02599947154521942 -0.6491867899894714 0.7601845264434814",
        "0 0 0 0",
    ]
    assert not table.left_out


@pytest.mark.peer
@pytest.mark.real_data
def test_fsl_is_what_dcm2niix_writes(dti: Path, tmp_path: Path, need_tool: NeedTool) -> None:
    b_values, vectors = by_dcm2niix(need_tool("dcm2niix"), dti, tmp_path)
    files = b_table(str(dti), "fsl").files()
    assert files[".bval"].split() == b_values.split()
    assert [line.split() for line in files[".bvec"].splitlines()] == [line.split() for line in vectors.splitlines()]


def by_dcm2niix(tool: str, path: Path, folder: Path) -> tuple[str, str]:
    subprocess.run([tool, "-s", "y", "-o", folder, "-f", "peer", path], check=True, capture_output=True)
    return (folder / "peer.bval").read_text(), (folder / "peer.bvec").read_text()


def oblique(
    data_set: FileDataset, angles: tuple[float, float, float], step: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Turn the slices and stack them the one or the other way; return the axes as rows."""
    axes = np.eye(3)
    for at, angle in enumerate(angles):
        turn, others = np.eye(3), [other for other in range(3) if other != at]
        turn[np.ix_(others, others)] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
        axes = axes @ turn
    for item in data_set.PerFrameFunctionalGroupsSequence:
        number = item.FrameContentSequence[0].InStackPositionNumber - 1
        orientation = [f"{x:.12f}"[:16] for x in (*axes[0], *axes[1])]
        position = [f"{x:.10f}"[:16] for x in axes[2] * step * 2.7 * number]
        item.PlaneOrientationSequence[0].ImageOrientationPatient = orientation
        for group in (item.PlanePositionSequence[0], item[0x2005, 0x140F][0]):
            group.ImagePositionPatient = position
    return axes


@pytest.mark.peer
@pytest.mark.real_data
@pytest.mark.parametrize("step", [1, -1])
@pytest.mark.parametrize(
    "angles", [(0.0, 0.0, 0.0), (math.pi / 2, 0.0, 0.0), (0.0, -math.pi / 2, 0.0), (0.2, -0.3, 0.4), (1.2, 0.5, -2.4)]
)
def test_oblique_slices(
    dti: Path, tmp_path: Path, need_tool: NeedTool, angles: tuple[float, float, float], step: int
) -> None:
    data_set = read(dti)
    data_set.PatientPosition = "HFS"
    axes = oblique(data_set, angles, step)
    path = tmp_path / "scan.dcm"
    data_set.save_as(path)
    _, vectors = by_dcm2niix(need_tool("dcm2niix"), path, tmp_path)
    expected = np.array([[float(word) for word in line.split()] for line in vectors.splitlines()])
    table = b_table(str(path), "fsl")
    np.testing.assert_allclose(np.array([direction for _, direction in table.rows]).T, expected, atol=2e-6)
    image = b_table(str(path), "table", "image")
    for (_, found), direction in zip(image.rows, [*DIRECTIONS, ZERO], strict=True):
        np.testing.assert_allclose(found, axes @ direction, atol=1e-9)
    assert [direction for _, direction in b_table(str(path)).rows] == [*DIRECTIONS, ZERO]
    assert [direction for _, direction in b_table(str(path), "mrtrix").rows] == [
        (-x + 0.0, -y + 0.0, z) for x, y, z in [*DIRECTIONS, ZERO]
    ]


def with_trace(data_set: FileDataset, *, said: str) -> None:
    """Make the volume of the second direction a calculated one."""
    for item in data_set.PerFrameFunctionalGroupsSequence:
        if item.FrameContentSequence[0].DimensionIndexValues[3] == 2:
            diffusion = item.MRDiffusionSequence[0]
            diffusion.DiffusionDirectionality = "ISOTROPIC"
            del diffusion.DiffusionGradientDirectionSequence
            kind = item.MRImageFrameTypeSequence[0]
            kind.FrameType = ["DERIVED", "PRIMARY", "DIFFUSION", said]


@pytest.mark.real_data
@pytest.mark.parametrize(("said", "word"), [("NONE", "isotropic"), ("TRACE", "trace"), ("ADC", "ADC map")])
def test_averages_are_left_out_unless_asked_for(dti: Path, tmp_path: Path, said: str, word: str) -> None:
    data_set = read(dti)
    with_trace(data_set, said=said)
    path = tmp_path / "scan.dcm"
    data_set.save_as(path)
    table = b_table(str(path))
    assert table.rows == ((1300.0, DIRECTIONS[0]), (1300.0, DIRECTIONS[2]), (0.0, ZERO))
    (average,) = table.left_out
    assert (average.average, average.b_value, len(average.frames)) == (word, 1300.0, 8)
    everything = b_table(str(path), "fsl", averages=True)
    assert [b_value for b_value, _ in everything.rows] == [1300, 1300, 1300, 0]
    assert not everything.left_out


@pytest.mark.real_data
def test_philips_elements_where_the_standard_ones_are_missing(dti: Path, tmp_path: Path) -> None:
    data_set = read(dti)
    for item in data_set.PerFrameFunctionalGroupsSequence:
        del item.MRDiffusionSequence
    path = tmp_path / "scan.dcm"
    data_set.save_as(path)
    for (b_value, direction), (other, expected) in zip(b_table(str(path)).rows, b_table(str(dti)).rows, strict=True):
        assert b_value == other
        np.testing.assert_allclose(direction, expected, atol=1e-6)


@pytest.mark.real_data
def test_repeats_have_one_line_a_direction_and_one_volume_each(dti: Path, tmp_path: Path) -> None:
    data_set = read(dti)
    first = data_set.PerFrameFunctionalGroupsSequence
    again = read(dti).PerFrameFunctionalGroupsSequence
    for number, items in enumerate([first, again], 1):
        for item in items:
            content = item.FrameContentSequence[0]
            content.TemporalPositionIndex = number
            content.DimensionIndexValues = [*content.DimensionIndexValues, number]
    data_set.PerFrameFunctionalGroupsSequence = Sequence([*first, *again])
    data_set.NumberOfFrames = 2 * len(first)
    data_set.PixelData = data_set.PixelData * 2
    path = tmp_path / "scan.dcm"
    data_set.save_as(path)
    assert len(b_table(str(path)).rows) == 4
    assert [b_value for b_value, _ in b_table(str(path), "fsl").rows] == [1300, 1300, 1300, 0] * 2


@pytest.mark.real_data
def test_frames_that_contradict_each_other(dti: Path, tmp_path: Path) -> None:
    data_set = read(dti)
    data_set.PerFrameFunctionalGroupsSequence[9].MRDiffusionSequence[0].DiffusionBValue = 700.0
    path = tmp_path / "scan.dcm"
    data_set.save_as(path)
    with pytest.raises(MalformedError, match=r"scan\.dcm: frames 2 and 10 are one volume"):
        b_table(str(path))


@pytest.mark.real_data
def test_the_image_frame_needs_one_orientation(dti: Path, tmp_path: Path) -> None:
    data_set = read(dti)
    group = data_set.PerFrameFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    group.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    path = tmp_path / "scan.dcm"
    data_set.save_as(path)
    assert len(b_table(str(path)).rows) == 4
    with pytest.raises(UnsuitableError, match="no orientation that all share"):
        b_table(str(path), "fsl")


def test_no_diffusion_scan(tmp_path: Path) -> None:
    path = tmp_path / "scan.dcm"
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), rows=4, columns=4)))
    with pytest.raises(UnsuitableError, match=r"scan\.dcm: no diffusion scan: no frame has a b-value above 0"):
        b_table(str(path))


@pytest.mark.real_data
def test_files_are_not_overwritten(dti: Path, tmp_path: Path) -> None:
    table = b_table(str(dti), "fsl")
    (tmp_path / "scan.bvec").write_text("mine")
    with pytest.raises(PlaceError, match=r"scan\.bvec: exists already"):
        save(table, str(tmp_path / "scan"))
    assert [each.name for each in tmp_path.iterdir()] == ["scan.bvec"]
    save(table, str(tmp_path / "scan"), force=True)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["scan.bval", "scan.bvec"]
    assert (tmp_path / "scan.bvec").read_text() == table.files()[".bvec"]


@pytest.mark.real_data
def test_damaged_files(dti: Path, tmp_path: Path) -> None:
    """A sentence that names the file, or a table; nothing else, whatever is cut or changed."""
    whole, random_ = dti.read_bytes()[:70_000], random.Random(7)
    refused = 0
    for number in range(120):
        damaged = bytearray(dti.read_bytes())
        if number % 3 == 0:
            damaged = damaged[: random_.randrange(len(whole))]
        else:
            for _ in range(number):
                damaged[random_.randrange(len(whole))] = random_.randrange(256)
        path = tmp_path / "scan.dcm"
        path.write_bytes(damaged)
        try:
            table = b_table(str(path), "fsl")
        except DicomError as error:
            refused += str(error).startswith(f"{path}: ") and "\n" not in str(error)
        else:
            refused += len(table.lines()) == 4
    assert refused == 120
