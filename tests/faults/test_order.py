"""T32: what a power cut would take. The order of system calls, by strace, of docks that do their work."""

from __future__ import annotations

import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mrdock.network.outgoing import image_file
from tests.builders import StudyIdentity, bulk_classic
from tests.conftest import NeedTool
from tests.e2e import clients, faketime
from tests.e2e.clients import Send
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import MRDOCK, PATIENCE, Place, alive, wait_for
from tests.faults.strace import Traced, kill_all, killed_at, processes, traced
from tests.faults.trace import check_receiving, check_removal, check_routing, parse


@pytest.fixture(scope="module")
def strace(need_tool: NeedTool) -> str:
    return need_tool("strace")


@pytest.fixture(scope="module")
def storescu(need_tool: NeedTool) -> Send:
    return clients.storescu(need_tool)


def uids(files: list[Path]) -> Counter[str]:
    return Counter(image_file(path).meta.sop_instance for path in files)


def changed(files: list[Path], folder: Path) -> list[Path]:
    """The same instances with another last pixel."""
    folder.mkdir()
    made = []
    for path in files:
        content = path.read_bytes()
        made.append(folder / path.name)
        made[-1].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return made


def test_t32_an_image_is_durable_when_success_is_sent_and_a_copy_when_it_is_said_to_be_there(
    place: Place, research: Path, images: MakeImages, storescu: Send, strace: str, tmp_path: Path
) -> None:
    """New studies and series, four associations at once on both listeners (two feed one study), duplicates, the same
    UIDs with other content twice, and an image that does not fit into memory."""
    first = images(3, seed="a", comment=f"#-#{research}/a201")
    first += images(6, seed="a", series_number=301, comment=f"#-#{research}/a301")[3:]
    shared = images(12, seed="b", comment=f"#-#{research}/b")
    other = images(5, seed="c", comment=f"#-#{research}/c")
    large = tmp_path / "large"
    large.write_bytes(next(bulk_classic(1, StudyIdentity("d"), rows=800, columns=800)))
    assert large.stat().st_size > 1 << 20
    differing = changed(first, tmp_path / "changed")
    with traced(place, strace) as (dock, trace):
        storescu(dock.enhanced, first)
        with ThreadPoolExecutor(4) as pool:
            jobs = [
                pool.submit(storescu, port, files)
                for port, files in (
                    (dock.enhanced, shared[:8]),
                    (dock.classic, shared[4:]),
                    (dock.enhanced, other),
                    (dock.enhanced, [large]),
                )
            ]
            for job in jobs:
                job.result()
        for files in (first, differing, differing):
            storescu(dock.classic, files)
        for seed, state in (("a", "routed"), ("b", "routed"), ("c", "routed"), ("d", "kept")):
            place.wait_for_state(state, study=StudyIdentity(seed).study_uid)
    calls = trace.calls()
    found = check_receiving(calls, place.store, {uid: [1, 1, 2, 2] for uid in uids(first)})
    assert found.faults == []
    sent = uids(first * 2 + differing * 2 + shared + shared[4:8] + other + [large])
    assert found.done == sent, "every answer was found in the trace"
    targets = [research / name for name in ("a201", "a301", "b", "c")]
    found = check_routing(calls, place.store, targets)
    assert found.faults == []
    assert set(found.done) == {str(path) for target in targets for path in target.iterdir()}
    assert len(found.done) == 2 * len(first) + len(shared) + len(other)


@pytest.mark.parametrize("number", [2, 3])
def test_t32_a_study_whose_directory_was_made_by_a_worker_that_was_killed(
    place: Place, images: MakeImages, strace: str, number: int
) -> None:
    """Killed before it synced the new directory, or the store that holds it: the next one syncs what it finds."""
    files = images(2)
    with place.dock() as dock:
        with killed_at(strace, processes(dock)[0], ("fsync", number)):
            assert clients.acknowledged_until_it_breaks(dock.enhanced, files) == []
        kill_all(dock)
    assert [path.name[0] for path in place.store.glob("[0-9]*_*_*")] == ["2"] * (number == 3)
    with traced(place, strace) as (dock, trace):
        clients.ours(dock.enhanced, files)
    found = check_receiving(trace.calls(), place.store)
    assert (found.done, found.faults) == (uids(files), [])


