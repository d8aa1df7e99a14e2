"""Text in columns: how wide a text stands on a terminal, padding, cutting, and widths that fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

from mrdock.files.names import printable

GAP: Final = "  "  # between columns; `cell` sees to it that none stands inside a cell
EMPTY: Final = "-"


def display_width(text: str) -> int:
    """How many columns of a terminal ``text`` takes: East Asian wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1  # UAX 11
        for c in text
    )


def cell(text: str | None) -> str:
    """A value of a header as a cell: fit for a terminal, single blanks inside, ``-`` where there is nothing."""
    if not text:
        return EMPTY
    if GAP in text or not text.isprintable():
        text = " ".join(part for part in printable(text).split(" ") if part)
    return text.strip(" ") or EMPTY


def pad(text: str, width: int, *, right: bool = False) -> str:
    """``text`` with blanks up to ``width`` columns, on its left where ``right``; a wider text stays as it is."""
    blanks = " " * (width - display_width(text))
    return blanks + text if right else text + blanks


def clip(text: str, width: int, mark: str = "…") -> str:
    """The beginning of ``text`` that fits into ``width`` columns, with ``mark`` at its end where it was cut."""
    if display_width(text) <= width:
        return text
    room, end = width - display_width(mark), 0
    while room > 0:
        room -= display_width(text[end])
        if room >= 0:
            end += 1
    return text[:end] + mark if width > 0 else ""


def narrowed(widths: Sequence[int], room: int, least: int = 1) -> list[int]:
    """Widths whose sum is at most ``room``: the widest columns give way first, none below ``least``.

    ``room`` is without the gaps. Where the ``least`` of every column is too much already, the sum is larger.
    """
    if sum(widths) <= room:
        return list(widths)
    low, high = 0, max(widths)  # the largest bound that fits
    while low < high:
        middle = (low + high + 1) // 2
        if sum(min(width, middle) for width in widths) <= room:
            low = middle
        else:
            high = middle - 1
    result = [min(width, max(low, least)) for width in widths]
    spare = room - sum(result)
    for i, width in enumerate(widths):
        if spare > 0 and result[i] < width:
            result[i] += 1
            spare -= 1
    return result
