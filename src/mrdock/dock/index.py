"""The index: what is in the store, in a database. The files are the truth; this answers questions about them.

All SQL of the dock is here, in `statements` and in `queries`; every method is one transaction. SQLite (a file in the
store) or PostgreSQL, the same statements on both.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection, Engine, case, delete, func, select, text, update
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    SQLAlchemyError,
    StatementError,
)

from mrdock.dock import tables as t
from mrdock.dock.clock import Now
from mrdock.dock.entries import Closed, Entry, Noted, Opened, Received, RouteRow
from mrdock.dock.statements import (
    clean,
    each,
    fit,
    insert_new,
    instance_row,
    new_study_row,
    noted_row,
    opened_row,
    replace,
    route_row,
    series_row,
)
from mrdock.dock.states import TRANSITIONS, Event, State
from mrdock.errors import StaleIndexError, StoreError

_SAME: Final = 2e-6  # records and receipts keep microseconds
_DAMAGE: Final = ("malformed", "not a database", "disk image")


class UnwritableError(StoreError):
    """A row that the database does not take, whatever its state."""


def _is_of_a_row(error: Exception) -> bool:
    """Whether a row is to blame, and not the database: then all others can be written."""
    return isinstance(error, UnwritableError) or not isinstance(error, StoreError)


class Index:
    """An open index."""

    def __init__(self, engine: Engine) -> None:
        """Use `open_index`."""
        self._engine = engine

    @property
    def is_shared(self) -> bool:
        """Whether several hosts may work on it."""
        return self._engine.dialect.name == "postgresql"

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that reads."""
        with _translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes; on SQLite it waits for its turn first."""
        with _translated(), self._engine.connect() as connection:
            writing = connection.execution_options(mrdock_write=True)
            with writing.begin():
                yield writing

    # ---- receiving ----

    def record(self, entries: Sequence[Entry], facts: Mapping[str, str] | None = None) -> None:
        """Write a batch of what was received, in the order it happened, and facts with it, whole or not at all.

        A batch may be repeated before other things happen to its studies: the images come again, nothing is doubled.
        """
        entries = [fit(entry) for entry in entries]
        with self.write() as connection:
            insert_new(
                connection, t.associations, [opened_row(entry) for entry in entries if isinstance(entry, Opened)]
            )
            received = [entry for entry in entries if isinstance(entry, Received)]
            if received:
                self._record_images(connection, received)
            for entry in entries:
                if isinstance(entry, Closed):
                    values = {"ended": entry.ended, "how": entry.how, "stored": entry.stored, "refused": entry.refused}
                    row = t.associations.c.id == entry.id
                    connection.execute(update(t.associations).where(row).values(values))
            notes = [noted_row(entry) for entry in entries if isinstance(entry, Noted)]
            if notes:
                insert_new(connection, t.events, notes)
            if facts:
                replace(connection, t.facts, [{"name": name, "value": facts[name]} for name in facts], ("name",))

    def record_each(
        self, entries: Sequence[Entry], facts: Mapping[str, str] | None = None
    ) -> list[tuple[Entry, Exception]]:
        """As `record`, but an entry that cannot be written is left out; returns those. Raises `StoreError`."""
        try:
            self.record(entries, facts)
        except Exception as failed:
            if not _is_of_a_row(failed):
                raise
            left_out: list[tuple[Entry, Exception]] = []
            for entry in entries:
                try:
                    self.record([entry])
                except Exception as error:
                    if not _is_of_a_row(error):
                        raise
                    left_out.append((entry, error))
            self.record([], facts)
            return left_out
        return []

    def _record_images(self, connection: Connection, received: Sequence[Received]) -> None:
        by_study: defaultdict[str, list[Received]] = defaultdict(list)
        for image in received:
            by_study[image.study].append(image)
        for study, images in sorted(by_study.items()):  # in one order, so that two writers cannot block each other
            last = images[-1]
            first_received, last_received = min(i.received for i in images), max(i.received for i in images)
            insert_new(connection, t.studies, [new_study_row(last, first_received)])
            connection.execute(
                update(t.studies)
                .where(t.studies.c.uid == study)
                .values(
                    state=State.RECEIVING,
                    directory=last.directory,
                    version=t.studies.c.version + 1,
                    first_received=func.least(t.studies.c.first_received, first_received),
                    last_received=func.greatest(t.studies.c.last_received, last_received),
                    active_monotonic=last.monotonic,
                    active_boot=last.boot,
                    attempts=0,
                    next_try=0.0,
                    announced=None,
                )
            )
        series = {(i.study, i.series): series_row(i) for i in reversed(received)}  # the first image's counts
        insert_new(connection, t.series, [series[key] for key in sorted(series)])
        contributions = {(i.association, i.study) for i in received if i.association}
        insert_new(connection, t.contributions, [{"association": a, "study": s} for a, s in sorted(contributions)])
        # an image that somebody took and that comes again is there again, and to be routed again
        replace(connection, t.instances, [instance_row(i) for i in received], ("study", "name"))

    def end_associations(self, wall: float, how: str, worker: str | None = None) -> None:
        """Close what a worker that died left open; None: what any did."""
        statement = update(t.associations).where(t.associations.c.ended.is_(None)).values(ended=wall, how=how)
        if worker is not None:
            statement = statement.where(t.associations.c.worker == worker)
        with self.write() as connection:
            connection.execute(statement)

    def restart_timers(self, now: Now) -> None:
        """Let every study that is being received be quiet for the whole time again."""
        with self.write() as connection:
            connection.execute(
                update(t.studies)
                .where(t.studies.c.state == State.RECEIVING)
                .values(active_monotonic=now.monotonic, active_boot=now.boot)
            )
            connection.execute(update(t.studies).values(copying=None))

    # ---- a study's life ----

    def happened(self, study: str, what: Event, *, version: int | None = None, **values: Any) -> bool:
        """Move a study along `states.TRANSITIONS`; False where it is in no state that allows it.

        With ``version`` only if neither an image came nor a person asked since that version.
        """
        with self.write() as connection:
            return _move(connection, study, what, version, values)

    def concluded(self, study: str, what: Event, version: int, rows: Iterable[RouteRow], **values: Any) -> bool:
        """Routing came to an end: write where the series stand and move the study, in one step.

        If the study changed meanwhile nothing is written; it will be routed again, and finds what was copied.
        """
        with self.write() as connection:
            connection.execute(update(t.studies).where(t.studies.c.uid == study).values(copying=None))
            if not _move(connection, study, what, version, values):
                return False
            _save_routes(connection, rows)
            return True

    def set_study(self, study: str, **values: Any) -> None:
        """Change other columns of a study."""
        with self.write() as connection:
            changed = {name: clean(value) for name, value in values.items()}
            connection.execute(update(t.studies).where(t.studies.c.uid == study).values(changed))

    def save_routes(self, rows: Iterable[RouteRow]) -> None:
        """Write where series go and how far that came."""
        with self.write() as connection:
            _save_routes(connection, rows)

    def set_routed(self, study: str, names: Iterable[str], wall: float | None, *, version: int | None = None) -> bool:
        """Images were copied to where their series goes (None: are to be copied again).

        With ``version`` only if neither an image came nor a person asked since that version; False where one did.
        """
        with self.write() as connection:
            if version is not None:
                query = select(t.studies.c.version).where(t.studies.c.uid == study).with_for_update()
                if connection.execute(query).scalar() != version:
                    return False
            each(connection, study, names, routed=wall)
            return True

    def set_taken(self, study: str, names: Iterable[str], wall: float | None) -> None:
        """Images are no longer in the store: somebody took them (None: they are back)."""
        with self.write() as connection:
            each(connection, study, names, taken=wall)

    # what a study's record tells; images that came after that are not meant, and what is newer stays

    def tell_routed(self, study: str, names: Iterable[str], wall: float) -> None:
        """Images were copied then."""
        with self.write() as connection:
            each(connection, study, names, t.instances.c.received <= wall + _SAME, routed=wall)

    def tell_taken(self, study: str, names: Iterable[str], wall: float) -> None:
        """Images were found taken then."""
        with self.write() as connection:
            each(connection, study, names, t.instances.c.received <= wall + _SAME, taken=wall)

    def tell_asked(self, study: str, again: Iterable[str], path: str | None, wall: float) -> None:
        """A person asked then that images are copied again, and (with ``path``) where to."""
        with self.write() as connection:
            each(connection, study, again, t.instances.c.routed <= wall + _SAME, routed=None)
            if path is not None:
                connection.execute(update(t.studies).where(t.studies.c.uid == study).values(asked_path=clean(path)))

    def tell_route(self, row: RouteRow) -> None:
        """A series stood so then."""
        c = t.routes.c
        newer = (c.study == row.study) & (c.series == row.series) & (c.changed > row.changed + _SAME)
        with self.write() as connection:
            if connection.execute(select(c.series).where(newer)).first() is None:
                _save_routes(connection, [row])

    def tell_complete(self, study: str, wall: float, looks: str) -> None:
        """The study was complete then, and looked so."""
        c = t.studies.c
        older = c.completed.is_(None) | (c.completed <= wall + _SAME)
        with self.write() as connection:
            connection.execute(update(t.studies).where(c.uid == study, older).values(completed=wall, looks=looks))

    def forget_study(self, study: str) -> None:
        """Remove a study and all that belongs to it."""
        with self.write() as connection:
            for table in (t.instances, t.series, t.routes, t.contributions):
                connection.execute(delete(table).where(table.c.study == study))
            connection.execute(delete(t.studies).where(t.studies.c.uid == study))

    def clear(self) -> None:
        """Empty what can be rebuilt from the files; associations and events stay."""
        with self.write() as connection:
            for table in (t.instances, t.series, t.routes, t.studies):
                connection.execute(delete(table))

    def prune(self, before_wall: float) -> None:
        """Forget associations and events that ended before a moment."""
        with self.write() as connection:
            connection.execute(delete(t.events).where(t.events.c.at < before_wall))
            old = select(t.associations.c.id).where(t.associations.c.ended < before_wall)
            connection.execute(delete(t.contributions).where(t.contributions.c.association.in_(old)))
            connection.execute(delete(t.associations).where(t.associations.c.ended < before_wall))

    # ---- facts ----

    def fact(self, name: str) -> str | None:
        """One fact of `tables.facts`."""
        with self.read() as connection:
            value = connection.execute(select(t.facts.c.value).where(t.facts.c.name == name)).scalar()
        return None if value is None else str(value)

    def set_fact(self, name: str, value: str) -> None:
        """Write one fact."""
        with self.write() as connection:
            replace(connection, t.facts, [{"name": name, "value": value}], ("name",))

    def drop_fact(self, name: str) -> None:
        """Forget one fact."""
        with self.write() as connection:
            connection.execute(delete(t.facts).where(t.facts.c.name == name))

    # ---- one host a study ----

    @contextmanager
    def claim(self, study: str) -> Iterator[bool]:
        """Hold a study for this host, where several share the index; False where another one has it."""
        if not self.is_shared:
            yield True
            return
        key = int.from_bytes(hashlib.sha256(study.encode()).digest()[:8], "big", signed=True)
        with _translated(), self._engine.connect() as held:
            connection = held.execution_options(isolation_level="AUTOCOMMIT")  # no transaction is open all the while
            got = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar())
            try:
                yield got
            finally:
                if got:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _move(connection: Connection, study: str, what: Event, version: int | None, values: dict[str, Any]) -> bool:
    c = t.studies.c
    ways = {str(state): str(events[what]) for state, events in TRANSITIONS.items() if what in events}
    condition = (c.uid == study) & c.state.in_(ways)
    if version is not None:
        condition &= c.version == version
    changed: dict[str, Any] = {name: clean(value) for name, value in values.items()}
    changed["state"] = case(ways, value=c.state)
    if what is Event.ASKED:
        changed["version"] = c.version + 1
    # one statement: between a question and a change another writer could come
    return bool(connection.execute(update(t.studies).where(condition).values(changed)).rowcount)


def _save_routes(connection: Connection, rows: Iterable[RouteRow]) -> None:
    values = [route_row(row) for row in rows]
    if values:
        replace(connection, t.routes, values, ("study", "series"))


@contextmanager
def _translated() -> Iterator[None]:
    """Database errors as the dock's own; what a row of its own is to blame for stays what it is."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise UnwritableError(f"the index cannot be used: {_reason(error)}") from error
    except SQLAlchemyError as error:
        if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
            raise UnwritableError(f"the index cannot be used: {_reason(error)}") from error
        reason = _reason(error)
        damaged = isinstance(error, DatabaseError) and any(word in reason for word in _DAMAGE)
        kind = StaleIndexError if damaged else StoreError
        raise kind(f"the index cannot be used: {reason}") from error


def _reason(error: SQLAlchemyError) -> str:
    """The first line: those behind it may quote the row."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
