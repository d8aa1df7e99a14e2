"""A PAR file and its REC as tables and arrays."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mrdock.errors import ChoiceError, ParRecError
from mrdock.files.names import printable
from mrdock.parrec import geometry
from mrdock.parrec.cells import Cells, arrange
from mrdock.parrec.general import General
from mrdock.parrec.parsing import Parsed, parse
from mrdock.parrec.places import pair_of
from mrdock.parrec.rec import SCALES, Layout, Scale, gather, layout_of, mapped, positions, scaling_of
from mrdock.parrec.stack import Stack, stack_of
from mrdock.parrec.table import Version


def read(path: str) -> ParRec:
    """Read a PAR file (V4, V4.1, V4.2); ``path`` may also be its REC file or their name without an ending.

    REC is opened when its pixels are asked for. Raises `NotParError`, `ParRecError` with the number of the line, and
    OSError.
    """
    given = os.fspath(path)
    par = given
    if not given.lower().endswith(".par"):
        pair = pair_of(given)
        if pair.par is not None and (given.lower().endswith(".rec") or not os.path.isfile(given)):
            par = pair.par
        elif given.lower().endswith(".rec"):
            raise ParRecError(f"{printable(given)}: there is no PAR file of that name")
    with open(par, "rb") as stream:
        return ParRec(par, parse(stream, par))


class ParRec:
    """One PAR file and its REC.

    ``columns`` has an array for each key of `table.columns`: (images,), or (images, n); the images are in the order of
    their lines.
    """

    def __init__(self, path: str, parsed: Parsed) -> None:
        """Put together; see `read`."""
        self.path = path
        self._parsed = parsed

    @property
    def version(self) -> Version:
        """That of the columns."""
        return self._parsed.version

    @property
    def general(self) -> General:
        """The general information; what the file does not give has its default, and is named in `missing`."""
        return self._parsed.general

    @property
    def missing(self) -> tuple[str, ...]:
        """The attributes of `general` that the file does not give."""
        return self._parsed.missing

    @property
    def columns(self) -> dict[str, NDArray[Any]]:
        """The table of the images."""
        return self._parsed.table

    @property
    def lines(self) -> NDArray[np.int64]:
        """The number of each image's line in the file, from 1."""
        return self._parsed.lines

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is odd about the file, each the end of a sentence that begins with its name."""
        return (*self._parsed.remarks, *self._stack.remarks)

    # ---- order ----

    @cached_property
    def cells(self) -> Cells:
        """Which image stands where; see `cells.arrange`."""
        return arrange(self.columns)

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions of `data`: those of `table.KEYS` that vary, in that order, then ``row`` and ``column``."""
        return (*self.cells.dims, "row", "column")

    @property
    def coords(self) -> dict[str, NDArray[np.int64]]:
        """The values along each dimension but the last two, by the key; see `cells.Cells`."""
        return self.cells.coords

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `data`. Raises `ParRecError` where images differ in size."""
        return (*self.cells.images.shape, self.layout.rows, self.layout.columns)

    # ---- pixels ----

    @cached_property
    def layout(self) -> Layout:
        """Rows, columns and type of the images. Raises `ParRecError` where images differ in them."""
        return layout_of(self.columns, self.lines, self.path)

    @cached_property
    def rec_path(self) -> str | None:
        """The REC file beside, in any case of letters; None where there is none."""
        return pair_of(self.path).rec

    def rec(self) -> NDArray[Any]:
        """The REC file, mapped and read-only: (images, row, column), in its own order.

        Image i of the table is ``rec()[rec_places()[i]]``. Raises `ParRecError` where REC is missing or too short.
        """
        if self.rec_path is None:
            raise ParRecError(f"{printable(self.path)}: there is no REC file beside")
        found = mapped(self.rec_path, self.layout)
        positions(self.columns["index_in_rec_file"], len(found), self.path, self.rec_path)
        return found

    def rec_places(self) -> NDArray[np.int64]:
        """Where in REC the image of each line is, from 0. Raises as `rec` does."""
        return self._places()[0]

    def rec_remark(self) -> str:
        """Why `rec_places` does not follow the column index_in_rec_file; empty where it does. Raises as `rec` does."""
        return self._places()[1]

    def _places(self) -> tuple[NDArray[np.int64], str]:
        held = len(self.rec())
        assert self.rec_path is not None
        return positions(self.columns["index_in_rec_file"], held, self.path, self.rec_path)

    def data(self, scale: Scale = "float", dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """All images as one array with the axes `dims`.

        ``scale`` chooses the values: ``"float"`` for FP, ``"display"`` for DV, both of type ``dtype``, or ``"stored"``
        for the pixel values PV in their own type. Raises as `rec` does, and `ChoiceError` for FP without a scale.
        """
        if scale not in SCALES:
            raise ChoiceError(f"scale is one of {', '.join(SCALES)}, not {scale!r}")
        order = self.cells.images.reshape(-1)
        scaling = None
        kind = self.layout.dtype
        if scale != "stored":
            kind = np.dtype(dtype)
            if kind.kind != "f":
                raise ChoiceError(f"values are of a floating point type, not {kind}")
            both = scaling_of(self.columns, scale, self.lines, self.path)
            scaling = both._replace(slope=both.slope[order], intercept=both.intercept[order])
        rec = self.rec()
        places = self.rec_places()[order]
        out = np.empty((len(order), self.layout.rows, self.layout.columns), dtype=kind)
        gather(rec, places, scaling, out)
        return out.reshape(self.shape)

    # ---- geometry ----

    @cached_property
    def _stack(self) -> Stack:
        return stack_of(self.general, self.missing, self.columns)

    @property
    def orientation(self) -> NDArray[np.int64]:
        """The slice orientation of each image, a key of `geometry.ORIENTATIONS`: as written, but where the steps
        between the slices show another."""
        return self._stack.orientation

    @property
    def offcentre_mm(self) -> NDArray[np.float64]:
        """The middle of each image (images, 3) along (ap, fh, rl): as written, but where that is in another order."""
        return self._stack.offcentre_mm

    @property
    def affines(self) -> NDArray[np.float64]:
        """(images, 4, 4): from (row, column, slice), from 0, to LPS in mm, as the image lines say; see `geometry`."""
        return geometry.affines(
            self.orientation,
            self.columns["image_angulation_deg"],
            self.offcentre_mm,
            self.columns["pixel_spacing_mm"],
            self.columns["slice_thickness_mm"] + self.columns["slice_gap_mm"],
            (self.layout.rows, self.layout.columns),
        )

    @property
    def affine(self) -> NDArray[np.float64] | None:
        """(4, 4): from (row, column, slice), from 0, to LPS in mm; slice 0 is that of the lowest number.

        None where the slices make no even grid, as those of several stacks. Angles and the middle are those of the
        general lines, which have a digit more, where the image lines agree.
        """
        return self._stack.affine((self.layout.rows, self.layout.columns))
