"""What names and plans need to know of a file: which elements, and what they say."""

from __future__ import annotations

import math
import re
import sys
import zlib
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Final

from mrdock.dicom.scan import Found, Key, Private, Value, Wanted
from mrdock.dicom.sop_classes import STORAGE_CLASSES, file_prefix
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header
from mrdock.files.locations import find_path

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from mrdock.dicom.reading import FileHeader

_LARGEST: Final = 10_000_000
"""Philips also writes 2147483647 where there is no number."""

_IMG, _MR1 = "Philips Imaging DD 001", "Philips MR Imaging DD 001"
_MR5: Final = "Philips MR Imaging DD 005"

# Who and what, for names, the question before a study is moved, and the info file.
CREATOR_VERSION: Final = 0x00089123
STUDY_ID: Final = 0x00200010
STUDY_DATE: Final = 0x00080020
STUDY_TIME: Final = 0x00080030
SERIES_DATE: Final = 0x00080021
SERIES_TIME: Final = 0x00080031
CONTENT_DATE: Final = 0x00080023
CONTENT_TIME: Final = 0x00080033
MODALITY: Final = 0x00080060
STUDY_DESCRIPTION: Final = 0x00081030
SERIES_DESCRIPTION: Final = 0x0008103E
PROTOCOL: Final = 0x00181030
PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
PATIENT_HISTORY: Final = 0x001021B0
STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E
SERIES_NUMBER: Final = 0x00200011

# Where in its series an image stands.
INSTANCE: Final = 0x00200013
IMAGE_TYPE: Final = 0x00080008
COMPONENT: Final = 0x00089208
ECHO: Final = 0x00180086
SPACING: Final = 0x00180088
TRIGGER_TIME: Final = 0x00181060
CARDIAC_IMAGES: Final = 0x00181090
B_VALUE: Final = 0x00189087
POSITION: Final = 0x00200032
ORIENTATION: Final = 0x00200037
TIME_POINT: Final = 0x00200100
TIME_POINTS: Final = 0x00200105
ACQUIRED: Final = 0x00201002
CONCATENATION: Final = 0x00209161
PART: Final = 0x00209162
ROWS: Final = 0x00280010

# Private elements, by creator.
SLICE: Final[Private] = (0x2001, 0x0A, _IMG)
SLICES: Final[Private] = (0x2001, 0x18, _IMG)
ECHOES: Final[Private] = (0x2001, 0x14, _IMG)
PHASE: Final[Private] = (0x2001, 0x08, _IMG)
PHASES: Final[Private] = (0x2001, 0x17, _IMG)
DYNAMICS: Final[Private] = (0x2001, 0x81, _IMG)
TECHNIQUE: Final[Private] = (0x2001, 0x20, _IMG)
B_FACTOR: Final[Private] = (0x2001, 0x03, _IMG)
TYPE: Final[Private] = (0x2005, 0x11, _MR1)
SEQUENCE: Final[Private] = (0x2005, 0x6E, _MR1)
MIXES: Final[Private] = (0x2005, 0x21, _MR1)
B_NUMBER: Final[Private] = (0x2005, 0x12, _MR5)
GRADIENT: Final[Private] = (0x2005, 0x13, _MR5)
B_NUMBERS: Final[Private] = (0x2005, 0x14, _MR5)
GRADIENTS: Final[Private] = (0x2005, 0x15, _MR5)
LABELS: Final[Private] = (0x2005, 0x28, _MR5)
LABEL: Final[Private] = (0x2005, 0x29, _MR5)
GE_ECHOES: Final[Private] = (0x0019, 0x7E, "GEMS_ACQU_01")
GE_LOCATIONS: Final[Private] = (0x0021, 0x4F, "GEMS_RELA_01")
GE_COMPONENT: Final[Private] = (0x0043, 0x2F, "GEMS_PARM_01")

