"""The names of owners and groups, each looked up once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


class Owners:
    """Owner and group of files as ``ls`` shows them: the number where the system knows no name."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._owners: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    def owner(self, path: str, status: os.stat_result) -> str:
        """The owner of ``path``, which has ``status``."""
        known = self._owners.get(status.st_uid)
        return known or _look_up(self._owners, status.st_uid, path, lambda found: found.st_uid, Path.owner)

    def group(self, path: str, status: os.stat_result) -> str:
        """The group of ``path``, which has ``status``."""
        known = self._groups.get(status.st_gid)
        return known or _look_up(self._groups, status.st_gid, path, lambda found: found.st_gid, Path.group)


def _look_up(
    names: dict[int, str],
    number: int,
    path: str,
    number_of: Callable[[os.stat_result], int],
    name_of: Callable[[Path], str],
) -> str:
    """The name of ``number``, remembered where ``path`` can tell it."""
    try:
        if number_of(os.stat(path)) != number:  # a link: pathlib tells whose the target is
            return str(number)
        name = name_of(Path(path))
    except OSError:  # gone, or the link leads nowhere: another file may tell
        return str(number)
    except (KeyError, NotImplementedError, ImportError):
        name = str(number)
    names[number] = name
    return name
