"""Classic Philips MR images as they are read to build an Enhanced MR file: every element once, in one spelling.

Values keep their bytes, in little endian. Private elements of Philips come under the tags that the scanners give them,
whatever block the file uses (``0x2001100A`` is the slice number), so that a plain tag names each. What stands in the
private item (2005,140F) of a classic image (release 5.7: 90 attributes of Enhanced MR) is kept apart with `INNER`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from mrdock.convert.enhanced_encoding import (
    PHILIPS_BLOCKS,
    Attribute,
    Tags,
    encoded,
    numbers_of,
    padded,
    philips_block,
    sequence,
)
from mrdock.dicom.elements import ITEM, UNREADABLE, Element
from mrdock.dicom.opening import open_data_set
from mrdock.dicom.recoding import little_endian
from mrdock.dicom.scan import PIXEL_DATA, UNDEFINED
from mrdock.dicom.tags import is_private_creator
from mrdock.errors import DicomError, MalformedError, NotDicomError, UnsuitableError
from mrdock.files.names import printable

INNER: Final = 1 << 32
"""Added to the tag of an element that stands in the private item (2005,140F): ``INNER | 0x00189009``."""

PRIVATE_ITEM: Final = 0x2005140F

_LONGEST: Final = 1 << 16
_MOST_BYTES: Final = 4 << 20
_MOST_ELEMENTS: Final = 20_000
_LARGEST: Final = 1 << 32
_ASIDE: Final = 0x80  # a foreign private block that stands where Philips' go to goes that much further
_FIRST: Final = 0x00080000  # what stands before belongs to commands and files
_SOP_CLASS: Final = 0x00080016
_MR_IMAGE: Final = b"1.2.840.10008.5.1.4.1.1.4"


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the pixel data of an image stand in its file; ``length`` is `scan.UNDEFINED` where they are compressed."""

    offset: int
    length: int
    big_endian: bool


@dataclass(frozen=True, slots=True)
class ClassicImage:
    """One classic image: all its elements but the pixel data.

    ``common`` belongs to the first image of a series and is shared by all; ``own`` has what differs from it, and
    ``absent`` what this image lacks. So 20,000 images take little more memory than their differences. ``left_out`` are
    elements too long to be taken.
    """

    path: str
    common: Tags
    own: Tags = field(default_factory=dict)
    absent: frozenset[int] = frozenset()
    pixels: PixelPlace | None = None
    left_out: tuple[int, ...] = ()

    def get(self, tag: int) -> Attribute | None:
        """The element ``tag``, or ``INNER | tag``; None where the image has none."""
        found = self.own.get(tag)
        if found is None and tag not in self.absent:
            found = self.common.get(tag)
        return found

    def tags(self) -> Iterator[int]:
        """Every element's tag, in no order."""
        yield from self.own
        yield from (tag for tag in self.common if tag not in self.own and tag not in self.absent)

    def text(self, tag: int, default: str = "") -> str:
        """The value as a text without padding; ``default`` where it is absent or empty. For codes, not for names."""
        found = self.get(tag)
        text = "" if found is None else found.raw.decode("latin-1").strip(" \0")
        return text if text not in ("", "-") else default

    def texts(self, tag: int) -> list[str]:
        """The values of a text, each stripped; none where it is absent or empty."""
        text = self.text(tag)
        return [part.strip() for part in text.split("\\")] if text else []

    def number(self, tag: int) -> float | None:
        """The first value as a number; None where it is absent, none, or what Philips writes for none."""
        found = self.get(tag)
        numbers = [] if found is None else numbers_of(found)
        return numbers[0] if numbers else None

    def numbers(self, tag: int) -> list[float]:
        """All values as numbers; none of them where one of them is none."""
        found = self.get(tag)
        return [] if found is None else numbers_of(found)

    def whole(self, tag: int, default: int) -> int:
        """The first value as a whole number, ``default`` where there is none that UL or IS could hold."""
        number = self.number(tag)
        return default if number is None or abs(number) >= _LARGEST else round(number)


def read_classic(path: str, first: ClassicImage | None = None) -> ClassicImage:
    """Read one classic image; ``first`` is the first of its series, whose elements it shares.

    Raises `NotDicomError`, `MalformedError`, `UnsuitableError` (each with the path) or OSError.
    """
    try:
        with open_data_set(path) as data_set:
            reading = _Reading()
            for element in data_set.walk(frames=True, items=True, longest=_LONGEST):
                reading.take(element)
            return reading.image(path, first)
    except (MalformedError, NotDicomError, UnsuitableError) as error:
        raise type(error)(f"{printable(path)}: {error}") from None


def read_pixels(image: ClassicImage) -> bytes:
    """The pixel data of a classic image, 16 bits each in little endian, decoded where they are compressed.

    Raises `UnsuitableError` and `MalformedError` with the path, OSError.
    """
    place = image.pixels
    if place is None:
        raise UnsuitableError(f"{printable(image.path)}: no pixel data")
    if place.length == UNDEFINED:
        return _decoded(image.path)
    try:
        with open_data_set(image.path) as data_set:
            raw = bytes(data_set.data[place.offset : place.offset + place.length])
    except DicomError as error:
        raise type(error)(f"{printable(image.path)}: {error}") from None
    return little_endian("OW", raw) if place.big_endian else raw


