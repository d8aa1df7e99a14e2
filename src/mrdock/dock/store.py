"""The store on disk: one directory a study, a marker that says it is a store, a lock, room to receive and to delete in.

<root>/.mrdock-store                  the marker; nothing is deleted without it
<root>/.mrdock/                       lock, index, incoming/ (what is being received), trash/ (what is being deleted)
<root>/quarantine/                    data sets that could not be identified
<root>/20260105_101500_1a2b3c4d/      a study: date, time, and 8 hex digits of its UID's SHA-256
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mrdock.dock import record
from mrdock.dock.setting_values import Free
from mrdock.errors import BusyError, StoreError
from mrdock.files.durable import SharedSync, open_directory, opened, rename_new, write_whole

MARKER: Final = ".mrdock-store"
PRIVATE: Final = ".mrdock"
QUARANTINE: Final = "quarantine"
FILE_MODE: Final = 0o640
DIRECTORY_MODE: Final = 0o2750
STUDY_NAME: Final = re.compile(r"\d{8}_\d{6}_([0-9a-f]{8,64})")
_LOCK_PATIENCE: Final = 5.0

_counter = itertools.count()


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of the store's file system."""

    free: int
    total: int


class Store:
    """An open store. Descriptors are inherited by worker processes; every method may be called from any thread."""

    def __init__(self, root: Path, minimum_free: Free) -> None:
        """Open the store in ``root``; see `open_store`."""
        self.root = root
        self.minimum_free = minimum_free
        self.descriptor = open_directory(str(root), follow=True)
        self.private = open_directory(PRIVATE, directory=self.descriptor)
        self.incoming = open_directory("incoming", directory=self.private)
        self.trash = open_directory("trash", directory=self.private)
        self.journals = open_directory("journals", directory=self.private)
        self.quarantine = open_directory(QUARANTINE, directory=self.descriptor)
        self._place = os.fstat(self.descriptor)
        self.id = _identity(root)
        self.broken: str | None = None

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in (self.quarantine, self.journals, self.trash, self.incoming, self.private, self.descriptor):
            os.close(descriptor)

    @property
    def index_path(self) -> Path:
        """Where the index is kept by default."""
        return self.root / PRIVATE / "index.sqlite"

    def space(self) -> Space:
        """Free and total bytes."""
        status = os.fstatvfs(self.descriptor)
        return Space(status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize)

    def trouble(self) -> str | None:
        """Why nothing can be stored now, or None."""
        if self.broken is not None:
            return self.broken
        try:
            place = os.stat(self.root)
        except OSError as error:
            return f"the store cannot be reached: {error.strerror}"
        if (place.st_ino, place.st_dev) != (self._place.st_ino, self._place.st_dev):
            return "the store is no longer in its place"
        space = self.space()
        if space.free < self.minimum_free.bytes_of(space.total):
            return "the disk is too full"
        return None

    def study_names(self) -> Iterator[str]:
        """The names of the directories that look like a study's."""
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                if STUDY_NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    yield entry.name

    def sweep_incoming(self) -> int:
        """Delete what receiving and deleting left behind when the process died; the caller holds the lock."""
        count = 0
        for directory in (self.incoming, self.trash):
            for name in os.listdir(directory):
                delete_tree(name, directory)
                count += 1
        return count


def delete_tree(name: str, directory: int) -> None:
    """Delete a file or a tree below ``directory``, following no link."""
    try:
        os.unlink(name, dir_fd=directory)
    except (IsADirectoryError, PermissionError):
        shutil.rmtree(name, dir_fd=directory)


