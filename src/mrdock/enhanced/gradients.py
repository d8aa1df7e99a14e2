"""The diffusion weighting of an Enhanced MR file: b-value and direction of every volume (PS3.3 section C.8.13.5.9).

Both stand in the MR Diffusion Sequence (0018,9117). Where a file has none of it, Philips' own elements say the same:
the b-value (2001,1003), and the direction's three components (2005,10B0), (2005,10B1), (2005,10B2), which are right to
left, anterior to posterior, feet to head, the patient's frame of the standard too (seen in R5.7.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.frames import FrameTable
from mrdock.enhanced.dimensions import dimensions_of
from mrdock.enhanced.roles import Role, roles_of
from mrdock.enhanced.source import Source
from mrdock.errors import UnsuitableError
from mrdock.files.names import printable

Vector = tuple[float, float, float]
Floats = NDArray[np.float64]

_DIFFUSION: Final = 0x00189117
_B_VALUE: Final = (_DIFFUSION, 0x00189087)
_DIRECTIONALITY: Final = (_DIFFUSION, 0x00189075)
_ORIENTATION: Final = (_DIFFUSION, 0x00189089)
_FRAME_TYPE: Final = 0x00089007
_CONTRAST: Final = 0x00089209
_PLANE_ORIENTATION: Final = (0x00209116, 0x00200037)
_PHILIPS_B: Final = (0x2001, 0x03, "Philips Imaging DD 001")
_PHILIPS_DIRECTION: Final = tuple((0x2005, low, "Philips MR Imaging DD 001") for low in (0xB0, 0xB1, 0xB2))

_CALCULATED: Final = {
    "ADC": "ADC map",
    "EADC": "exponential ADC map",
    "FA": "anisotropy map",
    "TRACE": "trace",
    "TRACEW": "trace",
    "ISOTROPIC": "isotropic",
    "AVERAGE": "average",
}
"""Values of Frame Type (0008,9007) of images that no single gradient made (PS3.3 section C.8.16.1.4)."""

_NEAR: Final = 1e-4  # of orientations that are the same


@dataclass(frozen=True, slots=True)
class Gradient:
    """One volume: its b-value (s/mm^2) and its direction, as the header has it, in the patient's frame (LPS).

    The direction is zeros where there is none. ``average`` says what kind of image without a direction of its own this
    is (``isotropic``, ``trace``, ``ADC map``), and is empty for all others. ``frames`` are the volume's, from 0.
    """

    b_value: float
    direction: Vector
    average: str
    frames: tuple[int, ...]


@dataclass(frozen=True)
class Gradients:
    """All weightings of a file: ``entries`` one for each direction, ``volumes`` one for each volume in time, too.

    Both are in the order of the dimensions, the first varying fastest. ``axes`` has the row direction, the column
    direction and the normal of the slices (rows, unit vectors, LPS), None where slices have several orientations.
    """

    entries: tuple[Gradient, ...]
    volumes: tuple[Gradient, ...]
    axes: Floats | None


def gradients_of(source: Source) -> Gradients:
    """Read them. Raises `UnsuitableError` where the file is no diffusion scan, `MalformedError` where it is broken."""
    table = source.table
    values = _b_values(table)
    if values is None or not (np.any(values > 0) or _is_diffusion(table)):
        raise UnsuitableError(f"{printable(source.path)}: no diffusion scan: no frame has a b-value above 0")
    if np.any(np.isnan(values)):
        frame = int(np.flatnonzero(np.isnan(values))[0])
        raise source.broken(f"frame {frame + 1} has no b-value")
    directions = _directions(table)
    dimensions = dimensions_of(source)
    roles = roles_of(source, dimensions)
    weighted = [at for at, role in enumerate(roles) if role is Role.OTHER]
    timed = [at for at, role in enumerate(roles) if role in (Role.OTHER, Role.TIME)]
    words = _averages(table, values, directions)

    def grouped(columns: Sequence[int]) -> tuple[Gradient, ...]:
        return tuple(
            _gradient(source, frames, values, directions, words) for frames in _volumes(dimensions.index, columns)
        )

    return Gradients(grouped(weighted), grouped(timed), _axes(table))


def _volumes(index: NDArray[Any], columns: Sequence[int]) -> list[tuple[int, ...]]:
    """The frames of each combination of index values, the last column varying slowest."""
    found: dict[tuple[int, ...], list[int]] = {}
    for frame, row in enumerate(index[:, list(columns)].tolist()):
        found.setdefault(tuple(reversed(row)), []).append(frame)
    return [tuple(found[key]) for key in sorted(found)]


def _gradient(
    source: Source, frames: tuple[int, ...], values: Floats, directions: Floats, words: Sequence[str]
) -> Gradient:
    """The weighting that all frames of a volume share; those of calculated images count only where there is nothing
    else in it."""
    plain = [frame for frame in frames if not words[frame]] or list(frames)
    first = plain[0]
    for frame in plain:
        if values[frame] != values[first] or not np.array_equal(directions[frame], directions[first]):
            raise source.broken(
                f"frames {first + 1} and {frame + 1} are one volume, but differ in b-value or direction"
            )
    b_value = float(values[first])
    x, y, z = (float(part) + 0.0 for part in directions[first])
    direction = (x, y, z) if b_value > 0 else (0.0, 0.0, 0.0)
    return Gradient(b_value, direction, words[first], tuple(plain))


def _b_values(table: FrameTable) -> Floats | None:
    """(frames,) in s/mm^2, NaN where there is none; None where no frame has one."""
    values = _numbers(table, _B_VALUE, 1)
    if values is not None:
        unweighted = np.isnan(values[:, 0]) & (_said(table) == "NONE")
        return np.where(unweighted, 0.0, values[:, 0])
    values = _numbers(table, _PHILIPS_B, 1)
    return None if values is None else values[:, 0]


def _directions(table: FrameTable) -> Floats:
    """(frames, 3), zeros where there is none."""
    values = _numbers(table, _ORIENTATION, 3)
    if values is None and table.column(_B_VALUE) is None:
        parts = [_numbers(table, key, 1) for key in _PHILIPS_DIRECTION]
        there = [part for part in parts if part is not None]
        values = np.hstack(there) if len(there) == 3 else None
    if values is None:
        return np.zeros((table.frames, 3))
    values[~np.isfinite(values).all(axis=1)] = 0.0
    values[(_said(table) == "ISOTROPIC") | (_said(table) == "NONE")] = 0.0
    return values


def _numbers(table: FrameTable, where: Any, count: int) -> Floats | None:
    """(frames, count) of one place, NaN for frames that have fewer."""
    column = table.column(where)
    if column is None:
        return None
    values = np.asarray(column.values, dtype=np.float64).reshape(table.frames, -1)
    if values.shape[1] < count:
        return np.full((table.frames, count), np.nan)
    values = np.array(values[:, :count])
    values[column.counts < count] = np.nan
    return values


def _said(table: FrameTable) -> NDArray[Any]:
    column = table.column(_DIRECTIONALITY)
    return column.values if column is not None else np.full(table.frames, None, dtype=object)


def _averages(table: FrameTable, values: Floats, directions: Floats) -> list[str]:
    """For each frame the word for an image that no single gradient made, or nothing."""
    column = table.column(_FRAME_TYPE)
    types: Iterable[str | None] = column.texts() if column is not None else [None] * table.frames
    said = _said(table)
    without = (values > 0) & ~directions.any(axis=1)
    return [
        _average((kind or "").split("\\"), str(said[frame]), bool(without[frame])) for frame, kind in enumerate(types)
    ]


def _average(kind: Sequence[str], said: str, without: bool) -> str:
    calculated = next((_CALCULATED[word.strip()] for word in kind[2:] if word.strip() in _CALCULATED), "")
    if calculated or not without:
        return calculated
    return "isotropic" if said == "ISOTROPIC" else "no direction"


def _is_diffusion(table: FrameTable) -> bool:
    """Whether the file calls itself a diffusion scan, of which perhaps only the volume without weighting is there."""
    column = table.column(_CONTRAST)
    return column is not None and "DIFFUSION" in column.distinct()[0]


def _axes(table: FrameTable) -> Floats | None:
    values = _numbers(table, _PLANE_ORIENTATION, 6)
    if values is None or not np.allclose(values, values[0], rtol=0, atol=_NEAR):
        return None
    row, column = values[0, :3], values[0, 3:]
    normal = np.cross(row, column)
    axes = np.vstack([row, column, normal])
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    return np.asarray(axes / lengths) if np.all(np.abs(lengths - 1) < 0.01) else None
