"""ExamCards and BLOBs as files of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from mrdock.files.writing import output_stem, write_file, written_together
from mrdock.rawdata.blobs import Blob, RawFile, read_blobs
from mrdock.rawdata.extract import ENDING, Exam, ExamCardFile, dated_name, exam_card_of, safe_name


def card_places(exams: Sequence[Exam], folder: str | None = None) -> list[str]:
    """Where the card of each exam goes: in ``folder``, or beside its raw file, under its own name.

    Of several with one name the second has its study's date and time, too, further ones a number.
    """
    taken: set[str] = set()
    places = []
    for exam in exams:
        card = exam.fullest
        where = os.path.dirname(card.raw.path) if folder is None else folder
        place = next(path for name in _names(card) if (path := os.path.join(where, name)).lower() not in taken)
        taken.add(place.lower())
        places.append(place)
    return places


def _names(card: ExamCardFile) -> Iterator[str]:
    """The names a card may have, the best first."""
    stem, dated = card.file_name.removesuffix(ENDING), dated_name(card.raw)
    yield card.file_name
    if dated and dated not in stem:
        stem = f"{stem}_{dated}"
        yield stem + ENDING
    number = 2
    while True:
        yield f"{stem}_{number}{ENDING}"
        number += 1


def save_card(path: str, place: str, *, force: bool = False) -> None:
    """Write the ExamCard of the raw file ``path`` to ``place``, whole or not at all.

    Raises `PlaceError` where ``place`` exists and ``force`` is not set, what `exam_card_of` raises, and OSError.
    """
    write_file(place, exam_card_of(read_blobs(path)).xml, force=force)


def save_blobs(raw: RawFile, blobs: Sequence[Blob], folder: str, *, force: bool = False) -> list[str]:
    """Write BLOBs as they are, as ``<name of the raw file>.<name of the BLOB>.bin``, all of them or none.

    Makes ``folder`` if it is not there. BLOBs without data make no file. Returns the paths. Raises `PlaceError` where
    one exists and ``force`` is not set, and OSError.
    """
    stem = output_stem(raw.path)
    taken: set[str] = set()
    found: dict[str, Blob] = {}
    for blob in blobs:
        if not len(blob.data):
            continue
        name = safe_name(blob.name) or "unnamed"
        number = 1
        while (unique := name if number == 1 else f"{name}_{number}").lower() in taken:
            number += 1
        taken.add(unique.lower())
        found[os.path.join(folder, f"{stem}.{unique}.bin")] = blob
    if not found:
        return []
    os.makedirs(folder, exist_ok=True)
    with written_together(list(found), force=force) as streams:
        for stream, blob in zip(streams, found.values(), strict=True):
            stream.write(blob.data)
    return list(found)
