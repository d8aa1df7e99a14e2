"""The way from the receiving workers into the index: each worker appends to a file, the keeper reads and writes rows.

A worker spends microseconds on an image's entry and never waits for the database. The keeper is the only one who
writes what was received, and notes how far it has read in the same transaction, so that nothing is lost or written
twice when either dies. The files are not fsynced: what a power cut takes from them, the next start finds in the store.

An entry is a frame: length and CRC-32 of its JSON, then that. A frame of length zero ends the file. A file whose bytes
are something else is read no further.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import struct
import threading
import uuid
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Any, Final

from mrdock.dicom.scan import Found, Value
from mrdock.dock.clock import boot_id
from mrdock.dock.entries import Closed, Entry, Noted, Opened, Received, from_mapping
from mrdock.dock.headers import ImageHeader
from mrdock.dock.index import Index
from mrdock.dock.record import Receipt
from mrdock.dock.settings import RouteSettings
from mrdock.dock.store import Store
from mrdock.files.durable import opened, write_all

log = logging.getLogger("mrdock.index")

_FRAME: Final = struct.Struct("<II")
_SEED: Final = 0x6D72646B  # so that zeros are no frame
_END: Final = _FRAME.pack(0, zlib.crc32(b"", _SEED))
_LONGEST: Final = 1 << 26
_NAME: Final = re.compile(r"[0-9]{1,10}-[0-9a-f]{1,8}-[0-9]{6,9}")
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


# ---- entries as bytes ----

_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_KINDS: Final[dict[str, type[Entry]]] = {kind.__name__: kind for kind in (Received, Opened, Closed, Noted)}
_ARRIVAL: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("directory", "name", "transfer_syntax", "association"), (str,)),
    **dict.fromkeys(("received", "monotonic"), (float, int)),
    **dict.fromkeys(("big_endian", "differs"), (bool,)),
    "size": (int,),
}
_FIELDS: Final = {kind: [field.name for field in fields(kind)] for kind in _KINDS.values()}


def encode(entry: Entry | Arrival) -> bytes:
    """An entry as JSON; the raw values of a header are in it byte for byte, as Latin-1."""
    if isinstance(entry, Arrival):
        values = [(key, value.vr, str(value.raw, "latin-1")) for key, value in entry.found.values.items()]
        said: dict[str, Any] = {
            "entry": "Arrival",
            "values": values,
            "big_endian": entry.found.big_endian,
            "directory": entry.directory,
            "name": entry.name,
            "transfer_syntax": entry.transfer_syntax,
            "size": entry.size,
            "received": entry.receipt.received,
            "association": entry.receipt.association,
            "differs": entry.differs,
            "monotonic": entry.monotonic,
        }
    else:
        said = {name: getattr(entry, name) for name in _FIELDS[type(entry)]}
        said["entry"] = type(entry).__name__
    return _ENCODE(said).encode("ascii")


def decode(data: bytes) -> Entry | Arrival:
    """What `encode` wrote. Raises `ValueError`, `KeyError`, `TypeError` or `RecursionError` where it is none."""
    said = json.loads(data)
    kind = said["entry"]
    if kind != "Arrival":
        return from_mapping(_KINDS[kind], said)
    for name, types in _ARRIVAL.items():
        if type(said[name]) not in types:  # the database would refuse it, and not say that it is the row's fault
            raise ValueError(f"{name} of an arrival is of another type")
    values = {
        tuple(key) if isinstance(key, list) else key: Value(vr, bytes(raw, "latin-1"))
        for key, vr, raw in said["values"]
    }
    return Arrival(
        Found(values, said["big_endian"]),
        said["directory"],
        said["name"],
        said["transfer_syntax"],
        said["size"],
        Receipt(said["received"], said["association"]),
        said["differs"],
        said["monotonic"],
    )


def _frame(data: bytes) -> bytes:
    return _FRAME.pack(len(data), zlib.crc32(data, _SEED)) + data


class _BrokenError(Exception):
    """From here on the file is no journal."""


def _frames(descriptor: int, position: int) -> Iterator[tuple[bytes, int]]:
    """Whole frames from ``position`` on, each with the position after it; an empty one is the end of the journal.

    Raises `_BrokenError`. A frame that is not whole yet is not an error: its writer may be at it.
    """
    data = b""
    while True:
        block = os.pread(descriptor, _BLOCK, position + len(data))
        data += block
        start = 0
        while start + _FRAME.size <= len(data):
            length, check = _FRAME.unpack_from(data, start)
            if length > _LONGEST:
                raise _BrokenError
            stop = start + _FRAME.size + length
            if stop > len(data):
                break
            payload = data[start + _FRAME.size : stop]
            if zlib.crc32(payload, _SEED) != check:
                raise _BrokenError
            yield payload, position + stop
            start = stop
        position += start
        data = data[start:]
        if not block:
            return


# ---- writing ----


class Journal:
    """The writing end, one a worker. The lock on its file tells the reader that the worker lives."""

    def __init__(self, store: Store) -> None:
        """Begin a journal in ``store``."""
        self.worker = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._directory = store.journals
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._number = 0
        self._size = 0
        self._file = -1  # none
        self._begin()

    def put(self, entry: Entry | Arrival) -> None:
        """Hand an entry on. Where the disk has no room it waits in memory for the next one."""
        frame = _frame(encode(entry))
        with self._lock:
            if len(self._waiting) < _MOST_WAITING:  # beyond that the next start finds the images in the store
                self._waiting.append(frame)
            with suppress(OSError):
                self._write()

    def close(self) -> None:
        """Write what waits and end the journal."""
        with self._lock:
            with suppress(OSError):
                self._write()
            self._end()

    def _begin(self) -> None:
        """Begin the next file, then end the one before: the worker is never seen without one while it lives."""
        name = f"{self.worker}-{self._number:06}"
        hidden = f".{name}"  # the reader must not see it before it is locked
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(hidden, flags, 0o600, dir_fd=self._directory)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.rename(hidden, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:
            os.close(descriptor)
            raise
        self._end()
        self._file = descriptor
        self._size = 0
        self._number += 1

    def _end(self) -> None:
        if self._file >= 0:
            descriptor, self._file = self._file, -1
            with suppress(OSError):
                write_all(descriptor, _END)
            os.close(descriptor)

    def _write(self) -> None:
        while self._waiting:
            if self._file < 0:
                self._begin()
            frame = self._waiting[0]
            try:
                write_all(self._file, frame)
            except OSError:
                self._cut()
                raise
            self._size += len(frame)
            self._waiting.popleft()
        if self._size >= _ROTATE:
            self._begin()

    def _cut(self) -> None:
        """No half frame stays; where it cannot be cut off, nothing is written behind it."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            descriptor, self._file = self._file, -1
            os.close(descriptor)


