"""Routing: each series goes where its own header says, or where a person asked for.

`plan` decides from rows alone; `route_study` does what was planned and writes down how it ended, in the study's
record and in the index. All of it can be repeated: what has been copied is seen to be there. A person may ask for
something else while a job runs (`ask`); the job then ends, and what it has not written down yet it never does.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Final

from mrdock.dock import queries, record
from mrdock.dock.clock import Now
from mrdock.dock.copying import SourceGoneError, copy_image
from mrdock.dock.destination import RouteTrouble, open_destination, resolve, trouble_of
from mrdock.dock.entries import Noted, RouteRow
from mrdock.dock.index import Index
from mrdock.dock.queries import InstanceRow, StudyRow
from mrdock.dock.settings import Settings
from mrdock.dock.states import Event, State, worst
from mrdock.dock.store import Store, StudyDirectory, lock_study
from mrdock.dock.taken import mark_all_taken, mark_taken
from mrdock.files.durable import opened
from mrdock.files.locations import canonical

log = logging.getLogger("mrdock.route")

_FIRST_PAUSE: Final = 30.0
_LONGEST_PAUSE: Final = 3600.0
_BATCH: Final = 500
_BATCH_SECONDS: Final = 2.0

EVENT_OF: Final[Mapping[State, Event]] = {
    State.ROUTED: Event.ROUTED,
    State.WAITING: Event.PASSING_TROUBLE,
    State.HELD: Event.FAULT,
    State.KEPT: Event.NO_PATH,
}
"""What the state of a series means for its study."""


@dataclass(frozen=True, slots=True)
class SeriesPlan:
    """What is to be done with one series: copy ``names`` to ``path``, or nothing for the ``reason``.

    ``copied``: some of its images are there already.
    """

    series: str
    path: str
    asked: bool
    names: tuple[str, ...]
    reason: str = ""
    copied: bool = False


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
        copied = any(image.routed is not None for image in members)
        if route is not None and route.asked:
            plans.append(SeriesPlan(series, route.path, True, names, copied=copied))
        elif len(paths) > 1:
            plans.append(SeriesPlan(series, "", False, names, "the images of the series name different paths", copied))
        elif paths:
            plans.append(SeriesPlan(series, paths.pop(), False, names, copied=copied))
        elif asked_path is not None:
            plans.append(SeriesPlan(series, asked_path, True, names, copied=copied))
    return plans


def destinations(index: Index, row: StudyRow) -> frozenset[str]:
    """The paths that images of a study are to be copied to now."""
    routes = {route.series: route for route in queries.routes_of(index, row.uid)}
    plans = plan(queries.instances_of(index, row.uid), routes, row.asked_path)
    return frozenset(item.path for item in plans if item.names and not item.reason)


def pause(attempts: int) -> float:
    """Seconds until routing is tried again after trouble that passes."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts, 20))


@dataclass(frozen=True, slots=True)
class _Job:
    """One study being copied."""

    store: Store
    index: Index
    settings: Settings
    row: StudyRow
    directory: StudyDirectory
    now: Now
    at: Callable[[str], None]


class _OvertakenError(Exception):
    """An image came or a person asked while the study was copied: it has to be planned anew."""


def route_study(
    store: Store,
    index: Index,
    settings: Settings,
    row: StudyRow,
    now: Now,
    at: Callable[[str], None] = lambda _: None,
) -> None:
    """Copy what is due of a study and write down how it ended. Never raises for what the disk or the header does.

    ``at`` is told each path before it is looked at.
    """
    routes = {route.series: route for route in queries.routes_of(index, row.uid)}
    plans = plan(queries.instances_of(index, row.uid), routes, row.asked_path)
    try:
        directory = lock_study(store, row.directory, row.uid)
        if directory is None:
            _check_gone(store, row)
            mark_all_taken(index, row.uid, now)
            index.concluded(row.uid, Event.NO_PATH, row.version, (), next_try=0.0)
            return
        try:
            job = _Job(store, index, settings, row, directory, now, at)
            _conclude(job, [_route_series(job, item) for item in plans], routes)
        finally:
            os.close(directory.descriptor)
    except _OvertakenError:
        index.set_study(row.uid, copying=None)
        log.info("%s: changed while it was copied; it will be looked at again", row.directory)
    except OSError as error:
        _put_off(index, row, plans, f"the store cannot be read: {trouble_of(error).reason}", now)


