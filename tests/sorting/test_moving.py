"""dcm_move as a library: where files go, whose directories are whose, what stays, what is written, and undo."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset

from mrdock.errors import BusyError, PlaceError, StoppedError
from mrdock.files.lock import only_one
from mrdock.sorting.moving import MoveOptions, MovePlan, MoveResult, execute, plan, undo
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10, presentation_state, raw_data, write

ANNA = StudyIdentity(patient_id="A", patient_name="Anna")
BERTA = StudyIdentity(patient_id="B", patient_name="Berta", seed="berta")


def of_berta(**more: Any) -> list[FileDataset]:
    """Images of another patient whose study has the same number as Anna's."""
    return classic_fmri(BERTA, **{"StudyID": ANNA.study_id, **more})


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest"


def options(source: Path, destination: Path, **changed: Any) -> MoveOptions:
    return replace(MoveOptions(source=str(source), destination=str(destination), settle=0.0, recursive=True), **changed)


def moved(source: Path, destination: Path, **changed: Any) -> MoveResult:
    return execute(plan(options(source, destination, **changed)))


def names(top: Path) -> set[str]:
    return {str(path.relative_to(top)) for path in top.rglob("*") if path.is_file()}


def contents(top: Path) -> Counter[bytes]:
    return Counter(path.read_bytes() for path in top.rglob("*") if path.is_file() and not path.name.endswith("info"))


def targets(planned: MovePlan) -> set[str]:
    root = Path(planned.options.destination)
    return {str(Path(file.target).relative_to(root)) for study in planned.studies for file in study.files}


# ---- whose directory ----


def test_two_patients_with_one_number_in_one_run(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=2), source / "a")
    write(of_berta(slices=1, dynamics=2), source / "b")
    planned = plan(options(source, destination))
    owners = {Path(file.target).parts[-3]: study.uid for study in planned.studies for file in study.files}
    assert sorted(owners) == [ANNA.study_id, f"{ANNA.study_id}_2"]
    assert set(owners.values()) == {ANNA.study_uid, BERTA.study_uid}
    assert {study.patient_name for study in planned.studies} == {"Anna", "Berta"}


@pytest.mark.parametrize(
    "changed", [{}, {"flat": True}, {"flat": True, "dcm": True}, {"series_description": True}], ids=str
)
def test_two_patients_never_share_across_runs(source: Path, destination: Path, changed: dict[str, bool]) -> None:
    write(classic_fmri(ANNA, slices=2, dynamics=2), source)
    moved(source, destination, **changed)
    first = names(destination)
    write(of_berta(slices=2, dynamics=2), source)
    moved(source, destination, **changed)
    second = names(destination) - first
    assert len(second) == len(first)
    assert all(name.startswith(f"{ANNA.study_id}_2") for name in second)
    write(of_berta(slices=2, dynamics=2, series_number=301), source)
    moved(source, destination, **changed)
    third = names(destination) - first - second
    assert all(name.startswith(f"{ANNA.study_id}_2") for name in third), "Berta's study keeps its name"
    write(classic_fmri(ANNA, slices=2, dynamics=2, series_number=301), source)
    moved(source, destination, **changed)
    fourth = names(destination) - first - second - third
    assert not any(name.startswith(f"{ANNA.study_id}_2") for name in fourth)


def test_another_series_with_the_same_number_gets_its_own_directory(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=2), source)
    moved(source, destination)
    write(classic_fmri(ANNA, slices=1, dynamics=2, SeriesInstanceUID="1.2.3.4"), source)
    moved(source, destination)
    assert {name.split("/")[1] for name in names(destination)} == {"0201", "0201_2"}


def test_a_directory_that_only_has_its_info_left_is_still_owned(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=1), source)
    moved(source, destination)
    for path in destination.rglob("0001*"):
        path.unlink()
    write(of_berta(slices=1, dynamics=1), source)
    moved(source, destination)
    number = ANNA.study_id
    assert names(destination) == {f"{number}/0201/info", f"{number}_2/0201/0001", f"{number}_2/0201/info"}


