"""A checked destination is opened without following any link, and made with the modes that researchers need."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from mrdock.dock.destination import Destination, RouteTrouble, open_destination, resolve
from mrdock.dock.settings import RouteSettings
from mrdock.files import durable
from tests.dock.conftest import SmallDisk
from tests.dock.support import IS_ROOT


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """root/kirby/project and outside/."""
    (tmp_path / "root/kirby/project").mkdir(parents=True)
    (tmp_path / "outside/project").mkdir(parents=True)
    return tmp_path


def allowed(place: Path, **more: int) -> RouteSettings:
    """Routing allowed below root/."""
    return RouteSettings(roots=(place / "root",), **more)  # type: ignore[arg-type]


def checked(place: Path, path: str) -> Destination:
    """A destination that was in order a moment ago."""
    return resolve(str(place / path), allowed(place), place / "store")


def opened_path(place: Path, destination: Destination, **more: int) -> str:
    """Where the descriptor leads that `open_destination` gives."""
    descriptor = open_destination(destination, allowed(place, **more))
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def open_descriptors() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("path", ["root", "root/kirby", "root/kirby/project"])
def test_what_is_there_is_opened_and_left_as_it_is(place: Path, path: str) -> None:
    (place / path).chmod(0o711)
    assert opened_path(place, checked(place, path)) == str(place / path)
    assert (place / path).stat().st_mode & 0o7777 == 0o711


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
def test_the_last_part_is_made_whatever_the_umask(place: Path, umask: int) -> None:
    os.umask(umask)
    made = place / "root/kirby/subj1"
    assert opened_path(place, checked(place, "root/kirby/subj1")) == str(made)
    assert made.stat().st_mode & 0o7777 == 0o2770
    other = place / "root/kirby/subj2"
    opened_path(place, checked(place, "root/kirby/subj2"), directory_mode=0o755)
    assert other.stat().st_mode & 0o7777 == 0o755


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files to any group")
@pytest.mark.parametrize("mode", [0o2770, 0o770])
def test_what_is_made_has_the_group_of_where_it_stands(place: Path, mode: int) -> None:
    os.chown(place / "root/kirby", -1, 65534)
    (place / "root/kirby").chmod(mode)
    opened_path(place, checked(place, "root/kirby/subj1"))
    status = (place / "root/kirby/subj1").stat()
    assert (status.st_gid, status.st_mode & 0o7777) == (65534, 0o2770)


def test_the_directory_may_have_been_made_meanwhile(place: Path) -> None:
    destination = checked(place, "root/kirby/subj1")
    (place / "root/kirby/subj1").mkdir()
    assert opened_path(place, destination) == str(place / "root/kirby/subj1")


@pytest.mark.parametrize("swapped", ["root", "root/kirby", "root/kirby/project"])
def test_a_link_that_was_put_there_meanwhile_is_not_followed(place: Path, swapped: str) -> None:
    destination = checked(place, "root/kirby/project")
    (place / swapped).rename(place / "moved")
    (place / swapped).symlink_to(place / "moved")
    with pytest.raises(RouteTrouble):
        open_destination(destination, allowed(place))


def test_a_link_in_the_place_of_what_is_to_be_made_is_not_followed(place: Path) -> None:
    destination = checked(place, "root/kirby/subj1")
    (place / "root/kirby/subj1").symlink_to(place / "outside")
    with pytest.raises(RouteTrouble):
        open_destination(destination, allowed(place))
    assert list((place / "outside").iterdir()) == [place / "outside/project"]


def test_what_went_away_meanwhile_is_not_made_anew(place: Path) -> None:
    destination = checked(place, "root/kirby/project/subj1")
    (place / "root/kirby/project").rmdir()
    with pytest.raises(RouteTrouble, match="no such file"):
        open_destination(destination, allowed(place))


@pytest.mark.parametrize("path", ["root/kirby/project", "root/kirby/project/subj1"])
def test_failing_leaves_no_descriptor_open(place: Path, path: str) -> None:
    """A waiting study is tried again and again: each open descriptor would stay for good."""
    destination = checked(place, path)
    (place / "root/kirby/project").rmdir()
    before = open_descriptors()
    for _ in range(5):
        with pytest.raises(RouteTrouble):
            open_destination(destination, allowed(place))
    assert open_descriptors() == before


def test_a_directory_whose_making_was_cut_short_gets_its_mode_at_the_next_try(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash between mkdir and chmod: left as it is, nobody but the dock could enter it."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fchmod", fail)
        with suppress(RouteTrouble):
            os.close(open_destination(checked(place, "root/kirby/subj1"), allowed(place)))
    opened_path(place, checked(place, "root/kirby/subj1"))
    assert (place / "root/kirby/subj1").stat().st_mode & 0o7777 == 0o2770


def test_a_directory_that_may_not_be_written_says_so(
    open_place: Path, as_nobody: Callable[[Callable[[], str]], str]
) -> None:
    directory = open_place / "root/kirby"
    directory.mkdir(parents=True)
    directory.parent.chmod(0o755)
    directory.chmod(0o555)

    def ask(path: str) -> Callable[[], str]:
        def call() -> str:
            try:
                os.close(open_destination(checked(open_place, path), allowed(open_place)))
            except RouteTrouble as trouble:
                return f"{trouble.passing} {trouble.reason}"
            return "opened"

        return call

    assert as_nobody(ask("root/kirby")) == "False the directory cannot be written to by the dock's user"
    assert as_nobody(ask("root/kirby/subj1")).startswith("False permission denied")
    if IS_ROOT:
        assert ask("root/kirby")() == "opened"


@pytest.mark.parametrize("path", ["root/disk/kirby", "root/disk/kirby/subj1"])
def test_a_file_system_that_is_read_only_may_be_writable_later(
    tmp_path: Path, small_disk: SmallDisk, path: str
) -> None:
    (tmp_path / "root").mkdir()
    disk = small_disk("root/disk", "size=1m")
    (disk / "kirby").mkdir()
    remount_read_only(disk)
    with pytest.raises(RouteTrouble) as refused:
        open_destination(checked(tmp_path, path), allowed(tmp_path))
    assert "read-only" in refused.value.reason
    assert refused.value.passing


def remount_read_only(disk: Path) -> None:
    """What a file system does to itself after an error."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def test_a_full_disk_may_have_room_later(tmp_path: Path, small_disk: SmallDisk) -> None:
    (tmp_path / "root").mkdir()
    small_disk("root/disk", "size=1m,nr_inodes=2")
    (tmp_path / "root/disk/last").mkdir()
    with pytest.raises(RouteTrouble, match="no space left") as refused:
        open_destination(checked(tmp_path, "root/disk/kirby"), allowed(tmp_path))
    assert refused.value.passing


