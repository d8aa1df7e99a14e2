"""`dcms2e` as its users type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcms2e import command
from mrdock.convert.dcms2e_diffs import DIFFERENCES
from tests.builders.par_bulk import bulk_par_rec
from tests.convert.dcms2e_support import Case, case_in, same_as


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(command, list(map(str, words)), prog_name="dcms2e")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def case(tmp_path: Path) -> Case:
    case = case_in(tmp_path)
    case.pair.write(case.folder)
    return case


def test_what_is_said(case: Case) -> None:
    result = run(case.folder)
    assert (result.exit_code, result.stderr) == (0, "")
    rec = case.folder.with_suffix(".REC")
    size = "12 frames of 6 x 8: 3 slices, 4 dynamics"
    assert result.stdout == (
        f"{case.result}: {size}\n"
        f"{rec}: may be deleted; its images are in the result; --verify compares them before it goes\n"
    )
    assert rec.exists()
    same_as(case, case.result)


def test_verify_and_verbose(case: Case) -> None:
    (case.folder / "PS_0001").write_text("something else")
    lines = run("--verify", "-v", case.folder).stdout.splitlines()
    assert lines[0].endswith("4 dynamics; all have the pixels of their source")
    par, rec = case.folder.with_suffix(".PAR"), case.folder.with_suffix(".REC")
    assert lines[1] == f"  from {par}, {rec}, {case.folder}"
    assert lines[2] == f"  left out: {case.folder / 'PS_0001'}"
    assert lines[3] == f"{rec}: may be deleted; its images are in the result"


def test_quiet(case: Case) -> None:
    assert run("-q", case.folder).output == ""
    assert case.result.exists()


def test_json(case: Case) -> None:
    (record,) = json.loads(run("--json", "--verify", case.folder).stdout)
    assert record["output"] == str(case.result)
    assert (record["slices"], record["dynamics"], record["rows"], record["columns"]) == (3, 4, 8, 6)
    assert record["dimensions"] == ["Stack ID", "In-Stack Position Number", "Temporal Position Index"]
    assert (record["verified"], record["dropped_dynamics"], record["remarks"]) == (True, [], [])


def test_verify_compares_a_result_that_exists(case: Case) -> None:
    run(case.folder)
    before = case.result.read_bytes()
    result = run("--verify", case.folder)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "all have the pixels of their source" in result.stdout
    assert json.loads(run("--verify", "--json", case.folder).stdout)[0]["written"] is False
    assert case.result.read_bytes() == before
    at = before.rindex(case.images[-1].PixelData)
    case.result.write_bytes(before[: at + 20] + b"\7" + before[at + 21 :])
    result = run("--verify", case.folder)
    what = "frame 12, slice 3 of dynamic 4, differs from its source"
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", f"dcms2e: {case.result}: {what}\n")
    assert run("--verify", "--force", case.folder).exit_code == 0
    case.result.write_text("mine")
    assert run("--verify", case.folder).exit_code == 1
    assert case.result.read_text() == "mine"


def test_out(case: Case, tmp_path: Path) -> None:
    place = tmp_path / "results"
    place.mkdir()
    assert run("-o", place, case.folder).exit_code == 0
    assert run("--out", tmp_path / "other.dcm", case.folder).exit_code == 0
    assert [path.name for path in place.iterdir()] == ["02_Resting.dcm"]
    assert (tmp_path / "other.dcm").exists()
    assert not case.result.exists()
    missing = tmp_path / "nowhere" / "x.dcm"
    assert run("-o", missing, case.folder).stderr == f"dcms2e: {missing}: No such file or directory\n"
    assert run("-o", tmp_path / "other.dcm", case.folder, case.folder).exit_code == 2


def test_an_output_that_exists(case: Case) -> None:
    case.result.write_text("mine")
    result = run(case.folder)
    assert result.exit_code == 1
    assert result.stderr == f"dcms2e: {case.result}: exists already; --force replaces it\n"
    assert case.result.read_text() == "mine"
    assert run("--force", case.folder).exit_code == 0
    same_as(case, case.result)


def test_several_directories(case: Case, tmp_path: Path) -> None:
    other = case_in(tmp_path, case.images, name="03_Resting")
    other.pair.write(other.folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run(case.folder, empty, tmp_path / "nowhere", other.folder)
    assert result.exit_code == 1
    assert [line.split(": ", 2)[1] for line in result.stderr.splitlines()] == [str(empty), str(tmp_path / "nowhere")]
    same_as(other, other.result)
    same_as(case, case.result)


def test_classic(case: Case) -> None:
    for path in case.folder.iterdir():
        path.unlink()
    case.save(case.images)
    result = run("--classic", "--verify", case.folder)
    assert (
        result.stdout
        == f"{case.result}: 12 frames of 6 x 8: 3 slices, 4 dynamics; all have the pixels of their source\n"
    )
    same_as(case, case.result)


def test_dropped_dynamics_are_named(case: Case) -> None:
    del case.pair.images[-1]
    case.pair.write(case.folder)
    assert run(case.folder).exit_code == 1
    result = run("--drop-partial", case.folder)
    assert (result.exit_code, result.stderr) == (0, f"dcms2e: {case.result}: partial dynamics left out: 4\n")


def test_usage(case: Case) -> None:
    assert run().exit_code == 2
    assert run("--classic", "--trust-rec", case.folder).exit_code == 2
    assert run("--what", case.folder).exit_code == 2
    assert run("").stderr == "dcms2e: an empty name names no directory; see dcms2e --help\n"
    assert run("-o", "", case.folder).exit_code == 2
    assert max(map(len, run("--help").stdout.splitlines())) <= 80


def test_diffs() -> None:
    """Needs no input, and names everything that the contract does."""
    result = run("--diffs")
    assert result.exit_code == 0
    assert all(each.about in result.stdout for each in DIFFERENCES)
    text = " ".join(result.stdout.split()).lower()
    for about in (
        "meta header",
        "creation date",
        "uids",
        "referenced images and evidence",
        "sar",
        "gradient output",
        "pixel bandwidth",
        "image position",
        "frame anatomy",
        "window",
        "mr max fp and mr min fp",
    ):
        assert f"- {about}" in text
    assert max(map(len, result.stdout.splitlines())) <= 79


def test_many_images(tmp_path: Path) -> None:
    """More frames than a block of the builder holds, in a REC and PAR without order."""
    images = bulk_par_rec(tmp_path / "run", slices=9, dynamics=40, rows=16, columns=12, shuffled=True)
    result = run("--verify", tmp_path / "run")
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"{images} frames of 12 x 16: 9 slices, 40 dynamics" in result.stdout
