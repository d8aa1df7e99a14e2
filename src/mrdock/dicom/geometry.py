"""Where classic images lie: normals, positions along them, and slice numbers from positions (PS3.3 C.7.6.2.1.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

Vector = tuple[float, float, float]
"""Three numbers in the patient's system (LPS)."""

NEAR_MM: Final = 0.01
"""Positions that differ by less are one slice."""

_PARALLEL: Final = math.cos(math.radians(0.5))
_OFF_GRID: Final = 0.1  # of a step
_LONGEST_GAP: Final = 1000  # steps


def normal(orientation: Sequence[float]) -> Vector | None:
    """The unit normal of a slice, from the six numbers of Image Orientation (Patient) (0020,0037).

    It is row direction x column direction. None where the two span no plane.
    """
    x, y, z, u, v, w = orientation
    n = (y * w - z * v, z * u - x * w, x * v - y * u)
    length = math.hypot(*n)
    span = math.hypot(x, y, z) * math.hypot(u, v, w)
    if not (math.isfinite(span) and length > 0.1 * span > 0):
        return None
    return n[0] / length, n[1] / length, n[2] / length


def position_mm(position: Sequence[float], along: Vector) -> float:
    """How far along a normal a slice lies, from Image Position (Patient) (0020,0032)."""
    return position[0] * along[0] + position[1] * along[1] + position[2] * along[2]


def parallel(a: Vector, b: Vector) -> bool:
    """Whether two normals point the same way, within half a degree."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] >= _PARALLEL


def distinct(positions_mm: Sequence[float]) -> list[int]:
    """For each position, which one it is in ascending order, from 0; those that are near each other are one."""
    found = [0] * len(positions_mm)
    begin, number = -math.inf, -1
    for index in sorted(range(len(positions_mm)), key=positions_mm.__getitem__):
        if positions_mm[index] - begin >= NEAR_MM:
            begin, number = positions_mm[index], number + 1
        found[index] = number
    return found


def slice_numbers(positions_mm: Sequence[float], spacing_mm: float | None = None) -> list[int]:
    """Number slices from 1 by their positions, in ascending order; those that are near each other have one number.

    Where all positions lie on a grid of ``spacing_mm``, a slice that is missing between two others leaves its number
    free. That is as much as positions can say: what is missing below the lowest slice shifts all numbers.
    """
    places = distinct(positions_mm)
    gaps = _steps(positions_mm, spacing_mm) if spacing_mm is not None and spacing_mm > NEAR_MM else None
    if gaps is None:
        return [place + 1 for place in places]
    return [gap + 1 for gap in gaps]


def _steps(positions_mm: Sequence[float], spacing_mm: float) -> list[int] | None:
    """How many steps each position lies above the lowest; None where they lie on no grid, or slices share a step."""
    if not positions_mm:
        return None
    lowest = min(positions_mm)
    exact = [(position - lowest) / spacing_mm for position in positions_mm]
    if max(exact) > _LONGEST_GAP + len(exact):
        return None
    steps = [round(step) for step in exact]
    if any(abs(a - b) > _OFF_GRID for a, b in zip(exact, steps, strict=True)):
        return None
    common = math.gcd(*steps) or 1  # a grid finer than that of the slices says nothing
    steps = [step // common for step in steps]
    return steps if len(set(steps)) == len(set(distinct(positions_mm))) else None
