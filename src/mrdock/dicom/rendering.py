"""Values as text that a person reads, equal in value to what dcmdump prints (PS3.5 section 6.2)."""

from __future__ import annotations

import math
import struct
from typing import Final

from mrdock.dicom.elements import Element
from mrdock.dicom.scan import UNDEFINED, Value
from mrdock.dicom.values import decode_text

_NUMBERS: Final = {
    "US": "H",
    "SS": "h",
    "UL": "I",
    "SL": "i",
    "UV": "Q",
    "SV": "q",
    "FL": "f",
    "FD": "d",
}
_STREAMS: Final = frozenset({"OB", "OW", "UN", "OF", "OD", "OL", "OV"})
_WORDS: Final = {"OW": 2, "OF": 4, "OD": 8, "OL": 4, "OV": 8}
_ONE_TEXT: Final = frozenset({"ST", "LT", "UT", "UR"})  # a backslash is no separator there
_LONGEST_TEXT: Final = 16 << 10  # what `decode_text` decodes
_SHORT_STREAM: Final = 16
_CUT: Final = "..."
_LARGEST_SINGLE: Final = 3.4028234663852886e38


def text_of(element: Element) -> str:
    """The value as text; several values are joined by backslashes.

    Texts are decoded by their character set, numbers stand in the shortest form that reads back as the same number, AT
    as ``(gggg,eeee)``, binary values in hexadecimal or, above 16 bytes, by their length; empty for an empty value and
    for sequences and items. What is cut, because the element has only its beginning or more than 16 KiB of text, ends
    with ``...``. The text may have line ends and control characters.
    """
    if element.vr in ("SQ", ""):
        return ""
    if element.length == UNDEFINED:
        return "(compressed)"
    return _render(element.vr, element.raw, element.length, element.charset, element.big_endian)


def value_text(vr: str, raw: bytes, charset: bytes = b"", big_endian: bool = False) -> str:
    """As `text_of`, for the bytes of a whole value; ``charset`` is the value of Specific Character Set (0008,0005)."""
    return _render(vr, raw, len(raw), charset, big_endian)


def _render(vr: str, raw: bytes, length: int, charset: bytes, big_endian: bool) -> str:
    if vr in _STREAMS or (length and not raw):
        return _stream(vr, raw, length, big_endian)
    if vr == "AT" or vr in _NUMBERS:
        text = _tags(raw, big_endian) if vr == "AT" else _numbers(vr, raw, big_endian)
        return text if length <= len(raw) else f"{text}\\{_CUT}"
    text = decode_text(raw.rstrip(b" \0"), Value("CS", charset) if charset else None)
    if vr not in _ONE_TEXT:
        text = "\\".join(part.strip(" ") for part in text.split("\\"))
    return text if length <= min(len(raw), _LONGEST_TEXT) else text + _CUT


def _stream(vr: str, raw: bytes, length: int, big_endian: bool) -> str:
    """Binary data: bytes or words in hexadecimal where there are few."""
    if length > _SHORT_STREAM or length > len(raw):
        return f"({length} bytes)"
    size = _WORDS.get(vr, 1)
    words = [raw[at : at + size] for at in range(0, length, size)]
    return "\\".join((word if big_endian else word[::-1]).hex() for word in words)


def _tags(raw: bytes, big_endian: bool) -> str:
    if len(raw) % 4:
        return _stream("UN", raw, len(raw), big_endian)
    parts = struct.unpack(f"{'>' if big_endian else '<'}{len(raw) // 2}H", raw)
    return "\\".join(f"({group:04x},{element:04x})" for group, element in zip(parts[::2], parts[1::2], strict=True))


def _numbers(vr: str, raw: bytes, big_endian: bool) -> str:
    code = _NUMBERS[vr]
    form = f"{'>' if big_endian else '<'}{len(raw) // struct.calcsize(code)}{code}"
    if struct.calcsize(form) != len(raw):
        return _stream("UN", raw, len(raw), big_endian)
    shown = {"f": single_text, "d": _double}.get(code, str)
    return "\\".join(map(shown, struct.unpack(form, raw)))


def single_text(number: float) -> str:
    """The shortest digits that a 32-bit float reads back from."""
    if not math.isfinite(number):
        return str(number)
    for digits in range(6, 10):
        short = float(f"{number:.{digits}g}")
        if abs(short) <= _LARGEST_SINGLE and struct.unpack("<f", struct.pack("<f", short))[0] == number:
            return _double(short)
    return _double(number)


def _double(number: float) -> str:
    return repr(number).removesuffix(".0")
