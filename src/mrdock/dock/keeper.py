"""What the dock does by the clock: complete, route, expire. What is due is a question to the index, asked by `tick`."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final

from mrdock.dock import queries, record, retention
from mrdock.dock.clock import Now, local
from mrdock.dock.entries import Noted
from mrdock.dock.index import Index
from mrdock.dock.jobs import CopyJobs
from mrdock.dock.queries import StudyRow
from mrdock.dock.routing import destinations, route_study
from mrdock.dock.settings import Settings
from mrdock.dock.states import Event
from mrdock.dock.store import Store, StudyDirectory, lock_study
from mrdock.dock.taken import mark_all_taken, mark_taken
from mrdock.dock.words import counted
from mrdock.errors import StoreError
from mrdock.sorting.wholeness import ImageFacts, judge_series

log = logging.getLogger("mrdock.dock")

JUMP: Final = 3600.0
"""The wall clock moved this much (seconds) more or less than time passed: it was set, and ages by it may be wrong."""

OFF_LONG: Final = 7 * 86400.0
"""A dock that was off this long cannot tell whether time passed or the clock was set."""

_NOTE_CLOCK: Final = 60.0
_LOOK_FOR_TAKEN: Final = 900.0
_ANNOUNCE: Final = 60.0
_AFTER_A_FAULT: Final = 300.0
_FORGET_DAYS: Final = 180.0

CLOCK = "clock"
SWEPT = "swept"
JUMPED = "jumped"


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """How one form of a series looks: whole, not whole, or (None) the headers promise nothing to compare with."""

    series: str
    form: str
    whole: bool | None
    text: str


def run_now(job: Callable[[], None]) -> None:
    """Run a job in the caller's thread."""
    job()


def run_beside(job: Callable[[], None]) -> None:
    """Run a job in a thread of its own, so that a destination that hangs keeps nothing else waiting."""
    threading.Thread(target=job, name="copy", daemon=True).start()


