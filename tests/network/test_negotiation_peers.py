"""Requests as pynetdicom and DCMTK write them, and ours as pynetdicom reads them."""

from __future__ import annotations

import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import UID
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from mrdock.network.negotiation import (
    APPLICATION_CONTEXT,
    Accepted,
    Proposal,
    Request,
    encode_request,
    parse_accept,
    parse_request,
)
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, write
from tests.conftest import FreePort, NeedTool

from .messages import EXPLICIT, IMPLICIT, MR, VERIFICATION

ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
peer = pytest.mark.peer


def primitive(longest: int = 16382) -> A_ASSOCIATE:
    """What pynetdicom fills in for a request with its usual user information."""
    found = A_ASSOCIATE()
    found.application_context_name = UID(APPLICATION_CONTEXT)
    found.calling_ae_title, found.called_ae_title = "SCANNER", "MRDOCK"
    length, implementation, version = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    length.maximum_length_received = longest
    implementation.implementation_class_uid = UID("1.2.3.4")
    version.implementation_version_name = "PEER"
    found.user_information = [length, implementation, version]
    contexts = [build_context(MR, [IMPLICIT, EXPLICIT]), build_context(VERIFICATION, [IMPLICIT])]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    found.presentation_context_definition_list = contexts
    return found


def encoded(found: A_ASSOCIATE) -> bytes:
    request = A_ASSOCIATE_RQ()
    request.from_primitive(found)
    return bytes(request.encode())


EXPECTED = Request(
    calling="SCANNER",
    called="MRDOCK",
    application_context=APPLICATION_CONTEXT,
    version=1,
    proposals=(Proposal(1, MR, (IMPLICIT, EXPLICIT)), Proposal(3, VERIFICATION, (IMPLICIT,))),
    longest=16382,
)


def test_a_plain_request_of_pynetdicom() -> None:
    assert parse_request(memoryview(encoded(primitive()))[6:]) == EXPECTED
    assert parse_request(memoryview(encoded(primitive(0)))[6:]).longest == 0


def role() -> SCP_SCU_RoleSelectionNegotiation:
    item = SCP_SCU_RoleSelectionNegotiation()
    item.sop_class_uid, item.scu_role, item.scp_role = UID(MR), True, True
    return item


def window() -> AsynchronousOperationsWindowNegotiation:
    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked, item.maximum_number_operations_performed = 8, 8
    return item


def identity() -> UserIdentityNegotiation:
    item = UserIdentityNegotiation()
    item.user_identity_type, item.primary_field, item.secondary_field = 2, b"user", b"secret"
    item.positive_response_requested = True
    return item


def extended() -> SOPClassExtendedNegotiation:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = UID(MR), b"\2\0\3\0\1\0"
    return item


def common() -> SOPClassCommonExtendedNegotiation:
    item = SOPClassCommonExtendedNegotiation()
    item.sop_class_uid, item.service_class_uid = UID(MR), UID("1.2.840.10008.4.2")
    item.related_general_sop_class_identification = [UID(ENHANCED)]
    return item


@pytest.mark.parametrize("extra", [role, window, identity, extended, common])
def test_requests_with_further_negotiation(extra: type) -> None:
    found = primitive()
    found.user_information = [*found.user_information, extra()]
    assert parse_request(memoryview(encoded(found))[6:]) == replace(EXPECTED, window=8 if extra is window else None)


def test_a_request_with_all_of_them() -> None:
    found = primitive()
    found.user_information = [*found.user_information, role(), window(), identity(), extended(), common()]
    assert parse_request(memoryview(encoded(found))[6:]) == replace(EXPECTED, window=8)


def test_our_request_is_read_by_pynetdicom_and_by_us() -> None:
    proposals = [
        Proposal(1, MR, (EXPLICIT,)),
        Proposal(3, MR, (IMPLICIT, "1.2.3")),
        Proposal(255, ENHANCED, (EXPLICIT,)),
    ]
    data = encode_request("MRDOCK", "ARCHIVE", proposals, 131072)
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(data)
    found = theirs.to_primitive()
    assert isinstance(found, A_ASSOCIATE)
    assert (found.calling_ae_title, found.called_ae_title) == ("MRDOCK", "ARCHIVE")
    assert found.maximum_length_received == 131072
    assert [
        (context.context_id, context.abstract_syntax, tuple(context.transfer_syntax))
        for context in found.presentation_context_definition_list
    ] == [(1, MR, (EXPLICIT,)), (3, MR, (IMPLICIT, "1.2.3")), (255, ENHANCED, (EXPLICIT,))]
    ours = parse_request(memoryview(data)[6:])
    assert (ours.proposals, ours.longest, ours.version) == (tuple(proposals), 131072, 1)
    assert (ours.calling, ours.called) == ("MRDOCK", "ARCHIVE")


