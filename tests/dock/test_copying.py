"""One image is copied whole, durably, and over nothing; whatever was there stays."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mrdock.dock import copying
from mrdock.dock.copying import SourceGoneError, copy_image, part_name
from mrdock.files import durable
from tests.dock.conftest import SmallDisk
from tests.dock.support import IS_ROOT

NAME = "MR.1.2.3"
DATA = bytes(range(256)) * 40
BESIDE = f"{NAME}_{hashlib.sha256(DATA).hexdigest()[:8]}"
OWNER = "/store/20260105_101500_1a2b3c4d"

Place = tuple[Path, Path]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A source directory with one image, and an empty target directory."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / NAME).write_bytes(DATA)
    return source, target


def copy(place: Place, name: str = NAME, mode: int = 0o660) -> str:
    """Copy the image; returns its name there."""
    source, target = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in place)
    try:
        return copy_image(name, source_dir=source, target_dir=target, owner=OWNER, mode=mode)
    finally:
        os.close(source)
        os.close(target)


def names(directory: Path) -> list[str]:
    """Everything in a directory."""
    return sorted(os.listdir(directory))


def untouched(path: Path, before: os.stat_result) -> bool:
    """Whether a file is the same one, as it was."""
    now = path.stat()
    return all(getattr(now, name) == getattr(before, name) for name in ("st_ino", "st_mtime_ns", "st_mode", "st_size"))


def part() -> str:
    """The name under which the image is copied."""
    return part_name(NAME, OWNER)


# ---- the usual ----


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
@pytest.mark.parametrize("mode", [0o660, 0o640, 0o444])
def test_an_image_is_copied_with_its_mode_whatever_the_umask(place: Place, mode: int, umask: int) -> None:
    os.umask(umask)
    assert copy(place, mode=mode) == NAME
    copied = place[1] / NAME
    assert copied.read_bytes() == DATA
    assert copied.stat().st_mode & 0o7777 == mode
    assert names(place[1]) == [NAME]
    assert (place[0] / NAME).read_bytes() == DATA


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files to any group")
@pytest.mark.parametrize("setgid", [0o2770, 0o770])
def test_a_copy_has_the_group_of_its_directory(place: Place, setgid: int) -> None:
    os.chown(place[1], -1, 65534)
    place[1].chmod(setgid)
    copy(place)
    assert (place[1] / NAME).stat().st_gid == 65534
    assert (place[1] / NAME).stat().st_uid == os.geteuid()


def test_an_image_of_several_blocks(place: Place) -> None:
    data = os.urandom((3 << 20) + 17)
    (place[0] / NAME).write_bytes(data)
    copy(place)
    assert (place[1] / NAME).read_bytes() == data


def test_it_is_synced_before_it_has_its_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def spy(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*words: Any, **more: Any) -> Any:
            calls.append(name)
            return real(*words, **more)

        return called

    monkeypatch.setattr(os, "fsync", spy("fsync", os.fsync))
    monkeypatch.setattr(copying, "same_bytes", spy("compare", durable.same_bytes))
    monkeypatch.setattr(copying, "rename_new", spy("rename", durable.rename_new))
    copy(place)
    assert calls == ["fsync", "compare", "rename"]


# ---- something is there already ----


def test_the_same_bytes_count_as_copied_and_are_not_touched(place: Place) -> None:
    there = place[1] / NAME
    there.write_bytes(DATA)
    there.chmod(0o600)
    os.utime(there, (1, 1))
    before = there.stat()
    assert copy(place) == NAME
    assert untouched(there, before)
    assert names(place[1]) == [NAME]


@pytest.mark.parametrize(
    "other", [b"", b"x", DATA[:-1], DATA + b"x", DATA[:-1] + b"x", b"x" * len(DATA)], ids=lambda data: str(len(data))
)
def test_other_bytes_stay_and_the_image_goes_beside_them(place: Place, other: bytes) -> None:
    (place[1] / NAME).write_bytes(other)
    before = (place[1] / NAME).stat()
    assert copy(place) == BESIDE
    assert untouched(place[1] / NAME, before)
    assert (place[1] / NAME).read_bytes() == other
    assert (place[1] / BESIDE).read_bytes() == DATA
    assert names(place[1]) == [NAME, BESIDE]


def test_twice_beside_gives_one_name_and_one_file(place: Place) -> None:
    (place[1] / NAME).write_bytes(b"other")
    assert copy(place) == copy(place) == BESIDE
    assert names(place[1]) == [NAME, BESIDE]


def test_when_both_names_are_taken_nothing_is_overwritten(place: Place) -> None:
    (place[1] / NAME).write_bytes(b"one")
    (place[1] / BESIDE).write_bytes(b"two")
    with pytest.raises(FileExistsError):
        copy(place)
    assert {name: (place[1] / name).read_bytes() for name in names(place[1])} == {NAME: b"one", BESIDE: b"two"}


def make_directory(path: Path) -> None:
    """A directory with something in it."""
    path.mkdir()
    (path / "inside").write_text("x")


def make_link_to_same(path: Path) -> None:
    """A link to a file with the image's bytes."""
    (path.parent.parent / "same").write_bytes(DATA)
    path.symlink_to(path.parent.parent / "same")


