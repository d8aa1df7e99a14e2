"""What of an image goes into its name, by its own header: slice, dynamic, echo, phase, type, label, b-value, direction.

Whether a dimension appears is for each image its own header's decision, so that an image has the same name alone and
among others. A dimension appears where the header announces more than one of it, or where the image is not its first.
What Philips headers announce, checked on release 5.7.1 (all values the same in every image of a series, but see
dynamics):

- slice: (2001,xx0A), of (2001,xx18). Runs over all stacks.
- dynamic: Temporal Position Identifier (0020,0100), of (2001,xx81), else of Number of Temporal Positions (0020,0105):
  in 2201 that one says 3 in six files of 328, and the private number 1 in all.
- echo: (0018,0086), of (2001,xx14). Phase: (2001,xx08), of (2001,xx17).
- label of ASL: (2005,xx29), of (2005,xx28): the words CONTROL and LABEL.
- b-value: (2005,xx12), of (2005,xx14); direction: (2005,xx13), of (2005,xx15). They are numbers, not s/mm2: b=0 is 1,
  and isotropic images have the last direction. Headers without them (before release 3) have ``b1000`` and the Instance
  Number instead.

How many types of image a series has is announced nowhere: 2001 (magnitude and phase) and a series of magnitude images
have the same series elements. So magnitude, the usual type, has no word, and each other has its own: P, R, I, the
water, fat and echo images of Dixon (W, F, IP, OP), and maps. A map may be all that a series holds (1901: PERFUSION),
which its Instance Number tells: the images of one type are numbered together (2001: 1-106 M, 107-212 P), so a map
whose number is that of its slice within the first type has no word. Magnitude of another sequence than the scan's
(phase contrast: PCA; mixed sequences: SE and IR) says which: M-PCA, M-IR.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Final, NamedTuple

from mrdock.sorting import records as tags
from mrdock.sorting.records import ImageRecord
from mrdock.sorting.safe import safe

_MAGNITUDE: Final = frozenset({"", "M"})
_SIDE_BY_SIDE: Final = frozenset({"P", "R", "I", "W", "F", "IP", "OP"})
_COMPONENTS: Final = {"MAGNITUDE": "M", "PHASE": "P", "PHASE MAP": "P", "REAL": "R", "IMAGINARY": "I"}
_GE_COMPONENTS: Final = ("M", "P", "R", "I")


class _Number(NamedTuple):
    """One dimension of an image: which it is, and of how many; None where the header does not say."""

    which: int | None
    of: int | None

    @property
    def announced(self) -> bool:
        return (self.of or 1) > 1

    @property
    def later(self) -> bool:
        return (self.which or 1) > 1


def numbered(record: ImageRecord) -> list[str] | None:
    """The parts of an image's name whose header has a slice number (Philips); None where it has none."""
    number = record.count(tags.SLICE)
    if number is None:
        return None
    rest = _rest_of(record)
    parts = [digits(number), *rest.numbers]
    if rest.type and not (rest.may_be_first and _in_first_type(record, number)):
        parts.append(rest.type)
    parts += rest.others
    if rest.by_instance:
        parts.append(digits(record.instance or 0))
    return parts


class _Rest(NamedTuple):
    """What follows the slice; the same for all slices of one dynamic, echo, phase, type and direction."""

    numbers: list[str]
    type: str
    may_be_first: bool
    """The type has no word where it is the first of the series, which the Instance Number tells."""

    others: list[str]
    by_instance: bool
    """The Instance Number comes last."""


_TELL_REST: Final = (
    *(tags.TIME_POINT, tags.DYNAMICS, tags.TIME_POINTS, tags.ECHO, tags.ECHOES, tags.PHASE, tags.PHASES),
    *(tags.TYPE, tags.SEQUENCE, tags.MIXES, tags.TECHNIQUE, tags.GE_COMPONENT, tags.COMPONENT, tags.IMAGE_TYPE),
    *(tags.LABEL, tags.LABELS, tags.B_NUMBER, tags.B_NUMBERS, tags.GRADIENT, tags.GRADIENTS),
    *(tags.B_FACTOR, tags.B_VALUE),
)
_MOST_REMEMBERED: Final = 1 << 14
_rests: dict[Hashable, _Rest] = {}


def _rest_of(record: ImageRecord) -> _Rest:
    """The rest of an image's name, worked out once for all that say the same."""
    said = record.said(_TELL_REST)
    rest = _rests.get(said)
    if rest is None:
        if len(_rests) >= _MOST_REMEMBERED:
            _rests.clear()
        rest = _rests[said] = _rest(record)
    return rest


def _rest(record: ImageRecord) -> _Rest:
    """From the elements of `_TELL_REST` alone."""
    numbers = _numbers(
        _Number(record.count(tags.TIME_POINT), record.count(tags.DYNAMICS) or record.count(tags.TIME_POINTS)),
        _Number(record.count(tags.ECHO), record.count(tags.ECHOES)),
        _Number(record.count(tags.PHASE), record.count(tags.PHASES)),
    )
    kind, may_be_first = _type(record)
    label = _label(record)
    weighted, by_instance = _diffusion(record)
    return _Rest(numbers, kind, may_be_first, [label, *weighted] if label else weighted, by_instance)


