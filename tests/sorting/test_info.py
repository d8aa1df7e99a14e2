"""The values that are found: those that dcmdump prints, over frames and in many files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileDataset

from mrdock.dicom.scan import Key
from mrdock.dicom.tags import folded, name_of, parse
from mrdock.errors import DicomError, MalformedError, NotDicomError
from mrdock.sorting import info_jobs
from mrdock.sorting.info import Overview, Question, gather
from mrdock.sorting.info_defaults import DEFAULTS, UNITS
from mrdock.sorting.info_tags import Selection, select
from mrdock.sorting.info_values import Cell, Place, json_of, label
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.conftest import NeedTool
from tests.sorting.dumping import Dumped, dump, first_found, meaning

CLASSIC = ("1901", "2001", "2101", "2201")
EVERYTHING = Question(asked=Selection(everything=True))


def nobody(path: str, error: Exception) -> None:
    raise AssertionError(f"{path}: {error}")


def one_of_each(real_data: Path) -> Iterator[Path]:
    for series in CLASSIC:
        yield sorted((real_data / "philips_r57" / "classic" / series).iterdir())[0]
    yield from sorted((real_data / "philips_r57" / "rawdata").glob("*_Raw.dcm"))


def enhanced_files(real_data: Path) -> list[Path]:
    return sorted(real_data.glob("*/enhanced/*.dcm"))


def cells(overview: Overview, at: int = 0) -> dict[Key, Cell]:
    return {
        folded(where): cell
        for where, column in overview.columns.items()
        if not isinstance(where, Place) and (cell := column[at]) is not None
    }


def differences(found: dict[Key, Cell], expected: dict[Key, Dumped]) -> list[str]:
    return [
        f"{name_of(key)}: {cell.text!r} is not {expected[key].value!r}"
        for key, cell in found.items()
        if key in expected
        and cell.vr not in ("SQ", "OB", "OW", "UN")
        and meaning(cell.vr, cell.text) != meaning(cell.vr, expected[key].value)
    ]


# ---- the same as dcmdump ----


@pytest.mark.real_data
@pytest.mark.peer
def test_all_values_are_those_of_dcmdump(real_data: Path, need_tool: NeedTool) -> None:
    for path in one_of_each(real_data):
        expected = first_found(dump(need_tool("dcmdump"), path))
        found = cells(gather([str(path)], EVERYTHING, nobody))
        assert not differences(found, expected), path.name
        assert set(found) == set(expected), path.name
        assert len(found) > 100


@pytest.mark.real_data
@pytest.mark.peer
def test_every_default_value_is_that_of_dcmdump(real_data: Path, need_tool: NeedTool) -> None:
    for path in one_of_each(real_data):
        expected = {e.key: e for e in reversed(dump(need_tool("dcmdump"), path)) if not e.depth}
        found = cells(gather([str(path)], Question(DEFAULTS), nobody))
        assert not differences(found, expected), path.name
        assert set(found) >= {key for key in expected if key in set(map(folded, DEFAULTS))}, path.name


@pytest.mark.real_data
@pytest.mark.peer
def test_the_top_level_of_enhanced_files_is_that_of_dcmdump(real_data: Path, need_tool: NeedTool) -> None:
    for path in enhanced_files(real_data):
        expected = {e.key: e for e in reversed(dump(need_tool("dcmdump"), path)) if not e.depth}
        found = cells(gather([str(path)], EVERYTHING, nobody))
        assert set(found) >= set(expected), path.name
        assert not differences(found, expected), path.name


@pytest.mark.real_data
@pytest.mark.peer
@pytest.mark.parametrize("name", ["EffectiveEchoTime", "FrameType", "InStackPositionNumber", "DiffusionBValue"])
def test_values_over_frames_are_those_of_dcmdump(real_data: Path, need_tool: NeedTool, name: str) -> None:
    key = parse(name)
    varying = 0
    for path in enhanced_files(real_data):
        dumped = [e.value for e in dump(need_tool("dcmdump"), path) if e.key == key]
        cell = gather([str(path)], Question(asked=Selection((key,))), nobody).columns[key][0]
        assert (cell is not None) == bool(dumped), path.name
        if cell is None:
            continue
        expected = list(dict.fromkeys(str(meaning(cell.vr, value)) for value in dumped))
        texts = [cell.text] if cell.frames is None else [text or "" for text in cell.frames]
        assert list(dict.fromkeys(str(meaning(cell.vr, text)) for text in texts)) == expected, path.name
        if len(expected) > 1:
            varying += 1
            assert cell.text.startswith(f"varying ({len(expected)} values"), path.name
    assert varying


# ---- first found, and every ----


def nested_image() -> FileDataset:
    """An image with Accession Number nested only, Instance Number both ways, each of them other objects'."""
    (image,) = classic_fmri(StudyIdentity(), slices=1, dynamics=1)
    other = pydicom.Dataset()
    other.InstanceNumber = 99
    other.AccessionNumber = "nested first"
    again = pydicom.Dataset()
    again.AccessionNumber = "nested second"
    del image.AccessionNumber
    image.ReferencedInstanceSequence = [other, again]
    image.ReferencedPerformedProcedureStepSequence = []
    return image


