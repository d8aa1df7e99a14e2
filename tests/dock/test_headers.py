"""What the dock reads of an image: who it is, where it wants to go; whatever the bytes are, only documented errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.dock.headers import ImageHeader, read_header
from mrdock.dock.settings import ROUTE_FIELDS, RouteSettings
from mrdock.dock.store import study_name
from mrdock.errors import DicomError
from mrdock.files.locations import find_path
from tests.builders.elements import Value
from tests.dock.support import EXPLICIT, MR, STUDY, image

ROUTE = RouteSettings()


def read(more: dict[int, tuple[str, Value]] | None = None, route: RouteSettings = ROUTE, **values: Any) -> ImageHeader:
    """The header of a small image."""
    return read_header(image(more=more, **values).data, EXPLICIT, route)


def test_an_image_says_who_it_is() -> None:
    header = read(path="/data/x")
    assert (header.sop_class, header.uid) == (MR, f"{STUDY}.1.1")
    assert (header.study, header.series, header.series_number, header.modality) == (STUDY, f"{STUDY}.1", 1, "MR")
    assert (header.study_date, header.study_time, header.path) == ("20260105", "101500.00", "/data/x")


@pytest.mark.parametrize(
    ("texts", "path"),
    [
        ([], None),
        ([None, ""], None),
        (["head"], None),
        (["#-#/g5/kirby/jgillen/scan_20190502/subj1"], "/g5/kirby/jgillen/scan_20190502/subj1"),
        (["head #-# /g5/a  "], "/g5/a"),
        (["#-#/g5/a b"], "/g5/a b"),
        (["#-#"], ""),
        (["#-#   "], ""),
        (["#-#/g5/a\r\nnext line"], "/g5/a"),
        (["first line\n#-#/g5/a\rnext"], "/g5/a"),
        (["#-#/g5/a\fnext page"], "/g5/a"),
        (["#-#\n/g5/a"], ""),
        (["#-#/g5/a#-#/g5/b"], "/g5/a#-#/g5/b"),
        (["-#/g5/a", "#-/g5/b", "# - #/g5/c"], None),
        (["head", "#-#/g5/b", "#-#/g5/c"], "/g5/b"),
        (["#-#", "#-#/g5/c"], ""),
        (["#-#relative"], "relative"),
        (["#-#\t/g5/a\t"], "/g5/a"),
    ],
)
def test_the_first_field_with_the_tag_wins_to_the_end_of_its_line(texts: list[str | None], path: str | None) -> None:
    assert find_path(texts, "#-#") == path


@pytest.mark.parametrize("field", ROUTE_FIELDS)
def test_every_field_can_hold_the_path(field: str) -> None:
    tag, vr = ROUTE_FIELDS[field]
    said: dict[int, tuple[str, Value]] = {tag: (vr, "note #-#/g5/a")}
    assert read(said).path == "/g5/a"
    others = tuple(name for name in ROUTE_FIELDS if name != field)
    assert read(said, RouteSettings(fields=others)).path is None
    assert read(said, RouteSettings(tag="@@")).path is None


def test_the_order_of_the_fields_is_the_one_that_was_set() -> None:
    said: dict[int, tuple[str, Value]] = {tag: (vr, f"#-#/g5/{name}") for name, (tag, vr) in ROUTE_FIELDS.items()}
    names = list(ROUTE_FIELDS)
    assert read(said).path == f"/g5/{names[0]}"
    for name in names:
        order = (name, *(other for other in names if other != name))
        assert read(said, RouteSettings(fields=order)).path == f"/g5/{name}"


def test_a_path_in_the_character_set_of_the_header() -> None:
    said: dict[int, tuple[str, Value]] = {
        0x00080005: ("CS", "ISO_IR 192"),
        0x00081030: ("LO", "#-#/g5/Müller/試験".encode()),
    }
    assert read(said).path == "/g5/Müller/試験"
    said = {0x00080005: ("CS", "ISO_IR 100"), 0x00081030: ("LO", "#-#/g5/Müller".encode("latin-1"))}
    assert read(said).path == "/g5/Müller"


KNOWN = ["", "ISO_IR 6", "ISO_IR 100", "ISO_IR 127", "ISO_IR 192", "GB18030", "\\ISO 2022 IR 149"]
ODD = ["ISO_IR 13\\ISO 2022 IR 87", "NONSENSE", "\\\\", "utf_16", "ISO_IR 192\\ISO_IR 100", "\xff", "hex", "undefined"]
CHARACTER_SETS = st.sampled_from([*KNOWN, *ODD])
RAW = st.binary(max_size=40).map(lambda data: data + b" " * (len(data) % 2))
TEXTS = {0x00080020: "DA", 0x00080030: "TM", 0x00080060: "CS", 0x00081030: "LO", 0x00200011: "IS", 0x00104000: "LT"}


@settings(max_examples=150, deadline=None)
@given(CHARACTER_SETS, st.dictionaries(st.sampled_from(sorted(TEXTS)), RAW, max_size=4))
def test_any_bytes_in_any_field_and_character_set_can_be_read(characters: str, fields: dict[int, bytes]) -> None:
    more: dict[int, tuple[str, Value]] = {tag: (TEXTS[tag], raw) for tag, raw in fields.items()}
    more[0x00080005] = ("CS", characters)
    header = read(more)
    assert header.study == STUDY
    assert len(header.modality) <= 16
    assert header.series_number is None or abs(header.series_number) < 1 << 31
    assert header.path is None or "\n" not in header.path
    assert header.facts
    name = study_name(header.study, header.study_date, header.study_time)
    assert name.isascii()
    assert "/" not in name


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"]))
def test_noise_is_refused_in_words(data: bytes, syntax: str) -> None:
    with pytest.raises(DicomError):
        read_header(data, syntax, ROUTE)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(image(path="/x").data) - 1), st.integers(0, 255))
def test_one_changed_byte_is_read_or_refused_in_words(place: int, byte: int) -> None:
    data = bytearray(image(path="/x").data)
    data[place] = byte
    try:
        header = read_header(bytes(data), EXPLICIT, ROUTE)
    except DicomError as error:
        said = str(error)
    else:
        said = f"{header.study} {header.path} {header.facts} {header.series_number} {header.modality}"
    assert said


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("-1", -1),
        ("7.0", 7),
        ("", None),
        ("x", None),
        ("9" * 30, None),
        ("nan", None),
        ("1e400", None),
    ],
)
def test_series_numbers_fit_the_index(text: str, number: int | None) -> None:
    assert read({0x00200011: ("IS", text)}).series_number == number


@pytest.mark.parametrize("number", ["7.5", "1e3"])
def test_a_series_number_that_is_no_whole_one_is_still_a_number(number: str) -> None:
    assert read({0x00200011: ("IS", number)}).series_number == int(float(number))
