"""What a target is, and the limits that every input has to keep."""

from __future__ import annotations

import importlib
import pkgutil
import resource
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fuzz import targets
from fuzz.traffic import Traffic


@dataclass(frozen=True)
class Target:
    """A function that takes any bytes, and raises where the code under it does what it should not.

    ``seeds`` makes inputs of recorded traffic; ``words`` are pieces that inputs of this kind are made of.
    """

    check: Callable[[bytes], None]
    seeds: Callable[[Traffic], Iterable[bytes]]
    words: tuple[bytes, ...] = ()
    longest: int = 1 << 16
    seconds: float = 2.0
    megabytes: int = 64


class TooSlowError(Exception):
    """An input took more processor time than any of its length may."""


class TooLargeError(Exception):
    """An input took more memory than any of its length may."""


class Harness:
    """One loaded target behind its limits."""

    def __init__(self, target: Target) -> None:
        """The first calls load modules and fill caches, which does not count."""
        self._target = target
        for first in (b"", bytes(range(256)) * 4):
            target.check(first)

    def check(self, data: bytes) -> None:
        """Run the target on one input."""
        before, began = _most_memory(), time.process_time()
        self._target.check(data)
        seconds, grown = time.process_time() - began, _most_memory() - before
        if seconds > self._target.seconds:
            raise TooSlowError(f"{seconds:.1f} s for {len(data)} bytes")
        if grown > self._target.megabytes:
            raise TooLargeError(f"{grown} MB for {len(data)} bytes")


def _most_memory() -> int:
    """The most memory that this process has had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def names() -> list[str]:
    """All targets."""
    return sorted(module.name for module in pkgutil.iter_modules(targets.__path__))


def load(name: str) -> Target:
    """Import a target."""
    target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    assert isinstance(target, Target)
    return target
