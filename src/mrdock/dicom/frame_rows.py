"""All frames of a per-frame sequence, fast: a frame that is laid out as one before it is compared, not walked.

Most bytes of a frame's groups are those of the frame before. A frame that was walked once becomes a pattern: runs of
bytes that are the same in all frames of its shape, and between them the values that vary, whose lengths are read and
followed. A run that is equal byte by byte has the same elements, so that every length of every frame is either compared
with one that was followed, or followed. Where anything differs from the pattern the slow walk decides: another value
varies from here on, the frame has another shape, or it is broken. Of frames whose lengths are all those of the frame
before many are compared at once.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mrdock.dicom.frame_walk import (
    ITEM,
    ITEM_END,
    SEQUENCE_END,
    Entry,
    Item,
    Kind,
    Place,
    Walker,
    length_size,
    read_mark,
)
from mrdock.dicom.scan import UNDEFINED, Buffer, Key, Layout
from mrdock.errors import MalformedError

if TYPE_CHECKING:
    from mrdock.dicom.frame_alike import Alike

MOST_PIECES = 1 << 16
"""Patterns are kept until they have so many pieces and varying values together; frames that follow none of them are
walked again for each column. A piece takes half a kilobyte."""

MOST_VARYING = 1 << 10
"""A shape with more varying values than this is not kept either."""

_TRIED: Final = 4  # the shapes seen last
_WORTH_NUMPY: Final = 1 << 13  # so many frames take longer one by one than numpy takes to load
_TAIL: Final = -1
_LENGTHS: Final = {
    (size, big): struct.Struct((">" if big else "<") + code).unpack_from
    for size, code in ((2, "H"), (4, "I"))
    for big in (0, 1)
}

Step = tuple[bytes, int, int, Callable[[Buffer, int], tuple[Any, ...]]]
"""A run of bytes and its size, what follows (a `Kind`, or the item's end), and how its length is read."""


class Pattern:
    """What frames of one shape have in common.

    ``item`` is the first of them. ``slots`` has the pieces that vary: which of the ``width`` positions that are kept of
    a frame is the value's start, and how many bytes there are from its end to the next position. The last position
    is the frame's end. ``steps`` are empty once no more frames are to follow.
    """

    __slots__ = ("item", "slots", "steps", "varying", "width")

    def __init__(self, data: Buffer, item: Item, varying: frozenset[int]) -> None:
        self.item = item
        self.varying = varying
        self.steps: list[Step] = []
        self.slots: dict[int, tuple[int, int]] = {}
        opened = _opened(item, varying)
        run, last = item.heads[0], -1
        for piece, kind in enumerate(item.kinds):
            start = item.starts[piece]
            if piece in varying or piece in opened:
                size = length_size(kind)
                self._step(data[run : start - size], kind, size, item.big[piece])
                run = start
            elif kind == Kind.CLOSE and item.around[piece] in opened:
                self._step(data[run:start], kind)
                run = start
            if piece in varying:
                self._until(last, start)
                self.slots[piece] = len(self.slots), 0
                last, run = piece, start + item.lengths[piece]
        self._step(data[run : item.end], _TAIL)
        self._until(last, item.end)
        self.width = len(self.slots) + 1

    def _step(self, run: bytes | bytearray | memoryview, kind: int, size: int = 2, big: int = 0) -> None:
        self.steps.append((bytes(run), len(run), kind, _LENGTHS[size, big]))

    def _until(self, last: int, position: int) -> None:
        if last >= 0:
            slot, _ = self.slots[last]
            self.slots[last] = slot, position - self.item.starts[last] - self.item.lengths[last]

    def follow(self, data: Buffer, pos: int, limit: int) -> list[int] | None:
        """The positions of the frame at ``pos``; None where it is another than the pattern says."""
        positions: list[int] = []
        ends: list[int] = []
        try:
            for run, size, kind, length_at in self.steps:
                head = pos + size
                if data[pos:head] != run:
                    return None
                if kind == Kind.SHORT:
                    pos = head + 2
                    positions.append(pos)
                    pos += length_at(data, head)[0]
                elif kind == Kind.LONG:
                    pos = head + 4
                    positions.append(pos)
                    pos += length_at(data, head)[0]
                elif kind == Kind.OPEN:
                    pos = head + 4
                    ends.append(pos + length_at(data, head)[0])
                else:
                    pos = head
                    if kind == Kind.CLOSE and ends.pop() != pos:
                        return None
        except struct.error:  # beyond the data
            return None
        positions.append(pos)
        return positions if pos <= limit else None

    def values(self, positions: Sequence[int]) -> list[tuple[int, int]]:
        """Where the values that vary begin and end in a frame of these positions."""
        gaps = (gap for _, gap in self.slots.values())
        return [(start, after - gap) for start, after, gap in zip(positions, positions[1:], gaps, strict=False)]

    def positions_of(self, item: Item) -> list[int]:
        """The positions of an item of this shape that was walked."""
        return [*(item.starts[piece] for piece in self.slots), item.end]

    def differing(self, data: Buffer, item: Item) -> frozenset[int]:
        """The values that vary when an item of the same shape is one of the frames, too."""
        own = self.item
        found = set(self.varying)
        for piece, kind in enumerate(own.kinds):
            if kind in (Kind.SHORT, Kind.LONG) and piece not in found:
                start, other, length = own.starts[piece], item.starts[piece], own.lengths[piece]
                same = length == item.lengths[piece] and data[start : start + length] == data[other : other + length]
                if not same:
                    found.add(piece)
        return frozenset(found)


class Stretch(NamedTuple):
    """Frames that follow one pattern: their numbers from 0, and ``pattern.width`` positions of each."""

    pattern: Pattern
    frames: array[int]
    positions: array[int]


class Part(NamedTuple):
    """One value in some of the frames, and how its bytes are to be read."""

    frames: Sequence[int]
    entry: Entry
    raws: list[bytes]
    """One for each frame; or a single one, which they all share."""


class Rows:
    """The frames of one per-frame sequence, walked once.

    ``starts`` and ``ends`` are the positions of their items, head and delimiter included.
    """

    def __init__(self, data: Buffer, walker: Walker) -> None:
        self.starts = array("q")
        self.ends = array("q")
        self._data = data
        self._walker = walker
        self._stretches: list[Stretch] = []
        self._current: dict[bytes, Stretch] = {}
        self._recent: list[bytes] = []
        self._follows: dict[bytes, bytes] = {}
        self._loose: list[int] = []
        self._pieces = 0
        self._alike: Alike | None = None

    def walk(self, pos: int, length: int, limit: int, layout: Layout, most: int) -> None:
        """Walk the sequence whose value is at ``pos``, of not more than ``most`` items.

        Raises `MalformedError`; the frame that is broken is counted from 1.
        """
        if length != UNDEFINED:
            if length > limit - pos:
                raise MalformedError("the per-frame functional groups are cut short")
            limit = pos + length
        if "numpy" in sys.modules or most >= _WORTH_NUMPY:
            from mrdock.dicom.frame_alike import Alike

            self._alike = Alike()
        while length == UNDEFINED or pos < limit:
            end = self._fast(pos, limit, most)
            if end is None:
                tag, size = read_mark(self._data, pos, limit, layout)
                if tag == SEQUENCE_END and length == UNDEFINED:
                    break
                if tag in (ITEM_END, SEQUENCE_END) and size == 0:
                    pos += 8
                    continue
                if tag != ITEM:
                    raise MalformedError(f"frame {len(self.starts) + 1}: no item where one should stand")
                end = self._slow(pos, limit)
                self.starts.append(pos)
                self.ends.append(end)
            pos = end
            if len(self.starts) > most:
                raise MalformedError(f"the per-frame functional groups have more than {most} items")
        for stretch in self._current.values():
            stretch.pattern.steps.clear()
        self._current.clear()

    def _fast(self, pos: int, limit: int, most: int) -> int | None:
        """Note the frame at ``pos`` if it is like one of the last, and those behind it that are like it.

        Return where they end, None where it is another.
        """
        recent = self._recent
        if not recent:
            return None
        last = recent[0]
        first = self._follows.get(last, last)
        for shape in (first, *recent):
            stretch = self._current[shape]
            positions = stretch.pattern.follow(self._data, pos, limit)
            if positions is not None:
                stretch.frames.append(len(self.starts))
                stretch.positions.extend(positions)
                if shape != last or first != last:
                    self._seen(shape)
                end = positions[-1]
                self.starts.append(pos)
                self.ends.append(end)
                return end if self._alike is None else self._behind(self._alike, stretch, positions, limit, most)
        return None

    def _behind(self, alike: Alike, stretch: Stretch, positions: list[int], limit: int, most: int) -> int:
        """Note the frames that are like the last one, which has these positions; return where they end."""
        start, end = self.starts[-1], self.ends[-1]
        values = stretch.pattern.values(positions)
        found = alike.after(self._data, start, values, end, limit, most - len(self.starts))
        if not found:
            return end
        from mrdock.dicom.frame_alike import repeated

        size = end - start
        stretch.frames.extend(range(len(self.starts), len(self.starts) + found))
        stretch.positions.frombytes(repeated(positions, size, found))
        self.starts.extend(range(end, end + found * size, size))
        self.ends.extend(range(end + size, end + found * size + 1, size))
        return end + found * size

    def _seen(self, shape: bytes) -> None:
        if self._recent:
            self._follows[self._recent[0]] = shape
        if shape in self._recent:
            self._recent.remove(shape)
        self._recent.insert(0, shape)
        del self._recent[_TRIED:]

    def _slow(self, pos: int, limit: int) -> int:
        try:
            item = self._walker.item(pos, limit)
        except MalformedError as error:
            raise MalformedError(f"frame {len(self.starts) + 1}: {error}") from None
        shape = item.shape(self._data)
        stretch = self._stretch(shape, item)
        if stretch is None:
            self._loose.append(len(self.starts))
        else:
            stretch.frames.append(len(self.starts))
            stretch.positions.extend(stretch.pattern.positions_of(item))
            self._seen(shape)
        return item.end

    def _stretch(self, shape: bytes, item: Item) -> Stretch | None:
        """Where an item of this shape belongs; None where no more is kept."""
        stretch = self._current.get(shape)
        if stretch is None:
            if not self._room(len(item.kinds)):
                return None
            pattern = Pattern(self._data, item, frozenset())
        else:
            varying = stretch.pattern.differing(self._data, item)
            if varying == stretch.pattern.varying:
                return stretch
            if len(varying) > MOST_VARYING or not self._room(len(varying)):
                return None
            stretch.pattern.steps.clear()
            pattern = Pattern(self._data, stretch.pattern.item, varying)
        stretch = Stretch(pattern, array("i"), array("q"))
        self._stretches.append(stretch)
        self._current[shape] = stretch
        return stretch

    def _room(self, pieces: int) -> bool:
        self._pieces += pieces
        return self._pieces <= MOST_PIECES

    def parts(self, place: Place) -> Iterator[Part]:
        """The values of a folded place, in no order."""
        for pattern, frames, positions in self._stretches:
            entry = pattern.item.entries.get(place)
            if entry is None:
                continue
            if entry.piece in pattern.slots:
                slot, gap = pattern.slots[entry.piece]
                starts, ends = positions[slot :: pattern.width], positions[slot + 1 :: pattern.width]
                bounds = map(slice, starts, [end - gap for end in ends] if gap else ends)
                yield Part(frames, entry, list(map(bytes, map(self._data.__getitem__, bounds))))
            else:
                yield Part(frames, entry, [pattern.item.raw(self._data, entry)])
        for frame, item in self._walked_again():
            entry = item.entries.get(place)
            if entry is not None:
                yield Part(range(frame, frame + 1), entry, [item.raw(self._data, entry)])

    def without(self, group: Key) -> Iterator[int]:
        """The numbers of the frames that have no value inside this functional group, its creator in capitals."""
        for pattern, frames, _ in self._stretches:
            if not _has(pattern.item, group):
                yield from frames
        for frame, item in self._walked_again():
            if not _has(item, group):
                yield frame

    def entries(self) -> Iterator[dict[Place, Entry]]:
        """The values of each shape."""
        for stretch in self._stretches:
            yield stretch.pattern.item.entries
        for _, item in self._walked_again():
            yield item.entries

    def _walked_again(self) -> Iterator[tuple[int, Item]]:
        for frame in self._loose:
            yield frame, self._walker.item(self.starts[frame], self.ends[frame])


def _opened(item: Item, varying: frozenset[int]) -> frozenset[int]:
    """The heads with a length of what a varying value stands in: where its length changes, theirs change."""
    found: set[int] = set()
    for piece in varying:
        around = item.around[piece]
        while around >= 0 and around not in found:
            found.add(around)
            around = item.around[around]
    return frozenset(piece for piece in found if item.kinds[piece] == Kind.OPEN)


def _has(item: Item, group: Key) -> bool:
    return any(place[0][0] == group for place in item.entries)