def test_a_strangers_directory_is_avoided(source: Path, destination: Path) -> None:
    strange = destination / ANNA.study_id / "0201"
    strange.mkdir(parents=True)
    (strange / "notes.txt").write_text("nobody's")
    write(classic_fmri(ANNA, slices=1, dynamics=1), source)
    moved(source, destination)
    assert {name for name in names(destination) if name.endswith("notes.txt")} == {f"{ANNA.study_id}/0201/notes.txt"}
    assert (destination / f"{ANNA.study_id}_2").is_dir()


def test_an_empty_directory_is_used(source: Path, destination: Path) -> None:
    (destination / ANNA.study_id / "0201").mkdir(parents=True)
    write(classic_fmri(ANNA, slices=1, dynamics=1), source)
    moved(source, destination)
    assert {path.name for path in destination.iterdir()} == {ANNA.study_id}


def test_a_destination_that_changed_since_the_plan(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=1), source)
    planned = plan(options(source, destination))
    (destination / ANNA.study_id / "0201").mkdir(parents=True)
    (destination / ANNA.study_id / "0201" / "0001").write_bytes(part10(of_berta(slices=1, dynamics=1)[0]))
    before = names(source)
    with pytest.raises(PlaceError, match="has come since the plan was made"):
        execute(planned)
    assert names(source) == before


# ---- never lose, never overwrite ----


def test_equal_bytes_count_as_moved_and_others_are_kept_beside(source: Path, destination: Path) -> None:
    files = write(classic_fmri(ANNA, slices=2, dynamics=1), source)
    moved(source, destination)
    original = contents(destination)
    write(classic_fmri(ANNA, slices=2, dynamics=1), source)
    image = classic_fmri(ANNA, slices=2, dynamics=1, ImageComments="other")[1]
    Path(files[1]).write_bytes(part10(image))
    result = moved(source, destination)
    assert (result.counts.same, result.counts.beside, result.counts.done, result.counts.left) == (1, 1, 0, 0)
    ((planned, actual),) = result.beside
    assert Path(planned).parent == Path(actual).parent
    assert contents(destination) == original + Counter([part10(image)])
    assert names(source) == set()


def test_a_second_run_is_refused_while_one_is_at_work(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=1), source)
    planned = plan(options(source, destination))
    with only_one(str(destination)):
        with pytest.raises(BusyError, match="another run of mrdock is at work here"):
            plan(options(source, destination))
        with pytest.raises(BusyError, match="another run of mrdock is at work here"):
            execute(planned)
    assert execute(planned).counts.done == 1


def test_a_file_that_vanished_is_named_and_the_others_are_done(source: Path, destination: Path) -> None:
    files = write(classic_fmri(ANNA, slices=3, dynamics=1), source)
    planned = plan(options(source, destination))
    os.unlink(files[1])
    result = execute(planned)
    assert result.counts.done == 2
    assert [left.path for left in result.left] == [files[1]]


# ---- what is moved, what stays ----


def test_invalid_files_go_to_bad_and_others_stay(source: Path, destination: Path) -> None:
    whole = part10(classic_fmri(ANNA, slices=1, dynamics=1)[0])
    (source / "IM_0001").write_bytes(whole)
    (source / "IM_0002").write_bytes(whole[:1500])
    (source / "empty.dcm").write_bytes(b"")
    (source / "text.DCM").write_text("no image")
    (source / "prefix").write_bytes(bytes(128) + b"DICM" + b"\xff" * 100)
    (source / "deep").mkdir()
    (source / "deep" / "empty.dcm").write_bytes(b"x")
    for name in ("notes.txt", "scan.PAR", "scan.REC", "run.sh", "Makefile"):
        (source / name).write_text("mine")
    planned = plan(options(source, destination))
    assert sorted(os.path.relpath(file.target, destination) for file in planned.bad) == [
        "bad/IM_0002",
        "bad/empty.dcm",
        "bad/empty.dcm_2",
        "bad/prefix",
        "bad/text.DCM",
    ]
    assert all(file.reason for file in planned.bad)
    assert planned.not_dicom == 5
    result = execute(planned)
    assert result.counts.bad == 5
    assert names(source) == {"notes.txt", "scan.PAR", "scan.REC", "run.sh", "Makefile"}
    again = plan(options(destination, destination))
    assert again.bad == ()
    assert again.count == again.in_place == 1, "bad and info are no input"


