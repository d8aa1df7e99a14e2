"""What is written to the index: images, associations, events, routes."""

from __future__ import annotations

from dataclasses import dataclass

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
