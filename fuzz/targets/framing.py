"""PDUs and presentation data values, in pieces as they come from a socket, against a reading that is written down here.

The first byte says how long the pieces are, the second how long a PDU may be.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.network import pdu
from mrdock.network.pdu import PduBuffer, ProtocolFault, pdvs

Read = list[tuple[object, ...]]
FAULT = ("fault",)
LONGEST = 8192


def check(data: bytes) -> None:
    """Both readings have the same values before the same end."""
    if len(data) < 2:
        return
    piece, longest, stream = 1 + 4 * data[0], 16 << data[1] % 12, data[2:]
    read: Read = []
    buffer = PduBuffer(longest)
    try:
        for start in range(0, len(stream), piece):
            rest = memoryview(stream)[start : start + piece]
            while len(rest):
                space = buffer.space()
                count = min(len(space), len(rest))
                assert count > 0
                space[:count] = rest[:count]
                buffer.received(count)
                rest = rest[count:]
                while (one := buffer.next()) is not None:
                    kind, body = one
                    assert len(body) <= longest
                    read.append((kind, bytes(body)))
                    if kind == pdu.P_DATA:
                        for value in pdvs(body):
                            read.append((value.context_id, value.is_command, value.is_last, bytes(value.data)))
        read.append(("waiting", buffer.empty))
    except ProtocolFault:
        read.append(FAULT)
    assert read == list(_plain(stream, longest))


def _plain(stream: bytes, longest: int) -> Iterator[tuple[object, ...]]:
    """The same by the letter of PS3.8 section 9.3."""
    while len(stream) >= 6:
        kind, length = struct.unpack(">BxI", stream[:6])
        if kind not in range(1, 8) or length > longest:
            yield FAULT
            return
        if len(stream) < 6 + length:
            break
        body, stream = stream[6 : 6 + length], stream[6 + length :]
        yield kind, body
        if kind != 4:
            continue
        if not body:
            yield FAULT
            return
        while body:
            (size,) = struct.unpack(">I", body[:4]) if len(body) >= 6 else (0,)
            if size < 2 or size % 2 or size > len(body) - 4:
                yield FAULT
                return
            yield body[4], bool(body[5] & 1), bool(body[5] & 2), body[6 : 4 + size]
            body = body[4 + size :]
    yield "waiting", not stream


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """Both directions of everything, in pieces of several lengths."""
    for number, conversation in enumerate(traffic.conversations):
        for stream in (conversation.asked, conversation.answered):
            yield bytes((37 * number % 256, 11)) + stream[:LONGEST]


TARGET = Target(
    check,
    seeds,
    longest=LONGEST,
    words=(b"\4\0\0\0", b"\0\0\0\2", b"\5\0\0\0\0\4\0\0\0\0", b"\1\3", b"\1\2", b"\1\0"),
)
