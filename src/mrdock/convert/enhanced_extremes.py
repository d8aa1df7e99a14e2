"""The lowest and the highest stored value of each frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.enhanced_frames import Frame

BLOCK: Final = 4 << 20
"""The most bytes of images that are taken at a time."""

_PIXEL_REPRESENTATION: Final = 0x00280103


def blocks_of(numbers: NDArray[np.intp], size: int) -> list[NDArray[np.intp]]:
    """Frames in blocks, whose images of ``size`` bytes each are together not larger than `BLOCK`."""
    most = max(1, BLOCK // size)
    return [numbers[at : at + most] for at in range(0, len(numbers), most)]


class Extremes:
    """Gives the extremes of frames that are not their sources' own, in the order in which they stand in the file.

    In the thread that asks: one beside it that reads image after image would wait for the interpreter each time.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        order: NDArray[np.intp],
        pixels: Callable[[NDArray[np.intp]], NDArray[np.uint16]],
        size: int,
    ) -> None:
        """Of the frames whose numbers are in ``order``, with images of ``size`` bytes."""
        self._pixels = pixels
        self._signed = frames[0].source.whole(_PIXEL_REPRESENTATION, 0) == 1
        wanted = np.array([number for number in order.tolist() if not frames[number].own], dtype=np.intp)
        self._coming = blocks_of(wanted, size)[::-1]
        self._found: list[tuple[int, int]] = []

    def next(self) -> tuple[int, int]:
        """The lowest and the highest value of the next frame. Raises what taking its pixels raises."""
        if not self._found:
            block = self._coming.pop()
            images = self._pixels(block)
            flat = (images.view(np.int16) if self._signed else images).reshape(len(block), -1)
            self._found = list(zip(flat.min(axis=1).tolist(), flat.max(axis=1).tolist(), strict=True))[::-1]
        return self._found.pop()