_VRS: Final[dict[Key, str]] = {
    **dict.fromkeys((STUDY_DATE, SERIES_DATE, CONTENT_DATE), "DA"),
    **dict.fromkeys((STUDY_TIME, SERIES_TIME, CONTENT_TIME), "TM"),
    **dict.fromkeys((0x00080016, 0x00080018, STUDY, SERIES, CREATOR_VERSION, CONCATENATION), "UI"),
    **dict.fromkeys((STUDY_DESCRIPTION, SERIES_DESCRIPTION, PROTOCOL, PATIENT_ID, TECHNIQUE), "LO"),
    **dict.fromkeys((0x00080005, MODALITY, IMAGE_TYPE, COMPONENT, TYPE, SEQUENCE, LABEL), "CS"),
    **dict.fromkeys((SERIES_NUMBER, INSTANCE, ECHO, CARDIAC_IMAGES, TIME_POINT, TIME_POINTS, ACQUIRED), "IS"),
    **dict.fromkeys((SLICE, PHASE, DYNAMICS, B_NUMBER, GRADIENT), "IS"),
    **dict.fromkeys((SLICES, ECHOES, PHASES, B_NUMBERS, GRADIENTS, LABELS, GE_LOCATIONS), "SL"),
    **dict.fromkeys((GE_ECHOES, GE_COMPONENT, MIXES), "SS"),
    **dict.fromkeys((SPACING, TRIGGER_TIME, POSITION, ORIENTATION), "DS"),
    **dict.fromkeys((PART, ROWS), "US"),
    STUDY_ID: "SH",
    PATIENT_NAME: "PN",
    PATIENT_HISTORY: "LT",
    B_VALUE: "FD",
    B_FACTOR: "FL",
}


WANTED: Final = Wanted(_VRS.items())
"""The elements of a record. Scan parameters are not among them: who writes them down reads one file of a series."""


class FileKind(StrEnum):
    """What sort of file it is."""

    IMAGE = "image"
    ENHANCED = "enhanced"
    OTHER = "other"
    """No image: a presentation state, raw data, a spectrum, a DICOMDIR."""


DICOMDIR: Final = "1.2.840.10008.1.3.10"
_RAW: Final = "1.2.840.10008.5.1.4.1.1.66"
_PRESENTATION: Final = "1.2.840.10008.5.1.4.1.1.11."
_PHILIPS: Final = "1.3.46.670589.11.0.0.12."
_WORDS: Final = {
    DICOMDIR: "DICOMDIR",
    _RAW: "raw",
    f"{_PHILIPS}1": "spectrum",
    f"{_PHILIPS}2": "raw",
    f"{_PHILIPS}4": "examcard",
    "1.2.840.10008.5.1.4.1.1.4.2": "spectrum",
}
_IMAGE_CLASS: Final = re.compile(r"(?<!Non )\bImage Storage\b")


@cache
def _sort_of(sop_class: str) -> tuple[FileKind | None, str]:
    """What sort of file a class says it is (None: it does not say), and the word that names one that is no image."""
    if sop_class in _WORDS:
        return FileKind.OTHER, _WORDS[sop_class]
    if sop_class.startswith(_PRESENTATION):
        return FileKind.OTHER, "ps"
    known = STORAGE_CLASSES.get(sop_class)
    word = file_prefix(sop_class).lower() if known else "other"
    if known is None or known.prefix == "PRV":
        return None, word
    if not _IMAGE_CLASS.search(known.name):
        return None, word
    return (FileKind.ENHANCED if "Enhanced" in known.name else FileKind.IMAGE), word


# The files of a run say the same again and again: decoding once each is several times faster.


@lru_cache(maxsize=1 << 14)
def _number(value: Value, big_endian: bool) -> int | float | None:
    return Header(Found({0: value}, big_endian)).number(0)


@lru_cache(maxsize=1 << 14)
def _count(value: Value, big_endian: bool) -> int | None:
    said = _number(value, big_endian)
    return int(said) if said is not None and 1 <= said < _LARGEST else None


@lru_cache(maxsize=1 << 12)
def _text(value: Value, character_set: Value | None, big_endian: bool) -> str:
    values: dict[Key, Value] = {0: value}
    if character_set is not None:
        values[SPECIFIC_CHARACTER_SET] = character_set
    return Header(Found(values, big_endian)).text(0) or ""


