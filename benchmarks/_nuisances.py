"""Peers of a soak test that send nothing of use: broken data sets, half-open connections, port scanners, crowds."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from random import Random
from typing import Final

from benchmarks._ledger import Image
from benchmarks._senders import LINGER_NOT, Sender, World, again, burst, dies, enhanced, late, leaves, stalls, whole
from mrdock.errors import NetworkError
from mrdock.network import dimse, pdu
from mrdock.network.negotiation import encode_request
from mrdock.network.outgoing import propose

ELSEWHERE: Final = "127.0.0.2"
"""Crowds come from another address, so that the limit for each peer keeps out nobody else."""

JUNK: Final = (
    b"",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    bytes(1024),
    b"\x01\x00\xff\xff\xff\xff",
    b"\x04\x00\x00\x00\x00\x04\x00\x00\x00\x00",
    b"SSH-2.0-scan\r\n",
)


def broken(world: World, random: Random) -> None:
    """Data sets that are cut, garbage, empty or another image's are refused; the association goes on."""
    study = world.ledger.make(random)
    first = study.images[0]
    data = first.file.path.read_bytes()[first.file.meta.data_set_at :]
    other = study.images[1].file
    bad = [data[: len(data) // 4 * 2], random.randbytes(2000), b"", other.path.read_bytes()[other.meta.data_set_at :]]
    with world.open(study.images, random.choice(world.ports)) as sender:
        sender.keep(world, study, study.images[1])
        for content in random.sample(bad, 2):
            world.ledger.count(sent=1, refused=1)
            if not _store(sender, first, content):
                world.ledger.problem(f"a broken data set of {len(content)} bytes was taken")
        for image in study.images:
            sender.keep(world, study, image)
    world.ledger.close(study)


def _store(sender: Sender, image: Image, data: bytes) -> int:
    """Send other bytes as this image; the status of the answer."""
    meta, number = image.file.meta, sender._next_message()
    (context,) = (value for (name, _), value in sender._contexts.items() if name == meta.sop_class)
    command = dimse.encode_store_request(number, meta.sop_class, meta.sop_instance)
    head = pdu.command_pdus(context, command, sender.longest)
    sender._send(head + pdu.data_header(context, len(data), command=False, last=True) + data)
    return sender._response(number).status or 0


def _connect(port: int, host: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 10, source_address=(host, 0))


def half_open(world: World, random: Random) -> None:
    """Connections that say nothing, or the beginning of a request, and wait, perhaps until they are closed."""
    request = encode_request("SOAK", "MRDOCK", propose([]), 16384)
    with ExitStack() as stack:
        for _ in range(random.randint(1, 12)):
            sock = stack.enter_context(_connect(random.choice(world.ports)))
            sock.sendall(request[: random.choice([0, 1, 5, 6, 40, len(request) - 1])])
            if random.random() < 0.3:
                sock.setsockopt(*LINGER_NOT)
        world.stop.wait(random.choice([0, 0.5, 1, 6]))


def port_scan(world: World, random: Random) -> None:
    """Many connections in a row, closed at once or after some words that are no DICOM."""
    for _ in range(random.randint(10, 60)):
        with suppress(OSError), _connect(random.choice(world.ports), ELSEWHERE) as sock:
            sock.sendall(random.choice(JUNK))
            if random.random() < 0.2:
                sock.settimeout(2)
                sock.recv(100)


def strangers(world: World, random: Random) -> None:
    """Callers of another AE title are turned away."""
    for _ in range(random.randint(1, 10)):
        with suppress(NetworkError):
            Sender("127.0.0.1", random.choice(world.ports), propose([]), called="ELSEWHERE", timeout=10).abort()
            world.ledger.problem("a caller of another title was let in")


def crowd(world: World, random: Random) -> None:
    """More associations at once than one peer may have, some of them silent until they are ended."""
    request, port = encode_request("CROWD", "MRDOCK", propose([]), 16384), random.choice(world.ports)
    with ExitStack() as stack:
        socks = [stack.enter_context(_connect(port, ELSEWHERE)) for _ in range(40)]
        for sock in socks:
            with suppress(OSError):
                sock.sendall(request)
        world.stop.wait(random.choice([0.2, 0.5, 1, 7]))
        for sock in socks[::2]:
            with suppress(OSError):
                sock.sendall(pdu.RELEASE_REQUEST)


def echoes(world: World, random: Random) -> None:
    """Short associations that verify and leave, with release or without."""
    for _ in range(random.randint(5, 40)):
        sender = Sender("127.0.0.1", random.choice(world.ports), propose([]), called="MRDOCK", timeout=30)
        sender.echo()
        if random.random() < 0.5:
            sender.release()
        else:
            sender.vanish(random)


Episode = Callable[[World, Random], None]
EPISODES: Final[Mapping[Episode, int]] = {
    whole: 8,
    late: 2,
    enhanced: 1,
    again: 2,
    burst: 2,
    leaves: 2,
    stalls: 2,
    dies: 2,
    broken: 2,
    half_open: 2,
    port_scan: 1,
    strangers: 1,
    crowd: 1,
    echoes: 1,
}
"""What happens, and how often of the whole."""


def play(world: World, seed: int) -> None:
    """One episode after the other until it is to stop; each kind comes early once."""
    random = Random(seed)
    first = list(EPISODES)
    random.shuffle(first)
    while not world.stop.is_set():
        episode = first.pop() if first else random.choices(list(EPISODES), list(EPISODES.values()))[0]
        began = time.time()
        try:
            episode(world, random)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not what was to happen
            if not world.stop.is_set():
                said = f"after {time.time() - began:.1f} s: {type(error).__name__}: {error}"
                world.ledger.problem(f"{time.strftime('%H:%M:%S')} {episode.__name__}, {said}")
        world.stop.wait(random.uniform(0.1, 0.8))
