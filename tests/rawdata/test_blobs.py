"""BLOBs out of raw files, against pydicom's reading of the same bytes."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from mrdock.errors import MalformedError, NotDicomError, UnsuitableError
from mrdock.rawdata.blobs import RawFile, read_blobs
from tests.builders import (
    PRIVATE_MR_EXAMCARD,
    PRIVATE_MR_SERIES_DATA,
    RAW_DATA_STORAGE,
    StudyIdentity,
    enhanced_mr,
    part10,
    raw_series,
)
from tests.conftest import NeedTool

CREATOR = "Philips MR Imaging DD 002"
IDENTITY = StudyIdentity("blobs")


def write(folder: Path, content: bytes, name: str = "XX_0001") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def raw_file(folder: Path, content: bytes) -> RawFile:
    return read_blobs(str(write(folder, content)))


def bytes_of(raw: RawFile) -> dict[str, bytes]:
    return {blob.name: bytes(blob.data) for blob in raw.blobs}


def by_pydicom(path: Path) -> dict[str, bytes]:
    """The same by another reader: the first bytes of each item's data, as many as its size says."""
    found = {}
    data_set = pydicom.dcmread(path)
    for item in data_set[data_set.private_block(0x2005, CREATOR).get_tag(0x32)].value:
        block = item.private_block(0x2005, CREATOR)
        data = block[0x44].value if 0x44 in block else b""
        found[str(block[0x37].value).strip()] = (data or b"")[: block[0x43].value]
    return found


# ---- real files ----


@pytest.mark.real_data
def test_real_files_equal_pydicoms_reading(real_data: Path) -> None:
    paths = sorted(real_data.glob("*/rawdata/*.dcm"))
    assert len(paths) >= 5
    for path in paths:
        raw = read_blobs(str(path))
        assert bytes_of(raw) == by_pydicom(path)
        assert not any(blob.problem for blob in raw.blobs)


@pytest.mark.real_data
def test_what_real_files_say_of_themselves(real_data: Path) -> None:
    (card,) = real_data.glob("philips_r57/rawdata/*ExamCard_Raw.dcm")
    study = read_blobs(str(card))
    assert (study.kind, study.series_number, study.exam_card_name) == ("study", 0, "20210902_MR61_MPRAGE")
    assert [(blob.name, blob.size) for blob in study.blobs] == [("ExamCardBlob", 4194304)]
    (scan,) = real_data.glob("philips_r57/rawdata/2001*.dcm")
    series = read_blobs(str(scan))
    assert (series.kind, series.series_number, series.protocol_name) == ("series", 2001, "WIP fcMRI Field Mapping")
    assert (series.study_uid, series.release) == (study.study_uid, "5.7")
    assert [(blob.name, blob.type_name, len(blob.data)) for blob in series.blobs][6:10] == [
        ("PDF_PRESCAN_COIL_PARS", "IEEE_PDF", 0),
        ("PDF_USED_PRESCAN_RESPONSES", "IEEE_PDF", 10667),
        ("COILSTATE", "IEEE_PDF", 366),
        ("HARDWARE_CONFIG", "IEEE_PDF", 57),
    ]


@pytest.mark.real_data
def test_an_image_has_none(real_data: Path) -> None:
    path = next(iter(sorted(real_data.glob("philips_r57/enhanced/*"))))
    with pytest.raises(UnsuitableError, match="no Philips raw data") as caught:
        read_blobs(str(path))
    assert str(caught.value).startswith(f"{path}: ")


# ---- every way a raw file can be written ----


@pytest.mark.parametrize("sop_class", [RAW_DATA_STORAGE, PRIVATE_MR_SERIES_DATA, PRIVATE_MR_EXAMCARD, "1.2.3"])
def test_the_sequence_counts_not_the_class(sop_class: str, tmp_path: Path) -> None:
    content = part10(raw_series(IDENTITY, sop_class=sop_class))
    raw = raw_file(tmp_path, content)
    assert (raw.kind, raw.sop_class, len(raw.blobs)) == ("series", sop_class, 5)
    assert bytes_of(raw) == by_pydicom(tmp_path / "XX_0001")


