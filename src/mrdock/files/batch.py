"""Steps that need more care than a rename, some at a time: copies, files of our own, and targets that are taken.

The order within a batch, so that a crash at any moment loses nothing and leaves no half file under a final name:
copies under hidden names beside their targets, compared with their sources; these made durable; of a move compared
again, from the disk; what will be done noted in the journal, durably; then the renames; then the directories made
durable; and only then, of a move, the source removed, if it is still what was copied. While one batch goes through all
that, the copies of the next are made by other processes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from mrdock.files.copying import CHANGED, FULL, reason_of, same_files
from mrdock.files.durable import move_new
from mrdock.files.pending import Copies, Pending, content_of
from mrdock.files.steps import How, Kind, Outcome, Planned, hidden_name
from mrdock.files.syncing import sync_directories, sync_files
from mrdock.files.workers import Workers

_MOST_FILES: Final = 2000
_MOST_BYTES: Final = 1 << 28
_ONE_FILE: Final = "source and target are one file"


class Sink(Protocol):
    """Who is told what differs from the plan: a journal."""

    def note(self, number: int, outcome: Outcome) -> None:
        """Take note of how a step ends."""

    def note_removed(self, number: int) -> None:
        """Take note of a source that is gone because its bytes were at the target already."""

    def note_foreign(self, directory: str) -> None:
        """Take note of a directory that somebody else made."""

    def sync(self) -> None:
        """Make the notes durable."""


@dataclass(slots=True)
class _Begun:
    """Steps whose copies are on their way."""

    steps: list[Pending] = field(default_factory=list)
    copies: list[Copies] = field(default_factory=list)
    paths: set[str] = field(default_factory=set)


class Batch:
    """The steps gathered so far; `flush` does them."""

    def __init__(
        self,
        sink: Sink,
        identity: str,
        workers: Workers,
        end: Callable[[Planned, How, str, str], None],
        touched: dict[str, None],
        full: Callable[[str], None],
        leaving: Callable[[str], bool],
    ) -> None:
        """``end`` hears how each step ended, ``touched`` gets the directories to sync, ``full`` hears of full disks.

        ``leaving`` tells whether a file is still to be moved away: it does not count as one that stays.
        """
        self._sink = sink
        self._identity = identity
        self._workers = workers
        self._ended = end
        self._touched = touched
        self._full = full
        self._leaving = leaving
        self._pending: list[Pending] = []
        self._paths: set[str] = set()
        self._begun = _Begun()
        self._bytes = 0
        self._ours: set[str] = set()

    def add(self, pending: Pending) -> None:
        """Gather a step."""
        self._pending.append(pending)
        if pending.source:
            self._paths.add(pending.source)
        self._paths.add(pending.item.step.target)
        self._bytes += max(0, pending.item.size) if pending.copied else 0

    def concerns(self, source: str, target: str) -> bool:
        """Whether a step has to wait for one that is gathered."""
        return any(source in paths or target in paths for paths in (self._paths, self._begun.paths))

    @property
    def complete(self) -> bool:
        """Whether it is time to go on."""
        return len(self._pending) >= _MOST_FILES or self._bytes >= _MOST_BYTES

    def go_on(self) -> None:
        """Begin with what was gathered, and end what was begun before. Raises `OSError` where the sink does."""
        before = self._begun
        for pending in self._pending:
            self._choose(pending)
        self._end_copies(before)
        try:
            self._begin()
            self._end(before)
        except BaseException:
            self._begun.steps += before.steps  # for `drop`
            self._begun.copies += before.copies
            raise

    def flush(self) -> None:
        """Do all that was gathered. Raises `OSError` where the sink does; then nothing was removed."""
        self.go_on()
        self.go_on()

    def drop(self) -> None:
        """Take away what an interrupted flush has left unfinished."""
        left = [*self._begun.steps, *self._pending]
        if left:
            self._workers.close()  # they might make more
        for copies in self._begun.copies:
            copies.close()
        for pending in left:
            self._drop_part(pending)

    # ---- where to ----

    def _choose(self, pending: Pending) -> None:
        """Find the place: the target, or the first numbered name that is free or has the same bytes already."""
        for number, place in enumerate(names_beside(pending.item.step.target)):
            try:
                there = os.lstat(place)
            except FileNotFoundError:
                pending.how, pending.place = How.BESIDE if number else How.DONE, place
                return
            except OSError as error:
                pending.reason = reason_of(error)
                return
            try:
                if self._same(pending, place, there):
                    pending.how, pending.place, pending.modified_ns = How.SAME, place, there.st_mtime_ns
                    return
            except OSError as error:
                pending.reason = reason_of(error)
                return

    def _same(self, pending: Pending, place: str, there: os.stat_result) -> bool:
        """Whether a place has the bytes already. Where it is the source itself, the step ends at once."""
        item = pending.item
        if not stat.S_ISREG(there.st_mode):
            return False
        if item.step.kind is Kind.WRITE:
            same = there.st_size == len(item.step.data) and content_of(place, there.st_size) == item.step.data
        else:
            source = os.stat(pending.source)
            if one_file(source, there):
                pending.reason = _ONE_FILE
                return True
            same = there.st_size == source.st_size and same_files(pending.source, place)
        # A move must not rely on a copy of ours: undo takes that away.
        return same and not self._leaving(place) and not (item.step.kind is Kind.MOVE and place in self._ours)

    # ---- copies ----

    def _begin(self) -> None:
        """Have copies made of what was gathered."""
        self._begun = _Begun(self._pending, paths=self._paths)
        self._pending, self._paths, self._bytes = [], set(), 0
        self._copy(self._begun)

    def _copy(self, begun: _Begun) -> None:
        """Have copies made under hidden names."""
        by_device: dict[int, list[Pending]] = {}
        for pending in begun.steps:
            if not pending.alive or not pending.copied or pending.part or pending.how is How.SAME:
                continue
            directory = os.path.dirname(pending.place)
            part = hidden_name(directory, self._identity, pending.item.number, "part")
            try:
                by_device.setdefault(os.stat(directory).st_dev, []).append(pending)
            except OSError as error:
                pending.reason = reason_of(error)
            else:
                pending.part = part
        for group in by_device.values():
            begun.copies.append(Copies(group, self._workers))

    def _end_copies(self, begun: _Begun) -> None:
        for copies in begun.copies:
            copies.end(self._full)

    def _end(self, begun: _Begun) -> None:
        """Give the copies their names, and end the steps; those whose place was taken meanwhile try another."""
        while begun.steps:
            for copies in begun.copies:
                copies.sync(self._begun.copies)
                copies.compare()
            begun.copies.clear()
            begun.steps = self._round(begun.steps)
            for pending in begun.steps:
                self._choose(pending)
            self._copy(begun)
            self._end_copies(begun)

    def _round(self, todo: list[Pending]) -> list[Pending]:
        """Place all that want different places; return the others."""
        now, later = _one_a_place([each for each in todo if each.alive])
        for pending in now:
            self._note(pending)
        self._sink.sync()
        for pending in now:
            if not self._place(pending):
                later.append(pending)
        gone = set(map(id, later))
        self._remove_sources([each for each in now if id(each) not in gone and each.alive])
        for pending in todo:
            if id(pending) not in gone:
                self._finish(pending)
        return later

    # ---- places ----

    def _note(self, pending: Pending) -> None:
        modified_ns = pending.modified_ns if pending.part or pending.how is How.SAME else pending.item.modified_ns
        self._sink.note(pending.item.number, Outcome(pending.how, pending.place, modified_ns))

    def _place(self, pending: Pending) -> bool:
        """Give the file its name; whether that was still free."""
        if pending.how is How.SAME:
            self._drop_part(pending)
            return True
        source = pending.part or pending.source
        try:
            move_new(source, pending.place)
        except FileExistsError:
            return False
        except OSError as error:
            pending.reason = reason_of(error)
            if error.errno in FULL:
                self._full(pending.place)
            return True
        self._touched[os.path.dirname(source)] = None
        self._touched[os.path.dirname(pending.place)] = None
        pending.part = ""
        if pending.item.step.kind is not Kind.MOVE:
            self._ours.add(pending.place)
        return True

    def _remove_sources(self, placed: list[Pending]) -> None:
        """Of moves whose bytes are elsewhere now, durably: remove the source."""
        going = [each for each in placed if each.item.step.kind is Kind.MOVE and (each.copied or each.how is How.SAME)]
        if not going:
            return
        failed = sync_files(each.place for each in going if each.how is How.SAME)
        for each in going:
            self._touched[os.path.dirname(each.place)] = None
        unsynced = sync_directories(self._touched)
        self._touched.clear()
        self._touched.update(dict.fromkeys(unsynced))
        for each in going:
            reason = failed.get(each.place) or unsynced.get(os.path.dirname(each.place)) or _removed(each)
            if reason:
                each.reason = reason
                self._take_back(each)
            else:
                self._touched[os.path.dirname(each.source)] = None
                if each.how is How.SAME:
                    self._sink.note_removed(each.item.number)

    def _take_back(self, pending: Pending) -> None:
        """The source stays: then no copy of ours does, if it is still ours."""
        with suppress(OSError):
            place = os.lstat(pending.place)
            ours = (place.st_size, place.st_mtime_ns) == (pending.item.size, pending.modified_ns)
            if ours and pending.how is not How.SAME and os.path.lexists(pending.source):
                os.unlink(pending.place)

    def _finish(self, pending: Pending) -> None:
        self._drop_part(pending)
        if pending.reason == _ONE_FILE:
            self._ended(pending.item, How.SAME, pending.place, pending.reason)
        elif pending.reason:
            self._ended(pending.item, How.LEFT, "", pending.reason)
        else:
            self._ended(pending.item, pending.how, pending.place, "")

    def _drop_part(self, pending: Pending) -> None:
        if pending.part:
            with suppress(OSError):
                os.unlink(pending.part)
            pending.part = ""


def names_beside(target: str) -> Iterator[str]:
    """The target, then ``name_2``, ``name_3`` ... beside it; the number stands before a final ``.dcm``."""
    yield target
    stem, suffix = (target[:-4], target[-4:]) if target.lower().endswith(".dcm") else (target, "")
    number = 2
    while True:
        yield f"{stem}_{number}{suffix}"
        number += 1


def one_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether two names are one file: by number, or the same one of a server that is mounted twice."""
    if one.st_ino != other.st_ino:
        return False
    return one.st_dev == other.st_dev or (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _one_a_place(pending: list[Pending]) -> tuple[list[Pending], list[Pending]]:
    """The first that wants each place, and the others."""
    now: list[Pending] = []
    later: list[Pending] = []
    taken: set[str] = set()
    for each in pending:
        (later if each.how is not How.SAME and each.place in taken else now).append(each)
        taken.add(each.place)
    return now, later


def _removed(pending: Pending) -> str:
    """Remove the source of a move, if it is still what was compared and its bytes are in place; else why it stays."""
    item = pending.item
    try:
        if not os.path.lexists(pending.source):
            return ""  # somebody else has removed it
        source, place = os.lstat(pending.source), os.lstat(pending.place)
        if (source.st_size, source.st_mtime_ns, source.st_ino) != (item.size, item.modified_ns, item.inode):
            return CHANGED
        if not stat.S_ISREG(place.st_mode) or one_file(source, place):
            return CHANGED
        if (place.st_size, place.st_mtime_ns) != (item.size, pending.modified_ns):
            return CHANGED
        with suppress(FileNotFoundError):
            os.unlink(pending.source)
    except OSError as error:
        return f"cannot be removed: {reason_of(error)}"
    return ""
