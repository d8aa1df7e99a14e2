"""Changes to the bytes of a data set, and what is left of it, in pieces."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mrdock.dicom.elements import Element
from mrdock.dicom.scan import LONG_VRS, SHORT_VRS, UNDEFINED, Buffer, Layout, layout_of
from mrdock.errors import MalformedError


@dataclass(frozen=True, slots=True)
class Swap:
    """Bytes of the data set from ``start`` to before ``end``, with ``new`` wherever ``old`` is; both are as long.

    ``count`` is how often ``old`` must be there at least. Where it is there more often, some of it is something else,
    and ``otherwise`` says which bytes change.
    """

    start: int
    end: int
    old: bytes
    new: bytes
    count: int
    otherwise: Callable[[], Sequence[tuple[int, bytes]]]

    def applied(self, block: bytes) -> bytes:
        """The bytes as they become, from those as they are."""
        if block.count(self.old) == self.count:
            return block.replace(self.old, self.new)
        changed = bytearray(block)
        for at, value in self.otherwise():
            changed[at - self.start : at - self.start + len(value)] = value
        return bytes(changed)


Span = tuple[int, int]
Piece = Span | bytes | Swap
"""Bytes of the data set from the first to before the second, bytes that are new, or bytes with changes."""

_NUMBERS: Final = {"SS": "h", "US": "H", "SL": "i", "UL": "I"}


class Edits:
    """What is to be replaced in a data set."""

    def __init__(self, data: Buffer, transfer_syntax: str) -> None:
        """Nothing is yet."""
        self._data = data
        self._layout: Layout = layout_of(transfer_syntax)
        self._order = ">" if self._layout.big_endian else "<"
        self._found: list[tuple[int, int, bytes]] = []
        self._swaps: list[Swap] = []

    def replace(self, start: int, end: int, instead: bytes) -> None:
        """Have ``instead`` stand where the bytes from ``start`` to before ``end`` are; no two may overlap."""
        self._found.append((start, end, instead))

    def swap(self, swap: Swap) -> None:
        """Change a stretch in which nothing else changes."""
        self._swaps.append(swap)

    def grown(self, start: int, end: int) -> int:
        """By how many bytes the stretch becomes longer; negative where it becomes shorter."""
        return sum(len(new) - (until - at) for at, until, new in self._found if start <= at < end)

    def set_length(self, value_at: int, length: int) -> None:
        """Give the element or item whose value begins at ``value_at`` another length; its length field has 32 bits."""
        if length >= UNDEFINED:
            raise MalformedError("an element would become longer than DICOM allows")
        self.replace(value_at - 4, value_at, struct.pack(self._order + "I", length))

    def set_text(self, element: Element, value: bytes) -> None:
        """Give an element of a short VR another value, of any length."""
        end = element.offset + element.length
        size = self._length_size(element)
        field = struct.pack(self._order + ("H" if size == 2 else "I"), len(value))
        self.replace(element.offset - size, end, field + value)

    def set_number(self, element: Element, number: int) -> None:
        """Give an element another, smaller number, in as many bytes as it has."""
        self.replace(element.offset, element.offset + element.length, self.encoded(element, number))

    def encoded(self, element: Element, number: int) -> bytes:
        """A number as the element's VR has it, in as many bytes as the element has."""
        code = _NUMBERS.get(element.vr)
        if code:
            return struct.pack(self._order + code, number)
        return str(number).encode("ascii").ljust(element.length)

    def head_at(self, element: Element) -> int:
        """Where an element begins, whose value the walk has found."""
        return element.offset - (8 if not self._layout.explicit or self._length_size(element) == 2 else 12)

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """What becomes of the data set from ``start`` to ``end``."""
        swaps = [(swap.start, swap.end, swap) for swap in self._swaps]
        changes: list[tuple[int, int, bytes | Swap]] = [*self._found, *swaps]
        for at, until, instead in sorted(changes, key=lambda change: change[:2]):
            if at < start:
                raise MalformedError("elements that have to change overlap")
            if at > start:
                yield start, at
            if instead:
                yield instead
            start = until
        if start < end:
            yield start, end

    def applied(self) -> bytes:
        """What becomes of the whole of it; for data that is small."""
        new = bytearray(self._data)
        for at, until, instead in sorted(self._found, reverse=True):
            new[at:until] = instead
        return bytes(new)

    def _length_size(self, element: Element) -> int:
        """How many bytes the element's length field has, found by where its tag stands."""
        group, low = element.tag >> 16, element.tag & 0xFFFF
        tag = struct.pack(self._order + "HH", group, low)
        head = bytes(self._data[element.offset - 12 : element.offset])
        if not self._layout.explicit:
            return 4
        if head[4:8] == tag and head[8:10] not in LONG_VRS:
            return 2
        if head[:4] == tag and head[4:6] not in SHORT_VRS:
            return 4
        raise MalformedError(f"({group:04x},{low:04x}) is written in a way that cannot be changed")


def number_of(element: Element) -> int | None:
    """The one number that an element holds; None for none, for several, and for those of other VRs."""
    code = _NUMBERS.get(element.vr)
    if code:
        size = struct.calcsize(code)
        if len(element.raw) != size or element.length != size:
            return None
        return int(struct.unpack((">" if element.big_endian else "<") + code, element.raw)[0])
    text = element.raw.strip(b" \0")
    return int(text) if element.vr == "IS" and text.isdigit() and len(text) < 12 else None
