"""The index: what is in the store, in a database. The files are the truth; this answers questions about them.

All SQL of the dock is here, in `statements` and in `queries`; every method is one transaction. SQLite (a file in the
store) or PostgreSQL, the same statements on both.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, delete, event, func, insert, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, SQLAlchemyError

from mrdock.dock import tables as t
from mrdock.dock.clock import Now
from mrdock.dock.entries import Closed, Entry, Noted, Opened, Received, RouteRow
from mrdock.dock.statements import (
    each,
    insert_new,
    instance_row,
    new_study_row,
    noted_row,
    opened_row,
    replace,
    route_row,
    series_row,
)
from mrdock.dock.states import Event, State, after, before
from mrdock.errors import MrdockError, StaleIndexError, StoreError

_BUSY_MS: Final = 30_000
_DAMAGE: Final = ("malformed", "not a database", "disk image")


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
        """Write a batch of what was received, in the order it happened, and facts with it.

        Repeating a batch does no harm.
        """
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
                connection.execute(insert(t.events), notes)
            if facts:
                replace(connection, t.facts, [{"name": name, "value": facts[name]} for name in facts], ("name",))

    def _record_images(self, connection: Connection, received: Sequence[Received]) -> None:
        by_study: defaultdict[str, list[Received]] = defaultdict(list)
        for image in received:
            by_study[image.study].append(image)
        for study, images in by_study.items():
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
        insert_new(connection, t.series, list({(i.study, i.series): series_row(i) for i in received}.values()))
        contributions = {(i.association, i.study) for i in received if i.association}
        insert_new(connection, t.contributions, [{"association": a, "study": s} for a, s in contributions])
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
            connection.execute(update(t.studies).where(t.studies.c.uid == study).values(values))

    def save_routes(self, rows: Iterable[RouteRow]) -> None:
        """Write where series go and how far that came."""
        with self.write() as connection:
            _save_routes(connection, rows)

    def set_routed(self, study: str, names: Iterable[str], wall: float | None) -> None:
        """Images were copied to where their series goes (None: are to be copied again)."""
        with self.write() as connection:
            each(connection, study, names, routed=wall)

    def set_taken(self, study: str, names: Iterable[str], wall: float | None) -> None:
        """Images are no longer in the store: somebody took them (None: they are back)."""
        with self.write() as connection:
            each(connection, study, names, taken=wall)

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
        with _translated(), self._engine.connect() as connection:
            got = bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar())
            try:
                yield got
            finally:
                if got:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})


def _move(connection: Connection, study: str, what: Event, version: int | None, values: dict[str, Any]) -> bool:
    condition = (t.studies.c.uid == study) & t.studies.c.state.in_(before(what))
    if version is not None:
        condition &= t.studies.c.version == version
    state = connection.execute(select(t.studies.c.state).where(condition)).scalar()
    if state is None:
        return False
    changed = {**values, "state": after(State(state), what)}
    if what is Event.ASKED:
        changed["version"] = t.studies.c.version + 1
    connection.execute(update(t.studies).where(condition).values(changed))
    return True


def _save_routes(connection: Connection, rows: Iterable[RouteRow]) -> None:
    values = [route_row(row) for row in rows]
    if values:
        replace(connection, t.routes, values, ("study", "series"))


@contextmanager
def _translated() -> Iterator[None]:
    """Database errors as the dock's own."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        damaged = isinstance(error, DatabaseError) and any(word in reason for word in _DAMAGE)
        kind = StaleIndexError if damaged else StoreError
        raise kind(f"the index cannot be used: {reason}") from error


# ---- opening ----


def open_index(path: Path, url: str = "", *, store_id: str = "", write: bool = True) -> Index:
    """Open the index at ``url``, or the SQLite file ``path``; make the tables where they are missing.

    ``store_id`` is the store's own, so that no index serves two stores. Without ``write`` nothing is made or changed.
    Raises `StaleIndexError` where it is damaged or of another layout, `StoreError` where it cannot be used.
    """
    engine = _server(url) if url else _sqlite(path, write=write)
    index = Index(engine)
    try:
        if write:
            with index.write() as connection:
                t.metadata.create_all(connection)
                made = {"layout": t.LAYOUT, "store": store_id}
                insert_new(connection, t.facts, [{"name": name, "value": made[name]} for name in made])
        _check(index, store_id)
    except BaseException:
        engine.dispose()
        raise
    return index


def _check(index: Index, store_id: str) -> None:
    layout = index.fact("layout")
    if layout != t.LAYOUT:
        raise StaleIndexError(f"the index has layout {layout}, this mrdock knows {t.LAYOUT}: run mrdock reindex")
    if store_id and index.fact("store") not in (store_id, ""):
        raise StoreError("the index belongs to another store: each store needs a database of its own")


def _sqlite(path: Path, *, write: bool) -> Engine:
    if write:
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_MS / 1000})
    else:
        # with its write-ahead log gone (no dock runs) a database can be read by those who may not write only so
        how = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
        place = f"file:{quote(str(path))}?{how}&uri=true"
        engine = create_engine(f"sqlite:///{place}", connect_args={"timeout": _BUSY_MS / 1000})

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, below
        pragmas = [f"busy_timeout={_BUSY_MS}", "cache_size=-4000"]
        if write:
            pragmas += ["journal_mode=WAL", "synchronous=NORMAL"]
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        connection.create_function("least", 2, min, deterministic=True)
        connection.create_function("greatest", 2, max, deterministic=True)

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        writes = connection.get_execution_options().get("mrdock_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _server(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() != "postgresql":
            raise StoreError("the index URL has to be a PostgreSQL one")
        return create_engine(parsed, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise MrdockError("an index in PostgreSQL needs the extra: pip install 'mrdock[postgres]'") from None
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(f"the index URL cannot be used: {error}") from None
