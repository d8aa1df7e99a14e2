"""Steps that wait in a batch, and the copies that are made for them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Thread

from mrdock.files.copying import FULL, Copied, Copy, Pair, make_anew, reason_of
from mrdock.files.durable import write_all
from mrdock.files.steps import How, Kind, Planned
from mrdock.files.syncing import FEW, WholeSync
from mrdock.files.workers import Workers


@dataclass(slots=True, eq=False)
class Pending:
    """A step in a batch: its file is at ``source`` now; ``copied``: it gets to its target as a copy."""

    item: Planned
    source: str
    copied: bool = False
    part: str = ""
    modified_ns: int = 0
    how: How = How.DONE
    place: str = ""
    reason: str = ""

    @property
    def alive(self) -> bool:
        """Nothing has gone wrong so far."""
        return not self.reason


class Copies:
    """The copies of a batch to one file system on their way: made durable by one sync, or by an fsync each."""

    def __init__(self, group: list[Pending], workers: Workers) -> None:
        """Have them begun. What goes wrong is in their reasons."""
        self.group = group
        self._workers = workers
        self._whole = WholeSync(os.path.dirname(group[0].part))
        self._at_once = self._whole.possible and len(group) > FEW
        self._files = [each for each in group if each.item.step.kind is not Kind.WRITE]
        self.copying = workers.begin_copy([_order(each) for each in self._files], not self._at_once)

    def end(self, full: Callable[[str], None]) -> None:
        """Wait for them, and write the files of our own."""
        try:
            written = [each for each in self.group if each.item.step.kind is Kind.WRITE]
            done = self.copying.results() + [_write(each, not self._at_once) for each in written]
            for pending, copied in zip(self._files + written, done, strict=True):
                pending.modified_ns, pending.reason = copied.modified_ns, copied.reason
                if copied.code in FULL:
                    full(pending.place)
        except OSError as error:
            self._failed(error)

    def sync(self, meanwhile: Iterable[Copies]) -> None:
        """Make them durable; while the disk is busy help with other copies."""
        if not self._at_once:
            self.close()
            return
        thread = Thread(target=self._sync)
        thread.start()
        try:
            for other in meanwhile:
                while thread.is_alive() and other.copying.help():
                    pass
        finally:
            thread.join()

    def _sync(self) -> None:
        try:
            self._whole.sync()
        except OSError as error:
            self._failed(error)
        finally:
            self.close()

    def compare(self) -> None:
        """Compare once more, from the disk, what is to be removed."""
        files = [each for each in self._files if each.alive and each.item.step.kind is Kind.MOVE]
        pairs = [Pair(each.source, each.part, from_disk=True) for each in files]
        for pending, reason in zip(files, self._workers.compare(pairs), strict=True):
            pending.reason = reason

    def _failed(self, error: OSError) -> None:
        for pending in self.group:
            pending.reason = pending.reason or reason_of(error)

    def close(self) -> None:
        """Let go of the file system."""
        self._whole.close()


def _order(pending: Pending) -> Copy:
    item = pending.item
    return Copy(pending.source, pending.part, item.size, item.modified_ns, item.step.kind is Kind.MOVE, item.restored)


def _write(pending: Pending, durable: bool) -> Copied:
    """Write a file of our own under its hidden name."""
    try:
        descriptor = make_anew(pending.part, 0o666)
        try:
            write_all(descriptor, pending.item.step.data)
            if durable:
                os.fsync(descriptor)
            modified_ns = os.fstat(descriptor).st_mtime_ns
        finally:
            os.close(descriptor)
        if content_of(pending.part, len(pending.item.step.data)) != pending.item.step.data:
            return Copied(0, "what was written reads back as something else", errno.EIO)
    except OSError as error:
        return Copied(0, reason_of(error), error.errno or errno.EIO)
    return Copied(modified_ns)


def content_of(path: str, size: int) -> bytes:
    """A file that should have ``size`` bytes: so many, and one more where there are more. Raises `OSError`."""
    with open(path, "rb") as stream:
        return stream.read(size + 1)
