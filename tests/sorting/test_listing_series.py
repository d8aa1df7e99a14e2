"""One line a series: what is counted, against pydicom and gdcmscanner."""

from __future__ import annotations

import os
import re
import subprocess
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from mrdock.sorting.listing import Heading, Listed, listing, values_of
from mrdock.sorting.series_list import WANTED_OF_EACH, Series, acquired, series_listing, uids_of
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, presentation_state
from tests.conftest import NeedTool


def counted(*paths: Path) -> Iterator[Heading | Series]:
    def told(path: str, error: Exception) -> None:
        raise AssertionError(f"{path}: {error}")

    return series_listing(listing([str(path) for path in paths], told, wanted=WANTED_OF_EACH))


def series_of(*paths: Path) -> list[Series]:
    return [item for item in counted(*paths) if isinstance(item, Series)]


def write(folder: Path, images: list[Any], prefix: str = "") -> None:
    folder.mkdir(exist_ok=True, parents=True)
    for i, image in enumerate(images):
        (folder / f"{prefix}{i:03}.dcm").write_bytes(part10(image))


@pytest.mark.real_data
def test_the_real_series_have_their_files_and_frames(real_data: Path) -> None:
    found = {
        os.path.relpath(item.directory, real_data): item for item in series_of(real_data / "philips_r57" / "classic")
    }
    assert {place: (item.files, item.frames) for place, item in found.items()} == {
        "philips_r57/classic/1901": (40, 40),
        "philips_r57/classic/2001": (212, 212),
        "philips_r57/classic/2101": (378, 378),
        "philips_r57/classic/2201": (328, 328),
    }
    enhanced = series_of(real_data / "philips_r57" / "enhanced")
    assert [(item.files, item.frames) for item in enhanced] == [(1, 40), (1, 212)]


@pytest.mark.real_data
def test_sums_and_spans_are_those_of_the_files_one_by_one(real_data: Path) -> None:
    folder = real_data / "philips_r57" / "classic" / "2101"
    (item,) = series_of(folder)
    paths = list(folder.iterdir())
    assert item.size == sum(path.stat().st_size for path in paths)
    assert item.modified.first == min(path.stat().st_mtime for path in paths)
    assert item.modified.last == max(path.stat().st_mtime for path in paths)
    times = []
    for path in paths:
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
        times.append(str(data_set.AcquisitionDate) + str(data_set.AcquisitionTime))
    assert item.acquired_first == min(times)
    assert item.acquired_last == max(times)
    assert item.acquired_first < item.acquired_last
    first = pydicom.dcmread(min(paths), stop_before_pixels=True)
    assert uids_of(item) == {
        "study_instance_uid": first.StudyInstanceUID,
        "series_instance_uid": first.SeriesInstanceUID,
    }


