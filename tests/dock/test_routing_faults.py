"""Routing that is cut short, that loses its source or its destination, and what its record tells."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mrdock.dock import queries, record, routing
from mrdock.dock.clock import stamp
from mrdock.dock.copying import SourceGoneError, copy_image
from mrdock.dock.destination import open_destination
from mrdock.dock.states import State
from mrdock.dock.store import lock_study
from mrdock.dock.taken import mark_taken
from tests.dock.support import STUDY, Bench, image, names_in, record_of

S1 = f"{STUDY}.1"


def test_a_copying_that_died_goes_on_and_ends_once(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    left = [2]

    def copy(*words: str, **more: int) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise Died
        return copy_image(*words, **more)  # type: ignore[arg-type]

    bench.send(*(image(number, path=str(research)) for number in range(1, 6)))
    with monkeypatch.context() as patch:
        patch.setattr(routing, "copy_image", copy)
        with pytest.raises(Died):
            bench.tick(after=61)
    assert len(names_in(research)) == 2
    bench.close()
    bench.open()
    bench.tick()
    assert bench.study().state is State.ROUTED
    assert names_in(research) == bench.names()
    assert len(bench.events("routed")) == 1
    assert bench.study().copying is None


def test_a_destination_that_vanishes_while_copying_is_not_a_success(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory was removed under the open descriptor: what cannot be made there is not a source that is gone."""

    def open_and_lose(*words: object) -> int:
        descriptor = open_destination(*words)  # type: ignore[arg-type]
        (research / "subj1").rmdir()
        return descriptor

    monkeypatch.setattr(routing, "open_destination", open_and_lose)
    bench.take_in(image(1, path=f"{research}/subj1"))
    assert bench.study().state is State.WAITING
    assert [(row.routed, row.taken) for row in bench.images()] == [(None, None)]
    monkeypatch.undo()
    bench.tick(after=30)
    assert bench.study().state is State.ROUTED
    assert names_in(research / "subj1") == bench.names()


