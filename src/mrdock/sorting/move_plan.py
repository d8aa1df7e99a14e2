"""What dcm_move is asked for, and what it will do: plain records, printed by the command and shown by the window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

Progress = Callable[[str, int, int], None]
"""Told now and then what is done ("reading", "waiting", "moving" ...), how many are done, and of how many (0: not
known)."""

Cancelled = Callable[[], bool]
"""Asked between files whether to stop."""


@dataclass(frozen=True, slots=True)
class MoveOptions:
    """What is asked for: one field for each switch of ``dcm_move``. Paths may be relative to the working directory."""

    source: str = "."
    """``-s``: where the files are."""

    destination: str = "."
    """``<destdir>``: where they go. With ``rename`` they stay where they are, and this has to be ``"."``."""

    recursive: bool = False
    """``-R``: all directories below the source."""

    modality: str = ""
    """``-m``: this modality sub-directory only (one of `finding.MODALITIES`); empty: the source and all of them."""

    all_studies: bool = False
    """``-a``: no question for each study. The command asks; `plan` and `execute` never do."""

    series_description: bool = False
    """``-S``: the series description in the name of the series' directory."""

    dcm: bool = False
    """``-d``: names end in ``.dcm``."""

    ignore_location: bool = False
    """``-l``: no heed to a location ``#-#<directory>`` in Patient History."""

    flat: bool = False
    """``-f``: no directories, names that say study, series and image."""

    rename: bool = False
    """``-r``: renamed where they are, with the names of ``flat``."""

    copy: bool = False
    """``-c``: copied; the source stays as it is."""

    by_number: bool = False
    """``-n``: as if anatomic: by the image number of the header."""

    no_info: bool = False
    """``-i``: no ``info`` file for each series."""

    leave_bad: bool = False
    """``-b``: invalid DICOM files stay where they are."""

    quiet: bool = False
    """``-q``: the command prints nothing but errors."""

    unmove: bool = False
    """``-u``: the name is the SOP Instance UID, straight in the destination."""

    settle: float = 5.0
    """``--settle``: a file touched less than so many seconds ago is looked at again."""

    jobs: int = 1
    """``-j``: headers read at once; more than one pays where a file takes long to open."""


class PlannedFile(NamedTuple):
    """One file and where it will be; absolute paths, equal where it is in its place already."""

    source: str
    target: str
    size: int
    """Bytes."""

    kind: str
    """``image``, ``enhanced``, ``other`` (a DICOM file that is no image) or ``bad``."""

    reason: str = ""
    """Of a bad file: what is wrong with it."""

    changed: int = -1
    """When it was changed (mtime in ns), as its header was read; negative: not known."""

    @property
    def seen(self) -> tuple[int, int] | None:
        """Size and time that it has to have still when its turn comes; None: not known."""
        return None if self.changed < 0 else (self.size, self.changed)


class LeftFile(NamedTuple):
    """A file that stays where it is, and why, as half a sentence."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class InfoFile:
    """The ``info`` file of a series: where it will be, and its bytes. Its target is free."""

    target: str
    data: bytes


@dataclass(frozen=True, slots=True)
class PlannedSeries:
    """One series of a study."""

    uid: str
    name: str
    """As in the directory's or the files' names: ``0301``, ``0301_2``, ``0301_T1W``."""

    number: str
    """Series Number as the header says it."""

    description: str
    protocol: str
    directory: str
    """Where its files will be, absolute."""

    files: tuple[PlannedFile, ...]
    info: InfoFile | None = None
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)

    def count(self, kind: str) -> int:
        """How many of its files are of one kind."""
        return sum(file.kind == kind for file in self.files)


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One study: its series in the order of their numbers. ``date`` as ``2021-09-02``, ``time`` as ``12:18:16``."""

    uid: str
    name: str
    """As in the directory's or the files' names."""

    date: str
    time: str
    description: str
    patient_name: str
    patient_id: str
    series: tuple[PlannedSeries, ...]

    @property
    def files(self) -> Iterator[PlannedFile]:
        """All its files."""
        return (file for series in self.series for file in series.files)

    @property
    def count(self) -> int:
        """How many files."""
        return sum(len(series.files) for series in self.series)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(series.size for series in self.series)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of its series, each once."""
        return tuple(dict.fromkeys(text for series in self.series for text in series.warnings))


@dataclass(frozen=True, slots=True)
class MovePlan:
    """All that will be done. Nothing has been done yet."""

    options: MoveOptions
    """With absolute paths."""

    studies: tuple[PlannedStudy, ...]
    bad: tuple[PlannedFile, ...] = ()
    """Invalid DICOM files that will go to the directory ``bad``."""

    left: tuple[LeftFile, ...] = ()
    """Files that stay although they are, or claim to be, DICOM: each with its reason."""

    not_dicom: int = 0
    """Files that are no DICOM and do not claim to be: nothing is done with them."""

    warnings: tuple[str, ...] = ()
    """What concerns no single series."""

    roots: tuple[str, ...] = ()
    """The directories that files go below: the destination, and locations that headers name."""

    free: tuple[tuple[str, str], ...] = ()
    """(study, path) of directories (flat: beginnings of names) that were nobody's: `execute` sees whether they still
    are."""

    def only(self, studies: Collection[str], *, bad: bool = True) -> MovePlan:
        """The same for some of the studies, by their UIDs, with or without the invalid files."""
        kept = tuple(study for study in self.studies if study.uid in studies)
        free = tuple(item for item in self.free if item[0] in studies)
        return replace(self, studies=kept, bad=self.bad if bad else (), free=free)

    @property
    def count(self) -> int:
        """How many files the plan puts somewhere, or finds in their place."""
        return sum(study.count for study in self.studies) + len(self.bad)

    @property
    def in_place(self) -> int:
        """How many of them are in their place already."""
        return sum(file.source == file.target for study in self.studies for file in study.files)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(study.size for study in self.studies) + sum(file.size for file in self.bad)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many files ended how."""

    done: int = 0
    """Moved, copied or renamed."""

    same: int = 0
    """Their bytes were there already."""

    beside: int = 0
    """Put beside other bytes, under a numbered name."""

    in_place: int = 0
    """Nothing to do: they were in their place."""

    bad: int = 0
    """Of those: put into the directory ``bad``."""

    info: int = 0
    """Info files written; they are in no other count."""

    left: int = 0
    """Stayed where they were."""


@dataclass(frozen=True, slots=True)
class MoveResult:
    """What `execute` or `undo` has done."""

    counts: Counts
    left: tuple[LeftFile, ...]
    """What stayed, by the plan or because the file system refused, each with its reason."""

    beside: tuple[tuple[str, str], ...]
    """(planned, actual) paths of files that were put beside others."""

    journal: str
    """The journal that undoes it; empty where nothing was done."""

    stopped: bool = False
    """Stopped between two files because that was asked for; run again to go on."""

    not_dicom: int = 0
    """As in the plan."""

    files: tuple[tuple[str, str], ...] = ()
    """(source, place) of every file that was put somewhere; after an undo (where it was, place), where the place of a
    copy that is gone is empty."""
