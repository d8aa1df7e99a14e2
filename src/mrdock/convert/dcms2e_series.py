"""The many classic images of one series, read quicker than one by one: most of each file is that of the first.

The header of the first file is walked whole, and so is that of every file which differs from it elsewhere than the
files before. From these it becomes known which elements differ; between them the bytes are compared as they stand. What
is read equals what `read_classic` reads.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from mrdock.convert.enhanced_encoding import Attribute
from mrdock.convert.enhanced_source import ClassicImage, PixelPlace, read_classic, tag_of
from mrdock.dicom.opening import open_data_set
from mrdock.dicom.scan import PIXEL_DATA, SHORT_VRS, UNDEFINED
from mrdock.dicom.sop_classes import EXPLICIT_LITTLE

_LARGEST: Final = 8 << 20
_MAGIC: Final = b"DICM\x02\x00\x00\x00UL\x04\x00"
_SYNTAX: Final = b"\x02\x00\x10\x00UI\x14\x00" + EXPLICIT_LITTLE.encode() + b"\0"
_LENGTH: Final = struct.Struct("<H")
_META_LENGTH: Final = struct.Struct("<I")


class _Spot(NamedTuple):
    """One element of the top level of the first file: where it stands, and its tag as it is kept (None: not at all)."""

    start: int
    end: int
    tag: int | None


class _Varying(NamedTuple):
    """An element that differs between the files: tag and VR as bytes, and what it is in the first file."""

    head: bytes
    tag: int
    first: Attribute


class SeriesReader:
    """Reads the images of one series, each as ``read_classic(path, first)`` does, ``first`` being the first read."""

    def __init__(self) -> None:
        """Nothing has been read yet."""
        self._first: ClassicImage | None = None
        self._data = b""
        self._spots: list[_Spot] = []
        self._differing: set[int] = set()
        self._parts: list[bytes | _Varying] = []

    def read(self, path: str) -> ClassicImage:
        """The next image; raises as `read_classic` does."""
        if self._first is None:
            self._first = read_classic(path)
            self._learn(path)
            return self._first
        found = self._quickly(path, self._first)
        if found is None:
            found = read_classic(path, self._first)
            self._differing.update(found.own, found.absent)
            self._parts = self._between()
        return found

    def _learn(self, path: str) -> None:
        """Note where the elements of the first file stand, unless it is of a kind that is not read quickly."""
        with open_data_set(path) as data_set:
            data = bytes(data_set.data[:_LARGEST])
            top = [element for element in data_set.walk(frames=True) if not element.depth]
        if not data.startswith(_MAGIC, 128) or _start(data) is None or not top or top[-1].tag not in PIXEL_DATA:
            return
        starts = [_head_at(data, element.offset, element.tag) for element in top]
        ends = [*starts[1:], top[-1].offset]
        tags = [None if element.vr == "SQ" else tag_of(element) for element in top]
        self._data = data[: top[-1].offset]
        self._spots = [_Spot(*each) for each in zip(starts, ends, tags, strict=True)]
        self._parts = self._between()

    def _between(self) -> list[bytes | _Varying]:
        """The first file's header as the elements that differ, and the bytes between them."""
        parts: list[bytes | _Varying] = []
        if self._first is None or not self._spots:
            return parts
        same = begin = self._spots[0].start
        for spot in self._spots:
            known = self._first.common.get(spot.tag) if spot.tag in self._differing and spot.tag is not None else None
            head = self._data[spot.start : spot.start + 6]
            if known is not None and spot.tag is not None and head[4:] in SHORT_VRS:
                parts += [self._data[same : spot.start], _Varying(head, spot.tag, known)]
                same = spot.end
        return [*parts, self._data[same:]] if begin < len(self._data) else []

    def _quickly(self, path: str, first: ClassicImage) -> ClassicImage | None:
        """The image; None where its file differs from those before in another way."""
        if not self._parts or first.pixels is None:
            return None
        with open(path, "rb", buffering=0) as stream:
            data = stream.read(_LARGEST)
        at = _start(data)
        if at is None:
            return None
        own: dict[int, Attribute] = {}
        for part in self._parts:
            if isinstance(part, bytes):
                if not data.startswith(part, at):
                    return None
                at += len(part)
                continue
            value_at = at + 8
            if not data.startswith(part.head, at) or value_at > len(data):
                return None
            (length,) = _LENGTH.unpack_from(data, at + 6)
            at = value_at + length
            if length % 2 or at > len(data):
                return None
            raw = data[value_at:at]
            if raw != part.first.raw:
                own[part.tag] = Attribute(part.first.vr, raw)
        length = first.pixels.length
        if length == UNDEFINED or at + length != len(data):
            return None
        return ClassicImage(path, first.common, own, frozenset(), PixelPlace(at, length, False), first.left_out)


def _start(data: bytes) -> int | None:
    """Where the data set of a file begins; None for one that is not plain Explicit VR Little Endian."""
    if not data.startswith(_MAGIC, 128) or len(data) < 144:
        return None
    start = 144 + int(_META_LENGTH.unpack_from(data, 140)[0])
    return start if _SYNTAX in data[144 : min(start, 4096)] else None


def _head_at(data: bytes, value_at: int, tag: int) -> int:
    """Where an element begins whose value begins at ``value_at``: its length takes two bytes or, after two, four."""
    word = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    return value_at - 8 if data[value_at - 8 : value_at - 4] == word else value_at - 12
