"""A small dock without network for the targets that need a store and an index, in memory where that is possible."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.dock.support import Bench, BenchClock, bench_settings, image


class _Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def listening() -> Iterator[list[str]]:
    """What the dock logs in this block."""
    logger, said = logging.getLogger("mrdock"), _Said()
    logger.addHandler(said)
    try:
        yield said.texts
    finally:
        logger.removeHandler(said)


@cache
def bench() -> Bench:
    """A store with one study of two images, and its index; gone when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="mrdock-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "research").mkdir()
    made = Bench(folder, BenchClock(), bench_settings(folder))
    made.take_in(image(1), image(2, path=f"{folder}/research/a"))
    return made
