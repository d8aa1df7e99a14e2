"""A second reading of a data set: slow, by the rules alone, and made of nothing that `mrdock.dicom.scan` is made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
SHORT = {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FL", "FD", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM"} | {
    "UI",
    "UL",
    "US",
}
LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
DEPTH = 64


class RefusedError(Exception):
    """The data set is broken."""


class TooDeepError(Exception):
    """It is nested too deep, which no defined length forgives."""


class Element(NamedTuple):
    """An element without its value, which begins at ``at``; ``vr`` is empty in implicit VR."""

    tag: int
    vr: str
    length: int
    at: int
    long: bool


class Reading:
    """A data set in one layout."""

    def __init__(self, data: bytes, explicit: bool, big_endian: bool) -> None:
        """Nothing is read yet."""
        self.data, self.explicit = data, explicit
        self.order: Literal["big", "little"] = "big" if big_endian else "little"

    def top_level(self) -> Iterator[tuple[int, str, bytes]]:
        """Tag, VR and value of each element that is no sequence; raises one of the errors above."""
        at, end = 0, len(self.data)
        if end >= 8 and (self._tag(0) >> 16 < 4 or self._tag(0) >> 16 == 0xFFFE):
            raise RefusedError
        while at + 8 <= end:
            element = self._element(at)
            at = self._after(element, end, DEPTH)
            if element.vr != "SQ" and at == element.at + element.length <= end:
                yield element.tag, element.vr, self.data[element.at : at]
        if at > end or any(self.data[at:]):
            raise RefusedError

    def _number(self, at: int, size: int) -> int:
        if at + size > len(self.data):
            raise RefusedError
        return int.from_bytes(self.data[at : at + size], self.order)

    def _tag(self, at: int) -> int:
        return self._number(at, 2) << 16 | self._number(at + 2, 2)

    def _element(self, at: int) -> Element:
        tag, four = self._tag(at), self._number(at + 4, 4)
        if not self.explicit:
            return Element(tag, "", four, at + 8, True)
        vr = self.data[at + 4 : at + 6].decode("latin-1")
        if vr in SHORT:
            return Element(tag, vr, self._number(at + 6, 2), at + 8, False)
        if vr in LONG or (vr.isascii() and vr.isalpha() and vr.isupper() and tag >> 16 != 0xFFFE):
            return Element(tag, vr, self._number(at + 8, 4), at + 12, True)
        if tag >> 16 == 0xFFFE:
            return Element(tag, "", four, at + 8, True)
        return Element(tag, vr, self._number(at + 6, 2), at + 8, False)

    def _after(self, element: Element, limit: int, depth: int) -> int:
        """Where an element ends that is none of an item's delimiters."""
        tag, vr, length, at, long = element
        if tag >> 16 == 0xFFFE and (not vr or (long and (length == UNDEFINED or vr == "SQ"))):
            if length or tag not in (ITEM_END, SEQUENCE_END):
                raise RefusedError
            return at
        if not long or (length != UNDEFINED and vr != "SQ"):
            return at + length
        if length != UNDEFINED:
            if at + length > limit:
                raise RefusedError
            with suppress(RefusedError):
                self._sequence(at, at + length, True, depth)
            return at + length
        if vr in ("OB", "OW") or tag in PIXELS:
            return self._fragments(at, limit)
        if vr == "UN":
            return Reading(self.data, False, False)._sequence(at, limit, False, depth)
        if vr in ("SQ", ""):
            return self._sequence(at, limit, False, depth)
        raise RefusedError

    def _fragments(self, at: int, limit: int) -> int:
        while at < limit:
            tag, length = self._tag(at), self._number(at + 4, 4)
            at += 8
            if tag == SEQUENCE_END:
                return at
            if tag != ITEM or at + length > limit:
                raise RefusedError
            at += length
        raise RefusedError

    def _sequence(self, at: int, limit: int, defined: bool, depth: int) -> int:
        if depth == 0:
            raise TooDeepError
        while at < limit:
            tag, length = self._tag(at), self._number(at + 4, 4)
            at += 8
            if tag == SEQUENCE_END and not defined:
                return at
            if tag in (ITEM_END, SEQUENCE_END) and not length:
                continue
            if tag != ITEM or (length != UNDEFINED and at + length > limit):
                raise RefusedError
            at = self._item(at, limit if length == UNDEFINED else at + length, length != UNDEFINED, depth)
        if not defined:
            raise RefusedError
        return at

    def _item(self, at: int, limit: int, defined: bool, depth: int) -> int:
        while at < limit:
            if not defined and self._tag(at) == ITEM_END and self._ends_item(at):
                return at + 8
            at = self._after(self._element(at), limit, depth - 1)
        if not defined or at > limit:
            raise RefusedError
        return at

    def _ends_item(self, at: int) -> bool:
        """A delimiter has no VR; what has one with a 16-bit length is an element."""
        self._number(at + 4, 4)
        return not self.explicit or self.data[at + 4 : at + 6].decode("latin-1") not in SHORT
