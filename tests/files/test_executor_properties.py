"""Any plan on any small tree: nothing is lost, nothing overwritten, and undo restores the tree exactly."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.files import durable
from mrdock.files.journal import Journal, list_journals, recover
from mrdock.files.steps import How, Kind, Result, Step
from tests.files.moving import apart, contents, dies_at, hidden, run, tree, undone

NAMES = [f"{folder}/{name}" for folder in ("a", "b") for name in ("1", "2", "3", "4.dcm", "1_2")]
PLACES = [*NAMES, "n/1", "n/m/2", "a/new"]
CONTENTS = [b"x", b"y", b"zz"]
ONE_TIME = 1_600_000_000_123_456_789

Shape = tuple[str, str, str]


@dataclass(frozen=True)
class Case:
    files: dict[str, bytes]
    shapes: list[Shape]
    disks: int
    links_only: bool


cases = st.builds(
    Case,
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(CONTENTS), min_size=1),
    st.lists(
        st.tuples(
            st.sampled_from(["move", "move", "move", "copy", "write"]),
            st.sampled_from(NAMES),
            st.sampled_from(PLACES),
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([1, 1, 2]),
    st.booleans(),
)


orderly = st.builds(
    lambda case, kind: replace(
        case,
        shapes=[
            (kind, source, target) if was != "write" else ("write", source, f"{target[0]}/info")
            for was, source, target in case.shapes
        ],
    ),
    cases,
    st.sampled_from(["move", "move", "copy"]),
)
"""What commands ask for: all files are moved or all are copied, and files of ours have names that no image has."""


@contextmanager
def laid_out(case: Case) -> Iterator[tuple[Path, list[Step]]]:
    """The tree on disk: all files have the same time, so that only their numbers tell them apart."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {"XDG_STATE_HOME": f"{folder}/state", "HOME": folder}))
        root = Path(folder) / "tree"
        root.mkdir()
        for name in ("a", "b"):
            (root / name).mkdir()
        for path, content in case.files.items():
            (root / path).write_bytes(content)
            os.utime(root / path, ns=(ONE_TIME, ONE_TIME))
        if case.disks == 2:
            for patch in apart(root / "a", root / "b"):
                stack.enter_context(patch)
        if case.links_only:
            stack.enter_context(mock.patch.object(durable, "_renameat2", None))
        yield root, [step(root, shape) for shape in case.shapes]


def step(root: Path, shape: Shape) -> Step:
    kind, source, target = shape
    if kind == "write":
        return Step(Kind.WRITE, "", str(root / target), CONTENTS[len(source) % 3])
    return Step(Kind(kind), str(root / source), str(root / target))


def check(case: Case, root: Path, results: list[Result]) -> None:
    """Every byte is where the results say, and nothing else has changed."""
    expected = Counter(case.files.values())
    moved = set()
    for result in results:
        content = result.step.data or case.files.get(os.path.relpath(result.step.source, root), b"")
        if result.how is How.LEFT:
            assert result.reason
            continue
        if result.step.kind is not Kind.MOVE:
            expected[content] += result.how is not How.SAME
        elif not result.reason:
            moved.add(os.path.relpath(result.step.source, root))
            expected[content] -= result.how is How.SAME
    assert Counter(contents(root)) == expected
    for path, content in case.files.items():
        if path not in moved:
            assert (root / path).read_bytes() == content
    assert hidden(root) == []


EFFORT = settings(max_examples=int(os.environ.get("MRDOCK_EXAMPLES", "80")), deadline=None)


@EFFORT
@given(orderly)
def test_nothing_is_lost_and_undo_restores_everything(case: Case) -> None:
    with laid_out(case) as (root, steps):
        before = tree(root)
        results, journal = run(steps, jobs=1)
        assert [result.step for result in results] == steps
        check(case, root, results)
        back = undone(journal, jobs=1)
        assert [result.reason for result in back if result.how is How.LEFT] == []
        assert tree(root) == before
        assert undone(journal) == []


@EFFORT
@given(orderly, st.integers(0, 120), st.integers(0, 60))
def test_killed_anywhere_undo_restores_everything(case: Case, first: int, second: int) -> None:
    """Killed in the middle of the run, and again in the middle of the undo."""
    with laid_out(case) as (root, steps):
        before = tree(root)
        path = killed_run(steps, first)
        if path is None:
            assert tree(root) == before
            return
        dies_at(second, lambda: undone(path, jobs=1))
        back = undone(path, jobs=1)
        assert [result.reason for result in back if result.how is How.LEFT] == []
        assert tree(root) == before


@EFFORT
@given(cases)
def test_nothing_is_lost_whatever_is_asked_for(case: Case) -> None:
    with laid_out(case) as (root, steps):
        results, journal = run(steps, jobs=1)
        check(case, root, results)
        undone(journal, jobs=1)
        assert set(contents(root)) >= set(case.files.values())
        assert hidden(root) == []


@EFFORT
@given(cases, st.integers(0, 120))
def test_killed_anywhere_nothing_is_lost_or_half_there(case: Case, number: int) -> None:
    """The next run tidies up first; then all files have names that somebody would look at, whole."""
    with laid_out(case) as (root, steps):
        whole = Counter(contents(root))
        path = killed_run(steps, number)
        recover()
        assert hidden(root) == []
        now = Counter(contents(root))
        assert set(now) <= set(CONTENTS), "a half-written file"
        assert set(now) >= set(whole), "content lost"
        if path is not None and list_journals()[0].ended:
            assert recover() == 0
        if path is not None:
            undone(path, jobs=1)
            assert set(contents(root)) >= set(whole)


def killed_run(steps: list[Step], number: int) -> str | None:
    """Start a run that dies at a call; its journal, if it came to be."""
    dies_at(number, lambda: run(steps, jobs=1))
    new = [info.path for info in list_journals()]
    assert len(new) <= 1
    return new[0] if new and Journal.read(new[0]).whole else None


def test_a_case_is_what_it_says(tmp_path: Any) -> None:
    case = Case({"a/1": b"x"}, [("move", "a/1", "b/1")], 2, False)
    with laid_out(case) as (root, steps):
        results, _ = run(steps, jobs=1)
        assert [result.how for result in results] == [How.DONE]
        assert (root / "b/1").stat().st_mtime_ns == ONE_TIME
