"""Values of a data set as PAR files need them: numbers and words, with Philips' ways of saying that there is none."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Final

from mrdock.dicom.elements import Element
from mrdock.dicom.rendering import value_text
from mrdock.dicom.scan import Key
from mrdock.dicom.tags import folded

IMAGING: Final = "Philips Imaging DD 001"
MR: Final = "Philips MR Imaging DD 001"
MR_5: Final = "Philips MR Imaging DD 005"

ABSENT: Final = 1e30
"""Numbers from here on stand for none: Philips writes FL 1.7e38, FD 7.23e75 (release 5.1.1)."""

NO_INTEGER: Final = 2147483647
"""What an IS has for none."""

_BINARY: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_LONGEST: Final = 64


def known(number: float) -> float:
    """The number, NaN where it stands for none."""
    return number if abs(number) < ABSENT and number != NO_INTEGER else math.nan


def number_of(word: str) -> float:
    """A number in text, NaN for none: empty, ``-``, or no number at all."""
    if len(word) > _LONGEST or "_" in word:
        return math.nan
    try:
        return known(float(word))
    except ValueError:
        return math.nan


def numbers_of(vr: str, raw: bytes, big_endian: bool = False) -> tuple[float, ...]:
    """All numbers of a value, NaN for what stands for none."""
    code = _BINARY.get(vr)
    if code is not None:
        count = len(raw) // struct.calcsize(code)
        form = f"{'>' if big_endian else '<'}{count}{code}"
        return tuple(known(number) for number in struct.unpack_from(form, raw))
    return tuple(map(number_of, value_text(vr, raw).split("\\"))) if raw else ()


def word_of(text: str) -> str:
    """A text without blanks around it; empty where it stands for none."""
    text = text.strip()
    return "" if text == "-" else text


class Values:
    """The elements of one data set or item, by key; several keys are asked for in the order of preference."""

    def __init__(self, elements: Mapping[Key, Element]) -> None:
        """``elements`` are those of one level, their keys folded."""
        self._elements = elements

    def text(self, *keys: Key) -> str:
        """The first text that is there, empty for none."""
        for key in keys:
            element = self._elements.get(folded(key))
            if element is not None:
                text = word_of(value_text(element.vr, element.raw, element.charset, element.big_endian))
                if text:
                    return text
        return ""

    def numbers(self, *keys: Key) -> tuple[float, ...]:
        """All numbers of the first element that has any; those that stand for none are cut at the end of a list."""
        for key in keys:
            element = self._elements.get(folded(key))
            if element is not None:
                found = numbers_of(element.vr, element.raw, element.big_endian)
                while found and math.isnan(found[-1]):
                    found = found[:-1]
                if found and not any(map(math.isnan, found)):
                    return found
        return ()

    def number(self, *keys: Key) -> float | None:
        """The first number that is there."""
        return next(iter(self.numbers(*keys)), None)

    def flag(self, *keys: Key) -> int | None:
        """1 for Y or YES, 0 for N or NO, None for neither."""
        text = self.text(*keys).upper()
        return {"Y": 1, "YES": 1, "N": 0, "NO": 0}.get(text)
