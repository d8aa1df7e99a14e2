"""Each study has one directory, named by date, time and hash, whoever makes it, however many at once."""

from __future__ import annotations

import fcntl
import hashlib
import multiprocessing
import os
import re
import threading
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock import record
from mrdock.dock import store as module
from mrdock.dock.setting_values import Free
from mrdock.dock.store import Store, StudyDirectories, lock_study, open_store, study_hash, study_name
from tests.dock.support import Bench, image

UID = "1.2.3"
HASH = hashlib.sha256(b"1.2.3").hexdigest()


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


# ---- names ----


@pytest.mark.parametrize(
    ("date", "time", "begins"),
    [
        ("20260105", "101500", "20260105_101500"),
        ("20260105", "101500.123456", "20260105_101500"),
        ("20260105", "1015", "20260105_101500"),
        ("20260105", "10", "20260105_100000"),
        ("20260105", "", "20260105_000000"),
        ("", "", "00000000_000000"),
        ("", "101500", "00000000_101500"),
        ("2026.01.05", "10:15:00", "00000000_100000"),
        ("20260105\\20260106", "101500\\111500", "00000000_101500"),
        ("2026010", "1", "00000000_000000"),
        ("202601055", "x", "00000000_000000"),
        ("../../..", "../..", "00000000_000000"),
        ("2026010\n", "\n", "00000000_000000"),
        ("20260105\n", "", "00000000_000000"),
        ("\u0662\u0660\u0662\u0666\u0660\u0661\u0660\u0665", "", "00000000_000000"),
        ("", "\u0661\u0660\u0661\u0665\u0660\u0660", "00000000_000000"),
    ],
)
def test_names_are_date_time_and_hash_with_zeros_where_there_is_none(date: str, time: str, begins: str) -> None:
    assert study_name(UID, date, time) == f"{begins}_{HASH[:8]}"
    assert study_name(UID, date, time, 16) == f"{begins}_{HASH[:16]}"


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_header_makes_another_kind_of_name(date: str, time: str) -> None:
    name = study_name(UID, date, time)
    assert re.fullmatch(r"[0-9]{8}_[0-9]{6}_[0-9a-f]{8}", name)
    assert module.STUDY_NAME.fullmatch(name)


def test_date_and_time_are_those_of_the_first_image(bench: Bench) -> None:
    day = {0x00080020: ("DA", "20250704"), 0x00080030: ("TM", "0859")}
    bench.send(image(1, more=day), image(2))
    bench.send(image(3))
    assert [path.name for path in (bench.store.root).glob("2*")] == [f"20250704_085900_{study_hash('1.2.3')}"]
    assert len(bench.names()) == 3


def test_a_study_without_date_and_time_has_zeros(bench: Bench) -> None:
    bench.send(image(1, more={0x00080020: ("DA", ""), 0x00080030: ("TM", "")}))
    assert bench.directory().name == f"00000000_000000_{study_hash('1.2.3')}"


@pytest.mark.parametrize(
    "name",
    [
        "20260105_101500_1a2b3c4",
        "20260105_101500_1A2B3C4D",
        "2026_101500_1a2b3c4d",
        "x20260105_101500_1a2b3c4d",
        "20260105_101500_1a2b3c4d.bak",
        "20260105_101500_1a2b3c4d\n",
        "quarantine",
        ".mrdock",
    ],
)
def test_other_directories_are_no_studies(store: Store, name: str) -> None:
    (store.root / name).mkdir(exist_ok=True)
    (store.root / "20260105_101500_00000000").write_text("a file of such a name")
    (store.root / "20260105_101500_11111111").symlink_to(store.root / "quarantine")
    assert list(store.study_names()) == []


# ---- finding and making ----


