"""Enhanced MR as xarray has it: an index for each axis, so that ``.sel`` finds entries by value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mrdock.enhanced.dimensions import DIRECTION
from mrdock.enhanced.extras import needed
from mrdock.enhanced.image import affine_of
from mrdock.enhanced.plan import Plan

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

NAME = "data"


def data_array(plan: Plan, data: Any) -> DataArray:
    """The labelled array of all data, or of an array of xarray's that stands for it."""
    return dataset(plan, data)[NAME]


def dataset(plan: Plan, data: Any) -> Dataset:
    """A data set of one variable.

    A merged axis is labelled by text; its dimensions are coordinates along it and have indexes, too. Directions, which
    are no single numbers, are labelled by text and have ``_x``, ``_y`` and ``_z`` in LPS.
    """
    xarray = needed("xarray")
    variable = xarray.Variable(plan.dims, data, _attributes(plan))
    found: Dataset = xarray.Dataset({NAME: variable}, coords=_coords(plan, xarray))
    for name, coordinate in [(str(name), each) for name, each in found.coords.items()]:
        if coordinate.dims != (name,) and not name.startswith(DIRECTION):
            found = found.set_xindex(name)
    return found


def _coords(plan: Plan, xarray: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for dim, parts, labels in zip(plan.dims, plan.parts, plan.matlab_indexes, strict=True):
        found[dim] = xarray.Variable((dim,), _indexed(plan, dim, labels), _unit(plan, dim))
        for part in parts:
            name = plan.dimensions[part].name
            values = plan.coords[name]
            if values.ndim == 2:
                for at, axis in enumerate("xyz"[: values.shape[1]]):
                    found[f"{name}_{axis}"] = (dim, values[:, at])
            elif name != dim:
                found[name] = xarray.Variable((dim,), values, _unit(plan, name))
    return found


def _indexed(plan: Plan, dim: str, labels: tuple[str, ...]) -> NDArray[Any]:
    """What an axis is indexed by: its values, or its labels where these are no single values."""
    values = plan.coords[dim]
    return np.array(labels, dtype=np.str_) if values.dtype.names or values.ndim > 1 else values


def _unit(plan: Plan, name: str) -> dict[str, str]:
    number = plan.named(name)
    unit = plan.dimensions[number].unit if number is not None else ""
    return {"units": unit} if unit else {}


def _attributes(plan: Plan) -> dict[str, Any]:
    """What a file of any format can hold: numbers, lists of numbers and texts."""
    found: dict[str, Any] = {"values": plan.values, "source": os.path.basename(plan.path)}
    affine = affine_of(plan)
    if affine is not None:
        found["affine"] = affine.ravel().tolist()
        found["affine_meaning"] = f"({', '.join([*plan.dims[:2], 'slice'])}) to LPS in mm, 4 x 4 for each stack"
    if plan.time_step_s is not None and any(plan.timed(axis) for axis in range(2, len(plan.dims))):
        found["time_step_s"] = plan.time_step_s
    if plan.notes:
        found["notes"] = "; ".join(plan.notes)
    return found
