"""A start brings the index up to the files: after a crash, and after people were in the store."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.dock import reconcile as module
from mrdock.dock import record, service
from mrdock.dock.entries import Received
from mrdock.dock.journal import Arrival
from mrdock.dock.journal import row_of as real_row_of
from mrdock.dock.reconcile import Report, reconcile
from mrdock.dock.record import PRIVATE_CREATOR, Receipt
from mrdock.dock.settings import RouteSettings
from mrdock.dock.states import State
from tests.builders import bulk_classic
from tests.dock.support import EXPLICIT, STUDY, Bench, Image, dump, image


def restart(bench: Bench) -> Report:
    """A dock starts on the store, as after a crash."""
    bench.close()
    bench.open()
    return reconcile(bench.store, bench.index, bench.settings, bench.now)


def crash_while_receiving(bench: Bench, *images: Image) -> None:
    """Images are stored and acknowledged, and the process dies before the index hears of them."""
    bench.journal.deaf = True
    assert [outcome.status for outcome in bench.send(*images)] == [0] * len(images)
    bench.journal.deaf = False


def test_nothing_to_do_changes_nothing(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(2, path="/nowhere", series=2))
    before = dump(bench.index)
    assert restart(bench) == Report(studies=1, images=2)
    assert restart(bench) == Report(studies=1, images=2)
    assert dump(bench.index) == before


def test_images_that_the_index_did_not_hear_of_are_found(bench: Bench, research: Path) -> None:
    bench.take_in(image(1, path=str(research)))
    before = dump(bench.index)["instances"]
    crash_while_receiving(bench, image(2, path=str(research)), image(1, study="1.2.4"))
    report = restart(bench)
    assert (report.studies, report.images, report.found) == (2, 3, 2)
    assert {row.name for row in bench.images()} == set(bench.names())
    assert dump(bench.index)["instances"][0] == before[0]
    assert bench.study().state is bench.study("1.2.4").state is State.RECEIVING
    bench.tick(after=61)
    assert bench.study().state is State.ROUTED
    assert bench.study("1.2.4").state is State.KEPT
    assert sorted(os.listdir(research)) == bench.names()


def test_what_is_found_is_what_would_have_been_written(bench: Bench) -> None:
    images = [image(1), image(1, pixels=b"\3\4"), image(2, series=2, path="/x")]
    crash_while_receiving(bench, *images)
    restart(bench)
    found = dump(bench.index, ["instances", "series"])
    bench.index.forget_study(STUDY)
    shutil.rmtree(next(bench.store.root.glob("2*")))
    bench.clock.wall = min(row["received"] for row in found["instances"]) - 0.002
    bench.send(*images)
    written = dump(bench.index, ["instances", "series"])
    for row in [*found["instances"], *written["instances"]]:
        del row["received"], row["association"]
    assert found == written


def test_files_that_are_not_the_dock_s_are_left_alone(bench: Bench, tmp_path: Path) -> None:
    bench.take_in(image(1))
    directory = bench.directory()
    (directory / "notes.txt").write_text("mine")
    (directory / "empty").touch()
    (directory / "IM_0001").write_bytes(next(bulk_classic(1)))  # DICOM, but no receipt of ours
    shutil.copy(directory / "MR.1.2.3.1.1", tmp_path / "other")
    (directory / ".hidden").write_bytes((tmp_path / "other").read_bytes())
    (directory / "results").mkdir()
    (directory / "link").symlink_to(tmp_path / "other")
    os.mkfifo(directory / "fifo")
    torn = (tmp_path / "other").read_bytes()
    (directory / "torn").write_bytes(torn[:-1])
    (directory / "only its beginning").write_bytes(torn[:200])
    (bench.store.root / "thesis").mkdir()
    before = {path: path.lstat().st_mtime_ns for path in bench.store.root.glob("2*/*")}
    report = restart(bench)
    assert report == Report(studies=1, images=1, unknown=5)
    assert [row.name for row in bench.images()] == ["MR.1.2.3.1.1"]
    assert {path: path.lstat().st_mtime_ns for path in bench.store.root.glob("2*/*")} == before


def test_an_image_of_another_study_is_not_taken_over(bench: Bench) -> None:
    bench.take_in(image(1), image(1, study="1.2.4"))
    shutil.copy(bench.directory("1.2.4") / "MR.1.2.4.1.1", bench.directory() / "MR.1.2.4.1.1")
    assert restart(bench).unknown == 1
    assert [row.name for row in bench.images()] == ["MR.1.2.3.1.1"]


def test_a_directory_that_does_not_say_whose_it_is_is_passed_over(bench: Bench) -> None:
    (bench.store.root / "20260105_101500_1a2b3c4d").mkdir()
    (bench.store.root / "20260105_101500_1a2b3c4e").mkdir()
    (bench.store.root / "20260105_101500_1a2b3c4e" / ".mrdock-study").write_text("no json\n")
    assert restart(bench) == Report()


def test_a_study_without_an_image_is_none(bench: Bench) -> None:
    bench.send(Image("1.2.840.10008.5.1.4.1.1.4", "1.9", image().data))
    directory = bench.receiver.directories.acquire("1.2.9", "", "")
    bench.receiver.directories.release(directory)
    assert restart(bench).images == 0
    assert dump(bench.index)["studies"] == []


def test_what_was_taken_while_no_dock_ran_is_marked(bench: Bench) -> None:
    bench.take_in(image(1), image(2), image(1, study="1.2.4"))
    (bench.directory() / "MR.1.2.3.1.1").unlink()
    shutil.rmtree(bench.directory("1.2.4"))
    report = restart(bench)
    assert report.taken == 2
    assert [row.taken is None for row in bench.images()] == [False, True]
    assert [row.taken is None for row in bench.images("1.2.4")] == [False]
    assert restart(bench).taken == 0


def test_what_is_back_is_marked_too(bench: Bench, tmp_path: Path) -> None:
    bench.take_in(image(1), image(1, study="1.2.4"))
    whole, one = bench.directory("1.2.4"), bench.directory() / "MR.1.2.3.1.1"
    whole.rename(tmp_path / "whole")
    one.rename(tmp_path / "one")
    assert restart(bench).taken == 2
    (tmp_path / "whole").rename(whole)
    (tmp_path / "one").rename(one)
    assert restart(bench).back == 2
    assert [row.taken for row in bench.images() + bench.images("1.2.4")] == [None, None]


def test_a_start_ends_associations_sweeps_and_lets_studies_be_quiet_anew(bench: Bench) -> None:
    """What `serve` does first; times are this machine's here."""
    with bench.association() as association:
        association.send(image(1))
        (bench.store.root / ".mrdock/incoming/99-1.part").write_text("half an image")
        (bench.store.root / ".mrdock/trash/20260105_101500_1a2b3c4d").mkdir()
        bench.index.close()
        report = service._prepare(bench.store, bench.settings)
        assert report == Report(studies=1, images=1)
        assert bench.leftovers() == []
        assert dump(bench.index, ["associations"])["associations"][0]["how"] == "the dock ended"


