"""What is old, what is announced, when the night's hour has come: decided from rows and a moment alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock.queries import StudyRow
from mrdock.dock.retention import BUSY, plan, plan_allows, sweep_due, to_announce
from mrdock.dock.settings import RetentionSettings
from mrdock.dock.states import State
from tests.dock.rows import study_row
from tests.dock.support import DAY, START

THIRTY = RetentionSettings()
KEEP_HELD = RetentionSettings(keep_held=True)
DONE = sorted(set(State) - BUSY)


def old(state: State, days: float = 31.0, uid: str = "1.2.3") -> StudyRow:
    """A study whose last image came some days before the start."""
    return study_row(uid, state=state, last_received=START - days * DAY)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("settings", [THIRTY, KEEP_HELD])
def test_old_studies_go_unless_they_are_busy_or_kept(state: State, settings: RetentionSettings) -> None:
    (expiry,) = plan([old(state)], START, settings)
    stays = state in BUSY or (state is State.HELD and settings.keep_held)
    assert expiry.goes is not stays
    assert "more than 30 days ago" in expiry.why
    assert (f"but it is {state}" in expiry.why) is stays
    assert plan_allows(old(state), START, settings) is expiry.goes


@pytest.mark.parametrize("state", State)
def test_a_study_of_exactly_the_age_is_not_yet_old(state: State) -> None:
    assert plan([old(state, 30.0)], START, THIRTY) == []
    assert plan([old(state, 0.0)], START, THIRTY) == []
    assert plan([old(state, -1.0)], START, THIRTY) == []
    assert len(plan([old(state, 30.0 + 1e-5)], START, THIRTY)) == 1


def test_the_oldest_is_first() -> None:
    rows = [old(State.KEPT, days, f"1.{days}") for days in (40, 90, 31)]
    assert [expiry.study.uid for expiry in plan(rows, START, THIRTY)] == ["1.90", "1.40", "1.31"]


def test_age_counts_from_the_last_image_not_the_first() -> None:
    row = replace(old(State.KEPT, 1), first_received=START - 400 * DAY)
    assert plan([row], START, THIRTY) == []


ROWS = st.builds(
    lambda state, age, number: old(state, age, f"1.2.{number}"),
    st.sampled_from(sorted(State)),
    st.floats(-1e4, 1e4),
    st.integers(0, 10**6),
)
SETTINGS = st.builds(
    RetentionSettings,
    days=st.floats(0.01, 1000),
    hour=st.integers(0, 23),
    keep_held=st.booleans(),
    announce_days=st.floats(0.01, 100),
)


@given(st.lists(ROWS, max_size=8), SETTINGS)
def test_nothing_busy_and_nothing_younger_than_the_limit_ever_goes(
    rows: list[StudyRow], settings: RetentionSettings
) -> None:
    found = plan(rows, START, settings)
    for expiry in found:
        assert expiry.study in rows
        assert expiry.study.last_received < START - settings.days * DAY
        if expiry.goes:
            assert expiry.study.state not in BUSY
            assert not (settings.keep_held and expiry.study.state is State.HELD)
    kept = [row for row in rows if row not in [expiry.study for expiry in found]]
    assert all(row.last_received >= START - settings.days * DAY for row in kept)


# ---- announcing ----


@pytest.mark.parametrize(
    ("age", "said"), [(26.9, False), (27.0, True), (29.0, True), (30.5, True), (400.0, True), (0.0, False)]
)
def test_held_studies_are_announced_in_their_last_days(age: float, said: bool) -> None:
    row = old(State.HELD, age)
    assert to_announce([row], START, THIRTY) == ([(row, row.last_received + 30 * DAY)] if said else [])


@pytest.mark.parametrize("state", sorted(set(State) - {State.HELD}))
def test_other_studies_are_not_announced(state: State) -> None:
    assert to_announce([old(state)], START, THIRTY) == []


def test_what_is_kept_is_not_announced() -> None:
    assert to_announce([old(State.HELD)], START, KEEP_HELD) == []


@given(st.lists(ROWS, max_size=8), SETTINGS)
def test_a_held_study_is_announced_before_it_goes(rows: list[StudyRow], settings: RetentionSettings) -> None:
    announced = [row for row, _ in to_announce(rows, START, settings)]
    for expiry in plan(rows, START, settings):
        if expiry.goes and expiry.study.state is State.HELD:
            assert expiry.study in announced


# ---- the hour ----

InZone = Callable[[str], None]
BERLIN = "CET-1CEST,M3.5.0,M10.5.0/3"
NEW_YORK = "EST5EDT,M3.2.0,M11.1.0"
LORD_HOWE = "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"


def utc(text: str) -> float:
    """A moment, written in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def sweeps(begin: str, days: int, hour: int) -> list[str]:
    """When a dock that looks every ten minutes sweeps, in local time."""
    wall = utc(begin)
    last, found = wall, []
    for _ in range(days * 144):
        wall += 600
        if sweep_due(last, wall, hour):
            last = wall
            found.append(datetime.fromtimestamp(wall).strftime("%m-%d %H:%M"))
    return found


def test_a_dock_that_never_swept_waits_for_its_first_night() -> None:
    assert not sweep_due(None, START, 3)


def test_it_is_once_a_night_at_the_hour(in_zone: InZone) -> None:
    in_zone("UTC")
    assert sweeps("2026-01-05 10:00", 3, 3) == ["01-06 03:00", "01-07 03:00", "01-08 03:00"]
    assert sweeps("2026-01-05 10:00", 2, 0) == ["01-06 00:00", "01-07 00:00"]
    assert sweeps("2026-01-05 10:00", 2, 23) == ["01-05 23:00", "01-06 23:00"]


def test_a_dock_that_was_off_at_the_hour_sweeps_when_it_is_back(in_zone: InZone) -> None:
    in_zone("UTC")
    swept = utc("2026-01-05 03:00")
    assert not sweep_due(swept, utc("2026-01-06 02:59:59"), 3)
    assert sweep_due(swept, utc("2026-01-06 11:00"), 3)
    assert sweep_due(swept, utc("2026-02-06 02:00"), 3)


def test_it_is_the_hour_of_the_place(in_zone: InZone) -> None:
    in_zone(NEW_YORK)
    assert sweeps("2026-01-05 10:00", 1, 3) == ["01-06 03:00"]
    assert sweep_due(utc("2026-01-06 07:59"), utc("2026-01-06 08:00"), 3)


@pytest.mark.parametrize("hour", [0, 1, 2, 3, 4, 23])
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (BERLIN, "2026-03-28"),  # 2 o'clock is left out on the 29th
        (BERLIN, "2026-10-24"),  # 2 o'clock comes twice on the 25th
        (NEW_YORK, "2026-03-07"),
        (NEW_YORK, "2026-10-31"),  # 1 o'clock comes twice on the 1st
        (LORD_HOWE, "2026-04-04"),  # half an hour
        ("UTC", "2028-02-28"),  # a leap day
        ("UTC", "2026-12-31"),
    ],
)
def test_it_is_once_a_night_when_the_clocks_change_too(in_zone: InZone, zone: str, day: str, hour: int) -> None:
    in_zone(zone)
    begin = (datetime.fromisoformat(day) + timedelta(hours=5)).astimezone(UTC)
    found = sweeps(begin.strftime("%Y-%m-%d %H:%M"), 3, hour)
    days = [text.split()[0] for text in found]
    assert len(set(days)) == len(days), found
    assert len(found) == 3
    late = {text.split()[1] for text in found} - {f"{hour:02}:00"}
    assert late <= {f"{hour + 1:02}:00"}  # where the hour was left out
