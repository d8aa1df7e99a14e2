"""Files whose last acquisition ``dcmshortacq`` looks at, and drops where it is partial."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from fuzz.scans import WORDS, small_files
from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.enhanced.shortacq import Result, check_acquisition, drop_partial_acquisition
from mrdock.errors import DicomError


def check(data: bytes) -> None:
    """The file stays as it was or becomes a backup; what takes its place is whole, and nothing else is left."""
    path = _folder() / "scan.dcm"
    path.write_bytes(data)
    found = _done(path, drop=False)
    assert path.read_bytes() == data
    result = _done(path, drop=True)
    backup = path.with_name("scan.dcm.bak")
    if result is None or not result.backup:
        assert result == found or found is not None  # what can be looked at cannot always be cut
        assert path.read_bytes() == data
        assert [each.name for each in path.parent.iterdir()] == ["scan.dcm"]
        return
    assert found is not None
    assert result.found == found.found
    assert backup.read_bytes() == data
    backup.unlink()
    assert [each.name for each in path.parent.iterdir()] == ["scan.dcm"]
    again = check_acquisition(str(path))
    assert again.frames == result.kept < result.frames
    assert len(again.found.acquisitions) <= len(result.found.acquisitions) - len(result.found.partial)


def _done(path: Path, *, drop: bool) -> Result | None:
    try:
        return (drop_partial_acquisition if drop else check_acquisition)(str(path))
    except DicomError as error:
        _check_sentence(str(error), path)
        return None


def _check_sentence(said: str, path: Path) -> None:
    assert said.startswith(f"{path}: ")
    assert said.isprintable()


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="mrdock-fuzz-shortacq-"))


def seeds(_: Traffic) -> Iterable[bytes]:
    """Small scans, whole and stopped."""
    return small_files()


TARGET = Target(check, seeds, words=WORDS, longest=1 << 15, megabytes=256)
