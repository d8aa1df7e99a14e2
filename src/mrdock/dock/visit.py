"""What one association has open in the store, and has done there."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from mrdock.dock.headers import ImageHeader
from mrdock.dock.store import StudyDirectories, StudyDirectory

_DIRECTORIES_PER_ASSOCIATION: Final = 8


class Visit:
    """What one association has open and has done."""

    def __init__(self, directories: StudyDirectories) -> None:
        self._source = directories
        self._directories: OrderedDict[str, StudyDirectory] = OrderedDict()
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
        """The directory is gone from the store."""
        self._directories.pop(directory.study_uid, None)
        self._source.forget(directory)
        self._source.release(directory)

    def release(self) -> None:
        """Let go of all directories."""
        while self._directories:
            self._source.release(self._directories.popitem()[1])