def written(tmp_path: Path, image: FileDataset, name: str = "a.dcm") -> str:
    (tmp_path / name).write_bytes(part10(image))
    return str(tmp_path / name)


def test_the_top_level_comes_before_what_is_nested(tmp_path: Path) -> None:
    path = written(tmp_path, nested_image())
    overview = gather([path], Question(asked=select(["InstanceNumber", "AccessionNumber", "ImagedNucleus"])), nobody)
    texts = [column[0].text for column in overview.columns.values() if column[0]]
    assert texts == ["1", "nested first", "1H"]


def test_every_occurrence_has_the_way_to_it(tmp_path: Path) -> None:
    path = written(tmp_path, nested_image())
    overview = gather([path], Question(asked=select(["AccessionNumber", "InstanceNumber"]), every=True), nobody)
    found = [(label(where), cell.text) for where in overview.wheres() if (cell := overview.columns[where][0])]
    assert found == [
        ("ReferencedInstanceSequence.AccessionNumber", "nested first"),
        ("ReferencedInstanceSequence[2].AccessionNumber", "nested second"),
        ("InstanceNumber", "1"),
        ("ReferencedInstanceSequence.InstanceNumber", "99"),
    ]


def test_a_default_tag_is_not_taken_from_another_object(tmp_path: Path) -> None:
    """A classic image without Instance Number shows none, whatever its references say."""
    image = nested_image()
    del image.InstanceNumber
    path = written(tmp_path, image)
    key = parse("InstanceNumber")
    assert gather([path], Question(DEFAULTS), nobody).columns[key] == [None]
    asked = gather([path], Question(DEFAULTS, select(["InstanceNumber"])), nobody).columns[key][0]
    assert asked is not None
    assert asked.text == "99"
    with_another = Question(DEFAULTS, select(["AccessionNumber"]))
    assert gather([path], with_another, nobody).columns[key] == [None], "whatever else is looked for"


@pytest.mark.parametrize("question", [Question(DEFAULTS), EVERYTHING], ids=["default", "all"])
@pytest.mark.parametrize("frames", [False, True])
def test_of_a_broken_file_what_stands_before_the_break_counts(tmp_path: Path, question: Question, frames: bool) -> None:
    who = StudyIdentity()
    whole = part10(enhanced_mr(who) if frames else classic_fmri(who)[0])
    path = tmp_path / "cut.dcm"
    for length in (len(whole) - 10, whole.index(b"\x18\x00\x15\x00CS") + 3):
        path.write_bytes(whole[:length])
        failed: dict[str, Exception] = {}
        overview = gather([str(path)], question, failed.__setitem__)
        patient = overview.columns[parse("PatientID")][0]
        assert patient is not None
        assert patient.text == who.patient_id
        quick = question.defaults and not frames and length > len(whole) // 2
        assert isinstance(failed.get(str(path)), type(None) if quick else MalformedError)


def test_a_private_tag_is_found_whatever_block_and_capitals_its_creator_has(tmp_path: Path) -> None:
    (image,) = classic_fmri(StudyIdentity(), slices=1, dynamics=1)
    plain = written(tmp_path, image, "plain.dcm")
    creator = "Philips Imaging DD 001"
    value = image.private_block(0x2001, creator)[0x18].value
    for element in [e for e in image if e.tag.group == 0x2001]:
        del image[element.tag]
    image.add_new(0x20010042, "LO", creator.upper())
    image.add_new(0x20014218, "SL", value)
    moved = written(tmp_path, image, "moved.dcm")
    for question in (Question(DEFAULTS), Question(asked=select(["NumberOfSlicesMR"])), EVERYTHING):
        overview = gather([plain, moved], question, nobody)
        (column,) = (c for where, c in overview.columns.items() if label(where) == "NumberOfSlicesMR")
        assert column[0] == column[1] == Cell(str(value), "SL")


