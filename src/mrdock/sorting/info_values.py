"""What dcminfo knows of one value of one file, and of the place where it found it."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final, NamedTuple

from mrdock.dicom.scan import Key
from mrdock.dicom.tags import name_of, number_of

_INTEGERS: Final = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
_DECIMALS: Final = frozenset({"DS", "FD", "FL"})
_NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")

Json = str | int | float | None | list["Json"] | dict[str, "Json"]


class Cell(NamedTuple):
    """One value of one file.

    ``text`` is what people read. ``frames`` holds the value of each frame where frames differ (None in it: the frame
    has none), else None.
    """

    text: str
    vr: str
    frames: tuple[str | None, ...] | None = None


class Place(NamedTuple):
    """One of several places of a tag: ``name`` has the way to it, as `label` shows it."""

    name: str
    key: Key


Where = Key | Place
"""What a column of the result is about: a tag wherever it was found first, or one place of it."""


def key_of(where: Where) -> Key:
    """The tag that stands there."""
    return where.key if isinstance(where, Place) else where


@lru_cache(maxsize=1 << 14)
def label(where: Where) -> str:
    """The name of a tag; of a place with the way to it: ``ReferencedImageSequence[2].ReferencedSOPInstanceUID``."""
    if isinstance(where, Place):
        return where.name
    return name_of(where)


@lru_cache(maxsize=1 << 14)  # files of one scan have the same places
def place(path: tuple[tuple[Key, int], ...], key: Key) -> Place:
    """The place of an element in nested sequences, written as `frames.FrameTable` does: ``[2]`` is a second item."""
    steps = (label(step) + (f"[{item + 1}]" if item else "") for step, item in path)
    return Place(".".join([*steps, label(key)]), key)


def number(where: Where) -> str:
    """The tag in digits; a private one as ``(2001,xx18)``: where its block stands is another matter in each file."""
    key = key_of(where)
    return f"({key[0]:04x},xx{key[1]:02x})" if isinstance(key, tuple) else number_of(key)


def tag_order(where: Where) -> tuple[int, str, int]:
    """By this tags are sorted: group, then standard and creator elements, then private ones by creator."""
    key = key_of(where)
    if isinstance(key, tuple):
        return key[0], key[2], key[1]
    return key >> 16, "", key & 0xFFFF


def json_of(cell: Cell | None) -> Json:
    """A value for programs: numbers as numbers, several values as a list, None where there is no such element."""
    if cell is None:
        return None
    if cell.frames is None:
        return _typed(cell.text, cell.vr)
    distinct = list(dict.fromkeys(cell.frames))
    return {"varying": len(distinct), "values": [None if text is None else _typed(text, cell.vr) for text in distinct]}


def _typed(text: str, vr: str) -> Json:
    if vr not in _INTEGERS and vr not in _DECIMALS:
        return text
    if not text:
        return ""
    values = [_number(part.strip(), vr) for part in text.split("\\")]
    return values[0] if len(values) == 1 else [*values]


def _number(text: str, vr: str) -> str | int | float:
    """A number that JSON knows, else the text itself."""
    if not _NUMBER.fullmatch(text):
        return text
    if vr in _INTEGERS and text.lstrip("+-").isdecimal():
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else text
