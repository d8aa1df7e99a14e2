"""Studies are copied to where their headers say, each once, or are held with the reason."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from mrdock.dock import routing
from mrdock.dock.copying import copy_image
from mrdock.dock.entries import RouteRow
from mrdock.dock.states import State
from tests.dock.conftest import SmallDisk
from tests.dock.support import IS_ROOT, STUDY, Bench, image, names_in

S1, S2, S3 = (f"{STUDY}.{number}" for number in (1, 2, 3))


def test_a_study_goes_to_where_its_header_says(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(2, path=str(research)))
    assert bench.study().state is State.ROUTED
    assert names_in(research) == bench.names() == [f"MR.{S1}.1", f"MR.{S1}.2"]
    for name in bench.names():
        assert (research / name).read_bytes() == (bench.directory() / name).read_bytes()
        assert (research / name).stat().st_mode & 0o7777 == 0o660
    assert sorted(os.listdir(research)) == names_in(research)
    assert [row.routed for row in bench.images()] == [bench.clock.wall] * 2
    assert bench.routes() == [RouteRow(STUDY, S1, str(research), False, State.ROUTED, "", "", bench.clock.wall)]
    assert bench.events("routed") == [f"series 1 copied to {research}"]
    study = bench.study()
    assert (study.copying, study.attempts, study.next_try) == (None, 0, 0.0)


def test_the_last_part_of_the_path_is_made(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=f"{research}/subj1"))
    assert names_in(research / "subj1") == bench.names()
    assert (research / "subj1").stat().st_mode & 0o7777 == 0o2770


@pytest.mark.skipif(not IS_ROOT, reason="only root may give files to any group")
def test_modes_are_as_set_and_the_group_is_the_directory_s(bench: Bench, research: Path) -> None:
    os.chown(research, -1, 65534)
    bench.change(file_mode=0o644, directory_mode=0o755)
    bench.take_in(image(1, path=f"{research}/subj1"))
    (name,) = bench.names()
    for path, mode in ((research / "subj1", 0o755), (research / "subj1" / name, 0o644)):
        assert (path.stat().st_mode & 0o7777, path.stat().st_gid) == (mode, 65534)


def test_a_study_without_a_path_is_kept(bench: Bench) -> None:
    bench.take_in(image(1), image(1, series=2))
    assert bench.study().state is State.KEPT
    assert bench.routes() == []
    assert bench.events("kept") == []


def test_each_series_goes_by_its_own_header(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=f"{research}/a"), image(1, series=2, path=f"{research}/b"), image(1, series=3))
    assert names_in(research / "a") == [f"MR.{S1}.1"]
    assert names_in(research / "b") == [f"MR.{S2}.1"]
    assert bench.study().state is State.ROUTED
    assert [row.routed is None for row in bench.images()] == [False, False, True]


def test_two_paths_within_a_series_hold_it(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=f"{research}/a"), image(2, path=f"{research}/b"))
    assert bench.study().state is State.HELD
    (route,) = bench.routes()
    assert (route.state, route.path) == (State.HELD, "")
    assert route.reason == "the images of the series name different paths"
    assert names_in(research) == []


@pytest.mark.parametrize("path", ["relative/path", "/..", "/etc/mrdock-test", ""])
def test_a_path_that_may_not_be_is_held_and_nothing_is_written_there(bench: Bench, path: str) -> None:
    bench.take_in(image(1, path=path))
    (route,) = bench.routes()
    assert (bench.study().state, route.state, route.path) == (State.HELD, State.HELD, path)
    assert route.reason
    assert bench.events("held") == [f"series 1 held: {path + ': ' if path else ''}{route.reason}"]
    assert not Path("/etc/mrdock-test").exists()
    assert len(bench.names()) == 1


def test_without_roots_it_says_how_to_allow_one(bench: Bench, research: Path) -> None:
    bench.change(roots=())
    bench.take_in(image(1, path=str(research)))
    assert bench.study().state is State.HELD
    assert "[route] roots" in bench.routes()[0].reason


def test_a_held_study_says_what_was_perhaps_meant_and_goes_when_that_is_mended(bench: Bench, research: Path) -> None:
    path = f"{research.parent}/kirbi/subj1"
    bench.take_in(image(1, path=path))
    (route,) = bench.routes()
    assert (route.state, route.suggestion) == (State.HELD, str(research))
    assert bench.events("held") == [f"series 1 held: {path}: {route.reason}; perhaps {research} was meant"]
    bench.tick(after=1e5)
    assert bench.study().state is State.HELD  # it waits for a person
    (research.parent / "kirbi").mkdir()
    bench.ask()
    bench.tick()
    assert bench.study().state is State.ROUTED
    assert names_in(research.parent / "kirbi" / "subj1") == bench.names()


def test_one_series_is_held_and_the_others_go(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(1, series=2, path="/nowhere"))
    assert bench.study().state is State.HELD
    assert {row.series: row.state for row in bench.routes()} == {S1: State.ROUTED, S2: State.HELD}
    assert names_in(research) == [f"MR.{S1}.1"]


# ---- trouble that passes ----


def test_what_is_not_mounted_is_tried_again_with_growing_pauses(bench: Bench, research: Path) -> None:
    bench.change(mount_points=(research,))
    bench.take_in(image(1, path=str(research)))
    tried = [bench.clock.wall]
    while len(tried) < 10:
        study = bench.study()
        assert study.state is State.WAITING
        assert study.attempts == len(tried)
        assert bench.routes()[0].reason == f"{research} is not mounted"
        bench.tick(after=study.next_try - bench.clock.wall - 0.5)
        assert bench.study() == study
        bench.tick(after=0.5)
        tried.append(bench.clock.wall)
    pauses = [round(after - before) for before, after in pairwise(tried)]
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert bench.events("waiting") == [f"series 1 waiting: {research}: {research} is not mounted"]  # said once
    bench.change(mount_points=())
    bench.tick(after=3600)
    study = bench.study()
    assert (study.state, study.attempts, study.next_try) == (State.ROUTED, 0, 0.0)
    assert names_in(research) == bench.names()


def test_passing_trouble_of_one_series_outweighs_the_fault_of_another(bench: Bench, research: Path) -> None:
    bench.change(mount_points=(research,))
    bench.take_in(image(1, path=str(research)), image(1, series=2, path="/nowhere"))
    assert bench.study().state is State.WAITING
    bench.change(mount_points=())
    bench.tick(after=30)
    assert bench.study().state is State.HELD
    assert names_in(research) == [f"MR.{S1}.1"]


def test_a_full_destination_gets_the_rest_when_there_is_room(bench: Bench, small_disk: SmallDisk) -> None:
    disk = small_disk("research/disk", "size=128k")
    (disk / "ballast").write_bytes(bytes(100 << 10))
    bench.take_in(*(image(number, path=str(disk), pixels=bytes(9 << 10)) for number in range(1, 6)))
    assert bench.study().state is State.WAITING
    assert "no space left" in bench.routes()[0].reason
    first = names_in(disk)
    assert 2 < len(first) < 6
    copied = [row.name for row in bench.images() if row.routed is not None]
    assert sorted(["ballast", *copied]) == first
    times = {name: (disk / name).stat().st_mtime_ns for name in copied}
    (disk / "ballast").unlink()
    bench.tick(after=30)
    assert bench.study().state is State.ROUTED
    assert names_in(disk) == bench.names()
    assert {name: (disk / name).stat().st_mtime_ns for name in copied} == times


# ---- more images ----


def test_a_late_image_is_routed_like_the_others(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)))
    times = {name: (research / name).stat().st_mtime_ns for name in names_in(research)}
    bench.send(image(2, path=str(research)), image(1, series=2, path=f"{research}/b"))
    assert bench.study().state is State.RECEIVING
    bench.tick(after=61)
    assert bench.study().state is State.ROUTED
    assert names_in(research) == ["MR.1.2.3.1.1", "MR.1.2.3.1.2", "b"]
    assert names_in(research / "b") == [f"MR.{S2}.1"]
    assert {name: (research / name).stat().st_mtime_ns for name in times} == times


def test_a_late_image_of_a_held_study_has_it_tried_again(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=f"{research}/a/b"))
    assert bench.study().state is State.HELD
    (research / "a").mkdir()
    bench.take_in(image(2, path=f"{research}/a/b"))
    assert bench.study().state is State.ROUTED
    assert names_in(research / "a" / "b") == bench.names()


def test_the_same_image_again_changes_nothing(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)))
    before = bench.study()
    bench.send(image(1, path=str(research)))
    bench.tick(after=61)
    assert bench.study() == before
    assert names_in(research) == bench.names()


def test_different_bytes_under_one_uid_are_both_copied(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(1, path=str(research), pixels=b"\3\4"))
    assert len(bench.names()) == 2
    assert names_in(research) == bench.names()


def test_an_image_that_comes_while_its_study_is_copied_is_not_forgotten(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*words: str, **more: int) -> str:
        monkeypatch.setattr(routing, "copy_image", copy_image)
        bench.send(image(2, path=str(research)))
        return copy_image(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(routing, "copy_image", copy)
    bench.send(image(1, path=str(research)))
    bench.tick(after=61)
    assert bench.study().state is State.RECEIVING
    assert bench.study().copying is None
    bench.tick(after=61)
    assert bench.study().state is State.ROUTED
    assert names_in(research) == bench.names() == [f"MR.{S1}.1", f"MR.{S1}.2"]


def test_what_the_destination_has_already_stays(bench: Bench, research: Path) -> None:
    (research / f"MR.{S1}.1").write_bytes(b"somebody's")
    bench.take_in(image(1, path=str(research)))
    assert bench.study().state is State.ROUTED
    assert (research / f"MR.{S1}.1").read_bytes() == b"somebody's"
    (beside,) = set(names_in(research)) - {f"MR.{S1}.1"}
    assert (research / beside).read_bytes() == (bench.directory() / f"MR.{S1}.1").read_bytes()
    (said,) = bench.events("beside")
    assert said.endswith(beside)
