"""What is written to the index is there, once, whatever the database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mrdock.dock import queries
from mrdock.dock.entries import Entry, Noted
from mrdock.dock.index import Index
from mrdock.dock.queries import Count
from mrdock.dock.states import Event, State
from mrdock.dock.tables import LAYOUT
from mrdock.errors import StoreError
from tests.contracts.rows import BOOT, IMAGE, NOW, closed, image, opened, route
from tests.dock.support import DAY, START, STUDY, dump

OTHER = "1.2.4"


def test_a_new_index_is_empty(index: Index) -> None:
    assert queries.all_studies(index) == []
    assert queries.counts(index) == {}
    assert queries.all_routes(index) == []
    assert queries.last_events(index) == []
    assert queries.open_associations(index) == {}


def test_an_image_makes_its_study_and_its_series(index: Index) -> None:
    index.record([opened(), IMAGE])
    study = queries.study(index, STUDY)
    assert study is not None
    assert (study.directory, study.state, study.version) == (IMAGE.directory, State.RECEIVING, 1)
    assert (study.first_received, study.last_received) == (START, START)
    assert (study.completed, study.asked_path, study.copying, study.announced) == (None, None, None, None)
    assert queries.series_numbers(index, STUDY) == {f"{STUDY}.1": 1}
    (row,) = queries.instances_of(index, STUDY)
    assert (row.name, row.uid, row.size, row.received) == (IMAGE.name, IMAGE.uid, 1000, START)
    assert (row.association, row.differs, row.path, row.taken, row.routed) == ("a1", False, None, None, None)


def test_an_empty_batch_is_nothing(index: Index) -> None:
    index.record([])
    index.save_routes([])
    index.set_routed(STUDY, [], START)
    index.set_taken(STUDY, [], START)
    assert queries.all_studies(index) == []


def test_a_batch_may_hold_several_studies_and_the_same_image_twice(index: Index) -> None:
    index.record([image(1), image(1, study=OTHER), image(2), replace(image(2), size=2000), image(3, series=2)])
    assert [row.size for row in queries.instances_of(index, STUDY)] == [1000, 2000, 1000]
    assert queries.counts(index) == {STUDY: Count(2, 3, 4000, 0, 0, 0), OTHER: Count(1, 1, 1000, 0, 0, 0)}
    assert queries.series_numbers(index, STUDY) == {f"{STUDY}.1": 1, f"{STUDY}.2": 2}


def test_images_are_told_in_the_order_they_came_whatever_the_order_they_were_written(index: Index) -> None:
    index.record([image(3), image(1)])
    index.record([image(2)])
    assert [row.uid for row in queries.instances_of(index, STUDY)] == [f"{STUDY}.1.{n}" for n in (1, 2, 3)]


def test_first_and_last_come_from_the_images_the_timer_from_the_last_entry(index: Index) -> None:
    index.record([image(5), image(9)])
    index.record([image(2)])
    study = queries.study(index, STUDY)
    assert study is not None
    assert (study.first_received, study.last_received) == (START + 2, START + 9)
    later = replace(NOW, monotonic=1002.0 + 60)
    assert queries.quiet_studies(index, replace(later, monotonic=later.monotonic - 0.5), 60) == []
    assert [row.uid for row in queries.quiet_studies(index, later, 60)] == [STUDY]


def test_repeating_a_batch_does_no_harm(index: Index) -> None:
    batch: list[Entry] = [opened(), image(1), image(2), closed()]
    index.record(batch)
    once = dump(index, ("studies", "series", "instances", "associations", "contributions"))
    index.record(batch)
    assert dump(index, once) == once


def test_a_batch_repeated_notes_its_events_once(index: Index) -> None:
    """The writer repeats what may have been written."""
    batch: list[Entry] = [Noted(START, "differs", STUDY, "another data set came"), image(1)]
    index.record(batch)
    index.record(batch)
    assert [event.text for event in queries.last_events(index)] == ["another data set came"]


@pytest.mark.parametrize("together", [True, False])
def test_a_series_is_what_its_first_image_says_in_one_batch_or_in_two(index: Index, together: bool) -> None:
    """Or a rebuilt index, which reads larger batches, would say something else."""
    first, other = image(1), replace(image(2), modality="SEG", series_number=99)
    for batch in [[first, other]] if together else [[first], [other]]:
        index.record(batch)
    assert [(row["modality"], row["number"]) for row in dump(index, ["series"])["series"]] == [("MR", 1)]


def test_a_batch_is_written_whole_or_not_at_all(index: Index) -> None:
    with pytest.raises(StoreError, match="the index cannot be used"):
        index.record([opened(), image(1), UNWRITABLE])
    assert queries.all_studies(index) == []
    assert queries.counts(index) == {}
    assert queries.open_associations(index) == {}


def test_of_a_batch_that_cannot_be_written_the_rest_is(index: Index) -> None:
    left_out = index.record_each([opened(), image(1), UNWRITABLE, image(3)], {"journal": "7"})
    assert [entry for entry, _ in left_out] == [UNWRITABLE]
    assert queries.counts(index)[STUDY].images == 2
    assert index.fact("journal") == "7"
    assert index.record_each([image(4)]) == []


def test_texts_are_cut_to_their_columns_and_what_identifies_is_not(index: Index) -> None:
    long = replace(image(), modality="M" * 40, association="a" * 32)
    index.record([long, replace(opened(), called="C" * 40, host="h" * 200), Noted(START, "k" * 99, STUDY, "t" * 9999)])
    (row,) = dump(index, ["associations"])["associations"]
    assert (len(row["called"]), len(row["host"])) == (16, 64)
    assert dump(index, ["series"])["series"][0]["modality"] == "M" * 16
    assert len(queries.last_events(index)[0].text) == 9999


UNWRITABLE = replace(image(2), size=None)  # type: ignore[arg-type]
"""An image that the database refuses."""


def test_an_image_that_comes_again_after_it_was_taken_is_there_and_to_be_routed_again(index: Index) -> None:
    index.record([image(1), image(2)])
    index.set_routed(STUDY, [image(1).name], START + 100)
    index.set_taken(STUDY, [image(1).name], START + 200)
    assert [(row.routed, row.taken) for row in queries.instances_of(index, STUDY)] == [
        (START + 100, START + 200),
        (None, None),
    ]
    index.record([image(1)])
    assert [(row.routed, row.taken) for row in queries.instances_of(index, STUDY)] == [(None, None)] * 2


def test_a_late_image_makes_a_study_due_from_the_beginning(index: Index) -> None:
    index.record([image(1)])
    index.set_study(STUDY, state=State.WAITING, attempts=7, next_try=START + 9999, announced=START)
    index.record([image(2)])
    study = queries.study(index, STUDY)
    assert study is not None
    assert (study.state, study.attempts, study.next_try, study.announced) == (State.RECEIVING, 0, 0.0, None)
    assert study.version == 2


@pytest.mark.parametrize(
    "text",
    ["/data/a\0b", "/data/\ud7ff\U0010ffff", "/data/'; DROP TABLE studies; --", "\x1b[31m", "%s %(a)s :name"],
    ids=["NUL", "far characters", "SQL", "escape", "placeholders"],
)
def test_what_a_header_says_can_be_written_whatever_it_is(index: Index, text: str) -> None:
    """A header that the database refuses would be tried again for ever, and all behind it with it."""
    index.record([replace(IMAGE, path=text)])
    index.record([replace(image(2), modality=text[:16])])
    assert queries.counts(index)[STUDY].images == 2


def test_an_event_may_say_anything(index: Index) -> None:
    index.record([Noted(START, "refused", None, "of a\0b")])
    assert len(queries.last_events(index)) == 1


def test_a_listener_may_have_a_long_name(index: Index) -> None:
    """The settings allow it; PostgreSQL would refuse every association of it, and all that waits behind."""
    index.record([opened(listener="the enhanced listener of the scanner in the basement of the old building")])
    assert sum(queries.open_associations(index).values()) == 1


def test_big_numbers_fit(index: Index) -> None:
    index.record([replace(IMAGE, size=9 << 30, series_number=-(2**31) + 1), replace(image(2), size=9 << 30)])
    assert queries.counts(index)[STUDY].size == 18 << 30


# ---- associations ----


def test_an_association_is_open_until_it_is_closed(index: Index) -> None:
    index.record([opened("a1"), opened("a2"), opened("b1", "classic")])
    assert queries.open_associations(index) == {"enhanced": 2, "classic": 1}
    index.record([closed("a1")])
    assert queries.open_associations(index) == {"enhanced": 1, "classic": 1}


def test_open_and_close_may_come_in_one_batch_in_that_order(index: Index) -> None:
    index.record([opened("a1"), image(1), closed("a1")])
    assert queries.open_associations(index) == {}
    assert not queries.is_fed(index, STUDY)


def test_what_a_dead_worker_left_open_is_ended_for_it_alone(index: Index) -> None:
    index.record([opened("a1", worker="w1"), opened("b1", worker="w2"), image(1, association="b1")])
    index.end_associations(START + 5, "the listener ended", "w1")
    assert queries.open_associations(index) == {"enhanced": 1}
    assert queries.is_fed(index, STUDY)
    index.end_associations(START + 6, "the dock ended")
    assert queries.open_associations(index) == {}
    assert not queries.is_fed(index, STUDY)


def test_an_association_that_was_ended_for_its_dead_worker_stays_so(index: Index) -> None:
    index.record([opened("a1"), image(1)])
    index.end_associations(START + 5, "the dock ended")
    index.record([opened("a1"), image(1)])  # the writer's last batch, repeated
    assert queries.open_associations(index) == {}


# ---- forgetting ----


def test_forget_removes_one_study_wholly(index: Index) -> None:
    index.record([opened(), image(1), image(1, study=OTHER), closed()])
    index.save_routes([route(), replace(route(), study=OTHER)])
    index.forget_study(STUDY)
    assert [row.uid for row in queries.all_studies(index)] == [OTHER]
    assert [row.study for row in queries.all_routes(index)] == [OTHER]
    found = dump(index, ("studies", "series", "instances", "routes", "contributions"))
    assert all(STUDY not in row.values() for rows in found.values() for row in rows)
    index.forget_study(STUDY)


def test_a_study_that_was_forgotten_may_come_again(index: Index) -> None:
    index.record([image(1)])
    index.forget_study(STUDY)
    index.record([image(2)])
    study = queries.study(index, STUDY)
    assert study is not None
    assert (study.version, study.first_received) == (1, START + 2)


def test_clear_empties_what_files_can_tell_and_keeps_the_rest(index: Index) -> None:
    index.record([opened(), image(1), Noted(START, "complete", STUDY, "1 image")])
    index.save_routes([route()])
    index.set_fact("clock", "1.5")
    index.clear()
    assert queries.all_studies(index) == []
    assert queries.instances_of(index, STUDY) == []
    assert queries.all_routes(index) == []
    assert queries.open_associations(index) == {"enhanced": 1}
    assert len(queries.last_events(index)) == 1
    assert index.fact("clock") == "1.5"


def test_prune_forgets_what_ended_before_and_nothing_that_is_open(index: Index) -> None:
    entries: list[Entry] = [opened("old"), image(1, association="old"), closed("old")]
    entries += [opened("open"), image(2, association="open")]
    index.record([*entries, Noted(START, "complete", STUDY, "old"), Noted(START + 2 * DAY, "complete", STUDY, "new")])
    index.prune(START + DAY)
    assert [event.text for event in queries.last_events(index)] == ["new"]
    assert [row["id"] for row in dump(index, ["associations"])["associations"]] == ["open"]
    assert [row["association"] for row in dump(index, ["contributions"])["contributions"]] == ["open"]
    assert len(queries.instances_of(index, STUDY)) == 2


# ---- facts and routes ----


def test_facts_are_written_read_replaced_and_dropped(index: Index) -> None:
    assert index.fact("swept") is None
    index.set_fact("swept", "1.5")
    index.set_fact("swept", "2.5")
    assert index.fact("swept") == "2.5"
    index.drop_fact("swept")
    index.drop_fact("swept")
    assert index.fact("swept") is None
    assert index.fact("layout") == LAYOUT


def test_routes_are_replaced_series_by_series(index: Index) -> None:
    first, second = route(1, State.WAITING, reason="full"), route(2, State.HELD, reason="outside")
    index.save_routes([second, first])
    assert queries.routes_of(index, STUDY) == [first, second]
    mended = replace(first, state=State.ROUTED, reason="", changed=START + 5)
    index.save_routes([replace(first, reason="older"), mended])
    assert queries.routes_of(index, STUDY) == [mended, second]
    assert queries.all_routes(index) == [mended, second]
    assert queries.routes_of(index, OTHER) == []


def test_facts_are_written_with_a_batch_or_not_at_all(index: Index) -> None:
    index.record([image(1)], {"journal a": "5", "journal b": "7"})
    index.record([], {"journal a": "6"})
    assert (index.fact("journal a"), index.fact("journal b")) == ("6", "7")
    with pytest.raises(StoreError, match="the index cannot be used"):
        index.record([UNWRITABLE], {"journal a": "9"})
    assert index.fact("journal a") == "6"


def test_marks_touch_the_named_images_only(index: Index) -> None:
    index.record([image(1), image(2), image(1, study=OTHER)])
    index.set_routed(STUDY, iter([image(1).name, "no such file"]), START + 1)
    index.set_taken(STUDY, [image(2).name], START + 2)
    assert [(row.routed, row.taken) for row in queries.instances_of(index, STUDY)] == [
        (START + 1, None),
        (None, START + 2),
    ]
    assert queries.counts(index)[OTHER] == Count(1, 1, 1000, 0, 0, 0)
    index.set_routed(STUDY, [image(1).name], None)
    index.set_taken(STUDY, [image(2).name], None)
    assert queries.counts(index)[STUDY] == Count(1, 2, 2000, 0, 0, 0)


def test_timers_begin_anew_for_studies_that_are_being_received_only(index: Index) -> None:
    index.record([image(1), image(1, study=OTHER)])
    index.happened(OTHER, Event.QUIET)
    index.restart_timers(replace(NOW, monotonic=5000.0, boot="boot-2"))
    assert queries.quiet_studies(index, replace(NOW, monotonic=99999.0, boot=BOOT), 60) == []
    late = replace(NOW, monotonic=5060.0, boot="boot-2")
    assert [row.uid for row in queries.quiet_studies(index, late, 60)] == [STUDY]
