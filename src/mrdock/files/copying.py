"""Copies of files: data, times and modes to another name, made durable, and compared with the source.

A copy is read back at once and compared. It is still in memory then: that proves that the right bytes were handed to
the system, whose sync tells later that they are on disk. Where the source is to be removed, both files are compared
again after the sync, and the system is asked to forget the copy's pages first (Linux), so that they come from the disk.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from mrdock.files.durable import begin_writing_out, write_all

_BLOCK: Final = 1 << 20
_GROUP: Final = 64
_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_MAKE: Final = (
    os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)  # RDWR: Windows flushes nothing else
_NO_RANGE: Final = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY, errno.EBADF}
)
_SOUND: Final = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010, 0x01021994})  # ext, XFS, btrfs, f2fs, tmpfs

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a disk without room; the next file will find none either."""

CHANGED: Final = "changed since it was looked at"
DIFFERENT: Final = "the copy was not the same as the source"


class Copy(NamedTuple):
    """One file to copy: ``size`` and ``modified_ns`` are what the source has to have.

    ``exact``: owner, mode and extended attributes too, as far as we may, as of a moved file; otherwise the mode without
    what the umask forbids. ``restored``: a time (ns) and a mode to give instead of the source's.
    """

    source: str
    target: str
    size: int
    modified_ns: int
    exact: bool = False
    restored: tuple[int, int] | None = None


class Copied(NamedTuple):
    """What came of a copy: the time that the target has, or the reason why there is none."""

    modified_ns: int
    reason: str = ""
    code: int = 0


_NOT_TRIED: Final = Copied(0, "not tried", errno.EINTR)


class Pair(NamedTuple):
    """Two files to compare; ``from_disk``: the second as the disk has it, as far as that can be asked for."""

    source: str
    copy: str
    from_disk: bool = False


def copy_many(copies: Sequence[Copy], durable: bool, stopped: Callable[[], bool] | None = None) -> list[Copied]:
    """Copy files to names that are free; ``durable``: fsync each. One that fails leaves nothing under its name.

    A disk that is full ends it: the others are not tried. When ``stopped`` says so it ends, too.
    """
    done: list[Copied] = []
    size = _GROUP if durable else 1
    for start in range(0, len(copies), size):
        full = bool(done) and done[-1].code in FULL
        if full or (stopped is not None and stopped()):
            done += [done[-1] if full else _NOT_TRIED] * (len(copies) - len(done))
            break
        group = copies[start : start + size]
        done += _copy_group(group) if durable else [_copy(group[0])[0]]
    return done


def _copy_group(copies: Sequence[Copy]) -> list[Copied]:
    """Copy some files, have all of them written out, then make sure of each."""
    done: list[Copied] = []
    descriptors: list[int] = []
    try:
        for each in copies:
            copied, descriptor = _copy(each, keep=True)
            done.append(copied)
            descriptors.append(descriptor)
            if descriptor >= 0:
                begin_writing_out(descriptor)
        for number, descriptor in enumerate(descriptors):
            if descriptor >= 0:
                try:
                    os.fsync(descriptor)
                except OSError as error:
                    done[number] = _failed(error)
                    _remove(copies[number].target)
    finally:
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)
    return done


def _copy(each: Copy, keep: bool = False) -> tuple[Copied, int]:
    """Copy one file; with ``keep`` its descriptor stays open for the caller (-1 where it failed)."""
    try:
        source = os.open(each.source, _READ | (getattr(os, "O_NOFOLLOW", 0) if each.exact else 0))
    except OSError as error:
        return _failed(error), -1
    try:
        before = os.fstat(source)
        if not stat.S_ISREG(before.st_mode):
            return Copied(0, "not a regular file"), -1
        if (before.st_size, before.st_mtime_ns) != (each.size, each.modified_ns):
            return Copied(0, CHANGED), -1
        target = make_anew(each.target, stat.S_IMODE(before.st_mode) & 0o777)
    except OSError as error:
        return _failed(error), -1
    else:
        return _fill(each, source, target, before, keep)
    finally:
        os.close(source)


def _fill(each: Copy, source: int, target: int, before: os.stat_result, keep: bool) -> tuple[Copied, int]:
    """Give a new file the bytes and times of the source; ``target`` is closed unless it is kept."""
    kept = False
    try:
        count, block = _transfer(source, target, before.st_size)
        same = count == before.st_size and _reads_back(source, target, block, count)
        if count != before.st_size or os.fstat(source).st_mtime_ns != before.st_mtime_ns:
            _remove(each.target)
            return Copied(0, CHANGED), -1
        if not same:
            _remove(each.target)
            return Copied(0, DIFFERENT, errno.EIO), -1
        _give(each, source, target, before)
        copied = Copied(os.fstat(target).st_mtime_ns)
    except OSError as error:
        _remove(each.target)
        return _failed(error), -1
    else:
        kept = keep
        return copied, target if keep else -1
    finally:
        if not kept:
            os.close(target)


