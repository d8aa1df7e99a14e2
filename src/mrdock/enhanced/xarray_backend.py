"""``xarray.open_dataarray(path, engine="mrdock")``: Enhanced MR read when it is needed, plane by plane."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from xarray import Dataset
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from mrdock.enhanced.choices import Combine, Order
from mrdock.enhanced.labelled import NAME, dataset
from mrdock.enhanced.plan import Missing, Plan, plan_of, read_cells
from mrdock.enhanced.source import ENHANCED_MR, LEGACY_CONVERTED
from mrdock.errors import MrdockError


class FrameArray(BackendArray):
    """The array of a plan, of which only the planes are read that are asked for."""

    def __init__(self, plan: Plan) -> None:
        """Nothing is read yet."""
        self.plan = plan
        self.shape = plan.shape
        self.dtype = plan.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> NDArray[Any]:
        found: NDArray[Any] = indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._outer
        )
        return found

    def _outer(self, key: tuple[Any, ...]) -> NDArray[Any]:
        """Integers, slices and 1-d arrays, each for its own axis."""
        single = [isinstance(each, int | np.integer) for each in key]
        whole: list[Any] = [[each] if alone else each for each, alone in zip(key, single, strict=True)]
        cells = self.plan.cells
        for axis, each in enumerate(whole[2:]):
            cells = cells[(slice(None),) * axis + (each,)]
        data = read_cells(self.plan, cells)
        if self.plan.transposed:
            data = data.swapaxes(0, 1)
        data = data[whole[0]][:, whole[1]]
        found: NDArray[Any] = data[tuple(0 if alone else slice(None) for alone in single)]
        return found


class MrdockBackend(BackendEntrypoint):
    """Opens Enhanced MR files; takes the arguments of `dicomeread`."""

    description = "Enhanced MR DICOM files as arrays with named dimensions"
    open_dataset_parameters: ClassVar[tuple[str, ...]] = (
        "filename_or_obj",
        "drop_variables",
        "scale",
        "order",
        "combine",
        "missing",
    )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: Any = None,
        scale: bool | str = True,
        order: Order = None,
        combine: Combine = None,
        missing: Missing = "merge",
    ) -> Dataset:
        """The data set of a file, of one variable, read lazily; by default chunks are volumes."""
        plan = plan_of(os.fspath(filename_or_obj), scale, order, combine, missing)
        found = dataset(plan, indexing.LazilyIndexedArray(FrameArray(plan)))
        slices = None if plan.slice_dimension is None else plan.axis_of(plan.slice_dimension)
        sizes = zip(plan.dims, plan.shape, strict=True)
        chunks = {name: size if axis < 2 or axis == slices else 1 for axis, (name, size) in enumerate(sizes)}
        found[NAME].encoding["preferred_chunks"] = chunks
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or []
        return found.drop_vars([name for name in dropped if name in found.variables])

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Whether the file says that it is an Enhanced MR image."""
        from mrdock.dicom import tags
        from mrdock.dicom.reading import read_header

        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        try:
            header = read_header(os.fspath(filename_or_obj), tags.wanted([]))
        except (MrdockError, OSError):
            return False
        return header.sop_class in (ENHANCED_MR, LEGACY_CONVERTED)
