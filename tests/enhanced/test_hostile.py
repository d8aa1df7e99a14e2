"""Cut, damaged and lying files: one sentence each, in bounded time and memory."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

import mrdock
from mrdock.errors import ChoiceError, DicomError, MalformedError, MrdockError, UnsuitableError
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, raw_data

from .support import REAL, read


def refused(path: Path, **arguments: Any) -> str:
    """What `dicomeread` says about a file that it cannot read; empty where it can."""
    try:
        mrdock.dicomeread(str(path), **arguments)
    except MrdockError as error:
        said = str(error)
        assert said.startswith(str(path))
        assert "\n" not in said
        return said
    return ""


def saved(path: Path, **changes: Any) -> Path:
    made = enhanced_mr(StudyIdentity(), slices=2, dynamics=2, rows=4, columns=4, **changes)
    path.write_bytes(part10(made))
    return path


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_cut_anywhere(real_data: Path, tmp_path: Path, name: str) -> None:
    whole = (real_data / name).read_bytes()
    cuts = random.Random(name).sample(range(len(whole)), 25)
    for cut in [*cuts, 0, 1, 131, 132, len(whole) - 1, len(whole) - 2]:
        path = tmp_path / "cut.dcm"
        path.write_bytes(whole[:cut])
        assert refused(path), cut


@pytest.mark.real_data
@pytest.mark.parametrize("name", [REAL[0], REAL[3], REAL[4]])
def test_damaged_anywhere(real_data: Path, tmp_path: Path, name: str) -> None:
    whole = (real_data / name).read_bytes()
    chance = random.Random(name)
    header = len(whole) - len(read(real_data / name).PixelData)
    tracemalloc.start()
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 3, 20))):
            damaged[chance.randrange(header)] = chance.randrange(256)
        path = tmp_path / "damaged.dcm"
        path.write_bytes(damaged)
        for arguments in ({}, {"scale": "display", "missing": "mask"}):
            refused(path, **arguments)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 * len(whole)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Rows": 60000, "Columns": 60000}, "the pixel data is cut short"),
        ({"Rows": 0}, "0 rows"),
        ({"BitsAllocated": 12}, "12 bits"),
        ({"BitsAllocated": 1}, "1 bits"),
        ({"BitsStored": 17}, "Bits Stored is 17"),
        ({"SamplesPerPixel": 3}, "several samples"),
        ({"NumberOfFrames": 3}, "have more than 3 items"),
        ({"NumberOfFrames": 5}, "Number of Frames is 5"),
        ({"NumberOfFrames": 1 << 30}, "Number of Frames"),
        ({"PixelData": None}, "no pixel data"),
        ({"PixelData": b"\0\0"}, "the pixel data is cut short: 2 bytes of 128 for 4 frames"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2"}, "a CT Image object; dicomeread reads Enhanced MR"),
        ({"SOPClassUID": "1.2.3"}, "an object of no known SOP class"),
        ({"PerFrameFunctionalGroupsSequence": None}, "frames 1 and 2 have no Dimension Index Values"),
    ],
)
def test_files_that_lie(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    assert words in refused(saved(tmp_path / "lies.dcm", **changes))


def test_other_objects_get_a_word(tmp_path: Path) -> None:
    path = tmp_path / "other.dcm"
    path.write_bytes(part10(next(iter(classic_fmri(StudyIdentity())))))
    assert "a classic MR image, one frame a file" in refused(path)
    path.write_bytes(b"no DICOM at all")
    assert refused(path)
    path.write_bytes(b"")
    assert refused(path)
    with pytest.raises(OSError, match="directory"):
        mrdock.dicomeread(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        mrdock.dicomeread(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("sop_class", "words"),
    [
        ("1.2.840.10008.5.1.4.1.1.4.2", "an MR Spectroscopy object; dicomeread reads Enhanced MR images"),
        ("1.2.840.10008.5.1.4.1.1.4.3", "an Enhanced MR Color Image object"),
        ("1.2.840.10008.5.1.4.1.1.12.1", "an X-Ray Angiographic Image object"),
        ("1.2.840.10008.5.1.4.1.1.2", "a CT Image object"),
        ("1.2.3", "an object of no known SOP class"),
    ],
)
def test_what_other_objects_are_called(tmp_path: Path, sop_class: str, words: str) -> None:
    path = tmp_path / "other.dcm"
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), rows=2, columns=2, SOPClassUID=sop_class)))
    assert words in refused(path)


@pytest.mark.parametrize("vr", ["LO", "FD"])
def test_index_values_that_are_no_numbers(tmp_path: Path, vr: str) -> None:
    saved(tmp_path / "made.dcm")
    data_set = read(tmp_path / "made.dcm")
    for item in data_set.PerFrameFunctionalGroupsSequence:
        content = item.FrameContentSequence[0]
        values = list(content.DimensionIndexValues)
        del content.DimensionIndexValues
        content.add_new(0x00209157, vr, values if vr == "FD" else "\\".join(map(str, values)))
    data_set.save_as(tmp_path / "made.dcm")
    assert f"the Dimension Index Values are of VR {vr}, no whole numbers" in refused(tmp_path / "made.dcm")


def test_frames_without_index_values_of_the_same_number(tmp_path: Path) -> None:
    saved(tmp_path / "made.dcm")
    data_set = read(tmp_path / "made.dcm")
    data_set.PerFrameFunctionalGroupsSequence[2].FrameContentSequence[0].DimensionIndexValues = [1, 1]
    data_set.save_as(tmp_path / "odd.dcm")
    assert "frame 3 has 2 Dimension Index Values, others have 3" in refused(tmp_path / "odd.dcm")


def test_a_broken_compressed_frame_is_named(tmp_path: Path) -> None:
    made = enhanced_mr(StudyIdentity(), slices=2, dynamics=2, rows=16, columns=16)
    made.compress(RLELossless, generate_instance_uid=False)
    path = tmp_path / "packed.dcm"
    made.save_as(path)
    whole = path.read_bytes()
    start = whole.rindex(b"\xfe\xff\x00\xe0")
    path.write_bytes(whole[: start + 8] + b"\xff" * (len(whole) - start - 16) + whole[-8:])
    assert "frame 4 cannot be decoded" in refused(path)


def test_compressed_pixels_that_are_not(tmp_path: Path) -> None:
    saved(tmp_path / "made.dcm")
    data_set = read(tmp_path / "made.dcm")
    data_set.file_meta.TransferSyntaxUID = RLELossless
    whole = (tmp_path / "made.dcm").read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    (tmp_path / "lies.dcm").write_bytes(whole)
    assert "not in fragments" in refused(tmp_path / "lies.dcm")


def test_more_than_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "made.dcm")

    empty = np.empty

    def no_room(shape: Any, *others: Any, **named: Any) -> Any:
        if isinstance(shape, tuple) and shape == (4, 4, 4):
            raise MemoryError
        return empty(shape, *others, **named)

    monkeypatch.setattr(np, "empty", no_room)
    with pytest.raises(MalformedError, match="too much for the memory"):
        mrdock.dicomeread(str(path))


def test_the_kinds_of_errors(tmp_path: Path) -> None:
    assert issubclass(UnsuitableError, DicomError)
    path = saved(tmp_path / "made.dcm")
    with pytest.raises(ChoiceError, match=r"made\.dcm"):
        mrdock.dicomeread(str(path), order=[1])


def test_raw_data_is_no_image(tmp_path: Path) -> None:
    from pydicom import dcmread

    made = raw_data(StudyIdentity())
    path = tmp_path / "raw.dcm"
    path.write_bytes(part10(made) if isinstance(made, Dataset) else made)
    assert dcmread(path).Modality == "MR"
    assert "a Raw Data object; dicomeread reads Enhanced MR images" in refused(path)
