"""An A-ASSOCIATE-AC, as our requester reads it."""

from __future__ import annotations

from collections.abc import Iterable

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.network import pdu
from mrdock.network.negotiation import parse_accept
from mrdock.network.pdu import ProtocolFault


def check(data: bytes) -> None:
    """It is read, or a `ProtocolFault`."""
    try:
        accepted = parse_accept(memoryview(data))
    except ProtocolFault:
        return
    assert 0 <= accepted.longest < 1 << 32
    assert all(0 <= number < 256 and len(uid) <= 64 for number, uid in accepted.transfer_syntaxes.items())


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The answers that were given."""
    return traffic.pdus(pdu.ASSOCIATE_AC)


TARGET = Target(check, seeds, words=(b"\x21\0", b"\x40\0", b"\x50\0", b"\x51\0\0\4", b"1.2.840.10008.1.2"))
