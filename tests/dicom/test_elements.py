"""The walk through every element: what it brings of right, odd and hostile data sets, and what it leaves alone."""

from __future__ import annotations

import os
import tracemalloc
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mrdock.dicom.elements import ITEM, PER_FRAME, UNREADABLE, Element, find, walk
from mrdock.dicom.opening import open_data_set
from mrdock.dicom.scan import UNDEFINED
from mrdock.errors import MalformedError, NotDicomError
from tests.builders import StudyIdentity, enhanced_mr, part10

from .encoding import (
    ALL,
    CONTENT_SEQUENCE,
    EXPLICIT,
    IMPLICIT,
    PIXELS,
    Syntax,
    element,
    fragments,
    head,
    item,
    mark,
    nested,
    sequence,
)

ECHO_TIME = 0x00180081
PATIENT_NAME = 0x00100010
CREATOR = "Philips MR Imaging DD 001"
SLOPE = (0x2005, 0x0E, CREATOR)

every_syntax = pytest.mark.parametrize("syntax", ALL, ids=["explicit", "implicit", "big"])


def walked(syntax: Syntax, data: bytes, *, frames: bool = False, items: bool = False) -> list[Element]:
    return list(walk(data, syntax.uid, frames=frames, items=items))


def summary(elements: list[Element]) -> list[tuple[int, object, str, bytes]]:
    return [(one.depth, one.key, one.vr, one.raw) for one in elements]


@every_syntax
@pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])
def test_nested_elements_come_after_their_sequence(syntax: Syntax, defined: bool) -> None:
    inner = element(syntax, ECHO_TIME, "DS", b"2.3 ")
    content = sequence(
        syntax, CONTENT_SEQUENCE, item(syntax, inner, defined=defined), item(syntax, b""), defined=defined
    )
    data = content + element(syntax, 0x00500010, "SQ", b"")
    found = walked(syntax, data, items=True)
    assert [(one.depth, one.tag) for one in found[:4]] == [
        (0, CONTENT_SEQUENCE),
        (0, ITEM),
        (1, ECHO_TIME),
        (0, ITEM),
    ]
    assert found[2].raw == b"2.3 "
    assert found[2].path == ((CONTENT_SEQUENCE, 0),)
    assert found[3].path == ((CONTENT_SEQUENCE, 1),)
    assert found[2].offset == data.index(b"2.3 ")
    assert found[0].length == (len(content) - found[0].offset if defined else UNDEFINED)
    assert [one.tag for one in walked(syntax, data)] == [one.tag for one in found if one.tag != ITEM]


@every_syntax
def test_private_elements_are_named_by_the_creator_of_their_own_item(syntax: Syntax) -> None:
    def block(number: int, creator: str) -> bytes:
        return element(syntax, 0x20050000 | number, "LO", creator.encode()) + element(
            syntax, 0x20050000 | number << 8 | 0x0E, "FL", b"\0\0\x80\x3f"
        )

    outer = sequence(syntax, CONTENT_SEQUENCE, item(syntax, block(0x20, "ANOTHER ")), item(syntax, b"")) + block(
        0x10, CREATOR
    )
    keys = [(one.depth, one.key) for one in walked(syntax, outer)]
    assert keys == [
        (0, CONTENT_SEQUENCE),
        (1, 0x20050020),
        (1, (0x2005, 0x0E, "ANOTHER")),
        (0, 0x20050010),
        (0, SLOPE),
    ]
    orphan = sequence(syntax, CONTENT_SEQUENCE, item(syntax, element(syntax, 0x2005100E, "FL", bytes(4))))
    assert walked(syntax, orphan)[1].key == 0x2005100E


def test_the_vr_of_implicit_elements_comes_from_the_dictionaries() -> None:
    data = (
        element(IMPLICIT, ECHO_TIME, "DS", b"2.3 ")
        + element(IMPLICIT, 0x00280103, "US", b"\1\0")
        + element(IMPLICIT, 0x00280106, "SS", b"\xff\xff")
        + element(IMPLICIT, 0x20050010, "LO", CREATOR.upper().encode() + b" ")
        + element(IMPLICIT, 0x2005100E, "FL", bytes(4))
        + element(IMPLICIT, 0x20051099, "XX", bytes(4))
    )
    assert [one.vr for one in walked(IMPLICIT, data)] == ["DS", "US", "SS", "LO", "FL", "CS"]


