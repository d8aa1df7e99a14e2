"""dcmcleanup as a program on real Philips files: a technologist's directory before and after, and back."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import nibabel
import pytest
from nibabel.parrec import parse_PAR_header

from tests.sorting.cleanup_support import Seen, age, in_trash, put, snapshot

PROGRAM = "from mrdock.commands.dcmcleanup import command; command(prog_name='dcmcleanup')"
PARS = Path(nibabel.__file__).parent / "tests/data"
MAIN, ASL, PHANTOM = "2021-09-02_121816", "2021-08-04_162714", "2014-02-14_090057"

pytestmark = pytest.mark.real_data

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    source = Path(__file__).resolve().parents[2] / "src"
    return {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "PYTHONPATH": str(source), "COLUMNS": "200"}


@pytest.fixture
def dcmcleanup(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*words: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", PROGRAM, *map(str, words)]
        result = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
        )
        assert result.returncode == code, (result.stdout, result.stderr)
        assert "Traceback" not in result.stderr
        return result

    return run


def one_exam(real_data: Path, top: Path) -> None:
    """What a scanner exports of one exam: classic and Enhanced images, raw data, the ExamCard."""
    classic = [
        path for series in ("1901", "2101") for path in sorted((real_data / "philips_r57/classic" / series).iterdir())
    ]
    classic = classic[:40] + classic[40 : 40 + 63]
    random.Random(1).shuffle(classic)
    raw = sorted((real_data / "philips_r57/rawdata").glob("*.dcm"))
    (top / "DICOM").mkdir(parents=True)
    for number, path in enumerate([*classic, *raw], 1):
        shutil.copyfile(path, top / "DICOM" / f"{'XX' if path in raw else 'IM'}_{number:04d}")
    for path in (real_data / "philips_r57/enhanced").iterdir():
        shutil.copyfile(path, top / path.name)


def junk(top: Path) -> None:
    """What gathers beside exports in time."""
    shutil.copyfile(top / "DICOM/IM_0007", top / "IM_0007 copy")
    put(top / "DICOM/IM_0900.part", (top / "DICOM/IM_0001").read_bytes()[:1000])
    put(top / "Thumbs.db", b"thumbs")
    put(top / "DICOM/.DS_Store", b"mac")
    put(top / "export.tmp", b"")
    put(top / "notes.txt", b"remember the milk")
    put(top / "alone.REC", bytes(1000))
    (top / "empty/empty").mkdir(parents=True)


@pytest.fixture
def single(real_data: Path, tmp_path: Path) -> Path:
    top = tmp_path / "single"
    one_exam(real_data, top)
    junk(top)
    age(top)
    return top


@pytest.fixture
def several(real_data: Path, tmp_path: Path) -> Path:
    """Three exams in one directory, one of them PAR/REC only, and a survey without its REC."""
    top = tmp_path / "several"
    one_exam(real_data, top)
    junk(top)
    for path in [*(real_data / "philips_asl/enhanced").iterdir(), *(real_data / "philips_asl/rawdata").iterdir()]:
        shutil.copyfile(path, top / path.name)
    for ending in ("PAR", "REC"):
        shutil.copyfile(PARS / f"phantom_EPI_asc_CLEAR_2_1.{ending}", top / f"phantom_EPI_asc_CLEAR_2_1.{ending}")
    shutil.copyfile(real_data / "parrec/survey_v42.PAR", top / "survey.PAR")
    age(top)
    return top


def files(top: Path) -> set[str]:
    """Names outside the trash."""
    found = (path.relative_to(top) for path in top.rglob("*") if path.is_file())
    return {str(path) for path in found if path.parts[0] != "trash"}


def contents(found: dict[str, Seen]) -> Counter[str]:
    return Counter(seen.content for seen in found.values() if seen.content)


def journal_of(result: subprocess.CompletedProcess[str]) -> str:
    found = re.search(r"dcmcleanup --undo (\S+)", result.stdout)
    assert found, result.stdout
    return found[1]


SERIES = {
    *(f"19_3DpCASL/{place:04d}.dcm" for place in range(1, 41)),
    *("19_3DpCASL.dcm", "20_fcMRI_Field_Mapping.dcm"),
    *("13_ADNI_Sag3D_MPRAGE.txt", "20_fcMRI_Field_Mapping.txt", "22_DTI_S2MB2.txt"),
    *("20210902_MR61_MPRAGE.ExamCard", "20210902_MR61_MPRAGE.html"),
    *(f"extras/XX_{number:04d}" for number in range(104, 108)),
}


def test_one_exam_and_back(dcmcleanup: Run, single: Path) -> None:
    before = snapshot(single)
    result = dcmcleanup("--settle", "0", single, code=1)
    assert re.fullmatch(r"dcmcleanup: .*/IM_0900\.part: (is incomplete|a transfer|no DICOM).*\n", result.stderr)
    after = files(single)
    fmri = {name for name in after if name.startswith("21_fcMRI/")}
    assert after - fmri == SERIES | {"notes.txt", "alone.REC", "DICOM/IM_0900.part"}
    assert len(fmri) == 63
    assert all(re.fullmatch(r"21_fcMRI/\d{4}_\d{4}\.dcm", name) for name in fmri)
    assert in_trash(single) in (
        {"DICOM/IM_0007", "Thumbs.db", "DICOM/.DS_Store", "export.tmp"},
        {"IM_0007 copy", "Thumbs.db", "DICOM/.DS_Store", "export.tmp"},
    )
    assert not contents(before) - contents(snapshot(single))
    report = result.stdout
    assert "21_fcMRI: looks incomplete: 63 of 4725 images: 63 slices x 75 dynamics promised" in report
    assert "alone.REC: a REC file without PAR" in report
    assert "Not understood, left alone: 1 file\n  notes.txt\n" in report
    ElementTree.parse(single / "20210902_MR61_MPRAGE.html")
    tidy = snapshot(single)
    again = dcmcleanup("--settle", "0", single, code=1)
    assert "0 files named, 105 in place before" in again.stdout
    assert snapshot(single) == tidy
    dcmcleanup("--undo", journal_of(result))
    assert snapshot(single) == before


def test_several_exams_and_back(dcmcleanup: Run, several: Path) -> None:
    before = snapshot(several)
    plan = json.loads(dcmcleanup("--dry-run", "--json", "--settle", "0", several, code=1).stdout)
    assert snapshot(several) == before
    result = dcmcleanup("--settle", "0", several, code=1)
    after = files(several)
    promised = {file["target"] for item in plan["directories"][0]["items"] for file in item["files"]}
    assert {os.path.relpath(path, several) for path in promised} <= after
    assert {f"{MAIN}/{name}" for name in SERIES} <= after
    assert {name for name in after if name.startswith(ASL)} == {
        f"{ASL}/02_pCASL.dcm",
        f"{ASL}/04r2_SOURCE_-_3D_pCASL_6mm.dcm",
        f"{ASL}/04r2_SOURCE_-_3D_pCASL_6mm.txt",
        f"{ASL}/extras/402_SOURCE_3D_pCASL_6mm_Raw.dcm",
    }
    pair = {f"{PHANTOM}/02_EPI_asc_CLEAR.PAR", f"{PHANTOM}/02_EPI_asc_CLEAR.REC"}
    assert {name for name in after if name.startswith(PHANTOM)} == pair
    with (several / PHANTOM / "02_EPI_asc_CLEAR.PAR").open() as par:
        general, images = parse_PAR_header(par)
    assert (general["acq_nr"], general["recon_nr"], len(images)) == (2, 1, 27)
    assert (several / PHANTOM / "02_EPI_asc_CLEAR.REC").stat().st_size == 27 * 64 * 64 * 2
    assert "2012-10-12_133244/01_SURVEY.PAR" in after
    assert "2012-10-12_133244/01_SURVEY.PAR: PAR without its REC file" in result.stdout
    tidy = snapshot(several)
    dcmcleanup("--settle", "0", several, code=1)
    assert snapshot(several) == tidy
    dcmcleanup("--undo", journal_of(result))
    assert snapshot(several) == before
