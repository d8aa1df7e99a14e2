"""Directory syncs that callers share: few fsyncs, and never a success that no fsync stands for."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrdock.files.durable import SharedSync, open_directory

PATIENCE = 20.0
EIO = OSError(errno.EIO, os.strerror(errno.EIO))
ENOSPC = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Disk:
    """An fsync that a test holds up and lets go; each call takes its outcome from ``outcomes``, then success."""

    def __init__(self) -> None:
        self.calls = 0
        self.outcomes: list[BaseException | None] = []
        self.began = threading.Semaphore(0)
        self._go = threading.Semaphore(0)
        self.held = True

    def fsync(self, _: int) -> None:
        number = self.calls
        self.calls += 1
        self.began.release()
        if self.held:
            assert self._go.acquire(timeout=PATIENCE)
        outcome = self.outcomes[number] if number < len(self.outcomes) else None
        if outcome is not None:
            raise outcome

    def let_go(self) -> None:
        self._go.release()

    def wait_begun(self) -> None:
        assert self.began.acquire(timeout=PATIENCE)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    monkeypatch.setattr(os, "fsync", found.fsync)
    return found


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[SharedSync]:
    descriptor = open_directory(str(tmp_path))
    yield SharedSync(descriptor)
    os.close(descriptor)


class Caller(threading.Thread):
    """One caller of `SharedSync.sync`; ``error`` is what it raised."""

    def __init__(self, shared: SharedSync) -> None:
        super().__init__(daemon=True)
        self._shared = shared
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._shared.sync()
        except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
            self.error = error

    def ended(self) -> bool:
        self.join(PATIENCE)
        return not self.is_alive()


def callers(shared: SharedSync, count: int) -> list[Caller]:
    """Callers that wait while a sync runs."""
    asked = shared._asked
    found = [Caller(shared) for _ in range(count)]
    until(lambda: shared._asked == asked + count)
    return found


def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do; the watched state tells of it in no other way."""
    pause = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if true():
            return
        pause.wait(0.005)
    raise AssertionError("it did not come to pass")


def test_one_caller_one_fsync_of_its_directory(shared: SharedSync, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    shared.sync()
    shared.sync()
    assert synced == [shared._descriptor] * 2


def test_those_who_come_while_one_runs_share_the_next(shared: SharedSync, disk: Disk) -> None:
    first = Caller(shared)
    disk.wait_begun()
    waiting = callers(shared, 10)
    disk.let_go()
    assert first.ended()
    disk.wait_begun()
    assert all(caller.is_alive() for caller in waiting)  # the first fsync began before they asked: it is not theirs
    disk.let_go()
    assert all(caller.ended() for caller in waiting)
    assert disk.calls == 2
    assert all(caller.error is None for caller in waiting)


def test_who_comes_while_the_shared_one_runs_waits_for_a_third(shared: SharedSync, disk: Disk) -> None:
    first = Caller(shared)
    disk.wait_begun()
    (second,) = callers(shared, 1)
    disk.let_go()
    assert first.ended()
    disk.wait_begun()
    (third,) = callers(shared, 1)
    disk.let_go()
    assert second.ended()
    disk.wait_begun()
    assert third.is_alive()
    disk.let_go()
    assert third.ended()
    assert disk.calls == 3


def test_a_full_disk_raises_and_the_next_works(shared: SharedSync, disk: Disk) -> None:
    disk.held = False
    disk.outcomes = [ENOSPC]
    with pytest.raises(OSError, match="No space left"):
        shared.sync()
    shared.sync()
    assert disk.calls == 2


def test_a_broken_disk_is_not_asked_again(shared: SharedSync, disk: Disk) -> None:
    """A second fsync may claim success for what the first has thrown away: it is no proof (T31)."""
    disk.held = False
    disk.outcomes = [None, EIO]
    shared.sync()
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output error"):
            shared.sync()
    assert disk.calls == 2


def test_a_broken_disk_costs_no_memory_for_each_who_asks(shared: SharedSync, disk: Disk) -> None:
    """An exception that is raised again and again grows a traceback, which keeps every caller's image alive."""
    disk.held = False
    disk.outcomes = [EIO]
    lengths = []
    for _ in range(20):
        with pytest.raises(OSError, match="Input/output error") as caught:
            shared.sync()
        lengths.append(len(caught.traceback))
    assert lengths[-1] <= lengths[1]


@pytest.mark.parametrize("error", [EIO, ENOSPC, KeyboardInterrupt(), MemoryError()], ids=repr)
def test_a_failing_fsync_is_no_success_for_anyone_it_served(
    shared: SharedSync, disk: Disk, error: BaseException
) -> None:
    disk.outcomes = [None, error]
    first = Caller(shared)
    disk.wait_begun()
    waiting = callers(shared, 5)
    disk.held = False
    disk.let_go()
    assert first.ended()
    assert all(caller.ended() for caller in waiting)
    assert first.error is None
    assert disk.calls == 2 or not isinstance(error, OSError)
    failed = [caller for caller in waiting if caller.error is not None]
    assert len(failed) == 5 or disk.calls > 2  # who had no part in the failure has had an fsync of its own
    assert failed


def test_a_full_disk_is_no_trouble_of_those_who_came_later(shared: SharedSync, disk: Disk) -> None:
    disk.outcomes = [ENOSPC, None]
    first = Caller(shared)
    disk.wait_begun()
    waiting = callers(shared, 5)
    disk.held = False
    disk.let_go()
    assert first.ended()
    assert all(caller.ended() for caller in waiting)
    assert first.error is not None
    assert all(caller.error is None for caller in waiting)
    assert disk.calls == 2


def test_many_threads_and_many_rounds(shared: SharedSync, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever returns has had an fsync that began after its call."""
    begun = 0
    wrong: list[int] = []

    def fsync(_: int) -> None:
        nonlocal begun
        begun += 1

    def work() -> None:
        for _ in range(200):
            before = begun
            shared.sync()
            if begun <= before:
                wrong.append(before)

    monkeypatch.setattr(os, "fsync", fsync)
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []
    assert 0 < begun <= 1600


def test_an_interrupted_sync_blocks_nobody(shared: SharedSync, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shared.sync()
    caller = Caller(shared)
    assert caller.ended()
    assert caller.error is None
