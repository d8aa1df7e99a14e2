"""The per-frame item of an Enhanced MR file, encoded once for each classic image (PS3.3 section C.7.6.16.1.2).

What changes from dynamic to dynamic is left open as slots, each the place of a few neighbouring elements; filling them
costs far less than encoding a hundred elements for each of 20,000 frames.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from mrdock.convert.enhanced_encoding import (
    Attribute,
    begin_item,
    binary,
    decimal,
    element,
    encoded,
    end_item,
    items,
    text,
)
from mrdock.convert.enhanced_frames import Rescale
from mrdock.convert.enhanced_groups import Group, meant
from mrdock.convert.enhanced_places import FRAME_ITEM
from mrdock.convert.enhanced_source import INNER, ClassicImage
from mrdock.convert.par_codes import FIELD_MAP

_FRAME_TYPES: Final = {"B0": FIELD_MAP}  # in Frame Type (0008,9007); the other types are called as they are
_WIDEST: Final = 16  # characters of a DS
_COMPONENTS: Final = {"R": "REAL", "I": "IMAGINARY", "P": "PHASE"}
_IMAGE_TYPE: Final = 0x20051011


class Values(NamedTuple):
    """What goes into the slots of a template: encoded elements, in the order of `Slot`."""

    acquired: bytes = b""
    place: bytes = b""
    window: bytes = b""
    image: bytes = b""
    number: bytes = b""
    dynamic: bytes = b""
    extremes: bytes = b""
    begin: bytes = b""


class Slot(Enum):
    """What is open in a template; the value is the tag of the first element that goes there."""

    ACQUIRED = 0x00189074
    PLACE = 0x00209056
    WINDOW = 0x00281050
    IMAGE = 0x00080018
    NUMBER = 0x00200013
    DYNAMIC = 0x00200100
    EXTREMES = 0x2005100B
    BEGIN = 0x200510A0


_OPEN: Final = {slot.value: Attribute("UN", f"mrdock slot {slot.name:10}".encode("ascii")) for slot in Slot}
_MARKS: Final = {element(tag, value): number for number, (tag, value) in enumerate(_OPEN.items())}
_SPLIT: Final = re.compile(b"(" + b"|".join(map(re.escape, _MARKS)) + b")", re.DOTALL)
_COVERED: Final = frozenset({0x00080023, 0x00080033, 0x00281051, 0x2005100C})  # they come with the slot before them


@dataclass(frozen=True, slots=True)
class Plan:
    """What the per-frame items of a file have in common.

    ``mixed``: there are images of several types; ``groups`` that are the same for all frames in other files;
    ``extra`` elements of a classic image that vary where scanners' files have one value.
    """

    mixed: bool
    groups: Collection[Group] = ()
    extra: Collection[int] = ()


class Template:
    """The item of the frames of one image."""

    __slots__ = ("_at", "_pieces")

    def __init__(self, image: ClassicImage, plan: Plan, rescale: Rescale | None, *, window: bool) -> None:
        """Encode the item; ``rescale`` where it is not the image's, ``window``: whether there is one to put in."""
        whole = encoded(_groups(image, plan, rescale, window))
        self._pieces = _SPLIT.split(begin_item() + whole + end_item())
        self._at = [(place, _MARKS[piece]) for place, piece in enumerate(self._pieces) if piece in _MARKS]

    def filled(self, values: Values) -> bytes:
        """The item with these elements in its slots."""
        pieces = self._pieces
        for place, slot in self._at:
            pieces[place] = values[slot]
        return b"".join(pieces)


def reference_time(image: ClassicImage) -> str:
    """Begin of the series as DT: Acquisition Date Time of the private item, or series date and time; maybe empty."""
    return image.text(INNER | 0x0008002A) or joined_time(image.text(0x00080021), image.text(0x00080031))


def joined_time(date: str, time: str) -> str:
    """DT from DA and TM; empty where one is missing."""
    return date + time if date and time else ""


