"""Kinds of scans that no public file shows, in the attributes in which Philips writes them; files that lack some."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items

from mrdock.errors import UnsuitableError
from mrdock.parrec.reading import read
from tests.builders import StudyIdentity
from tests.builders.enhanced import enhanced_mr
from tests.builders.geometry import Geometry
from tests.conftest import NeedTool
from tests.convert.par_support import IMAGING, MR, MR_5, column, converted, each_frame, general_of, put, save

SAGITTAL = Geometry("SAGITTAL", (5.0, -3.0, 10.0), (-12.0, 4.0, 20.0), 6.0, 4.0, 0.5)


def built(**changes: Any) -> FileDataset:
    """A small scan; see `enhanced_mr`."""
    given: dict[str, Any] = {"slices": 3, "dynamics": 1, "rows": 8, "columns": 8}
    return enhanced_mr(StudyIdentity("par"), **given | changes)


def written(found: FileDataset, tmp_path: Path, **options: Any) -> tuple[str, tuple[str, ...]]:
    """Convert with a check, which must find nothing; the path of the PAR file and the notes."""
    save(found, tmp_path / "scan.dcm")
    result = converted(tmp_path / "scan.dcm", tmp_path / "scan", check=True, force=True, **options)
    assert not result.found
    return result.par, result.notes


def numbers(par: str, at: int, width: int = 1) -> list[Any]:
    """A column as numbers."""
    found = column(par, at, width)
    return [float(each) if width == 1 else [float(one) for one in each] for each in found]


def test_stacks_run_on_in_slice_numbers(tmp_path: Path) -> None:
    first, second = built(), built(geometry=SAGITTAL)

    def shift(number: int, frame: Dataset, private: Dataset) -> None:
        content = frame.FrameContentSequence[0]
        content.StackID, content.DimensionIndexValues = "2", [2, number + 1]
        put(private, 0x2001, 0x0A, IMAGING, "IS", number + 4)

    each_frame(second, shift)
    frames = first.PerFrameFunctionalGroupsSequence
    frames.extend(second.PerFrameFunctionalGroupsSequence)
    stacks = [found.private_block(0x2001, IMAGING)[0x5F].value[0] for found in (first, second)]
    put(first, 0x2001, 0x5F, IMAGING, "SQ", Items(stacks))
    first.NumberOfFrames = 6
    first.PixelData = first.PixelData + second.PixelData
    put(first, 0x2001, 0x18, IMAGING, "SL", 6)
    par, notes = written(first, tmp_path)
    assert numbers(par, 1) == [1, 2, 3, 4, 5, 6]
    assert numbers(par, 26) == [1, 1, 1, 2, 2, 2]
    assert numbers(par, 17, 3)[0] == pytest.approx([-3.5, 2.25, 0], abs=0.006)
    assert numbers(par, 17, 3)[5] == pytest.approx([5, -3, 10], abs=0.006)
    middle = np.mean([numbers(par, 20, 3)[3], numbers(par, 20, 3)[5]], axis=0)
    assert middle == pytest.approx([-12, 4, 20], abs=0.011)
    general = general_of(par)
    assert general["Max. number of slices/locations"] == "6"
    assert general["Angulation midslice(ap,fh,rl)[degr]"] == "-3.500  2.250  0.000"
    assert any(note.startswith("several stacks") for note in notes)


def test_one_stack_of_several(tmp_path: Path) -> None:
    """A file that holds the second of two stacks: its geometry is that of this stack."""
    found, other = built(geometry=SAGITTAL), built()

    def second(number: int, frame: Dataset, private: Dataset) -> None:
        frame.FrameContentSequence[0].StackID = "2"

    stacks = [each.private_block(0x2001, IMAGING)[0x5F].value[0] for each in (other, found)]
    put(each_frame(found, second), 0x2001, 0x5F, IMAGING, "SQ", Items(stacks))
    par, notes = written(found, tmp_path)
    assert set(numbers(par, 26)) == {2}
    assert general_of(par)["Off Centre midslice(ap,fh,rl) [mm]"] == "-12.000  4.000  20.000"
    assert not notes


def test_cardiac_phases(tmp_path: Path) -> None:
    found = built(dynamics=4)

    def phases(number: int, frame: Dataset, private: Dataset) -> None:
        phase = frame.FrameContentSequence[0].TemporalPositionIndex
        private.TemporalPositionIdentifier = 1
        put(private, 0x2001, 0x08, IMAGING, "IS", phase)
        put(private, 0x2005, 0xA0, MR, "FL", 0.0)
        private.TriggerTime = 300 + 250 * (phase - 1)
        private.HeartRate, private.LowRRValue, private.HighRRValue = 62, 900, 1050

    par, notes = written(each_frame(found, phases), tmp_path)
    assert numbers(par, 4) == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert numbers(par, 3) == [1] * 12
    assert numbers(par, 33) == [300] * 3 + [550] * 3 + [800] * 3 + [1050] * 3
    assert [numbers(par, at)[0] for at in (37, 38, 39)] == [62, 900, 1050]
    assert general_of(par)["Max. number of cardiac phases"] == "4"
    assert "cardiac phases: 4 in the file, which is printed; 1 were planned" in notes


def test_trigger_time_that_is_the_begin_of_a_dynamic_is_none(tmp_path: Path) -> None:
    def triggers(number: int, frame: Dataset, private: Dataset) -> None:
        private.TriggerTime = (private.TemporalPositionIdentifier - 1) * 2000

    par, _ = written(each_frame(built(dynamics=3), triggers), tmp_path)
    assert numbers(par, 33) == [0] * 9
    assert numbers(par, 32) == [0, 0, 0, 2, 2, 2, 4, 4, 4]


@pytest.mark.parametrize(
    ("words", "sequence", "codes", "sequence_code"),
    [
        (("W", "IP", "OP", "F"), "FFE", [34, 35, 36, 37], 2),
        (("R", "I", "M", "P"), "IR", [0, 1, 2, 3], 0),
        (("B0",), "UNSPECIFIED", [18], 5),
        (("T2",), "B1", [7], 9),
        (("ADC",), "DERIVED", [11], 3),
        (("M",), "PCA", [0], 4),
    ],
    ids=["dixon", "complex", "b0 map", "b1 map", "adc", "phase contrast"],
)
def test_types_and_sequences_have_their_numbers(
    words: tuple[str, ...], sequence: str, codes: list[int], sequence_code: int, tmp_path: Path
) -> None:
    found = built(dynamics=len(words))

    def kinds(number: int, frame: Dataset, private: Dataset) -> None:
        put(private, 0x2005, 0x11, MR, "CS", words[private.TemporalPositionIdentifier - 1])
        put(private, 0x2005, 0x6E, MR, "CS", sequence)
        private.TemporalPositionIdentifier = 1

    par, notes = written(each_frame(found, kinds), tmp_path)
    assert numbers(par, 5) == [code for code in codes for _ in range(3)]
    assert set(numbers(par, 6)) == {sequence_code}
    assert not any("no number" in note for note in notes)


def test_flow(tmp_path: Path) -> None:
    found = built(types=("M", "P"))
    put(found, 0x2001, 0x1A, IMAGING, "FL", [0.0, 150.0, 0.0])
    put(found, 0x2005, 0x16, MR, "CS", "Y")

    def encoded(number: int, frame: Dataset, private: Dataset) -> None:
        frame.MRImageFrameTypeSequence[0].AcquisitionContrast = "FLOW_ENCODED"
        put(private, 0x2005, 0x6E, MR, "CS", "PCA")

    par, _ = written(each_frame(found, encoded), tmp_path)
    assert general_of(par)["Phase encoding velocity [cm/sec]"] == "0.000000  150.000000  0.000000"
    assert general_of(par)["Flow compensation <0=no 1=yes> ?"] == "1"
    assert set(numbers(par, 44)) == {1}
    assert numbers(par, 12) == [0] * 3 + [-3142] * 3


def test_diffusion_with_trace_and_adc(tmp_path: Path) -> None:
    """Numbered as scanners do: directions from 1, b = 0, the trace and the ADC map with the number behind them."""
    volumes = [
        (0, 1, 4, "M"),
        (1000, 2, 1, "M"),
        (1000, 2, 2, "M"),
        (1000, 2, 3, "M"),
        (1000, 2, 4, "M"),
        (0, 1, 4, "ADC"),
    ]
    directions = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0.6, 0.8], [0, 0, 0], [0, 0, 0]])

    def weighted(number: int, frame: Dataset, private: Dataset) -> None:
        volume = private.TemporalPositionIdentifier - 1
        factor, b_number, gradient, kind = volumes[volume]
        private.TemporalPositionIdentifier = 1
        put(private, 0x2001, 0x03, IMAGING, "FL", float(factor))
        put(private, 0x2005, 0x12, MR_5, "IS", b_number)
        put(private, 0x2005, 0x13, MR_5, "IS", gradient)
        put(private, 0x2005, 0x11, MR, "CS", kind)
        for low, value in zip((0xB0, 0xB1, 0xB2), directions[volume], strict=True):
            put(private, 0x2005, low, MR, "FL", value)

    found = each_frame(built(dynamics=6), weighted)
    put(found, 0x2005, 0x14, MR, "CS", "Y")
    put(found, 0x2005, 0x14, MR_5, "SL", 2)
    put(found, 0x2005, 0x15, MR_5, "SL", 4)
    par, notes = written(found, tmp_path)
    whole = [(int(g), int(b), f) for g, b, f in zip(column(par, 43), column(par, 42), numbers(par, 34), strict=True)]
    expected = [(1, 2, 1000), (2, 2, 1000), (3, 2, 1000), (4, 1, 0), (4, 2, 1000), (4, 1, 0)]
    assert whole == [each for each in expected for _ in range(3)]
    assert numbers(par, 46, 3)[6] == pytest.approx([0.6, 0.8, 0])  # along ap, fh, rl
    assert numbers(par, 5) == [0] * 15 + [11] * 3
    general = general_of(par)
    assert general["Diffusion         <0=no 1=yes> ?"] == "1"
    assert [general[f"Max. number of {what}"] for what in ("diffusion values", "gradient orients")] == ["2", "4"]
    assert not any("alike" in note or "tell them apart" in note for note in notes)


def test_echoes(tmp_path: Path) -> None:
    par, notes = written(built(echoes=3, types=("M", "P")), tmp_path)
    assert numbers(par, 2) == [1, 1, 1, 2, 2, 2, 3, 3, 3] * 2
    assert numbers(par, 31) == [12.0] * 3 + [35.0] * 3 + [58.0] * 3 + [12.0] * 3 + [35.0] * 3 + [58.0] * 3
    assert general_of(par)["Max. number of echoes"] == "3"
    assert not notes


def test_labels(tmp_path: Path) -> None:
    par, _ = written(built(dynamics=2, labels=("CONTROL", "LABEL")), tmp_path)
    assert numbers(par, 49) == [1, 1, 1, 2, 2, 2] * 2
    assert general_of(par)["Number of label types   <0=no ASL>"] == "2"


def test_a_stopped_scan_has_the_dynamics_it_has(tmp_path: Path) -> None:
    found = built(dynamics=6, missing={(number, dynamic) for number in (1, 2, 3) for dynamic in (4, 5, 6)})
    par, notes = written(found, tmp_path)
    assert general_of(par)["Max. number of dynamics"] == "3"
    assert "dynamics: 3 in the file, which is printed; 6 were planned" in notes
    assert read(par).shape == (3, 3, 8, 8)


def test_slices_that_a_stopped_scan_lacks_are_noted(tmp_path: Path) -> None:
    _, notes = written(built(dynamics=3, missing={(3, 3)}), tmp_path)
    assert any(note.startswith("volumes: some lack slices") for note in notes)


def test_two_repetition_times(tmp_path: Path) -> None:
    found = built()
    put(found, 0x2005, 0x30, MR, "FL", [25.0, 125.0])
    put(found, 0x2005, 0x21, MR, "SS", 2)
    par, notes = written(found, tmp_path)
    assert general_of(par)["Repetition time [ms]"] == "25.000  125.000  "
    assert general_of(par)["Max. number of mixes"] == "2"
    assert any(note.startswith("repetition times") for note in notes)


def test_without_philips_own_image_attributes(tmp_path: Path) -> None:
    """Of a file that went through other hands; standard attributes give the same order and geometry."""
    whole = built(dynamics=2, echoes=2, types=("M", "P"), geometry=SAGITTAL)
    before, _ = written(whole, tmp_path)
    keys = [column(before, at) for at in (1, 2, 3, 5, 26, 31)]
    places = numbers(before, 17, 6)
    bare = built(dynamics=2, echoes=2, types=("M", "P"), geometry=SAGITTAL)
    for frame in bare.PerFrameFunctionalGroupsSequence:
        del frame[0x2005, 0x140F]
    for element in list(bare):
        if element.tag.is_private:
            del bare[element.tag]
    after, notes = written(bare, tmp_path)
    assert [column(after, at) for at in (1, 2, 3, 5, 26, 31)] == keys
    assert numbers(after, 17, 6) == places
    assert numbers(after, 32) == numbers(before, 32)
    assert numbers(after, 14) == pytest.approx([1 / slope for slope in numbers(after, 13)], rel=1e-5)
    for what in ("Philips' own image attributes", "scale slope", "water fat shift", "slice orientation", "midslice"):
        assert any(note.startswith(what) for note in notes), what


def test_stacks_whose_creator_was_taken_away(tmp_path: Path, need_tool: NeedTool) -> None:
    """In implicit VR nothing says then that the sequence is one; anonymised files are so."""
    keys = ("FOV (ap,fh,rl) [mm]", "Preparation direction", "Off Centre midslice(ap,fh,rl) [mm]")
    found = built(geometry=SAGITTAL)
    expected = [general_of(written(found, tmp_path)[0])[key] for key in keys]
    for element in list(found):
        if element.tag.is_private and element.tag != 0x2001105F:
            del found[element.tag]
    path = save(found, tmp_path / "bare.dcm")
    subprocess.run([need_tool("dcmconv"), "+ti", path, path], check=True)
    result = converted(path, tmp_path / "bare", check=True)
    assert [general_of(result.par)[key] for key in keys] == expected
    assert not result.found


def test_what_stands_for_no_value_is_none(tmp_path: Path) -> None:
    found = built()

    def nothing(number: int, frame: Dataset, private: Dataset) -> None:
        private.NumberOfAverages = None
        private.HeartRate = 2147483647
        put(private, 0x2005, 0xA0, MR, "FL", 1.7e38)
        put(private, 0x2001, 0x03, IMAGING, "FL", float("nan"))
        put(private, 0x2005, 0x04, MR, "LO", "-")

    each_frame(found, nothing)
    found.SharedFunctionalGroupsSequence[0].MRAveragesSequence[0].NumberOfAverages = None
    put(found, 0x2005, 0x33, MR, "FL", 1.7e38)
    found.AcquisitionDuration = 7.23e75
    par, _ = written(found, tmp_path)
    assert [set(numbers(par, at)) for at in (25, 32, 34, 35, 37)] == [{0}] * 5
    assert general_of(par)["Scan Duration [sec]"] == "12"  # FrameAcquisitionDuration, which is there


def test_words_without_a_number_are_noted(tmp_path: Path) -> None:
    def strange(number: int, frame: Dataset, private: Dataset) -> None:
        put(private, 0x2005, 0x11, MR, "CS", "QUANTUM")
        put(private, 0x2005, 0x6E, MR, "CS", "ODD")

    par, notes = written(each_frame(built(types=("P",)), strange), tmp_path)
    assert "image type: 'QUANTUM' has no number in a PAR file; printed is that of the complex image component" in notes
    assert "scanning sequence: 'ODD' has no number in a PAR file; printed is 2" in notes
    assert set(numbers(par, 5)) == {3}


def test_positions_of_outer_corners_are_seen(tmp_path: Path) -> None:
    """The convention of release 2.5: the stack's offcentre shows it."""
    expected = column(written(built(), tmp_path)[0], 20, 3)

    def outer(number: int, frame: Dataset, private: Dataset) -> None:
        frame.PlanePositionSequence[0].ImagePositionPatient = private.ImagePositionPatient

    save(each_frame(built(), outer), tmp_path / "scan.dcm")
    result = converted(tmp_path / "scan.dcm", tmp_path / "scan", force=True)
    assert column(result.par, 20, 3) == expected
    assert any("outer corners" in note for note in result.notes)


