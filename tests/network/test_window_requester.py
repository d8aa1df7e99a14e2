"""The requester with several operations under way: what it sends ahead, and which answers it takes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.errors import AbortedError, RejectedError
from mrdock.network.dimse import Command
from mrdock.network.negotiation import WINDOW
from mrdock.network.outgoing import ImageFile, image_file
from mrdock.network.pdu import ProtocolFault

from .messages import EXPLICIT, IMPLICIT, MR, item
from .scripted import Line, scp
from .serving import Memory, serving
from .test_requester import requester
from .test_requester_ends import to

COUNT = 20


@pytest.fixture
def files(tmp_path: Path) -> list[ImageFile]:
    """Images with data sets of several sizes, one empty."""
    return [made(tmp_path, number) for number in range(COUNT)]


def made(folder: Path, number: int, syntax: str = EXPLICIT) -> ImageFile:
    path = folder / f"{number}.dcm"
    path.write_bytes(encode_file_meta(FileMeta(MR, f"1.2.3.{number}", syntax)) + content(number))
    return image_file(path)


def content(number: int) -> bytes:
    return bytes([number]) * (number * 5000)


def window(count: int) -> bytes:
    """The item that grants ``count`` operations."""
    return item(0x53, struct.pack(">HH", count, 1))


def take(line: Line, count: int) -> list[Command]:
    """The next requests, with their data sets."""
    return [line.message()[0] for _ in range(count)]


def batches(order: Callable[[list[Command]], list[Command]], statuses: bool = False) -> Callable[[Line], None]:
    """A peer that reads as many as it granted before it answers any, in an order of its own."""

    def script(line: Line) -> None:
        asked = line.accept(more=window(4))
        assert asked.window == WINDOW
        left = COUNT
        while left:
            requests = take(line, min(4, left))
            for request in order(requests):
                line.answer(request, 0xB000 + (request.message_id or 0) if statuses else 0)
            left -= len(requests)
        line.release()

    return script


def test_as_many_are_under_way_as_the_peer_granted(files: list[ImageFile]) -> None:
    """The peer waits for the fourth before it answers the first."""
    with scp(batches(lambda requests: requests)) as port, requester(port) as association:
        assert association.window == 4
        answers = [
            answer.succeeded for start in range(0, COUNT, 4) for answer in association.store_all(files[start:][:4])
        ]
    assert answers == [True] * COUNT


@pytest.mark.parametrize(
    "order",
    [lambda requests: requests, lambda requests: requests[::-1], lambda requests: requests[1:] + requests[:1]],
    ids=["in order", "backwards", "turned"],
)
def test_answers_belong_to_their_images_in_whatever_order_they_come(
    files: list[ImageFile], order: Callable[[list[Command]], list[Command]]
) -> None:
    with scp(batches(order, statuses=True)) as port, requester(port) as association:
        found = [answer.status for start in range(0, COUNT, 4) for answer in association.store_all(files[start:][:4])]
    assert found == [0xB001 + number for number in range(COUNT)]


@pytest.mark.parametrize("more", [b"", window(1)], ids=["nothing", "one"])
def test_a_peer_that_grants_nothing_gets_one_at_a_time(files: list[ImageFile], more: bytes) -> None:
    def script(line: Line) -> None:
        line.accept(more=more)
        for _ in range(COUNT):
            (request,) = take(line, 1)
            line.sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                line.sock.recv(1)
            line.sock.settimeout(20)
            line.answer(request)
        line.release()

    with scp(script) as port, requester(port) as association:
        assert association.window == 1
        assert [answer.status for answer in association.store_all(files)] == [0] * COUNT


def test_no_more_are_under_way_than_were_asked_for(files: list[ImageFile]) -> None:
    """Whatever a peer grants; 0 would be any number."""
    with scp(lambda line: grant(line, 0)) as port, requester(port) as association:
        assert association.window == WINDOW
    with scp(lambda line: grant(line, 5000)) as port, requester(port) as association:
        assert association.window == WINDOW


def grant(line: Line, count: int) -> None:
    line.accept(more=window(count))
    line.release()


@pytest.mark.parametrize("twice", [False, True], ids=["never asked", "answered before"])
def test_an_answer_to_what_is_not_under_way_is_refused(files: list[ImageFile], twice: bool) -> None:
    def script(line: Line) -> None:
        line.accept(more=window(4))
        requests = take(line, 4)
        line.answer(requests[0])
        line.answer(requests[1], responded=1 if twice else 999)
        line.hear()

    with scp(script) as port, requester(port) as association:
        answers = association.store_all(files[:4])
        assert next(answers).succeeded
        with pytest.raises(ProtocolFault, match="something else than what was asked"):
            next(answers)
        association.abort()


def test_a_refusal_among_them_stops_nothing(files: list[ImageFile]) -> None:
    def script(line: Line) -> None:
        line.accept(more=window(4))
        for request in take(line, 4):
            line.answer(request, 0xA700 if request.message_id == 2 else 0)
        line.release()

    with scp(script) as port, requester(port) as association:
        found = [answer.status for answer in association.store_all(files[:4])]
    assert found == [0, 0xA700, 0, 0]


def test_a_peer_that_ends_the_association_leaves_the_answers_that_came(files: list[ImageFile]) -> None:
    def script(line: Line) -> None:
        line.accept(more=window(4))
        for request in take(line, 4)[:2]:
            line.answer(request)

    with scp(script) as port, requester(port) as association:
        answers = association.store_all(files[:4])
        assert [next(answers).status for _ in range(2)] == [0, 0]
        with pytest.raises(AbortedError):
            next(answers)


def faults(files: list[ImageFile], fault: str) -> Iterator[ImageFile]:
    """Three images, the third of which cannot be sent."""
    yield from files[:2]
    if fault == "gone":
        files[2].path.unlink()
    elif fault == "refused":
        files[2] = made(files[2].path.parent, 2, IMPLICIT)
    yield files[2]


@pytest.mark.parametrize(("fault", "error"), [("gone", FileNotFoundError), ("refused", RejectedError)])
def test_an_image_that_cannot_be_sent_while_others_are_under_way_leaves_the_association_of_use(
    files: list[ImageFile], fault: str, error: type[Exception]
) -> None:
    """The two before it arrive, whoever takes their answers, and the next is answered with its own."""
    handler = Memory()
    with serving(handler) as running:
        with to(running.port, files[0]) as association:
            with pytest.raises(error):
                list(association.store_all(faults(files, fault)))
            assert association.store(files[3]).succeeded
            association.echo()
        assert handler.how_it_ended() == "released"
    assert [image.data for image in handler.images] == [content(number) for number in (0, 1, 3)]


def test_our_requester_and_our_server_agree(files: list[ImageFile]) -> None:
    handler = Memory()
    with serving(handler) as running, to(running.port, *files) as association:
        assert association.window == WINDOW
        assert [answer.status for answer in association.store_all(files)] == [0] * COUNT
        association.echo()
        assert list(association.store_all([])) == []
        assert association.store(files[0]).succeeded
    assert [image.data for image in handler.images] == [content(number) for number in [*range(COUNT), 0]]
