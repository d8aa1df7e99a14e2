"""A study's way through its states, in the database as in the table."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import event as sqlalchemy_event

from mrdock.dock import queries, routing
from mrdock.dock.entries import Noted
from mrdock.dock.index import Index
from mrdock.dock.states import DUE, TRANSITIONS, Event, State
from tests.contracts.rows import NOW, closed, image, opened, put_into, route
from tests.dock.support import START, STUDY

OTHER = "1.2.4"
QUIET = 60.0


def state_of(index: Index, study: str = STUDY) -> State:
    """The state that the index says."""
    row = queries.study(index, study)
    assert row is not None
    return row.state


@pytest.mark.parametrize("state", State)
def test_every_pair_goes_as_the_table_says(index: Index, state: State) -> None:
    put_into(index, State.KEPT, OTHER)
    for what in Event:
        put_into(index, state)
        index.set_study(STUDY, looks="")
        target = TRANSITIONS[state].get(what)
        moved = index.happened(STUDY, what, looks="changed")
        row = queries.study(index, STUDY)
        assert row is not None
        assert (what, moved) == (what, target is not None)
        assert (what, row.state) == (what, target or state)
        assert (what, row.looks) == (what, "changed" if moved else "")
    assert state_of(index, OTHER) is State.KEPT


@pytest.mark.parametrize("state", State)
def test_a_stored_image_does_what_the_table_says_of_one(index: Index, state: State) -> None:
    put_into(index, state)
    index.record([image(2)])
    assert state_of(index) is TRANSITIONS[state][Event.IMAGE]


def test_an_event_of_an_older_version_changes_nothing(index: Index) -> None:
    index.record([image(1)])
    version = queries.all_studies(index)[0].version
    index.record([image(2)])
    assert not index.happened(STUDY, Event.QUIET, version=version, completed=START)
    row = queries.study(index, STUDY)
    assert row is not None
    assert (row.state, row.completed) == (State.RECEIVING, None)
    assert index.happened(STUDY, Event.QUIET, version=version + 1, completed=START)
    assert state_of(index) is State.COMPLETE


def test_nothing_happens_to_a_study_that_is_not_there(index: Index) -> None:
    assert not index.happened(STUDY, Event.QUIET)
    index.set_study(STUDY, looks="x")
    assert queries.study(index, STUDY) is None


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_an_image_that_comes_while_a_study_changes_state_is_not_passed_over(index: Index, second: Index) -> None:
    """PostgreSQL lets another writer in between the question and the change; SQLite makes it wait."""
    index.record([image(1)])
    version = queries.all_studies(index)[0].version
    come = [False]

    def before(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("UPDATE studies") and not come[0]:
            come[0] = True
            second.record([image(2)])

    sqlalchemy_event.listen(index._engine, "before_cursor_execute", before)
    assert index.happened(STUDY, Event.QUIET, version=version) is False
    assert come[0]
    assert state_of(index) is State.RECEIVING


# ---- quiet ----


def quiet(index: Index, after: float, boot: str = NOW.boot) -> list[str]:
    """The studies that are quiet so many seconds after the start."""
    moment = replace(NOW, monotonic=NOW.monotonic + after, wall=NOW.wall + after, boot=boot)
    return [row.uid for row in queries.quiet_studies(index, moment, QUIET)]


def test_a_study_is_quiet_when_the_time_has_passed_since_its_last_image(index: Index) -> None:
    index.record([image(1), image(10), image(1, study=OTHER)])
    assert quiet(index, 60.9) == []
    assert quiet(index, 61.0) == [OTHER]
    assert sorted(quiet(index, 70.0)) == [STUDY, OTHER]


def test_the_wall_clock_says_nothing_of_quiet(index: Index) -> None:
    index.record([image(1)])
    assert queries.quiet_studies(index, replace(NOW, wall=START + 1e7), QUIET) == []
    assert queries.quiet_studies(index, replace(NOW, wall=0.0, monotonic=1061.0), QUIET) != []


def test_monotonic_times_of_another_boot_are_not_compared(index: Index) -> None:
    index.record([image(1)])
    assert quiet(index, 1e6, boot="boot-2") == []


def test_an_open_association_that_fed_a_study_holds_it_back(index: Index) -> None:
    index.record([opened("a1"), opened("a2"), image(1, association="a1"), image(2, association="a2")])
    index.record([image(1, study=OTHER, association="a2")])
    assert quiet(index, 1000) == []
    index.record([closed("a2")])
    assert quiet(index, 1000) == [OTHER]
    assert queries.is_fed(index, STUDY)
    assert not queries.is_fed(index, OTHER)
    index.record([closed("a1")])
    assert sorted(quiet(index, 1000)) == [STUDY, OTHER]


def test_an_open_association_that_fed_other_studies_holds_none_back(index: Index) -> None:
    index.record([opened("a1"), image(1, study=OTHER, association="a1"), image(1, association="")])
    assert quiet(index, 1000) == [STUDY]


def test_an_association_that_nobody_opened_holds_nothing_back(index: Index) -> None:
    index.record([image(1, association="of a dock before")])
    assert quiet(index, 1000) == [STUDY]


def test_only_a_study_that_is_being_received_can_be_quiet(index: Index) -> None:
    for number, state in enumerate(State):
        put_into(index, state, f"1.2.{number}")
    assert quiet(index, 1000) == [f"1.2.{list(State).index(State.RECEIVING)}"]


# ---- due ----


def test_due_is_what_is_complete_or_waits_and_whose_time_has_come(index: Index) -> None:
    for number, state in enumerate(State):
        put_into(index, state, f"1.2.{number}")
    due = {row.state for row in queries.studies_to_route(index, NOW)}
    assert due == set(DUE)
    index.set_study(f"1.2.{list(State).index(State.WAITING)}", next_try=START + 1)
    assert [row.state for row in queries.studies_to_route(index, NOW)] == [State.COMPLETE]
    assert len(queries.studies_to_route(index, replace(NOW, wall=START + 1))) == 2


def test_the_longest_waiting_is_first(index: Index) -> None:
    for number, (next_try, last) in enumerate([(START - 5, 1), (0.0, 9), (0.0, 3)]):
        uid = f"1.2.{number}"
        put_into(index, State.COMPLETE, uid)
        index.set_study(uid, next_try=next_try, last_received=START + last)
    assert [row.uid for row in queries.studies_to_route(index, NOW)] == ["1.2.2", "1.2.1", "1.2.0"]


def test_a_next_try_that_a_wrong_clock_set_does_not_keep_a_study_waiting_for_years(index: Index) -> None:
    """The clock stood in 2099 when routing failed, then was put right: pauses are an hour at most."""
    put_into(index, State.WAITING)
    index.set_study(STUDY, next_try=START + 70 * 365 * 86400.0)
    assert [row.uid for row in queries.studies_to_route(index, NOW)] == [STUDY]


def test_no_pause_is_longer_than_the_longest() -> None:
    assert max(routing.pause(attempts) for attempts in range(100)) <= queries.LONGEST_PAUSE


def test_events_come_newest_first_and_those_of_one_moment_too(index: Index) -> None:
    index.record([Noted(START + 5, "a", None, "late"), Noted(START, "b", STUDY, "1"), Noted(START, "b", STUDY, "2")])
    found = queries.last_events(index)
    assert [event.text for event in found] == ["late", "2", "1"]
    assert (found[1].at, found[1].kind, found[1].study) == (START, "b", STUDY)
    assert [event.text for event in queries.last_events(index, 1)] == ["late"]


# ---- routing's end ----


def test_routing_ends_with_its_routes_and_its_state_in_one_step(index: Index) -> None:
    put_into(index, State.COMPLETE)
    index.set_study(STUDY, copying=START)
    version = queries.all_studies(index)[0].version
    rows = [route(1), route(2, State.HELD)]
    assert index.concluded(STUDY, Event.FAULT, version, rows, next_try=0.0, attempts=0)
    row = queries.study(index, STUDY)
    assert row is not None
    assert (row.state, row.copying) == (State.HELD, None)
    assert queries.routes_of(index, STUDY) == rows


@pytest.mark.parametrize("what", ["image", "question"])
def test_routing_of_what_changed_meanwhile_is_not_concluded(index: Index, what: str) -> None:
    put_into(index, State.COMPLETE)
    index.set_study(STUDY, copying=START)
    version = queries.all_studies(index)[0].version
    if what == "image":
        index.record([image(2)])
    else:
        assert index.happened(STUDY, Event.ASKED)
    before = state_of(index)
    assert not index.concluded(STUDY, Event.ROUTED, version, [route()])
    row = queries.study(index, STUDY)
    assert row is not None
    assert (row.state, row.copying) == (before, None)
    assert queries.routes_of(index, STUDY) == []


@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_an_image_that_comes_while_routing_ends_is_not_passed_over(index: Index, second: Index) -> None:
    """Its row is locked by then, so the image has to wait, and reopens the study afterwards."""
    put_into(index, State.COMPLETE)
    version = queries.all_studies(index)[0].version
    comes = threading.Thread(target=second.record, args=([image(2)],))

    def before(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "CASE" in statement:  # the one statement that looks at the state and changes it
            comes.start()

    sqlalchemy_event.listen(index._engine, "before_cursor_execute", before)
    assert index.concluded(STUDY, Event.ROUTED, version, [route()])
    sqlalchemy_event.remove(index._engine, "before_cursor_execute", before)
    comes.join(10)
    assert state_of(index) is State.RECEIVING
