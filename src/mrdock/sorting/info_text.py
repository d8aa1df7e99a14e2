"""The lines of dcminfo for people: values one below the other, and the table of what differs between files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from mrdock.dicom.sop_classes import STORAGE_CLASSES
from mrdock.files.names import printable
from mrdock.sorting.info import File, Overview
from mrdock.sorting.info_defaults import UNITS
from mrdock.sorting.info_values import Cell, Where, key_of, label, number
from mrdock.sorting.table import GAP, cell, clip, display_width, narrowed, pad

ABSENT: Final = "-"
EMPTY: Final = "(empty)"
_LEAST: Final = 12  # to this cells are cut for one table
_FAIR: Final = 40  # to this where one table does not do
_MARK: Final = "…"
_MOST_KINDS: Final = 4
_DICOMDIR: Final = "1.2.840.10008.1.3.10"  # Media Storage Directory (PS3.4, annex I has no storage class for it)


def lines(overview: Overview, *, full: bool, width: int) -> Iterator[str]:
    """What was read: of one file its values; of several the values that are the same, then a table of the others.

    ``full``: every file by itself. ``width`` bounds the table, in columns of a terminal. Tags that were asked for by
    name and that no file has are shown as absent.
    """
    files = overview.files
    if full or len(files) == 1:
        for number_, file in enumerate(files):
            if number_:
                yield ""
            yield from _whole_file(overview, file, number_)
    elif files:
        yield from _several(overview, width)


def text(found: Cell | None) -> str:
    """A value as a line or a cell shows it."""
    if found is None:
        return ABSENT
    return printable(found.text) or EMPTY


def kind(file: File) -> str:
    """What sort of object a file holds."""
    if file.sop_class == _DICOMDIR:
        return "DICOMDIR"
    known = STORAGE_CLASSES.get(file.sop_class)
    return known.name if known else printable(file.sop_class) or "no SOP class"


def _kinds(files: Sequence[File]) -> str:
    """The sorts of objects, most files' first; of many the first."""
    counts = Counter(kind(file) for file in files)
    names = [name for name, _ in counts.most_common(_MOST_KINDS)]
    return ", ".join(names) + (f" and {len(counts) - len(names)} more kinds" if len(counts) > len(names) else "")


def common(paths: Sequence[str]) -> tuple[str, list[str]]:
    """The directory that all files lie in or below (empty: none but the one here), and their names from there."""
    folders = {os.path.dirname(path) for path in paths}
    try:
        folder = os.path.commonpath(folders) if all(folders) else ""
    except ValueError:  # absolute and relative ones, or several drives
        folder = ""
    if not folder:
        return "", list(paths)
    before = os.path.join(folder, "")
    return folder, [
        path[len(before) :].lstrip(os.sep) if path.startswith(before) else os.path.relpath(path, folder)
        for path in paths
    ]


def _whole_file(overview: Overview, file: File, at: int) -> Iterator[str]:
    yield f"{printable(file.path)}: {kind(file)}"
    asked = set(overview.question.asked.keys)
    columns = overview.columns
    yield from _values((w, columns[w][at]) for w in overview.wheres() if columns[w][at] is not None or w in asked)


def _several(overview: Overview, width: int) -> Iterator[str]:
    files, columns = overview.files, overview.columns
    folder, names = common([file.path for file in files])
    yield f"{len(files)} files{f' in {printable(folder)}' if folder else ''}: {_kinds(files)}"
    asked = overview.question.asked.keys
    same = [*overview.same(), *(key for key in asked if overview.distinct(key) == {None})]
    if same:
        yield ""
        yield "The same in all:"
        yield from _values((where, columns[where][0]) for where in same)
    different = overview.different()
    if different:
        yield ""
        yield "Different:"
        yield from table([printable(name) for name in names], [_column(overview, where) for where in different], width)


def _values(rows: Iterable[tuple[Where, Cell | None]]) -> Iterator[str]:
    """One value a line: tag, name with its unit, value."""
    found = [(number(where), _with_unit(where), text(value)) for where, value in rows]
    width = max((display_width(name) for _, name, _ in found), default=0)
    for tag, name, value in found:
        yield GAP.join((tag, pad(name, width), value))


def _with_unit(where: Where) -> str:
    unit = UNITS.get(key_of(where))
    return f"{label(where)} [{unit}]" if unit else label(where)


def _column(overview: Overview, where: Where) -> list[str]:
    """The cells of a column, its name first; each distinct value is written once."""
    texts = {value: cell(text(value)) for value in overview.distinct(where)}
    return [label(where), *map(texts.__getitem__, overview.columns[where])]


def table(names: Sequence[str], columns: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    """A row a name, its cells after it, in one table where cutting cells makes all columns fit into ``width``.

    Otherwise further tables take the columns that do not fit, and only long cells are cut. Each column begins with its
    title, which is cut only where it is wider than a table. Names of files are cut at their beginning.
    """
    first = _cut_names(["File", *(cell(name) for name in names)], width)
    room = width - display_width(first[0])
    widths = [max(map(display_width, set(column))) for column in columns]
    least = [min(size, max(display_width(column[0]), _LEAST)) for size, column in zip(widths, columns, strict=True)]
    spare = room - sum(least) - len(GAP) * len(least)
    if spare >= 0:
        more = narrowed([size - few for size, few in zip(widths, least, strict=True)], spare, 0)
        yield from _one_table(first, columns, [few + some for few, some in zip(least, more, strict=True)])
        return
    fair = [max(min(size, _FAIR), few) for size, few in zip(widths, least, strict=True)]
    start = 0
    while start < len(columns):
        end, used = start + 1, len(GAP) + fair[start]
        while end < len(columns) and used + len(GAP) + fair[end] <= room:
            used += len(GAP) + fair[end]
            end += 1
        if start:
            yield ""
        fitting = narrowed(fair[start:end], max(room - len(GAP) * (end - start), 1))
        yield from _one_table(first, columns[start:end], fitting)
        start = end


def _one_table(first: Sequence[str], columns: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    laid = [first, *(_laid(column, width) for column, width in zip(columns, widths, strict=True))]
    for row in zip(*laid, strict=True):
        yield GAP.join(row).rstrip(" ")


def _laid(column: Sequence[str], width: int) -> list[str]:
    """The cells of a column, all of one width; each distinct one is laid out once."""
    known = {value: pad(clip(value, width), width) for value in set(column)}
    return [known[value] for value in column]


def _cut_names(names: Sequence[str], width: int) -> list[str]:
    """Names of files, all of one width: at most half of the table; what tells them apart is their end."""
    longest = min(max(map(display_width, names)), max(width // 2, _LEAST))
    return [pad(_end(name, longest), longest) for name in names]


def _end(name: str, width: int) -> str:
    while display_width(name) > width:
        name = _MARK + name[2 if name.startswith(_MARK) else 1 :]
    return name
