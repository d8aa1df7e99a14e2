"""The values that change from frame to frame, put into the templates of their images.

What is the same for several frames is encoded once.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, TypeVar

from mrdock.convert.enhanced_dimensions import Order
from mrdock.convert.enhanced_encoding import binary, decimal, element, text
from mrdock.convert.enhanced_extremes import Extremes
from mrdock.convert.enhanced_frames import Frame, Rescale
from mrdock.convert.enhanced_source import ClassicImage
from mrdock.convert.enhanced_template import Plan, Template, Values, joined_time

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

_WINDOW: Final = (0x00281050, 0x00281051)
_ACQUIRED: Final = 0x00189074
_KEPT: Final = 64  # images; the frames of one follow each other, but for echoes and types
_MOST_KNOWN: Final = 1 << 14
_MOMENT = re.compile(r"(\d{14})(\.\d{1,6})?")
_FINEST: Final = 2  # digits of a second that scanners write
_LARGEST_FL: Final = 3.4e38
_LARGEST_IS: Final = 2**31 - 1
_UID_PLACES: Final = 10
_HEAD: Final = 8  # bytes of an element before its value, but for long values


class Filling:
    """Encodes the per-frame items of a file."""

    def __init__(self, frames: Sequence[Frame], plan: Plan, ordered: Order, uid: int, extremes: Extremes) -> None:
        """Prepare the items; ``uid`` is a number under which images without a UID get theirs."""
        self._frames = frames
        self._plan = plan
        self._order = ordered
        written = f"2.25.{uid}"
        self._uid = element(0x00080018, text("UI", written))[: _HEAD + len(written) - _UID_PLACES]
        self._uid_end = b"\0" * (len(written) % 2)
        self._extremes = extremes
        self._numbering = Numbering(frames)
        self._images: dict[int, _Image] = {}
        self._windows = _Known[tuple[float, float], bytes](_window)
        self._begins = _Known[float, bytes](lambda begin: element(0x200510A0, binary("FL", begin)))
        self._times = _Known[tuple[str, float], tuple[bytes, bytes]](_times)
        self._dynamics = _Known[int, bytes](lambda dynamic: element(0x00200100, text("IS", str(dynamic))))

    def items(self) -> Iterator[bytes]:
        """The items in the order of the file."""
        places = _places(self._order)
        for number in self._order.frames.tolist():
            frame = self._frames[number]
            image = self._image(frame.source)
            if frame.own:
                values = image.own._replace(place=places(number))
            else:
                values = self._other(number, frame, image, places(number))
            rescale = None if frame.own else frame.rescale
            yield image.template(rescale, bool(values.window)).filled(values)

    def _image(self, source: ClassicImage) -> _Image:
        known = self._images.get(id(source))
        if known is None:
            if len(self._images) >= _KEPT:
                del self._images[next(iter(self._images))]
            known = self._images[id(source)] = _Image(source, self._plan)
        return known

    def _other(self, number: int, frame: Frame, image: _Image, place: bytes) -> Values:
        """The values of an image that is not the one in its source's file."""
        begin = image.begin if frame.begin_s is None else frame.begin_s
        acquired, content = self._times[image.acquired, begin - image.begin]
        return Values(
            acquired,
            place,
            image.own.window if frame.window is None else self._windows[frame.window],
            b"%b%0*d%b%b" % (self._uid, _UID_PLACES, number, self._uid_end, content),
            _number(self._numbering.of(frame)),
            self._dynamics[frame.temporal],
            _floating(*self._extremes.next(), frame.rescale or image.rescale),
            self._begins[begin],
        )


class _Known(dict[_Key, _Value]):
    """What has been encoded for a key; forgotten when it becomes too much."""

    def __init__(self, encode: Callable[[_Key], _Value]) -> None:
        self._encode = encode

    def __missing__(self, key: _Key) -> _Value:
        if len(self) >= _MOST_KNOWN:
            self.clear()
        found = self[key] = self._encode(key)
        return found


class _Image:
    """What the frames of one classic image share, encoded."""

    __slots__ = ("_plan", "_source", "_templates", "acquired", "begin", "own", "rescale")

    def __init__(self, source: ClassicImage, plan: Plan) -> None:
        self._source = source
        self._plan = plan
        self._templates: dict[tuple[Rescale | None, bool], Template] = {}
        date = source.text(0x00080022) or source.text(0x00080023)
        self.acquired = joined_time(date, source.text(0x00080032) or source.text(0x00080033))
        self.begin = source.number(0x200510A0) or 0.0
        intercept, slope, scale = (source.number(tag) for tag in (0x00281052, 0x00281053, 0x2005100E))
        slope = slope or 1.0
        self.rescale = Rescale(intercept or 0.0, slope, scale or 1 / slope)
        self.own = Values(
            acquired=element(_ACQUIRED, text("DT", self.acquired)) if self.acquired else b"",
            window=_copied(source, *_WINDOW),
            image=_copied(source, 0x00080018, 0x00080023, 0x00080033),
            number=_copied(source, 0x00200013),
            dynamic=_copied(source, 0x00200100),
            extremes=_copied(source, 0x2005100B, 0x2005100C),
            begin=_copied(source, 0x200510A0),
        )

    def template(self, rescale: Rescale | None, window: bool) -> Template:
        """The template of the image's frames."""
        found = self._templates.get((rescale, window))
        if found is None:
            if len(self._templates) >= _KEPT:
                self._templates.clear()
            found = self._templates[rescale, window] = Template(self._source, self._plan, rescale, window=window)
        return found


