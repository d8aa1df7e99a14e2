"""The files are the truth: an index made anew from them is the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mrdock.dock import reconcile as reconcile_module
from mrdock.dock import service, startup
from mrdock.dock.clock import stamp
from mrdock.dock.database import open_index
from mrdock.dock.index import UnwritableError
from mrdock.dock.reconcile import rebuild
from mrdock.dock.states import State
from mrdock.errors import StaleIndexError
from tests.dock.support import STUDY, Bench, dump, image


def rich(bench: Bench, research: Path) -> None:
    """A store with studies in all states that stay, differing images, late ones, and asked routes."""
    bench.take_in(image(1, path=str(research)), image(2, path=str(research)), image(1, series=2))
    bench.take_in(image(3, path=str(research)), image(3, path=str(research), pixels=b"\3\4"))
    bench.take_in(image(1, study="1.2.4", path="/nowhere"), image(1, study="1.2.4", series=2, path=str(research)))
    bench.take_in(image(1, study="1.2.5"), image(2, study="1.2.5"))
    bench.take_in(image(1, study="1.2.6", path=f"{research}/a"), image(2, study="1.2.6", path=f"{research}/b"))
    bench.ask(f"{research}/asked", "1.2.6")
    bench.tick(after=1)
    bench.take_in(image(1, study="1.2.7"))
    bench.ask(f"{research}/nobody's/directory", "1.2.7")
    bench.tick(after=1)
    bench.send(image(1, study="1.2.9"))


def anew(bench: Bench) -> dict[str, list[object]]:
    """Rebuild the index; returns what it says then."""
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    return dump(bench.index)


def test_a_rebuilt_index_says_the_same(bench: Bench, research: Path) -> None:
    rich(bench, research)
    before = dump(bench.index)
    assert {row["state"] for row in before["studies"]} == {"routed", "held", "kept", "receiving"}
    after = anew(bench)
    for table, rows in before.items():
        assert after[table] == rows, table
    assert anew(bench) == after


@pytest.mark.parametrize("damage", ["deleted", "emptied", "noise", "half", "a page", "cut short", "header"])
def test_a_start_with_a_damaged_index_gives_the_same(bench: Bench, research: Path, damage: str) -> None:
    rich(bench, research)
    before = dump(bench.index)
    path = bench.store.index_path
    bench.close()
    size = path.stat().st_size
    if damage == "deleted":
        path.unlink()
    elif damage in ("emptied", "cut short"):
        os.truncate(path, 0 if damage == "emptied" else size // 2)
    elif damage == "noise":
        path.write_bytes(os.urandom(size))
    else:
        start, length = {"half": (size // 2, size), "a page": (4096 * 3, 4096), "header": (0, 100)}[damage]
        with path.open("r+b") as stream:
            stream.seek(start)
            stream.write(b"\xa5" * min(length, size - start))
    bench.open_store_only()
    report = service._prepare(bench.store, bench.settings)
    bench.index = open_index(path)
    assert report is not None
    assert report.studies == 6
    after = dump(bench.index)
    for table, rows in before.items():
        assert after[table] == rows, table


def test_what_was_taken_is_remembered_as_it_was(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(2, path=str(research)), image(1, series=2), image(1, series=3))
    for name in ("MR.1.2.3.1.1", "MR.1.2.3.2.1"):
        (bench.directory() / name).unlink()
    bench.tick(after=1000)
    before = dump(bench.index)
    assert [row["taken"] is None for row in before["instances"]] == [False, True, False, True]
    after = anew(bench)
    for table, rows in before.items():
        assert after[table] == rows, table


def test_a_damaged_index_is_put_aside_not_deleted(bench: Bench) -> None:
    bench.take_in(image(1))
    path = bench.store.index_path
    bench.close()
    path.write_bytes(b"no database " * 1000)
    bench.open_store_only()
    _, rebuilt = startup.with_index(bench.store, bench.settings, lambda index: index.fact("layout"))
    bench.index = open_index(path)
    assert rebuilt
    (aside,) = path.parent.glob("index.sqlite.damaged-*")
    assert aside.read_bytes() == b"no database " * 1000


# ---- states that only the record can tell ----


def restored(bench: Bench, uid: str = STUDY) -> State:
    """The state of a study after a rebuild."""
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    return bench.study(uid).state


def test_a_study_that_was_complete_but_not_yet_routed_is_routed_after_it(bench: Bench, research: Path) -> None:
    bench.send(image(1, path=str(research)))
    bench.clock.pass_(61)
    bench.keeper.complete(bench.now)
    assert bench.study().state is State.COMPLETE
    assert restored(bench) is State.COMPLETE
    bench.tick()
    assert bench.study().state is State.ROUTED


@pytest.mark.parametrize("series", [1, 2])
def test_a_late_image_that_was_not_yet_routed_is_routed_after_it(bench: Bench, research: Path, series: int) -> None:
    """Killed between *complete* and *routed* of the late image; the record still says that the series is routed."""
    bench.take_in(image(1, path=str(research)))
    bench.send(image(2, series=series, path=str(research)))
    bench.clock.pass_(61)
    bench.keeper.complete(bench.now)
    assert bench.study().state is State.COMPLETE
    assert restored(bench) is State.COMPLETE
    bench.tick()
    assert sorted(os.listdir(research)) == bench.names()


def test_a_study_that_waits_is_tried_again_after_it(bench: Bench, research: Path) -> None:
    bench.change(mount_points=(research,))
    bench.take_in(image(1, path=str(research)))
    assert bench.study().state is State.WAITING
    assert restored(bench) in (State.COMPLETE, State.WAITING)
    bench.change(mount_points=())
    bench.tick(after=3600)
    assert bench.study().state is State.ROUTED


def test_a_study_that_is_being_received_still_is(bench: Bench) -> None:
    bench.take_in(image(1))
    bench.send(image(2))
    assert restored(bench) is State.RECEIVING


def test_what_a_person_asked_for_is_still_asked_for(bench: Bench, research: Path) -> None:
    bench.take_in(image(1))
    bench.ask(str(research))
    assert restored(bench) is State.COMPLETE
    bench.tick()
    assert sorted(os.listdir(research)) == bench.names()


def test_what_a_person_asked_to_be_copied_once_more_still_is(bench: Bench, research: Path) -> None:
    (research / "first").mkdir()
    (research / "second").mkdir()
    bench.take_in(image(1, path=f"{research}/first"))
    bench.ask(f"{research}/second")
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    bench.tick(after=61)
    assert os.listdir(research / "second") == bench.names()


def test_a_held_study_that_a_person_wants_tried_again_still_is(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=f"{research}/a/b"))
    assert bench.study().state is State.HELD
    (research / "a").mkdir()
    bench.ask()
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    bench.tick(after=61)
    assert bench.study().state is State.ROUTED


def test_an_image_that_is_taken_and_back_is_there(bench: Bench) -> None:
    bench.take_in(image(1), image(2))
    kept = bench.directory() / "MR.1.2.3.1.1"
    kept.rename(bench.base / "away")
    bench.tick(after=1000)
    assert bench.images()[0].taken is not None
    (bench.base / "away").rename(kept)
    bench.tick(after=1000)
    assert [row.taken for row in bench.images()] == [None, None]
    before = dump(bench.index)
    assert anew(bench) == before


def test_associations_and_events_stay(bench: Bench) -> None:
    bench.take_in(image(1))
    before = dump(bench.index, ("associations", "events", "contributions", "facts"))
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert dump(bench.index, ("associations", "events", "contributions", "facts")) == before


@pytest.mark.parametrize(
    "line",
    [
        b'{"event": "routed", "at": "2026-01-05T10:00:00+00:00"}',
        b'{"event": "route", "at": "2026-01-05T10:00:00+00:00", "series": "1.2.3.1"}',
        b'{"event": "complete", "at": "2026-01-05T10:00:00+00:00"}',
        b'{"event": "complete", "at": "some day", "looks": ""}',
        b'{"event": "route", "at": "2026-01-05T10:00:00+00:00", "series": "1.2.3.1", "path": "/x", "asked": false,'
        b' "state": "of another version", "reason": "", "suggestion": ""}',
        b'{"event": "taken", "at": "2026-01-05T10:00:00+00:00", "names": ["x"], "images": [{"name": "x"}]}',
        b'{"event": "taken", "at": "2026-01-05T10:00:00+00:00", "names": ["x"], "images": [{"name": "x", "new": 1}]}',
        b'{"event": "asked", "path": "/x"}',
        b'{"event": ["study"]}',
        b'{"event": "of another version", "at": 5}',
    ],
)
def test_a_line_that_cannot_be_used_keeps_no_dock_from_starting(bench: Bench, line: bytes) -> None:
    bench.take_in(image(1))
    with (bench.directory() / ".mrdock-study").open("ab") as stream:
        stream.write(line + b"\n")
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert bench.study().state is State.KEPT
    assert [row.name for row in bench.images()] == ["MR.1.2.3.1.1"]


def test_a_line_that_the_database_refuses_keeps_no_dock_from_starting(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL says how long a text may be, SQLite takes any."""

    def refuse(*_: object) -> None:
        raise UnwritableError("value too long for type character varying(4096)")

    bench.take_in(image(1, path=str(research)))
    for name in ("tell_routed", "tell_route"):
        monkeypatch.setattr(bench.index, name, refuse)
    report = rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert (report.studies, report.found) == (1, 1)


