"""Senders of a soak test that mean well: each sends studies as scanners and people do, and may come again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from pydicom import dcmread
from pynetdicom import AE, evt

from benchmarks._ledger import Image, Ledger, Study
from mrdock.errors import NetworkError
from mrdock.network.outgoing import image_file, propose
from tests.e2e import clients
from tests.e2e.clients import Half

SUCCESS: Final = b"Received Store Response (Success)"
HALF_SENT: Final = 60_000
_WAITS: Final = 60.0

Send = Callable[[int, Sequence[Path]], None]
ROOT: Final = Path(__file__).resolve().parents[1]


class AnswerLostError(Exception):
    """The answer reached the peer, which did not see it: what was sent is to be sent again."""


@dataclass
class World:
    """What all senders share."""

    ledger: Ledger
    ports: Sequence[int]
    """Enhanced, classic."""

    peers: dict[str, Send]
    storescu: str | None
    stop: threading.Event

    def send(self, random: Random, study: Study, images: Sequence[Image], *, ours: bool = False) -> None:
        """Send images whole by any peer; each has to be answered with Success."""
        if not images:
            return
        name = "our requester" if ours else random.choice(list(self.peers))
        self.ledger.count(sent=len(images))
        try:
            self.peers[name](random.choice(self.ports), [image.file.path for image in images])
        except AnswerLostError:
            self.ledger.count(lost=1)
            self.send(random, study, images, ours=True)
        except (AssertionError, NetworkError, subprocess.TimeoutExpired) as error:
            if not self.stop.wait(1):  # Ctrl-C reaches the peers, too
                self.ledger.problem(f"{name} failed: {type(error).__name__}: {str(error)[-300:]}")
        else:
            self.ledger.acknowledge(study, *images)

    def open(self, images: Sequence[Image], port: int | None = None) -> Sender:
        """An association of ours for these images."""
        files = [image.file for image in images]
        return Sender("127.0.0.1", port or self.ports[0], propose(files), calling="SOAK", called="MRDOCK", timeout=30)


class Sender(Half):
    """Our requester, with bad manners at hand."""

    def keep(self, world: World, study: Study, image: Image) -> None:
        """Send one image, which has to be acknowledged."""
        world.ledger.count(sent=1)
        answer = self.store(image.file)
        if answer.status:
            world.ledger.problem(f"an image was answered with 0x{answer.status:04X} {answer.comment}")
        else:
            world.ledger.acknowledge(study, image)

    def half(self, world: World, image: Image) -> None:
        """Begin an image and do not end it."""
        world.ledger.count(sent=1)
        data = image.file.path.read_bytes()[image.file.meta.data_set_at :]
        self.begin(data[: min(len(data) - 2, HALF_SENT)], image.file.meta.sop_class, image.file.meta.sop_instance)

    def vanish(self, random: Random) -> None:
        """Go without release: with an abort, by closing the connection, or with a reset."""
        how = random.randrange(3)
        if how == 0:
            self.abort()
            return
        if how == 1:
            self._sock.setsockopt(*LINGER_NOT)
        self._sock.close()

    def wait_for_the_end(self, seconds: float) -> None:
        """Say nothing until the dock ends the association, or some time is over."""
        until = time.monotonic() + seconds
        with suppress(NetworkError):
            while time.monotonic() < until:
                self._receive()


LINGER_NOT: Final = (1, 13, b"\1\0\0\0\0\0\0\0")  # SOL_SOCKET, SO_LINGER: on, 0 s


def whole(world: World, random: Random) -> None:
    """A study on one association."""
    study = world.ledger.make(random, large=random.random() < 0.1)
    world.send(random, study, study.images)
    world.ledger.close(study)


def late(world: World, random: Random) -> None:
    """A study whose last images come when it is complete and copied."""
    study = world.ledger.make(random)
    world.send(random, study, study.images[:-3])
    world.stop.wait(random.uniform(2.5, 4))
    world.send(random, study, study.images[-3:])
    world.ledger.close(study)


def enhanced(world: World, random: Random) -> None:
    """An Enhanced object: the classic listener does not take it, the other one does."""
    study = world.ledger.make(random, enhanced=True)
    with suppress(NetworkError), world.open(study.images, world.ports[1]) as sender:
        sender.store(study.images[0].file)
        world.ledger.problem("the classic listener took an Enhanced object")
    with world.open(study.images) as sender:
        sender.keep(world, study, study.images[0])
    world.ledger.close(study)


def again(world: World, random: Random) -> None:
    """A study that comes twice, with one image that differs, one resend that is aborted and one that is broken."""
    study = world.ledger.make(random)
    world.send(random, study, study.images)
    world.send(random, study, study.images)
    first = study.images[0]
    content = bytearray(first.file.path.read_bytes())
    content[-1] ^= 1
    other = study.folder / "other"
    other.write_bytes(content)
    world.send(random, study, [Image.read(other)], ours=True)
    with suppress(NetworkError):
        sender = world.open(study.images)
        sender.half(world, first)
        sender.vanish(random)
    world.ledger.close(study)


def burst(world: World, random: Random) -> None:
    """A new association for each image, as fast as they come."""
    study = world.ledger.make(random)
    for image in study.images:
        with world.open([image], random.choice(world.ports)) as sender:
            sender.keep(world, study, image)
    world.ledger.close(study)


def leaves(world: World, random: Random) -> None:
    """A sender goes without release, between images or in the middle of one, and comes back for the rest."""
    study = world.ledger.make(random, large=random.random() < 0.3)
    some = random.randrange(len(study.images))
    sender = world.open(study.images, random.choice(world.ports))
    for image in study.images[:some]:
        sender.keep(world, study, image)
    if random.random() < 0.7:
        sender.half(world, study.images[some])
    sender.vanish(random)
    world.send(random, study, study.images[some:])
    world.ledger.close(study)


def stalls(world: World, random: Random) -> None:
    """A sender falls silent in mid data set, perhaps until the dock ends the association."""
    study = world.ledger.make(random, large=random.random() < 0.5)
    sender = world.open(study.images, random.choice(world.ports))
    sender.keep(world, study, study.images[0])
    sender.half(world, study.images[1])
    if random.random() < 0.4:
        sender.wait_for_the_end(20)
    else:
        world.stop.wait(random.uniform(0.5, 4))
    sender.vanish(random)
    world.send(random, study, study.images)
    world.ledger.close(study)


def dies(world: World, random: Random) -> None:
    """A sending program is stopped in mid data set; some go on later, the others are killed (kill -9)."""
    study = world.ledger.make(random, large=random.random() < 0.7)
    files = [str(image.file.path) for image in study.images]
    port = str(random.choice(world.ports))
    if world.storescu is not None and random.random() < 0.6:
        words = [world.storescu, "-v", "-aec", "MRDOCK", "127.0.0.1", port, *files]
    else:
        words = [sys.executable, "-m", "benchmarks._senders", port, *files]
    log = study.folder.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        until = time.monotonic() + _WAITS
        while process.poll() is None and SUCCESS not in log.read_bytes() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.05))
        process.send_signal(signal.SIGSTOP)
        world.stop.wait(random.uniform(0.5, 3))
        if random.random() < 0.4:
            process.send_signal(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
    finally:
        process.kill()
        process.wait()
    answered = log.read_bytes().count(SUCCESS)  # they send in the order of the files
    log.unlink()
    world.ledger.count(sent=answered)
    world.ledger.acknowledge(study, *study.images[:answered])
    world.send(random, study, study.images[answered:])
    world.ledger.close(study)


def pynetdicom(port: int, files: Sequence[Path]) -> None:
    """pynetdicom's requestor. Under load its reactor thread now and then takes a response that its caller waits for."""
    answers = 0

    def came(_: evt.Event) -> None:
        nonlocal answers
        answers += 1

    entity = AE(ae_title="PYNETDICOM")
    for pair in dict.fromkeys((file.meta.sop_class, file.meta.transfer_syntax) for file in map(image_file, files)):
        entity.add_requested_context(*pair)
    association = entity.associate("127.0.0.1", port, ae_title="MRDOCK", evt_handlers=[(evt.EVT_DIMSE_RECV, came)])
    assert association.is_established, "no association"
    try:
        for number, path in enumerate(files, 1):
            status = association.send_c_store(dcmread(path))
            if "Status" not in status and answers == number:
                raise AnswerLostError
            assert "Status" in status, f"no answer to image {number}"
            assert status.Status == 0, f"0x{status.Status:04X}"
    finally:
        association.release()


def dcmtk(program: str) -> Send:
    """DCMTK's storescu or dcmsend at full speed: it must be content."""
    return getattr(clients, Path(program).name)(lambda _: program)  # type: ignore[no-any-return]


def main() -> None:
    """The program that `dies` starts where it is not storescu: sends files, begins the first again, and waits."""
    port, *paths = sys.argv[1:]
    files = [image_file(Path(path)) for path in paths]
    with Sender("127.0.0.1", int(port), propose(files), called="MRDOCK") as sender:
        for file in files[:-1]:
            if sender.store(file).status == 0:
                print(SUCCESS.decode(), flush=True)
        data = files[-1].path.read_bytes()[files[-1].meta.data_set_at :][:HALF_SENT]
        sender.begin(data[:-2], files[-1].meta.sop_class, files[-1].meta.sop_instance)
        time.sleep(_WAITS)


if __name__ == "__main__":
    main()