@pytest.mark.skipif(not IS_ROOT, reason="an owner may always read its own directories again")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("root/passed/kirby", "opened"),
        ("root/passed/kirby/subj1", "opened"),
        ("root/dropbox", "False the directory cannot be read by the dock's user"),
        ("root/dropbox/subj1", "False the directory cannot be read by the dock's user"),
    ],
)
def test_directories_on_the_way_need_not_be_readable(
    open_place: Path, as_nobody: Callable[[Callable[[], str]], str], path: str, said: str
) -> None:
    for name, mode in (("root/passed/kirby", 0o777), ("root/passed", 0o711), ("root/dropbox", 0o733), ("root", 0o711)):
        (open_place / name).mkdir(parents=True, exist_ok=True)
        (open_place / name).chmod(mode)
        os.chown(open_place / name, -1, 65534)

    def ask() -> str:
        try:
            os.close(open_destination(checked(open_place, path), allowed(open_place)))
        except RouteTrouble as trouble:
            return f"{trouble.passing} {trouble.reason}"
        return "opened"

    assert as_nobody(ask).startswith(said)
    assert not list((open_place / "root/dropbox").iterdir())


class _PowerCutError(BaseException):
    """What no code may catch and go on."""


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_power_cut_while_a_directory_is_made(place: Path, monkeypatch: pytest.MonkeyPatch, exclusive: bool) -> None:
    """It never stands under its name with a mode that is not its own; nor does what was begun stay for good."""

    def cut(*_: object, **__: object) -> None:
        raise _PowerCutError

    if not exclusive:
        monkeypatch.setattr(durable, "_renameat2", None)  # NFS
    made = place / "root/kirby/subj1"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fchmod", cut)
        patch.setattr(os, "rmdir", cut)
        with pytest.raises(_PowerCutError):
            open_destination(checked(place, "root/kirby/subj1"), allowed(place), "a study")
    assert not made.exists()
    os.close(open_destination(checked(place, "root/kirby/subj1"), allowed(place), "a study"))
    assert made.stat().st_mode & 0o7777 == 0o2770
    assert sorted(os.listdir(place / "root/kirby")) == ["project", "subj1"]
