"""One run at a time on one tree: locks that the system frees when their holder dies."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mrdock.errors import BusyError, PlaceError
from mrdock.files.names import printable
from mrdock.files.state import LOCKS, state_directory

if TYPE_CHECKING:
    from filelock import BaseFileLock

_PATIENCE: Final = 10.0
"""Seconds to wait for somebody who is just looking who works where."""


@contextmanager
def only_one(*directories: str) -> Iterator[None]:
    """Keep the given trees to ourselves for the length of a with block.

    Trees count as one when their real paths are equal or one holds the other. The locks stand in the user's state
    directory, never among the images, so they are between the runs of one user on one home directory; what two users
    do at a time is safe as well (nothing is ever overwritten), but not refused. A holder that was killed holds nothing.
    Raises `BusyError`, which says who works there since when, and `PlaceError`.
    """
    folder = state_directory(LOCKS)
    wanted = sorted({os.path.realpath(directory) for directory in directories})
    with ExitStack() as held:
        with _locked(os.path.join(folder, "all.lock"), wait=_PATIENCE):
            _refuse_overlap(folder, wanted)
            for path in wanted:
                held.enter_context(_noted(folder, path))
        yield


def _refuse_overlap(folder: str, wanted: list[str]) -> None:
    """Raise `BusyError` where a living run works on one of these trees, above or below it; tidy up after dead ones."""
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        note = os.path.join(folder, name)
        try:
            with _locked(_lock_of(note)):
                pass
        except BusyError:
            who = _read(note)
            for path in wanted:
                if _overlap(path, who.get("path", "")):
                    raise BusyError(
                        f"{printable(path)}: another run of mrdock is at work here "
                        f"(process {who.get('pid', '?')}, since {who.get('since', '?')})"
                    ) from None
        else:
            with suppress(OSError):
                os.unlink(note)


def _overlap(one: str, other: str) -> bool:
    """Whether one real path is the other or lies below it."""
    one, other = os.path.join(os.path.normcase(one), ""), os.path.join(os.path.normcase(other), "")
    return one.startswith(other) or other.startswith(one)


@contextmanager
def _noted(folder: str, path: str) -> Iterator[None]:
    """Hold the lock of one tree, with a note that says who holds it."""
    note = os.path.join(folder, f"tree-{_key(path)}.json")
    with _locked(_lock_of(note)):
        who = {"path": path, "pid": os.getpid(), "since": datetime.now().astimezone().isoformat(" ", "seconds")}
        with open(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as stream:
            json.dump(who, stream)
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(note)


def _key(path: str) -> str:
    """What is the same for all ways to write one path."""
    return hashlib.sha256(os.fsencode(os.path.normcase(os.path.realpath(path)))).hexdigest()[:24]


def _lock_of(note: str) -> str:
    return f"{note.removesuffix('.json')}.lock"


def _read(note: str) -> dict[str, str]:
    try:
        with open(note, encoding="ascii") as stream:
            who = json.load(stream)
    except (OSError, ValueError):
        return {}
    return who if isinstance(who, dict) else {}


@contextmanager
def _locked(path: str, wait: float = 0) -> Iterator[BaseFileLock]:
    """Hold a lock file. Raises `BusyError` where somebody else does."""
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=wait, mode=0o600, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(f"{printable(path)}: another process holds this lock") from None
    except OSError as error:
        raise PlaceError(f"{printable(path)}: cannot be locked: {error.strerror or error}") from error
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def held_by_us(path: str) -> Iterator[None]:
    """Hold the lock of one file, such as a journal that is written. Raises `BusyError` where somebody else does."""
    lock = os.path.join(state_directory(LOCKS), f"file-{_key(path)}.lock")
    with _locked(lock):
        try:
            yield
        finally:
            if os.name != "nt":
                with suppress(OSError):
                    os.unlink(lock)
