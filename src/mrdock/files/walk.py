"""Directories in turn, each with its entries by name, as ``ls -R`` goes: a stream, whatever the size of the tree."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Final, NamedTuple

Failed = Callable[[str, OSError], None]
"""Is told the path of a directory that cannot be read, and why."""

_QUIETLY: Final = getattr(os, "O_NOATIME", 0) and os.scandir in os.supports_fd
_READ: Final = os.O_RDONLY | getattr(os, "O_NOATIME", 0) | getattr(os, "O_DIRECTORY", 0)


class Entry(NamedTuple):
    """A name in a directory.

    ``is_directory`` is true for a link to one only where links are followed; ``is_file`` means a regular file, or a
    link to one: nothing that waits when it is opened.
    """

    name: str
    path: str
    is_directory: bool
    is_file: bool


class Directory(NamedTuple):
    """A directory and its entries in the order of their names (by code point)."""

    path: str
    entries: list[Entry]


def walk(
    root: str, failed: Failed, *, recurse: bool = True, hidden: bool = True, follow: bool = False
) -> Iterator[Directory]:
    """``root`` and the directories below it, each before those in it, neighbours in the order of their names.

    ``hidden``: entries whose names begin with a dot, too; ``follow``: also into directories that are symbolic links
    (``root`` itself may always be one), but into each directory only once. A directory that cannot be read is handed
    to ``failed`` and passed over; one below ``root`` that has gone since its name was read is left out. Paths are
    ``root`` and names joined; bytes that are no UTF-8 stand in them as lone surrogates (PEP 383). Where the system
    allows it the directories' access dates stay.
    """
    waiting, been = [root], set[tuple[int, int]]()
    while waiting:
        path = waiting.pop()
        try:
            if follow and not _first_visit(path, been):
                continue
            entries = _entries(path, hidden, follow)
        except OSError as error:
            if path == root or not isinstance(error, FileNotFoundError):
                failed(path, error)
            continue
        below = [entry.path for entry in entries if entry.is_directory] if recurse else []
        yield Directory(path, entries)
        waiting += reversed(below)


def _first_visit(path: str, been: set[tuple[int, int]]) -> bool:
    """Whether the directory was not seen under any path: links may lead to one in loops, and in many ways."""
    status = os.stat(path)
    identity = (status.st_dev, status.st_ino)
    if identity in been:
        return False
    been.add(identity)
    return True


def _entries(path: str, hidden: bool, follow: bool) -> list[Entry]:
    with _scanned(path) as scan:
        entries = [
            Entry(found.name, os.path.join(path, found.name), _is_directory(found, follow), _is_file(found))
            for found in scan
            if hidden or not found.name.startswith(".")
        ]
    entries.sort(key=attrgetter("name"))
    return entries


@contextmanager
def _scanned(path: str) -> Iterator[Iterator[os.DirEntry[str]]]:
    """The entries of a directory, its access date kept where that can be."""
    fd = _quiet_descriptor(path)
    try:
        with os.scandir(path if fd is None else fd) as scan:
            yield scan
    finally:
        if fd is not None:
            os.close(fd)


def _quiet_descriptor(path: str) -> int | None:
    if not _QUIETLY:
        return None
    try:
        return os.open(path, _READ)
    except PermissionError:  # only the owner may
        return None


def _is_directory(found: os.DirEntry[str], follow: bool) -> bool:
    try:
        return found.is_dir(follow_symlinks=follow)
    except OSError:  # a link in a circle
        return False


def _is_file(found: os.DirEntry[str]) -> bool:
    try:
        return found.is_file()
    except OSError:
        return False
