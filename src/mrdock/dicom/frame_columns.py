"""One value over the frames of a table, as text, as numbers, and in one line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from mrdock.dicom import tags
from mrdock.dicom.frame_rows import Part
from mrdock.dicom.frame_walk import Place
from mrdock.dicom.rendering import value_text
from mrdock.dicom.scan import Key
from mrdock.errors import MalformedError, TagError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUMBERS: Final = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "DS", "IS"})

STREAMS: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})

_WHOLE: Final = 1 << 12  # text that `value_text` surely does not cut
_MOST_LISTED: Final = 6
_LONGEST_LIST: Final = 80

_Numbers = tuple[float, ...]


class Column:
    """The values of one place in every frame.

    ``key`` is what stands at the place's end, ``vr`` its VR (that of a dictionary where the file says none or UN),
    ``frames`` how many frames there are.
    """

    def __init__(self, place: Place, frames: int, parts: Sequence[Part]) -> None:
        """Take the values from ``parts``, at least one, of which no two have a value for the same frame."""
        self.key = place[-1][0]
        self.frames = frames
        self.parts = parts
        self.vr = parts[0].entry.vr
        self._place = place
        self._texts: list[str | None] | None = None
        self._values: tuple[NDArray[Any], NDArray[np.int64]] | None = None

    @property
    def name(self) -> str:
        """The place as `FrameTable.column` takes it."""
        return written_place(self._place)

    def texts(self) -> list[str | None]:
        """Each frame's value as `rendering.value_text` writes it; empty for an empty value, None where it is absent."""
        if self._texts is None:
            texts: list[str | None] = [None] * self.frames
            for part in self.parts:
                entry = part.entry
                known: dict[bytes, str] = {}
                for frame, raw in _frames(part):
                    text = known.get(raw)
                    if text is None:
                        text = known[raw] = value_text(entry.vr, raw, entry.charset, entry.big_endian)
                    texts[frame] = text
            self._texts = texts
        return self._texts

    @property
    def varying(self) -> bool:
        """Whether two frames differ in the value, or one has it and another has none; numbers compare as numbers."""
        known, missing = self.distinct()
        return len(known) + bool(missing) > 1

    def distinct(self) -> tuple[list[str], int]:
        """The different values as text, numbers that are equal once, and how many frames have none."""
        found: dict[object, str] = {}
        there = 0
        for part in self.parts:
            vr, big_endian, charset = part.entry.vr, part.entry.big_endian, part.entry.charset
            empty = 0
            for raw, count in Counter(part.raws).items():
                text = value_text(vr, raw, charset, big_endian)
                if text:
                    found.setdefault(_compared(vr, text, raw), text)
                else:
                    empty += count if len(part.raws) > 1 else len(part.frames)
            there += len(part.frames) - empty
        return list(found.values()), self.frames - there

    @property
    def values(self) -> NDArray[Any]:
        """The values as an array, read-only where all frames share one.

        Numbers have the type of their VR (DS float64, IS int64, AT uint32) in native byte order and the shape
        (frames,), or (frames, n) where a frame has n > 1 of them; what is missing is NaN, or 0 for integers: see
        `counts`. Texts are str with backslashes between several, values of binary VRs bytes; both are in an object
        array (frames,) with None where the element is absent. Raises `MalformedError` where a number is none, or
        frames have so different numbers of values that a table of them is no use.
        """
        return self._arrays()[0]

    @property
    def counts(self) -> NDArray[np.int64]:
        """(frames,): how many values each frame has; 0 where the element is absent or empty."""
        return self._arrays()[1]

    def _arrays(self) -> tuple[NDArray[Any], NDArray[np.int64]]:
        if self._values is None:
            from mrdock.dicom.frame_arrays import arrays

            try:
                self._values = arrays(self.frames, self.parts)
            except MalformedError as error:
                raise MalformedError(f"{self.name}: {error}") from None
        return self._values


def describe(column: Column) -> str:
    """One line: the value that all frames share, or what varies.

    ``varying (4 values, 0 .. 1000)`` for numbers, of vectors the range of each component; few texts are listed:
    ``varying (2 values: M, P)``, of many the first and the last in alphabetical order; then in how many frames there is
    no value: ``varying (1 value: ISOTROPIC; none in 8 frames)``.
    """
    texts, missing = column.distinct()
    if len(texts) + bool(missing) <= 1:
        return "".join(texts)
    without = f"; none in {missing} {'frame' if missing == 1 else 'frames'}" if missing else ""
    what = _ranges(column.vr, texts) or _listed(texts)
    return f"varying ({len(texts)} {'value' if len(texts) == 1 else 'values'}{what}{without})"


def _listed(texts: list[str]) -> str:
    listed = ", ".join(texts)
    if len(texts) <= _MOST_LISTED and len(listed) <= _LONGEST_LIST:
        return f": {listed}"
    texts = sorted(texts)
    return f", {texts[0]} .. {texts[-1]}"


def _ranges(vr: str, texts: list[str]) -> str | None:
    """The smallest and the greatest of each component; None where these are no numbers of one shape."""
    if vr not in NUMBERS:
        return None
    rows = [text.split("\\") for text in texts]
    numbers = [_numbers(text) for text in texts]
    if len({len(row) for row in rows}) > 1 or any(row is None for row in numbers):
        return None
    columns = [
        sorted(zip(values, words, strict=True)) for values, words in zip(_turned(numbers), _turned(rows), strict=True)
    ]
    low, high = ("\\".join(column[end][1].strip() for column in columns) for end in (0, -1))
    return f": {low}" if low == high else f", {low} .. {high}"


def _turned(rows: Sequence[Sequence[Any] | None]) -> list[tuple[Any, ...]]:
    return list(zip(*(row or () for row in rows), strict=True))


def _compared(vr: str, text: str, raw: bytes) -> object:
    """What two values are compared by: the text of some is cut, or only says how long they are."""
    if vr in NUMBERS:
        return _numbers(text) or text
    return text if len(raw) <= _WHOLE and vr not in STREAMS else raw


def _numbers(text: str) -> _Numbers | None:
    """The numbers of a text, None where one is none or not finite."""
    try:
        numbers = tuple(map(_number, text.split("\\")))
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _number(text: str) -> float:
    """Whole numbers stay exact: those of 64 bits are no floats."""
    return int(text) if text.isdecimal() else float(text)


def _frames(part: Part) -> Iterator[tuple[int, bytes]]:
    """Each frame of a part with its value."""
    raws = part.raws
    return zip(part.frames, raws * len(part.frames) if len(raws) == 1 else raws, strict=True)


def written_place(place: Place) -> str:
    """A place as text, as `FrameTable.column` takes it."""
    return ".".join(_name(key) + (f"[{number + 1}]" if number else "") for key, number in place)


@lru_cache(maxsize=4096)
def _name(key: Key) -> str:
    """A name that `tags.parse` takes for this very key."""
    name = tags.name_of(key)
    with suppress(TagError):
        if tags.folded(tags.parse(name)) == tags.folded(key):
            return name
    return tags.number_of(key)
