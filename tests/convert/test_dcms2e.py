"""`dcms2e`: an Enhanced file from the classic images of the first dynamic and a PAR/REC."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from mrdock.convert.dcms2e import convert, output_path
from mrdock.convert.dcms2e_plan import begin_s
from mrdock.convert.dcms2e_scan import numbers
from mrdock.errors import MrdockError, PlaceError
from tests.builders.geometry import Geometry, Orientation
from tests.builders.par_of_classic import (
    BEGIN_TIME,
    FMRI_STATUS,
    OFFCENTRE,
    RESCALE_SLOPE,
    SCALE_SLOPE,
    WINDOW_CENTER,
)
from tests.convert.dcms2e_support import DYNAMICS, SLICES, Case, case_in, frames_of, images_of, same_as


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return case_in(tmp_path)


def contents(case: Case) -> list[Any]:
    found = dcmread(case.result)
    return list(found.PerFrameFunctionalGroupsSequence)


def private_of(frame: Any, *elements: int) -> list[object]:
    """Values of (2005,10xx) in the private item of a frame."""
    inner = frame.private_block(0x2005, "Philips MR Imaging DD 005")[0x0F].value[0]
    block = inner.private_block(0x2005, "Philips MR Imaging DD 001")
    return [block[low].value for low in elements]


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("endings", [(".PAR", ".REC"), (".par", ".rec"), (".Par", ".REC")])
def test_every_image_is_in_its_place(case: Case, seed: int | None, endings: tuple[str, str]) -> None:
    if seed is not None:
        case.pair.shuffle(seed)
    case.pair.write(case.folder, *endings)
    result = convert(str(case.folder), check=True)
    assert (result.slices, result.dynamics, result.verified) == (SLICES, DYNAMICS, True)
    assert result.dimensions == ("Stack ID", "In-Stack Position Number", "Temporal Position Index")
    assert result.remarks == ()
    same_as(case, case.result)
    order = [
        (item.FrameContentSequence[0].InStackPositionNumber, item.FrameContentSequence[0].TemporalPositionIndex)
        for item in contents(case)
    ]
    assert order == sorted(order)  # as a scanner has it: slice after slice


def test_names_in_another_case(case: Case) -> None:
    case.pair.write(case.folder.with_name("02_RESTING"), ".par", ".Rec")
    convert(str(case.folder))
    same_as(case, case.result)


@pytest.mark.parametrize("orientation", ["SAGITTAL", "CORONAL"])
def test_other_orientations(tmp_path: Path, orientation: Orientation) -> None:
    case = case_in(tmp_path, images_of(geometry=Geometry(orientation=orientation, angulation_deg=(5, -12, 3))))
    case.pair.shuffle(5)
    case.pair.write(case.folder)
    convert(str(case.folder), check=True)
    same_as(case, case.result)


def test_one_slice(tmp_path: Path) -> None:
    case = case_in(tmp_path, images_of(slices=1, dynamics=30))
    case.pair.write(case.folder)
    convert(str(case.folder), check=True)
    same_as(case, case.result, dynamics=30)


def test_other_files_are_left_out(case: Case) -> None:
    from tests.builders import StudyIdentity, part10, presentation_state, raw_data

    case.pair.write(case.folder)
    (case.folder / "PS_0001").write_bytes(part10(presentation_state(StudyIdentity())))
    (case.folder / "XX_0002").write_bytes(part10(raw_data(StudyIdentity())))
    (case.folder / "notes.txt").write_text("second run")
    (case.folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    result = convert(str(case.folder))
    assert sorted(Path(path).name for path in result.left_out) == [".DS_Store", "PS_0001", "XX_0002", "notes.txt"]
    same_as(case, case.result)


def test_what_par_says_of_each_image(case: Case) -> None:
    """Window, begin and rescale values of later dynamics are PAR's, where they are not the first's rounded."""
    image = case.pair.images[-1]  # slice 3 of dynamic 4
    image.columns[WINDOW_CENTER : WINDOW_CENTER + 2] = [321, 654]
    image.columns[BEGIN_TIME] = 6.5
    image.columns[RESCALE_SLOPE], image.columns[SCALE_SLOPE] = 0.5, 0.25
    image.columns[FMRI_STATUS] = 2
    case.pair.write(case.folder)
    convert(str(case.folder), check=True)
    last = contents(case)[-1]
    window, rescale = last.FrameVOILUTSequence[0], last.PixelValueTransformationSequence[0]
    assert (window.WindowCenter, window.WindowWidth) == (321, 654)
    assert (rescale.RescaleSlope, rescale.RescaleIntercept) == (0.5, 0)
    assert private_of(last, 0x0E, 0xA0, 0x63) == [0.25, 6.5, 2]
    other = contents(case)[-2]
    assert other.PixelValueTransformationSequence[0].RescaleSlope == 0.75
    assert private_of(other, 0x0E, 0xA0, 0x63) == [pytest.approx(0.05), 4, 0]


def test_begin_times() -> None:
    assert begin_s(1, 0.0, 1259.232421875) == 0
    assert begin_s(2, 1.26, 1259.232421875) == 1.259
    assert begin_s(75, 93.18, 1259.232421875) == 93.183
    assert begin_s(3, 4.25, 2000.0) == 4.25  # a scan with a delay: PAR knows better


def test_fewer_dynamics_than_planned(case: Case) -> None:
    case.pair.set_general("Max. number of dynamics", "75")
    par, _ = case.pair.write(case.folder)
    result = convert(str(case.folder))
    assert result.remarks == (f"{par}: 75 dynamics were planned; 4 are there",)
    same_as(case, case.result)


def test_a_partial_last_dynamic(case: Case) -> None:
    del case.pair.images[-1]
    case.pair.write(case.folder)
    with pytest.raises(MrdockError, match="--drop-partial leaves out"):
        convert(str(case.folder))
    result = convert(str(case.folder), drop_partial=True, check=True)
    assert (result.dynamics, result.dropped) == (3, (4,))
    same_as(case, case.result, dynamics=3)


def test_trusted_rec(case: Case) -> None:
    other = case.pair.images[2].pixels
    case.pair.images[1].pixels = other
    case.pair.write(case.folder)
    convert(str(case.folder), trust_rec=True, check=True)
    np.testing.assert_array_equal(frames_of(case.result)[2, 1], np.frombuffer(other, "<u2").reshape(8, 6))


def shortened(par: bytes, version: str) -> bytes:
    """A PAR of V4.2 as older versions have it: fewer columns, one digit less in some."""
    columns = {"V4": 41, "V4.1": 48}[version]
    lines = []
    for line in par.replace(b"V4.2", version.encode()).split(b"\r\n"):
        words = line.split()
        late = (b"Max. number of diffusion", b"Max. number of gradient", b"Number of label")
        if version == "V4" and any(word in line for word in late):
            continue
        if line[:1] == b" " and version == "V4":
            for at in range(16, 22):
                words[at] = b"%.1f" % float(words[at])
            words[12] = b"%.3e" % float(words[12])
        lines.append(b" ".join(words[:columns]) if line[:1] == b" " else line)
    return b"\r\n".join(lines)


@pytest.mark.parametrize("version", ["V4", "V4.1"])
def test_older_par(case: Case, version: str) -> None:
    case.pair.shuffle(7)
    par, _ = case.pair.write(case.folder)
    Path(par).write_bytes(shortened(case.pair.par(), version))
    convert(str(case.folder), check=True)
    same_as(case, case.result)


def test_offcentre_in_the_order_of_old_files(case: Case) -> None:
    for image in case.pair.images:
        ap, fh, rl = image.columns[OFFCENTRE : OFFCENTRE + 3]
        image.columns[OFFCENTRE : OFFCENTRE + 3] = [rl, ap, fh]
    case.pair.write(case.folder)
    convert(str(case.folder), check=True)


@pytest.mark.parametrize("off_mm", [0.0, 1.0])
def test_centres_from_position_and_orientation(tmp_path: Path, off_mm: float) -> None:
    """Where the classic images do not have Philips' own centres."""
    images = images_of()
    case = case_in(tmp_path, images)
    for image in images:
        block = image.private_block(0x2005, "Philips MR Imaging DD 001")
        for low in (0x08, 0x09, 0x0A):
            del block[low]
    case.save([image for image in images if image.TemporalPositionIdentifier == 1])
    for line in case.pair.images:
        line.columns[OFFCENTRE] += off_mm  # type: ignore[operator]
    case.pair.write(case.folder)
    if off_mm:
        with pytest.raises(MrdockError, match="offcentre"):
            convert(str(case.folder))
    else:
        convert(str(case.folder))


