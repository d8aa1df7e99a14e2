"""Writes that survive a power cut, and renames that never overwrite.

The order is always the same: write under another name, fsync the file, rename, fsync the directory (Pillai et al.,
OSDI 2014: a rename is atomic, but durable only after both). All functions take directory descriptors, so that a path
cannot change under them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

_RENAME_NOREPLACE: Final = 1
_HERE: Final = -2 if sys.platform == "darwin" else -100  # AT_FDCWD
_NOT_SUPPORTED: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM})
_NO_SYNC: Final = _NOT_SUPPORTED | {errno.EACCES, errno.EROFS}
_BLOCK: Final = 1 << 20

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors of a disk that is full: it may have room again. Other failures to write may have lost data."""

_O_DIRECTORY: Final = getattr(os, "O_DIRECTORY", 0)
_O_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)


def _load_renameat2() -> ctypes._FuncPointer | None:
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


_renameat2 = _load_renameat2()


def rename_new(source: str, target: str, *, source_dir: int, target_dir: int) -> None:
    """Rename without ever replacing: raises `FileExistsError` where ``target`` exists.

    Uses ``renameat2(RENAME_NOREPLACE)``, where the file system lacks it a hard link, and where it lacks that too
    (FAT, some CIFS mounts) an empty file created exclusively that the rename then replaces.
    """
    if _renameat2 is not None:
        if _renameat2(source_dir, os.fsencode(source), target_dir, os.fsencode(target), _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in _NOT_SUPPORTED:
            raise OSError(code, os.strerror(code), target)
    try:
        os.link(source, target, src_dir_fd=source_dir, dst_dir_fd=target_dir, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        with opened(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, directory=target_dir) as descriptor:
            placeholder = os.fstat(descriptor)
        try:
            os.rename(source, target, src_dir_fd=source_dir, dst_dir_fd=target_dir)
        except BaseException:  # an interrupt may come when it is done already
            if os.path.samestat(os.lstat(target, dir_fd=target_dir), placeholder):
                os.unlink(target, dir_fd=target_dir)
            raise
    else:
        try:
            os.unlink(source, dir_fd=source_dir)
        except FileNotFoundError:
            return  # it is gone: a server that was asked twice says so
        except OSError:  # it could be linked, but not removed: another owner's in a sticky directory
            with suppress(OSError):
                os.unlink(target, dir_fd=target_dir)
            raise


def move_new(source: str, target: str) -> None:
    """`rename_new` of paths; Windows' own rename never replaces."""
    if os.name == "nt":
        os.rename(source, target)
    else:
        rename_new(source, target, source_dir=_HERE, target_dir=_HERE)


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write every byte of ``data``, however many calls that takes."""
    view = memoryview(data)
    while len(view):
        view = view[os.write(descriptor, view) :]


def begin_writing_out(descriptor: int, start: int = 0, length: int = 0) -> None:
    """Have the kernel begin to write a file's pages to disk, so that its fsync finds less to wait for.

    Only what was not synced yet, from ``start`` on (``length`` bytes, 0: to the end): of the rest it would forget what
    it has in memory.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_DONTNEED)


def write_whole(name: str, data: bytes, *, directory: int, mode: int = 0o640) -> None:
    """Put ``data`` under ``name`` in one step and durably, replacing what stood there."""
    beside = f".{name}.{os.getpid()}.{threading.get_ident()}.part"
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode, dir_fd=directory)
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from None
    try:
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(beside, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside, dir_fd=directory)
        raise
    os.fsync(directory)


def append_line(name: str, line: bytes, *, directory: int, mode: int = 0o640) -> None:
    """Append one line durably. A line that a crash cut short is ended first, so that it spoils no other."""
    descriptor = os.open(
        name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | _O_NOFOLLOW, mode, dir_fd=directory
    )
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        write_all(descriptor, line + b"\n")
        os.fsync(descriptor)
        if not size:
            os.fsync(directory)
    finally:
        os.close(descriptor)


