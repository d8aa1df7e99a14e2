"""Rows of the index for tests that need no store."""

from __future__ import annotations

from typing import Any

from mrdock.dock.queries import InstanceRow, StudyRow
from mrdock.sorting.image_facts import ImageFacts
from tests.dock.support import EXPLICIT, MR, START, STUDY


def study_row(uid: str = STUDY, **values: Any) -> StudyRow:
    """A study's row with usual values."""
    usual: dict[str, Any] = dict.fromkeys(StudyRow.__dataclass_fields__)
    usual |= {"uid": uid, "directory": f"20260105_101500_{uid}", "version": 1, "attempts": 0, "next_try": 0.0}
    usual |= {"first_received": START, "last_received": START, "looks": "", "record_bytes": 0}
    return StudyRow(**{**usual, **values})


def instance_row(number: int = 1, *, series: int = 1, path: str | None = None, **values: Any) -> InstanceRow:
    """An image's row with usual values."""
    usual: dict[str, Any] = {
        "study": STUDY,
        "name": f"MR.{STUDY}.{series}.{number}",
        "series": f"{STUDY}.{series}",
        "uid": f"{STUDY}.{series}.{number}",
        "sop_class": MR,
        "transfer_syntax": EXPLICIT,
        "size": 1000,
        "received": START + number,
        "association": "a1",
        "differs": False,
        "path": path,
        "facts": ImageFacts().to_json(),
        "taken": None,
        "routed": None,
    }
    return InstanceRow(**{**usual, **values})
