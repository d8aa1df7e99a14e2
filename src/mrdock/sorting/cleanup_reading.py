"""What lies in a directory that dcmcleanup tidies: DICOM files with their headers, exports in other forms, the rest.

Read is the directory with all below it, except: ``extras`` and ``trash``, which are this program's own; whatever begins
with a dot; and directories that are somebody's data set or work tree (they hold ``dataset_description.json`` as BIDS
has it, or ``.git``), or a study in a dock's store. Links are not followed.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mrdock.dicom.scan import Private, Wanted
from mrdock.errors import PlaceError, StoppedError
from mrdock.files.names import printable
from mrdock.files.steps import HIDDEN
from mrdock.sorting import examining, wholeness
from mrdock.sorting.cleanup_plan import Cancelled, LeftFile, Progress
from mrdock.sorting.examining import Examined, Verdict, examined
from mrdock.sorting.finding import Entry
from mrdock.sorting.records import ImageRecord
from mrdock.sorting.settling import fresh, unsettled, wait

EXTRAS: Final = "extras"
TRASH: Final = "trash"
OURS: Final = frozenset({EXTRAS, TRASH})
_STORED: Final = ".mrdock-study"
"""In each directory of a study that a dock keeps: its index knows the files by their names."""

_NOT_OURS_TO_TIDY: Final = frozenset({"dataset_description.json", ".git", ".svn", ".hg", ".datalad", _STORED})

_IMG: Final = "Philips Imaging DD 001"
ACQUISITION: Final[Private] = (0x2001, 0x7B, _IMG)
RECONSTRUCTION: Final[Private] = (0x2001, 0x1D, _IMG)
MANUFACTURER: Final = 0x00080070
STEP_DATE: Final = 0x00400244
STEP_TIME: Final = 0x00400245
WANTED: Final = Wanted(
    (
        *examining.WANTED.vrs.items(),
        *wholeness.WANTED,
        (ACQUISITION, "IS"),
        (RECONSTRUCTION, "IS"),
        (MANUFACTURER, "LO"),
        (STEP_DATE, "DA"),
        (STEP_TIME, "TM"),
    )
)

_OTHER_FORMS: Final = (".par", ".rec", ".xml", ".nii", ".gz", ".json", ".bval", ".bvec", ".examcard", ".html", ".jsonl")
"""No DICOM by their names: they are not opened here."""

_JUNK: Final = re.compile(
    r"\.ds_store|\._.+|(eh)?thumbs\.db|desktop\.ini|~\$.+|\.~lock\..+#|\.?lock|.+\.lo?ck|.+\.(tmp|temp)"
    r"|.+\.(part|partial|filepart|crdownload)",
    re.IGNORECASE | re.DOTALL,
)
_UNFINISHED: Final = re.compile(r"(?P<name>.+)\.(tmp|temp|part|partial|filepart|crdownload)", re.IGNORECASE | re.DOTALL)
_LOCK: Final = re.compile(r".*lo?ck", re.IGNORECASE | re.DOTALL)
_LONGEST_LOCK: Final = 1024
"""Bytes: a lock file holds who locks; ``poetry.lock`` and the like are somebody's work."""

_OF_IMAGES: Final = re.compile(
    r"(im|ps|xx)_?[0-9]+|.+\.(dcm|dicom|ima|par|rec|xml|nii|nii\.gz|hdr|img|examcard)", re.IGNORECASE | re.DOTALL
)
_EVERY: Final = 64


@dataclass(slots=True)
class Listing:
    """One directory that was read: the names in it, and when it was changed (mtime in ns)."""

    names: set[str]
    changed: int


@dataclass(slots=True)
class Contents:
    """What a directory and those below it hold."""

    top: str
    records: list[ImageRecord] = field(default_factory=list)
    directories: list[Entry] = field(default_factory=list)
    """DICOMDIR files."""

    others: list[Entry] = field(default_factory=list)
    """No DICOM, and no junk."""

    junk: list[tuple[Entry, str]] = field(default_factory=list)
    """Lock and temporary files, with what they are."""

    left: list[LeftFile] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    """Links to files."""

    entries: dict[str, Entry] = field(default_factory=dict)
    """All files that were found, by path."""

    listings: dict[str, Listing] = field(default_factory=dict)
    """All directories that were read, by path, those above before those below."""


