"""The DICOM file format around a data set: preamble and File Meta Information (PS3.10 section 7)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from mrdock.dicom.scan import Buffer
from mrdock.errors import MalformedError, NotDicomError

IMPLEMENTATION_CLASS_UID: Final = "2.25.184051108563709820074782208657610422564"
IMPLEMENTATION_VERSION_NAME: Final = "MRDOCK_0_1"

_PREAMBLE: Final = bytes(128) + b"DICM"
_LONGEST_META: Final = 1 << 20
_LONG_FORM: Final = frozenset({b"OB", b"OW", b"UN", b"SQ", b"UT", b"UR", b"UC"})


@dataclass(frozen=True, slots=True)
class FileMeta:
    """The elements of File Meta Information that mrdock uses, and where the data set starts.

    ``private`` is Private Information (0002,0102) as bytes, padding included, where ``private_creator``
    (0002,0100) says whose it is.
    """

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    source_ae: str = ""
    private_creator: str = ""
    private: bytes = b""
    data_set_at: int = 0


def encode_file_meta(meta: FileMeta) -> bytes:
    """Preamble of zeros, prefix and File Meta Information, to stand before a data set."""
    body = (
        b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\x00\x01"
        + _short(0x0002, b"UI", meta.sop_class, b"\0")
        + _short(0x0003, b"UI", meta.sop_instance, b"\0")
        + _short(0x0010, b"UI", meta.transfer_syntax, b"\0")
        + _short(0x0012, b"UI", IMPLEMENTATION_CLASS_UID, b"\0")
        + _short(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME, b" ")
    )
    if meta.source_ae:
        body += _short(0x0016, b"AE", meta.source_ae, b" ")
    if meta.private_creator:
        private = meta.private + b"\0" * (len(meta.private) % 2)
        body += _short(0x0100, b"UI", meta.private_creator, b"\0")
        body += b"\x02\x00\x02\x01OB\0\0" + struct.pack("<I", len(private)) + private
    return _PREAMBLE + b"\x02\x00\x00\x00UL\x04\x00" + struct.pack("<I", len(body)) + body


def _short(element: int, vr: bytes, text: str, pad: bytes) -> bytes:
    value = text.encode("ascii", "replace")
    if len(value) % 2:
        value += pad
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value


def decode_file_meta(data: Buffer) -> FileMeta:
    """Read preamble, prefix and File Meta Information from the start of a file.

    Raises `NotDicomError` where the prefix is missing and `MalformedError` where the group is broken or says
    no transfer syntax.
    """
    if bytes(data[128:132]) != b"DICM":
        raise NotDicomError("no DICOM file: the prefix DICM is missing")
    values: dict[int, bytes] = {}
    pos, end = 132, min(len(data), _LONGEST_META)
    try:
        while pos < end and data[pos : pos + 2] in (b"\x02\x00", b"\x02"):
            _, element, vr, length = struct.unpack_from("<HH2sH", data, pos)
            pos += 8
            if vr in _LONG_FORM:
                (length,) = struct.unpack_from("<I", data, pos)
                pos += 4
            if length > end - pos:
                raise MalformedError("the File Meta Information is cut short")
            values[element] = bytes(data[pos : pos + length])
            pos += length
    except struct.error:
        raise MalformedError("the File Meta Information is cut short") from None
    if 0x0010 not in values:
        raise MalformedError("the File Meta Information says no transfer syntax")

    def text(element: int) -> str:
        return values.get(element, b"").strip(b"\0 ").decode("latin-1")

    return FileMeta(
        sop_class=text(0x0002),
        sop_instance=text(0x0003),
        transfer_syntax=text(0x0010),
        source_ae=text(0x0016),
        private_creator=text(0x0100),
        private=values.get(0x0102, b""),
        data_set_at=pos,
    )
