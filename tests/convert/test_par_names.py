"""The names of the pairs that `dcm2par` writes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.convert.par_names import Pattern, default_stem, folder_of
from mrdock.errors import ChoiceError, DicomError, TagError, UnsuitableError
from mrdock.sorting.safe import safe
from tests.builders import StudyIdentity, classic_fmri, write
from tests.builders.enhanced import enhanced_mr


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("scan.dcm", "scan"),
        ("scan.DCM", "scan"),
        ("1.3.46.670589.11.1", "1.3.46.670589.11.1"),
        ("a.b.dcm", "a.b"),
        ("scan.PAR", "scan.PAR"),
    ],
)
def test_only_a_final_dcm_is_cut(name: str, stem: str, tmp_path: Path) -> None:
    assert default_stem(str(tmp_path / name)) == stem
    assert folder_of(str(tmp_path / name)) == str(tmp_path)


def test_a_directory_gives_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "series.7").mkdir()
    assert default_stem(str(tmp_path / "series.7")) == "series.7"
    assert folder_of(f"{tmp_path / 'series.7'}{os.sep}") == str(tmp_path)
    monkeypatch.chdir(tmp_path / "series.7")
    assert (default_stem("."), folder_of(".")) == ("series.7", str(tmp_path))


def test_fields(tmp_path: Path) -> None:
    (path,) = write([enhanced_mr(StudyIdentity("names", patient_name="A/B^C"), rows=8, columns=8)], tmp_path)
    pattern = Pattern.parse("{SeriesNumber}_{stem}-{PatientName}{(0018,9999)}.{2001,20,Philips Imaging DD 001}")
    assert pattern.name(path, safe) == "301_IM_0001-A_B^C.FEEPI"


def test_of_a_directory_the_first_image(tmp_path: Path) -> None:
    write(classic_fmri(StudyIdentity("names"), rows=8, columns=8), tmp_path)
    (tmp_path / "AA").write_text("none")
    assert Pattern.parse("{ProtocolName}").name(str(tmp_path), safe) == "WIP_fMRI"


@pytest.mark.parametrize("text", ["a/b", "a\\b", "", " ", "{SeriesNumber", "a}b"])
def test_patterns_that_can_be_no_name(text: str) -> None:
    with pytest.raises(ChoiceError):
        Pattern.parse(text)


def test_fields_that_nothing_is_called() -> None:
    with pytest.raises(TagError, match="Foo"):
        Pattern.parse("{Foo}")


def test_nothing_left(tmp_path: Path) -> None:
    (path,) = write([enhanced_mr(StudyIdentity("names"), rows=8, columns=8)], tmp_path)
    with pytest.raises(UnsuitableError, match="nothing of what --name asks for"):
        Pattern.parse("{AccessionNumber}").name(path, safe)


def test_no_dicom(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no DICOM")
    with pytest.raises(DicomError, match="text: no DICOM file"):
        Pattern.parse("{SeriesNumber}").name(str(tmp_path / "text"), safe)
    (tmp_path / "text").rename(tmp_path / "other")
    with pytest.raises(DicomError, match="a directory without classic MR images"):
        Pattern.parse("{SeriesNumber}").name(str(tmp_path), safe)
