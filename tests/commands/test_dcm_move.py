"""dcm_move as a command, in this process: refusals, what is printed where, exit codes, JSON."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcm_move import command
from tests.builders import StudyIdentity, classic_fmri, part10, write

Run = Callable[..., Result]

ANNA = StudyIdentity(patient_id="A", patient_name="Anna^Secret")
STUDY = ANNA.study_id


@pytest.fixture
def dcm_move(home: Path) -> Run:
    def run(*words: str | Path, code: int = 0, typed: str | None = None) -> Result:
        result = CliRunner().invoke(command, [str(word) for word in words], prog_name="dcm_move", input=typed)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, (result.stdout, result.stderr)
        return result

    return run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three images, touched long ago."""
    for path in write(classic_fmri(ANNA, slices=3, dynamics=1), tmp_path / "in"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return tmp_path / "in"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command believe that somebody sits there."""
    monkeypatch.setattr("mrdock.commands.dcm_move._is_terminal", lambda: True)


def names(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())


def test_without_a_terminal_and_without_all_nothing_is_moved(dcm_move: Run, source: Path, out: Path) -> None:
    result = dcm_move("-s", source, out, code=2)
    assert result.stderr == "dcm_move: no terminal to ask for each study: say -a (--all) to take them all\n"
    assert result.stdout == ""
    assert len(names(source)) == 3


def test_the_closing_lines(dcm_move: Run, source: Path, out: Path) -> None:
    result = dcm_move("-s", source, "-a", out)
    first, second = result.stdout.splitlines()
    assert first == "3 files moved, 1 info file written"
    journal = second.removeprefix("To undo: dcm_move --undo ")
    assert Path(journal).is_file()
    assert result.stderr == ""
    assert names(out) == [f"{STUDY}/0201/{name}" for name in ("0001", "0002", "0003", "info")]
    back = dcm_move("--undo", journal)
    assert back.stdout == "3 files put back, 1 info file removed\n"
    assert names(source) == ["IM_0001", "IM_0002", "IM_0003"]
    assert dcm_move("--undo", journal).stdout == "0 files put back\n"


def test_here_to_here(dcm_move: Run, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(source)
    dcm_move("-a", "-i")
    assert names(source) == [f"{STUDY}/0201/{name}" for name in ("0001", "0002", "0003")]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-r", "-c"], "--rename and --copy exclude each other"),
        (["-r", "elsewhere"], "--rename leaves files where they are: name no destination"),
        (["-u", "-f"], "--unmove and --flat exclude each other"),
        (["--undo", "j", "-f"], "--flat: --undo puts everything where it was, and takes nothing else"),
        (["--undo", "j", "somewhere"], "somewhere: --undo puts everything where it was, and takes nothing else"),
    ],
)
def test_wrong_usage_is_one_sentence(dcm_move: Run, words: list[str], text: str) -> None:
    result = dcm_move(*words, code=2)
    assert result.stderr == f"dcm_move: {text}\n"
    assert result.stdout == ""


@pytest.mark.parametrize("words", [["-m", "XX"], ["--settle", "-1"], ["--settle", "soon"], ["--jobs", "0"], ["a", "b"]])
def test_wrong_values(dcm_move: Run, words: list[str]) -> None:
    assert re.fullmatch(r"dcm_move: [^E].*; see dcm_move --help\n", dcm_move(*words, code=2).stderr)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["-a", "nowhere"], "nowhere: there is no such directory"),
        (["-a", "file"], "file: is no directory"),
        (["-a", "-s", "nowhere"], "nowhere: there is no such directory"),
        (["-a", "-m", "MR"], "{}/MR: No such file or directory"),
        (["--undo", "nowhere"], "nowhere: No such file or directory"),
        (["--undo", "file"], "file: not a journal of mrdock"),
    ],
)
def test_places_that_cannot_be_used(dcm_move: Run, tmp_path: Path, words: list[str], text: str) -> None:
    (tmp_path / "file").write_text("x")
    assert dcm_move(*words, code=1).stderr == f"dcm_move: {text.format(tmp_path)}\n"


def test_a_dry_run_changes_nothing_and_needs_no_terminal(dcm_move: Run, source: Path, out: Path) -> None:
    result = dcm_move("-s", source, "--dry-run", out)
    assert f"  0201 -> {out}/{STUDY}/0201/0001 ... 0003" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1].startswith("3 files (")
    assert names(out) == []
    verbose = dcm_move("-s", source, "--dry-run", "-v", out)
    assert f"    {source}/IM_0002 -> {out}/{STUDY}/0201/0002" in verbose.stdout.splitlines()


def test_json_plan_and_result(dcm_move: Run, source: Path, out: Path) -> None:
    (source / "x.dcm").write_text("bad")
    plan = json.loads(dcm_move("-s", source, "--dry-run", "--json", "--settle", "0", out, code=1).stdout)
    (study,) = plan["studies"]
    (series,) = study["series"]
    assert (study["patient_name"], series["number"], len(series["files"])) == ("Anna^Secret", "201", 3)
    assert plan["bad"][0]["target"] == f"{out}/bad/x.dcm"
    done = json.loads(dcm_move("-s", source, "-a", "--json", "--settle", "0", out, code=1).stdout)
    assert done["counts"] == {"done": 4, "same": 0, "beside": 0, "in_place": 0, "bad": 1, "info": 1, "left": 0}
    assert {entry["place"] for entry in done["files"]} >= {f"{out}/{STUDY}/0201/0001", f"{out}/bad/x.dcm"}
    back = json.loads(dcm_move("--undo", done["journal"], "--json").stdout)
    assert back["undone"] is True
    assert back["counts"]["done"] == 4


def test_quiet_prints_failures_only(dcm_move: Run, source: Path, out: Path) -> None:
    (source / "x.dcm").write_text("bad")
    result = dcm_move("-s", source, "-a", "-q", "-b", "--settle", "0", out, code=1)
    assert result.stdout == ""
    assert re.fullmatch(r"dcm_move: \S+/x\.dcm: invalid: .+\n", result.stderr)


def test_verbose_names_every_file(dcm_move: Run, source: Path, out: Path) -> None:
    lines = dcm_move("-s", source, "-a", "-v", out).stdout.splitlines()
    assert lines[:3] == [f"{source}/IM_000{n} -> {out}/{STUDY}/0201/000{n}" for n in (1, 2, 3)]


def test_logs_name_no_patient(dcm_move: Run, source: Path, out: Path) -> None:
    result = dcm_move("-s", source, "-a", "-v", out)
    assert "Secret" not in result.output


def test_many_failures_are_cut_on_the_screen_and_whole_in_json(dcm_move: Run, source: Path, out: Path) -> None:
    whole = part10(classic_fmri(ANNA, slices=1, dynamics=1)[0])
    for number in range(30):
        (source / f"cut{number:02d}").write_bytes(whole[:-5])
    result = dcm_move("-s", source, "-a", "--settle", "0", out, code=1)
    assert len(result.stderr.splitlines()) == 21
    assert "and 10 more files that stay" in result.stderr
    again = dcm_move("-s", source, "-a", "--settle", "0", "--json", out, code=1)
    assert len(json.loads(again.stdout)["left"]) == 30


# ---- asking ----


@pytest.mark.usefixtures("terminal")
def test_each_study_is_asked_for(dcm_move: Run, source: Path, out: Path) -> None:
    other = StudyIdentity(seed="other", study_date="20260107", study_description="second")
    for path in write(classic_fmri(other, slices=2, dynamics=1), source, first=50):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    result = dcm_move("-s", source, out, typed="n\ny\n")
    assert f"Study {STUDY}: 2026-01-05 10:15:00, mrdock demo, Anna^Secret (A): 1 series, 3 files, " in result.stderr
    assert "  0201  fMRI  2 images" in result.stderr
    assert names(source) == ["IM_0001", "IM_0002", "IM_0003"]
    assert {name.split("/")[0] for name in names(out)} == {other.study_id}
    assert result.stdout.startswith("2 files moved")


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("typed", "left"),
    [("a\n", 0), ("All\n", 0), ("?\nNo\nYES\n", 3), ("q\n", 5), ("y\nq\n", 2), ("n\na\n", 3), ("n\nn\n", 5)],
)
def test_all_and_quit(dcm_move: Run, source: Path, out: Path, typed: str, left: int) -> None:
    other = StudyIdentity(seed="other", study_date="20260107")
    for path in write(classic_fmri(other, slices=2, dynamics=1), source, first=50):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    dcm_move("-s", source, out, typed=typed)
    assert len(names(source)) == left


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("typed", "there"), [("y\ny\n", True), ("y\nn\n", False), ("a\n", True), ("q\n", False)])
def test_invalid_files_are_asked_for(dcm_move: Run, source: Path, out: Path, typed: str, there: bool) -> None:
    (source / "x.dcm").write_text("bad")
    result = dcm_move("-s", source, "--settle", "0", out, typed=typed, code=1 if there else 0)
    assert (out / "bad" / "x.dcm").exists() is there
    assert ("Put it into" in result.stderr) is (typed not in ("a\n", "q\n"))


@pytest.mark.usefixtures("terminal")
def test_the_end_of_what_is_typed_moves_nothing(dcm_move: Run, source: Path, out: Path) -> None:
    result = dcm_move("-s", source, out, typed="", code=1)
    assert result.stderr.endswith("\ndcm_move: stopped at this question; nothing has been done\n")
    assert len(names(source)) == 3


def test_unmove_does_not_ask(dcm_move: Run, source: Path, out: Path) -> None:
    dcm_move("-s", source, "-u", out)
    assert all(name.startswith("2.25.") for name in names(out))
    assert len(names(out)) == 3
