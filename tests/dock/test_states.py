"""The table of states, and what outcomes of series mean for their study."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock.routing import EVENT_OF
from mrdock.dock.states import DUE, TRANSITIONS, Event, State, after, before, worst

ROUTING = {Event.ROUTED, Event.PASSING_TROUBLE, Event.FAULT, Event.NO_PATH}


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_pair_is_in_the_table_or_refused(state: State, event: Event) -> None:
    if event in TRANSITIONS[state]:
        assert after(state, event) is TRANSITIONS[state][event]
        assert state in before(event)
    else:
        assert state not in before(event)
        with pytest.raises(ValueError, match=f"^a study that is {state} cannot see {event}$"):
            after(state, event)


def test_the_table_has_every_state_and_uses_every_event() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {event for events in TRANSITIONS.values() for event in events} == set(Event)


def test_every_state_can_be_reached() -> None:
    reached, todo = {State.RECEIVING}, [State.RECEIVING]
    while todo:
        new = set(TRANSITIONS[todo.pop()].values()) - reached
        reached |= new
        todo += new
    assert reached == set(State)


def test_an_image_may_come_at_any_time_and_always_reopens() -> None:
    assert {after(state, Event.IMAGE) for state in State} == {State.RECEIVING}


def test_routing_ends_only_what_is_due() -> None:
    for event in ROUTING:
        assert set(before(event)) == set(DUE)


def test_a_study_that_is_being_received_can_only_become_quiet() -> None:
    assert set(TRANSITIONS[State.RECEIVING]) == {Event.IMAGE, Event.QUIET}


def test_a_person_may_ask_whenever_nothing_is_being_received() -> None:
    assert set(before(Event.ASKED)) == set(State) - {State.RECEIVING}
    assert {after(state, Event.ASKED) for state in before(Event.ASKED)} == {State.COMPLETE}


@given(st.lists(st.sampled_from(sorted(ROUTING))))
def test_trouble_that_passes_is_tried_again_first_then_a_person_is_needed(outcomes: list[Event]) -> None:
    order = [Event.PASSING_TROUBLE, Event.FAULT, Event.ROUTED, Event.NO_PATH]
    assert worst(outcomes) is min([*outcomes, Event.NO_PATH], key=order.index)
    assert worst(outcomes) in TRANSITIONS[State.COMPLETE]


def test_each_state_of_a_route_means_one_event_and_leads_to_that_state() -> None:
    for state, event in EVENT_OF.items():
        assert after(State.COMPLETE, event) is state
    assert set(EVENT_OF.values()) == ROUTING