def test_a_directory_is_made_once_and_found_again(store: Store) -> None:
    directories = StudyDirectories(store)
    first = directories.acquire(UID, "20260105", "101500")
    assert directories.acquire(UID, "20990101", "000000") is first
    assert (first.name, first.users) == (f"20260105_101500_{HASH[:8]}", 2)
    directories.release(first)
    directories.release(first)
    again = directories.acquire(UID, "", "")
    assert again.name == first.name
    directories.release(again)
    other = StudyDirectories(store).acquire(UID, "", "")  # another process, or after a restart
    assert other.name == first.name
    os.close(other.descriptor)
    assert list(store.study_names()) == [first.name]
    assert os.listdir(store.incoming) == []


def test_a_new_directory_is_complete_when_it_is_seen(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, int]] = []
    real: Callable[..., None] = os.rename

    def rename(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        made = Path(f"/proc/self/fd/{src_dir_fd}") / source
        seen.append(((made / record.NAME).read_bytes(), made.stat().st_mode & 0o7777))
        real(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)
    directory = StudyDirectories(store).acquire(UID, "", "")
    os.close(directory.descriptor)
    assert seen == [(record.first_line(UID), 0o2750)]


def test_a_directory_that_another_process_has_just_made_is_durable_before_it_is_used(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the other's rename and its fsync of the store: an image in it would be acknowledged too early."""
    made = StudyDirectories(store).acquire(UID, "", "")
    synced: list[str] = []
    real: Callable[[int], None] = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    directories = StudyDirectories(store)
    found = directories.acquire(UID, "", "")
    assert str(store.root) in synced
    synced.clear()
    directories.release(found)
    directories.release(directories.acquire(UID, "", ""))
    assert synced == []  # once is enough
    os.close(made.descriptor)


def test_the_last_user_lets_go(store: Store) -> None:
    before = descriptors()
    directories = StudyDirectories(store)
    first, second = directories.acquire(UID, "", ""), directories.acquire(UID, "", "")
    assert lock_study(store, first.name, UID, exclusively=True) is None
    directories.release(first)
    assert lock_study(store, first.name, UID, exclusively=True) is None
    directories.release(second)
    assert descriptors() == before
    locked = lock_study(store, first.name, UID, exclusively=True)
    assert locked is not None
    os.close(locked.descriptor)


def test_another_study_with_the_same_hash_has_a_longer_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = study_hash
    monkeypatch.setattr(module, "study_hash", lambda uid, digits=8: "11111111" + real(uid, digits)[8:])
    directories = StudyDirectories(store)
    made = [directories.acquire(uid, "20260105", "101500") for uid in ("1.1", "1.2", "1.3")]
    assert len({directory.name for directory in made}) == 3
    assert [len(directory.name.split("_")[2]) for directory in made] == [8, 16, 16]
    assert all(record.study_of(directory.descriptor) == directory.study_uid for directory in made)
    again = StudyDirectories(store)
    for directory in made:
        found = again.acquire(directory.study_uid, "", "")
        assert found.name == directory.name
        again.release(found)
        directories.release(directory)


def test_when_no_name_is_left_nothing_is_mixed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "study_hash", lambda _uid, digits=8: "1" * digits)
    directories = StudyDirectories(store)
    made = [directories.acquire(f"1.{number}", "", "") for number in range(3)]
    with pytest.raises(FileExistsError):
        directories.acquire("1.9", "", "")
    assert os.listdir(store.incoming) == []
    for directory in made:
        directories.release(directory)


@pytest.mark.parametrize("content", [None, b"", b"{}\n", b"no json\n", b'{"event": "study", "study": 5}\n', b"\xff\n"])
def test_a_directory_that_does_not_say_whose_it_is_is_left_alone(store: Store, content: bytes | None) -> None:
    foreign = store.root / study_name(UID, "20260105", "101500")
    foreign.mkdir()
    if content is not None:
        (foreign / record.NAME).write_bytes(content)
    directory = StudyDirectories(store).acquire(UID, "20260105", "101500")
    os.close(directory.descriptor)
    assert directory.name == f"20260105_101500_{HASH[:16]}"
    assert lock_study(store, foreign.name, UID) is None


def test_a_directory_that_vanished_is_made_anew(store: Store) -> None:
    directories = StudyDirectories(store)
    first = directories.acquire(UID, "20260105", "101500")
    directories.release(first)
    (store.root / first.name).rename(store.root.parent / "taken")
    again = directories.acquire(UID, "20260105", "101500")
    assert (store.root / again.name / record.NAME).is_file()
    directories.release(again)


def test_a_link_in_the_place_of_a_study_is_not_followed(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / record.NAME).write_bytes(record.first_line(UID))
    (store.root / study_name(UID, "", "")).symlink_to(outside)
    directory = StudyDirectories(store).acquire(UID, "", "")
    os.close(directory.descriptor)
    assert directory.name == study_name(UID, "", "", 16)
    assert lock_study(store, study_name(UID, "", ""), UID) is None


# ---- at once ----


def test_threads_share_one_directory(store: Store) -> None:
    directories = StudyDirectories(store)
    found: list[int] = []
    barrier = threading.Barrier(8)

    def acquire() -> None:
        barrier.wait(10)
        found.append(directories.acquire(UID, "", "").descriptor)

    threads = [threading.Thread(target=acquire) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(set(found)) == 1
    assert len(list(store.study_names())) == 1
    os.close(found[0])


def _make_many(root: Path, go: Event, count: int) -> None:
    here = open_store(root, Free(), create=False)
    directories = StudyDirectories(here)
    go.wait(20)
    for number in range(count):
        directory = directories.acquire(f"1.2.{number}", "20260105", "101500")
        assert record.study_of(directory.descriptor) == f"1.2.{number}"
        directories.release(directory)
    here.close()


def test_two_processes_that_make_the_same_studies_at_once_make_one_each(store: Store) -> None:
    fork = multiprocessing.get_context("fork")
    go = fork.Event()
    makers = [fork.Process(target=_make_many, args=(store.root, go, 60)) for _ in range(3)]
    for maker in makers:
        maker.start()
    go.set()
    for maker in makers:
        maker.join(30)
    assert [maker.exitcode for maker in makers] == [0, 0, 0]
    assert len(list(store.study_names())) == 60
    assert os.listdir(store.incoming) == []


def test_what_goes_to_the_trash_while_it_is_waited_for_is_not_written_into(store: Store) -> None:
    """A deletion has the directory when an image comes: the image gets a new one, not the one in the trash."""
    directories = StudyDirectories(store)
    first = directories.acquire(UID, "20260105", "101500")
    directories.release(first)
    deleting = lock_study(store, first.name, UID, exclusively=True)
    assert deleting is not None
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(directories.acquire(UID, "20260105", "101500").descriptor))
    waiting.start()
    _until_somebody_waits_for(deleting.descriptor)
    os.rename(first.name, first.name, src_dir_fd=store.descriptor, dst_dir_fd=store.trash)
    os.close(deleting.descriptor)
    waiting.join(10)
    (descriptor,) = found
    assert os.readlink(f"/proc/self/fd/{descriptor}") == str(store.root / first.name)
    assert record.study_of(descriptor) == UID
    os.close(descriptor)


def _until_somebody_waits_for(descriptor: int) -> None:
    inode = os.fstat(descriptor).st_ino
    for _ in range(1000):
        waiting = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
        if any(f":{inode} " in line for line in waiting):
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for the lock")


def test_a_shared_lock_keeps_the_deletion_away_and_not_the_others(store: Store) -> None:
    directory = StudyDirectories(store).acquire(UID, "", "")
    reader = lock_study(store, directory.name, UID)
    assert reader is not None
    assert lock_study(store, directory.name, UID, exclusively=True) is None
    fcntl.flock(directory.descriptor, fcntl.LOCK_UN)
    os.close(reader.descriptor)
    deleting = lock_study(store, directory.name, UID, exclusively=True)
    assert deleting is not None
    os.close(deleting.descriptor)
    os.close(directory.descriptor)