class Keeper:
    """Does what is due. One per store; every job can be repeated without harm."""

    def __init__(
        self,
        store: Store,
        index: Index,
        settings: Settings,
        launch: Callable[[Callable[[], None]], None] = run_now,
    ) -> None:
        """``launch`` starts a copying job."""
        self.store = store
        self.index = index
        self.settings = settings
        self._launch = launch
        self._jobs = CopyJobs(settings.route)
        self._room_again = False
        self._wanted: dict[str, tuple[int, frozenset[str]]] = {}
        self._last: Now | None = None
        self._clock_noted = float("-inf")
        self._looked = float("-inf")
        self._announced = float("-inf")
        self._looked_at: dict[str, int | None] = {}
        self._stopping = False

    @property
    def busy(self) -> bool:
        """Whether a copying job is running."""
        return bool(self._jobs)

    def stop(self) -> None:
        """Start no further job."""
        self._stopping = True

    def tick(self, now: Now) -> None:
        """Do what is due at ``now``. Raises `StoreError` where the index cannot be used: nothing is lost by it."""
        self._watch_clock(now)
        self.complete(now)
        self.route(now)
        if now.monotonic - self._looked >= _LOOK_FOR_TAKEN:
            self._looked = now.monotonic
            self._look_for_taken(now)
        if now.monotonic - self._announced >= _ANNOUNCE:
            self._announced = now.monotonic
            self._announce(now)
        self._sweep(now)

    # ---- completion ----

    def complete(self, now: Now) -> None:
        """Studies that are quiet and fed by nobody are complete."""
        for study in queries.quiet_studies(self.index, now, self.settings.completion.quiet_seconds):
            self._complete_one(study, now)

    def _complete_one(self, study: StudyRow, now: Now) -> None:
        looks = looks_of(self.index, study)
        text = json.dumps([dataclasses.asdict(look) for look in looks])
        missing = [look.text for look in looks if look.whole is False]
        try:
            with locked(self.store, study) as directory:
                if directory is not None:
                    mark_taken(directory, self.index, now)
                    record.append(directory.descriptor, "complete", now.wall, looks=text)
        except OSError as error:
            log.warning("%s: its record cannot be written: %s", study.directory, error.strerror)
        values = {"completed": now.wall, "looks": text, "next_try": 0.0}
        if not self.index.happened(study.uid, Event.QUIET, version=study.version, **values):
            return
        count = queries.counts(self.index, study.uid).get(study.uid)
        images = f"{counted(count.images, 'image')} in {count.series} series" if count else "no images"
        log.info("%s complete: %s", study.directory, images, extra={"study": study.uid})
        for line in missing:
            log.warning("%s: %s", study.directory, line, extra={"study": study.uid})
        self.index.record([Noted(now.wall, "complete", study.uid, "; ".join([images, *missing]))])

    # ---- routing ----

    def route(self, now: Now) -> None:
        """Copy what is due, each study in a job of its own, as far as there is room where it goes."""
        due = [study for study in queries.studies_to_route(self.index, now) if study.uid not in self._jobs]
        self._wanted = {study.uid: self._wanted[study.uid] for study in due if study.uid in self._wanted}
        for study in due:
            if self._stopping or self._jobs.full:
                return
            if self._jobs.begin(study.uid, self._destinations(study)):
                try:
                    self.index.set_study(study.uid, copying=now.wall)
                    self._launch(lambda study=study: self._route_one(study, now))  # type: ignore[misc]
                except BaseException:
                    self._jobs.end(study.uid)
                    raise

    def go_on(self, now: Now) -> None:
        """Between two ticks: copy what waited for room, when a copy has ended."""
        if self._room_again:
            self._room_again = False
            self.route(now)

    def _destinations(self, study: StudyRow) -> frozenset[str]:
        """Where a study goes, asked for once: hundreds may wait for a place that hangs."""
        version, paths = self._wanted.get(study.uid, (-1, frozenset()))
        if version != study.version:
            try:
                paths = destinations(self.index, study)
            except StoreError:
                raise
            except Exception:  # noqa: BLE001 - a fault with one study is its own job's, which meets it and says so
                paths = frozenset()
            self._wanted[study.uid] = (study.version, paths)
        return paths

    def _route_one(self, study: StudyRow, now: Now) -> None:
        try:
            with self.index.claim(study.uid) as mine:
                if mine:
                    at = partial(self._jobs.move, study.uid)
                    route_study(self.store, self.index, self.settings, study, now, at)
        except StoreError as error:
            log.error("%s: %s", study.directory, error)  # noqa: TRY400 - expected, and tried again
        except Exception:  # the edge of a job: a fault with one study leaves the others alone
            log.exception("%s: copying ended by an error of ours; it is tried again later", study.directory)
            with suppress(StoreError):
                self.index.set_study(study.uid, next_try=now.wall + _AFTER_A_FAULT, copying=None)
        finally:
            self._jobs.end(study.uid)
            self._room_again = True

    # ---- what people took ----

    def _look_for_taken(self, now: Now) -> None:
        """Look into the directories that changed since the last look."""
        studies = queries.all_studies(self.index)
        there = {study.directory for study in studies}
        self._looked_at = {name: changed for name, changed in self._looked_at.items() if name in there}
        for study in studies:
            try:
                changed = self._changed(study)
                if self._looked_at.get(study.directory) == changed:
                    continue
                if changed is None:
                    mark_all_taken(self.index, study.uid, now)
                with locked(self.store, study) as directory:
                    if directory is not None:
                        mark_taken(directory, self.index, now)
                self._looked_at[study.directory] = changed
            except OSError as error:
                log.warning("%s: cannot be looked into: %s", study.directory, error.strerror)

    def _changed(self, study: StudyRow) -> int | None:
        """When a study's directory changed last (ns), None where it is gone."""
        try:
            return os.stat(study.directory, dir_fd=self.store.descriptor).st_mtime_ns
        except FileNotFoundError:
            return None

    # ---- retention ----

    def _watch_clock(self, now: Now) -> None:
        """Notice a clock that was set: while running by the monotonic clock, over a restart by the last time noted."""
        last, self._last = self._last, now
        if last is None:
            noted = self.index.fact(CLOCK)
            gap = now.wall - float(noted) if noted else 0.0
            jumped = gap < -JUMP or gap > OFF_LONG
        else:
            jumped = abs((now.wall - last.wall) - (now.monotonic - last.monotonic)) > JUMP
        if jumped and self.index.fact(JUMPED) is None:
            self.index.set_fact(JUMPED, str(now.wall))
            said = (
                "the clock jumped, or the dock was off for long: nothing is deleted until mrdock sweep is run by hand"
            )
            log.warning("%s", said)
            self.index.record([Noted(now.wall, "clock", None, said)])
        if now.monotonic - self._clock_noted >= _NOTE_CLOCK or jumped:
            self._clock_noted = now.monotonic
            self.index.set_fact(CLOCK, str(now.wall))

    def _announce(self, now: Now) -> None:
        """Say once of each held study that it is about to go."""
        for study, goes in retention.to_announce(queries.all_studies(self.index), now.wall, self.settings.retention):
            if study.announced is None:
                said = f"held, and will be deleted after {local(goes)} unless its route is mended"
                log.warning("%s: %s", study.directory, said, extra={"study": study.uid})
                self.index.record([Noted(now.wall, "announced", study.uid, said)])
                self.index.set_study(study.uid, announced=now.wall)

    def _sweep(self, now: Now) -> None:
        last = self.index.fact(SWEPT)
        if last is None:
            self.index.set_fact(SWEPT, str(now.wall))  # a new dock's first sweep is that of its first night
            return
        if not retention.sweep_due(float(last), now.wall, self.settings.retention.hour):
            return
        if self.index.fact(JUMPED) is None:
            self._try_sweep(now)
        self.index.set_fact(SWEPT, str(now.wall))

    def _try_sweep(self, now: Now) -> None:
        try:
            sweep(self.store, self.index, self.settings, now)
        except (StoreError, OSError) as error:
            log.error("the nightly sweep: %s", error)  # noqa: TRY400 - expected, and tried the next night