def test_slices_that_were_cut_off_move_the_middle(tmp_path: Path) -> None:
    found = built(slices=5)
    frames = found.PerFrameFunctionalGroupsSequence
    found.PerFrameFunctionalGroupsSequence = frames[:3]
    found.PixelData = found.PixelData[: 3 * 128]
    found.NumberOfFrames = 3
    par, notes = written(found, tmp_path)
    middle = [float(each) for each in general_of(par)["Off Centre midslice(ap,fh,rl) [mm]"].split()]
    assert middle == pytest.approx(numbers(par, 20, 3)[1], abs=0.006)
    assert any(note.startswith("midslice: the file puts it 6.00 mm off") for note in notes)


def test_names_are_printed_as_a_par_file_can(tmp_path: Path) -> None:
    found = built(PatientName="M\u00fcller^J\u00f6rg", ProtocolName="x" * 60, StudyDescription="other")
    found.SpecificCharacterSet = "ISO_IR 100"
    par, notes = written(found, tmp_path)
    general = general_of(par)
    assert general["Patient name"] == "Muller^Jorg"
    assert general["Protocol name"] == "x" * 49
    assert general["Examination name"] == "mrdock demo"
    assert len([note for note in notes if "cannot hold" in note]) == 2
    blank, _ = written(found, tmp_path, anonymous=True)
    assert general_of(blank)["Patient name"] == ""