@pytest.mark.peer
@pytest.mark.real_data
def test_series_are_those_that_gdcmscanner_finds(real_data: Path, need_tool: NeedTool) -> None:
    folder = real_data / "philips_r57"
    command = [need_tool("gdcmscanner"), "-d", str(folder), "-r", "-t", "0020,000e", "-p"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    files = Counter(re.findall(r"\(0020,000e\) -> \[([0-9.]+)", done.stdout))
    ours: Counter[str] = Counter()
    for item in series_of(folder):
        if item.found is not None:
            ours[uids_of(item)["series_instance_uid"] or ""] += item.files
    assert len(files) > 4
    assert ours == files


def test_series_come_by_study_and_number_and_other_files_last(tmp_path: Path) -> None:
    one, two = StudyIdentity(seed="one", patient_id="P1"), StudyIdentity(seed="two", patient_id="P2")
    write(tmp_path, classic_fmri(one, series_number=1001), "a")
    write(tmp_path, classic_fmri(two, series_number=101), "b")
    write(tmp_path, classic_fmri(one, series_number=201, slices=2), "c")
    (tmp_path / "README").write_bytes(b"text")
    (tmp_path / "empty").write_bytes(b"")
    heading, *rest = counted(tmp_path)
    series = [item for item in rest if isinstance(item, Series)]
    assert isinstance(heading, Heading)
    assert [(item.files, item.frames, item.found is None) for item in series] == [
        (6, 6, False),
        (12, 12, False),
        (12, 12, False),
        (2, 0, True),
    ]
    texts = [values_of(item.found) for item in series if item.found]
    assert [(text[5], text[7]) for text in texts] == [("P1", "201"), ("P1", "1001"), ("P2", "101")]


def test_frames_count_only_where_there_are_images(tmp_path: Path) -> None:
    identity = StudyIdentity()
    enhanced = enhanced_mr(identity, series_number=301)
    write(tmp_path, [presentation_state(identity, series_number=201)], "ps")
    write(tmp_path, [enhanced], "e")
    frames = int(enhanced.NumberOfFrames)
    assert frames > 1
    assert [(item.files, item.frames) for item in series_of(tmp_path)] == [(1, 0), (1, frames)]


def test_links_to_images_count_with_the_size_of_the_image(tmp_path: Path) -> None:
    write(tmp_path / "store", classic_fmri(StudyIdentity(), slices=2, dynamics=1))
    (tmp_path / "tree").mkdir()
    for path in (tmp_path / "store").iterdir():
        (tmp_path / "tree" / path.name).symlink_to(path)
    (tmp_path / "tree" / "gone").symlink_to("nowhere")
    (linked,), (stored,) = series_of(tmp_path / "tree"), series_of(tmp_path / "store")
    assert (linked.files, linked.frames, linked.size) == (stored.files, stored.frames, stored.size)


def test_directories_without_files_have_no_heading(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"text")
    assert [item.path for item in counted(tmp_path) if isinstance(item, Heading)] == [str(tmp_path / "a" / "b")]


def test_of_a_series_whose_files_are_cut_the_line_says_what_is_there(tmp_path: Path) -> None:
    (image, *_) = classic_fmri(StudyIdentity(), PatientID="P17")
    whole = part10(image)
    (tmp_path / "cut").write_bytes(whole[: whole.find(b"P17") + 4 + 3])
    told: list[str] = []
    items = series_listing(listing([str(tmp_path)], lambda path, error: told.append(path), wanted=WANTED_OF_EACH))
    (series,) = (item for item in items if isinstance(item, Series))
    assert told == [str(tmp_path / "cut")]
    assert series.found is not None
    assert "P17" in values_of(series.found)
    assert "fMRI" in values_of(series.found)


def test_what_cannot_be_read_is_counted_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"text")
    (tmp_path / "b").write_bytes(b"more text")
    real = os.open

    def refused(path: str, *args: Any, **keywords: Any) -> int:
        if os.fspath(path).endswith("b"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **keywords)

    monkeypatch.setattr(os, "open", refused)
    items = series_listing(listing([str(tmp_path)], lambda path, error: None, wanted=WANTED_OF_EACH))
    assert [(s.files, s.size, s.unread) for s in items if isinstance(s, Series)] == [(1, 4, False), (1, 9, True)]


@pytest.mark.parametrize(
    ("values", "moment"),
    [
        ({"AcquisitionDate": "20200102", "AcquisitionTime": "101112.5"}, "20200102101112.5"),
        ({"AcquisitionDateTime": "20200102101112.25+0100", "AcquisitionTime": "111111"}, "20200102101112.25"),
        (
            {"AcquisitionDate": "", "AcquisitionTime": "", "ContentDate": "20200102", "ContentTime": "101112"},
            "20200102101112",
        ),
        ({"AcquisitionDate": "20200102", "AcquisitionTime": "10", "ContentTime": None}, ""),
        ({"AcquisitionDate": "yesterda", "AcquisitionTime": "101112", "ContentDate": None}, ""),
    ],
)
def test_the_time_of_acquisition(tmp_path: Path, values: dict[str, str | None], moment: str) -> None:
    (image, *_) = classic_fmri(StudyIdentity())
    for name in ("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime"):
        if name in image:
            delattr(image, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in values.items():
            if value is not None:
                setattr(image, name, value)
        (tmp_path / "a").write_bytes(part10(image))
    (_, item) = listing([str(tmp_path)], lambda path, error: None, wanted=WANTED_OF_EACH)
    assert isinstance(item, Listed)
    assert item.found is not None
    assert acquired(item.found) == moment
