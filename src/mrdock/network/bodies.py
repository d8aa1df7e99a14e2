"""Data sets that go out changed: one element with another value, or all in another uncompressed transfer syntax.

The file itself is never touched. A changed element costs only its own bytes, whatever the size of the file; another
transfer syntax is written into memory, or into a temporary file once it is large.
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Final

from mrdock.dicom.elements import Element
from mrdock.dicom.opening import DataSet, open_data_set
from mrdock.dicom.recoding import Replaced, encode_element, recoded
from mrdock.dicom.rendering import text_of
from mrdock.dicom.scan import UNDEFINED
from mrdock.dicom.sop_classes import DEFLATED, UNCOMPRESSED
from mrdock.dicom.tags import name_of, vr_of
from mrdock.errors import UnacceptedError
from mrdock.network.outgoing import ImageFile, Read

NAMES: Final = dict(
    zip(
        (*UNCOMPRESSED, DEFLATED),
        ("explicit VR little endian", "implicit VR little endian", "explicit VR big endian", "deflated"),
        strict=True,
    )
)
"""The transfer syntaxes that can be converted into the uncompressed ones, and what they are called."""

TEXT_VRS: Final = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UR", "UT"}
)
_IN_MEMORY: Final = 64 << 20
_LONGEST_SHORT: Final = 0xFFFE


@dataclass(frozen=True, slots=True)
class Copied:
    """An element that gets the value of another one: two tags of the top level."""

    source: int
    target: int


# ---- one element ----


@dataclass(frozen=True, slots=True)
class _Patched:
    """A file's data set in pieces: its own bytes, and others in place of some of them."""

    path: Path
    pieces: tuple[bytes | tuple[int, int], ...]
    """Bytes, or (from, to) in the file."""

    @property
    def length(self) -> int:
        return sum(len(piece) if isinstance(piece, bytes) else piece[1] - piece[0] for piece in self.pieces)

    @contextmanager
    def opened(self) -> Iterator[Read]:
        with self.path.open("rb", buffering=0) as stream:
            parts = self._parts(stream)
            left = b""

            def read(count: int) -> bytes:
                nonlocal left
                while len(left) < count and (block := next(parts, None)) is not None:
                    left += block
                taken, left = left[:count], left[count:]
                return taken

            yield read

    def _parts(self, stream: IO[bytes]) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            at, end = piece
            stream.seek(at)
            while at < end:
                block = stream.read(min(1 << 20, end - at))
                if not block:  # it became shorter; who sends it sees that by the length
                    return
                at += len(block)
                yield block


def with_copied(item: ImageFile, copied: Copied) -> tuple[ImageFile, str]:
    """The same image with ``copied`` done in what is sent; and what was changed, empty where there was nothing to copy.

    Raises `UnacceptedError` where the data set is deflated, `DicomError` or OSError where it cannot be read.
    """
    if item.meta.transfer_syntax == DEFLATED:
        raise UnacceptedError("its data set is deflated: no element of it can be changed on the way")
    with open_data_set(str(item.path)) as data_set:
        source, target, after, lengths = _places(data_set, copied)
        if source is None or not source.raw:
            return item, ""
        new = _replaced(source, copied)
        element = encode_element(new.tag, new.vr, len(new.value), data_set.transfer_syntax) + new.value
        begin = _begins(data_set, target or after, item.size)
        end = begin
        if target is not None:
            if target.length == UNDEFINED:
                raise UnacceptedError(f"its {name_of(copied.target)} is no text, and cannot be changed")
            end = target.offset + target.length
        cuts = sorted(
            [(begin, end, element), *((_begins(data_set, one, 0), one.offset + one.length, b"") for one in lengths)]
        )
    pieces: list[bytes | tuple[int, int]] = []
    at = item.meta.data_set_at
    for first, last, piece in cuts:
        pieces += [(at, first), piece]
        at = last
    pieces.append((at, item.size))
    kept = tuple(piece for piece in pieces if isinstance(piece, bytes) or piece[0] < piece[1])
    return replace(item, body=_Patched(item.path, kept)), _said(copied)


def _said(copied: Copied) -> str:
    return f"{name_of(copied.target)} has the value of {name_of(copied.source)}"


def _places(data_set: DataSet, copied: Copied) -> tuple[Element | None, Element | None, Element | None, list[Element]]:
    """Source, target, the first element behind the target's place, and the length of the target's group."""
    source = target = after = None
    lengths = []
    for element in data_set.walk():
        if element.depth:
            continue
        if element.tag == copied.source:
            source = element
        if element.tag == copied.target:
            target = element
        if element.tag == copied.target & 0xFFFF0000:
            lengths.append(element)
        if element.tag > copied.target and after is None:
            after = element
        if after is not None and element.tag >= copied.source:
            break
    return source, target, after, lengths


def _begins(data_set: DataSet, element: Element | None, end: int) -> int:
    """Where an element begins with its tag; ``end`` where there is none."""
    if element is None:
        return end
    order = ">HH" if element.big_endian else "<HH"
    tag = struct.pack(order, element.tag >> 16, element.tag & 0xFFFF)
    short = element.offset - 8
    return short if bytes(data_set.data[short : short + 4]) == tag else element.offset - 12


def _replaced(source: Element, copied: Copied) -> Replaced:
    """The target with the source's value: texts as they are, in the same character set; all others as they are read."""
    value = source.raw.rstrip(b" \0") if source.vr in TEXT_VRS else text_of(source).encode("ascii", "replace")
    vr = vr_of(copied.target)
    if vr not in ("UT", "UC"):
        value = value[:_LONGEST_SHORT]
    return Replaced(copied.target, vr, value + b" " * (len(value) % 2))


# ---- another transfer syntax ----


class _Rewritten:
    """A data set that was written anew; it can be read once, which removes it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.length = stream.tell()

    @contextmanager
    def opened(self) -> Iterator[Read]:
        with self._stream:
            self._stream.seek(0)
            yield self._stream.read


def converted(item: ImageFile, transfer_syntax: str, copied: Copied | None = None) -> tuple[ImageFile, str]:
    """The same image in another uncompressed transfer syntax, with ``copied`` done; and what was changed.

    All elements are kept, private sequences too; a private element whose VR is not known goes out as UN. Send it once.
    Raises `DicomError` or OSError where the file cannot be read or converted.
    """
    stream = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - lives as long as the body
    notes = [f"converted from {NAMES[item.meta.transfer_syntax]} to {NAMES[transfer_syntax]}"]
    try:
        with open_data_set(str(item.path)) as data_set:
            replaced = None
            if copied is not None:
                source, *_ = _places(data_set, copied)
                if source is not None and source.raw:
                    replaced = _replaced(source, copied)
                    notes.append(_said(copied))
            stream.writelines(recoded(data_set, transfer_syntax, replaced))
    except BaseException:
        stream.close()
        raise
    meta = replace(item.meta, transfer_syntax=transfer_syntax)
    return replace(item, meta=meta, body=_Rewritten(stream)), "; ".join(notes)
