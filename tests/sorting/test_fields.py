"""All fields of a file: their names and values, as a person reads them."""

from __future__ import annotations

import io
import re
import tracemalloc
from itertools import islice, pairwise
from pathlib import Path

import pydicom
import pydicom.data
import pytest
from pydicom.uid import UID

from mrdock.errors import MalformedError, NotDicomError
from mrdock.sorting.fields import Field, field_lines, fields, name_lines, names
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.dicom.encoding import EXPLICIT, element, item, sequence

ODD_FILES = Path(pydicom.data.__file__).parent / "test_files"
META = bytes(128) + b"DICM" + element(EXPLICIT, 0x00020010, "UI", b"1.2.840.10008.1.2.1\0")
SEQUENCE = 0x0040A730


def written(tmp_path: Path, data_set: bytes) -> str:
    file = tmp_path / "some.dcm"
    file.write_bytes(META + data_set)
    return str(file)


def number_of_elements(path: Path) -> int:
    found = pydicom.dcmread(path)
    return len(found.file_meta) + sum(1 for _ in found.iterall())


@pytest.mark.real_data
def test_every_field_of_real_files(real_data: Path) -> None:
    for path in (
        real_data / "philips_r57/classic/1901/1901_0001.dcm",
        real_data / "philips_r57/enhanced/1901_3DpCASL_real.dcm",
        real_data / "philips_r57/rawdata/104165610_ExamCard_Raw.dcm",
        real_data / "philips_asl/rawdata/402_SOURCE_3D_pCASL_6mm_Raw.dcm",
        real_data / "dicom2nifti/enhanced/dti.dcm",
    ):
        found = list(fields(str(path)))
        assert sum(1 for field in found if field.tag) == number_of_elements(path)
        assert all(field.value.isprintable() and field.name for field in found)
        private = [field for field in found if field.tag and int(field.tag[3], 16) & 1]
        assert all(field.name.startswith(".") for field in private)
        assert not any(field.name.startswith(".") for field in found if field.tag and field not in private)
        listed = names(str(path))
        assert {(field.tag, field.name) for field in listed} <= {(field.tag, field.name) for field in found}
        assert {field.name for field in listed} == {field.name for field in found if field.tag}


@pytest.mark.real_data
def test_a_real_enhanced_file_reads_well(real_data: Path) -> None:
    path = str(real_data / "philips_r57/enhanced/2001_fcMRI_Field_Mapping.dcm")
    lines = list(field_lines(path))
    assert "0018,9005  SH  PulseSequenceName                          T1FFE" in lines
    assert "2001,1018  SL  .NumberOfSlicesMR                          53" in lines
    assert "2005,1071  FL    .MRStackAngulationAP                     -3.4892087" in lines
    assert any(re.match(r"2005,100e  FL      \.MRScaleSlope +\d", line) for line in lines)
    assert "7fe0,0010  OW  PixelData                                  (2713600 bytes)" in lines
    assert sum(line.strip().startswith("-- frame ") for line in lines) == 212
    assert len(list(field_lines(path, frames=False))) < 1000


def test_nested_sequences_are_indented(tmp_path: Path) -> None:
    echo = element(EXPLICIT, 0x00180081, "DS", b"2.3 ")
    inner = sequence(EXPLICIT, 0x00081140, item(EXPLICIT, echo))
    creator = element(EXPLICIT, 0x20050010, "LO", b"Philips MR Imaging DD 001 ")
    slope = element(EXPLICIT, 0x2005100E, "FL", b"\0\0\x80\x3f")
    unknown = element(EXPLICIT, 0x200510FE, "LO", b"two\r\nlines\x1b[0m ")
    data = sequence(
        EXPLICIT, SEQUENCE, item(EXPLICIT, inner + echo), item(EXPLICIT, b""), item(EXPLICIT, creator + slope)
    )
    data += sequence(EXPLICIT, 0x00420000, defined=False) + creator + unknown
    path = written(tmp_path, data.replace(b"\x42\0\0\0", b"\x42\0\x13\0"))
    assert list(field_lines(path))[1:] == [
        "0040,a730  SQ  ContentSequence",
        "0008,1140  SQ    ReferencedImageSequence",
        "0018,0081  DS      EchoTime                               2.3",
        "0018,0081  DS    EchoTime                                 2.3",
        "                 -- item 2",
        "                 -- item 3",
        "2005,0010  LO    .PrivateCreator                          Philips MR Imaging DD 001",
        "2005,100e  FL    .MRScaleSlope                            1",
        "0042,0013  SQ  SourceInstanceSequence                     (no items)",
        "2005,0010  LO  .PrivateCreator                            Philips MR Imaging DD 001",
        '2005,10fe  LO  .2005,fe,"Philips MR Imaging DD 001"       two\\r\\nlines\\x1b[0m',
    ]
    found = list(fields(path))
    assert [field.name for field in found if not field.tag] == ["item 1", "item 1", "item 2", "item 3"]
    assert found[4] == Field(2, "", "item 1", "", "")


