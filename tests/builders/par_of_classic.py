"""PAR V4.2 and REC from classic Philips images: simple and slow, with pydicom alone, to check mrdock independently.

Labels, formats and the sources of the values are those that give back a scanner's PAR of release 5.1.1 byte for byte
from the DICOM of the same scan (nibabel's `phantom_EPI_asc_CLEAR_2_1`). Nothing is imported from mrdock.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

Value = float | int | str


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BANNER = """\
# === DATA DESCRIPTION FILE ======================================================
#
# CAUTION - Investigational device.
# Limited by Federal Law to investigational use.
#
# Dataset name: {name}
#
# CLINICAL TRYOUT             Research image export tool     V4.2
#
# === GENERAL INFORMATION ========================================================
#
"""

PIXEL_VALUES = """\
#
# === PIXEL VALUES =============================================================
#  PV = pixel value in REC file, FP = floating point value, DV = displayed value on console
#  RS = rescale slope,           RI = rescale intercept,    SS = scale slope
#  DV = PV * RS + RI             FP = DV / (RS * SS)
#
# === IMAGE INFORMATION DEFINITION =============================================
#  The rest of this file contains ONE line per image, this line contains the following information:
#
"""

HEADING = """\
#
# === IMAGE INFORMATION ==========================================================
#  sl ec  dyn ph ty    idx pix scan% rec size                (re)scale              window        angulation      \
        offcentre        thick   gap   info      spacing     echo     dtime   ttime    diff  avg  flip    freq   RR-int\
  turbo delay b grad cont anis         diffusion       L.ty

