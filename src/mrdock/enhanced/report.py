"""What `dicomeread` says about a file: for people, and for programs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.enhanced.image import EnhancedImage, affine_of, c_order
from mrdock.enhanced.plan import Plan
from mrdock.files.names import printable

_MEANINGS: Final = {"float": "floating point values", "display": "displayed values", "stored": "stored values"}
_MOST_LISTED: Final = 8
_LONGEST_LIST: Final = 72


def record(image: EnhancedImage) -> dict[str, Any]:
    """All but the data as JSON has it; ``sha256`` is that of the data in C order, little endian."""
    digest = hashlib.sha256()
    for block in c_order(image.data):
        digest.update(memoryview(block.data).cast("B"))
    return {
        "file": image.path,
        "names": list(image.matlab_names),
        "dims": list(image.dims),
        "indexes": [list(labels) for labels in image.matlab_indexes],
        "coords": {name: plain(values) for name, values in image.coords.items()},
        "units": image.units,
        "items": image.items.tolist(),
        "shape": list(image.shape),
        "dtype": image.data.dtype.name,
        "sha256": digest.hexdigest(),
        "values": image.values,
        "affine": None if image.affine is None else image.affine.tolist(),
        "time_step_s": image.time_step_s,
        "notes": list(image.notes),
    }


def plain(values: NDArray[Any]) -> list[Any]:
    """An array as JSON has it: None for NaN, objects for records."""
    if values.dtype.names:
        fields = {name: plain(values[name]) for name in values.dtype.names}
        return [dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True)]
    if values.ndim > 1:
        return [None if any(each is None for each in row) else row for row in map(plain, values)]
    return [None if isinstance(each, float) and not math.isfinite(each) else each for each in values.tolist()]


def lines(plan: Plan, *, verbose: bool = False) -> Iterator[str]:
    """The axes with their sizes and values; ``verbose`` lists every value, and the affine."""
    shape = " x ".join(map(str, plan.shape))
    meaning = _MEANINGS["display" if plan.values == "float" and not plan.scaling.divides else plan.values]
    yield f"{printable(plan.path)}: {shape} {plan.dtype.name}, {meaning}"
    width = max(map(len, plan.dims))
    digits = max(len(str(size)) for size in plan.shape)
    for number, (name, size) in enumerate(zip(plan.dims, plan.shape, strict=True)):
        listed = "" if number < 2 else listing(plan, number, verbose=verbose)
        yield f"  {number + 1}  {name:<{width}}  {size:>{digits}}  {listed}".rstrip()
    yield from _geometry(plan, verbose=verbose)


def listing(plan: Plan, axis: int, *, verbose: bool = False) -> str:
    """The values of an axis in one line."""
    labels = [printable(label) or "-" for label in plan.matlab_indexes[axis]]
    units = [plan.dimensions[part].unit for part in plan.parts[axis]]
    unit = f" {units[0]}" if len(units) == 1 and units[0] else ""
    values = plan.coords[plan.dims[axis]]
    if values.dtype.kind in "iu" and not verbose and len(labels) > 2 and (np.diff(values.astype(np.int64)) == 1).all():
        return f"{labels[0]} .. {labels[-1]}{unit}"
    whole = ", ".join(labels) + unit
    if verbose or (len(labels) <= _MOST_LISTED and len(whole) <= _LONGEST_LIST):
        return whole
    return f"{labels[0]}, {labels[1]} .. {labels[-1]}{unit}" if len(labels) > 2 else whole


def _geometry(plan: Plan, *, verbose: bool) -> Iterator[str]:
    affine = affine_of(plan)
    if affine is None:
        return
    timed = any(plan.timed(axis) for axis in range(2, len(plan.dims)))
    for number, each in enumerate(affine[np.newaxis] if affine.ndim == 2 else affine):
        regular = not plan.stacks[number].note
        lengths = np.linalg.norm(each[:3, :3], axis=0)[: 3 if regular else 2]
        sizes = " x ".join(f"{float(size):.4g}" for size in lengths)
        what = f"{f'stack {number + 1}: ' if len(plan.stacks) > 1 else ''}{'voxel' if regular else 'pixel'}"
        step = f", time step {plan.time_step_s:.6g} s" if plan.time_step_s and timed else ""
        yield f"  {what} {sizes} mm{step}"
        if verbose and regular:
            yield from (f"    {'  '.join(f'{float(value):12.6f}' for value in row)}" for row in each)
