"""What the dimensions of an Enhanced MR file are called, and the values of their entries (PS3.3 section C.7.6.17)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom import tags
from mrdock.dicom.frames import Column, FrameTable
from mrdock.dicom.scan import Key
from mrdock.enhanced.grid import combinations, ranked
from mrdock.enhanced.source import Pointer, Source

STACK: Final = "stack_id"
SLICE: Final = "in_stack_position_number"
TIME: Final = "temporal_position_index"
B_VALUE: Final = "diffusion_b_value"
DIRECTION: Final = "diffusion_gradient_orientation"

_INDEX_VALUES: Final = (0x00209111, 0x00209157)
_DIRECTIONALITY: Final = (0x00189117, 0x00189075)
_B_VALUE: Final = 0x00189087
_DIRECTIONS: Final = frozenset({0x00189089, 0x00189076})

_STANDARD: Final = (
    Pointer(0x00209056, 0x00209111, "Stack ID"),
    Pointer(0x00209057, 0x00209111, "In-Stack Position Number"),
    Pointer(0x00209128, 0x00209111, "Temporal Position Index"),
    Pointer(0x00189082, 0x00189114, "Effective Echo Time"),
    Pointer(_B_VALUE, 0x00189117, "Diffusion b-value"),
    Pointer(0x00189089, 0x00189117, "Diffusion Gradient Orientation"),
)
"""What a dimension may be where the file does not say it."""

_FURTHER: Final = (
    Pointer(0x00089208, 0x00189226, "Complex Image Component"),
    Pointer((0x2005, 0x11, "Philips MR Imaging DD 001"), (0x2005, 0x0F, "Philips MR Imaging DD 005"), "ImageTypeMR"),
    Pointer((0x2005, 0x29, "Philips MR Imaging DD 005"), (0x2005, 0x0F, "Philips MR Imaging DD 005"), "Label Type"),
    Pointer(0x00209153, 0x00189118, "Nominal Cardiac Trigger Delay Time"),
    Pointer(0x00089007, 0x00189226, "Frame Type"),
    Pointer(0x00200032, 0x00209113, "Image Position (Patient)"),
)
"""What else tells frames apart whose index values do not."""

_UNITS: Final[dict[Key, str]] = {
    0x00189082: "ms",
    0x00209153: "ms",
    0x00189079: "ms",
    0x0020930D: "s",
    _B_VALUE: "s/mm^2",
    0x00200032: "mm",
}


@dataclass(frozen=True)
class Dimension:
    """One dimension: ``name`` is its identifier, ``label`` the original's, ``values`` (frames,) or (frames, n).

    ``kinds`` has a word for frames whose value is none of the numbers: ``iso`` for an isotropic diffusion frame.
    """

    name: str
    label: str
    unit: str
    values: NDArray[Any]
    kinds: NDArray[Any] | None = None

    def labels(self, frames: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The value of each of these frames as text."""
        return [self._label(int(frame)) for frame in frames]

    def _label(self, frame: int) -> str:
        if self.kinds is not None and self.kinds[frame] is not None:
            return str(self.kinds[frame])
        value = self.values[frame]
        return " ".join(map(_written, value)) if isinstance(value, np.ndarray) else _written(value)


@dataclass(frozen=True)
class Dimensions:
    """All dimensions of a file: ``index`` (frames, dimensions) are the index values, whatever numbers these are."""

    index: NDArray[Any]
    dimensions: tuple[Dimension, ...]

    def distinct(self) -> bool:
        """Whether no two frames have the same index values."""
        return _distinct(self.index) == len(self.index)


def dimensions_of(source: Source) -> Dimensions:
    """Names, index values and attribute values of all dimensions, also those of one value.

    The Dimension Index Sequence says what each is. Where there is none, it is the standard attribute that is
    one-to-one with the index values, else a number. Where index values do not tell all frames apart (they are missing
    from files that were not made by the standard) further attributes do, as far as they can.
    """
    table, frames = source.table, source.table.frames
    index = _index_values(source)
    width = index.shape[1]
    pointers: Sequence[Pointer | None] = source.pointers
    if len(pointers) != width:
        pointers = _guessed(table, index)
    names = {"row", "column"}
    found = [_dimension(table, pointer, index[:, at], at, names) for at, pointer in enumerate(pointers)]
    whole = Dimensions(index, tuple(found))
    if frames == 1 or whole.distinct():
        return whole
    return _told_apart(table, whole, names)


def _index_values(source: Source) -> NDArray[Any]:
    column = source.table.column(_INDEX_VALUES)
    if column is None:
        return np.empty((source.table.frames, 0), np.int64)
    values, counts = column.values, column.counts
    if values.dtype.kind not in "iu":
        raise source.broken(f"the Dimension Index Values are of VR {column.vr}, no whole numbers")
    values = values.reshape(len(values), -1)
    short = np.flatnonzero(counts != values.shape[1])
    if len(short):
        raise source.broken(
            f"frame {short[0] + 1} has {counts[short[0]]} Dimension Index Values, others have {values.shape[1]}"
        )
    return values


