"""The requestor's side: open an association, C-ECHO, C-STORE from files, release. Data sets go out byte for byte.

A message leaves in as few segments as the peer's PDU limit allows, with TCP_NODELAY and TCP_QUICKACK, so that
neither end waits for the other's delayed acknowledgement.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from mrdock.dicom.sop_classes import VERIFICATION
from mrdock.errors import AbortedError, ConnectError, NetworkError, RejectedError
from mrdock.network import dimse, pdu
from mrdock.network.negotiation import WINDOW, Proposal, encode_request, parse_accept
from mrdock.network.outgoing import ImageFile, Read
from mrdock.network.pdu import PduBuffer, ProtocolFault

LONGEST_PDU: Final = 131072
_LONGEST_SENT: Final = 1 << 20
_READ: Final = 1 << 20
_MOST_AFTER_RELEASE: Final = 100
_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)

# PS3.8 table 9-21: (source, reason) -> sentence
_REJECTIONS: Final = {
    (1, 2): "it does not support the DICOM application context",
    (1, 3): "it does not know our AE title",
    (1, 7): "it does not answer to the AE title that was called",
    (2, 2): "it does not support this protocol version",
    (3, 1): "it is too busy at the moment",
    (3, 2): "it has too many associations at the moment",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """The peer's answer to one C-STORE."""

    status: int
    comment: str = ""

    @property
    def succeeded(self) -> bool:
        """Success or a warning (0xBxxx): the peer has the image."""
        return self.status == 0 or self.status >> 12 == 0xB


