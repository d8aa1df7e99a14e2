"""What goes over the wire, made in every way: we read what we write, as pynetdicom does, at a bounded price."""

from __future__ import annotations

import struct
import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from mrdock.dicom.sop_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES
from mrdock.network import dimse, pdu
from mrdock.network.accepting import Acceptable, encode_accept
from mrdock.network.association import StoreBegins
from mrdock.network.dimse import decode_command, encode_store_request
from mrdock.network.negotiation import Proposal, encode_request, parse_accept, parse_request
from mrdock.network.pdu import ProtocolFault

from . import messages
from .messages import EXPLICIT, IMPLICIT, MR, VERIFICATION, item
from .test_association_streams import CUTS, LONGEST, MESSAGES, Message, heard_until, stream

ACCEPTABLE = Acceptable(STORAGE_CLASSES, TRANSFER_SYNTAXES)
UIDS = st.one_of(
    st.sampled_from([MR, VERIFICATION, EXPLICIT, IMPLICIT, *TRANSFER_SYNTAXES[-2:]]),
    st.lists(st.integers(0, 1 << 20), min_size=1, max_size=7).map(lambda parts: ".".join(map(str, [1, *parts]))),
)
TITLES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\"), min_size=1, max_size=16)
PROPOSALS = st.lists(st.tuples(UIDS, st.lists(UIDS, min_size=1, max_size=4, unique=True)), min_size=1, max_size=6).map(
    lambda found: [Proposal(2 * number + 1, name, tuple(uids)) for number, (name, uids) in enumerate(found)]
)
LENGTHS = st.sampled_from([0, 1, 4096, 16384, 131072, 0xFFFFFFFF])


# ---- there and back ----


@settings(deadline=None, max_examples=50)
@given(TITLES, TITLES, PROPOSALS, LENGTHS, st.sampled_from([1, 2, 8, 65535, 0]))
def test_a_request_is_read_as_it_was_written(
    calling: str, called: str, proposals: list[Proposal], longest: int, window: int
) -> None:
    data = encode_request(calling, called, proposals, longest, window)
    read = parse_request(memoryview(data)[pdu.HEADER :])
    assert (read.calling, read.called, read.longest, read.version & 1) == (calling, called, longest, 1)
    assert list(read.proposals) == proposals
    assert read.window == (None if window == 1 else window)
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(data)
    primitive = theirs.to_primitive()
    assert (primitive.calling_ae_title, primitive.called_ae_title) == (calling, called)
    assert primitive.maximum_length_received == longest
    assert [
        Proposal(context.context_id or 0, str(context.abstract_syntax), tuple(map(str, context.transfer_syntax)))
        for context in primitive.presentation_context_definition_list
    ] == proposals


@settings(deadline=None, max_examples=50)
@given(PROPOSALS, LENGTHS)
def test_an_acceptance_is_read_as_it_was_written(proposals: list[Proposal], longest: int) -> None:
    request = parse_request(memoryview(encode_request("SCANNER", "MRDOCK", proposals, 16384))[pdu.HEADER :])
    contexts, results = ACCEPTABLE.negotiate(request)
    data = encode_accept(request, results, longest)
    read = parse_accept(memoryview(data)[pdu.HEADER :])
    expected = {number: context.transfer_syntax for number, context in contexts.items()}
    assert (dict(read.transfer_syntaxes), read.longest) == (expected, longest)
    theirs = A_ASSOCIATE_AC()
    theirs.decode(data)
    primitive = theirs.to_primitive()
    said = primitive.presentation_context_definition_results_list
    assert {context.context_id for context in said} == {proposal.context_id for proposal in proposals}
    assert {context.context_id: str(context.transfer_syntax[0]) for context in said if not context.result} == expected
    assert primitive.maximum_length_received == longest


@settings(deadline=None, max_examples=100)
@given(
    st.integers(0, 65535),
    UIDS,
    UIDS,
    st.binary(max_size=3000).map(lambda raw: raw + bytes(len(raw) % 2)),
    st.integers(8, 300),
)
def test_a_store_that_we_send_is_heard(message: int, sop_class: str, instance: str, data: bytes, longest: int) -> None:
    """The requester's own pieces, through the acceptor."""
    sent = pdu.command_pdus(3, encode_store_request(message, sop_class, instance), longest)
    size = (longest - 6) & ~1
    for start in range(0, max(len(data), 1), size):
        part = data[start : start + size]
        sent += pdu.data_header(3, len(part), command=False, last=start + size >= len(data)) + part
    events, fault = heard([sent], longest)
    assert fault is None
    (begins, got, _) = events[:3]
    assert isinstance(begins, StoreBegins)
    assert (begins.command.message_id, begins.command.sop_class) == (message, sop_class)
    assert (begins.command.sop_instance, got) == (instance, data)


# ---- an independent reading ----

NUMBERS = {0x0100: "CommandField", 0x0110: "MessageID", 0x0120: "MessageIDBeingRespondedTo", 0x0900: "Status"}
COMMANDS = st.fixed_dictionaries(
    {0x0100: st.integers(0, 65535)},
    optional={
        0x0002: UIDS,
        0x0110: st.integers(0, 65535),
        0x0120: st.integers(0, 65535),
        0x0700: st.integers(0, 2),
        0x0800: st.sampled_from([0, 1, 0x0101, 0xFFFF]),
        0x0900: st.integers(0, 65535),
        0x1000: UIDS,
    },
)


