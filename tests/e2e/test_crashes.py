"""kill -9 while the dock copies: every copy is there, whole, once. Kills while clients send: `tests/faults`."""

from __future__ import annotations

import time
from pathlib import Path

from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import PATIENCE, Dock, Place, data_set_of
from tests.faults import kept

COUNT = 300


def test_killed_again_and_again_while_it_copies_300_images(place: Place, research: Path, images: MakeImages) -> None:
    target = research / "subj1"
    files = images(COUNT, comment=f"#-#{target}")
    sent = kept.originals(files)
    with place.dock() as dock:
        clients.ours(dock.enhanced, files)
        copied = [kill_when_copied(dock, target, 1, whole_group=False)]
    for number in (60, 140, 220):
        with place.dock() as dock:
            copied.append(kill_when_copied(dock, target, number, whole_group=number != 60))
    assert copied[0] < COUNT, "the first kill came while it copied"
    for path in target.glob("MR.*"):
        assert data_set_of(path) == sent[path.name.partition(".")[2]], "nothing partial under a final name"
    with place.dock():
        study = place.wait_for_state("routed")
        assert study["text"] == f"copied to {target}"
        stored = {path.name: path.read_bytes() for path in (place.store / study["directory"]).glob("MR.*")}
        assert len(stored) == COUNT
        assert {path.name: path.read_bytes() for path in target.iterdir()} == stored, "once, whole, nothing beside it"
    assert place.loose_ends() == []


def kill_when_copied(dock: Dock, target: Path, count: int, whole_group: bool) -> int:
    """kill -9 when ``count`` images have been copied; how many had been."""
    deadline = time.monotonic() + PATIENCE
    while not target.is_dir() or len(list(target.glob("MR.*"))) < count:
        assert time.monotonic() < deadline, "nothing is copied"
        time.sleep(0.001)
    dock.kill(whole_group)
    return len(list(target.glob("MR.*")))


def test_an_image_that_was_taken_and_comes_again_is_copied_again_although_the_dock_was_killed(
    place: Place, research: Path, images: MakeImages
) -> None:
    """Its study's record says that it was copied once; that was its former life."""
    target = research / "subj1"
    files = images(3, comment=f"#-#{target}")
    place.quiet = 1.0
    place.write_settings()
    with place.dock() as dock:
        clients.ours(dock.enhanced, files)
        study = place.wait_for_state("routed")
        taken = min((place.store / study["directory"]).glob("MR.*"))
        taken.unlink()
        (target / taken.name).unlink()
        clients.ours(dock.enhanced, files)
        place.wait_for_state("receiving")
        dock.kill(whole_group=True)
    with place.dock():
        place.wait_for_state("routed")
        assert len(list(target.iterdir())) == 3