def test_offcentre_half_a_pixel_off(case: Case) -> None:
    """As release 11 has it, along the rows and columns of the image."""
    row = [float(value) for value in case.images[0].ImageOrientationPatient[:3]]
    for image in case.pair.images:
        for at, component in enumerate((row[1], row[2], row[0])):
            image.columns[OFFCENTRE + at] += component * case.images[0].PixelSpacing[1] / 2
    case.pair.write(case.folder)
    convert(str(case.folder), check=True)


def test_release_11_spelling(case: Case) -> None:
    par, _ = case.pair.write(case.folder)
    text = case.pair.par().decode().replace("\r\n", "\n").replace("e-002", "E-02").replace("\n", " \n")
    text = text.replace("Max. number of diffusion values", "Max. number of Diffusion values")
    text = text.replace("10:15:00", "10:15:00.4100000")
    Path(par).write_bytes(text.encode())
    convert(str(case.folder), check=True)


@pytest.mark.parametrize(
    ("name", "printed"),
    [("Müller^Jörg", "Muller^Jorg"), ("Müller^Jörg", "M?ller^J?rg"), ("Müller^Jörg", "MÃ¼ller^JÃ¶rg"), ("Agar", "")],
)
def test_names_that_par_cannot_hold(tmp_path: Path, name: str, printed: str) -> None:
    images = images_of(SpecificCharacterSet="ISO_IR 192", PatientName=name)
    case = case_in(tmp_path, images)
    case.pair.set_general("Patient name", printed)
    par, _ = case.pair.write(case.folder)
    Path(par).write_bytes(case.pair.par().replace(b"M??ller^J??rg", printed.encode()))
    convert(str(case.folder))