def test_an_image_that_was_moved_and_moved_back_is_waited_for(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(name: str, **_: object) -> str:
        raise SourceGoneError(errno.ENOENT, "No such file or directory", name)

    with monkeypatch.context() as patch:
        patch.setattr(routing, "copy_image", gone)
        bench.take_in(image(1, path=str(research)))
    assert bench.study().state is State.WAITING
    bench.tick(after=30)
    assert bench.study().state is State.ROUTED
    assert names_in(research) == bench.names()


def test_a_series_that_was_taken_before_it_was_copied_is_not_copied(bench: Bench, research: Path) -> None:
    bench.send(image(1, path=str(research)), image(1, series=2, path=str(research)))
    (bench.directory() / f"MR.{S1}.1").unlink()
    bench.tick(after=61)
    assert bench.study().state is State.ROUTED
    assert {row.series: row.state for row in bench.routes()} == {S1: State.KEPT, f"{STUDY}.2": State.ROUTED}
    (bench.directory() / f"MR.{STUDY}.2.1").unlink()
    bench.ask(str(research.parent))
    bench.tick(after=1)  # finds that while copying
    assert bench.study().state is State.KEPT
    assert [row.name for row in bench.images() if row.routed is not None] == []


def test_an_image_that_comes_while_it_is_looked_for_is_not_taken(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = queries.instances_of

    def look(*words: object) -> object:
        found = real(*words)  # type: ignore[arg-type]
        monkeypatch.undo()
        bench.send(image(2, path=str(research)))
        return found

    bench.send(image(1, path=str(research)))
    directory = lock_study(bench.store, bench.study().directory, STUDY)
    assert directory is not None
    monkeypatch.setattr(queries, "instances_of", look)
    assert mark_taken(directory, bench.index, bench.now) == (0, 0)
    os.close(directory.descriptor)
    assert [row.taken for row in bench.images()] == [None, None]


def test_an_image_that_somebody_took_is_marked_and_the_others_go(bench: Bench, research: Path) -> None:
    bench.send(image(1, path=str(research)), image(2, path=str(research)))
    (bench.directory() / f"MR.{S1}.1").unlink()
    bench.tick(after=61)
    assert bench.study().state is State.ROUTED
    assert names_in(research) == [f"MR.{S1}.2"]
    assert [(row.taken is None, row.routed is None) for row in bench.images()] == [(False, True), (True, False)]


def test_an_image_that_somebody_takes_while_copying_is_marked(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(name: str, **more: int) -> str:
        if name.endswith("1"):
            (bench.directory() / name).unlink()
        return copy_image(name, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(routing, "copy_image", copy)
    bench.take_in(image(1, path=str(research)), image(2, path=str(research)))
    assert [(row.taken is None, row.routed is None) for row in bench.images()] == [(False, True), (True, False)]
    assert bench.study().state is State.ROUTED


def test_a_study_that_was_taken_as_a_whole_is_not_routed(bench: Bench, research: Path, tmp_path: Path) -> None:
    bench.send(image(1, path=str(research)))
    bench.directory().rename(tmp_path / "taken")
    bench.tick(after=61)
    assert bench.study().state is State.KEPT
    assert names_in(research) == []


@pytest.mark.parametrize("call", ["lock_study", "mark_taken"])
def test_a_store_that_cannot_be_read_stops_nothing_else(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """`route_study` promises not to raise for what the disk does; the study is due again."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    bench.send(image(1, path=str(research)), image(1, study="1.2.4", path=str(research)))
    (bench.directory() / f"MR.{S1}.1").unlink()
    for uid in (STUDY, "1.2.4"):
        bench.index.set_study(uid, state=State.COMPLETE)
    with monkeypatch.context() as patch:
        patch.setattr(routing, call, fail)
        routing.route_study(bench.store, bench.index, bench.settings, bench.study(), bench.now)
    assert bench.study("1.2.4").state is State.COMPLETE
    study = bench.study()
    assert (study.state, study.attempts, study.next_try) == (State.WAITING, 1, bench.clock.wall + 30)
    assert "nput/output error" in bench.routes()[0].reason
    assert [row.taken for row in bench.images()] == [None]


def test_the_record_that_cannot_be_written_makes_it_wait_and_nothing_is_copied_twice(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.send(image(1, path=str(research)))
    with monkeypatch.context() as patch:
        patch.setattr(record, "append", fail)
        bench.tick(after=61)
    assert bench.study().state is State.WAITING
    before = (research / f"MR.{S1}.1").stat().st_ino
    bench.tick(after=30)
    assert bench.study().state is State.ROUTED
    assert (research / f"MR.{S1}.1").stat().st_ino == before
    assert names_in(research) == bench.names()


# ---- the record ----


def test_the_record_tells_what_happened(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=f"{research}/a/b"))
    (route,) = bench.routes()
    (research / "a").mkdir()
    bench.ask(str(research))
    bench.tick(after=1)
    lines = record_of(bench.directory())
    assert [line["event"] for line in lines] == ["study", "complete", "route", "asked", "route", "routed", "route"]
    assert lines[0] == {"event": "study", "study": STUDY}
    assert lines[2] | {"at": ""} == {
        "event": "route",
        "at": "",
        "series": S1,
        "path": f"{research}/a/b",
        "asked": False,
        "state": "held",
        "reason": route.reason,
        "suggestion": str(research),
    }
    assert (lines[3]["path"], lines[3]["again"]) == (str(research), [])
    assert lines[5]["names"] == [f"MR.{S1}.1"]
    assert (lines[6]["state"], lines[6]["asked"], lines[6]["path"]) == ("routed", True, str(research))
    assert lines[6]["at"] == stamp(bench.clock.wall)


def test_a_study_that_is_claimed_by_another_host_is_left_to_it(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def claim(_study: str) -> Iterator[bool]:
        yield False

    monkeypatch.setattr(bench.index, "claim", claim)
    bench.send(image(1, path=str(research)))
    bench.tick(after=61)
    assert bench.study().state is State.COMPLETE
    assert names_in(research) == []
    monkeypatch.undo()
    bench.tick()
    assert bench.study().state is State.ROUTED
