"""Things that get a name, and giving it: no two targets are equal, and who has one of its names keeps it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mrdock.sorting.cleanup_companions import Group
from mrdock.sorting.cleanup_labels import label_of_record, number_in, number_of_record, numbered
from mrdock.sorting.cleanup_reading import Listing
from mrdock.sorting.finding import Entry
from mrdock.sorting.naming import NameOptions, names_of
from mrdock.sorting.records import CONCATENATION, PART, SERIES_DATE, SERIES_TIME, FileKind, ImageRecord, is_spectrum
from mrdock.sorting.safe import clash_key

CLASSIC: Final = "classic"
ENHANCED: Final = "Enhanced"
SPECTRUM: Final = "spectrum"

Order = tuple[object, ...]


@dataclass(slots=True, eq=False)
class Unit:
    """One thing that gets a name.

    ``files`` are its files, each with what follows the name: ``.dcm``, ``.PAR``; of a classic series the name within
    its directory.
    """

    kind: str
    home: str
    base: str
    order: Order
    files: list[tuple[Entry, str]]
    tail: str = ""
    series_uid: str = ""
    name: str = ""
    """As it was given."""

    targets: list[str] = field(default_factory=list)

    @property
    def has_directory(self) -> bool:
        """Whether its files are in a directory of its name."""
        return self.kind == CLASSIC

    @property
    def place(self) -> str:
        """Its directory, its file, or what the names of its files begin with."""
        whole = os.path.join(self.home, self.name + self.tail)
        return self.targets[0] if len(self.targets) == 1 and not self.has_directory else whole

    def names(self, number: int) -> list[str]:
        """The names in its home that it would have with a number."""
        name = numbered(self.base, number)
        return [name] if self.has_directory else [f"{name}{self.tail}{suffix}" for _, suffix in self.files]

    def number_now(self) -> int:
        """Which of its names it has already; 0: none."""
        found = []
        for entry, suffix in self.files:
            folder, name = os.path.split(entry.path)
            if self.has_directory:
                folder, name = os.path.split(folder)
            elif name.endswith(self.tail + suffix):
                name = name[: len(name) - len(self.tail + suffix)]
            else:
                continue
            if folder == self.home and (number := number_in(name, self.base)):
                found.append(number)
        return min(found, default=0)

    def take(self, number: int) -> None:
        """Have this name."""
        self.name = numbered(self.base, number)
        whole = os.path.join(self.home, self.name)
        for entry, suffix in self.files:
            target = os.path.join(whole, suffix) if self.has_directory else f"{whole}{self.tail}{suffix}"
            self.targets.append(entry.path if _one_name(entry.path, target) else target)


def _one_name(path: str, other: str) -> bool:
    """Whether two paths are one, or differ in upper and lower case only: not worth a rename."""
    return path == other or (os.path.dirname(path) == os.path.dirname(other) and clash_key(path) == clash_key(other))


# ---- what there is ----


def units_of_records(
    records: Sequence[ImageRecord], entries: Mapping[str, Entry], home_of: Callable[[ImageRecord], str]
) -> list[Unit]:
    """Classic series, Enhanced files and spectra; what else there is among ``records`` gets no name."""
    classic: defaultdict[tuple[str, str], list[ImageRecord]] = defaultdict(list)
    found: list[Unit] = []
    for record in records:
        if record.kind is FileKind.IMAGE:
            classic[record.study_key, record.series_key].append(record)
        elif record.kind is FileKind.ENHANCED or is_spectrum(record):
            kind = ENHANCED if record.kind is FileKind.ENHANCED else SPECTRUM
            found.append(_unit(kind, record, home_of, [(entries[record.path], ".dcm")]))
    names = names_of([record for members in classic.values() for record in members], NameOptions(suffix=True))
    for members in classic.values():
        files = [(entries[record.path], names[record.path].path.rpartition("/")[2]) for record in members]
        found.append(_unit(CLASSIC, min(members, key=_order), home_of, files))
    return found


def _unit(
    kind: str, record: ImageRecord, home_of: Callable[[ImageRecord], str], files: list[tuple[Entry, str]]
) -> Unit:
    base = label_of_record(record)
    return Unit(kind, home_of(record), base, _order(record), files, series_uid=record.series_key)


def _order(record: ImageRecord) -> Order:
    """Which of several comes first: by number, time, and then what no two share."""
    when = record.text(SERIES_DATE) + record.text(SERIES_TIME)
    part = record.text(CONCATENATION), record.count(PART) or 0
    alike = record.series_key, record.instance or 0, *part, record.sop_instance, record.path
    return (*number_of_record(record), 0, when, *alike)


def units_of_groups(groups: Iterable[Group], home_of: Callable[[Group], str]) -> list[Unit]:
    """PAR/REC, XML/REC and NIfTI."""
    found = []
    for group in groups:
        assert group.number is not None
        files = [(entry, entry.path[len(entry.path) - len(ending) :]) for ending, entry in group.files.items()]
        order = (*group.number, 1, group.date + group.time, group.stem)
        found.append(Unit(group.kind, home_of(group), group.label, order, files, group.tail))
    return found


# ---- names ----


def give_names(units: Sequence[Unit], listings: Mapping[str, Listing], leaving: Mapping[str, set[str]]) -> None:
    """Give each its name.

    ``leaving``: the names of files in each directory that will not stay under them, those of the units included.
    """
    at: defaultdict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        at[unit.home].append(unit)
    for home, members in at.items():
        taken: set[str] = set()
        waiting = []
        for unit in sorted(members, key=lambda unit: unit.order):
            number = unit.number_now()
            if number and _take(unit, number, taken, set()):
                continue
            waiting.append(unit)
        standing = {kind: _standing(home, listings, leaving, kind) for kind in (False, True)}
        for unit in waiting:
            number = 1
            while not _take(unit, number, taken, standing[unit.has_directory]):
                number += 1


def _take(unit: Unit, number: int, taken: set[str], standing: set[str]) -> bool:
    names = {clash_key(name) for name in unit.names(number)}
    if taken & names or standing & names:
        return False
    taken.update(names)
    unit.take(number)
    return True


def _standing(
    home: str, listings: Mapping[str, Listing], leaving: Mapping[str, set[str]], for_directories: bool
) -> set[str]:
    """The names in a directory that cannot be given to files, or to directories.

    A file that leaves makes room for another file, a directory whose files all leave for a directory: both in time. For
    the other way round it is too late, or too early when it is undone.
    """
    listing = listings.get(home)
    if listing is None:
        return set()
    found = set()
    for name in listing.names:
        below = os.path.join(home, name)
        if below in listings:
            free = for_directories and listings[below].names <= leaving.get(below, set())
        else:
            free = not for_directories and name in leaving.get(home, set())
        if not free:
            found.add(clash_key(name))
    return found