@pytest.mark.parametrize("event", ["routed", "taken"])
def test_what_the_record_says_of_images_before_they_came_again_does_not_count(
    bench: Bench, research: Path, event: str
) -> None:
    """Routed, taken, sent again, not yet routed again: a restart must not believe the old lines."""
    bench.take_in(image(1, path=str(research)))
    if event == "taken":
        (research / "MR.1.2.3.1.1").unlink()
    (bench.directory() / "MR.1.2.3.1.1").unlink()
    bench.tick(after=1000)
    bench.send(image(1, path=str(research)))
    assert [(row.routed, row.taken) for row in bench.images()] == [(None, None)]
    restart(bench)
    assert [(row.routed, row.taken) for row in bench.images()] == [(None, None)]
    bench.tick(after=61)
    assert (research / "MR.1.2.3.1.1").is_file()


def test_a_restart_does_not_take_back_what_the_record_could_not_be_told(
    bench: Bench, research: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was too full for the last line: the index knows better, and stays."""
    bench.change(mount_points=(research,))
    bench.take_in(image(1, path=str(research)))
    bench.change(mount_points=())
    real = record.append

    def append(directory: int, event: str, wall: float, **facts: object) -> None:
        if event == "route":
            raise OSError(28, "No space left on device")
        real(directory, event, wall, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(record, "append", append)
        bench.tick(after=30)
    assert bench.study().state is State.ROUTED
    before = bench.routes()
    restart(bench)
    assert bench.study().state is State.ROUTED
    assert bench.routes() == before


def test_a_hand_made_file_with_a_receipt_is_an_image(bench: Bench) -> None:
    """As after a restore from backup: the receipt says when it came."""
    bench.take_in(image(1))
    sent = image(2)
    meta = FileMeta(sent.sop_class, sent.uid, EXPLICIT, "S", PRIVATE_CREATOR, Receipt(1e9, "before").encode())
    (bench.directory() / f"MR.{sent.uid}").write_bytes(encode_file_meta(meta) + sent.data)
    assert restart(bench).found == 1
    assert bench.study().first_received == 1e9
    assert bench.images()[0].association == "before"


def test_a_study_that_cannot_be_read_is_passed_over_and_not_taken(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.take_in(image(1), image(1, study="1.2.4"))
    real = record.study_of

    def study_of(directory: int) -> str | None:
        uid = real(directory)
        if uid == STUDY:
            raise OSError(5, "Input/output error")
        return uid

    monkeypatch.setattr(record, "study_of", study_of)
    assert restart(bench) == Report(studies=1, images=1)
    assert [row.taken for row in bench.images()] == [None]


def test_a_file_that_nobody_can_make_sense_of_keeps_no_dock_from_starting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_while_receiving(bench, image(1), image(2), image(3))

    def row_of(arrival: Arrival, route: RouteSettings) -> Received:
        if arrival.name.endswith(".2"):
            raise LookupError("unknown encoding")
        return replace(real_row_of(arrival, route), size=1 << 70 if arrival.name.endswith(".3") else arrival.size)

    monkeypatch.setattr(module, "row_of", row_of)
    report = restart(bench)
    assert (report.images, report.found, report.unknown) == (1, 1, 1)
    assert [row.name for row in bench.images()] == ["MR.1.2.3.1.1"]
