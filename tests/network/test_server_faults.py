"""Peers that break the protocol or break off, and handlers that fail: one association ends, the others live on."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from mrdock.network import pdu
from mrdock.network.handler import Limits, Outcome
from mrdock.network.server import StorageServer

from . import messages
from .messages import EXPLICIT, MR, RELEASE, p_data, pdv
from .serving import Memory, Raw, Running, lives, serving

COMMAND = p_data(pdv(3, messages.command(), command=True, last=True))


@pytest.fixture
def handler() -> Memory:
    return Memory()


@pytest.fixture
def running(handler: Memory) -> Iterator[Running]:
    """A server that must still serve when the test is over."""
    with serving(handler) as found:
        yield found
        lives(found)


# ---- before an association ----


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"A" * 512, pdu.UNRECOGNISED_PDU),
        (b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + bytes(193), pdu.UNRECOGNISED_PDU),
        (messages.pdu(0x99, bytes(16)), pdu.UNRECOGNISED_PDU),
        (messages.pdu(0) * 40, pdu.UNRECOGNISED_PDU),
        (messages.store(b"data"), pdu.UNEXPECTED_PDU),
        (RELEASE, pdu.UNEXPECTED_PDU),
        (messages.pdu(2, bytes(100)), pdu.UNEXPECTED_PDU),
        (messages.ABORT, pdu.UNEXPECTED_PDU),
        (messages.pdu(1), pdu.INVALID_PARAMETER),
        (messages.associate(contexts=messages.context(2, MR, EXPLICIT)), pdu.INVALID_PARAMETER),
        (messages.associate(contexts=messages.context(1, "1." * 500, EXPLICIT)), pdu.INVALID_PARAMETER),
        (messages.associate(contexts=messages.item(0x20, b"\1\0\0\0", 0xFFFF)), pdu.INVALID_PARAMETER),
    ],
)
def test_what_is_no_request(running: Running, handler: Memory, said: bytes, reason: int) -> None:
    with Raw(running.port) as peer:
        peer.say(said)
        assert peer.hear_all() == [(pdu.ABORT, bytes((0, 0, 2, reason)))]
    assert handler.why_refused()
    assert handler.opens == []


@pytest.mark.parametrize("end", [Raw.__exit__, Raw.reset])
@pytest.mark.parametrize("said", [b"", messages.associate()[:60]])
def test_connections_that_end_before_they_said_a_request(
    running: Running, handler: Memory, said: bytes, end: Callable[[Raw], None]
) -> None:
    for _ in range(30):
        peer = Raw(running.port)
        peer.say(said)
        end(peer)
    lives(running)
    assert len(handler.opens) == 1


# ---- in an association ----


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (messages.associate(), pdu.UNEXPECTED_PDU),
        (messages.pdu(6, bytes(4)), pdu.UNEXPECTED_PDU),
        (messages.pdu(0x99, bytes(4)), pdu.UNRECOGNISED_PDU),
        (messages.pdu(4), pdu.INVALID_PARAMETER),
        (p_data(b"\0\0\0\x40\3\3abc"), pdu.INVALID_PARAMETER),
        (messages.store(b"data", context_id=99), pdu.INVALID_PARAMETER),
        (messages.store(b"data", context_id=2), pdu.INVALID_PARAMETER),
        (p_data(pdv(3, b"data", command=False, last=True)), pdu.UNEXPECTED_PDU),
        (COMMAND + RELEASE, pdu.UNEXPECTED_PDU),
        (COMMAND + COMMAND, pdu.UNEXPECTED_PDU),
        (COMMAND + p_data(pdv(1, b"data", command=False, last=True)), pdu.INVALID_PARAMETER),
        (COMMAND + p_data(pdv(3, b"odd", command=False, last=True)), pdu.INVALID_PARAMETER),
        (p_data(pdv(3, messages.command(message=None), command=True, last=True)), pdu.INVALID_PARAMETER),
        (p_data(pdv(3, b"\0" * 7, command=True, last=True)), pdu.INVALID_PARAMETER),
    ],
)
def test_what_breaks_the_protocol(running: Running, handler: Memory, said: bytes, reason: int) -> None:
    with Raw(running.port) as peer:
        peer.associate()
        peer.say(said)
        assert peer.hear_all() == [(pdu.ABORT, bytes((0, 0, 2, reason)))]
    assert handler.how_it_ended().startswith("aborted: ")
    assert handler.images == []
    assert running.server.associations() == {}


def test_a_release_in_the_middle_of_a_data_set_discards_it(running: Running, handler: Memory) -> None:
    with Raw(running.port) as peer:
        peer.associate()
        peer.begin(b"half of it")
        peer.say(RELEASE, p_data(pdv(3, b"the rest", command=False, last=True)))
        assert [kind for kind, _ in peer.hear_all()] == [pdu.ABORT]
    handler.how_it_ended()
    assert (handler.images, handler.discarded) == ([], [b"half of it"])


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda peer: peer.say(messages.ABORT), "aborted by the peer"),
        (lambda peer: peer.sock.shutdown(socket.SHUT_WR), "connection closed by the peer"),
        (lambda peer: peer.reset(), "connection lost: Connection reset by peer"),
        (lambda peer: (peer.say(b"\4\0\0\0\1\0half"), peer.sock.close()), "connection closed by the peer"),
    ],
    ids=["abort", "close", "reset", "close in a PDU"],
)
def test_breaking_off_in_a_data_set_discards_it(
    running: Running, handler: Memory, end: Callable[[Raw], None], how: str
) -> None:
    with Raw(running.port) as peer:
        peer.associate()
        peer.begin(b"half of it")
        handler.until(lambda: handler.begun == 1)
        end(peer)
        assert handler.how_it_ended() == how
    assert (handler.images, handler.discarded) == ([], [b"half of it"])


def test_a_release_then_a_store_only_releases(running: Running, handler: Memory) -> None:
    with Raw(running.port) as peer:
        peer.associate()
        peer.say(RELEASE, messages.store(b"too late"))
        assert peer.hear_all() == [(pdu.RELEASE_RP, bytes(4))]
    assert handler.how_it_ended() == "released"
    assert handler.images == []


def test_everything_said_in_one_breath(running: Running, handler: Memory) -> None:
    """Request, images and release before a single answer was heard."""
    images = [bytes([number]) * 2000 for number in range(50)]
    with Raw(running.port) as peer:
        stores = (messages.store(image, message=number) for number, image in enumerate(images, 1))
        peer.say(messages.associate(), *stores, RELEASE)
        assert peer.hear()[0] == pdu.ASSOCIATE_AC
        answers = [peer.answer() for _ in images]
        assert peer.hear_all() == [(pdu.RELEASE_RP, bytes(4))]
    assert [answer.responded_id for answer in answers] == list(range(1, 51))
    assert [image.data for image in handler.images] == images


def test_a_store_byte_by_byte(running: Running, handler: Memory) -> None:
    with Raw(running.port) as peer:
        for byte in messages.associate():
            peer.say(bytes((byte,)))
        assert peer.hear()[0] == pdu.ASSOCIATE_AC
        for byte in messages.store(b"the data"):
            peer.say(bytes((byte,)))
        assert peer.answer().status == 0
    assert handler.images[0].data == b"the data"


@pytest.mark.parametrize("longest", [1, 8, 64, 0])
def test_peers_that_take_only_little_get_their_answers(running: Running, longest: int) -> None:
    with Raw(running.port) as peer:
        peer.associate(messages.associate(information=messages.user(longest)))
        peer.say(messages.store(b"data"))
        command, last = b"", 0
        while not last:
            kind, body = peer.hear()
            assert (kind, body[4]) == (pdu.P_DATA, 3)
            assert len(body) <= max(longest, 8) or longest == 0
            command += body[6:]
            last = body[5] & 2
    assert messages.number(0x0900, 0) in command


def test_hostile_titles_do_no_harm(handler: Memory) -> None:
    with serving(handler) as running:
        for title in (b"../../../../tmp/", b"%s%n%x%s%n%x", b"`id>/tmp/x`;", b"\x00\x01\x1b[2J\xff\xfe", b"A\\B", b""):
            with Raw(running.port) as peer:
                peer.say(messages.associate(calling=title))
                assert peer.hear()[0] == pdu.ASSOCIATE_AC
            with Raw(running.port) as peer:
                peer.say(messages.associate(called=title))
                assert peer.hear()[0] == pdu.ASSOCIATE_RJ
        lives(running)
    assert all(caller.calling.isprintable() for caller in handler.opens)


# ---- the handler ----


class Trouble(Exception):
    """What a handler raises in these tests."""


def failing(where: str, error: Exception) -> Callable[[str], None]:
    """A handler's trouble in one place, once."""
    left = [error]

    def trouble(at: str) -> None:
        if at == where and left:
            raise left.pop()

    return trouble


