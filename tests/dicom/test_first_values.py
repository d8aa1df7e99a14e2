"""The first elements of a data set, read without walking it: the same as the scan finds, or nothing."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.dicom.scan import Wanted, first_values, scan
from mrdock.errors import MalformedError

from .encoding import ALL, EXPLICIT, Syntax, element, head, mark

CLASS, INSTANCE = 0x00080016, 0x00080018
TAGS = (CLASS, INSTANCE)
WANTED = Wanted([(CLASS, "UI"), (INSTANCE, "UI")])
LAYOUTS = pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])


@LAYOUTS
def test_what_stands_at_the_beginning_is_read(syntax: Syntax) -> None:
    data = element(syntax, 0x00080005, "CS", b"ISO_IR 100") + element(syntax, 0x00080008, "CS", b"A\\B ")
    data += element(syntax, CLASS, "UI", b"1.2\0") + element(syntax, INSTANCE, "UI", b"1.2.3\0")
    rest = element(syntax, 0x00100010, "PN", b"cut short", 5000)
    assert first_values(data + rest, syntax.uid, TAGS) == {CLASS: b"1.2\0", INSTANCE: b"1.2.3\0"}
    assert first_values(b"before" + data, syntax.uid, TAGS, start=6) == {CLASS: b"1.2\0", INSTANCE: b"1.2.3\0"}
    assert first_values(rest + data, syntax.uid, TAGS) == {}


@LAYOUTS
def test_of_two_equal_elements_the_first_counts(syntax: Syntax) -> None:
    data = element(syntax, CLASS, "UI", b"1.1\0") + element(syntax, CLASS, "UI", b"1.2\0")
    data += element(syntax, INSTANCE, "UI", b"1.3\0")
    assert first_values(data, syntax.uid, TAGS)[CLASS] == scan(data, syntax.uid, WANTED).values[CLASS].raw == b"1.1\0"


@pytest.mark.parametrize("vr", [b"??", b"\xd5I", b"  ", b"\0\0"])
def test_what_is_no_vr_has_a_16_bit_length_here_too(vr: bytes) -> None:
    data = struct.pack("<HH2sH", 0x0008, 0x0016, vr, 4) + b"1.2\0" + element(EXPLICIT, INSTANCE, "UI", b"1.3\0")
    assert first_values(data, EXPLICIT.uid, TAGS) == {CLASS: b"1.2\0", INSTANCE: b"1.3\0"}


@LAYOUTS
def test_it_stops_at_what_it_cannot_pass(syntax: Syntax) -> None:
    first = element(syntax, CLASS, "UI", b"1.2\0")
    instance = element(syntax, INSTANCE, "UI", b"1.3\0")
    for between in (head(syntax, 0x00080017, "SQ", 0xFFFFFFFF), mark(syntax, 0xFFFEE000, 8), b"\x08\0"):
        assert first_values(first + between + instance, syntax.uid, TAGS) == {CLASS: b"1.2\0"}


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(ALL),
    st.lists(
        st.tuples(
            st.sampled_from([0x00080005, *TAGS, 0x00080020]), st.sampled_from(["UI", "LO", "OB", "UT"]), st.binary()
        ),
        max_size=6,
    ),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 255)), max_size=3),
)
def test_where_the_scan_gets_through_it_says_the_same(
    syntax: Syntax, elements: list[tuple[int, str, bytes]], changes: list[tuple[int, int]]
) -> None:
    data = bytearray(b"".join(element(syntax, *one) for one in elements))
    for where, byte in changes:
        if where < len(data):
            data[where] = byte
    first = first_values(data, syntax.uid, TAGS)
    try:
        found = scan(data, syntax.uid, WANTED).values
    except MalformedError:
        return
    for key, value in first.items():
        assert found[key].raw[:256] == value
