"""Names of real files: as many as there are files, all different, the same for one file and for all."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrdock.dicom.reading import FileHeader, read_many
from mrdock.sorting import records as tags
from mrdock.sorting.naming import ALIKE, REPEATED, NameOptions, names_of
from mrdock.sorting.records import ImageRecord
from tests.sorting.headers import CAPTURE, check, image, listed, named, read

STUDY = "662491096"
FLAT, NUMBER, UID = NameOptions(flat=True), NameOptions(anatomic=True), NameOptions(unmove=True)


@pytest.fixture(scope="module")
def series(real_data: Path) -> Callable[[str], list[ImageRecord]]:
    """The records of one real classic series."""
    found = {}

    def find(number: str) -> list[ImageRecord]:
        if number not in found:
            found[number] = read((real_data / "philips_r57" / "classic" / number).iterdir())
        return found[number]

    return find


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("number", "files", "slices", "form"),
    [
        ("1901", 40, 40, r"\d{4}"),
        ("2001", 212, 53, r"\d{4}_000[12](_P)?"),
        ("2101", 378, 63, r"\d{4}_000[1-6]"),
        ("2201", 328, 82, r"\d{4}_0002_000[1-4]"),
    ],
)
def test_real_series_have_a_name_for_each_file(
    series: Callable[[str], list[ImageRecord]], number: str, files: int, slices: int, form: str
) -> None:
    images = series(number)
    names = list(named(images).values())
    assert len(names) == files
    assert all(re.fullmatch(rf"{STUDY}/{number}/{form}", name) for name in names)
    last = Counter(name.rsplit("/", 1)[1][:4] for name in names)
    assert sorted(last) == [f"{n:04d}" for n in range(1, slices + 1)]
    assert set(last.values()) == {files // slices}
    assert {name.warning for name in names_of(images).values()} == {""}


@pytest.mark.real_data
@pytest.mark.parametrize("number", ["1901", "2001", "2101", "2201"])
def test_names_say_what_pydicom_reads(series: Callable[[str], list[ImageRecord]], number: str) -> None:
    for path, name in named(series(number)).items():
        header = pydicom.dcmread(path, stop_before_pixels=True)
        imaging = header.private_block(0x2001, "Philips Imaging DD 001")
        first = header.private_block(0x2005, "Philips MR Imaging DD 001")
        fifth = header.private_block(0x2005, "Philips MR Imaging DD 005")
        said = {
            "1901": [],
            "2001": [header.EchoNumbers] + (["P"] if first[0x11].value == "P" else []),
            "2101": [header.TemporalPositionIdentifier],
            "2201": [fifth[0x12].value, fifth[0x13].value],
        }[number]
        parts = [imaging[0x0A].value, *said]
        expected = "_".join(part if part == "P" else f"{int(part):04d}" for part in parts)
        assert name == f"{STUDY}/{number}/{expected}"


@pytest.mark.real_data
@pytest.mark.parametrize("number", ["1901", "2001", "2101", "2201"])
@pytest.mark.parametrize(
    "options", [NameOptions(), FLAT, NUMBER, UID, NameOptions(suffix=True, series_description=True)]
)
def test_one_file_alone_has_the_name_it_has_among_all(
    series: Callable[[str], list[ImageRecord]], number: str, options: NameOptions
) -> None:
    images = series(number)
    together = named(images, options)
    for record in images[::5]:
        assert listed([record], options) == [together[record.path]]


@pytest.mark.real_data
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(random_=st.randoms(use_true_random=False))
def test_any_part_of_a_study_in_any_order(series: Callable[[str], list[ImageRecord]], random_: random.Random) -> None:
    images = [record for number in ("1901", "2001", "2101", "2201") for record in series(number)]
    together = named(images)
    some = random_.sample(images, random_.randrange(1, len(images)))
    assert named(some).items() <= together.items()


@pytest.mark.real_data
def test_the_forms_of_names(series: Callable[[str], list[ImageRecord]]) -> None:
    images = sorted(series("2101"), key=lambda record: record.instance or 0)[:1]
    assert listed(images) == [f"{STUDY}/2101/0001_0001"]
    assert listed(images, FLAT) == [f"{STUDY}_2101_0001_0001"]
    assert listed(images, NameOptions(suffix=True)) == [f"{STUDY}/2101/0001_0001.dcm"]
    assert listed(images, NameOptions(flat=True, suffix=True)) == [f"{STUDY}_2101_0001_0001.dcm"]
    assert listed(images, NameOptions(series_description=True)) == [f"{STUDY}/2101_fcMRI/0001_0001"]
    assert listed(images, NUMBER) == [f"{STUDY}/2101/0001"]
    assert listed(images, UID) == [images[0].sop_instance]
    names = names_of(images)[images[0].path]
    assert (names.study, names.series, names.info) == (STUDY, "2101", f"{STUDY}/2101/info")
    flat = names_of(images, FLAT)[images[0].path]
    assert (flat.study, flat.series, flat.info) == (STUDY, "2101", f"{STUDY}_2101.info")
    assert names_of(images, UID)[images[0].path].info == ""


@pytest.mark.real_data
def test_by_the_number_of_the_image(series: Callable[[str], list[ImageRecord]]) -> None:
    images = series("2201")
    assert listed(images, NUMBER) == [f"{STUDY}/2201/{record.instance:04d}" for record in images]


@pytest.mark.real_data
def test_all_real_files_at_once(real_data: Path) -> None:
    images = read(path for path in real_data.rglob("*.dcm") if path.is_file())
    assert len(images) == 970
    for options in (NameOptions(), FLAT, NUMBER, UID):
        assert len(set(named(images, options).values())) == 970
    names = set(named(images).values())
    assert {f"{STUDY}/2001/enhanced", f"{STUDY}/2001/raw", f"{STUDY}/1301/raw", f"{STUDY}/0000/examcard"} <= names
    assert {"662657234/0402/enhanced", "662657234/0402/raw", "dicom2nifti/0301/enhanced"} <= names


# ---- pydicom's odd files: other vendors, other kinds, broken values ----


def test_odd_files_have_names_too() -> None:
    folder = Path(str(pydicom.data.__file__)).parent / "test_files"
    headers = read_many([str(path) for path in folder.rglob("*") if path.is_file()], tags.WANTED)
    images = [ImageRecord.of(path, header) for path, header in headers if isinstance(header, FileHeader)]
    assert len(images) > 80
    for options in (NameOptions(), FLAT, NUMBER, UID):
        names = names_of(images, options)
        check(images, names)
        for name in names.values():
            assert all(part.strip(" .") == part != "" for part in name.path.split("/"))


# ---- repeats ----


def test_what_comes_twice_is_told_apart_and_said() -> None:
    again = image({tags.SLICE: 3, tags.INSTANCE: 9}, uid="1.5"), image({tags.SLICE: 3, tags.INSTANCE: 8}, uid="1.4")
    names = names_of(again)
    assert [names[record.path].path for record in again] == ["12345/0301/0003_2", "12345/0301/0003"]
    assert {name.warning for name in names.values()} == {ALIKE}
    same = image({tags.SLICE: 3}, uid="1.5"), image({tags.SLICE: 3}, uid="1.5")
    assert {name.warning for name in names_of(same).values()} == {REPEATED}
    assert sorted(listed(same, UID)) == ["1.5", "1.5_2"]


def test_a_series_without_any_number() -> None:
    captures = [image({tags.CONTENT_TIME: f"10000{n}"}, CAPTURE) for n in (3, 1, 2)]
    assert listed(captures) == ["12345/0301/0003", "12345/0301/0001", "12345/0301/0002"]
