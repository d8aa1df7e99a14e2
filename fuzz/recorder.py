"""A proxy that keeps what passes through it, byte for byte."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Conversation:
    """What the two ends of one connection said."""

    asked: bytes
    answered: bytes


@contextmanager
def recording(port: int, into: list[Conversation]) -> Iterator[int]:
    """A port before ``port``; what passes there is in ``into`` at the end of the block."""

    class Pass(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked, answered = bytearray(), bytearray()
            with socket.create_connection(("127.0.0.1", port)) as server:
                back = threading.Thread(target=_pump, args=(server, self.request, answered))
                back.start()
                _pump(self.request, server, asked)
                back.join()
            into.append(Conversation(bytes(asked), bytes(answered)))

    class Proxy(socketserver.ThreadingTCPServer):
        block_on_close = True  # so that all is in ``into`` afterwards

    with Proxy(("127.0.0.1", 0), Pass) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield int(proxy.server_address[1])
        finally:
            proxy.shutdown()
            thread.join()


def _pump(source: socket.socket, sink: socket.socket, kept: bytearray) -> None:
    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):
        while received := source.recv(1 << 16):
            kept += received
            sink.sendall(received)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
