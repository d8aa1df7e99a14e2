"""When a study is complete: not while anybody who sends to it is still there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, data_set_of, wait_for
from tests.faults.sites import contents

QUIET = 0.5


@pytest.fixture(scope="module")
def data(short_folder: Path) -> Path:
    folder = short_folder / "studies"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def hall(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("hall"), quiet=QUIET, roots=[data])


@pytest.fixture(scope="module")
def dock(hall: Place) -> Iterator[Dock]:
    with hall.dock() as running:
        yield running


def quiet_for_long(hall: Place, dock: Dock, images: MakeImages, seed: str) -> None:
    """Other studies come and are complete, one after the other: the quiet time has passed more than once."""
    for number in range(2):
        other = f"{seed} {number}"
        clients.ours(dock.classic, images(1, seed=other))
        hall.wait_for_state("kept", study=StudyIdentity(other).study_uid)


def check_whole(hall: Place, files: list[Path]) -> None:
    """Everything that was sent is in the store as it was sent."""
    here = hall.images()
    assert {uid: data_set_of(here[uid]) for uid in contents(files)} == contents(files)


def test_t49_a_study_waits_for_the_association_that_feeds_it(
    hall: Place, dock: Dock, data: Path, images: MakeImages
) -> None:
    """pynetdicom pauses in mid-study for longer than the quiet time: the study is neither complete nor copied until
    the association has ended; then it is, once, with all its images."""
    target = data / "pause"
    files = images(4, seed="pause", comment=f"#-#{target}")
    study = StudyIdentity("pause").study_uid
    entity = AE(ae_title="SCANNER")
    for pair in {(image.meta.sop_class, image.meta.transfer_syntax) for image in map(image_file, files)}:
        entity.add_requested_context(*pair)
    association = entity.associate("127.0.0.1", dock.enhanced, ae_title="MRDOCK")
    try:
        for number, path in enumerate(files):
            assert association.send_c_store(dcmread(path)).Status == 0
            if number in (1, 3):
                quiet_for_long(hall, dock, images, f"while it pauses {number}")
                assert hall.studies()[study]["state"] == "receiving"
                assert not target.exists()
    finally:
        association.release()
    assert hall.wait_for_state("routed", study=study)["images"] == 4
    assert len(list(target.iterdir())) == 4
    directory = hall.studies()[study]["directory"]
    assert dock.log().count(f"{directory} complete") == 1
    check_whole(hall, files)


@pytest.mark.parametrize("how", ["released", "aborted"])
def test_t49_a_study_waits_for_both_associations_that_feed_it(
    hall: Place, dock: Dock, data: Path, images: MakeImages, how: str
) -> None:
    """Two associations, one on each listener, feed one study: the end of one leaves it open for the other."""
    target = data / how
    files = images(4, seed=how, comment=f"#-#{target}")
    one, two = ([image_file(path) for path in half] for half in (files[:2], files[2:]))
    study = StudyIdentity(how).study_uid
    with Requester("127.0.0.1", dock.enhanced, propose(one), called="MRDOCK") as first:
        second = Requester("127.0.0.1", dock.classic, propose(two), called="MRDOCK")
        try:
            assert first.store(one[0]).status == 0
            assert second.store(two[0]).status == 0
            assert second.store(two[1]).status == 0
        finally:
            second.release() if how == "released" else second.abort()
        wait_for("the end of one", lambda: hall.status()["listeners"][1]["associations"] == 0)
        quiet_for_long(hall, dock, images, f"{how}, the other is open")
        assert hall.studies()[study]["state"] == "receiving"
        assert not target.exists()
        assert first.store(one[1]).status == 0
    assert hall.wait_for_state("routed", study=study)["images"] == 4
    assert len(list(target.iterdir())) == 4
    directory = hall.studies()[study]["directory"]
    assert dock.log().count(f"{directory} complete") == 1
    check_whole(hall, files)
