"""Bringing the index up to the files: after a crash, after people took files, and for ``mrdock reindex``.

What an image is stands in its header, when and by whom it came in its receipt, what was done with it in the study's
record. So a full rebuild gives the same index.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import mmap
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mrdock.dicom.part10 import decode_file_meta
from mrdock.dock import queries, record
from mrdock.dock.clock import Now, boot_id, parse_stamp
from mrdock.dock.entries import Received, RouteRow, from_mapping
from mrdock.dock.headers import read_header
from mrdock.dock.images import receipt_of
from mrdock.dock.index import Index, UnwritableError
from mrdock.dock.journal import Arrival, row_of
from mrdock.dock.keeper import Look
from mrdock.dock.ownership import owner_of
from mrdock.dock.queries import InstanceRow
from mrdock.dock.retention import strangers
from mrdock.dock.routing import EVENT_OF, plan
from mrdock.dock.settings import Settings
from mrdock.dock.states import Event, State, worst
from mrdock.dock.store import Store, StudyDirectory, lock_study
from mrdock.dock.taken import mark_all_taken, mark_taken
from mrdock.errors import DicomError, StoreError
from mrdock.files.durable import opened

log = logging.getLogger("mrdock.index")


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
    """Make the index say what the files say; reads the headers of files it does not know.

    A file or a study that cannot be read or written is said and passed over. Raises `StoreError`.
    """
    report = Report()
    seen: set[str] = set()
    names = sorted(store.study_names())
    for name in names:
        try:
            uid = _bring_up(store, name, index, settings, now, report)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - one study must not keep the dock from starting
            log.error("%s: cannot be brought into the index: %s", name, _what(error))  # noqa: TRY400
        else:
            seen.add(uid)
    for row in queries.all_studies(index):
        if row.uid not in seen and row.directory not in names:
            report.taken += mark_all_taken(index, row.uid, now)
    return report


def rebuild(store: Store, index: Index, settings: Settings, now: Now) -> Report:
    """Make the index anew from the files; associations and events, which no file holds, stay.

    The old index is asked only which images were there, so that the records know of those that are gone now.
    """
    try:
        _note_taken(store, index, now)
    except (StoreError, ValueError, TypeError) as error:
        log.warning("images that were taken since the last look are not remembered: %s", error)
    index.clear()
    return reconcile(store, index, settings, now)


def _note_taken(store: Store, index: Index, now: Now) -> None:
    for row in queries.all_studies(index):
        try:
            directory = lock_study(store, row.directory, row.uid)
            if directory is not None:
                try:
                    mark_taken(directory, index, now)
                finally:
                    os.close(directory.descriptor)
        except OSError as error:
            log.warning("%s: %s", row.directory, error.strerror)


def _what(error: Exception) -> str:
    """What an error is, without what may come from a header."""
    return error.strerror or str(error) if isinstance(error, OSError) else type(error).__name__


def _bring_up(store: Store, name: str, index: Index, settings: Settings, now: Now, report: Report) -> str:
    """Bring one directory into the index; returns whose it is, empty where it is no study's."""
    with opened(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, directory=store.descriptor) as descriptor:
        uid = owner_of(descriptor)
    directory = None if uid is None else lock_study(store, name, uid)
    if directory is None:
        return ""
    try:
        _study(directory, index, settings, now, report)
    finally:
        os.close(directory.descriptor)
    return directory.study_uid


