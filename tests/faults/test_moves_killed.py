"""Moves of files under fire: killed at their system calls, or at any moment; disks that are full or read-only.

After each: nothing is lost, nothing doubled, no half file under a name that somebody would read; undo restores all.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mrdock.files.executor import execute
from mrdock.files.journal import Journal, list_journals, recover
from mrdock.files.steps import HIDDEN, Kind, Step
from tests.conftest import ROOT, NeedTool
from tests.faults.mounts import tmpfs
from tests.faults.strace import Traced, kills, points, some
from tests.files.moving import Tree, contents, copy, hidden, hows, move, run, tree, undone

PATIENCE = 60

PROGRAM = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.faults.test_moves_killed import Sorting
from mrdock.files.executor import execute
from mrdock.files.journal import Journal, recover
recover()
steps = Sorting(Path(sys.argv[2])).plan()
with Journal.create(None, ["sort"], steps) as journal:
    print("begun", flush=True)
    results = execute(steps, journal)
print(*sorted({result.reason for result in results}))
"""


@dataclass
class Sorting:
    """Files whose content says where they belong, as the header of an image does: what is planned again is the same."""

    root: Path

    def plan(self) -> list[Step]:
        steps = []
        for folder in ("here", "far"):
            for path in sorted((self.root / folder).rglob("*")):
                if path.is_file() and not path.name.startswith(HIDDEN) and path.read_bytes().startswith(b"to "):
                    target = self.root / path.read_bytes().split(b"\n")[0][3:].decode()
                    if path.parent != target.parent or not path.name.startswith(target.name):
                        steps.append(move(path, target))
        return [*steps, Step(Kind.WRITE, "", str(self.root / "far/series/info"), b"what it is\n")] if steps else []

    def lay_out(self) -> None:
        """A swap, a chain, files for another disk, and targets that are taken by the same and by other bytes."""
        (self.root / "here").mkdir()
        (self.root / "far").mkdir(exist_ok=True)
        belong = {
            "here/1": "here/2",
            "here/2": "here/1",
            "here/3": "here/4",
            "here/4": "here/new/4",
            "here/5": "far/series/5",
            "here/6": "far/series/6",
            "here/7": "far/taken",
            "here/8": "far/same",
            "here/9": "here/same",
        }
        for number, (name, target) in enumerate(belong.items()):
            path = self.root / name
            path.write_bytes(f"to {target}\n".encode() * 1000)
            os.utime(path, ns=(10**18, 10**18 + number))
        (self.root / "far/taken").write_bytes(b"other")
        (self.root / "far/same").write_bytes(b"to far/same\n" * 1000)
        (self.root / "here/same").write_bytes(b"to here/same\n" * 1000)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def sorting(tmp_path: Path, home: Path) -> Iterator[Sorting]:
    root = tmp_path / "tree"
    root.mkdir()
    with tmpfs(root / "far", "size=16m"):
        yield Sorting(root)


def command(root: Path) -> list[str]:
    return [sys.executable, "-c", PROGRAM, str(ROOT), str(root)]


def emptied(root: Path) -> None:
    subprocess.run(f"rm -rf {root}/here {root}/far/*", shell=True, check=True)


def named(found: Tree, root: Path) -> Mapping[str, bytes]:
    return {os.path.relpath(path, root): entry[0] for path, entry in found.items() if entry is not None}