class Numbering:
    """Instance numbers of the images that have none, continued from those that have.

    Scanners count either the dynamics of a slice first (2101 of release 5.7: slice 2 begins at 76 of 75 dynamics each)
    or the slices of a dynamic (1903). The distance between the numbers of neighbouring slices tells which.
    """

    def __init__(self, frames: Sequence[Frame]) -> None:
        """Find out from the sources of these frames."""
        self._known = {
            id(source): (source.whole(0x00200013, 0), source.whole(0x00200100, 1))
            for source in {id(frame.source): frame.source for frame in frames}.values()
        }
        dynamics = max(frame.temporal for frame in frames)
        numbers = sorted({number for number, _ in self._known.values()})
        apart = min((b - a for a, b in pairwise(numbers)), default=dynamics)
        self._step = 1 if apart >= dynamics else numbers[-1] - numbers[0] + 1

    def of(self, frame: Frame) -> int:
        """The number of a frame's image."""
        number, dynamic = self._known[id(frame.source)]
        return max(0, min(number + (frame.temporal - dynamic) * self._step, _LARGEST_IS))


def later(moment: str, seconds: float) -> str:
    """A DT that much later, to at least 10 ms; empty where ``moment`` is none."""
    found = _MOMENT.fullmatch(moment)
    if not found:
        return ""
    digits = max(_FINEST, len(found[2] or "") - 1)
    try:
        begin = datetime.strptime(found[1], "%Y%m%d%H%M%S")
        exact = begin + timedelta(seconds=round(float(found[2] or 0) + seconds, digits))
    except (ValueError, OverflowError):
        return ""
    return exact.strftime("%Y%m%d%H%M%S.") + f"{exact.microsecond:06d}"[:digits]


_EXTREMES: Final = struct.Struct("<8sf8sf")
_HIGHEST_HEAD: Final = element(0x2005100B, binary("FL", 0))[:_HEAD]
_LOWEST_HEAD: Final = element(0x2005100C, binary("FL", 0))[:_HEAD]


def _floating(lowest: int, highest: int, rescale: Rescale) -> bytes:
    """The largest and the smallest floating point value FP of an image."""
    intercept, slope, scale_slope = rescale
    divisor = slope * scale_slope or 1.0
    least, most = (lowest * slope + intercept) / divisor, (highest * slope + intercept) / divisor
    if max(abs(least), abs(most)) < _LARGEST_FL:
        return _EXTREMES.pack(_HIGHEST_HEAD, most, _LOWEST_HEAD, least)
    return b""


_NUMBER_HEADS: Final = {length: element(0x00200013, text("IS", " " * length))[:_HEAD] for length in range(2, 13, 2)}


def _number(number: int) -> bytes:
    """Instance Number (0020,0013): each frame has another."""
    said = b"%d" % number
    if len(said) % 2:
        said += b" "
    return _NUMBER_HEADS[len(said)] + said


def _copied(source: ClassicImage, *tags: int) -> bytes:
    """These elements as they stand in the source."""
    return b"".join(element(tag, value) for tag in tags if (value := source.get(tag)) is not None)


def _window(window: tuple[float, float]) -> bytes:
    return b"".join(element(tag, decimal(value)) for tag, value in zip(_WINDOW, window, strict=True))


def _times(moment: tuple[str, float]) -> tuple[bytes, bytes]:
    """Acquisition, and content date and time, of an image that was acquired so many seconds after a DT."""
    at = later(*moment)
    if not at:
        return b"", b""
    content = element(0x00080023, text("DA", at[:8])) + element(0x00080033, text("TM", at[8:]))
    return element(_ACQUIRED, text("DT", at)), content


def _places(ordered: Order) -> Callable[[int], bytes]:
    """Encodes where and when a frame lies: Stack ID, In-Stack Position Number, Temporal Position Index, indices."""
    count = len(ordered.dimensions)
    numbers = binary("UL", *range(count))
    form = struct.Struct(f"<8sI8sI8s{count}I")
    heads = [element(tag, binary("UL", 0))[:_HEAD] for tag in (0x00209057, 0x00209128)]
    last = element(0x00209157, numbers)[:_HEAD]
    stacks = _Known[int, bytes](lambda stack: element(0x00209056, text("SH", str(stack))))
    places, indices = ordered.places.tolist(), ordered.indices.tolist()

    def encode(number: int) -> bytes:
        stack, position, dynamic = places[number]
        return stacks[stack] + form.pack(heads[0], position, heads[1], dynamic, last, *indices[number])

    return encode
