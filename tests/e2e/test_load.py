"""Many at once, and large ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrdock.network.requester import Requester, image_file, propose
from tests.builders import StudyIdentity, enhanced_large
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, children, wait_for

SENDERS = 8
EACH = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("load"), quiet=0.5)


@pytest.fixture(scope="module")
def dock(place: Place) -> Iterator[Dock]:
    with place.dock() as running:
        yield running


@pytest.mark.parametrize("studies", [1, SENDERS])
def test_eight_associations_at_once(place: Place, dock: Dock, images: MakeImages, studies: int) -> None:
    """Into one study, and into one each; both listeners."""
    seeds = [f"{studies} {number % studies}" for number in range(SENDERS)]
    parts = [images(SENDERS * EACH, seed=seed)[number * EACH :][:EACH] for number, seed in enumerate(seeds)]
    answers: list[list[int]] = [[] for _ in parts]
    begin = threading.Barrier(SENDERS)

    def send(number: int) -> None:
        files = [image_file(path) for path in parts[number]]
        port = (dock.enhanced, dock.classic)[number % 2]
        with Requester("127.0.0.1", port, propose(files), called="MRDOCK") as peer:
            begin.wait(30)
            answers[number] += [peer.store(item).status for item in files]

    threads = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[0] * EACH] * SENDERS
    for seed in set(seeds):
        study = place.wait_for_state("kept", study=StudyIdentity(seed).study_uid)
        assert study["images"] == EACH * SENDERS // studies
        assert len(list((place.store / study["directory"]).glob("MR.*"))) == study["images"]
    assert place.loose_ends() == []


def peak_kb(pid: int) -> int:
    """The most memory that a process has had of its own; pages of mapped files are the kernel's to drop."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0])


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def test_a_large_enhanced_object_takes_little_memory(
    place: Place, dock: Dock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("large") / "large.dcm"
    size = enhanced_large(path, 16_384, identity=StudyIdentity("large"))
    assert size > 300 << 20
    workers = children(dock.pid)
    before = {}
    for pid in workers:
        reset_peak(pid)
        before[pid] = peak_kb(pid)
    clients.ours(dock.enhanced, [path])
    assert {pid: peak_kb(pid) - before[pid] for pid in workers if peak_kb(pid) - before[pid] > 64 << 10} == {}
    study = place.wait_for_state("kept", study=StudyIdentity("large").study_uid)
    assert study["bytes"] >= size - 1000
    assert [look["whole"] for look in study["looks"]] == [True]
    (stored,) = (place.store / study["directory"]).glob("MRe.*")
    with stored.open("rb") as ours, path.open("rb") as theirs:
        theirs.seek(image_file(path).meta.data_set_at)
        ours.seek(image_file(stored).meta.data_set_at)
        while block := theirs.read(1 << 20):
            assert ours.read(1 << 20) == block
        assert not ours.read(1)
    wait_for("no loose ends", lambda: place.loose_ends() == [])
    path.unlink()
