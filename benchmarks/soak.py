"""A dock under senders that come, go, stall and die, for as long as you like: do memory, descriptors and threads stay?

    python -m benchmarks.soak [--minutes N] [--csv FILE] [--seed N] [--stations N]

A dock with both listeners, routing and retention runs as a program. Studies arrive, are completed and copied, and are
deleted a minute later: a night comes every 15 seconds. Whatever was acknowledged is looked for, byte for byte: when its
sender has ended, in its destination, and at the end. Ctrl-C ends it early, with the figures so far. The exit code is 1
where something grew or was missing.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Final

from benchmarks._flat import trend
from benchmarks._ledger import COPIED_WITHIN, Ledger
from benchmarks._nuisances import play
from benchmarks._senders import Send, World, dcmtk, pynetdicom
from benchmarks._watch import HEAD, Died, Sample, Watch, lag, line
from mrdock.dock.database import open_index
from mrdock.dock.index import Index
from mrdock.dock.keeper import SWEPT
from tests.e2e import clients
from tests.e2e.dock_process import Dock, Place

EVERY: Final = 2.0
"""Seconds between two samples."""

KEEPS: Final = 60.0
"""Seconds after which a study is old."""

NIGHT: Final = 15.0
"""Seconds from one night to the next."""

OWN_MB: Final = 5.0
"""Memory may rise by so much from the second to the last fifth. A leak of 1 kB an association, or 2 kB a study, is more
than that within half an hour; what the allocator and the caches still move after the first fifth is less."""

DESCRIPTORS: Final = 10.0
"""Under load: a tenth of the usual number, which changes with how many peers are there at the moment."""

THREADS: Final = 5.0
"""The same for threads."""

POOL: Final = 6
"""At rest: the keeper leaves two connections to the index open, of three descriptors each."""

REST: Final = 60.0
"""Seconds in which descriptors and threads have to be back after the last sender."""

AT_REST_MB: Final = 120.0

SETTINGS: Final = f"""
[retention]
days = {KEEPS / 86400!r}
[limits]
associations = 60
associations_per_peer = 25
idle_seconds = 5
acse_seconds = 4
pdu_seconds = 8
"""


def main() -> None:
    """Run, print the table and the verdict."""
    parser = argparse.ArgumentParser(description="a dock under senders that come, go, stall and die")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long senders come")
    parser.add_argument("--csv", type=Path, help="a file for all samples")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000, help="of what the senders do")
    parser.add_argument("--stations", type=int, default=6, help="how many senders there are at a time")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="mrdock-soak-"))
    root = Path(tempfile.mkdtemp(prefix="sk")).resolve()  # its name has to fit into a header field
    try:
        sys.exit(0 if Soak(work, root, options).run() else 1)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(root, ignore_errors=True)


class Soak:
    """One run."""

    def __init__(self, work: Path, root: Path, options: argparse.Namespace) -> None:
        """Work in ``work``; the dock copies to below ``root``."""
        self.place = Place(work / "dock", quiet=1.0, roots=[root], more=SETTINGS)
        self.ledger = Ledger(work / "scanners", self.place.store, root, KEEPS)
        self.stop = threading.Event()
        self.options = options
        self.cutoff = 0.0
        peers, self.storescu = find_peers()
        self.peers = peers

    def run(self) -> bool:
        """Whether all was flat and right."""
        options = self.options
        print(
            f"{options.minutes:g} minutes, {options.stations} senders at a time, seed {options.seed}; "
            f"peers: {', '.join(self.peers)}\n",
            flush=True,
        )
        try:
            with self.place.dock() as dock, stopped_by_ctrl_c(self.stop):
                self._soak(dock)
                if dock.stop() != 0:
                    self.ledger.problem("the dock did not stop with 0")
        except AssertionError as error:  # a traceback in the dock's log
            self.ledger.problem(f"the dock: {str(error)[-1500:]}")
        return self._verdict()

    def _soak(self, dock: Dock) -> None:
        ports = (dock.enhanced, dock.classic)
        for port in ports:
            lag(port)
        time.sleep(EVERY)  # the keeper's first tick
        self.watch = Watch(dock.pid, ports, self.place.store, lambda: self.ledger.answered)
        self.rested = self.watch.levels()
        world = World(self.ledger, ports, self.peers, self.storescu, self.stop)
        seed = self.options.seed * 1000
        jobs: list[Callable[[], None]] = [partial(play, world, seed + n) for n in range(self.options.stations)]
        threads = [threading.Thread(target=job) for job in (*jobs, self._nights, self._look_for_copies)]
        for thread in threads:
            thread.start()
        try:
            self._sample()
        except Died as died:
            self.ledger.problem(str(died))
        self.stop.set()
        for thread in threads:
            thread.join()
        self._rest()
        self._end()

    def _sample(self) -> None:
        print(HEAD, flush=True)
        step = max(60.0, self.options.minutes * 60 / 15)
        shown = 0

        def row(sample: Sample) -> None:
            nonlocal shown
            if sample.seconds >= step * (len(rows) + 1):
                rows.append(line(self.watch.samples[shown:]))
                shown = len(self.watch.samples)
                print(rows[-1], flush=True)

        rows: list[str] = []
        self.watch.until(self.stop, self.watch.began + self.options.minutes * 60, EVERY, row)
        if self.watch.samples[shown:]:
            print(line(self.watch.samples[shown:]), flush=True)

    # ---- beside the senders ----

    def _nights(self) -> None:
        """Let a night come every few seconds: the dock sweeps by itself, as it does at 3 o'clock."""
        index = open_index(self.place.store / ".mrdock" / "index.sqlite")
        try:
            while not self.stop.wait(NIGHT):
                swept = self._night(index)
                self.cutoff = swept - KEEPS
                self.place.run("status")  # as people do
        finally:
            index.close()

    def _night(self, index: Index) -> float:
        """Have it sweep; when that was."""
        long_ago = repr(time.time() - 2 * 86400)
        index.set_fact(SWEPT, long_ago)
        until = time.monotonic() + 30
        while (swept := index.fact(SWEPT)) in (None, long_ago):
            if time.monotonic() > until:
                self.ledger.problem("the dock did not sweep within 30 s")
                return 0.0
            time.sleep(0.1)
        return float(swept or 0)

    def _look_for_copies(self) -> None:
        while not self.stop.wait(0.5):
            self.ledger.look_for_copies()

    # ---- the end ----

    def _rest(self) -> None:
        """All peers are gone: wait until the dock is as it was, or for as long as that may take."""
        until = time.monotonic() + REST
        before, after = self.rested, self.watch.levels()
        while time.monotonic() < until and (after[0] > before[0] + POOL or after[1] > before[1]):
            time.sleep(0.5)
            after = self.watch.levels()
        took = time.monotonic() - until + REST
        until = time.monotonic() + COPIED_WITHIN
        while self.ledger.waiting and time.monotonic() < until:
            self.ledger.look_for_copies()
            time.sleep(0.5)
        print(
            f"\nat rest: descriptors {before[0]} before, {after[0]} after; threads {before[1]} before, "
            f"{after[1]} after ({took:.0f} s after the last sender)"
        )
        if after[0] > before[0] + POOL or after[1] > before[1]:
            self.ledger.problem(f"descriptors or threads were not back within {REST:g} s")
        megabytes = median(self.watch.look().pss for _ in range(3)) / 1024
        print(f"at rest: {megabytes:.1f} MB PSS; bound {AT_REST_MB:g}")
        if megabytes > AT_REST_MB:
            self.ledger.problem("memory at rest is beyond the bound")

    def _end(self) -> None:
        ledger = self.ledger
        there, images = ledger.look_at_the_end(self.cutoff)
        for left in [*self.place.loose_ends(), *map(str, ledger.root.rglob("*.part"))]:
            ledger.problem(f"left behind: {left}")
        last = self.watch.look()
        print(
            f"images: {ledger.sent:,} sent, {ledger.answered:,} acknowledged, {ledger.refused:,} broken ones refused"
            f"{f', {ledger.lost:,} answers lost by pynetdicom itself' if ledger.lost else ''}; "
            f"of {ledger.kept:,} different ones {ledger.found:,} were found whole in the store, and "
            f"{ledger.copied:,} of {ledger.to_copy:,} whole in their destination\n"
            f"studies: {len(ledger.studies):,} sent; {there} not expired at the end, with {images:,} images\n"
            f"index: {last.index:,} kB ({last.index * 1024 / max(1, ledger.answered):.0f} bytes an acknowledged image: "
            f"associations and events are kept for 180 days); journals: {last.journals:,} kB"
        )

    def _verdict(self) -> bool:
        samples = self.watch.samples if hasattr(self, "watch") else []
        if self.options.csv and samples:
            self.watch.write(self.options.csv)
        print()
        right = not self.ledger.problems
        for name, values, bound in figures(samples):
            found = trend(name, [sample.seconds for sample in samples], values, bound)
            print(found or f"{name}: too short to say")
            right = right and not (found and found.grows)
        for problem in self.ledger.problems[:20]:
            print(f"wrong: {problem}")
        if self.ledger.problems:
            print(f"the dock's log: {self._keep_log()}")
        print("flat, and nothing is missing" if right else f"not right: {len(self.ledger.problems)} problems")
        return right

    def _keep_log(self) -> Path:
        kept = Path(tempfile.gettempdir()) / f"{self.place.folder.parent.name}.log"
        shutil.copyfile(self.place.folder / "dock1.err", kept)
        return kept


def figures(samples: Sequence[Sample]) -> Iterator[tuple[str, list[float], float]]:
    """What is judged: names, values, and how much they may rise."""
    yield "own memory MB", [sample.own / 1024 for sample in samples], OWN_MB
    yield "descriptors", [float(sample.descriptors) for sample in samples], DESCRIPTORS
    yield "threads", [float(sample.threads) for sample in samples], THREADS


def find_peers() -> tuple[dict[str, Send], str | None]:
    """The senders that are installed, and storescu's path."""
    found: dict[str, Send] = {"our requester": clients.ours, "pynetdicom": pynetdicom}
    paths = {name: shutil.which(name, path="/usr/bin:/usr/local/bin") for name in ("storescu", "dcmsend")}
    for name, path in paths.items():
        if path is not None:
            found[name] = dcmtk(path)
    return found, paths["storescu"]


@contextmanager
def stopped_by_ctrl_c(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C ends the run; a second one breaks it off."""

    def handler(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    main()