@settings(deadline=None, max_examples=100)
@given(COMMANDS)
def test_a_command_set_is_read_as_pynetdicom_reads_it(said: dict[int, int | str]) -> None:
    data = b"".join(
        messages.element(number, value.encode()) if isinstance(value, str) else messages.number(number, value)
        for number, value in sorted(said.items())
    )
    ours, theirs = decode_command(data), decode(BytesIO(data), True, True)
    read = {0x0100: ours.field, 0x0110: ours.message_id, 0x0120: ours.responded_id, 0x0900: ours.status}
    assert read == {number: theirs.get(keyword) for number, keyword in NUMBERS.items()}
    assert ours.sop_class == theirs.get("AffectedSOPClassUID", "")
    assert ours.sop_instance == theirs.get("AffectedSOPInstanceUID", "")
    assert ours.has_data_set == (theirs.get("CommandDataSetType", 0x0101) != 0x0101)


# ---- pieces of what is broken ----


def heard(chunks: list[bytes], longest: int = LONGEST) -> tuple[list[object], str | None]:
    """What an association makes of a stream in these pieces, and the fault that ended it, in words."""
    found, fault = heard_until(chunks, longest)
    return found, None if fault is None else f"{fault} {fault.reason}"


@settings(deadline=None, max_examples=100)
@given(
    st.lists(MESSAGES, min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=4),
    st.integers(0, 3000),
    CUTS,
)
def test_a_broken_stream_ends_alike_in_any_pieces(
    said: list[Message], changes: list[tuple[int, int]], end: int, cuts: list[int]
) -> None:
    """The same is heard, then the same fault is named; what is missing is waited for."""
    data = bytearray(stream(said, [40], [3]))
    for where, byte in changes:
        data[where % len(data)] = byte
    whole = bytes(data[:end] if end < len(data) else data)
    assert heard(messages.cut(whole, cuts)) == heard([whole])


# ---- a bounded price ----

REQUEST = messages.associate()[6 : 6 + 68]
KNOWN = item(0x40, EXPLICIT.encode())


def many_items(kind: int, within: bytes = b"") -> bytes:
    """As many items as a request has room for."""
    one = item(kind, within)
    return REQUEST + one * ((pdu.LONGEST_REQUEST - 68) // len(one))


def contexts_full_of(syntax: bytes) -> bytes:
    """The most contexts, each with as many transfer syntaxes as there is room for."""
    room = pdu.LONGEST_REQUEST // 128 - 100
    names = item(0x30, MR.encode()) + syntax * (room // len(syntax))
    return REQUEST + b"".join(item(0x20, bytes((number, 0, 0, 0)) + names) for number in range(1, 256, 2))


def negotiated(body: bytes) -> None:
    with suppress(ProtocolFault):
        request = parse_request(memoryview(body))
        _, results = ACCEPTABLE.negotiate(request)
        encode_accept(request, results, 131072)


def associated(body: bytes) -> None:
    heard([messages.pdu(4, body)] * 3, 1 << 17)


def byte_by_byte(stream: bytes) -> None:
    heard(messages.cut(stream, [1]), 1 << 14)


DATA_BEGINS = messages.pdv(3, messages.command(), command=True, last=True)
PRICES: dict[str, tuple[Callable[[bytes], None], bytes]] = {
    "unknown items": (negotiated, many_items(0x99)),
    "application contexts": (negotiated, many_items(0x10, b"1")),
    "user information": (negotiated, REQUEST + item(0x50, item(0x99, b"") * 16000) * 4),
    "contexts without a name": (negotiated, many_items(0x20, bytes(4))),
    "contexts of one id": (negotiated, many_items(0x20, b"\1\0\0\0" + item(0x30, b"1") + item(0x40, b"1"))),
    "one syntax again and again": (negotiated, contexts_full_of(KNOWN)),
    "nameless syntaxes": (negotiated, contexts_full_of(item(0x40, b""))),
    "empty elements": (lambda data: suppressed(decode_command, data), messages.element(2, b"") * 8192),
    "a long text": (lambda data: suppressed(decode_command, data), struct.pack("<HHI", 0, 2, 65528) + b"1" * 65528),
    "empty values": (associated, DATA_BEGINS + messages.pdv(3, b"", command=False, last=False) * 20000),
    "empty commands": (associated, messages.pdv(3, b"", command=True, last=False) * 20000),
    "echoes": (associated, messages.pdv(5, messages.echo(), command=True, last=True) * 1600),
    "bytes": (byte_by_byte, messages.store(bytes(10000))),
}


def suppressed(parse: Callable[[bytes], object], data: bytes) -> None:
    with suppress(ProtocolFault):
        parse(data)


@pytest.mark.parametrize("name", PRICES)
def test_the_worst_of_a_peer_costs_little(name: str) -> None:
    """Far from what a listener would feel: 4 s of processor time are for a slow machine under coverage or load."""
    run, data = PRICES[name]
    began = time.process_time()
    run(data)
    assert time.process_time() - began < 4
    tracemalloc.start()
    try:
        run(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 24 << 20
    assert len(data) <= pdu.LONGEST_REQUEST
    assert dimse.LONGEST_COMMAND == 65536
