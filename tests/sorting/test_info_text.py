"""How values are laid out: the width of the table, the names of files, sorts of objects."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrdock.sorting.info import File, Overview, Question
from mrdock.sorting.info_tags import Selection
from mrdock.sorting.info_text import common, lines, table
from mrdock.sorting.info_values import Cell
from mrdock.sorting.table import display_width

CELLS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=60)
TITLES = st.from_regex("[A-Z][a-z]{2,25}", fullmatch=True)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    rows = draw(st.integers(1, 4))
    columns = draw(st.integers(1, 8))
    names = draw(st.lists(CELLS, min_size=rows, max_size=rows))
    return names, [[draw(TITLES), *draw(st.lists(CELLS, min_size=rows, max_size=rows))] for _ in range(columns)]


@given(tables(), st.integers(40, 250))
@example((["x" * 8], [["A", "x" * 11], ["B", "x" * 13], ["C", "x" * 3]]), 40)
def test_no_line_is_wider_than_asked_and_every_file_has_a_row(
    drawn: tuple[list[str], list[list[str]]], width: int
) -> None:
    names, columns = drawn
    found = list(table(names, columns, width))
    assert max(map(display_width, found)) <= width
    blocks = "\n".join(found).split("\n\n")
    assert all(len(block.split("\n")) == len(names) + 1 for block in blocks)
    if width >= 120:
        titles = [word for block in blocks for word in block.split("\n")[0].split()[1:]]
        assert titles == [column[0] for column in columns], "titles are not cut"


@given(tables())
def test_what_fits_is_not_cut(drawn: tuple[list[str], list[list[str]]]) -> None:
    names, columns = drawn
    found = "\n".join(table(names, columns, 10_000))
    assert "\n\n" not in found
    for column in columns:
        assert all(value in found for value in column)


def test_names_of_files_keep_their_ends() -> None:
    names = [f"{'directory/' * 10}{number}.dcm" for number in (1, 2)]
    rows = list(table(names, [["Title", "a", "b"]], 60))
    assert rows[1].startswith("…")
    assert "1.dcm  a" in rows[1]
    assert "2.dcm  b" in rows[2]


@pytest.mark.parametrize(
    ("paths", "folder", "names"),
    [
        (["/a/b/1", "/a/b/2"], "/a/b", ["1", "2"]),
        (["/a/b/1", "/a/c/d/2"], "/a", ["b/1", "c/d/2"]),
        (["x/1", "x/2"], "x", ["1", "2"]),
        (["1", "x/2"], "", ["1", "x/2"]),
        (["/a/1", "b/2"], "", ["/a/1", "b/2"]),
        (["/1", "/2"], "/", ["1", "2"]),
        (["a//1", "a/2"], "a", ["1", "2"]),
    ],
)
def test_what_paths_have_in_common(paths: list[str], folder: str, names: list[str]) -> None:
    found, short = common(paths)
    assert found == folder
    assert [os.path.normpath(name) for name in short] == names


def test_many_sorts_of_objects_do_not_fill_the_first_line() -> None:
    overview = Overview(Question(asked=Selection((0x00100020,))))
    for number in range(7):
        overview.add(File(f"d/{number}", f"1.2.{max(number, 1)}", ""), [(0x00100020, Cell("P", "LO"))])
    first, *_ = lines(overview, full=False, width=80)
    assert first == "7 files in d: 1.2.1, 1.2.2, 1.2.3, 1.2.4 and 2 more kinds"