def test_invalid_files_are_left_when_asked(source: Path, destination: Path) -> None:
    (source / "IM_0001.dcm").write_text("no image")
    result = moved(source, destination, leave_bad=True)
    assert names(source) == {"IM_0001.dcm"}
    assert [Path(left.path).name for left in result.left] == ["IM_0001.dcm"]
    assert names(destination) == set()


def test_a_file_whose_pixels_are_cut_stays(source: Path, destination: Path) -> None:
    files = write(classic_fmri(ANNA, slices=2, dynamics=1), source)
    Path(files[0]).write_bytes(Path(files[0]).read_bytes()[:-7])
    planned = plan(options(source, destination))
    ((path, reason),) = planned.left
    assert path == files[0]
    assert "announced" in reason
    assert planned.count == 1
    assert planned.bad == ()


def test_files_that_are_no_images_go_with_their_series(source: Path, destination: Path) -> None:
    images = classic_fmri(ANNA, slices=2, dynamics=1)
    write([*images, presentation_state(ANNA, references=images), raw_data(ANNA), enhanced_mr(ANNA)], source)
    shutil.copy(str(get_testdata_file("DICOMDIR")), source / "DICOMDIR")
    planned = plan(options(source, destination))
    assert planned.bad == ()
    kinds = Counter(file.kind for study in planned.studies for file in study.files)
    assert kinds == {"image": 2, "other": 2, "enhanced": 1}
    assert any("DICOMDIR: stays" in text for text in planned.warnings)
    execute(planned)
    assert names(source) == {"DICOMDIR"}
    assert {f"{ANNA.study_id}/0201/{name}" for name in ("0001", "0002", "ps_0001", "info")} <= names(destination)


def test_fresh_files_are_looked_at_again_once(source: Path, destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(classic_fmri(ANNA, slices=3, dynamics=1), source)
    slept: list[float] = []
    real_sleep = time.sleep

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        with open(files[1], "ab") as growing:
            growing.write(b"x")
        real_sleep(seconds)

    monkeypatch.setattr("mrdock.sorting.settling.time.sleep", sleep)
    begin = time.monotonic()
    planned = plan(options(source, destination, settle=1.0))
    assert 0.5 < time.monotonic() - begin < 10
    assert slept
    assert planned.count == 2
    assert [(left.path, left.reason) for left in planned.left] == [(files[1], "still grows")]


def test_old_files_do_not_wait(source: Path, destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in write(classic_fmri(ANNA, slices=2, dynamics=1), source):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    monkeypatch.setattr("mrdock.sorting.settling.time.sleep", lambda _: pytest.fail("it waited"))
    assert plan(options(source, destination, settle=5.0)).count == 2


def test_links_are_copied_only(source: Path, destination: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (file,) = write(classic_fmri(ANNA, slices=1, dynamics=1), tmp_path / "away")
    (source / "link").symlink_to(file)
    planned = plan(options(source, destination))
    assert planned.count == 0
    assert "links are copied only" in planned.left[0].reason
    assert moved(source, destination, copy=True).counts.done == 1
    assert (source / "link").is_symlink()
    assert Path(file).exists()
    assert not (destination / ANNA.study_id / "0201" / "0001").is_symlink()


# ---- info ----


def test_an_info_file_is_written_once_and_stays(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=4, dynamics=1)[:2], source)
    assert moved(source, destination).counts.info == 1
    info = destination / ANNA.study_id / "0201" / "info"
    first = info.read_bytes()
    assert b"patient data" in first.splitlines()[0]
    write(classic_fmri(ANNA, slices=4, dynamics=1)[2:], source)
    result = moved(source, destination)
    assert (result.counts.info, result.counts.done, result.counts.beside) == (0, 2, 0)
    assert info.read_bytes() == first
    assert sorted(path.name for path in info.parent.iterdir()) == ["0001", "0002", "0003", "0004", "info"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [({"no_info": True}, set()), ({"flat": True}, {"{}_0201.info"}), ({"unmove": True}, set())],
    ids=str,
)
def test_where_the_info_file_is(source: Path, destination: Path, changed: dict[str, bool], expected: set[str]) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=1), source)
    moved(source, destination, **changed)
    assert {name for name in names(destination) if name.endswith("info")} == {
        name.format(ANNA.study_id) for name in expected
    }


