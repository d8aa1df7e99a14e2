"""The functional groups of a multi-frame file as a table: a row a frame, a column a value (PS3.3 section C.7.6.16).

Shared groups (5200,9229) and per-frame groups (5200,9230) are read alike: a shared value stands in every frame that has
nothing of the same group for itself.

A column is one place. A place is written as the keys on its way, joined by dots, each as `tags.parse` reads it:
``FrameContentSequence.DimensionIndexValues``. Keys on the way may be left out, the value's own comes last; so
``DimensionIndexValues`` alone will do. ``[2]`` after a sequence means its second item, otherwise the first is meant,
which is the only one of a functional group. Where several places answer, the first counts in this order:

1. places inside standard sequences before those on whose way a private one stands;
2. those of fewer levels before deeper ones;
3. those of lower tags before higher ones.

So ``EffectiveEchoTime`` is that of the MR Echo Sequence, whatever private groups repeat. Frames that have a value of
this name only elsewhere have none in the column.

Nothing is walked before a column or the names are asked for, and numpy is loaded with the first array only.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, cast

from mrdock.dicom import tags
from mrdock.dicom.frame_columns import Column, describe, written_place
from mrdock.dicom.frame_rows import Part, Rows
from mrdock.dicom.frame_walk import (
    CHARACTER_SET,
    ITEM,
    SEQUENCE_END,
    Item,
    Place,
    Walker,
    read_element,
    read_mark,
)
from mrdock.dicom.scan import UNDEFINED, Buffer, Key, layout_of, skip_nested
from mrdock.errors import MalformedError, TagError

__all__ = ["MOST_FRAMES", "Column", "FrameTable", "describe"]

MOST_FRAMES: Final = 1 << 20

_NUMBER_OF_FRAMES: Final = 0x00280008
_PIXEL_REPRESENTATION: Final = 0x00280103
_SHARED: Final = 0x52009229
_PER_FRAME: Final = 0x52009230
_STEP: Final = re.compile(r'(\.?(?:"[^"]*"|[^."])+)(?:\.|$)')
_NUMBERED: Final = re.compile(r"(.+?)\[([1-9]\d{0,5})\]", re.DOTALL)

Where = str | Key | Sequence[Key]
"""What a column is asked by: a place as text, a key, or the keys of a place in order."""

_Step = tuple[Key, int]


class FrameTable:
    """The frames of one data set; a context manager where it has opened a file."""

    def __init__(self, data: Buffer, transfer_syntax: str, *, start: int = 0) -> None:
        """Look for the groups of the data set ``data[start:]``, which is not deflated.

        Raises `MalformedError` where the data set is broken before the groups.
        """
        self._data = data
        self._layout = layout_of(transfer_syntax)
        self._open = ExitStack()
        self._charset = b""
        self._signed = False
        self._declared: int | None = None
        self._shared_at: tuple[int, int] | None = None
        self._per_frame_at: tuple[int, int] | None = None
        self._walked: tuple[Rows | None, Item | None] | None = None
        self._places: dict[Place, Place] | None = None
        self._columns: dict[Place, Column] = {}
        self._items: list[tuple[int, int]] | None = None
        try:
            self._look(start)
        except struct.error:
            raise MalformedError("the data set ends in the middle of an element") from None

    @classmethod
    def of_file(cls, path: str) -> Self:
        """Map a file; raises `NotDicomError`, `MalformedError` (their messages do not name the path) or OSError."""
        from mrdock.dicom.opening import open_data_set

        with ExitStack() as stack:
            data_set = stack.enter_context(open_data_set(path))
            table = cls(data_set.data, data_set.transfer_syntax, start=data_set.start)
            table._open = stack.pop_all()
        return table

    @property
    def frames(self) -> int:
        """The number of frames: Number of Frames (0028,0008), else the items of the per-frame groups, else 1.

        Raises `MalformedError` where a walk has to count them and the groups are broken.
        """
        if self._declared is not None:
            return self._declared
        rows, _ = self._walk()
        return 1 if rows is None else len(rows.starts)

    def column(self, where: Where) -> Column | None:
        """The values of one place, None where no frame has it.

        Raises `TagError` for a text that names nothing, `MalformedError` where a frame is broken, or where
        Number of Frames and the items of the per-frame groups differ.
        """
        found = self._find(where)
        if found is None:
            return None
        if found not in self._columns:
            self._columns[found] = self._column(found)
        return self._columns[found]

    def __contains__(self, where: Where) -> bool:
        """Whether any frame has it; raises as `column`."""
        return self._find(where) is not None

    def names(self) -> list[str]:
        """Every place in the order of the tags, as `column` takes it; private creators are not among them."""
        places = self._all_places()
        return [written_place(places[place]) for place in self._ordered()]

    def columns(self) -> Iterator[Column]:
        """Every column, in the order of `names`."""
        return map(self._column, self._ordered())

    def items(self) -> list[tuple[int, int]]:
        """Where each frame's item of the per-frame groups begins and ends in the data, head and delimiter included."""
        rows, _ = self._walk()
        if self._items is None:
            self._items = list(zip(rows.starts.tolist(), rows.ends.tolist(), strict=True)) if rows else []
        return self._items

    def close(self) -> None:
        """Let go of the file; columns that were asked for stay good."""
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    # Where the groups are

    def _look(self, pos: int) -> None:
        """Find the groups at the top level; what stands behind the per-frame groups is not looked at."""
        data, layout, end = self._data, self._layout, len(self._data)
        while pos + 8 <= end:
            element = read_element(data, pos, layout)
            if element.tag == _PER_FRAME:
                self._per_frame_at = element.start, element.length
                return
            if element.tag == _SHARED:
                self._shared_at = element.start, element.length
            if element.length == UNDEFINED or element.tag >> 16 == 0xFFFE:
                vr = element.vr.encode()
                pos = skip_nested(data, element.start, element.length, end, layout, vr, element.tag)
                continue
            pos = element.start + element.length
            if pos > end and element.tag < _PER_FRAME:
                raise MalformedError("the data set is cut short")
            if element.tag == CHARACTER_SET:
                self._charset = bytes(data[element.start : min(pos, element.start + 256)])
            elif element.tag == _PIXEL_REPRESENTATION:
                self._signed = bytes(data[element.start : min(pos, element.start + 2)]).strip(b"\0") == b"\1"
            elif element.tag == _NUMBER_OF_FRAMES:
                self._declared = _count(bytes(data[element.start : min(pos, element.start + 64)]))
        if any(data[pos:end]):
            raise MalformedError("the data set ends in the middle of an element")

    def _walk(self) -> tuple[Rows | None, Item | None]:
        """The per-frame and the shared groups."""
        if self._walked is None:
            walker = Walker(self._data, self._layout, self._charset, signed=self._signed)
            self._walked = self._walk_rows(walker), self._walk_shared(walker)
        return self._walked

    def _walk_rows(self, walker: Walker) -> Rows | None:
        if self._per_frame_at is None:
            return None
        rows = Rows(self._data, walker)
        most = MOST_FRAMES if self._declared is None else self._declared
        rows.walk(*self._per_frame_at, len(self._data), self._layout, most)
        if not rows.starts:
            return None
        if self._declared is not None and len(rows.starts) != self._declared:
            raise MalformedError(
                f"Number of Frames is {self._declared}, the per-frame functional groups have {len(rows.starts)} items"
            )
        return rows

    def _walk_shared(self, walker: Walker) -> Item | None:
        if self._shared_at is None:
            return None
        start, length = self._shared_at
        limit = len(self._data) if length == UNDEFINED else start + length
        if limit > len(self._data):
            raise MalformedError("the shared functional groups are cut short")
        if start == limit or read_mark(self._data, start, limit, self._layout)[0] == SEQUENCE_END:
            return None
        if read_mark(self._data, start, limit, self._layout)[0] != ITEM:
            raise MalformedError("the shared functional groups hold no item where one should stand")
        try:
            return walker.item(start, limit)
        except MalformedError as error:
            raise MalformedError(f"the shared functional groups: {error}") from None

    # What is in them

    def _all_places(self) -> dict[Place, Place]:
        """The places that occur, as written by their folded form."""
        if self._places is None:
            rows, shared = self._walk()
            found: dict[Place, Place] = {}
            for entries in rows.entries() if rows else ():
                for place, entry in entries.items():
                    found.setdefault(place, entry.place)
            used: dict[Key, bool] = {}
            for place, entry in shared.entries.items() if shared else ():
                group = place[0][0]
                if group not in used:
                    used[group] = rows is None or next(rows.without(group), None) is not None
                if used[group]:
                    found.setdefault(place, entry.place)
            self._places = found
        return self._places

    def _find(self, where: Where) -> Place | None:
        places = self._all_places()
        try:
            steps = _steps(where)
        except TagError:
            for place, written in places.items():
                if written_place(written) == where:  # a creator with quotes or dots of its own
                    return place
            raise
        return min((place for place in places if _answers(place, steps)), key=_rank, default=None)

    def _ordered(self) -> list[Place]:
        return sorted((place for place in self._all_places() if not _is_creator(place)), key=_order)

    def _column(self, place: Place) -> Column:
        return Column(self._all_places()[place], self.frames, self._parts(place))

    def _parts(self, place: Place) -> list[Part]:
        rows, shared = self._walk()
        parts = list(rows.parts(place)) if rows else []
        entry = shared.entries.get(place) if shared else None
        if shared is not None and entry is not None:
            frames = range(self.frames) if rows is None else [*rows.without(place[0][0])]
            if frames:
                parts.append(Part(frames, entry, [shared.raw(self._data, entry)]))
        return parts


