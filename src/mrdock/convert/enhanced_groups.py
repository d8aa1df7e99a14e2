"""The functional groups of an Enhanced MR file from the elements of a classic image (PS3.3 section C.8.13.5).

Those here are the same for all frames of most scans, and then stand in the shared item; where they differ between
images, each frame has its own (PS3.3 section C.7.6.16.1.1). What a group holds, and when, is as scanners write it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mrdock.convert.enhanced_encoding import Attribute, binary, items, text
from mrdock.convert.enhanced_places import SHARED_ITEM
from mrdock.convert.enhanced_source import INNER, ClassicImage

_ANATOMY: Final = 0x20051397
_FLOW: Final = 0x20051016
_TRANSMIT_COIL: Final = 0x2001108B
_FREQUENCY: Final = 0x00180084
_PHASE_ENCODING: Final = 0x00181312
_PARALLEL: Final = INNER | 0x00189077
_PARTIAL: Final = INNER | 0x00189081
_TAGGING: Final = INNER | 0x00189028
_TECHNIQUES: Final = ("PILS", "SENSE", "SMASH", "OTHER")
_CONTEXT: Final = "1.2.840.10008.6.1.307"  # context group 4030: CT, MR and PET Anatomy Imaged

Maker = Callable[[ClassicImage], Attribute | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One element of a group: copied from ``source``, or made from it and others (``also``)."""

    tag: int
    source: int
    make: Maker | None = None
    also: tuple[int, ...] = ()

    def value(self, image: ClassicImage) -> Attribute | None:
        """The element's value; None where the group does not have it."""
        if self.make is not None:
            return self.make(image)
        return meant(image, self.source)


@dataclass(frozen=True, slots=True)
class Group:
    """A functional group of one item."""

    tag: int
    rows: tuple[Row, ...]

    def sources(self) -> set[int]:
        """The elements of a classic image that it comes from."""
        return {tag for row in self.rows for tag in (row.source, *row.also)}

    def value(self, image: ClassicImage) -> Attribute | None:
        """The sequence; None where the image has nothing of it."""
        found = {row.tag: value for row in self.rows if (value := row.value(image)) is not None}
        return items(found) if found else None


def meant(image: ClassicImage, tag: int) -> Attribute | None:
    """The element, unless it is FD 7.23e75, which release 5.1 writes into the private item for none."""
    found = image.get(tag)
    if found is None or (found.vr == "FD" and found.raw and image.number(tag) is None):
        return None
    return found


def _inner(*tags: int) -> list[Row]:
    return [Row(tag, INNER | tag) for tag in tags]


def _root(*tags: int) -> list[Row]:
    return [Row(tag, tag) for tag in tags]


def _when(tag: int, condition: int, value: str) -> Row:
    """An element of the private item that only stands where another one has this value."""
    source = INNER | tag
    return Row(
        tag, source, lambda image: meant(image, source) if image.text(condition) == value else None, (condition,)
    )


def _nested(tag: int, *tags: int) -> Row:
    """A sequence of one item with elements of the private item."""

    def make(image: ClassicImage) -> Attribute | None:
        found = {each: value for each in tags if (value := meant(image, INNER | each)) is not None}
        return items(found) if found else None

    return Row(tag, INNER | tags[0], make, tuple(INNER | each for each in tags[1:]))


def _transmitter(image: ClassicImage) -> Attribute | None:
    frequency = image.number(_FREQUENCY)
    return None if frequency is None else binary("FD", frequency)


def _coil(image: ClassicImage) -> Attribute | None:
    return image.get(_TRANSMIT_COIL) or image.get(0x00181251)


def _compensation(image: ClassicImage) -> Attribute:
    return text("CS", "VELOCITY" if image.text(_FLOW) == "Y" else "NONE")


def _compensated(image: ClassicImage) -> Attribute | None:
    return meant(image, INNER | 0x00189183) if image.text(_FLOW) == "Y" else None


