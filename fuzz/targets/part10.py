"""The beginning of a file, and the receipt in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.dicom.part10 import FileMeta, decode_file_meta, encode_file_meta
from mrdock.dock.record import Receipt
from mrdock.errors import MalformedError, NotDicomError

PLAIN = 64


def check(data: bytes) -> None:
    """It is File Meta Information or one of two errors; what can be written again is read again."""
    for content in (data, bytes(128) + b"DICM" + data):
        try:
            meta = decode_file_meta(content)
        except (MalformedError, NotDicomError):
            continue
        assert 132 <= meta.data_set_at <= len(content)
        receipt = Receipt.decode(meta.private)
        if receipt is not None:
            assert Receipt.decode(receipt.encode()) == receipt
        if _is_plain(meta):
            again = decode_file_meta(encode_file_meta(meta))
            private = meta.private + bytes(len(meta.private) % 2) if meta.private_creator else b""
            assert again == replace(meta, private=private, data_set_at=again.data_set_at)


def _is_plain(meta: FileMeta) -> bool:
    texts = (meta.sop_class, meta.sop_instance, meta.transfer_syntax, meta.source_ae, meta.private_creator)
    return all(text.isascii() and len(text) <= PLAIN for text in texts)


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The files that were sent, and what the dock puts before a data set, with and without preamble and prefix."""
    for content in traffic.files:
        meta = decode_file_meta(content)
        yield content[: meta.data_set_at + 64]
        yield content[132 : meta.data_set_at]
        receipt = Receipt(1_700_000_000.25, "0123456789abcdef").encode()
        ours = replace(meta, source_ae="SCANNER", private_creator="2.25.1", private=receipt)
        yield encode_file_meta(ours)[132:]


TARGET = Target(check, seeds, words=(b"DICM", b"\2\0\x10\0UI", b"\2\0\2\1OB\0\0", b"received=", b" association="))