class Requester:
    """An open association with a storage SCP. Use it as a context manager: it releases at the end, or aborts."""

    def __init__(
        self,
        host: str,
        port: int,
        proposals: Iterable[Proposal],
        *,
        calling: str = "MRDOCK",
        called: str = "ANY-SCP",
        timeout: float = 60.0,
    ) -> None:
        """Connect and negotiate. ``timeout`` bounds every wait, in seconds.

        Raises `ConnectError`, `RejectedError` or `AbortedError`.
        """
        self.peer = f"{called} at {host} port {port}"
        self._timeout = timeout
        self._proposals = list(proposals)
        self._buffer = PduBuffer(LONGEST_PDU)
        self._message = 0
        self._command = b""
        self._unanswered: set[int] = set()
        self._answers: dict[int, dimse.Command] = {}
        try:
            self._sock = socket.create_connection((host, port), timeout)
        except OSError as error:
            raise ConnectError(f"{host} port {port}: {error.strerror or error}") from error
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._bound_waits()
            self._send(encode_request(calling, called, self._proposals, LONGEST_PDU, WINDOW))
            self._negotiated()
        except BaseException:
            self._sock.close()
            raise

    def _bound_waits(self) -> None:
        """Let the kernel bound every wait; where it cannot, Python does."""
        if os.name == "posix":
            self._sock.setblocking(True)
            value = struct.pack("ll", int(self._timeout), int(self._timeout % 1 * 1_000_000))
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def _negotiated(self) -> None:
        kind, body = self._receive()
        if kind == pdu.ASSOCIATE_RJ:
            raise RejectedError(f"{self.peer} rejected the association: {_why(body)}")
        if kind != pdu.ASSOCIATE_AC:
            raise AbortedError(f"{self.peer} ended the association while it was negotiated")
        accepted = parse_accept(body)
        self.longest = accepted.longest
        self.window = accepted.window
        self._contexts = {
            (proposal.abstract_syntax, accepted.transfer_syntaxes[proposal.context_id]): proposal.context_id
            for proposal in self._proposals
            if proposal.context_id in accepted.transfer_syntaxes
        }

    @property
    def accepted(self) -> frozenset[tuple[str, str]]:
        """The pairs of SOP class and transfer syntax that the peer takes."""
        return frozenset(self._contexts)

    # ---- services ----

    def echo(self) -> float:
        """C-ECHO; returns the round trip in seconds. Raises `NetworkError`."""
        context = next((number for (name, _), number in self._contexts.items() if name == VERIFICATION), None)
        if context is None:
            raise RejectedError(f"{self.peer} does not offer verification (C-ECHO)")
        began = time.perf_counter()
        message = self._next_message()
        self._send(pdu.command_pdus(context, dimse.encode_echo_request(message, VERIFICATION), self.longest))
        answer = self._response(message)
        if answer.status:
            raise NetworkError(f"{self.peer} answered C-ECHO with 0x{answer.status:04X}")
        return time.perf_counter() - began

    def store(self, item: ImageFile) -> Stored:
        """C-STORE one file's data set as it is; its transfer syntax must have been accepted for its class.

        Raises `RejectedError` where it was not, `NetworkError` where the association breaks, `OSError` for the file.
        """
        return next(self.store_all([item]))

    def store_all(self, items: Iterable[ImageFile]) -> Iterator[Stored]:
        """The same for many, an answer for each in their order.

        Where the peer lets several be under way at once (``window``, PS3.7 section D.3.3.3) the next ones are sent
        before the first is answered: an error may come when later ones are on their way. Take all the answers.
        """
        under_way: deque[int] = deque()
        for item in items:
            under_way.append(self.begin_store(item))
            if len(under_way) >= self.window:
                yield self.stored(under_way.popleft())
        while under_way:
            yield self.stored(under_way.popleft())

    def begin_store(self, item: ImageFile) -> int:
        """Send a request and its data set; returns the number by which `stored` brings the answer.

        No more than ``window`` may be without an answer. Raises what `store` raises.
        """
        context = self._contexts.get((item.meta.sop_class, item.meta.transfer_syntax))
        if context is None:
            raise RejectedError(f"{self.peer} does not take this SOP class in this transfer syntax")
        with item.opened() as read:
            message = self._next_message()
            command = dimse.encode_store_request(message, item.meta.sop_class, item.meta.sop_instance)
            head = pdu.command_pdus(context, command, self.longest)
            try:
                for pieces in self._pieces(item, read, context, head):
                    self._send_all(pieces)
            except OSError:
                self._unanswered.discard(message)
                raise
        return message

    def stored(self, message: int) -> Stored:
        """Wait for the answer to what `begin_store` has begun. Raises `NetworkError`."""
        answer = self._response(message)
        return Stored(answer.status or 0, answer.comment)

    def _pieces(self, item: ImageFile, read: Read, context: int, head: bytes) -> Iterator[list[bytes | memoryview]]:
        """The P-DATA PDUs of a file's data set, some at a time, the command's before the first."""
        left = item.length
        limit = min(self.longest or _LONGEST_SENT, _LONGEST_SENT)
        size = max(2, (limit - 6) & ~1)
        pieces: list[bytes | memoryview] = [head]
        if not left:
            yield [head, pdu.data_header(context, 0, command=False, last=True)]
        while left:
            block = memoryview(read(min(max(_READ // size, 1) * size, left)))
            if not block:
                if not pieces:  # the peer waits for the rest of a data set: nothing else can follow
                    self.abort()
                raise OSError(errno.EIO, "the file became shorter while it was sent", str(item.path))
            if len(block) % size and len(block) != left:  # a short read: only the last fragment may be shorter
                rest = size - len(block) % size
                block = memoryview(bytes(block) + read(min(rest, left - len(block))))
            left -= len(block)
            for start in range(0, len(block), size):
                part = block[start : start + size]
                last = not left and start + size >= len(block)
                pieces += [pdu.data_header(context, len(part), command=False, last=last), part]
            yield pieces
            pieces = []

    def _next_message(self) -> int:
        self._message = self._message % 65535 + 1
        self._answers.pop(self._message, None)  # nobody asked for it: an error came before
        self._unanswered.add(self._message)
        return self._message

    def _response(self, message: int) -> dimse.Command:
        """The answer to a message; those that come before it are kept for whoever asks for them."""
        while message not in self._answers:
            kind, body = self._receive()
            if kind != pdu.P_DATA:
                raise AbortedError(f"{self.peer} aborted the association")
            for value in pdu.pdvs(body):
                if not value.is_command or len(self._command) > dimse.LONGEST_COMMAND:
                    raise ProtocolFault(f"{self.peer} sent something that is no response")
                self._command += value.data
                if value.is_last:
                    answer = dimse.decode_command(self._command)
                    self._command = b""
                    if answer.status is None or answer.responded_id not in self._unanswered:
                        raise ProtocolFault(f"{self.peer} answered something else than what was asked")
                    self._unanswered.discard(answer.responded_id)
                    self._answers[answer.responded_id] = answer
        return self._answers.pop(message)

    # ---- the end ----

    def release(self) -> None:
        """Release the association and close the connection."""
        try:
            self._send(pdu.RELEASE_REQUEST)
            for _ in range(_MOST_AFTER_RELEASE):
                if self._receive()[0] == pdu.RELEASE_RP:
                    break
        except NetworkError:
            pass  # all stores were answered: how the connection ends changes nothing
        finally:
            self._sock.close()

    def abort(self) -> None:
        """Abort the association and close the connection."""
        try:
            self._sock.sendall(pdu.abort(0, provider=False))
        except OSError:
            pass
        finally:
            self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is None:
            self.release()
        else:
            self.abort()

    # ---- the socket ----

    def _send(self, data: bytes) -> None:
        self._send_all([data])

    def _send_all(self, pieces: list[bytes | memoryview]) -> None:
        """Send pieces as one stream, gathered, without joining them."""
        try:
            if not hasattr(self._sock, "sendmsg"):
                self._sock.sendall(b"".join(pieces))
                return
            while pieces:
                sent = self._sock.sendmsg(pieces[:512])
                while pieces and sent >= len(pieces[0]):
                    sent -= len(pieces.pop(0))
                if sent:
                    pieces[0] = memoryview(pieces[0])[sent:]
        except (BlockingIOError, TimeoutError):
            raise AbortedError(f"{self.peer} did not take our data within {self._timeout:g} s") from None
        except OSError as error:
            raise AbortedError(f"{self.peer} closed the connection: {error.strerror or error}") from error

    def _receive(self) -> tuple[int, memoryview]:
        while True:
            received = self._buffer.next()
            if received is not None:
                return received
            try:
                count = self._sock.recv_into(self._buffer.space())
                if _QUICKACK is not None:
                    self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            except (BlockingIOError, TimeoutError):
                raise AbortedError(f"{self.peer} said nothing for {self._timeout:g} s") from None
            except OSError as error:
                raise AbortedError(f"{self.peer} closed the connection: {error.strerror or error}") from error
            if not count:
                raise AbortedError(f"{self.peer} closed the connection")
            self._buffer.received(count)


def _why(body: memoryview) -> str:
    if len(body) < 4:
        return "it gave no reason"
    lasting = "" if body[1] == 2 else " (this will not pass by itself)"
    return _REJECTIONS.get((body[2], body[3]), "it gave no reason") + lasting