@contextmanager
def opened(path: str, flags: int, *, directory: int | None = None, mode: int = 0o600) -> Iterator[int]:
    """A descriptor of ``path`` (below ``directory``, if given) for the length of a with block."""
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0), mode, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_directory(path: str, *, directory: int | None = None, follow: bool = False) -> int:
    """A descriptor of a directory; a link in the last place is refused unless ``follow``."""
    flags = os.O_RDONLY | _O_DIRECTORY | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags if follow else flags | _O_NOFOLLOW, dir_fd=directory)


def make_directories(path: str, mode: int) -> None:
    """Make a directory and the missing ones above it, each of them durable in its parent. Raises `OSError`."""
    parent = os.path.dirname(path)
    if os.path.isdir(path):
        sync_names(parent)
        return
    make_directories(parent, mode)
    os.mkdir(path)
    os.chmod(path, mode)
    with opened(parent, os.O_RDONLY | _O_DIRECTORY) as descriptor:
        os.fsync(descriptor)


def sync_names(path: str, *, directory: int | None = None) -> None:
    """Make durable what names a directory has: whoever made them may have been killed before he came to that.

    A directory that cannot be synced is passed over (it may not be read, or its file system knows no fsync): no name
    in it was made by us. Raises `OSError`.
    """
    try:
        with opened(path, os.O_RDONLY | _O_DIRECTORY, directory=directory) as descriptor:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def blocks(descriptor: int, start: int = 0) -> Iterator[bytes]:
    """The bytes of an open file from ``start`` on, in blocks."""
    while block := os.pread(descriptor, _BLOCK, start):
        start += len(block)
        yield block


def same_bytes(one: int, other: int, one_start: int = 0, other_start: int = 0) -> bool:
    """Whether two open files hold the same bytes from the given offsets on."""
    if os.fstat(one).st_size - one_start != os.fstat(other).st_size - other_start:
        return False
    for block in blocks(one, one_start):
        if os.pread(other, len(block), other_start) != block:
            return False
        one_start += len(block)
        other_start += len(block)
    return True


class SharedSync:
    """Directory syncs that callers share: one fsync serves all whose renames were done when it began.

    A caller that comes while a sync runs waits for the next one, which then serves all that wait (group commit). Who
    has several renames to make durable takes a `ticket` after each, and the first sync serves them all. A sync that
    fails fails for all whom it served, and, where the disk failed, for all who ask later: the kernel tells of lost data
    once, so a second fsync may claim success for what the first has lost.
    """

    def __init__(self, descriptor: int) -> None:
        """Sync the directory behind ``descriptor``, which stays the caller's to close."""
        self._descriptor = descriptor
        self._condition = threading.Condition()
        self._asked = 0
        self._served = 0
        self._running = False
        self._failures: dict[int, OSError] = {}
        self._lost: OSError | None = None
        self.successes = 0

    def ticket(self) -> int:
        """What to give to `sync` for everything that was done before this call."""
        with self._condition:
            self._asked += 1
            return self._asked

    def sync(self, ticket: int | None = None) -> None:
        """Return when an fsync that began after ``ticket`` was taken (by default: now) has succeeded.

        Raises `OSError` where it failed.
        """
        mine = self.ticket() if ticket is None else ticket
        with self._condition:
            while self._running and self._served < mine:
                self._condition.wait()
            failed = self._lost or self._failures.pop(mine, None)
            if failed is not None:
                raise OSError(failed.errno, failed.strerror)
            if self._served >= mine:
                return
            self._running = True
            first, last = self._served + 1, self._asked
        done, failure = False, None
        try:
            os.fsync(self._descriptor)
            done = True
        except OSError as error:
            failure = error
            raise
        finally:
            with self._condition:
                self._ended(done, failure, mine, range(first, last + 1))

    def take_back(self, successes: int, step: Callable[[], None]) -> None:
        """Take a step unless a sync has succeeded since there were ``successes``; none succeeds while it is taken."""
        with self._condition:
            if self.successes == successes:
                step()

    def _ended(self, done: bool, failure: OSError | None, mine: int, served: range) -> None:
        """Note how an fsync ended; one that was interrupted has served nobody, and who waits has one of its own."""
        if done:
            self.successes += 1
        elif failure is not None and failure.errno in NO_ROOM:
            self._failures.update({number: failure for number in served if number != mine})
        elif failure is not None:
            self._lost = failure
        if done or failure is not None:
            self._served = served[-1]
        self._running = False
        self._condition.notify_all()
