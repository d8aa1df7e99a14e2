"""``python -m fuzz``: fuzz all targets one after the other, or one of them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from fuzz import corpus, report
from fuzz.target import Target, load, names

NO_ATHERIS = (
    "fuzz: atheris is not here; it has wheels for Python 3.11 to 3.14 on x86-64 Linux only (pip install 'mrdock[fuzz]')"
)
_MEMORY = Path("/dev/shm")  # where there is one, nothing is written to a disk
_MEMORY_MB = 1024
_SLICE_SECONDS = 60
_INPUT_SECONDS = 60  # of real time, on a busy machine; the limits of a target are of its own processor time


def main(words: list[str] | None = None) -> int:
    """Returns 1 where something was found, 2 where nothing can be done."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="for all targets together (default: %(default)s)")
    parser.add_argument("--target", choices=names(), metavar="NAME", help="only this one of: " + ", ".join(names()))
    parser.add_argument("--work", type=Path, default=corpus.WORK, help="corpora and findings (default: %(default)s)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run --target on one input, without atheris")
    given = parser.parse_args(words)
    if given.replay is not None:
        if given.target is None:
            parser.error("--replay needs --target")
        load(given.target).check(given.replay.read_bytes())
        return 0
    if find_spec("atheris") is None:
        print(NO_ATHERIS, file=sys.stderr)
        return 2
    corpus.make(given.work, lambda text: print(f"fuzz: {text}"))
    chosen = [given.target] if given.target else names()
    seconds = max(1, round(60 * given.minutes / len(chosen)))
    found = [fuzz(name, given.work / name, seconds) for name in chosen]
    return int(any(found))


def fuzz(name: str, folder: Path, seconds: int) -> bool:
    """Fuzz one target and say in one line how that went; whether something was found.

    A fresh process every minute: atheris keeps the result of each comparison that numpy makes.
    """
    began = time.monotonic()
    executions = 0
    for left in range(seconds, 0, -_SLICE_SECONDS):
        said, read = _run(name, folder, min(left, _SLICE_SECONDS))
        executions += read.executions
        if read.finding:
            break
    took = time.monotonic() - began
    print(
        f"fuzz: {name}: {executions} inputs in {took:.0f} s, coverage {read.coverage}, "
        f"features {read.features}, corpus {read.inputs}",
        flush=True,
    )
    if not read.finding:
        return False
    (folder / "output").write_text(said, encoding="utf-8")
    shown = read.path or f"no input, see {folder / 'output'}"
    print(f"fuzz: {name}: FOUND {read.finding} ({shown})", flush=True)
    return True


def _run(name: str, folder: Path, seconds: int) -> tuple[str, report.Report]:
    """Fuzz for so long in a process of its own: what it wrote, and what that means."""
    # a target's files are removed here: libFuzzer ends its process without a word to Python
    with tempfile.TemporaryDirectory(prefix="mrdock-fuzz-", dir=_MEMORY if _MEMORY.is_dir() else None) as scratch:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": scratch}
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.engine", name, *options(load(name), folder, seconds)],
            stdout=subprocess.PIPE,  # there Python's exceptions are
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
    said = done.stdout.decode("utf-8", "replace")
    return said, report.read(said, done.returncode)


def options(target: Target, folder: Path, seconds: int) -> list[str]:
    """The words for libFuzzer."""
    return [
        str(folder / "corpus"),
        str(folder / "seeds"),
        f"-max_total_time={seconds}",
        f"-timeout={_INPUT_SECONDS}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-max_len={target.longest}",
        f"-dict={folder / 'words'}",
        f"-artifact_prefix={folder / 'findings'}/",
        "-print_final_stats=1",
        "-reload=0",
    ]


if __name__ == "__main__":
    sys.exit(main())