@pytest.mark.parametrize("inner", [IMPLICIT, EXPLICIT], ids=["implicit", "explicit"])
@pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])
def test_a_sequence_that_calls_itself_unknown(inner: Syntax, defined: bool) -> None:
    """Servers that do not know a private sequence keep it as UN (PS3.5 section 6.2.2)."""
    creator = element(EXPLICIT, 0x20050014, "LO", b"Philips MR Imaging DD 005 ")
    inside = item(inner, element(inner, ECHO_TIME, "DS", b"9 "), defined=defined)
    content = inside if defined else inside + mark(EXPLICIT, 0xFFFEE0DD)
    unknown = head(EXPLICIT, 0x2005140F, "UN", len(content) if defined else UNDEFINED) + content
    found = walked(EXPLICIT, creator + unknown)
    assert [(one.depth, one.vr, one.raw) for one in found[1:]] == [(0, "SQ", b""), (1, "DS", b"9 ")]


def test_items_in_implicit_vr_among_explicit_elements() -> None:
    data = sequence(EXPLICIT, CONTENT_SEQUENCE, item(IMPLICIT, element(IMPLICIT, ECHO_TIME, "DS", b"2.3 ")))
    assert summary(walked(EXPLICIT, data))[1] == (1, ECHO_TIME, "DS", b"2.3 ")


def test_the_character_set_holds_for_what_is_inside() -> None:
    name = element(EXPLICIT, PATIENT_NAME, "PN", b"X ")
    own = element(EXPLICIT, 0x00080005, "CS", b"ISO_IR 192")
    data = (
        element(EXPLICIT, 0x00080005, "CS", b"ISO_IR 100")
        + sequence(EXPLICIT, 0x00081140, item(EXPLICIT, own + name), item(EXPLICIT, name))
        + name
    )
    sets = [one.charset for one in walked(EXPLICIT, data) if one.tag == PATIENT_NAME]
    assert sets == [b"ISO_IR 192", b"ISO_IR 100", b"ISO_IR 100"]


@every_syntax
@pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])
def test_per_frame_groups_come_only_when_asked(syntax: Syntax, defined: bool) -> None:
    frame = item(syntax, element(syntax, ECHO_TIME, "DS", b"2 "), defined=defined)
    data = sequence(syntax, PER_FRAME, frame, frame, defined=defined)
    data += element(syntax, 0x7F000000, "UL", bytes(4))
    assert [one.tag for one in walked(syntax, data)] == [PER_FRAME, 0x7F000000]
    assert [one.tag for one in walked(syntax, data, frames=True)] == [PER_FRAME, ECHO_TIME, ECHO_TIME, 0x7F000000]


def test_of_pixel_data_only_the_place_comes() -> None:
    (plain,) = walked(EXPLICIT, element(EXPLICIT, PIXELS, "OW", bytes(64)))
    assert (plain.raw, plain.length, plain.offset) == (b"", 64, 12)
    (packed,) = walked(EXPLICIT, fragments(EXPLICIT, b"12", b"3456"))
    assert (packed.vr, packed.raw, packed.length) == ("OB", b"", UNDEFINED)


