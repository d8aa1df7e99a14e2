"""The header scan reads what pydicom reads: real files, the same files in other encodings, pydicom's own odd ones."""

from __future__ import annotations

import subprocess
import zlib
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from mrdock.dicom.part10 import decode_file_meta
from mrdock.dicom.scan import EXPLICIT_BIG, IMPLICIT_LITTLE, Found, Key, Value, Wanted, scan
from mrdock.dicom.sop_classes import DEFLATED
from mrdock.errors import MalformedError
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, raw_data
from tests.conftest import NeedTool

from .encoding import UNDEFINED

ODD_FILES = Path(pydicom.data.__file__).parent / "test_files"
ANY_LENGTH = 1 << 62

# Strictness has its price, and this is all of it: every other file that pydicom tests with is accepted.
BROKEN = {
    "MR_truncated.dcm": "is cut short",
    "rtplan_truncated.dcm": "is cut short",
    "SC_rgb_jpeg.dcm": "is cut short",  # explicit syntax, but the elements are implicit
    "nested_priv_SQ.dcm": "begins with elements of group",  # its first element is (0001,0001)
    "meta_missing_tsyntax.dcm": "says no transfer syntax",
}


def as_pydicom_reads(found: Dataset) -> dict[Key, Value]:
    """The elements of the top level that the scan can bring: all but sequences. Private ones by their creator."""
    values: dict[Key, Value] = {}
    creators: dict[int, str] = {}  # by the tag of the creator
    for tag in sorted(map(int, found.keys())):
        element: DataElement | RawDataElement = found.get_item(tag)
        if not isinstance(element, RawDataElement) or element.length == UNDEFINED or element.VR == "SQ":
            continue
        raw = element.value or b""
        if tag & 0x10000 and 0x10 <= tag & 0xFFFF <= 0xFF:
            creators[tag] = raw.rstrip(b"\0 ").decode("latin-1")
            continue
        key = key_of(tag, creators)
        if key is not None:
            values[key] = Value(element.VR or "", raw)
    return values


def key_of(tag: int, creators: dict[int, str]) -> Key | None:
    """A tag, or for a private element in a block its creator; None where that is missing or has several blocks."""
    if not tag & 0x10000 or tag & 0xFFFF < 0x1000:
        return tag
    creator = creators.get(tag & 0xFFFF0000 | (tag & 0xFFFF) >> 8, "")
    if not creator or sum(at >> 16 == tag >> 16 and name == creator for at, name in creators.items()) > 1:
        return None
    return tag >> 16, tag & 0xFF, creator


@cache
def wanted_for(keys: frozenset[Key]) -> Wanted:
    return Wanted([(key, "wanted") for key in keys], ANY_LENGTH)


def read(data: bytes, wanted: Wanted) -> Found:
    """Scan a whole file."""
    meta = decode_file_meta(data)
    body = memoryview(data)[meta.data_set_at :]
    if meta.transfer_syntax == DEFLATED:
        body = memoryview(zlib.decompress(body, -zlib.MAX_WBITS))
    return scan(body, meta.transfer_syntax, wanted)


def same_reading(data: bytes) -> int:
    """Assert that both read the file alike; return how many elements were compared."""
    theirs = as_pydicom_reads(pydicom.dcmread(BytesIO(data)))
    found = read(data, wanted_for(frozenset(theirs)))
    expected = {
        key: Value("wanted" if value.vr in ("", "UN") else value.vr, value.raw) for key, value in theirs.items()
    }
    assert found.values == expected
    assert found.big_endian is (decode_file_meta(data).transfer_syntax == EXPLICIT_BIG)
    return len(expected)


def dicom_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and has_prefix(path)]


def has_prefix(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def one_of_each_kind(folder: Path) -> list[Path]:
    """The first DICOM file of every directory, and every big one."""
    files = dicom_files(folder)
    first = {path.parent: path for path in reversed(files)}
    return [path for path in files if first[path.parent] == path or path.stat().st_size > 1 << 18]


def test_every_real_file(real_data: Path) -> None:
    files = list(dicom_files(real_data))
    assert files
    for path in files:
        assert same_reading(path.read_bytes()) > 20, path


@pytest.mark.parametrize(
    ("syntax", "lengths"),
    [("+ti", "+e"), ("+ti", "-e"), ("+tb", "+e"), ("+tb", "-e"), ("+te", "+e"), ("+te", "-e")],
    ids=["implicit", "implicit-undefined", "big", "big-undefined", "explicit", "explicit-undefined"],
)
def test_real_files_encoded_anew_by_dcmtk(
    real_data: Path, need_tool: NeedTool, tmp_path: Path, syntax: str, lengths: str
) -> None:
    dcmconv = need_tool("dcmconv")
    uid = {"+ti": IMPLICIT_LITTLE, "+tb": EXPLICIT_BIG, "+te": "1.2.840.10008.1.2.1"}[syntax]
    for number, path in enumerate(one_of_each_kind(real_data)):
        target = tmp_path / f"{number}.dcm"
        subprocess.run([dcmconv, syntax, lengths, str(path), str(target)], check=True, timeout=60)
        data = target.read_bytes()
        assert decode_file_meta(data).transfer_syntax == uid
        assert same_reading(data) > 20, path
        target.unlink()


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_synthetic_files_encoded_anew_by_pydicom(implicit: bool) -> None:
    who = StudyIdentity()
    for found in (classic_fmri(who, slices=1, dynamics=1)[0], enhanced_mr(who), raw_data(who)):
        assert same_reading(part10(found)) > 20
        buffer = BytesIO()
        found.file_meta.TransferSyntaxUID = UID(IMPLICIT_LITTLE if implicit else "1.2.840.10008.1.2.1")
        found.save_as(buffer, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
        assert same_reading(buffer.getvalue()) > 20


@pytest.mark.filterwarnings("ignore")  # pydicom's own, about files that are wrong on purpose
@pytest.mark.parametrize(
    "path",
    [path for path in dicom_files(ODD_FILES) if path.name not in BROKEN],
    ids=lambda path: path.relative_to(ODD_FILES).as_posix(),
)
def test_odd_files_are_read_as_pydicom_reads_them(path: Path) -> None:
    same_reading(path.read_bytes())


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_broken_files_are_refused_for_what_is_broken(name: str) -> None:
    (path,) = ODD_FILES.rglob(name)
    with pytest.raises(MalformedError, match=BROKEN[name]):
        read(path.read_bytes(), Wanted([]))
