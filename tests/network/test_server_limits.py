"""Who gets in, how many, how long and how much: the limits of a listener, each with the others still served."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

import pytest

from mrdock.network import pdu, server, session
from mrdock.network.handler import Limits

from . import messages
from .serving import PATIENCE, Memory, Raw, Running, lives, peers, serving

OTHER = "127.0.0.2"
"""A second address of this machine."""

SHORT = Limits(idle=0.2, acse=0.2, whole_pdu=0.2)


@pytest.fixture
def handler() -> Memory:
    return Memory()


def rejection(running: Running, request: bytes = b"", *, host: str = "127.0.0.1") -> tuple[int, ...]:
    """Result, source and reason of a rejected request; the server must close the connection then."""
    with Raw(running.port, host=host) as peer:
        peer.say(request or messages.associate())
        kind, body = peer.hear()
        assert kind == pdu.ASSOCIATE_RJ
        assert peer.hear()[0] == 0
    return tuple(body[1:])


def aborted(peer: Raw) -> int:
    """The reason of the server's abort; it must close the connection then."""
    kind, body = peer.hear()
    assert (kind, body[2]) == (pdu.ABORT, 2), (kind, body)
    assert peer.hear()[0] == 0
    return body[3]


# ---- who ----


def test_a_wrong_called_title(handler: Memory) -> None:
    with serving(handler) as running:
        assert rejection(running, messages.associate(called=b"WRONG")) == (1, 1, 7)
        assert handler.refusals == [("127.0.0.1", "SCANNER", "called AE title 'WRONG' is not ours")]
        lives(running)


def test_an_unknown_calling_title(handler: Memory) -> None:
    with serving(handler, allowed=peers(("SCANNER", "127.0.0.0/8"))) as running:
        assert rejection(running, messages.associate(calling=b"STRANGER")) == (1, 1, 3)
        assert handler.refusals == [("127.0.0.1", "STRANGER", "calling AE title 'STRANGER' is not among the peers")]
        lives(running)


def test_a_title_from_another_s_address(handler: Memory) -> None:
    with serving(handler, allowed=peers(("SCANNER", "127.0.0.1/32"), ("OTHER", "127.0.0.2/32"))) as running:
        assert rejection(running, host=OTHER) == (1, 1, 3)
        lives(running)


def test_an_address_that_is_not_among_the_peers_is_closed_unheard(handler: Memory) -> None:
    with serving(handler, allowed=peers((None, "127.0.0.1/32"))) as running:
        with Raw(running.port, host=OTHER) as peer:
            assert peer.hear() == (0, b"")
        assert handler.why_refused() == "the address is not among the peers"
        assert handler.refusals[0][:2] == (OTHER, "")
        lives(running)
    assert [caller.host for caller in handler.opens] == ["127.0.0.1"]


def test_what_is_no_dicom_3(handler: Memory) -> None:
    with serving(handler) as running:
        assert rejection(running, messages.associate(version=0x8000)) == (1, 2, 2)
        assert rejection(running, messages.associate(application=b"")) == (1, 1, 2)
        lives(running)


# ---- how many ----


def test_too_many_associations(handler: Memory) -> None:
    limits = Limits(associations=2)
    with serving(handler, limits) as running, Raw(running.port) as first, Raw(running.port) as second:
        first.associate()
        second.associate()
        assert running.server.associations() == {"127.0.0.1": 2}
        assert rejection(running, host=OTHER) == (2, 3, 2)
        assert handler.refusals == [(OTHER, "SCANNER", "too many associations")]
        first.release()
        handler.how_it_ended()
        lives(running, host=OTHER)
        second.release()


def test_too_many_of_one_peer_keep_no_other_out(handler: Memory) -> None:
    with serving(handler, Limits(per_peer=1)) as running, Raw(running.port) as first:
        first.associate()
        first.begin(b"data")
        handler.until(lambda: handler.begun == 1)
        assert rejection(running) == (2, 3, 2)
        lives(running, host=OTHER)


def silent(running: Running, count: int) -> None:
    """Wait until the server has seen that its associations say nothing."""
    wait = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        with running.server._lock:
            if sum(not slot.busy for slot in running.server._slots) == count:
                return
        wait.wait(0.01)
    raise AssertionError("the associations are busy")


