"""Routing: each series goes where its own header says, or where a person asked for.

`plan` decides from rows alone; `route_study` does what was planned and writes down how it ended, first into the
study's record, then into the index. All of it can be repeated: what has been copied is seen to be there.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from mrdock.dock import queries, record
from mrdock.dock.clock import Now
from mrdock.dock.copying import copy_image
from mrdock.dock.destination import RouteTrouble, canonical, open_destination, resolve, trouble_of
from mrdock.dock.entries import Noted, RouteRow
from mrdock.dock.index import Index
from mrdock.dock.queries import InstanceRow, StudyRow
from mrdock.dock.settings import Settings
from mrdock.dock.states import Event, State, worst
from mrdock.dock.store import Store, StudyDirectory, lock_study
from mrdock.dock.taken import mark_all_taken, mark_taken

log = logging.getLogger("mrdock.route")

_FIRST_PAUSE: Final = 30.0
_LONGEST_PAUSE: Final = 3600.0
_BATCH: Final = 500

EVENT_OF: Final[Mapping[State, Event]] = {
    State.ROUTED: Event.ROUTED,
    State.WAITING: Event.PASSING_TROUBLE,
    State.HELD: Event.FAULT,
    State.KEPT: Event.NO_PATH,
}
"""What the state of a series means for its study."""


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """What is to be done with one series: copy ``names`` to ``path``, or nothing for the ``reason``."""

    series: str
    path: str
    asked: bool
    names: tuple[str, ...]
    reason: str = ""


def plan(
    images: Sequence[InstanceRow], routes: Mapping[str, RouteRow], asked_path: str | None = None
) -> list[SeriesPlan]:
    """Where the series of a study go, by their own headers or by what a person asked for. Series without a path: none.

    ``asked_path`` is for series that have no path of their own. Only images that are there and not copied yet are
    named.
    """
    by_series: defaultdict[str, list[InstanceRow]] = defaultdict(list)
    for image in images:
        by_series[image.series].append(image)
    plans = []
    for series, members in by_series.items():
        names = tuple(image.name for image in members if image.routed is None and image.taken is None)
        route = routes.get(series)
        paths = {canonical(image.path) for image in members if image.path is not None}
        if route is not None and route.asked:
            plans.append(SeriesPlan(series, route.path, True, names))
        elif len(paths) > 1:
            plans.append(SeriesPlan(series, "", False, names, "the images of the series name different paths"))
        elif paths:
            plans.append(SeriesPlan(series, paths.pop(), False, names))
        elif asked_path is not None:
            plans.append(SeriesPlan(series, asked_path, True, names))
    return plans


def pause(attempts: int) -> float:
    """Seconds until routing is tried again after trouble that passes."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts, 20))


def route_study(store: Store, index: Index, settings: Settings, row: StudyRow, now: Now) -> State:
    """Copy what is due of a study and write down how it ended. Never raises for what the disk or the header does."""
    directory = lock_study(store, row.directory, row.uid)
    if directory is None:
        mark_all_taken(index, row.uid, now)
        index.concluded(row.uid, Event.NO_PATH, row.version, (), next_try=0.0)
        return State.KEPT
    try:
        routes = {route.series: route for route in queries.routes_of(index, row.uid)}
        plans = plan(queries.instances_of(index, row.uid), routes, row.asked_path)
        rows = [_route_series(store, index, settings, directory, item, routes.get(item.series), now) for item in plans]
        changed = [new for new in rows if _differs(new, routes.get(new.series))]
        for new in changed:
            _write_down(directory, new)
        _announce(index, row, changed, now)
        return _conclude(index, row, rows, changed, now)
    finally:
        os.close(directory.descriptor)


def _conclude(index: Index, row: StudyRow, rows: Sequence[RouteRow], changed: Sequence[RouteRow], now: Now) -> State:
    event = worst(EVENT_OF[route.state] for route in rows)
    next_try, attempts = 0.0, 0
    if event is Event.PASSING_TROUBLE:
        attempts = row.attempts + 1
        next_try = now.wall + pause(row.attempts)
    index.concluded(row.uid, event, row.version, changed, next_try=next_try, attempts=attempts)
    return next(state for state, meaning in EVENT_OF.items() if meaning is event)


def _differs(new: RouteRow, old: RouteRow | None) -> bool:
    return old is None or replace(new, changed=old.changed) != old


