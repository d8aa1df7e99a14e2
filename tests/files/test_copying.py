"""Durable copies: bytes, times and modes, by every way that a system offers; what cannot be copied leaves nothing."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mrdock.files import copying, syncing
from mrdock.files.copying import Copied, Copy, Pair, compare_many, copy_many, same_files
from mrdock.files.syncing import WholeSync, sync_directories, sync_files
from mrdock.files.workers import Workers

SIZES = (0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 7)


def source(folder: Path, size: int) -> Path:
    path = folder / f"source{size}"
    path.write_bytes(os.urandom(size))
    os.utime(path, ns=(10**18, 10**18 + 123_456_789))
    return path


def order(path: Path, target: Path, **more: Any) -> Copy:
    status = path.stat()
    return Copy(str(path), str(target), status.st_size, status.st_mtime_ns, **more)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("kernel", ["range", "no range", "range fails", "range ends early"])
def test_the_bytes_and_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, durable: bool, kernel: str
) -> None:
    def failing(*_: object) -> int:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    if kernel == "no range":
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    elif kernel != "range":
        nothing: Callable[..., int] = failing if kernel == "range fails" else lambda *_: 0
        monkeypatch.setattr(os, "copy_file_range", nothing, raising=False)
    path = source(tmp_path, size)
    (copied,) = copy_many([order(path, tmp_path / "t")], durable)
    assert copied == Copied(10**18 + 123_456_789)
    assert (tmp_path / "t").read_bytes() == path.read_bytes()
    assert (tmp_path / "t").stat().st_mtime_ns == copied.modified_ns


def test_exact_copies_keep_modes_and_attributes(tmp_path: Path) -> None:
    path = source(tmp_path, 10)
    os.chmod(path, 0o604)
    try:
        os.setxattr(path, "user.note", b"kept")
    except OSError:
        attributes = False
    else:
        attributes = True
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
    copy_many([order(path, tmp_path / "t", exact=True)], durable=False)
    status = (tmp_path / "t").stat()
    assert stat.S_IMODE(status.st_mode) == 0o604
    assert (status.st_uid, status.st_gid) == (path.stat().st_uid, path.stat().st_gid)
    assert not attributes or os.getxattr(tmp_path / "t", "user.note") == b"kept"


def test_a_time_and_mode_that_are_given(tmp_path: Path) -> None:
    path = source(tmp_path, 10)
    copy_many([order(path, tmp_path / "t", restored=(10**17, 0o100600))], durable=True)
    assert (tmp_path / "t").stat().st_mtime_ns == 10**17
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o600


def test_a_source_that_is_another_now(tmp_path: Path) -> None:
    path = source(tmp_path, 10)
    asked = order(path, tmp_path / "t")
    for wrong in (asked._replace(size=11), asked._replace(modified_ns=1)):
        (copied,) = copy_many([wrong], durable=True)
        assert "changed" in copied.reason
    (copied,) = copy_many([asked._replace(source=str(tmp_path / "none"))], durable=True)
    assert copied.code == errno.ENOENT
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("change", ["grows", "shrinks"])
def test_a_source_that_changes_while_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    path = source(tmp_path, 1000)
    right = copying.make_anew

    def changing(*words: Any) -> int:
        if change == "grows":
            with path.open("ab") as stream:
                stream.write(b"more")
        else:
            os.truncate(path, 10)
        return right(*words)

    monkeypatch.setattr(copying, "make_anew", changing)
    (copied,) = copy_many([order(path, tmp_path / "t")], durable=False)
    assert "changed" in copied.reason
    assert not (tmp_path / "t").exists()


def test_what_an_earlier_try_left_is_replaced(tmp_path: Path) -> None:
    path = source(tmp_path, 10)
    (tmp_path / "t").write_bytes(b"unfinished business, longer than that")
    (copied,) = copy_many([order(path, tmp_path / "t")], durable=False)
    assert not copied.reason
    assert (tmp_path / "t").read_bytes() == path.read_bytes()


def test_a_full_disk_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def full(*_: object) -> None:
        tried.append(1)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = source(tmp_path, 10)
    monkeypatch.setattr("mrdock.files.copying.write_all", full)
    done = copy_many([order(path, tmp_path / f"t{number}") for number in range(50)], durable=False)
    assert len(tried) == 1
    assert [copied.code for copied in done] == [errno.ENOSPC] * 50
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_an_fsync_that_fails_takes_the_copy_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = source(tmp_path, 10)
    monkeypatch.setattr(os, "fsync", failing)
    (copied,) = copy_many([order(path, tmp_path / "t")], durable=True)
    assert copied.code == errno.EIO
    assert not (tmp_path / "t").exists()


def test_who_is_told_to_stop_begins_no_further_file(tmp_path: Path) -> None:
    path = source(tmp_path, 10)
    done = copy_many([order(path, tmp_path / "t")] * 2, durable=False, stopped=lambda: True)
    assert all(copied.reason for copied in done)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("from_disk", [True, False])
def test_a_comparison_finds_one_bit(tmp_path: Path, size: int, from_disk: bool) -> None:
    path, other = source(tmp_path, size), tmp_path / "other"
    content = path.read_bytes()
    other.write_bytes(content)
    assert same_files(str(path), str(other), from_disk=from_disk)
    other.write_bytes(content + b"x")
    assert not same_files(str(path), str(other), from_disk=from_disk)
    for at in {0, size // 2, size - 1} if size else ():
        other.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert not same_files(str(path), str(other), from_disk=from_disk)


def test_a_comparison_says_why_not(tmp_path: Path) -> None:
    path = source(tmp_path, 3)
    assert compare_many([Pair(str(path), str(path)), Pair(str(path), str(tmp_path / "none"))]) == [
        "",
        "no such file or directory",
    ]


def test_helpers_do_the_same_as_we_alone(tmp_path: Path) -> None:
    path = source(tmp_path, 100)
    alone, together = Workers(1), Workers(3)
    try:
        for workers, name in ((alone, "a"), (together, "b")):
            copies = [order(path, tmp_path / f"{name}{number}\udcff", restored=(5, 0o100644)) for number in range(500)]
            copies.append(order(path, tmp_path / "x")._replace(size=7))
            done = workers.copy(copies, durable=False)
            assert done[:500] == [Copied(5)] * 500
            assert done[500].reason == copying.CHANGED
            pairs = [Pair(each.source, each.target) for each in copies]
            assert workers.compare(pairs) == [""] * 500 + ["no such file or directory"]
    finally:
        alone.close()
        together.close()


def test_one_sync_for_all_where_that_is_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = WholeSync(str(tmp_path))
    if whole.possible:
        whole.sync()
    whole.close()
    assert not whole.possible
    monkeypatch.setattr(syncing, "_kind_of", lambda _: 0x65735546)  # FUSE: its syncfs promises nothing
    assert not WholeSync(str(tmp_path)).possible
    monkeypatch.setattr(syncing, "_syncfs", None)
    assert not WholeSync(str(tmp_path)).possible


def test_a_sync_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [tmp_path / str(number) for number in range(40)]
    for folder in folders:
        folder.mkdir()
    paths = list(map(str, folders))
    assert sync_directories([*paths, str(tmp_path / "none")]) == {}
    assert sync_files([str(source(tmp_path, 5)), str(tmp_path / "none")]) == {}

    def failing(_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    monkeypatch.setattr(WholeSync, "sync", failing)
    assert sync_directories(paths) == dict.fromkeys(paths, "input/output error")
    assert sync_directories(paths[:1]) == {paths[0]: "input/output error"}
