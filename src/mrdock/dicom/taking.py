"""The wanted elements of the top level, taken from the beginning of a data set: nothing is read after the last of them.

The eight bytes that begin an element (PS3.5 section 7.1) say which it is and, but for the long forms, how long. What
they mean is worked out once and remembered. So are whole stretches of elements: where all their beginnings stand in
another file at the same distances, its elements are the same, of the same lengths, and one comparison tells that.
Nothing is assumed of a file because the one before it was alike.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from mmap import mmap
from typing import Final, NamedTuple

from mrdock.dicom.scan import (
    KNOWN_VRS,
    LONG_VRS,
    SHORT_VRS,
    UNDEFINED,
    Key,
    Layout,
    Value,
    folded_creator,
    is_future_vr,
    skip_nested,
)
from mrdock.dicom.stretches import MOST_ELEMENTS, Stretch, Stretches, Taken
from mrdock.errors import MalformedError

_DELIMITERS: Final = frozenset({0xFFFEE00D, 0xFFFEE0DD})
_LONGEST_CREATOR: Final = 64  # LO, PS3.5 table 6.2-1
_MOST_REMEMBERED: Final = 1 << 16  # elements of a table
_MOST_SHARED: Final = 512  # values of one element that files share
_LONGEST_SHARED: Final = 256
_MOST_IDLE: Final = 1 << 16  # zeros, delimiters and sequences one behind the other
_MOST_SEQUENCES: Final = 1 << 8  # of which the content is remembered
_LONGEST_REMEMBERED: Final = 4 << 10  # bytes of a sequence
_LONGEST_SEQUENCE: Final = 256 << 20  # of undefined length, which has to be walked

# Some writers leave a sequence in implicit VR where it should be explicit, or call one UN that is explicit.
_OTHER_CONTENT: Final = {b"SQ": b"UN", b"UN": b"SQ"}

Blocks = dict[int, Key]
"""The tags that wanted private elements have in one data set."""


class _Unusual(NamedTuple):
    """The meaning of eight bytes that a table of lengths cannot say."""

    tag: int
    vr: bytes  # empty where the element has none
    long: bool  # the length is in the next four bytes
    length: int
    key: Key | None


class _Place(NamedTuple):
    """Where such an element has its value, and what has to be the same in another file for it to be the same there."""

    at: int
    end: int
    checked: int  # up to here the bytes; 0 where only a walk can tell
    key: Key | None


_END: Final = _Unusual(0, b"", False, 0, None)  # here the taking ends


class Taker:
    """Takes the wanted elements out of data sets of one layout.

    ``wanted`` maps each key to the VR it has where the data set says none; sequences are never taken. ``ends`` says
    of a tag whether the taking ends before it. A value of more than ``longest`` bytes is cut there.
    """

    def __init__(self, layout: Layout, wanted: Mapping[Key, str], longest: int, ends: Callable[[int], bool]) -> None:
        """Nothing is remembered yet."""
        self.layout = layout
        self._wanted = {key: vr for key, vr in wanted.items() if vr != "SQ"}
        self._longest = longest
        self._ends = ends
        private = [key for key in self._wanted if isinstance(key, tuple)]
        self._private_groups = {group for group, _, _ in private}
        self._private_lows = {(group, low) for group, low, _ in private}
        self._skipped: dict[bytes, int] = {}
        self._taken: dict[bytes, Taken] = {}
        self._unusual: dict[bytes, _Unusual] = {}
        self._nested: dict[tuple[int, bytes], bytes] = {}
        self._shared: dict[tuple[Key, str], dict[bytes, Value]] = {}
        self._stretches = Stretches()

    def take(self, data: bytes | mmap, pos: int, values: dict[Key, Value], *, whole: bool = True) -> int:
        """Take the wanted elements of ``data[pos:]`` into ``values``; of an element that stands there twice the first.

        Returns where the element begins before which the taking ended: then at least 8 bytes are there. Otherwise the
        data ended first, and the position says how: at the end, before it (a rest of less than 8 bytes), or beyond
        it (an element that is not wanted is cut short). Raises `MalformedError` where a wanted element is cut short
        or the data set is broken. ``whole=False`` says that the data go on: what looks broken may not be.
        """
        blocks: Blocks = {}
        find, idle = self._stretches.find, 0
        while True:
            while stretch := find(data, pos, blocks):
                for offset, length, key, vr, shared in stretch.taken:
                    if key not in values:
                        raw = data[pos + offset : pos + offset + length]
                        values[key] = shared.get(raw) or _new(vr, raw, shared)
                pos += stretch.size
                if stretch.after:
                    blocks = dict(stretch.after)
                if stretch.ends:
                    return pos
            start, before = pos, dict(blocks)
            stop, pos, ended = self._walk(data, pos, values, blocks, whole)
            if start < stop <= len(data) and self._stretches.may_grow():
                with suppress(MalformedError):  # a sequence that only the whole file shows to be right
                    self._remember(data, start, stop, before, ended)
            if ended or pos + 8 > len(data):
                return pos
            idle += stop == start
            if idle > _MOST_IDLE:
                raise MalformedError("the data set has too many zeros, delimiters or sequences one behind the other")

    def _walk(
        self, data: bytes | mmap, pos: int, values: dict[Key, Value], blocks: Blocks, whole: bool
    ) -> tuple[int, int, bool]:
        """Take element by element, up to and with the first that cannot be part of a stretch.

        Returns where the stretch ends, where the elements read end, and whether the taking ends there.
        """
        skipped, taken, strange = self._skipped.get, self._taken.get, self._unusual.get
        while True:
            while step := skipped(data[pos : pos + 8]):
                pos += step
            head = data[pos : pos + 8]
            if entry := taken(head):
                _, length, key, vr, shared = entry
                raw = data[pos + 8 : pos + 8 + length]
                if len(raw) != length:
                    raise MalformedError(_cut(key))
                if key not in values:
                    values[key] = shared.get(raw) or _new(vr, raw, shared)
                pos += 8 + length
                continue
            unusual = strange(head)
            if unusual is None:
                if len(head) < 8:
                    return pos, pos, False
                self._learn(head)
                continue
            if unusual is _END:
                return pos, pos, True
            place = self._place(data, pos, unusual, blocks, whole)
            if place.key is not None and place.key not in values:
                values[place.key] = self._value(data, place, unusual.vr)
            if not place.checked:
                return pos, place.end, False
            pos = place.end

    def _value(self, data: bytes | mmap, place: _Place, vr: bytes) -> Value:
        key = place.key
        assert key is not None
        if place.end > len(data):
            raise MalformedError(_cut(key))
        said = KNOWN_VRS.get(vr) or self._wanted[key]
        raw = data[place.at : min(place.end, place.at + self._longest)]
        shared = self._shared_by(key, said)
        return shared.get(raw) or _new(said, raw, shared)

    def _shared_by(self, key: Key, vr: str) -> dict[bytes, Value]:
        return self._shared.setdefault((key, vr), {})

    # ---- what is remembered ----

    def _learn(self, head: bytes) -> None:
        """Work out what these eight bytes mean and remember it in one of the tables."""
        if len(self._skipped) + len(self._taken) + len(self._unusual) >= _MOST_REMEMBERED:
            for table in (self._skipped, self._taken, self._unusual, self._nested):
                table.clear()
        layout = self.layout
        group, element = struct.unpack(">HH" if layout.big_endian else "<HH", head[:4])
        tag = group << 16 | element
        if group != 0xFFFE and self._ends(tag):
            self._unusual[head] = _END
            return
        vr, long, length = self._form(head, group)
        key: Key | None = tag if tag in self._wanted else None
        plain = not long and length != UNDEFINED and group != 0xFFFE and tag
        if not plain or self._may_be_private(group, element) or (key is not None and length > self._longest):
            self._unusual[head] = _Unusual(tag, vr, long, length, key)
        elif key is None:
            self._skipped[head] = 8 + length
        else:
            said = KNOWN_VRS.get(vr) or self._wanted[key]
            self._taken[head] = Taken(8, length, key, said, self._shared_by(key, said))

    def _form(self, head: bytes, group: int) -> tuple[bytes, bool, int]:
        """VR, whether a 32-bit length follows, and otherwise the length."""
        if not self.layout.explicit or group == 0xFFFE:
            return b"", False, self.layout.length.unpack_from(head, 4)[0]
        vr = head[4:6]
        if vr in LONG_VRS or (is_future_vr(vr) and vr not in SHORT_VRS):
            return vr, True, 0
        if vr in SHORT_VRS or vr == b"\0\0" or (0x20 <= vr[0] < 0x7F and 0x20 <= vr[1] < 0x7F):
            return vr, False, int.from_bytes(head[6:], "big" if self.layout.big_endian else "little")
        return b"", False, self.layout.length.unpack_from(head, 4)[0]  # an element in implicit VR among the others

    def _may_be_private(self, group: int, element: int) -> bool:
        """Whether the element can be a creator or a private one that is wanted."""
        if group not in self._private_groups or element < 0x10:
            return False
        return element < 0x100 or (element >= 0x1000 and (group, element & 0xFF) in self._private_lows)

    def _remember(self, data: bytes | mmap, start: int, stop: int, before: Blocks, ends: bool) -> None:
        """Make a stretch of the elements between two places, which have just been walked."""
        pos, blocks = start, dict(before)
        checks: list[tuple[int, int]] = []
        taken: list[Taken] = []
        while pos < stop:
            head = data[pos : pos + 8]
            entry, step = self._taken.get(head), self._skipped.get(head)
            place = _Place(pos + 8, pos + step, pos + 8, None) if step else None
            if entry:
                place = _Place(pos + 8, pos + 8 + entry.length, pos + 8, None)
                taken.append(entry._replace(offset=pos - start + 8))
            elif place is None:
                unusual = self._unusual.get(head)
                if unusual is None:  # the tables have been cleared
                    return
                place = self._place(data, pos, unusual, blocks, whole=False)
                if not place.checked:  # another sequence of this tag has been met since
                    return
                if place.key is not None:
                    said = KNOWN_VRS.get(unusual.vr) or self._wanted[place.key]
                    length = min(place.end - place.at, self._longest)
                    taken.append(Taken(place.at - start, length, place.key, said, self._shared_by(place.key, said)))
            checks.append((place.checked - pos, place.end - place.checked))
            if len(checks) > MOST_ELEMENTS:
                return
            pos = place.end
        if ends:
            checks.append((8, 0))
        self._stretches.add(data, start, checks, Stretch(stop - start, tuple(taken), before, blocks, ends))

    # ---- unusual elements ----

    def _place(self, data: bytes | mmap, pos: int, unusual: _Unusual, blocks: Blocks, whole: bool) -> _Place:
        """Where the element that begins at ``pos`` has its value; it may end beyond the data."""
        tag, vr, long, length, key = unusual
        at = pos + 8
        if long:
            if at + 4 > len(data):
                raise MalformedError("the data set ends in the middle of an element")
            (length,) = self.layout.length.unpack_from(data, at)
            at += 4
        if tag >> 16 == 0xFFFE:  # passed over where an element should be, as DCMTK does
            if length or tag not in _DELIMITERS:
                raise MalformedError(f"{_name(tag)} stands where an element should")
            return _Place(at, at, 0, None)
        if length == UNDEFINED:
            end, known = self._nested_end(data, at, vr, tag, whole)
            return _Place(at, end, end if known else 0, None)
        checked = at if tag else 0
        if vr == b"SQ":
            return _Place(at, at + length, checked, None)
        if tag >> 16 in self._private_groups:
            if 0x10 <= tag & 0xFFFF < 0x100 and length <= _LONGEST_CREATOR:
                self._learn_creator(data[at : at + length], tag, blocks)
                checked = at + length
            key = key or blocks.get(tag)
        return _Place(at, at + length, checked, key)

    def _learn_creator(self, raw: bytes, tag: int, blocks: Blocks) -> None:
        """Learn from a private creator (PS3.5 section 7.8.1) where its wanted elements stand."""
        creator = folded_creator(raw)
        for key in self._wanted:
            if isinstance(key, tuple) and key[0] == tag >> 16 and folded_creator(key[2].encode()) == creator:
                blocks.setdefault(tag & 0xFFFF0000 | (tag & 0xFF) << 8 | key[1], key)

    def _nested_end(self, data: bytes | mmap, pos: int, vr: bytes, tag: int, whole: bool) -> tuple[int, bool]:
        """Where a value of undefined length ends, and whether it is the same as the last time, which ended there."""
        known = self._nested.get((tag, vr), b"")
        if known and data[pos : pos + len(known)] == known:
            return pos + len(known), True
        end = self._walk_nested(data, pos, vr, tag, whole)
        if end - pos <= _LONGEST_REMEMBERED:
            if len(self._nested) >= _MOST_SEQUENCES:
                self._nested.clear()
            self._nested[tag, vr] = data[pos:end]
        return end, False

    def _walk_nested(self, data: bytes | mmap, pos: int, vr: bytes, tag: int, whole: bool) -> int:
        limit = len(data) if tag >> 16 >= 0x7FE0 else min(len(data), pos + _LONGEST_SEQUENCE)
        try:
            return skip_nested(data, pos, UNDEFINED, limit, self.layout, vr, tag)
        except MalformedError:
            other = _OTHER_CONTENT.get(vr)
            if not whole or other is None:
                raise
            with suppress(MalformedError):
                return skip_nested(data, pos, UNDEFINED, limit, self.layout, other, tag)
            raise


def _new(vr: str, raw: bytes, shared: dict[bytes, Value]) -> Value:
    """A value that files share from now on: most of a series are the same in all."""
    value = Value(vr, raw)
    if len(raw) <= _LONGEST_SHARED:
        if len(shared) >= _MOST_SHARED:
            shared.clear()
        shared[raw] = value
    return value


def _cut(key: Key) -> str:
    return f"{_name(key) if isinstance(key, int) else 'a private element'} is cut short"


def _name(tag: int) -> str:
    return f"({tag >> 16:04x},{tag & 0xFFFF:04x})"
