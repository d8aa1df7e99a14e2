"""From pixel values (PV) to floating point values (FP) and displayed values (DV), each frame by its own numbers.

FP = (PV - MRScaleIntercept) / MRScaleSlope with (2005,100D) and (2005,100E) of Philips MR Imaging DD 001; this equals
(PV x RS + RI) / (RS x SS) of a Philips PAR file. DV = PV x Rescale Slope + Rescale Intercept (PS3.3 section
C.7.6.16.2.9). Both are computed in float64 and rounded once, to float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.frames import FrameTable
from mrdock.dicom.scan import Key
from mrdock.errors import MalformedError

Values = Literal["float", "display", "stored"]

_SCALE_SLOPE: Final[Key] = (0x2005, 0x0E, "Philips MR Imaging DD 001")
_SCALE_INTERCEPT: Final[Key] = (0x2005, 0x0D, "Philips MR Imaging DD 001")
_RESCALE_SLOPE: Final = (0x00289145, 0x00281053)
_RESCALE_INTERCEPT: Final = (0x00289145, 0x00281052)
_ABSENT: Final = 1e38  # Philips writes 1.7e38 where it has no value

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scaling:
    """How pixel values become values: ``slopes`` and ``intercepts`` (frames,), None for stored values.

    ``divides`` tells (PV - intercept) / slope from PV x slope + intercept. ``note`` says what was missing.
    """

    slopes: Floats | None
    intercepts: Floats | None
    divides: bool
    note: str = ""

    def apply(self, frame: int, plane: NDArray[Any], out: NDArray[Any]) -> None:
        """Write the values of one plane of ``frame`` into ``out``, float32; stored values as they are."""
        if self.slopes is None or self.intercepts is None:
            out[...] = plane
            return
        slope, intercept = self.slopes[frame], self.intercepts[frame]
        if self.divides:
            source = plane if intercept == 0 else np.subtract(plane, intercept, dtype=np.float64)
            np.divide(source, slope, out=out, dtype=np.float64, casting="same_kind")
        else:
            source = plane if slope == 1 else np.multiply(plane, slope, dtype=np.float64)
            np.add(source, intercept, out=out, dtype=np.float64, casting="same_kind")


STORED: Final = Scaling(None, None, divides=False)


def scaling_of(table: FrameTable, values: Values, path: str) -> Scaling:
    """The scaling of every frame. Raises `MalformedError`, naming the frame, where one lacks what others have."""
    if values == "stored":
        return STORED
    if values == "float":
        found = _numbers(table, [_SCALE_SLOPE], [_SCALE_INTERCEPT], path)
        if found:
            return Scaling(*found, divides=True)
    note = "" if values == "display" else "no MRScaleSlope: the values are displayed values, by Rescale Slope"
    found = _numbers(table, _RESCALE_SLOPE, _RESCALE_INTERCEPT, path)
    if found:
        return Scaling(*found, divides=False, note=note)
    missing = "Rescale Slope" if values == "display" else "MRScaleSlope and no Rescale Slope"
    ones, zeros = np.ones(table.frames), np.zeros(table.frames)
    return Scaling(ones, zeros, divides=False, note=f"no {missing}: the values are stored values")


def _numbers(
    table: FrameTable, slope: list[Key] | tuple[Key, ...], intercept: list[Key] | tuple[Key, ...], path: str
) -> tuple[Floats, Floats] | None:
    """Slopes and intercepts of all frames; None where no frame has a slope."""
    slopes = _column(table, slope)
    if slopes is None:
        return None
    wrong = np.flatnonzero(~np.isfinite(slopes) | (slopes == 0))
    if len(wrong):
        said = "0" if slopes[wrong[0]] == 0 else "missing"
        raise MalformedError(f"{path}: the slope of frame {wrong[0] + 1} is {said}; stored values need none")
    intercepts = _column(table, intercept)
    if intercepts is None:
        return slopes, np.zeros(table.frames)
    wrong = np.flatnonzero(~np.isfinite(intercepts))
    if len(wrong):
        raise MalformedError(f"{path}: frame {wrong[0] + 1} has a slope but no intercept; stored values need none")
    return slopes, intercepts


def _column(table: FrameTable, where: list[Key] | tuple[Key, ...]) -> Floats | None:
    """A number of each frame, NaN where it is missing; None where it is missing in all."""
    column = table.column(list(where))
    if column is None or column.values.dtype.kind not in "fiu":
        return None
    values = column.values.astype(np.float64)
    values = values[:, 0] if values.ndim == 2 else values
    values = np.where((column.counts > 0) & (np.abs(values) < _ABSENT), values, np.nan)
    return None if np.isnan(values).all() else values