def _technique(image: ClassicImage) -> Attribute | None:
    """Parallel Acquisition Technique as the standard has it: MBSENSE (release 5.7) is a way of SENSE."""
    said = image.text(INNER | 0x00189078)
    if not said or image.text(_PARALLEL) != "YES":
        return None
    return text("CS", said if said in _TECHNIQUES else "SENSE" if "SENSE" in said else "OTHER")


def _encoding(image: ClassicImage) -> Attribute | None:
    said = image.text(_PHASE_ENCODING)
    return text("CS", "COLUMN" if said == "COL" else said) if said else None


def _second_spacing(image: ClassicImage) -> Attribute | None:
    """0 in files of release 5.7, classic ones have none; for tagged images nobody knows it."""
    return binary("FD", 0.0) if image.text(_TAGGING) == "NONE" else None


def _anatomy(image: ClassicImage) -> Attribute | None:
    """``SRT.T-A0100.Brain`` as a code: scheme, value and meaning."""
    parts = image.text(_ANATOMY).split(".", 2)
    if len(parts) != 3 or not all(parts):
        return None
    code = {
        0x00080100: text("SH", parts[1]),
        0x00080102: text("SH", parts[0]),
        0x00080104: text("LO", parts[2]),
        0x00080117: text("UI", _CONTEXT),
    }
    return items(code)


def _laterality(image: ClassicImage) -> Attribute:
    return meant(image, INNER | 0x00209072) or text("CS", "U")


SHARED: Final = (
    Group(
        0x00189006,  # MR Imaging Modifier
        (
            *_root(0x00180095),
            *_inner(0x00189020, 0x00189022, 0x00189028),
            Row(0x00189098, _FREQUENCY, _transmitter),
        ),
    ),
    Group(
        0x00189042,  # MR Receive Coil
        (
            *_root(0x00181250),
            *_inner(0x00189041, 0x00189043, 0x00189044),
            _nested(0x00189045, 0x00189047, 0x00189048),
        ),
    ),
    Group(0x00189049, (Row(0x00181251, _TRANSMIT_COIL, _coil, (0x00181251,)), *_inner(0x00189050, 0x00189051))),
    Group(
        0x00189112,  # MR Timing and Related Parameters
        (
            *_root(0x00180080, 0x00180091, 0x00181314),
            *_inner(0x00189176, 0x00189180, 0x00189182),
            _nested(0x00189239, 0x00189179, 0x00189181),
            *_inner(0x00189240, 0x00189241),
        ),
    ),
    Group(
        0x00189115,  # MR Modifier
        (
            *_inner(0x00189009, 0x00189016, 0x00189021, 0x00189026, 0x00189027, 0x00189077, 0x00189081),
            Row(0x00189010, _FLOW, _compensation),
            Row(0x00189183, INNER | 0x00189183, _compensated, (_FLOW,)),
            _when(0x00189036, _PARTIAL, "YES"),
            *(_when(tag, _PARALLEL, "YES") for tag in (0x00189069, 0x00189155, 0x00189168)),
            Row(0x00189078, INNER | 0x00189078, _technique, (_PARALLEL,)),
        ),
    ),
    Group(0x00189119, tuple(_root(0x00180083))),  # MR Averages
    Group(
        0x00189125,  # MR FOV/Geometry
        (
            *_root(0x00180093, 0x00180094),
            Row(0x00181312, _PHASE_ENCODING, _encoding),
            *_inner(0x00189058, 0x00189231, 0x00189232),
        ),
    ),
    Group(
        0x00209071,  # Frame Anatomy
        (Row(0x00082218, _ANATOMY, _anatomy), Row(0x00209072, INNER | 0x00209072, _laterality)),
    ),
    Group(
        0x2005140E,
        (
            *(Row(tag & 0xFFFFFFFF, tag) for tag in SHARED_ITEM),
            Row(0x00189098, _FREQUENCY, _transmitter),
            Row(0x00189218, _TAGGING, _second_spacing),
        ),
    ),
)
"""The groups that stand in the shared item where they are the same for all frames."""
