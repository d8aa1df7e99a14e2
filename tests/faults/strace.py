"""Docks under strace: traced from their start, or with a process that is killed at its n-th call."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.dock_process import PATIENCE, Dock, Place, children, wait_for
from tests.faults.trace import STRACE, Call, parse


@dataclass
class Traced:
    """Where strace writes."""

    strace: str
    file: Path
    more: Sequence[str] = ()

    @property
    def prefix(self) -> Sequence[str]:
        """What a command begins with to be traced; it keeps its process number."""
        faster = [] if self.more else ["--seccomp-bpf"]  # which kills nobody
        return [self.strace, "-D", *faster, *STRACE, *self.more, "-o", str(self.file)]

    def calls(self) -> list[Call]:
        """All calls, when the traced program has ended."""
        return parse(self.lines())

    def lines(self) -> list[str]:
        """The same as strace wrote it."""
        lines: list[str] = []

        def complete() -> bool:
            lines[:] = self.file.read_text(errors="surrogateescape").split("\n")
            first = next((line.split()[0] for line in lines if line), "none")
            return any(line.startswith(f"{first} ") and "+++ " in line for line in lines[-50:])

        wait_for("the end of the trace", complete)
        return lines


@contextmanager
def traced(
    place: Place, strace: str, name: str = "trace", env: Mapping[str, str] | None = None
) -> Iterator[tuple[Dock, Traced]]:
    """A running dock all of whose calls are noted; ask for them after the block."""
    trace = Traced(strace, place.folder / f"{name}.strace")
    with place.dock(prefix=trace.prefix, env=env) as dock:
        yield dock, trace


Point = tuple[str, int]
"""A call, and which of its kind it is for the thread that makes it: this is how strace counts."""


def points(calls: Sequence[Call]) -> list[Point]:
    """The points at which a process can be killed, in the order of an undisturbed run."""
    seen: Counter[tuple[int, str]] = Counter()
    found: dict[Point, None] = {}
    for call in sorted(calls, key=lambda call: call.start):
        seen[call.pid, call.name] += 1
        found[call.name, seen[call.pid, call.name]] = None
    return list(found)


def some(found: Sequence[Point], every: int) -> Sequence[Point]:
    """All of them with MRDOCK_ALL_STEPS=1, else every so many, each day others."""
    if os.environ.get("MRDOCK_ALL_STEPS") == "1":
        return found
    return found[int(time.time() // 86400) % every :: every]


def kills(point: Point) -> Sequence[str]:
    """What makes strace kill whoever begins a call; it is not done then."""
    return ["-e", f"trace={point[0]}", "-e", f"inject={point[0]}:signal=KILL:when={point[1]}"]


@contextmanager
def watched(strace: str, pid: int, file: Path) -> Iterator[list[Call]]:
    """A running process under strace; its calls are in the list after the block."""
    calls: list[Call] = []
    with _attached(strace, pid, [*STRACE, "-o", str(file)]):
        yield calls
    calls += parse(file.read_text(errors="surrogateescape").split("\n"))


@contextmanager
def killed_at(strace: str, pid: int, point: Point) -> Iterator[None]:
    """A running process that dies when one of its threads comes to a point."""
    with _attached(strace, pid, ["-f", "-o", os.devnull, *kills(point)]):
        yield


@contextmanager
def _attached(strace: str, pid: int, words: Sequence[str]) -> Iterator[None]:
    process = subprocess.Popen([strace, "-p", str(pid), *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert "attached" in line, line
        yield
    finally:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):  # it may wait for a process that waits for it
            process.wait(1)
        process.kill()
        process.wait(PATIENCE)
        process.stderr.close()


def processes(dock: Dock) -> Sequence[int]:
    """The workers in the order of the listeners, then the keeper; they are started one after the other."""
    found = sorted(children(dock.pid))
    assert len(found) == 3
    return found


def kill_all(dock: Dock) -> None:
    """``kill -9`` of whatever is left of a dock."""
    with suppress(ProcessLookupError):
        dock.kill(whole_group=True)
