"""The life of a study as one table: which event leads from which state to which."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Final


class State(enum.StrEnum):
    """What a study is doing."""

    RECEIVING = "receiving"
    COMPLETE = "complete"
    WAITING = "waiting"
    HELD = "held"
    ROUTED = "routed"
    KEPT = "kept"


class Event(enum.StrEnum):
    """What can happen to a study."""

    IMAGE = "image"
    QUIET = "quiet"
    ROUTED = "routed"
    PASSING_TROUBLE = "passing trouble"
    FAULT = "fault"
    NO_PATH = "no path"
    ASKED = "asked"


TRANSITIONS: Final[Mapping[State, Mapping[Event, State]]] = {
    State.RECEIVING: {Event.IMAGE: State.RECEIVING, Event.QUIET: State.COMPLETE},
    State.COMPLETE: {
        Event.IMAGE: State.RECEIVING,
        Event.ROUTED: State.ROUTED,
        Event.PASSING_TROUBLE: State.WAITING,
        Event.FAULT: State.HELD,
        Event.NO_PATH: State.KEPT,
        Event.ASKED: State.COMPLETE,
    },
    State.WAITING: {
        Event.IMAGE: State.RECEIVING,
        Event.ROUTED: State.ROUTED,
        Event.PASSING_TROUBLE: State.WAITING,
        Event.FAULT: State.HELD,
        Event.NO_PATH: State.KEPT,
        Event.ASKED: State.COMPLETE,
    },
    State.HELD: {Event.IMAGE: State.RECEIVING, Event.ASKED: State.COMPLETE},
    State.ROUTED: {Event.IMAGE: State.RECEIVING, Event.ASKED: State.COMPLETE},
    State.KEPT: {Event.IMAGE: State.RECEIVING, Event.ASKED: State.COMPLETE},
}
"""What is not in the table cannot happen: `after` refuses it.

A study being received is not routed before it is quiet, so a person's request then waits for that.
"""

DUE: Final = (State.COMPLETE, State.WAITING)
"""The states in which there is something to route."""


def after(state: State, event: Event) -> State:
    """The state that ``event`` leads to. Raises `ValueError` for a pair that is not in the table."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise ValueError(f"a study that is {state} cannot see {event}") from None


def before(event: Event) -> tuple[State, ...]:
    """The states in which ``event`` can happen."""
    return tuple(state for state, events in TRANSITIONS.items() if event in events)


def worst(outcomes: Iterable[Event]) -> Event:
    """What the outcomes of a study's series mean for the study: trouble that passes is tried again first."""
    there = set(outcomes)
    for event in (Event.PASSING_TROUBLE, Event.FAULT, Event.ROUTED):
        if event in there:
            return event
    return Event.NO_PATH
