"""The lines for people: columns that awk can take apart, names that cannot harm, terminals of any width."""

from __future__ import annotations

import os
import re
import stat
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dicom.scan import Found, Key, Value
from mrdock.sorting.listing import FIELDS, Heading, Listed
from mrdock.sorting.listing_text import Clock, file_lines, safe_name, series_lines
from mrdock.sorting.series_list import Series
from mrdock.sorting.table import cell, clip, display_width, narrowed, pad

NAME = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=40)
WIDE = os.terminal_size((300, 50))


def status(mode: int = stat.S_IFREG | 0o640, size: int = 5, accessed: float = 0, modified: float = 0) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, os.getuid(), os.getgid(), size, accessed, modified, 0))


def header(*texts: str) -> Found:
    values: dict[Key, Value] = {0x00080005: Value("CS", b"ISO_IR 192")}
    for field, text in zip(FIELDS, texts, strict=False):
        values[field.tag] = Value(field.vr, text.encode())
    return Found(values, big_endian=False)


SOME = header("20190502", "091533.5", "Study", "Series one", "Doe^J", "P1", "WIP T1", "301", "Brain")


def listed(name: str = "a.dcm", found: Found | None = SOME, **of_status: float) -> Listed:
    return Listed(f"/no/such/{name}", name, status(**of_status), found=found)  # type: ignore[arg-type]


def test_a_line_has_the_parts_of_ls_and_then_the_header() -> None:
    (line,) = file_lines([listed(size=1234)])
    parts = re.split("  +", line)
    assert parts[0] == "-rw-r-----"
    assert parts[1:3] == [str(os.getuid()), str(os.getgid())]  # there is no file to ask
    assert parts[3] == "1234"
    assert parts[4] == time.strftime("%Y-%m-%d %H:%M", time.localtime(0))
    assert parts[5:] == [
        "a.dcm",
        "2019-05-02",
        "09:15:33",
        "Study",
        "Series one",
        "Doe^J",
        "P1",
        "WIP T1",
        "301",
        "Brain",
    ]


def test_what_is_no_dicom_ends_with_the_name_and_a_link_with_its_target() -> None:
    link = listed("link", None, mode=stat.S_IFLNK | 0o777)
    link.target = "a b"
    plain, linked = file_lines([listed("notes.txt", None), link])
    assert plain.endswith("  notes.txt")
    assert linked.endswith("  link -> a b")
    assert linked.startswith("lrwxrwxrwx  ")


def test_the_other_time() -> None:
    day = 86400.0
    (line,) = file_lines([listed(accessed=10 * day, modified=20 * day)], "modified")
    assert time.strftime("%Y-%m-%d", time.localtime(20 * day)) in line


def test_columns_are_two_blanks_apart_and_always_as_many() -> None:
    odd = header("", "", "two  blanks", " ", "tab\tand\nline", "", "x", "", "\x1b[31mred")
    for line in file_lines([listed(), listed("b", odd), listed("c", header()), listed("d  e ", SOME)]):
        assert len(re.split("  +", line)) == 6 + len(FIELDS), line
        assert line.isprintable()


@given(st.lists(NAME, min_size=1, max_size=5))
def test_any_name_makes_one_line_that_prints(names: list[str]) -> None:
    heading = Heading("d\n", tuple(names))
    lines = list(file_lines([heading, *(listed(name) for name in names)]))
    assert len(lines) == 1 + len(names)
    assert all(line.isprintable() for line in lines)
    assert all(len(re.split("  +", line)) == 6 + len(FIELDS) for line in lines[1:])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a b", "a b"),
        ("a  b", "a \\x20b"),
        ("a   b", "a \\x20 b"),
        ("a ", "a\\x20"),
        ("a\nb", "a\\nb"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("\udcff", "\\udcff"),
        ("\u202egnp", "\\u202egnp"),
        ("Müller", "Müller"),
    ],
)
def test_names(name: str, shown: str) -> None:
    assert safe_name(name) == shown


def test_columns_stay_in_line_once_they_have_grown() -> None:
    names = ("a.dcm", "longer name.dcm")
    lines = list(file_lines([Heading("d", names), *(listed(name) for name in names)]))
    assert lines[0] == "d:"
    assert lines[1].index("2019-05-02") == lines[2].index("2019-05-02")


def test_one_very_long_text_does_not_move_the_others() -> None:
    long = header("20190502", "091533", "S" * 64, *["x"] * 6)
    lines = list(file_lines([listed(), listed("b", long), listed()]))
    assert lines[0] == lines[2]
    assert "S" * 64 in lines[1]


def test_a_blank_line_stands_between_directories() -> None:
    items: list[Heading | Listed] = [listed("x", None), Heading("d", ()), Heading("e", ("y",)), listed("y", None)]
    assert [line.split("  ")[-1] for line in file_lines(items)] == ["x", "", "d:", "", "e:", "y"]


def test_lines_stream() -> None:
    taken = []

    def items() -> object:
        for i in range(3):
            taken.append(i)
            yield listed()

    lines = file_lines(items())  # type: ignore[arg-type]
    next(lines)
    assert taken == [0]


# Terminals


