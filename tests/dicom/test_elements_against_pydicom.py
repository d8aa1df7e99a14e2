"""The walk brings what pydicom reads: real files, the same files in other encodings, pydicom's own odd ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pydicom
import pydicom.data
import pytest
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from mrdock.dicom.elements import Element
from mrdock.dicom.opening import open_data_set
from mrdock.dicom.scan import PIXEL_DATA
from mrdock.dicom.tags import is_private, is_private_creator
from mrdock.errors import MalformedError
from tests.conftest import NeedTool

from .anew import dicom_files, encodings, real_files_anew, synthetic_files_anew

ODD_FILES = Path(pydicom.data.__file__).parent / "test_files"
ANY_LENGTH = 1 << 62

# What is refused where pydicom goes on; everything before the break is equal.
BROKEN = {
    "MR_truncated.dcm": "is cut short",
    "rtplan_truncated.dcm": "is cut short",
}


class Known(NamedTuple):
    """One element: (sequence, number of item) around it, its tag, VR and value (None: pydicom has it no more)."""

    path: tuple[tuple[int, int], ...]
    tag: int
    vr: str
    raw: bytes | None


def as_pydicom_reads(found: Dataset, path: tuple[tuple[int, int], ...] = ()) -> Iterator[Known]:
    for tag in map(int, list(found.keys())):
        raw: DataElement | RawDataElement = found.get_item(tag, keep_deferred=True)
        element = found[tag]
        if element.VR == "SQ":
            yield Known(path, tag, "SQ", None)
            for number, item in enumerate(element.value):
                yield from as_pydicom_reads(item, (*path, (tag, number)))
        elif tag in PIXEL_DATA or not isinstance(raw, RawDataElement) or raw.length == 0xFFFFFFFF:
            yield Known(path, tag, str(element.VR), None)
        else:
            yield Known(path, tag, str(raw.VR or element.VR) if raw.VR != "UN" else str(element.VR), raw.value or b"")


def as_the_walk_brings(elements: Iterator[Element], tags: dict[tuple[object, ...], int]) -> Iterator[Known]:
    for element in elements:
        tags[(*element.path, element.key)] = element.tag
        path = tuple((tags[(*element.path[:at], key)], number) for at, (key, number) in enumerate(element.path))
        bare = element.vr == "SQ" or element.tag in PIXEL_DATA or element.length == 0xFFFFFFFF
        yield Known(path, element.tag, element.vr, None if bare else element.raw)


def same_reading(file: Path) -> int:
    """Assert that both read the file alike; return how many elements were compared."""
    theirs = list(as_pydicom_reads(pydicom.dcmread(file, force=True)))
    with open_data_set(str(file)) as data_set:
        ours = list(as_the_walk_brings(data_set.walk(frames=True, longest=ANY_LENGTH), {}))
    assert len(ours) == len(theirs)
    for our, their in zip(ours, theirs, strict=True):
        assert our._replace(raw=None if their.raw is None else our.raw) == their._replace(vr=our.vr)
        assert our.vr == their.vr or may_differ(our, their), (our, their)
    return len(theirs)


def may_differ(our: Known, their: Known) -> bool:
    """Whether the VRs differ where pydicom leaves one open, or does not know a private element that we know."""
    if " or " in their.vr:
        return our.vr in their.vr.split(" or ")
    return their.vr == "UN" and is_private(our.tag) and not is_private_creator(our.tag)


def test_real_files(real_data: Path) -> None:
    """Every fourth of the classic ones, which are alike within a series, and all others."""
    found = dicom_files(real_data)
    classic = [file for file in found if "classic" in file.parts]
    files = [*classic[::4], *(file for file in found if file not in set(classic))]
    assert len(files) > 240
    for file in files:
        assert same_reading(file) > 20, file


@encodings("explicit")
def test_real_files_encoded_anew_by_dcmtk(real_data: Path, need_tool: NeedTool, tmp_path: Path, encoding: str) -> None:
    for path, target in real_files_anew(real_data, tmp_path, need_tool, encoding):
        assert same_reading(target) > 20, path


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "explicit"])
def test_synthetic_files_encoded_anew_by_pydicom(tmp_path: Path, implicit: bool) -> None:
    for data in synthetic_files_anew(implicit=implicit):
        file = tmp_path / "anew.dcm"
        file.write_bytes(data)
        assert same_reading(file) > 20


@pytest.mark.filterwarnings("ignore")  # pydicom's own, about files that are wrong on purpose
@pytest.mark.parametrize(
    "path",
    [path for path in dicom_files(ODD_FILES) if path.name not in BROKEN],
    ids=lambda path: path.relative_to(ODD_FILES).as_posix(),
)
def test_odd_files_are_read_as_pydicom_reads_them(path: Path) -> None:
    same_reading(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(BROKEN))
def test_of_a_broken_file_comes_what_stands_before_the_break(name: str) -> None:
    (file,) = ODD_FILES.rglob(name)
    theirs = list(as_pydicom_reads(pydicom.dcmread(file)))
    ours: list[Known] = []
    with open_data_set(str(file)) as data_set, pytest.raises(MalformedError, match=BROKEN[name]):
        ours.extend(as_the_walk_brings(data_set.walk(frames=True, longest=ANY_LENGTH), {}))
    assert [
        our._replace(raw=their.raw) if their.raw is None else our for our, their in zip(ours, theirs, strict=False)
    ] == theirs[: len(ours)]
    assert len(ours) >= len(theirs) - 1
