"""An Enhanced MR file as one array with named, valued axes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrdock.enhanced.choices import Combine, Order
from mrdock.enhanced.geometry import LPS_TO_RAS, Stack
from mrdock.enhanced.plan import Missing, Plan, plan_of, read_cells

if TYPE_CHECKING:
    from nibabel import Nifti1Image
    from pydicom.dataset import FileDataset
    from xarray import DataArray


def dicomeread(
    path: str | os.PathLike[str],
    scale: bool | str = True,
    order: Order = None,
    combine: Combine = None,
    missing: Missing = "merge",
) -> EnhancedImage:
    """Read an Enhanced MR file (PS3.3 section A.36) as one array with named axes.

    ``scale`` chooses the values: ``"float"`` or True for floating point values FP, ``"display"`` for those on the
    console, DV, both float32; ``"stored"`` or False for pixel values PV in their own type. Without Philips' scale FP
    is DV, and without Rescale Slope PV; `EnhancedImage.notes` says so.

    ``order`` is a permutation of all axes, by names or numbers; the rows and columns stay in front. ``combine`` has a
    flag for each axis, after ordering, that merges it into the one on its left, or names such axes.

    Where frames are missing, the smallest set of dimensions that is concerned becomes one axis; ``missing="mask"``
    gives a full grid instead, with NaN, or 0 in stored values, where no frame is.

    Raises `UnsuitableError` for other DICOM than Enhanced MR, `NotDicomError`, `MalformedError`, OSError, and
    `ChoiceError` for arguments that do not fit the file.
    """
    plan = plan_of(os.fspath(path), scale, order, combine, missing)
    return EnhancedImage(plan, read_cells_of(plan))


class EnhancedImage:
    """One file's images; see `dicomeread`, which reads the ``data`` at once."""

    def __init__(self, plan: Plan, data: NDArray[Any] | None = None) -> None:
        """Put together; without data it is read when it is first asked for."""
        self.plan = plan
        self._data = data

    @property
    def data(self) -> NDArray[Any]:
        """The values; their axes are ``dims``, row and column first.

        The planes lie one after the other in memory; `numpy.ascontiguousarray` gives a copy in C order.
        """
        if self._data is None:
            self._data = read_cells_of(self.plan)
        return self._data

    @property
    def is_read(self) -> bool:
        """Whether the data is in memory."""
        return self._data is not None

    @property
    def path(self) -> str:
        """The file."""
        return self.plan.path

    @property
    def dims(self) -> tuple[str, ...]:
        """The identifier of each axis: ``row``, ``column``, then the keyword of the dimension in small letters."""
        return self.plan.dims

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the data."""
        return self.plan.shape

    @property
    def coords(self) -> dict[str, NDArray[Any]]:
        """The values of each axis by its name: numbers, texts, or records where dimensions are merged.

        Rows and columns count from 1. Directions are (size, 3) in the patient's system (LPS), NaN where there is none.
        The fields of records have entries of their own, too.
        """
        return self.plan.coords

    @property
    def units(self) -> dict[str, str]:
        """The units of the coords that have one."""
        return {each.name: each.unit for each in self.plan.dimensions if each.unit and each.name in self.coords}

    @property
    def items(self) -> NDArray[np.int64]:
        """For each cell (the axes behind row and column) the item of the per-frame groups, from 1; 0 where none is."""
        return self.plan.cells + 1

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Where `items` has no frame; None where all cells have one."""
        empty = self.plan.cells < 0
        return empty if empty.any() else None

    @property
    def matlab_names(self) -> tuple[str, ...]:
        """The original's names: ``Column`` is axis 1, the rows of the array, and ``Row`` axis 2."""
        return self.plan.matlab_names

    @property
    def matlab_indexes(self) -> tuple[tuple[str, ...], ...]:
        """The original's labels: for each axis the values of its entries as text."""
        return self.plan.matlab_indexes

    @property
    def matlab_items(self) -> NDArray[np.int64]:
        """The same as `items`."""
        return self.items

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The geometry of each stack, in the order of the Stack ID; empty where the file has none."""
        return self.plan.stacks

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """(4, 4): from (index on axis 1, index on axis 2, slice), from 0, to LPS in mm; None without geometry.

        With several stacks (stacks, 4, 4).
        """
        return affine_of(self.plan)

    @property
    def affine_ras(self) -> NDArray[np.float64] | None:
        """As `affine`, but to RAS, as NIfTI has it."""
        affine = self.affine
        return None if affine is None else LPS_TO_RAS @ affine

    @property
    def time_step_s(self) -> float | None:
        """Seconds between temporal positions; the repetition time where there is only one."""
        return self.plan.time_step_s

    @property
    def values(self) -> str:
        """Which values these are: ``float``, ``display`` or ``stored``."""
        return self.plan.values

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know: a scale that was missing, dimensions that were merged, cells that are empty."""
        return self.plan.notes

    @cached_property
    def header(self) -> FileDataset:
        """The data set without pixels, read by pydicom when it is first asked for."""
        import pydicom

        return pydicom.dcmread(self.path, stop_before_pixels=True, force=True)

    def to_xarray(self) -> DataArray:
        """A labelled array (extra ``[xarray]``): ``.sel(effective_echo_time=4.6)``."""
        from mrdock.enhanced.labelled import data_array

        return data_array(self.plan, self.data)

    def to_nifti(self, stack: int | str | None = None) -> Nifti1Image:
        """A NIfTI image in RAS (extra ``[nifti]``): columns, rows, slices, then time or what there is, then the rest.

        ``stack`` is its number from 0, or its Stack ID, where there are several. Raises `ChoiceError` where the slices
        make no regular grid.
        """
        from mrdock.enhanced.nifti import nifti_image

        return nifti_image(self.plan, self.data, stack)

    def save(self, path: str, *, force: bool = False) -> None:
        """Write a file of the kind that its name ends with: npy, npz, nii, nii.gz, mat, nc, zarr.

        Never overwrites without ``force``. Raises `ChoiceError` for another ending, `PlaceError` where one exists.
        """
        from mrdock.enhanced.export import save

        save(self, path, force=force)

    def __repr__(self) -> str:
        axes = " x ".join(f"{name} {size}" for name, size in zip(self.dims, self.shape, strict=True))
        return f"<EnhancedImage {axes}, {self.plan.dtype}>"


def read_cells_of(plan: Plan) -> NDArray[Any]:
    """The whole data of a plan."""
    data = read_cells(plan, plan.cells)
    return data.swapaxes(0, 1) if plan.transposed else data


def affine_of(plan: Plan) -> NDArray[np.float64] | None:
    """See `EnhancedImage.affine`."""
    if not plan.stacks:
        return None
    columns = [1, 0, 2, 3] if plan.transposed else [0, 1, 2, 3]
    found = np.stack([stack.affine[:, columns] for stack in plan.stacks])
    return found if len(found) > 1 else found[0]


def c_order(data: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The data in C order, in pieces along the first axis, little endian."""
    little = data.dtype.newbyteorder("<")
    for plane in data:
        if plane.ndim < 2:
            yield np.ascontiguousarray(plane, dtype=little)
            continue
        found = np.empty(plane.shape, little)
        for at in range(plane.shape[1]):  # few planes at once: theirs are the bytes that lie together
            found[:, at] = plane[:, at]
        yield found
