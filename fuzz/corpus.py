"""The seeds of all targets, made once into a work folder."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from fuzz.target import load, names
from fuzz.traffic import Traffic, record

WORK = Path("build/fuzz")


def make(work: Path, say: Callable[[str], None]) -> None:
    """Make the seeds, if they are not there; ``make clean`` removes them."""
    done = work / "seeds-made"
    if done.exists():
        return
    work.mkdir(parents=True, exist_ok=True)
    write(work, record(say))
    done.touch()


def write(work: Path, traffic: Traffic) -> None:
    """The seeds and the dictionary of each target, each input once."""
    for name in names():
        target = load(name)
        folder = work / name / "seeds"
        shutil.rmtree(folder, ignore_errors=True)
        for kind in ("seeds", "corpus", "findings"):
            (work / name / kind).mkdir(parents=True, exist_ok=True)
        for data in target.seeds(traffic):
            if len(data) <= target.longest:
                (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        lines = ('"' + "".join(f"\\x{byte:02X}" for byte in word) + '"\n' for word in target.words)
        (work / name / "words").write_text("".join(lines), encoding="ascii")
