"""The images of one series of classic MR files, one a file (PS3.3 section A.4)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from mmap import mmap
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.par_images import FRAME, Floats, Ints, Place, Root, Words, read_root
from mrdock.convert.par_values import numbers_of, word_of
from mrdock.dicom.elements import Element, walk
from mrdock.dicom.opening import DataSet, open_data_set
from mrdock.dicom.rendering import value_text
from mrdock.dicom.scan import EXPLICIT_BIG, PIXEL_DATA, Key
from mrdock.dicom.sop_classes import DEFLATED
from mrdock.dicom.tags import folded, is_private_creator, name_of
from mrdock.enhanced.pixels import Pixels
from mrdock.enhanced.source import CLASSIC_MR, ENHANCED_MR, LEGACY_CONVERTED, identity_of
from mrdock.errors import DicomError, MalformedError, NotDicomError, UnsuitableError
from mrdock.files.names import printable

_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
_SERIES: Final = 0x0020000E
_FRAMES: Final = 0x00280008
_NUMBERS: Final = {"rows": 0x00280010, "columns": 0x00280011, "allocated": 0x00280100, "stored": 0x00280101}
_SIGNED: Final = 0x00280103
_SAMPLES: Final = 0x00280002
_PIXELS: Final = 0x7FE00010
_LONGEST: Final = 1 << 12  # of a value that is kept
_FRAME: Final = folded(FRAME)


class _Raw(NamedTuple):
    """One value as it stands in a file."""

    vr: str
    raw: bytes
    charset: bytes
    big_endian: bool


class _File(NamedTuple):
    """What is kept of one file."""

    path: str
    pixels: Pixels


class ClassicImages:
    """The images of one series; see `par_images.Images`."""

    classic = True

    def __init__(self, path: str, root: Root, files: list[_File], raws: dict[Key, list[_Raw | None]]) -> None:
        first = files[0].pixels
        self.path = path
        self.count = len(files)
        self.rows, self.columns = first.rows, first.columns
        self.bits = 8 * first.dtype.itemsize
        self.root = root
        self._files = files
        self._raws = raws

    def numbers(self, place: Place, width: int = 1) -> Floats | None:
        """See `par_images.Images.numbers`; wherever the attribute stands in an Enhanced file, it is at the root here,
        or in Philips' own sequence."""
        raws = self._raws.get(folded(place[-1]))
        if raws is None:
            return None
        found = np.full((self.count, width), np.nan)
        known: dict[_Raw, tuple[float, ...]] = {}
        for image, raw in enumerate(raws):
            if raw is None:
                continue
            if raw not in known:
                known[raw] = numbers_of(raw.vr, raw.raw, raw.big_endian)[:width]
            found[image, : len(known[raw])] = known[raw]
        if np.isnan(found).all():
            return None
        return found if width > 1 else found[:, 0]

    def words(self, place: Place) -> Words | None:
        """See `par_images.Images.words`."""
        raws = self._raws.get(folded(place[-1]))
        if raws is None:
            return None
        numbers = np.zeros(self.count, np.int64)
        distinct, known, found = [""], {"": 0}, {}
        for image, raw in enumerate(raws):
            if raw is not None:
                if raw not in found:
                    word = word_of(value_text(raw.vr, raw.raw, raw.charset, raw.big_endian))
                    if word not in known:
                        known[word] = len(distinct)
                        distinct.append(word)
                    found[raw] = known[word]
                numbers[image] = found[raw]
        return Words(distinct, numbers)

    def planes(self, order: Ints) -> Iterator[tuple[int, NDArray[Any]]]:
        """See `par_images.Images.planes`."""
        only = np.zeros(1, np.int64)
        for position, image in enumerate(order):
            for _, block in self._files[image].pixels.blocks(only):
                yield position, block

    def varying(self) -> Iterator[str]:
        """See `par_images.Images.varying`."""
        return (name_of(key) for key, raws in self._raws.items() if len(set(raws)) > 1)


