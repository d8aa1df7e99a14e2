"""Where mrdock keeps what is its own between runs: journals and locks, private to the user."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from typing import Final

from mrdock.errors import PlaceError

JOURNALS: Final = "journals"
LOCKS: Final = "locks"


def state_directory(below: str = "") -> str:
    """The directory for mrdock's own state, or one ``below`` it; made with mode 0700 where it is missing.

    ``$XDG_STATE_HOME/mrdock`` or ``~/.local/state/mrdock``, on a Mac ``~/Library/Application Support/mrdock``, on
    Windows ``%LOCALAPPDATA%\\mrdock``. Raises `PlaceError`.
    """
    path = os.path.join(_base(sys.platform), "mrdock")
    make_private(path)
    if below:
        path = os.path.join(path, below)
        make_private(path)
    return path


def _base(platform: str) -> str:
    if platform == "win32":
        return _absolute("LOCALAPPDATA") or _below_home("AppData", "Local")
    if platform == "darwin":
        return _below_home("Library", "Application Support")
    return _absolute("XDG_STATE_HOME") or _below_home(".local", "state")


def _absolute(variable: str) -> str:
    """A directory from the environment; a relative one is passed over, as the XDG specification says."""
    value = os.environ.get(variable, "")
    return value if os.path.isabs(value) else ""


def _below_home(*parts: str) -> str:
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise PlaceError("the home directory is not known: set HOME, or XDG_STATE_HOME for mrdock's journals")
    return os.path.join(home, *parts)


def make_private(path: str) -> None:
    """Make a directory that only its user can look into, or close one to others. Raises `PlaceError`."""
    try:
        os.makedirs(path, 0o700, exist_ok=True)
        if hasattr(os, "geteuid"):
            status = os.stat(path)
            if stat.S_IMODE(status.st_mode) & 0o077 and status.st_uid == os.geteuid():
                with suppress(PermissionError):  # a file system without modes
                    os.chmod(path, 0o700)
    except OSError as error:
        raise PlaceError(f"{path}: no place for mrdock's journals and locks: {error.strerror or error}") from error