LOOK = {"series": "1.2.3.1", "form": "classic", "whole": True, "text": "as promised"}


@pytest.mark.parametrize(
    ("looks", "kept"),
    [
        (json.dumps([LOOK]), True),
        (json.dumps([{**LOOK, "whole": None}]), True),
        ("[]", True),
        (json.dumps(["series 1: 3 of 5"]), False),
        (json.dumps([{**LOOK, "new": 1}]), False),
        (json.dumps([{**LOOK, "text": None}]), False),
        (json.dumps(LOOK), False),
        ("series 1: 3 of 5", False),
        (5, False),
        (None, False),
        ([], False),
    ],
)
def test_looks_of_another_form_are_forgotten(bench: Bench, looks: object, kept: bool) -> None:
    bench.take_in(image(1))
    line = {"event": "complete", "at": stamp(bench.now.wall), "looks": looks}
    with (bench.directory() / ".mrdock-study").open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert bench.study().looks == (looks if kept else "")


def test_an_old_index_that_cannot_be_read_is_not_needed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.take_in(image(1))
    before = dump(bench.index)

    def fail(*_: object) -> None:
        raise StaleIndexError("the index cannot be used: malformed")

    monkeypatch.setattr(reconcile_module, "_note_taken", fail)
    assert anew(bench) == before


def test_a_rebuild_reads_each_header_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from mrdock.dock import reconcile

    bench.take_in(*(image(number) for number in range(5)))
    real: Callable[..., object] = reconcile.read_row
    read: list[object] = []

    def read_row(*words: object) -> object:
        read.append(words[0])
        return real(*words)

    monkeypatch.setattr(reconcile, "read_row", read_row)
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert sorted(map(str, read)) == bench.names()
    reconcile.reconcile(bench.store, bench.index, bench.settings, bench.now)
    assert len(read) == 5
