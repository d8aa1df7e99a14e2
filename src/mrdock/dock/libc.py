"""What a process asks of the C library and the kernel, beyond what Python offers."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_M_ARENA_MAX: Final = -8


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def share_one_heap() -> None:
    """Have all threads allocate from one heap: glibc gives each thread its own, and keeps what each once needed.

    An association is a thread, and a lock around the heap costs nothing where Python lets one thread run at a time.
    """
    with suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
