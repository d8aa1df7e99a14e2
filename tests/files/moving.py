"""What the tests of moved files share: trees written down, runs with a journal, and runs that die at a given call."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

from mrdock.files import batch, durable, executor
from mrdock.files.executor import execute
from mrdock.files.journal import Journal, undo
from mrdock.files.steps import HIDDEN, Kind, Result, Step

Tree = dict[str, tuple[bytes, int, int] | None]
"""Content, time and mode of each file by its path; None for a directory."""

KILLED = 97


def tree(*roots: Path) -> Tree:
    found: Tree = {}
    for root in roots:
        for path in root.rglob("*"):
            status = path.lstat()
            key = os.fspath(path)
            if stat.S_ISDIR(status.st_mode):
                found[key] = None
            elif stat.S_ISLNK(status.st_mode):
                found[key] = (os.fsencode(os.readlink(path)), 0, stat.S_IFMT(status.st_mode))
            else:
                found[key] = (path.read_bytes(), status.st_mtime_ns, status.st_mode)
    return found


def contents(*roots: Path) -> list[bytes]:
    return sorted(entry[0] for entry in tree(*roots).values() if entry is not None)


def hidden(*roots: Path) -> list[str]:
    return [path for path in tree(*roots) if os.path.basename(path).startswith(HIDDEN)]


def move(source: Path, target: Path) -> Step:
    return Step(Kind.MOVE, os.fspath(source), os.fspath(target))


def copy(source: Path, target: Path) -> Step:
    return Step(Kind.COPY, os.fspath(source), os.fspath(target))


def write(target: Path, data: bytes) -> Step:
    return Step(Kind.WRITE, "", os.fspath(target), data)


def run(steps: Sequence[Step], **options: Any) -> tuple[list[Result], str]:
    """Do steps with a journal; what came of them, and where the journal is."""
    with Journal.create(None, ["test"], steps) as journal:
        return execute(steps, journal, **options), journal.path


def undone(path: str, **options: Any) -> list[Result]:
    return undo(Journal.read(path), **options)


def hows(results: Iterable[Result]) -> list[str]:
    return [result.how.value for result in results]


# ---- systems that lack something, and runs that die ----


def two_disks(one: Path, other: Path) -> Callable[[str, str], None]:
    """A `move_new` for which two directories are on different disks."""

    def disk(path: str) -> bool:
        return Path(path).is_relative_to(other)

    def move_new(source: str, target: str) -> None:
        if disk(source) != disk(target):
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), target)
        durable.move_new(source, target)

    return move_new


def apart(one: Path, other: Path) -> Any:
    """For a with block: these directories are on different disks."""
    rename = two_disks(one, other)
    return mock.patch.multiple(batch, move_new=rename), mock.patch.multiple(executor, move_new=rename)


_CALLS = ("open", "mkdir", "rmdir", "unlink", "rename", "link", "write", "fsync", "utime", "fchmod", "close")


def dies_at(number: int, work: Callable[[], object]) -> bool:
    """Do something in a process that ends, without any clean-up, before its call ``number`` that changes the disk.

    Returns whether it came to that.
    """
    pid = os.fork()
    if not pid:
        code = 1
        try:
            _count_down(number)
            work()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED), code
    return code == KILLED


def _count_down(number: int) -> None:
    left = number

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                os._exit(KILLED)
            left -= 1
            return function(*args, **kwargs)

        return wrapped

    for name in _CALLS:
        setattr(os, name, counted(getattr(os, name)))
    if durable._renameat2 is not None:
        with suppress(AttributeError):
            durable._renameat2 = counted(durable._renameat2)  # type: ignore[assignment]
