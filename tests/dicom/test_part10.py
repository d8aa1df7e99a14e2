"""File Meta Information: what is written is read by pydicom and DCMTK, what others wrote is read here."""

from __future__ import annotations

import struct
import subprocess
import warnings
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID

from mrdock.dicom.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    FileMeta,
    decode_file_meta,
    encode_file_meta,
)
from mrdock.dicom.values import is_uid
from mrdock.errors import DicomError, MalformedError, NotDicomError
from tests.builders import StudyIdentity, bulk_classic, classic_fmri, part10
from tests.conftest import NeedTool

from .encoding import EXPLICIT, element

MR = "1.2.840.10008.5.1.4.1.1.4"
CREATOR = "2.25.227587837886440796627773595773635089360"
META = FileMeta(MR, "1.2.3.45", EXPLICIT.uid, "ACHIEVA1", CREATOR, b"received=now association=1")
ODD_FILES = Path(pydicom.data.__file__).parent / "test_files"

TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\"), max_size=16)
UIDS = st.from_regex(r"[0-2](\.[1-9][0-9]{0,5}){1,8}", fullmatch=True)


def read_by_pydicom(head: bytes) -> pydicom.FileDataset:
    return pydicom.dcmread(BytesIO(head + element(EXPLICIT, 0x00100020, "LO", b"X ")))


def test_a_preamble_of_zeros_and_the_prefix_come_first() -> None:
    assert encode_file_meta(META)[:132] == bytes(128) + b"DICM"


def test_pydicom_reads_every_element() -> None:
    found = read_by_pydicom(encode_file_meta(META))
    meta = found.file_meta
    assert found.PatientID == "X"
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (MR, "1.2.3.45")
    assert meta.TransferSyntaxUID == EXPLICIT.uid
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert meta.ImplementationVersionName == IMPLEMENTATION_VERSION_NAME
    assert meta.SourceApplicationEntityTitle == "ACHIEVA1"
    assert meta.PrivateInformationCreatorUID == CREATOR
    assert meta.PrivateInformation == b"received=now association=1"
    assert list(meta.keys()) == sorted(meta.keys())


def test_the_optional_elements_are_left_out() -> None:
    meta = read_by_pydicom(encode_file_meta(FileMeta(MR, "1.2.3.45", EXPLICIT.uid))).file_meta
    assert 0x00020016 not in meta
    assert 0x00020100 not in meta
    assert 0x00020102 not in meta


def test_our_own_identification_is_valid() -> None:
    assert UID(IMPLEMENTATION_CLASS_UID).is_valid
    assert is_uid(IMPLEMENTATION_CLASS_UID)
    assert 1 <= len(IMPLEMENTATION_VERSION_NAME) <= 16  # VR SH


@settings(deadline=None, max_examples=75)
@given(UIDS, UIDS, TEXTS, st.binary(max_size=40))
def test_lengths_are_right_and_even_and_the_meta_comes_back(
    sop_class: str, sop_instance: str, source: str, private: bytes
) -> None:
    meta = replace(META, sop_class=sop_class, sop_instance=sop_instance, source_ae=source, private=private)
    head = encode_file_meta(meta)
    (length,) = struct.unpack_from("<I", head, 140)
    assert 132 + 12 + length == len(head)
    assert len(head) % 2 == 0
    theirs = read_by_pydicom(head).file_meta
    assert theirs.FileMetaInformationGroupLength == length
    padded = private + head[-1:] * (len(private) % 2)
    assert (theirs.PrivateInformation or b"") == padded
    assert decode_file_meta(head) == replace(meta, data_set_at=len(head), private=padded)


def test_dcmtk_reads_it(need_tool: NeedTool, tmp_path: Path) -> None:
    whole = part10(classic_fmri(StudyIdentity(), slices=1, dynamics=1)[0])
    before = decode_file_meta(whole)
    path = tmp_path / "image.dcm"
    path.write_bytes(encode_file_meta(replace(META, sop_instance=before.sop_instance)) + whole[before.data_set_at :])
    assert output(need_tool("dcmftest"), str(path)).startswith("yes:")
    dump = output(need_tool("dcmdump"), "+L", "-Un", str(path))
    lines = {line[:11]: line for line in dump.splitlines() if line.startswith("(0002,")}
    assert f"UL {struct.unpack_from('<I', path.read_bytes(), 140)[0]} " in lines["(0002,0000)"]
    assert f"[{before.sop_instance}]" in lines["(0002,0003)"]
    assert f"[{EXPLICIT.uid}]" in lines["(0002,0010)"]
    assert "[ACHIEVA1]" in lines["(0002,0016)"]
    assert f"[{CREATOR}]" in lines["(0002,0100)"]
    assert META.private.hex("\\") in lines["(0002,0102)"]


