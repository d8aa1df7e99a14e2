"""What ~/.dcminforc may say, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.errors import SettingsError
from mrdock.sorting.info_rc import Preferences, parse_preferences, rc_path, read_preferences
from mrdock.sorting.info_tags import Selection


def test_tags_and_width() -> None:
    text = '\n# mine\nTags EchoTime  2001,18,"Philips Imaging DD 001"\n\n  Tags  PatientID *\nMaxWidth 120\n'
    found = parse_preferences(text, "rc")
    assert found.width == 120
    assert found.tags == Selection((0x00180081, (0x2001, 0x18, "Philips Imaging DD 001"), 0x00100020), everything=True)


def test_capitals_do_not_count_and_lines_may_end_as_on_windows() -> None:
    assert parse_preferences("tags EchoTime\r\nMAXWIDTH 80\r\n", "rc") == Preferences(Selection((0x00180081,)), 80)


def test_tags_without_any_is_an_empty_list() -> None:
    assert parse_preferences("Tags", "rc").tags == Selection()


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("Tags EchoTime\nTags EchoTiem", 2, "EchoTiem"),
        ("Width 100", 1, "Width is neither Tags nor MaxWidth"),
        ("\n\nMaxWidth wide", 3, "MaxWidth is one whole number"),
        ("MaxWidth 100 200", 1, "MaxWidth is one whole number"),
        ("MaxWidth", 1, "MaxWidth is one whole number"),
        ("MaxWidth 3", 1, "MaxWidth is one whole number"),
        ("MaxWidth -100", 1, "MaxWidth is one whole number"),
        ("Max\x1bWidth 5", 1, r"Max\x1bWidth"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(text: str, line: int, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_preferences(text, "/home/a/.dcminforc")
    assert str(error.value).startswith(f"/home/a/.dcminforc, line {line}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert read_preferences(str(tmp_path / "missing")) == Preferences()
    assert read_preferences(None) == Preferences()


@pytest.mark.parametrize("content", [b"\xff\xfeTags", b"#" * (1 << 20) + b"#"])
def test_a_file_that_is_no_list(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rc").write_bytes(content)
    with pytest.raises(SettingsError, match="rc"):
        read_preferences(str(tmp_path / "rc"))


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert rc_path() == str(tmp_path / ".dcminforc")


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    refused = ""
    try:
        parse_preferences(text, "rc")
    except SettingsError as error:
        refused = str(error)
    assert not refused or refused.startswith("rc, line ")
