"""What one input file of dcm_move is: an image or another DICOM file, an invalid one, no DICOM, or not whole.

An **invalid** file claims to be DICOM, by its prefix or by its name (``.dcm``, ``.ima``, ``IM_0001`` and the like), and
cannot be read as such, or does not say which instance of what it is. What makes no such claim and is no DICOM (notes,
scripts, PAR/REC) is none of our business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from mrdock.dicom.reading import FileHeader, read_many
from mrdock.dicom.scan import Wanted
from mrdock.dicom.sop_classes import WITHOUT_STUDY
from mrdock.dicom.values import is_uid
from mrdock.errors import DicomError, NotDicomError
from mrdock.sorting import records
from mrdock.sorting.settling import PIXEL_WANTED, cut_short

WANTED: Final = Wanted((*records.WANTED.vrs.items(), *PIXEL_WANTED))

_CLAIMS: Final = re.compile(r".+\.(dcm|dicom|ima)|(im|ps|xx)_?[0-9]+", re.IGNORECASE)


class Verdict(IntEnum):
    """What a file is."""

    RECORD = 0
    """A DICOM file that can be given a name."""

    DIRECTORY = 1
    """A DICOMDIR: it lists others by their names and belongs to no study."""

    BAD = 2
    """Invalid; the reason says why."""

    LEFT = 3
    """It stays; the reason says why."""

    OTHER = 4
    """No DICOM, and no claim to be."""


class Examined(NamedTuple):
    """What was found out about one file."""

    verdict: Verdict
    reason: str = ""
    header: FileHeader | None = None
    """Of a `RECORD`."""


def examined(paths: Iterable[str], jobs: int = 1, wanted: Wanted = WANTED) -> Iterator[Examined]:
    """What each of these files is, in their order; ``jobs`` headers are read at once.

    ``wanted`` has at least what `WANTED` has.
    """
    for path, header in read_many(paths, wanted, jobs):
        yield _accepted(path, header) if isinstance(header, FileHeader) else _refused(path, header)


def _accepted(path: str, header: FileHeader) -> Examined:
    """About a file whose header could be read."""
    sop_class = header.sop_class
    if sop_class == records.DICOMDIR:
        return Examined(Verdict.DIRECTORY)
    for name, uid in (("SOP Class", sop_class), ("SOP Instance", header.sop_instance)):
        if not is_uid(uid):
            return Examined(Verdict.BAD, f"its {name} UID is not a UID" if uid else f"has no {name} UID")
    try:
        short = cut_short(path, header)
    except OSError as error:
        short = error.strerror or str(error)
    if short:
        return Examined(Verdict.LEFT, short)
    if sop_class in WITHOUT_STUDY and not header.header.uid(records.STUDY):
        return Examined(Verdict.LEFT, "belongs to no study")
    return Examined(Verdict.RECORD, header=header)


def _refused(path: str, error: DicomError | OSError) -> Examined:
    """About a file whose header could not be read."""
    if isinstance(error, OSError):
        return Examined(Verdict.LEFT, error.strerror or str(error))
    if not isinstance(error, NotDicomError) or _CLAIMS.fullmatch(os.path.basename(path)):
        return Examined(Verdict.BAD, str(error))
    return Examined(Verdict.OTHER)
