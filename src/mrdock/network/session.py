"""One running association at its socket: PDUs in, answers out, time limits kept."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from mrdock.dicom.sop_classes import VERIFICATION
from mrdock.network import pdu
from mrdock.network.association import Association, Ended, Reply, StoreBegins, StoreData, StoreEnds
from mrdock.network.handler import Caller, Handler, Limits, Sink
from mrdock.network.negotiation import Acceptable, Request, encode_accept
from mrdock.network.pdu import PduBuffer, ProtocolFault

GIVES_WAY: Final = 2.0
"""Seconds without a word after which an association gives way to a new one of the same peer, or to the end."""

DRAIN_BYTES: Final = 1 << 18
DRAIN_SECONDS: Final = 1.0
_QUICKACK: Final = getattr(socket, "TCP_QUICKACK", None)


class Host(Protocol):
    """What a session needs of the server around it."""

    @property
    def limits(self) -> Limits:
        """The limits of the listener."""

    @property
    def acceptable(self) -> Acceptable:
        """What the listener accepts."""

    @property
    def handler(self) -> Handler:
        """Who keeps what arrives."""

    @property
    def stopping(self) -> bool:
        """Whether the server is to stop."""


@dataclass(eq=False, slots=True)
class Slot:
    """A running association."""

    sock: socket.socket
    host: str
    quiet_since: float
    busy: bool = True
    gives_way: bool = False


class Session:
    """One association, from negotiation to its end."""

    def __init__(self, slot: Slot, caller: Caller, request: Request, server: Host) -> None:
        self._slot = slot
        self._sock = slot.sock
        self._caller = caller
        self._request = request
        self._server = server
        self._limits = server.limits
        self._sink: Sink | None = None
        self._size = 0

    def run(self, rest: bytes) -> tuple[str, bytes]:
        """Serve the association; return how it ended and the last PDU to send."""
        _set_blocking_with_timeout(self._sock, 1.0, self._limits.whole_pdu)
        contexts, results = self._server.acceptable.negotiate(self._request)
        association = Association(contexts, VERIFICATION, self._request.longest)
        buffer = PduBuffer(self._limits.longest_pdu, rest)
        try:
            self._sock.sendall(encode_accept(self._request, results, self._limits.longest_pdu))
            for kind, body in self._pdus(buffer, association):
                for event in association.receive(kind, body):
                    if isinstance(event, StoreData):
                        self._data(event.data)
                    elif isinstance(event, StoreBegins):
                        self._size = 0
                        self._sink = self._server.handler.store(self._caller, event.context, event.command)
                    elif isinstance(event, StoreEnds):
                        self._sock.sendall(self._finish(association))
                    elif isinstance(event, Reply):
                        self._sock.sendall(event.data)
                    elif isinstance(event, Ended):
                        return ("released", event.reply) if event.released else ("aborted by the peer", b"")
        except ProtocolFault as fault:
            return f"aborted: {fault}", pdu.abort(fault.reason)
        except TimeoutError as error:
            return f"aborted: {error}", pdu.abort(pdu.NOT_SPECIFIED)
        except BlockingIOError:
            return "aborted: the peer does not read our answers", b""
        except OSError as error:
            return f"connection lost: {error.strerror or error}", b""
        return self._why_ended(), self._last_words()

    def _why_ended(self) -> str:
        if self._slot.gives_way:
            return "aborted: gave way to a new association of the same peer"
        return "aborted: the server stops" if self._server.stopping else "connection closed by the peer"

    def _last_words(self) -> bytes:
        return pdu.abort(pdu.NOT_SPECIFIED) if self._slot.gives_way or self._server.stopping else b""

    def _pdus(self, buffer: PduBuffer, association: Association) -> Iterator[tuple[int, memoryview]]:
        """Whole PDUs until the connection ends; raises `TimeoutError` where the peer is too slow."""
        sock, slot, limits = self._sock, self._slot, self._limits
        last_pdu = time.monotonic()
        while True:
            slot.busy = True
            while (received := buffer.next()) is not None:
                yield received
                last_pdu = time.monotonic()
            slot.quiet_since = last_pdu
            slot.busy = self._sink is not None or not buffer.empty
            try:
                count = sock.recv_into(buffer.space())
            except BlockingIOError:
                count = -1
            if count > 0:
                if _QUICKACK is not None:
                    sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
                buffer.received(count)
            elif count == 0:
                return
            waited = time.monotonic() - last_pdu
            if buffer.empty:
                if waited > limits.idle:
                    raise TimeoutError(
                        f"nothing came for {limits.idle:g} s while waiting for {association.state.value}"
                    )
            elif waited > limits.whole_pdu:
                raise TimeoutError(f"a PDU took longer than {limits.whole_pdu:g} s")

    def _data(self, data: memoryview) -> None:
        self._size += len(data)
        if self._size > self._limits.object_size:
            raise ProtocolFault(f"an object of more than {self._limits.object_size} bytes", pdu.NOT_SPECIFIED)
        assert self._sink is not None
        self._sink.write(data)

    def _finish(self, association: Association) -> bytes:
        assert self._sink is not None
        sink, self._sink = self._sink, None
        outcome = sink.finish()
        return association.store_reply(outcome.status, outcome.comment)

    def discard(self) -> None:
        """Let go of a data set that did not become whole."""
        if self._sink is not None:
            sink, self._sink = self._sink, None
            sink.discard()


def _set_blocking_with_timeout(sock: socket.socket, receive: float, send: float) -> None:
    """Blocking calls bounded by the kernel: Python's own time-outs would poll before every call."""
    sock.setblocking(True)
    for option, seconds in ((socket.SO_RCVTIMEO, receive), (socket.SO_SNDTIMEO, send)):
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, option, value)


def close_politely(sock: socket.socket, last: bytes) -> None:
    """Send ``last``, wait shortly for the peer to close, close."""
    with suppress(OSError):
        if last:
            sock.sendall(last)
        sock.shutdown(socket.SHUT_WR)
        deadline, taken = time.monotonic() + DRAIN_SECONDS, 0
        while time.monotonic() < deadline and taken < DRAIN_BYTES:
            if not (chunk := sock.recv(65536)):
                break
            taken += len(chunk)
    sock.close()
