"""The storage server's socket edge: one thread waits for association requests, one thread serves each association.

Connections that have not said a whole A-ASSOCIATE-RQ cost no thread and no place among the associations, so half-open
and slow peers keep nobody out. TCP_QUICKACK is armed again after every receive: a stock sender holds the last part of
an image back until its first part is acknowledged (Nagle), and the kernel would delay that by 40 ms.
"""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
import struct
import threading
import time
import uuid
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mrdock.network import pdu
from mrdock.network.accepting import Acceptable
from mrdock.network.access import STOPPING, TOO_MANY, Access, Refusal
from mrdock.network.handler import Caller, Handler, Limits
from mrdock.network.negotiation import Request, parse_request
from mrdock.network.pdu import ProtocolFault
from mrdock.network.session import DRAIN_BYTES, DRAIN_SECONDS, TURNS, Session, Slot

log = logging.getLogger("mrdock.network")

_TICK: Final = 0.5
_MOST_PENDING: Final = 512
_MOST_PENDING_BYTES: Final = 16 << 20
_PAUSE_WITHOUT_DESCRIPTORS: Final = 0.2
_LAST_CHANCE: Final = 1.0
"""Seconds that who has not said its request yet has to say it when the server stops, to be refused in words."""


@dataclass(eq=False, slots=True)
class _Pending:
    """A connection that has not said a whole request yet, or (``draining``) is being closed politely."""

    sock: socket.socket
    host: str
    deadline: float
    data: bytearray = field(default_factory=bytearray)
    draining: bool = False


