"""Data sets that could not be identified: kept, since their sender may not have them a second time."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from mrdock.dock.store import FILE_MODE, Store
from mrdock.files.durable import rename_new, write_whole

_STAMP: Final = "%Y%m%dT%H%M%S"
_NAME: Final = re.compile(r"\d{8}T\d{6}_.*\.(dcm|json)")


def has_room(store: Store, size: int, limit: int) -> bool:
    """Whether ``size`` more bytes stay within what the quarantine may take."""
    with os.scandir(store.quarantine) as entries:
        return size + sum(entry.stat(follow_symlinks=False).st_size for entry in entries) <= limit


def keep(store: Store, received: str, name: str, about: Mapping[str, str]) -> str:
    """Move a synced file from ``incoming`` into the quarantine, with a note of what is known of it beside it.

    Returns its place below the store's root. Raises `OSError`.
    """
    name = f"{time.strftime(_STAMP, time.gmtime())}_{name}"
    note = json.dumps(dict(about)).encode() + b"\n"
    write_whole(f"{name}.json", note, directory=store.quarantine, mode=FILE_MODE)
    rename_new(received, f"{name}.dcm", source_dir=store.incoming, target_dir=store.quarantine)
    os.fsync(store.quarantine)
    return f"quarantine/{name}.dcm"


def expire(store: Store, cutoff: float) -> int:
    """Delete what was put into the quarantine before ``cutoff`` (by the time in its name); returns how many files."""
    oldest = time.strftime(_STAMP, time.gmtime(cutoff))
    count = 0
    for name in os.listdir(store.quarantine):
        if _NAME.match(name) and name < oldest:
            with suppress(OSError):
                os.unlink(name, dir_fd=store.quarantine)
                count += 1
    return count
