"""The trash of each run: where it is, the list of what is in it, and deleting it.

``trash/20261122-223425/`` holds what the run of that moment found worthless, with the paths that it had, and a list,
``trash.json``. What is not on that list, or has been changed since, was not put there by a run, and is never deleted.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from mrdock.errors import JournalError
from mrdock.sorting.cleanup_plan import Folder, PlannedFile, Purged, Remark
from mrdock.sorting.cleanup_reading import TRASH

LIST: Final = "trash.json"
_RUN: Final = re.compile(r"[0-9]{8}-[0-9]{6}(_[0-9]+)?")
_FORMAT: Final = "mrdock trash"
_LONGEST: Final = 1 << 28


def new_run(top: str, now: datetime) -> str:
    """The directory for what this run finds worthless; there is none of that name."""
    stem = os.path.join(top, TRASH, f"{now:%Y%m%d-%H%M%S}")
    path, number = stem, 1
    while os.path.lexists(path):
        number += 1
        path = f"{stem}_{number}"
    return path


def list_of(run: str, top: str, files: Iterable[PlannedFile], folders: Iterable[Folder]) -> bytes:
    """What the list of a run says."""
    entries = [
        {
            "path": os.path.relpath(file.target, run),
            "was": os.path.relpath(file.source, top),
            "bytes": file.size,
            "modified_ns": file.changed,
            "why": file.reason,
        }
        for file in files
    ]
    said = {_FORMAT: 1, "files": entries, "folders": [os.path.relpath(folder.source, top) for folder in folders]}
    return (json.dumps(said, indent=1) + "\n").encode("ascii")


def purge(top: str, *, pretend: bool = False) -> Purged:
    """Delete the trash of earlier runs in a directory, or with ``pretend`` only say how much it is. Raises OSError."""
    trash = os.path.join(top, TRASH)
    done = Purged()
    for run in _runs(trash):
        done = _added(done, _purge_run(run, pretend))
    if not pretend:
        with suppress(OSError):
            os.rmdir(trash)
    return done


def _runs(trash: str) -> list[str]:
    try:
        if not stat.S_ISDIR(os.lstat(trash).st_mode):
            return []
        names = sorted(os.listdir(trash))
    except FileNotFoundError:
        return []
    runs = [os.path.join(trash, name) for name in names if _RUN.fullmatch(name)]
    return [run for run in runs if stat.S_ISDIR(os.lstat(run).st_mode)]


def _purge_run(run: str, pretend: bool) -> Purged:
    listed = _listed(run)
    files, size = 0, 0
    kept: list[Remark] = []
    folders: list[str] = []
    for folder, below, names in os.walk(run):
        folders.append(folder)
        kept += [Remark(os.path.join(folder, name), "a link; it stays") for name in below if _is_link(folder, name)]
        for name in names:
            path = os.path.join(folder, name)
            if path == os.path.join(run, LIST):
                continue
            if text := _why_not(path, listed):
                kept.append(Remark(path, text))
                continue
            files, size = files + 1, size + os.lstat(path).st_size
            if not pretend:
                os.unlink(path)
    gone = not kept
    if not pretend:
        if gone:
            with suppress(FileNotFoundError):
                os.unlink(os.path.join(run, LIST))
        for folder in reversed(folders):
            with suppress(OSError):
                os.rmdir(folder)
        gone = not os.path.lexists(run)
    return Purged(files, size, int(gone), tuple(kept))


def _is_link(folder: str, name: str) -> bool:
    return os.path.islink(os.path.join(folder, name))


def _why_not(path: str, listed: dict[str, tuple[int, int]]) -> str:
    if path not in listed:
        return "no run of dcmcleanup has put it there; it stays"
    status = os.lstat(path)
    same = stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == listed[path]
    return "" if same else "changed since it was put there; it stays"


def _listed(run: str) -> dict[str, tuple[int, int]]:
    """Size and time of what a run has put into its trash, by path.

    Its list says so; of a run that was killed before it wrote one, its journal.
    """
    try:
        with open(os.path.join(run, LIST), "rb") as stream:
            said = json.loads(stream.read(_LONGEST))
        entries = said["files"] if said[_FORMAT] == 1 else []
        return dict(_entries(run, entries))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return dict(_from_journals(run))


def _entries(run: str, entries: Iterable[dict[str, Any]]) -> Iterator[tuple[str, tuple[int, int]]]:
    for entry in entries:
        yield os.path.normpath(os.path.join(run, str(entry["path"]))), (int(entry["bytes"]), int(entry["modified_ns"]))


def _from_journals(run: str) -> Iterator[tuple[str, tuple[int, int]]]:
    from mrdock.files.journal import Journal, list_journals

    for info in list_journals():
        if not (info.command and info.command[0] == "dcmcleanup") or info.undone:
            continue
        with suppress(JournalError):
            for item in Journal.read(info.path).planned:
                if item.step.source and item.step.target.startswith(os.path.join(run, "")):
                    yield item.step.target, (item.size, item.modified_ns)


def _added(one: Purged, other: Purged) -> Purged:
    return Purged(one.files + other.files, one.size + other.size, one.runs + other.runs, (*one.kept, *other.kept))
