"""One running association at its socket: PDUs in, answers out, time limits kept."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final, Protocol

from mrdock.dicom.sop_classes import VERIFICATION
from mrdock.network import pdu
from mrdock.network.accepting import Acceptable, encode_accept
from mrdock.network.association import Association, Ended, Reply, StoreBegins, StoreData, StoreEnds
from mrdock.network.handler import Caller, Handler, Limits, Sink
from mrdock.network.negotiation import WINDOW, Request
from mrdock.network.pdu import PduBuffer, ProtocolFault

GIVES_WAY: Final = 30.0
"""Seconds without a word after which an association gives way to a new one of the same peer: dead ones are what keeps
a peer out, but a scanner may pause in a series."""

GIVES_WAY_UNUSED: Final = 2.0
"""The same for an association that has not said anything since it began."""

_ENDS: Final = 2.0
"""Seconds without a word between messages after which an association is ended when the server stops."""

DRAIN_BYTES: Final = 1 << 18
DRAIN_SECONDS: Final = 1.0
_LOOK_UP: Final = 1.0
"""Seconds after which a waiting thread looks whether its time is over."""

TURNS: Final = 2
"""So many associations that send several images at once are worked on at a time: one waits for the disk while the
other reads headers. More would only take the interpreter from each other in the middle of an image."""

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
    def turns(self) -> threading.Semaphore:
        """Who has one of these `TURNS` may work."""

    @property
    def stopping(self) -> bool:
        """Whether the server is to stop."""

    @property
    def out_of_time(self) -> bool:
        """Whether the grace of a stop is over."""


@dataclass(eq=False, slots=True)
class Slot:
    """A running association."""

    sock: socket.socket
    host: str
    quiet_since: float
    busy: bool = True
    used: bool = False
    gives_way: bool = False

    def gives_way_at(self, now: float) -> bool:
        """Whether it has been silent for so long that a new association of its peer may take its place."""
        return not self.busy and now - self.quiet_since > (GIVES_WAY if self.used else GIVES_WAY_UNUSED)


class _LostError(Exception):
    """The connection is of no more use; the text says why."""


class Session:
    """One association, from negotiation to its end."""

    def __init__(self, slot: Slot, caller: Caller, request: Request, server: Host) -> None:
        """Serve ``request``, which came over ``slot``'s socket."""
        self._slot = slot
        self._sock = slot.sock
        self._caller = caller
        self._request = request
        self._server = server
        self._limits = server.limits
        self._sink: Sink | None = None
        self._size = 0
        self._turns = server.turns if request.granted > 1 else None
        self._sealed: list[tuple[Sink, StoreEnds]] = []

    def run(self, rest: bytes) -> tuple[str, bytes]:
        """Serve the association; return how it ended and the last PDU to send. What the handler raises goes through.

        ``rest`` is what was received after the request.
        """
        with self._turns or nullcontext():
            return self._run(rest)

    def _run(self, rest: bytes) -> tuple[str, bytes]:
        contexts, results = self._server.acceptable.negotiate(self._request)
        association = Association(contexts, VERIFICATION, self._request.longest)
        buffer = PduBuffer(self._limits.longest_pdu, rest)
        try:
            _set_blocking_with_timeout(self._sock, _LOOK_UP, self._limits.whole_pdu)
            self._send(encode_accept(self._request, results, self._limits.longest_pdu))
            for kind, body in self._pdus(buffer, association):
                for event in association.receive(kind, body):
                    if isinstance(event, Ended):
                        self._keep(association)
                        return ("released", event.reply) if event.released else ("aborted by the peer", b"")
                    self._happened(event, association)
        except ProtocolFault as fault:
            return f"aborted: {fault}", pdu.abort(fault.reason)
        except _LostError as lost:
            return str(lost), pdu.abort(pdu.NOT_SPECIFIED)
        if self._slot.gives_way:
            return "aborted: gave way to a new association of the same peer", pdu.abort(pdu.NOT_SPECIFIED)
        if self._server.stopping:
            return "aborted: the server stops", pdu.abort(pdu.NOT_SPECIFIED)
        return "connection closed by the peer", b""

    def discard(self) -> None:
        """Let go of what was not answered: a data set that did not become whole, and those waiting behind a fault."""
        for sink in (*(sink for sink, _ in self._sealed), *([self._sink] if self._sink is not None else ())):
            sink.discard()
        self._sealed, self._sink = [], None

    def _happened(self, event: StoreBegins | StoreData | StoreEnds | Reply, association: Association) -> None:
        if isinstance(event, StoreData):
            self._data(event.data)
        elif isinstance(event, StoreBegins):
            self._size = 0
            self._sink = self._server.handler.store(self._caller, event.context, event.command)
        elif isinstance(event, StoreEnds):
            assert self._sink is not None
            sink, self._sink = self._sink, None
            self._sealed.append((sink, event))
            sink.seal()
            if self._turns is None or len(self._sealed) == WINDOW:
                self._keep(association)
        else:
            self._keep(association)
            self._send(event.data)

    def _keep(self, association: Association) -> None:
        """Keep the data sets that are whole, and answer."""
        for sink, _ in self._sealed:
            sink.place()
        finished: list[Sink] = []
        answers = b""
        try:
            while self._sealed:
                sink, ended = self._sealed[0]
                outcome = sink.finish()
                del self._sealed[0]
                finished.append(sink)
                answers += association.store_reply(ended, outcome.status, outcome.comment)
            if answers:
                self._send(answers)
        finally:
            for sink in finished:
                sink.settle()

    def _data(self, data: memoryview) -> None:
        self._size += len(data)
        if self._size > self._limits.object_size:
            raise ProtocolFault(f"an object of more than {self._limits.object_size} bytes", pdu.NOT_SPECIFIED)
        assert self._sink is not None
        self._sink.write(data)

    def _pdus(self, buffer: PduBuffer, association: Association) -> Iterator[tuple[int, memoryview]]:
        """Whole PDUs until the connection is closed or is to end; raises `_LostError` where the peer is too slow."""
        slot, limits = self._slot, self._limits
        idle_since = began = time.monotonic()
        while True:
            slot.busy = True
            while (received := buffer.next()) is not None:
                slot.used = True
                yield received
                idle_since = began = time.monotonic()
            if self._sealed:
                if self._receive(buffer, socket.MSG_DONTWAIT) > 0:
                    continue
                self._keep(association)
                idle_since = began = time.monotonic()
            empty = buffer.empty
            slot.quiet_since = idle_since
            slot.busy = self._sink is not None or not empty
            with self._aside():
                count = self._receive(buffer)
                came = time.monotonic()
            now = time.monotonic()
            idle_since, began = idle_since + now - came, began + now - came  # the wait for a turn was not the peer's
            if not count or (self._server.stopping and self._may_end(now - idle_since, empty)):
                return
            if count > 0 and empty:
                began = now
            elif not empty and now - began > limits.whole_pdu:
                raise _LostError(f"aborted: a PDU took longer than {limits.whole_pdu:g} s")
            elif empty and now - idle_since > limits.idle:
                missing = association.state.value
                raise _LostError(f"aborted: nothing came for {limits.idle:g} s while waiting for {missing}")

    def _may_end(self, idle: float, empty: bool) -> bool:
        """Whether an association may end for a stop: out of time, or silent between messages."""
        return self._server.out_of_time or (empty and self._sink is None and idle > _ENDS)

    # ---- the socket ----

    def _receive(self, buffer: PduBuffer, flags: int = 0) -> int:
        """Receive once: how many bytes came, 0 at the end of the connection, -1 if none came for a while."""
        try:
            count = self._sock.recv_into(buffer.space(), 0, flags)
            if count and _QUICKACK is not None:
                self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        except BlockingIOError:
            return -1
        except OSError as error:
            raise _LostError(f"connection lost: {error.strerror or error}") from None
        buffer.received(count)
        return count

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Others may work while this association waits for its peer."""
        if self._turns is None:
            yield
            return
        self._turns.release()
        try:
            yield
        finally:
            self._turns.acquire()

    def _send(self, data: bytes) -> None:
        try:
            with self._aside():
                self._sock.sendall(data)
        except BlockingIOError:
            raise _LostError("aborted: the peer does not read our answers") from None
        except OSError as error:
            raise _LostError(f"connection lost: {error.strerror or error}") from None


def _set_blocking_with_timeout(sock: socket.socket, receive: float, send: float) -> None:
    """Blocking calls bounded by the kernel: Python's own time-outs would poll before every call."""
    sock.setblocking(True)
    for option, seconds in ((socket.SO_RCVTIMEO, receive), (socket.SO_SNDTIMEO, send)):
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, option, value)
