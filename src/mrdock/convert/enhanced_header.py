"""The top level of an Enhanced MR file and its shared functional groups, from classic images (PS3.3 section A.36)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from mrdock.convert.enhanced_encoding import Attribute, binary, encoded, items, text
from mrdock.convert.enhanced_groups import SHARED, Group, meant
from mrdock.convert.enhanced_places import BOTH, DROPPED, FRAME_ITEM, GROUPED, MADE, is_of_series, stays_out
from mrdock.convert.enhanced_source import INNER, ClassicImage, varying
from mrdock.convert.enhanced_template import Plan, description, frame_type, reference_time

ENHANCED_MR: Final = "1.2.840.10008.5.1.4.1.1.4.1"

_ELSEWHERE: Final = frozenset(FRAME_ITEM) - BOTH - {INNER | 0x00189064}
_APART: Final = GROUPED | DROPPED | MADE
_PLACED: Final = _ELSEWHERE | BOTH | _APART
_DESCRIPTION: Final = range(0x00089205, 0x0008920A)
_SURVEY_IMAGES: Final = 0x20051381  # how many images of the localiser are referred to
_CONDITIONAL: Final = (  # PS3.3 section C.8.13.4: Multiple Spin Echo, Coverage of k-Space
    (0x00189011, INNER | 0x00189008, ("SPIN", "BOTH")),
    (0x00189094, 0x00180023, ("3D",)),
)


def plan_of(images: Sequence[ClassicImage]) -> Plan:
    """What differs between these images, the first of which shares its elements with the others."""
    differing = varying(images)
    groups = [group for group in SHARED if _differs(group, images, differing)]
    grouped = {source for group in SHARED for source in group.sources()}
    extra = sorted(tag for tag in differing - _PLACED - grouped if not _is_creator(tag) and not stays_out(tag))
    return Plan(0x20051011 in differing, groups, extra)


def header(
    images: Sequence[ClassicImage], plan: Plan, made: dict[int, Attribute], now: datetime
) -> dict[int, Attribute]:
    """All elements of the top level but functional groups and pixel data; ``made`` are those that the builder sets."""
    first = images[0]
    found: dict[int, Attribute] = {}
    for source in sorted(first.tags(), reverse=True):  # so that the classic top level goes before its private item
        if source in _ELSEWHERE or source in _APART or stays_out(source):
            continue
        value = meant(first, source)
        if value is not None and (source not in plan.extra or is_of_series(source)):
            found[source & 0xFFFFFFFF] = value
    return found | _described(images, plan) | _dated(first, now) | _stated(first) | made


def shared(image: ClassicImage, plan: Plan) -> bytes:
    """The item of the Shared Functional Groups Sequence (5200,9229)."""
    kept = [group for group in SHARED if group not in plan.groups]
    return encoded({group.tag: value for group in kept if (value := group.value(image)) is not None})


def _differs(group: Group, images: Sequence[ClassicImage], differing: Collection[int]) -> bool:
    """Whether the group has several values; comparing them is needed only where one of their sources varies."""
    if not group.sources() & set(differing):
        return False
    value = group.value(images[0])
    return any(group.value(image) != value for image in images[1:])


def _described(images: Sequence[ClassicImage], plan: Plan) -> dict[int, Attribute]:
    """Image Type (0008,0008) and the MR Image Description macro: MIXED where the frames differ."""
    first = description(images[0])
    differing = {tag for tag in _DESCRIPTION if any(INNER | tag in image.own for image in images)}
    if differing or plan.mixed:
        each = [description(image) for image in images]
        first = {tag: value if all(other[tag] == value for other in each) else _MIXED for tag, value in first.items()}
    kind = frame_type(images[0], mixed=False).split("\\")
    kind[2] = first[0x00089209].raw.decode("latin-1").strip()
    if plan.mixed:
        kind[3] = "MIXED"
    return first | {0x00080008: text("CS", "\\".join(kind))}


_MIXED: Final = text("CS", "MIXED")


def _dated(image: ClassicImage, now: datetime) -> dict[int, Attribute]:
    """Creation of the file; content date and time are those of the series, as scanners have it."""
    found = {
        0x00080012: text("DA", now.strftime("%Y%m%d")),
        0x00080013: text("TM", now.strftime("%H%M%S.") + f"{now.microsecond // 1000:03d}"),
    }
    date, time, reference = image.get(0x00080021), image.get(0x00080031), reference_time(image)
    for tag, value in ((0x00080023, date or image.get(0x00080023)), (0x00080033, time or image.get(0x00080033))):
        if value is not None:
            found[tag] = value
    if reference:
        found[0x0008002A] = text("DT", reference)
    return found


def _stated(image: ClassicImage) -> dict[int, Attribute]:
    """What classic images do not say, or otherwise."""
    found = {
        0x00080016: text("UI", ENHANCED_MR),
        0x00189004: text("CS", "RESEARCH"),
        0x00189100: text("CS", image.text(0x00180085, "1H")),
        0x00200013: text("IS", "1"),
        0x00280301: text("CS", "NO"),
        0x00400555: items(),
    }
    if image.get(_SURVEY_IMAGES) is not None:
        found[_SURVEY_IMAGES] = text("IS", "0")
    for tag, condition, values in _CONDITIONAL:
        value = meant(image, INNER | tag)
        if value is not None and image.text(condition) in values:
            found[tag] = value
    for tag, default in ((0x00280101, 16), (0x00280102, 15), (0x00280103, 0)):
        if image.get(tag) is None:
            found[tag] = binary("US", default)
    if image.get(0x00282110) is None:
        found[0x00282110] = text("CS", "00")
    return found


def _is_creator(tag: int) -> bool:
    return bool(tag & 0x10000) and tag & 0xFFFF < 0x1000
