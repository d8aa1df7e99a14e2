"""Bringing the index up when a dock starts or a worker died, and putting a damaged one aside."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from mrdock.dock import clock
from mrdock.dock.database import drop_tables, open_index
from mrdock.dock.index import Index
from mrdock.dock.journal import JournalReader
from mrdock.dock.reconcile import Report, reconcile
from mrdock.dock.settings import Settings
from mrdock.dock.store import Store
from mrdock.dock.words import counted
from mrdock.errors import StaleIndexError

log = logging.getLogger("mrdock.dock")

T = TypeVar("T")


def with_index(store: Store, settings: Settings, work: Callable[[Index], T], *, anew: bool = False) -> tuple[T, bool]:
    """Open the index and work on it. An SQLite file that turns out damaged, or of another layout, is put aside and the
    work done with a new one (the second value says so); so are the tables of a database, where ``anew`` allows it."""
    for rebuilt in (False, True):
        try:
            index = open_index(store.index_path, settings.index.url, store_id=store.id, check=True)
            try:
                return work(index), rebuilt
            finally:
                index.close()
        except StaleIndexError:
            if rebuilt or (settings.index.url and not anew):
                raise
            if settings.index.url:
                drop_tables(settings.index.url, store_id=store.id)
            else:
                put_aside(store.index_path)
    raise AssertionError


def put_aside(path: Path) -> None:
    """Rename a damaged index out of the way, its write-ahead log with it."""
    stamp = time.strftime("%Y%m%dT%H%M%S")
    for ending in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{ending}", f"{path}.damaged-{stamp}{ending}")


def bring_up(store: Store, settings: Settings, *, beside_workers: bool = False) -> Report:
    """Bring the index up to the journals and the files; ``beside_workers`` that live. Raises `StoreError`."""
    now = clock.now()

    def work(index: Index) -> Report:
        JournalReader(store, index, settings.route).drain(now.wall)
        report = reconcile(store, index, settings, now)
        if not beside_workers:
            index.end_associations(now.wall, "the dock ended")
        index.restart_timers(now)
        return report

    report, rebuilt = with_index(store, settings, work)
    if rebuilt:
        log.warning("the index was damaged and has been rebuilt from the files; the old one lies beside it")
    _say_found(report)
    return report


def catch_up(store: Store, index: Index, settings: Settings) -> None:
    """Bring an index that is in use up to the files, while workers receive and jobs copy. Raises `StoreError`."""
    _say_found(reconcile(store, index, settings, clock.now()))


def _say_found(report: Report) -> None:
    if report.found:
        log.info("%s found in the store that the index did not know", counted(report.found, "image"))
