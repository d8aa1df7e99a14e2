"""The input files of dcm_move by what they are; those that were touched a moment ago are looked at again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mrdock.errors import StoppedError
from mrdock.sorting.examining import Examined, Verdict, examined
from mrdock.sorting.finding import Entry
from mrdock.sorting.move_plan import Cancelled, LeftFile, Progress
from mrdock.sorting.reading_together import FEW, Together
from mrdock.sorting.records import ImageRecord
from mrdock.sorting.settling import fresh, unsettled, wait

_EVERY: Final = 64


@dataclass(slots=True)
class Input:
    """The input files by what they are."""

    records: list[ImageRecord] = field(default_factory=list)
    bad: list[tuple[Entry, str]] = field(default_factory=list)
    """With what is wrong."""

    left: list[LeftFile] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)
    """DICOMDIR files: they list others by their names and belong to no study."""

    not_dicom: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    """When each file was changed (mtime in ns), as it was found, by its path."""


def read(
    entries: Sequence[Entry],
    *,
    settle: float = 0.0,
    jobs: int = 1,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> Input:
    """Read the headers of all files; wait once where some were touched less than ``settle`` seconds ago.

    Raises `StoppedError` when ``cancelled`` says so.
    """
    begin = time.time_ns()
    young = fresh(entries, begin, settle)

    def between(done: int) -> None:
        if cancelled and cancelled():
            raise StoppedError("stopped while headers were read")
        if progress:
            progress("reading", done, len(entries))

    found = Input(changed={entry.path: entry.changed for entry in entries})
    for entry, one in zip(entries, _examined([entry.path for entry in entries], jobs, between), strict=True):
        _sort_in(found, entry, one)
    if young:
        newest = max(entry.changed for entry in young)
        pause = int(settle * 1e9)
        wait(min(newest, begin) + pause, progress=progress, cancelled=cancelled)
        _leave(found, unsettled(young))
    return found


def _examined(paths: Sequence[str], jobs: int, between: Callable[[int], None]) -> list[Examined]:
    if jobs == 1 and len(paths) >= FEW:
        between(0)
        return Together(paths).results(between)
    results: list[Examined] = []
    for one in examined(paths, jobs):
        if len(results) % _EVERY == 0:
            between(len(results))
        results.append(one)
    return results


def _sort_in(found: Input, entry: Entry, one: Examined) -> None:
    verdict = one.verdict
    if one.header is not None:
        found.records.append(ImageRecord.of(entry.path, one.header))
    elif verdict is Verdict.BAD:
        found.bad.append((entry, one.reason))
    elif verdict is Verdict.LEFT:
        found.left.append(LeftFile(entry.path, one.reason))
    elif verdict is Verdict.DIRECTORY:
        found.directories.append(entry.path)
    else:
        found.not_dicom += 1


def _leave(found: Input, changing: dict[str, str]) -> None:
    """Take out the files that are still being written."""
    if not changing:
        return
    found.records = [record for record in found.records if record.path not in changing]
    found.bad = [item for item in found.bad if item[0].path not in changing]
    found.left = [item for item in found.left if item.path not in changing]
    found.left += [LeftFile(path, reason) for path, reason in changing.items()]
