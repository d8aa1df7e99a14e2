"""Building an Enhanced MR file as a Philips scanner writes it, from classic images and pixels (PS3.3 section A.36).

Places, order and spelling are those of scanners' own files (releases 5.1 to 5.7).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from mrdock.convert.enhanced_dimensions import order
from mrdock.convert.enhanced_encoding import Attribute, element, encoded_elements, end_sequence, sequence, text
from mrdock.convert.enhanced_extremes import BLOCK, Extremes, blocks_of
from mrdock.convert.enhanced_filling import Filling
from mrdock.convert.enhanced_frames import Frame
from mrdock.convert.enhanced_header import ENHANCED_MR, header, plan_of, shared
from mrdock.convert.enhanced_source import INNER, ClassicImage
from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.dicom.recoding import encode_element
from mrdock.dicom.scan import UNDEFINED
from mrdock.dicom.sop_classes import EXPLICIT_LITTLE
from mrdock.dicom.tags import number_of
from mrdock.errors import UnsuitableError
from mrdock.files.durable import begin_writing_out
from mrdock.files.names import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = Callable[[NDArray[np.intp]], NDArray[np.uint16]]
    """Gives the images of some frames: their numbers in ``frames`` in, an array (n, rows, columns) of uint16 out.

    It is asked for blocks of at most 4 MiB, twice for each frame that is not its source's own, maybe by another thread.
    """

_SHARED: Final = 0x52009229
_PER_FRAME: Final = 0x52009230
_PIXELS: Final = 0x7FE00010
_WRITE_OUT: Final = 16 << 20
_LONGEST: Final = 0xFFFFFFFE  # PS3.5 section 7.1: of pixel data in bytes
_MOST_FRAMES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built: the number of frames, the labels of its dimensions, its UID, and remarks, a sentence each."""

    frames: int
    dimensions: tuple[str, ...]
    sop_instance_uid: str
    remarks: tuple[str, ...]


def build(frames: Sequence[Frame], pixels: Pixels, out: BinaryIO, *, now: datetime) -> BuildReport:
    """Write an Enhanced MR file of these frames, given in any order, to ``out``.

    Their sources are read with the first of them as `read_classic`'s ``first``. ``now`` becomes the file's creation
    date and time. Memory does not grow with the number of pixels. Raises `UnsuitableError` with the path of a source
    that cannot be used (no matrix of 16 bits, another matrix than the first, two frames that nothing tells apart) or
    where there are more than 4 GiB of pixels; and what ``pixels`` and ``out`` raise.
    """
    sources = _sources(frames)
    rows, columns = _matrix(sources)
    size = rows * columns * 2
    if len(frames) * size > _LONGEST or len(frames) > _MOST_FRAMES:
        raise UnsuitableError(
            f"{printable(sources[0].path)}: {len(frames)} such images are too many for one DICOM file"
        )
    plan = plan_of(sources)
    ordered = order(frames, sources)
    uid, organization, first_uid = (uuid.uuid4().int for _ in range(3))
    made = {
        0x00080018: text("UI", f"2.25.{uid}"),
        0x00280008: text("IS", str(len(frames))),
        **ordered.sequences(f"2.25.{organization}"),
    }
    tags, elements = encoded_elements(header(sources, plan, made, now))
    split = sum(tag < _SHARED for tag in tags)
    output = _Output(out)
    output.write(encode_file_meta(FileMeta(ENHANCED_MR, f"2.25.{uid}", EXPLICIT_LITTLE)))
    output.write(b"".join(elements[:split]))
    output.write(element(_SHARED, Attribute("SQ", sequence([shared(sources[0], plan)]))))
    extremes = Extremes(frames, ordered.frames, lambda block: _checked(pixels, block, size), size)
    _write_items(Filling(frames, plan, ordered, first_uid, extremes).items(), output)
    output.write(b"".join(elements[split:]))
    _write_pixels(ordered.frames, pixels, size, output)
    labels = tuple(dimension.label for dimension in ordered.dimensions)
    return BuildReport(len(frames), labels, f"2.25.{uid}", tuple(_remarks(sources)))


