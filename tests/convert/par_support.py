"""Sources for `dcm2par` in tests: classic series that would be printed as a given PAR file, changed Enhanced files."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.parrec import parse_PAR_header
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from mrdock.convert import par_codes
from mrdock.convert.par_convert import Converted, Options, convert
from mrdock.parrec.geometry import axes
from tests.builders import StudyIdentity, classic_fmri
from tests.builders.elements import part10

NIBABEL = Path(nibabel.__file__).parent / "tests" / "data"
PHANTOM = NIBABEL / "phantom_EPI_asc_CLEAR_2_1.PAR"

IMAGING, MR, MR_5 = "Philips Imaging DD 001", "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"

_YES_NO = ("N", "Y")


def converted(source: Path | str, stem: Path | str, **options: Any) -> Converted:
    """Convert, with the options as words."""
    return convert(str(source), str(stem), Options(**options))


def lines_of(par: Path | str) -> list[list[str]]:
    """The words of the image lines."""
    text = Path(par).read_text("ascii")
    return [line.split() for line in text.splitlines() if line.startswith(" ")]


def column(par: Path | str, number: int, width: int = 1) -> list[Any]:
    """One column (from 1) of all image lines, as words; several as lists."""
    found = [line[number - 1 : number - 1 + width] for line in lines_of(par)]
    return [each[0] for each in found] if width == 1 else found


def general_of(par: Path | str) -> dict[str, str]:
    """The general lines: value by label."""
    found = {}
    for line in Path(par).read_text("ascii").splitlines():
        if line.startswith("."):
            found[line[1:40].strip()] = line[44:]
    return found


def save(found: FileDataset, path: Path) -> Path:
    """Write a data set; the path for chaining."""
    path.write_bytes(part10(found))
    return path


def each_frame(found: FileDataset, change: Callable[[int, Dataset, Dataset], None]) -> FileDataset:
    """Change every frame: ``change`` gets its number from 0, its groups, and Philips' own item in them."""
    for number, frame in enumerate(found.PerFrameFunctionalGroupsSequence):
        private = frame.private_block(0x2005, MR_5)[0x0F].value[0] if (0x2005, 0x140F) in frame else Dataset()
        change(number, frame, private)
    return found


def put(found: Dataset, group: int, low: int, creator: str, vr: str, value: Any) -> None:
    """Set a private element."""
    block = found.private_block(group, creator, create=True)
    if low in block:
        del block[low]
    block.add_new(low, vr, value)


def series_of(par: Path, rec: Path | None, folder: Path) -> Path:
    """Write a directory of classic images of which a scanner would have printed this PAR (V4.2) and REC.

    The numbers are the printed ones, in the attributes that hold them in the classic export of release 5.1.1.
    """
    with warnings.catch_warnings(), par.open() as stream:
        warnings.simplefilter("ignore")
        general, lines = parse_PAR_header(stream)
    words = general_of(par)
    rows, columns = (int(each) for each in lines["recon resolution"][0][::-1])
    size = rows * columns
    pixels = np.fromfile(rec, "<u2").reshape(-1, size) if rec else np.zeros((1, size), "<u2")
    folder.mkdir()
    seed = classic_fmri(StudyIdentity(par.stem), slices=1, dynamics=1, rows=8, columns=8)[0]
    root = _root(seed, general, words, lines)
    for number, line in enumerate(lines):
        image = FileDataset("", dict(root.items()), preamble=b"\0" * 128)
        image.file_meta = root.file_meta
        _image(image, line, pixels[number % len(pixels)].tobytes(), (rows, columns), number)
        image.save_as(folder / f"IM_{number * 7 % len(lines):04d}_{number}", enforce_file_format=True)
    return folder


