"""A DIMSE command set, and the answer to it."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.network.dimse import NO_DATA_SET, RESPONSE, Status, decode_command, encode_response
from mrdock.network.pdu import ProtocolFault, command_pdus


def check(data: bytes) -> None:
    """It is a command or a `ProtocolFault`; any command can be answered, and the answer is about it."""
    try:
        command = decode_command(data)
    except ProtocolFault:
        return
    for number in (command.field, command.message_id, command.responded_id, command.status):
        assert number is None or 0 <= number < 1 << 16
    assert decode_command(bytearray(data)) == command
    answer = encode_response(command, Status.OUT_OF_RESOURCES, "no room")
    assert len(answer) < 256
    assert len(answer) % 2 == 0
    assert struct.unpack_from("<HHII", answer) == (0, 0, 4, len(answer) - 12)
    read = decode_command(answer)
    assert (read.field, read.status, read.has_data_set) == (command.field | RESPONSE, Status.OUT_OF_RESOURCES, False)
    assert read.responded_id == (command.message_id or 0)
    assert read.comment == "no room"
    if 0 < len(command.sop_instance) <= 64:
        assert read.sop_instance == command.sop_instance
    assert sum(len(data) for data in [answer]) <= len(command_pdus(1, answer, 128))


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The commands and answers that were sent."""
    return traffic.commands()


WORDS = tuple(
    struct.pack("<HHI", 0, element, length)
    for element, length in ((0, 4), (2, 26), (0x100, 2), (0x110, 2), (0x120, 2), (0x800, 2), (0x900, 2), (0x1000, 8))
)
TARGET = Target(check, seeds, words=(*WORDS, struct.pack("<H", NO_DATA_SET)))
