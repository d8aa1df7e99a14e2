"""PDUs and DIMSE messages as bytes, for the tests: written down here, right or wrong (PS3.8 section 9.3, PS3.7 E)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
VERIFICATION = "1.2.840.10008.1.1"
MR = "1.2.840.10008.5.1.4.1.1.4"
CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"

STORE, FIND, ECHO, CANCEL, STORE_RESPONSE = 0x0001, 0x0020, 0x0030, 0x0FFF, 0x8001
DATA_SET, NO_DATA_SET = 0x0000, 0x0101


def pdu(kind: int, body: bytes = b"", length: int | None = None) -> bytes:
    """One PDU; ``length`` is what it claims."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


RELEASE = pdu(5, bytes(4))
ABORT = pdu(7, bytes(4))


def item(kind: int, body: bytes, length: int | None = None) -> bytes:
    """One item of an association request or acceptance."""
    return struct.pack(">BxH", kind, len(body) if length is None else length) + body


def context(number: int, abstract: str, *transfer: str) -> bytes:
    """One proposed presentation context."""
    names = item(0x30, abstract.encode()) + b"".join(item(0x40, name.encode()) for name in transfer)
    return item(0x20, bytes((number, 0, 0, 0)) + names)


def user(longest: int = 16384, *more: bytes) -> bytes:
    """The user information item."""
    known = item(0x51, struct.pack(">I", longest)) + item(0x52, b"1.2.3.4") + item(0x55, b"TESTS")
    return item(0x50, known + b"".join(more))


CONTEXTS = context(1, MR, IMPLICIT) + context(3, MR, EXPLICIT) + context(5, VERIFICATION, IMPLICIT)


def associate(
    *,
    called: bytes = b"MRDOCK",
    calling: bytes = b"SCANNER",
    contexts: bytes = CONTEXTS,
    information: bytes | None = None,
    version: int = 1,
    application: bytes | None = None,
    length: int | None = None,
) -> bytes:
    """An A-ASSOCIATE-RQ."""
    body = struct.pack(">HH", version, 0) + called.ljust(16)[:16] + calling.ljust(16)[:16] + bytes(32)
    body += item(0x10, APPLICATION_CONTEXT.encode()) if application is None else application
    return pdu(1, body + contexts + (user() if information is None else information), length)


def pdv(number: int, data: bytes, *, command: bool, last: bool, length: int | None = None) -> bytes:
    """One presentation data value."""
    control = (1 if command else 0) | (2 if last else 0)
    return struct.pack(">IBB", len(data) + 2 if length is None else length, number, control) + data


def p_data(*values: bytes) -> bytes:
    """One P-DATA-TF PDU."""
    return pdu(4, b"".join(values))


def element(number: int, value: bytes) -> bytes:
    """One command element; the value is padded."""
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHI", 0, number, len(value)) + value


def number(element_number: int, value: int | None) -> bytes:
    """A command element of VR US; nothing where the value is None."""
    return b"" if value is None else element(element_number, struct.pack("<H", value))


def command(
    field: int | None = STORE,
    *,
    message: int | None = 1,
    sop_class: str | None = MR,
    instance: str | None = "1.2.3.4",
    data_set: int | None = DATA_SET,
    status: int | None = None,
    responded: int | None = None,
) -> bytes:
    """A command set; what is None is left out."""
    body = b"" if sop_class is None else element(0x0002, sop_class.encode())
    body += number(0x0100, field) + number(0x0110, message) + number(0x0120, responded)
    body += number(0x0700, 0 if field == STORE else None)
    body += number(0x0800, data_set) + number(0x0900, status)
    body += b"" if instance is None else element(0x1000, instance.encode())
    return element(0, struct.pack("<I", len(body))) + body


def echo(message: int = 1) -> bytes:
    """A C-ECHO command set."""
    return command(ECHO, message=message, sop_class=VERIFICATION, instance=None, data_set=NO_DATA_SET)


def find(message: int = 1) -> bytes:
    """A C-FIND command set, which announces an identifier."""
    return command(FIND, message=message, instance=None)


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """``data`` in pieces of the given sizes, used again and again; never empty, one empty piece of nothing."""
    pieces = []
    turn = 0
    while data:
        size = sizes[turn % len(sizes)]
        pieces.append(data[:size])
        data = data[size:]
        turn += 1
    return pieces or [b""]


def values(context_id: int, data: bytes, *, command: bool, sizes: Sequence[int] = (16000,)) -> list[bytes]:
    """A command or data set as presentation data values of the given sizes."""
    pieces = cut(data, sizes)
    return [
        pdv(context_id, piece, command=command, last=number == len(pieces)) for number, piece in enumerate(pieces, 1)
    ]


def store(data: bytes, *, context_id: int = 3, message: int = 1, instance: str = "1.2.3.4") -> bytes:
    """A whole C-STORE request, one value in each PDU."""
    head = command(message=message, instance=instance)
    return b"".join(
        p_data(value) for value in values(context_id, head, command=True) + values(context_id, data, command=False)
    )


def packed(pdvs: Iterable[bytes], counts: Sequence[int]) -> bytes:
    """P-DATA PDUs that hold ``counts`` values each, in turn."""
    rest = list(pdvs)
    out = b""
    turn = 0
    while rest:
        count = counts[turn % len(counts)]
        out += p_data(*rest[:count])
        rest = rest[count:]
        turn += 1
    return out
