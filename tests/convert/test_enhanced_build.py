"""The builder on small synthetic scans: what differs between images, other encodings, inputs that cannot be used."""

from __future__ import annotations

import struct
import subprocess
import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import RLELossless

from mrdock.convert.enhanced_build import BuildReport, build
from mrdock.convert.enhanced_encoding import Attribute, decimal, encoded, numbers_of, text
from mrdock.convert.enhanced_filling import later
from mrdock.convert.enhanced_frames import Frame, Rescale
from mrdock.convert.enhanced_source import INNER, ClassicImage, read_classic, read_pixels
from mrdock.errors import DicomError, MalformedError, NotDicomError, UnsuitableError
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.builders.elements import file_start
from tests.conftest import NeedTool

from .enhanced_support import NOW, read_all

ITEM, SHARED_ITEM = 0x2005140F, 0x2005140E
IMAGING, ITEMS = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"


def scan(**what: object) -> list[FileDataset]:
    """Small classic images."""
    options: dict[str, object] = {"slices": 2, "dynamics": 1, "rows": 4, "columns": 6} | what
    return classic_fmri(StudyIdentity("small"), **options)  # type: ignore[arg-type]


def saved(folder: Path, files: Sequence[FileDataset]) -> list[Path]:
    """The files written with their own encoding."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:04d}" for number, _ in enumerate(files)]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(part10(file))
    return paths


def frames_of(images: Sequence[ClassicImage]) -> list[Frame]:
    return [Frame(image, temporal=image.whole(0x00200100, 1)) for image in images]


def built(frames: Sequence[Frame], pixels: NDArray[np.uint16] | None = None) -> FileDataset:
    """The file that the builder makes of these frames."""
    return made(frames, pixels)[0]


def made(frames: Sequence[Frame], pixels: NDArray[np.uint16] | None = None) -> tuple[FileDataset, BuildReport]:
    """The same, with the report."""
    if pixels is None:
        pixels = np.arange(len(frames) * 24, dtype=np.uint16).reshape(-1, 4, 6)
    out = BytesIO()
    report = build(frames, lambda numbers: pixels[numbers], out, now=NOW)
    return dcmread(BytesIO(out.getvalue())), report


def build_of(folder: Path, files: Sequence[FileDataset]) -> FileDataset:
    return built(frames_of(read_all(saved(folder, files))))


def per_frame(file: FileDataset) -> list[Dataset]:
    return list(file.PerFrameFunctionalGroupsSequence)


def item(frame: Dataset) -> Dataset:
    found: Dataset = frame[ITEM].value[0]
    return found


def without_uids(data_set: Dataset) -> str:
    """All elements as text, but those that each build makes anew."""
    new = ("2.25.", "(0002,0000)")  # the length of the meta group depends on them
    return "\n".join(line for line in str(data_set).splitlines() if not any(word in line for word in new))


def test_file_says_what_it_is(tmp_path: Path) -> None:
    file = build_of(tmp_path, scan())
    assert file.SOPClassUID == file.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.4.1"
    assert (file.InstanceCreationDate, file.InstanceCreationTime) == ("20240506", "070809.123")
    assert (file.NumberOfFrames, file.Rows, file.Columns) == (2, 4, 6)
    assert file.ContentQualification == "RESEARCH"
    assert file.AcquisitionContextSequence == []
    assert "ReferencedImageSequence" not in file
    assert file.SharedFunctionalGroupsSequence[0][SHARED_ITEM].value[0].SOPClassUID == "1.2.840.10008.5.1.4.1.1.4"


def test_echoes_and_types_have_the_dimensions_order_and_frame_types_of_scanners(tmp_path: Path) -> None:
    images = read_all(saved(tmp_path, scan(echoes=2, types=("M", "P"))))
    file, report = made(frames_of(list(reversed(images))))
    assert report.dimensions == (
        "Stack ID", "In-Stack Position Number", "Private ImageTypeMR", "Effective Echo Time",
    )  # fmt: skip
    values = [list(frame.FrameContentSequence[0].DimensionIndexValues) for frame in per_frame(file)]
    assert values == [[1, place, kind, echo] for kind in (0, 3) for place in (1, 2) for echo in (1, 2)]
    assert [frame.MRImageFrameTypeSequence[0].FrameType[3] for frame in per_frame(file)] == list("MMMMPPPP")
    assert (file.ImageType[3], file.ComplexImageComponent) == ("MIXED", "MIXED")
    private = file.DimensionIndexSequence[2]
    assert (private.DimensionIndexPrivateCreator, private.FunctionalGroupPrivateCreator) == (IMAGING, ITEMS)


def test_pixels_stand_in_the_order_of_the_frames(tmp_path: Path) -> None:
    images = read_all(saved(tmp_path, scan(slices=3, dynamics=2)))
    given_order = [images[number] for number in (5, 0, 3, 2, 4, 1)]
    pixels = np.stack([np.frombuffer(read_pixels(image), "<u2").reshape(4, 6) for image in given_order])
    file = built(frames_of(given_order), pixels)
    by_uid = {image.text(0x00080018): plane for image, plane in zip(given_order, pixels, strict=True)}
    for frame, stored in zip(per_frame(file), file.pixel_array, strict=True):
        assert np.array_equal(stored, by_uid[item(frame).SOPInstanceUID])


def test_what_varies_between_images_goes_to_the_frames(tmp_path: Path) -> None:
    """A shared group becomes one of each frame, an element of the top level one of the private item."""
    files = scan(slices=3)
    for number, file in enumerate(files):
        file.RepetitionTime = 2000 + number
        file.private_block(0x2005, IMAGING).add_new(0x99, "SL", number)
        file.add_new(0x0018_9999, "LO", f"unknown {number}")
        file.PatientWeight = 70 + number
    file = build_of(tmp_path, files)
    assert "MRTimingAndRelatedParametersSequence" not in file.SharedFunctionalGroupsSequence[0]
    assert "MRAveragesSequence" in file.SharedFunctionalGroupsSequence[0]
    timing = [frame.MRTimingAndRelatedParametersSequence[0].RepetitionTime for frame in per_frame(file)]
    assert timing == [2000, 2001, 2002]
    assert [item(frame)[0x2005, 0x1099].value for frame in per_frame(file)] == [0, 1, 2]
    assert [item(frame)[0x0018, 0x9999].value for frame in per_frame(file)] == ["unknown 0", "unknown 1", "unknown 2"]
    assert (0x2005, 0x1099) not in file
    assert (0x0018, 0x9999) not in file
    assert file.PatientWeight == 70  # what a file needs at its top level stays
    assert [item(frame).PatientWeight for frame in per_frame(file)] == [70, 71, 72]


def test_what_is_the_same_in_all_images_stays_at_the_top_level(tmp_path: Path) -> None:
    files = scan()
    for file in files:
        file.private_block(0x2005, IMAGING).add_new(0x99, "SL", 7)
        file.private_block(0x2005, "SOMEBODY ELSE", create=True).add_new(0x01, "LO", "kept")
        file.private_block(0x0019, "ANOTHER", create=True).add_new(0x02, "LO", "kept, too")
    file = build_of(tmp_path, files)
    assert file[0x2005, 0x1099].value == 7
    assert file.private_block(0x2005, "SOMEBODY ELSE")[0x01].value == "kept"
    assert file.private_block(0x0019, "ANOTHER")[0x02].value == "kept, too"


@pytest.mark.peer
@pytest.mark.parametrize("switch", ["+ti", "+tb"], ids=["implicit", "big endian"])
def test_other_transfer_syntaxes_give_the_same_file(tmp_path: Path, need_tool: NeedTool, switch: str) -> None:
    paths = saved(tmp_path, scan())
    others = [path.with_name(f"{path.name}.other") for path in paths]
    for path, other in zip(paths, others, strict=True):
        subprocess.run([need_tool("dcmconv"), switch, str(path), str(other)], check=True, timeout=60)
    ours, theirs = (built(frames_of(read_all(each))) for each in (paths, others))
    assert without_uids(ours) == without_uids(theirs)
    ours_, theirs_ = ([read_pixels(read_classic(str(path))) for path in each] for each in (paths, others))
    assert ours_ == theirs_


def test_creators_in_capitals_and_other_blocks_give_the_same_file(tmp_path: Path) -> None:
    expected = build_of(tmp_path / "a", scan())
    files = scan()
    for file in files:
        moved = {element.tag: element for element in file if element.tag.is_private}
        for tag, element in moved.items():
            del file[tag]
            low = tag.element
            if low < 0x100:
                file.add_new((tag.group, low + 0x40), "LO", str(element.value).upper())
            else:
                file.add_new((tag.group, low + 0x4000), element.VR, element.value)
    assert without_uids(build_of(tmp_path / "b", files)) == without_uids(expected)


def test_private_elements_of_nobody_are_left_out(tmp_path: Path) -> None:
    files = scan()
    for file in files:
        file.add_new(0x0021_1001, "LO", "whose?")
    assert (0x0021, 0x1001) not in build_of(tmp_path, files)


def test_a_file_of_many_blocks_is_whole(tmp_path: Path) -> None:
    """20 MB, which begin to go to disk before all is written."""
    files = scan(slices=1)
    files[0].Rows = files[0].Columns = 512
    (image,) = read_all(saved(tmp_path, files))
    frames = [Frame(image, own=number == 0, temporal=number + 1) for number in range(40)]
    pixels = np.random.default_rng(1).integers(0, 4096, (40, 512, 512)).astype(np.uint16)
    path = tmp_path / "large.dcm"
    with path.open("wb") as stream:
        build(frames, lambda numbers: pixels[numbers], stream, now=NOW)
    file = dcmread(path)
    assert np.array_equal(file.pixel_array, pixels)
    assert item(per_frame(file)[39])[0x2005, 0x100B].value > 0


def test_later_dynamics_get_what_is_said_of_them(tmp_path: Path) -> None:
    first = read_all(saved(tmp_path, scan(slices=2)))
    frames = [
        Frame(image)
        if dynamic == 1
        else Frame(
            image,
            own=False,
            temporal=dynamic,
            begin_s=2.5 * (dynamic - 1),
            window=(100 + dynamic, 55.5),
            rescale=Rescale(-10, 2.0, 0.25) if dynamic == 3 else None,
        )
        for dynamic in (1, 2, 3)
        for image in first
    ]
    file = built(frames)
    dynamics = [frame for frame in per_frame(file) if frame.FrameContentSequence[0].InStackPositionNumber == 1]
    assert [int(item(frame).TemporalPositionIdentifier) for frame in dynamics] == [1, 2, 3]
    assert [item(frame)[0x2005, 0x10A0].value for frame in dynamics] == [0, 2.5, 5.0]
    assert [float(frame.FrameVOILUTSequence[0].WindowCenter) for frame in dynamics[1:]] == [102, 103]
    assert [float(item(frame).WindowWidth) for frame in dynamics[1:]] == [55.5, 55.5]
    third = dynamics[2].PixelValueTransformationSequence[0]
    assert (third.RescaleIntercept, third.RescaleSlope, third.RescaleType) == (-10, 2, "US")
    private = item(dynamics[2])
    assert (private.RescaleSlope, private[0x2005, 0x100E].value, private[0x2005, 0x100D].value) == (2, 0.25, 5)
    assert private[0x2005, 0x100B].value == (file.pixel_array[2].max() * 2 - 10) / 0.5
    assert private[0x2005, 0x100C].value == (file.pixel_array[2].min() * 2 - 10) / 0.5
    begin = float(dynamics[0].FrameContentSequence[0].FrameAcquisitionDateTime[8:])
    times = [float(frame.FrameContentSequence[0].FrameAcquisitionDateTime[8:]) for frame in dynamics]
    assert times == pytest.approx([begin, begin + 2.5, begin + 5.0], abs=0.01)


def test_instance_numbers_go_on_as_the_scanner_counts(tmp_path: Path) -> None:
    """Dynamics first where the numbers of the slices leave room for them, else slices first."""
    for step in (1, 75):
        files = scan(slices=3)
        for number, file in enumerate(files):
            file.InstanceNumber = number * step + 1
        first = read_all(saved(tmp_path / str(step), files))
        frames = [Frame(image, own=dynamic == 1, temporal=dynamic) for image in first for dynamic in (1, 2, 3)]
        numbers = [int(item(frame).InstanceNumber) for frame in per_frame(built(frames))]
        expected = [1, 4, 7, 2, 5, 8, 3, 6, 9] if step == 1 else [1, 2, 3, 76, 77, 78, 151, 152, 153]
        assert numbers == expected


def test_only_phased_scans_have_trigger_times(tmp_path: Path) -> None:
    for phases, has in ((1, False), (4, True)):
        files = scan()
        for file in files:
            file.TriggerTime, file.HeartRate = 250, 60
            file.private_block(0x2001, "Philips Imaging DD 001").add_new(0x17, "SL", phases)
        frame = per_frame(build_of(tmp_path / str(phases), files))[0]
        assert ("TriggerTime" in item(frame)) == has
        assert ("CardiacSynchronizationSequence" in frame) == has
    assert frame.CardiacSynchronizationSequence[0].NominalCardiacTriggerDelayTime == 250
    assert frame.CardiacSynchronizationSequence[0].RRIntervalTimeNominal == 1000


def test_diffusion_scans_have_directions(tmp_path: Path) -> None:
    files = scan(slices=1, dynamics=3)
    for number, file in enumerate(files):
        file.TemporalPositionIdentifier = 1
        file.DiffusionBValue = (0.0, 800.0, 800.0)[number]
        file.DiffusionGradientOrientation = [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]][number]
        imaging, items_ = (file.private_block(0x2005, creator) for creator in (IMAGING, ITEMS))
        imaging.add_new(0x14, "CS", "Y")
        items_.add_new(0x12, "IS", 1 + bool(number))
        items_.add_new(0x13, "IS", (2, 1, 2)[number])
    file, report = made(frames_of(read_all(saved(tmp_path, files))))
    assert report.dimensions[2:] == ("Diffusion b-value", "Diffusion Gradient Orientation")
    found = [frame.MRDiffusionSequence[0] for frame in per_frame(file)]
    assert [group.DiffusionDirectionality for group in found] == ["NONE", "DIRECTIONAL", "ISOTROPIC"]
    assert found[1].DiffusionGradientDirectionSequence[0].DiffusionGradientOrientation == [0, 1, 0]


def test_elements_too_long_are_left_out_with_a_remark(tmp_path: Path) -> None:
    files = scan()
    files[1].add_new(0x0018_9999, "OB", bytes(70_000))
    images = read_all(saved(tmp_path, files))
    file, report = made(frames_of(images))
    assert report.remarks == (f"{images[1].path}: (0018,9999) is too long for a classic MR image and was left out",)
    assert (0x0018, 0x9999) not in file


def test_images_without_the_private_item_make_a_file_that_lacks_what_it_says(tmp_path: Path) -> None:
    files = scan()
    for each in files:
        del each[ITEM]
    images = read_all(saved(tmp_path, files))
    file, report = made(frames_of(images))
    said = "lacks Philips' private item (2005,140F), and the result what it says of coils and pulse sequence"
    assert report.remarks == (f"{images[0].path}: {said}",)
    assert "MRReceiveCoilSequence" in file.SharedFunctionalGroupsSequence[0]
    assert "ReceiveCoilType" not in file.SharedFunctionalGroupsSequence[0].MRReceiveCoilSequence[0]
    assert per_frame(file)[0].MRImageFrameTypeSequence[0].FrameType == ["ORIGINAL", "PRIMARY", "UNKNOWN", "NONE"]


def test_compressed_pixels_are_decoded(tmp_path: Path) -> None:
    (plain,) = saved(tmp_path, scan(slices=1))
    file = dcmread(plain)
    expected = read_pixels(read_classic(str(plain)))
    file.compress(RLELossless)
    packed = tmp_path / "packed"
    file.save_as(packed)
    assert read_pixels(read_classic(str(packed))) == expected
    packed.write_bytes(packed.read_bytes()[:-40])
    with pytest.raises(DicomError, match="packed: "):
        read_pixels(read_classic(str(packed)))


def enhanced(folder: Path) -> Path:
    path = folder / "enhanced"
    path.write_bytes(part10(enhanced_mr(StudyIdentity("small"), slices=2, dynamics=2, rows=4, columns=4)))
    return path


def a_ct_image(_: Path) -> Path:
    return Path(str(get_testdata_file("CT_small.dcm")))


def no_dicom(folder: Path) -> Path:
    path = folder / "text"
    path.write_text("nothing " * 100)
    return path


def cut(folder: Path) -> Path:
    (path,) = saved(folder, scan(slices=1))
    path.write_bytes(path.read_bytes()[:3000])
    return path


def endless(folder: Path) -> Path:
    """A header of more elements than any classic image has."""
    path = folder / "endless"
    long = b"".join(
        struct.pack("<HH2sH", 0x0009 + 2 * group, 0x1000 + n, b"LO", 0) for group in range(9) for n in range(9999)
    )
    path.write_bytes(file_start("1.2.840.10008.5.1.4.1.1.4", "1.2.3") + long)
    return path


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (enhanced, UnsuitableError, "no classic MR image"),
        (a_ct_image, UnsuitableError, "no classic MR image"),
        (no_dicom, NotDicomError, "no DICOM"),
        (cut, MalformedError, "cut short|ends in the middle"),
        (endless, MalformedError, "too large for a classic MR image"),
    ],
)
def test_files_that_cannot_be_used_give_a_sentence(
    tmp_path: Path, make: Callable[[Path], Path], error: type[DicomError], said: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(error, match=said) as raised:
        read_classic(str(path))
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


def test_frames_that_do_not_go_together_give_a_sentence(tmp_path: Path) -> None:
    files = scan()
    files[1].Rows, files[1].Columns = 6, 4
    turned = frames_of(read_all(saved(tmp_path / "turned", files)))
    with pytest.raises(UnsuitableError, match=r"turned/0001: 4 x 6 pixels where others have 6 x 4"):
        built(turned)
    images = read_all(saved(tmp_path / "alike", scan(slices=1)) * 2)
    with pytest.raises(UnsuitableError, match=r"alike/0000: nothing tells this image from .*alike/0000"):
        built(frames_of(images))
    eight = scan(slices=1)
    eight[0].BitsAllocated = 8
    with pytest.raises(UnsuitableError, match=r"eight/0000: its pixels are not of 16 bits each"):
        build_of(tmp_path / "eight", eight)
    with pytest.raises(UnsuitableError, match="no frames"):
        built([])
    apart = [read_classic(str(path)) for path in saved(tmp_path / "apart", scan())]
    with pytest.raises(UnsuitableError, match="was read apart"):
        built(frames_of(apart))


def test_too_many_pixels_give_a_sentence_before_any_is_taken(tmp_path: Path) -> None:
    (image,) = read_all(saved(tmp_path, scan(slices=1)))
    huge = read_classic(image.path)
    size = {
        0x00280010: Attribute("US", struct.pack("<H", 65535)),
        0x00280011: Attribute("US", struct.pack("<H", 65535)),
    }
    wide = ClassicImage(huge.path, {**huge.common, **size})
    with pytest.raises(UnsuitableError, match="too many for one DICOM file"):
        built([Frame(wide)])


def test_an_error_of_the_pixels_comes_through(tmp_path: Path) -> None:
    (image,) = read_all(saved(tmp_path, scan(slices=1)))

    def broken(_: object) -> NDArray[np.uint16]:
        raise OSError("gone")

    for own in (True, False):
        with pytest.raises(OSError, match="gone"):
            build([Frame(image, own=own)], broken, BytesIO(), now=NOW)


def test_numbers_beyond_all_bounds_do_no_harm(tmp_path: Path) -> None:
    """Values as a broken PAR or header may have them: a file comes out that pydicom reads."""
    files = scan(slices=1, dynamics=1)
    files[0].private_block(0x2001, "Philips Imaging DD 001")[0x0A].value = "9" * 12
    (image,) = read_all(saved(tmp_path, files))
    wild = Frame(
        image,
        own=False,
        temporal=2,
        begin_s=1e300,
        window=(float("nan"), 1e200),
        rescale=Rescale(1e300, 1e-300, 0.0),
    )
    frames = per_frame(built([Frame(image), wild]))
    assert [int(item(frame).TemporalPositionIdentifier) for frame in frames] == [1, 2]
    assert item(frames[1])[0x2005, 0x10A0].value == pytest.approx(1.7e38)
    with pytest.raises(UnsuitableError, match="impossible number"):
        built([Frame(image, position=-1)])


def test_images_of_a_series_share_their_elements(tmp_path: Path) -> None:
    images = read_all(saved(tmp_path, scan(slices=5)))
    assert all(image.common is images[0].common for image in images)
    assert max(len(image.own) for image in images) < 20
    alone = [read_classic(image.path) for image in images]
    for image, other in zip(images, alone, strict=True):
        assert {tag: image.get(tag) for tag in image.tags()} == dict(other.common)


def test_inner_elements_stand_apart(tmp_path: Path) -> None:
    (image,) = read_all(saved(tmp_path, scan(slices=1)))
    assert image.text(INNER | 0x00089209)
    assert image.get(0x00089209) is None
    assert image.get(ITEM) is None


@pytest.mark.parametrize(
    ("moment", "seconds", "expected"),
    [
        ("20211231235959.90", 1.259, "20220101000001.16"),
        ("20210902133953", 0.0, "20210902133953.00"),
        ("20210902133953.123456", 0.5, "20210902133953.623456"),
        ("20210902139953.00", 1.0, ""),
        ("99991231235959.00", 10.0, ""),
        ("yesterday", 1.0, ""),
        ("20210902133953.00", float("inf"), ""),
    ],
)
def test_later_moments(moment: str, seconds: float, expected: str) -> None:
    assert later(moment, seconds) == expected


@given(st.floats(-1e30, 1e30))
def test_decimals_fit_and_are_near(value: float) -> None:
    said = decimal(value).raw.decode("ascii").strip()
    assert len(said) <= 16
    assert float(said) == pytest.approx(value, rel=1e-8, abs=1e-300)


@given(st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=5))
def test_numbers_come_back(values: list[float]) -> None:
    raw = struct.pack(f"<{len(values)}f", *values)
    assert numbers_of(Attribute("FL", raw)) == values


@pytest.mark.parametrize("raw", [b"2147483647", b"7.23e75", b"nan", b"-", b"", b"1\\x", b"\xff"])
def test_what_is_no_number_is_none(raw: bytes) -> None:
    assert numbers_of(Attribute("DS", raw)) == []


def test_creators_come_with_their_elements() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        raw = encoded({0x2001100A: text("IS", "7"), 0x00100010: text("PN", "A"), 0x20051412: text("IS", "1")})
    assert b"Philips Imaging DD 001" in raw
    assert b"Philips MR Imaging DD 005" in raw
    assert b"Philips MR Imaging DD 001" not in raw
