"""What the array of a file will be: decided from the header, before a pixel is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.frames import FrameTable
from mrdock.enhanced import geometry, timing
from mrdock.enhanced.choices import Combine, Order, combine_of, order_of
from mrdock.enhanced.dimensions import B_VALUE, DIRECTION, SLICE, STACK, TIME, Dimension, Dimensions, dimensions_of
from mrdock.enhanced.geometry import Stack
from mrdock.enhanced.grid import Axis, DuplicateError, Grid, combined, grid_of, ordered, ranked
from mrdock.enhanced.pixels import Pixels, pixels_of
from mrdock.enhanced.scaling import Scaling, Values, scaling_of
from mrdock.enhanced.source import Source, open_source
from mrdock.errors import ChoiceError, MalformedError
from mrdock.files.names import printable

Ints = NDArray[np.int64]
Missing = Literal["merge", "mask"]

_LARGE: Final = 1 << 26
_MOST_THREADS: Final = 4
_PICTURE: Final = ("row", "column")
_MATLAB_PICTURE: Final = ("Column", "Row")


@dataclass(frozen=True)
class Plan:
    """All of an `EnhancedImage` but its data. Axes and their order are those of the data.

    ``parts`` has for each axis the numbers of its dimensions in ``dimensions``, nothing for those of the picture.
    ``cells`` is the frame, from 0, in each cell of the axes behind these; -1 where there is none.
    """

    path: str
    values: Values
    pixels: Pixels
    scaling: Scaling
    dimensions: tuple[Dimension, ...]
    dims: tuple[str, ...]
    parts: tuple[tuple[int, ...], ...]
    coords: dict[str, NDArray[Any]]
    matlab_names: tuple[str, ...]
    matlab_indexes: tuple[tuple[str, ...], ...]
    cells: Ints
    stacks: tuple[Stack, ...]
    slice_dimension: int | None
    time_step_s: float | None
    notes: tuple[str, ...]

    @property
    def transposed(self) -> bool:
        """Whether the columns come before the rows."""
        return self.dims[0] != _PICTURE[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the data."""
        picture = self.pixels.rows, self.pixels.columns
        return (*(picture[::-1] if self.transposed else picture), *self.cells.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the data: float32, or what is stored."""
        return self.pixels.native if self.values == "stored" else np.dtype(np.float32)

    def axis_of(self, dimension: int) -> int | None:
        """The axis that is this dimension alone; None where it is merged with others or has one value."""
        return next((axis for axis, parts in enumerate(self.parts) if parts == (dimension,)), None)

    def named(self, name: str) -> int | None:
        """The number of the dimension of this name."""
        return next((number for number, each in enumerate(self.dimensions) if each.name == name), None)

    def timed(self, axis: int) -> bool:
        """Whether its entries were acquired one after the other, a time step apart: dynamics, or diffusion volumes."""
        names = {self.dimensions[part].name for part in self.parts[axis]}
        return bool(names) and names <= {TIME, B_VALUE, DIRECTION}


def plan_of(
    path: str,
    scale: bool | str = True,
    order: Order = None,
    combine: Combine = None,
    missing: Missing = "merge",
) -> Plan:
    """Read the header of a file and decide; see `dicomeread`."""
    values = values_of(scale)
    if missing not in ("merge", "mask"):
        raise ChoiceError(f"missing is 'merge' or 'mask', not {missing!r}")
    with open_source(path) as source:
        try:
            return _planned(source, values, order, combine, missing)
        except ChoiceError as error:
            raise ChoiceError(f"{printable(path)}: {error}") from None


def values_of(scale: bool | str) -> Values:
    """Which values ``scale`` asks for; raises `ChoiceError`."""
    if scale is True or scale == "float":
        return "float"
    if scale is False or scale == "stored":
        return "stored"
    if scale == "display":
        return "display"
    raise ChoiceError(f"scale is 'float', 'display', 'stored', True or False, not {scale!r}")


def _planned(source: Source, values: Values, order: Order, combine: Combine, missing: Missing) -> Plan:
    table = source.table
    pixels = pixels_of(source)
    dimensions = dimensions_of(source)
    grid = _grid(source, dimensions, missing)
    scaling = scaling_of(table, values, printable(source.path))
    names = _MATLAB_PICTURE
    dims, labels = _names(grid.axes, dimensions.dimensions)
    axes = order_of(order, (*_PICTURE, *dims), (*names, *labels))
    grid = ordered(grid, [axis - 2 for axis in axes[2:]])
    dims, labels = _names(grid.axes, dimensions.dimensions)
    picture = [_PICTURE[axis] for axis in axes[:2]]
    flags = combine_of(combine, (*picture, *dims), (*(names[axis] for axis in axes[:2]), *labels))
    grid = combined(grid, flags[2:])
    dims, labels = _names(grid.axes, dimensions.dimensions)
    stacks, slices = _stacks(table, dimensions)
    sizes = [(pixels.rows, pixels.columns)[axis] for axis in axes[:2]]
    counted = {name: np.arange(1, size + 1) for name, size in zip(picture, sizes, strict=True)}
    return Plan(
        source.path,
        values,
        pixels,
        scaling,
        dimensions.dimensions,
        (*picture, *dims),
        ((), (), *(axis.parts for axis in grid.axes)),
        counted | _coords(grid.axes, dims, dimensions.dimensions),
        (*(names[axis] for axis in axes[:2]), *labels),
        (*(tuple(map(str, each)) for each in counted.values()), *_indexes(grid.axes, dimensions.dimensions)),
        grid.cells,
        stacks,
        slices,
        timing.step_s(table, dimensions),
        _notes(scaling, grid, dims, stacks),
    )


def _grid(source: Source, dimensions: Dimensions, missing: Missing) -> Grid:
    try:
        return grid_of(dimensions.index, missing)
    except DuplicateError as error:
        one, other = error.frames
        said = "\\".join(str(value) for value in dimensions.index[one])
        what = f"the same Dimension Index Values {said}" if said else "no Dimension Index Values"
        raise source.broken(
            f"frames {one + 1} and {other + 1} have {what}, and nothing else tells them apart"
        ) from None


def _names(axes: Sequence[Axis], dimensions: Sequence[Dimension]) -> tuple[list[str], list[str]]:
    """The identifier and the original's name of each axis."""
    dims, labels = [], []
    for axis in axes:
        dims.append("_x_".join(dimensions[part].name for part in axis.parts))
        words = [dimensions[part].label for part in axis.parts]
        marks = (*axis.marks, "")
        labels.append("".join(word + mark for word, mark in zip(words, marks, strict=True)))
    return dims, labels


def _coords(axes: Sequence[Axis], dims: Sequence[str], dimensions: Sequence[Dimension]) -> dict[str, NDArray[Any]]:
    """The values of each axis; those of a merged one as records, and each field of these also by its own name."""
    found: dict[str, NDArray[Any]] = {}
    for axis, name in zip(axes, dims, strict=True):
        each = {
            dimensions[part].name: dimensions[part].values[axis.frames[:, at]] for at, part in enumerate(axis.parts)
        }
        if len(each) > 1:
            kinds = [(part, values.dtype, values.shape[1:]) for part, values in each.items()]
            records = np.empty(axis.size, np.dtype(kinds))
            for part, values in each.items():
                records[part] = values
            found[name] = records
        found |= each
    return found


def _indexes(axes: Sequence[Axis], dimensions: Sequence[Dimension]) -> list[tuple[str, ...]]:
    found = []
    for axis in axes:
        labels = [dimensions[part].labels(axis.frames[:, at]) for at, part in enumerate(axis.parts)]
        found.append(tuple("/".join(each) for each in zip(*labels, strict=True)))
    return found


def _stacks(table: FrameTable, dimensions: Dimensions) -> tuple[tuple[Stack, ...], int | None]:
    """Each stack, and the number of the dimension that counts slices."""
    planes = geometry.planes_of(table)
    if planes is None:
        return (), None
    names = [dimension.name for dimension in dimensions.dimensions]
    ranks = [ranked(dimensions.index[:, at])[0] for at in range(len(names))]
    of_stacks = ranks[names.index(STACK)] if STACK in names else np.zeros(table.frames, np.int64)
    order = sorted(range(len(names)), key=lambda at: names[at] != SLICE)
    groups = [np.flatnonzero(of_stacks == number) for number in range(int(of_stacks.max(initial=0)) + 1)]
    chosen: int | None = None
    for frames in groups:
        normal = np.cross(planes.right[frames[0]], planes.down[frames[0]])
        along = normal / np.linalg.norm(normal)
        candidates = [ranks[at][frames] for at in order]
        followed = geometry.slice_numbers(planes.positions[frames], along, candidates)
        if followed is not None and chosen is None:
            chosen = order[next(at for at, each in enumerate(candidates) if each is followed)]
    slices = ranks[chosen] if chosen is not None else np.zeros(table.frames, np.int64)
    return tuple(geometry.stack_of(planes, frames, slices[frames]) for frames in groups), chosen


def _notes(scaling: Scaling, grid: Grid, dims: Sequence[str], stacks: Sequence[Stack]) -> tuple[str, ...]:
    found = [scaling.note] if scaling.note else []
    for axis, name in zip(grid.axes, dims, strict=True):
        if "/" in axis.marks:
            found.append(f"not every combination of {' and '.join(name.split('_x_'))} has a frame: they are one axis")
    empty = int((grid.cells < 0).sum())
    if empty:
        found.append(f"{empty} of {grid.cells.size} cells have no frame")
    found += [f"no regular geometry: {stack.note}" for stack in stacks if stack.note]
    if not stacks:
        found.append("no geometry: position, orientation or pixel spacing is missing")
    return tuple(found)


def read_cells(plan: Plan, cells: Ints) -> NDArray[Any]:
    """The values in some cells, each the number of a frame or -1: (rows, columns, *cells.shape), planes contiguous.

    Cells without a frame are NaN, of stored values 0. Raises `MalformedError`, `UnsuitableError` or OSError.
    """
    pixels = plan.pixels
    flat = np.ascontiguousarray(cells.T).reshape(-1)
    frames, first, which = np.unique(flat, return_index=True, return_inverse=True)
    source = first[which.reshape(-1)]
    size = len(flat) * pixels.rows * pixels.columns * plan.dtype.itemsize
    try:
        planes = np.empty((len(flat), pixels.rows, pixels.columns), plan.dtype)
    except (MemoryError, ValueError):
        raise MalformedError(f"{printable(plan.path)}: {size / 1e9:.3g} GB are too much for the memory") from None
    if len(frames) and frames[0] < 0:
        planes[flat < 0] = np.nan if plan.values != "stored" else 0
        frames, first = frames[1:], first[1:]
    _fill(plan, frames, planes, first)
    again = np.flatnonzero((source != np.arange(len(flat))) & (flat >= 0))
    for at in again.tolist():
        planes[at] = planes[source[at]]
    axes = cells.ndim
    shaped = planes.reshape(*cells.shape[::-1], pixels.rows, pixels.columns)
    return shaped.transpose(axes, axes + 1, *range(axes - 1, -1, -1))


def _fill(plan: Plan, frames: Ints, planes: NDArray[Any], targets: Ints) -> None:
    """Scale ``frames``, which ascend, into the planes of these numbers; large arrays in several threads."""
    pixels, scaling = plan.pixels, plan.scaling

    def fill(begin: int, end: int) -> None:
        numbers, places = frames[begin:end].tolist(), targets[begin:end].tolist()
        with np.errstate(over="ignore", invalid="ignore"):
            for position, block in pixels.blocks(frames[begin:end]):
                for at, plane in enumerate(block, position):
                    scaling.apply(numbers[at], plane, planes[places[at]])

    workers = 1 if pixels.encoded or planes.nbytes < _LARGE else min(_MOST_THREADS, os.cpu_count() or 1)
    if workers == 1:
        fill(0, len(frames))
        return
    edges = np.linspace(0, len(frames), workers + 1).astype(int).tolist()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, edges[:-1], edges[1:]))