def test_t32_an_image_whose_worker_was_killed_before_it_answered_is_durable_when_its_duplicate_is_answered(
    place: Place, images: MakeImages, strace: str
) -> None:
    """Killed between the rename of the image and the sync of its directory."""
    files = images(1)
    with place.dock() as dock:
        with killed_at(strace, processes(dock)[0], ("fsync", 5)):
            assert clients.acknowledged_until_it_breaks(dock.enhanced, files) == []
        kill_all(dock)
    there = place.images().values()
    assert len(there) == 1
    with traced(place, strace) as (dock, trace):
        clients.ours(dock.enhanced, files)
    found = check_receiving(trace.calls(), place.store, there=there)
    assert (found.done, found.faults) == (uids(files), [])


@pytest.mark.parametrize("number", range(1, 5))
def test_t32_a_store_that_was_being_made_when_the_dock_was_killed(
    place: Place, images: MakeImages, strace: str, number: int
) -> None:
    """Killed before the sync of the directories above it, of its marker or of itself: what the next start finds it
    makes durable before an image is acknowledged in it."""
    files = images(1)
    root = place.folder / "new" / "store"
    place.config.write_text(place.config.read_text().replace(str(place.store), str(root)))
    killed = Traced(strace, place.folder / "killed.strace", ["-e", f"inject=fsync:signal=KILL:when={number}"])
    words = [*killed.prefix, *MRDOCK, "serve", "--config", str(place.config)]
    done = subprocess.run(words, env=place.environment(), capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == -9, done.stderr
    with traced(place, strace) as (dock, trace):
        clients.ours(dock.enhanced, files)
    found = check_receiving(parse([*killed.lines(), *trace.lines()]), root)
    assert (found.done, found.faults) == (uids(files), [])


def test_t32_a_destination_that_was_made_by_a_job_that_was_killed(
    place: Place, research: Path, images: MakeImages, strace: str
) -> None:
    """Killed when the new directory had its name, which was not durable yet: it is before a copy in it counts."""
    target = research / "subj"
    files = images(3, comment=f"#-#{target}")
    with place.dock() as dock:
        keeper = processes(dock)[2]
        with killed_at(strace, keeper, ("fsync", 2)):
            clients.ours(dock.enhanced, files)
            wait_for("the keeper's end", lambda: not alive(keeper))
        kill_all(dock)
    assert list(target.iterdir()) == []
    with traced(place, strace) as (_, trace):
        place.wait_for_state("routed")
    found = check_routing(trace.calls(), place.store, [target])
    assert (len(found.done), found.faults) == (3, [])


def test_t32_what_is_routed_is_durable_before_its_study_is_deleted(
    place: Place, research: Path, images: MakeImages, strace: str, need_tool: NeedTool
) -> None:
    """A study routed 40 days ago leaves the store as a whole, durably, and only then its files are deleted."""
    target = research / "subj"
    files = images(3, comment=f"#-#{target}")
    ago = {"LD_PRELOAD": faketime.library(need_tool), "FAKETIME": "-40d"}
    with traced(place, strace, "routing", env=ago) as (dock, routing):
        clients.ours(dock.enhanced, files)
        study = place.wait_for_state("routed")
    sweep = Traced(strace, place.folder / "sweep.strace")
    words = [*sweep.prefix, *MRDOCK, "sweep", "--config", str(place.config)]
    subprocess.run(words, env=place.environment(), timeout=PATIENCE, check=True, capture_output=True)
    assert place.images() == {}
    calls = parse([*routing.lines(), *sweep.lines()])
    found = check_removal(calls, place.store, {study["directory"]: list(target.iterdir())})
    assert found.faults == []
    assert found.done[study["directory"]] == 4, "three images and the record"
