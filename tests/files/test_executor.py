"""Steps that are done: to their places, beside what is taken, left with a reason; nothing lost, nothing overwritten."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mrdock.errors import JournalError
from mrdock.files import batch, copying, durable, helpers, pending, syncing
from mrdock.files.executor import execute
from mrdock.files.journal import Journal
from mrdock.files.steps import How, Result, Step
from tests.files.moving import apart, contents, copy, hidden, hows, move, run, tree, undone, write

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A tree with a few files."""
    for number, name in enumerate(("s/1", "s/2", "s/3")):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode() * 100)
        os.utime(path, ns=(10**18, 10**18 + number))
    (tmp_path / "t").mkdir()
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_moves_copies_and_files_of_our_own(here: Path) -> None:
    before = tree(here)
    steps = [
        move(here / "s/1", here / "new/deep/1"),
        copy(here / "s/2", here / "new/2"),
        write(here / "new/info", b"what it is\n"),
    ]
    results, journal = run(steps)
    assert results == [Result(step, How.DONE, step.target) for step in steps]
    assert names(here / "s") == ["2", "3"]
    for old, new in (("s/1", "new/deep/1"), ("s/2", "new/2")):
        assert tree(here)[str(here / new)] == before[str(here / old)]
    assert (here / "new/info").read_bytes() == b"what it is\n"
    assert hows(undone(journal)) == ["done", "done", "done"]
    assert tree(here) == before


def test_a_rename_keeps_the_file_itself(here: Path) -> None:
    number = (here / "s/1").stat().st_ino
    run([move(here / "s/1", here / "t/1")])
    assert (here / "t/1").stat().st_ino == number


def test_a_taken_target_is_never_overwritten(here: Path) -> None:
    for name in ("x", "x_2", "y.dcm", "z.DCM"):
        (here / "t" / name).write_bytes(b"other")
    before = tree(here)
    steps = [
        move(here / "s/1", here / "t/x"),
        copy(here / "s/2", here / "t/y.dcm"),
        move(here / "s/3", here / "t/z.DCM"),
        write(here / "t/x", b"note"),
    ]
    results, journal = run(steps)
    assert hows(results) == ["beside"] * 4
    assert [os.path.basename(result.place) for result in results] == ["x_3", "y_2.dcm", "z_2.DCM", "x_4"]
    for path, content in before.items():
        assert path.startswith(str(here / "s")) or tree(here)[path] == content
    undone(journal)
    assert tree(here) == before


def test_the_same_bytes_count_as_there(here: Path) -> None:
    """Also where they are beside the target: a run that is repeated doubles nothing."""
    (here / "t/1").write_bytes((here / "s/1").read_bytes())
    (here / "t/2").write_bytes(b"other")
    (here / "t/2_2").write_bytes((here / "s/2").read_bytes())
    (here / "t/info").write_bytes(b"note")
    before = tree(here)
    steps = [
        move(here / "s/1", here / "t/1"),
        move(here / "s/2", here / "t/2"),
        copy(here / "s/3", here / "t/3"),
        write(here / "t/info", b"note"),
    ]
    results, journal = run(steps)
    assert hows(results) == ["same", "same", "done", "same"]
    assert results[1].place == str(here / "t/2_2")
    assert names(here / "s") == ["3"]
    assert hows(run([copy(here / "s/3", here / "t/3")])[0]) == ["same"]
    undone(journal)
    assert tree(here) == before


def test_one_file_under_two_names_is_left_alone(here: Path) -> None:
    (here / "link").symlink_to(here / "s")
    os.link(here / "s/2", here / "t/2")
    (here / "t/3").symlink_to(here / "s/3")
    before = tree(here)
    steps = [
        move(here / "s/1", here / "s/1"),
        move(here / "s/1", here / "link/1"),
        move(here / "s/2", here / "t/2"),
        copy(here / "s/3", here / "link/3"),
    ]
    for step in steps:
        results, journal = run([step])
        assert hows(results) == ["same"]
        assert "one file" in results[0].reason
        assert tree(here) == before
        assert undone(journal) == []
        assert tree(here) == before
    results, _ = run([move(here / "s/3", here / "t/3")])  # a link to the source is no second copy of it
    assert hows(results) == ["beside"]
    assert (here / "t/3_2").read_bytes() == before[str(here / "s/3")][0]  # type: ignore[index]


