"""Small Enhanced MR files of every kind, as Philips writes them, to begin with."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache

import pydicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from mrdock.dicom.part10 import decode_file_meta
from tests.builders import StudyIdentity, enhanced_mr, part10

WORDS = (
    b"\x20\x00\x57\x91UL\x0c\x00",  # Dimension Index Values
    b"\x20\x00\x22\x92SQ\0\0",  # Dimension Index Sequence
    b"\x00\x52\x29\x92SQ\0\0\xff\xff\xff\xff",
    b"\x00\x52\x30\x92SQ\0\0\xff\xff\xff\xff",
    b"\x28\x00\x08\x00IS\x02\x00",
    b"\x28\x00\x10\x00US\x02\x00\xff\xff",
    b"\xe0\x7f\x10\x00OW\0\0",
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"Philips MR Imaging DD 001 ",
)


@cache
def small_files() -> tuple[bytes, ...]:
    """Whole scans and one that was stopped, in several layouts; each of some ten kilobytes."""
    identity = StudyIdentity("fuzz")
    plain = part10(enhanced_mr(identity, slices=2, dynamics=2, rows=2, columns=3))
    stopped = part10(enhanced_mr(identity, slices=2, dynamics=3, rows=2, columns=2, missing={(2, 3)}))
    kinds = enhanced_mr(identity, slices=1, dynamics=1, echoes=2, types=("M", "P"), rows=2, columns=2)
    labels = enhanced_mr(identity, slices=1, dynamics=2, labels=("CONTROL", "LABEL"), rows=2, columns=2)
    bare = enhanced_mr(identity, slices=2, dynamics=2, rows=2, columns=2, dimension_index=False)
    files = [plain, stopped, part10(kinds), part10(labels), part10(bare)]
    for syntax in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        data_set = pydicom.dcmread(io.BytesIO(stopped))
        data_set.file_meta.TransferSyntaxUID = syntax
        files.append(_written(data_set))
    compressed = pydicom.dcmread(io.BytesIO(stopped))
    compressed.compress(RLELossless)
    files.append(_written(compressed))
    return tuple(files)


def _written(data_set: pydicom.FileDataset) -> bytes:
    out = io.BytesIO()
    data_set.save_as(out)
    return out.getvalue()


def small_data_sets() -> Iterator[tuple[str, bytes]]:
    """The transfer syntax and the data set of each that is not deflated."""
    for content in small_files():
        meta = decode_file_meta(content)
        if meta.transfer_syntax != DeflatedExplicitVRLittleEndian:
            yield meta.transfer_syntax, content[meta.data_set_at :]
