"""The store's disk is full, nearly full, without inodes, read-only, away or not ours: refused in words, and mended."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity, enhanced_large
from tests.conftest import NeedTool
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, alive, wait_for
from tests.faults.disk_support import (
    FULL,
    holds_exactly,
    injecting,
    set_reserve,
    statuses,
    storescu_status,
    workers_of,
)
from tests.faults.mounts import Disk, ext4, tmpfs

LIMIT = 5.0
"""Seconds within which an answer must come where the disk has turned read-only: other receivers stay silent."""


@contextmanager
def dock_on(place: Place, options: str, reserve: str) -> Iterator[tuple[Dock, Disk]]:
    """A dock whose store is a small disk of its own."""
    set_reserve(place, reserve)
    with tmpfs(place.store, options) as disk, place.dock() as dock:
        yield dock, disk


# ---- T26, T28: room ----


def test_t26_an_object_larger_than_the_disk(
    place: Place, images: MakeImages, tmp_path: Path, need_tool: NeedTool
) -> None:
    """The disk of 3 MiB is full in the midst of an object of 4 MiB: 0xA700, no part of it stays, small ones go on."""
    large = tmp_path / "large"
    assert enhanced_large(large, 32, 256, 256, identity=StudyIdentity("large")) > 4 << 20
    first, second, third, *rest = images(6)
    with dock_on(place, "size=3m", "0") as (dock, disk):
        assert statuses(dock.enhanced, [first]) == [0]
        assert storescu_status(need_tool, dock.enhanced, large) == FULL
        assert storescu_status(need_tool, dock.enhanced, second) == 0
        holds_exactly(place, [first, second])
        disk.fill()
        assert statuses(dock.enhanced, [third, first, large]) == [FULL] * 3
        disk.clear()
        assert statuses(dock.classic, [third, *rest]) == [0] * 4
        holds_exactly(place, [first, second, third, *rest])
        place.wait_for_state("kept")
        assert place.studies()[StudyIdentity("demo").study_uid]["images"] == 6
    assert "No space left on device" in dock.log()


def test_t28_low_water(place: Place, images: MakeImages) -> None:
    """Less is free than the settings reserve: refused while there is room yet, said by status, and nothing deleted."""
    old, files = images(3, seed="old"), images(400)
    with dock_on(place, "size=8m", "50%") as (dock, disk):
        assert statuses(dock.enhanced, old) == [0] * 3
        place.wait_for_state("kept")
        assert place.status()["notices"] == []
        disk.fill(leave=(4 << 20) + (300 << 10))
        answers = statuses(dock.enhanced, files)
        count = answers.index(FULL)
        assert count > 0
        assert set(answers[:count]) == {0}
        assert set(answers[count:]) <= {0, FULL}  # the index gives room back when it is tidied
        taken = [path for path, answer in zip(files, answers, strict=True) if answer == 0]
        assert disk.free > (4 << 20) - (1 << 20), "refused while there was room for the index and the log yet"
        disk.fill(leave=3 << 20)
        assert statuses(dock.classic, files[-1:]) == [FULL]
        found = place.status()
        assert found["notices"] == ["nothing can be received: the disk is too full"]
        assert found["disk"]["free"] < found["disk"]["reserve"] == found["disk"]["total"] // 2
        assert "nothing can be received: the disk is too full" in place.ask("status").stdout
        holds_exactly(place, [*old, *taken])
        disk.clear()
        assert place.status()["notices"] == []
        assert statuses(dock.classic, files[-1:]) == [0]
        holds_exactly(place, {*old, *taken, files[-1]})


# ---- T29: inodes, descriptors ----


def test_t29_no_inodes(place: Place, images: MakeImages, need_tool: NeedTool) -> None:
    """The disk can hold no further file: 0xA700 in a known study and in a new one; normal as soon as it can."""
    first, second, other = *images(2), *images(1, seed="other")
    with dock_on(place, "size=8m,nr_inodes=50", "0") as (dock, disk):
        assert statuses(dock.enhanced, [first]) == [0]
        place.wait_for_state("kept")
        disk.use_up_inodes()
        assert statuses(dock.enhanced, [second, other]) == [FULL, FULL]
        assert storescu_status(need_tool, dock.classic, other) == FULL
        holds_exactly(place, [first])
        disk.clear()
        assert statuses(dock.enhanced, [second, other]) == [0, 0]
        holds_exactly(place, [first, second, other])


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_t29_no_descriptors(place: Place, images: MakeImages, need_tool: NeedTool, tmp_path: Path) -> None:
    """Silent peers take all 64 descriptors of a worker: an image is refused, a new peer waits or is refused, no crash.

    When they are gone all is as before, under the same limit.
    """
    first, second, third, other = *images(3), *images(1, seed="other")
    sent = [image_file(path) for path in (first, second, other)]
    with place.dock() as dock, ExitStack() as silent:
        worker = workers_of(dock).enhanced
        subprocess.run([need_tool("prlimit"), "--nofile=64", "--pid", str(worker)], check=True)
        with Requester("127.0.0.1", dock.enhanced, propose(sent), called="MRDOCK", timeout=20) as peer:
            assert peer.store(sent[0]).status == 0
            for _ in range(80):
                silent.enter_context(socket.create_connection(("127.0.0.1", dock.enhanced)))
            wait_for("no descriptor left", lambda: "no connection can be taken" in dock.log())
            wait_for("all descriptors in use", lambda: descriptors(worker) == 64)
            with injecting(need_tool, worker, tmp_path, "accept4:delay_enter=0") as calls:
                wait_for("some tries more", lambda: calls.read_text().count("EMFILE") >= 3)
            assert dock.log().count("no connection can be taken") == 1, "each try is no news"
            assert [peer.store(image).status for image in sent[1:]] == [FULL, FULL]
            assert statuses(dock.classic, [third]) == [0], "the other listener is another process"
            silent.close()
            wait_for("the silent peers' end", lambda: descriptors(worker) < 40)
            assert [peer.store(image).status for image in sent[1:]] == [0, 0]
        assert statuses(dock.enhanced, [third]) == [0]
        assert workers_of(dock).enhanced == worker, "it was never started again"
        assert resource.prlimit(worker, resource.RLIMIT_NOFILE) == (64, 64)
        holds_exactly(place, [first, second, third, other])


# ---- T30: read-only, away, not ours ----


def test_t30_read_only(place: Place, images: MakeImages, need_tool: NeedTool, tmp_path: Path) -> None:
    """The file system turns read-only under the dock, as it does on errors: 0xA700 within 5 s, by every client.

    Mounted anew, with a dock that was started anew, everything acknowledged is there, and more is taken.
    """
    first, second, other = *images(2), *images(1, seed="other")
    image = tmp_path / "disk.img"
    with ext4(place.store, image, need_tool) as disk, place.dock() as dock:
        assert statuses(dock.enhanced, [first]) == [0]
        disk.fail()
        assert statuses(dock.enhanced, [second, other], timeout=LIMIT) == [FULL, FULL]
        assert statuses(dock.classic, [other], timeout=LIMIT) == [FULL]
        assert storescu_status(need_tool, dock.enhanced, second, "-td", "5", "-ta", "5") == FULL
        assert "Read-only file system" in dock.log()
        holds_exactly(place, [first])
    with ext4(place.store, image, need_tool), place.dock() as dock:
        assert statuses(dock.enhanced, [second, other]) == [0, 0]
        holds_exactly(place, [first, second, other])


def test_t30_store_renamed_away(
    place: Place, images: MakeImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is moved under the dock: 0xA700, no new store in its old place or in the working directory.

    Back in its place it goes on.
    """
    first, second, other = *images(2), *images(1, seed="other")
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    away = tmp_path / "away"
    with place.dock() as dock:
        assert statuses(dock.enhanced, [first]) == [0]
        place.store.rename(away)
        assert statuses(dock.enhanced, [second, other], timeout=LIMIT) == [FULL, FULL]
        assert statuses(dock.classic, [other], timeout=LIMIT) == [FULL]
        assert not place.store.exists()
        assert list(working.iterdir()) == []
        away.rename(place.store)
        holds_exactly(place, [first])
        assert statuses(dock.enhanced, [second, other]) == [0, 0]
        holds_exactly(place, [first, second, other])
    assert "the store cannot be reached: No such file or directory" in dock.log()