def test_a_wide_terminal_has_titles_and_one_line_a_file() -> None:
    title, first, second = file_lines([listed(), listed()], terminal=WIDE)
    assert title.split()[:6] == ["Permissions", "Owner", "Group", "Size", "Accessed", "Name"]
    assert title.index("Patient") == first.index("Doe^J")
    assert first == second


def test_titles_come_again_after_a_screen() -> None:
    lines = list(file_lines([listed() for _ in range(100)], terminal=os.terminal_size((300, 24))))
    assert [i for i, line in enumerate(lines) if line.startswith("Permissions")] == [0, 24, 48, 72, 96]


def test_without_header_values_there_are_no_titles() -> None:
    assert len(list(file_lines([listed("x", None)], terminal=WIDE))) == 1


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 160, 200])
def test_on_a_narrow_terminal_nothing_is_lost_or_wider(columns: int) -> None:
    terminal = os.terminal_size((columns, 24))
    lines = list(file_lines([listed("a name.dcm"), listed("b")], terminal=terminal))
    assert max(map(display_width, lines)) <= max(columns, 62)  # what ls shows is never broken
    text = " ".join(" ".join(lines).split())
    for value in ("a name.dcm", "2019-05-02", "09:15:33", "Series one", "Doe^J", "WIP T1", "301", "Brain"):
        assert value in text
    values = [line for line in lines if "2019-05-02" in line]
    assert len(values) == 2
    assert len({line.index("09:15:33") for line in values}) == 1, "columns stay in line"


def test_no_line_is_left_for_values_that_are_not_there() -> None:
    found = header("20190502", "091533", "Study", "A series of a long name", "Doe^J", "P1")
    lines = list(file_lines([listed("a", found)], terminal=os.terminal_size((80, 24))))
    assert lines[-1].split()[-1] == "P1"


# Series


def test_a_series_has_its_sums_times_and_header() -> None:
    series = Series("d", SOME, acquired_first="20190502091600.5", acquired_last="20190502092000")
    series.add(listed("a", SOME, size=10, accessed=86400))
    series.add(listed("b", SOME, size=20, accessed=2 * 86400))
    series.size = 30
    heading, line = series_lines([Heading("d", ("a", "b")), series])
    assert heading == "d:"
    first, last = (time.strftime("%Y-%m-%d %H:%M", time.localtime(day * 86400)) for day in (1, 2))
    assert re.split("  +", line)[:8] == ["2", "0", "30", first, last, "09:16:00", "09:20:00", "2019-05-02"]
    assert line.endswith("Brain")


def test_columns_of_series_are_always_as_many() -> None:
    many = Series("d", header(), files=123456, frames=7, size=10**10)
    for line in series_lines([Series("d", SOME), many, Series("d", SOME)]):
        assert len(re.split("  +", line)) == 7 + len(FIELDS), line


def test_the_date_of_the_last_acquisition_stands_there_where_it_is_another() -> None:
    series = Series("d", SOME, acquired_first="20190502235900", acquired_last="20190503000100")
    (line,) = series_lines([series])
    assert "  23:59:00  2019-05-03 00:01:00  " in line


def test_other_files_have_a_line_without_a_header() -> None:
    other, unread = Series("d", None), Series("d", None, unread=True)
    for series in (other, unread):
        series.add(listed("x", None))
    lines = list(series_lines([Series("d", SOME), other, unread]))
    assert lines[1].endswith("  no DICOM")
    assert lines[2].endswith("  not read")


def test_series_on_a_terminal_have_titles() -> None:
    title, _ = series_lines([Series("d", SOME)], terminal=WIDE)
    assert title.split()[:6] == ["Files", "Frames", "Size", "First", "accessed", "Last"]


# Cells


def test_a_time_that_is_none_is_no_reason_to_end() -> None:
    assert Clock().text(1e300) == "????-??-?? ??:??"
    assert Clock().text(None) == "-"


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("", 0), ("山田^太郎", 9), ("Mu\u0308ller", 6), ("김^철수", 7), ("ﾔﾏﾀﾞ", 4)]
)
def test_display_width(text: str, width: int) -> None:
    assert display_width(text) == width
    assert display_width(pad(text, 12)) == 12
    assert pad(text, 12, right=True).endswith(text)


@given(st.text(max_size=30), st.integers(0, 20))
def test_what_is_cut_fits(text: str, width: int) -> None:
    assert display_width(clip(text, width)) <= width
    assert clip(text, 100) == text


@given(st.text(max_size=30))
def test_a_cell_holds_no_gap(text: str) -> None:
    shown = cell(text)
    assert shown
    assert "  " not in shown
    assert shown == shown.strip()
    assert shown.isprintable()


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12), st.integers(0, 200), st.integers(1, 5))
def test_narrowed_widths_fit_and_only_the_widest_give_way(widths: list[int], room: int, least: int) -> None:
    result = narrowed(widths, room, least)
    assert all(least_width <= width for least_width, width in zip(result, widths, strict=True))
    assert sum(result) <= max(room, sum(min(width, least) for width in widths))
    if sum(widths) <= room:
        assert result == widths
    cut = [after for after, before in zip(result, widths, strict=True) if after < before]
    if cut:
        assert max(result) <= min(cut) + 1
