"""Association negotiation (PS3.8 sections 7.1 and 9.3): pynetdicom decides and encodes, what comes in is checked here.

A request is taken apart by `parse_request`, which believes no length and no count; only what it found goes on to
pynetdicom. Unknown items are passed over, as PS3.8 section 9.3.1 asks.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from mrdock.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mrdock.dicom.sop_classes import VERIFICATION
from mrdock.errors import NetworkError
from mrdock.network.association import Context
from mrdock.network.pdu import ProtocolFault

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
DEFAULT_LONGEST: Final = 16384

WINDOW: Final = 8
"""So many C-STORE requests may be under way before the first is answered, where the peer asks for several (PS3.7
section D.3.3.3): their images are then written and synced together."""

_MOST_CONTEXTS: Final = 128
_NO_SYNTAX: Final = "1.2.3"
_NO_CLASS: Final = "1.2.840.10008.0"  # never accepted, under whatever rule for unknown classes
_STRICT_UID: Final = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")

_APPLICATION_ITEM = 0x10
_CONTEXT_RQ_ITEM = 0x20
_CONTEXT_AC_ITEM = 0x21
_ABSTRACT_ITEM = 0x30
_TRANSFER_ITEM = 0x40
_USER_ITEM = 0x50
_LENGTH_ITEM = 0x51
_WINDOW_ITEM = 0x53
_FIXED = 68  # protocol version, two AE titles and reserved bytes before the variable items


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposed presentation context."""

    context_id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """An A-ASSOCIATE-RQ: who calls whom, and what it proposes.

    ``longest`` is the longest PDU body the requestor takes (0: any); ``titles`` are its bytes 11 to 74, which an
    acceptance gives back as they came (PS3.8 table 9-17). ``window`` is how many operations it wants to have under way
    at once (0: any number), None where it does not say: then it is one.
    """

    calling: str
    called: str
    application_context: str
    version: int
    proposals: tuple[Proposal, ...]
    longest: int
    titles: bytes = field(default=b"", compare=False)
    window: int | None = None

    @property
    def granted(self) -> int:
        """How many operations it may have under way at once."""
        return _granted(self.window)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the peer accepted of our proposals: transfer syntax by context id; ``longest`` as in `Request`.

    ``window`` is how many operations we may have under way at once.
    """

    transfer_syntaxes: Mapping[int, str]
    longest: int
    window: int = 1


def _granted(window: int | None) -> int:
    """Of a window that a peer says (None: it does not, 0: any number): how many operations may be under way at once."""
    return 1 if window is None else min(window or WINDOW, WINDOW)


def _items(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The items of a variable field as (type, value); raises `ProtocolFault` where a length is wrong."""
    pos, end = 0, len(data)
    while pos < end:
        if end - pos < 4:
            raise ProtocolFault("an item of the association request is cut short")
        kind, length = struct.unpack_from(">BxH", data, pos)
        pos += 4
        if length > end - pos:
            raise ProtocolFault("an item of the association request is longer than what holds it")
        yield kind, data[pos : pos + length]
        pos += length


def _uid(raw: memoryview) -> str:
    text = bytes(raw).strip(b"\0 ").decode("latin-1")
    if len(text) > 64:
        raise ProtocolFault("a UID of more than 64 characters")
    return text


def _title(raw: memoryview) -> str:
    """An AE title; what PS3.5 section 6.2 does not allow in one (control bytes, backslash) becomes a question mark."""
    text = bytes(raw).strip(b"\0 ").decode("latin-1")
    return "".join(char if " " <= char <= "~" and char != "\\" else "?" for char in text)


def _user(data: memoryview) -> tuple[int, int | None]:
    """Of the user information: the longest PDU, and how many operations may be invoked at once (None: not said)."""
    longest, window = DEFAULT_LONGEST, None
    for kind, value in _items(data):
        if kind in (_LENGTH_ITEM, _WINDOW_ITEM) and len(value) != 4:
            raise ProtocolFault("an item of the user information has a wrong length")
        if kind == _LENGTH_ITEM:
            (longest,) = struct.unpack(">I", value)
        elif kind == _WINDOW_ITEM:
            (window,) = struct.unpack_from(">H", value)
    return longest, window


def parse_request(body: memoryview) -> Request:
    """Take the body of an A-ASSOCIATE-RQ apart. Raises `ProtocolFault`."""
    if len(body) < _FIXED:
        raise ProtocolFault("the association request is cut short")
    application, longest, window = "", DEFAULT_LONGEST, None
    proposals: list[Proposal] = []
    for kind, value in _items(body[_FIXED:]):
        if kind == _APPLICATION_ITEM:
            application = _uid(value)
        elif kind == _CONTEXT_RQ_ITEM:
            proposals.append(_proposal(value))
        elif kind == _USER_ITEM:
            longest, window = _user(value)
    ids = {proposal.context_id for proposal in proposals}
    if len(ids) != len(proposals) or len(ids) > _MOST_CONTEXTS or not all(number % 2 for number in ids):
        raise ProtocolFault("presentation context ids are to be odd, different and 128 at most")
    return Request(
        calling=_title(body[20:36]),
        called=_title(body[4:20]),
        application_context=application,
        version=struct.unpack_from(">H", body)[0],
        proposals=tuple(proposals),
        longest=longest,
        titles=bytes(body[4:_FIXED]),
        window=window,
    )


