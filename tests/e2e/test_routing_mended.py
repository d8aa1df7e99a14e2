"""`mrdock route`: a person mends what was held, with the dock running or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Dock, Place, wait_for


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


HELD = ("alpha", "bravo", "charlie", "delta", "echo")


@pytest.fixture(scope="module", params=["running", "stopped"])
def mending(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, short_folder: Path, images: MakeImages
) -> Iterator[Place]:
    """Held studies (each test mends its own), and a dock that runs or does not."""
    root = short_folder / request.param
    root.mkdir()
    place = Place(tmp_path_factory.mktemp(request.param), quiet=0.5, roots=[root])
    with place.dock() as dock:
        for seed in HELD:
            clients.ours(dock.enhanced, images(3, seed=seed, comment=f"#-#{root}/no-{seed}/subj"))
        for seed in HELD:
            place.wait_for_state("held", study=StudyIdentity(seed).study_uid)
        if request.param == "running":
            yield place
            return
    yield place


def root_of(place: Place) -> Path:
    return Path(place.roots[0])


def test_after_the_directory_was_made_a_study_is_copied(mending: Place) -> None:
    study = mending.studies()[StudyIdentity("alpha").study_uid]
    parent = root_of(mending) / "no-alpha"
    parent.mkdir()
    done = mending.run("route", study["directory"])
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{study['directory']}: copied to {parent}/subj\n", "")
    assert len(names(parent / "subj")) == 3
    assert mending.studies()[study["study"]]["state"] == "routed"
    others = [other for uid, other in mending.studies().items() if uid == StudyIdentity("echo").study_uid]
    assert [other["state"] for other in others] == ["held"], "the others wait for their own mending"


def test_a_study_is_named_by_the_beginning_of_its_uid(mending: Place) -> None:
    (root_of(mending) / "no-bravo").mkdir()
    done = mending.ask("route", StudyIdentity("bravo").study_uid[:20])
    assert done.returncode == 0, done.stderr
    assert len(names(root_of(mending) / "no-bravo" / "subj")) == 3


def test_a_study_is_copied_to_another_place_and_then_to_yet_another(mending: Place) -> None:
    uid, root = StudyIdentity("charlie").study_uid, root_of(mending)
    done = mending.ask("route", uid, "--to", f"{root}/here")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f": copied to {root}/here\n")
    done = mending.ask("route", uid, "--to", f"{root}/there")
    assert done.returncode == 0, done.stderr
    assert names(root / "here") == names(root / "there")
    assert len(names(root / "there")) == 3
    study = mending.studies()[uid]
    assert study["text"] == f"copied to {root}/there"
    assert [route["asked"] for route in study["routes"]] == [True]


def test_what_cannot_be_mended_yet_says_so(mending: Place) -> None:
    study = mending.studies()[StudyIdentity("delta").study_uid]
    done = mending.ask("route", study["directory"])
    assert done.returncode == 1
    assert "neither the path nor its parent exists" in done.stdout
    assert mending.studies()[study["study"]]["state"] == "held"
    for path, why in (
        (f"{root_of(mending)}/x/y", "neither the path nor its parent exists; perhaps"),
        ("/usr", "not below one of the allowed directories"),
        ("here", "not absolute"),
    ):
        done = mending.ask("route", study["directory"], "--to", path)
        assert done.returncode == 2, (path, done)
        assert why in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert mending.studies()[study["study"]]["text"] == study["text"], "a refused --to changes nothing"


@pytest.mark.parametrize(
    ("name", "why"), [("19990101", "no study of that name"), ("2026", "several studies begin like that")]
)
def test_studies_that_are_not_there(mending: Place, name: str, why: str) -> None:
    done = mending.ask("route", name)
    assert done.returncode == 1
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1


# ---- one running dock for the rest ----


@pytest.fixture(scope="module")
def root(short_folder: Path) -> Path:
    folder = short_folder / "data"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, root: Path, short_folder: Path) -> Place:
    mount, away = short_folder / "mnt", short_folder / "nas"
    mount.mkdir()
    more = f'[route]\nroots = ["{root}", "{mount}", "{away}"]\nmount_points = ["{mount}"]\n'
    return Place(tmp_path_factory.mktemp("mended"), quiet=0.5, more=more)


@pytest.fixture(scope="module")
def dock(place: Place, root: Path, short_folder: Path, images: MakeImages) -> Iterator[Dock]:
    with place.dock() as running:
        one, two = (images(4, seed="two", comment=f"#-#{root}/{name}") for name in ("one", "two"))
        files = [
            *one[:2],
            *two[2:],
            *images(3, seed="away", comment=f"#-#{short_folder}/nas/subj1"),
            *images(3, seed="mount", comment=f"#-#{short_folder}/mnt/subj1"),
            *images(2, seed="kept"),
        ]
        clients.ours(running.enhanced, files)
        yield running


def test_a_series_with_two_paths_is_mended(place: Place, dock: Dock, root: Path) -> None:
    study = place.wait_for_state("held", study=StudyIdentity("two").study_uid)
    done = place.ask("route", study["directory"], "--to", f"{root}/one")
    assert done.returncode == 0, done
    assert len(names(root / "one")) == 4


def test_a_destination_that_is_away_is_waited_for(place: Place, dock: Dock, short_folder: Path) -> None:
    study = place.wait_for_state("waiting", study=StudyIdentity("away").study_uid)
    assert f"{short_folder}/nas is not there; is it mounted?" in study["text"]
    assert "next try" in study["text"]
    done = place.ask("route", study["directory"])
    assert done.returncode == 1
    assert "is it mounted?" in done.stdout
    (short_folder / "nas").mkdir()
    done = place.ask("route", study["directory"])
    assert done.returncode == 0, done
    assert len(names(short_folder / "nas" / "subj1")) == 3


def test_a_destination_that_is_not_mounted_is_waited_for(place: Place, dock: Dock, short_folder: Path) -> None:
    study = place.wait_for_state("waiting", study=StudyIdentity("mount").study_uid)
    assert f"{short_folder}/mnt is not mounted" in study["text"]
    assert names(short_folder / "mnt") == []


def test_a_study_that_is_being_received_is_copied_when_it_is_complete(
    place: Place, dock: Dock, root: Path, images: MakeImages
) -> None:
    files = [image_file(path) for path in images(4, seed="open")]
    uid = StudyIdentity("open").study_uid
    with Requester("127.0.0.1", dock.enhanced, propose(files)) as peer:
        assert [peer.store(item).status for item in files[:2]] == [0, 0]
        wait_for("two images", lambda: place.studies().get(uid, {}).get("images") == 2)
        done = place.ask("route", uid, "--to", f"{root}/open")
        assert done.returncode == 0
        assert "is being received; it will be copied when it is complete" in done.stderr
        assert [peer.store(item).status for item in files[2:]] == [0, 0]
        assert place.studies()[uid]["state"] == "receiving"
    place.wait_for_state("routed", study=uid)
    assert len(names(root / "open")) == 4


def test_a_study_without_a_path_is_kept_until_somebody_says_where(place: Place, dock: Dock, root: Path) -> None:
    study = place.wait_for_state("kept", study=StudyIdentity("kept").study_uid)
    done = place.ask("route", study["directory"])
    assert done.returncode == 1
    assert "its header names no path" in done.stdout
    done = place.ask("route", study["directory"], "--to", f"{root}/kept")
    assert done.returncode == 0
    assert len(names(root / "kept")) == 2
