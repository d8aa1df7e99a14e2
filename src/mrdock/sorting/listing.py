"""What `dcmls` lists: directories in turn, their entries, and of DICOM files what their headers say."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from mrdock.dicom.reading import FileHeader, read_many
from mrdock.dicom.scan import Found, Key, Value, Wanted
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header
from mrdock.errors import DicomError, MalformedError, NotDicomError, PlaceError
from mrdock.files.walk import Directory, walk

Failed = Callable[[str, Exception], None]
"""Is told what could not be read, and why."""


SERIES_NUMBER: Final = 0x00200011


class Field(NamedTuple):
    """A value of the header that is listed: its key in CSV and JSON, its title, its tag and VR."""

    key: str
    title: str
    tag: int
    vr: str


FIELDS: Final = (
    Field("series_date", "Date", 0x00080021, "DA"),
    Field("series_time", "Time", 0x00080031, "TM"),
    Field("study_description", "Study", 0x00081030, "LO"),
    Field("series_description", "Series", 0x0008103E, "LO"),
    Field("patient_name", "Patient", 0x00100010, "PN"),
    Field("patient_id", "Patient ID", 0x00100020, "LO"),
    Field("protocol_name", "Protocol", 0x00181030, "LO"),
    Field("series_number", "No.", SERIES_NUMBER, "IS"),
    Field("performed_procedure_step_description", "Procedure step", 0x00400254, "LO"),
)
WANTED: Final = Wanted([(SPECIFIC_CHARACTER_SET, "CS"), *((field.tag, field.vr) for field in FIELDS)])


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Where to look: ``recurse`` into directories, ``hidden`` entries too, ``follow`` links to directories.

    ``jobs`` headers are read at once. ``no_dicom`` is told of each file that is no DICOM, and why.
    """

    recurse: bool = True
    hidden: bool = False
    follow: bool = False
    jobs: int = 1
    no_dicom: Failed | None = None


class Heading(NamedTuple):
    """A directory whose entries follow; ``names`` are theirs."""

    path: str
    names: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Listed:
    """One entry. ``status`` is from before its header was read, and that of a symbolic link itself.

    ``target`` is what a link says; ``found``, the values of the header, is None for what is no DICOM file; ``problem``
    says why a header was not read to its end.
    """

    path: str
    name: str
    status: os.stat_result
    target: str | None = None
    readable: bool = False  # a file, or a link to one, with something in it
    found: Found | None = None
    size: int = 0  # of the file, a link followed
    problem: str = ""

    @property
    def kind(self) -> str:
        """What it is: file, directory, link, fifo, socket or device."""
        return _KINDS.get(stat.S_IFMT(self.status.st_mode), "device")


_KINDS: Final = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def listing(
    paths: Iterable[str], failed: Failed, options: ListOptions = ListOptions(), wanted: Wanted = WANTED
) -> Iterator[Heading | Listed]:
    """The files among ``paths``, then its directories in turn, each with a heading, as ``ls -lR`` has them.

    A stream: an entry comes as soon as its header is read, and only the names of one directory are held. Nothing but
    regular files (symbolic links to them, too) is opened. What cannot be read, and each of ``paths`` that does not
    exist, is handed to ``failed``; a DICOM file that is broken comes with the values that stand before the break. An
    entry that goes while it is listed is left out.
    """
    waiting: deque[Heading | Listed] = deque()

    def to_read() -> Iterator[str]:
        for item in _found(paths, failed, options):
            waiting.append(item)
            if isinstance(item, Listed) and item.readable:
                yield item.path
            elif options.no_dicom and isinstance(item, Listed) and item.kind == "file":
                options.no_dicom(item.path, NotDicomError("no DICOM file: it is empty"))

    for _, outcome in read_many(to_read(), wanted, options.jobs):
        while waiting:
            item = waiting.popleft()
            if isinstance(item, Heading) or not item.readable:
                yield item
                continue
            if not isinstance(outcome, FileNotFoundError):
                _take(item, outcome, wanted, failed, options.no_dicom)
                yield item
            break
    yield from waiting


