"""What a search finds in a raw file: elements of its header by tag, parameters by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Final, NamedTuple

from mrdock.dicom import tags
from mrdock.dicom.elements import matches
from mrdock.dicom.opening import open_data_set
from mrdock.dicom.rendering import text_of
from mrdock.dicom.scan import Key
from mrdock.errors import DicomError
from mrdock.files.names import printable
from mrdock.rawdata.blob_rows import BlobRow, blob_rows, parameter_row
from mrdock.rawdata.blobs import Blob, RawFile
from mrdock.rawdata.contents import interpret
from mrdock.rawdata.examcard import card_of_file
from mrdock.rawdata.extract import exam_card_of

_PARAMETER: Final = re.compile(r".+[_*?\[.]|[*?]")
_LONGEST: Final = 1 << 16


class Hit(NamedTuple):
    """One line of a result: where it was found (a BLOB, a scan of a card), and the row."""

    where: str
    row: BlobRow


class ElementHit(NamedTuple):
    """An element of the header: its number ``(gggg,eeee)``, VR, name, value as text, and how deep it is nested."""

    number: str
    vr: str
    name: str
    text: str
    depth: int


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for: ``keys`` in the header, ``names`` (patterns with * and ?) among the parameters."""

    keys: tuple[Key, ...]
    names: tuple[str, ...]


def search_of(wanted: Sequence[str]) -> Search:
    """Take ``EX_ACQ_*`` and the like for parameters, the rest for tags; raises `TagError` for what is neither."""
    names = tuple(text for text in wanted if _is_parameter(text))
    return Search(tuple(tags.parse(text) for text in wanted if not _is_parameter(text)), names)


def _is_parameter(text: str) -> bool:
    return "," not in text and _PARAMETER.match(text.strip()) is not None


def found_elements(path: str, search: Search) -> Iterator[ElementHit]:
    """The elements that were looked for, nested ones too, in order; raises `DicomError`, which names the path."""
    if not search.keys:
        return
    try:
        with open_data_set(path) as data_set:
            for element in (*data_set.meta, *data_set.walk(longest=_LONGEST)):
                if any(matches(element, key) for key in search.keys):
                    number, name = tags.number_of(element.tag), tags.name_of(element.key)
                    yield ElementHit(number, element.vr, name, text_of(element), element.depth)
    except DicomError as error:
        raise type(error)(f"{printable(path)}: {error}") from None


def found_parameters(raw: RawFile, blobs: Sequence[Blob], search: Search) -> Iterator[Hit]:
    """The parameters that were looked for, in order: of a study's file those of the scans of its card."""
    if not search.names:
        return
    pattern = re.compile("|".join(translate(name.strip().lower()) for name in search.names))
    for where, row in _all_rows(raw, blobs):
        if pattern.match(row.name.lower()):
            yield Hit(where, row)


def _all_rows(raw: RawFile, blobs: Sequence[Blob]) -> Iterator[tuple[str, BlobRow]]:
    if raw.kind == "study":
        for scan in card_of_file(exam_card_of(raw)).scans:
            for parameter in scan.parameters:
                yield f"{scan.number:02d} {scan.name}", parameter_row(parameter, scan.release)
    for blob in blobs:
        for row in blob_rows(interpret(blob), raw.release, raw.tokens):
            yield blob.name, row