@pytest.mark.timeout(900)
def test_killed_at_each_call(sorting: Sorting, need_tool: NeedTool, tmp_path: Path) -> None:
    strace = need_tool("strace")
    sorting.lay_out()
    trace = Traced(strace, tmp_path / "trace")
    subprocess.run([*trace.prefix, *command(sorting.root)], check=True, capture_output=True, timeout=PATIENCE)
    found = points(trace.calls())
    assert len(found) > 40
    sorted_tree = named(tree(sorting.root), sorting.root)
    assert {"here/1", "here/2", "here/new/4", "far/series/5", "far/taken", "far/taken_2"} < sorted_tree.keys()
    reached = 0
    for number, point in enumerate(tried := some(found, 4)):
        emptied(sorting.root)
        sorting.lay_out()
        before = tree(sorting.root)
        words = [strace, "-f", "-o", os.devnull, *kills(point), *command(sorting.root)]
        done = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
        reached += done.returncode == -signal.SIGKILL
        assert set(contents(sorting.root)) >= {entry[0] for entry in before.values() if entry is not None}
        if number % 2:
            for info in list_journals()[:1]:
                assert [result.reason for result in undone(info.path) if result.reason] == []
            assert tree(sorting.root) == before
        subprocess.run(command(sorting.root), check=True, capture_output=True, timeout=PATIENCE)
        assert named(tree(sorting.root), sorting.root) == sorted_tree, point
        for info in list_journals():
            os.unlink(info.path)
    print(f"killed at {reached} of {len(tried)} points")
    assert reached > len(tried) // 2


def test_the_order_on_the_disk(sorting: Sorting, need_tool: NeedTool, tmp_path: Path) -> None:
    """Plan, copy, its fsync, the journal's, the rename, the directory's fsync, and then the source goes."""
    sorting.lay_out()
    trace = Traced(need_tool("strace"), tmp_path / "trace")
    subprocess.run([*trace.prefix, *command(sorting.root)], check=True, capture_output=True, timeout=PATIENCE)
    said = [line for line in trace.lines() if "mrdock" in line or "/tree/" in line]

    def line(*words: str, after: int = -1) -> int:
        return next(
            number for number, each in enumerate(said) if number > after and all(word in each for word in words)
        )

    planned = line("fsync(", "journals/")
    written = line("write(", "-", "to far/series/5", ".part")
    synced = line("fsync(", ".part", after=written)
    noted = line("fsync(", "journals/", after=planned)
    renamed = line("renameat2(", ".part", "far/series/5")
    kept = line("fsync(", "far/series>", after=renamed)
    gone = line("unlink", "here/5")
    assert planned < written < synced < noted < renamed < kept < gone
    assert planned < line("renameat2(") < line("unlink", "here/")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("folder", ["here", "far"])