def _root(found: FileDataset, general: dict[str, Any], words: dict[str, str], lines: Any) -> FileDataset:
    """What all images of the series share."""
    found.PatientName = general["patient_name"]
    found.StudyDescription = "not this one"
    found.PerformedProcedureStepDescription = general["exam_name"]
    found.ProtocolName = general["protocol_name"]
    date, time = general["exam_date"].split(" / ")
    found.PerformedProcedureStepStartDate = date.replace(".", "")
    found.PerformedProcedureStepStartTime = time.replace(":", "")
    put(found, 0x2001, 0x7B, IMAGING, "IS", general["acq_nr"])
    put(found, 0x2001, 0x1D, IMAGING, "IS", general["recon_nr"])
    put(found, 0x2005, 0x33, MR, "FL", general["scan_duration"])
    put(found, 0x2001, 0x17, IMAGING, "SL", general["max_cardiac_phases"])
    put(found, 0x2001, 0x14, IMAGING, "SL", general["max_echoes"])
    put(found, 0x2001, 0x18, IMAGING, "SL", general["max_slices"])
    put(found, 0x2001, 0x81, IMAGING, "IS", general["max_dynamics"])
    put(found, 0x2005, 0x21, MR, "SS", general["max_mixes"])
    first, posed = general["patient_position"].split(" First ")
    found.PatientPosition = f"{first[0]}F{posed[0]}"
    put(found, 0x2001, 0x20, IMAGING, "LO", general["tech"])
    put(found, 0x2005, 0x1D, MR, "SS", int(general["scan_resolution"][0]))
    found.NumberOfPhaseEncodingSteps = int(general["scan_resolution"][1])
    put(found, 0x2005, 0x6F, MR, "CS", general["scan_mode"])
    times = [float(word) for word in words["Repetition time [ms]"].split()]
    put(found, 0x2005, 0x30, MR, "FL", [*times, 0.0][:2])
    put(found, 0x2001, 0x22, IMAGING, "FL", general["water_fat_shift"])
    put(found, 0x2001, 0x1A, IMAGING, "FL", [float(each) for each in general["phase_enc_velocity"]])
    for group, low, creator, name in (
        (0x2005, 0x16, MR, "flow_compensation"),
        (0x2005, 0x2F, MR, "presaturation"),
        (0x2005, 0x1C, MR, "mtc"),
        (0x2001, 0x21, IMAGING, "spir"),
        (0x2001, 0x12, IMAGING, "dyn_scan"),
        (0x2005, 0x14, MR, "diffusion"),
    ):
        put(found, group, low, creator, "CS", _YES_NO[general[name]])
    put(found, 0x2001, 0x13, IMAGING, "SL", general["epi_factor"])
    put(found, 0x2001, 0x11, IMAGING, "FL", general["diffusion_echo_time"])
    put(found, 0x2005, 0x14, MR_5, "SL", general["max_diffusion_values"])
    put(found, 0x2005, 0x15, MR_5, "SL", general["max_gradient_orient"])
    put(found, 0x2005, 0x28, MR_5, "SL", general["nr_label_types"])
    put(found, 0x2001, 0x5F, IMAGING, "SQ", Items(_stacks(general, lines)))
    return found


def _stacks(general: dict[str, Any], lines: Any) -> Iterator[Dataset]:
    """One for each orientation; the general lines are those of the first."""
    axis_of = {code: axis for axis, code in par_codes.VIEW_AXES.items()}
    back = {words: code for code, words in par_codes.DIRECTIONS.items()}
    for code in dict.fromkeys(int(each) for each in lines["slice orientation"]):
        stack = Dataset()
        for low, name in ((0x71, "angulation"), (0x74, "fov"), (0x78, "off_center")):
            for at, value in enumerate(general[name]):
                put(stack, 0x2005, low + at, MR, "FL", float(value))
        put(stack, 0x2005, 0x7B, MR, "CS", back[general["prep_direction"]])
        put(stack, 0x2005, 0x81, MR, "CS", axis_of[code])
        own = lines[lines["slice orientation"] == code]
        put(stack, 0x2001, 0x2D, IMAGING, "SS", len(set(own["slice number"])))
        yield stack