def test_chains_and_cycles(here: Path) -> None:
    """1 -> 2 -> 3 -> 1, in any order; and a chain whose end is free."""
    content = {name: (here / "s" / name).read_bytes() for name in "123"}
    before = tree(here)
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        circle = [move(here / "s" / a, here / "s" / b) for a, b in ("12", "23", "31")]
        results, journal = run([circle[number] for number in order])
        assert hows(results) == ["done"] * 3
        assert [(here / "s" / name).read_bytes() for name in "231"] == [content[name] for name in "123"]
        assert names(here / "s") == ["1", "2", "3"]
        undone(journal)
        assert tree(here) == before
    results, journal = run([move(here / "s" / a, here / "s" / b) for a, b in ("12", "23", "34")])
    assert hows(results) == ["done"] * 3
    assert names(here / "s") == ["2", "3", "4"]
    undone(journal)
    assert tree(here) == before


def test_a_long_chain(here: Path) -> None:
    folder = here / "chain"
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number}").write_bytes(b"%d" % number)
    results, _ = run([move(folder / f"{number}", folder / f"{number + 1}") for number in range(3000)])
    assert set(hows(results)) == {"done"}
    assert (folder / "3000").read_bytes() == b"2999"


def test_sources_that_are_gone_or_others_now(here: Path) -> None:
    steps = [move(here / "s" / name, here / "t" / name) for name in "1234"] + [copy(here / "s/5", here / "t/5")]
    with Journal.create(None, ["test"], steps) as journal:
        (here / "s/1").unlink()
        (here / "s/2").write_bytes(b"grown" * 1000)
        (here / "s/4").write_bytes(b"just come")
        results = execute(steps, journal)
    assert hows(results) == ["left", "left", "done", "left", "left"]
    assert "no longer there" in results[0].reason
    assert "changed" in results[1].reason
    assert names(here / "s") == ["2", "4"]
    assert names(here / "t") == ["3"]


def test_what_is_no_file_is_left(here: Path) -> None:
    (here / "s/link").symlink_to("1")
    (here / "s/folder").mkdir()
    os.mkfifo(here / "s/pipe")
    before = tree(here / "s/folder", here / "t")
    for name in ("link", "folder", "pipe"):
        for step in (move, copy):
            results, _ = run([step(here / "s" / name, here / "t/x")])
            if (name, step) == ("link", copy):
                assert (here / "t/x").read_bytes() == (here / "s/1").read_bytes()
                assert not (here / "t/x").is_symlink()
                (here / "t/x").unlink()
            else:
                assert hows(results) == ["left"]
                assert "not a regular file" in results[0].reason
    assert tree(here / "s/folder", here / "t") == before


def test_a_file_where_a_directory_should_be(here: Path) -> None:
    results, _ = run([move(here / "s/1", here / "s/2/1"), move(here / "s/3", here / "t/3")])
    assert hows(results) == ["left", "done"]
    assert str(here / "s/2") in results[0].reason


def test_cancelled_between_files(here: Path) -> None:
    before = tree(here)
    seen: list[Result] = []
    steps = [move(here / "s" / name, here / "t" / name) for name in "123"]
    results, journal = run(steps, progress=seen.append, cancelled=lambda: len(seen) >= 2)
    assert hows(results) == ["done", "done", "left"]
    assert results[2].reason == "cancelled"
    assert seen == results
    assert names(here / "s") == ["3"]
    undone(journal)
    assert tree(here) == before


def test_a_cycle_is_never_cancelled_half_way(here: Path) -> None:
    steps = [move(here / "s" / a, here / "s" / b) for a, b in ("12", "23", "31")]
    asked: list[bool] = []

    def cancelled() -> bool:
        asked.append(True)
        return len(asked) > 1

    results, _ = run(steps, cancelled=cancelled)
    assert hows(results) == ["done"] * 3
    assert len(asked) == 1


def test_progress_hears_of_each_step_once(here: Path) -> None:
    seen: list[Result] = []
    (here / "t/2").write_bytes(b"other")
    steps = [move(here / "s/1", here / "t/1"), move(here / "s/2", here / "t/2"), copy(here / "s/3", here / "t/3")]
    results, _ = run([*steps, write(here / "t/4", b"x")], progress=seen.append)
    assert sorted(map(id, seen)) == sorted(map(id, results))


