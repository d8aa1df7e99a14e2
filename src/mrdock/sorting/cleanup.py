"""dcmcleanup as a library: what is asked for (`CleanupOptions`), the `plan`, and `execute`, `undo`, `purge`.

planned = plan(CleanupOptions(directories=("/data/export",)))    # reads headers, changes nothing
for directory in planned.directories: ...                        # items, extras, trash, remarks
result = execute(planned)                                        # result.left, result.journal
undo(result.journal)
"""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import Final

from mrdock.errors import JournalError, MrdockError, PlaceError, SettingsError
from mrdock.files import executor
from mrdock.files.journal import Journal, list_journals
from mrdock.files.lock import only_one
from mrdock.files.names import printable
from mrdock.files.steps import How, Kind, Result, Step
from mrdock.files.undoing import recover
from mrdock.sorting import cleanup_reading, cleanup_trash
from mrdock.sorting.cleanup_plan import (
    Cancelled,
    CleanupOptions,
    CleanupPlan,
    CleanupResult,
    DirectoryPlan,
    Goes,
    LeftFile,
    PlannedFile,
    Progress,
    Purged,
    Remark,
)
from mrdock.sorting.cleanup_planning import plan_directory
from mrdock.sorting.locating import unusable
from mrdock.sorting.move_options import LONGEST_SETTLE
from mrdock.sorting.move_text import size_text
from mrdock.sorting.moving import undo

__all__ = ["CleanupOptions", "CleanupPlan", "CleanupResult", "check", "execute", "plan", "purge", "undo"]

NAME: Final = "dcmcleanup"
_EVERY: Final = 32
_JOURNALS_LOOKED_AT: Final = 5


def check(options: CleanupOptions) -> list[str]:
    """The directories as absolute paths, each once; nothing is read.

    Raises `SettingsError` where one lies within another, and `PlaceError` where one cannot be read and written to.
    """
    if not (math.isfinite(options.settle) and 0 <= options.settle <= LONGEST_SETTLE):
        raise SettingsError(f"--settle takes seconds from 0 to {LONGEST_SETTLE}")
    real: dict[str, str] = {}
    for directory in options.directories:
        path = os.path.abspath(directory)
        if trouble := unusable(path):
            raise PlaceError(f"{printable(directory)}: {trouble}")
        real.setdefault(os.path.realpath(path), path)
    for above, one in real.items():
        for below, other in real.items():
            if below != above and below.startswith(os.path.join(above, "")):
                raise SettingsError(f"{printable(other)}: lies within {printable(one)}; name one of them")
    return list(real.values())


def plan(
    options: CleanupOptions, *, progress: Progress | None = None, cancelled: Cancelled | None = None
) -> CleanupPlan:
    """Find the files, read their headers and decide where each goes. Changes nothing.

    Waits once for each directory, at most ``options.settle`` seconds, where files were touched a moment ago. Raises
    what `check` raises, `BusyError` where another run works there, and `StoppedError` when ``cancelled`` says so.
    """
    tops = check(options)
    with only_one(*tops):
        recover()
    elsewhere = dict(_interrupted(tops))
    now = datetime.now()
    planned = []
    for top in tops:
        found = cleanup_reading.read(
            top, settle=options.settle, jobs=options.jobs, progress=progress, cancelled=cancelled
        )
        planned.append(plan_directory(found, now, elsewhere))
    return CleanupPlan(CleanupOptions(tuple(tops), options.quiet, options.settle, options.jobs), tuple(planned))