def make_link_to_nothing(path: Path) -> None:
    """A link to a file that is not there: writing through it would make one."""
    path.symlink_to(path.parent.parent / "nowhere")


def make_fifo(path: Path) -> None:
    """A FIFO: opening it would wait for ever."""
    os.mkfifo(path)


THINGS = [make_directory, make_link_to_same, make_link_to_nothing, make_fifo]


@pytest.mark.parametrize("make", THINGS)
def test_anything_but_a_file_is_something_else(place: Place, make: Callable[[Path], None]) -> None:
    make(place[1] / NAME)
    kind = (place[1] / NAME).lstat().st_mode
    assert copy(place) == BESIDE
    assert (place[1] / NAME).lstat().st_mode == kind
    assert (place[1] / BESIDE).read_bytes() == DATA
    assert names(place[1]) == [NAME, BESIDE]
    assert not (place[1].parent / "nowhere").exists()


# ---- after a crash ----


@pytest.mark.parametrize("left", [b"", b"half", DATA, DATA * 2], ids=["empty", "half", "whole", "longer"])
def test_what_a_crash_left_is_used_again(place: Place, left: bytes) -> None:
    (place[1] / part()).write_bytes(left)
    (place[1] / part()).chmod(0o600)
    assert copy(place) == NAME
    assert names(place[1]) == [NAME]
    assert (place[1] / NAME).read_bytes() == DATA


def test_part_names_differ_by_study_and_are_hidden_and_short(place: Place) -> None:
    assert part_name(NAME, OWNER) == part_name(NAME, OWNER)
    assert part_name(NAME, OWNER) != part_name(NAME, OWNER + "x")
    assert part_name(NAME, OWNER).startswith(".")
    assert len(os.fsencode(part_name("x" * 255, OWNER))) <= 255


def test_a_fifo_in_the_part_s_place_holds_nobody_up(place: Place) -> None:
    """An image of more than 64 KiB written into it would hang for ever."""
    make_fifo(place[1] / part())
    assert copy(place) == NAME


@pytest.mark.parametrize("make", [make_link_to_same, make_link_to_nothing])
def test_a_link_in_the_part_s_place_is_not_followed(place: Place, make: Callable[[Path], None]) -> None:
    make(place[1] / part())
    try:
        copied = copy(place)
    except OSError as error:
        assert error.errno == errno.ELOOP  # noqa: PT017
    else:
        assert copied == NAME
    assert not (place[1].parent / "nowhere").exists()
    assert not (place[1] / NAME).is_symlink()


