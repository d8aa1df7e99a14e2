"""Enhanced MR: `dicomeread` against plain numpy, and as a process against dcm2niix; the frame table; peak memory.

    python -m benchmarks.enhanced [FILE...] [--frames N] [--repeat N]

FILEs are Enhanced MR files (default: those of $MRDOCK_TEST_DATA); one of --frames (default 20,000) frames of 96 x 96 is
generated, with 114 elements a frame. Files are in memory, medians count.

plain      numpy.fromfile of all pixels, scaled in float32, transposed as a view
plain, C   the same, transposed to C order by copying
ours       mrdock.dicomeread; ours, C: and its data copied to C order
table      the frame table of index values, positions, echo times and scales (benchmarks.frames), how many times as fast
           as pydicom and as dcmdump
process    a Python process that reads the file, start included; nii: `dicomeread --out`; both in parts of what
           `dcm2niix -s y` takes
memory     how much a process grows while it reads, in parts of the result
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import frames
from benchmarks._servers import program
from benchmarks.frames import ROOT, inputs

GOALS = {"plain": 2.5, "process": 1.0, "memory": 1.3, "pydicom": 30.0, "dcmdump": 5.0}
READ = "import sys, mrdock; mrdock.dicomeread(sys.argv[1])"
COMMAND = "from mrdock.commands.dicomeread import command; command(prog_name='dicomeread')"
GROWTH = """
import json, sys
import numpy, mrdock.enhanced.image
def most():
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
before = most()
image = mrdock.enhanced.image.dicomeread(sys.argv[1])
print(json.dumps((most() - before) / image.data.nbytes))
"""


def clock(work: Callable[[], Any], repeat: int) -> float:
    """The median of some runs after one that does not count, in seconds."""
    work()
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)


def process(words: list[str], repeat: int) -> float:
    """The median of whole processes, in seconds."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}

    def run() -> None:
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    return clock(run, repeat)


def plain(path: Path) -> Callable[[], Any]:
    """Read, scale, transpose, with all that has to be known known beforehand."""
    from mrdock.enhanced.plan import plan_of

    plan = plan_of(str(path))
    pixels, scaling = plan.pixels, plan.scaling
    assert scaling.slopes is not None
    assert scaling.intercepts is not None
    slopes = scaling.slopes.astype(np.float32)[:, np.newaxis, np.newaxis]
    intercepts = scaling.intercepts.astype(np.float32)[:, np.newaxis, np.newaxis]

    def run() -> Any:
        count = pixels.frames * pixels.rows * pixels.columns
        raw = np.fromfile(path, pixels.dtype, count, offset=pixels.offset)
        values = raw.reshape(pixels.frames, pixels.rows, pixels.columns).astype(np.float32)
        values -= intercepts
        values /= slopes
        return values.transpose(1, 2, 0)

    return run


def growth(path: Path) -> float:
    """Peak memory in parts of the result."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    words = [sys.executable, "-c", GROWTH, str(path)]
    done = subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def measured(path: Path, repeat: int, out: Path) -> list[str]:
    """The figures of one file as they stand in the table."""
    import mrdock

    read = plain(path)
    theirs = clock(read, repeat), clock(lambda: np.ascontiguousarray(read()), repeat)
    ours = (
        clock(lambda: mrdock.dicomeread(str(path)), repeat),
        clock(lambda: np.ascontiguousarray(mrdock.dicomeread(str(path)).data), repeat),
    )
    nii = out / "ours.nii"
    started = process([sys.executable, "-c", READ, str(path)], repeat)
    written = process([sys.executable, "-c", COMMAND, str(path), "--force", "--out", str(nii)], repeat)
    peer = process([program("dcm2niix"), "-s", "y", "-w", "1", "-f", "theirs", "-o", str(out), str(path)], repeat)
    table, slow = frames.run("ours", path, repeat), frames.run("pydicom", path, 1)
    dumped = frames.dump(path, 1)
    return [
        path.name,
        f"{theirs[0] * 1000:.1f}",
        f"{ours[0] * 1000:.1f}",
        f"{ours[0] / theirs[0]:.2f} x",
        f"{ours[1] / theirs[1]:.2f} x",
        f"{slow['seconds'] / table['seconds']:.0f} x",
        f"{dumped / table['seconds']:.1f} x",
        f"{peer:.2f}",
        f"{started / peer:.2f} x",
        f"{written / peer:.2f} x",
        f"{growth(path):.2f} x",
    ]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=20000)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print(
        "| file | plain ms | ours ms | ours / plain | ours, C / plain, C | table: pydicom | table: dcmdump "
        "| dcm2niix s | process | nii | memory |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="mrdock-bench-") as work:
        out = Path(work) / "out"
        out.mkdir()
        for path in inputs(options, Path(work), side=96):
            print(f"| {' | '.join(measured(path, options.repeat, out))} |", flush=True)
    goals = ", ".join(f"{name} {goal:g}" for name, goal in GOALS.items())
    print(f"goals at 20,000 frames: {goals}")


if __name__ == "__main__":
    main()
