"""Stored images as files: are two of them the same image, and which receipt does one carry?"""

from __future__ import annotations

import hashlib
import os

from mrdock.dicom.part10 import FileMeta, decode_file_meta
from mrdock.dock.record import PRIVATE_CREATOR, Receipt
from mrdock.errors import DicomError
from mrdock.files.durable import blocks, opened, same_bytes

_META = 1 << 16


def meta_of(descriptor: int) -> FileMeta | None:
    """The File Meta Information of an open file, None where it has none."""
    try:
        return decode_file_meta(os.pread(descriptor, _META, 0))
    except DicomError:
        return None


def same_image(one: int, other: int) -> bool:
    """Whether two open files hold the same data set in the same transfer syntax.

    Their meta information may differ: each copy of an image that comes anew carries its own receipt. Files that are
    not DICOM are the same if their bytes are.
    """
    first, second = meta_of(one), meta_of(other)
    if first is None or second is None:
        return same_bytes(one, other)
    if first.transfer_syntax != second.transfer_syntax:
        return False
    return same_bytes(one, other, first.data_set_at, second.data_set_at)


def image_digest(descriptor: int) -> str:
    """8 hex digits that two files share exactly when (but for chance) they hold the same image."""
    meta = meta_of(descriptor)
    digest = hashlib.sha256((meta.transfer_syntax if meta else "").encode())
    for block in blocks(descriptor, meta.data_set_at if meta else 0):
        digest.update(block)
    return digest.hexdigest()[:8]


def receipt_of(meta: FileMeta) -> Receipt | None:
    """The receipt in a file's meta information, None where the dock did not write the file."""
    return Receipt.decode(meta.private) if meta.private_creator == PRIVATE_CREATOR else None


def read_receipt(name: str, directory: int) -> Receipt | None:
    """The receipt of a file below ``directory``, None where the dock did not write it or it is gone.

    Raises `OSError` where that cannot be read.
    """
    try:
        with opened(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, directory=directory) as descriptor:
            meta = meta_of(descriptor)
    except FileNotFoundError:
        return None
    return None if meta is None else receipt_of(meta)
