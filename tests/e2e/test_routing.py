"""A study goes to where its header says, or is held, with the reason and what was perhaps meant."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mrdock.dock.settings import ROUTE_FIELDS
from tests.builders import StudyIdentity, classic_fmri, write
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, wait_for

GROUP = 54321  # no group of this machine


@pytest.fixture(scope="module")
def root(short_folder: Path) -> Path:
    folder = short_folder / "data"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def place(root: Path) -> Place:
    return Place(root / "dock", quiet=0.5, roots=[root])


FIELDS = list(ROUTE_FIELDS)
SEVERAL_FROM = (0, 2, 5)  # studies with paths in this field and in all after it


def bad_paths(root: Path) -> dict[str, str]:
    """Paths that nobody may copy to, and why; tests/dock knows more of them."""
    outside = "the path is not below one of the allowed directories ([route] roots)"
    return {
        f"{root}/../up": "the path leads upwards (..)",
        "/tmp": outside,
        f"{root}/link/subj1": outside,
        f"{root}/dock/store/sub": "the path leads into the store itself",
        f"{root}/\x1b[31m": "the path holds characters that no path should",
    }


@pytest.fixture(scope="module")
def dock(place: Place, root: Path, images: MakeImages, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dock]:
    """A dock to which an evening's studies have been sent."""
    folder = tmp_path_factory.mktemp("evening")
    for name in ("kirby", "mine", "jgillen/scan_20190502"):
        (root / name).mkdir(parents=True)
    if os.geteuid() == 0:
        os.chown(root / "kirby", -1, GROUP)
    (root / "mine").chmod(0o750)
    (root / "mine" / "notes.txt").write_text("of a person")
    (root.parent / "outside").mkdir()
    (root / "link").symlink_to(root.parent / "outside")
    with place.dock("--log-json") as running:
        files = [
            *images(30, seed="lands", comment=f"#-#{root}/kirby/subj1"),
            *images(2, seed="mine", comment=f"#-#{root}/mine"),
            *images(3, seed="series", series_number=201, comment=f"#-#{root}/s201"),
            *images(4, seed="series", series_number=301, comment=f"#-#{root}/s301"),
            *images(5, seed="series", series_number=401, comment="no path"),
            *images(2, seed="two", comment=f"#-#{root}/two1"),
            *images(4, seed="two", comment=f"#-#{root}/two2")[2:],
            *images(3, seed="two", series_number=301, comment=f"#-#{root}/whole"),
            *images(2, seed="bad", comment=f"#-#{root}/jgilen/scan_20190502/subj1"),
            *(path for bad in bad_paths(root) for path in images(1, seed=f"not {bad}", comment=f"#-#{bad}")),
            one_image(folder, "line", PatientComments=f"for us #-# {root}/with a blank  \r\nnot: #-#{root}/other"),
        ]
        for number, field in enumerate(FIELDS):
            files.append(one_image(folder, f"only {field}", **{field: f"#-#{root}/only{number}"}))
        for number in SEVERAL_FROM:
            later = {name: f"#-#{root}/x{number}from{n}" for n, name in enumerate(FIELDS) if n >= number}
            files.append(one_image(folder, f"from {number}", **later))
        clients.ours(running.enhanced, files)
        yield running


def one_image(folder: Path, seed: str, **fields: str) -> Path:
    """The file of a study with one image and these header fields."""
    empty: dict[str, Any] = {"StudyDescription": "study", "PerformedProcedureStepDescription": "step"}
    (path,) = write(classic_fmri(StudyIdentity(seed), slices=1, dynamics=1, **(empty | fields)), folder / seed)
    return Path(path)


def copied(place: Place, study: dict[str, Any], target: Path) -> None:
    """Check that a study's files are in ``target``, whole, under the same names, and nothing else is."""
    kept = {p.name: p.read_bytes() for p in (place.store / study["directory"]).iterdir() if p.name[0] != "."}
    assert {path.name: path.read_bytes() for path in target.iterdir()} == kept


def test_a_study_lands_where_its_header_says(place: Place, dock: Dock, root: Path) -> None:
    lab, target = root / "kirby", root / "kirby" / "subj1"
    study = place.wait_for_state("routed", study=StudyIdentity("lands").study_uid)
    assert study["text"] == f"copied to {target}"
    assert study["images"] == 30
    copied(place, study, target)
    group = os.stat(lab).st_gid
    assert target.stat().st_mode & 0o7777 == 0o2770
    assert target.stat().st_gid == group
    for path in target.iterdir():
        assert path.stat().st_mode & 0o7777 == 0o660
        assert path.stat().st_gid == group
    assert f"copied to {target}" in dock.log()


