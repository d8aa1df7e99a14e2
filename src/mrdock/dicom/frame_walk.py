"""Every element of one item of functional groups where it stands: the slow walk, which decides what is broken.

An item is walked into a tree, level by level, because what a private element is shows only when all private creators of
its item are known; the tree is then laid flat into pieces that cover the item byte by byte. `frame_rows` compares the
pieces of one frame with the next frame's bytes.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple

from mrdock.dicom.scan import (
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    KNOWN_VRS,
    LONG_VRS,
    SHORT_VRS,
    UNDEFINED,
    Buffer,
    Key,
    Layout,
    is_future_vr,
)
from mrdock.dicom.tags import folded, is_private_creator, vr_of
from mrdock.errors import MalformedError

MOST_ELEMENTS: Final = 1 << 16
"""More elements than this in one item are refused; a Philips frame has some 130."""

DEEPEST: Final = 64
_LONGEST_CREATOR: Final = 256
ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
CHARACTER_SET: Final = 0x00080005

Place = tuple[tuple[Key, int], ...]
"""Where a value stands: (key, number of the item from 0) of each sequence on the way, at the end the key with 0.

Two of them are compared with their creators in capitals (`tags.folded`): these occur in both spellings.
"""


class Kind(IntEnum):
    """What a piece is."""

    SHORT = 0
    """A value whose length has 16 bits."""

    LONG = 1
    """A value whose length has 32 bits."""

    OPEN = 2
    """The head of a sequence or item that says its length."""

    CLOSE = 3
    """Where such a one ends; no bytes."""

    MARK = 4
    """The head of a sequence or item without length, or a delimiter."""


def length_size(kind: int) -> int:
    """How many bytes before its start hold a piece's length."""
    return 2 if kind == Kind.SHORT else 4


class Entry(NamedTuple):
    """A value of the item: the number of its piece, its place as written, and how its bytes are to be read."""

    piece: int
    place: Place
    vr: str
    big_endian: bool
    charset: bytes


class Item:
    """One item laid flat. Positions are bytes from the start of the data.

    ``kinds``, ``heads``, ``starts`` and ``lengths`` are of equal length: a piece begins at its head, its value (of
    ``lengths`` bytes) at its start. ``around`` is the number of the piece that opens what it stands in, -1 outside.
    ``fixed`` are the values that decide what others are: private creators and character sets. ``entries`` are by folded
    place; of an element that stands there twice the first counts. ``big`` says which lengths are big endian.
    """

    __slots__ = ("around", "big", "end", "entries", "fixed", "heads", "kinds", "lengths", "starts")

    def __init__(self) -> None:
        self.kinds = bytearray()
        self.big = bytearray()
        self.heads = array("q")
        self.starts = array("q")
        self.lengths = array("q")
        self.around = array("i")
        self.fixed: set[int] = set()
        self.entries: dict[Place, Entry] = {}
        self.end = 0

    def add(self, kind: Kind, head: int, start: int, length: int, around: int, big: bool) -> int:
        """Add a piece and return its number."""
        self.kinds.append(kind)
        self.heads.append(head)
        self.starts.append(start)
        self.lengths.append(length)
        self.around.append(around)
        self.big.append(big)
        return len(self.kinds) - 1

    def raw(self, data: Buffer, entry: Entry) -> bytes:
        """The bytes of a value."""
        start = self.starts[entry.piece]
        return bytes(data[start : start + self.lengths[entry.piece]])

    def shape(self, data: Buffer) -> bytes:
        """What two items have in common that differ in lengths and values only."""
        parts = []
        for number, kind in enumerate(self.kinds):
            head, start = self.heads[number], self.starts[number]
            parts.append(bytes((kind, start - head)))
            if kind == Kind.MARK:
                parts.append(bytes(data[head:start]))
            elif kind != Kind.CLOSE:
                parts.append(bytes(data[head : start - length_size(kind)]))
                if number in self.fixed:
                    value = bytes(data[start : start + self.lengths[number]])
                    parts.append(len(value).to_bytes(4, "little"))
                    parts.append(value)
        return b"".join(parts)


class Element:
    """One element of the tree; ``members`` are the items and stray delimiters of a sequence, None for a value."""

    __slots__ = ("head", "length", "long", "members", "start", "tag", "vr")

    def __init__(self, tag: int, vr: str, head: int, start: int, length: int, long: bool) -> None:
        self.tag = tag
        self.vr = vr
        self.head = head
        self.start = start
        self.length = length
        self.long = long
        self.members: list[Member] | None = None


class Member(NamedTuple):
    """An item of a sequence (``elements`` None: a delimiter too many), and where it ends, its delimiter included."""

    head: int
    start: int
    length: int
    end: int
    elements: list[Element] | None
    big_endian: bool


class _Way(NamedTuple):
    """What an item stands in, as written and with creators in capitals, and its character set."""

    place: Place
    folded: Place
    charset: bytes


