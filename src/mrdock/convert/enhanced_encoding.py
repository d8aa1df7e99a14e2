"""Elements of an Enhanced MR file as bytes: Explicit VR Little Endian, sequences of undefined length (PS3.5 section 7).

So do the scanners write them (releases 5.1 to 5.7), but for empty sequences, which have the length 0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from mrdock.dicom.recoding import encode_element
from mrdock.dicom.scan import UNDEFINED
from mrdock.dicom.sop_classes import EXPLICIT_LITTLE


class Attribute(NamedTuple):
    """The value of an element: its VR, and its bytes in little endian, padded to an even length.

    Of a sequence the bytes are its items and its delimiter, empty where it has no items.
    """

    vr: str
    raw: bytes


Tags = Mapping[int, Attribute]
"""The elements of a data set by their tags."""

PHILIPS_BLOCKS: Final = {0x2001: range(0x10, 0x20), 0x2005: range(0x10, 0x20)}
"""The private blocks of Philips MR by group: release 5.7 uses two of the first and seven of the second."""

_CREATORS: Final = {0x2001: "Philips Imaging DD {:03d}", 0x2005: "Philips MR Imaging DD {:03d}"}
_NAMES: Final = {
    (group, _CREATORS[group].format(block - 0xF).upper()): block
    for group, blocks in PHILIPS_BLOCKS.items()
    for block in blocks
}
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0\0\0\0\0"
_ITEM: Final = b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
_ITEM_END: Final = b"\xfe\xff\x0d\xe0\0\0\0\0"
_PADDED_WITH_ZERO: Final = frozenset({"UI", "OB", "UN"})
_NUMBERS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_LARGEST: Final = 1.6e38
_NO_FLOAT: Final = 1.7e38
_NO_WHOLE: Final = 2147483647
_LONGEST_TEXT: Final = 1 << 16
_LONGEST_DS: Final = 16


def philips_block(group: int, creator: str) -> int | None:
    """The block that Philips gives a creator of its own, however it is spelled; None for the creators of others."""
    return _NAMES.get((group, creator.strip().upper()))


def padded(vr: str, raw: bytes) -> bytes:
    """The value with an even length."""
    return raw + (b"\0" if vr in _PADDED_WITH_ZERO else b" ") if len(raw) % 2 else raw


def element(tag: int, value: Attribute) -> bytes:
    """One element."""
    length = UNDEFINED if value.vr == "SQ" and value.raw else len(value.raw)
    return encode_element(tag, value.vr, length, EXPLICIT_LITTLE) + value.raw


def encoded(elements: Tags) -> bytes:
    """A data set: its elements in order, and before the private ones their creators."""
    return b"".join(encoded_elements(elements)[1])


def encoded_elements(elements: Tags) -> tuple[list[int], list[bytes]]:
    """The tags and the bytes of a data set's elements in order, their creators with them."""
    used = {tag >> 16 << 16 | tag >> 8 & 0xFF for tag in elements if tag & 0x10000 and tag & 0xFFFF >= 0x1000}
    kept = {tag: value for tag, value in elements.items() if tag in used or not _is_creator(tag)}
    for tag in used - kept.keys():
        group, block = tag >> 16, tag & 0xFF
        if block in PHILIPS_BLOCKS.get(group, ()):
            kept[tag] = text("LO", _CREATORS[group].format(block - 0xF))
    tags = sorted(kept)
    return tags, [element(tag, kept[tag]) for tag in tags]


def sequence(items: Iterable[bytes]) -> bytes:
    """The value of a sequence of encoded items."""
    body = b"".join(_ITEM + item + _ITEM_END for item in items)
    return body + _SEQUENCE_END if body else b""


def begin_item() -> bytes:
    """What stands before an item that `end_item` ends."""
    return _ITEM


def end_item() -> bytes:
    """What stands behind an item that `begin_item` began."""
    return _ITEM_END


def end_sequence() -> bytes:
    """What stands behind the items of a sequence of undefined length."""
    return _SEQUENCE_END


def text(vr: str, value: str) -> Attribute:
    """A text of ASCII; what is not becomes a question mark."""
    return Attribute(vr, padded(vr, value.encode("ascii", "replace")))


def decimal(*values: float) -> Attribute:
    """DS: each with as many digits as its 16 characters hold."""
    return text("DS", "\\".join(_decimal(value) for value in values))


def binary(vr: str, *values: float) -> Attribute:
    """US, SS, UL, SL, FL or FD; what is too large for FL becomes what Philips writes for absent."""
    code = _NUMBERS[vr]
    numbers: Sequence[float] = values
    if code == "f":
        numbers = [value if abs(value) < _LARGEST else _NO_FLOAT for value in values]
    elif code != "d":
        numbers = [int(value) for value in values]
    return Attribute(vr, struct.pack(f"<{len(values)}{code}", *numbers))


def items(*of: Tags) -> Attribute:
    """A sequence with these items."""
    return Attribute("SQ", sequence(encoded(item) for item in of))


def numbers_of(attribute: Attribute) -> list[float]:
    """The values of a number, binary or in text; none where they are no numbers, or what Philips writes for absent.

    That is FL 1.7e38, FD 7.23e75 and IS 2147483647 (releases 5.1 to 5.7).
    """
    code = _NUMBERS.get(attribute.vr)
    try:
        if code is None:
            words = attribute.raw.decode("ascii").strip(" \0")
            found = [float(word) for word in words.split("\\")] if len(words) < _LONGEST_TEXT else []
        else:
            count = len(attribute.raw) // struct.calcsize(code)
            found = list(struct.unpack_from(f"<{count}{code}", attribute.raw))
    except ValueError:
        return []
    return found if all(abs(number) < _LARGEST and number != _NO_WHOLE for number in found) else []


def _is_creator(tag: int) -> bool:
    return bool(tag & 0x10000) and 0x10 <= tag & 0xFFFF <= 0xFF


def _decimal(value: float) -> str:
    """The shortest text that says the number, or the nearest one of 16 characters; 0 for what is none."""
    if not math.isfinite(value):
        return "0"
    if value == int(value) and abs(value) < 10**15:
        return str(int(value))
    for digits in range(17, 0, -1):
        said = format(value, f".{digits}g")
        short = repr(value) if float(said) == value and len(repr(value)) <= _LONGEST_DS else said
        if len(short) <= _LONGEST_DS:
            return short
    return "0"
