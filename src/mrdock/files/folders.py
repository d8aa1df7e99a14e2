"""Directories that a run took away because they were empty, and how an undo brings them back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from contextlib import suppress

from mrdock.files.copying import reason_of
from mrdock.files.steps import Kind, Planned


class Folders:
    """The directories of a journal's `FOLDER` steps, as they are before an undo begins."""

    def __init__(self, planned: Iterable[Planned], left: Iterable[int], closed_ns: int) -> None:
        """``left``: steps that were not done; ``closed_ns``: when the run had come to its end, 0 where it had not."""
        here = set(left)
        folders = [item for item in planned if item.step.kind is Kind.FOLDER and item.size >= 0]
        self._items = [item for item in reversed(folders) if item.number not in here]  # those above first
        self._untouched = {
            item.number for item in self._items if not _is_back(item) and 0 <= _changed(item.step.source) <= closed_ns
        }

    def make(self) -> list[tuple[Planned, str]]:
        """Have those there again that are missing, before files come back into them; each with what went wrong."""
        return [(item, _made(item.step.source)) for item in self._items if not os.path.isdir(item.step.source)]

    def end(self) -> None:
        """Give them the modes and times that they had.

        One that stayed gets its time only where nobody has put anything into it since the run.
        """
        for item in self._items:
            source = item.step.source
            with suppress(OSError):
                if _is_back(item):
                    os.chmod(source, stat.S_IMODE(item.mode))
                if _is_back(item) or item.number in self._untouched:
                    os.utime(source, ns=(os.stat(source).st_atime_ns, item.modified_ns))


def _is_back(item: Planned) -> bool:
    """Whether it was to be taken away, rather than to stay."""
    return item.step.source != item.step.target


def _made(path: str) -> str:
    try:
        os.makedirs(path)
    except OSError as error:
        return f"{path}: {reason_of(error)}"
    return ""


def _changed(path: str) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return -1
