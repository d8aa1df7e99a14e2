"""Names from values: all files or none, no two alike, none that another file has."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.files.steps import Kind, Step
from mrdock.sorting.info_values import Cell
from mrdock.sorting.renaming import Named, Rename, RenamePlan, plan

LABELS = ("SeriesNumber", "InstanceNumber")


def named(path: Path | str, *values: str | None) -> Named:
    return Named(str(path), tuple(None if value is None else Cell(value, "LO") for value in values))


def problems(found: RenamePlan) -> dict[str, str]:
    return {os.path.basename(path): reason for path, reason in found.problems}


def test_values_are_joined_in_order(tmp_path: Path) -> None:
    found = plan([named(tmp_path / "a", "301", "7"), named(tmp_path / "b", "301", "8")], LABELS)
    assert not found.problems
    assert [rename.target for rename in found.renames] == [str(tmp_path / "301_7.dcm"), str(tmp_path / "301_8.dcm")]


def test_each_file_stays_in_its_directory(tmp_path: Path) -> None:
    found = plan([named(tmp_path / "one" / "a", "1"), named(tmp_path / "two" / "a", "1")], LABELS[:1])
    assert not found.problems, "names are alike only within a directory"
    assert [os.path.dirname(rename.target) for rename in found.renames] == [
        str(tmp_path / "one"),
        str(tmp_path / "two"),
    ]


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("a/b\\c", "a_b_c"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", None),
        ("", None),
        ("   ", None),
        ("\x1b[31mred\n", "[31mred"),
        ("CON", "CON_"),
        ('what? <this>: "that"|*', "what_this_that"),
        ("-12.5", "-12.5"),
        ("-98.8\\-110.5", "-98.8_-110.5"),
        ("Müller", "Müller"),
        ("x" * 500, "x" * 64),
    ],
)
def test_values_are_made_safe(tmp_path: Path, value: str, part: str | None) -> None:
    found = plan([named(tmp_path / "a", "1", value)], LABELS)
    if part is None:
        assert "InstanceNumber has no value" in problems(found)["a"]
    else:
        assert not found.problems
        assert os.path.basename(found.renames[0].target) == f"1_{part}.dcm"


def test_a_name_is_no_switch(tmp_path: Path) -> None:
    (rename,) = plan([named(tmp_path / "a", "-12.5")], LABELS[:1]).renames
    assert os.path.basename(rename.target) == "_-12.5.dcm"


@given(st.lists(st.text(max_size=40), min_size=1, max_size=3))
def test_a_name_never_leaves_its_directory(values: list[str]) -> None:
    found = plan([named("/data/x", *values)], tuple("abc"[: len(values)]))
    for rename in found.renames:
        folder, name = os.path.split(rename.target)
        assert folder == "/data"
        assert name.endswith(".dcm")
        assert not name.startswith((".", "-"))
        assert len(os.fsencode(name)) <= 255 or found.problems
        assert name.isprintable()


def test_a_missing_tag_in_one_file_is_a_problem_of_that_file(tmp_path: Path) -> None:
    found = plan([named(tmp_path / "a", "1", "1"), named(tmp_path / "b", "1", None)], LABELS)
    assert problems(found) == {"b": "has no InstanceNumber"}


def test_a_value_that_varies_over_frames_names_no_file(tmp_path: Path) -> None:
    varying = Named(str(tmp_path / "a"), (Cell("varying (2 values, 1 .. 2)", "IS", ("1", "2")),))
    assert problems(plan([varying], LABELS[:1])) == {"a": "SeriesNumber varies over the frames"}


def test_a_sequence_names_no_file(tmp_path: Path) -> None:
    sequence = Named(str(tmp_path / "a"), (Cell("(2 items)", "SQ"),))
    assert "is a sequence" in problems(plan([sequence], LABELS[:1]))["a"]


@pytest.mark.parametrize("values", [("m", "m"), ("m", "M"), ("e\u0301", "\u00e9"), ("a b", "a/b")])
def test_two_names_that_are_equal_on_some_system(tmp_path: Path, values: tuple[str, str]) -> None:
    found = plan([named(tmp_path / "a", values[0]), named(tmp_path / "b", values[1])], LABELS[:1])
    assert "would be named" in problems(found)["a"]
    assert " like b" in problems(found)["a"]


def test_many_equal_names_are_one_short_problem(tmp_path: Path) -> None:
    found = plan([named(tmp_path / f"f{i:03}", "7") for i in range(100)], LABELS[:1])
    assert problems(found) == {"f000": "would be named 7.dcm like f001, f002, f003 and 96 more"}


def test_a_name_that_another_file_has(tmp_path: Path) -> None:
    (tmp_path / "7.dcm").touch()
    found = plan([named(tmp_path / "a", "7")], LABELS[:1])
    assert problems(found) == {"a": "would be named 7.dcm, and there is another file of that name"}


def test_a_name_that_a_dangling_link_has(tmp_path: Path) -> None:
    (tmp_path / "7.dcm").symlink_to(tmp_path / "nowhere")
    assert plan([named(tmp_path / "a", "7")], LABELS[:1]).problems


def test_names_may_change_hands(tmp_path: Path) -> None:
    """Files that are renamed themselves do not stand in the way."""
    for name in ("1.dcm", "2.dcm"):
        (tmp_path / name).touch()
    found = plan([named(tmp_path / "1.dcm", "2"), named(tmp_path / "2.dcm", "1")], LABELS[:1])
    assert not found.problems
    assert len(found.steps()) == 2


def test_a_file_that_has_its_name_already_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "7.dcm").touch()
    found = plan([named(tmp_path / "7.dcm", "7")], LABELS[:1])
    assert found == RenamePlan((Rename(str(tmp_path / "7.dcm"), str(tmp_path / "7.dcm")),), ())
    assert found.steps() == []


def test_a_file_that_is_named_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = plan([named("a", "7"), named("./a", "7"), named(tmp_path / "a", "7")], LABELS[:1])
    assert not found.problems
    assert found.steps() == [Step(Kind.MOVE, str(tmp_path / "a"), str(tmp_path / "7.dcm"))]


def test_names_that_are_too_long(tmp_path: Path) -> None:
    found = plan([named(tmp_path / "a", "ü" * 64, "ü" * 64)], LABELS)
    assert "more than 255 bytes" in problems(found)["a"]