@pytest.mark.peer
@pytest.mark.parametrize("syntax", ["+ti", "+tb", "+te", "+td"])
def test_every_transfer_syntax(syntax: str, tmp_path: Path, need_tool: NeedTool) -> None:
    """DCMTK swaps OW for big endian, as the standard has it; these bytes are no words, and come as they were."""
    content = part10(raw_series(IDENTITY))
    there = raw_file(tmp_path, content)
    other = tmp_path / "other"
    subprocess.run([need_tool("dcmconv"), syntax, str(tmp_path / "XX_0001"), str(other)], check=True)
    again = read_blobs(str(other))
    # an odd length is padded, and its pad swapped
    assert bytes_of(again) == bytes_of(there)
    assert [(blob.name, blob.type_name, blob.size) for blob in again.blobs] == [
        (blob.name, blob.type_name, blob.size) for blob in there.blobs
    ]
    assert (again.series_number, again.exam_card_name) == (there.series_number, there.exam_card_name)


def test_a_sequence_that_calls_itself_unknown(tmp_path: Path) -> None:
    """Relays without a dictionary write UN, of a defined length and with implicit VR inside (PS3.5 section 6.2.2)."""
    data_set = raw_series(IDENTITY)
    tag = data_set.private_block(0x2005, CREATOR).get_tag(0x32)
    inside = pydicom.filebase.DicomBytesIO()
    inside.is_little_endian, inside.is_implicit_VR = True, True
    pydicom.filewriter.write_sequence(inside, data_set[tag], ["latin_1"])
    expected = raw_file(tmp_path, part10(data_set))
    data_set.add_new(tag, "UN", inside.getvalue())
    data_set.save_as(tmp_path / "unknown", enforce_file_format=True)
    assert bytes_of(read_blobs(str(tmp_path / "unknown"))) == bytes_of(expected)


def test_other_blocks(tmp_path: Path) -> None:
    """The creator reserves another block in the file than in an item, and is spelled in capitals there."""
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = RAW_DATA_STORAGE, "1.2.3"
    data_set.private_block(0x2005, "Somebody else", create=True).add_new(0x32, "LO", "no sequence")
    item = Dataset()
    item.private_block(0x2005, "Others", create=True).add_new(0x37, "LO", "wrong")
    block = item.private_block(0x2005, CREATOR.upper(), create=True)
    block.add_new(0x37, "LO", "CPX")
    block.add_new(0x39, "LO", "BINARY")
    block.add_new(0x43, "SL", 3)
    block.add_new(0x44, "OW", b"abc\0")
    data_set.private_block(0x2005, CREATOR, create=True).add_new(0x32, "SQ", [item])
    (blob,) = raw_file(tmp_path, part10_of(data_set)).blobs
    assert (blob.name, blob.type_name, blob.size, bytes(blob.data)) == ("CPX", "BINARY", 3, b"abc")


def test_an_item_without_its_creator(tmp_path: Path) -> None:
    data_set = raw_series(IDENTITY)
    for item in data_set[data_set.private_block(0x2005, CREATOR).get_tag(0x32)].value:
        del item[0x2005, 0x11]
    data_set.save_as(tmp_path / "bare", enforce_file_format=True)
    assert bytes_of(read_blobs(str(tmp_path / "bare"))) == bytes_of(raw_file(tmp_path, part10(raw_series(IDENTITY))))


def part10_of(data_set: Dataset) -> bytes:
    buffer = pydicom.filebase.DicomBytesIO()
    data_set.file_meta = pydicom.dataset.FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    pydicom.dcmwrite(buffer, data_set, enforce_file_format=True)
    return bytes(buffer.getvalue())


# ---- sizes that cannot be believed ----


@pytest.mark.parametrize(
    ("size", "there", "problem"),
    [
        (3, b"abc", ""),
        (2, b"ab", ""),
        (0, b"", ""),
        (-1, b"abc\0", "-1 bytes announced, 4 there"),
        (2**31 - 1, b"abc\0", "2147483647 bytes announced, 4 there"),
    ],
)
def test_sizes(size: int, there: bytes, problem: str, tmp_path: Path) -> None:
    content = part10(raw_series(IDENTITY, blobs=[("RAW", "BINARY", b"abc")]))
    stated = b"\x05\x20\x43\x11SL\4\0"
    at = content.index(stated) + len(stated)
    (blob,) = raw_file(tmp_path, content[:at] + struct.pack("<i", size) + content[at + 4 :]).blobs
    assert (blob.size, bytes(blob.data), blob.problem) == (size, there, problem)


