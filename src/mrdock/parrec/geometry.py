"""Where the images of a PAR file lie, in the patient's system (LPS, mm).

A PAR file says (ap, fh, rl), positive to posterior, to the head and to the left: (x, y, z) in LPS is (rl, ap, fh). Its
angles turn about these axes: R = Rx(rl) Ry(ap) Rz(fh), right-handed; the columns of R are the axes of a transverse
image. Checked against the classic images of the same scans, releases 5.1.1 to 5.7.1, and against the steps between the
slices of 22 scanner files: transverse, sagittal, coronal, with one to three angles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

TRANSVERSE: Final = 1
SAGITTAL: Final = 2
CORONAL: Final = 3

ORIENTATIONS: Final = {TRANSVERSE: "transverse", SAGITTAL: "sagittal", CORONAL: "coronal"}
"""The codes of the column slice_orientation."""

OffcentreOrder = Literal["ap,fh,rl", "rl,ap,fh"]

_PARALLEL: Final = np.cos(np.radians(3.0))
_FAR_MM: Final = 1.0


class Axes(NamedTuple):
    """Unit vectors in LPS, each (..., 3): along a row (columns increase), along a column (rows increase), normal.

    The normal is row x column, the way in which slice numbers increase.
    """

    row: Floats
    column: Floats
    normal: Floats


def to_lps(ap_fh_rl: ArrayLike) -> Floats:
    """(..., 3) along (ap, fh, rl) as (x, y, z) in LPS."""
    given = np.asarray(ap_fh_rl, dtype=np.float64)
    return given[..., [2, 0, 1]]


def from_lps(xyz: ArrayLike) -> Floats:
    """(..., 3) in LPS as (ap, fh, rl)."""
    given = np.asarray(xyz, dtype=np.float64)
    return given[..., [1, 2, 0]]


def rotation(angulation_deg: ArrayLike) -> Floats:
    """(..., 3, 3) in LPS for angles (..., 3) in degrees about (ap, fh, rl)."""
    ap, fh, rl = np.moveaxis(np.radians(np.asarray(angulation_deg, dtype=np.float64)), -1, 0)
    one, zero = np.ones_like(ap), np.zeros_like(ap)
    about_x = _matrix([[one, zero, zero], [zero, np.cos(rl), -np.sin(rl)], [zero, np.sin(rl), np.cos(rl)]])
    about_y = _matrix([[np.cos(ap), zero, np.sin(ap)], [zero, one, zero], [-np.sin(ap), zero, np.cos(ap)]])
    about_z = _matrix([[np.cos(fh), -np.sin(fh), zero], [np.sin(fh), np.cos(fh), zero], [zero, zero, one]])
    found: Floats = about_x @ about_y @ about_z
    return found


def _matrix(rows: Sequence[Sequence[Floats]]) -> Floats:
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def axes(orientation: ArrayLike, angulation_deg: ArrayLike) -> Axes:
    """The axes of images, from their slice orientations (...) and angulations (..., 3) along (ap, fh, rl).

    Codes that are none of `ORIENTATIONS` count as transverse.
    """
    turned = rotation(angulation_deg)
    x, y, z = turned[..., 0], turned[..., 1], turned[..., 2]
    code = np.asarray(orientation)[..., np.newaxis]
    sagittal, upright = code == SAGITTAL, (code == SAGITTAL) | (code == CORONAL)
    row = np.where(sagittal, y, x)
    column = np.where(upright, -z, y)
    normal = np.where(sagittal, -x, np.where(upright, y, z))
    return Axes(row, column, normal)


def angulation_of(orientation: ArrayLike, row: ArrayLike, column: ArrayLike) -> Floats:
    """The reverse of `axes`: angles (..., 3) in degrees along (ap, fh, rl), from unit vectors (..., 3) in LPS."""
    row_, column_ = np.asarray(row, dtype=np.float64), np.asarray(column, dtype=np.float64)
    normal = np.cross(row_, column_)
    code = np.asarray(orientation)[..., np.newaxis]
    sagittal, coronal = code == SAGITTAL, code == CORONAL
    # no zero is negative here, as on scanners: an image that is not turned has the angles 0.00, -0.00 and -0.00
    x = np.where(sagittal, -normal, row_) + 0.0
    y = np.where(sagittal, row_, np.where(coronal, normal, column_)) + 0.0
    z = np.where(sagittal | coronal, -column_, normal) + 0.0
    ap = np.arcsin(np.clip(z[..., 0], -1.0, 1.0))
    rl = np.arctan2(-z[..., 1], z[..., 2])
    fh = np.arctan2(-y[..., 0], x[..., 0])
    found: Floats = np.degrees(np.stack([ap, fh, rl], axis=-1))
    return found


def affines(
    orientation: ArrayLike,
    angulation_deg: ArrayLike,
    offcentre_mm: ArrayLike,
    spacing_mm: ArrayLike,
    step_mm: ArrayLike,
    shape: tuple[int, int],
) -> Floats:
    """(..., 4, 4) of images: from (row, column, slice), counted from 0, to LPS in mm.

    ``offcentre_mm`` (..., 3) along (ap, fh, rl) is the middle of an image; ``spacing_mm`` (..., 2) is along x, from
    column to column, and y; ``step_mm`` (...) is from slice to slice; ``shape`` is rows and columns. The last column
    holds the middle of the first pixel, Image Position (Patient) in DICOM.
    """
    found = axes(orientation, angulation_deg)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    right = found.row * spacing[..., 0, np.newaxis]
    down = found.column * spacing[..., 1, np.newaxis]
    step = found.normal * np.asarray(step_mm, dtype=np.float64)[..., np.newaxis]
    rows, columns = shape
    origin = to_lps(offcentre_mm) - right * (columns - 1) / 2 - down * (rows - 1) / 2
    matrix = np.zeros((*origin.shape[:-1], 4, 4))
    matrix[..., :3, :] = np.stack([down, right, step, origin], axis=-1)
    matrix[..., 3, 3] = 1.0
    return matrix


def offcentre_order(
    midslice_mm: ArrayLike | None, first_mm: ArrayLike, last_mm: ArrayLike, normal: ArrayLike | None = None
) -> OffcentreOrder:
    """In which order the image lines give the offcentre: some old V4 files have (rl, ap, fh) under (ap, fh, rl).

    ``midslice_mm`` is that of the general lines, None where they have none; ``first_mm`` and ``last_mm`` are those of
    the first and last slice of the stack, as written. They are reordered only where that brings their middle within
    1 mm of the midslice. The way between them, which is along the ``normal`` (LPS) of the slices, decides if it fits
    one order only; else they are reordered where their middle is more than 1 mm off as written.
    """
    first, last = np.asarray(first_mm, dtype=np.float64), np.asarray(last_mm, dtype=np.float64)
    middle, step = (first + last) / 2, last - first
    as_written = reordered = 0.0
    if midslice_mm is not None:
        midslice = np.asarray(midslice_mm, dtype=np.float64)
        as_written = float(np.linalg.norm(middle - midslice))
        reordered = float(np.linalg.norm(_reordered(middle) - midslice))
    if reordered > _FAR_MM:
        return "ap,fh,rl"
    length = float(np.linalg.norm(step))
    if normal is not None and length >= _FAR_MM:
        along = [abs(float(to_lps(each) @ np.asarray(normal))) / length for each in (step, _reordered(step))]
        fits = [each >= _PARALLEL for each in along]
        if fits[0] != fits[1]:
            return "ap,fh,rl" if fits[0] else "rl,ap,fh"
    return "rl,ap,fh" if as_written > _FAR_MM else "ap,fh,rl"


def in_order(offcentre_mm: ArrayLike, order: OffcentreOrder) -> Floats:
    """Offcentres (..., 3) that are written in an order, along (ap, fh, rl)."""
    given = np.asarray(offcentre_mm, dtype=np.float64)
    return _reordered(given) if order == "rl,ap,fh" else given


def _reordered(rl_ap_fh: Floats) -> Floats:
    found: Floats = np.ascontiguousarray(rl_ap_fh[..., [1, 2, 0]])
    return found


def orientation_by_steps(orientation: int, angulation_deg: ArrayLike, step_lps_mm: ArrayLike) -> int:
    """The slice orientation that the way from the first to the last slice of a stack shows.

    That is the one written, where this way is along its normal, or along none, or there is only one slice. A release
    11 file has transverse under the slices of a coronal scan.
    """
    step = np.asarray(step_lps_mm, dtype=np.float64)
    length = float(np.linalg.norm(step))
    if length < _FAR_MM:
        return orientation
    along = {code: abs(float(axes(code, angulation_deg).normal @ step)) / length for code in ORIENTATIONS}
    if along.get(orientation, 0.0) >= _PARALLEL:
        return orientation
    best = max(along, key=along.__getitem__)
    return best if along[best] >= _PARALLEL else orientation


def ends(slice_number: NDArray[Any]) -> tuple[int, int]:
    """Which images are the first of the lowest and of the highest slice number."""
    return int(np.argmin(slice_number)), int(np.argmax(slice_number))
