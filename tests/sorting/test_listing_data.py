"""The records for programs: they parse, and names come back exactly."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.sorting.listing import FIELDS, listing
from mrdock.sorting.listing_data import (
    FILE_KEYS,
    SERIES_KEYS,
    csv_lines,
    escaped,
    file_records,
    json_lines,
    series_records,
)
from mrdock.sorting.series_list import WANTED_OF_EACH, series_listing
from tests.builders import StudyIdentity, classic_fmri, part10

UNESCAPED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
NAMES = [
    b"plain",
    b"two  blanks ",
    b"new\nline",
    b"caf\xe9",
    b"\xff\xfe",
    "Müller".encode(),
    b'a"b,c',
    b"back\\slash",
    b"\xc2\x85",
]


def exactly(text: str) -> str:
    """What `escaped` had, by its documentation."""

    def one(match: re.Match[str]) -> str:
        code = match[1]
        if code[0] in UNESCAPED:
            return UNESCAPED[code[0]]
        number = int(code[1:], 16)
        return chr(number + 0xDC00 if code[0] == "x" and number >= 0x80 else number)

    return re.sub(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|[nrt\\])", one, text)


def records_of(folder: Path) -> list[dict[str, Any]]:
    return list(file_records(listing([str(folder)], lambda path, error: None)))


@pytest.fixture
def named(tmp_path: Path) -> Path:
    folder = tmp_path / "names"
    folder.mkdir()
    for name in NAMES:
        with open(os.path.join(os.fsencode(folder), name), "wb"):
            pass
    return folder


@given(st.text(st.characters(codec=None, categories=None) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)))
def test_escaped_texts_are_one_line_and_come_back(text: str) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    assert exactly(shown) == text


def test_json_is_an_array_with_a_record_a_line(named: Path) -> None:
    lines = list(json_lines(records_of(named)))
    found = json.loads("\n".join(lines))
    assert {os.fsencode(os.path.basename(record["path"])) for record in found} == set(NAMES)
    assert len(lines) == len(NAMES) + 2
    assert all(json.loads(line.removeprefix(",")) == record for line, record in zip(lines[1:-1], found, strict=True))
    assert "\n".join(lines).isascii()


def test_json_of_nothing_is_an_empty_array() -> None:
    assert json.loads("\n".join(json_lines([]))) == []


def test_csv_has_a_line_a_file_and_the_names_come_back(named: Path) -> None:
    lines = list(csv_lines(records_of(named), FILE_KEYS))
    assert len(lines) == len(NAMES) + 1
    found = list(csv.DictReader(io.StringIO("\n".join(lines))))
    assert {os.fsencode(os.path.basename(exactly(record["path"]))) for record in found} == set(NAMES)
    "\n".join(lines).encode("utf-8")
    assert all(line.isprintable() for line in lines)


def test_records_have_their_keys_and_the_values_of_the_header(tmp_path: Path) -> None:
    image = classic_fmri(StudyIdentity(patient_id="P17"))[0]
    (tmp_path / "a.dcm").write_bytes(part10(image))
    (tmp_path / "b").symlink_to("a.dcm")
    (tmp_path / "c").mkdir()
    os.utime(tmp_path / "a.dcm", ns=(1_500_000_000_123_456_789, 1_600_000_000_000_000_000))
    a, b, c = records_of(tmp_path)
    assert tuple(a) == tuple(b) == tuple(c) == FILE_KEYS
    assert a["path"] == str(tmp_path / "a.dcm")
    assert (a["type"], b["type"], c["type"]) == ("file", "link", "directory")
    assert (a["dicom"], b["dicom"], c["dicom"]) == (True, True, False)
    assert b["target"] == "a.dcm"
    assert a["accessed"] == "2017-07-14T02:40:00.123457Z" or a["accessed"] == "2017-07-14T02:40:00.123456Z"
    assert a["modified"] == "2020-09-13T12:26:40.000000Z"
    assert a["patient_id"] == "P17"
    assert a["series_number"] == 201
    assert a["series_date"] == f"{image.SeriesDate[:4]}-{image.SeriesDate[4:6]}-{image.SeriesDate[6:]}"
    assert c["patient_id"] is None
    assert a["problem"] is None


def test_a_broken_file_says_what_is_wrong(tmp_path: Path) -> None:
    whole = part10(classic_fmri(StudyIdentity())[0])
    (tmp_path / "a").write_bytes(whole[:700])
    (record,) = records_of(tmp_path)
    assert record["dicom"]
    assert record["problem"]


def test_series_have_their_keys(tmp_path: Path) -> None:
    images = classic_fmri(StudyIdentity())
    for i, image in enumerate(images):
        (tmp_path / str(i)).write_bytes(part10(image))
    (tmp_path / "notes").write_bytes(b"text")
    items = series_listing(listing([str(tmp_path)], lambda path, error: None, wanted=WANTED_OF_EACH))
    series, other = series_records(items)
    assert tuple(series) == tuple(other) == SERIES_KEYS
    assert (series["files"], series["frames"], series["dicom"]) == (len(images), len(images), True)
    assert series["series_instance_uid"] == images[0].SeriesInstanceUID
    assert str(series["acquired_first"]).startswith("2026-01-05T10:")
    assert (other["files"], other["frames"], other["dicom"], other["directory"]) == (1, None, False, str(tmp_path))
    assert all(other[field.key] is None for field in FIELDS)
    lines = list(csv_lines([series, other], SERIES_KEYS))
    assert [len(row) for row in csv.reader(lines)] == [len(SERIES_KEYS)] * 3
