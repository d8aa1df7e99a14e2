"""Data sets that could not be identified: kept, since their sender may not have them a second time."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from mrdock.dock.store import FILE_MODE, QUARANTINE, Store
from mrdock.files.durable import rename_new, write_whole

_LOOK_AGAIN: Final = 60.0
_MOST_FILES: Final = 10_000
_NOTE: Final = 1024  # what the note and the meta information take, about
_STAMP: Final = "%Y%m%dT%H%M%S"
_NAME: Final = re.compile(r"\d{8}T\d{6}_.*\.(dcm|json)")


class Room:
    """How much the quarantine may still take; counts what this process puts there, and looks again now and then."""

    def __init__(self, store: Store) -> None:
        """Count what is in the quarantine of ``store``."""
        self._store = store
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._files = 0
        self._bytes = 0

    def take(self, size: int, limit: int) -> bool:
        """Whether ``size`` more bytes have room within ``limit``; they count as taken then. Raises `OSError`."""
        size += _NOTE
        with self._lock:
            if time.monotonic() - self._looked > _LOOK_AGAIN:
                sizes = [size for _, size in contents(self._store)]
                self._looked, self._files, self._bytes = time.monotonic(), len(sizes), sum(sizes)
            if self._bytes + size > limit or self._files >= _MOST_FILES:
                return False
            self._files += 1
            self._bytes += size
            return True


def contents(store: Store) -> Iterator[tuple[str, int]]:
    """The files in the quarantine and their sizes."""
    with os.scandir(store.quarantine) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat(follow_symlinks=False).st_size


def keep(store: Store, received: str, name: str, about: Mapping[str, str]) -> str:
    """Move a synced file from ``incoming`` into the quarantine, with a note of what is known of it beside it.

    Returns its place below the store's root. Raises `OSError`.
    """
    name = f"{time.strftime(_STAMP, time.gmtime())}_{name}"
    note = json.dumps(dict(about)).encode() + b"\n"
    write_whole(f"{name}.json", note, directory=store.quarantine, mode=FILE_MODE)
    rename_new(received, f"{name}.dcm", source_dir=store.incoming, target_dir=store.quarantine)
    os.fsync(store.quarantine)
    return f"{QUARANTINE}/{name}.dcm"


def old(store: Store, cutoff: float) -> list[str]:
    """The names of what was put into the quarantine before ``cutoff``, by the time in each name."""
    oldest = time.strftime(_STAMP, time.gmtime(cutoff))
    return sorted(name for name, _ in contents(store) if _NAME.match(name) and name < oldest)


def expire(store: Store, cutoff: float) -> int:
    """Delete what is `old`; returns how many files."""
    count = 0
    for name in old(store, cutoff):
        with suppress(OSError):
            os.unlink(name, dir_fd=store.quarantine)
            count += 1
    return count
