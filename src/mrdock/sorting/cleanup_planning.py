"""From what lies in a directory to a plan: names, extras, trash, what is made, and what a person should look at."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final

from mrdock.files.copying import same_files
from mrdock.sorting import cleanup_duplicates, cleanup_made, cleanup_trash
from mrdock.sorting.cleanup_companions import OF_NIFTI, Companions, gather
from mrdock.sorting.cleanup_exams import Exams
from mrdock.sorting.cleanup_labels import label_of_record, looks_like_label, number_of_record
from mrdock.sorting.cleanup_made import is_card
from mrdock.sorting.cleanup_plan import DirectoryPlan, Folder, Goes, Made, PlannedFile, PlannedItem, Remark
from mrdock.sorting.cleanup_reading import EXTRAS, Contents
from mrdock.sorting.cleanup_reports import incomplete
from mrdock.sorting.cleanup_units import Unit, give_names, units_of_groups, units_of_records
from mrdock.sorting.finding import Entry, is_ours
from mrdock.sorting.records import FileKind, ImageRecord, is_spectrum
from mrdock.sorting.safe import clash_key

_UID: Final = re.compile(r"[0-9.]+")
_RAW: Final = frozenset({"raw", "examcard"})


def plan_directory(found: Contents, now: datetime, elsewhere: Mapping[str, str]) -> DirectoryPlan:
    """The plan for one directory.

    ``elsewhere`` says of files whose partners an interrupted run has renamed already what they are to be called. Looks
    at the directory, changes nothing.
    """
    return _Planner(found, now, elsewhere).plan()


class _Planner:
    """The plan on its way."""

    def __init__(self, found: Contents, now: datetime, elsewhere: Mapping[str, str]) -> None:
        self.found = found
        self.top = found.top
        self.run = cleanup_trash.new_run(found.top, now)
        self.trash: list[PlannedFile] = []
        self.extras: list[PlannedFile] = []
        self.remarks: list[Remark] = []
        self.exams = Exams(found.top)
        self._elsewhere = elsewhere
        self._gone: set[str] = set()
        self._wanted: set[str] = set()
        self._leaving: defaultdict[str, set[str]] = defaultdict(set)
        self._stored: dict[str, dict[int, list[str]]] = {}

    def plan(self) -> DirectoryPlan:
        found = self.found
        for entry, why in found.junk:
            self._discard(entry, why)
        self._discard_twins(cleanup_duplicates.of_records(found.records, lambda path: found.entries[path].size))
        self._discard_twins(cleanup_duplicates.of_files(found.directories))
        records = [record for record in found.records if record.path not in self._gone]
        companions = self._companions(records)
        homes = self._homes(records, companions)
        units = units_of_records(records, found.entries, lambda record: self.exams.of_record(record).home)
        units += units_of_groups(companions.groups, lambda group: homes[id(group)])
        plain = [record for record in records if record.kind is FileKind.OTHER and not is_spectrum(record)]
        for entry in [entry for unit in units for entry, _ in unit.files]:
            self._is_leaving(entry.path)
        for path in [record.path for record in plain] + [entry.path for entry in found.directories]:
            self._is_leaving(path)
        give_names(units, found.listings, self._leaving)
        items = self._items(units)
        made = self._made(self._extras(plain), units)
        self.remarks += [Remark(*remark) for remark in companions.remarks]
        self.remarks += [Remark(*remark) for group in companions.groups for remark in group.remarks]
        self.remarks += incomplete(records, units)
        self.remarks += [Remark(path, "a link; it stays, and is not followed") for path in found.links]
        files = [*(file for item in items for file in item.files), *self.extras]
        folders = self._folders(files, made)
        unknown, kept = self._rest(files, units)
        places = {file.source: file.target for file in files}
        remarks = [Remark(places.get(remark.path, remark.path), remark.text) for remark in self.remarks]
        return DirectoryPlan(
            path=self.top,
            items=tuple(items),
            extras=tuple(self.extras),
            trash=tuple(self.trash),
            folders=tuple(folders),
            touched=tuple(self._touched(files, folders, made)),
            made=tuple(made),
            remarks=tuple(remarks),
            unknown=tuple(unknown),
            kept=tuple(kept),
            left=tuple(found.left),
            trash_list=os.path.join(self.run, cleanup_trash.LIST) if self.trash or folders else "",
        )

    # ---- who belongs where ----

    def _companions(self, records: list[ImageRecord]) -> Companions:
        series = {
            record.series_key: (number_of_record(record), record.series_description or record.protocol)
            for record in records
            if record.kind is not FileKind.OTHER
        }
        companions = gather(self.found.others, self._elsewhere, list(series.values()))
        self._discard_twins(cleanup_duplicates.of_groups(companions))
        return companions

    def _homes(self, records: list[ImageRecord], companions: Companions) -> dict[int, str]:
        """Settle the exams; the home of each group by its ``id``."""
        self.exams.add_records(records)
        exam_of = self.exams.add_groups(companions.groups)
        self.exams.settle()
        homes: dict[int, str] = {}
        for group in companions.groups:
            exam = exam_of[id(group)]
            homes[id(group)] = exam.home if exam else self.exams.home_at(os.path.dirname(group.stem))
        return homes

    # ---- trash ----

    def _discard(self, entry: Entry, why: str) -> None:
        target = os.path.join(self.run, os.path.relpath(entry.path, self.top))
        self.trash.append(PlannedFile(entry.path, target, entry.size, entry.changed, Goes.TRASH, why))
        self._gone.add(entry.path)
        self._is_leaving(entry.path)

    def _discard_twins(self, twins: Iterable[tuple[str, str]]) -> None:
        for path, twin in twins:
            self._discard(self.found.entries[path], f"the same as {os.path.relpath(twin, self.top)}")

    def _is_leaving(self, path: str) -> None:
        folder, name = os.path.split(path)
        self._leaving[folder].add(name)

    # ---- names ----

    def _items(self, units: list[Unit]) -> list[PlannedItem]:
        """Those that are in their places first: nobody else gets these."""
        in_place = {entry.path for unit in units for (entry, _), target in _pairs(unit) if target == entry.path}
        self._wanted |= set(map(clash_key, in_place))
        items = []
        for unit in sorted(units, key=lambda unit: (unit.home, unit.order)):
            files = []
            for (entry, _), target in _pairs(unit):
                place = target if entry.path in in_place else self._free_now(target, entry.path)
                files.append(PlannedFile(entry.path, place, entry.size, entry.changed))
            items.append(PlannedItem(unit.name + unit.tail, unit.kind, unit.place, tuple(files)))
        return items

    def _free_now(self, path: str, own: str = "") -> str:
        """A free path, which is taken from now on."""
        place = self._free(path)
        self._wanted.add(clash_key(place))
        return own if own and clash_key(own) == clash_key(place) else place

    def _free(self, path: str) -> str:
        """The path, or with a number before its ending, that no other file has or will have."""
        stem, ending = _parted(path)
        number = 1
        while True:
            place = path if number == 1 else f"{stem}_{number}{ending}"
            if clash_key(place) not in self._wanted and not self._stands(place):
                return place
            number += 1

    def _stands(self, path: str) -> bool:
        """Whether a file is there that does not leave."""
        folder, name = os.path.split(path)
        listing = self.found.listings.get(folder)
        if listing is None:
            return os.path.lexists(path)
        if name in self._leaving[folder]:
            return False
        return name in listing.names or os.path.lexists(path)

    # ---- extras ----

    def _extras(self, plain: list[ImageRecord]) -> list[ImageRecord]:
        """Send them to the extras of their exams; those that are there already are worthless. Returns the others."""
        kept = []
        for record in plain:
            if self._send(self.found.entries[record.path], self.exams.of_record(record).home):
                kept.append(record)
        for entry in self.found.directories:
            if entry.path not in self._gone:
                self._send(entry, self.exams.home_at(os.path.dirname(entry.path)))
        return kept

    def _send(self, entry: Entry, home: str) -> bool:
        folder = os.path.join(home, EXTRAS)
        if twin := self._stored_twin(folder, entry):
            self._discard(entry, f"the same as {os.path.relpath(twin, self.top)}")
            return False
        target = self._free_now(os.path.join(folder, os.path.basename(entry.path)))
        self.extras.append(PlannedFile(entry.path, target, entry.size, entry.changed, Goes.EXTRA))
        return True

    def _stored_twin(self, folder: str, entry: Entry) -> str:
        """A file that an earlier run has put into the extras and that has the same bytes."""
        if folder not in self._stored:
            sizes: defaultdict[int, list[str]] = defaultdict(list)
            with suppress(OSError), os.scandir(folder) as scan:
                for each in scan:
                    if each.is_file(follow_symlinks=False):
                        sizes[each.stat(follow_symlinks=False).st_size].append(each.path)
            self._stored[folder] = sizes
        for path in self._stored[folder].get(entry.size, ()):
            with suppress(OSError):
                if same_files(path, entry.path):
                    return path
        return ""

    # ---- what is made ----

    def _made(self, kept: list[ImageRecord], units: list[Unit]) -> list[Made]:
        """What is made of raw data."""
        names = {(unit.home, unit.series_uid): unit.name for unit in units if unit.series_uid}

        def home_of(record: ImageRecord) -> str:
            return self.exams.of_record(record).home

        def name_of(record: ImageRecord) -> str:
            return names.get((home_of(record), record.series_key)) or label_of_record(record)

        raw = [record for record in kept if record.word in _RAW]
        found = cleanup_made.plan_made(raw, home_of, name_of, self._free_now)
        cards = [entry.path for entry in self.found.others if is_card(entry.path)]
        found.made += cleanup_made.plan_pages(cards, self._stands, self._free_now)
        self.remarks += found.remarks
        return found.made

    # ---- directories ----

    def _folders(self, files: list[PlannedFile], made: list[Made]) -> list[Folder]:
        """The directories that will be empty, those below before those above."""
        targets = [*(file.target for file in files), *(one.target for one in made)]
        filled = dict.fromkeys(map(os.path.dirname, targets))
        arriving = {above for path in filled for above in _above(path, self.top)}
        staying = {file.source for file in files if file.source == file.target}
        emptied: defaultdict[str, set[str]] = defaultdict(set)
        found = []
        for path in reversed(self.found.listings):
            if path == self.top or path in arriving:
                continue
            moving = {name for name in self._leaving[path] if os.path.join(path, name) not in staying}
            if self.found.listings[path].names <= emptied[path] | moving:
                above, name = os.path.split(path)
                emptied[above].add(name)
                found.append(Folder(path, os.path.join(self.run, os.path.relpath(path, self.top))))
        return found

    def _touched(self, files: list[PlannedFile], folders: list[Folder], made: list[Made]) -> list[str]:
        """The directories that stay, and whose times change."""
        going = [file for file in (*files, *self.trash) if file.source != file.target]
        ends = [os.path.dirname(file.source) for file in going] + [os.path.dirname(folder.source) for folder in folders]
        ends += [
            os.path.dirname(target) for target in (*(file.target for file in going), *(one.target for one in made))
        ]
        ends += [self.run] if folders else []
        changed = {above for path in dict.fromkeys(ends) for above in _above(path, self.top)}
        gone = {folder.source for folder in folders}
        return sorted(path for path in changed - gone if os.path.isdir(path))

    # ---- the rest ----

    def _rest(self, files: list[PlannedFile], units: list[Unit]) -> tuple[list[str], list[str]]:
        """The files that nothing is done with: those that were not understood, and those that are known."""
        done = {file.source for file in (*files, *self.trash)} | {file.path for file in self.found.left}
        remarked = {remark.path for remark in self.remarks}
        texts = {clash_key(f"{unit.name}.txt") for unit in units}
        unknown: list[str] = []
        kept: list[str] = []
        for path in self.found.entries:
            if path not in done:
                (kept if path in remarked or self._is_known(path, texts) else unknown).append(path)
        return unknown, kept

    def _is_known(self, path: str, texts: set[str]) -> bool:
        """Whether a file is one that we make, or have named."""
        name = os.path.basename(path)
        stem, ending = os.path.splitext(name.lower())
        return (
            is_ours(name)
            or is_card(path)
            or (ending == ".txt" and (clash_key(name) in texts or (looks_like_label(stem) and _has_extras(path))))
            or (ending == ".html" and self._has_card(path))
            or (name.lower().endswith(OF_NIFTI) and looks_like_label(stem))
        )

    def _has_card(self, page: str) -> bool:
        return os.path.lexists(f"{os.path.splitext(page)[0]}.ExamCard")


def _pairs(unit: Unit) -> Iterator[tuple[tuple[Entry, str], str]]:
    return zip(unit.files, unit.targets, strict=True)


def _parted(path: str) -> tuple[str, str]:
    """A path and its ending; that of a UID is none."""
    if _UID.fullmatch(os.path.basename(path)):
        return path, ""
    stem, ending = os.path.splitext(path)
    return (stem[:-4], f"{stem[-4:]}{ending}") if stem.lower().endswith(".nii") else (stem, ending)


def _has_extras(path: str) -> bool:
    """Whether extras lie beside a file: among them is the raw data file that a text was made of."""
    return os.path.isdir(os.path.join(os.path.dirname(path), EXTRAS))


def _above(path: str, top: str) -> Iterator[str]:
    """A directory and those above it, up to the top."""
    while path.startswith(os.path.join(top, "")):
        yield path
        path = os.path.dirname(path)
    yield top
