"""What a record says of a file, as another reader sees it, and what kind of file it is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pydicom
import pytest

from mrdock.dicom.reading import read_header
from mrdock.dicom.scan import scan
from mrdock.dicom.values import Header
from mrdock.sorting import records as tags
from mrdock.sorting.records import WANTED, FileKind, ImageRecord
from tests.builders.identity import StudyIdentity
from tests.builders.philips import classic_fmri, enhanced_mr, presentation_state, raw_data, write
from tests.dicom.encoding import EXPLICIT, element
from tests.sorting.headers import CAPTURE, CT, ENHANCED_MR, MR, PRESENTATION, RAW, US_MULTI_FRAME, image, read

_PRIVATE_NUMBERS = (
    tags.SLICE, tags.SLICES, tags.ECHOES, tags.DYNAMICS, tags.PHASES, tags.B_NUMBER, tags.GRADIENT, tags.B_NUMBERS,
    tags.GRADIENTS, tags.LABELS,
)  # fmt: skip


def _private(header: pydicom.Dataset, key: tuple[int, int, str]) -> Any:
    return header.private_block(key[0], key[2])[key[1]].value


@pytest.mark.real_data
@pytest.mark.parametrize("series", ["1901", "2001", "2101", "2201"])
def test_numbers_and_texts_are_those_that_pydicom_reads(real_data: Path, series: str) -> None:
    paths = sorted((real_data / "philips_r57" / "classic" / series).iterdir())[::13]
    for record, path in zip(read(paths), paths, strict=True):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert record.kind is FileKind.IMAGE
        assert (record.study_uid, record.series_uid) == (header.StudyInstanceUID, header.SeriesInstanceUID)
        assert (record.sop_instance, record.instance) == (header.SOPInstanceUID, header.InstanceNumber)
        assert record.series_number == header.SeriesNumber
        assert record.study_description == header.StudyDescription
        assert record.decimals(tags.POSITION, 3) == tuple(map(float, header.ImagePositionPatient))
        for key in _PRIVATE_NUMBERS:
            assert (record.number(key) or 0) == (_private(header, key) or 0), key
        assert record.text(tags.TYPE) == _private(header, tags.TYPE)
        assert record.size == path.stat().st_size


@pytest.mark.real_data
def test_kinds_of_real_files(real_data: Path) -> None:
    found = {path.name: path for path in real_data.rglob("*.dcm") if "classic" not in path.parts}
    kinds = {record.path.rsplit("/", 1)[1]: (record.kind, record.word) for record in read(found.values())}
    assert kinds.pop("104165610_ExamCard_Raw.dcm") == (FileKind.OTHER, "examcard")
    raw = {name: kind for name, kind in kinds.items() if "_Raw" in name}
    assert len(raw) == 4
    assert set(raw.values()) == {(FileKind.OTHER, "raw")}
    assert {kind for name, (kind, _) in kinds.items() if name not in raw} == {FileKind.ENHANCED}


@pytest.mark.parametrize(
    ("sop_class", "kind", "word"),
    [
        (MR, FileKind.IMAGE, "mr"),
        (CT, FileKind.IMAGE, "ct"),
        (US_MULTI_FRAME, FileKind.IMAGE, "usm"),
        (CAPTURE, FileKind.IMAGE, "sc"),
        (ENHANCED_MR, FileKind.ENHANCED, "mre"),
        (f"{MR}.4", FileKind.ENHANCED, "mrl"),
        ("1.2.840.10008.5.1.4.1.1.128.1", FileKind.ENHANCED, "pil"),
        (RAW, FileKind.OTHER, "raw"),
        (PRESENTATION, FileKind.OTHER, "ps"),
        (f"{MR}.2", FileKind.OTHER, "spectrum"),
        ("1.3.46.670589.11.0.0.12.1", FileKind.OTHER, "spectrum"),
        ("1.3.46.670589.11.0.0.12.2", FileKind.OTHER, "raw"),
        ("1.3.46.670589.11.0.0.12.4", FileKind.OTHER, "examcard"),
        ("1.2.840.10008.5.1.4.1.1.88.11", FileKind.OTHER, "srt"),
        ("1.3.12.2.1107.5.9.1", FileKind.OTHER, "prv"),  # "Non Image Storage"
        (tags.DICOMDIR, FileKind.OTHER, "DICOMDIR"),
        ("1.2.3.4.5", FileKind.OTHER, "other"),
        ("", FileKind.OTHER, "other"),
    ],
)
def test_the_class_says_what_a_file_is(sop_class: str, kind: FileKind, word: str) -> None:
    record = image({}, sop_class)
    assert (record.kind, record.word) == (kind, word)


def test_a_file_of_no_known_class_is_an_image_where_it_has_rows() -> None:
    assert image({tags.ROWS: 256}, "").kind is FileKind.IMAGE
    assert image({tags.ROWS: 0}, "1.2.3.4.5").kind is FileKind.OTHER


def test_built_files_have_their_kinds(tmp_path: Path) -> None:
    who = StudyIdentity()
    images = classic_fmri(who, slices=1, dynamics=1)
    made = [*images, enhanced_mr(who), raw_data(who), presentation_state(who, references=images)]
    kinds = [record.kind.value for record in read(map(Path, write(made, tmp_path)))]
    assert sorted(kinds) == ["enhanced", "image", "other", "other"]


def test_private_elements_are_found_in_both_spellings() -> None:
    for creator in (b"Philips Imaging DD 001", b"PHILIPS IMAGING DD 001"):
        data = element(EXPLICIT, 0x20010017, "LO", creator) + element(EXPLICIT, 0x2001170A, "IS", b"7 ")
        found = scan(data, EXPLICIT.uid, WANTED)
        assert ImageRecord("in/1", Header(found), MR, "1.9").count(tags.SLICE) == 7


def test_a_number_that_is_none_counts_for_nothing() -> None:
    for said in (b"", b"abc", b"0", b"-3", b"2147483647", b"1e400"):
        assert image({tags.SLICE: said}).count(tags.SLICE) is None
    assert image({tags.POSITION: "1\\2"}).decimals(tags.POSITION, 3) is None
    assert image({tags.POSITION: "1\\2\\nan"}).decimals(tags.POSITION, 3) is None
    assert image({tags.POSITION: "1\\x\\2"}).decimals(tags.POSITION, 3) is None


def test_the_location_is_what_follows_the_mark_in_patient_history() -> None:
    assert image({tags.PATIENT_HISTORY: "knee pain #-#/data/lab x \r\nmore"}).location == "/data/lab x"
    assert image({tags.PATIENT_HISTORY: "knee pain"}).location is None
    assert image({}).location is None


def test_without_uids_patients_stay_apart() -> None:
    one = image({tags.STUDY: "", tags.SERIES: "", tags.PATIENT_ID: "A"})
    same = image({tags.STUDY: "", tags.SERIES: "", tags.PATIENT_ID: "A"})
    other = image({tags.STUDY: "", tags.SERIES: "", tags.PATIENT_ID: "B"})
    assert one.study_key == same.study_key != other.study_key
    assert one.series_key != other.series_key
    assert len(one.study_key) == 9  # a checksum: no patient's data


def test_a_record_is_small(tmp_path: Path) -> None:
    (path,) = write(classic_fmri(StudyIdentity(), slices=1, dynamics=1), tmp_path)
    record = ImageRecord.of(path, read_header(path, WANTED))
    assert not hasattr(record, "__dict__")
    assert sys.getsizeof(record) < 200
