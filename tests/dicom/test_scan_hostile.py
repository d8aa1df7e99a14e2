"""Data sets that are broken or meant to break: each is refused with a reason, none costs much (T11, T13)."""

from __future__ import annotations

import random
import struct

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
    PIXELS,
    UNDEFINED,
    Syntax,
    element,
    fragments,
    head,
    item,
    mark,
    nested,
    sequence,
)

ROWS, NAME = 0x00280010, 0x00100010
WANTED = Wanted([(ROWS, "US"), (NAME, "PN")])

syntaxes = pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])
explicit = pytest.mark.parametrize("syntax", [EXPLICIT, BIG], ids=["explicit", "big"])


def refused(data: bytes, syntax: Syntax, match: str = ".") -> None:
    with pytest.raises(MalformedError, match=match):
        scan(data, syntax.uid, WANTED)


def plain(syntax: Syntax) -> bytes:
    return element(syntax, NAME, "PN", b"Phantom^Agar") + element(syntax, ROWS, "US", b"\4\0")


@syntaxes
def test_pixel_data_cut_short(syntax: Syntax) -> None:
    whole = plain(syntax) + element(syntax, PIXELS, "OW", bytes(4096))
    scan(whole, syntax.uid, WANTED)
    refused(whole[:-2000], syntax, r"\(7fe0,0010\) is cut short: 4096 bytes announced, 2096 there")
    refused(whole[:-1], syntax, "cut short")


@syntaxes
def test_bytes_after_the_last_element(syntax: Syntax) -> None:
    for rest in (b"\1", b"\0\0\1", b"\x10\x00\x10\x00LO\0", bytes(9) + b"\1"):
        refused(plain(syntax) + rest, syntax, "middle of an element")
    refused(plain(syntax) + bytes(4095) + b"\1", syntax)


def test_a_long_length_that_is_not_there() -> None:
    refused(plain(EXPLICIT) + b"\xe0\x7f\x10\x00OW\0\0\0\0", EXPLICIT, "middle of an element")


@syntaxes
@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x80000000, 0x7FFFFFFF])
def test_an_element_of_gigabytes(syntax: Syntax, length: int) -> None:
    refused(plain(syntax) + element(syntax, 0x7FE10010, "OB", b"x" * 64, length), syntax, "cut short")


@syntaxes
def test_a_wanted_element_of_gigabytes_is_not_copied(syntax: Syntax) -> None:
    refused(element(syntax, NAME, "UT", b"x" * 64, 0xFFFFFFFE), syntax, r"\(0010,0010\) is cut short")


@syntaxes
def test_a_sequence_that_never_ends(syntax: Syntax) -> None:
    start = plain(syntax) + head(syntax, 0x7FE11010, "SQ", UNDEFINED)
    refused(start, syntax, "never ends")
    refused(start + mark(syntax, encoding.ITEM, UNDEFINED), syntax, "never ends")
    refused(start + mark(syntax, encoding.ITEM, UNDEFINED) + element(syntax, NAME, "PN", b"x "), syntax, "never ends")
    refused(start + item(syntax, b"", defined=False), syntax, "never ends")


@syntaxes
def test_encapsulated_pixel_data_that_never_ends(syntax: Syntax) -> None:
    start = plain(syntax) + head(syntax, PIXELS, "OB", UNDEFINED)
    refused(start, syntax, "never ends")
    refused(start + mark(syntax, encoding.ITEM, 0x7FFFFFF0) + b"y" * 64, syntax, "cut short or holds")
    refused(start + mark(syntax, encoding.ITEM, 4) + b"four", syntax, "never ends")
    refused(start + mark(syntax, encoding.ITEM, UNDEFINED) + b"four", syntax, "cut short or holds")
    refused(start + element(syntax, NAME, "PN", b"x "), syntax, "cut short or holds")


@explicit
@pytest.mark.parametrize("vr", ["UT", "UC", "OD", "SV", "ZZ"])
def test_an_undefined_length_where_none_may_be(syntax: Syntax, vr: str) -> None:
    data = struct.pack(syntax.order + "HH", 0x0008, 0x1030) + vr.encode() + b"\0\0\xff\xff\xff\xff"
    refused(data + mark(syntax, encoding.SEQUENCE_END), syntax, "cannot have an undefined length")


@explicit
@pytest.mark.parametrize("vr", [b"\0\0", b"pn", b"??", b"\xff\xff"])
def test_what_is_no_vr_has_a_length_all_the_same(syntax: Syntax, vr: bytes) -> None:
    data = struct.pack(syntax.order + "HH2sH", 0x0010, 0x0010, vr, 5) + b"four"
    refused(plain(syntax) + data, syntax, r"\(0010,0010\) is cut short: 5 bytes announced, 4 there")
    refused(sequence(syntax, CONTENT_SEQUENCE, item(syntax, data, defined=False), defined=False), syntax)


@explicit
def test_impossible_vrs_and_random_bytes(syntax: Syntax) -> None:
    """D45 of the abuse suite."""
    noise = random.Random(45)
    parts = [struct.pack(syntax.order + "HH2sH", 8, 0x16 + i, b"??", 0xFFFF) + noise.randbytes(20) for i in range(50)]
    refused(b"".join(parts), syntax)


