"""Directories of classic images as a source of `dcm2par`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from mrdock.errors import DicomError, MalformedError, UnsuitableError
from mrdock.parrec.reading import read
from tests.builders import StudyIdentity, classic_fmri, write
from tests.builders.enhanced import enhanced_mr
from tests.builders.philips import presentation_state
from tests.conftest import NeedTool
from tests.convert.par_support import converted

WHO = StudyIdentity("classic par")


def series(tmp_path: Path, found: list[FileDataset] | None = None) -> Path:
    """A directory of a small series."""
    write(found or classic_fmri(WHO, rows=8, columns=8), tmp_path / "series")
    return tmp_path / "series"


def refused(folder: Path, tmp_path: Path, match: str, kind: type[DicomError] = UnsuitableError) -> None:
    """It is not converted, and nothing of it is written."""
    with pytest.raises(kind, match=match):
        converted(folder, tmp_path / "out" / "scan")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("types", [("M",), ("M", "P")])
def test_the_same_pair_as_from_enhanced(types: tuple[str, ...], tmp_path: Path) -> None:
    folder = series(tmp_path, classic_fmri(WHO, rows=8, columns=8, echoes=2, types=types, series_number=301))
    enhanced = enhanced_mr(WHO, rows=8, columns=8, echoes=2, types=types, description="fMRI")
    (file,) = write([enhanced], tmp_path / "enhanced")
    one = converted(folder, tmp_path / "a" / "scan", check=True)
    other = converted(file, tmp_path / "b" / "scan", check=True)
    assert (one.found, other.found) == ((), ())
    assert Path(one.par).read_bytes() == Path(other.par).read_bytes()
    assert Path(one.rec).read_bytes() == Path(other.rec).read_bytes()


def test_other_files_beside_the_images_are_passed_over(tmp_path: Path) -> None:
    folder = series(tmp_path)
    write([presentation_state(WHO)], folder, first=90)
    (folder / "info").write_text("no DICOM")
    (folder / ".hidden").write_bytes(b"x")
    (folder / "below").mkdir()
    assert converted(folder, tmp_path / "scan").images == 12
    assert read(str(tmp_path / "scan.PAR")).shape == (3, 4, 8, 8)


def test_no_images(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path, "empty: a directory without classic MR images")


def test_two_series(tmp_path: Path) -> None:
    folder = series(tmp_path)
    write(classic_fmri(WHO, rows=8, columns=8, series_number=401), folder, first=50)
    refused(folder, tmp_path, "IM_0001 and IM_0050 are of different series; dcm2par takes a directory of one")


def test_one_image_twice(tmp_path: Path) -> None:
    folder = series(tmp_path)
    (folder / "copy").write_bytes((folder / "IM_0003").read_bytes())
    refused(folder, tmp_path, "IM_0003 and copy are the same image")


def test_an_enhanced_file_among_them(tmp_path: Path) -> None:
    folder = series(tmp_path)
    write([enhanced_mr(WHO, rows=8, columns=8)], folder, first=50)
    refused(folder, tmp_path, "a directory with an Enhanced MR image .IM_0050.; name such files, not their directory")


def test_another_matrix(tmp_path: Path) -> None:
    folder = series(tmp_path)
    (folder / "IM_0005").unlink()
    write(classic_fmri(WHO, rows=16, columns=8)[4:5], folder, first=5)
    refused(folder, tmp_path, "IM_0005: 16 x 8 pixels of 16 bits, other images of its series have 8 x 8 of 16")


def test_a_cut_image(tmp_path: Path) -> None:
    folder = series(tmp_path)
    whole = (folder / "IM_0002").read_bytes()
    (folder / "IM_0002").write_bytes(whole[:-10])
    refused(folder, tmp_path, "IM_0002: .7fe0,0010. is cut short: 128 bytes announced, 118 there", MalformedError)


def test_too_few_pixels(tmp_path: Path) -> None:
    images = classic_fmri(WHO, rows=8, columns=8)
    images[3].PixelData = bytes(100)
    refused(series(tmp_path, images), tmp_path, "the pixel data is cut short: 100 bytes of 128", MalformedError)


def test_no_pixels(tmp_path: Path) -> None:
    images = classic_fmri(WHO, rows=8, columns=8)
    del images[3].PixelData
    refused(series(tmp_path, images), tmp_path, "there is no pixel data", MalformedError)


def test_colours(tmp_path: Path) -> None:
    images = classic_fmri(WHO, rows=8, columns=8, SamplesPerPixel=3)
    refused(series(tmp_path, images), tmp_path, "its pixels are not single numbers of 8 or 16 bits")


def test_another_manufacturer(tmp_path: Path) -> None:
    images = classic_fmri(WHO, rows=8, columns=8, Manufacturer="GE MEDICAL SYSTEMS")
    for image in images:
        image.remove_private_tags()
    refused(series(tmp_path, images), tmp_path, "made by GE MEDICAL SYSTEMS; dcm2par converts those of Philips")


def test_without_any_private_attribute(tmp_path: Path) -> None:
    """As anonymisers leave them: order, places and times come from standard attributes."""
    whole = converted(series(tmp_path), tmp_path / "whole")
    images = classic_fmri(WHO, rows=8, columns=8)
    for image in images:
        image.remove_private_tags()
    write(images, tmp_path / "bare")
    bare = converted(tmp_path / "bare", tmp_path / "bare_", check=True)
    assert not bare.found
    ours, theirs = read(bare.par).columns, read(whole.par).columns
    for key in ("slice_number", "dynamic_scan_number", "image_offcentre_mm", "echo_time_ms", "slice_orientation"):
        assert (ours[key] == theirs[key]).all(), key
    assert ours["dyn_scan_begin_time_s"] == pytest.approx(theirs["dyn_scan_begin_time_s"])
    assert Path(bare.rec).read_bytes() == Path(whole.rec).read_bytes()


def test_each_image_may_have_a_transfer_syntax_of_its_own(tmp_path: Path, need_tool: NeedTool) -> None:
    folder = series(tmp_path)
    expected = converted(folder, tmp_path / "whole")
    for program, words, name in (
        ("dcmconv", ["+tb"], "IM_0001"),
        ("dcmconv", ["+td"], "IM_0002"),
        ("dcmconv", ["+ti"], "IM_0003"),
        ("dcmcrle", [], "IM_0004"),
    ):
        subprocess.run([need_tool(program), *words, folder / name, folder / name], check=True)
    found = converted(folder, tmp_path / "mixed", check=True)
    assert not found.found
    assert Path(found.rec).read_bytes() == Path(expected.rec).read_bytes()