def test_a_hard_link_in_the_part_s_place_does_not_spoil_its_other_name(place: Place) -> None:
    """A name that can be foretold: whoever may write there could have a file of the dock's user overwritten."""
    precious = place[1].parent / "precious"
    precious.write_text("precious")
    os.link(precious, place[1] / part())
    assert copy(place) == NAME
    assert precious.read_bytes() == b"precious"
    assert (place[1] / NAME).read_bytes() == DATA


def test_a_crash_between_two_names_leaves_no_part_behind(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system has no exclusive rename (NFS), link and unlink stand for it; the power may go between."""
    monkeypatch.setattr(durable, "_renameat2", None)
    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", _power_cut)
        with pytest.raises(_PowerCutError):
            copy(place)
    assert names(place[1]) == sorted([NAME, part()])
    assert copy(place) == NAME
    assert names(place[1]) == [NAME]


class _PowerCutError(BaseException):
    """What no code may catch and go on."""


def _power_cut(*_: object, **__: object) -> None:
    raise _PowerCutError


def test_without_an_exclusive_rename_other_bytes_are_kept_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_renameat2", None)
    (place[1] / NAME).write_bytes(b"other")
    assert copy(place) == BESIDE
    assert (place[1] / NAME).read_bytes() == b"other"
    assert names(place[1]) == [NAME, BESIDE]


# ---- what goes wrong ----


def test_a_source_that_is_gone(place: Place) -> None:
    with pytest.raises(SourceGoneError):
        copy(place, "MR.9")
    assert names(place[1]) == []


def test_a_destination_that_is_gone_is_not_a_source_that_is_gone(place: Place) -> None:
    source, target = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in place)
    place[1].rmdir()
    try:
        with pytest.raises(FileNotFoundError) as gone:
            copy_image(NAME, source_dir=source, target_dir=target, owner=OWNER, mode=0o660)
    finally:
        os.close(source)
        os.close(target)
    assert not isinstance(gone.value, SourceGoneError)


def test_a_destination_that_cannot_be_read_is_not_copied_to_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    (place[1] / NAME).write_bytes(DATA)
    monkeypatch.setattr(copying, "same_image", fail)
    with pytest.raises(OSError, match="Input/output error"):
        copy(place)
    assert names(place[1]) == [NAME]


def test_a_source_that_is_a_link_is_not_copied(place: Place) -> None:
    (place[0] / "MR.9").symlink_to(NAME)
    with pytest.raises(OSError, match="symbolic links"):
        copy(place, "MR.9")


def test_a_copy_that_differs_is_not_given_its_name(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = durable.write_all
    monkeypatch.setattr(copying, "write_all", lambda descriptor, data: real(descriptor, b"x" + bytes(data[1:])))
    with pytest.raises(OSError, match="differs from its source"):
        copy(place)
    assert names(place[1]) == []


@pytest.mark.parametrize("call", ["fsync", "fchmod", "posix_fadvise"])
def test_what_fails_leaves_nothing(place: Place, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(OSError, match="Input/output error"):
            copy(place)
    assert names(place[1]) == []
    assert copy(place) == NAME


def test_a_full_disk_leaves_nothing_and_copies_when_there_is_room(place: Place, small_disk: SmallDisk) -> None:
    disk = small_disk("disk", "size=64k")
    (disk / "ballast").write_bytes(bytes(60 << 10))
    with pytest.raises(OSError, match="No space left") as full:
        copy((place[0], disk))
    assert full.value.errno == errno.ENOSPC
    assert names(disk) == ["ballast"]
    (disk / "ballast").unlink()
    assert copy((place[0], disk)) == NAME
    assert (disk / NAME).read_bytes() == DATA


def test_no_descriptor_stays_open(place: Place) -> None:
    before = len(os.listdir("/proc/self/fd"))
    copy(place)
    copy(place)
    with pytest.raises(FileNotFoundError):
        copy(place, "MR.9")
    assert len(os.listdir("/proc/self/fd")) == before
