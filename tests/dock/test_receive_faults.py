"""Disks that are full, fail or go away while images come: 0xA700, nothing left behind, and no false Success."""

from __future__ import annotations

import errno
import itertools
import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mrdock.dock import queries, receive
from mrdock.dock.setting_values import Free
from mrdock.dock.store import Space
from mrdock.network.dimse import Status
from mrdock.network.handler import Outcome
from tests.dock.conftest import SmallDisk
from tests.dock.support import STUDY, Bench, BenchClock, Image, bench_settings, ended, image, stored_file

FULL = Status.OUT_OF_RESOURCES


@pytest.fixture
def small_bench(tmp_path: Path, clock: BenchClock, small_disk: SmallDisk) -> Iterator[Bench]:
    """A dock whose store is on a disk of 1 MiB of its own, its index elsewhere."""
    small_disk("store", "size=1m,nr_inodes=60")
    made = Bench(tmp_path, clock, bench_settings(tmp_path), tmp_path / "index.sqlite")
    yield made
    made.close()


def send(bench: Bench, each: Image) -> Outcome:
    """Send one image."""
    (outcome,) = bench.send(each)
    return outcome


def all_files(bench: Bench) -> list[str]:
    """All files of the store, those of the index and of studies' records left out."""
    found = [path for path in bench.store.root.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(bench.store.root)) for path in found if not _own(path.name))


def _own(name: str) -> bool:
    return name.startswith((".mrdock", "index.sqlite")) or name.endswith(".lock")


# ---- trouble that is known beforehand ----


def test_too_little_free_space_refuses_before_a_byte_is_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.store.minimum_free = Free(share=0.05)
    monkeypatch.setattr(type(bench.store), "space", lambda _: Space(49, 1000))
    with bench.association() as association:
        sink = association.begin(image(pixels=bytes(3 << 20)))
        sink.write(memoryview(bytes(2 << 20)))
        assert bench.leftovers() == []
        outcome = ended(sink)
    assert (outcome.status, outcome.comment) == (FULL, "the disk is too full")
    assert all_files(bench) == []
    monkeypatch.setattr(type(bench.store), "space", lambda _: Space(50, 1000))
    assert send(bench, image()).status == 0


def test_space_that_runs_low_while_an_object_comes_ends_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "SPILL", 10_000)
    monkeypatch.setattr(receive, "_FLUSH", 50_000)
    bench.store.minimum_free = Free(share=0.05)
    with bench.association() as association:
        sink = association.begin(image(pixels=bytes(200_000)))
        data = memoryview(image(pixels=bytes(200_000)).data)
        sink.write(data[:40_000])
        monkeypatch.setattr(type(bench.store), "space", lambda _: Space(0, 1000))
        sink.write(data[40_000:])
        assert bench.leftovers() == []  # the room is free again at once
        assert ended(sink).status == FULL
    assert all_files(bench) == []


@pytest.mark.parametrize("what", ["moved", "replaced", "hidden"])
def test_a_store_that_is_no_longer_in_its_place_takes_nothing(bench: Bench, tmp_path: Path, what: str) -> None:
    root = bench.store.root
    root.rename(tmp_path / "moved")
    if what == "replaced":
        root.mkdir()
    if what == "hidden":
        root.write_text("a file")
    assert send(bench, image()).status == FULL
    assert all_files(bench) == []
    assert not [path for path in (tmp_path / "moved").iterdir() if path.name[0].isdigit()]
    if what == "replaced":
        assert list(root.iterdir()) == []


# ---- trouble on the way ----


def failing(real: Callable[..., object], code: int, when: Callable[[str], bool]) -> Callable[..., object]:
    """A call that fails for descriptors that lead to certain files."""

    def call(descriptor: int, *rest: object) -> object:
        if when(os.readlink(f"/proc/self/fd/{descriptor}")):
            raise OSError(code, os.strerror(code))
        return real(descriptor, *rest)

    return call


