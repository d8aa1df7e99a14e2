"""A REC file: the pixels of all images one after the other, row by row, unsigned, little endian."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.par_images import Images, Ints
from mrdock.errors import UnsuitableError
from mrdock.files.names import printable


@contextmanager
def writing_rec(images: Images, order: Ints, stream: BinaryIO, path: str) -> Iterator[None]:
    """Write the pixels of the images in this order to ``stream``, which is to become ``path``.

    They are read in this thread and written by another, which may still be putting them on the disk while the block
    runs. Raises `UnsuitableError` where a pixel is negative, other `DicomError`, and OSError.
    """
    size = images.rows * images.columns * images.bits // 8
    output = _Output(stream, path)
    output.reserve(size * images.count)
    with ThreadPoolExecutor(1) as writer:
        pending: Future[None] | None = None
        for position, block in images.planes(order):
            data = _unsigned(images, block)
            if pending is not None:
                pending.result()
            pending = writer.submit(output.put, position * size, data)
        if pending is not None:
            pending.result()
        writer.submit(output.sync)
        yield


class _Output:
    """The stream; its errors name the file that it is to become."""

    def __init__(self, stream: BinaryIO, path: str) -> None:
        self._stream = stream
        self._path = path
        self._at = 0

    def reserve(self, size: int) -> None:
        """Take the room on the disk at once, where the system can: that halves the time of writing."""
        reserve = getattr(os, "posix_fallocate", None)
        if reserve is not None:
            try:
                reserve(self._stream.fileno(), 0, size)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise OSError(error.errno, error.strerror, self._path) from None

    def put(self, at: int, data: NDArray[Any]) -> None:
        """Write some images at their place."""
        try:
            if at != self._at:
                self._stream.seek(at)
            self._stream.write(data.data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._path) from None
        self._at = at + data.nbytes

    def sync(self) -> None:
        """Begin with what takes long; whoever closes the stream sees whether it went well."""
        sync = getattr(os, "fdatasync", None)
        if sync is not None:
            with suppress(OSError):
                sync(self._stream.fileno())


def _unsigned(images: Images, block: NDArray[Any]) -> NDArray[Any]:
    """A block as it stands in a REC file."""
    kind = np.dtype(f"<u{images.bits // 8}")
    if block.dtype.kind == "i" and block.size and block.min() < 0:
        raise UnsuitableError(f"{printable(images.path)}: its pixels are negative; those of a REC file cannot be")
    return np.ascontiguousarray(block.astype(kind, copy=False))