@pytest.mark.parametrize("every", [False, True])
def test_what_varies_over_frames_never_shows_the_first_frames_value(tmp_path: Path, every: bool) -> None:
    path = written(tmp_path, enhanced_mr(StudyIdentity(), slices=3, dynamics=2))
    overview = gather([path], Question(asked=Selection(everything=True), every=every), nobody)
    positions = [c[0] for where, c in overview.columns.items() if label(where).endswith("ImagePositionPatient")]
    assert positions
    for cell in positions:
        assert cell is not None
        assert cell.frames is not None
        assert len(cell.frames) == 6
        assert cell.text.startswith("varying (3 values")
        json = json_of(cell)
        assert isinstance(json, dict)
        assert json["varying"] == 3


@pytest.mark.real_data
def test_every_occurrence_of_all_tags_of_an_enhanced_file(real_data: Path) -> None:
    path = real_data / "philips_r57" / "enhanced" / "2001_fcMRI_Field_Mapping.dcm"
    overview = gather([str(path)], Question(asked=select(["EchoTime", "EffectiveEchoTime"]), every=True), nobody)
    found = {label(where): overview.columns[where][0] for where in overview.wheres()}
    assert set(found) == {"MREchoSequence.EffectiveEchoTime", "PrivatePerFrameSq.EchoTime"}
    assert {cell and cell.text for cell in found.values()} == {"varying (2 values, 2.3 .. 4.6)"}


# ---- many files ----


@pytest.mark.real_data
@pytest.mark.parametrize(("series", "varies"), [("1901", set()), ("2101", {"TemporalPositionIdentifier"})])
def test_what_is_the_same_in_a_series_and_what_differs(real_data: Path, series: str, varies: set[str]) -> None:
    paths = sorted((real_data / "philips_r57" / "classic" / series).iterdir())
    overview = gather([str(path) for path in paths], Question(DEFAULTS), nobody)
    same, different = ({label(where) for where in found} for found in (overview.same(), overview.different()))
    assert {"InstanceNumber", "SliceLocation", "ImagePositionPatient"} | varies <= different
    assert {"PatientName", "SeriesNumber", "RepetitionTime", "EchoTime", "FlipAngle"} <= same
    for path, *values in zip(paths, *(overview.columns[where] for where in overview.columns), strict=True):
        read = pydicom.dcmread(path, stop_before_pixels=True)
        for where, cell in zip(overview.columns, values, strict=True):
            keyword = keyword_for_tag(where) if isinstance(where, int) else ""
            if keyword and cell is not None and cell.vr in ("DS", "IS", "LO", "CS"):
                value = read[keyword].value
                parts = [value] if not isinstance(value, pydicom.multival.MultiValue) else list(value)
                assert [str(part) for part in parts] == cell.text.split("\\") or value in (None, "")


def test_files_of_all_sorts_keep_their_order(tmp_path: Path) -> None:
    """Files that the quick way reads, those that are walked, and those that cannot be read, by turns."""
    who = StudyIdentity()
    paths = [written(tmp_path, image, f"c{i}.dcm") for i, image in enumerate(classic_fmri(who, slices=2, dynamics=2))]
    paths.insert(1, written(tmp_path, enhanced_mr(who), "e.dcm"))
    (tmp_path / "text").write_bytes(b"no DICOM" * 100)
    paths.insert(3, str(tmp_path / "text"))
    paths.append(str(tmp_path / "missing"))
    failed: dict[str, Exception] = {}
    overview = gather(paths, Question(DEFAULTS), failed.__setitem__)
    assert [file.path for file in overview.files] == [path for path in paths if path not in failed]
    assert isinstance(failed.pop(str(tmp_path / "text")), NotDicomError)
    assert isinstance(failed.pop(str(tmp_path / "missing")), FileNotFoundError)
    numbers = overview.columns[parse("InstanceNumber")]
    assert [cell and cell.text for cell in numbers] == ["1", "1", "2", "3", "4"]
    frames = overview.columns[parse("NumberOfFrames")]
    assert [cell is not None for cell in frames] == [False, True, False, False, False]
    assert all(len(column) == 5 for column in overview.columns.values())


