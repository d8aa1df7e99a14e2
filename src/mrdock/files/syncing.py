"""Making many names and files durable at once.

One ``syncfs`` serves a whole file system where that is sound: on local Linux file systems, from kernel 5.8 on, which
report through it whatever could not be written since the descriptor was opened. Elsewhere an fsync of each.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from mrdock.files.copying import reason_of
from mrdock.files.durable import sync_names

FEW: Final = 16
"""So many files or directories are synced one by one: others may have much to write that one would wait for."""

_SOUND: Final = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994})  # ext, XFS, btrfs, f2fs, tmpfs


class WholeSync:
    """Syncs of all that was written to a file system since this was made, by one call, where that is sound."""

    def __init__(self, directory: str) -> None:
        """Be ready to sync the file system of a directory; `possible` says whether this is the way."""
        self._descriptor = -1
        if _syncfs is not None:
            with suppress(OSError):
                self._descriptor = os.open(directory, os.O_RDONLY)
        if self._descriptor >= 0 and _kind_of(self._descriptor) not in _SOUND:
            self.close()

    @property
    def possible(self) -> bool:
        """Whether one call makes everything durable here, and tells of what it could not."""
        return self._descriptor >= 0

    def sync(self) -> None:
        """Make everything durable. Raises `OSError`."""
        if _syncfs is not None and _syncfs(self._descriptor):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def close(self) -> None:
        """Let go of the file system."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _load(name: str) -> ctypes._FuncPointer | None:
    """A function of the C library, on kernels whose syncfs reports errors."""
    if sys.platform != "linux":
        return None
    try:
        release = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))
        return getattr(ctypes.CDLL(None, use_errno=True), name) if release >= (5, 8) else None
    except (OSError, AttributeError, TypeError, ValueError):
        return None


_syncfs = _load("syncfs")
_fstatfs = _load("fstatfs")


def _kind_of(descriptor: int) -> int:
    """The magic number of a file system (``f_type``, the first word of statfs(2))."""
    buffer = (ctypes.c_long * 64)()
    return int(buffer[0]) & 0xFFFFFFFF if _fstatfs is not None and not _fstatfs(descriptor, buffer) else 0


def numbers_last(directory: str) -> bool:
    """Whether a file is known to keep its number (``st_ino``) here when it is renamed, and from mount to mount.

    Not so on FAT, and not known of file systems in user space.
    """
    whole = WholeSync(directory)
    try:
        return whole.possible
    finally:
        whole.close()


def sync_directories(directories: Iterable[str]) -> dict[str, str]:
    """Make durable the names that directories hold; those that failed, with the reason. One that is gone has none."""
    return _sync(directories, sync_names)


def sync_files(paths: Iterable[str]) -> dict[str, str]:
    """Make files durable that somebody else may have written; those that failed, with the reason."""
    return _sync(paths, _sync_file)


def _sync(paths: Iterable[str], one: Callable[[str], None]) -> dict[str, str]:
    failed: dict[str, str] = {}
    for group in _by_device(paths):
        whole = WholeSync(group[0] if os.path.isdir(group[0]) else os.path.dirname(group[0]))
        try:
            if whole.possible and len(group) > FEW:
                whole.sync()
            else:
                for path in group:
                    failed |= _tried(one, path)
        except OSError as error:
            failed |= dict.fromkeys(group, reason_of(error))
        finally:
            whole.close()
    return failed


def _tried(one: Callable[[str], None], path: str) -> dict[str, str]:
    try:
        with suppress(FileNotFoundError):
            one(path)
    except OSError as error:
        return {path: reason_of(error)}
    return {}


def _by_device(paths: Iterable[str]) -> list[list[str]]:
    groups: dict[int, list[str]] = {}
    for path in paths:
        with suppress(OSError):
            groups.setdefault(os.stat(path).st_dev, []).append(path)
    return list(groups.values())


def _sync_file(path: str) -> None:
    """Fsync a file; Windows does that only for who may write."""
    descriptor = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