class Walker:
    """Walks items of one data set; raises `MalformedError`, never leaves ``limit``."""

    def __init__(self, data: Buffer, layout: Layout, charset: bytes = b"", *, signed: bool = False) -> None:
        """``charset`` is the data set's Specific Character Set, for items that say none.

        ``signed`` is its Pixel Representation, for values that the standard leaves to it.
        """
        self._data = data
        self._layout = layout
        self._charset = charset
        self._signed = signed
        self._left = 0

    def item(self, pos: int, limit: int) -> Item:
        """The item whose head is at ``pos``; it ends at ``limit`` or before."""
        self._left = MOST_ELEMENTS
        try:
            member = self._member(pos, limit, self._layout, DEEPEST)
        except struct.error:
            raise MalformedError("the data set ends in the middle of an element") from None
        item = Item()
        item.end = member.end
        self._lay(item, member, _Way((), (), self._charset), -1)
        return item

    # The tree

    def _member(self, pos: int, limit: int, layout: Layout, depth: int) -> Member:
        tag, length = read_mark(self._data, pos, limit, layout)
        self._count()
        if tag != ITEM:
            if tag in (ITEM_END, SEQUENCE_END) and length == 0:
                return Member(pos, pos + 8, 0, pos + 8, None, layout.big_endian)
            raise MalformedError(f"{_name(tag)} stands where an item should")
        start = pos + 8
        if length != UNDEFINED and length > limit - start:
            raise MalformedError("an item is cut short")
        end = None if length == UNDEFINED else start + length
        elements, pos = self._elements(start, end, limit if end is None else end, layout, depth)
        return Member(start - 8, start, length, pos, elements, layout.big_endian)

    def _elements(self, pos: int, end: int | None, limit: int, layout: Layout, depth: int) -> tuple[list[Element], int]:
        """The elements of an item that ends at ``end`` (None: at its delimiter), and where what follows it begins."""
        found: list[Element] = []
        while pos < limit:
            element = read_element(self._data, pos, layout)
            self._count()
            if element.tag >> 16 == 0xFFFE:
                if element.tag == ITEM_END and end is None and pos + 8 <= limit:
                    return self._resolved(found, layout, depth), pos + 8
                raise MalformedError(f"{_name(element.tag)} stands where an element should")
            if element.length == UNDEFINED:
                pos = self._open_ended(element, limit, layout, depth)
            elif element.length > limit - element.start:
                raise MalformedError(f"{_name(element.tag)} is longer than the item that holds it")
            else:
                pos = element.start + element.length
            found.append(element)
        if end is None:
            raise MalformedError("an item never ends")
        return self._resolved(found, layout, depth), pos

    def _open_ended(self, element: Element, limit: int, layout: Layout, depth: int) -> int:
        """Walk a value of undefined length; return where it ends, its delimiter included."""
        if element.vr not in ("SQ", "UN", ""):
            raise MalformedError(f"{_name(element.tag)} cannot have an undefined length among functional groups")
        if element.vr == "UN":
            layout = _unknown_layout(self._data, element.start, layout)
        element.members, end = self._members(element.start, None, limit, layout, depth - 1)
        return end

    def _members(self, pos: int, end: int | None, limit: int, layout: Layout, depth: int) -> tuple[list[Member], int]:
        if depth <= 0:
            raise MalformedError(f"sequences are nested more than {DEEPEST} deep")
        members: list[Member] = []
        while pos < limit:
            if end is None and read_mark(self._data, pos, limit, layout)[0] == SEQUENCE_END:
                return members, pos + 8
            members.append(self._member(pos, limit, layout, depth))
            pos = members[-1].end
        if end is None:
            raise MalformedError("a sequence never ends")
        return members, pos

    def _resolved(self, elements: list[Element], layout: Layout, depth: int) -> list[Element]:
        """Look up what the bytes do not say, now that the item's creators are known; walk the sequences among them."""
        creators = _creators(self._data, elements)
        for element in elements:
            if element.vr in ("", "UN") and element.members is None:
                unknown = element.vr == "UN"
                element.vr = _vr_of(_key(element.tag, creators), self._signed)
                if element.vr == "SQ" and not element.long:  # of a VR that is none; no sequence has 16 bits of length
                    element.vr = "UN"
                inner = _unknown_layout(self._data, element.start, layout) if unknown else layout
            else:
                inner = layout
            if element.vr == "SQ" and element.members is None:
                end = element.start + element.length
                element.members, _ = self._members(element.start, end, end, inner, depth - 1)
        return elements

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise MalformedError(f"an item of functional groups has more than {MOST_ELEMENTS} elements")

    # The pieces

    def _lay(self, item: Item, member: Member, way: _Way, around: int) -> None:
        big = member.big_endian
        if member.elements is None:
            item.add(Kind.MARK, member.head, member.end, 0, around, big)
            return
        defined = member.length != UNDEFINED
        within = item.add(Kind.OPEN if defined else Kind.MARK, member.head, member.start, member.length, around, big)
        creators = _creators(self._data, member.elements)
        for element in member.elements:
            if element.tag == CHARACTER_SET:
                way = way._replace(charset=self._value(element))
                break
        for element in member.elements:
            key = _key(element.tag, creators)
            if element.members is None:
                self._lay_value(item, element, way, key, within, big)
            else:
                self._lay_sequence(item, element, way, key, within, big)
        if defined:
            item.add(Kind.CLOSE, member.end, member.end, 0, within, big)
        else:
            item.add(Kind.MARK, member.end - 8, member.end, 0, within, big)

    def _lay_value(self, item: Item, element: Element, way: _Way, key: Key, within: int, big: bool) -> None:
        kind = Kind.LONG if element.long else Kind.SHORT
        number = item.add(kind, element.head, element.start, element.length, within, big)
        if is_private_creator(element.tag) or element.tag == CHARACTER_SET:
            item.fixed.add(number)
        folded_one = (*way.folded, (folded(key), 0))
        if folded_one not in item.entries:
            item.entries[folded_one] = Entry(number, (*way.place, (key, 0)), element.vr, big, way.charset)

    def _lay_sequence(self, item: Item, element: Element, way: _Way, key: Key, around: int, big: bool) -> None:
        defined = element.length != UNDEFINED
        kind = Kind.OPEN if defined else Kind.MARK
        within = item.add(kind, element.head, element.start, element.length, around, big)
        number, end = 0, element.start
        for member in element.members or ():
            inner = _Way((*way.place, (key, number)), (*way.folded, (folded(key), number)), way.charset)
            self._lay(item, member, inner, within)
            number += member.elements is not None
            end = member.end
        if defined:
            item.add(Kind.CLOSE, end, end, 0, within, big)
        else:
            item.add(Kind.MARK, end, end + 8, 0, within, big)

    def _value(self, element: Element) -> bytes:
        return bytes(self._data[element.start : element.start + min(element.length, 256)])


