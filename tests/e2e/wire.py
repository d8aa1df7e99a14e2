"""What a client really puts on the wire: a proxy between it and the dock that takes the data sets out of the P-DATA.

It knows only PS3.8 section 9.3 and PS3.7 section 9.3.1, and nothing of mrdock.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

P_DATA = 4
AFFECTED_SOP_INSTANCE = 0x1000
RESPONDED_MESSAGE = 0x0120
MESSAGE = 0x0110
STATUS = 0x0900


class Messages:
    """Reassembles the DIMSE messages of one direction of one association."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._command = bytearray()
        self._data = bytearray()

    def feed(self, received: bytes) -> Iterator[tuple[dict[int, bytes], bytes]]:
        """Yield command elements and data set of every message that is whole now; the data set may be empty."""
        self._bytes += received
        while len(self._bytes) >= 6:
            kind, length = struct.unpack_from(">BxI", self._bytes)
            if len(self._bytes) < 6 + length:
                return
            body = bytes(self._bytes[6 : 6 + length])
            del self._bytes[: 6 + length]
            if kind == P_DATA:
                yield from self._values(body)

    def _values(self, body: bytes) -> Iterator[tuple[dict[int, bytes], bytes]]:
        at = 0
        while at < len(body):
            length, _, flags = struct.unpack_from(">IBB", body, at)
            value = body[at + 6 : at + 4 + length]
            at += 4 + length
            is_command, is_last = bool(flags & 1), bool(flags & 2)
            (self._command if is_command else self._data).extend(value)
            if is_last:
                elements = _elements(bytes(self._command))
                if not is_command or elements[0x0800] == b"\x01\x01":
                    yield elements, bytes(self._data)
                    self._command.clear()
                    self._data.clear()


def _elements(command: bytes) -> dict[int, bytes]:
    """Element number to value; commands are Implicit VR Little Endian."""
    found, at = {}, 0
    while at < len(command):
        _, element, length = struct.unpack_from("<HHI", command, at)
        found[element] = command[at + 8 : at + 8 + length]
        at += 8 + length
    return found


@dataclass
class Recorder:
    """What passed: data sets by SOP Instance UID as they were sent, and the statuses that came back."""

    port: int = 0
    sent: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    answers: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def acknowledged(self) -> set[str]:
        """The instances that were answered with Success."""
        return {uid for uid, statuses in self.answers.items() if 0 in statuses}


@dataclass
class Cut:
    """After so many bytes from the client nothing more is passed on, and ``then`` is called."""

    after: int
    then: Callable[[], None]

    def take(self, received: bytes) -> bytes:
        """What may still pass."""
        self.after -= len(received)
        return received if self.after > 0 else received[: len(received) + self.after]


@contextmanager
def recording(dock_port: int, cut: Cut | None = None) -> Iterator[Recorder]:
    """A proxy before a port of the dock."""
    recorder = Recorder()
    connections: list[tuple[socket.socket, socket.socket]] = []
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        recorder.port = listener.getsockname()[1]

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    try:
                        server = socket.create_connection(("127.0.0.1", dock_port))
                    except ConnectionError:  # the dock is dead by now
                        client.close()
                        continue
                    connections.append((client, server))
                    asked: dict[bytes, str] = {}
                    for pump in (
                        (client, server, _Sent(recorder, asked), cut),
                        (server, client, _Answered(recorder, asked), None),
                    ):
                        pump[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        threads.append(threading.Thread(target=_pump, args=pump))
                        threads[-1].start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield recorder
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(10)
            for pair in connections:
                for sock in pair:
                    with suppress(OSError):
                        sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join(10)
            for pair in connections:
                for sock in pair:
                    sock.close()


class _Sent:
    def __init__(self, recorder: Recorder, asked: dict[bytes, str]) -> None:
        self._messages, self._recorder, self._asked = Messages(), recorder, asked

    def __call__(self, received: bytes) -> None:
        for command, data in self._messages.feed(received):
            if AFFECTED_SOP_INSTANCE in command:
                uid = command[AFFECTED_SOP_INSTANCE].rstrip(b"\0 ").decode()
                self._asked[command[MESSAGE]] = uid
                self._recorder.sent[uid].append(data)


class _Answered:
    def __init__(self, recorder: Recorder, asked: dict[bytes, str]) -> None:
        self._messages, self._recorder, self._asked = Messages(), recorder, asked

    def __call__(self, received: bytes) -> None:
        for command, _ in self._messages.feed(received):
            uid = self._asked.get(command[RESPONDED_MESSAGE])
            if uid is not None:
                self._recorder.answers[uid].append(struct.unpack("<H", command[STATUS])[0])


def _pump(source: socket.socket, target: socket.socket, note: Callable[[bytes], None], cut: Cut | None = None) -> None:
    """Pass bytes on as they come, until one side ends."""
    with suppress(OSError):
        while received := source.recv(1 << 18):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            passed = received if cut is None else cut.take(received)
            note(passed)
            target.sendall(passed)
            if cut is not None and cut.after <= 0:
                cut.then()
                source.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):  # however it ended: a dock that was killed resets the connection
        target.shutdown(socket.SHUT_WR)
