"""Entries for an index, with usual values."""

from __future__ import annotations

from dataclasses import replace

from mrdock.dock.clock import Now
from mrdock.dock.entries import Closed, Opened, Received, RouteRow
from mrdock.dock.index import Index
from mrdock.dock.states import State
from tests.dock.support import EXPLICIT, MR, START, STUDY

BOOT = "boot-1"
NOW = Now(START, 1000.0, BOOT)
DIRECTORY = "20260105_101500_1a2b3c4d"

IMAGE = Received(
    study=STUDY,
    directory=DIRECTORY,
    series=f"{STUDY}.1",
    series_number=1,
    modality="MR",
    name=f"MR.{STUDY}.1.1",
    uid=f"{STUDY}.1.1",
    sop_class=MR,
    transfer_syntax=EXPLICIT,
    size=1000,
    received=START,
    association="a1",
    differs=False,
    path=None,
    facts="{}",
    monotonic=1000.0,
    boot=BOOT,
)


def image(number: int = 1, *, study: str = STUDY, directory: str = "", series: int = 1, **values: object) -> Received:
    """An image, received ``number`` seconds after the start."""
    return replace(
        IMAGE,
        study=study,
        directory=directory or (DIRECTORY if study == STUDY else f"20260105_101500_{study}"),
        series=f"{study}.{series}",
        series_number=series,
        name=f"MR.{study}.{series}.{number}",
        uid=f"{study}.{series}.{number}",
        received=START + number,
        monotonic=1000.0 + number,
        **values,  # type: ignore[arg-type]
    )


def opened(name: str = "a1", listener: str = "enhanced", worker: str = "w1") -> Opened:
    """An association that began at the start."""
    return Opened(name, listener, "SCANNER1", "MRDOCK", "192.0.2.10", START, worker)


def closed(name: str = "a1") -> Closed:
    """The same, ended a minute later."""
    return Closed(name, START + 60, "released", 3, 1)


def route(series: int = 1, state: State = State.ROUTED, **values: object) -> RouteRow:
    """A route of a series."""
    made = RouteRow(STUDY, f"{STUDY}.{series}", "/data/kirby", False, state, "", "", START)
    return replace(made, **values)  # type: ignore[arg-type]


def put_into(index: Index, state: State, study: str = STUDY) -> None:
    """Give a study a state, by whatever way."""
    index.record([image(study=study)])
    index.set_study(study, state=state)
