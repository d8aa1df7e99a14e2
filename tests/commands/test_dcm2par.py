"""`dcm2par` as a command: outputs, exit codes, and one sentence for every wrong input."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcm2par import command
from mrdock.parrec.reading import ParRec, read
from tests.builders import StudyIdentity, classic_fmri, write
from tests.builders.enhanced import enhanced_mr
from tests.builders.rawdata import raw_data

WHO = StudyIdentity("dcm2par")


def run(*words: str | Path) -> Result:
    """Run it."""
    return CliRunner().invoke(command, [str(word) for word in words], prog_name="dcm2par")


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A small Enhanced file."""
    (path,) = write([enhanced_mr(WHO, rows=8, columns=8)], tmp_path / "in")
    return Path(path).rename(tmp_path / "in" / "scan.1.dcm")


def test_beside_the_file(scan: Path) -> None:
    done = run(scan)
    assert done.exit_code == 0
    assert done.stdout == f"{scan}: {scan.parent / 'scan.1.PAR'}, 12 images\n"
    assert done.stderr == ""
    assert sorted(os.listdir(scan.parent)) == ["scan.1.PAR", "scan.1.REC", "scan.1.dcm"]


def test_into_a_directory_that_is_made(scan: Path, tmp_path: Path) -> None:
    done = run("-o", tmp_path / "a" / "b", "--name", "{SeriesNumber}_{ProtocolName}", scan)
    assert done.exit_code == 0
    assert sorted(os.listdir(tmp_path / "a" / "b")) == ["301_WIP_Enhanced_fMRI.PAR", "301_WIP_Enhanced_fMRI.REC"]
    assert b"# Dataset name: 301_WIP_Enhanced_fMRI\r\n" in (tmp_path / "a/b/301_WIP_Enhanced_fMRI.PAR").read_bytes()


def test_a_directory_of_classic_images(tmp_path: Path) -> None:
    write(classic_fmri(WHO, rows=8, columns=8), tmp_path / "series")
    done = run("--check", tmp_path / "series")
    assert done.stdout.endswith("series.PAR, 12 images, read back and equal\n")
    assert (tmp_path / "series.REC").stat().st_size == 12 * 128


def test_nothing_is_replaced_without_force(scan: Path) -> None:
    assert run(scan).exit_code == 0
    par = scan.with_name("scan.1.PAR")
    par.write_text("mine")
    done = run(scan)
    assert done.exit_code == 1
    assert done.stderr == f"dcm2par: {scan.with_name('scan.1.REC')}: exists already; --force replaces it\n"
    assert par.read_text() == "mine"
    assert run("--force", "-q", scan).stdout == ""
    assert par.read_text().startswith("# ===")


def test_the_others_are_done(scan: Path, tmp_path: Path) -> None:
    raw = Path(write([raw_data(WHO)], tmp_path / "raw")[0])
    (tmp_path / "text").write_text("no DICOM")
    done = run("-o", tmp_path / "out", tmp_path / "missing", raw, tmp_path / "text", scan, tmp_path / "raw")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"dcm2par: {tmp_path / 'missing'}: No such file or directory",
        f"dcm2par: {raw}: a Raw Data object; dcm2par reads Enhanced MR images",
        f"dcm2par: {tmp_path / 'text'}: no DICOM file: the prefix DICM is missing",
        f"dcm2par: {tmp_path / 'raw'}: a directory without classic MR images",
    ]
    assert sorted(os.listdir(tmp_path / "out")) == ["scan.1.PAR", "scan.1.REC"]


def test_a_single_classic_image(tmp_path: Path) -> None:
    (path, *_) = write(classic_fmri(WHO, rows=8, columns=8), tmp_path)
    done = run(path)
    assert done.exit_code == 1
    what = "a classic MR image, one frame a file; give dcm2par the directory of its series"
    assert done.stderr == f"dcm2par: {path}: {what}\n"


@pytest.mark.parametrize("part", [0, 200, 5000, -100])
def test_a_cut_file_leaves_nothing(scan: Path, part: int) -> None:
    scan.write_bytes(scan.read_bytes()[:part])
    done = run(scan)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"dcm2par: {scan}: ")
    assert done.stderr.count("\n") == 1
    assert os.listdir(scan.parent) == [scan.name]


