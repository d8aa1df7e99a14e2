"""Commands run in this process, so that every wrong input can be tried; tests/e2e runs them as programs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands import dcminfo as dcminfo_command
from mrdock.commands.mrdock import main

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home directory without settings, a working directory that is not the repository, and the umask put back."""
    for name in list(os.environ):
        if name.startswith(("MRDOCK_CONFIG", "XDG_")):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    yield tmp_path / "home"
    os.umask(before)


@pytest.fixture
def mrdock() -> Run:
    """A function that runs a command and gives its result; anything but an exit code is a bug."""

    def run(*words: str) -> Result:
        result = CliRunner().invoke(main, words, prog_name="mrdock")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


def one_sentence(result: Result, code: int) -> str:
    """What a command that was refused said, which is one line on standard error."""
    assert result.exit_code == code, (result.exit_code, result.output)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("mrdock")
    return line


@pytest.fixture
def dcminfo() -> Run:
    """The command ``dcminfo``; what is no exit of its own is raised."""

    def run(*words: str | Path) -> Result:
        result = CliRunner().invoke(dcminfo_command.command, [str(word) for word in words], prog_name="dcminfo")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run
