"""Enhanced MR as NIfTI: columns, rows, slices, time, then whatever else there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.enhanced.dimensions import STACK, TIME
from mrdock.enhanced.extras import needed
from mrdock.enhanced.geometry import LPS_TO_RAS, Stack
from mrdock.enhanced.plan import Plan
from mrdock.errors import ChoiceError
from mrdock.files.names import printable

if TYPE_CHECKING:
    from nibabel import Nifti1Image

_COLUMN_FIRST: Final = [1, 0, 2, 3]
_MOST_AXES: Final = 7


def nifti_image(plan: Plan, data: NDArray[Any], stack: int | str | None = None) -> Nifti1Image:
    """The image of one stack. Raises `ChoiceError` where NIfTI cannot hold it."""
    chosen, number = _stack(plan, stack)
    if chosen.note:
        raise ChoiceError(f"{printable(plan.path)}: NIfTI needs regular slices: {chosen.note}")
    slices = None if plan.slice_dimension is None else plan.axis_of(plan.slice_dimension)
    if plan.slice_dimension is not None and slices is None:
        raise ChoiceError(
            f"{printable(plan.path)}: NIfTI needs the slices on an axis of their own, here they are merged with "
            "others: missing='mask' keeps them apart"
        )
    if plan.transposed:
        data = data.swapaxes(0, 1)
    stacks = plan.named(STACK)
    of_stacks = None if stacks is None else plan.axis_of(stacks)
    kept = [axis for axis in range(2, len(plan.dims)) if axis not in (slices, of_stacks)]
    kept.sort(key=lambda axis: plan.dims[axis] != TIME)
    picture = [1, 0] if slices is None else [1, 0, slices]
    axes = [*picture, *kept]
    if of_stacks is not None:
        data = data.take(number, axis=of_stacks)
        axes = [axis - (axis > of_stacks) for axis in axes]
    data = data.transpose(axes)
    if slices is None:
        data = data[:, :, np.newaxis]
    if data.ndim > _MOST_AXES:
        raise ChoiceError(f"{printable(plan.path)}: NIfTI has {_MOST_AXES} axes, this needs {data.ndim}: use combine")
    return _image(plan, data, LPS_TO_RAS @ chosen.affine[:, _COLUMN_FIRST], kept)


def _image(plan: Plan, data: NDArray[Any], affine: NDArray[np.float64], kept: list[int]) -> Nifti1Image:
    nibabel = needed("nibabel")
    if data.dtype.kind in "iu" and data.dtype.itemsize == 8:
        raise ChoiceError(f"{printable(plan.path)}: stored values of 64 bits are more than readers of NIfTI take")
    image = nibabel.Nifti1Image(data, affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    timed = bool(kept) and plan.time_step_s is not None and plan.timed(kept[0])
    image.header.set_xyzt_units("mm", "sec" if timed else None)
    if timed:
        zooms = list(image.header.get_zooms())
        zooms[3] = plan.time_step_s
        image.header.set_zooms(zooms)
    return image


def _stack(plan: Plan, stack: int | str | None) -> tuple[Stack, int]:
    stacks, name = plan.stacks, printable(plan.path)
    if not stacks:
        raise ChoiceError(f"{name}: NIfTI needs a geometry, the file has none")
    if len(stacks) == 1:
        return stacks[0], 0
    number = plan.named(STACK)
    if number is None or plan.axis_of(number) is None:
        raise ChoiceError(f"{name}: NIfTI holds one stack, here the {len(stacks)} stacks are merged with others")
    identifiers = [str(each) for each in plan.coords[STACK]]
    if isinstance(stack, int) and 0 <= stack < len(stacks):
        return stacks[stack], stack
    if isinstance(stack, str) and stack in identifiers:
        return stacks[identifiers.index(stack)], identifiers.index(stack)
    raise ChoiceError(f"{name}: NIfTI holds one stack, there are {len(stacks)}: {', '.join(identifiers)}")
