"""What a PAR file says, as data: its general lines and its image columns, which reader, writer and manual follow.

The formats give back what scanners print, releases up to 5, byte for byte; each width holds the blank that parts a
column from the one before.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal, NamedTuple

Version = Literal["V4", "V4.1", "V4.2"]

VERSIONS: Final[tuple[Version, ...]] = ("V4", "V4.1", "V4.2")
"""The versions of PAR that are known, in order."""


class Kind(Enum):
    """What the values of a general line are."""

    TEXT = "text"
    INTEGER = "integer"
    FLOAT = "float"


class GeneralField(NamedTuple):
    """One general line.

    ``name`` is the attribute of `General`, ``size`` how many values it has (0: one or more), ``form`` the format of
    one value, ``since`` the first version that has the line, ``also`` other labels that were met in files. Several
    values are parted by two blanks.
    """

    label: str
    name: str
    kind: Kind
    form: str
    size: int = 1
    since: Version = "V4"
    also: tuple[str, ...] = ()


class Column(NamedTuple):
    """One line of the definition, for one or more columns of the image lines.

    ``key`` names it in tables, ``kind`` is the word for its type in the file, ``whole`` says whether its values are
    integers in memory, too (some that the file calls integer are rounded for printing). ``form`` is the format of
    each of its ``size`` columns, in order.
    """

    name: str
    key: str
    kind: str
    form: tuple[str, ...]
    whole: bool
    since: Version = "V4"

    @property
    def size(self) -> int:
        """How many columns it has."""
        return len(self.form)


def _text(label: str, name: str, *also: str) -> GeneralField:
    return GeneralField(label, name, Kind.TEXT, "%s", also=also)


def _integer(label: str, name: str, *, since: Version = "V4", size: int = 1) -> GeneralField:
    return GeneralField(label, name, Kind.INTEGER, "%d", size, since)


def _float(label: str, name: str, form: str, size: int = 1, *also: str) -> GeneralField:
    return GeneralField(label, name, Kind.FLOAT, form, size, also=also)


GENERAL: Final = (
    _text("Patient name", "patient_name"),
    _text("Examination name", "examination_name"),
    _text("Protocol name", "protocol_name"),
    _text("Examination date/time", "examination_date_time"),
    _text("Series Type", "series_type", "Series_data_type"),
    _integer("Acquisition nr", "acquisition_nr"),
    _integer("Reconstruction nr", "reconstruction_nr"),
    _float("Scan Duration [sec]", "scan_duration_s", "%.3g"),
    _integer("Max. number of cardiac phases", "max_cardiac_phases"),
    _integer("Max. number of echoes", "max_echoes"),
    _integer("Max. number of slices/locations", "max_slices"),
    _integer("Max. number of dynamics", "max_dynamics"),
    _integer("Max. number of mixes", "max_mixes"),
    _text("Patient position", "patient_position"),
    _text("Preparation direction", "preparation_direction"),
    _text("Technique", "technique"),
    _integer("Scan resolution  (x, y)", "scan_resolution", size=2),
    _text("Scan mode", "scan_mode"),
    _float("Repetition time [ms]", "repetition_time_ms", "%.3f", 0, "Repetition time [msec]"),
    _float("FOV (ap,fh,rl) [mm]", "fov_mm", "%.3f", 3),
    _float("Water Fat shift [pixels]", "water_fat_shift_pixels", "%.3f"),
    _float("Angulation midslice(ap,fh,rl)[degr]", "angulation_deg", "%.3f", 3),
    _float("Off Centre midslice(ap,fh,rl) [mm]", "off_centre_mm", "%.3f", 3),
    _integer("Flow compensation <0=no 1=yes> ?", "flow_compensation"),
    _integer("Presaturation     <0=no 1=yes> ?", "presaturation"),
    _float("Phase encoding velocity [cm/sec]", "phase_encoding_velocity_cm_s", "%.6f", 3),
    _integer("MTC               <0=no 1=yes> ?", "mtc"),
    _integer("SPIR              <0=no 1=yes> ?", "spir"),
    _integer("EPI factor        <0,1=no EPI>", "epi_factor"),
    _integer("Dynamic scan      <0=no 1=yes> ?", "dynamic_scan"),
    _integer("Diffusion         <0=no 1=yes> ?", "diffusion"),
    _float("Diffusion echo time [ms]", "diffusion_echo_time_ms", "%.4f", 1, "Diffusion echo time [msec]"),
    _integer("Max. number of diffusion values", "max_diffusion_values", since="V4.1"),
    _integer("Max. number of gradient orients", "max_gradient_orients", since="V4.1"),
    _integer("Number of label types   <0=no ASL>", "label_types", since="V4.2"),
)
"""The general lines in the order of the file."""


def _whole(name: str, key: str, form: str, *more: str, since: Version = "V4", kind: str = "integer") -> Column:
    return Column(name, key, kind, (form, *more), whole=True, since=since)


def _real(name: str, key: str, form: str, *more: str, since: Version = "V4", kind: str = "float") -> Column:
    return Column(name, key, kind, (form, *more), whole=False, since=since)


COLUMNS: Final = (
    _whole("slice number", "slice_number", "%3d"),
    _whole("echo number", "echo_number", "%4d"),
    _whole("dynamic scan number", "dynamic_scan_number", "%5d"),
    _whole("cardiac phase number", "cardiac_phase_number", "%3d"),
    _whole("image_type_mr", "image_type_mr", "%2d"),
    _whole("scanning sequence", "scanning_sequence", "%2d"),
    _whole("index in REC file (in images)", "index_in_rec_file", "%6d"),
    _whole("image pixel size (in bits)", "image_pixel_size_bits", "%4d"),
    _real("scan percentage", "scan_percentage", "%6.0f", kind="integer"),
    _whole("recon resolution (x y)", "recon_resolution", "%5d", "%5d", kind="2*integer"),
    _real("rescale intercept", "rescale_intercept", "%12.5f"),
    _real("rescale slope", "rescale_slope", "%10.5f"),
    _real("scale slope", "scale_slope", "%13.5e"),
    _real("window center", "window_center", "%6.0f", kind="integer"),
    _real("window width", "window_width", "%6.0f", kind="integer"),
    _real("image angulation (ap,fh,rl in degrees )", "image_angulation_deg", "%7.2f", "%7.2f", "%7.2f", kind="3*float"),
    _real("image offcentre (ap,fh,rl in mm )", "image_offcentre_mm", "%8.2f", "%8.2f", "%8.2f", kind="3*float"),
    _real("slice thickness (in mm )", "slice_thickness_mm", "%7.3f"),
    _real("slice gap (in mm )", "slice_gap_mm", "%7.3f"),
    _whole("image_display_orientation", "image_display_orientation", "%2d"),
    _whole("slice orientation ( TRA/SAG/COR )", "slice_orientation", "%2d"),
    _whole("fmri_status_indication", "fmri_status_indication", "%2d"),
    _whole("image_type_ed_es  (end diast/end syst)", "image_type_ed_es", "%2d"),
    _real("pixel spacing (x,y) (in mm)", "pixel_spacing_mm", "%7.3f", "%7.3f", kind="2*float"),
    _real("echo_time", "echo_time_ms", "%7.2f"),
    _real("dyn_scan_begin_time", "dyn_scan_begin_time_s", "%8.2f"),
    _real("trigger_time", "trigger_time_ms", "%9.2f"),
    _real("diffusion_b_factor", "diffusion_b_factor", "%8.2f"),
    _real("number of averages", "number_of_averages", "%4.0f", kind="integer"),
    _real("image_flip_angle (in degrees)", "image_flip_angle_deg", "%8.2f"),
    _whole("cardiac frequency   (bpm)", "cardiac_frequency_bpm", "%6d"),
    _whole("minimum RR-interval (in ms)", "minimum_rr_interval_ms", "%5d"),
    _whole("maximum RR-interval (in ms)", "maximum_rr_interval_ms", "%5d"),
    _whole("TURBO factor  <0=no turbo>", "turbo_factor", "%6d"),
    _real("Inversion delay (in ms)", "inversion_delay_ms", "%6.1f"),
    _whole("diffusion b value number    (imagekey!)", "diffusion_b_value_number", "%3d", since="V4.1"),
    _whole("gradient orientation number (imagekey!)", "gradient_orientation_number", "%4d", since="V4.1"),
    _whole("contrast type", "contrast_type", "%5d", since="V4.1", kind="string"),
    _whole("diffusion anisotropy type", "diffusion_anisotropy_type", "%5d", since="V4.1", kind="string"),
    _real("diffusion (ap, fh, rl)", "diffusion", "%8.3f", "%9.3f", "%9.3f", since="V4.1", kind="3*float"),
    _whole("label type (ASL)            (imagekey!)", "label_type", "%3d", since="V4.2"),
)
"""The definition lines in the order of the file: 41 for the 49 columns of V4.2."""

KEYS: Final = (
    "dynamic_scan_number",
    "cardiac_phase_number",
    "image_type_mr",
    "scanning_sequence",
    "label_type",
    "diffusion_b_value_number",
    "gradient_orientation_number",
    "echo_number",
    "slice_number",
)
"""The columns that tell images apart, slowest first: in this order whole volumes lie one after the other."""


def general_fields(version: Version) -> tuple[GeneralField, ...]:
    """The general lines of a version."""
    return tuple(field for field in GENERAL if _has(version, field.since))


def columns(version: Version) -> tuple[Column, ...]:
    """The columns of a version."""
    return tuple(column for column in COLUMNS if _has(version, column.since))


def width(version: Version) -> int:
    """How many values an image line of a version has."""
    return sum(column.size for column in columns(version))


def _has(version: Version, since: Version) -> bool:
    return VERSIONS.index(since) <= VERSIONS.index(version)
