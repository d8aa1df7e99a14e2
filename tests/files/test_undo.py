"""Undo: everything back to its place and name, whatever has come there since, however often it is run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from mrdock.files.executor import CANCELLED
from mrdock.files.journal import Journal, undo
from mrdock.files.steps import HIDDEN, How, Result
from tests.files.moving import copy, hows, move, run, tree, undone, write

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "s").mkdir()
    for number, name in enumerate("1234"):
        (tmp_path / "s" / name).write_bytes(name.encode() * 100)
        os.utime(tmp_path / "s" / name, ns=(10**18, 10**18 + number))
    return tmp_path


def test_a_second_undo_has_nothing_to_do(here: Path) -> None:
    before = tree(here)
    _, path = run([move(here / "s/1", here / "t/1"), copy(here / "s/2", here / "t/2"), write(here / "t/i", b"i")])
    assert hows(undone(path)) == ["done"] * 3
    assert tree(here) == before
    assert undone(path) == []
    assert tree(here) == before


def test_what_has_come_to_the_old_place_is_kept(here: Path) -> None:
    _, path = run([move(here / "s/1", here / "t/1"), move(here / "s/2", here / "t/2")])
    (here / "s/1").write_bytes(b"new")
    back = undone(path)
    assert [(result.how, os.path.basename(result.place)) for result in back] == [(How.BESIDE, "1_2"), (How.DONE, "2")]
    assert (here / "s/1").read_bytes() == b"new"
    assert (here / "s/1_2").read_bytes() == b"1" * 100
    assert not (here / "t").exists()


def test_what_has_moved_on_or_changed_is_reported(here: Path) -> None:
    steps = [move(here / "s" / name, here / "t" / name) for name in "123"]
    steps += [copy(here / "s/4", here / "t/4"), write(here / "t/info", b"info")]
    _, path = run(steps)
    (here / "t/1").rename(here / "t/elsewhere")
    (here / "t/2").write_bytes(b"edited")
    (here / "t/4").write_bytes(b"edited too")
    (here / "t/info").write_bytes(b"notes of somebody")
    back = undone(path)
    assert hows(back) == ["left", "left", "done", "left", "left"]
    assert "no longer where it was put" in back[0].reason
    for result in (back[1], back[3], back[4]):
        assert "changed since it was put there" in result.reason
        assert os.path.basename(result.step.target) in result.reason
    assert sorted(path.name for path in (here / "t").iterdir()) == ["2", "4", "elsewhere", "info"]
    assert (here / "s/3").exists()
    (here / "t/elsewhere").rename(here / "t/1")  # a person has looked after it
    assert hows(undone(path)) == ["done", "left", "left", "left"]


def test_a_copy_that_is_the_only_one_stays(here: Path) -> None:
    _, path = run([copy(here / "s/1", here / "t/1"), copy(here / "s/2", here / "t/2")])
    (here / "s/1").unlink()
    (here / "s/2").write_bytes(b"2" * 99 + b"3")
    back = undone(path)
    assert hows(back) == ["left", "left"]
    assert "only copy" in back[0].reason
    assert (here / "t/1").read_bytes() == b"1" * 100
    assert (here / "t/2").read_bytes() == b"2" * 100


def test_a_copy_that_its_source_leads_to_stays(here: Path) -> None:
    """Whoever makes links to the copies where their sources were has these copies only."""
    names = {name: (here / "s" / name, here / "t" / name) for name in "1234"}
    _, path = run([copy(source, target) for source, target in names.values()])
    names["1"][0].unlink()
    names["1"][0].symlink_to(names["1"][1])
    names["2"][0].unlink()
    names["2"][0].hardlink_to(names["2"][1])
    back = undone(path)
    assert hows(back) == ["left", "done", "done", "done"]
    assert "may be the only copy" in back[0].reason
    assert names["1"][1].read_bytes() == b"1" * 100
    assert names["2"][0].read_bytes() == b"2" * 100


def test_a_copy_in_the_directory_that_took_the_source_s_place_stays(here: Path) -> None:
    _, path = run([copy(here / "s" / name, here / "t" / name) for name in "1234"])
    (here / "s").rename(here / "before")
    shutil.rmtree(here / "before")
    (here / "s").symlink_to(here / "t")
    assert hows(undone(path)) == ["left"] * 4
    assert sorted(file.name for file in (here / "t").iterdir()) == ["1", "2", "3", "4"]


def test_directories_that_are_still_used_stay(here: Path) -> None:
    _, path = run([move(here / "s/1", here / "t/deep/1"), move(here / "s/2", here / "u/2")])
    (here / "t/mine").write_bytes(b"x")
    undone(path)
    assert (here / "t").is_dir()
    assert not (here / "t/deep").exists()
    assert not (here / "u").exists()


def test_directories_that_somebody_else_made_stay(here: Path) -> None:
    steps = [move(here / "s/1", here / "t/deep/1")]
    with Journal.create(None, ["x"], steps) as journal:
        (here / "t").mkdir()
        from mrdock.files.executor import execute

        execute(steps, journal)
    undone(journal.path)
    assert (here / "t").is_dir()
    assert not (here / "t/deep").exists()


def test_a_source_directory_that_is_gone_comes_back(here: Path) -> None:
    before = tree(here)
    _, path = run([move(here / "s" / name, here / "t" / name) for name in "1234"])
    (here / "s").rmdir()
    undone(path)
    assert tree(here) == before


def test_two_runs_are_undone_in_reverse(here: Path) -> None:
    before = tree(here)
    _, first = run([move(here / "s/1", here / "t/1")])
    _, second = run([move(here / "t/1", here / "u/1")])
    assert hows(undone(first)) == ["left"]
    assert hows(undone(second)) == ["done"]
    assert hows(undone(first)) == ["done"]
    assert tree(here) == before


def test_the_same_bytes_are_copied_back_and_the_target_stays(here: Path) -> None:
    os.chmod(here / "s/1", 0o600)
    (here / "t").mkdir()
    (here / "t/1").write_bytes(b"1" * 100)
    before = tree(here)
    results, path = run([move(here / "s/1", here / "t/1")])
    assert hows(results) == ["same"]
    assert not (here / "s/1").exists()
    assert hows(undone(path)) == ["done"]
    assert tree(here) == before


def test_the_same_bytes_that_changed_cannot_be_copied_back(here: Path) -> None:
    (here / "t").mkdir()
    (here / "t/1").write_bytes(b"1" * 100)
    _, path = run([move(here / "s/1", here / "t/1")])
    (here / "t/1").write_bytes(b"other")
    back = undone(path)
    assert hows(back) == ["left"]
    assert "same bytes: changed" in back[0].reason


def test_nothing_that_was_left_is_touched(here: Path) -> None:
    """What stood at the target was not ours, even if it looks like it."""
    (here / "t").mkdir()
    with Journal.create(None, ["x"], steps := [move(here / "s/1", here / "t/1")]) as journal:
        (here / "s/1").unlink()
        (here / "t/1").write_bytes(b"1" * 100)
        os.utime(here / "t/1", ns=(10**18, 10**18))
        from mrdock.files.executor import execute

        assert hows(execute(steps, journal)) == ["left"]
    assert undone(journal.path) == []
    assert (here / "t/1").exists()


def test_undo_can_be_cancelled_and_goes_on(here: Path) -> None:
    before = tree(here)
    _, path = run([move(here / "s" / name, here / "t" / name) for name in "1234"])
    seen: list[Result] = []
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 2

    back = undone(path, cancelled=cancelled, progress=seen.append)
    assert sorted(hows(back)) == ["done", "done", "left", "left"]
    assert seen == back
    assert hows(undone(path)) == ["done", "done"]
    assert tree(here) == before


def test_copies_are_not_taken_away_after_a_stop_and_the_rest_is_done_later(here: Path) -> None:
    before = tree(here)
    steps = [copy(here / "s" / name, here / "t" / name) for name in "1234"]
    _, path = run([*steps, write(here / "t/info", b"info")])
    told: list[Result] = []
    back = undone(path, progress=told.append, cancelled=lambda: len(told) >= 2)
    assert hows(back) == ["done", "done", "left", "left", "left"]
    assert {result.reason for result in back[2:]} == {CANCELLED}
    assert sorted(file.name for file in (here / "t").iterdir()) == ["3", "4", "info"]
    assert hows(undone(path)) == ["done"] * 3
    assert tree(here) == before


def test_the_hidden_name_of_a_cycle_is_found(here: Path) -> None:
    """A run that was killed while a file was aside: undo and the next run's tidying find it by the journal."""
    steps = [move(here / "s/1", here / "s/2"), move(here / "s/2", here / "s/1")]
    before = tree(here)
    with Journal.create(None, ["x"], steps) as journal:
        pass
    (here / "s/1").rename(here / f"s/{HIDDEN}{journal.identity}-0.aside")
    (here / "s/2").rename(here / "s/1")
    assert hows(undo(Journal.read(journal.path))) == ["done", "done"]
    assert tree(here) == before
