"""Whose the directories and names at a destination are, by one file read in each that could clash with ours.

Two patients never share a directory, also across runs: what is there keeps its name, and who comes gets another one.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mrdock.dicom.reading import read_header
from mrdock.errors import DicomError
from mrdock.sorting import labels, records, series_info
from mrdock.sorting.finding import BAD, is_ours
from mrdock.sorting.labels import Owners
from mrdock.sorting.naming import Claim, claim_of
from mrdock.sorting.records import FileKind, ImageRecord
from mrdock.sorting.safe import clash_key

_MOST_FILES: Final = 8
"""Files looked at before a directory counts as nobody's we know."""

_SERIES: Final = re.compile(r"[0-9]{4,}")


@dataclass(slots=True)
class _Claims:
    """What is gathered for `Owners`."""

    studies: dict[str, str] = field(default_factory=dict)
    series: dict[tuple[str, str], str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def add(self, claim: Claim) -> None:
        """Take in what one file says."""
        self.studies[claim.study] = claim.study_uid
        if claim.series:
            self.series[claim.study, claim.series] = claim.series_uid

    def owners(self) -> Owners:
        return Owners(self.studies, self.series, self.files)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The names that the files of this run would like, before they are told apart."""

    studies: frozenset[str]
    series: frozenset[str]
    counted: frozenset[str]
    """Series with files that are counted: Enhanced ones, and those that are no images."""

    @classmethod
    def of(cls, members: Iterable[ImageRecord]) -> _Wanted:
        alike = {(record.said(labels.TELL_SERIES), record.kind): record for record in members}
        seen = {
            (labels.study_label(record), labels.series_label(record), kind is not FileKind.IMAGE)
            for (_, kind), record in alike.items()
        }
        return cls(
            frozenset(study for study, _, _ in seen),
            frozenset(series for _, series, _ in seen),
            frozenset(series for _, series, counted in seen if counted),
        )


def owners_at(root: str, members: Sequence[ImageRecord]) -> Owners:
    """Whose the directories below ``root`` are that files of this run might go to."""
    wanted, found = _Wanted.of(members), _Claims()
    for study in _listed(root)[1]:
        if any(clash_key(study) == clash_key(name) or _numbered(study, name) for name in wanted.studies):
            _take_study(root, study, wanted, found)
    return found.owners()


def flat_owners_at(places: Iterable[str], members: Sequence[ImageRecord]) -> Owners:
    """Whose the flat names in some directories are that files of this run might get."""
    wanted, found = _Wanted.of(members), _Claims()
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for place in places:
        for name in _listed(place)[0]:
            for key in _parts(name, wanted.studies):
                groups[key].append(os.path.join(place, name))
                rest = name[len("_".join(key)) + 1 :]
                if key[1].partition("_")[0] in wanted.counted and not is_ours(name) and not rest[:1].isdecimal():
                    found.files[name] = _instance(os.path.join(place, name))
    for (study, series), paths in groups.items():
        claims = list(_claims(paths, [os.path.basename(path) for path in paths], flat=True))
        for claim in claims:
            found.add(claim)
        if not claims:
            found.studies.setdefault(study, "")
            found.series.setdefault((study, series), "")
    return found.owners()


def there(names: Iterable[str], *, flat: bool) -> list[str]:
    """Which of these directories (flat: beginnings of names) hold something."""
    if not flat:
        return [path for path in names if any(_listed(path))]
    listed: dict[str, set[str]] = {}
    found = []
    for path in names:
        place, begin = os.path.split(path)
        if place not in listed:
            listed[place] = {name[:at] for name in _listed(place)[0] for at in _underscores(name)}
        if begin in listed[place]:
            found.append(path)
    return found


def _underscores(name: str) -> Iterator[int]:
    """Where the underscores are in a name, and where an info file's ending begins."""
    at = name.find("_")
    while at >= 0:
        yield at
        at = name.find("_", at + 1)
    if is_ours(name):
        yield name.rfind(".")


def _numbered(name: str, label: str) -> bool:
    return labels.prefix(f"{clash_key(name)}_", clash_key(label)) == clash_key(name)


def _take_study(root: str, study: str, wanted: _Wanted, found: _Claims) -> None:
    """Look into the directory of one study: into the series that matter, or into any to see whose it is."""
    path = os.path.join(root, study)
    holds_files = False
    for series in sorted(_listed(path)[1], key=lambda name: name.partition("_")[0] not in wanted.series):
        number = series.partition("_")[0]
        if number not in wanted.series and found.studies.get(study):
            break
        above = os.path.join(path, series)
        names = _listed(above)[0]
        holds_files = holds_files or bool(names)
        claims = list(_claims([os.path.join(above, name) for name in names], [f"{study}/{series}/{n}" for n in names]))
        for claim in claims:
            found.add(claim)
        if names and not claims:
            found.series[study, series] = ""
        if number in wanted.counted:
            for name in names:
                if not name[:1].isdecimal() and not is_ours(name):
                    found.files[f"{study}/{series}/{name}"] = _instance(os.path.join(above, name))
    if holds_files or _listed(path)[0]:
        found.studies.setdefault(study, "")


def _claims(paths: Sequence[str], names: Sequence[str], flat: bool = False) -> Iterator[Claim]:
    """What the first few files claim, until one has said whose the series is; an info file tells, too."""
    chosen = list(zip(paths, names, strict=True))
    if len(chosen) > _MOST_FILES:
        chosen = [*chosen[: _MOST_FILES - 1], chosen[-1]]
    for path, name in chosen:
        claim = _claim(path, name, flat)
        if claim is not None:
            yield claim
            if claim.series:
                return


def _claim(path: str, name: str, flat: bool) -> Claim | None:
    try:
        if is_ours(os.path.basename(path)):
            return _info_claim(path, name, flat)
        return claim_of(name, ImageRecord.of(path, read_header(path, records.WANTED)), flat)
    except (DicomError, OSError):
        return None


def _info_claim(path: str, name: str, flat: bool) -> Claim | None:
    study_uid, series_uid = series_info.uids_in(path)
    if not study_uid:
        return None
    if not flat:
        study, _, rest = name.partition("/")
        return Claim(study, study_uid, rest.partition("/")[0], series_uid)
    study, series = _split(name)
    return Claim(study, study_uid, series, series_uid) if study else None


def _split(info: str) -> tuple[str, str]:
    """Study and series of the name of a flat info file."""
    found = re.fullmatch(r"(.+?)_([0-9]{4,}(?:_[1-9][0-9]{0,2})?)\.info", info)
    return (found[1], found[2]) if found else ("", "")


def _parts(name: str, studies: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The (study, series) that a flat name may begin with."""
    whole = f"{name.removesuffix('.info')}_" if is_ours(name) else name
    for label in studies:
        study = labels.prefix(whole, label)
        number = _SERIES.match(whole, len(study) + 1) if study else None
        series = labels.prefix(whole[len(study) + 1 :], number[0]) if number else ""
        if series:
            yield study, series


def _instance(path: str) -> str:
    try:
        return read_header(path, records.WANTED).sop_instance
    except (DicomError, OSError):
        return ""


def _listed(path: str) -> tuple[list[str], list[str]]:
    """The files and directories of a directory by name, without hidden ones; info files last."""
    files: list[str] = []
    directories: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name[0] == ".":
                    continue
                if entry.is_dir():
                    if entry.name != BAD:
                        directories.append(entry.name)
                elif entry.is_file():
                    files.append(entry.name)
    except OSError:
        pass
    return sorted(files, key=lambda name: (is_ours(name), name)), sorted(directories)
