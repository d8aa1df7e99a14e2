"""Moving and copying by headers: whole dcm_move commands against cp, sync, mv and shutil on the same tree, in one run.

    python -m benchmarks.move [FOLDER] [--files N] [--repeat N] [--work DIR]

FOLDER holds DICOM files (default: the classic ones of $MRDOCK_TEST_DATA); copies under other UIDs make a tree of
--files (default 20,000) in DIR (default: the temporary directory; it has to be on a disk, and needs the tree's size
three times for each of --repeat rounds). Every figure is the wall time of a whole process, its start included, with
the sources in memory, and for copies with the time until they are on disk: dcm_move sees to that itself, after cp
comes sync. The programs take turns and medians count. Nothing is deleted before the end: a file system that has just
deleted many files (ext4) is slow to make new ones.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from statistics import median

from pydicom import dcmread

from benchmarks.receive import ROOT, default_folder

CP = "cp -r and sync"
COPY = "dcm_move -c"
COPYTREE = "shutil.copytree and sync"
MV = "mv, file by file"
MOVE = "dcm_move"
UNDO = "dcm_move --undo"
MOST_OF_CP = 1.5
FEWEST_A_SECOND = 8000
LONG_AGO = 1_500_000_000
"""When the files were written, as far as dcm_move knows: it waits for those that were touched a moment ago."""

_COPYTREE = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"
_COMMAND = "from mrdock.commands.dcm_move import command; command(prog_name='dcm_move')"


def main() -> None:
    """Run and print the table; exit 3 where a goal is missed."""
    parser = argparse.ArgumentParser(description="files a second, moved and copied by their headers")
    parser.add_argument("folder", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5, help="rounds, of which the median counts")
    parser.add_argument("--work", type=Path, help="where the trees are made")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="mrdock-bench-", dir=options.work))
    try:
        missed = table(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(3 if missed else 0)


def table(options: argparse.Namespace, work: Path) -> bool:
    """Measure and print; whether a goal was missed."""
    source, count = work / "source", 0
    for count, (name, content) in enumerate(originals(options.folder, options.files), 1):  # noqa: B007
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
        os.utime(source / name, (LONG_AGO, LONG_AGO))
    size = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    print(f"{count} files of {size / count / 1000:.0f} kB on average\n", flush=True)
    shutil.copytree(source, work / "moving")
    found: dict[str, list[float]] = {}
    for number in range(options.repeat):
        for name, took in one_round(work, number, count):
            found.setdefault(name, []).append(took)
    medians = {name: median(times) for name, times in found.items()}
    for name, took in medians.items():
        peers = [(peer, medians[peer]) for peer in ((CP,) if name in (COPY, COPYTREE) else (MV,)) if peer != name]
        ratios = ", ".join(f"{took / other:.2f} x {peer}" for peer, other in peers if name not in (CP, MV))
        print(f"{name:26} {took:6.2f} s {count / took:8.0f}/s  {ratios}", flush=True)
    missed = medians[COPY] > MOST_OF_CP * medians[CP] or count / medians[MOVE] < FEWEST_A_SECOND
    print(f"\ngoals: {COPY} within {MOST_OF_CP} x {CP}, {MOVE} {FEWEST_A_SECOND}/s: {'missed' if missed else 'met'}")
    return missed


def originals(folder: Path, count: int) -> Iterator[tuple[str, bytes]]:
    """So many files, copy after copy of those in ``folder``, each copy of other studies."""
    files = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        header = dcmread(path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
        files.append((path, path.read_bytes(), [str(element.value) for element in header]))
    for number in range(count):
        path, content, uids = files[number % len(files)]
        copy = number // len(files)
        for uid in uids:
            content = content.replace(uid.encode(), other(uid, copy).encode())
        yield f"{copy:03}/{path.relative_to(folder)}", content


def other(uid: str, number: int) -> str:
    """A UID of the same length that this one and ``number`` always give."""
    return f"2.25.{int.from_bytes(sha256(f'{uid} {number}'.encode()).digest())}"[: len(uid)]


def one_round(work: Path, number: int, count: int) -> Iterator[tuple[str, float]]:
    """Each program once."""
    source, goal = str(work / "source"), work / f"round{number}"
    goal.mkdir()
    yield CP, seconds(work, ["cp", "-r", source, str(goal / "cp")], sync=True)
    (goal / "ours").mkdir()
    yield COPY, seconds(work, dcm_move("-c", "-a", "-q", "-R", "-s", source, str(goal / "ours")))
    check(goal / "ours", count)
    yield COPYTREE, seconds(work, [sys.executable, "-c", _COPYTREE, source, str(goal / "copytree")], sync=True)
    here = work / "moving"
    (goal / "moved").mkdir()
    yield MOVE, seconds(work, dcm_move("-a", "-q", "-i", "-R", "-s", str(here), str(goal / "moved")))
    check(goal / "moved", count)
    (journal,) = sorted((work / "state" / "mrdock" / "journals").iterdir())[-1:]
    yield UNDO, seconds(work, dcm_move("-q", "--undo", str(journal)))
    check(here, count)
    yield MV, by_mv(work, here, goal)


def by_mv(work: Path, here: Path, goal: Path) -> float:
    """One mv for the files of each directory, as a person would; afterwards they are moved back."""
    ways = [
        (folder, goal / "mv" / str(number))
        for number, folder in enumerate(path for path in sorted(here.rglob("*")) if path.is_dir())
        if any(path.is_file() for path in folder.iterdir())
    ]
    for _, there in ways:
        there.mkdir(parents=True)
    took = seconds(work, ["sh", "-c", "\n".join(f"mv -n -t {there} {folder}/*" for folder, there in ways)])
    for folder, there in ways:
        for path in there.iterdir():
            path.rename(folder / path.name)
    return took


def dcm_move(*words: str) -> list[str]:
    """Our command as its installed script starts it."""
    return [sys.executable, "-c", _COMMAND, *words]


def seconds(work: Path, words: list[str], *, sync: bool = False) -> float:
    """How long a process takes, with ``sync`` until what it wrote is on disk; one that fails ends the benchmark."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        "XDG_STATE_HOME": str(work / "state"),
    }
    os.sync()
    began = time.perf_counter()
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if sync:
        subprocess.run(["sync"], check=True)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"benchmark: {words[0]}: {done.stderr.strip()[-500:]}")
    return took


def check(folder: Path, count: int) -> None:
    """As many images out as in."""
    found = sum(1 for path in folder.rglob("*") if path.is_file() and path.name != "info")
    if found != count:
        raise SystemExit(f"benchmark: {found} files in {folder}, not {count}")


if __name__ == "__main__":
    main()