def test_one_name_twice(scan: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "SCAN.1.dcm"
    twin.write_bytes(scan.read_bytes())
    done = run("--force", "-o", tmp_path / "out", scan, twin)
    assert done.exit_code == 1
    assert done.stderr == f"dcm2par: {twin}: would have the name of what is made from {scan}, SCAN.1.PAR\n"
    assert len(os.listdir(tmp_path / "out")) == 2


def test_anonymous(scan: Path, tmp_path: Path) -> None:
    run("--anonymous", scan)
    assert b"Phantom" not in scan.with_name("scan.1.PAR").read_bytes()
    done = run("--anonymous", "--name", "{PatientName}", scan)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the patient's name is in --name" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--name", "{Foo}"], "Foo: no DICOM field of this name"),
        (["--name", "a/b"], "--name 'a/b': a name is expected, without directories"),
        (["--name", "{stem"], "--name '{stem': braces come in pairs"),
        (["--jobs", "0"], "invalid value for '-j' / '--jobs'"),
        (["--bits", "8"], "no such option"),
    ],
)
def test_wrong_usage(words: list[str], sentence: str, scan: Path) -> None:
    done = run(*words, scan)
    assert done.exit_code == 2
    assert done.stderr.lower().startswith(f"dcm2par: {sentence}".lower())
    assert os.listdir(scan.parent) == [scan.name]


def test_no_file_and_a_file_for_a_directory(scan: Path) -> None:
    assert run().exit_code == 2
    done = run("-o", scan, scan)
    assert (done.exit_code, done.stderr) == (2, f"dcm2par: --out {scan}: is no directory; see dcm2par --help\n")


def test_what_is_not_in_the_file(tmp_path: Path) -> None:
    found = enhanced_mr(WHO, rows=8, columns=8, PatientPosition=None)
    path = write([found], tmp_path)[0]
    assert run(path).stdout.endswith("12 images (1 remark: -v)\n")
    done = run("-v", "--force", path)
    assert done.stdout.endswith("12 images\n")
    assert done.stderr == f"dcm2par: {path}: patient position: not in the file\n"


def test_json(scan: Path, tmp_path: Path) -> None:
    done = run("--json", "--check", scan, tmp_path / "missing")
    assert done.exit_code == 1
    stem = str(scan)[:-4]
    record = {"path": str(scan), "par": f"{stem}.PAR", "rec": f"{stem}.REC", "images": 12}
    assert json.loads(done.stdout) == [record | {"remarks": [], "differences": []}]


def test_what_a_check_finds(scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3; the pair is broken between writing and reading it."""

    def broken(path: str) -> ParRec:
        rec = Path(path).with_suffix(".REC")
        rec.write_bytes(b"\xff\x0f" + rec.read_bytes()[2:])
        return read(path)

    monkeypatch.setattr("mrdock.convert.par_check.read", broken)
    done = run("--check", scan)
    assert done.exit_code == 3
    first, second = done.stdout.splitlines()
    assert first.endswith("12 images")
    assert second == f"{scan}: differs: pixels: those of line 101 differ from image 1 of the source"


def test_several_processes(tmp_path: Path) -> None:
    made = [enhanced_mr(WHO, rows=8, columns=8, series_number=number) for number in (301, 401, 501)]
    paths = write(made, tmp_path / "in")
    Path(paths[1]).write_text("no DICOM")
    done = run("-j", "2", "-o", tmp_path / "out", *paths)
    assert done.exit_code == 1
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [paths[0], paths[2]]
    assert "no DICOM file" in done.stderr
    assert len(os.listdir(tmp_path / "out")) == 4


def test_an_output_that_cannot_be_written(scan: Path) -> None:
    out = scan.parent / "out"
    out.mkdir()
    (out / "scan.1.PAR").mkdir()
    done = run("-o", out, "--force", scan)
    assert done.exit_code == 1
    assert done.stderr == f"dcm2par: {out / 'scan.1.PAR'}: is a directory\n"
    assert os.listdir(out) == ["scan.1.PAR"]
