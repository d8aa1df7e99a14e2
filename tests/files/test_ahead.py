"""The copies of one batch are made while the batch before it gets its names: nothing is lost or left by that."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mrdock.files import batch, copying, durable, syncing
from mrdock.files.executor import execute
from mrdock.files.journal import Journal
from mrdock.files.steps import How, Step
from tests.files.moving import copy, hidden, hows, run, tree, undone

FILES = 1500


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_MOST_FILES", 500)


@pytest.fixture
def steps(tmp_path: Path) -> list[Step]:
    (tmp_path / "s").mkdir()
    for number in range(FILES):
        (tmp_path / f"s/{number}").write_bytes(b"%d" % number)
    return [copy(tmp_path / f"s/{number}", tmp_path / f"t/{number % 7}/{number}") for number in range(FILES)]


def test_all_copies_are_there_and_can_be_undone(steps: list[Step], tmp_path: Path) -> None:
    before = tree(tmp_path / "s")
    results, journal = run(steps, jobs=3)
    assert set(hows(results)) == {"done"}
    assert [Path(result.place).read_bytes() for result in results] == [b"%d" % n for n in range(FILES)]
    assert hidden(tmp_path) == []
    undone(journal, jobs=3)
    assert tree(tmp_path / "s") == before
    assert not (tmp_path / "t").exists()


def test_an_interrupt_leaves_no_copy_that_a_helper_was_making(
    steps: list[Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch.Batch, "_round", interrupted)
    with Journal.create(None, ["test"], steps) as journal, pytest.raises(KeyboardInterrupt):
        execute(steps, journal, jobs=3)
    assert [path for path, entry in tree(tmp_path / "t").items() if entry is not None] == []


def test_a_sync_that_fails_takes_the_copies_of_its_batch_away(
    steps: list[Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = syncing.WholeSync.sync
    calls: list[int] = []

    def failing_once(self: syncing.WholeSync) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        right(self)

    monkeypatch.setattr(syncing.WholeSync, "possible", True)
    monkeypatch.setattr(syncing.WholeSync, "sync", failing_once)
    results, _ = run(steps, jobs=2)
    assert hows(results) == ["left"] * 500 + ["done"] * (FILES - 500)
    assert {result.reason for result in results if result.how is How.LEFT} == {"input/output error"}
    assert hidden(tmp_path) == []
    assert sum(path.is_file() for path in (tmp_path / "t").rglob("*")) == FILES - 500


@pytest.mark.parametrize("size", [10, (1 << 20) + 10])
def test_a_copy_that_reads_back_as_something_else_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    right = durable.write_all
    monkeypatch.setattr(copying, "write_all", lambda target, data: right(target, b"X" + bytes(data[1:])))
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    (tmp_path / "one").write_bytes(b"a" * size)
    results, _ = run([copy(tmp_path / "one", tmp_path / "two")])
    assert [(result.how, result.reason) for result in results] == [(How.LEFT, copying.DIFFERENT)]
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
