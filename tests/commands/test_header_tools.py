"""What dcmls, dcminfo and dcm_move have alike: wrong usage, closed and full outputs, odd encodings, closed files."""

from __future__ import annotations

import csv
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pydicom
import pytest
from click.testing import CliRunner, Result

from tests.builders import StudyIdentity, classic_fmri, part10

TOOLS = ("dcmls", "dcminfo", "dcm_move")
NAME = "Yamada^Tarou=山田^太郎"
OUTPUTS = (">/dev/full", ">&-", "| true", ">/dev/full 2>&1", ">&- 2>&-")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images of a patient with a name that few encodings have, and a place to move them to."""
    directory = tmp_path / "images"
    directory.mkdir()
    for number, image in enumerate(classic_fmri(StudyIdentity(), slices=2, dynamics=1), 1):
        image.SpecificCharacterSet = "ISO_IR 192"
        image.PatientName = NAME
        (directory / f"im{number}").write_bytes(part10(image))
        os.utime(directory / f"im{number}", (1_600_000_000, 1_600_000_000))
    (tmp_path / "out").mkdir()
    return directory


def tool(name: str) -> click.Command:
    found: click.Command = importlib.import_module(f"mrdock.commands.{name}").command
    return found


def run(name: str, *words: str | Path) -> Result:
    result = CliRunner().invoke(tool(name), list(map(str, words)), prog_name=name)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def program(name: str, line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A shell's line as a program of its own; ``$tool`` is the tool."""
    code = f"from mrdock.commands.{name} import command; command(prog_name={name!r})"
    return subprocess.run(
        ["bash", "-c", f'tool() {{ "$PYTHON" -c "$CODE" "$@"; }}; {line}'],
        env={**os.environ, "PYTHON": sys.executable, "CODE": code, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("words", [["--dance"], ["-j", "0"], ["-j", "many"], ["-j"]], ids=" ".join)
@pytest.mark.parametrize("name", TOOLS)
def test_wrong_usage_is_one_sentence_that_says_where_help_is(name: str, words: list[str]) -> None:
    result = run(name, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"{name}: ")
    assert line.endswith(f"; see {name} --help")


def test_no_word_of_the_user_makes_a_second_line(images: Path) -> None:
    for words in (["-t", "a\nb", str(images)], ["-t", "-\n\x1b[2J", "-x", "-q", "\n"], ["a\nb"], ["--undo", "a\nb"]):
        result = run("dcminfo", *words)
        assert len(result.stderr.splitlines()) == 1, result.stderr
        assert "\x1b" not in result.stderr


@pytest.mark.parametrize("words", ["--help", "--version", "TREE"])
@pytest.mark.parametrize("name", TOOLS)
def test_outputs_that_take_nothing(images: Path, name: str, words: str) -> None:
    words = words.replace("TREE", f"--dry-run -s {images}" if name == "dcm_move" else str(images))
    for output in OUTPUTS:
        done = program(name, f"tool {words} {output}")
        assert b"Traceback" not in done.stderr, (output, done.stderr)
        assert len(done.stderr.splitlines()) <= 1, (output, done.stderr)
        if output == ">/dev/full":
            assert done.returncode == 1
            assert done.stderr.startswith(f"{name}: ".encode())


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_names_of_patients_reach_an_output_of_any_encoding(images: Path, encoding: str) -> None:
    """Where Windows writes into a file or a pipe it takes an encoding of old."""
    for name, words in (
        ("dcmls", str(images)),
        ("dcminfo", str(images)),
        ("dcminfo", f"--diff {images}"),
        ("dcm_move", f"--dry-run -s {images} out"),
        ("dcm_move", f"-a -v -c -s {images} out"),
    ):
        done = program(name, f"tool {words}", PYTHONIOENCODING=encoding)
        assert done.returncode in (0, 3), (name, done.stderr)
        assert done.stdout
    done = program("dcm_move", f"tool --dry-run --json -s {images} out", PYTHONIOENCODING=encoding)
    assert json.loads(done.stdout.decode("utf-8"))["studies"][0]["patient_name"] == NAME


def test_what_may_not_be_read_is_a_failure_and_no_wrong_usage(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a file can be read shows when it is read; until then nobody refuses the whole line."""
    monkeypatch.setattr("os.access", lambda path, mode, **keywords: mode != os.R_OK)
    for name in ("dcmls", "dcminfo"):
        result = run(name, images / "im1", images)
        assert (result.exit_code, result.stderr) == (0, "")
    assert run("dcm_move", "-a", "-c", "-s", images, "out").exit_code == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--json"], {"same": [], "different": [], "files": []}),
        (["-x", "-t", "*", "--json"], {"same": [], "different": [], "files": []}),
        (["--diff", "--json"], {"compared": 0, "differences": []}),
        (["-a", "--json"], []),
        (["-l", "--json"], []),
    ],
    ids=str,
)
def test_json_of_nothing_is_json(words: list[str], found: object) -> None:
    result = run("dcminfo", *words, "missing")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == found
    assert result.stderr == "dcminfo: missing: No such file or directory\n"


def test_json_of_a_file_that_breaks_off_is_json(images: Path, tmp_path: Path) -> None:
    (tmp_path / "cut").write_bytes((images / "im1").read_bytes()[:1500])
    result = run("dcminfo", "-a", "--json", tmp_path / "cut")
    assert result.exit_code == 1
    assert {"PatientName": NAME}.items() <= {
        field["name"]: field["value"] for field in json.loads(result.stdout)
    }.items()


def test_csv_takes_lines_inside_names_and_values(images: Path) -> None:
    image = pydicom.dcmread(images / "im1")
    image.AdditionalPatientHistory = "first line\r\nsecond, line\rthird\nfourth"
    image.save_as(images / "im\n3")
    for words in (["-t", "AdditionalPatientHistory"], ["--diff"]):
        text = run("dcminfo", "--csv", *words, images).stdout_bytes.decode()
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert len({len(row) for row in rows}) == 1, words
        assert any(image.AdditionalPatientHistory in row for row in rows), words
    assert len(list(csv.reader(io.StringIO(run("dcminfo", "--csv", images).stdout, newline="")))) == 4


def test_a_dicomdir_has_a_name() -> None:
    from pydicom.data import get_testdata_file

    result = run("dcminfo", str(get_testdata_file("DICOMDIR")))
    assert result.stdout.splitlines()[0].endswith("DICOMDIR: DICOMDIR")


def test_a_study_that_says_nothing_of_itself(images: Path) -> None:
    image = pydicom.dcmread(images / "im1")
    for word in ("StudyID", "StudyDate", "StudyTime", "StudyDescription", "PatientName", "PatientID"):
        setattr(image, word, "")
    image.save_as(images / "im1", enforce_file_format=False)
    (images / "im2").unlink()
    line = run("dcm_move", "--dry-run", "--settle", "0", "-s", images, "out").stdout.splitlines()[0]
    assert line.startswith("Study unknown: 1 series, 1 file, ")
