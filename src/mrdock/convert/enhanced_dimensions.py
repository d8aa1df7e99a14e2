"""The dimensions of an Enhanced MR file as Philips has them, and the order of its frames (PS3.3 section C.7.6.17)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.enhanced_encoding import Attribute, binary, items, text
from mrdock.convert.enhanced_frames import Frame
from mrdock.convert.enhanced_source import ClassicImage
from mrdock.convert.enhanced_template import is_phased
from mrdock.convert.par_codes import IMAGE_TYPES, LABELS, SEQUENCES
from mrdock.errors import UnsuitableError
from mrdock.files.names import printable

_FRAME_CONTENT: Final = 0x00209111
_PRIVATE_ITEM: Final = 0x2005140F
_SLICE_NUMBER: Final = 0x2001100A
_IMAGING: Final = "Philips MR Imaging DD 001"
_ITEM: Final = "Philips MR Imaging DD 005"
_ALWAYS: Final = 2  # the first dimensions, which every file has

Value = Callable[[ClassicImage], float]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension: its label, what it points to, and the value of an image by which it tells frames apart.

    Without ``value`` it is one that a `Frame` itself says. A ``private`` one (its creator) points to an enumeration of
    Philips; its index values are the codes of that enumeration, from 0, and it goes before the others in the order of
    the frames. ``ranked``: values are counted from 1; the others are numbers already.
    """

    label: str
    pointer: int
    group: int
    value: Value | None = None
    private: str = ""
    ranked: bool = False

    def item(self, organization: Attribute) -> dict[int, Attribute]:
        """Its item of the Dimension Index Sequence (0020,9222)."""
        found = {0x00209164: organization, 0x00209165: _pointer(self.pointer), 0x00209167: _pointer(self.group)}
        if self.private:
            found |= {0x00209213: text("LO", self.private), 0x00209238: text("LO", _ITEM)}
        return found | {0x00209421: text("LO", self.label)}


def _pointer(tag: int) -> Attribute:
    words = binary("US", tag >> 16, tag & 0xFFFF)
    return Attribute("AT", words.raw)


def _code(tag: int, codes: dict[str, int], first: int = 0) -> Value:
    return lambda image: codes.get(image.text(tag), first) - first


def _number(tag: int) -> Value:
    return lambda image: image.whole(tag, 1)


def _echo_time(image: ClassicImage) -> float:
    return image.number(0x00180081) or 0.0


def _trigger_time(image: ClassicImage) -> float:
    return (image.number(0x00181060) or 0.0) if is_phased(image) else 0.0


DIMENSIONS: Final = (
    Dimension("Stack ID", 0x00209056, _FRAME_CONTENT),
    Dimension("In-Stack Position Number", 0x00209057, _FRAME_CONTENT),
    Dimension("Temporal Position Index", 0x00209128, _FRAME_CONTENT),
    Dimension("Diffusion b-value", 0x00189087, 0x00189117, _number(0x20051412)),
    Dimension("Diffusion Gradient Orientation", 0x00189089, 0x00189117, _number(0x20051413)),
    Dimension("Private ImageTypeMR", 0x20051011, _PRIVATE_ITEM, _code(0x20051011, IMAGE_TYPES), _IMAGING),
    Dimension("Private Scanning Sequence", 0x2005106E, _PRIVATE_ITEM, _code(0x2005106E, SEQUENCES), _IMAGING),
    Dimension("Private Label Type", 0x20051429, _PRIVATE_ITEM, _code(0x20051429, LABELS, 1), _ITEM),
    Dimension("Effective Echo Time", 0x00189082, 0x00189114, _echo_time, ranked=True),
    Dimension("Trigger Delay Time", 0x00209153, 0x00189118, _trigger_time, ranked=True),
)


@dataclass(frozen=True, slots=True)
class Order:
    """The dimensions of a file, and its frames.

    ``frames`` are the numbers of the given frames in the order of the file. For each frame as given: ``places`` has
    stack, position in it and dynamic (frames, 3), ``indices`` its Dimension Index Values (frames, dimensions).
    """

    dimensions: tuple[Dimension, ...]
    frames: NDArray[np.intp]
    places: NDArray[np.int64]
    indices: NDArray[np.int64]

    def sequences(self, uid: str) -> dict[int, Attribute]:
        """Dimension Organization Sequence (0020,9221) and Dimension Index Sequence (0020,9222)."""
        organization = text("UI", uid)
        described = [dimension.item(organization) for dimension in self.dimensions]
        return {0x00209221: items({0x00209164: organization}), 0x00209222: items(*described)}


def order(frames: Sequence[Frame], sources: Sequence[ClassicImage]) -> Order:
    """Which dimensions these frames need, and their order.

    Stack and position are always there, another dimension where it has several values. Private dimensions change
    slowest in the order of the frames, then stack and position, then the rest: all dynamics of slice 1 come first.
    Raises `UnsuitableError` where two frames are alike in all dimensions.
    """
    numbers = {id(source): number for number, source in enumerate(sources)}
    of = np.array([numbers[id(frame.source)] for frame in frames], dtype=np.intp)
    slices = [source.whole(_SLICE_NUMBER, 1) for source in sources]
    places = np.array(
        [
            (frame.stack, slices[source] if frame.position is None else frame.position, frame.temporal)
            for frame, source in zip(frames, of.tolist(), strict=True)
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    kept, columns = [], []
    for number, dimension in enumerate(DIMENSIONS):
        value = dimension.value
        values = places[:, number] if value is None else _indices(dimension, value, sources)[of]
        if number < _ALWAYS or (values != values[0]).any():
            kept.append(dimension)
            columns.append(values)
    indices = np.stack(columns, axis=1)
    if min(places.min(), indices.min()) < 0 or max(places.max(), indices.max()) >= 1 << 32:
        raise UnsuitableError(f"{printable(sources[0].path)}: a slice or dynamic has an impossible number")
    slow = [number for number, dimension in enumerate(kept) if dimension.private]
    keys = [*slow, *(number for number in range(len(kept)) if number not in slow)]
    sorted_ = np.lexsort([indices[:, key] for key in reversed(keys)])
    _check_distinct(frames, indices, sorted_)
    return Order(tuple(kept), sorted_, places, indices)


def _indices(dimension: Dimension, value: Value, sources: Sequence[ClassicImage]) -> NDArray[np.int64]:
    """The index values of the sources."""
    values = np.array([value(source) for source in sources])
    if dimension.ranked:
        return np.unique(values, return_inverse=True)[1].astype(np.int64) + 1
    return values.astype(np.int64)


def _check_distinct(frames: Sequence[Frame], indices: NDArray[np.int64], sorted_: NDArray[np.intp]) -> None:
    alike = (indices[sorted_[1:]] == indices[sorted_[:-1]]).all(axis=1)
    if alike.any():
        at = int(alike.argmax())
        one, other = (printable(frames[sorted_[place]].source.path) for place in (at, at + 1))
        raise UnsuitableError(f"{other}: nothing tells this image from {one}")
