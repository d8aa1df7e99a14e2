"""The requestor with scripted SCPs: what it sends, how it takes refusals, silence and nonsense."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.errors import AbortedError, ConnectError, MalformedError, NetworkError, NotDicomError, RejectedError
from mrdock.network import pdu
from mrdock.network.negotiation import Proposal
from mrdock.network.outgoing import ImageFile, image_file, propose
from mrdock.network.pdu import ProtocolFault
from mrdock.network.requester import Requester, Stored

from . import messages
from .messages import EXPLICIT, IMPLICIT, MR, VERIFICATION, p_data, pdv
from .scripted import Line, scp

BOTH = (Proposal(1, MR, (EXPLICIT,)), Proposal(3, VERIFICATION, (IMPLICIT,)))


def requester(port: int, *, timeout: float = 20.0) -> Requester:
    return Requester("127.0.0.1", port, BOTH, called="ARCHIVE", timeout=timeout)


def image(folder: Path, data: bytes, name: str = "image.dcm") -> ImageFile:
    """A file with any bytes for a data set."""
    path = folder / name
    path.write_bytes(encode_file_meta(FileMeta(MR, "1.2.3.4", EXPLICIT)) + data)
    return image_file(path)


# ---- files and proposals ----


def test_an_image_file(tmp_path: Path) -> None:
    found = image(tmp_path, b"data")
    assert (found.meta.sop_class, found.meta.sop_instance, found.meta.transfer_syntax) == (MR, "1.2.3.4", EXPLICIT)
    assert found.size - found.meta.data_set_at == 4


def test_what_is_no_image_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no DICOM")
    with pytest.raises(NotDicomError, match=r"notes\.txt: no DICOM file"):
        image_file(path)
    path.write_bytes(bytes(128) + b"DICM")
    with pytest.raises(MalformedError, match=r"notes\.txt: "):
        image_file(path)
    with pytest.raises(FileNotFoundError):
        image_file(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        image_file(tmp_path)


def pair(sop_class: str, syntax: str) -> ImageFile:
    return ImageFile(Path("image.dcm"), FileMeta(sop_class, "1.2", syntax), 0)


def test_each_pair_of_class_and_syntax_is_proposed_once_and_verification() -> None:
    found = propose([pair(MR, EXPLICIT), pair(MR, IMPLICIT), pair(MR, EXPLICIT), pair("1.2", EXPLICIT)])
    assert found == [
        Proposal(1, MR, (EXPLICIT,)),
        Proposal(3, MR, (IMPLICIT,)),
        Proposal(5, "1.2", (EXPLICIT,)),
        Proposal(7, VERIFICATION, (IMPLICIT,)),
    ]


def test_no_more_is_proposed_than_one_association_can_carry() -> None:
    """Ids are odd bytes: 128 contexts are the most, and Verification is one of them."""
    found = propose(pair(f"1.2.{number}", EXPLICIT) for number in range(127))
    assert [proposal.context_id for proposal in found] == list(range(1, 256, 2))
    for count in (128, 300):
        with pytest.raises(NetworkError, match=f"{count} pairs"):
            propose(pair(f"1.2.{number}", EXPLICIT) for number in range(count))


# ---- connecting and negotiating ----


def test_a_port_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectError, match=f"127.0.0.1 port {port}: Connection refused"):
        requester(port)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((1, 1, 3), r"it does not know our AE title 'MRDOCK'; have that title entered there"),
        ((1, 1, 7), r"it does not answer to the AE title 'ARCHIVE'; check the remote AE title"),
        ((1, 1, 2), "application context"),
        ((1, 2, 2), "protocol version"),
        ((2, 3, 1), "too busy at the moment; try again later$"),
        ((2, 3, 2), "too many associations at the moment; try again later$"),
        ((1, 1, 1), "gives no reason"),
        ((0, 0, 0), "gives no reason"),
        ((9, 200, 255), "gives no reason"),
    ],
)
def test_rejections(answer: tuple[int, int, int], sentence: str) -> None:
    def script(line: Line) -> None:
        assert line.hear()[0] == 1
        line.say(pdu.reject(*answer))
        assert line.hear() == (0, b"")

    with scp(script) as port, pytest.raises(RejectedError, match=sentence) as caught:
        requester(port)
    assert caught.value.lasting is (answer[0] != 2)
    assert f"ARCHIVE at 127.0.0.1 port {port}" in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        pdu.abort(0),
        messages.pdu(3),
        messages.pdu(2, bytes(10)),
        messages.pdu(6, bytes(4)),
        messages.pdu(4, bytes(4)),
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\2\0\0\0\0",
        messages.pdu(2, b"", 0xFFFFFFFF),
        messages.pdu(2, bytes(68) + messages.item(0x21, bytes((1, 0, 0, 0)) + messages.item(0x40, b"1" * 65))),
    ],
)
def test_answers_that_are_none(reply: bytes) -> None:
    def script(line: Line) -> None:
        line.hear()
        line.say(reply)

    with scp(script) as port, pytest.raises((AbortedError, RejectedError)):
        requester(port)


def test_a_peer_that_says_nothing() -> None:
    def script(line: Line) -> None:
        line.hear()
        assert line.hear() == (0, b"")

    with scp(script) as port, pytest.raises(AbortedError, match=r"said nothing for 0\.2 s"):
        requester(port, timeout=0.2)


def test_only_accepted_contexts_are_used(tmp_path: Path) -> None:
    def script(line: Line) -> None:
        request = line.accept(only=(1,))
        assert (request.calling, request.called, request.longest) == ("MRDOCK", "ARCHIVE", 131072)
        assert request.proposals == BOTH
        line.release()

    with scp(script) as port, requester(port) as asked:
        assert asked.accepted == {(MR, EXPLICIT)}
        with pytest.raises(RejectedError, match="verification"):
            asked.echo()
        other = ImageFile(tmp_path, FileMeta(MR, "1.2", IMPLICIT), 0)
        with pytest.raises(RejectedError, match="does not take this SOP class in this transfer syntax"):
            asked.store(other)


# ---- messages ----


def test_an_echo_and_the_numbers_of_messages() -> None:
    heard = []

    def script(line: Line) -> None:
        line.accept()
        for _ in range(4):
            command, data, _ = line.message()
            assert (command.field, command.sop_class, data) == (messages.ECHO, VERIFICATION, b"")
            heard.append(command.message_id)
            line.answer(command)
        line.release()

    with scp(script) as port, requester(port) as asked:
        assert asked.echo() > 0
        asked.echo()
        asked._message = 65534
        asked.echo()
        asked.echo()
    assert heard == [1, 2, 65535, 1]


def test_an_echo_that_fails() -> None:
    def script(line: Line) -> None:
        line.accept()
        line.answer(line.message()[0], 0x0122)
        line.release()

    with scp(script) as port, requester(port) as asked, pytest.raises(NetworkError, match="C-ECHO with 0x0122"):
        asked.echo()


@pytest.mark.parametrize("longest", [0, 7, 8, 64, 4096, 4097, 16384, 0xFFFFFFFF])
@pytest.mark.parametrize("size", [2, 4090, 4092, 8180, 20_001])
def test_a_store_in_pdus_that_the_peer_takes(tmp_path: Path, longest: int, size: int) -> None:
    data = bytes(number % 251 for number in range(size))
    heard: list[tuple[object, ...]] = []

    def script(line: Line) -> None:
        line.accept(longest)
        command, got, lengths = line.message()
        heard.append((command.sop_class, command.sop_instance, got))
        assert not longest or max(lengths) <= max(longest, 8)
        assert all(length % 2 == 0 for length in lengths[:-1])
        line.answer(command)
        line.release()

    with scp(script) as port, requester(port) as asked:
        assert asked.store(image(tmp_path, data)) == Stored(0)
    assert heard == [(MR, "1.2.3.4", data)]


def test_a_file_without_a_data_set(tmp_path: Path) -> None:
    """Its command and an empty last fragment go out: the peer says what it makes of that."""

    def script(line: Line) -> None:
        line.accept()
        command, data, lengths = line.message()
        assert (data, lengths[-1]) == (b"", 6)
        line.answer(command, 0xC000)
        line.release()

    with scp(script) as port, requester(port) as asked:
        assert asked.store(image(tmp_path, b"")).status == 0xC000


SUCCEEDED, FAILED = (0x0000, 0xB000, 0xB007, 0xBFFF), (0xA700, 0xA900, 0xC000, 0x0122, 0xFE00, 0x0001)


@pytest.mark.parametrize("status", SUCCEEDED + FAILED)
def test_statuses(tmp_path: Path, status: int) -> None:
    def script(line: Line) -> None:
        line.accept()
        line.answer(line.message()[0], status)
        line.release()

    with scp(script) as port, requester(port) as asked:
        stored = asked.store(image(tmp_path, b"data"))
    assert (stored.status, stored.succeeded) == (status, status in SUCCEEDED)


# ---- what goes wrong in between ----


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (pdu.abort(0), "aborted the association"),
        (b"", "closed the connection"),
        (b"\4\0\0\0\0\x10half", "closed the connection"),
        (messages.pdu(0x99), "unknown"),
        (messages.pdu(4), "without a presentation data value"),
        (p_data(pdv(1, b"\0" * 7 + b"\0", command=True, last=True)), "command field"),
    ],
)
def test_answers_that_end_the_association(tmp_path: Path, reply: bytes, sentence: str) -> None:
    def script(line: Line) -> None:
        line.accept()
        line.message()
        line.say(reply)

    with scp(script) as port, pytest.raises(AbortedError, match=sentence), requester(port) as asked:
        asked.store(image(tmp_path, b"data"))


def test_an_answer_to_another_message(tmp_path: Path) -> None:
    def script(line: Line) -> None:
        line.accept()
        line.answer(line.message()[0], responded=77)
        assert line.hear()[0] == pdu.ABORT

    with scp(script) as port, pytest.raises(ProtocolFault, match="something else"), requester(port) as asked:
        asked.store(image(tmp_path, b"data"))


def test_an_answer_without_a_status(tmp_path: Path) -> None:
    def script(line: Line) -> None:
        line.accept()
        line.answer(line.message()[0], None)
        assert line.hear()[0] == pdu.ABORT

    with scp(script) as port, pytest.raises(ProtocolFault, match="something else"), requester(port) as asked:
        asked.store(image(tmp_path, b"data"))


@pytest.mark.parametrize("command", [True, False], ids=["command", "data set"])
def test_an_answer_that_never_ends_is_cut_off(tmp_path: Path, command: bool) -> None:
    """The peer must not be able to fill our memory."""

    def script(line: Line) -> None:
        line.accept()
        line.message()
        with suppress(ConnectionError):
            for _ in range(64):
                line.say(p_data(pdv(1, bytes(16000), command=command, last=False)))

    with scp(script) as port, pytest.raises(ProtocolFault), requester(port) as asked:
        asked.store(image(tmp_path, b"data"))


def test_a_peer_that_does_not_answer(tmp_path: Path) -> None:
    def script(line: Line) -> None:
        line.accept()
        line.message()
        assert line.hear()[0] == pdu.ABORT

    with scp(script) as port, pytest.raises(AbortedError, match="said nothing"), requester(port, timeout=0.3) as asked:
        asked.store(image(tmp_path, b"data"))


def test_a_peer_that_does_not_read(tmp_path: Path) -> None:
    done = threading.Event()

    def script(line: Line) -> None:
        line.accept()
        done.wait(20)

    big = image(tmp_path, bytes(32 << 20))
    with scp(script) as port:
        with pytest.raises(AbortedError, match="did not take our data"), requester(port, timeout=0.3) as asked:
            asked.store(big)
        done.set()


def test_a_peer_that_aborts_in_the_middle_of_a_data_set(tmp_path: Path) -> None:
    def script(line: Line) -> None:
        line.accept()
        line.hear()
        line.hear()
        line.say(pdu.abort(0))

    big = image(tmp_path, bytes(32 << 20))
    with scp(script) as port, pytest.raises(AbortedError), requester(port) as asked:
        asked.store(big)
