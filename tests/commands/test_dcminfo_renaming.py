"""`dcminfo -r`: all files get their names or none does, and a journal takes it back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import Result

from mrdock.sorting import renaming
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.commands.conftest import Run


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    folder.mkdir()
    for number, image in enumerate(classic_fmri(StudyIdentity(), slices=3, dynamics=1), 1):
        (folder / f"im{number}").write_bytes(part10(image))
    return folder


def content(folder: Path) -> dict[str, str]:
    """What all files below a directory are called and hold."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def journal(result: Result) -> str:
    """The journal that a run told of."""
    (found,) = re.findall(r"to undo this: dcminfo --undo (\S+)", result.stderr)
    return str(found)


def test_files_are_named_by_their_values_and_back(dcminfo: Run, series: Path) -> None:
    before = content(series)
    result = dcminfo("-r", "SeriesNumber:InstanceNumber", *sorted(series.iterdir()))
    assert result.exit_code == 0
    assert "The same in all:" in result.stdout
    assert "im2  ->  201_2.dcm" in result.stdout.splitlines()
    assert content(series) == {f"201_{name[2:]}.dcm": digest for name, digest in before.items()}
    undone = dcminfo("--undo", journal(result))
    assert undone.exit_code == 0
    assert undone.stdout == "3 files renamed back\n"
    assert content(series) == before
    assert dcminfo("--undo", journal(result)).stdout == "Nothing to be renamed back\n"


def test_quiet_lists_nothing(dcminfo: Run, series: Path) -> None:
    result = dcminfo("-r", "InstanceNumber", "-q", series)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert set(content(series)) == {"1.dcm", "2.dcm", "3.dcm"}


def test_a_dry_run_only_shows_the_names(dcminfo: Run, series: Path, home: Path) -> None:
    before = content(series)
    result = dcminfo("-r", "InstanceNumber:SliceNumberMR", "-c", "-q", series)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == ["im1  ->  1_1.dcm", "im2  ->  2_2.dcm", "im3  ->  3_3.dcm"]
    assert content(series) == before
    assert not list(home.rglob("*.jsonl"))


def test_for_programs(dcminfo: Run, series: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(dcminfo("-r", "InstanceNumber", "-c", "--csv", series).stdout)))
    assert rows[1] == {"file": str(series / "im2"), "name": "2.dcm"}
    found = json.loads(dcminfo("-r", "InstanceNumber", "--json", series).stdout)
    assert found["renames"][2] == {"file": str(series / "im3"), "name": "3.dcm"}
    assert os.path.isfile(found["journal"])


def refused(result: Result, folder: Path, before: dict[str, str]) -> str:
    """What a run that did nothing said."""
    assert result.exit_code == 1
    assert content(folder) == before
    *reasons, last = result.stderr.splitlines()
    assert last == "dcminfo: nothing was renamed"
    return "\n".join(reasons)


@pytest.mark.parametrize("dry", [(), ("-c",)], ids=["", "dry"])
def test_nothing_is_renamed_where_one_file_lacks_a_tag(dcminfo: Run, series: Path, dry: tuple[str, ...]) -> None:
    (image,) = classic_fmri(StudyIdentity(), slices=1, dynamics=1)
    del image.InstanceNumber
    image.ReferencedPerformedProcedureStepSequence = []
    (series / "im9").write_bytes(part10(image))
    before = content(series)
    said = refused(dcminfo("-q", "-r", "InstanceNumber", *dry, series), series, before)
    assert said == f"dcminfo: {series}/im9: has no InstanceNumber"


def test_nothing_is_renamed_where_two_names_would_be_equal(dcminfo: Run, series: Path) -> None:
    before = content(series)
    said = refused(dcminfo("-q", "-r", "SeriesNumber", series), series, before)
    assert said == f"dcminfo: {series}/im1: would be named 201.dcm like im2, im3"


def test_nothing_is_renamed_where_another_file_has_the_name(dcminfo: Run, series: Path) -> None:
    (series / "2.dcm").write_bytes(b"of a person")
    before = content(series)
    images = [series / f"im{i}" for i in (1, 2, 3)]
    said = refused(dcminfo("-q", "-r", "InstanceNumber", *images), series, before)
    assert said == f"dcminfo: {series}/im2: would be named 2.dcm, and there is another file of that name"


def test_nothing_is_renamed_where_one_file_cannot_be_read(dcminfo: Run, series: Path) -> None:
    (series / "notes.txt").write_bytes(b"text")
    before = content(series)
    files = sorted(series.iterdir())
    assert "no DICOM" in refused(dcminfo("-q", "-r", "InstanceNumber", *files), series, before)
    assert dcminfo("-q", "-r", "InstanceNumber", series).exit_code == 0, "a text that only lies there is no input"
    assert (series / "notes.txt").read_bytes() == b"text"


