"""The program: what it says while it stops, and which signals stop it; tests/faults/test_stop.py knows more."""

from __future__ import annotations

import signal

import pytest

from mrdock.errors import ConnectError, RejectedError
from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.e2e import clients
from tests.e2e.clients import Half
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import PATIENCE, Place, alive, children, wait_for


def test_a_dock_that_is_stopping_refuses_new_associations_in_words(place: Place, images: MakeImages) -> None:
    """While one association is finished: a scanner must be told, not left waiting on a port where nobody answers."""
    files = [image_file(path) for path in images(2)]
    with place.dock() as dock:
        with Requester("127.0.0.1", dock.enhanced, propose(files), called="MRDOCK") as peer:
            assert peer.store(files[0]).succeeded
            dock.signal(signal.SIGTERM)
            wait_for("the stop", lambda: "stopping" in dock.log())
            with pytest.raises((RejectedError, ConnectError)):
                Requester("127.0.0.1", dock.enhanced, propose(files), called="MRDOCK", timeout=3)
            assert peer.store(files[1]).succeeded
        assert dock.process.wait(PATIENCE) == 0


def test_sigint_twice_stops_at_once(place: Place, images: MakeImages) -> None:
    """An association that would have had seven seconds is not waited for."""
    files = [image_file(path) for path in images(5)]
    with place.dock() as dock:
        peer = Half("127.0.0.1", dock.enhanced, propose(files), called="MRDOCK")
        assert all(peer.store(item).succeeded for item in files[:3])
        item = files[3]
        peer.begin(item.path.read_bytes()[500:1500], item.meta.sop_class, item.meta.sop_instance)
        workers = children(dock.pid)
        dock.signal(signal.SIGINT)
        wait_for("the first to be heard", lambda: "stopping" in dock.log())
        assert dock.process.poll() is None, "once is as polite as SIGTERM"
        dock.signal(signal.SIGINT)
        dock.process.wait(6)
        assert not any(alive(pid) for pid in workers)
        peer.abort()
    assert len(place.images()) == 3
    assert place.loose_ends() == []


def test_a_dock_can_be_stopped_as_soon_as_it_listens(place: Place) -> None:
    """Its children must not miss the signal because they have only just begun."""
    with place.dock() as dock:
        dock.signal(signal.SIGTERM)
        dock.process.wait(8)  # sooner than the 9 s after which it would kill them


def test_sighup_neither_stops_it_nor_is_passed_over_in_silence(place: Place, images: MakeImages) -> None:
    with place.dock() as dock:
        dock.signal(signal.SIGHUP)
        wait_for("a word", lambda: "restart the dock" in dock.log())
        clients.ours(dock.enhanced, images(2))
        assert dock.process.poll() is None
