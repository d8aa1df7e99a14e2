"""The asynchronous operations window (PS3.7 section D.3.3.3): asked for, granted, and used by peers of all manners."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, AsynchronousOperationsWindowNegotiation, MaximumLengthNotification

from mrdock.network import pdu
from mrdock.network.accepting import Acceptable, encode_accept
from mrdock.network.dimse import decode_command
from mrdock.network.handler import Outcome
from mrdock.network.negotiation import WINDOW, Proposal, encode_request, parse_accept, parse_request
from mrdock.network.session import TURNS

from . import messages
from .messages import ABORT, EXPLICIT, MR, RELEASE, associate, item, p_data, pdv, user
from .serving import PATIENCE, Image, Memory, Raw, lives, serving

MANY = 20


@pytest.fixture
def handler() -> Memory:
    return Memory()


def asking(invoked: int, performed: int = 1) -> bytes:
    """A request that asks for a window."""
    return associate(information=user(16384, item(0x53, struct.pack(">HH", invoked, performed))))


# ---- negotiation ----


def granted(request: bytes) -> tuple[int, int] | None:
    """What our acceptance says of the window, as pynetdicom reads it; None where it says nothing."""
    asked = parse_request(memoryview(request)[6:])
    answer = encode_accept(asked, Acceptable([MR], [EXPLICIT]).negotiate(asked)[1], 131072)
    theirs = A_ASSOCIATE_AC()
    theirs.decode(answer)
    window = parse_accept(memoryview(answer)[6:]).window
    found = of_pynetdicom(theirs)
    assert window == (1 if found is None else found[0]), "we read what we answer as pynetdicom does"
    return found


def of_pynetdicom(theirs: A_ASSOCIATE_AC | A_ASSOCIATE_RQ) -> tuple[int, int] | None:
    primitive = theirs.to_primitive()
    assert isinstance(primitive, A_ASSOCIATE)
    assert any(isinstance(said, MaximumLengthNotification) for said in primitive.user_information)
    found = [said for said in primitive.user_information if isinstance(said, AsynchronousOperationsWindowNegotiation)]
    assert len(found) <= 1
    return (found[0].maximum_number_operations_invoked, found[0].maximum_number_operations_performed) if found else None


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(0, (8, 1)), (1, None), (2, (2, 1)), (3, (3, 1)), (8, (8, 1)), (9, (8, 1)), (65535, (8, 1))],
)
@pytest.mark.parametrize("performed", [0, 1, 8])
def test_what_is_granted_is_never_more_than_was_asked_nor_than_we_bear(
    asked: int, performed: int, answered: tuple[int, int] | None
) -> None:
    assert granted(asking(asked, performed)) == answered


def test_who_asks_for_nothing_is_answered_nothing() -> None:
    assert granted(associate()) is None


@pytest.mark.parametrize("value", [b"", b"\0\3", b"\0\3\0\1\0"])
def test_an_item_of_another_length_is_no_request(value: bytes) -> None:
    with pytest.raises(pdu.ProtocolFault, match="wrong length"):
        parse_request(memoryview(associate(information=user(16384, item(0x53, value))))[6:])


@pytest.mark.parametrize(("window", "read"), [(1, None), (0, (0, 1)), (8, (8, 1))])
def test_our_request_is_read_by_pynetdicom(window: int, read: tuple[int, int] | None) -> None:
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(encode_request("SCANNER", "ARCHIVE", [Proposal(1, MR, (EXPLICIT,))], 131072, window))
    assert of_pynetdicom(theirs) == read


@pytest.mark.parametrize(("answered", "ours"), [(None, 1), (0, 8), (1, 1), (3, 3), (200, 8)])
def test_an_acceptance_of_pynetdicom_is_read_and_nobody_makes_us_send_more_than_we_asked_for(
    answered: int | None, ours: int
) -> None:
    asked = parse_request(memoryview(associate())[6:])
    theirs = A_ASSOCIATE_AC()
    theirs.decode(encode_accept(asked, Acceptable([MR], [EXPLICIT]).negotiate(asked)[1], 16384))
    primitive = theirs.to_primitive()
    assert isinstance(primitive, A_ASSOCIATE)
    if answered is not None:
        window = AsynchronousOperationsWindowNegotiation()
        window.maximum_number_operations_invoked, window.maximum_number_operations_performed = answered, 1
        primitive.user_information = [*primitive.user_information, window]
    made = A_ASSOCIATE_AC()
    made.from_primitive(primitive)
    assert parse_accept(memoryview(bytes(made.encode()))[6:]).window == ours


# ---- a peer that does not wait ----


def stored(number: int, size: int = 200) -> bytes:
    """The ``number``-th C-STORE request; its message id is odd, so that no count stands for it by chance."""
    return messages.store(content(number, size), message=10 * number + 7, instance=f"1.2.3.{number}")


def content(number: int, size: int = 200) -> bytes:
    return bytes([number]) * size


def echo(message: int) -> bytes:
    return p_data(pdv(5, messages.echo(message), command=True, last=True))


def answers(peer: Raw, count: int) -> list[tuple[int | None, int | None]]:
    """The next answers: which message each is to, and its status."""
    found = [peer.answer() for _ in range(count)]
    return [(answer.responded_id, answer.status) for answer in found]


def good(numbers: Sequence[int]) -> list[tuple[int | None, int | None]]:
    return [(10 * number + 7, 0) for number in numbers]


def kept(handler: Memory) -> list[bytes]:
    return [image.data for image in handler.images]


WINDOWS = pytest.mark.parametrize("request_", [asking(0), asking(3), associate()], ids=["8", "3", "none"])


@WINDOWS
@pytest.mark.parametrize("count", [8, MANY])
def test_images_sent_without_waiting_are_answered_each_in_their_order(
    handler: Memory, request_: bytes, count: int
) -> None:
    """Also those of a peer that was granted less, or never asked: it gets what it would get if it waited."""
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate(request_)
        peer.say(*(stored(number) for number in range(count)))
        assert answers(peer, count) == good(range(count))
        peer.release()
    assert kept(handler) == [content(number) for number in range(count)]
    assert handler.how_it_ended() == "released"


@WINDOWS
@pytest.mark.parametrize("chunk", [1, 97, 5000])
def test_the_same_in_pieces_that_end_anywhere(handler: Memory, request_: bytes, chunk: int) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate(request_)
        data = b"".join(stored(number, 60) for number in range(9))
        for start in range(0, len(data), chunk):
            peer.say(data[start : start + chunk])
        assert answers(peer, 9) == good(range(9))
        peer.release()
    assert kept(handler) == [content(number, 60) for number in range(9)]


@WINDOWS
def test_an_echo_and_an_unknown_operation_between_them_are_answered_in_their_turn(
    handler: Memory, request_: bytes
) -> None:
    unknown = p_data(pdv(3, messages.find(500), command=True, last=True)) + p_data(
        pdv(3, b"identifier", command=False, last=True)
    )
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate(request_)
        peer.say(stored(0), stored(1), echo(400), stored(2), unknown, stored(3), echo(401))
        assert answers(peer, 7) == [*good([0, 1]), (400, 0), *good([2]), (500, 0x0211), *good([3]), (401, 0)]
        peer.release()


@dataclass
class Choosy(Memory):
    """Refuses some images: ``refuses`` names their data sets."""

    refuses: tuple[bytes, ...] = ()

    def note(self, notes: list[object], what: object) -> None:  # type: ignore[override]
        self.outcome = Outcome(0xA900, "odd") if isinstance(what, Image) and what.data in self.refuses else Outcome(0)
        super().note(notes, what)


@WINDOWS
def test_one_that_is_refused_among_them_gets_its_own_answer(request_: bytes) -> None:
    handler = Choosy(refuses=(content(1), content(5)))
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate(request_)
        peer.say(*(stored(number) for number in range(8)))
        expected = good(range(8))
        expected[1], expected[5] = (17, 0xA900), (57, 0xA900)
        assert answers(peer, 8) == expected
        peer.release()


@pytest.mark.parametrize("count", [1, 8, 13])
@WINDOWS
def test_a_release_right_behind_them_is_replied_when_all_are_answered(
    handler: Memory, request_: bytes, count: int
) -> None:
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate(request_)
        peer.say(*(stored(number) for number in range(count)), RELEASE)
        assert answers(peer, count) == good(range(count))
        assert peer.hear() == (6, bytes(4))
    assert kept(handler) == [content(number) for number in range(count)]
    assert handler.how_it_ended() == "released"


def waiting(handler: Memory) -> threading.Event:
    """The server begins no image before this is set: all that was sent is there, and how it ends, when it looks."""
    sent = threading.Event()

    def trouble(name: str) -> None:
        assert name != "store" or sent.wait(PATIENCE)

    handler.trouble = trouble
    return sent


@pytest.mark.parametrize("count", [1, 5, 8, MANY])
def test_a_connection_that_is_ended_right_behind_them_leaves_all_that_are_whole(handler: Memory, count: int) -> None:
    sent = waiting(handler)
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate(asking(8))
        peer.say(*(stored(number) for number in range(count)), stored(99)[:-50])
        peer.sock.shutdown(socket.SHUT_WR)
        sent.set()
        assert answers(peer, count) == good(range(count))
        assert handler.how_it_ended() == "connection closed by the peer"
    assert kept(handler) == [content(number) for number in range(count)]
    assert len(handler.discarded) == 1


def test_the_same_where_nobody_is_left_to_take_the_answers(handler: Memory) -> None:
    sent = waiting(handler)
    with serving(handler) as running:
        with Raw(running.port) as peer:
            peer.associate(asking(8))
            peer.say(*(stored(number) for number in range(WINDOW)))
        sent.set()
        assert handler.how_it_ended().startswith("connection ")
        lives(running)
    assert kept(handler)[:-1] == [content(number) for number in range(WINDOW)]
    assert handler.discarded == []


def test_an_abort_in_the_middle_of_the_fourth(handler: Memory) -> None:
    """Nothing half is kept, each is kept or discarded, and what was answered is kept."""
    sent = waiting(handler)
    with serving(handler) as running:
        with Raw(running.port) as peer:
            peer.associate(asking(8))
            half = p_data(pdv(3, content(3), command=False, last=False))
            head = p_data(pdv(3, messages.command(message=37), command=True, last=True))
            peer.say(*(stored(number) for number in range(3)), head, half, ABORT)
            sent.set()
            said = [decode_command(body[6:]).responded_id for kind, body in peer.hear_all() if kind == 4]
        handler.how_it_ended()
        lives(running)
    assert said == [7, 17, 27][: len(said)]
    count = len(kept(handler)) - 1
    assert kept(handler)[:-1] == [content(number) for number in range(count)]
    assert count >= len(said)
    assert handler.discarded == [content(number) for number in range(count, 4)]


def test_what_is_no_dicom_behind_them_costs_no_image_that_was_answered(handler: Memory) -> None:
    with serving(handler) as running:
        with Raw(running.port) as peer:
            peer.associate(asking(8))
            peer.say(*(stored(number) for number in range(11)), b"\x99 no PDU at all")
            said = peer.hear_all()
        handler.how_it_ended()
        lives(running)
    assert said[-1][0] == 7
    answered = [decode_command(body[6:]).responded_id for kind, body in said if kind == 4]
    assert answered == [10 * number + 7 for number in range(len(answered))]
    assert len(answered) >= WINDOW
    assert kept(handler)[:-1] == [content(number) for number in range(len(answered))], "the others come again"
    assert len(answered) + len(handler.discarded) == 11


# ---- who waits for whom ----


def test_the_disk_is_waited_for_once_for_all_and_the_answers_wait_for_no_housekeeping(handler: Memory) -> None:
    steps: list[str] = []
    handler.trouble = steps.append
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate(asking(8))
        peer.say(*(stored(number) for number in range(WINDOW)))
        assert answers(peer, WINDOW) == good(range(WINDOW))
        peer.release()
    begun = ["store", "write", "seal"] * WINDOW
    assert steps[1 : 1 + len(begun)] == begun
    rest = [name for name in steps[1 + len(begun) :] if name != "closed"]
    assert rest == [name for name in ("place", "finish", "settle") for _ in range(WINDOW)]


def test_without_a_window_each_is_answered_before_the_next_is_begun(handler: Memory) -> None:
    steps: list[str] = []
    handler.trouble = steps.append
    with serving(handler) as running, Raw(running.port) as peer:
        peer.associate()
        peer.say(*(stored(number) for number in range(3)))
        assert answers(peer, 3) == good(range(3))
        peer.release()
    assert steps[1:-1] == ["store", "write", "seal", "place", "finish", "settle"] * 3


@pytest.mark.parametrize(("step", "left"), [("seal", (0, 4)), ("place", (0, 6)), ("finish", (3, 0))])
def test_an_error_of_ours_in_one_of_them_ends_the_association_with_none_answered(
    handler: Memory, step: str, left: tuple[int, int]
) -> None:
    """What was finished before it is settled, what was not is discarded; `MemorySink` is not, where it ended itself."""
    steps: list[str] = []

    def trouble(name: str) -> None:
        steps.append(name)
        if name == step and steps.count(name) == 4:
            raise RuntimeError(name)

    handler.trouble = trouble
    with serving(handler) as running:
        with Raw(running.port) as peer:
            peer.associate(asking(8))
            peer.say(*(stored(number) for number in range(6)))
            assert [kind for kind, _ in peer.hear_all()] == [7]
        handler.how_it_ended()
        assert (len(handler.images), len(handler.discarded)) == left
        assert steps.count("settle") == left[0]
        lives(running)


def stuffed(port: int) -> Raw:
    """A peer that asks and asks and never reads an answer, until neither side can send any more."""
    peer = Raw(port, receive_buffer=2048)
    peer.associate(asking(8))
    peer.sock.setblocking(False)
    data = b"".join(echo(number) for number in range(1, 500))
    while select.select([], [peer.sock], [], 0.5)[1]:
        sent = peer.sock.send(data)
        data = data[sent:] + data[:sent]
    return peer


def halfway(port: int) -> Raw:
    """A peer that stops in the middle of an image."""
    peer = Raw(port)
    peer.associate(asking(8))
    peer.say(stored(0), stored(1)[:-20])
    return peer


@pytest.mark.parametrize("hangs", [stuffed, halfway])
def test_peers_that_hang_do_not_hold_up_others(handler: Memory, hangs: Callable[[int], Raw]) -> None:
    """Only `TURNS` associations with a window work at once; who waits for its peer is not one of them."""
    with serving(handler) as running, ExitStack() as stack:
        for _ in range(TURNS + 1):
            stack.enter_context(hangs(running.port))
        with Raw(running.port) as peer:
            peer.associate(asking(8))
            peer.say(*(stored(number) for number in range(MANY)))
            assert answers(peer, MANY) == good(range(MANY))
            peer.release()
        lives(running)


def test_many_at_once(handler: Memory) -> None:
    with serving(handler) as running, ExitStack() as stack:
        peers = [stack.enter_context(Raw(running.port)) for _ in range(3 * TURNS)]
        for peer in peers:
            peer.associate(asking(8))
            peer.say(*(stored(number) for number in range(MANY)))
        for peer in peers:
            assert answers(peer, MANY) == good(range(MANY))
            peer.release()
    assert len(handler.images) == len(peers) * MANY
