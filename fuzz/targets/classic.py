"""Classic MR images as `dcms2e` reads them, and the Enhanced file that is built of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.convert.enhanced_build import build
from mrdock.convert.enhanced_frames import Frame, Rescale
from mrdock.convert.enhanced_source import ClassicImage, read_classic, read_pixels
from mrdock.dicom.elements import walk
from mrdock.dicom.part10 import decode_file_meta
from mrdock.errors import DicomError
from tests.builders import StudyIdentity, classic_fmri, part10

NOW = datetime(2024, 5, 6, 7, 8, 9)
MOST_PIXELS = 1 << 16


def check(data: bytes) -> None:
    """A sentence that names the file, or an image of which a file that can be walked to its end is built."""
    path = _file()
    path.write_bytes(data)
    try:
        image = read_classic(str(path))
        again = read_classic(str(path), image)
        assert not again.own
        assert not again.absent
        read_pixels(image)
    except DicomError as error:
        _check_sentence(str(error), path)
        return
    rows, columns = image.whole(0x00280010, 0), image.whole(0x00280011, 0)
    if rows * columns <= MOST_PIXELS:
        _build(image, rows, columns)


def _build(image: ClassicImage, rows: int, columns: int) -> None:
    pixels = np.zeros((2, rows, columns), dtype=np.uint16)
    later = Frame(image, own=False, temporal=2, begin_s=1.5, window=(1.5, 2e30), rescale=Rescale(-1, 2.0, 3.0))
    out = BytesIO()
    try:
        report = build([Frame(image), later], lambda numbers: pixels[numbers], out, now=NOW)
    except DicomError as error:
        _check_sentence(str(error), Path(image.path))
        return
    data = out.getvalue()
    meta = decode_file_meta(data)
    assert meta.sop_instance == report.sop_instance_uid
    tags = [
        found.tag for found in walk(data, meta.transfer_syntax, start=meta.data_set_at, frames=True) if not found.depth
    ]
    assert tags == sorted(set(tags))
    assert tags[-1] == 0x7FE00010


def _check_sentence(said: str, path: Path) -> None:
    assert said.startswith(f"{path}: ")
    assert said.isprintable()


@cache
def _file() -> Path:
    handle, name = tempfile.mkstemp(prefix="mrdock-fuzz-classic-")
    os.close(handle)
    return Path(name)


def seeds(_: Traffic) -> Iterable[bytes]:
    """One image of each kind."""
    for image in classic_fmri(StudyIdentity("fuzz"), slices=1, dynamics=1, rows=4, columns=4, types=("M", "P")):
        yield part10(image)


TARGET = Target(check, seeds, words=(b"SQ\0\0\xff\xff\xff\xff", b"\xfe\xff\x00\xe0\xff\xff\xff\xff"), megabytes=64)
