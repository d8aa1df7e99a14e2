"""Work that several processes share: each takes the next share when it is free, this process as well.

The helpers are fresh Python processes that load one module, whose ``answer`` does a share. Shares and answers go
through pipes, marshalled: both ends are the same interpreter. Nothing is inherited from the caller, who may have
threads and windows. What a helper does not answer for is done here, once that helper is gone.
"""

from __future__ import annotations

import marshal
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any, Final, Generic, TypeVar

S = TypeVar("S")
R = TypeVar("R")

_PROGRAM: Final = "import sys; sys.path[:] = {path!r}; from {module} import answer; from mrdock.files import helpers"
_MOST: Final = 4
"""More processes than these wait for each other in the directory and the disk."""


def default_jobs() -> int:
    """How many processes this machine has cores for, within what is of use."""
    if getattr(sys, "frozen", False):
        return 1  # there is no interpreter to start
    mine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(mine, _MOST))


class Helper:
    """One process that answers."""

    def __init__(self, module: str) -> None:
        """Start it. Raises `OSError`."""
        program = _PROGRAM.format(path=sys.path, module=module) + "; helpers.serve(answer)"
        words = [sys.executable, "-S", "-c", program]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._one_at_a_time = threading.Lock()

    def ask(self, share: Any) -> Any:
        """Its answer; None where it is gone."""
        with self._one_at_a_time:
            try:
                send(self.process.stdin, share)
                answer = receive(self.process.stdout)
            except (OSError, ValueError):
                answer = None
        if answer is None:
            self.kill()
        return answer

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End it, and let go of its pipes."""
        self.kill()
        with self._one_at_a_time:
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()


class Helpers:
    """Some helpers, started when there is work for them; with ``jobs`` 1 there are none."""

    def __init__(self, module: str, jobs: int) -> None:
        """``module`` has the ``answer``."""
        self.running: list[Helper] = []
        self._module = module
        self._missing = jobs - 1

    def begin(self, shares: Sequence[S], ours: Callable[[S], R], theirs: Callable[[Any], R]) -> Work[S, R]:
        """Have shares of work done; ``ours`` does one of them here, ``theirs`` makes the same of a helper's answer."""
        for _ in range(self._missing):
            with suppress(OSError):
                self.running.append(Helper(self._module))
        self._missing = 0
        return Work(self.running, shares, ours, theirs)

    def close(self) -> None:
        """End the helpers."""
        for helper in self.running:
            helper.close()
        self.running.clear()


class Work(Generic[S, R]):
    """Some shares of work on their way; `results` has what comes of them."""

    def __init__(
        self, helpers: Sequence[Helper], shares: Sequence[S], ours: Callable[[S], R], theirs: Callable[[Any], R]
    ) -> None:
        """Have the helpers begin."""
        self._shares = shares
        self._ours = ours
        self._theirs = theirs
        self._waiting = deque(range(len(shares)))
        self._answers: dict[int, Any] = {}
        self._results: dict[int, R] = {}
        self._threads = [threading.Thread(target=self._feed, args=(helper,), daemon=True) for helper in helpers]
        for thread in self._threads:
            thread.start()

    def results(self, between: Callable[[int], None] = lambda _: None) -> list[R]:
        """All results in the order of the shares; ``between`` is told how many there are, and may raise.

        When it has raised, or a share of ours has, no other share is begun.
        """
        try:
            while self.help():
                self._take_in()
                between(len(self._results))
            for thread in self._threads:
                thread.join()
            self._take_in()
        finally:
            self._waiting.clear()
        for number, share in enumerate(self._shares):
            if number not in self._results:  # its helper has died
                self._results[number] = self._ours(share)
        return [self._results[number] for number in range(len(self._shares))]

    def help(self) -> bool:
        """Do one share, if one is waiting; whether it was."""
        number = self._last()
        if number is None:
            return False
        self._results[number] = self._ours(self._shares[number])
        return True

    def _take_in(self) -> None:
        while self._answers:
            number, answer = self._answers.popitem()
            self._results[number] = self._theirs(answer)

    def _next(self) -> int | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _last(self) -> int | None:
        """Ours come from the other end: two that make files in one directory wait for each other."""
        try:
            return self._waiting.pop()
        except IndexError:
            return None

    def _feed(self, helper: Helper) -> None:
        """Give a helper one share after the other, and keep its answers."""
        while (number := self._next()) is not None:
            answer = helper.ask(self._shares[number])
            if answer is None:
                return
            self._answers[number] = answer


def serve(answer: Callable[[Any], object]) -> None:
    """A helper: answer what is asked until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who has started us
    with suppress(OSError):
        while (share := receive(sys.stdin.buffer)) is not None:
            send(sys.stdout.buffer, answer(share))


def send(stream: IO[bytes] | None, what: Any) -> None:
    """Write one message."""
    if stream is not None:
        data = marshal.dumps(what, 2)  # the later versions look for what comes twice, which takes longer
        stream.write(len(data).to_bytes(4, "big") + data)
        stream.flush()


def receive(stream: IO[bytes] | None) -> Any:
    """Read one message, None where the other end is gone."""
    head = stream.read(4) if stream is not None else b""
    if stream is None or len(head) < 4:
        return None
    size = int.from_bytes(head, "big")
    data = stream.read(size)
    return marshal.loads(data) if len(data) == size else None  # noqa: S302 - of our own process
