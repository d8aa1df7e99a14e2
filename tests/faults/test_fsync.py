"""The disk fails under a call: by strace, at each step of the way of an image and of a copy. No false Success, ever.

After an fsync that failed nothing may be taken for safe: the kernel says it once, and a second fsync succeeds.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
from collections.abc import Iterable
from pathlib import Path

from mrdock.dock.copying import part_name
from mrdock.network.outgoing import image_file
from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.e2e.clients import answers
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, wait_for
from tests.faults.disk_support import (
    FULL,
    failures,
    holds_exactly,
    injecting,
    statuses,
    storescu_status,
    workers_of,
)

WHY = "the disk failed to write (Input/output error); the dock has to be restarted"


def takes_nothing_more(place: Place, dock: Dock, files: list[Path], need_tool: NeedTool) -> None:
    """Both listeners refuse, and the log and status say why."""
    assert statuses(dock.enhanced, files) == [FULL] * len(files)
    assert storescu_status(need_tool, dock.classic, files[-1]) == FULL
    assert WHY in dock.log()
    wait_for("the reason", lambda: f"nothing can be received: {WHY}" in place.status()["notices"])


def test_t31_every_fsync_fails(place: Place, images: MakeImages, need_tool: NeedTool, tmp_path: Path) -> None:
    """EIO from each fsync: not acknowledged, no file; the first failure is believed, no second fsync is asked."""
    first, second, third, other = *images(3), *images(1, seed="other")
    with place.dock() as dock:
        assert statuses(dock.enhanced, [first]) == [0]
        with injecting(need_tool, workers_of(dock).enhanced, tmp_path, "fsync:error=EIO:when=1+") as calls:
            assert storescu_status(need_tool, dock.enhanced, second) == FULL
            assert failures(calls) == 1
            assert statuses(dock.enhanced, [second, third, other]) == [FULL] * 3
            assert failures(calls) == 1
            holds_exactly(place, [first])
        takes_nothing_more(place, dock, [second, other], need_tool)
        os.kill(workers_of(dock).enhanced, signal.SIGKILL)
        wait_for("the worker's end", lambda: "enhanced ended unexpectedly (-9)" in dock.log())
        wait_for("the listener again", lambda: answers(dock.enhanced))
        assert statuses(dock.enhanced, [second, other]) == [FULL, FULL], "one that is started anew knows it, too"
        holds_exactly(place, [first])
    with place.dock() as dock:
        assert statuses(dock.enhanced, [second, third, other]) == [0] * 3
        holds_exactly(place, [first, second, third, other])


def test_t31_the_directory_s_fsync_fails(place: Place, images: MakeImages, need_tool: NeedTool, tmp_path: Path) -> None:
    """The file is safe, its name is not: not acknowledged, and it does not keep the name."""
    first, second, third = images(3)
    with place.dock() as dock:
        assert statuses(dock.enhanced, [first]) == [0]
        (study,) = place.store.glob("[0-9]*_*")
        worker = workers_of(dock).enhanced
        with injecting(need_tool, worker, tmp_path, "fsync:error=EIO", paths=[study]) as calls:
            assert statuses(dock.enhanced, [second]) == [FULL]
            assert failures(calls) == 1
            holds_exactly(place, [first])
        takes_nothing_more(place, dock, [second, third], need_tool)
        holds_exactly(place, [first])
    with place.dock() as dock:
        assert statuses(dock.enhanced, [second, third]) == [0, 0]
        holds_exactly(place, [first, second, third])


def test_t31_one_fsync_after_the_other_fails(
    place: Place, images: MakeImages, need_tool: NeedTool, tmp_path: Path
) -> None:
    """The n-th fsync on the way of the first image of a study fails, n = 1, 2, 3 ... until none is left."""
    acknowledged: list[Path] = []
    refused: list[Path] = []
    for number in itertools.count(1):
        new, next_one = *images(1, seed=f"{number}"), *images(1, seed=f"next {number}")
        with place.dock() as dock:
            if refused:  # in the dock before
                assert statuses(dock.enhanced, refused) == [0, 0]
                acknowledged += refused
            worker = workers_of(dock).enhanced
            with injecting(need_tool, worker, tmp_path, f"fsync:error=EIO:when={number}") as calls:
                (status,) = statuses(dock.enhanced, [new])
                failed = failures(calls)
            if status == 0:
                break
            assert (status, failed) == (FULL, 1)
            refused = [new, next_one]
            assert statuses(dock.enhanced, [next_one]) == [FULL]
            holds_exactly(place, acknowledged)
    assert failed == 0
    assert number > 4, "the study's record, its directory, the store, the file and the directory again"
    holds_exactly(place, [*acknowledged, new])


# ---- while copying ----


def contents(paths: Iterable[Path]) -> dict[str, str]:
    """The names of files and the digests of what is in them."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_t31_a_destination_s_fsync_fails(
    place: Place, research: Path, images: MakeImages, need_tool: NeedTool, tmp_path: Path
) -> None:
    """EIO while a study is copied: it waits, nothing is called copied, and the next try copies and syncs anew.

    In turn from the directory above a new one, from the copies, and from the directory that they are in. What stayed
    after a failed fsync would look whole to the next try, whose own fsync may succeed.
    """
    target = research / "subj1"
    files = images(6, comment=f"#-#{target}")
    uid = StudyIdentity("demo").study_uid

    def fails_and_is_mended(some: list[Path], paths: list[Path]) -> None:
        before = contents(research.rglob("*.*"))
        with injecting(need_tool, keeper, tmp_path, "fsync:error=EIO", paths=paths) as calls:
            assert statuses(dock.enhanced, some) == [0, 0]
            found = place.wait_for_state("waiting", study=uid)
            assert failures(calls) == 1
        assert "input/output error" in found["text"]
        assert contents(research.rglob("*.*")) == before
        assert target.exists() == bool(before)
        with injecting(need_tool, keeper, tmp_path, "fsync:delay_enter=0", paths=paths) as calls:
            assert place.ask("route", uid).returncode == 0
            place.wait_for_state("routed", study=uid)
            assert calls.read_text().count("fsync(") >= len(paths)

    with place.dock() as dock:
        keeper = workers_of(dock).keeper
        fails_and_is_mended(files[:2], [research])
        study = place.store / place.studies()[uid]["directory"]
        fails_and_is_mended(files[2:4], [target / part_name(name_of(path), str(study)) for path in files[2:4]])
        fails_and_is_mended(files[4:], [target])
        assert contents(target.iterdir()) == contents(study.glob("MR.*"))
        holds_exactly(place, files)


def name_of(path: Path) -> str:
    """The name of an image's file in the store and at its destination."""
    return f"MR.{image_file(path).meta.sop_instance}"
