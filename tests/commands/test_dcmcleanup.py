"""dcmcleanup as a command, in this process: refusals, what is printed where, exit codes, JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcmcleanup import command
from mrdock.files.lock import only_one
from tests.builders import classic_fmri
from tests.commands.test_other_systems import run as run_elsewhere
from tests.sorting.cleanup_support import ANNA, age, names, put, put_all, resting, snapshot, technologist

Run = Callable[..., Result]


@pytest.fixture
def dcmcleanup(home: Path) -> Run:
    def run(*words: str | Path, code: int = 0) -> Result:
        result = CliRunner().invoke(command, [str(word) for word in words], prog_name="dcmcleanup")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, (result.stdout, result.stderr)
        return result

    return run


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    technologist(tmp_path / "data")
    return tmp_path / "data"


def journal_of(result: Result) -> str:
    found = re.search(r"dcmcleanup --undo (\S+)", result.stdout)
    assert found, result.stdout
    return found[1]


def test_what_is_said_before_and_after(dcmcleanup: Run, top: Path) -> None:
    before = snapshot(top)
    plan = dcmcleanup("--dry-run", "--settle", "0", top)
    assert snapshot(top) == before
    lines = plan.stdout.splitlines()
    assert lines[0] == f"{top}:"
    assert "  02_Resting  classic, 6 files  <-  IM_0001 (copy) ... IM_0006" in lines
    assert "  04_T1W  PAR/REC, 2 files  <-  Anna_WIP_T1W_4_1.PAR ... Anna_WIP_T1W_4_1.REC" in lines
    assert "  03_Tapping.dcm  Enhanced  <-  Tapping.dcm" in lines
    assert "  Motor study.html  is made of DICOM/XX_0011" in lines
    assert "  DICOM/PS_0010 -> extras/PS_0010" in lines
    assert "  DICOM/IM_0001 -> trash  the same as IM_0001 (copy)" in lines
    assert "  DICOM/  empty then, to the trash" in lines
    assert lines[-1] == (
        "15 files would be named, 3 to extras, 3 to the trash, 3 empty directories to the trash, 3 files made, "
        "1 not understood; nothing has been done"
    )
    done = dcmcleanup("--settle", "0", top)
    assert done.stderr == ""
    *report, counts, undo = done.stdout.splitlines()
    assert report == [
        "Look at:",
        "  alone.REC: a REC file without PAR",
        "Not understood, left alone: 1 file",
        "  notes.txt",
    ]
    assert counts == (
        "15 files named, 3 to extras, 3 to the trash, 3 empty directories to the trash, 3 files made, 1 not understood"
    )
    assert undo == f"To undo: dcmcleanup --undo {journal_of(done)}"
    again = dcmcleanup("--settle", "0", top)
    assert again.stdout.splitlines()[-1] == "0 files named, 15 in place before, 1 not understood"
    back = dcmcleanup("--undo", journal_of(done))
    assert back.stdout == "21 files put back, 4 files removed that had been made\n"
    assert snapshot(top) == before


def test_here_quietly(dcmcleanup: Run, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(top)
    result = dcmcleanup("-q", "--settle", "0")
    assert (result.stdout, result.stderr) == ("", "")
    assert "03_Tapping.dcm" in names(top)


def test_json(dcmcleanup: Run, top: Path) -> None:
    plan = json.loads(dcmcleanup("--dry-run", "--json", "--settle", "0", top).stdout)
    (directory,) = plan["directories"]
    assert directory["path"] == str(top)
    assert {item["name"] for item in directory["items"]} == {
        *("02_Resting", "02r3_Resting", "03_Tapping", "04_T1W", "02_Resting_e2")
    }
    assert {os.path.basename(made["path"]) for made in directory["made"]} == {
        *("Motor study.ExamCard", "Motor study.html", "02_Resting.txt")
    }
    assert directory["unknown"] == [str(top / "notes.txt")]
    result = json.loads(dcmcleanup("--json", "--settle", "0", top).stdout)
    assert result["counts"] == {
        **{"named": 15, "extras": 3, "trashed": 3, "folders": 3, "made": 3},
        **{"in_place": 0, "left": 0, "unknown": 1},
    }
    assert len(result["files"]) == 21
    assert all(Path(file["place"]).is_file() for file in result["files"])
    would = json.loads(dcmcleanup("--purge", "--dry-run", "--json", top).stdout)
    assert would["directories"][0]["files"] == 3
    back = json.loads(dcmcleanup("--undo", result["journal"], "--json").stdout)
    assert (back["undone"], back["counts"]) == (True, {"files": 21, "removed": 4, "left": 0})


def test_every_file_is_named_when_asked_for(dcmcleanup: Run, top: Path) -> None:
    result = dcmcleanup("-v", "--settle", "0", top)
    assert f"{top / 'DICOM/PS_0010'} -> {top / 'extras/PS_0010'}" in result.stdout.splitlines()


def test_purge(dcmcleanup: Run, top: Path) -> None:
    assert dcmcleanup("--purge", top).stdout == f"{top}: no trash\n"
    dcmcleanup("-q", "--settle", "0", top)
    assert dcmcleanup("--purge", "--dry-run", top).stdout == f"{top}: 3 files (7.0 kB) of 1 run would be deleted\n"
    assert dcmcleanup("--purge", top).stdout == f"{top}: 3 files (7.0 kB) of 1 run deleted for good\n"
    assert not (top / "trash").exists()


def test_broken_files_are_named_and_the_others_done(dcmcleanup: Run, top: Path) -> None:
    content = (top / "DICOM/IM_0002").read_bytes()
    put(top / "cut.dcm", content[:-100])
    put(top / "junk.dcm", b"x" * 300)
    age(top)
    result = dcmcleanup("--settle", "0", top, code=1)
    first, second = result.stderr.splitlines()
    assert first.startswith(f"dcmcleanup: {top / 'cut.dcm'}: is incomplete: ")
    assert second.startswith(f"dcmcleanup: {top / 'junk.dcm'}: no DICOM file that can be read: ")
    assert "2 left where they were" in result.stdout
    assert {"cut.dcm", "junk.dcm", "03_Tapping.dcm"} <= names(top)


def test_incomplete_series_are_reported(dcmcleanup: Run, tmp_path: Path) -> None:
    put_all(tmp_path / "data", classic_fmri(ANNA, slices=4, dynamics=2, missing={(2, 1), (3, 2)}))
    result = dcmcleanup("--settle", "0", tmp_path / "data")
    assert result.stdout.startswith(
        "Look at:\n  02_fMRI: looks incomplete: 6 of 8 images: 4 slices x 2 dynamics promised"
    )


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--undo", "J", "data"], "a directory: --undo puts everything where it was, and goes with no such argument"),
        (["--undo", "J", "--purge"], "--purge: --undo puts everything where it was, and goes with no such argument"),
        (["--purge", "--settle", "1"], "--settle: --purge only empties the trash, and goes with no such argument"),
        (["--settle", "-1"], "invalid value for '--settle': -1.0 is not in the range 0<=x<=3600"),
        (["--delete-all"], "no such option"),
        (["data", "data/DICOM"], "lies within"),
    ],
)
def test_wrong_usage_is_one_sentence(dcmcleanup: Run, top: Path, words: list[str], text: str) -> None:
    result = dcmcleanup(*words, code=2)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("dcmcleanup: ")
    assert text in line


def test_what_cannot_be_done_is_one_sentence(dcmcleanup: Run, top: Path, tmp_path: Path) -> None:
    put(tmp_path / "no journal", "x")
    for words, text in (
        ([tmp_path / "none"], "none: there is no such directory"),
        ([top / "notes.txt"], "notes.txt: is no directory"),
        (["--undo", tmp_path / "none"], "none: No such file or directory"),
        (["--undo", tmp_path / "no journal"], "no journal: not a journal of mrdock"),
    ):
        result = dcmcleanup(*words, code=1)
        (line,) = result.stderr.splitlines()
        assert line.startswith("dcmcleanup: "), line
        assert line.endswith(text), line
    with only_one(str(top)):
        (line,) = dcmcleanup(top, code=1).stderr.splitlines()
        assert "another run of mrdock is at work here" in line


def test_nothing_to_do(dcmcleanup: Run, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert dcmcleanup("--settle", "0", tmp_path / "nothing").stdout == "0 files named\n"
    put_all(tmp_path / "nothing", resting())
    assert dcmcleanup("--settle", "0", tmp_path / "nothing").stdout.startswith("6 files named\n")


def test_where_the_system_is_as_strict_as_windows(top: Path) -> None:
    before = {name: seen.content for name, seen in snapshot(top).items()}
    result = json.loads(run_elsewhere("dcmcleanup", "--json", "--settle", "0", top))
    assert result["counts"]["named"] == 15
    assert {"02_Resting/0001_0001.dcm", "04_T1W.PAR", "Motor study.html"} <= names(top)
    assert not (top / "DICOM").exists()
    run_elsewhere("dcmcleanup", "--undo", result["journal"])
    assert {name: seen.content for name, seen in snapshot(top).items()} == before