@contextmanager
def locked(store: Store, study: StudyRow) -> Iterator[StudyDirectory | None]:
    """A study's directory, locked against deletion, for the length of a with block; None where it is gone."""
    directory = lock_study(store, study.directory, study.uid)
    try:
        yield directory
    finally:
        if directory is not None:
            os.close(directory.descriptor)


def check_clock(index: Index, now: Now) -> None:
    """Raise `StoreError` where the clock stands before what the index has seen: ages would be wrong."""
    noted = index.fact(CLOCK)
    if noted is not None and now.wall < float(noted) - JUMP:
        raise StoreError(f"the clock says {local(now.wall)}, but the dock has seen {local(float(noted))}: set it first")


def confirm_clock(index: Index, now: Now) -> None:
    """A person vouches for the clock: nightly sweeps may go on."""
    index.set_fact(CLOCK, str(now.wall))
    index.drop_fact(JUMPED)


def sweep(store: Store, index: Index, settings: Settings, now: Now) -> list[tuple[retention.Expiry, str]]:
    """Delete what is old, and write down what went."""
    results = retention.sweep(store, index, now.wall, settings.retention)
    gone = [expiry for expiry, stayed in results if expiry.goes and not stayed]
    index.record([Noted(now.wall, "deleted", e.study.uid, f"{e.study.directory}: {e.why}") for e in gone])
    index.prune(now.wall - _FORGET_DAYS * retention.DAY)
    return results


def looks_of(index: Index, study: StudyRow) -> list[Look]:
    """How each series looks, by its headers; its Enhanced and its classic form counted apart."""
    by_series: defaultdict[str, list[ImageFacts]] = defaultdict(list)
    for image in queries.instances_of(index, study.uid):
        by_series[image.series].append(ImageFacts.from_json(image.facts))
    numbers = queries.series_numbers(index, study.uid)
    looks = []
    for series in sorted(by_series, key=lambda uid: (numbers.get(uid) is None, numbers.get(uid) or 0, uid)):
        number = numbers.get(series)
        for verdict in judge_series(by_series[series]):
            text = f"series {'?' if number is None else number} ({verdict.form}): {verdict.text}"
            looks.append(Look(series, verdict.form, verdict.whole, text))
    return looks
