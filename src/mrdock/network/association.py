"""The acceptor's side of an open association, without I/O: PDUs in, events and replies out.

What may come when stands in one table, `ALLOWED`; everything else is a `ProtocolFault`, which ends the association.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from mrdock.network import dimse, pdu
from mrdock.network.dimse import Command, Status
from mrdock.network.pdu import ProtocolFault


class State(enum.Enum):
    """What the acceptor waits for."""

    MESSAGE = "a message"
    COMMAND = "the rest of a command set"
    DATA_SET = "a data set to store"
    UNWANTED = "a data set to be passed over"
    ENDED = "nothing more"


_FRAGMENTS: Final = 10_000
_FRAGMENTS_BYTES: Final = 64
"""A data set in more fragments than that, of fewer bytes on average, only serves to keep us busy."""

ALLOWED: Final[Mapping[State, frozenset[int]]] = {
    State.MESSAGE: frozenset({pdu.P_DATA, pdu.RELEASE_RQ, pdu.ABORT}),
    State.COMMAND: frozenset({pdu.P_DATA, pdu.ABORT}),
    State.DATA_SET: frozenset({pdu.P_DATA, pdu.ABORT}),
    State.UNWANTED: frozenset({pdu.P_DATA, pdu.ABORT}),
    State.ENDED: frozenset(),
}
"""Which PDU types may come in which state (PS3.8 section 9.2, states 6 to 13 as an acceptor sees them)."""


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class StoreBegins:
    """A C-STORE request came; its data set follows."""

    context: Context
    command: Command


@dataclass(frozen=True, slots=True)
class StoreData:
    """A fragment of the data set, valid until more bytes are received."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class StoreEnds:
    """The data set is there: answer ``command`` with `Association.store_reply`."""

    context_id: int
    command: Command


@dataclass(frozen=True, slots=True)
class Reply:
    """Bytes to send to the peer."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The peer released (send ``reply``) or aborted (nothing to send)."""

    released: bool
    reply: bytes = b""


Event = StoreBegins | StoreData | StoreEnds | Reply | Ended


class Association:
    """One accepted association, from the first P-DATA on."""

    def __init__(self, contexts: Mapping[int, Context], verification: str, peer_longest: int) -> None:
        """``contexts`` by their ids; ``peer_longest`` is the longest PDU body the peer takes (0: any)."""
        self._contexts = contexts
        self._verification = verification
        self._peer_longest = peer_longest
        self._command = bytearray()
        self._context_id = 0
        self._request: Command | None = None
        self._fragments = 0
        self._bytes = 0
        self.state = State.MESSAGE

    def receive(self, kind: int, body: memoryview) -> Iterator[Event]:
        """What one PDU brings. Raises `ProtocolFault`; the association is over then."""
        if kind not in ALLOWED[self.state]:
            raise ProtocolFault(f"PDU type {kind} while waiting for {self.state.value}", pdu.UNEXPECTED_PDU)
        if kind == pdu.RELEASE_RQ:
            self.state = State.ENDED
            yield Ended(True, pdu.RELEASE_REPLY)
        elif kind == pdu.ABORT:
            self.state = State.ENDED
            yield Ended(False)
        else:
            for value in pdu.pdvs(body):
                yield from self._value(value)

    def _value(self, value: pdu.Pdv) -> Iterator[Event]:
        if value.is_command:
            yield from self._command_fragment(value)
            return
        if self.state is State.DATA_SET:
            self._check_context(value)
            self._fragments += 1
            self._bytes += len(value.data)
            if self._fragments > _FRAGMENTS and self._bytes < _FRAGMENTS_BYTES * self._fragments:
                raise ProtocolFault("a data set in absurdly small fragments")
            yield StoreData(value.data)
            if value.is_last:
                assert self._request is not None
                self.state = State.MESSAGE
                yield StoreEnds(self._context_id, self._request)
        elif self.state is State.UNWANTED:
            self._check_context(value)
            if value.is_last:
                self.state = State.MESSAGE
                yield self._reply(Status.UNRECOGNISED_OPERATION)
        else:
            raise ProtocolFault("a data set fragment that no command announced", pdu.UNEXPECTED_PDU)

    def _check_context(self, value: pdu.Pdv) -> None:
        if value.context_id != self._context_id:
            raise ProtocolFault("a message that changes its presentation context")

    def _command_fragment(self, value: pdu.Pdv) -> Iterator[Event]:
        if self.state is State.MESSAGE:
            if value.context_id not in self._contexts:
                raise ProtocolFault(f"presentation context {value.context_id} was not accepted")
            self._context_id = value.context_id
            self.state = State.COMMAND
            self._command.clear()
        elif self.state is not State.COMMAND:
            raise ProtocolFault("a command while a data set was due", pdu.UNEXPECTED_PDU)
        self._check_context(value)
        if len(self._command) + len(value.data) > dimse.LONGEST_COMMAND:
            raise ProtocolFault("a command set without end")
        self._command += value.data
        if value.is_last:
            yield from self._whole_command(dimse.decode_command(self._command))

    def _whole_command(self, command: Command) -> Iterator[Event]:
        context = self._contexts[self._context_id]
        if command.field & dimse.RESPONSE:
            raise ProtocolFault("a response that nothing asked for")
        if command.field == dimse.CANCEL_RQ:
            self.state = State.MESSAGE
            return
        if command.message_id is None:
            raise ProtocolFault("a command without a message id")
        self._request = command
        if command.field == dimse.STORE_RQ and context.abstract_syntax != self._verification:
            if not command.has_data_set:
                self.state = State.MESSAGE
                yield self._reply(Status.MISTYPED_ARGUMENT)
            else:
                self.state = State.DATA_SET
                self._fragments = self._bytes = 0
                yield StoreBegins(context, command)
        elif command.field == dimse.ECHO_RQ and not command.has_data_set:
            self.state = State.MESSAGE
            yield self._reply(Status.SUCCESS)
        elif command.has_data_set:
            self.state = State.UNWANTED
        else:
            self.state = State.MESSAGE
            yield self._reply(Status.UNRECOGNISED_OPERATION)

    def _reply(self, status: int) -> Reply:
        assert self._request is not None
        return Reply(self._response(self._context_id, self._request, status))

    def store_reply(self, ended: StoreEnds, status: int, comment: str = "") -> bytes:
        """The C-STORE response to a data set that has ended."""
        return self._response(ended.context_id, ended.command, status, comment)

    def _response(self, context_id: int, command: Command, status: int, comment: str = "") -> bytes:
        return pdu.command_pdus(context_id, dimse.encode_response(command, status, comment), self._peer_longest)