def _study(directory: StudyDirectory, index: Index, settings: Settings, now: Now, report: Report) -> None:
    known = {image.name: image for image in queries.instances_of(index, directory.study_uid)}
    rows, unknown = _new_rows(directory, known, settings)
    report.studies += 1
    report.unknown += unknown
    row = queries.study(index, directory.study_uid)
    events, end = record.read(directory.descriptor, 0 if row is None else row.record_bytes)
    found = len(rows)
    rows += _taken_rows(events, known, rows, directory)
    rows.sort(key=lambda made: (made.received, made.name))
    left_out = 0
    for start in range(0, len(rows), 500):
        for _, error in index.record_each(rows[start : start + 500]):
            left_out += 1
            log.error("%s: an image cannot be written into the index: %s", directory.name, _what(error))
    report.found += max(found - left_out, 0)
    if row is None and len(rows) == left_out:
        return
    asked = replay(directory.study_uid, index, events)
    index.set_study(directory.study_uid, record_bytes=end)
    if row is None:
        _restore_state(directory.study_uid, index, asked)
    gone, back = mark_taken(directory, index, now)
    report.taken += gone
    report.back += back
    report.images += len(known) + len(rows) - left_out


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
            if header.study != directory.study_uid:
                return None
            differs = "_" in name.split(".", 1)[-1]
            arrival = Arrival(
                header.found, directory.name, name, meta.transfer_syntax, size, receipt, differs, time.monotonic()
            )
            return row_of(arrival, settings.route)
    except (OSError, DicomError):
        return None
    except Exception as error:  # noqa: BLE001 - whatever a file holds, it must not keep the dock from starting
        log.error("%s: %s cannot be read: %s", directory.name, ascii(name), _what(error))  # noqa: TRY400
        return None


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
        images = event.get("images") if event["event"] == "taken" else None
        for kept in images if isinstance(images, list) else ():
            try:
                here = {"study": directory.study_uid, "directory": directory.name}
                row = from_mapping(Received, {**kept, **here, "monotonic": time.monotonic(), "boot": boot_id()})
            except (TypeError, ValueError):
                continue
            if row.name not in there:
                rows[row.name] = row
    return list(rows.values())


# ---- the record, read back ----


def replay(study: str, index: Index, events: Iterable[Mapping[str, Any]]) -> float:
    """Apply the events of a study's record; returns when a person last asked. What cannot be used is passed over."""
    asked = 0.0
    for event in events:
        try:
            wall = parse_stamp(event["at"]) if "at" in event else 0.0
            match event["event"]:
                case "routed":
                    index.tell_routed(study, _names(event["names"]), wall)
                case "taken":
                    index.tell_taken(study, _names(event["names"]), wall)
                case "asked":
                    path = event["path"]
                    index.tell_asked(study, _names(event["again"]), None if path is None else _text(path), wall)
                    asked = max(asked, wall)
                case "route":
                    index.tell_route(_route(study, event, wall))
                case "complete":
                    index.tell_complete(study, wall, _looks(event["looks"]))
        except (KeyError, TypeError, ValueError, OverflowError, UnwritableError):
            continue
    return asked


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _names(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return [_text(name) for name in value]


def _looks(value: Any) -> str:
    """How the series looked, empty where another version wrote it in another form."""
    try:
        looks = json.loads(value) if value else []
    except (TypeError, ValueError, RecursionError):
        return ""
    return value if value and isinstance(looks, list) and all(map(_is_look, looks)) else ""


def _is_look(look: Any) -> bool:
    return (
        isinstance(look, dict)
        and look.keys() == {field.name for field in dataclasses.fields(Look)}
        and all(isinstance(look[name], str) for name in ("series", "form", "text"))
        and (look["whole"] is None or isinstance(look["whole"], bool))
    )


def _route(study: str, event: Mapping[str, Any], wall: float) -> RouteRow:
    return RouteRow(
        study,
        _text(event["series"]),
        _text(event["path"]),
        event["asked"] is True,
        State(event["state"]),
        _text(event["reason"]),
        _text(event["suggestion"]),
        wall,
    )


def _restore_state(study: str, index: Index, asked: float) -> None:
    """Put a rebuilt study into the state its record tells of, if no image came since it was complete.

    ``asked`` is when a person last wanted it tried again. Where something is still to be done it stays complete.
    """
    row = queries.study(index, study)
    if row is None or row.completed is None or row.completed < row.last_received:
        return
    index.happened(study, Event.QUIET)
    images = queries.instances_of(index, study)
    routes = {route.series: route for route in queries.routes_of(index, study)}
    came = {image.name: image.received for image in images}
    for item in plan(images, routes, row.asked_path):
        route = routes.get(item.series)
        last = max((came[name] for name in item.names), default=0.0)
        held = route is not None and route.state is State.HELD and asked < route.changed >= last
        if item.names and not held:
            return
    outcome = worst(EVENT_OF[route.state] for route in routes.values())
    if outcome is not Event.PASSING_TROUBLE:  # which is to be tried again
        index.happened(study, outcome)
