"""How a requester ends its association, and what becomes of files that change under it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.errors import MrdockError, NetworkError
from mrdock.network import pdu
from mrdock.network.handler import Limits
from mrdock.network.negotiation import Proposal
from mrdock.network.outgoing import ImageFile, image_file, propose
from mrdock.network.requester import Requester

from .messages import EXPLICIT, MR
from .scripted import Line, scp
from .serving import Memory, serving
from .test_requester import image, requester


def to(port: int, *files: ImageFile) -> Requester:
    """An association with our own server."""
    return Requester("127.0.0.1", port, propose(files), calling="SENDER", called="MRDOCK", timeout=20)


@pytest.fixture
def handler() -> Memory:
    return Memory()


# ---- the end ----


def test_a_release_is_asked_for_and_replied() -> None:
    def script(line: Line) -> None:
        line.accept()
        line.release()
        assert line.hear() == (0, b"")

    with scp(script) as port:
        requester(port).release()


def test_an_exception_aborts() -> None:
    def script(line: Line) -> None:
        line.accept()
        assert line.hear() == (pdu.ABORT, bytes(4))  # source 0, the service user
        assert line.hear() == (0, b"")

    with scp(script) as port, pytest.raises(ZeroDivisionError), requester(port):
        raise ZeroDivisionError


@pytest.mark.parametrize("reply", [b"", pdu.abort(0), b"\xff" * 20], ids=["close", "abort", "nonsense"])
def test_a_release_that_is_not_replied_changes_nothing(reply: bytes) -> None:
    def script(line: Line) -> None:
        line.accept()
        assert line.hear()[0] == pdu.RELEASE_RQ
        line.say(reply)

    with scp(script) as port:
        requester(port).release()


def test_a_release_without_an_answer_ends_with_the_timeout() -> None:
    def script(line: Line) -> None:
        line.accept()
        line.hear()
        assert line.hear() == (0, b"")

    with scp(script) as port:
        requester(port, timeout=0.3).release()


def test_an_association_that_is_gone_can_be_released_and_aborted() -> None:
    def script(line: Line) -> None:
        line.accept()

    with scp(script) as port:
        first = requester(port)
        first.release()
        first.abort()


# ---- our own server ----


def test_files_arrive_byte_for_byte_at_our_own_server(tmp_path: Path, handler: Memory) -> None:
    sizes = (2, 4088, 131_064, 131_066, 131_068, 262_136, 1 << 20, (1 << 20) + 2, 3_000_000)
    files = [image(tmp_path, os.urandom(size), f"{size}.dcm") for size in sizes]
    with serving(handler) as running, to(running.port, *files) as sender:
        assert [sender.store(item).status for item in files] == [0] * len(files)
        assert sender.echo() > 0
    assert [found.data for found in handler.images] == [
        item.path.read_bytes()[item.meta.data_set_at :] for item in files
    ]
    assert (handler.opens[0].calling, handler.how_it_ended()) == ("SENDER", "released")


def test_an_aborted_store_is_an_error_and_the_next_association_works(tmp_path: Path, handler: Memory) -> None:
    small, big = image(tmp_path, bytes(10), "small.dcm"), image(tmp_path, bytes(5000), "big.dcm")
    with serving(handler, Limits(object_size=1000)) as running:
        with (
            pytest.raises(NetworkError, match=f"MRDOCK at 127.0.0.1 port {running.port}"),
            to(running.port, big) as one,
        ):
            one.store(big)
        with to(running.port, small) as other:
            assert other.store(small).succeeded
    assert [found.data for found in handler.images] == [bytes(10)]


def test_a_data_set_of_odd_length_is_refused_by_our_own_server(tmp_path: Path, handler: Memory) -> None:
    odd = image(tmp_path, b"odd")
    with serving(handler) as running, pytest.raises(NetworkError), to(running.port, odd) as sender:
        sender.store(odd)
    assert handler.images == []


def test_no_context_is_accepted(tmp_path: Path, handler: Memory) -> None:
    with serving(handler) as running:
        nothing = Requester("127.0.0.1", running.port, [Proposal(1, "1.2.3", (EXPLICIT,))], called="MRDOCK")
        with nothing as sender:
            assert sender.accepted == frozenset()


@pytest.mark.parametrize(
    ("sop_class", "instance", "syntax"),
    [
        ("", "1.2.3", EXPLICIT),
        ("abc", "1.2.3", EXPLICIT),
        ("1.02.3", "1.2.3", EXPLICIT),
        ("1" * 70, "1.2.3", EXPLICIT),
        (MR, "1.2.3", ""),
        (MR, "1.2.3", "1" * 70),
    ],
)
def test_a_file_whose_meta_says_no_class_or_syntax_is_an_error_of_ours(
    tmp_path: Path, handler: Memory, sop_class: str, instance: str, syntax: str
) -> None:
    """Not one of pynetdicom's, nor a warning."""
    path = tmp_path / "odd.dcm"
    path.write_bytes(encode_file_meta(FileMeta(sop_class, instance, syntax)) + b"data")

    def send() -> None:
        item = image_file(path)
        with to(running.port, item) as sender:
            sender.store(item)

    with serving(handler) as running, pytest.raises(MrdockError):
        send()
    assert handler.images == []