def test_an_acceptance_of_pynetdicom() -> None:
    found = primitive(0)
    accepted, refused = build_context(MR, [EXPLICIT]), build_context(VERIFICATION, [IMPLICIT])
    accepted.context_id, refused.context_id = 1, 3
    accepted.result, refused.result = 0, 3
    found.presentation_context_definition_list = []
    found.presentation_context_definition_results_list = [accepted, refused]
    found.result, found.result_source = 0, 1
    found.user_information = [*found.user_information, role()]
    acceptance = A_ASSOCIATE_AC()
    acceptance.from_primitive(found)
    assert parse_accept(memoryview(acceptance.encode())[6:]) == Accepted({1: EXPLICIT}, 0)


# ---- DCMTK ----


@contextmanager
def listener(free_port: FreePort) -> Iterator[tuple[int, list[bytes]]]:
    """A port that takes one association request and rejects it; the request is in the list then."""
    port, requests = free_port(), list[bytes]()
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                head = stream.read(6)
                requests.append(head + stream.read(struct.unpack(">BxI", head)[1]))
                connection.sendall(b"\3\0\0\0\0\4\0\1\1\1")
                stream.read()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield port, requests
        thread.join(20)
        assert not thread.is_alive()


def request_of(free_port: FreePort, program: str, *options: str, files: tuple[str, ...] = ()) -> Request:
    with listener(free_port) as (port, requests):
        done = subprocess.run(
            [program, *options, "127.0.0.1", str(port), *files], check=False, capture_output=True, timeout=30
        )
        assert done.returncode != 0
    (data,) = requests
    assert data[0] == 1
    return parse_request(memoryview(data)[6:])


@peer
def test_the_request_of_echoscu(free_port: FreePort, need_tool: NeedTool) -> None:
    request = request_of(free_port, need_tool("echoscu"), "-aet", "CALLER", "-aec", "DOCK", "-pdu", "65536")
    assert (request.calling, request.called, request.longest) == ("CALLER", "DOCK", 65536)
    assert request.proposals == (Proposal(1, VERIFICATION, (IMPLICIT,)),)


@peer
def test_the_request_of_echoscu_with_128_contexts(free_port: FreePort, need_tool: NeedTool) -> None:
    request = request_of(free_port, need_tool("echoscu"), "--propose-ts", "38", "--propose-pc", "128")
    assert len(request.proposals) == 128
    assert {proposal.abstract_syntax for proposal in request.proposals} == {VERIFICATION}
    assert len(request.proposals[0].transfer_syntaxes) == 38


@peer
def test_the_request_of_storescu_has_all_storage_classes(
    free_port: FreePort, need_tool: NeedTool, tmp_path: Path
) -> None:
    files = write(classic_fmri(StudyIdentity(), slices=1, dynamics=1), tmp_path)
    identified = ("--user", "someone", "--password", "secret", "--pos-response")
    request = request_of(free_port, need_tool("storescu"), *identified, files=tuple(files))
    assert MR in {proposal.abstract_syntax for proposal in request.proposals}
    assert len(request.proposals) > 100
    assert request.application_context == APPLICATION_CONTEXT


@peer
def test_the_request_of_dcmsend_has_what_its_files_need(
    free_port: FreePort, need_tool: NeedTool, tmp_path: Path
) -> None:
    who = StudyIdentity()
    files = write([*classic_fmri(who, slices=1, dynamics=1), enhanced_mr(who)], tmp_path)
    request = request_of(free_port, need_tool("dcmsend"), files=tuple(files))
    assert {proposal.abstract_syntax for proposal in request.proposals} == {MR, ENHANCED}
    assert {EXPLICIT, IMPLICIT} <= {name for proposal in request.proposals for name in proposal.transfer_syntaxes}