def test_the_result_is_written_only_once(case: Case) -> None:
    case.pair.write(case.folder)
    convert(str(case.folder))
    before = case.result.read_bytes()
    with pytest.raises(PlaceError, match="exists already; --force replaces it"):
        convert(str(case.folder))
    assert case.result.read_bytes() == before
    convert(str(case.folder), force=True)
    assert case.result.read_bytes() != before  # another UID


def test_where_the_result_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.2.840").mkdir()
    monkeypatch.chdir(tmp_path / "1.2.840")
    assert output_path(".") == f"{tmp_path / '1.2.840'}.dcm"
    monkeypatch.chdir(tmp_path)
    assert output_path("1.2.840/") == "1.2.840.dcm"
    assert output_path("1.2.840", str(tmp_path)) == str(tmp_path / "1.2.840.dcm")
    assert output_path("1.2.840", "x.dcm") == "x.dcm"


def test_numbers_in_words() -> None:
    assert numbers([3]) == "3"
    assert numbers([4, 3]) == "3 and 4"
    assert numbers([1, 2, 3, 4]) == "1 to 4"
    assert numbers([1, 3, 9]) == "1, 3 and 9"
    assert numbers(range(1, 21, 2)) == "1, 3, 5, 7, 9, 11 and 4 more"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 4))
def test_a_damaged_par_is_refused_or_does_no_harm(case: Case, seed: int, changes: int) -> None:
    """Whatever stands in the PAR: a sentence, or every image in its place."""
    rng = random.Random(seed)
    par, _ = case.pair.write(case.folder)
    data = bytearray(case.pair.par())
    start = data.index(b"L.ty")
    for _ in range(changes):
        at = rng.randrange(start, len(data)) if rng.random() < 0.8 else rng.randrange(len(data))
        data[at] = rng.choice(b"0123456789.- \n#e\xff")
    Path(par).write_bytes(data)
    try:
        result = convert(str(case.folder), force=True, check=True)
    except MrdockError:
        return
    same_as(case, case.result, dynamics=result.dynamics)
