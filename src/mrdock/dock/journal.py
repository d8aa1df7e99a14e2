"""The way from the receiving workers into the index: each worker appends to a file, the keeper reads and writes rows.

A worker spends microseconds on an image's entry and never waits for the database. The keeper is the only one who
writes what was received, and notes how far it has read in the same transaction, so that nothing is lost or written
twice when either dies. The files are not fsynced: what a power cut takes from them, the next start finds in the store.
"""

from __future__ import annotations

import fcntl
import logging
import os
import pickle
import struct
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from mrdock.dicom.scan import Found
from mrdock.dock.clock import boot_id
from mrdock.dock.entries import Entry, Received
from mrdock.dock.headers import ImageHeader
from mrdock.dock.index import Index
from mrdock.dock.record import Receipt
from mrdock.dock.settings import RouteSettings
from mrdock.dock.store import Store
from mrdock.files.durable import opened, write_all

log = logging.getLogger("mrdock.index")

_FRAME: Final = struct.Struct("<I")
_END: Final = _FRAME.pack(0)
_ROTATE: Final = 4 << 20
_BLOCK: Final = 1 << 20
_MOST_WAITING: Final = 10_000
_BATCH: Final = 500
_FACT: Final = "journal "


@dataclass(frozen=True, slots=True)
class Arrival:
    """A stored image as its worker knows it: its header as found, not yet made into a row."""

    found: Found
    directory: str
    name: str
    transfer_syntax: str
    size: int
    receipt: Receipt
    differs: bool
    monotonic: float


def row_of(arrival: Arrival, route: RouteSettings) -> Received:
    """The index's row of a stored image."""
    header = ImageHeader(arrival.found, route)
    return Received(
        study=header.study,
        directory=arrival.directory,
        series=header.series,
        series_number=header.series_number,
        modality=header.modality,
        name=arrival.name,
        uid=header.uid,
        sop_class=header.sop_class,
        transfer_syntax=arrival.transfer_syntax,
        size=arrival.size,
        received=arrival.receipt.received,
        association=arrival.receipt.association,
        differs=arrival.differs,
        path=header.path,
        facts=header.facts,
        monotonic=arrival.monotonic,
        boot=boot_id(),
    )


class Journal:
    """The writing end, one a worker. The lock on its file tells the reader that the worker lives."""

    def __init__(self, store: Store) -> None:
        """Begin a journal in ``store``."""
        self.worker = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._directory = store.journals
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._number = 0
        self._size = 0
        self._file = self._open()

    def _open(self) -> int:
        name = f"{self.worker}-{self._number:06}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._directory)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return descriptor

    def put(self, entry: Entry | Arrival) -> None:
        """Hand an entry on. Where the disk has no room it waits in memory for the next one."""
        data = pickle.dumps(entry, protocol=5)
        with self._lock:
            if len(self._waiting) < _MOST_WAITING:  # beyond that the next start finds the images in the store
                self._waiting.append(_FRAME.pack(len(data)) + data)
            with suppress(OSError):
                self._write()

    def _write(self) -> None:
        while self._waiting:
            frame = self._waiting[0]
            try:
                write_all(self._file, frame)
            except OSError:
                os.ftruncate(self._file, self._size)  # no half frame stays
                raise
            self._size += len(frame)
            del self._waiting[0]
        if self._size >= _ROTATE:
            self._end()
            self._number += 1
            self._size = 0
            self._file = self._open()

    def _end(self) -> None:
        write_all(self._file, _END)
        os.close(self._file)

    def close(self) -> None:
        """Write what waits and end the journal."""
        with self._lock, suppress(OSError):
            self._write()
            self._end()


class JournalReader:
    """The reading end, in the keeper."""

    def __init__(self, store: Store, index: Index, route: RouteSettings) -> None:
        """Read the journals of ``store`` into ``index``."""
        self._directory = store.journals
        self._index = index
        self._route = route
        self._read: dict[str, int] = {}

    def drain(self, wall: float) -> int:
        """Write all that the workers have said so far; returns how many entries. Raises `StoreError`."""
        count = 0
        for name in sorted(os.listdir(self._directory)):
            with suppress(FileNotFoundError), opened(name, os.O_RDONLY, directory=self._directory) as descriptor:
                alive = not _can_lock(descriptor)  # asked first: what it writes until it dies is read below
                count += self._drain_one(name, descriptor, alive, wall)
        return count

    def _drain_one(self, name: str, descriptor: int, alive: bool, wall: float) -> int:
        if name not in self._read:
            self._read[name] = int(self._index.fact(_FACT + name) or 0)
        count, ended = 0, False
        batch: list[Entry] = []
        for entry, position in _frames(descriptor, self._read[name]):
            if entry is None:
                ended = True
                break
            batch.append(row_of(entry, self._route) if isinstance(entry, Arrival) else entry)
            if len(batch) == _BATCH:
                self._record(name, batch, position)
                count += len(batch)
                batch = []
        if batch:
            self._record(name, batch, position)
            count += len(batch)
        if ended or not alive:
            worker = name.rsplit("-", 1)[0]
            if not ended:
                self._index.end_associations(wall, "the listener ended", worker)
            os.unlink(name, dir_fd=self._directory)
            self._index.drop_fact(_FACT + name)
            del self._read[name]
        return count

    def _record(self, name: str, batch: list[Entry], position: int) -> None:
        self._index.record(batch, {_FACT + name: str(position)})
        self._read[name] = position


def _frames(descriptor: int, position: int) -> Iterator[tuple[Entry | Arrival | None, int]]:
    """Whole entries from ``position`` on, each with the position after it; None for the end of the journal."""
    data = b""
    while True:
        block = os.pread(descriptor, _BLOCK, position + len(data))
        data += block
        start = 0
        while start + _FRAME.size <= len(data):
            (length,) = _FRAME.unpack_from(data, start)
            stop = start + _FRAME.size + length
            if not length:
                yield None, position + stop
                return
            if stop > len(data):
                break
            yield pickle.loads(memoryview(data)[start + _FRAME.size : stop]), position + stop  # noqa: S301 - our own file
            start = stop
        position += start
        data = data[start:]
        if not block:
            return


def _can_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
