"""Directories that a header names: the text ``#-#/data/lab/subj1`` in one of its fields, and what such a path may be.

Here and nowhere else, so that the dock's routes and dcm_move read the same text alike.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from typing import Final

TAG: Final = "#-#"
"""The mark before the path."""

_LONGEST_PATH: Final = 4096  # PATH_MAX of Linux

_NO_TEXT: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that no path should hold: controls, surrogates (bytes that are no text), ends of lines."""


def find_path(texts: Sequence[str | None], tag: str = TAG) -> str | None:
    """What follows the tag in the first text that holds it, to the end of that line, blanks stripped.

    No path has more than 4096 characters: what is longer is cut there.
    """
    for text in texts:
        if text and tag in text:
            return re.split(r"[\r\n\f]", text.split(tag, 1)[1], maxsplit=1)[0].strip()[:_LONGEST_PATH]
    return None


def canonical(path: str) -> str:
    """A path without empty parts and a slash at its end, so that two ways to write one path are one."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return "/" + "/".join(parts) if path.startswith("/") and parts else path


def check_text(path: str) -> str:
    """A path as the header wrote it, made canonical without looking at the disk.

    Raises `ValueError`, whose text says what is wrong.
    """
    if not path.startswith("/"):
        raise ValueError("the path is not absolute" if path else "no path follows the route tag")
    if any(char == "\ufffd" or unicodedata.category(char) in _NO_TEXT for char in path):
        raise ValueError("the path holds characters that no path should")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError("the path leads upwards (..)")
    if not parts or len(os.fsencode(path)) > 4095 or any(len(os.fsencode(part)) > 255 for part in parts):
        raise ValueError("the path is too long" if parts else "the path names no directory")
    return canonical(path)
