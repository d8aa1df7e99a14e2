"""A PAR/REC pair read back and compared with what it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.par_columns import Described
from mrdock.convert.par_images import Images, Ints
from mrdock.errors import MrdockError
from mrdock.files.names import printable
from mrdock.parrec.general import General
from mrdock.parrec.reading import ParRec, read
from mrdock.parrec.table import COLUMNS, Column

_DEGREE: Final = float(np.radians(1))
_MOST: Final = 5


def check_pair(images: Images, described: Described, general: General, order: Ints, par: str) -> tuple[str, ...]:
    """What differs between the pair at ``par`` and its source, a line each; empty for nothing."""
    try:
        pair = read(par)
        found = [*_columns(described, order, pair), *_general(general, pair)]
        if len(pair.lines) == images.count:
            found += [*_places(images, described, order, pair), *_pixels(images, order, pair)]
    except (MrdockError, OSError) as error:
        return (f"cannot be read back: {error}",)
    return tuple(found)


def _columns(described: Described, order: Ints, pair: ParRec) -> Iterator[str]:
    """Every column, by the decimals that it is printed with."""
    if len(pair.lines) != len(order):
        yield f"has {len(pair.lines)} image lines for {len(order)} images"
        return
    for column in COLUMNS:
        if column.key == "index_in_rec_file":
            continue
        source = described.table[column.key][order].astype(np.float64)
        there = pair.columns[column.key].astype(np.float64)
        off = np.abs(there - source) > _rounding(column, source)
        lines = np.flatnonzero(off.reshape(len(off), -1).any(axis=1))
        if len(lines):
            line = int(lines[0])
            yield (
                f"{column.key}: line {pair.lines[line]} has {_shown(there[line])}, the source {_shown(source[line])}"
                f"{f'; {len(lines)} lines differ' if len(lines) > 1 else ''}"
            )


def _shown(values: Any) -> str:
    return " ".join(f"{each:.9g}" for each in np.atleast_1d(values))


def _rounding(column: Column, source: NDArray[Any]) -> NDArray[Any] | float:
    """How far a number that was printed may be off: half of its last decimal, and a little for the binary number."""
    form = column.form[0]
    if column.whole:
        return 0.0
    decimals = int(form[:-1].partition(".")[2])
    if form.endswith("e"):
        exact = np.where(source == 0, 1, np.abs(source))
        return 0.500001 * 10.0 ** (np.floor(np.log10(exact)) - decimals)
    return 0.500001 * 10.0**-decimals


def _general(general: General, pair: ParRec) -> Iterator[str]:
    """The general lines that readers compute with."""
    for name, near in (("angulation_deg", 5.1e-4), ("off_centre_mm", 5.1e-4), ("fov_mm", 5.1e-4)):
        there, source = getattr(pair.general, name), getattr(general, name)
        if any(abs(one - other) > near for one, other in zip(there, source, strict=True)):
            yield f"{name}: {there} in the general lines, the source has {source}"
    for name in ("max_slices", "max_echoes", "max_dynamics", "max_cardiac_phases", "max_diffusion_values"):
        if getattr(pair.general, name) != getattr(general, name):
            yield f"{name}: {getattr(pair.general, name)}, the source has {getattr(general, name)}"


def _places(images: Images, described: Described, order: Ints, pair: ParRec) -> Iterator[str]:
    """The first and the last pixel of every image, from the printed angles, against the positions of the source."""
    geometry = described.geometry
    if geometry.position_mm is None or geometry.row is None or geometry.column is None:
        return
    right = geometry.row * geometry.spacing_mm[:, :1]
    down = geometry.column * geometry.spacing_mm[:, 1:]
    affines = pair.affines
    sides = np.array([images.columns - 1, images.rows - 1])
    extent = float((geometry.spacing_mm * sides).max())
    near = 0.01 + 0.005 * _DEGREE * 1.5 * extent + 0.0005 * float(sides.max())
    for down_by, right_by in ((0, 0), (images.rows - 1, images.columns - 1)):
        source = (geometry.position_mm + right * right_by + down * down_by)[order]
        there = affines[:, :3, 3] + affines[:, :3, 0] * down_by + affines[:, :3, 1] * right_by
        off = np.linalg.norm(there - source, axis=1)
        if off.max() > near:
            line = pair.lines[int(off.argmax())]
            yield f"geometry: the image of line {line} lies {off.max():.3f} mm off its source"
            return


def _pixels(images: Images, order: Ints, pair: ParRec) -> Iterator[str]:
    """Every pixel, block by block."""
    rec, places = pair.rec(), pair.rec_places()
    wrong = 0
    for position, block in images.planes(order):
        there = rec[places[position : position + len(block)]]
        differs = (there != block).reshape(len(block), -1).any(axis=1)
        for line in position + np.flatnonzero(differs):
            wrong += 1
            if wrong <= _MOST:
                yield f"pixels: those of line {pair.lines[line]} differ from image {order[line] + 1} of the source"
    if wrong > _MOST:
        yield f"pixels: {wrong} images of {printable(images.path)} differ in all"
