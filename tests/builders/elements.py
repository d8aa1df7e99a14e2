"""DICOM elements from text tables: headers are data, and a thousand of them cost little.

A table has one line per element, `GGGGEEEE VR value`; a value may hold `{placeholders}`. The items of a sequence
follow its line, each begun by `- `, deeper levels two blanks further in::

    00080060 CS MR
    00081110 SQ
    - 00081150 UI 1.2.840.10008.3.1.2.3.1
      00081155 UI {study_uid}

Sequences and items are written with undefined length, as Philips does, so no length depends on what is inside and
a header can be cut into fixed bytes and a few elements that vary (`Template`).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag

Value = str | int | float | bytes | Sequence[int] | Sequence[float] | Sequence[str]
Header = dict[BaseTag, RawDataElement]

UNDEFINED = 0xFFFFFFFF
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_LONG_FORM = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_ZERO_PADDED = frozenset({"UI", "OB", "OW", "UN"})
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
_ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
_ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)


@dataclass(frozen=True)
class Row:
    """One line of a table; `items` holds the rows of each item of a sequence."""

    tag: BaseTag
    vr: str
    text: str
    items: tuple[tuple[Row, ...], ...] = ()

    def uses(self, names: Collection[str]) -> bool:
        """Tell whether this row, or one inside it, has a placeholder of one of `names`."""
        own = any(f"{{{name}}}" in self.text for name in names)
        return own or any(row.uses(names) for item in self.items for row in item)


@cache
def parse(table: str) -> tuple[Row, ...]:
    """Read a table; within an item the tags must rise, the top level may be put together in any order."""
    return _parse([line.rstrip() for line in table.splitlines() if line.strip()])


def _parse(lines: Sequence[str]) -> tuple[Row, ...]:
    rows: list[Row] = []
    at = 0
    while at < len(lines):
        head = lines[at]
        at += 1
        if head.startswith((" ", "-")):
            raise ValueError(f"an item outside a sequence: {head!r}")
        number, vr, text = head[:8], head[9:11], head[12:]
        items: list[list[str]] = []
        while at < len(lines) and lines[at].startswith((" ", "-")):
            if lines[at].startswith("-"):
                items.append([])
            items[-1].append(lines[at][2:])
            at += 1
        inner = tuple(_parse(item) for item in items)
        if any(left.tag >= right.tag for item in inner for left, right in pairwise(item)):
            raise ValueError(f"tags out of order in {number}")
        rows.append(Row(BaseTag(int(number, 16)), vr, text, inner))
    return tuple(rows)


def encode_value(vr: str, value: Value) -> bytes:
    """Return the bytes of a value, padded to an even length (PS3.5 6.2)."""
    if isinstance(value, bytes):
        data = value
    elif isinstance(value, str) and vr not in _NUMBERS and vr != "AT":
        data = value.encode("latin-1")
    elif vr in _NUMBERS or vr == "AT":
        parts: Sequence[str | int | float] = (
            (value.split("\\") if value else []) if isinstance(value, str) else _several(value)
        )
        if vr == "AT":
            data = b"".join(struct.pack("<HH", int(str(p)[:4], 16), int(str(p)[4:], 16)) for p in parts)
        else:
            code = _NUMBERS[vr]
            numbers = [float(p) if code in "fd" else int(p) for p in parts]
            data = struct.pack(f"<{len(numbers)}{code}", *numbers)
    else:
        show = _ds_or_text if vr == "DS" else str
        data = "\\".join(show(p) for p in _several(value)).encode("latin-1")
    if len(data) % 2:
        data += b"\0" if vr in _ZERO_PADDED else b" "
    return data


def _several(value: str | float | Sequence[int] | Sequence[float] | Sequence[str]) -> Sequence[str | int | float]:
    return [value] if isinstance(value, str | int | float) else value


def ds(*numbers: float) -> str:
    """Return decimal strings of at most 16 characters (VR DS), as exact as that allows."""
    return "\\".join(_one_ds(float(number)) for number in numbers)


def _ds_or_text(value: str | float) -> str:
    return value if isinstance(value, str) else _one_ds(float(value))


def _one_ds(number: float) -> str:
    text = f"{number:.12g}"
    for digits in range(16, 0, -1):
        text = f"{number:.{digits}g}"
        if len(text) <= 16:
            break
    return "0" if text == "-0" else text


def raw(tag: int, vr: str, value: Value) -> RawDataElement:
    """Return one element as pydicom holds it before it is looked at: immutable, so that headers can share it."""
    data = encode_value(vr, value)
    return RawDataElement(BaseTag(tag), vr, len(data), data, 0, False, True)


def item(content: bytes) -> bytes:
    """Return one item of a sequence, of undefined length."""
    return _ITEM + content + _ITEM_END


def sequence(tag: int, items: Iterable[bytes]) -> RawDataElement:
    """Return a sequence of undefined length from encoded items."""
    data = b"".join(item(content) for content in items)
    return RawDataElement(BaseTag(tag), "SQ", UNDEFINED, data, 0, False, True)


def encode_element(element: RawDataElement) -> bytes:
    """Return an element in Explicit VR Little Endian."""
    vr = element.VR or "UN"
    body = element.value or b""
    head = start(element.tag, vr, element.length if element.length == UNDEFINED else len(body))
    return head + body + (SEQUENCE_END if element.length == UNDEFINED else b"")


def start(tag: int, vr: str, length: int) -> bytes:
    """Return tag, VR and length of an element in Explicit VR Little Endian (PS3.5 7.1.2)."""
    if vr in _LONG_FORM:
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr.encode(), 0, length)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), length)


def encode(header: Header) -> bytes:
    """Return a whole data set in Explicit VR Little Endian."""
    return b"".join(encode_element(header[tag]) for tag in sorted(header))


class Template:
    """A table with its constants filled in; only what varies is computed again for each data set.

    `varying` names the placeholders that differ between the data sets; all others take their value from `constants`.
    """

    def __init__(self, table: str, constants: Mapping[str, Value], varying: Collection[str] = ()) -> None:
        self._rows = sorted(parse(table), key=lambda row: row.tag)
        if any(left.tag == right.tag for left, right in pairwise(self._rows)):
            raise ValueError("a tag stands twice in the table")
        self._constants = constants
        self._varying = frozenset(varying)
        self._fixed: Header = {}
        self._changing: list[Row] = []
        for row in self._rows:
            if row.uses(self._varying):
                self._changing.append(row)
            else:
                self._fixed[row.tag] = _element(row, constants)
        self._parts: list[bytes | Row] | None = None

    def header(self, values: Mapping[str, Value] | None = None) -> Header:
        """Return a data set as elements."""
        merged = {**self._constants, **values} if values else self._constants
        header = dict(self._fixed)
        for row in self._changing:
            header[row.tag] = _element(row, merged)
        return header

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """Return a data set as bytes; `values` gives every varying placeholder."""
        if self._parts is None:
            self._parts = list(self._compile(self._rows))
        return b"".join([part if isinstance(part, bytes) else _encode_row(part, values) for part in self._parts])

    def _compile(self, rows: Iterable[Row]) -> Iterable[bytes | Row]:
        pending: list[bytes] = []
        for row in rows:
            if not row.uses(self._varying):
                pending.append(encode_element(_element(row, self._constants)))
            elif row.vr != "SQ":
                yield b"".join(pending)
                pending.clear()
                yield row
            else:
                pending.append(start(row.tag, "SQ", UNDEFINED))
                for item in row.items:
                    yield b"".join([*pending, _ITEM])
                    pending.clear()
                    yield from self._compile(item)
                    pending.append(_ITEM_END)
                pending.append(SEQUENCE_END)
        yield b"".join(pending)


def _element(row: Row, values: Mapping[str, Value]) -> RawDataElement:
    if row.vr == "SQ":
        if not row.items:
            return raw(row.tag, "SQ", b"")
        items = (b"".join(encode_element(_element(inner, values)) for inner in item) for item in row.items)
        return sequence(row.tag, items)
    return raw(row.tag, row.vr, _value(row.text, values))


def _encode_row(row: Row, values: Mapping[str, Value]) -> bytes:
    data = encode_value(row.vr, _value(row.text, values))
    return start(row.tag, row.vr, len(data)) + data


def _value(text: str, values: Mapping[str, Value]) -> Value:
    if "{" not in text:
        return text
    name = text[1:-1]
    return values[name] if name in values else text.format_map(values)


def file_meta(sop_class: str, sop_instance: str) -> Header:
    """Return the File Meta Information (PS3.10 7.1); it does not pretend to be a scanner's."""
    elements = [
        raw(0x00020001, "OB", b"\0\1"),
        raw(0x00020002, "UI", sop_class),
        raw(0x00020003, "UI", sop_instance),
        raw(0x00020010, "UI", EXPLICIT_LITTLE),
        raw(0x00020012, "UI", "2.25.177758372052137901015993897711551819806"),
        raw(0x00020013, "SH", "MRDOCK BUILDERS"),
        raw(0x00020016, "AE", "MRDOCKDEMO"),
    ]
    return {element.tag: element for element in elements}


