"""Destinations that hang, are full, or hold something already: receiving goes on, nothing is lost or overwritten."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from mrdock.network.outgoing import image_file
from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.e2e import clients, faketime
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, wait_for
from tests.faults.hanging import hanging
from tests.faults.mounts import tmpfs
from tests.faults.sites import contents

STOP = 10.0
HOUR = 3600.0
DAY = 24 * HOUR


def uid(seed: str) -> str:
    return StudyIdentity(seed).study_uid


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def copies(place: Place, seed: str, folder: Path) -> None:
    """Check that ``folder`` has a study's files as the store has them, and nothing else."""
    kept = (place.store / place.studies()[uid(seed)]["directory"]).glob("[!.]*")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {p.name: p.read_bytes() for p in kept}


# ---- T45 ----


def test_t45_a_destination_that_hangs_stops_nothing_else(
    tmp_path: Path, short_folder: Path, images: MakeImages, need_tool: NeedTool
) -> None:
    """The file server of one root does not answer: receiving goes on, other roots get their copies, status says since
    when it hangs, the dock stops in time, and when the server is back all is copied."""
    hung, good = short_folder / "hung", short_folder / "good"
    good.mkdir()
    place = Place(tmp_path, quiet=0.5, more=f'[route]\nroots = ["{hung}", "{good}"]\nmount_points = ["{hung}"]\n')
    seeds = [f"hung {number}" for number in range(3)]
    clock = faketime.Clock(faketime.library(need_tool), tmp_path / "clock")
    with hanging(hung) as disk, place.dock() as dock:
        files = [path for seed in seeds for path in images(1, seed=seed, comment=f"#-#{hung}/{seed[-1]}")]
        clients.ours(dock.enhanced, files)
        wait_for("a study that hangs", lambda: disk.asked and copying(place, seeds))
        for number, port in enumerate([dock.enhanced, dock.classic]):
            clients.ours(port, images(2, seed=f"good {number}", comment=f"#-#{good}/{number}"))
        for number in range(2):
            place.wait_for_state("routed", study=uid(f"good {number}"))
            copies(place, f"good {number}", good / str(number))
        assert {place.studies()[uid(seed)]["state"] for seed in seeds} == {"complete"}
        since = copying(place, seeds)
        assert len(since) == 2, "the third waits for its turn"
        assert all(text.startswith("being copied since ") for text in since)
        clock.set(6 * 60)
        said = re.findall(r"copying hangs since [^;\n]*", place.run("status", env=clock.env).stdout)
        assert sorted(said) == sorted(text.replace("being copied", "copying hangs") for text in since)
        dock.signal(signal.SIGTERM)
        assert dock.process.wait(STOP) == 0
    assert len(place.images()) == 7
    assert names(hung) == []
    with tmpfs(hung, "size=1m"), place.dock():
        for seed in seeds:
            place.wait_for_state("routed", study=uid(seed))
            copies(place, seed, hung / seed[-1])


def copying(place: Place, seeds: list[str]) -> list[str]:
    """What status says of the studies that are being copied."""
    studies = place.studies()
    return [text for seed in seeds if "since" in (text := studies.get(uid(seed), {}).get("text", ""))]


def test_t45_a_destination_that_fails_after_it_hung_is_waited_for(
    tmp_path: Path, short_folder: Path, images: MakeImages
) -> None:
    """What hung gets an error at last: the study waits, with the reason, and is tried again."""
    gone = short_folder / "gone"
    place = Place(tmp_path, quiet=0.5, roots=[gone])
    with hanging(gone) as disk, place.dock() as dock:
        clients.ours(dock.enhanced, images(1, seed="gone", comment=f"#-#{gone}/subj"))
        wait_for("the copy to hang", lambda: disk.asked)
        disk.fail()
        study = place.wait_for_state("waiting")
        errors = "software caused connection abort|transport endpoint is not connected"
        assert re.search(f"{gone}/subj: ({errors}); next try", study["text"])


# ---- T46 ----


def next_try(place: Place, after: float = 0) -> float:
    """When the only study is tried again (after trying that is not over until ``after``), to the minute."""
    found: list[float] = []

    def said() -> bool:
        text = place.wait_for_state("waiting")["text"]
        for when in re.findall(r": no space left on device; next try (\S+ \S+)$", text):  # none while it is tried
            found[:] = [datetime.strptime(when, "%Y-%m-%d %H:%M").timestamp()]
        return found != [] and found[0] > after

    wait_for("another try", said)
    return found[0]


