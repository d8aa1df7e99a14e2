"""The frame table: five columns of an enhanced file, against pydicom and dcmdump, in one run.

    python -m benchmarks.frames [FILE...] [--frames N] [--repeat N]

FILE: enhanced files (default: those of $MRDOCK_TEST_DATA), after them a generated one of Philips layout with N frames
(default 16384; 0: none) of 16 x 16 pixels. Dimension index, position, echo time, scale slope and scale intercept of
every frame become arrays; pydicom's and ours must be equal. Times are from opening the file to the last array, imports
not included, each contender in a process of its own, which also says the most memory it took. dcmdump prints the
whole file to nowhere, its start included. Of a contender that takes less than a second, the median of N runs counts
(default 5).
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
DD1, DD5 = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"
Arrays = list[NDArray[Any]]


def ours(path: str) -> Arrays:
    """The five columns by the frame table."""
    from mrdock.dicom.frames import FrameTable

    with FrameTable.of_file(path) as table:
        places = (0x00209157, 0x00200032, 0x00189082, (0x2005, 0x0E, DD1), (0x2005, 0x0D, DD1))
        columns = [table.column(place) for place in places]
        return [column.values for column in columns if column is not None]


def pydicoms(path: str) -> Arrays:
    """The five columns by pydicom."""
    import pydicom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
    rows: list[list[Any]] = [[], [], [], [], []]
    for frame in data_set.PerFrameFunctionalGroupsSequence:
        rows[0].append(frame.FrameContentSequence[0].DimensionIndexValues)
        rows[1].append(frame.PlanePositionSequence[0].ImagePositionPatient)
        rows[2].append(frame.MREchoSequence[0].EffectiveEchoTime)
        block = frame.private_block(0x2005, DD5)[0x0F].value[0].private_block(0x2005, DD1)
        rows[3].append(block[0x0E].value)
        rows[4].append(block[0x0D].value)
    types = ("u4", "f8", "f8", "f4", "f4")
    return [np.array(row, dtype=kind) for row, kind in zip(rows, types, strict=True)]


CONTENDERS: dict[str, Callable[[str], Arrays]] = {"ours": ours, "pydicom": pydicoms}


def one(name: str, path: str) -> None:
    """In a process of its own: print seconds, megabytes and what was found."""
    import resource

    import pydicom  # noqa: F401  # what its import costs is not the question

    import mrdock.dicom.frame_arrays
    import mrdock.dicom.frames
    import mrdock.dicom.opening  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    gc.collect()
    began = time.perf_counter()
    arrays = CONTENDERS[name](path)
    seconds = time.perf_counter() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    digest = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
    print(json.dumps({"seconds": seconds, "megabytes": most / 1024, "frames": len(arrays[0]), "digest": digest}))


def run(name: str, path: Path, repeat: int) -> dict[str, Any]:
    """The median run of a contender; one run is enough where it takes long."""
    found: list[dict[str, Any]] = []
    while len(found) < repeat and (not found or found[0]["seconds"] < 1):
        words = [sys.executable, "-m", "benchmarks.frames", "--one", name, str(path)]
        out = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        found.append(json.loads(out))
    return found[0] | {"seconds": median(each["seconds"] for each in found)}


def dump(path: Path, repeat: int) -> float:
    """Seconds of dcmdump, start included."""
    from benchmarks._servers import program

    times: list[float] = []
    while len(times) < repeat and (not times or times[0] < 1):
        began = time.perf_counter()
        subprocess.run(
            [program("dcmdump"), str(path)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - began)
    return median(times)


def inputs(options: argparse.Namespace, work: Path, side: int = 16) -> Iterator[Path]:
    """The files to read; the images of the generated one have ``side`` rows and columns."""
    data = Path(os.environ.get("MRDOCK_TEST_DATA", ROOT.parent / "shared" / "data"))
    yield from options.files or sorted(data.glob("*/enhanced/*.dcm"))
    if options.frames:
        from tests.builders import enhanced_large

        path = work / f"generated, {options.frames:,} frames"
        enhanced_large(path, options.frames, side, side)
        yield path


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--frames", type=int, default=16384)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    print("| file | frames | ours ms | MB | pydicom | its MB | dcmdump |\n|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="mrdock-bench-") as work:
        for path in inputs(options, Path(work)):
            table, theirs, dumped = run("ours", path, options.repeat), run("pydicom", path, 3), dump(path, 3)
            if table["digest"] != theirs["digest"]:
                raise SystemExit(f"benchmark: {path}: pydicom reads other values")
            seconds = table["seconds"]
            figures = (
                path.name,
                f"{table['frames']:,}",
                f"{seconds * 1000:.1f}",
                f"{table['megabytes']:.0f}",
                f"{theirs['seconds'] / seconds:.0f} x",
                f"{theirs['megabytes']:.0f}",
                f"{dumped / seconds:.1f} x",
            )
            print(f"| {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
