"""Names for files, from records: study, series, slice and what else varies.

``<study>/<series>/<slice>`` and ``<study>/<series>/<slice>_<dynamic>``, flat ``<study>_<series>_<slice>``. The study is
Study ID (0020,0010), else date and time; the series its number, four digits. Which dimensions follow the slice each
image's own header decides (`dimensions`); for headers without a slice number see `stacks`.

Files that are no images stand beside those of their series. A scanner gives a presentation state a series of its own
with the same number: it goes where the images of that number are. ``raw`` and ``examcard`` (series 0000) are what the
scanner sends as Raw Data, ``spectrum`` is MR spectroscopy, ``ps_0001`` a presentation state; what else there is has
the prefix that DCMTK gives its class (``sr``, ``ko``), or ``other``. A DICOMDIR belongs to no study: it stands at the
top. Where several share a name, the later ones have ``_2``, ``_3`` and so on.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mrdock.sorting import dimensions, labels, stacks
from mrdock.sorting import records as tags
from mrdock.sorting.labels import Labels, Owners
from mrdock.sorting.records import DICOMDIR, FileKind, ImageRecord
from mrdock.sorting.safe import clash_key, safe

__all__ = ["Claim", "FileKind", "NameOptions", "Owners", "PlannedName", "claim_of", "names_of", "safe"]

_DIGITS: Final = re.compile(r"([0-9]{1,18})")

REPEATED: Final = "the same SOP Instance UID comes more than once"
ALIKE: Final = "images whose headers place them alike are told apart by a number at the end"
NO_STUDY: Final = "the header has no Study Instance UID"


@dataclass(frozen=True, slots=True)
class NameOptions:
    """How names are made, by the switches of dcm_move."""

    flat: bool = False
    """-f, -r: ``<study>_<series>_<slice>`` without directories."""

    series_description: bool = False
    """-S: the series directory is ``<series>_<description>``; flat names stay as they are."""

    suffix: bool = False
    """-d: ``.dcm`` is appended."""

    anatomic: bool = False
    """-n: the image number of the header instead of slice and other dimensions."""

    unmove: bool = False
    """-u: the SOP Instance UID, no directories."""


@dataclass(frozen=True, slots=True)
class PlannedName:
    """Where one file is to go, relative to the destination, parts separated by slashes."""

    path: str
    kind: FileKind
    study: str
    """Name of the study: its directory, or the first part of flat names; empty where there is none."""

    series: str
    """Name of the series: its directory, or the second part of flat names; empty where there is none."""

    study_uid: str
    """Study Instance UID; where the header has none, a stand-in that begins with ``?``."""

    series_uid: str
    """Series Instance UID, or a stand-in."""

    info: str = ""
    """Where the series' info file goes: ``<study>/<series>/info``, flat ``<study>_<series>.info``; or empty."""

    warning: str = ""
    """Half a sentence without the path: what is odd about the name, the same for all files that it is about."""


@dataclass(slots=True)
class _File:
    """One file on its way to a name."""

    record: ImageRecord
    study: str = ""
    series: str = ""
    parts: Sequence[str] = ()
    warning: str = ""
    kind: FileKind = field(init=False)

    def __post_init__(self) -> None:
        self.kind = self.record.kind

    @property
    def order(self) -> tuple[int, str, int, str, list[str | int], str]:
        """Which of two that would have the same name comes first; by path ``0001_9`` before ``0001_10``."""
        record = self.record
        concatenation, part = record.text(tags.CONCATENATION), record.count(tags.PART) or 0
        path = [int(each) if each.isascii() and each.isdecimal() else each for each in _DIGITS.split(record.path)]
        return record.instance or 0, concatenation, part, record.sop_instance, path, record.path


def names_of(
    records: Iterable[ImageRecord], options: NameOptions | None = None, owners: Owners | None = None
) -> dict[str, PlannedName]:
    """The names of all files of a run, by `ImageRecord.path`; no two are equal, even where case does not count.

    Give all files of a run at once, their order does not matter. ``owners`` says whose the names at the destination
    are: another study or series does not get them.
    """
    options, owners = options or NameOptions(), owners or Owners()
    files = [_File(record) for record in records]
    if options.unmove:
        for file in files:
            uid = file.record.sop_instance
            file.parts = [safe(uid) or file.record.word]
    else:
        _label(files, options, owners)
        _name_images(files, options)
        _name_others([file for file in files if file.kind is not FileKind.IMAGE])
    return _unique(files, options, owners)


@dataclass(frozen=True, slots=True)
class Claim:
    """Whose a name at the destination is, for `Owners`; the names are as in that name, ``series`` may be empty."""

    study: str
    study_uid: str
    series: str
    series_uid: str


