"""What is to be done with files, and what came of it: the words that planners, the executor and the journal share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a step does."""

    MOVE = "move"
    COPY = "copy"
    WRITE = "write"
    """A small file of our own, such as a series' info."""


class How(StrEnum):
    """How a step ended."""

    DONE = "done"
    SAME = "same"
    """The same bytes were at the target already; of a move, the source is gone."""

    BESIDE = "beside"
    """Other bytes were at the target; the file is beside it under a numbered name."""

    LEFT = "left"
    """Nothing was done; the reason says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to one place: absolute paths; a `WRITE` has no source and brings its bytes along."""

    kind: Kind
    source: str
    target: str
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Result:
    """How a step ended, and where the file is now (empty where it was left)."""

    step: Step
    how: How
    place: str
    reason: str = ""
