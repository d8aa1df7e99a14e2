"""Texts from headers, made fit to be part of a file name on any system."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_SPECIAL: Final = re.compile(r'[/\\<>:"|?*\s]')
_RUN: Final = re.compile(r"_{2,}")
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
_EDGES: Final = " ._-~"
_BYTES_PER_CHAR: Final = 2


@lru_cache(maxsize=1 << 12)
def safe(text: str, longest: int = 64) -> str:
    """A text from a header as part of a file name, on any system; empty where nothing is left.

    Blanks, separators, characters that some system refuses, control characters, and those that stand for undecodable
    bytes become ``_``; the text is NFC, has no dot, blank, ``_``, ``-`` or ``~`` at its ends, is no device of Windows,
    and has at most ``longest`` characters and twice as many bytes in UTF-8.
    """
    text = _SPECIAL.sub("_", unicodedata.normalize("NFC", text))
    text = "".join("_" if c == "\ufffd" or unicodedata.category(c)[0] == "C" else c for c in text)
    text = _RUN.sub("_", text).strip(_EDGES)[:longest]
    while len(text.encode()) > _BYTES_PER_CHAR * longest:
        text = text[:-1]
    text = text.rstrip(_EDGES)
    device, dot, rest = text.partition(".")
    return f"{device}_{dot}{rest}" if _DEVICE.fullmatch(device.strip()) else text


def clash_key(name: str) -> str:
    """Equal for names that are one on some system, where neither case nor composition of characters counts."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
