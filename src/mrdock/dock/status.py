"""What `mrdock status` shows, gathered from the index and the store."""

from __future__ import annotations

import dataclasses
import json
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mrdock.dock import queries
from mrdock.dock.clock import Now, local, stamp
from mrdock.dock.entries import RouteRow
from mrdock.dock.index import Index
from mrdock.dock.keeper import JUMPED, Look
from mrdock.dock.lock import holder
from mrdock.dock.queries import NO_COUNT, Count, StudyRow
from mrdock.dock.retention import DAY
from mrdock.dock.settings import Settings
from mrdock.dock.states import State
from mrdock.dock.store import Store

HANGS: float = 300.0
"""Seconds after which a copy that has not ended is said to hang."""


@dataclass(frozen=True, slots=True)
class ListenerStatus:
    """A listener of the running dock, and how many associations it has open."""

    name: str
    host: str
    port: int
    title: str
    accepts: str
    associations: int


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """A study for people: its state in words, what is missing, when it goes."""

    study: str
    directory: str
    state: str
    text: str
    images: int
    series: int
    size: int
    taken: int
    last_received: float
    goes: float | None
    announced: bool
    differing: int
    looks: tuple[Look, ...]
    routes: tuple[RouteRow, ...]

    @property
    def whole(self) -> bool | None:
        """Whether the study looks whole: no series looks cut, and those whose headers promise something all keep it."""
        said = {look.whole for look in self.looks}
        return False if False in said else True if True in said else None

    @property
    def missing(self) -> list[str]:
        """A line for each series that does not look whole."""
        return [look.text for look in self.looks if look.whole is False]


@dataclass(frozen=True, slots=True)
class Status:
    """The whole picture."""

    running: bool
    pid: int | None
    started: float | None
    store: Path
    listeners: tuple[ListenerStatus, ...]
    studies: tuple[StudyStatus, ...]
    free: int
    total: int
    reserve: int
    quarantined: int
    notices: tuple[str, ...]
    events: tuple[queries.Happening, ...]

    def to_json(self) -> dict[str, Any]:
        """The same for programs; times as ISO 8601 in UTC."""
        return {
            "running": self.running,
            "pid": self.pid,
            "started": None if self.started is None else stamp(self.started),
            "store": str(self.store),
            "disk": {"free": self.free, "total": self.total, "reserve": self.reserve},
            "quarantined": self.quarantined,
            "notices": list(self.notices),
            "events": [{"at": stamp(e.at), "kind": e.kind, "study": e.study, "text": e.text} for e in self.events],
            "listeners": [
                {name: getattr(listener, name) for name in ListenerStatus.__dataclass_fields__}
                for listener in self.listeners
            ],
            "studies": [_study_json(study) for study in self.studies],
        }


def _study_json(study: StudyStatus) -> dict[str, Any]:
    return {
        "study": study.study,
        "directory": study.directory,
        "state": study.state,
        "text": study.text,
        "images": study.images,
        "series": study.series,
        "bytes": study.size,
        "taken": study.taken,
        "last_received": stamp(study.last_received),
        "goes": None if study.goes is None else stamp(study.goes),
        "differing": study.differing,
        "whole": study.whole,
        "looks": [dataclasses.asdict(look) for look in study.looks],
        "routes": [
            {
                "series": route.series,
                "path": route.path,
                "asked": route.asked,
                "state": str(route.state),
                "reason": route.reason,
                "suggestion": route.suggestion,
            }
            for route in study.routes
        ],
    }


def gather(store: Store, index: Index, settings: Settings, now: Now) -> Status:
    """Look at everything once."""
    facts = holder(store)
    running = "listeners" in facts
    rows = queries.all_studies(index)
    if not facts:  # what was being copied when the last dock was killed is not being copied now
        rows = [dataclasses.replace(row, copying=None) for row in rows]
    feeding = queries.open_associations(index) if running else {}
    counts = queries.counts(index)
    routes: defaultdict[str, list[RouteRow]] = defaultdict(list)
    for route in queries.all_routes(index):
        routes[route.study].append(route)
    space = store.space()
    listeners = [
        ListenerStatus(**listener, associations=feeding.get(listener["name"], 0))
        for listener in facts.get("listeners", ())
    ]
    return Status(
        running=running,
        pid=facts.get("pid"),
        started=facts.get("started"),
        store=store.root,
        listeners=tuple(listeners),
        studies=tuple(_study(row, counts.get(row.uid, NO_COUNT), routes[row.uid], settings, now) for row in rows),
        free=space.free,
        total=space.total,
        reserve=settings.store.minimum_free.bytes_of(space.total),
        quarantined=_quarantined(store),
        notices=_notices(index, store, facts.get("started")),
        events=tuple(queries.last_events(index)),
    )


def _quarantined(store: Store) -> int:
    return sum(name.endswith(".dcm") for name in os.listdir(store.quarantine))


def _notices(index: Index, store: Store, since: float | None) -> tuple[str, ...]:
    notices = []
    trouble = store.trouble() or queries.last_trouble(index, since)
    if trouble is not None:
        notices.append(f"nothing can be received: {trouble}")
    if index.fact(JUMPED) is not None:
        notices.append(
            "nothing is deleted: the clock jumped, or the dock was off for long; "
            "check the date, then run mrdock sweep by hand once"
        )
    return tuple(notices)


def _study(row: StudyRow, count: Count, routes: list[RouteRow], settings: Settings, now: Now) -> StudyStatus:
    stays = row.state is State.HELD and settings.retention.keep_held
    goes = None if stays else row.last_received + settings.retention.days * DAY
    return StudyStatus(
        study=row.uid,
        directory=row.directory,
        state=str(row.state),
        text=in_words(row, routes, count, now),
        images=count.images,
        series=count.series,
        size=count.size,
        taken=count.taken,
        last_received=row.last_received,
        goes=goes,
        announced=goes is not None and goes - now.wall < settings.retention.announce_days * DAY,
        differing=count.differing,
        looks=tuple(Look(**look) for look in json.loads(row.looks)) if row.looks else (),
        routes=tuple(routes),
    )


def in_words(row: StudyRow, routes: list[RouteRow], count: Count, now: Now) -> str:
    """A study's state as a sentence."""
    if count.images and count.taken == count.images:
        return "taken out of the store"
    if row.copying is not None and row.state in (State.COMPLETE, State.WAITING):
        hangs = now.wall - row.copying > HANGS
        return f"{'copying hangs' if hangs else 'being copied'} since {local(row.copying)}"
    if row.state is State.RECEIVING:
        return "receiving"
    if row.state is State.COMPLETE:
        return "complete, about to be copied"
    if row.state is State.KEPT:
        return "complete, kept here (its header names no path)"
    done = sorted({route.path for route in routes if route.state is State.ROUTED})
    if row.state is State.ROUTED:
        return "copied to " + ", ".join(done)
    troubles = [route for route in routes if route.state is not State.ROUTED]
    words = "; ".join(sorted({_trouble(route) for route in troubles}))
    words = f"waiting: {words}; next try {local(row.next_try)}" if row.state is State.WAITING else f"held: {words}"
    return words + (f" (other series copied to {', '.join(done)})" if done else "")


def _trouble(route: RouteRow) -> str:
    where = f"{route.path}: " if route.path else ""
    meant = f" (perhaps {route.suggestion}?)" if route.suggestion else ""
    return f"{where}{route.reason}{meant}"
