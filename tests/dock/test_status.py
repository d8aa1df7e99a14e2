"""What ``mrdock status`` shows: each state in words, what goes when, what is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mrdock.dock import status
from mrdock.dock.clock import Now
from mrdock.dock.entries import RouteRow
from mrdock.dock.keeper import JUMPED
from mrdock.dock.lock import describe, exclusive
from mrdock.dock.queries import Count
from mrdock.dock.setting_values import Free
from mrdock.dock.settings import RetentionSettings
from mrdock.dock.states import State
from mrdock.dock.status import Status, in_words
from tests.dock.rows import study_row
from tests.dock.support import DAY, START, STUDY, Bench, Image, image

ALL = Count(1, 2, 2000, 0, 0, 0)


@pytest.fixture(autouse=True)
def utc(in_zone: Callable[[str], None]) -> None:
    """Times are shown as they are in UTC."""
    in_zone("UTC")


def gather(bench: Bench) -> Status:
    """Look at everything."""
    return status.gather(bench.store, bench.index, bench.settings, bench.now)


def route(state: State, path: str = "/g5/a", reason: str = "", suggestion: str = "") -> RouteRow:
    """Where a series goes."""
    return RouteRow(STUDY, f"{STUDY}.{path}", path, False, state, reason, suggestion, START)


@pytest.mark.parametrize(
    ("values", "routes", "said"),
    [
        ({"state": State.RECEIVING}, [], "receiving"),
        ({"state": State.COMPLETE}, [], "complete, about to be copied"),
        ({"state": State.KEPT}, [], "complete, kept here (its header names no path)"),
        ({"state": State.COMPLETE, "copying": START - 10}, [], "being copied since 2026-01-05 09:59"),
        ({"state": State.WAITING, "copying": START - 299}, [], "being copied since 2026-01-05 09:55"),
        ({"state": State.COMPLETE, "copying": START - 301}, [], "copying hangs since 2026-01-05 09:54"),
        ({"state": State.ROUTED}, [route(State.ROUTED)], "copied to /g5/a"),
        ({"state": State.ROUTED}, [route(State.ROUTED, "/g5/b"), route(State.ROUTED)], "copied to /g5/a, /g5/b"),
        (
            {"state": State.WAITING, "next_try": START + 60},
            [route(State.WAITING, reason="/g5 is not mounted")],
            "waiting: /g5/a: /g5 is not mounted; next try 2026-01-05 10:01",
        ),
        ({"state": State.HELD}, [route(State.HELD, "", "two paths")], "held: two paths"),
        (
            {"state": State.HELD},
            [route(State.HELD, "/g6/x", "no such place", "/g5/x"), route(State.ROUTED)],
            "held: /g6/x: no such place (perhaps /g5/x?) (other series copied to /g5/a)",
        ),
    ],
)
def test_each_state_in_words(values: dict[str, Any], routes: list[RouteRow], said: str) -> None:
    assert in_words(study_row(**values), routes, ALL, moment()) == said


def moment() -> Now:
    """The start."""
    return Now(START, 1000.0)


def test_a_study_of_which_all_was_taken_says_so() -> None:
    row = study_row(state=State.ROUTED)
    assert in_words(row, [route(State.ROUTED)], replace(ALL, taken=2), moment()) == "taken out of the store"
    assert in_words(row, [route(State.ROUTED)], replace(ALL, taken=1), moment()) == "copied to /g5/a"


def test_an_empty_dock(bench: Bench) -> None:
    found = gather(bench)
    assert (found.running, found.pid, found.listeners, found.studies, found.notices) == (False, None, (), (), ())
    assert found.store == bench.store.root
    assert found.total >= found.free > 0
    assert json.loads(json.dumps(found.to_json()))["studies"] == []


def test_a_running_dock_says_what_it_listens_to(bench: Bench) -> None:
    listener = {"name": "enhanced", "host": "127.0.0.1", "port": 11112, "title": "MRDOCK", "accepts": "enhanced"}
    with exclusive(bench.store, "another dock") as lock, bench.association(listener="enhanced"):
        describe(lock, {"who": "another dock", "pid": 77, "started": START, "listeners": [listener]})
        found = gather(bench)
    assert (found.running, found.pid, found.started) == (True, 77, START)
    assert [(item.name, item.port, item.associations) for item in found.listeners] == [("enhanced", 11112, 1)]
    assert found.to_json()["listeners"][0] == {**listener, "associations": 1}
    assert found.to_json()["started"] == "2026-01-05T10:00:00.000000+00:00"


def test_somebody_else_who_holds_the_store_is_no_running_dock(bench: Bench) -> None:
    with exclusive(bench.store, "mrdock reindex"):
        assert not gather(bench).running


def test_studies_with_their_numbers_newest_first(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(2, path=str(research)), image(1, series=2))
    bench.take_in(image(1, study="1.2.4"), image(1, study="1.2.4", pixels=b"\3\4"))
    (bench.directory() / f"MR.{STUDY}.1.1").unlink()
    bench.tick(after=1000)
    newer, older = gather(bench).studies
    assert (newer.study, newer.images, newer.series, newer.differing) == ("1.2.4", 2, 1, 1)
    assert (older.study, older.images, older.series, older.taken) == (STUDY, 3, 2, 1)
    assert older.size == sum(row.size for row in bench.images())
    assert older.text == f"copied to {research}"
    said = gather(bench).to_json()["studies"][1]
    assert said["routes"] == [
        {"series": f"{STUDY}.1", "path": str(research), "asked": False, "state": "routed", "reason": "",
         "suggestion": ""}
    ]  # fmt: skip
    assert (said["images"], said["taken"], said["state"]) == (3, 1, "routed")


def test_when_a_study_goes(bench: Bench) -> None:
    bench.take_in(image(1, path="/nowhere"), image(1, study="1.2.4"))
    held, kept = sorted(gather(bench).studies, key=lambda study: study.state)
    assert held.goes == bench.study().last_received + 30 * DAY
    assert (held.announced, kept.announced) == (False, False)
    bench.clock.pass_(28 * DAY)
    held, kept = sorted(gather(bench).studies, key=lambda study: study.state)
    assert held.announced
    bench.settings = replace(bench.settings, retention=RetentionSettings(keep_held=True))
    held, kept = sorted(gather(bench).studies, key=lambda study: study.state)
    assert (held.goes, held.announced) == (None, False)
    assert kept.goes is not None
    assert gather(bench).to_json()["studies"]


@pytest.mark.parametrize("what", ["full", "broken", "worker", "clock"])
def test_what_is_wrong_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    bench.send(image(1))
    assert gather(bench).notices == ()
    with exclusive(bench.store, "another dock") as lock:
        describe(lock, {"who": "another dock", "pid": 1, "started": START - 1, "listeners": []})
        if what == "full":
            bench.store.minimum_free = Free(share=0.9999999)
        elif what == "broken":
            bench.store.broken = "the disk failed"
        elif what == "clock":
            bench.index.set_fact(JUMPED, "1.0")
        else:

            def fail(_: int) -> None:
                raise OSError(5, "Input/output error")

            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", fail)
                bench.send(image(2))
            bench.store.broken = None  # this process is another one than the worker
        (notice,) = gather(bench).notices
    expected = {"full": "too full", "broken": "the disk failed", "worker": "failed to write", "clock": "clock jumped"}
    assert expected[what] in notice


def test_what_was_refused_is_counted(bench: Bench) -> None:
    with bench.association() as association:
        association.send(Image("1.2.840.10008.5.1.4.1.1.4", "1.2", b"noise"))
    found = gather(bench)
    assert found.quarantined == 1
    assert any("kept as quarantine/" in event.text for event in found.events)


def test_looking_changes_nothing(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)))
    before = {path: path.stat().st_mtime_ns for path in bench.store.root.rglob("*") if "index" not in path.name}
    assert gather(bench).to_json()["studies"] == gather(bench).to_json()["studies"]
    assert {path: path.stat().st_mtime_ns for path in bench.store.root.rglob("*") if "index" not in path.name} == before
