"""A received image's name in its study's directory: given, durable, and told of."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mrdock.dock.images import image_digest, same_image
from mrdock.dock.store import StudyDirectory
from mrdock.files.durable import opened, rename_new

_SOMETHING_ELSE: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})


@dataclass(frozen=True, slots=True)
class Placed:
    """Where an image went, and what is to be synced before anybody is told.

    ``name`` is None where the same image stood there already, as ``same``; ``successes`` says how many syncs of the
    directory had succeeded before the image got its name.
    """

    directory: StudyDirectory
    name: str | None
    differs: bool
    successes: int
    ticket: int
    same: str = ""

    def sync(self) -> None:
        """Make the name durable; where that fails the image is gone, unless somebody may have been told of it.

        Where the same image was there already, whoever brought it may still be making it durable. Raises `OSError`.
        """
        entries = self.directory.entries
        try:
            entries.sync(self.ticket)
        except OSError:
            entries.take_back(self.successes, self._unlink)
            raise

    def _unlink(self) -> None:
        if self.name is not None:
            with suppress(OSError):
                os.unlink(self.name, dir_fd=self.directory.descriptor)

    def check(self) -> None:
        """After `sync`: whoever brought the same image may have taken it back, his own sync having failed.

        Raises `FileNotFoundError`.
        """
        if self.name is None:
            os.stat(self.same, dir_fd=self.directory.descriptor, follow_symlinks=False)

    @property
    def stands(self) -> bool:
        """Whether the image got its name and still has it."""
        return self.name is not None and os.access(
            self.name, os.F_OK, dir_fd=self.directory.descriptor, follow_symlinks=False
        )


def place(
    part: str, incoming: int, file: int, name: str, directory: StudyDirectory, sync: Callable[[], None]
) -> Placed:
    """Give the file ``part`` in ``incoming``, open as ``file``, its name; one beside it where something else has that.

    ``sync`` makes the file durable before it has a name. Raises `OSError`.
    """
    successes = directory.entries.successes
    for differs in (False, True):
        candidate = f"{name}_{image_digest(file)}" if differs else name
        if not os.access(candidate, os.F_OK, dir_fd=directory.descriptor, follow_symlinks=False):
            sync()
            with suppress(FileExistsError):  # another association was faster
                rename_new(part, candidate, source_dir=incoming, target_dir=directory.descriptor)
                return Placed(directory, candidate, differs, successes, directory.entries.ticket())
        if _is_same(candidate, directory, file):
            return Placed(directory, None, False, successes, directory.entries.ticket(), candidate)
    raise FileExistsError(errno.EEXIST, "both names are taken by other images", name)


def _is_same(name: str, directory: StudyDirectory, file: int) -> bool:
    """Whether the same image has this name; a pipe, a link or a directory is something else."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with opened(name, flags, directory=directory.descriptor) as other:
            return stat.S_ISREG(os.fstat(other).st_mode) and same_image(file, other)
    except OSError as error:
        if error.errno in _SOMETHING_ELSE:
            return False
        raise
