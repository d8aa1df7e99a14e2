"""The questions the dock asks the index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Result, Select, exists, func, or_, select

from mrdock.dock import tables as t
from mrdock.dock.clock import Now
from mrdock.dock.entries import RouteRow
from mrdock.dock.index import Index
from mrdock.dock.statements import is_writable
from mrdock.dock.states import DUE, State
from mrdock.errors import UnknownStudyError

LONGEST_PAUSE: Final = 3600.0
"""Nothing is to be tried again later than so many seconds from now."""


@dataclass(frozen=True, slots=True)
class StudyRow:
    """A study as the index knows it."""

    uid: str
    directory: str
    state: State
    version: int
    first_received: float
    last_received: float
    completed: float | None
    looks: str
    attempts: int
    next_try: float
    asked_path: str | None
    record_bytes: int
    copying: float | None
    announced: float | None


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """An image as the index knows it."""

    study: str
    name: str
    series: str
    uid: str
    sop_class: str
    transfer_syntax: str
    size: int
    received: float
    association: str
    differs: bool
    path: str | None
    facts: str
    taken: float | None
    routed: float | None


_STUDY = [t.studies.c[name] for name in StudyRow.__dataclass_fields__]
_INSTANCE = [t.instances.c[name] for name in InstanceRow.__dataclass_fields__]
_ALL_ROUTES = select(*(t.routes.c[name] for name in RouteRow.__dataclass_fields__)).order_by(
    t.routes.c.study, t.routes.c.series
)


def _studies(index: Index, query: Select[Any]) -> list[StudyRow]:
    with index.read() as connection:
        return [StudyRow(**{**row, "state": State(row["state"])}) for row in connection.execute(query).mappings()]


def _feeding() -> Select[Any]:
    """Studies that an open association has contributed to."""
    return (
        select(t.contributions.c.study)
        .join(t.associations, t.associations.c.id == t.contributions.c.association)
        .where(t.associations.c.ended.is_(None))
    )


def quiet_studies(index: Index, now: Now, quiet: float) -> list[StudyRow]:
    """Studies to which no image came for ``quiet`` seconds and that no open association has fed."""
    return _studies(
        index,
        select(*_STUDY)
        .where(t.studies.c.state == State.RECEIVING)
        .where(t.studies.c.active_boot == now.boot)
        .where(t.studies.c.active_monotonic <= now.monotonic - quiet)
        .where(t.studies.c.uid.not_in(_feeding())),
    )


def studies_to_route(index: Index, now: Now) -> list[StudyRow]:
    """Studies whose routing is due, the longest waiting first; also where a wrong clock said when to try again."""
    next_try = t.studies.c.next_try
    return _studies(
        index,
        select(*_STUDY)
        .where(t.studies.c.state.in_(DUE))
        .where(or_(next_try <= now.wall, next_try > now.wall + LONGEST_PAUSE))
        .order_by(next_try, t.studies.c.last_received),
    )


def all_studies(index: Index) -> list[StudyRow]:
    """Every study, the newest first."""
    return _studies(index, select(*_STUDY).order_by(t.studies.c.last_received.desc()))


def study(index: Index, uid: str) -> StudyRow | None:
    """One study by its UID."""
    found = _studies(index, select(*_STUDY).where(t.studies.c.uid == uid))
    return found[0] if found else None


def find_study(index: Index, name: str) -> StudyRow:
    """The study whose directory or UID is ``name`` or begins with it. Raises `UnknownStudyError`."""
    wanted = name.rstrip("/").rsplit("/", 1)[-1]
    if not is_writable(wanted):
        raise UnknownStudyError(f"{name!r}: no study of that name")
    exact = _studies(
        index, select(*_STUDY).where(or_(t.studies.c.uid == wanted, t.studies.c.directory == wanted)).limit(1)
    )
    if exact:
        return exact[0]
    starts = or_(
        func.substr(t.studies.c.uid, 1, len(wanted)) == wanted,
        func.substr(t.studies.c.directory, 1, len(wanted)) == wanted,
    )
    found = _studies(index, select(*_STUDY).where(starts).order_by(t.studies.c.directory).limit(4)) if wanted else []
    if not found:
        raise UnknownStudyError(f"{name}: no study of that name")
    if len(found) > 1:
        some = ", ".join(row.directory for row in found[:3])
        raise UnknownStudyError(f"{name}: several studies begin like that ({some}{', ...' if len(found) > 3 else ''})")
    return found[0]


def instances_of(index: Index, study_uid: str) -> list[InstanceRow]:
    """All images of a study, in the order they came."""
    query = (
        select(*_INSTANCE).where(t.instances.c.study == study_uid).order_by(t.instances.c.received, t.instances.c.name)
    )
    with index.read() as connection:
        return [InstanceRow(**row) for row in connection.execute(query).mappings()]


def routes_of(index: Index, study_uid: str) -> list[RouteRow]:
    """Where the series of a study go."""
    with index.read() as connection:
        return _routes(connection.execute(_ALL_ROUTES.where(t.routes.c.study == study_uid)))


def all_routes(index: Index) -> list[RouteRow]:
    """Where all series go."""
    with index.read() as connection:
        return _routes(connection.execute(_ALL_ROUTES))


def _routes(result: Result[Any]) -> list[RouteRow]:
    return [RouteRow(**{**row, "state": State(row["state"])}) for row in result.mappings()]


def modalities(index: Index, study_uid: str) -> dict[str, str]:
    """Modalities of a study's series by Series Instance UID."""
    with index.read() as connection:
        rows = connection.execute(select(t.series.c.uid, t.series.c.modality).where(t.series.c.study == study_uid))
        return {str(uid): str(modality) for uid, modality in rows}


