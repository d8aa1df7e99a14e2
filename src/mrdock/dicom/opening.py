"""A DICOM file as bytes to walk through: any transfer syntax, with or without preamble and meta group."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from typing import Final

from mrdock.dicom.beginning import MetaTaker, as_it_looks
from mrdock.dicom.deflated import inflate
from mrdock.dicom.elements import Element, walk, walk_meta
from mrdock.dicom.reading import open_noatime
from mrdock.dicom.scan import Buffer
from mrdock.dicom.sop_classes import DEFLATED, EXPLICIT_LITTLE
from mrdock.errors import NotDicomError

_LONGEST_UID: Final = 64
_SMALL: Final = 1 << 20  # read as a whole; mapping costs more


@dataclass(frozen=True, slots=True)
class DataSet:
    """The bytes of one file while it is open.

    The data set is ``data[start:]`` in ``transfer_syntax`` as `elements.walk` takes it; a deflated one is inflated in
    ``data``. ``said`` is the transfer syntax that the file says (empty where it has no meta group), ``meta`` its File
    Meta Information.
    """

    data: Buffer
    start: int
    transfer_syntax: str
    said: str
    meta: tuple[Element, ...]

    def walk(self, *, frames: bool = False, items: bool = False, longest: int = 1 << 16) -> Iterator[Element]:
        """Every element of the data set; see `elements.walk`."""
        return walk(self.data, self.transfer_syntax, start=self.start, frames=frames, items=items, longest=longest)


@contextmanager
def open_data_set(path: str) -> Iterator[DataSet]:
    """Map the file; its access time stays where the system allows that.

    Raises `NotDicomError`, `MalformedError` (the messages of these do not name the path) or OSError.
    """
    data = _bytes_of(path)
    try:
        yield _data_set(data)
    finally:
        if isinstance(data, mmap):
            with suppress(BufferError):  # somebody still holds a view; the map goes with it
                data.close()


def _bytes_of(path: str) -> bytes | mmap:
    fd = open_noatime(path)
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if not stat.S_ISREG(status.st_mode):
            raise NotDicomError("no DICOM file: not a regular file")
        if status.st_size <= _SMALL:
            with os.fdopen(os.dup(fd), "rb") as stream:
                return stream.read(_SMALL)
        return mmap(fd, 0, access=ACCESS_READ)
    finally:
        os.close(fd)


def _data_set(data: bytes | mmap) -> DataSet:
    begun = MetaTaker({}, _LONGEST_UID).begin(data)
    at = 132 if data[128:132] == b"DICM" else 0
    meta = tuple(walk_meta(data, at, begun.start))
    if begun.transfer_syntax != DEFLATED:
        return DataSet(data, begun.start, begun.transfer_syntax, begun.said, meta)
    inflated = inflate(data, begun.start)
    return DataSet(inflated, 0, as_it_looks(EXPLICIT_LITTLE, bytes(inflated[:6])), begun.said, meta)
