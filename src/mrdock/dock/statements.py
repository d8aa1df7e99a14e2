"""Rows and statements that `index` is made of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from dataclasses import replace as with_values
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, String, Table, bindparam, update

from mrdock.dock import tables as t
from mrdock.dock.entries import Closed, Entry, Noted, Opened, Received, RouteRow
from mrdock.dock.states import State

_V = TypeVar("_V")
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")
_TABLES: Final[Mapping[type[Entry], tuple[Table, ...]]] = {
    Received: (t.instances, t.series, t.studies),
    Opened: (t.associations,),
    Closed: (t.associations,),
    Noted: (t.events,),
}
_WIDTHS: Final = {
    kind: {
        column.name: column.type.length
        for table in tables
        for column in table.c
        if not column.primary_key and isinstance(column.type, String) and column.type.length
    }
    for kind, tables in _TABLES.items()
}
"""How long the texts of an entry may be; those that identify it are not in here, they are never cut."""


def is_writable(text: str) -> bool:
    """Whether every database takes a text: NUL (PostgreSQL) and lone surrogates cannot be written."""
    return _UNWRITABLE.search(text) is None


def clean(value: _V) -> _V:
    """A value as every database takes it: in a text U+FFFD stands for what cannot be written."""
    if isinstance(value, str) and not is_writable(value):
        return _UNWRITABLE.sub("\ufffd", value)  # type: ignore[return-value]
    return value


def fit(entry: Entry) -> Entry:
    """An entry whose texts every database takes, cut to their columns."""
    changed: dict[str, Any] = {}
    widths = _WIDTHS[type(entry)]
    for field in fields(entry):
        value = getattr(entry, field.name)
        if isinstance(value, str):
            fitting = clean(value)
            width = widths.get(field.name)
            if width is not None and len(fitting) > width:
                fitting = fitting[:width]
            if fitting is not value:
                changed[field.name] = fitting
    return with_values(entry, **changed) if changed else entry


def opened_row(entry: Opened) -> dict[str, Any]:
    """The row of an association."""
    return {
        "id": entry.id,
        "listener": entry.listener,
        "calling": entry.calling,
        "called": entry.called,
        "host": entry.host,
        "began": entry.began,
        "worker": entry.worker,
    }


def noted_row(entry: Noted) -> dict[str, Any]:
    """The row of an event; its key is the same when it is written again."""
    said = repr((entry.at, entry.kind, entry.study, entry.text)).encode()
    key = hashlib.sha256(said).hexdigest()[:32]
    return {"at": entry.at, "kind": entry.kind, "study": entry.study, "text": entry.text, "key": key}


def new_study_row(image: Received, first_received: float) -> dict[str, Any]:
    """The row of a study with its first image."""
    return {
        "uid": image.study,
        "directory": image.directory,
        "state": State.RECEIVING,
        "version": 0,
        "first_received": first_received,
        "last_received": first_received,
        "active_monotonic": image.monotonic,
        "active_boot": image.boot,
        "looks": "",
        "attempts": 0,
        "next_try": 0.0,
        "record_bytes": 0,
    }


def series_row(image: Received) -> dict[str, Any]:
    """The row of a series."""
    return {"study": image.study, "uid": image.series, "number": image.series_number, "modality": image.modality}


def instance_row(image: Received) -> dict[str, Any]:
    """The row of an image."""
    return {
        "study": image.study,
        "name": image.name,
        "series": image.series,
        "uid": image.uid,
        "sop_class": image.sop_class,
        "transfer_syntax": image.transfer_syntax,
        "size": image.size,
        "received": image.received,
        "association": image.association,
        "differs": image.differs,
        "path": image.path,
        "facts": image.facts,
        "taken": None,
        "routed": None,
    }


def route_row(row: RouteRow) -> dict[str, Any]:
    """The row of a route."""
    return {
        "study": row.study,
        "series": row.series,
        "path": clean(row.path),
        "asked": row.asked,
        "state": row.state,
        "reason": clean(row.reason),
        "suggestion": clean(row.suggestion),
        "changed": row.changed,
    }


def dialect_insert(connection: Connection, table: Table) -> Any:
    """An insert that can say what to do with rows that are there already."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as postgresql_insert

        return postgresql_insert(table)
    from sqlalchemy.dialects.sqlite import insert as sqlite_insert

    return sqlite_insert(table)


def insert_new(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; those that are there already stay as they are."""
    if rows:
        connection.execute(dialect_insert(connection, table).on_conflict_do_nothing(), rows)


def replace(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: tuple[str, ...]) -> None:
    """Insert rows or overwrite those with the same key; the last of several with one key counts."""
    unique = list({tuple(row[name] for name in key): row for row in rows}.values())
    statement = dialect_insert(connection, table)
    changed = {name: statement.excluded[name] for name in unique[0] if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed), unique)


def each(
    connection: Connection,
    study: str,
    names: Iterable[str],
    only: ColumnElement[bool] | None = None,
    **values: Any,
) -> None:
    """Change columns of a study's images, by their names; with ``only`` of those for which it is so."""
    rows = [{"the_name": name} for name in names if is_writable(name)]
    if rows:
        here = (t.instances.c.study == study) & (t.instances.c.name == bindparam("the_name"))
        if only is not None:
            here &= only
        connection.execute(update(t.instances).where(here).values(values), rows)