def test_steps_that_do_not_meet_are_done_in_one_batch(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    right = batch.Batch._round

    def counted(self: batch.Batch, todo: list[pending.Pending]) -> list[pending.Pending]:
        rounds.append(len(todo))
        return right(self, todo)

    monkeypatch.setattr(batch.Batch, "_round", counted)
    steps = [step for name in "123" for step in (copy(here / "s" / name, here / "t" / name), write(here / name, b"x"))]
    run(steps)
    assert rounds == [6]


def test_the_journal_has_to_be_the_right_one(here: Path) -> None:
    with (
        Journal.create(None, ["test"], [move(here / "s/1", here / "t/1")]) as journal,
        pytest.raises(ValueError, match="other steps"),
    ):
        execute([move(here / "s/2", here / "t/2")], journal)
    with pytest.raises(ValueError, match="absolute"):
        Journal.create(None, ["test"], [Step(move(here, here).kind, "s/1", "t/1")])


# ---- across disks ----


def across(here: Path, steps: list[Step], **options: Any) -> tuple[list[Result], str]:
    with ExitStack() as stack:
        for patch in apart(here / "s", here / "t"):
            stack.enter_context(patch)
        return run(steps, **options)


def test_to_another_disk_and_back(here: Path) -> None:
    os.chmod(here / "s/1", 0o640)
    before = tree(here)
    (here / "t/2").write_bytes(b"other")
    (here / "t/3").write_bytes((here / "s/3").read_bytes())
    taken = tree(here)
    results, journal = across(here, [move(here / "s" / name, here / "t" / name) for name in "123"])
    assert hows(results) == ["done", "beside", "same"]
    assert names(here / "s") == []
    assert names(here / "t") == ["1", "2", "2_2", "3"]
    assert tree(here)[str(here / "t/1")] == before[str(here / "s/1")]
    undone(journal)
    assert tree(here) == taken


@pytest.mark.parametrize("call", ["sync", "fsync"])
def test_nothing_is_removed_before_its_copy_is_durable(here: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A disk that fails when asked to make sure: the source stays, the copy goes."""
    fsync = os.fsync

    def is_a_copy(descriptor: int) -> bool:
        return stat.S_ISREG(os.fstat(descriptor).st_mode) and os.fstat(descriptor).st_size == 300

    def failing(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    before = tree(here)
    if call == "sync":
        monkeypatch.setattr(syncing.WholeSync, "sync", failing)
        monkeypatch.setattr(pending, "FEW", 0)
    else:
        monkeypatch.setattr(syncing.WholeSync, "possible", False)
        monkeypatch.setattr("mrdock.files.copying.os.fsync", lambda to: failing() if is_a_copy(to) else fsync(to))
    results, _ = across(here, [move(here / "s" / name, here / "t" / name) for name in "12"])
    assert hows(results) == ["left", "left"]
    assert "input/output" in results[0].reason
    assert tree(here) == before


def test_nothing_is_removed_where_the_directory_cannot_be_made_durable(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(here)
    monkeypatch.setattr(batch, "sync_directories", lambda paths: dict.fromkeys(paths, "input/output error"))
    results, _ = across(here, [move(here / "s/1", here / "t/1")])
    assert hows(results) == ["left"]
    assert tree(here) == before


def fill_up(monkeypatch: pytest.MonkeyPatch, rounds: int) -> None:
    """Have the disk of the journal full after so many syncs."""
    syncs = iter(range(rounds))
    sync = Journal.sync

    def until_full(journal: Journal) -> None:
        if next(syncs, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(journal)

    monkeypatch.setattr(Journal, "sync", until_full)


@pytest.mark.parametrize("rounds", [1, 2])
def test_a_journal_that_is_full_ends_the_run_and_undoes_it(
    here: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """Nothing is done that it does not know of."""
    before = tree(here)
    steps = [move(here / "s" / name, here / "t" / name) for name in "12"]
    with monkeypatch.context() as patched:
        patched.setattr(batch, "_MOST_FILES", 1)
        fill_up(patched, rounds)
        with pytest.raises(JournalError, match=r"no space left.*undo") as raised:
            across(here, steps)
    path = str(raised.value).partition(".jsonl")[0] + ".jsonl"
    assert contents(here) == sorted(entry[0] for entry in before.values() if entry)
    assert len(names(here / "t")) == rounds - 1
    undone(path)
    assert tree(here) == before


def test_a_journal_that_is_full_at_the_end_spoils_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        fill_up(patched, 1)
        results, path = run([move(here / "s" / name, here / "t" / name) for name in "12"])
    assert hows(results) == ["done", "done"]
    assert hows(undone(path)) == ["done", "done"]


def test_a_copy_that_differs_is_not_taken(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(here)
    right = durable.write_all
    monkeypatch.setattr(copying, "write_all", lambda to, data: right(to, bytes(len(data))))
    results, _ = across(here, [move(here / "s/1", here / "t/1"), copy(here / "s/2", here / "t/2")])
    assert hows(results) == ["left", "left"]
    assert {result.reason for result in results} == {"the copy was not the same as the source"}
    assert tree(here) == before


def test_a_source_that_changes_before_it_is_removed_stays(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = durable.move_new

    def changed_meanwhile(source: str, target: str) -> None:
        rename(source, target)
        with (here / "s/1").open("ab") as stream:
            stream.write(b"more")

    with ExitStack() as stack:
        for patch in apart(here / "s", here / "t"):
            stack.enter_context(patch)
        monkeypatch.setattr(batch, "move_new", changed_meanwhile)
        results, _ = run([move(here / "s/1", here / "t/1")])
    assert hows(results) == ["left"]
    assert (here / "s/1").read_bytes().endswith(b"more")
    assert names(here / "t") == []


def test_a_name_that_is_taken_meanwhile_is_not_overwritten(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = durable.move_new
    came: list[bool] = []

    def taken_meanwhile(source: str, target: str) -> None:
        if not came:
            came.append(True)
            Path(target).write_bytes(b"just come")
        rename(source, target)

    monkeypatch.setattr(batch, "move_new", taken_meanwhile)
    results, journal = run([copy(here / "s/1", here / "t/1")])
    assert hows(results) == ["beside"]
    assert (here / "t/1").read_bytes() == b"just come"
    assert (here / "t/1_2").read_bytes() == (here / "s/1").read_bytes()
    assert hidden(here) == []
    undone(journal)
    assert names(here / "t") == ["1"]


def test_the_same_server_mounted_twice_loses_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mounts have two device numbers, but one file has one number and time on both."""
    real = os.lstat

    def another_device(path: Any) -> os.stat_result:
        status = real(path)
        if str(path).startswith(str(here / "mount")):
            status = os.stat_result((*status[:2], status.st_dev + 1, *status[3:]), {"st_mtime_ns": status.st_mtime_ns})
        return status

    (here / "mount").symlink_to(here / "s")
    monkeypatch.setattr("mrdock.files.batch.os.lstat", another_device)
    results, _ = across(here, [move(here / "s/1", here / "mount/1")])
    assert hows(results) == ["same"]
    assert names(here / "s") == ["1", "2", "3"]


def test_copies_have_the_source_s_times_and_what_the_umask_leaves_of_its_mode(here: Path) -> None:
    os.chmod(here / "s/1", 0o666)
    before = os.umask(0o027)
    try:
        run([copy(here / "s/1", here / "t/1")])
        across(here, [move(here / "s/1", here / "t/moved")])
    finally:
        os.umask(before)
    assert stat.S_IMODE((here / "t/1").stat().st_mode) == 0o640
    assert stat.S_IMODE((here / "t/moved").stat().st_mode) == 0o666
    assert (here / "t/1").stat().st_mtime_ns == 10**18


@pytest.mark.parametrize("durable_way", ["whole", "each"])
def test_many_files_with_helpers(here: Path, monkeypatch: pytest.MonkeyPatch, durable_way: str) -> None:
    if durable_way == "each":
        monkeypatch.setattr(syncing.WholeSync, "possible", False)
    folder = here / "s/many"
    folder.mkdir()
    for number in range(1000):
        (folder / f"{number}\udcff\n").write_bytes(b"%d" % number * 100)
    before = tree(here)
    steps = [move(path, here / "t/deep" / path.name) for path in sorted(folder.iterdir())]
    results, journal = across(here, steps, jobs=3)
    assert set(hows(results)) == {"done"}
    assert names(folder) == []
    undone(journal, jobs=3)
    assert tree(here) == before


def test_helpers_that_die_are_made_up_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers, "_PROGRAM", "import sys; sys.stdin.buffer.read(4); sys.exit(1)  # {path} {module}")
    for number in range(900):
        (here / f"s/x{number}").write_bytes(b"%d" % number)
    steps = [copy(here / f"s/x{number}", here / f"t/x{number}") for number in range(900)]
    results, _ = run(steps, jobs=2)
    assert set(hows(results)) == {"done"}
    assert all((here / f"t/x{number}").read_bytes() == b"%d" % number for number in range(900))


def test_an_exception_in_between_leaves_nothing_unfinished(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = tree(here)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch.Batch, "_remove_sources", interrupted)
    steps = [move(here / "s" / a, here / "s" / b) for a, b in ("12", "21")] + [copy(here / "s/3", here / "t/3")]
    with Journal.create(None, ["test"], steps) as journal, pytest.raises(KeyboardInterrupt):
        execute(steps, journal)
    assert hidden(here) == []
    undone(journal.path)
    assert tree(here) == before