def _count(raw: bytes) -> int | None:
    """The value of Number of Frames, None for an empty one."""
    text = raw.strip(b" \0")
    if not text:
        return None
    if not text.isdigit() or not 0 < int(text) <= MOST_FRAMES:
        said = text[:16].decode("latin-1")
        raise MalformedError(f"Number of Frames is {said!r}, no number from 1 to {MOST_FRAMES}")
    return int(text)


def _steps(where: Where) -> list[_Step]:
    """The keys that a place must have on its way, folded, each with the number of its item from 0."""
    if isinstance(where, str):
        return _parsed(where)
    if isinstance(where, int):
        return [(where, 0)]
    if isinstance(where[-1], str):  # a private key; those of a place are none
        return [(tags.folded(cast(Key, where)), 0)]
    return [(tags.folded(key), 0) for key in cast(Sequence[Key], where)]


def _parsed(text: str) -> list[_Step]:
    steps: list[_Step] = []
    pos = 0
    while pos < len(text):
        found = _STEP.match(text, pos)
        if found is None:
            raise TagError(f"{text!r} is no place of a value: names joined by dots")
        numbered = _NUMBERED.fullmatch(found[1])
        name, number = (numbered[1], int(numbered[2])) if numbered else (found[1], 1)
        steps.append((tags.folded(tags.parse(name)), number - 1))
        pos = found.end()
    if not steps:
        raise TagError("no place of a value is named")
    return steps


def _answers(place: Place, steps: list[_Step]) -> bool:
    """Whether the steps stand on the way to a place in this order, its last one last, all others in first items."""
    if place[-1] != steps[-1]:
        return False
    at = 0
    for step in place:
        if at < len(steps) and step == steps[at]:
            at += 1
        elif step[1]:
            return False
    return at == len(steps)


def _rank(place: Place) -> tuple[bool, int, list[tuple[int, int, str, int]]]:
    private = any(not isinstance(key, int) or key >> 16 & 1 for key, _ in place[:-1])
    return private, len(place), _order(place)


def _order(place: Place) -> list[tuple[int, int, str, int]]:
    return [
        (key >> 16, key & 0xFFFF, "", number) if isinstance(key, int) else (key[0], 0x10000 | key[1], key[2], number)
        for key, number in place
    ]


def _is_creator(place: Place) -> bool:
    key = place[-1][0]
    return isinstance(key, int) and tags.is_private_creator(key)
