"""A store is a directory with a marker; one dock has it at a time; what a crash left is swept."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mrdock.dock.lock import describe, exclusive, holder
from mrdock.dock.setting_values import Free
from mrdock.dock.store import MARKER, Store, delete_tree, open_store
from mrdock.errors import BusyError, StoreError
from tests.dock.conftest import SmallDisk

ROOMS = [".mrdock/incoming", ".mrdock/journals", ".mrdock/trash", "quarantine"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def tree(root: Path) -> dict[str, int]:
    """All there is below a directory, with its mode."""
    return {str(path.relative_to(root)): path.stat().st_mode & 0o7777 for path in sorted(root.rglob("*"))}


# ---- opening ----


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_a_new_store_has_its_marker_and_its_rooms(tmp_path: Path, umask: int) -> None:
    os.umask(umask)
    root = tmp_path / "data" / "mrdock" / "store"
    open_store(root, Free(), create=True).close()
    assert root.stat().st_mode & 0o7777 == 0o2750
    found = tree(root)
    assert set(found) == {MARKER, ".mrdock", *ROOMS}
    assert {name: found[name] for name in ROOMS} == dict.fromkeys(ROOMS, 0o2750)
    assert found[MARKER] & 0o7137 == 0
    marker = json.loads((root / MARKER).read_text())
    assert (marker["layout"], len(marker["store"])) == (1, 36)


def test_the_dock_s_own_directory_has_the_mode_of_the_others(tmp_path: Path) -> None:
    os.umask(0o000)
    open_store(tmp_path / "store", Free(), create=True).close()
    assert (tmp_path / "store" / ".mrdock").stat().st_mode & 0o7777 == 0o2750


def test_a_new_store_is_durable_up_to_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real: Callable[[int], None] = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    open_store(tmp_path / "data" / "store", Free(), create=True).close()
    assert str(tmp_path / "data" / "store") in synced
    assert str(tmp_path / "data") in synced  # or the power takes the whole store away
    assert str(tmp_path) in synced


def test_an_empty_directory_becomes_a_store_and_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o711)
    mode = (tmp_path / "store").stat().st_mode
    open_store(tmp_path / "store", Free(), create=True).close()
    assert (tmp_path / "store").stat().st_mode == mode


def test_a_store_is_opened_again_and_stays_what_it_is(tmp_path: Path) -> None:
    root = tmp_path / "store"
    open_store(root, Free(), create=True).close()
    marker = (root / MARKER).read_bytes()
    (root / "20260105_101500_1a2b3c4d").mkdir()
    (root / "quarantine").rmdir()
    for create in (True, False):
        opened = open_store(root, Free(), create=create)
        assert list(opened.study_names()) == ["20260105_101500_1a2b3c4d"]
        opened.close()
    assert (root / MARKER).read_bytes() == marker
    assert (root / "quarantine").is_dir()


@pytest.mark.parametrize("create", [True, False])
def test_a_directory_with_other_things_is_no_store(tmp_path: Path, create: bool) -> None:
    (tmp_path / "thesis.docx").write_text("x")
    with pytest.raises(StoreError, match=r"not empty and no store|no store \(it has no \.mrdock-store\)"):
        open_store(tmp_path, Free(), create=create)
    assert os.listdir(tmp_path) == ["thesis.docx"]


@pytest.mark.parametrize("what", ["missing", "empty", "link to nothing"])
def test_without_create_nothing_is_made(tmp_path: Path, what: str) -> None:
    root = tmp_path / "store"
    if what == "empty":
        root.mkdir()
    if what == "link to nothing":
        root.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=f"^{root}: no store"):
        open_store(root, Free(), create=False)
    assert not (tmp_path / "nowhere").exists()
    assert what != "empty" or os.listdir(root) == []
    assert what != "missing" or not root.exists()


@pytest.mark.parametrize("what", ["file", "below a file", "marker is a directory", "private is a file", "link in it"])
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, what: str) -> None:
    root = tmp_path / "store"
    if what in ("file", "below a file"):
        root.write_text("x")
        root = root / "deeper" if what == "below a file" else root
    else:
        root.mkdir()
        (root / MARKER).mkdir() if what == "marker is a directory" else (root / MARKER).write_text("{}")
        if what == "private is a file":
            (root / ".mrdock").write_text("x")
        if what == "link in it":
            (root / "quarantine").symlink_to(tmp_path)
    with pytest.raises(StoreError) as refused:
        open_store(root, Free(), create=True)
    assert str(refused.value).startswith(f"{root}: ")
    assert "\n" not in str(refused.value)
    assert "None" not in str(refused.value)


def test_a_read_only_disk_is_one_sentence(tmp_path: Path, small_disk: SmallDisk) -> None:
    disk = small_disk("disk", "size=1m,ro")
    with pytest.raises(StoreError, match="the store cannot be used: Read-only file system"):
        open_store(disk / "store", Free(), create=True)


def test_opening_and_failing_leave_no_descriptor(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    root = tmp_path / "store"
    open_store(root, Free(), create=True).close()
    (root / "quarantine").rmdir()
    (root / "quarantine").symlink_to(tmp_path)
    for _ in range(3):
        with pytest.raises(StoreError):
            open_store(root, Free(), create=True)
    assert len(os.listdir("/proc/self/fd")) == before


# ---- the lock ----


def test_one_dock_a_store(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path / "store", Free(), create=False)
    assert holder(store) == {}
    with exclusive(store, "a test"):
        assert holder(store) == holder(other) == {"who": "a test", "pid": os.getpid()}
        busy = pytest.raises(BusyError, match=f"^{store.root}: a test is using this store$")
        with busy, exclusive(other, "another test", patience=0.1):
            raise AssertionError
    assert holder(other) == {}
    with exclusive(other, "another test", patience=0):
        assert holder(store)["who"] == "another test"
    other.close()


def test_the_holder_says_more_of_itself(store: Store) -> None:
    with exclusive(store, "a test") as lock:
        describe(lock, {"who": "the dock", "listeners": ["x" * 1000]})
        assert holder(store) == {"who": "the dock", "listeners": ["x" * 1000]}
        describe(lock, {"who": "the dock"})
        assert holder(store) == {"who": "the dock"}
        for content in (b"", b"no json", b"[1]", b'{"who"', b"\xff"):
            os.ftruncate(lock, 0)
            os.pwrite(lock, content, 0)
            assert holder(store) == {"who": "another dock"}
    assert holder(store) == {}


def test_looking_takes_nothing_away(store: Store) -> None:
    assert holder(store) == {}
    with exclusive(store, "a test", patience=0):
        pass
    assert (store.root / ".mrdock/lock").stat().st_mode & 0o7137 == 0


_HOLDER = """
import os, sys, time
from pathlib import Path
from mrdock.dock.setting_values import Free
from mrdock.dock.lock import exclusive
from mrdock.dock.store import open_store
store = open_store(Path(sys.argv[1]), Free(), create=False)
with exclusive(store, "the dock", patience=0):
    if sys.argv[2] == "child" and os.fork():
        os._exit(0)
    print(os.getpid(), flush=True)
    time.sleep(600)
