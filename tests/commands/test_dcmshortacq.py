"""`dcmshortacq` as its users type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcmshortacq import command
from tests.builders import StudyIdentity, enhanced_mr, part10


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(command, list(map(str, words)), prog_name="dcmshortacq")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A scan of four slices that was stopped in its third dynamic."""
    path = tmp_path / "scan.dcm"
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), missing={(3, 3), (4, 3)}, rows=8, columns=8)))
    return path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "whole.dcm"
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), rows=8, columns=8)))
    return path


def test_check_only_reports(stopped: Path, whole: Path) -> None:
    before = stopped.read_bytes()
    result = run("--check", whole, stopped)
    assert result.exit_code == 3
    assert result.stdout == (
        f"{whole}: all 3 dynamics are whole, nothing to do\n{stopped}: dynamic 3 has 2 of 4 slices\n"
    )
    assert result.stderr == ""
    assert stopped.read_bytes() == before
    assert run("--check", whole).exit_code == 0


def test_it_says_what_it_does(stopped: Path) -> None:
    result = run(stopped)
    assert result.exit_code == 0
    assert result.stdout == (
        f"{stopped}: dynamic 3 has 2 of 4 slices: removed, 2 dynamics (8 frames) left; the original is scan.dcm.bak\n"
    )
    assert run(stopped).stdout == f"{stopped}: all 2 dynamics are whole, nothing to do\n"
    assert run("-q", stopped).output == ""


def test_failures_are_named_and_the_others_are_done(stopped: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no DICOM, and long enough that its beginning could be a preamble")
    result = run(tmp_path / "nowhere.dcm", text, tmp_path, stopped)
    assert result.exit_code == 1
    assert "removed" in result.stdout
    first, second, third = result.stderr.splitlines()
    assert first == f"dcmshortacq: {tmp_path}/nowhere.dcm: No such file or directory"
    assert second.startswith(f"dcmshortacq: {text}: ")
    assert third == f"dcmshortacq: {tmp_path}: Is a directory"


def test_a_gap_elsewhere_is_a_failure_but_a_finding_of_a_check(tmp_path: Path) -> None:
    path = tmp_path / "scan.dcm"
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), missing={(2, 2)}, rows=8, columns=8)))
    words = f"{path}: dynamic 2 has 3 of 4 slices, and it is not the last"
    checked, done = run("--check", path), run(path)
    assert (checked.exit_code, checked.stdout) == (3, f"{words}\n")
    assert (done.exit_code, done.stderr) == (1, f"dcmshortacq: {words}; nothing was changed\n")


def test_json(stopped: Path, whole: Path) -> None:
    one, other = json.loads(run("--json", stopped, whole).stdout)
    assert one["partial"] == [{"name": "dynamic 3", "frames": 2, "expected": 4}]
    assert (one["frames"], one["kept"], one["changed"], one["backup"]) == (10, 8, True, f"{stopped}.bak")
    assert one["sop_instance_uid"].startswith("2.25.")
    assert (other["partial"], other["changed"], other["acquisitions"], other["by"]) == ([], False, 3, "time")


def test_usage() -> None:
    assert run().exit_code == 2
    assert run("--dance", "x").exit_code == 2
    assert max(map(len, run("--help").stdout.splitlines())) <= 80
