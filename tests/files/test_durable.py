"""Files that survive: whole writes, appended lines, comparisons, and what they do when the disk says no."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrdock.files.durable import (
    append_line,
    blocks,
    make_directories,
    open_directory,
    opened,
    same_bytes,
    write_all,
    write_whole,
)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    with opened(str(tmp_path), os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        yield descriptor


class Calls:
    """A record of fsync, replace and rename calls, in order; ``fail`` makes the next fsync of a kind fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.fail = ""
        fsync, replace = os.fsync, os.replace

        def watched_fsync(descriptor: int) -> None:
            kind = "directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
            self.names.append(f"fsync {kind}")
            if self.fail == kind:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            fsync(descriptor)

        def watched_replace(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            self.names.append("rename")
            replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        monkeypatch.setattr(os, "fsync", watched_fsync)
        monkeypatch.setattr(os, "replace", watched_replace)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(monkeypatch)


# ---- write_whole ----


def test_a_file_is_written_synced_renamed_and_its_directory_synced(
    tmp_path: Path, directory: int, calls: Calls
) -> None:
    write_whole("settings", b"one", directory=directory)
    assert (tmp_path / "settings").read_bytes() == b"one"
    assert calls.names == ["fsync file", "rename", "fsync directory"]


def test_what_stood_there_is_replaced_and_nothing_else_is_left(tmp_path: Path, directory: int) -> None:
    (tmp_path / "settings").write_bytes(b"a longer text that stood there before")
    write_whole("settings", b"new", directory=directory)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"settings": b"new"}


@pytest.mark.parametrize(("mode", "umask", "result"), [(0o640, 0, 0o640), (0o600, 0, 0o600), (0o640, 0o077, 0o600)])
def test_the_mode_is_the_asked_one_less_the_umask(
    tmp_path: Path, directory: int, mode: int, umask: int, result: int
) -> None:
    before = os.umask(umask)
    try:
        write_whole("file", b"x", directory=directory, mode=mode)
        append_line("lines", b"x", directory=directory, mode=mode)
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("file", "lines")} == {result}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside(
    tmp_path: Path, directory: int, calls: Calls
) -> None:
    write_whole("file", b"old", directory=directory)
    calls.fail = "file"
    with pytest.raises(OSError, match="Input/output error"):
        write_whole("file", b"new", directory=directory)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"old"}


def test_a_directory_that_cannot_be_synced_is_an_error(tmp_path: Path, directory: int, calls: Calls) -> None:
    calls.fail = "directory"
    with pytest.raises(OSError, match="Input/output error"):
        write_whole("file", b"new", directory=directory)


def test_a_file_that_cannot_be_made_is_named_not_what_would_stand_beside_it(directory: int) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_whole("missing/file", b"", directory=directory)
    assert caught.value.filename == "missing/file"


def test_an_interrupt_leaves_nothing_beside(tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole("file", b"new", directory=directory)
    assert list(tmp_path.iterdir()) == []


def test_many_threads_write_the_same_file_and_one_of_them_wins_whole(tmp_path: Path, directory: int) -> None:
    texts = [bytes([65 + number]) * 5000 for number in range(8)]
    threads = [
        threading.Thread(target=write_whole, args=("file", text), kwargs={"directory": directory}) for text in texts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() in texts
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_write_all_writes_all_when_the_system_takes_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:7]))
    for kind in (bytes, bytearray, memoryview):
        with opened(str(tmp_path / "file"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as descriptor:
            write_all(descriptor, kind(bytes(range(100))))
        assert (tmp_path / "file").read_bytes() == bytes(range(100))


# ---- append_line ----


def test_lines_are_appended_and_synced(tmp_path: Path, directory: int, calls: Calls) -> None:
    append_line("log", b"one", directory=directory)
    assert calls.names == ["fsync file", "fsync directory"]
    append_line("log", b"two", directory=directory)
    assert calls.names[2:] == ["fsync file"]
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("torn", [b"tor", b"one\ntor", b'{"a', b"\0\0\0"])
def test_a_torn_line_is_ended_first(tmp_path: Path, directory: int, torn: bytes) -> None:
    (tmp_path / "log").write_bytes(torn)
    append_line("log", b"next", directory=directory)
    append_line("log", b"last", directory=directory)
    assert (tmp_path / "log").read_bytes() == torn + b"\nnext\nlast\n"


def test_a_line_that_was_not_synced_is_an_error(directory: int, calls: Calls) -> None:
    calls.fail = "file"
    with pytest.raises(OSError, match="Input/output error"):
        append_line("log", b"one", directory=directory)


def test_lines_of_many_threads_stay_whole(tmp_path: Path, directory: int) -> None:
    def work(name: int) -> None:
        for number in range(20):
            append_line("log", b"%d-%d" % (name, number), directory=directory)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "log").read_bytes().split(b"\n")
    assert sorted(lines) == sorted([b"", *(b"%d-%d" % (name, number) for name in range(4) for number in range(20))])


# ---- directories and comparing ----


def test_a_directory_is_opened_and_a_link_to_it_only_when_told(tmp_path: Path, directory: int) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").write_bytes(b"")
    os.close(open_directory("real", directory=directory))
    os.close(open_directory("link", directory=directory, follow=True))
    with pytest.raises(OSError, match="link"):
        open_directory("link", directory=directory)
    with pytest.raises(NotADirectoryError):
        open_directory("file", directory=directory, follow=True)


def test_opened_closes_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), opened(str(tmp_path), os.O_RDONLY) as descriptor:
        raise ZeroDivisionError
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_opened_descriptors_are_not_inherited(tmp_path: Path) -> None:
    with opened(str(tmp_path), os.O_RDONLY) as descriptor:
        assert not os.get_inheritable(descriptor)


