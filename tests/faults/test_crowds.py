"""Many peers at once, and peers that wait: the others are served, and nothing of them is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mrdock.network import pdu
from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.conftest import NeedTool
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import PATIENCE, Place, wait_for
from tests.faults import attacks
from tests.faults.attacks import ANOTHER_HOST, dripping, held, knock, still_open
from tests.faults.sites import Site, contents, descriptors, facts, rests
from tests.network import messages
from tests.network.serving import Raw

SHORT = """
[limits]
idle_seconds = 4
acse_seconds = 4
pdu_seconds = 4
"""
SENDERS, EACH = 100, 20


def aborted(peer: Raw) -> None:
    """The dock says A-ABORT and closes; whoever drips on may see a reset instead of the close."""
    assert [kind for kind, _ in peer.hear_all()] == [pdu.ABORT]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, images: MakeImages) -> Iterator[Site]:
    """A dock with the default limits."""
    place = Place(tmp_path_factory.mktemp("crowds"))
    with place.dock() as dock:
        yield Site(place, dock, images)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory, images: MakeImages) -> Iterator[Site]:
    """A dock that waits four seconds for each thing."""
    place = Place(tmp_path_factory.mktemp("hasty"), more=SHORT)
    with place.dock() as dock:
        yield Site(place, dock, images)


# ---- connections that say nothing ----


def test_t01_a_thousand_connects_and_a_thousand_resets(site: Site) -> None:
    """Port scanners: the worker's memory stays, its threads and descriptors are as before."""
    port = site.dock.enhanced
    worker = site.worker(port)
    site.serves()
    knock(port, 100)
    site.serves()  # whoever came before has been taken by then
    wait_for("the end of all connections", lambda: rests(worker))
    memory, opened = facts(worker)["VmRSS"], descriptors(worker)
    knock(port, 1000)
    knock(port, 1000, reset=True)
    site.serves()
    wait_for("the end of all connections", lambda: rests(worker))
    assert descriptors(worker) == opened
    assert facts(worker)["VmRSS"] - memory < 5 << 10
    site.is_well()
    assert site.worker(port) == worker


def test_t02_200_half_open_connections_and_100_half_requests(hasty: Site) -> None:
    """They are held: others are served meanwhile, and at the limit for requests they are told to go."""
    port = hasty.dock.enhanced
    worker = hasty.worker(port)
    with held(port, 200) as silent, held(port, 100, attacks.HALF_REQUEST) as half:
        hasty.serves()
        assert still_open([*silent, *half]) == 300, "they were there while others were served"
        for peer in [*silent, *half]:
            aborted(peer)
    wait_for("all descriptors closed", lambda: len(descriptors(worker)) < 100)
    hasty.is_well()


def test_t03_requests_and_data_sets_byte_by_byte(hasty: Site) -> None:
    """A byte is always on its way, so only the limit for a whole PDU can end it; who sends tiny PDUs bothers nobody."""
    port = hasty.dock.classic
    begun = messages.associate() + messages.p_data(messages.pdv(3, messages.command(), command=True, last=True))
    data = messages.p_data(messages.pdv(3, bytes(100_000), command=False, last=False))
    tiny = messages.p_data(messages.pdv(3, b"ab", command=False, last=False))
    with ExitStack() as stack:
        requests = stack.enter_context(held(port, 10, host=ANOTHER_HOST))
        objects = stack.enter_context(held(port, 3, begun))
        patient = stack.enter_context(held(port, 1, begun))
        stack.enter_context(dripping(requests, messages.pdu(1, messages.associate()[6:], 200_000)))
        stack.enter_context(dripping(objects, data))
        stack.enter_context(dripping(patient, tiny, size=len(tiny)))
        hasty.serves()
        assert still_open(requests) == len(requests)
        for peer in requests:
            aborted(peer)
        for peer in objects:
            assert [kind for kind, _ in peer.hear_all()] == [pdu.ASSOCIATE_AC, pdu.ABORT]
    wait_for("the end of all", lambda: hasty.associations("classic") == 0)
    hasty.is_well()


# ---- associations that go silent ----


def test_t04_idle_associations(hasty: Site) -> None:
    """All places of a peer are taken by associations that say nothing: at the limit they are free again."""
    port = hasty.dock.enhanced
    with held(port, 10, messages.associate()) as idle:
        assert {peer.hear()[0] for peer in idle} == {pdu.ASSOCIATE_AC}
        wait_for("the count in status", lambda: hasty.associations("enhanced") == 10)
        for peer in idle:
            aborted(peer)
        wait_for("the count in status", lambda: hasty.associations("enhanced") == 0)
    hasty.is_well()


