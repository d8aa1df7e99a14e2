"""The values that dcminfo shows of many files, in columns: what is the same in all, and what differs.

Two ways lead to a value. The quick one is the header scan: it brings the top level of a classic file and stops early.
Where that cannot answer (a file with frames, a tag that was asked for and is not at the top level, ``*``, every
occurrence) the file is walked, see `info_deep`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from mrdock.dicom.reading import FileHeader, read_many
from mrdock.dicom.rendering import value_text
from mrdock.dicom.scan import Key, Value
from mrdock.dicom.tags import folded, wanted
from mrdock.errors import DicomError, NotDicomError
from mrdock.sorting.info_tags import Selection
from mrdock.sorting.info_values import Cell, Place, Where, key_of, tag_order

if TYPE_CHECKING:
    from mrdock.sorting.info_deep import DeepFile

NUMBER_OF_FRAMES: Final = 0x00280008
_CHARACTER_SET: Final = 0x00080005

T = TypeVar("T")

Failed = Callable[[str, DicomError | OSError], None]
"""Is told the path of a file that cannot be read, and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the files.

    ``defaults`` are looked for at the top level, and where a file has frames among its functional groups; what
    ``asked`` selects is looked for everywhere. ``every``: all occurrences of a tag instead of the first found.
    """

    defaults: tuple[Key, ...] = ()
    asked: Selection = field(default_factory=Selection)
    every: bool = False

    @property
    def keys(self) -> tuple[Key, ...]:
        """The tags that are named, in the order in which they are shown."""
        return Selection(self.asked.keys).joined(Selection(self.defaults)).keys

    @property
    def deep(self) -> bool:
        """Whether the top level alone can answer for no file."""
        return self.every or self.asked.open


class File(NamedTuple):
    """One file that was read."""

    path: str
    sop_class: str
    transfer_syntax: str


class Overview:
    """The values of the files in columns: ``columns[where][i]`` is that of ``files[i]``, None for none."""

    def __init__(self, question: Question) -> None:
        """Nothing was read yet."""
        self.question = question
        self.files: list[File] = []
        self.columns: dict[Where, list[Cell | None]] = {key: [] for key in question.keys}
        self._names: dict[Where, Where] = {folded(key): key for key in question.keys}
        self._distinct: dict[Where, set[Cell | None]] = {}

    def add(self, file: File, cells: Iterable[tuple[Where, Cell]]) -> None:
        """Append a file with the values that it has."""
        count = len(self.files)
        for where, cell in cells:
            name = self._name(where)
            column = self.columns.setdefault(name, [None] * count)
            if len(column) == count:
                column.append(cell)
        self.files.append(file)
        self._level()

    def append(self, part: Overview) -> None:
        """Append all files of another overview, made with the same question."""
        count = len(self.files)
        for where, column in part.columns.items():
            name = self._name(where)
            self.columns.setdefault(name, [None] * count).extend(column)
        self.files += part.files
        self._level()

    def _level(self) -> None:
        """Let the columns that got nothing have nothing."""
        count = len(self.files)
        for column in self.columns.values():
            if len(column) < count:
                column.extend([None] * (count - len(column)))
        self._distinct.clear()

    def _name(self, where: Where) -> Where:
        """The column of a tag whatever the capitals of its creator are in this file."""
        return where if isinstance(where, Place) else self._names.setdefault(folded(where), where)

    def wheres(self) -> list[Where]:
        """The columns in the order in which they are shown: as asked, then by tag; places of one tag together."""
        ranks = {folded(key): rank for rank, key in enumerate(self.question.keys)}
        last = len(ranks)

        def order(where: Where) -> tuple[int, tuple[int, str, int], bool]:
            rank = ranks.get(folded(key_of(where)), last)
            return rank, tag_order(where), isinstance(where, Place) and "." in where.name

        found = self.columns if not self.question.every else [w for w in self.columns if isinstance(w, Place)]
        return sorted(found, key=order)

    def distinct(self, where: Where) -> set[Cell | None]:
        """The different values of a column."""
        found = self._distinct.get(where)
        if found is None:
            found = self._distinct[where] = _different(self.columns[where])
        return found

    def same(self) -> list[Where]:
        """The columns whose value is the same in all files, absent ones left out."""
        if not self.files:
            return []
        return [where for where in self.wheres() if self.columns[where][0] and not self._differs(where)]

    def different(self) -> list[Where]:
        """The columns whose values differ, or that some of the files have not."""
        return [where for where in self.wheres() if self._differs(where)]

    def _differs(self, where: Where) -> bool:
        """Whether a person sees a difference: the VR, which files in implicit VR do not even say, makes none."""
        found = self.distinct(where)
        return len(found) > 1 and len({cell and (cell.text, cell.frames) for cell in found}) > 1


def gather(paths: Sequence[str], question: Question, failed: Failed) -> Overview:
    """Read the files and put what they say in columns, in the order of ``paths``.

    What cannot be read is told and left out; a file that is broken is told, and what stands before the break counts.
    """
    overview = Overview(question)
    if question.deep:
        for path in paths:
            _walk_one(path, overview, failed)
        return overview
    quick = _Quick(question)
    for path, header in read_many(paths, quick.wanted):
        if isinstance(header, OSError | NotDicomError):
            failed(path, header)
        elif isinstance(header, DicomError) or not quick.take(path, header):
            quick.empty_into(overview)
            _walk_one(path, overview, failed)
    quick.empty_into(overview)
    return overview


def _walk_one(path: str, overview: Overview, failed: Failed) -> None:
    from mrdock.sorting.info_deep import read_deep

    try:
        found: DeepFile = read_deep(path, overview.question)
    except (DicomError, OSError) as error:
        failed(path, error)
    else:
        overview.add(File(path, found.sop_class, found.transfer_syntax), found.cells)
        if found.broken is not None:
            failed(path, found.broken)


_Context = tuple[bytes, bool]
"""What decides how bytes are read as text: the value of Specific Character Set, and whether numbers are big endian."""


class _Quick:
    """Takes headers as they come and turns them into columns of cells.

    Equal values become the same cell, so that each is decoded once, however many files have it.
    """

    def __init__(self, question: Question) -> None:
        self._keys = question.keys
        self._needed = question.asked.keys
        self.wanted = wanted([*self._keys, NUMBER_OF_FRAMES])
        self._files: list[File] = []
        self._rows: list[list[Value | None]] = []
        self._contexts: list[_Context] = []
        self._cells: dict[tuple[Value, _Context], Cell] = {}

    def take(self, path: str, header: FileHeader) -> bool:
        """Take a header whose top level says it all: there are no frames, and every tag asked for is there."""
        values, big_endian = header.found
        if NUMBER_OF_FRAMES in values or not all(key in values for key in self._needed):
            return False
        charset = values.get(_CHARACTER_SET)
        self._contexts.append((b"" if charset is None else charset.raw, big_endian))
        self._rows.append(list(map(values.get, self._keys)))
        self._files.append(File(path, header.sop_class, header.transfer_syntax))
        return True

    def empty_into(self, overview: Overview) -> None:
        """Append what was taken since the last time."""
        if self._files:
            part = Overview(overview.question)
            part.files = self._files
            part.columns.update(zip(self._keys, map(self._column, zip(*self._rows, strict=True)), strict=True))
            overview.append(part)
            self._files, self._rows, self._contexts = [], [], []

    def _column(self, values: Sequence[Value | None]) -> list[Cell | None]:
        if len(set(self._contexts)) > 1:
            return list(map(self._cell, values, self._contexts))
        cells = {value: self._cell(value, self._contexts[0]) for value in _different(values)}
        return [*cells.values()] * len(values) if len(cells) == 1 else list(map(cells.__getitem__, values))

    def _cell(self, value: Value | None, context: _Context) -> Cell | None:
        if value is None:
            return None
        cell = self._cells.get((value, context))
        if cell is None:
            charset, big_endian = context
            cell = self._cells[value, context] = Cell(value_text(value.vr, value.raw, charset, big_endian), value.vr)
        return cell


def _different(values: Sequence[T]) -> set[T]:
    """The different ones of some values; where all are the same object this is found out soonest."""
    return {values[0]} if values and values.count(values[0]) == len(values) else set(values)
