"""DIMSE command sets of the verification and storage services (PS3.7 sections 9.3 and E): bytes to records and back."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Final

from mrdock.network.pdu import ProtocolFault

STORE_RQ: Final = 0x0001
STORE_RSP: Final = 0x8001
ECHO_RQ: Final = 0x0030
ECHO_RSP: Final = 0x8030
CANCEL_RQ: Final = 0x0FFF
RESPONSE: Final = 0x8000

LONGEST_COMMAND: Final = 1 << 16
NO_DATA_SET: Final = 0x0101

_AFFECTED_CLASS = 0x0002
_COMMAND_FIELD = 0x0100
_MESSAGE_ID = 0x0110
_RESPONDED_ID = 0x0120
_PRIORITY = 0x0700
_DATA_SET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902
_AFFECTED_INSTANCE = 0x1000

_ELEMENT = struct.Struct("<HHI")


class Status(enum.IntEnum):
    """The statuses that mrdock answers (PS3.4 table B.2-1, PS3.7 annex C)."""

    SUCCESS = 0x0000
    UNRECOGNISED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    OUT_OF_RESOURCES = 0xA700
    MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True)
class Command:
    """The elements of a command set that matter here; None or "" where absent."""

    field: int
    message_id: int | None = None
    responded_id: int | None = None
    sop_class: str = ""
    sop_instance: str = ""
    has_data_set: bool = False
    status: int | None = None
    comment: str = ""


def decode_command(data: bytes | bytearray) -> Command:
    """Read a command set, Implicit VR Little Endian. Raises `ProtocolFault` where it is broken or says no command."""
    values: dict[int, bytes] = {}
    pos, end = 0, len(data)
    while pos < end:
        if end - pos < 8:
            raise ProtocolFault("a command set is cut short")
        group, element, length = _ELEMENT.unpack_from(data, pos)
        pos += 8
        if group or length > end - pos:
            raise ProtocolFault("a command set is broken")
        values[element] = bytes(data[pos : pos + length])
        pos += length

    def number(element: int) -> int | None:
        raw = values.get(element, b"")
        return int.from_bytes(raw[:2], "little") if len(raw) >= 2 else None

    field = number(_COMMAND_FIELD)
    if field is None:
        raise ProtocolFault("a command set without a command field")
    return Command(
        field=field,
        message_id=number(_MESSAGE_ID),
        responded_id=number(_RESPONDED_ID),
        sop_class=_text(values.get(_AFFECTED_CLASS, b"")),
        sop_instance=_text(values.get(_AFFECTED_INSTANCE, b"")),
        has_data_set=number(_DATA_SET_TYPE) not in (None, NO_DATA_SET),
        status=number(_STATUS),
        comment=_text(values.get(_ERROR_COMMENT, b"")),
    )


def _text(raw: bytes) -> str:
    return raw.strip(b"\0 ").decode("latin-1")


def _element(element: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, element, len(value)) + value


def _number(element: int, value: int) -> bytes:
    return _element(element, struct.pack("<H", value))


def _string(element: int, text: str, pad: bytes = b"\0") -> bytes:
    value = text.encode("latin-1", "replace")
    return _element(element, value + pad * (len(value) % 2))


def _with_length(body: bytes) -> bytes:
    return _element(0, struct.pack("<I", len(body))) + body


def encode_response(request: Command, status: int, comment: str = "") -> bytes:
    """The response to ``request``, without a data set; ``comment`` goes out with failures only (PS3.7 section C)."""
    body = _string(_AFFECTED_CLASS, request.sop_class) if 0 < len(request.sop_class) <= 64 else b""
    body += _number(_COMMAND_FIELD, request.field | RESPONSE)
    body += _number(_RESPONDED_ID, request.message_id or 0)
    body += _number(_DATA_SET_TYPE, NO_DATA_SET)
    body += _number(_STATUS, status)
    if comment and status:
        body += _string(_ERROR_COMMENT, comment[:64], b" ")
    if 0 < len(request.sop_instance) <= 64:
        body += _string(_AFFECTED_INSTANCE, request.sop_instance)
    return _with_length(body)


def encode_store_request(message_id: int, sop_class: str, sop_instance: str) -> bytes:
    """A C-STORE-RQ of medium priority."""
    return _with_length(
        _string(_AFFECTED_CLASS, sop_class)
        + _number(_COMMAND_FIELD, STORE_RQ)
        + _number(_MESSAGE_ID, message_id)
        + _number(_PRIORITY, 0)
        + _number(_DATA_SET_TYPE, 0x0001)
        + _string(_AFFECTED_INSTANCE, sop_instance)
    )


def encode_echo_request(message_id: int, sop_class: str) -> bytes:
    """A C-ECHO-RQ."""
    return _with_length(
        _string(_AFFECTED_CLASS, sop_class)
        + _number(_COMMAND_FIELD, ECHO_RQ)
        + _number(_MESSAGE_ID, message_id)
        + _number(_DATA_SET_TYPE, NO_DATA_SET)
    )
