"""Hostile peers on raw sockets: half-open, slow, silent, lying and mangled ones, as functions and as a program.

    python -m tests.faults.attacks PORT [--pause SECONDS]

The program attacks a listener on loopback until it is ended. It mostly waits, as hostile and broken peers do: some
hundred connections are held, and after each malformed session comes a pause.
"""

from __future__ import annotations

import argparse
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from tests.network import messages
from tests.network.serving import Raw

ANOTHER_HOST = "127.0.0.2"
"""A second address of this machine: the limits hold for each address."""

HALF_REQUEST = messages.associate()[:40]
ENDLESS_REQUEST = struct.pack(">BxI", 1, 0xFFFFFFF0) + messages.associate()[6:]
"""An association request of declared 4 GiB."""

Attack = Callable[[int, str, random.Random], None]


# ---- connections ----


def knock(port: int, count: int, *, host: str = "127.0.0.1", reset: bool = False) -> None:
    """Connect and close without a word, or with a TCP reset, as port scanners and load balancers do."""
    for _ in range(count):
        peer = Raw(port, host=host)
        peer.reset() if reset else peer.sock.close()


@contextmanager
def held(port: int, count: int, said: bytes = b"", *, host: str = "127.0.0.1") -> Iterator[list[Raw]]:
    """Connections that have said so much and say nothing more."""
    with ExitStack() as stack:
        peers = [stack.enter_context(Raw(port, host=host)) for _ in range(count)]
        for peer in peers:
            peer.say(said)
        yield peers


@contextmanager
def dripping(peers: Sequence[Raw], endless: bytes, *, size: int = 1, gap: float = 0.05) -> Iterator[None]:
    """On each connection a few bytes of ``endless`` at a time, over and over, until it is closed or the block ends."""
    over = threading.Event()

    def drip() -> None:
        alive, at = list(peers), 0
        while alive and not over.wait(gap):
            for peer in list(alive):
                try:
                    peer.say(endless[at : at + size])
                except OSError:
                    alive.remove(peer)
            at = (at + size) % len(endless)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def still_open(peers: Sequence[Raw]) -> int:
    """How many of these connections the other end has neither closed nor said anything on."""
    poll = select.poll()
    for peer in peers:
        poll.register(peer.sock, select.POLLIN)
    return len(peers) - len(poll.poll(0))


# ---- PDUs and messages ----


def too_long(length: int = 4 << 20) -> bytes:
    """One P-DATA PDU with a data set fragment that is longer than any dock agrees to."""
    return messages.p_data(messages.pdv(3, bytes(length), command=False, last=False))


LYING_VALUES: dict[str, bytes] = {
    "no length": messages.pdv(3, bytes(64), command=True, last=True, length=0),
    "no room for its header": messages.pdv(3, bytes(64), command=True, last=True, length=1),
    "longer than the PDU": messages.pdv(3, bytes(64), command=True, last=True, length=4000),
    "4 GiB": messages.pdv(3, bytes(64), command=True, last=True, length=0xFFFFFFFF),
    "shorter than it is": messages.pdv(3, bytes(64), command=True, last=True, length=34),
    "cut in its header": messages.pdv(3, b"", command=True, last=True)[:5],
}
"""Presentation data values whose lengths lie, by how."""


def a_session(data_set: bytes, instance: str) -> bytes:
    """What a good client says from the first byte to the last: association, one store, release."""
    return messages.associate() + messages.store(data_set, instance=instance) + messages.RELEASE


def mangled(session: bytes, chance: random.Random) -> bytes:
    """A session with some bytes changed, a piece missing or twice, or its end missing."""
    data = bytearray(session)
    envelope = min(len(data), 700)  # the association and the command: half of the changes go there
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(envelope if chance.random() < 0.5 else len(data))
        data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
    kind = chance.random()
    at = chance.randrange(len(data))
    piece = data[at : at + chance.randint(1, 64)]
    if kind < 0.15:
        del data[at:]
    elif kind < 0.25:
        del data[at : at + len(piece)]
    elif kind < 0.35:
        data[at:at] = piece
    return bytes(data)


def whole_session(port: int, session: bytes, *, host: str = "127.0.0.1") -> list[tuple[int, bytes]]:
    """Say a session at once, half-close, and hear every PDU until the server closes."""
    with Raw(port, host=host) as peer:
        with suppress(OSError):  # it may have had enough before the end
            peer.say(session)
            peer.sock.shutdown(socket.SHUT_WR)
        return peer.hear_all()


# ---- the program ----


def _forged(*says: bytes, associated: bool = True) -> Attack:
    def attack(port: int, host: str, chance: random.Random) -> None:
        whole_session(port, (messages.associate() if associated else b"") + b"".join(says), host=host)

    return attack


def _fuzzed(port: int, host: str, chance: random.Random) -> None:
    uid = f"1.2.3.{chance.getrandbits(60)}"
    whole_session(port, mangled(a_session(chance.randbytes(3000), uid), chance), host=host)


def _aborted(port: int, host: str, chance: random.Random) -> None:
    """A reset in the midst of an image."""
    with Raw(port, host=host) as peer:
        peer.associate()
        peer.begin(chance.randbytes(1000))
        peer.reset()


REPERTOIRE: tuple[Attack, ...] = (
    lambda port, host, _: knock(port, 50, host=host),
    lambda port, host, _: knock(port, 50, host=host, reset=True),
    _forged(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", associated=False),
    _forged(ENDLESS_REQUEST, bytes(1 << 20), associated=False),
    _forged(messages.pdu(0x99, bytes(16)), associated=False),
    _forged(messages.associate()[:90], associated=False),
    _forged(messages.associate()),
    _forged(too_long()),
    *(_forged(messages.p_data(value)) for value in LYING_VALUES.values()),
    _forged(messages.store(b"", instance="1.2.3.4")),
    _forged(messages.store(bytes(500), context_id=99)),
    _forged(messages.p_data(messages.pdv(3, messages.find(), command=True, last=True)), messages.RELEASE),
    *([_aborted, _fuzzed] * 5),
)


def besiege(port: int, *, host: str, pause: float) -> None:
    """Attack for ever: hold connections of every kind, and go through the repertoire again and again."""
    chance = random.Random("siege")
    whole = messages.p_data(messages.pdv(3, messages.command(), command=True, last=True))
    while True:
        with ExitStack() as stack:
            stack.enter_context(held(port, 200, host=host))
            stack.enter_context(held(port, 100, HALF_REQUEST, host=host))
            stack.enter_context(held(port, 5, messages.associate(), host=host))
            requests = stack.enter_context(held(port, 10, host=host))
            stack.enter_context(dripping(requests, messages.pdu(1, messages.associate()[6:], 1 << 17), gap=0.2))
            stored = stack.enter_context(held(port, 1, messages.associate() + whole, host=host))
            tiny = messages.p_data(messages.pdv(3, b"ab", command=False, last=False))
            stack.enter_context(dripping(stored, tiny, size=len(tiny), gap=0.1))
            print("attacking", flush=True)
            for attack in chance.sample(REPERTOIRE, len(REPERTOIRE)):
                with suppress(OSError, AssertionError):  # refused, reset, or too many: another comes soon
                    attack(port, host, chance)
                time.sleep(pause)


def main() -> None:
    """Attack until ended."""
    parser = argparse.ArgumentParser(description="attack a DICOM listener on loopback until ended")
    parser.add_argument("port", type=int)
    parser.add_argument("--pause", type=float, default=0.25, help="seconds after each malformed session")
    options = parser.parse_args()
    besiege(options.port, host=ANOTHER_HOST, pause=options.pause)


if __name__ == "__main__":
    main()
