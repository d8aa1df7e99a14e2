"""A rename that never overwrites, by each of its three ways (renameat2, a hard link, an exclusive placeholder)."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrdock.files import durable
from mrdock.files.durable import open_directory, rename_new

Way = Callable[[], None]
NOT_SUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Descriptors of two directories, ``from`` and ``to``."""
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    source, target = open_directory(str(tmp_path / "from")), open_directory(str(tmp_path / "to"))
    yield source, target
    os.close(source)
    os.close(target)


def failing_renameat2(code: int) -> Callable[..., int]:
    def renameat2(*_: object) -> int:
        ctypes.set_errno(code)
        return -1

    return renameat2


def failing_link(code: int) -> Callable[..., None]:
    def link(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return link


@pytest.fixture(params=["renameat2", "link", "placeholder", "link after EINVAL", "placeholder after EPERM"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """One of the ways, as on a system or a file system that lacks the better ones."""
    name = str(request.param)
    if name in ("link", "placeholder"):
        monkeypatch.setattr(durable, "_renameat2", None)
    elif name == "link after EINVAL":
        monkeypatch.setattr(durable, "_renameat2", failing_renameat2(errno.EINVAL))
    elif name == "placeholder after EPERM":
        monkeypatch.setattr(durable, "_renameat2", failing_renameat2(errno.ENOSYS))
    if name.startswith("placeholder"):
        monkeypatch.setattr(os, "link", failing_link(errno.EPERM if "EPERM" in name else errno.EOPNOTSUPP))
    return name


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("way")
def test_a_file_gets_its_new_name(tmp_path: Path, folders: tuple[int, int]) -> None:
    (tmp_path / "from" / "part").write_bytes(b"image")
    inode = (tmp_path / "from" / "part").stat().st_ino
    rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert content(tmp_path) == {"to/image": b"image"}
    assert (tmp_path / "to" / "image").stat().st_ino == inode


@pytest.mark.usefixtures("way")
def test_a_file_that_is_there_is_not_replaced(tmp_path: Path, folders: tuple[int, int]) -> None:
    (tmp_path / "from" / "part").write_bytes(b"second")
    (tmp_path / "to" / "image").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert content(tmp_path) == {"from/part": b"second", "to/image": b"first"}


@pytest.mark.usefixtures("way")
def test_neither_is_anything_else_that_is_there(tmp_path: Path, folders: tuple[int, int]) -> None:
    (tmp_path / "from" / "part").write_bytes(b"image")
    (tmp_path / "to" / "folder").mkdir()
    (tmp_path / "to" / "dangling").symlink_to("/nowhere/at/all")
    os.mkfifo(tmp_path / "to" / "pipe")
    for name in ("folder", "dangling", "pipe"):
        with pytest.raises(FileExistsError):
            rename_new("part", name, source_dir=folders[0], target_dir=folders[1])
    assert (tmp_path / "from" / "part").read_bytes() == b"image"
    assert (tmp_path / "to" / "dangling").is_symlink()


@pytest.mark.usefixtures("way")
def test_within_one_directory(tmp_path: Path, folders: tuple[int, int]) -> None:
    (tmp_path / "from" / "part").write_bytes(b"image")
    rename_new("part", "image", source_dir=folders[0], target_dir=folders[0])
    with pytest.raises(FileExistsError):
        rename_new("image", "image", source_dir=folders[0], target_dir=folders[0])
    assert content(tmp_path) == {"from/image": b"image"}


@pytest.mark.usefixtures("way")
def test_a_source_that_is_not_there_leaves_nothing(tmp_path: Path, folders: tuple[int, int]) -> None:
    with pytest.raises(FileNotFoundError):
        rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert list((tmp_path / "to").iterdir()) == []


@pytest.mark.usefixtures("way")
def test_names_beyond_ascii(tmp_path: Path, folders: tuple[int, int]) -> None:
    for name in ("größe 日本", "odd\udcff", "-rf", "a\nb"):
        (tmp_path / "from" / "part").write_bytes(b"image")
        rename_new("part", name, source_dir=folders[0], target_dir=folders[1])
        assert (tmp_path / "to" / name).read_bytes() == b"image"


@pytest.mark.usefixtures("way")
def test_of_many_that_want_one_name_one_gets_it(tmp_path: Path, folders: tuple[int, int]) -> None:
    for number in range(12):
        (tmp_path / "from" / str(number)).write_bytes(b"%d" % number)
    refused: list[int] = []

    def work(number: int) -> None:
        try:
            rename_new(str(number), "image", source_dir=folders[0], target_dir=folders[1])
        except FileExistsError:
            refused.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = set(range(12)) - set(refused)
    assert (tmp_path / "to" / "image").read_bytes() == b"%d" % winner
    assert {path.name for path in (tmp_path / "from").iterdir()} == {str(number) for number in refused}


@pytest.mark.parametrize("code", NOT_SUPPORTED)
def test_what_a_file_system_lacks_is_done_another_way(
    tmp_path: Path, folders: tuple[int, int], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(durable, "_renameat2", failing_renameat2(code))
    monkeypatch.setattr(os, "link", failing_link(code))
    (tmp_path / "from" / "part").write_bytes(b"image")
    rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert content(tmp_path) == {"to/image": b"image"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EXDEV, errno.EROFS, errno.EACCES])
def test_real_trouble_is_reported_not_worked_around(
    tmp_path: Path, folders: tuple[int, int], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    (tmp_path / "from" / "part").write_bytes(b"image")
    monkeypatch.setattr(durable, "_renameat2", failing_renameat2(code))
    with pytest.raises(OSError, match=re.escape(os.strerror(code))) as first:
        rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    monkeypatch.setattr(durable, "_renameat2", None)
    monkeypatch.setattr(os, "link", failing_link(code))
    with pytest.raises(OSError, match=re.escape(os.strerror(code))) as second:
        rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert (first.value.errno, second.value.errno) == (code, code)
    assert content(tmp_path) == {"from/part": b"image"}


def test_a_rename_that_fails_takes_its_placeholder_away(
    tmp_path: Path, folders: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file must not stay under the final name."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(durable, "_renameat2", None)
    monkeypatch.setattr(os, "link", failing_link(errno.EPERM))
    monkeypatch.setattr(os, "rename", full)
    (tmp_path / "from" / "part").write_bytes(b"image")
    with pytest.raises(OSError, match="No space left"):
        rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert content(tmp_path) == {"from/part": b"image"}


def test_a_rename_that_is_interrupted_when_it_is_done_keeps_the_file(
    tmp_path: Path, folders: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may be heard just after the call: what stands under the final name is no placeholder any more."""
    rename = os.rename

    def interrupted(*args: str, **options: int) -> None:
        rename(*args, **options)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(durable, "_renameat2", None)
    monkeypatch.setattr(os, "link", failing_link(errno.EPERM))
    monkeypatch.setattr(os, "rename", interrupted)
    (tmp_path / "from" / "part").write_bytes(b"image")
    with pytest.raises(KeyboardInterrupt):
        rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert content(tmp_path) == {"to/image": b"image"}


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_a_file_that_can_be_linked_and_not_removed_has_one_name(
    tmp_path: Path, folders: tuple[int, int], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Another owner's file in a sticky directory: the kernel refuses the rename and the unlink, but not the link."""
    unlink = os.unlink

    def refusing(path: str, *, dir_fd: int) -> None:
        if path == "part":
            raise OSError(code, os.strerror(code))
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(durable, "_renameat2", failing_renameat2(errno.EPERM))
    monkeypatch.setattr(os, "unlink", refusing)
    (tmp_path / "from" / "part").write_bytes(b"image")
    with pytest.raises(PermissionError):
        rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert content(tmp_path) == {"from/part": b"image"}


def test_a_source_that_a_server_says_is_gone_stays_at_its_new_name(
    tmp_path: Path, folders: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network file system that repeats an unlink whose answer was lost hears that there is no such file."""
    unlink = os.unlink

    def twice(path: str, *, dir_fd: int) -> None:
        unlink(path, dir_fd=dir_fd)
        unlink(path, dir_fd=dir_fd)

    monkeypatch.setattr(durable, "_renameat2", None)
    monkeypatch.setattr(os, "unlink", twice)
    (tmp_path / "from" / "part").write_bytes(b"image")
    rename_new("part", "image", source_dir=folders[0], target_dir=folders[1])
    assert content(tmp_path) == {"to/image": b"image"}
