"""What is due is done, by the monotonic clock where time has to pass, once, and whatever else goes wrong."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.dock import keeper as module
from mrdock.dock import status, store
from mrdock.dock.index import Index
from mrdock.dock.keeper import Keeper, run_beside
from mrdock.dock.queries import StudyRow
from mrdock.dock.routing import destinations
from mrdock.dock.states import State
from mrdock.errors import StoreError
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, part10
from tests.dock.support import STUDY, Bench, from_part10, image, names_in, record_of

# ---- completion ----


def test_a_study_is_complete_when_it_has_been_quiet(bench: Bench) -> None:
    bench.send(image(1))
    bench.tick(after=59.9)
    assert bench.study().state is State.RECEIVING
    bench.tick(after=0.1)
    assert bench.study().state is State.KEPT
    assert bench.study().completed == bench.clock.wall
    assert bench.events("complete") == ["1 image in 1 series"]
    assert [line["event"] for line in record_of(bench.directory())] == ["study", "complete"]


def test_the_quiet_time_is_the_one_that_was_set(bench: Bench) -> None:
    completion = replace(bench.settings.completion, quiet_seconds=2.0)
    bench.keeper.settings = replace(bench.settings, completion=completion)
    bench.send(image(1))
    bench.tick(after=1.9)
    assert bench.study().state is State.RECEIVING
    bench.tick(after=0.1)
    assert bench.study().state is State.KEPT


def test_each_image_starts_the_time_anew(bench: Bench) -> None:
    for number in range(5):
        bench.send(image(number))
        bench.tick(after=50)
        assert bench.study().state is State.RECEIVING
    bench.tick(after=10)
    assert bench.study().state is State.KEPT


@pytest.mark.parametrize("jump", [-50 * 365 * 86400.0, -7200.0, 7200.0, 50 * 365 * 86400.0])
def test_the_wall_clock_does_not_matter(bench: Bench, jump: float) -> None:
    bench.send(image(1))
    bench.clock.wall += jump
    bench.tick(after=59)
    assert bench.study().state is State.RECEIVING
    bench.tick(after=1)
    assert bench.study().state is State.KEPT


def test_an_open_association_holds_its_studies_back_and_no_others(bench: Bench) -> None:
    with bench.association() as first:
        first.send(image(1))
        with bench.association() as second:
            second.send(image(2))
            second.send(image(1, study="1.2.4"))
        bench.tick(after=1000)
        assert bench.study().state is State.RECEIVING
        assert bench.study("1.2.4").state is State.KEPT
    bench.tick()
    assert bench.study().state is State.KEPT


def test_an_association_that_only_brought_what_was_there_holds_nothing_back(bench: Bench) -> None:
    bench.send(image(1))
    with bench.association() as association:
        association.send(image(1))
        bench.tick(after=61)
        assert bench.study().state is State.KEPT


def test_a_late_image_reopens_and_completes_again(bench: Bench) -> None:
    bench.take_in(image(1))
    first = bench.study().completed
    bench.send(image(2))
    assert bench.study().state is State.RECEIVING
    bench.tick(after=61)
    assert bench.study().state is State.KEPT
    assert bench.study().completed != first
    assert bench.events("complete") == ["1 image in 1 series", "2 images in 1 series"]


def test_an_image_that_comes_while_its_study_is_judged_keeps_it_open(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks_of(*_: object) -> list[module.Look]:
        monkeypatch.setattr(module, "looks_of", real)
        bench.send(image(2))
        return []

    real = module.looks_of
    monkeypatch.setattr(module, "looks_of", looks_of)
    bench.send(image(1))
    bench.tick(after=61)
    assert bench.study().state is State.RECEIVING
    assert bench.events("complete") == []
    bench.tick(after=61)
    assert bench.study().state is State.KEPT


def test_what_is_missing_by_the_headers_is_said_for_each_form(bench: Bench) -> None:
    who = StudyIdentity()
    classic = classic_fmri(who, slices=4, dynamics=3, missing={(2, 3), (3, 3), (4, 3)})
    bench.send(*(from_part10(part10(each)) for each in [*classic, enhanced_mr(who, series_number=201)]))
    bench.tick(after=61)
    enhanced, cut = json.loads(bench.study(who.study_uid).looks)
    assert (enhanced["series"], enhanced["form"], enhanced["whole"]) == (who.series_uid(201), "enhanced", True)
    assert (cut["series"], cut["form"], cut["whole"]) == (who.series_uid(201), "classic", False)
    assert cut["text"].startswith("series 201 (classic): 9 of 12 ")
    assert bench.events("complete") == [f"10 images in 1 series; {cut['text']}"]
    assert record_of(bench.directory(who.study_uid))[1]["looks"] == bench.study(who.study_uid).looks


def test_a_whole_study_looks_whole(bench: Bench) -> None:
    who = StudyIdentity()
    bench.send(*(from_part10(part10(each)) for each in classic_fmri(who)))
    bench.tick(after=61)
    assert looks_whole(bench, who) is True
    assert bench.events("complete") == ["12 images in 1 series"]


def test_what_promises_nothing_looks_neither_whole_nor_cut(bench: Bench) -> None:
    bench.take_in(image(1))
    (study,) = status.gather(bench.store, bench.index, bench.settings, bench.now).studies
    assert study.whole is None
    assert study.missing == []


def looks_whole(bench: Bench, who: StudyIdentity) -> bool | None:
    """Whether a study looks whole, by its status."""
    found = status.gather(bench.store, bench.index, bench.settings, bench.now).studies
    (whole,) = [study.whole for study in found if study.study == who.study_uid]
    return whole


def test_the_missing_image_comes_late_and_nothing_is_missing_any_more(bench: Bench) -> None:
    who = StudyIdentity()
    images = [from_part10(part10(each)) for each in classic_fmri(who)]
    bench.take_in(*images[:-1])
    assert looks_whole(bench, who) is False
    bench.take_in(images[-1])
    assert looks_whole(bench, who) is True


# ---- one study's trouble is not another's ----


def failing_for(study: str, real: Callable[..., object], code: int) -> Callable[..., object]:
    """`lock_study`, which fails for one study."""

    def lock(where: object, name: str, uid: str, **more: bool) -> object:
        if uid == study:
            raise OSError(code, os.strerror(code), name)
        return real(where, name, uid, **more)

    return lock


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_a_directory_that_cannot_be_opened_does_not_keep_other_studies_from_completing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    bench.send(image(1), image(1, study="1.2.4"), image(1, study="1.2.5"))
    monkeypatch.setattr(module, "lock_study", failing_for("1.2.4", store.lock_study, code))
    bench.tick(after=61)
    assert [bench.study(uid).state for uid in (STUDY, "1.2.5")] == [State.KEPT] * 2


def test_a_record_that_cannot_be_written_does_not_keep_a_study_from_completing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.send(image(1))
    monkeypatch.setattr(module.record, "append", fail)  # type: ignore[attr-defined]
    bench.tick(after=61)
    assert bench.study().state is State.KEPT


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_looking_for_what_was_taken_survives_a_disk_that_fails(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    bench.take_in(image(1), image(2), image(1, study="1.2.4"), image(2, study="1.2.4"))
    for uid in (STUDY, "1.2.4"):
        (bench.directory(uid) / f"MR.{uid}.1.1").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(module.record, "append", fail)  # type: ignore[attr-defined]
        bench.tick(after=1000)
    bench.tick(after=1000)
    assert [row.taken is None for row in bench.images()] == [False, True]


def test_what_was_taken_is_noticed_within_a_quarter_of_an_hour(bench: Bench, tmp_path: Path) -> None:
    bench.take_in(image(1), image(2), image(1, study="1.2.4"))
    bench.tick(after=1000)
    (bench.directory() / f"MR.{STUDY}.1.1").rename(tmp_path / "taken")
    bench.directory("1.2.4").rename(tmp_path / "whole")
    bench.tick(after=900)
    assert [row.taken is None for row in bench.images()] == [False, True]
    assert [row.taken is None for row in bench.images("1.2.4")] == [False]
    (tmp_path / "taken").rename(bench.directory() / f"MR.{STUDY}.1.1")
    (tmp_path / "whole").rename(bench.directory("1.2.4"))
    bench.tick(after=900)
    assert [row.taken for row in bench.images() + bench.images("1.2.4")] == [None] * 3


# ---- jobs ----


def test_jobs_run_beside_and_two_at_a_time_to_one_place(bench: Bench, research: Path) -> None:
    jobs: list[Callable[[], None]] = []
    bench.keeper = Keeper(bench.store, bench.index, bench.settings, jobs.append)
    bench.send(*(image(1, study=f"1.2.{number}", path=str(research)) for number in range(4)))
    bench.tick(after=61)
    assert (len(jobs), bench.keeper.busy) == (2, True)
    bench.tick(after=1)
    assert len(jobs) == 2  # they hang; receiving and completing go on, and so do studies that go nowhere
    bench.take_in(image(1, study="1.2.9"))
    assert bench.study("1.2.9").state is State.COMPLETE
    bench.tick(after=1)
    assert len(jobs) == 3
    for job in jobs:
        job()
    bench.tick(after=1)
    for job in jobs[3:]:
        job()
    assert (len(jobs), bench.keeper.busy) == (5, False)
    assert len(names_in(research)) == 4


def test_a_study_that_cannot_be_planned_keeps_no_other_from_being_copied(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(index: Index, row: StudyRow) -> frozenset[str]:
        if row.uid == STUDY:
            raise ValueError("by a fault of ours")
        return destinations(index, row)

    monkeypatch.setattr(module, "destinations", fail)
    bench.send(image(1, path=str(research)), image(1, study="1.2.9", path=str(research)))
    bench.tick(after=61)
    assert [bench.study(uid).state for uid in (STUDY, "1.2.9")] == [State.ROUTED, State.ROUTED]


def test_one_study_is_copied_by_one_job(bench: Bench, research: Path) -> None:
    jobs: list[Callable[[], None]] = []
    bench.keeper = Keeper(bench.store, bench.index, bench.settings, jobs.append)
    bench.send(image(1, path=str(research)))
    for _ in range(3):
        bench.tick(after=61)
    assert len(jobs) == 1
    assert bench.study().copying is not None


def test_a_keeper_that_is_to_stop_starts_nothing(bench: Bench, research: Path) -> None:
    bench.send(image(1, path=str(research)))
    bench.keeper.stop()
    bench.tick(after=61)
    assert bench.study().state is State.COMPLETE
    assert not bench.keeper.busy


def test_a_job_that_finds_the_index_gone_is_due_again(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("the index cannot be used: it is gone")

    bench.send(image(1, path=str(research)))
    with monkeypatch.context() as patch:
        patch.setattr(module, "route_study", fail)
        bench.tick(after=61)
    assert not bench.keeper.busy
    bench.tick()
    assert bench.study().state is State.ROUTED


def test_a_job_beside_is_a_thread_that_keeps_nobody_from_ending() -> None:
    import threading

    seen: list[threading.Thread] = []
    done = threading.Event()

    def job() -> None:
        seen.append(threading.current_thread())
        done.set()

    run_beside(job)
    assert done.wait(10)
    assert seen[0] is not threading.current_thread()
    assert seen[0].daemon
