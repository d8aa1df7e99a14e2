"""The new file in pieces: what of the old one stays as it is, and what stands between.

Beside frames and pixels only these change: Number of Frames and the counts of `shortacq_counts`, in as many bytes as
they had; SOP Instance UID, in the File Meta Information too; the lengths around all that; and the Original Attributes
Sequence (0400,0561), which gets an item with the values that were replaced (PS3.3 section C.12.1).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import mrdock
from mrdock.dicom.elements import PER_FRAME, Element, walk
from mrdock.dicom.opening import DataSet
from mrdock.dicom.recoding import encode_element
from mrdock.dicom.scan import EXPLICIT_BIG, UNDEFINED
from mrdock.dicom.sop_classes import EXPLICIT_LITTLE
from mrdock.enhanced.shortacq_counts import NUMBER_OF_TIMES, Change, Counts, set_times_of_frames
from mrdock.enhanced.shortacq_edits import Edits, Piece
from mrdock.enhanced.shortacq_find import By, Found
from mrdock.enhanced.shortacq_pixels import Run, drop_fragments, drop_native
from mrdock.enhanced.source import Source, bits_of
from mrdock.errors import UnsuitableError

_SOP_INSTANCE: Final = 0x00080018
_LENGTH_TO_END: Final = 0x00080001
_META_LENGTH, _META_INSTANCE = 0x00020000, 0x00020003
_ORIGINAL_ATTRIBUTES: Final = 0x04000561
_MODIFIED_ATTRIBUTES: Final = 0x04000550
_CONCATENATION: Final = 0x00209161
_OVERLAY_FRAMES: Final = 0x0015  # of groups 6000 to 601E
_EXTENDED_OFFSETS: Final = (0x7FE00001, 0x7FE00002)
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})


@dataclass
class Root:
    """What stands outside the per-frame groups: the elements of the ``top`` level and the ``nested`` ones."""

    top: list[Element] = field(default_factory=list)
    nested: list[Element] = field(default_factory=list)

    def get(self, tag: int) -> Element | None:
        """The first element of the top level with this tag."""
        return next((element for element in self.top if element.tag == tag), None)


def read_root(source: Source) -> Root:
    """Walk what stands before and behind the per-frame groups. Raises `UnsuitableError` where there are none."""
    root = Root()
    data_set = source.data_set
    for element in data_set.walk(longest=256):
        (root.nested if element.depth else root.top).append(element)
        if element.tag == PER_FRAME and not element.depth:
            break
    items = source.table.items()
    if root.get(PER_FRAME) is None or not items:
        raise UnsuitableError("it has no per-frame functional groups, so nothing says what its frames are")
    per_frame = root.top[-1]
    end = items[-1][1] + 8 if per_frame.length == UNDEFINED else per_frame.offset + per_frame.length
    for element in walk(data_set.data, data_set.transfer_syntax, start=end, longest=256):
        (root.nested if element.depth else root.top).append(element)
    return root


@dataclass(frozen=True)
class Plan:
    """The new file: ``prefix`` stands before the ``pieces`` of the data set, which a deflated file has deflated."""

    prefix: bytes
    pieces: tuple[Piece, ...]
    instance: str
    kept: int


def plan_without(source: Source, root: Root, found: Found, prefix: bytes, now: datetime) -> Plan:
    """The file without the frames that ``found`` says are to be dropped; ``prefix`` stands before its data set now.

    Raises `UnsuitableError` for what cannot be cut soundly, `MalformedError` for what is broken.
    """
    _refuse(root)
    data_set, frames = source.data_set, source.table.frames
    dropped = set(found.dropped)
    kept = [frame for frame in range(frames) if frame not in dropped]
    runs = list(_runs(found.dropped))
    edits = Edits(data_set.data, data_set.transfer_syntax)
    times = None
    if found.by is By.TIME:
        times = Change(len(found.acquisitions), len(found.acquisitions) - len(found.partial))
    replaced = _set_counts(source, root, edits, kept, times)
    instance = f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{source.text(_SOP_INSTANCE)} {len(kept)}').int}"
    _drop_items(source, root, edits, runs)
    _drop_pixels(source, root, edits, frames, runs)
    identity = root.get(_SOP_INSTANCE)
    if identity is not None:
        edits.set_text(identity, _even(instance.encode("ascii")))
        replaced.append(identity)
    _note(root, edits, data_set, replaced, now)
    _set_group_lengths(data_set, root, edits)
    pieces = tuple(edits.pieces(data_set.start, len(data_set.data)))
    return Plan(_new_prefix(data_set, prefix, instance), pieces, instance, len(kept))


def _refuse(root: Root) -> None:
    for element in root.top:
        if element.tag == _CONCATENATION and element.length:
            raise UnsuitableError("it is one part of a concatenation, and only all parts together are a scan")
        if element.tag >> 16 in range(0x6000, 0x6020) and element.tag & 0xFFFF == _OVERLAY_FRAMES:
            raise UnsuitableError("it has overlays of several frames, which dcmshortacq does not cut")


def _runs(frames: Sequence[int]) -> Iterator[Run]:
    """Ascending numbers as stretches, each to before its end."""
    start = end = -1
    for frame in frames:
        if frame != end:
            if start >= 0:
                yield start, end
            start = frame
        end = frame + 1
    if start >= 0:
        yield start, end


def _set_counts(source: Source, root: Root, edits: Edits, kept: Sequence[int], times: Change | None) -> list[Element]:
    """Correct the counts; return those of the top level that change."""
    counts = Counts(source, kept, times)
    changed: list[Element] = []
    for element in (*root.top, *root.nested):
        number = counts.changed(element)
        if number is not None:
            edits.set_number(element, number)
            if not element.depth:
                changed.append(element)
    shared = any(element.tag == NUMBER_OF_TIMES for element in root.nested)
    set_times_of_frames(source, edits, kept, counts.times(), shared=shared)
    return changed


def _drop_items(source: Source, root: Root, edits: Edits, runs: Sequence[Run]) -> None:
    items = source.table.items()
    for start, end in runs:
        edits.replace(items[start][0], items[end - 1][1], b"")
    per_frame = root.get(PER_FRAME)
    if per_frame is not None and per_frame.length != UNDEFINED:
        within = edits.grown(per_frame.offset, per_frame.offset + per_frame.length)
        edits.set_length(per_frame.offset, per_frame.length + within)


def _drop_pixels(source: Source, root: Root, edits: Edits, frames: int, runs: Sequence[Run]) -> None:
    element = source.pixel_element
    assert element is not None
    if element.length != UNDEFINED:
        samples = source.number(0x00280002, 1)
        bits = source.number(0x00280010) * source.number(0x00280011) * samples * bits_of(source)
        drop_native(edits, element, bits, frames, runs)
        return
    tables = [root.get(tag) for tag in _EXTENDED_OFFSETS]
    places = tuple(table.offset for table in tables if table is not None)
    syntax = source.data_set.said
    extended = (places[0], places[1]) if len(places) == 2 else None
    drop_fragments(source.data_set.data, edits, element, syntax, frames, runs, extended)


def _note(root: Root, edits: Edits, data_set: DataSet, replaced: Sequence[Element], now: datetime) -> None:
    """Say in the Original Attributes Sequence what the values were before."""
    item = _item(_original_attributes(root, data_set, replaced, now), data_set.transfer_syntax)
    there = root.get(_ORIGINAL_ATTRIBUTES)
    following = next((element for element in root.top if element.tag > _ORIGINAL_ATTRIBUTES), None)
    assert following is not None  # the per-frame groups
    at = edits.head_at(following)
    if there is None:
        head = encode_element(_ORIGINAL_ATTRIBUTES, "SQ", len(item), data_set.transfer_syntax)
        edits.replace(at, at, head + item)
    elif there.length == UNDEFINED:
        edits.replace(at - 8, at - 8, item)
    else:
        end = there.offset + there.length
        edits.replace(end, end, item)
        edits.set_length(there.offset, there.length + len(item))


def _original_attributes(root: Root, data_set: DataSet, replaced: Sequence[Element], now: datetime) -> bytes:
    syntax = data_set.transfer_syntax
    before: dict[int, bytes] = {}
    for element in replaced:
        creator = _creator_of(root, element)
        for each in (creator, element) if creator else (element,):
            before[each.tag] = encode_element(each.tag, each.vr, each.length, syntax) + each.raw
    modified = _item(b"".join(before[tag] for tag in sorted(before)), syntax)
    parts = (
        (_MODIFIED_ATTRIBUTES, "SQ", modified),
        (0x04000562, "DT", now.astimezone().strftime("%Y%m%d%H%M%S%z").encode("ascii")),
        (0x04000563, "LO", f"mrdock {mrdock.__version__} dcmshortacq".encode("ascii")),
        (0x04000564, "LO", b""),
        (0x04000565, "CS", b"CORRECT"),
    )
    encoded = b""
    for tag, vr, value in parts:
        padded = value if len(value) % 2 == 0 else value + b" "
        encoded += encode_element(tag, vr, len(padded), syntax) + padded
    return encoded


def _creator_of(root: Root, element: Element) -> Element | None:
    """The Private Creator that holds for a private element of the top level."""
    if not element.tag & 0x10000:
        return None
    return root.get(element.tag >> 16 << 16 | element.tag >> 8 & 0xFF)


def _item(content: bytes, transfer_syntax: str) -> bytes:
    order = ">" if transfer_syntax == EXPLICIT_BIG else "<"
    return struct.pack(order + "HHI", 0xFFFE, 0xE000, len(content)) + content


def _set_group_lengths(data_set: DataSet, root: Root, edits: Edits) -> None:
    """Correct the group lengths, and Length to End, where a file still has such (PS3.5 section 7.2)."""
    lengths = []
    for element in root.top:
        if (element.tag & 0xFFFF and element.tag != _LENGTH_TO_END) or len(element.raw) != 4:
            continue
        start, end = element.offset + element.length, len(data_set.data)
        if element.tag != _LENGTH_TO_END:
            beyond = (each for each in root.top if each.tag >> 16 > element.tag >> 16)
            end = next((edits.head_at(each) for each in beyond), end)
        order = ">" if element.big_endian else "<"
        (old,) = struct.unpack(order + "I", element.raw)
        lengths.append((element, struct.pack(order + "I", old + edits.grown(start, end))))
    for element, new in lengths:
        edits.replace(element.offset, element.offset + 4, new)


def _new_prefix(data_set: DataSet, prefix: bytes, instance: str) -> bytes:
    """Preamble and File Meta Information with the new SOP Instance UID and its group's length."""
    edits = Edits(prefix, EXPLICIT_LITTLE)
    by_tag = {element.tag: element for element in data_set.meta}
    identity, length = by_tag.get(_META_INSTANCE), by_tag.get(_META_LENGTH)
    if identity is None:
        return prefix
    edits.set_text(identity, _even(instance.encode("ascii")))
    if length is not None and len(length.raw) == 4:
        grown = edits.grown(0, len(prefix))
        (old,) = struct.unpack("<I", length.raw)
        edits.replace(length.offset, length.offset + 4, struct.pack("<I", old + grown))
    return edits.applied()


def _even(uid: bytes) -> bytes:
    return uid + b"\0" * (len(uid) % 2)
