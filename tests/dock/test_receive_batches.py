"""Images that are kept together: what befalls one between its steps is no harm to the others, nor to the dock."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import tracemalloc
from pathlib import Path

import pytest

from mrdock.dock import receive
from mrdock.dock.receive import ImageSink
from mrdock.network.dimse import Status
from tests.dock.support import Association, Bench, Image, fragments, image

FULL = Status.OUT_OF_RESOURCES


def sealed(association: Association, each: Image) -> ImageSink:
    """An image that has come whole."""
    sink = association.begin(each)
    for fragment in fragments(each.data):
        sink.write(fragment)
    sink.seal()
    return sink


def descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_a_study_that_is_taken_between_two_images_of_a_batch(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first image goes with the directory, the second gets a new one, and the disk is not taken for broken."""
    bench.take_in(image(0))
    before = descriptors()
    with bench.association() as association:
        first, second = (sealed(association, image(number)) for number in (1, 2))
        first.place()
        taken = tmp_path / "taken"
        shutil.move(bench.directory(), taken)
        second.place()
        synced: list[str] = []
        fsync = os.fsync

        def noted(descriptor: int) -> None:
            synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", noted)
        outcomes = [first.finish(), second.finish()]
        for sink in (first, second):
            sink.settle()
    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert synced == [str(taken), str(bench.directory())]
    assert bench.store.broken is None
    assert (taken / f"MR.{image(1).uid}").exists()
    assert bench.names() == [f"MR.{image(2).uid}"]
    assert descriptors() == before


def test_a_copy_of_an_image_whose_name_was_taken_back_is_not_acknowledged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another association's fsync fails for the first one, then comes the same image again, whose fsync succeeds."""
    bench.take_in(image(0))
    with bench.association() as association, bench.association("SCANNER2") as other:
        first, again, third = (sealed(on, image(n)) for on, n in ((association, 1), (association, 1), (other, 2)))
        first.place()
        third.place()
        fsync = os.fsync

        def no_room(_: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", no_room)
        assert third.finish().status == FULL
        monkeypatch.setattr(os, "fsync", fsync)
        again.place()
        assert first.finish().status == FULL
        assert again.finish().status == FULL
        for sink in (first, again, third):
            sink.settle()
    assert bench.names() == [f"MR.{image(0).uid}"]
    assert bench.send(image(1))[0].status == 0


def test_a_file_that_cannot_be_closed_well_is_closed_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS tells of late writes when a file is closed; its descriptor is another's then."""
    bench.take_in(image(0))
    close = os.close
    closed: list[int] = []

    def late(descriptor: int) -> None:
        close(descriptor)
        closed.append(descriptor)
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with bench.association() as association:
        sink = sealed(association, image(1))
        monkeypatch.setattr(os, "close", late)
        sink.discard()
        sink.discard()
        monkeypatch.undo()
    assert len(closed) == 1
    assert bench.leftovers() == []


def test_an_image_that_has_its_name_is_told_of_when_its_batch_ends_by_a_fault(bench: Bench) -> None:
    """Nobody was told Success, but it is there, whole: the index knows of it, and the same image again is as good."""
    bench.take_in(image(0))
    with bench.association() as association:
        sink = sealed(association, image(1))
        sink.place()
        sink.discard()
    assert (
        sorted(row.name for row in bench.images())
        == sorted(bench.names())
        == [f"MR.{image(number).uid}" for number in (0, 1)]
    )
    assert bench.send(image(1))[0].status == 0
    assert bench.leftovers() == []


@pytest.mark.parametrize("missing", [0, 1], ids=["whole", "refused"])
def test_a_sealed_image_takes_no_memory(bench: Bench, missing: int) -> None:
    """Eight of them may wait in each of many associations."""
    with bench.association() as association:
        each = image(1, pixels=bytes(900_000))
        gc.disable()
        tracemalloc.start()
        try:
            sink = association.begin(each)
            for fragment in fragments(each.data[: len(each.data) - missing]):
                sink.write(fragment)
            assert tracemalloc.get_traced_memory()[0] > 900_000
            sink.seal()
            assert tracemalloc.get_traced_memory()[0] < 300_000
        finally:
            tracemalloc.stop()
            gc.enable()
        sink.place()
        assert (sink.finish().status == 0) == (not missing)
        sink.settle()


def test_what_was_synced_while_it_came_stays_in_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The header of a large object stands there, and is read next."""
    monkeypatch.setattr(receive, "SPILL", 10_000)
    monkeypatch.setattr(receive, "_FLUSH", 50_000)
    begun: list[int] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, start, *__: begun.append(start))
    for number, pixels in enumerate((bytes(120_000), b"12")):
        assert bench.send(image(number, pixels=pixels))[0].status == 0
    assert begun[0] > 100_000
    assert begun[1] == 0