def _guessed(table: FrameTable, index: NDArray[Any]) -> list[Pointer | None]:
    """For each varying column the standard attribute that is one-to-one with it, each attribute once."""
    ranks = {pointer: _ranks(table, pointer) for pointer in _STANDARD}
    found: list[Pointer | None] = []
    for at in range(index.shape[1]):
        own, size = ranked(index[:, at])
        chosen = None
        for pointer, (other, others) in ranks.items():
            if 1 < size == others and ranked(own * others + other)[1] == size and pointer not in found:
                chosen = pointer
                break
        found.append(chosen)
    return found


def _ranks(table: FrameTable, pointer: Pointer) -> tuple[NDArray[np.int64], int]:
    column = _column(table, pointer)
    if column is None:
        return np.zeros(table.frames, np.int64), 1
    dimension = _valued(table, column, pointer, "", "")
    return ranked(np.array(dimension.labels(range(table.frames)), dtype=np.str_))


def _distinct(index: NDArray[Any]) -> int:
    """How many different rows there are."""
    return combinations(list(index.T), len(index))[1] if index.shape[1] else min(1, len(index))


def _told_apart(table: FrameTable, whole: Dimensions, names: set[str]) -> Dimensions:
    """Add attributes that tell more frames apart, until all are or none is left."""
    index, found = whole.index.astype(np.int64), list(whole.dimensions)
    count = _distinct(index)
    for pointer in (*_STANDARD, *_FURTHER):
        ranks, _ = _ranks(table, pointer)
        longer = np.column_stack([index, ranks])
        more = _distinct(longer)
        if more > count:
            found.append(_dimension(table, pointer, ranks, len(found), names))
            index, count = longer, more
        if count == len(index):
            break
    return Dimensions(index, tuple(found))


def _dimension(table: FrameTable, pointer: Pointer | None, index: NDArray[Any], at: int, names: set[str]) -> Dimension:
    """Dimension number ``at``; what its attribute does not say its index values do."""
    label = f"Dimension {at + 1}"
    if pointer is None:
        return Dimension(_unique(_snake(label), names), label, "", index.astype(np.int64))
    label = pointer.label.replace("Private ", "") or _described(pointer.key) or label
    standard = tags.name_of(pointer.key) if not tags.is_private(pointer.key) else ""
    name = _unique(_snake(standard if standard.isalnum() else label), names)
    column = _column(table, pointer)
    if column is None:
        return Dimension(name, label, "", index.astype(np.int64))
    return _valued(table, column, pointer, name, label)


def _column(table: FrameTable, pointer: Pointer) -> Column | None:
    if pointer.key in _DIRECTIONS:
        return table.column([0x00189117, 0x00189089])
    found = table.column([pointer.group, pointer.key]) if pointer.group is not None else None
    return found or table.column([pointer.key])


def _valued(table: FrameTable, column: Column, pointer: Pointer, name: str, label: str) -> Dimension:
    values, unit = column.values, _UNITS.get(pointer.key, "")
    if values.dtype == object:
        texts = ["" if value is None else value for value in values.tolist()]
        if bytes in set(map(type, texts)):
            texts = [text.hex() if isinstance(text, bytes) else text for text in texts]
        return Dimension(name, label, unit, np.array(texts, dtype=np.str_))
    if pointer.key == _B_VALUE:
        none = (column.counts == 0) & (_directionality(table) == "NONE")
        return Dimension(name, label, unit, np.where(none, 0.0, values))
    if pointer.key in _DIRECTIONS and values.ndim == 2:
        said = _directionality(table)
        without = (column.counts < 3) | (said == "NONE") | (said == "ISOTROPIC")
        kinds = _kinds(without)
        kinds[said == "ISOTROPIC"] = "iso"
        return Dimension(name, label, unit, np.where(without[:, np.newaxis], np.nan, values[:, :3]), kinds)
    empty = column.counts == 0
    return Dimension(name, label, unit, values, _kinds(empty) if empty.any() else None)


def _kinds(without: NDArray[Any]) -> NDArray[Any]:
    """An empty word for frames that have no value."""
    kinds = np.full(len(without), None, dtype=object)
    kinds[without] = ""
    return kinds


def _directionality(table: FrameTable) -> NDArray[Any]:
    column = table.column(_DIRECTIONALITY)
    return column.values if column else np.full(table.frames, None, dtype=object)


def _described(key: Key) -> str:
    """What the standard, or for a private element its dictionary, calls it."""
    if isinstance(key, tuple):
        return tags.name_of(key)
    from pydicom.datadict import dictionary_description

    try:
        return dictionary_description(key)
    except KeyError:
        return tags.name_of(key)


def _snake(text: str) -> str:
    """``In-Stack Position Number`` and ``InStackPositionNumber`` as ``in_stack_position_number``."""
    text = re.sub(r"[^0-9A-Za-z]+", "_", text)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    text = text.strip("_").lower()
    return text if text[:1].isalpha() else f"dimension_{text}".rstrip("_")


def _unique(name: str, names: set[str]) -> str:
    number, found = 2, name
    while found in names:
        found, number = f"{name}_{number}", number + 1
    names.add(found)
    return found


def _written(value: Any) -> str:
    return value if isinstance(value, str) else str(value).removesuffix(".0")
