"""Slice and phase numbers for series whose headers have no slice number: by position, Instance Number, trigger time.

Here the other files of the series matter: which slice is the second can be told from the first only. So that names
change as little as possible when only some of the files are there, a slice gets the number that its Instance Number
gives (images of one slice in a row, or of one volume), as long as that ascends along the normal; else its place along
the normal, on the grid of Spacing Between Slices (0018,0088) where there is one. Where images lie at one place and
their headers number nothing but the image itself, and where there is no geometry, the Instance Number is the name.

Cardiac phases: a series of N phases (0018,1090) has either all phases of a slice in a row (GE cine) or all slices of a
phase. Which one is told by the Instance Numbers at each position, and trigger times (0018,1060) have to ascend with the
phase; where they do not, they decide.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from mrdock.dicom.geometry import Vector, distinct, normal, parallel, position_mm, slice_numbers
from mrdock.sorting import records as tags
from mrdock.sorting.dimensions import digits, unnumbered
from mrdock.sorting.records import ImageRecord

PHASES_BY_TIME: Final = "phases are in the order of trigger times, which image numbers contradict"


@dataclass(slots=True)
class _Image:
    """One image on its way to a name."""

    record: ImageRecord
    instance: int
    stack: int = 0
    at_mm: float = 0.0
    place: tuple[int, int] = (0, 0)
    """Stack, and which position in it."""

    phase: int | None = None
    phases: int | None = None


def names_in(records: Sequence[ImageRecord]) -> tuple[list[list[str]], str]:
    """The parts of the names of a series' images, in their order, and a warning or ''. Names may still be equal."""
    images = [_Image(record, number) for record, number in zip(records, instances(records), strict=True)]
    if not _place(images):
        return [[digits(image.instance)] for image in images], ""
    warning = _find_phases(images)
    slices = _slices(images)
    parts = [[digits(number), *_others(image)] for image, number in zip(images, slices, strict=True)]
    if _ambiguous(images, parts):
        return [[digits(image.instance)] for image in images], ""
    return parts, warning


def instances(records: Sequence[ImageRecord]) -> list[int]:
    """The Instance Number of each; those without one are numbered after the others, by time."""
    said = [record.instance for record in records]
    found = [0 if number is None else number for number in said]
    without = [index for index, number in enumerate(said) if number is None]
    after = max((number for number in said if number is not None), default=0)
    for index in sorted(without, key=lambda i: _time(records[i])):
        found[index] = after = after + 1
    return found


def _time(record: ImageRecord) -> tuple[str, str, str, str]:
    return record.text(tags.CONTENT_DATE), record.text(tags.CONTENT_TIME), record.sop_instance, record.path


def _others(image: _Image) -> list[str]:
    return unnumbered(image.record, image.phase, image.phases)


def _ambiguous(images: Sequence[_Image], parts: Sequence[Sequence[str]]) -> bool:
    """Whether images with different Instance Numbers have one name."""
    numbers = defaultdict(set)
    for image, name in zip(images, parts, strict=True):
        numbers[tuple(name)].add(image.instance)
    return any(len(here) > 1 for here in numbers.values())


def _place(images: Sequence[_Image]) -> bool:
    """Find the stack and the position of each; False where one has no geometry."""
    stacks: list[tuple[Vector, list[_Image]]] = []
    for image in sorted(images, key=lambda i: (i.instance, i.record.sop_instance, i.record.path)):
        orientation = image.record.decimals(tags.ORIENTATION, 6)
        corner = image.record.decimals(tags.POSITION, 3)
        along = normal(orientation) if orientation is not None else None
        if along is None or corner is None:
            return False
        image.stack = next((n for n, (axis, _) in enumerate(stacks) if parallel(axis, along)), len(stacks))
        if image.stack == len(stacks):
            stacks.append((along, []))
        axis, members = stacks[image.stack]
        image.at_mm = position_mm(corner, axis)
        members.append(image)
    for number, (_, members) in enumerate(stacks):
        for image, place in zip(members, distinct([image.at_mm for image in members]), strict=True):
            image.place = (number, place)
    return True


def _find_phases(images: Sequence[_Image]) -> str:
    """Number the cardiac phases; return a warning or ''."""
    phased = [image for image in images if (image.record.count(tags.CARDIAC_IMAGES) or 1) > 1]
    if not phased:
        return ""
    phases = max(image.record.count(tags.CARDIAC_IMAGES) or 1 for image in phased)
    cells = defaultdict(list)
    for image in phased:
        image.phases = phases
        cells[(image.place, *_others(image))].append(image)
    by_number = _by_number(list(cells.values()), phases)
    warning = ""
    for cell in cells.values():
        for image in cell:
            image.phase = by_number(image.instance) if by_number is not None else None
        if by_number is None or not _ascending([(i.phase, _trigger(i)) for i in cell]):
            for place, image in enumerate(sorted(cell, key=_by_trigger), 1):
                image.phase = place
            warning = PHASES_BY_TIME if by_number is not None else warning
    return warning


