"""`dcmls` on a directory of 100,000 files: it starts at once, reads as it goes, and stays small."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import bulk_classic

FILES = 100_000
PROGRAM = [sys.executable, "-c", "from mrdock.commands.dcmls import command; command(prog_name='dcmls')"]

SAYS_ITS_PEAK = """
import sys
from mrdock.commands.dcmls import command
try:
    command(prog_name='dcmls')
finally:
    with open("/proc/self/status") as status:
        sys.stderr.write(next(line.split()[1] for line in status if line.startswith("VmHWM:")))
"""


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("crowd")
    images = list(bulk_classic(10))
    for i in range(FILES):
        path = folder / f"im{i:06}.dcm"
        if i < len(images):
            path.write_bytes(images[i])
        else:
            os.link(folder / f"im{i % len(images):06}.dcm", path)
    yield folder
    shutil.rmtree(folder)


def bytes_read(pid: int) -> int:
    with open(f"/proc/{pid}/io") as counts:
        return int(counts.readline().split()[1])


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
def test_the_first_lines_come_before_the_other_files_are_read(crowd: Path, form: list[str]) -> None:
    whole = sum(path.stat().st_size for path in crowd.iterdir())
    with subprocess.Popen([*PROGRAM, *form, str(crowd)], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(2)]
        assert b"im000000" in b"".join(lines)
        read, before = bytes_read(program.pid), -1
        while read != before:  # until the pipe is full, which we do not empty
            time.sleep(0.2)
            read, before = bytes_read(program.pid), read
        program.kill()
    assert read < whole / 10


@pytest.mark.parametrize("form", [["--json"], ["-d"]])
def test_memory_holds_the_names_but_not_the_headers(crowd: Path, form: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SAYS_ITS_PEAK, *form, str(crowd)], capture_output=True, check=True, text=True
    )
    lines = done.stdout.count("\n")
    assert lines == {"-d": 2, "--json": FILES + 2}[form[0]]
    assert int(done.stderr) < 60_000  # kB; 17,000 are Python's, most of the others the 100,000 names
