"""From index values to cells: which frame stands where in an array of any number of axes.

Nothing here knows what a dimension means. A frame has an index value in each dimension; the distinct values of a
dimension, in ascending order, are its entries. Where not every combination of entries has a frame, the dimensions
concerned become one axis, whose entries are the combinations that occur.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mrdock.errors import ChoiceError, MalformedError

Ints = NDArray[np.int64]

_DENSE: Final = 4

MOST_EMPTY: Final = 64
"""A full grid may have so many times as many cells as there are frames."""


@dataclass(frozen=True)
class Axis:
    """One axis of the grid: ``parts`` are the dimensions it is made of, ``marks`` what joins their names.

    ``"/"`` stands between dimensions that had to be merged, ``"x"`` between those that were combined on request.
    ``frames`` (size, parts) has for each entry the frames that its parts' values are those of; where any frame
    stands in the entry all of them are that one. Of several parts the first varies fastest.
    """

    parts: tuple[int, ...]
    frames: Ints
    marks: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many entries it has."""
        return len(self.frames)


@dataclass(frozen=True)
class Grid:
    """``cells`` has an axis for each of ``axes``: the frame in each cell, counted from 0, -1 where none stands."""

    axes: tuple[Axis, ...]
    cells: Ints


class DuplicateError(MalformedError):
    """Two frames have the same index values: ``frames`` counts them from 0."""

    def __init__(self, one: int, other: int) -> None:
        """Name both."""
        super().__init__(f"frames {one + 1} and {other + 1} have the same index values")
        self.frames = one, other


def ranked(values: NDArray[Any]) -> tuple[Ints, int]:
    """Which of the distinct values, in ascending order from 0, each value is; and how many these are."""
    values = values.reshape(-1)
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < _DENSE * len(values):  # without sorting
            places = values.astype(np.int64) - values.min().astype(np.int64)
            there = np.zeros(high - low + 1, np.int64)
            there[places] = 1
            numbers = np.cumsum(there)
            return numbers[places] - 1, int(numbers[-1])
    distinct, ranks = np.unique(values, return_inverse=True)
    return ranks.reshape(-1).astype(np.int64), len(distinct)


def combinations(columns: Sequence[NDArray[Any]], frames: int) -> tuple[Ints, int]:
    """The combinations of values that occur, ranked: the last of ``columns``, each (frames,), counts most."""
    return _joined([ranked(column)[0] for column in columns], frames)


def _joined(ranks: Sequence[Ints], frames: int) -> tuple[Ints, int]:
    """The same of ranks. No number gets beyond frames squared."""
    found, size = np.zeros(frames, np.int64), 1
    for each in reversed(ranks):
        distinct = int(each.max(initial=0)) + 1
        found, size = ranked(found * distinct + each)
    return found, size


def grid_of(values: NDArray[Any], missing: Literal["merge", "mask"] = "merge") -> Grid:
    """The grid of ``values`` (frames, dimensions). Dimensions of one value make no axis.

    Where frames are missing the smallest set of dimensions becomes one axis, at the place of the first of them; or
    with ``missing="mask"`` the cells of a full grid stay empty. Raises `DuplicateError`, and `ChoiceError` for a full
    grid that would be nearly all empty.
    """
    frames = len(values)
    both = [ranked(values[:, number]) for number in range(values.shape[1])]
    varying = [number for number, (_, size) in enumerate(both) if size > 1]
    ranks = {number: both[number][0] for number in varying}
    sizes = {number: both[number][1] for number in varying}
    whole, distinct = _joined([ranks[number] for number in varying], frames)
    if distinct < frames:
        raise DuplicateError(*_twins(whole))
    bound = _bound(ranks, sizes, frames) if math.prod(sizes.values()) > frames else []
    if bound and missing == "mask":
        if math.prod(sizes.values()) > MOST_EMPTY * frames:
            raise ChoiceError(
                f"a full grid would have {math.prod(sizes.values())} cells for {frames} frames: missing='merge' has "
                "none that is empty"
            )
        bound = []
    axes: list[Axis] = []
    places: list[Ints] = []
    for number in varying:
        if number not in bound:
            places.append(ranks[number])
            axes.append(Axis((number,), _first_frames(ranks[number], sizes[number], 1)))
        elif number == bound[0]:
            merged, size = _joined([ranks[part] for part in bound], frames)
            places.append(merged)
            axes.append(Axis(tuple(bound), _first_frames(merged, size, len(bound)), ("/",) * (len(bound) - 1)))
    cells = np.full([axis.size for axis in axes], -1, np.int64)
    cells[tuple(places)] = np.arange(frames) if axes else 0
    return Grid(tuple(axes), cells)


def _bound(ranks: dict[int, Ints], sizes: dict[int, int], frames: int) -> list[int]:
    """The smallest set of dimensions to merge. There is only one: those that are not free.

    A dimension is free where each of its entries has every combination of the others that occurs. Free dimensions make
    a full grid with each other and with the rest, so the rest is the smallest set, and has two or more dimensions.
    """
    bound = []
    for number in ranks:
        _, others = _joined([ranks[other] for other in ranks if other != number], frames)
        if others * sizes[number] != frames:
            bound.append(number)
    return bound


def _twins(places: Ints) -> tuple[int, int]:
    """The first two frames of the same place."""
    order = np.argsort(places, kind="stable")
    same = np.flatnonzero(places[order][1:] == places[order][:-1])
    pairs = [(int(order[at + 1]), int(order[at])) for at in same]
    second, first = min(pairs)
    return first, second


def _first_frames(ranks: Ints, size: int, parts: int) -> Ints:
    """The first frame of each entry, for each part."""
    found = np.full(size, len(ranks), np.int64)
    np.minimum.at(found, ranks, np.arange(len(ranks)))
    return np.repeat(found[:, np.newaxis], parts, axis=1)


def ordered(grid: Grid, order: Sequence[int]) -> Grid:
    """The grid with its axes in another order."""
    return Grid(tuple(grid.axes[number] for number in order), grid.cells.transpose(order))


def combined(grid: Grid, flags: Sequence[bool]) -> Grid:
    """Merge each flagged axis into the one on its left, whose entries then vary faster; the first is not flagged."""
    axes: list[Axis] = []
    cells = grid.cells
    for axis, flag in zip(grid.axes, flags, strict=True):
        if not flag:
            axes.append(axis)
            continue
        left, at = axes.pop(), len(axes)
        shape = cells.shape
        cells = cells.swapaxes(at, at + 1).reshape(*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :])
        marks = (*left.marks, "x", *axis.marks)
        axes.append(Axis(left.parts + axis.parts, _frames_of(cells, at, left.frames, axis.frames), marks))
    return Grid(tuple(axes), cells)


def _frames_of(cells: Ints, axis: int, left: Ints, right: Ints) -> Ints:
    """The frames of each entry of a combined axis; where all its cells are empty those of the two it was made of."""
    rows = np.moveaxis(cells, axis, 0).reshape(cells.shape[axis], -1)
    there: NDArray[np.bool_] = np.asarray(rows >= 0)
    own = rows[np.arange(len(rows)), there.argmax(axis=1)]
    apart = np.hstack([np.tile(left, (len(right), 1)), np.repeat(right, len(left), axis=0)])
    return np.where(np.any(there, axis=1, keepdims=True), own[:, np.newaxis], apart)
