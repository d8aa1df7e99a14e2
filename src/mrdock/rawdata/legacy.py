"""The text that the original dcmexamcard printed of a raw file, byte for byte.

Kept for scripts that read it. Seven of its outputs on files of release 5.7 show these rules, and its losses: names are
cut to 24 characters, floats to six digits; strings are read one behind the other, not in their cells of 81 bytes, so
that of several all but the first are left-over memory; a BLOB without data takes those of the next that has some, and
where these are no parameter block the output ends in the middle of a line.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from itertools import groupby
from typing import Final

from mrdock.rawdata.blobs import RawFile
from mrdock.rawdata.parameters import CELL, HEADER_SIZE, KINDS, RECORD, Kind, most_taken

_COUNT_AT: Final = 28
_VALUES: Final = 46  # where in a record the pointer to its values is
_CODES: Final[dict[Kind, str]] = {"float": "f", "int": "i", "enum": "i"}


class _Budget:
    """How many bytes may still be printed: several BLOBs may print the same data, and parameters share values."""

    def __init__(self, left: int) -> None:
        self._left = left

    def allows(self, size: int) -> bool:
        self._left -= size
        return self._left >= 0


def legacy_text(raw: RawFile, shown_path: bytes) -> bytes:
    """The whole output, lines ended by CR LF; ``shown_path`` stands on the first line.

    Strings come as they are stored, so the text is in no encoding and may have any byte.
    """
    return b"".join(_pieces(raw, shown_path)).replace(b"\n", b"\r\n")


def _pieces(raw: RawFile, shown_path: bytes) -> Iterator[bytes]:
    yield b"+" * 13 + shown_path + b"\n"
    following = [blob.data for blob in raw.blobs]
    for number in range(len(following) - 2, -1, -1):
        if not len(following[number]):
            following[number] = following[number + 1]
    budget = _Budget(most_taken(sum(len(blob.data) for blob in raw.blobs)))
    for blob, data in zip(raw.blobs, following, strict=True):
        yield b"-" * 13 + blob.name.encode("utf-8", "replace") + b"\n"
        if len(data) < HEADER_SIZE:
            return
        (count,) = struct.unpack_from("<I", data, _COUNT_AT)
        yield b"Number of Fields: %d\n" % count
        if not (yield from _lines(data, count, budget)):
            return


def _lines(data: memoryview, count: int, budget: _Budget) -> Generator[bytes, None, bool]:
    """A line for each record; returns whether all could be printed."""
    for at in range(HEADER_SIZE, HEADER_SIZE + count * RECORD.size, RECORD.size):
        if at + RECORD.size > len(data):
            return False
        raw_name, _, code, size, _, pointer = RECORD.unpack_from(data, at)
        yield b"%-24s " % raw_name.partition(b"\0")[0][:24]
        kind = KINDS.get(code)
        if kind is None:
            return False
        value_at, length = at + _VALUES + pointer, size * (CELL if kind == "string" else 4)
        if not 0 <= value_at <= value_at + length <= len(data) or not budget.allows(RECORD.size + length):
            return False
        found = bytes(data[value_at : value_at + length])
        values = _strings(found, size) if kind == "string" else _numbers(found, kind)
        yield b"\ttype:%-6s size:%6d values: %s\n" % (kind.encode(), size, values)
    return True


def _numbers(found: bytes, kind: Kind) -> bytes:
    """Runs of equal numbers as one; behind a last single int or enum a blank."""
    items, run = [], 0
    for value, same in groupby(struct.unpack(f"<{len(found) // 4}{_CODES[kind]}", found)):
        run = sum(1 for _ in same)
        text = b"%g" % value if kind == "float" else b"%d" % value
        items.append(b"%s x %d" % (text, run) if run > 1 else text)
    return b", ".join(items) + (b" " if run == 1 and kind != "float" else b"")


def _strings(found: bytes, size: int) -> bytes:
    """As many texts as there are cells, but read one behind the other, from NUL to NUL."""
    return b"|".join(found.split(b"\0", size)[:size])
