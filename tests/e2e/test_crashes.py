"""kill -9 while a client sends and while the dock copies: what was acknowledged is there, whole, once."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from mrdock.errors import NetworkError
from mrdock.network.requester import image_file
from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import PATIENCE, Dock, Place, alive, children, data_set_of, original_data_set, wait_for
from tests.e2e.wire import Cut, recording

COUNT = 300


def originals(files: list[Path]) -> dict[str, bytes]:
    """The data sets that a client sends, by SOP Instance UID."""
    return {image_file(path).meta.sop_instance: original_data_set(path) for path in files}


def whole_and_once(place: Place, sent: dict[str, bytes], acknowledged: set[str]) -> int:
    """Check that every acknowledged image is in the store, and each that is there is what was sent; how many."""
    images = place.images()
    here = {uid: path for uid, path in images.items() if uid in sent}
    assert acknowledged <= set(here)
    for uid, path in here.items():
        assert data_set_of(path) == sent[uid], path
    return len(here)


def kill_and_see_all_die(dock: Dock, whole_group: bool) -> None:
    workers = children(dock.pid)
    assert len(workers) == 3, "two listeners and the keeper"
    dock.kill(whole_group)
    wait_for("the workers' end", lambda: not any(alive(pid) for pid in workers))


def test_killed_while_a_client_sends_300_images(
    place: Place, research: Path, images: MakeImages, need_tool: NeedTool
) -> None:
    """Early, in the middle, late, by bytes that the dock has got; each time another study, and another client.

    After each start the client sends the study again, as scanners do.
    """
    chance = random.Random("crash")
    shares = [0.003, chance.uniform(0.01, 0.3), chance.uniform(0.3, 0.5), chance.uniform(0.5, 0.9), 0.96, 0.998]
    senders = [clients.ours, clients.storescu(need_tool)] * 3
    before: list[tuple[str, list[Path], dict[str, bytes], set[str]]] = []
    for number, (send, share) in enumerate(zip(senders, shares, strict=True)):
        files = images(COUNT, seed=f"crash {number}", comment=f"#-#{research}/{number}")
        sent = originals(files)
        with place.dock() as dock:
            assert place.loose_ends() == []
            for _, again, data_sets, acknowledged in before[-1:]:
                whole_and_once(place, data_sets, acknowledged)
                clients.ours(dock.enhanced, again)
            kill = partial(kill_and_see_all_die, dock, whole_group=number in (1, 2, 5))
            with recording(dock.enhanced, Cut(int(share * sum(map(len, sent.values()))), kill)) as recorder:
                with suppress(AssertionError, NetworkError):
                    send(recorder.port, files)
                dock.process.wait(PATIENCE)
            assert len(recorder.acknowledged()) < COUNT
            before.append((f"crash {number}", files, sent, recorder.acknowledged()))
    assert sum(len(acknowledged) for *_, acknowledged in before) > COUNT, "the kills came while images were stored"
    with place.dock() as dock:
        clients.ours(dock.classic, before[-1][1])
        for number, (seed, _, sent, acknowledged) in enumerate(before):
            target = research / str(number)
            wait_for("all copied", partial(holds, target, COUNT))
            study = place.wait_for_state("routed", study=StudyIdentity(seed).study_uid)
            assert study["images"] == COUNT
            assert whole_and_once(place, sent, acknowledged) == COUNT
            stored = {path.name: path.read_bytes() for path in (place.store / study["directory"]).glob("MR.*")}
            assert {path.name: path.read_bytes() for path in target.iterdir()} == stored
    assert place.loose_ends() == []


def holds(folder: Path, count: int) -> bool:
    return folder.is_dir() and len(list(folder.iterdir())) == count


def test_killed_while_pynetdicom_sends(place: Place, images: MakeImages) -> None:
    files = images(60)
    sent = originals(files)
    with place.dock() as dock:
        cut = Cut(sum(map(len, sent.values())) // 2, lambda: dock.kill(whole_group=True))
        with recording(dock.classic, cut) as recorder, suppress(AssertionError, AttributeError):
            clients.pynetdicom(recorder.port, files)
        assert 0 < len(recorder.acknowledged()) < 60
    with place.dock():
        assert place.loose_ends() == []
        whole_and_once(place, sent, recorder.acknowledged())


def test_killed_right_after_the_answer(place: Place, images: MakeImages) -> None:
    """Every image that the client knows to be stored is there after the restart, and in the index."""
    known: dict[str, tuple[dict[str, bytes], set[str]]] = {}
    for number in (1, 50, 299, 0):
        with place.dock() as dock:
            assert place.loose_ends() == []
            for seed, (sent, acknowledged) in known.items():
                assert whole_and_once(place, sent, acknowledged) == len(acknowledged)
                assert place.studies()[StudyIdentity(seed).study_uid]["images"] == len(acknowledged)
            if number:
                files = images(COUNT, seed=f"{number}")
                done = clients.acknowledged_until_it_breaks(dock.enhanced, files, partial(kill_at, dock, number))
                assert len(done) == number
                known[f"{number}"] = originals(files), set(done)


def kill_at(dock: Dock, when: int, number: int) -> None:
    if number == when:
        dock.kill()


def test_killed_again_and_again_while_it_copies_300_images(place: Place, research: Path, images: MakeImages) -> None:
    target = research / "subj1"
    files = images(COUNT, comment=f"#-#{target}")
    sent = originals(files)
    with place.dock() as dock:
        clients.ours(dock.enhanced, files)
        copied = [kill_when_copied(dock, target, 1, whole_group=False)]
    for number in (60, 140, 220):
        with place.dock() as dock:
            copied.append(kill_when_copied(dock, target, number, whole_group=number != 60))
    assert copied[0] < COUNT, "the first kill came while it copied"
    for path in target.glob("MR.*"):
        assert data_set_of(path) == sent[path.name.partition(".")[2]], "nothing partial under a final name"
    with place.dock():
        study = place.wait_for_state("routed")
        assert study["text"] == f"copied to {target}"
        stored = {path.name: path.read_bytes() for path in (place.store / study["directory"]).glob("MR.*")}
        assert len(stored) == COUNT
        assert {path.name: path.read_bytes() for path in target.iterdir()} == stored, "once, whole, nothing beside it"
    assert place.loose_ends() == []


def kill_when_copied(dock: Dock, target: Path, count: int, whole_group: bool) -> int:
    """kill -9 when ``count`` images have been copied; how many had been."""
    deadline = time.monotonic() + PATIENCE
    while not target.is_dir() or len(list(target.glob("MR.*"))) < count:
        assert time.monotonic() < deadline, "nothing is copied"
        time.sleep(0.001)
    dock.kill(whole_group)
    return len(list(target.glob("MR.*")))


def test_an_image_that_was_taken_and_comes_again_is_copied_again_although_the_dock_was_killed(
    place: Place, research: Path, images: MakeImages
) -> None:
    """Its study's record says that it was copied once; that was its former life."""
    target = research / "subj1"
    files = images(3, comment=f"#-#{target}")
    place.quiet = 1.5
    place.write_settings()
    with place.dock() as dock:
        clients.ours(dock.enhanced, files)
        study = place.wait_for_state("routed")
        taken = min((place.store / study["directory"]).glob("MR.*"))
        taken.unlink()
        (target / taken.name).unlink()
        clients.ours(dock.enhanced, files)
        place.wait_for_state("receiving")
        dock.kill(whole_group=True)
    with place.dock():
        place.wait_for_state("routed")
        assert len(list(target.iterdir())) == 3