class _Series:
    """Collects the files of a series."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.root: Root | None = None
        self.files: list[_File] = []
        self.raws: dict[Key, list[_Raw | None]] = {}
        self.series: dict[str, str] = {}
        self.instances: dict[str, str] = {}
        self.known: dict[_Raw, _Raw] = {}

    def add(self, path: str) -> None:
        """Take a file if it is a classic MR image; raises `DicomError`, not naming what is no DICOM."""
        with open_data_set(path) as data_set:
            top: dict[Key, Element] = {}
            inner: dict[Key, Element] = {}
            pixels: Element | None = None
            elements: list[Element] = []  # of the first file: its root is that of the series
            for element in walk(data_set.data, data_set.transfer_syntax, start=data_set.start, longest=_LONGEST):
                if element.depth == 0 and element.tag in PIXEL_DATA:
                    pixels = element
                    break
                if self.root is None:
                    elements.append(element)
                if element.depth == 0:
                    top.setdefault(folded(element.key), element)
                elif element.depth == 1 and folded(element.path[0][0]) == _FRAME and not element.path[0][1]:
                    inner.setdefault(folded(element.key), element)
            if not self._is_wanted(path, top):
                return
            if pixels is None:
                raise MalformedError(f"{printable(path)}: there is no pixel data")
            file = _File(path, _pixels(path, top, pixels, data_set))
        if self.root is None:
            self.root = read_root(elements)
        self._check_alike(file)
        self._keep(top | {key: value for key, value in inner.items() if not _is_there(top.get(key))})
        self.files.append(file)

    def _is_wanted(self, path: str, top: dict[Key, Element]) -> bool:
        """Whether it is a classic MR image; a mixture of series is refused."""
        sop_class = _text(top, _SOP_CLASS)
        if sop_class in (ENHANCED_MR, LEGACY_CONVERTED):
            raise UnsuitableError(
                f"{printable(self.path)}: a directory with an Enhanced MR image ({printable(os.path.basename(path))}); "
                "name such files, not their directory"
            )
        if sop_class != CLASSIC_MR:
            return False
        if _text(top, _FRAMES) not in ("", "1"):
            raise UnsuitableError(f"{printable(path)}: a classic MR image of several frames")
        series, instance = _text(top, _SERIES), _text(top, _SOP_INSTANCE)
        self.series.setdefault(series, path)
        if len(self.series) > 1:
            one, other = (printable(os.path.basename(name)) for name in self.series.values())
            raise UnsuitableError(
                f"{printable(self.path)}: {one} and {other} are of different series; dcm2par takes a directory of one"
            )
        twin = self.instances.setdefault(instance, path)
        if instance and twin != path:
            one, other = printable(os.path.basename(twin)), printable(os.path.basename(path))
            raise UnsuitableError(f"{printable(self.path)}: {one} and {other} are the same image")
        return True

    def _check_alike(self, file: _File) -> None:
        first = self.files[0].pixels if self.files else file.pixels
        own = file.pixels
        if (own.rows, own.columns, own.dtype.itemsize) != (first.rows, first.columns, first.dtype.itemsize):
            raise UnsuitableError(
                f"{printable(file.path)}: {own.rows} x {own.columns} pixels of {8 * own.dtype.itemsize} bits, other "
                f"images of its series have {first.rows} x {first.columns} of {8 * first.dtype.itemsize}"
            )

    def _keep(self, elements: dict[Key, Element]) -> None:
        """Remember the values of one image, equal ones once."""
        number = len(self.files)
        for key, element in elements.items():
            if element.vr == "SQ" or (isinstance(key, int) and is_private_creator(key)):
                continue
            raw = _Raw(element.vr, element.raw, element.charset, element.big_endian)
            raw = self.known.setdefault(raw, raw)
            column = self.raws.get(key)
            if column is None:
                column = self.raws[key] = []
            if len(column) < number:
                column.extend([None] * (number - len(column)))
            column.append(raw)

    def images(self) -> ClassicImages | None:
        """All that was added; None where there was no image."""
        if self.root is None:
            return None
        for column in self.raws.values():
            column.extend([None] * (len(self.files) - len(column)))
        return ClassicImages(self.path, self.root, self.files, self.raws)


def read_series(path: str) -> ClassicImages:
    """The classic MR images in a directory (not below it); what else is there is passed over.

    Raises `DicomError`, naming a file or the directory, or OSError.
    """
    series = _Series(path)
    with os.scandir(path) as entries:
        names = sorted(entry.path for entry in entries if entry.is_file() and not entry.name.startswith("."))
    for name in names:
        try:
            series.add(name)
        except NotDicomError:
            continue
        except DicomError as error:
            if str(error).startswith((printable(name), printable(path))):
                raise
            raise type(error)(f"{printable(name)}: {error}") from None
    found = series.images()
    if found is None:
        raise UnsuitableError(f"{printable(path)}: a directory without classic MR images")
    return found


def _is_there(element: Element | None) -> bool:
    return element is not None and bool(element.raw.strip(b" \0"))


def _text(top: dict[Key, Element], tag: int) -> str:
    element = top.get(tag)
    return value_text(element.vr, element.raw, big_endian=element.big_endian).strip() if element is not None else ""


def _pixels(path: str, top: dict[Key, Element], element: Element, data_set: DataSet) -> Pixels:
    """Where the pixels of one image stand; raises `DicomError` for what a REC file cannot hold, or is too short."""
    found: dict[str, int] = {}
    for name, tag in _NUMBERS.items():
        with suppress(ValueError):
            found[name] = int(_text(top, tag).split("\\")[0])
    rows, columns, bits = (found.get(name, 0) for name in ("rows", "columns", "allocated"))
    stored = found.get("stored", bits)
    if not (rows > 0 and columns > 0 and 0 < stored <= bits):
        raise MalformedError(f"{printable(path)}: its header does not say how large its picture and its pixels are")
    if element.tag != _PIXELS or bits not in (8, 16) or _text(top, _SAMPLES) not in ("", "1"):
        raise UnsuitableError(
            f"{printable(path)}: its pixels are not single numbers of 8 or 16 bits, as those of a REC file"
        )
    needed = rows * columns * bits // 8
    if element.length < needed:
        raise MalformedError(f"{printable(path)}: the pixel data is cut short: {element.length} bytes of {needed}")
    order = ">" if data_set.transfer_syntax == EXPLICIT_BIG else "<"
    dtype = np.dtype(f"{order}{'i' if _text(top, _SIGNED) == '1' else 'u'}{bits // 8}")
    said = data_set.said or data_set.transfer_syntax
    inflated = data_set.data if said == DEFLATED and not isinstance(data_set.data, mmap) else None
    return Pixels(
        path, 1, rows, columns, dtype, stored, element.offset, element.length, said, element.tag, None,
        identity_of(path), inflated,
    )  # fmt: skip
