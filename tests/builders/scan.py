"""One synthetic scan: its numbers, and for each of its images the values that the header tables ask for."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from functools import cache, cached_property
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .elements import Value, ds
from .geometry import VIEW_AXES, Geometry, phantom
from .identity import StudyIdentity

MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"

# Code of (2005,1011) and (2005,1429), used as index value of an Enhanced file's private dimension: they start at 0
# (`2001_fcMRI_Field_Mapping.dcm`: M 0, P 3; `402_SOURCE_3D_pCASL_6mm.dcm`: CONTROL 0, LABEL 1).
KIND_CODES = {"M": 0, "P": 3}
LABEL_CODES = {"CONTROL": 0, "LABEL": 1}


class Cell(NamedTuple):
    """Which image of a scan; all numbers from 1."""

    label: str
    kind: str
    slice: int
    dynamic: int
    echo: int


@dataclass(frozen=True)
class Scaling:
    """From stored to displayed values (RS, RI) and to the Philips floating point value (SS, SI = -RI / RS)."""

    slope: float
    intercept: float
    scale_slope: float
    scale_intercept: float
    meaning: str
    unit: str
    unit_meaning: str
    component: str
    image_type: str


# P as in `philips_r57/classic/2001_0107_ph.dcm`: milliradians, SS = 4095 / 2 pi. M: RS and SS of the same order as
# in `classic/2101`; (2005,100E) is independent of Rescale Slope.
SCALINGS = {
    "M": Scaling(0.75, 0, 0.05, 0, "normalized", "1", "no units", "MAGNITUDE", r"ORIGINAL\PRIMARY\M_FFE\M\FFE"),
    "P": Scaling(
        1.53455433455433, -3142, 651.739501953125, 2047.5001220703125,
        "mrad", "mrad", "milliradian", "PHASE", r"ORIGINAL\PRIMARY\PHASE MAP\P\FFE",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Scan:
    """A dynamic EPI scan; `missing` names the (slice, dynamic) pairs that never arrived."""

    identity: StudyIdentity
    series_number: int
    slices: int = 4
    dynamics: int = 3
    rows: int = 32
    columns: int = 32
    echoes: int = 1
    types: tuple[str, ...] = ("M",)
    labels: tuple[str, ...] = ()
    missing: Set[tuple[int, int]] = frozenset()
    geometry: Geometry = field(default_factory=Geometry)
    description: str = "fMRI"
    repetition_time_ms: float = 2000.0

    def __post_init__(self) -> None:
        for kind in self.types:
            if kind not in SCALINGS:
                raise ValueError(f"image type {kind!r}: only {', '.join(SCALINGS)} are built")
        for label in self.labels:
            if label not in LABEL_CODES:
                raise ValueError(f"label {label!r}: only {', '.join(LABEL_CODES)} are built")
        if min(self.slices, self.dynamics, self.rows, self.columns, self.echoes, len(self.types)) < 1:
            raise ValueError("a scan has at least one slice, dynamic, row, column, echo and type")

    @property
    def acquisition_number(self) -> int:
        """Return the acquisition: Series Number is 100 x acquisition + reconstruction in all real files."""
        return self.series_number // 100

    def cells(self) -> Iterator[tuple[int, Cell]]:
        """Yield Instance Number and image, in the scanner's order, without the missing ones.

        Labels and types vary slowest, then slices; dynamics and echoes vary fastest. Instance Number counts the
        images as planned, so it has gaps where images are missing (`classic/2101`: 75 dynamics planned, 6 present,
        slice 2 starts at 76; `classic/2001`: echoes within slices within types).
        """
        planned = product(
            self.labels or ("",),
            self.types,
            range(1, self.slices + 1),
            range(1, self.dynamics + 1),
            range(1, self.echoes + 1),
        )
        for number, values in enumerate(planned, 1):
            cell = Cell(*values)
            if (cell.slice, cell.dynamic) not in self.missing:
                yield number, cell

    def instance_uid(self, cell: Cell) -> str:
        """Return the UID of one image; the Enhanced file's (2005,140F) names the same one as the classic file."""
        return self.identity.uid("image", self.series_number, *cell)

    def echo_times_ms(self) -> list[float]:
        return [30.0] if self.echoes == 1 else [12.0 + 23.0 * number for number in range(self.echoes)]

    @property
    def start_s(self) -> float:
        """Return the start of the scan after the start of the study."""
        return 120.0 * self.acquisition_number

    def common_values(self) -> dict[str, Value]:
        """Return what is the same in every file of the series."""
        who, geometry = self.identity, self.geometry
        angles, offcentre = geometry.angulation_deg, geometry.offcentre_mm
        height, width = self.rows * geometry.pixel_mm, self.columns * geometry.pixel_mm
        through = self.slices * geometry.spacing_mm - geometry.gap_mm
        fov_ap, fov_fh, fov_rl = {
            "TRANSVERSAL": (height, through, width),
            "SAGITTAL": (width, height, through),
            "CORONAL": (through, height, width),
        }[geometry.orientation]
        duration = 10.0 + self.dynamics * self.repetition_time_ms / 1000
        return {
            "study_date": who.study_date,
            "study_time": who.study_time,
            "study_uid": who.study_uid,
            "study_id": who.study_id,
            "study_description": who.study_description,
            "patient_name": who.patient_name,
            "patient_id": who.patient_id,
            "patient_birth_date": who.patient_birth_date,
            "patient_sex": who.patient_sex,
            "frame_of_reference_uid": who.frame_of_reference_uid,
            "performed_step_uid": who.uid("performed procedure step"),
            "creator_uid": who.uid("instance creator"),
            "examcard_name": who.examcard_name,
            "creation_time": who.time(self.start_s + duration + 30, 3),
            "series_uid": who.series_uid(self.series_number),
            "series_number": self.series_number,
            "series_time": who.time(self.start_s, 5),
            "content_time": who.time(self.start_s, 5),
            "series_description": self.description,
            "protocol_name": f"WIP {self.description}",
            "modality": "MR",
            "acquisition_number": self.acquisition_number,
            "reconstruction_number": self.series_number % 100,
            "instance_number": 1,
            "dynamic_series": "Y" if self.dynamics > 1 else "N",
            "dynamics": self.dynamics,
            "slices": self.slices,
            "echoes": self.echoes,
            "label_types": len(self.labels),
            "rows": self.rows,
            "columns": self.columns,
            "epi_factor": self.rows,
            "echo_train": self.rows,
            "technique": "FEEPI",
            "export_kind": 0,
            "flip_angle": 70,
            "repetition_time": self.repetition_time_ms,
            "scan_duration": duration,
            "scan_duration_ms": duration * 1000,
            "echo_time_display": "/".join(f"{time:g}" for time in self.echo_times_ms())[:16],
            "phase_axis": "AP" if geometry.orientation == "TRANSVERSAL" else "FH",
            "view_axis": VIEW_AXES[geometry.orientation],
            "slice_orientation": geometry.orientation,
            "angulation_ap": angles[0],
            "angulation_fh": angles[1],
            "angulation_rl": angles[2],
            "offcentre_ap": offcentre[0],
            "offcentre_fh": offcentre[1],
            "offcentre_rl": offcentre[2],
            "fov_ap": fov_ap,
            "fov_fh": fov_fh,
            "fov_rl": fov_rl,
            "thickness": geometry.thickness_mm,
            "spacing": geometry.spacing_mm,
            "pixel_spacing": ds(geometry.pixel_mm, geometry.pixel_mm),
            "orientation": ds(*geometry.axes[0], *geometry.axes[1]),
        }

    @cached_property
    def places(self) -> list[dict[str, Value]]:
        """Return the values that follow from the slice alone, slice by slice."""
        found: list[dict[str, Value]] = []
        for number in range(1, self.slices + 1):
            centre = self.geometry.centre(number, self.slices)
            corner = self.geometry.corner(centre, self.rows, self.columns)
            outer = self.geometry.corner(centre, self.rows, self.columns, outer=True)
            found.append(
                {
                    "slice": number,
                    "position": ds(*corner),
                    "outer_position": ds(*outer),
                    "slice_location": ds(self.geometry.slice_location(centre)),
                    "centre_ap": float(centre[1]),
                    "centre_fh": float(centre[2]),
                    "centre_rl": float(centre[0]),
                }
            )
        return found

    def stored(self, cell: Cell) -> NDArray[np.uint16]:
        """Return the stored values of one image (rows, columns)."""
        return phantom(
            self.rows,
            self.columns,
            cell.slice,
            self.slices,
            dynamic=cell.dynamic + (4 if cell.label == "LABEL" else 0),
            echo=cell.echo,
            kind=cell.kind,
        )

    def image_values(self, number: int, cell: Cell, pixels: NDArray[np.uint16]) -> dict[str, Value]:
        """Return what differs from image to image."""
        scaling = SCALINGS[cell.kind]
        begin = (cell.dynamic - 1) * self.repetition_time_ms / 1000
        brightest = int(pixels.max())
        darkest = int(pixels.min())
        top = brightest * scaling.slope + scaling.intercept
        echo_time = self.echo_times_ms()[cell.echo - 1]
        return {
            **self.places[cell.slice - 1],
            "sop_instance": self.instance_uid(cell),
            "instance_number": number,
            "content_time": self.identity.time(self.start_s + 10 + begin),
            "trigger_time": round(begin * 1000),
            "dynamic": cell.dynamic,
            "dynamic_begin": begin,
            "echo": cell.echo,
            "echo_time": echo_time,
            "kind": cell.kind,
            "label": cell.label,
            "image_type": scaling.image_type,
            "component": scaling.component,
            "rescale_slope": ds(scaling.slope),
            "rescale_intercept": ds(scaling.intercept),
            "rescale_type": scaling.meaning,
            "unit": scaling.unit,
            "unit_meaning": scaling.unit_meaning,
            "scale_slope": scaling.scale_slope,
            "scale_intercept": scaling.scale_intercept,
            "window_center": 0 if cell.kind == "P" else round(top * 0.45),
            "window_width": 6284 if cell.kind == "P" else max(1, round(top * 0.8)),
            "maximum": (brightest - scaling.scale_intercept) / scaling.scale_slope,
            "minimum": (darkest - scaling.scale_intercept) / scaling.scale_slope,
        }


@cache
def image_names() -> frozenset[str]:
    """Return the names of what differs from image to image."""
    scan = Scan(StudyIdentity(), series_number=1)
    number, cell = next(scan.cells())
    return frozenset(scan.image_values(number, cell, scan.stored(cell)))
