"""What is old goes, by the receipt record; nothing else does. Days pass by Debian's faketime."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import StudyIdentity
from tests.conftest import NeedTool
from tests.e2e import clients, faketime
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import Place, wait_for

At = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def at(need_tool: NeedTool) -> At:
    """The environment in which the clocks are off by so much ("-40d").

    The monotonic clock too: with it left alone, faketime 0.9.10 breaks Python's sleep (clock_nanosleep, EINVAL).
    """
    preload = faketime.library(need_tool)

    def environment(offset: str) -> dict[str, str]:
        return {"LD_PRELOAD": preload, "FAKETIME": offset}

    return environment


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, short_folder: Path, images: MakeImages, at: At) -> Place:
    """A store with three studies of 40 days ago, one of which got an image 10 days ago, and a study of 10 days ago."""
    place = Place(tmp_path_factory.mktemp("old"), quiet=0.5, roots=[short_folder])
    with place.dock(env=at("-40d")) as dock:
        clients.ours(dock.enhanced, images(2, seed="routed", comment=f"#-#{short_folder}/old"))
        clients.ours(dock.enhanced, images(2, seed="held", comment=f"#-#{short_folder}/no/where"))
        clients.ours(dock.enhanced, images(2, seed="late"))
        for seed, state in (("routed", "routed"), ("held", "held"), ("late", "kept")):
            place.wait_for_state(state, study=StudyIdentity(seed).study_uid)
    with place.dock(env=at("-10d")) as dock:
        clients.ours(dock.enhanced, images(3, seed="late")[2:])
        clients.ours(dock.enhanced, images(2, seed="young"))
        wait_for("the late image", lambda: place.studies()[StudyIdentity("late").study_uid]["images"] == 3)
        for seed in ("late", "young"):
            place.wait_for_state("kept", study=StudyIdentity(seed).study_uid)
        assert "the clock jumped, or the dock was off for long" in dock.log()
        # file times say nothing: these are the young ones
        for path in place.store.glob(f"{place.studies()[StudyIdentity('young').study_uid]['directory']}/*"):
            os.utime(path, (0, 0))
    return place


@pytest.fixture
def old(model: Place, tmp_path: Path) -> Place:
    """A copy of that store."""
    shutil.copytree(model.store, tmp_path / "store")
    return Place(tmp_path, quiet=0.5, roots=model.roots)


def there(place: Place) -> set[str]:
    """The seeds of the studies that have a directory."""
    named = {study["directory"]: uid for uid, study in place.studies().items()}
    seeds = {StudyIdentity(seed).study_uid: seed for seed in ("routed", "held", "late", "young")}
    return {seeds[named[path.name]] for path in place.store.glob("[0-9]*_*_*")}


def test_sweep_removes_only_what_is_old(old: Place, short_folder: Path) -> None:
    names = {seed: old.studies()[StudyIdentity(seed).study_uid]["directory"] for seed in ("routed", "held")}
    done = old.run("sweep", "--dry-run")
    assert done.returncode == 0
    lines = sorted(done.stdout.splitlines())
    assert [line.split(": ")[:2] for line in lines] == [["would go", name] for name in sorted(names.values())]
    assert all("more than 30 days ago" in line for line in lines)
    assert there(old) == {"routed", "held", "late", "young"}
    done = old.run("sweep")
    assert done.returncode == 0
    assert {line.split(": ")[1] for line in done.stdout.splitlines()} == set(names.values())
    assert all(line.startswith("deleted: ") for line in done.stdout.splitlines())
    assert there(old) == {"late", "young"}
    assert len(old.studies()) == 2
    assert len(old.images()) == 5
    assert old.loose_ends() == []
    assert len(list((short_folder / "old").iterdir())) == 2, "what was copied stays"
    assert old.ask("sweep").stdout == "Nothing is older than 30 days.\n"


def test_sweep_in_the_future_removes_the_rest(old: Place, at: At) -> None:
    done = old.run("sweep", env=at("+10d"))
    assert there(old) == {"late", "young"}, done
    old.run("sweep", env=at("+21d"))
    assert there(old) == set()
    assert old.images() == {}
    done = old.run("sweep")
    assert done.returncode == 1, "now the clock stands before what the index has seen"
    assert "set it first" in done.stderr


def test_held_studies_stay_where_the_settings_say_so(old: Place) -> None:
    old.more = "[retention]\nkeep_held = true\n"
    old.write_settings()
    done = old.ask("sweep", "--dry-run")
    assert sorted(line.split(": ")[0] for line in done.stdout.splitlines()) == ["stays", "would go"]
    assert "keep_held is on" in done.stdout
    old.ask("sweep")
    assert there(old) == {"held", "late", "young"}


def test_after_a_jump_of_the_clock_nothing_goes_by_itself_until_somebody_sweeps(old: Place) -> None:
    with old.dock() as dock:
        wait_for("the notice", lambda: any("clock jumped" in notice for notice in old.status()["notices"]))
        assert there(old) == {"routed", "held", "late", "young"}
        done = old.ask("sweep")
        assert done.returncode == 0
        assert there(old) == {"late", "young"}
        assert old.status()["notices"] == []
        assert "deleted" not in dock.log(), "the dock did not do it"


def test_the_dock_sweeps_by_itself_and_announces_held_studies(
    place: Place, research: Path, images: MakeImages, at: At
) -> None:
    place.more = "[retention]\ndays = 4\n"
    place.write_settings()
    with place.dock(env=at("-6d")) as dock:
        clients.ours(dock.enhanced, images(2, seed="routed", comment=f"#-#{research}/old"))
        clients.ours(dock.enhanced, images(2, seed="held", comment=f"#-#{research}/no/where"))
        for seed in ("routed", "held"):
            place.wait_for_state(seed, study=StudyIdentity(seed).study_uid)
    with place.dock(env=at("-4d")) as dock:
        wait_for("the announcement", lambda: "held, and will be deleted after" in dock.log())
        assert there(place) == {"routed", "held"}
    with place.dock("-v") as dock:
        wait_for("the sweep", lambda: there(place) == set())
        wait_for("its log lines", lambda: dock.log().count("deleted: last image received") == 2)
    assert len(list((research / "old").iterdir())) == 2
