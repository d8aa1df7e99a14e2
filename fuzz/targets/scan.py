"""The walk of a data set in every layout; the first byte says which."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from fuzz.reference import LONG, SHORT, Reading, RefusedError, TooDeepError
from fuzz.target import Target
from fuzz.traffic import Traffic, layouts
from mrdock.dicom.part10 import decode_file_meta
from mrdock.dicom.scan import EXPLICIT_BIG, IMPLICIT_LITTLE, Found, Key, Value, Wanted, first_values, scan
from mrdock.errors import MalformedError

SYNTAXES = (IMPLICIT_LITTLE, "1.2.840.10008.1.2.1", EXPLICIT_BIG)
OWN = (0x00080016, 0x00080018)
LONGEST = 4096
CREATOR = "Philips MR Imaging DD 001"
VRS: dict[Key, str] = {
    0x00080005: "CS",
    0x00080016: "UI",
    0x00080018: "UI",
    0x00280010: "US",
    (0x2005, 0x12, CREATOR): "CS",
}
WANTED = Wanted(VRS.items(), LONGEST)
KNOWN = (SHORT | LONG) - {"UN"}


def check(data: bytes) -> None:
    """It is walked to its end or a `MalformedError`, wherever it stands; a second reading finds the same."""
    if not data:
        return
    syntax, data = SYNTAXES[data[0] % 3], data[1:]
    found = _scanned(data, syntax)
    assert _scanned(memoryview(bytearray(b"\xfe\xff\0" + data)), syntax, start=3) == found
    assert _by_the_rules(data, syntax) == found
    first = first_values(data, syntax, OWN)
    assert all(key in OWN and len(value) <= 256 for key, value in first.items())
    if found is None:
        return
    for value in found.values.values():
        assert value.raw in data
        assert len(value.raw) <= LONGEST
        assert len(value.vr) == 2
    for key, raw in first.items():
        assert found.values[key].raw[:256] == raw


def _scanned(data: bytes | memoryview, syntax: str, wanted: Wanted = WANTED, start: int = 0) -> Found | None:
    try:
        return scan(data, syntax, wanted, start=start)
    except MalformedError:
        return None


def _by_the_rules(data: bytes, syntax: str) -> Found | None:
    """What a second reading finds."""
    reading = Reading(data, syntax != IMPLICIT_LITTLE, syntax == EXPLICIT_BIG)
    values: dict[Key, Value] = {}
    blocks = set()
    try:
        for tag, vr, raw in reading.top_level():
            if 0x20050010 <= tag <= 0x200500FF and len(raw) <= 64 and raw.rstrip(b" \0") == CREATOR.encode():
                blocks.add(tag & 0xFF)
            key: Key = (0x2005, tag & 0xFF, CREATOR) if tag >> 16 == 0x2005 and tag >> 8 & 0xFF in blocks else tag
            if key in VRS and key not in values:
                values[key] = Value(vr if vr in KNOWN else VRS[key], raw[:LONGEST])
    except (RefusedError, TooDeepError):
        return None
    return Found(values, syntax == EXPLICIT_BIG)


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The data sets that were sent."""
    known = {str(uid): number for number, uid in enumerate(SYNTAXES)}
    for content in traffic.files:
        meta = decode_file_meta(content)
        if meta.transfer_syntax != str(layouts()[3]):
            yield bytes((known.get(meta.transfer_syntax, 1),)) + content[meta.data_set_at :]


MARKS = tuple(
    struct.pack(order + "HHI", 0xFFFE, element, length)
    for order in "<>"
    for element, length in ((0xE000, 0), (0xE000, 0xFFFFFFFF), (0xE00D, 0), (0xE0DD, 0))
)
HEADS = (
    b"SQ\0\0\xff\xff\xff\xff",
    b"UN\0\0\xff\xff\xff\xff",
    b"OB\0\0\xff\xff\xff\xff",
    b"SQ\0\0",
    b"LO",
    b"UT\0\0",
    b"??",
)
TARGET = Target(check, seeds, words=(*MARKS, *HEADS, b"\x08\0\x16\0UI", b"\x08\0\x18\0UI", b"\x05\x20\x10\0LO"))