def open_store(root: Path, minimum_free: Free, *, create: bool) -> Store:
    """Open the store in ``root``, with ``create`` making it where there is nothing yet.

    Raises `StoreError` where the directory is missing, or holds other things than a store.
    """
    try:
        if create:
            _create(root)
        if not (root / MARKER).is_file():
            raise StoreError(f"{root}: no store (it has no {MARKER})")
        for path in (*(root / PRIVATE / name for name in ("incoming", "trash", "journals")), root / QUARANTINE):
            if not path.is_dir():
                path.mkdir(parents=True)
                os.chmod(path, DIRECTORY_MODE)
        return Store(root, minimum_free)
    except OSError as error:
        raise StoreError(f"{root}: the store cannot be used: {error.strerror}") from error


def _create(root: Path) -> None:
    if root.exists() and not (root / MARKER).exists() and any(root.iterdir()):
        raise StoreError(f"{root}: not empty and no store; a new store needs an empty directory")
    if not root.exists():
        root.mkdir(parents=True)
        os.chmod(root, DIRECTORY_MODE)
    if not (root / MARKER).exists():
        content = json.dumps({"store": str(uuid.uuid4()), "layout": 1}).encode() + b"\n"
        with opened(str(root), os.O_RDONLY | os.O_DIRECTORY) as directory:
            write_whole(MARKER, content, directory=directory, mode=FILE_MODE)


def _identity(root: Path) -> str:
    try:
        return str(json.loads((root / MARKER).read_bytes())["store"])
    except (ValueError, KeyError, TypeError):
        return ""


# ---- one dock a store ----


@contextmanager
def exclusive(store: Store, who: str, patience: float = _LOCK_PATIENCE) -> Iterator[int]:
    """Hold the store for this process and its children; raises `BusyError` where another one has it.

    The lock is the kernel's (flock), so that it dies with its holders. A dock that was killed a moment ago may
    still be ending: it is waited for, ``patience`` seconds at most. ``who`` is what others are told.
    """
    descriptor = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE, dir_fd=store.private)
    try:
        deadline = time.monotonic() + patience
        while not _try_lock(descriptor, fcntl.LOCK_EX):
            if time.monotonic() >= deadline:
                other = holder(store).get("who") or "another dock"
                raise BusyError(f"{store.root}: {other} is using this store")
            time.sleep(0.05)
        describe(descriptor, {"who": who, "pid": os.getpid()})
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def describe(lock: int, facts: Mapping[str, Any]) -> None:
    """Write into the lock's file who holds it."""
    data = json.dumps(dict(facts)).encode() + b"\n"
    os.ftruncate(lock, 0)
    os.pwrite(lock, data, 0)


def holder(store: Store) -> Mapping[str, Any]:
    """What the holder of the store says of itself; empty where nobody holds it."""
    try:
        with opened("lock", os.O_RDONLY, directory=store.private) as descriptor:
            if _try_lock(descriptor, fcntl.LOCK_SH):
                return {}
            facts = json.loads(os.pread(descriptor, 1 << 16, 0) or b"{}")
    except FileNotFoundError:
        return {}
    except ValueError:
        facts = {}
    return facts if isinstance(facts, dict) and facts else {"who": "another dock"}


# ---- the directories of studies ----


def study_hash(study_uid: str, digits: int = 8) -> str:
    """The part of a study's directory name that it is found by."""
    return hashlib.sha256(study_uid.encode("ascii")).hexdigest()[:digits]


def study_name(study_uid: str, date: str, time_: str, digits: int = 8) -> str:
    """The name of a new study's directory; date and time are zeros where the header has none."""
    day = date if re.fullmatch(r"\d{8}", date) else "0" * 8
    clock = re.match(r"\d{6}|\d{4}|\d{2}", time_)
    return f"{day}_{(clock[0] if clock else '').ljust(6, '0')}_{study_hash(study_uid, digits)}"


class StudyDirectory:
    """An open study directory, shared by the associations of one process and locked (shared) against deletion."""

    def __init__(self, study_uid: str, name: str, descriptor: int) -> None:
        """Wrap an open and locked descriptor."""
        self.study_uid = study_uid
        self.name = name
        self.descriptor = descriptor
        self.entries = SharedSync(descriptor)
        self.users = 0


