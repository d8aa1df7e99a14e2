"""What is made of raw data files: ExamCards and their pages, and the parameters of series as text."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mrdock.errors import MrdockError
from mrdock.sorting.cleanup_plan import Made, Remark
from mrdock.sorting.records import ImageRecord

if TYPE_CHECKING:
    from mrdock.rawdata.blobs import RawFile
    from mrdock.rawdata.extract import ExamCardFile

CARD, PAGE, PARAMETERS = "ExamCard", "page", "parameters"

_CARD_ENDING: Final = ".ExamCard"
_LONGEST_BLOB: Final = 1 << 26

Free = Callable[[str], str]
"""A path that is free, for one that is wanted: the same, or with a number before its ending."""


@dataclass(slots=True)
class MadeOfRaw:
    """What will be made, and what a person should know of it."""

    made: list[Made] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def plan_made(
    raw: Sequence[ImageRecord],
    home_of: Callable[[ImageRecord], str],
    name_of: Callable[[ImageRecord], str],
    free: Free,
) -> MadeOfRaw:
    """What will be made of raw data files: reads them.

    ``name_of`` says what the series of one is called. Of several files of one exam's card the fullest counts.
    """
    from mrdock.rawdata.blobs import read_blobs
    from mrdock.rawdata.extract import by_exam, exam_card_of

    found = MadeOfRaw()
    cards: list[ExamCardFile] = []
    homes: dict[str, str] = {}
    for record in raw:
        try:
            file = read_blobs(record.path)
            homes[record.path] = home_of(record)
            if file.kind == "study":
                cards.append(exam_card_of(file))
                continue
        except (MrdockError, OSError) as error:
            found.remarks.append(Remark(record.path, f"nothing is taken out of it: {_reason(error, record.path)}"))
            continue
        target = free(os.path.join(homes[record.path], f"{name_of(record)}.txt"))
        found.made.append(Made(target, PARAMETERS, record.path, _text_of(record.path)))
    for exam in by_exam(cards):
        place = os.path.join(homes[exam.fullest.raw.path], exam.fullest.file_name)
        target = free(place)
        found.made.append(Made(target, CARD, exam.fullest.raw.path, _bytes_of(exam.fullest.xml)))
        page = free(f"{target.removesuffix(_CARD_ENDING)}.html")
        found.made.append(Made(page, PAGE, exam.fullest.raw.path, _page_of(exam.fullest.raw.path)))
        found.remarks += [
            Remark(card.raw.path, f"an earlier state of the ExamCard in {os.path.basename(exam.fullest.raw.path)}")
            for card in exam.earlier
        ]
    return found


def plan_pages(cards: Iterable[str], is_there: Callable[[str], bool], free: Free) -> list[Made]:
    """The pages of ExamCards that lie in the directory as such, and have none yet."""
    found = []
    for path in cards:
        page = f"{path[: -len(_CARD_ENDING)]}.html"
        if not is_there(page):
            found.append(Made(free(page), PAGE, path, _page_of(path)))
    return found


def is_card(path: str) -> bool:
    """Whether a file is an ExamCard by its name."""
    return path.lower().endswith(_CARD_ENDING.lower()) and len(os.path.basename(path)) > len(_CARD_ENDING)


def _bytes_of(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _text_of(path: str) -> Callable[[], bytes]:
    def data() -> bytes:
        from mrdock.rawdata.blob_text import heading, text_of_raw
        from mrdock.rawdata.blobs import read_blobs

        raw: RawFile = read_blobs(path)
        lines = [heading(raw), *text_of_raw(raw, raw.blobs, longest=_LONGEST_BLOB)]
        return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")

    return data


def _page_of(path: str) -> Callable[[], bytes]:
    """The page of a card, read anew: a raw file that is held open could not be moved on Windows."""

    def data() -> bytes:
        from mrdock.rawdata.examcard import read_examcard
        from mrdock.rawdata.html import html_page

        return html_page(read_examcard(path)).encode("utf-8", "backslashreplace")

    return data


def _reason(error: Exception, path: str) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error).removeprefix(f"{path}: ")
