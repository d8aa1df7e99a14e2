"""What the dock reads of an image: who it is, where it wants to go, and where it stands in its series."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from mrdock.dicom.scan import Buffer, Wanted, scan
from mrdock.dicom.sop_classes import DEFLATED
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET, Header, is_uid
from mrdock.dock import wholeness
from mrdock.dock.settings import ROUTE_FIELDS, RouteSettings
from mrdock.errors import MalformedError

SOP_CLASS: Final = 0x00080016
SOP_INSTANCE: Final = 0x00080018
STUDY_DATE: Final = 0x00080020
STUDY_TIME: Final = 0x00080030
MODALITY: Final = 0x00080060
STUDY: Final = 0x0020000D
SERIES: Final = 0x0020000E
SERIES_NUMBER: Final = 0x00200011

_LONGEST_INFLATED: Final = 64 << 20
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


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """One image's header as the dock uses it. ``path`` is what follows the route tag, None where there is none."""

    sop_class: str
    uid: str
    study: str
    series: str
    study_date: str
    study_time: str
    modality: str
    series_number: int | None
    path: str | None
    facts: str


def read_header(
    data: Buffer, transfer_syntax: str, route: RouteSettings, *, start: int = 0, depth: int = 64
) -> ImageHeader:
    """Walk a whole data set and take out what the dock needs.

    Raises `MalformedError` where it is broken or does not say which study and instance it is.
    """
    if transfer_syntax == DEFLATED:
        data, start = inflate(data, start), 0
    header = Header(scan(data, transfer_syntax, WANTED, start=start, depth=depth))
    uids = {name: header.uid(key) for name, key in (("SOP Class", SOP_CLASS), ("SOP Instance", SOP_INSTANCE))}
    uids |= {name: header.uid(key) for name, key in (("Study Instance", STUDY), ("Series Instance", SERIES))}
    for name, uid in uids.items():
        if not uid:
            raise MalformedError(f"the data set has no {name} UID")
        if not is_uid(uid):
            raise MalformedError(f"the {name} UID is not a UID")
    number = header.number(SERIES_NUMBER)
    return ImageHeader(
        sop_class=uids["SOP Class"],
        uid=uids["SOP Instance"],
        study=uids["Study Instance"],
        series=uids["Series Instance"],
        study_date=header.text(STUDY_DATE) or "",
        study_time=header.text(STUDY_TIME) or "",
        modality=(header.text(MODALITY) or "")[:16],
        series_number=int(number) if number is not None and abs(number) < 1 << 31 else None,
        path=find_path([header.text(ROUTE_FIELDS[field][0]) for field in route.fields], route.tag),
        facts=wholeness.facts_from(header.text, header.number, uids["SOP Class"]).to_json(),
    )


def find_path(texts: Sequence[str | None], tag: str) -> str | None:
    """What follows the route tag in the first text that holds it, to the end of that line, blanks stripped."""
    for text in texts:
        if text and tag in text:
            return re.split(r"[\r\n\f]", text.split(tag, 1)[1], maxsplit=1)[0].strip()
    return None


def inflate(data: Buffer, start: int) -> bytes:
    """A deflated data set (PS3.5 section A.5), inflated as far as the limit goes. Raises `MalformedError`."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = engine.decompress(memoryview(data)[start:], _LONGEST_INFLATED)
    except zlib.error as error:
        raise MalformedError(f"the deflated data set is broken: {error}") from None
    if engine.unconsumed_tail or not engine.eof:
        raise MalformedError("the deflated data set is cut short or inflates beyond the limit")
    return inflated
