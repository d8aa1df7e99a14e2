"""Sending: send_dicom against storescu and dcmsend, to DCMTK's storescp, in one run.

    python -m benchmarks.send [FOLDER] [--slow N] [--repeat N] [--big MB]

FOLDER holds DICOM files (default: the classic ones of $MRDOCK_TEST_DATA). The programs' starts are included, and every
run has a folder of its own. Stock senders wait 80 ms an image for delayed ACKs: they get the first N files only
(default 50); the rate is what is compared. Last comes one large Enhanced file, with the memory that send_dicom takes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from benchmarks._servers import program, storescp
from benchmarks.receive import NODELAY, default_folder, line
from tests.builders.bulk import enhanced_large

SEND = (sys.executable, "-c", "from mrdock.commands.send_dicom import command; command(prog_name='send_dicom')")
Words = Callable[[int, Sequence[Path]], list[str]]


def stock(name: str) -> Words:
    """A sender of DCMTK with its defaults."""
    return lambda port, files: [program(name), "-aec", "ANY-SCP", "127.0.0.1", str(port), *map(str, files)]


def ours(*options: str) -> Words:
    """send_dicom, with a ledger as always."""
    return lambda port, files: [*SEND, "-q", *options, "-c", "127.0.0.1", "-p", str(port), *map(str, files)]


class Bench:
    """Runs senders, each with a server of its own."""

    def __init__(self, work: Path) -> None:
        self._folders: Iterator[Path] = (work / str(number) for number in itertools.count())
        self._environment = os.environ | {"XDG_STATE_HOME": str(work / "state"), "XDG_CONFIG_HOME": str(work)}

    def seconds(self, words: Words, files: Sequence[Path], *, nodelay: bool = False) -> float:
        """How long one sender takes."""
        more = NODELAY if nodelay else {}
        folder = next(self._folders)
        with storescp(folder, **more) as port:
            began = time.perf_counter()
            code = subprocess.run(
                words(port, files), stdout=subprocess.DEVNULL, env=self._environment | more, check=False
            ).returncode
            took = time.perf_counter() - began
        if code or len(list(folder.iterdir())) != len(files):
            raise SystemExit("benchmark: a sender failed")
        shutil.rmtree(folder)
        return took


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description="images a second, sent")
    parser.add_argument("folder", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--slow", type=int, default=50, help="files for the senders with delayed ACKs")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each quick sender, of which the median counts")
    parser.add_argument("--big", type=int, default=2000, help="MB of the Enhanced file (0: none)")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="mrdock-bench-"))
    try:
        table(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def table(options: argparse.Namespace, work: Path) -> None:
    """Measure and print."""
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    few = files[: options.slow]
    print(f"{len(files)} files of {sum(path.stat().st_size for path in files) / len(files) / 1000:.0f} kB on average\n")
    bench = Bench(work)

    def rates(nodelay: bool, *senders: Words) -> list[float]:
        found = [
            [len(files) / bench.seconds(sender, files, nodelay=nodelay) for sender in senders]
            for _ in range(options.repeat)
        ]
        return [median(column) for column in zip(*found, strict=True)]

    slow = {name: len(few) / bench.seconds(stock(name), few) for name in ("storescu", "dcmsend")}
    (one,) = rates(False, ours())
    line("send_dicom, defaults", one, slow)
    one, *theirs = rates(True, ours(), stock("storescu"), stock("dcmsend"))
    line("send_dicom, TCP_NODELAY=1 at both ends", one, dict(zip(("storescu", "dcmsend"), theirs, strict=True)))
    (two,) = rates(True, ours("--parallel", "2"))
    line("send_dicom, --parallel 2", two, {"one": one})
    if options.big:
        large(bench, work / "big.dcm", options.big)


def large(bench: Bench, path: Path, megabytes: int) -> None:
    """One Enhanced file: MB a second, and the memory of send_dicom."""
    size = enhanced_large(path, megabytes * 1_000_000 // (192 * 192 * 2), 192, 192) / 1e6
    found = []
    for _ in range(2):
        mine = size / bench.seconds(ours(), [path], nodelay=True)
        found.append((mine, size / bench.seconds(stock("dcmsend"), [path], nodelay=True)))
    mine, theirs = (max(column) for column in zip(*found, strict=True))
    print(f"one Enhanced file of {size:,.0f} MB: {mine:.0f} MB/s, {mine / theirs:.2f} x dcmsend ({theirs:.0f} MB/s)")
    print(f"send_dicom takes {peak(bench, path):.0f} MB of memory for it")


def peak(bench: Bench, path: Path) -> float:
    """The most memory that send_dicom has while it sends a file, in MB."""
    code = (
        "import resource, sys; from mrdock.commands.send_dicom import command\n"
        "try: command(prog_name='send_dicom')\n"
        "finally: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=open(sys.argv[-1] + '.peak', 'w'))"
    )

    def words(port: int, files: Sequence[Path]) -> list[str]:
        return [sys.executable, "-c", code, "-q", "-c", "127.0.0.1", "-p", str(port), *map(str, files)]

    bench.seconds(words, [path])
    return int(Path(f"{path}.peak").read_text(encoding="ascii")) / 1000


if __name__ == "__main__":
    main()
