"""PDUs of the DICOM upper layer (PS3.8 section 9.3) as bytes: framing, P-DATA, release and abort."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from mrdock.errors import AbortedError

ASSOCIATE_RQ: Final = 1
ASSOCIATE_AC: Final = 2
ASSOCIATE_RJ: Final = 3
P_DATA: Final = 4
RELEASE_RQ: Final = 5
RELEASE_RP: Final = 6
ABORT: Final = 7

HEADER: Final = 6
LONGEST_REQUEST: Final = 1 << 18  # 128 presentation contexts with 60 transfer syntaxes each need 250 kB

RELEASE_REQUEST: Final = b"\x05\0\0\0\0\x04\0\0\0\0"
RELEASE_REPLY: Final = b"\x06\0\0\0\0\x04\0\0\0\0"

# A-ABORT reasons of the service provider, PS3.8 table 9-26
NOT_SPECIFIED: Final = 0
UNRECOGNISED_PDU: Final = 1
UNEXPECTED_PDU: Final = 2
INVALID_PARAMETER: Final = 6

_PDU_HEADER = struct.Struct(">BxI")
_PDV_HEADER = struct.Struct(">IBB")


class ProtocolFault(AbortedError):
    """The peer broke the protocol; ``reason`` is what the A-ABORT PDU says."""

    def __init__(self, text: str, reason: int = INVALID_PARAMETER) -> None:
        """Say what was wrong in ``text``."""
        super().__init__(text)
        self.reason = reason


class Pdv(NamedTuple):
    """One presentation data value; ``data`` is a view that is valid until more bytes are received."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


class PduBuffer:
    """Received bytes, handed out PDU by PDU without copying.

    Receive into `space`, tell `received` how many bytes came, then take PDUs with `next` until it gives None.
    A PDU longer than ``longest`` is refused when its header is there, before any of it is waited for.
    """

    def __init__(self, longest: int, first: bytes = b"") -> None:
        """Room for two PDUs of ``longest`` bytes; ``first`` was received before."""
        self._longest = longest
        self._bytes = bytearray(max(2 * (longest + HEADER), len(first)))
        self._view = memoryview(self._bytes)
        self._start = 0
        self._end = len(first)
        self._view[: self._end] = first

    @property
    def empty(self) -> bool:
        """No bytes of a further PDU are there."""
        return self._start == self._end

    def space(self) -> memoryview:
        """Where to receive into; never empty. PDUs handed out before are no longer valid."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start and len(self._bytes) - self._end < HEADER + self._longest:
            rest = self._end - self._start
            self._view[:rest] = bytes(self._view[self._start : self._end])
            self._start, self._end = 0, rest
        return self._view[self._end :]

    def received(self, count: int) -> None:
        """``count`` bytes have been put into `space`."""
        self._end += count

    def next(self) -> tuple[int, memoryview] | None:
        """The next whole PDU as (type, body), or None. Raises `ProtocolFault` for a type or length that cannot be."""
        start = self._start
        if self._end - start < HEADER:
            return None
        kind, length = _PDU_HEADER.unpack_from(self._bytes, start)
        if not ASSOCIATE_RQ <= kind <= ABORT:
            raise ProtocolFault(f"PDU type 0x{kind:02X} is unknown", UNRECOGNISED_PDU)
        if length > self._longest:
            raise ProtocolFault(f"a PDU of {length} bytes, {self._longest} were agreed")
        stop = start + HEADER + length
        if stop > self._end:
            return None
        self._start = stop
        return kind, self._view[start + HEADER : stop]


def pdvs(body: memoryview) -> Iterator[Pdv]:
    """The presentation data values of a P-DATA-TF PDU (PS3.8 section 9.3.5). Raises `ProtocolFault`."""
    pos, end = 0, len(body)
    if not end:
        raise ProtocolFault("a P-DATA PDU without a presentation data value")
    while pos < end:
        if end - pos < 6:
            raise ProtocolFault("a presentation data value is cut short")
        length, context_id, control = _PDV_HEADER.unpack_from(body, pos)
        stop = pos + 4 + length
        if length < 2 or stop > end:
            raise ProtocolFault("the length of a presentation data value is wrong")
        if length % 2:
            raise ProtocolFault("a fragment of odd length (PS3.7 annex F asks for even ones)")
        yield Pdv(context_id, bool(control & 1), bool(control & 2), body[pos + 6 : stop])
        pos = stop


def data_header(context_id: int, length: int, *, command: bool, last: bool) -> bytes:
    """PDU and PDV header before a fragment of ``length`` bytes."""
    control = (1 if command else 0) | (2 if last else 0)
    return _PDU_HEADER.pack(P_DATA, length + 6) + _PDV_HEADER.pack(length + 2, context_id, control)


def command_pdus(context_id: int, command: bytes, longest: int) -> bytes:
    """A command set as P-DATA PDUs of at most ``longest`` bytes each (0: no limit)."""
    size = len(command) if not longest else max(2, (longest - 6) & ~1)
    out = []
    for start in range(0, len(command), size):
        part = command[start : start + size]
        out += [data_header(context_id, len(part), command=True, last=start + size >= len(command)), part]
    return b"".join(out)


def abort(reason: int, *, provider: bool = True) -> bytes:
    """An A-ABORT PDU (PS3.8 section 9.3.8)."""
    return b"\x07\0\0\0\0\x04\0\0" + bytes((2 if provider else 0, reason if provider else 0))


def reject(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU (PS3.8 section 9.3.4)."""
    return b"\x03\0\0\0\0\x04\0" + bytes((result, source, reason))