def test_t04_a_sender_that_stops_without_a_word(hasty: Site, need_tool: NeedTool, tmp_path: Path) -> None:
    """kill -STOP of storescu in the midst of a series: its connection stays, and ends at the limit."""
    files = hasty.fresh(2000)
    words = [need_tool("storescu"), "-aec", "MRDOCK", "127.0.0.1", str(hasty.dock.enhanced), *map(str, files)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    before = len(hasty.place.images())
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(words, env=environment, stdout=out, stderr=out)
    try:
        wait_for("some images", lambda: len(hasty.place.images()) > before + 20)
        process.send_signal(signal.SIGSTOP)
        wait_for("the count in status", lambda: hasty.associations("enhanced") == 1)
        hasty.serves()
        wait_for("its place to be free", lambda: hasty.associations("enhanced") == 0)
        assert process.poll() is None
        process.send_signal(signal.SIGCONT)
        assert process.wait(PATIENCE) != 0
    finally:
        process.kill()
        process.wait()
    sent = contents(files)
    hasty.acknowledged |= {uid: sent[uid] for uid in hasty.place.images() if uid in sent}
    assert before + 20 < len(hasty.acknowledged) < before + len(files), "it stopped in the midst of its series"
    hasty.is_well()


# ---- more than there is room for ----


@dataclass
class Crowd:
    """Senders that come again when they are refused, until they have sent all."""

    port: int
    room: threading.Condition = field(default_factory=threading.Condition)
    refusals: list[tuple[int, ...]] = field(default_factory=list)
    acknowledged: dict[str, bytes] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    def begin(self, shares: Sequence[dict[str, bytes]]) -> None:
        """All of them at once, a share each."""
        start = threading.Barrier(len(shares))
        for share in shares:
            self.threads.append(threading.Thread(target=self._come, args=(start, share)))
            self.threads[-1].start()

    def _come(self, start: threading.Barrier, share: dict[str, bytes]) -> None:
        start.wait(PATIENCE)
        while not self.send(share):
            with self.room:
                self.room.wait(0.2)

    def send(self, share: dict[str, bytes], host: str = "127.0.0.1") -> bool:
        """One association; False where it was refused. Silence fails: `Raw` waits only so long."""
        with Raw(self.port, host=host) as peer:
            peer.say(messages.associate())
            kind, body = peer.hear()
            if kind == pdu.ASSOCIATE_RJ:
                with self.room:
                    self.refusals.append(tuple(body[1:]))
                return False
            assert kind == pdu.ASSOCIATE_AC
            for uid, data in share.items():
                peer.say(messages.store(data, instance=uid))
                assert peer.answer().status == 0
                with self.room:
                    self.acknowledged[uid] = data
            peer.release()
        with self.room:
            self.room.notify(2)
        return True

    @property
    def busy(self) -> bool:
        """Not all have ended."""
        return any(thread.is_alive() for thread in self.threads)

    def end(self) -> dict[str, bytes]:
        """Wait for all; what was acknowledged."""
        for thread in self.threads:
            thread.join(PATIENCE)
        assert not self.busy
        return self.acknowledged


def shares(data: dict[str, bytes], each: int) -> list[dict[str, bytes]]:
    """Data sets in portions."""
    items = list(data.items())
    return [dict(items[at : at + each]) for at in range(0, len(items), each)]


def test_t05_a_hundred_senders_at_once(site: Site) -> None:
    """Who is over the limit is told so (2, 3, 2) and comes again; all is stored; another address gets in at once."""
    sent = contents(site.fresh(SENDERS * EACH))
    mine = contents(site.fresh(EACH))
    crowd = Crowd(site.dock.enhanced)
    crowd.begin(shares(sent, EACH))
    wait_for("refusals", lambda: crowd.refusals)
    assert crowd.send(mine, host=ANOTHER_HOST)
    assert crowd.busy, "the other sender got in while the crowd was there"
    assert crowd.end().keys() == {*sent, *mine}
    assert set(crowd.refusals) == {(2, 3, 2)}
    site.acknowledged |= crowd.acknowledged
    site.is_well()


def test_t05_storescu_is_told_that_there_is_no_room(site: Site, need_tool: NeedTool) -> None:
    """It hears it in words, at once, and gets in when there is room."""
    port, files = site.dock.enhanced, site.fresh(2)
    words = ["-aec", "MRDOCK", "127.0.0.1", str(port), *map(str, files)]
    begun = messages.p_data(messages.pdv(3, messages.command(), command=True, last=True))
    with held(port, 10, messages.associate() + begun) as busy:
        assert {peer.hear()[0] for peer in busy} == {pdu.ASSOCIATE_AC}
        refused = clients.run(need_tool("storescu"), *words)
        assert refused.returncode != 0
        assert "Local Limit Exceeded" in refused.stdout
    wait_for("room", lambda: clients.run(need_tool("storescu"), *words).returncode == 0)
    site.acknowledged |= contents(files)
    site.is_well()


# ---- one listener under attack ----


def test_t24_one_listener_is_besieged_while_the_other_receives(site: Site) -> None:
    """Half-open connections, half requests and a crowd on one: the other takes everything that comes."""
    port = site.dock.enhanced
    sent = contents(site.fresh(30 * EACH))
    files = site.fresh(200)
    crowd = Crowd(port)
    with held(port, 200, host=ANOTHER_HOST), held(port, 100, attacks.HALF_REQUEST, host=ANOTHER_HOST):
        crowd.begin(shares(sent, EACH))
        clients.ours(site.dock.classic, files)
        site.acknowledged |= contents(files) | crowd.end()
    assert crowd.acknowledged.keys() == sent.keys()
    site.is_well()


def test_t24_a_worker_that_is_killed_leaves_the_other_up(site: Site) -> None:
    """kill -9 of one listener's worker in the midst of images: the other's association goes on; it is started again."""
    killed, other = site.worker(site.dock.enhanced), site.worker(site.dock.classic)
    files = [image_file(path) for path in site.fresh(20)]
    with Requester("127.0.0.1", site.dock.classic, propose(files), called="MRDOCK") as peer:
        assert all(peer.store(item).succeeded for item in files[:10])
        with Raw(site.dock.enhanced) as lost:
            lost.associate()
            lost.begin(bytes(1000))
            os.kill(killed, signal.SIGKILL)
            site.kills += 1
            assert lost.hear() == (0, b"")
        assert all(peer.store(item).succeeded for item in files[10:])
    site.acknowledged |= contents([item.path for item in files])
    wait_for("the listener's return", lambda: clients.answers(site.dock.enhanced))
    assert site.worker(site.dock.enhanced) != killed
    assert site.worker(site.dock.classic) == other
    site.is_well()
