"""Every element of a data set in order, nested ones too (PS3.5 section 7).

The walk forgives what the scan forgives: zeros after the last element, VRs that are none, delimiters too many, elements
in implicit VR among explicit ones, and whatever stands inside a sequence that says how long it is. It takes no more of
the data than the values that it brings, and none of the pixel data.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from mrdock.dicom.scan import (
    EXPLICIT_LE,
    IMPLICIT_LE,
    KNOWN_VRS,
    LONG_VRS,
    PIXEL_DATA,
    SHORT_VRS,
    UNDEFINED,
    Buffer,
    Key,
    Layout,
    is_future_vr,
    layout_of,
    skip_nested,
)
from mrdock.dicom.tags import folded, vr_of
from mrdock.errors import MalformedError

PER_FRAME: Final = 0x52009230
ITEM: Final = 0xFFFEE000
UNREADABLE: Final = 0

_ITEM_END: Final = 0xFFFEE00D
_SEQUENCE_END: Final = 0xFFFEE0DD
_CHARACTER_SET: Final = 0x00080005
_PIXEL_REPRESENTATION: Final = 0x00280103
_FRAGMENTED: Final = frozenset({b"OB", b"OW"})
_LONGEST_CREATOR: Final = 64  # LO, PS3.5 table 6.2-1
_LONGEST_SHORT: Final = 0xFFFF  # an element of a known VR that calls itself UN is as short as that VR allows
_DEEPEST: Final = 64
_MOST_REMEMBERED: Final = 1 << 14  # creators of a data set, VRs of keys: no file needs as many


class Element(NamedTuple):
    """One element where it stands.

    ``depth`` 0 is the top level. ``key`` names a private element by its creator, as ``tag`` does all others. ``raw``
    has at most the first ``longest`` bytes of the value and is empty for sequences, items and pixel data; ``length``
    is what the element itself says (`scan.UNDEFINED` where it leaves it open), ``offset`` where its value begins.
    ``path`` is (key of the sequence, number of the item from 0) for each level around it. ``charset`` is the value of
    Specific Character Set (0008,0005) that holds for it.
    """

    depth: int
    tag: int
    key: Key
    vr: str
    raw: bytes
    length: int
    offset: int
    path: tuple[tuple[Key, int], ...]
    charset: bytes
    big_endian: bool


class _TooDeepError(MalformedError):
    """Sequences are nested beyond the limit: what a defined length forgives does not include this."""


class _Head(NamedTuple):
    """What stands before a value; ``vr`` is empty in implicit VR."""

    tag: int
    vr: bytes
    length: int
    value_at: int


class _Place(NamedTuple):
    """Where a data set stands, and what it takes over from the one around it."""

    path: tuple[tuple[Key, int], ...]
    charset: bytes
    signed: bool


_Walk = Generator[Element, None, int]  # returns where it ended


def walk(
    data: Buffer,
    transfer_syntax: str,
    *,
    start: int = 0,
    frames: bool = False,
    items: bool = False,
    longest: int = 1 << 16,
) -> Iterator[Element]:
    """Every element of the data set ``data[start:]``, in order, those of nested sequences after the sequence.

    ``frames=False`` passes over what is inside the Per-frame Functional Groups (5200,9230); the sequence itself comes.
    ``items=True`` brings, too, each item as an element `ITEM` with an empty VR, and where a sequence of defined length
    could not be read to its end an element `UNREADABLE`, whose ``raw`` says why. Raises `MalformedError` where the data
    set is broken otherwise, after what stands before.
    """
    walker = _Walker(data, frames, items, longest)
    try:
        yield from walker.top_level(start, layout_of(transfer_syntax))
    except struct.error:
        raise MalformedError("the data set ends in the middle of an element") from None


def walk_meta(data: Buffer, start: int, end: int) -> Iterator[Element]:
    """The elements of File Meta Information, which begins at ``start``; some files write it in implicit VR.

    What is not of group 0002 ends it. Raises `MalformedError` where it is broken.
    """
    vr = bytes(data[start + 4 : start + 6])
    layout = EXPLICIT_LE if vr in SHORT_VRS or vr in LONG_VRS else IMPLICIT_LE
    walker = _Walker(data, False, False, 1 << 16)
    try:
        for element in walker.stretch(start, end, layout):
            if element.tag >> 16 != 2:
                return
            yield element
    except struct.error:
        raise MalformedError("the File Meta Information is cut short") from None


def find(
    data: Buffer, transfer_syntax: str, key: Key, *, start: int = 0, frames: bool = False, every: bool = False
) -> list[Element]:
    """The element ``key``: the first found (top level first, then nested, in order), or every occurrence in order.

    Raises `MalformedError` where the data set is broken before it is found.
    """
    found: list[Element] = []
    for element in walk(data, transfer_syntax, start=start, frames=frames):
        if not matches(element, key):
            continue
        if not every and not element.depth:
            return [element]
        if every or not found:
            found.append(element)
    return found


def matches(element: Element, key: Key) -> bool:
    """Whether ``key`` names the element; a creator counts in any case."""
    if isinstance(key, tuple):
        return isinstance(element.key, tuple) and element.key[1] == key[1] and folded(element.key) == folded(key)
    return element.tag == key


class _Walker:
    """Walks one data set."""

    def __init__(self, data: Buffer, frames: bool, items: bool, longest: int) -> None:
        self._data = data
        self._frames = frames
        self._items = items
        self._longest = longest
        self._vrs: dict[tuple[Key, bool], str] = {}

    def top_level(self, pos: int, layout: Layout) -> Iterator[Element]:
        """The elements from ``pos`` to the end of the data."""
        end = len(self._data)
        if pos + 8 <= end:
            first = self._head(pos, layout)
            if first.tag >> 16 in (0, 2):
                raise MalformedError("the data set begins with elements of group 0000 or 0002")
            if first.tag >> 16 == 0xFFFE:
                raise MalformedError("the data set begins with an item or a delimiter")
        pos = yield from self._elements(pos, end, end, layout, _Place((), b"", False))
        if any(self._data[pos:end]):
            raise MalformedError("the data set ends in the middle of an element")

    def stretch(self, pos: int, end: int, layout: Layout) -> Iterator[Element]:
        """The elements that begin between two places."""
        yield from self._elements(pos, end, end, layout, _Place((), b"", False))

    def _elements(self, pos: int, end: int | None, limit: int, layout: Layout, place: _Place) -> _Walk:
        """The elements of one data set, which at the top level may end with a rest of less than 8 bytes.

        ``end`` is where it says it ends (None: at its delimiter), ``limit`` where the bytes around it end.
        """
        data, path, depth = self._data, place.path, len(place.path)
        creators: dict[int, str] = {}
        while pos < limit and (depth or pos <= limit - 8):
            head = self._head(pos, layout)
            tag, vr, length, pos = head
            if tag >> 16 == 0xFFFE:
                if tag == _ITEM_END and end is None:
                    return pos
                _check_stray(tag, length)
                continue
            short = length != UNDEFINED and length > limit - pos
            if not tag and not short:  # zeros fill up the rest
                pos += length
                continue
            key = self._key(tag, pos, length, creators) if tag & 0x10000 else tag
            if length == UNDEFINED and vr in (b"UN", b""):
                said = "OB" if tag in PIXEL_DATA else "SQ"
            else:
                said = KNOWN_VRS.get(vr) or self._vr(key, vr, length, place.signed)
            if short and said != "SQ":
                raise MalformedError(_cut(tag, length, limit - pos, depth))
            bare = said == "SQ" or length == UNDEFINED or tag in PIXEL_DATA
            raw = b"" if bare else bytes(data[pos : pos + min(length, self._longest)])
            yield Element(depth, tag, key, said, raw, length, pos, path, place.charset, layout.big_endian)
            if short:
                with suppress(MalformedError, struct.error):
                    yield from self._sequence(pos, limit, limit, layout, key, place)  # what is there of it
                raise MalformedError(_cut(tag, length, limit - pos, depth))
            if said == "SQ" or length == UNDEFINED:
                pos = yield from self._nested(head, limit, layout, key, place)
                continue
            if tag == _CHARACTER_SET:
                place = place._replace(charset=raw)
            elif tag == _PIXEL_REPRESENTATION:
                place = place._replace(signed=any(raw))
            pos += length
        if end is None:
            raise MalformedError("an item never ends")
        return pos

    def _head(self, pos: int, layout: Layout) -> _Head:
        data = self._data
        if not layout.explicit:
            word, length = layout.element.unpack_from(data, pos)
            return _Head((word & 0xFFFF) << 16 | word >> 16, b"", length, pos + 8)
        word, vr, length = layout.element.unpack_from(data, pos)
        tag = word if layout.big_endian else (word & 0xFFFF) << 16 | word >> 16
        if vr in SHORT_VRS:
            return _Head(tag, vr, length, pos + 8)
        if vr in LONG_VRS or (is_future_vr(vr) and tag >> 16 != 0xFFFE):
            return _Head(tag, vr, layout.length.unpack_from(data, pos + 8)[0], pos + 12)
        if tag >> 16 == 0xFFFE or not _may_be_vr(vr):  # no VR at all
            return _Head(tag, b"", layout.length.unpack_from(data, pos + 4)[0], pos + 8)
        return _Head(tag, vr, length, pos + 8)

    def _key(self, tag: int, pos: int, length: int, creators: dict[int, str]) -> Key:
        """The key of a private element by its creator (PS3.5 section 7.8.1), which is learnt as it passes by."""
        low = tag & 0xFFFF
        if low >= 0x1000:
            creator = creators.get(tag >> 8)
            return (tag >> 16, low & 0xFF, creator) if creator else tag
        if 0x10 <= low <= 0xFF and 0 < length <= _LONGEST_CREATOR and len(creators) < _MOST_REMEMBERED:
            creators[tag >> 16 << 8 | low] = bytes(self._data[pos : pos + length]).rstrip(b" \0").decode("latin-1")
        return tag

    def _vr(self, key: Key, vr: bytes, length: int, signed: bool) -> str:
        """The VR of an element that says none that is known."""
        if vr == b"UN" and not isinstance(key, tuple) and _LONGEST_SHORT <= length < UNDEFINED:
            return "UN"
        known = self._vrs.get((key, signed))
        if known is None:
            if len(self._vrs) >= _MOST_REMEMBERED:
                self._vrs.clear()
            known = self._vrs[key, signed] = vr_of(key, signed=signed)
        return known

    def _nested(self, head: _Head, limit: int, layout: Layout, key: Key, place: _Place) -> _Walk:
        """What stands inside a sequence, or inside a value of undefined length, of which nothing comes."""
        tag, vr, length, pos = head
        open_ended = length == UNDEFINED
        if open_ended and (
            vr in _FRAGMENTED or tag in PIXEL_DATA or vr not in (b"SQ", b"UN", b"") or self._is_passed_over(head, place)
        ):
            return skip_nested(self._data, pos, length, limit, layout, vr, tag)
        if vr == b"UN":
            layout = _layout_of_unknown(bytes(self._data[pos : pos + 16]))
        elif not vr and layout is EXPLICIT_LE:
            layout = IMPLICIT_LE
        if open_ended:
            return (yield from self._sequence(pos, None, limit, layout, key, place))
        end = pos + length
        if self._is_passed_over(head, place):
            return end
        try:
            yield from self._sequence(pos, end, end, layout, key, place)
        except _TooDeepError:
            raise
        except (MalformedError, struct.error) as error:  # its length says where it ends, whatever it holds
            if self._items:
                yield _unreadable(error, end, place, layout)
        return end

    def _is_passed_over(self, head: _Head, place: _Place) -> bool:
        return head.tag == PER_FRAME and not self._frames and not place.path

    def _sequence(self, pos: int, end: int | None, limit: int, layout: Layout, key: Key, place: _Place) -> _Walk:
        """The items of a sequence from its first; ``end`` and ``limit`` as in `_elements`."""
        data, depth = self._data, len(place.path)
        if depth >= _DEEPEST:
            raise _TooDeepError(f"sequences are nested more than {_DEEPEST} deep")
        number = 0
        while pos < limit:
            word, length = layout.item.unpack_from(data, pos)
            tag = word if layout.big_endian else (word & 0xFFFF) << 16 | word >> 16
            pos += 8
            if tag == _SEQUENCE_END and end is None:
                return pos
            if tag != ITEM:
                if tag in (_ITEM_END, _SEQUENCE_END) and length == 0:  # after an item, a sequence of defined length
                    continue
                raise MalformedError(f"{_name(tag)} stands where an item should")
            short = length != UNDEFINED and length > limit - pos
            path = (*place.path, (key, number))
            if self._items:
                yield Element(depth, ITEM, ITEM, "", b"", length, pos, path, place.charset, layout.big_endian)
            item_end = None if length == UNDEFINED else min(pos + length, limit)
            inner = _layout_of_item(layout, bytes(data[pos : pos + 6]))
            last = limit if item_end is None else item_end
            pos = yield from self._elements(pos, item_end, last, inner, place._replace(path=path))
            if short:
                raise MalformedError("an item is cut short")
            number += 1
        if end is None:
            raise MalformedError("a sequence never ends")
        return pos


def _may_be_vr(vr: bytes) -> bool:
    """Whether these two bytes can stand for a VR: '??' and zeros occur; anything else is a length in implicit VR."""
    return vr == b"\0\0" or (0x20 <= vr[0] < 0x7F and 0x20 <= vr[1] < 0x7F)


def _layout_of_item(layout: Layout, head: bytes) -> Layout:
    """How an item is laid out that begins with ``head``: some writers leave it in implicit VR."""
    if layout is EXPLICIT_LE and len(head) == 6 and not head.startswith(b"\xfe\xff") and not _may_be_vr(head[4:]):
        return IMPLICIT_LE
    return layout


def _layout_of_unknown(head: bytes) -> Layout:
    """How a sequence that calls itself UN is laid out: implicit VR (PS3.5 section 6.2.2, note 4), if it looks so."""
    vr = head[12:14]  # of the first item's first element
    return EXPLICIT_LE if vr in SHORT_VRS or vr in LONG_VRS else IMPLICIT_LE


def _unreadable(error: Exception, at: int, place: _Place, layout: Layout) -> Element:
    """The complaint about the rest of a sequence that ends ``at``."""
    why = str(error) if isinstance(error, MalformedError) else "it ends in the middle of an element"
    depth = len(place.path) + 1
    return Element(depth, UNREADABLE, UNREADABLE, "", why.encode(), 0, at, place.path, place.charset, layout.big_endian)


def _check_stray(tag: int, length: int) -> None:
    """Refuse what of group FFFE is no empty delimiter among elements."""
    if length or tag not in (_ITEM_END, _SEQUENCE_END):
        raise MalformedError(f"{_name(tag)} stands where an element should")


def _cut(tag: int, length: int, there: int, depth: int) -> str:
    if depth:
        return f"{_name(tag)} is longer than the item that holds it"
    return f"{_name(tag)} is cut short: {length} bytes announced, {there} there"


def _name(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"