def test_8_bit_pixels(tmp_path: Path) -> None:
    found = built()
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit = 7
    found.PixelData = bytes(range(192))
    found["PixelData"].VR = "OB"
    par, _ = written(found, tmp_path)
    assert set(numbers(par, 8)) == {8}
    assert Path(par).with_suffix(".REC").read_bytes() == bytes(range(192))


def test_signed_pixels_are_written_unless_negative(tmp_path: Path) -> None:
    found = built(PixelRepresentation=1)
    written(found, tmp_path)
    found.PixelData = np.full(192, -5, "<i2").tobytes()
    found.BitsStored, found.HighBit = 16, 15
    save(found, tmp_path / "scan.dcm")
    before = (tmp_path / "scan.REC").read_bytes()
    with pytest.raises(UnsuitableError, match="its pixels are negative"):
        converted(tmp_path / "scan.dcm", tmp_path / "scan", force=True)
    assert (tmp_path / "scan.REC").read_bytes() == before
    assert not list(tmp_path.glob(".*.part"))


def test_32_bit_pixels_are_refused(tmp_path: Path) -> None:
    found = built()
    found.BitsAllocated = found.BitsStored = 32
    found.HighBit = 31
    found.PixelData = bytes(768)
    save(found, tmp_path / "scan.dcm")
    with pytest.raises(UnsuitableError, match="its pixels are 32-bit numbers; a REC file holds 8 or 16 bits"):
        converted(tmp_path / "scan.dcm", tmp_path / "scan")


