"""Raw element values as text and numbers (PS3.5 section 6.2)."""

from __future__ import annotations

import math
import re
import struct
import warnings
from collections.abc import Mapping
from typing import Final

from mrdock.dicom.scan import Found, Key, Value

SPECIFIC_CHARACTER_SET = 0x00080005

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")
_UID = re.compile(r"\.*[0-9][0-9.]*")
_LONGEST_NUMBER: Final = 64  # a DS has 16 characters; some writers do not count
_LONGEST_TEXT: Final = 16 << 10  # an LT has 10,240 characters
_MOST_ESCAPES: Final = 256

# The defined terms of PS3.3 section C.12.1.1.2, without "ISO_IR " or "ISO 2022 IR ", and the codecs by which pydicom
# finds escape sequences. A data set may name no other codec of Python: some take minutes, some give surrogates.
_LATIN_1: Final = "iso8859"
_CODECS: Final = {
    "6": _LATIN_1,
    "13": "shift_jis",
    "58": "iso_ir_58",
    "87": "iso2022_jp",
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso_ir_126",
    "127": "iso_ir_127",
    "138": "iso_ir_138",
    "144": "iso_ir_144",
    "148": "iso_ir_148",
    "149": "euc_kr",
    "159": "iso2022_jp_2",
    "166": "iso_ir_166",
    "192": "utf_8",
    "203": "iso8859_15",
    "UTF8": "utf_8",
    "GB18030": "gb18030",
    "GBK": "gbk",
}
_ALONE: Final = frozenset({"utf_8", "gb18030", "gbk"})  # PS3.5 section 6.1.2.5.4: not with code extensions
_TERM = re.compile(r"(?:ISO(?:2022)?(?:IR)?)?([A-Z0-9]+)")
_SPELLING = re.compile(r"[\s_-]+")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Header:
    """The wanted elements of one data set, decoded on demand."""

    __slots__ = ("_big_endian", "_values", "found")

    def __init__(self, found: Found) -> None:
        """Wrap what a scan found."""
        self.found = found
        self._values: Mapping[Key, Value] = found.values
        self._big_endian = found.big_endian

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def text(self, key: Key) -> str | None:
        """The value decoded by the data set's character set, padding stripped; values stay separated by backslashes.

        None where the element is absent or empty. Of a long value the beginning; what `decode_text` says holds.
        """
        value = self._values.get(key)
        if value is None:
            return None
        if value.vr in _BINARY:
            number = self.number(key)
            return None if number is None else str(number)
        raw = value.raw[:_LONGEST_TEXT].strip(b" \0")
        return decode_text(raw, self._values.get(SPECIFIC_CHARACTER_SET)).strip(" ") or None

    def number(self, key: Key) -> int | float | None:
        """The first value as a finite number; None where the element is absent, empty or none."""
        value = self._values.get(key)
        if value is None:
            return None
        code = _BINARY.get(value.vr)
        if code is not None:
            form = (">" if self._big_endian else "<") + code
            if len(value.raw) < struct.calcsize(form):
                return None
            number: int | float = struct.unpack_from(form, value.raw)[0]
            return number if math.isfinite(number) else None
        first = value.raw[: _LONGEST_NUMBER + 1].split(b"\\")[0]
        if len(first) > _LONGEST_NUMBER or not _DECIMAL.fullmatch(first.strip(b" \0")):
            return None
        decimal = float(first.strip(b" \0"))
        if not math.isfinite(decimal):
            return None
        return int(decimal) if decimal.is_integer() else decimal

    def uid(self, key: Key) -> str:
        """The value as a UID, blanks and zeros around it stripped, empty where absent; check it: it may be none."""
        value = self._values.get(key)
        return "" if value is None else value.raw.strip(b" \0").decode("latin-1")


def is_uid(text: str) -> bool:
    """Whether ``text`` can be a UID and part of a file name: 1 to 64 digits and dots, not dots alone.

    Leading zeros and empty components break the standard (PS3.5 section 9.1) but occur; they are let through.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def decode_text(raw: bytes, character_set: Value | None) -> str:
    """Decode the first 16 KiB of ``raw`` by the value of Specific Character Set (0008,0005).

    A character set that DICOM does not define is read as Latin-1. Bytes that the character set does not know, zeros and
    lone surrogates become U+FFFD: the text can be encoded as UTF-8 and stored in any database.
    """
    raw = raw[:_LONGEST_TEXT]
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        text = _decode(raw, _codecs(b"" if character_set is None else character_set.raw))
    return _UNSTORABLE.sub("\ufffd", text)


def _codecs(character_set: bytes) -> list[str]:
    """The codecs that Specific Character Set names, the first of them for text without escape sequences."""
    names = []
    for term in character_set[:256].decode("latin-1").strip(" \0").upper().split("\\"):
        known = _TERM.fullmatch(_SPELLING.sub("", term))
        names.append(_CODECS.get(known[1], _LATIN_1) if known else _LATIN_1)
    return names[:1] if names[0] in _ALONE else [name for name in names if name not in _ALONE]


def _decode(raw: bytes, codecs: list[str]) -> str:
    if raw.count(b"\x1b") > _MOST_ESCAPES:  # no text; each would cost a warning
        return raw.decode(codecs[0], "replace")
    from pydicom.charset import decode_bytes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text: str = decode_bytes(raw, codecs, {0x5C, 0x5E, 0x3D})
    return text
