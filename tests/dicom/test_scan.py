"""What the header scan brings and what it refuses, case by case, on data sets written down byte by byte."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from mrdock.dicom.scan import Found, Key, Value, Wanted, scan
from mrdock.errors import MalformedError

from . import encoding
from .encoding import ALL, BIG, EXPLICIT, IMPLICIT, Syntax, element, fragments, head, item, mark, nested, sequence

CHARACTER_SET, SOP_CLASS, STUDY_DATE = 0x00080005, 0x00080016, 0x00080020
ROWS, SERIES = 0x00280010, 0x0020000E
PHILIPS = "Philips MR Imaging DD 001"
DYNAMIC: Key = (0x2005, 0x12, PHILIPS)

syntaxes = pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])


def look(syntax: Syntax, data: bytes, *wanted: tuple[Key, str], depth: int = 64, start: int = 0) -> Found:
    return scan(data, syntax.uid, Wanted(wanted), depth=depth, start=start)


@syntaxes
def test_an_empty_data_set_is_whole(syntax: Syntax) -> None:
    assert look(syntax, b"", (ROWS, "US")).values == {}


@syntaxes
def test_wanted_elements_come_with_vr_and_bytes(syntax: Syntax) -> None:
    data = (
        element(syntax, SOP_CLASS, "UI", b"1.2.840.10008.5.1.4.1.1.4\0")
        + element(syntax, STUDY_DATE, "DA", b"20240102")
        + element(syntax, ROWS, "US", b"\x10\x20")
    )
    found = look(syntax, data, (SOP_CLASS, "UI"), (ROWS, "US"))
    assert found.values == {SOP_CLASS: Value("UI", b"1.2.840.10008.5.1.4.1.1.4\0"), ROWS: Value("US", b"\x10\x20")}
    assert found.big_endian is (syntax is BIG)


def test_the_vr_of_the_data_set_counts_and_the_wanted_one_where_it_says_none() -> None:
    assert look(EXPLICIT, element(EXPLICIT, ROWS, "SS", b"\1\0"), (ROWS, "US")).values[ROWS].vr == "SS"
    assert look(IMPLICIT, element(IMPLICIT, ROWS, "SS", b"\1\0"), (ROWS, "US")).values[ROWS].vr == "US"
    assert look(EXPLICIT, element(EXPLICIT, ROWS, "UN", b"\1\0"), (ROWS, "US")).values[ROWS].vr == "US"


@pytest.mark.parametrize("vr", [*sorted(encoding.LONG_VRS - {"SQ"}), "UL", "AE", "AT", "PN", "ST"])
@pytest.mark.parametrize("syntax", [EXPLICIT, BIG], ids=["explicit", "big"])
def test_every_vr_has_its_form_of_length(syntax: Syntax, vr: str) -> None:
    data = element(syntax, 0x00091001, vr, b"four") + element(syntax, ROWS, "US", b"\1\2")
    assert look(syntax, data, (ROWS, "US")).values[ROWS].raw == b"\1\2"


@pytest.mark.parametrize("vr", ["ZZ", "QQ", "OX"])
def test_a_vr_that_the_standard_has_not_yet_has_a_long_length(vr: str) -> None:
    """PS3.5 section 7.1.2."""
    unknown = b"\x09\x00\x01\x10" + vr.encode() + b"\0\0\x04\0\0\0four"
    data = unknown + element(EXPLICIT, ROWS, "US", b"\1\2")
    assert look(EXPLICIT, data, (ROWS, "US")).values[ROWS].raw == b"\1\2"


@syntaxes
def test_the_first_of_two_equal_elements_counts(syntax: Syntax) -> None:
    data = element(syntax, ROWS, "US", b"\1\0") + element(syntax, ROWS, "US", b"\2\0")
    assert look(syntax, data, (ROWS, "US")).values[ROWS].raw == b"\1\0"


def test_elements_in_falling_order_are_found() -> None:
    data = element(EXPLICIT, ROWS, "US", b"\1\0") + element(EXPLICIT, STUDY_DATE, "DA", b"20240102")
    assert set(look(EXPLICIT, data, (ROWS, "US"), (STUDY_DATE, "DA")).values) == {ROWS, STUDY_DATE}


def test_a_long_value_is_cut_at_the_limit() -> None:
    data = element(EXPLICIT, SERIES, "UT", b"x" * 1000) + element(EXPLICIT, ROWS, "US", b"\1\0")
    found = scan(data, EXPLICIT.uid, Wanted([(SERIES, "UT"), (ROWS, "US")], longest=10))
    assert found.values == {SERIES: Value("UT", b"x" * 10), ROWS: Value("US", b"\1\0")}


@syntaxes
def test_elements_inside_sequences_are_not_those_of_the_top_level(syntax: Syntax) -> None:
    inner = item(syntax, element(syntax, ROWS, "US", b"\7\7"))
    for defined in (True, False):
        data = sequence(syntax, 0x00081140, inner, defined=defined)
        assert look(syntax, data, (ROWS, "US")).values == {}
        data += element(syntax, ROWS, "US", b"\1\0")
        assert look(syntax, data, (ROWS, "US")).values[ROWS].raw == b"\1\0"


@pytest.mark.parametrize("block", [0x10, 0x11, 0x80, 0xFF])
@syntaxes
def test_a_private_element_is_found_by_its_creator_in_any_block(syntax: Syntax, block: int) -> None:
    data = (
        element(syntax, 0x20050000 | block, "LO", PHILIPS.encode() + b" ")
        + element(syntax, 0x20050000 | block << 8 | 0x11, "CS", b"no")
        + element(syntax, 0x20050000 | block << 8 | 0x12, "CS", b"yes ")
    )
    assert look(syntax, data, (DYNAMIC, "CS")).values == {DYNAMIC: Value("CS", b"yes ")}


def test_private_elements_of_other_creators_groups_and_blocks_are_left() -> None:
    other = element(EXPLICIT, 0x20050010, "LO", b"Somebody Else ") + element(EXPLICIT, 0x20051012, "CS", b"no")
    group = element(EXPLICIT, 0x20070010, "LO", PHILIPS.encode()) + element(EXPLICIT, 0x20071012, "CS", b"no")
    nobody = element(EXPLICIT, 0x20051112, "CS", b"no")
    assert look(EXPLICIT, other + nobody + group, (DYNAMIC, "CS")).values == {}


def test_two_creators_in_one_group_keep_apart() -> None:
    second: Key = (0x2005, 0x12, "Philips MR Imaging DD 002")
    data = (
        element(EXPLICIT, 0x20050010, "LO", b"Philips MR Imaging DD 002 ")
        + element(EXPLICIT, 0x20050011, "LO", PHILIPS.encode() + b" ")
        + element(EXPLICIT, 0x20051012, "CS", b"B ")
        + element(EXPLICIT, 0x20051112, "CS", b"A ")
    )
    found = look(EXPLICIT, data, (DYNAMIC, "CS"), (second, "CS")).values
    assert found == {DYNAMIC: Value("CS", b"A "), second: Value("CS", b"B ")}


def test_a_creator_is_an_element_that_can_itself_be_wanted() -> None:
    creator = element(EXPLICIT, 0x20050010, "LO", PHILIPS.encode() + b" ")
    data = creator + element(EXPLICIT, 0x20051012, "CS", b"A ")
    found = look(EXPLICIT, data, (0x20050010, "LO"), (DYNAMIC, "CS")).values
    assert found[DYNAMIC] == Value("CS", b"A ")
    assert found[0x20050010] == Value("LO", PHILIPS.encode() + b" ")


def test_a_creator_inside_a_sequence_says_nothing_about_the_top_level() -> None:
    inside = item(EXPLICIT, element(EXPLICIT, 0x20050010, "LO", PHILIPS.encode()))
    data = sequence(EXPLICIT, 0x00081140, inside) + element(EXPLICIT, 0x20051012, "CS", b"no")
    assert look(EXPLICIT, data, (DYNAMIC, "CS")).values == {}


def test_one_wanted_table_serves_many_scans() -> None:
    """What one data set says about its blocks must not leak into the next."""
    wanted = Wanted([(DYNAMIC, "CS")])
    first = element(EXPLICIT, 0x20050010, "LO", PHILIPS.encode()) + element(EXPLICIT, 0x20051012, "CS", b"A ")
    second = element(EXPLICIT, 0x20050010, "LO", b"Somebody Else ") + element(EXPLICIT, 0x20051012, "CS", b"B ")
    assert scan(first, EXPLICIT.uid, wanted).values == {DYNAMIC: Value("CS", b"A ")}
    assert scan(second, EXPLICIT.uid, wanted).values == {}


@pytest.mark.parametrize("tag", [0x00020010, 0x00000100, 0x00020000])
@syntaxes
def test_a_data_set_that_begins_with_command_or_meta_elements_is_refused(syntax: Syntax, tag: int) -> None:
    with pytest.raises(MalformedError, match="group 0000 or 0002"):
        look(syntax, element(syntax, tag, "UI", b"1.2\0"))


@syntaxes
def test_undefined_and_defined_lengths_mix(syntax: Syntax) -> None:
    deep = sequence(syntax, 0x00081115, item(syntax, element(syntax, ROWS, "US", b"\1\1"), defined=False))
    both = item(syntax, deep, defined=False) + item(syntax, deep) + item(syntax, b"") + item(syntax, b"", defined=False)
    for defined in (True, False):
        data = sequence(syntax, 0x00081140, both, defined=defined) + element(syntax, ROWS, "US", b"\1\0")
        assert look(syntax, data, (ROWS, "US")).values[ROWS].raw == b"\1\0"


@pytest.mark.parametrize("syntax", [EXPLICIT, BIG], ids=["explicit", "big"])
def test_un_of_undefined_length_is_an_implicit_little_endian_sequence(syntax: Syntax) -> None:
    """PS3.5 section 6.2.2, note 4: whatever the transfer syntax is."""
    inner = mark(IMPLICIT, encoding.ITEM, encoding.UNDEFINED)
    inner += element(IMPLICIT, ROWS, "US", b"\1\0") + mark(IMPLICIT, encoding.ITEM_END)
    data = head(syntax, 0x20051080, "UN", encoding.UNDEFINED) + inner + mark(IMPLICIT, encoding.SEQUENCE_END)
    data += element(syntax, 0x7FE10010, "LO", b"after ")
    assert look(syntax, data, (0x7FE10010, "LO")).values[0x7FE10010].raw == b"after "


@pytest.mark.parametrize("vr", ["OB", "OW"])
@syntaxes
def test_encapsulated_pixel_data_is_passed_over(syntax: Syntax, vr: str) -> None:
    data = fragments(syntax, b"\xfe\xff\xdd\xe0not an end", b"", vr=vr) + element(syntax, 0xFFFCFFFC, "OB", b"\0\0")
    assert look(syntax, data, (0xFFFCFFFC, "OB")).values[0xFFFCFFFC].raw == b"\0\0"


@pytest.mark.parametrize("defined", [True, False])
def test_nesting_is_counted_and_bounded(defined: bool) -> None:
    for depth in (1, 2, 7, 64):
        look(EXPLICIT, nested(EXPLICIT, depth, defined=defined), depth=depth)
        with pytest.raises(MalformedError, match=r"more than \d+ deep"):
            look(EXPLICIT, nested(EXPLICIT, depth + 1, defined=defined), depth=depth)


def test_implicit_and_un_sequences_count_towards_the_nesting() -> None:
    with pytest.raises(MalformedError, match=r"more than \d+ deep"):
        look(IMPLICIT, nested(IMPLICIT, 65, defined=False))
    unknown = head(EXPLICIT, 0x20051080, "UN", encoding.UNDEFINED)
    one = unknown + mark(IMPLICIT, encoding.ITEM, encoding.UNDEFINED) + nested(IMPLICIT, 64, defined=False)
    one += mark(IMPLICIT, encoding.ITEM_END) + mark(IMPLICIT, encoding.SEQUENCE_END)
    with pytest.raises(MalformedError, match=r"more than \d+ deep"):
        look(EXPLICIT, one)
    look(EXPLICIT, one, depth=65)


def test_the_scan_starts_where_it_is_told() -> None:
    data = b"a preamble of any kind" + element(EXPLICIT, ROWS, "US", b"\1\0")
    assert look(EXPLICIT, data, (ROWS, "US"), start=22).values[ROWS].raw == b"\1\0"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_scanned(kind: type[bytes]) -> None:
    data = kind(element(EXPLICIT, ROWS, "US", b"\1\0"))
    assert look(EXPLICIT, data, (ROWS, "US")).values[ROWS] == Value("US", b"\1\0")


def test_a_mapped_file_can_be_scanned_and_closed(tmp_path: Path) -> None:
    """No view of the map may stay behind: a map with views cannot be closed."""
    path = tmp_path / "image"
    path.write_bytes(element(EXPLICIT, ROWS, "US", b"\1\0") + nested(EXPLICIT, 3, defined=False))
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        found = scan(mapped, EXPLICIT.uid, Wanted([(ROWS, "US")]))
    assert found.values[ROWS] == Value("US", b"\1\0")
