"""What an acceptor does with each PDU in each state: the table, then what each message brings."""

from __future__ import annotations

import itertools

import pytest

from mrdock.network import dimse, pdu
from mrdock.network.association import (
    ALLOWED,
    Association,
    Context,
    Ended,
    Event,
    Reply,
    State,
    StoreBegins,
    StoreData,
    StoreEnds,
)
from mrdock.network.pdu import PduBuffer, ProtocolFault

from . import messages
from .messages import EXPLICIT, IMPLICIT, MR, VERIFICATION, pdv

MR_CONTEXT = Context(3, MR, EXPLICIT)
CONTEXTS = {
    1: Context(1, MR, IMPLICIT),
    3: MR_CONTEXT,
    5: Context(5, VERIFICATION, IMPLICIT),
}


def association(peer_longest: int = 0) -> Association:
    return Association(CONTEXTS, VERIFICATION, peer_longest)


def receive(asked: Association, kind: int, body: bytes = b"") -> list[Event]:
    """The events of one PDU; a data set that ends is answered with Success, as a server does."""
    found: list[Event] = []
    for event in asked.receive(kind, memoryview(body)):
        found.append(event)
        if isinstance(event, StoreEnds):
            found.append(Reply(asked.store_reply(event, 0)))
    return found


def say(asked: Association, *values: bytes) -> list[Event]:
    return receive(asked, pdu.P_DATA, b"".join(values))


def answers(events: list[Event]) -> list[tuple[int, int | None, int | None]]:
    """Command field, message and status of each reply among the events."""
    found = []
    for event in events:
        if isinstance(event, Reply):
            command = b""
            buffer = PduBuffer(1 << 16, event.data)
            while (received := buffer.next()) is not None:
                for value in pdu.pdvs(received[1]):
                    assert value.is_command
                    command += value.data
            said = dimse.decode_command(command)
            found.append((said.field, said.responded_id, said.status))
    return found


# ---- the table ----


def into(state: State) -> Association:
    """An association that has come to this state by what a peer may send."""
    asked = association()
    if state is State.COMMAND:
        say(asked, pdv(3, messages.echo()[:20], command=True, last=False))
    elif state is State.DATA_SET:
        say(asked, pdv(3, messages.command(), command=True, last=True))
    elif state is State.UNWANTED:
        say(asked, pdv(3, messages.find(), command=True, last=True))
    elif state is State.ENDED:
        receive(asked, pdu.RELEASE_RQ, bytes(4))
    assert asked.state is state
    return asked


BODIES = {
    State.MESSAGE: pdv(3, messages.echo(), command=True, last=True),
    State.COMMAND: pdv(3, messages.echo()[20:], command=True, last=True),
    State.DATA_SET: pdv(3, b"data", command=False, last=False),
    State.UNWANTED: pdv(3, b"data", command=False, last=False),
    State.ENDED: pdv(3, messages.echo(), command=True, last=True),
}


def test_the_table_has_every_state_and_only_known_types() -> None:
    assert set(ALLOWED) == set(State)
    assert frozenset().union(*ALLOWED.values()) <= set(range(1, 8))


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(State, range(1, 8))))
def test_every_pdu_type_in_every_state(state: State, kind: int) -> None:
    asked = into(state)
    body = BODIES[state] if kind == pdu.P_DATA else bytes(4)
    if kind in ALLOWED[state]:
        receive(asked, kind, body)
        if kind in (pdu.RELEASE_RQ, pdu.ABORT):
            assert asked.state is State.ENDED
        return
    with pytest.raises(ProtocolFault, match=f"PDU type {kind} while waiting for {state.value}") as caught:
        receive(asked, kind, body)
    assert caught.value.reason == pdu.UNEXPECTED_PDU
    assert asked.state is state


def test_the_standard_s_rules_are_in_the_table() -> None:
    """PS3.8 table 9-10: a release only between messages, an abort always, nothing after the end."""
    for state in State:
        alive = state is not State.ENDED
        assert (pdu.ABORT in ALLOWED[state]) is alive
        assert (pdu.P_DATA in ALLOWED[state]) is alive
        assert (pdu.RELEASE_RQ in ALLOWED[state]) is (state is State.MESSAGE)
        assert not ALLOWED[state] & {pdu.ASSOCIATE_RQ, pdu.ASSOCIATE_AC, pdu.ASSOCIATE_RJ, pdu.RELEASE_RP}