# ---- reading ----


class JournalReader:
    """The reading end, in the keeper."""

    def __init__(self, store: Store, index: Index, route: RouteSettings) -> None:
        """Read the journals of ``store`` into ``index``."""
        self._directory = store.journals
        self._index = index
        self._route = route
        self._read: dict[str, int] = {}
        self._broken: set[str] = set()
        self.incomplete = False  # a journal did not tell all: who brings the index up to the files takes this back

    def drain(self, wall: float) -> int:
        """Write all that the workers have said so far; returns how many entries. Raises `StoreError`.

        What cannot be read or written is said and passed over; `incomplete` asks to look for images in the store.
        """
        count = 0
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        for name in sorted(filter(_NAME.fullmatch, os.listdir(self._directory))):
            try:
                with opened(name, flags, directory=self._directory) as descriptor:
                    alive = not _can_lock(descriptor)  # asked first: what it writes until it dies is read below
                    count += self._drain_one(name, descriptor, alive, wall)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._say_broken(name, f"cannot be read ({error.strerror})")
        return count

    def _drain_one(self, name: str, descriptor: int, alive: bool, wall: float) -> int:
        if name not in self._read:
            noted = self._index.fact(_FACT + name) or ""
            self._read[name] = int(noted) if noted.isdecimal() else 0
        count, ended = 0, False
        batch: list[Entry] = []
        position = self._read[name]
        if name not in self._broken:
            try:
                for data, position in _frames(descriptor, self._read[name]):
                    if not data:
                        ended = True
                        break
                    batch.append(self._entry(data, wall))
                    if len(batch) == _BATCH:
                        count += self._record(name, batch, position, wall)
                        batch = []
            except _BrokenError:
                self._say_broken(name, "is broken")
        if batch:
            count += self._record(name, batch, position, wall)
        if ended or not alive:
            self._done(name, ended, wall)
        return count

    def _entry(self, data: bytes, wall: float) -> Entry:
        try:
            entry = decode(data)
            return row_of(entry, self._route) if isinstance(entry, Arrival) else entry
        except Exception as error:  # noqa: BLE001 - whatever a header holds, it must not stop what waits behind it
            return self._left_out("an entry cannot be read", error, wall)

    def _record(self, name: str, batch: list[Entry], position: int, wall: float) -> int:
        left_out = self._index.record_each(batch, {_FACT + name: str(position)})
        self._read[name] = position
        if left_out:
            notes = [
                self._left_out(f"an entry ({type(entry).__name__}) cannot be written", error, wall)
                for entry, error in left_out
            ]
            self._index.record_each(notes)
        return len(batch) - len(left_out)

    def _left_out(self, what: str, error: Exception, wall: float) -> Noted:
        """Say that an entry is passed over; not what is in it, which may be a patient's."""
        said = f"{what} ({type(error).__name__}); an image is looked for again at the next start"
        log.error("%s", said)
        return Noted(wall, "left out", None, said)

    def _say_broken(self, name: str, how: str) -> None:
        if name not in self._broken:
            self._broken.add(name)
            self.incomplete = True
            log.error("journal %s %s: its images are looked for in the store", name, how)

    def _done(self, name: str, ended: bool, wall: float) -> None:
        """The writer of a file has ended it, or died."""
        worker = name.rsplit("-", 1)[0]
        if not ended:  # an image is answered before it is told of
            self.incomplete = True
        if not ended and not any(
            other.startswith(f"{worker}-") and other != name for other in os.listdir(self._directory)
        ):
            self._index.end_associations(wall, "the listener ended", worker)
        os.unlink(name, dir_fd=self._directory)
        self._index.drop_fact(_FACT + name)
        self._read.pop(name, None)
        self._broken.discard(name)


def _can_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
