"""People are in the store while the dock works: what they move or delete by hand must cost no acknowledged image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mrdock.dock import queries, record
from mrdock.dock.keeper import sweep
from mrdock.dock.reconcile import rebuild
from mrdock.dock.states import State
from tests.dock.support import DAY, STUDY, Bench, image, names_in, stored_file


def test_a_study_that_is_deleted_while_its_association_is_open_is_made_anew(bench: Bench) -> None:
    with bench.association() as association:
        assert association.send(image(1)).status == 0
        directory = bench.directory()
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()
        assert association.send(image(2)).status == 0
        assert association.send(image(3)).status == 0
    assert bench.names() == [f"MR.{STUDY}.1.2", f"MR.{STUDY}.1.3"]
    assert record.first_line(STUDY) in (bench.directory() / record.NAME).read_bytes()


def test_a_study_that_is_moved_away_while_its_association_is_open_gets_no_more_images_there(
    bench: Bench, tmp_path: Path
) -> None:
    """An image is acknowledged when it is in the store, not in a directory that was there when it began."""
    with bench.association() as association:
        assert association.send(image(1)).status == 0
        bench.directory().rename(tmp_path / "taken")
        assert association.send(image(2)).status == 0
    assert names_in(tmp_path / "taken") == [f"MR.{STUDY}.1.1"]
    assert bench.names() == [f"MR.{STUDY}.1.2"]


def test_an_image_that_is_deleted_just_before_it_comes_again_is_there(bench: Bench) -> None:
    with bench.association() as association:
        assert association.send(image(1)).status == 0
        (bench.directory() / f"MR.{STUDY}.1.1").unlink()
        assert association.send(image(1)).status == 0
    assert stored_file(bench.directory() / f"MR.{STUDY}.1.1")[1] == image(1).data


@pytest.mark.parametrize("content", [None, b"", b"\0" * 100], ids=["deleted", "emptied", "damaged"])
def test_a_study_that_lost_its_record_is_not_taken_for_taken(
    bench: Bench, research: Path, content: bytes | None
) -> None:
    bench.send(image(1, path=str(research)))
    place = bench.directory() / record.NAME
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    bench.tick(after=61)
    bench.tick(after=1000)
    assert [row.taken for row in bench.images()] == [None]


def test_a_study_that_lost_its_record_is_not_lost_for_a_rebuilt_index(bench: Bench) -> None:
    bench.send(image(1), image(2))
    (bench.directory() / record.NAME).unlink()
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert queries.counts(bench.index)[STUDY].images == 2


def test_a_late_image_of_a_study_that_lost_its_record_is_kept(bench: Bench) -> None:
    bench.take_in(image(1))
    (bench.directory() / record.NAME).unlink()
    bench.send(image(2))
    found = {path.name for path in bench.store.root.glob("2*/MR.*")}
    assert found == {f"MR.{STUDY}.1.1", f"MR.{STUDY}.1.2"}


def test_what_was_put_aside_and_back_is_routed_once(bench: Bench, research: Path, tmp_path: Path) -> None:
    bench.take_in(image(1, path=str(research)), image(2, path=str(research)))
    bench.directory().rename(tmp_path / "aside")
    bench.tick(after=1000)
    assert all(row.taken is not None for row in bench.images())
    (tmp_path / "aside").rename(bench.store.root / bench.study().directory)
    bench.tick(after=1000)
    assert [row.taken for row in bench.images()] == [None, None]
    assert bench.study().state is State.ROUTED
    assert names_in(research) == bench.names()


def test_a_study_directory_under_another_name_is_found_by_the_next_start(bench: Bench) -> None:
    bench.take_in(image(1))
    old = bench.directory()
    renamed = bench.store.root / f"19990101_000000_{old.name.split('_')[2]}"
    old.rename(renamed)
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert bench.directory() == renamed
    bench.send(image(2))
    assert names_in(renamed) == [f"MR.{STUDY}.1.1", f"MR.{STUDY}.1.2"]


def test_a_copy_of_a_study_directory_confuses_nobody(bench: Bench, tmp_path: Path) -> None:
    """Somebody made a backup in the store: the same study twice."""
    import shutil

    bench.take_in(image(1))
    shutil.copytree(bench.directory(), bench.store.root / f"19990101_000000_{bench.directory().name.split('_')[2]}")
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    assert bench.images()[0].taken is None
    bench.send(image(2))
    bench.index.set_study(STUDY, last_received=bench.clock.wall - 31 * DAY)
    bench.tick(after=61)
    assert {path.name for path in bench.store.root.glob("*/MR.*")} == {f"MR.{STUDY}.1.1", f"MR.{STUDY}.1.2"}


def test_the_marker_is_looked_for_before_anything_is_deleted(bench: Bench) -> None:
    from mrdock.errors import StoreError

    bench.take_in(image(1))
    bench.index.set_study(STUDY, last_received=bench.clock.wall - 31 * DAY)
    os.unlink(bench.store.root / ".mrdock-store")
    with pytest.raises(StoreError, match="marker"):
        sweep(bench.store, bench.index, bench.settings, bench.now)
    assert bench.names() == [f"MR.{STUDY}.1.1"]
