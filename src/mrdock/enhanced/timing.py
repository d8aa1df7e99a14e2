"""How far apart volumes are in time: from the frames' own times, else from the repetition time."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.frames import FrameTable
from mrdock.dicom.scan import Key
from mrdock.enhanced.dimensions import TIME, Dimensions
from mrdock.enhanced.grid import ranked

_TIMES: Final[tuple[tuple[Key, ...], ...]] = (
    ((0x2005, 0xA0, "Philips MR Imaging DD 001"),),  # MRImageDynamicScanBeginTime, s
    (0x00209310, 0x0020930D),  # Temporal Position Time Offset, s
    (0x00209111, 0x00189151),  # Frame Reference DateTime
    (0x00209111, 0x00189074),  # Frame Acquisition DateTime
)
_REPETITION_TIME_MS: Final = (0x00189112, 0x00180080)


def step_s(table: FrameTable, dimensions: Dimensions) -> float | None:
    """Seconds from one temporal position to the next; without any the repetition time; None where nothing says it."""
    names = [dimension.name for dimension in dimensions.dimensions]
    if TIME in names:
        ranks, size = ranked(dimensions.index[:, names.index(TIME)])
        if size > 1:
            first = np.full(size, table.frames)
            np.minimum.at(first, ranks, np.arange(table.frames))
            for where in _TIMES:
                times = _seconds(table, where)
                if times is None:
                    continue
                step = float(times[first[-1]] - times[first[0]]) / (size - 1)
                if np.isfinite(step) and step > 0:
                    return step
    column = table.column(list(_REPETITION_TIME_MS))
    if column is not None and column.values.dtype.kind == "f":
        value = float(column.values.reshape(table.frames, -1)[0, 0])
        if np.isfinite(value) and value > 0:
            return value / 1000
    return None


def _seconds(table: FrameTable, where: tuple[Key, ...]) -> NDArray[np.float64] | None:
    column = table.column(list(where))
    if column is None:
        return None
    values: NDArray[Any] = column.values
    if values.dtype.kind in "fiu":
        return np.where(column.counts > 0, values.reshape(table.frames, -1)[:, 0].astype(np.float64), np.nan)
    known = {text: _of_day(text) for text in set(values.tolist())}
    return np.array([known[text] for text in values.tolist()])


def _of_day(text: object) -> float:
    """Seconds of a date and time (VR DT) since some day; NaN for none."""
    if isinstance(text, str):
        for form in ("%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S"):
            with suppress(ValueError):
                return (datetime.strptime(text.strip()[:21], form) - datetime(2000, 1, 1)).total_seconds()
    return float("nan")