def _by_number(cells: Sequence[Sequence[_Image]], phases: int) -> Callable[[int], int] | None:
    """How the phase follows from the Instance Number; None where it does not."""
    blocks = [{(image.instance - 1) // phases for image in cell} for cell in cells]
    if all(len(block) == 1 for block in blocks) and len(set().union(*blocks)) == len(cells):
        return lambda number: (number - 1) % phases + 1
    for locations in _locations(cells, phases):
        rests = [{(image.instance - 1) % locations for image in cell} for cell in cells]
        last = max(image.instance for cell in cells for image in cell)
        if all(len(rest) == 1 for rest in rests) and last <= phases * locations:
            return lambda number, step=locations: (number - 1) // step + 1  # type: ignore[misc]
    return None


def _locations(cells: Sequence[Sequence[_Image]], phases: int) -> list[int]:
    """How many slices there may be: as the headers say, as the number of images says, as many as are here."""
    record = min((image.record for cell in cells for image in cell), key=lambda r: r.sop_instance)
    images = record.count(tags.ACQUIRED) or 0
    by_images = images // phases if images % phases == 0 else 0
    said = (record.count(tags.GE_LOCATIONS) or 0, by_images, len(cells))
    return [number for number in dict.fromkeys(said) if number > 0]


def _trigger(image: _Image) -> float | None:
    return image.record.number(tags.TRIGGER_TIME)


def _by_trigger(image: _Image) -> tuple[float, int, str, str]:
    trigger = _trigger(image)
    return (0.0 if trigger is None else trigger), image.instance, image.record.sop_instance, image.record.path


def _ascending(pairs: Sequence[tuple[int | None, float | None]]) -> bool:
    """Whether times ascend with numbers; where not all have different times these say nothing."""
    times = [time for _, time in pairs]
    if None in times or len(set(times)) < len(times):
        return True
    ordered = [time for _, time in sorted(pairs, key=lambda pair: pair[0] or 0) if time is not None]
    return ordered == sorted(ordered)


def _slices(images: Sequence[_Image]) -> list[int]:
    """A slice number for each image."""
    for number in _from_instances(images):
        numbers = [number(image.instance) for image in images]
        at_place = defaultdict(set)
        for image, found in zip(images, numbers, strict=True):
            at_place[image.place].add(found)
        in_order = [min(found) for _, found in sorted(at_place.items())]
        unique = all(len(found) == 1 for found in at_place.values()) and len(set(in_order)) == len(in_order)
        if unique and min(in_order) > 0 and _stacks_ascend(at_place):
            return numbers
    return _from_positions(images)


def _stacks_ascend(at_place: dict[tuple[int, int], set[int]]) -> bool:
    """Whether in each stack the numbers ascend along the normal."""
    in_order = [(stack, min(found)) for (stack, _), found in sorted(at_place.items())]
    return in_order == sorted(in_order)


def _from_instances(images: Sequence[_Image]) -> list[Callable[[int], int]]:
    """The ways in which slices may follow from Instance Numbers, the likeliest first."""
    first = min((image.record for image in images), key=lambda r: r.sop_instance)
    phases = max((image.phases or 1 for image in images), default=1)
    times, echoes = first.count(tags.TIME_POINTS) or 1, first.count(tags.GE_ECHOES) or 1
    in_slice = phases * times * echoes
    acquired = first.count(tags.ACQUIRED) or 0
    volume = acquired // in_slice if acquired % in_slice == 0 else 0
    ways: list[Callable[[int], int]] = [lambda number: (number - 1) // in_slice + 1]
    if volume and in_slice > 1:
        ways.insert(1 if phases > 1 else 0, lambda number: (number - 1) % volume + 1)
    if volume and in_slice == 1:  # from the last slice to the first
        ways.append(lambda number: volume - number + 1)
    return ways


def _from_positions(images: Sequence[_Image]) -> list[int]:
    """Numbers along the normal, stack after stack in the order of their first images."""
    stacks = defaultdict(list)
    for index, image in enumerate(images):
        stacks[image.stack].append(index)
    found, before = [0] * len(images), 0
    for _, members in sorted(stacks.items()):
        spacings = {images[index].record.number(tags.SPACING) for index in members}
        spacing = spacings.pop() if len(spacings) == 1 else None
        numbers = slice_numbers([images[index].at_mm for index in members], spacing)
        for index, number in zip(members, numbers, strict=True):
            found[index] = before + number
        before += max(numbers)
    return found
