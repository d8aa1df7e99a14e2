"""Workers that die between the answer to an image and its journal entry: the index and the routes learn of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, children, data_set_of, wait_for
from tests.faults import kept
from tests.faults.strace import killed_at, processes


def routed(place: Place, target: Path, count: int) -> Callable[[], bool]:
    """Whether status tells of so many images, and all are copied."""

    def there() -> bool:
        told = [(study["images"], study["state"]) for study in place.studies().values()]
        return told == [(count, "routed")] and len(list(target.iterdir())) == count

    return there


def test_a_worker_that_is_killed_between_the_answer_and_the_entry_of_an_image(
    place: Place, research: Path, images: MakeImages, need_tool: NeedTool
) -> None:
    """Killed as it begins to write the entry: the image is in status and copied, without a restart of the dock."""
    target = research / "subj1"
    files = images(2, comment=f"#-#{target}")
    with place.dock() as dock:
        clients.ours(dock.enhanced, files[:1])
        wait_for("the first image copied", routed(place, target, 1))
        # an association's thread writes: that it began, the image, its entry
        with killed_at(need_tool("strace"), processes(dock)[0], ("write", 3)):
            assert len(clients.acknowledged_until_it_breaks(dock.enhanced, files[1:])) == 1
            wait_for("the worker's end", lambda: "enhanced ended unexpectedly" in dock.log())
        wait_for("the second image copied", routed(place, target, 2), patience=20)
        assert "1 image found in the store that the index did not know" in dock.log()
        kept.whole_and_once(place, kept.originals(files), set(kept.originals(files)))
        assert dock.process.poll() is None
        kept.no_loose_ends(place, 2)


@pytest.mark.parametrize("kills", [6])
def test_workers_that_are_killed_as_soon_as_an_answer_is_there(
    place: Place, research: Path, images: MakeImages, kills: int
) -> None:
    """Wherever they were: what was answered is in status and copied, without a restart of the dock."""
    target = research / "subj1"
    files = images(4 * kills, comment=f"#-#{target}")
    answered: set[str] = set()
    with place.dock() as dock:
        for number in range(kills):
            port = (dock.enhanced, dock.classic)[number % 2]
            answered |= set(sent_and_killed(dock, port, files[4 * number :][:4]))
        assert len(answered) >= kills
        sent = kept.originals(files)

        def all_there() -> bool:
            copied = {path.name.partition(".")[2] for path in target.glob("MR.*")}
            return answered <= copied and next(iter(place.studies().values()))["state"] == "routed"

        wait_for("all copied", all_there, patience=40)
        assert {data_set_of(path) for path in target.glob("MR.*")} <= set(sent.values())
        assert kept.whole_and_once(place, sent, answered) == next(iter(place.studies().values()))["images"]


def worker_of(dock: Dock, port: int) -> int:
    """The worker that listens on a port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (sock,) = (f"socket:[{line[9]}]" for line in lines if line[3] == "0A" and line[1].endswith(f":{port:04X}"))
    (pid,) = (
        pid for pid in children(dock.pid) if sock in [os.readlink(name) for name in Path(f"/proc/{pid}/fd").iterdir()]
    )
    return pid


def sent_and_killed(dock: Dock, port: int, files: list[Path]) -> list[str]:
    """Send to a listener and kill its worker when the second image is answered; what was answered."""
    wait_for("the listener", lambda: clients.answers(port))
    pid = worker_of(dock, port)

    def kill(count: int) -> None:
        if count == 2:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    return clients.acknowledged_until_it_breaks(port, files, kill)
