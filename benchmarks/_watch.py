"""What a dock's processes take, looked at every few seconds: memory, descriptors, threads, files, time to answer."""

from __future__ import annotations

import csv
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from mrdock.errors import NetworkError
from mrdock.network.outgoing import propose
from mrdock.network.requester import Requester
from tests.e2e.dock_process import children

HEAD: Final = (
    "| minute | images acknowledged | PSS MB | own MB | descriptors | threads | loop lag ms, median (worst) |\n"
    "|---:|---:|---:|---:|---:|---:|---:|"
)
_PSS: Final = re.compile(r"^(Pss|Pss_Anon): +(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Sizes in kB, the lag in milliseconds; a lag of -1 means that nobody answered."""

    seconds: float
    acknowledged: int
    pss: int
    own: int
    """The anonymous part of it: pages of programs and libraries count for less while others run the same ones."""

    each: tuple[int, ...]
    """The same of each process: the supervisor, the listeners' workers, the keeper."""

    descriptors: int
    threads: int
    lag: float
    journals: int
    index: int
    """Its write-ahead log with it."""

    studies: int


class Died(Exception):
    """A process of the dock is another one than before."""


class Watch:
    """Takes samples of a running dock."""

    def __init__(self, pid: int, ports: Sequence[int], store: Path, acknowledged: Callable[[], int]) -> None:
        """Watch the dock whose supervisor is ``pid``; its children are the listeners' workers, then the keeper."""
        self.pids = (pid, *sorted(children(pid)))
        self.samples: list[Sample] = []
        self.began = time.monotonic()
        self._pid = pid
        self._ports = ports
        self._store = store
        self._acknowledged = acknowledged

    def look(self) -> Sample:
        """Take a sample. Raises `Died`."""
        if self.pids != (self._pid, *sorted(children(self._pid))):
            raise Died("a process of the dock died")
        try:
            pss, own = zip(*(_pss(pid) for pid in self.pids), strict=True)
            descriptors, threads = self.levels()
        except (OSError, ProcessLookupError) as error:
            raise Died(f"a process of the dock died: {error}") from None
        return Sample(
            round(time.monotonic() - self.began, 1),
            self._acknowledged(),
            sum(pss),
            sum(own),
            own,
            descriptors,
            threads,
            round(max(lag(port) for port in self._ports), 1),
            _size(self._store.glob(".mrdock/journals/*")),
            _size(self._store.glob(".mrdock/index.sqlite*")),
            sum(1 for _ in self._store.glob("[0-9]*_*_*")),
        )

    def levels(self) -> tuple[int, int]:
        """Open descriptors and threads of all processes."""
        descriptors = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in self.pids)
        return descriptors, sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in self.pids)

    def until(self, stop: threading.Event, end: float, every: float, then: Callable[[Sample], None]) -> None:
        """Take samples until ``stop`` is set or the monotonic clock says ``end``."""
        while not stop.is_set() and time.monotonic() < end:
            self.samples.append(self.look())
            then(self.samples[-1])
            stop.wait(min(every, max(0.0, end - time.monotonic())))

    def write(self, path: Path) -> None:
        """All samples as CSV."""
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(Sample.__dataclass_fields__))
            writer.writeheader()
            writer.writerows(asdict(sample) for sample in self.samples)


def line(samples: Sequence[Sample]) -> str:
    """A row of the table: where some samples stand, by their medians."""
    lags = [sample.lag for sample in samples if sample.lag >= 0] or [-1.0]
    figures = (
        f"{samples[-1].seconds / 60:.0f}",
        f"{samples[-1].acknowledged:,}",
        f"{median(sample.pss for sample in samples) / 1024:.1f}",
        f"{median(sample.own for sample in samples) / 1024:.1f}",
        f"{median(sample.descriptors for sample in samples):.0f}",
        f"{median(sample.threads for sample in samples):.0f}",
        f"{median(lags):.0f} ({max(lags):.0f})",
    )
    return f"| {' | '.join(figures)} |"


def lag(port: int) -> float:
    """Milliseconds from connecting to the end of an association with one C-ECHO; -1 where it was refused."""
    began = time.perf_counter()
    try:
        with Requester("127.0.0.1", port, propose([]), called="MRDOCK", timeout=10) as peer:
            peer.echo()
    except NetworkError:
        return -1.0
    return (time.perf_counter() - began) * 1000


def _pss(pid: int) -> tuple[int, int]:
    """A process's proportional set size, and the anonymous part of it, in kB."""
    found = dict(_PSS.findall(Path(f"/proc/{pid}/smaps_rollup").read_text()))
    if "Pss" not in found:
        raise ProcessLookupError(f"process {pid} has ended")
    return int(found["Pss"]), int(found["Pss_Anon"])


def _size(paths: Iterable[Path]) -> int:
    total = 0
    for path in paths:
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total // 1024
