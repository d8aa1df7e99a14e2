"""What `dcms2e` refuses: one sentence with the reason, and nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mrdock.convert.dcms2e import convert
from mrdock.errors import MrdockError
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.builders.par_of_classic import (
    ANGULATION,
    B_FACTOR,
    B_NUMBER,
    BITS,
    DYNAMIC,
    ECHO,
    INDEX,
    LABEL,
    OFFCENTRE,
    PHASE,
    RESCALE_SLOPE,
    SCALE_SLOPE,
    SLICE,
    TYPE,
    Image,
    X,
    par_of_classic,
)
from tests.convert.dcms2e_support import Case, case_in, images_of

Change = Callable[[Case], object]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return case_in(tmp_path)


def refusal(case: Case) -> str:
    """The sentence, once it is sure that nothing else happened."""
    before = sorted(os.listdir(case.folder.parent))
    with pytest.raises(MrdockError) as caught:
        convert(str(case.folder), check=True)
    assert sorted(os.listdir(case.folder.parent)) == before
    sentence = str(caught.value)
    assert sentence.startswith(str(case.folder.parent))
    assert "\n" not in sentence
    assert not sentence.endswith(".")
    return sentence


def setting(at: int, value: float, *, images: slice = slice(None)) -> Change:
    """Give a column of some images another value."""

    def change(case: Case) -> None:
        for image in case.pair.images[images]:
            image.columns[at] = value

    return change


def general(label: str, value: str) -> Change:
    return lambda case: case.pair.set_general(label, value)


LAST = slice(-1, None)
OF_ANOTHER_SCAN: list[tuple[Change, str]] = [
    (general("Patient name", "Doe^Jane"), "patient name is another"),
    (general("Examination name", "other"), "examination name 'other', in the images 'mrdock demo'"),
    (general("Protocol name", "WIP other"), "protocol name 'WIP other', in the images 'WIP fMRI'"),
    (
        general("Examination date", "2026.01.05 / 10:16:00"),
        "examination at 2026.01.05 / 10:16:00, in",
    ),
    (general("Acquisition nr", "3"), "acquisition 3, in the images 2"),
    (general("Reconstruction nr", "2"), "reconstruction 2, in the images 1"),
    (general("Repetition time", "2500.000  "), "repetition time 2500 ms, in the images 2000 ms"),
    (general("Scan Duration", "25"), "scan duration 25 s, in the images 18 s"),
    (general("FOV", "48.000  17.000  37.000"), "field of view 48/17/37, in the images 48/17/36"),
    (general("Angulation midslice", "-3.500  2.250  0.100"), "angulation of the middle slice -3.5/2.25/0.1, in the"),
    (general("Off Centre midslice", "1.000  30.500  -0.500"), "offcentre of the middle slice 1/30.5/-0.5, in the"),
    (general("EPI factor", "17"), "EPI factor 17, in the images 8"),
    (general("Technique", "T1TFE"), "technique 'T1TFE', in the images 'FEEPI'"),
    (setting(22, 4, images=LAST), "slice thickness 4 in slice 3 of dynamic 4, in the images 5"),
    (setting(23, 0.002), "slice gap 0.002 in slice 1 of dynamic 1"),
    (setting(28, 2.5, images=LAST), "pixel spacing 2.5/"),
    (setting(30, 35), "echo time 35 in slice 1"),
    (setting(35, 60), "flip angle 60"),
    (setting(ANGULATION + 1, 9), "angulation"),
    (setting(OFFCENTRE + 2, 77.25, images=slice(1, 2)), "offcentre"),
    (setting(RESCALE_SLOPE, 0.7501), "rescale slope 0.7501 in slice 1 of dynamic 1, in the images 0.75"),
    (setting(11, -1), "rescale intercept -1"),
    (setting(SCALE_SLOPE, 0.0501), "scale slope 0.0501 in slice 1 of dynamic 1, in the images 0.05"),
]


@pytest.mark.parametrize(("change", "expected"), OF_ANOTHER_SCAN)
def test_a_par_of_another_scan(case: Case, change: Change, expected: str) -> None:
    change(case)
    case.pair.write(case.folder)
    sentence = refusal(case)
    assert "02_Resting.PAR: is not of the scan in 02_Resting: " in sentence
    assert expected in sentence
    assert "Jane" not in sentence


def test_a_par_of_quite_another_scan(case: Case, tmp_path: Path) -> None:
    other = StudyIdentity("another", study_description="other", patient_name="Other", study_time="113000")
    pair = par_of_classic(classic_fmri(other, slices=3, dynamics=4, rows=8, columns=6, description="task"))
    pair.write(case.folder)
    sentence = refusal(case)
    assert sentence.endswith("; and 1 more")


def without(*places: int) -> Change:
    def change(case: Case) -> None:
        case.pair.line_order = [at for at in range(len(case.pair.images)) if at not in places]

    return change


def index_of_another(case: Case) -> None:
    case.pair.images[-1].columns[INDEX] = 3


def twice(case: Case) -> None:
    case.pair.images[-1].columns[SLICE] = 2


def same_index(case: Case) -> None:
    case.pair.images.append(Image(case.pair.images[0].columns, b""))


OF_NO_SUCH_SCAN: list[tuple[Change, str]] = [
    (setting(ECHO, 2, images=LAST), "is of a multi-echo scan; dcms2e converts only scans of several dynamics"),
    (general("Max. number of echoes", "2"), "is of a multi-echo scan"),
    (setting(PHASE, 2, images=LAST), "is of a scan of several phases"),
    (setting(TYPE, 3, images=LAST), "is of images of several types"),
    (setting(B_NUMBER, 2, images=LAST), "is of a diffusion scan"),
    (setting(B_FACTOR, 800), "is of a diffusion scan"),
    (general("Diffusion   ", "1"), "is of a diffusion scan"),
    (setting(LABEL, 2, images=LAST), "is of an ASL scan"),
    (general("Number of label types", "2"), "is of an ASL scan"),
    (general("Max. number of mixes", "2"), "is of a scan of several mixes"),
    (setting(BITS, 8), "its images have 8 bits a pixel, where 16 are wanted"),
    (setting(X, 8), "its images are 8 x 8, the DICOM images 6 x 8"),
    (setting(SLICE, 4, images=LAST), "has 4 slices, the scan in 02_Resting has 3"),
    (setting(DYNAMIC, 0, images=LAST), "has slices or dynamics below 1"),
    (
        setting(DYNAMIC, 2_000_000_000, images=LAST),
        "has 12 image lines, but slices up to 3 and dyn",
    ),
    (without(4), "has no line for slice 2 of dynamic 2"),
    (without(3, 4, 9), "has no line for slices 1 and 2 of dynamic 2, and 1 more dynamics lack some"),
    (without(11), "has no line for slice 3 of dynamic 4; --drop-partial leaves out what is incomplete at the end"),
    (without(*range(3, 12)), "is of one dynamic; dcms2e converts only scans of several dynamics"),
    (index_of_another, "its index of images in the REC cannot be used: it has no index of REC that tells"),
    (twice, "are both slice 2 of dynamic 4"),
    (same_index, "are both slice 1 of dynamic 1"),
]


@pytest.mark.parametrize(("change", "expected"), OF_NO_SUCH_SCAN)
def test_a_par_that_cannot_be_used(case: Case, change: Change, expected: str) -> None:
    change(case)
    case.pair.write(case.folder)
    sentence = refusal(case)
    assert "02_Resting.PAR: " in sentence
    assert expected in sentence


def test_no_pair(case: Case) -> None:
    assert refusal(case).endswith("02_Resting: there is no 02_Resting.PAR beside it; --classic does without")
    _, rec = case.pair.write(case.folder)
    os.unlink(rec)
    assert refusal(case).endswith("02_Resting.PAR: there is no 02_Resting.REC beside it")


def test_several_pairs(case: Case) -> None:
    case.pair.write(case.folder.with_name("02_RESTING"))
    case.pair.write(case.folder.with_name("02_resting"))
    assert "could be meant" in refusal(case)


def test_a_short_rec(case: Case) -> None:
    _, rec = case.pair.write(case.folder)
    os.truncate(rec, len(case.pair.rec()) - 1)
    assert "02_Resting.REC: holds 11 of the 12 images that 02_Resting.PAR lists" in refusal(case)
    os.truncate(rec, 0)
    assert "02_Resting.REC" in refusal(case)


def test_a_rec_of_another_scan(case: Case) -> None:
    case.pair.images[1].pixels = case.pair.images[1].pixels[::-1]
    case.pair.write(case.folder)
    sentence = refusal(case)
    assert "02_Resting.REC: its image of slice 2 in dynamic 1 is not the one in image1; --trust-rec" in sentence


def test_what_is_no_par(case: Case) -> None:
    par, _ = case.pair.write(case.folder)
    Path(par).write_text("no PAR")
    assert "02_Resting.PAR: is no PAR file" in refusal(case)


WRONG_SCANS: list[tuple[dict[str, object], str]] = [
    ({"echoes": 2}, "a multi-echo scan (2 echoes); dcms2e converts only scans of several dynamics"),
    ({"types": ("M", "P")}, "images of several types (M, P); dcms2e converts only"),
]


@pytest.mark.parametrize(("options", "expected"), WRONG_SCANS)
def test_a_directory_of_another_kind_of_scan(tmp_path: Path, options: dict[str, object], expected: str) -> None:
    case = case_in(tmp_path, images_of(**options))  # type: ignore[arg-type]
    case.pair.write(case.folder)
    assert expected in refusal(case)


SERIES_PROBLEMS = [
    ((0x2001, 0x17, "Philips Imaging DD 001"), 5, "a scan of 5 phases"),
    ((0x2005, 0x14, "Philips MR Imaging DD 001"), "Y", "a diffusion scan"),
    ((0x2001, 0x03, "Philips Imaging DD 001"), 1000.0, "a diffusion scan"),
    ((0x2005, 0x28, "Philips MR Imaging DD 005"), 2, "an ASL scan"),
    ((0x2005, 0x29, "Philips MR Imaging DD 005"), "LABEL", "an ASL scan"),
    ((0x2005, 0x21, "Philips MR Imaging DD 001"), 2, "a scan of 2 mixes"),
    ((0x2001, 0x60, "Philips Imaging DD 001"), 3, "a scan of 3 stacks"),
]


@pytest.mark.parametrize(("element", "value", "expected"), SERIES_PROBLEMS)
def test_a_series_of_another_kind(tmp_path: Path, element: tuple[int, int, str], value: object, expected: str) -> None:
    images = images_of()
    group, low, creator = element
    for image in images:
        image.private_block(group, creator)[low].value = value
    case = case_in(tmp_path, images)
    assert f"02_Resting: {expected}; dcms2e converts only scans of several dynamics" in refusal(case)


def first(case: Case, count: int) -> list[Path]:
    return sorted(case.folder.iterdir())[:count]


def remove(case: Case, count: int) -> None:
    for path in first(case, count):
        path.unlink()


def change_one(keyword: str, value: object) -> Change:
    def change(case: Case) -> None:
        image = case.images[DYNAMIC_STEP]
        setattr(image, keyword, value)
        (case.folder / "image1").write_bytes(part10(image))

    return change


DYNAMIC_STEP = 4  # images of one slice stand in a row: the first of the second slice

WRONG_FILES: list[tuple[Change, str]] = [
    (lambda case: remove(case, 1), "2 of 3 slices are there; slice 3 is missing"),
    (lambda case: remove(case, 2), "1 of 3 slices are there; slices 2 and 3 are missing"),
    (lambda case: remove(case, 3), "holds no classic MR images"),
    (lambda case: case.save(case.images), "holds images of 4 dynamics (1 to 4); dcms2e wants those of the first alone"),
    (lambda case: case.save([image for image in case.images if image.TemporalPositionIdentifier == 3]), "of dynamic 3"),
    (lambda case: (case.folder / "copy").write_bytes(first(case, 1)[0].read_bytes()), "are copies of one image"),
    (change_one("SeriesInstanceUID", "1.2.3"), "are of different series"),
    (change_one("TemporalPositionIdentifier", None), "image1 has no Temporal Position Identifier (0020,0100)"),
    (change_one("Manufacturer", "SIEMENS"), "image1: from SIEMENS; dcms2e converts images of Philips scanners"),
    (change_one("ImagePositionPatient", [0, 0, 500]), "slice numbers and positions contradict each other"),
    (change_one("ImageOrientationPatient", [0, 1, 0, 0, 0, 1]), "a scan of several stacks"),
    (change_one("Rows", 7), "differ in their matrix"),
    (lambda case: (case.folder / "x").write_bytes(part10(enhanced_mr(StudyIdentity()))), "x: is Enhanced MR already"),
    (lambda case: os.truncate(first(case, 1)[0], 900), "image0: "),
]


@pytest.mark.parametrize(("change", "expected"), WRONG_FILES)
def test_wrong_files_in_the_directory(case: Case, change: Change, expected: str) -> None:
    case.pair.write(case.folder)
    change(case)
    assert expected in refusal(case)


def test_no_directory(case: Case, tmp_path: Path) -> None:
    with pytest.raises(MrdockError, match="nowhere: is not there"):
        convert(str(tmp_path / "nowhere"))
    with pytest.raises(MrdockError, match="image0: is a file; name the directory that holds the images"):
        convert(str(case.folder / "image0"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(MrdockError, match="empty: holds no classic MR images"):
        convert(str(tmp_path / "empty"))