@pytest.mark.parametrize("error", [Trouble(), OSError(28, "No space left on device"), MemoryError()], ids=repr)
@pytest.mark.parametrize("where", ["store", "write", "finish"])
def test_a_handler_that_fails_ends_its_association_with_an_abort(
    handler: Memory, where: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    handler.trouble = failing(where, error)
    with serving(handler, Limits(associations=2)) as running, Raw(running.port) as bystander:
        bystander.associate()
        with Raw(running.port) as peer:
            peer.associate()
            peer.say(messages.store(b"data"))
            assert peer.hear_all() == [(pdu.ABORT, bytes((0, 0, 2, 0)))]
        handler.how_it_ended()
        assert handler.images == []
        assert len(handler.discarded) == (1 if where == "write" else 0)
        lives(running)
        bystander.echo()
        assert "ended by an error of ours" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("where", ["opened", "discard", "closed"])
def test_a_handler_that_fails_at_the_edges_keeps_no_place_taken(handler: Memory, where: str) -> None:
    handler.trouble = failing(where, Trouble())
    with serving(handler, Limits(associations=1)) as running:
        with Raw(running.port) as peer:
            peer.sock.settimeout(5)
            peer.say(messages.associate(), COMMAND, p_data(pdv(3, b"half", command=False, last=False)))
            peer.sock.shutdown(socket.SHUT_WR)
            peer.hear_all()  # comes to an end only when the server closes the connection
        lives(running)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_handler_that_fails_at_a_refusal_does_not_end_the_server(handler: Memory) -> None:
    handler.trouble = failing("refused", Trouble())
    with serving(handler) as running:
        with Raw(running.port) as peer:
            peer.sock.settimeout(5)
            peer.say(messages.associate(called=b"WRONG"))
            peer.sock.shutdown(socket.SHUT_WR)
            peer.hear_all()
        lives(running)


def test_a_status_is_answered_and_the_association_goes_on(running: Running, handler: Memory) -> None:
    with Raw(running.port) as peer:
        peer.associate()
        for status in (0xC000, 0xA700, 0x0000, 0xB000):
            handler.outcome = Outcome(status, "a word")
            assert peer.store(b"data") == status
        peer.release()
    assert handler.how_it_ended() == "released"
    handler.outcome = Outcome(0)


def test_while_no_connection_can_be_taken_the_server_waits_and_does_not_spin(
    handler: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of descriptors: a connection stays in the queue and its socket readable (T29)."""
    turns: list[int] = []
    tries: list[int] = []

    class Counting(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            turns.append(0)
            return super().select(timeout)

    accept = StorageServer._accept

    def exhausted(self: StorageServer) -> bool:
        tries.append(len(turns))
        return False if len(tries) < 5 else accept(self)

    monkeypatch.setattr(selectors, "DefaultSelector", Counting)
    monkeypatch.setattr(StorageServer, "_accept", exhausted)
    with serving(handler) as running:
        lives(running)
    assert max(later - earlier for earlier, later in pairwise(tries[:5])) < 20