FRAGMENTS: dict[tuple[State, bool], State | None] = {
    # state, is a command: the state after a fragment that is not the last one; None is a fault
    (State.MESSAGE, True): State.COMMAND,
    (State.MESSAGE, False): None,
    (State.COMMAND, True): State.COMMAND,
    (State.COMMAND, False): None,
    (State.DATA_SET, True): None,
    (State.DATA_SET, False): State.DATA_SET,
    (State.UNWANTED, True): None,
    (State.UNWANTED, False): State.UNWANTED,
}


@pytest.mark.parametrize(("state", "command"), list(FRAGMENTS))
def test_every_kind_of_fragment_in_every_state(state: State, command: bool) -> None:
    asked = into(state)
    after = FRAGMENTS[state, command]
    fragment = pdv(3, b"abcd", command=command, last=False)
    if after is None:
        with pytest.raises(ProtocolFault) as caught:
            say(asked, fragment)
        assert caught.value.reason == pdu.UNEXPECTED_PDU
    else:
        say(asked, fragment)
        assert asked.state is after


@pytest.mark.parametrize("state", [State.COMMAND, State.DATA_SET, State.UNWANTED])
def test_a_message_stays_on_its_context(state: State) -> None:
    for other in (1, 5, 2, 7, 255, 0):
        with pytest.raises(ProtocolFault, match="changes its presentation context"):
            say(into(state), pdv(other, b"abcd", command=state is State.COMMAND, last=False))


# ---- messages ----


def test_a_store() -> None:
    asked = association()
    command = messages.command(message=77, instance="1.2.3.99")
    begins, *rest = say(asked, pdv(3, command, command=True, last=True))
    assert isinstance(begins, StoreBegins)
    assert begins.context == MR_CONTEXT
    assert (begins.command.message_id, begins.command.sop_class, begins.command.sop_instance) == (77, MR, "1.2.3.99")
    assert rest == []
    events = say(asked, pdv(3, b"some", command=False, last=False)) + say(
        asked, pdv(3, b"data", command=False, last=True)
    )
    assert [bytes(event.data) for event in events if isinstance(event, StoreData)] == [b"some", b"data"]
    assert isinstance(events[2], StoreEnds)
    assert answers(events) == [(dimse.STORE_RSP, 77, 0)]
    assert asked.state is State.MESSAGE


def test_the_handler_s_status_and_comment_are_answered() -> None:
    asked = into(State.DATA_SET)
    *_, ended = asked.receive(pdu.P_DATA, memoryview(pdv(3, b"", command=False, last=True)))
    assert isinstance(ended, StoreEnds)
    reply = asked.store_reply(ended, 0xA700, "the disk is full")
    body = memoryview(reply)[6:]
    (value,) = pdu.pdvs(body)
    said = dimse.decode_command(bytes(value.data))
    assert (said.status, said.comment, said.responded_id) == (0xA700, "the disk is full", 1)
    assert (value.context_id, value.is_last) == (3, True)


def test_a_data_set_of_no_bytes() -> None:
    events = say(into(State.DATA_SET), pdv(3, b"", command=False, last=True))
    assert [type(event) for event in events] == [StoreData, StoreEnds, Reply]


def test_a_data_set_in_absurdly_small_fragments_is_cut_off() -> None:
    asked = into(State.DATA_SET)
    crumb, bite = pdv(3, b"ab", command=False, last=False), pdv(3, bytes(400), command=False, last=False)
    for _ in range(10_000):
        say(asked, crumb)
    with pytest.raises(ProtocolFault, match="small fragments"):
        say(asked, crumb)
    asked = into(State.DATA_SET)
    for _ in range(6_000):
        say(asked, crumb)
        say(asked, bite)
    assert asked.state is State.DATA_SET


@pytest.mark.parametrize("context_id", [1, 3, 5])
def test_an_echo_is_answered_on_its_context(context_id: int) -> None:
    events = say(association(), pdv(context_id, messages.echo(9), command=True, last=True))
    assert answers(events) == [(dimse.ECHO_RSP, 9, 0)]
    assert isinstance(events[0], Reply)
    assert events[0].data[10] == context_id


def test_many_messages_in_one_pdu() -> None:
    head = messages.command(message=2)
    events = say(
        association(),
        pdv(5, messages.echo(1), command=True, last=True),
        pdv(3, head[:30], command=True, last=False),
        pdv(3, head[30:], command=True, last=True),
        pdv(3, b"data", command=False, last=True),
        pdv(1, messages.command(message=3), command=True, last=True),
        pdv(1, b"more", command=False, last=True),
    )
    assert answers(events) == [(dimse.ECHO_RSP, 1, 0), (dimse.STORE_RSP, 2, 0), (dimse.STORE_RSP, 3, 0)]


