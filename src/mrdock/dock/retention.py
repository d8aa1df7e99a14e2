"""Retention: study directories whose last image was received too long ago are deleted.

Age is by the receipt record, never by file times. `plan` decides from rows; `expire` deletes one study: locked
against receiving and copying, looked at again, moved out of sight in one step, then deleted.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mrdock.dock import quarantine, queries
from mrdock.dock.clock import local
from mrdock.dock.images import read_receipt
from mrdock.dock.index import Index
from mrdock.dock.queries import StudyRow
from mrdock.dock.settings import RetentionSettings
from mrdock.dock.states import State
from mrdock.dock.store import Store, StudyDirectory, delete_tree, lock_study
from mrdock.errors import StoreError

log = logging.getLogger("mrdock.retention")

DAY: Final = 86400.0
_CLOCK_SLACK: Final = 3600.0
_NO_CLOCK: Final = 946684800.0  # 2000-01-01
BUSY: Final = frozenset({State.RECEIVING, State.COMPLETE, State.WAITING})
"""Studies in these states are being received or routed: they stay."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """A study and what the rules say of it: ``goes`` now, or not, and why."""

    study: StudyRow
    goes: bool
    why: str


def plan(studies: Iterable[StudyRow], wall: float, settings: RetentionSettings) -> list[Expiry]:
    """The studies that are old enough, each with the rule that lets it go or keeps it.

    What was received before the year 2000 was received by a clock that had not been set: its age is unknown.
    """
    cutoff = wall - settings.days * DAY
    found = []
    for study in sorted(studies, key=lambda row: row.last_received):
        if study.last_received >= cutoff:
            continue
        age = f"last image received {local(study.last_received)}, more than {settings.days:g} days ago"
        if study.last_received < _NO_CLOCK:
            found.append(Expiry(study, False, f"{age}, but by a clock that was not set"))
        elif study.state in BUSY:
            found.append(Expiry(study, False, f"{age}, but it is {study.state}"))
        elif study.state is State.HELD and settings.keep_held:
            found.append(Expiry(study, False, f"{age}, but it is held and keep_held is on"))
        else:
            found.append(Expiry(study, True, age))
    return found


def to_announce(studies: Iterable[StudyRow], wall: float, settings: RetentionSettings) -> list[tuple[StudyRow, float]]:
    """Held studies that go within the announced days, and when each goes at the earliest."""
    if settings.keep_held:
        return []
    held = [(row, row.last_received + settings.days * DAY) for row in studies if row.state is State.HELD]
    return [(row, goes) for row, goes in held if goes - settings.announce_days * DAY <= wall]


def sweep_due(last: float | None, wall: float, hour: int) -> bool:
    """Whether the nightly hour (local time) has come since the last sweep.

    A sweep that was noted for later than now was noted by a wrong clock, and counts as one of last night.
    """
    if last is None:
        return False
    day = datetime.fromtimestamp(wall)
    tonight = _moment(day, hour)
    if tonight > wall:
        tonight = _moment(day - timedelta(days=1), hour)
    return last < tonight or last > wall + _CLOCK_SLACK


def _moment(day: datetime, hour: int) -> float:
    """The hour of a day in local time; where the clocks change, the first time it comes."""
    return day.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0).timestamp()


def expire(store: Store, index: Index, expiry: Expiry, wall: float, settings: RetentionSettings) -> str:
    """Delete one study that goes; returns an empty text, or why it stayed after all. Raises `OSError`."""
    study = expiry.study
    directory = lock_study(store, study.directory, study.uid, exclusively=True)
    if directory is None:
        if study.directory in store.study_names():
            return "it is in use"
        index.forget_study(study.uid)
        return ""
    try:
        now_row = queries.study(index, study.uid)
        if now_row is None or not plan_allows(now_row, wall, settings):
            return "it is in use"
        if _has_news(directory, index, wall - settings.days * DAY):
            return "an image has just been received"
        trash = f"{study.directory}-{uuid.uuid4().hex[:8]}"
        os.rename(study.directory, trash, src_dir_fd=store.descriptor, dst_dir_fd=store.trash)
        os.fsync(store.descriptor)
        index.forget_study(study.uid)
    finally:
        os.close(directory.descriptor)
    with suppress(OSError):  # what is left, the next start deletes
        delete_tree(trash, store.trash)
    return ""


def plan_allows(study: StudyRow, wall: float, settings: RetentionSettings) -> bool:
    """Whether the rules let this study go."""
    return any(expiry.goes for expiry in plan([study], wall, settings))


def _has_news(directory: StudyDirectory, index: Index, cutoff: float) -> bool:
    """Whether the directory holds an image, received after ``cutoff``, that the index has not heard of yet."""
    known = {image.name for image in queries.instances_of(index, directory.study_uid) if image.taken is None}
    for name in strangers(directory, known):
        receipt = read_receipt(name, directory.descriptor)
        if receipt is not None and receipt.received >= cutoff:
            return True
    return False


def strangers(directory: StudyDirectory, known: Iterable[str]) -> Sequence[str]:
    """The files of a study's directory that the index does not know."""
    names = set(known)
    with os.scandir(directory.descriptor) as entries:
        return [
            entry.name
            for entry in entries
            if entry.name not in names and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False)
        ]


def sweep(store: Store, index: Index, wall: float, settings: RetentionSettings) -> list[tuple[Expiry, str]]:
    """Delete what goes; returns every old study with an empty text, or why it stayed.

    Raises `StoreError` where the directory no longer says that it is this store.
    """
    if not store.has_marker():
        raise StoreError(f"{store.root}: its marker is missing or another store's: nothing is deleted")
    results = []
    quarantine.expire(store, wall - settings.days * DAY)
    for expiry in plan(queries.all_studies(index), wall, settings):
        stayed = expiry.why
        if expiry.goes:
            try:
                stayed = expire(store, index, expiry, wall, settings)
            except OSError as error:
                stayed = f"it cannot be deleted: {error.strerror}"
        results.append((expiry, stayed))
        if expiry.goes and not stayed:
            log.info("%s deleted: %s", expiry.study.directory, expiry.why, extra={"study": expiry.study.uid})
    return results