def test_a_silent_association_gives_way_to_a_new_one_of_its_peer(
    handler: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "GIVES_WAY", 0.0)
    monkeypatch.setattr(session, "GIVES_WAY_UNUSED", 0.0)
    with serving(handler, Limits(per_peer=2)) as running:
        with Raw(running.port) as oldest, Raw(running.port) as younger:
            oldest.associate()
            oldest.echo()
            silent(running, 1)
            younger.associate()
            silent(running, 2)
            lives(running)
            assert aborted(oldest) == pdu.NOT_SPECIFIED
            younger.echo()
        ends = {how for _, how in handler.ends}
    assert "aborted: gave way to a new association of the same peer" in ends


def test_an_association_that_was_heard_lately_does_not_give_way(handler: Memory) -> None:
    with serving(handler, Limits(per_peer=1)) as running, Raw(running.port) as first:
        first.associate()
        silent(running, 1)
        assert rejection(running) == (2, 3, 2)
        first.echo()


def test_no_association_of_another_peer_gives_way(handler: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "GIVES_WAY", 0.0)
    monkeypatch.setattr(session, "GIVES_WAY_UNUSED", 0.0)
    with serving(handler, Limits(associations=1)) as running, Raw(running.port) as first:
        first.associate()
        silent(running, 1)
        assert rejection(running, host=OTHER) == (2, 3, 2)
        first.echo()


@pytest.mark.parametrize("half", [b"", messages.associate()[:40], messages.associate()[:-1]])
def test_half_open_connections_do_not_count(handler: Memory, half: bytes) -> None:
    with serving(handler, Limits(associations=1, per_peer=1)) as running:
        connections = [Raw(running.port) for _ in range(40)]
        for connection in connections:
            connection.say(half)
        lives(running)
        for connection in connections:
            connection.sock.close()
        lives(running)


