"""Dropping frames from pixel data, native and encapsulated (PS3.5 sections 8.1 and A.4)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from mrdock.dicom.scan import UNDEFINED, Buffer
from mrdock.enhanced.shortacq_edits import Edits
from mrdock.enhanced.source import PixelElement
from mrdock.errors import MalformedError, UnsuitableError

_ITEM: Final = b"\xfe\xff\x00\xe0"
_SEQUENCE_END: Final = b"\xfe\xff\xdd\xe0"

_ONE_STREAM: Final = (
    *(f"1.2.840.10008.1.2.4.{number}" for number in (92, 93, 100, 101, 102, 103, 104, 105, 106, 107, 108)),
    *(f"1.2.840.10008.1.2.4.{number}.1" for number in (100, 101, 102, 103, 104, 105, 106)),
)
"""Transfer syntaxes in which all frames are one stream: JPEG 2000 Part 2 multi-component, MPEG-2, H.264, H.265."""

Run = tuple[int, int]
"""Frames from the first to before the second, from 0."""


def drop_native(edits: Edits, element: PixelElement, frame_bits: int, frames: int, runs: Sequence[Run]) -> None:
    """Cut runs of frames out of a value whose frames lie one behind the other, and correct its length.

    Raises `MalformedError` where the value is not as long as its frames.
    """
    if frame_bits % 8:
        raise UnsuitableError("its frames do not end at bytes, so none can be cut out as it is")
    size = frame_bits // 8
    if not 0 <= element.length - frames * size <= 1:
        raise MalformedError(f"the pixel data has {element.length} bytes; {frames} frames of {size} bytes are expected")
    left = frames - sum(end - start for start, end in runs)
    for start, end in runs:
        edits.replace(element.offset + start * size, element.offset + end * size, b"")
    behind = element.offset + frames * size
    pad = b"\0" * (left * size % 2)
    if len(pad) != element.length - frames * size:
        edits.replace(behind, element.offset + element.length, pad)
    edits.set_length(element.offset, left * size + len(pad))


def drop_fragments(
    data: Buffer,
    edits: Edits,
    element: PixelElement,
    transfer_syntax: str,
    frames: int,
    runs: Sequence[Run],
    tables: tuple[int, int] | None,
) -> None:
    """Cut the fragments of runs of frames out of encapsulated pixel data, and correct the offset tables.

    ``tables`` is where the values of the Extended Offset Table and its lengths begin, where there are such. Raises
    `UnsuitableError` where nothing says which fragments are a frame's, `MalformedError` for tables that are wrong.
    """
    if transfer_syntax in _ONE_STREAM:
        raise UnsuitableError("its frames are compressed as one stream, from which none can be cut without decoding it")
    items = _items(data, element.offset)
    (table_at, table_length), fragments = items[0], items[1:]
    table = bytes(data[table_at : table_at + table_length])
    starts = _starts(table, element, [at - fragments[0][0] for at, _ in fragments], frames)
    firsts = [*starts, len(fragments)]
    dropped = {frame for start, end in runs for frame in range(start, end)}
    offsets, lengths, at = [], [], 0
    for frame in range(frames):
        own = fragments[firsts[frame] : firsts[frame + 1]]
        size = sum(length + 8 for _, length in own)
        if frame in dropped:
            edits.replace(own[0][0] - 8, own[-1][0] + own[-1][1], b"")
            continue
        offsets.append(at)
        lengths.append(own[0][1])
        at += size
    if table:
        edits.replace(table_at, table_at + table_length, struct.pack(f"<{len(offsets)}I", *offsets))
        edits.set_length(table_at, 4 * len(offsets))
    if tables:
        for value_at, numbers in zip(tables, (offsets, lengths), strict=True):
            edits.replace(value_at, value_at + 8 * frames, struct.pack(f"<{len(numbers)}Q", *numbers))
            edits.set_length(value_at, 8 * len(numbers))


def _items(data: Buffer, pos: int) -> list[tuple[int, int]]:
    """(where the value begins, its length) of the offset table and of each fragment."""
    found = []
    while True:
        mark, length = struct.unpack_from("<4sI", data, pos)
        if mark == _SEQUENCE_END:
            break
        if mark != _ITEM or length == UNDEFINED or length > len(data) - pos - 8:
            raise MalformedError("the encapsulated pixel data is cut short or holds something else than fragments")
        found.append((pos + 8, length))
        pos += 8 + length
    if not found:
        raise MalformedError("the encapsulated pixel data has no offset table")
    return found


def _starts(table: bytes, element: PixelElement, places: Sequence[int], frames: int) -> list[int]:
    """Which fragment is the first of each frame; ``places`` are the fragments' offsets from the first."""
    if element.offsets is not None:
        raw = element.offsets[0]
        offsets = struct.unpack(f"<{len(raw) // 8}Q", raw[: len(raw) // 8 * 8])
    elif table:
        offsets = struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])
    elif len(places) == frames:
        return list(range(frames))
    else:
        raise UnsuitableError(
            f"its {frames} frames are compressed in {len(places)} fragments, and no offset table says which are whose"
        )
    numbers = {place: number for number, place in enumerate(places)}
    starts = [numbers.get(offset, -1) for offset in offsets]
    rising = all(one < other for one, other in pairwise(starts))
    if len(starts) != frames or starts[0] != 0 or not rising:
        raise MalformedError("the offset table of the compressed pixel data is wrong")
    return starts
