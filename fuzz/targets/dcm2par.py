"""Enhanced MR files, and classic ones in a directory, as ``dcm2par`` reads them."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fuzz.scans import WORDS, small_files
from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.convert.par_convert import Options, convert
from mrdock.errors import DicomError
from tests.builders import StudyIdentity, classic_fmri, part10


def check(data: bytes) -> None:
    """A pair that a check finds equal to its source, or one sentence that names it and nothing written."""
    folder = _folder()
    (folder / "series" / "scan").write_bytes(data)
    for source in (folder / "series" / "scan", folder / "series"):
        _convert(source, folder / "out" / "scan")


def _convert(source: Path, stem: Path) -> None:
    try:
        converted = convert(str(source), str(stem), Options(check=True, thorough=True))
    except DicomError as error:
        said = str(error)
        assert said.startswith(str(source))
        assert said.isprintable()
        assert not stem.parent.exists() or not os.listdir(stem.parent)
        return
    Path(converted.par).unlink()
    Path(converted.rec).unlink()
    assert not converted.found, converted.found
    assert all(note.isprintable() for note in converted.notes), converted.notes


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mrdock-fuzz-dcm2par-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "series").mkdir()
    return folder


def seeds(_: Traffic) -> Iterable[bytes]:
    """Enhanced files of every kind, and classic images."""
    yield from small_files()
    for image in classic_fmri(StudyIdentity("fuzz"), slices=1, dynamics=1, rows=2, columns=2, types=("M", "P")):
        yield part10(image)


TARGET = Target(check, seeds, words=WORDS)
