"""Data sets that could not be identified: kept, since their sender may not have them a second time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping

from mrdock.dock.store import FILE_MODE, Store
from mrdock.files.durable import rename_new, write_whole


def has_room(store: Store, size: int, limit: int) -> bool:
    """Whether ``size`` more bytes stay within what the quarantine may take."""
    with os.scandir(store.quarantine) as entries:
        return size + sum(entry.stat(follow_symlinks=False).st_size for entry in entries) <= limit


def keep(store: Store, received: str, name: str, about: Mapping[str, str]) -> str:
    """Move a synced file from ``incoming`` into the quarantine, with a note of what is known of it beside it.

    Returns its place below the store's root. Raises `OSError`.
    """
    name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}_{name}"
    note = json.dumps(dict(about)).encode() + b"\n"
    write_whole(f"{name}.json", note, directory=store.quarantine, mode=FILE_MODE)
    rename_new(received, f"{name}.dcm", source_dir=store.incoming, target_dir=store.quarantine)
    os.fsync(store.quarantine)
    return f"quarantine/{name}.dcm"
