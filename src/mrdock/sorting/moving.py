"""dcm_move as a library: what is asked for (`MoveOptions`), what will be done (`plan`), doing it (`execute`), `undo`.

The command and the window are both thin layers over these:

    options = MoveOptions(source="/scans/today", destination="/data/lab", copy=True)
    planned = plan(options)                      # reads headers, changes nothing
    for study in planned.studies: ...            # studies > series > files, with warnings
    result = execute(planned.only(chosen))       # result.counts, result.left, result.journal
    undo(result.journal)
"""

from __future__ import annotations

import gc
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Final

from mrdock.errors import PlaceError, StoppedError
from mrdock.files import executor
from mrdock.files.journal import Journal
from mrdock.files.journal import undo as undo_journal
from mrdock.files.lock import only_one
from mrdock.files.names import printable
from mrdock.files.steps import How, Kind, Result, Step
from mrdock.files.undoing import recover
from mrdock.sorting import move_reading
from mrdock.sorting.destination_owners import there
from mrdock.sorting.finding import Entry, Found, find
from mrdock.sorting.locating import unusable
from mrdock.sorting.move_options import check, command_line, words
from mrdock.sorting.move_plan import (
    Cancelled,
    Counts,
    InfoFile,
    LeftFile,
    MoveOptions,
    MovePlan,
    MoveResult,
    PlannedFile,
    PlannedSeries,
    PlannedStudy,
    Progress,
)
from mrdock.sorting.move_planning import make_plan

__all__ = [
    "Cancelled",
    "Counts",
    "InfoFile",
    "LeftFile",
    "MoveOptions",
    "MovePlan",
    "MoveResult",
    "PlannedFile",
    "PlannedSeries",
    "PlannedStudy",
    "Progress",
    "check",
    "command_line",
    "execute",
    "plan",
    "undo",
]

_EVERY: Final = 32
"""Files between two calls of a progress function."""


def plan(options: MoveOptions, *, progress: Progress | None = None, cancelled: Cancelled | None = None) -> MovePlan:
    """Find the files, read their headers and decide where each goes. Changes nothing.

    Waits once, at most ``options.settle`` seconds, where files were touched a moment ago. Raises what `check` raises,
    `BusyError` where another run works on the same directories, and `StoppedError` when ``cancelled`` says so.
    """
    check(options)
    with _without_collecting():
        return _plan(options, progress, cancelled)


def _plan(options: MoveOptions, progress: Progress | None, cancelled: Cancelled | None) -> MovePlan:
    options = replace(options, source=os.path.abspath(options.source), destination=os.path.abspath(options.destination))
    with only_one(*_places(options)):
        recover()
    found = find(options.source, recursive=options.recursive, modality=options.modality, cancelled=cancelled)
    read = move_reading.read(
        _with_links(options, found), settle=options.settle, jobs=options.jobs, progress=progress, cancelled=cancelled
    )
    read.left += [LeftFile(path, reason) for path, reason in found.troubles]
    if not options.copy:
        read.left += [LeftFile(path, "a link to a file elsewhere; links are copied only (-c)") for path in found.links]
    if cancelled and cancelled():
        raise StoppedError("stopped before anything was moved")
    return make_plan(options, read)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """No garbage collection for a while: it would look again and again at a million records that all stay."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _places(options: MoveOptions) -> list[str]:
    return [options.source] if options.rename else [options.source, options.destination]


def _with_links(options: MoveOptions, found: Found) -> list[Entry]:
    """The files, and where they are copied those that links lead to as well; each file once."""
    if not (options.copy and found.links):
        return found.files
    files, linked = list(found.files), []
    real = cache(os.path.realpath)
    seen = {os.path.join(real(os.path.dirname(entry.path)), os.path.basename(entry.path)) for entry in files}
    for path in found.links:
        if (leads_to := os.path.realpath(path)) in seen:
            continue
        seen.add(leads_to)
        try:
            status = os.stat(path)
        except OSError as error:
            found.troubles.append((path, error.strerror or str(error)))
        else:
            linked.append(Entry(path, status.st_size, status.st_mtime_ns))
    return files + linked


def execute(planned: MovePlan, *, progress: Progress | None = None, cancelled: Cancelled | None = None) -> MoveResult:
    """Do what was planned, with a journal. Files that fail stay and are named in the result; the others are done.

    When ``cancelled`` says so it stops between two files, and the result says ``stopped``. Raises `BusyError` where
    another run works on the same directories, and `PlaceError` where the destination has changed so much since the
    plan was made that it has to be planned anew.
    """
    options = planned.options
    steps = steps_of(planned)
    if not steps:
        return _result(planned, [], "")
    with _without_collecting(), only_one(*dict.fromkeys([options.source, *planned.roots])):
        for root in planned.roots:
            if trouble := unusable(root):
                raise PlaceError(f"{printable(root)}: {trouble}")
        free = [path for _, path in planned.free]
        if come := there(free, flat=options.flat or options.rename):
            raise PlaceError(f"{printable(come[0])}: has come since the plan was made; make the plan anew")
        watch = _Watch("copying" if options.copy else "renaming" if options.rename else "moving", len(steps), progress)
        with Journal.create(None, words(options), steps) as journal:
            results = executor.execute(steps, journal, progress=watch, cancelled=cancelled)
    return _result(planned, results, journal.path)


class _Watch:
    """Passes on the executor's progress, not more often than somebody can see."""

    def __init__(self, word: str, total: int, progress: Progress | None) -> None:
        self.seen = 0
        self._word, self._total, self._progress = word, total, progress

    def __call__(self, _: Result) -> None:
        self.seen += 1
        if self._progress and (self.seen % _EVERY == 0 or self.seen == self._total):
            self._progress(self._word, self.seen, self._total)


