"""Association negotiation (PS3.8 sections 7.1 and 9.3): requests written, requests and acceptances taken apart.

`parse_request` believes no length and no count; what it found goes on to `accepting`. Unknown items are passed over, as
PS3.8 section 9.3.1 asks. Whoever only requests does not need pynetdicom, whose import takes a quarter of a second.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mrdock.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mrdock.errors import NetworkError
from mrdock.network.pdu import ASSOCIATE_RQ, ProtocolFault

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
DEFAULT_LONGEST: Final = 16384

WINDOW: Final = 8
"""So many C-STORE requests may be under way before the first is answered, where the peer asks for several (PS3.7
section D.3.3.3): their images are then written and synced together."""

_MOST_CONTEXTS: Final = 128
_STRICT_UID: Final = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")

_APPLICATION_ITEM = 0x10
_CONTEXT_RQ_ITEM = 0x20
_CONTEXT_AC_ITEM = 0x21
_ABSTRACT_ITEM = 0x30
_TRANSFER_ITEM = 0x40
_USER_ITEM = 0x50
_LENGTH_ITEM = 0x51
_CLASS_ITEM = 0x52
_WINDOW_ITEM = 0x53
_VERSION_ITEM = 0x55
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


def is_strict(uid: str) -> bool:
    """Whether a UID follows the standard to the letter (PS3.5 section 9.1); pydicom warns of all others."""
    return len(uid) <= 64 and _STRICT_UID.fullmatch(uid) is not None


def encode_request(calling: str, called: str, proposals: Sequence[Proposal], longest: int, window: int = 1) -> bytes:
    """An A-ASSOCIATE-RQ PDU (PS3.8 section 9.3.2); ``window`` as in `Accepted`, 1 asks for nothing.

    Raises `NetworkError` for a title or UID that cannot be proposed.
    """
    for uid in (name for proposal in proposals for name in (proposal.abstract_syntax, *proposal.transfer_syntaxes)):
        if not is_strict(uid):
            raise NetworkError(f"{uid!r} is not a UID and cannot be proposed")
    for title in (calling, called):
        if why := wrong_title(title):
            raise NetworkError(f"the AE title {title!r} cannot be used: {why}")
    body = struct.pack(">HH16s16s32x", 1, 0, called.strip().ljust(16).encode(), calling.strip().ljust(16).encode())
    body += _item(_APPLICATION_ITEM, APPLICATION_CONTEXT.encode())
    for proposal in proposals:
        names = _item(_ABSTRACT_ITEM, proposal.abstract_syntax.encode())
        names += b"".join(_item(_TRANSFER_ITEM, name.encode()) for name in proposal.transfer_syntaxes)
        body += _item(_CONTEXT_RQ_ITEM, bytes((proposal.context_id, 0, 0, 0)) + names)
    about = _item(_LENGTH_ITEM, struct.pack(">I", longest)) + _item(_CLASS_ITEM, IMPLEMENTATION_CLASS_UID.encode())
    if window != 1:
        about += _item(_WINDOW_ITEM, struct.pack(">HH", window, 1))
    about += _item(_VERSION_ITEM, IMPLEMENTATION_VERSION_NAME.encode())
    body += _item(_USER_ITEM, about)
    return struct.pack(">BxI", ASSOCIATE_RQ, len(body)) + body


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def wrong_title(title: str) -> str:
    """Why this cannot be an AE title (PS3.5 section 6.2); empty where it can."""
    if not 1 <= len(title.strip(" ")) <= 16:
        return "it is to have 1 to 16 characters"
    if not all(" " <= char <= "~" and char != "\\" for char in title):
        return "it may have ASCII characters only, and no backslash"
    return ""


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
