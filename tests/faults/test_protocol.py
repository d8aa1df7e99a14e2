"""T18: messages that are no requests, not allowed, in the wrong place or at odds with themselves; no half object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from tests.dock.support import Image
from tests.faults.raw import (
    BROKEN,
    INVALID_PARAMETER,
    LISTENERS,
    SUCCESS,
    UNEXPECTED_PDU,
    UNKNOWN_OPERATION,
    WITHOUT_DATA_SET,
    Scene,
    aborted,
    begun,
    command_of,
    request,
    said,
    scene,
)
from tests.network import messages
from tests.network.messages import CANCEL, NO_DATA_SET, RELEASE, STORE_RESPONSE, p_data, pdv
from tests.network.serving import Raw


@dataclass(frozen=True)
class Case:
    """What is said of an image in an open association, the statuses that are answered, and how it ends.

    ``abort`` is the reason of the abort at the end; None where the association goes on.
    """

    says: Callable[[Image], bytes]
    statuses: tuple[int, ...] = ()
    abort: int | None = None


@pytest.fixture(scope="module")
def dock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("protocol")) as running:
        yield running


def commanded(item: Image, **what: Any) -> bytes:
    """A C-STORE request with something else in its command."""
    return request(item, command=command_of(item, **what))


def lying(item: Image, length: int) -> bytes:
    """A C-STORE request whose Command Group Length says something else."""
    return request(item, command=messages.element(0, length.to_bytes(4, "little")) + command_of(item)[12:])


def alone(field: int, **what: Any) -> bytes:
    """A command of this field without a data set."""
    head = messages.command(field, **{"data_set": NO_DATA_SET, "instance": "1.2.3", **what})
    return said(head, command=True)


def fragment(data: bytes, context_id: int = 3, last: bool = False) -> bytes:
    return p_data(pdv(context_id, data, command=False, last=last))


def interleaved(item: Image) -> bytes:
    """Two commands on two contexts, then parts of two data sets in turn."""
    data, half = item.data, len(item.data) // 2 & ~1
    first, second = said(command_of(item), 3, command=True), said(command_of(item, 2), 1, command=True)
    parts = [fragment(data[:half], 3), fragment(data[:half], 1), fragment(data[half:], 3, True)]
    return first + second + b"".join(parts) + fragment(data[half:], 1, True)


OPERATIONS: Final = {
    "C-GET": 0x0010,
    "C-FIND": 0x0020,
    "C-MOVE": 0x0021,
    "N-EVENT-REPORT": 0x0100,
    "N-GET": 0x0110,
    "N-SET": 0x0120,
    "N-ACTION": 0x0130,
    "N-CREATE": 0x0140,
    "N-DELETE": 0x0150,
    "0x7777": 0x7777,
}

CASES: Final[dict[str, Case]] = {
    # contexts
    "a context that was not proposed": Case(lambda item: request(item, context_id=99), abort=INVALID_PARAMETER),
    "an even context": Case(lambda item: request(item, context_id=2), abort=INVALID_PARAMETER),
    "a store in the verification context": Case(lambda item: request(item, context_id=5), (UNKNOWN_OPERATION,)),
    "the data set in another context": Case(
        lambda item: said(command_of(item), command=True) + said(item.data, 1), abort=INVALID_PARAMETER
    ),
    "two stores interleaved on two contexts": Case(interleaved, abort=UNEXPECTED_PDU),
    # commands that lack something
    "no data set": Case(lambda item: said(command_of(item, data_set=NO_DATA_SET), command=True), (WITHOUT_DATA_SET,)),
    "no data set announced, but one that comes": Case(
        lambda item: commanded(item, data_set=NO_DATA_SET), (WITHOUT_DATA_SET,), UNEXPECTED_PDU
    ),
    "no data set type": Case(lambda item: commanded(item, data_set=None), (WITHOUT_DATA_SET,), UNEXPECTED_PDU),
    "no message id": Case(lambda item: commanded(item, message=None), abort=INVALID_PARAMETER),
    "no command field": Case(lambda item: commanded(item, field=None), abort=INVALID_PARAMETER),
    "no command at all": Case(lambda item: said(b"", command=True) + said(item.data), abort=INVALID_PARAMETER),
    "a command of noise": Case(lambda item: said(bytes(range(100)), command=True), abort=INVALID_PARAMETER),
    "a command without end": Case(
        lambda item: p_data(pdv(3, bytes(16000), command=True, last=False)) * 5, abort=INVALID_PARAMETER
    ),
    # what nothing asked for
    "a response": Case(lambda item: alone(STORE_RESPONSE, responded=1, status=0), abort=INVALID_PARAMETER),
    "a data set without a command": Case(lambda item: said(item.data), abort=UNEXPECTED_PDU),
    "a cancel": Case(lambda item: alone(CANCEL, message=None, instance=None, responded=7)),
    "another association request": Case(lambda item: messages.associate(), abort=UNEXPECTED_PDU),
    # in the wrong place
    "a release where a data set is due": Case(
        lambda item: said(command_of(item), command=True) + RELEASE, abort=UNEXPECTED_PDU
    ),
    "a release in a data set, then its rest": Case(
        lambda item: begun(item, 100) + RELEASE + said(item.data[100:]), abort=UNEXPECTED_PDU
    ),
    "a command in a data set": Case(lambda item: begun(item, 100) + request(item), abort=UNEXPECTED_PDU),
    # fragments
    "500 empty PDUs": Case(lambda item: messages.pdu(4) * 500, abort=INVALID_PARAMETER),
    "500 empty fragments without a command": Case(lambda item: fragment(b"") * 500, abort=UNEXPECTED_PDU),
    "20,000 empty fragments of a data set": Case(
        lambda item: begun(item, 0) + fragment(b"") * 20_000, abort=INVALID_PARAMETER
    ),
    # UIDs
    "an empty UID": Case(lambda item: request(replace(item, uid="", data=without_uid(item))), (BROKEN,)),
} | {
    f"a value of length {length:#x}": Case(
        lambda item, length=length: p_data(pdv(3, b"abcd", command=True, last=True, length=length)),  # type: ignore[misc]
        abort=INVALID_PARAMETER,
    )
    for length in (0, 1, 3, 0x00FFFFFF, 0xFFFFFFFF)
}


def without_uid(item: Image) -> bytes:
    """The data set with an empty SOP Instance UID."""
    value = item.uid.encode() + b"\0" * (len(item.uid) % 2)
    head = b"\x08\0\x18\0UI"
    return item.data.replace(head + len(value).to_bytes(2, "little") + value, head + b"\0\0")


def ends(peer: Raw, abort: int | None) -> None:
    """The association is aborted for this reason, or goes on and is released."""
    if abort is None:
        peer.echo(99)
        peer.release()
    else:
        assert peer.hear_all() == aborted(abort)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("listener", LISTENERS)
def test_t18_what_is_no_proper_request(dock: Scene, listener: str, name: str) -> None:
    """A message that breaks the rules: a status or an abort with its reason, nothing stored; before it, as ever."""
    case = CASES[name]
    with dock.peer(listener) as peer:
        dock.take(peer, dock.image())
        peer.say(case.says(dock.image()))
        assert tuple(peer.answer().status for _ in case.statuses) == case.statuses
        ends(peer, case.abort)
    dock.unharmed()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("listener", LISTENERS)
def test_t18_an_operation_that_is_not_ours(dock: Scene, listener: str, operation: str) -> None:
    """Another command than C-STORE and C-ECHO, with and without a data set: 0x0211, and the association goes on."""
    field = OPERATIONS[operation]
    with dock.peer(listener) as peer:
        item = dock.image()
        peer.say(commanded(item, field=field))
        answer = peer.answer()
        assert (answer.status, answer.field, answer.responded_id) == (UNKNOWN_OPERATION, field | 0x8000, 1)
        peer.say(alone(field, message=2))
        answer = peer.answer()
        assert (answer.status, answer.field, answer.responded_id) == (UNKNOWN_OPERATION, field | 0x8000, 2)
        dock.take(peer, item)
        ends(peer, None)
    dock.unharmed()


@pytest.mark.parametrize("listener", LISTENERS)
def test_t18_a_release_then_a_store(dock: Scene, listener: str) -> None:
    """A whole C-STORE after the release: the release is answered, the image is neither stored nor acknowledged."""
    with dock.peer(listener) as peer:
        peer.say(RELEASE, request(dock.image()))
        assert peer.hear_all() == [(6, bytes(4))]
    dock.unharmed()


@pytest.mark.parametrize("listener", LISTENERS)
def test_t18_what_is_odd_but_whole_is_taken(dock: Scene, listener: str) -> None:
    """Message ids used twice, group lengths that lie, empty and tiny fragments, C-ECHO on any context: all is taken."""
    with dock.peer(listener) as peer:
        for _ in range(2):
            dock.take(peer, dock.image(), message=7)
        for length in (0, 0xFFFFFFFF):
            item = dock.image()
            peer.say(lying(item, length))
            assert peer.answer().status == SUCCESS
            dock.note(item)
        item = dock.image()
        peer.say(begun(item, 0), fragment(b"") * 500, said(item.data))
        assert peer.answer().status == SUCCESS
        dock.note(item)
        item = dock.image()
        for data, is_command in ((command_of(item), True), (item.data, False)):
            values = messages.values(3, data, command=is_command, sizes=(2,))
            peer.say(b"".join(map(p_data, values)))
        assert peer.answer().status == SUCCESS
        dock.note(item)
        peer.say(said(messages.echo(8), command=True))
        assert peer.answer().status == SUCCESS
        ends(peer, None)
    dock.unharmed()
