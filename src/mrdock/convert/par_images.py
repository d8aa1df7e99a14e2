"""What a scan is made from, an Enhanced MR file or the classic files of one series, as `dcm2par` sees both: images with
values that are asked for by their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.par_values import IMAGING, MR_5, Values
from mrdock.dicom.elements import Element, walk
from mrdock.dicom.scan import IMPLICIT_LITTLE, Key
from mrdock.dicom.tags import folded
from mrdock.errors import UnsuitableError
from mrdock.files.names import printable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Place = tuple[Key, ...]
"""A functional group, or Philips' own, and the attribute in it; the attribute alone stands for any place."""

FRAME: Final[Key] = (0x2005, 0x0F, MR_5)
"""Philips' sequence of what a classic image has: one in each frame of an Enhanced file."""

SHARED: Final[Key] = (0x2005, 0x0E, MR_5)

STACKS: Final[Key] = (0x2001, 0x5F, IMAGING)

_MANUFACTURER: Final = 0x00080070
_MOST_STACKS: Final = 1 << 10
_FROM_THE_GROUPS: Final = 0x52009229  # what stands behind is of no interest
_BARE_STACKS: Final = 0x2001105F  # where its creator was taken away, but not the sequence (anonymised files)
_CREATOR: Final = b"\x01\x20\x10\x00\x16\0\0\0Philips Imaging DD 001"  # implicit VR
_BARE_HEAD: Final = b"\x01\x20\x5f\x10"


class Words(NamedTuple):
    """Texts of images: each image's is ``distinct[numbers[image]]``."""

    distinct: list[str]
    numbers: Ints

    def of(self, image: int) -> str:
        """The text of one image."""
        return self.distinct[int(self.numbers[image])]

    def mapped(self, values: Mapping[str, int], otherwise: int) -> Ints:
        """The value of each image's text."""
        return np.array([values.get(word, otherwise) for word in self.distinct], np.int64)[self.numbers]


@dataclass(frozen=True)
class Root:
    """The top level of a data set, and the items of Philips' Stack Sequence (2001,105F) in it."""

    values: Values
    stacks: tuple[Values, ...]


class Images(Protocol):
    """The images of one scan, numbered from 0 in the order of their source.

    ``path`` is the file or directory, ``classic`` says which. All images have ``rows`` x ``columns`` pixels of ``bits``
    bits, as stored.
    """

    path: str
    count: int
    rows: int
    columns: int
    bits: int
    classic: bool
    root: Root

    def numbers(self, place: Place, width: int = 1) -> Floats | None:
        """The first number of each image, (images,), or its first ``width``, (images, width); NaN where there are none.

        None where no image has any.
        """

    def words(self, place: Place) -> Words | None:
        """The text of each image, empty where it has none; None where no image has the attribute."""

    def planes(self, order: Ints) -> Iterator[tuple[int, NDArray[Any]]]:
        """The pixels of the images ``order``, in blocks: (position in ``order``, (n, rows, columns)).

        Blocks may come in any order; each is good until the next but one comes. Raises `DicomError` or OSError.
        """

    def varying(self) -> Iterator[str]:
        """The attributes that differ between the images, as `FrameTable.names` writes them."""


@contextmanager
def open_images(path: str) -> Iterator[Images]:
    """The images of an Enhanced MR file, or of a directory of one classic series.

    Raises `UnsuitableError` where these are none of Philips, other `DicomError` or OSError; every message names the
    path.
    """
    import os

    if os.path.isdir(path):
        from mrdock.convert.par_classic import read_series

        found: Images = read_series(path)
        check_philips(found)
        yield found
        return
    from mrdock.convert.par_enhanced import open_enhanced

    with open_enhanced(path) as enhanced:
        check_philips(enhanced)
        yield enhanced


def check_philips(images: Images) -> None:
    """Refuse what another manufacturer made: neither its name nor private attributes say Philips."""
    maker = images.root.values.text(_MANUFACTURER)
    if "philips" in maker.lower():
        return
    private = images.numbers((FRAME, (0x2001, 0x0A, IMAGING))) is not None
    if not private:
        said = f"made by {maker}" if maker else "of an unnamed manufacturer, without Philips' private attributes"
        raise UnsuitableError(f"{printable(images.path)}: MR images {said}; dcm2par converts those of Philips")


def read_root(elements: Iterable[Element]) -> Root:
    """The root from the beginning of a walk; it is not followed behind the shared functional groups."""
    top: dict[Key, Element] = {}
    stacks: list[dict[Key, Element]] = []
    for element in elements:
        if element.depth == 0:
            if element.tag >= _FROM_THE_GROUPS:
                break
            top.setdefault(folded(element.key), element)
        elif element.depth == 1:
            _collect(element, stacks)
    bare = top.get(_BARE_STACKS)
    if bare is not None and not stacks and bare.vr == "UN" and len(bare.raw) == bare.length:
        stacks = _unknown_stacks(bare.raw)
    return Root(Values(top), tuple(map(Values, stacks)))


def _collect(element: Element, stacks: list[dict[Key, Element]]) -> None:
    """Keep an element of one of the stacks."""
    sequence, number = element.path[0]
    if folded(sequence) not in (folded(STACKS), _BARE_STACKS) or number >= _MOST_STACKS:
        return
    while len(stacks) <= number:
        stacks.append({})
    stacks[number].setdefault(folded(element.key), element)


def _unknown_stacks(raw: bytes) -> list[dict[Key, Element]]:
    """The stacks of a sequence that implicit VR hides, since its creator is missing."""
    from mrdock.errors import MalformedError

    data = _CREATOR + _BARE_HEAD + len(raw).to_bytes(4, "little") + raw
    stacks: list[dict[Key, Element]] = []
    try:
        for element in walk(data, IMPLICIT_LITTLE):
            if element.depth == 1:
                _collect(element, stacks)
    except MalformedError:
        return []
    return stacks


def first_of(images: Images, places: Sequence[Place], width: int = 1) -> Floats | None:
    """Numbers of each image from the first place that has them; NaN where none has, None where none has any."""
    found: Floats | None = None
    for place in places:
        numbers = images.numbers(place, width)
        if numbers is None:
            continue
        found = numbers if found is None else np.where(_whole(found), found, numbers)
        if _whole(found).all():
            break
    return found


def words_of(images: Images, places: Sequence[Place]) -> Words | None:
    """Texts of each image from the first place that has any; None where none has the attribute."""
    empty: Words | None = None
    for place in places:
        words = images.words(place)
        if words is not None and any(words.distinct):
            return words
        empty = empty or words
    return empty


def _whole(numbers: Floats) -> NDArray[np.bool_]:
    """Where all numbers of an image are there; of the shape that `where` takes."""
    there: NDArray[np.bool_] = ~np.isnan(numbers)
    if numbers.ndim > 1:
        there = np.all(there, axis=1, keepdims=True)
    return there