# ---- locations ----


def with_history(text: str) -> list[FileDataset]:
    return classic_fmri(ANNA, slices=2, dynamics=1, AdditionalPatientHistory=text)


def test_the_header_names_a_location(source: Path, destination: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    write(with_history(f"see #-#{tmp_path}/lab/ \r\nmore"), source)
    write(classic_fmri(ANNA, slices=1, dynamics=1, series_number=301), source, first=50)
    planned = plan(options(source, destination))
    assert planned.roots == (str(destination), str(tmp_path / "lab"))
    execute(planned)
    assert {name.split("/")[1] for name in names(tmp_path / "lab")} == {"0201"}
    assert {name.split("/")[1] for name in names(destination)} == {"0301"}


@pytest.mark.parametrize("changed", [{"ignore_location": True}, {"rename": True}, {"unmove": True}], ids=str)
def test_a_location_can_be_ignored(source: Path, destination: Path, tmp_path: Path, changed: dict[str, bool]) -> None:
    (tmp_path / "lab").mkdir()
    write(with_history(f"#-#{tmp_path}/lab"), source)
    place = source if "rename" in changed else destination
    execute(plan(replace(options(source, Path("."), **changed), destination="." if place == source else str(place))))
    assert names(tmp_path / "lab") == set()
    assert len([name for name in names(place) if not name.endswith("info")]) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#-#/no/such/directory", "there is no such directory"),
        ("#-#relative/path", "the path is not absolute"),
        ("#-#", "no path follows the route tag"),
        ("#-#/tmp/../etc", "leads upwards"),
        ("#-#/etc/passwd", "is no directory"),
    ],
)
def test_a_location_of_no_use(source: Path, destination: Path, text: str, reason: str) -> None:
    write(with_history(text), source)
    planned = plan(options(source, destination))
    (warning,) = planned.studies[0].warnings
    assert warning.startswith("the header's location is not used: ")
    assert reason in warning
    assert all(target.startswith(ANNA.study_id) for target in targets(planned))