def varying(images: Iterable[ClassicImage]) -> set[int]:
    """The elements that not all images have with the same value."""
    found: set[int] = set()
    for image in images:
        found.update(image.own)
        found.update(image.absent)
    return found


def _decoded(path: str) -> bytes:
    from pydicom import dcmread

    try:
        array = dcmread(path).pixel_array
    except (AttributeError, NotImplementedError, OSError, RuntimeError, ValueError, struct.error) as error:
        why = " ".join(str(error).split())[:120]
        raise MalformedError(f"{printable(path)}: its pixel data cannot be decoded: {why}") from None
    return bytes(array.astype("<u2").tobytes())


@dataclass(slots=True)
class _Open:
    """A sequence that is being read, and the elements of each of its items; without a tag it is not kept."""

    tag: int | None
    depth: int
    items: list[dict[int, Attribute]] = field(default_factory=list)


class _Reading:
    """Takes the elements of one data set in order."""

    def __init__(self) -> None:
        self._root: dict[int, Attribute] = {}
        self._inner: dict[int, Attribute] = {}
        self._open: list[_Open] = []
        self._bytes = 0
        self._count = 0
        self._left_out: list[int] = []
        self._pixels: PixelPlace | None = None

    def take(self, element: Element) -> None:
        """Keep one element."""
        if element.tag == UNREADABLE and not element.vr:
            raise MalformedError("a sequence in it cannot be read: " + element.raw.decode("ascii", "replace"))
        self._close(element.depth + (element.tag == ITEM))
        self._count += 1
        self._bytes += len(element.raw)
        if self._bytes > _MOST_BYTES or self._count > _MOST_ELEMENTS:
            raise MalformedError("its header is too large for a classic MR image")
        if element.tag == ITEM:
            self._open[-1].items.append({})
        elif element.tag in PIXEL_DATA:
            if not element.depth:
                self._pixels = PixelPlace(element.offset, element.length, element.big_endian)
        else:
            self._keep(element, tag_of(element))

    def _keep(self, element: Element, tag: int | None) -> None:
        if element.vr == "SQ":
            self._open.append(_Open(tag, element.depth))
        elif tag is None:
            return
        elif element.length > _LONGEST:
            self._left_out.append(tag)
        else:
            raw = little_endian(element.vr, element.raw) if element.big_endian else element.raw
            self._here()[tag] = Attribute(element.vr, padded(element.vr, raw))

    def image(self, path: str, first: ClassicImage | None) -> ClassicImage:
        """What has been read. Raises `UnsuitableError` where it is no classic MR image."""
        self._close(0)
        sop_class = self._root.get(_SOP_CLASS)
        if sop_class is None or sop_class.raw.strip(b" \0") != _MR_IMAGE:
            raise UnsuitableError("no classic MR image (MR Image Storage)")
        found = {**self._root, **{INNER | tag: value for tag, value in self._inner.items()}}
        left_out = tuple(self._left_out)
        if first is None:
            return ClassicImage(path, found, pixels=self._pixels, left_out=left_out)
        common = first.common
        own = {tag: value for tag, value in found.items() if common.get(tag) != value}
        return ClassicImage(path, common, own, frozenset(common.keys() - found.keys()), self._pixels, left_out)

    def _here(self) -> dict[int, Attribute]:
        return self._open[-1].items[-1] if self._open else self._root

    def _close(self, depth: int) -> None:
        """End the sequences of this depth and of those in it."""
        while self._open and self._open[-1].depth >= depth:
            ended = self._open.pop()
            if ended.tag is None:
                continue
            if ended.tag != PRIVATE_ITEM or ended.depth:
                self._here()[ended.tag] = Attribute("SQ", sequence(encoded(item) for item in ended.items))
            elif ended.items:
                self._inner = ended.items[0]


def tag_of(element: Element) -> int | None:
    """The tag under which an element is kept; None for what is not: lengths of groups, private elements of nobody."""
    tag = element.tag
    if tag < _FIRST or not tag & 0xFFFF:
        return None
    if not tag & 0x10000:
        return tag
    if not isinstance(element.key, tuple):
        return _creator(element) if is_private_creator(tag) else None
    block = philips_block(element.key[0], element.key[2])
    if block is not None:
        return tag & 0xFFFF00FF | block << 8
    return tag | _ASIDE << 8 if tag >> 8 & 0xFF in PHILIPS_BLOCKS.get(tag >> 16, ()) else tag


def _creator(element: Element) -> int | None:
    """The tag of a foreign creator's element; those of Philips are written anew where they are needed."""
    tag, name = element.tag, element.raw.decode("latin-1").strip(" \0")
    if philips_block(tag >> 16, name) is not None:
        return None
    return tag | _ASIDE if tag & 0xFF in PHILIPS_BLOCKS.get(tag >> 16, ()) else tag
