"""An A-ASSOCIATE-RQ: taken apart, judged, negotiated, answered; the answer is read again."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.dock.service import acceptable
from mrdock.dock.settings import ListenerSettings, ReceiveSettings, Settings
from mrdock.network import pdu
from mrdock.network.accepting import encode_accept
from mrdock.network.access import Access
from mrdock.network.negotiation import parse_accept, parse_request
from mrdock.network.pdu import ProtocolFault

ANYONE = Access(frozenset({"MRDOCK"}), None)
ALL_TAKEN = Settings(receive=ReceiveSettings(accept_unknown=True, deflated=True))
LISTENERS = [
    acceptable(ListenerSettings(), ALL_TAKEN),
    acceptable(ListenerSettings(accepts="classic"), Settings()),
]


def check(data: bytes) -> None:
    """What is refused is a `ProtocolFault`; what is accepted was proposed, and the acceptance says the same."""
    try:
        request = parse_request(memoryview(data))
    except ProtocolFault:
        return
    ANYONE.judge(request, "192.0.2.1")
    proposed = {proposal.context_id: proposal for proposal in request.proposals}
    for listener in LISTENERS:
        contexts, results = listener.negotiate(request)
        for number, context in contexts.items():
            assert context.abstract_syntax == proposed[number].abstract_syntax
            assert context.transfer_syntax in proposed[number].transfer_syntaxes
        answer = encode_accept(request, results, 131072)
        assert struct.unpack_from(">BxI", answer) == (pdu.ASSOCIATE_AC, len(answer) - pdu.HEADER)
        read = parse_accept(memoryview(answer)[pdu.HEADER :])
        assert (read.longest, read.window) == (131072, request.granted)
        assert dict(read.transfer_syntaxes) == {number: context.transfer_syntax for number, context in contexts.items()}


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The requests that were made."""
    return traffic.pdus(pdu.ASSOCIATE_RQ)


TARGET = Target(check, seeds, words=(b"\x10\0", b"\x20\0", b"\x30\0", b"\x40\0", b"\x50\0", b"\x51\0\0\4", b"1.2.840."))