def file_start(sop_class: str, sop_instance: str) -> bytes:
    """Return preamble, prefix and File Meta Information as bytes."""
    meta = encode(file_meta(sop_class, sop_instance))
    return b"\0" * 128 + b"DICM" + encode_element(raw(0x00020000, "UL", len(meta))) + meta


def dataset(header: Header, overrides: Mapping[str, object] | None = None) -> FileDataset:
    """Return a data set that can be saved as it is.

    `overrides` are attributes by keyword, set last; None takes the attribute away. The File Meta Information
    follows a changed SOP Class or SOP Instance UID.
    """
    found = FileDataset("", header, preamble=b"\0" * 128, is_implicit_VR=False, is_little_endian=True)  # type: ignore[arg-type]
    found.set_original_encoding(False, True, ["latin_1"])
    for keyword, value in (overrides or {}).items():
        if tag_for_keyword(keyword) is None:
            raise TypeError(f"{keyword} is no DICOM keyword")
        if value is None:
            found.pop(keyword, None)
        else:
            setattr(found, keyword, value)
    meta = file_meta(text_of(found, 0x00080016), text_of(found, 0x00080018))
    found.file_meta = FileMetaDataset(meta)  # type: ignore[arg-type]
    return found


def text_of(found: Dataset, tag: int) -> str:
    """Return a text value without making pydicom convert its element, so that `part10` stays quick."""
    if tag not in found:
        return ""
    value = found.get_item(tag).value
    return value.decode("latin-1").rstrip("\0 ") if isinstance(value, bytes) else str(value)


def part10(found: FileDataset) -> bytes:
    """Return a data set as a Part 10 file: the bytes that pydicom's `save_as` writes.

    Elements that nobody has looked at are copied as they are, which is many times faster.
    """
    same_encoding = text_of(found.file_meta, 0x00020010) == EXPLICIT_LITTLE
    if not same_encoding or text_of(found, 0x00080005) != "ISO_IR 100":
        buffer = io.BytesIO()
        found.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()
    meta = b"".join(_as_it_is(found.file_meta.get_item(tag)) for tag in sorted(found.file_meta.keys()) if tag.element)
    body = b"".join(_as_it_is(found.get_item(tag)) for tag in sorted(found.keys()))
    return b"\0" * 128 + b"DICM" + encode_element(raw(0x00020000, "UL", len(meta))) + meta + body


def _as_it_is(element: RawDataElement | DataElement) -> bytes:
    if isinstance(element, RawDataElement):
        return encode_element(element)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_data_element(buffer, element, ["latin_1"])
    return buffer.getvalue()
