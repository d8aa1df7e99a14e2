"""The numbers in a header that say how many of something the frames have, and what they become when frames go.

The meaning of Philips' own is that of DCMTK's dictionary and of real files (R5.7.1): each equals the number of distinct
values of one attribute over the frames, or was planned greater by a scan that was then stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

from mrdock.dicom.elements import Element, walk
from mrdock.dicom.recoding import encode_element
from mrdock.dicom.scan import Key, layout_of
from mrdock.dicom.tags import folded
from mrdock.enhanced.shortacq_edits import Edits, Span, Swap, number_of
from mrdock.enhanced.source import Source

NUMBER_OF_FRAMES: Final = 0x00280008
NUMBER_OF_TIMES: Final = 0x00200105

_IMAGES_IN_ACQUISITION: Final = 0x00201002
_STACK_SEQUENCE: Final = (0x2001, 0x5F, "Philips Imaging DD 001")
_SHARED: Final = 0x52009229
_TIME: Final = 0x00209128
_MR_005: Final = "Philips MR Imaging DD 005"
_IMAGING_001: Final = "Philips Imaging DD 001"
_AT_ONCE: Final = 1 << 20
_SLICES: Final = (0x00209056, 0x00209057)

COUNTED: Final[dict[Key, tuple[Key, ...]]] = {
    NUMBER_OF_TIMES: (_TIME,),  # Number of Temporal Positions
    (0x2001, 0x81, _IMAGING_001): (_TIME,),  # Number of Dynamic Scans
    (0x2001, 0x14, _IMAGING_001): (0x00189082,),  # Number of Echoes
    (0x2001, 0x17, _IMAGING_001): ((0x2001, 0x08, _IMAGING_001),),  # Number of Phases
    (0x2001, 0x18, _IMAGING_001): _SLICES,  # Number of Slices
    (0x2001, 0x2D, _IMAGING_001): _SLICES,  # Number of Slices of a stack, in the Stack Sequence
    (0x2001, 0x60, _IMAGING_001): (0x00209056,),  # Number of Stacks
    (0x2005, 0x14, _MR_005): ((0x2005, 0x12, _MR_005),),  # Number of diffusion b-values
    (0x2005, 0x15, _MR_005): ((0x2005, 0x13, _MR_005),),  # Number of gradient orientations
    (0x2005, 0x28, _MR_005): ((0x2005, 0x29, _MR_005),),  # Number of label types
}
"""What counts the distinct values of which attributes."""

_FOLDED: Final = {folded(key): attributes for key, attributes in COUNTED.items()}


class Change(NamedTuple):
    """How many distinct values there are before and after frames go."""

    before: int
    after: int

    def applied(self, number: int | None) -> int | None:
        """What a count of them becomes, None where it stays: one that never counted them all counts something else."""
        return self.after if number is not None and number >= self.before > self.after else None


class Counts:
    """What becomes of the counts of one file."""

    def __init__(self, source: Source, kept: Sequence[int], times: Change | None) -> None:
        """``kept`` are the frames that stay; ``times`` is known where acquisitions are temporal positions."""
        self._table = source.table
        self._kept = kept
        self._dropped = set(range(source.table.frames)) - set(kept)
        self._changes: dict[tuple[Key, ...], Change] = {}
        if times is not None:
            self._changes[_TIME,] = times

    def changed(self, element: Element) -> int | None:
        """What a count outside the per-frame groups becomes; None for what is no count, or stays."""
        if element.tag in (NUMBER_OF_FRAMES, _IMAGES_IN_ACQUISITION) and not element.depth:
            return Change(self._table.frames, len(self._kept)).applied(number_of(element))
        attributes = _FOLDED.get(folded(element.key))
        if attributes is None or not _may_count(element):
            return None
        return self._change(attributes).applied(number_of(element))

    def times(self) -> Change:
        """How many temporal positions there are."""
        return self._change((_TIME,))

    def _change(self, attributes: tuple[Key, ...]) -> Change:
        known = self._changes.get(attributes)
        if known is None:
            known = self._changes[attributes] = self._counted(attributes)
        return known

    def _counted(self, attributes: tuple[Key, ...]) -> Change:
        """What `_change` remembers; which number it is does not matter where it stays."""
        columns = [column for key in attributes if (column := self._table.column(key)) is not None]
        if not columns:
            return Change(0, 0)
        texts = [column.texts() for column in columns if column.varying]
        gone = {tuple(each[frame] for each in texts) for frame in self._dropped}
        for frame in self._kept:
            gone.discard(tuple(each[frame] for each in texts))
            if not gone:  # as many as before
                return Change(0, 0)
        before = len(set(zip(*texts, strict=True)))
        return Change(before, before - len(gone))


def _may_count(element: Element) -> bool:
    """Whether the element stands at the top, in the Stack Sequence or in the shared groups."""
    if not element.depth:
        return True
    outermost = element.path[0][0]
    return outermost == _SHARED or folded(outermost) == folded(_STACK_SEQUENCE)


def set_times_of_frames(source: Source, edits: Edits, kept: Sequence[int], change: Change, *, shared: bool) -> None:
    """Correct Number of Temporal Positions (0020,0105) inside the per-frame groups that stay.

    ``shared`` says that the shared groups have one, too.
    """
    column = source.table.column(NUMBER_OF_TIMES)
    if column is None or change.before <= change.after:
        return
    items = source.table.items()
    values = {raw for part in column.parts for raw in part.raws}
    everywhere = sum(len(part.frames) for part in column.parts) == len(items)
    if not shared and len(values) == 1 and everywhere:
        (value,) = values
        for swap in _swaps(source, edits, [items[frame] for frame in kept], value, change):
            edits.swap(swap)
        return
    there = {frame for part in column.parts for frame in part.frames}
    for frame in kept:
        if frame in there:
            for at, new in _in_items(source, edits, [items[frame]], change):
                edits.replace(at, at + len(new), new)


def _swaps(source: Source, edits: Edits, items: Sequence[Span], value: bytes, change: Change) -> Iterator[Swap]:
    """What changes in items of which each has this value: as many bytes at a time as are read at once.

    Where the element's bytes, head and value, are found as often as there are items, each of them is one.
    """
    big_endian = layout_of(source.data_set.transfer_syntax).big_endian
    element = Element(0, NUMBER_OF_TIMES, NUMBER_OF_TIMES, "IS", value, len(value), 0, (), b"", big_endian)
    number = change.applied(number_of(element))
    if number is None:
        return
    head = encode_element(NUMBER_OF_TIMES, "IS", len(value), source.data_set.transfer_syntax)
    new = head + edits.encoded(element, number)
    at = 0
    while at < len(items):
        end = at + 1
        while end < len(items) and items[end][0] == items[end - 1][1] and items[end][1] - items[at][0] <= _AT_ONCE:
            end += 1
        some = items[at:end]
        otherwise = partial(_in_items, source, edits, some, change)
        yield Swap(some[0][0], some[-1][1], head + value, new, len(some), otherwise)
        at = end


def _in_items(source: Source, edits: Edits, items: Sequence[Span], change: Change) -> list[tuple[int, bytes]]:
    """Where the values of (0020,0105) in these items are that change, and what they become; found by walking."""
    data, syntax = source.data_set.data, source.data_set.transfer_syntax
    found = []
    for start, end in items:
        for element in walk(bytes(data[start:end]), syntax, start=8, longest=64):
            number = change.applied(number_of(element)) if element.tag == NUMBER_OF_TIMES else None
            if number is not None:
                found.append((start + element.offset, edits.encoded(element, number)))
    return found
