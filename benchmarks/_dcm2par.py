"""dcm2par of a 20,000-frame Enhanced file of 96 x 96 pixels, as a whole program, against `cp` and `sync` of the file.

    python -m benchmarks.parrec
    python -m benchmarks._dcm2par [--frames N] [--size PIXELS] [--repeat N] [--work DIR]

A file of Philips layout is generated, slice after slice with all dynamics of a slice, so that dcm2par has to bring the
images in another order. In each round `cp` copies it and `sync` makes the copy durable, then dcm2par converts it, which
makes its pair durable, too; what the round before wrote is removed and the disk is idle. Medians. The most memory that
dcm2par took is printed, too, and that for a quarter of the frames.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks._programs import program, timed
from tests.builders import enhanced_large

Row = tuple[str, float, float, str]

FRAMES, SIZE, GOAL = 20_000, 96, 2.5


def converted(source: Path, out: Path) -> tuple[float, int]:
    """Seconds and megabytes of one conversion; the pair is removed."""
    seconds, said = timed(sys.executable, "-c", program("dcm2par"), "-o", out, source)
    for ending in ("PAR", "REC"):
        (out / f"{source.stem}.{ending}").unlink()
    os.sync()
    return seconds, int(said.split()[-1])


def rows(repeat: int, keep: str, frames: int = FRAMES, size: int = SIZE) -> list[Row]:
    """Measure in the directory ``keep``, and leave nothing in it."""
    folder = Path(keep)
    source, small, copy = folder / "scan.dcm", folder / "small.dcm", folder / "copy.dcm"
    enhanced_large(source, frames, size, size)
    enhanced_large(small, max(1, frames // 4), size, size)
    os.sync()
    copies, ours, memory = [], [], []
    for _ in range(repeat):
        seconds, _said = timed("cp", source, copy)
        more, _said = timed("sync", copy, folder)
        copies.append(seconds + more)
        copy.unlink()
        os.sync()
        seconds, most = converted(source, folder)
        ours.append(seconds)
        memory.append(most)
    _, less = converted(small, folder)
    print(f"dcm2par of {frames} frames: {max(memory)} MiB at most; of {max(1, frames // 4)} frames: {less} MiB")
    for path in (source, small):
        path.unlink()
    return [(f"dcm2par ({frames} frames, goal {GOAL:g})", median(ours), median(copies), "cp and sync")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="dcm2par against cp and sync")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        for what, ours, theirs, peer in rows(options.repeat, folder, options.frames, options.size):
            print(f"{what}: {ours:.3f} s, {peer}: {theirs:.3f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
