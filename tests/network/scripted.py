"""A storage SCP that does what a test's script says, on one connection."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mrdock.network.dimse import Command, decode_command
from mrdock.network.negotiation import Request, parse_request

from . import messages
from .messages import APPLICATION_CONTEXT, item, p_data, pdu, pdv
from .serving import PATIENCE


class Line:
    """The SCP's end of the connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.settimeout(PATIENCE)
        self._stream = sock.makefile("rb")

    def close(self) -> None:
        self._stream.close()
        self.sock.close()

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def hear(self) -> tuple[int, bytes]:
        """The next PDU; (0, b"") at the end of the connection."""
        try:
            head = self._stream.read(6)
            if len(head) < 6:
                return 0, b""
            kind, length = struct.unpack(">BxI", head)
            return kind, self._stream.read(length)
        except ConnectionError:
            return 0, b""

    def accept(self, longest: int = 16384, *, only: tuple[int, ...] | None = None, more: bytes = b"") -> Request:
        """Accept the association, each context in its first syntax (or ``only`` the contexts named).

        ``more`` is added to the user information.
        """
        kind, body = self.hear()
        assert kind == 1
        request = parse_request(memoryview(body))
        reply = body[:68] + item(0x10, APPLICATION_CONTEXT.encode())
        for proposal in request.proposals:
            result = 0 if only is None or proposal.context_id in only else 3
            syntax = item(0x40, proposal.transfer_syntaxes[0].encode())
            reply += item(0x21, bytes((proposal.context_id, 0, result, 0)) + syntax)
        self.say(pdu(2, reply + messages.user(longest, more)))
        return request

    def message(self) -> tuple[Command, bytes, list[int]]:
        """A whole message: command, data set, and the lengths of its PDUs."""
        command, data, lengths = b"", b"", []
        while True:
            kind, body = self.hear()
            assert kind == 4, (kind, body)
            lengths.append(len(body))
            length, _, control = struct.unpack_from(">IBB", body)
            assert length == len(body) - 4
            if control & 1:
                command += body[6:]
            else:
                data += body[6:]
            if control & 2 and (not control & 1 or not decode_command(command).has_data_set):
                return decode_command(command), data, lengths

    def answer(self, request: Command, status: int | None = 0, *, responded: int | None = None) -> None:
        """The response to a message."""
        head = messages.command(
            request.field | 0x8000,
            message=None,
            responded=request.message_id if responded is None else responded,
            status=status,
            data_set=messages.NO_DATA_SET,
        )
        self.say(p_data(pdv(1, head, command=True, last=True)))

    def release(self) -> None:
        """The end as it should be."""
        assert self.hear() == (5, bytes(4))
        self.say(pdu(6, bytes(4)))


@contextmanager
def scp(*scripts: Callable[[Line], None]) -> Iterator[int]:
    """The port of an SCP that follows a script on each connection; what goes wrong in a script fails the test.

    After the last one it closes its port.
    """
    wrong: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                for number, script in enumerate(scripts, 1):
                    connection, _ = server.accept()
                    if number == len(scripts):
                        server.close()
                    line = Line(connection)
                    try:
                        script(line)
                    except BaseException as error:  # noqa: BLE001  # handed to the test's own thread
                        wrong.append(error)
                    finally:
                        line.close()

        server.settimeout(PATIENCE)
        port = int(server.getsockname()[1])
        thread = threading.Thread(target=serve)
        thread.start()
        yield port
        thread.join(PATIENCE)
        assert not thread.is_alive()
    if wrong:
        raise wrong[0]
