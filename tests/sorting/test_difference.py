"""Which differences count between two headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dicom.scan import Key
from mrdock.sorting.difference import compare
from mrdock.sorting.info import File, Overview, Question
from mrdock.sorting.info_tags import Selection, select
from mrdock.sorting.info_values import Cell, label

ECHO_TIME = 0x00180081


def overview(*files: dict[Key, Cell]) -> Overview:
    found = Overview(Question(asked=Selection(everything=True)))
    for number, cells in enumerate(files):
        found.add(File(f"file{number}", "", ""), cells.items())
    return found


def differing(*files: dict[Key, Cell], ignored: str = "") -> list[str]:
    return [label(d.where) for d in compare(overview(*files), select(ignored.split())).differences]


def test_a_value_that_differs() -> None:
    found = compare(overview({ECHO_TIME: Cell("30", "DS")}, {ECHO_TIME: Cell("35", "DS")}))
    assert found.compared == 1
    (difference,) = found.differences
    assert [(v.cell and v.cell.text, [f.path for f in v.files]) for v in difference.variants] == [
        ("30", ["file0"]),
        ("35", ["file1"]),
    ]


def test_the_value_of_most_files_comes_first() -> None:
    files: list[dict[Key, Cell]] = [{ECHO_TIME: Cell(text, "DS")} for text in ("35", "30", "30")]
    (difference,) = compare(overview(*files)).differences
    assert [len(variant.files) for variant in difference.variants] == [2, 1]


def test_an_element_that_one_file_has_not_differs_from_an_empty_one() -> None:
    assert differing({ECHO_TIME: Cell("", "DS")}, {}) == ["EchoTime"]


@pytest.mark.parametrize(
    ("key", "vr"),
    [
        (0x00080018, "UI"),
        (0x00080021, "DA"),
        (0x00080031, "TM"),
        (0x0008002A, "DT"),
        (0x00080031, "UN"),
        ((0x2005, 0x99, "Somebody"), "UI"),
        (0x00020013, "SH"),
        (0x00080000, "UL"),
        (0x20050010, "LO"),
        (0x7FE00010, "OW"),
        (0xFFFCFFFC, "OB"),
    ],
)
def test_what_does_not_count(key: Key, vr: str) -> None:
    assert not differing({key: Cell("1", vr)}, {key: Cell("2", vr)})
    assert not differing({key: Cell("1", vr)}, {})
    assert compare(overview({key: Cell("1", vr)}, {})).compared == 0


@pytest.mark.parametrize(
    ("one", "other", "vr", "equal"),
    [
        ("30", "30.0", "DS", True),
        ("+3.0E1", "30", "DS", True),
        ("1\\2", "1.0\\2.00", "DS", True),
        ("1\\2", "1", "DS", False),
        ("007", "7", "IS", True),
        ("30", "30.0", "LO", False),
        ("n/a", "n/a", "DS", True),
        ("", "0", "DS", False),
    ],
)
def test_numbers_are_compared_as_numbers(one: str, other: str, vr: str, equal: bool) -> None:
    assert differing({ECHO_TIME: Cell(one, vr)}, {ECHO_TIME: Cell(other, vr)}) == ([] if equal else ["EchoTime"])


def test_every_frame_counts() -> None:
    text = "varying (2 values, 1 .. 2)"
    one, other = (Cell(text, "DS", frames) for frames in (("1", "2"), ("2", "1")))
    assert differing({ECHO_TIME: one}, {ECHO_TIME: other}) == ["EchoTime"]
    assert differing({ECHO_TIME: one}, {ECHO_TIME: Cell(text, "DS", ("1.0", "2"))}) == []
    assert differing({ECHO_TIME: one}, {ECHO_TIME: Cell("1", "DS")}) == ["EchoTime"]


def test_what_may_differ() -> None:
    one: dict[Key, Cell] = {ECHO_TIME: Cell("1", "DS"), 0x00100010: Cell("A", "PN"), 0x00100020: Cell("1", "LO")}
    other: dict[Key, Cell] = {ECHO_TIME: Cell("2", "DS"), 0x00100010: Cell("B", "PN"), 0x00100020: Cell("2", "LO")}
    assert differing(one, other, ignored="0010,*") == ["EchoTime"]
    assert differing(one, other, ignored="EchoTime PatientName") == ["PatientID"]
    assert differing(one, other, ignored="*") == []


@given(st.lists(st.sampled_from(["30", "30.0", "35", None]), min_size=2, max_size=6))
def test_files_differ_just_where_two_of_them_do(texts: list[str | None]) -> None:
    files: list[dict[Key, Cell]] = [{} if text is None else {ECHO_TIME: Cell(text, "DS")} for text in texts]
    distinct = {None if text is None else float(text) for text in texts}
    assert bool(differing(*files)) == (len(distinct) > 1)