def unnumbered(record: ImageRecord, phase: int | None, phases: int | None) -> list[str]:
    """The parts that follow the slice where the header has no slice number; the phase is found by `stacks`."""
    parts = _numbers(
        _Number(record.count(tags.TIME_POINT), record.count(tags.TIME_POINTS)),
        _Number(record.count(tags.ECHO), record.count(tags.GE_ECHOES)),
        _Number(phase, phases),
    )
    word = _component(record)
    if word not in _MAGNITUDE:
        parts.append(word)
    return parts + _b_value(record.number(tags.B_VALUE))


def digits(number: int) -> str:
    """A number as names have it: four digits; below zero it says ``n`` first."""
    return f"{number:04d}" if number >= 0 else f"n{-number:04d}"


def _numbers(*chain: _Number) -> list[str]:
    """Those that appear. One that was not announced brings along what is before it and was not announced either:
    ``0001_0002`` could be the second of both."""
    last = max((place for place, number in enumerate(chain) if number.later and not number.announced), default=-1)
    shown: Iterable[_Number] = (
        number
        for place, number in enumerate(chain)
        if number.announced or number.later or (place < last and number.of is None and number.which is not None)
    )
    return [digits(number.which or 1) for number in shown]


def _type(record: ImageRecord) -> tuple[str, bool]:
    """The word of an image's type, and whether it has none where it is the first of its series."""
    kind = record.text(tags.TYPE).split("\\")[0].strip().upper() or _component(record)
    kind = _COMPONENTS.get(kind, kind)
    sequence = record.text(tags.SEQUENCE).split("\\")[0].strip().upper()
    if kind in _MAGNITUDE | _SIDE_BY_SIDE:
        mixed = (record.count(tags.MIXES) or 1) > 1 or "MIX" in record.text(tags.TECHNIQUE).upper()
        if sequence and (sequence == "PCA" or mixed):
            return _word(f"{kind or 'M'}-{sequence}"), False
        return "" if kind in _MAGNITUDE else kind, False
    return _word(kind), True


def _in_first_type(record: ImageRecord, number: int) -> bool:
    """Whether the Instance Number is that of the image's place in the first type: slices, then what varies in them."""
    place, planned = number - 1, record.count(tags.SLICES)
    if any((record.count(key) or 1) > 1 for key in (tags.LABELS, tags.B_NUMBERS, tags.GRADIENTS)):
        return False
    for which, of in ((tags.PHASE, tags.PHASES), (tags.TIME_POINT, tags.DYNAMICS), (tags.ECHO, tags.ECHOES)):
        how_many = record.count(of) or 1
        place = place * how_many + (record.count(which) or 1) - 1
    return planned is not None and number <= planned and record.instance == place + 1


def _label(record: ImageRecord) -> str:
    return _word(record.text(tags.LABEL)) if (record.count(tags.LABELS) or 1) > 1 else ""


def _diffusion(record: ImageRecord) -> tuple[list[str], bool]:
    """B-value and direction, and whether the Instance Number has to tell the directions apart."""
    b_value = _Number(record.count(tags.B_NUMBER), record.count(tags.B_NUMBERS))
    direction = _Number(record.count(tags.GRADIENT), record.count(tags.GRADIENTS))
    if b_value.which is None and direction.which is None:
        parts = _b_value(record.number(tags.B_FACTOR) or record.number(tags.B_VALUE))
        return parts, bool(parts)
    with_direction = direction.announced or direction.later
    parts = [digits(b_value.which or 1)] if with_direction or b_value.announced or b_value.later else []
    return [*parts, digits(direction.which or 1)] if with_direction else parts, False


def _b_value(b_value: float | None) -> list[str]:
    """``b1000`` where an image is diffusion weighted and has no number for that."""
    return [f"b{round(b_value)}"] if b_value is not None and 0.5 < b_value < 1e6 else []


def _component(record: ImageRecord) -> str:
    """M, P, R or I by the standard's elements or GE's; empty where they do not say."""
    ge = record.number(tags.GE_COMPONENT)
    if ge is not None and 0 <= ge < len(_GE_COMPONENTS):
        return _GE_COMPONENTS[int(ge)]
    said = _COMPONENTS.get(record.text(tags.COMPONENT).upper())
    if said:
        return said
    words = [word.strip().upper() for word in record.text(tags.IMAGE_TYPE).split("\\")[2:]]
    return next((_COMPONENTS.get(word, word) for word in words if word in _SHORT or word in _COMPONENTS), "")


_SHORT: Final = frozenset(_GE_COMPONENTS)


def _word(text: str) -> str:
    """A header's word as one part of a name, which ``_`` separates."""
    return safe(text.strip().upper(), 24).replace("_", "-")
