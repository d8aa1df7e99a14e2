"""What is to be done with files, and what came of it: the words that planners, the executor and the journal share."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HIDDEN: Final = ".mrdock-"
"""What the names of our unfinished files begin with; they are no input to anything."""


class Kind(StrEnum):
    """What a step does."""

    MOVE = "move"
    COPY = "copy"
    WRITE = "write"
    """A small file of our own, such as a series' info."""

    FOLDER = "folder"
    """An empty directory is taken away, and one is made at the target in its stead; undo brings it back with its mode
    and time. Where source and target are one, the directory stays, and undo gives it the time that it had. Behind all
    other steps, those of directories below before those above."""


class How(StrEnum):
    """How a step ended."""

    DONE = "done"
    SAME = "same"
    """The same bytes were at the target already; of a move, the source is gone (not where both are one file)."""

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
    seen: tuple[int, int] | None = None
    """Size and time (ns) of the source when somebody decided where it goes: one that has changed since is left."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a step ended, and where the file is now (empty where it was left)."""

    step: Step
    how: How
    place: str
    reason: str = ""


Progress = Callable[[Result], None]
"""Told of each step that has ended, once."""

Cancelled = Callable[[], bool]
"""Asked between files whether to stop."""


@dataclass(slots=True)
class Planned:
    """A step, and its source as it was when the plan was made (``size`` -1: there was no such file)."""

    number: int
    step: Step
    size: int = -1
    modified_ns: int = 0
    inode: int = 0
    mode: int = 0
    links: int = 0
    digest: str = ""
    """SHA-256 of what a `WRITE` brings."""

    restored: tuple[int, int] | None = None
    """The time (ns) and mode that a copy is to get; None: those of its source."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a journal says of a step that did not go as planned, or whose file got another identity."""

    how: How
    place: str = ""
    modified_ns: int = 0
    reason: str = ""
    removed: bool = False
    """Of `SAME`: the source was removed; until that is said, look."""


def hidden_name(directory: str, identity: str, number: int, suffix: str) -> str:
    """The path of an unfinished file of a run: ``.part`` a copy, ``.aside`` a file on its way (never to be deleted)."""
    return os.path.join(directory, f"{HIDDEN}{identity}-{number}.{suffix}")
