"""dcmshortacq: removing a partial last dynamic, against `cp` and `sync` of the same file, in one run.

    python -m benchmarks.shortacq [--frames N] [--size PIXELS] [--repeat N] [--work DIR]

A file of Philips layout is generated, with N frames (default 20,000) of PIXELS x PIXELS (default 96) in dynamics of up
to 64 slices, of which the last lacks the second half. In each round `cp` copies it and `sync` makes the copy durable,
then dcmshortacq, the whole program, works on the copy; medians of 5 rounds. It also prints the most memory that
dcmshortacq took.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.builders import enhanced_large

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = """
import sys
sys.argv[0] = "dcmshortacq"
from mrdock.commands.dcmshortacq import command
try:
    command()
finally:
    (peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak) // 1024, file=sys.stderr)
"""


def generate(path: Path, frames: int, size: int) -> None:
    """Write the file."""
    slices = max(number for number in range(1, min(64, frames) + 1) if frames % number == 0)
    missing = {(number, frames // slices) for number in range(slices // 2 + 1, slices + 1)}
    enhanced_large(path, frames, size, size, missing=missing)


def timed(compiled: Path, *words: str | Path) -> float:
    """Seconds that a program took; Python's finds its modules compiled, as an installation does."""
    seconds, _ = heard(compiled, *words)
    return seconds


def heard(compiled: Path, *words: str | Path) -> tuple[float, str]:
    """The same, and what it said on standard error."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONPYCACHEPREFIX": str(compiled),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    start = time.perf_counter()
    done = subprocess.run(list(map(str, words)), env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stderr


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="dcmshortacq against cp and sync")
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = Path(name)
        source, copy = folder / "scan.dcm", folder / "copy.dcm"
        generate(source, options.frames, options.size)
        os.sync()
        copies, ours, memory = [], [], []
        compiled = folder / "compiled"
        timed(compiled, sys.executable, "-c", "import mrdock.enhanced.shortacq, mrdock.commands.dcmshortacq")
        for _ in range(options.repeat):
            copies.append(timed(compiled, "cp", source, copy) + timed(compiled, "sync", copy, folder))
            seconds, said = heard(compiled, sys.executable, "-c", PROGRAM, copy)
            ours.append(seconds)
            memory.append(int(said.split()[-1]))
            for path in (copy, copy.with_name("copy.dcm.bak")):
                path.unlink()
            os.sync()
        megabytes = source.stat().st_size / 1e6
        print(f"{options.frames} frames, {megabytes:.0f} MB; medians of {options.repeat}")
        print(f"cp and sync   {median(copies):6.2f} s  ({min(copies):.2f} .. {max(copies):.2f})")
        print(f"dcmshortacq   {median(ours):6.2f} s  ({min(ours):.2f} .. {max(ours):.2f}), {max(memory)} MiB at most")
        print(f"ratio         {median(ours) / median(copies):6.2f}")


if __name__ == "__main__":
    main()
