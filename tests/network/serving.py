"""A storage server on loopback that keeps images in memory, and a raw peer that can say anything to it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Self, TypeVar

from mrdock.dicom.sop_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES
from mrdock.network.accepting import Acceptable
from mrdock.network.access import Access, Peer
from mrdock.network.association import Context
from mrdock.network.dimse import Command, decode_command
from mrdock.network.handler import Caller, Limits, Outcome
from mrdock.network.negotiation import parse_accept
from mrdock.network.server import StorageServer

from . import messages

PATIENCE = 20.0
"""Seconds that a test waits for what must come; only a failing test waits so long."""

Noted = TypeVar("Noted")

ACCEPTABLE = Acceptable(STORAGE_CLASSES, TRANSFER_SYNTAXES)


@dataclass(frozen=True)
class Image:
    """One data set that came whole."""

    caller: Caller
    context: Context
    command: Command
    data: bytes


@dataclass
class Memory:
    """A handler that notes everything. ``trouble`` is called with the name of each of its methods and may raise."""

    images: list[Image] = field(default_factory=list)
    discarded: list[bytes] = field(default_factory=list)
    opens: list[Caller] = field(default_factory=list)
    ends: list[tuple[Caller, str]] = field(default_factory=list)
    refusals: list[tuple[str, str, str]] = field(default_factory=list)
    outcome: Outcome = Outcome(0)
    begun: int = 0
    trouble: Callable[[str], None] = lambda _: None
    changed: threading.Condition = field(default_factory=threading.Condition)

    def opened(self, caller: Caller) -> None:
        self.trouble("opened")
        self.note(self.opens, caller)

    def store(self, caller: Caller, context: Context, command: Command) -> MemorySink:
        self.trouble("store")
        return MemorySink(self, caller, context, command)

    def closed(self, caller: Caller, how: str) -> None:
        self.note(self.ends, (caller, how))
        self.trouble("closed")

    def refused(self, host: str, calling: str, why: str) -> None:
        self.note(self.refusals, (host, calling, why))
        self.trouble("refused")

    def note(self, notes: list[Noted], what: Noted) -> None:
        with self.changed:
            notes.append(what)
            self.changed.notify_all()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until something that this handler hears of has come to pass."""
        with self.changed:
            assert self.changed.wait_for(true, PATIENCE), self

    def how_it_ended(self, number: int = 0) -> str:
        """How the association ended that was the ``number``-th to end."""
        self.until(lambda: len(self.ends) > number)
        return self.ends[number][1]

    def why_refused(self, number: int = 0) -> str:
        self.until(lambda: len(self.refusals) > number)
        return self.refusals[number][2]


class MemorySink:
    """Keeps the fragments of one data set."""

    def __init__(self, handler: Memory, caller: Caller, context: Context, command: Command) -> None:
        self._handler = handler
        self._about = caller, context, command
        self._parts: list[bytes] = []
        self._ended = False

    def write(self, fragment: memoryview) -> None:
        assert not self._ended
        self._handler.trouble("write")
        self._parts.append(bytes(fragment))
        with self._handler.changed:
            self._handler.begun += 1
            self._handler.changed.notify_all()

    def seal(self) -> None:
        self._handler.trouble("seal")

    def place(self) -> None:
        self._handler.trouble("place")

    def settle(self) -> None:
        self._handler.trouble("settle")

    def finish(self) -> Outcome:
        assert not self._ended
        self._ended = True
        self._handler.trouble("finish")
        self._handler.note(self._handler.images, Image(*self._about, b"".join(self._parts)))
        return self._handler.outcome

    def discard(self) -> None:
        assert not self._ended
        self._ended = True
        self._handler.note(self._handler.discarded, b"".join(self._parts))
        self._handler.trouble("discard")


@dataclass(frozen=True)
class Running:
    """A server that runs in a thread."""

    port: int
    server: StorageServer
    thread: threading.Thread

    def ended(self) -> bool:
        self.thread.join(PATIENCE)
        return not self.thread.is_alive()


