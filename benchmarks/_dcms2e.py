"""dcms2e for 20,034 images, as a whole program, against `cp` and `sync` of its result, and against highdicom.

    python -m benchmarks.parrec --only dcms2e
    python -m benchmarks._dcms2e [--dynamics N] [--repeat N] [--work DIR]

A scan of 63 slices of 96 x 96 pixels and N (default 318) dynamics is generated: classic files of the first dynamic, a
PAR/REC of all. In each round the result of dcms2e is made durable, as dcms2e does itself, and `cp` copies it and `sync`
makes the copy durable; medians. The most memory that dcms2e took is printed, too.

highdicom's converter of classic images takes all of them as pydicom data sets, so it gets a smaller scan (10 dynamics)
and its seconds are scaled to the number of images. It is not needed otherwise, and takes part where it can be imported:

    python -m venv /tmp/peer && /tmp/peer/bin/pip install highdicom . && /tmp/peer/bin/python -m benchmarks._dcms2e
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks._programs import program, timed
from tests.builders import StudyIdentity, classic_fmri
from tests.builders.par_bulk import bulk_par_rec

Row = tuple[str, float, float, str]

SLICES, DYNAMICS, PEERS_DYNAMICS = 63, 318, 10


def rows(repeat: int, keep: str, dynamics: int = DYNAMICS) -> list[Row]:
    """Measure in the directory ``keep``, and leave nothing in it."""
    folder = Path(keep) / "scan"
    images = bulk_par_rec(folder, slices=SLICES, dynamics=dynamics)
    result, copy = folder.with_name("scan.dcm"), folder.with_name("copy.dcm")
    os.sync()
    ours, copies, memory = [], [], []
    for _ in range(repeat + 1):
        seconds, said = timed(sys.executable, "-c", program("dcms2e"), folder)
        ours.append(seconds)
        memory.append(int(said.split()[-1]))
        seconds, _ = timed("cp", result, copy)
        more, _ = timed("sync", copy, keep)
        copies.append(seconds + more)
        size = result.stat().st_size
        for path in (result, copy):
            path.unlink()
        os.sync()
    shutil.rmtree(folder)
    for ending in (".PAR", ".REC"):
        folder.with_name(f"scan{ending}").unlink()
    print(f"dcms2e {images} images, {size / 1e6:.0f} MB: {max(memory)} MiB of memory at most")
    del ours[0], copies[0]  # the first run compiles what is imported
    found = [(f"dcms2e  {images} images", median(ours), median(copies), "cp and sync")]
    peer = highdicom_seconds(images)
    return found if peer is None else [*found, (f"dcms2e  {images} images", median(ours), peer, "highdicom (scaled)")]


def highdicom_seconds(images: int) -> float | None:
    """Seconds that highdicom would take for as many images; None where it is not installed."""
    if find_spec("highdicom") is None:
        return None
    from pydicom.uid import generate_uid

    classic = classic_fmri(StudyIdentity("bulk"), slices=SLICES, dynamics=PEERS_DYNAMICS, rows=96, columns=96)
    start = time.perf_counter()
    made = import_module("highdicom.legacy").LegacyConvertedEnhancedMRImage(
        classic, generate_uid(), 1, generate_uid(), 1
    )
    with tempfile.TemporaryFile() as stream:
        made.save_as(stream)
    return (time.perf_counter() - start) / len(classic) * images


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="dcms2e against cp and sync, and highdicom")
    parser.add_argument("--dynamics", type=int, default=DYNAMICS)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        for what, ours, theirs, peer in rows(options.repeat, name, options.dynamics):
            print(f"{what}: {ours:.2f} s; {peer} {theirs:.2f} s; ratio {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