def test_a_value_that_varies_over_frames_is_no_name(dcminfo: Run, tmp_path: Path) -> None:
    path = tmp_path / "series" / "e.dcm"
    path.parent.mkdir()
    path.write_bytes(part10(enhanced_mr(StudyIdentity(), slices=3, dynamics=2)))
    before = content(path.parent)
    said = refused(dcminfo("-q", "-r", "SeriesNumber:TemporalPositionIndex", path), path.parent, before)
    assert said == f"dcminfo: {path}: TemporalPositionIndex varies over the frames"
    assert dcminfo("-q", "-r", "SeriesNumber:NumberOfFrames", path).exit_code == 0
    assert set(content(path.parent)) == {"301_6.dcm"}


def test_files_may_take_each_others_names(dcminfo: Run, series: Path) -> None:
    """1.dcm -> 2.dcm -> 3.dcm -> 1.dcm: a ring."""
    before = content(series)
    for number in (1, 2, 3):
        (series / f"im{number}").rename(series / f"{number % 3 + 1}.dcm")
    ring = content(series)
    result = dcminfo("-q", "-r", "InstanceNumber", series)
    assert result.exit_code == 0
    assert content(series) == {f"{name[2:]}.dcm": digest for name, digest in before.items()}
    assert dcminfo("--undo", journal(result)).exit_code == 0
    assert content(series) == ring


def test_files_that_have_their_names_need_no_journal(dcminfo: Run, series: Path, home: Path) -> None:
    dcminfo("-q", "-r", "InstanceNumber", series)
    journals = list(home.rglob("*.jsonl"))
    result = dcminfo("-r", "InstanceNumber", series)
    assert result.exit_code == 0
    assert "1.dcm  ->  1.dcm" in result.stdout
    assert list(home.rglob("*.jsonl")) == journals


def test_the_same_file_named_twice(dcminfo: Run, series: Path) -> None:
    assert dcminfo("-q", "-r", "InstanceNumber", series / "im1", f"{series}/../series/im1").exit_code == 0
    assert "1.dcm" in content(series)


@pytest.mark.parametrize("name", ["missing", "text"])
def test_a_journal_that_is_none(dcminfo: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_bytes(b"no journal\n")
    result = dcminfo("--undo", tmp_path / name)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"dcminfo: {tmp_path}/{name}: ")


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("series_name", "tags", "count"),
    [
        ("1901", "SeriesNumber:SliceNumberMR", 40),
        ("2001", 'SeriesNumber:SliceNumberMR:EchoNumbers:2005,11,"Philips MR Imaging DD 001"', 212),
        ("2101", "PatientID:SeriesNumber:SliceNumberMR:TemporalPositionIdentifier", 378),
        ("2201", "SeriesDescription:SliceNumberMR:DiffusionBValue:DiffusionGradientOrientation", 328),
    ],
)
def test_real_series_there_and_back(
    dcminfo: Run, real_data: Path, tmp_path: Path, series_name: str, tags: str, count: int
) -> None:
    folder = tmp_path / series_name
    shutil.copytree(real_data / "philips_r57" / "classic" / series_name, folder, copy_function=shutil.copyfile)
    before = content(folder)
    assert len(before) == count
    result = dcminfo("-q", "-r", tags, folder)
    assert result.exit_code == 0, result.stderr
    after = content(folder)
    assert not set(after) & set(before)
    assert sorted(after.values()) == sorted(before.values())
    assert dcminfo("--undo", journal(result)).stdout == f"{count} files renamed back\n"
    assert content(folder) == before


def test_nothing_is_renamed_where_one_file_is_a_link(dcminfo: Run, series: Path) -> None:
    """A link has its own name; the file that it leads to has another."""
    first = min(series.iterdir())
    before = content(series)
    link = series / "link"
    link.symlink_to(first)
    others = sorted(path for path in series.iterdir() if path not in (link, first))
    told = refused(dcminfo("-r", "InstanceNumber", "-q", link, *others), series, content(series))
    assert "is a link" in told
    link.unlink()
    assert content(series) == before


def test_a_file_by_two_ways_to_its_directory_counts_once(dcminfo: Run, series: Path, tmp_path: Path) -> None:
    before = content(series)
    (tmp_path / "way").symlink_to(series)
    first = min(series.iterdir())
    result = dcminfo("-r", "InstanceNumber", "-q", first, tmp_path / "way" / first.name)
    assert result.exit_code == 0, result.stderr
    assert len(set(content(series)) - set(before)) == 1


def test_a_file_that_changes_after_it_was_read_keeps_its_name(
    dcminfo: Run, series: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_ = sorted(series.iterdir())
    plan = renaming.plan

    def changed_meanwhile(files: Sequence[renaming.Named], labels: Sequence[str]) -> renaming.RenamePlan:
        found = plan(files, labels)
        second.write_bytes(first.read_bytes() + b"\0")
        return found

    monkeypatch.setattr(renaming, "plan", changed_meanwhile)
    result = dcminfo("-r", "InstanceNumber", "-q", first, second)
    assert result.exit_code == 1
    assert f"{second}: changed since it was looked at" in result.stderr
    assert second.exists()
    assert not first.exists()
