"""Work in a thread of its own; what it tells arrives in the window's thread, through Qt's queue."""

from __future__ import annotations

import time
from typing import Any, Final

from PySide6.QtCore import QObject, QThread, Signal, Slot

from mrdock.gui.presenter import Ended, Work
from mrdock.sorting.move_plan import Cancelled, Progress

_BETWEEN: Final = 0.05  # seconds between two reports of progress: a window shows no more


class _Worker(QThread):
    """One piece of work."""

    progressed = Signal(str, int, int)
    ended = Signal(object, object)

    def __init__(self, work: Work, cancelled: Cancelled, parent: QObject) -> None:
        super().__init__(parent)
        self._work = work
        self._cancelled = cancelled
        self._last = (0.0, "")

    def run(self) -> None:
        try:
            result = self._work(self._report, self._cancelled)
        except Exception as error:  # noqa: BLE001 - the edge of a thread: the presenter decides what it means
            self.ended.emit(None, error)
        else:
            self.ended.emit(result, None)

    def _report(self, what: str, done: int, of: int) -> None:
        now = time.monotonic()
        if done == of or what != self._last[1] or now - self._last[0] >= _BETWEEN:
            self._last = (now, what)
            self.progressed.emit(what, done, of)


class Background(QObject):
    """The presenter's runner: one piece of work at a time."""

    def __init__(self, parent: QObject) -> None:
        """``parent`` outlives the work."""
        super().__init__(parent)
        self._worker: _Worker | None = None
        self._progress: Progress | None = None
        self._ended: Ended | None = None

    def __call__(self, work: Work, progress: Progress, cancelled: Cancelled, ended: Ended) -> None:
        """Begin, and return at once."""
        self._progress, self._ended = progress, ended
        self._worker = _Worker(work, cancelled, self)
        self._worker.progressed.connect(self._on_progress)
        self._worker.ended.connect(self._on_end)
        self._worker.start()

    def wait(self) -> None:
        """Return when nothing is under way."""
        if self._worker is not None:
            self._worker.wait()

    # Slots of an object that lives in the window's thread: Qt queues what another thread emits.

    @Slot(str, int, int)
    def _on_progress(self, what: str, done: int, of: int) -> None:
        if self._progress is not None:
            self._progress(what, done, of)

    @Slot(object, object)
    def _on_end(self, result: Any, error: Exception | None) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.wait()
            worker.deleteLater()
        if self._ended is not None:
            self._ended(result, error)
