"""Images that people take out of the store (with ``dcm_move``, say): marked taken, not missed."""

from __future__ import annotations

import logging
import os
from typing import Any

from mrdock.dock import queries, record
from mrdock.dock.clock import Now
from mrdock.dock.index import Index
from mrdock.dock.queries import InstanceRow
from mrdock.dock.store import StudyDirectory

log = logging.getLogger("mrdock.index")


def mark_taken(directory: StudyDirectory, index: Index, now: Now) -> tuple[int, int]:
    """Write down which images are no longer in the directory, and which are back; returns how many of each."""
    images = queries.instances_of(index, directory.study_uid)  # first: of what comes after it, nothing is said
    with os.scandir(directory.descriptor) as entries:
        present = {entry.name for entry in entries}
    gone = [image for image in images if image.taken is None and image.name not in present]
    back = [image.name for image in images if image.taken is not None and image.name in present]
    if gone:
        numbers = queries.series_numbers(index, directory.study_uid)
        modalities = queries.modalities(index, directory.study_uid)
        rows = [_kept(image, numbers.get(image.series), modalities.get(image.series, "")) for image in gone]
        record.append(directory.descriptor, "taken", now.wall, names=[image.name for image in gone], images=rows)
        index.set_taken(directory.study_uid, [image.name for image in gone], now.wall)
        log.info("%s: %d images were taken out of the store", directory.name, len(gone))
    if back:
        index.set_taken(directory.study_uid, back, None)
    return len(gone), len(back)


def mark_all_taken(index: Index, study: str, now: Now) -> int:
    """A study's whole directory is gone: somebody took it all; returns how many images that are."""
    gone = [image.name for image in queries.instances_of(index, study) if image.taken is None]
    index.set_taken(study, gone, now.wall)
    return len(gone)


def _kept(image: InstanceRow, number: int | None, modality: str) -> dict[str, Any]:
    return {
        "study": image.study,
        "series": image.series,
        "series_number": number,
        "modality": modality,
        "name": image.name,
        "uid": image.uid,
        "sop_class": image.sop_class,
        "transfer_syntax": image.transfer_syntax,
        "size": image.size,
        "received": image.received,
        "association": image.association,
        "differs": image.differs,
        "path": image.path,
        "facts": image.facts,
        "monotonic": 0.0,
        "boot": "",
    }
