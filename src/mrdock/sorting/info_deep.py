"""All of one file, as dcminfo asks for it: nested sequences, and the frames of a multi-frame file as columns.

A functional group's value is that of the image itself, so it goes before what other nested sequences say (those tell
of other objects). Of a value that differs over frames no single one is ever shown as that of the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from mrdock.dicom.elements import ITEM, PER_FRAME, UNREADABLE, Element
from mrdock.dicom.frame_columns import Column, describe
from mrdock.dicom.frames import FrameTable
from mrdock.dicom.opening import DataSet, open_data_set
from mrdock.dicom.rendering import text_of
from mrdock.dicom.scan import Key
from mrdock.dicom.tags import folded
from mrdock.errors import MalformedError
from mrdock.sorting.info import Question
from mrdock.sorting.info_values import Cell, Place, Where, place

SHARED = 0x52009229
_SOP_CLASS = 0x00080016


class DeepFile(NamedTuple):
    """What one file says; ``broken`` why it says no more, None where it was read to its end."""

    sop_class: str
    transfer_syntax: str
    cells: list[tuple[Where, Cell]]
    broken: MalformedError | None


def read_deep(path: str, question: Question) -> DeepFile:
    """The values of one file that are asked for: each tag's first (or every) occurrence.

    Of a file that is broken, what stands before the break. Raises `NotDicomError`, `MalformedError` where nothing does
    or its frames make no sense (their messages do not name the path), and OSError.
    """
    with open_data_set(path) as data_set:
        found = _Walked(data_set, question)
        cells = found.every() if question.every else found.first()
        return DeepFile(found.sop_class, data_set.said or data_set.transfer_syntax, cells, found.broken)


class _Walked:
    """The elements of one data set that are asked for, those inside functional groups left to a `FrameTable`."""

    def __init__(self, data_set: DataSet, question: Question) -> None:
        self._data_set = data_set
        self._question = question
        self._named = {folded(key) for key in question.keys}
        self._asked = {folded(key) for key in question.asked.keys}
        self._elements: list[Element] = []
        self._items: Counter[tuple[object, ...]] = Counter()
        self._grouped = False
        self.sop_class = ""
        for element in data_set.meta:
            self._take(element)
        self.broken: MalformedError | None = None
        self._walk()

    def _walk(self) -> None:
        begun = False
        try:
            for element in self._data_set.walk(items=True):
                self._take(element)
                begun = True
        except MalformedError as error:
            if not begun:
                raise
            self.broken = error

    def _take(self, element: Element) -> None:
        if element.tag == ITEM:
            self._items[*element.path[:-1], element.path[-1][0]] += 1
            return
        if element.tag == UNREADABLE:
            return
        if not element.depth:
            if element.tag == _SOP_CLASS:
                self.sop_class = text_of(element)
            self._grouped = self._grouped or element.tag in (SHARED, PER_FRAME)
        elif element.path[0][0] == SHARED:
            return
        if self._takes(element.key):
            self._elements.append(element)

    def _takes(self, key: Key) -> bool:
        return folded(key) in self._named or self._question.asked.takes(key)

    def _takes_nested(self, key: Key) -> bool:
        return folded(key) in self._asked or self._question.asked.takes(key)

    def first(self) -> list[tuple[Where, Cell]]:
        """Each tag where it is found first: at the top level, in the functional groups, in other sequences."""
        found: dict[Key, tuple[Where, Cell]] = {}
        for element in self._elements:
            if not element.depth:
                found.setdefault(folded(element.key), (element.key, self._cell(element)))
        table = self._table
        if table is not None:
            for key in self._keys(table):
                if folded(key) not in found and (column := table.column(key)) is not None:
                    found[folded(key)] = key, _of_frames(column)
        for element in self._elements:
            if element.depth and folded(element.key) not in found and self._takes_nested(element.key):
                found[folded(element.key)] = element.key, self._cell(element)
        return list(found.values())

    def every(self) -> list[tuple[Where, Cell]]:
        """Each tag wherever it is found; what stands in functional groups by the names of `FrameTable`."""
        found: list[tuple[Where, Cell]] = [
            (place(element.path, element.key), self._cell(element)) for element in self._elements
        ]
        table = self._table
        if table is not None:
            for name in table.names():
                column = table.column(name)
                if column is not None and self._takes(column.key):
                    found.append((Place(name, column.key), _of_frames(column)))
        return found

    def _keys(self, table: FrameTable) -> Iterator[Key]:
        """The tags to be looked for in the functional groups."""
        yield from self._question.keys
        if self._question.asked.open:
            columns = (table.column(name) for name in table.names())
            yield from (column.key for column in columns if column is not None and self._takes(column.key))

    @cached_property
    def _table(self) -> FrameTable | None:
        """The functional groups; None for a file that has none."""
        if not self._grouped:
            return None
        data_set = self._data_set
        return FrameTable(data_set.data, data_set.transfer_syntax, start=data_set.start)

    def _cell(self, element: Element) -> Cell:
        if element.vr != "SQ":
            return Cell(text_of(element), element.vr)
        count = self._items[*element.path, element.key]
        if element.tag == PER_FRAME and not element.depth and (table := self._table) is not None:
            count = table.frames
        return Cell(f"({count} item{'' if count == 1 else 's'})", "SQ")


def _of_frames(column: Column) -> Cell:
    """All frames' value, or that it varies."""
    return Cell(describe(column), column.vr, tuple(column.texts()) if column.varying else None)
