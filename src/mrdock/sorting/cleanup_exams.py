"""Which exam each file belongs to, and in which directory each exam is tidied.

An exam is tidied where it is: in the deepest directory that holds all of it, not counting those that an export makes
(``DICOM`` and the like with all below them) and those of one series. Where that is the same directory for several, each
gets one of its own in it, named by date and time; one that has its names there already stays.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from mrdock.sorting import records as tags
from mrdock.sorting.cleanup_companions import Group
from mrdock.sorting.cleanup_labels import label_of_record, number_in, numbered
from mrdock.sorting.cleanup_reading import OURS, STEP_DATE, STEP_TIME
from mrdock.sorting.records import FileKind, ImageRecord, is_spectrum
from mrdock.sorting.safe import clash_key, safe

_EXPORTS: Final = re.compile(
    r"dicom(dir|_?files?|_?data)?|dcm|mr|ct|enhanced|classic|raw_?data|raw|par[ _-]?rec|xml[ _-]?rec|nifti|nii",
    re.IGNORECASE,
)


@dataclass(slots=True, eq=False)
class Exam:
    """One exam. ``date`` and ``time`` as ``20210902`` and ``121816``, empty where they are not known."""

    date: str = ""
    time: str = ""
    patient: str = ""
    study_id: str = ""
    moments: set[tuple[str, str]] = field(default_factory=set)
    """Dates and times that its files say it began."""

    places: dict[str, None] = field(default_factory=dict)
    """Directories that its files are in, those of exports and of series left out."""

    images: bool = False
    """Whether any of its files gets a name; one of which there are only extras makes room for no other."""

    tidy: int = 0
    """How many of its files have one of their names already."""

    home: str = ""
    """Where it is tidied."""

    @property
    def label(self) -> str:
        """What its directory is called, where it gets one."""
        day = f"{self.date[:4]}-{self.date[4:6]}-{self.date[6:]}" if len(self.date) == 8 else self.date
        said = safe("_".join(part for part in (day, self.time[:6]) if part)) or safe(self.study_id) or "exam"
        return f"{said}_" if said.lower() in OURS else said


class Exams:
    """All exams of a directory."""

    def __init__(self, top: str) -> None:
        """None yet."""
        self.all: list[Exam] = []
        self._top = top
        self._of_study: dict[str, Exam] = {}
        self._known: dict[tuple[str, str], str] = {}

    # ---- which ----

    def add_records(self, records: Iterable[ImageRecord]) -> None:
        """Take in DICOM files: an exam is a study."""
        for record in records:
            key = record.study_key
            exam = self._of_study.get(key)
            if exam is None:
                exam = self._of_study[key] = self._new(_of_record(record))
            name = label_of_record(record)
            folder, file = os.path.split(record.path)
            place = self._known.get((folder, name))
            if place is None:
                place = self._known[folder, name] = self._place(folder, name, record.series_number or 0)
            exam.places[place] = None
            exam.images |= record.kind is not FileKind.OTHER or is_spectrum(record)
            exam.tidy += bool(number_in(os.path.splitext(file)[0], name) or number_in(os.path.basename(folder), name))

    def of_record(self, record: ImageRecord) -> Exam:
        """The exam of a file that was taken in."""
        return self._of_study[record.study_key]

    def add_groups(self, groups: Iterable[Group]) -> dict[int, Exam | None]:
        """Take in other exports: the exam of each by its ``id``; None where nothing says it.

        A PAR file names patient, date and time: its exam is the one that began then, or the only one of that patient on
        that day. Where several could be meant none is.
        """
        found: dict[int, Exam | None] = {}
        for group in groups:
            exam = self._of_group(group)
            if exam is not None:
                folder, file = os.path.split(group.stem)
                exam.places[self._place(folder, group.label, group.number.series if group.number else -1)] = None
                exam.tidy += bool(number_in(file, group.label))
            found[id(group)] = exam
        return found

    def _new(self, exam: Exam) -> Exam:
        self.all.append(exam)
        return exam

    def _of_group(self, group: Group) -> Exam | None:
        same_study = self._of_study.get(group.study_uid)
        if same_study is not None and same_study.images:
            return same_study
        if not group.date:
            return None
        known = [exam for exam in self.all if exam.images]  # of the others nothing is seen when it is done again
        same_day = [exam for exam in known if any(date == group.date for date, _ in exam.moments)]
        same_moment = [exam for exam in same_day if (group.date, group.time) in exam.moments]
        candidates = same_moment or same_day
        same = [exam for exam in candidates if exam.patient and exam.patient == _name(group.patient)]
        if len(same) == 1:
            return same[0]
        if same_moment or not group.time:
            return candidates[0] if len(candidates) == 1 else None
        moments = {(group.date, group.time)}
        return self._new(Exam(group.date, group.time, _name(group.patient), moments=moments, images=True))

    def _place(self, folder: str, name: str, series: int) -> str:
        """The directory of a file without those of exports and of its series."""
        below = os.path.relpath(folder, self._top).split(os.sep)
        if below == [os.curdir]:
            return self._top
        for number, part in enumerate(below):
            if _EXPORTS.fullmatch(part):
                below = below[:number]
                break
        while below and (number_in(below[-1], name) or _is_of_series(below[-1], series)):
            below.pop()
        return os.path.join(self._top, *below)

    # ---- where ----

    def settle(self) -> None:
        """Choose the home of each."""
        at: defaultdict[str, list[Exam]] = defaultdict(list)
        for exam in self.all:
            own = [
                place for place in exam.places if place != self._top and number_in(os.path.basename(place), exam.label)
            ]
            exam.home = min(own) if own else _common(self._top, exam.places)
            at[exam.home].append(exam)
        for home, members in at.items():
            if len(members) > 1:
                self._part(home, members)

    def _part(self, home: str, members: Sequence[Exam]) -> None:
        """Give the exams of one directory their own, but for the one that was tidied there before."""
        with_images = [exam for exam in members if exam.images]
        owner = max(members, key=lambda exam: (exam.images, exam.tidy))
        used = {clash_key(os.path.basename(exam.home)) for exam in self.all if os.path.dirname(exam.home) == home}
        for exam in sorted(members, key=_order):
            if exam is owner and (exam.tidy or len(with_images) == 1):
                continue
            name, number = exam.label, 1
            while clash_key(name) in used or _is_file(os.path.join(home, name)):
                number += 1
                name = numbered(exam.label, number)
            used.add(clash_key(name))
            exam.home = os.path.join(home, name)

    def home_at(self, folder: str) -> str:
        """Where files of no known exam are tidied that lie in a directory."""
        place = self._place(folder, "", -1)
        homes = {exam.home for exam in self.all}
        if len(homes) == 1:
            (home,) = homes
            if _is_below(place, home) or _is_below(home, place):
                return home
        above = [home for home in homes if _is_below(place, home)]
        return max(above, key=len) if above else place


def _of_record(record: ImageRecord) -> Exam:
    date, time = record.study_date, record.study_time.partition(".")[0]
    moments = {(date, time), (record.text(STEP_DATE), record.text(STEP_TIME).partition(".")[0])}
    moments = {(day, clock) for day, clock in moments if day}
    return Exam(date, time, _name(record.text(tags.PATIENT_NAME)), record.study_id, moments)


def _name(text: str) -> str:
    return " ".join(text.replace("^", " ").split()).casefold()


def _is_of_series(name: str, series: int) -> bool:
    """``1901``, ``0301``, ``SE000201``, ``0301_T1W``."""
    found = re.match(r"(?:s|se|ser|series)?[ _-]?0*([0-9]{1,9})(?![0-9])", name, re.IGNORECASE)
    return found is not None and int(found[1]) == series and (found.end() == len(name) or name[found.end()] in "_- ")


def _common(top: str, places: Iterable[str]) -> str:
    found = os.path.commonpath(list(places))
    return found if _is_below(found, top) else top


@cache
def _with_separator(path: str) -> str:
    return os.path.join(path, "")


def _is_below(path: str, above: str) -> bool:
    """Whether a path is another, or below it."""
    return path == above or path.startswith(_with_separator(above))


def _is_file(path: str) -> bool:
    return os.path.lexists(path) and not os.path.isdir(path)


def _order(exam: Exam) -> tuple[str, str, str, str]:
    return exam.date, exam.time, exam.study_id, min(exam.places)
