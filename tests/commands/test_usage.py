"""Help, version, and words that no command knows."""

from __future__ import annotations

import pytest

import mrdock as package
from mrdock.commands.mrdock import COMMANDS
from tests.commands.conftest import Run


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help(mrdock: Run, name: str, option: str) -> None:
    result = mrdock(*([name] if name else []), option)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: mrdock {name}".rstrip())
    assert result.stderr == ""
    assert max(map(len, result.stdout.splitlines())) <= 80
    if name and name != "init":
        assert "--config FILE" in result.stdout
        assert "--store DIR" in result.stdout


def test_the_first_help_names_every_command_and_what_it_is_for(mrdock: Run) -> None:
    text = mrdock("--help").stdout
    for name in COMMANDS:
        (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
        assert len(line.split()) > 3
        assert line.endswith("."), f"cut short: {line}"


def test_version(mrdock: Run) -> None:
    assert package.__version__ in mrdock("--version").stdout


@pytest.mark.parametrize(
    "words",
    [
        ("dance",),
        ("serve", "--dance"),
        ("status", "extra"),
        ("status", "-n", "-1"),
        ("status", "-n", "many"),
        ("route",),
        ("route", "a", "b"),
        ("route", "a", "--to"),
        ("sweep", "now"),
        ("reindex", "--config"),
        ("init", "a", "b"),
    ],
)
def test_wrong_usage_is_exit_code_2(mrdock: Run, words: tuple[str, ...]) -> None:
    result = mrdock(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
