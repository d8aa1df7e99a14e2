"""What part a dimension plays in a scan: where a frame lies, when it was taken, or what kind of image it is."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from mrdock.dicom.scan import Key
from mrdock.enhanced.dimensions import Dimension, Dimensions
from mrdock.enhanced.source import Source

_IMAGING_001: Final = "Philips Imaging DD 001"
_MR_001: Final = "Philips MR Imaging DD 001"
_MR_005: Final = "Philips MR Imaging DD 005"


class Role(Enum):
    """The part of a dimension. Echoes, image types and labels are kinds: images of one moment and place."""

    SPACE = auto()
    TIME = auto()
    KIND = auto()
    OTHER = auto()


_BY_KEY: Final[dict[Key, Role]] = {
    0x00209056: Role.SPACE,  # Stack ID
    0x00209057: Role.SPACE,  # In-Stack Position Number
    0x00200032: Role.SPACE,  # Image Position (Patient)
    0x00209113: Role.SPACE,  # Plane Position Sequence
    0x00201041: Role.SPACE,  # Slice Location
    (0x2001, 0x0A, _IMAGING_001): Role.SPACE,  # Slice Number MR
    0x00209128: Role.TIME,  # Temporal Position Index
    0x0020930D: Role.TIME,  # Temporal Position Time Offset
    0x00200100: Role.TIME,  # Temporal Position Identifier
    0x00189074: Role.TIME,  # Frame Acquisition DateTime
    0x00189151: Role.TIME,  # Frame Reference DateTime
    (0x2005, 0xA0, _MR_001): Role.TIME,  # Dynamic Scan Begin Time
    0x00189082: Role.KIND,  # Effective Echo Time
    0x00180086: Role.KIND,  # Echo Numbers
    0x00089007: Role.KIND,  # Frame Type
    0x00089208: Role.KIND,  # Complex Image Component
    (0x2005, 0x11, _MR_001): Role.KIND,  # Image Type MR
    (0x2005, 0x6E, _MR_001): Role.KIND,  # Scanning Sequence
    (0x2005, 0x29, _MR_005): Role.KIND,  # Label Type
}

_BY_NAME: Final = {
    "stack_id": Role.SPACE,
    "in_stack_position_number": Role.SPACE,
    "image_position_patient": Role.SPACE,
    "temporal_position_index": Role.TIME,
    "effective_echo_time": Role.KIND,
    "complex_image_component": Role.KIND,
    "image_type_mr": Role.KIND,
    "label_type": Role.KIND,
    "frame_type": Role.KIND,
}
"""Of dimensions that no Dimension Index Sequence describes; see `dimensions_of`."""


def roles_of(source: Source, dimensions: Dimensions) -> list[Role]:
    """The part of each dimension, by what its pointer names, else by the name that it was given."""
    width = len(dimensions.dimensions)
    pointers = source.pointers
    keys: Sequence[Key | None] = [pointer.key for pointer in pointers] if 0 < len(pointers) <= width else []
    keys = [*keys, *[None] * (width - len(keys))]
    return [_role(key, dimension) for key, dimension in zip(keys, dimensions.dimensions, strict=True)]


def _role(key: Key | None, dimension: Dimension) -> Role:
    if isinstance(key, tuple):
        key = next((known for known in _BY_KEY if isinstance(known, tuple) and _same(known, key)), key)
    if key is not None:
        return _BY_KEY.get(key, Role.OTHER)
    return _BY_NAME.get(dimension.name, Role.OTHER)


def _same(one: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return one[:2] == other[:2] and one[2].upper() == other[2].strip().upper()
