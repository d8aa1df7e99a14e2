"""Framing of PDUs and presentation data values: whole ones come out, broken ones are named, nothing is waited for."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RJ, A_RELEASE_RP, A_RELEASE_RQ, P_DATA_TF

from mrdock.errors import AbortedError
from mrdock.network import pdu
from mrdock.network.pdu import PduBuffer, Pdv, ProtocolFault

from . import messages


def put(buffer: PduBuffer, data: bytes) -> int:
    """Receive as much as there is room for."""
    space = buffer.space()
    count = min(len(space), len(data))
    assert len(space) > 0
    space[:count] = data[:count]
    buffer.received(count)
    return count


def taken(buffer: PduBuffer) -> list[tuple[int, bytes]]:
    """All PDUs that are whole."""
    found = []
    while (one := buffer.next()) is not None:
        found.append((one[0], bytes(one[1])))
    return found


def through(buffer: PduBuffer, chunks: list[bytes]) -> list[tuple[int, bytes]]:
    found = []
    for chunk in chunks:
        rest = chunk
        while rest:
            rest = rest[put(buffer, rest) :]
            found += taken(buffer)
    return found


# ---- the buffer ----


def test_an_empty_buffer_has_nothing() -> None:
    buffer = PduBuffer(100)
    assert buffer.next() is None
    assert buffer.empty


def test_a_pdu_comes_when_its_last_byte_is_there() -> None:
    buffer = PduBuffer(100)
    data = messages.pdu(4, b"0123456789")
    for position in range(len(data) - 1):
        put(buffer, data[position : position + 1])
        assert buffer.next() is None
        assert not buffer.empty
    put(buffer, data[-1:])
    assert taken(buffer) == [(4, b"0123456789")]
    assert buffer.empty


def test_what_was_received_before_comes_first() -> None:
    first = messages.pdu(4, b"one") + messages.pdu(5, b"two")[:4]
    buffer = PduBuffer(100, first)
    assert taken(buffer) == [(4, b"one")]
    put(buffer, messages.pdu(5, b"two")[4:])
    assert taken(buffer) == [(5, b"two")]


def test_more_can_have_been_received_before_than_the_buffer_would_hold() -> None:
    """A peer may send a thousand small PDUs right after its association request."""
    first = messages.pdu(4, b"12345678") * 1000
    buffer = PduBuffer(8, first + b"\4\0")
    assert len(taken(buffer)) == 1000
    assert through(buffer, [messages.pdu(4, b"last")[2:]]) == [(4, b"last")]


@pytest.mark.parametrize("kind", range(1, 8))
def test_every_type_of_the_standard_is_framed(kind: int) -> None:
    assert taken(PduBuffer(100, messages.pdu(kind, b"body"))) == [(kind, b"body")]


@pytest.mark.parametrize("kind", [0, 8, 9, 0x16, ord("G"), 0x99, 0xFF])
def test_any_other_type_is_refused_at_its_header(kind: int) -> None:
    buffer = PduBuffer(100, messages.pdu(kind, b"", 50)[:6])
    with pytest.raises(ProtocolFault, match=f"0x{kind:02X} is unknown") as caught:
        buffer.next()
    assert caught.value.reason == pdu.UNRECOGNISED_PDU


@pytest.mark.parametrize("length", [101, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_length_beyond_the_agreed_one_is_refused_at_its_header(length: int) -> None:
    buffer = PduBuffer(100, messages.pdu(4, b"", length))
    with pytest.raises(ProtocolFault, match=f"{length} bytes, 100 were agreed"):
        buffer.next()


def test_the_agreed_length_itself_fits() -> None:
    assert taken(PduBuffer(100, messages.pdu(4, bytes(100)))) == [(4, bytes(100))]


def test_a_fault_is_an_aborted_association() -> None:
    assert issubclass(ProtocolFault, AbortedError)
    assert ProtocolFault("x").reason == pdu.INVALID_PARAMETER


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 7), st.binary(max_size=24)), max_size=30),
    st.lists(st.integers(1, 40), min_size=1, max_size=10),
    st.integers(0, 30),
)
def test_any_split_of_the_stream_gives_the_same_pdus(
    pdus: list[tuple[int, bytes]], sizes: list[int], before: int
) -> None:
    stream = b"".join(messages.pdu(kind, body) for kind, body in pdus)
    buffer = PduBuffer(24, stream[:before])
    found = taken(buffer)
    if before < len(stream):
        found += through(buffer, messages.cut(stream[before:], sizes))
    assert found == pdus
    assert buffer.empty


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes_end_in_a_fault_or_are_waited_for(chunks: list[bytes]) -> None:
    buffer = PduBuffer(16)
    try:
        for _, body in through(buffer, chunks):
            assert len(body) <= 16
    except ProtocolFault:
        pass


# ---- presentation data values ----


def all_pdvs(body: bytes) -> list[Pdv]:
    return list(pdu.pdvs(memoryview(body)))


def test_the_values_of_a_pdu() -> None:
    body = messages.pdv(1, b"ab", command=True, last=False) + messages.pdv(3, b"", command=True, last=True)
    body += messages.pdv(255, b"cdef", command=False, last=False) + messages.pdv(5, b"gh", command=False, last=True)
    assert [(v.context_id, v.is_command, v.is_last, bytes(v.data)) for v in all_pdvs(body)] == [
        (1, True, False, b"ab"),
        (3, True, True, b""),
        (255, False, False, b"cdef"),
        (5, False, True, b"gh"),
    ]


def test_the_upper_bits_of_the_control_byte_are_ignored() -> None:
    """PS3.8 section E.2: they are to be zero when sent and not tested when received."""
    (value,) = all_pdvs(struct.pack(">IBB", 4, 1, 0xFC) + b"ab")
    assert (value.is_command, value.is_last) == (False, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"\0\0\0\2\1",
        struct.pack(">IBB", 0, 1, 3),
        struct.pack(">IBB", 1, 1, 3),
        struct.pack(">IBB", 3, 1, 3) + b"a",  # odd
        struct.pack(">IBB", 4, 1, 3) + b"a",
        struct.pack(">IBB", 6, 1, 3) + b"ab",
        struct.pack(">IBB", 0xFFFFFFFF, 1, 3) + b"ab",
        struct.pack(">IBB", 0x7FFFFFFE, 1, 3) + b"ab",
        messages.pdv(1, b"ab", command=True, last=True) + b"\0",
        messages.pdv(1, b"ab", command=True, last=True) + b"\0\0\0\2\1",
    ],
)
def test_values_that_do_not_fill_their_pdu_are_refused(body: bytes) -> None:
    with pytest.raises(ProtocolFault) as caught:
        all_pdvs(body)
    assert caught.value.reason == pdu.INVALID_PARAMETER


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=60))
def test_any_body_is_values_or_a_fault(body: bytes) -> None:
    try:
        found = all_pdvs(body)
    except ProtocolFault:
        return
    assert sum(len(value.data) + 6 for value in found) == len(body)


# ---- what we send, read by pynetdicom ----


def test_the_short_pdus() -> None:
    release, reply, abort, reject = A_RELEASE_RQ(), A_RELEASE_RP(), A_ABORT_RQ(), A_ASSOCIATE_RJ()
    release.decode(pdu.RELEASE_REQUEST)
    reply.decode(pdu.RELEASE_REPLY)
    assert (release.pdu_length, reply.pdu_length) == (4, 4)
    for reason in (pdu.NOT_SPECIFIED, pdu.UNRECOGNISED_PDU, pdu.UNEXPECTED_PDU, pdu.INVALID_PARAMETER):
        abort.decode(pdu.abort(reason))
        assert (abort.source, abort.reason_diagnostic) == (2, reason)
    abort.decode(pdu.abort(pdu.INVALID_PARAMETER, provider=False))
    assert (abort.source, abort.reason_diagnostic) == (0, 0)
    reject.decode(pdu.reject(2, 3, 1))
    assert (reject.result, reject.source, reject.reason_diagnostic) == (2, 3, 1)


@settings(deadline=None, max_examples=75)
@given(st.binary(min_size=2, max_size=600).map(lambda raw: raw[: len(raw) & ~1]), st.sampled_from([0, 8, 20, 21, 128]))
def test_a_command_goes_out_in_pdus_that_the_peer_takes(command: bytes, longest: int) -> None:
    stream = pdu.command_pdus(7, command, longest)
    got = b""
    flags = []
    while stream:
        _, length = struct.unpack_from(">BxI", stream)
        assert not longest or length <= longest
        theirs = P_DATA_TF()
        theirs.decode(stream[: length + 6])
        (value,) = theirs.presentation_data_value_items
        assert value.presentation_context_id == 7
        data = value.presentation_data_value or b""
        flags.append(data[0])
        got += data[1:]
        assert (length - 6) % 2 == 0
        stream = stream[length + 6 :]
    assert got == command
    assert flags == [1] * (len(flags) - 1) + [3]


@pytest.mark.parametrize("longest", range(1, 8))
def test_a_limit_too_small_for_any_value_gets_the_smallest(longest: int) -> None:
    found = taken(PduBuffer(8, pdu.command_pdus(1, b"abcd", longest)))
    assert [bytes(v.data) for _, body in found for v in all_pdvs(body)] == [b"ab", b"cd"]


def test_the_header_of_a_data_fragment() -> None:
    for command in (True, False):
        for last in (True, False):
            whole = pdu.data_header(9, 4, command=command, last=last) + b"abcd"
            assert whole == messages.p_data(messages.pdv(9, b"abcd", command=command, last=last))
