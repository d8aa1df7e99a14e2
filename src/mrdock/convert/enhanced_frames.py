"""The frames of an Enhanced MR file to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from mrdock.convert.enhanced_source import ClassicImage


class Rescale(NamedTuple):
    """How stored values (PV) become others: DV = PV x slope + intercept, FP = DV / (slope x scale slope)."""

    intercept: float
    slope: float
    scale_slope: float


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of the file to be: an image that ``source`` describes, but for what is said here.

    ``own``: it is the very image of the source file, whose window, extremes, times and UID it keeps. Otherwise it is
    another dynamic of the same slice, echo and type: its extremes come from its pixels, its UID is new.

    ``temporal`` is the dynamic, from 1; ``begin_s`` its begin in seconds after the first (None: the source's);
    ``window`` center and width in display values (None: the source's); ``rescale`` where it differs from the source's.
    ``stack`` and ``position`` (from 1; None: the source's slice number) say where it lies.
    """

    source: ClassicImage
    own: bool = True
    temporal: int = 1
    begin_s: float | None = None
    window: tuple[float, float] | None = None
    rescale: Rescale | None = None
    stack: int = 1
    position: int | None = None