def test_a_directory_that_is_there_already_keeps_its_mode(place: Place, dock: Dock, root: Path) -> None:
    target = root / "mine"
    place.wait_for_state("routed", study=StudyIdentity("mine").study_uid)
    assert target.stat().st_mode & 0o7777 == 0o750
    assert (target / "notes.txt").read_text() == "of a person"
    assert len(list(target.iterdir())) == 3


def test_each_of_the_seven_fields_and_the_first_of_several(place: Place, dock: Dock, root: Path) -> None:
    assert len(FIELDS) == 7
    for number, field in enumerate(FIELDS):
        study = place.wait_for_state("routed", study=StudyIdentity(f"only {field}").study_uid)
        copied(place, study, root / f"only{number}")
    for number in SEVERAL_FROM:
        study = place.wait_for_state("routed", study=StudyIdentity(f"from {number}").study_uid)
        copied(place, study, root / f"x{number}from{number}")
    assert sorted(p.name for p in root.glob("x*")) == [f"x{number}from{number}" for number in SEVERAL_FROM]


def test_the_path_ends_with_its_line_and_blanks_do_not_count(place: Place, dock: Dock, root: Path) -> None:
    place.wait_for_state("routed", study=StudyIdentity("line").study_uid)
    assert len(list((root / "with a blank").iterdir())) == 1
    assert not (root / "other").exists()


def test_each_series_goes_by_its_own_header(place: Place, dock: Dock, root: Path) -> None:
    study = place.wait_for_state("routed", study=StudyIdentity("series").study_uid)
    assert f"copied to {root}/s201, {root}/s301" in study["text"]
    assert len(list((root / "s201").iterdir())) == 3
    assert len(list((root / "s301").iterdir())) == 4


def test_two_paths_in_one_series_hold_it_and_leave_the_other_series_alone(place: Place, dock: Dock, root: Path) -> None:
    study = place.wait_for_state("held", study=StudyIdentity("two").study_uid)
    assert "the images of the series name different paths" in study["text"]
    assert f"other series copied to {root}/whole" in study["text"]
    assert len(list((root / "whole").iterdir())) == 3
    assert not (root / "two1").exists()
    assert not (root / "two2").exists()


def test_a_bad_path_is_held_with_reason_and_suggestion(place: Place, dock: Dock, root: Path) -> None:
    uid = StudyIdentity("bad").study_uid
    place.wait_for_state("held", study=uid)
    study = next(study for study in place.status()["studies"] if study["study"] == uid)
    (route,) = study["routes"]
    assert study["state"] == route["state"] == "held"
    assert route["path"] == f"{root}/jgilen/scan_20190502/subj1"
    assert route["reason"] == "neither the path nor its parent exists"
    assert route["suggestion"] == f"{root}/jgillen/scan_20190502"
    lines = [json.loads(line) for line in dock.log().splitlines() if line.startswith("{")]
    (line,) = (line for line in lines if line.get("study") == uid and line.get("state") == "held")
    assert line["level"] == "warning"
    assert route["reason"] in line["text"]
    assert route["suggestion"] in line["text"]
    assert not (root / "jgilen").exists()
    assert len(list((place.store / study["directory"]).glob("MR.*"))) == 2, "the files stay in the store"


def test_paths_that_nobody_may_copy_to(place: Place, dock: Dock, root: Path) -> None:
    for path, reason in bad_paths(root).items():
        study = place.wait_for_state("held", study=StudyIdentity(f"not {path}").study_uid)
        (route,) = study["routes"]
        assert route["path"] == path
        assert reason in route["reason"]
    assert list((root.parent / "outside").iterdir()) == []
    assert "\x1b" not in dock.log()


def test_a_late_image_reopens_the_study_and_is_routed_like_the_others(
    place: Place, dock: Dock, root: Path, images: MakeImages
) -> None:
    target = root / "late"
    files = images(5, seed="late", comment=f"#-#{target}")
    clients.ours(dock.classic, files[:3])
    uid = StudyIdentity("late").study_uid
    place.wait_for_state("routed", study=uid)
    assert len(list(target.iterdir())) == 3
    for path in list(target.iterdir())[:2]:
        path.unlink()  # a researcher took them on; they must not come again
    clients.ours(dock.classic, files[3:])
    wait_for("the late images", lambda: len(list(target.iterdir())) == 3)
    study = place.wait_for_state("routed", study=uid)
    assert study["images"] == 5
    assert len(list(target.iterdir())) == 3
