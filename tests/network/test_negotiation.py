"""Association requests and acceptances: taken apart with distrust, decided as pynetdicom decides."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import A_ASSOCIATE

from mrdock.dicom.sop_classes import TRANSFER_SYNTAXES
from mrdock.dicom.values import is_uid
from mrdock.network.accepting import Acceptable, encode_accept
from mrdock.network.association import Context
from mrdock.network.negotiation import (
    APPLICATION_CONTEXT,
    DEFAULT_LONGEST,
    Proposal,
    Request,
    parse_accept,
    parse_request,
)
from mrdock.network.pdu import INVALID_PARAMETER, LONGEST_REQUEST, ProtocolFault

from . import messages
from .messages import BIG, CT, EXPLICIT, IMPLICIT, MR, VERIFICATION, associate, context, item, user

ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
JPEG = "1.2.840.10008.1.2.4.90"


def parsed(data: bytes) -> Request:
    return parse_request(memoryview(data)[6:])


def proposing(*proposals: tuple[int, str, tuple[str, ...]]) -> Request:
    return Request(
        "SCANNER", "MRDOCK", APPLICATION_CONTEXT, 1, tuple(Proposal(*proposal) for proposal in proposals), 16384
    )


def read_by_pynetdicom(data: bytes) -> A_ASSOCIATE:
    theirs = A_ASSOCIATE_AC()
    theirs.decode(data)
    primitive = theirs.to_primitive()
    assert isinstance(primitive, A_ASSOCIATE)
    return primitive


# ---- taking a request apart ----


def test_an_ordinary_request() -> None:
    assert parsed(associate()) == Request(
        calling="SCANNER",
        called="MRDOCK",
        application_context=APPLICATION_CONTEXT,
        version=1,
        proposals=(Proposal(1, MR, (IMPLICIT,)), Proposal(3, MR, (EXPLICIT,)), Proposal(5, VERIFICATION, (IMPLICIT,))),
        longest=16384,
    )


@pytest.mark.parametrize("longest", [0, 1, 4096, 131072, 0xFFFFFFFF])
def test_the_longest_pdu_of_the_peer(longest: int) -> None:
    assert parsed(associate(information=user(longest))).longest == longest


def test_without_user_information_the_default_counts() -> None:
    assert parsed(associate(information=b"")).longest == DEFAULT_LONGEST
    assert parsed(associate(information=item(0x50, b""))).longest == DEFAULT_LONGEST


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (b"SCANNER", "SCANNER"),
        (b"  SCANNER  ", "SCANNER"),
        (b"SCANNER\0\0\0", "SCANNER"),
        (b"sixteen letters!", "sixteen letters!"),
        (b"", ""),
        (b"A B", "A B"),
        (b"../../../../tmp/", "../../../../tmp/"),
        (b"\x01\x1b[2J\xff\xfeX\x7f", "??[2J??X?"),
        (b"a\nb\rc", "a?b?c"),
    ],
)
def test_titles_have_no_control_characters(raw: bytes, title: str) -> None:
    request = parsed(associate(called=raw, calling=raw))
    assert (request.called, request.calling) == (title, title)


def test_unknown_items_are_passed_over() -> None:
    """PS3.8 section 9.3.1."""
    unknown = item(0x77, b"whatever")
    strange = item(0x20, bytes((7, 0, 0, 0)) + unknown + item(0x30, MR.encode()) + unknown + item(0x40, BIG.encode()))
    information = user(5000, item(0x5F, b"more"), item(0x53, b"\0\1\0\1"))
    request = parsed(associate(contexts=unknown + strange + unknown, information=unknown + information + unknown))
    assert request.proposals == (Proposal(7, MR, (BIG,)),)
    assert request.longest == 5000


def test_padded_uids() -> None:
    contexts = item(0x20, bytes((1, 0, 0, 0)) + item(0x30, MR.encode() + b"\0") + item(0x40, EXPLICIT.encode() + b" "))
    assert parsed(associate(contexts=contexts)).proposals == (Proposal(1, MR, (EXPLICIT,)),)


def test_128_contexts_are_the_most() -> None:
    contexts = b"".join(context(number, f"1.2.3.{number}", EXPLICIT, IMPLICIT) for number in range(1, 256, 2))
    request = parsed(associate(contexts=contexts))
    assert [proposal.context_id for proposal in request.proposals] == list(range(1, 256, 2))
    for more in (context(1, MR, EXPLICIT), context(2, MR, EXPLICIT)):
        with pytest.raises(ProtocolFault, match="odd, different and 128 at most"):
            parsed(associate(contexts=contexts + more))


def test_128_contexts_with_60_syntaxes_each_fit_the_limit_of_a_request() -> None:
    names = [f"1.2.840.10008.1.2.{number}" for number in range(60)]
    data = associate(contexts=b"".join(context(number, MR, *names) for number in range(1, 256, 2)))
    assert len(data) < LONGEST_REQUEST
    assert len(parsed(data).proposals) == 128


@pytest.mark.parametrize("numbers", [(0,), (2,), (254,), (1, 1), (1, 3, 1), (1, 4)])
def test_even_and_repeated_ids(numbers: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolFault, match="odd, different"):
        parsed(associate(contexts=b"".join(context(number, MR, EXPLICIT) for number in numbers)))


@pytest.mark.parametrize(
    "contexts",
    [
        context(1, "1." * 500, EXPLICIT),
        context(1, MR, "9." * 500),
        context(1, "1." * 32 + "1", EXPLICIT),  # 65 characters
        context(1, MR),
        item(0x20, bytes((1, 0, 0, 0)) + item(0x40, EXPLICIT.encode())),
        item(0x20, bytes((1, 0, 0, 0)) + item(0x30, MR.encode()) * 2 + item(0x40, EXPLICIT.encode())),
        item(0x20, b""),
        item(0x20, bytes(3)),
        item(0x20, bytes((1, 0, 0, 0)) + item(0x30, MR.encode(), 0xFFFF), 0xFFFF),
        item(0x20, bytes((1, 0, 0, 0)) + item(0x30, MR.encode(), 40)),
        item(0x20, bytes((1, 0, 0, 0)) + item(0x30, MR.encode()) + b"\x40\0"),
    ],
)
def test_broken_contexts(contexts: bytes) -> None:
    with pytest.raises(ProtocolFault) as caught:
        parsed(associate(contexts=contexts))
    assert caught.value.reason == INVALID_PARAMETER


@pytest.mark.parametrize(
    "information",
    [
        item(0x50, item(0x51, b"\0\0", 0xFFFF) + item(0x52, b"", 0x7FFF)),
        item(0x50, item(0x51, b"\0\0\1")),
        item(0x50, item(0x51, b"\0\0\0\0\1")),
        item(0x50, item(0x51, b"")),
        item(0x50, b"\x51\0\0"),
        item(0x50, b"", 4),
        b"\x50",
    ],
)
def test_broken_user_information(information: bytes) -> None:
    with pytest.raises(ProtocolFault):
        parsed(associate(information=information))


def test_an_application_context_of_too_many_characters() -> None:
    with pytest.raises(ProtocolFault, match="64"):
        parsed(associate(application=item(0x10, b"1" * 65)))
    assert parsed(associate(application=b"")).application_context == ""


def test_a_request_cut_anywhere_is_refused_or_has_less() -> None:
    whole = parsed(associate())
    body = associate()[6:]
    for end in range(len(body)):
        with suppress(ProtocolFault):
            assert len(parse_request(memoryview(body[:end])).proposals) <= len(whole.proposals)
    for end in range(68):
        with pytest.raises(ProtocolFault, match="cut short"):
            parse_request(memoryview(body[:end]))


def fuzz(parse: Callable[[memoryview], object], data: bytes) -> None:
    """Anything but a `ProtocolFault` fails the test."""
    with suppress(ProtocolFault):
        parse(memoryview(data))


BODY = associate(information=user(16384, item(0x54, b"\0\x11" + b"1" * 17 + b"\1\1"), item(0x53, b"\0\1\0\1")))[6:]
CHANGES = st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), max_size=6)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_any_bytes_after_the_fixed_part(data: bytes) -> None:
    fuzz(parse_request, BODY[:68] + data)
    fuzz(parse_accept, BODY[:68] + data)
    fuzz(parse_request, data)
    fuzz(parse_accept, data)


@settings(deadline=None, max_examples=150)
@given(CHANGES, st.integers(0, len(BODY)))
def test_changed_and_cut_requests_are_negotiated_or_refused(changes: list[tuple[int, int]], end: int) -> None:
    data = bytearray(BODY)
    for where, byte in changes:
        data[where] = byte
    for body in (bytes(data), bytes(data[:end])):
        try:
            request = parse_request(memoryview(body))
        except ProtocolFault:
            continue
        accepted, results = Acceptable([MR, CT], TRANSFER_SYNTAXES, is_uid).negotiate(request)
        assert len(results) == len(request.proposals)
        assert set(accepted) <= {proposal.context_id for proposal in request.proposals}


# ---- deciding ----


def test_explicit_little_endian_is_preferred_in_whatever_order_it_is_offered() -> None:
    acceptable = Acceptable([MR], TRANSFER_SYNTAXES)
    for offered in ((IMPLICIT, EXPLICIT, BIG), (BIG, EXPLICIT), (JPEG, IMPLICIT, EXPLICIT), (EXPLICIT,)):
        assert acceptable.negotiate(proposing((1, MR, offered)))[0][1] == Context(1, MR, EXPLICIT)


def test_every_syntax_is_accepted_alone() -> None:
    acceptable = Acceptable([MR], TRANSFER_SYNTAXES)
    for name in TRANSFER_SYNTAXES:
        assert acceptable.negotiate(proposing((1, MR, ("1.2.3", name))))[0] == {1: Context(1, MR, name)}


def test_results_say_why_a_context_is_not_accepted() -> None:
    """PS3.8 table 9-18: 3 for an abstract syntax, 4 for transfer syntaxes that are not supported."""
    request = proposing((1, MR, (EXPLICIT,)), (3, ENHANCED, (EXPLICIT,)), (5, MR, ("1.2.3",)), (7, MR, (IMPLICIT,)))
    accepted, results = Acceptable([MR], TRANSFER_SYNTAXES).negotiate(request)
    assert accepted == {1: Context(1, MR, EXPLICIT), 7: Context(7, MR, IMPLICIT)}
    assert {result.context_id: result.result for result in results} == {1: 0, 3: 3, 5: 4, 7: 0}


def test_verification_is_always_accepted() -> None:
    accepted, _ = Acceptable([], TRANSFER_SYNTAXES).negotiate(proposing((1, VERIFICATION, (IMPLICIT, EXPLICIT))))
    assert accepted == {1: Context(1, VERIFICATION, EXPLICIT)}


def test_unknown_classes_are_judged_one_by_one() -> None:
    asked: list[str] = []

    def unknown(uid: str) -> bool:
        asked.append(uid)
        return uid == "1.2.3.4"

    request = proposing((1, "1.2.3.4", (EXPLICIT,)), (3, "1.2.3.5", (EXPLICIT,)), (5, MR, (EXPLICIT,)))
    accepted, _ = Acceptable([MR], TRANSFER_SYNTAXES, unknown).negotiate(request)
    assert set(accepted) == {1, 5}
    assert set(asked) == {"1.2.3.4", "1.2.3.5"}


@pytest.mark.parametrize("name", ["", "1.02.3", "abc", "1..2", "../../x", "1.2\n", "\xff", "0", "1.2.3."])
def test_names_that_are_no_uids_are_refused_quietly(name: str) -> None:
    """Warnings are errors in these tests: a peer must not be able to fill the log, and Python's list of them."""
    request = proposing((1, name, (EXPLICIT,)), (3, MR, (name, EXPLICIT)), (5, MR, (name,)))
    accepted, results = Acceptable([MR], TRANSFER_SYNTAXES).negotiate(request)
    assert accepted == {3: Context(3, MR, EXPLICIT)}
    data = encode_accept(request, results, 16384)
    assert parse_accept(memoryview(data)[6:]).transfer_syntaxes == {3: EXPLICIT}


