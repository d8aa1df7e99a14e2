"""Records for tests of names: from a few values as a header says them, or read from a file by the real way."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mrdock.dicom.reading import read_header
from mrdock.dicom.scan import Found, Key, Value
from mrdock.dicom.values import Header
from mrdock.sorting import records as tags
from mrdock.sorting.naming import NameOptions, Owners, PlannedName, names_of
from mrdock.sorting.records import WANTED, ImageRecord

MR = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR = f"{MR}.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
US_MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.3.1"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
RAW = "1.2.840.10008.5.1.4.1.1.66"
PRESENTATION = "1.2.840.10008.5.1.4.1.1.11.1"

Said = str | int | float | bytes | Sequence[float]

_PACKED = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_numbers = itertools.count(1)


def encoded(vr: str, said: Said) -> bytes:
    """The bytes of a value, explicit VR little endian."""
    if isinstance(said, bytes):
        return said
    values = [said] if isinstance(said, str | int | float) else list(said)
    if vr in _PACKED:
        return struct.pack(f"<{len(values)}{_PACKED[vr]}", *values)
    return "\\".join(map(str, values)).encode("utf-8")


def image(said: Mapping[Key, Said], sop_class: str = MR, uid: str = "", path: str = "") -> ImageRecord:
    """A record whose header says what is given; study 1.2, series 1.2.3 number 301 where nothing else is said."""
    number = next(_numbers)
    usual: dict[Key, Said] = {
        0x00080005: "ISO_IR 192",
        tags.STUDY: "1.2",
        tags.SERIES: "1.2.3",
        tags.SERIES_NUMBER: 301,
        tags.STUDY_ID: "12345",
    }
    values = {key: Value(WANTED.vrs[key], encoded(WANTED.vrs[key], value)) for key, value in {**usual, **said}.items()}
    return ImageRecord(path or f"in/{number}", Header(Found(values, False)), sop_class, uid or f"1.9.{number}")


def named(
    images: Iterable[ImageRecord], options: NameOptions | None = None, owners: Owners | None = None
) -> dict[str, str]:
    """Names by path, checked: one for each file, all different."""
    images = list(images)
    names = names_of(images, options, owners)
    check(images, names)
    return {path: name.path for path, name in names.items()}


def check(images: Sequence[ImageRecord], names: Mapping[str, PlannedName]) -> None:
    """As many names as files, each once where case does not count."""
    assert sorted(names) == sorted(record.path for record in images)
    assert len({name.path.casefold() for name in names.values()}) == len(names)


def listed(
    images: Iterable[ImageRecord], options: NameOptions | None = None, owners: Owners | None = None
) -> list[str]:
    """The names in the order of the images."""
    images = list(images)
    names = named(images, options, owners)
    return [names[record.path] for record in images]


def slices(images: Iterable[ImageRecord]) -> list[str]:
    """The last parts of the names, in the order of the images."""
    return [name.rsplit("/", 1)[1] for name in listed(images)]


def read(paths: Iterable[Path]) -> list[ImageRecord]:
    """The records of files."""
    return [ImageRecord.of(str(path), read_header(path, WANTED)) for path in sorted(paths)]