def _interrupted(tops: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Where the newest runs here, if they were interrupted, were going to put files that are still there.

    A PAR file may have its new name then, and its REC file not: by their names they belong together no more.
    """
    ours = (info for info in list_journals() if info.command[:1] == (NAME,) and not info.undone)
    for info in islice(ours, _JOURNALS_LOOKED_AT):
        with suppress(JournalError):
            journal = Journal.read(info.path)
            for item in journal.planned:
                step, outcome = item.step, journal.outcomes.get(item.number)
                undone = not journal.finished if outcome is None else outcome.how is How.LEFT
                if step.kind is Kind.MOVE and undone and any(step.source.startswith(os.path.join(t, "")) for t in tops):
                    with suppress(OSError):
                        status = os.lstat(step.source)
                        if (status.st_size, status.st_mtime_ns) == (item.size, item.modified_ns):
                            yield step.source, step.target


def execute(
    planned: CleanupPlan, *, progress: Progress | None = None, cancelled: Cancelled | None = None
) -> CleanupResult:
    """Do what was planned, with a journal. Files that fail stay and are named in the result; the others are done.

    When ``cancelled`` says so it stops between two files, and the result says ``stopped``. Raises `BusyError` where
    another run works on the same directories, and `PlaceError` where there is no room for what is to be made: nothing
    is done then.
    """
    unmade: list[Remark] = []
    with only_one(*planned.options.directories):
        steps: list[Step] = []
        for directory in planned.directories:
            here = list(_steps(directory, unmade))
            _check_room(directory.path, sum(len(step.data) for step in here))
            steps += here
        if not steps:
            return _result(planned, [], "", unmade)
        steps.sort(key=lambda step: step.kind is Kind.FOLDER)  # directories come after all files
        with Journal.create(None, [NAME, *planned.options.directories], steps) as journal:
            watch = _watch(len(steps), progress)
            results = executor.execute(steps, journal, progress=watch, cancelled=cancelled)
    return _result(planned, results, journal.path, unmade)


def _check_room(top: str, needed: int) -> None:
    """Raw data whose page could not be written would be out of the way, and looked at no more."""
    free = shutil.disk_usage(top).free if hasattr(shutil, "disk_usage") else needed
    if needed > free:
        text = f"no room on the disk: {size_text(needed)} are needed, {size_text(free)} are free; nothing has been done"
        raise PlaceError(f"{printable(top)}: {text}")


def _watch(total: int, progress: Progress | None) -> Callable[[Result], None]:
    seen = 0

    def watch(_: Result) -> None:
        nonlocal seen
        seen += 1
        if progress and (seen % _EVERY == 0 or seen == total):
            progress("tidying", seen, total)

    return watch


def steps_of(planned: DirectoryPlan) -> list[Step]:
    """What is to be done to the files and directories that are there."""
    steps = [
        Step(Kind.MOVE, file.source, file.target, seen=(file.size, file.changed))
        for file in planned.files
        if file.source != file.target
    ]
    steps += [Step(Kind.FOLDER, folder.source, folder.target) for folder in planned.folders]
    return steps + [Step(Kind.FOLDER, path, path) for path in planned.touched]


def _steps(planned: DirectoryPlan, unmade: list[Remark]) -> Iterator[Step]:
    for made in planned.made:
        try:
            yield Step(Kind.WRITE, "", made.target, made.data())
        except (MrdockError, OSError) as error:
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            text = reason.removeprefix(f"{made.source}: ")
            unmade.append(Remark(made.source, f"no {os.path.basename(made.target)} is made of it: {text}"))
    if planned.trash_list:
        run = os.path.dirname(planned.trash_list)
        data = cleanup_trash.list_of(run, planned.path, planned.trash, planned.folders)
        yield Step(Kind.WRITE, "", planned.trash_list, data)
    yield from steps_of(planned)


def _result(planned: CleanupPlan, results: Sequence[Result], journal: str, unmade: Sequence[Remark]) -> CleanupResult:
    begun = [result for result in results if result.how is not How.LEFT or result.reason != executor.CANCELLED]
    files = [file for directory in planned.directories for file in directory.files]
    goes = {file.source: file.goes for file in files}
    lists = {directory.trash_list for directory in planned.directories}
    moved = [result for result in begun if result.step.kind is Kind.MOVE]
    done = Counter(goes[result.step.source] for result in moved if result.how is not How.LEFT)
    written = [result for result in begun if result.step.kind is Kind.WRITE and result.step.target not in lists]
    failed = [result for result in begun if result.how is How.LEFT and result.step.kind is not Kind.FOLDER]
    gone = [r for r in begun if r.step.kind is Kind.FOLDER and r.step.source != r.step.target and r.how is not How.LEFT]
    return CleanupResult(
        named=done[Goes.NAMED],
        extras=done[Goes.EXTRA],
        trashed=done[Goes.TRASH],
        folders=len(gone),
        made=sum(result.how in (How.DONE, How.BESIDE) for result in written),
        in_place=sum(map(_is_in_place, files)),
        left=(
            *(file for directory in planned.directories for file in directory.left),
            *(LeftFile(result.step.source or result.step.target, result.reason) for result in failed),
        ),
        beside=tuple((result.step.target, result.place) for result in begun if result.how is How.BESIDE),
        files=tuple((result.step.source, result.place) for result in moved if result.how is not How.LEFT),
        unmade=tuple(unmade),
        journal=journal,
        stopped=len(begun) < len(results),
    )


def _is_in_place(file: PlannedFile) -> bool:
    return file.source == file.target


def purge(options: CleanupOptions, *, pretend: bool = False) -> list[tuple[str, Purged]]:
    """Delete what earlier runs have put into the trash of each directory; with ``pretend`` only say how much it is.

    Raises what `check` raises, `BusyError` and OSError.
    """
    tops = check(options)
    with only_one(*tops):
        return [(top, cleanup_trash.purge(top, pretend=pretend)) for top in tops]
