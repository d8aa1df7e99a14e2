"""One value as text, number and UID. First VR and byte order, then the length of a character set, it, and the value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.dicom.part10 import decode_file_meta
from mrdock.dicom.scan import Found, Key, Value, Wanted, scan
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header, is_uid
from mrdock.errors import MalformedError

VRS = ("US", "SS", "UL", "SL", "FL", "FD", "UV", "SV", "DS", "IS", "LO", "PN", "UT", "UN", "OB", "UI")
KEY = 0x00080070
TEXTS = (0x00080070, 0x00081030, 0x0008103E, 0x00100010, 0x00180050, 0x0020000D, 0x00280010, 0x00281052)


def check(data: bytes) -> None:
    """Nothing raises; a text can be stored in any database, a number is finite, a UID is a safe name."""
    if len(data) < 2:
        return
    vr, big_endian, length = VRS[data[0] % len(VRS)], data[0] >= 128, data[1]
    character_set, raw = data[2 : 2 + length], data[2 + length :]
    values: dict[Key, Value] = {KEY: Value(vr, raw)}
    if length:
        values[SPECIFIC_CHARACTER_SET] = Value("CS", character_set)
    header = Header(Found(values, big_endian))
    text = header.text(KEY)
    if text is not None:
        assert text
        assert b"\0" not in text.encode()
        assert len(text) <= 16 << 10
    number = header.number(KEY)
    assert number is None or math.isfinite(number)
    uid = header.uid(KEY)
    if is_uid(uid):
        assert uid.isascii()
        assert uid.strip(".0123456789") == ""
        assert uid.strip(".")


def _elements(content: bytes) -> Iterator[Value]:
    meta = decode_file_meta(content)
    try:
        found = scan(content, meta.transfer_syntax, Wanted([(tag, "LO") for tag in TEXTS]), start=meta.data_set_at)
    except MalformedError:
        return
    yield from found.values.values()


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The values of the headers that were sent, with each kind of character set."""
    sets = (b"", b"ISO_IR 100", b"ISO_IR 192", b"ISO 2022 IR 6\\ISO 2022 IR 87", b"\\ISO 2022 IR 149", b"GB18030")
    for content in traffic.files:
        for number, value in enumerate(_elements(content)):
            characters = sets[number % len(sets)]
            start = VRS.index(value.vr) if value.vr in VRS else VRS.index("LO")
            yield bytes((start, len(characters))) + characters + value.raw


TARGET = Target(
    check,
    seeds,
    words=(
        b"ISO 2022 IR 58",
        b"ISO 2022 IR 87",
        b"ISO_IR 13",
        b"GBK",
        b"\x1b$B",
        b"\x1b$)A",
        b"\x1b$)C",
        b"\x1b(J",
        b"^",
    ),
)
