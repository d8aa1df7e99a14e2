"""The record beside the images: lines that a crash may cut short, and receipts that images carry themselves."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock import record
from mrdock.dock.clock import parse_stamp, stamp
from mrdock.dock.record import Receipt
from tests.dock.support import START

WALLS = st.floats(0, 4_000_000_000)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """The descriptor of a study's directory."""
    (tmp_path / record.NAME).write_bytes(record.first_line("1.2.3"))
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


# ---- receipts ----


@given(WALLS, st.from_regex(r"[0-9a-f]{1,32}", fullmatch=True))
def test_a_receipt_is_read_as_it_was_written_to_the_microsecond(wall: float, association: str) -> None:
    raw = Receipt(wall, association).encode()
    read = Receipt.decode(raw)
    assert read is not None
    assert read.association == association
    assert abs(read.received - wall) <= 1e-6
    assert Receipt.decode(raw + b" ") == Receipt.decode(raw + b"\0"[:0]) == read  # padded to an even length
    assert Receipt.decode(read.encode()) == read


@given(st.binary(max_size=80))
def test_what_is_no_receipt_is_none(raw: bytes) -> None:
    assert Receipt.decode(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"received=",
        b"received=yesterday association=a",
        b"association=a",
        b"received association",
        b"received=2026-01-05T10:00:00+00:00",
        "received=2026 association=\u00e9".encode(),
        b"=\0=",
        b"received=2026-01-05T10:00:00+00:00 association=",
        b"received=2026-01-05T10:00:00+00:00 association=a\x14\0b",
        b"received=2026-01-05T10:00:00+00:00 association=" + b"a" * 33,
    ],
)
def test_what_is_nearly_a_receipt_is_none(raw: bytes) -> None:
    assert Receipt.decode(raw) is None


@given(WALLS)
def test_a_stamp_is_the_moment_in_utc(wall: float) -> None:
    text = stamp(wall)
    assert text.endswith("+00:00")
    assert abs(parse_stamp(text) - wall) <= 1e-6
    assert parse_stamp(text.removesuffix("+00:00")) == parse_stamp(text)
    assert stamp(parse_stamp(text)) == text


# ---- the record ----


def test_lines_are_read_in_their_order(directory: int) -> None:
    record.append(directory, "complete", START, looks="")
    record.append(directory, "routed", START + 1, names=["a\nb", "ü"])
    events, end = record.read(directory)
    assert [event["event"] for event in events] == ["study", "complete", "routed"]
    assert events[2] == {"event": "routed", "at": stamp(START + 1), "names": ["a\nb", "ü"]}
    assert end == os.stat(record.NAME, dir_fd=directory).st_size


def test_reading_goes_on_where_it_ended(directory: int) -> None:
    _, end = record.read(directory)
    assert record.read(directory, end) == ([], end)
    record.append(directory, "complete", START, looks="")
    events, last = record.read(directory, end)
    assert [event["event"] for event in events] == ["complete"]
    assert record.read(directory, last) == ([], last)


def test_a_line_that_was_cut_short_spoils_no_other(directory: int, tmp_path: Path) -> None:
    record.append(directory, "complete", START, looks="")
    with (tmp_path / record.NAME).open("ab") as stream:
        stream.write(b'{"event": "routed", "nam')
    events, end = record.read(directory)
    assert [event["event"] for event in events] == ["study", "complete"]
    record.append(directory, "asked", START, path="/x", again=[])
    events, _ = record.read(directory, end)
    assert [event["event"] for event in events] == ["asked"]
    events, _ = record.read(directory)
    assert [event["event"] for event in events] == ["study", "complete", "asked"]


@pytest.mark.parametrize(
    "line", [b"", b"5", b"[]", b'"event"', b"{}", b'{"x": 1}', b"\xff\xfe", b"null", b"{'event': 1}"]
)
def test_what_is_no_event_is_passed_over(directory: int, tmp_path: Path, line: bytes) -> None:
    with (tmp_path / record.NAME).open("ab") as stream:
        stream.write(line + b"\n")
    record.append(directory, "complete", START, looks="")
    events, _ = record.read(directory)
    assert [event["event"] for event in events] == ["study", "complete"]


def test_a_record_says_whose_directory_it_is(directory: int, tmp_path: Path) -> None:
    assert record.study_of(directory) == "1.2.3"
    assert json.loads(record.first_line("1.2.3")) == {"event": "study", "study": "1.2.3"}
    (tmp_path / record.NAME).rename(tmp_path / "moved")
    assert record.study_of(directory) is None
    (tmp_path / record.NAME).symlink_to("moved")
    assert record.study_of(directory) is None


@pytest.mark.parametrize(
    "line", [b'{"study": "\\ud8001.2.3"}', b'{"study": "../1.2"}', b'{"study": 1.2}', b'{"study": "1.2', b"[" * 4000]
)
def test_what_is_no_uid_is_no_study(directory: int, tmp_path: Path, line: bytes) -> None:
    (tmp_path / record.NAME).write_bytes(line + b"\n")
    assert record.study_of(directory) is None


def test_objects_of_no_study_have_a_directory_of_their_own(directory: int, tmp_path: Path) -> None:
    (tmp_path / record.NAME).write_bytes(record.first_line(""))
    assert record.study_of(directory) == ""


def test_a_record_that_was_lost_is_begun_anew_without_losing_the_event(directory: int, tmp_path: Path) -> None:
    (tmp_path / record.NAME).unlink()
    record.append(directory, "complete", START, looks="")
    events, _ = record.read(directory)
    assert [event["event"] for event in events] == ["complete"]
    assert (tmp_path / record.NAME).stat().st_mode & 0o7777 == 0o640


def test_a_link_in_the_record_s_place_is_not_written_through(directory: int, tmp_path: Path) -> None:
    (tmp_path / record.NAME).unlink()
    (tmp_path / record.NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        record.append(directory, "complete", START, looks="")
    assert not (tmp_path / "elsewhere").exists()