def peers(*pairs: tuple[str | None, str]) -> tuple[Peer, ...]:
    """Peers by title and network."""
    return tuple(Peer(title, ip_network(network)) for title, network in pairs)


@contextmanager
def serving(
    handler: Memory,
    limits: Limits | None = None,
    *,
    allowed: tuple[Peer, ...] | None = None,
    acceptable: Acceptable = ACCEPTABLE,
) -> Iterator[Running]:
    """A server for the title MRDOCK; it is stopped at the end."""
    sock = socket.create_server(("127.0.0.1", 0))
    access = Access(frozenset({"MRDOCK"}), allowed)
    server = StorageServer("test", sock, access, acceptable, handler, limits or Limits())
    port = int(sock.getsockname()[1])
    thread = threading.Thread(target=server.run, name="server under test")
    thread.start()
    running = Running(port, server, thread)
    try:
        yield running
    finally:
        if thread.is_alive():
            server.stop(0)
        assert running.ended()


class Raw:
    """One TCP connection that says what it is told."""

    def __init__(self, port: int, *, host: str = "127.0.0.1", receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(PATIENCE)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.sock.bind((host, 0))
            self.sock.connect(("127.0.0.1", port))
        except OSError:
            self.sock.close()
            raise
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def say(self, *data: bytes) -> None:
        """Send, as one piece."""
        self.sock.sendall(b"".join(data))

    def hear(self) -> tuple[int, bytes]:
        """The next PDU; (0, b"") where the server has closed the connection."""
        head = self._exactly(6)
        if len(head) < 6:
            assert head == b""
            return 0, b""
        kind, length = struct.unpack(">BxI", head)
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                chunk = self.sock.recv(count - len(data))
            except ConnectionResetError:
                break
            if not chunk:
                break
            data += chunk
        return data

    def hear_all(self) -> list[tuple[int, bytes]]:
        """Every PDU until the server closes the connection."""
        found = []
        while (said := self.hear())[0]:
            found.append(said)
        return found

    def associate(self, request: bytes = b"") -> dict[int, str]:
        """Have an association accepted; transfer syntaxes by context id."""
        self.say(request or messages.associate())
        kind, body = self.hear()
        assert kind == 2, (kind, body)
        return dict(parse_accept(memoryview(body)).transfer_syntaxes)

    def answer(self) -> Command:
        """The next PDU, which must hold one whole response."""
        kind, body = self.hear()
        assert kind == 4, (kind, body)
        assert body[5] == 3
        return decode_command(body[6:])

    def echo(self, message: int = 1) -> None:
        """A C-ECHO that must succeed."""
        self.say(messages.p_data(messages.pdv(5, messages.echo(message), command=True, last=True)))
        answer = self.answer()
        assert (answer.status, answer.responded_id) == (0, message)

    def store(self, data: bytes, *, context_id: int = 3, message: int = 1) -> int | None:
        """A C-STORE; the status answered."""
        self.say(messages.store(data, context_id=context_id, message=message))
        return self.answer().status

    def begin(self, data: bytes) -> None:
        """The command and the first part of a data set."""
        self.say(messages.p_data(messages.pdv(3, messages.command(), command=True, last=True)))
        self.say(messages.p_data(messages.pdv(3, data, command=False, last=False)))

    def release(self) -> None:
        """Release; the server must reply and close."""
        self.say(messages.RELEASE)
        assert self.hear() == (6, bytes(4))
        self.sock.shutdown(socket.SHUT_WR)
        assert self.hear() == (0, b"")

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def lives(running: Running, *, host: str = "127.0.0.1") -> None:
    """An ordinary association must go as ever."""
    with Raw(running.port, host=host) as other:
        other.associate()
        assert other.store(b"an ordinary data set") == 0
        other.release()
