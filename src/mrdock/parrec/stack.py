"""The slices of a PAR file as one stack: what its lines say, checked against each other."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.parrec import geometry
from mrdock.parrec.general import General
from mrdock.parrec.geometry import Floats

NEAR_DEG: Final = 0.06
"""Angles of image lines have two decimals, in V4 one."""
NEAR_MM: Final = 0.2
"""Offcentres of image lines have two decimals, in V4 one; rounded angles move the last slices by as much."""


@dataclass(frozen=True)
class Stack:
    """The geometry of all images; see the properties of `reading.ParRec`.

    ``angulation_deg`` and ``midslice_mm`` are those of the general lines, None where they have none.
    """

    angulation_deg: Floats | None
    midslice_mm: Floats | None
    table: Mapping[str, NDArray[Any]]
    orientation: NDArray[np.int64]
    offcentre_mm: Floats
    remarks: tuple[str, ...]

    def affine(self, shape: tuple[int, int]) -> Floats | None:
        """(4, 4) from (row, column, slice) to LPS; None where the slices make no even grid."""
        first, last = geometry.ends(self.table["slice_number"])
        spacing, angles = self.table["pixel_spacing_mm"], self.table["image_angulation_deg"]
        if _varies(self.orientation, 0) or _varies(spacing, 0) or _varies(angles, NEAR_DEG) or (spacing <= 0).any():
            return None
        angulation = angles[first]
        if self.angulation_deg is not None and np.abs(angulation - self.angulation_deg).max() <= NEAR_DEG:
            angulation = self.angulation_deg
        normal = geometry.axes(self.orientation[first], angulation).normal
        begin, end = geometry.to_lps(self.offcentre_mm[first]), geometry.to_lps(self.offcentre_mm[last])
        middle = (begin + end) / 2
        if self.midslice_mm is not None:
            said = geometry.to_lps(self.midslice_mm)
            middle = said if np.linalg.norm(middle - said) <= NEAR_MM else middle
        numbers = self.table["slice_number"]
        step = float(self.table["slice_thickness_mm"][first] + self.table["slice_gap_mm"][first])
        along = (numbers - (numbers[first] + numbers[last]) / 2)[:, np.newaxis]
        centres = geometry.to_lps(self.offcentre_mm)
        count = max(1, int(numbers[last] - numbers[first]))
        for each in (normal * step, (end - begin) / count):
            if np.linalg.norm(middle + along * each - centres, axis=1).max() <= NEAR_MM:
                lowest = geometry.from_lps(middle + along[first] * each)
                found = geometry.affines(self.orientation[first], angulation, lowest, spacing[first], step, shape)
                found[:3, 2] = each
                return found
        return None


def stack_of(general: General, missing: Collection[str], table: Mapping[str, NDArray[Any]]) -> Stack:
    """The stack of a table, with what had to be corrected."""
    remarks = []
    first, last = geometry.ends(table["slice_number"])
    orientation, angulation = table["slice_orientation"], table["image_angulation_deg"]
    offcentre = table["image_offcentre_mm"]
    one_stack = not _varies(orientation, 0)
    normal = geometry.axes(orientation[first], angulation[first]).normal if one_stack else None
    midslice = None if "off_centre_mm" in missing else np.array(general.off_centre_mm)
    turned = None if "angulation_deg" in missing else np.array(general.angulation_deg)
    order = geometry.offcentre_order(midslice, offcentre[first], offcentre[last], normal)
    offcentre = geometry.in_order(offcentre, order)
    if order != "ap,fh,rl":
        remarks.append(f"has the offcentre of its images in the order {order}")
    if one_stack and (way := _way(table, geometry.to_lps(offcentre), first, last)) is not None:
        code = int(orientation[first])
        shown = geometry.orientation_by_steps(code, angulation[first], way)
        if shown != code:
            words = geometry.ORIENTATIONS
            remarks.append(f"calls its slices {words.get(code, code)}; their positions are {words[shown]}")
            orientation = np.full_like(orientation, shown)
    return Stack(turned, midslice, table, orientation, offcentre, tuple(remarks))


def _way(table: Mapping[str, NDArray[Any]], centres: Floats, first: int, last: int) -> Floats | None:
    """The way (3,) from the first to the last slice; None unless all lie on it, as far apart as the file says."""
    numbers, way = table["slice_number"], centres[last] - centres[first]
    count = int(numbers[last] - numbers[first])
    step = float(table["slice_thickness_mm"][first] + table["slice_gap_mm"][first])
    if not count or abs(np.linalg.norm(way) / count - abs(step)) > NEAR_MM:
        return None
    along = ((numbers - numbers[first]) / count)[:, np.newaxis]
    even = np.linalg.norm(centres[first] + along * way - centres, axis=1).max() <= NEAR_MM
    return way if even else None


def _varies(values: NDArray[Any], near: float) -> bool:
    return bool((np.abs(values - values[0]) > near).any())