def _put_off(index: Index, row: StudyRow, plans: Sequence[SeriesPlan], reason: str, now: Now) -> None:
    """The study's own directory cannot be read at the moment: nothing is known of it, and it is tried again."""
    due = [item for item in plans if item.names and not item.reason]
    rows = [RouteRow(row.uid, item.series, item.path, item.asked, State.WAITING, reason, "", now.wall) for item in due]
    log.warning("%s waiting: %s", row.directory, reason, extra={"study": row.uid})
    index.concluded(row.uid, Event.PASSING_TROUBLE, row.version, rows, **_next_try(row, now))


def _next_try(row: StudyRow, now: Now) -> dict[str, float]:
    return {"next_try": now.wall + pause(row.attempts), "attempts": row.attempts + 1}


def _conclude(job: _Job, rows: Sequence[RouteRow], routes: Mapping[str, RouteRow]) -> None:
    """Write down where the series stand now, and move the study."""
    event = worst(EVENT_OF[route.state] for route in rows)
    tried = _next_try(job.row, job.now) if event is Event.PASSING_TROUBLE else {"next_try": 0.0, "attempts": 0}
    changed = [new for new in rows if _differs(new, routes.get(new.series))]
    with _turn(job.directory):
        study = queries.study(job.index, job.row.uid)
        if study is None or study.version != job.row.version:
            raise _OvertakenError
        for new in changed:
            _write_down(job.directory, new)
        if not job.index.concluded(job.row.uid, event, job.row.version, changed, **tried):
            raise _OvertakenError
    _announce(job.index, job.row, changed, job.now)


@contextmanager
def _turn(directory: StudyDirectory) -> Iterator[None]:
    """Hold the study's record, so that the job and the person who asks write record and index in the same order."""
    with opened(record.NAME, os.O_RDWR | os.O_NOFOLLOW, directory=directory.descriptor) as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _differs(new: RouteRow, old: RouteRow | None) -> bool:
    return old is None or replace(new, changed=old.changed) != old


def _route_series(job: _Job, item: SeriesPlan) -> RouteRow:
    made = RouteRow(job.row.uid, item.series, item.path, item.asked, State.ROUTED, "", "", job.now.wall)
    taken = replace(made, state=State.KEPT, reason="its images were taken out of the store")
    if not item.names and not item.copied:
        return taken
    if item.reason:
        return replace(made, state=State.HELD, reason=item.reason)
    if not item.names:
        return made
    try:
        settings = job.settings.route
        job.at(item.path)
        destination = resolve(item.path, settings, job.store.root)
        target = open_destination(destination, settings, _owner(job))
        try:
            arrived = _copy(job, item.names, target)
        except OSError as error:
            raise trouble_of(error, meanwhile=True) from error
        finally:
            os.close(target)
    except RouteTrouble as trouble:
        state = State.WAITING if trouble.passing else State.HELD
        return replace(made, state=state, reason=trouble.reason, suggestion=trouble.suggestion)
    return made if arrived or item.copied else taken


def _owner(job: _Job) -> str:
    """A name for unfinished copies that no other job uses, and that is the same after a crash."""
    return f"{job.store.root}/{job.directory.name}"


def _check_gone(store: Store, row: StudyRow) -> None:
    if row.directory in store.study_names():
        raise OSError(errno.EBUSY, "the study's directory is another's now", row.directory)


