"""What one association has open in the store, and has done there."""

from __future__ import annotations

import itertools
import os
import time
from collections import OrderedDict, deque
from contextlib import suppress
from typing import Final

from mrdock.dock.headers import ImageHeader
from mrdock.dock.store import FILE_MODE, Store, StudyDirectories, StudyDirectory
from mrdock.network.negotiation import WINDOW

_DIRECTORIES_PER_ASSOCIATION: Final = 2 * WINDOW  # those of images that are kept together are never let go

_serial = itertools.count()


class Visit:
    """What one association has open and has done."""

    def __init__(self, store: Store, directories: StudyDirectories) -> None:
        self._store = store
        self._source = directories
        self._next_part: tuple[str, int] | None = None
        self._directories: OrderedDict[str, StudyDirectory] = OrderedDict()
        self._gone: deque[StudyDirectory] = deque()
        self.stored = 0
        self.refused = 0
        self.broken_off = 0
        self.noted = False
        self.began = time.time()

    def directory(self, header: ImageHeader) -> StudyDirectory:
        """The study's directory, kept open (and locked against deletion) while the association feeds it."""
        directory = self._directories.get(header.study)
        if directory is None:
            directory = self._source.acquire(header.study, header.study_date, header.study_time)
            self._directories[header.study] = directory
            if len(self._directories) > _DIRECTORIES_PER_ASSOCIATION:
                self._source.release(self._directories.popitem(last=False)[1])
        else:
            self._directories.move_to_end(header.study)
        return directory

    def forget(self, directory: StudyDirectory) -> None:
        """The directory is gone from the store. It stays open while images that went with it may wait to be synced."""
        self._directories.pop(directory.study_uid, None)
        self._source.forget(directory)
        self._gone.append(directory)
        if len(self._gone) > WINDOW:
            self._source.release(self._gone.popleft())

    def part(self) -> tuple[str, int]:
        """A new file in ``incoming``: its name and descriptor. Raises `OSError`."""
        part, self._next_part = self._next_part, None
        return part or self._begin_part()

    def prepare_part(self) -> None:
        """Begin the next image's file while its sender is busy: a file system takes its time over that now and then."""
        if self.stored > 1 and self._next_part is None:
            with suppress(OSError):
                self._next_part = self._begin_part()

    def _begin_part(self) -> tuple[str, int]:
        name = f"{os.getpid()}-{next(_serial)}.part"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return name, os.open(name, flags, FILE_MODE, dir_fd=self._store.incoming)

    def release(self) -> None:
        """Let go of everything."""
        if self._next_part is not None:
            name, descriptor = self._next_part
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(name, dir_fd=self._store.incoming)
        while self._gone:
            self._source.release(self._gone.popleft())
        while self._directories:
            self._source.release(self._directories.popitem()[1])