class StudyDirectories:
    """Finds, makes and keeps open the directories that one process receives into."""

    def __init__(self, store: Store) -> None:
        """Serve ``store``."""
        self._store = store
        self._lock = threading.Lock()
        self._open: dict[str, StudyDirectory] = {}
        self._names: dict[str, str] = {}

    def acquire(self, study_uid: str, date: str, time_: str) -> StudyDirectory:
        """The directory of a study, made durably if need be. `release` it. Raises `OSError`."""
        with self._lock:
            directory = self._open.get(study_uid)
            if directory is None:
                directory = self._find(study_uid) or self._make(study_uid, date, time_)
                self._open[study_uid] = directory
                self._names[study_uid] = directory.name
            directory.users += 1
            return directory

    def release(self, directory: StudyDirectory) -> None:
        """One user less; the last one closes the directory and gives up its lock."""
        with self._lock:
            directory.users -= 1
            if not directory.users:
                self._open.pop(directory.study_uid, None)
                os.close(directory.descriptor)

    def _find(self, study_uid: str) -> StudyDirectory | None:
        known = self._names.get(study_uid)
        if known is not None and (directory := lock_study(self._store, known, study_uid)) is not None:
            return directory
        ending = "_" + study_hash(study_uid)
        for name in self._store.study_names():
            if ending in name and (directory := lock_study(self._store, name, study_uid)) is not None:
                return directory
        return None

    def _make(self, study_uid: str, date: str, time_: str) -> StudyDirectory:
        store = self._store
        with opened("studies.lock", os.O_RDWR | os.O_CREAT, directory=store.private) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = self._find(study_uid)  # another process may have made it meanwhile
            if found is not None:
                return found
            beside = f"study-{os.getpid()}-{next(_counter)}"
            os.mkdir(beside, 0o750, dir_fd=store.incoming)
            try:
                with _directory(beside, store.incoming) as descriptor:
                    os.fchmod(descriptor, DIRECTORY_MODE)
                    write_whole(record.NAME, record.first_line(study_uid), directory=descriptor, mode=FILE_MODE)
                name = self._rename(beside, study_uid, date, time_)
            except BaseException:
                with suppress(OSError):
                    delete_tree(beside, store.incoming)
                raise
            os.fsync(store.descriptor)
        directory = lock_study(store, name, study_uid)
        if directory is None:
            raise OSError(errno.ENOENT, "the study's directory vanished", name)
        return directory

    def _rename(self, beside: str, study_uid: str, date: str, time_: str) -> str:
        """Give the new directory its name; more digits of the hash where another study has the same."""
        for digits in (8, 16, 64):
            name = study_name(study_uid, date, time_, digits)
            with suppress(FileExistsError):
                rename_new(beside, name, source_dir=self._store.incoming, target_dir=self._store.descriptor)
                return name
        raise FileExistsError(errno.EEXIST, "a directory of this name is there already", name)


@contextmanager
def _directory(name: str, directory: int) -> Iterator[int]:
    descriptor = open_directory(name, directory=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def lock_study(store: Store, name: str, study_uid: str, *, exclusively: bool = False) -> StudyDirectory | None:
    """Open a study's directory and lock it, shared (to write into it) or exclusively (to delete it).

    None where it is another study's, is gone, or (exclusively) is in use.
    """
    try:
        descriptor = open_directory(name, directory=store.descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if record.study_of(descriptor) != study_uid:
            os.close(descriptor)
            return None
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if exclusively else fcntl.LOCK_SH)
        # between opening and locking it may have gone to the trash
        here = os.stat(name, dir_fd=store.descriptor, follow_symlinks=False)
        if here.st_ino == os.fstat(descriptor).st_ino:
            return StudyDirectory(study_uid, name, descriptor)
    except (FileNotFoundError, BlockingIOError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
