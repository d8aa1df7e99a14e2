"""The BLOBs of a Philips raw file: what a scanner knows of an acquisition, or the ExamCard of a study, inside DICOM.

A raw file is one that has the BLOB sequence of creator ``Philips MR Imaging DD 002`` (element 32 of its block, with one
item for each BLOB), whatever its SOP class: Raw Data Storage in Enhanced exports, two private classes of Philips in
classic ones (release 5.7 writes all three). Names are LO in Enhanced and PN in classic exports.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from mrdock.dicom.elements import UNREADABLE, Element
from mrdock.dicom.opening import DataSet, open_data_set
from mrdock.dicom.rendering import text_of
from mrdock.dicom.scan import UNDEFINED, Key
from mrdock.dicom.tags import folded
from mrdock.errors import DicomError, MalformedError, UnsuitableError
from mrdock.files.names import printable

RAW_DATA: Final = "1.2.840.10008.5.1.4.1.1.66"
PRIVATE_SERIES: Final = "1.3.46.670589.11.0.0.12.2"
PRIVATE_EXAM_CARD: Final = "1.3.46.670589.11.0.0.12.4"
EXAM_CARD_BLOB: Final = "ExamCardBlob"

_SEQUENCE: Final = (0x2005, 0x32, "PHILIPS MR IMAGING DD 002")  # as `tags.folded` has it
_CARD_NAME: Final = folded((0x2001, 0xC8, "Philips Imaging DD 001"))
_NAME, _TYPE, _SIZE, _DATA = 0x37, 0x39, 0x43, 0x44
_OF_AN_ITEM: Final = frozenset({_NAME, _TYPE, _SIZE, _DATA})
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,12}")  # an IS, PS3.5 table 6.2-1
_LONGEST_TEXT: Final = 1 << 10
_MOST_BLOBS: Final = 1 << 12  # 12 are usual

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_STUDY_DATE, _STUDY_TIME = 0x00080020, 0x00080030
_CREATION_DATE, _CREATION_TIME = 0x00080012, 0x00080013
_DESCRIPTION, _MODEL, _CREATOR_VERSION = 0x0008103E, 0x00081090, 0x00089123
_SOFTWARE, _PROTOCOL = 0x00181020, 0x00181030
_STUDY, _SERIES, _SERIES_NUMBER = 0x0020000D, 0x0020000E, 0x00200011
_HEADER: Final[frozenset[Key]] = frozenset(
    {
        *(_SOP_CLASS, _SOP_INSTANCE, _STUDY_DATE, _STUDY_TIME, _CREATION_DATE, _CREATION_TIME, _DESCRIPTION, _MODEL),
        *(_CREATOR_VERSION, _SOFTWARE, _PROTOCOL, _STUDY, _SERIES, _SERIES_NUMBER, _CARD_NAME),
    }
)


@dataclass(frozen=True, slots=True)
class Blob:
    """One BLOB.

    name: MRBlobName (2005,xx37), such as ``PDF_EXAM_PARS``; may be empty, or the same as another's.
    type_name: MRTypeName (2005,xx39): ``IEEE_PDF`` or empty; older releases are said to have others.
    size: MRActualBlobSize (2005,xx43) as it stands there, which may be nonsense; None where it is absent.
    data: the bytes, without the NUL that pads an odd length; a view of the file, which stays mapped as long as the view
        is kept.
    problem: what is wrong with the size, in words; empty where nothing is.
    """

    name: str
    type_name: str
    size: int | None
    data: memoryview = field(repr=False)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RawFile:
    """What a raw file says of itself, and its BLOBs in the order of the file. Texts are empty where they are absent.

    kind: ``study`` where one of the BLOBs is an ExamCard, otherwise ``series``.
    series_number: 100 times the acquisition plus the reconstruction; 0 in a study's file; None where it is absent.
    exam_card_name: (2001,xxC8), in files of both kinds; empty on some scanners.
    software: Software Versions (0018,1020), values separated by a backslash.
    study_date, study_time, created: DA, TM, and DA and TM of the instance's creation (0008,0012), (0008,0013) in one.
    tokens: the words of enumerations by the parameters' names, which raw files do not have; `extract.tokens_of`
        finds them in the ExamCard of the same exam.
    """

    path: str
    kind: Literal["study", "series"]
    sop_class: str
    sop_instance: str
    study_uid: str
    series_uid: str
    study_date: str
    study_time: str
    created: str
    series_number: int | None
    series_description: str
    protocol_name: str
    exam_card_name: str
    software: str
    model: str
    blobs: tuple[Blob, ...] = field(repr=False)
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    @property
    def release(self) -> str:
        """The scanner's release as ``5.7``, from its software versions; empty where these say none."""
        for part in self.software.split("\\"):
            numbers = part.strip().split(".")
            if len(numbers) > 1 and all(number.isdecimal() for number in numbers[:2]):
                return ".".join(numbers[:2])
        return ""


