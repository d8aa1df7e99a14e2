"""Directories that a run takes away, and that undo brings back as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.files.executor import execute
from mrdock.files.journal import Journal, list_journals, recover
from mrdock.files.steps import Kind, Step
from tests.files.moving import dies_at, hows, move, run, tree, undone, write

pytestmark = pytest.mark.usefixtures("state")

OLD = 10**18


def folder(source: Path, target: Path) -> Step:
    return Step(Kind.FOLDER, os.fspath(source), os.fspath(target))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An export: files in a directory within a directory, each with a mode and time of its own."""
    top = tmp_path / "top"
    (top / "DICOM/S1").mkdir(parents=True)
    (top / "kept").mkdir()
    for number in range(3):
        (top / f"DICOM/S1/IM_{number}").write_bytes(bytes([number]) * 100)
        os.utime(top / f"DICOM/S1/IM_{number}", ns=(OLD, OLD + number))
    (top / "kept/one").write_bytes(b"one")
    (top / "kept/two").write_bytes(b"two")
    (top / "DICOM/S1").chmod(0o750)
    (top / "DICOM").chmod(0o711)
    for number, path in enumerate([top / "DICOM/S1", top / "DICOM", top / "kept", top]):
        os.utime(path, ns=(OLD, OLD + 100 + number))
    return top


def steps(top: Path) -> list[Step]:
    moves = [move(top / f"DICOM/S1/IM_{number}", top / f"02_x/{number}") for number in range(3)]
    moves += [move(top / "kept/one", top / "one"), write(top / "list", b"list")]
    gone = [folder(top / name, top / "trash" / name) for name in ("DICOM/S1", "DICOM")]
    return [*moves, *gone, folder(top / "kept", top / "kept"), folder(top, top)]


def whole(top: Path) -> dict[str, tuple[int, int]]:
    """Modes and times of the directories."""
    found = [top, *(path for path in top.rglob("*") if path.is_dir())]
    return {str(path.relative_to(top)): (path.stat().st_mode, path.stat().st_mtime_ns) for path in found}


def test_they_are_taken_away_and_come_back_exactly(here: Path) -> None:
    before, folders = tree(here), whole(here)
    results, path = run(steps(here))
    assert hows(results) == ["done"] * 9
    names = sorted(str(p.relative_to(here)) for p in here.rglob("*"))
    assert names == [
        *("02_x", "02_x/0", "02_x/1", "02_x/2", "kept", "kept/two", "list", "one"),
        *("trash", "trash/DICOM", "trash/DICOM/S1"),
    ]
    assert {result.how.value for result in undone(path)} == {"done"}
    assert tree(here) == before
    assert whole(here) == folders
    assert undone(path) == []


def test_one_that_is_not_empty_stays(here: Path) -> None:
    planned = steps(here)
    with Journal.create(None, ["test"], planned) as journal:
        (here / "DICOM/S1/late").write_bytes(b"late")
        results = execute(planned, journal)
    left = {result.step.source: result.reason for result in results if result.how == "left"}
    assert left == {str(here / "DICOM/S1"): "directory not empty", str(here / "DICOM"): "directory not empty"}
    assert (here / "DICOM/S1/late").read_bytes() == b"late"
    undone(journal.path)
    assert sorted(os.listdir(here / "DICOM/S1")) == ["IM_0", "IM_1", "IM_2", "late"]


def test_time_stays_where_somebody_has_put_something_since(here: Path) -> None:
    _, path = run(steps(here))
    (here / "kept/mine").write_bytes(b"mine")
    os.utime(here / "kept", ns=(OLD, os.stat(path).st_mtime_ns + 1))  # clocks of file systems are coarse
    undone(path)
    assert (here / "kept").stat().st_mtime_ns > OLD + 10**17
    assert (here / "kept/mine").read_bytes() == b"mine"
    assert (here / "DICOM").stat().st_mtime_ns == OLD + 101


def test_killed_at_any_call_and_undone_at_any_call(here: Path) -> None:
    before = tree(here)
    number = 0
    while dies_at(number, lambda: run(steps(here))):
        for info in list_journals():
            dies_at(number // 2, lambda path=info.path: undone(path))  # type: ignore[misc]
            recover()
            undone(info.path)
            os.unlink(info.path)
        assert tree(here) == before, number
        modes = {name: mode & 0o777 for name, (mode, _) in whole(here).items()}
        assert modes["DICOM"] == 0o711, number
        assert modes["DICOM/S1"] == 0o750, number
        number += 1
    assert number > 20
    for info in list_journals():
        undone(info.path)
    assert tree(here) == before
