"""Peers that lie about lengths, and mangled sessions: refused at once, in bounded memory."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mrdock.network import pdu
from mrdock.network.dimse import decode_command
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Place, data_set_of, wait_for
from tests.e2e.wire import Messages
from tests.faults.attacks import ENDLESS_REQUEST, LYING_VALUES, a_session, mangled, too_long, whole_session
from tests.faults.sites import Site, contents, descriptors, facts, rests
from tests.network import messages
from tests.network.serving import Raw

SEED = "2026"
SESSIONS = int(os.environ.get("MRDOCK_FUZZ_SESSIONS", "400"))
"""Mangled sessions; for longer runs say more, and with MRDOCK_FUZZ_SEED others."""

STORE_RESPONSE = 0x8001


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, images: MakeImages) -> Iterator[Site]:
    """A dock with the default limits."""
    place = Place(tmp_path_factory.mktemp("forged"))
    with place.dock() as dock:
        yield Site(place, dock, images)


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def test_t06_an_association_request_of_4_gib(site: Site) -> None:
    """Refused at its header, before a byte of it is waited for; who sends on all the same is cut off."""
    port = site.dock.enhanced
    worker = site.worker(port)
    site.serves()
    reset_peak(worker)
    before = facts(worker)["VmHWM"]
    for _ in range(8):
        with Raw(port) as peer:
            peer.say(ENDLESS_REQUEST)
            assert peer.hear() == (pdu.ABORT, bytes((0, 0, 2, pdu.INVALID_PARAMETER)))
            with pytest.raises(OSError, match=r"reset|Broken pipe"):
                peer.say(bytes(24 << 20))
    assert facts(worker)["VmHWM"] - before < 10 << 10
    site.is_well()


def test_t07_a_pdu_longer_than_agreed(site: Site) -> None:
    """Four megabytes where 128 KiB were agreed, at first and in the midst of an image: A-ABORT, little memory."""
    port = site.dock.classic
    worker = site.worker(port)
    site.serves()
    reset_peak(worker)
    before = facts(worker)["VmHWM"]
    for begun in (False, True):
        with Raw(port) as peer:
            peer.associate()
            if begun:
                peer.begin(bytes(1000))
            with suppress(OSError):  # it is cut off
                peer.say(too_long())
            assert peer.hear() == (pdu.ABORT, bytes((0, 0, 2, pdu.INVALID_PARAMETER)))
    assert facts(worker)["VmHWM"] - before < 10 << 10
    site.is_well()


@pytest.mark.parametrize("lie", LYING_VALUES)
def test_t07_presentation_data_values_whose_length_lies(site: Site, lie: str) -> None:
    """As a command and as the data set that a command announced: A-ABORT, and nothing is kept."""
    for begun in (False, True):
        with Raw(site.dock.enhanced) as peer:
            peer.associate()
            if begun:
                peer.begin(bytes(1000))
            peer.say(messages.p_data(LYING_VALUES[lie]))
            assert [kind for kind, _ in peer.hear_all()] == [pdu.ABORT]
    site.is_well()


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processor."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def acknowledged(heard: list[tuple[int, bytes]]) -> bool:
    """Whether a store was answered with Success."""
    answers = [decode_command(body[6:]) for kind, body in heard if kind == pdu.P_DATA]
    return any((answer.field, answer.status) == (STORE_RESPONSE, 0) for answer in answers)


def data_sets(session: bytes) -> set[bytes]:
    """The whole data sets of a session, as far as one can read it."""
    found = set()
    with suppress(struct.error, KeyError, IndexError):
        for _, data in Messages().feed(session):
            found.add(data)
    return found


def test_t19_hundreds_of_mangled_sessions(site: Site) -> None:
    """On one worker: it lives, its memory stays, and what it has stored is what it has acknowledged."""
    seed = os.environ.get("MRDOCK_FUZZ_SEED", SEED)
    chance = random.Random(seed)
    port = site.dock.enhanced
    worker = site.worker(port)
    site.serves()
    wait_for("the end of all connections", lambda: rests(worker))
    opened = descriptors(worker)
    stored: set[bytes] = set()
    memory, used = 0, cpu_seconds(worker)
    for number, (uid, data) in enumerate(contents(site.fresh(SESSIONS)).items()):
        session = mangled(a_session(data, uid), chance)
        if acknowledged(whole_session(port, session)):
            assert data_sets(session), f"seed {seed}, session {number}: nothing whole was sent"
            stored |= data_sets(session)
        if number == SESSIONS // 4:
            memory = facts(worker)["VmRSS"]
    assert stored, "some were mangled where it does not matter"
    assert facts(worker)["VmRSS"] - memory < 5 << 10
    assert cpu_seconds(worker) - used < 0.03 * SESSIONS
    wait_for("the end of all connections", lambda: rests(worker))
    assert descriptors(worker) == opened
    kept = {data_set_of(path) for path in files_of(site.place)}
    assert kept == stored | set(site.acknowledged.values())
    site.serves()
    assert site.worker(port) == worker


def files_of(place: Place) -> list[Path]:
    """All images in the store, whatever their studies are called."""
    studies = [path for path in place.store.iterdir() if path.name not in (".mrdock", "quarantine")]
    return [path for study in studies if study.is_dir() for path in study.iterdir() if path.name[0] != "."]