def _take(
    item: Listed,
    outcome: FileHeader | DicomError | OSError,
    wanted: Wanted,
    failed: Failed,
    no_dicom: Failed | None,
) -> None:
    """Put what reading the header brought into its entry."""
    if isinstance(outcome, FileHeader):
        item.found, item.size = outcome.found, outcome.size
    elif isinstance(outcome, NotDicomError):
        if no_dicom is not None:
            no_dicom(item.path, outcome)
    else:
        item.problem = str(outcome.strerror or outcome) if isinstance(outcome, OSError) else str(outcome)
        failed(item.path, outcome)
        if isinstance(outcome, MalformedError):
            item.found = before_the_break(item.path, wanted)


def before_the_break(path: str, wanted: Wanted) -> Found | None:
    """The wanted elements of a broken data set that stand before the break; None where there is no data set."""
    from mrdock.dicom.opening import open_data_set

    values: dict[Key, Value] = {}
    big_endian = False
    try:
        with open_data_set(path) as data_set:
            for element in data_set.walk(longest=wanted.longest):
                big_endian = element.big_endian
                if element.depth == 0 and element.tag in wanted.vrs:
                    values.setdefault(element.tag, Value(element.vr, element.raw))
    except (DicomError, OSError):
        pass
    return Found(values, big_endian) if values else None


def _found(paths: Iterable[str], failed: Failed, options: ListOptions) -> Iterator[Heading | Listed]:
    directories = []
    for path in paths:
        try:
            if os.path.isdir(path):
                directories.append(path)
            else:
                yield _entry(path, path, os.lstat(path))
        except FileNotFoundError:
            failed(path, PlaceError("there is no such file or directory"))
        except (OSError, ValueError) as error:
            failed(path, error)
    for path in directories:
        for directory in walk(path, failed, recurse=options.recurse, hidden=options.hidden, follow=options.follow):
            yield Heading(directory.path, tuple(entry.name for entry in directory.entries))
            yield from _entries(directory, failed)


def _entries(directory: Directory, failed: Failed) -> Iterator[Listed]:
    for entry in directory.entries:
        try:
            yield _entry(entry.path, entry.name, os.lstat(entry.path))
        except FileNotFoundError:
            continue
        except OSError as error:
            failed(entry.path, error)


def _entry(path: str, name: str, status: os.stat_result) -> Listed:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return Listed(path, name, status, readable=status.st_size > 0, size=status.st_size)
    if not stat.S_ISLNK(mode):
        return Listed(path, name, status)
    try:
        target = os.readlink(path)
    except OSError:
        target = "?"
    try:
        behind = os.stat(path)
    except OSError:  # it leads nowhere, or in a circle
        return Listed(path, name, status, target)
    readable = stat.S_ISREG(behind.st_mode) and behind.st_size > 0
    return Listed(path, name, status, target, readable, size=behind.st_size)


def date_text(text: str) -> str:
    """A date (DA, PS3.5 section 6.2) as 2019-05-02; anything else as it stands."""
    digits = text.replace(".", "") if len(text) == 10 else text  # ACR-NEMA wrote 2019.05.02
    if len(digits) == 8 and digits.isdecimal():
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"
    return text


def time_text(text: str) -> str:
    """A time (TM, PS3.5 section 6.2) as 09:15:33.12; anything else as it stands."""
    whole, dot, fraction = text.partition(".")
    if len(whole) in (2, 4, 6) and whole.isdecimal() and (not dot or fraction.isdecimal()):
        return ":".join(whole[i : i + 2] for i in range(0, len(whole), 2)) + dot + fraction
    return text


def values_of(found: Found) -> list[str]:
    """The texts of `FIELDS`, dates and times with their separators; empty where there is none."""
    header = Header(found)
    return [_FORMS.get(field.vr, str)(header.text(field.tag) or "") for field in FIELDS]


_FORMS: Final[dict[str, Callable[[str], str]]] = {"DA": date_text, "TM": time_text}
