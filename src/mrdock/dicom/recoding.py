"""A data set in another uncompressed transfer syntax: every element kept, private sequences too (PS3.5 section 7, A).

Only what surrounds the values changes, and the order of their bytes between little and big endian. Sequences and items
come out with undefined lengths, so that one pass does and readers without a dictionary still see private sequences of
implicit VR as what they are. Group lengths, which would no longer be right, are left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from mrdock.dicom.elements import ITEM, Element
from mrdock.dicom.opening import DataSet
from mrdock.dicom.scan import EXPLICIT_BIG, IMPLICIT_LITTLE, LONG_VRS, UNDEFINED
from mrdock.dicom.tags import number_of
from mrdock.errors import MalformedError

_SEQUENCE_END: Final = 0xFFFEE0DD
_ITEM_END: Final = 0xFFFEE00D
_LENGTH_TO_END: Final = 0x00080001
_BLOCK: Final = 1 << 20
_LONGEST_SHORT: Final = 0xFFFE

_SIZES: Final = (  # bytes of a word, by VR
    dict.fromkeys(("US", "SS", "OW", "AT"), 2)
    | dict.fromkeys(("UL", "SL", "FL", "OL", "OF"), 4)
    | dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8)
)
_PADDED_WITH_ZERO: Final = frozenset({"UI", "OB", "UN"})


class Replaced(NamedTuple):
    """An element of the top level that gets another value, or comes in where there is none: a text."""

    tag: int
    vr: str
    value: bytes


def recoded(data_set: DataSet, transfer_syntax: str, replaced: Replaced | None = None) -> Iterator[bytes]:
    """The data set in ``transfer_syntax``, which is one of the uncompressed ones, in pieces of at most 1 MiB.

    A private element whose VR nobody says comes out as UN. Raises `MalformedError` where the data set is broken, and
    where its pixel data are compressed.
    """
    return _Writer(data_set, transfer_syntax).write(replaced)


def encode_element(tag: int, vr: str, length: int, transfer_syntax: str) -> bytes:
    """What stands before a value of ``length`` bytes."""
    order = ">" if transfer_syntax == EXPLICIT_BIG else "<"
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if transfer_syntax == IMPLICIT_LITTLE:
        return head + struct.pack("<I", length)
    raw = vr.encode("ascii")
    return head + raw + (struct.pack(order + "HI", 0, length) if raw in LONG_VRS else struct.pack(order + "H", length))


def little_endian(vr: str, raw: bytes) -> bytes:
    """A value of a big endian data set with the bytes of its words in the other order."""
    size = _SIZES.get(vr, 1)
    return _swapped(raw, size) if size > 1 else raw


class _Writer:
    """Writes one data set."""

    def __init__(self, data_set: DataSet, transfer_syntax: str) -> None:
        self._set = data_set
        self._syntax = transfer_syntax
        self._big = transfer_syntax == EXPLICIT_BIG
        self._unended: list[
            tuple[int, int]
        ] = []  # (level, delimiter): at depth n a sequence has level 2n, its items 2n+1

    def write(self, replaced: Replaced | None) -> Iterator[bytes]:
        """The whole data set."""
        for element in self._set.walk(items=True, frames=True, longest=8):
            if element.tag == ITEM:
                yield from self._end(2 * element.depth + 1)
                yield self._delimiter(ITEM, UNDEFINED)
                self._unended.append((2 * element.depth + 1, _ITEM_END))
                continue
            yield from self._end(2 * element.depth)
            if replaced is not None and not element.depth and element.tag >= replaced.tag:
                yield self._new(replaced)
                instead, replaced = element.tag == replaced.tag, None
                if instead:
                    _check_plain(element)
                    continue
            if element.tag & 0xFFFF and element.tag != _LENGTH_TO_END:
                yield from self._element(element)
            elif not element.vr:
                raise MalformedError("a sequence in it cannot be read: " + element.raw.decode("ascii", "replace"))
        yield from self._end(0)
        if replaced is not None:
            yield self._new(replaced)

    def _end(self, level: int) -> Iterator[bytes]:
        """End the sequences and items of this level and of those in it."""
        while self._unended and self._unended[-1][0] >= level:
            yield self._delimiter(self._unended.pop()[1], 0)

    def _delimiter(self, tag: int, length: int) -> bytes:
        return struct.pack(">HHI" if self._big else "<HHI", tag >> 16, tag & 0xFFFF, length)

    def _new(self, replaced: Replaced) -> bytes:
        return encode_element(replaced.tag, replaced.vr, len(replaced.value), self._syntax) + replaced.value

    def _element(self, element: Element) -> Iterator[bytes]:
        if element.vr == "SQ":
            yield encode_element(element.tag, "SQ", UNDEFINED, self._syntax)
            self._unended.append((2 * element.depth, _SEQUENCE_END))
            return
        _check_plain(element)
        vr, length = element.vr, element.length
        if length > _LONGEST_SHORT and vr.encode("ascii") not in LONG_VRS:  # PS3.5 section 6.2.2
            vr = "OW" if vr in ("US", "SS") else "UN"
        yield encode_element(element.tag, vr, length + length % 2, self._syntax)
        size = _SIZES.get(element.vr, 1) if element.big_endian != self._big else 1
        for at in range(element.offset, element.offset + length, _BLOCK):
            block = bytes(self._set.data[at : min(at + _BLOCK, element.offset + length)])
            yield _swapped(block, size) if size > 1 else block
        if length % 2:
            yield b"\0" if vr in _PADDED_WITH_ZERO else b" "


def _check_plain(element: Element) -> None:
    if element.length == UNDEFINED or element.vr == "SQ":
        raise MalformedError(f"{number_of(element.tag)} has an undefined length, as compressed pixel data has")


def _swapped(block: bytes, size: int) -> bytes:
    """The block with the bytes of each word in the other order; a rest that is no word stays."""
    whole = len(block) // size * size
    out = bytearray(block)
    for byte in range(size):
        out[byte:whole:size] = block[size - 1 - byte : whole : size]
    return bytes(out)
