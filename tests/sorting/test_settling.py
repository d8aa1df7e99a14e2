"""Files that are still being written, and files that end before their data do."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from mrdock.dicom.reading import read_header
from mrdock.dicom.scan import Wanted
from mrdock.errors import StoppedError
from mrdock.sorting.finding import Entry, find
from mrdock.sorting.settling import PIXEL_WANTED, cut_short, fresh, unsettled, wait
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, raw_data


def short(path: Path) -> str:
    return cut_short(str(path), read_header(path, Wanted(PIXEL_WANTED)))


def test_fresh_files_are_those_touched_within_the_time() -> None:
    now = 1_000 * 10**9
    entries = [Entry("old", 1, now - 6 * 10**9), Entry("new", 1, now - 4 * 10**9), Entry("ahead", 1, now + 10**9)]
    assert [entry.path for entry in fresh(entries, now, 5)] == ["new", "ahead"]
    assert [entry.path for entry in fresh(entries, now, 0)] == ["ahead"]


def test_waiting_ends_at_the_time_and_tells_of_it() -> None:
    told: list[tuple[str, int, int]] = []
    begin = time.monotonic()
    wait(time.time_ns() + 250_000_000, progress=lambda *what: told.append(what))
    assert 0.2 < time.monotonic() - begin < 5
    assert told[0] == ("waiting", 0, 1)
    wait(time.time_ns() - 10**12)


def test_waiting_can_be_stopped() -> None:
    with pytest.raises(StoppedError, match="while waiting"):
        wait(time.time_ns() + 60 * 10**9, cancelled=lambda: True)


def test_what_changed_meanwhile_is_named(tmp_path: Path) -> None:
    for name in ("same", "grown", "shrunk", "rewritten", "gone"):
        (tmp_path / name).write_bytes(b"12345")
    entries = find(str(tmp_path)).files
    (tmp_path / "grown").write_bytes(b"123456")
    (tmp_path / "shrunk").write_bytes(b"1234")
    os.utime(tmp_path / "rewritten", ns=(0, 7))
    (tmp_path / "gone").unlink()
    found = {os.path.basename(path): reason for path, reason in unsettled(entries).items()}
    assert found == {
        "grown": "still grows",
        "shrunk": "is being written",
        "rewritten": "is being written",
        "gone": "No such file or directory",
    }


@pytest.mark.parametrize("name", ["MR_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm"])
def test_a_classic_file_cut_anywhere_in_its_pixels_is_short(tmp_path: Path, name: str) -> None:
    named = get_testdata_file(name)
    assert isinstance(named, str)
    image = pydicom.dcmread(named)
    for after in [element.tag for element in image if element.tag > 0x7FE00010]:
        del image[after]  # trailing padding
    path = tmp_path / "image"
    image.save_as(path)
    whole = path.read_bytes()
    assert short(path) == ""
    for cut in (1, 2, 100, 8191):
        path.write_bytes(whole[:-cut])
        assert short(path).startswith("is incomplete: "), cut


def test_a_deflated_file(tmp_path: Path) -> None:
    named = get_testdata_file("image_dfl.dcm")
    assert isinstance(named, str)
    assert short(Path(named)) == ""
    path = tmp_path / "image"
    path.write_bytes(Path(named).read_bytes()[:-1000])
    assert short(path).startswith("is incomplete: ")


def test_fragments_cut_short(tmp_path: Path) -> None:
    image = pydicom.dcmread(io.BytesIO(part10(classic_fmri(StudyIdentity(), slices=1, dynamics=1)[0])))
    image.PixelData = encapsulate([b"\1\2" * 500])
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    image.file_meta.TransferSyntaxUID = RLELossless
    path = tmp_path / "image"
    image.save_as(path)
    assert short(path) == ""
    whole = path.read_bytes()
    for cut in (1, 8, 9, 300):
        path.write_bytes(whole[:-cut])
        assert short(path).startswith("is incomplete: "), cut


def test_what_follows_the_pixels_is_no_matter(tmp_path: Path) -> None:
    image = classic_fmri(StudyIdentity(), slices=1, dynamics=1)[0]
    image.add_new(0xFFFCFFFC, "OB", bytes(100))  # Data Set Trailing Padding
    path = tmp_path / "image"
    path.write_bytes(part10(image))
    assert short(path) == ""
    path.write_bytes(part10(image) + bytes(64))
    assert short(path) == ""


@pytest.mark.parametrize("make", [enhanced_mr, raw_data], ids=["enhanced", "raw"])
def test_other_kinds_of_file(tmp_path: Path, make: object) -> None:
    whole = part10(make(StudyIdentity()))  # type: ignore[operator]
    path = tmp_path / "file"
    path.write_bytes(whole)
    assert short(path) == ""
    path.write_bytes(whole[:-10])
    assert short(path).startswith("is incomplete: ")


def test_pydicoms_truncated_image(tmp_path: Path) -> None:
    named = get_testdata_file("MR_truncated.dcm")
    assert isinstance(named, str)
    assert short(Path(named)) == "is incomplete: (7fe0,0010) is cut short: 8192 bytes announced, 8130 there"


@pytest.mark.real_data
def test_every_real_file_is_whole(real_data: Path) -> None:
    files = [path for path in real_data.rglob("*.dcm") if path.is_file()]
    assert len(files) > 900
    assert [path for path in files if short(path)] == []
