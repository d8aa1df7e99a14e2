"""T40, T42: killed at each call of an undisturbed run; after each, nothing that counts is lost or doubled.

In the suite every so many calls are taken, each day others; all with MRDOCK_ALL_STEPS=1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from mrdock.network.outgoing import image_file
from tests.builders import StudyIdentity, bulk_classic
from tests.conftest import NeedTool
from tests.e2e import clients, faketime
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import MRDOCK, PATIENCE, Place, alive, wait_for
from tests.faults import kept
from tests.faults.strace import Point, Traced, kill_all, killed_at, kills, points, processes, some, watched


@pytest.fixture(scope="module")
def strace(need_tool: NeedTool) -> str:
    return need_tool("strace")


def assorted(images: MakeImages, seed: str, comment: str = "") -> list[Path]:
    """Two images, one that does not fit into memory, a duplicate, and other content under a UID that has come."""
    files = images(2, seed=seed, comment=comment)
    *_, large = bulk_classic(3, StudyIdentity(seed), rows=740, columns=740, study_description=comment)
    assert len(large) > 1 << 20
    folder = files[0].parent
    (folder / "large").write_bytes(large)
    content = files[1].read_bytes()
    (folder / "other").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    return [*files, folder / "large", files[0], folder / "other"]


def uids(files: Sequence[Path]) -> list[str]:
    return [image_file(path).meta.sop_instance for path in files]


# ---- receiving ----


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("whole_dock", [True, False], ids=["dock", "worker"])
def test_t40_a_worker_is_killed_at_each_call_while_it_receives(
    place: Place, images: MakeImages, strace: str, whole_dock: bool
) -> None:
    """The whole dock dies with it or it alone: what was acknowledged is there, and the rest can be sent again."""
    with place.dock() as dock, watched(strace, processes(dock)[0], place.folder / "trace") as calls:
        clients.ours(dock.enhanced, assorted(images, "undisturbed"))
    found = points(calls)
    assert len(found) > 40
    before: tuple[Sequence[Path], Sequence[str]] = ((), ())
    reached = 0
    for point in (tried := some(found, 14)):
        files = assorted(images, f"{point}")
        with place.dock() as dock:
            kept.no_loose_ends(place, 2)
            kept.check(place, *before)
            _send_all(place, dock.enhanced, before[0])
            worker = processes(dock)[0]
            with killed_at(strace, worker, point):
                acknowledged = clients.acknowledged_until_it_breaks(dock.enhanced, files)
            reached += not alive(worker)
            if whole_dock:
                kill_all(dock)
            else:
                kept.check(place, files, acknowledged)
                _send_all(place, dock.enhanced, files)
                kept.no_loose_ends(place, 3)
            before = files, acknowledged
    with place.dock():
        kept.no_loose_ends(place, 2)
        kept.check(place, *before)
    assert_most(reached, tried)


def _send_all(place: Place, port: int, files: Sequence[Path]) -> None:
    if files:
        clients.ours(port, files)
        kept.check(place, files, uids(files))


def assert_most(reached: int, tried: Sequence[Point]) -> None:
    """Threads do not come to the same calls in each run, and a run may pass; most are killed."""
    print(f"killed at {reached} of {len(tried)} points")
    assert reached > len(tried) // 2


# ---- routing ----


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("whole_dock", [True, False], ids=["dock", "keeper"])
def test_t42_the_keeper_is_killed_at_each_call_while_it_copies(
    place: Place, research: Path, images: MakeImages, strace: str, whole_dock: bool
) -> None:
    """At its steps on files and in the index: the next one finishes, the destination is complete, once."""
    place.quiet = 0.1
    place.write_settings()
    with place.dock() as dock, watched(strace, processes(dock)[2], place.folder / "trace") as calls:
        clients.ours(dock.enhanced, assorted(images, "undisturbed", f"#-#{research}/u"))
        place.wait_for_state("routed")
    found = points(calls)
    assert len(found) > 60
    wait: Callable[[], None] = lambda: None  # noqa: E731
    reached = 0
    for number, point in enumerate(tried := some(found, 35)):
        target = research / str(number)
        study = StudyIdentity(f"{point}").study_uid
        with place.dock() as dock:
            wait()
            keeper = processes(dock)[2]
            with killed_at(strace, keeper, point):
                clients.ours(dock.enhanced, assorted(images, f"{point}", f"#-#{target}"))
                wait_for("the end", partial(dead_or_routed, keeper, place, study))
            wait = partial(_routed, place, study, target)
            reached += not alive(keeper)
            if whole_dock:
                kill_all(dock)
            else:
                wait()
    with place.dock():
        wait()
        kept.no_loose_ends(place, 2)
    assert_most(reached, tried)


def dead_or_routed(keeper: int, place: Place, study: str) -> bool:
    return not alive(keeper) or place.studies().get(study, {}).get("state") == "routed"


def _routed(place: Place, study: str, target: Path) -> None:
    """The study is routed; its destination holds what the store does, byte for byte, and nothing else."""
    found = place.wait_for_state("routed", study=study)
    assert (found["images"], found["text"]) == (4, f"copied to {target}")
    assert kept.same_files(target, place.store / found["directory"])
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


# ---- start and sweep ----


def undisturbed(place: Place, strace: str, *words: str) -> Sequence[Point]:
    """The points of a command, or of a dock that starts and stops."""
    trace = Traced(strace, place.folder / "undisturbed.strace")
    if words[0] == "serve":
        with place.dock(prefix=trace.prefix):
            pass
    else:
        command = [*trace.prefix, *MRDOCK, *words, "--config", str(place.config)]
        subprocess.run(command, env=place.environment(), capture_output=True, timeout=PATIENCE, check=True)
    return points(trace.calls())


def killed(place: Place, strace: str, point: Point, *words: str) -> bool:
    """Run a command that is killed at a point, or start and stop a dock; whether it was killed itself."""
    prefix = [strace, "-D", "-f", "-o", os.devnull, *kills(point)]
    if words[0] != "serve":
        command = [*prefix, *MRDOCK, *words, "--config", str(place.config)]
        done = subprocess.run(command, env=place.environment(), capture_output=True, timeout=PATIENCE, check=False)
        assert done.returncode in (0, -9), done.stderr
        return done.returncode == -9
    try:
        with place.dock(prefix=prefix) as dock:
            return not alive(dock.pid)
    except AssertionError as error:
        if "the dock ended with -9" not in str(error):
            raise
        return True


@pytest.mark.timeout(1800)
def test_t42_the_dock_is_killed_at_each_call_of_a_start_after_a_crash(
    place: Place, research: Path, images: MakeImages, strace: str, tmp_path: Path
) -> None:
    """The start after that finds all images, routes them once, and leaves nothing lying about."""
    files, study = assorted(images, "start", f"#-#{research}/subj"), StudyIdentity("start").study_uid
    place.quiet = 30.0
    place.write_settings()
    with place.dock() as dock:
        clients.ours(dock.enhanced, files)
        dock.kill(whole_group=True)
    (place.store / ".mrdock/incoming/1-0.part").write_bytes(b"rest")
    (place.store / ".mrdock/trash/gone").mkdir()
    (place.store / ".mrdock/trash/gone/MR.1").write_bytes(b"rest")

    def another(name: str, quiet: float = 0.1) -> Place:
        there = Place(tmp_path / name, quiet=quiet, roots=[research])
        shutil.copytree(place.store, there.store)
        return there

    reached = 0
    for number, point in enumerate(tried := some(undisturbed(another("u", 30.0), strace, "serve"), 45)):
        there = another(str(number))
        reached += killed(there, strace, point, "serve")
        with there.dock():
            _routed(there, study, research / "subj")
            kept.no_loose_ends(there, 2)
            kept.check(there, files, uids(files))
        shutil.rmtree(research / "subj")
    assert_most(reached, tried)


@pytest.mark.timeout(1800)
def test_t42_the_dock_is_killed_at_each_call_of_its_first_start(
    images: MakeImages, strace: str, tmp_path: Path
) -> None:
    """A store that was half made is finished by the next start, and receives."""
    files = images(1)
    reached = 0
    for number, point in enumerate(tried := some(undisturbed(Place(tmp_path / "u"), strace, "serve"), 45)):
        place = Place(tmp_path / str(number))
        reached += killed(place, strace, point, "serve")
        with place.dock() as dock:
            clients.ours(dock.enhanced, files)
            kept.no_loose_ends(place, 2)
            kept.check(place, files, uids(files))
    assert_most(reached, tried)


@pytest.mark.timeout(1800)
def test_t42_a_sweep_is_killed_at_each_call(
    place: Place, research: Path, images: MakeImages, strace: str, need_tool: NeedTool, tmp_path: Path
) -> None:
    """The study is there as a whole, or gone as a whole; its copies stay; the next sweep finishes."""
    target = research / "subj"
    ago = {"LD_PRELOAD": faketime.library(need_tool), "FAKETIME": "-40d"}
    with place.dock(env=ago) as dock:
        clients.ours(dock.enhanced, images(3, comment=f"#-#{target}"))
        study = place.wait_for_state("routed")
    copies = {path.name: path.read_bytes() for path in target.iterdir()}

    def another(name: str) -> Place:
        there = Place(tmp_path / name, roots=[research])
        shutil.copytree(place.store, there.store)
        return there

    reached = 0
    for number, point in enumerate(tried := some(undisturbed(another("u"), strace, "sweep"), 20)):
        there = another(str(number))
        reached += killed(there, strace, point, "sweep")
        left = there.images()
        assert len(left) in (0, 3)
        assert (there.store / study["directory"]).exists() == bool(left)
        with there.dock():
            kept.no_loose_ends(there, 2)
        assert there.ask("sweep").returncode == 0
        assert (there.images(), there.studies()) == ({}, {})
        assert {path.name: path.read_bytes() for path in target.iterdir()} == copies
    assert_most(reached, tried)


# ---- right after the answer ----


@pytest.mark.parametrize("number", [1, 20])
def test_t40_killed_right_after_the_answer(place: Place, research: Path, images: MakeImages, number: int) -> None:
    """What the client knows to be stored is there after the restart, in the index, and is routed."""
    target = research / "subj"
    files = images(30, comment=f"#-#{target}")

    def kill(done: int) -> None:
        if done == number:
            dock.kill(whole_group=True)

    with place.dock() as dock:
        done = clients.acknowledged_until_it_breaks(dock.enhanced, files, kill)
        assert len(done) == number
    with place.dock():
        kept.no_loose_ends(place, 2)
        assert kept.whole_and_once(place, kept.originals(files), set(done)) == number
        study = place.wait_for_state("routed")
        assert study["images"] == number
        assert kept.same_files(target, place.store / study["directory"])
