"""The info file of a series: what it says, that it warns, and that it can be read again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from mrdock.sorting.series_info import clock, date, describe, uids_in
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, raw_data, write


def lines(text: bytes) -> dict[str, str]:
    """The labelled lines of an info file."""
    found = {}
    for line in text.decode().splitlines():
        label, _, value = line.strip().partition("  ")
        if value:
            found[label] = value.strip()
    return found


def test_study_patient_series_and_scan(tmp_path: Path) -> None:
    identity = StudyIdentity()
    (path,) = write(classic_fmri(identity, slices=1, dynamics=1, EchoTime=30, FlipAngle=70), tmp_path)
    text = describe(path, "0001")
    assert text.decode().splitlines()[0] == "This file holds patient data: treat it as you treat the images."
    found = lines(text)
    assert found["Name"] == identity.patient_name
    assert found["ID"] == identity.patient_id
    assert found["Study Instance UID"] == identity.study_uid
    assert found["Series Instance UID"] == identity.series_uid(201)
    assert found["Series number"] == "201"
    assert found["Protocol"] == "WIP fMRI"
    assert found["Repetition time"] == "2000 ms"
    assert found["Echo time"] == "30 ms"
    assert found["Flip angle"] == "70 deg"
    assert found["Rows"] == "32"
    assert "Scan parameters, as in 0001" in text.decode()


def test_the_shared_groups_of_an_enhanced_file(tmp_path: Path) -> None:
    (path,) = write([enhanced_mr(StudyIdentity())], tmp_path)
    found = lines(describe(path, "enhanced"))
    assert found["Repetition time"] == "2000 ms"
    assert found["Flip angle"] == "70 deg"
    assert int(found["Frames"]) > 1


def test_what_is_empty_or_absent_has_no_line(tmp_path: Path) -> None:
    (path,) = write(
        classic_fmri(StudyIdentity(), slices=1, dynamics=1, PatientBirthDate="", EchoTime=None, PatientWeight=None),
        tmp_path,
    )
    found = lines(describe(path, "0001"))
    assert not {"Birth date", "Echo time", "Weight"} & found.keys()


def test_a_file_without_an_image(tmp_path: Path) -> None:
    (path,) = write([raw_data(StudyIdentity())], tmp_path)
    assert lines(describe(path, "raw"))["Study Instance UID"] == StudyIdentity().study_uid


def test_control_characters_cannot_forge_a_line(tmp_path: Path) -> None:
    (path,) = write(
        classic_fmri(StudyIdentity(), slices=1, dynamics=1, SeriesDescription="a\n  Study Instance UID  1.2.3\x1b[2J"),
        tmp_path,
    )
    text = describe(path, "0001\x07")
    assert b"\x1b" not in text
    assert b"\x07" not in text
    assert lines(text)["Study Instance UID"] == StudyIdentity().study_uid


def test_it_says_whose_it_is(tmp_path: Path) -> None:
    (path,) = write(classic_fmri(StudyIdentity(), slices=1, dynamics=1), tmp_path)
    info = tmp_path / "info"
    info.write_bytes(describe(path, "0001"))
    assert uids_in(str(info)) == (StudyIdentity().study_uid, StudyIdentity().series_uid(201))
    info.write_bytes(b"\xff\x00 something else\n")
    assert uids_in(str(info)) == ("", "")


@pytest.mark.parametrize(
    ("text", "shown"), [("20210902", "2021-09-02"), ("2021.09.02", "2021.09.02"), ("", ""), ("2021090x", "2021090x")]
)
def test_dates(text: str, shown: str) -> None:
    assert date(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"), [("121816", "12:18:16"), ("121816.5", "12:18:16"), ("1218", "12:18"), ("x", "x")]
)
def test_times(text: str, shown: str) -> None:
    assert clock(text) == shown


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["classic/2101/2101_0001.dcm", "enhanced/2001_fcMRI_Field_Mapping.dcm"])
def test_as_dcmdump_says(real_data: Path, need_tool: Any, name: str) -> None:
    path = real_data / "philips_r57" / name
    found = lines(describe(str(path), "0001"))
    labels = {
        "0008,103e": "Series description",
        "0010,0020": "ID",
        "0018,0087": "Field strength",
        "0020,0011": "Series number",
    }
    words = [word for tag in labels for word in ("+P", tag)]
    dump = subprocess.run([need_tool("dcmdump"), "-q", *words, path], capture_output=True, check=True)
    for line in dump.stdout.decode("latin-1").splitlines():
        if line.startswith("("):
            value = line.split("[")[1].split("]")[0].strip()
            assert found[labels[line[1:10]]].split(" ")[0] == value.split(" ")[0], line
