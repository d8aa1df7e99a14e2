"""Command sets: read what pynetdicom writes, write what pynetdicom reads, refuse everything broken."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import dimse_messages
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_STORE
from pynetdicom.dsutils import decode

from mrdock.network import dimse
from mrdock.network.dimse import Command, decode_command, encode_response
from mrdock.network.pdu import ProtocolFault

from . import messages
from .messages import MR, VERIFICATION, element


def written_by_pynetdicom(message: dimse_messages.DIMSEMessage, primitive: C_ECHO | C_FIND | C_STORE) -> bytes:
    """The command set of a message."""
    message.primitive_to_message(primitive)
    command = b""
    for sent in message.encode_msg(1, 0):
        for _, value in sent.presentation_data_value_list:
            if value[0] & 1:
                command += value[1:]
    return command


def read_by_pynetdicom(command: bytes) -> Dataset:
    return decode(BytesIO(command), True, True)


def store_primitive() -> C_STORE:
    primitive = C_STORE()
    primitive.AffectedSOPClassUID = UID(MR)
    primitive.AffectedSOPInstanceUID = UID("1.2.3.45")
    primitive.MessageID = 517
    primitive.Priority = 2
    primitive.DataSet = BytesIO(b"a data set")
    return primitive


# ---- pynetdicom to us ----


def test_a_store_request_of_pynetdicom() -> None:
    assert decode_command(written_by_pynetdicom(dimse_messages.C_STORE_RQ(), store_primitive())) == Command(
        field=dimse.STORE_RQ, message_id=517, sop_class=MR, sop_instance="1.2.3.45", has_data_set=True
    )


def test_an_echo_request_of_pynetdicom() -> None:
    primitive = C_ECHO()
    primitive.MessageID = 65535
    primitive.AffectedSOPClassUID = UID(VERIFICATION)
    assert decode_command(written_by_pynetdicom(dimse_messages.C_ECHO_RQ(), primitive)) == Command(
        field=dimse.ECHO_RQ, message_id=65535, sop_class=VERIFICATION
    )


def test_a_find_request_of_pynetdicom() -> None:
    primitive = C_FIND()
    primitive.MessageID = 1
    primitive.AffectedSOPClassUID = UID("1.2.840.10008.5.1.4.1.2.1.1")
    primitive.Priority = 0
    primitive.Identifier = BytesIO(b"identifier")
    command = decode_command(written_by_pynetdicom(dimse_messages.C_FIND_RQ(), primitive))
    assert (command.field, command.has_data_set) == (0x0020, True)


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xA700, 0x0110, 0xC001])
def test_a_store_response_of_pynetdicom(status: int) -> None:
    primitive = store_primitive()
    primitive.MessageIDBeingRespondedTo = 517
    primitive.Status = status
    if status:
        primitive.ErrorComment = "the disk is full"  # type: ignore[assignment]  # declared as always None
    command = decode_command(written_by_pynetdicom(dimse_messages.C_STORE_RSP(), primitive))
    assert (command.field, command.responded_id, command.status) == (dimse.STORE_RSP, 517, status)
    assert command.comment == ("the disk is full" if status else "")
    assert not command.has_data_set


# ---- us to pynetdicom ----

UIDS = st.from_regex(r"[0-2](\.(0|[1-9][0-9]{0,8})){1,6}", fullmatch=True)
STATUSES = st.sampled_from([0, 0xA700, 0xA900, 0xC000, 0x0211, 0x0212, 0xB000, 0xFFFF])


@settings(deadline=None, max_examples=75)
@given(UIDS, UIDS, st.integers(0, 65535), STATUSES, st.text(st.characters(max_codepoint=126, min_codepoint=32)))
def test_a_store_response_is_read_by_pynetdicom(
    sop_class: str, instance: str, message: int, status: int, comment: str
) -> None:
    comment = comment.replace("\\", "/")
    request = Command(dimse.STORE_RQ, message, sop_class=sop_class, sop_instance=instance, has_data_set=True)
    data = encode_response(request, status, comment)
    theirs = dimse_messages.C_STORE_RSP()
    theirs.command_set = read_by_pynetdicom(data)
    primitive = theirs.message_to_primitive()
    assert isinstance(primitive, C_STORE)
    assert primitive.Status == status
    assert primitive.MessageIDBeingRespondedTo == message
    assert (primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID) == (sop_class, instance)
    assert theirs.command_set.CommandGroupLength == len(data) - 12
    assert theirs.command_set.CommandDataSetType == 0x0101
    assert theirs.command_set.CommandField == 0x8001
    said = theirs.command_set.get("ErrorComment") or ""
    assert said == (comment[:64].rstrip(" ") if status else "")
    assert list(theirs.command_set.keys()) == sorted(theirs.command_set.keys())
    assert len(data) % 2 == 0
    ours = decode_command(data)
    assert (ours.status, ours.responded_id, ours.message_id) == (status, message, None)


def test_an_echo_response_is_read_by_pynetdicom() -> None:
    theirs = dimse_messages.C_ECHO_RSP()
    theirs.command_set = read_by_pynetdicom(encode_response(Command(dimse.ECHO_RQ, 9, sop_class=VERIFICATION), 0))
    primitive = theirs.message_to_primitive()
    assert isinstance(primitive, C_ECHO)
    assert (primitive.Status, primitive.MessageIDBeingRespondedTo) == (0, 9)
    assert primitive.AffectedSOPClassUID == VERIFICATION
    assert "AffectedSOPInstanceUID" not in theirs.command_set


def test_requests_are_read_by_pynetdicom() -> None:
    store = dimse_messages.C_STORE_RQ()
    store.command_set = read_by_pynetdicom(dimse.encode_store_request(3, MR, "1.2.3"))
    primitive = store.message_to_primitive()
    assert isinstance(primitive, C_STORE)
    assert (primitive.MessageID, primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID) == (3, MR, "1.2.3")
    assert primitive.Priority == 0
    assert store.command_set.CommandDataSetType != 0x0101
    echo = dimse_messages.C_ECHO_RQ()
    echo.command_set = read_by_pynetdicom(dimse.encode_echo_request(4, VERIFICATION))
    assert echo.command_set.CommandDataSetType == 0x0101
    assert isinstance(answer := echo.message_to_primitive(), C_ECHO)
    assert answer.MessageID == 4


def test_what_we_write_we_read() -> None:
    assert decode_command(dimse.encode_store_request(65535, MR, "1.2.3")) == Command(
        dimse.STORE_RQ, 65535, sop_class=MR, sop_instance="1.2.3", has_data_set=True
    )
    assert decode_command(dimse.encode_echo_request(1, VERIFICATION)) == Command(
        dimse.ECHO_RQ, 1, sop_class=VERIFICATION
    )


def test_the_response_has_the_field_of_its_request_with_the_response_bit() -> None:
    for field in (0x0001, 0x0020, 0x0021, 0x0030, 0x0140, 0x7777):
        assert decode_command(encode_response(Command(field, 1), 0x0211)).field == field | 0x8000


# ---- broken ones ----


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        element(0x0100, b"\1\0")[:-1],
        element(0x0100, b"\1\0") + b"\0" * 7,
        struct.pack("<HHI", 0, 0x0100, 4) + b"\1\0",
        struct.pack("<HHI", 0, 0x0100, 0xFFFFFFFF) + b"\1\0",
        struct.pack("<HHI", 8, 0x0100, 2) + b"\1\0",  # another group
        element(0x0100, b"\1\0") + struct.pack("<HHI", 2, 0x0010, 0),
        element(0x0110, b"\1\0"),  # no command field
        element(0x0100, b""),
        struct.pack("<HHI", 0, 0x0100, 1) + b"\1",
        b"GET / HTTP/1.1\r\n",
    ],
)
def test_broken_command_sets(data: bytes) -> None:
    with pytest.raises(ProtocolFault):
        decode_command(data)


def test_absent_and_empty_elements() -> None:
    assert decode_command(element(0x0100, b"\1\0")) == Command(1)
    odd = element(0x0100, b"\1\0") + element(0x0110, b"") + element(0x0002, b"") + element(0x0800, b"")
    assert decode_command(odd) == Command(1)


def test_the_group_length_is_not_believed() -> None:
    for length in (0, 1, 0xFFFFFFFF):
        data = element(0, struct.pack("<I", length)) + messages.echo()[12:]
        assert decode_command(data) == decode_command(messages.echo())


def test_uids_lose_their_padding_and_keep_everything_else() -> None:
    command = decode_command(messages.command(sop_class="1.2 ", instance="../\x1b[2Jé"))
    assert command.sop_class == "1.2"
    assert command.sop_instance.startswith("../\x1b[2J")


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=120))
def test_any_bytes_are_a_command_or_a_fault(data: bytes) -> None:
    try:
        command = decode_command(data)
    except ProtocolFault:
        return
    assert 0 <= command.field <= 0xFFFF


ELEMENTS = st.tuples(
    st.sampled_from([0x0000, 0x0002, 0x0100, 0x0110, 0x0120, 0x0800, 0x0900, 0x0902, 0x1000, 0x0001]),
    st.binary(max_size=70),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(ELEMENTS, max_size=10))
def test_any_elements_are_a_command_or_a_fault_and_can_be_answered(parts: list[tuple[int, bytes]]) -> None:
    try:
        command = decode_command(b"".join(element(tag, value) for tag, value in parts))
    except ProtocolFault:
        return
    answer = decode_command(encode_response(command, 0xA700, "x" * 100))
    assert answer.responded_id == (command.message_id or 0)
    assert answer.comment == "x" * 64
    for said, asked in ((answer.sop_class, command.sop_class), (answer.sop_instance, command.sop_instance)):
        assert said == (asked if len(asked) <= 64 else "")  # a UID has 64 characters at most
