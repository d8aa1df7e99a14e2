"""What commands share that work on many files for a while: a progress bar, and Ctrl-C between two files."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def working(*, quiet: bool) -> Iterator[tuple[Any, Callable[[], bool]]]:
    """What is told of progress, and what says whether Ctrl-C asks to stop: between two files; a second one at once.

    ``quiet``: no progress is shown.
    """
    stop = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signal's signature
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {}
    if threading.current_thread() is threading.main_thread():
        heard = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        with _progress(quiet) as progress:
            yield progress, stop.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    """A progress function that draws a bar on standard error, None where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def progress(word: str, done: int, total: int) -> None:
            if word not in tasks:
                tasks[word] = bar.add_task(f"{word:>8}", total=total or None)
            bar.update(tasks[word], completed=done, total=total or None)

        yield progress
