"""Putting back what a journal says was done, by looking at the journal and at the disk.

Each file is looked for at its old place, at its new one and at the hidden ones between. A file counts as the one that
was moved when its size and time are those that it had: what has been changed, replaced or moved on since is left, and
named. Nothing is overwritten; what has to be removed (copies and files of ours) is removed only when it is still what
it was, and of a copy only while its source has the same bytes. So an undo that was ended anywhere can be run again.

What stands where something else belongs is put beside it. That can happen after a run that both copies and moves the
same files onto each other's places, which no command asks for; nothing is lost then, but a name may differ.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Final

from mrdock.errors import BusyError, JournalError
from mrdock.files.batch import one_file
from mrdock.files.copying import reason_of, same_files
from mrdock.files.executor import CANCELLED, Run
from mrdock.files.folders import Folders
from mrdock.files.names import printable
from mrdock.files.steps import Cancelled, How, Kind, Outcome, Planned, Progress, Result, Step, hidden_name
from mrdock.files.syncing import numbers_last, sync_directories

if TYPE_CHECKING:
    from mrdock.files.journal import Journal

_MOVED_ON: Final = "no longer where it was put"
_CHANGED: Final = "changed since it was put there"


def undo(
    journal: Journal, *, progress: Progress | None = None, cancelled: Cancelled | None = None, jobs: int | None = None
) -> list[Result]:
    """Put everything back: a `Result` for each step of which something was put back or could not be.

    ``place`` is where the file is now: its old place (`DONE`, or `SAME` where its bytes were there already), beside it
    under a number where something else has come there since (`BESIDE`), empty for a copy or written file of ours that
    is gone. `LEFT` names why. An empty list: there was nothing to do. Raises `BusyError` while the run goes on, and
    `JournalError`.
    """
    if journal.undone or not journal.whole:
        return []
    status = _status(journal.path)
    journal.reopen()
    try:
        closed_ns = status.st_mtime_ns if status is not None and journal.finished else 0
        results, whole = _Undo(journal, progress, jobs, closed_ns).results(cancelled)
        if whole and all(result.how is not How.LEFT for result in results):
            journal.finish_undo()
    except OSError as error:
        raise JournalError(f"{printable(error.filename or journal.path)}: {reason_of(error)}") from error
    finally:
        journal.close()
    return results


def recover(directory: str | None = None) -> int:
    """Tidy up after runs that were killed: call it under the lock, before anything is scanned.

    Removes their unfinished copies, ends renames that stopped half-way (two names of one file), and puts back files
    that were on their way within a cycle of renames. Returns how many files were touched. Files whose disk is not
    there, as it may be that of another machine with the same home directory, are looked for again the next time.
    """
    from mrdock.files.journal import Journal, list_journals

    count = 0
    for info in list_journals(directory):
        if not info.ended:
            with suppress(JournalError, BusyError, OSError):
                count += _recover(Journal.read(info.path))
    return count


def _recover(journal: Journal) -> int:
    if not journal.whole:
        return 0
    journal.reopen()
    try:
        count = _Undo(journal, None, 1).recovered()
        folders = {os.path.dirname(item.step.source) for item in journal.planned if item.step.source}
        folders -= {item.step.source for item in journal.planned if item.step.kind is Kind.FOLDER}
        if journal.header.get("host") == platform.node() and all(map(os.path.isdir, folders)):
            journal.finish_recovery()  # otherwise a disk may be away, or it is that of another machine
        return count
    finally:
        journal.close()


class _Silent:
    """A sink for the way back: the journal of the way there and the disk say all that is needed."""

    def note(self, number: int, outcome: Outcome) -> None:
        """Nothing to note."""

    def note_removed(self, number: int) -> None:
        """Nothing to note."""

    def note_foreign(self, directory: str) -> None:
        """Nothing to note."""

    def sync(self) -> None:
        """Nothing to sync."""


class _Undo:
    """What is to be put back, and doing it."""

    def __init__(self, journal: Journal, progress: Progress | None, jobs: int | None, closed_ns: int = 0) -> None:
        self._journal = journal
        self._progress = progress
        self._jobs = jobs
        self._results: dict[int, Result] = {}
        self._touched: dict[str, None] = {}
        self._back: set[str] = set()
        self._numbers_last = cache(numbers_last)
        self._folders = Folders(journal.planned, journal.outcomes, closed_ns)

    def results(self, cancelled: Cancelled | None) -> tuple[list[Result], bool]:
        """Put everything back; what came of it in the order of the steps, and whether that is all, and durable."""
        self._drop_parts()
        for item, reason in self._folders.make():
            self._end(item, How.LEFT if reason else How.DONE, "" if reason else item.step.source, reason)
            self._touched[os.path.dirname(item.step.source)] = None
        ours = [item for item in self._journal.planned if self._is_ours(item)]
        for item in ours:  # they may stand where something else belongs
            if cancelled is not None and cancelled():
                self._end(item, How.LEFT, "", CANCELLED)
            else:
                self._remove_ours(item, last=False)
        back = [way for item in self._journal.planned if (way := self._way_back(item))]
        run = Run(back, _Silent(), self._journal.identity, None, cancelled, self._jobs)
        for way, result in zip(back, run.results(), strict=True):
            self._end(self._journal.planned[way.number], result.how, result.place, result.reason)
            self._back.add(result.place)
        whole = cancelled is None or not cancelled()
        if whole:
            for item in ours:
                self._remove_ours(item, last=True)
            self._remove_directories()
            self._folders.end()
        unsynced = run.unsynced | sync_directories(self._touched)
        return [self._results[number] for number in sorted(self._results)], whole and not unsynced

    def recovered(self) -> int:
        """Put back only what is at no place that a user would look at; how many files were touched."""
        count = self._drop_parts()
        half = [item for item in self._journal.planned if self._half_renamed(item, forward=True)]
        asides = [item for item in self._journal.planned if item.step.kind is Kind.MOVE and self._aside(item)]
        if asides:
            cycle = _joined(self._journal.planned, asides)
            back = [way for item in cycle if (way := self._way_back(item))]
            Run(back, _Silent(), self._journal.identity, jobs=1).results()
            count += len(back)
        sync_directories(self._touched)
        return count + len(half)

    # ---- where each file is, and how it gets back ----

    def _way_back(self, item: Planned) -> Planned | None:
        """The step that puts the file of a move back, None where there is nothing to do or nothing to be done."""
        if item.step.kind is not Kind.MOVE or item.size < 0:
            return None
        outcome = self._journal.outcomes.get(item.number)
        if outcome is not None and outcome.how is How.LEFT:
            return self._from_aside(item)
        if outcome is not None and outcome.how is How.SAME:
            return self._copy_back(item, outcome)
        return self._rename_back(item, outcome)

    def _rename_back(self, item: Planned, outcome: Outcome | None) -> Planned | None:
        source = _status(item.step.source)
        place, modified_ns = (outcome.place, outcome.modified_ns) if outcome else (item.step.target, item.modified_ns)
        there = _status(place)
        if self._half_renamed(item, forward=False):
            return None
        if outcome is None and source is not None and _is(source, item):
            return None
        moved = there is not None and (there.st_size, there.st_mtime_ns) == (item.size, modified_ns)
        if there is not None and moved and (outcome is not None or self._same_number(item, place, there)):
            return _step(item, Kind.MOVE, place, there)
        if (way := self._from_aside(item)) is not None:
            return way
        if source is not None and _like(source, item):
            return None
        if source is not None and source.st_ino == item.inode:
            return None  # it was never moved, and has been changed by its owner
        self._end(item, How.LEFT, "", f"{place}: {_CHANGED if there is not None else _MOVED_ON}")
        return None

    def _same_number(self, item: Planned, place: str, there: os.stat_result) -> bool:
        """Whether a file has the number that it had, where files keep theirs."""
        return there.st_ino == item.inode or not self._numbers_last(os.path.dirname(place))

    def _copy_back(self, item: Planned, outcome: Outcome) -> Planned | None:
        """Of a move whose bytes were at the target already: copied from there, which stays."""
        source, there = _status(item.step.source), _status(outcome.place)
        if source is not None and not outcome.removed and _is(source, item):
            return None
        if there is None or (there.st_size, there.st_mtime_ns) != (item.size, outcome.modified_ns):
            way = self._from_aside(item)
            back_already = source is not None and _like(source, item)  # by an undo that was ended
            if way is None and not back_already:
                reason = _CHANGED if there is not None else _MOVED_ON
                self._end(item, How.LEFT, "", f"{outcome.place}, which had the same bytes: {reason}")
            return way
        return _step(item, Kind.COPY, outcome.place, there)

    def _from_aside(self, item: Planned) -> Planned | None:
        """The way back of a file that a crash has left under a hidden name, which is its alone."""
        for aside in self._asides(item):
            if there := _status(aside):
                return _step(item, Kind.MOVE, aside, there)
        return None

    def _aside(self, item: Planned) -> bool:
        return any(_status(aside) for aside in self._asides(item))

    def _asides(self, item: Planned) -> Sequence[str]:
        outcome = self._journal.outcomes.get(item.number)
        places = [item.step.source, item.step.target, *([outcome.place] if outcome and outcome.place else [])]
        folders = dict.fromkeys(map(os.path.dirname, places))
        return [hidden_name(folder, self._journal.identity, item.number, "aside") for folder in folders]

    def _half_renamed(self, item: Planned, *, forward: bool) -> bool:
        """Whether a rename by hard link was ended half-way; then its second half, or its first, is made up for."""
        if item.step.kind is not Kind.MOVE:
            return False
        outcome = self._journal.outcomes.get(item.number)
        place = outcome.place if outcome is not None and outcome.how is not How.LEFT else item.step.target
        source, there = _status(item.step.source), _status(place)
        if source is None or there is None or item.links != 1 or not _is(source, item):
            return False
        if not os.path.samestat(source, there) or not _two_names(item.step.source, place):
            return False
        gone = item.step.source if forward else place
        os.unlink(gone)
        self._touched[os.path.dirname(gone)] = None
        if not forward:
            self._end(item, How.DONE, item.step.source)
        return True

    # ---- what is of our making ----

    def _drop_parts(self) -> int:
        """Remove unfinished copies: no source was removed before its copy had its name."""
        count = 0
        for item in self._journal.planned:
            outcome = self._journal.outcomes.get(item.number)
            places = (item.step.target, item.step.source, outcome.place if outcome else "")
            for folder in dict.fromkeys(os.path.dirname(path) for path in places if path):
                part = hidden_name(folder, self._journal.identity, item.number, "part")
                with suppress(OSError):
                    os.unlink(part)
                    count += 1
        return count

    def _is_ours(self, item: Planned) -> bool:
        """Whether a copy or a written file was put somewhere."""
        outcome = self._journal.outcomes.get(item.number)
        return (
            item.step.kind in (Kind.COPY, Kind.WRITE) and outcome is not None and outcome.how in (How.DONE, How.BESIDE)
        )

    def _remove_ours(self, item: Planned, *, last: bool) -> None:
        """Remove a copy or a written file, if it is still what it was; only the ``last`` time say why not."""
        outcome = self._journal.outcomes[item.number]
        if item.number in self._results or outcome.place in self._back:
            return  # what is there now came back, or stands for what did
        there = _status(outcome.place)
        if there is None:
            return
        try:
            if (there.st_size, there.st_mtime_ns) != (item.size, outcome.modified_ns) or not stat.S_ISREG(
                there.st_mode
            ):
                reason = _CHANGED
            elif item.step.kind is Kind.WRITE:
                reason = "" if _digest(outcome.place) == item.digest else _CHANGED
            else:
                reason = _why_needed(item.step.source, outcome.place)
            if not reason:
                os.unlink(outcome.place)
                self._touched[os.path.dirname(outcome.place)] = None
        except FileNotFoundError:
            reason = "its source is gone, so this may be the only copy"
        except OSError as error:
            reason = reason_of(error)
        if last or not reason:
            self._end(item, How.LEFT if reason else How.DONE, "", f"{outcome.place}: {reason}" if reason else "")

    def _remove_directories(self) -> None:
        """Remove the directories that the run made, if they are empty, those below first."""
        for path in reversed(self._journal.directories):
            if path not in self._journal.foreign:
                with suppress(OSError):
                    os.rmdir(path)
                    self._touched[os.path.dirname(path)] = None
                    self._touched.pop(path, None)

    def _end(self, item: Planned, how: How, place: str, reason: str = "") -> None:
        result = Result(item.step, how, place, reason)
        self._results[item.number] = result
        if self._progress is not None:
            self._progress(result)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):
        return None


def _like(status: os.stat_result, item: Planned) -> bool:
    """Whether a file may be the one that was planned; where numbers of files last, `_is` says more."""
    return stat.S_ISREG(status.st_mode) and (status.st_size, status.st_mtime_ns) == (item.size, item.modified_ns)


def _is(status: os.stat_result, item: Planned) -> bool:
    return _like(status, item) and status.st_ino == item.inode


def _step(item: Planned, kind: Kind, place: str, there: os.stat_result) -> Planned:
    """A step from where a file is to its old place."""
    step = Step(kind, place, item.step.source)
    now = Planned(item.number, step, there.st_size, there.st_mtime_ns, there.st_ino, there.st_mode)
    now.restored = item.modified_ns, item.mode
    return now


def _two_names(one: str, other: str) -> bool:
    """Whether two paths of one file are two entries, not one that is reached or written in two ways."""
    first, second = os.path.split(one), os.path.split(other)
    try:
        if not os.path.samefile(first[0], second[0]):
            return True
        names = os.listdir(first[0])
    except OSError:
        return False
    return first[1] != second[1] and first[1] in names and second[1] in names


def _why_needed(source: str, copy: str) -> str:
    """Why a copy has to stay: its source has other bytes, or leads to the copy itself. Raises `OSError`."""
    if one_file(os.stat(source), os.lstat(copy)) and not (
        stat.S_ISREG(os.lstat(source).st_mode) and _two_names(source, copy)
    ):
        return "its source is a link to it now, so this may be the only copy"
    return "" if same_files(source, copy) else "its source has other bytes now"


def _joined(planned: Sequence[Planned], asides: Sequence[Planned]) -> list[Planned]:
    """The steps that hang together with some by their names: who goes where another was."""
    moves = [item for item in planned if item.step.kind is Kind.MOVE]
    by_name: dict[str, list[Planned]] = {}
    for item in moves:
        for path in (item.step.source, item.step.target):
            by_name.setdefault(path, []).append(item)
    found = {item.number: item for item in asides}
    todo = list(asides)
    while todo:
        item = todo.pop()
        for other in (*by_name[item.step.source], *by_name[item.step.target]):
            if other.number not in found:
                found[other.number] = other
                todo.append(other)
    return [found[number] for number in sorted(found)]


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
