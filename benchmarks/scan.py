"""Headers: five tags of every file, and our commands on the same tree, against gdcmscanner and pydicom in one run.

    python -m benchmarks.scan [FOLDER] [--copies N] [--repeat N] [--slow N]

FOLDER holds DICOM files (default: the classic ones of $MRDOCK_TEST_DATA); they are copied 8 times into a temporary
folder. Every figure is the wall time of a whole process, its start included, with the files in memory; the programs
take turns and medians count. pydicom takes part in --slow of the rounds only (default 2), it is slow.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks._five_tags import TAGS, files
from benchmarks._servers import program
from benchmarks.receive import ROOT, default_folder

PEER = "gdcmscanner, five tags"
OURS = "mrdock, five tags"
PYDICOM = "pydicom, five tags (specific_tags)"
HELP = "dcminfo --help"
GOALS = {OURS: 1.0, "dcmls -d": 1.5, "dcminfo": 1.5}
SLOWEST_START = 0.150


def command(name: str) -> list[str]:
    """Our command as its installed script starts it."""
    return [sys.executable, "-c", f"from mrdock.commands.{name} import command; command(prog_name={name!r})"]


def programs(folder: str) -> dict[str, list[str]]:
    """What is measured, each as the words of a whole process."""
    tags = [word for tag in TAGS for word in ("-t", f"{tag >> 16:x},{tag & 0xFFFF:x}")]
    five = [sys.executable, "-m", "benchmarks._five_tags"]
    return {
        PEER: [program("gdcmscanner"), "-r", "-d", folder, *tags],
        OURS: [*five, "mrdock", folder],
        PYDICOM: [*five, "pydicom", folder],
        "dcmls -d": [*command("dcmls"), "-d", folder],
        "dcminfo": [*command("dcminfo"), folder],
        HELP: [*command("dcminfo"), "--help"],
    }


def seconds(words: list[str]) -> float:
    """How long the process took; one that fails ends the benchmark."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    began = time.perf_counter()
    done = subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SystemExit(
            f"benchmark: {' '.join(words[:4])} ... ended with {done.returncode}: {said[-1] if said else ''}"
        )
    return took


def table(folder: str, count: int, repeat: int, slow: int) -> None:
    """Measure and print."""
    measured = programs(folder)
    took: dict[str, list[float]] = {name: [] for name in measured}
    for words in measured.values():
        if words is not measured[PYDICOM]:
            seconds(words)  # the files and the programs are in memory from now on
    for number in range(repeat):
        for name, words in measured.items():
            if name != PYDICOM or number < slow:
                took[name].append(seconds(words))
    medians = {name: median(found) for name, found in took.items() if found}
    peer = medians[PEER]
    for name, found in medians.items():
        if name == HELP:
            print(f"{name:36} {1000 * found:5.0f} ms            goal: {1000 * SLOWEST_START:.0f} ms")
            continue
        goal = f"  goal: {GOALS[name]:.1f}" if name in GOALS else ""
        print(f"{name:36} {found:6.2f} s {count / found:8.0f} files/s  {found / peer:5.2f} x gdcmscanner{goal}")
    if PYDICOM in medians:
        print(f"{'mrdock against pydicom':36} {medians[PYDICOM] / medians[OURS]:6.1f} times as fast  goal: 15")


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description="headers a second, read")
    parser.add_argument("folder", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--copies", type=int, default=8, help="copies of the folder (default: %(default)s)")
    parser.add_argument(
        "--repeat", type=int, default=5, help="rounds, of which the median counts (default: %(default)s)"
    )
    parser.add_argument("--slow", type=int, default=2, help="rounds that pydicom takes part in (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mrdock-bench-") as work:
        for number in range(options.copies):
            shutil.copytree(options.folder, Path(work, str(number)))
        count = sum(1 for _ in files(work))
        print(f"{count} files\n")
        table(work, count, options.repeat, options.slow)


if __name__ == "__main__":
    main()
