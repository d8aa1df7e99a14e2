"""The parts of dcmcleanup that decide: labels, what a NIfTI file is of, where exams are, what XML says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import FileDataset

from mrdock.sorting.cleanup_companions import gather
from mrdock.sorting.cleanup_labels import Number, label, number_in, number_of_record, number_of_series, numbered
from mrdock.sorting.cleanup_reading import read
from mrdock.sorting.finding import Entry
from mrdock.sorting.records import ImageRecord
from tests.builders import classic_fmri
from tests.sorting.cleanup_support import ANNA, names, nifti, put, put_all, tidied


def record_of(folder: Path, image: FileDataset) -> ImageRecord:
    put(folder / "image", image)
    (found,) = read(str(folder)).records
    return found


@pytest.mark.parametrize(
    ("number", "description", "name"),
    [
        (Number(2), "Resting", "02_Resting"),
        (Number(2, 3), "Resting", "02r3_Resting"),
        (Number(2, 0), "", "02r0"),
        (Number(120, 12), "a b/c:d", "120r12_a_b_c_d"),
        (Number(2), "WIP  T1", "02_T1"),
        (Number(2), "WIP", "02_WIP"),
        (Number(2), "con. ", "02_con"),
        (Number(2), "   ", "02"),
        (Number(-3), "Screen", "n03_Screen"),
        (Number(1), "Schädel 3\u0007D", "01_Schädel_3_D"),
        (Number(1), "x" * 100, "01_" + "x" * 77),
    ],
)
def test_labels(number: Number, description: str, name: str) -> None:
    assert label(number, description) == name


@pytest.mark.parametrize(
    ("name", "number"),
    [("02_R", 1), ("02_r", 1), ("02_R_2", 2), ("02_R_12", 12), ("02_R_1", 0), ("02_R_02", 0), ("02_R2", 0), ("02", 0)],
)
def test_numbered_names(name: str, number: int) -> None:
    assert number_in(name, "02_R") == number
    if number:
        assert numbered("02_R", number).lower() == name.lower()


def test_numbers_of_series() -> None:
    assert number_of_series(201, philips=True) == (2, 1)
    assert number_of_series(12003, philips=True) == (120, 3)
    assert number_of_series(7, philips=True) == (7, 1)
    assert number_of_series(201, philips=False) == (201, 1)


def test_numbers_of_headers(tmp_path: Path) -> None:
    """The private numbers first; without them the Series Number, as the maker counts."""
    (image,) = classic_fmri(ANNA, slices=1, dynamics=1, series_number=402)
    assert number_of_record(record_of(tmp_path, image)) == (4, 2)
    image.SeriesNumber = 7
    assert number_of_record(record_of(tmp_path, image)) == (4, 2)
    image.SeriesNumber = 402
    for tag in (0x2001107B, 0x2001101D):
        image.pop(tag, None)
    for maker, number in (("Philips Healthcare", (4, 2)), ("SIEMENS", (402, 1))):
        image.Manufacturer = maker
        assert number_of_record(record_of(tmp_path, image)) == number


def entries(top: Path) -> list[Entry]:
    return [Entry(str(path), path.stat().st_size, 0) for path in sorted(top.rglob("*")) if path.is_file()]


@pytest.mark.parametrize(
    ("stem", "said", "name"),
    [
        ("x_201", {"SeriesNumber": 201, "SeriesDescription": "Rest"}, "02_Rest"),
        ("x_201_e2_ph", {"SeriesNumber": 201, "ProtocolName": "WIP Rest"}, "02_Rest_e2_ph"),
        ("DTI_ADC", {"SeriesNumber": 703, "SeriesDescription": "DTI"}, "07r3_DTI_ADC"),
        ("02_Rest_3", {"SeriesNumber": 201, "SeriesDescription": "Rest"}, "02_Rest_3"),
        ("x_2", {"SeriesNumber": 2, "SeriesDescription": "Rest", "Manufacturer": "Siemens"}, "02_Rest"),
        ("sub-01_bold", {"SeriesNumber": 201, "SeriesDescription": "Rest"}, ""),
        ("odd", {"SeriesNumber": True}, ""),
        ("odd", {"SeriesNumber": 10**9}, ""),
        ("odd", {"SeriesNumber": "201"}, ""),
    ],
)
def test_nifti_files(tmp_path: Path, stem: str, said: dict[str, Any], name: str) -> None:
    nifti(tmp_path, stem, **said)
    found = gather(entries(tmp_path), {}, [])
    assert [group.label + group.tail for group in found.groups] == ([name] if name else [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"SeriesNumber": 1e999}', "[" * 100_000, "\udcff"])
def test_broken_sidecars(tmp_path: Path, text: str) -> None:
    put(tmp_path / "x.nii", b"nifti")
    put(tmp_path / "x.json", text.encode("utf-8", "surrogateescape"))
    assert gather(entries(tmp_path), {}, []).groups == []


@pytest.mark.parametrize(
    "text",
    [
        "<PRIDE_V5/>",
        '<PRIDE_V5><Attribute Tag="0x2001107B">x</Attribute></PRIDE_V5>',
        '<PRIDE_V5><Attribute Tag="0x2001107B">' + "9" * 2000 + "</Attribute></PRIDE_V5>",
        "<PRIDE_V5>" + "<Attribute " * 100_000,
    ],
)
def test_broken_xml(tmp_path: Path, text: str) -> None:
    put(tmp_path / "x.XML", text)
    put(tmp_path / "x.REC", b"")
    found = gather(entries(tmp_path), {}, [])
    assert found.groups == []
    assert [text for _, text in found.remarks] == [
        "an XML file of an export, which does not say its acquisition number"
    ]


def test_par_files_of_one_name_in_two_spellings(tmp_path: Path) -> None:
    from tests.builders.par_of_classic import par_of_classic

    one = par_of_classic(classic_fmri(ANNA, slices=1, dynamics=1, description="One"))
    two = par_of_classic(classic_fmri(ANNA, slices=1, dynamics=1, description="Two", series_number=301))
    one.write(tmp_path / "x")
    two.write(tmp_path / "X")
    found = gather(entries(tmp_path), {}, [])
    assert sorted((group.label, len(group.files)) for group in found.groups) == [("02_One", 2), ("03_Two", 2)]


def test_directories_of_series_and_exports_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    top = tmp_path / "data"
    put_all(top / "subject/SE000201", classic_fmri(ANNA, slices=1, dynamics=1))
    put_all(top / "subject/0301_T1", classic_fmri(ANNA, slices=1, dynamics=1, series_number=301, description="T1"))
    put_all(top / "subject/PARREC/deeper", classic_fmri(ANNA, slices=1, dynamics=1, series_number=401))
    tidied(top)
    assert names(top) == {f"subject/{name}/0001.dcm" for name in ("02_fMRI", "03_T1", "04_fMRI")}
