"""Whose directory is it? The record says so; where it is lost or damaged, the images do."""

from __future__ import annotations

import mmap
import os
from typing import Final

from mrdock.dicom.part10 import decode_file_meta
from mrdock.dicom.scan import Wanted, scan
from mrdock.dicom.values import Header
from mrdock.dock import record
from mrdock.dock.headers import STUDY
from mrdock.dock.images import receipt_of
from mrdock.errors import DicomError
from mrdock.files.durable import opened, write_whole

_WANTED: Final = Wanted([(STUDY, "UI")])
_MOST_LOOKED_AT: Final = 20


def owner_of(directory: int) -> str | None:
    """The Study Instance UID whose directory this is, None where it is no study's.

    Where the record does not say it but the images do, the record's first line is written anew. Raises `OSError`.
    """
    owner = record.study_of(directory)
    if owner is not None:
        return owner
    owner = _by_images(directory)
    if owner is not None:
        try:
            with opened(record.NAME, os.O_RDONLY | os.O_NOFOLLOW, directory=directory) as descriptor:
                rest = os.read(descriptor, os.fstat(descriptor).st_size)
        except FileNotFoundError:
            rest = b""
        write_whole(record.NAME, record.first_line(owner) + rest, directory=directory)
    return owner


def _by_images(directory: int) -> str | None:
    """What the images with a receipt of the dock say, if they agree; looks at some."""
    found = set()
    looked = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if looked == _MOST_LOOKED_AT:
                break
            if not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                uid = _study_in(entry.name, directory)
                if uid is not None:
                    looked += 1
                    found.add(uid)
    return found.pop() if len(found) == 1 else None


def _study_in(name: str, directory: int) -> str | None:
    try:
        with opened(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, directory=directory) as descriptor:
            if not os.fstat(descriptor).st_size:
                return None
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
                meta = decode_file_meta(data)
                if receipt_of(meta) is None:
                    return None
                uid = Header(scan(data, meta.transfer_syntax, _WANTED, start=meta.data_set_at)).uid(STUDY)
                return uid if record.is_study(uid) else None
    except (DicomError, OSError):
        return None
