"""Data sets as bytes, for the tests: any layout, any length, right or wrong (PS3.5 section 7)."""

from __future__ import annotations

import struct
from typing import NamedTuple

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
CONTENT_SEQUENCE = 0x0040A730
PIXELS = 0x7FE00010
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})


class Syntax(NamedTuple):
    """A transfer syntax and how it writes elements."""

    uid: str
    explicit: bool
    order: str


EXPLICIT = Syntax("1.2.840.10008.1.2.1", True, "<")
IMPLICIT = Syntax("1.2.840.10008.1.2", False, "<")
BIG = Syntax("1.2.840.10008.1.2.2", True, ">")
ALL = (EXPLICIT, IMPLICIT, BIG)


def head(syntax: Syntax, tag: int, vr: str, length: int) -> bytes:
    """Tag, VR where the syntax writes one, and length."""
    start = struct.pack(syntax.order + "HH", tag >> 16, tag & 0xFFFF)
    if not syntax.explicit:
        return start + struct.pack(syntax.order + "I", length)
    if vr in LONG_VRS:
        return start + vr.encode() + b"\0\0" + struct.pack(syntax.order + "I", length)
    return start + vr.encode() + struct.pack(syntax.order + "H", length)


def element(syntax: Syntax, tag: int, vr: str, value: bytes = b"", length: int | None = None) -> bytes:
    """One element; ``length`` is what it claims, the true length by default."""
    return head(syntax, tag, vr, len(value) if length is None else length) + value


def mark(syntax: Syntax, tag: int, length: int = 0) -> bytes:
    """An item or a delimiter: these have no VR in any syntax."""
    return struct.pack(syntax.order + "HHI", tag >> 16, tag & 0xFFFF, length)


def item(syntax: Syntax, content: bytes, *, defined: bool = True) -> bytes:
    """One item of a sequence, of defined length or with a delimiter."""
    if defined:
        return mark(syntax, ITEM, len(content)) + content
    return mark(syntax, ITEM, UNDEFINED) + content + mark(syntax, ITEM_END)


def sequence(syntax: Syntax, tag: int, *items: bytes, defined: bool = True) -> bytes:
    """A sequence of encoded items, of defined length or with a delimiter."""
    content = b"".join(items)
    if defined:
        return element(syntax, tag, "SQ", content)
    return head(syntax, tag, "SQ", UNDEFINED) + content + mark(syntax, SEQUENCE_END)


def nested(syntax: Syntax, depth: int, *, defined: bool) -> bytes:
    """``depth`` sequences one inside the other, the innermost with one empty item."""
    content = b""
    if not defined:
        start = head(syntax, CONTENT_SEQUENCE, "SQ", UNDEFINED) + mark(syntax, ITEM, UNDEFINED)
        return start * depth + (mark(syntax, ITEM_END) + mark(syntax, SEQUENCE_END)) * depth
    heads = []
    length = 0
    for _ in range(depth):
        content = head(syntax, CONTENT_SEQUENCE, "SQ", length + 8) + mark(syntax, ITEM, length)
        heads.append(content)
        length += len(content)
    return b"".join(reversed(heads))


def fragments(syntax: Syntax, *parts: bytes, vr: str = "OB") -> bytes:
    """Encapsulated pixel data with an empty offset table."""
    body = b"".join(mark(syntax, ITEM, len(part)) + part for part in (b"", *parts))
    return head(syntax, PIXELS, vr, UNDEFINED) + body + mark(syntax, SEQUENCE_END)
