"""Clocks that are wrong, by Debian's faketime."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.conftest import NeedTool


def library(need_tool: NeedTool) -> str:
    """What is to be preloaded.

    The program itself is not run: it fails where a process of the same number was killed once, and left its semaphore.
    """
    need_tool("faketime")
    for pattern in ("lib/*/faketime/libfaketime.so.1", "lib*/faketime/libfaketime.so.1"):
        for found in Path("/usr").glob(pattern):
            return str(found)
    pytest.skip("faketime's library is not where Debian has it")


class Clock:
    """The wall clock of the processes that are started with its ``env``; it can be set while they run.

    Their monotonic clock goes on as ever, as it does when somebody sets a system's clock. (faketime 0.9.10 then breaks
    Python's sleep, which a dock that has its store for itself does not use.)
    """

    def __init__(self, preload: str, file: Path) -> None:
        """``file`` is where it is set."""
        self._file = file
        self.ahead = 0.0
        self.env = {
            "LD_PRELOAD": preload,
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0.0)

    def set(self, ahead: float) -> None:
        """It is this many seconds ahead of the true time."""
        self.ahead = ahead
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{ahead:+.3f}\n")
        os.replace(beside, self._file)

    def set_to(self, wall: float) -> None:
        """It shows this moment, in seconds since 1970, and goes on from there."""
        self.set(wall - time.time())

    @property
    def now(self) -> float:
        """What it shows."""
        return time.time() + self.ahead
