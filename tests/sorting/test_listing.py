"""What a directory's listing brings: against pydicom on the real files, and on files that are odd or broken."""

from __future__ import annotations

import os
import shutil
import socket
import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.dicom.values import Header
from mrdock.errors import MalformedError, MrdockError, PlaceError
from mrdock.sorting.listing import (
    FIELDS,
    Heading,
    Listed,
    ListOptions,
    date_text,
    listing,
    time_text,
    values_of,
)
from tests.builders import StudyIdentity, bulk_classic, classic_fmri, enhanced_mr, part10

Told = list[tuple[str, Exception]]


def everything(*paths: Path | str, **options: Any) -> tuple[list[Heading | Listed], Told]:
    told: Told = []
    found = listing(
        [str(path) for path in paths], lambda path, error: told.append((path, error)), ListOptions(**options)
    )
    return list(found), told


def entries(*paths: Path | str, **options: Any) -> list[Listed]:
    """The entries of a listing of which nothing fails."""
    found, told = everything(*paths, **options)
    assert not told
    return [item for item in found if isinstance(item, Listed)]


def one_image(**overrides: Any) -> bytes:
    (image,) = bulk_classic(1, **overrides)
    return image


# Real files


@pytest.mark.real_data
def test_the_values_are_those_that_pydicom_reads(real_data: Path) -> None:
    compared = 0
    for item in entries(real_data):
        if item.found is None:
            continue
        data_set = pydicom.dcmread(item.path, specific_tags=[field.tag for field in FIELDS], stop_before_pixels=True)
        header = Header(item.found)
        for field in FIELDS:
            element = data_set.get(field.tag)
            expected = None if element is None or element.value in (None, "") else str(element.value)
            assert header.text(field.tag) == expected, (item.path, field.key)
        compared += 1
    assert compared > 900


@pytest.mark.real_data
def test_every_entry_is_listed_once(real_data: Path) -> None:
    found = [item.path for item in entries(real_data, hidden=True)]
    there = [os.path.join(top, name) for top, below, files in os.walk(real_data) for name in (*below, *files)]
    assert sorted(found) == sorted(there)


@pytest.mark.real_data
def test_the_access_date_stays(real_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    shutil.copy(next((real_data / "philips_r57" / "classic" / "1901").iterdir()), path)
    os.utime(path, ns=(10**18, 2 * 10**18))
    (item,) = entries(path)
    assert item.found is not None
    assert item.status.st_atime_ns == 10**18
    assert os.stat(path).st_atime_ns == 10**18


# Order and headings


def test_files_come_first_then_each_directory_below_its_heading(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    for name in ("d/b", "d/a", "d/e/c", "x", "y"):
        (tmp_path / name).write_bytes(b"text")
    found, told = everything(tmp_path / "y", tmp_path / "d", tmp_path / "x")
    assert not told
    assert [item.path if isinstance(item, Heading) else item.name for item in found] == [
        str(tmp_path / "y"),
        str(tmp_path / "x"),
        str(tmp_path / "d"),
        "a",
        "b",
        "e",
        str(tmp_path / "d" / "e"),
        "c",
    ]


def test_an_entry_comes_before_the_next_header_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = one_image()
    for i in range(50):
        (tmp_path / f"{i:02}").write_bytes(image)
    opened: list[str] = []
    real = os.open

    def spy(path: str, *args: Any, **keywords: Any) -> int:
        if path != str(tmp_path):
            opened.append(os.fspath(path))
        return real(path, *args, **keywords)

    monkeypatch.setattr(os, "open", spy)
    items = listing([str(tmp_path)], lambda path, error: None)
    for count in range(50 + 1):
        item = next(items)
        assert len(opened) <= count + 1
        assert isinstance(item, Heading if count == 0 else Listed)


def test_reading_several_at_once_changes_nothing(tmp_path: Path) -> None:
    for i, image in enumerate(bulk_classic(60)):
        folder = tmp_path / f"d{i % 7}" / "below"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"im{i:02}").write_bytes(image if i % 5 else b"text")
        (folder / f"link{i:02}").symlink_to("nowhere")

    def shown(jobs: int) -> list[tuple[str, list[str]]]:
        found, told = everything(tmp_path, jobs=jobs)
        assert not told
        return [(item.path, values_of(item.found) if isinstance(item, Listed) and item.found else []) for item in found]

    assert shown(4) == shown(1)
    assert len(shown(1)) == 1 + 7 * 4 + 60 * 2


# What is no image


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")  # opening it would wait for ever
    server = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tmp_path)  # the name of a socket may not be long
    try:
        server.bind("socket")
    finally:
        os.chdir(here)
    (tmp_path / "to_fifo").symlink_to("fifo")
    (tmp_path / "to_device").symlink_to("/dev/zero")
    (tmp_path / "to_nothing").symlink_to("nothing")
    (tmp_path / "to_itself").symlink_to("to_itself")
    (tmp_path / "to_here").symlink_to(".")
    with server:
        found = {item.name: item for item in entries(tmp_path)}
    assert {name: item.kind for name, item in found.items()} == {
        "fifo": "fifo",
        "socket": "socket",
        **dict.fromkeys(("to_fifo", "to_device", "to_nothing", "to_itself", "to_here"), "link"),
    }
    assert not any(item.readable for item in found.values())
    assert found["to_nothing"].target == "nothing"