"""


def hold(store: Store, what: str = "itself") -> tuple[subprocess.Popen[str], int]:
    """A process that has the store; with "child", a child of one that has ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(store.root), what], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


@pytest.mark.parametrize("what", ["itself", "child"])
def test_the_lock_dies_with_its_last_holder(store: Store, what: str) -> None:
    process, pid = hold(store, what)
    with process:
        assert holder(store)["who"] == "the dock"
        with pytest.raises(BusyError, match="the dock is using this store"), exclusive(store, "a test", patience=0):
            raise AssertionError
        os.kill(pid, signal.SIGKILL)
        with exclusive(store, "a test", patience=10):
            pass


def test_a_dock_that_is_just_ending_is_waited_for(store: Store) -> None:
    process, pid = hold(store)
    with process:
        timer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
        timer.start()
        with exclusive(store, "a test", patience=20):
            assert process.wait(5) == -signal.SIGKILL
        timer.join()


# ---- sweeping and deleting ----


def test_what_a_crash_left_is_swept_and_nothing_else(store: Store) -> None:
    root = store.root
    for name in ("incoming/12-0.part", "trash/file"):
        (root / ".mrdock" / name).write_text("x")
    for name in ("incoming/study-12-0", "trash/20260105_101500_1a2b3c4d"):
        (root / ".mrdock" / name / "deeper").mkdir(parents=True)
        (root / ".mrdock" / name / "deeper" / "file").write_text("x")
    (root / "20260105_101500_1a2b3c4d").mkdir()
    (root / "20260105_101500_1a2b3c4d" / "MR.1").write_text("x")
    (root / "quarantine" / "kept.dcm").write_text("x")
    (root / ".mrdock/trash/link").symlink_to(root / "quarantine")
    store.sweep_incoming()
    assert os.listdir(store.incoming) == []
    assert os.listdir(store.trash) == []
    assert (root / "20260105_101500_1a2b3c4d" / "MR.1").is_file()
    assert (root / "quarantine" / "kept.dcm").is_file()
    store.sweep_incoming()


def test_deleting_follows_no_link(store: Store, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    doomed = store.root / ".mrdock/trash/doomed"
    doomed.mkdir()
    (doomed / "link").symlink_to(precious)
    (doomed / "inside").mkdir()
    (doomed / "inside" / "link").symlink_to(precious / "file")
    delete_tree("doomed", store.trash)
    assert (precious / "file").read_text() == "x"
    assert os.listdir(store.trash) == []


def test_what_cannot_be_deleted_does_not_keep_the_dock_from_starting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An undeletable file (immutable, of another user) lies in the trash: the rest is swept, receiving goes on."""
    (store.root / ".mrdock/incoming/12-0.part").write_text("x")
    (store.root / ".mrdock/incoming/12-1.part").write_text("x")
    real = os.unlink

    def unlink(path: str, *, dir_fd: int | None = None) -> None:
        if path == "12-0.part":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    store.sweep_incoming()
    assert os.listdir(store.incoming) == ["12-0.part"]


# ---- trouble ----


def test_trouble_is_said_in_words(store: Store, tmp_path: Path) -> None:
    assert store.trouble() is None
    store.minimum_free = Free(size=1 << 62)
    assert store.trouble() == "the disk is too full"
    store.minimum_free = Free(share=1.0)
    assert store.trouble() == "the disk is too full"
    store.minimum_free = Free()
    store.root.rename(tmp_path / "moved")
    assert store.trouble() == "the store cannot be reached: No such file or directory"
    store.root.mkdir()
    assert store.trouble() == "the store is no longer in its place"
    store.broken = "the disk failed"
    assert store.trouble() == "the disk failed"


def test_space_is_that_of_the_store_s_disk(tmp_path: Path, small_disk: SmallDisk) -> None:
    disk = small_disk("disk", "size=1m")
    opened = open_store(disk / "store", Free(), create=True)
    space = opened.space()
    assert space.total == 1 << 20
    assert 0 < space.free < space.total
    opened.close()
