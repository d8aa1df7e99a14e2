"""Numbers and words of single values, against struct and Python's own reading."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.convert.par_values import Values, known, number_of, numbers_of, word_of
from mrdock.dicom.elements import Element


def element(vr: str, raw: bytes, big_endian: bool = False) -> Element:
    """An element at the top level."""
    return Element(0, 0x00180081, 0x00180081, vr, raw, len(raw), 0, (), b"", big_endian)


@given(
    st.lists(st.floats(width=32, allow_nan=False, min_value=-(2.0**99), max_value=2.0**99), max_size=4), st.booleans()
)
def test_binary_numbers_are_read_exactly(numbers: list[float], big: bool) -> None:
    raw = struct.pack(f"{'>' if big else '<'}{len(numbers)}f", *numbers)
    assert numbers_of("FL", raw, big) == tuple(numbers)
    assert numbers_of("FL", raw + b"\1\2", big) == tuple(numbers)  # a rest that is no number


@given(st.binary(max_size=200), st.sampled_from(["DS", "IS", "FL", "FD", "US", "SS", "UL", "SL", "CS", "UN", "LO"]))
def test_nothing_else_than_numbers_comes_back(raw: bytes, vr: str) -> None:
    for number in numbers_of(vr, raw):
        assert isinstance(number, float | int)
        assert math.isnan(number) or abs(number) < 1e30


@pytest.mark.parametrize("word", ["", "-", "abc", "1_0", "0x10", "9" * 400, "1.7e38", "7.23e75", "2147483647", "inf"])
def test_what_stands_for_none(word: str) -> None:
    assert math.isnan(number_of(word))


@pytest.mark.parametrize(("word", "number"), [("12", 12), (" -3.5 ", -3.5), ("1e-5", 1e-5), ("+7.", 7)])
def test_numbers_in_text(word: str, number: float) -> None:
    assert number_of(word) == number


def test_known() -> None:
    assert known(-0.0) == 0
    assert math.copysign(1, known(-0.0)) == -1
    assert math.isnan(known(-1.7e38))


def test_words() -> None:
    assert [word_of(text) for text in (" FFE ", "-", "", "A-B")] == ["FFE", "", "", "A-B"]


def test_values_take_the_first_that_is_there() -> None:
    values = Values({1: element("CS", b"- "), 2: element("CS", b"Y "), 3: element("FL", struct.pack("<2f", 5, 1.7e38))})
    assert values.text(9, 1, 2) == "Y"
    assert values.flag(1, 2) == 1
    assert values.flag(9) is None
    assert values.numbers(1, 3) == (5,)
    assert values.number(9, 3) == 5
    assert values.number(1) is None
