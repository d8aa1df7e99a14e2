"""The header scan reads what pydicom reads: real files, the same files in other encodings, pydicom's own odd ones."""

from __future__ import annotations

import zlib
from functools import cache
from io import BytesIO
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from mrdock.dicom.part10 import decode_file_meta
from mrdock.dicom.scan import EXPLICIT_BIG, IMPLICIT_LITTLE, Found, Key, Value, Wanted, scan
from mrdock.dicom.sop_classes import DEFLATED, EXPLICIT_LITTLE
from mrdock.errors import MalformedError
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, raw_data
from tests.conftest import NeedTool

from .anew import dicom_files, encodings, real_files_anew, synthetic_files_anew
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


def test_every_real_file(real_data: Path) -> None:
    files = list(dicom_files(real_data))
    assert files
    for path in files:
        assert same_reading(path.read_bytes()) > 20, path


@encodings("deflated")
def test_real_files_encoded_anew_by_dcmtk(real_data: Path, need_tool: NeedTool, tmp_path: Path, encoding: str) -> None:
    uid = {"i": IMPLICIT_LITTLE, "b": EXPLICIT_BIG, "e": EXPLICIT_LITTLE}[encoding[0]]
    for path, target in real_files_anew(real_data, tmp_path, need_tool, encoding):
        data = target.read_bytes()
        assert decode_file_meta(data).transfer_syntax == uid
        assert same_reading(data) > 20, path


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_synthetic_files_encoded_anew_by_pydicom(implicit: bool) -> None:
    for data in synthetic_files_anew(implicit=implicit):
        assert same_reading(data) > 20


def test_synthetic_files() -> None:
    who = StudyIdentity()
    for found in (classic_fmri(who, slices=1, dynamics=1)[0], enhanced_mr(who), raw_data(who)):
        assert same_reading(part10(found)) > 20


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