def _copy(job: _Job, names: Sequence[str], target: int) -> int:
    """Copy a series' images, writing down in batches what has arrived for good; returns how many did."""
    left = deque(names)
    count, gone = 0, False
    while left:
        arrived: list[str] = []
        beside: list[str] = []
        made: list[str] = []
        until = time.monotonic() + _BATCH_SECONDS
        try:
            while left and len(arrived) < _BATCH and time.monotonic() < until:
                name = left.popleft()
                try:
                    there = copy_image(
                        name,
                        source_dir=job.directory.descriptor,
                        target_dir=target,
                        owner=_owner(job),
                        mode=job.settings.route.file_mode,
                        made=made,
                    )
                except SourceGoneError:
                    gone = True
                else:
                    arrived.append(name)
                    if there != name:
                        beside.append(there)
        finally:
            if arrived:
                _sync(target, made)
                _arrived(job, arrived, beside)
        count += len(arrived)
    if gone:
        _check_taken(job, names)
    return count


def _sync(target: int, made: Sequence[str]) -> None:
    """Make the names of a batch durable. Raises `OSError`, and then takes away the copies that were made.

    They would look whole to the next try, whose fsync may well succeed: the kernel tells of lost data once.
    """
    try:
        os.fsync(target)
    except OSError:
        for name in made:
            with suppress(OSError):
                os.unlink(name, dir_fd=target)
        raise


def _arrived(job: _Job, names: Sequence[str], beside: Sequence[str]) -> None:
    """Write a durable batch down, unless nobody wants it there any more."""
    with _turn(job.directory):
        if not job.index.set_routed(job.row.uid, names, job.now.wall, version=job.row.version):
            raise _OvertakenError
        try:
            record.append(job.directory.descriptor, "routed", job.now.wall, names=list(names))
        except OSError:
            job.index.set_routed(job.row.uid, names, None, version=job.row.version)
            raise
    for there in beside:
        said = f"the destination had another file of this name: copied beside it as {there}"
        log.warning("%s: %s", job.directory.name, said, extra={"study": job.row.uid})
        job.index.record([Noted(job.now.wall, "beside", job.row.uid, said)])


def _check_taken(job: _Job, names: Sequence[str]) -> None:
    """Images were gone when their turn came: mark them. Raises `RouteTrouble` where one is there after all."""
    mark_taken(job.directory, job.index, job.now)
    images = queries.instances_of(job.index, job.row.uid)
    if set(names) & {image.name for image in images if image.routed is None and image.taken is None}:
        raise RouteTrouble("images were moved while they were copied", passing=True)


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
        level = logging.INFO if state in (State.ROUTED, State.KEPT) else logging.WARNING
        log.log(level, "%s: %s", study.directory, said, extra={"study": study.uid, "state": str(state)})
        index.record([Noted(now.wall, str(state), study.uid, said)])


def ask(index: Index, store: Store, row: StudyRow, path: str | None, now: Now) -> None:
    """A person wants a study tried again, with ``path`` to there: its series that are not copied yet, or, where all
    are, every one of them; not those that were taken. Raises `OSError` where the record cannot be written."""
    directory = lock_study(store, row.directory, row.uid)
    try:
        with nullcontext() if directory is None else _turn(directory):
            if path is not None:
                _redirect(index, row.uid, directory, path, now)
            elif directory is not None:
                record.append(directory.descriptor, "asked", now.wall, path=None, again=[])
            index.happened(row.uid, Event.ASKED, next_try=0.0, attempts=0)
    finally:
        if directory is not None:
            os.close(directory.descriptor)


def _redirect(index: Index, study: str, directory: StudyDirectory | None, path: str, now: Now) -> None:
    images = queries.instances_of(index, study)
    routes = {route.series: route for route in queries.routes_of(index, study)}
    series = {image.series for image in images if image.taken is None} or {image.series for image in images}
    open_series = {s for s in series if s not in routes or routes[s].state is not State.ROUTED} or series
    again = [image.name for image in images if image.series in open_series and image.routed is not None]
    rows = [
        RouteRow(study, name, path, True, State.WAITING, "asked for by a person", "", now.wall)
        for name in sorted(open_series)
    ]
    if directory is not None:
        record.append(directory.descriptor, "asked", now.wall, path=path, again=again)
        for route in rows:
            _write_down(directory, route)
    index.set_routed(study, again, None)
    index.save_routes(rows)
    index.set_study(study, asked_path=path)