def _proposal(value: memoryview) -> Proposal:
    if len(value) < 4:
        raise ProtocolFault("a presentation context is cut short")
    abstract: list[str] = []
    transfer: list[str] = []
    for kind, name in _items(value[4:]):
        if kind == _ABSTRACT_ITEM:
            abstract.append(_uid(name))
        elif kind == _TRANSFER_ITEM:
            transfer.append(_uid(name))
    if len(abstract) != 1 or not transfer:
        raise ProtocolFault("a presentation context needs one abstract and some transfer syntax")
    return Proposal(value[0], abstract[0], tuple(transfer))


def _is_strict(uid: str) -> bool:
    """Whether a UID follows the standard to the letter (PS3.5 section 9.1); pydicom warns of all others."""
    return len(uid) <= 64 and _STRICT_UID.fullmatch(uid) is not None


class Acceptable:
    """The abstract and transfer syntaxes of one listener."""

    def __init__(
        self,
        abstract_syntaxes: Iterable[str],
        transfer_syntaxes: Sequence[str],
        unknown: Callable[[str], bool] | None = None,
    ) -> None:
        """``transfer_syntaxes`` in order of preference; ``unknown`` judges abstract syntaxes that are not listed."""
        self._transfer = list(transfer_syntaxes)
        self._contexts = {uid: build_context(uid, self._transfer) for uid in abstract_syntaxes}
        self._contexts[VERIFICATION] = build_context(VERIFICATION, self._transfer[:2])
        self._unknown = unknown

    def negotiate(self, request: Request) -> tuple[dict[int, Context], list[PresentationContext]]:
        """The accepted contexts by id, and pynetdicom's results for `encode_accept`."""
        proposed = []
        supported = {}
        for proposal in request.proposals:
            context = PresentationContext()
            context.context_id = proposal.context_id
            # pynetdicom warns of what is no UID; such a name is none of ours, so one that is never accepted will do
            name = proposal.abstract_syntax if _is_strict(proposal.abstract_syntax) else _NO_CLASS
            context.abstract_syntax = UID(name)
            context.transfer_syntax = [uid for uid in proposal.transfer_syntaxes if uid in self._transfer] or [
                _NO_SYNTAX
            ]
            proposed.append(context)
            known = self._contexts.get(name)
            if known is None and name != _NO_CLASS and self._unknown is not None and self._unknown(name):
                known = build_context(name, self._transfer)
            if known is not None:
                supported[name] = known
        results, _ = negotiate_as_acceptor(proposed, list(supported.values()))
        accepted = {
            number: Context(number, str(result.abstract_syntax), str(result.transfer_syntax[0]))
            for result in results
            if result.result == 0 and (number := result.context_id) is not None
        }
        return accepted, results


def _user_information(longest: int, window: int) -> list[Any]:
    length = MaximumLengthNotification()
    length.maximum_length_received = longest
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    if window == 1:
        return [length, implementation, version]
    operations = AsynchronousOperationsWindowNegotiation()
    operations.maximum_number_operations_invoked = window
    operations.maximum_number_operations_performed = 1
    return [length, implementation, operations, version]


def _primitive(calling: str, called: str, longest: int, window: int) -> A_ASSOCIATE:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = UID(APPLICATION_CONTEXT)
    primitive.calling_ae_title = calling
    primitive.called_ae_title = called
    primitive.user_information = _user_information(longest, window)
    return primitive


def encode_accept(request: Request, results: Sequence[PresentationContext], longest: int) -> bytes:
    """The A-ASSOCIATE-AC PDU; ``longest`` is the longest PDU body we take."""
    primitive = _primitive(request.calling or "?", request.called or "?", longest, request.granted)
    primitive.result = 0
    primitive.result_source = 1
    primitive.presentation_context_definition_results_list = list(results)
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(primitive)
    encoded = bytes(pdu.encode())
    return encoded[:10] + request.titles + encoded[10 + len(request.titles) :]


def encode_request(calling: str, called: str, proposals: Sequence[Proposal], longest: int, window: int = 1) -> bytes:
    """An A-ASSOCIATE-RQ PDU; ``window`` as in `Accepted`, 1 asks for nothing.

    Raises `NetworkError` for a title or UID that cannot be proposed.
    """
    for uid in (name for item in proposals for name in (item.abstract_syntax, *item.transfer_syntaxes)):
        if not _is_strict(uid):
            raise NetworkError(f"{uid!r} is not a UID and cannot be proposed")
    try:
        primitive = _primitive(calling, called, longest, window)
    except ValueError as error:
        raise NetworkError(f"an AE title cannot be used: {error}") from None
    contexts = []
    for proposal in proposals:
        context = build_context(proposal.abstract_syntax, list(proposal.transfer_syntaxes))
        context.context_id = proposal.context_id
        contexts.append(context)
    primitive.presentation_context_definition_list = contexts
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(primitive)
    return bytes(pdu.encode())


def parse_accept(body: memoryview) -> Accepted:
    """Take the body of an A-ASSOCIATE-AC apart. Raises `ProtocolFault`."""
    if len(body) < _FIXED:
        raise ProtocolFault("the association acceptance is cut short")
    accepted: dict[int, str] = {}
    longest, window = DEFAULT_LONGEST, None
    for kind, value in _items(body[_FIXED:]):
        if kind == _CONTEXT_AC_ITEM and len(value) >= 4 and value[2] == 0:
            for sub, name in _items(value[4:]):
                if sub == _TRANSFER_ITEM:
                    accepted[value[0]] = _uid(name)
        elif kind == _USER_ITEM:
            longest, window = _user(value)
    return Accepted(accepted, longest, _granted(window))
