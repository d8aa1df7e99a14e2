"""What a person asks for with ``mrdock route``: try again, or copy to another place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.dock import record
from mrdock.dock.states import State
from tests.dock.support import STUDY, Bench, image, names_in, record_of

S1, S2, S3 = (f"{STUDY}.{number}" for number in (1, 2, 3))


@pytest.fixture
def elsewhere(bench: Bench) -> Path:
    """Another directory that may be copied to."""
    made = bench.base / "research" / "elsewhere"
    made.mkdir()
    return made


def asked(bench: Bench, path: Path | str | None = None) -> State:
    """Ask, and let the dock do it."""
    bench.ask(None if path is None else str(path))
    bench.tick(after=1)
    return bench.study().state


def test_trying_again_what_still_fails_is_held_again_with_its_reason(bench: Bench) -> None:
    bench.take_in(image(1, path="/nowhere/at/all"))
    before = bench.routes()
    assert asked(bench) is State.HELD
    assert bench.routes() == before


def test_trying_again_does_not_wait_for_the_next_try(bench: Bench, research: Path) -> None:
    bench.change(mount_points=(research,))
    bench.take_in(image(1, path=str(research)))
    bench.tick(after=30)
    assert bench.study().attempts == 2
    bench.change(mount_points=())
    assert asked(bench) is State.ROUTED


def test_trying_again_what_is_done_copies_nothing(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)))
    (research / f"MR.{S1}.1").unlink()
    assert asked(bench) is State.ROUTED
    assert names_in(research) == []  # it was copied once; what researchers do with it is theirs


def test_a_study_without_a_path_goes_to_where_a_person_says(bench: Bench, elsewhere: Path) -> None:
    bench.take_in(image(1), image(1, series=2))
    assert asked(bench, elsewhere) is State.ROUTED
    assert names_in(elsewhere) == bench.names()
    assert {(row.series, row.asked, row.path) for row in bench.routes()} == {
        (S1, True, str(elsewhere)),
        (S2, True, str(elsewhere)),
    }
    assert bench.study().asked_path == str(elsewhere)


def test_a_series_with_two_paths_goes_to_where_a_person_says(bench: Bench, research: Path, elsewhere: Path) -> None:
    bench.take_in(image(1, path=f"{research}/a"), image(2, path=f"{research}/b"))
    assert asked(bench, elsewhere) is State.ROUTED
    assert names_in(elsewhere) == bench.names()
    assert names_in(research) == []


def test_of_a_study_with_a_held_series_that_one_goes(bench: Bench, research: Path, elsewhere: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(1, series=2, path="/nowhere"), image(1, series=3))
    assert asked(bench, elsewhere) is State.ROUTED
    assert names_in(research) == [f"MR.{S1}.1"]
    assert f"MR.{S2}.1" in names_in(elsewhere)
    assert f"MR.{S1}.1" not in names_in(elsewhere)


def test_of_a_study_with_a_held_series_those_without_a_path_go_too(
    bench: Bench, research: Path, elsewhere: Path
) -> None:
    """`asked_path` is for series without a path of their own, says the index."""
    bench.take_in(image(1, path=str(research)), image(1, series=2, path="/nowhere"), image(1, series=3))
    asked(bench, elsewhere)
    assert names_in(elsewhere) == [f"MR.{S2}.1", f"MR.{S3}.1"]


def test_a_study_that_is_all_copied_goes_once_more(bench: Bench, research: Path, elsewhere: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(1, series=2, path=str(research)))
    assert asked(bench, elsewhere) is State.ROUTED
    assert names_in(elsewhere) == names_in(research) == bench.names()


def test_twice_asked_for_the_same_copies_once(bench: Bench, elsewhere: Path) -> None:
    bench.take_in(image(1))
    asked(bench, elsewhere)
    inode = (elsewhere / f"MR.{S1}.1").stat().st_ino
    assert asked(bench, elsewhere) is State.ROUTED
    assert (elsewhere / f"MR.{S1}.1").stat().st_ino == inode
    assert names_in(elsewhere) == bench.names()


def test_a_place_that_may_not_be_is_held(bench: Bench) -> None:
    bench.take_in(image(1))
    assert asked(bench, "/etc") is State.HELD
    (route,) = bench.routes()
    assert (route.asked, route.path) == (True, "/etc")
    assert "not below" in route.reason


def test_late_images_of_a_series_that_was_asked_for_follow_it(bench: Bench, research: Path, elsewhere: Path) -> None:
    bench.take_in(image(1, path="/nowhere"))
    asked(bench, elsewhere)
    bench.take_in(image(2, path="/nowhere"), image(1, series=2), image(1, series=3, path=str(research)))
    assert bench.study().state is State.ROUTED
    assert names_in(elsewhere) == [f"MR.{S1}.1", f"MR.{S1}.2", f"MR.{S2}.1"]
    assert names_in(research) == [f"MR.{S3}.1"]


def test_what_is_asked_for_while_images_come_is_done_when_the_study_is_complete(bench: Bench, elsewhere: Path) -> None:
    bench.send(image(1))
    bench.ask(str(elsewhere))
    bench.tick(after=1)
    assert bench.study().state is State.RECEIVING
    assert names_in(elsewhere) == []
    bench.tick(after=60)
    assert bench.study().state is State.ROUTED
    assert names_in(elsewhere) == bench.names()


def test_what_is_asked_for_survives_a_restart(bench: Bench, elsewhere: Path) -> None:
    bench.take_in(image(1, path="/nowhere"))
    bench.ask(str(elsewhere))
    bench.close()
    bench.open()
    bench.tick()
    assert bench.study().state is State.ROUTED
    assert names_in(elsewhere) == bench.names()


def test_a_question_that_is_asked_while_the_study_is_copied_is_not_lost(
    bench: Bench, research: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dock copies in one process, a person asks in another."""
    from mrdock.dock import routing
    from mrdock.dock.copying import copy_image

    def copy(*words: str, **more: int) -> str:
        monkeypatch.setattr(routing, "copy_image", copy_image)
        there = copy_image(*words, **more)  # type: ignore[arg-type]
        bench.ask(str(elsewhere))
        return there

    monkeypatch.setattr(routing, "copy_image", copy)
    bench.take_in(image(1, path=str(research)), image(2, path=str(research)))
    told = [line for line in record_of(bench.directory()) if line["event"] in ("asked", "routed", "route")]
    assert [line["event"] for line in told] == ["asked", "route"], "a job that is void writes nothing"
    assert [row.routed for row in bench.images()] == [None, None]
    assert bench.study().copying is None
    assert bench.events("routed") == []
    bench.tick(after=1)
    assert bench.study().state is State.ROUTED
    assert names_in(elsewhere) == bench.names()
    assert [row.path for row in bench.routes()] == [str(elsewhere)]