def steps_of(planned: MovePlan) -> list[Step]:
    """What is to be done file by file; the info file of a series comes before its files."""
    kind = Kind.COPY if planned.options.copy else Kind.MOVE
    steps: list[Step] = []
    for study in planned.studies:
        for series in study.series:
            if series.info is not None:
                steps.append(Step(Kind.WRITE, "", series.info.target, series.info.data))
            steps += [_step(kind, file) for file in series.files if file.source != file.target]
    steps += [_step(kind, file) for file in planned.bad]
    return steps


def _step(kind: Kind, file: PlannedFile) -> Step:
    return Step(kind, file.source, file.target, seen=file.seen)


def _result(planned: MovePlan, results: Sequence[Result], journal: str) -> MoveResult:
    begun, stopped = _begun(results)
    bad = {file.source for file in planned.bad}
    counts, left = _counts(begun)
    return MoveResult(
        counts=replace(
            counts,
            in_place=planned.in_place,
            bad=sum(result.step.source in bad and result.how is not How.LEFT for result in begun),
            left=len(planned.left) + counts.left,
        ),
        left=(*planned.left, *left),
        beside=tuple((result.step.target, result.place) for result in begun if result.how is How.BESIDE),
        journal=journal,
        stopped=stopped,
        not_dicom=planned.not_dicom,
        files=tuple((result.step.source, result.place) for result in begun if _is_put(result)),
    )


def _begun(results: Sequence[Result]) -> tuple[list[Result], bool]:
    """The steps that were begun, and whether there were others."""
    begun = [result for result in results if result.how is not How.LEFT or result.reason != executor.CANCELLED]
    return begun, len(begun) < len(results)


def _counts(results: Sequence[Result], *, undone: bool = False) -> tuple[Counts, list[LeftFile]]:
    """How many files ended how, and those that stay."""
    ends = Counter(result.how for result in results if result.step.kind in (Kind.MOVE, Kind.COPY))
    info = sum(result.step.kind is Kind.WRITE and result.how in (How.DONE, How.BESIDE) for result in results)
    left = [LeftFile(_stays_at(result.step, undone), result.reason) for result in results if result.how is How.LEFT]
    done, same, beside = ends[How.DONE], ends[How.SAME], ends[How.BESIDE]
    return Counts(done=done, same=same, beside=beside, info=info, left=len(left)), left


def _stays_at(step: Step, undone: bool) -> str:
    return step.target if undone or not step.source else step.source


def _is_put(result: Result) -> bool:
    return result.step.kind in (Kind.MOVE, Kind.COPY) and result.how is not How.LEFT


def undo(journal: str, *, progress: Progress | None = None, cancelled: Cancelled | None = None) -> MoveResult:
    """Put back what a journal says was done. Raises `JournalError` where it cannot be used, `BusyError` while its run
    goes on or another one works on the same directories."""
    read = Journal.read(journal)
    watch = _Watch("putting back", len(read.planned), progress)
    with only_one(*_directories_of(read)):
        begun, stopped = _begun(undo_journal(read, progress=watch, cancelled=cancelled))
    counts, left = _counts(begun, undone=True)
    return MoveResult(
        counts=counts,
        left=tuple(left),
        beside=tuple((result.step.source, result.place) for result in begun if result.how is How.BESIDE),
        journal=journal,
        stopped=stopped,
        files=tuple((result.step.target, result.place) for result in begun if _is_put(result)),
    )


def _directories_of(journal: Journal) -> list[str]:
    """The directories that hold all that a journal moves: one for the sources and one for the targets of each drive.

    Not each by itself: every one that is locked keeps a file open.
    """
    above: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
    for item in journal.planned:
        for path, is_target in ((item.step.source, False), (item.step.target, True)):
            if path:
                above[os.path.splitdrive(path)[0], is_target].add(os.path.dirname(path))
    return sorted({os.path.commonpath(paths) for paths in above.values()})
