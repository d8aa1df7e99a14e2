"""Values as text: the same values as dcmdump prints, and the forms in which they stand."""

from __future__ import annotations

import math
import re
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pydicom.data
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.multival import MultiValue

from mrdock.dicom.elements import Element
from mrdock.dicom.opening import open_data_set
from mrdock.dicom.rendering import text_of, value_text
from mrdock.dicom.scan import UNDEFINED
from tests.conftest import NeedTool

from .anew import one_of_each_kind

CHARSET_FILES = Path(pydicom.data.__file__).parent / "charset_files"
LINE = re.compile(r"^ *\(([0-9a-f]{4}),([0-9a-f]{4})\) (\w\w|\?\?) (.*?) +# *(u/l|\d+), ?\d+ [^\n#]*$", re.DOTALL)
NEXT_LINE = re.compile(r"\n(?= *\([0-9a-f]{4},[0-9a-f]{4}\) |\n# Dicom-)")
BINARY = frozenset({"OB", "OW", "UN"})


class Printed(NamedTuple):
    """One line of dcmdump."""

    tag: int
    vr: str
    value: str
    length: str


def as_dcmdump_prints(dcmdump: str, path: Path, *options: str) -> list[Printed]:
    """All elements that are no sequences, items or fragments."""
    command = [dcmdump, "--quiet", "--print-all", "--no-uid-names", *options, str(path)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    text = done.stdout.decode("utf-8" if options else "latin-1")
    lines = (LINE.match(line.rstrip("\n")) for line in NEXT_LINE.split(text))
    return [
        Printed(int(at[1] + at[2], 16), at[3], at[4], at[5]) for at in lines if at and at[3] not in ("SQ", "na", "pi")
    ]


def same_value(element: Element, printed: Printed) -> bool:
    ours, theirs = text_of(element), printed.value
    if theirs == "(no value available)":
        return ours == ""
    if printed.vr in BINARY:
        return ours == (theirs if element.length <= 16 else f"({printed.length} bytes)")
    if printed.vr in ("FL", "FD"):
        pairs = [(float(our), float(their)) for our, their in zip(ours.split("\\"), theirs.split("\\"), strict=True)]
        if printed.vr == "FL":
            return all(struct.pack("<f", our) == struct.pack("<f", their) for our, their in pairs)
        return all(math.isclose(*pair, rel_tol=1e-15) or is_dcmtk_imprecise(*pair) for pair in pairs)
    if theirs.startswith("["):
        assert theirs.endswith("]")
        return ours == "\\".join(part.strip(" ") for part in theirs[1:-1].split("\\"))
    return ours == theirs


def is_dcmtk_imprecise(our: float, their: float) -> bool:
    """DCMTK loses the last digits of very large numbers: it prints 7.23e+75 as 7.229999999999997e+75."""
    return abs(our) > 1e60 and math.isclose(our, their, rel_tol=1e-14)


@pytest.mark.peer
@pytest.mark.real_data
def test_the_values_are_those_of_dcmdump(real_data: Path, need_tool: NeedTool) -> None:
    dcmdump = need_tool("dcmdump")
    for path in one_of_each_kind(real_data):
        theirs = as_dcmdump_prints(dcmdump, path)
        with open_data_set(str(path)) as data_set:
            ours = [*data_set.meta, *(element for element in data_set.walk(frames=True) if element.vr != "SQ")]
        assert [element.tag for element in ours] == [printed.tag for printed in theirs], path
        pairs = zip(ours, theirs, strict=True)
        assert not [(printed, text_of(element)) for element, printed in pairs if not same_value(element, printed)], path
        assert len(ours) > 100, path


@pytest.mark.peer
@pytest.mark.parametrize(
    "name",
    [
        "chrArab",
        "chrFren",
        "chrGerm",
        "chrGreek",
        "chrHbrw",
        "chrI2",
        "chrFrenMulti",
        "chrKoreanMulti",
        "chrRuss",
        "chrX1",
        "chrX2",
    ],
)
def test_character_sets_are_decoded_as_dcmdump_does(need_tool: NeedTool, name: str) -> None:
    path = CHARSET_FILES / f"{name}.dcm"
    theirs = {
        at.tag: at for at in as_dcmdump_prints(need_tool("dcmdump"), path, "--convert-to-utf8") if at.tag != 0x00080005
    }
    with open_data_set(str(path)) as data_set:
        public = (element for element in data_set.walk() if not element.tag & 0x10000)
        ours = {element.tag: element for element in public if element.tag in theirs}
    assert not text_of(ours[0x00100010]).isascii()
    assert all(same_value(element, theirs[tag]) for tag, element in ours.items() if tag < 0x7FE00000)
    assert len(ours) > 5


@pytest.mark.filterwarnings("ignore")  # pydicom's own, about encodings that are wrong
@pytest.mark.parametrize("path", sorted(CHARSET_FILES.glob("*.dcm")), ids=lambda path: path.name)
def test_character_sets_are_decoded_as_pydicom_does(path: Path) -> None:
    found = [element.value for element in pydicom.dcmread(path, force=True).iterall() if element.VR == "PN"]
    names = ["\\".join(map(str, value)) if isinstance(value, MultiValue) else str(value) for value in found]
    with open_data_set(str(path)) as data_set:
        ours = [text_of(element) for element in data_set.walk() if element.vr == "PN"]
    assert [our.rstrip("=") for our in ours] == names  # pydicom drops empty groups at the end
    assert ours


@pytest.mark.parametrize(
    ("vr", "raw", "text"),
    [
        ("US", b"\x01\0\xff\xff", "1\\65535"),
        ("SS", b"\xff\xff", "-1"),
        ("SL", struct.pack("<2i", -5, 7), "-5\\7"),
        ("UV", struct.pack("<Q", 1 << 63), str(1 << 63)),
        ("FL", struct.pack("<2f", 0.1, 1e6), "0.1\\1000000"),
        ("FL", struct.pack("<3f", math.inf, -math.inf, math.nan), "inf\\-inf\\nan"),
        ("FD", struct.pack("<2d", 1 / 3, -2), "0.3333333333333333\\-2"),
        ("AT", b"\x18\0\x81\0\x20\0\x0d\0", "(0018,0081)\\(0020,000d)"),
        ("OB", b"\0\1", "00\\01"),
        ("OW", b"\1\0\xff\0", "0001\\00ff"),
        ("OB", bytes(17), "(17 bytes)"),
        ("UN", b"MR", "4d\\52"),
        ("US", b"\1\0\2", "01\\00\\02"),  # three bytes are no number
        ("AT", b"\1\0", "01\\00"),
        ("CS", b"ORIGINAL\\PRIMARY \\ M ", "ORIGINAL\\PRIMARY\\M"),
        ("UI", b"1.2.840\0", "1.2.840"),
        ("DS", b" 1.50 \\2", "1.50\\2"),
        ("LT", b" two\r\nlines  ", " two\r\nlines"),
        ("UT", b"C:\\ dir", "C:\\ dir"),
        ("SH", b"", ""),
        ("LO", b"   ", ""),
    ],
)
def test_forms(vr: str, raw: bytes, text: str) -> None:
    assert value_text(vr, raw) == text


def test_numbers_in_big_endian() -> None:
    assert value_text("US", b"\0\1", big_endian=True) == "1"
    assert value_text("AT", b"\0\x18\0\x81", big_endian=True) == "(0018,0081)"
    assert value_text("OW", b"\0\1", big_endian=True) == "0001"


def test_texts_are_decoded_by_their_character_set() -> None:
    assert value_text("PN", "Grün^Käthe".encode("latin-1"), b"ISO_IR 100") == "Grün^Käthe"
    assert value_text("PN", "Grün^Käthe".encode(), b"ISO_IR 192") == "Grün^Käthe"


def test_what_is_cut_says_so() -> None:
    def text(vr: str, raw: bytes, length: int) -> str:
        return text_of(Element(0, 0x00180081, 0x00180081, vr, raw, length, 0, (), b"", False))

    assert text("LT", b"the beginning", 100) == "the beginning..."
    assert text("UT", b"x" * 20000, 20000) == "x" * (16 << 10) + "..."
    assert text("US", b"\1\0\2\0", 8) == "1\\2\\..."
    assert text("OB", b"\1\2", 8) == "(8 bytes)"
    assert text("OW", b"", 1 << 20) == "(1048576 bytes)"  # pixel data
    assert text("OB", b"", UNDEFINED) == "(compressed)"
    assert text("SQ", b"", UNDEFINED) == ""


@given(st.floats(width=32, allow_nan=False), st.floats(allow_nan=False))
def test_floats_read_back_as_the_same_number(single: float, double: float) -> None:
    shown = value_text("FL", struct.pack("<f", single))
    assert struct.pack("<f", float(shown)) == struct.pack("<f", single)
    assert len(shown) <= len(value_text("FD", struct.pack("<d", single)))
    assert float(value_text("FD", struct.pack("<d", double))) == double


@given(
    st.sampled_from(["US", "FL", "AT", "OB", "OV", "UN", "PN", "UT", "DS", "UI", "??"]),
    st.binary(max_size=100),
    st.binary(max_size=20),
)
def test_any_bytes_are_text_that_can_be_written(vr: str, raw: bytes, charset: bytes) -> None:
    value_text(vr, raw, charset).encode("utf-8")
