"""Errors of single calls on the way of an image, by strace: refused in words, nothing left, and the next one is taken.

`test_fsync` has the errors after which nothing may be taken any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.builders import StudyIdentity, enhanced_large
from tests.conftest import NeedTool
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, wait_for
from tests.faults.disk_support import FULL, Workers, failures, holds_exactly, injecting, statuses, workers_of

_numbers = itertools.count(1)


@dataclass
class Stand:
    """A dock for all tests of this module, and what it has acknowledged."""

    place: Place
    dock: Dock
    workers: Workers
    folder: Path
    images: MakeImages
    known: Iterator[Path]
    acknowledged: list[Path] = field(default_factory=list)

    def send(self, path: Path) -> int:
        """Send one image on an association of its own."""
        (status,) = statuses(self.dock.enhanced, [path])
        if status == 0:
            self.acknowledged.append(path)
        return status

    def image(self, kind: str) -> Path:
        """A small image of the study that is known, one of a new study, or a large one."""
        if kind == "known":
            return next(self.known)
        number = next(_numbers)
        if kind == "large":
            path = self.folder / f"large{number}"
            assert enhanced_large(path, 40, 256, 256, identity=StudyIdentity(f"large {number}")) > 5 << 20
            return path
        return self.images(1, seed=f"new {number}")[0]

    def paths(self, where: str) -> list[Path]:
        """What a fault is about."""
        private = self.place.store / ".mrdock"
        return {
            "part": [private / "incoming" / f"{self.workers.enhanced}-{number}.part" for number in range(100)],
            "incoming": [private / "incoming"],
            "private": [private],
            "store": [self.place.store],
            "journal": list((private / "journals").glob(f"{self.workers.enhanced}-*")),
        }[where]


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, images: MakeImages) -> Iterator[Stand]:
    """A dock that has one image already."""
    place = Place(tmp_path_factory.mktemp("stand"), quiet=0.5)
    with place.dock() as dock:
        made = Stand(place, dock, workers_of(dock), tmp_path_factory.mktemp("files"), images, iter(images(100)))
        assert made.send(made.image("known")) == 0
        yield made
        assert workers_of(dock) == made.workers, "no fault ended a process"


CALLS = [
    *((f"openat:error={error}", "incoming", "known") for error in ("EMFILE", "ENOSPC", "EROFS", "EIO", "EDQUOT")),
    *((f"write:error={error}", "part", "known") for error in ("EIO", "ENOSPC", "EROFS", "EDQUOT", "EFBIG")),
    *((f"write:error={error}:when=3+", "part", "large") for error in ("EIO", "ENOSPC")),
    *((f"fsync:error={error}", "part", "known") for error in ("ENOSPC", "EDQUOT")),
    *((f"renameat2:error={error}", "incoming", "known") for error in ("EIO", "ENOSPC", "EROFS", "EACCES")),
    *((f"mkdirat:error={error}", "incoming", "new") for error in ("EIO", "ENOSPC", "EMLINK")),
    *((f"/^rename:error={error}", "incoming", "new") for error in ("EIO", "ENOSPC")),
    *((f"openat:error={error}", "private", "new") for error in ("EMFILE", "EIO")),
    *((f"openat:error={error}", "store", "known") for error in ("ENFILE", "EIO")),
    *((f"/^(new)?fstatat:error={error}", "store", "known") for error in ("EIO", "ESTALE")),
    *((f"fstatfs:error={error}", "store", "known") for error in ("EIO", "ESTALE")),
]


@pytest.mark.parametrize(("fault", "where", "kind"), CALLS, ids=["-".join(call) for call in CALLS])
def test_a_call_that_fails(stand: Stand, need_tool: NeedTool, fault: str, where: str, kind: str) -> None:
    """The call fails for one image: 0xA700, nothing of it stays, and sent again it is taken."""
    path = stand.image(kind)
    with injecting(need_tool, stand.workers.enhanced, stand.folder, fault, paths=stand.paths(where)) as calls:
        assert stand.send(path) == FULL
        assert failures(calls) > 0
    holds_exactly(stand.place, stand.acknowledged)
    assert stand.send(path) == 0
    holds_exactly(stand.place, stand.acknowledged)


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_journal_that_cannot_be_written(stand: Stand, need_tool: NeedTool, error: str) -> None:
    """What tells the index fails: the image is on disk and acknowledged, and the index hears of it later."""
    (path,) = stand.images(1, seed=f"journal {error}")
    uid = StudyIdentity(f"journal {error}").study_uid
    fault = f"write:error={error}"
    with injecting(need_tool, stand.workers.enhanced, stand.folder, fault, paths=stand.paths("journal")) as calls:
        assert stand.send(path) == 0
        assert failures(calls) > 0
        holds_exactly(stand.place, stand.acknowledged)
    assert stand.send(stand.image("known")) == 0
    wait_for("the index", lambda: stand.place.studies().get(uid, {}).get("images") == 1)
