"""Journals: written whole before anything is touched, read whatever moment they were ended at, private, listed."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mrdock.errors import BusyError, JournalError, PlaceError
from mrdock.files import state as state_module
from mrdock.files.journal import Journal, journals_directory, list_journals, recover, undo
from mrdock.files.state import state_directory
from mrdock.files.steps import How, Outcome
from tests.files.moving import copy, move, run, tree, undone, write

pytestmark = pytest.mark.usefixtures("state")

ODD = "größe\udcff\n\u2028 .dcm"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "s").mkdir()
    for name in ("1", "2", ODD):
        (tmp_path / "s" / name).write_bytes(os.fsencode(name) * 9)
    return tmp_path


def test_the_whole_plan_is_there_before_the_first_file_is_touched(here: Path) -> None:
    steps = [move(here / "s" / ODD, here / "t/m" / ODD), copy(here / "s/1", here / "t/1"), write(here / "t/i", b"x")]
    with Journal.create(None, ["/usr/bin/dcm_move", "-R", ODD], steps) as journal:
        assert not (here / "t").exists()
        read = Journal.read(journal.path)
    assert read.whole
    assert not read.finished
    assert read.command == ["/usr/bin/dcm_move", "-R", ODD]
    assert [item.step.target for item in read.planned] == [step.target for step in steps]
    assert [item.step.source for item in read.planned] == [step.source for step in steps]
    assert read.planned[0] == journal.planned[0]
    assert read.directories == [str(here / "t"), str(here / "t/m")]
    assert all(line.isascii() for line in Path(journal.path).read_text("ascii").splitlines())
    assert "dcm_move" in os.path.basename(journal.path)
    assert str(os.getpid()) in os.path.basename(journal.path)


def test_names_that_are_no_text_come_back(here: Path) -> None:
    before = tree(here)
    _, path = run([move(here / "s" / ODD, here / "t" / ODD)])
    assert (here / "t" / ODD).exists()
    undone(path)
    assert tree(here) == before


@pytest.mark.skipif(os.name == "nt", reason="modes of Windows say nothing")
def test_only_the_user_can_read_it(here: Path, state: Path) -> None:
    os.makedirs(state / "mrdock/journals", 0o755)
    with Journal.create(None, ["x"], []) as journal:
        pass
    assert stat.S_IMODE(os.stat(journal.path).st_mode) == 0o600
    for folder in (state / "mrdock", state / "mrdock/journals"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_journals_of_the_same_second_do_not_meet(here: Path) -> None:
    paths = set()
    for _ in range(3):
        with Journal.create(None, ["x"], []) as journal:
            paths.add(journal.path)
    assert len(paths) == 3


def test_a_journal_that_cannot_be_written_stops_the_run(here: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(JournalError, match="file"):
        Journal.create(str(tmp_path / "file"), ["x"], [move(here / "s/1", here / "t/1")])
    assert not (here / "t").exists()


@pytest.mark.parametrize("extra", [0, 1, 40])
def test_a_plan_that_was_cut_short_was_not_begun(here: Path, extra: int) -> None:
    before = tree(here)
    with Journal.create(None, ["x"], [move(here / "s/1", here / "t/1")]) as journal:
        pass
    content = Path(journal.path).read_bytes()
    cut = content.index(b'\n{"plan"') - extra
    Path(journal.path).write_bytes(content[:cut])
    read = Journal.read(journal.path)
    assert not read.whole
    assert undo(read) == []
    assert recover() == 0
    assert tree(here) == before


def test_what_happened_may_be_cut_short(here: Path) -> None:
    """A line that was not written to its end says nothing, and spoils none that comes after it."""
    (here / "t").mkdir()
    (here / "t/1").write_bytes(b"other")
    before = tree(here)
    _, path = run([move(here / "s/1", here / "t/1"), move(here / "s/2", here / "t/2")])
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: content.index(b'{"done"')] + b'["left", 0, "no')
    undone(path)
    assert tree(here) == before
    assert undone(path) == []
    assert Journal.read(path).undone


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"hello\n",
        b"[]\n",
        b"{}\n",
        b'{"mrdock journal": 2, "version": "9"}\n',
        b'{"mrdock journal": 1}\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "../x", "steps": 0}\n{"plan": "whole"}\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "a", "steps": 1}\n{"plan": "whole"}\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "a", "steps": 1}\n["move", "a", "b", 1, 1, 1, 1, 1]\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "a", "steps": 1}\n["burn", "/a", "/b"]\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "a", "steps": 1}\n["move", "/a\\u0000", "/b", 1]\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "a", "steps": 1}\n7\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "a", "steps": 1}\n["move", "/\\ud800", "/b", 1]\n',
        b'{"mrdock journal": 1, "command": [], "date": "", "id": "a", "steps": 1}\n["write", "/a", 1e999, ""]\n',
        b"[" * 100_000,
        bytes(range(256)),
    ],
)
def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"x\.jsonl"):
        Journal.read(str(path))
    assert list_journals(str(tmp_path)) in ([], list_journals(str(tmp_path)))


def test_a_journal_that_is_not_there() -> None:
    with pytest.raises(JournalError, match="/no/such"):
        Journal.read("/no/such")


def test_the_list_is_newest_first(here: Path) -> None:
    assert list_journals() == []
    _, first = run([move(here / "s/1", here / "t/1")])
    with Journal.create(None, ["dcm_move", "-a"], [move(here / "s/2", here / "t/2")]) as second:
        pass
    undone(first)
    (Path(journals_directory()) / "torn.jsonl").write_bytes(b'{"mrdock')
    older = Path(first)
    text = older.read_text()
    older.write_text(text.replace(json.loads(text.splitlines()[0])["date"], "2020-01-01T00:00:00+00:00"))
    found = list_journals()
    assert [info.path for info in found] == [second.path, first]
    assert [(info.finished, info.undone, info.ended) for info in found] == [(False, False, False), (True, True, True)]
    assert found[0].command == ("dcm_move", "-a")
    assert found[0].steps == 1


def test_a_run_that_goes_on_is_not_undone(here: Path) -> None:
    steps = [move(here / "s/1", here / "t/1")]
    with Journal.create(None, ["x"], steps) as journal:
        with pytest.raises(BusyError):
            undone(journal.path)
        assert recover() == 0
        assert not Journal.read(journal.path).undone


def test_another_process_s_run_goes_on(here: Path) -> None:
    code = (
        "import sys; from mrdock.files.journal import Journal\n"
        "with Journal.create(None, ['x'], []) as journal: print(journal.path, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        path = process.stdout.readline().decode().strip()
        with pytest.raises(BusyError):
            undone(path)
        process.kill()
        process.wait()
        assert undone(path) == []


def test_an_outcome_outside_of_the_plan_means_nothing(here: Path) -> None:
    with Journal.create(None, ["x"], [move(here / "s/1", here / "t/1")]) as journal:
        journal.note(0, Outcome(How.LEFT, reason="why"))
        journal.note(77, Outcome(How.BESIDE, str(here / "s/2"), 1))
        journal.note(0, Outcome(How.DONE, str(here / "\ud800"), 1))  # no name of a file
        journal.sync()
    before = tree(here)
    undone(journal.path)
    assert tree(here) == before


@pytest.mark.parametrize(
    ("platform", "variable", "value", "expected"),
    [
        ("linux", "XDG_STATE_HOME", "/states", "/states"),
        ("linux", "XDG_STATE_HOME", "relative", "/home/me/.local/state"),
        ("linux", "XDG_STATE_HOME", "", "/home/me/.local/state"),
        ("darwin", "XDG_STATE_HOME", "/states", "/home/me/Library/Application Support"),
        ("win32", "LOCALAPPDATA", "/local", "/local"),
        ("win32", "LOCALAPPDATA", "", "/home/me/AppData/Local"),
    ],
)
def test_the_place_of_each_system(
    monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv(variable, value)
    assert state_module._base(platform) == expected


def test_a_home_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(PlaceError, match="file"):
        state_directory()


def test_a_killed_run_of_another_machine_is_not_done_with(here: Path) -> None:
    """With one home directory for several machines: what it left may be on a disk that is not here."""
    with Journal.create(None, ["x"], [move(here / "s/1", here / "t/1")]) as journal:
        path = Path(journal.path)
    ours = path.read_text()
    path.write_text(ours.replace('"host": "', '"host": "another-'))
    recover()
    assert not list_journals()[0].ended
    path.write_text(ours)
    recover()
    assert list_journals()[0].ended
