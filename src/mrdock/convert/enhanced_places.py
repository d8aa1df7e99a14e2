"""Where the elements of classic Philips images stand in a scanner's Enhanced file (releases 5.1 to 5.7).

What no table names stays at the top level where all images have it with one value; otherwise each frame's private item
has its own (`is_of_series` tells what then stays, too). `INNER` marks what a classic image has in its private item
(2005,140F).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mrdock.convert.enhanced_source import INNER


def _tags(text: str) -> Iterator[int]:
    """The tags of lines ``gggg eeee eeee-eeee ...``; a sign before a group's number marks all of its as `INNER`."""
    for line in text.strip().splitlines():
        group, *elements = line.split()
        base = int(group.lstrip("+"), 16) << 16 | (INNER if group.startswith("+") else 0)
        for element in elements:
            first, _, last = element.partition("-")
            yield from range(base | int(first, 16), (base | int(last or first, 16)) + 1)


FRAME_ITEM: Final = tuple(
    _tags("""
    0008 0008 0018 0023 0033
    0018 0010 0020 0021 0023 0050 0081-0086 0088 0091 1081-1084 1088 1251 1310 1314
    +0018 9064 9147
    0020 0012 0013 0032 0100 0105
    0028 0030 1050-1054
    2001 1001-1004 1006-100B 1052 10F1
    2005 1004 100B-100E 1011 1061 1063 106E 10A0 10A1 10A8 10B0-10B2
    2005 1407 1412 1413 1429 1455 1561 1568 1572 1573 1596
    """)
)
"""The private item (2005,140F) of a frame: what of the classic image differs between frames, or may."""

SHARED_ITEM: Final = tuple(
    _tags("""
    0008 0014 0016
    0018 0089
    +0018 9011 9016 9019 9030 9034-9036 9060 9062 9069 9078 9081 9085 9094 9155 9168 9169 9171 9182 9183
    0020 4000
    """)
)
"""The private item (2005,140E) of all frames together."""

BOTH: Final = frozenset({0x00180023, 0x00200012})
"""What a frame's private item has and the top level keeps."""

GROUPED: Final = frozenset(
    _tags("""
    0018 0080 0083 0089 0093 0094 1060 1250 1312
    0018 9074 9075 9076 9082 9087 9089 9117 9151
    0020 0037 9056 9057 9111 9128 9157
    0028 1056
    0040 9096
    +0008 9007
    +0018 9009 9041 9043 9044 9047 9048 9075 9080 9085 9147 9169 9171 9176 9232
    """)
)
"""What stands in a functional group only."""

DROPPED: Final = frozenset(
    _tags("""
    0008 0001 0022 0032 1032 1140 2112
    0018 0024 1100 1316 1318
    0020 0060 1041
    0028 0008 0106-0109 1055
    0088 0200
    2001 104E 1077 107A
    2005 1000-1002 1008-100A 100F 1010 1404 1406 1409-140B
    """)
)
"""What a scanner's Enhanced file has not: repeated elsewhere, or true of the classic image only.

(0008,1140) refers to classic images of the localiser.
"""

MADE: Final = frozenset(
    _tags("""
    0008 0008 0012 0013 0016 0018 0023 002A 0033
    0018 9004 9100
    0020 0013 9221 9222
    0028 0008 0301
    0040 0555
    2005 1381
    5200 9229 9230
    +0008 002A 9205-9209
    +0018 9011 9094
    """)
)
"""What the file as a whole gets anew."""

_OF_SERIES: Final = frozenset(
    _tags("""
    0008 0005 0020 0021 0030 0031 0050 0060 0070 0090
    0020 000D 000E 0010 0011 0052 1040
    0018 1000 1020 5100
    0028 0002 0004 0010 0011 0100-0103
    """)
)
_GROUPS_OF_SERIES: Final = frozenset({0x0010, 0x0032, 0x0038, 0x0040})


def is_of_series(tag: int) -> bool:
    """Whether a file needs the element at its top level, even if the images do not agree on it: that of the first."""
    return tag in _OF_SERIES or tag >> 16 in _GROUPS_OF_SERIES


_CURVES: Final = 0x50
_OVERLAYS: Final = 0x60
_FROM_PIXELS: Final = 0x7FE0


def stays_out(tag: int) -> bool:
    """Whether a group of elements is left out as a whole: curves, overlays, and all from the pixel data on."""
    group = tag >> 16 & 0xFFFF
    return group >> 8 in (_CURVES, _OVERLAYS) or group >= _FROM_PIXELS
