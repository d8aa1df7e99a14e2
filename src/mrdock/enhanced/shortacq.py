"""Removing a final partial acquisition from an Enhanced MR file, as a scan leaves it that was stopped early."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.frames import FrameTable
from mrdock.dicom.opening import DataSet
from mrdock.dicom.reading import open_noatime
from mrdock.dicom.scan import Key
from mrdock.dicom.sop_classes import DEFLATED
from mrdock.dicom.tags import folded
from mrdock.enhanced.dimensions import dimensions_of
from mrdock.enhanced.roles import roles_of
from mrdock.enhanced.shortacq_edits import number_of
from mrdock.enhanced.shortacq_find import By, Found, find_partial
from mrdock.enhanced.shortacq_plan import Root, plan_without, read_root
from mrdock.enhanced.shortacq_write import Beside, identity_of
from mrdock.enhanced.source import Source, open_source
from mrdock.errors import MalformedError, UnsuitableError
from mrdock.files.names import printable

_TIMES: Final = ((0x00209111, 0x00209128), (0x00200100,))
"""Temporal Position Index; Temporal Position Identifier, which Philips has in its private group."""

_FRAME_TYPE: Final = 0x00089007
_SLICES: Final = (0x2001, 0x18, "Philips Imaging DD 001")
_STACK_SLICES: Final = (0x2001, 0x2D, "Philips Imaging DD 001")


@dataclass(frozen=True)
class Result:
    """What came of one file: what was found, and, where it was changed, its new state.

    ``backup`` is the original's new name, empty where nothing was changed; ``instance`` is the new SOP Instance UID.
    """

    path: str
    found: Found
    frames: int
    kept: int
    backup: str = ""
    instance: str = ""


def check_acquisition(path: str) -> Result:
    """Look whether the last acquisition is whole; changes nothing.

    Raises `DicomError`, whose message names the file, or OSError.
    """
    with open_source(path, "dcmshortacq") as source, _named(path):
        found = _find(source, read_root(source))
        return Result(path, found, source.table.frames, source.table.frames - len(found.dropped))


def drop_partial_acquisition(path: str) -> Result:
    """Drop the frames of a final partial acquisition; the original is kept under another name.

    Nothing is changed where nothing is missing, or where there is a ``problem``. Raises `DicomError`, whose message
    names the file, `PlaceError` where it changes meanwhile, or OSError.
    """
    with ExitStack() as written:
        with ExitStack() as opened:
            descriptor = open_noatime(path)
            opened.callback(os.close, descriptor)
            identity = identity_of(os.fstat(descriptor))
            source = opened.enter_context(open_source(path, "dcmshortacq"))
            opened.enter_context(_named(path))
            root = read_root(source)
            found, frames = _find(source, root), source.table.frames
            if not found.dropped:
                return Result(path, found, frames, frames)
            data_set = source.data_set
            plan = plan_without(source, root, found, _prefix(data_set, descriptor), datetime.now().astimezone())
            beside = written.enter_context(Beside(path))
            if data_set.said == DEFLATED:
                beside.write_deflated(plan.prefix, plan.pieces, data_set.data)
            else:
                beside.write(plan.prefix, plan.pieces, descriptor)
        backup = beside.take_place(identity)
    return Result(path, found, frames, plan.kept, backup, plan.instance)


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Have complaints about the file name it."""
    try:
        yield
    except (UnsuitableError, MalformedError) as error:
        name = printable(path)
        raise (error if str(error).startswith(name) else type(error)(f"{name}: {error}")) from None


def _prefix(data_set: DataSet, descriptor: int) -> bytes:
    """What stands before the data set."""
    if data_set.said != DEFLATED:
        return bytes(data_set.data[: data_set.start])
    end = max((element.offset + element.length for element in data_set.meta), default=0)
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        stream.seek(0)
        return stream.read(end)


def _find(source: Source, root: Root) -> Found:
    table = source.table
    dimensions = dimensions_of(source)
    found = find_partial(dimensions, roles_of(source, dimensions), _times(table), _derived(table))
    if found.by is not By.NOTHING:
        return found
    (only,) = found.acquisitions
    expected = _planned_slices(root)
    if expected <= len(only.frames):
        return found
    only = replace(only, expected=expected)
    return replace(found, acquisitions=(only,), problem=f"{only}, and nothing else: no whole volume would be left")


def _times(table: FrameTable) -> NDArray[Any] | None:
    """The temporal position of each frame, where frames say several."""
    for where in _TIMES:
        column = table.column(where)
        if column is None or column.values.ndim != 1 or not (column.counts == 1).all():
            continue
        if (column.values != column.values[0]).any():
            return column.values
    return None


def _derived(table: FrameTable) -> NDArray[np.bool_]:
    """Which frames were calculated from others, by the first value of Frame Type."""
    column = table.column(_FRAME_TYPE)
    if column is None or not any(kind.startswith("DERIVED") for kind in column.distinct()[0]):
        return np.zeros(table.frames, np.bool_)
    types = column.texts()
    return np.array([(kind or "").split("\\")[0].strip() == "DERIVED" for kind in types])


def _planned_slices(root: Root) -> int:
    """How many slices the scan was to have, as Philips says; 0 where it does not."""
    elements = [*root.top, *root.nested]
    stacks = [number_of(element) or 0 for element in elements if _is(element.key, _STACK_SLICES)]
    slices = [number_of(element) or 0 for element in elements if _is(element.key, _SLICES)]
    return sum(stacks) or max(slices, default=0)


def _is(key: Key, wanted: Key) -> bool:
    return folded(key) == folded(wanted)