def test_character_sets_are_each_files_own(tmp_path: Path) -> None:
    paths = []
    for number, (charset, name) in enumerate(
        [("ISO_IR 100", "Müller"), ("ISO_IR 192", "Müller"), ("ISO_IR 144", "Иванов")]
    ):
        (image,) = classic_fmri(StudyIdentity(), slices=1, dynamics=1)
        image.SpecificCharacterSet = charset
        image.PatientName = name
        image.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
        paths.append(str(tmp_path / f"{number}.dcm"))
    overview = gather(paths, Question(DEFAULTS), nobody)
    assert [cell and cell.text for cell in overview.columns[parse("PatientName")]] == ["Müller", "Müller", "Иванов"]
    assert len(overview.distinct(parse("PatientName"))) == 2


@pytest.mark.parametrize("jobs", [2, 3])
def test_several_processes_find_the_same(tmp_path: Path, jobs: int) -> None:
    who = StudyIdentity()
    paths = [written(tmp_path, image, f"{i:02}.dcm") for i, image in enumerate(classic_fmri(who, slices=3, dynamics=3))]
    paths.insert(5, written(tmp_path, enhanced_mr(who), "e.dcm"))
    paths.insert(7, str(tmp_path / "missing"))
    for question in (Question(DEFAULTS), EVERYTHING):
        alone: dict[str, Exception] = {}
        together: dict[str, Exception] = {}
        expected = gather(paths, question, alone.__setitem__)
        found = info_jobs.gather_at_once(paths, question, together.__setitem__, jobs)
        assert list(map(repr, together.items())) == list(map(repr, alone.items()))
        assert list(alone) == [str(tmp_path / "missing")]
        assert found.files == expected.files
        assert found.columns == expected.columns
        assert found.wheres() == expected.wheres()


def test_a_helper_that_dies_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [written(tmp_path, image, f"{i}.dcm") for i, image in enumerate(classic_fmri(StudyIdentity()))]

    def started(part: list[str], question: Question) -> info_jobs._Helper:
        import multiprocessing

        ours, theirs = multiprocessing.Pipe(duplex=False)
        theirs.close()
        return info_jobs._Helper(multiprocessing.Process(target=print), ours, part)

    monkeypatch.setattr(info_jobs, "_started", started)
    monkeypatch.setattr("multiprocessing.process.BaseProcess.join", lambda self: None)
    found = info_jobs.gather_at_once(paths, Question(DEFAULTS), nobody, 2)
    assert found.columns == gather(paths, Question(DEFAULTS), nobody).columns


# ---- the list ----


def test_the_default_list_is_as_the_dictionaries_say() -> None:
    assert len(set(DEFAULTS)) == len(DEFAULTS) > 60
    assert set(UNITS) <= set(DEFAULTS)
    for key in DEFAULTS:
        if isinstance(key, int):
            assert name_of(key) == keyword_for_tag(key)
        else:
            assert key[2] == "Philips Imaging DD 001"


@pytest.mark.real_data
def test_no_file_breaks_it(real_data: Path, tmp_path: Path) -> None:
    """pydicom's odd and broken files, and real ones cut anywhere: values or an error of ours."""
    from pydicom.data import get_testdata_files

    paths = [path for path in get_testdata_files() if Path(path).is_file()]
    source = real_data / "philips_r57" / "classic" / "2101" / "2101_0001.dcm"
    whole = source.read_bytes()
    for length in range(0, len(whole), 1499):
        cut = tmp_path / f"{length}.dcm"
        cut.write_bytes(whole[:length])
        paths.append(str(cut))
    shutil.copy(source, tmp_path / "whole.dcm")
    failures: list[Exception] = []
    for question in (Question(DEFAULTS), EVERYTHING, Question(asked=Selection(everything=True), every=True)):
        overview = gather(paths, question, lambda path, error: failures.append(error))
        assert len(overview.files) > 20
    assert all(isinstance(error, DicomError | OSError) for error in failures)
    assert all("\n" not in str(error) for error in failures)
