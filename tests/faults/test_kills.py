"""T39: kill -9 at random moments while four peers of four makes send."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from mrdock.errors import NetworkError
from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.clients import Send
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, wait_for
from tests.e2e.wire import Recorder, recording
from tests.faults import kept
from tests.faults.strace import processes

KILLS = int(os.environ.get("MRDOCK_KILLS", "8"))
IMAGES = 30
VICTIMS = ("all", "supervisor", "all", "worker", "keeper")


@pytest.mark.timeout(60 + 20 * KILLS)
def test_t39_killed_at_random_moments_while_four_peers_send(
    place: Place, images: MakeImages, need_tool: NeedTool
) -> None:
    """All of the dock dies, or one of its processes: nothing partial is in view, all that was acknowledged is there."""
    chance = random.Random(KILLS)
    senders = (clients.ours, clients.storescu(need_tool), clients.pynetdicom, clients.dcmsend(need_tool))
    sent: dict[str, bytes] = {}
    acknowledged: set[str] = set()
    before: list[Path] = []
    for number in range(KILLS):
        studies = [images(IMAGES, seed=f"kill {number} {peer}") for peer in range(len(senders))]
        files = [path for study in studies for path in study]
        data_sets = kept.originals(files)
        victim = VICTIMS[number % len(VICTIMS)]
        with place.dock() as dock:
            kept.no_loose_ends(place, 2)
            kept.whole_and_once(place, sent, acknowledged)
            if before:
                clients.ours(dock.enhanced, before)
            some = _killed_while_sending(dock, victim, studies, senders, chance.randrange(1, len(files)))
            sent |= data_sets
            acknowledged |= some
            assert some <= set(data_sets)
            if victim in ("worker", "keeper"):
                clients.ours(dock.enhanced, files)
                kept.whole_and_once(place, sent, set(sent))
                acknowledged |= set(data_sets)
        before = files
    with place.dock() as dock:
        kept.no_loose_ends(place, 2)
        clients.ours(dock.classic, before)
        assert kept.whole_and_once(place, sent, acknowledged) == len(sent) == KILLS * IMAGES * len(senders)
        wait_for("all in the index", lambda: sum(study["images"] for study in place.studies().values()) == len(sent))
        studies_there = {StudyIdentity(f"kill {n} {p}").study_uid for n in range(KILLS) for p in range(len(senders))}
        assert set(place.studies()) == studies_there


def _killed_while_sending(
    dock: Dock, victim: str, studies: Sequence[list[Path]], senders: Sequence[Send], after: int
) -> set[str]:
    """Two peers send to each listener; when so many images are on their way, the victim dies. What was acknowledged
    until all peers had ended."""
    pids = {"worker": processes(dock)[0], "keeper": processes(dock)[2]}
    with recording(dock.enhanced) as one, recording(dock.classic) as other:
        with ThreadPoolExecutor(len(senders)) as pool:
            jobs = [
                pool.submit(_send, send, (one, other)[number % 2], files)
                for number, (send, files) in enumerate(zip(senders, studies, strict=True))
            ]
            while len(one.sent) + len(other.sent) < after and not all(job.done() for job in jobs):
                time.sleep(0.0005)
            if victim in pids:
                os.kill(pids[victim], signal.SIGKILL)
            else:
                dock.kill(whole_group=victim == "all")
            for job in jobs:
                job.result()
        return one.acknowledged() | other.acknowledged()


def _send(send: Send, recorder: Recorder, files: list[Path]) -> None:
    """Send until it ends, well or not: AttributeError and RuntimeError are pynetdicom's words for an end."""
    with suppress(AssertionError, NetworkError, AttributeError, RuntimeError):
        send(recorder.port, files)