def test_lines_are_cut_to_a_width(tmp_path: Path) -> None:
    path = written(tmp_path, element(EXPLICIT, 0x00104000, "LT", b"x" * 200))
    lines = list(field_lines(path, width=80))
    assert [len(line) for line in lines[1:]] == [80]
    assert lines[1].endswith("xxx...")


def test_names_stand_once_by_tag_or_by_name(tmp_path: Path) -> None:
    file = tmp_path / "enhanced.dcm"
    file.write_bytes(part10(enhanced_mr(StudyIdentity())))
    by_tag, by_name = names(str(file)), names(str(file), by_name=True)
    assert sorted(by_tag) == sorted(by_name)
    assert len({(field.tag, field.name) for field in by_tag}) == len(by_tag)
    assert all(one.tag <= other.tag for one, other in pairwise(by_tag))
    spelled = [field.name.lower().lstrip(".") for field in by_name]
    without = [name for name in spelled if "," in name]  # those that have no name come last
    assert spelled == sorted(name for name in spelled if name not in without) + without
    assert {"EffectiveEchoTime", ".MRScaleSlope", "PerFrameFunctionalGroupsSequence"} <= {f.name for f in by_tag}
    lines = list(name_lines(str(file)))
    assert lines[0] == "0002,0000  UL  FileMetaInformationGroupLength"
    assert len(lines) == len(by_tag)
    assert next(iter(name_lines(str(file), by_name=True))).endswith("  AccessionNumber")


def test_a_creator_in_capitals_names_the_same_fields(tmp_path: Path) -> None:
    found = part10(classic_fmri(StudyIdentity(), slices=1, dynamics=1)[0])
    listed = []
    for number, data in enumerate((found, found.replace(b"Philips MR Imaging DD 00", b"PHILIPS MR IMAGING DD 00"))):
        file = tmp_path / f"{number}.dcm"
        file.write_bytes(data)
        listed.append([field.name for field in fields(str(file)) if "," not in field.name])
    assert listed[0] == listed[1]


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"], ids=["implicit", "explicit"])
def test_the_encoding_does_not_show(tmp_path: Path, syntax: str) -> None:
    found = enhanced_mr(StudyIdentity())
    plain = tmp_path / "plain.dcm"
    plain.write_bytes(part10(found))
    buffer = io.BytesIO()
    found.file_meta.TransferSyntaxUID = UID(syntax)
    found.save_as(buffer, implicit_vr=syntax.endswith("1.2"), little_endian=True, enforce_file_format=True)
    anew = tmp_path / "anew.dcm"
    anew.write_bytes(buffer.getvalue())
    assert [field for field in fields(str(anew)) if field.tag[:4] != "0002"] == [
        field for field in fields(str(plain)) if field.tag[:4] != "0002"
    ]


def test_what_is_broken_is_told_after_what_is_there() -> None:
    (path,) = map(str, ODD_FILES.rglob("MR_truncated.dcm"))
    lines: list[str] = []
    with pytest.raises(MalformedError) as broken:
        lines.extend(field_lines(path))
    assert lines[-1].startswith("0028,1051  DS  WindowWidth")
    assert str(broken.value) == f"{path}: (7fe0,0010) is cut short: 8192 bytes announced, 8130 there"
    with pytest.raises(MalformedError, match="MR_truncated"):
        names(path)


def test_what_a_sequence_hides_is_told_where_it_stands(tmp_path: Path) -> None:
    path = written(
        tmp_path, element(EXPLICIT, SEQUENCE, "SQ", b"no item at all!!") + element(EXPLICIT, 0x00700001, "SQ")
    )
    lines = list(field_lines(path))[1:]
    assert lines[0] == "0040,a730  SQ  ContentSequence"
    assert "unreadable from here" in lines[1]
    assert lines[2].endswith("(no items)")


def test_no_dicom_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "a\nb.txt"
    file.write_text("no DICOM at all", encoding="ascii")
    with pytest.raises(NotDicomError, match=r"a\\nb\.txt: no DICOM file"):
        list(fields(str(file)))


def test_a_large_enhanced_file_streams(tmp_path: Path) -> None:
    """Memory does not grow with the frames, and the first lines come at once."""
    frame = item(
        EXPLICIT, sequence(EXPLICIT, 0x00189114, item(EXPLICIT, element(EXPLICIT, 0x00189082, "FD", bytes(8))))
    )
    path = written(tmp_path, sequence(EXPLICIT, 0x52009230, frame * 25_000, defined=False))
    assert [field.name for field in islice(fields(path), 3)][1:] == ["PerFrameFunctionalGroupsSequence", "frame 1"]
    tracemalloc.start()
    count = sum(1 for _ in field_lines(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2 + 3 * 25_000
    assert peak < 1 << 20
