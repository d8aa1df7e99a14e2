"""What real scanners and toolkits write beside the standard, and DCMTK takes: the scan takes it and finds its way."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from mrdock.dicom.scan import Wanted, scan
from mrdock.errors import MalformedError

from . import encoding
from .encoding import (
    ALL,
    BIG,
    CONTENT_SEQUENCE,
    EXPLICIT,
    IMPLICIT,
    UNDEFINED,
    Syntax,
    element,
    fragments,
    head,
    item,
    mark,
    sequence,
)

ROWS, NAME = 0x00280010, 0x00100010
CREATOR = "Philips MR Imaging DD 001"
PRIVATE = (0x2005, 0x12, CREATOR)
WANTED = Wanted([(ROWS, "US"), (NAME, "PN"), (PRIVATE, "CS")])

syntaxes = pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
explicit = pytest.mark.parametrize("syntax", [EXPLICIT, BIG], ids=["explicit", "big"])


def found_after(syntax: Syntax, data: bytes) -> None:
    """The data set is taken, and the element that follows ``data`` found."""
    whole = data + element(syntax, ROWS, "US", b"\4\0")
    assert scan(whole, syntax.uid, WANTED).values[ROWS].raw == b"\4\0"


@syntaxes
@pytest.mark.parametrize("count", [*range(1, 26), 511, 4096])
def test_zeros_after_the_last_element(syntax: Syntax, count: int) -> None:
    found_after(syntax, b"")
    data = element(syntax, ROWS, "US", b"\4\0") + bytes(count)
    assert scan(data, syntax.uid, WANTED).values[ROWS].raw == b"\4\0"
    pixels = element(syntax, encoding.PIXELS, "OW", bytes(32))
    assert not scan(pixels + bytes(count), syntax.uid, WANTED).values
    assert not scan(fragments(syntax, b"ab") + bytes(count), syntax.uid, WANTED).values


@syntaxes
def test_zeros_do_not_end_what_is_open(syntax: Syntax) -> None:
    start = head(syntax, CONTENT_SEQUENCE, "SQ", UNDEFINED)
    for opened in (
        start,
        start + mark(syntax, encoding.ITEM, UNDEFINED),
        head(syntax, encoding.PIXELS, "OB", UNDEFINED),
    ):
        for count in (4, 8, 20, 64):
            with pytest.raises(MalformedError):
                scan(opened + bytes(count), syntax.uid, WANTED)


@explicit
@pytest.mark.parametrize("vr", [b"??", b"  ", b"\0\0", b"--", b"pn", b"Pn", b"P1", b"P ", b"\xc3\xa4", b"\xff\xff"])
def test_what_is_no_vr_has_a_16_bit_length(syntax: Syntax, vr: bytes) -> None:
    odd = struct.pack(syntax.order + "HH2sH", 0x0010, 0x0010, vr, 4) + b"four"
    found_after(syntax, odd)
    for defined in (True, False):
        found_after(syntax, sequence(syntax, CONTENT_SEQUENCE, item(syntax, odd, defined=False), defined=defined))
    assert scan(odd, syntax.uid, WANTED).values[NAME] == ("PN", b"four"), "the VR is the one that was expected"


@explicit
@pytest.mark.parametrize("tag", [encoding.ITEM_END, encoding.SEQUENCE_END, encoding.ITEM, 0x00100010])
def test_a_sequence_that_says_its_length_may_hold_anything(syntax: Syntax, tag: int) -> None:
    inner = element(syntax, ROWS, "US", b"\7\7")
    other = IMPLICIT if syntax is EXPLICIT else EXPLICIT
    for content in (
        mark(syntax, tag) + inner,
        mark(syntax, tag, UNDEFINED),
        item(syntax, mark(syntax, tag) + inner),
        item(syntax, inner + mark(syntax, tag, 77)),
        item(syntax, element(other, tag, "LO", b"implicit") + element(other, ROWS, "US", b"\7\7")),
        element(syntax, NAME, "PN", b"four", 200),
        item(syntax, inner) + b"\0\0\0",
        bytes(11),
        b"\xff" * 33,
    ):
        odd = element(syntax, CONTENT_SEQUENCE, "SQ", content)
        found_after(syntax, odd)
        found_after(syntax, sequence(syntax, CONTENT_SEQUENCE, item(syntax, odd, defined=False), defined=False))


@syntaxes
@pytest.mark.parametrize("defined", [True, False])
def test_delimiters_after_what_says_its_length(syntax: Syntax, defined: bool) -> None:
    inner = element(syntax, NAME, "PN", b"four")
    item_end, sequence_end = mark(syntax, encoding.ITEM_END), mark(syntax, encoding.SEQUENCE_END)
    outside = item(syntax, inner) + item_end
    inside = item(syntax, inner + item_end)
    for content in (outside, inside, outside + inside + outside, item(syntax, item_end)):
        found_after(syntax, sequence(syntax, CONTENT_SEQUENCE, content, defined=defined))
    closed = element(syntax, CONTENT_SEQUENCE, "SQ", item(syntax, inner)) + sequence_end
    found_after(syntax, closed)
    found_after(syntax, sequence(syntax, CONTENT_SEQUENCE, item(syntax, closed, defined=defined), defined=defined))
    found_after(syntax, element(syntax, CONTENT_SEQUENCE, "SQ", item(syntax, inner) + sequence_end))


@syntaxes
def test_a_private_creator_of_any_length_costs_no_memory(syntax: Syntax) -> None:
    size = 32 << 20
    data = element(syntax, 0x20050010, "UT", CREATOR.encode() + b" " * size) + element(syntax, 0x20051012, "CS", b"A ")
    tracemalloc.start()
    try:
        found = scan(data, syntax.uid, WANTED)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not found.values
    assert peak < 1 << 20


@syntaxes
def test_a_private_creator_has_64_bytes_at_most(syntax: Syntax) -> None:
    for size, there in ((64, True), (65, False)):
        creator = element(syntax, 0x20050010, "LO", CREATOR.encode().ljust(size))
        found = scan(creator + element(syntax, 0x20051012, "CS", b"A "), syntax.uid, WANTED)
        assert (PRIVATE in found.values) is there
