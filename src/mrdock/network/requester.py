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
from contextlib import suppress
from dataclasses import dataclass
from ssl import SSLContext
from types import TracebackType
from typing import Final, Self

from mrdock.dicom.sop_classes import VERIFICATION
from mrdock.errors import AbortedError, NetworkError, UnacceptedError
from mrdock.network import dimse, pdu
from mrdock.network.connecting import CHECK_ABORT, connect, rejection, why_broken
from mrdock.network.meanings import meaning
from mrdock.network.negotiation import WINDOW, Proposal, encode_request, parse_accept
from mrdock.network.outgoing import ImageFile, Read
from mrdock.network.pdu import PduBuffer, ProtocolFault

LONGEST_PDU: Final = 131072
_LONGEST_SENT: Final = 1 << 20
_READ: Final = 1 << 20
_MOST_AFTER_RELEASE: Final = 100
_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)
_ENDS: Final = {pdu.ABORT: "aborted", pdu.RELEASE_RQ: "wants to release"}


@dataclass(frozen=True, slots=True)
class Stored:
    """The peer's answer to one C-STORE."""

    status: int
    comment: str = ""

    @property
    def succeeded(self) -> bool:
        """Success or a warning (0xBxxx): the peer has the image."""
        return meaning(self.status).stored


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
        tls: SSLContext | None = None,
    ) -> None:
        """Connect and negotiate, over TLS with ``tls``. ``timeout`` bounds every wait, in seconds.

        Raises `ConnectError`, `RejectedError` or `AbortedError`.
        """
        self.peer = f"{called} at {host} port {port}"
        self._titles = calling, called
        self._timeout = timeout
        self._proposals = list(proposals)
        self._buffer = PduBuffer(LONGEST_PDU)
        self._message = 0
        self._command = b""
        self._unanswered: set[int] = set()
        self._answers: dict[int, dimse.Command] = {}
        request = encode_request(calling, called, self._proposals, LONGEST_PDU, WINDOW)
        self.open = True
        self.moved = 0
        """Bytes of data sets that went out."""
        self._sock = connect(host, port, timeout, tls)
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._gathers = hasattr(self._sock, "sendmsg") and tls is None
            if tls is None:
                self._bound_waits()
            self._negotiate(request)
        except BaseException:
            self._close()
            raise

    def _bound_waits(self) -> None:
        """Let the kernel bound every wait; where it cannot, Python does."""
        if os.name == "posix":
            self._sock.setblocking(True)
            value = struct.pack("ll", int(self._timeout), int(self._timeout % 1 * 1_000_000))
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    def _negotiate(self, request: bytes) -> None:
        try:
            self._send(request)
            kind, body = self._receive()
        except AbortedError as error:
            raise AbortedError(f"{error}: no association; {CHECK_ABORT}") from error.__cause__
        if kind == pdu.ASSOCIATE_RJ:
            raise rejection(self.peer, *self._titles, body)
        if kind != pdu.ASSOCIATE_AC:
            raise AbortedError(f"{self.peer} aborted while the association was negotiated; {CHECK_ABORT}")
        try:
            accepted = parse_accept(body)
        except ProtocolFault as error:
            raise AbortedError(f"{self.peer} accepted in a way that cannot be read: {error}; {CHECK_ABORT}") from None
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
            raise UnacceptedError(f"{self.peer} does not offer verification (C-ECHO)")
        began = time.perf_counter()
        message = self._next_message()
        self._send(pdu.command_pdus(context, dimse.encode_echo_request(message, VERIFICATION), self.longest))
        answer = self._response(message)
        if answer.status:
            raise NetworkError(f"{self.peer} answered C-ECHO with 0x{answer.status:04X}")
        return time.perf_counter() - began

    def store(self, item: ImageFile) -> Stored:
        """C-STORE one file's data set as it is; its transfer syntax must have been accepted for its class.

        Raises `UnacceptedError` where it was not, `NetworkError` where the association breaks, `OSError` for the file.
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

        No more than ``window`` may be without an answer. Raises what `store` raises; where the file fails in the middle
        of its data set the association is aborted, for nothing else can follow (``open`` is false then).
        """
        context = self._contexts.get((item.meta.sop_class, item.meta.transfer_syntax))
        if context is None:
            raise UnacceptedError(f"{self.peer} does not take this SOP class in this transfer syntax")
        with item.opened() as read:
            message = self._next_message()
            command = dimse.encode_store_request(message, item.meta.sop_class, item.meta.sop_instance)
            head = pdu.command_pdus(context, command, self.longest)
            begun = False
            try:
                for pieces in self._pieces(item, read, context, head):
                    begun = True
                    size = sum(map(len, pieces))
                    self._send_all(pieces)
                    self.moved += size
            except OSError:
                self._unanswered.discard(message)
                if begun:
                    self.abort()
                raise
        return message

    def stored(self, message: int) -> Stored:
        """Wait for the answer to what `begin_store` has begun. Raises `NetworkError`."""
        answer = self._response(message)
        return Stored(answer.status or 0, answer.comment)

    def came(self, message: int) -> Stored | None:
        """The answer to what `begin_store` has begun, where it came before the association ended."""
        answer = self._answers.pop(message, None)
        return None if answer is None else Stored(answer.status or 0, answer.comment)

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
            self._take_answers()
        return self._answers.pop(message)

    def _take_answers(self) -> None:
        """Receive one PDU and keep the answers in it."""
        kind, body = self._receive()
        if kind != pdu.P_DATA:
            raise AbortedError(f"{self.peer} {_ENDS.get(kind, 'broke the protocol of')} the association")
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
            self._close()

    def abort(self) -> None:
        """Abort the association and close the connection. Answers that have come by then are kept for `came`."""
        if self.open:
            with suppress(NetworkError, OSError):
                self._sock.settimeout(0)
                while True:
                    self._take_answers()
        try:
            self._sock.sendall(pdu.abort(0, provider=False))
        except OSError:
            pass
        finally:
            self._close()

    def _close(self) -> None:
        self.open = False
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
            if not self._gathers:
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
            raise AbortedError(f"{self.peer} closed the connection: {why_broken(error)}") from error

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
                raise AbortedError(f"{self.peer} closed the connection: {why_broken(error)}") from error
            if not count:
                raise AbortedError(f"{self.peer} closed the connection")
            self._buffer.received(count)
