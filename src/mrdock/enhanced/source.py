"""What an Enhanced MR file says outside its functional groups, and where its pixels stand (PS3.3 section A.36)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from mrdock.dicom.elements import Element
from mrdock.dicom.frames import FrameTable
from mrdock.dicom.opening import DataSet, open_data_set
from mrdock.dicom.rendering import value_text
from mrdock.dicom.scan import Key
from mrdock.dicom.sop_classes import STORAGE_CLASSES
from mrdock.errors import MalformedError, NotDicomError, UnsuitableError
from mrdock.files.names import printable

ENHANCED_MR: Final = "1.2.840.10008.5.1.4.1.1.4.1"
LEGACY_CONVERTED: Final = "1.2.840.10008.5.1.4.1.1.4.4"
CLASSIC_MR: Final = "1.2.840.10008.5.1.4.1.1.4"

_SOP_CLASS: Final = 0x00080016
_DIMENSIONS: Final = 0x00209222
_POINTER, _GROUP = 0x00209165, 0x00209167
_POINTER_CREATOR, _GROUP_CREATOR = 0x00209213, 0x00209238
_LABEL: Final = 0x00209421
_PER_FRAME: Final = 0x52009230
_FLOATS: Final = {0x7FE00008: 32, 0x7FE00009: 64}
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_ENDS: Final = (b"\xfe\xff\xdd\xe0", b"\xff\xfe\xe0\xdd")  # Sequence Delimitation Item in either byte order
_OFFSETS: Final = frozenset({0x7FE00001, 0x7FE00002})


@dataclass(frozen=True, slots=True)
class Pointer:
    """One item of the Dimension Index Sequence (0020,9222): what a dimension is (PS3.3 section C.7.6.17).

    ``key`` is the attribute, ``group`` the functional group that it stands in (None for none), private ones by
    creator; ``label`` the Dimension Description Label, empty for none.
    """

    key: Key
    group: Key | None
    label: str


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixels stand: ``tag`` of their element, the offset and length of its value.

    The length is `scan.UNDEFINED` where they are encapsulated. ``offsets`` is the Extended Offset Table and its
    lengths, where there is one.
    """

    tag: int
    offset: int
    length: int
    offsets: tuple[bytes, bytes] | None


