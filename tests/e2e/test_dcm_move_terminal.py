"""dcm_move as a program: on a terminal, interrupted, as another user, and two at a time."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mrdock.files.lock import only_one
from tests.builders import StudyIdentity, bulk_classic, classic_fmri, write

PROGRAM = """
import signal
from mrdock.commands.dcm_move import command
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background have no ear for Ctrl-C
command(prog_name="dcm_move")
"""
ROOT = Path(__file__).resolve().parents[2]


def environment(state: Path) -> dict[str, str]:
    return {
        **os.environ,
        "XDG_STATE_HOME": str(state),
        "PYTHONPATH": str(ROOT / "src"),
        "TERM": "xterm",
        "COLUMNS": "120",
    }


def command(*words: object) -> list[str]:
    return [sys.executable, "-c", PROGRAM, *map(str, words)]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Enough images that moving them takes a while."""
    (tmp_path / "many").mkdir()
    for number, whole in enumerate(bulk_classic(6000, StudyIdentity())):
        (tmp_path / "many" / f"IM_{number:05d}").write_bytes(whole)
    return tmp_path / "many"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def count(top: Path) -> int:
    return sum(len([name for name in names if name != "info"]) for _, _, names in os.walk(top))


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, state: Path, *words: object) -> None:
        self.pid, self._fd = pty.fork()
        if not self.pid:
            os.execve(sys.executable, command(*words), environment(state))
        self.text = ""

    def read_until(self, text: str, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while text not in self.text:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, until - time.monotonic()))
            assert ready, self.text
            if not self._read():
                assert text in self.text, self.text

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def interrupt(self) -> None:
        """Ctrl-C, again every second: one that comes just before the prompt begins to read is lost in readline."""
        for _ in range(20):
            self.type("\x03")
            until = time.monotonic() + 1
            while select.select([self._fd], [], [], max(0.0, until - time.monotonic()))[0]:
                if not self._read():
                    return

    def end(self, seconds: float = 60) -> int:
        """Read to the end and return the exit code."""
        until = time.monotonic() + seconds
        while select.select([self._fd], [], [], max(0.0, until - time.monotonic()))[0] and self._read():
            pass
        if time.monotonic() > until:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> bool:
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # the other end is closed
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)


def test_a_person_is_asked_and_sees_a_bar(tmp_path: Path, many: Path, out: Path) -> None:
    terminal = Terminal(tmp_path / "state", "-s", many, "--settle", 0, out)
    terminal.read_until("yes, no, all of them, quit")
    assert "6,000 files" in terminal.text
    assert "reading" in terminal.text, "the bar of the reading"
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "moving" in terminal.text
    assert "6,000 files moved" in terminal.text
    assert count(out) == 6000


def test_ctrl_c_at_the_question_moves_nothing(tmp_path: Path, out: Path) -> None:
    write(classic_fmri(StudyIdentity(), slices=2, dynamics=1), tmp_path / "in")
    terminal = Terminal(tmp_path / "state", "-s", tmp_path / "in", "--settle", 0, out)
    terminal.read_until("(y, n, a, q)")
    terminal.interrupt()
    assert terminal.end() == 1
    assert "Traceback" not in terminal.text
    assert count(tmp_path / "in") == 2


@pytest.mark.parametrize("copying", [False, True])
def test_ctrl_c_stops_between_two_files(tmp_path: Path, many: Path, out: Path, copying: bool) -> None:
    words = command("-s", many, "-a", "--settle", 0, *(["-c"] if copying else []), out)
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, env=environment(tmp_path / "state"), stdout=pipe, stderr=pipe, text=True)
    while count(out) < 50 and process.poll() is None:
        pass
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 1, (stdout, stderr)
    assert "Traceback" not in stderr
    lines = stdout.splitlines()
    assert lines[-2] == "Stopped between two files; the same command again goes on."
    assert lines[-1].startswith("To undo: dcm_move --undo ")
    assert 50 <= count(out) < 6000
    assert count(many) == (6000 if copying else 6000 - count(out))
    assert list(out.rglob(".*")) == []
    again = subprocess.run(words, env=environment(tmp_path / "state"), capture_output=True, text=True, check=True)
    assert count(out) == 6000, again.stdout


def test_ctrl_c_while_reading_moves_nothing(tmp_path: Path, many: Path, out: Path) -> None:
    words = command("-s", many, "-a", "--settle", 600, out)  # it waits for the files to settle
    process = subprocess.Popen(words, env=environment(tmp_path / "state"), stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.startswith("dcm_move: stopped while ")
    assert (count(many), count(out)) == (6000, 0)


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(classic_fmri(StudyIdentity(), slices=2, dynamics=1), tmp_path / "in")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    words = command("-s", tmp_path / "in", "-a", "--settle", 0, out)
    with only_one(str(out)):
        result = subprocess.run(words, env=environment(tmp_path / "state"), capture_output=True, text=True, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"dcm_move: {out}: another run of mrdock is at work here (process {os.getpid()}, since ")
    assert count(tmp_path / "in") == 2