def test_what_was_asked_stands_in_the_record(bench: Bench, research: Path, elsewhere: Path) -> None:
    bench.take_in(image(1, path=str(research)))
    bench.ask(str(elsewhere))
    told = [line for line in record_of(bench.directory()) if line["event"] in ("asked", "route")][1:]
    assert [line["event"] for line in told] == ["asked", "route"]
    assert (told[0]["path"], told[0]["again"]) == (str(elsewhere), [f"MR.{S1}.1"])
    assert (told[1]["asked"], told[1]["state"]) == (True, "waiting")


def test_a_study_whose_directory_is_gone_can_be_asked_for(bench: Bench, elsewhere: Path, tmp_path: Path) -> None:
    bench.take_in(image(1))
    bench.directory().rename(tmp_path / "taken")
    assert asked(bench, elsewhere) is State.KEPT
    assert names_in(elsewhere) == []


def test_a_record_that_cannot_be_written_leaves_nothing_open_and_nothing_changed(
    bench: Bench, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    bench.take_in(image(1))
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(record, "append", fail)
    with pytest.raises(OSError, match="No space left"):
        bench.ask(str(elsewhere))
    assert len(os.listdir("/proc/self/fd")) == before
    assert bench.study().state is State.KEPT
    assert bench.study().asked_path is None


def test_that_it_was_to_be_tried_again_stands_in_the_record(bench: Bench) -> None:
    bench.take_in(image(1, path="/nowhere/at/all"))
    bench.ask()
    last = record_of(bench.directory())[-1]
    assert (last["event"], last["path"], last["again"]) == ("asked", None, [])