def read_mark(data: Buffer, pos: int, limit: int, layout: Layout) -> tuple[int, int]:
    """Tag and length of an item or delimiter."""
    if pos + 8 > limit:
        raise MalformedError("a sequence ends in the middle of an item")
    word, length = layout.item.unpack_from(data, pos)
    return _tag(word, layout), length


def _tag(word: int, layout: Layout) -> int:
    return word if layout.big_endian else (word & 0xFFFF) << 16 | word >> 16


def read_element(data: Buffer, pos: int, layout: Layout) -> Element:
    """Tag, VR and length of what stands at ``pos``; the VR is empty where the bytes say none."""
    if not layout.explicit:
        word, length = layout.element.unpack_from(data, pos)
        return Element(_tag(word, layout), "", pos, pos + 8, length, True)
    word, vr, length = layout.element.unpack_from(data, pos)
    tag = _tag(word, layout)
    if tag >> 16 == 0xFFFE:
        return Element(tag, "", pos, pos + 8, length, True)
    if vr in SHORT_VRS:
        return Element(tag, KNOWN_VRS[vr], pos, pos + 8, length, False)
    if vr in LONG_VRS or is_future_vr(vr):
        (length,) = layout.length.unpack_from(data, pos + 8)
        return Element(tag, KNOWN_VRS.get(vr, "UN"), pos, pos + 12, length, True)
    return Element(tag, "UN", pos, pos + 8, length, False)


def _unknown_layout(data: Buffer, start: int, layout: Layout) -> Layout:
    """How the items of a sequence of VR UN are laid out.

    In implicit VR (PS3.5 section 6.2.2, note 4); but writers that do not know a private sequence pass it on as it came.
    """
    if not layout.explicit:
        return layout
    if layout.big_endian and bytes(data[start : start + 4]) == b"\xff\xfe\xe0\0":
        return EXPLICIT_BE
    return EXPLICIT_LE if bytes(data[start + 12 : start + 14]) in KNOWN_VRS else IMPLICIT_LE


def _creators(data: Buffer, elements: Iterable[Element]) -> dict[int, str]:
    """The private creators of an item by group and block (0xGGGGBB)."""
    creators: dict[int, str] = {}
    for element in elements:
        if is_private_creator(element.tag) and element.members is None and element.length <= _LONGEST_CREATOR:
            raw = bytes(data[element.start : element.start + element.length])
            creators.setdefault(element.tag >> 8 & 0xFFFF00 | element.tag & 0xFF, raw.strip(b" \0").decode("latin-1"))
    return creators


def _key(tag: int, creators: dict[int, str]) -> Key:
    """The element by its creator where it is private and has one, else its tag."""
    creator = creators.get(tag >> 8) if tag >> 16 & 1 else None
    return (tag >> 16, tag & 0xFF, creator) if creator else tag


@lru_cache(maxsize=4096)
def _vr_of(key: Key, signed: bool) -> str:
    return vr_of(key, signed=signed)


def _name(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"
