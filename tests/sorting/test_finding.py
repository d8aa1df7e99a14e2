"""Which files dcm_move reads: the source, modality sub-directories, everything below; never what is ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.errors import PlaceError
from mrdock.sorting.finding import MODALITIES, Entry, Found, find


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(found: Found, root: Path) -> list[str]:
    return [os.path.relpath(entry.path, root) for entry in found.files]


def test_the_source_and_its_modality_directories(tmp_path: Path) -> None:
    make(tmp_path, "b", "a", *(f"{name}/1" for name in MODALITIES), "other/1", "MR/deep/1")
    assert names(find(str(tmp_path)), tmp_path) == ["a", "b", *(f"{name}/1" for name in MODALITIES)]


def test_one_modality_only(tmp_path: Path) -> None:
    make(tmp_path, "a", "MR/1", "MR/deep/2", "CT/1")
    assert names(find(str(tmp_path), modality="MR"), tmp_path) == ["MR/1"]
    assert names(find(str(tmp_path), modality="MR", recursive=True), tmp_path) == ["MR/1", "MR/deep/2"]
    with pytest.raises(PlaceError, match=r"/US: No such file"):
        find(str(tmp_path), modality="US")


def test_everything_below_in_order(tmp_path: Path) -> None:
    make(tmp_path, "z", "b/2", "b/1", "b/c/1", "a/1", "MR/1")
    assert names(find(str(tmp_path), recursive=True), tmp_path) == ["z", "MR/1", "a/1", "b/1", "b/2", "b/c/1"]


@pytest.mark.parametrize("recursive", [False, True])
def test_what_is_ours_is_no_input(tmp_path: Path, recursive: bool) -> None:
    make(tmp_path, "info", "1_0301.info", "20260105-1200-dcm_move-7.jsonl", "bad/IM_0001", "MR/bad/1", "MR/info")
    make(tmp_path, ".mrdock-ab-1.part", "._IM_0001.dcm", ".snapshot/1", "IM_0001", "information", "badly/1")
    expected = ["IM_0001", "information", *(["badly/1"] if recursive else [])]
    assert names(find(str(tmp_path), recursive=recursive), tmp_path) == expected


def test_a_source_called_bad_is_read_when_it_is_named(tmp_path: Path) -> None:
    make(tmp_path, "bad/IM_0001")
    assert names(find(str(tmp_path / "bad")), tmp_path) == ["bad/IM_0001"]


def test_links_are_named_and_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "away/1", "here/a")
    (tmp_path / "here" / "to_file").symlink_to(tmp_path / "away" / "1")
    (tmp_path / "here" / "to_directory").symlink_to(tmp_path / "away")
    (tmp_path / "here" / "loop").symlink_to(tmp_path / "here")
    (tmp_path / "here" / "nowhere").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "here" / "pipe")
    found = find(str(tmp_path / "here"), recursive=True)
    assert names(found, tmp_path) == ["here/a"]
    assert found.links == [str(tmp_path / "here" / "to_file")]


def test_each_file_comes_with_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    os.utime(tmp_path / "a", ns=(1, 1_700_000_000_123_456_789))
    assert find(str(tmp_path)).files == [Entry(str(tmp_path / "a"), 5, 1_700_000_000_123_456_789)]


def test_a_name_that_is_no_text_is_found(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n"))).write_bytes(b"x")
    assert len(find(str(tmp_path)).files) == 1


def test_a_source_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PlaceError, match=r"/gone: No such file or directory$"):
        find(str(tmp_path / "gone"))


def test_it_stops_when_asked(tmp_path: Path) -> None:
    make(tmp_path, *(f"{number}/1" for number in range(10)))
    assert len(find(str(tmp_path), recursive=True, cancelled=lambda: True).files) == 0