def read(
    top: str,
    *,
    settle: float = 0.0,
    jobs: int = 1,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Contents:
    """Read the headers of all files; wait once where some were touched less than ``settle`` seconds ago.

    Raises `PlaceError` where ``top`` cannot be read, and `StoppedError` when ``cancelled`` says so.
    """
    found = Contents(top)
    _list(found, cancelled)
    begin = time.time_ns()
    entries = list(found.entries.values())
    young = fresh([*entries, *_as_entries(found)], begin, settle)
    to_open = [entry for entry in entries if not entry.path.lower().endswith(_OTHER_FORMS)]
    found.others += [entry for entry in entries if entry.path.lower().endswith(_OTHER_FORMS)]
    for number, (entry, one) in enumerate(
        zip(to_open, examined([entry.path for entry in to_open], jobs, WANTED), strict=True)
    ):
        if number % _EVERY == 0:
            if cancelled and cancelled():
                raise StoppedError("stopped while headers were read")
            if progress:
                progress("reading", number, len(to_open))
        _sort_in(found, entry, one)
    if young:
        until = min(max(entry.changed for entry in young), begin) + int(settle * 1e9)
        wait(until, progress=progress, cancelled=cancelled)
        _leave(found, young)
    return found


def _list(found: Contents, cancelled: Cancelled | None) -> None:
    waiting = [found.top]
    while waiting:
        path = waiting.pop()
        if cancelled and cancelled():
            raise StoppedError("stopped while directories were read")
        try:
            with os.scandir(path) as scan:
                listed = sorted(scan, key=lambda entry: entry.name)
            changed = os.stat(path).st_mtime_ns
        except OSError as error:
            reason = error.strerror or str(error)
            if path == found.top:
                raise PlaceError(f"{printable(path)}: {reason}") from error
            found.left.append(LeftFile(path, reason))
            continue
        names = {entry.name for entry in listed}
        if _STORED in names and path == found.top:
            raise PlaceError(f"{printable(path)}: a study in the store of a dock, which keeps its names")
        if path != found.top and names & _NOT_OURS_TO_TIDY:
            continue
        found.listings[path] = Listing(names, changed)
        below = [entry.path for entry in listed if _take_in(found, entry)]
        waiting += below[::-1]


def _take_in(found: Contents, entry: os.DirEntry[str]) -> bool:
    """Note a file; whether it is a directory to be read."""
    name = entry.name
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        found.left.append(LeftFile(entry.path, error.strerror or str(error)))
        return False
    if stat.S_ISDIR(status.st_mode):
        return name[0] != "." and name.lower() not in OURS
    if stat.S_ISREG(status.st_mode) and not name.startswith(HIDDEN) and (name[0] != "." or _JUNK.fullmatch(name)):
        found.entries[entry.path] = Entry(entry.path, status.st_size, status.st_mtime_ns)
    elif stat.S_ISLNK(status.st_mode) and name[0] != ".":
        found.links.append(entry.path)
    return False


def _as_entries(found: Contents) -> list[Entry]:
    """Directories that hold nothing yet: somebody may be about to fill them."""
    empty = []
    for path, one in found.listings.items():
        with suppress(OSError):
            if not one.names:
                empty.append(Entry(path, os.lstat(path).st_size, one.changed))
    return empty


def _sort_in(found: Contents, entry: Entry, one: Examined) -> None:
    name = os.path.basename(entry.path)
    if one.header is not None:
        found.records.append(ImageRecord.of(entry.path, one.header))
    elif one.verdict is Verdict.DIRECTORY:
        found.directories.append(entry)
    elif one.verdict is Verdict.LEFT:
        found.left.append(LeftFile(entry.path, one.reason))
    elif _JUNK.fullmatch(name):
        _sort_junk(found, entry, name)
    elif one.verdict is Verdict.BAD:
        found.left.append(LeftFile(entry.path, f"no DICOM file that can be read: {one.reason}"))
    else:
        found.others.append(entry)


def _sort_junk(found: Contents, entry: Entry, name: str) -> None:
    """A transfer that was not finished is worthless only where the whole file is there, too."""
    if _LOCK.fullmatch(name) and entry.size > _LONGEST_LOCK:
        found.others.append(entry)
        return
    unfinished = _UNFINISHED.fullmatch(name)
    if unfinished and entry.size and _OF_IMAGES.fullmatch(unfinished["name"]):
        whole = os.path.join(os.path.dirname(entry.path), unfinished["name"])
        if whole not in found.entries or found.entries[whole].size < entry.size:
            found.left.append(LeftFile(entry.path, "a transfer that was not finished, and the whole file is not here"))
            return
    found.junk.append((entry, "a temporary file" if unfinished else "a lock file or one of the system's"))


def _leave(found: Contents, young: Sequence[Entry]) -> None:
    """Take out the files that are still being written, and directories that have changed."""
    changing = unsettled(young)
    for path in changing:
        if path in found.listings:  # no longer empty
            found.listings[path].names.add("")
    changing = {path: reason for path, reason in changing.items() if path not in found.listings}
    if not changing:
        return
    found.records = [record for record in found.records if record.path not in changing]
    found.directories = [entry for entry in found.directories if entry.path not in changing]
    found.others = [entry for entry in found.others if entry.path not in changing]
    found.junk = [item for item in found.junk if item[0].path not in changing]
    found.left = [file for file in found.left if file.path not in changing]
    found.left += [LeftFile(path, reason) for path, reason in changing.items()]
