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
import mmap
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mrdock.dock import record
from mrdock.dock.ownership import owner_of
from mrdock.dock.setting_values import Free
from mrdock.errors import StoreError
from mrdock.files.durable import NO_ROOM, SharedSync, make_directories, open_directory, opened, write_whole

MARKER: Final = ".mrdock-store"
PRIVATE: Final = ".mrdock"
QUARANTINE: Final = "quarantine"
FILE_MODE: Final = 0o640
DIRECTORY_MODE: Final = 0o2750
STUDY_NAME: Final = re.compile(r"[0-9]{8}_[0-9]{6}_([0-9a-f]{8,64})")
_LOCK_PATIENCE: Final = 5.0
_LONGEST_REASON: Final = 512
_MOST_NAMES: Final = 1000

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
        self.id = _identity(root)
        self._broken = mmap.mmap(-1, _LONGEST_REASON)  # one page for all processes that are forked from this one
        with ExitStack() as stack:

            def opened_directory(name: str, directory: int | None = None) -> int:
                descriptor = open_directory(name, directory=directory, follow=directory is None)
                stack.callback(os.close, descriptor)
                return descriptor

            self.descriptor = opened_directory(str(root))
            self.private = opened_directory(PRIVATE, self.descriptor)
            self.incoming = opened_directory("incoming", self.private)
            self.trash = opened_directory("trash", self.private)
            self.journals = opened_directory("journals", self.private)
            self.quarantine = opened_directory(QUARANTINE, self.descriptor)
            self._place = os.fstat(self.descriptor)
            self._descriptors = stack.pop_all()

    def close(self) -> None:
        """Close all descriptors."""
        self._descriptors.close()

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
        trouble = self.trouble_of_place()
        if trouble is not None:
            return trouble
        try:
            space = self.space()
        except OSError as error:
            return f"the store cannot be reached: {error.strerror}"
        if space.free < self.minimum_free.bytes_of(space.total):
            return "the disk is too full"
        return None

    @property
    def broken(self) -> str | None:
        """Why no process of this dock takes anything more, whoever met the fault, or None."""
        return self._broken[:].rstrip(b"\0").decode(errors="replace") if self._broken[0] else None

    @broken.setter
    def broken(self, why: str | None) -> None:
        self._broken[:] = (why or "").encode()[:_LONGEST_REASON].ljust(_LONGEST_REASON, b"\0")

    def failed(self, error: OSError) -> str:
        """An fsync failed. Unless the disk was full nothing more is taken: the kernel may have thrown data away."""
        if error.errno not in NO_ROOM and self.broken is None:
            self.broken = f"the disk failed to write ({error.strerror}); the dock has to be restarted"
        return self.broken or ""

    def trouble_of_place(self) -> str | None:
        """Why the store is not where it was, or None."""
        try:
            place = os.stat(self.root)
        except OSError as error:
            return f"the store cannot be reached: {error.strerror}"
        if (place.st_ino, place.st_dev) != (self._place.st_ino, self._place.st_dev):
            return "the store is no longer in its place"
        return None

    def holds(self, directory: StudyDirectory) -> bool:
        """Whether an open study directory still stands in the store under its name."""
        try:
            here = os.stat(directory.name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return here.st_ino == os.fstat(directory.descriptor).st_ino

    def study_names(self) -> Iterator[str]:
        """The names of the directories that look like a study's."""
        with os.scandir(self.descriptor) as entries:
            for entry in entries:
                if STUDY_NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                    yield entry.name

    def has_marker(self) -> bool:
        """Whether the directory still says that it is this store; nothing is deleted otherwise."""
        with suppress(OSError):
            return _identity(self.root) == self.id and self.trouble_of_place() is None
        return False

    def sweep_incoming(self, beginning: str = "") -> None:
        """Delete what receiving and deleting left behind when a process died; the caller holds the lock.

        ``beginning`` limits that to the names that begin so. What cannot be deleted stays.
        """
        for directory in (self.incoming, *(() if beginning else (self.trash,))):
            for name in os.listdir(directory):
                if name.startswith(beginning):
                    with suppress(OSError):
                        delete_tree(name, directory)
        half_written = [(self.journals, f".{beginning}", "")]
        if not beginning:
            half_written += [(self.descriptor, f".{MARKER}.", ".part"), (self.quarantine, ".", ".part")]
        for directory, start, ending in half_written:
            for name in os.listdir(directory):
                if name.startswith(start) and name.endswith(ending):
                    with suppress(OSError):
                        os.unlink(name, dir_fd=directory)


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
            make_directories(str(path), DIRECTORY_MODE)
        return Store(root, minimum_free)
    except OSError as error:
        raise StoreError(f"{root}: the store cannot be used: {error.strerror}") from error


def _create(root: Path) -> None:
    if root.exists() and not (root / MARKER).exists() and any(_foreign(root)):
        raise StoreError(f"{root}: not empty and no store; a new store needs an empty directory")
    make_directories(str(root), DIRECTORY_MODE)
    if not (root / MARKER).exists():
        content = json.dumps({"store": str(uuid.uuid4()), "layout": 1}).encode() + b"\n"
        with opened(str(root), os.O_RDONLY | os.O_DIRECTORY) as directory:
            write_whole(MARKER, content, directory=directory, mode=FILE_MODE)


def _foreign(root: Path) -> Iterator[str]:
    """What is in a directory that no interrupted making of a store leaves there."""
    for entry in root.iterdir():
        if not (entry.name.startswith(f".{MARKER}.") and entry.name.endswith(".part")):
            yield entry.name


def _identity(root: Path) -> str:
    """The store's own id."""
    try:
        return str(json.loads((root / MARKER).read_bytes())["store"])
    except (ValueError, KeyError, TypeError):
        return ""


# ---- the directories of studies ----


def study_hash(study_uid: str, digits: int = 8) -> str:
    """The part of a study's directory name that it is found by."""
    return hashlib.sha256(study_uid.encode("ascii")).hexdigest()[:digits]


def study_name(study_uid: str, date: str, time_: str, digits: int = 8) -> str:
    """The name of a new study's directory; date and time are zeros where the header has none."""
    day = date if re.fullmatch(r"[0-9]{8}", date) else "0" * 8
    clock = re.match(r"[0-9]{6}|[0-9]{4}|[0-9]{2}", time_)
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
                try:
                    self._settle(directory)
                except BaseException:
                    os.close(directory.descriptor)
                    raise
                self._open[study_uid] = directory
            directory.users += 1
            return directory

    def _settle(self, directory: StudyDirectory) -> None:
        """Make the directory's own entry durable once: whoever made it may not have come to that yet."""
        if self._names.get(directory.study_uid) != directory.name:
            try:
                os.fsync(self._store.descriptor)
            except OSError as error:
                self._store.failed(error)
                raise
            if self._store.broken is not None:  # the sync of one who came before may have failed: ours is no proof
                raise OSError(errno.EIO, self._store.broken)
            self._names[directory.study_uid] = directory.name
            if len(self._names) > _MOST_NAMES:  # the oldest: it would be found again, only slower
                del self._names[next(iter(self._names))]

    def forget(self, directory: StudyDirectory) -> None:
        """The directory is gone from the store: the next one who asks gets another."""
        with self._lock:
            if self._open.get(directory.study_uid) is directory:
                del self._open[directory.study_uid]
            self._names.pop(directory.study_uid, None)

    def release(self, directory: StudyDirectory) -> None:
        """One user less; the last one closes the directory and gives up its lock."""
        with self._lock:
            directory.users -= 1
            if not directory.users:
                if self._open.get(directory.study_uid) is directory:
                    del self._open[directory.study_uid]
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
            beside = f"{os.getpid()}-{next(_counter)}.study"
            os.mkdir(beside, 0o750, dir_fd=store.incoming)
            try:
                with _directory(beside, store.incoming) as descriptor:
                    os.fchmod(descriptor, DIRECTORY_MODE)
                    self._begin_record(study_uid, descriptor)
                name = self._rename(beside, study_uid, date, time_)
            except BaseException:
                with suppress(OSError):
                    delete_tree(beside, store.incoming)
                raise
        directory = lock_study(store, name, study_uid)
        if directory is None:
            raise OSError(errno.ENOENT, "the study's directory vanished", name)
        return directory

    def _begin_record(self, study_uid: str, directory: int) -> None:
        try:
            write_whole(record.NAME, record.first_line(study_uid), directory=directory, mode=FILE_MODE)
        except OSError as error:
            self._store.failed(error)
            raise

    def _rename(self, beside: str, study_uid: str, date: str, time_: str) -> str:
        """Give the new directory its name; more digits of the hash where another study has the same.

        Under the lock of `_make` nobody else makes directories here, so looking first is enough: not every file
        system can rename a directory without replacing.
        """
        for digits in (8, 16, 64):
            name = study_name(study_uid, date, time_, digits)
            try:
                os.stat(name, dir_fd=self._store.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                os.rename(beside, name, src_dir_fd=self._store.incoming, dst_dir_fd=self._store.descriptor)
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
        if study_hash(study_uid) not in name or owner_of(descriptor) != study_uid:
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
