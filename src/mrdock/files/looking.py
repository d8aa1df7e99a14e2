"""Looking at the disk before anything is done: what the sources are, which directories are missing."""

from __future__ import annotations

import os
from collections.abc import Iterable

from mrdock.files.steps import Kind, Planned, Step


def looked_at(number: int, step: Step) -> Planned:
    """A step and its source as it is now, or was when it was ``seen``.

    Raises `ValueError` for a path that is not absolute.
    """
    if not os.path.isabs(step.target) or (step.kind is not Kind.WRITE and not os.path.isabs(step.source)):
        raise ValueError(f"not an absolute path: {step.source} -> {step.target}")
    if step.kind is Kind.WRITE:
        import hashlib

        return Planned(number, step, len(step.data), digest=hashlib.sha256(step.data).hexdigest())
    try:
        status = os.stat(step.source) if step.kind is Kind.COPY else os.lstat(step.source)
    except OSError:
        return Planned(number, step)
    size, modified_ns = step.seen or (status.st_size, status.st_mtime_ns)
    return Planned(number, step, size, modified_ns, status.st_ino, status.st_mode, status.st_nlink)


def only_once(planned: Iterable[Planned]) -> None:
    """Of several moves of one file the first counts: for the others there is none."""
    seen: set[str] = set()
    for item in planned:
        if item.step.kind is Kind.MOVE:
            if item.step.source in seen:
                item.size = -1
            seen.add(item.step.source)


def folder_of(step: Step) -> str:
    """The directory that has to be there for a step."""
    return step.target if step.kind is Kind.FOLDER else os.path.dirname(step.target)


def missing_directories(planned: Iterable[Planned]) -> list[str]:
    """The directories above the targets that are not there, those above before those below."""
    missing: dict[str, None] = {}
    for path in dict.fromkeys(folder_of(item.step) for item in planned):
        chain: list[str] = []
        here = path
        while here not in missing and not os.path.lexists(here):
            chain.append(here)
            here = os.path.dirname(here)
        missing.update(dict.fromkeys(reversed(chain)))
    return list(missing)
