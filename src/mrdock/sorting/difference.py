"""Where the headers of files differ, for checks of a protocol (`dcminfo --diff`).

What tells one scan from another although the protocol is the same does not count: UIDs, dates and times (by their VR,
UI, DA, TM and DT, in the file or in the dictionary), the pixels, and how the data set is wrapped up (File Meta
Information, group lengths, private creators, padding). Numbers are compared as numbers: 30 and 30.0 are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from mrdock.dicom.scan import PIXEL_DATA, Key
from mrdock.dicom.tags import folded, is_private_creator, vr_of
from mrdock.sorting.info import File, Overview
from mrdock.sorting.info_tags import Selection, group_of
from mrdock.sorting.info_values import Cell, Json, Where, json_of, key_of

UNCOUNTED_VRS: Final = frozenset({"UI", "DA", "TM", "DT"})
_PADDING: Final = 0xFFFCFFFC
_META: Final = 0x0002


class Variant(NamedTuple):
    """One value of an element and the files that have it; None: they have no such element."""

    cell: Cell | None
    files: list[File]


@dataclass(frozen=True, slots=True)
class Difference:
    """An element whose values differ; the value of most files comes first."""

    where: Where
    variants: list[Variant]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many elements were compared, and those that differ, in the order of the overview."""

    compared: int
    differences: list[Difference]


def compare(overview: Overview, ignored: Selection | None = None) -> Comparison:
    """Compare the files of an overview in what counts and is not ``ignored``."""
    left_out = ignored or Selection()
    names = {folded(key) for key in left_out.keys}
    compared = 0
    differences: list[Difference] = []
    for where in overview.wheres():
        key, column = key_of(where), overview.columns[where]
        if not _counts(key, column) or folded(key) in names or left_out.takes(key):
            continue
        compared += 1
        variants = list(_variants(overview.files, column))
        if len(variants) > 1:
            differences.append(Difference(where, sorted(variants, key=lambda v: -len(v.files))))
    return Comparison(compared, differences)


def _counts(key: Key, column: list[Cell | None]) -> bool:
    if isinstance(key, int) and (
        key in PIXEL_DATA or key == _PADDING or not key & 0xFFFF or group_of(key) == _META or is_private_creator(key)
    ):
        return False
    return vr_of(key) not in UNCOUNTED_VRS and not any(cell.vr in UNCOUNTED_VRS for cell in set(column) if cell)


def _variants(files: list[File], column: list[Cell | None]) -> Iterator[Variant]:
    found: dict[object, Variant] = {}
    meanings = {cell: _meaning(cell) for cell in set(column)}
    for file, cell in zip(files, column, strict=True):
        found.setdefault(meanings[cell], Variant(cell, [])).files.append(file)
    yield from found.values()


def _meaning(cell: Cell | None) -> object:
    """What makes two values equal; of frames every one counts."""
    if cell is None:
        return None
    if cell.frames is None:
        return "", _hashable(json_of(cell))
    return "frames", tuple(_hashable(json_of(Cell(text or "", cell.vr))) for text in cell.frames)


def _hashable(value: Json) -> object:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value