def test_names(tmp_path: Path) -> None:
    blobs = [("", "", b"a"), ("TWICE", "", b"b"), ("TWICE ", "", b""), ("x\x1b[2J", "", b"c")]
    raw = raw_file(tmp_path, part10(raw_series(IDENTITY, blobs=blobs)))
    assert [(blob.name, bytes(blob.data)) for blob in raw.blobs] == [
        ("", b"a"),
        ("TWICE", b"b"),
        ("TWICE", b""),
        ("x\x1b[2J", b"c"),
    ]


def test_no_blobs_at_all(tmp_path: Path) -> None:
    assert raw_file(tmp_path, part10(raw_series(IDENTITY, blobs=[]))).blobs == ()


@pytest.mark.parametrize(
    ("software", "release"),
    [("5.7.1\\5.7.1.1", "5.7"), ("5.1.7", "5.1"), ("", ""), ("R11", ""), ("x\\3.2.3.1", "3.2")],
)
def test_release(software: str, release: str, tmp_path: Path) -> None:
    content = part10(raw_series(IDENTITY, blobs=[], SoftwareVersions=software.split("\\")))
    assert raw_file(tmp_path, content).release == release


@pytest.mark.parametrize(
    ("text", "number"), [("201 ", 201), ("-1  ", -1), ("--5 ", None), ("x   ", None), ("    ", None)]
)
def test_series_number(text: str, number: int | None, tmp_path: Path) -> None:
    content = part10(raw_series(IDENTITY, blobs=[]))
    assert b"\x20\0\x11\0IS\4\x00201 " in content
    content = content.replace(b"\x20\0\x11\0IS\4\x00201 ", b"\x20\0\x11\0IS\4\0" + text.encode())
    assert raw_file(tmp_path, content).series_number == number


# ---- files that are none ----


def test_wrong_files(tmp_path: Path) -> None:
    for content, error in (
        (b"", NotDicomError),
        (b"no DICOM at all" * 100, NotDicomError),
        (part10(enhanced_mr(IDENTITY, slices=1, dynamics=1, rows=2, columns=2)), UnsuitableError),
    ):
        with pytest.raises(error) as caught:
            raw_file(tmp_path, content)
        assert str(caught.value).startswith(f"{tmp_path / 'XX_0001'}: ")
    with pytest.raises(IsADirectoryError):
        read_blobs(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        read_blobs(str(tmp_path / "none"))


def test_cut_files(tmp_path: Path) -> None:
    """Each cut is an error: nothing is shown of a file that is not whole."""
    content = part10(raw_series(IDENTITY))
    begin = content.index(b"PDF_EXAM_PARS")
    for end in (begin, begin + 100, begin + 1000, len(content) - 20):
        with pytest.raises(MalformedError, match="XX_0001: "):
            raw_file(tmp_path, content[:end])


def test_too_many_blobs(tmp_path: Path) -> None:
    content = part10(raw_series(IDENTITY, blobs=[("A", "", b"")]))
    item = content.index(b"\xfe\xff\x00\xe0", content.index(b"\x05\x20\x32\x11SQ"))
    many = content[:item] + b"\xfe\xff\x00\xe0\0\0\0\0" * 5000 + content[item:]
    with pytest.raises(MalformedError, match="more than 4096 BLOBs"):
        raw_file(tmp_path, many)


def test_a_sequence_that_is_broken_inside_its_length(tmp_path: Path) -> None:
    data_set = raw_series(IDENTITY)
    data_set.add_new(data_set.private_block(0x2005, CREATOR).get_tag(0x32), "UN", b"\xfe\xff\x00\xe0\x08\0\0\0no item!")
    data_set.save_as(tmp_path / "broken", enforce_file_format=True)
    with pytest.raises(MalformedError, match="broken: its BLOBs cannot be read"):
        read_blobs(str(tmp_path / "broken"))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.text("ABC_", max_size=12), st.sampled_from(["IEEE_PDF", ""]), st.binary(max_size=99))))
def test_any_blobs_come_back(tmp_path_factory: pytest.TempPathFactory, blobs: list[tuple[str, str, bytes]]) -> None:
    raw = raw_file(tmp_path_factory.getbasetemp(), part10(raw_series(IDENTITY, blobs=blobs)))
    assert [(blob.name, blob.type_name, bytes(blob.data)) for blob in raw.blobs] == blobs
    assert all(blob.size == len(blob.data) and not blob.problem for blob in raw.blobs)
