"""Time as the dock uses it: wall clock for records, the system's monotonic clock for waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Now:
    """One moment: seconds since 1970, seconds of the monotonic clock, and the boot that clock counts from."""

    wall: float
    monotonic: float
    boot: str = ""


@cache
def boot_id() -> str:
    """What tells one run of the system from another: monotonic times of different boots say nothing together."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def now() -> Now:
    """This moment."""
    return Now(time.time(), time.monotonic(), boot_id())


def stamp(wall: float) -> str:
    """A moment as ISO 8601 text in UTC, to the microsecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="microseconds")


def parse_stamp(text: str) -> float:
    """The moment that `stamp` wrote. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def local(wall: float) -> str:
    """A moment for people: local date and time to the minute."""
    return datetime.fromtimestamp(wall).astimezone().strftime("%Y-%m-%d %H:%M")