def test_a_file_that_turns_into_a_fifo_does_not_stop_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(one_image())
    real = os.open

    def swapped(*args: Any, **keywords: Any) -> int:
        if path.is_file():
            path.unlink()
            os.mkfifo(path)
        return real(*args, **keywords)

    monkeypatch.setattr(os, "open", swapped)
    (item,) = entries(tmp_path)
    assert item.found is None


def test_a_link_to_an_image_shows_its_target_and_its_header(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "key").write_bytes(one_image(patient_id="P17"))
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.dcm").symlink_to("../store/key")
    (item,) = entries(tmp_path / "tree")
    assert item.kind == "link"
    assert item.target == "../store/key"
    assert item.found is not None
    assert "P17" in values_of(item.found)
    assert item.size == (tmp_path / "store" / "key").stat().st_size


@pytest.mark.parametrize("content", [b"", b"x", b"text\n" * 100, bytes(200), b"\x89PNG\r\n\x1a\n" + bytes(300)])
def test_a_file_that_is_no_dicom_has_no_header_and_is_no_failure(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    (item,) = entries(tmp_path)
    assert item.found is None
    assert item.problem == ""
    assert item.kind == "file"


def test_who_asks_is_told_why_a_file_is_no_dicom(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text\n" * 100)
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "c").mkdir()
    told: Told = []
    entries(tmp_path, no_dicom=lambda path, error: told.append((path, error)))
    assert [path for path, _ in told] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert all(str(error).startswith("no DICOM file: ") for _, error in told)


def test_hidden_entries_are_listed_on_request_and_when_they_are_named(tmp_path: Path) -> None:
    (tmp_path / ".a").write_bytes(b"1")
    assert entries(tmp_path) == []
    assert [item.name for item in entries(tmp_path, hidden=True)] == [".a"]
    assert [item.name for item in entries(tmp_path / ".a")] == [str(tmp_path / ".a")]


# Odd files


@pytest.mark.parametrize("size", [150, 200, 400, 500, 600, 700, 800, 900])
def test_of_a_cut_file_what_stands_before_the_cut_is_listed(tmp_path: Path, size: int) -> None:
    image = one_image(patient_id="P17")
    (tmp_path / "whole").write_bytes(image)
    (tmp_path / "cut").write_bytes(image[:size])
    found, told = everything(tmp_path)
    _, cut, whole = found
    assert isinstance(cut, Listed)
    assert isinstance(whole, Listed)
    assert whole.found is not None
    complete = values_of(whole.found)
    there = [""] * len(FIELDS) if cut.found is None else values_of(cut.found)
    assert all(value in ("", full) for value, full in zip(there, complete, strict=True))
    assert (there[5] == "P17") == (size >= image.find(b"P17") + 4), "a value is listed if it is there"
    assert [path for path, _ in told] == [str(tmp_path / "cut")]
    assert isinstance(told[0][1], MrdockError)
    assert cut.problem == str(told[0][1])


def test_a_cut_behind_the_wanted_values_is_not_noticed(tmp_path: Path) -> None:
    image = one_image()
    (tmp_path / "cut").write_bytes(image[:-100])
    (tmp_path / "whole").write_bytes(image)
    cut, whole = entries(tmp_path)
    assert cut.found is not None
    assert whole.found is not None
    assert values_of(cut.found) == values_of(whole.found)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_cut_or_damaged_file_never_ends_the_listing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    image = bytearray(one_image())
    for _ in range(data.draw(st.integers(0, 3))):
        image[data.draw(st.integers(132, len(image) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "a").write_bytes(image[: data.draw(st.integers(0, len(image)))])
    (folder / "b").write_bytes(b"text")
    found, _ = everything(folder)
    assert [item.name for item in found if isinstance(item, Listed)] == ["a", "b"]


def test_pydicoms_odd_files_are_listed_as_pydicom_reads_them(tmp_path: Path) -> None:
    paths = sorted((Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm"))
    assert len(paths) > 50
    found, _ = everything(*paths)
    assert len(found) == len(paths)
    seen = 0
    for item in found:
        assert isinstance(item, Listed)
        if item.found is None or item.problem:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data_set = pydicom.dcmread(item.path, force=True, stop_before_pixels=True)
            expected = str(data_set.get("PatientID", "") or "")
        assert (Header(item.found).text(0x00100020) or "") == expected.strip(), item.path
        seen += 1
    assert seen > 50


def test_an_enhanced_file_is_listed_like_a_classic_one(tmp_path: Path) -> None:
    identity = StudyIdentity()
    (tmp_path / "e").write_bytes(part10(enhanced_mr(identity)))
    (tmp_path / "c").write_bytes(part10(classic_fmri(identity)[0]))
    classic, enhanced = entries(tmp_path)
    assert classic.found is not None
    assert enhanced.found is not None
    names = [field.key for field in FIELDS]
    assert all(dict(zip(names, values_of(enhanced.found), strict=True))[key] for key in ("patient_name", "patient_id"))
    assert values_of(classic.found)[4:6] == values_of(enhanced.found)[4:6]


# What fails


def test_paths_that_are_not_there_are_told_and_the_others_done(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    found, told = everything(tmp_path / "no", tmp_path / "a", "")
    assert [item.name for item in found if isinstance(item, Listed)] == [str(tmp_path / "a")]
    assert [(path, type(error)) for path, error in told] == [(str(tmp_path / "no"), PlaceError), ("", PlaceError)]


def test_what_goes_while_it_is_listed_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = one_image()
    for name in "abcd":
        (tmp_path / name).write_bytes(image)
    real = os.open

    def vanishing(path: str, *args: Any, **keywords: Any) -> int:
        if os.fspath(path).endswith("c"):
            os.unlink(path)
        return real(path, *args, **keywords)

    monkeypatch.setattr(os, "open", vanishing)
    items = listing([str(tmp_path)], lambda path, error: pytest.fail(f"{path}: {error}"))
    next(items)
    (tmp_path / "b").unlink()
    assert [item.name for item in items if isinstance(item, Listed)] == ["a", "d"]


def test_a_file_that_cannot_be_read_is_listed_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(one_image())
    real = os.open

    def refused(path: str, *args: Any, **keywords: Any) -> int:
        if os.fspath(path).endswith("a"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **keywords)

    monkeypatch.setattr(os, "open", refused)
    found, told = everything(tmp_path)
    _, item = found
    assert isinstance(item, Listed)
    assert item.problem == "Permission denied"
    assert item.found is None
    assert [(path, type(error)) for path, error in told] == [(str(tmp_path / "a"), PermissionError)]


def test_where_files_may_be_read_but_not_kept_quiet_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(one_image())
    real = os.open

    def not_the_owner(path: str, flags: int, *args: Any, **keywords: Any) -> int:
        if flags & os.O_NOATIME:
            raise PermissionError(1, "Operation not permitted", path)
        return real(path, flags, *args, **keywords)

    monkeypatch.setattr(os, "open", not_the_owner)
    (item,) = entries(tmp_path)
    assert item.found is not None


# Texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [("20190502", "2019-05-02"), ("2019.05.02", "2019-05-02"), ("2019", "2019"), ("May 2019", "May 2019"), ("", "")],
)
def test_dates(text: str, shown: str) -> None:
    assert date_text(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("091533.12000", "09:15:33.12000"),
        ("0915", "09:15"),
        ("09", "09"),
        ("09:15:33", "09:15:33"),
        ("9.15", "9.15"),
        ("morning", "morning"),
        ("", ""),
    ],
)
def test_times(text: str, shown: str) -> None:
    assert time_text(text) == shown


def test_a_broken_data_set_says_so(tmp_path: Path) -> None:
    image = one_image()
    (tmp_path / "a").write_bytes(image[:600])
    _, told = everything(tmp_path)
    assert [type(error) for _, error in told] == [MalformedError]