def make_anew(path: str, mode: int) -> int:
    """A descriptor of a new file under a hidden name of ours, in the place of what an earlier try left there."""
    try:
        return os.open(path, _MAKE, mode)
    except FileExistsError:
        os.unlink(path)
        return os.open(path, _MAKE, mode)


def _transfer(source: int, target: int, size: int) -> tuple[int, bytes]:
    """Copy all there is, within the kernel where it can (which shares blocks where the disk can).

    Returns how many bytes, and of a small file which.
    """
    done = 0
    if size > _BLOCK and hasattr(os, "copy_file_range"):
        try:
            while done < size and (count := os.copy_file_range(source, target, size - done)):
                done += count
        except OSError as error:
            if error.errno not in _NO_RANGE:
                raise
    while block := os.read(source, _BLOCK if done or size >= _BLOCK else size + 1):
        write_all(target, block)
        done += len(block)
        if done == size and size < _BLOCK:
            return done, block if done == len(block) else b""
    return done, b""


def _reads_back(source: int, target: int, block: bytes, size: int) -> bool:
    """Whether a new file has the bytes of its source: ``block``, where it is one."""
    os.lseek(target, 0, os.SEEK_SET)
    if block:
        return _reads(target, block)
    os.lseek(source, 0, os.SEEK_SET)
    return _same_bytes(source, target, size)


def _give(each: Copy, source: int, target: int, before: os.stat_result) -> None:
    """Owner, attributes, mode and times, the times last."""
    modified_ns, mode = each.restored or (before.st_mtime_ns, before.st_mode)
    if each.exact and hasattr(os, "fchown"):
        made = os.fstat(target)
        if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
            with suppress(OSError):
                os.fchown(target, before.st_uid, before.st_gid)
        _give_attributes(source, target)
    if (each.exact or each.restored) and hasattr(os, "fchmod"):
        with suppress(PermissionError):
            os.fchmod(target, stat.S_IMODE(mode))
    times = (before.st_atime_ns, modified_ns)
    os.utime(target if os.utime in os.supports_fd else each.target, ns=times)


def _give_attributes(source: int, target: int) -> None:
    if sys.platform == "linux":
        with suppress(OSError):  # a file system without them, or ones that only root may give
            for name in os.listxattr(source):
                os.setxattr(target, name, os.getxattr(source, name))


def compare_many(pairs: Sequence[Pair]) -> list[str]:
    """Compare files byte by byte: for each pair nothing, or the reason why they do not count as the same."""
    return [_compare(pair) for pair in pairs]


def _compare(pair: Pair) -> str:
    try:
        return "" if same_files(pair.source, pair.copy, from_disk=pair.from_disk) else DIFFERENT
    except OSError as error:
        return reason_of(error)


def same_files(one: str, other: str, *, from_disk: bool = False) -> bool:
    """Whether two paths hold the same bytes. Raises `OSError`."""
    first = os.open(one, _READ)
    try:
        second = os.open(other, _READ)
        try:
            size = os.fstat(first).st_size
            if size != os.fstat(second).st_size:
                return False
            if from_disk and hasattr(os, "posix_fadvise"):
                with suppress(OSError):
                    os.posix_fadvise(second, 0, 0, os.POSIX_FADV_DONTNEED)
            return _same_bytes(first, second, size)
        finally:
            os.close(second)
    finally:
        os.close(first)


def _same_bytes(first: int, second: int, size: int) -> bool:
    left = size
    while left > 0:
        block = os.read(first, min(left, _BLOCK))
        if not block or not _reads(second, block):
            return False
        left -= len(block)
    return True


def _reads(descriptor: int, expected: bytes) -> bool:
    """Whether an open file goes on with these bytes."""
    found = os.read(descriptor, len(expected))
    while len(found) < len(expected) and (more := os.read(descriptor, len(expected) - len(found))):
        found += more
    return found == expected


def reason_of(error: OSError) -> str:
    """An error of the file system as the end of a sentence."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _failed(error: OSError) -> Copied:
    return Copied(0, reason_of(error), error.errno or errno.EIO)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
