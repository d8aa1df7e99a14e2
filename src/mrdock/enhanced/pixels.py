"""The pixels of chosen frames, block by block: memory does not grow with the file (PS3.5 section 8)."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from mmap import mmap
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from mrdock.dicom.reading import open_noatime
from mrdock.dicom.scan import EXPLICIT_BIG, IMPLICIT_LITTLE, UNDEFINED
from mrdock.dicom.sop_classes import DEFLATED, EXPLICIT_LITTLE
from mrdock.enhanced.source import Source, bits_of, identity_of
from mrdock.errors import MalformedError, UnsuitableError
from mrdock.files.names import printable

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import Decoder

Ints = NDArray[np.int64]
Plane = NDArray[Any]

_BLOCK: Final = 1 << 20
_FEW: Final = 64
_LEAST_ENCODED: Final = 10  # an item's head and two bytes
_NATIVE: Final = frozenset({"", IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG})


@dataclass(frozen=True)
class Pixels:
    """Where the pixels are and what they look like; opens the file anew for every read.

    ``inflated`` has the whole data set where the file is deflated. ``identity`` is size and time of the file, which
    must not have changed.
    """

    path: str
    frames: int
    rows: int
    columns: int
    dtype: np.dtype[Any]
    bits_stored: int
    offset: int
    length: int
    transfer_syntax: str
    tag: int
    offsets: tuple[bytes, bytes] | None
    identity: tuple[int, int]
    inflated: bytes | bytearray | memoryview | None

    @property
    def encoded(self) -> bool:
        """Whether they are compressed."""
        return self.length == UNDEFINED

    @property
    def native(self) -> np.dtype[Any]:
        """The stored type in this machine's byte order."""
        return self.dtype.newbyteorder("=")

    def blocks(self, frames: Sequence[int] | Ints) -> Iterator[tuple[int, NDArray[Any]]]:
        """The planes of ``frames``, which ascend, as (position in ``frames``, block (n, rows, columns)).

        A block is good until the next one comes. Raises `MalformedError`, `UnsuitableError` or OSError.
        """
        wanted = np.asarray(frames, np.int64)
        with self._open() as stream:
            if self.encoded:
                yield from self._decoded(wanted, stream)
            else:
                yield from self._read(wanted, stream)

    def _open(self) -> BinaryIO:
        if self.inflated is not None:
            return io.BytesIO(self.inflated)
        stream = os.fdopen(open_noatime(self.path), "rb", buffering=0)
        if identity_of(stream.fileno()) != self.identity:
            stream.close()
            raise MalformedError(f"{printable(self.path)}: the file was changed since its header was read")
        return stream

    def _read(self, wanted: Ints, stream: BinaryIO) -> Iterator[tuple[int, NDArray[Any]]]:
        size = self.rows * self.columns * self.dtype.itemsize
        most = max(1, _BLOCK // size)
        buffer = np.empty((min(most, len(wanted)), self.rows, self.columns), self.dtype)
        mask = self._mask()
        for begin, end in _runs(wanted, most):
            block = buffer[: end - begin]
            stream.seek(self.offset + int(wanted[begin]) * size)
            _fill(stream, memoryview(block.data).cast("B"), self.path)
            native = block if self.dtype.isnative else block.astype(self.native)
            if mask is not None:
                mask(native)
            yield begin, native

    def _mask(self) -> Any:
        """What clears the bits above Bits Stored (0028,0101), in place; None where there are none."""
        unused = 8 * self.dtype.itemsize - self.bits_stored
        if self.dtype.kind == "f" or not 0 < unused < 8 * self.dtype.itemsize:
            return None
        if self.dtype.kind == "u":
            bits = self.native.type((1 << self.bits_stored) - 1)
            return lambda block: np.bitwise_and(block, bits, out=block)

        def extend(block: NDArray[Any]) -> None:
            np.left_shift(block, unused, out=block)
            np.right_shift(block, unused, out=block)

        return extend

    def _decoded(self, wanted: Ints, stream: BinaryIO) -> Iterator[tuple[int, NDArray[Any]]]:
        import pydicom.config  # noqa: F401  # before its decoders, which need it
        from pydicom.pixels.decoders.base import get_decoder

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a UID that is none
                decoder = get_decoder(self.transfer_syntax)
        except NotImplementedError:
            raise UnsuitableError(f"{printable(self.path)}: pixels of {self._syntax()} cannot be decoded") from None
        if not decoder.is_available:
            raise UnsuitableError(
                f"{printable(self.path)}: pixels of {self._syntax()} need a decoder: pip install 'mrdock[compressed]'"
            )
        done = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for position, plane in self._planes(decoder, wanted, stream):
                if plane.shape != (self.rows, self.columns):
                    raise self._undecodable(int(wanted[position]), f"its shape is {plane.shape}")
                done = position + 1
                yield position, plane[np.newaxis]
        if done < len(wanted):
            raise self._undecodable(int(wanted[done]), "it is missing")

    def _planes(self, decoder: Decoder, wanted: Ints, stream: BinaryIO) -> Iterator[tuple[int, Plane]]:
        """One decoded plane after the other; many are decoded in order, to find each fragment once."""
        few = len(wanted) <= _FEW and len(wanted) < self.frames
        stream.seek(self.offset)
        planes = decoder.iter_array(
            io.BufferedReader(stream, _BLOCK) if isinstance(stream, io.RawIOBase) else stream,
            indices=wanted.tolist() if few else None,
            raw=True,
            rows=self.rows,
            columns=self.columns,
            number_of_frames=self.frames,
            samples_per_pixel=1,
            photometric_interpretation="MONOCHROME2",
            pixel_representation=int(self.dtype.kind == "i"),
            bits_allocated=8 * self.dtype.itemsize,
            bits_stored=self.bits_stored,
            pixel_keyword="PixelData",
            pixel_vr="OB",
            extended_offsets=self.offsets,
        )
        position = number = 0
        while position < len(wanted):
            try:
                plane, _ = next(planes)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001  # decoders raise whatever they like
                raise self._undecodable(int(wanted[position]), str(error).partition("\n")[0]) from None
            if few or wanted[position] == number:
                yield position, plane
                position += 1
            number += 1

    def _undecodable(self, frame: int, why: str) -> MalformedError:
        return MalformedError(f"{printable(self.path)}: frame {frame + 1} cannot be decoded: {printable(why)}")

    def _syntax(self) -> str:
        from pydicom.uid import UID

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return printable(UID(self.transfer_syntax).name)


def pixels_of(source: Source) -> Pixels:
    """What the root says about the pixels; raises `MalformedError` where there are not enough of them."""
    element = source.pixel_element
    assert element is not None
    bits = bits_of(source)
    if source.number(0x00280002, 1) != 1:
        raise source.unsuitable("its pixels have several samples (colours)")
    if bits not in (8, 16, 32, 64):
        raise source.unsuitable(f"its pixels have {bits} bits")
    floating = element.tag != 0x7FE00010
    signed = not floating and source.number(0x00280103, 0) == 1
    order = ">" if source.data_set.transfer_syntax == EXPLICIT_BIG else "<"
    dtype = np.dtype(f"{order}{'f' if floating else 'i' if signed else 'u'}{bits // 8}")
    rows, columns, frames = source.number(0x00280010), source.number(0x00280011), source.table.frames
    if not rows or not columns:
        raise source.broken(f"an image of {rows} rows and {columns} columns")
    stored = bits if floating else source.number(0x00280101, bits)
    if not 0 < stored <= bits:
        raise source.broken(f"Bits Stored is {stored}, Bits Allocated {bits}")
    data, said = source.data_set.data, source.data_set.said
    there = len(data) - element.offset
    if element.length == UNDEFINED:
        if said in _NATIVE:
            raise source.broken("its pixel data is in fragments, but the file says that it is not compressed")
        needed = frames * _LEAST_ENCODED
    else:
        if said not in _NATIVE:
            raise source.broken("its pixel data is not in fragments, but the file says that it is compressed")
        needed = frames * rows * columns * bits // 8
        there = min(there, element.length)
    if there < needed:
        raise source.broken(f"the pixel data is cut short: {there} bytes of {needed} for {frames} frames")
    return Pixels(
        source.path,
        frames,
        rows,
        columns,
        dtype,
        stored,
        element.offset,
        element.length,
        said,
        element.tag,
        element.offsets,
        source.identity,
        data if said == DEFLATED and not isinstance(data, mmap) else None,
    )


def _runs(wanted: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Positions from and to of frames that follow each other in the file, not more than ``most`` at once."""
    breaks = np.flatnonzero(np.diff(wanted) != 1) + 1
    edges = [0, *breaks.tolist(), len(wanted)]
    for begin, end in pairwise(edges):
        for at in range(begin, end, most):
            yield at, min(at + most, end)


def _fill(stream: BinaryIO, view: memoryview, path: str) -> None:
    while len(view):
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise MalformedError(f"{printable(path)}: the file ends inside the pixel data")
        view = view[count:]
