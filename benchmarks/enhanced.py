"""Enhanced MR: `dicomeread` against plain numpy, and as a process against dcm2niix; the frame table; peak memory.

    python -m benchmarks.enhanced [FILE...] [--frames N] [--repeat N] [--part PART...]

FILEs are Enhanced MR files (default: those of $MRDOCK_TEST_DATA); one of --frames (default 20,000; 0: none) frames of
96 x 96 is generated, with 114 elements a frame. Files are in memory, medians of --repeat (default 5) runs count, after
one that does not. It takes some four minutes; --part measures less.

read       numpy.fromfile of all pixels, scaled in float32, transposed as a view; `mrdock.dicomeread` in parts of that;
           both with the result copied to C order
table      the frame table of index values, positions, echo times and scales (benchmarks.frames), how many times as fast
           as pydicom and as dcmdump, of which one run counts where it takes more than a second
process    `dcm2niix -s y`; in parts of it a Python process that reads the file into an array, start included, and
           `dicomeread --out`, which writes float32 NIfTI where dcm2niix writes 16 bits, and waits for the disk
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


def process(words: list[str], repeat: int, work: Path) -> float:
    """The median of whole processes, in seconds; Python's find compiled modules, as those of an installation do."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "PYTHONPYCACHEPREFIX": str(work / "compiled"),
        "PYTHONDONTWRITEBYTECODE": "",
    }

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


def read(path: Path, repeat: int, _: Path) -> list[str]:
    """In process."""
    import mrdock

    theirs = plain(path)
    view, copied = clock(theirs, repeat), clock(lambda: np.ascontiguousarray(theirs()), repeat)
    ours = clock(lambda: mrdock.dicomeread(str(path)), repeat)
    ours_copied = clock(lambda: np.ascontiguousarray(mrdock.dicomeread(str(path)).data), repeat)
    return [f"{view * 1000:.1f}", f"{ours * 1000:.1f}", f"{ours / view:.2f} x", f"{ours_copied / copied:.2f} x"]


def table(path: Path, repeat: int, _: Path) -> list[str]:
    """The frame table."""
    ours, slow, dumped = (
        frames.run("ours", path, repeat),
        frames.run("pydicom", path, repeat),
        frames.dump(path, repeat),
    )
    if ours["digest"] != slow["digest"]:
        raise SystemExit(f"benchmark: {path}: pydicom reads other values")
    seconds = ours["seconds"]
    return [f"{seconds * 1000:.1f}", f"{slow['seconds'] / seconds:.0f} x", f"{dumped / seconds:.1f} x"]


def processes(path: Path, repeat: int, work: Path) -> list[str]:
    """Whole processes."""
    nii = work / "ours.nii"
    peer = process(
        [program("dcm2niix"), "-s", "y", "-w", "1", "-f", "theirs", "-o", str(work), str(path)], repeat, work
    )
    started = process([sys.executable, "-c", READ, str(path)], repeat, work)
    written = process([sys.executable, "-c", COMMAND, str(path), "--force", "--out", str(nii)], repeat, work)
    return [f"{peer:.2f}", f"{started / peer:.2f} x", f"{written / peer:.2f} x"]


def memory(path: Path, _: int, __: Path) -> list[str]:
    """Peak memory."""
    return [f"{growth(path):.2f} x"]


PARTS: dict[str, tuple[Callable[[Path, int, Path], list[str]], list[str]]] = {
    "read": (read, ["numpy ms", "ours ms", "ours / numpy", "in C order"]),
    "table": (table, ["table ms", "pydicom", "dcmdump"]),
    "process": (processes, ["dcm2niix s", "array", "nii"]),
    "memory": (memory, ["memory"]),
}
GOALS = "ours / numpy 2.5, pydicom 30, dcmdump 5, array 1.0, memory 1.3"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=20000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--part", action="append", choices=list(PARTS))
    options = parser.parse_args()
    parts = options.part or list(PARTS)
    heads = [head for part in parts for head in PARTS[part][1]]
    print(f"| file | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    with tempfile.TemporaryDirectory(prefix="mrdock-bench-") as name:
        work = Path(name)
        for path in inputs(options, work, side=96):
            figures = [figure for part in parts for figure in PARTS[part][0](path, options.repeat, work)]
            print(f"| {' | '.join([path.name, *figures])} |", flush=True)
    print(f"goals at 20,000 frames: {GOALS}")


if __name__ == "__main__":
    main()
