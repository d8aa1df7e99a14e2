"""Which images make a scan that can become one Enhanced file: several dynamics of one or more slices, nothing else."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Final

from mrdock.convert.dcms2e_images import Contents, Image, Series
from mrdock.dicom.geometry import normal, parallel, position_mm, slice_numbers
from mrdock.errors import UnsuitableError
from mrdock.files.names import printable

ONLY: Final = "dcms2e converts only scans of several dynamics"
_MOST_NAMED: Final = 6
_NEAR_MM: Final = 0.01
_MOST_MISSING: Final = 10_000


@dataclass(frozen=True, slots=True)
class Scan:
    """The images of one scan by (slice, dynamic), both from 1 and without gaps."""

    folder: str
    series: Series
    slices: int
    dynamics: int
    images: dict[tuple[int, int], Image]
    dropped: tuple[int, ...] = ()
    """Dynamics at the end that lacked slices and were left out."""


def first_dynamic(contents: Contents) -> Scan:
    """The classic images of the first dynamic, one for each slice.

    Raises UnsuitableError, with the reason, for every other directory.
    """
    images = _checked(contents)
    dynamics = sorted({image.dynamic for image in images})
    if len(dynamics) > 1:
        raise _refused(
            contents,
            f"holds images of {len(dynamics)} dynamics ({numbers(dynamics)}); dcms2e wants those of the first alone, "
            "or --classic for all of them without a PAR/REC",
        )
    if dynamics != [1]:
        raise _refused(contents, f"holds the images of dynamic {dynamics[0]}, where those of the first are wanted")
    count = _count_of_slices(images)
    found = _by_place(contents, images)
    if len(found) < count:
        absent = (number for number in range(1, count + 1) if (number, 1) not in found)
        missing = list(islice(absent, _MOST_MISSING))
        more = "" if len(missing) + len(found) == count else ", and more"
        raise _refused(contents, f"{len(found)} of {count} slices are there; {_lacking(missing)}{more}")
    return Scan(contents.folder, images[0].series, count, 1, found)


def all_dynamics(contents: Contents, *, drop_partial: bool = False) -> Scan:
    """The classic images of all dynamics.

    ``drop_partial`` leaves out dynamics at the end that lack slices. Raises UnsuitableError, with the reason, for a
    directory that holds anything else.
    """
    images = _checked(contents)
    found = _by_place(contents, images)
    slices = _count_of_slices(images)
    dynamics = max(image.dynamic for image in images)
    if slices > _MOST_MISSING + len(images) or dynamics > _MOST_MISSING + len(images):
        raise _refused(contents, f"holds {len(images)} images of {slices} slices and {dynamics} dynamics")
    there: defaultdict[int, set[int]] = defaultdict(set)
    for number, dynamic in found:
        there[dynamic].add(number)
    partial = [dynamic for dynamic in range(1, dynamics + 1) if len(there[dynamic]) != slices]
    dropped: list[int] = []
    while partial and partial[-1] == dynamics:
        dropped.insert(0, partial.pop())
        dynamics -= 1
    if partial or (dropped and not drop_partial):
        first = (partial or dropped)[0]
        missing = [number for number in range(1, slices + 1) if number not in there[first]]
        more = f", and {len(partial) + len(dropped) - 1} more dynamics lack some" if len(partial + dropped) > 1 else ""
        hint = "" if partial or not dynamics else "; --drop-partial leaves out what is incomplete at the end"
        raise _refused(contents, f"of dynamic {first} {_lacking(missing)}{more}{hint}")
    if dynamics < 2:
        raise _refused(contents, f"holds one dynamic; {ONLY}")
    kept = {place: image for place, image in found.items() if place[1] <= dynamics}
    return Scan(contents.folder, images[0].series, slices, dynamics, kept, tuple(dropped))


def kind_problem(series: Series) -> str:
    """Why a scan cannot become a file of dynamics by what its header says of the whole; empty where it can."""
    reasons = {
        f"a multi-echo scan ({series.echoes} echoes)": series.echoes > 1,
        f"a scan of {series.phases} phases": series.phases > 1,
        "a diffusion scan": series.is_diffusion,
        "an ASL scan": series.label_types > 0,
        f"a scan of {series.mixes} mixes": series.mixes > 1,
        f"a scan of {series.stacks} stacks": series.stacks > 1,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def numbers(values: Collection[int]) -> str:
    """Whole numbers in words: ``1 to 6``, ``4, 17 and 20``; of many only the first."""
    found = sorted(values)
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]} to {found[-1]}"
    named = [str(value) for value in found[:_MOST_NAMED]]
    if len(found) > _MOST_NAMED:
        return f"{', '.join(named)} and {len(found) - _MOST_NAMED} more"
    return " and ".join(filter(None, [", ".join(named[:-1]), named[-1]]))


def _refused(contents: Contents, why: str) -> UnsuitableError:
    return UnsuitableError(f"{printable(contents.folder)}: {why}")


def _lacking(missing: Sequence[int]) -> str:
    return f"slice {missing[0]} is missing" if len(missing) == 1 else f"slices {numbers(missing)} are missing"


def _checked(contents: Contents) -> list[Image]:
    """The images, with slice numbers, once nothing but slices and dynamics tells them apart."""
    images = contents.images
    _check_series(contents)
    problem = kind_problem(images[0].series) or _kinds_problem(images)
    if problem:
        raise _refused(contents, f"{problem}; {ONLY}")
    if any(image.dynamic < 1 for image in images):
        one = next(image for image in images if image.dynamic < 1)
        raise _refused(contents, f"{_name(one)} has no Temporal Position Identifier (0020,0100)")
    return _numbered(contents)


def _check_series(contents: Contents) -> None:
    images = contents.images
    first = images[0]
    for image in images:
        if image.series.uid != first.series.uid:
            what = f"{_name(first)} and {_name(image)} are of different series"
            raise _refused(contents, f"{what}; dcms2e wants the files of one scan in a directory of their own")
        if (image.series.rows, image.series.columns) != (first.series.rows, first.series.columns):
            raise _refused(contents, f"{_name(first)} and {_name(image)} differ in their matrix")
        if image.series.acquisition != first.series.acquisition:
            raise _refused(contents, f"{_name(first)} and {_name(image)} are of different acquisitions")


def _kinds_problem(images: Sequence[Image]) -> str:
    """What tells the images apart beside slice and dynamic; empty for nothing."""
    tests: tuple[tuple[str, Callable[[Image], object]], ...] = (
        ("images of several echoes", lambda image: (image.kind.echo, image.kind.echo_time_ms)),
        ("images of several phases", lambda image: image.kind.phase),
        ("images of several types", lambda image: (image.kind.type, image.kind.sequence)),
        ("a diffusion scan", lambda image: (image.kind.b_value, image.kind.b_number, image.kind.gradient_number)),
        ("an ASL scan", lambda image: image.kind.label),
    )
    for what, of in tests:
        found = {of(image) for image in images}
        if len(found) > 1:
            types = sorted({image.kind.type for image in images} - {""})
            return f"{what} ({', '.join(map(printable, types))})" if what.endswith("types") and types else what
    kind = images[0].kind
    if kind.b_value > 0:
        return "a diffusion scan"
    return "an ASL scan" if kind.label else ""


def _count_of_slices(images: Sequence[Image]) -> int:
    """As many as the scan has by its header, or by its images where these have more."""
    return max(images[0].series.slices, *(image.slice_number for image in images))


def _by_place(contents: Contents, images: Sequence[Image]) -> dict[tuple[int, int], Image]:
    found: dict[tuple[int, int], Image] = {}
    for image in images:
        place = image.slice_number, image.dynamic
        if place in found:
            same = found[place].sop_instance == image.sop_instance
            what = "are copies of one image" if same else f"are both slice {place[0]} of dynamic {place[1]}"
            raise _refused(contents, f"{_name(found[place], contents)} and {_name(image, contents)} {what}")
        found[place] = image
    return found


def _numbered(contents: Contents) -> list[Image]:
    """The images with slice numbers that ascend along the normal; raises where header and positions contradict."""
    images = contents.images
    along = _normal(contents)
    if along is None:
        if all(image.slice_number > 0 for image in images):
            return images
        raise _refused(contents, "neither slice numbers nor positions tell the slices apart")
    places = [position_mm(image.position_mm, along) if image.position_mm else 0.0 for image in images]
    if any(image.slice_number < 1 for image in images):
        found = slice_numbers(places, images[0].spacing_mm)
        return [replace(image, slice_number=number) for image, number in zip(images, found, strict=True)]
    lies: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for image, place in zip(images, places, strict=True):
        lies[image.dynamic][image.slice_number] = place
    for found_in in lies.values():  # each for itself: motion correction may move the slices during the scan
        ordered = [found_in[number] for number in sorted(found_in)]
        steps = [b - a for a, b in pairwise(ordered)]
        if steps and not (min(steps) > _NEAR_MM or max(steps) < -_NEAR_MM):
            raise _refused(contents, "slice numbers and positions contradict each other")
    return images


def _normal(contents: Contents) -> tuple[float, float, float] | None:
    """The normal that all images share; None where one says no position. Raises where they lie at an angle."""
    found = None
    for image in contents.images:
        if image.orientation is None or image.position_mm is None:
            return None
        along = normal(image.orientation)
        if along is None:
            return None
        found = found or along
        if not parallel(found, along):
            raise _refused(contents, f"a scan of several stacks; {ONLY}")
    return found


def _name(image: Image, contents: Contents | None = None) -> str:
    """A file of the directory by its own name, or by its path below ``contents`` where that tells more."""
    if contents is None:
        return printable(os.path.basename(image.path))
    return printable(os.path.relpath(image.path, contents.folder))
