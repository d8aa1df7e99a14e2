"""Looking at journals."""

from __future__ import annotations

import os

from mrdock.dock import queries
from mrdock.dock.entries import Noted
from mrdock.dock.index import Index
from mrdock.dock.store import Store
from tests.dock.support import START


def files(store: Store) -> list[str]:
    """The journals there are."""
    return sorted(os.listdir(store.journals))


def texts(index: Index) -> list[str]:
    """What was noted, oldest first."""
    return [event.text for event in reversed(queries.last_events(index, 1000))]


def note(text: str, at: float = START) -> Noted:
    """An event."""
    return Noted(at, "refused", None, text)