"""

END = """
# === END OF DATA DESCRIPTION FILE ===============================================
"""

LABELS = (
    "Patient name",
    "Examination name",
    "Protocol name",
    "Examination date/time",
    "Series Type",
    "Acquisition nr",
    "Reconstruction nr",
    "Scan Duration [sec]",
    "Max. number of cardiac phases",
    "Max. number of echoes",
    "Max. number of slices/locations",
    "Max. number of dynamics",
    "Max. number of mixes",
    "Patient position",
    "Preparation direction",
    "Technique",
    "Scan resolution  (x, y)",
    "Scan mode",
    "Repetition time [ms]",
    "FOV (ap,fh,rl) [mm]",
    "Water Fat shift [pixels]",
    "Angulation midslice(ap,fh,rl)[degr]",
    "Off Centre midslice(ap,fh,rl) [mm]",
    "Flow compensation <0=no 1=yes> ?",
    "Presaturation     <0=no 1=yes> ?",
    "Phase encoding velocity [cm/sec]",
    "MTC               <0=no 1=yes> ?",
    "SPIR              <0=no 1=yes> ?",
    "EPI factor        <0,1=no EPI>",
    "Dynamic scan      <0=no 1=yes> ?",
    "Diffusion         <0=no 1=yes> ?",
    "Diffusion echo time [ms]",
    "Max. number of diffusion values",
    "Max. number of gradient orients",
    "Number of label types   <0=no ASL>",
)

# Name and type of each column or group of columns, as the comment lines before the images have them.
DEFINITIONS = (
    ("slice number", "integer"),
    ("echo number", "integer"),
    ("dynamic scan number", "integer"),
    ("cardiac phase number", "integer"),
    ("image_type_mr", "integer"),
    ("scanning sequence", "integer"),
    ("index in REC file (in images)", "integer"),
    ("image pixel size (in bits)", "integer"),
    ("scan percentage", "integer"),
    ("recon resolution (x y)", "2*integer"),
    ("rescale intercept", "float"),
    ("rescale slope", "float"),
    ("scale slope", "float"),
    ("window center", "integer"),
    ("window width", "integer"),
    ("image angulation (ap,fh,rl in degrees )", "3*float"),
    ("image offcentre (ap,fh,rl in mm )", "3*float"),
    ("slice thickness (in mm )", "float"),
    ("slice gap (in mm )", "float"),
    ("image_display_orientation", "integer"),
    ("slice orientation ( TRA/SAG/COR )", "integer"),
    ("fmri_status_indication", "integer"),
    ("image_type_ed_es  (end diast/end syst)", "integer"),
    ("pixel spacing (x,y) (in mm)", "2*float"),
    ("echo_time", "float"),
    ("dyn_scan_begin_time", "float"),
    ("trigger_time", "float"),
    ("diffusion_b_factor", "float"),
    ("number of averages", "integer"),
    ("image_flip_angle (in degrees)", "float"),
    ("cardiac frequency   (bpm)", "integer"),
    ("minimum RR-interval (in ms)", "integer"),
    ("maximum RR-interval (in ms)", "integer"),
    ("TURBO factor  <0=no turbo>", "integer"),
    ("Inversion delay (in ms)", "float"),
    ("diffusion b value number    (imagekey!)", "integer"),
    ("gradient orientation number (imagekey!)", "integer"),
    ("contrast type", "string"),
    ("diffusion anisotropy type", "string"),
    ("diffusion (ap, fh, rl)", "3*float"),
    ("label type (ASL)            (imagekey!)", "integer"),
)

FORMATS = _words(
    "%3d %4d %5d %3d %2d %2d %6d %4d %6.0f %5d %5d %12.5f %10.5f %13.5e %6.0f %6.0f %7.2f %7.2f %7.2f %8.2f %8.2f "
    "%8.2f %7.3f %7.3f %2d %2d %2d %2d %7.3f %7.3f %7.2f %8.2f %9.2f %8.2f %4d %8.2f %6d %5d %5d %6d %6.1f %3d %4d "
    "%5d %5d %8.3f %9.3f %9.3f %3d"
)

# Where a column stands in a line, from 0.
SLICE, ECHO, DYNAMIC, PHASE, TYPE, SEQUENCE, INDEX = range(7)
BITS, X, Y, RESCALE_INTERCEPT, RESCALE_SLOPE, SCALE_SLOPE = 7, 9, 10, 11, 12, 13
WINDOW_CENTER, WINDOW_WIDTH, ANGULATION, OFFCENTRE = 14, 15, 16, 19
FMRI_STATUS, BEGIN_TIME, B_FACTOR, B_NUMBER, GRADIENT, LABEL = 26, 31, 33, 41, 42, 48

TYPES = _words(
    "M R I P CR T0 T1 T2 RHO SPECTRO DERIVED ADC RCBV RCBF MTT TTP FA EADC B0 DELAY MAXRELENH RELENH MAXENH WASHIN "
    "WASHOUT BREVENH AREACURV ANATOMIC T_TEST STD_DEVIATION PERFUSION T2_STAR R2 R2_STAR W IP OP F SPARE1 SPARE2"
)
SEQUENCES = _words("IR SE FFE DERIVED PCA UNSPECIFIED SPECTRO SI B0 B1")
CONTRASTS = _words(
    "DIFFUSION FLOW_ENCODED FLUID_ATTENUATED PERFUSION PROTON_DENSITY STIR TAGGING T1 T2 T2_STAR TOF UNKNOWN MIXED"
)
DISPLAYS = _words("NONE RIGHT90 RIGHT180 LEFT90 VM RIGHT90VM RIGHT180VM LEFT90VM")
ORIENTATIONS = {"FH": 1, "RL": 2, "AP": 3}
LABEL_TYPES = {"CONTROL": 1, "LABEL": 2}
PREPARATIONS = {"AP": "Anterior-Posterior", "RL": "Right-Left", "FH": "Feet-Head"}
POSITIONS = {"HF": "Head First", "FF": "Feet First"}
SIDES = {"S": "Supine", "P": "Prone", "DR": "Decubitus Right", "DL": "Decubitus Left"}

DD1, MR1, MR5 = "Philips Imaging DD 001", "Philips MR Imaging DD 001", "Philips MR Imaging DD 005"


@dataclass
class Image:
    """One image of the REC: the 49 columns of its line, and its pixels, 16 bits little endian."""

    columns: list[Value]
    pixels: bytes


@dataclass
class ParRec:
    """A PAR/REC to be: change what a test wants changed, then write it."""

    general: list[str]
    images: list[Image]
    name: str = "scan"
    line_order: list[int] = field(default_factory=list)  # of images; as they stand in the REC where empty

    def set_general(self, label: str, value: str) -> None:
        """Replace the value of the general line that begins with ``label``."""
        (place,) = [number for number, known in enumerate(LABELS) if known.startswith(label)]
        self.general[place] = value

    def shuffle(self, seed: int) -> None:
        """Bring images and lines each into an order of its own, as a scanner's need not be sorted."""
        order = random.Random(seed)
        order.shuffle(self.images)
        self.number()
        self.line_order = list(range(len(self.images)))
        order.shuffle(self.line_order)

    def number(self) -> None:
        """Give the images the index that they have in the REC."""
        for index, image in enumerate(self.images):
            image.columns[INDEX] = index

    def par(self) -> bytes:
        """The text of the PAR file, with CRLF."""
        lines = [f".    {label:35}:   {value}" for label, value in zip(LABELS, self.general, strict=True)]
        definitions = [f"#  {name:41}({kind})" for name, kind in DEFINITIONS]
        order = self.line_order or range(len(self.images))
        parts = [BANNER.format(name=self.name), *(f"{line}\n" for line in lines), PIXEL_VALUES]
        parts += [*(f"{line}\n" for line in definitions), HEADING]
        parts += [f"{image_line(self.images[index].columns)}\n" for index in order]
        return "".join([*parts, END]).replace("\n", "\r\n").encode("ascii", "replace")

    def rec(self) -> bytes:
        """The content of the REC file."""
        return b"".join(image.pixels for image in self.images)

    def write(self, stem: str | os.PathLike[str], par: str = ".PAR", rec: str = ".REC") -> tuple[str, str]:
        """Write both files and return their names."""
        names = os.fspath(stem) + par, os.fspath(stem) + rec
        for name, data in zip(names, (self.par(), self.rec()), strict=True):
            with open(name, "wb") as out:
                out.write(data)
        return names