def test_different_locations_in_one_series(source: Path, destination: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    first, second = with_history(f"#-#{tmp_path}/lab")
    second.AdditionalPatientHistory = f"#-#{tmp_path}"
    write([first, second], source)
    planned = plan(options(source, destination))
    assert "name different ones" in planned.studies[0].warnings[0]
    assert planned.roots == (str(destination),)


def test_images_without_the_tag_go_with_their_series(source: Path, destination: Path, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    first, second = with_history(f"#-#{tmp_path}/lab")
    del second.AdditionalPatientHistory
    write([first, second], source)
    moved(source, destination)
    assert len(names(tmp_path / "lab")) == 3
    assert names(destination) == set()


def test_a_patient_at_a_location_is_not_joined_by_another(source: Path, destination: Path, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    write(with_history(f"#-#{lab}"), source)
    moved(source, destination)
    write(of_berta(slices=1, dynamics=1, AdditionalPatientHistory=f"#-#{lab}"), source)
    moved(source, destination)
    assert {path.name for path in lab.iterdir()} == {ANNA.study_id, f"{ANNA.study_id}_2"}


def test_one_directory_by_two_names(source: Path, destination: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(destination)
    write(classic_fmri(ANNA, slices=1, dynamics=1), source / "a")
    write(of_berta(slices=1, dynamics=1, AdditionalPatientHistory=f"#-#{tmp_path}/alias"), source / "b")
    moved(source, destination)
    assert {path.name for path in destination.iterdir()} == {ANNA.study_id, f"{ANNA.study_id}_2"}


# ---- choosing, stopping, undoing ----


def test_some_of_the_studies(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=2), source / "a")
    write(of_berta(slices=1, dynamics=3), source / "b")
    (source / "x.dcm").write_text("bad")
    planned = plan(options(source, destination))
    chosen = planned.only({BERTA.study_uid}, bad=False)
    assert (planned.count, chosen.count) == (6, 3)
    result = execute(chosen)
    assert result.counts.done == 3
    assert len(names(source)) == 3
    assert planned.only(set(), bad=False).count == 0
    nothing = execute(planned.only(set(), bad=False))
    assert (nothing.counts.done, nothing.journal) == (0, "")


def test_stopping_while_reading(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=2), source)
    with pytest.raises(StoppedError):
        plan(options(source, destination), cancelled=lambda: True)


def test_stopping_between_two_files_and_going_on(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=10, dynamics=10), source)
    before = contents(source)
    told: list[int] = []
    planned = plan(options(source, destination))
    result = execute(planned, progress=lambda _, done, __: told.append(done), cancelled=lambda: len(told) > 0)
    assert result.stopped
    assert 0 < result.counts.done < 100
    assert result.left == (), "what was not begun is not named file by file"
    assert contents(source) + contents(destination) == before
    rest = moved(source, destination)
    assert not rest.stopped
    assert rest.counts.done + result.counts.done == 100
    assert contents(destination) == before


def test_undo_of_a_stopped_run(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=10, dynamics=10), source)
    before = contents(source)
    told: list[int] = []
    planned = plan(options(source, destination))
    result = execute(planned, progress=lambda _, done, __: told.append(done), cancelled=lambda: len(told) > 0)
    back = undo(result.journal)
    assert back.counts.done == result.counts.done
    assert contents(source) == before
    assert list(destination.iterdir()) == []


def test_undo_of_more_directories_than_a_process_may_keep_open(source: Path, destination: Path) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(150):
        image = classic_fmri(ANNA, slices=1, dynamics=1, series_number=100 * number + 1)
        write(image, source / str(number))
    before = contents(source)
    result = moved(source, destination)
    assert len(list((destination / ANNA.study_id).iterdir())) == 150
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        undo(result.journal)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert contents(source) == before


def test_undo_leaves_what_was_there_before(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=1, dynamics=1), source)
    moved(source, destination)
    there = names(destination)
    files = write(classic_fmri(ANNA, slices=1, dynamics=1, series_number=301), source)
    result = moved(source, destination)
    undo(result.journal)
    assert names(destination) == there
    assert names(source) == {Path(file).name for file in files}


def test_progress_tells_of_each_stage(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=4, dynamics=4), source)
    told: list[tuple[str, int, int]] = []
    planned = plan(options(source, destination), progress=lambda *what: told.append(what))
    execute(planned, progress=lambda *what: told.append(what))
    assert told[0] == ("reading", 0, 16)
    assert told[-1][0] == "moving"
    assert told[-1][1] == told[-1][2] == 17


# ---- renaming in place ----


def test_rename_keeps_earlier_names(source: Path) -> None:
    write(classic_fmri(ANNA, slices=2, dynamics=1), source)
    here = replace(MoveOptions(), source=str(source), rename=True, settle=0.0)
    execute(plan(here))
    first = names(source)
    write(of_berta(slices=2, dynamics=1), source)
    execute(plan(here))
    assert first < names(source)
    assert len({name for name in names(source) - first if name.startswith(f"{ANNA.study_id}_2_")}) == 3
    again = plan(here)
    assert again.in_place == again.count == 4


