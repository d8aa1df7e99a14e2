"""The end of a server: what runs may finish, what does not is aborted and discarded, and nobody waits for ever."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from mrdock.network import pdu, session

from . import messages
from .messages import p_data, pdv
from .serving import Memory, Raw, serving

LONG = 600.0
"""A grace that no test waits for."""


@pytest.fixture
def handler() -> Memory:
    return Memory()


def test_an_idle_server_stops_and_closes_its_port(handler: Memory) -> None:
    with serving(handler) as running:
        running.server.stop(LONG)
        assert running.ended()
        with pytest.raises(ConnectionRefusedError):
            Raw(running.port)


def test_a_running_transfer_finishes_within_the_grace(handler: Memory) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate()
        peer.begin(b"first half, ")
        handler.until(lambda: handler.begun == 1)
        running.server.stop(LONG)
        peer.say(p_data(pdv(3, b"second half.", command=False, last=True)))
        assert peer.answer().status == 0
        assert peer.store(b"one more") == 0
        peer.release()
        assert running.ended()
    assert [image.data for image in handler.images] == [b"first half, second half.", b"one more"]
    assert handler.how_it_ended() == "released"


def test_what_does_not_finish_is_aborted_and_discarded(handler: Memory) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate()
        peer.begin(b"half of it")
        handler.until(lambda: handler.begun == 1)
        running.server.stop(0.1)
        assert peer.hear_all() == [(pdu.ABORT, bytes((0, 0, 2, 0)))]
        assert running.ended()
        assert handler.how_it_ended() == "aborted: the server stops"
    assert (handler.images, handler.discarded) == ([], [b"half of it"])


def test_a_peer_that_goes_on_sending_does_not_hold_the_end_up(handler: Memory) -> None:
    """Its bytes keep coming while the association is to end."""
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate()
        peer.begin(b"half of it")
        fragments = p_data(pdv(3, bytes(16000), command=False, last=False)) * 20

        def pour() -> None:
            with suppress(OSError):
                while True:
                    peer.say(fragments)

        pouring = threading.Thread(target=pour)
        pouring.start()
        handler.until(lambda: handler.begun > 20)
        running.server.stop(0)
        assert running.ended()
        handler.until(lambda: len(handler.discarded) == 1)
        assert handler.how_it_ended().startswith("aborted")
        with suppress(OSError):
            peer.sock.shutdown(socket.SHUT_RDWR)
        pouring.join(20)
        assert not pouring.is_alive()
    assert handler.images == []


def test_an_association_that_says_nothing_gives_way_to_the_end(
    handler: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many seconds without a word an association holds no stop up."""
    monkeypatch.setattr(session, "_ENDS", 0.0)
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate()
        peer.echo()
        running.server.stop(LONG)
        running.thread.join(5)
        assert not running.thread.is_alive()
        assert peer.hear()[0] == pdu.ABORT


def test_no_new_association_begins_while_the_server_stops(handler: Memory) -> None:
    with serving(handler) as running, Raw(running.port) as first, Raw(running.port) as late:
        first.associate()
        late.say(messages.associate()[:50])
        running.server.stop(LONG)
        with suppress(ConnectionError):
            late.say(messages.associate()[50:])
            assert late.hear()[0] in (pdu.ASSOCIATE_RJ, pdu.ABORT, 0)
        first.release()
        assert running.ended()
    assert len(handler.opens) == 1


def test_who_connects_while_the_server_stops_is_answered_or_refused(handler: Memory) -> None:
    """Not left waiting in the queue of a socket that nobody listens to."""
    with serving(handler) as running, Raw(running.port) as first:
        first.associate()
        running.server.stop(LONG)
        first.echo()
        first.echo()  # by now the waiting thread has seen that it is to stop
        with suppress(ConnectionError), Raw(running.port) as late:
            late.sock.settimeout(5)
            late.say(messages.associate())
            assert late.hear()[0] in (pdu.ASSOCIATE_RJ, pdu.ABORT, 0)
        first.release()


def test_half_open_connections_are_told_of_the_end(handler: Memory) -> None:
    with serving(handler) as running, Raw(running.port) as first, Raw(running.port) as half:
        first.associate()
        half.say(messages.associate()[:50])
        running.server.stop(LONG)
        assert [kind for kind, _ in half.hear_all()] == [pdu.ABORT]
        first.release()
        assert running.ended()


def test_a_stop_before_the_start(handler: Memory) -> None:
    with serving(handler) as running:
        running.server.stop(0)
        running.server.stop(0)
        assert running.ended()


def test_a_stop_after_the_end_touches_nothing(handler: Memory, tmp_path: Path) -> None:
    """The descriptors of an ended server belong to others by then, to an image that is being written for one."""
    with serving(handler) as running:
        running.server.stop(0)
        assert running.ended()
        files = [os.open(tmp_path / str(number), os.O_WRONLY | os.O_CREAT) for number in range(40)]
        running.server.stop(0)
        for descriptor in files:
            os.close(descriptor)
    assert {path.stat().st_size for path in tmp_path.iterdir()} == {0}


def test_a_second_stop_shortens_the_first(handler: Memory) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate()
        peer.begin(b"half of it")
        handler.until(lambda: handler.begun == 1)
        running.server.stop(LONG)
        running.server.stop(0)
        assert peer.hear()[0] == pdu.ABORT
        assert running.ended()
    assert handler.discarded == [b"half of it"]