def output(*command: str) -> str:
    """What a program says; it may not complain."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    assert done.stderr == ""
    return done.stdout


# ---- reading ----


def test_every_real_file_says_what_pydicom_says(real_data: Path) -> None:
    count = 0
    for path in sorted(real_data.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as stream:
            data = stream.read(1 << 16)
        if data[128:132] != b"DICM":
            with pytest.raises(NotDicomError):
                decode_file_meta(data)
            continue
        same_meta(decode_file_meta(data), read_file_meta_info(path))
        count += 1
    assert count


def same_meta(ours: FileMeta, theirs: FileMetaDataset) -> None:
    assert ours.sop_class == theirs.get("MediaStorageSOPClassUID", "")
    assert ours.sop_instance == theirs.get("MediaStorageSOPInstanceUID", "")
    assert ours.transfer_syntax == theirs.TransferSyntaxUID
    assert ours.source_ae == theirs.get("SourceApplicationEntityTitle", "")
    assert ours.data_set_at == 144 + theirs.FileMetaInformationGroupLength


@pytest.mark.parametrize("name", ["meta_missing_tsyntax.dcm", "no_meta.dcm", "ExplVR_LitEndNoMeta.dcm", "README.txt"])
def test_files_without_what_is_needed_are_refused(name: str) -> None:
    (path, *_) = sorted(ODD_FILES.rglob(name))
    data = path.read_bytes()
    with pytest.raises(MalformedError if data[128:132] == b"DICM" else NotDicomError):
        decode_file_meta(data)


def test_every_odd_file_of_pydicom() -> None:
    for path in sorted(ODD_FILES.rglob("*")):
        data = path.read_bytes() if path.is_file() else b""
        if data[128:132] != b"DICM" or path.name == "meta_missing_tsyntax.dcm":
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's, about group lengths that are wrong
            theirs = pydicom.dcmread(path, stop_before_pixels=True).file_meta
        ours = decode_file_meta(data)
        assert ours.transfer_syntax == theirs.TransferSyntaxUID, path
        assert ours.sop_instance == theirs.get("MediaStorageSOPInstanceUID", ""), path


def meta_bytes(*elements: bytes) -> bytes:
    return bytes(128) + b"DICM" + b"".join(elements)


SYNTAX = element(EXPLICIT, 0x00020010, "UI", EXPLICIT.uid.encode() + b"\0")


def test_any_preamble_and_no_group_length() -> None:
    data = b"II*\0" + b"TIFF" * 31 + b"DICM" + SYNTAX + element(EXPLICIT, 0x00080016, "UI", b"1.2.3.")
    assert decode_file_meta(data) == FileMeta("", "", EXPLICIT.uid, data_set_at=132 + len(SYNTAX))


def test_a_group_length_that_lies_does_not_matter() -> None:
    for length in (0, 4, 0xFFFFFFFF):
        lie = element(EXPLICIT, 0x00020000, "UL", struct.pack("<I", length))
        assert decode_file_meta(meta_bytes(lie, SYNTAX, b"\x08\0\x05\0CS\0\0")).data_set_at == 144 + len(SYNTAX)


def test_padding_of_either_kind_is_stripped() -> None:
    for pad in (b"\0", b" ", b"\0\0\0", b"   "):
        data = meta_bytes(SYNTAX, element(EXPLICIT, 0x00020016, "AE", b"SCANNER" + pad))
        assert decode_file_meta(data).source_ae == "SCANNER"


def test_long_forms_and_unknown_elements_are_passed_over() -> None:
    unknown = [element(EXPLICIT, 0x00020026, "UR", b"http://x"), element(EXPLICIT, 0x00020050, "UN", b"abcd")]
    assert decode_file_meta(meta_bytes(SYNTAX, *unknown, b"\x08\0\x05\0CS\0\0")).transfer_syntax == EXPLICIT.uid


@pytest.mark.parametrize("data", [b"", b"DICM", bytes(128), bytes(131), bytes(128) + b"DIC", bytes(128) + b"dicm"])
def test_no_dicom(data: bytes) -> None:
    with pytest.raises(NotDicomError, match="prefix"):
        decode_file_meta(data)


def test_no_meta_elements_at_all() -> None:
    for data in (meta_bytes(), meta_bytes(element(EXPLICIT, 0x00080016, "UI", b"1.2.3."))):
        with pytest.raises(MalformedError, match="no transfer syntax"):
            decode_file_meta(data)


def test_lengths_that_lead_out_of_the_file() -> None:
    for broken in (
        element(EXPLICIT, 0x00020016, "AE", b"X", 0xFFFF),
        element(EXPLICIT, 0x00020102, "OB", b"X", 0xFFFFFFFF),
        element(EXPLICIT, 0x00020102, "OB", b"X", 1 << 30),
    ):
        with pytest.raises(MalformedError, match="cut short"):
            decode_file_meta(meta_bytes(SYNTAX, broken))


def test_meta_cut_at_every_byte() -> None:
    """A cut meta is never taken for a whole one followed by a data set that is not there."""
    head = encode_file_meta(META)
    ends = {144}
    while max(ends) < len(head):
        at = max(ends)
        long_form = head[at + 4 : at + 6] == b"OB"
        (length,) = struct.unpack_from("<I" if long_form else "<H", head, at + 8 if long_form else at + 6)
        ends.add(at + (12 if long_form else 8) + length)
    after_syntax = head.index(b"\x02\0\x10\0UI")
    for end in range(len(head)):
        if end in ends and end > after_syntax:
            assert decode_file_meta(head[:end]).data_set_at == end
        else:
            with pytest.raises(DicomError):
                decode_file_meta(head[:end])


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_any_bytes_after_the_prefix(data: bytes) -> None:
    try:
        meta = decode_file_meta(meta_bytes(data))
    except MalformedError:
        return
    assert 132 < meta.data_set_at <= 132 + len(data)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(128, 330), st.integers(0, 255)), min_size=1, max_size=6))
def test_a_file_with_changed_bytes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(next(bulk_classic(1)))
    for where, byte in changes:
        data[where] = byte
    try:
        meta = decode_file_meta(data)
    except DicomError:
        return
    assert 132 < meta.data_set_at <= len(data)
