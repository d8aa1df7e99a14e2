"""What the dock reads of an image: who it is, where it wants to go, and where it stands in its series."""

from __future__ import annotations

from typing import Final

from mrdock.dicom.deflated import inflate
from mrdock.dicom.scan import Buffer, Found, Wanted, scan
from mrdock.dicom.sop_classes import DEFLATED, WITHOUT_STUDY
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header, is_uid
from mrdock.dock.settings import ROUTE_FIELDS, RouteSettings
from mrdock.errors import MalformedError
from mrdock.files.locations import find_path
from mrdock.sorting import wholeness

SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
STUDY_DATE: Final = 0x00080020
STUDY_TIME: Final = 0x00080030
MODALITY: Final = 0x00080060
STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E
SERIES_NUMBER: Final = 0x00200011

_LONGEST_TIME: Final = 16
_IDENTITY: Final = (
    (SPECIFIC_CHARACTER_SET, "CS"),
    (SOP_CLASS, "UI"),
    (SOP_INSTANCE, "UI"),
    (STUDY_DATE, "DA"),
    (STUDY_TIME, "TM"),
    (MODALITY, "CS"),
    (STUDY, "UI"),
    (SERIES, "UI"),
    (SERIES_NUMBER, "IS"),
)

WANTED: Final = Wanted((*_IDENTITY, *ROUTE_FIELDS.values(), *wholeness.WANTED))


class ImageHeader:
    """One image's header as the dock uses it: who it is at once, the rest when somebody asks."""

    __slots__ = ("_header", "_route", "found", "series", "sop_class", "study", "uid")

    def __init__(self, found: Found, route: RouteSettings) -> None:
        """Raises `MalformedError` where the header does not say which study, series and instance it is."""
        self.found = found
        self._header = Header(found)
        self._route = route
        self.sop_class = self._uid("SOP Class", SOP_CLASS)
        self.uid = self._uid("SOP Instance", SOP_INSTANCE)
        optional = self.sop_class in WITHOUT_STUDY
        self.study = self._uid("Study Instance", STUDY, optional)
        self.series = self._uid("Series Instance", SERIES, optional)

    def _uid(self, name: str, key: int, optional: bool = False) -> str:
        uid = self._header.uid(key)
        if not uid and optional:
            return ""
        if not uid:
            raise MalformedError(f"the data set has no {name} UID")
        if not is_uid(uid):
            raise MalformedError(f"the {name} UID is not a UID")
        return uid

    @property
    def study_date(self) -> str:
        """Study Date, empty where absent."""
        return (self._header.text(STUDY_DATE) or "")[:_LONGEST_TIME]

    @property
    def study_time(self) -> str:
        """Study Time, empty where absent."""
        return (self._header.text(STUDY_TIME) or "")[:_LONGEST_TIME]

    @property
    def modality(self) -> str:
        """Modality, empty where absent."""
        return (self._header.text(MODALITY) or "")[:16]

    @property
    def series_number(self) -> int | None:
        """Series Number."""
        number = self._header.number(SERIES_NUMBER)
        return int(number) if number is not None and abs(number) < 1 << 31 else None

    @property
    def path(self) -> str | None:
        """What follows the route tag in the first field that has it, None where none has."""
        texts = [self._header.text(ROUTE_FIELDS[field][0]) for field in self._route.fields]
        return find_path(texts, self._route.tag)

    @property
    def facts(self) -> str:
        """What the header says of the image's place in its series, as `ImageFacts.to_json` writes it."""
        return wholeness.facts_from(self._header.text, self._header.number, self.sop_class).to_json()


def read_header(
    data: Buffer, transfer_syntax: str, route: RouteSettings, *, start: int = 0, depth: int = 64
) -> ImageHeader:
    """Walk a whole data set and take out what the dock needs.

    Raises `MalformedError` where it is broken or does not say which study and instance it is.
    """
    if transfer_syntax == DEFLATED:
        data, start = inflate(data, start), 0
    return ImageHeader(scan(data, transfer_syntax, WANTED, start=start, depth=depth), route)