def is_part(path: str) -> bool:
    """Whether a path is that of an image that is being received."""
    return re.fullmatch(r".*/incoming/\d+-\d+\.part", path) is not None


@pytest.mark.parametrize("size", [100, 3 << 20])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EFBIG])
def test_a_write_that_fails_leaves_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch, size: int, code: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", failing(os.write, code, is_part))
        outcome = send(bench, image(pixels=bytes(size)))
    assert (outcome.status, outcome.comment) == (FULL, f"cannot be stored: {os.strerror(code)}")
    assert all_files(bench) == []
    assert queries.all_studies(bench.index) == []
    assert send(bench, image()).status == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EROFS])
def test_a_file_that_cannot_be_made_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    real = os.open

    def fail(path: str, *words: int, **more: int | None) -> int:
        if str(path).endswith(".part"):
            raise OSError(code, os.strerror(code))
        return real(path, *words, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        assert send(bench, image()).status == FULL
    assert all_files(bench) == []
    assert send(bench, image()).status == 0


@pytest.mark.parametrize("code", [errno.EIO, errno.EDQUOT])
def test_a_study_that_cannot_be_made_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", fail)
        assert send(bench, image()).status == FULL
    assert all_files(bench) == []
    assert bench.leftovers() == []
    assert send(bench, image()).status == 0


def test_a_file_whose_fsync_fails_is_not_acknowledged_and_the_store_takes_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, errno.EIO, is_part))
        assert send(bench, image()).status == FULL
    assert all_files(bench) == []
    outcome = send(bench, image(2))  # a second fsync would say yes, for data that the kernel threw away
    assert outcome.status == FULL
    assert "the dock has to be restarted" in outcome.comment
    assert bench.store.trouble() == outcome.comment
    bench.close()
    bench.open()
    assert send(bench, image()).status == 0


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_an_fsync_that_finds_no_room_does_not_stop_the_store(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, code, is_part))
        assert send(bench, image()).status == FULL
    assert all_files(bench) == []
    assert send(bench, image()).status == 0


def test_a_directory_whose_fsync_fails_is_not_acknowledged(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    send(bench, image())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, errno.EIO, lambda path: path == str(bench.directory())))
        assert send(bench, image(2)).status == FULL
    assert bench.names() == [f"MR.{STUDY}.1.1"]
    assert [row.uid for row in bench.images()] == [f"{STUDY}.1.1"]
    assert send(bench, image(3)).status == FULL
    assert "restarted" in (bench.store.trouble() or "")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_directory_whose_fsync_finds_no_room_does_not_stop_the_store(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """As for files: a full disk has room again, and then small images are to work again."""
    send(bench, image())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, code, lambda path: path == str(bench.directory())))
        assert send(bench, image(2)).status == FULL
    assert bench.names() == [f"MR.{STUDY}.1.1"]
    assert send(bench, image(3)).status == 0


@pytest.mark.parametrize("where", ["record", "study", "store"])
def test_a_study_whose_making_is_not_durable_is_not_acknowledged_afterwards_either(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """An fsync on the way to a new study's directory fails: a directory that stands there now is no proof."""
    root = str(bench.store.root)

    def fails(path: str) -> bool:
        kind = "record" if ".mrdock-study" in path else "study" if ".study" in path else "store"
        return kind == where if path == root or ".study" in path else False

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, errno.EIO, fails))
        assert send(bench, image()).status == FULL
    outcome = send(bench, image(2))
    assert outcome.status == FULL
    assert "restarted" in outcome.comment