def ordinary_user(need_tool: NeedTool) -> list[str]:
    """Words before a command that take from root what makes permissions void for it; nothing for anybody else."""
    if os.geteuid() != 0:
        return []
    return [need_tool("setpriv"), "--bounding-set=-all", "--inh-caps=-all", "--"]


def test_t30_no_permission(place: Place, images: MakeImages, need_tool: NeedTool) -> None:
    """A directory of the store may not be written to by the dock's user: 0xA700, and normal when it may again."""
    with place.dock(prefix=ordinary_user(need_tool)) as dock:
        first, *others = images(4)
        there = [first]
        assert statuses(dock.enhanced, there) == [0]
        (study,) = place.store.glob("[0-9]*_*")
        for closed, known_study, new_study in (
            (study, FULL, 0),
            (place.store / ".mrdock" / "incoming", FULL, FULL),
            (place.store, 0, FULL),
        ):
            known = others.pop()
            (new,) = images(1, seed=closed.name)
            mode = closed.stat().st_mode
            closed.chmod(0o500)
            try:
                assert statuses(dock.enhanced, [known, new], timeout=LIMIT) == [known_study, new_study]
                there += [path for path, status in ((known, known_study), (new, new_study)) if status == 0]
                holds_exactly(place, there)
            finally:
                closed.chmod(mode)
            assert statuses(dock.enhanced, [known, new]) == [0, 0]
            there += [known, new]
            holds_exactly(place, there)
        assert "Permission denied" in dock.log()
        assert alive(dock.pid)