def test_names_that_swap_in_place(source: Path) -> None:
    files = write(classic_fmri(ANNA, slices=2, dynamics=1), source)
    before = contents(source)
    os.rename(files[0], source / f"{ANNA.study_id}_0201_0002")
    os.rename(files[1], source / f"{ANNA.study_id}_0201_0001")
    result = execute(plan(replace(MoveOptions(), source=str(source), rename=True, settle=0.0, no_info=True)))
    assert result.counts.done == 2
    assert contents(source) == before
    assert execute(plan(replace(MoveOptions(), source=str(source), rename=True, settle=0.0))).counts.in_place == 2


# ---- what changes while a plan waits ----


@pytest.mark.parametrize("copy", [False, True])
def test_a_file_that_changed_since_its_header_was_read_stays(source: Path, destination: Path, copy: bool) -> None:
    """The name that it was to have came from another header."""
    first, second, third = map(Path, write(classic_fmri(ANNA, slices=3, dynamics=1), source))
    for path in (first, second, third):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    planned = plan(options(source, destination, copy=copy))
    first.write_bytes(third.read_bytes())
    shutil.copy(third, tmp := source / "new")
    tmp.replace(second)
    result = execute(planned)
    assert {(left.path, left.reason) for left in result.left} == {
        (str(path), "changed since it was looked at") for path in (first, second)
    }
    assert result.counts.done == 1
    assert undo(result.journal).left == ()
    assert first.read_bytes() == second.read_bytes() == third.read_bytes()


def test_a_destination_that_is_gone_is_not_made_anew(source: Path, destination: Path) -> None:
    """What was a disk is a directory of another one when it is not mounted."""
    write(classic_fmri(ANNA, slices=2, dynamics=1), source)
    before = contents(source)
    planned = plan(options(source, destination))
    destination.rmdir()
    with pytest.raises(PlaceError, match="there is no such directory"):
        execute(planned)
    assert not destination.exists()
    assert contents(source) == before


@pytest.mark.parametrize("name", ["MR", "CT"])
def test_a_modality_directory_that_leads_back_counts_once(source: Path, destination: Path, name: str) -> None:
    write(classic_fmri(ANNA, slices=3, dynamics=1), source)
    (source / name).symlink_to(".")
    result = moved(source, destination, recursive=False, copy=True)
    assert (result.counts.done, result.left) == (3, ())
    assert contents(destination) == contents(source)


def test_a_link_to_a_file_that_is_copied_anyway_makes_no_second_copy(
    source: Path, destination: Path, tmp_path: Path
) -> None:
    files = [Path(path) for path in write(classic_fmri(ANNA, slices=3, dynamics=1), source)]
    others = write(classic_fmri(ANNA, slices=1, dynamics=1, SeriesNumber=7), tmp_path / "elsewhere")
    elsewhere = Path(others[0])
    (source / "link").symlink_to(files[0])
    (source / "away").symlink_to(elsewhere)
    (source / "again").symlink_to(elsewhere)
    result = moved(source, destination, copy=True)
    assert (result.counts.done, result.left) == (4, ())
    assert contents(destination) == Counter([*(file.read_bytes() for file in files), elsewhere.read_bytes()])


def test_an_undo_of_copies_can_be_stopped_and_goes_on(source: Path, destination: Path) -> None:
    write(classic_fmri(ANNA, slices=10, dynamics=10), source)
    result = moved(source, destination, copy=True)
    told: list[int] = []
    back = undo(result.journal, progress=lambda _, done, __: told.append(done), cancelled=lambda: len(told) > 0)
    assert back.stopped
    assert 0 < back.counts.done < 100
    assert back.left == ()
    rest = undo(result.journal)
    assert not rest.stopped
    assert rest.left == ()
    assert list(destination.iterdir()) == []
    assert len(list(source.iterdir())) == 100
