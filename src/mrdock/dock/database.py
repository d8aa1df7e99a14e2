"""Opening the index: an SQLite file in the store, or a PostgreSQL database."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from mrdock.dock import tables as t
from mrdock.dock.index import Index
from mrdock.dock.statements import insert_new
from mrdock.errors import MrdockError, StaleIndexError, StoreError

_BUSY_MS: Final = 30_000
_CONNECT_SECONDS: Final = 10
_STATEMENT_MS: Final = 120_000
_PATIENCE: Final = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""How long a server may be silent, unless the URL says otherwise: it must not hang the keeper for ever."""
_OTHER_STORE: Final = "the index belongs to another store: each store needs a database of its own"


def open_index(path: Path, url: str = "", *, store_id: str = "", write: bool = True, check: bool = False) -> Index:
    """Open the index at ``url``, or the SQLite file ``path``; make the tables where they are missing.

    ``store_id`` is the store's own, so that no index serves two stores. Without ``write`` nothing is made or changed.
    With ``check`` every page of an SQLite file is looked at. Raises `StaleIndexError` where it is damaged or of another
    layout, `StoreError` where it cannot be used.
    """
    engine = _server(url) if url else _sqlite(path, write=write)
    index = Index(engine)
    try:
        if check:
            _check_pages(index)
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


def drop_tables(url: str, *, store_id: str = "") -> None:
    """Remove the tables of any layout from a PostgreSQL index, so that `open_index` makes it anew.

    Raises `StoreError` where they are another store's.
    """
    index = Index(_server(url))
    try:
        with index.write() as connection:
            if inspect(connection).has_table("facts"):
                owner = connection.execute(text("SELECT value FROM facts WHERE name = 'store'")).scalar()
                if store_id and owner not in (store_id, "", None):
                    raise StoreError(_OTHER_STORE)
            t.metadata.drop_all(connection)
    finally:
        index.close()


def _check_pages(index: Index) -> None:
    """SQLite finds a damaged page only when it reads it, which may be in the middle of a night."""
    if index.is_shared:
        return
    with index.read() as connection:
        said = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
    if said != "ok":
        raise StaleIndexError(f"the index is damaged: {said.splitlines()[-1]}")


def _check(index: Index, store_id: str) -> None:
    layout = index.fact("layout")
    if layout != t.LAYOUT:
        raise StaleIndexError(f"the index has layout {layout}, this mrdock knows {t.LAYOUT}: run mrdock reindex")
    if store_id and index.fact("store") not in (store_id, ""):
        raise StoreError(_OTHER_STORE)


def _sqlite(path: Path, *, write: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        how = "mode=rwc"
        if not write:
            # with its write-ahead log gone (no dock runs) a database can be read by those who may not write only so
            how = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
        place = f"file:{quote(os.fsencode(path))}?{how}"  # the path may hold what means something in a URL
        return sqlite3.connect(place, uri=True, timeout=_BUSY_MS / 1000, check_same_thread=False)

    # each open connection has a cache of its own: few are kept, copying opens more while it needs them
    engine = create_engine(
        URL.create("sqlite", database="index"), creator=connect, hide_parameters=True, pool_size=2, pool_use_lifo=True
    )

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, below
        pragmas = [f"busy_timeout={_BUSY_MS}", "cache_size=-2000"]
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
        patience = {key: value for key, value in _PATIENCE.items() if key not in parsed.query}
        engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True, connect_args=patience)
    except ModuleNotFoundError:
        raise MrdockError("an index in PostgreSQL needs the extra: pip install 'mrdock[postgres]'") from None
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(f"the index URL cannot be used: {error}") from None

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {_STATEMENT_MS}")
        connection.commit()

    return engine
