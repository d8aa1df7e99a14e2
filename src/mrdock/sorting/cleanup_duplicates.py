"""Files that are there twice, byte for byte: one of them is worthless."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from mrdock.files.copying import same_files
from mrdock.sorting.cleanup_companions import Companions, Group
from mrdock.sorting.cleanup_labels import label_of_record, number_in
from mrdock.sorting.finding import Entry
from mrdock.sorting.records import ImageRecord

T = TypeVar("T")

Twin = tuple[str, str]
"""The path of a worthless file, and of the one that stays."""

_ALONE: Final = frozenset({".par", ".rec"})


def of_records(records: Sequence[ImageRecord], sizes: Callable[[str], int]) -> list[Twin]:
    """Among DICOM files: those of one SOP Instance UID and one size are compared."""
    alike = _alike(records, lambda record: (record.sop_instance, sizes(record.path)))
    found: list[Twin] = []
    for members in alike:
        members.sort(key=lambda record: (not _is_tidy(record), record.path.count(os.sep), record.path))
        found += _twins([record.path for record in members])
    return found


def of_files(entries: Iterable[Entry]) -> list[Twin]:
    """Among files of one size."""
    found: list[Twin] = []
    for members in _alike(entries, lambda entry: entry.size):
        found += _twins(sorted((entry.path for entry in members), key=lambda path: (path.count(os.sep), path)))
    return found


def of_groups(companions: Companions) -> list[Twin]:
    """Among other exports, as groups: two scans may well have the same b-values in a file, or the same pixels.

    Takes out of ``companions`` what is there twice; also a PAR without REC, or REC without PAR, of which there is a
    pair.
    """
    found: list[Twin] = []
    gone: set[int] = set()
    groups = sorted(
        companions.groups, key=lambda group: (not _named_already(group), group.stem.count(os.sep), group.stem)
    )
    for members in _alike(groups, _shape):
        kept: list[Group] = []
        for group in members:
            twin = next((other for other in kept if _same_group(group, other)), None)
            if twin is None:
                kept.append(group)
                continue
            gone.add(id(group))
            found += [(entry.path, twin.files[ending].path) for ending, entry in group.files.items()]
    companions.groups = [group for group in companions.groups if id(group) not in gone]
    return found + _halves(companions)


def _halves(companions: Companions) -> list[Twin]:
    """PAR and REC files alone of which there is a pair."""
    pairs = [group for group in companions.groups if group.files.keys() >= _ALONE]
    found: list[Twin] = []
    lonely = [group for group in companions.groups if group.files.keys() == {".par"}]
    for group in lonely:
        if twin := _twin_of(group.files[".par"].path, group.files[".par"].size, pairs, ".par"):
            found.append((group.files[".par"].path, twin))
    halves = {path for path, _ in found}
    companions.groups = [group for group in companions.groups if group.entries[0].path not in halves]
    for path, _ in list(companions.remarks):
        with suppress(OSError):
            if path.lower().endswith(".rec") and (twin := _twin_of(path, os.path.getsize(path), pairs, ".rec")):
                found.append((path, twin))
    halves = {path for path, _ in found}
    companions.remarks = [remark for remark in companions.remarks if remark[0] not in halves]
    return found


def _twin_of(path: str, size: int, pairs: Iterable[Group], ending: str) -> str:
    for pair in pairs:
        other = pair.files[ending]
        if other.size == size and _same(path, other.path):
            return other.path
    return ""


def _alike(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    groups: defaultdict[Hashable, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return [members for members in groups.values() if len(members) > 1]


def _twins(paths: Sequence[str]) -> list[Twin]:
    """Of these files, the best first, each that has the bytes of one before it."""
    kept: list[str] = []
    found: list[Twin] = []
    for path in paths:
        twin = next((other for other in kept if _same(path, other)), None)
        if twin is None:
            kept.append(path)
        else:
            found.append((path, twin))
    return found


def _same(one: str, other: str) -> bool:
    try:
        return same_files(one, other)
    except OSError:
        return False


def _shape(group: Group) -> Hashable:
    return group.kind, tuple(sorted((ending, entry.size) for ending, entry in group.files.items()))


def _same_group(one: Group, other: Group) -> bool:
    return all(_same(entry.path, other.files[ending].path) for ending, entry in one.files.items())


def _named_already(group: Group) -> bool:
    return bool(number_in(os.path.basename(group.stem), group.label))


def _is_tidy(record: ImageRecord) -> bool:
    """Whether a file has one of its names already, or is in a directory that has."""
    folder, file = os.path.split(record.path)
    name = label_of_record(record)
    return bool(number_in(os.path.splitext(file)[0], name) or number_in(os.path.basename(folder), name))
