"""Doing the steps of a journal: files get to their places, none is lost, none overwritten.

On one file system a file is renamed, never onto another. Everything that needs more care (copies, files of our own,
targets that are taken) is gathered into batches, see `batch`. The directories are synced at the end, each once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mrdock.errors import JournalError
from mrdock.files.batch import Batch, Sink, names_beside
from mrdock.files.copying import CHANGED, FULL, reason_of
from mrdock.files.durable import move_new
from mrdock.files.helpers import default_jobs
from mrdock.files.names import printable
from mrdock.files.ordering import Phase, ordered
from mrdock.files.pending import Pending
from mrdock.files.steps import Cancelled, How, Kind, Outcome, Planned, Progress, Result, Step, hidden_name
from mrdock.files.syncing import sync_directories
from mrdock.files.workers import Workers

if TYPE_CHECKING:
    from mrdock.files.journal import Journal

_FULL: Final = "no room left on the disk; not tried"
CANCELLED: Final = "cancelled"
"""The reason of a step that was not begun because the run was asked to stop."""
_GONE: Final = "no longer there"


def execute(
    steps: Sequence[Step],
    journal: Journal,
    *,
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    jobs: int | None = None,
) -> list[Result]:
    """Do the steps of a journal that was just created with them; one result for each, in their order.

    ``progress`` is called with each `Result`, ``cancelled`` is asked between files: what was not begun then is LEFT.
    ``jobs`` processes copy (None: as many as are of use). The journal is marked done at the end; closing it is the
    caller's. Only a journal that can no longer be written raises (`JournalError`); whatever happens to a file is in
    its result.
    """
    if [item.step.target for item in journal.planned] != [step.target for step in steps]:
        raise ValueError("the journal was made for other steps")
    run = Run(journal.planned, journal, journal.identity, progress, cancelled, jobs, expected=journal.directories)
    try:
        results = run.results()
    except OSError as error:
        text = f"the journal cannot be written any more, so the run ended there: {reason_of(error)}"
        raise JournalError(f"{printable(journal.path)}: {text}; it can undo what was done") from error
    if not run.unsynced:
        with suppress(OSError):  # all is done: then a later run looks in vain for what is left to tidy up
            journal.finish()
    return results


class Run:
    """Steps on their way; `results` does them."""

    def __init__(
        self,
        items: Sequence[Planned],
        sink: Sink,
        identity: str,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
        jobs: int | None = None,
        *,
        expected: Collection[str] = (),
    ) -> None:
        """``sink`` is told of what differs from the plan, ``identity`` is in the names of unfinished files.

        ``expected`` are directories that are to be made, so far as is known.
        """
        self._items = items
        self._sink = sink
        self._identity = identity
        self._progress = progress
        self._cancelled = cancelled
        self._results: dict[int, Result] = {}
        self._asides: dict[int, str] = {}
        self._leaving: dict[str, int] = {}
        self._expected = set(expected)
        self._directories: dict[str, str] = {}
        self._devices: dict[str, int] = {}
        self._touched: dict[str, None] = {}
        self._full: set[int] = set()
        self._workers = Workers(default_jobs() if jobs is None else jobs)
        self._batch = Batch(sink, identity, self._workers, self._end, self._touched, self._note_full, self._is_leaving)
        self.unsynced: dict[str, str] = {}
        """Directories that could not be made durable, with the reason."""

    def results(self) -> list[Result]:
        """Do all steps. Raises `OSError` where the sink does."""
        try:
            stopped = False
            for number, phase in ordered([item.step for item in self._items]):
                stopped = stopped or (not self._asides and self._cancelled is not None and self._cancelled())
                if stopped:
                    self._left(self._items[number], CANCELLED)
                else:
                    self._do(self._items[number], phase)
            self._batch.flush()
        finally:
            self._batch.drop()
            self._workers.close()
            for item in self._items if self._asides else ():
                if item.number in self._asides:
                    self._put_back(item)
            self.unsynced = sync_directories(self._touched)
        results = [self._results[item.number] for item in self._items]
        return list(map(self._lasting, results)) if self.unsynced else results

    # ---- one step ----

    def _do(self, item: Planned, phase: Phase) -> None:
        if item.number in self._results:
            return  # its way aside has failed
        source, target = self._asides.get(item.number, item.step.source), item.step.target
        if self._batch.concerns(source, target):
            self._batch.flush()
        if item.step.kind is Kind.FOLDER:
            self._take_folder(item)
            return
        if phase is not Phase.FROM_ASIDE and (reason := self._unfit(item)):
            self._left(item, reason)
        elif phase is Phase.ASIDE:
            self._take_aside(item)
        elif reason := self._prepare(directory := os.path.dirname(target)):
            self._left(item, reason)
        elif item.step.kind is Kind.MOVE:
            self._rename(item, source, directory)
        else:
            self._gather(Pending(item, source, copied=True))
        if phase is Phase.FROM_ASIDE:
            self._batch.flush()
            self._asides.pop(item.number, None)

    def _unfit(self, item: Planned) -> str:
        """Why a source cannot be taken, if it cannot."""
        kind = item.step.kind
        if kind is Kind.WRITE:
            return ""
        try:
            status = os.lstat(item.step.source) if kind is Kind.MOVE else os.stat(item.step.source)
        except OSError as error:
            return _GONE if error.errno == errno.ENOENT else reason_of(error)
        if item.size < 0:
            return "not there when the plan was made, or moved by another step"
        if not stat.S_ISREG(status.st_mode):
            return "not a regular file"
        same = (status.st_size, status.st_mtime_ns, status.st_ino) == (item.size, item.modified_ns, item.inode)
        return "" if same else CHANGED

    def _rename(self, item: Planned, source: str, directory: str) -> None:
        """The way of nearly all files; one whose target is taken or far away needs more care."""
        target = item.step.target
        try:
            move_new(source, target)
        except FileExistsError:
            self._gather(Pending(item, source))
        except OSError as error:
            if error.errno != errno.EXDEV:
                self._failed(item, error)
            elif not os.access(os.path.dirname(source), os.W_OK):
                self._left(item, "cannot be removed from its directory, so it is not moved to another disk")
            else:
                self._gather(Pending(item, source, copied=True))
        else:
            self._touched[os.path.dirname(source)] = None
            self._touched[directory] = None
            self._end(item, How.DONE, target)

    def _gather(self, pending: Pending) -> None:
        self._batch.add(pending)
        if self._batch.complete:
            self._batch.go_on()

    def _is_leaving(self, path: str) -> bool:
        """Whether a file is still to be moved away from here."""
        if not self._leaving:
            moves = (item for item in self._items if item.step.kind is Kind.MOVE)
            self._leaving = {item.step.source: item.number for item in moves}
        return path in self._leaving and self._leaving[path] not in self._results

    def _take_folder(self, item: Planned) -> None:
        """Take away an empty directory, with one made at the target in its stead."""
        source, target = item.step.source, item.step.target
        if source == target:
            self._end(item, How.DONE, target)
            return
        self._batch.flush()  # files may still be on their way out
        try:
            os.rmdir(source)
        except OSError as error:
            self._failed(item, error)
            return
        self._directories.pop(source, None)
        self._touched.pop(source, None)
        self._touched[os.path.dirname(source)] = None
        self._end(item, How.DONE, "" if self._prepare(target) else target)

    # ---- cycles ----

    def _take_aside(self, item: Planned) -> None:
        """Make room for others: a hidden name in the same directory."""
        source = item.step.source
        aside = hidden_name(os.path.dirname(source), self._identity, item.number, "aside")
        try:
            move_new(source, aside)
        except OSError as error:
            self._failed(item, error)
        else:
            self._touched[os.path.dirname(source)] = None
            self._asides[item.number] = aside

    def _put_back(self, item: Planned) -> str:
        """Whose further way has failed goes back, or beside its old name; where it is then."""
        aside = self._asides.pop(item.number)
        for place in names_beside(item.step.source):
            try:
                move_new(aside, place)
            except FileExistsError:
                continue
            except OSError:
                break
            return place
        return aside

    # ---- directories ----

    def _prepare(self, directory: str) -> str:
        """Have a directory that takes files, or a reason why not."""
        if directory not in self._directories:
            try:
                self._make(directory)
                self._directories[directory] = ""
                self._devices[directory] = os.stat(directory).st_dev
            except OSError as error:
                self._directories[directory] = f"{printable(error.filename or directory)}: {reason_of(error)}"
        if self._devices.get(directory) in self._full:
            return _FULL
        return self._directories[directory]

    def _make(self, directory: str) -> None:
        """Make what is missing of a directory, and note what somebody else has made of it. Raises `OSError`."""
        missing: list[str] = []
        here = directory
        while not os.path.isdir(here):
            missing.append(here)
            here = os.path.dirname(here)
        while here in self._expected:
            self._expected.discard(here)
            self._sink.note_foreign(here)
            here = os.path.dirname(here)
        for path in reversed(missing):
            try:
                os.mkdir(path)
            except FileExistsError:
                if not os.path.isdir(path):
                    raise
                self._sink.note_foreign(path)
            self._expected.discard(path)
            self._touched[os.path.dirname(path)] = None

    # ---- ends ----

    def _end(self, item: Planned, how: How, place: str, reason: str = "") -> None:
        """A step has ended."""
        if how is How.LEFT or reason:
            if item.number in self._asides:
                place = self._put_back(item)
                reason = f"{reason}; it is now {printable(place)}" if place != item.step.source else reason
            self._sink.note(item.number, Outcome(How.LEFT, reason=reason))
        result = Result(item.step, how, place if how is not How.LEFT else "", reason)
        self._results[item.number] = result
        if self._progress is not None:
            self._progress(result)

    def _left(self, item: Planned, reason: str) -> None:
        self._end(item, How.LEFT, "", reason)

    def _failed(self, item: Planned, error: OSError) -> None:
        if error.errno in FULL:
            self._note_full(item.step.target)
        self._left(item, reason_of(error))

    def _note_full(self, target: str) -> None:
        device = self._devices.get(os.path.dirname(target))
        if device is not None:
            self._full.add(device)

    def _lasting(self, result: Result) -> Result:
        """A result, with a reason where the disk did not make it durable."""
        for path in (result.place, result.step.source):
            if reason := self.unsynced.get(os.path.dirname(path)) if result.place else "":
                return replace(result, reason=f"in its place, but not durably: {reason}")
        return result
