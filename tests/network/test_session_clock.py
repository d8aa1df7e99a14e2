"""The time limits of an association, on a clock that the test moves: what each is counted from."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import SimpleNamespace

import pytest

from mrdock.network import pdu, session
from mrdock.network.accepting import Acceptable
from mrdock.network.handler import Caller, Limits
from mrdock.network.negotiation import parse_request
from mrdock.network.session import TURNS, Session, Slot

from . import messages
from .messages import p_data, pdv
from .serving import ACCEPTABLE, PATIENCE, Memory

LIMITS = Limits(idle=600, whole_pdu=60)
COMMAND = p_data(pdv(3, messages.command(), command=True, last=True))


class Host:
    """What a session needs of a server."""

    def __init__(self) -> None:
        self.limits = LIMITS
        self.acceptable: Acceptable = ACCEPTABLE
        self.handler = Memory()
        self.turns = threading.Semaphore(TURNS)
        self.stopping = False
        self.out_of_time = False


class Running:
    """One session over a loopback connection, and the clock it reads."""

    def __init__(self, clock: SimpleNamespace, asked: bytes) -> None:
        self.clock = clock
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.peer = socket.create_connection(listener.getsockname(), PATIENCE)
            self.sock, _ = listener.accept()
        self.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.host = Host()
        self.slot = Slot(self.sock, "127.0.0.1", 0.0)
        request = parse_request(memoryview(asked)[6:])
        caller = Caller("1", "test", "SCANNER", "MRDOCK", "127.0.0.1")
        self.session = Session(self.slot, caller, request, self.host)
        self.how, self.last = "", b""
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        self.waits()

    def _run(self) -> None:
        self.how, self.last = self.session.run(b"")
        self.session.discard()

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for what the session is about to do, or for its end."""
        pause = threading.Event()
        for _ in range(int(PATIENCE / 0.005)):
            if true() or not self.thread.is_alive():
                return
            pause.wait(0.005)
        raise AssertionError("it did not come to pass")

    def waits(self) -> None:
        """Wait until the PDUs that were said now are taken, and more is waited for."""
        self.until(lambda: self.slot.quiet_since == self.clock.now)

    def busy(self) -> None:
        """Wait until something is taken that is not whole."""
        self.until(lambda: self.slot.busy)

    def say(self, data: bytes) -> None:
        self.peer.sendall(data)

    def hear(self) -> int:
        """The type of the next PDU, which comes in one segment; 0 where the session ended."""
        self.until(lambda: bool(select.select([self.peer], [], [], 0)[0]))
        return self.peer.recv(65536)[0] if self.thread.is_alive() else 0

    def ended(self) -> str:
        """How it ended."""
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.how


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Running]:
    """An association; a test may say what it asks for."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: clock.now))
    found = Running(clock, getattr(request, "param", messages.associate()))
    assert found.hear() == pdu.ASSOCIATE_AC
    yield found
    found.peer.close()
    found.thread.join(PATIENCE)
    found.sock.close()


ECHO = p_data(pdv(5, messages.echo(), command=True, last=True))


def test_a_pause_shorter_than_the_idle_limit_does_no_harm(running: Running) -> None:
    for _ in range(3):
        running.clock.now += 599
        running.say(ECHO)
        assert running.hear() == pdu.P_DATA
        running.waits()
    running.say(messages.RELEASE)
    assert running.ended() == "released"


def test_a_pause_longer_than_the_idle_limit_is_the_end(running: Running) -> None:
    running.clock.now += 601
    assert running.ended() == "aborted: nothing came for 600 s while waiting for a message"
    assert running.last == pdu.abort(pdu.NOT_SPECIFIED)


def test_the_whole_pdu_limit_counts_from_the_first_byte_of_the_pdu(running: Running) -> None:
    """A pause before it is idle time, however the PDU is cut into segments after that."""
    running.clock.now += 100
    running.say(ECHO[:10])
    running.busy()
    running.say(ECHO[10:])
    assert running.hear() == pdu.P_DATA


def test_a_pdu_that_drips_is_cut_off_by_the_whole_pdu_limit(running: Running) -> None:
    """Each byte comes in time, the PDU does not (T03)."""
    running.say(COMMAND)
    for byte in p_data(pdv(3, b"data", command=False, last=False))[:10]:
        with suppress(ConnectionError):
            running.say(bytes((byte,)))
        running.busy()
        running.clock.now += 10
    assert running.ended() == "aborted: a PDU took longer than 60 s"
    assert running.host.handler.images == []
    assert len(running.host.handler.discarded) == 1


def test_a_pause_in_the_middle_of_a_data_set_is_borne(running: Running) -> None:
    """A scanner that waits 50 s in mid-series (T21)."""
    running.say(COMMAND)
    for _ in range(5):
        running.say(p_data(pdv(3, b"data", command=False, last=False)))
        running.waits()
        running.clock.now += 50
    running.say(p_data(pdv(3, b"end.", command=False, last=True)))
    assert running.hear() == pdu.P_DATA
    assert running.host.handler.images[0].data == b"data" * 5 + b"end."


def test_a_silent_association_is_not_busy_and_one_in_a_data_set_is(running: Running) -> None:
    running.say(COMMAND)
    running.say(p_data(pdv(3, b"data", command=False, last=False)))
    running.host.handler.until(lambda: running.host.handler.begun == 1)
    assert running.slot.busy
    running.say(p_data(pdv(3, b"", command=False, last=True)))
    assert running.hear() == pdu.P_DATA
    running.until(lambda: not running.slot.busy)
    assert running.thread.is_alive()


@pytest.mark.parametrize(
    "running", [messages.associate(information=messages.user(16384, messages.item(0x53, b"\0\0\0\1")))], indirect=True
)
def test_the_time_that_a_batch_takes_on_disk_is_not_the_peer_s(running: Running) -> None:
    """The beginning of the next PDU is there already; meanwhile the association is busy, and gives way to nobody."""
    busy: list[bool] = []

    def slow(step: str) -> None:
        if step == "finish":
            busy.append(running.slot.busy)
            running.clock.now += LIMITS.idle + 1

    running.host.handler.trouble = slow
    running.say(messages.store(b"data") + ECHO[:10])
    assert running.hear() == pdu.P_DATA
    running.say(ECHO[10:])
    assert running.hear() == pdu.P_DATA
    assert busy == [True]
