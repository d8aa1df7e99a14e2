"""Dropping a final partial acquisition: real files that were cut in several ways, in all transfer syntaxes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from pydicom.dataset import Dataset, FileDataset

from mrdock.enhanced.shortacq import Result, check_acquisition, drop_partial_acquisition
from tests.conftest import NeedTool
from tests.enhanced.shortacq_support import Index, cut, frames, indexes, read

pytestmark = pytest.mark.real_data

ASL = "philips_asl/enhanced/402_SOURCE_3D_pCASL_6mm.dcm"
FMRI = "dicom2nifti/enhanced/fmri.dcm"
DTI = "dicom2nifti/enhanced/dti.dcm"
FIELD_MAP = "philips_r57/enhanced/2001_fcMRI_Field_Mapping.dcm"

CASES: dict[str, tuple[str, Callable[[Index], bool], Callable[[Index], bool], str]] = {
    # file, what is missing, what has to go, what is said
    "asl: half of the label": (
        ASL,
        lambda x: x[2:] == (8, 1) and x[1] > 6,
        lambda x: x[2] == 8,
        "dynamic 8 has 20 of 28 images",
    ),
    "asl: one slice of the control": (
        ASL,
        lambda x: x[1:] == (1, 8, 0),
        lambda x: x[2] == 8,
        "dynamic 8 has 27 of 28 images",
    ),
    "asl: no label": (ASL, lambda x: x[2:] == (8, 1), lambda x: x[2] == 8, "dynamic 8 has 14 of 28 images"),
    "asl: one image left": (
        ASL,
        lambda x: x[2] == 8 and x[1:] != (14, 8, 1),
        lambda x: x[2] == 8,
        "dynamic 8 has 1 of 28 images",
    ),
    "asl: the last two": (
        ASL,
        lambda x: (x[2] == 8 and x[1] > 2) or (x[2] == 7 and x[1] > 12),
        lambda x: x[2] >= 7,
        "dynamic 7 has 24 of 28 images, dynamic 8 has 4 of 28 images",
    ),
    "fmri": (FMRI, lambda x: x[2] == 4 and x[1] > 3, lambda x: x[2] == 4, "dynamic 4 has 3 of 8 slices"),
    "fmri: stopped in the second": (
        FMRI,
        lambda x: x[2] > 2 or (x[2] == 2 and x[1] > 1),
        lambda x: x[2] == 2,
        "dynamic 2 has 1 of 8 slices",
    ),
    "dti": (
        DTI,
        lambda x: x[3] == 3 and x[1] > 3,
        lambda x: x[3] == 3,
        "diffusion volume 3 (b 1300 s/mm^2, direction -0.026 -0.649 0.76) has 3 of 8 slices",
    ),
    "field map: an echo of the phase": (
        FIELD_MAP,
        lambda x: x[2:] == (3, 2) and x[1] > 40,
        lambda x: x[2:] == (3, 2),
        "volume 4 (P, echo 4.6 ms) has 40 of 53 slices",
    ),
    "field map: the phase": (
        FIELD_MAP,
        lambda x: x[2] == 3 and x[1] > 50,
        lambda x: x[2] == 3,
        "volume 2 (P, echo 2.3 ms) has 50 of 53 slices, volume 4 (P, echo 4.6 ms) has 50 of 53 slices",
    ),
}

SMALL: dict[str, tuple[str, Callable[[Index], bool], Callable[[Index], bool], str]] = {
    "asl: three slices": (
        ASL,
        lambda x: x[1] > 3 or (x[2:] == (8, 1) and x[1] > 1),
        lambda x: x[2] == 8,
        "dynamic 8 has 4 of 6 images",
    ),
    "fmri": CASES["fmri"],
    "dti": CASES["dti"],
}
"""Cases that are repeated in many encodings."""

SYNTAXES = {
    "implicit": ["+ti", "+e"],
    "implicit, undefined lengths": ["+ti", "-e"],
    "explicit, undefined lengths": ["+te", "-e"],
    "big endian": ["+tb", "+e"],
    "deflated": ["+td"],
    "group lengths": ["+te", "+g", "+e"],
    "no meta group": ["+ti", "-F"],
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def said(result: Result) -> str:
    return ", ".join(map(str, result.found.partial))


class Dropped(NamedTuple):
    """The state before and after, and what was said at first and again; nobody changes these files."""

    old: Path
    new: Path
    checked: Result
    result: Result
    again: Result


@cache
def content(path: Path, case: str) -> bytes:
    """A case's file."""
    name, missing, _, _ = (CASES | SMALL)[case]
    with TemporaryDirectory() as folder:
        cut(path / name, Path(folder) / "scan.dcm", missing)
        return (Path(folder) / "scan.dcm").read_bytes()