def test_a_name_that_is_almost_a_uid_is_refused_quietly_by_who_takes_unknown_classes() -> None:
    request = proposing((1, "182..40.10008.5.1.4", (EXPLICIT,)), (3, "1.02.3", (EXPLICIT,)), (5, "1.2.3", (EXPLICIT,)))
    accepted, results = Acceptable([MR], TRANSFER_SYNTAXES, is_uid).negotiate(request)
    assert accepted == {5: Context(5, "1.2.3", EXPLICIT)}
    assert {result.context_id: result.result for result in results} == {1: 3, 3: 3, 5: 0}


def test_no_proposals_at_all() -> None:
    accepted, results = Acceptable([MR], TRANSFER_SYNTAXES).negotiate(proposing())
    assert accepted == {}
    assert parse_accept(memoryview(encode_accept(proposing(), results, 100))[6:]).transfer_syntaxes == {}


# ---- the acceptance, read by pynetdicom and by us ----


def test_the_acceptance_is_read_by_pynetdicom() -> None:
    request = proposing((1, MR, (JPEG, EXPLICIT)), (3, ENHANCED, (EXPLICIT,)), (255, MR, ("1.2.3",)))
    _, results = Acceptable([MR], TRANSFER_SYNTAXES).negotiate(request)
    data = encode_accept(request, results, 131072)
    theirs = read_by_pynetdicom(data)
    assert (theirs.result, theirs.calling_ae_title, theirs.called_ae_title) == (0, "SCANNER", "MRDOCK")
    assert theirs.application_context_name == APPLICATION_CONTEXT
    assert theirs.maximum_length_received == 131072
    said = {
        result.context_id: (result.result, *result.transfer_syntax)
        for result in theirs.presentation_context_definition_results_list
    }
    assert said[1] == (0, EXPLICIT)
    assert (said[3][0], said[255][0]) == (3, 4)
    ours = parse_accept(memoryview(data)[6:])
    assert (ours.transfer_syntaxes, ours.longest) == ({1: EXPLICIT}, 131072)


