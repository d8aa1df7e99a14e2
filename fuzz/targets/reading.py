"""The early-stopping reading of a file's header, with tables that remember all inputs before."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fuzz.target import Target
from fuzz.targets.scan import CREATOR, HEADS, MARKS, VRS
from fuzz.traffic import Traffic
from mrdock.dicom.part10 import decode_file_meta
from mrdock.dicom.reading import FileHeader, read_many
from mrdock.dicom.scan import Wanted
from mrdock.dicom.sop_classes import DEFLATED
from mrdock.errors import DicomError

LONGEST = 4096
REMEMBERS = Wanted(VRS.items(), LONGEST)


def check(data: bytes) -> None:
    """A header or a documented error, the same whatever was read before; its values stand in the file."""
    path = _file()
    path.write_bytes(data)
    header = _read(path, REMEMBERS)
    alone = _read(path, Wanted(VRS.items(), LONGEST))
    if isinstance(header, DicomError) or isinstance(alone, DicomError):
        assert type(header) is type(alone)
        assert str(header) == str(alone)
        return
    assert header.found == alone.found
    assert (header.transfer_syntax, header.sop_instance) == (alone.transfer_syntax, alone.sop_instance)
    assert header.size == len(data)
    for value in header.found.values.values():
        assert len(value.raw) <= LONGEST
        assert value.raw in data or header.transfer_syntax == DEFLATED


def _read(path: Path, wanted: Wanted) -> FileHeader | DicomError:
    ((_, header),) = read_many([path], wanted)
    assert isinstance(header, FileHeader | DicomError)
    return header


@cache
def _file() -> Path:
    handle, name = tempfile.mkstemp(prefix="mrdock-fuzz-reading-")
    os.close(handle)
    return Path(name)


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The files that were sent, and the same without preamble and without meta group."""
    for content in traffic.files:
        yield content
        yield content[132:]
        yield content[decode_file_meta(content).data_set_at :]


TARGET = Target(
    check,
    seeds,
    words=(*MARKS, *HEADS, b"\x08\0\x16\0UI", b"\x08\0\x18\0UI", b"\x05\x20\x10\0LO", CREATOR.encode(), b"DICM"),
    longest=8 << 10,
    megabytes=256,
)
