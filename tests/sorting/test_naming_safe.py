"""Texts from headers in file names: safe on every system, whatever they hold."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.sorting import records as tags
from mrdock.sorting.naming import NameOptions, safe
from mrdock.sorting.safe import clash_key
from tests.sorting.headers import image, listed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("662491096", "662491096"),
        ("WIP fcMRI  Field Mapping", "WIP_fcMRI_Field_Mapping"),
        ("a/b\\c:d*e?f", "a_b_c_d_e_f"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", ""),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("~root", "root"),
        ("end. . ", "end"),
        ("con", "con_"),
        ("COM1.txt", "COM1_.txt"),
        ("lpt\u00b2", "lpt\u00b2_"),
        ("console", "console"),
        ("a\x1b[31m\x00\r\nb", "a_[31m_b"),
        ("e\u0301", "\u00e9"),
        ("a\u202eb\u200bc", "a_b_c"),
        ("\ufffd\ufffdx", "x"),
        ("\udc80x", "x"),
        ("\u5c71\u7530^\u592a\u90ce", "\u5c71\u7530^\u592a\u90ce"),
        ("", ""),
    ],
)
def test_texts_become_parts_of_names(text: str, expected: str) -> None:
    assert safe(text) == expected


@given(st.text(), st.integers(1, 80))
def test_any_text_is_safe_and_stays_as_it_is_then(text: str, longest: int) -> None:
    found = safe(text, longest)
    assert safe(found, max(longest, len(found))) == found
    assert unicodedata.is_normalized("NFC", found)
    assert not set(found) & set('/\\:*?"<>|\0\n\r\t')
    assert found == found.strip(" .")
    assert not found.startswith("-")
    assert len(found) <= longest + 1
    assert len(found.encode()) <= 2 * longest + 1
    assert found.partition(".")[0].lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}


@given(st.text(max_size=40), st.text(max_size=40))
def test_names_with_any_text_are_two_directories_and_a_file(study: str, description: str) -> None:
    record = image({tags.STUDY_ID: study, tags.SERIES_DESCRIPTION: description, tags.SLICE: 1})
    (name,) = listed([record], NameOptions(series_description=True))
    parts = name.split("/")
    assert len(parts) == 3
    assert os.path.normpath(name) == name.replace("/", os.sep)
    assert parts[1].startswith("0301")
    assert all(len(part.encode()) < 200 for part in parts)


def test_a_file_of_such_a_name_can_be_made(tmp_path: Path) -> None:
    for text in ("\x01\x7f.", "a" * 300, "\u00e9" * 300, "\U0001f9e0" * 100, "nul", "x\udcff"):
        made = tmp_path / safe(text)
        made.mkdir(exist_ok=True)
        assert made.is_dir()


@given(st.text())
def test_clashing_names_are_those_that_differ_in_case_or_form(text: str) -> None:
    assert clash_key(text) == clash_key(unicodedata.normalize("NFD", text))
    assert clash_key(clash_key(text)) == clash_key(text)
