"""Receiving under attack: what a second client keeps of its rate while hostile peers are at the dock.

    python -m benchmarks.under_attack [FOLDER] [--files N] [--rounds N] [--attack 'COMMAND {host} {port}']

DCMTK's storescu (TCP_NODELAY=1) sends the first N files of FOLDER (default: the classic ones of $MRDOCK_TEST_DATA)
again and again, each time as new instances, while the attacker runs and while it is stopped (SIGSTOP; its connections
stay), in turn, for the rate of the disk varies. What is kept is the median of the attacked rates, each compared with
the quiet ones before and after it. First the attacker is at the dock's other listener, then at the client's own.

The attacker is `tests.faults.attacks`, from another address: hundreds of connections that wait, and malformed sessions
with pauses between. It is no flood: on two cores, which client, dock and attacker share, a peer that burns processor
time slows the client whatever the dock does. ``--attack`` runs any other program instead, over and over.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks._servers import listeners, program
from benchmarks.receive import ROOT, default_folder

OURS = f"{shlex.quote(sys.executable)} -m tests.faults.attacks {{port}}"
KEPT = 0.95
"""The share of its rate that a second client is to keep."""


class Attacker:
    """A program that attacks a port; it is stopped but while `attacking`, and begins again when it has ended."""

    def __init__(self, command: str, port: int, said: Path) -> None:
        """``said`` takes what it prints."""
        self._words = shlex.split(command.format(host="127.0.0.1", port=port))
        self._said = said
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def attacking(self) -> Iterator[None]:
        """The attack goes on while the block runs."""
        if self._process is None or self._process.poll() is not None:
            with self._said.open("ab") as out:
                self._process = subprocess.Popen(
                    self._words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
                )
            time.sleep(1.5)  # until it has its connections
        self._signal(signal.SIGCONT)
        time.sleep(0.1)
        try:
            yield
        finally:
            self._signal(signal.SIGSTOP)
            time.sleep(0.1)

    def end(self) -> None:
        """The attack is over."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


def rate(port: int, files: list[Path]) -> float:
    """Images a second from storescu on one association, its start included, and its waits where it is refused."""
    words = [program("storescu"), "+II", "-aec", "MRDOCK", "127.0.0.1", str(port), *map(str, files)]
    began = time.perf_counter()
    while True:
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | {"TCP_NODELAY": "1"})
        if not done.returncode:
            return len(files) / (time.perf_counter() - began)
        if "Local Limit Exceeded" not in done.stderr + done.stdout:
            raise SystemExit(f"benchmark: storescu failed: {done.stderr or done.stdout}")
        time.sleep(0.05)


def compare(name: str, port: int, attacker: Attacker, files: list[Path], rounds: int) -> None:
    """Print one line: the rates, quiet and attacked, and what is kept."""
    quiet, attacked = [], []
    try:
        rate(port, files)  # the first is slower: the store is empty, the files are not in memory
        quiet.append(rate(port, files))
        for _ in range(rounds):
            with attacker.attacking():
                attacked.append(rate(port, files))
            quiet.append(rate(port, files))
    finally:
        attacker.end()
    around = [sum(pair) / 2 for pair in pairwise(quiet)]
    kept = median(one / other for one, other in zip(attacked, around, strict=True))
    print(f"{name:36} quiet {median(quiet):5.0f}/s  attacked {median(attacked):5.0f}/s  kept {kept:.1%}", flush=True)
    for what, rates in (("quiet", quiet), ("attacked", attacked)):
        print(f"    {what:9}" + " ".join(f"{value:4.0f}" for value in rates), flush=True)


def main() -> None:
    """Run and print the rates."""
    parser = argparse.ArgumentParser(description="images a second, received under attack")
    parser.add_argument("folder", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--rounds", type=int, default=15, help="phases under attack, of which the median counts")
    parser.add_argument("--files", type=int, default=400, help="files sent in each phase")
    parser.add_argument("--attack", default=OURS, help="the attacker: a command with {host} and {port}")
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())[: options.files]
    size = sum(path.stat().st_size for path in files) / len(files)
    print(f"{len(files)} files of {size / 1000:.0f} kB on average; {KEPT:.0%} is to be kept\n")
    work = Path(tempfile.mkdtemp(prefix="mrdock-attack-"))
    try:
        for name, same in (("attack on the other listener", False), ("attack on the same listener", True)):
            with listeners(work / name.replace(" ", "-")) as (port, other):
                attacker = Attacker(options.attack, port if same else other, work / "attacker.log")
                compare(name, port, attacker, files, options.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
