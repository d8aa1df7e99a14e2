"""Each night what is old goes, unless the clock cannot be trusted, somebody uses it, or it just came."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.dock import keeper as module
from mrdock.dock import queries, retention
from mrdock.dock.settings import RetentionSettings
from mrdock.dock.states import State
from mrdock.dock.store import lock_study
from tests.dock.support import DAY, STUDY, Bench, days, image, there


@pytest.fixture(autouse=True)
def utc(in_zone: Callable[[str], None]) -> None:
    """Nights by UTC; the bench's clock begins at 10 o'clock."""
    in_zone("UTC")


def retain(bench: Bench, **settings: object) -> None:
    """Other settings of retention."""
    chosen = RetentionSettings(**settings)  # type: ignore[arg-type]
    bench.settings = replace(bench.settings, retention=chosen)
    bench.keeper.settings = bench.settings


# ---- the usual ----


def test_a_study_goes_in_the_night_after_its_thirtieth_day(bench: Bench) -> None:
    bench.tick()
    bench.take_in(image(1))
    (name,) = bench.store.study_names()
    days(bench, 29)
    days(bench, 1.5, step=3600)  # the night before the thirtieth day is over
    assert there(bench) == [STUDY]
    days(bench, 0.25, step=3600)
    assert there(bench) == []
    assert bench.leftovers() == []
    (said,) = bench.events("deleted")
    assert said.startswith(f"{name}: last image received 2026-01-05 10:00, more than 30 days ago")


def test_a_new_dock_waits_for_its_first_night(bench: Bench) -> None:
    bench.take_in(image(1))
    bench.index.set_study(STUDY, last_received=bench.clock.wall - 100 * DAY)
    bench.tick(after=3600)
    assert there(bench) == [STUDY]
    bench.tick(after=17 * 3600)
    assert there(bench) == []


def test_files_times_say_nothing(bench: Bench) -> None:
    bench.tick()
    bench.take_in(image(1), image(1, study="1.2.4"))
    for path in bench.store.root.glob("2*/*"):
        os.utime(path, (0, 0) if STUDY in path.name else (4e9, 4e9))
    days(bench, 29)
    assert len(there(bench)) == 2
    days(bench, 3)
    assert there(bench) == []


def test_a_late_image_gives_a_study_its_whole_time_again(bench: Bench) -> None:
    bench.tick()
    bench.take_in(image(1))
    days(bench, 29)
    bench.take_in(image(2))
    days(bench, 29)
    assert there(bench) == [STUDY]
    days(bench, 3)
    assert there(bench) == []


@pytest.mark.parametrize("state", [State.RECEIVING, State.COMPLETE, State.WAITING])
def test_what_is_being_received_or_routed_stays(bench: Bench, research: Path, state: State) -> None:
    bench.tick()
    bench.change(mount_points=(research,))
    if state is State.RECEIVING:
        with bench.association() as association:
            association.send(image(1))
            days(bench, 40)
            assert there(bench) == [STUDY]
            assert bench.study().state is state
        return
    bench.take_in(image(1, path=str(research)))
    if state is State.COMPLETE:
        bench.keeper.stop()
        bench.index.set_study(STUDY, state=state)
    days(bench, 40)
    assert there(bench) == [STUDY]
    assert bench.study().state is state


def test_other_directories_and_files_stay(bench: Bench) -> None:
    bench.tick()
    bench.take_in(image(1))
    (bench.store.root / "thesis").mkdir()
    (bench.store.root / "20200101_000000_12345678").mkdir()  # looks like a study, is none
    (bench.store.root / "notes.txt").write_text("x")
    days(bench, 40)
    assert queries.all_studies(bench.index) == []
    assert {path.name for path in bench.store.root.iterdir()} == {
        ".mrdock", ".mrdock-store", "quarantine", "thesis", "20200101_000000_12345678", "notes.txt",
    }  # fmt: skip


# ---- held ----


def test_held_studies_are_announced_once_and_go(bench: Bench) -> None:
    bench.tick()
    bench.take_in(image(1, path="/nowhere"))
    days(bench, 26)
    assert bench.events("announced") == []
    days(bench, 2)
    (said,) = bench.events("announced")
    assert said == "held, and will be deleted after 2026-02-04 10:00 unless its route is mended"
    days(bench, 1.5)
    assert there(bench) == [STUDY]
    days(bench, 2)
    assert there(bench) == []
    assert len(bench.events("announced")) == 1


def test_held_studies_that_are_to_be_kept_stay_unannounced(bench: Bench) -> None:
    retain(bench, keep_held=True)
    bench.tick()
    bench.take_in(image(1, path="/nowhere"), image(1, study="1.2.4"))
    days(bench, 60)
    assert there(bench) == [STUDY]
    assert bench.events("announced") == []


def test_a_study_that_is_held_anew_is_announced_anew(bench: Bench) -> None:
    bench.tick()
    bench.take_in(image(1, path="/nowhere"))
    days(bench, 28)
    bench.take_in(image(2, path="/nowhere"))
    days(bench, 28)
    assert len(bench.events("announced")) == 2


# ---- in use, just come, cut short ----


def aged(bench: Bench) -> None:
    """A study that is old enough to go."""
    bench.tick()
    bench.take_in(image(1))
    days(bench, 2)
    bench.index.set_study(STUDY, last_received=bench.clock.wall - 31 * DAY)


def sweep(bench: Bench) -> list[tuple[retention.Expiry, str]]:
    """What a person says with ``mrdock sweep``."""
    return module.sweep(bench.store, bench.index, bench.settings, bench.now)


def test_a_study_whose_directory_is_in_use_stays(bench: Bench) -> None:
    aged(bench)
    using = lock_study(bench.store, bench.study().directory, STUDY)
    assert using is not None
    results = sweep(bench)
    assert [stayed for _, stayed in results] == ["it is in use"]
    assert there(bench) == [STUDY]
    os.close(using.descriptor)
    sweep(bench)
    assert there(bench) == []


def test_a_study_with_an_image_that_the_index_has_not_heard_of_stays(bench: Bench) -> None:
    aged(bench)
    bench.journal.deaf = True
    bench.send(image(2))
    bench.journal.deaf = False
    results = sweep(bench)
    assert [stayed for _, stayed in results] == ["an image has just been received"]
    assert len(bench.names()) == 2


def test_other_people_s_files_do_not_keep_a_study(bench: Bench) -> None:
    aged(bench)
    (bench.directory() / "notes.txt").write_text("x")
    sweep(bench)
    assert there(bench) == []


def test_a_study_that_somebody_moved_away_is_forgotten(bench: Bench, tmp_path: Path) -> None:
    aged(bench)
    bench.directory().rename(tmp_path / "taken")
    sweep(bench)
    assert there(bench) == []
    assert len(os.listdir(tmp_path / "taken")) == 2


def test_a_deletion_that_is_cut_short_is_finished_by_the_next_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    aged(bench)
    with monkeypatch.context() as patch:
        patch.setattr(retention, "delete_tree", die)
        with pytest.raises(Died):
            sweep(bench)
    assert list(bench.store.study_names()) == []
    assert len(bench.leftovers()) == 1
    bench.close()
    bench.open()
    bench.store.sweep_incoming()
    assert bench.leftovers() == []
    assert there(bench) == []


def test_a_trash_that_holds_the_same_name_already_does_not_stop_the_night(bench: Bench) -> None:
    """What could not be deleted lies there until the next start; the study came again and is old again."""
    aged(bench)
    bench.take_in(image(1, study="1.2.4"))
    bench.index.set_study("1.2.4", last_received=bench.clock.wall - 31 * DAY)
    shutil.copytree(bench.directory(), bench.store.root / ".mrdock/trash" / bench.directory().name)
    sweep(bench)
    assert there(bench) == []


def test_a_study_that_cannot_be_moved_away_stays_known_and_the_others_go(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    aged(bench)
    bench.take_in(image(1, study="1.2.4"))
    bench.index.set_study("1.2.4", last_received=bench.clock.wall - 31 * DAY)
    real: Callable[..., None] = os.rename
    name = bench.directory().name

    def rename(source: str, target: str, **more: int) -> None:
        if source == name:
            raise OSError(errno.EIO, "Input/output error")
        real(source, target, **more)

    monkeypatch.setattr(os, "rename", rename)
    results = sweep(bench)
    assert there(bench) == [STUDY]
    assert [stayed == "" for _, stayed in sorted(results, key=lambda item: item[0].study.uid)] == [False, True]


def test_what_was_refused_long_ago_leaves_the_quarantine(bench: Bench) -> None:
    root = bench.store.root / "quarantine"
    old, new = "20251001T000000_a_1", "20260104T000000_a_2"
    for name in (f"{old}.dcm", f"{old}.json", f"{new}.dcm", f"{new}.json", "notes.txt"):
        (root / name).write_text("x")
    sweep(bench)
    assert sorted(os.listdir(root)) == [f"{new}.dcm", f"{new}.json", "notes.txt"]


def test_old_events_are_forgotten_with_the_night_s_sweep(bench: Bench) -> None:
    bench.take_in(image(1))
    assert bench.events()
    bench.clock.pass_(200 * DAY)
    sweep(bench)
    assert all("image" not in text or "received" in text for text in bench.events())
