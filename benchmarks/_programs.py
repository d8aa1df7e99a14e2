"""Whole programs, timed."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_PROGRAM: Final = """
import sys
sys.argv[0] = "{name}"
from mrdock.commands.{name} import command
try:
    command()
finally:
    (peak,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak) // 1024, file=sys.stderr)
"""


def program(name: str) -> str:
    """A command of ours as Python text; its last line on standard error says how many megabytes it took."""
    return _PROGRAM.format(name=name)


def timed(*words: str | Path) -> tuple[float, str]:
    """Seconds that a program took, and what it said on standard error."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": ""}
    start = time.perf_counter()
    done = subprocess.run(list(map(str, words)), env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stderr
