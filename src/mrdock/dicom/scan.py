"""One pass over the top level of a data set: is it whole, and what do the wanted elements say?

The scan follows every length to the end of the data set (PS3.5 section 7), through nested sequences too, and copies
nothing but the wanted values. It reads no pixel data. What it accepts is a data set whose elements, items and fragments
end exactly where the bytes end. Recursion is bounded by the nesting limit, which is checked before each step down.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import Final, NamedTuple

from mrdock.errors import MalformedError

Buffer = bytes | bytearray | memoryview | mmap
"""What can be scanned; positions are bytes from its start."""

Private = tuple[int, int, str]
"""A private element: (group, low byte of the element, private creator)."""

Key = int | Private
"""A wanted element: a tag (0xGGGGEEEE), or a private one by its creator."""

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"

UNDEFINED: Final = 0xFFFFFFFF
PIXEL_DATA: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})

# PS3.5 table 7.1-1: the first have a 32-bit length, the others of table 6.2-1 have 16 bits. A VR that the standard
# has not defined yet is to be read with a 32-bit length.
_LONG = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_FRAGMENTED = frozenset({b"OB", b"OW"})


class Value(NamedTuple):
    """The bytes of one element as they stand in the data set, and its VR (the dictionary's where it is implicit)."""

    vr: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Found:
    """What one scan found: the wanted elements that are there, and the byte order of their numbers."""

    values: Mapping[Key, Value]
    big_endian: bool


class Wanted:
    """The elements a scan is to bring, each with the VR it has where the data set does not say (implicit VR, UN)."""

    __slots__ = ("_active", "creators", "longest", "vrs")

    def __init__(self, elements: Iterable[tuple[Key, str]], longest: int = 1 << 16) -> None:
        """Take (key, VR) pairs; a value of more than ``longest`` bytes is cut there."""
        self.vrs: dict[Key, str] = dict(elements)
        self.longest = longest
        self.creators: dict[tuple[int, bytes], list[tuple[int, Key]]] = {}
        for key in self.vrs:
            if isinstance(key, tuple):
                group, low, creator = key
                self.creators.setdefault((group, creator.encode()), []).append((low, key))
        self._active: dict[bool, dict[int, Key | None]] = {}

    def active(self, big_endian: bool) -> dict[int, Key | None]:
        """A fresh table from tag, as the scan reads it, to key; None marks where a private creator may stand."""
        table = self._active.get(big_endian)
        if table is None:
            table = {}
            for group in {group for group, _ in self.creators}:
                table.update({_word(group << 16 | block, big_endian): None for block in range(0x10, 0x100)})
            table.update({_word(key, big_endian): key for key in self.vrs if isinstance(key, int)})
            self._active[big_endian] = table
        return table.copy()


class _Layout(NamedTuple):
    """How the elements of one transfer syntax are laid out."""

    explicit: bool
    big_endian: bool
    element: struct.Struct  # explicit: tag as one word, VR, 16-bit length; implicit: tag as one word, 32-bit length
    length: struct.Struct
    item: struct.Struct  # tag as one word, 32-bit length: items and delimiters have no VR


_EXPLICIT_LE = _Layout(True, False, struct.Struct("<I2sH"), struct.Struct("<I"), struct.Struct("<II"))
_EXPLICIT_BE = _Layout(True, True, struct.Struct(">I2sH"), struct.Struct(">I"), struct.Struct(">II"))
_IMPLICIT_LE = _Layout(False, False, struct.Struct("<II"), struct.Struct("<I"), struct.Struct("<II"))


def _word(tag: int, big_endian: bool) -> int:
    """A tag as one 32-bit number in the data set's byte order: little endian has the group in the low half."""
    return tag if big_endian else (tag & 0xFFFF) << 16 | tag >> 16


_ITEMS = {big: (_word(0xFFFEE000, big), _word(0xFFFEE00D, big), _word(0xFFFEE0DD, big)) for big in (False, True)}


def scan(data: Buffer, transfer_syntax: str, wanted: Wanted, *, start: int = 0, depth: int = 64) -> Found:
    """Walk the data set ``data[start:]`` to its end and return the wanted elements of its top level.

    Of an element that stands there twice the first counts. Deflated data sets are to be inflated before.
    Raises `MalformedError` where a length leads out of the data set, a sequence does not end or holds what it may
    not, nesting is deeper than ``depth``, or the data set begins with group 0000 or 0002.
    """
    layout = _EXPLICIT_LE
    if transfer_syntax == IMPLICIT_LITTLE:
        layout = _IMPLICIT_LE
    elif transfer_syntax == EXPLICIT_BIG:
        layout = _EXPLICIT_BE
    try:
        return Found(_top_level(data, start, len(data), layout, wanted, depth), layout.big_endian)
    except struct.error:
        raise MalformedError("the data set ends in the middle of an element") from None


def _top_level(data: Buffer, pos: int, end: int, layout: _Layout, wanted: Wanted, depth: int) -> dict[Key, Value]:
    values: dict[Key, Value] = {}
    explicit, big_endian, element, length_of, _ = layout
    active = wanted.active(big_endian)
    element_at, length_at, short, long_ = element.unpack_from, length_of.unpack_from, _SHORT, _LONG
    vr = b""
    if pos < end and (_tag(element_at(data, pos)[0], layout) >> 16) < 4:
        raise MalformedError("the data set begins with elements of group 0000 or 0002")
    while pos < end:
        if explicit:
            word, vr, length = element_at(data, pos)
            pos += 8
            if vr not in short:
                if vr not in long_:
                    _check_vr(vr, word, layout)
                (length,) = length_at(data, pos)
                pos += 4
                if length == UNDEFINED or vr == b"SQ":
                    pos = _nested(data, pos, length, end, layout, vr, word, depth)
                    continue
        else:
            word, length = element_at(data, pos)
            pos += 8
            if length == UNDEFINED or word & 0xFFFF == 0xFFFE:
                pos = _nested(data, pos, length, end, layout, vr, word, depth)
                continue
        if word in active and length <= end - pos:
            _keep(data, pos, length, word, vr, layout, wanted, active, values)
        pos += length
    if pos > end:
        raise MalformedError(
            f"{_name(word, layout)} is cut short: {length} bytes announced, {length - (pos - end)} there"
        )
    return values


def _keep(
    data: Buffer,
    pos: int,
    length: int,
    word: int,
    vr: bytes,
    layout: _Layout,
    wanted: Wanted,
    active: dict[int, Key | None],
    values: dict[Key, Value],
) -> None:
    """Take a wanted value, or learn from a private creator where its wanted elements will stand."""
    key, tag = active[word], _tag(word, layout)
    if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF:
        creator = bytes(data[pos : pos + length]).rstrip(b" \0")
        for low, private in wanted.creators.get((tag >> 16, creator), ()):
            active.setdefault(_word(tag & 0xFFFF0000 | (tag & 0xFF) << 8 | low, layout.big_endian), private)
    if key is not None and key not in values:
        said = vr.decode("ascii") if vr and vr != b"UN" else wanted.vrs[key]
        values[key] = Value(said, bytes(data[pos : pos + min(length, wanted.longest)]))


def _nested(data: Buffer, pos: int, length: int, limit: int, layout: _Layout, vr: bytes, word: int, depth: int) -> int:
    """Walk the value at ``pos`` that is a sequence or has an undefined length; return where it ends."""
    tag = _tag(word, layout)
    if tag >> 16 == 0xFFFE:
        raise MalformedError(f"{_name(word, layout)} stands where an element should")
    if length != UNDEFINED:
        if length > limit - pos:
            raise MalformedError(f"{_name(word, layout)} is cut short: {length} bytes announced, {limit - pos} there")
        return _sequence(data, pos, pos + length, pos + length, layout, depth)
    if vr in _FRAGMENTED or tag in PIXEL_DATA:
        return _fragments(data, pos, limit, layout)
    if vr == b"UN":  # PS3.5 section 6.2.2, note 4: a sequence in implicit VR
        return _sequence(data, pos, None, limit, _IMPLICIT_LE, depth)
    if vr in (b"SQ", b""):
        return _sequence(data, pos, None, limit, layout, depth)
    raise MalformedError(f"{_name(word, layout)} cannot have an undefined length")


def _fragments(data: Buffer, pos: int, limit: int, layout: _Layout) -> int:
    """Skip encapsulated pixel data (PS3.5 section A.4) from its first item; return where it ends."""
    item, _, sequence_end = _ITEMS[layout.big_endian]
    while pos < limit:
        word, length = layout.item.unpack_from(data, pos)
        pos += 8
        if word == sequence_end:
            return pos
        if word != item or length > limit - pos:
            raise MalformedError("encapsulated pixel data is cut short or holds something else than fragments")
        pos += length
    raise MalformedError("encapsulated pixel data never ends")


def _sequence(data: Buffer, pos: int, end: int | None, limit: int, layout: _Layout, depth: int) -> int:
    """Walk a sequence from its first item; return where it ends.

    ``end`` is where it must end (None: at its delimiter), ``limit`` where the bytes around it end.
    """
    if depth <= 0:
        raise MalformedError("sequences are nested too deep")
    item, _, sequence_end = _ITEMS[layout.big_endian]
    item_at = layout.item.unpack_from
    while pos < limit:
        word, length = item_at(data, pos)
        pos += 8
        if word == sequence_end and end is None:
            return pos
        if word != item:
            raise MalformedError(f"{_name(word, layout)} stands where an item should")
        if length == UNDEFINED:
            pos = _item(data, pos, None, limit, layout, depth)
        elif length > limit - pos:
            raise MalformedError("an item is cut short")
        else:
            pos = _item(data, pos, pos + length, pos + length, layout, depth)
    if end is None:
        raise MalformedError("a sequence never ends")
    if pos > limit:
        raise MalformedError("a sequence is longer than what holds it")
    return pos


def _item(data: Buffer, pos: int, end: int | None, limit: int, layout: _Layout, depth: int) -> int:
    """Walk the elements of one item; ``end`` and ``limit`` as in `_sequence`."""
    explicit, big_endian, element, length_of, _ = layout
    item_end = _ITEMS[big_endian][1]
    element_at, length_at, short, long_ = element.unpack_from, length_of.unpack_from, _SHORT, _LONG
    vr = b""
    while pos < limit:
        if explicit:
            word, vr, length = element_at(data, pos)
            pos += 8
            if vr not in short:
                if word == item_end and end is None:
                    return pos
                if vr not in long_:
                    _check_vr(vr, word, layout)
                (length,) = length_at(data, pos)
                pos += 4
                if length == UNDEFINED or vr == b"SQ":
                    pos = _nested(data, pos, length, limit, layout, vr, word, depth - 1)
                    continue
        else:
            word, length = element_at(data, pos)
            pos += 8
            if length == UNDEFINED or word & 0xFFFF == 0xFFFE:
                if word == item_end and end is None:
                    return pos
                pos = _nested(data, pos, length, limit, layout, vr, word, depth - 1)
                continue
        pos += length
    if end is None:
        raise MalformedError("an item never ends")
    if pos > limit:
        raise MalformedError(f"{_name(word, layout)} is longer than the item that holds it")
    return pos


def _tag(word: int, layout: _Layout) -> int:
    return _word(word, layout.big_endian)  # swapping the halves is its own inverse


def _name(word: int, layout: _Layout) -> str:
    tag = _tag(word, layout)
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _check_vr(vr: bytes, word: int, layout: _Layout) -> None:
    if not (vr.isalpha() and vr.isupper()):
        raise MalformedError(f"{_name(word, layout)} has no value representation")
