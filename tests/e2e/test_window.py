"""Images that come one behind the other without waiting for answers, into a real store."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.errors import NetworkError
from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.dock.support import Image
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Place, children, wait_for
from tests.faults import kept
from tests.faults.raw import BROKEN, MISMATCH, SUCCESS, Scene, command_of, request, said, scene
from tests.network import messages
from tests.network.serving import Raw
from tests.network.test_window import asking

COUNT = 300


# ---- our own requester ----


def acknowledged(
    port: int, files: list[Path], kill_at: int = 0, victim: int = 0, whole_group: bool = False
) -> list[str]:
    """Send all until the association breaks; what was answered. After ``kill_at`` answers the victim is killed."""
    items = [image_file(path) for path in files]
    done: list[str] = []
    with suppress(NetworkError), Requester("127.0.0.1", port, propose(items), called="MRDOCK", timeout=20) as peer:
        assert peer.window > 1
        for item, answer in zip(items, peer.store_all(items), strict=True):
            assert answer.status == 0
            done.append(item.meta.sop_instance)
            if len(done) == kill_at:
                (os.killpg if whole_group else os.kill)(victim, signal.SIGKILL)
    return done


def test_300_images_over_one_association(place: Place, images: MakeImages) -> None:
    files = images(COUNT)
    sent = kept.originals(files)
    with place.dock() as dock:
        assert acknowledged(dock.enhanced, files) == list(sent)
        study = place.wait_for_state("kept")
        assert study["images"] == COUNT
        assert kept.whole_and_once(place, sent, set(sent)) == COUNT
        assert acknowledged(dock.classic, files) == list(sent), "again: it changes nothing"
        assert kept.whole_and_once(place, sent, set(sent)) == COUNT
        kept.no_loose_ends(place, 2)


@pytest.mark.parametrize("kill_at", [1, 101, 223])
def test_killed_while_several_are_under_way(place: Place, images: MakeImages, kill_at: int) -> None:
    """kill -9 of the whole dock: everything that was answered is there, whole, and the next dock tells of it."""
    files = images(COUNT)
    sent = kept.originals(files)
    with place.dock() as dock:
        done = acknowledged(dock.enhanced, files, kill_at, dock.pid, whole_group=True)
        assert kill_at <= len(done) < COUNT
        dock.process.wait(20)
    with place.dock() as dock:
        count = kept.whole_and_once(place, sent, set(done))
        assert place.wait_for_state("kept")["images"] == count
        assert acknowledged(dock.enhanced, files) == list(sent)
        assert kept.whole_and_once(place, sent, set(sent)) == COUNT
        kept.no_loose_ends(place, 2)


def test_a_worker_that_is_killed_while_several_are_under_way(place: Place, images: MakeImages) -> None:
    """The dock goes on, and soon tells of all that is in its store."""
    files = images(COUNT)
    sent = kept.originals(files)
    with place.dock() as dock:
        worker = min(children(dock.pid))
        done = acknowledged(dock.enhanced, files, 101, worker)
        assert 101 <= len(done) < COUNT

        def all_told() -> bool:
            return [study["images"] for study in place.studies().values()] == [len(place.images())]

        wait_for("all told of", all_told, patience=20)
        kept.whole_and_once(place, sent, set(done))


# ---- raw peers ----


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("window")) as found:
        yield found


def numbered(items: list[Image]) -> bytes:
    return b"".join(request(item, message=3 * number + 1) for number, item in enumerate(items))


def expect(peer: Raw, statuses: list[int]) -> None:
    """An answer to each of `numbered`, in order."""
    found = [peer.answer() for _ in statuses]
    assert [answer.status for answer in found] == statuses
    assert [answer.responded_id for answer in found] == [3 * number + 1 for number in range(len(statuses))]


@pytest.fixture(params=["window", "no window"])
def asked(request: pytest.FixtureRequest) -> bytes:
    return asking(0) if request.param == "window" else messages.associate()


def test_a_mismatch_and_a_broken_data_set_among_them(running: Scene, asked: bytes) -> None:
    """Each gets its own answer; those around them are stored."""
    items = [running.image() for _ in range(8)]
    parts = [request(item, message=3 * number + 1) for number, item in enumerate(items)]
    parts[2] = request(items[2], command=command_of(items[2], 7, instance="1.2.3.999.1"))
    parts[5] = request(replace(items[5], data=items[5].data[:40]), message=16)
    with running.peer("enhanced", asked) as peer:
        peer.say(*parts)
        expect(peer, [0, 0, MISMATCH, 0, 0, BROKEN, 0, 0])
        peer.release()
    for number in (0, 1, 3, 4, 6, 7):
        running.note(items[number])
    assert items[5].data[:40] in running.quarantined()
    running.unharmed()


def test_the_same_image_twice_and_another_under_its_uid(running: Scene, asked: bytes) -> None:
    """The same bytes are kept once, other bytes beside them; all are answered with Success."""
    first, second = running.image(), running.image()
    other = replace(first, data=first.data[:-1] + b"\x77")
    with running.peer("enhanced", asked) as peer:
        peer.say(numbered([first, first, second, other, first, other]))
        expect(peer, [SUCCESS] * 6)
        peer.release()
    for item in (first, second, other):
        running.note(item)
    running.unharmed()


def test_twenty_studies_one_behind_the_other(running: Scene, asked: bytes) -> None:
    """More than an association keeps directories of, twice around, small and large."""
    base = "1.2.4" if asked == messages.associate() else "1.2.5"
    items = [running.image(study=f"{base}.{number % 20}") for number in range(40)]
    items += [running.image(study=f"{base}.1", pixels=bytes(1_500_000)), running.image(study=f"{base}.2")]
    with running.peer("enhanced", asked) as peer:
        peer.say(numbered(items))
        expect(peer, [SUCCESS] * len(items))
        peer.release()
    for item in items:
        running.note(item)
    running.unharmed()


@pytest.mark.parametrize("count", [3, 8, 20])
def test_a_connection_that_is_ended_right_behind_them(running: Scene, asked: bytes, count: int) -> None:
    """All that are whole are kept, the half one behind them is not."""
    items = [running.image() for _ in range(count)]
    with running.peer("enhanced", asked) as peer:
        peer.say(numbered(items), request(running.image())[:-30])
        peer.sock.shutdown(1)
        expect(peer, [SUCCESS] * count)
        assert peer.hear_all() == []
    for item in items:
        running.note(item)
    running.unharmed()


def test_an_abort_in_the_middle_of_the_fourth(running: Scene, asked: bytes) -> None:
    """The first three are kept or not, as wholes; what was answered is kept."""
    items = [running.image() for _ in range(4)]
    begun = messages.p_data(messages.pdv(3, items[3].data[:50], command=False, last=False))
    with running.peer("enhanced", asked) as peer:
        peer.say(numbered(items[:3]), said(command_of(items[3], 10), command=True), begun, messages.ABORT)
        answered = [kind for kind, _ in peer.hear_all()].count(4)
    files = {path.name.split(".", 1)[1] for path in running.files()}
    there = [item.uid in files for item in items]
    assert there[:answered] == [True] * answered
    assert not there[3]
    for item, kept_ in zip(items, there, strict=True):
        if kept_:
            running.note(item)
    running.unharmed()
