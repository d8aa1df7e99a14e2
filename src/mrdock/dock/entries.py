"""What is written to the index: images, associations, events, routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import NoneType
from typing import Any, Final, TypeVar

from mrdock.dock.states import State


@dataclass(frozen=True, slots=True)
class Received:
    """One stored image, as its row."""

    study: str
    directory: str
    series: str
    series_number: int | None
    modality: str
    name: str
    uid: str
    sop_class: str
    transfer_syntax: str
    size: int
    received: float
    association: str
    differs: bool
    path: str | None
    facts: str
    monotonic: float
    boot: str


@dataclass(frozen=True, slots=True)
class Opened:
    """An association began."""

    id: str
    listener: str
    calling: str
    called: str
    host: str
    began: float
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """An association ended."""

    id: str
    ended: float
    how: str
    stored: int
    refused: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that people will want to know later; no patient data."""

    at: float
    kind: str
    study: str | None
    text: str


Entry = Received | Opened | Closed | Noted

_E = TypeVar("_E", bound=Entry)
_KINDS: Final[Mapping[Any, tuple[type, ...]]] = {
    "str": (str,),
    "str | None": (str, NoneType),
    "int": (int,),
    "int | None": (int, NoneType),
    "float": (float, int),
    "bool": (bool,),
}


def from_mapping(kind: type[_E], values: Mapping[str, Any]) -> _E:
    """An entry from what was read from a file. Raises `ValueError` where a value is missing or of another type."""
    made: dict[str, Any] = {}
    for field in fields(kind):
        value = values.get(field.name)
        if type(value) not in _KINDS[field.type]:
            raise ValueError(f"{field.name} of {kind.__name__} is missing or no {field.type}")
        made[field.name] = value
    return kind(**made)


@dataclass(frozen=True, slots=True)
class RouteRow:
    """Where a series goes, and how far that has come."""

    study: str
    series: str
    path: str
    asked: bool
    state: State
    reason: str
    suggestion: str
    changed: float
