"""What dcmcleanup is asked for, and what it will do: plain records, printed by the command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from mrdock.sorting.move_plan import Cancelled, LeftFile, Progress

__all__ = [
    "Cancelled",
    "CleanupOptions",
    "CleanupPlan",
    "CleanupResult",
    "DirectoryPlan",
    "Folder",
    "Goes",
    "LeftFile",
    "Made",
    "PlannedFile",
    "PlannedItem",
    "Progress",
    "Purged",
    "Remark",
]


@dataclass(frozen=True, slots=True)
class CleanupOptions:
    """What is asked for. Paths may be relative to the working directory."""

    directories: tuple[str, ...] = (".",)

    quiet: bool = False
    """``-q``: the command prints nothing but failures."""

    settle: float = 5.0
    """``--settle``: a file touched less than so many seconds ago is looked at again."""

    jobs: int = 1
    """``-j``: headers read at once."""


class Goes(StrEnum):
    """Where a file goes."""

    NAMED = "named"
    EXTRA = "extra"
    TRASH = "trash"


class PlannedFile(NamedTuple):
    """One file and where it will be; absolute paths, equal where it is in its place already."""

    source: str
    target: str
    size: int
    """Bytes."""

    changed: int
    """When it was changed (mtime in ns), as it was found."""

    goes: Goes = Goes.NAMED
    reason: str = ""
    """Of a file for the trash: why."""


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One thing that has a name: a classic series, an Enhanced file, a PAR/REC pair, a NIfTI file with its sidecars."""

    name: str
    """``02_Resting``, ``02r3_Resting``."""

    kind: str
    """``classic``, ``Enhanced``, ``spectrum``, ``PAR/REC``, ``XML/REC``, ``NIfTI``."""

    place: str
    """The directory of a classic series; of the others the file, or what their names begin with."""

    files: tuple[PlannedFile, ...]

    @property
    def in_place(self) -> bool:
        """Whether there is nothing to do."""
        return all(file.source == file.target for file in self.files)


@dataclass(frozen=True, slots=True)
class Made:
    """A file that will be made: its place is free. ``data`` is asked for when its turn comes, and may raise."""

    target: str
    kind: str
    """``ExamCard``, ``page``, ``parameters``."""

    source: str
    data: Callable[[], bytes] = field(repr=False, compare=False)


class Folder(NamedTuple):
    """A directory that will be empty, or is, and where one like it stands in the trash; absolute paths."""

    source: str
    target: str


class Remark(NamedTuple):
    """Something that a person should look at: where the file or series will be, and half a sentence."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class DirectoryPlan:
    """All that will be done in one directory."""

    path: str
    """Absolute."""

    items: tuple[PlannedItem, ...] = ()
    extras: tuple[PlannedFile, ...] = ()
    trash: tuple[PlannedFile, ...] = ()
    folders: tuple[Folder, ...] = ()
    """Those below before those above."""

    touched: tuple[str, ...] = ()
    """Directories that stay, from which or into which files go."""

    made: tuple[Made, ...] = ()
    remarks: tuple[Remark, ...] = ()
    unknown: tuple[str, ...] = ()
    """Files that were not understood: nothing is done with them."""

    kept: tuple[str, ...] = ()
    """Files that nothing is done with although they were understood: what an earlier run has made, or a REC file
    without PAR, of which a remark says more."""

    left: tuple[LeftFile, ...] = ()
    """Files that could not be read, are still being written, or are broken DICOM: they stay."""

    trash_list: str = ""
    """Where the list of what is in this run's trash will be; empty where there is none."""

    @property
    def files(self) -> Iterator[PlannedFile]:
        """All files of the plan, those in their places included."""
        for item in self.items:
            yield from item.files
        yield from self.extras
        yield from self.trash


@dataclass(frozen=True, slots=True)
class CleanupPlan:
    """All that will be done. Nothing has been done yet."""

    options: CleanupOptions
    """With absolute paths."""

    directories: tuple[DirectoryPlan, ...]


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """What was done."""

    named: int = 0
    """Files that got their names or places as images."""

    extras: int = 0
    trashed: int = 0
    folders: int = 0
    """Empty directories taken away."""

    made: int = 0
    in_place: int = 0
    """Files that had their names before."""

    left: tuple[LeftFile, ...] = ()
    """What stayed by the plan or because the file system refused, each with its reason."""

    beside: tuple[tuple[str, str], ...] = ()
    """(planned, actual) paths of files that were put beside others."""

    files: tuple[tuple[str, str], ...] = ()
    """(source, place) of every file that was put somewhere."""

    unmade: tuple[Remark, ...] = ()
    """What could not be made of a raw file, and why."""

    journal: str = ""
    """The journal that undoes it; empty where nothing was done."""

    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Purged:
    """What ``--purge`` deleted, or would delete: files of earlier runs' trash, and their bytes."""

    files: int = 0
    size: int = 0
    runs: int = 0
    """Directories of runs that are gone."""

    kept: tuple[Remark, ...] = ()
    """What is in the trash and stays, because no run put it there, or it has been changed since."""
