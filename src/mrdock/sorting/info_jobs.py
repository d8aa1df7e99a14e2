"""Many files read by several processes: each takes a part of them and sends back its columns, packed.

Headers as they are would take longer to send than to read; a column is mostly a few values over and over.
"""

from __future__ import annotations

import os
import sys
import threading
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from mrdock.errors import DicomError
from mrdock.sorting.info import Failed, File, Overview, Question, gather
from mrdock.sorting.info_values import Cell, Where

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess


class _Packed(NamedTuple):
    """What a process has read: of each column its different cells, and for each file the number of its own."""

    files: list[File]
    columns: Mapping[Where, tuple[list[Cell | None], array[int]]]
    failures: list[tuple[str, DicomError | OSError]]


class _Helper(NamedTuple):
    process: BaseProcess
    connection: Connection
    paths: Sequence[str]


def can_fork() -> bool:
    """Whether a process can be had at almost no cost: not beside other threads, nor among a Mac's frameworks."""
    return sys.platform == "linux" and hasattr(os, "fork") and threading.active_count() == 1


def gather_at_once(paths: Sequence[str], question: Question, failed: Failed, jobs: int) -> Overview:
    """As `info.gather`, by ``jobs`` processes, of which this is one."""
    size = -(-len(paths) // jobs)
    own, *others = (paths[at : at + size] for at in range(0, len(paths), size))
    helpers = [_started(part, question) for part in others]
    try:
        overview = gather(own, question, failed)
        for helper in helpers:
            _take_in(helper, overview, failed)
    finally:
        for helper in helpers:
            helper.connection.close()
            helper.process.join()
    return overview


def _started(paths: Sequence[str], question: Question) -> _Helper:
    import multiprocessing

    context = multiprocessing.get_context("fork") if can_fork() else multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_help, args=(theirs, paths, question), daemon=True)
    process.start()
    theirs.close()
    return _Helper(process, ours, paths)


def _help(connection: Connection, paths: Sequence[str], question: Question) -> None:
    """What a helper does; whoever waits for it may have gone, and an interrupt is told to him."""
    with suppress(KeyboardInterrupt, OSError):
        failures: list[tuple[str, DicomError | OSError]] = []
        overview = gather(paths, question, lambda path, error: failures.append((path, error)))
        columns = {where: _packed(column, overview.distinct(where)) for where, column in overview.columns.items()}
        connection.send(_Packed(overview.files, columns, failures))


def _packed(column: Sequence[Cell | None], distinct: set[Cell | None]) -> tuple[list[Cell | None], array[int]]:
    cells = list(distinct)
    numbers = {cell: number for number, cell in enumerate(cells)}
    return cells, array("I", map(numbers.__getitem__, column) if len(cells) > 1 else ())


def _take_in(helper: _Helper, overview: Overview, failed: Failed) -> None:
    """Append what a helper has read; a helper that died has read nothing."""
    try:
        packed: _Packed = helper.connection.recv()
    except EOFError:
        overview.append(gather(helper.paths, overview.question, failed))
        return
    for path, error in packed.failures:
        failed(path, error)
    part = Overview(overview.question)
    part.files = packed.files
    for where, (cells, numbers) in packed.columns.items():
        part.columns[where] = list(map(cells.__getitem__, numbers)) if len(cells) > 1 else cells * len(packed.files)
    overview.append(part)
