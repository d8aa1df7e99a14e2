"""A clock that jumps: nothing is deleted by it until a person says so, and everything goes on afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mrdock.dock.keeper import check_clock, confirm_clock
from mrdock.dock.states import State
from mrdock.errors import StoreError
from tests.dock.support import DAY, STUDY, Bench, days, image, there

YEARS = 10 * 365 * DAY


@pytest.fixture(autouse=True)
def utc(in_zone: Callable[[str], None]) -> None:
    """Nights by UTC; the bench's clock begins at 10 o'clock."""
    in_zone("UTC")


def jump(bench: Bench, seconds: float, how: str) -> None:
    """Somebody sets the clock: while the dock runs, or while it is off."""
    if how == "over a restart":
        bench.close()
    bench.clock.wall += seconds
    if how == "over a restart":
        bench.clock.pass_(1)
        bench.open()
    bench.tick(after=1)


@pytest.mark.parametrize("how", ["while it runs", "over a restart"])
@pytest.mark.parametrize("seconds", [YEARS, -YEARS, 40 * DAY, -2 * 3600.0])
def test_nothing_is_deleted_after_the_clock_jumped_until_a_person_says_so(
    bench: Bench, how: str, seconds: float
) -> None:
    bench.tick()
    bench.take_in(image(1))
    days(bench, 2)
    jump(bench, seconds, how)
    days(bench, 5)
    assert there(bench) == [STUDY]
    assert len(bench.events("clock")) == 1
    bench.index.set_study(STUDY, last_received=bench.clock.wall - 31 * DAY)
    days(bench, 2)
    assert there(bench) == [STUDY]
    confirm_clock(bench.index, bench.now)
    days(bench, 2)
    assert there(bench) == []


def test_a_clock_that_went_wrong_and_was_put_right_does_not_stop_the_nights_for_ever(bench: Bench) -> None:
    """The sweep of a night in 2036 has been noted; the nights of 2026 come before it."""
    bench.tick()
    bench.take_in(image(1))
    jump(bench, YEARS, "while it runs")
    days(bench, 2)
    jump(bench, -YEARS, "while it runs")
    confirm_clock(bench.index, bench.now)
    days(bench, 35)
    assert there(bench) == []


def test_routing_goes_on_when_a_wrong_clock_was_put_right(bench: Bench, research: Path) -> None:
    bench.tick()
    jump(bench, YEARS, "while it runs")
    bench.change(mount_points=(research,))
    bench.take_in(image(1, path=str(research)))
    assert bench.study().state is State.WAITING
    bench.change(mount_points=())
    jump(bench, -YEARS, "while it runs")
    bench.tick(after=3600)
    assert bench.study().state is State.ROUTED


@pytest.mark.parametrize("seconds", [3000.0, -3000.0])
def test_small_corrections_are_no_jump(bench: Bench, seconds: float) -> None:
    bench.tick()
    bench.take_in(image(1))
    jump(bench, seconds, "while it runs")
    days(bench, 33)
    assert there(bench) == []
    assert bench.events("clock") == []


def test_a_dock_that_was_off_for_long_asks_first(bench: Bench) -> None:
    bench.tick()
    bench.take_in(image(1))
    jump(bench, 40 * DAY, "over a restart")
    days(bench, 2)
    assert there(bench) == [STUDY]
    assert "nothing is deleted until mrdock sweep is run by hand" in bench.events("clock")[0]


@pytest.mark.parametrize("off", [60.0, DAY, 6 * DAY])
def test_a_dock_that_was_off_for_a_while_goes_on(bench: Bench, off: float) -> None:
    bench.tick()
    bench.take_in(image(1))
    jump(bench, off, "over a restart")
    days(bench, 33)
    assert there(bench) == []


def test_a_sweep_by_hand_with_a_clock_of_the_past_is_refused(bench: Bench) -> None:
    bench.tick()
    check_clock(bench.index, bench.now)
    bench.clock.wall -= 2 * DAY
    with pytest.raises(StoreError, match="the clock says 2026-01-03 10:00, but the dock has seen 2026-01-05 10:00"):
        check_clock(bench.index, bench.now)
