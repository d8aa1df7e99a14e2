"""All that an acceptor hears from one peer, at once and in pieces: it must do and answer the same.

The first two bytes say how long the pieces are; the rest is what comes over the connection, the association request
first.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.dicom.sop_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES
from mrdock.network import pdu
from mrdock.network.accepting import Acceptable
from mrdock.network.handler import Caller, Limits
from mrdock.network.negotiation import Request, parse_request
from mrdock.network.pdu import ProtocolFault
from mrdock.network.session import TURNS, Session, Slot
from tests.network.serving import Memory

LIMITS = Limits(longest_pdu=16384, object_size=1 << 20)
ACCEPTABLE = Acceptable(STORAGE_CLASSES, TRANSFER_SYNTAXES[:4])
CALLER = Caller("1", "fuzz", "PEER", "MRDOCK", "192.0.2.1")


@dataclass
class Host:
    """What a session needs of a server."""

    limits: Limits = LIMITS
    acceptable: Acceptable = ACCEPTABLE
    handler: Memory = field(default_factory=Memory)
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(TURNS))
    stopping: bool = False
    out_of_time: bool = False


class Connection:
    """A socket whose other end has said ``stream`` and closed; it comes in pieces of the given lengths, in turn."""

    def __init__(self, stream: bytes, pieces: tuple[int, ...]) -> None:
        self._rest = memoryview(stream)
        self._pieces = pieces
        self._turn = 0
        self.sent = bytearray()

    def recv_into(self, space: memoryview, *_: int) -> int:
        """Receive the next piece."""
        assert len(space) > 0
        count = min(len(space), len(self._rest), self._pieces[self._turn % len(self._pieces)])
        self._turn += 1
        space[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def sendall(self, data: bytes) -> None:
        """Keep what is said."""
        self.sent += data

    def send(self, data: bytes, *_: int) -> int:
        """The same."""
        self.sent += data
        return len(data)

    def setblocking(self, _: bool) -> None:
        """There is nothing to wait for."""

    def setsockopt(self, *_: object) -> None:
        """There are no options."""


def heard(request: Request, rest: bytes, stream: bytes, pieces: tuple[int, ...]) -> tuple[object, ...]:
    """What a session does: its end, its answers, what it stored and what it threw away."""
    host, connection = Host(), Connection(stream, pieces)
    sock = cast(Any, connection)
    session = Session(Slot(sock, "192.0.2.1", 0.0), CALLER, request, host)
    how, last = session.run(rest)
    session.discard()
    stored = [(image.context, image.command, image.data) for image in host.handler.images]
    assert len(how) < 500
    return how, last, bytes(connection.sent), stored, host.handler.discarded


def check(data: bytes) -> None:
    """The pieces make no difference, and nothing but a `ProtocolFault` comes of a request."""
    if len(data) < 8 or data[2] != pdu.ASSOCIATE_RQ:
        return
    stream = data[2:]
    end = pdu.HEADER + int(struct.unpack_from(">I", stream, 2)[0])
    if end > len(stream):
        return
    try:
        request = parse_request(memoryview(stream)[pdu.HEADER : end])
    except ProtocolFault:
        return
    after = stream[end:]
    split = len(after) * data[0] // 255
    at_once = heard(request, after, b"", (1,))
    assert heard(request, after[:split], after[split:], (1 + 4 * data[0], 1 + 16 * data[1])) == at_once


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """All that was asked."""
    for number, conversation in enumerate(traffic.conversations):
        after = pdu.HEADER + int(struct.unpack_from(">I", conversation.asked, 2)[0])
        for length in (200, 5000):
            yield bytes((29 * number % 256, 17 * number % 256)) + conversation.asked[: after + length]
        yield bytes((200, 100)) + conversation.asked[:after] + conversation.asked[-100:]
        window = b"\x50\0\0\x08\x53\0\0\4\0\x08\0\1"  # several operations at once
        longer = struct.pack(">BxI", pdu.ASSOCIATE_RQ, after - pdu.HEADER + len(window))
        asked = longer + conversation.asked[pdu.HEADER : after] + window + conversation.asked[after:]
        yield bytes((90, 40)) + asked[: after + 5000]


TARGET = Target(
    check,
    seeds,
    longest=1 << 14,
    words=(
        b"\4\0\0\0",
        b"\5\0\0\0\0\4\0\0\0\0",
        b"\7\0\0\0\0\4\0\0\0\0",
        b"\1\3",
        b"\1\2",
        b"\1\0",
        b"\1\1",
        b"\x30\0",
    ),
)
