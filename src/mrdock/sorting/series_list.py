"""What `dcmls -d` lists: of each directory its series, as sums over their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from mrdock.dicom.reading import read_header
from mrdock.dicom.scan import Found, Key, Value, Wanted
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header
from mrdock.errors import DicomError
from mrdock.sorting.listing import FIELDS, SERIES_NUMBER, Heading, Listed, before_the_break

STUDY_UID: Final = 0x0020000D
SERIES_UID: Final = 0x0020000E
_ROWS: Final = 0x00280010
_FRAMES: Final = 0x00280008
_ACQUIRED: Final = 0x0008002A
# Of acquisition and content, each date and time. PS3.3 sections C.7.6.1 and C.8.13.1.
_DATES: Final = ((0x00080022, 0x00080032), (0x00080023, 0x00080033))
_TIMES: Final = (_ACQUIRED, *(tag for pair in _DATES for tag in pair))

_LINE: Final = [
    (SPECIFIC_CHARACTER_SET, "CS"),
    *((field.tag, field.vr) for field in FIELDS),
    (STUDY_UID, "UI"),
    (SERIES_UID, "UI"),
]
WANTED_OF_EACH: Final = Wanted(
    [
        (STUDY_UID, "UI"),
        (SERIES_UID, "UI"),
        (_ROWS, "US"),
        (_FRAMES, "IS"),
        (_ACQUIRED, "DT"),
        *((date, "DA") for date, _ in _DATES),
        *((time, "TM") for _, time in _DATES),
    ]
)
"""Of each file only what is counted: what stands further behind is read from the first one of a series."""
_WANTED_OF_FIRST: Final = Wanted(_LINE)


@dataclass(slots=True, eq=False)
class Span:
    """The first and the last of the times seen; None before the first."""

    first: float | None = None
    last: float | None = None

    def add(self, time: float) -> None:
        """Widen the span to ``time``."""
        if self.first is None or time < self.first:
            self.first = time
        if self.last is None or time > self.last:
            self.last = time


@dataclass(slots=True, eq=False)
class Series:
    """The files of one series in one directory, or those that are no DICOM, or those that could not be read.

    ``unread`` says so of the last; ``found``, None for both, is the header of the first file. ``frames`` counts the
    images, each frame of a multi-frame file as one; ``size`` is in bytes. ``acquired_first`` and ``acquired_last`` are
    as `acquired` says, empty where no file tells.
    """

    directory: str
    found: Found | None
    unread: bool = False
    files: int = 0
    frames: int = 0
    size: int = 0
    accessed: Span = field(default_factory=Span)
    modified: Span = field(default_factory=Span)
    acquired_first: str = ""
    acquired_last: str = ""
    _times: list[Value | None] = field(default_factory=list)

    def add(self, item: Listed) -> None:
        """Count a file."""
        self.files += 1
        self.size += item.size
        self.accessed.add(item.status.st_atime)
        self.modified.add(item.status.st_mtime)
        found = item.found
        if found is None:
            return
        values = found.values
        if _ROWS in values:
            self.frames += frames_of(found) if _FRAMES in values else 1
        times = [values.get(tag) for tag in _TIMES]
        if times != self._times:  # neighbours often have the same
            self._times = times
            time = acquired(found)
            if time:
                self.acquired_first = min(self.acquired_first or time, time)
                self.acquired_last = max(self.acquired_last, time)


def series_listing(items: Iterable[Heading | Listed]) -> Iterator[Heading | Series]:
    """Headings, each followed by its series: studies in the order of their first files, in them the series by number.

    What is no DICOM file comes after them, as one, and last what could not be read. Links that lead to no file and the
    like do not count; a directory without files has no heading. A directory's series come when its last file is read;
    memory holds one header a series. The listing must bring `WANTED_OF_EACH`.
    """
    directory: dict[_Key, Series] = {}
    heading: Heading | None = None
    for item in items:
        if isinstance(item, Heading):
            yield from _in_order(heading, directory)
            directory, heading = {}, item
        elif item.readable or item.kind == "file":
            key = _key(item)
            series = directory.get(key)
            if series is None:
                series = directory[key] = Series(heading.path if heading else "", _line_of(item), key == _UNREAD)
            series.add(item)
    yield from _in_order(heading, directory)


_Key = tuple[bytes, bytes] | str  # study and series, or what it is instead
_NO_DICOM: Final = "no DICOM"
_UNREAD: Final = "not read"


def _key(item: Listed) -> _Key:
    if item.found is None:
        return _UNREAD if item.problem else _NO_DICOM
    return _raw(item.found, STUDY_UID), _raw(item.found, SERIES_UID)


def _raw(found: Found, key: Key) -> bytes:
    value = found.values.get(key)
    return b"" if value is None else value.raw.rstrip(b" \0")


def _line_of(item: Listed) -> Found | None:
    """What the line of a series says, from its first file."""
    if item.found is None:
        return None
    try:
        return read_header(item.path, _WANTED_OF_FIRST).found
    except DicomError:
        return before_the_break(item.path, _WANTED_OF_FIRST) or item.found
    except OSError:
        return item.found


def _in_order(heading: Heading | None, directory: dict[_Key, Series]) -> Iterator[Heading | Series]:
    """The heading, and what was counted in one directory, sorted."""
    if heading is not None and directory:
        yield heading
    rank: dict[bytes, int] = {}

    def place(counted: tuple[_Key, Series]) -> tuple[int, int, float]:
        key, series = counted
        if isinstance(key, str) or series.found is None:
            return 2 if series.unread else 1, 0, 0
        number = Header(series.found).number(SERIES_NUMBER)
        return 0, rank.setdefault(key[0], len(rank)), float("inf") if number is None else number

    yield from (series for _, series in sorted(directory.items(), key=place))


def frames_of(found: Found) -> int:
    """Number of Frames (0028,0008); 1 where it is absent or no count."""
    count = Header(found).number(_FRAMES)
    return count if isinstance(count, int) and count > 0 else 1


def acquired(found: Found) -> str:
    """When the image was acquired, as digits 20190502091533.12 that sort; empty where it does not say.

    Acquisition DateTime, else date and time of acquisition, else of content.
    """
    header = Header(found)
    text = (header.text(_ACQUIRED) or "").partition("+")[0].partition("-")[0]  # without the offset from UTC
    if _is_moment(text):
        return text
    for date, time in _DATES:
        text = (header.text(date) or "") + (header.text(time) or "")
        if _is_moment(text):
            return text
    return ""


def _is_moment(text: str) -> bool:
    """Whether ``text`` is date and time to the second, in digits."""
    whole, dot, fraction = text.partition(".")
    return len(whole) == 14 and text.isascii() and whole.isdecimal() and (not dot or fraction.isdecimal())


def uids_of(series: Series) -> dict[str, str | None]:
    """The UIDs of study and series by the names that CSV and JSON use."""
    header = Header(series.found) if series.found else None
    return {
        "study_instance_uid": (header and header.uid(STUDY_UID)) or None,
        "series_instance_uid": (header and header.uid(SERIES_UID)) or None,
    }