def test_killed_at_any_moment_and_run_again(sorting: Sorting, folder: str) -> None:
    """Some thousand files on one disk and to another one, with helpers that copy."""
    chance = random.Random(folder)
    (sorting.root / "here/in").mkdir(parents=True)
    for number in range(1500):
        (sorting.root / f"here/in/{number}").write_bytes(f"to {folder}/s{number % 7}/{number:04}\n".encode() * 20)
    before = tree(sorting.root)
    killed = 0
    while sorting.plan():
        process = subprocess.Popen(command(sorting.root), stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdout is not None
        if process.stdout.readline() == b"begun\n" and killed < 12:
            time.sleep(chance.uniform(0, 0.015))
            process.kill()
        process.stdout.close()
        killed += process.wait() == -signal.SIGKILL
        assert set(contents(sorting.root)) >= {entry[0] for entry in before.values() if entry is not None}
    recover()
    assert killed > 2
    assert hidden(sorting.root) == []
    after = {path: content for path, content in named(tree(sorting.root), sorting.root).items() if "info" not in path}
    assert len(after) == 1500
    assert all(content.startswith(f"to {path}\n".encode()) for path, content in after.items())
    for info in list_journals():
        left = [result for result in undone(info.path) if result.how == "left"]
        assert all("no longer where it was put" in result.reason for result in left)
    for path, entry in before.items():
        assert entry is None or Path(path).read_bytes() == entry[0]
    assert len(contents(sorting.root)) == 1500


@pytest.mark.parametrize("kind", [copy, move])
def test_a_disk_that_is_full(tmp_path: Path, home: Path, kind: Callable[[Path, Path], Step]) -> None:
    (tmp_path / "s").mkdir()
    for number in range(60):
        (tmp_path / f"s/{number:02}").write_bytes(os.urandom(100_000))
    before = tree(tmp_path / "s")
    with tmpfs(tmp_path / "small", "size=2m") as disk:
        steps = [kind(tmp_path / f"s/{number:02}", disk.path / f"t/{number:02}") for number in range(60)]
        steps.append(move(tmp_path / "s/00", tmp_path / "elsewhere"))
        results, journal = run(steps)
        done = [result for result in results[:60] if result.how == "done"]
        left = [result for result in results[:60] if result.how == "left"]
        assert len(done) >= 10
        assert len(left) >= 30
        assert {result.reason for result in left} <= {"no space left on device", "no room left on the disk; not tried"}
        assert hidden(tmp_path) == []
        for result in left:
            assert Path(result.step.source).read_bytes() == before[result.step.source][0]  # type: ignore[index]
        for result in done:
            assert Path(result.place).read_bytes() == before[result.step.source][0]  # type: ignore[index]
        undone(journal)
        assert tree(tmp_path / "s") == before
        assert list(disk.path.iterdir()) == []


def test_a_journal_on_a_full_disk_stops_the_run_before_it_begins(tmp_path: Path, home: Path) -> None:
    from mrdock.errors import JournalError

    (tmp_path / "s").write_bytes(b"x")
    with tmpfs(home / "mrdock", "size=1m") as disk:
        disk.fill()
        with pytest.raises(JournalError, match="No space left"):
            run([move(tmp_path / "s", tmp_path / "t")] * 5000)
        assert (tmp_path / "s").read_bytes() == b"x"
        assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("kind", [copy, move])
def test_a_read_only_target(tmp_path: Path, home: Path, kind: Callable[[Path, Path], Step]) -> None:
    (tmp_path / "s").write_bytes(b"x")
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        (disk.path / "t").mkdir()
        assert disk.remount("ro")
        for target in ("t/x", "new/x"):
            results, _ = run([kind(tmp_path / "s", disk.path / target)])
            assert hows(results) == ["left"]
            assert "read-only file system" in results[0].reason
    assert (tmp_path / "s").read_bytes() == b"x"


def test_a_read_only_source_is_copied_but_not_moved(tmp_path: Path, home: Path) -> None:
    (tmp_path / "t").mkdir()
    with tmpfs(tmp_path / "disk", "size=1m") as disk:
        (disk.path / "x").write_bytes(b"x")
        assert disk.remount("ro")
        results, _ = run([move(disk.path / "x", tmp_path / "t/moved"), copy(disk.path / "x", tmp_path / "t/copied")])
        assert hows(results) == ["left", "done"]
        assert "cannot be removed" in results[0].reason
        assert [path.name for path in (tmp_path / "t").iterdir()] == ["copied"]


def test_a_disk_that_is_taken_away_and_comes_back(tmp_path: Path, home: Path, need_tool: NeedTool) -> None:
    """Undo across disks, days later: numbers of devices have changed, the journal still fits."""
    from tests.faults.mounts import ext4

    (tmp_path / "s").mkdir()
    for number in range(5):
        (tmp_path / f"s/{number}").write_bytes(b"%d" % number * 5000)
    before = tree(tmp_path / "s")
    image, disk = tmp_path / "image", tmp_path / "disk"
    with ext4(disk, image, need_tool):
        steps = [move(tmp_path / f"s/{number}", disk / f"t/{number}") for number in range(5)]
        with Journal.create(None, ["x"], steps) as journal:
            assert set(hows(execute(steps, journal))) == {"done"}
    assert set(hows(undone(journal.path))) == {"left"}
    with ext4(disk, image, need_tool):
        assert set(hows(undone(journal.path))) == {"done"}
        assert list(disk.iterdir()) == []
    assert tree(tmp_path / "s") == before