def frame_type(image: ClassicImage, mixed: bool) -> str:
    """Frame Type (0008,9007): ``ORIGINAL\\PRIMARY\\T1\\NONE``; the type of the image last where they are mixed."""
    said = [*image.texts(0x00080008)[:2], "ORIGINAL", "PRIMARY"][:2]
    kind = image.text(_IMAGE_TYPE)
    last = _FRAME_TYPES.get(kind, kind) if mixed and kind else "NONE"
    return "\\".join([*said, image.text(INNER | 0x00089209, "UNKNOWN"), last])


def description(image: ClassicImage) -> dict[int, Attribute]:
    """The MR Image Description macro (PS3.3 table C.8-132), which the private item of a classic image has."""
    component = _COMPONENTS.get(image.text(_IMAGE_TYPE), "MAGNITUDE")
    words = {0x9205: "MONOCHROME", 0x9206: "VOLUME", 0x9207: "NONE", 0x9208: component, 0x9209: "UNKNOWN"}
    found = {0x00080000 | low: image.get(INNER | 0x00080000 | low) for low in words}
    return {tag: value if value and value.raw else text("CS", words[tag & 0xFFFF]) for tag, value in found.items()}


def is_phased(image: ClassicImage) -> bool:
    """Whether the scan has several cardiac phases: only then Trigger Time (0018,1060) is one.

    In a dynamic series of classic images it is the begin of the dynamic (releases 5.1 to 5.7).
    """
    return image.whole(0x20011017, 1) > 1


def _groups(image: ClassicImage, plan: Plan, rescale: Rescale | None, window: bool) -> dict[int, Attribute]:
    groups: dict[int, Attribute | None] = {
        0x00189114: _echo(image),
        0x00189117: _diffusion(image),
        0x00189118: _cardiac(image),
        0x00189152: _copied(image, {0x00189080: INNER | 0x00189080}),
        0x00189226: items({0x00089007: text("CS", frame_type(image, plan.mixed)), **description(image)}),
        0x00209111: _content(image),
        0x00209113: _plane_position(image),
        0x00209116: _copied(image, {0x00200037: 0x00200037}),
        0x00289110: _copied(image, {tag: tag for tag in (0x00180050, 0x00180088, 0x00280030)}),
        0x00289132: _window(image) if window else None,
        0x00289145: items({**_rescale(image, rescale), 0x00281054: text("LO", "US")}),
        0x00409096: image.get(0x00409096) if image.get(INNER | 0x00283003) and rescale is None else None,
        0x2005140F: items(_frame_item(image, plan, rescale, window)),
        **{group.tag: group.value(image) for group in plan.groups},
    }
    return {tag: value for tag, value in groups.items() if value is not None}


def _copied(image: ClassicImage, tags: Mapping[int, int]) -> Attribute | None:
    """A group of elements copied from others."""
    found = {tag: value for tag, source in tags.items() if (value := meant(image, source)) is not None}
    return items(found) if found else None


def _echo(image: ClassicImage) -> Attribute | None:
    echo = image.number(0x00180081)
    return None if echo is None else items({0x00189082: binary("FD", echo)})


def _content(image: ClassicImage) -> Attribute:
    found = {Slot.ACQUIRED.value: _OPEN[Slot.ACQUIRED.value], Slot.PLACE.value: _OPEN[Slot.PLACE.value]}
    reference = reference_time(image)
    if reference:
        found[0x00189151] = text("DT", reference)
    duration = image.number(0x00189073)
    if duration is None:
        duration = image.number(0x20051033)
    if duration is not None:
        found[0x00189220] = binary("FD", duration * 1000)
    return items(found)