def test_another_manufacturers_file_is_refused(tmp_path: Path) -> None:
    found = built(Manufacturer="SIEMENS")
    save(found, tmp_path / "same.dcm")
    converted(tmp_path / "same.dcm", tmp_path / "same")  # it has Philips' attributes
    for frame in found.PerFrameFunctionalGroupsSequence:
        del frame[0x2005, 0x140F]
    save(found, tmp_path / "scan.dcm")
    with pytest.raises(UnsuitableError, match="made by SIEMENS; dcm2par converts those of Philips"):
        converted(tmp_path / "scan.dcm", tmp_path / "scan")
    found.Manufacturer = ""
    save(found, tmp_path / "scan.dcm")
    with pytest.raises(UnsuitableError, match="of an unnamed manufacturer"):
        converted(tmp_path / "scan.dcm", tmp_path / "scan")


def test_what_varies_and_has_no_place_is_noted(tmp_path: Path) -> None:
    def temperature(number: int, frame: Dataset, private: Dataset) -> None:
        frame.MRImageFrameTypeSequence[0].PixelPresentation = ("MONOCHROME", "COLOR")[number % 2]

    save(each_frame(built(), temperature), tmp_path / "scan.dcm")
    result = converted(tmp_path / "scan.dcm", tmp_path / "scan", thorough=True)
    assert result.notes == (
        "MRImageFrameTypeSequence.PixelPresentation: varies between images, a PAR file has no place for it",
    )


def test_a_small_rescale_slope_is_noted(tmp_path: Path) -> None:
    def small(number: int, frame: Dataset, private: Dataset) -> None:
        frame.PixelValueTransformationSequence[0].RescaleSlope = "0.00067"

    _, notes = written(each_frame(built(), small), tmp_path)
    assert any(note.startswith("rescale slope: is small, and its 5 decimals are up to 0.7% off") for note in notes)
