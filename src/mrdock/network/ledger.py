"""What was sent where, a line a file, so that an interrupted run can go on where it was."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import IO, Any, Final, NamedTuple, Self

from mrdock.errors import PlaceError
from mrdock.files.state import state_directory
from mrdock.network.outgoing import ImageFile

_VERSION: Final = 1
_LARGEST: Final = 64 << 20


class _Identity(NamedTuple):
    """A file as it was when it was sent; one that was changed since is another."""

    path: str
    uid: str
    size: int
    mtime_ns: int


class Ledger:
    """A file of JSON lines, to which several runs may write. A line that a crash cut short is passed over."""

    def __init__(self, path: str, destination: str) -> None:
        """Open or begin the ledger at ``path``; ``destination`` names whom this run sends to. Raises `PlaceError`."""
        self.path = path
        self._destination = destination
        self._lock = threading.Lock()
        self._last: dict[_Identity, bool] | None = None
        self._begun: dict[ImageFile, _Identity] = {}
        try:
            self._file: IO[bytes] = open(path, "a+b", buffering=0, opener=_private)  # noqa: SIM115 - closed by close()
            size = self._file.seek(0, os.SEEK_END)
            self._file.seek(max(0, size - 1))
            if size and self._file.read(1) != b"\n":
                self._file.write(b"\n")
        except OSError as error:
            raise PlaceError(f"{path}: the ledger cannot be used: {error.strerror or error}") from error

    def begin(self, items: Iterable[ImageFile]) -> None:
        """Note how the files are before they are sent: one that is changed meanwhile is not what was sent."""
        self._begun = {item: _identity(item) for item in items}

    def has(self, item: ImageFile) -> bool:
        """Whether this file, unchanged since, was stored there. Raises `PlaceError`."""
        return self._read().get(_identity(item), False)

    def failed(self) -> list[str]:
        """The paths of the files that were not stored there when they were tried last. Raises `PlaceError`."""
        last = {identity.path: stored for identity, stored in self._read().items()}
        return [path for path, stored in last.items() if not stored]

    def _read(self) -> dict[_Identity, bool]:
        """Each file, and whether it was stored when it was tried last; a file that was changed counts anew."""
        if self._last is None:
            self._last = {}
            try:
                with open(self.path, "rb") as file:
                    for identity, stored in self._lines(file):
                        self._last.pop(identity, None)
                        self._last[identity] = stored
            except OSError as error:
                raise PlaceError(f"{self.path}: the ledger cannot be read: {error.strerror or error}") from error
        return self._last

    def _lines(self, file: IO[bytes]) -> Iterator[tuple[_Identity, bool]]:
        for line in file:
            with suppress(ValueError, KeyError, TypeError):
                said: dict[str, Any] = json.loads(line)
                if said["version"] == _VERSION and said["to"] == self._destination:
                    yield _Identity(said["path"], said["uid"], said["size"], said["mtime_ns"]), said["stored"] is True

    def add(self, item: ImageFile, *, stored: bool, status: int | None, words: str) -> None:
        """Note what became of a file; it is in the kernel's hands when this returns, so a killed run loses nothing.

        Raises `PlaceError`.
        """
        head = {"version": _VERSION, "to": self._destination}
        identity = self._begun.get(item) or _identity(item)
        line = head | identity._asdict() | {"stored": stored, "status": status, "words": words}
        data = json.dumps(line).encode() + b"\n"
        with self._lock:
            try:
                self._file.write(data)
            except OSError as error:
                raise PlaceError(f"{self.path}: the ledger cannot be written: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()


def default_path() -> str:
    """The ledger in the user's state directory. Raises `PlaceError`."""
    return os.path.join(state_directory(), "sent.jsonl")


def begin_anew(path: str) -> None:
    """Put a ledger that has grown very large aside, as ``PATH.old``; only a run that resumes nothing may."""
    with suppress(OSError):
        if os.path.getsize(path) > _LARGEST:
            os.replace(path, f"{path}.old")


def _private(path: str, flags: int) -> int:
    """Names of files may say who was scanned: only the user reads them."""
    return os.open(path, flags, 0o600)


def _identity(item: ImageFile) -> _Identity:
    path = os.path.abspath(item.path)
    try:
        mtime_ns = os.stat(path).st_mtime_ns
    except OSError:
        mtime_ns = 0
    return _Identity(path, item.meta.sop_instance, item.size, mtime_ns)