class Source:
    """An open Enhanced MR file: its root, its frame table and the place of its pixels."""

    def __init__(self, path: str, data_set: DataSet, tool: str = "dicomeread") -> None:
        """Read the root; raises `UnsuitableError` for another kind of DICOM, `MalformedError` for what is broken."""
        self.path = path
        self.data_set = data_set
        self.identity = identity_of(path)
        self.pixel_element: PixelElement | None = None
        self._root: dict[int, Element] = {}
        self._items: list[dict[int, Element]] = []
        has_frames = self._read(data_set.walk())
        self._check(tool)
        self.table = FrameTable(data_set.data, data_set.transfer_syntax, start=data_set.start)
        if has_frames:
            self._read_behind()
        if self.pixel_element is None:
            raise self.broken("there is no pixel data")

    @property
    def pointers(self) -> tuple[Pointer, ...]:
        """The Dimension Index Sequence; empty where the file has none, or an item of it points nowhere."""
        found = [self._pointer(item) for item in self._items]
        return () if None in found else tuple(pointer for pointer in found if pointer)

    def text(self, tag: int) -> str:
        """A value of the root as text, empty where there is none."""
        element = self._root.get(tag)
        return _text(element) if element else ""

    def number(self, tag: int, default: int | None = None) -> int:
        """A whole number of the root; raises `MalformedError` where it is none, or is missing without a default."""
        text = self.text(tag).split("\\")[0].strip()
        if not text and default is not None:
            return default
        if not text.isdecimal():
            said = f"is {text[:16]!r}" if text else "is missing"
            raise self.broken(f"({tag >> 16:04x},{tag & 0xFFFF:04x}) {said}; a whole number should stand there")
        return int(text)

    def broken(self, what: str) -> MalformedError:
        """An error that names the file."""
        return MalformedError(f"{printable(self.path)}: {what}")

    def unsuitable(self, what: str) -> UnsuitableError:
        """An error that names the file, for what is right but cannot be read here."""
        return UnsuitableError(f"{printable(self.path)}: {what}")

    def _read(self, elements: Iterator[Element]) -> bool:
        """Keep what a walk brings up to the pixels; return whether it met the per-frame groups before."""
        offsets: dict[int, bytes] = {}
        for element in elements:
            if element.depth == 0:
                if element.tag == _PER_FRAME and self.pixel_element is None and element.length:
                    return True
                if element.tag in _PIXELS:
                    table = (offsets[0x7FE00001], offsets[0x7FE00002]) if len(offsets) == 2 else None
                    self.pixel_element = PixelElement(element.tag, element.offset, element.length, table)
                    return False
                if element.tag in _OFFSETS:
                    end = element.offset + element.length
                    offsets[element.tag] = bytes(self.data_set.data[element.offset : end])
                self._root.setdefault(element.tag, element)
            elif element.depth == 1 and element.path[0][0] == _DIMENSIONS:
                number = element.path[0][1]
                while len(self._items) <= number:
                    self._items.append({})
                self._items[number].setdefault(element.tag, element)
        return False

    def _read_behind(self) -> None:
        """Read on behind the per-frame groups, whose end the frame table knows."""
        from mrdock.dicom.elements import walk

        items = self.table.items()
        if not items:
            raise self.broken("the per-frame functional groups hold no frame")
        data_set, end = self.data_set, items[-1][1]
        while bytes(data_set.data[end : end + 4]) in _ENDS:
            end += 8
        self._read(walk(data_set.data, data_set.transfer_syntax, start=end))

    def _check(self, tool: str) -> None:
        """Refuse what is no Enhanced MR image."""
        sop_class = self.text(_SOP_CLASS)
        if sop_class in (ENHANCED_MR, LEGACY_CONVERTED):
            return
        if sop_class == CLASSIC_MR:
            what = f"a classic MR image, one frame a file; {tool} reads Enhanced MR"
            if tool == "dicomeread":
                what += ": dcm2niix converts a series of such files, pydicom reads a single one"
        else:
            known = STORAGE_CLASSES.get(sop_class)
            name = f"{known.name.removesuffix(' Storage')} object" if known else "object of no known SOP class"
            spelt = not name[1:2].islower()  # MR, X-Ray: as the letters are called
            article = "an" if name[0] in ("AEFHILMNORSX" if spelt else "AEIOUaeiou") else "a"
            what = f"{article} {name}; {tool} reads Enhanced MR images"
        raise self.unsuitable(what)

    def _pointer(self, item: dict[int, Element]) -> Pointer | None:
        key = self._key(item, _POINTER, _POINTER_CREATOR)
        label = _text(item[_LABEL]).strip() if _LABEL in item else ""
        return Pointer(key, self._key(item, _GROUP, _GROUP_CREATOR), label) if key is not None else None

    def _key(self, item: dict[int, Element], pointer: int, creator: int) -> Key | None:
        """What a pointer points to; a private one is found by the creator that stands beside it, else the root's."""
        element = item.get(pointer)
        if element is None or len(element.raw) < 4:
            return None
        group, low = struct.unpack_from(">2H" if element.big_endian else "<2H", element.raw)
        if not group & 1:
            return int(group << 16 | low)
        said = _text(item[creator]).strip() if creator in item else self.text(group << 16 | low >> 8).strip()
        return (int(group), int(low & 0xFF), said) if said else int(group << 16 | low)


@contextmanager
def open_source(path: str, tool: str = "dicomeread") -> Iterator[Source]:
    """Open and map the file; every complaint names it, and the ``tool`` it is not for.

    Raises `DicomError` or OSError.
    """
    try:
        with open_data_set(path) as data_set:
            yield Source(path, data_set, tool)
    except (NotDicomError, MalformedError) as error:
        name = printable(path)
        if str(error).startswith(name):
            raise
        raise type(error)(f"{name}: {error}") from None


def identity_of(file: int | str) -> tuple[int, int]:
    """Size and time of change of a file."""
    status = os.stat(file)
    return status.st_size, status.st_mtime_ns


def bits_of(source: Source) -> int:
    """Bits Allocated (0028,0100), of floating point pixels the size of their element's numbers."""
    assert source.pixel_element is not None
    return _FLOATS.get(source.pixel_element.tag) or source.number(0x00280100)


def _text(element: Element) -> str:
    return value_text(element.vr, element.raw, element.charset, element.big_endian)