def made(real_data: Path, folder: Path, case: str) -> Path:
    path = folder / "scan.dcm"
    path.write_bytes(content(real_data, case))
    return path


@pytest.fixture(scope="module")
def dropped(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dropped]:
    """Each case once, for all that look at what came of it."""

    @cache
    def once(case: str) -> Dropped:
        path = made(real_data, tmp_path_factory.mktemp("dropped"), case)
        before = path.read_bytes()
        checked = check_acquisition(str(path))
        assert path.read_bytes() == before
        assert [each.name for each in path.parent.iterdir()] == ["scan.dcm"]
        result = drop_partial_acquisition(str(path))
        return Dropped(Path(result.backup), path, checked, result, drop_partial_acquisition(str(path)))

    return once


def test_real_files(real_data: Path, dropped: Callable[[str], Dropped], case: str) -> None:
    found = dropped(case)
    _, _, gone, words = CASES[case]
    assert said(found.checked) == said(found.result) == words
    assert found.result.backup == f"{found.new}.bak"
    assert found.old.read_bytes() == content(real_data, case)
    assert sorted(each.name for each in found.new.parent.iterdir()) == ["scan.dcm", "scan.dcm.bak"]
    check(read(found.old), read(found.new), gone, found.result)
    assert not found.again.found.partial
    assert not found.again.backup


def check(old: FileDataset, new: FileDataset, gone: Callable[[Index], bool], result: Result) -> None:
    """The new file has just the other frames, and beside counts and identity everything that the old one has."""
    kept = [at for at, index in enumerate(indexes(old)) if not gone(index)]
    assert 0 < len(kept) == result.kept == new.NumberOfFrames < old.NumberOfFrames == result.frames
    assert indexes(new) == [indexes(old)[at] for at in kept]
    assert frames(new) == [frames(old)[at] for at in kept]
    assert len(new.PixelData) == len(kept) * new.Rows * new.Columns * 2
    assert new.SOPInstanceUID == new.file_meta.MediaStorageSOPInstanceUID == result.instance != old.SOPInstanceUID
    note = new.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert note.SOPInstanceUID == old.SOPInstanceUID
    assert note.NumberOfFrames == old.NumberOfFrames
    times = {index[2] for index in indexes(new)} if "dynamic" in said(result) else None
    for at, own in zip(kept, new.PerFrameFunctionalGroupsSequence, strict=True):
        there = old.PerFrameFunctionalGroupsSequence[at]
        if times is not None:
            assert own[0x2005, 0x140F][0].NumberOfTemporalPositions == len(times)
            there[0x2005, 0x140F][0].NumberOfTemporalPositions = len(times)
        assert own == there
    changed = {0x00080018, 0x00280008, 0x04000561, 0x52009230, 0x7FE00010}
    if times is not None and (0x2001, 0x1081) in old:
        assert new[0x2001, 0x1081].value == len(times)
        assert note[0x2001, 0x1081].value == old[0x2001, 0x1081].value
        changed.add(0x20011081)
    plain(old, changed)
    plain(new, changed)
    assert old == new


def plain(data_set: Dataset, changed: set[int]) -> None:
    for tag in changed:
        if tag in data_set:
            del data_set[tag]


@pytest.mark.peer
@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("case", ["asl: three slices", "fmri"])
def test_other_transfer_syntaxes(real_data: Path, tmp_path: Path, need_tool: NeedTool, case: str, syntax: str) -> None:
    path = made(real_data, tmp_path, case)
    other = tmp_path / "other.dcm"
    subprocess.run([need_tool("dcmconv"), *SYNTAXES[syntax], path, other], check=True)
    result = drop_partial_acquisition(str(other))
    assert said(result) == SMALL[case][3]
    subprocess.run([need_tool("dcmconv"), "+te", "-g", other, tmp_path / "new.dcm"], check=True)
    subprocess.run([need_tool("dcmconv"), "+te", "-g", result.backup, tmp_path / "old.dcm"], check=True)
    check(read(tmp_path / "old.dcm"), read(tmp_path / "new.dcm"), SMALL[case][2], result)