def series_numbers(index: Index, study_uid: str) -> dict[str, int | None]:
    """Series numbers of a study by Series Instance UID."""
    with index.read() as connection:
        rows = connection.execute(select(t.series.c.uid, t.series.c.number).where(t.series.c.study == study_uid))
        return {str(uid): number for uid, number in rows}


@dataclass(frozen=True, slots=True)
class Count:
    """How much of a study is there."""

    series: int
    images: int
    size: int
    taken: int
    routed: int
    differing: int


NO_COUNT = Count(0, 0, 0, 0, 0, 0)


def counts(index: Index, study_uid: str | None = None) -> dict[str, Count]:
    """`Count` of every study (or of one) by its UID."""
    c = t.instances.c
    query = select(
        c.study,
        func.count(func.distinct(c.series)),
        func.count(),
        func.sum(c.size),
        func.count(c.taken),
        func.count(c.routed),
        func.count().filter(c.differs),
    ).group_by(c.study)
    if study_uid is not None:
        query = query.where(c.study == study_uid)
    with index.read() as connection:
        return {
            row[0]: Count(row[1], row[2], int(row[3] or 0), row[4], row[5], row[6]) for row in connection.execute(query)
        }


def open_associations(index: Index) -> dict[str, int]:
    """How many associations each listener has open."""
    query = (
        select(t.associations.c.listener, func.count())
        .where(t.associations.c.ended.is_(None))
        .group_by(t.associations.c.listener)
    )
    with index.read() as connection:
        return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def is_fed(index: Index, study_uid: str) -> bool:
    """Whether an open association has contributed to a study."""
    query = select(exists().where(t.studies.c.uid == study_uid).where(t.studies.c.uid.in_(_feeding())))
    with index.read() as connection:
        return bool(connection.execute(query).scalar())


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of the index."""

    at: float
    kind: str
    study: str | None
    text: str


def last_trouble(index: Index, since: float | None) -> str | None:
    """Why a worker of the dock that started at ``since`` cannot store anything any more, if one cannot."""
    if since is None:
        return None
    c = t.events.c
    query = select(c.text).where(c.kind == "broken", c.at >= since).order_by(c.at.desc()).limit(1)
    with index.read() as connection:
        text = connection.execute(query).scalar()
    return None if text is None else str(text)


def last_events(index: Index, most: int = 20) -> list[Happening]:
    """The newest events, newest first."""
    c = t.events.c
    with index.read() as connection:
        rows = connection.execute(select(c.at, c.kind, c.study, c.text).order_by(c.at.desc(), c.id.desc()).limit(most))
        return [Happening(*row) for row in rows]
