"""Names of studies and series, such that no two share one: in this run, and with what is at the destination."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple

from mrdock.sorting import records as tags
from mrdock.sorting.dimensions import digits
from mrdock.sorting.records import DICOMDIR, SERIES_DATE, SERIES_TIME, FileKind, ImageRecord
from mrdock.sorting.safe import clash_key, safe

_OURS: Final = frozenset({"bad", "info", "dicomdir"})
"""Names that mean something at a destination."""

_STUDY_LENGTH: Final = 32  # Study ID has 16 characters
_TELL_STUDY: Final = (tags.STUDY_ID, tags.STUDY_DATE, tags.STUDY_TIME, tags.PATIENT_ID, tags.PATIENT_NAME)
TELL_SERIES: Final = (*_TELL_STUDY, tags.SERIES_NUMBER)
"""What the labels of study and series come from, and where a UID is missing its stand-in."""


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose the names at the destination are, as one file read in each directory says (`naming.claim_of`).

    A name stands as it is on disk. An owner "" is nobody we know: the name is avoided.
    """

    studies: Mapping[str, str] = field(default_factory=dict)
    """Study directory (flat: the study part of names) -> Study Instance UID."""

    series: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """(study, series directory) (flat: the two parts of names) -> Series Instance UID."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Relative path with slashes -> SOP Instance UID. Wanted only for files that are not classic images (``enhanced``,
    ``raw``, ``ps``): these are counted, so what is there already has its number."""


def study_label(record: ImageRecord) -> str:
    """The name of a study before it is told apart from others: its number, else date and time."""
    return _study_label(record.study_id, record.study_date, record.study_time)


@lru_cache(maxsize=1 << 10)
def _study_label(study_id: str, date: str, time: str) -> str:
    when = "_".join(part for part in (date, time.partition(".")[0]) if part)
    label = safe(study_id, _STUDY_LENGTH) or safe(when, _STUDY_LENGTH) or "unknown"
    return f"{label}_" if clash_key(label) in _OURS else label


def series_label(record: ImageRecord) -> str:
    """The name of a series before it is told apart from others: its number, 0000 where it has none."""
    return digits(record.series_number or 0)


def prefix(name: str, label: str) -> str:
    """The beginning of a flat name that is ``label`` or ``label_2`` and so on; empty where it begins otherwise."""
    found = re.match(rf"{re.escape(label)}(?:_[1-9]\d{{0,2}})?(?=_)", name)
    return found[0] if found else ""


class _Series(NamedTuple):
    """Which series: its study's name, its label, its key."""

    study: str
    label: str
    key: str


class Labels:
    """The names of all studies and series of one run.

    Who has a name at the destination keeps it; of the others the earlier study or series comes first.
    """

    def __init__(self, records: Sequence[ImageRecord], owners: Owners, with_description: bool) -> None:
        """``with_description``: series names end in the description."""
        self._with_description = with_description
        studies = _name_studies(records, owners)
        self._keys: dict[str, _Series] = {}
        known: dict[tuple[str, str, Hashable], _Series] = {}
        for record in records:
            if (study := studies.get(record.path)) is not None:
                about = study, record.series_uid, record.said(TELL_SERIES)
                if about not in known:
                    known[about] = _Series(study, series_label(record), record.series_key)
                self._keys[record.path] = known[about]
        self._series: dict[_Series, str] = {}
        self._joined: dict[_Series, str] = {}
        self._of_label: dict[tuple[str, str], str] = {}
        self._name_series(records, owners)

    def of(self, record: ImageRecord) -> tuple[str, str]:
        """Study and series of a file; one that is no image goes where images of its series are, or of its number."""
        key = self._keys[record.path]
        if record.kind is not FileKind.OTHER:
            return key.study, self._described(self._series[key], record)
        joined = self._joined.get(key) or self._of_label.get(key[:2])
        return key.study, joined or self._described(key.label, record)

    def _described(self, name: str, record: ImageRecord) -> str:
        description = safe(record.series_description) if self._with_description else ""
        return f"{name}_{description}" if description else name

    def _name_series(self, records: Sequence[ImageRecord], owners: Owners) -> None:
        wanted: dict[tuple[str, str], dict[str, ImageRecord]] = defaultdict(dict)
        others: dict[_Series, None] = {}
        for record in sorted(records, key=lambda r: (r.sop_instance, r.path)):
            key = self._keys.get(record.path)
            if key is None:
                continue
            if record.kind is FileKind.OTHER:
                others[key] = None
            else:
                wanted[key[:2]].setdefault(key.key, record)
        there: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for (study, name), uid in sorted(owners.series.items()):
            there[clash_key(study)].append((name, uid))
        for (study, label), by_key in wanted.items():
            first_come = sorted(by_key, key=lambda uid: (_series_time(by_key[uid]), uid))
            numbers = _share_out(label, first_come, _without_descriptions(there[clash_key(study)], label))
            for uid, number in sorted(numbers.items(), key=lambda item: item[1]):
                name = _counted(label, number)
                self._series[_Series(study, label, uid)] = name
                self._of_label.setdefault((study, label), self._described(name, by_key[uid]))
        for other in others:
            self._join(other, there[clash_key(other.study)], [by_key.get(other.key) for by_key in wanted.values()])

    def _join(self, other: _Series, there: Sequence[tuple[str, str]], images: Sequence[ImageRecord | None]) -> None:
        """Find the directory for files that are no images: their series' own, else one of their number."""
        record = next((record for record in images if record is not None), None)
        if record is not None and self._keys[record.path].study == other.study:
            self._joined[other] = self._described(self._series[self._keys[record.path]], record)
            return
        own = [name for name, uid in there if uid == other.key]
        alike = [name for name, _ in there if _base(name, other.label)]
        if own:
            self._joined[other] = own[0]
        elif alike:
            self._of_label.setdefault(other[:2], alike[0])