@pytest.mark.peer
@pytest.mark.parametrize("program", [["dcmcrle", "-ot"], ["dcmcrle", "+ot"], ["dcmcjpls"], ["gdcmconv", "--j2k"]])
@pytest.mark.parametrize("case", ["asl: three slices", "dti"])
def test_compressed_pixels(real_data: Path, tmp_path: Path, need_tool: NeedTool, case: str, program: list[str]) -> None:
    path = made(real_data, tmp_path, case)
    other = tmp_path / "other.dcm"
    subprocess.run([need_tool(program[0]), *program[1:], path, other], check=True)
    result = drop_partial_acquisition(str(other))
    for name, compressed in (("new.dcm", other), ("old.dcm", Path(result.backup))):
        subprocess.run([need_tool("gdcmconv"), "--raw", compressed, tmp_path / name], check=True)
    old, new = read(tmp_path / "old.dcm"), read(tmp_path / "new.dcm")
    gone = SMALL[case][2]
    kept = [at for at, index in enumerate(indexes(old)) if not gone(index)]
    assert indexes(new) == [indexes(old)[at] for at in kept]
    assert frames(new) == [frames(old)[at] for at in kept]
    assert len(kept) == new.NumberOfFrames


@pytest.mark.peer
def test_dciodvfy_finds_no_error_that_was_not_there(
    dropped: Callable[[str], Dropped], need_tool: NeedTool, case: str
) -> None:
    found = dropped(case)
    tool = need_tool("dciodvfy")

    def errors(of: Path) -> set[str]:
        done = subprocess.run([tool, of], capture_output=True, text=True, errors="replace", check=False)
        return {line for line in done.stderr.splitlines() if "Error" in line}

    before = errors(found.old)
    assert before
    assert errors(found.new) <= before


@pytest.mark.peer
@pytest.mark.parametrize(
    ("case", "shapes"),
    [
        ("asl: half of the label", ["80x80x14x14"]),
        ("asl: the last two", ["80x80x14x12"]),
        ("fmri", ["64x64x8x3"]),
        ("dti", ["128x128x8x3"]),
        ("field map: an echo of the phase", ["80x80x53x1"] * 3),
        ("field map: the phase", ["80x80x53x1"] * 2),
    ],
)
def test_dcm2niix_reads_full_volumes(
    dropped: Callable[[str], Dropped], tmp_path: Path, need_tool: NeedTool, case: str, shapes: list[str]
) -> None:
    found = dropped(case)
    tool = need_tool("dcm2niix")

    def converted(of: Path) -> tuple[list[str], bool]:
        done = subprocess.run(
            [tool, "-s", "y", "-o", tmp_path, "-f", "out_%j", of], capture_output=True, text=True, check=False
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("Convert 1")]
        return [line.rsplit("(", 1)[1].rstrip(")") for line in lines], "Error" in done.stdout + done.stderr

    assert converted(found.old) != (shapes, False)
    assert converted(found.new) == (shapes, False)


@pytest.mark.parametrize("name", [ASL, FMRI, DTI, FIELD_MAP, "dicom2nifti/enhanced/anatomical.dcm"])
def test_whole_files_stay(real_data: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "scan.dcm"
    path.write_bytes((real_data / name).read_bytes())
    before = path.stat()
    result = drop_partial_acquisition(str(path))
    assert not result.found.partial
    assert not result.found.problem
    assert result.frames == result.kept
    assert path.stat() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "missing", "words"),
    [
        (ASL, lambda x: x[1:3] == (5, 3), "dynamic 3 has 26 of 28 images, and it is not the last"),
        (ASL, lambda x: x[2] in (3, 8) and x[1] > 5, "dynamic 3 has 10 of 28 images, and it is not the last"),
        (
            FMRI,
            lambda x: x[1] == 8 and x[2] > 1,
            "dynamic 2 has 7 of 8 slices, and only 1 of 4 dynamics is whole",
        ),
        (
            DTI,
            lambda x: x[1] == 8 and x[3] in (2, 3),
            "diffusion volume 2 (b 1300 s/mm^2, direction 0 -1 0) has 7 of 8 slices, and so is another: this is no "
            "scan that was stopped in its last volume",
        ),
        (
            "philips_r57/enhanced/1901_3DpCASL_real.dcm",
            lambda x: x[1] > 12,
            "the file has 12 of 40 slices, and nothing else: no whole volume would be left",
        ),
    ],
)
def test_what_no_stopped_scan_leaves_is_not_touched(
    real_data: Path, tmp_path: Path, name: str, missing: Callable[[Index], bool], words: str
) -> None:
    path = tmp_path / "scan.dcm"
    cut(real_data / name, path, missing)
    before = path.read_bytes()
    result = drop_partial_acquisition(str(path))
    assert result.found.problem == words
    assert result.found.partial
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
