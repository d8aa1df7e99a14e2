"""Philips raw files: whole processes, their start included, in seconds of processor time; dcmdump's beside.

    python -m benchmarks.rawdata [FILE...] [--repeat N]

FILEs are raw files of series and of studies (default: those of $MRDOCK_TEST_DATA, without which a study of 40 scans and
a series with a block of 300 kB are generated). Files are in memory, medians count. Bytecode is compiled before.

text, legacy, json  `dcmexamcard` of a series' file
card                `dcmexamcard` of a study's file: the ExamCard written
html                `ExamCard_to_HTML` of a study's file
dcmdump             `dcmdump +L` of the same file, which prints the BLOBs as numbers
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks._servers import program
from benchmarks.frames import ROOT
from mrdock.rawdata.blobs import read_blobs
from tests.builders import ExamCardScan, Parameter, StudyIdentity, parameter_block, part10, raw_data, raw_series

GOALS = {"text": 0.5, "html": 1.0}
OF_SERIES = {"text": ("dcmexamcard",), "legacy": ("dcmexamcard", "--legacy"), "json": ("dcmexamcard", "--json")}
OF_STUDIES = {"card": ("dcmexamcard", "--force", "-o"), "html": ("ExamCard_to_HTML", "--force", "-o")}


def seconds(words: Sequence[str], repeat: int) -> float:
    """The median processor time of a process, user's and system's, after one that does not count."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(ROOT / "src"), "PYTHONPYCACHEPREFIX": str(ROOT / "build" / "pycache")}
    times = []
    for _ in range(repeat + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return median(times[1:])


def ours(name: str, *words: str) -> list[str]:
    """A command of mrdock as a process, without an installed script."""
    code = f"from mrdock.commands.{name.lower()} import command; command(prog_name={name!r})"
    return [sys.executable, "-c", code, *words]


def inputs(given: Sequence[Path], folder: Path) -> list[Path]:
    """The files: those that are given, real ones, or generated ones."""
    if given:
        return list(given)
    data = Path(os.environ.get("MRDOCK_TEST_DATA", ROOT.parent / "shared" / "data"))
    found = sorted(data.glob("*/rawdata/*.dcm"))
    if found:
        return found
    identity = StudyIdentity("benchmark")
    many = [Parameter(f"EX_parameter_{number}", "float", (number / 7,) * 50) for number in range(1200)]
    blobs = [("PDF_EXAM_PARS", "IEEE_PDF", parameter_block(many, tokens=False))]
    made = {
        "series": raw_series(identity, blobs=blobs),
        "study": raw_data(identity, scans=[ExamCardScan(f"scan {number}") for number in range(40)]),
    }
    for name, data_set in made.items():
        (folder / name).write_bytes(part10(data_set))
    return [folder / name for name in made]


def measured(path: Path, repeat: int, out: Path) -> list[str]:
    """The cells of one row."""
    raw = read_blobs(str(path))
    cells = [raw.protocol_name or path.name, f"{path.stat().st_size / 1e6:.1f}"]
    for commands, kind in ((OF_SERIES, "series"), (OF_STUDIES, "study")):
        for name, *words in commands.values():
            place = [str(out)] if kind == "study" else []
            cells.append(f"{seconds(ours(name, *words, *place, str(path)), repeat):.2f}" if raw.kind == kind else "")
    cells.append(f"{seconds([program('dcmdump'), '+L', str(path)], repeat):.2f}")
    return cells


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    names = [*OF_SERIES, *OF_STUDIES, "dcmdump"]
    print(f"| protocol | MB | {' | '.join(f'{name} s' for name in names)} |")
    print(f"|---|{'---:|' * (len(names) + 1)}")
    with tempfile.TemporaryDirectory(prefix="mrdock-bench-") as work:
        out = Path(work) / "out"
        out.mkdir()
        for path in inputs(options.files, Path(work)):
            print(f"| {' | '.join(measured(path, options.repeat, out))} |", flush=True)
    print(f"goals: {', '.join(f'{name} {goal:g} s' for name, goal in GOALS.items())}")


if __name__ == "__main__":
    main()