@pytest.mark.parametrize("field", [0x0010, 0x0020, 0x0021, 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150, 0x7777, 0])
def test_other_operations_are_refused_in_words_with_and_without_data_set(field: int) -> None:
    """The status of an unrecognised operation, PS3.7 annex C; the association goes on."""
    asked = association()
    without = messages.command(field, data_set=messages.NO_DATA_SET)
    assert answers(say(asked, pdv(3, without, command=True, last=True))) == [(field | 0x8000, 1, 0x0211)]
    assert say(asked, pdv(3, messages.command(field), command=True, last=True)) == []
    assert say(asked, pdv(3, b"identifier", command=False, last=False)) == []
    assert answers(say(asked, pdv(3, b"", command=False, last=True))) == [(field | 0x8000, 1, 0x0211)]
    assert answers(say(asked, pdv(5, messages.echo(8), command=True, last=True))) == [(dimse.ECHO_RSP, 8, 0)]


def test_a_store_without_data_set_is_a_mistyped_argument() -> None:
    for data_set in (messages.NO_DATA_SET, None):
        head = messages.command(data_set=data_set)
        assert answers(say(association(), pdv(3, head, command=True, last=True))) == [(dimse.STORE_RSP, 1, 0x0212)]


def test_a_store_on_the_verification_context_is_refused_after_its_data_set() -> None:
    asked = association()
    assert say(asked, pdv(5, messages.command(), command=True, last=True)) == []
    assert answers(say(asked, pdv(5, b"data", command=False, last=True))) == [(dimse.STORE_RSP, 1, 0x0211)]


def test_an_echo_that_announces_a_data_set_is_refused_after_it() -> None:
    asked = association()
    head = messages.command(messages.ECHO, sop_class=VERIFICATION, instance=None)
    assert say(asked, pdv(5, head, command=True, last=True)) == []
    assert answers(say(asked, pdv(5, b"data", command=False, last=True))) == [(dimse.ECHO_RSP, 1, 0x0211)]


def test_a_cancel_is_passed_over() -> None:
    asked = association()
    cancel = messages.command(
        messages.CANCEL, message=None, sop_class=None, instance=None, responded=7, data_set=messages.NO_DATA_SET
    )
    assert say(asked, pdv(3, cancel, command=True, last=True)) == []
    assert asked.state is State.MESSAGE


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (messages.command(messages.STORE_RESPONSE, status=0, responded=1), "response that nothing asked for"),
        (messages.command(message=None), "without a message id"),
        (messages.command(None), "without a command field"),
        (b"", "without a command field"),
        (b"\0\0\0\0", "cut short"),
    ],
)
def test_commands_that_end_the_association(head: bytes, why: str) -> None:
    with pytest.raises(ProtocolFault, match=why):
        say(association(), pdv(3, head, command=True, last=True))


@pytest.mark.parametrize("context_id", [0, 2, 7, 99, 255])
def test_a_context_that_was_not_accepted(context_id: int) -> None:
    with pytest.raises(ProtocolFault, match=f"presentation context {context_id} was not accepted"):
        say(association(), pdv(context_id, messages.echo(), command=True, last=True))


def test_a_command_set_without_end_is_bounded() -> None:
    asked = association()
    fragment = pdv(3, bytes(1024), command=True, last=False)
    for _ in range(dimse.LONGEST_COMMAND // 1024):
        say(asked, fragment)
    with pytest.raises(ProtocolFault, match="without end"):
        say(asked, fragment)


def test_a_release_and_an_abort() -> None:
    assert receive(association(), pdu.RELEASE_RQ, bytes(4)) == [Ended(True, pdu.RELEASE_REPLY)]
    assert receive(association(), pdu.ABORT, bytes(4)) == [Ended(False)]


@pytest.mark.parametrize("longest", [0, 8, 20, 64, 128, 16384])
def test_replies_fit_the_peer_s_limit(longest: int) -> None:
    asked = association(longest)
    events = say(asked, pdv(5, messages.echo(9), command=True, last=True))
    assert answers(events) == [(dimse.ECHO_RSP, 9, 0)]
    assert isinstance(events[0], Reply)
    buffer = PduBuffer(longest or 1 << 16, events[0].data)
    while buffer.next() is not None:
        pass
    assert buffer.empty


def test_what_comes_before_a_fault_counts() -> None:
    """As if it had come in a PDU of its own."""
    asked = association()
    body = pdv(5, messages.echo(1), command=True, last=True) + b"\0\0"
    events = asked.receive(pdu.P_DATA, memoryview(body))
    assert isinstance(next(events), Reply)
    with pytest.raises(ProtocolFault):
        next(events)
