"""Where the voxels of each stack lie: affines from Plane Position and Plane Orientation (PS3.3 section C.7.6.2.1.1).

Philips repeats the position in a private group, half a pixel off; only the standard one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.frames import FrameTable
from mrdock.dicom.scan import Key

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LPS_TO_RAS: Final = np.diag([-1.0, -1.0, 1.0, 1.0])

_POSITION: Final = (0x00209113, 0x00200032)
_ORIENTATION: Final = (0x00209116, 0x00200037)
_SPACING: Final = (0x00289110, 0x00280030)
_THICKNESS: Final = (0x00289110, 0x00180050)
_BETWEEN: Final = (0x00289110, 0x00180088)
_NEAR_MM: Final = 0.01
_NEAR_COSINE: Final = 1e-3


@dataclass(frozen=True)
class Stack:
    """One stack: ``affine`` (4, 4) from (row, column, slice), counted from 0, to LPS in mm.

    ``frames`` are its frames. ``note`` says why the slices make no regular grid, empty where they do.
    """

    affine: Floats
    frames: Ints
    note: str = ""


@dataclass(frozen=True)
class Planes:
    """Of each frame the position (frames, 3) of its first pixel, and the vectors (frames, 3) of one row and column down
    and right, all in mm LPS; ``step_mm`` (frames,) is how far slices are apart where no second one says it."""

    positions: Floats
    down: Floats
    right: Floats
    step_mm: Floats


def planes_of(table: FrameTable) -> Planes | None:
    """Where each frame lies; None where one does not say it, or not with numbers that make sense."""
    position, orientation = _numbers(table, _POSITION, 3), _numbers(table, _ORIENTATION, 6)
    spacing = _numbers(table, _SPACING, 2)
    if position is None or orientation is None or spacing is None:
        return None
    lengths = np.linalg.norm(orientation.reshape(-1, 2, 3), axis=2)
    across = np.abs((orientation[:, :3] * orientation[:, 3:]).sum(axis=1))
    if (np.abs(lengths - 1) > 0.01).any() or (across > 0.01).any() or (spacing <= 0).any():
        return None
    step = _numbers(table, _BETWEEN, 1)
    if step is None:
        step = _numbers(table, _THICKNESS, 1)
    if step is None:
        step = np.ones((table.frames, 1))
    step = np.where(step == 0, 1.0, np.abs(step))
    return Planes(position, orientation[:, 3:] * spacing[:, :1], orientation[:, :3] * spacing[:, 1:], step[:, 0])


def stack_of(planes: Planes, frames: Ints, slices: Ints) -> Stack:
    """The affine of the stack whose frames are these, with their slice numbers from 0.

    Slice k lies where the first and the last slice, evenly spaced, put it.
    """
    first, last = int(slices.argmin()), int(slices.argmax())
    count = int(slices[last] - slices[first])
    begin, end = planes.positions[frames[first]], planes.positions[frames[last]]
    down, right = planes.down[frames[first]], planes.right[frames[first]]
    if count:
        step = (end - begin) / count
    else:
        normal = np.cross(right, down)
        step = normal / np.linalg.norm(normal) * planes.step_mm[frames[first]]
    origin = begin - step * slices[first]
    affine = np.eye(4)
    affine[:3] = np.column_stack([down, right, step, origin])
    return Stack(affine, frames, _irregular(planes, frames, slices, affine))


def _irregular(planes: Planes, frames: Ints, slices: Ints, affine: Floats) -> str:
    """Why the affine does not fit all frames."""
    expected = affine[:3, 3] + slices[:, np.newaxis] * affine[:3, 2]
    off = np.linalg.norm(planes.positions[frames] - expected, axis=1)
    turned = np.abs(planes.down[frames] - affine[:3, 0]) + np.abs(planes.right[frames] - affine[:3, 1])
    if turned.max() > _NEAR_COSINE * np.abs(affine[:3, :2]).max():
        return f"frame {frames[int(turned.max(axis=1).argmax())] + 1} has another orientation or pixel size"
    step = float(np.linalg.norm(affine[:3, 2]))
    if off.max() > max(_NEAR_MM, 0.01 * step):
        return f"frame {frames[int(off.argmax())] + 1} lies {off.max():.3g} mm off the even grid of its stack"
    if step < _NEAR_MM:
        return "its slices lie in one place"
    return ""


def slice_numbers(positions: Floats, along: Floats, candidates: Sequence[Ints]) -> Ints | None:
    """Of the candidates (ranks of the frames in a dimension) the first that the positions follow; None for none.

    They follow where frames of one rank lie in one place, and those of different ranks do not.
    """
    places = positions @ along
    for ranks in candidates:
        size = int(ranks.max(initial=0)) + 1
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(low, ranks, places)
        np.maximum.at(high, ranks, places)
        there = np.isfinite(low)
        if size > 1 and (high[there] - low[there]).max() < _NEAR_MM and np.ptp(low[there]) >= _NEAR_MM:
            return ranks
    return None


def _numbers(table: FrameTable, where: Sequence[Key], width: int) -> Floats | None:
    """Numbers of every frame; None where one lacks any."""
    column = table.column(list(where))
    if column is None or column.values.dtype.kind not in "fiu" or (column.counts < width).any():
        return None
    values = column.values.astype(np.float64).reshape(table.frames, -1)[:, :width]
    return values if np.isfinite(values).all() else None
