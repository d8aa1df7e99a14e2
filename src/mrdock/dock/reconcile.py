"""Bringing the index up to the files: after a crash, after people took files, and for ``mrdock reindex``.

What an image is stands in its header, when and by whom it came in its receipt, what was done with it in the study's
record. So a full rebuild gives the same index.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mrdock.dicom.part10 import decode_file_meta
from mrdock.dock import queries, record
from mrdock.dock.clock import Now, parse_stamp
from mrdock.dock.entries import Received, RouteRow
from mrdock.dock.headers import read_header
from mrdock.dock.images import receipt_of
from mrdock.dock.index import Index
from mrdock.dock.journal import Arrival, row_of
from mrdock.dock.queries import InstanceRow
from mrdock.dock.retention import strangers
from mrdock.dock.routing import EVENT_OF
from mrdock.dock.settings import Settings
from mrdock.dock.states import Event, State, worst
from mrdock.dock.store import Store, StudyDirectory, lock_study
from mrdock.dock.taken import mark_all_taken, mark_taken
from mrdock.errors import DicomError
from mrdock.files.durable import opened


@dataclass(slots=True)
class Report:
    """What a reconciliation changed."""

    studies: int = 0
    images: int = 0
    found: int = 0
    taken: int = 0
    back: int = 0
    unknown: int = 0


def reconcile(store: Store, index: Index, settings: Settings, now: Now) -> Report:
    """Make the index say what the files say; reads the headers of files it does not know."""
    report = Report()
    seen = set()
    for name in sorted(store.study_names()):
        uid = _study_uid(store, name)
        if uid is None:
            continue
        directory = lock_study(store, name, uid)
        if directory is None:
            continue
        try:
            _study(directory, index, settings, now, report)
            seen.add(uid)
        finally:
            os.close(directory.descriptor)
    for row in queries.all_studies(index):
        if row.uid not in seen:
            report.taken += mark_all_taken(index, row.uid, now)
    return report


def rebuild(store: Store, index: Index, settings: Settings, now: Now) -> Report:
    """Make the index anew from the files; associations and events, which no file holds, stay."""
    reconcile(store, index, settings, now)  # so that the records know of what was taken last
    index.clear()
    return reconcile(store, index, settings, now)


def _study_uid(store: Store, name: str) -> str | None:
    try:
        with opened(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, directory=store.descriptor) as descriptor:
            return record.study_of(descriptor)
    except OSError:
        return None


def _study(directory: StudyDirectory, index: Index, settings: Settings, now: Now, report: Report) -> None:
    known = {image.name: image for image in queries.instances_of(index, directory.study_uid)}
    rows, unknown = _new_rows(directory, known, settings)
    report.studies += 1
    report.found += len(rows)
    report.unknown += unknown
    row = queries.study(index, directory.study_uid)
    events, end = record.read(directory.descriptor, 0 if row is None else row.record_bytes)
    rows += _taken_rows(events, known, rows, directory)
    for start in range(0, len(rows), 500):
        index.record(rows[start : start + 500])
    if row is None and not rows:
        return
    if events:
        replay(directory.study_uid, index, events)
    index.set_study(directory.study_uid, record_bytes=end)
    if row is None:
        _restore_state(directory.study_uid, index)
    gone, back = mark_taken(directory, index, now)
    report.taken += gone
    report.back += back
    report.images += len(known) + len(rows)


def _new_rows(
    directory: StudyDirectory, known: Mapping[str, InstanceRow], settings: Settings
) -> tuple[list[Received], int]:
    rows, unknown = [], 0
    for name in strangers(directory, known):
        made = read_row(name, directory, settings)
        if made is None:
            unknown += 1
        else:
            rows.append(made)
    rows.sort(key=lambda made: (made.received, made.name))
    return rows, unknown


def read_row(name: str, directory: StudyDirectory, settings: Settings) -> Received | None:
    """The row of a file that the dock received; None for any other file."""
    try:
        with opened(name, os.O_RDONLY | os.O_NOFOLLOW, directory=directory.descriptor) as descriptor:
            size = os.fstat(descriptor).st_size
            if not size:
                return None
            with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
                meta = decode_file_meta(data)
                receipt = receipt_of(meta)
                if receipt is None:
                    return None
                header = read_header(
                    data, meta.transfer_syntax, settings.route, start=meta.data_set_at, depth=settings.limits.nesting
                )
    except (OSError, DicomError):
        return None
    if header.study != directory.study_uid:
        return None
    differs = "_" in name.split(".", 1)[-1]
    arrival = Arrival(
        header.found, directory.name, name, meta.transfer_syntax, size, receipt, differs, time.monotonic()
    )
    return row_of(arrival, settings.route)


def _taken_rows(
    events: Iterable[Mapping[str, Any]],
    known: Mapping[str, InstanceRow],
    found: Iterable[Received],
    directory: StudyDirectory,
) -> list[Received]:
    """Rows of images that were taken before, as the record kept them, so that a rebuild remembers them too."""
    there = set(known) | {row.name for row in found}
    rows = {}
    for event in events:
        if event["event"] == "taken":
            for kept in event.get("images", ()):
                if kept.get("name") not in there:
                    rows[kept["name"]] = Received(**{**kept, "directory": directory.name})
    return list(rows.values())


# ---- the record, read back ----


def replay(study: str, index: Index, events: Iterable[Mapping[str, Any]]) -> None:
    """Apply the events of a study's record, in their order."""
    for event in events:
        wall = parse_stamp(event["at"]) if "at" in event else 0.0
        match event["event"]:
            case "routed":
                index.set_routed(study, event["names"], wall)
            case "taken":
                index.set_taken(study, event["names"], wall)
            case "asked":
                index.set_routed(study, event["again"], None)
                index.set_study(study, asked_path=event["path"])
            case "route":
                index.save_routes([_route(study, event, wall)])
            case "complete":
                index.set_study(study, completed=wall, looks=event["looks"])


def _route(study: str, event: Mapping[str, Any], wall: float) -> RouteRow:
    return RouteRow(
        study,
        event["series"],
        event["path"],
        event["asked"],
        State(event["state"]),
        event["reason"],
        event["suggestion"],
        wall,
    )


def _restore_state(study: str, index: Index) -> None:
    """Put a rebuilt study into the state its record tells of, if no image came since it was complete."""
    row = queries.study(index, study)
    if row is None or row.completed is None or row.completed < row.last_received:
        return
    index.happened(study, Event.QUIET)
    routes = queries.routes_of(index, study)
    images = queries.instances_of(index, study)
    pending = any(image.path is not None and image.routed is None and image.taken is None for image in images)
    event = worst(EVENT_OF[route.state] for route in routes)
    if event is Event.NO_PATH and pending:
        return  # complete, and the process died before it was routed
    if event is Event.PASSING_TROUBLE:
        return  # to be tried again: that is what COMPLETE means
    index.happened(study, event)
