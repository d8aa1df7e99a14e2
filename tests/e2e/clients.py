"""Senders of other makes, and our own, as one function each."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE, evt

from mrdock.errors import NetworkError
from mrdock.network import dimse, pdu
from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.conftest import NeedTool

Send = Callable[[int, Sequence[Path]], None]
PATIENCE = 120


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a DCMTK program; it does not wait for delayed acknowledgements."""
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(
        [program, *words],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def storescu(need_tool: NeedTool, *options: str) -> Send:
    """DCMTK's storescu, which must be content."""

    def send(port: int, files: Sequence[Path]) -> None:
        words = [*options, "-aet", "STORESCU", "-aec", "MRDOCK", "127.0.0.1", str(port), *map(str, files)]
        done = run(need_tool("storescu"), *words)
        assert done.returncode == 0, done.stdout

    return send


def dcmsend(need_tool: NeedTool, *options: str) -> Send:
    """DCMTK's dcmsend, which must be content."""

    def send(port: int, files: Sequence[Path]) -> None:
        words = [*options, "-aet", "DCMSEND", "-aec", "MRDOCK", "127.0.0.1", str(port), *map(str, files)]
        done = run(need_tool("dcmsend"), *words)
        assert done.returncode == 0, done.stdout

    return send


def _send_at_once(event: evt.Event) -> None:
    """Switch off Nagle's algorithm, for 40 ms an instance."""
    transport = event.assoc.dul.socket
    assert transport is not None
    assert transport.socket is not None
    transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def pynetdicom(port: int, files: Sequence[Path]) -> None:
    """pynetdicom; every store must be answered with Success."""
    entity = AE(ae_title="PYNETDICOM")
    for pair in dict.fromkeys((image.meta.sop_class, image.meta.transfer_syntax) for image in map(image_file, files)):
        entity.add_requested_context(*pair)
    association = entity.associate(
        "127.0.0.1",
        port,
        ae_title="MRDOCK",
        evt_handlers=[(evt.EVT_CONN_OPEN, _send_at_once)],
    )
    assert association.is_established
    try:
        for path in files:
            status = association.send_c_store(dcmread(path))
            assert status.Status == 0x0000, (path, status)
    finally:
        association.release()


def ours(port: int, files: Sequence[Path]) -> None:
    """Our own requester; every store must be answered with Success."""
    images = [image_file(path) for path in files]
    with Requester("127.0.0.1", port, propose(images), calling="SCANNER", called="MRDOCK") as peer:
        for image in images:
            answer = peer.store(image)
            assert answer.status == 0, (image.path, answer)


def acknowledged_until_it_breaks(
    port: int, files: Iterable[Path], after_each: Callable[[int], None] = lambda _: None
) -> list[str]:
    """Send until the association breaks; the SOP Instance UIDs of what was answered with Success, in order."""
    images = [image_file(path) for path in files]
    done: list[str] = []
    with suppress(NetworkError), Requester("127.0.0.1", port, propose(images), called="MRDOCK", timeout=20) as peer:
        for image in images:
            if peer.store(image).status == 0:
                done.append(image.meta.sop_instance)
                after_each(len(done))
    return done


class Half(Requester):
    """A client that begins an image and does not end it."""

    def begin(self, data: bytes, sop_class: str, sop_instance: str) -> None:
        """Send the command and the first bytes of a data set."""
        (context,) = (number for (name, _), number in self._contexts.items() if name == sop_class)
        command = dimse.encode_store_request(1, sop_class, sop_instance)
        self._send(pdu.command_pdus(context, command, self.longest))
        self._send(pdu.data_header(context, len(data), command=False, last=False) + data)


def answers(port: int) -> bool:
    """Whether a listener answers C-ECHO."""
    try:
        with Requester("127.0.0.1", port, propose([]), called="MRDOCK", timeout=5) as peer:
            peer.echo()
    except NetworkError:
        return False
    return True
