"""Raw element values as text and numbers (PS3.5 section 6.2)."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping

from mrdock.dicom.scan import Found, Key, Value

SPECIFIC_CHARACTER_SET = 0x00080005

_BINARY = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_DECIMAL = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


class Header:
    """The wanted elements of one data set, decoded on demand."""

    __slots__ = ("_big_endian", "_values")

    def __init__(self, found: Found) -> None:
        """Wrap what a scan found."""
        self._values: Mapping[Key, Value] = found.values
        self._big_endian = found.big_endian

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    def text(self, key: Key) -> str | None:
        """The value decoded by the data set's character set, padding stripped; values stay separated by backslashes.

        None where the element is absent or empty. Bytes that the character set does not know become U+FFFD.
        """
        value = self._values.get(key)
        if value is None:
            return None
        if value.vr in _BINARY:
            number = self.number(key)
            return None if number is None else str(number)
        text = decode_text(value.raw, self._values.get(SPECIFIC_CHARACTER_SET)).strip(" \0")
        return text or None

    def number(self, key: Key) -> int | float | None:
        """The first value as a number; None where the element is absent, empty or no number."""
        value = self._values.get(key)
        if value is None:
            return None
        code = _BINARY.get(value.vr)
        if code is not None:
            form = (">" if self._big_endian else "<") + code
            if len(value.raw) < struct.calcsize(form):
                return None
            number: int | float = struct.unpack_from(form, value.raw)[0]
            return number
        first = value.raw.split(b"\\")[0].strip(b" \0")
        if not _DECIMAL.fullmatch(first):
            return None
        decimal = float(first)
        if decimal in (math.inf, -math.inf):
            return None
        return int(decimal) if decimal.is_integer() else decimal

    def uid(self, key: Key) -> str:
        """The value as a UID, padding stripped, empty where absent; what is no UID comes as it is: check it."""
        value = self._values.get(key)
        return "" if value is None else value.raw.rstrip(b"\0 ").decode("latin-1")


def is_uid(text: str) -> bool:
    """Whether ``text`` is made of digits and dots as a UID is, in 64 characters at most (PS3.5 section 9.1).

    Leading zeros in a component break the standard but occur; they are let through.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def decode_text(raw: bytes, character_set: Value | None) -> str:
    """Decode ``raw`` by the value of Specific Character Set (0008,0005)."""
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    from pydicom.charset import convert_encodings, decode_bytes

    terms = [] if character_set is None else character_set.raw.decode("ascii", "replace").split("\\")
    names = [term.strip(" \0") for term in terms] or ["ISO_IR 6"]
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text: str = decode_bytes(raw, convert_encodings(names), {0x5C, 0x5E, 0x3D})
        except (LookupError, ValueError):
            text = raw.decode("latin-1")
    return text
