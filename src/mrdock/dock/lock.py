"""One dock a store: who holds it, and what the holder says of itself."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from mrdock.dock.store import FILE_MODE, Store
from mrdock.errors import BusyError
from mrdock.files.durable import opened

_LOCK_PATIENCE: Final = 5.0


@contextmanager
def exclusive(store: Store, who: str, patience: float = _LOCK_PATIENCE) -> Iterator[int]:
    """Hold the store for this process and its children; raises `BusyError` where another one has it.

    The lock is the kernel's (flock), so that it dies with its holders. A dock that was killed a moment ago may
    still be ending: it is waited for, ``patience`` seconds at most. ``who`` is what others are told.
    """
    descriptor = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE, dir_fd=store.private)
    try:
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                other = holder(store).get("who") or "another dock"
                raise BusyError(f"{store.root}: {other} is using this store")
            time.sleep(0.05)
        describe(descriptor, {"who": who, "pid": os.getpid()})
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def describe(lock: int, facts: Mapping[str, Any]) -> None:
    """Write into the lock's file who holds it."""
    data = json.dumps(dict(facts)).encode() + b"\n"
    os.ftruncate(lock, 0)
    os.pwrite(lock, data, 0)


def holder(store: Store) -> Mapping[str, Any]:
    """What the holder of the store says of itself; empty where nobody holds it."""
    try:
        with opened("lock", os.O_RDONLY, directory=store.private) as descriptor:
            if _try_lock(descriptor, fcntl.LOCK_SH):
                return {}
            facts = json.loads(os.pread(descriptor, 1 << 16, 0) or b"{}")
    except FileNotFoundError:
        return {}
    except ValueError:
        facts = {}
    return facts if isinstance(facts, dict) and facts else {"who": "another dock"}