def test_more_half_open_connections_than_are_kept(handler: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first; who says a whole request at once always gets in."""
    monkeypatch.setattr(server, "_MOST_PENDING", 10)
    with serving(handler) as running:
        connections = [Raw(running.port) for _ in range(30)]
        lives(running)
        assert connections[0].hear() == (0, b"")
        for connection in connections:
            connection.sock.close()


def test_half_requests_that_fill_the_memory_end_together(handler: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is dropped to make room must not be asked to leave once more when its time is over."""
    monkeypatch.setattr(server, "_MOST_PENDING_BYTES", 2000)
    with serving(handler, SHORT) as running:
        connections = [Raw(running.port) for _ in range(20)]
        for connection in connections:
            connection.say(messages.pdu(1, bytes(500), 10_000))
        for connection in connections:
            assert [kind for kind, _ in connection.hear_all()] in ([], [pdu.ABORT])
            connection.sock.close()
        lives(running)


def test_the_end_of_an_association_frees_its_place_however_it_ends(handler: Memory) -> None:
    with serving(handler, Limits(associations=1)) as running:
        ends: list[Callable[[Raw], None]] = [Raw.release, Raw.reset, Raw.__exit__]
        for number, end in enumerate(ends):
            with Raw(running.port) as peer:
                peer.associate()
                end(peer)
            handler.how_it_ended(number)
            handler.until(lambda: not running.server.associations())
        lives(running)


# ---- how long: the waits end within a second more than the limit ----


def test_an_association_that_says_nothing(handler: Memory) -> None:
    with serving(handler, SHORT) as running, Raw(running.port) as peer:
        peer.associate()
        assert aborted(peer) == pdu.NOT_SPECIFIED
        assert handler.how_it_ended() == "aborted: nothing came for 0.2 s while waiting for a message"


def test_an_association_that_stops_in_a_data_set(handler: Memory) -> None:
    with serving(handler, SHORT) as running, Raw(running.port) as peer:
        peer.associate()
        peer.begin(b"the first part")
        assert aborted(peer) == pdu.NOT_SPECIFIED
        assert handler.how_it_ended() == "aborted: nothing came for 0.2 s while waiting for a data set to store"
    assert handler.discarded == [b"the first part"]
    assert handler.images == []


def test_a_pdu_that_stays_half(handler: Memory) -> None:
    with serving(handler, Limits(whole_pdu=0.2)) as running, Raw(running.port) as peer:
        peer.associate()
        peer.say(messages.store(bytes(100))[:-50])
        assert aborted(peer) == pdu.NOT_SPECIFIED
        assert handler.how_it_ended() == "aborted: a PDU took longer than 0.2 s"


@pytest.mark.parametrize("half", [b"", b"\1", messages.associate()[:60]])
def test_a_request_that_stays_half(handler: Memory, half: bytes) -> None:
    with serving(handler, SHORT) as running, Raw(running.port) as peer:
        peer.say(half)
        assert aborted(peer) == pdu.NOT_SPECIFIED
        assert handler.why_refused() == "no whole association request in time"
    assert handler.opens == []


def test_a_peer_that_never_reads(handler: Memory) -> None:
    """Its echoes are answered until the buffers are full; then it is cut off, and nobody else waits for it."""
    with serving(handler, Limits(whole_pdu=0.3)) as running, Raw(running.port, receive_buffer=2048) as peer:
        peer.say(messages.associate())
        one = messages.p_data(messages.pdv(5, messages.echo(), command=True, last=True))
        peer.sock.settimeout(0.5)
        with pytest.raises(OSError, match=r"timed out|reset|Broken pipe"):
            peer.say(one * 500_000)
        lives(running)
        handler.until(lambda: any("does not read" in how for _, how in handler.ends))


# ---- how much ----


@pytest.mark.parametrize("length", [Limits().longest_pdu + 1, 1 << 24, 0xFFFFFFFF])
def test_a_pdu_longer_than_agreed(handler: Memory, length: int) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate()
        peer.say(messages.pdu(4, b"", length))
        assert aborted(peer) == pdu.INVALID_PARAMETER
        assert handler.how_it_ended() == f"aborted: a PDU of {length} bytes, 131072 were agreed"
        lives(running)


def test_the_longest_pdu_that_was_agreed(handler: Memory) -> None:
    with serving(handler, Limits(longest_pdu=4096)) as running, Raw(running.port) as peer:
        peer.associate()
        head = messages.p_data(messages.pdv(3, messages.command(), command=True, last=True))
        data = bytes(range(256)) * 16
        peer.say(head, messages.p_data(messages.pdv(3, data[:4090], command=False, last=True)))
        assert peer.answer().status == 0
    assert handler.images[0].data == data[:4090]


def test_an_object_larger_than_allowed(handler: Memory) -> None:
    with serving(handler, Limits(object_size=1000)) as running:
        with Raw(running.port) as peer:
            peer.associate()
            assert peer.store(bytes(1000)) == 0
            peer.begin(bytes(600))
            peer.say(messages.p_data(messages.pdv(3, bytes(402), command=False, last=False)))
            assert aborted(peer) == pdu.NOT_SPECIFIED
            assert handler.how_it_ended() == "aborted: an object of more than 1000 bytes"
        lives(running)
    assert len(handler.images) == 2
    assert handler.discarded == [bytes(600)]


@pytest.mark.parametrize("length", [pdu.LONGEST_REQUEST + 1, 0xFFFFFFFF])
def test_a_request_of_gigabytes_is_aborted_at_its_header(handler: Memory, length: int) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.say(struct.pack(">BxI", 1, length))
        assert aborted(peer) == pdu.INVALID_PARAMETER
        assert handler.why_refused() == f"an association request of {length} bytes"
        lives(running)


def test_who_goes_on_sending_after_the_farewell_is_cut_off(handler: Memory) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.say(struct.pack(">BxI", 1, 0xFFFFFFF0))
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            peer.say(bytes(64 << 20))
        lives(running)


def test_the_listening_socket_takes_its_peers_at_once(handler: Memory) -> None:
    """Connections that wait while others are served are all taken."""
    with serving(handler) as running:
        connections = [Raw(running.port) for _ in range(60)]
        for connection in connections:
            connection.say(messages.associate(called=b"WRONG"))
        assert {connection.hear()[0] for connection in connections} == {pdu.ASSOCIATE_RJ}
        for connection in connections:
            connection.sock.shutdown(socket.SHUT_RDWR)
            connection.sock.close()