def _sources(frames: Sequence[Frame]) -> list[ClassicImage]:
    """The images that describe the frames, each once, that with which they share their elements first."""
    if not frames:
        raise UnsuitableError("no frames to build a file of")
    sources = list({id(frame.source): frame.source for frame in frames}.values())
    common = sources[0].common
    if any(source.common is not common for source in sources):
        raise UnsuitableError(f"{printable(sources[0].path)}: was read apart from the other images")
    return sorted(sources, key=lambda source: bool(source.own or source.absent))


def _matrix(sources: Sequence[ClassicImage]) -> tuple[int, int]:
    """Rows and columns, which all sources have."""
    found = {}
    for source in sources:
        if source.whole(0x00280100, 0) != 16 or source.whole(0x00280002, 1) != 1:
            raise UnsuitableError(f"{printable(source.path)}: its pixels are not of 16 bits each")
        found[source.whole(0x00280010, 0), source.whole(0x00280011, 0)] = source.path
    if len(found) > 1:
        one, other = list(found)[:2]
        path = printable(found[other])
        raise UnsuitableError(f"{path}: {other[1]} x {other[0]} pixels where others have {one[1]} x {one[0]}")
    rows, columns = next(iter(found))
    if rows < 1 or columns < 1:
        raise UnsuitableError(f"{printable(sources[0].path)}: it says no rows and columns")
    return rows, columns


def _taken(numbers: NDArray[np.intp], pixels: Pixels, size: int) -> Iterator[NDArray[np.uint16]]:
    """The images of frames in blocks; while one block is used, the next is taken by a thread."""
    blocks = blocks_of(numbers, size)
    with ThreadPoolExecutor(1) as helper:
        coming = helper.submit(_checked, pixels, blocks[0], size)
        for following in (*blocks[1:], None):
            images = coming.result()
            if following is not None:
                coming = helper.submit(_checked, pixels, following, size)
            yield images


def _checked(pixels: Pixels, block: NDArray[np.intp], size: int) -> NDArray[np.uint16]:
    images = pixels(block)
    if images.nbytes != len(block) * size:
        raise ValueError(f"{images.nbytes} bytes of pixels for {len(block)} frames of {size}")
    return images


def _write_items(items: Iterator[bytes], out: _Output) -> None:
    """The Per-frame Functional Groups Sequence (5200,9230)."""
    parts, length = [encode_element(_PER_FRAME, "SQ", UNDEFINED, EXPLICIT_LITTLE)], 0
    for item in items:
        parts.append(item)
        length += len(item)
        if length >= BLOCK:
            out.write(b"".join(parts))
            parts, length = [], 0
    out.write(b"".join([*parts, end_sequence()]))


def _write_pixels(numbers: NDArray[np.intp], pixels: Pixels, size: int, out: _Output) -> None:
    """Pixel Data (7FE0,0010), frame after frame."""
    import numpy as np

    out.write(encode_element(_PIXELS, "OW", len(numbers) * size, EXPLICIT_LITTLE))
    for images in _taken(numbers, pixels, size):
        out.write(np.ascontiguousarray(images, dtype="<u2").data.cast("B"))


class _Output:
    """A stream whose content begins to go to disk while more is put together, where it is a file."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._unwritten = 0

    def write(self, data: bytes | memoryview) -> None:
        """Write all of it."""
        self._stream.write(data)
        self._unwritten += len(data)
        if self._unwritten >= _WRITE_OUT:
            with suppress(AttributeError, OSError):  # io.UnsupportedOperation of a stream in memory is one
                descriptor = self._stream.fileno()
                self._stream.flush()
                begin_writing_out(descriptor, self._stream.tell() - self._unwritten, self._unwritten)
            self._unwritten = 0


def _remarks(sources: Sequence[ClassicImage]) -> Iterator[str]:
    if not any(tag & INNER for tag in sources[0].common):
        lacks = "lacks Philips' private item (2005,140F), and the result what it says of coils and pulse sequence"
        yield f"{printable(sources[0].path)}: {lacks}"
    for source in sources:
        for tag in source.left_out:
            yield f"{printable(source.path)}: {number_of(tag)} is too long for a classic MR image and was left out"