@pytest.mark.parametrize("other", [2, 3], ids=["the same image", "another image"])
def test_nobody_takes_a_second_fsync_of_a_directory_for_proof(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, other: int
) -> None:
    """Two images wait for one directory; its fsync fails for the first: the kernel says it once, so both are lost.

    Where they are the same image, its file is even taken away again.
    """
    send(bench, image())
    waiting, failed = threading.Event(), threading.Event()
    real: Callable[[int], None] = os.fsync
    calls: list[int] = []

    def fsync(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") != str(bench.directory()):
            return real(descriptor)
        calls.append(descriptor)
        if len(calls) == 1:
            waiting.set()
            failed.wait(10)
            raise OSError(errno.EIO, "Input/output error")
        return real(descriptor)

    outcomes: list[int] = []

    def store(number: int) -> None:
        outcomes.append(send(bench, image(number)).status)

    monkeypatch.setattr(os, "fsync", fsync)
    first = threading.Thread(target=store, args=(2,))
    second = threading.Thread(target=store, args=(other,))
    first.start()
    assert waiting.wait(10)
    entries = bench.receiver.directories._open[STUDY].entries
    second.start()
    while entries._asked < 2:
        threading.Event().wait(0.005)
    failed.set()
    first.join(10)
    second.join(10)
    assert outcomes == [FULL, FULL]
    assert bench.names() == [f"MR.{STUDY}.1.1"]


@pytest.mark.parametrize("existing", ["fifo", "link", "directory"])
def test_a_strange_thing_under_an_image_s_name_stays_and_the_image_is_not_lost(bench: Bench, existing: str) -> None:
    send(bench, image())
    place = bench.directory() / f"MR.{STUDY}.1.2"
    if existing == "fifo":
        os.mkfifo(place)
        reader = os.open(place, os.O_RDWR)  # or whoever opens it to read would wait for ever
    elif existing == "link":
        place.symlink_to("/etc/passwd")
    else:
        place.mkdir()
    kind = stat.S_IFMT(place.lstat().st_mode)
    with bench.association() as association:
        outcome = association.send(image(2))
    if existing == "fifo":
        os.close(reader)
    assert stat.S_IFMT(place.lstat().st_mode) == kind
    kept = [name for name in bench.names() if name.startswith(f"MR.{STUDY}.1.2_")]
    assert outcome.status == 0
    assert [stored_file(bench.directory() / name)[1] for name in kept] == [image(2).data]


# ---- real small disks ----


def test_a_disk_that_fills_up_takes_small_images_again_when_there_is_room(small_bench: Bench) -> None:
    bench = small_bench
    assert send(bench, image(1)).status == 0
    assert send(bench, image(2, pixels=bytes(2 << 20))).status == FULL
    assert send(bench, image(3, pixels=bytes((1 << 20) - 1000))).status == FULL
    assert all_files(bench) == [f"{bench.directory().name}/MR.{STUDY}.1.1"]
    assert send(bench, image(4)).status == 0
    assert bench.store.trouble() is None


def test_a_disk_without_inodes_refuses_and_recovers(small_bench: Bench) -> None:
    bench = small_bench
    assert send(bench, image(1)).status == 0
    ballast = bench.store.root / "ballast"
    ballast.mkdir()
    with suppress(OSError):
        for number in itertools.count():
            (ballast / str(number)).touch()
    assert send(bench, image(2)).status == FULL
    assert send(bench, image(1, study="1.2.4")).status == FULL
    for path in ballast.iterdir():
        path.unlink()
    assert send(bench, image(2)).status == 0
    assert bench.leftovers() == []


def test_a_read_only_disk_refuses_and_recovers(small_bench: Bench) -> None:
    bench = small_bench
    assert send(bench, image(1)).status == 0
    subprocess.run(["mount", "-o", "remount,ro", str(bench.store.root)], check=True)
    outcome = send(bench, image(2))
    subprocess.run(["mount", "-o", "remount,rw", str(bench.store.root)], check=True)
    assert (outcome.status, outcome.comment) == (FULL, "cannot be stored: Read-only file system")
    assert send(bench, image(2)).status == 0


def test_the_reserve_is_a_share_of_the_disk(small_bench: Bench) -> None:
    bench = small_bench
    bench.store.minimum_free = Free(share=0.5)
    (bench.store.root / "ballast").write_bytes(bytes(600 << 10))
    assert send(bench, image()).comment == "the disk is too full"
    (bench.store.root / "ballast").unlink()
    assert send(bench, image()).status == 0
