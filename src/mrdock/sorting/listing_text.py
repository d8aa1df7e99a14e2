"""The lines of `dcmls` for people: like those of ``ls -lR``, header values after the name."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mrdock.dicom.scan import Found
from mrdock.files.names import printable
from mrdock.files.owners import Owners
from mrdock.sorting.listing import FIELDS, Heading, Listed, values_of
from mrdock.sorting.series_list import Series, Span
from mrdock.sorting.table import EMPTY, GAP, cell, display_width, pad

_INDENT: Final = "    "
_WIDEST: Final = 40  # a longer text does not move the columns after it in other lines
_SIZE: Final = 9  # digits: files of up to a gigabyte do not move the columns
_TITLES: Final = tuple(field.title for field in FIELDS)
_SERIES_TIME: Final = [field.key for field in FIELDS].index("series_time")
_TIMES: Final = {"access": "Accessed", "modified": "Modified"}


class Grid:
    """Rows of cells two blanks apart, in columns that grow as wider cells come: later rows are not known yet.

    On a terminal a row that is wider goes on in lines of its own, indented: first the cells up to column ``first``,
    then the values of the header, broken between cells only. Titles stand above the first row that has such values,
    and again about once a screen.
    """

    def __init__(
        self, titles: Sequence[str], first: int, right: Iterable[int], terminal: os.terminal_size | None
    ) -> None:
        """Columns for ``titles``; those whose numbers are in ``right`` are aligned right."""
        self.widths = [len(title) if terminal else 0 for title in titles]
        self._titles = titles
        self._first = first
        self._right = frozenset(right)
        self._terminal = terminal
        self._folded = False
        self._until_titles = 0

    def lines(self, cells: Sequence[str]) -> list[str]:
        """The lines of one row, with those of the titles before it where they are due; it may be short."""
        for i, text in enumerate(cells):
            width = display_width(text)
            if self.widths[i] < width <= _WIDEST:
                self.widths[i] = width
        if self._terminal is None:
            return [self._line(cells)]
        lines = self._on_terminal(cells, self._terminal.columns)
        if len(cells) > self._first and self._until_titles <= 0:
            lines = self._on_terminal(self._titles, self._terminal.columns) + lines
            self._until_titles = self._terminal.lines
        self._until_titles -= len(lines)
        return lines

    def _line(self, cells: Sequence[str], start: int = 0) -> str:
        return GAP.join(self._padded(cells, start)).rstrip(" ")

    def _padded(self, cells: Sequence[str], start: int) -> list[str]:
        return [pad(text, self.widths[i], right=i in self._right) for i, text in enumerate(cells, start)]

    def _on_terminal(self, cells: Sequence[str], room: int) -> list[str]:
        if len(cells) <= self._first:
            return [self._line(cells)]
        if not self._folded:
            line = self._line(cells)
            self._folded = display_width(line) > room
            if not self._folded:
                return [line]
        lines = [self._line(cells[: self._first])]
        line = ""
        for text in self._padded(_without_empty_end(cells[self._first :]), self._first):
            if line and display_width(line) + len(GAP) + display_width(text) > room:
                lines.append(line.rstrip(" "))
                line = ""
            line += (GAP if line else _INDENT) + text
        return [*lines, line.rstrip(" ")]


def _without_empty_end(cells: Sequence[str]) -> Sequence[str]:
    end = len(cells)
    while end > 1 and cells[end - 1] == EMPTY:
        end -= 1
    return cells[:end]


class Clock:
    """Times of files as local date and minute."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._minutes: dict[int, str] = {}

    def text(self, moment: float | None) -> str:
        """Seconds since 1970 as 2026-11-22 13:26."""
        if moment is None:
            return EMPTY
        minute = int(moment // 60)
        text = self._minutes.get(minute)
        if text is None:
            if len(self._minutes) > 10_000:
                self._minutes.clear()
            try:
                text = time.strftime("%Y-%m-%d %H:%M", time.localtime(minute * 60))
            except (OverflowError, ValueError, OSError):  # no year that the system knows
                text = "????-??-?? ??:??"
            self._minutes[minute] = text
        return text


def safe_name(name: str) -> str:
    """A file name as one cell: what `printable` does, and its blanks cannot pass for the gap between columns."""
    text = printable(name).replace(GAP, " \\x20")
    return text[:-1] + "\\x20" if text.endswith(" ") else text


def file_lines(
    items: Iterable[Heading | Listed], times: str = "access", terminal: os.terminal_size | None = None
) -> Iterator[str]:
    """A line an entry: permissions, owner, group, size, time, name; of DICOM files also `FIELDS`.

    ``times`` is ``access`` or ``modified``. ``terminal`` is the size of the one that shows them, if any.
    """
    titles = ("Permissions", "Owner", "Group", "Size", _TIMES[times], "Name", *_TITLES)
    grid, owners, clock = Grid(titles, 6, {3, 13}, terminal), Owners(), Clock()
    if terminal is None:
        grid.widths[3] = _SIZE
    separate = False
    for item in items:
        if isinstance(item, Heading):
            yield from _heading(item, separate)
            grid.widths[5] = _name_width(item, 0 if terminal is None else len("Name"))
            separate = True
            continue
        separate = True
        status = item.status
        cells = [
            stat.filemode(status.st_mode),
            owners.owner(item.path, status),
            owners.group(item.path, status),
            str(status.st_size),
            clock.text(status.st_mtime if times == "modified" else status.st_atime),
            safe_name(item.name) + (f" -> {safe_name(item.target)}" if item.target is not None else ""),
        ]
        if item.found is not None:
            cells += _values(item.found)
        yield from grid.lines(cells)


def _name_width(heading: Heading, least: int) -> int:
    """The width of the names of a directory, known before its first line goes out."""
    return max(least, min(_WIDEST, max((display_width(safe_name(name)) for name in heading.names), default=0)))


def series_lines(
    items: Iterable[Heading | Series], times: str = "access", terminal: os.terminal_size | None = None
) -> Iterator[str]:
    """A line a series: files, frames, size, first and last time of its files and of acquisition, `FIELDS`."""
    titles = ("Files", "Frames", "Size", f"First {_TIMES[times].lower()}", "Last", "Acquired", "to", *_TITLES)
    # The first column is not aligned right: blanks at the beginning would be an empty cell for awk.
    grid, clock = Grid(titles, 7, {1, 2, 14}, terminal), Clock()
    if terminal is None:
        grid.widths[:3] = len("Files"), len("Frames"), _SIZE
    separate = False
    for item in items:
        if isinstance(item, Heading):
            yield from _heading(item, separate)
            separate = True
            continue
        separate = True
        span: Span = item.modified if times == "modified" else item.accessed
        cells = [str(item.files), str(item.frames), str(item.size), clock.text(span.first), clock.text(span.last)]
        if item.found is None:
            cells[1] = EMPTY
            cells.append("not read" if item.unread else "no DICOM")
        else:
            cells += [*_acquired(item), *_values(item.found)]
        yield from grid.lines(cells)


def _values(found: Found) -> list[str]:
    texts = values_of(found)
    return [cell(text.partition(".")[0] if i == _SERIES_TIME else text) for i, text in enumerate(texts)]


def _heading(heading: Heading, separate: bool) -> Iterator[str]:
    if separate:
        yield ""
    yield f"{printable(heading.path)}:"


def _acquired(series: Series) -> tuple[str, str]:
    """The first and last second of acquisition; the last one's date only where it is another."""
    first, last = series.acquired_first, series.acquired_last
    if not first:
        return EMPTY, EMPTY
    date = "" if first[:8] == last[:8] else f"{last[:4]}-{last[4:6]}-{last[6:8]} "
    return _time_of_day(first), date + _time_of_day(last)


def _time_of_day(digits: str) -> str:
    return f"{digits[8:10]}:{digits[10:12]}:{digits[12:14]}"
