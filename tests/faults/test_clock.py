"""Clocks and file times that are wrong: nothing is deleted by them, and no study waits for them.

A leap second is nothing to a process on Linux: the kernel repeats or smears a second, which is less than the
corrections that time servers make all the time (`test_small_corrections_are_no_jump` in tests/dock).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, wait_for
from tests.e2e.faketime import Clock, library

HOUR = 3600.0
DAY = 24 * HOUR
YEAR = 365 * DAY
QUIET = 1.0


@pytest.fixture
def clock(tmp_path: Path, need_tool: NeedTool) -> Clock:
    """The clock of this test's docks."""
    return Clock(library(need_tool), tmp_path / "clock")


def uid(seed: str) -> str:
    return StudyIdentity(seed).study_uid


def receive(place: Place, dock: Dock, images: MakeImages, *seeds: str) -> None:
    """Studies of two images each, which are complete afterwards."""
    for seed in seeds:
        clients.ours(dock.enhanced, images(2, seed=seed))
    for seed in seeds:
        place.wait_for_state("kept", study=uid(seed))


def there(place: Place, *seeds: str) -> set[str]:
    """Which of these studies have their directory, with both images in it."""
    studies = place.studies()
    found = {seed: studies[uid(seed)]["directory"] for seed in seeds if uid(seed) in studies}
    return {seed for seed, name in found.items() if len(list((place.store / name).glob("MR.*"))) == 2}


# ---- T34 ----


def jumped(place: Place) -> bool:
    return any("nothing is deleted: the clock jumped" in notice for notice in place.status()["notices"])


@pytest.mark.parametrize("jump", ["to 1970", "ten years on"])
def test_t34_a_clock_that_is_set_wrong_and_put_right(place: Place, images: MakeImages, clock: Clock, jump: str) -> None:
    """The clock is set while a dock runs and receives, and back again: nothing is deleted until somebody sweeps, and
    studies are complete after the quiet time, neither at once nor years later."""
    place.quiet = QUIET
    place.write_settings()
    with place.dock(env=clock.env) as dock:
        receive(place, dock, images, "before")
        files = [image_file(path) for path in images(2, seed="during")]
        with Requester("127.0.0.1", dock.enhanced, propose(files), called="MRDOCK") as peer:
            assert peer.store(files[0]).succeeded
            clock.set_to(1.5 * DAY) if jump == "to 1970" else clock.set(10 * YEAR)
            wait_for("the notice", lambda: jumped(place))
            assert place.studies()[uid("during")]["state"] == "receiving", "its association is open"
            since = time.monotonic()
            assert peer.store(files[1]).succeeded
        place.wait_for_state("kept", study=uid("during"))
        assert time.monotonic() - since >= QUIET
        since = time.monotonic()
        clients.ours(dock.classic, images(2, seed="after"))
        clock.set(0)
        place.wait_for_state("kept", study=uid("after"))
        assert time.monotonic() - since >= QUIET
        assert there(place, "before", "during", "after") == {"before", "during", "after"}
        assert jumped(place), "somebody has to look"
        assert "deleted:" not in dock.log()
        done = place.ask("sweep")
        assert "deleted" not in done.stdout
        assert not jumped(place)
    assert there(place, "before", "during", "after") == {"before", "during", "after"}
    assert len(place.images()) == 6


AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def summer_begins() -> float:
    """The last Sunday of March, when 02:00 is 03:00, of a year to come: the sweep of 03:00 comes with the change."""
    return datetime(2027, 3, 28, 3, tzinfo=AMSTERDAM).timestamp()


def summer_ends() -> float:
    """The last Sunday of October, when 03:00 is 02:00 again: 02:00 comes twice."""
    return datetime(2027, 10, 31, 2, tzinfo=AMSTERDAM, fold=1).timestamp()


@pytest.mark.parametrize(("change", "hour"), [(summer_begins, 3), (summer_ends, 2)])
def test_t34_daylight_saving_time_is_no_jump(
    place: Place, images: MakeImages, clock: Clock, change: Callable[[], float], hour: int
) -> None:
    """The clocks change while a dock runs: there is one sweep that night, at its hour, it deletes what is old and
    nothing else, and nobody speaks of a clock that jumped."""
    moment = change()
    before, after = (datetime.fromtimestamp(moment + beside, AMSTERDAM).utcoffset() for beside in (-1, 0))
    assert before != after
    place.env = {"TZ": "Europe/Amsterdam", **clock.env}
    place.more = f"[retention]\ndays = 0.5\nhour = {hour}\n"
    place.write_settings()
    clock.set_to(moment - 22 * HOUR)
    with place.dock() as dock:
        receive(place, dock, images, "old")
    clock.set_to(moment - 3)
    with place.dock("-v") as dock:
        clients.ours(dock.enhanced, images(2, seed="young"))
        wait_for("the sweep", lambda: there(place, "old", "young") == {"young"})
        wait_for("the change", lambda: clock.now > moment + 1)
        receive(place, dock, images, "next")
        assert dock.log().count("deleted: last image received") == 1
        assert not jumped(place)
    assert there(place, "old", "young", "next") == {"young", "next"}


# ---- T35 ----


def test_t35_age_comes_from_the_receipt_and_not_from_file_times(place: Place, images: MakeImages, clock: Clock) -> None:
    """``touch`` gave old files the date 2099 and young ones 1970, directories too: the night's sweep, one by hand and
    one after a reindex delete what was received long ago, neither more nor never."""
    place.more = "[retention]\ndays = 10\n"
    place.write_settings()
    clock.set(-12 * DAY)
    with place.dock(env=clock.env) as dock:
        receive(place, dock, images, "old", "old too")
    touch(place, "old", "2099-01-01T00:00:00")
    touch(place, "old too", "1970-01-01T00:00:00")
    clock.set(-6 * DAY)
    with place.dock(env=clock.env) as dock:
        receive(place, dock, images, "young", "young too")
    touch(place, "young", "1970-01-01T00:00:00")
    touch(place, "young too", "2099-01-01T00:00:00")
    seeds = ("old", "old too", "young", "young too")
    assert there(place, *seeds) == set(seeds)
    names = {seed: place.studies()[uid(seed)]["directory"] for seed in seeds}
    listed = place.ask("sweep", "--dry-run").stdout.splitlines()
    assert {line.split(": ")[1] for line in listed} == {names["old"], names["old too"]}
    clock.set(0)
    with place.dock(env=clock.env):
        wait_for("the sweep", lambda: there(place, *seeds) == {"young", "young too"})
    assert place.ask("reindex").returncode == 0
    clock.set(3.5 * DAY)
    assert "Nothing is older" in place.run("sweep", env=clock.env).stdout
    clock.set(4.5 * DAY)
    done = place.run("sweep", env=clock.env)
    assert done.stdout.count("deleted: ") == 2, done
    assert there(place, *seeds) == set()
    assert place.images() == {}


def touch(place: Place, seed: str, when: str) -> None:
    """Give a study's files and its directory this time."""
    moment = datetime.fromisoformat(when + "+00:00").timestamp()
    directory = place.store / place.studies()[uid(seed)]["directory"]
    for path in (*directory.iterdir(), directory):
        os.utime(path, (moment, moment))
