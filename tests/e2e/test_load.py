"""Many at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place

SENDERS = 8
EACH = 40


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
