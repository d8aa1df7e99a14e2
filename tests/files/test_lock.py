"""One run at a time on one tree, and never a lock that outlives its holder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mrdock.errors import BusyError
from mrdock.files.lock import held_by_us, only_one

pytestmark = pytest.mark.usefixtures("state")

HOLD = """
import sys
from mrdock.files.lock import only_one
with only_one(*sys.argv[1:]):
    print("here", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(*directories: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that works on these directories."""
    words = [sys.executable, "-c", HOLD, *map(str, directories)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_is_told_who_is_there_since_when(tmp_path: Path) -> None:
    with another(tmp_path) as process:
        with pytest.raises(BusyError) as caught, only_one(str(tmp_path)):
            pass
        said = str(caught.value)
        assert str(tmp_path) in said
        assert f"process {process.pid}, since {time.strftime('%Y')}" in said


@pytest.mark.parametrize(("ours", "theirs"), [("a/b", "a"), ("a", "a/b"), ("link/b", "a"), ("a/../a/b", "a/b/c")])
def test_trees_that_overlap_count_as_one(tmp_path: Path, ours: str, theirs: str) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with another(tmp_path / theirs), pytest.raises(BusyError), only_one(str(tmp_path / ours)):
        pass


def test_trees_beside_each_other_do_not(tmp_path: Path) -> None:
    for name in ("a", "ab", "a b"):
        (tmp_path / name).mkdir()
    with another(tmp_path / "a"), only_one(str(tmp_path / "ab"), str(tmp_path / "a b")):
        pass


def test_source_and_destination_are_both_ours(tmp_path: Path) -> None:
    for name in ("s", "t", "u"):
        (tmp_path / name).mkdir()
    with another(tmp_path / "s", tmp_path / "t"):
        for name in ("s", "t"):
            with pytest.raises(BusyError), only_one(str(tmp_path / "u"), str(tmp_path / name)):
                pass
        with only_one(str(tmp_path / "u")):
            pass
    with only_one(str(tmp_path), str(tmp_path / "s"), str(tmp_path / "s")):
        pass


def test_who_was_killed_holds_nothing(tmp_path: Path, state: Path) -> None:
    with another(tmp_path) as process:
        process.kill()
        process.wait()
        with only_one(str(tmp_path)):
            pass
    assert list((state / "mrdock/locks").glob("*.json")) == []


def test_it_can_be_taken_again_and_leaves_nothing_among_the_images(tmp_path: Path) -> None:
    for _ in range(3):
        with only_one(str(tmp_path)):
            assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_many_at_once_one_gets_it(tmp_path: Path) -> None:
    code = HOLD.replace("sys.stdin.read()", "import time; time.sleep(1)")
    words = [sys.executable, "-c", code, str(tmp_path)]
    processes = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    said = [process.communicate(timeout=60) for process in processes]
    assert sum(out == b"here\n" for out, _ in said) == 1
    assert sum(b"BusyError" in error for _, error in said) == 5


def test_a_note_that_was_damaged_blocks_nobody(tmp_path: Path, state: Path) -> None:
    with only_one(str(tmp_path)):
        (note,) = (state / "mrdock/locks").glob("*.json")
        note.write_bytes(b"{")
        with pytest.raises(BusyError), only_one(str(tmp_path)):
            pass
    note.write_bytes(b"[]")
    with only_one(str(tmp_path)):
        pass


def test_the_lock_of_one_file_leaves_nothing(tmp_path: Path, state: Path) -> None:
    path = str(tmp_path / "journal")
    with held_by_us(path), pytest.raises(BusyError), held_by_us(path):
        pass
    with held_by_us(path):
        pass
    assert os.listdir(state / "mrdock/locks") == []