def test_the_acceptance_gives_the_titles_back_as_they_came() -> None:
    """PS3.8 table 9-17: bytes 11 to 74, whatever they hold."""
    for title in (b"SCANNER", b"\0\1\x1b[2J\xff", b"A\\B", b""):
        data = associate(calling=title, called=title)
        assert encode_accept(parsed(data), [], 16384)[10:74] == data[10:74]


def test_128_results_are_encoded() -> None:
    request = proposing(*((number, MR, (EXPLICIT, IMPLICIT)) for number in range(1, 256, 2)))
    accepted, results = Acceptable([MR], TRANSFER_SYNTAXES).negotiate(request)
    data = encode_accept(request, results, 16384)
    assert len(accepted) == len(read_by_pynetdicom(data).presentation_context_definition_results_list) == 128


@pytest.mark.parametrize(
    "title", ["", "A", "sixteen letters!", "../../../../tmp/", "%s%n%x", "`id`;", "?", "A B", "A\\B"]
)
def test_any_title_can_be_answered(title: str) -> None:
    """A listener for anyone accepts it."""
    request = parsed(associate(calling=title.encode(), called=title.encode()))
    data = encode_accept(request, [], 16384)
    assert struct.unpack_from(">BxI", data) == (2, len(data) - 6)


@pytest.mark.parametrize(
    "data", [b"", bytes(67), bytes(68) + b"\x21\0\0\x09", bytes(68) + item(0x50, item(0x51, b"\0"))]
)
def test_broken_acceptances(data: bytes) -> None:
    with pytest.raises(ProtocolFault):
        parse_accept(memoryview(data))


def test_a_refused_context_of_an_acceptance_counts_for_nothing() -> None:
    body = bytes(68)
    for number, result in ((1, 0), (3, 1), (5, 2), (7, 3), (9, 4)):
        body += item(0x21, bytes((number, 0, result, 0)) + item(0x40, EXPLICIT.encode()))
    body += item(0x21, bytes((11, 0, 0, 0)))  # accepted, but no syntax
    assert parse_accept(memoryview(body)).transfer_syntaxes == {1: EXPLICIT}
    assert messages.pdu(2, body)[:2] == b"\2\0"
