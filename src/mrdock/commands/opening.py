"""Opening a store that exists, for the commands that look at it or work on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrdock.dock.index import Index
    from mrdock.dock.settings import Settings
    from mrdock.dock.store import Store


@dataclass(frozen=True, slots=True)
class Opened:
    """A store, its index and the settings they were found by."""

    settings: Settings
    store: Store
    index: Index


@contextmanager
def opened_store(config: str | None, store: str | None, *, write: bool = True) -> Iterator[Opened]:
    """The store that the settings name, with its index; it is not made where it is missing.

    Without ``write`` everybody who may read the store can open it.
    """
    import os

    from mrdock.dock import logs
    from mrdock.dock import settings as all_settings
    from mrdock.dock.database import open_index
    from mrdock.dock.store import open_store

    os.umask(0o027)
    settings = all_settings.load(config, store)
    logs.start("error", None, as_json=False)  # what these commands do they say themselves
    here = open_store(settings.root, settings.store.minimum_free, create=False)
    try:
        index = open_index(here.index_path, settings.index.url, store_id=here.id, write=write)
        try:
            yield Opened(settings, here, index)
        finally:
            index.close()
    finally:
        here.close()
