"""Names for files from the values in their headers (`dcminfo -r`): all of them, or none.

`plan` decides, and looks only which names are taken; `execute` does it, with a journal, and `undo` puts it back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from mrdock.dicom.scan import Key
from mrdock.files.names import printable
from mrdock.files.steps import How, Kind, Result, Step
from mrdock.sorting import info
from mrdock.sorting.info import Failed, Question
from mrdock.sorting.info_tags import Selection
from mrdock.sorting.info_values import Cell
from mrdock.sorting.safe import clash_key, safe

SUFFIX: Final = ".dcm"
_LONGEST: Final = 255  # bytes of a name that all usual file systems take
_MOST_NAMED: Final = 3
_NEGATIVE: Final = re.compile(r"\s*-[0-9.]")


class Named(NamedTuple):
    """A file and the values that make its name; None where it has no such element."""

    path: str
    values: tuple[Cell | None, ...]
    seen: tuple[int, int] | None = None
    """Size and time (ns) that it had before it was read."""


class Rename(NamedTuple):
    """One file and its new path, in the same directory; both are absolute."""

    path: str
    target: str
    seen: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class RenamePlan:
    """The new names of all files, and why they cannot be given: (path, reason). With a problem nothing is renamed."""

    renames: tuple[Rename, ...]
    problems: tuple[tuple[str, str], ...]

    def steps(self) -> list[Step]:
        """What is to be done; files that have their names already need nothing."""
        return [Step(Kind.MOVE, path, target, seen=seen) for path, target, seen in self.renames if path != target]


def plan(files: Sequence[Named], labels: Sequence[str]) -> RenamePlan:
    """The name of each file: its values joined by ``_``, and ``.dcm``; ``labels`` are the values' names in messages.

    A problem is a link, a value that is missing or empty, or varies over frames, two files of one name (also where only
    upper and lower case tell them apart, which some file systems do not), a name that another file has already, and a
    name that is too long. A file that is named twice counts once, also by two ways to its directory.
    """
    renames: list[Rename] = []
    problems: list[tuple[str, str]] = []
    for path, values, seen in _each_once(files):
        reasons = ["is a link; links are not renamed"] if os.path.islink(path) else []
        reasons += [reason for label, cell in zip(labels, values, strict=True) if (reason := _unfit(label, cell))]
        if reasons:
            problems.append((path, "; ".join(reasons)))
            continue
        name = "_".join(_part(cell.text) for cell in values if cell) + SUFFIX
        name = f"_{name}" if name.startswith("-") else name  # no program is to take it for a switch
        if len(os.fsencode(name)) > _LONGEST:
            problems.append((path, f"the name would have more than {_LONGEST} bytes: {name}"))
        renames.append(Rename(path, os.path.join(os.path.dirname(path), name), seen))
    problems += _equal_names(renames)
    problems += _taken_names(renames)
    return RenamePlan(tuple(renames), tuple(problems))


def _each_once(files: Iterable[Named]) -> Iterable[Named]:
    """The files by absolute paths."""
    real = cache(os.path.realpath)
    found: dict[str, Named] = {}
    for path, values, seen in files:
        folder, name = os.path.split(os.path.abspath(path))
        found.setdefault(os.path.join(real(folder), name), Named(os.path.join(folder, name), values, seen))
    return found.values()


def _unfit(label: str, cell: Cell | None) -> str:
    """Why a value cannot be part of a name; empty where it can."""
    if cell is None:
        return f"has no {label}"
    if cell.frames is not None:
        return f"{label} varies over the frames"
    if cell.vr == "SQ":
        return f"{label} is a sequence"
    return "" if _part(cell.text) else f"{label} has no value that can be part of a name"


def _part(text: str) -> str:
    """A value as part of a name; unlike other words, numbers keep a sign."""
    part = safe(text)
    return f"-{part}" if part and _NEGATIVE.match(text) else part


def _equal_names(renames: Sequence[Rename]) -> Iterator[tuple[str, str]]:
    groups: dict[str, list[Rename]] = {}
    for rename in renames:
        groups.setdefault(_folded(rename.target), []).append(rename)
    for group in groups.values():
        if len(group) > 1:
            others = [printable(os.path.basename(rename.path)) for rename in group[1:]]
            more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
            name = os.path.basename(group[0].target)
            yield group[0].path, f"would be named {name} like {', '.join(others[:_MOST_NAMED])}{more}"


def _taken_names(renames: Sequence[Rename]) -> Iterator[tuple[str, str]]:
    own = {rename.path for rename in renames}
    spelled = {_folded(rename.path): rename.path for rename in renames}
    for path, target, _ in renames:
        if target in own or not os.path.lexists(target):
            continue
        alike = spelled.get(_folded(target))
        if alike is None or not os.path.samestat(os.lstat(alike), os.lstat(target)):
            yield path, f"would be named {os.path.basename(target)}, and there is another file of that name"


def _folded(path: str) -> str:
    """By this two names are told apart on every file system."""
    folder, name = os.path.split(path)
    return os.path.join(folder, clash_key(name))


def gather(paths: Sequence[str], keys: Sequence[Key], failed: Failed) -> list[Named]:
    """The values that make the names, of each tag the first found."""
    seen = {path: _seen(path) for path in paths}
    overview = info.gather(paths, Question(asked=Selection(tuple(keys))), failed)
    columns = [overview.columns[key] for key in keys]
    return [
        Named(file.path, tuple(column[at] for column in columns), seen.get(file.path))
        for at, file in enumerate(overview.files)
    ]


def _seen(path: str) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@contextmanager
def alone(paths: Iterable[str]) -> Iterator[None]:
    """Keep the files' directories to ourselves, tidied up after runs that were killed.

    Raises `PlaceError`, and `BusyError` where another run works there.
    """
    from mrdock.files.lock import only_one
    from mrdock.files.undoing import recover

    with only_one(*{os.path.dirname(os.path.abspath(path)) for path in paths}):
        recover()
        yield


def execute(planned: RenamePlan, command: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """Rename the files: the journal's path, and (path, reason) of what stayed or got another name.

    To be called within `alone`. Raises `PlaceError` where no journal can be written: then nothing was touched.
    """
    from mrdock.files import executor
    from mrdock.files.journal import Journal

    steps = planned.steps()
    with Journal.create(None, command, steps) as journal:
        results = executor.execute(steps, journal)
    return journal.path, _left(results)


def undo(path: str) -> tuple[int, list[tuple[str, str]]]:
    """Put back what a journal says was renamed: how many files, and (path, reason) of what could not be put back.

    Raises `JournalError` and `BusyError`.
    """
    from mrdock.files.journal import Journal
    from mrdock.files.journal import undo as undo_journal
    from mrdock.files.lock import only_one

    journal = Journal.read(path)
    with only_one(*{os.path.dirname(item.step.source) for item in journal.planned if item.step.source}):
        results = undo_journal(journal)
    return sum(result.how is How.DONE for result in results), _left(results)


def _left(results: Iterable[Result]) -> list[tuple[str, str]]:
    """What did not end as planned, and why."""
    found = []
    for result in results:
        if result.how is How.LEFT:
            found.append((result.step.source, result.reason))
        elif result.how is How.BESIDE:
            found.append((result.step.source, f"another file has come there meanwhile; it is now {result.place}"))
    return found
