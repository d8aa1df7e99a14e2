"""Copying images out of the store: copy, fsync, compare, rename without overwriting."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mrdock.dock.destination import inherit_group
from mrdock.dock.images import image_digest, same_image
from mrdock.files.durable import blocks, opened, rename_new, same_bytes, write_all


class SourceGoneError(FileNotFoundError):
    """The image is no longer in the store; a `FileNotFoundError` of any other kind is about the destination."""


def part_name(name: str, owner: str) -> str:
    """The name under which a file is copied; the same again after a crash, so that nothing is left lying about."""
    return f".{name[:200]}.{hashlib.sha256(owner.encode()).hexdigest()[:8]}.part"


def copy_image(
    name: str, *, source_dir: int, target_dir: int, owner: str, mode: int, made: list[str] | None = None
) -> str:
    """Copy a file durably, save for the directory's own entry, which the caller syncs once for many.

    Returns the name it has there. The same image under the name already is as good as copied; anything else is left
    alone and the file gets a name beside it. What is made, not found, is noted in ``made``. Raises `SourceGoneError`,
    `RouteTrouble` and `OSError`.
    """
    part = part_name(name, owner)
    with _source(name, source_dir) as source:
        if _same(name, source, target_dir):
            with suppress(OSError):  # what a crash between the two steps of `rename_new` left
                os.unlink(part, dir_fd=target_dir)
            return name
        target = _create(part, target_dir)
        try:
            try:
                for block in blocks(source):
                    write_all(target, block)
                inherit_group(target, target_dir)
                os.fchmod(target, mode)
                os.fsync(target)
                os.posix_fadvise(target, 0, 0, os.POSIX_FADV_DONTNEED)  # compare what the disk has, not the cache
                if not same_bytes(source, target):
                    raise OSError(errno.EIO, "the copy differs from its source")
            finally:
                os.close(target)
            return _settle(name, part, source, target_dir, [] if made is None else made)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=target_dir)
            raise


@contextmanager
def _source(name: str, directory: int) -> Iterator[int]:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    except FileNotFoundError as error:
        raise SourceGoneError(error.errno, error.strerror, name) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _create(part: str, directory: int) -> int:
    """A new file. What has its name is removed, not written to: it may be anybody's, and linked to anything."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(part, flags, 0o600, dir_fd=directory)
    except FileExistsError:
        os.unlink(part, dir_fd=directory)
        return os.open(part, flags, 0o600, dir_fd=directory)


def _settle(name: str, part: str, source: int, target_dir: int, made: list[str]) -> str:
    """Give the copy its name, or one beside it where that is taken by something else."""
    for beside in (False, True):
        candidate = f"{name}_{image_digest(source)}" if beside else name
        try:
            rename_new(part, candidate, source_dir=target_dir, target_dir=target_dir)
        except FileExistsError:
            if _same(candidate, source, target_dir):
                os.unlink(part, dir_fd=target_dir)
                return candidate
        else:
            made.append(candidate)
            return candidate
    raise FileExistsError(errno.EEXIST, "both names are taken by other files", name)


def _same(name: str, source: int, target_dir: int) -> bool:
    """Whether the name is there already with the same image.

    A link, anything but a file and a file that may not be read are something else. Raises `OSError`: a destination
    that cannot be read now may well have it.
    """
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=target_dir, follow_symlinks=False).st_mode):
            return False
        with opened(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, directory=target_dir) as other:
            return same_image(source, other)
    except (FileNotFoundError, PermissionError):
        return False