def test_a_large_file_is_not_taken_into_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.dcm"
    size = 1 << 30
    blob = element(EXPLICIT, 0x00420011, "OB", b"", length=size // 2)
    file.write_bytes(blob)
    pixels = element(EXPLICIT, PIXELS, "OW", b"", length=size)
    with file.open("r+b") as stream:
        stream.seek(len(blob) + size // 2)
        stream.write(pixels)
        stream.truncate(len(blob) + size // 2 + len(pixels) + size)
    fd = os.open(file, os.O_RDONLY)
    with mmap(fd, 0, access=ACCESS_READ) as data:
        os.close(fd)
        tracemalloc.start()
        found = list(walk(data, EXPLICIT.uid))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert [(one.length, len(one.raw)) for one in found] == [(size // 2, 1 << 16), (size, 0)]
    assert peak < 1 << 20


def test_the_first_elements_come_before_the_rest_is_looked_at() -> None:
    elements = walk(element(EXPLICIT, ECHO_TIME, "DS", b"2 ") + b"what is no element", EXPLICIT.uid)
    assert next(elements).raw == b"2 "
    with pytest.raises(MalformedError, match="is cut short"):
        list(elements)


@every_syntax
def test_of_a_sequence_that_is_cut_comes_what_is_there(syntax: Syntax) -> None:
    inner = element(syntax, ECHO_TIME, "DS", b"2 ") + element(syntax, 0x00180082, "DS", b"long ago")
    data = sequence(syntax, CONTENT_SEQUENCE, item(syntax, inner))[:-4]
    elements: list[Element] = []
    with pytest.raises(MalformedError, match=r"\(0040,a730\) is cut short"):
        elements.extend(walk(data, syntax.uid))  # extend keeps what came before the error
    assert [one.tag for one in elements] == [CONTENT_SEQUENCE, ECHO_TIME]


@every_syntax
def test_what_a_defined_length_forgives_is_told_with_the_items(syntax: Syntax) -> None:
    good = element(syntax, ECHO_TIME, "DS", b"2 ")
    inside = item(syntax, good) + b"no item at all!!"
    data = element(syntax, CONTENT_SEQUENCE, "SQ", inside) + element(syntax, 0x7F000000, "UL", bytes(4))
    assert [one.tag for one in walked(syntax, data)] == [CONTENT_SEQUENCE, ECHO_TIME, 0x7F000000]
    told = [one for one in walked(syntax, data, items=True) if one.tag == UNREADABLE]
    assert [(one.depth, b"where an item should" in one.raw) for one in told] == [(1, True)]


@every_syntax
@pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])
def test_nesting_is_bounded(syntax: Syntax, defined: bool) -> None:
    assert len(walked(syntax, nested(syntax, 64, defined=defined))) == 64
    with pytest.raises(MalformedError, match="more than 64 deep"):
        walked(syntax, nested(syntax, 65, defined=defined))
    with pytest.raises(MalformedError, match="more than 64 deep"):
        walked(syntax, nested(syntax, 3000, defined=False))


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (element(EXPLICIT, 0x00020010, "UI", b"1.2\0"), "group 0000 or 0002"),
        (mark(EXPLICIT, 0xFFFEE000), "an item or a delimiter"),
        (element(EXPLICIT, ECHO_TIME, "DS", b"2 ") + b"rest", "in the middle"),
        (element(EXPLICIT, ECHO_TIME, "DS", b"2 ") + b"\x20\0\x11\0OB\0\0", "in the middle"),
        (head(EXPLICIT, CONTENT_SEQUENCE, "SQ", UNDEFINED), "never ends"),
        (head(EXPLICIT, CONTENT_SEQUENCE, "SQ", UNDEFINED) + mark(EXPLICIT, ITEM, UNDEFINED), "never ends"),
        (head(EXPLICIT, CONTENT_SEQUENCE, "SQ", UNDEFINED) + mark(EXPLICIT, ITEM, 99) + bytes(8), "cut short"),
        (head(EXPLICIT, 0x00081140, "UT", UNDEFINED), "cannot have an undefined length"),
        (element(EXPLICIT, ECHO_TIME, "DS", b"2 ") + mark(EXPLICIT, ITEM), "stands where an element should"),
    ],
)
def test_what_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(MalformedError, match=complaint):
        walked(EXPLICIT, data)


@pytest.mark.parametrize("private", [False, True], ids=["standard", "creators"])
def test_memory_does_not_grow_with_the_number_of_elements(private: bool) -> None:
    groups = range(0x0009, 0x0809, 2) if private else range(0x4000, 0x4800, 2)
    numbers = range(0x10, 0x100, 4) if private else range(0x1000, 0x1040)
    value = b"Some Creator" if private else b""
    data = b"".join(element(IMPLICIT, group << 16 | number, "LO", value) for group in groups for number in numbers)
    list(walk(data[:80], IMPLICIT.uid))  # what pydicom's dictionary takes once is not counted
    tracemalloc.start()
    count = sum(1 for _ in walk(data, IMPLICIT.uid))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == len(groups) * len(numbers) > 1 << 15
    assert peak < 5 << 20


def test_zeros_may_follow_the_last_element() -> None:
    assert len(walked(EXPLICIT, element(EXPLICIT, ECHO_TIME, "DS", b"2 ") + bytes(1000))) == 1


@given(st.sampled_from(ALL), st.binary(max_size=400), st.booleans())
@example(EXPLICIT, b"\x18\0\x81\0\0\0\0\0", True)
def test_any_bytes_are_walked_or_refused(syntax: Syntax, data: bytes, items: bool) -> None:
    try:
        found = walked(syntax, data, frames=True, items=items)
    except MalformedError:
        return
    assert all(one.offset <= len(data) for one in found)


@settings(deadline=None)
@given(st.data())
def test_damaged_files_are_walked_or_refused(data: st.DataObject) -> None:
    whole = bytearray(ENHANCED)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(132, len(whole) - 9))
        whole[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    found: list[Element] = []
    with suppress(MalformedError):
        found.extend(walk(bytes(whole), EXPLICIT.uid, start=ENHANCED_AT, frames=True, items=True))
    assert all(one.depth == len(one.path) or one.tag in (ITEM, UNREADABLE) for one in found)
    assert [one.offset for one in found] == sorted(one.offset for one in found)


ENHANCED = part10(enhanced_mr(StudyIdentity()))
ENHANCED_AT = ENHANCED.index(b"\x08\0\x05\0CS")


# ---- finding ----


@every_syntax
def test_the_first_found_is_that_of_the_top_level(syntax: Syntax) -> None:
    def echo(value: bytes) -> bytes:
        return element(syntax, ECHO_TIME, "DS", value)

    data = (
        sequence(syntax, 0x00081140, item(syntax, echo(b"1 ")), item(syntax, echo(b"2 ")))
        + echo(b"3 ")
        + sequence(syntax, CONTENT_SEQUENCE, item(syntax, echo(b"4 ") + element(syntax, 0x00180082, "DS", b"5 ")))
    )
    assert [one.raw for one in find(data, syntax.uid, ECHO_TIME)] == [b"3 "]
    assert [one.raw for one in find(data, syntax.uid, ECHO_TIME, every=True)] == [b"1 ", b"2 ", b"3 ", b"4 "]
    assert [one.raw for one in find(data, syntax.uid, 0x00180082)] == [b"5 "]
    assert find(data, syntax.uid, PATIENT_NAME) == []


@every_syntax
@pytest.mark.parametrize("spelled", [CREATOR, CREATOR.upper()])
def test_a_private_element_is_found_by_its_creator_in_any_case(syntax: Syntax, spelled: str) -> None:
    data = element(syntax, 0x200500E1, "LO", spelled.encode()) + element(syntax, 0x2005E10E, "FL", b"\0\0\x80\x3f")
    for key in (SLOPE, (0x2005, 0x0E, CREATOR.upper()), 0x2005E10E):
        assert [one.tag for one in find(data, syntax.uid, key)] == [0x2005E10E]
    assert find(data, syntax.uid, (0x2005, 0x0D, CREATOR)) == []
    assert find(data, syntax.uid, (0x2005, 0x0E, "ANOTHER")) == []


# ---- opening ----


def test_opening_names_no_path_and_refuses_what_is_no_dicom(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no DICOM", encoding="ascii")
    empty = tmp_path / "empty"
    empty.touch()
    for path in (text, empty):
        with pytest.raises(NotDicomError) as refused, open_data_set(str(path)):
            pass
        assert str(path) not in str(refused.value)
    with pytest.raises(IsADirectoryError), open_data_set(str(tmp_path)):
        pass
    with pytest.raises(FileNotFoundError), open_data_set(str(tmp_path / "absent")):
        pass


@pytest.mark.parametrize("filler", [0, 2 << 20], ids=["read", "mapped"])
def test_opening_brings_meta_group_and_data_set(tmp_path: Path, filler: int) -> None:
    file = tmp_path / "some.dcm"
    file.write_bytes(ENHANCED + element(EXPLICIT, 0x7FE10011, "OB", bytes(filler)))
    with open_data_set(str(file)) as data_set:
        assert data_set.transfer_syntax == data_set.said == EXPLICIT.uid
        assert [one.tag for one in data_set.meta][:3] == [0x00020000, 0x00020001, 0x00020002]
        assert data_set.start == ENHANCED_AT
        assert next(data_set.walk()).tag == 0x00080005


def test_a_bare_data_set_has_no_meta_group(tmp_path: Path) -> None:
    file = tmp_path / "bare"
    file.write_bytes(ENHANCED[ENHANCED_AT:])
    with open_data_set(str(file)) as data_set:
        assert (data_set.said, data_set.meta, data_set.start) == ("", (), 0)
        assert next(data_set.walk()).tag == 0x00080005