# ---- files that change ----


def test_a_file_that_became_shorter_is_named_and_does_not_arrive(tmp_path: Path, handler: Memory) -> None:
    item = image(tmp_path, bytes(3 << 20))
    os.truncate(item.path, item.meta.data_set_at + (2 << 20) + 100)
    with serving(handler) as running:
        with pytest.raises(OSError, match="became shorter") as caught, to(running.port, item) as sender:
            sender.store(item)
        handler.how_it_ended()
    assert handler.images == []
    assert len(handler.discarded) == 1
    assert str(item.path) in str(caught.value)


def test_after_half_a_data_set_the_association_is_of_no_more_use(tmp_path: Path, handler: Memory) -> None:
    """A caller that goes on with its next file must hear so, and no file may become part of another."""
    cut, next_one = image(tmp_path, bytes(3 << 20), "cut.dcm"), image(tmp_path, b"next", "next.dcm")
    os.truncate(cut.path, cut.meta.data_set_at + (2 << 20))
    with serving(handler) as running:
        sender = to(running.port, cut, next_one)
        with pytest.raises(OSError, match="became shorter"):
            sender.store(cut)
        with pytest.raises(NetworkError):
            sender.store(next_one)
        sender.abort()
        handler.how_it_ended()
    assert handler.images == []


def test_a_file_that_became_empty_or_went_away_costs_only_itself(tmp_path: Path, handler: Memory) -> None:
    empty, gone = image(tmp_path, b"data", "empty.dcm"), image(tmp_path, b"data", "gone.dcm")
    good = image(tmp_path, b"good", "good.dcm")
    empty.path.write_bytes(b"")
    gone.path.unlink()
    with serving(handler) as running, to(running.port, empty, gone, good) as sender:
        with pytest.raises(OSError, match="became shorter"):
            sender.store(empty)
        with pytest.raises(FileNotFoundError):
            sender.store(gone)
        assert sender.store(good).status == 0
        assert sender._unanswered == set()
    assert [found.data for found in handler.images] == [b"good"]


def test_a_file_that_grew_is_sent_as_long_as_it_was(tmp_path: Path, handler: Memory) -> None:
    item = image(tmp_path, b"as it was.")
    with item.path.open("ab") as stream:
        stream.write(b" And more.")
    with serving(handler) as running, to(running.port, item) as sender:
        assert sender.store(item).status == 0
    assert handler.images[0].data == b"as it was."
    assert handler.images[0].command.sop_class == MR


def test_short_reads_do_not_change_what_is_sent(
    tmp_path: Path, handler: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(300_000)
    item = image(tmp_path, data)
    read = os.read
    with serving(handler, Limits(longest_pdu=4096)) as running, to(running.port, item) as sender:
        monkeypatch.setattr(os, "read", lambda descriptor, count: read(descriptor, min(count, 5001)))
        assert sender.store(item).status == 0
        monkeypatch.undo()
    assert handler.images[0].data == data
