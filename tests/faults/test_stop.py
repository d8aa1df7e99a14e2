"""A dock that is stopped while everybody sends, and a store that two docks want."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.e2e import clients
from tests.e2e.clients import Half
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import MRDOCK, PATIENCE, Dock, Place, alive, children, data_set_of, wait_for
from tests.faults.sites import contents

STOP = 10.0
SENDERS = 6


@dataclass(frozen=True)
class Begun:
    """What takes seconds by the dock's own limits, begun before the other tests of this module."""

    place: Place
    second: subprocess.Popen[str]
    stopping: Place
    stopped: Dock
    peer: Half
    since: float


@pytest.fixture(scope="module", autouse=True)
def begun(tmp_path_factory: pytest.TempPathFactory, images: MakeImages) -> Iterator[Begun]:
    """A second dock on a store in use (it waits five seconds), and a dock told to stop in the midst of an image."""
    place, stopping = Place(tmp_path_factory.mktemp("second")), Place(tmp_path_factory.mktemp("stopping"))
    (item,) = [image_file(path) for path in images(1)]
    with place.dock(), stopping.dock() as dock:
        peer = Half("127.0.0.1", dock.enhanced, propose([item]), called="MRDOCK")
        peer.begin(item.path.read_bytes()[500:1500], item.meta.sop_class, item.meta.sop_instance)
        words = [*MRDOCK, "serve", "--config", str(place.config)]
        with subprocess.Popen(
            words, env=place.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as second:
            dock.signal(signal.SIGTERM)
            try:
                yield Begun(place, second, stopping, dock, peer, time.monotonic())
            finally:
                peer.abort()
                second.kill()


def test_t52_sigterm_lets_a_running_association_finish(place: Place, images: MakeImages) -> None:
    """SIGTERM in the midst of a study: who sends may end, and everything is there and in the index."""
    files = [image_file(path) for path in images(20)]
    with place.dock() as dock:
        with Requester("127.0.0.1", dock.enhanced, propose(files), called="MRDOCK") as peer:
            assert all(peer.store(item).succeeded for item in files[:10])
            dock.signal(signal.SIGTERM)
            wait_for("the stop", lambda: "stopping" in dock.log())
            assert all(peer.store(item).succeeded for item in files[10:])
        assert dock.process.wait(PATIENCE) == 0
        assert "the dock has stopped" in dock.log()
    assert len(place.images()) == 20
    assert place.loose_ends() == []
    assert place.status()["studies"][0]["images"] == 20


def test_t52_sigterm_under_load(place: Place, images: MakeImages) -> None:
    """SIGTERM while six senders send study after study without end: all processes end within ten seconds, and
    everything that was acknowledged is there, whole, and in the index."""
    batches = [images(40, seed=f"load {number}") for number in range(SENDERS)]
    busy, over = Event(), Event()

    def send(port: int, files: Sequence[Path]) -> set[str]:
        """The same study again and again, on one association after the other, until the dock is gone."""
        done: set[str] = set()
        while not over.is_set():
            done.update(
                clients.acknowledged_until_it_breaks(port, files, lambda count: busy.set() if count > 9 else None)
            )
        return done

    with place.dock() as dock, ThreadPoolExecutor(SENDERS) as pool:
        processes = [dock.pid, *children(dock.pid)]
        ports = [dock.enhanced, dock.classic] * (SENDERS // 2)
        sent = [pool.submit(send, port, files) for port, files in zip(ports, batches, strict=True)]
        try:
            assert busy.wait(PATIENCE)
            dock.signal(signal.SIGTERM)
            assert dock.process.wait(STOP) == 0
        finally:
            over.set()
        acknowledged = set().union(*(job.result() for job in sent))
        assert not any(map(alive, processes))
    originals = {uid: data for files in batches for uid, data in contents(files).items()}
    here = place.images()
    assert acknowledged <= set(here)
    assert set(here) <= set(originals)
    assert {uid: data_set_of(path) for uid, path in here.items()} == {uid: originals[uid] for uid in here}
    assert place.loose_ends() == []
    assert sum(study["images"] for study in place.status()["studies"]) == len(here)


def test_t52_the_lock_of_a_dead_dock_holds_nobody_up(place: Place, images: MakeImages) -> None:
    """A dock is killed; its lock file is left behind and names its process, and then a process that lives (numbers
    come again): the next dock starts all the same, and status does not take the file's word."""
    files = images(2)
    with place.dock() as dock:
        clients.ours(dock.enhanced, files)
        dock.kill()
    lock = place.store / ".mrdock" / "lock"
    assert json.loads(lock.read_text())["pid"] == dock.pid
    assert place.status()["running"] is False
    lock.write_text(json.dumps({**json.loads(lock.read_text()), "pid": os.getpid()}) + "\n")
    assert place.status()["running"] is False
    with place.dock() as dock:
        status = place.status()
        assert (status["running"], status["pid"]) == (True, dock.pid)
        clients.ours(dock.classic, files)
    assert len(place.images()) == 2


def test_t52_a_second_dock_on_the_same_store_is_refused(begun: Begun) -> None:
    """A second dock is started on a store in use: it ends with one sentence, and the first goes on."""
    said, complaint = begun.second.communicate(timeout=PATIENCE)
    assert begun.second.returncode == 1
    assert said == ""
    (line,) = (line for line in complaint.splitlines() if "running as root" not in line)
    assert line.startswith("mrdock serve: ")
    assert f"{begun.place.store}: another dock is using this store" in line
    assert begun.place.status()["running"] is True


def test_t52_sigterm_ends_an_association_that_does_not_end(begun: Begun) -> None:
    """SIGTERM in the midst of an image that never ends: it has its time, and nothing of it is left."""
    begun.stopped.process.wait(max(0.1, begun.since + STOP - time.monotonic()))
    assert begun.stopped.process.returncode == 0
    assert begun.stopping.images() == {}
    assert begun.stopping.loose_ends() == []
