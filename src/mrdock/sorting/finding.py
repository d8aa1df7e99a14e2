"""Which files are the input of dcm_move: the source, its modality sub-directories, or all that lies below it.

Never read are the directory ``bad``, ``info`` files and journals, whatever begins with a dot (unfinished copies,
snapshots of file servers, what a Mac leaves on foreign disks), and what is no file. Links to files are named
separately; links to directories are not followed below the source.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from mrdock.errors import PlaceError
from mrdock.files.names import printable

MODALITIES: Final = ("MR", "CT", "US", "USMF", "CR", "NM", "SC")
"""The sub-directories of a source that are read without ``-R``."""

BAD: Final = "bad"
"""The directory of invalid files."""

INFO: Final = "info"
"""The name of a series' info file; with flat names its ending."""

JOURNAL_SUFFIX: Final = ".jsonl"


class Entry(NamedTuple):
    """One file as it was when it was found; ``size`` in bytes, ``changed`` in nanoseconds (mtime)."""

    path: str
    size: int
    changed: int


@dataclass(slots=True)
class Found:
    """The files in the order of their directories and names, the links to files, and what could not be read."""

    files: list[Entry] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    troubles: list[tuple[str, str]] = field(default_factory=list)
    """(path, reason) of directories and files below the source that cannot be read."""


def find(
    source: str, *, recursive: bool = False, modality: str = "", cancelled: Callable[[], bool] | None = None
) -> Found:
    """The input files of ``source``. Raises `PlaceError` where it, or the named modality in it, cannot be read.

    Stops early, with what it has, when ``cancelled`` says so.
    """
    top = os.path.join(source, modality) if modality else source
    found = Found()
    below = _one_directory(top, found, top_level=True)
    if recursive:
        waiting = below[::-1]
        while waiting and not (cancelled and cancelled()):
            waiting += _one_directory(waiting.pop(), found)[::-1]
    elif not modality:
        read = {os.path.realpath(top)}
        for name in MODALITIES:
            path = os.path.join(source, name)
            if os.path.isdir(path) and os.path.realpath(path) not in read:  # one may be a link to another
                read.add(os.path.realpath(path))
                _one_directory(path, found)
    return found


def _one_directory(path: str, found: Found, *, top_level: bool = False) -> list[str]:
    """Take in the files of one directory; return the directories in it that may be read too, by name."""
    below: list[str] = []
    try:
        with os.scandir(path) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = error.strerror or str(error)
        if top_level:
            raise PlaceError(f"{printable(path)}: {reason}") from error
        found.troubles.append((path, reason))
        return below
    for entry in listed:
        name = entry.name
        if name[0] == ".":
            continue
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            found.troubles.append((entry.path, error.strerror or str(error)))
            continue
        if stat.S_ISREG(status.st_mode):
            if not is_ours(name):
                found.files.append(Entry(entry.path, status.st_size, status.st_mtime_ns))
        elif stat.S_ISDIR(status.st_mode):
            if name != BAD:
                below.append(entry.path)
        elif stat.S_ISLNK(status.st_mode) and not is_ours(name) and os.path.isfile(entry.path):
            found.links.append(entry.path)
    return below


def is_ours(name: str) -> bool:
    """Whether a file of this name is an info file or a journal of ours, which is never read as input."""
    return name == INFO or name.endswith((f".{INFO}", JOURNAL_SUFFIX))