def claim_of(path: str, record: ImageRecord, flat: bool = False) -> Claim | None:
    """What a file that is at the destination already, at the relative ``path``, claims by its name and its header.

    None where it is not named as here: nobody owns anything by it. A file that is no image claims its study only.
    """
    image = record.kind is not FileKind.OTHER
    if not flat:
        study, _, rest = path.partition("/")
        series, slash, _ = rest.partition("/")
        if not slash:
            return None
        return Claim(study, record.study_key, series if image else "", record.series_key if image else "")
    study = labels.prefix(path, labels.study_label(record))
    series = labels.prefix(path[len(study) + 1 :], labels.series_label(record)) if study else ""
    if not series:
        return None
    return Claim(study, record.study_key, series if image else "", record.series_key if image else "")


def _label(files: Sequence[_File], options: NameOptions, owners: Owners) -> None:
    """Which study and series each file belongs to."""
    given = Labels([file.record for file in files], owners, options.series_description and not options.flat)
    for file in files:
        if file.record.sop_class != DICOMDIR:
            file.study, file.series = given.of(file.record)
            file.warning = "" if file.record.study_uid else NO_STUDY


def _name_images(files: Sequence[_File], options: NameOptions) -> None:
    by_place = defaultdict(list)
    for file in files:
        if file.kind is FileKind.IMAGE:
            file.parts = () if options.anatomic else dimensions.numbered(file.record) or ()
            if not file.parts:
                by_place[file.study, file.series].append(file)
    for series in by_place.values():
        records = [file.record for file in series]
        if options.anatomic:
            for file, number in zip(series, stacks.instances(records), strict=True):
                file.parts = [dimensions.digits(number)]
            continue
        parts, warning = stacks.names_in(records)
        for file, found in zip(series, parts, strict=True):
            file.parts, file.warning = found, file.warning or warning


def _name_others(files: Sequence[_File]) -> None:
    for file in files:
        file.parts = ["enhanced"] if file.kind is FileKind.ENHANCED else [file.record.word]


def _path(file: _File, options: NameOptions, number: int) -> str:
    """The path of a file that is the ``number``-th (from 1) of its name."""
    name = "_".join(file.parts)
    if file.parts[0] == "ps" and not options.unmove:
        name = f"ps_{number:04d}"
    elif number > 1:
        name = f"{name}_{number}"
    if options.suffix and file.record.sop_class != DICOMDIR:
        name += ".dcm"
    return ("_" if options.flat else "/").join(part for part in (file.study, file.series, name) if part)


def _unique(files: Sequence[_File], options: NameOptions, owners: Owners) -> dict[str, PlannedName]:
    """Paths: those that would be equal are numbered."""
    there = {clash_key(path): uid for path, uid in owners.files.items()}
    alike: dict[str, list[_File]] = {}
    found: dict[str, PlannedName] = {}
    for file in files:
        path = _path(file, options, 1)
        alike.setdefault(clash_key(path), []).append(file)
        found[file.record.path] = _planned(file, path, options, "")
    taken = set(alike)
    for key, group in sorted(alike.items()):
        counted = group[0].kind is not FileKind.IMAGE and not options.unmove
        if len(group) == 1 and not (counted and key in there):
            continue  # nobody else wants its name
        taken.discard(key)
        warning = _why([file.record for file in group], counted)
        for file in sorted(group, key=lambda file: file.order):
            path = _free(file, options, taken, there if counted else {})
            taken.add(clash_key(path))
            found[file.record.path] = _planned(file, path, options, warning)
    return found


def _free(file: _File, options: NameOptions, taken: set[str], there: Mapping[str, str]) -> str:
    """The first numbered path that no other file has, in this run or (by SOP Instance UID) at the destination."""
    number = 1
    while True:
        path = _path(file, options, number)
        key = clash_key(path)
        if key not in taken and there.get(key, file.record.sop_instance) == file.record.sop_instance:
            return path
        number += 1


def _why(records: Sequence[ImageRecord], counted: bool) -> str:
    """What is odd about several files with one name, or ''; ``counted``: being several is nothing odd."""
    if len({record.sop_instance for record in records}) < len(records):
        return REPEATED
    return ALIKE if len(records) > 1 and not counted else ""


def _planned(file: _File, path: str, options: NameOptions, warning: str) -> PlannedName:
    info = f"{file.study}_{file.series}.info" if options.flat else f"{file.study}/{file.series}/info"
    return PlannedName(
        path,
        file.kind,
        file.study,
        file.series,
        file.record.study_key,
        file.record.series_key,
        info if file.series else "",
        warning or file.warning,
    )
