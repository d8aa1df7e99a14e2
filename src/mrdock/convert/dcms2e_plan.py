"""The frames of a file to be made from a PAR/REC and the classic images of its first dynamic, or from all of them."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, replace
from io import FileIO
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.convert.dcms2e_images import Image
from mrdock.convert.dcms2e_match import rescales_of
from mrdock.convert.dcms2e_scan import Scan
from mrdock.convert.dcms2e_series import SeriesReader
from mrdock.convert.enhanced_encoding import Attribute
from mrdock.convert.enhanced_frames import Frame, Rescale
from mrdock.convert.enhanced_source import ClassicImage, read_pixels
from mrdock.errors import MalformedError, ParRecError
from mrdock.files.names import printable
from mrdock.parrec.reading import ParRec

if TYPE_CHECKING:
    from mrdock.convert.enhanced_build import Pixels

Images = NDArray[np.uint16]

_FMRI_STATUS: Final = 0x20051063
_NEAR_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be built: frames, slice after slice, in each the dynamics in order, and where their pixels are."""

    frames: list[Frame]
    pixels: Pixels
    dynamics: int
    rows: int
    columns: int


def plan_from_rec(scan: Scan, par: ParRec, lines: NDArray[np.int64], *, trusted: bool = False) -> Plan:
    """Frames of the PAR's ``lines`` (slices, dynamics), their pixels from its REC.

    ``trusted``: the images of the first dynamic may differ from those of the classic files.
    """
    frames: list[Frame] = []
    reader = SeriesReader()
    for number in range(1, scan.slices + 1):
        image = scan.images[number, 1]
        source = reader.read(image.path)
        others = _frames_of_slice(source, image, par, lines[number - 1], scan.series.repetition_time_ms)
        frames.append(others[0] if trusted else Frame(source, position=number))
        frames += others[1:]
    rows, columns = scan.series.rows, scan.series.columns
    assert par.rec_path is not None
    pixels = _pixels_of_rec(par.rec_path, par.rec_places()[lines].ravel(), rows, columns)
    return Plan(frames, pixels, lines.shape[1], rows, columns)


def plan_from_classic(scan: Scan) -> Plan:
    """Frames of classic images of all dynamics."""
    reader = SeriesReader()
    frames = [
        Frame(reader.read(scan.images[number, dynamic].path), temporal=dynamic, position=number)
        for number in range(1, scan.slices + 1)
        for dynamic in range(1, scan.dynamics + 1)
    ]
    rows, columns = scan.series.rows, scan.series.columns
    pixels = _pixels_of_files([frame.source for frame in frames], rows, columns)
    return Plan(frames, pixels, scan.dynamics, rows, columns)


def _frames_of_slice(
    source: ClassicImage, image: Image, par: ParRec, lines: NDArray[np.int64], repetition_time_ms: float
) -> list[Frame]:
    """Frames of all dynamics of a slice, each with what its line says."""
    table, sources = par.columns, _Sources(source)
    keys = ("window_center", "window_width", "dyn_scan_begin_time_s", "fmri_status_indication")
    values = zip(*(table[key][lines].tolist() for key in keys), rescales_of(par, lines, image), strict=True)
    return [
        Frame(
            sources.with_status(status),
            own=False,
            temporal=dynamic,
            begin_s=begin_s(dynamic, begin, repetition_time_ms),
            window=(center, width),
            rescale=None if rescale is None else Rescale(*rescale),
            position=image.slice_number,
        )
        for dynamic, (center, width, begin, status, rescale) in enumerate(values, 1)
    ]


def begin_s(dynamic: int, said_s: float, repetition_time_ms: float) -> float:
    """When a dynamic began, in seconds after the first.

    Scanners have it in whole milliseconds, multiples of the repetition time; PAR has two decimals of it. So it is the
    multiple, where the PAR agrees.
    """
    multiple = round((dynamic - 1) * repetition_time_ms) / 1000
    return multiple if abs(multiple - said_s) <= _NEAR_S else said_s


def other_pixels(plan: Plan) -> int | None:
    """The first slice whose image of the first dynamic is not that of its classic file; None where all are the same."""
    for at in range(0, len(plan.frames), plan.dynamics):
        own = _plane(plan.frames[at].source, plan.rows, plan.columns)
        if not np.array_equal(own, plan.pixels(np.array([at], dtype=np.intp))[0]):
            return at // plan.dynamics + 1
    return None


def _pixels_of_rec(path: str, places: NDArray[np.int64], rows: int, columns: int) -> Pixels:
    """Reads the REC, where a map of it would count as memory: each image stands in another of its volumes."""
    size = rows * columns * 2

    def pixels(wanted: NDArray[np.intp]) -> Images:
        found = np.empty((len(wanted), rows, columns), dtype="<u2")
        planes = found.data.cast("B")
        with open(path, "rb", buffering=0) as stream:
            for at, place in enumerate(places[wanted].tolist()):
                if _read_at(stream, planes[at * size : (at + 1) * size], place * size) != size:
                    raise ParRecError(f"{printable(path)}: was cut while it was read")
        return found

    return pixels


def _read_at(stream: FileIO, into: memoryview, offset: int) -> int:
    """Fill ``into`` from there on, in one call where the system has it; the bytes that there were."""
    if hasattr(os, "preadv"):
        return os.preadv(stream.fileno(), [into], offset)
    stream.seek(offset)
    return stream.readinto(into)


def _pixels_of_files(sources: list[ClassicImage], rows: int, columns: int) -> Pixels:
    def pixels(wanted: NDArray[np.intp]) -> Images:
        return np.stack([_plane(sources[at], rows, columns) for at in wanted])

    return pixels


def _plane(source: ClassicImage, rows: int, columns: int) -> Images:
    raw = read_pixels(source)
    if len(raw) not in (rows * columns * 2, rows * columns * 2 + 1):
        raise MalformedError(f"{printable(source.path)}: has {len(raw)} bytes of pixels, {rows * columns * 2} are due")
    return np.frombuffer(raw, dtype="<u2", count=rows * columns).reshape(rows, columns)


class _Sources:
    """One classic image under each fMRI status (2005,1063) that the PAR gives its dynamics."""

    def __init__(self, source: ClassicImage) -> None:
        self._found = {source.whole(_FMRI_STATUS, 0): source}
        self._source = source

    def with_status(self, status: int) -> ClassicImage:
        found = self._found.get(status)
        if found is None:
            value = Attribute("SS", struct.pack("<h", status)) if -(2**15) <= status < 2**15 else None
            if value is None:
                return self._source
            found = replace(self._source, own={**self._source.own, _FMRI_STATUS: value})
            self._found[status] = found
        return found