def read_blobs(path: str) -> RawFile:
    """Read a raw file; BLOBs stay in the file until they are looked at.

    Raises `UnsuitableError` where the file has no BLOBs, `NotDicomError`, `MalformedError` (all name the path) and
    OSError.
    """
    try:
        with open_data_set(path) as data_set:
            return _raw_file(path, data_set)
    except DicomError as error:
        raise type(error)(f"{printable(path)}: {error}") from None


def _raw_file(path: str, data_set: DataSet) -> RawFile:
    header: dict[Key, str] = {}
    items: list[dict[int, Element]] = []
    place: tuple[tuple[Key, int], ...] = ()
    sequences: dict[int, Element] = {}  # the latest of each depth
    seen = False
    for element in data_set.walk(items=True, longest=_LONGEST_TEXT):
        if element.vr == "SQ":
            sequences[element.depth] = element
            seen = seen or folded(element.key) == _SEQUENCE
        if not element.depth and (key := folded(element.key)) in _HEADER:
            header.setdefault(key, text_of(element))
        around = sequences.get(max(element.depth, len(element.path)) - 1)
        if around is None or folded(around.key) != _SEQUENCE:
            continue
        if element.tag == UNREADABLE:
            raise MalformedError(f"its BLOBs cannot be read: {element.raw.decode()}")
        if element.path != place:
            place = element.path
            items.append({})
            if len(items) > _MOST_BLOBS:
                raise MalformedError(f"has more than {_MOST_BLOBS} BLOBs")
        low = _low(element.key, around)
        if low in _OF_AN_ITEM:
            items[-1].setdefault(low, element)
    if not seen:
        raise UnsuitableError("no Philips raw data: it has no BLOBs")
    return _made(path, header, tuple(_blob(item, data_set) for item in items))


def _low(key: Key, sequence: Element) -> int:
    """The low byte of an element of the BLOBs' creator; -1 of another.

    Each item names the creator again; in one that does not, the block of the sequence counts.
    """
    if isinstance(key, tuple):
        return key[1] if folded(key)[::2] == _SEQUENCE[::2] else -1  # type: ignore[index]
    return key & 0xFF if key >> 8 == sequence.tag >> 8 else -1


def _made(path: str, header: dict[Key, str], blobs: tuple[Blob, ...]) -> RawFile:
    def text(key: Key) -> str:
        return header.get(key, "").strip()

    number = text(_SERIES_NUMBER)
    is_card = any(blob.name == EXAM_CARD_BLOB for blob in blobs)
    return RawFile(
        path=path,
        kind="study" if is_card else "series",
        sop_class=text(_SOP_CLASS),
        sop_instance=text(_SOP_INSTANCE),
        study_uid=text(_STUDY),
        series_uid=text(_SERIES),
        study_date=text(_STUDY_DATE),
        study_time=text(_STUDY_TIME),
        created=text(_CREATION_DATE) + text(_CREATION_TIME),
        series_number=int(number) if _INTEGER.fullmatch(number) else None,
        series_description=text(_DESCRIPTION),
        protocol_name=text(_PROTOCOL),
        exam_card_name=text(_CARD_NAME),
        software=text(_SOFTWARE),
        model=text(_MODEL),
        blobs=blobs,
    )


def _blob(item: dict[int, Element], data_set: DataSet) -> Blob:
    name, type_name = (text_of(item[low]).strip() if low in item else "" for low in (_NAME, _TYPE))
    size = _number(item[_SIZE]) if _SIZE in item else None
    stored = _bytes_of(item[_DATA], data_set) if _DATA in item else memoryview(b"")
    if size is None:
        return Blob(name, type_name, size, stored, "it does not say its size" if len(stored) else "")
    if 0 <= size <= len(stored):
        return Blob(name, type_name, size, stored[:size])
    return Blob(name, type_name, size, stored, f"{size} bytes announced, {len(stored)} there")


def _number(element: Element) -> int | None:
    """The size as the 32-bit number that it is, whatever VR it calls itself."""
    if len(element.raw) != 4:
        text = element.raw.strip(b" \0").decode("latin-1")
        return int(text) if _INTEGER.fullmatch(text) else None
    return int(struct.unpack(">i" if element.big_endian else "<i", element.raw)[0])


def _bytes_of(element: Element, data_set: DataSet) -> memoryview:
    """The value where it stands. Philips' OW are no words: a big endian writer has swapped what is to stay as it is."""
    if element.length == UNDEFINED:
        raise MalformedError("the data of a BLOB are compressed")
    data = memoryview(data_set.data)[element.offset : element.offset + element.length]
    if not (element.big_endian and element.vr == "OW"):
        return data.toreadonly()
    swapped = bytearray(len(data) & ~1)
    swapped[::2], swapped[1::2] = data[1::2], data[: len(data) & ~1 : 2]
    return memoryview(bytes(swapped))
