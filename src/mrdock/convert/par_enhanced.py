"""The images of an Enhanced MR file (PS3.3 section A.36)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.par_images import Floats, Ints, Place, Words, read_root
from mrdock.convert.par_values import ABSENT, NO_INTEGER, number_of, word_of
from mrdock.dicom.frames import Column
from mrdock.dicom.reading import SOP_CLASS, read_header
from mrdock.dicom.rendering import value_text
from mrdock.dicom.scan import Wanted
from mrdock.enhanced.pixels import pixels_of
from mrdock.enhanced.source import CLASSIC_MR, Source, open_source
from mrdock.errors import DicomError, MalformedError, UnsuitableError
from mrdock.files.names import printable

TOOL: Final = "dcm2par"

_WINDOW: Final = 1 << 24  # bytes of images that are put in order at once


@contextmanager
def open_enhanced(path: str) -> Iterator[EnhancedImages]:
    """Open a file; every complaint names it. Raises `DicomError` or OSError."""
    try:
        sop_class = read_header(path, Wanted([(SOP_CLASS, "UI")])).sop_class
    except DicomError:
        sop_class = ""  # opening it says what is wrong
    if sop_class == CLASSIC_MR:
        raise UnsuitableError(
            f"{printable(path)}: a classic MR image, one frame a file; give {TOOL} the directory of its series"
        )
    with open_source(path, TOOL) as source:
        yield EnhancedImages(source)


class EnhancedImages:
    """The frames of one open file; see `par_images.Images`."""

    classic = False

    def __init__(self, source: Source) -> None:
        """Raises `DicomError` for pixels that a PAR file cannot describe."""
        self.path = source.path
        self._source = source
        self.pixels = pixels_of(source)
        self.count = self.pixels.frames
        self.rows, self.columns = self.pixels.rows, self.pixels.columns
        self.bits = 8 * self.pixels.dtype.itemsize
        if self.pixels.dtype.kind == "f" or self.bits not in (8, 16):
            kind = "floating point" if self.pixels.dtype.kind == "f" else f"{self.bits}-bit"
            raise source.unsuitable(f"its pixels are {kind} numbers; a REC file holds 8 or 16 bits")
        self.root = read_root(source.data_set.walk())

    def numbers(self, place: Place, width: int = 1) -> Floats | None:
        """See `par_images.Images.numbers`."""
        column = self._source.table.column(list(place))
        if column is None:
            return None
        try:
            found = _by_arrays(column, width)
        except MalformedError:  # some value is no number
            found = _by_texts(column, width)
        found[~(np.abs(found) < ABSENT) | (found == NO_INTEGER)] = np.nan
        if np.isnan(found).all():
            return None
        return found if width > 1 else found[:, 0]

    def words(self, place: Place) -> Words | None:
        """See `par_images.Images.words`."""
        column = self._source.table.column(list(place))
        return None if column is None else _words(column)

    def planes(self, order: Ints) -> Iterator[tuple[int, NDArray[Any]]]:
        """See `par_images.Images.planes`. Frames are read in the order of the file, which is seldom that of a PAR."""
        if self.pixels.encoded:
            positions = np.argsort(order)
            for number, block in self.pixels.blocks(order[positions]):
                yield int(positions[number]), block
            return
        most = max(1, _WINDOW // (self.rows * self.columns * self.bits // 8))
        shape = min(most, len(order)), self.rows, self.columns
        windows = [np.empty(shape, self.pixels.native) for _ in range(2 if most < len(order) else 1)]
        for number, begin in enumerate(range(0, len(order), most)):
            window, wanted = windows[number % 2], order[begin : begin + most]
            positions = np.argsort(wanted)
            for at, block in self.pixels.blocks(wanted[positions]):
                window[positions[at : at + len(block)]] = block
            yield begin, window[: len(wanted)]

    def varying(self) -> Iterator[str]:
        """See `par_images.Images.varying`."""
        return (column.name for column in self._source.table.columns() if column.varying)


def _by_arrays(column: Column, width: int) -> Floats:
    """(frames, width) numbers."""
    values = column.values
    if values.dtype.kind not in "fiu":
        return _by_texts(column, width)
    values = values.reshape(len(values), -1)[:, :width]
    found = np.full((len(values), width), np.nan)
    found[:, : values.shape[1]] = values
    found[np.arange(width) >= column.counts[:, np.newaxis]] = np.nan
    return found


def _by_texts(column: Column, width: int) -> Floats:
    found = np.full((column.frames, width), np.nan)
    known: dict[str, list[float]] = {}
    for frame, text in enumerate(column.texts()):
        if text:
            if text not in known:
                known[text] = [number_of(word) for word in text.split("\\")[:width]]
            numbers = known[text]
            found[frame, : len(numbers)] = numbers
    return found


def _words(column: Column) -> Words:
    numbers = np.zeros(column.frames, np.int64)
    distinct, known = [""], {"": 0}
    for part in column.parts:
        entry = part.entry
        found = {}
        for raw in set(part.raws):
            word = word_of(value_text(entry.vr, raw, entry.charset, entry.big_endian))
            if word not in known:
                known[word] = len(distinct)
                distinct.append(word)
            found[raw] = known[word]
        numbers[np.asarray(part.frames, np.int64)] = [found[raw] for raw in part.raws]
    return Words(distinct, numbers)