class StorageServer:
    """Verification and storage SCP on one listening socket."""

    def __init__(
        self,
        listener: str,
        sock: socket.socket,
        access: Access,
        acceptable: Acceptable,
        handler: Handler,
        limits: Limits,
    ) -> None:
        """``sock`` listens already; ``listener`` is its name in `Caller` and the log."""
        self._listener = listener
        self._sock = sock
        self._access = access
        self._acceptable = acceptable
        self._handler = handler
        self._limits = limits
        self.turns = threading.Semaphore(TURNS)
        self._selector = selectors.DefaultSelector()
        self._pending: dict[int, _Pending] = {}
        self._slots: set[Slot] = set()
        self._lock = threading.RLock()  # a signal handler may call stop() while its thread holds it
        self._stopping = False
        self._stop_at = float("inf")
        self._stopped = float("inf")
        self._ended = False
        self._accept_again = float("inf")
        self._exhausted = False
        self._leaving: deque[tuple[socket.socket, str]] = deque()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    # ---- the waiting thread ----

    def run(self) -> None:
        """Serve until `stop` is called and the last association has ended."""
        self._sock.setblocking(False)
        self._selector.register(self._sock, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        try:
            while not self._stopping or self._still_running():
                for key, _ in self._selector.select(_TICK):
                    if key.fileobj is self._sock:
                        if not self._accept():
                            self._selector.unregister(self._sock)  # it would say at once that somebody waits
                            self._accept_again = time.monotonic() + _PAUSE_WITHOUT_DESCRIPTORS
                    elif key.fd == self._wake_read:
                        self._woken()
                    elif key.fd in self._pending:
                        self._read_pending(self._pending[key.fd])
                self._expire()
        finally:
            with self._lock:
                self._ended = True
            self._woken()
            for pending in list(self._pending.values()):
                self._drop(pending)
            self._selector.close()
            self._sock.close()
            with self._lock:
                os.close(self._wake_read)
                os.close(self._wake_write)

    def stop(self, grace: float) -> None:
        """Take no new association; let the running ones go on for ``grace`` seconds, then abort them."""
        now = time.monotonic()
        self._stop_at = now + grace
        self._stopped = min(self._stopped, now)
        self._stopping = True
        with self._lock, suppress(BlockingIOError):
            if not self._ended:
                os.write(self._wake_write, b"x")

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)
        while self._leaving:
            sock, host = self._leaving.popleft()
            self._drain(_Pending(sock, host, 0.0))

    def _drain(self, pending: _Pending) -> None:
        """Close a connection when its peer has, or soon: what was said last is to reach it."""
        pending.draining = True
        pending.data.clear()
        pending.deadline = time.monotonic() + DRAIN_SECONDS
        self._pending[pending.sock.fileno()] = pending
        self._selector.register(pending.sock, selectors.EVENT_READ)
        self._make_room()

    def _make_room(self) -> None:
        """Bound the connections that are no association, and the bytes they have said."""
        while len(self._pending) > _MOST_PENDING:
            self._drop(min(self._pending.values(), key=lambda pending: pending.deadline))
        while sum(len(pending.data) for pending in self._pending.values()) > _MOST_PENDING_BYTES:
            self._drop(max(self._pending.values(), key=lambda pending: len(pending.data)))

    def _still_running(self) -> bool:
        with self._lock:
            slots = list(self._slots)
        if time.monotonic() >= self._stop_at:
            for slot in slots:
                _shut(slot.sock)
        return bool(slots) and time.monotonic() < self._stop_at + 3

    def _accept(self) -> bool:
        """Take all waiting connections; False where the system had no descriptor or memory left."""
        while True:
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno is not None and error.errno in _EXHAUSTED:
                    if not self._exhausted:  # it is tried five times a second, for as long as it takes
                        log.warning("%s: no connection can be taken: %s", self._listener, error.strerror)
                    self._exhausted = True
                    return False
                continue
            self._exhausted = False
            host = str(address[0])
            if not self._access.admits(host):
                sock.close()
                self._refused(host, "", "the address is not among the peers")
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            pending = _Pending(sock, host, time.monotonic() + self._limits.acse)
            self._pending[sock.fileno()] = pending
            self._selector.register(sock, selectors.EVENT_READ)
            self._make_room()

    def _read_pending(self, pending: _Pending) -> None:
        try:
            chunk = pending.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(pending)
            return
        pending.data += chunk
        self._make_room()
        if pending.sock.fileno() not in self._pending:
            return
        if pending.draining:
            if len(pending.data) > DRAIN_BYTES:
                self._drop(pending)
            return
        try:
            if (request := _whole_request(pending.data)) is not None:
                self._requested(pending, request)
        except ProtocolFault as fault:
            self._refused(pending.host, "", str(fault))
            self._farewell(pending, pdu.abort(fault.reason))

    def _requested(self, pending: _Pending, request: Request) -> None:
        refusal = self._access.judge(request, pending.host) or self._room_for(pending.host)
        if refusal is not None:
            self._refused(pending.host, request.calling, refusal.text)
            self._farewell(pending, refusal.pdu)
            return
        self._selector.unregister(pending.sock)
        del self._pending[pending.sock.fileno()]
        slot = Slot(pending.sock, pending.host, time.monotonic())
        with self._lock:
            self._slots.add(slot)
        rest = bytes(pending.data[pdu.HEADER + struct.unpack_from(">I", pending.data, 2)[0] :])
        thread = threading.Thread(target=self._serve, args=(slot, request, rest), daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._release(slot)
            _send_quietly(slot.sock, TOO_MANY.pdu)
            slot.sock.close()

    def _room_for(self, host: str) -> Refusal | None:
        """Why there is no room, or None. A peer's own association that has long been silent gives way."""
        if self._stopping:
            return STOPPING
        with self._lock:
            slots = [slot for slot in self._slots if not slot.gives_way]
            mine = [slot for slot in slots if slot.host == host]
            if len(slots) < self._limits.associations and len(mine) < self._limits.per_peer:
                return None
            now = time.monotonic()
            silent = [slot for slot in mine if slot.gives_way_at(now)]
            if not silent:
                return TOO_MANY
            oldest = min(silent, key=lambda slot: slot.quiet_since)
            oldest.gives_way = True
        _shut(oldest.sock)
        return None

    def _refused(self, host: str, calling: str, why: str) -> None:
        try:
            self._handler.refused(host, calling, why)
        except Exception:  # nothing that a handler does to a refusal may end the listener
            log.exception("%s: a refusal could not be noted", self._listener)

    def _farewell(self, pending: _Pending, last: bytes) -> None:
        """Say ``last`` and close when the peer has closed, so that it can read what was said."""
        _send_quietly(pending.sock, last)
        with suppress(OSError):
            pending.sock.shutdown(socket.SHUT_WR)
        self._selector.unregister(pending.sock)
        self._drain(pending)

    def _expire(self) -> None:
        now = time.monotonic()
        if now >= self._accept_again:
            self._accept_again = float("inf")
            self._selector.register(self._sock, selectors.EVENT_READ)
        for pending in list(self._pending.values()):
            if self._stopping and not pending.draining:
                pending.deadline = min(pending.deadline, self._stopped + _LAST_CHANCE)
            if now < pending.deadline or pending.sock.fileno() not in self._pending:
                continue
            if pending.draining:
                self._drop(pending)
            else:
                self._refused(pending.host, "", "no whole association request in time")
                self._farewell(pending, pdu.abort(pdu.NOT_SPECIFIED))

    def _drop(self, pending: _Pending) -> None:
        descriptor = pending.sock.fileno()
        with suppress(KeyError, ValueError):
            self._selector.unregister(pending.sock)
        self._pending.pop(descriptor, None)
        pending.sock.close()

    def _release(self, slot: Slot) -> None:
        with self._lock:
            self._slots.discard(slot)

    def associations(self) -> Counter[str]:
        """Running associations by peer address."""
        with self._lock:
            return Counter(slot.host for slot in self._slots)

    # ---- the thread of one association ----

    def _serve(self, slot: Slot, request: Request, rest: bytes) -> None:
        caller = Caller(uuid.uuid4().hex[:16], self._listener, request.calling, request.called, slot.host)
        session = Session(slot, caller, request, self)
        how, last = "failed", pdu.abort(pdu.NOT_SPECIFIED)
        try:
            self._handler.opened(caller)
            try:
                how, last = session.run(rest)
            finally:
                try:
                    session.discard()
                finally:
                    self._handler.closed(caller, how)
        except Exception:  # the edge of a thread: a fault in one association leaves the others alone
            log.exception("%s: association %s ended by an error of ours", self._listener, caller.association)
        finally:
            self._release(slot)
            self._leave(slot, last)

    def _leave(self, slot: Slot, last: bytes) -> None:
        """Say ``last``; the waiting thread then waits for the peer to close, so that no thread has to."""
        if not last:
            slot.sock.close()
            return
        slot.sock.setblocking(False)
        _send_quietly(slot.sock, last)
        with suppress(OSError):
            slot.sock.shutdown(socket.SHUT_WR)
        with self._lock:
            if self._ended:
                slot.sock.close()
                return
            self._leaving.append((slot.sock, slot.host))
            with suppress(BlockingIOError):
                os.write(self._wake_write, b"x")

    @property
    def limits(self) -> Limits:
        """The limits of this listener."""
        return self._limits

    @property
    def acceptable(self) -> Acceptable:
        """What this listener accepts."""
        return self._acceptable

    @property
    def handler(self) -> Handler:
        """Who keeps what arrives."""
        return self._handler

    @property
    def stopping(self) -> bool:
        """`stop` was called."""
        return self._stopping

    @property
    def out_of_time(self) -> bool:
        """The grace of a stop is over."""
        return time.monotonic() >= self._stop_at


_EXHAUSTED: Final = frozenset({errno.ENOMEM, errno.ENFILE, errno.EMFILE, errno.ENOBUFS})


def _whole_request(data: bytearray) -> Request | None:
    """The association request, when all of it is there. Raises `ProtocolFault` for anything else."""
    if not data:
        return None
    if data[0] != pdu.ASSOCIATE_RQ:
        known = pdu.ASSOCIATE_RQ <= data[0] <= pdu.ABORT
        raise ProtocolFault(
            f"PDU type 0x{data[0]:02X} where an association request was due",
            pdu.UNEXPECTED_PDU if known else pdu.UNRECOGNISED_PDU,
        )
    if len(data) < pdu.HEADER:
        return None
    (length,) = struct.unpack_from(">I", data, 2)
    if length > pdu.LONGEST_REQUEST:
        raise ProtocolFault(f"an association request of {length} bytes")
    if len(data) < pdu.HEADER + length:
        return None
    return parse_request(memoryview(bytes(data))[pdu.HEADER : pdu.HEADER + length])


def _send_quietly(sock: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        sock.send(data)


def _shut(sock: socket.socket) -> None:
    """Wake the thread that waits for this socket's bytes."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)
