"""Directories that files may go to: the destination, and those that headers name."""

from __future__ import annotations

import os

from mrdock.files.locations import check_text
from mrdock.files.names import printable


def usable(path: str) -> str:
    """A location as a directory that is there and can be written to and searched.

    Raises `ValueError`, whose text names the path and says what is wrong with it.
    """
    try:
        path = check_text(path)
    except ValueError as error:
        raise ValueError(f"{printable(path)}: {error}") from None
    trouble = unusable(path)
    if trouble:
        raise ValueError(f"{printable(path)}: {trouble}")
    return path


def unusable(directory: str) -> str:
    """Why nothing can be put into a directory; empty where it can: it can be written to and searched."""
    if not os.path.isdir(directory):
        return "is no directory" if os.path.lexists(directory) else "there is no such directory"
    if not os.access(directory, os.W_OK):
        return "the directory cannot be written to"
    if not os.access(directory, os.X_OK):
        return "the directory cannot be searched"
    return ""
