"""Frames of one pattern whose lengths are all the same, compared many at a time by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.scan import Buffer

_MOST_TRIED: Final = 1 << 9
_MOST_BYTES: Final = 1 << 21  # compared at once
_MOST_PAUSED: Final = 1 << 8


class Alike:
    """Finds how many frames follow one that are like it in all but their values, lengths included."""

    def __init__(self) -> None:
        """Nothing was tried yet."""
        self._fixed: dict[tuple[int, ...], NDArray[np.bool_]] = {}
        self._tried = 2
        self._pause = self._paused = 0

    def after(self, data: Buffer, pos: int, values: Sequence[tuple[int, int]], end: int, limit: int, most: int) -> int:
        """How many frames stand one after the other from ``end`` on that are like the one from ``pos`` to ``end``.

        They end at ``limit`` or before, and are not more than ``most``. ``values`` are the starts and ends of those
        values that may differ, in ascending order. Frames of which few are alike in a row are mostly not tried.
        """
        if self._paused:
            self._paused -= 1
            return 0
        size = end - pos
        tried = min(self._tried, most, (limit - end) // size, _MOST_BYTES // size)
        if tried < 1:
            return 0
        frames = np.frombuffer(data, np.uint8, size * (tried + 1), pos).reshape(tried + 1, size)
        differing = ((frames[1:] != frames[0]) & self._of(pos, values, size)).any(axis=1)
        found = int(differing.argmax()) if differing.any() else tried
        if found == tried:
            self._tried, self._pause = min(4 * tried, _MOST_TRIED), 0
        elif found < 2:
            self._tried, self._pause = 2, min(2 * self._pause + 1, _MOST_PAUSED)
        else:
            self._tried, self._pause = found, 0
        self._paused = self._pause
        return found

    def _of(self, pos: int, values: Sequence[tuple[int, int]], size: int) -> NDArray[np.bool_]:
        """Which bytes of a frame must not differ."""
        places = tuple(place - pos for value in values for place in value)
        fixed = self._fixed.get((size, *places))
        if fixed is None:
            fixed = np.ones(size, np.bool_)
            for start, end in zip(places[::2], places[1::2], strict=True):
                fixed[start:end] = False
            self._fixed = {(size, *places): fixed}
        return fixed


def repeated(positions: Sequence[int], size: int, count: int) -> bytes:
    """The positions of ``count`` frames of this size that follow one another, from those of the frame before them."""
    steps = np.arange(1, count + 1, dtype=np.int64)[:, np.newaxis] * size
    return (np.array(positions, np.int64) + steps).tobytes()