def _diffusion(image: ClassicImage) -> Attribute | None:
    """Only scanned diffusion has it; of an image without direction the b value tells what it is."""
    if image.text(0x20051014) != "Y":
        return None
    b_value = image.number(0x00189087)
    b_value = image.number(0x20011003) if b_value is None else b_value
    if b_value is None:
        return None
    direction = image.numbers(0x00189089)
    way = "NONE" if not b_value else "DIRECTIONAL" if any(direction) else "ISOTROPIC"
    found = {0x00189075: text("CS", way), 0x00189087: binary("FD", b_value)}
    if way == "DIRECTIONAL":
        found[0x00189076] = items({0x00189089: binary("FD", *direction)})
    return items(found)


def _cardiac(image: ClassicImage) -> Attribute | None:
    if not is_phased(image):
        return None
    trigger, rate = image.number(0x00181060), image.number(0x00181088)
    found = {} if trigger is None else {0x00209153: binary("FD", trigger)}
    if rate:
        found[0x00209251] = binary("FD", 60_000 / rate)
    return items(found) if found else None


def _window(image: ClassicImage) -> Attribute:
    found = {Slot.WINDOW.value: _OPEN[Slot.WINDOW.value]}
    function = image.get(0x00281056)
    if function is not None:
        found[0x00281056] = function
    return items(found)


def _rescale(image: ClassicImage, rescale: Rescale | None) -> dict[int, Attribute]:
    if rescale is not None:
        return {0x00281052: decimal(rescale.intercept), 0x00281053: decimal(rescale.slope)}
    return {tag: image.get(tag) or decimal(tag - 0x00281052) for tag in (0x00281052, 0x00281053)}


def _frame_item(image: ClassicImage, plan: Plan, rescale: Rescale | None, window: bool) -> dict[int, Attribute]:
    """The private item (2005,140F)."""
    found = {source & 0xFFFFFFFF: value for source in (*FRAME_ITEM, *plan.extra) if (value := meant(image, source))}
    if is_phased(image) and (trigger := image.get(0x00181060)):
        found[0x00181060] = trigger
    if rescale is not None:
        found.update(_rescale(image, rescale))
        found[0x2005100D] = binary("FL", -rescale.intercept / rescale.slope if rescale.slope else 0.0)
        found[0x2005100E] = binary("FL", rescale.scale_slope)
    position = _position(image)
    if position is not None:
        found[0x00200032] = position
    found.setdefault(0x00180082, text("DS", "0"))
    found[0x2001100B] = text("CS", "")
    found.setdefault(0x20011052, text("UI", ""))
    found[0x20051407] = binary("SS", min(max(1, len(image.texts(0x00080005))), 32767))
    for tag in _COVERED:
        found.pop(tag, None)
    return found | {slot.value: _OPEN[slot.value] for slot in _PRIVATE_SLOTS if window or slot is not Slot.WINDOW}


_PRIVATE_SLOTS: Final = (Slot.IMAGE, Slot.NUMBER, Slot.DYNAMIC, Slot.WINDOW, Slot.EXTREMES, Slot.BEGIN)


def _position(image: ClassicImage) -> Attribute | None:
    """Image Position as the private item has it: half a pixel before that of the standard, in rows and columns."""
    position, way, step = image.numbers(0x00200032), image.numbers(0x00200037), image.numbers(0x00280030)
    if (len(position), len(way), len(step)) != (3, 6, 2):
        return None
    row, column = way[:3], way[3:]
    moved = (p - (r * step[1] + c * step[0]) / 2 for p, r, c in zip(position, row, column, strict=True))
    return text("DS", "\\".join(_wide(number) for number in moved))


def _plane_position(image: ClassicImage) -> Attribute | None:
    """Image Position as scanners write it here: each number fills its 16 characters."""
    said = image.texts(0x00200032)
    if not said:
        return None
    wide = (word.ljust(_WIDEST, "0") if "." in word and "e" not in word.lower() else word for word in said)
    return items({0x00200032: text("DS", "\\".join(wide))})


def _wide(number: float) -> str:
    """A number of 16 characters."""
    before = len(f"{number:.0f}")
    return f"{number:.{max(0, _WIDEST - before - 1)}f}"[:_WIDEST] if abs(number) < 1e15 else f"{number:.9e}"