@syntaxes
@pytest.mark.parametrize("tag", [encoding.ITEM, encoding.ITEM_END, encoding.SEQUENCE_END, 0xFFFE0000])
def test_items_and_delimiters_with_a_length_at_the_top_level(syntax: Syntax, tag: int) -> None:
    for length in (1, 8, 0x3F3F, 0x3F3F0000, UNDEFINED):
        refused(plain(syntax) + mark(syntax, tag, length) + bytes(8), syntax, "stands where an element should")
    if tag not in (encoding.ITEM_END, encoding.SEQUENCE_END):
        refused(plain(syntax) + mark(syntax, tag), syntax, "stands where an element should")
    refused(mark(syntax, tag) + plain(syntax), syntax, "begins with an item or a delimiter")


@syntaxes
def test_elements_without_an_item(syntax: Syntax) -> None:
    start = head(syntax, CONTENT_SEQUENCE, "SQ", UNDEFINED)
    refused(start + plain(syntax) + mark(syntax, encoding.SEQUENCE_END), syntax, "stands where an item should")
    refused(start + mark(syntax, encoding.ITEM_END, 2), syntax, "stands where an item should")
    refused(start + mark(syntax, encoding.ITEM_END), syntax, "never ends")


@syntaxes
def test_a_sequence_delimiter_where_the_item_was_to_end(syntax: Syntax) -> None:
    data = head(syntax, CONTENT_SEQUENCE, "SQ", UNDEFINED) + mark(syntax, encoding.ITEM, UNDEFINED)
    refused(data + mark(syntax, encoding.SEQUENCE_END) * 2, syntax)


@explicit
def test_lengths_that_lead_out_of_what_holds_them(syntax: Syntax) -> None:
    """Inside sequences of undefined length, where only the walk finds the end."""
    inner = element(syntax, NAME, "PN", b"four", 200)
    after = element(syntax, 0x7FE10010, "OB", bytes(400))
    for held, match in (
        (item(syntax, inner), "longer than the item"),
        (mark(syntax, encoding.ITEM, 0x7FFFFFFF) + plain(syntax), "an item is cut short"),
        (item(syntax, element(syntax, CONTENT_SEQUENCE, "SQ", b"", 300)), "cut short"),
        (
            item(syntax, head(syntax, PIXELS, "OB", UNDEFINED) + mark(syntax, encoding.ITEM, 300)),
            "cut short or holds",
        ),
    ):
        refused(sequence(syntax, CONTENT_SEQUENCE, held, defined=False) + after, syntax, match)


@explicit
def test_a_sequence_longer_than_the_data_set(syntax: Syntax) -> None:
    refused(element(syntax, CONTENT_SEQUENCE, "SQ", item(syntax, plain(syntax)), 300), syntax, "cut short")


@explicit
def test_an_item_whose_contents_end_beyond_it(syntax: Syntax) -> None:
    for content in (sequence(syntax, CONTENT_SEQUENCE, defined=False), fragments(syntax, b"ab")):
        for missing in range(1, 8):
            held = mark(syntax, encoding.ITEM, len(content) - missing) + content
            refused(sequence(syntax, CONTENT_SEQUENCE, held, defined=False), syntax)


@explicit
def test_nesting_is_refused_after_what_is_forgiven_too(syntax: Syntax) -> None:
    """A length can be believed; a reader that goes down every level cannot be saved by it."""
    stray = item(syntax, mark(syntax, encoding.ITEM_END) + nested(syntax, 64, defined=True))
    refused(element(syntax, CONTENT_SEQUENCE, "SQ", stray), syntax, "nested more than 64 deep")


@pytest.mark.parametrize("depth", [10_000, 100_000])
@pytest.mark.parametrize("defined", [True, False])
@explicit
def test_sequences_nested_without_measure(syntax: Syntax, defined: bool, depth: int) -> None:
    refused(plain(syntax) + nested(syntax, depth, defined=defined), syntax, r"more than \d+ deep")


def test_implicit_sequences_nested_without_measure() -> None:
    refused(plain(IMPLICIT) + nested(IMPLICIT, 100_000, defined=False), IMPLICIT, r"more than \d+ deep")


def test_unknown_sequences_nested_without_measure() -> None:
    start = head(EXPLICIT, 0x20051080, "UN", UNDEFINED) + mark(IMPLICIT, encoding.ITEM, UNDEFINED)
    refused(start + nested(IMPLICIT, 100_000, defined=False), EXPLICIT, r"more than \d+ deep")


def test_many_empty_items_are_only_counted() -> None:
    data = sequence(EXPLICIT, CONTENT_SEQUENCE, mark(EXPLICIT, encoding.ITEM) * 50_000, defined=False) + plain(EXPLICIT)
    assert scan(data, EXPLICIT.uid, WANTED).values[ROWS].raw == b"\4\0"


def test_a_transfer_syntax_that_is_none_is_read_as_explicit_little_endian() -> None:
    for uid in ("", "1.2.3", "1.2.840.10008.1.2.4.90", "\udcff"):
        assert scan(plain(EXPLICIT), uid, WANTED).values[ROWS].raw == b"\4\0"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT], ids=["explicit", "implicit"])
def test_a_data_set_in_another_syntax_than_announced(syntax: Syntax) -> None:
    other = IMPLICIT if syntax is EXPLICIT else EXPLICIT
    refused(plain(other) + element(other, PIXELS, "OW", bytes(32)), syntax)
    refused(plain(BIG) + element(BIG, PIXELS, "OW", bytes(32)), syntax)


def test_text_that_is_no_dicom() -> None:
    for text in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"%PDF-1.7\n" * 20, b"\x7fELF\2\1\1"):
        for syntax in ALL:
            refused(text, syntax)
