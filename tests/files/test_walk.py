"""The walk through directories: order, what is passed over, and trees that are no trees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.files.walk import Directory, walk


def told(path: str, error: OSError) -> None:
    raise AssertionError(f"{path}: {error}")


def names(directory: Directory) -> list[str]:
    return [entry.name for entry in directory.entries]


def make(root: Path, *paths: str) -> None:
    for path in paths:
        if path.endswith("/"):
            (root / path).mkdir(parents=True, exist_ok=True)
        else:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"")


def test_each_directory_comes_before_those_in_it_and_neighbours_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b/z", "b/a/x", "a/c", "B/1", "10", "9", "empty/")
    found = list(walk(str(tmp_path), told))
    assert [os.path.relpath(directory.path, tmp_path) for directory in found] == [".", "B", "a", "b", "b/a", "empty"]
    assert [names(directory) for directory in found] == [
        ["10", "9", "B", "a", "b", "empty"],
        ["1"],
        ["c"],
        ["a", "z"],
        ["x"],
        [],
    ]


def test_paths_are_the_root_as_it_was_given_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/b/c")
    monkeypatch.chdir(tmp_path)
    assert [directory.path for directory in walk("a", told)] == ["a", os.path.join("a", "b")]
    assert [entry.path for d in walk(".", told) for entry in d.entries][-1] == os.path.join(".", "a", "b", "c")


def test_without_recursion_only_the_root_comes(tmp_path: Path) -> None:
    make(tmp_path, "a/b", "c")
    (directory,) = walk(str(tmp_path), told, recurse=False)
    assert names(directory) == ["a", "c"]


def test_hidden_entries_can_be_left_out(tmp_path: Path) -> None:
    make(tmp_path, ".snapshot/a", ".b", "c", "d/.e")
    assert [names(d) for d in walk(str(tmp_path), told, hidden=False)] == [["c", "d"], []]
    assert [names(d) for d in walk(str(tmp_path), told)] == [[".b", ".snapshot", "c", "d"], ["a"], [".e"]]


def test_a_hidden_root_is_walked(tmp_path: Path) -> None:
    make(tmp_path, ".hidden/a")
    assert [names(d) for d in walk(str(tmp_path / ".hidden"), told, hidden=False)] == [["a"]]


def test_links_to_directories_are_followed_only_on_request_and_each_directory_comes_once(tmp_path: Path) -> None:
    make(tmp_path, "a/x", "other/y")
    root = tmp_path / "a"
    (root / "up").symlink_to(tmp_path)  # a loop
    (root / "self").symlink_to("self")  # leads nowhere
    (root / "away").symlink_to("../other")
    assert [os.path.basename(d.path) for d in walk(str(root), told)] == ["a"]
    assert [os.path.relpath(d.path, tmp_path) for d in walk(str(root), told, follow=True)] == [
        "a",
        "a/away",
        "a/up",
    ]


def test_directories_full_of_links_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    folders = [tmp_path / f"d{i}" for i in range(12)]  # 12! ways through them
    for folder in folders:
        folder.mkdir()
    for folder in folders:
        for other in folders:
            (folder / f"to_{other.name}").symlink_to(other)
    assert len(list(walk(str(tmp_path), told, follow=True))) == 13


def test_an_entry_says_whether_it_is_a_directory_or_a_file(tmp_path: Path) -> None:
    make(tmp_path, "a/", "b")
    os.mkfifo(tmp_path / "c")
    for name, target in (("d", "a"), ("e", "b"), ("f", "c"), ("g", "g"), ("h", "nowhere")):
        (tmp_path / name).symlink_to(target)
    plain, followed = (next(walk(str(tmp_path), told, follow=follow)).entries for follow in (False, True))
    assert "".join(entry.name for entry in plain if entry.is_file) == "be"
    assert "".join(entry.name for entry in followed if entry.is_file) == "be"
    assert "".join(entry.name for entry in plain if entry.is_directory) == "a"
    assert "".join(entry.name for entry in followed if entry.is_directory) == "ad"


def test_the_root_may_be_a_link(tmp_path: Path) -> None:
    make(tmp_path, "a/x")
    (tmp_path / "link").symlink_to("a")
    assert [names(d) for d in walk(str(tmp_path / "link"), told)] == [["x"]]


def test_what_cannot_be_read_is_told_and_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/x", "b/y", "c/z")
    real_open, real_scandir = os.open, os.scandir

    def refuse(path: str | int) -> None:
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied", path)

    def opened(path: str, flags: int) -> int:
        refuse(path)
        return real_open(path, flags)

    def scandir(path: str | int) -> object:
        refuse(path)
        return real_scandir(path)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "scandir", scandir)
    failed: list[tuple[str, OSError]] = []
    found = [d.path for d in walk(str(tmp_path), lambda path, error: failed.append((path, error)))]
    assert found == [str(tmp_path), str(tmp_path / "a"), str(tmp_path / "c")]
    ((path, error),) = failed
    assert path == str(tmp_path / "b")
    assert isinstance(error, PermissionError)


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="only Linux can")
def test_the_access_dates_of_directories_stay(tmp_path: Path) -> None:
    make(tmp_path, "a/b/c")
    for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b"):
        os.utime(path, ns=(10**18, 2 * 10**18))
    list(walk(str(tmp_path), told))
    assert {os.stat(tmp_path / place).st_atime_ns for place in ("", "a", "a/b")} == {10**18}


@pytest.mark.skipif(not hasattr(os, "O_NOATIME"), reason="only Linux can")
def test_directories_of_others_are_walked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/b")
    real = os.open

    def not_the_owner(path: str, flags: int) -> int:
        if flags & os.O_NOATIME:
            raise PermissionError(1, "Operation not permitted", path)
        return real(path, flags)

    monkeypatch.setattr(os, "open", not_the_owner)
    assert [names(d) for d in walk(str(tmp_path), told)] == [["a"], ["b"]]


def test_a_directory_that_goes_meanwhile_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a/", "b/x")
    walking = walk(str(tmp_path), told)
    next(walking)
    (tmp_path / "a").rmdir()
    assert [os.path.basename(d.path) for d in walking] == ["b"]


def test_a_root_that_is_not_there_is_told(tmp_path: Path) -> None:
    failed: list[str] = []
    assert list(walk(str(tmp_path / "no"), lambda path, error: failed.append(path))) == []
    assert failed == [str(tmp_path / "no")]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere names are Unicode")
def test_names_that_are_no_utf_8_lead_to_their_files(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)
    with open(folder + b"/\xff\n", "wb"):
        pass
    _, inner = walk(str(tmp_path), told)
    assert os.fsencode(inner.path) == folder
    assert os.fsencode(inner.entries[0].name) == b"\xff\n"
    assert os.path.exists(inner.entries[0].path)


def test_a_very_deep_tree_is_walked_as_far_as_paths_go(tmp_path: Path) -> None:
    here = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1500):  # 3,000 characters: deeper than Python calls may be nested
            os.mkdir("d")
            os.chdir("d")
    finally:
        os.chdir(here)
    found = [directory.path for directory in walk(str(tmp_path), told)]
    assert len(found) == 1501
    for path in reversed(found[1:]):  # pytest cannot
        os.rmdir(path)
