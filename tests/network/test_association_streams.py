"""However a peer cuts its messages into values, PDUs and segments, the association hears the same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.network.association import Association, Ended, Reply, StoreBegins, StoreData, StoreEnds
from mrdock.network.pdu import PduBuffer, ProtocolFault

from . import messages
from .messages import VERIFICATION
from .test_association import CONTEXTS

LONGEST = 4096


@dataclass(frozen=True)
class Message:
    """One message of a peer; ``data`` is None where it has no data set."""

    context_id: int
    command: bytes
    data: bytes | None = None


def heard(chunks: list[bytes], longest: int = LONGEST) -> list[object]:
    """What the association makes of a stream received in these pieces; data of one store is joined."""
    found, fault = heard_until(chunks, longest)
    if fault is not None:
        raise fault
    return found


def heard_until(chunks: list[bytes], longest: int = LONGEST) -> tuple[list[object], ProtocolFault | None]:
    """The same, and the fault that ended it."""
    association, buffer = Association(CONTEXTS, VERIFICATION, 0), PduBuffer(longest)
    found: list[object] = []
    data = b""
    try:
        for chunk in chunks:
            rest = memoryview(chunk)
            while len(rest):
                space = buffer.space()
                count = min(len(space), len(rest))
                space[:count] = rest[:count]
                buffer.received(count)
                rest = rest[count:]
                while (received := buffer.next()) is not None:
                    for event in association.receive(*received):
                        if isinstance(event, StoreData):
                            data += event.data
                        elif isinstance(event, StoreEnds):
                            found += [data, association.store_reply(event, 0)]
                            data = b""
                        else:
                            assert isinstance(event, StoreBegins | Reply | Ended)
                            found.append(event)
    except ProtocolFault as fault:
        return [*found, data], fault
    return [*found, data, association.state], None


EVEN = st.binary(max_size=300).map(lambda raw: raw[: len(raw) & ~1])
IDS = st.integers(0, 65535)
MESSAGES = st.one_of(
    st.builds(Message, st.sampled_from([1, 3, 5]), IDS.map(messages.echo)),
    st.builds(Message, st.sampled_from([1, 3]), IDS.map(lambda n: messages.command(message=n)), EVEN),
    st.builds(Message, st.sampled_from([1, 3, 5]), IDS.map(messages.find), EVEN),
)
SIZES = st.lists(st.integers(1, 40).map(lambda half: 2 * half), min_size=1, max_size=5)
COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=5)
CUTS = st.lists(st.integers(1, 500), min_size=1, max_size=8)


def stream(said: list[Message], sizes: list[int], counts: list[int]) -> bytes:
    values: list[bytes] = []
    for message in said:
        values += messages.values(message.context_id, message.command, command=True, sizes=sizes)
        if message.data is not None:
            values += messages.values(message.context_id, message.data, command=False, sizes=sizes)
    return messages.packed(values, counts) + messages.RELEASE


@settings(deadline=None, max_examples=100)
@given(st.lists(MESSAGES, max_size=6), SIZES, COUNTS, CUTS)
def test_any_cutting_gives_the_same_events(
    said: list[Message], sizes: list[int], counts: list[int], cuts: list[int]
) -> None:
    plain = heard([stream(said, [1 << 20], [1])])
    assert heard(messages.cut(stream(said, sizes, counts), cuts)) == plain
    stores = [message for message in said if is_store(message)]
    assert len([event for event in plain if isinstance(event, StoreBegins)]) == len(stores)


def is_store(message: Message) -> bool:
    return message.data is not None and messages.number(0x0100, messages.STORE) in message.command


@settings(deadline=None, max_examples=100)
@given(st.lists(st.builds(Message, st.just(3), IDS.map(lambda n: messages.command(message=n)), EVEN), max_size=5), CUTS)
def test_every_data_set_comes_out_byte_for_byte(said: list[Message], cuts: list[int]) -> None:
    found = heard(messages.cut(stream(said, [14, 2, 50], [2, 1]), cuts))
    begun = [position for position, event in enumerate(found) if isinstance(event, StoreBegins)]
    assert [found[position + 1] for position in begun] == [message.data for message in said]


@settings(deadline=None, max_examples=150)
@given(
    st.lists(MESSAGES, min_size=1, max_size=3),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=5),
    CUTS,
)
def test_changed_bytes_end_in_a_fault_or_in_other_events(
    said: list[Message], changes: list[tuple[int, int]], cuts: list[int]
) -> None:
    data = bytearray(stream(said, [40], [2]))
    for where, byte in changes:
        data[where % len(data)] = byte
    with suppress(ProtocolFault):
        heard(messages.cut(bytes(data), cuts))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(st.integers(1, 7), st.binary(max_size=80)), max_size=6))
def test_any_pdus_end_in_a_fault_or_in_events(pdus: list[tuple[int, bytes]]) -> None:
    with suppress(ProtocolFault):
        heard([messages.pdu(kind, body) for kind, body in pdus])
