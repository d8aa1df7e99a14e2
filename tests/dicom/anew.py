"""Real and synthetic files, and the same files in other encodings, for all that read them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, raw_data
from tests.conftest import NeedTool

ENCODINGS = {
    "implicit": ("+ti", "+e"),
    "implicit-undefined": ("+ti", "-e"),
    "big": ("+tb", "+e"),
    "big-undefined": ("+tb", "-e"),
    "explicit": ("+te", "+e"),
    "explicit-undefined": ("+te", "-e"),
    "deflated": ("+td", "+e"),
}
"""What dcmconv is told."""


def encodings(*without: str) -> pytest.MarkDecorator:
    """A test for each encoding but some."""
    return pytest.mark.parametrize("encoding", [each for each in ENCODINGS if each not in without])


def dicom_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and has_prefix(path)]


def has_prefix(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def one_of_each_kind(folder: Path) -> list[Path]:
    """The first DICOM file of every directory, and every big one."""
    files = dicom_files(folder)
    first = {path.parent: path for path in reversed(files)}
    return [path for path in files if first[path.parent] == path or path.stat().st_size > 1 << 18]


def real_files_anew(
    real_data: Path, folder: Path, need_tool: NeedTool, encoding: str, *more: str
) -> Iterator[tuple[Path, Path]]:
    """One file of each kind and the same as DCMTK encodes it anew, which is gone when the next one comes.

    But those of hundreds of frames: each frame of the others has the same groups.
    """
    dcmconv = need_tool("dcmconv")
    few_frames = [path for path in one_of_each_kind(real_data) if "raw" in str(path) or path.stat().st_size < 3_000_000]
    for number, path in enumerate(few_frames):
        target = folder / f"{number}.dcm"
        subprocess.run([dcmconv, *more, *ENCODINGS[encoding], str(path), str(target)], check=True, timeout=60)
        yield path, target
        target.unlink()


def synthetic_files_anew(*, implicit: bool) -> Iterator[bytes]:
    """A classic, an enhanced and a raw file as pydicom encodes them."""
    who = StudyIdentity()
    for found in (classic_fmri(who, slices=1, dynamics=1)[0], enhanced_mr(who), raw_data(who)):
        buffer = BytesIO()
        found.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        found.save_as(buffer, implicit_vr=implicit, little_endian=True, enforce_file_format=True)
        yield buffer.getvalue()
