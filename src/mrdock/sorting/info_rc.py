"""``~/.dcminforc``: the tags and the width that a user wants instead of dcminfo's own.

A line says one thing: ``Tags <tag1> <tag2> ...`` or ``MaxWidth <number>``. Several lines with Tags add up. Empty lines
and lines that begin with ``#`` say nothing. Tags are written as everywhere (`mrdock.dicom.tags.parse`), or ``*``; the
quotes of a private creator hold its blanks together.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from mrdock.errors import SettingsError, TagError
from mrdock.files.names import printable
from mrdock.sorting.info_tags import Selection, select

_WORD: Final = re.compile(r'(?:"[^"]*"|[^\s"])+')
_LARGEST: Final = 1 << 20  # bytes; a file beyond that is none of ours
NARROWEST: Final = 40
WIDEST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the file says; None where it says nothing."""

    tags: Selection | None = None
    width: int | None = None


def rc_path() -> str | None:
    """Where the file is looked for; None for a user without a home."""
    path = os.path.expanduser(os.path.join("~", ".dcminforc"))
    return path if os.path.isabs(path) else None


def read_preferences(path: str | None) -> Preferences:
    """What the file says; nothing where there is none. Raises `SettingsError` with path and line, and OSError."""
    if path is None:
        return Preferences()
    try:
        with open(path, "rb") as stream:
            content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        return Preferences()
    if len(content) > _LARGEST:
        raise SettingsError(f"{printable(path)}: too large for a list of tags")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SettingsError(f"{printable(path)}: no UTF-8 text") from None
    return parse_preferences(text, path)


def parse_preferences(text: str, path: str) -> Preferences:
    """What the lines of ``text`` say; ``path`` is for the messages. Raises `SettingsError`."""
    tags: Selection | None = None
    width: int | None = None
    for number, line in enumerate(text.split("\n"), 1):
        words = _WORD.findall(line)
        if not words or words[0].startswith("#"):
            continue
        where = f"{printable(path)}, line {number}"
        try:
            if words[0].casefold() == "tags":
                tags = select(words[1:]).joined(tags)
            elif words[0].casefold() == "maxwidth":
                width = _width(words[1:], where)
            else:
                raise SettingsError(f"{where}: {printable(words[0])} is neither Tags nor MaxWidth")
        except TagError as error:
            raise SettingsError(f"{where}: {printable(str(error))}") from None
    return Preferences(tags, width)


def _width(words: list[str], where: str) -> int:
    if len(words) == 1 and words[0].isascii() and words[0].isdecimal() and len(words[0]) < 10:
        width = int(words[0])
        if NARROWEST <= width <= WIDEST:
            return width
    raise SettingsError(f"{where}: MaxWidth is one whole number from {NARROWEST} to {WIDEST}")
