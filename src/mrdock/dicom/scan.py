"""One pass over the top level of a data set: is it whole, and what do the wanted elements say?

The scan follows every length to the end of the data set (PS3.5 section 7), through nested sequences too, and copies
nothing but the wanted values. It reads no pixel data. What it accepts is a data set whose elements and fragments end
where the bytes end; as DCMTK does, it forgives what real scanners write beside the standard: zeros after the last
element, VRs that are none, delimiters too many, and whatever stands inside a sequence that says how long it is.
Recursion is bounded by the nesting limit, which is checked before each step down and never forgiven.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from mmap import mmap
from typing import Final, NamedTuple

from mrdock.errors import CutShortError, MalformedError

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

# PS3.5 table 7.1-1: the first have a 32-bit length, the others of table 6.2-1 have 16 bits. For the rest see
# `_has_long_length`.
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
KNOWN_VRS = {vr: vr.decode("ascii") for vr in LONG_VRS | SHORT_VRS if vr != b"UN"}
_FRAGMENTED = frozenset({b"OB", b"OW"})

_LONGEST_CREATOR: Final = 64  # LO, PS3.5 table 6.2-1


class Value(NamedTuple):
    """The bytes of one element as they stand in the data set, and its VR (the wanted one's where it says none)."""

    vr: str
    raw: bytes


class Found(NamedTuple):
    """What one scan found: the wanted elements that are there, and the byte order of their numbers."""

    values: Mapping[Key, Value]
    big_endian: bool


class Wanted:
    """The elements a scan is to bring, each with the VR it has where the data set says none (implicit VR, UN, ??).

    Private creators count in any case.
    """

    __slots__ = ("_active", "creators", "longest", "vrs")

    def __init__(self, elements: Iterable[tuple[Key, str]], longest: int = 1 << 16) -> None:
        """Take (key, VR) pairs; a value of more than ``longest`` bytes is cut there."""
        self.vrs: dict[Key, str] = dict(elements)
        self.longest = longest
        self.creators: dict[tuple[int, bytes], list[tuple[int, Key]]] = {}
        for key in self.vrs:
            if isinstance(key, tuple):
                group, low, creator = key
                self.creators.setdefault((group, folded_creator(creator.encode())), []).append((low, key))
        self._active: dict[bool, dict[int, Key | None]] = {}

    def active(self, big_endian: bool) -> dict[int, Key | None]:
        """A fresh table from tag, as the scan reads it, to key; None marks where a private creator may stand."""
        table = self._active.get(big_endian)
        if table is None:
            table = {_word(key, big_endian): key for key in self.vrs if isinstance(key, int)}
            for group in {group for group, _ in self.creators}:
                table.update({_word(group << 16 | block, big_endian): None for block in range(0x10, 0x100)})
            self._active[big_endian] = table
        return table.copy()


def folded_creator(raw: bytes) -> bytes:
    """A private creator as it is compared: re-written Philips data spells ``Philips Imaging DD 001`` in capitals."""
    return raw.rstrip(b" \0").upper()


class Layout(NamedTuple):
    """How the elements of one transfer syntax are laid out."""

    explicit: bool
    big_endian: bool
    element: struct.Struct  # explicit: tag as one word, VR, 16-bit length; implicit: tag as one word, 32-bit length
    length: struct.Struct
    item: struct.Struct  # tag as one word, 32-bit length: items and delimiters have no VR


EXPLICIT_LE = Layout(True, False, struct.Struct("<I2sH"), struct.Struct("<I"), struct.Struct("<II"))
EXPLICIT_BE = Layout(True, True, struct.Struct(">I2sH"), struct.Struct(">I"), struct.Struct(">II"))
IMPLICIT_LE = Layout(False, False, struct.Struct("<II"), struct.Struct("<I"), struct.Struct("<II"))


def layout_of(transfer_syntax: str) -> Layout:
    """How a data set is laid out once it is inflated: what is not known is explicit VR little endian."""
    return {IMPLICIT_LITTLE: IMPLICIT_LE, EXPLICIT_BIG: EXPLICIT_BE}.get(transfer_syntax, EXPLICIT_LE)


def _word(tag: int, big_endian: bool) -> int:
    """A tag as one 32-bit number in the data set's byte order: little endian has the group in the low half."""
    return tag if big_endian else (tag & 0xFFFF) << 16 | tag >> 16


class _TooDeepError(Exception):
    """Sequences are nested beyond the limit: what a defined length forgives does not include this."""


_ITEMS = {big: (_word(0xFFFEE000, big), _word(0xFFFEE00D, big), _word(0xFFFEE0DD, big)) for big in (False, True)}


def scan(data: Buffer, transfer_syntax: str, wanted: Wanted, *, start: int = 0, depth: int = 64) -> Found:
    """Walk the data set ``data[start:]`` to its end and return the wanted elements of its top level.

    Of an element that stands there twice the first counts. Deflated data sets are to be inflated before.
    Raises `MalformedError` where a length leads out of the data set, a value of undefined length does not end or
    holds what it may not, nesting is deeper than ``depth``, or the data set begins with group 0000, 0002 or FFFE.
    """
    layout = layout_of(transfer_syntax)
    try:
        return Found(_top_level(data, start, len(data), layout, wanted, depth), layout.big_endian)
    except _TooDeepError:
        raise MalformedError(f"sequences are nested more than {depth} deep") from None
    except struct.error:
        raise CutShortError("the data set ends in the middle of an element") from None


def first_values(data: Buffer, transfer_syntax: str, tags: Collection[int], *, start: int = 0) -> dict[int, bytes]:
    """The values of some of a data set's first elements, without walking it: what stands before the last of ``tags``.

    For a file's own SOP Class and Instance UID (0008,0016) and (0008,0018), which stand at its very beginning. Stops
    without complaint where it cannot go on: what is missing then is not in the result.
    """
    layout = layout_of(transfer_syntax)
    found: dict[int, bytes] = {}
    pos, last = start, max(tags)
    try:
        while len(found) < len(tags):
            word, *_, length = layout.element.unpack_from(data, pos)
            vr = bytes(data[pos + 4 : pos + 6]) if layout.explicit else b""
            pos += 8
            if (
                layout.explicit
                and vr not in SHORT_VRS
                and (vr in LONG_VRS or _has_long_length(vr, length, word, layout))
            ):
                (length,) = layout.length.unpack_from(data, pos)
                pos += 4
            tag = _tag(word, layout)
            if tag > last or length == UNDEFINED:
                break
            if tag in tags and tag not in found:
                found[tag] = bytes(data[pos : pos + min(length, 256)])
            pos += length
    except (struct.error, MalformedError):
        pass
    return found


def skip_nested(
    data: Buffer, pos: int, length: int, limit: int, layout: Layout, vr: bytes, tag: int, *, depth: int = 64
) -> int:
    """Where the value at ``pos`` ends that is a sequence or has an undefined length, before ``limit``.

    ``vr`` is empty in implicit VR. Raises `MalformedError` as `scan` does.
    """
    try:
        return _nested(data, pos, length, limit, layout, vr, _word(tag, layout.big_endian), depth)
    except _TooDeepError:
        raise MalformedError(f"sequences are nested more than {depth} deep") from None
    except struct.error:
        raise MalformedError("a sequence ends in the middle of an element") from None


def _top_level(data: Buffer, pos: int, end: int, layout: Layout, wanted: Wanted, depth: int) -> dict[Key, Value]:
    values: dict[Key, Value] = {}
    explicit, big_endian, element, length_of, _ = layout
    active, vrs, longest = wanted.active(big_endian), wanted.vrs, wanted.longest
    element_at, length_at, short, long_ = element.unpack_from, length_of.unpack_from, SHORT_VRS, LONG_VRS
    vr = b""
    last = end - 8  # where an element can begin at the latest
    if pos <= last:
        _check_beginning(_tag(element_at(data, pos)[0], layout) >> 16)
    while pos <= last:
        if explicit:
            word, vr, length = element_at(data, pos)
            pos += 8
            if vr not in short and (vr in long_ or _has_long_length(vr, length, word, layout)):
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
            key = active[word]
            if key is None:
                key = _learn(data, pos, length, word, layout, wanted, active)
            if key is not None and key not in values:
                said = KNOWN_VRS.get(vr) or vrs[key]
                values[key] = Value(said, bytes(data[pos : pos + min(length, longest)]))
        pos += length
    if pos > end:
        raise CutShortError(
            f"{_name(word, layout)} is cut short: {length} bytes announced, {length - (pos - end)} there"
        )
    if any(data[pos:end]):  # zeros may follow; eight of them have been read as an element without a value
        raise CutShortError("the data set ends in the middle of an element")
    return values


def _check_beginning(group: int) -> None:
    if group < 4:
        raise MalformedError("the data set begins with elements of group 0000 or 0002")
    if group == 0xFFFE:
        raise MalformedError("the data set begins with an item or a delimiter")


def _learn(
    data: Buffer, pos: int, length: int, word: int, layout: Layout, wanted: Wanted, active: dict[int, Key | None]
) -> Key | None:
    """Learn from a private creator where its wanted elements will stand; return its own key where it is wanted, too."""
    tag = _tag(word, layout)
    if length <= _LONGEST_CREATOR:
        creator = folded_creator(bytes(data[pos : pos + length]))
        for low, private in wanted.creators.get((tag >> 16, creator), ()):
            active.setdefault(_word(tag & 0xFFFF0000 | (tag & 0xFF) << 8 | low, layout.big_endian), private)
    return tag if tag in wanted.vrs else None


def _nested(data: Buffer, pos: int, length: int, limit: int, layout: Layout, vr: bytes, word: int, depth: int) -> int:
    """Walk the value at ``pos`` that is a sequence or has an undefined length; return where it ends.

    An empty delimiter that stands where an element should is passed over.
    """
    tag = _tag(word, layout)
    if tag >> 16 == 0xFFFE:
        _check_stray(word, length, layout)
        return pos
    if length != UNDEFINED:
        if length > limit - pos:
            raise CutShortError(f"{_name(word, layout)} is cut short: {length} bytes announced, {limit - pos} there")
        with suppress(MalformedError, struct.error):  # its length says where it ends, whatever it holds
            _sequence(data, pos, pos + length, pos + length, layout, depth)
        return pos + length
    if vr in _FRAGMENTED or tag in PIXEL_DATA:
        return _fragments(data, pos, limit, layout)
    if vr == b"UN":  # PS3.5 section 6.2.2, note 4: a sequence in implicit VR
        return _sequence(data, pos, None, limit, IMPLICIT_LE, depth)
    if vr in (b"SQ", b""):
        return _sequence(data, pos, None, limit, layout, depth)
    raise MalformedError(f"{_name(word, layout)} cannot have an undefined length")


def _fragments(data: Buffer, pos: int, limit: int, layout: Layout) -> int:
    """Skip encapsulated pixel data (PS3.5 section A.4) from its first item; return where it ends."""
    item, _, sequence_end = _ITEMS[layout.big_endian]
    while pos < limit:
        word, length = layout.item.unpack_from(data, pos)
        pos += 8
        if word == sequence_end:
            return pos
        if word != item or length > limit - pos:
            kind = MalformedError if word != item else CutShortError
            raise kind("encapsulated pixel data is cut short or holds something else than fragments")
        pos += length
    raise CutShortError("encapsulated pixel data never ends")


def _sequence(data: Buffer, pos: int, end: int | None, limit: int, layout: Layout, depth: int) -> int:
    """Walk a sequence from its first item; return where it ends.

    ``end`` is where it says it ends (None: at its delimiter), ``limit`` where the bytes around it end.
    """
    if depth <= 0:
        raise _TooDeepError
    item, item_end, sequence_end = _ITEMS[layout.big_endian]
    item_at = layout.item.unpack_from
    while pos < limit:
        word, length = item_at(data, pos)
        pos += 8
        if word == sequence_end and end is None:
            return pos
        if word != item:
            if word in (item_end, sequence_end) and length == 0:  # after an item, a sequence of defined length
                continue
            raise MalformedError(f"{_name(word, layout)} stands where an item should")
        if length == UNDEFINED:
            pos = _item(data, pos, None, limit, layout, depth)
        elif length > limit - pos:
            raise CutShortError("an item is cut short")
        else:
            pos = _item(data, pos, pos + length, pos + length, layout, depth)
    if end is None:
        raise CutShortError("a sequence never ends")
    return pos


def _item(data: Buffer, pos: int, end: int | None, limit: int, layout: Layout, depth: int) -> int:
    """Walk the elements of one item; ``end`` and ``limit`` as in `_sequence`."""
    explicit, big_endian, element, length_of, _ = layout
    item_end = _ITEMS[big_endian][1]
    element_at, length_at, short, long_ = element.unpack_from, length_of.unpack_from, SHORT_VRS, LONG_VRS
    vr = b""
    while pos < limit:
        if explicit:
            word, vr, length = element_at(data, pos)
            pos += 8
            if vr not in short:
                if word == item_end and end is None:
                    return pos
                if vr in long_ or _has_long_length(vr, length, word, layout):
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
        raise CutShortError("an item never ends")
    if pos > limit:
        raise MalformedError(f"{_name(word, layout)} is longer than the item that holds it")
    return pos


def _tag(word: int, layout: Layout) -> int:
    return _word(word, layout.big_endian)  # swapping the halves is its own inverse


def _name(word: int, layout: Layout) -> str:
    tag = _tag(word, layout)
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"


def _has_long_length(vr: bytes, length: int, word: int, layout: Layout) -> bool:
    """Whether an element with a VR that this standard does not know has a 32-bit length.

    Two capitals are a VR of the future, which has (PS3.5 section 7.1.2). Anything else ('??', blanks, zeros) comes from
    writers that have 16 bits for all; DCMTK reads it so. Items and delimiters have no VR: ``length`` is half of theirs.
    """
    if _tag(word, layout) >> 16 == 0xFFFE:
        _check_stray(word, length if vr == b"\0\0" else UNDEFINED, layout)
        return False
    return is_future_vr(vr)


def is_future_vr(vr: bytes) -> bool:
    """Whether these two bytes can be a VR of a later edition of the standard."""
    return vr.isalpha() and vr.isupper()


def _check_stray(word: int, length: int, layout: Layout) -> None:
    """Refuse an item, or what else of group FFFE is no empty delimiter, among elements."""
    if length or word not in _ITEMS[layout.big_endian][1:]:
        raise MalformedError(f"{_name(word, layout)} stands where an element should")
