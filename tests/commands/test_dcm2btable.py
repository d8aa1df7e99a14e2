"""`dcm2btable` as its users type it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcm2btable import command
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.enhanced.shortacq_support import read
from tests.enhanced.test_btable import with_trace

TABLE = "1300 1 0 0\n1300 0 -1 0\n1300 -0.02599947154521942 -0.6491867899894714 0.7601845264434814\n0 0 0 0\n"


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(command, list(map(str, words)), prog_name="dcm2btable")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def dti(real_data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(real_data / "dicom2nifti" / "enhanced" / "dti.dcm", tmp_path / "dti.dcm"))


@pytest.mark.real_data
def test_one_file_and_several(dti: Path) -> None:
    assert run(dti).output == TABLE
    assert run(dti, dti).output == f"# {dti}\n{TABLE}# {dti}\n{TABLE}"


@pytest.mark.real_data
def test_formats(dti: Path) -> None:
    assert run("--format", "fsl", dti).output == (
        "1300 1300 1300 0\n1 0 -0.0259995 0\n0 1 0.649187 0\n0 0 0.760185 0\n"
    )
    assert run("--format", "mrtrix", dti).output == (
        "-1 0 0 1300\n0 1 0 1300\n0.0259995 0.649187 0.760185 1300\n0 0 0 0\n"
    )


@pytest.mark.real_data
def test_out(dti: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    ways: list[list[str | Path]] = [
        ["--out", dti],
        [dti, "--out"],
        [dti, "--out", folder],
        ["--out", folder / "other.btable", dti],
    ]
    for words in ways:
        result = run(*words)
        assert (result.exit_code, result.output) == (0, "")
        assert "exists already" in run(*words).stderr
        for path in (tmp_path / "dti.btable", folder / "dti.btable", folder / "other.btable"):
            if path.exists():
                assert path.read_text() == TABLE
                path.unlink()
    assert run("-f", "fsl", "-o", folder, dti).exit_code == 0
    assert sorted(path.name for path in folder.iterdir()) == ["dti.bval", "dti.bvec"]
    assert run("-f", "fsl", "-o", folder, "--force", dti).exit_code == 0
    assert run("-o", tmp_path / "nowhere", dti, dti).exit_code == 2


@pytest.mark.real_data
def test_averages_are_named(dti: Path) -> None:
    data_set = read(dti)
    with_trace(data_set, said="TRACE")
    data_set.save_as(dti)
    result = run(dti)
    assert result.stdout.count("\n") == 3
    assert result.stderr == (
        f"dcm2btable: {dti}: 1 volume left out: trace (b 1300, 8 frames from frame 3); --all keeps it\n"
    )
    assert run("--all", dti).output.splitlines()[1] == "1300 0 0 0"
    assert run("-q", dti).stderr == ""


@pytest.mark.real_data
def test_json(dti: Path) -> None:
    (record,) = json.loads(run("--json", dti).stdout)
    assert record["b_values"] == [1300, 1300, 1300, 0]
    assert record["directions"][3] == [0, 0, 0]
    assert record["left_out"] == []


def test_what_is_no_diffusion_scan(tmp_path: Path) -> None:
    identity = StudyIdentity()
    fmri, classic, text = tmp_path / "fmri.dcm", tmp_path / "classic.dcm", tmp_path / "notes.txt"
    fmri.write_bytes(part10(enhanced_mr(identity, rows=4, columns=4)))
    classic.write_bytes(part10(next(iter(classic_fmri(identity)))))
    text.write_text("no DICOM")
    result = run(fmri, classic, text, tmp_path / "nowhere")
    assert result.exit_code == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == f"dcm2btable: {fmri}: no diffusion scan: no frame has a b-value above 0"
    assert lines[1].startswith(f"dcm2btable: {classic}: a classic MR image")
    assert "dcm2btable reads Enhanced MR" in lines[1]
    assert len(lines) == 4


def test_usage() -> None:
    assert run().exit_code == 2
    assert run("--format", "other", "x").exit_code == 2
    assert max(map(len, run("--help").stdout.splitlines())) <= 80