def par_of_classic(files: Iterable[Dataset], *, counted: bool = False) -> ParRec:
    """The PAR/REC of classic images of one series, volume after volume, slices fastest.

    ``counted`` gives the number of dynamics that are there, where the scanner gives the planned number.
    """
    given = sorted(files, key=_key)
    images = [Image(columns_of(image, index), image.PixelData) for index, image in enumerate(given)]
    general = general_of(given[0])
    if counted:
        general[LABELS.index("Max. number of dynamics")] = str(len({image.columns[DYNAMIC] for image in images}))
    return ParRec(general, images)


def image_line(columns: Sequence[Value]) -> str:
    """One image line; a number that is too wide for its field keeps a blank before it."""
    words: list[str] = []
    for form, value in zip(FORMATS, columns, strict=True):
        text = form % value
        if form.endswith("e"):
            mantissa, exponent = text.split("e")
            text = f"{mantissa}e{exponent[0]}{exponent[1:]:0>3}".strip().rjust(13)
        words.append(text if text.startswith(" ") or not words else f" {text}")
    return "".join(words)


def private(data_set: Dataset, group: int, low: int, creator: str) -> object:
    """The value of a private element, None where it is absent, empty or one of the values that say so."""
    try:
        value = data_set.private_block(group, creator)[low].value
    except KeyError:
        return None
    if value in ("", "-") or (isinstance(value, float) and value > 1.6e38) or value == 2147483647:
        return None
    return value


def general_of(image: Dataset) -> list[str]:
    """The values of the 35 general lines."""
    stack = private(image, 0x2001, 0x5F, DD1)[0]  # type: ignore[index]

    def dd1(low: int) -> object:
        return private(image, 0x2001, low, DD1)

    def mr1(low: int, where: Dataset = image) -> object:
        return private(where, 0x2005, low, MR1)

    def yes(value: object) -> str:
        return "1" if value == "Y" else "0"

    def three(values: Sequence[object], form: str = "%.3f") -> str:
        return "  ".join(form % float(value or 0) for value in values)  # type: ignore[arg-type]

    date, time = str(image.PerformedProcedureStepStartDate), str(image.PerformedProcedureStepStartTime)
    times = mr1(0x30)
    repetition = times if isinstance(times, Iterable) else [times]
    duration = float(mr1(0x33) or 0)  # type: ignore[arg-type]
    steps = image.get("NumberOfPhaseEncodingSteps")
    return [
        str(image.PatientName),
        str(image.get("PerformedProcedureStepDescription") or image.StudyDescription),
        str(image.ProtocolName),
        f"{date[:4]}.{date[4:6]}.{date[6:]} / {time[:2]}:{time[2:4]}:{time[4:6]}",
        "Image   MRSERIES",
        str(dd1(0x7B)),
        str(dd1(0x1D)),
        f"{duration:.3g}" if duration < 1000 else f"{duration:.0f}",
        str(dd1(0x17)),
        str(dd1(0x14)),
        str(dd1(0x18)),
        str(dd1(0x81)),
        str(mr1(0x21)),
        f"{POSITIONS[image.PatientPosition[:2]]} {SIDES[image.PatientPosition[2:]]}",
        PREPARATIONS[str(mr1(0x7B, stack))],
        str(dd1(0x20)),
        f"{mr1(0x1D)}  {steps}",
        str(mr1(0x6F)),
        "".join(f"{float(value):.3f}  " for value in repetition if value),  # type: ignore[arg-type]
        three([mr1(0x74, stack), mr1(0x75, stack), mr1(0x76, stack)]),
        f"{float(dd1(0x22) or 0):.3f}",  # type: ignore[arg-type]
        three([mr1(0x71, stack), mr1(0x72, stack), mr1(0x73, stack)]),
        three([mr1(0x78, stack), mr1(0x79, stack), mr1(0x7A, stack)]),
        yes(mr1(0x16)),
        yes(mr1(0x2F)),
        three(dd1(0x1A), "%.6f"),  # type: ignore[arg-type]
        yes(mr1(0x1C)),
        yes(dd1(0x21)),
        str(dd1(0x13)),
        yes(dd1(0x12)),
        yes(mr1(0x14)),
        f"{float(dd1(0x11) or 0):.4f}",  # type: ignore[arg-type]
        *(str(private(image, 0x2005, low, MR5) or 0) for low in (0x14, 0x15, 0x28)),
    ]


