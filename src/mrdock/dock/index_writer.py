"""The receiving side's way into the index: entries are queued and written in batches, in order, beside it."""

from __future__ import annotations

import logging
import queue
import threading
import time
from dataclasses import dataclass, field

from mrdock.dock.clock import boot_id
from mrdock.dock.entries import Entry, Received
from mrdock.dock.headers import ImageHeader
from mrdock.dock.index import Index
from mrdock.dock.record import Receipt
from mrdock.errors import StoreError

log = logging.getLogger("mrdock.index")


def row_of(
    header: ImageHeader,
    directory: str,
    name: str,
    transfer_syntax: str,
    size: int,
    receipt: Receipt,
    differs: bool,
) -> Received:
    """The index's row of a stored image."""
    return Received(
        study=header.study,
        directory=directory,
        series=header.series,
        series_number=header.series_number,
        modality=header.modality,
        name=name,
        uid=header.uid,
        sop_class=header.sop_class,
        transfer_syntax=transfer_syntax,
        size=size,
        received=receipt.received,
        association=receipt.association,
        differs=differs,
        path=header.path,
        facts=header.facts,
        monotonic=time.monotonic(),
        boot=boot_id(),
    )


@dataclass
class IndexWriter:
    """Writes what happened to the index, in batches and in order, beside the receiving threads."""

    index: Index
    pause: float = 0.05
    most: int = 500
    _queue: queue.SimpleQueue[Entry | None] = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to write."""
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)
        self._thread.start()

    def put(self, entry: Entry) -> None:
        """Have an entry written soon."""
        self._queue.put(entry)

    def stop(self, patience: float = 5.0) -> None:
        """Write what is left, ``patience`` seconds at most; what is not written then, the next start finds."""
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            time.sleep(self.pause)
            while len(batch) < self.most and not self._queue.empty():
                batch.append(self._queue.get())
            ended = None in batch
            self._write([entry for entry in batch if entry is not None], ended)

    def _write(self, entries: list[Entry], ended: bool) -> None:
        pause, said = 0.2, False
        while entries:
            try:
                self.index.record(entries)
            except StoreError as error:
                if not said:
                    log.error("%s; it will be tried again", error)  # noqa: TRY400 - expected, no traceback
                    said = True
                if ended:
                    return
                time.sleep(pause)
                pause = min(pause * 2, 10.0)
            else:
                return