def _image(found: Dataset, line: Any, pixels: bytes, shape: tuple[int, int], number: int) -> None:
    """What one image line says."""
    code = int(line["slice orientation"])
    name = {code: word for word, code in par_codes.ORIENTATIONS.items()}[code]
    put(found, 0x2001, 0x0B, IMAGING, "CS", name)
    angles = [float(each) for each in line["image angulation"]]
    offcentre = [float(each) for each in line["image offcentre"]]
    ap, fh, rl = offcentre
    row, down, _ = axes(code, angles)
    spacing = float(line["pixel spacing"][0])
    corner = np.array([rl, ap, fh]) - row * spacing * (shape[1] - 1) / 2 - down * spacing * (shape[0] - 1) / 2
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.{number + 1}")
    found.ImagePositionPatient = [f"{each:.9g}" for each in corner]
    found.ImageOrientationPatient = [f"{each:.13f}" for each in (*row, *down)]
    found.Rows, found.Columns, found.PixelData = shape[0], shape[1], pixels
    found.PixelSpacing = [spacing, spacing]
    found.SliceThickness = float(line["slice thickness"])
    found.SpacingBetweenSlices = round(float(line["slice thickness"]) + float(line["slice gap"]), 6)
    found.EchoTime = float(line["echo_time"])
    found.EchoNumbers = int(line["echo number"])
    found.TemporalPositionIdentifier = int(line["dynamic scan number"])
    found.PercentSampling = float(line["scan percentage"])
    found.RescaleIntercept, found.RescaleSlope = float(line["rescale intercept"]), float(line["rescale slope"])
    found.WindowCenter, found.WindowWidth = int(line["window center"]), int(line["window width"])
    found.NumberOfAverages = int(line["number of averages"])
    found.FlipAngle = float(line["image_flip_angle"])
    found.HeartRate = int(line["cardiac frequency"])
    found.LowRRValue, found.HighRRValue = int(line["minimum RR-interval"]), int(line["maximum RR-interval"])
    found.EchoTrainLength = int(line["TURBO factor"])
    found.InversionTime = float(line["Inversion delay"])
    begin = float(line["dyn_scan_begin_time"])
    found.TriggerTime = float(line["trigger_time"]) or begin * 1000  # as the exporter does in a dynamic series
    for at, low in enumerate((0x00, 0x01, 0x02)):
        put(found, 0x2005, low, MR, "FL", angles[at])
        put(found, 0x2005, low + 8, MR, "FL", offcentre[at])
    types = list(par_codes.IMAGE_TYPES)
    put(found, 0x2005, 0x11, MR, "CS", types[int(line["image_type_mr"])])
    put(found, 0x2005, 0x6E, MR, "CS", list(par_codes.SEQUENCES)[int(line["scanning sequence"])])
    put(found, 0x2005, 0x0E, MR, "FL", float(line["scale slope"]))
    put(found, 0x2005, 0x63, MR, "SS", int(line["fmri_status_indication"]))
    put(found, 0x2005, 0xA0, MR, "FL", begin)
    put(found, 0x2005, 0x04, MR, "CS", list(par_codes.DISPLAYS)[int(line["image_display_orientation"])])
    put(found, 0x2001, 0x07, IMAGING, "CS", ("ED", "ES", "U")[int(line["image_type_ed_es"])])
    put(found, 0x2001, 0x08, IMAGING, "IS", int(line["cardiac phase number"]))
    put(found, 0x2001, 0x0A, IMAGING, "IS", int(line["slice number"]))
    put(found, 0x2001, 0x03, IMAGING, "FL", float(line["diffusion_b_factor"]))
    for low, value in zip((0xB1, 0xB2, 0xB0), line["diffusion"], strict=True):
        put(found, 0x2005, low, MR, "FL", float(value))
    put(found, 0x2005, 0x12, MR_5, "IS", int(line["diffusion b value number"]))
    put(found, 0x2005, 0x13, MR_5, "IS", int(line["gradient orientation number"]))
    put(found, 0x2005, 0x29, MR_5, "CS", "LABEL" if int(line["label type"]) == 2 else "")
    inner = Dataset()
    inner.AcquisitionContrast = list(par_codes.CONTRASTS)[int(line["contrast type"])]
    put(found, 0x2005, 0x0F, MR_5, "SQ", Items([inner]))
