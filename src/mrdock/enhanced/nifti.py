"""Enhanced MR as NIfTI: columns, rows, slices, time, then whatever else there is."""

from __future__ import annotations

from dataclasses import dataclass
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
_MOST_ENTRIES: Final = (1 << 15) - 1


@dataclass(frozen=True)
class Layout:
    """How the cells of a plan become axes of NIfTI.

    ``stack`` is the entry of axis ``of_stacks`` that is taken, where there is such an axis; ``order`` are the cells'
    axes that are left then, with ``has_slices`` the slices first; ``affine`` leads from (column, row, slice) to RAS;
    ``timed`` says that the fourth axis is time.
    """

    stack: int
    of_stacks: int | None
    order: tuple[int, ...]
    has_slices: bool
    affine: NDArray[np.float64]
    timed: bool

    def arranged(self, values: NDArray[Any], ahead: int) -> NDArray[Any]:
        """A view with the cells' axes, which come after ``ahead`` others, as slices and whatever else there is."""
        if self.of_stacks is not None:
            values = np.moveaxis(values, ahead + self.of_stacks, 0)[self.stack]
        values = values.transpose(*range(ahead), *(ahead + axis for axis in self.order))
        return values if self.has_slices else np.expand_dims(values, ahead)


def layout_of(plan: Plan, stack: int | str | None = None) -> Layout:
    """Decide; raises `ChoiceError` where NIfTI cannot hold it."""
    chosen, number = _stack(plan, stack)
    if chosen.note:
        raise ChoiceError(f"{printable(plan.path)}: NIfTI needs regular slices: {chosen.note}")
    slices = None if plan.slice_dimension is None else plan.axis_of(plan.slice_dimension)
    if plan.slice_dimension is not None and slices is None:
        raise ChoiceError(
            f"{printable(plan.path)}: NIfTI needs the slices on an axis of their own, here they are merged with "
            "others: missing='mask' keeps them apart"
        )
    stacks = plan.named(STACK)
    of_stacks = None if stacks is None else plan.axis_of(stacks)
    kept = [axis for axis in range(2, len(plan.dims)) if axis not in (slices, of_stacks)]
    kept.sort(key=lambda axis: plan.dims[axis] != TIME)
    axes = [*([] if slices is None else [slices]), *kept]
    left = [axis - 2 - (of_stacks is not None and axis > of_stacks) for axis in axes]
    timed = bool(kept) and plan.time_step_s is not None and plan.timed(kept[0])
    affine = LPS_TO_RAS @ chosen.affine[:, _COLUMN_FIRST]
    layout = Layout(
        number, None if of_stacks is None else of_stacks - 2, tuple(left), slices is not None, affine, timed
    )
    _check(plan, layout)
    return layout


def _check(plan: Plan, layout: Layout) -> None:
    name, shape = printable(plan.path), shape_of(plan, layout)
    if len(shape) > _MOST_AXES:
        raise ChoiceError(f"{name}: NIfTI has {_MOST_AXES} axes, this needs {len(shape)}: use combine")
    if max(shape) > _MOST_ENTRIES:
        raise ChoiceError(f"{name}: NIfTI has {_MOST_ENTRIES} entries on an axis, not {max(shape)}")
    if plan.dtype.kind in "iu" and plan.dtype.itemsize == 8:
        raise ChoiceError(f"{name}: stored values of 64 bits are more than readers of NIfTI take")


def shape_of(plan: Plan, layout: Layout) -> tuple[int, ...]:
    """That of the NIfTI image."""
    return (plan.pixels.columns, plan.pixels.rows, *layout.arranged(plan.cells, 0).shape)


def nifti_image(plan: Plan, data: NDArray[Any], stack: int | str | None = None) -> Nifti1Image:
    """The image of one stack. Raises `ChoiceError` where NIfTI cannot hold it."""
    layout = layout_of(plan, stack)
    columns_first = data if plan.transposed else data.swapaxes(0, 1)
    return _image(plan, layout, layout.arranged(columns_first, 2))


def empty_image(plan: Plan, layout: Layout) -> Nifti1Image:
    """The same without its data, for the header; it takes no memory."""
    return _image(plan, layout, np.broadcast_to(np.zeros((), plan.dtype), shape_of(plan, layout)))


def _image(plan: Plan, layout: Layout, data: NDArray[Any]) -> Nifti1Image:
    image = needed("nibabel").Nifti1Image(data, layout.affine)
    image.set_qform(layout.affine, code=1)
    image.set_sform(layout.affine, code=1)
    image.header.set_xyzt_units("mm", "sec" if layout.timed else None)
    if layout.timed:
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
