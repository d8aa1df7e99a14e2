"""The images of a REC file: one after the other, row by row, unsigned, little endian, without a header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mrdock.errors import ChoiceError, ParRecError
from mrdock.files.names import printable

Scale = Literal["stored", "display", "float"]

SCALES: Final[tuple[Scale, ...]] = ("stored", "display", "float")

_BLOCK: Final = 1 << 18  # pixels at a time: what a cache holds
_TYPES: Final[dict[int, np.dtype[Any]]] = {8: np.dtype("u1"), 16: np.dtype("<u2")}


class Layout(NamedTuple):
    """Rows, columns and type of all images of a REC file."""

    rows: int
    columns: int
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of an image."""
        return self.rows * self.columns * self.dtype.itemsize


class Scaling(NamedTuple):
    """Values are pixel values times ``slope`` plus ``intercept``, both (images,)."""

    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]


def layout_of(table: Mapping[str, NDArray[Any]], lines: NDArray[np.int64], path: str) -> Layout:
    """Rows, columns and type; raises `ParRecError` where images differ in them, or they can be none."""
    sizes, bits = table["recon_resolution"], table["image_pixel_size_bits"]
    differs = (sizes != sizes[0]).any(axis=1) | (bits != bits[0])
    if differs.any():
        raise ParRecError(f"{printable(path)}: line {lines[differs.argmax()]} has another matrix or pixel size")
    (columns, rows), depth = sizes[0].tolist(), int(bits[0])
    if not (0 < rows < 1 << 16 and 0 < columns < 1 << 16):
        raise ParRecError(f"{printable(path)}: line {lines[0]} has a matrix of {columns} x {rows}")
    if depth not in _TYPES:
        raise ParRecError(f"{printable(path)}: line {lines[0]} has pixels of {depth} bits; 8 and 16 can be read")
    return Layout(rows, columns, _TYPES[depth])


def mapped(path: str, layout: Layout) -> NDArray[Any]:
    """A REC file, mapped and read-only: (images, rows, columns). Raises OSError, and `ParRecError` for an empty one.

    Bytes behind the last whole image are left out.
    """
    images = os.path.getsize(path) // layout.size
    if not images:
        raise ParRecError(f"{printable(path)}: holds no image of {layout.columns} x {layout.rows}")
    return np.memmap(path, dtype=layout.dtype, mode="r", shape=(images, layout.rows, layout.columns))


def positions(index: NDArray[np.int64], held: int, path: str, rec_path: str) -> tuple[NDArray[np.int64], str]:
    """Where in REC the image of each line is, and a remark, empty where the column ``index`` says it.

    It does not where lines share an index, or somebody took lines out of PAR and their images out of REC: then the
    images are in the order of the lines. Raises `ParRecError` where REC is too short.
    """
    lines = len(index)
    if held < lines:
        raise ParRecError(
            f"{printable(rec_path)}: holds {held} of the {lines} images that {printable(os.path.basename(path))} lists"
        )
    in_order = np.arange(lines, dtype=np.int64)
    if index.min() < 0 or len(np.unique(index)) < lines:
        return in_order, "has no index of REC that tells images apart; they are taken in the order of the lines"
    if index.max() < held:
        return index, ""
    if held > lines or (np.diff(index) < 0).any():
        listing = printable(os.path.basename(path))
        raise ParRecError(f"{printable(rec_path)}: holds {held} images; {listing} lists one at {index.max()}")
    return in_order, f"lists images up to number {index.max()}, REC holds {held}: they are taken in the order of lines"


def scaling_of(table: Mapping[str, NDArray[Any]], scale: Scale, lines: NDArray[np.int64], path: str) -> Scaling:
    """How pixel values (PV) become display (DV) or floating point values (FP) of each image.

    DV = PV RS + RI, FP = DV / (RS SS). Raises `ChoiceError` where an image has no scale slope (SS).
    """
    slope, intercept = table["rescale_slope"], table["rescale_intercept"]
    if scale == "display":
        return Scaling(slope, intercept)
    unit = table["scale_slope"]
    with np.errstate(under="ignore"):
        product = slope * unit
    lacking = (unit == 0) | ((product == 0) & (intercept != 0))
    if lacking.any():
        line = lines[lacking.argmax()]
        raise ChoiceError(f"{printable(path)}: line {line} has a slope of 0, so there are no floating point values")
    with np.errstate(over="ignore"):
        shift = np.divide(intercept, product, out=np.zeros_like(intercept), where=intercept != 0)
        return Scaling(1.0 / unit, shift)


def gather(rec: NDArray[Any], places: NDArray[np.int64], scaling: Scaling | None, out: NDArray[Any]) -> None:
    """Put the images at ``places`` of ``rec`` into ``out`` (places, rows, columns); ``scaling`` is for each place."""
    step = max(1, _BLOCK // (out.shape[1] * out.shape[2]))
    for begin in range(0, len(places), step):
        some = slice(begin, begin + step)
        wanted = places[some]
        first, last = int(wanted[0]), int(wanted[-1])
        in_a_row = last - first == len(wanted) - 1 and bool((np.diff(wanted) == 1).all())
        block = rec[first : last + 1] if in_a_row else rec[wanted]
        if scaling is None:
            out[some] = block
            continue
        with np.errstate(over="ignore"):
            slope = scaling.slope[some].astype(out.dtype)[:, np.newaxis, np.newaxis]
            shift = scaling.intercept[some].astype(out.dtype)[:, np.newaxis, np.newaxis]
            np.multiply(block, slope, out=out[some])
            if shift.any():
                out[some] += shift
