"""Whether each frame of a converted file has the pixels that it should have, read back from the file itself."""

from __future__ import annotations

from typing import Final

import numpy as np

from mrdock.convert.dcms2e_plan import Plan
from mrdock.convert.enhanced_build import BuildReport
from mrdock.enhanced.source import open_source
from mrdock.errors import MalformedError
from mrdock.files.names import printable

_SLICE: Final = "FrameContentSequence.InStackPositionNumber"
_DYNAMIC: Final = "FrameContentSequence.TemporalPositionIndex"
_SOP_INSTANCE: Final = 0x00080018
_BLOCK: Final = 4 << 20


class DiffersError(MalformedError):
    """A frame of a converted file has other pixels than its source, or is missing or there twice."""


def verify(written: str, plan: Plan, name: str) -> BuildReport:
    """Compare all frames of the file ``written`` with the pixels of the plan, each by its own slice and dynamic.

    Returns what the file is. Raises `DiffersError`, which calls the file ``name``, at the first frame that differs, and
    `UnsuitableError` for other DICOM than Enhanced MR.
    """
    with open_source(written, "dcms2e") as source:
        columns = [source.table.column(where) for where in (_SLICE, _DYNAMIC)]
        place = source.pixel_element
        if None in columns or place is None:
            raise _error(name, "has no slice and dynamic numbers")
        numbers, temporal = (np.array(column.values, dtype=np.int64).ravel() for column in columns if column)
        offset, length = place.offset, place.length
        labels = tuple(pointer.label for pointer in source.pointers)
        report = BuildReport(len(numbers), labels, source.text(_SOP_INSTANCE), ())
    places = (numbers - 1) * plan.dynamics + temporal - 1
    if len(numbers) != len(temporal):
        raise _error(name, "has not one frame for every slice of every dynamic")
    within = (temporal > 0) & (temporal <= plan.dynamics)
    if not within.all() or not np.array_equal(np.sort(places), np.arange(len(plan.frames))):
        raise _error(name, "has not one frame for every slice of every dynamic")
    if length != len(places) * plan.rows * plan.columns * 2:
        raise _error(name, f"has {length} bytes of pixels")
    step = max(1, _BLOCK // (plan.rows * plan.columns * 2))
    with open(written, "rb") as stream:
        stream.seek(offset)
        for begin in range(0, len(places), step):
            wanted = plan.pixels(places[begin : begin + step].astype(np.intp))
            raw = stream.read(wanted.nbytes)
            if len(raw) != wanted.nbytes:
                raise _error(name, "ends before its pixels do")
            differs = (np.frombuffer(raw, dtype="<u2").reshape(wanted.shape) != wanted).any(axis=(1, 2))
            if differs.any():
                at = begin + int(differs.argmax())
                what = f"slice {numbers[at]} of dynamic {temporal[at]}, differs from its source"
                raise _error(name, f"frame {at + 1}, {what}")
    return report


def _error(name: str, why: str) -> DiffersError:
    return DiffersError(f"{printable(name)}: {why}")