def _route_series(
    store: Store,
    index: Index,
    settings: Settings,
    directory: StudyDirectory,
    item: SeriesPlan,
    old: RouteRow | None,
    now: Now,
) -> RouteRow:
    made = RouteRow(directory.study_uid, item.series, item.path, item.asked, State.ROUTED, "", "", now.wall)
    if item.reason:
        return replace(made, state=State.HELD, reason=item.reason)
    if not item.names and old is not None and old.state is State.ROUTED and old.path == item.path:
        return made
    try:
        destination = resolve(item.path, settings.route, store.root)
        if item.names:
            target = open_destination(destination, settings.route)
            try:
                _copy(store, index, settings, directory, item.names, target, now)
            except OSError as error:
                raise trouble_of(error) from error
            finally:
                os.close(target)
    except RouteTrouble as trouble:
        state = State.WAITING if trouble.passing else State.HELD
        return replace(made, state=state, reason=trouble.reason, suggestion=trouble.suggestion)
    return made


def _copy(
    store: Store,
    index: Index,
    settings: Settings,
    directory: StudyDirectory,
    names: Sequence[str],
    target: int,
    now: Now,
) -> None:
    """Copy a series' images, writing down in batches what has arrived for good."""
    owner = f"{store.root}/{directory.name}"
    for start in range(0, len(names), _BATCH):
        arrived, beside = [], []
        gone = False
        try:
            for name in names[start : start + _BATCH]:
                try:
                    there = copy_image(
                        name,
                        source_dir=directory.descriptor,
                        target_dir=target,
                        owner=owner,
                        mode=settings.route.file_mode,
                    )
                except FileNotFoundError:
                    gone = True
                else:
                    arrived.append(name)
                    if there != name:
                        beside.append(there)
        finally:
            if arrived:
                os.fsync(target)
                record.append(directory.descriptor, "routed", now.wall, names=arrived)
                index.set_routed(directory.study_uid, arrived, now.wall)
            if gone:
                mark_taken(directory, index, now)
        for there in beside:
            said = f"the destination had another file of this name: copied beside it as {there}"
            log.warning("%s: %s", directory.name, said, extra={"study": directory.study_uid})
            index.record([Noted(now.wall, "beside", directory.study_uid, said)])


def _write_down(directory: StudyDirectory, row: RouteRow) -> None:
    """Into the study's record; a disk that is too full for it does not stop anything: the index has it too."""
    facts = {"series": row.series, "path": row.path, "asked": row.asked, "state": row.state}
    with suppress(OSError):
        record.append(directory.descriptor, "route", row.changed, **facts, reason=row.reason, suggestion=row.suggestion)


def _announce(index: Index, study: StudyRow, rows: Sequence[RouteRow], now: Now) -> None:
    numbers = queries.series_numbers(index, study.uid)
    groups: defaultdict[tuple[State, str, str, str], list[int]] = defaultdict(list)
    for row in rows:
        number = numbers.get(row.series)
        groups[row.state, row.path, row.reason, row.suggestion].append(-1 if number is None else number)
    for (state, path, reason, suggestion), found in groups.items():
        series = f"series {', '.join('?' if number < 0 else str(number) for number in sorted(found))}"
        said = f"{series} copied to {path}"
        if state is not State.ROUTED:
            meant = f"; perhaps {suggestion} was meant" if suggestion else ""
            said = f"{series} {state}: {path + ': ' if path else ''}{reason}{meant}"
        level = logging.INFO if state is State.ROUTED else logging.WARNING
        log.log(level, "%s: %s", study.directory, said, extra={"study": study.uid, "state": str(state)})
        index.record([Noted(now.wall, str(state), study.uid, said)])


def ask(index: Index, store: Store, row: StudyRow, path: str | None, now: Now) -> None:
    """A person wants a study tried again, with ``path`` to there: its series that are not copied yet, or, where all
    are (or none has a path), every one of them."""
    directory = lock_study(store, row.directory, row.uid)
    images = queries.instances_of(index, row.uid)
    routes = {route.series: route for route in queries.routes_of(index, row.uid)}
    if path is not None:
        series = {image.series for image in images}
        open_series = {s for s in series if s not in routes or routes[s].state is not State.ROUTED} or series
        again = [image.name for image in images if image.series in open_series and image.routed is not None]
        rows = [
            RouteRow(row.uid, name, path, True, State.WAITING, "asked for by a person", "", now.wall)
            for name in sorted(open_series)
        ]
        if directory is not None:
            record.append(directory.descriptor, "asked", now.wall, path=path, again=again)
            for route in rows:
                _write_down(directory, route)
        index.set_routed(row.uid, again, None)
        index.save_routes(rows)
        index.set_study(row.uid, asked_path=path)
    if directory is not None:
        os.close(directory.descriptor)
    index.happened(row.uid, Event.ASKED, next_try=0.0, attempts=0)
