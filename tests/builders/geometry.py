"""Where the slices lie, and what the phantom looks like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Orientation = Literal["TRANSVERSAL", "SAGITTAL", "CORONAL"]
Vector = NDArray[np.float64]

# (2005,1081) of the stack: the patient axis a slice orientation looks along.
VIEW_AXES = {"TRANSVERSAL": "FH", "SAGITTAL": "RL", "CORONAL": "AP"}


@dataclass(frozen=True)
class Geometry:
    """One stack of parallel slices, by the numbers that Philips keeps: angles and offcentres, each (ap, fh, rl).

    Signs are P+, H+, L+; the rotation is R = Rx(rl) Ry(ap) Rz(fh) about the LPS axes. Both agree with
    `philips_r57/classic/2101` (release 5.7.1, angulation -3.489, 2.217, 0) to 1e-5 mm.
    """

    orientation: Orientation = "TRANSVERSAL"
    angulation_deg: tuple[float, float, float] = (-3.5, 2.25, 0.0)
    offcentre_mm: tuple[float, float, float] = (1.0, 30.0, -0.5)
    pixel_mm: float = 6.0
    thickness_mm: float = 5.0
    gap_mm: float = 1.0

    @property
    def spacing_mm(self) -> float:
        """Return the distance between slice centres, Spacing Between Slices (0018,0088)."""
        return self.thickness_mm + self.gap_mm

    @cached_property
    def axes(self) -> tuple[Vector, Vector, Vector]:
        """Return unit vectors (LPS): along a row, along a column, and from slice 1 towards the last slice."""
        ap, fh, rl = (math.radians(angle) for angle in self.angulation_deg)
        about_x = np.array(
            [[1, 0, 0], [0, math.cos(rl), -math.sin(rl)], [0, math.sin(rl), math.cos(rl)]], dtype=np.float64
        )
        about_y = np.array(
            [[math.cos(ap), 0, math.sin(ap)], [0, 1, 0], [-math.sin(ap), 0, math.cos(ap)]], dtype=np.float64
        )
        about_z = np.array(
            [[math.cos(fh), -math.sin(fh), 0], [math.sin(fh), math.cos(fh), 0], [0, 0, 1]], dtype=np.float64
        )
        x, y, z = (about_x @ about_y @ about_z).T
        if self.orientation == "SAGITTAL":
            return y, -z, -x
        if self.orientation == "CORONAL":
            return x, -z, y
        return x, y, z

    def centre(self, number: int, slices: int) -> Vector:
        """Return the centre (LPS, mm) of slice `number` (from 1) of `slices`."""
        ap, fh, rl = self.offcentre_mm
        middle = np.array([rl, ap, fh], dtype=np.float64)
        return middle + self.axes[2] * self.spacing_mm * (number - (slices + 1) / 2)

    def corner(self, centre: Vector, rows: int, columns: int, *, outer: bool = False) -> Vector:
        """Return the centre of the first pixel (LPS, mm), or with `outer` the outer corner of that pixel.

        (0020,0032) inside the private per-frame item is the outer corner in real Enhanced files
        (`2001_fcMRI_Field_Mapping.dcm`, release 5.7.1).
        """
        along_row, along_column, _ = self.axes
        inset = 0 if outer else 1
        half = self.pixel_mm / 2
        return centre - along_row * half * (columns - inset) - along_column * half * (rows - inset)

    def slice_location(self, centre: Vector) -> float:
        """Return Slice Location (0020,1041): minus the centre along the normal (`classic/2101`)."""
        return -float(self.axes[2] @ centre)


@lru_cache(maxsize=4)
def _plane(rows: int, columns: int) -> tuple[Vector, Vector]:
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float64)
    return (2 * x + 1 - columns) / columns, (2 * y + 1 - rows) / rows


@lru_cache(maxsize=16)
def _slice(rows: int, columns: int, slice_number: int, slices: int) -> tuple[Vector, NDArray[np.bool_]]:
    """Return the signal of one slice of the resting phantom, and where the ball lies that blinks."""
    x, y = _plane(rows, columns)
    z = (2 * slice_number - 1 - slices) / slices
    signal = np.where(x**2 + y**2 + (0.7 * z) ** 2 < 0.75, 800.0 + 200.0 * y, 0.0)
    signal[(x - 0.4) ** 2 + (y - 0.4) ** 2 < 0.03] = 1600.0  # a vial at the left back: tells left from right
    return signal, (x + 0.35) ** 2 + (y + 0.2) ** 2 + (0.3 * z) ** 2 < 0.12


def phantom(
    rows: int, columns: int, slice_number: int, slices: int, *, dynamic: int = 1, echo: int = 1, kind: str = "M"
) -> NDArray[np.uint16]:
    """Return the stored values (rows, columns) of one image, 12 bit: a ball of agar with a vial and a blinking part.

    The vial is bright at the left back, the blinking part rises with the dynamics, later echoes are darker and phase
    images are a ramp. The first four pixels of row 0 number the image: slice, dynamic, echo, type (0 M, 3 P).
    """
    stored = _image(rows, columns, slice_number, slices, dynamic % 8, echo, kind).copy()
    marks = (slice_number % 4096, dynamic % 4096, echo, 3 if kind == "P" else 0)
    stored[0, : min(4, columns)] = marks[: min(4, columns)]
    return stored


@lru_cache(maxsize=64)
def _image(
    rows: int, columns: int, slice_number: int, slices: int, phase: int, echo: int, kind: str
) -> NDArray[np.uint16]:
    rest, blinks = _slice(rows, columns, slice_number, slices)
    if kind == "P":
        x, _ = _plane(rows, columns)
        signal = np.where(rest > 0, 2048 + 1200 * x / echo + 20 * phase, 2048.0)
    else:
        signal = rest * math.exp(-0.3 * (echo - 1)) * np.where(blinks, 1 + 0.1 * phase, 1.0)
    return np.clip(signal, 0, 4095).astype("<u2")