_NAME: Final = re.compile(r"(n?\d{4,})(?:_([2-9]|[1-9]\d{1,2}))?(?:_.*)?", re.DOTALL)


def _base(name: str, label: str) -> str:
    """A series directory's name without its description, where it is one of ``label``; else empty."""
    found = _NAME.fullmatch(name)
    return _counted(label, int(found[2] or 1)) if found and found[1] == label else ""


def _without_descriptions(there: Iterable[tuple[str, str]], label: str) -> dict[str, set[str]]:
    owned: dict[str, set[str]] = defaultdict(set)
    for name, uid in there:
        if base := _base(name, label):
            owned[clash_key(base)].add(uid)
    return owned


def _series_time(record: ImageRecord) -> tuple[str, str]:
    return record.text(SERIES_DATE), record.text(SERIES_TIME)


def _name_studies(records: Iterable[ImageRecord], owners: Owners) -> dict[str, str]:
    """The name of the study of each file that has one, by path."""
    times: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    files: dict[str, tuple[str, str, str]] = {}
    known: dict[tuple[str, Hashable], tuple[str, str, str]] = {}
    for record in records:
        if record.sop_class == DICOMDIR:
            continue
        about = record.study_uid, record.said(_TELL_STUDY)
        if about not in known:
            key, label = record.study_key, study_label(record)
            clash, when = clash_key(label), (record.study_date, record.study_time)
            times[clash][key] = min(when, times[clash].get(key, when))
            known[about] = label, clash, key
        files[record.path] = known[about]
    taken: dict[str, set[str]] = defaultdict(set)
    for name, uid in owners.studies.items():
        taken[clash_key(name)].add(uid)
    numbers: dict[tuple[str, str], int] = {}
    for clash, by_key in sorted(times.items()):
        for key, number in _share_out(clash, sorted(by_key, key=lambda k: (by_key[k], k)), taken).items():
            numbers[clash, key] = number
            taken[_counted(clash, number)].add(key)
    return {path: _counted(label, numbers[clash, key]) for path, (label, clash, key) in files.items()}


def _share_out(label: str, keys: Collection[str], owned: Mapping[str, set[str]]) -> dict[str, int]:
    """A number for each of ``keys``: 1 is the label itself. Who owns one keeps it, the others get what is free."""
    label = clash_key(label)
    found: dict[str, int] = {}
    numbers = {number: owned[name] for name in owned if (number := _number_of(name, label)) and owned[name]}
    for number in sorted(numbers):
        owner = min((key for key in numbers[number] if key in keys and key not in found), default=None)
        if owner is not None:
            found[owner] = number
    free = (number for number in count(1) if number not in numbers)
    return found | {key: next(free) for key in keys if key not in found}


def _number_of(name: str, label: str) -> int:
    """Which of the names that are counted from ``label`` this is; 0 for none."""
    if name == label:
        return 1
    begin, _, number = name.rpartition("_")
    counts = begin == label and number.isdecimal() and number.isascii() and number[0] != "0" and len(number) < 10
    return int(number) if counts and number != "1" else 0


def _counted(label: str, number: int) -> str:
    return label if number == 1 else f"{label}_{number}"