def test_directories_are_made_durable_from_the_top_down(tmp_path: Path, calls: Calls) -> None:
    make_directories(str(tmp_path / "one" / "two" / "three"), 0o2750)
    assert calls.names == ["fsync directory"] * 4, "the first for the directory that was there"
    made = [tmp_path / "one", tmp_path / "one" / "two", tmp_path / "one" / "two" / "three"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o2750}
    make_directories(str(made[-1]), 0o700)
    assert len(calls.names) == 5, "it may have been made by somebody who was killed before the sync"
    assert stat.S_IMODE(made[-1].stat().st_mode) == 0o2750


def test_a_file_where_a_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        make_directories(str(tmp_path / "file" / "below"), 0o750)
    with pytest.raises(FileExistsError):
        make_directories(str(tmp_path / "file"), 0o750)


def two_files(folder: Path, one: bytes, other: bytes) -> tuple[int, int]:
    (folder / "one").write_bytes(one)
    (folder / "other").write_bytes(other)
    return os.open(folder / "one", os.O_RDONLY), os.open(folder / "other", os.O_RDONLY)


@pytest.mark.parametrize(
    ("one", "other", "starts", "same"),
    [
        (b"", b"", (0, 0), True),
        (b"same", b"same", (0, 0), True),
        (b"same", b"sane", (0, 0), False),
        (b"same", b"same!", (0, 0), False),
        (b"same!", b"same", (0, 0), False),
        (b"head same", b"another head same", (5, 13), True),
        (b"head same", b"another head sane", (5, 13), False),
        (b"head same", b"same", (0, 0), False),
        (b"xsame", b"same", (1, 0), True),
        (b"same", b"xsame", (0, 1), True),
        (b"gone", b"also", (4, 4), True),
    ],
)
def test_bytes_are_compared_from_the_given_offsets(
    tmp_path: Path, one: bytes, other: bytes, starts: tuple[int, int], same: bool
) -> None:
    first, second = two_files(tmp_path, one, other)
    try:
        assert same_bytes(first, second, *starts) is same
        assert same_bytes(second, first, *reversed(starts)) is same
    finally:
        os.close(first)
        os.close(second)


def test_files_of_several_blocks_are_compared_to_the_end(tmp_path: Path) -> None:
    content = bytes(range(256)) * 4096 * 2 + b"the end"  # a little over two blocks
    for position in (0, 1 << 20, (1 << 21) - 1, len(content) - 1):
        changed = bytearray(content)
        changed[position] ^= 1
        first, second = two_files(tmp_path, b"header" + content, bytes(changed))
        try:
            assert not same_bytes(first, second, 6, 0)
            with opened(str(tmp_path / "other"), os.O_WRONLY) as again:
                write_all(again, content)
            assert same_bytes(first, second, 6, 0)
            assert b"".join(blocks(first, 6)) == content
        finally:
            os.close(first)
            os.close(second)


def test_a_file_that_shrinks_while_it_is_compared_is_not_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_files(tmp_path, b"content", b"content")
    pread = os.pread

    def shrinking(descriptor: int, count: int, at: int) -> bytes:
        return pread(descriptor, count, at) if descriptor == first else b""

    monkeypatch.setattr(os, "pread", shrinking)
    assert not same_bytes(first, second)
    os.close(first)
    os.close(second)