def columns_of(image: Dataset, index: int) -> list[Value]:
    """The 49 values of one image line."""
    stack = private(image, 0x2001, 0x5F, DD1)[0]  # type: ignore[index]
    extra = private(image, 0x2005, 0x0F, MR5)

    def dd1(low: int) -> float:
        return _number(private(image, 0x2001, low, DD1))

    def mr1(low: int) -> float:
        return _number(private(image, 0x2005, low, MR1))

    def mr5(low: int) -> float:
        return _number(private(image, 0x2005, low, MR5))

    def code(names: Sequence[str], value: object, default: int) -> int:
        return names.index(str(value)) if value in names else default

    def kind(low: int) -> object:
        return private(image, 0x2005, low, MR1)

    phases = dd1(0x17) > 1
    contrast = extra[0].get("AcquisitionContrast") if extra else None  # type: ignore[index]
    spacing = [float(value) for value in image.PixelSpacing]
    return [
        int(dd1(0x0A)),
        int(image.EchoNumbers or 1),
        int(image.TemporalPositionIdentifier),
        int(dd1(0x08)),
        code(TYPES, kind(0x11), 0),
        code(SEQUENCES, kind(0x6E), 5),
        index,
        int(image.BitsAllocated),
        float(image.PercentSampling),
        int(image.Columns),
        int(image.Rows),
        float(image.RescaleIntercept),
        float(image.RescaleSlope),
        mr1(0x0E),
        float(image.WindowCenter),
        float(image.WindowWidth),
        *(mr1(low) for low in (0x00, 0x01, 0x02)),
        *(mr1(low) for low in (0x08, 0x09, 0x0A)),
        float(image.SliceThickness),
        float(image.SpacingBetweenSlices) - float(image.SliceThickness),
        code(DISPLAYS, kind(0x04), 0),
        ORIENTATIONS[str(private(stack, 0x2005, 0x81, MR1))],
        int(mr1(0x63)),
        code(("ED", "ES", "U"), private(image, 0x2001, 0x07, DD1), 2),
        *spacing,
        float(image.EchoTime),
        mr1(0xA0),
        float(image.get("TriggerTime") or 0) if phases else 0.0,  # in a dynamic series it is the dynamic's begin
        dd1(0x03),
        round(_number(image.get("NumberOfAverages"))),
        float(image.FlipAngle),
        *(int(_number(image.get(name))) for name in ("HeartRate", "LowRRValue", "HighRRValue", "EchoTrainLength")),
        _number(image.get("InversionTime")),
        int(mr5(0x12)),
        int(mr5(0x13)),
        code(CONTRASTS, contrast, 11),
        0,
        *(mr1(low) for low in (0xB1, 0xB2, 0xB0)),
        LABEL_TYPES.get(str(private(image, 0x2005, 0x29, MR5)), 1),
    ]


def _number(value: object) -> float:
    number = 0.0 if value in (None, "") else float(value)  # type: ignore[arg-type]
    return 0.0 if abs(number) > 1.6e38 or math.isnan(number) else number


def _key(image: Dataset) -> tuple[Value, ...]:
    columns = columns_of(image, 0)
    return tuple(columns[at] for at in (DYNAMIC, PHASE, TYPE, SEQUENCE, LABEL, B_NUMBER, GRADIENT, ECHO, SLICE))
