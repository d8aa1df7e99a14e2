"""Which studies are being copied, and where to: a place that hangs must not take every turn."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from mrdock.dock.destination import is_below
from mrdock.dock.settings import RouteSettings

MOST: Final = 16
"""Jobs at a time."""

MOST_AT_A_PLACE: Final = 2
"""Jobs at a time that copy to below one root or mount point."""


class CopyJobs:
    """The jobs that run, each at one place or, until it has begun, at all the places where it goes."""

    def __init__(self, settings: RouteSettings) -> None:
        """The places are the roots and mount points of the settings."""
        self._places = sorted(map(str, (*settings.mount_points, *settings.roots)), key=len, reverse=True)
        self._lock = threading.Lock()
        self._at: dict[str, frozenset[str]] = {}

    def place_of(self, path: str) -> str:
        """The root or mount point that a path is written below, the innermost one; empty for any other path."""
        return next((place for place in self._places if is_below(path, place)), "")

    def begin(self, study: str, paths: Iterable[str]) -> bool:
        """Begin a job unless one of its places has as many as it may."""
        places = frozenset(map(self.place_of, paths))
        with self._lock:
            if any(sum(place in at for at in self._at.values()) >= MOST_AT_A_PLACE for place in places):
                return False
            self._at[study] = places
        return True

    def move(self, study: str, path: str) -> None:
        """A job goes on with this path, and is no longer in the way anywhere else."""
        with self._lock:
            self._at[study] = frozenset([self.place_of(path)])

    def end(self, study: str) -> None:
        """A job has ended."""
        with self._lock:
            self._at.pop(study, None)

    @property
    def full(self) -> bool:
        """Whether as many jobs run as may."""
        return len(self._at) >= MOST

    def __contains__(self, study: object) -> bool:
        """Whether a study has a job."""
        return study in self._at

    def __bool__(self) -> bool:
        """Whether any job runs."""
        return bool(self._at)