def test_t46_a_full_destination_gets_the_rest_when_there_is_room(
    place: Place, research: Path, images: MakeImages, need_tool: NeedTool, tmp_path: Path
) -> None:
    """The destination fills up in the midst of a study: what is there is whole, no part file takes room, it is tried
    again after growing pauses, the source is kept beyond its age, and the rest comes when there is room."""
    clock = faketime.Clock(faketime.library(need_tool), tmp_path / "clock")
    files = images(8, comment=f"#-#{research}/subj")
    with tmpfs(research, "size=64k,mode=0755") as disk:
        disk.fill(leave=5 * 4096)
        with place.dock(env=clock.env) as dock:
            clients.ours(dock.enhanced, files)
            due = next_try(place)
            pauses = [due - clock.now]
            for _ in range(3):
                clock.set_to(due + 60)
                due = next_try(place, after=clock.now)
                pauses.append(due - clock.now)
            assert all(abs(pause - 30 * 2**n) < 70 for n, pause in enumerate(pauses)), pauses
            arrived = names(research / "subj")
            assert 0 < len(arrived) < 8
            assert all(name.startswith("MR.") for name in arrived), "a part file would keep the disk full"
            assert len(place.images()) == 8
            late = faketime.Clock(clock.env["LD_PRELOAD"], tmp_path / "late")
            late.set(40 * DAY)
            assert "but it is waiting" in place.run("sweep", env=late.env).stdout
            assert len(place.images()) == 8
            disk.clear()
            clock.set_to(due + 60)
            place.wait_for_state("routed")
        copies(place, "demo", research / "subj")


# ---- T47 ----


@pytest.fixture(scope="module")
def data(short_folder: Path) -> Path:
    """A root that others work in, too."""
    folder = short_folder / "data"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def shared(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("shared"), quiet=0.5, roots=[data])


@pytest.fixture(scope="module")
def dock(shared: Place) -> Iterator[Dock]:
    with shared.dock() as running:
        yield running


def test_t47_files_of_the_same_name_are_never_overwritten(
    shared: Place, dock: Dock, data: Path, images: MakeImages
) -> None:
    """Where an image is to go there is the same image, another file, an empty one, a directory, a link to a file, a
    link that leads nowhere, a FIFO: the same counts as copied, the rest stays and the image comes beside it."""
    target, outside = data / "taken", data.parent / "outside.txt"
    outside.write_bytes(b"of somebody else")
    files = images(7, seed="taken", comment=f"#-#{target}")
    same, other, empty, folder, link, lost, pipe = (
        target / f"MR.{image_file(path).meta.sop_instance}" for path in files
    )
    clients.ours(dock.enhanced, files[:1])
    shared.wait_for_state("routed", study=uid("taken"))
    before = same.stat()
    other.write_bytes(b"of a person")
    empty.touch()
    folder.mkdir()
    link.symlink_to(outside)
    lost.symlink_to(data.parent / "nowhere")
    os.mkfifo(pipe)
    clients.ours(dock.classic, files[1:])
    wait_for("all copies", lambda: len(names(target)) == 13)
    study = shared.wait_for_state("routed", study=uid("taken"))
    after = same.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (other.read_bytes(), empty.read_bytes(), outside.read_bytes()) == (b"of a person", b"", b"of somebody else")
    assert names(folder) == []
    assert link.is_symlink()
    assert not (data.parent / "nowhere").exists()
    assert lost.is_symlink()
    assert pipe.is_fifo()
    for path in (other, empty, folder, link, lost, pipe):
        (beside,) = target.glob(f"{path.name}_*")
        assert re.fullmatch("_[0-9a-f]{8}", beside.name.removeprefix(path.name))
        assert beside.read_bytes() == (shared.store / study["directory"] / path.name).read_bytes()
    assert len(names(target)) == 13


def test_t47_the_same_images_there_already_count_as_copied(
    shared: Place, dock: Dock, data: Path, images: MakeImages
) -> None:
    """The whole study is there already, from an earlier life: nothing is written, and nothing comes twice."""
    target = data / "again"
    files = images(3, seed="again", comment=f"#-#{target}")
    clients.ours(dock.enhanced, files)
    study = shared.wait_for_state("routed", study=uid("again"))
    before = {path.name: path.stat().st_mtime_ns for path in target.iterdir()}
    for path in (shared.store / study["directory"]).glob("MR.*"):
        path.unlink()  # somebody took it out of the store; then the scanner sends it again
    clients.ours(dock.enhanced, files)
    wait_for("them in the store", lambda: set(contents(files)) <= set(shared.images()))
    shared.wait_for_state("routed", study=uid("again"))
    assert {path.name: path.stat().st_mtime_ns for path in target.iterdir()} == before


def test_t47_a_destination_that_is_no_directory_of_its_own_is_held(
    shared: Place, dock: Dock, data: Path, images: MakeImages
) -> None:
    """The path names a file, a link to outside of the roots, a link that leads nowhere: held, with the reason, and
    nothing is touched. A link to elsewhere in the roots is followed."""
    outside = data.parent / "elsewhere"
    outside.mkdir()
    (data / "inside").mkdir()
    (data / "file").write_bytes(b"of a person")
    (data / "out").symlink_to(outside)
    (data / "lost").symlink_to(data / "not there")
    (data / "in").symlink_to(data / "inside")
    wanted = {
        "file": "the path is not a directory",
        "out": "the path is not below one of the allowed directories",
        "lost": "no such file or directory",
        "in": "",
    }
    for name in wanted:
        clients.ours(dock.enhanced, images(2, seed=f"to {name}", comment=f"#-#{data}/{name}"))
    for name, reason in wanted.items():
        study = shared.wait_for_state("held" if reason else "routed", study=uid(f"to {name}"))
        assert reason in study["text"]
        assert study["images"] == 2
    copies(shared, "to in", data / "inside")
    assert (data / "file").read_bytes() == b"of a person"
    assert names(outside) == []
    assert not (data / "not there").exists()
    assert (data / "lost").is_symlink()