class ImageRecord:
    """One DICOM file as names and plans see it; values are decoded when they are asked for."""

    __slots__ = ("_big_endian", "_values", "path", "series_uid", "size", "sop_class", "sop_instance", "study_uid")

    def __init__(self, path: str, header: Header, sop_class: str, sop_instance: str, size: int = 0) -> None:
        """``header`` was read for `WANTED`; ``size`` in bytes."""
        self.path = path
        self._values, self._big_endian = header.found
        self.sop_class = sys.intern(sop_class)
        self.sop_instance = sop_instance
        self.size = size
        self.study_uid = sys.intern(header.uid(STUDY))
        self.series_uid = sys.intern(header.uid(SERIES))

    @classmethod
    def of(cls, path: str, found: FileHeader) -> ImageRecord:
        """The record of a file whose header was read for `WANTED`."""
        return cls(path, found.header, found.sop_class, found.sop_instance, found.size)

    @property
    def study_key(self) -> str:
        """What tells studies apart: the Study Instance UID, without one a stand-in from patient, date and time."""
        if self.study_uid:
            return self.study_uid
        said = "\0".join((self.patient_id, self.patient_name, self.study_date, self.study_time, self.study_id))
        return f"?{zlib.crc32(said.encode()):08x}"

    @property
    def series_key(self) -> str:
        """What tells the series of a study apart: the Series Instance UID, without one a stand-in."""
        return self.series_uid or f"?{self.study_key}"

    def text(self, key: Key) -> str:
        """A value as text, empty where absent."""
        value = self._values.get(key)
        return "" if value is None else _text(value, self._values.get(SPECIFIC_CHARACTER_SET), self._big_endian)

    def number(self, key: Key) -> int | float | None:
        """The first value as a number; None where there is none."""
        value = self._values.get(key)
        return None if value is None else _number(value, self._big_endian)

    def count(self, key: Key) -> int | None:
        """A value that counts from one; None where there is none that does."""
        value = self._values.get(key)
        return None if value is None else _count(value, self._big_endian)

    def said(self, keys: Iterable[Key]) -> Hashable:
        """What these elements say, to remember by: records of which this is equal say the same."""
        values = self._values.get
        return self._big_endian, values(SPECIFIC_CHARACTER_SET), *map(values, keys)

    def decimals(self, key: Key, how_many: int) -> tuple[float, ...] | None:
        """So many numbers; None where there are others or fewer."""
        parts = self.text(key).split("\\")
        if len(parts) != how_many:
            return None
        try:
            found = tuple(float(part) for part in parts)
        except ValueError:
            return None
        return found if all(map(math.isfinite, found)) else None

    @property
    def kind(self) -> FileKind:
        """What sort of file it is, by its SOP class; one whose class does not say is an image where it has rows."""
        kind = _sort_of(self.sop_class)[0]
        return kind or (FileKind.IMAGE if self.count(ROWS) else FileKind.OTHER)

    @property
    def word(self) -> str:
        """Of a file that is no image, what it is, in one word: ``raw``, ``examcard``, ``ps``, ``spectrum``, ``sr``."""
        word = _sort_of(self.sop_class)[1]
        return "examcard" if word == "raw" and self.text(CREATOR_VERSION) == f"{_PHILIPS}4" else word

    @property
    def location(self) -> str | None:
        """The directory that Patient History (0010,21B0) names after ``#-#``, as it is written; None where none."""
        return find_path([self.text(PATIENT_HISTORY)])

    @property
    def instance(self) -> int | None:
        """Instance Number (0020,0013), also 0 or less; None where absent."""
        return self._whole(INSTANCE)

    @property
    def series_number(self) -> int | None:
        """Series Number (0020,0011), also 0 or less; None where absent."""
        return self._whole(SERIES_NUMBER)

    def _whole(self, key: Key) -> int | None:
        said = self.number(key)
        return int(said) if said is not None and abs(said) < 1 << 31 else None

    @property
    def study_id(self) -> str:
        """Study ID (0020,0010)."""
        return self.text(STUDY_ID)

    @property
    def study_date(self) -> str:
        """Study Date as it stands: ``20210902``."""
        return self.text(STUDY_DATE)

    @property
    def study_time(self) -> str:
        """Study Time as it stands: ``121816`` or with a fraction."""
        return self.text(STUDY_TIME)

    @property
    def modality(self) -> str:
        """Modality."""
        return self.text(MODALITY)

    @property
    def patient_name(self) -> str:
        """Patient's Name as it stands, components separated by ``^``."""
        return self.text(PATIENT_NAME)

    @property
    def patient_id(self) -> str:
        """Patient ID."""
        return self.text(PATIENT_ID)

    @property
    def study_description(self) -> str:
        """Study Description."""
        return self.text(STUDY_DESCRIPTION)

    @property
    def series_description(self) -> str:
        """Series Description."""
        return self.text(SERIES_DESCRIPTION)

    @property
    def protocol(self) -> str:
        """Protocol Name."""
        return self.text(PROTOCOL)


def is_spectrum(record: ImageRecord) -> bool:
    """Whether a file has a spectrum."""
    return record.kind is FileKind.OTHER and record.word == "spectrum"
